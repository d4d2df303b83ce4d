"""A shift plan that covers what each half-hour needs (排班): which shifts, with which breaks, by how many people. Pure.

A shift with its begin and the places of its breaks is a *pattern*: the half-hours in which its people sit at their
telephones. `greedy` finds a cover that is no optimum: `controller/staffing/solver.py` finds one where HiGHS is
installed, and docs/staffing.md has how far this is from it.

`people` gives the shifts to persons by the rules of rest, days and hours. Instants are half-hours (slots) from midnight
of the first day.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DAY = 48
"""Half-hours of a day."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A break of `length` half-hours that begins between `first` and `last` half-hours after its shift's begin."""

    first: int
    last: int
    length: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift that may be worked: its begins (half-hours after midnight), length and breaks. Raises ValueError for one
    that has no length, or whose breaks do not follow each other within it.
    """

    name: str
    begins: tuple[int, ...]
    length: int
    pauses: tuple[Pause, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what nobody can work."""
        reached = 0
        for one in self.pauses:
            if one.first < reached or one.last < one.first or one.length < 1 or one.last + one.length > self.length:
                raise ValueError(f"shift {self.name}: breaks must follow each other within it")
            reached = one.first + one.length
        if self.length < 1 or not self.begins or any(not 0 <= begin < DAY for begin in self.begins):
            raise ValueError(f"shift {self.name}: needs a length and begins within a day")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A shift with its begin and its breaks' begins, all counted from midnight of the first day."""

    shift: str
    begin: int
    end: int
    pauses: tuple[tuple[int, int], ...]

    @property
    def day(self) -> int:
        """The day on which it begins; -1 = the evening before the first."""
        return self.begin // DAY

    @property
    def paid(self) -> int:
        """Half-hours from its begin to its end."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Rules:
    """What one person may work: `rest` half-hours between two shifts, on at most `days` of seven days in a row, and at
    most `hours` in them.
    """

    rest: int = 22
    days: int = 5
    hours: float = 44.0


@dataclass(frozen=True, slots=True)
class Cover:
    """How many work each pattern. `missing`: half-hours times people that no shift can cover, 0 when all are."""

    counts: tuple[tuple[Pattern, int], ...]
    missing: int

    @property
    def paid(self) -> int:
        """Half-hours paid in all."""
        return sum(pattern.paid * count for pattern, count in self.counts)

    @property
    def shifts(self) -> int:
        """How many shifts are worked."""
        return sum(count for _, count in self.counts)

    def present(self, slots: int) -> list[int]:
        """How many sit at their telephones in each half-hour."""
        found = np.zeros(slots, np.int64)
        for pattern, count in self.counts:
            found += count * _row(pattern, slots)
        return [int(value) for value in found]


def patterns(shifts: Sequence[Shift], days: int) -> list[Pattern]:
    """Every way to work a shift within so many days, those that begin the evening before and reach into them too."""
    found = []
    for shift in shifts:
        places = [range(one.first, one.last + 1) for one in shift.pauses]
        for day, begin in itertools.product(range(-1, days), shift.begins):
            start = day * DAY + begin
            if start + shift.length <= 0:
                continue
            for chosen in itertools.product(*places):
                pauses = tuple(
                    (start + at, start + at + one.length) for at, one in zip(chosen, shift.pauses, strict=True)
                )
                if all(first[1] <= second[0] for first, second in itertools.pairwise(pauses)):
                    found.append(Pattern(shift.name, start, start + shift.length, pauses))
    return found


def _row(pattern: Pattern, slots: int) -> NDArray[np.int64]:
    row = np.zeros(slots, np.int64)
    row[max(0, pattern.begin) : max(0, pattern.end)] = 1
    for begin, end in pattern.pauses:
        row[max(0, begin) : max(0, end)] = 0
    return row


def matrix(ways: Sequence[Pattern], slots: int) -> NDArray[np.int64]:
    """A row for each pattern, 1 in the half-hours in which its people are at their telephones."""
    return np.array([_row(way, slots) for way in ways], np.int64).reshape(len(ways), slots)


def greedy(need: Sequence[int], ways: Sequence[Pattern], rounds: int = 200) -> Cover:
    """A cover of the need, good and not the best. ValueError for a negative need.

    First the pattern that covers the most missing half-hours for each paid one is taken again and again, then, `rounds`
    times, a part of the shifts is given back and what is missing is covered anew; the better plan of the two stays. The
    chances are seeded: the same need gives the same plan.
    """
    slots = len(need)
    wanted = np.array(need, np.int64)
    if (wanted < 0).any():
        raise ValueError("a need must not be negative")
    rows = matrix(ways, slots)
    reachable = rows.any(axis=0) if len(ways) else np.zeros(slots, bool)
    missing = int(wanted[~reachable].sum())
    wanted = np.where(reachable, wanted, 0)
    if not wanted.any():
        return Cover((), missing)
    paid = np.array([way.paid for way in ways], float)
    best = _fill(wanted, rows, paid, np.zeros(len(ways), np.int64), np.ones(len(ways)))
    luck = np.random.default_rng(1)
    for turn in range(rounds):
        kept = luck.binomial(best, luck.uniform(0.3, 0.95)) if turn % 4 else np.zeros_like(best)
        # What each pattern counts for varies a little, so that another way is tried.
        found = _fill(wanted, rows, paid, kept, luck.uniform(0.7, 1.3, len(ways)))
        if found @ paid <= best @ paid:
            best = found
    return Cover(tuple((ways[place], int(best[place])) for place in np.flatnonzero(best)), missing)


def _fill(
    wanted: NDArray[np.int64],
    rows: NDArray[np.int64],
    paid: NDArray[np.float64],
    kept: NDArray[np.int64],
    liked: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Cover what `kept` leaves uncovered, and give back what nothing misses."""
    counts = kept.copy()
    left = wanted - counts @ rows
    while (left > 0).any():
        gain = rows @ (left > 0) * liked / paid
        best = int(gain.argmax())
        mine = left[(rows[best] > 0) & (left > 0)]
        times = max(1, int(mine.min()) // 2)  # many at once, as long as they cover the same half-hours
        counts[best] += times
        left -= times * rows[best]
    spare = -left  # beyond what is needed
    for place in sorted(np.flatnonzero(counts), key=lambda one: (rows[one].sum() / paid[one] * liked[one], one)):
        worked = rows[place] > 0
        surplus = min(int(counts[place]), int(spare[worked].min(initial=counts[place])))
        if surplus > 0:
            counts[place] -= surplus
            spare[worked] -= surplus
    return counts


# ---------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class Roster:
    """Who works what: `shifts` by person, and those that nobody of them may work by the rules."""

    shifts: tuple[tuple[str, tuple[Pattern, ...]], ...]
    unfilled: tuple[Pattern, ...]


def allowed(worked: Sequence[Pattern], more: Pattern, rules: Rules) -> bool:
    """Whether a person who works `worked` may work `more` too, by rest and by every seven days in a row."""
    for one in worked:
        if more.begin < one.end + rules.rest and one.begin < more.end + rules.rest:
            return False
    everything = [*worked, more]
    for last in range(more.day, more.day + 7):
        week = [one for one in everything if last - 7 < one.day <= last]
        if len({one.day for one in week}) > rules.days or sum(one.paid for one in week) / 2 > rules.hours + 1e-9:
            return False
    return True


def people(cover: Cover, names: Sequence[str], rules: Rules, *, more: bool = False) -> Roster:
    """Give the shifts to these people, in the order of their begins, each to whom the rules allow it and who has worked
    least; who began at about the same time before goes first among equals. `more`: what they may not work is worked by
    further people, called ``+1``, ``+2``, and nothing is unfilled.
    """
    worked: dict[str, list[Pattern]] = {name: [] for name in names}
    hours = dict.fromkeys(names, 0)
    unfilled: list[Pattern] = []
    single = [pattern for pattern, count in cover.counts for _ in range(count)]
    for pattern in sorted(single, key=lambda one: (one.begin, one.end, one.pauses)):

        def fitness(name: str, pattern: Pattern = pattern) -> tuple[int, int]:
            last = worked[name][-1].begin if worked[name] else pattern.begin
            return hours[name], abs(pattern.begin % DAY - last % DAY)

        for name in sorted(worked, key=fitness):
            if allowed(worked[name], pattern, rules):
                worked[name].append(pattern)
                hours[name] += pattern.paid
                break
        else:
            if more:
                name = f"+{len(worked) - len(names) + 1}"
                worked[name], hours[name] = [pattern], pattern.paid
            else:
                unfilled.append(pattern)
    return Roster(tuple((name, tuple(found)) for name, found in worked.items() if found), tuple(unfilled))
