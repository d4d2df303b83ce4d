"""The oracle of deadlines: it looks at every minute of the clock and knows nothing of how `tickets` counts.

A window of days is laid out as one truth value for each minute: is it worked in? What a limit asks is then counted off
along that row. Built on days that somebody else says work (`benchmarks.state_council`), it shares neither the calendar
nor the arithmetic with what it judges. Time zone: China has had no clock change since 1991, so a day has 1440 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

CHINA = timezone(timedelta(hours=8))
DAY = 1440
Span = tuple[time, time]


class Minutes:
    """The minutes of `days` (in order, without a gap; True = works), by the spans of a working day.

    Instants are minutes since the first midnight. A question whose answer lies outside the window raises IndexError.
    """

    def __init__(self, first: date, days: Sequence[bool], spans: Iterable[Span]) -> None:
        self.first = first
        of_day = np.zeros(DAY, dtype=bool)
        for begin, end in spans:
            for minute in range(_minute(begin), _minute(end) or DAY):
                of_day[minute] = True
        self._days = np.asarray(days, dtype=bool)
        self.working: NDArray[np.bool_] = np.logical_and.outer(self._days, of_day).reshape(-1)
        self._last_of_day = int(np.flatnonzero(of_day)[-1])
        self._counted = np.cumsum(self.working, dtype=np.int64)

    def paused(self, pauses: Iterable[tuple[int, int]]) -> Minutes:
        """The same days, but with these minutes (first, and the one after the last) not worked in."""
        other = object.__new__(Minutes)
        other.first, other._days, other._last_of_day = self.first, self._days, self._last_of_day
        other.working = self.working.copy()
        for begin, end in pauses:
            other.working[begin:end] = False
        other._counted = np.cumsum(other.working, dtype=np.int64)
        return other

    def worked(self, start: int, end: int) -> int:
        """How many worked minutes there are from `start` to before `end`."""
        return int(np.count_nonzero(self.working[start:end]))

    def after_minutes(self, start: int, amount: int) -> int:
        """When `amount` minutes have been worked since `start`: the end of the minute that completes them."""
        before = int(self._counted[start - 1]) if start else 0
        index = int(np.searchsorted(self._counted, before + amount))
        if index >= len(self._counted):
            raise IndexError("the window is too short")
        return index + 1

    def after_days(self, start: int, count: int) -> int:
        """The last worked minute's end of the `count`-th day that works after the day of `start`."""
        working = np.flatnonzero(self._days[start // DAY + 1 :])
        return (start // DAY + 1 + int(working[count - 1])) * DAY + self._last_of_day + 1

    def epoch(self, minute: int) -> float:
        """A minute of the window as epoch seconds."""
        midnight = datetime.combine(self.first, time(0), CHINA)
        return midnight.timestamp() + minute * 60


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute
