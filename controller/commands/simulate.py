"""`hotline simulate PLAN.toml`: generated days through the same rules, with a clock that jumps, and their figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from controller.config import ConfigError
from controller.simulation.check import (
    FEWEST_RUNS,
    Agreement,
    NoTheory,
    Verdict,
    agreement,
    another_day,
    theory,
    verdict,
)
from controller.simulation.figures import Estimate
from controller.simulation.plan import SimulationPlan, load_plan
from controller.simulation.report import TITLES, document, shown, table, with_interval
from controller.simulation.runs import Result, simulate

MOST_SHOWN = 20
"""So many findings are printed; the JSON has them all."""

UNDECIDED = (
    "undecided: the interval is wider than it may be, so that the formula's value lies within it says nothing; "
    "give more --runs, or a smaller or less loaded group\n"
    "未定: 区间过宽, 公式值落在其中说明不了什么; 请增加 --runs, 或减小班组规模、降低负荷"
)

PLANS = Path(__file__).resolve().parent.parent / "simulation" / "plans"


def main(arguments: argparse.Namespace) -> int:
    """0 when it was simulated (and agrees with theory, and kept every promise, where that was asked); 1 when it does
    not, or when too little was simulated to tell; 2 for bad input.
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
        result = _run(plan, console, verify=arguments.verify, check=arguments.check and arguments.runs is None)
        own = plan.raw.simulation
        ran = f"{result.runs} {'run' if result.runs == 1 else 'runs'}"
        title = (
            f"{plan.file.name}: {ran} of level {own.level}, seed {own.seed}, "
            f"{result.calls} calls in {result.seconds['simulation']:.2f} s; ± holds 95 %"
        )
        console.print(table(title, result.figures))
        written = document(result)
        if arguments.check:
            name, rows = agreement(plan, result.figures)
            said = verdict(rows)
            status = status if said is Verdict.AGREES else 1
            console.print(_checked(name, rows))
            if said is Verdict.UNDECIDED:
                console.print(UNDECIDED, markup=False, highlight=False, soft_wrap=True)
            written["check"] = _written(name, said, rows)
        if arguments.verify:
            status = max(status, _verified(result, console))
            written["verify"] = [report.as_json() for report in result.reports]
        documents.append(written)
    if arguments.json is not None:
        whole = documents[0] if len(documents) == 1 else {"simulations": documents}
        arguments.json.write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return status


def _written(name: str, said: Verdict, rows: Sequence[Agreement]) -> dict[str, object]:
    """What the check found, for a program."""
    return {
        "theory": name,
        "agrees": said is Verdict.AGREES,
        "verdict": said,
        "figures": {
            row.name: {
                "theory": row.theory,
                "simulated": row.simulated.mean,
                "allowed": row.allowed,
                "width": row.width,
                "verdict": row.verdict,
            }
            for row in rows
        },
    }


def _with(plan: SimulationPlan, arguments: argparse.Namespace) -> SimulationPlan:
    """The plan with what the command line says otherwise."""
    changes = {name: value for name in ("seed", "runs") if (value := getattr(arguments, name)) is not None}
    if arguments.verify:  # on the other level there are no commands that could break a promise
        changes["level"] = "switchboard"
    if arguments.check and arguments.runs is None and plan.raw.simulation.runs < FEWEST_RUNS:
        changes["runs"] = FEWEST_RUNS
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


def _run(plan: SimulationPlan, console: Console, *, verify: bool, check: bool) -> Result:
    """The plan's runs; with `check`, as many more as it takes until theory can be told from anything else."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"simulating {plan.file.name}", total=plan.raw.simulation.runs)

        def ran(run: int) -> None:
            progress.update(task, completed=run + 1, total=max(run + 1, plan.raw.simulation.runs))

        def go_on(found: dict[str, dict[str, Estimate]], calls: int) -> bool:
            return another_day(plan, found, calls)

        return simulate(plan, after_run=ran, verify=verify, go_on=go_on if check else None)


_COLOURS = {Verdict.AGREES: "green", Verdict.DIFFERS: "red", Verdict.UNDECIDED: "yellow"}


def _checked(name: str, rows: Sequence[Agreement]) -> Table:
    made = Table(title=f"beside {name}", title_justify="left")
    for heading in ("", "formula", "simulated", "allowed ±", "at most ±", ""):
        made.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        factor = 1 if row.name == "wait_mean_s" else 100
        made.add_row(
            TITLES[row.name], shown(row.name, row.theory), with_interval(row.name, row.simulated),
            f"{row.allowed * factor:.2f}", f"{row.width * factor:.2f}",
            f"[{_COLOURS[row.verdict]}]{row.verdict}",
        )  # fmt: skip
    return made
