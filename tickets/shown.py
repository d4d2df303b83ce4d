"""What of a ticket is shown to whom: the one place that hides a caller (匿名, 保密) and a unit's tickets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tickets.moves import SEES_HIDDEN, Actor, Role
from tickets.ticket import PRIVATE, Ticket, TicketMove


def sees_ticket(ticket: Ticket, viewer: Actor) -> bool:
    """Whether `viewer` may look at it at all: a unit sees those that it leads or co-handles, the hotline all."""
    return viewer.role is not Role.UNIT or viewer.unit in ticket.units


def sees_caller(ticket: Ticket, viewer: Actor) -> bool:
    """Whether the caller of `ticket` is shown to `viewer`: 匿名 and 保密 hide him from all without the right."""
    if not (ticket.anonymous or ticket.confidential) or viewer.role in SEES_HIDDEN:
        return True
    return viewer.role is Role.AGENT and viewer.id == ticket.agent


def shown(ticket: Ticket, viewer: Actor) -> dict[str, Any]:
    """The ticket's fields by name; of a caller who is hidden from `viewer` nothing but that he is (`caller_hidden`)."""
    found = {one.name: getattr(ticket, one.name) for one in fields(ticket)}
    hidden = not sees_caller(ticket, viewer)
    if hidden:
        found |= dict.fromkeys(PRIVATE)
    return {**found, "caller_hidden": hidden}


def shown_move(move: TicketMove, ticket: Ticket, viewer: Actor) -> dict[str, Any]:
    """A move's fields by name; what it says of a caller who is hidden from `viewer` is left out."""
    found = {one.name: getattr(move, one.name) for one in fields(move)}
    changed = move.details.get("changes")
    if isinstance(changed, Mapping) and not sees_caller(ticket, viewer):
        kept = {name: value for name, value in changed.items() if name not in PRIVATE}
        found["details"] = {**move.details, "changes": kept}
    return found
