"""Agents' requests, phones, and what the exchange remembers of them."""

from __future__ import annotations

import pytest

from agents.moves import AgentState
from pbx.commands import MarkAgent, NetMembership, Offer, Reply
from pbx.events import TimerKind
from pbx.ids import AgentId
from tests.builders import A1, A2, TWO, Hall, none, only, wakes

pytestmark = pytest.mark.core


def test_signing_in_is_not_yet_taking_calls() -> None:
    hall = Hall()
    hall.queued()
    commands = hall.sign_in()
    assert only(commands, Reply).ok
    assert only(commands, MarkAgent).net is NetMembership.PAUSED
    assert none(commands, Offer)


def test_ready_signs_in_first_where_needed() -> None:
    hall = Hall()
    assert only(hall.ready(A1), Reply).ok
    assert hall.where() is AgentState.READY


def test_ready_without_a_phone_is_refused_and_signs_nobody_in() -> None:
    hall = Hall()
    hall.phone(A1, reachable=False)
    assert only(hall.ready(A1), Reply).code == "phone_unreachable"
    assert hall.where() is AgentState.OFFLINE


@pytest.mark.parametrize("request_of", ["sign_in", "sign_out", "ready", "not_ready"])
def test_a_stranger_is_told_so(request_of: str) -> None:
    reply = only(getattr(Hall(), request_of)(AgentId("9999")), Reply)
    assert (reply.ok, reply.code) == (False, "unknown_agent")


def test_a_reason_that_the_hotline_does_not_have_is_refused() -> None:
    hall = Hall()
    hall.ready(A1)
    refused = only(hall.not_ready(reason="golf"), Reply)
    assert (refused.code, refused.detail) == (
        "unknown_reason",
        (("allowed", ",".join(hall.plan.agent_rules.not_ready_reasons)),),
    )


def test_not_ready_takes_no_calls() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.not_ready()
    assert none(hall.queued(), Offer)


def test_signing_out_in_a_talk_takes_effect_after_the_wrap_up() -> None:
    hall = Hall()
    hall.talking()
    assert only(hall.sign_out(), Reply).ok
    assert hall.where() is AgentState.TALKING
    hall.hung_up()
    (wake,) = wakes(hall.leg_ended(), TimerKind.WRAP_UP)
    hall.time_is_up(wake)
    assert hall.where() is AgentState.OFFLINE


def test_not_ready_while_it_rings_takes_effect_after_the_offer() -> None:
    hall = Hall()
    hall.ringing()
    hall.not_ready()
    hall.offer_failed(cause=16)
    assert (hall.where(), hall.agent().reason) == (AgentState.NOT_READY, "break")


def test_ready_ends_the_wrap_up_and_brings_the_next_caller() -> None:
    hall = Hall()
    hall.talking()
    hall.queued(TWO)
    hall.hung_up()
    hall.leg_ended()
    assert only(hall.ready(A1), Offer).call == TWO


def test_an_extended_wrap_up_ends_by_its_new_clock_only() -> None:
    hall = Hall()
    hall.talking()
    hall.hung_up()
    (old,) = wakes(hall.leg_ended(), TimerKind.WRAP_UP)
    commands = hall.extend(60.0)
    (new,) = wakes(commands, TimerKind.WRAP_UP)
    assert only(commands, Reply).ok
    assert new.at == old.at + 60.0
    hall.time_is_up(old)
    assert hall.where() is AgentState.WRAP_UP
    hall.time_is_up(new)
    assert hall.where() is AgentState.READY
    assert only(hall.extend(60.0), Reply).code == "not_in_wrap_up"


def test_a_phone_that_is_gone_makes_a_ready_agent_unreachable_until_it_is_back() -> None:
    hall = Hall()
    hall.ready(A1)
    hall.phone(A1, reachable=False)
    assert none(hall.queued(), Offer)
    assert only(hall.phone(A1, reachable=True), Offer).agent == A1


def test_a_phone_lost_in_a_talk_ends_nothing() -> None:
    hall = Hall()
    hall.talking()
    hall.phone(A1, reachable=False)
    assert hall.where() is AgentState.TALKING


def test_news_of_a_phone_that_change_nothing_are_nothing() -> None:
    hall = Hall()
    assert hall.phone(A1, reachable=True) == []
    assert hall.phone(AgentId("9999"), reachable=True) == []


def test_the_exchange_is_told_only_what_changed() -> None:
    hall = Hall()
    hall.ready(A1)
    assert none(hall.ready(A1), MarkAgent)


def test_clicks_while_the_exchange_is_away_are_told_at_the_next_login() -> None:
    hall = Hall()
    hall.lost_exchange()
    assert none(hall.ready(A2), MarkAgent)
    marks = {one.agent: one.net for one in hall.connected() if isinstance(one, MarkAgent)}
    assert marks[A2] is NetMembership.READY
