"""When a ticket must be signed for (签收) and closed (办结): the table of limits, and one limit's due instant.

Two kinds of time are counted (`domain.md` D5, D7): the working hour (工作小时), which runs only within the working
hours of a working day, and the working day (工作日), of which the day of the event itself is not counted and the last
one ends with the working hours (民法典 art. 201 and 203). A third, the hour by the clock, is for hard limits (D9). The
`Calendar` knows which days work; `tickets.clock` counts pauses and extensions. Instants here are epoch seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tickets.calendars import Calendar, CalendarError, ChineseCalendar, Outside
from tickets.worktime import SECOND, WorkingHours, micros, worktime

__all__ = [
    "Calendar",
    "CalendarError",
    "ChineseCalendar",
    "ClockKind",
    "DeadlineRules",
    "Facts",
    "Limit",
    "LimitRule",
    "Outside",
    "Redispatch",
    "Unit",
    "WorkingHours",
    "due",
]


class Unit(enum.Enum):
    """In what a limit is counted."""

    WORKING_HOURS = "working_hours"  #: 工作小时
    WORKING_DAYS = "working_days"  #: 工作日
    HOURS = "hours"  #: by the clock, day and night (an order with a hard limit, `domain.md` D9)


@dataclass(frozen=True, slots=True)
class Limit:
    """So much time, and where the number comes from. Raises ValueError unless it is positive, and days are whole."""

    amount: float
    unit: Unit
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a limit that cannot be met or counted."""
        if not 0 < self.amount < 10_000:
            raise ValueError(f"a limit must be more than 0, not {self.amount}")
        if self.unit is Unit.WORKING_DAYS and self.amount != int(self.amount):
            raise ValueError(f"working days are counted whole, not {self.amount}")

    def length(self, hours: WorkingHours) -> int:
        """How much it is in microseconds, on the scale that it is counted on; a working day as its working hours."""
        if self.unit is Unit.WORKING_DAYS:
            return int(self.amount) * hours.length
        return round(self.amount * 3600 * SECOND)


class ClockKind(enum.Enum):
    """What is being waited for; each has limits of its own, and its own start and end (`tickets.clock`)."""

    DISPATCH = "dispatch"  #: 派单: from the opening until the hotline has dispatched it
    SIGN = "sign"  #: 签收: from each dispatch until that unit has signed
    RETURN = "return"  #: 退单: from each dispatch; later the unit has taken the ticket as its own
    HANDLE = "handle"  #: 办结: from the first dispatch until the reply that was accepted


class Redispatch(enum.Enum):
    """What a dispatch to another unit (改派) does to the clock of handling."""

    RUNS_ON = "runs_on"  #: the citizen's time goes on; a unit that bounces a ticket wins none ([P55])
    RESTARTS = "restarts"  #: the new unit has the whole limit


SIGN_LIMIT = Limit(4, Unit.WORKING_HOURS, "domain.md D5: 簽收時限 4 個工作小時")
DISPATCH_LIMIT = Limit(24, Unit.HOURS, "domain.md 3.3 [P41]: dispatched in 24 h (百色右江)")
RETURN_LIMIT = Limit(1, Unit.WORKING_DAYS, "domain.md 3.1 [P38]: a wrong unit returns it in 1 working day")
HANDLE_LIMIT = Limit(5, Unit.WORKING_DAYS, "domain.md D7: 非咨詢類訴求 5 個工作日")
HANDLE_LIMITS: Mapping[str, Limit] = MappingProxyType(
    {"inquiry": Limit(3, Unit.WORKING_DAYS, "domain.md D7: 咨詢類訴求 3 個工作日")}
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides a ticket's limits: its type's value, its class with those above it (leaf first), its urgency."""

    type: str | None = None
    classes: Sequence[str] = ()
    urgency: str = ""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit for some tickets: of the `types`, `classes` (or below them) and `urgencies` named; none named = all.

    A `hard` limit is a ceiling: it holds beside every other one, and neither a pause nor an extension moves it.
    """

    clock: ClockKind
    limit: Limit
    types: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    urgencies: tuple[str, ...] = ()
    hard: bool = False

    def fits(self, facts: Facts) -> bool:
        """Whether it is for a ticket of which this is known."""
        return (
            (not self.types or facts.type in self.types)
            and (not self.urgencies or facts.urgency in self.urgencies)
            and (not self.classes or not set(self.classes).isdisjoint(facts.classes))
        )

    def precedence(self, facts: Facts) -> tuple[int, int, int]:
        """How closely it is meant for such a ticket: the nearer class first, then the urgency, then the type."""
        near = [len(facts.classes) - place for place, code in enumerate(facts.classes) if code in self.classes]
        return max(near, default=0), int(bool(self.urgencies)), int(bool(self.types))


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """The table of limits: to sign, to close by type of ticket (the value of `TicketType`), and to close any other.

    `limits` go before these where they fit. `dispatch` is the hotline's own, None = none.
    `redo` is the limit of a second handling (重办), None = as the first.
    `extension_max` is the most that one extension (延期) may add, `extensions_max` how many there may be.
    """

    sign: Limit = SIGN_LIMIT
    handle: Mapping[str, Limit] = field(default_factory=lambda: HANDLE_LIMITS)
    handle_other: Limit = HANDLE_LIMIT
    limits: tuple[LimitRule, ...] = ()
    redispatch: Redispatch = Redispatch.RUNS_ON
    redo: Limit | None = None
    extension_max: Limit = Limit(5, Unit.WORKING_DAYS, "GK: as much as the usual limit")
    extensions_max: int = 1
    return_: Limit = RETURN_LIMIT
    dispatch: Limit | None = DISPATCH_LIMIT

    def handle_limit(self, type_: str | None) -> Limit:
        """The limit to close a ticket of this type; a ticket without a type yet has the one of every other type."""
        return self.handle.get(type_ or "", self.handle_other)

    def limit(self, clock: ClockKind, facts: Facts) -> Limit | None:
        """The ordinary limit: of those that fit the one that is most closely meant, else the base; None = no limit.

        Of two that are equally close the first of the table (`equally_close` finds them when the table is read).
        """
        fitting = [rule for rule in self.limits if rule.clock is clock and not rule.hard and rule.fits(facts)]
        if fitting:
            return max(fitting, key=lambda rule: rule.precedence(facts)).limit
        if clock is ClockKind.SIGN:
            return self.sign
        if clock is ClockKind.HANDLE:
            return self.handle_limit(facts.type)
        if clock is ClockKind.RETURN:
            return self.return_
        return self.dispatch

    def ceilings(self, clock: ClockKind, facts: Facts) -> tuple[Limit, ...]:
        """Every hard limit that fits."""
        return tuple(rule.limit for rule in self.limits if rule.clock is clock and rule.hard and rule.fits(facts))


def due(start: float, limit: Limit, hours: WorkingHours, calendar: Calendar) -> float:
    """The instant at which `limit`, counted from `start`, has run out. Raises `CalendarError`.

    Working hours: the first instant by which so many of them have run. Working days: the end of the working hours of
    the n-th working day after the day of `start`.
    """
    return due_micros(micros(start), limit, hours, calendar) / SECOND


def due_micros(start: int, limit: Limit, hours: WorkingHours, calendar: Calendar) -> int:
    """The same in microseconds of the epoch."""
    if limit.unit is Unit.HOURS:
        return start + limit.length(hours)
    work = worktime(hours, calendar)
    if limit.unit is Unit.WORKING_DAYS:
        return work.close_of(start, int(limit.amount))
    return work.after(start, limit.length(hours))


def equally_close(rules: Iterable[LimitRule]) -> list[tuple[LimitRule, LimitRule]]:
    """Pairs of ordinary limits of one clock that can fit the same ticket and are equally close: the order would decide.

    Only pairs that name the same kinds of things can be; classes count as equal only where one names the other's.
    """
    ordinary = [rule for rule in rules if not rule.hard]
    found = []
    for place, one in enumerate(ordinary):
        for other in ordinary[place + 1 :]:
            same = one.clock is other.clock and all(
                bool(mine) == bool(its) and (not mine or not set(mine).isdisjoint(its))
                for mine, its in (
                    (one.types, other.types),
                    (one.classes, other.classes),
                    (one.urgencies, other.urgencies),
                )
            )
            if same:
                found.append((one, other))
    return found
