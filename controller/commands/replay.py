"""`hotline replay DAY`: repeat a journal and report the first differing decision; with a change, yesterday as it would
have been.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from controller.commands.check import checked
from controller.commands.verify import NoJournal, find
from controller.config import ConfigError, Settings
from controller.database import StoreError
from controller.journal_file import Header, JournalDamaged
from controller.replay import Difference, replay
from controller.simulation import whatif
from controller.simulation.report import side_by_side
from controller.simulation.yesterday import Yesterday, read_day
from controller.switchboard import Switchboard


def main(arguments: argparse.Namespace) -> int:
    """0 when every decision was the same, 1 when one differs, 2 when the journal or the change cannot be used."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        day, journals = find([str(arguments.file)], settings.data / "journal", settings.plan.timezone)
        change = whatif.load_change(arguments.config, arguments.change) if arguments.change else None
        if change is None:
            return _same(settings, arguments, [files[-1] for files in journals])
        return _changed(settings, arguments, [files[-1] for files in journals], day, change)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = len(error.problems)
        print(f"{count} {'fault' if count == 1 else 'faults'}; nothing was replayed.", file=sys.stderr)
    except (JournalDamaged, NoJournal, StoreError, OSError, ValueError) as error:
        print(f"replay: {error}", file=sys.stderr)
    return 2


def _same(settings: Settings, arguments: argparse.Namespace, headers: list[Header]) -> int:
    """Each start of the day, to the letter."""
    for header in headers:
        difference = replay(header.file, lambda _: Switchboard(settings.plan))
        _other_configuration(header, settings, arguments.config)
        if difference is not None:
            print(difference)
            return 1
        print(f"{header.file}: every decision is the same")
    return 0


def _other_configuration(header: Header, settings: Settings, config: Path) -> None:
    if header.configuration != settings.plan.version:
        print(
            f"replay: the journal was written under configuration {header.configuration}, {config} is "
            f"{settings.plan.version}; decisions may differ for that reason",
            file=sys.stderr,
        )


def _changed(
    settings: Settings, arguments: argparse.Namespace, headers: list[Header], only: str | None, change: whatif.Change
) -> int:
    """Yesterday beside the day that it would have been."""
    days: list[Yesterday] = []
    for header in headers:
        found = read_day(header.file, header, settings.plan)
        _other_configuration(header, settings, arguments.config)
        if isinstance(found, Difference):
            print(f"{found}\nreplay: what cannot be repeated as it was cannot be changed either", file=sys.stderr)
            return 1
        days.append(found)
    yesterday = [day.records for day in days]
    columns = {"yesterday": whatif.measured(days, yesterday, settings.plan, None, only)}
    if change.nothing:
        columns["unchanged"] = whatif.measured(days, yesterday, change.plan, change, only)
    else:
        again = [whatif.play(day, settings.plan) for day in days]
        columns["played again"] = whatif.measured(days, again, settings.plan, None, only)
        other = [whatif.play(day, change.plan, change) for day in days]
        columns["changed"] = whatif.measured(days, other, change.plan, change, only)
    console = Console()
    title = f"{only or headers[-1].file.name}, {sum(day.steps for day in days)} steps"
    console.print(side_by_side(title, list(columns.items())))
    if change.nothing:
        console.print("nothing is changed: every decision is the same, and so is every figure")
    else:
        console.print("played again = yesterday's rules in the model: how far it is from yesterday is its error")
        for note in dict.fromkeys(whatif.notes(days)):
            console.print(note)
    if arguments.json is not None:
        text = json.dumps(whatif.document(columns, days, only), ensure_ascii=False, indent=2)
        arguments.json.write_text(text + "\n", "utf-8")
    return 0
