"""The pace of the automatic voice follow-up: how many calls at once, in a minute, and beside the citizens'. Pure.

Time is a parameter. What it keeps: never more than `at_once` calls of the campaign together; never more than
`per_minute` placed within any minute; never a call that would leave citizens fewer than `keep_free` of the trunk's
`lines`. GB/T 33358-2016 counts what citizens call (15 s, `domain.md` 0.1): it goes before what the hotline calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from acd.callback import CallbackRules
from pbx.callback import CallbackRequest, CallbackState

MINUTE_S = 60.0

_SAME_S = 0.001
"""Instants that differ by less are the same."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds of the campaign's calls. `lines`: calls that the trunk carries at a time; `keep_free`: left to citizens.

    Raises ValueError for bounds by which nobody could ever be called.
    """

    at_once: int = 2
    per_minute: int = 6
    lines: int = 30  #: one E1
    keep_free: int = 10

    def __post_init__(self) -> None:
        """Refuse what would call nobody."""
        if self.at_once < 1 or self.per_minute < 1:
            raise ValueError("at_once and per_minute must be at least 1")
        if not 0 <= self.keep_free < self.lines:
            raise ValueError("keep_free must leave at least one of the lines")


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a citizen is called. `gaps_s`: after the first call in vain, the second, …; the last one holds on.

    `keep_s`: a request that is older is given up. Raises ValueError for what makes no sense.
    """

    attempts: int = 3
    gaps_s: tuple[float, ...] = (3600.0, 86_400.0)
    keep_s: float = 7 * 86_400.0

    def __post_init__(self) -> None:
        """Refuse rules that make no sense."""
        if self.attempts < 1 or not self.gaps_s or min(self.gaps_s) <= 0 or self.keep_s <= 0:
            raise ValueError("attempts, gaps and keep_s must be positive")

    def rules(self, made: int) -> CallbackRules:
        """The rules of a request after so many calls."""
        gap = self.gaps_s[min(max(made, 1), len(self.gaps_s)) - 1]
        return CallbackRules(self.attempts, gap, self.keep_s)


def may_place(pace: Pace, calling: int, busy: int, placed: Sequence[float], now: float) -> float | None:
    """When the next call may be placed: `now`, a later instant, or None = not before some call has ended.

    `calling`: calls of the campaign in progress; `busy`: all calls that hold a line, those among them; `placed`: when
    the latest calls of the campaign were placed, oldest first.
    """
    if calling >= pace.at_once or busy + pace.keep_free >= pace.lines:
        return None
    recent = recently(placed, now)
    if len(recent) < pace.per_minute:
        return now
    return recent[-pace.per_minute] + MINUTE_S


def recently(placed: Iterable[float], now: float) -> list[float]:
    """Those of the last minute: what is older counts no more."""
    return [at for at in placed if now - at < MINUTE_S - _SAME_S]


def next_of(requests: Iterable[CallbackRequest]) -> CallbackRequest | None:
    """Whose turn is next of those that wait: who may be called soonest; of several, who has waited longest."""
    waiting = (one for one in requests if one.state is CallbackState.WAITING)
    return min(waiting, key=lambda one: (one.next_at, one.asked_at, one.id), default=None)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the campaign has reached. Counted in tickets, but for `attempts`.

    `reached`: somebody, or a machine, has answered at least once; `answered`: he has given a score, whose mean is
    `mean_score` (1 to 5; None = nobody has); `satisfied`: a good one; `for_people`: given up, or he wanted an agent and
    none talked with him.
    """

    tickets: int
    waiting: int
    calling: int
    attempts: int
    reached: int
    answered: int
    mean_score: float | None
    satisfied: int
    with_agent: int
    for_people: int
    cancelled: int


_PICKED_UP = frozenset({"answered", "hung_up", "silent"})


def figures(requests: Iterable[CallbackRequest], dissatisfied_to: int) -> Figures:
    """The figures of these requests. Scores up to `dissatisfied_to` count as dissatisfied, as in the tickets' own rule
    (`FollowUpRules`), whose the number is.
    """
    every = list(requests)
    states = [one.state for one in every]
    scores = [int(one.answer) for one in every if one.answer.isdecimal()]
    return Figures(
        tickets=len(every),
        waiting=states.count(CallbackState.WAITING),
        calling=states.count(CallbackState.DIALLING),
        attempts=sum(len(one.attempts) for one in every),
        reached=sum(any(attempt.outcome in _PICKED_UP for attempt in one.attempts) for one in every),
        answered=len(scores),
        mean_score=sum(scores) / len(scores) if scores else None,
        satisfied=sum(score > dissatisfied_to for score in scores),
        with_agent=sum(one.state is CallbackState.DONE and one.answer == "agent" for one in every),
        for_people=states.count(CallbackState.GIVEN_UP),
        cancelled=states.count(CallbackState.CANCELLED),
    )
