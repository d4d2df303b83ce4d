"""What happened while no controller watched, as the dialplan noted it: answers, talks, and calls that are over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.moves import AgentState
from pbx.call import CallRecord, CallState, OfferRecord, Outcome
from pbx.commands import Ask, Hold, MarkAgent, OpenTicket, Play, SaveCall
from pbx.events import (
    Answer,
    CallGone,
    CallsRestored,
    ExchangeConnected,
    ExchangeEnding,
    KeyStatus,
    LiveChannel,
    TalkSeen,
)
from pbx.ids import CallId, TicketNumber
from pbx.memory import ENDED_KEPT
from tests.builders import A1, GENERAL, MENU, ONE, TWO, Hall, caller_channel, leg_row, none, only, row
from tests.virtual_time import START

pytestmark = pytest.mark.core

IN_MENU = f"{MENU}|zh|{START}|main:1:0:1:invalid-key:0||0|0"
WAITED = f"{MENU}|zh|{START - 30:.3f}||general|0|{START - 20:.3f}"
TALK = TalkSeen(START - 12.5, START - 2.25, A1, 4)


def restarted(*rows: LiveChannel, gone: tuple[CallGone, ...] = (), records: tuple[CallRecord, ...] = ()) -> Hall:
    hall = Hall(connected=False)
    hall.step(CallsRestored(records, hall.now))
    hall.step(ExchangeConnected(tuple(rows), (A1,), (), hall.now, gone))
    return hall


def gone(talk: TalkSeen | None = None, call: CallId = ONE) -> CallGone:
    return CallGone(call, caller_channel(call), WAITED, "13800001111", START - 1.5, talk)


def kept(hall: Hall, call: CallId = ONE) -> CallRecord:
    return [said.record for said in hall.said if isinstance(said, SaveCall) and said.record.call == call][-1]


def record(**known: object) -> CallRecord:
    given = CallRecord(ONE, caller_channel(ONE), MENU, "13800001111", START - 30)
    return replace(given, **known)  # type: ignore[arg-type]


def test_a_key_pressed_while_nobody_listened_counts() -> None:
    unheard = row(context="p-idle", step=3, mark=IN_MENU)
    pressed = replace(unheard, answer=Answer(3, "1", KeyStatus.OK))
    assert only(restarted(unheard).said, Ask)
    hall = restarted(pressed)
    assert only(hall.said, Play).step == 4
    assert only(hall.played(), Hold).step == 5
    assert (hall.state(), hall.call().record.queue) == (CallState.WAITING, GENERAL)


def test_an_answer_to_an_earlier_question_does_not_count() -> None:
    hall = restarted(replace(row(context="p-idle", step=3, mark=IN_MENU), answer=Answer(2, "1", KeyStatus.OK)))
    assert only(hall.said, Ask).step == 4


def test_an_answer_that_the_old_connection_had_told_already_is_the_same_answer() -> None:
    hall = Hall()
    hall.arrive()
    step = hall.call().step
    hall.press("1")
    hall.lost_exchange()
    mark = hall.call().mark()
    unheard = replace(row(context="p-idle", step=step, mark=mark), answer=Answer(step, "1", KeyStatus.OK))
    assert only(hall.step(ExchangeConnected((unheard,), (A1,), (), hall.now)), Play)
    assert only(hall.played(), Hold)
    assert (hall.state(), hall.call().record.queue) == (CallState.WAITING, GENERAL)


def test_a_running_talk_began_when_the_dialplan_says() -> None:
    began = TalkSeen(START - 7.5, None, A1)
    hall = restarted(replace(row(context="p-dial", step=5, bridged=True), talk=began), leg_row(A1, up=True))
    assert hall.call().record.joined_at == START - 7.5
    assert hall.state() is CallState.TALKING


def test_a_talk_that_ended_unseen_has_its_instants_in_the_survey() -> None:
    hall = restarted(replace(row(context="p-survey", step=5), talk=replace(TALK, score=None)))
    found = hall.call().record
    assert (found.agent, found.joined_at, found.released_at) == (A1, START - 12.5, START - 2.25)


def test_a_call_that_ended_unseen_is_completed_from_its_note() -> None:
    offered = OfferRecord(A1, START - 15, "only")
    hall = restarted(gone=(gone(TALK),), records=(record(queue=GENERAL, queued_at=START - 20, offers=(offered,)),))
    found = kept(hall)
    assert (found.outcome, found.agent, found.score, found.in_net) == (Outcome.ANSWERED, A1, 4, False)
    assert (found.joined_at, found.released_at, found.ended_at) == (START - 12.5, START - 2.25, START - 1.5)
    assert found.offers[0].outcome == "answered"
    assert not hall.house.calls


def test_a_call_that_began_and_ended_unseen_has_a_record() -> None:
    found = kept(restarted(gone=(gone(),)))
    assert (found.arrived_at, found.queue, found.queued_at) == (START - 30, GENERAL, START - 20)
    assert (found.outcome, found.ended_at, found.caller) == (Outcome.ABANDONED, START - 1.5, "13800001111")


def test_who_was_answered_by_the_net_and_hung_up_unseen_has_a_ticket() -> None:
    """Every answered call becomes a ticket, also one that began and ended while no controller lived."""
    opened = [said for said in restarted(gone=(gone(TALK),)).said if isinstance(said, OpenTicket)]
    assert [(one.call, one.agent, one.caller, one.at) for one in opened] == [(ONE, A1, "13800001111", START - 12.5)]
    for note in (gone(), gone(replace(TALK, agent=None))):
        assert not [said for said in restarted(gone=(note,)).said if isinstance(said, OpenTicket)]
    has = record(queue=GENERAL, queued_at=START - 20, ticket=TicketNumber("2026112200001"))
    known = restarted(gone=(gone(TALK),), records=(has,))
    assert not [said for said in known.said if isinstance(said, OpenTicket)]


def test_a_talk_still_going_on_when_the_caller_left_ended_with_him() -> None:
    found = kept(restarted(gone=(gone(replace(TALK, released_at=None, in_net=True)),)))
    assert (found.released_at, found.outcome, found.in_net) == (START - 1.5, Outcome.ANSWERED, True)


def test_a_call_that_we_still_hold_is_ended_by_its_note_and_not_as_failed() -> None:
    hall = Hall()
    hall.queued()
    hall.lost_exchange()
    hall.later(5)
    note = replace(gone(), ended_at=hall.now - 3)
    hall.step(ExchangeConnected((), (A1,), (), hall.now, (note,)))
    assert (kept(hall).outcome, kept(hall).ended_at) == (Outcome.ABANDONED, hall.now - 3)


def test_a_note_is_never_written_over_a_record_that_has_its_end() -> None:
    """The dialplan also notes calls whose end we saw, when the heartbeat was late: the store decides."""
    assert [said.unless_ended for said in restarted(gone=(gone(TALK),)).said if isinstance(said, SaveCall)] == [True]


def test_a_note_of_a_call_whose_end_is_known_says_nothing_new() -> None:
    """The exchange notes every call; the controller before was killed before it had erased the note."""
    hall = Hall(connected=False)
    hall.step(CallsRestored((), hall.now, (ONE,)))
    hall.step(ExchangeConnected((), (A1,), (), hall.now, (gone(TALK), gone(call=TWO))))
    saved = [said.record.call for said in hall.said if isinstance(said, SaveCall)]
    assert saved == [TWO], "the other one is told by nobody else"


def test_a_note_of_a_call_whose_end_we_saw_ourselves_says_nothing_new() -> None:
    """The connection was lost before the note was erased."""
    hall = Hall()
    hall.queued()
    hall.ready(A1)
    hall.hung_up()
    known = kept(hall)
    assert known.offers
    hall.lost_exchange()
    hall.later(1)
    said = hall.step(ExchangeConnected((), (A1,), (), hall.now, (replace(gone(), ended_at=known.ended_at or 0.0),)))
    assert none(said, SaveCall)


def test_of_ended_calls_the_latest_are_remembered() -> None:
    hall = Hall()
    calls = [CallId(f"1.{number}") for number in range(ENDED_KEPT + 5)]
    hall.step(CallsRestored((), hall.now, tuple(calls)))
    assert list(hall.house.over) == calls[5:]


def test_an_agent_whom_the_net_rings_has_no_wrap_up() -> None:
    """Else he would be offered when it is over, while his phone still rings."""
    hall = restarted(row(context="fallback", step=5), leg_row(A1))
    assert hall.where() is AgentState.OFFLINE  # nobody knows him: nothing changes
    hall = Hall(connected=False)
    hall.step(CallsRestored((), hall.now))
    marks = ((A1, f"wrap_up|{START - 1:.3f}||{START + 9:.3f}||"),)
    hall.step(ExchangeConnected((row(context="fallback", step=5), leg_row(A1)), (A1,), marks, hall.now))
    assert hall.where() is AgentState.RINGING


def test_a_note_without_a_mark_makes_no_record() -> None:
    assert none(restarted(gone=(replace(gone(), mark="x"),)).said, SaveCall)


def test_who_is_cut_off_by_an_orderly_stop_has_not_given_up() -> None:
    hall = Hall()
    hall.arrive(ONE)
    hall.press("1", ONE)
    hall.arrive(TWO)
    hall.ready(A1)
    before = len(hall.said)
    hall.step(ExchangeEnding(hall.now))
    hall.hung_up(ONE)
    hall.hung_up(TWO)
    assert {kept(hall, ONE).outcome, kept(hall, TWO).outcome} == {Outcome.FAILED}
    assert none(hall.said[before:], MarkAgent)
