"""`hotline why CALL`: every decision about a call, with its reason and what else there was to choose from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.commands.check import checked
from controller.commands.verify import day_of
from controller.journal_file import Header, JournalDamaged
from controller.plan import Plan
from controller.verify.checker import Place
from controller.verify.facts import facts_of
from controller.verify.lines import days, read_raw, starts
from controller.verify.why import Moment, Story
from controller.verify.why_request import RequestStory, request_of


def main(arguments: argparse.Namespace) -> int:
    """0 when the call was found, 1 when no journal knows it, 2 when a journal cannot be read."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    zone = settings.plan.timezone
    day = None
    if arguments.day is not None and (day := day_of(arguments.day, zone)) is None:
        print(f"why: {arguments.day!r} is no day; such as 2026-11-22, 20261122, today or yesterday", file=sys.stderr)
        return 2
    folder = settings.data / "journal"
    try:
        call, journals = find(folder, arguments.call, day)
        if not journals:
            known = ", ".join(days(folder)) or "none"
            where = f"of {day}" if day else f"in {folder}"
            print(f"why: no journal {where} knows a call or ticket {arguments.call}; days: {known}", file=sys.stderr)
            return 1
        story = tell(settings.plan, call, journals)
        request = request_of(call) if not story else ""
        if request:  # of a call-back, or of an attempt that nobody answered
            story = tell_request(request, find(folder, request, day)[1])
    except (JournalDamaged, OSError) as error:
        print(f"why: {error}", file=sys.stderr)
        return 2
    others = {header.configuration for files in journals for header in files} - {settings.plan.version}
    if others:
        note = f"written under configuration {', '.join(sorted(others))}, this one is {settings.plan.version}"
        print(f"why: {note}; who else fitted may have been otherwise", file=sys.stderr)
    if arguments.json:
        subject = {"request": request} if request else {"call": call}
        whole = {**subject, "moments": [moment.as_json() for moment in story]}
        print(json.dumps(whole, ensure_ascii=False, indent=1))
    else:
        print(f"回拨 call-back {request}" if request else f"来电 call {call}")
        for moment in story:
            show(moment, zone)
    return 0


def find(folder: Path, asked: str, day: str | None) -> tuple[str, list[list[Header]]]:
    """The id of the call that is asked for, by its id or by its ticket's number, and the starts whose journals name it,
    each with its files up to the last that does. Raises `JournalDamaged`, OSError.
    """
    journals = starts(folder)
    ticket = json.dumps({"ticket": asked}, separators=(",", ":"))[1:-1].encode()
    call = asked
    for header in (header for files in journals for header in files if day in (None, header.day)):
        for line in _lines_with(header.file, ticket):
            try:
                event = json.loads(line)["event"]
            except (ValueError, KeyError, TypeError):
                continue
            if event.get("is") == "TicketOpened" and event.get("ticket") == asked:
                call = str(event["call"])
    wanted = json.dumps(call).encode()
    found = []
    for files in journals:
        named = [
            index
            for index, header in enumerate(files)
            if day in (None, header.day) and any(True for _ in _lines_with(header.file, wanted))
        ]
        if named:
            found.append(files[: named[-1] + 1])
    return call, found


def _lines_with(file: Path, text: bytes) -> Iterable[bytes]:
    with file.open("rb") as lines:
        yield from (line for line in lines if text in line)


def tell(plan: Plan, call: str, journals: Sequence[Sequence[Header]]) -> list[Moment]:
    """What happened to the call in these journals, in order. Raises `JournalDamaged`, OSError."""
    story = Story(call, facts_of(plan))
    for files in journals:
        story.begin()
        for line in read_raw(files):
            if not line.lost:
                story.take(
                    Place(str(line.file), line.number, line.seq), line.now, line.event, line.commands, line.error
                )
    return story.moments


def tell_request(request: str, journals: Sequence[Sequence[Header]]) -> list[Moment]:
    """What happened to a call-back request in these journals, in order. Raises `JournalDamaged`, OSError."""
    story = RequestStory(request)
    for files in journals:
        for line in read_raw(files):
            if not line.lost:
                story.take(Place(str(line.file), line.number, line.seq), line.now, line.event, line.commands)
    return story.moments


def show(moment: Moment, zone: str) -> None:
    """One moment for people: when, what, and below it why."""
    at = datetime.fromtimestamp(moment.at, ZoneInfo(zone))
    print(f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}  {moment.zh} · {moment.en}")
    if moment.ahead is not None:
        here, everywhere = moment.ahead
        print(
            f"    位置 place: {here} ahead in {moment.queue}, {everywhere} in all queues; "
            f"已等 waited {moment.waited_s:.1f} s"
        )
    if moment.reason:
        for label, part in zip(("坐席 agent", "来电 caller"), moment.reason.split(" | ", 1), strict=False):
            print(f"    为何 why this {label}: {part}")
    if moment.rules:
        print(f"    规则 rules: {', '.join(moment.rules)}")
    for other in moment.others:
        print(f"    为何不是 why not {other.agent}: {other.zh} · {other.en}")
    if moment.others_more:
        print(f"    … {moment.others_more} more agents")
