"""The expected wait: exact where theory has the answer, honest in its rounding, and never raised silently."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.estimate import Busy, Cause, Patience, Scene, Talks, announce, quantiles, rounded, shared
from pbx.call import Estimate, Interval

pytestmark = pytest.mark.core

AGENT = Busy(174.0)
EMPTY = Scene(0, (), 174.0)


def scene(ahead: float = 0, count: int = 1, **more: object) -> Scene:
    return replace(Scene(ahead, (AGENT,) * count, 174.0, samples=200), **more)  # type: ignore[arg-type]


def test_the_median_is_that_of_exponential_agents() -> None:
    """The (k+1)-th departure of n exponential servers is Erlang(k+1, n/mean): its median is about k + 2/3 stages."""
    for ahead, agents in ((0, 1), (4, 1), (9, 10), (30, 5)):
        found = quantiles(scene(ahead, agents))
        assert found is not None
        assert found[1] == pytest.approx((ahead + 0.67) * 174 / agents, rel=0.1)


def test_the_ends_hold_four_of_five_waits_of_exponential_agents() -> None:
    dice = random.Random(7)
    for ahead, agents in ((1, 1), (5, 3), (20, 10)):
        found = quantiles(scene(ahead, agents))
        assert found is not None
        waits = [sum(dice.expovariate(agents / 174) for _ in range(ahead + 1)) for _ in range(4000)]
        inside = sum(found[0] <= wait <= found[2] for wait in waits) / len(waits)
        assert 0.8 <= inside <= 0.93


def test_agents_in_wrap_up_are_free_when_their_time_is_over() -> None:
    found = quantiles(Scene(0, (Busy(20.0, sure=True),), 174.0, spread=0.2, samples=200))
    assert found is not None
    assert found[1] >= 20.0
    assert found[1] == pytest.approx(20.0, abs=1.0)


def test_nobody_there_means_that_nobody_can_say() -> None:
    assert quantiles(EMPTY) is None
    assert announce(EMPTY, None, 0.0).interval == Interval(0, None)


def test_those_ahead_who_give_up_shorten_the_wait() -> None:
    patient, hasty = quantiles(scene(20, 5)), quantiles(scene(20, 5, gives_up=1 / 300))
    assert patient is not None
    assert hasty is not None
    # k' = -s - g k with s = 5/174, g = 1/300: k(t) = 0 at t = ln(1 + 20 g/s) / g
    expected = math.log(1 + 20 / 300 / (5 / 174)) * 300 + 174 / 5
    assert hasty[1] == pytest.approx(expected, rel=0.06)
    assert hasty[1] < patient[1]


@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.floats(0, 900), st.booleans()), min_size=1, max_size=8),
    st.floats(0, 0.02),
    st.floats(0.05, 1),
)
def test_an_interval_is_in_order_whatever_the_scene(
    ahead: int, agents: list[tuple[float, bool]], gives_up: float, spread: float
) -> None:
    now = Scene(ahead, tuple(Busy(*one) for one in agents), 174.0, spread, 50, gives_up)
    found = quantiles(now)
    assert found is not None
    assert 0 <= found[0] <= found[1] <= found[2]


@given(st.floats(0, 7200), st.floats(0, 7200))
def test_what_is_said_holds_what_was_found(one: float, other: float) -> None:
    low, high = sorted((one, other))
    said = rounded(low, high)
    assert said.high is not None
    assert said.low * 60 <= low
    assert high <= max(said.high, 1) * 60
    assert said.low <= said.high


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(5, 59, (0, 0)), (30, 100, (0, 2)), (185, 290, (3, 5)), (60, 61, (1, 2)), (700, 1300, (10, 25))],
)
def test_minutes_as_they_are_spoken(low: float, high: float, said: tuple[int, int]) -> None:
    assert rounded(low, high) == Interval(*said)


# ---------------------------------------------------------------- never raised silently


def told(now: Scene) -> Estimate:
    return announce(now, None, 0.0)


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (scene(10, 3), Cause.FEWER_AGENTS),
        (scene(20, 5), Cause.PRIORITY),
        (scene(10, 5, talk_s=300.0, cycle_s=324.0, agents=(Busy(324.0),) * 5), Cause.LONGER_TALKS),
        (scene(10, 5, agents=(Busy(1500.0),) * 5), Cause.SLOWER),
        (scene(10, 5, agents=(Busy(190.0),) * 5), Cause.NONE),
    ],
)
def test_a_rise_has_its_cause_or_does_not_happen(after: Scene, cause: Cause) -> None:
    before = told(scene(10, 5))
    said = announce(after, before, 45.0)
    assert said.cause == cause.value
    assert before.interval.high is not None
    assert said.interval.high is not None
    assert (said.interval.high > before.interval.high) == (cause is not Cause.NONE)


def test_a_cause_that_was_absorbed_at_first_is_not_forgotten() -> None:
    first = told(scene(10, 5))
    absorbed = announce(scene(8, 4), first, 45.0)  # one agent fewer, but two callers as well
    assert absorbed.cause == ""
    later = announce(scene(8, 4, agents=(Busy(600.0),) * 4), absorbed, 90.0)
    assert later.cause == Cause.FEWER_AGENTS.value


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.floats(1, 2000)), min_size=2, max_size=12))
def test_whatever_happens_no_wait_rises_without_a_word(states: list[tuple[int, int, float]]) -> None:
    before: Estimate | None = None
    for at, (ahead, agents, seconds) in enumerate(states):
        said = announce(scene(ahead, agents, agents=(Busy(seconds),) * agents), before, float(at))
        assert said.interval.high is not None
        if before is not None and before.interval.high is not None and not said.cause:
            assert said.interval.high <= before.interval.high
        assert said.interval.low <= said.interval.high
        before = said


# ---------------------------------------------------------------- what has been seen


def test_talks_follow_what_is_measured_and_start_from_what_is_expected() -> None:
    talks = Talks(150.0)
    assert talks.mean_s == pytest.approx(150.0)
    for _ in range(20):
        talks.add(300.0)
    assert talks.mean_s == pytest.approx(300.0)
    assert talks.samples == 20
    for _ in range(400):
        talks.add(60.0)
    assert talks.mean_s == pytest.approx(60.0)
    assert talks.samples == 200
    assert talks.spread == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(-5, 4000), max_size=450))
def test_the_running_figures_are_those_of_the_kept_talks(lengths: list[float]) -> None:
    talks = Talks(150.0)
    for length in lengths:
        talks.add(length)
    if len(lengths) >= 20:
        kept = [max(length, 0.0) for length in lengths[-200:]]
        assert talks.mean_s == pytest.approx(max(sum(kept) / len(kept), 1.0), abs=1e-3)
        assert talks.samples == len(kept)


def test_what_remains_of_a_talk_follows_from_its_age() -> None:
    talks = Talks(100.0)
    for length in [60.0] * 100 + [600.0] * 100:
        talks.add(length)
    assert talks.remaining(0.0) == pytest.approx(330.0)
    assert talks.remaining(100.0) == pytest.approx(500.0)  # the short ones are over
    assert talks.remaining(900.0) == pytest.approx(450.0)  # longer than any that was seen


def test_patience_is_hang_ups_by_seconds_of_waiting() -> None:
    patience = Patience(900.0)
    assert patience.rate == pytest.approx(1 / 900)
    for number in range(2000):
        patience.add(60.0, gave_up=number % 6 == 0)
    assert patience.rate == pytest.approx(1 / 360, rel=0.1)


@pytest.mark.parametrize("make", [lambda: Talks(0.0), lambda: Patience(0.0)])
def test_nonsense_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="cannot be expected"):
        make()  # type: ignore[operator]


def test_callers_of_other_queues_count_by_the_share_of_their_agents() -> None:
    assert shared([(4, 4), (4, 1), (0, 0)]) == pytest.approx(1.25)
