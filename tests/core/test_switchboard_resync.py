"""What a snapshot of the exchange says: reconnects and restarts, row by row of `asterisk.md` 11.1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.moves import AgentState
from pbx.call import CallRecord, CallState, OfferRecord, Outcome
from pbx.commands import Ask, CancelOffer, HangUp, Hold, Offer, OpenTicket, Play, SaveCall, StepCommand, Wake
from pbx.events import CallsRestored, LiveChannel, TimerKind
from pbx.ids import CallId
from tests.builders import (
    A1,
    A2,
    DEPARTMENT,
    DIRECT,
    ENGLISH,
    GENERAL,
    MENU,
    OFFICE,
    ONE,
    THREE,
    TWO,
    Hall,
    caller_channel,
    leg_row,
    none,
    only,
    row,
)
from tests.virtual_time import START

pytestmark = pytest.mark.core

IN_MENU = f"{MENU}|zh|{START}|main:1:0:1:invalid-key:0||0|0"
FRESH = f"{MENU}|zh|{START}|||0|0"


def restarted(*rows: LiveChannel, records: tuple[CallRecord, ...] = (), ready: bool = False) -> Hall:
    """A controller that has just begun and knows what the store and the exchange tell."""
    hall = Hall(connected=False)
    hall.step(CallsRestored(records, hall.now))
    marks = {A1: f"ready|{START - 60:.3f}||0.000||"} if ready else {}
    hall.connected(*rows, marks=marks)
    return hall


def record(call: CallId = ONE, **known: object) -> CallRecord:
    given = CallRecord(call, caller_channel(call), MENU, "13800001111", START - 100)
    return replace(given, **known)  # type: ignore[arg-type]


def reconnected(hall: Hall, *rows: LiveChannel) -> list[object]:
    """The connection breaks and comes back two seconds later."""
    hall.lost_exchange()
    hall.later(2)
    return list(hall.connected(*rows))


# ---------------------------------------------------------------- a restarted controller, row by row


def test_a_talking_caller_is_adopted_and_not_touched() -> None:
    hall = restarted(row(context="p-dial", step=4, bridged=True), leg_row(A1, up=True), ready=True)
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    assert none(hall.said, StepCommand, HangUp)  # type: ignore[arg-type]
    assert only(hall.said, OpenTicket).agent == A1
    hall.leg_ended(A1)
    hall.talk_ended(step=4)
    assert (hall.state(), hall.where()) == (CallState.SURVEY, AgentState.WRAP_UP)


def test_a_known_talk_keeps_its_agent_its_ticket_and_its_beginning() -> None:
    known = record(agent=A1, joined_at=START - 30, ticket="1", queue=GENERAL, queued_at=START - 50)
    hall = restarted(
        row(context="p-dial", bridged=True),
        leg_row(DEPARTMENT, up=True, third=True),
        leg_row(A1, up=True),
        records=(known,),
    )
    assert none(hall.said, OpenTicket)
    assert (hall.saved().agent, hall.saved().joined_at) == (A1, START - 30)
    assert hall.call().talk_since == START - 30


@pytest.mark.parametrize(("context", "state"), [("p-ask", CallState.ASKING), ("p-play", CallState.PLAYING)])
def test_a_caller_in_the_menu_is_waited_for(context: str, state: CallState) -> None:
    hall = restarted(row(context=context, step=3, mark=IN_MENU))
    assert hall.state() is state
    assert none(hall.said, StepCommand)  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("context", ["p-ask", "p-play", "p-idle"])
def test_who_has_a_place_in_a_line_is_not_asked_again_and_keeps_it(context: str, stored: bool) -> None:
    """Asked about a call-back, or by a command older than his place: the new controller knows no such question."""
    place_at = START - 300
    records = (record(queue=GENERAL, queued_at=START - 40, place_at=place_at, favours=("returning",)),)
    mark = f"{MENU}|zh|{START - 100:.3f}||general|3|{START - 40:.3f}|{place_at:.3f}"
    hall = restarted(row(context=context, step=4, mark=mark), records=records if stored else ())
    assert hall.state() is CallState.WAITING
    assert only(hall.said, Hold).mark == mark
    assert (hall.call().record.queued_at, hall.call().record.place_at) == (START - 40, place_at)
    assert (hall.call().priority, hall.call().record.queue) == (3, GENERAL)
    hall.queued(TWO)
    assert hall.press("1", step=4) == [], "an answer to the old question"
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [ONE, TWO]
    assert only(hall.ready(A1), Offer).call == ONE


@pytest.mark.parametrize("context", ["p-ask", "p-play"])
def test_who_had_answered_already_as_the_connection_broke_keeps_his_place(context: str) -> None:
    """He was to wait under music; the command did not reach him, so he hears the question once more."""
    hall = Hall()
    hall.queued()
    queued_at = hall.call().record.queued_at
    hall.lost_exchange()
    hall.later(20)
    hall.connected(row(context=context, step=2, mark=IN_MENU))
    assert hall.state() is CallState.WAITING
    assert hall.press("0", step=2) == []
    assert hall.call().record.queued_at == queued_at
    assert only(hall.ready(A1), Offer).call == ONE


def test_his_answer_counts_from_where_he_was() -> None:
    hall = restarted(row(context="p-ask", step=3, mark=IN_MENU))
    assert only(hall.press("1", step=3), Play).step == 4


def test_a_caller_who_stands_still_is_asked_again() -> None:
    hall = restarted(row(context="p-idle", step=3, mark=IN_MENU))
    asked = only(hall.said, Ask)
    assert asked.step == 4
    assert asked.prompts[0].endswith("invalid-key")
    assert hall.idle(step=3) == [], "the half-second report of before our command"


def test_a_caller_whom_nobody_has_spoken_to_is_greeted() -> None:
    assert only(restarted(row(context="p-idle", step=0, mark=FRESH)).said, Ask).step == 1


def test_outside_the_hours_he_hears_that_it_is_closed() -> None:
    hall = Hall(connected=False)
    hall.later(12 * 3600)
    hall.connected(row(context="p-idle", step=0, mark=FRESH.replace(MENU, OFFICE)))
    assert only(hall.said, Play).prompts == ("hotline/zh/closed",)


@pytest.mark.parametrize("stored", [True, False])
def test_a_caller_who_is_being_told_that_it_is_closed_does_not_get_into_the_menu(stored: bool) -> None:
    hall = Hall(connected=False)
    hall.later(12 * 3600)
    records = (record(dialled=OFFICE, outcome=Outcome.CLOSED),) if stored else ()
    hall.step(CallsRestored(records, hall.now))
    hall.connected(row(context="p-play", mark=FRESH.replace(MENU, OFFICE)))
    if not stored:
        assert only(hall.played(), Play).prompts == ("hotline/zh/closed",)
    assert only(hall.played(), HangUp)


def test_a_caller_who_is_just_being_answered_is_left_to_his_arrival() -> None:
    hall = restarted(row(context="p-start", step=0, mark=""))
    assert ONE not in hall.house.calls
    assert only(hall.arrive(dialled=DIRECT), Play)


def test_waiting_callers_keep_their_places_and_hear_no_change() -> None:
    first, second = f"{MENU}|zh|{START}||general|0|{START - 9}", f"{MENU}|zh|{START}||english|0|{START - 5}"
    urgent = f"{MENU}|zh|{START}||general|3|{START - 1}"
    hall = restarted(row(TWO, mark=second), row(ONE, mark=first), row(THREE, mark=urgent))
    assert [entry.call for entry in hall.house.line.ordered()] == [THREE, ONE, TWO]
    assert hall.call(TWO).record.queue == ENGLISH
    assert none(hall.said, StepCommand)  # type: ignore[arg-type]


def test_a_waiting_caller_is_offered_to_an_agent_whom_the_exchange_remembers_as_ready() -> None:
    offer = only(restarted(row(step=7), ready=True).said, Offer)
    assert (offer.agent, offer.step) == (A1, 8)


def test_a_mark_that_the_store_does_not_know_yet_is_believed() -> None:
    hall = restarted(row(mark=f"{MENU}|zh|{START}||english|0|{START - 5}"), records=(record(),))
    assert (hall.call().record.queue, hall.call().record.queued_at) == (ENGLISH, START - 5)


def test_a_caller_whom_nobody_knows_waits_in_the_first_line() -> None:
    hall = restarted(row(mark=""))
    assert hall.call().record.queue == GENERAL
    assert only(hall.ready(A1), Offer)


def test_a_foreign_mark_does_not_cost_the_whole_snapshot() -> None:
    hall = restarted(row(ONE, mark=f"{MENU}|zh|{START}||general|42|{START}"), row(TWO, mark="x|y"))
    assert hall.call(ONE).priority == 9
    assert hall.state(TWO) is CallState.WAITING


def test_a_strange_recordings_name_in_the_store_does_not_cost_it_either() -> None:
    hall = restarted(row(), row(TWO), records=(record(recording="../x"),))
    assert hall.state(TWO) is CallState.WAITING


def test_a_phone_that_rings_is_adopted_and_nobody_is_rung_twice() -> None:
    hall = restarted(row(context="p-dial", step=5), leg_row(A1), ready=True)
    assert (hall.state(), hall.where()) == (CallState.OFFERED, AgentState.RINGING)
    assert none(hall.said, StepCommand)  # type: ignore[arg-type]
    hall.offer_failed(A1, step=5)
    assert hall.state() is CallState.WAITING
    assert hall.agent().misses == 1


def test_an_offer_whose_leg_is_not_there_yet_is_named_by_its_result() -> None:
    hall = restarted(row(context="p-dial", step=5), ready=True)
    assert none(hall.said, StepCommand)  # type: ignore[arg-type]
    hall.leg_started(A1, step=5)
    assert hall.where() is AgentState.RINGING


def test_the_result_of_an_adopted_offer_frees_nobody_who_is_kept_for_another_caller() -> None:
    hall = restarted(row(ONE, "p-dial", step=5), row(TWO), ready=True)
    assert (hall.where(), hall.agent().call) == (AgentState.RESERVED, TWO)
    hall.offer_failed(A1, ONE, step=5, status="BUSY", cause=17)
    assert (hall.where(), hall.agent().call) == (AgentState.RESERVED, TWO)
    assert hall.state(ONE) is CallState.WAITING


def test_a_caller_in_the_survey_has_been_answered() -> None:
    offered = OfferRecord(A1, START - 40, "only")
    hall = restarted(row(context="p-survey"), records=(record(offers=(offered,)),))
    hall.scored(4)
    hall.hung_up()
    done = hall.saved()
    assert (done.outcome, done.agent, done.joined_at, done.score) == (Outcome.ANSWERED, A1, START - 40, 4)


def test_a_stored_call_that_lives_no_more_ends_once() -> None:
    ringing = OfferRecord(A1, START - 50, "only")
    hall = restarted(
        records=(
            record(ONE, queued_at=START - 60, offers=(ringing,)),
            record(TWO, joined_at=START - 60),
            record(THREE, outcome=Outcome.CLOSED),
        )
    )
    ends = {one.record.call: one.record for one in hall.said if isinstance(one, SaveCall)}
    assert {call: one.outcome for call, one in ends.items()} == {
        ONE: Outcome.FAILED, TWO: Outcome.ANSWERED, THREE: Outcome.CLOSED,
    }  # fmt: skip
    assert ends[TWO].released_at == ends[TWO].ended_at == hall.now
    assert ends[ONE].offers[0].ended_at is not None
    said = len(hall.said)
    reconnected(hall)
    assert none(hall.said[said:], SaveCall)


def test_a_wrap_up_goes_on_where_it_was_and_one_that_is_over_ends_at_once() -> None:
    hall = Hall(connected=False)
    marks = {A1: f"wrap_up|{START - 5:.3f}||{START + 15:.3f}||", A2: f"wrap_up|{START - 50:.3f}||{START - 30:.3f}||"}
    timers = {one.key: one for one in hall.connected(marks=marks) if isinstance(one, Wake)}
    assert timers[A1].kind is TimerKind.WRAP_UP
    assert timers[A1].at == START + 15
    hall.time_is_up(timers[A2])
    assert (hall.where(A1), hall.where(A2)) == (AgentState.WRAP_UP, AgentState.READY)


# ---------------------------------------------------------------- a reconnect: what we know against what is so


def test_a_waiting_call_that_is_gone_ended_unseen() -> None:
    hall = Hall()
    hall.queued()
    reconnected(hall)
    assert (hall.saved().outcome, hall.saved().ended_at) == (Outcome.FAILED, hall.now)


def test_the_agent_of_a_talk_that_is_gone_writes_it_up() -> None:
    hall = Hall()
    hall.talking()
    reconnected(hall)
    assert hall.where() is AgentState.WRAP_UP
    assert hall.saved().outcome is Outcome.ANSWERED


def test_the_agent_who_was_rung_for_a_call_that_is_gone_is_free() -> None:
    hall = Hall()
    hall.ringing()
    reconnected(hall)
    assert hall.where() is AgentState.READY
    assert hall.saved().offers[0].ended_at is not None


def test_no_leg_is_hung_up_that_is_not_there() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    assert none(reconnected(hall), CancelOffer)  # type: ignore[arg-type]


@pytest.mark.parametrize("context", ["p-hold", "p-idle"])
def test_an_offer_that_never_reached_the_caller_is_made_anew(context: str) -> None:
    hall = Hall()
    hall.queued()
    running = hall.call().step
    hall.ready(A1)
    commands = reconnected(hall, row(context=context, step=running))
    assert only(commands, Offer).agent == A1  # type: ignore[arg-type]
    assert [one.outcome for one in hall.saved().offers] == ["lost", "ringing"]
    assert (hall.where(), hall.agent().call) == (AgentState.RESERVED, ONE)


def test_an_offer_that_is_being_made_stays() -> None:
    hall = Hall()
    hall.ringing()
    commands = reconnected(hall, row(context="p-dial", step=hall.call().step), leg_row(A1))
    assert none(commands, StepCommand)  # type: ignore[arg-type]
    assert hall.where() is AgentState.RINGING


def test_an_offer_without_its_leg_yet_keeps_its_agent() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    commands = reconnected(hall, row(context="p-dial", step=hall.call().step), row(TWO))
    assert none(commands, StepCommand)  # type: ignore[arg-type]
    assert hall.where() is AgentState.RESERVED


def test_an_answer_that_nobody_saw_is_a_talk() -> None:
    hall = Hall()
    hall.ringing()
    reconnected(hall, row(context="p-dial", step=hall.call().step, bridged=True), leg_row(A1, up=True))
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)


def test_a_talk_whose_end_nobody_saw_leaves_the_agent_to_his_wrap_up() -> None:
    hall = Hall()
    hall.talking()
    reconnected(hall, row(context="p-survey", step=hall.call().step))
    assert (hall.state(), hall.where()) == (CallState.SURVEY, AgentState.WRAP_UP)
    assert hall.call().talk_since is None


def test_a_talk_that_was_none_puts_the_caller_back_into_the_line() -> None:
    hall = Hall()
    hall.talking()
    reconnected(hall, row(step=hall.call().step))
    assert hall.state() is CallState.WAITING
    assert hall.saved().joined_at is None


def test_an_agent_who_is_found_in_another_talk_is_in_that_one() -> None:
    hall = Hall()
    hall.talking(A1, ONE)
    reconnected(hall, row(TWO, "fallback", bridged=True), leg_row(A1, TWO, up=True))
    assert (hall.where(), hall.agent().call) == (AgentState.TALKING, TWO)
    hall.leg_ended(A1, TWO)
    assert hall.where() is AgentState.WRAP_UP


def test_an_answer_to_a_question_counts_although_later_commands_were_lost_with_the_connection() -> None:
    hall = Hall()
    hall.arrive()
    hall.step_lost()  # the second asking never reached him
    reconnected(hall, row(context="p-ask", step=1, mark=IN_MENU))
    assert only(hall.press("1", step=1), Play).step == 3


def test_a_third_party_who_was_never_rung_is_free() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.third_party(A2)
    reconnected(hall, row(context="p-dial", step=hall.call().step, bridged=True), leg_row(A1, up=True))
    assert hall.where(A2) is AgentState.READY
    assert hall.where(A1) is AgentState.TALKING


def test_while_the_exchange_is_away_nobody_is_offered() -> None:
    hall = Hall()
    hall.queued()
    hall.lost_exchange()
    assert none(hall.ready(A1), Offer)


def test_a_menu_in_the_middle_of_a_reconnect_goes_on() -> None:
    hall = Hall()
    hall.arrive()
    hall.press("7")
    assert none(reconnected(hall, row(context="p-ask", step=2, mark=IN_MENU)), StepCommand)  # type: ignore[arg-type]
    assert only(hall.press("1"), Play)


def test_who_was_told_to_wait_and_stands_still_is_told_again() -> None:
    hall = Hall()
    hall.queued()
    assert only(reconnected(hall, row(context="p-idle", step=2)), Hold).step == 4  # type: ignore[arg-type]


def test_who_had_his_caller_on_hold_and_is_rung_by_the_net_for_him_has_no_talk() -> None:
    """Both went unseen: the caller to the net, the agent's leg to its end; the net rings the same agent for him."""
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.parted()
    reconnected(hall, row(context="fallback", step=hall.call().step), leg_row(A1, number=2))
    assert hall.where() is not AgentState.HOLDING
    assert only(hall.leg_ended(A1, number=2), Offer).agent == A1, "he is free, and his caller waits"
