"""``hotline bench cities``: the busy hours of a province of 13 cities (`performance.md` 2a''), by who may help whom.

Each city has the agents whom Erlang C asks for 95 % in 15 s at the forecast; the real rate of each city misses its
forecast by a lognormal error of 10 %, drawn per seed. With the same agents, callers, patience and talks:

* ``isolated``: every city serves its own callers;
* ``overflow``: after 8 s in the line the agents of the other cities will do as well (`relax`, `join`);
* ``pooled``: one line for all;
* ``queue``: every city by itself under `Queue()`'s defaults (`app_queue.py`), and ``queue_autofill`` with autofill=yes.

The first three are `acd` at work on the level ``distribution``. The table is once with agents who answer at once, and
once with people: phones answered after 2 s on average, three offers in a hundred not at all. The benefit is an upper
bound: every agent can serve every city's caller, and the errors of the cities are independent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.app_queue import AppQueue
from benchmarks.report import Report
from controller.simulation.clock import Agenda
from controller.simulation.crowd import Caller
from controller.simulation.distribution import Distribution
from controller.simulation.figures import estimate
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan, load_plan
from metrics.erlang import agents_for

PEAK_CALLS_PER_H = 16_229.0
"""The busy hour of a province with 39.5 million calls a year (`performance.md` 2d)."""

HANDLING_S, PATIENCE_S, FORECAST_ERROR, OVERFLOW_S = 220.0, 120.0, 0.10, 8.0

CITIES = (12.75, 9.31, 9.08, 7.73, 7.46, 6.71, 5.28, 4.99, 4.60, 4.56, 4.56, 4.51, 3.21)
"""Jiangsu's 13 cities by millions of inhabitants (census of 2020): how unequal such cities are."""

SHARES = (1.0, 0.97, 0.93)
"""Of the agents whom the formula asks for."""

POLICIES = ("isolated", "overflow", "pooled", "queue", "queue_autofill")
SEEDS = 8
WARM_UP_S, HOURS = 1800.0, 2


def staffing(share: float) -> list[int]:
    """Each city's agents; what the formula asks for all together is cut by `share`, city by city."""
    whole = sum(CITIES)
    wanted = [agents_for(PEAK_CALLS_PER_H / 3600 * city / whole, HANDLING_S) for city in CITIES]
    return [max(1, round(agents * share)) for agents in wanted]


def plan_text(policy: str, agents: Sequence[int], rates: Sequence[float], *, people: bool, seed: int) -> str:
    """One seed's hours as a plan of `hotline simulate`; `rates` in calls per hour."""
    lines = [f'[simulation]\nlevel = "distribution"\nbegin = "08:00"\nend = "{8 + HOURS:02}:30"\nseed = {seed}\n']
    lines.append(f'[citizens]\npatience = {{ kind = "exponential", mean_s = {PATIENCE_S} }}\n')
    lines.append(f'talk = {{ kind = "exponential", mean_s = {HANDLING_S} }}\n[agent_rules]\nwrap_up_s = 0.0\n')
    if people:
        lines.append('[people]\npick_up = { kind = "lognormal", mean_s = 2, cv = 0.5 }\nno_answer = 0.03\n')
        lines.append('back = { kind = "constant", mean_s = 60 }\n')
    names = [f"city-{number:02}" for number in range(len(agents))]
    for name, count, rate in zip(names, agents, rates, strict=True):
        skill = "province" if policy == "pooled" else name
        relax = ""
        if policy == "overflow":
            others = [other for other in names if other != name]
            relax = f"relax = [{{ after_s = {OVERFLOW_S}, join = {others} }}]\n"
        lines.append(f'[[arrivals]]\nqueue = "{name}"\ncalls_per_hour = {rate:.6f}\n')
        lines.append(
            f'[[queues]]\nid = "{name}"\nname_zh = "市"\nname_en = "City"\nskills = {{ {skill} = 1 }}\n{relax}'
        )
        lines.append(f"[[staff]]\ncount = {count}\nskills = {{ {skill} = 3 }}\n")
    return "".join(lines)


def made_plan(text: str) -> SimulationPlan:
    """A plan, checked as any other."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cities.toml"
        file.write_text(text, "utf-8")
        return load_plan(file)


def rates_of(seed: int) -> list[float]:
    """What each city's rate turns out to be, calls per hour."""
    random, whole = Random(f"cities {seed}"), sum(CITIES)
    return [
        PEAK_CALLS_PER_H * city / whole * random.lognormvariate(-(FORECAST_ERROR**2) / 2, FORECAST_ERROR)
        for city in CITIES
    ]


def one(policy: str, share: float, seed: int, *, people: bool) -> dict[str, float]:
    """One seed under one policy: the 15-second rate of all, the worst city's, and the share helped by other cities."""
    agents = staffing(share)
    ours = policy if policy in ("isolated", "overflow", "pooled") else "isolated"
    plan = made_plan(plan_text(ours, agents, rates_of(seed), people=people, seed=seed))
    crowd = GeneratedCrowd(plan, 0)
    home = {agent: f"city-{city:02}" for city, members in enumerate(_members(plan, agents)) for agent in members}
    joined: dict[str, tuple[float, str]] = {}
    if ours == policy:
        if people:  # nobody is set not ready for misses in `Queue()`, so nobody is here
            rules = replace(plan.hotline.agent_rules, misses_before_not_ready=100)
            plan = replace(plan, hotline=replace(plan.hotline, agent_rules=rules))
        day = Distribution(plan.hotline, crowd, plan.shifts, plan.begin, plan.end)
        day.run()
        for call, record in day.records().items():
            if record.joined_at is not None and record.agent is not None:
                joined[call] = (record.joined_at, home[record.agent])
    else:
        joined = _queues(plan, crowd, agents, autofill=policy == "queue_autofill")
    in_time: dict[str, list[bool]] = {}
    crossed = answered = 0
    for who in crowd.callers:
        if who.at < plan.begin + WARM_UP_S:
            continue
        found = joined.get(who.call)
        in_time.setdefault(who.queue, []).append(found is not None and round(found[0] - who.at, 3) <= 15.0)
        if found is not None:
            answered += 1
            crossed += found[1] != who.queue
    everybody = [value for values in in_time.values() for value in values]
    return {
        "sl15": fmean(everybody),
        "worst_city": min(fmean(values) for values in in_time.values()),
        "crossing": 0.0 if policy == "pooled" else crossed / max(answered, 1),
        "calls": float(len(everybody)),
    }


def _members(plan: SimulationPlan, agents: Sequence[int]) -> list[list[Any]]:
    names = iter(plan.hotline.agents)
    return [[next(names) for _ in range(count)] for count in agents]


def _queues(
    plan: SimulationPlan, crowd: GeneratedCrowd, agents: Sequence[int], *, autofill: bool
) -> dict[str, tuple[float, str]]:
    """The same hours with a `Queue()` for each city."""
    found: dict[str, tuple[float, str]] = {}
    agenda = Agenda(plan.begin)

    def joined(who: Caller, at: float) -> None:
        found[who.call] = (at, who.queue)

    queues = {
        f"city-{city:02}": AppQueue(agenda, crowd, members, plan.begin, autofill=autofill, joined=joined)
        for city, members in enumerate(_members(plan, agents))
    }
    for who in crowd.callers:
        agenda.at(who.at, queues[who.queue].arrive, who)
    while agenda.now < plan.end + 3600 and agenda.next():
        pass
    return found


def cell(policy: str, share: float, seeds: int, *, people: bool) -> dict[str, Any]:
    """All seeds of one policy with one staffing."""
    rows = [one(policy, share, seed, people=people) for seed in range(seeds)]
    rate = estimate([row["sl15"] for row in rows])
    return {
        "policy": policy,
        "agents": sum(staffing(share)),
        "people": people,
        "sl15": rate.mean,
        "low": rate.low,
        "high": rate.high,
        "worst_seed": min(row["sl15"] for row in rows),
        "worst_city": min(row["worst_city"] for row in rows),
        "crossing": fmean(row["crossing"] for row in rows),
        "calls": sum(row["calls"] for row in rows),
        "seeds": [round(row["sl15"], 5) for row in rows],
    }


def run(json_path: Path | None = None, seeds: int = SEEDS, shares: Sequence[float] = SHARES) -> int:
    """Measure, print the tables, write the file."""
    report = Report("cities")
    console = Console()
    cells: list[dict[str, Any]] = []
    for people in (False, True):
        for share in shares:
            for policy in POLICIES:
                console.print(f"[dim]{policy}, {sum(staffing(share))} agents{', people' if people else ''}", end="\r")
                cells.append(cell(policy, share, seeds, people=people))
    first = {
        one["policy"]: one["sl15"] for one in cells if not one["people"] and one["agents"] == sum(staffing(shares[0]))
    }
    for policy, value in first.items():
        report.figure(f"cities.sl15.{policy}", value)
    report.figure("cities.sl15.gain_points", (first["overflow"] - first["isolated"]) * 100)
    report.details = {"seeds": seeds, "cells": cells}
    status = report.finish(json_path)
    for people in (False, True):
        title = "phones answered after 2 s, 3 % not at all" if people else "phones answered at once"
        table = Table(title=f"15-second rate, {seeds} seeds, {title}", title_justify="left")
        for heading in (
            "agents",
            "policy",
            "in 15 s",
            "± 95 %",
            "worst seed",
            "worst city and seed",
            "other cities help",
        ):
            table.add_column(heading, justify="left" if heading == "policy" else "right")
        for one_cell in cells:
            if one_cell["people"] is people:
                half = "" if one_cell["high"] is None else f"{(one_cell['high'] - one_cell['sl15']) * 100:.2f}"
                table.add_row(
                    str(one_cell["agents"]), one_cell["policy"], f"{one_cell['sl15'] * 100:.2f} %", half,
                    f"{one_cell['worst_seed'] * 100:.1f} %", f"{one_cell['worst_city'] * 100:.1f} %",
                    f"{one_cell['crossing'] * 100:.1f} %",
                )  # fmt: skip
        console.print(table)
    return status
