"""How many calls will come in each half-hour (话务预测): weekday, holiday, named day, trend and level, by the history.

The expected calls of a slot are ``level * trend * factor of the day * the slot's share of the day``. A day is of a
*pattern*: each weekday has its own, and so have make-up working days (调休) and holidays, whatever weekday they fall
on; what a day is comes as data (`DayFacts`). Days with a name of their own (first heating day, new year's eve) have a
factor of their own, learnt from earlier days of that name, and teach nothing else.

What is out of the ordinary is not learnt as normal: slots in a flood of calls, whole days far from what was expected,
and half-hours in which nothing at all came though much was expected (a fault, or records that are missing). A level
that stays where it went, and a slot that is different week after week, is a new normal after about two weeks.

The interval is calibrated, not assumed: earlier weeks of the same history are forecast from what was known before
them, and the spread is chosen so that it held the stated share of their half-hours. Pure; numbers in calls.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SLOT_S = 1800
SLOTS = 48
"""Half-hours of a day."""

CONFIDENCE = 0.9
"""The share of half-hours that the interval is to hold."""

FEWEST_DAYS = 7
"""Of fewer days with calls nothing is said of a weekday, and nothing is forecast."""

_HALF_LIFE_LEVEL, _HALF_LIFE_SHAPE = 10.0, 84.0
"""Days after which a day counts half: for the level that goes on, for the shape of week and day."""
_AROUND = 14  # normal days on each side from which the level of a past day is judged
_FAR_DAY, _FAR_SLOT = 4.5, 6.0  # standard deviations from which a day, a slot is out of the ordinary
_POOL = 4.0  # so many days of its own weigh as much as what all working days share
_FOLDS, _FOLD_DAYS = 4, 7
_DAMPED = 0.85  # of a trend so much is left a week later


class Kind(enum.Enum):
    """What a day is, whatever weekday it has."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What the calendar says of a day; `special`: its own name, empty = none; `factor`: what it is expected to be of
    an ordinary day, None = learnt.
    """

    kind: Kind
    special: str = ""
    factor: float | None = None


def pattern_of(day: date, facts: DayFacts) -> str:
    """Which days it is like."""
    if facts.kind is Kind.HOLIDAY:
        return "holiday"
    if facts.kind is Kind.WORKDAY and day.weekday() >= 5:
        return "make-up"
    return f"{day:%a}"


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A history: `counts` has a row for each day from `first` on and a column for each half-hour; NaN = unknown."""

    first: date
    counts: Numbers

    @property
    def days(self) -> list[date]:
        """The date of each row."""
        return [self.first + timedelta(days=row) for row in range(len(self.counts))]

    def before(self, day: date) -> Arrivals:
        """What was known when the day began."""
        return Arrivals(self.first, self.counts[: max(0, (day - self.first).days)])


class NoHistory(ValueError):
    """There are too few days to forecast from; `days` have calls."""

    def __init__(self, days: int) -> None:
        super().__init__(f"{days} days have calls; a forecast needs at least {FEWEST_DAYS}")
        self.days = days


@dataclass(frozen=True, slots=True)
class DayForecast:
    """One day: expected calls of each half-hour, and between what they lie with `CONFIDENCE`."""

    day: date
    pattern: str
    mean: tuple[float, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    @property
    def total(self) -> float:
        """Calls of the day."""
        return math.fsum(self.mean)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected and what it was learnt from.

    `trend` is the growth a week as a share, 0 where none could be told from chance; `unusual` are days that were not
    learnt as normal, `missing` how many slots were neither; `short`: less than two weeks, so the interval is a guess.
    """

    days: tuple[DayForecast, ...]
    learnt_days: int
    trend: float
    spread: float
    unusual: tuple[date, ...]
    unusual_slots: int
    missing: int
    short: bool
    unknown: tuple[str, ...] = field(default=())  #: names of wanted days, and patterns, that the history does not have


# ---------------------------------------------------------------- learning


@dataclass(slots=True)
class _Model:
    """What a history taught. `factor` and `shape` by pattern; `own_days` how many days each rests on."""

    level: float
    trend: float
    factor: dict[str, float]
    shape: dict[str, Numbers]
    own_days: dict[str, int]
    day_spread: float
    special: dict[str, float]
    far_days: NDArray[np.bool_]
    far_slots: NDArray[np.bool_]
    last: date

    def mean(self, day: date, facts: DayFacts) -> Numbers:
        """The expected calls of each slot."""
        pattern = pattern_of(day, facts)
        weeks = max(0.0, (day - self.last).days / 7)
        grown = math.exp(math.log1p(self.trend) * (1 - _DAMPED**weeks) / (1 - _DAMPED)) if self.trend else 1.0
        special = facts.factor if facts.factor is not None else self.special.get(facts.special, 1.0)
        return self.level * grown * self.factor[pattern] * special * self.shape[pattern]


_PATTERNS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "make-up", "holiday")
_INSTEAD = {"make-up": ("Mon", "Tue", "Wed", "Thu", "Fri"), "holiday": ("Sun", "Sat")}
"""What a pattern without days of its own is like."""


def _learn(arrivals: Arrivals, facts: Mapping[date, DayFacts]) -> _Model:
    """Raises NoHistory."""
    counts, days = arrivals.counts, arrivals.days
    known = ~np.isnan(counts)
    # A day on which nobody called at all is a day without records: of a hotline that is open, none is so quiet.
    known &= (np.nansum(np.where(known, counts, 0.0), axis=1) > 0)[:, None]
    with_calls = int(known.any(axis=1).sum())
    if with_calls < FEWEST_DAYS:
        raise NoHistory(with_calls)
    patterns = np.array([pattern_of(day, facts[day]) for day in days])
    named = np.array([bool(facts[day].special) for day in days])
    age = np.arange(len(days))[::-1].astype(float)
    recent = 0.5 ** (age / _HALF_LIFE_SHAPE)
    factor = dict.fromkeys(_PATTERNS, 1.0)
    whole = np.nansum(np.where(known, counts, 0.0), axis=0) / np.maximum(known.sum(axis=0), 1)
    shape = dict.fromkeys(_PATTERNS, whole / whole.sum())
    far_days, far_slots = np.zeros(len(days), bool), np.zeros(counts.shape, bool)
    spread = 0.0
    totals = level = own = np.zeros(0)
    for _ in range(4):
        used = known & ~far_slots
        shapes = np.array([shape[pattern] for pattern in patterns])
        own = np.array([factor[pattern] for pattern in patterns])
        seen = np.where(used, shapes, 0.0).sum(axis=1)  # the share of the day that is known
        there = seen > 0.5
        totals = np.where(used, counts, 0.0).sum(axis=1) / np.where(there, seen, 1.0)
        normal = there & ~far_days & ~named
        level = _running(totals / own, normal if normal.sum() >= FEWEST_DAYS else there)
        expected = level * own
        spread = _extra(totals[normal], expected[normal])
        deviation = np.sqrt(np.maximum(expected, 1.0) + (spread * expected) ** 2)
        far_days = there & (np.abs(totals - expected) > _FAR_DAY * deviation) & (totals != expected)
        normal = there & ~far_days & ~named
        if not normal.any():
            normal = there
        factor = _factors(patterns, totals, level, normal, recent)
        shape = _shapes(patterns, counts, used & normal[:, None], recent)
        shapes = np.array([shape[pattern] for pattern in patterns])
        slots = totals[:, None] * shapes
        slot_spread = _extra(counts[used & normal[:, None]], slots[used & normal[:, None]])
        margin = _FAR_SLOT * np.sqrt(slots + (slot_spread * slots) ** 2) + 5
        far_slots = known & (np.abs(np.where(known, counts, 0.0) - slots) > margin)
        far_slots &= ~_lasting(patterns, far_slots, known)
    normal = there & ~far_days & ~named
    special = _specials(days, facts, totals, level * own, there)
    counted = {pattern: int((normal & (patterns == pattern)).sum()) for pattern in _PATTERNS}
    now, trend = _going_on(totals / own, normal if normal.any() else there, age)
    return _Model(now, trend, factor, shape, counted, spread, special, far_days & ~named, far_slots, days[-1])


def _running(ratio: Numbers, normal: NDArray[np.bool_]) -> Numbers:
    """The level around each day: the median of the normal days about it, or their mean where calls are few."""
    places = np.flatnonzero(normal)
    values = ratio[places]
    length = min(2 * _AROUND, len(values))
    windows = np.lib.stride_tricks.sliding_window_view(values, length)
    levels = windows.mean(axis=1) if values.mean() < 20 else np.median(windows, axis=1)
    begins = np.searchsorted(places, np.arange(len(ratio))) - length // 2
    found: Numbers = np.maximum(levels[np.clip(begins, 0, len(levels) - 1)], 1e-9)
    return found


def _extra(seen: Numbers, expected: Numbers) -> float:
    """The spread beyond chance (Poisson) as a share of what is expected, robust: half of all lie within 0.6745 s."""
    if len(seen) < 3:
        return 0.1
    return _spread_holding(0.5, np.abs(seen - expected), expected)


def _spread_holding(share: float, error: Numbers, expected: Numbers) -> float:
    """The spread s with which ``error <= quantile * sqrt(expected + (s * expected)**2)`` holds for so many of all."""
    wide = NormalDist().inv_cdf((1 + share) / 2)
    needed = ((error / wide) ** 2 - expected) / np.maximum(expected, 1e-9) ** 2
    return math.sqrt(min(4.0, max(0.0, float(np.quantile(needed, share)))))


def _factors(
    patterns: NDArray[np.str_], totals: Numbers, level: Numbers, normal: NDArray[np.bool_], recent: Numbers
) -> dict[str, float]:
    found: dict[str, float] = {}
    for pattern in _PATTERNS:
        mine = normal & (patterns == pattern)
        weight = np.ones(len(recent)) if pattern in _INSTEAD else recent  # holidays are too few to forget any
        if mine.any():
            found[pattern] = float((totals * weight)[mine].sum() / (level * weight)[mine].sum())
    for pattern in _PATTERNS:
        if pattern not in found:
            like = [found[one] for one in _INSTEAD.get(pattern, ("Mon", "Tue", "Wed", "Thu", "Fri")) if one in found]
            found[pattern] = float(np.mean(like)) if like else 1.0
    return {pattern: max(value, 1e-9) for pattern, value in found.items()}


def _shapes(
    patterns: NDArray[np.str_], counts: Numbers, used: NDArray[np.bool_], recent: Numbers
) -> dict[str, Numbers]:
    """Each pattern's share of a day by slot, drawn towards what working days, or the free ones, have in common."""
    weighted = np.where(used, counts, 0.0) * recent[:, None]
    weights = used * recent[:, None]

    def shares(rows: NDArray[np.bool_]) -> Numbers | None:
        if not rows.any():
            return None
        rates = weighted[rows].sum(axis=0) / np.maximum(weights[rows].sum(axis=0), 1e-12)
        return rates / rates.sum() if rates.sum() > 0 else None

    free = np.isin(patterns, ("Sat", "Sun", "holiday"))
    everything = shares(np.ones(len(patterns), bool))
    assert everything is not None
    found: dict[str, Numbers] = {}
    for pattern in _PATTERNS:
        pool = shares(free if pattern in ("Sat", "Sun", "holiday") else ~free)
        pool = everything if pool is None else pool
        mine = patterns == pattern
        own = shares(mine)
        days = float(used[mine].any(axis=1).sum())
        mixed = pool if own is None else (days * own + _POOL * pool) / (days + _POOL)
        found[pattern] = mixed / mixed.sum()
    return found


def _lasting(patterns: NDArray[np.str_], far: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Slots that were out of the ordinary on three of a pattern's last four days: that is the new normal."""
    found = np.zeros(far.shape, bool)
    for pattern in _PATTERNS:
        rows = np.flatnonzero((patterns == pattern) & known.any(axis=1))[-4:]
        if len(rows) >= 3:
            found[np.ix_(rows, np.flatnonzero(far[rows].sum(axis=0) >= 3))] = True
    return found


def _specials(
    days: Sequence[date], facts: Mapping[date, DayFacts], totals: Numbers, expected: Numbers, there: NDArray[np.bool_]
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row, day in enumerate(days):
        if facts[day].special and there[row]:
            found.setdefault(facts[day].special, []).append(float(totals[row] / expected[row]))
    return {name: float(np.median(ratios)) for name, ratios in found.items()}


def _going_on(ratio: Numbers, normal: NDArray[np.bool_], age: Numbers) -> tuple[float, float]:
    """The level at the end of the history, and its growth a week.

    The growth is Theil's and Sen's median slope over the logarithms of up to 26 weeks, where there are 6 or more and
    Kendall's rank correlation says that it is no chance (one in a thousand), else 0.
    """
    weight = np.where(normal, 0.5 ** (age / _HALF_LIFE_LEVEL), 0.0)
    now = float((ratio * weight).sum() / weight.sum())
    weeks: list[tuple[int, float]] = []
    for week in range(26):
        rows = normal & (age >= 7 * week) & (age < 7 * week + 7)
        if rows.sum() >= 4 and ratio[rows].mean() > 0:
            weeks.append((-week, math.log(float(ratio[rows].mean()))))
    if len(weeks) < 6:
        return now, 0.0
    pairs = [(b[1] - a[1]) / (b[0] - a[0]) for at, a in enumerate(weeks) for b in weeks[at + 1 :]]
    n = len(weeks)
    score = abs(sum(np.sign(pairs)))
    if score / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) < 3.3:
        return now, 0.0
    slope = float(np.median(pairs))
    behind = float((weight * age).sum() / weight.sum()) / 7  # so many weeks ago is what `now` was measured
    return now * math.exp(slope * behind), math.expm1(slope)


# ---------------------------------------------------------------- forecasting


def forecast(
    arrivals: Arrivals,
    facts: Mapping[date, DayFacts],
    wanted: Iterable[date],
    *,
    spread: float | None = None,
) -> Forecast:
    """The wanted days, from a history. `facts` must name every day of both. Raises NoHistory.

    `spread`: the interval's width is known already (`back_test` finds it once for all weeks), else it is calibrated.
    """
    model = _learn(arrivals, facts)
    known = int((~np.isnan(arrivals.counts)).any(axis=1).sum())
    short = known < 2 * _FOLD_DAYS
    found_spread = _calibrated(arrivals, facts, model) if spread is None else spread
    days, unknown = [], set[str]()
    for day in wanted:
        about = facts[day]
        pattern = pattern_of(day, about)
        mean = model.mean(day, about)
        if about.special and about.factor is None and about.special not in model.special:
            unknown.add(about.special)
        wide = found_spread
        if model.own_days[pattern] < _POOL:  # what rests on few days of its kind is known less well
            wide = math.hypot(wide, 0.15)
            if not model.own_days[pattern]:
                unknown.add(pattern)
        bounds = [interval(float(value), wide) for value in mean]
        low, high = tuple(one[0] for one in bounds), tuple(one[1] for one in bounds)
        days.append(DayForecast(day, pattern, tuple(float(value) for value in mean), low, high))
    return Forecast(
        tuple(days),
        known,
        model.trend,
        found_spread,
        tuple(day for day, far in zip(arrivals.days, model.far_days, strict=True) if far),
        int(model.far_slots.sum()),
        int(np.isnan(arrivals.counts).sum()),
        short,
        tuple(sorted(unknown)),
    )


def _calibrated(arrivals: Arrivals, facts: Mapping[date, DayFacts], model: _Model) -> float:
    """The spread with which the interval would have held `CONFIDENCE` of the last weeks, each forecast from before."""
    seen: list[Numbers] = []
    expected: list[Numbers] = []
    last = arrivals.days[-1] + timedelta(days=1)
    for fold in range(1, _FOLDS + 1):
        origin = last - timedelta(days=fold * _FOLD_DAYS)
        try:
            earlier = _learn(arrivals.before(origin), facts)
        except NoHistory:
            break
        for ahead in range(_FOLD_DAYS):
            day = origin + timedelta(days=ahead)
            row = (day - arrivals.first).days
            if facts[day].special or model.far_days[row]:
                continue
            usable = ~np.isnan(arrivals.counts[row]) & ~model.far_slots[row]
            seen.append(arrivals.counts[row][usable])
            expected.append(earlier.mean(day, facts[day])[usable])
    if not seen:
        return max(0.2, model.day_spread)
    counts, means = np.concatenate(seen), np.concatenate(expected)
    # half a call less: counts are whole numbers, as the interval's ends are
    return _spread_holding(CONFIDENCE, np.maximum(np.abs(counts - means) - 0.5, 0.0), means)


def interval(mean: float, spread: float, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Between which whole numbers a count lies: Poisson, whose rate itself varies by the share `spread` (gamma).

    By the normal distribution where hundreds are expected. (0, 0) for an expectation of nothing.
    """
    if mean <= 1e-9:
        return 0, 0
    tail = (1 - confidence) / 2
    deviation = math.sqrt(mean + (spread * mean) ** 2)
    if mean > 300:
        wide = NormalDist().inv_cdf(1 - tail) * deviation
        return max(0, math.floor(mean - wide)), math.ceil(mean + wide)
    size = 1 / max(spread * spread, 1e-9)
    quiet = size / (size + mean)
    chance = math.exp(size * math.log(quiet))
    total, count, low = chance, 0, -1
    most = math.ceil(mean + 40 * deviation + 40)
    while count < most:
        if low < 0 and total > tail:
            low = count
        if total >= 1 - tail:
            break
        chance *= (count + size) / (count + 1) * (1 - quiet)
        count += 1
        total += chance
    return max(low, 0), count
