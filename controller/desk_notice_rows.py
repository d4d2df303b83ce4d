"""Agents' notices on disk: the latest, so that a restarted controller shows what the one before showed.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Column, Connection, Double, MetaData, PrimaryKeyConstraint, Table, Text, delete, insert, select

from pbx.ids import AgentId
from pbx.memory import NOTICES_KEPT, DeskNotice

metadata = MetaData()

desk_notices = Table(
    "desk_notices",
    metadata,
    Column("at", Double, nullable=False),
    Column("what", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("detail", Text, nullable=False),
    PrimaryKeyConstraint("at", "what", "agent", "detail", name="pk_desk_notices"),
)


def save(connection: Connection, notice: DeskNotice) -> None:
    """Write a notice, and let go of those that are older than the newest `NOTICES_KEPT`."""
    row = asdict(notice)
    connection.execute(delete(desk_notices).where(*(desk_notices.c[name] == value for name, value in row.items())))
    connection.execute(insert(desk_notices), row)
    newest_first = select(desk_notices.c.at).order_by(desk_notices.c.at.desc())
    oldest = newest_first.offset(NOTICES_KEPT - 1).limit(1).scalar_subquery()
    connection.execute(delete(desk_notices).where(desk_notices.c.at < oldest))


def latest(connection: Connection) -> tuple[DeskNotice, ...]:
    """The newest `NOTICES_KEPT`, oldest first."""
    wanted = select(desk_notices).order_by(*(column.desc() for column in desk_notices.c)).limit(NOTICES_KEPT)
    found = [DeskNotice(row.at, row.what, AgentId(row.agent), row.detail) for row in connection.execute(wanted)]
    return tuple(reversed(found))
