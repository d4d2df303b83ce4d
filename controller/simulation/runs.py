"""The runs of a simulation, one after the other, and what they show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.simulation import figures
from controller.simulation.crowd import Crowd
from controller.simulation.distribution import Distribution, nothing_to_collect
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.figures import Day, Estimate
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan
from pbx.call import CallRecord
from pbx.ids import CallId


@dataclass(slots=True)
class Result:
    """What a simulation showed. `figures` by queue (`figures.ALL` first) and name; `seconds` it took, by part."""

    plan: SimulationPlan
    figures: dict[str, dict[str, Estimate]]
    calls: int
    seconds: dict[str, float] = field(default_factory=dict)


def simulate(plan: SimulationPlan, *, after_run: Callable[[int], None] | None = None) -> Result:
    """All runs of a plan; `after_run` hears of each."""
    runs = plan.raw.simulation.runs
    seconds = {"callers": 0.0, "simulation": 0.0, "figures": 0.0}
    days: list[dict[str, dict[str, float]]] = []
    calls = 0
    found: dict[str, dict[str, Estimate]] = {}
    for run in range(runs):
        with nothing_to_collect():
            began = time.perf_counter()
            crowd = GeneratedCrowd(plan, run)
            made = time.perf_counter()
            records = one_day(plan, crowd)
            done = time.perf_counter()
            calls += len(records)
            day = counted(plan, crowd, records)
            if runs == 1:
                found = figures.in_batches(day, plan.hotline)
            else:
                days.append(figures.of_day(day, plan.hotline))
        seconds["callers"] += made - began
        seconds["simulation"] += done - made
        seconds["figures"] += time.perf_counter() - done
        if after_run is not None:
            after_run(run)
    return Result(plan, found or figures.over_runs(days), calls, seconds)


def one_day(plan: SimulationPlan, crowd: Crowd) -> dict[CallId, CallRecord]:
    """One day on the plan's level; its records."""
    drain_s = plan.raw.simulation.drain_s
    if plan.raw.simulation.level == "distribution":
        distribution = Distribution(plan.hotline, crowd, plan.shifts, plan.begin, plan.end, drain_s=drain_s)
        distribution.run()
        return distribution.records()
    return SimulatedExchange(plan.hotline, crowd, plan.shifts, plan.begin, plan.end, drain_s=drain_s).run()


def counted(plan: SimulationPlan, crowd: Crowd, records: dict[CallId, CallRecord]) -> Day:
    """The day that the figures are of: callers from `count_from` on."""
    callers = {caller.call: caller for caller in crowd.callers}
    rule = plan.hotline.agent_rules.wrap_up_s

    def wrap_up_s(record: CallRecord) -> float:
        assert record.agent is not None
        return min(rule, crowd.wrap_up_s(callers[record.call], record.agent))

    everybody = list(records.values())
    rows = [record for record in everybody if record.arrived_at >= plan.count_from]
    return Day(rows, everybody, plan.shifts, plan.count_from, plan.end, wrap_up_s)
