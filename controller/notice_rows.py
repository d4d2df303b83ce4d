"""Incident notices on disk, and who wants to hear of their end: one row each, `details` holds the whole of it.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Double,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
)

from pbx.notice import Incident, Registration

metadata = MetaData()

notices = Table(
    "notices",
    metadata,
    Column("id", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("id", name="pk_notices"),
    Index("ix_notices_given_at", "given_at"),
)

notice_numbers = Table(
    "notice_numbers",
    metadata,
    Column("notice", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("notice", "number", name="pk_notice_numbers"),
)
"""Caller data: `number` and `details` hold the caller's number."""

_NOTICE = TypeAdapter(Incident)
_REGISTRATION = TypeAdapter(Registration)


def save_notice(connection: Connection, notice: Incident) -> None:
    """Write the notice as it is now."""
    connection.execute(delete(notices).where(notices.c.id == notice.id))
    details = _NOTICE.dump_python(notice, mode="json")
    row = {"id": notice.id, "given_at": notice.given_at, "ended_at": notice.ended_at, "details": details}
    connection.execute(insert(notices), row)


def save_registration(connection: Connection, one: Registration) -> None:
    """Write who wants to be told; a number stands once for a notice."""
    same = (notice_numbers.c.notice == one.notice, notice_numbers.c.number == one.number)
    connection.execute(delete(notice_numbers).where(*same))
    details = _REGISTRATION.dump_python(one, mode="json")
    connection.execute(
        insert(notice_numbers), {"notice": one.notice, "number": one.number, "at": one.at, "details": details}
    )


def open_notices(connection: Connection) -> tuple[tuple[Incident, ...], tuple[Registration, ...]]:
    """The notices that hold, oldest first, and who wants to hear of their end."""
    found = connection.execute(select(notices).where(notices.c.ended_at.is_(None)).order_by(notices.c.given_at))
    held = tuple(_NOTICE.validate_python(row.details) for row in found)
    return held, tuple(one for notice in held for one in registrations(connection, notice.id))


def list_notices(connection: Connection, since: float, until: float) -> list[Incident]:
    """The notices given in [since, until), epoch seconds, and those that hold, oldest first."""
    given = (notices.c.given_at >= since) & (notices.c.given_at < until)
    wanted = select(notices).where(or_(given, notices.c.ended_at.is_(None))).order_by(notices.c.given_at, notices.c.id)
    return [_NOTICE.validate_python(row.details) for row in connection.execute(wanted)]


def one_notice(connection: Connection, id: str) -> tuple[Incident, tuple[Registration, ...]] | None:
    """A notice with who registered for it, or None."""
    row = connection.execute(select(notices).where(notices.c.id == id)).one_or_none()
    return (_NOTICE.validate_python(row.details), registrations(connection, id)) if row is not None else None


def registrations(connection: Connection, id: str) -> tuple[Registration, ...]:
    """Who wants to be told when the incident is over, oldest first."""
    rows = connection.execute(
        select(notice_numbers)
        .where(notice_numbers.c.notice == id)
        .order_by(notice_numbers.c.at, notice_numbers.c.number)
    )
    return tuple(_REGISTRATION.validate_python(row.details) for row in rows)
