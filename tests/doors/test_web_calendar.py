"""GET /api/calendar: a month, who says what its days are, and the years nobody knows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.website import Site, site
from tickets.calendars import published

pytestmark = pytest.mark.doors

UNKNOWN = max(year for year in range(2024, 2060) if published(year)) + 1


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    async with site() as running:
        yield running


async def test_a_month(hotline: Site) -> None:
    status, body = await hotline.json("GET", "/api/calendar?month=2025-10")
    assert status == 200
    assert (body["month"], len(body["days"])) == ("2025-10", 31)
    assert sum(day["workday"] for day in body["days"]) == 18
    by_day = {day["date"]: day for day in body["days"]}
    assert by_day["2025-10-11"]["workday"]  # a Saturday
    assert (by_day["2025-10-01"]["why"], by_day["2025-10-01"]["name"]) == ("published", "国庆节")
    assert all(isinstance(year, int) for year in body["unknown_years"])


async def test_a_year_that_nobody_knows(hotline: Site) -> None:
    _, body = await hotline.json("GET", f"/api/calendar?month={UNKNOWN}-02")
    assert {day["why"] for day in body["days"]} == {"rule"}
    status, body = await hotline.json("GET", "/api/calendar")
    assert (status, len(body["month"])) == (200, 7)


@pytest.mark.parametrize("query", ["month=2025", "month=x", "month=9999-12", "month=2025-13", "day=1"])
async def test_what_is_no_month(hotline: Site, query: str) -> None:
    status, body = await hotline.json("GET", f"/api/calendar?{query}")
    assert (status, body["error"]) == (400, "bad_request")
    assert body["problems"]


async def test_it_is_for_those_who_work_on_tickets(hotline: Site) -> None:
    status, _ = await hotline.json("GET", "/api/calendar", headers={"Authorization": "Bearer nobody"})
    assert status == 401
