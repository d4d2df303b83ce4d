"""`hotline verify DAY|FILE…`: hold journals against what is promised, by rules that are not the switchboard's own."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from controller.commands import day as day_command
from controller.commands.check import checked
from controller.commands.day import sealed_faults
from controller.database import StoreError
from controller.days import as_json
from controller.journal_file import Header, JournalDamaged, read_header
from controller.verify.checker import Bounds
from controller.verify.lines import chosen, days, starts
from controller.verify.report import INVARIANTS, STRICT
from controller.verify.run import Checked, check

MOST_SHOWN = 50
"""So many findings are printed; all that were kept stand in the JSON."""


def main(arguments: argparse.Namespace) -> int:
    """0 when every promise was kept, 1 when one was broken, 2 when a journal cannot be read."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        sealed = sealed_faults(settings, arguments.journal, settings.plan.timezone)
        if sealed is not None and not arguments.json:
            day_command.show(sealed)
    except StoreError as error:
        print(f"verify: the day's seal is not checked: {error}", file=sys.stderr)
        sealed = None
    changed = sealed is not None and bool(sealed.findings)
    try:
        day, journals = find(arguments.journal, settings.data / "journal", settings.plan.timezone)
        total = sum(header.file.stat().st_size for files in journals for header in files)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        ) as progress:
            task = progress.add_task("verify", total=total * (1 if arguments.no_replay else 2))
            found = check(
                settings.plan,
                journals,
                day=day,
                bounds=Bounds(idle_s=arguments.idle_ms / 1000),
                with_replay=not arguments.no_replay,
                any_configuration=arguments.any_configuration,
                on_bytes=lambda count: progress.advance(task, count),
            )
    except (JournalDamaged, NoJournal, OSError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1 if changed else 2
    if arguments.json:
        whole = found.report.as_json(strict=arguments.strict)
        whole |= {"damaged": list(found.damaged), "replayed": found.replayed}
        whole |= {"check_s": round(found.check_s, 3), "replay_s": round(found.replay_s, 3)}
        whole |= {"sealed": as_json(sealed)} if sealed is not None else {}
        print(json.dumps(whole, ensure_ascii=False, indent=1))
    else:
        show(found, strict=arguments.strict)
    if found.damaged and not changed:
        return 2
    return 1 if changed or found.report.broken(strict=arguments.strict) else 0


class NoJournal(Exception):
    """There is no such journal; the text says which there are."""


def find(asked: Sequence[str], folder: Path, zone: str) -> tuple[str | None, list[list[Header]]]:
    """The day that is asked for (None when files are), and the files of each start that belong to it, in order.

    Raises `NoJournal`, `JournalDamaged`, OSError.
    """
    if len(asked) == 1 and (day := day_of(asked[0], zone)) is not None:
        journals = chosen(folder, day)
        if not journals:
            known = days(folder)
            there = f"there are {', '.join(known)}" if known else "there is none at all"
            raise NoJournal(f"no journal of {day} in {folder}: {there}")
        return day, journals
    by_start: dict[tuple[Path, str], Path] = {}
    for text in asked:
        path = Path(text)
        if not path.exists():
            raise NoJournal(f"{text} is neither a day (2026-11-22, 20261122, today or yesterday) nor a file")
        files = [header.file for parts in starts(path) for header in parts] if path.is_dir() else [path]
        if not files:
            raise NoJournal(f"no journal in {path}")
        for file in files:
            header = read_header(file)
            key = (file.parent.resolve(), header.start)
            if key not in by_start or read_header(by_start[key]).part < header.part:
                by_start[key] = file
    return None, [_parts(by_start[key]) for key in sorted(by_start, key=lambda key: key[1])]


def _parts(last: Path) -> list[Header]:
    """The files of a start up to one of them: it is read from its beginning."""
    wanted = read_header(last)
    found = [read_header(file) for file in sorted(last.parent.glob(f"{wanted.start}-*.jsonl"))]
    return [header for header in found if header.part <= wanted.part]


def day_of(text: str, zone: str) -> str | None:
    """A day as the journal's names have it; None for what is no day."""
    if text in ("today", "yesterday"):
        now = datetime.now(ZoneInfo(zone))
        return (now - timedelta(days=text == "yesterday")).strftime("%Y%m%d")
    plain = text.replace("-", "")
    if not re.fullmatch(r"\d{8}", plain):
        return None
    try:
        return datetime.strptime(plain, "%Y%m%d").strftime("%Y%m%d")  # noqa: DTZ007 - a date alone
    except ValueError:
        return None


def show(found: Checked, *, strict: bool) -> None:
    """The report for people."""
    report = found.report
    console = Console()
    for finding in report.findings[:MOST_SHOWN]:
        if strict or finding.invariant not in STRICT:
            console.print(str(finding), markup=False, highlight=False, soft_wrap=True)
    more = sum(report.counts.values()) - MOST_SHOWN
    if more > 0:
        console.print(f"… and {more} more (--json has them)", markup=False)
    table = Table("check 检查", "", "violations 违反", box=None, pad_edge=False)
    for name, (chinese, english) in INVARIANTS.items():
        if name in STRICT and not strict and not report.counts.get(name):
            continue
        count = report.counts.get(name, 0)
        mark = str(count) if name not in STRICT or strict else f"({count})"
        table.add_row(name, f"{chinese} · {english}", mark)
    console.print(table)
    by_rule = ", ".join(f"{name} {count}" for name, count in sorted(report.overtakings.items())) or "none"
    console.print(
        f"{report.steps} steps, {report.starts} starts, {report.calls} calls ({report.ended} ended, {report.open} "
        f"open), {report.offers} offers; overtaken by a named rule: {by_rule}; longest idle beside a fitting caller "
        f"{report.longest_idle_s * 1000:.1f} ms",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    rate = report.steps / found.check_s if found.check_s > 0 else 0.0
    console.print(
        f"checked in {found.check_s:.1f} s ({rate:,.0f} steps/s), replayed {found.replayed} steps in "
        f"{found.replay_s:.1f} s",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    for note in (*report.notes, *found.damaged):
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    broken = report.broken(strict=strict)
    console.print("verified: no promise was broken" if not broken else f"{broken} violations", markup=False)
