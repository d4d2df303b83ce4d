"""What of a ticket is shown to whom: the one place that hides a caller and the side of others (匿名, 保密). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tickets.approvals import Approval
from tickets.moves import SEES_HIDDEN, Actor, Role
from tickets.sight import Part, own_side, part_of, told
from tickets.ticket import PRIVATE, Ticket, TicketMove, TicketPolicy


@dataclass(frozen=True, slots=True)
class View:
    """A ticket and its moves as somebody sees them; `caller`: whether he is shown who called."""

    part: Part
    caller: bool
    ticket: Ticket
    moves: tuple[TicketMove, ...]


def sees_ticket(ticket: Ticket, viewer: Actor, policy: TicketPolicy) -> bool:
    """Whether `viewer` may look at it at all."""
    return part_for(ticket, viewer, policy) is not None


def part_for(ticket: Ticket, viewer: Actor, policy: TicketPolicy) -> Part | None:
    """How much of it `viewer` sees; None = nothing.

    Where there is a tree of organisations it decides, for everybody who acts for one of them (`tickets/sight.py`).

    An agent also sees what he took down himself, for whichever city he answered. Everybody else: a unit sees the
    tickets that it leads or co-handles, the hotline's people see all. Who acts for an organisation that is gone sees
    nothing.
    """
    if viewer.role is Role.AGENT and viewer.id and viewer.id == ticket.agent:
        return Part.WHOLE
    if viewer.unit and len(policy.organisations):
        return part_of(viewer.unit, ticket, policy)
    if viewer.role is Role.UNIT:
        return Part.WHOLE if viewer.unit in ticket.units and viewer.unit in policy.units else None
    return Part.WHOLE


def sees_caller(ticket: Ticket, viewer: Actor) -> bool:
    """Whether the caller of `ticket` is shown to `viewer`: 匿名 and 保密 hide him from all without the right."""
    if not (ticket.anonymous or ticket.confidential) or viewer.role in SEES_HIDDEN:
        return True
    return viewer.role is Role.AGENT and viewer.id == ticket.agent


HEARS = frozenset({Role.ADMIN, Role.SUPERVISOR, Role.INSPECTOR, Role.LEADER})
"""Who judges how a call was handled (质检) hears it; whoever only works on the matter reads the ticket."""


def hears(ticket: Ticket, viewer: Actor, policy: TicketPolicy) -> bool:
    """Whether `viewer` may hear the call of a ticket and read its transcript: who judges, and the agent who took it."""
    if part_for(ticket, viewer, policy) is not Part.WHOLE or not sees_caller(ticket, viewer):
        return False
    return viewer.role in HEARS or viewer.role is Role.AGENT and viewer.id == ticket.agent


def reviews(ticket: Ticket, actor: Actor, policy: TicketPolicy) -> bool:
    """Whether the review of a reply is his: the hotline's whose ticket it is, or the province's that tracks it; a city
    that was given another one's ticket does not judge its own units' work (as over the exchange, `domain.md` D10)."""
    return part_for(ticket, actor, policy) is Part.WHOLE


def knows_caller(ticket: Ticket, viewer: Actor, policy: TicketPolicy) -> bool:
    """Whether `viewer` may look at the ticket and is shown who called."""
    return part_for(ticket, viewer, policy) not in (None, Part.CO) and sees_caller(ticket, viewer)


def view(ticket: Ticket, moves: Iterable[TicketMove], viewer: Actor, policy: TicketPolicy) -> View | None:
    """The ticket as `viewer` sees it, None for one that he does not see at all.

    Left out is the caller for those who may not know him, also where a move names him, and for who sees a part the
    requests and moves of other units.
    """
    part = part_for(ticket, viewer, policy)
    if part is None:
        return None
    caller = knows_caller(ticket, viewer, policy)
    shown_ticket, done = ticket, tuple(moves)
    if part is not Part.WHOLE:
        tree, org = policy.organisations, viewer.unit
        mine = tuple(one for one in ticket.approvals if own_side(tree, org, one.asked_unit))
        shown_ticket = replace(ticket, approvals=mine)
        done = tuple(_with_requests(one, mine) for one in done if told(tree, org, one))
    if not caller:
        done = tuple(_without_caller(one) for one in done)
        blank: dict[str, Any] = {"caller": "", "caller_name": "", "caller_region": ""}
        shown_ticket = replace(shown_ticket, **blank)
    if not hears(ticket, viewer, policy):
        shown_ticket = replace(shown_ticket, recording=None, transcript=False)
    return View(part, caller, shown_ticket, done)


def _without_caller(move: TicketMove) -> TicketMove:
    changes = move.details.get("changes")
    if not isinstance(changes, Mapping):
        return move
    kept = {name: value for name, value in changes.items() if name not in PRIVATE}
    return replace(move, details={**move.details, "changes": kept})


def _with_requests(move: TicketMove, seen: Sequence[Approval]) -> TicketMove:
    """The move with only those requests in its changes that are shown in the ticket too."""
    changes = move.details.get("changes")
    if not isinstance(changes, Mapping) or "approvals" not in changes:
        return move
    known = {one.seq for one in seen}
    kept = [one for one in changes["approvals"] if one["seq"] in known]
    return replace(move, details={**move.details, "changes": {**changes, "approvals": kept}})


def shown(ticket: Ticket, viewer: Actor, policy: TicketPolicy) -> dict[str, Any]:
    """The ticket's fields by name as `viewer` sees them; of a hidden caller nothing but that he is (`caller_hidden`).

    Whether he sees the ticket at all has been asked before (`sees_ticket`); to whom he gave it himself he sees the
    answer to what he did.
    """
    seen = view(ticket, (), viewer, policy)
    if seen is None:
        return {"number": ticket.number, "version": ticket.version, "state": ticket.state}
    found = {one.name: getattr(seen.ticket, one.name) for one in fields(ticket)}
    if not seen.caller:
        found |= dict.fromkeys(PRIVATE)
    return {**found, "part": seen.part, "caller_hidden": not seen.caller}


def shown_moves(ticket: Ticket, moves: Iterable[TicketMove], viewer: Actor, policy: TicketPolicy) -> list[TicketMove]:
    """The moves as `viewer` sees them, in order."""
    seen = view(ticket, moves, viewer, policy)
    return list(seen.moves) if seen is not None else []
