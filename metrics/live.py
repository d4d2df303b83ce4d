"""Figures that are kept as calls are decided: by group, window and definition, always what a recount would give. Pure.

The definitions are those of the past (`metrics.definitions`), and so is what belongs to a window: the calls that
*arrived* in [begin, now). Nothing is estimated and nothing is cut into buckets. A group holds its calls in the order of
their arrival, and each window two places in that list with the sums between them; time moves the places, a call that
comes to be known moves them by one. So a late fact is put where it belongs, a clock that jumps back moves the places
back, and every figure is exact to the millisecond, which rings of buckets are not (a window of 15 minutes over buckets
of a minute is one of 14 to 16). The price is the memory of the calls of the longest window: 150 000 take some 100 MB.

Kept are shares and means (`Kind.RATIO`, `Kind.MEAN`) over calls: sums of whole numbers, amounts in milliseconds, so
that nothing is lost however often a call goes in and out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from metrics.definitions.measure import Kind, Measure, Subject
from metrics.definitions.rows import CallRow

HOUR_S, DAY_S = 3600.0, 86_400.0

SLACK_S = 2 * HOUR_S
"""So long before the earliest window calls are still held: a clock that goes back by less finds them."""

DEFAULT_DEFINITIONS = (
    "sl15.offered.v1",
    "sl15.answered.v1",
    "connect.v1",
    "human_connect.v1",
    "loss.v1",
    "abandon.v1",
    "call_satisfaction.v1",
    "wait.v1",
    "talk.v1",
    "handling.v1",
)


class NotLive(ValueError):
    """A definition that is no sum over calls: it is had of past periods only."""


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Whose calls: `kind` whole, queue, city, number or team, and its name; the whole has none."""

    kind: str
    name: str = ""


WHOLE = Group("whole")

KINDS = ("whole", "queue", "city", "number", "team")


class Window:
    """A stretch of time that ends now: the last `length_s` seconds, or since the newest of the day's `starts`.

    `starts` are seconds after midnight by the clock on the wall in `zone`; (0,) is the day.
    """

    def __init__(self, name: str, length_s: float = 0.0, starts: Sequence[int] = (), zone: ZoneInfo | None = None):
        if bool(length_s) == bool(starts):
            raise ValueError("a window has a length, or starts")
        self.name = name
        self.length_s = length_s
        self._starts = tuple(sorted(starts))
        self._zone = zone or ZoneInfo("UTC")
        self._from, self._to = 1.0, 0.0  #: between which the newest start is the one that was looked for last

    def since(self, now: float) -> float:
        """When it begins, epoch seconds."""
        if self.length_s:
            return now - self.length_s
        if not self._from <= now < self._to:
            self._from, self._to = self._around(now)
        return self._from

    def _around(self, now: float) -> tuple[float, float]:
        today = datetime.fromtimestamp(now, self._zone).date()
        instants = sorted(
            {
                # By the wall, also on a day on which clocks are changed; midnight may then be an hour that is not.
                (datetime.combine(today + timedelta(days=day), time(), UTC) + timedelta(seconds=start))
                .replace(tzinfo=self._zone)
                .timestamp()
                for day in (-2, -1, 0, 1, 2)
                for start in self._starts
            }
        )
        before = [at for at in instants if at <= now]
        after = [at for at in instants if at > now]
        return before[-1], after[0]


def usual_windows(zone: ZoneInfo, shifts: Sequence[int] = ()) -> tuple[Window, ...]:
    """The last 15 minutes and hour, the shift (where `shifts` says when they begin), the day, the running 24 hours."""
    return (
        Window("15m", 900.0),
        Window("1h", HOUR_S),
        *((Window("shift", starts=shifts, zone=zone),) if shifts else ()),
        Window("day", starts=(0,), zone=zone),
        Window("24h", DAY_S),
    )


@dataclass(frozen=True, slots=True)
class LiveValue:
    """A live figure. `value` None: nothing is divided by nothing. Of a mean `numerator` is in seconds."""

    group: Group
    window: str
    measure: str
    value: float | None
    numerator: float
    denominator: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class _Entry:
    """A call as sums see it: what it adds, as (place, amount); nothing of it is left to be worked out."""

    key: tuple[float, str]
    groups: tuple[Group, ...]
    adds: tuple[tuple[int, int], ...]


class _Span:
    """One window's place in one group's list: [left, right) are the calls that arrived in [since, until)."""

    __slots__ = ("left", "right", "since", "sums", "until")

    def __init__(self, size: int) -> None:
        self.left = self.right = 0
        self.since = self.until = float("-inf")
        self.sums = [0] * size

    def add(self, entry: _Entry, sign: int) -> None:
        sums = self.sums
        for place, amount in entry.adds:
            sums[place] += sign * amount

    def changed(self, entry: _Entry, sign: int) -> None:
        """A call was put into the list, or taken out of it."""
        at = entry.key[0]
        if at < self.since:
            self.left += sign
            self.right += sign
        elif at < self.until:
            self.right += sign
            self.add(entry, sign)

    def move(self, entries: Sequence[_Entry], since: float, until: float) -> None:
        """Have it be [since, until), forwards or back."""
        left, right, count = self.left, self.right, len(entries)
        while right < count and entries[right].key[0] < until:
            self.add(entries[right], 1)
            right += 1
        while left > 0 and entries[left - 1].key[0] >= since:
            left -= 1
            self.add(entries[left], 1)
        while left < right and entries[left].key[0] < since:
            self.add(entries[left], -1)
            left += 1
        while right > left and entries[right - 1].key[0] >= until:
            right -= 1
            self.add(entries[right], -1)
        self.left, self.right, self.since, self.until = left, right, since, until


class _Line:
    """One group's calls, and its windows."""

    __slots__ = ("entries", "spans")

    def __init__(self, windows: int, size: int) -> None:
        self.entries: list[_Entry] = []
        self.spans = [_Span(size) for _ in range(windows)]

    def put(self, entry: _Entry, sign: int) -> None:
        place = bisect_left(self.entries, entry.key, key=_key)
        if sign > 0:
            self.entries.insert(place, entry)
        else:
            del self.entries[place]
        for span in self.spans:
            span.changed(entry, sign)


def _key(entry: _Entry) -> tuple[float, str]:
    return entry.key


class LiveFigures:
    """The figures of now. `put` a call whenever more is known of it; ask with `now`. Made, raises `NotLive`."""

    def __init__(self, measures: Iterable[Measure], windows: Sequence[Window]) -> None:
        self.measures = tuple(measures)
        self.windows = tuple(windows)
        if len({one.name for one in self.windows}) < len(self.windows):
            raise ValueError("two windows have one name")
        for one in self.measures:
            if one.subject is not Subject.CALLS or one.kind not in (Kind.RATIO, Kind.MEAN):
                raise NotLive(one.name)
        self._place = {one.name: 2 * place for place, one in enumerate(self.measures)}
        self._entries: dict[str, _Entry] = {}
        self._lines: dict[Group, _Line] = {}
        self._held_from = float("-inf")
        self._stands_at = 0.0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_from(self) -> float:
        """Calls that arrived before are not held any more (`drop_old`)."""
        return self._held_from

    def stand(self, now: float) -> None:
        """Have the windows of groups that are new begin at those of `now`, before many calls are put.

        Each call is then counted as it is put; without it the first figure asked for counts them all at once, which
        is the same and takes a second for a province's day.
        """
        self._stands_at = now

    def put(self, row: CallRow, groups: Iterable[Group]) -> None:
        """A call as it is known now, in place of what was known of it; `groups`: whose it is, beside the whole."""
        before = self._entries.get(row.id)
        adds = self._adds(row) if row.decided and row.arrived_at >= self._held_from else ()
        if not adds:
            if before is not None:
                self._take_out(before)
            return
        entry = _Entry((row.arrived_at, row.id), (WHOLE, *sorted({*groups} - {WHOLE})), adds)
        if entry == before:
            return
        if before is not None:
            self._take_out(before)
        self._entries[row.id] = entry
        for group in entry.groups:
            line = self._lines.get(group)
            if line is None:
                line = self._lines[group] = _Line(len(self.windows), 2 * len(self.measures))
                for span, window in zip(line.spans, self.windows, strict=True):
                    span.since, span.until = window.since(self._stands_at), self._stands_at
            line.put(entry, 1)

    def _take_out(self, entry: _Entry) -> None:
        del self._entries[entry.key[1]]
        for group in entry.groups:
            self._lines[group].put(entry, -1)

    def _adds(self, row: CallRow) -> tuple[tuple[int, int], ...]:
        """What the call adds: of each definition to its numerator's place, and to the next, its denominator's."""
        adds: list[tuple[int, int]] = []
        for place, one in enumerate(self.measures):
            if not one.counts(row):
                continue
            if one.kind is Kind.RATIO:
                assert one.succeeds is not None
                adds.append((2 * place + 1, 1))
                if one.succeeds(row):
                    adds.append((2 * place, 1))
            else:
                assert one.amount is not None
                amount = one.amount(row)
                if amount is not None:
                    adds.append((2 * place + 1, 1))
                    if amount:
                        adds.append((2 * place, round(amount * 1000.0)))
        return tuple(adds)

    def drop_old(self, now: float) -> int:
        """Let go of calls that arrived before every window of now and the slack; how many."""
        before = min(window.since(now) for window in self.windows) - SLACK_S
        if before <= self._held_from:
            return 0
        self._held_from = before
        old = [entry for entry in self._oldest(before)]
        for entry in old:
            del self._entries[entry.key[1]]
        for group, line in list(self._lines.items()):
            count = bisect_left(line.entries, (before, ""), key=_key)
            if not count:
                continue
            for span in line.spans:
                span.move(line.entries, max(span.since, before), max(span.until, before))
                span.left -= count
                span.right -= count
            del line.entries[:count]
            if not line.entries:
                del self._lines[group]
        return len(old)

    def _oldest(self, before: float) -> list[_Entry]:
        whole = self._lines.get(WHOLE)
        return whole.entries[: bisect_left(whole.entries, (before, ""), key=_key)] if whole is not None else []

    def reaches(self, now: float) -> bool:
        """Whether everything that windows of `now` need is held; else they must be filled from the store again."""
        return min(window.since(now) for window in self.windows) >= self._held_from

    def groups(self) -> list[Group]:
        """Those that have calls, in order."""
        return sorted(self._lines)

    def value(self, group: Group, window: str, measure: str, now: float) -> LiveValue:
        """One figure at `now`. KeyError for a window or definition that is not kept."""
        place = self._place[measure]
        for index, one in enumerate(self.windows):
            if one.name == window:
                return self._value(group, index, self.measures[place // 2], now)
        raise KeyError(window)

    def values(self, group: Group, now: float) -> Iterator[LiveValue]:
        """Every window and definition of one group."""
        for index in range(len(self.windows)):
            for measure in self.measures:
                yield self._value(group, index, measure, now)

    def _value(self, group: Group, index: int, measure: Measure, now: float) -> LiveValue:
        window = self.windows[index]
        since = window.since(now)
        line = self._lines.get(group)
        if line is None:
            return LiveValue(group, window.name, measure.name, None, 0, 0, since, now)
        span = line.spans[index]
        if (span.since, span.until) != (since, now):
            span.move(line.entries, since, now)
        place = self._place[measure.name]
        above, below = span.sums[place], span.sums[place + 1]
        numerator = above if measure.kind is Kind.RATIO else above / 1000.0
        value = numerator / below if below else None
        return LiveValue(group, window.name, measure.name, value, numerator, below, since, now)
