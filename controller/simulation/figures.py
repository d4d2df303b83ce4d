"""The figures of simulated days, by the same definitions as the live ones (`metrics/`), with their confidence. Pure.

Over several runs a figure's interval is Student's over the runs, which are independent. A single run is cut into
batches of callers in the order of their arrival, and the interval is over the batches' figures (batch means; A. M. Law,
"Simulation modeling and analysis", ch. 9): neighbouring calls depend on each other, batches hardly do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from controller.plan import Plan
from controller.simulation.busy import spans
from controller.simulation.crowd import Shift
from metrics import kpi
from metrics.servicelevel import HEADLINE, compute, definitions
from pbx.call import CallRecord
from pbx.ids import AgentId

BATCHES = 20
"""A single run is cut into so many parts; fewer would tell little of the spread, more would depend on each other."""

CONFIDENCE = 0.95

ALL = "all"
"""Stands for all queues together."""

THIRTY = "sl30.offered.v1"
"""Provinces publish the 30-second rate too (`performance.md` 1e)."""

_DEFINITIONS = {HEADLINE: definitions()[HEADLINE], THIRTY: definitions(30.0)[THIRTY]}

NAMES = (
    "offered", "answered", HEADLINE, THIRTY, "abandoned_rate", "wait_mean_s", "wait_p50_s", "wait_p90_s",
    "wait_p95_s", "patience_mean_s", "offers_per_answered", "occupancy",
)  # fmt: skip
"""Every figure, in the order of the table. Waits are of the answered; rates and occupancy are between 0 and 1."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over several runs (or batches of one): its mean and the interval that holds the true one in 95 % of
    all cases; `low` and `high` are None when there is nothing to tell them from.
    """

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]

    @property
    def half(self) -> float | None:
        """Half the interval."""
        return None if self.high is None else self.high - self.mean


def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The quantile of Student's t for a two-sided interval.

    Exact for 1 and 2 degrees of freedom, else G. W. Hill, "Algorithm 396: Student's t-quantiles" (Communications of the
    ACM 13, 1970), good to 5 digits. Raises ValueError below 1.
    """
    if freedom < 1:
        raise ValueError("an interval needs at least two values")
    tail = 1 - confidence
    if freedom == 1:
        return math.cos(tail * math.pi / 2) / math.sin(tail * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (tail * (2 - tail)) - 2)
    n = float(freedom)
    a = 1 / (n - 0.5)
    b = (48 / a) / a
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    y = (d * tail) ** (2 / n)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tail / 2)
        y = x * x
        if n < 5:
            c += 0.3 * (n - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (
            n + 2
        ) + 1 / y
    return math.sqrt(n * y)


def estimate(values: Sequence[float], *, mean: float | None = None) -> Estimate:
    """The interval over independent values; `mean` where it is known better than by theirs. ValueError for none."""
    if not values:
        raise ValueError("no values")
    middle = fmean(values) if mean is None else mean
    if len(values) < 2:
        return Estimate(middle, None, None, tuple(values))
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(middle, middle - half, middle + half, tuple(values))


@dataclass(frozen=True, slots=True)
class Day:
    """One simulated day: its counted calls and all of them, who worked when, and how long each answered call was
    written up.
    """

    records: Sequence[CallRecord]
    everybody: Sequence[CallRecord]
    shifts: Sequence[Shift]
    begin: float
    end: float
    wrap_up_s: Callable[[CallRecord, AgentId], float]


def of_records(records: Sequence[CallRecord]) -> dict[str, float]:
    """The figures of some calls; one that nothing was measured for is left out."""
    measured = kpi.compute(records)
    found: dict[str, float | None] = {
        "offered": measured.offered,
        "answered": measured.answered,
        **{name: compute(definition, records).value for name, definition in _DEFINITIONS.items()},
        "abandoned_rate": measured.abandoned_rate,
        "wait_mean_s": measured.wait.mean,
        "wait_p50_s": measured.wait.p50,
        "wait_p90_s": measured.wait.p90,
        "wait_p95_s": measured.wait.p95,
        "patience_mean_s": measured.patience.mean,
        "offers_per_answered": measured.offers_per_answered,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def busy_times(day: Day) -> dict[AgentId, tuple[float, float]]:
    """For each agent the seconds in which he was rung, was asked, talked or wrote (`busy.spans`), and those in
    which he was there for it.

    Between `begin` and `end` of the day; what somebody works beyond his shift counts on both sides.
    """
    staffed: dict[AgentId, list[tuple[float, float]]] = {}
    busy: dict[AgentId, list[tuple[float, float]]] = {}
    for shift in day.shifts:
        staffed.setdefault(shift.agent, []).append((shift.begin, shift.end))
    for record in day.everybody:
        for agent, since, until in spans(record, day.wrap_up_s):
            busy.setdefault(agent, []).append((since, until))
    found: dict[AgentId, tuple[float, float]] = {}
    for agent in staffed.keys() | busy.keys():
        worked = busy.get(agent, [])
        there = [*staffed.get(agent, []), *worked]
        found[agent] = (_covered(worked, day.begin, day.end), _covered(there, day.begin, day.end))
    return found


def occupancy(times: Mapping[AgentId, tuple[float, float]], agents: Iterable[AgentId] | None = None) -> float | None:
    """The busy share of some agents' time (of everybody's by default); None when nobody worked."""
    rows = [times[agent] for agent in (times if agents is None else agents) if agent in times]
    there = math.fsum(row[1] for row in rows)
    return math.fsum(row[0] for row in rows) / there if there else None


def _covered(spans: Iterable[tuple[float, float]], begin: float, end: float) -> float:
    """How many seconds between `begin` and `end` lie in at least one of the spans."""
    total, reached = 0.0, begin
    for since, until in sorted(spans):
        since, until = max(since, reached), min(until, end)
        if until > since:
            total += until - since
            reached = until
    return total


def of_day(day: Day, plan: Plan) -> dict[str, dict[str, float]]:
    """Every figure of a day: of all queues together, then of each queue that had a call."""
    groups = kpi.by_queue(day.records)
    found = {ALL: of_records(day.records)}
    times = busy_times(day)
    busy = {ALL: occupancy(times)}
    for queue in sorted(groups):
        found[queue] = of_records(groups[queue])
        served_by = plan.queues[queue].served_by if queue in plan.queues else None
        fitting = [agent.id for agent in plan.agents.values() if served_by is None or served_by(agent)]
        busy[queue] = occupancy(times, fitting)
    for group, value in busy.items():
        if value is not None:
            found[group]["occupancy"] = value
    return found


def over_runs(days: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, Estimate]]:
    """The figures of several days with their intervals; those that some days lack are over the others."""
    groups = dict.fromkeys(group for day in days for group in day)
    found: dict[str, dict[str, Estimate]] = {}
    for group in groups:
        rows = [day[group] for day in days if group in day]
        found[group] = {
            name: estimate([row[name] for row in rows if name in row])
            for name in NAMES
            if any(name in row for row in rows)
        }
    return found


def in_batches(day: Day, plan: Plan) -> dict[str, dict[str, Estimate]]:
    """The figures of a single day, their intervals by batch means; counts and occupancy have none."""
    groups: dict[str, list[CallRecord]] = {ALL: list(day.records)}
    groups |= {str(queue): rows for queue, rows in kpi.by_queue(day.records).items()}
    found: dict[str, dict[str, Estimate]] = {}
    for group, whole in of_day(day, plan).items():
        records = sorted(groups[group], key=lambda record: record.arrived_at)
        size = len(records) // BATCHES
        parts = [of_records(records[at * size : (at + 1) * size]) for at in range(BATCHES)] if size >= 5 else []
        found[group] = {}
        for name in NAMES:
            if name in whole:
                values = [part[name] for part in parts if name in part]
                single = name in ("offered", "answered", "occupancy") or len(values) < BATCHES
                found[group][name] = estimate([whole[name]] if single else values, mean=whole[name])
    return found
