"""Which tickets somebody wants to see. Pure; `tickets/list_sql.py` finds them."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.ids import TicketNumber
from tickets.approvals import ApprovalKind
from tickets.moves import TicketState
from tickets.ticket import Channel, Ticket, TicketType, Urgency

PAGE_MAX = 500
"""Tickets of one page at most."""


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Tickets opened in [since, until), epoch seconds, oldest first; None = whatever it is.

    `units`: one of them leads or co-handles. `near`: it is the matter of one of these organisations, or one of them
    leads or co-handles it: what somebody can see at most who acts for them. `asked`: a request of this kind waits for a
    decision. `after`: only those that follow this one in the list.
    """

    since: float
    until: float
    states: frozenset[TicketState] | None = None
    type: TicketType | None = None
    urgency: Urgency | None = None
    channel: Channel | None = None
    class_code: str | None = None
    region: str | None = None
    agent: str | None = None
    units: frozenset[str] | None = None
    incident: str | None = None
    repeat_of: str | None = None
    asked: ApprovalKind | None = None
    supervised: bool | None = None
    near: frozenset[str] | None = None
    after: TicketNumber | None = None
    limit: int = PAGE_MAX


@dataclass(frozen=True, slots=True)
class TicketPage:
    """What was found; `next` is the `after` of the next page, None when there is no more."""

    tickets: tuple[Ticket, ...]
    next: TicketNumber | None = None
