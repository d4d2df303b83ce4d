"""Tickets on disk, their moves, and the numbers that are given out day by day.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL, where a
ticket that is being changed is locked, so that two writers cannot undo each other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tickets.ticket import (
    Ticket,
    TicketChange,
    TicketInput,
    TicketMove,
    TicketPolicy,
    TicketRefused,
    TicketState,
    TicketType,
    change,
    checked_reason,
    checked_score,
    close,
    number_of,
)

metadata = MetaData()

tickets = Table(
    "tickets",
    metadata,
    Column("number", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("sign_due", Double, nullable=False),
    Column("handle_due", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("type", Text),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("unit", Text),
    Column("satisfaction", Integer),
    Column("recording", Text),
    Column("transcript", Boolean, nullable=False),
    PrimaryKeyConstraint("number", name="pk_tickets"),
    UniqueConstraint("call", name="uq_tickets_call"),  # one call opens one ticket, however often it is told to
    Index("ix_tickets_opened_at", "opened_at"),
)

moves = Table(
    "ticket_moves",
    metadata,
    Column("ticket", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_moves"),
    ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_moves_ticket_tickets"),
)

days = Table(
    "ticket_days",
    metadata,
    Column("day", Text, nullable=False),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("day", name="pk_ticket_days"),
)
"""The last number given out on each day (YYYYMMDD); its row's lock keeps two writers apart."""

OPENED = "open"
"""The cause of a ticket's first move, the opening."""


@cache
def _next_number(dialect: str) -> Any:
    new = postgresql.insert(days) if dialect == "postgresql" else sqlite.insert(days)
    return new.on_conflict_do_update(index_elements=["day"], set_={"last": days.c.last + 1}).returning(days.c.last)


@cache
def _insert_once(dialect: str) -> Any:
    new = postgresql.insert(tickets) if dialect == "postgresql" else sqlite.insert(tickets)
    return new.on_conflict_do_nothing(index_elements=["call"]).returning(tickets.c.number)


_OF_CALL = select(tickets.c.number).where(tickets.c.call == bindparam("of_call"))


@cache
def _set_of_call(column: str) -> Any:
    return update(tickets).where(tickets.c.call == bindparam("of_call")).values({column: bindparam("value")})


_NEW_MOVE = insert(moves)


def open_ticket(connection: Connection, opening: OpenTicket, policy: TicketPolicy) -> TicketNumber:
    """Open a ticket for an answered call and give its number; a call that has one keeps it. Raises `CalendarError`."""
    mine = {"of_call": opening.call}
    if known := connection.execute(_OF_CALL, mine).scalar_one_or_none():
        return TicketNumber(known)
    day = policy.hours.local_day(opening.at).strftime("%Y%m%d")
    last = connection.execute(_next_number(connection.dialect.name), {"day": day, "last": 1}).scalar_one()
    ticket = Ticket(
        number=number_of(day, last),
        call=opening.call,
        caller=opening.caller,
        dialled=opening.dialled,
        language=opening.language,
        queue=opening.queue,
        agent=opening.agent,
        opened_at=opening.at,
        sign_due=policy.sign_due(opening.at),
        handle_due=policy.handle_due(opening.at, None),
    )
    if connection.execute(_insert_once(connection.dialect.name), _row(ticket)).first() is None:
        return TicketNumber(connection.execute(_OF_CALL, mine).scalar_one())  # another writer was faster
    _keep_move(connection, ticket, None, OPENED, opening.agent, opening.at, "")
    return ticket.number


def change_ticket(
    connection: Connection, number: TicketNumber, wanted: TicketChange, actor: str, at: float, policy: TicketPolicy
) -> Ticket:
    """Write `wanted` into a ticket and return it as stored. Raises `TicketRefused` or `CalendarError`."""
    before = _locked(connection, number)
    after, cause, changed = change(before, wanted, policy)
    if after != before:
        connection.execute(update(tickets).where(tickets.c.number == number).values(_row(after)))
        _keep_move(connection, after, before.state, cause.value, actor, at, changed)
    return after


def close_ticket(
    connection: Connection, number: TicketNumber, actor: str, at: float, reason: str, policy: TicketPolicy
) -> Ticket:
    """Close a ticket and return it. Raises `TicketRefused`."""
    before = _locked(connection, number)
    after = close(before)
    reason = checked_reason(reason, policy)
    connection.execute(update(tickets).where(tickets.c.number == number).values(state=after.state.value))
    _keep_move(connection, after, before.state, TicketInput.CLOSE.value, actor, at, reason)
    return after


def score_ticket(connection: Connection, call: CallId, score: int) -> bool:
    """Store the caller's satisfaction (1-5) in his ticket; False if the call has none. Raises `TicketRefused`."""
    return _set_for_call(connection, call, "satisfaction", checked_score(score))


def link_recording(connection: Connection, call: CallId, path: str) -> bool:
    """Name the call's recording in its ticket; False if the call has no ticket."""
    return _set_for_call(connection, call, "recording", path)


def link_transcript(connection: Connection, call: CallId) -> bool:
    """Say in the call's ticket that there is a transcript; False if the call has no ticket."""
    return _set_for_call(connection, call, "transcript", True)


def get_ticket(connection: Connection, number: TicketNumber) -> Ticket | None:
    """One ticket by its public number, or None."""
    return _one(connection, tickets.c.number == number)


def ticket_of_call(connection: Connection, call: CallId) -> Ticket | None:
    """The ticket that a call opened, or None."""
    return _one(connection, tickets.c.call == call)


def list_tickets(connection: Connection, since: float, until: float) -> list[Ticket]:
    """The tickets opened in [since, until), epoch seconds, oldest first."""
    query = select(tickets).where(tickets.c.opened_at >= since, tickets.c.opened_at < until)
    return [_ticket(row) for row in connection.execute(query.order_by(tickets.c.opened_at, tickets.c.number))]


def list_moves(connection: Connection, number: TicketNumber) -> list[TicketMove]:
    """Everything that was done to a ticket, in order."""
    query = select(moves).where(moves.c.ticket == number).order_by(moves.c.seq)
    return [
        TicketMove(
            ticket=TicketNumber(row.ticket),
            seq=row.seq,
            before=TicketState(row.before) if row.before is not None else None,
            after=TicketState(row.after),
            cause=row.cause,
            actor=row.actor,
            at=row.at,
            reason=row.reason,
        )
        for row in connection.execute(query)
    ]


def _set_for_call(connection: Connection, call: CallId, column: str, value: object) -> bool:
    return connection.execute(_set_of_call(column), {"of_call": call, "value": value}).rowcount == 1


def _locked(connection: Connection, number: TicketNumber) -> Ticket:
    row = connection.execute(select(tickets).where(tickets.c.number == number).with_for_update()).first()
    if row is None:
        raise TicketRefused("unknown_ticket", "There is no ticket of this number.")
    return _ticket(row)


def _one(connection: Connection, where: ColumnElement[bool]) -> Ticket | None:
    row = connection.execute(select(tickets).where(where)).first()
    return _ticket(row) if row else None


def _keep_move(
    connection: Connection, ticket: Ticket, before: TicketState | None, cause: str, actor: str, at: float, reason: str
) -> None:
    seq = 0
    if before is not None:
        last = select(func.max(moves.c.seq)).where(moves.c.ticket == ticket.number)
        seq = connection.execute(last).scalar_one() + 1
    row = {
        "ticket": ticket.number,
        "seq": seq,
        "before": before.value if before else None,
        "after": ticket.state.value,
        "cause": cause,
        "actor": actor,
        "at": at,
        "reason": reason,
    }
    connection.execute(_NEW_MOVE, row)


def _row(ticket: Ticket) -> dict[str, Any]:
    row: dict[str, Any] = {column.name: getattr(ticket, column.name) for column in tickets.c}
    row["state"] = ticket.state.value
    row["type"] = ticket.type.value if ticket.type else None
    return row


def _ticket(row: Row[Any]) -> Ticket:
    values = dict(row._mapping)
    values["number"] = TicketNumber(row.number)
    values["call"] = CallId(row.call)
    values["agent"] = AgentId(row.agent)
    values["state"] = TicketState(row.state)
    values["type"] = TicketType(row.type) if row.type is not None else None
    return Ticket(**values)
