"""What of a ticket is shown to whom. Pure."""

from __future__ import annotations

from tickets.moves import SEES_HIDDEN, Actor, Role
from tickets.ticket import Ticket


def sees_caller(ticket: Ticket, viewer: Actor) -> bool:
    """Whether the caller of `ticket` is shown to `viewer`: 匿名 and 保密 hide him from all without the right."""
    if not (ticket.anonymous or ticket.confidential) or viewer.role in SEES_HIDDEN:
        return True
    return viewer.role is Role.AGENT and viewer.id == ticket.agent
