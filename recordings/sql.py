"""Recordings and transcripts on disk: what is where, for how long it ran, and the seal that shows it unchanged.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from pbx.ids import CallId
from recordings.transcript import Transcript

metadata = MetaData()

recordings = Table(
    "recordings",
    metadata,
    Column("call", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("duration_s", Double, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("citizen_rms_dbfs", Double),
    Column("heard_rms_dbfs", Double),
    Column("finished_at", Double),
    PrimaryKeyConstraint("call", name="pk_recordings"),
    Index("ix_recordings_started_at", "started_at"),  # what is to be erased
)

transcripts = Table(
    "transcripts",
    metadata,
    Column("call", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("recogniser", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("base", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("call", name="pk_transcripts"),
)
"""`body` is `Transcript.to_json()`; `base`: since which version of the transcript it has been so. The corrections count
the versions on (`recordings/words_sql.py`)."""


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """One finished recording. `path` is relative to the archive; times: epoch seconds, levels: dBFS (None = silent)."""

    call: CallId
    path: str
    started_at: float
    duration_s: float
    size_bytes: int
    sha256: str
    citizen_rms_dbfs: float | None = None
    heard_rms_dbfs: float | None = None
    finished_at: float | None = None


@cache
def _upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    others = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=["call"], set_=others)


def save_recording(connection: Connection, row: RecordingRow) -> None:
    """Write a call's recording; finishing the same one again (a restart) replaces the row."""
    connection.execute(_upsert(connection.dialect.name, recordings), asdict(row))


def get_recording(connection: Connection, call: CallId) -> RecordingRow | None:
    """The call's recording, or None."""
    row = connection.execute(select(recordings).where(recordings.c.call == call)).first()
    return RecordingRow(**row._mapping) if row else None


def save_transcript(connection: Connection, call: CallId, transcript: Transcript, made_at: float, base: int) -> None:
    """Write a call's transcript, which is of version `base`; a better one replaces the earlier."""
    row = {
        "call": call,
        "language": transcript.language,
        "recogniser": transcript.recogniser,
        "made_at": made_at,
        "body": transcript.to_json(),
        "base": base,
    }
    connection.execute(_upsert(connection.dialect.name, transcripts), row)


def get_transcript(connection: Connection, call: CallId) -> Transcript | None:
    """The call's transcript, or None. Raises ValueError if the stored form is not one that this program reads."""
    body = connection.execute(select(transcripts.c.body).where(transcripts.c.call == call)).scalar_one_or_none()
    return Transcript.from_json(body) if body is not None else None
