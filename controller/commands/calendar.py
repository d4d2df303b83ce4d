"""`hotline calendar`: a month with who says what each day is, or a check of a year's notice before it is entered."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.commands.check import checked
from controller.config import Settings
from tickets.calendars import CalendarError, ChineseCalendar, Standing, Why, YearDays, year_from

MARKS = {True: "班", False: "休"}
"""What a calendar in China prints beside a day that is not what its weekday says."""

SOURCES = {
    Why.ENTERED: "entered in the configuration",
    Why.FILE: "from a file of [tickets] calendars",
    Why.PUBLISHED: "the State Council's notice",
    Why.RULE: "NOBODY YET: plain weekends and fixed holidays, provisional",
}


def main(arguments: argparse.Namespace) -> int:
    """0 when the month could be shown or the file is good; 1 for a file with faults; 2 for a wrong configuration."""
    if arguments.check is not None:
        return _check(arguments.check)
    settings = checked(arguments.config)
    if settings is None:
        return 2
    calendar = settings.tickets.calendar
    assert isinstance(calendar, ChineseCalendar)
    try:
        months = _months(arguments.month, settings)
    except ValueError:
        print(f"hotline: {arguments.month!r} is neither a month such as 2027-02 nor a year", file=sys.stderr)
        return 2
    for month in months:
        print("\n".join(show(month, calendar)))
    return 0


def _months(given: str | None, settings: Settings) -> list[date]:
    if given is None:
        return [datetime.now(ZoneInfo(settings.tickets.hours.zone)).date().replace(day=1)]
    if given.isdecimal():
        return [date(int(given), month, 1) for month in range(1, 13)]
    return [date.fromisoformat(f"{given}-01")]


def show(month: date, calendar: ChineseCalendar) -> Iterator[str]:
    """A month, week by week; after it every day that is not what its weekday says, and who says what."""
    days: list[tuple[date, Standing]] = []
    day = month
    while day.month == month.month:
        days.append((day, calendar.standing(day)))
        day += timedelta(days=1)
    yield f"{month:%Y-%m}  {sum(one.workday for _, one in days)} working days 工作日"
    yield "  Mo     Tu     We     Th     Fr     Sa     Su"
    row = "       " * month.weekday()
    for day, one in days:
        odd = one.workday is not (day.weekday() < 5)
        row += f"  {day.day:2d}{MARKS[one.workday] if odd else '  '} "
        if day.weekday() == 6:
            yield row.rstrip()
            row = ""
    if row:
        yield row.rstrip()
    for day, one in days:
        if one.workday is not (day.weekday() < 5) or one.name:
            what = "works" if one.workday else "free"
            yield f"  {day} {day:%a} {what:5} {one.name or '-'}  ({one.source})"
    for why in Why:
        count = sum(one.why is why for _, one in days)
        if count:
            yield f"  {count} days: {SOURCES[why]}"
    yield ""


def _check(file: Path) -> int:
    try:
        year = year_from(file.name, file.read_text("utf-8"))
    except OSError as error:
        print(f"{file}: cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    except UnicodeDecodeError:
        print(f"{file}: is not UTF-8 text; save it as UTF-8", file=sys.stderr)
        return 1
    except CalendarError as error:
        for fault in str(error).split("; "):
            print(f"{file}: {fault}", file=sys.stderr)
        return 1
    print("\n".join(_summary(file, year)))
    return 0


def _summary(file: Path, year: YearDays) -> Iterator[str]:
    free = sum(not works for works, _ in year.days.values())
    yield (
        f"{file}: good. {year.year}, {year.source}: {free} days free, {len(year.days) - free} make-up working days, "
        f"{year.workdays()} working days in the year."
    )
    for doubt in year.doubts():
        yield f"note: {doubt}"
    yield f'Enter it: [tickets] calendars = ["{file.name}"]'
