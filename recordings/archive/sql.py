"""What the store knows of archived recordings: where each lies, who holds it, and what was erased and why.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from pbx.ids import CallId
from recordings.archive.archive import Archived
from recordings.archive.form import Form
from recordings.jobs_sql import jobs, waits
from recordings.sql import RecordingRow, metadata, recordings
from recordings.words_sql import erase_transcript

archived = Table(
    "archived_recordings",
    metadata,
    Column("call", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("archived_at", Double, nullable=False),
    PrimaryKeyConstraint("call", name="pk_archived_recordings"),
)
"""See `recordings.archive.archive.Archived`; `archived_at` in epoch seconds."""

holds = Table(
    "recording_holds",
    metadata,
    Column("id", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_by", Text),
    PrimaryKeyConstraint("id", name="pk_recording_holds"),
    Index("ix_recording_holds_call", "call"),
)

erasures = Table(
    "recording_erasures",
    metadata,
    Column("call", Text, nullable=False),
    Column("erased_at", Double, nullable=False),
    Column("rule", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("archived_sha256", Text, nullable=False),
    PrimaryKeyConstraint("call", name="pk_recording_erasures"),
    Index("ix_recording_erasures_erased_at", "erased_at"),
)
"""What is left of an erased recording: `sha256` of the WAV as it was finished, `archived_sha256` of its archived form,
empty when it never came into the archive."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody's word that a recording must not be erased; `ended_at` None = it holds. Epoch seconds."""

    id: str
    call: CallId
    reason: str
    by: str
    since: float
    ended_at: float | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """The store's part of an erasure."""

    call: CallId
    erased_at: float
    rule: str
    started_at: float
    duration_s: float
    sha256: str
    archived_sha256: str


def save_archived(connection: Connection, call: CallId, there: Archived, at: float) -> bool:
    """A recording is in the archive; False when the store knew that already, and nothing was changed."""
    if get_archived(connection, call) is not None:
        return False
    connection.execute(insert(archived).values(call=call, archived_at=at, **asdict(there)))
    return True


def get_archived(connection: Connection, call: CallId) -> Archived | None:
    """Where a recording is in the archive; None when it is not (yet), or no more."""
    row = connection.execute(select(archived).where(archived.c.call == call)).first()
    return Archived(row.key, Form(row.form), row.size_bytes, row.sha256, row.key_id) if row else None


def not_archived(connection: Connection, limit: int, after: tuple[float, str] = (0.0, "")) -> list[RecordingRow]:
    """Finished recordings that are not in the archive, oldest first, behind the one that began then with that call.

    One that waits for its transcript stays where a recogniser can read it.
    """
    begun, call = after
    query = (
        select(recordings)
        .outerjoin(archived, archived.c.call == recordings.c.call)
        .where(
            archived.c.call.is_(None),
            ~waits(recordings.c.call),
            (recordings.c.started_at > begun) | ((recordings.c.started_at == begun) & (recordings.c.call > call)),
        )
        .order_by(recordings.c.started_at, recordings.c.call)
        .limit(limit)
    )
    return [RecordingRow(**row._mapping) for row in connection.execute(query)]


def count_not_archived(connection: Connection) -> int:
    """How many recordings wait for the archive."""
    query = (
        select(func.count())
        .select_from(recordings.outerjoin(archived, archived.c.call == recordings.c.call))
        .where(archived.c.call.is_(None))
    )
    return int(connection.execute(query).scalar_one())


def begun_before(connection: Connection, instant: float, limit: int, after: tuple[float, str]) -> list[RecordingRow]:
    """Recordings that began before an instant, oldest first, behind the one that began then with that call."""
    begun, call = after
    query = (
        select(recordings)
        .where(
            recordings.c.started_at < instant,
            (recordings.c.started_at > begun) | ((recordings.c.started_at == begun) & (recordings.c.call > call)),
        )
        .order_by(recordings.c.started_at, recordings.c.call)
        .limit(limit)
    )
    return [RecordingRow(**row._mapping) for row in connection.execute(query)]


def place_hold(connection: Connection, hold: Hold) -> None:
    """Write a hold; the same one again (the store wrote a batch again) changes nothing."""
    there = connection.execute(select(holds.c.id).where(holds.c.id == hold.id)).first()
    if there is None:
        connection.execute(insert(holds).values(**asdict(hold)))


def end_hold(connection: Connection, id: str, by: str, at: float) -> bool:  # noqa: A002 - the column's name
    """End a hold; False when there is none, or it has ended."""
    ended = connection.execute(
        update(holds).where(holds.c.id == id, holds.c.ended_at.is_(None)).values(ended_at=at, ended_by=by)
    )
    return ended.rowcount == 1


def holds_of(connection: Connection, calls: Sequence[CallId]) -> list[Hold]:
    """The holds of these calls, the ended ones too, oldest first."""
    query = select(holds).where(holds.c.call.in_(calls)).order_by(holds.c.since, holds.c.id)
    return [Hold(**row._mapping) for row in connection.execute(query)]


def record_erasure(connection: Connection, erasure: Erasure) -> None:
    """A recording and its transcript are gone: their rows go too, the words by which it was found and what people
    corrected as well; and what is left of them is written down.

    May be done again: the second time finds nothing to do.
    """
    erase_transcript(connection, erasure.call)
    for table in (archived, jobs, recordings):
        connection.execute(delete(table).where(table.c.call == erasure.call))
    there = connection.execute(select(erasures.c.call).where(erasures.c.call == erasure.call)).first()
    if there is None:
        connection.execute(insert(erasures).values(**asdict(erasure)))


def get_erasure(connection: Connection, call: CallId) -> Erasure | None:
    """What is left of an erased recording."""
    row = connection.execute(select(erasures).where(erasures.c.call == call)).first()
    return Erasure(**row._mapping) if row else None
