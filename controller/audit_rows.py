"""The audit trail on disk: rows are only ever added, and each holds the seal of the one before it.

The seal of a row is the SHA-256 of the row before's seal and of its own content, so a row that was changed, taken out
or put in between is found by whoever reads the trail (`check`). The last seal stands beside the trail: rows cut off at
its end are found by that, and by anybody who has noted a seal earlier (`since`). What it cannot find: a trail rewritten
as a whole by somebody who owns the database, when nobody has noted a seal.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from pbx.supervision import AuditEntry

metadata = MetaData()

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("seal", Text, nullable=False),
    PrimaryKeyConstraint("seq", name="pk_audit"),
    UniqueConstraint("id", name="uq_audit_id"),
    Index("ix_audit_at", "at"),
    Index("ix_audit_agent_at", "agent", "at"),
)
"""`at` in epoch seconds; `outcome` is ``ok`` or the code of the refusal; `seal` 64 hexadecimal digits."""

audit_end = Table(
    "audit_end",
    metadata,
    Column("one", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("seal", Text, nullable=False),
    PrimaryKeyConstraint("one", name="pk_audit_end"),
)
"""One row: the number and the seal of the trail's last row."""

FIRST_SEAL = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the trail."""

    seq: int
    entry: AuditEntry
    seal: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking the whole trail found: `faults` in words, none = nothing was changed, taken out or put in."""

    rows: int
    seal: str  #: of the last row: note it, and a later check can be measured by it
    faults: tuple[str, ...]


def seal_of(before: str, seq: int, entry: AuditEntry) -> str:
    """The seal of a row: over the seal before it and every field of its own."""
    content = json.dumps([before, seq, *asdict(entry).values()], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def append(connection: Connection, entry: AuditEntry) -> int:
    """Add a row; its number. An entry that is there already (the store wrote a batch again) is not added twice."""
    there = connection.execute(select(audit.c.seq).where(audit.c.id == entry.id)).scalar_one_or_none()
    if there is not None:
        return int(there)
    end = connection.execute(select(audit_end.c.seq, audit_end.c.seal).with_for_update()).one_or_none()
    seq, before = (end.seq + 1, end.seal) if end is not None else (1, FIRST_SEAL)
    seal = seal_of(before, seq, entry)
    connection.execute(insert(audit).values(seq=seq, **_plain(entry), seal=seal))
    if end is None:
        connection.execute(insert(audit_end).values(one=1, seq=seq, seal=seal))
    else:
        connection.execute(update(audit_end).values(seq=seq, seal=seal))
    return int(seq)


def _plain(entry: AuditEntry) -> dict[str, Any]:
    return asdict(entry)


def read(connection: Connection, since: float, until: float, agent: str = "") -> list[AuditRow]:
    """The rows of [since, until), epoch seconds, oldest first; those about one agent where he is named."""
    wanted = select(audit).where(audit.c.at >= since, audit.c.at < until).order_by(audit.c.seq)
    if agent:
        wanted = wanted.where(audit.c.agent == agent)
    return [_row(row) for row in connection.execute(wanted)]


def check(connection: Connection, since: str = "") -> Verdict:
    """Read the whole trail and say what is wrong with it; `since` = a seal noted earlier, which must still be there."""
    faults: list[str] = []
    expected, before, noted = 1, FIRST_SEAL, not since
    last = 0
    for found in connection.execute(select(audit).order_by(audit.c.seq), execution_options={"yield_per": 1000}):
        row = _row(found)
        if row.seq != expected:
            faults.append(f"rows {expected} to {row.seq - 1} are missing")
        elif seal_of(before, row.seq, row.entry) != row.seal:
            faults.append(f"row {row.seq} is not as it was written")
        noted = noted or row.seal == since
        expected, before, last = row.seq + 1, row.seal, row.seq
    end = connection.execute(select(audit_end.c.seq, audit_end.c.seal)).one_or_none()
    if end is None and last:
        faults.append("the end of the trail is not recorded any more")
    elif end is not None and end.seq > last:
        faults.append(f"rows {last + 1} to {end.seq} are missing at the end")
    elif end is not None and (end.seq, end.seal) != (last, before):
        faults.append("the trail does not end as it was recorded")
    if not noted:
        faults.append("the seal that was noted earlier is not in the trail any more")
    return Verdict(last, before, tuple(faults))


def _row(row: Row[Any]) -> AuditRow:
    values = dict(row._mapping)
    seq, seal = values.pop("seq"), values.pop("seal")
    return AuditRow(seq, AuditEntry(**values), seal)


def as_json(rows: Sequence[AuditRow]) -> list[dict[str, Any]]:
    """Rows as plain values."""
    return [{"seq": row.seq, **asdict(row.entry), "seal": row.seal} for row in rows]
