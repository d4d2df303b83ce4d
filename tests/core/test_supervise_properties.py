"""Whole days in which supervisors order whatever they like, with mishaps and restarts: nobody is lost by any of it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx import commands as order
from pbx.supervision import (
    Audit,
    SpyEndAsked,
    SupervisorRequest,
)
from tests.builders import UNION
from tests.core.test_switchboard_properties import BUSY, holds, quick, replays, weathers
from tests.fakes.town import Weather
from tests.fakes.town_supervised import SupervisedTown
from tests.fakes.verified import verified

pytestmark = pytest.mark.core


def supervised(seed: int, weather: Weather, hour_s: float = 240.0) -> SupervisedTown:
    """A busy time of orders and mishaps, then a calm one."""
    town = SupervisedTown(seed, weather)
    town.check = holds
    town.connect()
    town.beats()
    town.at(0.1, town.agents_begin)
    for _ in range(18):
        town.at(town.random.random() * hour_s, town.arrive)
    for _ in range(15):
        town.at(1 + town.random.random() * hour_s, town.somebody_does_something)
    for _ in range(120):
        town.at(1 + town.random.random() * hour_s, town.somebody_orders)
    for _ in range(weather.outages):
        town.at(town.random.random() * hour_s, town.outage)
    for _ in range(weather.restarts):
        town.at(town.random.random() * hour_s, town.restart)
    town.at(hour_s + 20, town.evening)
    town.run(hour_s + 20 + 900)
    return town


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_whatever_supervisors_order_nobody_is_forgotten(seed: int, weather: Weather) -> None:
    town = supervised(seed, weather)
    house = town.board.house
    replays(town)
    assert not town.calls, f"a caller was never served: {[one.context for one in town.calls.values()]}"
    assert not house.calls
    assert not len(house.line)
    assert not [agent for agent in house.roster.agents() if agent.state in BUSY]
    assert not house.supervision.spies, "somebody is thought to listen for ever"
    assert not house.supervision.skills
    assert not house.supervision.queues
    assert {agent.id: dict(house.roster.profile(agent.id).skills) for agent in house.roster.agents()} == {
        agent: dict(profile.skills) for agent, profile in town.plan.agents.items()
    }
    assert not [kept for kept in town.kept.values() if kept.skills or kept.change], "the store would bring it back"


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_every_order_is_answered_once_and_written_down(seed: int, weather: Weather) -> None:
    town = supervised(seed, weather)
    for journal in (*town.past, town.journal):
        for found, _, commands in journal:
            if not isinstance(found, get_args(SupervisorRequest)):
                continue
            replies = [one for one in commands if isinstance(one, order.Reply) and one.request == found.request]
            lines = [one.entry for one in commands if isinstance(one, Audit)]
            assert len(replies) == 1
            if isinstance(found, SpyEndAsked) and replies[0].ok:
                assert not lines, "its end is written when it has come"
                continue
            (line,) = lines
            assert (line.actor, line.outcome) == (found.by, replies[0].code or "ok")
            if found.by == UNION and not isinstance(found, SpyEndAsked):
                assert line.outcome == "not_allowed"
    assert not [one for one in town.trail if "138" in (one.zh + one.en).replace(f"{one.call}", "")]
    refused = [one for one in town.trail if one.outcome != "ok"]
    assert refused
    assert len(town.trail) > len(refused)


@quick
@given(seed=st.integers(0, 10**6))
def test_the_checker_finds_no_promise_broken_by_their_orders(seed: int) -> None:
    """Nobody is overtaken but by a named rule, nobody waits beside a free agent who fits, nobody is rung twice."""
    town = supervised(seed, Weather())
    report = verified(town.plan, town.journal)
    assert not report.broken(), report.findings
