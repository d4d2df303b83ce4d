"""Until when each transcript is kept, and what is left of an erased one: its clock beside that of the recording.

A transcript may go before its recording or after it (`transcript_keep_days`), so it has a row of its own, which knows
when the recording began even where that is gone. Functions take a connection and run inside the caller's transaction;
the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Index,
    Integer,
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
from recordings.jobs_sql import jobs, waits
from recordings.sql import metadata, transcripts
from recordings.words_sql import corrections, erase_transcript

due = Table(
    "transcript_due",
    metadata,
    Column("call", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("rules", Text, nullable=False),
    Column("due_at", Double),
    PrimaryKeyConstraint("call", name="pk_transcript_due"),
    Index("ix_transcript_due_rules", "rules", "due_at", "call"),
)
"""A row for each transcript: when its recording began, and from when it may be erased, as `recordings.sql.due` says of
recordings (`due_at` null = nobody knows, as something holds it; other `rules`, or none = to be judged anew)."""

erasures = Table(
    "transcript_erasures",
    metadata,
    Column("call", Text, nullable=False),
    Column("erased_at", Double, nullable=False),
    Column("rule", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("corrections", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    PrimaryKeyConstraint("call", name="pk_transcript_erasures"),
    Index("ix_transcript_erasures_erased_at", "erased_at"),
)
"""What is left of a transcript that was erased by itself, not with its recording. `sha256`: of its body as it was
stored; `corrections`: how many it had."""


@dataclass(frozen=True, slots=True)
class DueWords:
    """A transcript that is kept: its call, and when that one's recording began (epoch seconds)."""

    call: CallId
    started_at: float


@dataclass(frozen=True, slots=True)
class WordsErasure:
    """The store's part of an erasure: see `erasures`."""

    call: CallId
    erased_at: float
    rule: str
    started_at: float
    corrections: int
    sha256: str


def keep_from(connection: Connection, call: CallId, started_at: float) -> None:
    """A transcript has been written; one that was known already keeps its time."""
    if connection.execute(select(due.c.call).where(due.c.call == call)).first() is None:
        connection.execute(insert(due).values(call=call, started_at=started_at, rules=""))


def judge_words_anew(connection: Connection, calls: Sequence[CallId]) -> None:
    """What the rules look at has changed for these calls; those without a transcript are left alone."""
    connection.execute(update(due).where(due.c.call.in_(calls)).values(rules="", due_at=None))


def unjudged_words(connection: Connection, rules: str, limit: int) -> list[DueWords]:
    """Transcripts that were never judged, or by other rules than these; in no order."""
    found: list[DueWords] = []
    for other in (due.c.rules < rules, due.c.rules > rules):  # each a stretch of the index
        query = select(due.c.call, due.c.started_at).where(other).limit(limit - len(found))
        found += [DueWords(CallId(row.call), row.started_at) for row in connection.execute(query)]
    return found


def put_words_due(connection: Connection, call: CallId, rules: str, due_at: float | None) -> None:
    """What these rules have said of a transcript."""
    connection.execute(update(due).where(due.c.call == call).values(rules=rules, due_at=due_at))


def words_due_before(connection: Connection, rules: str, instant: float, limit: int) -> list[DueWords]:
    """Transcripts that might be erased at an instant, longest due first; not those that are being made again."""
    query = (
        select(due.c.call, due.c.started_at)
        .where(due.c.rules == rules, due.c.due_at <= instant, ~waits(due.c.call))
        .order_by(due.c.due_at, due.c.call)
        .limit(limit)
    )
    return [DueWords(CallId(row.call), row.started_at) for row in connection.execute(query)]


def still_there(connection: Connection, call: CallId) -> bool:
    """Whether the call's transcript is kept."""
    return connection.execute(select(due.c.call).where(due.c.call == call)).first() is not None


def still_kept(connection: Connection, call: CallId) -> DueWords | None:
    """The transcript's row while it is there and is not being made again."""
    query = select(due.c.call, due.c.started_at).where(due.c.call == call, ~waits(due.c.call))
    row = connection.execute(query).first()
    return DueWords(CallId(row.call), row.started_at) if row is not None else None


def forget_words(connection: Connection, call: CallId) -> None:
    """The transcript, people's corrections, the words by which it is found and its clock: all of it is gone."""
    erase_transcript(connection, call)
    connection.execute(delete(due).where(due.c.call == call))


def erase_words(connection: Connection, words: DueWords, rule: str, at: float) -> WordsErasure:
    """Erase a transcript alone, and write down what is left of it; its recording stays, if it is still there."""
    body = connection.execute(select(transcripts.c.body).where(transcripts.c.call == words.call)).scalar()
    count = select(func.count()).select_from(corrections).where(corrections.c.call == words.call)
    corrected = int(connection.execute(count).scalar_one())
    digest = hashlib.sha256((body or "").encode()).hexdigest()
    gone = WordsErasure(words.call, at, rule, words.started_at, corrected, digest)
    forget_words(connection, words.call)
    connection.execute(delete(jobs).where(jobs.c.call == words.call))
    if get_words_erasure(connection, words.call) is None:
        connection.execute(insert(erasures).values(**asdict(gone)))
    return gone


def get_words_erasure(connection: Connection, call: CallId) -> WordsErasure | None:
    """What is left of a transcript that was erased by itself; None for any other."""
    row = connection.execute(select(erasures).where(erasures.c.call == call)).first()
    return WordsErasure(**row._mapping) if row is not None else None
