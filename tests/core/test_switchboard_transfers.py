"""Blind transfers, the hand-over to other services, keys and mute."""

from __future__ import annotations

import pytest

from agents.agent import AgentRules
from agents.moves import AgentState
from pbx.call import CallState, Outcome
from pbx.commands import AddParty, CancelOffer, FinishRecording, HandOverTicket, Hold, Mute, Offer, Reply, SendDigits
from pbx.events import CallsRestored, DigitsAsked, HandOverAsked, MuteAsked, TargetKind, TicketHandedOver, TicketWords
from pbx.ids import AgentId, RequestId, TicketNumber
from tests.builders import (
    A1,
    A2,
    A3,
    DEPARTMENT,
    ENGLISH,
    ONE,
    TWO,
    Hall,
    caller_channel,
    leg_of,
    leg_row,
    none,
    only,
    row,
)

pytestmark = pytest.mark.core

K = TargetKind


def transferred(**changes: object) -> Hall:
    """A1 has given his caller to A2, whose phone rings."""
    hall = Hall(**changes)
    hall.talking()
    hall.ready(A2)
    hall.transfer(A2)
    hall.left(None)
    hall.left(A1)
    hall.started()
    hall.leg_ended(A1)
    hall.leg_started(A2)
    return hall


def test_blind_to_an_agent_who_answers() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    queued_at = hall.call().record.queued_at
    offer = only(hall.transfer(A2), Offer)
    assert (offer.agent, offer.from_talk) == (A2, True)
    assert hall.where(A2) is AgentState.RESERVED
    hall.left(None)
    hall.left(A1)
    assert only(hall.started(), CancelOffer).leg == leg_of(A1)
    hall.leg_ended(A1)
    assert hall.where(A1) is AgentState.WRAP_UP
    hall.leg_started(A2)
    hall.joined(A2)
    hall.joined(None)
    assert (hall.state(), hall.where(A2)) == (CallState.TALKING, AgentState.TALKING)
    record = hall.saved()
    assert (record.agent, record.queued_at) == (A2, queued_at)
    assert (record.transfers[0].way, record.transfers[0].outcome) == ("blind", "done")
    hall.left(A2)
    hall.leg_ended(A2)
    hall.talk_ended(A2)
    assert hall.state() is CallState.SURVEY


@pytest.mark.parametrize(("status", "cause"), [("BUSY", 17), ("NOANSWER", 0), ("CHANUNAVAIL", 3)])
def test_a_caller_whom_nobody_takes_goes_back_to_the_one_who_gave_him_away(status: str, cause: int) -> None:
    hall = transferred()
    commands = hall.offer_failed(A2, status=status, cause=cause)
    assert only(commands, Offer).agent == A1
    assert none(commands, Hold)  # music plays already
    assert hall.saved().transfers[0].outcome == "failed"
    assert hall.where(A2) is AgentState.READY


def test_by_policy_he_stands_at_the_head_of_the_line_instead() -> None:
    hall = transferred(transfer_failed="line")
    hall.queued(TWO)
    assert none(hall.offer_failed(A2, status="BUSY", cause=17), Offer) or True
    assert hall.state() is CallState.WAITING or hall.call().offer is not None
    assert hall.where(A1) is AgentState.WRAP_UP
    assert hall.call().record.queued_at < hall.call(TWO).record.queued_at or hall.call().record.queued_at is not None


def test_a_caller_who_leaves_while_the_next_ones_phone_rings_is_answered_all_the_same() -> None:
    hall = transferred()
    hall.hung_up()
    hall.leg_ended(A2)
    assert hall.saved().outcome is Outcome.ANSWERED
    assert hall.where(A2) is AgentState.READY


def test_a_transfer_that_was_lost_leaves_the_talk_as_it_was() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.transfer(A2)
    hall.step_lost()
    assert (hall.state(), hall.where(A1), hall.where(A2)) == (
        CallState.TALKING,
        AgentState.TALKING,
        AgentState.READY,
    )
    hall.left(A1)
    hall.leg_ended(A1)
    hall.talk_ended(step=hall.call().step - 1)
    assert hall.state() is CallState.SURVEY


def test_an_agent_who_hung_up_before_his_transfer_reached_the_talk_has_ended_it() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.transfer(A2)
    hall.left(A1)
    hall.left(None)
    hall.leg_ended(A1)
    hall.talk_ended(step=hall.call().step - 1)
    assert (hall.state(), hall.where(A2)) == (CallState.SURVEY, AgentState.READY)


def test_to_a_line_with_the_wait_that_he_has_behind_him() -> None:
    hall = Hall()
    hall.talking()
    record = hall.call().record
    hall.later(60)
    commands = hall.transfer(ENGLISH, kind=K.QUEUE)
    assert only(commands, Hold).from_talk
    assert only(commands, Reply).ok
    hall.left(None)
    hall.left(A1)
    hall.started()
    hall.leg_ended(A1)
    after = hall.saved()
    assert (after.queue, after.queued_at, after.joined_at) == (ENGLISH, record.queued_at, record.joined_at)
    assert only(hall.ready(A1), Offer).agent == A1


def test_to_an_extension_and_to_a_number_outside() -> None:
    hall = Hall()
    hall.talking()
    assert only(hall.transfer(DEPARTMENT, kind=K.EXTENSION), Offer).agent == DEPARTMENT
    hall = Hall()
    hall.talking()
    offer = only(hall.transfer("13900002222", kind=K.NUMBER), Offer)
    assert (offer.agent, offer.number, offer.caller_id) == ("carrier", "13900002222", "13800001111")
    hall.left(None)
    hall.left(A1)
    hall.started()
    hall.leg_ended(A1)
    hall.leg_started(AgentId("carrier"))
    hall.joined(AgentId("carrier"))
    hall.joined(None)
    assert (hall.state(), hall.saved().agent) == (CallState.TALKING, A1)


@pytest.mark.parametrize("number", ["01088886666", "9", "", "12345678901", "110x", "110;rm", "+" * 5])
def test_a_number_that_is_not_allowed_is_refused_and_nothing_is_lost(
    number: str, caplog: pytest.LogCaptureFixture
) -> None:
    hall = Hall()
    hall.talking()
    commands = hall.transfer(number, kind=K.NUMBER)
    assert only(commands, Reply).code == "forbidden_number"
    assert none(commands, Offer, Hold)
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    assert caplog.records
    assert not number or number == "9" or number not in caplog.text


@pytest.mark.parametrize(
    ("kind", "target", "code"),
    [
        (K.AGENT, "9999", "unknown_party"),
        (K.AGENT, A1, "party_not_ready"),
        (K.AGENT, A3, "party_not_ready"),
        (K.QUEUE, "nowhere", "unknown_queue"),
        (K.EXTENSION, A2, "unknown_party"),
        (K.DESTINATION, "119", "unknown_destination"),
        (K.DESTINATION, "water", "way_not_allowed"),
    ],
)
def test_whom_nobody_can_reach_is_refused(kind: TargetKind, target: str, code: str) -> None:
    hall = Hall()
    hall.talking()
    commands = hall.transfer(target, kind=kind)
    assert only(commands, Reply).code == code
    assert none(commands, Offer, Hold)
    assert hall.state() is CallState.TALKING


def test_a_caller_on_hold_may_be_given_away() -> None:
    hall = Hall(agent_rules=AgentRules(wrap_up_s=0))
    hall.talking()
    hall.hold()
    hall.parted()
    hall.ready(A2)
    commands = hall.transfer(A2)
    assert only(commands, Offer).agent == A2
    assert only(commands, CancelOffer).leg == leg_of(A1)
    hall.leg_ended(A1)
    assert hall.where(A1) is AgentState.READY
    assert hall.saved().holds[-1].ended_at is not None


# ---------------------------------------------------------------- 110, 119, 120, 122


def test_hand_over_to_the_police_by_transfer_shows_the_citizens_number() -> None:
    hall = Hall()
    hall.talking()
    offer = only(hall.hand_over("110", "transfer"), Offer)
    assert (offer.agent, offer.number, offer.caller_id) == ("carrier", "110", "13800001111")
    assert hall.saved().transfers[0].target == "destination:110"


def test_hand_over_to_the_police_by_three_way_keeps_the_agent() -> None:
    hall = Hall()
    hall.talking()
    command = only(hall.hand_over("110", "three_way"), AddParty)
    assert (command.endpoint, command.number) == ("carrier", "110")
    hall.joined(AgentId("carrier"), third=True)
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    assert hall.saved().transfers[0].outcome == "joined"


def given(code: str = "", ticket: str | None = "20261123000001") -> TicketHandedOver:
    """What the store says of the hand-over to 110."""
    number = TicketNumber(ticket) if ticket is not None else None
    return TicketHandedOver(ONE, "110", A1, number, code, RequestId("r"), 2_000_000_000.0)


def test_hand_over_by_ticket_is_answered_with_its_number_once_the_store_has_it() -> None:
    hall = Hall()
    hall.talking()
    words = TicketWords(type="help", text="两车相撞", address="沿江路")
    commands = hall.step(HandOverAsked(A1, "110", "ticket", RequestId("r"), hall.now, words))
    assert none(commands, Reply), "nothing is promised before the commit"
    asked = only(commands, HandOverTicket)
    assert (asked.unit, asked.urgency, asked.words, asked.destination) == ("police", "critical", words, "110")
    assert (asked.opening.call, asked.opening.agent, asked.opening.at) == (ONE, A1, hall.now)
    reply = only(hall.step(given()), Reply)
    assert (reply.ok, dict(reply.detail)) == (True, {"ticket": "20261123000001"})
    assert (hall.saved().transfers[0].way, hall.saved().transfers[0].outcome) == ("ticket", "done")
    assert hall.state() is CallState.TALKING, "he is still talked with"


def test_a_ticket_that_the_rules_refuse_is_told_and_recorded() -> None:
    hall = Hall()
    hall.talking()
    hall.hand_over("110", "ticket")
    reply = only(hall.step(given("closed", None)), Reply)
    assert (reply.ok, reply.code, reply.detail) == (False, "closed", ())
    assert (hall.saved().transfers[0].outcome, hall.saved().transfers[0].detail) == ("failed", "closed")


def test_the_answer_comes_though_the_call_is_over() -> None:
    hall = Hall()
    hall.talking()
    hall.hand_over("110", "ticket")
    hall.hung_up()
    assert only(hall.step(given()), Reply).ok


def test_a_way_that_a_destination_does_not_have_is_refused() -> None:
    hall = Hall()
    hall.talking()
    refused = only(hall.hand_over("water", "transfer"), Reply)
    assert (refused.code, refused.detail) == ("way_not_allowed", (("allowed", "three_way"),))
    assert only(hall.hand_over("999", "transfer"), Reply).code == "unknown_destination"


def test_keys_go_to_the_one_whom_the_agent_talks_with() -> None:
    hall = Hall()
    hall.talking()
    keys = DigitsAsked(A1, "12#", RequestId("r"), hall.now)
    assert only(hall.step(keys), SendDigits).channel == caller_channel(ONE)
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    assert only(hall.step(keys), SendDigits).channel == leg_of(DEPARTMENT)


def test_mute_is_of_the_agents_own_leg() -> None:
    hall = Hall()
    hall.talking()
    command = only(hall.step(MuteAsked(A1, True, RequestId("r"), hall.now)), Mute)
    assert (command.leg, command.on) == (leg_of(A1), True)


def test_when_an_agent_was_muted_is_known_after_a_restart() -> None:
    """The check of the recording asks why he is not heard; the exchange keeps him muted over the restart."""
    hall = Hall()
    hall.talking()
    since = hall.now
    hall.step(MuteAsked(A1, True, RequestId("r"), since))
    hall.step(MuteAsked(A1, True, RequestId("r"), since))
    stored = hall.saved()
    assert stored.mutes == ((since, 0.0),)
    new = Hall(connected=False)
    new.now = since
    new.step(CallsRestored((stored,), new.now))
    new.connected(row(context="p-dial", bridged=True), leg_row(A1, up=True))
    assert new.state() is CallState.TALKING
    new.later(20.0)
    new.step(MuteAsked(A1, False, RequestId("r"), new.now))
    new.later(5.0)
    new.talk_ended()
    new.hung_up()
    sealed = only(new.recording_stopped(), FinishRecording)
    assert sealed.muted == ((since, since + 20.0),)


def test_each_hand_over_to_the_same_one_has_its_own_end() -> None:
    """He was asked first, and is given the caller then: the asking is over, the transfer is not."""
    hall = Hall()
    hall.talking()
    hall.hold()
    hall.parted()
    hall.consult(DEPARTMENT, kind=K.EXTENSION)
    hall.leg_started(DEPARTMENT, step=0)
    hall.transfer(DEPARTMENT, kind=K.EXTENSION)
    assert [(one.way, one.outcome) for one in hall.saved().transfers] == [("attended", "cancelled"), ("blind", "asked")]
    hall.started()
    hall.hung_up()
    assert [(one.way, one.outcome) for one in hall.saved().transfers] == [
        ("attended", "cancelled"), ("blind", "cancelled")
    ]  # fmt: skip
    assert all(one.ended_at is not None for one in hall.saved().transfers)


def test_who_was_given_to_a_line_is_not_the_givers_again_when_a_phone_is_not_answered() -> None:
    """Into a line means: whoever is free. `transfer_failed` is about somebody who was named."""
    hall = Hall()
    hall.talking()
    hall.ready(A2, A3)
    offer = only(hall.transfer("general", kind=K.QUEUE), Offer)
    hall.left(None)
    hall.left(A1)
    hall.started()
    assert hall.saved().transfers[0].outcome == "done"
    hall.leg_ended(A1)
    hall.leg_started(offer.agent)
    other = A3 if offer.agent == A2 else A2
    assert only(hall.offer_failed(offer.agent), Offer).agent == other
    assert hall.where(A1) is AgentState.WRAP_UP


def test_a_transfer_into_a_line_that_never_reached_the_talk_was_none() -> None:
    hall = Hall()
    hall.talking()
    hall.transfer("general", kind=K.QUEUE)
    hall.step_lost()
    assert hall.state() is CallState.TALKING
    assert (hall.saved().transfers[0].outcome, hall.saved().transfers[0].detail) == ("failed", "lost")


def test_a_transfer_that_the_connection_lost_was_none() -> None:
    """Both still talk when the exchange is there again: nobody is kept for him, and the record says so."""
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.transfer(A2)
    hall.lost_exchange()
    hall.later(2)
    hall.connected(row(context="p-dial", step=hall.call().step - 1, bridged=True), leg_row(A1, up=True))
    assert (hall.state(), hall.where(), hall.where(A2)) == (CallState.TALKING, AgentState.TALKING, AgentState.READY)
    assert hall.saved().transfers[0].outcome == "failed"
    assert hall.saved().agent == A1
