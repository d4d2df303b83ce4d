"""Which days are working days (工作日), and who says so: the State Council's notices, and the hotline's own days.

The yearly notice (节假日安排) moves days: a Saturday becomes a working day so that a holiday becomes longer (调休), so
a calendar of weekdays and holidays is not enough. The notices that have appeared come with `chinesecalendar`, a newer
one is entered as a file (`year_from_toml`, `year_from_csv`) or as single days in the configuration. For a year that
nobody knows yet, `Outside` says what holds; what rests on such a year is called provisional.
"""

from __future__ import annotations

import csv
import enum
import io
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib.metadata import version
from types import MappingProxyType
from typing import Protocol

import chinese_calendar

FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Statutory holidays with a fixed date, month and day (全国年节及纪念日放假办法, as of 2025)."""

STATUTORY_DAYS = ((2025, 13), (2008, 11), (0, 10))
"""From a year on, so many statutory holidays (全国年节及纪念日放假办法, as of 2025, 2008 and before)."""

HOLIDAY, WORKDAY = "holiday", "workday"
"""The two kinds of day that a file may name."""


class CalendarError(ValueError):
    """The calendar cannot say whether a day is a working day, or never finds one; the text says what to do."""


class Why(enum.Enum):
    """Who says whether a day is a working day, strongest first."""

    ENTERED = "entered"  #: the hotline's own day, in its configuration
    FILE = "file"  #: a year that the hotline entered as a file
    PUBLISHED = "published"  #: the State Council's notice, by the library chinesecalendar
    RULE = "rule"  #: nobody yet: weekends and `FIXED_HOLIDAYS` are free. Provisional.


@dataclass(frozen=True, slots=True)
class Standing:
    """What a day is, who says so, and the holiday's name where there is one."""

    workday: bool
    why: Why
    source: str
    name: str = ""


class Calendar(Protocol):
    """Whether a date is a working day."""

    def is_workday(self, day: date) -> bool:
        """True for a working day, make-up days included; raises `CalendarError` where it cannot know."""

    def known(self, day: date) -> bool:
        """Whether somebody has said so, and not only a rule for years of which nothing is known."""


class Outside(enum.Enum):
    """What holds in years for which the State Council's yearly notice (节假日安排) is not yet in the data."""

    WEEKENDS = "weekends"  #: Saturdays, Sundays and `FIXED_HOLIDAYS` are free: provisional, but a ticket gets a date
    ERROR = "error"  #: refuse


@dataclass(frozen=True, slots=True)
class YearDays:
    """The notice of one year as data: the days that are not what their weekday says, by date, each with its name.

    `days` may hold days of the last week of the year before: the notice for 2019 made 29 December 2018 a working day.
    """

    year: int
    source: str
    days: Mapping[date, tuple[bool, str]]

    def workdays(self) -> int:
        """How many working days the year has."""
        return sum(1 for day in _days_of(self.year) if self.days.get(day, (day.weekday() < 5, ""))[0])

    def doubts(self) -> Iterator[str]:
        """What looks like a slip of the pen, each a sentence; a notice may be right all the same.

        The check that finds most: a notice only moves days, so the working days of a year are its Mondays to Fridays
        less the statutory holidays (2025 and 2026: 261 - 13 = 248), or a day or two beside that when days were moved
        over New Year.
        """
        statutory = next(count for since, count in STATUTORY_DAYS if self.year >= since)
        expected = sum(1 for day in _days_of(self.year) if day.weekday() < 5) - statutory
        if (found := self.workdays()) != expected:
            yield (
                f"{self.year} would have {found} working days; {statutory} statutory holidays leave {expected}, unless "
                "days were moved over New Year. Is a day missing, or one too many?"
            )
        for month, day in sorted(FIXED_HOLIDAYS):
            fixed = date(self.year, month, day)
            if self.days.get(fixed, (fixed.weekday() < 5, ""))[0]:
                yield f"{fixed} is a statutory holiday and would be a working day."
        for day_, (works, _) in sorted(self.days.items()):
            if works and day_.weekday() < 5:
                yield f"{day_} is entered as a working day, which it is as a {day_:%A} anyway."


@dataclass(frozen=True, slots=True)
class ChineseCalendar:
    """Mainland China's working days.

    `days` comes first: dates that the hotline entered itself (True = working day), such as a local closure or the
    holidays that an autonomous region adds (广西: 三月三). Then `years`, the notices entered as files; then the library
    `chinesecalendar`. `outside` says what holds in years that none of them knows.
    """

    days: Mapping[date, bool] = field(default_factory=lambda: MappingProxyType({}))
    outside: Outside = Outside.WEEKENDS
    years: Mapping[int, YearDays] = field(default_factory=lambda: MappingProxyType({}))

    def is_workday(self, day: date) -> bool:
        """True for a working day, make-up working weekends included; raises `CalendarError` if `outside` says so."""
        return self.standing(day).workday

    def known(self, day: date) -> bool:
        """Whether the day's standing is published or entered: False where only the weekend rule speaks."""
        return day in self.days or self._filed(day) is not None or published(day.year)

    def standing(self, day: date) -> Standing:
        """What the day is and who says so. Raises `CalendarError` if `outside` says so."""
        entered = self.days.get(day)
        if entered is not None:
            return Standing(entered, Why.ENTERED, "[tickets] holidays, workdays")
        filed = self._filed(day)
        if filed is not None:
            works, name = filed.days.get(day, (day.weekday() < 5, ""))
            return Standing(works, Why.FILE, filed.source, name)
        if published(day.year):
            return _published(day)
        if self.outside is Outside.ERROR:
            raise CalendarError(
                f"The holiday data end before {day.year}: update the package chinesecalendar, or enter the days of "
                f"the State Council's notice for {day.year} in the configuration."
            )
        free = day.weekday() >= 5 or (day.month, day.day) in FIXED_HOLIDAYS
        return Standing(not free, Why.RULE, f"no notice for {day.year} is known: weekends and fixed holidays only")

    def _filed(self, day: date) -> YearDays | None:
        """The file that speaks of this day: its year's, or the next year's where that names it."""
        after = self.years.get(day.year + 1)
        if after is not None and day in after.days:
            return after
        return self.years.get(day.year)


def published(year: int) -> bool:
    """Whether the library has this year's notice; a few days of it, as of New Year in December, are no notice."""
    return all(date(year, month, day) in chinese_calendar.holidays for month, day in ((1, 1), (5, 1), (10, 1)))


def _published(day: date) -> Standing:
    """What the library says; the same as its `is_workday`, which looks through all its dates at every call."""
    name = chinese_calendar.holidays.get(day)
    moved = chinese_calendar.workdays.get(day)
    works = moved is not None or (day.weekday() < 5 and name is None)
    return Standing(works, Why.PUBLISHED, _LIBRARY, _CHINESE.get(moved or name or "", ""))


_LIBRARY = f"chinesecalendar {version('chinesecalendar')}"
_CHINESE: dict[str, str] = {one.value: one.chinese for one in chinese_calendar.Holiday}


def unknown_years(calendar: Calendar, first: date, last: date) -> tuple[int, ...]:
    """The years from `first` to `last` of which the calendar does not know every working day that a deadline may need.

    A year is known when its National Day is: a notice names the whole year.
    """
    return tuple(year for year in range(first.year, last.year + 1) if not calendar.known(date(year, 10, 8)))


def _days_of(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)


# ---------------------------------------------------------------- files


def year_from_toml(text: str, source: str) -> YearDays:
    """A year's notice from TOML; `source` is said where the file names none. Raises `CalendarError` with every fault.

    ``year = 2027``, ``source = "…"``, and tables `[holidays]` and `[workdays]` of a name and its days, each day or span
    a date or a text: ``"元旦" = ["2027-01-01..2027-01-03"]``.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CalendarError(f"is not TOML: {error}") from None
    faults = [f"{key} is not known; there are year, source, holidays, workdays" for key in table if key not in _KEYS]
    rows: list[tuple[str, object, str]] = []
    for key, kind in (("holidays", HOLIDAY), ("workdays", WORKDAY)):
        named = table.get(key, {})
        if isinstance(named, list):
            named = {"": named}
        if not isinstance(named, dict):
            faults.append(f"{key} must be a table of names with their days")
            continue
        for name, days in named.items():
            rows.extend((kind, day, name) for day in (days if isinstance(days, list) else [days]))
    year = table.get("year")
    if not isinstance(year, int) or not 1949 <= year <= 9998:
        raise CalendarError("; ".join([*faults, "year must be given, such as year = 2027"]))
    return _year(year, str(table.get("source", source)), rows, faults)


_KEYS = ("year", "source", "holidays", "workdays")


def year_from_csv(text: str, source: str) -> YearDays:
    """A year's notice from CSV with the columns date, kind (holiday or workday) and name. Raises `CalendarError`.

    The year is that of most of its days; a date may be a span, as in TOML.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if not {"date", "kind"} <= set(reader.fieldnames or ()):
        raise CalendarError("the first line must name the columns date,kind,name")
    rows: list[tuple[str, object, str]] = []
    faults: list[str] = []
    years: dict[int, int] = {}
    for line in reader:
        kind, day = (line["kind"] or "").strip(), (line["date"] or "").strip()
        if kind not in (HOLIDAY, WORKDAY):
            faults.append(f"line {reader.line_num}: kind is {HOLIDAY} or {WORKDAY}, not {kind!r}")
            continue
        rows.append((kind, day, (line.get("name") or "").strip()))
        if day[:4].isdigit():
            years[int(day[:4])] = years.get(int(day[:4]), 0) + 1
    if not years:
        raise CalendarError("; ".join([*faults, "there is no day in it"]))
    return _year(max(years, key=lambda year: years[year]), source, rows, faults)


def year_from(name: str, text: str) -> YearDays:
    """A year's notice from a file's text, TOML or CSV as its name says. Raises `CalendarError`."""
    if name.lower().endswith(".csv"):
        return year_from_csv(text, name)
    return year_from_toml(text, name)


def _year(year: int, source: str, rows: Iterable[tuple[str, object, str]], faults: list[str]) -> YearDays:
    days: dict[date, tuple[bool, str]] = {}
    for kind, given, name in rows:
        try:
            span = list(_span(given))
        except ValueError as error:
            faults.append(str(error))
            continue
        for day in span:
            if day.year != year and (day.year, day.month) != (year - 1, 12):
                faults.append(f"{day} is not in {year}")
            elif days.get(day, (kind == WORKDAY, name))[0] != (kind == WORKDAY):
                faults.append(f"{day} is both a holiday and a working day")
            else:
                days[day] = (kind == WORKDAY, name)
    if not any(not works for works, _ in days.values()):
        faults.append(f"no holiday of {year} is named")
    if faults:
        raise CalendarError("; ".join(faults))
    return YearDays(year, source, MappingProxyType(days))


def _span(given: object) -> Iterator[date]:
    """The days of a date, or of a text with a date or two: ``2027-01-01..2027-01-03``. Raises ValueError."""
    if isinstance(given, date):
        yield given
        return
    if not isinstance(given, str):
        raise ValueError(f"{given!r} is no date")
    first, _, last = given.partition("..")
    try:
        day, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise ValueError(f"{given!r} is no date such as 2027-01-01, nor a span 2027-01-01..2027-01-03") from None
    if not timedelta() <= end - day <= timedelta(days=31):
        raise ValueError(f"{given!r} ends before it begins, or is longer than a month")
    while day <= end:
        yield day
        day += timedelta(days=1)
