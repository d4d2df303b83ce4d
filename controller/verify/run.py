"""A check of whole journals: reads their files, hands each step to the checker, and repeats them in a switchboard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.journal_file import Entry, Header, JournalDamaged
from controller.plan import Plan
from controller.replay import replay
from controller.switchboard import Switchboard
from controller.verify.checker import Bounds, Checker, Place
from controller.verify.facts import facts_of
from controller.verify.lines import read_raw
from controller.verify.report import Finding, Report


@dataclass(frozen=True, slots=True)
class Checked:
    """A report, what could not be read, and how long both parts took in seconds."""

    report: Report
    damaged: tuple[str, ...]
    check_s: float
    replay_s: float
    replayed: int  #: steps


def check(
    plan: Plan,
    journals: Sequence[Sequence[Header]],
    *,
    day: str | None = None,
    bounds: Bounds | None = None,
    with_replay: bool = True,
    any_configuration: bool = False,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Checked:
    """Check the journals of these starts, in order; findings before `day` are left out. Raises OSError.

    A start that was written under another configuration is checked without what depends on it, and that is said.
    """
    other = sorted({h.configuration for files in journals for h in files if h.configuration != plan.version})
    known = any_configuration or not other
    checker = Checker(facts_of(plan) if known else None, bounds)
    damaged: list[str] = []
    began = time.perf_counter()
    for files in journals:
        checker.begin()
        wanted = {str(header.file) for header in files if day is None or header.day == day}
        quiet = str(files[0].file) not in wanted
        try:
            for line in read_raw(files, on_bytes):
                if quiet and str(line.file) in wanted:
                    quiet = False
                    checker.only_from_now()
                place = Place(str(line.file), line.number, line.seq)
                if line.lost:
                    damaged.append(f"{line.file}:{line.number}: step {line.seq} could not be written at the time")
                checker.take(place, line.now, line.event, line.commands, line.error)
        except JournalDamaged as error:
            damaged.append(str(error))
    report = checker.finish()
    check_s = time.perf_counter() - began
    if other:
        asked = (
            "who fits whom is checked by this one" if any_configuration else "who fits whom and replay are not checked"
        )
        note = f"written under configuration {', '.join(other)}, this one is {plan.version}: {asked}"
        report.notes.append(note)
        if not any_configuration:
            first = journals[0][0]
            expected = "the configuration of that time"
            report.add(Finding("not-checked", str(first.file), 1, first.first, first.opened, "", "", note, expected))
    replayed, began = 0, time.perf_counter()
    if with_replay and not other:
        replayed = sum(_replayed(plan, files, report, damaged, on_bytes) for files in journals)
    return Checked(report, tuple(dict.fromkeys(damaged)), check_s, time.perf_counter() - began, replayed)


def _replayed(
    plan: Plan, files: Sequence[Header], report: Report, damaged: list[str], on_bytes: Callable[[int], None]
) -> int:
    """Repeat one start; the number of steps that came out the same."""
    same = 0
    now = files[0].opened
    size = sum(header.file.stat().st_size for header in files)

    def stepped(entry: Entry) -> None:
        nonlocal same, now
        same += 1
        now = entry.now
        if same % 1000 == 0:
            on_bytes(0)

    try:
        difference = replay(files[-1].file, lambda header: Switchboard(plan), on_step=stepped)
    except JournalDamaged as error:
        damaged.append(str(error))
        return same
    finally:
        on_bytes(size)
    if difference is not None:
        expected = "the recorded decision"
        report.add(
            Finding(
                "replay", str(difference.file), difference.line, difference.seq, now, "", "", difference.text, expected
            )
        )
    return same
