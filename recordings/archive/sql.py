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
from recordings.sql import RecordingRow, due, metadata, recordings, to_archive
from recordings.words_due_sql import judge_words_anew, still_there

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
    Index("ix_recording_holds_ended_at", "ended_at"),
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
    connection.execute(delete(to_archive).where(to_archive.c.call == call))
    return True


def get_archived(connection: Connection, call: CallId) -> Archived | None:
    """Where a recording is in the archive; None when it is not (yet), or no more."""
    row = connection.execute(select(archived).where(archived.c.call == call)).first()
    return Archived(row.key, Form(row.form), row.size_bytes, row.sha256, row.key_id) if row else None


def not_archived(connection: Connection, limit: int, after: str = "") -> list[RecordingRow]:
    """Finished recordings that are not in the archive, by their calls' ids, behind this one: the oldest first, as the
    exchange counts its calls by the time.

    One that waits for its transcript stays where a recogniser can read it.
    """
    query = (
        select(recordings)
        .join(to_archive, to_archive.c.call == recordings.c.call)
        .where(to_archive.c.call > after, ~waits(to_archive.c.call))
        .order_by(to_archive.c.call)
        .limit(limit)
    )
    return [RecordingRow(**row._mapping) for row in connection.execute(query)]


def count_not_archived(connection: Connection) -> int:
    """How many recordings wait for the archive."""
    return int(connection.execute(select(func.count()).select_from(to_archive)).scalar_one())


def judge_anew(connection: Connection, calls: Sequence[CallId]) -> None:
    """What the rules look at has changed for these calls, and their transcripts; what is not there is left alone."""
    free = due.c.call.in_(calls) & due.c.erasing_at.is_(None)
    connection.execute(update(due).where(free).values(rules="", due_at=None))
    judge_words_anew(connection, calls)


def unjudged(connection: Connection, rules: str, limit: int) -> list[RecordingRow]:
    """Recordings that were never judged, or by other rules than these; in no order."""
    found: list[RecordingRow] = []
    for other in (due.c.rules < rules, due.c.rules > rules):  # each a stretch of the index
        query = select(recordings).join(due, due.c.call == recordings.c.call).where(other).limit(limit - len(found))
        found += [RecordingRow(**row._mapping) for row in connection.execute(query)]
    return found


def put_due(connection: Connection, call: CallId, rules: str, due_at: float | None) -> None:
    """What these rules have said of a recording; one that is being erased stays due, whatever they say."""
    since = func.coalesce(due.c.erasing_at, due_at)
    connection.execute(update(due).where(due.c.call == call).values(rules=rules, due_at=since))


def due_before(
    connection: Connection, rules: str, instant: float, limit: int, after: tuple[float, str] = (0.0, "")
) -> list[tuple[float, RecordingRow]]:
    """Recordings that might be erased at an instant, and since when; longest due first, behind the one named.

    Not while its transcript is being made: that would be written after all is erased.
    """
    since, call = after
    query = (
        select(due.c.due_at, recordings)
        .join(recordings, recordings.c.call == due.c.call)
        .where(
            due.c.rules == rules,
            due.c.due_at <= instant,
            ~waits(due.c.call),
            (due.c.due_at > since) | ((due.c.due_at == since) & (due.c.call > call)),
        )
        .order_by(due.c.due_at, due.c.call)
        .limit(limit)
    )
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        found.append((float(values.pop("due_at")), RecordingRow(**values)))
    return found


def begin_erasure(connection: Connection, call: CallId, at: float) -> None:
    """From now on the recording is being erased, and no hold comes in time."""
    connection.execute(update(due).where(due.c.call == call, due.c.erasing_at.is_(None)).values(erasing_at=at))


def is_being_erased(connection: Connection, call: CallId) -> bool:
    """Whether its erasure has begun."""
    return connection.execute(select(due.c.erasing_at).where(due.c.call == call)).scalar_one_or_none() is not None


def place_hold(connection: Connection, hold: Hold) -> bool:
    """Write a hold; the same one again (the store wrote a batch again) changes nothing.

    False when it comes too late: the recording is being erased, or is erased and its transcript with it.
    """
    there = connection.execute(select(holds.c.id).where(holds.c.id == hold.id)).first()
    if there is not None:
        return True
    if is_being_erased(connection, hold.call):
        return False
    if get_erasure(connection, hold.call) is not None and not still_there(connection, hold.call):
        return False
    connection.execute(insert(holds).values(**asdict(hold)))
    judge_anew(connection, [hold.call])
    return True


def end_hold(connection: Connection, call: CallId, id: str, by: str, at: float) -> bool:  # noqa: A002 - the column's name
    """End a hold of this call; False when there is none, or it has ended."""
    mine = (holds.c.id == id) & (holds.c.call == call)
    ended = connection.execute(update(holds).where(mine, holds.c.ended_at.is_(None)).values(ended_at=at, ended_by=by))
    if ended.rowcount == 1:
        judge_anew(connection, [call])
    return ended.rowcount == 1


def open_holds(connection: Connection, limit: int) -> list[Hold]:
    """The holds that have not ended, of all calls, oldest first."""
    query = select(holds).where(holds.c.ended_at.is_(None)).order_by(holds.c.since, holds.c.id).limit(limit)
    return [Hold(**row._mapping) for row in connection.execute(query)]


def holds_of(connection: Connection, calls: Sequence[CallId]) -> list[Hold]:
    """The holds of these calls, the ended ones too, oldest first."""
    query = select(holds).where(holds.c.call.in_(calls)).order_by(holds.c.since, holds.c.id)
    return [Hold(**row._mapping) for row in connection.execute(query)]


def record_erasure(connection: Connection, erasure: Erasure) -> None:
    """A recording is gone: its rows go too, and what is left of it is written down. Its transcript has its own time.

    May be done again: the second time finds nothing to do.
    """
    for table in (archived, to_archive, jobs, due, recordings):
        connection.execute(delete(table).where(table.c.call == erasure.call))
    there = connection.execute(select(erasures.c.call).where(erasures.c.call == erasure.call)).first()
    if there is None:
        connection.execute(insert(erasures).values(**asdict(erasure)))


def get_erasure(connection: Connection, call: CallId) -> Erasure | None:
    """What is left of an erased recording."""
    row = connection.execute(select(erasures).where(erasures.c.call == call)).first()
    return Erasure(**row._mapping) if row else None


@dataclass(frozen=True, slots=True)
class Census:
    """What the store knows of all recordings. `archived`: for each form how many, and their bytes."""

    waiting: int
    oldest_waiting: float | None
    archived: tuple[tuple[str, int, int], ...]
    held: int
    being_erased: int
    erased: int


def census(connection: Connection) -> Census:
    """Count everything: for a person who asks, not for every minute."""
    waiting = recordings.join(to_archive, to_archive.c.call == recordings.c.call)
    number, oldest = connection.execute(
        select(func.count(), func.min(recordings.c.started_at)).select_from(waiting)
    ).one()
    forms = select(archived.c.form, func.count(), func.sum(archived.c.size_bytes)).group_by(archived.c.form)
    held = select(func.count(holds.c.call.distinct())).where(holds.c.ended_at.is_(None))
    erasing = select(func.count()).select_from(due).where(due.c.erasing_at.is_not(None))
    return Census(
        number,
        oldest,
        tuple((form, count, int(size)) for form, count, size in connection.execute(forms.order_by(archived.c.form))),
        int(connection.execute(held).scalar_one()),
        int(connection.execute(erasing).scalar_one()),
        int(connection.execute(select(func.count()).select_from(erasures)).scalar_one()),
    )
