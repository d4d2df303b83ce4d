"""Inspectors, supervisors and leaders of a city have to do with the calls of that city and with nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from controller.inspection_desk import HotlineInspections
from controller.spool import Operation
from controller.writer import Store
from pbx.ids import AgentId
from recordings.inspection import review_sql, sql
from recordings.inspection.findings import Inspection
from tests.city_story import TREE
from tests.doors.test_inspection import NOW, PLAN
from tests.doors.test_web_inspections import ANSWERS
from tests.doors.test_web_tickets import ask
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tickets.moves import Actor, Role
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(organisations=TREE, queues={"cz-help": "cz", "zj-help": "zj", "js-help": "js"})
WHO = {
    "cz-inspector": Actor("cz-inspector", Role.INSPECTOR, "cz"),
    "cz-second": Actor("cz-second", Role.INSPECTOR, "cz"),
    "cz-boss": Actor("cz-boss", Role.SUPERVISOR, "cz"),
    "cz-leader": Actor("cz-leader", Role.LEADER, "cz"),
    "cz-agent": Actor("1001", Role.AGENT, "cz"),
    "cz-desk": Actor("cz-desk", Role.DISPATCHER, "cz"),
    "zj-inspector": Actor("zj-inspector", Role.INSPECTOR, "zj"),
    "js-inspector": Actor("js-inspector", Role.INSPECTOR, "js"),
    "wj-inspector": Actor("wj-inspector", Role.INSPECTOR, "cz-wj"),
    "water-inspector": Actor("water-inspector", Role.INSPECTOR, "cz-water"),
    "inspector": Actor("inspector", Role.INSPECTOR),
    "boss": Actor("boss", Role.SUPERVISOR),
}
CALLS = {"c-cz": ("1001", "cz-help"), "c-zj": ("2001", "zj-help"), "c-js": ("3001", "js-help")}
SEEN = {
    "cz-inspector": {"c-cz"}, "cz-boss": {"c-cz"}, "cz-leader": {"c-cz"}, "cz-agent": {"c-cz"},
    "zj-inspector": {"c-zj"}, "js-inspector": {"c-js"},
    "inspector": set(CALLS), "boss": set(CALLS), "admin": set(CALLS),
    "cz-desk": None, "wj-inspector": None, "water-inspector": None,
}  # fmt: skip
"""The calls that each sees; None = no such address is his. A province does not see its cities' calls."""


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


@dataclass
class Province:
    site: Site
    store: Store

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await ask(self.site, who, method, f"/api/inspection{path}", body)

    def refused(self) -> list[tuple[str, str, str, str]]:
        """What the audit trail has of refusals, taken out of it."""
        found = [
            (one.actor, one.action, one.outcome, one.call)
            for one in self.site.backend.noted.values()
            if one.outcome != "ok"
        ]
        self.site.backend.noted.clear()
        return found


@pytest.fixture
async def province(store: Store) -> AsyncIterator[Province]:
    backend = MemoryBackend(clock=lambda: NOW)
    backend.desk.policy = POLICY
    await store.submit(Operation("card", lambda c, _: review_sql.save_card(c, PLAN.card, "system", 0.0)), None)
    agents = {AgentId("1001"): {"cz"}, AgentId("2001"): {"zj"}, AgentId("3001"): ()}
    desk = HotlineInspections(store, PLAN, agents, backend.clock, policy=POLICY)
    for number, (call, (agent, queue)) in enumerate(CALLS.items()):
        found = Inspection(PLAN.rules.version, "judged", "judged", {"talk_s": 60.0}, {"dead-air": 1})
        one = sql.InspectedCall(
            call, NOW, None, "ab", agent, queue, NOW - 300 + number, "2026-11-22", found, POLICY.city_of("12345", queue)
        )
        await store.submit(Operation("save", sql.save_inspection), one)
    await desk.days.catch_up()
    async with site(backend, holders=People(), inspection_desk=desk, clock=backend.clock) as running:
        yield Province(running, store)


async def test_each_sees_the_calls_of_his_city_role_by_role(province: Province) -> None:
    for who, seen in SEEN.items():
        status, page = await province.ask(who, "GET", "/calls")
        assert (status, province.refused()) == (
            (200, []) if seen is not None else (403, [(WHO[who].id, "list_inspections", "not_allowed", "")])
        ), who
        if seen is None:
            for method, path in (
                ("GET", "/results"),
                ("GET", "/calls/c-cz"),
                ("GET", "/scores"),
                ("GET", "/agreement"),
            ):
                assert (await province.ask(who, method, path))[0] == 403
            assert len(province.refused()) == 4
            continue
        assert {one["call"] for one in page["calls"]} == seen, who
        for call, (agent, queue) in CALLS.items():
            status, shown = await province.ask(who, "GET", f"/calls/{call}")
            if call in seen:
                assert (status, shown["city"]) == (200, POLICY.city_of("", queue))
                assert province.refused() == []
            else:
                assert (status, shown["error"]) == (404, "unknown_inspection"), (who, call)
                id = WHO[who].id
                assert province.refused() == [(id, "read_inspection", "not_shown", call)]
            if who == "cz-agent":
                continue
            _, results = await province.ask(who, "GET", f"/results?by=queue&agent={agent}")
            assert [line["key"] for line in results["lines"]] == ([queue] if call in seen else [])
        _, results = await province.ask(who, "GET", "/results?by=agent")
        assert {line["key"] for line in results["lines"]} == {CALLS[call][0] for call in seen}
        _, results = await province.ask(who, "GET", "/results?by=day")
        assert sum(line["calls"] for line in results["lines"]) == len(seen)


async def test_a_city_draws_scores_judges_and_coaches_its_own(province: Province) -> None:
    span = {"since": NOW - 900, "until": NOW}
    plan = {**span, "kind": "random", "count": 9, "seed": "s", "inspectors": ["cz-inspector", "cz-second"]}
    status, refused = await province.ask("cz-boss", "POST", "/plans", plan | {"id": "other", "city": "zj"})
    assert (status, refused["error"]) == (403, "not_allowed")
    status, wrong = await province.ask("boss", "POST", "/plans", plan | {"id": "other", "city": "cz-wj"})
    assert (status, wrong["problems"][0]["field"]) == (422, "city")
    status, drawn = await province.ask("cz-boss", "POST", "/plans", plan | {"id": "cz-nov", "double_share": 1.0})
    assert (status, {one["call"] for one in drawn["tasks"]}) == (201, {"c-cz"})
    status, theirs = await province.ask(
        "boss", "POST", "/plans", plan | {"id": "zj", "city": "zj", "inspectors": ["i"]}
    )
    assert [one["call"] for one in theirs["tasks"]] == ["c-zj"]
    assert [one["plan"]["id"] for one in (await province.ask("cz-boss", "GET", "/plans"))[1]["plans"]] == ["cz-nov"]
    assert len((await province.ask("boss", "GET", "/plans"))[1]["plans"]) == 2
    assert (await province.ask("cz-boss", "GET", "/tasks?plan=zj"))[1]["tasks"] == []
    assert len((await province.ask("cz-boss", "GET", "/tasks?plan=cz-nov"))[1]["tasks"]) == 2
    province.refused()
    # scores
    body = {"card": "standard", "answers": {"greeting": 1.0, "pace": 1.0, **ANSWERS}}
    scored = {}
    for who, call, right in (
        ("cz-inspector", "c-cz", True), ("cz-second", "c-cz", True), ("cz-inspector", "c-zj", False),
        ("zj-inspector", "c-zj", True), ("cz-boss", "c-zj", False), ("js-inspector", "c-cz", False),
    ):  # fmt: skip
        status, made = await province.ask(who, "POST", "/scores", body | {"call": call})
        assert status == (201 if right else 404), (who, call, made)
        assert province.refused() == ([] if right else [(who, "score_call", "not_shown", call)])
        if right:
            scored.setdefault(call, made["id"])
    cz, zj = f"/scores/{scored['c-cz']}", f"/scores/{scored['c-zj']}"
    for who, mine, other in (("cz-leader", cz, zj), ("cz-boss", cz, zj), ("zj-inspector", zj, cz)):
        assert (await province.ask(who, "GET", mine))[0] == 200
        assert (await province.ask(who, "GET", other))[0] == 404, who
        assert len((await province.ask(who, "GET", "/scores"))[1]["scores"]) == (1 if who == "zj-inspector" else 2)
    province.refused()
    assert (await province.ask("cz-agent", "POST", f"{cz}/appeal", {"reason": "重听"}))[0] == 200
    assert (await province.ask("zj-inspector", "POST", f"{cz}/uphold", {"reason": "x"}))[0] == 404
    assert province.refused() == [("zj-inspector", "uphold_score", "not_shown", "c-cz")]
    assert (await province.ask("cz-boss", "POST", f"{cz}/uphold", {"reason": "录音属实"}))[0] == 200
    assert (await province.ask("cz-boss", "GET", "/agreement"))[1]["calls"] == 1
    assert (await province.ask("zj-inspector", "GET", "/agreement"))[1]["calls"] == 0
    # coaching: agents of the city, or about a call of it
    note = {"agent": "1001", "text": "先复述再登记"}
    for who, given, right in (
        ("cz-inspector", note, True), ("cz-inspector", note | {"call": "c-cz"}, True),
        ("cz-inspector", note | {"agent": "2001"}, False), ("js-inspector", note, False),
        ("js-inspector", note | {"agent": "3001", "call": "c-js"}, True),
        ("js-inspector", note | {"agent": "3001"}, False),
    ):  # fmt: skip
        assert (await province.ask(who, "POST", "/coaching", given))[0] == (201 if right else 404), (who, given)
    told = await province.ask("boss", "POST", "/coaching", note | {"call": "c-zj"})
    assert (told[0], told[1]["error"]) == (404, "unknown_inspection"), "a call in which he did not talk"
    for who, count in (("cz-boss", 2), ("zj-inspector", 0), ("js-inspector", 1), ("boss", 3), ("cz-agent", 2)):
        assert len((await province.ask(who, "GET", "/coaching"))[1]["notes"]) == count, who
    # what is the whole installation's is not a city's to change; its own calls it may have judged again
    assert (await province.ask("cz-boss", "POST", "/cards", {"card": {}}))[0] == 403
    assert (await province.ask("cz-boss", "POST", "/recompute", span))[1] == {"again": 1}
    assert (await province.ask("zj-inspector", "GET", "/calls/c-zj"))[0] == 200
    assert (await province.ask("cz-leader", "GET", "/calls/c-cz"))[1]["error"] == "unknown_inspection"
