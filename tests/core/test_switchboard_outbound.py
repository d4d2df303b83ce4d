"""Calls that the hotline places: agent first, citizen first, and everybody who does not answer."""

from __future__ import annotations

import pytest

from agents.moves import AgentState
from metrics.kpi import compute
from metrics.servicelevel import Tally
from pbx.call import CallState, Outcome
from pbx.commands import CancelOffer, HangUp, Join, Offer, PlaceCall, Play, PrepareEnd, Reply, RingAgent
from pbx.events import CallsRestored, StepLost
from pbx.ids import CallId, ChannelName
from tests.builders import A1, A2, MENU, Hall, caller_channel, leg_of, leg_row, none, only, row

pytestmark = pytest.mark.core

CITIZEN = "13900002222"


def dialled(agent: str = "ready") -> tuple[Hall, CallId]:
    hall = Hall()
    hall.ready(A1)
    if agent == "not_ready":
        hall.not_ready(A1)
    return hall, only(hall.dial(CITIZEN), RingAgent).call


def talked() -> tuple[Hall, CallId]:
    hall, call = dialled()
    hall.waits(A1, call)
    hall.citizen_answers(call)
    hall.played(call)
    hall.fetched(A1, call)
    return hall, call


def test_the_agents_phone_first_then_the_citizens_then_the_notice_then_both() -> None:
    hall, call = dialled()
    assert (hall.state(call), hall.where()) == (CallState.DIALLING, AgentState.RESERVED)
    placed = only(hall.waits(A1, call), PlaceCall)
    assert (placed.number, placed.caller_id, placed.dial) == (CITIZEN, MENU, f"PJSIP/{CITIZEN}@carrier")
    assert only(hall.citizen_answers(call), Play).prompts == ("hotline/zh/recording-notice",)
    commands = hall.played(call)
    assert only(commands, Join).leg == leg_of(A1, call)
    assert only(commands, PrepareEnd).survey == ()
    hall.later(1)
    hall.fetched(A1, call)
    record = hall.saved(call)
    assert (hall.state(call), hall.where()) == (CallState.TALKING, AgentState.TALKING)
    assert (record.direction, record.placed_by, record.purpose, record.agent) == ("outbound", A1, "follow_up", A1)
    assert record.recording is not None
    assert record.joined_at == hall.now


def test_it_ends_like_every_talk() -> None:
    hall, call = talked()
    hall.left(A1, call)
    hall.leg_ended(A1, call)
    hall.join_ended(call)
    hall.hung_up(call)
    assert hall.where() is AgentState.WRAP_UP
    assert hall.saved(call).outcome is Outcome.ANSWERED


def test_it_is_held_and_transferred_like_every_talk() -> None:
    hall, call = talked()
    hall.hold()
    hall.parted(A1, call)
    assert hall.state(call) is CallState.HELD
    hall.ready(A2)
    assert only(hall.transfer(A2), Offer).agent == A2


@pytest.mark.parametrize("order", [("failed", "ended"), ("ended", "failed")])
def test_a_citizen_who_does_not_answer_frees_the_agent(order: tuple[str, str]) -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    commands = [
        command for which in order for command in (hall.unreached(call) if which == "failed" else hall.hung_up(call))
    ]
    assert only(commands, CancelOffer).leg == leg_of(A1, call)
    hall.leg_ended(A1, call)
    assert hall.where() is AgentState.WRAP_UP
    assert hall.saved(call).outcome is Outcome.UNREACHED


def test_an_agent_who_does_not_answer_his_own_call_ends_it() -> None:
    hall, call = dialled()
    commands = hall.leg_ended(A1, call, cause=0)
    assert none(commands, PlaceCall)
    assert call not in hall.house.calls
    assert (hall.where(), hall.saved(call).outcome) == (AgentState.READY, Outcome.UNREACHED)


def test_an_agent_who_hangs_up_while_the_citizens_phone_rings_cancels_it() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    assert only(hall.leg_ended(A1, call), HangUp).channel == call
    hall.unreached(call)
    assert call not in hall.house.calls


def test_a_citizen_whose_agent_is_gone_when_he_answers_is_not_left_alone() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    hall.citizen_answers(call)
    hall.leg_ended(A1, call)
    hall.ready(A2)
    assert only(hall.played(call), Offer).agent == A2


def test_an_agent_who_answers_when_the_call_is_over_is_let_go() -> None:
    hall, call = dialled()
    hall.leg_ended(A1, call, cause=0)
    assert only(hall.waits(A1, call), CancelOffer).leg == leg_of(A1, call)


@pytest.mark.parametrize(
    ("number", "code"),
    [("01088886666", "forbidden_number"), ("1390000222", "forbidden_number"), ("", "forbidden_number")],
)
def test_numbers_that_the_configuration_does_not_allow(number: str, code: str) -> None:
    hall = Hall()
    hall.ready(A1)
    commands = hall.dial(number)
    assert only(commands, Reply).code == code
    assert none(commands, RingAgent)
    assert hall.where() is AgentState.READY


def test_who_may_dial() -> None:
    hall = Hall()
    assert only(hall.dial(CITIZEN), Reply).code == "not_signed_in"
    hall.ready(A1)
    assert only(hall.dial(CITIZEN), Reply).ok
    assert only(hall.dial(CITIZEN), Reply).code == "busy"
    hall.not_ready(A2)
    hall.sign_in(A2)
    assert only(hall.dial(CITIZEN, A2), Reply).ok
    assert only(hall.dial(CITIZEN, A2), Reply).code == "busy"


def test_an_agent_who_dials_out_is_offered_to_nobody() -> None:
    hall, _ = dialled()
    assert none(hall.queued(), Offer)


def test_why_nobody_answered_stands_in_the_record() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    hall.unreached(call, "busy")
    assert (hall.saved(call).outcome, hall.saved(call).unreached) == (Outcome.UNREACHED, "busy")


def test_two_calls_in_one_instant_have_two_ids() -> None:
    hall, call = dialled()
    hall.sign_in(A2)
    assert only(hall.dial(CITIZEN, A2), RingAgent).call != call


def test_calls_of_ours_are_in_no_inbound_figure() -> None:
    hall, call = talked()
    tally = Tally()
    tally.put(hall.saved(call))
    assert all(figure.denominator == 0 for figure in tally.figures())
    kpis = compute([hall.saved(call)])
    assert (kpis.calls, kpis.offered, kpis.answered) == (0, 0, 0)


def test_a_lost_join_after_the_notice_is_commanded_again() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    hall.citizen_answers(call)
    first = only(hall.played(call), Join)
    assert only(hall.step(StepLost(call, first.step, "timeout", hall.now)), Join).step > first.step


def again(hall: Hall, call: CallId, *rows: object) -> Hall:
    new = Hall(connected=False)
    new.now = hall.now
    new.step(CallsRestored((hall.saved(call),), new.now))
    new.connected(*rows)  # type: ignore[arg-type]
    return new


def test_a_restarted_controller_goes_on_when_the_citizen_answers() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    new = again(hall, call, row(call, "from-trunk", step=0), leg_row(A1, call, context="ag-hold"))
    assert (new.state(call), new.where()) == (CallState.DIALLING, AgentState.TALKING)
    new.citizen_answers(call)
    assert only(new.played(call), Join).leg == leg_of(A1, call)


def test_a_restarted_controller_finds_a_citizen_in_the_notice() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    hall.citizen_answers(call)
    new = again(
        hall,
        call,
        row(call, "p-play", step=1, mark=f"{MENU}|zh|{hall.now:.3f}|||0|0.000"),
        leg_row(A1, call, context="ag-hold"),
    )
    assert only(new.played(call), Join).leg == leg_of(A1, call)


def test_the_channel_that_the_exchange_names_is_the_calls() -> None:
    hall, call = dialled()
    hall.waits(A1, call)
    assert hall.call(call).channel == ChannelName(call)
    hall.citizen_answers(call)
    assert hall.call(call).channel == caller_channel(call)
