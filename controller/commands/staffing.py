"""`hotline staffing forecast|required|plan`: calls that will come, agents that they need, shifts that cover it."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from controller.commands.check import checked
from controller.commands.verify import day_of
from controller.config import Settings
from controller.database import StoreError
from controller.staffing import history as source
from controller.staffing import shift_plan, work
from controller.staffing.history import BadHistory, History
from controller.staffing.simulated import NoAgents
from metrics.forecast import NoHistory
from pbx.ids import QueueId

METHODS = {"ours": "this forecast 本预测", "naive": "a week before 上周同期", "mean4": "mean of four weeks 四周平均"}


def main(arguments: argparse.Namespace) -> int:
    """0 when it could be said, 1 when there is too little history to say anything, 2 for a wrong request, 3 for a
    day that cannot be forecast.
    """
    if arguments.nice:
        os.nice(arguments.nice)
    settings = checked(arguments.config)
    if settings is None:
        return 2
    now = time.time()
    try:
        queues = _queues(settings, arguments.queue)
        days = _days(settings, arguments, now)
        known = _history(settings, arguments, queues, now)
        if arguments.action == "forecast" and arguments.back_test:
            document = _tested(settings, known, arguments)
        else:
            document = _asked(settings, known, days, arguments)
    except work.TooFar as error:
        print(f"staffing: {error}", file=sys.stderr)
        return 3
    except (BadHistory, NoAgents, StoreError, Wrong, shift_plan.NoPlan) as error:
        print(f"staffing: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"staffing: {arguments.history}: {error.strerror}", file=sys.stderr)
        return 2
    if arguments.json is not None:
        text = json.dumps(document, ensure_ascii=False, indent=None if str(arguments.json) == "-" else 1)
        if str(arguments.json) == "-":
            print(text)
        else:
            arguments.json.write_text(text + "\n", "utf-8")
    return 1 if document.get("nothing") else 0


class Wrong(ValueError):
    """A request that cannot be answered; the text says what is wrong."""


def _queues(settings: Settings, given: Sequence[str] | None) -> list[QueueId] | None:
    for queue in given or ():
        if queue not in settings.plan.queues:
            raise Wrong(f"{queue!r} is no queue; there are: {', '.join(settings.plan.queues)}")
    return [QueueId(queue) for queue in given] if given else None


def _days(settings: Settings, arguments: argparse.Namespace, now: float) -> tuple[date, ...]:
    zone = ZoneInfo(settings.plan.timezone)
    today = datetime.fromtimestamp(now, zone).date()
    if arguments.day in (None, "tomorrow"):
        first = today + timedelta(days=1)
    else:
        named = day_of(arguments.day, settings.plan.timezone)
        if named is None:
            raise Wrong(f"{arguments.day!r} is no day; such as 2026-11-22, 20261122, today or tomorrow")
        first = date.fromisoformat(named)
    return work.given_days(settings, first, arguments.days, now)


def _history(settings: Settings, arguments: argparse.Namespace, queues: list[QueueId] | None, now: float) -> History:
    if arguments.history is None:
        return work.read_history(settings, now, queues)
    if queues is None or len(queues) != 1:
        raise Wrong("a file of arrivals is one queue's: name it with --queue")
    found = source.from_csv(arguments.history, ZoneInfo(settings.plan.timezone))
    return replace(source.empty(settings, queues), by_queue={queues[0]: found})


def _asked(settings: Settings, known: History, days: tuple[date, ...], arguments: argparse.Namespace) -> dict[str, Any]:
    quiet = str(arguments.json) == "-"
    found = work.expected(settings, known, days)
    if arguments.action == "forecast":
        document = work.forecast_document(found)
        rows, table = forecast_rows(document), forecast_table
    else:
        simulate = not arguments.no_simulation
        document = work.required_document(settings, known, found, simulate=simulate)
        rows, table = required_rows(document), required_table
        if arguments.action == "plan" and found.by_queue:
            document = shift_plan.plan_document(settings, document, solver=arguments.solver, limit_s=arguments.limit_s)
            rows, table = shift_plan.plan_rows(document), shift_plan.plan_table
    for one in document["without_forecast"]:
        print(f"staffing: {one['queue']}: {one['why']}; no forecast 历史数据不足, 无法预测", file=sys.stderr)
    if not found.by_queue:
        return {**document, "nothing": True}
    listed = list(rows)
    if arguments.csv is not None:
        _write_csv(arguments.csv, listed)
    if not quiet:
        Console().print(table(document))
        for note in (shift_plan.plan_notes if arguments.action == "plan" else notes)(document):
            print(note)
    return document


def _write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as stream:  # a BOM: or Excel takes Chinese for something else
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def forecast_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a half-hour and queue."""
    for queue in document["queues"]:
        for day in queue["forecast"]:
            for slot, clock in enumerate(document["half_hours"]):
                yield {
                    "day": day["day"], "begin": clock, "queue": queue["queue"], "like": day["like"],
                    "calls": day["mean"][slot], "low": day["low"][slot], "high": day["high"][slot],
                }  # fmt: skip


def required_rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a half-hour and queue; the queue ``*`` is all of them together."""
    for day in document["days"]:
        parts = [*((one["queue"], one["need"]) for one in day["queues"]), ("*", day["together"])]
        for queue, needs in parts:
            for clock, row in zip(document["half_hours"], needs, strict=True):
                simulated = row.get("simulated") or {}
                yield {
                    "day": day["day"], "begin": clock, "queue": queue,
                    **{name: row[name] for name in ("calls", "erlangs", "erlang_c", "erlang_a", "seats", "roster")},
                    "simulated": simulated.get("agents", ""),
                }  # fmt: skip


def forecast_table(document: dict[str, Any]) -> Table:
    """Each queue's days, an hour a line."""
    made = Table(title="expected calls by half-hour 话务预测 (90 %)", title_justify="left", box=None)
    made.add_column("")
    columns = [(queue["queue"], day) for queue in document["queues"] for day in queue["forecast"]]
    for queue, day in columns:
        made.add_column(f"{queue}\n{day['day']} {day['like']}", justify="right")
    for slot, clock in enumerate(document["half_hours"]):
        made.add_row(clock, *(_cell(day, slot) for _, day in columns))
    made.add_row("sum 合计", *(f"{day['calls']:.0f}" for _, day in columns))
    return made


def _cell(day: dict[str, Any], slot: int) -> str:
    return f"{day['mean'][slot]:.1f}  [{day['low'][slot]}–{day['high'][slot]}]"


def required_table(document: dict[str, Any]) -> Table:
    """All queues together, a half-hour a line."""
    goal = document["goal"]
    title = (
        f"agents for {goal['target']:.0%} within {goal['within_s']:g} s, busy at most {goal['most_busy']:.0%}; "
        f"roster with {goal['shrinkage']:.0%} away 所需话务员"
    )
    made = Table(title=title, title_justify="left", box=None)
    made.add_column("", no_wrap=True)
    for heading in ("calls", "erlangs", "C", "A", "simulated", "roster", "below target"):
        made.add_column(heading, justify="right")
    for day in document["days"]:
        for clock, row in zip(document["half_hours"], day["together"], strict=True):
            found = row.get("simulated")
            below = ", ".join(f"{queue} {share:.0%}" for queue, share in found["below_target"].items()) if found else ""
            made.add_row(
                f"{day['day']} {clock}", f"{row['calls']:.1f}", f"{row['erlangs']:.1f}", str(row["erlang_c"]),
                str(row["erlang_a"]), f"{found['agents']} ({found['in_time']:.1%})" if found else "-",
                str(row["roster"]), below,
            )  # fmt: skip
    return made


def notes(document: dict[str, Any]) -> Iterator[str]:
    """What a reader must know of a forecast before he trusts it."""
    for queue in document.get("queues", ()):
        name = queue["queue"]
        if queue["short_history"]:
            yield f"note: {name}: {queue['learnt_days']} days of history; the interval is a guess 历史不足两周"
        if queue["unusual_days"] or queue["unusual_half_hours"]:
            yield (
                f"note: {name}: not learnt as normal 不计入常态: {', '.join(queue['unusual_days']) or 'no whole day'}; "
                f"{queue['unusual_half_hours']} half-hours"
            )
        if queue["never_seen"]:
            yield f"note: {name}: never seen in the history 历史中没有: {', '.join(queue['never_seen'])}"


def _tested(settings: Settings, known: History, arguments: argparse.Namespace) -> dict[str, Any]:
    """The last weeks, forecast from before them, beside two simple methods."""
    document: dict[str, Any] = {"back_test": {}, "without_forecast": []}
    made = Table(title="back-test of the last weeks 回测", title_justify="left", box=None)
    for heading in ("queue", "method", "WAPE", "MASE", "bias", "within 90 %"):
        made.add_column(heading, justify="left" if heading in ("queue", "method") else "right")
    for queue, arrivals in known.by_queue.items():
        try:
            found = work.tested(settings, arrivals, arguments.weeks)
        except NoHistory as error:
            document["without_forecast"].append({"queue": queue, "why": str(error)})
            print(f"staffing: {queue}: {error}; no back-test", file=sys.stderr)
            continue
        document["back_test"][queue] = work.test_document(found)
        for name, one in found.by_method.items():
            held = f"{one.held:.1%}" if one.held is not None else ""
            cells = (f"{one.wape:.1%}", f"{one.mase:.2f}", f"{one.bias:+.1%}", held)
            made.add_row(f"{queue} ({found.weeks} w)", METHODS[name], *cells)
    if not document["back_test"]:
        return {**document, "nothing": True}
    if str(arguments.json) != "-":
        Console().print(made)
    return document
