"""How many processor cores recognition may use, and who of it goes first. Pure: it counts, and starts nothing.

Two uses share them. **Live** words are worth something only now: they get a core before those that wait, as far as
their own share goes. Words **after** the call lose nothing by waiting, but must come at all: what is not the live share
is theirs whatever happens, and they borrow the live one while nobody needs it. A job that has begun is not taken away
its core (it ends within seconds); live streams that turn out to cost more than was reckoned give way (`who_gives_way`).

What a stream costs: 0.3-0.7 of a core for each leg that *talks*, 0.05 for one that is silent, 0.02-0.03 with a closed
list of phrases (shared/speech.md section 1).
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

_GRAIN = 1e-9
"""Sums of shares like 0.1 are not exact; so much more than there is counts as nothing."""


class Use(enum.Enum):
    """What a core is used for."""

    LIVE = "live"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Cores:
    """`all`: cores that recognition may use altogether; `live`: how many of these live streams may use at most.

    ValueError if there is nothing left for what must come at all.
    """

    all: float
    live: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a budget with which transcripts would never come."""
        if self.all < 0 or self.live < 0:
            raise ValueError("cores are not negative")
        if self.live > 0 and self.live >= self.all:
            raise ValueError("live words may not have every core: transcripts after the call would never come")


class CoreBudget:
    """Who uses how much. `who` is anything by which a user is known; one name has one claim for each use."""

    def __init__(self, cores: Cores) -> None:
        self.cores = cores
        self._claims: dict[Use, dict[Hashable, float]] = {use: {} for use in Use}
        self.refused = dict.fromkeys(Use, 0)
        """How often there was no room."""

    def used(self, use: Use | None = None) -> float:
        """Cores in use, by one use or altogether."""
        uses = Use if use is None else (use,)
        return sum(share for one in uses for share in self._claims[one].values())

    def room(self, use: Use) -> float:
        """How much `use` could take now."""
        free = self.cores.all - self.used()
        if use is Use.LIVE:
            free = min(free, self.cores.live - self.used(Use.LIVE))
        return max(0.0, free)

    def take(self, use: Use, who: Hashable, cores: float) -> bool:
        """Claim so many cores (more than 0); False when there is no room. Who has a claim already keeps that one."""
        if cores <= 0:
            raise ValueError("a claim is more than nothing")
        if who in self._claims[use]:
            return True
        if cores > self.room(use) + _GRAIN:
            self.refused[use] += 1
            return False
        self._claims[use][who] = cores
        return True

    def give_back(self, use: Use, who: Hashable) -> None:
        """The claim is over; nothing where there is none."""
        self._claims[use].pop(who, None)


W = TypeVar("W", bound=Hashable)


def who_gives_way(behind: Mapping[W, float], order: Sequence[W], bound_s: float) -> W | None:
    """Which of the live streams that share a recogniser gives way; None while all keep up.

    `behind`: how many seconds of sound of each wait to be heard; `order`: whose began first. The newest goes: the
    others have suggestions on their desks already, and nothing of the newest's call is lost, since it is transcribed
    after its end like every other.
    """
    if not behind or max(behind.values()) <= bound_s:
        return None
    return next((who for who in reversed(order) if who in behind), None)


class AfterShare:
    """The budget as the pool of recognisers after the call asks for it (`recordings.pool.Budget`): by whole cores."""

    def __init__(self, budget: CoreBudget) -> None:
        self._budget = budget
        self._taken: list[int] = []
        self._number = 0

    def free(self) -> int:
        """Whole cores that may be taken now."""
        return int(self._budget.room(Use.AFTER) + _GRAIN)

    def take(self) -> bool:
        """Take one; False when there is none."""
        self._number += 1
        if not self._budget.take(Use.AFTER, self._number, 1.0):
            return False
        self._taken.append(self._number)
        return True

    def give_back(self) -> None:
        """Give one back."""
        self._budget.give_back(Use.AFTER, self._taken.pop())
