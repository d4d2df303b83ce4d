"""Whole days of callers and agents through a model of the exchange: what must hold after every single step."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acd.skills import fits
from agents.moves import AgentState
from controller.codec import as_object, decode_event, encode_command, encode_event
from controller.switchboard import Switchboard
from pbx import events as event
from pbx.call import CallState
from pbx.callback import CallbackState
from pbx.events import Event
from tests.fakes.town import Town, Weather
from tests.fakes.town_busy import BusyTown, busy_day, wishful

pytestmark = pytest.mark.core

DAYS = int(os.environ.get("HOTLINE_DAYS", "40"))
BUSY = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.HOLDING)
quick = settings(  # a day cannot be shrunk: its chances come from one seed
    max_examples=DAYS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

weathers = st.builds(
    Weather,
    delay_s=st.sampled_from([0.001, 0.05, 0.5, 2.0]),
    doubled=st.sampled_from([0.0, 0.2]),
    started_lost=st.sampled_from([0.0, 0.2]),
    redirect_lost=st.sampled_from([0.0, 0.2]),
    answers=st.sampled_from([0.3, 0.8, 1.0]),
    short_talk=st.sampled_from([0.0, 0.3]),
    impatient=st.sampled_from([0.0, 0.5]),
    outages=st.sampled_from([0, 4]),
    restarts=st.sampled_from([0, 3]),
    outage_s=st.sampled_from([0.5, 15.0]),
).filter(lambda weather: weather.delay_s < 1 or not weather.started_lost)


def holds(town: Town, found: Event) -> None:
    """The invariants of the house."""
    house = town.board.house
    rung = [
        one.offer.agent for one in house.calls.values() if one.offer is not None and one.offer.agent in house.roster
    ]
    assert len(rung) == len(set(rung)) or not town.weather.clear, "an agent is rung for two callers"
    for live in house.calls.values():
        waits = live.state is CallState.WAITING
        assert waits == (live.call in house.line), f"{live.state} and the line disagree"
        assert live.offer is None or live.state is CallState.OFFERED, f"an offer in {live.state}"
        assert live.state is not CallState.ENDED
        assert live.state in (CallState.WAITING, CallState.OFFERED) or live.call not in house.unheld
        if live.state in (CallState.TALKING, CallState.SURVEY):
            assert live.record.joined_at is not None
        assert (live.state is CallState.HELD) == (live.holding is not None), f"on hold, and {live.state}"
        if live.holding is not None and not live.holding.leg_gone:
            holder = house.roster.get(live.holding.agent)
            assert (holder.state, holder.call) == (AgentState.HOLDING, live.call), "on hold without an agent"
    for entry in house.line.ordered():
        known = entry.call in house.calls or entry.call in house.callbacks
        assert known, "a caller who is gone stands in the line"
    if house.connected:
        assert not house.unheld, "a waiting caller was told nothing"
        for entry in house.line.ordered():
            for profile, agent in house.roster.ready_candidates():
                fitting = fits(profile.skills, entry.requirement) and agent.id not in entry.refused
                assert not fitting, "a free agent stands beside a caller who fits him"
    dialled = {request.call for request in house.callbacks.values() if request.call is not None}
    for agent in house.roster.agents():
        if agent.state in BUSY:
            assert agent.call is not None
        if agent.state is AgentState.RESERVED and agent.call not in house.calls and agent.call not in dialled:
            assert town.third_pending(agent.id), "an agent is kept for a caller who is gone"
    for request in house.callbacks.values():
        assert (request.id in house.line) <= (request.state is CallbackState.WAITING), "he is called, and waits"
    if isinstance(found, event.CallEnded) and found.call in town.records:
        record = town.records[found.call]
        assert record.ended_at is not None
        assert record.outcome is not None
        assert found.call not in house.line


def replays(town: Town) -> None:
    """The journal of this start gives the same commands again."""
    fresh = Switchboard(town.plan)
    for found, now, commands in town.journal:
        again = fresh.step(decode_event(as_object(encode_event(found))), now)
        assert [encode_command(one) for one in again] == [encode_command(one) for one in commands]


def day(seed: int, weather: Weather, hour_s: float = 240.0) -> Town:
    """A busy time with mishaps, then a calm one in which everybody must be served."""
    town = Town(seed, weather)
    town.check = holds
    town.connect()
    town.beats()
    town.at(0.1, town.agents_begin)
    for _ in range(18):
        town.at(town.random.random() * hour_s, town.arrive)
    for _ in range(25):
        town.at(1 + town.random.random() * hour_s, town.somebody_does_something)
    for _ in range(weather.outages):
        town.at(town.random.random() * hour_s, town.outage)
    for _ in range(weather.restarts):
        town.at(town.random.random() * hour_s, town.restart)
    town.at(hour_s + 20, town.evening)
    town.run(hour_s + 20 + 900)
    return town


@quick
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_whatever_happens_nobody_is_forgotten_and_nobody_is_kept(seed: int, weather: Weather) -> None:
    town = day(seed, weather)
    house = town.board.house
    replays(town)
    assert not town.calls, f"a caller was never served: {[one.context for one in town.calls.values()]}"
    assert not house.calls
    assert not len(house.line)
    assert not house.finishing
    stuck = [agent for agent in house.roster.agents() if agent.state in BUSY]
    assert not stuck, f"agents kept for nobody: {stuck}"
    for record in town.records.values():
        assert record.ended_at is not None
        assert record.outcome is not None
        assert all(offer.ended_at is not None for offer in record.offers), f"an offer without an end: {record}"
        assert record.released_at is not None or record.joined_at is None


@settings(quick, max_examples=DAYS // 2)
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_whatever_is_asked_for_everything_has_an_end(seed: int, weather: Weather) -> None:
    """Call-backs, voice messages, hold, consult, transfers, third parties and supervisors' orders, with mishaps."""
    town = BusyTown(seed, weather, wishful(), 8)
    town.check = holds
    busy_day(town)
    house = town.board.house
    replays(town)
    assert not town.calls, f"a caller was never served: {[one.context for one in town.calls.values()]}"
    assert not house.calls
    assert not len(house.line)
    assert not house.callbacks, "somebody waits for ever to be called"
    assert not house.placed
    assert not town.apart, "an agent waits on hold for nobody"
    assert not [agent for agent in house.roster.agents() if agent.state in BUSY]
    for record in town.records.values():
        assert record.ended_at is not None
        assert record.outcome is not None
        ends = [*record.offers, *record.holds, *((record.message,) if record.message is not None else ())]
        assert all(one.ended_at is not None for one in ends), f"something without an end: {record}"
        assert all(one.outcome != "asked" for one in record.transfers), f"a transfer without an end: {record}"
        assert record.released_at is not None or record.joined_at is None
    for request in town.requests.values():
        assert request.ended_at is not None
        assert all(attempt.ended_at is not None for attempt in request.attempts)
        assert len({attempt.call for attempt in request.attempts}) == len(request.attempts)


@quick
@given(seed=st.integers(0, 10**6))
def test_on_a_fair_day_every_patient_caller_is_answered_without_the_net(seed: int) -> None:
    town = day(seed, Weather(impatient=0.0, short_talk=0.0))
    assert {record.outcome.value for record in town.records.values() if record.outcome} == {"answered"}
    assert not [record for record in town.records.values() if record.in_net]
