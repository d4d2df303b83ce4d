"""Opening hours (服务时间) of a number, and what callers hear outside them. Without any, it is open 7x24
(`domain.md` A2).

In the configuration, spans of the local clock per weekday and per date; a date goes before its weekday, so a
statutory holiday and a make-up working day (调休) are one line each:

    mon-fri = ["08:30-12:00", "14:00-17:30"]
    sat = ["09:00-12:00"]              # a weekday that is not named is closed
    "2026-10-01" = []                  # holiday
    "2026-10-10" = ["08:30-17:30"]     # a Saturday that is worked
    closed_say = ["closed"]

A span may pass midnight (``"22:00-06:00"``); it belongs to the day on which it begins. ``"00:00-24:00"`` is a
whole day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from ivr.fields import Fields, Problem

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60

_PROMPT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_DAYS = re.compile(rf"({'|'.join(WEEKDAYS)})(?:-({'|'.join(WEEKDAYS)}))?")

Span = tuple[int, int]
"""Minutes after midnight, from and to (not included); `to` is past 1440 when the span passes midnight."""


class HoursError(ValueError):
    """Opening hours that make no sense; `problems` are all that were found in `source`."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        """Say where, and everything that is wrong."""
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.source = source
        self.problems = problems


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When a number is served: spans by weekday (Monday first) and by date, which goes before its weekday.

    `weekly` None = always open. `closed_say` are the prompts that a caller hears before he is released
    otherwise.
    """

    weekly: tuple[tuple[Span, ...], ...] | None = None
    dates: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)
    closed_say: tuple[str, ...] = ("closed",)

    def spans(self, day: date) -> tuple[Span, ...]:
        """The spans that begin on `day`."""
        if day in self.dates:
            return self.dates[day]
        return ((0, DAY),) if self.weekly is None else self.weekly[day.weekday()]

    def open_at(self, local: datetime) -> bool:
        """Whether the number is served at `local`, the clock on the hotline's wall."""
        minute = local.hour * 60 + local.minute
        today = any(begin <= minute < end for begin, end in self.spans(local.date()))
        yesterday = self.spans(local.date() - timedelta(days=1))
        return today or any(minute + DAY < end for _, end in yesterday)

    def next_opening(self, local: datetime, *, within_days: int = 31) -> datetime | None:
        """When the number opens next, not before `local` (`local` itself if it is open); None if not within
        the days.
        """
        if self.open_at(local):
            return local
        for days in range(within_days + 1):
            day = local.date() + timedelta(days=days)
            for begin, _ in sorted(self.spans(day)):
                opening = datetime.combine(day, time(begin // 60, begin % 60), local.tzinfo)
                if opening >= local:
                    return opening
        return None


def parse_hours(data: Mapping[str, object] | None, source: str) -> OpeningHours:
    """The opening hours that a table describes; none or empty = 7x24. Raises `HoursError` with every problem.

    With dates but no weekday, the number is open 7x24 except on those dates.
    """
    problems: list[Problem] = []
    weekly: dict[int, tuple[Span, ...]] = {}
    dates: dict[date, tuple[Span, ...]] = {}
    closed_say: tuple[str, ...] = ()
    fields = Fields(data or {}, "", problems)
    for name, value in (data or {}).items():
        if name == "closed_say":
            closed_say = fields.take_texts(name, _PROMPT, required=True)
        elif days := _weekdays(name):
            for day in days:
                if day in weekly:
                    fields.problem(name, f"{WEEKDAYS[day]} is named twice")
                weekly[day] = _spans(fields, name, value)
        elif (on := _date(name)) is not None:
            dates[on] = _spans(fields, name, value)
        else:
            fields.problem(name, "is no weekday (mon, mon-fri), no date (2026-10-01) and not closed_say")
    if problems:
        raise HoursError(source, tuple(dict.fromkeys(problems)))
    week = tuple(weekly.get(day, ()) for day in range(7)) if weekly else None
    return OpeningHours(week, dates, closed_say or ("closed",))


def _weekdays(name: str) -> tuple[int, ...]:
    """The weekdays that `name` stands for (Monday 0), around the end of the week where needed; empty:
    none.
    """
    found = _DAYS.fullmatch(name)
    if found is None:
        return ()
    first = WEEKDAYS.index(found[1])
    last = WEEKDAYS.index(found[2]) if found[2] else first
    return tuple((first + offset) % 7 for offset in range((last - first) % 7 + 1))


def _date(name: str) -> date | None:
    try:
        return date.fromisoformat(name) if re.fullmatch(r"\d{4}-\d\d-\d\d", name) else None
    except ValueError:
        return None


def _spans(fields: Fields, name: str, value: object) -> tuple[Span, ...]:
    """The spans of one day, sorted; what is wrong with them is noted."""
    if not isinstance(value, list | tuple):
        fields.problem(name, f'must be a list of spans such as "08:30-17:30", not {value!r}')
        return ()
    spans: list[Span] = []
    for item in value:
        found = _SPAN.fullmatch(item) if isinstance(item, str) else None
        if found is None:
            fields.problem(name, f'a span looks like "08:30-17:30", not {item!r}')
            continue
        begin = int(found[1]) * 60 + int(found[2])
        end = int(found[3]) * 60 + int(found[4]) if found[3] else DAY
        if begin == end:
            fields.problem(name, f'{item!r} is empty; a whole day is "00:00-24:00"')
            continue
        spans.append((begin, end if begin < end else end + DAY))
    spans.sort()
    if any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:], strict=False)):
        fields.problem(name, "two of its spans overlap")
    return tuple(spans)
