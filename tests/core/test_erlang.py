"""The queueing formulas: published values, limits, and birth-death chains solved without them."""

from __future__ import annotations

import math

import pytest

from metrics.erlang import agents_for, erlang_b, erlang_c, with_abandons, without_abandons

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
