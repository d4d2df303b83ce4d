"""`hotline simulate PLAN.toml`: generated days through the same rules, with a clock that jumps, and their figures."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from controller.config import ConfigError
from controller.simulation.check import NoTheory, agreement, theory
from controller.simulation.plan import SimulationPlan, load_plan
from controller.simulation.report import TITLES, document, shown, table, with_interval
from controller.simulation.runs import Result, simulate

MOST_SHOWN = 20
"""So many findings are printed; the JSON has them all."""

PLANS = Path(__file__).resolve().parent.parent / "simulation" / "plans"


def main(arguments: argparse.Namespace) -> int:
    """0 when it was simulated (and agrees with theory, and kept every promise, where that was asked); 1 when it does
    not; 2 for bad input.
    """
    console = Console()
    files = [arguments.plan] if arguments.plan else [PLANS / "erlang-c.toml", PLANS / "erlang-a.toml"]
    if not arguments.plan and not arguments.check:
        print("simulate: which plan? Give a file, or --check to compare with theory", file=sys.stderr)
        return 2
    documents, status = [], 0
    for file in files:
        try:
            plan = _with(load_plan(file), arguments)
            if arguments.check:
                theory(plan)
        except ConfigError as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            count = len(error.problems)
            print(f"{count} {'fault' if count == 1 else 'faults'}; nothing was simulated.", file=sys.stderr)
            return 2
        except NoTheory as error:
            print(f"simulate: {file}: there is nothing to check this plan against: {error}", file=sys.stderr)
            return 2
        result = _run(plan, console, verify=arguments.verify)
        own = plan.raw.simulation
        title = (
            f"{plan.file.name}: {own.runs} {'run' if own.runs == 1 else 'runs'} of level {own.level}, seed {own.seed}, "
            f"{result.calls} calls in {result.seconds['simulation']:.2f} s; ± holds 95 %"
        )
        console.print(table(title, result.figures))
        written = document(result)
        if arguments.check:
            name, rows = agreement(result)
            agrees = all(row.agrees for row in rows)
            status = status if agrees else 1
            console.print(_checked(name, result))
            written["check"] = {
                "theory": name,
                "agrees": agrees,
                "figures": {
                    row.name: {"theory": row.theory, "simulated": row.simulated.mean, "allowed": row.allowed}
                    for row in rows
                },
            }
        if arguments.verify:
            status = max(status, _verified(result, console))
            written["verify"] = [report.as_json() for report in result.reports]
        documents.append(written)
    if arguments.json is not None:
        whole = documents[0] if len(documents) == 1 else {"simulations": documents}
        arguments.json.write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return status


def _with(plan: SimulationPlan, arguments: argparse.Namespace) -> SimulationPlan:
    """The plan with what the command line says otherwise."""
    changes = {name: value for name in ("seed", "runs") if (value := getattr(arguments, name)) is not None}
    if arguments.verify:  # on the other level there are no commands that could break a promise
        changes["level"] = "switchboard"
    if not changes:
        return plan
    own = plan.raw.simulation.model_copy(update=changes)
    return replace(plan, raw=plan.raw.model_copy(update={"simulation": own}))


def _verified(result: Result, console: Console) -> int:
    """Say what the checker found in the runs; 1 when a promise was broken."""
    broken = sum(report.broken() for report in result.reports)
    calls, steps = sum(one.ended for one in result.reports), sum(one.steps for one in result.reports)
    for finding in [finding for report in result.reports for finding in report.findings][:MOST_SHOWN]:
        console.print(str(finding), markup=False, highlight=False, soft_wrap=True)
    told = f"{broken} promises were broken" if broken else "no promise was broken"
    console.print(f"verified: {told} in {calls} calls, {steps} steps")
    return 1 if broken else 0


def _run(plan: SimulationPlan, console: Console, *, verify: bool = False) -> Result:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"simulating {plan.file.name}", total=plan.raw.simulation.runs)
        return simulate(plan, after_run=lambda run: progress.advance(task), verify=verify)


def _checked(name: str, result: Result) -> Table:
    made = Table(title=f"beside {name}", title_justify="left")
    for heading in ("", "formula", "simulated", "allowed ±", ""):
        made.add_column(heading, justify="right" if heading else "left")
    for row in agreement(result)[1]:
        verdict = "[green]agrees" if row.agrees else "[red]differs"
        allowed = f"{row.allowed * 100:.2f}" if row.theory <= 1 and "wait" not in row.name else f"{row.allowed:.2f}"
        made.add_row(
            TITLES[row.name], shown(row.name, row.theory), with_interval(row.name, row.simulated), allowed, verdict
        )
    return made
