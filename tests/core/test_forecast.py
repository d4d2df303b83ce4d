"""Forecasts of arrivals: what a made history holds must be found again, and what is out of the ordinary must not be."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from metrics.back_test import MEAN4, NAIVE, OURS, back_test
from metrics.forecast import SLOTS, Arrivals, DayFacts, Kind, NoHistory, forecast, interval

pytestmark = pytest.mark.core

MONDAY = date(2025, 3, 3)
WEEK = (1.15, 1.05, 1.0, 1.0, 0.95, 0.55, 0.5)
HOLIDAY = 0.35
_HOUR = np.array([0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 0.8, 2, 4.5, 6.5, 7, 6.5, 5, 5.5, 6.6, 6.6, 6, 5.6, 5, 4.5, 4, 3, 2, 1])
SHAPE = np.repeat(_HOUR, 2) / _HOUR.sum() / 2


def facts_for(days: int, kinds: dict[date, DayFacts] | None = None, first: date = MONDAY) -> dict[date, DayFacts]:
    found = {}
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        usual = DayFacts(Kind.WORKDAY if day.weekday() < 5 else Kind.WEEKEND)
        found[day] = (kinds or {}).get(day, usual)
    return found


def made(
    days: int,
    *,
    calls: float = 3000.0,
    seed: int = 1,
    growth: float = 0.0,
    spread: float = 0.04,
    facts: dict[date, DayFacts] | None = None,
    special: dict[str, float] | None = None,
    first: date = MONDAY,
) -> tuple[Arrivals, dict[date, DayFacts]]:
    """A history whose truth is known: Poisson calls whose daily level varies by `spread`, `growth` a week."""
    facts = facts or facts_for(days + 21, first=first)
    luck = np.random.default_rng(seed)
    rows = []
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        rows.append(luck.poisson(truth(day, facts[day], calls, growth, special, first) * luck.normal(1, spread)))
    return Arrivals(first, np.array(rows, float)), facts


def truth(
    day: date,
    facts: DayFacts,
    calls: float,
    growth: float = 0.0,
    special: dict[str, float] | None = None,
    first: date = MONDAY,
) -> np.ndarray:
    if facts.kind is Kind.HOLIDAY:
        factor = HOLIDAY
    else:
        factor = WEEK[2] if facts.kind is Kind.WORKDAY and day.weekday() >= 5 else WEEK[day.weekday()]
    grown = (1 + growth) ** ((day - first).days / 7)
    return np.asarray(calls * factor * grown * (special or {}).get(facts.special, 1.0) * SHAPE)


def off(arrivals: Arrivals, facts: dict[date, DayFacts], calls: float = 3000.0, **more: float) -> float:
    """How far the next week is from the truth: the sum of absolute differences / the calls."""
    wanted = [arrivals.days[-1] + timedelta(days=ahead) for ahead in range(1, 8)]
    found = forecast(arrivals, facts, wanted)
    right = [truth(day, facts[day], calls, **more) for day in wanted]  # type: ignore[arg-type]
    wrong = sum(float(np.abs(np.array(one.mean) - is_).sum()) for one, is_ in zip(found.days, right, strict=True))
    return wrong / float(np.sum(right))


@pytest.mark.parametrize(("days", "most"), [(14, 0.15), (56, 0.05), (365, 0.04)])
def test_two_weeks_eight_weeks_a_year(days: int, most: float) -> None:
    assert off(*made(days)) < most


def test_every_weekday_has_its_own_level() -> None:
    arrivals, facts = made(56)
    found = forecast(arrivals, facts, [MONDAY + timedelta(days=56 + ahead) for ahead in range(7)])
    totals = [one.total for one in found.days]
    assert [total / sum(totals) * 6.2 for total in totals] == pytest.approx(WEEK, abs=0.06)


def test_holidays_and_make_up_days_are_days_of_their_own_kind() -> None:
    kinds = {MONDAY + timedelta(days=30 + ahead): DayFacts(Kind.HOLIDAY) for ahead in range(5)}
    kinds |= {MONDAY + timedelta(days=61 + ahead): DayFacts(Kind.HOLIDAY) for ahead in range(3)}
    kinds[MONDAY + timedelta(days=26)] = DayFacts(Kind.WORKDAY)  # a Saturday on which people work
    tuesday, saturday = MONDAY + timedelta(days=99), MONDAY + timedelta(days=103)
    kinds[tuesday], kinds[saturday] = DayFacts(Kind.HOLIDAY), DayFacts(Kind.WORKDAY)
    facts = facts_for(120, kinds)
    arrivals, _ = made(98, facts=facts)
    holiday, make_up, sunday = forecast(arrivals, facts, [tuesday, saturday, MONDAY + timedelta(days=104)]).days
    assert holiday.pattern == "holiday"
    assert holiday.total == pytest.approx(3000 * HOLIDAY, rel=0.12)
    assert make_up.total == pytest.approx(3000 * WEEK[2], rel=0.12)
    assert sunday.total == pytest.approx(3000 * WEEK[6], rel=0.08)


def test_a_flood_is_not_learnt_as_normal() -> None:
    arrivals, facts = made(56)
    clean = forecast(arrivals, facts, [MONDAY + timedelta(days=56 + ahead) for ahead in range(7)])
    flooded = Arrivals(arrivals.first, arrivals.counts.copy())
    flooded.counts[51, 20:30] *= 8  # five hours of a Wednesday
    flooded.counts[46] *= 3  # a whole Friday
    found = forecast(flooded, facts, [one.day for one in clean.days])
    assert found.unusual == (MONDAY + timedelta(days=46),)
    assert found.unusual_slots >= 10
    for one, before in zip(found.days, clean.days, strict=True):
        assert one.total == pytest.approx(before.total, rel=0.03)
    learnt = np.mean(flooded.counts[[37, 44, 51]], axis=0).sum()  # what a mean of Wednesdays would have made of it
    assert learnt > clean.days[2].total * 1.5


def test_a_level_that_stays_is_the_new_normal() -> None:
    arrivals, facts = made(70)
    moved = Arrivals(arrivals.first, arrivals.counts.copy())
    moved.counts[49:] *= 2
    assert off(moved, facts, 6000.0) < 0.12


def test_an_hour_that_is_always_busy_is_no_flood() -> None:
    arrivals, facts = made(56)
    moved = Arrivals(arrivals.first, arrivals.counts.copy())
    moved.counts[:, 40] += 400
    found = forecast(moved, facts, [MONDAY + timedelta(days=56)])
    assert found.days[0].mean[40] == pytest.approx(400 + 3000 * WEEK[0] * SHAPE[40], rel=0.15)


def test_growth_goes_on_and_chance_does_not() -> None:
    arrivals, facts = made(140, growth=0.02)
    found = forecast(arrivals, facts, [arrivals.days[-1] + timedelta(days=3)])
    assert found.trend == pytest.approx(0.02, abs=0.006)
    assert off(arrivals, facts, growth=0.02) < 0.05
    assert [forecast(*made(140, seed=seed), [MONDAY + timedelta(days=141)]).trend for seed in range(4)].count(0.0) >= 3


def test_gaps_of_hours_days_and_weeks() -> None:
    arrivals, facts = made(84)
    holed = Arrivals(arrivals.first, arrivals.counts.copy())
    holed.counts[20:34] = np.nan  # no records of two weeks
    holed.counts[60, 10:30] = np.nan
    holed.counts[70] = 0.0  # no call at all: the hotline was down
    holed.counts[75, 18:30] = 0.0  # and on this day from nine to three
    assert off(holed, facts) < 0.05
    found = forecast(holed, facts, [MONDAY + timedelta(days=84)])
    assert found.missing == 14 * SLOTS + 20


@pytest.mark.parametrize("days", [0, 1, 6])
def test_without_a_history_it_says_so(days: int) -> None:
    arrivals, facts = made(days) if days else (Arrivals(MONDAY, np.zeros((30, SLOTS))), facts_for(60))
    with pytest.raises(NoHistory, match=f"^{days} days have calls"):
        forecast(arrivals, facts, [MONDAY + timedelta(days=31)])
    with pytest.raises(NoHistory):
        back_test(arrivals, facts)


def test_named_days_are_learnt_by_their_name() -> None:
    cold = {MONDAY + timedelta(days=day): DayFacts(Kind.WORKDAY, "供暖") for day in (30, 31, 100)}
    cold[MONDAY + timedelta(days=107)] = DayFacts(Kind.WORKDAY, "停水")
    cold[MONDAY + timedelta(days=108)] = DayFacts(Kind.WORKDAY, "考试", factor=1.5)
    facts = facts_for(120, cold)
    arrivals, _ = made(98, facts=facts, special={"供暖": 4.0})
    wanted = [MONDAY + timedelta(days=day) for day in (100, 107, 108, 93 + 14)]
    heated, unheard, given, _ = forecast(arrivals, facts, wanted).days
    assert heated.total == pytest.approx(3000 * WEEK[2] * 4, rel=0.12)
    assert unheard.total == pytest.approx(3000 * WEEK[2], rel=0.1)
    assert given.total == pytest.approx(3000 * WEEK[3] * 1.5, rel=0.1)
    found = forecast(arrivals, facts, wanted)
    assert found.unknown == ("停水",)
    assert not found.unusual


def test_a_queue_with_a_call_now_and_then() -> None:
    arrivals, facts = made(56, calls=6.0)
    found = forecast(arrivals, facts, [MONDAY + timedelta(days=56)])
    assert found.days[0].total == pytest.approx(6 * WEEK[0], rel=0.4)
    assert all(low == 0 for low in found.days[0].low)


@pytest.mark.parametrize("spread", [0.03, 0.15])
def test_the_interval_holds_what_it_promises(spread: float) -> None:
    tests = [back_test(*made(84, seed=seed, spread=spread), weeks=4) for seed in range(2)]
    assert 0.84 <= np.mean([one.by_method[OURS].held for one in tests]) <= 0.96  # type: ignore[type-var]


def test_it_beats_last_week_and_the_mean_of_four() -> None:
    kinds = {MONDAY + timedelta(days=day): DayFacts(Kind.HOLIDAY) for day in (30, 31, 32, 72, 73, 74)}
    facts = facts_for(130, kinds)
    arrivals, _ = made(105, facts=facts)
    arrivals.counts[80, 18:28] *= 6
    found = back_test(arrivals, facts, weeks=6)
    assert found.weeks == 6
    ours, naive, mean = (found.by_method[name] for name in (OURS, NAIVE, MEAN4))
    assert ours.wape < mean.wape < naive.wape
    assert ours.mase < 0.8
    assert ours.slots == naive.slots == 6 * 7 * SLOTS


@pytest.mark.parametrize(("mean", "spread"), [(0.3, 0.0), (4.0, 0.2), (60.0, 0.05), (290.0, 0.1), (310.0, 0.1)])
def test_the_interval_against_chance(mean: float, spread: float) -> None:
    luck = np.random.default_rng(3)
    rates = luck.gamma(1 / spread**2, mean * spread**2, 40_000) if spread else np.full(40_000, mean)
    counts = luck.poisson(rates)
    low, high = interval(mean, spread)
    assert ((counts >= low) & (counts <= high)).mean() >= 0.893
    assert (counts > high).mean() == pytest.approx(0.05, abs=0.05)
    assert (counts > high - math.ceil(mean * 0.3 + 1)).mean() > 0.05  # and it is not wider than it must be


def test_nothing_expected_is_nothing() -> None:
    assert interval(0.0, 0.5) == (0, 0)


@pytest.mark.parametrize("made_of", [lambda: np.full((20, SLOTS), np.nan), lambda: np.zeros((0, SLOTS))])
def test_a_history_of_nothing(made_of: Callable[[], np.ndarray]) -> None:
    with pytest.raises(NoHistory):
        forecast(Arrivals(MONDAY, made_of()), facts_for(60), [MONDAY + timedelta(days=30)])
