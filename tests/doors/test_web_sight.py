"""Who may not look at a ticket gets nothing of it by any of its addresses: a city, and the other city's case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.event_desk import HotlineEvents
from controller.public_desk import HotlinePublic
from controller.records import Operations, Records
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.ids import AgentId
from tests.city_story import CZ_DESK, TREE, ZJ_DESK
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tickets.files import AttachmentFiles
from tickets.moves import Actor, Role
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE)
BOSS = Actor("zj-boss", Role.SUPERVISOR, "zj")
WHO = {one.id: one for one in (CZ_DESK, ZJ_DESK, BOSS)}


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


def bearer(who: Actor) -> dict[str, str]:
    return {"Authorization": f"Bearer {who.id}-token-0123456789"}


@pytest.fixture
def operations() -> Operations:
    """With the organisations of two cities."""
    return Operations(POLICY)


@pytest.fixture
async def town(records: Records, store: Store, tmp_path: Path) -> AsyncIterator[Site]:
    backend = MemoryBackend()
    files = AttachmentFiles(tmp_path)
    backend.desk = HotlineDesk(records, POLICY, {AgentId("1001")}, backend.clock, files)  # type: ignore[assignment]
    backend.public = HotlinePublic(records, "a-key-for-tests-0123456789", POLICY, backend.clock)
    backend.events = HotlineEvents(store, POLICY, backend.clock, lambda id: None)
    async with site(backend, holders=People()) as running:
        yield running


async def take(town: Site, who: Actor, text: str, region: str) -> str:
    body = {"type": "help", "title": text, "text": text, "region": region, "caller": "13800001111"}
    status, ticket = await town.json("POST", "/api/tickets", body, headers=bearer(who))
    assert status == 201, ticket
    return str(ticket["number"])


async def test_another_city_s_ticket_is_not_there(town: Site) -> None:
    number = await take(town, CZ_DESK, "家里停水两天", "cz")
    for who, method, path, body in (
        (ZJ_DESK, "GET", "", None),
        (ZJ_DESK, "GET", "/code", None),
        (ZJ_DESK, "GET", "/repeats", None),
        (ZJ_DESK, "POST", "/repeats", {"text": "停水"}),
        (BOSS, "POST", "/follow-up-call", {"agent": "1001"}),
    ):
        status, told = await town.json(method, f"/api/tickets/{number}{path}", body, headers=bearer(who))
        assert (status, told["error"]) == (404, "unknown_ticket"), path
    status, told = await town.json("GET", f"/api/tickets/{number}/code", headers=bearer(CZ_DESK))
    assert status == 200, told


async def test_nothing_is_done_with_another_city_s_ticket_or_incident(town: Site) -> None:
    """Neither by joining, merging and closing, which all answer or show a ticket beside the one of the address."""

    async def asked(who: Actor, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        status, told = await town.json(method, f"/api{path}", body, headers=bearer(who))
        return status, told

    theirs = [await take(town, CZ_DESK, "常州的秘密", "cz") for _ in range(2)]
    mine = [await take(town, ZJ_DESK, "漏水", "zj") for _ in range(2)]
    status, incident = await asked(CZ_DESK, "POST", f"/tickets/{theirs[0]}/join", {"with": theirs[1]})
    assert status == 200, incident
    of = incident["id"]
    number = {"move": "merge", "version": 1}
    for path, body, code in (
        (f"/tickets/{mine[0]}/join", {"with": theirs[0]}, "unknown_ticket"),
        (f"/tickets/{theirs[0]}/join", {"with": mine[0]}, "unknown_ticket"),
        (f"/tickets/{mine[0]}/moves", {**number, "into": theirs[0]}, "unknown_target"),
        (f"/tickets/{mine[0]}/moves", {**number, "into": "20200101" + "9" * 5}, "unknown_target"),
        (f"/tickets/{mine[0]}/moves", {"move": "join", "version": 1, "incident": of}, "unknown_mass_incident"),
        ("/incidents", {"tickets": [mine[0], theirs[0]]}, "unknown_ticket"),
        (f"/incidents/{of}/close", {"text": "统一答复"}, "unknown_mass_incident"),
    ):
        status, told = await asked(BOSS, "POST", path, body)
        assert (status in (404, 422), told["error"]) == (True, code), path
        assert "秘密" not in str(told)
    assert (await asked(ZJ_DESK, "GET", f"/incidents/{of}"))[0] == 404
    assert (await asked(ZJ_DESK, "GET", "/incidents"))[1]["incidents"] == []
    (shown,) = (await asked(CZ_DESK, "GET", "/incidents"))[1]["incidents"]
    assert (shown["id"], shown["tickets"]) == (of, 2)
    for number_of in (*theirs, *mine):
        who = CZ_DESK if number_of in theirs else ZJ_DESK
        assert (await asked(who, "GET", f"/tickets/{number_of}"))[1]["state"] == "registered"
    status, own = await asked(ZJ_DESK, "POST", f"/tickets/{mine[0]}/join", {"with": mine[1]})
    assert status == 200, own
    status, closed = await asked(BOSS, "POST", f"/incidents/{own['id']}/close", {"text": "已修复"})
    assert (status, closed["settled"]) == (200, True)


async def test_who_works_for_a_city_answers_no_incident_of_several(town: Site) -> None:
    theirs, mine = await take(town, CZ_DESK, "停电", "cz"), await take(town, ZJ_DESK, "停电", "zj")
    status, made = await town.json("POST", f"/api/tickets/{theirs}/join", {"with": mine})  # the hotline's own token
    assert status == 200, made
    path = f"/api/incidents/{made['id']}"
    status, told = await town.json("POST", f"{path}/close", {"text": "已恢复"}, headers=bearer(BOSS))
    assert (status, told["error"]) == (403, "not_allowed")
    assert (await town.json("GET", path, headers=bearer(ZJ_DESK)))[0] == 200
    status, closed = await town.json("POST", f"{path}/close", {"text": "已恢复"})
    assert (status, closed["settled"]) == (200, True)


async def test_likely_repeats_are_only_those_that_one_may_look_at(town: Site) -> None:
    """The same caller in two cities: each desk finds its own tickets alone."""
    await take(town, CZ_DESK, "家里停水两天", "cz")
    first, second = [await take(town, ZJ_DESK, "家里停水两天", "zj") for _ in range(2)]
    status, told = await town.json("GET", f"/api/tickets/{second}/repeats", headers=bearer(ZJ_DESK))
    assert status == 200, told
    assert [one["number"] for one in told["repeats"]] == [first]
