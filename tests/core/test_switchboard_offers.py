"""The line and the offers: who is rung for whom, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.moves import AgentState
from pbx.call import CallState, Outcome
from pbx.commands import Announce, Hold, Offer, SaveCall
from pbx.events import TimerKind
from tests.builders import A1, A2, A3, GENERAL, ONE, THREE, TWO, Hall, leg_of, none, only, wakes

pytestmark = pytest.mark.core


def test_a_waiting_caller_is_offered_to_the_first_agent_who_gets_ready() -> None:
    hall = Hall()
    hall.queued()
    offer = only(hall.ready(A1), Offer)
    assert (offer.call, offer.agent, offer.ring_s) == (ONE, A1, 6)
    assert hall.where(A1) is AgentState.RESERVED
    assert ONE not in hall.house.line


def test_two_callers_are_never_offered_to_one_agent() -> None:
    hall = Hall()
    hall.queued(ONE)
    hall.queued(TWO)
    assert only(hall.ready(A1), Offer).call == ONE


def test_only_who_speaks_english_is_rung_for_the_english_desk() -> None:
    hall = Hall()
    hall.queued(keys="9")
    assert none(hall.ready(A2, A3), Offer)
    assert only(hall.ready(A1), Offer).agent == A1


def test_the_agents_phone_rings() -> None:
    hall = Hall()
    hall.ringing()
    assert hall.where() is AgentState.RINGING
    assert hall.agent().leg == leg_of(A1)


def test_an_unanswered_offer_gives_the_caller_his_place_back_and_the_next_agent_in_the_same_step() -> None:
    hall = Hall()
    hall.ringing()
    hall.ready(A2)
    hall.queued(TWO)  # behind him, offered to A2 now
    hall.ready(A3)
    offer = only(hall.offer_failed(A1), Offer)
    assert (offer.call, offer.agent) == (ONE, A3)
    assert [one.outcome for one in hall.saved().offers] == ["noanswer", "ringing"]


def test_a_caller_who_lost_an_offer_stands_before_those_who_came_later() -> None:
    hall = Hall()
    hall.ringing()
    hall.later(1)
    hall.queued(TWO)
    hall.offer_failed(A1)
    hall.queued(THREE)
    assert [entry.call for entry in hall.house.line.ordered()][0] == ONE


def test_who_did_not_answer_gets_the_next_caller_but_not_the_same_one() -> None:
    hall = Hall()
    hall.ringing()
    hall.later(6)
    hall.queued(TWO)
    assert only(hall.offer_failed(A1), Offer).call == TWO


def test_who_does_not_answer_twice_is_not_ready() -> None:
    hall = Hall()
    hall.ringing()
    hall.queued(TWO)
    hall.offer_failed(A1)
    hall.leg_started(A1, TWO)
    hall.offer_failed(A1, TWO)
    assert (hall.where(), hall.agent().reason) == (AgentState.NOT_READY, "missed")


def test_when_all_have_refused_they_are_asked_again_after_a_pause() -> None:
    hall = Hall()
    hall.ringing()
    (pause,) = wakes(hall.offer_failed(A1), TimerKind.RETRY_OFFER)
    assert pause.at == hall.now + 5
    assert only(hall.time_is_up(pause), Offer).agent == A1


def test_a_pause_that_ends_while_another_agent_is_rung_is_not_forgotten() -> None:
    hall = Hall()
    hall.ringing()
    hall.ready(A2)
    (pause,) = wakes(hall.offer_failed(A1), TimerKind.RETRY_OFFER)
    hall.leg_started(A2)
    hall.time_is_up(pause)
    hall.not_ready(A2)
    assert only(hall.offer_failed(A2, cause=16), Offer).agent == A1


def test_an_offer_that_we_cancelled_is_no_miss() -> None:
    hall = Hall()
    hall.ringing()
    commands = hall.offer_failed(A1, cause=16)
    assert only(commands, Offer).agent == A1
    assert hall.agent().misses == 0


def test_an_agent_who_hangs_up_as_he_answers_has_not_answered() -> None:
    hall = Hall()
    hall.ringing()
    commands = hall.offer_failed(A1, status="ANSWER", cause=16)
    assert none(commands, Offer)
    assert hall.agent().misses == 1


@pytest.mark.parametrize("leg_first", [True, False])
def test_the_end_of_the_leg_may_come_before_or_after_the_failure(leg_first: bool) -> None:
    hall = Hall()
    hall.ringing()
    happenings: list[Callable[[], object]] = [hall.leg_ended, hall.offer_failed]
    for happens in happenings if leg_first else happenings[::-1]:
        happens()
    assert hall.state() is CallState.WAITING
    assert hall.where() is AgentState.READY
    assert hall.agent().misses == 1


def test_a_failure_told_twice_counts_once() -> None:
    hall = Hall()
    hall.ringing()
    hall.offer_failed(A1)
    assert hall.offer_failed(A1) == []
    assert hall.agent().misses == 1


def test_a_late_failure_of_an_earlier_offer_leaves_the_new_one_alone() -> None:
    hall = Hall()
    hall.ringing()
    step = hall.call().step
    hall.offer_failed(A1, cause=16)  # offered to him again
    assert hall.offer_failed(A1, step=step) == []
    assert hall.where() is AgentState.RESERVED


def test_the_late_end_of_an_earlier_leg_leaves_the_new_offer_alone() -> None:
    hall = Hall()
    hall.ringing()
    hall.offer_failed(A1, cause=16)
    hall.leg_started(A1, number=2)
    hall.leg_ended(A1, number=1)
    assert hall.where() is AgentState.RINGING
    hall.hung_up()
    assert hall.where() is AgentState.RINGING, "his phone still rings"
    hall.leg_ended(A1, number=2)
    assert hall.where() is AgentState.READY


def test_a_failure_for_one_call_does_not_free_an_agent_who_is_kept_for_another() -> None:
    hall = Hall()
    hall.ringing(A1, ONE)
    hall.offer_failed(A1)
    hall.queued(TWO)
    hall.offer_failed(A1, ONE)
    assert (hall.where(), hall.agent().call) == (AgentState.RESERVED, TWO)


def test_a_caller_who_hangs_up_before_the_leg_exists_sets_the_agent_free_at_once() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    hall.hung_up()
    assert hall.where() is AgentState.READY
    assert hall.saved().outcome is Outcome.ABANDONED
    assert hall.saved().offers[-1].outcome == "caller_gone"
    assert hall.leg_started(A1) == []


def test_a_caller_who_hangs_up_while_it_rings_sets_the_agent_free_when_his_phone_is_silent() -> None:
    hall = Hall()
    hall.ringing()
    hall.queued(TWO)
    hall.hung_up(ONE)
    assert hall.where() is AgentState.RINGING
    assert only(hall.leg_ended(A1), Offer).call == TWO


def test_a_caller_who_hangs_up_after_the_leg_ended_sets_the_agent_free() -> None:
    hall = Hall()
    hall.ringing()
    hall.leg_ended(A1)
    hall.hung_up()
    assert hall.where() is AgentState.READY


def test_a_caller_who_hangs_up_in_the_line_has_abandoned() -> None:
    hall = Hall()
    hall.queued()
    hall.hung_up()
    assert hall.saved().outcome is Outcome.ABANDONED
    assert len(hall.house.line) == 0


def test_a_lost_offer_frees_the_agent_and_is_made_again() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    commands = hall.step_lost()
    assert only(commands, Offer).agent == A1
    assert none(commands, Hold)
    assert hall.saved().offers[0].outcome == "lost"


def test_offers_that_are_always_lost_leave_the_agent_free_for_others() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    for _ in range(3):
        assert only(hall.step_lost(), Offer)
    commands = hall.step_lost()
    assert none(commands, Offer)
    assert hall.where() is AgentState.READY
    assert hall.agent().misses == 0
    (pause,) = wakes(commands, TimerKind.RETRY_OFFER)
    assert only(hall.time_is_up(pause), Offer).call == ONE


def test_an_offer_whose_leg_exists_is_not_lost_whatever_the_door_says() -> None:
    hall = Hall()
    hall.ringing()
    assert hall.step_lost() == []
    assert hall.where() is AgentState.RINGING


def test_a_caller_who_is_found_in_a_bridge_is_not_commanded_again() -> None:
    hall = Hall()
    hall.queued()
    assert none(hall.step_lost(reason="talking"), Hold)


def test_a_phone_lost_while_it_rings_makes_the_agent_unreachable_after_the_offer() -> None:
    hall = Hall()
    hall.ringing()
    hall.phone(A1, reachable=False)
    assert hall.where() is AgentState.RINGING
    hall.offer_failed(A1)
    assert (hall.where(), hall.agent().reason) == (AgentState.NOT_READY, "phone_lost")


def test_a_caller_is_told_his_place_after_a_while_and_then_at_longer_intervals() -> None:
    queues = dict(Hall().plan.queues)
    hall = Hall(queues=queues | {GENERAL: replace(queues[GENERAL], comfort_first_s=0.0)})
    hall.queued(ONE)
    (wake,) = wakes(hall.queued(TWO), TimerKind.ANNOUNCE)
    assert wake.at == hall.now + 20
    commands = hall.time_is_up(wake)
    assert only(commands, Announce).prompts[0] == "hotline/zh/position-one"
    assert wakes(commands, TimerKind.ANNOUNCE)[0].at == hall.now + 45


def test_an_old_announcement_timer_is_ignored() -> None:
    hall = Hall()
    (wake,) = wakes(hall.queued(), TimerKind.ANNOUNCE)
    hall.ready(A1)
    hall.leg_started(A1)
    hall.offer_failed(A1)
    assert hall.time_is_up(wake) == []


def test_a_failed_offer_does_not_make_the_next_announcement_come_sooner() -> None:
    hall = Hall()
    (wake,) = wakes(hall.queued(), TimerKind.ANNOUNCE)
    due = wakes(hall.time_is_up(wake), TimerKind.ANNOUNCE)[0].at
    hall.ready(A1)
    hall.leg_started(A1)
    hall.later(6)
    assert wakes(hall.offer_failed(A1), TimerKind.ANNOUNCE)[0].at == due


def test_nothing_is_announced_where_the_queue_wants_none() -> None:
    queues = dict(Hall().plan.queues)
    hall = Hall(queues=queues | {GENERAL: replace(queues[GENERAL], announce_first_s=0.0, comfort_first_s=0.0)})
    assert not wakes(hall.queued(), TimerKind.ANNOUNCE)


def test_every_offer_is_stored_with_its_reason() -> None:
    hall = Hall()
    hall.ready(A1)
    saved = [one.record for one in hall.queued() if isinstance(one, SaveCall)][-1]
    agent, _, caller = saved.offers[0].reason.partition(" | ")
    assert agent.startswith("best level in the primary skill: general 3, needed general>=1")
    assert caller.startswith("first of those the agent can serve: waited 0 s, priority 0")
