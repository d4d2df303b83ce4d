"""The caller list on disk: which numbers are treated otherwise, until when, by whom and why.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Column, Connection, Double, Integer, MetaData, PrimaryKeyConstraint, Table, Text, delete, select

from pbx.events import CallerEntry
from pbx.ids import QueueId

metadata = MetaData()

caller_list = Table(
    "caller_list",
    metadata,
    Column("number", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("until", Double, nullable=False),
    Column("queue", Text),
    Column("priority", Integer),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("number", name="pk_caller_list"),
)


def save_listing(connection: Connection, entry: CallerEntry) -> None:
    """Write an entry; the one of before of the same number goes."""
    drop_listing(connection, entry.number)
    connection.execute(caller_list.insert(), asdict(entry))


def drop_listing(connection: Connection, number: str) -> None:
    """Take an entry out, if it is there."""
    connection.execute(delete(caller_list).where(caller_list.c.number == number))


def listings(connection: Connection) -> list[CallerEntry]:
    """All entries, by number; those that have ended too."""
    return [
        CallerEntry(
            row.number, row.kind, row.until, QueueId(row.queue) if row.queue else None, row.priority, row.by, row.note
        )
        for row in connection.execute(select(caller_list).order_by(caller_list.c.number))
    ]
