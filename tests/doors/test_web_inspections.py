"""Quality inspection by the interface, over a real store: results, samples, scores, appeals; and who may do what."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from openpyxl import load_workbook

from controller.audit_rows import read as read_audit
from controller.inspection_desk import HotlineInspections
from controller.records import Operations, Records
from controller.spool import Operation
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId
from recordings.inspection import review_sql, sql
from recordings.inspection.findings import Finding, Inspection
from tests.doors.test_inspection import NOW, PLAN
from tests.doors.test_web_tickets import PEOPLE, ask
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tests.ticket_story import POLICY
from tickets.moves import Actor, Role
from tickets.ticket import TicketChange

pytestmark = pytest.mark.doors

WHO = {
    **PEOPLE,
    "wu": Actor("wu", Role.INSPECTOR),
    "far": Actor("far", Role.INSPECTOR, "city-b"),
}
ANSWERS = {
    "courtesy": 1.0, "forbidden": 1.0, "grasp": 0.8, "type": 0.0, "record": 1.0, "privacy": 1.0, "answer": 1.0,
    "next": "n/a",
}  # fmt: skip


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


@dataclass
class Town:
    site: Site
    store: Store
    records: Records
    desk: HotlineInspections

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await ask(self.site, who, method, f"/api/inspection{path}", body)

    async def inspected(self, call: str, agent: str, at: float, *, type: str, **counts: int) -> None:
        """A call that was inspected, with its ticket."""
        said = {"greeting": "said", "closing": "not_said"}
        places = tuple(Finding(name, 1.0 + n, 2.0 + n) for name, count in counts.items() for n in range(count))
        counts = {"dead-air": 0, "forbidden": 0, "long-hold": 0} | counts
        found = Inspection(
            PLAN.rules.version, "judged", "judged", {"talk_s": 60.0, "agent_share": 0.5}, counts, {"anger": 1}, said,
            "complaint", places,
        )  # fmt: skip
        made = sql.InspectedCall(call, at, at, "ab" * 32, agent, "general", at, "2026-11-22", found)
        await self.store.submit(Operation("save", sql.save_inspection), made)
        opening = OpenTicket(CallId(call), "13800001111", "12345", "zh", "general", AgentId(agent), at)
        number = await self.records.open_ticket(opening)
        change = TicketChange(type=type, title="停水", text="停水")
        await self.records.change_ticket(number, change, Actor(agent, Role.AGENT), at=at)


@pytest.fixture
async def town(store: Store, records: Records) -> AsyncIterator[Town]:
    backend = MemoryBackend(clock=lambda: NOW)
    begin = Operation("card", lambda connection, _: review_sql.save_card(connection, PLAN.card, "system", 0.0))
    await store.submit(begin, None)
    desk = HotlineInspections(store, PLAN, {AgentId("1001"): (), AgentId("1002"): ()}, backend.clock)
    async with site(backend, holders=People(), inspection_desk=desk, clock=backend.clock) as running:
        made = Town(running, store, records, desk)
        now = backend.clock()
        await made.inspected("c-1", "1001", now - 400, type="inquiry", **{"dead-air": 2})
        await made.inspected("c-2", "1001", now - 300, type="complaint")
        await made.inspected("c-3", "1002", now - 200, type="inquiry", forbidden=1)
        await desk.days.catch_up()
        yield made


async def test_from_results_to_a_changed_score(town: Town) -> None:
    # results: each rate with its counts, and the mismatch by the ticket as it is now
    status, results = await town.ask("boss", "GET", "/results?by=team")
    assert status == 200
    lines = {line["key"]: line for line in results["lines"]}
    assert lines["早班"]["calls"] == lines["早班"]["words_judged"] == 2
    assert lines["早班"]["rates"]["dead-air"] == {"found": 1, "judged": 2, "times": 2, "rate": 0.5}
    assert lines["早班"]["rates"]["type-mismatch"] == {"found": 1, "judged": 2, "times": 1, "rate": 0.5}
    assert lines["早班"]["means"]["talk_s"] == {"mean": 60.0, "judged": 2}
    assert lines[""]["rates"]["closing"]["rate"] == 1.0
    for by in ("agent", "queue", "day"):
        assert (await town.ask("leader", "GET", f"/results?by={by}"))[1]["lines"]
    assert (results["first"], results["last"]) == ("2026-10-22", "2026-11-22"), "whole days"
    assert results["judged_by"] == {PLAN.rules.version: 3}
    long = await town.ask("boss", "GET", "/results?since=0&until=100000000")
    assert (long[0], long[1]["problems"][0]["code"]) == (400, "window_too_long")
    # lists and one call
    status, page = await town.ask("quality", "GET", "/calls?found=type-mismatch&limit=1")
    assert [one["call"] for one in page["calls"]] == ["c-1"]
    _, rest = await town.ask("quality", "GET", f"/calls?found=type-mismatch&limit=1&after={page['next']}")
    assert [one["call"] for one in rest["calls"]] == ["c-3"]
    status, shown = await town.ask("wang", "GET", "/calls/c-1")
    assert (shown["wrong_type"], shown["filed"], shown["proposed"]) == (
        True,
        ["inquiry"],
        {"greeting": 0.5, "pace": 0.5},
    )
    assert [one["at_s"] for one in shown["found"]["findings"]] == [1.0, 2.0]
    assert shown["ticket"].isdecimal()
    # a sample, two inspectors who do not see each other
    now = town.site.backend.clock()
    plan = {
        "id": "nov", "kind": "rule", "rule": "type-mismatch", "since": now - 500, "until": now, "count": 5, "seed": "s",
        "inspectors": ["quality", "wu"], "double_share": 1.0,
    }  # fmt: skip
    status, drawn = await town.ask("boss", "POST", "/plans", plan)
    assert status == 201
    assert sorted((one["call"], one["seat"]) for one in drawn["tasks"]) == [
        ("c-1", 1),
        ("c-1", 2),
        ("c-3", 1),
        ("c-3", 2),
    ]
    assert (await town.ask("boss", "POST", "/plans", plan))[0] == 422, "a plan is drawn once"
    assert (await town.ask("boss", "POST", "/plans", plan | {"id": "two"}))[1]["tasks"] == [], "without replacement"
    first = next(one["inspector"] for one in drawn["tasks"] if (one["call"], one["seat"]) == ("c-1", 1))
    second = "wu" if first == "quality" else "quality"
    _, mine = await town.ask(second, "GET", "/tasks")
    assert {one["inspector"] for one in mine["tasks"]} == {second}
    status, score = await town.ask(first, "POST", "/scores", {"call": "c-1", "card": "standard", "answers": ANSWERS})
    assert (status, score["seat"], score["state"]) == (201, 1, "scored")
    assert score["total"] == pytest.approx(100 * (5 + 15 + 5 + 12 + 0 + 15 + 15) / 90, abs=0.01)
    path = f"/scores/{score['id']}"
    assert (await town.ask(second, "GET", path))[0] == 404, "blind until he has scored it"
    assert (await town.ask(second, "GET", "/scores"))[1]["scores"] == []
    other = {"call": "c-1", "card": "standard", "answers": ANSWERS | {"grasp": 1.0, "type": 1.0}}
    assert (await town.ask(second, "POST", "/scores", other))[1]["seat"] == 2
    assert (await town.ask(second, "GET", path))[0] == 200
    _, agreed = await town.ask("boss", "GET", "/agreement")
    assert (agreed["calls"], agreed["items"]["grasp"]["percent"], agreed["items"]["answer"]["percent"]) == (
        1,
        0.0,
        100.0,
    )
    assert (await town.ask(first, "POST", "/scores", other))[1]["error"] == "scored_already"
    # the agent appeals; who scored does not judge it
    _, his = await town.ask("wang", "GET", "/scores")
    assert [one["id"] for one in his["scores"]] == [score["id"]], "his own, and only the one that counts"
    assert (await town.ask("wang", "POST", f"{path}/appeal", {}))[1]["error"] == "reason_needed"
    assert (await town.ask("li", "POST", f"{path}/appeal", {"reason": "x"}))[0] == 404
    assert (await town.ask("wang", "POST", f"{path}/appeal", {"reason": "工单类型已改"}))[1]["state"] == "appealed"
    status, refused = await town.ask(first, "POST", f"{path}/uphold", {"reason": "x"})
    assert (status, refused["error"]) == (403, "own_score")
    changed = {"reason": "类型正确", "answers": {"type": 1.0}}
    status, after = await town.ask(second, "POST", f"{path}/change", changed)
    assert (after["state"], after["total"]) == (
        "changed",
        pytest.approx(100 * (5 + 15 + 5 + 12 + 10 + 15 + 15) / 90, abs=0.01),
    )
    assert (await town.ask("wang", "POST", f"{path}/appeal", {"reason": "x"}))[1]["error"] == "score_not_now"
    assert (await town.ask("boss", "POST", f"{path}/close", {}))[1]["state"] == "closed"
    _, told = await town.ask("wang", "GET", path)
    assert [one["move"] for one in told["moves"]] == ["score", "appeal", "change", "close"]
    assert (told["moves"][0]["answers"]["type"], told["score"]["answers"]["type"]) == (0.0, 1.0)
    _, agreed = await town.ask("boss", "GET", "/agreement")
    assert agreed["items"]["type"]["percent"] == 0.0, "of what each gave at first"
    # coaching
    note = {"agent": "1001", "score": score["id"], "text": "先复述诉求再登记"}
    status, made = await town.ask(first, "POST", "/coaching", note)
    assert status == 201
    assert (await town.ask("li", "GET", "/coaching"))[1]["notes"] == []
    assert (await town.ask("li", "POST", f"/coaching/{made['id']}/seen"))[0] == 404
    seen = (await town.ask("wang", "POST", f"/coaching/{made['id']}/seen"))[1]["seen_at"]
    assert (await town.ask("wang", "GET", "/coaching"))[1]["notes"][0]["seen_at"] == seen
    assert (await town.ask(first, "POST", "/coaching", note | {"agent": "1002"}))[0] == 404, "another agent's score"
    # the figures of scores, and the table as a file
    _, results = await town.ask("boss", "GET", "/results")
    assert results["lines"][0]["scores"] == {"count": 1, "mean": after["total"], "passed": 1}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for format in ("xlsx", "csv"):
        url = town.site.url(f"/api/inspection/results/export?format={format}")
        async with town.site.session.get(url, headers=headers) as answer:
            assert answer.status == 200
            data = await answer.read()
        if format == "xlsx":
            rows = list(load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True))
            assert (rows[0][:2], [row[0] for row in rows[1:]]) == (("对象", "质检通话"), ["1001", "1002"])
        else:
            assert data.decode("utf-8-sig").splitlines()[1].startswith("1001,2,2,2,1,")
    # everything that was done, and who looked at words, is in the trail
    trail = [(row.entry.action, row.entry.actor) for row in await town.store.read(read_audit, 0.0, now + 1e6)]
    done = [(action, "wang" if by == "1001" else by) for action, by in trail]
    assert done == [
        ("draw_sample", "boss"), ("draw_sample", "boss"), ("score_call", first), ("score_call", second),
        ("appeal_score", "wang"), ("change_score", second), ("close_score", "boss"), ("coach_agent", first),
        ("read_coaching", "wang"),
    ]  # fmt: skip
    told = [(one.action, one.actor, one.outcome, one.call) for one in town.site.backend.noted.values()]
    assert told == [
        ("read_inspection", "1001", "ok", "c-1"),
        ("see_scores", second, "not_shown", "c-1"),
        ("score_call", first, "scored_already", "c-1"),
        ("appeal_score", "1002", "not_shown", "c-1"),
        ("uphold_score", first, "own_score", ""),
        ("appeal_score", "1001", "score_not_now", ""),
    ]


async def test_who_may_do_what_and_what_is_refused(town: Town) -> None:
    now = town.site.backend.clock()
    span = {"since": now - 500, "until": now}
    plan = {**span, "id": "p", "kind": "random", "count": 1, "seed": "s", "inspectors": ["quality"]}
    card = {
        "id": "small", "name_zh": "小表", "name_en": "small",
        "items": [{"id": "a", "group": "result", "name_zh": "甲", "name_en": "a", "weight": 100}],
    }  # fmt: skip
    score = {"call": "c-2", "card": "standard", "answers": ANSWERS}
    everybody = {"wang", "li", "desk", "water", "boss", "quality", "leader", "system", "far", "nobody", "admin"}
    seeing = {"boss", "quality", "leader", "admin"}
    allowed: list[tuple[str, str, object, set[str]]] = [
        ("GET", "/rules", None, seeing | {"wang", "li"}),
        ("GET", "/cards", None, seeing | {"wang", "li"}),
        ("GET", "/calls", None, seeing | {"wang", "li"}),
        ("GET", "/calls?agent=1001", None, seeing | {"wang"}),
        ("GET", "/calls/c-1", None, seeing | {"wang"}),
        ("GET", "/results", None, seeing | {"wang", "li"}),
        ("GET", "/results?agent=1002", None, seeing | {"li"}),
        ("GET", "/results/export?format=csv", None, seeing),
        ("GET", "/plans", None, seeing),
        ("GET", "/tasks", None, seeing),
        ("GET", "/tasks?inspector=wu", None, seeing - {"quality"}),
        ("GET", "/scores", None, seeing | {"wang", "li"}),
        ("GET", "/scores?agent=1001", None, seeing | {"wang"}),
        ("GET", "/agreement", None, seeing),
        ("GET", "/coaching", None, seeing | {"wang", "li"}),
        ("GET", "/coaching?agent=1001", None, seeing | {"wang"}),
        ("POST", "/recompute", {"since": 0, "until": 1}, {"boss", "admin"}),
        ("POST", "/cards", {"card": card}, {"boss", "admin"}),
        ("POST", "/plans", plan | {"since": 1, "until": 2}, {"boss", "admin"}),
        ("POST", "/scores", score, {"boss", "quality", "admin"}),
        ("POST", "/coaching", {"agent": "1001", "text": "x"}, {"boss", "quality", "admin"}),
    ]
    for method, path, body, may in allowed:
        for number, who in enumerate(sorted(everybody)):
            if path == "/results/export?format=csv" and who in may:
                continue  # its answer is no JSON; the story above reads it
            given = {**body, "id": f"p{number}"} if path == "/plans" and isinstance(body, dict) else body
            town.site.backend.noted.clear()
            status, _ = await town.ask(who, method, path, given)
            expected = {"nobody": (401,), "far": (403,)}.get(who, (200, 201) if who in may else (403, 404))
            assert status in expected, (who, method, path, status)
            if status == 403 and who not in ("system", "far"):  # whose tokens open no such address at all
                (line,) = town.site.backend.noted.values()
                assert (line.actor, line.outcome) == (WHO[who].id, "not_allowed")
    # what is wrong
    wrong: list[tuple[str, object, int, str]] = [
        ("/scores", score | {"call": "c-9"}, 404, "unknown_inspection"),
        ("/scores", score | {"card": "none"}, 404, "unknown_card"),
        ("/scores", score | {"call": "c-3", "answers": {}}, 422, "bad_answers"),
        ("/scores", score | {"call": "c-3", "answers": ANSWERS | {"courtesy": [1]}}, 422, "bad_answers"),
        ("/cards", {"card": card | {"items": []}}, 422, "bad_card"),
        ("/plans", plan | {"double_share": 1.0}, 422, "bad_plan"),
        ("/plans", plan | {"kind": "rule"}, 422, "bad_plan"),
        ("/plans", plan | {"kind": "odd"}, 400, "bad_request"),
        ("/coaching", {"agent": "9999", "text": "x"}, 404, "unknown_agent"),
        ("/scores/00000000000000000000/close", {}, 404, "unknown_score"),
    ]
    for path, body, status, code in wrong:
        found = await town.ask("admin", "POST", path, body)
        assert (found[0], found[1]["error"]) == (status, code), path
    odd = {name: value for name, value in ANSWERS.items() if name != "record"} | {"grasp": 0.3, "closing": 1.0}
    _, told = await town.ask("quality", "POST", "/scores", score | {"call": "c-3", "answers": odd})
    assert {one["field"]: one.get("allowed") for one in told["problems"]} == {
        "answers.record": ["0", "0.5", "0.8", "1", "n/a"], "answers.grasp": ["0", "0.5", "0.8", "1", "n/a"],
        "answers.closing": None,
    }, "every item at fault, with what it may have"  # fmt: skip
    _, made = await town.ask("boss", "POST", "/cards", {"card": card | {"pass_mark": 60}})
    assert made["version"] == 2
    assert (await town.ask("boss", "POST", "/cards", {"card": card | {"pass_mark": 60}}))[1]["version"] == 2
    # an agent who inspects too does not score himself; a late appeal is none
    WHO["wang-as-inspector"] = Actor("1001", Role.INSPECTOR)
    assert (await town.ask("wang-as-inspector", "POST", "/scores", score | {"call": "c-1"}))[1]["error"] == "own_call"
    del WHO["wang-as-inspector"]
    late = (await town.ask("wang", "GET", "/scores"))[1]["scores"][0]
    held = await town.store.read(review_sql.get_score, late["id"])
    assert held is not None
    move = Operation("age", lambda connection, one: review_sql.add_score(connection, one, "inspector"))
    old = replace(held, id="0" * 20, call="c-1", inspector="wu", at=now - PLAN.appeal_s - 10)
    await town.store.submit(move, old)
    assert (await town.ask("wang", "POST", f"/scores/{old.id}/appeal", {"reason": "x"}))[1][
        "error"
    ] == "appeal_too_late"
    # numbers of people are stars to who has no right to them
    said = (Finding("promise", 3.0, 4.0, "agent", "保证", "我的电话幺三八零零零零幺二三四保证", "exact"),)
    spoken = Inspection(PLAN.rules.version, "judged", "judged", counts={"promise": 1}, findings=said)
    one = sql.InspectedCall("c-n", now, now, "ab", "1001", "general", now - 100, "2026-11-22", spoken)
    await town.store.submit(Operation("save", sql.save_inspection), one)
    for who, hidden in (("wang", True), ("quality", True), ("boss", False), ("leader", False), ("admin", False)):
        _, shown = await town.ask(who, "GET", "/calls/c-n")
        words = "我的电话***********保证" if hidden else said[0].said
        assert (shown["masked"], shown["found"]["findings"][0]["said"]) == (hidden, words), who
    # by today's rules again: what was judged is taken back for the inspector to do
    assert (await town.ask("boss", "POST", "/recompute", span))[1] == {"again": 4}
    assert (await town.ask("boss", "GET", "/calls/c-1"))[0] == 404


async def test_a_hotline_without_inspection_has_no_such_addresses() -> None:
    async with site(holders=People()) as running:
        for path in ("rules", "calls", "results", "scores"):
            assert (await ask(running, "boss", "GET", f"/api/inspection/{path}"))[0] == 404
