"""How many agents each half-hour needs (排班需求): by Erlang C and A, with rest, shrinkage and a least number. Pure.

The formulas take all agents for alike and every queue for itself; what agents with several skills can do for each
other is told by simulation (`controller/staffing/simulated.py`). Times in seconds, shares between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metrics.erlang import agents_for, on_the_roster, with_abandons, without_abandons


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: `target` of all calls offered are answered within `within_s`, agents are busy for
    `most_busy` of their time at most, `least` agents are there at any time, and of those on the roster the share
    `shrinkage` is not. Raises ValueError for a number that can be none of these.
    """

    target: float = 0.95
    within_s: float = 15.0
    most_busy: float = 0.85
    shrinkage: float = 0.15
    least: int = 1

    def __post_init__(self) -> None:
        """Refuse what nobody can reach."""
        if not 0 < self.target < 1:
            raise ValueError(f"target {self.target:g} is not between 0 and 1")
        if not (math.isfinite(self.within_s) and self.within_s >= 0):
            raise ValueError(f"within_s must not be negative, not {self.within_s:g}")
        if not 0 < self.most_busy <= 1:
            raise ValueError(f"an occupancy of at most {self.most_busy:g} is not above 0 and at most 1")
        if not 0 <= self.shrinkage < 1:
            raise ValueError(f"a shrinkage of {self.shrinkage:g} is not from 0 to below 1")
        if self.least < 0:
            raise ValueError("least must not be negative")


@dataclass(frozen=True, slots=True)
class Handling:
    """How long a queue's calls keep an agent: `talk_s` with its spread `talk_cv` (standard deviation / mean),
    after-call work, and the seconds until the phone is picked up; how patient callers are, and which share of offers
    is not answered. `measured`: so many talks it rests on, 0 = the configuration's figures.
    """

    talk_s: float
    talk_cv: float
    wrap_up_s: float
    pick_up_s: float
    patience_s: float
    no_answer: float
    measured: int

    @property
    def whole_s(self) -> float:
        """What one call takes of an agent's time."""
        return self.pick_up_s + self.talk_s + self.wrap_up_s


@dataclass(frozen=True, slots=True)
class Need:
    """What `calls` in a slot need: agents at the telephone by Erlang C and by Erlang A, both with the occupancy kept;
    `seats` is the former with the least number; `roster`, with those who are not there; `in_time` and `busy` are what
    Erlang C then promises (None where there are no calls).
    """

    calls: float
    erlangs: float
    erlang_c: int
    erlang_a: int
    seats: int
    roster: int
    in_time: float | None
    busy: float | None


def need(calls: float, handling: Handling, goal: Goal, slot_s: float = 1800.0) -> Need:
    """What a slot needs. No calls need the least number; ValueError for a negative number."""
    if calls < 0 or not math.isfinite(calls):
        raise ValueError(f"calls must not be negative, not {calls:g}")
    rate = calls / slot_s
    if calls < 1e-6:
        return Need(calls, 0.0, 0, 0, goal.least, on_the_roster(goal.least, goal.shrinkage), None, None)
    common = (rate, handling.whole_s, goal.target, goal.within_s)
    by_c = agents_for(*common, most_busy=goal.most_busy)
    by_a = agents_for(*common, patience_s=handling.patience_s, most_busy=goal.most_busy)
    seats = max(by_c, goal.least)
    found = without_abandons(rate, handling.whole_s, seats, goal.within_s)
    roster = on_the_roster(seats, goal.shrinkage)
    return Need(calls, rate * handling.whole_s, by_c, by_a, seats, roster, found.in_time, found.occupancy)


def reached(calls: float, agents: int, handling: Handling, goal: Goal, slot_s: float = 1800.0) -> float | None:
    """Which share of the callers so many agents answer in time, by Erlang A: also of too few. None without calls."""
    if calls < 1e-6:
        return None
    if agents < 1:
        return 0.0
    return with_abandons(calls / slot_s, handling.whole_s, handling.patience_s, agents, goal.within_s).in_time


def together(calls: Sequence[float], handlings: Sequence[Handling]) -> Handling:
    """The handling of several queues' calls as one: means weighted by their calls, and what they spread together.

    Without any calls that of the first. ValueError for none.
    """
    if not handlings:
        raise ValueError("no queues")
    whole = math.fsum(calls)
    weights = [one / whole for one in calls] if whole > 0 else [1.0] + [0.0] * (len(handlings) - 1)

    def mean(name: str) -> float:
        return math.fsum(weight * getattr(one, name) for weight, one in zip(weights, handlings, strict=True))

    talk = mean("talk_s")
    square = math.fsum(
        weight * one.talk_s**2 * (1 + one.talk_cv**2) for weight, one in zip(weights, handlings, strict=True)
    )
    return Handling(
        talk,
        math.sqrt(max(0.0, square / talk**2 - 1)),
        mean("wrap_up_s"),
        mean("pick_up_s"),
        mean("patience_s"),
        mean("no_answer"),
        sum(one.measured for one in handlings),
    )
