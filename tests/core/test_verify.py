"""The checker: silent on good days, never on a bad one; each fault is found by the promise that it breaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from acd.callers import Listed, ListedAs
from acd.policy import LONGEST_IDLE
from acd.relax import RelaxStep, relaxed
from acd.skills import Requirement
from agents.roster import AgentProfile
from controller.plan import Plan
from controller.verify.checker import Checker, Place
from controller.verify.facts import facts_of
from controller.verify.report import INVARIANTS, RULES, STRICT, Report, Rule
from controller.verify.scene import Word
from pbx.events import CallsRestored
from pbx.ids import QueueId, SkillId
from tests.builders import A1, A2, A3, DEPARTMENT, ENGLISH, GENERAL, ONE, THREE, TWO, Hall, plan, row
from tests.fakes.faults import FAULTS, FirstAgentForAll, Oracle, pool
from tests.fakes.faults_wishes import WISHES
from tests.fakes.town import Town, Weather
from tests.fakes.town_busy import BusyTown, busy_day, wishful
from tests.fakes.verified import Written, read, verified, written

pytestmark = pytest.mark.core

DAYS = int(os.environ.get("HOTLINE_DAYS", "25"))
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


@settings(quick, max_examples=DAYS // 2)
@given(seed=st.integers(0, 10**6), weather=weathers)
def test_nothing_is_found_on_days_on_which_everything_is_asked_for(seed: int, weather: Weather) -> None:
    """Call-backs, voice messages, hold, consult, transfers, third parties and supervisors' orders, with mishaps."""
    found = report_of(busy_day(BusyTown(seed, weather, wishful(), 8)))
    assert not found.broken(), "\n".join(map(str, found.findings[:5]))
    assert found.offers


@pytest.mark.parametrize("name", WISHES)
def test_each_fault_in_what_is_asked_for_is_found(name: str) -> None:
    """Seeded into the real switchboard; found by the promise that it breaks; some show in every sixth day only."""
    put_in, promise = WISHES[name]
    seen: set[str] = set()
    for seed in range(20):
        with pytest.MonkeyPatch.context() as patch:
            put_in(patch)
            town = BusyTown(seed, FAIR, wishful(), 8)
            found = report_of(busy_day(town))
        seen |= {one for one, count in found.counts.items() if count}
        if promise in seen:
            return
    pytest.fail(f"{name} breaks {promise}, found was {sorted(seen) or 'nothing'}")


@pytest.mark.parametrize(("quiet_s", "broken"), [(0.019, 0), (0.025, 1)])
def test_a_burst_that_picks_one_agent_is_found_though_a_guard_stops_the_second_call(
    quiet_s: float, broken: int
) -> None:
    """OpenACD#5 where an agent refuses to be reserved twice: the second caller waits beside an idle agent until the
    next event; the bound is on both sides of it.
    """
    with pytest.MonkeyPatch.context() as patch:
        pool(FirstAgentForAll)(patch)
        hall = Hall()
        hall.ready(A1, A2)
        hall.lost_exchange()
        hall.connected(row(ONE), row(TWO))
        hall.later(quiet_s)
        hall.phone(DEPARTMENT, True)
    found = verified(hall.plan, hall.steps)
    assert found.broken() == found.counts["idle-while-waiting"] == broken
    assert found.longest_idle_s == pytest.approx(quiet_s, abs=1e-6)
    for finding in found.findings:
        assert (finding.invariant, finding.call, finding.agent) == ("idle-while-waiting", TWO, A2)
        assert (finding.seq, finding.line, finding.now) == (len(hall.steps) - 1, len(hall.steps) + 1, hall.now)


# ---------------------------------------------------------------- journals edited by hand


def offers_in(steps: Written) -> list[tuple[int, Word]]:
    """Where an offer was made, alone in its step, and to whom."""
    made = [(at, [one for one in commands if one["is"] == "Offer"]) for at, (_, _, commands) in enumerate(steps)]
    return [(at, found[0]) for at, found in made if len(found) == 1]


def without(steps: Written, at: int, word: str) -> None:
    event, now, commands = steps[at]
    steps[at] = (event, now, [one for one in commands if one["is"] != word])


def to_somebody_busy(steps: Written) -> None:
    """An offer goes to the agent who was just offered another call."""
    offers = offers_in(steps)
    for (before, first), (at, second) in pairwise(offers):
        between = [event for event, _, _ in steps[before + 1 : at + 1]]
        if first["agent"] != second["agent"] and not any(event.get("call") == first["call"] for event in between):
            for command in steps[at][2]:
                if command["is"] == "SaveCall" and command["record"]["call"] == second["call"]:
                    command["record"]["offers"][-1]["agent"] = first["agent"]
            second["agent"] = first["agent"]
            return
    pytest.fail("no such place")


def two_for_one(steps: Written) -> None:
    """A second agent is rung for the same caller in the same step."""
    at, first = offers_in(steps)[3]
    other = next(agent for agent in (A1, A2, A3) if agent != first["agent"])
    steps[at][2].append({**first, "agent": other, "step": first["step"] + 1})


def offer_left_out(steps: Written) -> None:
    """An offer was never made."""
    without(steps, offers_in(steps)[5][0], "Offer")


def end_left_out(steps: Written) -> None:
    """What is known of a call's end was not stored."""
    at = next(at for at, (event, _, _) in enumerate(steps) if event["is"] == "CallEnded" and steps[at][2])
    without(steps, at, "SaveCall")


def reason_wiped(steps: Written) -> None:
    """Somebody has wiped a reason out."""
    for command in steps[offers_in(steps)[2][0]][2]:
        if command["is"] == "SaveCall" and command["record"]["offers"]:
            command["record"]["offers"][-1]["reason"] = ""


def numbered_again(steps: Written) -> None:
    """Two commands of a call have the same number."""
    _, offer = next((at, offer) for at, offer in offers_in(steps) if offer["step"] > 1)
    offer["step"] -= 1


def moved_up(steps: Written) -> None:
    """A caller's place is earlier from some offer on, by no rule."""
    held = {one["call"]: at for at, (_, _, commands) in enumerate(steps) for one in commands if one["is"] == "Hold"}
    at, offer = next((at, offer) for at, offer in offers_in(steps) if held.get(offer["call"], at) < at)
    for _, _, commands in steps[at:]:
        for command in commands:
            if command["is"] == "SaveCall" and command["record"]["call"] == offer["call"]:
                command["record"]["queued_at"] -= 60


EDITS: dict[str, tuple[Callable[[Written], None], str]] = {
    "to-somebody-busy": (to_somebody_busy, "one-call-per-agent"),
    "two-for-one": (two_for_one, "one-agent-per-caller"),
    "offer-left-out": (offer_left_out, "idle-while-waiting"),
    "end-left-out": (end_left_out, "call-end"),
    "reason-wiped": (reason_wiped, "reason"),
    "numbered-again": (numbered_again, "step-order"),
    "moved-up": (moved_up, "place"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_journal_that_somebody_edited_is_found_out(name: str) -> None:
    edit, promise = EDITS[name]
    town = day(5, Weather(delay_s=0.05, answers=0.9, impatient=0.1), alike(), callers=60)
    steps = written(town.journal)
    assert not read(town.plan, steps).broken()
    edit(steps)
    found = read(town.plan, steps)
    assert found.counts[promise], dict(found.counts)
    first = next(one for one in found.findings if one.invariant == promise)
    assert first.expected
    assert "138000" not in str(first), "a finding names no caller's number"


def test_a_rule_that_raised_and_a_call_that_nobody_ended_are_found() -> None:
    hall = Hall()
    hall.talking()
    hall.later(13 * 3600)
    hall.phone(DEPARTMENT, True)
    checker = Checker(facts_of(hall.plan))
    checker.begin()
    for seq, (found, now, commands) in enumerate(written(hall.steps)):
        checker.take(Place("x", seq + 2, seq), now, found, commands, "KeyError" if seq == 1 else "")
    found = checker.finish()
    assert found.counts == {"rule-raised": 1, "call-end": 1}
    assert found.open == 1
    assert "13.0 hours" in found.findings[-1].found


def test_an_agent_who_is_kept_for_a_caller_who_is_gone_is_found() -> None:
    """His leg never ends: the exchange did not say so, or nobody listened."""
    hall = Hall()
    hall.talking()
    hall.hung_up()
    hall.later(130)
    hall.phone(DEPARTMENT, True)
    found = verified(hall.plan, hall.steps)
    assert found.counts == {"stuck-agent": 1}
    assert (found.findings[0].agent, found.findings[0].call) == (A1, ONE)


def test_a_call_that_the_next_controller_does_not_know_counts_only_when_it_is_asked_for() -> None:
    first, second = Hall(), Hall(connected=False)
    first.queued()
    second.later(60)
    second.step(CallsRestored((), second.now))
    second.connected()
    found = verified(first.plan, first.steps, second.steps)
    assert found.counts == {"lost-with-controller": 1}
    assert (found.broken(), found.broken(strict=True)) == (0, 1)
    known = Hall(connected=False)
    known.step(CallsRestored((first.saved(),), known.now))
    known.connected()
    found = verified(first.plan, first.steps, known.steps)
    assert not found.counts
    assert (found.calls, found.ended, found.open) == (1, 1, 0)


def test_overtaking_by_a_named_rule_is_counted_and_is_no_fault() -> None:
    hall = Hall(callers=rich().callers)
    hall.queued(ONE, caller="13800000009")
    hall.later(5)
    hall.queued(TWO, caller="13800000001")  # a VIP
    hall.queued(THREE, keys="9", caller="13800000008")
    hall.ready(A1)
    found = verified(hall.plan, hall.steps)
    assert not found.counts
    assert found.overtakings == {"priority": 1}
    hall = Hall()
    hall.queued(THREE, keys="9")
    hall.later(5)
    hall.queued(ONE)
    hall.ready(A2)
    assert verified(hall.plan, hall.steps).overtakings == {"skills": 1}


def test_the_promise_of_no_overtaking_names_every_rule_that_is_counted() -> None:
    chinese, english = INVARIANTS["overtaken"]
    assert len(RULES) == len(Rule) == 11
    for rule, name in RULES.items():
        assert rule.value in english
        assert name in chinese


def test_who_is_listed_and_comes_back_overtakes_by_having_been_there_before() -> None:
    """That he stands in the caller list gives him no place."""
    usual = rich()
    queues = {queue: replace(one, return_within_s=120.0) for queue, one in plan().queues.items()}
    hall = Hall(callers=usual.callers, queues=queues)
    hall.queued(ONE, caller="13800000001")
    hall.later(5)
    hall.queued(TWO, caller="13800000008")
    hall.later(1)
    hall.hung_up(ONE)
    hall.later(5)
    hall.queued(THREE, caller="13800000001")
    assert set(hall.saved(THREE).favours) >= {"returning"}
    hall.ready(A1)
    found = verified(hall.plan, hall.steps)
    assert not found.counts
    assert found.overtakings["returning"] == 1
    assert set(found.overtakings) <= set(Rule)


def test_every_promise_has_a_name_in_both_languages() -> None:
    assert all(chinese and english for chinese, english in INVARIANTS.values())
    assert set(INVARIANTS) >= STRICT
    assert {promise for _, promise in (*FAULTS.values(), *WISHES.values(), *EDITS.values())} <= set(INVARIANTS)
