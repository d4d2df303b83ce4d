"""The talk, third parties, and the survey."""

from __future__ import annotations

import pytest

from agents.agent import AgentRules
from agents.moves import AgentState
from pbx.call import CallState, Outcome
from pbx.commands import AddParty, CancelOffer, DropParty, Hold, Offer, OpenTicket, PrepareEnd, Reply, ToSurvey
from pbx.events import TimerKind
from tests.builders import A1, A2, A3, DEPARTMENT, ONE, TWO, Hall, leg_of, none, only, wakes

pytestmark = pytest.mark.core


@pytest.mark.parametrize("caller_first", [True, False])
def test_the_talk_begins_when_both_are_in_the_bridge_in_whichever_order(caller_first: bool) -> None:
    hall = Hall()
    hall.ringing()
    first, second = (None, A1) if caller_first else (A1, None)
    assert hall.joined(first) == []
    commands = hall.joined(second)
    assert only(commands, OpenTicket).agent == A1
    assert only(commands, PrepareEnd).survey == ("hotline/zh/survey",)
    assert hall.state() is CallState.TALKING
    assert hall.where() is AgentState.TALKING
    assert hall.saved().offers[-1].outcome == "answered"


def test_a_join_told_twice_opens_one_ticket() -> None:
    hall = Hall()
    hall.talking()
    assert none([*hall.joined(A1), *hall.joined(None)], OpenTicket)


def test_the_tickets_number_is_prepared_for_the_caller_as_soon_as_it_is_known() -> None:
    hall = Hall()
    hall.talking()
    assert only(hall.ticket("20261123000001"), PrepareEnd).ticket
    assert hall.saved().ticket == "20261123000001"


def test_a_ticket_that_comes_after_the_call_has_ended_prepares_nothing() -> None:
    hall = Hall()
    hall.talking()
    hall.hung_up()
    assert hall.ticket() == []


def test_after_the_talk_the_agent_writes_up_and_the_caller_is_asked_how_it_was() -> None:
    hall = Hall()
    hall.surveyed()
    assert hall.state() is CallState.SURVEY
    assert hall.where() is AgentState.WRAP_UP
    hall.scored(5)
    hall.hung_up()
    record = hall.saved()
    assert (record.outcome, record.score, record.agent) == (Outcome.ANSWERED, 5, A1)
    assert record.released_at == hall.now


@pytest.mark.parametrize("order", [("leg", "talk"), ("talk", "leg")])
def test_the_end_of_the_leg_may_come_before_or_after_the_end_of_the_talk(order: tuple[str, str]) -> None:
    hall = Hall()
    hall.talking()
    for which in order:
        hall.leg_ended() if which == "leg" else hall.talk_ended()
    assert (hall.state(), hall.where()) == (CallState.SURVEY, AgentState.WRAP_UP)


@pytest.mark.parametrize("leg_first", [True, False])
def test_a_caller_who_hangs_up_in_the_talk_leaves_the_agent_to_his_wrap_up(leg_first: bool) -> None:
    hall = Hall()
    hall.talking()
    hall.later(30)
    for happens in (hall.leg_ended, hall.hung_up) if leg_first else (hall.hung_up, hall.leg_ended):
        happens()
    assert hall.where() is AgentState.WRAP_UP
    assert hall.saved().released_at == hall.now
    assert none(hall.said, CancelOffer)


def test_the_wrap_up_ends_by_itself_and_the_next_caller_is_offered() -> None:
    hall = Hall()
    hall.talking()
    hall.queued(TWO)
    hall.hung_up()
    (wake,) = wakes(hall.leg_ended(), TimerKind.WRAP_UP)
    assert wake.at == hall.now + 20
    assert only(hall.time_is_up(wake), Offer).call == TWO


def test_a_stale_wrap_up_timer_ends_no_later_wrap_up() -> None:
    hall = Hall()
    hall.talking()
    hall.hung_up()
    (stale,) = wakes(hall.leg_ended(), TimerKind.WRAP_UP)
    hall.ready(A1)
    hall.talking(call=TWO)
    hall.hung_up(TWO)
    hall.leg_ended(call=TWO)
    hall.time_is_up(stale)
    assert hall.where() is AgentState.WRAP_UP


def test_without_wrap_up_the_agent_is_ready_at_once() -> None:
    hall = Hall(agent_rules=AgentRules(wrap_up_s=0))
    hall.talking()
    hall.hung_up()
    hall.leg_ended()
    assert hall.where() is AgentState.READY


@pytest.mark.parametrize("leg_first", [True, False])
def test_an_answer_of_less_than_a_second_is_none(leg_first: bool) -> None:
    """NoAgent ANSWER: both had been reported joined; the caller keeps his place, the agent has no wrap-up."""
    hall = Hall()
    hall.talking()
    queued_at = hall.call().record.queued_at
    hall.left(A1)
    if leg_first:
        hall.leg_ended()
    hall.offer_failed(status="ANSWER", cause=16)
    if not leg_first:
        hall.leg_ended()
    assert hall.state() is CallState.WAITING
    assert hall.where() is AgentState.READY
    record = hall.saved()
    assert (record.agent, record.joined_at, record.queued_at) == (None, None, queued_at)
    hall.hung_up()
    assert hall.saved().outcome is Outcome.ABANDONED


def test_after_an_answer_that_was_none_the_next_talk_begins_only_when_both_are_there() -> None:
    hall = Hall()
    hall.talking()
    hall.offer_failed(status="ANSWER", cause=16)  # nobody was reported to have left the bridge
    hall.ready(A2)
    hall.leg_started(A2)
    assert none(hall.joined(A2), PrepareEnd)
    assert hall.where(A2) is AgentState.RINGING
    assert only(hall.joined(None), PrepareEnd)


def test_the_late_end_of_an_earlier_leg_does_not_end_a_talk() -> None:
    hall = Hall()
    hall.ringing()
    hall.offer_failed(A1, cause=16)
    hall.leg_started(A1, number=2)
    hall.joined(A1, number=2)
    hall.joined(None)
    hall.leg_ended(A1, number=1)
    assert hall.where() is AgentState.TALKING


def test_an_agent_who_is_found_on_another_leg_is_free_when_that_one_ends() -> None:
    hall = Hall()
    hall.talking()
    hall.joined(A1, number=2)
    hall.leg_ended(A1, number=2)
    assert hall.where() is AgentState.WRAP_UP


def test_a_late_failure_of_an_earlier_offer_does_not_end_a_talk() -> None:
    hall = Hall()
    hall.ringing()
    step = hall.call().step
    hall.offer_failed(A1, cause=16)
    hall.leg_started(A1, number=2)
    hall.joined(A1, number=2)
    hall.joined(None)
    assert hall.offer_failed(A1, step=step) == []
    assert hall.state() is CallState.TALKING


def test_a_talk_whose_beginning_was_not_seen_is_an_answer_with_its_length() -> None:
    hall = Hall()
    hall.ringing()
    hall.later(10)
    commands = hall.talk_ended(talk_s=4.0)
    record = hall.saved()
    assert (record.agent, record.joined_at, record.released_at) == (A1, hall.now - 4, hall.now)
    assert only(commands, OpenTicket)
    assert hall.where() is AgentState.WRAP_UP
    assert hall.call().talks == [(hall.now - 4, hall.now)]


def test_the_end_of_a_talk_told_twice_counts_once() -> None:
    hall = Hall()
    hall.surveyed()
    assert hall.talk_ended() == []


def test_a_join_that_is_told_after_the_talk_binds_nobody() -> None:
    hall = Hall()
    hall.surveyed()
    hall.joined(A1)
    hall.joined(None)
    assert hall.where() is AgentState.WRAP_UP


def test_a_join_of_another_agent_than_the_offered_one_frees_the_offered_one() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    hall.joined(A2)
    hall.joined(None)
    assert hall.where(A1) is AgentState.READY
    assert hall.where(A2) is AgentState.TALKING
    assert hall.saved().agent == A2


def test_a_command_that_cut_a_talk_is_followed_by_another_chance() -> None:
    hall = Hall()
    hall.talking()
    hall.left(A1)
    hall.leg_ended()
    commands = hall.started(step=hall.call().step + 1)
    assert only(commands, Hold)
    assert hall.state() is CallState.WAITING


def test_a_caller_who_was_fetched_out_of_the_survey_is_led_back_into_it() -> None:
    hall = Hall()
    hall.surveyed()
    assert only(hall.started(step=hall.call().step + 1), ToSurvey)


# ---------------------------------------------------------------- third parties


def test_an_agent_may_fetch_a_department_into_his_talk() -> None:
    hall = Hall()
    hall.talking()
    commands = hall.third_party(DEPARTMENT)
    assert only(commands, AddParty).endpoint == DEPARTMENT
    assert only(commands, Reply).ok
    hall.joined(DEPARTMENT, third=True)
    assert hall.state() is CallState.TALKING


def test_a_ready_agent_may_be_fetched_and_is_kept_meanwhile() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.third_party(A2)
    assert hall.where(A2) is AgentState.RESERVED
    assert none(hall.queued(TWO), Offer)
    hall.joined(A2, third=True)
    assert hall.where(A2) is AgentState.TALKING


def test_a_third_party_who_does_not_answer_is_free_again() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.third_party(A2)
    hall.leg_ended(A2, third=True, cause=0)
    assert hall.where(A2) is AgentState.READY
    assert hall.where(A1) is AgentState.TALKING


@pytest.mark.parametrize(
    ("endpoint", "code"), [(A2, "party_not_ready"), (A1, "unknown_party"), ("9999", "unknown_party")]
)
def test_a_third_party_who_cannot_come_is_refused(endpoint: str, code: str) -> None:
    hall = Hall()
    hall.talking()
    commands = hall.third_party(endpoint)  # type: ignore[arg-type]
    assert only(commands, Reply).code == code
    assert none(commands, AddParty)


def test_nobody_is_fetched_where_nobody_talks() -> None:
    hall = Hall()
    hall.ready(A1)
    assert only(hall.third_party(DEPARTMENT), Reply).code == "not_talking"
    hall.surveyed(A2)
    assert only(hall.third_party(DEPARTMENT, A2), Reply).code == "not_talking"


def test_nobody_is_fetched_while_the_exchange_is_away() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A2)
    hall.lost_exchange()
    assert only(hall.third_party(A2), Reply).code == "exchange_unavailable"
    assert hall.where(A2) is AgentState.READY


def test_when_the_agent_leaves_first_the_third_party_goes_on() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    hall.left(A1)
    hall.leg_ended(A1)
    assert (hall.state(), hall.where()) == (CallState.TALKING, AgentState.WRAP_UP)
    hall.later(10)
    hall.left(DEPARTMENT, third=True)
    hall.talk_ended(DEPARTMENT)
    assert hall.state() is CallState.SURVEY
    assert hall.saved().agent == A1
    assert hall.call().talks[-1][1] == hall.now


def test_when_the_citizen_leaves_a_three_way_talk_the_others_are_released() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    legs = {one.leg for one in hall.hung_up() if isinstance(one, CancelOffer)}
    assert legs == {leg_of(A1), leg_of(DEPARTMENT)}


def test_a_third_party_left_alone_by_both_is_released() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    hall.left(A1)
    hall.leg_ended(A1)
    assert only(hall.hung_up(), CancelOffer).leg == leg_of(DEPARTMENT)


def test_a_third_party_leaves_and_the_talk_goes_on() -> None:
    hall = Hall()
    hall.talking()
    hall.ready(A3)
    hall.third_party(A3)
    hall.joined(A3, third=True)
    hall.left(A3, third=True)
    hall.leg_ended(A3, third=True)
    assert hall.where(A3) is AgentState.WRAP_UP
    assert hall.state() is CallState.TALKING
    assert hall.call().talk_since is not None
    assert ONE in hall.house.calls


def test_a_third_party_who_is_still_being_rung_when_the_talk_ends_is_rung_no_more() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    hall.later(5)
    commands = [*hall.left(A1), *hall.leg_ended(A1), *hall.talk_ended()]
    assert only(commands, DropParty).endpoint == DEPARTMENT
    assert hall.saved().transfers[-1].outcome == "cancelled"


def test_a_third_party_who_is_still_being_rung_when_the_citizen_leaves_is_rung_no_more() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    assert only(hall.hung_up(), DropParty).endpoint == DEPARTMENT


@pytest.mark.parametrize("answered", [False, True])
def test_a_third_party_is_invited_once(answered: bool) -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    if answered:
        hall.joined(DEPARTMENT, third=True)
    commands = hall.third_party(DEPARTMENT)
    assert only(commands, Reply).code == "party_already_there"
    assert none(commands, AddParty)


def test_a_department_whose_phone_is_not_registered_is_refused_at_once() -> None:
    hall = Hall()
    hall.talking()
    hall.phone(DEPARTMENT, False)
    assert only(hall.third_party(DEPARTMENT), Reply).code == "party_unreachable"


def test_a_third_party_may_be_dropped_ringing_or_talking() -> None:
    hall = Hall()
    hall.talking()
    hall.third_party(DEPARTMENT)
    assert only(hall.drop_party(DEPARTMENT), DropParty).endpoint == DEPARTMENT
    hall.third_party(DEPARTMENT)
    hall.joined(DEPARTMENT, third=True)
    assert only(hall.drop_party(DEPARTMENT), CancelOffer).leg == leg_of(DEPARTMENT)
    hall.left(DEPARTMENT, third=True)
    hall.leg_ended(DEPARTMENT, third=True)
    assert only(hall.drop_party(DEPARTMENT), Reply).code == "party_not_there"
    assert hall.state() is CallState.TALKING
