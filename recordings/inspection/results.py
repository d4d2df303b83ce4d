"""Results of quality inspection by agent, team, queue and day: rates, each with the count that it stands on. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from recordings.inspection.days_sql import ALL, BY_RULES, SOUND, WORDS, WRONG_TYPE, Sum
from recordings.inspection.review_sql import ScoreSum

BY = ("agent", "team", "queue", "day")

MEANS = frozenset(
    {
        "talk_s",
        "citizen_s",
        "agent_s",
        "both_s",
        "silence_s",
        "hold_s",
        "agent_share",
        "agent_pace",
        "longest_silence_s",
    }
)
"""Figures of which the mean is told; of all others in how many calls they were found."""

NO_TEAM = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """In `found` of `judged` calls; `times` in all. `rate` is None where no call was judged."""

    found: int
    judged: int
    times: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over `judged` calls."""

    mean: float
    judged: int


@dataclass(frozen=True, slots=True)
class Scored:
    """What inspectors gave: scores that count for the agent, their mean, and how many passed."""

    count: int
    mean: float | None
    passed: int


@dataclass(frozen=True, slots=True)
class Line:
    """The results of one agent, team, queue or day (`key`), of `calls` inspected calls; of so many the sound, and the
    words, could be judged. A name with ``?`` behind it counts what was found by its sound alone: a suspicion."""

    key: str
    calls: int
    sound_judged: int
    words_judged: int
    means: Mapping[str, Mean]
    rates: Mapping[str, Rate]
    scores: Scored


def lines_of(sums: Sequence[Sum], scores: Iterable[ScoreSum], by: str, team_of: Mapping[str, str]) -> list[Line]:
    """The results by `by` (one of `BY`), in the order of their keys; `team_of`: whose team each agent is in."""
    key = _key(by, team_of)
    grouped: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0, 0.0, 0]))
    for one in sums:
        row = grouped[key(one)][one.name]
        row[0], row[1], row[2] = row[0] + one.calls, row[1] + one.total, row[2] + one.above
    given: dict[str, list[ScoreSum]] = defaultdict(list)
    for score in scores:
        given[key(score)].append(score)
    return [_line(name, grouped.get(name, {}), given.get(name, [])) for name in sorted({*grouped, *given})]


def judged_by(sums: Sequence[Sum]) -> dict[str, int]:
    """By which versions of the rules so many calls were judged."""
    found: dict[str, int] = defaultdict(int)
    for one in sums:
        if one.name.startswith(BY_RULES):
            found[one.name.removeprefix(BY_RULES)] += one.calls
    return dict(found)


def _key(by: str, team_of: Mapping[str, str]) -> Callable[[Sum | ScoreSum], str]:
    if by == "team":
        return lambda one: team_of.get(one.agent, NO_TEAM)
    if by not in BY:
        raise ValueError(f"no results by {by}")
    return lambda one: str(getattr(one, by))


def _line(key: str, rows: Mapping[str, Sequence[float]], scores: Sequence[ScoreSum]) -> Line:
    def count(name: str) -> int:
        return int(rows[name][0]) if name in rows else 0

    means = {name: Mean(round(row[1] / row[0], 3), int(row[0])) for name, row in rows.items() if name in MEANS}
    rates = {
        name: Rate(int(row[2]), int(row[0]), int(row[1]), round(row[2] / row[0], 4))
        for name, row in rows.items()
        if name not in MEANS and name not in (ALL, SOUND, WORDS, WRONG_TYPE) and not name.startswith(BY_RULES)
    }
    wrong, words = count(WRONG_TYPE), count(WORDS)
    rates[WRONG_TYPE] = Rate(wrong, words, wrong, round(wrong / words, 4) if words else None)
    given = sum(one.count for one in scores)
    mean = round(sum(one.total for one in scores) / given, 2) if given else None
    scored = Scored(given, mean, sum(one.passed for one in scores))
    return Line(key, count(ALL), count(SOUND), words, dict(sorted(means.items())), dict(sorted(rates.items())), scored)
