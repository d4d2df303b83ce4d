"""The simulation checked against queueing theory, where theory has an answer: Erlang C and Erlang A.

The formulas of `metrics/erlang.py` hold for one line of callers at a constant rate, exponential talks without anything
around them, agents who are all alike and always there, and a patience that is exponential or endless. A figure agrees
when the formula's value lies within the interval that the runs give, at `SURE`: of a right simulation one figure in a
thousand is refused, so the fixed seeds of `--check` pass, and an error of a few standard errors is seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import stdev

from controller.simulation.figures import ALL, Estimate, student
from controller.simulation.plan import SimulationPlan
from controller.simulation.runs import Result
from metrics.erlang import Settled, with_abandons, without_abandons
from metrics.servicelevel import HEADLINE

SURE = 0.999
"""Confidence at which a figure is refused; the interval shown beside other figures is narrower."""


class NoTheory(Exception):
    """The formulas do not hold for this plan; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure, simulated and by formula."""

    name: str
    theory: float
    simulated: Estimate
    allowed: float  #: how far the simulated mean may be from it

    @property
    def agrees(self) -> bool:
        """Whether the formula's value is within the interval."""
        return abs(self.simulated.mean - self.theory) <= self.allowed


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


def agreement(result: Result) -> tuple[str, list[Agreement]]:
    """Every figure that theory knows. Raises `NoTheory`."""
    name, settled = theory(result.plan)
    expected = {HEADLINE: settled.in_time, "wait_mean_s": settled.mean_wait_s, "occupancy": settled.occupancy}
    if name == "Erlang A":
        expected["abandoned_rate"] = settled.abandoned
    found = []
    for figure, value in expected.items():
        simulated = result.figures[ALL].get(figure)
        if simulated is None or len(simulated.values) < 2:
            continue  # of a single run the occupancy has no interval
        count = len(simulated.values)
        allowed = student(count - 1, SURE) * stdev(simulated.values) / math.sqrt(count)
        found.append(Agreement(figure, value, simulated, allowed))
    return name, found
