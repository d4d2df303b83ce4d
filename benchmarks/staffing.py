"""``hotline bench staffing``: how far forecasts are off beside simple methods, and what staffing costs in CPU.

The histories are made, by chance from a known truth, and say so: five hotlines of one year with weekdays, China's
holidays and make-up days of 2025, a daily level that wanders, growth, floods (an hour or five at several times the
calls), a day of fourfold calls, hours without records. Every week of the last twelve is forecast from what was known
before it, and compared with "the same half-hour a week before" and the mean of the last four such weekdays. Real
histories go through `hotline staffing forecast --back-test`.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.report import Report
from benchmarks.simulate import HOURS, made_plan
from controller.simulation.crowd import Shift
from controller.staffing.simulated import in_time, mixed, needed, one_day
from controller.staffing.simulated import made_plan as made_day
from controller.staffing.solver import cover, installed
from metrics.back_test import MEAN4, NAIVE, OURS, BackTest, back_test
from metrics.erlang import agents_for
from metrics.forecast import SLOT_S, SLOTS, Arrivals, DayFacts, Kind, forecast
from metrics.shifts import Pause, greedy, patterns
from metrics.shifts import Shift as WorkShift
from metrics.staffing import Goal, Handling, need
from tickets.calendars import ChineseCalendar

FIRST, DAYS, WEEKS = date(2025, 1, 6), 364, 12
WEEK = (1.15, 1.06, 1.0, 1.0, 0.96, 0.55, 0.5)
HOLIDAY = 0.4
SHAPE = np.repeat(np.array(HOURS), 2) / sum(HOURS) / 2

METHODS = {OURS: "forecast", NAIVE: "a week before", MEAN4: "mean of four"}


@dataclass(frozen=True, slots=True)
class Town:
    """A made hotline: mean calls of a day, how much the level wanders from day to day, growth a week, floods."""

    name: str
    calls: float
    wander: float
    growth: float
    floods: int


TOWNS = (
    Town("city, quiet year", 3000, 0.04, 0.0, 0),
    Town("city, growing", 3000, 0.04, 0.006, 4),
    Town("city, floods", 3000, 0.06, 0.0, 20),
    Town("province", 110_000, 0.05, 0.002, 10),
    Town("English desk", 25, 0.1, 0.0, 0),
)


def facts_of(days: list[date]) -> dict[date, DayFacts]:
    """What the State Council's notice says of each day."""
    calendar = ChineseCalendar()
    found = {}
    for day in days:
        standing = calendar.standing(day)
        free = Kind.HOLIDAY if day.weekday() < 5 or standing.name else Kind.WEEKEND
        found[day] = DayFacts(Kind.WORKDAY if standing.workday else free)
    return found


def made(town: Town, seed: int, facts: dict[date, DayFacts]) -> Arrivals:
    """A year of it."""
    luck = np.random.default_rng(seed)
    counts = np.zeros((DAYS, SLOTS))
    level = 0.0
    for row in range(DAYS):
        day = FIRST + timedelta(days=row)
        kind = facts[day].kind
        factor = WEEK[day.weekday()]
        if kind is Kind.HOLIDAY:
            factor = HOLIDAY
        elif kind is Kind.WORKDAY and day.weekday() >= 5:
            factor = WEEK[2]
        level = 0.8 * level + luck.normal(0, town.wander * 0.6)
        rate = town.calls * factor * (1 + town.growth) ** (row / 7) * math.exp(level)
        counts[row] = luck.poisson(rate * SHAPE * luck.gamma(100, 0.01, SLOTS))
    for _ in range(town.floods):
        row, begin, length = (int(luck.integers(*span)) for span in ((0, DAYS), (12, 40), (2, 11)))
        counts[row, begin : begin + length] *= luck.uniform(2, 8)
    if town.floods:
        counts[luck.integers(DAYS)] *= 4
        counts[luck.integers(DAYS), 16:30] = np.nan
    return Arrivals(FIRST, counts)


def required_day() -> tuple[float, list[int], list[float]]:
    """CPU seconds of a weekday's 48 half-hours by simulation (3,000 calls, three queues with skills), the agents that
    each of them needs, and what they reach when whole days of these callers are simulated with just them.

    A half-hour's need is found as if its rates had always held; on a day they change, and who waits or talks at the end
    of one half-hour is the next one's.
    """
    plan = made_plan(100, 100).hotline
    queues = [queue for queue in plan.queues if not queue.startswith("straight-")][:3]
    handling = dict.fromkeys(queues, Handling(180.0, 0.8, 40.0, 2.0, 120.0, 0.02, 0))
    shares = dict(zip(queues, (0.7, 0.2, 0.1), strict=True))
    began = time.process_time()
    agents = []
    for slot in range(SLOTS):
        rates = {queue: 3000 * SHAPE[slot] * share / SLOT_S for queue, share in shares.items()}
        found = needed(plan, rates, handling, Goal(), seed=slot + 1)
        agents.append(found.agents if found is not None else 1)
    spent = time.process_time() - began
    crowd = mixed(plan, max(agents))
    shifts = [
        Shift(one.id, float(begin * SLOT_S), float(end * SLOT_S))
        for number, one in enumerate(crowd)
        for begin, end in _spans([there > number for there in agents])
    ]
    slots = {
        queue: [(slot * SLOT_S, (slot + 1) * SLOT_S, 3000 * SHAPE[slot] * share) for slot in range(SLOTS)]
        for queue, share in shares.items()
    }
    held = []
    for run in range(20):
        day = made_day(plan, crowd, shifts, slots, handling, 0.0, 86400.0, seed=run + 1000)
        good, whole = in_time(one_day(day), 15.0)
        held.append(good / whole)
    return spent, agents, held


def _spans(there: list[bool]) -> list[tuple[int, int]]:
    """From where to where it is true without a gap."""
    edges = [slot for slot in range(SLOTS + 1) if (slot < SLOTS and there[slot]) != (slot > 0 and there[slot - 1])]
    return list(zip(edges[::2], edges[1::2], strict=True))


SHIFTS = (
    WorkShift("early", (14, 15, 16, 17, 18), 16, (Pause(6, 10, 2),)),
    WorkShift("middle", (20, 22, 24), 16, (Pause(6, 10, 2),)),
    WorkShift("late", (28, 30, 32), 16, (Pause(4, 8, 1),)),
    WorkShift("night", (44,), 20, (Pause(6, 12, 2),)),
    WorkShift("short", (16, 17, 18, 27, 28), 8),
)


def planned(report: Report) -> None:
    """A week's shifts by both solvers: CPU seconds, and how far the greedy plan is from the best that can be."""
    handling, goal = Handling(180.0, 0.8, 40.0, 2.0, 120.0, 0.02, 0), Goal()
    wanted = [need(3000 * WEEK[day] * SHAPE[slot], handling, goal).roster for day in range(7) for slot in range(SLOTS)]
    ways = patterns(SHIFTS, 7)
    began = time.process_time()
    plain = greedy(wanted, ways)
    report.figure("staffing.plan.greedy", time.process_time() - began)
    if installed():
        began = time.process_time()
        best = cover(wanted, ways, solver="highs")
        report.figure("staffing.plan.highs", time.process_time() - began)
        if best.bound:
            report.figure("staffing.plan.greedy.ratio_bound", plain.paid / best.bound)


def run(json_path: Path | None = None, quick: bool = False) -> int:
    """Measure, print the tables, write the file. `quick`: one week of each town, and no simulation."""
    report = Report("staffing")
    days = [FIRST + timedelta(days=row) for row in range(DAYS + 14)]
    facts = facts_of(days)
    table = Table(title="back-test on made histories", title_justify="left", box=None)
    for heading in ("hotline", "method", "WAPE", "MASE", "bias", "in the 90 % interval"):
        table.add_column(heading, justify="left" if heading in ("hotline", "method") else "right")
    rows: dict[str, Any] = {}
    ratios, held = [], []
    for seed, town in enumerate(TOWNS):
        found: BackTest = back_test(made(town, seed, facts), facts, 1 if quick else WEEKS)
        for name, one in found.by_method.items():
            share = f"{one.held:.1%}" if one.held is not None else ""
            table.add_row(town.name, METHODS[name], f"{one.wape:.1%}", f"{one.mase:.2f}", f"{one.bias:+.1%}", share)
        ours = found.by_method[OURS]
        ratios.append(ours.wape / found.by_method[NAIVE].wape)
        held.append(ours.held or 0.0)
        rows[town.name] = {
            name: {"wape": one.wape, "mase": one.mase, "bias": one.bias, "held": one.held}
            for name, one in found.by_method.items()
        }
    report.figure("staffing.forecast.wape.ratio_naive", float(np.mean(ratios)))
    report.figure("staffing.forecast.held", float(np.mean(held)))
    year = made(TOWNS[0], 0, facts)
    began = time.process_time()
    forecast(year, facts, days[DAYS : DAYS + 7])
    report.figure("staffing.forecast.year", time.process_time() - began)
    began = time.process_time()
    agents_for(35281 / 3600, 220, patience_s=120)
    report.figure("staffing.erlang_a.2000", time.process_time() - began)
    if not quick:
        spent, agents, held_days = required_day()
        report.figure("staffing.required.day", spent)
        report.figure("staffing.required.day_in_time", float(np.mean(held_days)))
        rows["required"] = {"agents": agents, "in_time": held_days}
        planned(report)
    report.details = {"back_test": rows, "weeks": 1 if quick else WEEKS}
    Console().print(table)
    return report.finish(json_path)
