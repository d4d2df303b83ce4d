"""The checker: silent on good days, never on a bad one; each fault is found by the promise that it breaks."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acd.callers import Listed, ListedAs
from acd.policy import LONGEST_IDLE
from acd.relax import RelaxStep, relaxed
from acd.skills import Requirement
from agents.roster import AgentProfile
from controller.plan import Plan
from controller.verify.report import Report
from pbx.ids import QueueId, SkillId
from tests.builders import A1, A2, A3, ENGLISH, GENERAL, plan
from tests.fakes.faults import FAULTS, Oracle, pool
from tests.fakes.town import Town, Weather
from tests.fakes.verified import verified

pytestmark = pytest.mark.core

DAYS = int(os.environ.get("HOTLINE_DAYS", "40"))
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
    delay_s=st.sampled_from([0.001, 0.05, 0.5]),
    doubled=st.sampled_from([0.0, 0.2]),
    started_lost=st.sampled_from([0.0, 0.2]),
    redirect_lost=st.sampled_from([0.0, 0.2]),
    answers=st.sampled_from([0.3, 0.8, 1.0]),
    short_talk=st.sampled_from([0.0, 0.3]),
    impatient=st.sampled_from([0.0, 0.5]),
    outages=st.sampled_from([0, 4]),
    restarts=st.sampled_from([0, 3]),
    outage_s=st.sampled_from([0.5, 15.0]),
)

FAIR = Weather(delay_s=0.05, answers=0.6, impatient=0.2, outages=4, outage_s=5.0)


def rich() -> Plan:
    """Desks that age differently, one with another policy; steps that lower a level and borrow with a quota;
    returning callers, last agents, and two numbers of the caller list.
    """
    usual = plan()
    english = usual.queues[ENGLISH]
    lower = relaxed(english.requirement, levels=[(SkillId("english"), 2)])
    lent = relaxed(lower, join=[Requirement(((SkillId("general"), 2),))], keep=1)
    queues = dict(usual.queues)
    queues[ENGLISH] = replace(english, ageing_s=20.0, relax=(RelaxStep(6.0, lower), RelaxStep(12.0, lent)))
    queues[GENERAL] = replace(queues[GENERAL], last_agent_within_s=120.0, last_agent_wait_s=8.0)
    approvals = QueueId("approvals")
    queues[approvals] = replace(queues[approvals], policy=LONGEST_IDLE, ageing_s=0.0)
    agents = dict(usual.agents)
    agents[A2] = AgentProfile(A2, "Two", {SkillId("general"): 3, SkillId("english"): 2})
    listed = (
        Listed("13800000001", ListedAs.VIP, 4e9),
        Listed("13800000002", ListedAs.EMERGENCY_UNIT, 4e9),
    )
    return replace(usual, queues=queues, agents=agents, callers=listed)


def alike() -> Plan:
    """Three agents with the same skills beside one who speaks English."""
    usual = plan()
    general = {SkillId("general"): 3}
    agents = {
        A1: AgentProfile(A1, "One", {**general, SkillId("english"): 5}),
        A2: AgentProfile(A2, "Two", general),
        A3: AgentProfile(A3, "Three", general),
    }
    return replace(usual, agents=agents, callers=rich().callers)


def day(seed: int, weather: Weather, hotline: Plan, *, hour_s: float = 240.0, callers: int = 24) -> Town:
    """A busy time with mishaps, then a calm evening."""
    town = Town(seed, weather, hotline, citizens=8)
    town.connect()
    town.beats()
    town.at(0.1, town.agents_begin)
    for _ in range(callers):
        town.at(town.random.random() * hour_s, town.arrive)
    for _ in range(12):
        town.at(1 + town.random.random() * hour_s, town.somebody_does_something)
    for _ in range(weather.outages):
        town.at(town.random.random() * hour_s, town.outage)
    for _ in range(weather.restarts):
        town.at(town.random.random() * hour_s, town.restart)
    town.at(hour_s + 20, town.evening)
    town.run(hour_s + 20 + 400)
    return town


def report_of(town: Town) -> Report:
    return verified(town.plan, *town.past, town.journal)


@quick
@given(seed=st.integers(0, 10**6), weather=weathers, hotline=st.sampled_from([plan, rich, alike]))
def test_nothing_is_found_on_days_that_kept_every_promise(seed: int, weather: Weather, hotline: object) -> None:
    assert callable(hotline)
    found = report_of(day(seed, weather, hotline()))
    assert not found.broken(), "\n".join(map(str, found.findings[:5]))
    assert found.offers
    assert found.starts >= 1
    assert found.longest_idle_s <= 0.020


@quick
@given(seed=st.integers(0, 10**6))
def test_a_pool_that_looks_at_everybody_is_found_as_good(seed: int) -> None:
    """The faults below are small changes of this pool: without a change it breaks nothing."""
    with pytest.MonkeyPatch.context() as patch:
        pool(Oracle)(patch)
        found = report_of(day(seed, FAIR, rich()))
    assert not found.broken(), "\n".join(map(str, found.findings[:5]))


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_that_peers_have_had_is_found(name: str) -> None:
    """Seeded into the real switchboard; found by the promise that it breaks, within a few days."""
    put_in, promise = FAULTS[name]
    seen: set[str] = set()
    for seed in range(8):
        with pytest.MonkeyPatch.context() as patch:
            put_in(patch)
            found = report_of(day(seed, FAIR, alike()))
        seen |= {one for one, count in found.counts.items() if count}
        if promise in seen:
            return
    pytest.fail(f"{name} breaks {promise}, found was {sorted(seen) or 'nothing'}")


def test_a_burst_that_picks_the_same_first_agent_is_found_though_a_guard_stops_the_second_call() -> None:
    """OpenACD#5 where the agent refuses to be reserved twice: the second caller waits beside an idle agent."""
    with pytest.MonkeyPatch.context() as patch:
        pool(FirstAgentForAll)(patch)
        hall = Hall()
        hall.ready(A1, A2)
        hall.lost_exchange()
        hall.connected(row(ONE), row(TWO))
        hall.later(0.019)
        hall.phone(AgentId("1009"), True)
        assert not verified(hall.plan, hall.steps).broken(), "within the bound"
        hall.later(0.019)
        hall.phone(AgentId("1009"), True)
    (finding,) = verified(hall.plan, hall.steps[:-2], [*hall.steps[-2:]]).findings or [None]
    assert finding is None
