"""Which tickets somebody wants to see. Pure; `tickets/list_sql.py` finds them."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.ids import TicketNumber
from tickets.approvals import ApprovalKind
from tickets.moves import Actor, TicketState
from tickets.ticket import Channel, Ticket, TicketType, Urgency

PAGE_MAX = 500
"""Tickets of one page at most."""


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Tickets opened in [since, until), epoch seconds, oldest first; None = whatever it is.

    `units`: one of them leads or co-handles. `near`: it is the matter of one of these organisations, or one of them
    leads or co-handles it: what somebody can see at most who acts for them. `asked`: a request of this kind waits for a
    decision. `said`: these words in title, text or address; `place`: in the address. `caller`: this number called;
    `caller_for`: by whom it is asked, where he does not see hidden callers: theirs are not found by it. `newest`: the
    newest first. `after`: only those that follow this one in the list.

    What is looked for by words comes in the order of the numbers, which is that of the opening but for moments.
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
    said: str | None = None
    place: str | None = None
    caller: str | None = None
    caller_for: Actor | None = None
    newest: bool = False
    after: TicketNumber | None = None
    limit: int = PAGE_MAX


@dataclass(frozen=True, slots=True)
class TicketPage:
    """What was found; `next` is the `after` of the next page, None when there is no more."""

    tickets: tuple[Ticket, ...]
    next: TicketNumber | None = None
