"""The queueing formulas: published values, limits, and birth-death chains solved without them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from metrics.erlang import agents_for, erlang_b, erlang_c, on_the_roster, with_abandons, without_abandons

pytestmark = pytest.mark.core


def chain(rate: float, handling_s: float, patience_s: float, agents: int) -> tuple[float, float, float]:
    """Waited, abandoned and occupancy from the stationary state of the birth-death chain, by plain summation."""
    weights = [1.0]
    while len(weights) < 5000:
        k = len(weights)
        weights.append(weights[-1] * rate / (min(k, agents) / handling_s + max(k - agents, 0) / patience_s))
    total = math.fsum(weights)
    waited = math.fsum(weights[agents:]) / total
    left = math.fsum(max(k - agents, 0) * weight for k, weight in enumerate(weights)) / patience_s / total / rate
    busy = math.fsum(min(k, agents) * weight for k, weight in enumerate(weights)) / total / agents
    return waited, left, busy


def test_published_values() -> None:
    """Erlang B of 10 erlangs and 15 lines and Erlang C of 20 erlangs and 25 agents, as printed tables have them."""
    assert erlang_b(10, 15) == pytest.approx(0.0365, abs=5e-5)
    assert erlang_c(20, 25) == pytest.approx(0.209, abs=5e-4)


def test_one_server_has_a_closed_form() -> None:
    assert erlang_c(0.8, 1) == pytest.approx(0.8)
    found = without_abandons(0.8 / 100, 100, 1, threshold_s=50)
    assert found.mean_wait_s == pytest.approx(0.8 / (1 - 0.8) * 100)
    assert found.in_time == pytest.approx(1 - 0.8 * math.exp(-(1 - 0.8) * 50 / 100))


@pytest.mark.parametrize(("rate", "handling_s", "patience_s", "agents"), [
    (0.25, 220, 120, 55), (0.25, 220, 30, 50), (0.02, 180, 600, 3), (1.0, 220, 120, 215), (0.5, 100, 60, 20),
])  # fmt: skip
def test_erlang_a_agrees_with_the_chain(rate: float, handling_s: float, patience_s: float, agents: int) -> None:
    waited, left, busy = chain(rate, handling_s, patience_s, agents)
    found = with_abandons(rate, handling_s, patience_s, agents)
    assert found.waited == pytest.approx(waited, rel=1e-9)
    assert found.abandoned == pytest.approx(left, rel=1e-9)
    assert found.occupancy == pytest.approx(busy, rel=1e-9)


def test_erlang_a_in_time_agrees_with_integration() -> None:
    """P(answered within t) over the states, each by integrating the density of its own wait numerically."""
    rate, handling_s, patience_s, agents, t = 0.05, 100.0, 80.0, 5, 15.0
    weights = [1.0]
    for k in range(1, 80):
        weights.append(weights[-1] * rate / (min(k, agents) / handling_s + max(k - agents, 0) / patience_s))
    total = sum(weights)
    found = sum(weights[:agents]) / total
    steps = 3000
    for ahead in range(60):
        stages = [agents / handling_s + j / patience_s for j in range(ahead, -1, -1)]
        state = [1.0] + [0.0] * ahead  # in which stage of the line he is, while patient
        reached = 0.0
        for _ in range(steps):
            dt = t / steps
            flow = [one * (1 - math.exp(-rate_of * dt)) for one, rate_of in zip(state, stages, strict=True)]
            alive = math.exp(-dt / patience_s)
            reached += flow[-1] * math.exp(-dt / 2 / patience_s)
            state = [
                (one - out + (flow[i - 1] if i else 0.0)) * alive
                for i, (one, out) in enumerate(zip(state, flow, strict=True))
            ]
        found += weights[agents + ahead] / total * reached
    assert with_abandons(rate, handling_s, patience_s, agents, t).in_time == pytest.approx(found, abs=2e-4)


def test_endless_patience_is_erlang_c() -> None:
    patient, endless = with_abandons(0.25, 220, 1e9, 60), without_abandons(0.25, 220, 60)
    assert patient.in_time == pytest.approx(endless.in_time, abs=1e-6)
    assert patient.mean_wait_s == pytest.approx(endless.mean_wait_s, rel=1e-5)
    assert patient.abandoned < 1e-6


def test_the_fewest_agents_are_the_fewest() -> None:
    """The busy hour of a province and of a city (`performance.md` 2d: 1,019 and 67)."""
    assert agents_for(16229 / 3600, 220) == 1019
    assert agents_for(903 / 3600, 220) == 67
    assert without_abandons(903 / 3600, 220, 66).in_time < 0.95


def test_what_has_no_settled_state_is_refused() -> None:
    with pytest.raises(ValueError, match="grow for ever"):
        erlang_c(10, 10)
    with pytest.raises(ValueError, match="above 0"):
        with_abandons(1, 0, 10, 5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        agents_for(1, 10, target=1)
    with pytest.raises(ValueError, match="negative"):
        erlang_b(-1, 5)


def exactly(load: Fraction, agents: int) -> tuple[Fraction, Fraction]:
    """Erlang B and C by their defining sums, load**k / k!, in fractions: no rounding, no recursion over B."""
    term = total = Fraction(1)
    for k in range(1, agents + 1):
        term = term * load / k
        total += term
    queued = term / (1 - load / agents)
    return term / total, queued / (total - term + queued)


@pytest.mark.parametrize(("load", "agents"), [(3, 5), (Fraction(9, 2), 5), (40, 50), (180, 200), (1960, 2000)])
def test_b_and_c_are_exact_from_5_to_2000_agents(load: Fraction, agents: int) -> None:
    blocked, waited = exactly(Fraction(load), agents)
    assert erlang_b(float(load), agents) == pytest.approx(float(blocked), rel=1e-10)
    assert erlang_c(float(load), agents) == pytest.approx(float(waited), rel=1e-10)


def in_time_by_its_equations(rate: float, handling_s: float, patience_s: float, agents: int, t: float) -> float:
    """P(answered within t), Erlang A, by Kolmogorov's backward equations of a caller with m before him, Runge-Kutta.

    f_m' = (agents/handling + m/patience) (f_m-1 - f_m) - f_m/patience: one before him is served, or gives up; he does.
    """
    longest = 3 * int(rate * 4 * t + 50)
    weights = [0.0]  # logarithms
    for k in range(1, agents + longest):
        weights.append(weights[-1] + math.log(rate / (min(k, agents) / handling_s + max(k - agents, 0) / patience_s)))
    state = np.exp(np.array(weights) - max(weights))
    state /= state.sum()
    ahead = np.arange(longest)
    moves = agents / handling_s + ahead / patience_s

    def slope(f: np.ndarray) -> np.ndarray:
        return moves * (np.concatenate(([1.0], f[:-1])) - f) - f / patience_s

    f, steps = np.zeros(longest), max(200, int(t * moves.max() * 2))
    h = t / steps
    for _ in range(steps):
        a = slope(f)
        b = slope(f + h / 2 * a)
        c = slope(f + h / 2 * b)
        f = f + h / 6 * (a + 2 * b + 2 * c + slope(f + h * c))
    return float(state[:agents].sum() + (state[agents:] * f).sum())


@pytest.mark.parametrize(("rate", "handling_s", "patience_s", "agents", "t"), [
    (0.03, 180, 120, 5, 15), (0.25, 220, 120, 55, 15), (4.5, 220, 120, 960, 15), (9.0, 220, 60, 2000, 15),
    (9.5, 220, 300, 2000, 20), (20, 100, 20, 2000, 5), (25, 100, 30, 2000, 5),
])  # fmt: skip
def test_erlang_a_in_time_from_5_to_2000_agents(
    rate: float, handling_s: float, patience_s: float, agents: int, t: float
) -> None:
    wanted = in_time_by_its_equations(rate, handling_s, patience_s, agents, t)
    assert with_abandons(rate, handling_s, patience_s, agents, t).in_time == pytest.approx(wanted, abs=5e-6)


def test_what_is_too_small_and_too_large_for_a_number_is_said_all_the_same() -> None:
    assert with_abandons(0.01, 100, 100, 2000).in_time == 1.0
    flooded = with_abandons(10, 220, 120, 5)  # 2,200 erlangs for five agents: hardly anybody is answered
    assert flooded.abandoned == pytest.approx(1 - 5 / 220 / 10, abs=1e-6)
    assert flooded.occupancy == pytest.approx(1)
    many = with_abandons(100, 20, 20, 2000)  # short talks: the terms of the beta function begin below any number
    assert many.in_time == pytest.approx(1 - many.abandoned, abs=1e-9)


def test_agents_who_give_way_to_patience_and_to_rest() -> None:
    """`performance.md` 2d: 64 by Erlang A where C asks for 67; 85 % of their time is what people bear."""
    assert agents_for(903 / 3600, 220, patience_s=120) == 64
    rate = 16229 / 3600
    assert agents_for(rate, 220, most_busy=0.85) == math.ceil(rate * 220 / 0.85) == 1167
    assert with_abandons(903 / 3600, 220, 120, 63).in_time < 0.95


def test_how_many_are_on_the_roster() -> None:
    assert on_the_roster(85, 0.15) == 100
    assert on_the_roster(86, 0.15) == 102
    assert on_the_roster(0, 0.3) == 0


@pytest.mark.parametrize(("ask", "said"), [
    (lambda: agents_for(0, 220), "calls_per_s must be above 0"),
    (lambda: agents_for(1, -5), "handling_s must be above 0"),
    (lambda: agents_for(1, 10, target=1.01), "target 1.01 is not between 0 and 1"),
    (lambda: agents_for(1, 10, most_busy=0), "occupancy"),
    (lambda: agents_for(math.nan, 10), "calls_per_s must be above 0"),
    (lambda: without_abandons(1, 10, 20, -1), "threshold_s must not be negative"),
    (lambda: with_abandons(1, 10, 20, 0), "agents must be above 0"),
    (lambda: on_the_roster(5, 1), "shrinkage of 1"),
    (lambda: on_the_roster(-5, 0.1), "negative"),
    (lambda: erlang_c(-1, 5), "negative"),
])  # fmt: skip
def test_bad_numbers_are_refused_by_name(ask: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ask()


PYWORKFORCE_0_5_1 = (
    ((60, 180, 5), 0.236152, 0.800102, 0.6, 7),
    ((300, 210, 24), 0.099617, 0.937382, 0.729167, 25),
    ((300, 210, 25), 0.063568, 0.962797, 0.7, 25),
    ((903, 220, 67), 0.083077, 0.962883, 0.823632, 67),
    ((1200, 210, 82), 0.110591, 0.953068, 0.853659, 82),
    ((5000, 210, 311), 0.183529, 0.953872, 0.937835, 311),
    ((16229, 220, 1019), 0.286961, 0.955169, 0.97328, 1019),
    ((16229, 220, 1030), 0.1547, 0.988584, 0.962886, 1019),
    ((31500, 220, 2000), 0.055621, 0.999665, 0.9625, 1955),
    ((395, 220, 33), 0.059449, 0.967509, 0.731481, 33),
)
"""What pyworkforce 0.5.1 says (its `ErlangC`, run once; it needs OR-tools and pandas, so it is no part of the tests):
calls an hour, handling time and agents; who waits, the share within 15 s, occupancy, and how many 95 % needs."""


@pytest.mark.parametrize(("given", "waited", "in_time", "busy", "needed"), PYWORKFORCE_0_5_1)
def test_erlang_c_agrees_with_pyworkforce(
    given: tuple[int, int, int], waited: float, in_time: float, busy: float, needed: int
) -> None:
    calls, handling_s, agents = given
    found = without_abandons(calls / 3600, handling_s, agents)
    assert found.waited == pytest.approx(waited, abs=5e-5)
    assert found.in_time == pytest.approx(in_time, abs=5e-5)
    assert found.occupancy == pytest.approx(busy, abs=5e-5)
    assert agents_for(calls / 3600, handling_s) == needed
