"""What a month's tickets come to, for the office's report. Pure: a fold over tickets, each counted once.

Rates are of named denominators; None where there is nothing to divide by. 按时签收率 and 按时办结率 are green of the
lamps that are lit (`tickets/times.py`), so a ticket that is late and still open is late, and one that no unit ever had
is in neither. 一次解决率: answered by the hotline itself, of all resolved. One that was withdrawn (撤回) is neither
resolved nor in these rates: it is counted by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from tickets.lamps import Lamp
from tickets.moves import TicketState
from tickets.ticket import Ticket, TicketPolicy
from tickets.times import lamps


@dataclass
class Line:
    """The figures of some tickets: of all, of a type, of a unit, of a day."""

    opened: int = 0
    merged: int = 0
    withdrawn: int = 0  #: 撤回: closed as nobody wanted it any more; neither in time nor late
    dispatched: int = 0
    sign_lamps: Counter[Lamp] = field(default_factory=Counter)
    resolved: int = 0
    answered_at_once: int = 0
    lamps: Counter[Lamp] = field(default_factory=Counter)
    returned: int = 0
    redone: int = 0
    followed_up: int = 0
    satisfied: int = 0

    def put(self, ticket: Ticket, close: Lamp | None, sign: Lamp | None) -> None:
        """Count one ticket, with its lamps of closing and of signing."""
        self.opened += 1
        self.merged += ticket.state is TicketState.MERGED
        self.withdrawn += ticket.withdrawn_at is not None
        self.returned += ticket.return_count > 0
        self.redone += ticket.redo_count > 0
        self.dispatched += ticket.first_dispatched_at is not None
        if ticket.resolved_at is not None and ticket.withdrawn_at is None:
            self.resolved += 1
            self.answered_at_once += ticket.first_dispatched_at is None and ticket.replied_at is not None
        if close is not None:
            self.lamps[close] += 1
        if sign is not None:
            self.sign_lamps[sign] += 1
        if ticket.satisfied is not None and ticket.withdrawn_at is None:
            self.followed_up += 1
            self.satisfied += ticket.satisfied

    @property
    def in_time(self) -> float | None:
        """按时办结率: green of all lamps."""
        return _rate(self.lamps[Lamp.GREEN], self.lamps.total())

    @property
    def signing(self) -> float | None:
        """按时签收率: green of all lamps of signing."""
        return _rate(self.sign_lamps[Lamp.GREEN], self.sign_lamps.total())

    @property
    def first_contact(self) -> float | None:
        """一次解决率."""
        return _rate(self.answered_at_once, self.resolved)

    @property
    def satisfaction(self) -> float | None:
        """回访满意率: of those who were reached and said something."""
        return _rate(self.satisfied, self.followed_up)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass
class Month:
    """A month's figures; `add` the tickets opened in it, in any order."""

    zone: ZoneInfo
    now: float
    policy: TicketPolicy
    all: Line = field(default_factory=Line)
    types: dict[str, Line] = field(default_factory=dict)
    units: dict[str, Line] = field(default_factory=dict)
    days: dict[str, Line] = field(default_factory=dict)
    channels: Counter[str] = field(default_factory=Counter)

    def add(self, tickets: Iterable[Ticket]) -> None:
        """Count these tickets. A unit answers for the tickets that it leads."""
        for ticket in tickets:
            day = datetime.fromtimestamp(ticket.opened_at, self.zone).strftime("%Y-%m-%d")
            kind = ticket.type.chinese if ticket.type else "未登记"
            lines = [self.all, self.types.setdefault(kind, Line()), self.days.setdefault(day, Line())]
            if ticket.lead_unit:
                lines.append(self.units.setdefault(ticket.lead_unit, Line()))
            close, sign = lamps(ticket, self.policy, self.now)
            for line in lines:
                line.put(ticket, close, sign)
            self.channels[ticket.channel.value] += 1


def bounds(month: str, zone: ZoneInfo) -> tuple[float, float]:
    """The first instant of a month ``2026-11`` and of the next one, epoch seconds. ValueError for what is no month."""
    begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return begin.timestamp(), end.timestamp()
