"""What a definition is, and what a figure carries. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = Any
"""A row of the definition's subject (`metrics.definitions.rows`)."""


class Subject(enum.Enum):
    """Over what a definition counts, and by which instant a row belongs to a period."""

    CALLS = "calls"  #: calls that came in; of the period in which they arrived, whole, however long they last
    TICKETS = "tickets"  #: tickets; of the period in which they were opened
    FOLLOW_UPS = "follow_ups"  #: tickets followed up in the period
    DECISIONS = "decisions"  #: requests decided in the period
    AGENTS = "agents"  #: agents' intervals, cut at the period's ends


class Kind(enum.Enum):
    """How the value is made."""

    RATIO = "ratio"  #: rows in the numerator / rows in the denominator
    MEAN = "mean"  #: sum of an amount / rows that have it
    PERCENTILE = "percentile"  #: nearest rank, so a duration that really occurred
    TIME_SHARE = "time_share"  #: seconds in the numerator / seconds in the denominator
    WORST_WINDOW = "worst_window"  #: the ratio of another definition in its worst window of 24 hours


@dataclass(frozen=True, slots=True)
class Measure:
    """One definition.

    `name` ends with its version. `counts` selects the denominator; `succeeds`, asked of these only, the numerator of a
    ratio and the seconds above the line of a share of time. `amount` is what a mean or a percentile is of, None for a
    row that has none. `target` is what the source asks for; `better` says to which side.
    """

    name: str
    subject: Subject
    kind: Kind
    unit: str  #: ``1`` for shares, ``s``
    title_zh: str
    title_en: str
    formula_zh: str
    formula_en: str
    source: str
    counts: Callable[[Row], bool]
    succeeds: Callable[[Row], bool] | None = None
    amount: Callable[[Row], float | None] | None = None
    percent: float = 0.0
    target: float | None = None
    better: str = "higher"


@dataclass(frozen=True, slots=True)
class Value:
    """A figure with its proof.

    `value` None: there is none, and `why_zh`, `why_en` say why. Of a ratio `numerator` and `denominator` are counts of
    rows, of a mean seconds and rows, of a share of time seconds. The ids are calls, tickets, ``ticket/request`` or
    ``agent@begin``; of a percentile, the rows at or below it. `window`: from when to when the worst one was.
    """

    measure: str
    value: float | None
    numerator: float
    denominator: float
    numerator_ids: tuple[str, ...]
    denominator_ids: tuple[str, ...]
    why_zh: str = ""
    why_en: str = ""
    window: tuple[float, float] | None = None
