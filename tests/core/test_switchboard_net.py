"""The safety net: callers who missed the controller, and how they are taken back."""

from __future__ import annotations

import pytest

from agents.moves import AgentState
from pbx.call import CallState, Outcome
from pbx.commands import Hold, Offer, OpenTicket
from tests.builders import A1, A2, GENERAL, ONE, TWO, Hall, leg_row, none, only, row

pytestmark = pytest.mark.core


def test_a_caller_who_fell_into_the_net_gets_his_place_in_the_line_back() -> None:
    hall = Hall()
    hall.queued(ONE)
    hall.later(5)
    hall.queued(TWO)
    queued_at = hall.call().record.queued_at
    assert only(hall.fell_back(ONE), Hold).call == ONE
    assert hall.saved().in_net
    assert hall.saved().queued_at == queued_at
    assert [entry.call for entry in hall.house.line.ordered()] == [ONE, TWO]


def test_he_is_offered_at_once_where_an_agent_is_free() -> None:
    hall = Hall()
    hall.queued()
    hall.lost_exchange()
    hall.ready(A1)
    commands = hall.connected(row(context="fallback", step=hall.call().step))
    assert only(commands, Offer).agent == A1
    assert none(commands, Hold)


def test_a_caller_who_fell_out_of_the_menu_joins_the_hotlines_first_line() -> None:
    hall = Hall()
    hall.arrive()
    hall.fell_back()
    assert hall.saved().queue == GENERAL
    assert hall.state() is CallState.WAITING


def test_an_agent_who_was_kept_for_him_is_free() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.queued()
    assert only(hall.fell_back(), Offer).agent == A1  # the same agent: he was free again
    assert [one.outcome for one in hall.saved().offers] == ["net", "ringing"]


def test_a_report_of_the_net_that_our_newest_command_has_overtaken_is_ignored() -> None:
    hall = Hall()
    hall.queued()
    step = hall.call().step
    hall.fell_back()
    assert hall.fell_back(step=step) == []


@pytest.mark.parametrize("talking", [True, False])
def test_who_talks_or_is_asked_how_it_was_cannot_fall_back(talking: bool) -> None:
    hall = Hall()
    if talking:
        hall.talking()
    else:
        hall.surveyed()
    state = hall.state()
    assert hall.fell_back() == []
    assert hall.state() is state


def test_the_nets_own_ringing_is_left_alone_and_he_is_taken_back_when_it_comes_to_nothing() -> None:
    hall = Hall()
    hall.ready(A1)
    commands = hall.connected(row(context="fallback"), leg_row(A1))
    assert none(commands, Hold, Offer)
    assert (hall.state(), hall.where()) == (CallState.NET, AgentState.RINGING)
    assert only(hall.leg_ended(A1), Offer).agent == A1


def test_an_agent_of_the_net_answers() -> None:
    hall = Hall()
    hall.connected(row(context="fallback"), leg_row(A2))
    hall.joined(A2)
    commands = hall.joined(None)
    assert only(commands, OpenTicket).agent == A2
    assert hall.saved().in_net
    hall.leg_ended(A2)
    hall.net_talk_ended(A2)
    assert hall.state() is CallState.SURVEY
    hall.hung_up()
    assert hall.saved().outcome is Outcome.ANSWERED


def test_a_talk_of_the_net_that_nobody_saw_is_an_answer() -> None:
    hall = Hall()
    hall.connected(row(context="fallback"), leg_row(A2))
    commands = hall.net_talk_ended(A2)
    assert (hall.saved().agent, hall.saved().in_net) == (A2, True)
    assert only(commands, OpenTicket).agent == A2
    hall.hung_up()
    assert hall.saved().outcome is Outcome.ANSWERED


def test_the_net_was_quicker_than_our_fetching_him_back() -> None:
    hall = Hall()
    hall.queued()
    hall.fell_back()
    hall.joined(A2)
    hall.joined(None)
    assert hall.state() is CallState.TALKING
    assert hall.saved().in_net
    assert len(hall.house.line) == 0
    assert hall.step_lost(reason="talking") == []


def test_a_caller_who_hangs_up_in_the_net_has_abandoned() -> None:
    hall = Hall()
    hall.connected(row(context="fallback"), leg_row(A2))
    hall.hung_up()
    assert hall.saved().outcome is Outcome.ABANDONED
