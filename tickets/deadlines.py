"""When a ticket must be signed for (签收) and closed (办结): working hours and days, with statutory holidays and 调休.

Two kinds of time are counted (`domain.md` D5, D7): the working hour (工作小时), which runs only within the working
hours of a working day, and the working day (工作日), of which the day of the event itself is not counted and the last
one ends with the working hours (民法典 art. 201 and 203). Whether a day is a working day is asked of a `Calendar`.
All instants that go in and come out are epoch seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol
from zoneinfo import ZoneInfo

import chinese_calendar

LONGEST_CLOSURE_DAYS = 60
"""No calendar of offices is closed for so long; one that says so is wrong, and the search for a working day ends."""

FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Statutory holidays with a fixed date, month and day (全国年节及纪念日放假办法, as of 2025)."""


class CalendarError(ValueError):
    """The calendar cannot say whether a day is a working day, or never finds one; the text says what to do."""


class Calendar(Protocol):
    """Whether a date is a working day."""

    def is_workday(self, day: date) -> bool:
        """True for a working day, make-up days included; raises `CalendarError` where it cannot know."""


class Outside(enum.Enum):
    """What holds in years for which the State Council's yearly notice (节假日安排) is not yet in the data."""

    WEEKENDS = "weekends"  #: Saturdays, Sundays and `FIXED_HOLIDAYS` are free: provisional, but a ticket gets a date
    ERROR = "error"  #: refuse


@dataclass(frozen=True, slots=True)
class ChineseCalendar:
    """Mainland China's working days by the data of the library `chinesecalendar`.

    `days` comes first: dates that the hotline entered itself (True = working day), such as a notice that is newer than
    the library or a local closure. `outside` says what holds in years that neither knows.
    """

    days: Mapping[date, bool] = field(default_factory=lambda: MappingProxyType({}))
    outside: Outside = Outside.WEEKENDS

    def is_workday(self, day: date) -> bool:
        """True for a working day, make-up working weekends included; raises `CalendarError` if `outside` says so."""
        entered = self.days.get(day)
        if entered is not None:
            return entered
        published = _published(day)
        if published is not None:
            return published
        if self.outside is Outside.ERROR:
            raise CalendarError(
                f"The holiday data end before {day.year}: update the package chinesecalendar, or enter the days of "
                f"the State Council's notice for {day.year} in the configuration."
            )
        return day.weekday() < 5 and (day.month, day.day) not in FIXED_HOLIDAYS

    def known(self, day: date) -> bool:
        """Whether the day's standing is published: False where only the weekend rule speaks."""
        return day in self.days or _published(day) is not None


@lru_cache(maxsize=4096)
def _published(day: date) -> bool | None:
    """What the library's data say; None for a year that they do not have."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return None


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The spans of a working day in which working hours run, as local times in order, and the time zone.

    The default adds up to eight hours, the legal day (国务院关于职工工作时间的规定 art. 3); when units begin and end
    is local custom (GK in `domain.md`'s sense), so it is configuration. Raises ValueError for spans that are empty, out
    of order or overlap.
    """

    spans: tuple[tuple[time, time], ...] = ((time(8, 30), time(12, 0)), (time(13, 30), time(18, 0)))
    zone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        """Refuse hours that no day can have."""
        edges = [edge for span in self.spans for edge in span]
        if not edges or any(later <= earlier for earlier, later in zip(edges, edges[1:], strict=False)):
            raise ValueError("working hours must be spans from earlier to later, in order and apart from each other")

    def of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The spans of one day as instants in UTC."""
        zone = ZoneInfo(self.zone)
        for begin, end in self.spans:
            yield (
                datetime.combine(day, begin, zone).astimezone(UTC),
                datetime.combine(day, end, zone).astimezone(UTC),
            )

    def local_day(self, at: float) -> date:
        """The date at the hotline at epoch second `at`."""
        return datetime.fromtimestamp(at, ZoneInfo(self.zone)).date()


class Unit(enum.Enum):
    """In what a limit is counted."""

    WORKING_HOURS = "working_hours"  #: 工作小时
    WORKING_DAYS = "working_days"  #: 工作日
    HOURS = "hours"  #: by the clock, day and night (an order with a hard limit, `domain.md` D9)


@dataclass(frozen=True, slots=True)
class Limit:
    """So much time, and where the number comes from. Raises ValueError unless it is positive, and days are whole."""

    amount: float
    unit: Unit
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a limit that cannot be met or counted."""
        if not 0 < self.amount < 10_000:
            raise ValueError(f"a limit must be more than 0, not {self.amount}")
        if self.unit is Unit.WORKING_DAYS and self.amount != int(self.amount):
            raise ValueError(f"working days are counted whole, not {self.amount}")


SIGN_LIMIT = Limit(4, Unit.WORKING_HOURS, "domain.md D5: 簽收時限 4 個工作小時")
HANDLE_LIMIT = Limit(5, Unit.WORKING_DAYS, "domain.md D7: 非咨詢類訴求 5 個工作日")
HANDLE_LIMITS: Mapping[str, Limit] = MappingProxyType(
    {"inquiry": Limit(3, Unit.WORKING_DAYS, "domain.md D7: 咨詢類訴求 3 個工作日")}
)


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """The table of limits: to sign, to close by type of ticket (the value of `TicketType`), and to close any other."""

    sign: Limit = SIGN_LIMIT
    handle: Mapping[str, Limit] = field(default_factory=lambda: HANDLE_LIMITS)
    handle_other: Limit = HANDLE_LIMIT

    def handle_limit(self, type_: str | None) -> Limit:
        """The limit to close a ticket of this type; a ticket without a type yet has the one of every other type."""
        return self.handle.get(type_ or "", self.handle_other)


def due(start: float, limit: Limit, hours: WorkingHours, calendar: Calendar) -> float:
    """The instant at which `limit`, counted from `start`, has run out. Raises `CalendarError`.

    Working hours: the first instant by which so many of them have run. Working days: the end of the working hours of
    the n-th working day after the day of `start`.
    """
    if limit.unit is Unit.HOURS:
        return start + limit.amount * 3600.0
    if limit.unit is Unit.WORKING_DAYS:
        return _after_days(start, int(limit.amount), hours, calendar)
    return _after_hours(start, timedelta(hours=limit.amount), hours, calendar)


def _after_hours(start: float, left: timedelta, hours: WorkingHours, calendar: Calendar) -> float:
    cursor = datetime.fromtimestamp(start, UTC)
    for day in _workdays(hours.local_day(start), calendar):
        for begin, end in hours.of(day):
            begin = max(begin, cursor)
            if begin >= end:
                continue
            if left <= end - begin:
                return (begin + left).timestamp()
            left -= end - begin
    raise AssertionError("the working days never end")


def _after_days(start: float, count: int, hours: WorkingHours, calendar: Calendar) -> float:
    for day in _workdays(hours.local_day(start) + timedelta(days=1), calendar):
        count -= 1
        if count == 0:
            *_, (_, close) = hours.of(day)
            return close.timestamp()
    raise AssertionError("the working days never end")


def _workdays(day: date, calendar: Calendar) -> Iterator[date]:
    free = 0
    while free < LONGEST_CLOSURE_DAYS:
        if calendar.is_workday(day):
            free = 0
            yield day
        else:
            free += 1
        day += timedelta(days=1)
    raise CalendarError(f"The calendar has no working day in {LONGEST_CLOSURE_DAYS} days up to {day}: correct it.")
