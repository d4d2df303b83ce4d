"""Call-back requests on disk: one row each; what is searched has a column, `details` holds the whole request.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from pydantic import TypeAdapter
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    select,
)

from pbx.callback import FOLLOW_UP_IDS, OPEN, CallbackRequest

metadata = MetaData()

callbacks = Table(
    "callbacks",
    metadata,
    Column("id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("id", name="pk_callbacks"),
    Index("ix_callbacks_asked_at", "asked_at"),
    Index("ix_callbacks_ended_at", "ended_at"),
)

_SHAPE = TypeAdapter(CallbackRequest)


def save_callback(connection: Connection, request: CallbackRequest) -> None:
    """Write the request as it is now, whether or not it is known already."""
    connection.execute(delete(callbacks).where(callbacks.c.id == request.id))
    connection.execute(
        callbacks.insert(),
        {
            "id": request.id,
            "number": request.number,
            "state": request.state.value,
            "asked_at": request.asked_at,
            "ended_at": request.ended_at,
            "details": _SHAPE.dump_python(request, mode="json"),
        },
    )


def open_callbacks(connection: Connection) -> list[CallbackRequest]:
    """The requests that are not over, oldest first."""
    return read_callbacks(connection, callbacks.c.state.in_([state.value for state in OPEN]))


def list_callbacks(connection: Connection, since: float, until: float) -> list[CallbackRequest]:
    """The requests made in [since, until), epoch seconds, oldest first; not those of the voice follow-up."""
    return read_callbacks(
        connection,
        callbacks.c.asked_at >= since,
        callbacks.c.asked_at < until,
        callbacks.c.id.not_like(f"{FOLLOW_UP_IDS}%"),
    )


def read_callbacks(connection: Connection, *where: ColumnElement[bool]) -> list[CallbackRequest]:
    """The requests for which all of `where` holds, oldest first."""
    rows = connection.execute(select(callbacks).where(*where).order_by(callbacks.c.asked_at, callbacks.c.id))
    return [_SHAPE.validate_python(row.details) for row in rows]
