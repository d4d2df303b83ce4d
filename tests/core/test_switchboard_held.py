"""Hold, resume, consult and the attended transfer, and everybody hanging up in between."""

from __future__ import annotations

import pytest

from agents.moves import AgentState
from pbx.call import CallState, Outcome
from pbx.commands import CancelOffer, Consult, HoldTalk, Join, Offer, Reply
from tests.builders import A1, A2, DEPARTMENT, ONE, TWO, Hall, leg_of, leg_row, none, only, row

pytestmark = pytest.mark.core


def held() -> Hall:
    hall = Hall()
    hall.talking()
    hall.later(10)
    hall.hold()
    hall.parted()
    return hall


def consulting() -> Hall:
    hall = held()
    hall.ready(A2)
    hall.consult(A2)
    hall.asked_answers(A2)
    return hall


def test_hold_and_resume_keep_the_talk_and_the_span_on_hold() -> None:
    hall = Hall()
    hall.talking()
    hall.later(10)
    commands = hall.hold()
    assert only(commands, HoldTalk).leg == leg_of(A1)
    assert only(commands, Reply).ok
    hall.parted()
    assert (hall.state(), hall.where()) == (CallState.HELD, AgentState.HOLDING)
    hall.later(30)
    assert only(hall.resume(), Join).leg == leg_of(A1)
    hall.fetched()
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    (span,) = hall.saved().holds
    assert span.ended_at is not None
    assert (span.agent, span.ended_at - span.began_at) == (A1, 30)
    hall.later(5)
    hall.left(A1)
    hall.leg_ended()
    hall.join_ended()
    assert (hall.state(), hall.where()) == (CallState.SURVEY, AgentState.WRAP_UP)
    assert len(hall.call().talks) == 2
    hall.scored(5)
    hall.hung_up()
    assert (hall.saved().outcome, hall.saved().score) == (Outcome.ANSWERED, 5)


def test_who_is_on_hold_is_not_held_again_and_who_is_not_is_not_fetched() -> None:
    hall = held()
    assert only(hall.hold(), Reply).code == "already_held"
    hall.resume()
    hall.fetched()
    assert only(hall.resume(), Reply).code == "not_holding"
    assert only(hall.hold(A2), Reply).code == "not_talking"


def test_a_conference_is_not_put_on_hold() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    assert only(hall.hold(), Reply).code == "in_conference"


@pytest.mark.parametrize("leg_first", [True, False])
def test_an_agent_who_hangs_up_while_his_caller_is_on_hold_leaves_him_in_the_line_at_his_place(leg_first: bool) -> None:
    hall = Hall()
    hall.talking()
    queued_at = hall.call().record.queued_at
    hall.hold()
    if leg_first:
        hall.leg_ended()
        assert hall.state() is CallState.HELD  # whether the exchange could part them is not known yet
        hall.parted()
    else:
        hall.parted()
        hall.leg_ended()
    assert (hall.state(), hall.where()) == (CallState.WAITING, AgentState.WRAP_UP)
    assert hall.call().record.queued_at == queued_at
    assert only(hall.ready(A2), Offer).call == ONE


def test_an_agent_who_hung_up_before_the_hold_reached_the_talk_has_ended_it() -> None:
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.left(A1)
    hall.left(None)
    hall.leg_ended()
    hall.talk_ended(step=hall.call().step - 1)
    assert (hall.state(), hall.where()) == (CallState.SURVEY, AgentState.WRAP_UP)
    assert hall.saved().holds[-1].ended_at is not None


def test_a_hold_that_was_lost_leaves_the_talk_as_it_was() -> None:
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.step_lost()
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    hall.left(A1)
    hall.leg_ended()
    hall.talk_ended(step=hall.call().step - 1)
    assert hall.state() is CallState.SURVEY


def test_a_hold_whose_report_was_lost_is_a_hold() -> None:
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.left(None)
    hall.left(A1)
    hall.step_lost()
    assert hall.state() is CallState.HELD
    assert only(hall.resume(), Join)


def test_a_lost_join_is_commanded_again() -> None:
    hall = held()
    first = only(hall.resume(), Join)
    again = only(hall.step_lost(), Join)
    assert (again.leg, again.step) == (first.leg, first.step + 1)


def test_a_caller_who_hangs_up_on_hold_takes_his_agent_with_him() -> None:
    hall = held()
    assert only(hall.hung_up(), CancelOffer).leg == leg_of(A1)
    hall.leg_ended()
    assert hall.where() is AgentState.WRAP_UP
    assert hall.saved().holds[-1].ended_at == hall.now


def test_a_caller_who_hangs_up_while_his_agent_fetches_him_takes_him_with_him() -> None:
    """The leg may stand in the dialplan still: nobody else would end it (`asterisk.md` 12.2)."""
    hall = held()
    hall.resume()
    hall.started()
    hall.joined(None)
    assert only(hall.hung_up(), CancelOffer).leg == leg_of(A1)


def test_a_join_that_found_nobody_leads_back_into_the_line() -> None:
    hall = held()
    hall.resume()
    hall.started()
    hall.leg_ended()
    hall.join_ended(ok=False)
    assert hall.state() is CallState.WAITING


def test_consult_and_attended_transfer() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    command = only(hall.consult(A2), HoldTalk)
    assert command.endpoint == A2
    assert hall.where(A2) is AgentState.RESERVED
    hall.parted()
    assert only(hall.complete(), Reply).code == "party_not_answered"
    hall.asked_answers(A2)
    assert (hall.where(A1), hall.where(A2), hall.state()) == (AgentState.HOLDING, AgentState.TALKING, CallState.HELD)
    hall.later(10)
    assert only(hall.complete(), Join).leg == leg_of(A2)
    commands = hall.fetched(A2)
    assert only(commands, CancelOffer).leg == leg_of(A1)
    hall.consult_ended(A2)
    hall.leg_ended(A1)
    assert (hall.where(A1), hall.where(A2), hall.state()) == (AgentState.WRAP_UP, AgentState.TALKING, CallState.TALKING)
    record = hall.saved()
    assert record.agent == A2
    (transfer,) = record.transfers
    assert (transfer.by, transfer.way, transfer.target, transfer.outcome) == (A1, "attended", "agent:1002", "done")
    hall.left(A2)
    hall.leg_ended(A2)
    hall.join_ended()
    assert (hall.state(), hall.where(A2)) == (CallState.SURVEY, AgentState.WRAP_UP)


def test_one_who_is_asked_while_the_caller_is_on_hold_already_is_rung_by_the_agents_leg_alone() -> None:
    hall = held()
    commands = hall.consult(DEPARTMENT, kind=kind("extension"))
    assert only(commands, Consult).leg == leg_of(A1)
    assert none(commands, HoldTalk)


def kind(name: str):  # type: ignore[no-untyped-def]
    from pbx.events import TargetKind

    return TargetKind(name)


def test_back_to_the_caller_lets_the_asked_one_go() -> None:
    hall = consulting()
    commands = hall.resume()
    assert only(commands, Join).leg == leg_of(A1)
    assert only(commands, CancelOffer).leg == leg_of(A2)
    hall.leg_ended(A2)
    hall.fetched(A1)
    assert (hall.state(), hall.where(A1), hall.where(A2)) == (
        CallState.TALKING,
        AgentState.TALKING,
        AgentState.WRAP_UP,
    )
    assert hall.saved().transfers[-1].outcome == "cancelled"


def test_an_asked_one_who_does_not_answer_is_free_and_the_caller_still_on_hold() -> None:
    hall = held()
    hall.ready(A2)
    hall.consult(A2)
    hall.leg_started(A2, step=0)
    hall.leg_ended(A2, cause=0)
    hall.consult_ended(A2, "NOANSWER", 0)
    assert (hall.state(), hall.where(A1), hall.where(A2)) == (CallState.HELD, AgentState.HOLDING, AgentState.READY)
    assert hall.saved().transfers[-1].outcome == "failed"
    assert only(hall.consult(A2), Consult)


def test_an_asked_one_whose_phone_could_not_even_be_rung_is_free() -> None:
    hall = held()
    hall.ready(A2)
    hall.consult(A2)
    hall.consult_ended(A2, "CHANUNAVAIL", 3)
    assert hall.where(A2) is AgentState.READY


def test_an_agent_who_hangs_up_while_he_asks_leaves_the_caller_in_the_line() -> None:
    hall = consulting()
    hall.leg_ended(A1)
    assert hall.state() is CallState.WAITING
    hall.leg_ended(A2)
    assert (hall.where(A1), hall.where(A2)) == (AgentState.WRAP_UP, AgentState.WRAP_UP)


def test_an_asked_one_who_hangs_up_while_the_caller_fetches_him_leaves_the_caller_with_his_agent() -> None:
    hall = consulting()
    hall.complete()
    hall.started()
    hall.leg_ended(A2)
    hall.join_ended(ok=False)
    assert (hall.state(), hall.where(A1)) == (CallState.HELD, AgentState.HOLDING)
    assert only(hall.resume(), Join).leg == leg_of(A1)


def test_a_caller_who_hangs_up_while_his_agent_asks_ends_both_legs() -> None:
    hall = consulting()
    legs = {one.leg for one in hall.hung_up() if isinstance(one, CancelOffer)}
    assert legs == {leg_of(A1), leg_of(A2)}


def test_the_phones_own_hold_key_is_the_agents_state_and_in_the_record() -> None:
    from pbx.events import PhoneHeld

    hall = Hall()
    hall.talking()
    hall.step(PhoneHeld(ONE, leg_of(A1), A1, True, hall.now))
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.HOLDING)
    hall.later(7)
    hall.step(PhoneHeld(ONE, leg_of(A1), A1, False, hall.now))
    assert hall.where() is AgentState.TALKING
    assert hall.saved().holds[0].ended_at == hall.now


# ---------------------------------------------------------------- restart


def again(hall: Hall, *rows: object) -> Hall:
    """A new controller that knows what the store and the exchange know."""
    from pbx.events import CallsRestored

    new = Hall(connected=False)
    new.now = hall.now
    new.step(CallsRestored((hall.saved(),), new.now))
    new.connected(*rows)  # type: ignore[arg-type]
    return new


def test_a_restarted_controller_finds_the_hold_and_can_end_it() -> None:
    new = again(held(), row(step=2), leg_row(A1, context="ag-hold"))
    assert (new.state(), new.where()) == (CallState.HELD, AgentState.HOLDING)
    assert only(new.resume(), Join).leg == leg_of(A1)
    new.fetched()
    assert new.state() is CallState.TALKING


def test_a_restarted_controller_finds_the_consultation_and_can_complete_it() -> None:
    new = again(consulting(), row(step=2), leg_row(A1, up=True, context="ag-consult"), leg_row(A2, up=True))
    assert (new.where(A1), new.where(A2)) == (AgentState.HOLDING, AgentState.TALKING)
    assert only(new.complete(), Join).leg == leg_of(A2)


def test_an_agent_who_waits_for_nobody_any_more_is_let_go_after_a_restart() -> None:
    hall = held()
    new = Hall(connected=False)
    new.now = hall.now
    assert only(new.connected(leg_row(A1, context="ag-hold")), CancelOffer).leg == leg_of(A1)


def test_a_talk_after_a_hold_is_a_talk_for_a_restarted_controller() -> None:
    """The fetched leg keeps the context in which it waited."""
    hall = held()
    hall.resume()
    hall.fetched()
    new = again(hall, row(context="p-join", step=3, bridged=True), leg_row(A1, up=True, context="ag-hold"))
    assert (new.state(), new.where()) == (CallState.TALKING, AgentState.TALKING)
    assert none(new.said, CancelOffer)


def test_others_are_served_while_one_is_on_hold() -> None:
    hall = held()
    hall.ready(A2)
    assert only(hall.queued(TWO), Offer).agent == A2
