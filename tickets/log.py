"""What a move has changed, as data; and the ticket again, from its moves in order. Pure.

Every move keeps the new value of every field that it changed. Nothing is overwritten: what a field held before stands
in an earlier move. Facts of the call (`tickets.ticket.FACTS`) are no moves and stand in the ticket alone.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

from tickets.approvals import Approval, ApprovalKind, Outcome
from tickets.ticket import FACTS, Attachment, Channel, Pause, Ticket, TicketMove, TicketType, Urgency

_OWN = FACTS | {"number", "state", "version"}
"""Fields that a move itself tells, or that are no moves."""


def plain(value: object) -> Any:
    """A field's value as JSON has it."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    return value


def changes(before: Ticket | None, after: Ticket) -> dict[str, Any]:
    """The fields in which `after` differs, by name, as JSON has them; of the requests only those that changed.

    Without `before`: those that are not as a new ticket has them by default.
    """
    found: dict[str, Any] = {}
    for one in fields(Ticket):
        name, value = one.name, getattr(after, one.name)
        if name in _OWN:
            continue
        old = getattr(before, name) if before is not None else one.default
        if old is MISSING or value != old:
            if name == "approvals":
                value = tuple(request for request in value if before is None or request not in before.approvals)
            found[name] = plain(value)
    return found


def replayed(moves: Sequence[TicketMove]) -> Ticket:
    """The ticket that these moves make, but for the facts of its call. Raises ValueError for moves with a gap."""
    if not moves or moves[0].before is not None:
        raise ValueError("a ticket's moves begin with its opening")
    first = moves[0]
    ticket = Ticket(**_values(first, None), number=first.ticket, state=first.after)
    for seq, one in enumerate(moves[1:], start=1):
        if one.seq != seq or one.before is not ticket.state or one.ticket != ticket.number:
            raise ValueError(f"move {seq} of the ticket does not follow from the one before it")
        ticket = replace(ticket, **_values(one, ticket), state=one.after, version=seq)
    return ticket


def _values(move: TicketMove, before: Ticket | None) -> dict[str, Any]:
    found = move.details.get("changes", {})
    assert isinstance(found, Mapping)
    values = {
        name: _READ[name](value) if name in _READ and value is not None else value for name, value in found.items()
    }
    if before is not None and "approvals" in values:
        known = {one.seq: one for one in before.approvals}
        known |= {one.seq: one for one in values["approvals"]}
        values["approvals"] = tuple(known[seq] for seq in sorted(known))
    return values


def approval(row: Mapping[str, Any]) -> Approval:
    """A request again, from its fields by name."""
    return Approval(**{**row, "kind": ApprovalKind(row["kind"]), "outcome": Outcome(row["outcome"])})


def pauses(rows: Sequence[Mapping[str, Any]]) -> tuple[Pause, ...]:
    """Pauses again."""
    return tuple(Pause(**row) for row in rows)


def attachments(rows: Sequence[Mapping[str, Any]]) -> tuple[Attachment, ...]:
    """Attachments again."""
    return tuple(Attachment(**row) for row in rows)


_READ: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "type": TicketType,
        "channel": Channel,
        "urgency": Urgency,
        "co_units": tuple,
        "approvals": lambda rows: tuple(approval(row) for row in rows),
        "pauses": pauses,
        "attachments": attachments,
    }
)
