"""Talks that ended while nobody watched: after-call work, idle time and wishes of those who talked; and how long
callers have waited whom no controller had met.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.agent import AgentRules
from agents.moves import AgentState
from controller import dark_talks
from pbx.call import CallRecord, TransferRecord
from pbx.commands import MarkAgent, Offer, Wake
from pbx.events import CallGone, CallsRestored, ExchangeConnected, LiveChannel, TalkSeen, TimerKind
from pbx.ids import AgentId, CallId
from tests.builders import A1, A2, DIRECT, GENERAL, MENU, ONE, TWO, Hall, caller_channel, leg_row, only, row
from tests.fakes.verified import verified
from tests.virtual_time import START

pytestmark = pytest.mark.core

JOINED, RELEASED = START - 40.0, START - 4.0
OLD = START - 500.0  #: idle since, before the talk
WRAP_UP_S = 15.0
RULES = AgentRules(wrap_up_s=WRAP_UP_S)
MARK = f"{MENU}|zh|{START - 60:.3f}||general|0|{START - 50:.3f}"
FREE = f"ready|{OLD:.3f}||0.000||"


def ended(released_at: float | None = RELEASED, agent: AgentId = A1, call: CallId = ONE, **more: Any) -> CallGone:
    talk = TalkSeen(more.pop("joined_at", JOINED), released_at, agent, **more)
    return CallGone(call, caller_channel(call), MARK, "13800001111", START - 3.5, talk)


def restarted(
    *rows: LiveChannel,
    gone: tuple[CallGone, ...] = (),
    marks: dict[AgentId, str] | None = None,
    phones: tuple[AgentId, ...] = (A1, A2),
    records: tuple[CallRecord, ...] = (),
    **changes: Any,
) -> Hall:
    hall = Hall(connected=False, **{"agent_rules": RULES, **changes})
    hall.step(CallsRestored(records, hall.now))
    known = tuple((marks or {A1: FREE}).items())
    hall.step(ExchangeConnected(tuple(rows), phones, known, hall.now, gone))
    return hall


def told(hall: Hall, agent: AgentId = A1) -> str:
    return [one.mark for one in hall.said if isinstance(one, MarkAgent) and one.agent == agent][-1]


def clock_of(hall: Hall) -> Wake:
    (clock,) = [one for one in hall.said if isinstance(one, Wake) and one.kind is TimerKind.WRAP_UP]
    return clock


@pytest.mark.parametrize("in_net", [False, True])
def test_after_a_talk_that_ended_unseen_comes_the_after_call_work(in_net: bool) -> None:
    hall = restarted(gone=(ended(in_net=in_net),))
    known = hall.agent()
    assert (known.state, known.since, known.until) == (AgentState.WRAP_UP, RELEASED, RELEASED + WRAP_UP_S)
    assert told(hall).startswith("wrap_up|"), "the next controller, should this one be killed too, knows it as well"
    clock = clock_of(hall)
    assert clock.at == known.until
    hall.later(clock.at - hall.now)
    hall.time_is_up(clock)
    assert (hall.where(), hall.agent().idle_since) == (AgentState.READY, RELEASED + WRAP_UP_S)


def test_the_next_caller_goes_to_who_is_idle_and_not_to_who_has_just_talked() -> None:
    idle = f"ready|{START - 100:.3f}||0.000||"
    hall = restarted(row(TWO), gone=(ended(),), marks={A1: FREE, A2: idle})
    assert only(hall.said, Offer).agent == A2


def test_after_call_work_that_is_over_already_leaves_him_idle_from_its_end_on() -> None:
    hall = restarted(gone=(ended(START - 30.0),))
    assert (hall.where(), hall.agent().idle_since) == (AgentState.READY, START - 30.0 + WRAP_UP_S)


def test_after_call_work_that_somebody_saw_begin_ends_when_it_should_have() -> None:
    hall = restarted(marks={A1: f"wrap_up|{START - 20:.3f}||{START - 5:.3f}||"})
    assert (hall.where(), hall.agent().idle_since) == (AgentState.READY, START - 5)


def test_without_after_call_work_he_is_idle_since_the_end_of_the_talk() -> None:
    hall = restarted(gone=(ended(),), agent_rules=AgentRules(wrap_up_s=0))
    assert (hall.where(), hall.agent().idle_since) == (AgentState.READY, RELEASED)


def test_a_talk_whose_end_nobody_noted_ended_with_the_call() -> None:
    """On hold, say: the citizen hung up."""
    hall = restarted(leg_row(A1, context="ag-hold"), gone=(ended(None),))
    assert (hall.where(), hall.agent().since) == (AgentState.WRAP_UP, START - 3.5)


@pytest.mark.parametrize(
    ("mark", "then"),
    [
        (f"not_ready|{START - 39:.3f}|break|0.000||", (AgentState.NOT_READY, "break")),
        (f"offline|{START - 39:.3f}||0.000||", (AgentState.OFFLINE, "")),
    ],
)
def test_what_was_asked_for_in_the_talk_comes_after_the_after_call_work(
    mark: str, then: tuple[AgentState, str]
) -> None:
    hall = restarted(gone=(ended(),), marks={A1: mark})
    assert (hall.where(), hall.agent().since) == (AgentState.WRAP_UP, RELEASED)
    clock = clock_of(hall)
    hall.later(clock.at - hall.now)
    hall.time_is_up(clock)
    assert (hall.where(), hall.agent().reason) == then


@pytest.mark.parametrize(
    "mark",
    [
        f"ready|{START - 2:.3f}||0.000||",
        f"not_ready|{START - 2:.3f}|break|0.000||",
        f"wrap_up|{RELEASED - 0.003:.3f}||{START + 60:.3f}||",  # made longer by him
        f"ready|{START - 20:.3f}||0.000||",  # had given the caller away before
    ],
)
def test_what_somebody_saw_after_the_talk_counts(mark: str) -> None:
    """The exchange notes every call."""
    hall = restarted(gone=(ended(),), marks={A1: mark})
    state, since, reason, until, _, _ = mark.split("|")
    known = hall.agent()
    assert (known.state.value, known.since, known.reason) == (state, float(since), reason)
    assert known.until == float(until)


def test_a_signed_out_agent_of_whom_nothing_is_known_has_no_after_call_work() -> None:
    assert restarted(gone=(ended(),), marks={A2: FREE}).where() is AgentState.OFFLINE


def test_whose_phone_is_gone_too_has_his_after_call_work() -> None:
    assert restarted(gone=(ended(),), phones=(A2,)).where() is AgentState.WRAP_UP


def test_in_the_survey_his_agent_has_his_after_call_work_from_the_end_of_the_talk_on() -> None:
    hall = restarted(replace(row(context="p-survey", step=5), talk=TalkSeen(JOINED, RELEASED, A1)))
    assert (hall.where(), hall.agent().since) == (AgentState.WRAP_UP, RELEASED)


def test_of_two_talks_the_last_counts_and_a_talk_that_goes_on_before_both() -> None:
    first = ended(START - 30, call=TWO, in_net=True)
    last = ended(joined_at=START - 25, in_net=True)
    assert restarted(gone=(last, first)).agent().since == RELEASED
    talking = (row(CallId("call-3.1"), "fallback", bridged=True), leg_row(A1, CallId("call-3.1"), up=True))
    assert restarted(*talking, gone=(last, first)).where() is AgentState.TALKING


def test_whom_the_net_rings_after_it_was_not_idle_before_its_end() -> None:
    hall = restarted(row(TWO, "fallback"), leg_row(A1, TWO), gone=(ended(),))
    assert (hall.where(), hall.agent().idle_since) == (AgentState.RINGING, RELEASED)


def test_who_was_asked_and_has_taken_the_caller_over_is_at_work_and_who_gave_him_away_is_not() -> None:
    over = TransferRecord(A1, "attended", f"agent:{A2}", START - 30, "done", "", START - 20)
    record = CallRecord(ONE, caller_channel(ONE), MENU, "13800001111", START - 60, queue=GENERAL, queued_at=START - 50)
    record = replace(record, agent=A2, joined_at=JOINED, transfers=(over,))
    away = f"not_ready|{START - 10:.3f}|break|0.000||"
    hall = restarted(gone=(ended(),), records=(record,), marks={A1: away, A2: FREE})
    assert (hall.where(A1), hall.where(A2)) == (AgentState.NOT_READY, AgentState.WRAP_UP)
    assert hall.agent(A2).since == RELEASED


def test_after_a_lost_connection_the_after_call_work_began_with_the_end_of_the_talk() -> None:
    hall = Hall(agent_rules=RULES)
    hall.talking()
    hall.later(30)
    hall.lost_exchange()
    hall.later(10)
    talk = TalkSeen(hall.now - 40, hall.now - 5, A1)
    gone = CallGone(ONE, caller_channel(ONE), MARK, "13800001111", hall.now - 5, talk)
    hall.step(ExchangeConnected((), (A1,), (), hall.now, (gone,)))
    assert (hall.where(), hall.agent().since) == (AgentState.WRAP_UP, hall.now - 5)


def test_the_checker_finds_idle_time_from_before_such_a_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = f"ready|{START - 100:.3f}||0.000||"
    fine = restarted(row(TWO), gone=(ended(),), marks={A1: FREE, A2: idle})
    assert not verified(fine.plan, fine.steps).counts
    monkeypatch.setattr(dark_talks, "settle", lambda house, talks, now: None)
    for rows, gone in (
        ([row(TWO)], (ended(),)),
        ([replace(row(context="p-survey", step=5), talk=TalkSeen(JOINED, RELEASED, A1))], ()),
    ):
        bad = restarted(*rows, gone=gone, marks={A1: FREE, A2: idle})
        found = verified(bad.plan, bad.steps)
        assert found.counts["best-agent"] == 1
        first = next(one for one in found.findings if one.invariant == "best-agent")
        assert (first.agent, first.found) == (A1, f"idle as of {OLD:.3f}, though he talked until {RELEASED:.3f}")


def test_the_checker_says_nothing_of_who_gave_the_caller_away_and_was_idle_again() -> None:
    given = restarted(gone=(ended(),), marks={A1: f"ready|{START - 20:.3f}||0.000||"})
    assert not verified(given.plan, given.steps).counts


# ---------------------------------------------------------------- who dials while no controller lives


@pytest.mark.parametrize("dialled", [MENU, DIRECT])
@pytest.mark.parametrize("context", ["fallback", "p-hold"])
def test_who_dialled_while_no_controller_lived_has_waited_since_then(dialled: str, context: str) -> None:
    arrived = START - 33.5
    hall = restarted(row(context=context, step=0, mark=f"{dialled}|zh|{arrived:.3f}|||0|0"))
    assert hall.call().record.queued_at == arrived
    offer = only(hall.said, Offer)
    assert (offer.agent, hall.call().record.offers[-1].offered_at) == (A1, START)
    why = hall.call().record.offers[-1].reason
    assert "33.5" in why or "34" in why or "33" in why, why


def test_who_was_in_a_menu_when_the_net_took_him_waits_from_then_on() -> None:
    hall = restarted(row(context="fallback", step=2, mark=f"{MENU}|zh|{START - 50:.3f}|main:1:0:0::0||0|0"))
    assert hall.call().record.queued_at == START


def test_whose_ringing_in_the_net_came_to_nothing_has_waited_since_he_came() -> None:
    """The checker grants him that place too."""
    mark = f"{MENU}|zh|{START - 33.5:.3f}|||0|0"
    hall = restarted(row(context="fallback", step=0, mark=mark), leg_row(A1))
    hall.later(3)
    hall.leg_ended()
    assert hall.call().record.queued_at == START - 33.5
    assert not verified(hall.plan, hall.steps).counts
