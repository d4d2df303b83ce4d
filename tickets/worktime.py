"""Working time on a calendar, counted exactly: how much of it lies between two instants, and when so much has run.

Everything is counted in whole microseconds of the epoch, so that time which is stopped and goes on a hundred times adds
up to the microsecond. For every year the working spans are laid out once, with the working time that has run before
each (a prefix sum); a question then takes two searches by halves, whether it spans an hour or a year.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tickets.calendars import Calendar, CalendarError

LONGEST_CLOSURE_DAYS = 60
"""No calendar of offices is closed for so long; one that says so is wrong, and the search for a working day ends."""

SECOND = 1_000_000
"""Microseconds."""

KEPT = 16
"""So many pairs of hours and calendar keep their tables: one for each city of an installation, and a few in tests."""

_MIDNIGHT = time(0)


def micros(seconds: float) -> int:
    """Epoch seconds as microseconds. Raises ValueError for what is no instant."""
    if not math.isfinite(seconds):
        raise ValueError("that is no instant")
    return round(seconds * SECOND)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """The spans of a working day in which working hours run, as local times in order, and the time zone.

    A span that ends at 00:00 ends with the day (24:00), so that 00:00 to 00:00 is a whole day without a gap at
    midnight. The default adds up to eight hours, the legal day (国务院关于职工工作时间的规定 art. 3); when units begin
    and end is local custom (GK in `domain.md`'s sense), so it is configuration. Raises ValueError for spans that are
    empty, out of order or overlap.
    """

    spans: tuple[tuple[time, time], ...] = ((time(8, 30), time(12, 0)), (time(13, 30), time(18, 0)))
    zone: str = "Asia/Shanghai"

    def __post_init__(self) -> None:
        """Refuse hours that no day can have."""
        edges = [edge for begin, end in self.spans for edge in (_of_day(begin), _of_day(end) or 24 * 3600 * SECOND)]
        if not edges or any(later <= earlier for earlier, later in zip(edges, edges[1:], strict=False)):
            # Spans that touch (12:00 after 12:00) are one span; written as two they are most often a slip.
            raise ValueError("working hours must be spans from earlier to later, in order and apart from each other")

    @property
    def length(self) -> int:
        """The working time of a working day, in microseconds."""
        return sum((_of_day(end) or 24 * 3600 * SECOND) - _of_day(begin) for begin, end in self.spans)

    def local_day(self, at: float) -> date:
        """The date at the hotline at epoch second `at`."""
        return datetime.fromtimestamp(at, ZoneInfo(self.zone)).date()

    def of(self, day: date, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
        """The spans of one day as instants in microseconds; one that a clock change swallows is empty."""
        for begin, end in self.spans:
            first = micros(datetime.combine(day, begin, zone).timestamp())
            last_day = day + timedelta(days=1) if end == _MIDNIGHT else day
            yield first, max(first, micros(datetime.combine(last_day, end, zone).timestamp()))


def _of_day(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * SECOND + at.microsecond


@dataclass(slots=True)
class _Year:
    """A local year from its first midnight to the next one's: its working spans in order, one entry of a list for each.

    No question needs a date: a day is known by its midnight.
    """

    first: int
    last: int
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)  #: working time of the year before the span
    after: list[int] = field(default_factory=list)  #: and with it
    days: list[int] = field(default_factory=list)  #: midnights with which working days begin
    unknown: list[int] = field(default_factory=list)  #: midnights with which days begin of which only a rule speaks
    unknown_ends: list[int] = field(default_factory=list)
    stop: CalendarError | None = None  #: the calendar knows no day after the last of these

    @property
    def total(self) -> int:
        return self.after[-1] if self.after else 0

    def worked(self, at: int) -> int:
        """Working time of the year before `at`, an instant in it."""
        index = bisect_right(self.ends, at)
        if index == len(self.ends):
            if self.stop is not None:
                raise self.stop
            return self.total
        return self.before[index] + max(0, at - self.begins[index])


class WorkTime:
    """Working time by the given hours and calendar. Instants go in and out in microseconds of the epoch."""

    def __init__(self, hours: WorkingHours, calendar: Calendar) -> None:
        self.hours = hours
        self.calendar = calendar
        self._zone = ZoneInfo(hours.zone)
        self._years: dict[int, _Year] = {}

    def worked(self, start: int, end: int) -> int:
        """How much working time lies between the two. Raises `CalendarError`; ValueError if `end` is before `start`."""
        if end < start:
            raise ValueError("the end lies before the start")
        first, last = self._number(start), self._number(end)
        between = sum(self._year(year).total for year in range(first, last))
        return between + self._year(last).worked(end) - self._year(first).worked(start)

    def after(self, start: int, amount: int) -> int:
        """The first instant by which `amount` of working time has run since `start`. Raises `CalendarError`."""
        if amount <= 0:
            return start
        number = self._number(start)
        year = self._year(number)
        target = year.worked(start) + amount
        while target > year.total:
            if year.stop is not None:
                raise year.stop
            target -= year.total
            number += 1
            year = self._year(number)
        index = bisect_left(year.after, target)
        return year.begins[index] + target - year.before[index]

    def before(self, end: int, amount: int) -> int:
        """The last instant from which `amount` of working time runs until `end`: always within the working hours."""
        if amount <= 0:
            return end
        number = self._number(end)
        target = self._year(number).worked(end) - amount
        while target < 0:
            number -= 1
            target += self._year(number).total
        year = self._year(number)
        index = bisect_right(year.after, target)
        return year.begins[index] + target - year.before[index]

    def close_of(self, start: int, days: int) -> int:
        """The end of the working hours of the `days`-th working day after the day of `start`. Raises `CalendarError`.

        The day of the event is not counted, and the last one ends when business does (民法典 art. 201, 203).
        """
        number = self._number(start)
        year = self._year(number)
        index = bisect_right(year.days, start) + days - 1
        while index >= len(year.days):
            if year.stop is not None:
                raise year.stop
            index -= len(year.days)
            number += 1
            year = self._year(number)
        return year.ends[(index + 1) * len(self.hours.spans) - 1]

    def provisional(self, start: int, end: int) -> bool:
        """Whether a day from that of `start` to that of `end` is one of which only a rule for unknown years speaks."""
        for number in range(self._number(start), self._number(end) + 1):
            year = self._year(number)
            if year.unknown and bisect_right(year.unknown_ends, start) < bisect_right(year.unknown, end):
                return True
        return False

    def _number(self, at: int) -> int:
        """The local year of an instant: guessed by the mean length of a year, and put right at its ends."""
        number = 1970 + at // _MEAN_YEAR
        while at >= self._year(number).last:
            number += 1
        while at < self._year(number).first:
            number -= 1
        return number

    def _midnight(self, day: date) -> int:
        return micros(datetime.combine(day, _MIDNIGHT, self._zone).timestamp())

    def _year(self, number: int) -> _Year:
        found = self._years.get(number)
        if found is None:
            found = self._years[number] = self._lay_out(number)
        return found

    def _lay_out(self, number: int) -> _Year:
        year = _Year(self._midnight(date(number, 1, 1)), self._midnight(date(number + 1, 1, 1)))
        total = free = 0
        day = date(number, 1, 1)
        while day.year == number:
            try:
                works = self.calendar.is_workday(day)
            except CalendarError as error:
                year.stop = error
                break
            if not self.calendar.known(day):
                year.unknown.append(self._midnight(day))
                year.unknown_ends.append(self._midnight(day + timedelta(days=1)))
            free = 0 if works else free + 1
            if free > LONGEST_CLOSURE_DAYS:
                raise CalendarError(
                    f"The calendar has no working day in {LONGEST_CLOSURE_DAYS} days up to {day}: correct it."
                )
            if works:
                year.days.append(self._midnight(day))
                for begin, end in self.hours.of(day, self._zone):
                    year.begins.append(begin)
                    year.ends.append(end)
                    year.before.append(total)
                    total += end - begin
                    year.after.append(total)
            day += timedelta(days=1)
        return year


_MEAN_YEAR = 31_556_952 * SECOND
"""A year of the calendar on average: 365.2425 days."""

_kept: OrderedDict[tuple[int, int], WorkTime] = OrderedDict()


def worktime(hours: WorkingHours, calendar: Calendar) -> WorkTime:
    """The working time by these hours and this calendar, with the tables that earlier questions have made."""
    key = (id(hours), id(calendar))  # both are held by what is kept, so the ids stay theirs
    found = _kept.get(key)
    if found is None:
        found = _kept[key] = WorkTime(hours, calendar)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found
