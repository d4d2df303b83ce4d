"""The ownership register on disk, what it suggested for each ticket, and what the tickets teach it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from tickets.approvals import ApprovalKind, Outcome
from tickets.moves import TicketInput, TicketState
from tickets.ownership import Concern, HitRate, Ownership, OwnershipRow, Source, Suggestion, hit_rate
from tickets.tables import tickets
from tickets.texts import TicketRefused, one_line
from tickets.ticket import Ticket, TicketMove, TicketPolicy

metadata = MetaData()

ownership = Table(
    "ownership",
    metadata,
    Column("id", Integer, nullable=False),
    Column("class_code", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("misses", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("changed_by", Text, nullable=False),
    PrimaryKeyConstraint("id", name="pk_ownership"),
    UniqueConstraint("class_code", "region", "place", "unit", name="uq_ownership_class_code"),
)

suggestions = Table(
    "ownership_suggestions",
    metadata,
    Column("ticket", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("class_code", Text, nullable=False),
    Column("unit", Text, nullable=False),  # empty = the register knew nobody
    Column("sent_to", Text, nullable=False),
    Column("final", Text),  # who handled it in the end
    Column("final_at", Double),
    PrimaryKeyConstraint("ticket", name="pk_ownership_suggestions"),
    Index("ix_ownership_suggestions_final_at", "final_at"),
)
"""What was suggested for a ticket when it was dispatched first."""

LONGEST_PLACE, LONGEST_BASIS = 120, 300


def concern_of(ticket: Ticket) -> Concern:
    """What a suggestion for `ticket` hangs on."""
    return Concern(ticket.class_code, ticket.region, ticket.address)


def register(connection: Connection, concern: Concern, policy: TicketPolicy) -> Ownership:
    """The part of the register that may apply to a concern."""
    classes = (*policy.classes.line(concern.class_code), "")
    regions = (*policy.organisations.line(concern.region), concern.region, "")
    query = select(ownership).where(ownership.c.class_code.in_(classes), ownership.c.region.in_(regions))
    return Ownership(map(_read, connection.execute(query)), policy.classes, policy.organisations)


def suggest(connection: Connection, concern: Concern, policy: TicketPolicy) -> tuple[Suggestion, ...]:
    """The units that seem to own a concern, best first."""
    return register(connection, concern, policy).suggest(concern)


def rows(connection: Connection, class_code: str | None = None, unit: str | None = None) -> list[OwnershipRow]:
    """The register's rows, by class and place; of one class or unit where it is named."""
    query = select(ownership).order_by(ownership.c.class_code, ownership.c.region, ownership.c.place, ownership.c.id)
    if class_code is not None:
        query = query.where(ownership.c.class_code == class_code)
    if unit is not None:
        query = query.where(ownership.c.unit == unit)
    return [_read(row) for row in connection.execute(query)]


def put_row(connection: Connection, row: OwnershipRow, policy: TicketPolicy) -> OwnershipRow:
    """Write a row somebody entered: a new one (id 0), or another text for one there is; what it learned is kept.

    Raises `TicketRefused`: unknown_class, unknown_region, unknown_unit, unknown_row, doubled_row.
    """
    if not policy.classes.takes(row.class_code):
        raise TicketRefused("unknown_class", "There is no such class in the classification tree.", "class_code")
    if row.region and not policy.organisations.is_hotline(row.region):
        raise TicketRefused("unknown_region", "There is no such province, city or county.", "region")
    if row.unit not in policy.organisations:
        raise TicketRefused("unknown_unit", "There is no such handling unit.", "unit")
    wanted = replace(
        row,
        place=one_line(row.place, "place", LONGEST_PLACE),
        basis=one_line(row.basis, "basis", LONGEST_BASIS),
        source=Source.ENTERED,
    )
    same = _same(connection, wanted)
    if same is not None and same.id != wanted.id:
        raise TicketRefused("doubled_row", "The register says so already.", "")
    if wanted.id == 0:
        return _insert(connection, replace(wanted, hits=0, misses=0))
    known = connection.execute(select(ownership).where(ownership.c.id == wanted.id).with_for_update()).first()
    if known is None:
        raise TicketRefused("unknown_row", "There is no such row in the register.", "")
    wanted = replace(wanted, hits=known.hits, misses=known.misses)
    connection.execute(update(ownership).where(ownership.c.id == wanted.id).values(_values(wanted)))
    return wanted


def drop_row(connection: Connection, id: int) -> bool:
    """Take a row out; False where there is none."""
    return connection.execute(delete(ownership).where(ownership.c.id == id)).rowcount == 1


def rate(
    connection: Connection, since: float, until: float, regions: frozenset[str] | None = None
) -> dict[str, HitRate]:
    """The hit rate of tickets that were handled in [since, until), epoch seconds, by class; ``*`` = all together.

    `regions`: of tickets of these regions only; None = of all.
    """
    query = select(suggestions).where(suggestions.c.final_at >= since, suggestions.c.final_at < until)
    if regions is not None:
        query = query.join(tickets, tickets.c.number == suggestions.c.ticket)
        query = query.where(tickets.c.region.in_(sorted(regions)))
    pairs: dict[str, list[tuple[str, str]]] = {"*": []}
    for row in connection.execute(query):
        pairs["*"].append((row.unit, row.final))
        pairs.setdefault(row.class_code, []).append((row.unit, row.final))
    return {code: hit_rate(found) for code, found in pairs.items()}


# ---------------------------------------------------------------- what tickets teach

_DISPATCHES = frozenset({TicketInput.REFER.value, TicketInput.ASSIGN.value})
_TAKEN = frozenset({TicketInput.UPHOLD_OBJECTION.value, TicketInput.GRANT_RETURN.value})
_TAKES_BACK = frozenset({ApprovalKind.OBJECTION, ApprovalKind.RETURN})


def follow(connection: Connection, before: Ticket, after: Ticket, move: TicketMove, policy: TicketPolicy) -> None:
    """Keep what was suggested at the first dispatch, and learn from objections, returns and ends. In the move's own
    transaction: nothing is learned from what did not happen.
    """
    if not len(policy.organisations):
        return
    if move.cause in _DISPATCHES and before.first_dispatched_at is None:
        found = suggest(connection, concern_of(after), policy)
        row = {
            "ticket": after.number,
            "at": move.at,
            "class_code": after.class_code,
            "unit": found[0].unit if found else "",
            "sent_to": after.lead_unit,
        }
        connection.execute(insert(suggestions), row)
    elif move.cause in _TAKEN:
        known = {one.seq: one for one in before.approvals}
        for one in after.approvals:
            if one.kind in _TAKES_BACK and one.outcome is Outcome.GRANTED and one != known.get(one.seq):
                concern = concern_of(after)
                book = register(connection, concern, policy)
                named = one.detail if one.detail in policy.organisations else ""
                _learn(connection, book.objection_upheld(concern, one.asked_unit, named, move.at, move.actor))
    elif after.state is TicketState.RESOLVED and after.lead_unit is not None and after.dispatched_at is not None:
        _handled(connection, after, move, policy)


def _handled(connection: Connection, ticket: Ticket, move: TicketMove, policy: TicketPolicy) -> None:
    if move.cause not in (TicketInput.ACCEPT_REPLY.value, TicketInput.SETTLE.value) or ticket.lead_unit is None:
        return
    kept = connection.execute(select(suggestions).where(suggestions.c.ticket == ticket.number)).first()
    if kept is None:
        return
    mine = update(suggestions).where(suggestions.c.ticket == ticket.number)
    connection.execute(mine.values(final=ticket.lead_unit, final_at=move.at, class_code=ticket.class_code))
    if kept.final is not None:
        return  # handled again: it has been counted
    disputed = frozenset(
        one.asked_unit for one in ticket.approvals if one.kind in _TAKES_BACK and one.outcome is Outcome.GRANTED
    )
    concern = concern_of(ticket)
    book = register(connection, concern, policy)
    changed = book.handled(concern, kept.unit, ticket.lead_unit, disputed=disputed, at=move.at, by=move.actor)
    _learn(connection, changed)


def _learn(connection: Connection, changed: Iterable[OwnershipRow]) -> None:
    for row in changed:
        if row.id:
            connection.execute(update(ownership).where(ownership.c.id == row.id).values(_values(row)))
        elif _same(connection, row) is None:
            _insert(connection, row)


def _same(connection: Connection, row: OwnershipRow) -> OwnershipRow | None:
    where = [getattr(ownership.c, name) == getattr(row, name) for name in ("class_code", "region", "place", "unit")]
    found = connection.execute(select(ownership).where(*where)).first()
    return _read(found) if found is not None else None


def _insert(connection: Connection, row: OwnershipRow) -> OwnershipRow:
    id = connection.execute(insert(ownership).returning(ownership.c.id), _values(row)).scalar_one()
    return replace(row, id=id)


def _values(row: OwnershipRow) -> dict[str, Any]:
    values = asdict(row)
    del values["id"]
    return {**values, "source": row.source.value}


def _read(row: Row[Any]) -> OwnershipRow:
    return OwnershipRow(**{**row._mapping, "source": Source(row.source)})
