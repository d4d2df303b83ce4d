"""Supervisors' orders: carried out or refused with a code, written down every time, and nobody loses his place."""

from __future__ import annotations

from typing import Any

import pytest

from acd.relax import RelaxStep
from acd.skills import Requirement
from agents.moves import AgentState
from agents.rights import ADMIN
from controller.backend import queue_views
from controller.supervise import with_needs
from pbx import commands as order
from pbx.call import CallState
from pbx.events import TimerKind
from pbx.ids import ActorId, AgentId, CallId, QueueId, SkillId
from pbx.supervision import (
    Audit,
    MoveAsked,
    NotReadyForced,
    OverridesRestored,
    QueueChanged,
    QueueOverride,
    ReadyForced,
    ReleaseAsked,
    SaveOverrides,
    SignOutForced,
    SkillOverride,
    SkillsChanged,
)
from tests.builders import (
    A1,
    A2,
    A3,
    ENGLISH,
    GENERAL,
    LIN,
    ONE,
    THREE,
    TWO,
    UNION,
    ZHAO,
    Hall,
    caller_channel,
    none,
    only,
    plan,
    wakes,
)  # fmt: skip

pytestmark = pytest.mark.core

SKILL_GENERAL, SKILL_ENGLISH = SkillId("general"), SkillId("english")
APPROVALS = QueueId("approvals")


def sentence(commands: list[order.Command]) -> tuple[str, str]:
    entry = only(commands, Audit).entry
    return entry.zh, entry.en


# ---------------------------------------------------------------- force


def test_an_agent_is_forced_and_the_trail_says_by_whom() -> None:
    hall = Hall()
    hall.ready(A1)
    commands = hall.asked(NotReadyForced, A1, "meeting")
    assert hall.where(A1) is AgentState.NOT_READY
    assert hall.agent(A1).reason == "meeting"
    assert only(commands, order.Reply) == order.Reply(order.RequestId("s"), True, "", (("effect", "at_once"),))
    entry = only(commands, Audit).entry
    assert (entry.actor, entry.role, entry.action) == (LIN, "supervisor", "force_not_ready")
    assert (entry.agent, entry.call, entry.outcome, entry.at) == (A1, "", "ok", hall.now)
    assert (entry.zh, entry.en) == (
        "强制话务员1001示忙, 原因: meeting",
        "forced agent 1001 not ready, reason: meeting",
    )
    assert hall.house.supervision.forced[A1].by == LIN
    assert hall.replied(ReadyForced, A1) == ""
    assert hall.where(A1) is AgentState.READY
    assert hall.replied(SignOutForced, A1) == ""
    assert hall.where(A1) is AgentState.OFFLINE


def test_during_a_talk_it_takes_effect_afterwards_and_says_so() -> None:
    hall = Hall()
    hall.talking(A1)
    commands = hall.asked(NotReadyForced, A1, "meeting")
    assert only(commands, order.Reply).detail == (("effect", "after_talk"),)
    assert sentence(commands)[1].endswith(", to take effect after his present talk")
    assert hall.where(A1) is AgentState.TALKING
    assert hall.state(ONE) is CallState.TALKING
    hall.later(60)
    hall.left(A1)
    hall.leg_ended(A1)
    hall.talk_ended(A1)
    (wake,) = wakes(hall.said, TimerKind.WRAP_UP)
    hall.time_is_up(wake)
    assert (hall.where(A1), hall.agent(A1).reason) == (AgentState.NOT_READY, "meeting")


@pytest.mark.parametrize(("way", "effect"), [("ringing", "after_offer"), ("wrap_up", "after_wrap_up")])
def test_the_reply_says_when_it_takes_effect(way: str, effect: str) -> None:
    hall = Hall()
    if way == "ringing":
        hall.ringing(A1)
    else:
        hall.surveyed(A1)
        assert hall.where(A1) is AgentState.WRAP_UP
    assert only(hall.asked(SignOutForced, A1), order.Reply).detail == (("effect", effect),)


def test_nobody_is_made_to_be_there() -> None:
    hall = Hall()
    assert hall.replied(ReadyForced, A1) == "not_signed_in"
    assert hall.replied(NotReadyForced, A1, "meeting") == "not_signed_in"
    assert hall.where(A1) is AgentState.OFFLINE
    hall.ready(A1)
    assert hall.replied(NotReadyForced, A1, "no-such-reason") == "unknown_reason"
    assert hall.replied(ReadyForced, AgentId("4711")) == "unknown_agent"
    hall.not_ready(A1)
    hall.phone(A1, False)
    assert hall.replied(ReadyForced, A1) == "phone_unreachable"


def test_two_who_force_opposite_things_hear_of_each_other() -> None:
    """Nothing is lost: the first order stands, the second is answered and written down, and may be confirmed."""
    hall = Hall()
    hall.ready(A1)
    assert hall.replied(NotReadyForced, A1, "meeting", by=LIN) == ""
    hall.later(3)
    commands = hall.asked(ReadyForced, A1, by=ADMIN)
    reply = only(commands, order.Reply)
    assert (reply.ok, reply.code) == (False, "ordered_otherwise")
    assert dict(reply.detail) == {"by": LIN, "ordered": "force_not_ready", "seconds_ago": "3"}
    entry = only(commands, Audit).entry
    assert entry.outcome == "ordered_otherwise"
    assert entry.en == "forced agent 1001 ready; 3 s before, lin had ordered: not ready", "it says against what"
    assert entry.zh == "强制话务员1001示闲; 3秒前lin已下令: 示忙"
    assert hall.where(A1) is AgentState.NOT_READY
    assert hall.replied(NotReadyForced, A1, "meeting", by=ADMIN) == "", "the same thing is no contradiction"
    assert hall.replied(ReadyForced, A1, by=ADMIN) == "", "his own order he may change"
    assert hall.replied(NotReadyForced, A1, "meeting", by=LIN) == "ordered_otherwise"
    assert hall.replied(NotReadyForced, A1, "meeting", by=LIN, confirm=True) == ""
    assert hall.where(A1) is AgentState.NOT_READY
    hall.later(30)
    assert hall.replied(ReadyForced, A1, by=ADMIN) == "", "after a while nobody is surprised"


def test_the_trail_of_a_refusal_has_what_its_answer_said() -> None:
    hall = Hall()
    hall.ready(A1)
    refused = hall.asked(NotReadyForced, A1, "golf")
    (told,) = only(refused, order.Reply).detail
    assert told[0] == "allowed"
    assert "meeting" in told[1].split(",")
    assert only(refused, Audit).entry.en.endswith(f"reason: golf; allowed: {told[1]}")
    hall.not_ready(A1)
    hall.queued()
    hall.asked(MoveAsked, ONE, queue=APPROVALS, priority=4, by=LIN)
    hall.later(2)
    refused = hall.asked(MoveAsked, ONE, head=True, by=ADMIN)
    said = only(refused, Audit).entry
    assert said.outcome == "ordered_otherwise"
    assert said.en.endswith("; 2 s before, lin had ordered: to the queue approvals, to priority 4")


def test_a_refused_order_is_no_order_that_somebody_could_contradict() -> None:
    hall = Hall()
    hall.ready(A1)
    assert hall.replied(NotReadyForced, A1, "no-such-reason", by=LIN) == "unknown_reason"
    assert hall.replied(ReadyForced, A1, by=ADMIN) == ""


def test_what_the_agent_chooses_himself_is_forced_no_more() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.asked(NotReadyForced, A1, "meeting")
    hall.ready(A1)
    assert hall.where(A1) is AgentState.READY
    assert A1 not in hall.house.supervision.forced


ORDERS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (ReadyForced, (A2,), {}),
    (NotReadyForced, (A2, "meeting"), {}),
    (SignOutForced, (A2,), {}),
    (ReleaseAsked, (ONE,), {}),
    (MoveAsked, (ONE,), {"queue": APPROVALS}),
    (SkillsChanged, (A2, ((SKILL_GENERAL, 5),), None), {}),
    (QueueChanged, (GENERAL, ((SKILL_GENERAL, 2),), None, None), {}),
]


@pytest.mark.parametrize(("kind", "given", "more"), ORDERS)
@pytest.mark.parametrize(
    ("by", "code"), [(UNION, "not_allowed"), (ActorId("nobody"), "not_allowed"), (ZHAO, "not_your_queue")]
)
def test_without_the_right_nothing_happens_but_a_line_in_the_trail(
    kind: Any, given: tuple[Any, ...], more: dict[str, Any], by: ActorId, code: str
) -> None:
    """`ZHAO` has the right, but only in the queue english, which neither agent 1002 nor the caller belongs to."""
    hall = Hall()
    hall.sign_in(A2)
    hall.queued(ONE)
    before = (hall.agent(A2), hall.call(ONE).record, hall.house.line.get(ONE), hall.house.roster.profile(A2))
    commands = hall.asked(kind, *given, by=by, **more)
    assert only(commands, order.Reply).code == code
    assert only(commands, Audit).entry.outcome == code
    assert len(commands) == 2
    assert before == (hall.agent(A2), hall.call(ONE).record, hall.house.line.get(ONE), hall.house.roster.profile(A2))
    assert hall.house.queue(GENERAL) == hall.plan.queues[GENERAL]


@pytest.mark.parametrize(("kind", "given", "more"), ORDERS)
@pytest.mark.parametrize("by", [LIN, ADMIN])
def test_with_the_right_it_is_done(kind: Any, given: tuple[Any, ...], more: dict[str, Any], by: ActorId) -> None:
    hall = Hall()
    hall.sign_in(A2)
    hall.queued(ONE)
    assert hall.replied(kind, *given, by=by, **more) == ""


def test_the_trail_names_no_caller() -> None:
    hall = Hall()
    hall.ready(A2)
    hall.queued(ONE)
    for kind, given, more in ORDERS:
        hall.asked(kind, *given, **more)
    entries = [one.entry for one in hall.said if isinstance(one, Audit)]
    assert len(entries) == len(ORDERS)
    assert "13800001111" not in str(entries)
    assert len({one.id for one in entries}) == 1, "one request, one instant: the store keeps one of them"


# ---------------------------------------------------------------- calls


def test_a_call_is_released_wherever_the_caller_is() -> None:
    hall = Hall()
    hall.talking(A1)
    commands = hall.asked(ReleaseAsked, ONE)
    assert only(commands, order.HangUp).channel == caller_channel(ONE)
    assert only(commands, Audit).entry.agent == A1
    hall.hung_up(ONE)
    assert hall.replied(ReleaseAsked, ONE) == "unknown_call"
    hall.queued(TWO)
    hall.lost_exchange()
    assert hall.replied(ReleaseAsked, TWO) == "exchange_unavailable"


def waiting(*calls: CallId) -> Hall:
    """Callers of the queue general, three seconds apart, nobody ready."""
    hall = Hall()
    for call in calls:
        hall.queued(call)
        hall.later(3)
    return hall


def test_a_moved_caller_keeps_the_time_that_he_has_waited() -> None:
    hall = waiting(ONE, TWO)
    hall.later(40)
    queued_at = hall.call(TWO).record.queued_at
    commands = hall.asked(MoveAsked, TWO, queue=APPROVALS, priority=4)
    assert only(commands, order.Reply).ok
    record = hall.call(TWO).record
    assert (record.queue, record.queued_at) == (APPROVALS, queued_at)
    assert hall.saved(TWO).queue == APPROVALS
    assert "supervisor" in record.favours
    assert hall.house.line.get(TWO).priority == 4  # type: ignore[union-attr]
    assert "approvals|4" in only(commands, order.Hold).mark, "a restarted controller finds him there"
    assert sentence(commands)[0] == f"将排队中的通话{TWO}移至队列approvals、优先级改为4"


def test_a_caller_is_moved_to_the_head_of_his_line() -> None:
    hall = waiting(ONE, TWO, THREE)
    assert hall.replied(MoveAsked, THREE, head=True) == ""
    assert [live.call for live in hall.house.waiting()] == [THREE, ONE, TWO]
    hall.later(500)
    assert [live.call for live in hall.house.waiting()] == [THREE, ONE, TWO], "ageing does not undo it"
    assert hall.call(THREE).record.queued_at == hall.saved(THREE).queued_at
    hall.ready(A2)
    offered = [one for one in hall.said if isinstance(one, order.Offer)]
    assert [one.call for one in offered] == [THREE]


def test_the_head_is_before_those_with_a_higher_priority_too() -> None:
    hall = waiting(ONE, TWO)
    hall.asked(MoveAsked, ONE, priority=9)
    hall.asked(MoveAsked, TWO, head=True)
    assert [live.call for live in hall.house.waiting()] == [TWO, ONE]


def test_a_caller_is_given_to_an_agent_whom_the_router_would_not_choose() -> None:
    hall = waiting(ONE)
    hall.not_ready(A3)
    assert hall.replied(MoveAsked, ONE, agent=A3) == "agent_not_available"
    assert hall.state(ONE) is CallState.WAITING
    hall.asked(MoveAsked, ONE, queue=ENGLISH)
    hall.ready(A3)  # no English: not offered to him by the rules
    assert hall.state(ONE) is CallState.WAITING
    commands = hall.asked(MoveAsked, ONE, agent=A3)
    assert only(commands, order.Offer).agent == A3
    assert hall.state(ONE) is CallState.OFFERED
    assert hall.where(A3) is AgentState.RESERVED
    assert hall.call(ONE).record.offers[-1].reason == "moved to him by supervisor lin"
    assert hall.replied(MoveAsked, ONE, priority=3) == "being_offered"


def test_what_cannot_be_moved_stays_and_says_why() -> None:
    hall = waiting(ONE)
    before = hall.house.line.get(ONE)
    assert hall.replied(MoveAsked, ONE, queue=QueueId("no-such")) == "unknown_queue"
    assert hall.replied(MoveAsked, ONE, agent=AgentId("4711")) == "unknown_agent"
    assert hall.replied(MoveAsked, ONE, priority=10) == "priority_out_of_range"
    assert hall.replied(MoveAsked, ONE, priority=-1) == "priority_out_of_range"
    assert hall.replied(MoveAsked, ONE) == "nothing_to_change"
    assert hall.replied(MoveAsked, CallId("x.1"), head=True) == "unknown_call"
    assert hall.house.line.get(ONE) == before
    hall.arrive(TWO)
    assert hall.replied(MoveAsked, TWO, head=True) == "not_waiting"
    hall.lost_exchange()
    assert hall.replied(MoveAsked, ONE, head=True) == "exchange_unavailable"


def test_a_supervisor_moves_callers_only_between_his_own_queues() -> None:
    hall = waiting(ONE)
    hall.asked(MoveAsked, ONE, queue=ENGLISH)
    assert hall.replied(MoveAsked, ONE, queue=GENERAL, by=ZHAO) == "not_your_queue"
    assert hall.replied(MoveAsked, ONE, agent=A3, by=ZHAO) == "not_your_queue"
    hall.later(31)
    assert hall.replied(MoveAsked, ONE, priority=2, by=ZHAO) == ""


def test_two_who_move_one_caller_hear_of_each_other() -> None:
    hall = waiting(ONE)
    assert hall.replied(MoveAsked, ONE, queue=ENGLISH, by=LIN) == ""
    assert hall.replied(MoveAsked, ONE, queue=APPROVALS, by=ADMIN) == "ordered_otherwise"
    assert hall.call(ONE).record.queue == ENGLISH
    assert hall.replied(MoveAsked, ONE, queue=APPROVALS, by=ADMIN, confirm=True) == ""


# ---------------------------------------------------------------- skills for the next hour


def test_skills_change_for_an_hour_and_go_back_by_themselves() -> None:
    hall = Hall()
    hall.queued(ONE)
    hall.asked(MoveAsked, ONE, queue=ENGLISH)
    hall.ready(A3)
    assert hall.state(ONE) is CallState.WAITING
    commands = hall.asked(SkillsChanged, A3, ((SKILL_ENGLISH, 4),), hall.now + 3600)
    assert only(commands, order.Offer).agent == A3, "at once, without a reload"
    assert only(commands, SaveOverrides).skills == (
        SkillOverride(A3, SKILL_ENGLISH, 4, hall.now + 3600, LIN, hall.now),
    )
    (wake,) = wakes(commands, TimerKind.OVERRIDE)
    assert wake.at == hall.now + 3600
    assert dict(hall.house.roster.profile(A3).skills) == {SKILL_GENERAL: 1, SKILL_ENGLISH: 4}
    over = hall.time_is_up(wake)
    assert dict(hall.house.roster.profile(A3).skills) == {SKILL_GENERAL: 1}
    assert only(over, SaveOverrides).skills == ()
    entry = only(over, Audit).entry
    assert (entry.actor, entry.role, entry.agent) == ("system", "system", A3)
    assert "time is up" in entry.en
    assert none(hall.time_is_up(wake), Audit, SaveOverrides), "a stale timer ends nothing"


def test_each_skill_has_an_end_of_its_own() -> None:
    hall = Hall()
    hall.asked(SkillsChanged, A3, ((SKILL_ENGLISH, 4),), hall.now + 100)
    commands = hall.asked(SkillsChanged, A3, ((SKILL_GENERAL, None),), hall.now + 200)
    assert dict(hall.house.roster.profile(A3).skills) == {SKILL_ENGLISH: 4}
    (wake,) = wakes(commands, TimerKind.OVERRIDE)
    after = hall.time_is_up(wake)
    assert dict(hall.house.roster.profile(A3).skills) == {}
    (wake,) = wakes(after, TimerKind.OVERRIDE)
    hall.time_is_up(wake)
    assert dict(hall.house.roster.profile(A3).skills) == {SKILL_GENERAL: 1}


def test_a_skill_that_is_taken_away_is_not_chosen_for() -> None:
    hall = Hall()
    hall.ready(A2)
    hall.asked(SkillsChanged, A2, ((SKILL_GENERAL, None),), None)
    hall.queued(ONE)
    assert hall.state(ONE) is CallState.WAITING
    commands = hall.asked(SkillsChanged, A2, (), None, back=True)
    assert only(commands, order.Offer).agent == A2
    assert sentence(commands)[1] == "changed the skills of agent 1002: back to the configuration"


def test_whoever_leaves_a_queue_without_agents_is_told_so() -> None:
    hall = Hall()
    reply = only(hall.asked(SkillsChanged, A1, ((SKILL_ENGLISH, 2),), None), order.Reply)
    assert (reply.ok, dict(reply.detail)) == (True, {"queues_without_agents": "english"})


def test_skills_that_make_no_sense_are_refused() -> None:
    hall = Hall()
    before = hall.house.roster.profile(A1)
    assert hall.replied(SkillsChanged, A1, ((SkillId("mandrin"), 3),), None) == "unknown_skill"
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 0),), None) == "level_out_of_range"
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 6),), None) == "level_out_of_range"
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 2), (SKILL_ENGLISH, 3)), None) == "skill_twice"
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 2),), hall.now) == "until_past"
    assert hall.replied(SkillsChanged, A1, (), None) == "nothing_to_change"
    assert hall.replied(SkillsChanged, AgentId("4711"), ((SKILL_ENGLISH, 2),), None) == "unknown_agent"
    assert hall.house.roster.profile(A1) == before


def test_two_who_change_one_skill_hear_of_each_other_and_others_are_free() -> None:
    hall = Hall()
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 3),), None, by=LIN) == ""
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 5),), None, by=ZHAO) == "ordered_otherwise"
    assert hall.replied(SkillsChanged, A1, (), None, by=ZHAO, back=True) == "ordered_otherwise"
    assert hall.replied(SkillsChanged, A1, ((SKILL_GENERAL, 5),), None, by=ZHAO) == ""
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, 5),), None, by=ZHAO, confirm=True) == ""
    assert dict(hall.house.roster.profile(A1).skills) == {SKILL_ENGLISH: 5, SKILL_GENERAL: 5}


def test_whoever_took_a_skill_away_may_give_it_back() -> None:
    """ZHAO acts on agents of the queue english: without the skill, agent 1001 is one of them still."""
    hall = Hall()
    assert hall.replied(SkillsChanged, A1, ((SKILL_ENGLISH, None),), None, by=ZHAO) == ""
    assert hall.replied(SkillsChanged, A1, (), None, by=ZHAO, back=True) == ""


# ---------------------------------------------------------------- what queues ask for


def test_a_queue_asks_for_less_and_who_waits_keeps_his_place() -> None:
    hall = waiting(ONE, TWO)
    for call in (TWO, ONE):
        hall.asked(MoveAsked, call, queue=ENGLISH)
    hall.ready(A3)
    order_before = [live.call for live in hall.house.waiting()]
    commands = hall.asked(QueueChanged, ENGLISH, ((SKILL_GENERAL, 1),), None, hall.now + 600)
    assert only(commands, order.Offer).call == order_before[0] == ONE
    assert only(commands, SaveOverrides).change == QueueOverride(
        ENGLISH, ((SKILL_GENERAL, 1),), None, hall.now + 600, LIN, hall.now
    )
    (wake,) = wakes(commands, TimerKind.OVERRIDE)
    over = hall.time_is_up(wake)
    assert only(over, SaveOverrides).change is None
    assert hall.house.queue(ENGLISH) == hall.plan.queues[ENGLISH]
    assert str(hall.house.line.get(TWO).requirement) == "english>=3"  # type: ignore[union-attr]


def test_a_queue_that_asks_for_too_much_is_shown_as_one_that_nobody_serves() -> None:
    hall = Hall()
    for agent in hall.plan.agents:
        hall.ready(agent)

    def shown() -> tuple[bool, int]:
        (view,) = [one for one in queue_views(hall.house) if one.queue == ENGLISH]
        return view.unserved, view.agents_ready

    before = shown()
    assert before[0] is False
    assert before[1] > 0
    best = max(profile.skills.get(SKILL_ENGLISH, 0) for profile in hall.plan.agents.values())
    for agent in hall.plan.agents:
        if hall.plan.agents[agent].skills.get(SKILL_ENGLISH, 0) == best:
            hall.asked(SkillsChanged, agent, ((SKILL_ENGLISH, 1),), None)
    hall.asked(QueueChanged, ENGLISH, ((SKILL_ENGLISH, 5),), None, None)
    assert shown() == (True, 0)
    hall.asked(QueueChanged, ENGLISH, None, None, None, back=True)
    hall.asked(QueueChanged, ENGLISH, ((SKILL_ENGLISH, 1),), None, None)
    assert shown()[0] is False


def test_a_queue_s_callers_go_first_while_its_priority_is_raised() -> None:
    hall = waiting(ONE, TWO)
    hall.asked(MoveAsked, TWO, queue=APPROVALS)
    assert [live.call for live in hall.house.waiting()] == [ONE, TWO]
    assert hall.replied(QueueChanged, APPROVALS, None, 5, None) == ""
    assert [live.call for live in hall.house.waiting()] == [TWO, ONE]
    hall.queued(THREE)
    hall.asked(MoveAsked, THREE, queue=APPROVALS)
    assert hall.house.line.get(THREE).priority == 5  # type: ignore[union-attr]
    assert hall.replied(QueueChanged, APPROVALS, None, None, None, back=True) == ""
    assert [live.call for live in hall.house.waiting()] == [ONE, TWO, THREE]


def test_a_queue_s_change_that_makes_no_sense_is_refused() -> None:
    hall = Hall()
    assert hall.replied(QueueChanged, QueueId("x"), ((SKILL_ENGLISH, 2),), None, None) == "unknown_queue"
    assert hall.replied(QueueChanged, ENGLISH, ((SkillId("x"), 2),), None, None) == "unknown_skill"
    assert hall.replied(QueueChanged, ENGLISH, ((SKILL_ENGLISH, 9),), None, None) == "level_out_of_range"
    assert hall.replied(QueueChanged, ENGLISH, None, 10, None) == "priority_out_of_range"
    assert hall.replied(QueueChanged, ENGLISH, None, None, None) == "nothing_to_change"
    assert hall.replied(QueueChanged, ENGLISH, None, 3, hall.now - 1) == "until_past"
    assert hall.replied(QueueChanged, ENGLISH, None, 3, None, by=LIN) == ""
    assert hall.replied(QueueChanged, ENGLISH, None, 4, None, by=ZHAO) == "ordered_otherwise"


def test_steps_relax_other_needs_as_they_relaxed_the_configured_ones() -> None:
    a, b, c = SkillId("a"), SkillId("b"), SkillId("c")
    base = plan().queues[GENERAL]
    other = Requirement(((c, 1),))
    queue = type(base)(
        GENERAL, "综合", "General", Requirement(((a, 4), (b, 2))),
        relax=(RelaxStep(10, Requirement(((a, 2), (b, 2)))), RelaxStep(20, Requirement(((a, 2),), (), (other,)))),
    )  # fmt: skip
    changed = with_needs(queue, ((a, 3), (b, 1), (c, 5)))
    assert changed.requirement.needs == ((a, 3), (b, 1), (c, 5))
    assert [step.requirement.needs for step in changed.relax] == [
        ((a, 2), (b, 1), (c, 5)),
        ((a, 2), (c, 5)),
    ]
    assert changed.relax[1].requirement.others == (other,)


# ---------------------------------------------------------------- after a restart


def test_what_was_changed_for_an_hour_survives_a_restart() -> None:
    hall = Hall(connected=False)
    until = hall.now + 100
    skills = (
        SkillOverride(A3, SKILL_ENGLISH, 4, until, LIN, hall.now),
        SkillOverride(A2, SKILL_ENGLISH, 5, hall.now - 1, LIN, hall.now),
        SkillOverride(AgentId("4711"), SKILL_ENGLISH, 5, until, LIN, hall.now),
        SkillOverride(A2, SkillId("gone"), 5, until, LIN, hall.now),
    )
    queues = (
        QueueOverride(ENGLISH, ((SKILL_ENGLISH, 4),), 2, until, LIN, hall.now),
        QueueOverride(QueueId("gone"), None, 2, until, LIN, hall.now),
        QueueOverride(APPROVALS, None, 2, hall.now - 1, LIN, hall.now),
    )
    commands = hall.step(OverridesRestored(skills, queues, hall.now))
    assert dict(hall.house.roster.profile(A3).skills) == {SKILL_GENERAL: 1, SKILL_ENGLISH: 4}
    assert dict(hall.house.roster.profile(A2).skills) == {SKILL_GENERAL: 3}, "his hour was over"
    assert str(hall.house.queue(ENGLISH).requirement) == "english>=4"
    assert hall.house.queue(APPROVALS) == hall.plan.queues[APPROVALS]
    assert {wake.key: wake.at for wake in wakes(commands, TimerKind.OVERRIDE) if wake.at == until} == {
        f"agent:{A3}": until,
        f"queue:{ENGLISH}": until,
    }
    assert [one.entry.outcome for one in commands if isinstance(one, Audit)] == ["ok", "ok"]
    hall.connected()
    hall.queued(ONE)
    hall.asked(MoveAsked, ONE, queue=ENGLISH)
    hall.ready(A3)
    assert hall.state(ONE) is CallState.OFFERED
