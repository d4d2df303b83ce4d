"""For how long a recording is kept, and what keeps it longer. Pure rules; the law behind the default: `policy.py`.

A recording is erased when the time of every rule that applies to it is over and nothing holds it. A hold is a person's
word (a complaint under review, a court's request), or it follows from an open ticket: what is still being handled is
never erased under the hands of those who handle it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

DAY_S = 86_400.0
LONGEST_DAYS = 365_000
"""A thousand years: no rule keeps longer."""

GENERAL_RULE = "general"
"""The name of the rule for calls of which no other rule speaks."""


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Recordings of calls with a ticket of one of these types are kept for so many days from their start.

    `name` stands in the erasure's certificate. `transcript_days`: so long their transcripts, None = as long as the
    recording. Raises ValueError for no type or less than a day.
    """

    name: str
    types: frozenset[str]
    keep_days: int
    transcript_days: int | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that never applies, or would erase at once."""
        if not self.types:
            raise ValueError(f"the rule {self.name} names no type")
        known = [days for days in (self.keep_days, self.transcript_days) if days is not None]
        if not all(1 <= days <= LONGEST_DAYS for days in known):
            raise ValueError(f"the rule {self.name} keeps less than a day, or longer than {LONGEST_DAYS} days")


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """A hotline's rules. `general_days` is for calls of which no rule speaks (`recordings.policy` has the default), and
    `transcript_days` for their transcripts, None = as long as the recording."""

    general_days: int
    rules: tuple[KeepRule, ...] = ()
    transcript_days: int | None = None

    @property
    def of_transcripts(self) -> KeepPolicy:
        """The same rules, with the days for which transcripts are kept."""
        rules = tuple(
            one if one.transcript_days is None else replace(one, keep_days=one.transcript_days) for one in self.rules
        )
        return KeepPolicy(self.general_days if self.transcript_days is None else self.transcript_days, rules)

    @property
    def version(self) -> str:
        """Names these rules: other rules, another name. What was said by others is asked again."""
        said = [self.general_days, *([rule.name, rule.keep_days, *sorted(rule.types)] for rule in self.rules)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording as the rules look at it: when it began (epoch seconds), the types of its call's tickets, whether one
    of them is still open, and the reasons for which people hold it."""

    started_at: float
    types: frozenset[str] = frozenset()
    ticket_open: bool = False
    holds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """To be erased: by which rule, and since when it might be (epoch seconds)."""

    rule: str
    since: float


@dataclass(frozen=True, slots=True)
class NotYet:
    """To be kept: why (``young``, ``open_ticket``, ``held``), and until when at least; None = nobody knows."""

    why: str
    until: float | None


def rule_of(policy: KeepPolicy, types: frozenset[str]) -> tuple[int, str]:
    """The days and the name of the rule for a call with tickets of these types: of several the longest one counts."""
    applying = [(rule.keep_days, rule.name) for rule in policy.rules if rule.types & types]
    return max(applying, default=(policy.general_days, GENERAL_RULE))


def decide(policy: KeepPolicy, kept: Kept, now: float) -> Due | NotYet:
    """Whether a recording is to be erased at `now` (epoch seconds)."""
    days, rule = rule_of(policy, kept.types)
    over = kept.started_at + days * DAY_S
    if now < over:
        return NotYet("young", over)
    if kept.holds:
        return NotYet("held", None)
    if kept.ticket_open:
        return NotYet("open_ticket", None)
    return Due(rule, over)


def erasable_from(policy: KeepPolicy, kept: Kept) -> float | None:
    """From when a recording may be erased (epoch seconds), as things are; None = something holds it, nobody knows."""
    decision = decide(policy, kept, kept.started_at + LONGEST_DAYS * DAY_S)
    return decision.since if isinstance(decision, Due) else None


def unknown_types(policy: KeepPolicy, known: Collection[str]) -> list[str]:
    """Types that the rules name and nobody uses: for the check of a configuration."""
    return sorted({one for rule in policy.rules for one in rule.types} - set(known))
