"""How often the announced wait holds, measured over simulated days: at least four times of five at every load.

The days share no code with the estimate but `announce` itself (`tests/fakes/queue_day.py`). With ``-s`` the figures are
printed; `docs/waiting.md` has them over more seeds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.queue_day import Day, Told, coverage, run, silent_rises

pytestmark = pytest.mark.core

CYCLE_S = 174.0


def exponential(mean: float) -> Callable[[random.Random], float]:
    return lambda dice: dice.expovariate(1 / mean)


def lognormal(mean: float, spread: float) -> Callable[[random.Random], float]:
    variance = math.log(1 + spread * spread)
    return lambda dice: dice.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))


def day(agents: int, load: float, talk: Callable[[random.Random], float], **more: object) -> Day:
    return Day(agents, load * agents / CYCLE_S, talk, lasts_s=2 * 3600.0, **more)  # type: ignore[arg-type]


TALK = lognormal(150.0, 0.8)
DAYS = {
    "two agents, 90 %": day(2, 0.9, exponential(150.0)),
    "ten agents, 95 %": day(10, 0.95, TALK),
    "ten agents, overload 130 %": day(10, 1.3, TALK),
    "thirty agents, overload 120 %": replace(day(30, 1.2, TALK), lasts_s=3600.0),
    "four of ten sign out, and come back": day(
        10, 1.0, TALK, leave_at=(2000.0, 2300.0, 2600.0, 3000.0), come_at=(5000.0, 5100.0, 5200.0, 5300.0)
    ),
    "talks twice as long as configured": replace(day(10, 0.55, lognormal(300.0, 0.8)), expected_talk_s=150.0),
    "talks of one length": day(5, 1.1, lambda dice: 150.0),
}


@pytest.mark.parametrize("name", DAYS)
def test_what_callers_are_told_holds(name: str) -> None:
    told: list[Told] = [one for seed in (1, 2) for one in run(replace(DAYS[name], seed=seed))]
    widths = [one.said.interval.high - one.said.interval.low for one in told if one.said.interval.high is not None]
    held = coverage(told)
    print(f"{name}: {held:.1%} of {len(told)} held, {sum(widths) / max(len(widths), 1):.1f} min wide")
    assert len(told) > 50
    assert held >= 0.8
    assert sum(widths) / len(widths) <= 7.0, "an interval that holds everything says nothing"
    assert silent_rises(told) == 0
