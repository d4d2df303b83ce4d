"""``hotline bench simulate``: how long a day of 50,000 calls and 500 agents with skills takes, on both levels.

The figure is of the level ``distribution`` and holds everything from the plan to what became of each call: making the
callers by chance, and every decision of `acd`. Call records and figures are measured beside it. The level
``switchboard`` runs the same callers through every rule, command and timer; it is measured over a tenth of the day's
callers with a tenth of the agents, and given for the whole day. The first round warms up and is not counted.

CPU seconds of this process, since other processes of the machine are no part of the question; the wall clock beside it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from controller.simulation import figures
from controller.simulation.distribution import Distribution, nothing_to_collect
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan, load_plan
from controller.simulation.runs import counted

CALLS, AGENTS, ROUNDS, PART = 50_000, 500, 5, 10

HOURS = (0.2, 0.15, 0.1, 0.1, 0.12, 0.3, 0.8, 2, 4.5, 6.5, 7, 6.5, 5.2, 5.5, 6.6, 6.6, 6.2, 5.6, 5, 4.5, 4, 3.2, 2, 1)
"""A day's shape: two peaks, a tenth of the calls in the busiest hour, hardly any at night."""

QUEUES = {"general": 0.45, "housing": 0.2, "social": 0.12, "permits": 0.1, "traffic": 0.08, "english": 0.05}
"""Six queues with their shares of the calls; every agent serves one of them well and others less well."""


SHIFTS = {
    "08:00-16:00": 0.4, "10:00-18:00": 0.3, "14:00-22:00": 0.2, "00:00-08:00 22:00-24:00": 0.1,
}  # fmt: skip
"""Who works when: an agent is at work for a third of the day."""


def plan_text(calls: int, agents: int) -> str:
    """The day as a plan of `hotline simulate`."""
    lines = ['[simulation]\nlevel = "distribution"\nruns = 1\nseed = 12345\n']
    whole, names = sum(HOURS), list(QUEUES)
    for queue, share in QUEUES.items():
        hourly = [round(calls * share * hour / whole, 3) for hour in HOURS]
        lines.append(f'[[arrivals]]\nqueue = "{queue}"\nper_hour = {hourly}\n')
        lines.append(
            f'[[queues]]\nid = "{queue}"\nname_zh = "{queue}"\nname_en = "{queue}"\nskills = {{ {queue} = 1 }}\n'
        )
    lines.append('[citizens]\ntalk = { kind = "lognormal", mean_s = 200, cv = 0.8 }\n')
    lines.append('[people]\npick_up = { kind = "lognormal", mean_s = 2, cv = 0.5 }\n[agent_rules]\nwrap_up_s = 30.0\n')
    left = agents
    for number, (queue, share) in enumerate(QUEUES.items()):
        count = left if number == len(names) - 1 else max(1, round(agents * share))
        left -= count
        for level, hours, part in _parts(count):
            skills = {queue: level, names[(number + 1) % 6]: 2, names[(number + level) % 6]: 3}
            text = ", ".join(f"{skill} = {value}" for skill, value in skills.items())
            if part:
                lines.append(f"[[staff]]\ncount = {part}\nskills = {{ {text} }}\nshifts = {hours}\n")
    return "".join(lines)


def _parts(count: int) -> list[tuple[int, list[str], int]]:
    """A queue's agents by their level and their shift."""
    found = []
    left = count
    for number, (hours, share) in enumerate(SHIFTS.items()):
        part = left if number == len(SHIFTS) - 1 else round(count * share)
        left -= part
        found += [(5, hours.split(), part // 2), (3, hours.split(), part - part // 2)]
    return found


def made_plan(calls: int = CALLS, agents: int = AGENTS) -> SimulationPlan:
    """The plan, checked as any other."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "day.toml"
        file.write_text(plan_text(calls, agents), "utf-8")
        return load_plan(file)


def one_round(plan: SimulationPlan, run: int) -> dict[str, float]:
    """CPU seconds of each part of one day, and what it was."""
    with nothing_to_collect():
        wall = time.perf_counter()
        began = time.process_time()
        crowd = GeneratedCrowd(plan, run)
        made = time.process_time()
        day = Distribution(plan.hotline, crowd, plan.shifts, plan.begin, plan.end)
        day.run()
        done = time.process_time()
        wall_done = time.perf_counter()
        records = day.records()
        recorded = time.process_time()
        shown = figures.of_day(counted(plan, crowd, records), plan.hotline)
        measured = time.process_time()
    return {
        "callers": made - began,
        "distribution": done - made,
        "whole": done - began,
        "wall": wall_done - wall,
        "records": recorded - done,
        "figures": measured - recorded,
        "calls": len(records),
        **{f"all.{name}": value for name, value in shown[figures.ALL].items()},
    }


def switchboard(calls: int, agents: int) -> dict[str, Any]:
    """CPU seconds of a smaller day on the level of the whole switchboard."""
    plan = made_plan(calls, agents)
    crowd = GeneratedCrowd(plan, 0)
    kinds: Counter[str] = Counter()
    day = SimulatedExchange(
        plan.hotline, crowd, plan.shifts, plan.begin, plan.end,
        watch=lambda found, now, commands: kinds.update((type(found).__name__,)),
    )  # fmt: skip
    began = time.process_time()
    records = day.run()
    spent = time.process_time() - began
    number = len(records)
    return {
        "cpu_s": spent,
        "calls": number,
        "agents": agents,
        "cpu_per_call_s": spent / number,
        "events_per_call": {name: round(count / number, 2) for name, count in kinds.most_common()},
        "commands_per_call": {name: round(count / number, 2) for name, count in day.taken.most_common()},
    }


def run(json_path: Path | None = None, rounds: int = ROUNDS, calls: int = CALLS, agents: int = AGENTS) -> int:
    """Measure, print the table, write the file."""
    report = Report("simulate")
    plan = made_plan(calls, agents)
    found = [one_round(plan, number) for number in range(rounds + 1)][1:]
    whole = statistics.median(one["whole"] for one in found)
    report.figure("simulate.day_50k_calls", whole)
    everything = switchboard(calls // PART, agents // PART)
    report.figure("simulate.day_50k_calls.switchboard", everything["cpu_per_call_s"] * calls)
    report.details = {"agents": agents, "calls": calls, "rounds": found, "switchboard": everything}
    status = report.finish(json_path)
    parts = {
        name: statistics.median(one[name] for one in found)
        for name in ("callers", "distribution", "records", "figures")
    }
    print(
        f"median of {rounds} days, CPU seconds: "
        + ", ".join(f"{name} {value:.3f}" for name, value in parts.items())
        + f"; {found[0]['calls'] / whole:,.0f} calls a second; "
        + f"the whole switchboard {everything['cpu_per_call_s'] * 1e3:.2f} ms a call, "
        + f"{sum(everything['events_per_call'].values()):.0f} events and "
        + f"{sum(everything['commands_per_call'].values()):.0f} commands"
    )
    return status
