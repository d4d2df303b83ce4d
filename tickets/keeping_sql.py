"""Of which calls the tickets have changed what decides how long a recording is kept: the type, and whether it is over.

A list on disk that whoever keeps recordings takes from (`controller/archivist.py`). It is written in the transaction of
the change itself, so none is forgotten.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from pbx.ids import CallId
from tickets.moves import OVER
from tickets.tables import keeping
from tickets.ticket import Ticket


@cache
def _put(dialect: str) -> Any:
    new = postgresql.insert(keeping) if dialect == "postgresql" else sqlite.insert(keeping)
    return new.on_conflict_do_nothing(index_elements=["call"])


def follow(connection: Connection, before: Ticket | None, after: Ticket) -> None:
    """Note the call of a ticket that was opened (`before` None) or changed, if that concerns its recording."""
    if after.call is None:
        return
    if before is None or before.type != after.type or (before.state in OVER) != (after.state in OVER):
        connection.execute(_put(connection.dialect.name), {"call": after.call})


def take(connection: Connection, limit: int) -> list[CallId]:
    """Up to so many of the calls; they are taken out of the list."""
    calls = [CallId(call) for call in connection.execute(select(keeping.c.call).limit(limit)).scalars()]
    if calls:
        connection.execute(delete(keeping).where(keeping.c.call.in_(calls)))
    return calls
