"""Who may not look at a ticket gets nothing of it by any of its addresses: a city, and the other city's case."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from controller.event_desk import HotlineEvents
from controller.public_desk import HotlinePublic
from controller.records import Operations, Records
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.ids import AgentId
from tests.city_story import CZ_AGENT, CZ_DESK, JS_DESK, TREE, ZJ_DESK
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tickets.files import AttachmentFiles
from tickets.follow_up import FollowUpRules
from tickets.moves import Actor, Role
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE)
BOSS = Actor("zj-boss", Role.SUPERVISOR, "zj")
GONE_UNIT = Actor("gone-unit", Role.UNIT, "abolished")
GONE_DESK = Actor("gone-desk", Role.DISPATCHER, "dissolved")
GONE_BOSS = Actor("gone-boss", Role.SUPERVISOR, "dissolved")
WHO = {one.id: one for one in (CZ_AGENT, CZ_DESK, JS_DESK, ZJ_DESK, BOSS, GONE_UNIT, GONE_DESK, GONE_BOSS)}


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
    everybody = FollowUpRules(delay_s=0.0, sample=1.0)
    backend.events = HotlineEvents(store, POLICY, backend.clock, lambda id: None, follow_up=everybody)
    async with site(backend, holders=People()) as running:
        yield running


async def take(town: Site, who: Actor, text: str, region: str, **more: str) -> str:
    body = {"type": "help", "title": text, "text": text, "region": region, "caller": "13800001111", **more}
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


async def test_another_city_s_ticket_is_not_joined_nor_merged_into_nor_given_back(town: Site) -> None:
    theirs, mine = await take(town, CZ_DESK, "常州某人的秘密", "cz"), await take(town, ZJ_DESK, "家里停水", "zj")
    version = (await town.json("GET", f"/api/tickets/{mine}", headers=bearer(ZJ_DESK)))[1]["version"]
    merge = {"move": "merge", "version": version, "into": theirs}
    for path, body, expected in (
        (f"/api/tickets/{mine}/join", {"with": theirs}, "unknown_ticket"),
        (f"/api/tickets/{theirs}/join", {"with": mine}, "unknown_ticket"),
        ("/api/incidents", {"tickets": [mine, theirs]}, "unknown_ticket"),
        (f"/api/tickets/{mine}/moves", merge, "unknown_target"),
        (f"/api/tickets/{theirs}/give-back", {"reason": "不是我们的"}, "unknown_ticket"),
    ):
        status, told = await town.json("POST", path, body, headers=bearer(ZJ_DESK))
        assert told["error"] == expected, path
        assert status in (404, 422), path
        assert "秘密" not in str(told)
    ticket = (await town.json("GET", f"/api/tickets/{theirs}", headers=bearer(CZ_DESK)))[1]
    assert (ticket["state"], ticket["incident_id"], ticket["version"]) == ("registered", None, 1)


async def test_another_city_s_incident_is_not_there(town: Site) -> None:
    theirs = [await take(town, CZ_DESK, "天宁区停水", "cz") for _ in range(2)]
    status, incident = await town.json(
        "POST", f"/api/tickets/{theirs[0]}/join", {"with": theirs[1]}, headers=bearer(CZ_DESK)
    )
    assert status == 200, incident
    mine = await take(town, ZJ_DESK, "家里停水", "zj")
    version = (await town.json("GET", f"/api/tickets/{mine}", headers=bearer(ZJ_DESK)))[1]["version"]
    id = incident["id"]
    assert (await town.json("GET", "/api/incidents", headers=bearer(ZJ_DESK)))[1]["incidents"] == []
    assert (await town.json("GET", f"/api/incidents/{id}", headers=bearer(ZJ_DESK)))[0] == 404
    join = {"move": "join", "version": version, "incident": id}
    status, told = await town.json("POST", f"/api/tickets/{mine}/moves", join, headers=bearer(ZJ_DESK))
    assert (status, told["error"]) == (422, "unknown_mass_incident")
    status, told = await town.json("POST", f"/api/incidents/{id}/close", {"text": "统一答复"}, headers=bearer(BOSS))
    assert (status, told["error"]) == (422, "unknown_mass_incident")
    shown = (await town.json("GET", "/api/incidents", headers=bearer(CZ_DESK)))[1]["incidents"]
    assert [(one["id"], one["tickets"]) for one in shown] == [(id, 2)]


async def test_an_incident_of_two_cities_is_closed_by_who_sees_both(town: Site) -> None:
    """The whole installation's supervisor joins two cities' tickets; one city sees it and cannot answer for both."""
    tickets = [await take(town, CZ_DESK, "停水", "cz"), await take(town, ZJ_DESK, "停水", "zj")]
    whole = {"by": "boss", "by_role": "supervisor"}
    made = (await town.json("POST", "/api/incidents", {"tickets": tickets, "title": "跨市停水", **whole}))[1]
    path = f"/api/incidents/{made['id']}"
    assert (await town.json("GET", path, headers=bearer(ZJ_DESK)))[1]["tickets"] == 2
    status, told = await town.json("POST", f"{path}/close", {"text": "统一答复"}, headers=bearer(BOSS))
    assert (status, told["error"]) == (403, "not_all_yours")
    status, told = await town.json("POST", f"{path}/close", {"text": "统一答复", **whole})
    assert status == 200, told
    states = {(await town.json("GET", f"/api/tickets/{one}"))[1]["state"] for one in tickets}
    assert states == {"resolved"}


async def test_a_city_that_only_handles_a_ticket_does_not_answer_its_caller_by_an_incident(town: Site) -> None:
    number = await take(town, CZ_DESK, "沿江路停水", "cz")
    for who, move in (
        (CZ_DESK, {"move": "refer", "version": 1, "unit": "js"}),
        (JS_DESK, {"move": "redispatch", "version": 2, "unit": "zj", "reason": "跨市域"}),
    ):
        status, told = await town.json("POST", f"/api/tickets/{number}/moves", move, headers=bearer(who))
        assert status == 200, told
    whole = {"by": "boss", "by_role": "supervisor"}
    made = (await town.json("POST", "/api/incidents", {"tickets": [number], "title": "停水", **whole}))[1]
    assert (await town.json("GET", f"/api/tickets/{number}", headers=bearer(BOSS)))[1]["part"] == "lead"
    path, reply = f"/api/incidents/{made['id']}/close", {"text": "统一答复"}
    status, told = await town.json("POST", path, reply, headers=bearer(BOSS))
    assert (status, told["error"]) == (403, "not_all_yours")
    assert (await town.json("POST", path, {**reply, **whole}))[0] == 200


async def test_an_agent_sees_the_ticket_that_he_took_for_another_city(town: Site) -> None:
    number = await take(town, CZ_AGENT, "家里停水", "cz")
    body = {"region": "zj", "agent": CZ_AGENT.id}
    assert (await town.json("PATCH", f"/api/tickets/{number}", body))[0] == 200
    assert (await town.json("GET", f"/api/tickets/{number}", headers=bearer(CZ_AGENT)))[0] == 200
    assert (await town.json("GET", f"/api/tickets/{number}", headers=bearer(CZ_DESK)))[0] == 404


async def test_who_acts_for_an_organisation_that_is_gone_is_told_so_and_sees_nothing(town: Site) -> None:
    number = await take(town, CZ_DESK, "家里停水", "cz")
    month = datetime.fromtimestamp(town.backend.clock(), ZoneInfo("Asia/Shanghai")).strftime("%Y-%m")
    row = {"class_code": "", "region": "cz", "place": "某小区", "unit": "cz-water", "basis": "三定方案"}
    asked = (
        ("GET", "/api/tickets", None),
        ("GET", f"/api/tickets/{number}", None),
        ("GET", f"/api/tickets/{number}/moves", None),
        ("POST", f"/api/tickets/{number}/moves", {"move": "sign", "version": 1}),
        ("PATCH", f"/api/tickets/{number}", {"title": "停水"}),
        ("POST", "/api/tickets", {"type": "help", "text": "停水"}),
        ("GET", f"/api/reports/tickets?month={month}", None),
        ("POST", "/api/ownership", row),
        ("GET", "/api/follow-ups", None),
        ("GET", "/api/knowledge/entries", None),
    )
    for who in (GONE_UNIT, GONE_DESK, GONE_BOSS):
        for method, path, body in asked:
            status, told = await town.json(method, path, body, headers=bearer(who))
            assert (status, told["error"]) == (403, "unit_gone"), (who.id, method, path)
            assert "名录" in told["message"]["zh"]
    assert (await town.json("GET", "/healthz", headers=bearer(GONE_UNIT)))[0] == 200, "what is open to all stays open"


async def test_a_small_city_has_its_follow_ups_before_a_big_one_s(town: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is cut after the wall, not before it."""
    monkeypatch.setattr("web.follow_ups.LONGEST", 1)
    for who, region in ((CZ_DESK, "cz"), (CZ_DESK, "cz"), (ZJ_DESK, "zj")):
        number = await take(town, who, "办好了吗", region)
        whole = {"by": "boss", "by_role": "supervisor"}
        move = {"move": "answer", "version": 1, "text": "已办", **whole}
        assert (await town.json("POST", f"/api/tickets/{number}/moves", move))[0] == 200
    told = (await town.json("GET", "/api/follow-ups", headers=bearer(BOSS)))[1]["follow_ups"]
    assert [one["number"] for one in told] == [number]


async def test_figures_are_those_of_the_bearer_s_own_hotline(town: Site) -> None:
    for _ in range(3):
        await take(town, CZ_DESK, "停水", "cz")
    await take(town, ZJ_DESK, "停水", "zj")
    month = datetime.fromtimestamp(town.backend.clock(), ZoneInfo("Asia/Shanghai")).strftime("%Y-%m")
    for who, count in ((ZJ_DESK, 1), (CZ_DESK, 3), (None, 4)):
        headers = bearer(who) if who else {"Authorization": f"Bearer {TOKEN}"}
        async with town.session.get(town.url(f"/api/reports/tickets?month={month}"), headers=headers) as answer:
            sheet = openpyxl.load_workbook(io.BytesIO(await answer.read()))["概况"]
        assert sheet.cell(2, 2).value == count


async def test_a_city_writes_its_own_rows_of_the_register_alone(town: Site) -> None:
    row = {"class_code": "", "region": "cz", "place": "某小区", "unit": "cz-water", "basis": "三定方案"}
    status, told = await town.json("POST", "/api/ownership", row, headers=bearer(BOSS))
    assert (status, told["error"]) == (403, "not_allowed")
    status, told = await town.json("POST", "/api/ownership", {**row, "region": ""}, headers=bearer(BOSS))
    assert (status, told["error"]) == (403, "not_allowed")


async def test_likely_repeats_are_only_those_that_one_may_look_at(town: Site) -> None:
    """The same caller in two cities: each desk finds its own tickets alone."""
    await take(town, CZ_DESK, "家里停水两天", "cz")
    first, second = [await take(town, ZJ_DESK, "家里停水两天", "zj") for _ in range(2)]
    status, told = await town.json("GET", f"/api/tickets/{second}/repeats", headers=bearer(ZJ_DESK))
    assert status == 200, told
    assert [one["number"] for one in told["repeats"]] == [first]


async def test_of_one_event_another_city_s_tickets_are_counted_and_not_named(town: Site) -> None:
    """The incident that one click would make: whose numbers the asker may not see he is told only how many."""
    house = {"address": "海州区幸福小区3号楼"}
    body = {"type": "help", "text": "家里停水了", "by": "boss", "by_role": "supervisor", **house}  # of no city yet
    theirs = [str((await town.json("POST", "/api/tickets", body))[1]["number"]) for _ in range(2)]
    own = [await take(town, ZJ_DESK, "家里停水了", "zj", **house) for _ in range(2)]
    status, told = await town.json("GET", f"/api/tickets/{own[1]}/repeats", headers=bearer(ZJ_DESK))
    assert status == 200, told
    assert (told["members"], told["members_unseen"]) == (own[:1], 2)
    assert not any(number in str(told) for number in theirs)
