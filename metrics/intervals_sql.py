"""Agents' intervals on disk: one row for each state of each agent.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from metrics.intervals import AgentInterval
from pbx.ids import CallId

metadata = MetaData()

agent_intervals = Table(
    "agent_intervals",
    metadata,
    Column("agent", Text, nullable=False),
    Column("began_at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("call", Text),
    Column("ended_at", Double),
    Column("ended_by", Text, nullable=False),
    PrimaryKeyConstraint("agent", "began_at", "state", name="pk_agent_intervals"),
    Index("ix_agent_intervals_began_at", "began_at"),  # a day
    Index("ix_agent_intervals_ended_at", "ended_at"),  # NULL = the open ones
    Index("ix_agent_intervals_call", "call"),
)
"""Times are epoch seconds of the controller's clock, NULL = has not happened; as `metrics.intervals.AgentInterval`."""

LONGEST_S = 86_400.0 * 8
"""So long before a period an interval may have begun that reaches into it: further back nobody looks, however much is
stored. Of an agent who forgot to sign out for longer, days after that have no interval."""


def save_interval(connection: Connection, interval: AgentInterval) -> None:
    """Write the interval as it is now, whether or not it is known."""
    save_intervals(connection, [interval])


def save_intervals(connection: Connection, intervals: Sequence[AgentInterval]) -> None:
    """Write many; of several of one interval the last counts."""
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    latest = {(one.agent, one.began_at, one.state): asdict(one) for one in intervals}
    adding = insert(agent_intervals)
    changed = {name: adding.excluded[name] for name in ("reason", "call", "ended_at", "ended_by")}
    keys = ["agent", "began_at", "state"]
    connection.execute(adding.on_conflict_do_update(index_elements=keys, set_=changed), list(latest.values()))


def open_intervals(connection: Connection) -> list[AgentInterval]:
    """Those without an end, oldest first."""
    return _find(connection, agent_intervals.c.ended_at.is_(None))


def list_intervals(connection: Connection, since: float, until: float) -> list[AgentInterval]:
    """Those of which a part lies in [since, until), epoch seconds, oldest first."""
    table = agent_intervals.c
    begun = table.began_at >= since - LONGEST_S, table.began_at < until
    return _find(connection, *begun, or_(table.ended_at.is_(None), table.ended_at > since))


def of_call(connection: Connection, call: CallId) -> list[AgentInterval]:
    """What agents did at one call, oldest first."""
    found = _find(connection, agent_intervals.c.call == call)
    return sorted(found, key=lambda one: one.began_at)


def _find(connection: Connection, *where: ColumnElement[bool]) -> list[AgentInterval]:
    wanted = select(agent_intervals).where(*where).order_by(agent_intervals.c.began_at, agent_intervals.c.agent)
    return [AgentInterval(*row) for row in connection.execute(wanted).all()]
