"""The call records on disk.

One row a call, one row an offer. Every figure is folded over these instants (`domain.md` 0.2).

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and
PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
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
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId, TicketNumber
from pbx.memory import CallLesson

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("call", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("dialled", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("arrived_at", Double, nullable=False),
    Column("language", Text, nullable=False),
    Column("menu_path", JSON, nullable=False),
    Column("menu_done_at", Double),
    Column("queue", Text),
    Column("queued_at", Double),
    Column("agent", Text),
    Column("joined_at", Double),
    Column("released_at", Double),
    Column("score", Integer),
    Column("ticket", Text),
    Column("recording", Text),
    Column("in_net", Boolean, nullable=False),
    Column("outcome", Text),
    Column("ended_at", Double),
    Column("details", JSON, nullable=False, server_default="{}"),
    PrimaryKeyConstraint("call", name="pk_calls"),
    Index("ix_calls_arrived_at", "arrived_at"),  # a day, a month
    Index("ix_calls_ended_at", "ended_at"),  # NULL = the open calls of a restart
)
"""Times are epoch seconds of the exchange's clock, NULL = has not happened; as `pbx.call.CallRecord`.

What is searched and counted has a column. `details` holds the record's other fields by their names, those that are not
as they are by default; so a new field of the record needs no new shape of the database.
"""

offers = Table(
    "call_offers",
    metadata,
    Column("call", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("offered_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("ended_at", Double),
    PrimaryKeyConstraint("call", "seq", name="pk_call_offers"),
    ForeignKeyConstraint(["call"], ["calls.call"], name="fk_call_offers_call_calls", ondelete="CASCADE"),
    Index("ix_call_offers_agent_offered_at", "agent", "offered_at"),  # an agent's day
)


@cache
def _upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=others)


_SURPLUS = delete(offers).where(offers.c.call == bindparam("of"), offers.c.seq >= bindparam("from"))


def save_call(connection: Connection, record: CallRecord) -> None:
    """Write the record as it is now, whether or not the call is known already."""
    save_calls(connection, [record])


def save_calls(connection: Connection, records: Sequence[CallRecord]) -> None:
    """Write many records at once, in order; of several of one call only the last is written."""
    dialect = connection.dialect.name
    latest = {record.call: record for record in records}.values()
    connection.execute(_upsert(dialect, calls), [_row(record) for record in latest])
    offered = [
        {
            "call": record.call,
            "seq": seq,
            "agent": offer.agent,
            "offered_at": offer.offered_at,
            "reason": offer.reason,
            "outcome": offer.outcome,
            "ended_at": offer.ended_at,
        }
        for record in latest
        for seq, offer in enumerate(record.offers)
    ]
    if offered:
        connection.execute(_upsert(dialect, offers), offered)
    connection.execute(_SURPLUS, [{"of": record.call, "from": len(record.offers)} for record in latest])


def complete_call(connection: Connection, record: CallRecord) -> None:
    """Write the record unless the stored one has an end: that one was written by who saw it."""
    ended = connection.execute(select(calls.c.ended_at).where(calls.c.call == record.call)).scalar()
    if ended is None:
        save_call(connection, record)


def name_ticket(connection: Connection, call: CallId, ticket: TicketNumber) -> None:
    """The call's record names its ticket, also that of a call which has ended before there was one."""
    connection.execute(update(calls).where(calls.c.call == call, calls.c.ticket.is_(None)).values(ticket=ticket))


def no_recording(connection: Connection, call: CallId) -> None:
    """The call has no recording after all."""
    connection.execute(update(calls).where(calls.c.call == call).values(recording=None))


def open_calls(connection: Connection) -> list[CallRecord]:
    """The calls that had not ended when they were last saved, oldest first."""
    return _find(connection, calls.c.ended_at.is_(None))


def get_call(connection: Connection, call: CallId) -> CallRecord | None:
    """One call's record, or None."""
    found = _find(connection, calls.c.call == call)
    return found[0] if found else None


def list_calls(connection: Connection, since: float, until: float) -> list[CallRecord]:
    """The calls that arrived in [since, until), epoch seconds, oldest first."""
    return _find(connection, calls.c.arrived_at >= since, calls.c.arrived_at < until)


def latest_lessons(connection: Connection, most: int) -> list[CallLesson]:
    """What the latest `most` calls that have ended teach of their queues, oldest first."""
    names = ("call", "queue", "queued_at", "joined_at", "released_at", "ended_at", "outcome")
    ended = select(*(calls.c[name] for name in names)).where(calls.c.ended_at.is_not(None))
    return [
        CallLesson(
            CallId(row.call),
            QueueId(row.queue),
            row.queued_at,
            row.joined_at,
            row.released_at,
            row.ended_at,
            Outcome(row.outcome) if row.outcome is not None else None,
        )
        for row in reversed(connection.execute(ended.order_by(calls.c.ended_at.desc()).limit(most)).all())
        if row.queue is not None and row.queued_at is not None
    ]


def _find(connection: Connection, *where: ColumnElement[bool]) -> list[CallRecord]:
    rows = connection.execute(select(calls).where(*where).order_by(calls.c.arrived_at, calls.c.call)).all()
    theirs: defaultdict[str, list[OfferRecord]] = defaultdict(list)
    if rows:
        query = select(offers).join(calls, offers.c.call == calls.c.call).where(*where)
        for row in connection.execute(query.order_by(offers.c.call, offers.c.seq)):
            theirs[row.call].append(
                OfferRecord(AgentId(row.agent), row.offered_at, row.reason, row.outcome, row.ended_at)
            )
    return [_record(row, theirs.get(row.call, ())) for row in rows]


_CALL_COLUMNS = tuple(column.name for column in calls.c if column.name != "details")

_TYPES = get_type_hints(CallRecord)
_DETAILS: dict[str, tuple[TypeAdapter[Any], Any]] = {
    field.name: (TypeAdapter(_TYPES[field.name]), field.default)
    for field in fields(CallRecord)
    if field.name not in _CALL_COLUMNS and field.name != "offers"
}
"""What is kept in `details`: its type and its default."""


def _row(record: CallRecord) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _CALL_COLUMNS}
    row["menu_path"] = list(record.menu_path)
    row["outcome"] = record.outcome.value if record.outcome else None
    row["details"] = {
        name: kind.dump_python(value, mode="json")
        for name, (kind, default) in _DETAILS.items()
        if (value := getattr(record, name)) != default
    }
    return row


def _record(row: Row[Any], offered: Sequence[OfferRecord]) -> CallRecord:
    more = {name: _DETAILS[name][0].validate_python(value) for name, value in row.details.items() if name in _DETAILS}
    return CallRecord(
        call=CallId(row.call),
        channel=ChannelName(row.channel),
        dialled=row.dialled,
        caller=row.caller,
        arrived_at=row.arrived_at,
        language=row.language,
        menu_path=tuple(row.menu_path),
        menu_done_at=row.menu_done_at,
        queue=QueueId(row.queue) if row.queue is not None else None,
        queued_at=row.queued_at,
        offers=tuple(offered),
        agent=AgentId(row.agent) if row.agent is not None else None,
        joined_at=row.joined_at,
        released_at=row.released_at,
        score=row.score,
        ticket=TicketNumber(row.ticket) if row.ticket is not None else None,
        recording=row.recording,
        in_net=row.in_net,
        outcome=Outcome(row.outcome) if row.outcome is not None else None,
        ended_at=row.ended_at,
        **more,
    )
