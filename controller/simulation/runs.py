"""The runs of a simulation, one after the other, and what they show."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.codec import as_object, encode_command, encode_event
from controller.simulation import figures
from controller.simulation.crowd import Crowd
from controller.simulation.distribution import Distribution, nothing_to_collect
from controller.simulation.exchange import SimulatedExchange
from controller.simulation.figures import Day, Estimate
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import SimulationPlan
from controller.verify.checker import Checker, Place
from controller.verify.facts import facts_of
from controller.verify.report import Report
from pbx.call import CallRecord
from pbx.commands import Command
from pbx.events import Event
from pbx.ids import CallId

Watch = Callable[[Event, float, list[Command]], None]


GoOn = Callable[[dict[str, dict[str, Estimate]], int], bool]
"""Asked with the figures and the number of calls so far."""


@dataclass(slots=True)
class Result:
    """What a simulation showed. `figures` by queue (`figures.ALL` first) and name; `seconds` it took, by part."""

    plan: SimulationPlan
    figures: dict[str, dict[str, Estimate]]
    calls: int
    runs: int
    seconds: dict[str, float] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)  #: of the checker, one for each run that it has followed


def simulate(
    plan: SimulationPlan,
    *,
    after_run: Callable[[int], None] | None = None,
    verify: bool = False,
    go_on: GoOn | None = None,
) -> Result:
    """All runs of a plan; `after_run` hears of each. `verify`: the checker follows every step of the switchboard, as it
    would in a journal (level ``switchboard`` only). `go_on` is asked after them, and after each one more, whether there
    shall be another; a plan of one run has none.
    """
    runs = plan.raw.simulation.runs
    seconds = {"callers": 0.0, "simulation": 0.0, "figures": 0.0}
    days: list[dict[str, dict[str, float]]] = []
    calls = 0
    found: dict[str, dict[str, Estimate]] = {}
    reports: list[Report] = []
    for run in itertools.count():
        with nothing_to_collect():
            began = time.perf_counter()
            crowd = GeneratedCrowd(plan, run)
            made = time.perf_counter()
            checker = Checker(facts_of(plan.hotline)) if verify else None
            records = one_day(plan, crowd, watch=_followed(checker) if checker is not None else None)
            if checker is not None:
                reports.append(checker.finish())
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
        if run + 1 < runs:
            continue
        found = found or figures.over_runs(days)
        if runs == 1 or go_on is None or not go_on(found, calls):
            return Result(plan, found, calls, run + 1, seconds, reports)
        found = {}
    raise AssertionError("unreachable")


def _followed(checker: Checker) -> Watch:
    """Hands each step to the checker as a journal has it."""
    checker.begin()
    steps = itertools.count()

    def watch(found: Event, now: float, commands: Sequence[Command]) -> None:
        step = next(steps)
        said = [as_object(encode_command(command)) for command in commands]
        checker.take(Place("simulation", step + 2, step), now, as_object(encode_event(found)), said)

    return watch


def one_day(plan: SimulationPlan, crowd: Crowd, *, watch: Watch | None = None) -> dict[CallId, CallRecord]:
    """One day on the plan's level; its records. `watch` hears of each step of the switchboard."""
    drain_s = plan.raw.simulation.drain_s
    if plan.raw.simulation.level == "distribution":
        distribution = Distribution(plan.hotline, crowd, plan.shifts, plan.begin, plan.end, drain_s=drain_s)
        distribution.run()
        return distribution.records()
    days = SimulatedExchange(plan.hotline, crowd, plan.shifts, plan.begin, plan.end, drain_s=drain_s, watch=watch)
    return days.run()


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
