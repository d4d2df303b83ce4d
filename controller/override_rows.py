"""What supervisors have changed for a time, on disk: one row for each agent and queue that is not as configured.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from pydantic import TypeAdapter
from sqlalchemy import JSON, Column, Connection, MetaData, PrimaryKeyConstraint, Table, Text, delete, insert, select

from pbx.supervision import QueueOverride, SaveOverrides, SkillOverride

metadata = MetaData()

overrides = Table(
    "overrides",
    metadata,
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("body", JSON, nullable=False),
    PrimaryKeyConstraint("kind", "target", name="pk_overrides"),
)
"""`kind` is ``agent`` or ``queue``, `target` its id; `body` the fields of `pbx.supervision`."""

_SKILLS = TypeAdapter(tuple[SkillOverride, ...])
_QUEUE = TypeAdapter(QueueOverride)


def save(connection: Connection, change: SaveOverrides) -> None:
    """Put the agent's or queue's changes in place of those before; none = as configured."""
    kind, target = ("agent", change.agent) if change.agent is not None else ("queue", change.queue)
    connection.execute(delete(overrides).where(overrides.c.kind == kind, overrides.c.target == target))
    body: object = _SKILLS.dump_python(change.skills, mode="json") if change.skills else None
    if change.change is not None:
        body = _QUEUE.dump_python(change.change, mode="json")
    if body is not None:
        connection.execute(insert(overrides).values(kind=kind, target=target, body=body))


def load(connection: Connection) -> tuple[tuple[SkillOverride, ...], tuple[QueueOverride, ...]]:
    """Everything that is changed for now: agents' skills, and queues."""
    skills: list[SkillOverride] = []
    queues: list[QueueOverride] = []
    for row in connection.execute(select(overrides).order_by(overrides.c.kind, overrides.c.target)):
        if row.kind == "agent":
            skills += _SKILLS.validate_python(row.body)
        else:
            queues.append(_QUEUE.validate_python(row.body))
    return tuple(skills), tuple(queues)
