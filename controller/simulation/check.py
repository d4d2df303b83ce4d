"""The simulation checked against queueing theory, where theory has an answer: Erlang C and Erlang A.

The formulas of `metrics/erlang.py` hold for one line of callers at a constant rate, exponential talks without anything
around them, agents who are all alike and always there, and a patience that is exponential or endless. A figure agrees
when the formula's value lies within the interval that the runs give, at `SURE`: of a right simulation one figure in a
thousand is refused, so the fixed seeds of `--check` pass, and an error of a few standard errors is seen.

An interval that is wide agrees with anything. So days are added until every figure's is narrow (`width`), and a figure
whose interval is still wide when the bound is reached is undecided: it proves nothing, and the check does not pass. How
many days it takes depends on the width alone and not on what the formula says, so the intervals stay what they are (a
fixed-width sequential estimate; Y. S. Chow and H. Robbins, Annals of Mathematical Statistics 36, 1965).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from controller.simulation.figures import ALL, Estimate, student
from controller.simulation.plan import SimulationPlan
from metrics.erlang import Settled, with_abandons, without_abandons
from metrics.servicelevel import HEADLINE

Simulated = Mapping[str, Mapping[str, Estimate]]
"""The figures of the days so far, by queue and name."""

SURE = 0.999
"""Confidence at which a figure is refused; the interval shown beside other figures is narrower."""


SHARE_OF_FIGURE = 0.15
"""An interval is narrow when half of it is at most this share of the formula's value, ..."""

LEAST_S = 1.0
"""... or this, for a time in seconds: a wait of 2 s need not be told to 0.3 s, ..."""

LEAST_SHARE = 0.01
"""... or this, for a share: one percentage point."""

FEWEST_RUNS = 5
"""Fewer days may be alike by chance, and their interval narrow for no reason."""

MOST_CALLS = {"distribution": 2_000_000, "switchboard": 100_000}
"""No day is added after so many calls, by level: about a minute and a half on one core."""


class Verdict(enum.StrEnum):
    """What the check says of a figure, and of all."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNDECIDED = "undecided"  #: the interval holds the formula's value, and much else


class NoTheory(Exception):
    """The formulas do not hold for this plan; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure, simulated and by formula."""

    name: str
    theory: float
    simulated: Estimate
    allowed: float  #: how far the simulated mean may be from it
    width: float  #: how large `allowed` may be

    @property
    def narrow(self) -> bool:
        """Whether the interval is narrow enough to say anything."""
        return self.allowed <= self.width

    @property
    def verdict(self) -> Verdict:
        """What the interval says; a value that lies outside a wide one lies outside all the same."""
        if abs(self.simulated.mean - self.theory) > self.allowed:
            return Verdict.DIFFERS
        return Verdict.AGREES if self.narrow else Verdict.UNDECIDED


def width(name: str, value: float) -> float:
    """How large half an interval at `SURE` may be for a figure whose value is `value` by formula.

    Of a share, what it lacks to one counts where that is less: 95 % in 15 s is told by the 5 %.
    """
    if name == "wait_mean_s":
        return max(SHARE_OF_FIGURE * value, LEAST_S)
    return max(SHARE_OF_FIGURE * min(value, 1.0 - value), LEAST_SHARE)


def theory(plan: SimulationPlan) -> tuple[str, Settled]:
    """The name of the formula that holds for a plan, and what it says. Raises `NoTheory`."""
    raw, hotline = plan.raw, plan.hotline
    if len(plan.streams) != 1 or not plan.streams[0].straight:
        raise NoTheory("theory knows one stream of callers that stands in one queue")
    stream = plan.streams[0]
    rates = {calls / (end - begin) for begin, end, calls in stream.slots}
    if max(rates) - min(rates) > 1e-9:
        raise NoTheory("theory knows a constant rate of arrivals")
    if stream.talk.kind != "exponential":
        raise NoTheory("theory knows exponential talks")
    if stream.patience.kind not in ("exponential", "never") or raw.citizens.short_abandons:
        raise NoTheory("theory knows a patience that is exponential or never ends, and no short abandons")
    if raw.people.pick_up or raw.people.no_answer or hotline.agent_rules.wrap_up_s:
        raise NoTheory("theory knows agents who answer at once, always, and have no wrap-up")
    if any((shift.begin, shift.end) != (plan.begin, plan.end) for shift in plan.shifts):
        raise NoTheory("theory knows agents who are there from begin to end")
    queue = hotline.queues[stream.queue]
    agents = {shift.agent for shift in plan.shifts}
    if not all(queue.served_by(hotline.agents[agent]) for agent in agents):
        raise NoTheory("theory knows agents who can all serve the queue")
    (rate,) = rates if len(rates) == 1 else (max(rates),)
    if stream.patience.kind == "exponential":
        return "Erlang A", with_abandons(rate, stream.talk.mean_s, stream.patience.mean_s, len(agents))
    try:
        return "Erlang C", without_abandons(rate, stream.talk.mean_s, len(agents))
    except ValueError as error:
        raise NoTheory(str(error)) from error


def agreement(plan: SimulationPlan, simulated: Simulated) -> tuple[str, list[Agreement]]:
    """The name of the formula, and every figure that it knows. Raises `NoTheory`."""
    name, settled = theory(plan)
    expected = {HEADLINE: settled.in_time, "wait_mean_s": settled.mean_wait_s, "occupancy": settled.occupancy}
    if name == "Erlang A":
        expected["abandoned_rate"] = settled.abandoned
    found = []
    for figure, value in expected.items():
        estimate = simulated[ALL].get(figure)
        if estimate is None or len(estimate.values) < 2:
            continue  # of a single run the occupancy has no interval
        count = len(estimate.values)
        allowed = student(count - 1, SURE) * stdev(estimate.values) / math.sqrt(count)
        found.append(Agreement(figure, value, estimate, allowed, width(figure, value)))
    return name, found


def verdict(rows: Sequence[Agreement]) -> Verdict:
    """What is said of all figures together: one that differs decides, then one that is undecided."""
    said = {row.verdict for row in rows}
    return next((one for one in (Verdict.DIFFERS, Verdict.UNDECIDED) if one in said), Verdict.AGREES)


def another_day(plan: SimulationPlan, simulated: Simulated, calls: int) -> bool:
    """Whether a day more is worth simulating: an interval is wide, and the bound is not reached."""
    if calls >= MOST_CALLS[plan.raw.simulation.level]:
        return False
    return not all(row.narrow for row in agreement(plan, simulated)[1])
