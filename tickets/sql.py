"""Tickets on disk, their moves and requests.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL, where a
ticket that is being changed is locked, so that two writers cannot undo each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tickets import incident_rows, keeping_sql, outbox_sql, ownership_sql, term_rows, word_rows, words
from tickets.approvals import Approval, ApprovalKind, Outcome
from tickets.exchange import outbox as exchange_outbox
from tickets.flow import Intake, apply, opened
from tickets.given import Move
from tickets.incidents import refuse_closed
from tickets.log import attachments, pauses, plain
from tickets.moves import SYSTEM, Actor, Role, TicketInput, TicketState
from tickets.shown import sees_ticket
from tickets.tables import approvals, days, metadata, moves, tickets, units
from tickets.texts import TicketRefused
from tickets.ticket import (
    Channel,
    Ticket,
    TicketChange,
    TicketMove,
    TicketPolicy,
    TicketType,
    Urgency,
    checked_score,
    number_of,
)

__all__ = ["metadata"]  # what the database's shape is made of; the functions are imported by their names


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


@lru_cache(maxsize=256)
def _set(names: tuple[str, ...]) -> Any:
    """An update of just these columns of one ticket; most moves change one of a few sets of them."""
    return update(tickets).where(tickets.c.number == bindparam("of_number")).values({n: bindparam(n) for n in names})


# Written once: to put a statement over sixty columns together takes longer than to perform it.
_BY_NUMBER = select(tickets).where(tickets.c.number == bindparam("of_number"))
_LOCKED = _BY_NUMBER.with_for_update()
_BY_CALL = select(tickets).where(tickets.c.call == bindparam("of_call"))
_REQUESTS = (
    select(approvals)
    .where(approvals.c.ticket.in_(bindparam("numbers", expanding=True)))
    .order_by(approvals.c.ticket, approvals.c.seq)
)
_MOVES = select(moves).where(moves.c.ticket == bindparam("of_number")).order_by(moves.c.seq)
_NEW_TICKET = insert(tickets)
_NEW_MOVE = insert(moves)
_NEW_APPROVAL = insert(approvals)
_NEW_UNIT = insert(units)


def open_ticket(connection: Connection, opening: OpenTicket, policy: TicketPolicy) -> TicketNumber:
    """Open a ticket for an answered call and give its number; a call that has one keeps it. Raises `CalendarError`."""
    mine = {"of_call": opening.call}
    if known := connection.execute(_OF_CALL, mine).scalar_one_or_none():
        return TicketNumber(known)
    number = _take_number(connection, opening.at, policy)
    ticket, first = opened(number, opening, Actor(opening.agent, Role.AGENT), policy)
    if connection.execute(_insert_once(connection.dialect.name), _row(ticket)).first() is None:
        return TicketNumber(connection.execute(_OF_CALL, mine).scalar_one())  # another writer was faster
    word_rows.put(connection, None, ticket)
    keeping_sql.follow(connection, None, ticket)
    _keep_move(connection, first, policy)
    return ticket.number


def take_ticket(
    connection: Connection, intake: Intake, wanted: TicketChange, actor: Actor, policy: TicketPolicy
) -> Ticket:
    """Take down a ticket that no call opened, with what is known of it. Raises `TicketRefused`, `CalendarError`."""
    ticket, first = opened(_take_number(connection, intake.at, policy), intake, actor, policy)
    connection.execute(_NEW_TICKET, _row(ticket))
    word_rows.put(connection, None, ticket)
    _keep_move(connection, first, policy)
    if wanted == TicketChange():
        return ticket
    return _moved(connection, ticket, Move(TicketInput.AMEND, change=wanted), actor, intake.at, policy)


def _take_number(connection: Connection, at: float, policy: TicketPolicy) -> TicketNumber:
    day = policy.hours.local_day(at).strftime("%Y%m%d")
    last = connection.execute(_next_number(connection.dialect.name), {"day": day, "last": 1}).scalar_one()
    return number_of(day, last)


def move_ticket(
    connection: Connection, number: TicketNumber, move: Move, actor: Actor, at: float, policy: TicketPolicy
) -> Ticket:
    """Do one thing to a ticket and return it as stored.

    Raises `TicketConflict`, `TicketRefused`, `CalendarError`: nothing is written then.
    """
    return _moved(connection, _locked(connection, number), move, actor, at, policy)


def _moved(connection: Connection, before: Ticket, move: Move, actor: Actor, at: float, policy: TicketPolicy) -> Ticket:
    """The same to a ticket that this transaction has locked, or made."""
    number = before.number
    after, kept = apply(before, move, actor, at, policy)
    if move.input is TicketInput.MERGE:
        _check_target(connection, after, actor, policy)
    if move.input is TicketInput.JOIN:
        incident = incident_rows.locked(connection, after.incident_id or "")
        known = samples(connection, [incident.id]).get(incident.id)
        if known and not any(sees_ticket(one, actor, policy) for one in known):
            raise TicketRefused("unknown_mass_incident", "There is no such incident.", "incident")
        refuse_closed(incident)
    different = {name: plain(value) for name in _COLUMNS if (value := getattr(after, name)) != getattr(before, name)}
    if len(after.approvals) != len(before.approvals):
        different["requests"] = len(after.approvals)
    connection.execute(_set(tuple(different)), {"of_number": number, **different})
    _keep_approvals(connection, before, after)
    _keep_units(connection, before, after)
    _keep_move(connection, kept, policy)
    if term_rows.FIELDS & different.keys():
        term_rows.put(connection, before, after)
    if words.FIELDS & different.keys():
        word_rows.put(connection, before, after)
    keeping_sql.follow(connection, before, after)
    ownership_sql.follow(connection, before, after, kept, policy)
    exchange_outbox.follow(connection, before, after, kept, policy)
    return _answered_late(connection, before, after, at, policy)


def _answered_late(connection: Connection, before: Ticket, after: Ticket, at: float, policy: TicketPolicy) -> Ticket:
    """A ticket that was being taken down when its incident was closed is answered as soon as it is registered."""
    if before.state is not TicketState.OPENED or after.state is not TicketState.REGISTERED or not after.incident_id:
        return after
    incident = incident_rows.locked(connection, after.incident_id)
    if incident.closed_at is None:
        return after
    answer = Move(TicketInput.SETTLE, text=incident.reply)
    return move_ticket(connection, after.number, answer, SYSTEM, at, policy)


def change_ticket(
    connection: Connection,
    number: TicketNumber,
    wanted: TicketChange,
    actor: Actor,
    at: float,
    policy: TicketPolicy,
    version: int | None = None,
) -> Ticket:
    """Write `wanted` into a ticket and return it as stored; what it has already is no move.

    Raises `TicketConflict`, `TicketRefused`, `CalendarError`.
    """
    try:
        return move_ticket(connection, number, Move(TicketInput.AMEND, version, change=wanted), actor, at, policy)
    except TicketRefused as refusal:
        if refusal.code != "nothing_to_change":
            raise
        return _locked(connection, number)


def close_ticket(
    connection: Connection, number: TicketNumber, actor: Actor, at: float, reason: str, policy: TicketPolicy
) -> Ticket:
    """Close a ticket that no unit has (直接办结) and return it. Raises `TicketRefused`."""
    return move_ticket(connection, number, Move(TicketInput.CLOSE, reason=reason), actor, at, policy)


def score_ticket(connection: Connection, call: CallId, score: int) -> bool:
    """Store the caller's satisfaction (1-5) in his ticket; False if the call has none. Raises `TicketRefused`."""
    return _set_for_call(connection, call, "satisfaction", checked_score(score))


def link_recording(connection: Connection, call: CallId, path: str) -> bool:
    """Name the call's recording in its ticket; False if the call has no ticket."""
    return _set_for_call(connection, call, "recording", path)


def forget_recording(connection: Connection, call: CallId) -> bool:
    """The call's recording is erased: its ticket names none; False if the call has no ticket."""
    return _set_for_call(connection, call, "recording", None)


def forget_transcript(connection: Connection, call: CallId) -> bool:
    """The call's transcript is erased: its ticket has none; False if the call has no ticket."""
    return _set_for_call(connection, call, "transcript", False)


def tickets_of_calls(connection: Connection, calls: Sequence[CallId]) -> dict[CallId, list[tuple[str, TicketState]]]:
    """The type (empty = none yet) and the state of the tickets that these calls opened."""
    columns = tickets.c
    found: dict[CallId, list[tuple[str, TicketState]]] = defaultdict(list)
    for row in connection.execute(select(columns.call, columns.type, columns.state).where(columns.call.in_(calls))):
        found[CallId(row.call)].append((row.type or "", TicketState(row.state)))
    return found


def link_transcript(connection: Connection, call: CallId) -> bool:
    """Say in the call's ticket that there is a transcript; False if the call has no ticket."""
    return _set_for_call(connection, call, "transcript", True)


def get_ticket(connection: Connection, number: TicketNumber) -> Ticket | None:
    """One ticket by its public number, or None."""
    return _one(connection, connection.execute(_BY_NUMBER, {"of_number": number}).first())


def ticket_of_call(connection: Connection, call: CallId) -> Ticket | None:
    """The ticket that a call opened, or None."""
    return _one(connection, connection.execute(_BY_CALL, {"of_call": call}).first())


def list_tickets(connection: Connection, since: float, until: float) -> list[Ticket]:
    """The tickets opened in [since, until), epoch seconds, oldest first."""
    query = select(tickets).where(tickets.c.opened_at >= since, tickets.c.opened_at < until)
    return whole(connection, connection.execute(query.order_by(tickets.c.opened_at, tickets.c.number)).all())


def one_move(connection: Connection, number: TicketNumber, seq: int) -> TicketMove | None:
    """One of the things that were done to a ticket, or None."""
    return next((move for move in list_moves(connection, number) if move.seq == seq), None)


def list_moves(connection: Connection, number: TicketNumber) -> list[TicketMove]:
    """Everything that was done to a ticket, in order."""
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
            role=Role(row.role) if row.role is not None else None,
            unit=row.unit,
            details=row.details,
        )
        for row in connection.execute(_MOVES, {"of_number": number})
    ]


def whole(connection: Connection, rows: Sequence[Row[Any]]) -> list[Ticket]:
    """The tickets of these rows of `tickets`, with their requests, in the same order."""
    asked: dict[str, list[Approval]] = defaultdict(list)
    having = [row.number for row in rows if row.requests]
    for start in range(0, len(having), _AT_ONCE):
        numbers = having[start : start + _AT_ONCE]
        for row in connection.execute(_REQUESTS, {"numbers": numbers}):
            asked[row.ticket].append(approval_of(row))
    return [_ticket(row, tuple(asked[row.number])) for row in rows]


def samples(connection: Connection, incidents: Sequence[str]) -> dict[str, list[Ticket]]:
    """Of each incident's tickets one for every region, dialled number and leading unit: who may look at what hangs on
    these (`tickets/sight.py`), and a thousand tickets of one city are one to ask about."""
    found: dict[str, list[Ticket]] = defaultdict(list)
    columns = tickets.c
    for start in range(0, len(incidents), _AT_ONCE):
        ids = incidents[start : start + _AT_ONCE]
        kinds = (
            select(func.min(columns.number).label("number"))
            .where(columns.incident_id.in_(ids))
            .group_by(columns.incident_id, columns.region, columns.dialled, columns.lead_unit)
            .subquery()
        )
        rows = connection.execute(select(tickets).join(kinds, columns.number == kinds.c.number)).all()
        for ticket in whole(connection, rows):
            found[ticket.incident_id or ""].append(ticket)
    return found


_AT_ONCE = 500
"""Numbers in one query: SQLite and PostgreSQL both bound how many parameters there may be."""


def _set_for_call(connection: Connection, call: CallId, column: str, value: object) -> bool:
    return connection.execute(_set_of_call(column), {"of_call": call, "value": value}).rowcount == 1


def _locked(connection: Connection, number: TicketNumber) -> Ticket:
    row = connection.execute(_LOCKED, {"of_number": number}).first()
    if row is None:
        raise TicketRefused("unknown_ticket", "There is no ticket of this number.")
    return whole(connection, [row])[0]


def _one(connection: Connection, row: Row[Any] | None) -> Ticket | None:
    return whole(connection, [row])[0] if row else None


def _check_target(connection: Connection, merged: Ticket, actor: Actor, policy: TicketPolicy) -> None:
    """A repeat goes into a ticket that is there and goes on itself: never in a circle, never into a repeat, and never
    into one that was withdrawn: nobody would answer who wants it still.

    What the actor may not look at is not there for him.
    """
    where = select(tickets).where(tickets.c.number == merged.repeat_of).with_for_update()
    target = _one(connection, connection.execute(where).first())
    if target is None or not sees_ticket(target, actor, policy):
        raise TicketRefused("unknown_target", "There is no ticket of that number.", "into")
    if target.state is TicketState.MERGED:
        raise TicketRefused("bad_into", "That ticket has been merged itself; name the one that goes on.", "into")
    if target.withdrawn_at is not None:
        raise TicketRefused("bad_into", "That ticket was withdrawn; nobody answers it.", "into")


def _keep_approvals(connection: Connection, before: Ticket, after: Ticket) -> None:
    known = {one.seq: one for one in before.approvals}
    for one in after.approvals:
        if one.seq not in known:
            connection.execute(_NEW_APPROVAL, {"ticket": after.number, **plain(one)})
        elif one != known[one.seq]:
            mine = (approvals.c.ticket == after.number) & (approvals.c.seq == one.seq)
            connection.execute(update(approvals).where(mine).values(plain(one)))


def _keep_units(connection: Connection, before: Ticket, after: Ticket) -> None:
    for unit in sorted(before.units - after.units):
        connection.execute(delete(units).where(units.c.ticket == after.number, units.c.unit == unit))
    for unit in sorted(after.units - before.units):
        connection.execute(_NEW_UNIT, {"ticket": after.number, "unit": unit, "opened_at": after.opened_at})


def names_file(connection: Connection, sha256: str) -> bool:
    """Whether any ticket has a file with this digest. Reads all tickets: for the rare case that it is not known."""
    found = select(tickets.c.number).where(cast(tickets.c.attachments, Text).contains(sha256, autoescape=True)).limit(1)
    return connection.execute(found).first() is not None


def _keep_move(connection: Connection, move: TicketMove, policy: TicketPolicy) -> None:
    """Every move is written here, and here alone: so whoever wants to hear of moves hears of each."""
    connection.execute(_NEW_MOVE, {column.name: plain(getattr(move, column.name)) for column in moves.c})
    outbox_sql.put(connection, policy.told(move.cause), move)


def _row(ticket: Ticket) -> dict[str, Any]:
    return {name: plain(getattr(ticket, name)) for name in _COLUMNS} | {"requests": len(ticket.approvals)}


_COLUMNS = tuple(column.name for column in tickets.c if column.name != "requests")


def _ticket(row: Row[Any], asked: tuple[Approval, ...]) -> Ticket:
    values = dict(row._mapping)
    del values["requests"]
    values["number"] = TicketNumber(row.number)
    values["call"] = CallId(row.call) if row.call is not None else None
    values["agent"] = AgentId(row.agent)
    values["state"] = TicketState(row.state)
    values["channel"] = Channel(row.channel)
    values["type"] = TicketType(row.type) if row.type is not None else None
    values["urgency"] = Urgency(row.urgency)
    values["co_units"] = tuple(row.co_units)
    values["pauses"] = pauses(row.pauses)
    values["attachments"] = attachments(row.attachments)
    return Ticket(**values, approvals=asked)


def approval_of(row: Row[Any]) -> Approval:
    """The request of a row of `approvals`."""
    values = dict(row._mapping)
    del values["ticket"]
    return Approval(**{**values, "kind": ApprovalKind(row.kind), "outcome": Outcome(row.outcome)})
