"""Shift plans: every half-hour covered, no shift too many, nobody worked too hard; and how far from the best."""

from __future__ import annotations

import itertools
import random

import pytest

from metrics.shifts import DAY, Cover, Pattern, Pause, Rules, Shift, allowed, greedy, patterns, people

pytestmark = pytest.mark.core

EARLY = Shift("早", (14, 16, 18), 16, (Pause(6, 10, 2),))
LATE = Shift("晚", (28, 32), 16, (Pause(6, 8, 1),))
NIGHT = Shift("夜", (42, 44), 20, (Pause(8, 12, 2),))


def test_a_pattern_for_every_begin_and_break() -> None:
    assert len(patterns([EARLY], 1)) == 3 * 5
    night = patterns([Shift("夜", (42,), 20, (Pause(8, 8, 2),))], 2)
    assert [one.day for one in night] == [-1, 0, 1]  # that of the evening before reaches into the first day
    assert (night[0].begin, night[0].end, night[0].pauses) == (-6, 14, ((2, 4),))
    crossing = Shift("x", (16,), 16, (Pause(2, 6, 2), Pause(4, 8, 2)))
    ends = [one.pauses for one in patterns([crossing], 1)]
    assert all(first[1] <= second[0] for first, second in ends)
    assert len(ends) == 15 < 25


@pytest.mark.parametrize(("begins", "length", "pauses"), [
    ((), 16, ()), ((50,), 16, ()), ((16,), 0, ()), ((16,), 16, (Pause(15, 15, 2),)), ((16,), 16, (Pause(5, 4, 1),)),
    ((16,), 16, (Pause(6, 6, 2), Pause(7, 9, 1))),
])  # fmt: skip
def test_shifts_that_nobody_can_work(begins: tuple[int, ...], length: int, pauses: tuple[Pause, ...]) -> None:
    with pytest.raises(ValueError, match="^shift x"):
        Shift("x", begins, length, pauses)


def covered(need: list[int], found: Cover) -> bool:
    return all(there >= wanted for there, wanted in zip(found.present(len(need)), need, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_everything_is_covered_and_no_shift_is_too_many(seed: int) -> None:
    luck = random.Random(seed)
    days = 2
    need = [luck.randint(0, 4) + (luck.randint(3, 30) if 16 <= slot % DAY < 44 else 1) for slot in range(days * DAY)]
    found = greedy(need, patterns([EARLY, LATE, NIGHT], days), rounds=40)
    assert found.missing == 0
    assert covered(need, found)
    for place, (pattern, count) in enumerate(found.counts):
        fewer = [*found.counts[:place], (pattern, count - 1), *found.counts[place + 1 :]]
        assert not covered(need, Cover(tuple(fewer), 0))


def test_it_is_near_the_best_of_small_plans() -> None:
    """Beside every combination of a few shifts, tried out."""
    worst = 0.0
    for seed in range(8):
        luck = random.Random(seed)
        ways = [Pattern(str(n), begin, begin + 4, ()) for n, begin in enumerate((0, 2, 3, 5, 6))]
        need = [luck.randint(0, 3) for _ in range(10)]
        best = min(
            sum(4 * count for count in counts)
            for counts in itertools.product(range(4), repeat=len(ways))
            if covered(need, Cover(tuple(zip(ways, counts, strict=True)), 0))
        )
        found = greedy(need, ways)
        assert covered(need, found)
        worst = max(worst, found.paid / max(best, 1))
    assert 1.0 <= worst <= 1.1


def test_half_hours_that_no_shift_reaches_are_said() -> None:
    need = [0] * DAY
    need[2], need[20] = 3, 2
    found = greedy(need, patterns([EARLY], 1))
    assert found.missing == 3
    assert found.present(DAY)[20] == 2


def test_nothing_needed_is_nobody() -> None:
    assert greedy([0] * DAY, patterns([EARLY], 1)) == Cover((), 0)
    assert greedy([1] * DAY, []).missing == DAY
    with pytest.raises(ValueError, match="negative"):
        greedy([-1], [])


def test_people_rest_and_work_no_more_than_they_may() -> None:
    need = [(2 if slot % DAY < 16 else 9) for slot in range(7 * DAY)]
    found = greedy(need, patterns([EARLY, LATE, NIGHT], 7), rounds=20)
    rules = Rules(rest=22, days=5, hours=44)
    names = [f"p{number}" for number in range(80)]
    roster = people(found, names, rules)
    assert not roster.unfilled
    assert sum(len(worked) for _, worked in roster.shifts) == found.shifts
    for _, worked in roster.shifts:
        ordered = sorted(worked, key=lambda one: one.begin)
        assert all(second.begin - first.end >= 22 for first, second in itertools.pairwise(ordered))
        assert len({one.day for one in worked}) <= 5
        assert sum(one.paid for one in worked) / 2 <= 44
    some = people(found, names[:10], rules, more=True)
    assert not some.unfilled
    assert sum(name.startswith("+") for name, _ in some.shifts) == len(some.shifts) - 10 > 0
    few = people(found, names[:10], rules)
    assert few.unfilled
    assert sum(len(worked) for _, worked in few.shifts) + len(few.unfilled) == found.shifts


def test_any_seven_days_in_a_row_count() -> None:
    def day(number: int) -> Pattern:
        return Pattern("早", number * DAY + 16, number * DAY + 32, ())

    rules = Rules(rest=22, days=5, hours=40)
    worked = [day(number) for number in (3, 4, 5, 6)]
    assert allowed(worked, day(7), rules)
    assert not allowed([*worked, day(7)], day(8), rules)
    assert not allowed([*worked, day(7)], day(2), rules)
    assert allowed([*worked, day(7)], day(10), rules)
    assert not allowed([day(3)], Pattern("晚", 3 * DAY + 34, 4 * DAY, ()), rules)
    assert not allowed([day(0)], day(1), Rules(rest=40))
