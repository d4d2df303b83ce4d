"""GET /api/kpi: definitions, a figure with its calls, where two differ; who may ask, and of whose calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller import figures_desk
from controller.config import load
from controller.figures_desk import HotlineFigures
from controller.schema import upgrade
from controller.writer import Store
from metrics.definitions.catalogue import catalogue
from metrics.sql import save_calls
from pbx.call import CallRecord, Outcome
from pbx.ids import CallId, ChannelName, QueueId
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.serving import NUMBERS, configuration
from tickets.moves import Actor, Role
from tickets.organisations import Organisation, OrganisationTree, OrgKind

pytestmark = pytest.mark.doors

ENGLISH = '[[queues]]\nid = "english"\nname_zh = "英语"\nname_en = "English"\n'
START = 1_795_276_800.0  # 2026-11-22 00:00 in Shanghai
NOW = START + 20 * 3600.0


class People:
    """Whose tokens there are."""

    async def find(self, token: str) -> Actor | None:
        return {
            "leader-token-0123456789": Actor("chief", Role.LEADER),
            "north-token-01234567890": Actor("wang", Role.LEADER, "north"),
            "desk-token-012345678901": Actor("desk", Role.DISPATCHER),
        }.get(token)


def call(number: int, wait: float | None, *, dialled: str = "12345", queue: str = "general") -> CallRecord:
    at = START + number * 60
    record = CallRecord(
        CallId(f"c-{number}"), ChannelName("x"), dialled, "13800001111", at, queue=QueueId(queue), queued_at=at + 2,
        ended_at=at + 300, outcome=Outcome.ABANDONED,
    )  # fmt: skip
    if wait is None:
        return record
    return replace(record, joined_at=at + 2 + wait, released_at=at + 200, outcome=Outcome.ANSWERED)


@pytest.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with four calls, of two cities by the number dialled."""
    settings = load(configuration(tmp_path, {}, rest=NUMBERS + ENGLISH))
    tree = OrganisationTree(
        [Organisation(one, one, OrgKind.CITY, "chief", "office", "handler") for one in ("north", "south")]
    )
    policy = replace(settings.tickets, organisations=tree, numbers={"12345": "north", "12346": "south"})
    settings = replace(settings, tickets=policy)
    await asyncio.to_thread(upgrade, settings.database_url)
    store = Store(settings.database_url, spool=tmp_path / "spool.jsonl")
    await store.start()
    records = [call(1, 5.0), call(2, 14.0), call(3, None), call(4, 4.0, dialled="12346", queue="english")]
    await store.submit(figures_operation(), records)
    backend = MemoryBackend(clock=lambda: NOW)
    backend.desk.policy = policy
    desk = HotlineFigures(store, settings, lambda: NOW)
    async with site(backend, holders=People(), figures_desk=desk, clock=lambda: NOW) as running:
        yield running
    await store.stop()


def figures_operation() -> Any:
    from controller.spool import Operation

    return Operation("save", save_calls)


async def ask(hotline: Site, path: str, token: str = "leader-token-0123456789") -> tuple[int, Any]:
    async with hotline.session.get(hotline.url(path), headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json()


async def test_the_definitions_are_listed(hotline: Site) -> None:
    status, told = await ask(hotline, "/api/kpi")
    assert status == 200
    assert [one["name"] for one in told["definitions"]] == list(catalogue())


@pytest.mark.parametrize("apart", [False, True])
async def test_a_figure_has_its_calls(hotline: Site, apart: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the loop, and in a process of its own as a large day is."""
    monkeypatch.setattr(figures_desk, "IN_THREAD", 0 if apart else 500)
    status, told = await ask(hotline, "/api/kpi/sl15.from_arrival.v1?day=today&calls=1")
    assert status == 200
    assert (told["value"], told["numerator"], told["denominator"], told["met"]) == (0.5, 2, 4, False)
    assert (told["numerator_ids"], len(told["denominator_ids"])) == (["c-1", "c-4"], 4)
    assert (told["since"], told["until"]) == (START, NOW)


async def test_a_queue_alone_and_a_span(hotline: Site) -> None:
    path = "/api/kpi/connect.v1?from=2026-11-22T00:00&to=2026-11-21T16:03:30Z"
    assert (await ask(hotline, f"{path}&queue=general"))[1]["denominator"] == 3
    assert (await ask(hotline, "/api/kpi/connect.v1?day=today&queue=english"))[1]["denominator"] == 1
    status, told = await ask(hotline, "/api/kpi/connect.v1?day=2026-11-01")
    assert (status, told["value"], told["numerator_ids"]) == (200, None, None)
    assert "没有" in told["why"]["zh"]


async def test_where_two_differ(hotline: Site) -> None:
    status, told = await ask(hotline, "/api/kpi/diff?a=sl15.offered.v1&b=sl15.from_arrival.v1&day=today")
    assert status == 200
    assert [(one["id"], one["a"], one["b"]) for one in told["differences"]] == [("c-2", "both", "below")]
    assert (told["a"]["numerator"], told["b"]["numerator"]) == (3, 2)
    status, told = await ask(hotline, "/api/kpi/diff?a=connect.v1&b=wait.v1&day=today")
    assert (status, told["error"]) == (409, "not_comparable")


async def test_a_city_s_leader_sees_his_city_s_calls_and_nobody_s_time(hotline: Site) -> None:
    mine = "north-token-01234567890"
    status, told = await ask(hotline, "/api/kpi/connect.v1?day=today&calls=1", mine)
    assert (status, told["denominator_ids"]) == (200, ["c-1", "c-2", "c-3"])
    assert (await ask(hotline, "/api/kpi/connect.v1?day=today&city=south", mine))[1]["denominator"] == 0
    assert (await ask(hotline, "/api/kpi/connect.v1?day=today&city=south"))[1]["denominator"] == 1
    assert (await ask(hotline, "/api/kpi/occupancy.v1?day=today", mine))[0] == 403
    assert (await ask(hotline, "/api/kpi/occupancy.v1?day=today"))[0] == 200
    assert (await ask(hotline, "/api/kpi/connect.v1?day=today", "desk-token-012345678901"))[0] == 403


REFUSED = [
    ("/api/kpi/connect.v1", 400, "", "day_or_span"),
    ("/api/kpi/connect.v1?day=2026-02-30", 400, "day", "no_day"),
    ("/api/kpi/connect.v1?day=2026-11-23", 400, "", "period_in_future"),
    ("/api/kpi/connect.v1?day=today&from=2026-11-22", 400, "", "day_or_span"),
    ("/api/kpi/connect.v1?from=2026-11-22&to=2026-11-21", 400, "to", "empty_period"),
    ("/api/kpi/connect.v1?day=today&queue=nowhere", 400, "queue", "unknown_queue"),
    ("/api/kpi/connect.v1?day=today&calls=yes", 400, "calls", "not_one_of"),
    ("/api/kpi/connect.v1?day=today&tea=1", 400, "tea", "unknown_field"),
    ("/api/kpi/conect.v1?day=today", 404, "name", "unknown_measure"),
    ("/api/kpi/diff?a=connect.v1&b=conect.v1&day=today", 404, "b", "unknown_measure"),
    ("/api/kpi/diff?a=connect.v1&day=today", 400, "b", "missing"),
]


async def test_what_cannot_be_had_is_refused(hotline: Site) -> None:
    for path, status, field, code in REFUSED:
        found, told = await ask(hotline, path)
        problem = told["problems"][0]
        assert (found, problem["field"], problem["code"]) == (status, field, code), path
        if code == "unknown_measure":
            assert "connect.v1" in problem["message"]["en"]
