"""Supervision by the interface, over the real rules: every endpoint for every right, bad bodies, conflicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from agents.moves import AgentState
from agents.rights import Actor, Right
from controller.backend import HotlineBackend
from controller.plan import CallbackPlan, CampaignPlan
from pbx import commands as order
from pbx.call import CallState
from pbx.ids import ActorId, AgentId, RequestId
from pbx.notice import Incident, NoticesRestored, Registration
from pbx.supervision import Audit, Spy, SpyAsked, SpyMode, SpyStarted, SupervisorRequest
from tests.builders import A1, A2, ENGLISH, GENERAL, ONE, TWO, Hall, leg_of, only
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from web.backend import RequestResult, SupervisionView

pytestmark = pytest.mark.doors


GIVEN = Incident("n1", "power", "", GENERAL, None, None, True, ActorId("notice"), 1.0)


def token(right: str) -> str:
    return f"the-token-of-somebody-with-{right}"


class RuledBackend(MemoryBackend):
    """Supervisors' orders go to a real switchboard: one supervisor for each right, who has no other."""

    def __init__(self) -> None:
        super().__init__()
        ones = {ActorId(right.value): self._one(right.value, {right}, "*") for right in Right}
        ones[ActorId("narrow")] = self._one("narrow", set(Right), ENGLISH)
        asks = {"callback": CallbackPlan(dial="PJSIP/{number}@trunk"), "campaign": CampaignPlan(True)}
        self.hall = Hall(supervisors=ones, **asks)
        self._house = self.hall.house
        self.trail: list[Mapping[str, object]] = []
        self.asked: tuple[float, float, str] | None = None
        self.hall.talking(A1)
        self.hall.sign_in(A2)
        self.hall.queued(TWO)
        self.hall.step(NoticesRestored((GIVEN,), (), self.hall.now))
        self._number = 0

    @staticmethod
    def _one(name: str, rights: set[Right], queue: str) -> Actor:
        return Actor(ActorId(name), name, frozenset(rights), frozenset({queue}), AgentId("9001"))

    def actor(self, by: ActorId) -> Actor | None:
        return self.hall.plan.actor(by)

    async def supervise(self, make: Callable[[RequestId, float], SupervisorRequest]) -> RequestResult:
        self._number += 1
        commands = self.hall.step(make(RequestId(f"s{self._number}"), self.hall.now))
        reply = only(commands, order.Reply)
        return RequestResult(reply.ok, reply.code, dict(reply.detail))

    def supervision(self) -> SupervisionView:
        return HotlineBackend.supervision(cast(HotlineBackend, self))

    async def audit(self, since: float, until: float, agent: str) -> Sequence[Mapping[str, object]]:
        self.asked = (since, until, agent)
        return self.trail


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    backend = RuledBackend()
    supervisors = {one: token(one) for one in backend.hall.plan.supervisors}
    async with site(backend, supervisors=supervisors, clock=lambda: backend.hall.now) as running:
        yield running


def rules(hotline: Site) -> RuledBackend:
    return cast(RuledBackend, hotline.backend)


async def ask(hotline: Site, by: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    return await hotline.json(method, path, body, headers={"Authorization": f"Bearer {token(by)}"})


CALLER = f"/api/calls/{TWO}"
ENDPOINTS: list[tuple[str, str, object, Right]] = [
    ("POST", "/api/agents/1002/force-ready", {}, Right.FORCE),
    ("POST", "/api/agents/1002/force-not-ready", {"reason": "meeting"}, Right.FORCE),
    ("POST", "/api/agents/1002/force-sign-out", None, Right.FORCE),
    ("PUT", "/api/agents/1002/skills", {"skills": {"english": 4, "general": None}, "for_s": 3600}, Right.SKILLS),
    ("DELETE", "/api/agents/1002/skills", None, Right.SKILLS),
    ("PUT", "/api/queues/general", {"skills": {"general": 2}, "priority": 3, "for_s": 60}, Right.SKILLS),
    ("DELETE", "/api/queues/general", {}, Right.SKILLS),
    ("POST", f"{CALLER}/release", {}, Right.RELEASE),
    ("POST", f"{CALLER}/move", {"queue": "english", "priority": 4, "head": True}, Right.MOVE),
    ("POST", "/api/agents/1001/listen", {"mode": "listen"}, Right.LISTEN),
    ("POST", "/api/agents/1001/listen", {"mode": "whisper"}, Right.WHISPER),
    ("POST", "/api/agents/1001/listen", {"mode": "barge"}, Right.BARGE),
    ("POST", f"/api/calls/{ONE}/listen", {"mode": "listen"}, Right.LISTEN),
    ("POST", f"/api/calls/{ONE}/listen", {"mode": "whisper"}, Right.WHISPER),
    ("POST", f"/api/calls/{ONE}/listen", {"mode": "barge"}, Right.BARGE),
    ("POST", "/api/notices", {"kind": "water", "area": "haizhou", "queue": "general", "for_s": 60}, Right.NOTICE),
    ("POST", "/api/notices/n1/end", {}, Right.NOTICE),
    ("POST", "/api/follow-ups/campaign/pause", {}, Right.FOLLOW_UP),
    ("POST", "/api/follow-ups/campaign/resume", None, Right.FOLLOW_UP),
]


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize(("method", "path", "body", "needed"), ENDPOINTS)
async def test_every_endpoint_asks_for_its_right_and_writes_it_down(
    hotline: Site, method: str, path: str, body: object, needed: Right, right: Right
) -> None:
    status, answer = await ask(hotline, right.value, method, path, body)
    entry = [one.entry for one in rules(hotline).hall.said if isinstance(one, Audit)][-1]
    assert entry.actor == right.value
    if right is needed:
        assert (status, answer["ok"], entry.outcome) == (200, True, "ok")
    else:
        assert (status, answer["error"], entry.outcome) == (403, "not_allowed", "not_allowed")
        assert answer["message"]["zh"]


@pytest.mark.parametrize(("method", "path", "body", "needed"), ENDPOINTS)
async def test_only_in_his_own_queues(hotline: Site, method: str, path: str, body: object, needed: Right) -> None:
    """Agent 1001 serves english too, but his caller came by general."""
    status, answer = await ask(hotline, "narrow", method, path, body)
    assert (status, answer["error"]) == (403, "not_your_queue")


async def test_the_voice_follow_up_is_shown_to_who_may_see_it(hotline: Site) -> None:
    path = "/api/follow-ups/campaign"
    status, shown = await ask(hotline, "follow_up", "GET", path)
    assert (status, shown["on"], shown["tickets"][0]["ticket"]) == (200, True, "1")
    assert "13800001111" not in str(shown)
    assert (await ask(hotline, "listen", "GET", path))[0] == 403
    await ask(hotline, "follow_up", "POST", f"{path}/pause", {})
    assert rules(hotline).hall.house.campaign.rest.by == "follow_up"


async def test_the_api_token_is_the_administrator_s(hotline: Site) -> None:
    status, _ = await hotline.json("POST", "/api/agents/1002/force-ready", {})
    assert status == 200
    entry = [one.entry for one in rules(hotline).hall.said if isinstance(one, Audit)][-1]
    assert (entry.actor, entry.role) == ("admin", "administrator")


async def test_what_an_order_does_is_told(hotline: Site) -> None:
    hall = rules(hotline).hall
    answer = await ask(hotline, "force", "POST", "/api/agents/1001/force-not-ready", {"reason": "meeting"})
    assert answer == (200, {"ok": True, "effect": "after_talk"})
    await ask(hotline, "move", "POST", f"{CALLER}/move", {"queue": "english"})
    assert hall.call(TWO).record.queue == ENGLISH
    await ask(hotline, "skills", "PUT", "/api/agents/1002/skills", {"skills": {"english": 4}, "for_s": 3600})
    (override,) = hall.house.supervision.skills[A2].values()
    assert (override.level, override.until) == (4, hall.now + 3600)
    await ask(hotline, "skills", "PUT", "/api/queues/english", {"skills": {"general": 1}, "until": hall.now + 5})
    assert str(hall.house.queue(ENGLISH).requirement) == "general>=1"


async def test_contrary_orders_are_told_of_each_other(hotline: Site) -> None:
    hall = rules(hotline).hall
    await ask(hotline, "force", "POST", "/api/agents/1002/force-not-ready", {"reason": "meeting"})
    hall.later(3)
    status, answer = await hotline.json("POST", "/api/agents/1002/force-ready", {})
    assert (status, answer["error"]) == (409, "ordered_otherwise")
    assert answer["detail"] == {"by": "force", "ordered": "force_not_ready", "seconds_ago": "3"}
    assert hall.where(A2) is AgentState.NOT_READY
    status, _ = await hotline.json("POST", "/api/agents/1002/force-ready", {"confirm": True})
    assert (status, hall.state(TWO)) == (200, CallState.OFFERED)


BAD: list[tuple[str, str, str, object, int, str, str]] = [
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {"mandrin": 3}}, 422, "unknown_skill", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {"english": 6}}, 422, "level_out_of_range", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {"english": "4"}}, 400, "not_levels", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {"english": True}}, 400, "not_levels", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": [1]}, 400, "not_levels", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {}, 400, "missing", "skills"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {"english": 2}, "until": 5}, 422, "until_past", "until"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {}, "for_s": 5, "until": 5}, 400, "doubled_field", "until"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {}, "for_s": 0}, 400, "out_of_range", "for_s"),
    ("skills", "PUT", "/api/agents/1002/skills", {"skills": {}, "confirm": 1}, 400, "not_true_or_false", "confirm"),
    ("skills", "PUT", "/api/queues/general", {"skills": {"general": None}}, 400, "not_levels", "skills"),
    ("skills", "PUT", "/api/queues/general", {"priority": 10}, 422, "priority_out_of_range", "priority"),
    ("move", "POST", f"{CALLER}/move", {"priority": 1.5}, 400, "not_a_whole_number", "priority"),
    ("move", "POST", f"{CALLER}/move", {"head": "yes"}, 400, "not_true_or_false", "head"),
    ("force", "POST", "/api/agents/1002/force-not-ready", {"reason": "none-such"}, 422, "unknown_reason", "reason"),
    ("listen", "POST", "/api/agents/1001/listen", {"mode": "shout"}, 400, "not_one_of", "mode"),
    ("listen", "POST", "/api/agents/1001/listen", {"mode": "监听"}, 400, "not_one_of", "mode"),
    ("listen", "POST", "/api/agents/1001/listen", {"mode": 1}, 400, "not_text", "mode"),
    ("listen", "POST", "/api/agents/1001/listen", {}, 400, "missing", "mode"),
]


@pytest.mark.parametrize("mode", ["shout", "监听"])
async def test_a_mode_that_there_is_not_is_answered_with_those_that_there_are(hotline: Site, mode: str) -> None:
    _, answer = await ask(hotline, "listen", "POST", "/api/agents/1001/listen", {"mode": mode})
    (problem,) = answer["problems"]
    assert problem["allowed"] == ["listen", "whisper", "barge"]
    assert problem["message"]["en"].endswith("allowed: listen, whisper, barge")
    assert problem["message"]["zh"].endswith("可用: listen, whisper, barge")


@pytest.mark.parametrize("reason", ["golf", "小休", "at lunch!"])
async def test_a_reason_that_there_is_not_is_answered_with_those_that_there_are(hotline: Site, reason: str) -> None:
    """And the order stands in the trail, without words that nobody has chosen for it."""
    hall = rules(hotline).hall
    known = list(hall.plan.agent_rules.not_ready_reasons)
    status, answer = await ask(hotline, "force", "POST", "/api/agents/1002/force-not-ready", {"reason": reason})
    (problem,) = answer["problems"]
    assert (status, answer["error"], problem["field"]) == (422, "unknown_reason", "reason")
    assert problem["allowed"] == known
    for told in (problem["message"], answer["message"]):
        assert told["en"].endswith(f"allowed: {', '.join(known)}")
        assert told["zh"].endswith(f"可用: {', '.join(known)}")
    entry = [one.entry for one in hall.said if isinstance(one, Audit)][-1]
    assert entry.outcome == "unknown_reason"
    assert ("golf" in entry.en) == (reason == "golf")
    assert "小休" not in entry.zh


@pytest.mark.parametrize(("by", "method", "path", "body", "status", "code", "field"), BAD)
async def test_bad_input_is_a_clear_answer(
    hotline: Site, by: str, method: str, path: str, body: object, status: int, code: str, field: str
) -> None:
    got, answer = await ask(hotline, by, method, path, body)
    assert got == status
    assert [(one["field"], one["code"]) for one in answer["problems"]] == [(field, code)]
    assert set(answer["problems"][0]["message"]) == {"zh", "en"}


@pytest.mark.parametrize(
    ("by", "path", "body", "status", "code"),
    [
        ("skills", "/api/agents/1002/skills", {"skills": {}}, 409, "nothing_to_change"),
        ("skills", "/api/agents/4711/skills", {"skills": {"english": 2}}, 404, "unknown_agent"),
        ("skills", "/api/queues/none", {"priority": 2}, 404, "unknown_queue"),
    ],
)
async def test_what_is_not_there_is_named(
    hotline: Site, by: str, path: str, body: object, status: int, code: str
) -> None:
    got, answer = await ask(hotline, by, "PUT", path, body)
    assert (got, answer["error"]) == (status, code)


async def test_one_supervisor_hears_one_talk_and_may_stop(hotline: Site) -> None:
    hall = rules(hotline).hall
    got, answer = await ask(hotline, "listen", "POST", "/api/supervision/stop-listening")
    assert (got, answer["error"]) == (409, "not_listening")
    answer = await ask(hotline, "listen", "POST", "/api/agents/1001/listen", {"mode": "listen"})
    assert answer == (200, {"ok": True, "mode": "listen", "phone": "ringing"})
    spy = next(one.spy for one in hall.said if isinstance(one, Spy))
    hall.step(SpyStarted(spy, leg_of(AgentId("9001")), leg_of(A1), hall.now))
    assert await ask(hotline, "listen", "POST", "/api/supervision/stop-listening") == (200, {"ok": True})


async def test_who_listens_is_shown_to_those_who_may_listen_there(hotline: Site) -> None:
    await ask(hotline, "listen", "POST", "/api/agents/1001/listen", {"mode": "listen"})
    await ask(hotline, "force", "POST", "/api/agents/1002/force-not-ready", {"reason": "meeting"})
    for by, seen in (("listen", 1), ("force", 0), ("audit", 0), ("narrow", 0)):
        status, answer = await ask(hotline, by, "GET", "/api/supervision")
        assert status == 200
        assert len(answer["listeners"]) == seen
        assert [one["by"] for one in answer["forced"]] == ["force"]
    _, answer = await hotline.json("GET", "/api/supervision")
    (one,) = answer["listeners"]
    assert (one["by"], one["agent"], one["call"], one["mode"], one["since"]) == ("listen", A1, ONE, "listen", None)
    assert one["queue"] == GENERAL


@pytest.mark.parametrize("right", Right)
async def test_the_trail_is_read_by_those_who_may(hotline: Site, right: Right) -> None:
    backend = rules(hotline)
    backend.trail = [{"seq": 1, "zh": "强制示闲"}]
    status, answer = await ask(hotline, right.value, "GET", "/api/audit?since=1&until=2&agent=1001")
    if right is Right.AUDIT:
        assert (status, answer) == (200, {"rows": [{"seq": 1, "zh": "强制示闲"}]})
        assert backend.asked == (1.0, 2.0, "1001")
    else:
        assert (status, answer["error"], backend.asked) == (403, "not_allowed", None)


async def test_the_store_may_be_away(hotline: Site) -> None:
    async with site() as running:
        running.backend.store_up = False
        status, answer = await running.json("GET", "/api/audit")
    assert (status, answer["error"]) == (503, "store_unavailable")


def test_the_page_shows_who_was_forced_and_who_is_heard() -> None:
    backend = RuledBackend()
    house = backend.hall.house
    backend.hall.asked(SpyAsked, SpyMode.LISTEN, A1, None, by=ActorId("listen"))
    assert house.heard_agents() == frozenset()
    spy = next(iter(house.supervision.spies.values()))
    backend.hall.step(SpyStarted(spy.spy, leg_of(AgentId("9001")), leg_of(A1), backend.hall.now))
    assert house.heard_agents() == {A1}
    house.plan = replace(house.plan, supervision=replace(house.plan.supervision, agent_sees=False))
    assert house.heard_agents() == frozenset()
    assert house.forced_by(A1) == ""


# ---------------------------------------------------------------- incident notices


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "kind"),
        ({"kind": "flood"}, 422, "kind"),
        ({"kind": "water", "area": "atlantis"}, 422, "area"),
        ({"kind": "water", "number": "999"}, 422, "number"),
        ({"kind": "water", "until": 1.0}, 422, "until"),
        ({"kind": "water", "until": 9e9, "for_s": 60}, 400, "until"),
        ({"kind": "water", "press": "yes"}, 400, "press"),
        ({"kind": "water", "sound_zh": "0123456789abcdef"}, 422, "sound_zh"),
        ({"kind": "water", "sound_en": "../../etc/passwd"}, 400, "sound_en"),
    ],
)
async def test_what_makes_no_notice_is_refused_in_both_languages(
    hotline: Site, body: object, status: int, field: str
) -> None:
    found, answer = await ask(hotline, "notice", "POST", "/api/notices", body)
    (problem,) = answer["problems"]
    assert (found, problem["field"]) == (status, field)
    assert problem["message"]["zh"] != problem["message"]["en"]
    assert [*rules(hotline).hall.house.incidents] == ["n1"]


async def test_a_notice_is_given_and_ended_and_who_registered_is_shown_to_the_administrator_only(hotline: Site) -> None:
    hall = rules(hotline).hall
    status, answer = await ask(hotline, "notice", "POST", "/api/notices", {"kind": "water", "for_s": 60})
    incident = hall.house.incidents[answer["id"]]
    assert (status, incident.until, incident.press, incident.by) == (200, hall.now + 60, True, "notice")
    assert (await ask(hotline, "notice", "POST", f"/api/notices/{answer['id']}/end"))[1]["registered"] == "0"
    assert (await ask(hotline, "notice", "POST", "/api/notices/n5/end"))[1]["error"] == "unknown_notice"

    backend = hotline.backend
    backend.given["n1"] = GIVEN
    backend.wanted.append(Registration("n1", "13800001111", "zh", GENERAL, TWO, 2.0))
    listed = (await ask(hotline, "audit", "GET", "/api/notices"))[1]["notices"]
    assert [one["kind"] for one in listed] == ["power"]
    assert "13800001111" not in str(listed)
    assert (await ask(hotline, "notice", "GET", "/api/notices/n1"))[0] in (401, 403)
    status, shown = await hotline.json("GET", "/api/notices/n1")
    assert (status, shown["kind"], shown["registered"][0]["number"]) == (200, "power", "13800001111")
    assert (await hotline.json("GET", "/api/notices/n2"))[0] == 404
