"""Transcripts that are to be made: what waits, what was done, what was given up and why.

The line stands here and not in memory: a restart forgets nothing, and since a transcript and the end of its job are one
transaction, nothing is made twice. Functions take a connection and run inside the caller's transaction; the same code
serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    exists,
    func,
    insert,
    select,
    update,
)

from pbx.ids import CallId
from recordings.sql import metadata

jobs = Table(
    "transcript_jobs",
    metadata,
    Column("call", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("talks", Text),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("kills", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("ended_at", Double),
    PrimaryKeyConstraint("call", name="pk_transcript_jobs"),
    Index("ix_transcript_jobs_state", "state", "priority", "asked_at", "call"),  # who is next
)
"""`talks`: JSON [[from, to], …] in seconds from the recording's start, NULL = all of it. Times in epoch seconds."""

ASKED, CALL, LEFT_OVER = 10, 0, -10
"""Priorities: somebody waits for it; a call has just ended; what a crash, or a time without a model, has left."""

KILLS = 2
"""A recording over which so many workers died is set aside."""


class JobState(StrEnum):
    """How far a transcript is."""

    WAITING = "waiting"  #: or being made just now
    DONE = "done"
    FAILED = "failed"


class Cause(StrEnum):
    """Why there is no transcript."""

    NO_MODEL = "no_model"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    DAMAGED = "damaged"
    GONE = "gone"


CAUSES: Mapping[Cause, tuple[str, str]] = {
    Cause.NO_MODEL: ("没有该语种的识别模型", "there is no speech model for the call's language"),
    Cause.CRASHED: ("识别进程在处理此录音时两次崩溃", "two recognisers died over this recording"),
    Cause.TIMEOUT: ("两次识别均超时", "the recogniser took too long for this recording, twice"),
    Cause.DAMAGED: ("录音已损坏或无法识别", "the recording is damaged, or cannot be read by the recogniser"),
    Cause.GONE: ("录音文件不在本机", "the recording's file is not on this machine"),
}
"""What each cause says, in Chinese and in English."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Job:
    """One transcript that was asked for. `kills`: workers that died over it, since it was asked for last."""

    call: CallId
    language: str
    talks: tuple[Span, ...] | None
    asked_at: float
    priority: int = CALL
    state: JobState = JobState.WAITING
    kills: int = 0
    cause: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many wait, since when the oldest does, and how many of each cause were given up."""

    waiting: int
    oldest_at: float | None
    failed: Mapping[str, int]


def _row(job: Job) -> dict[str, Any]:
    return {
        "call": job.call,
        "language": job.language,
        "talks": None if job.talks is None else json.dumps([[round(a, 3), round(b, 3)] for a, b in job.talks]),
        "state": job.state.value,
        "priority": job.priority,
        "asked_at": job.asked_at,
        "kills": job.kills,
        "cause": job.cause,
        "ended_at": job.ended_at,
    }


def _job(row: Row[Any]) -> Job:
    talks = None if row.talks is None else tuple((float(a), float(b)) for a, b in json.loads(row.talks))
    return Job(
        CallId(row.call),
        row.language,
        talks,
        row.asked_at,
        row.priority,
        JobState(row.state),
        row.kills,
        row.cause,
        row.ended_at,
    )


def get_job(connection: Connection, call: CallId) -> Job | None:
    """What is known of a call's transcript; None = it was never asked for."""
    row = connection.execute(select(jobs).where(jobs.c.call == call)).first()
    return _job(row) if row else None


def add_job(connection: Connection, job: Job) -> None:
    """A recording has been finished and its transcript is to be made; told again (a crash), nothing changes."""
    if get_job(connection, job.call) is None:
        connection.execute(insert(jobs).values(_row(job)))


def ask_again(connection: Connection, job: Job) -> Job:
    """Somebody wants it (again): `job` as it is to be if the store knows none. Gives it as it is now.

    Where nothing is said of the talk now, what was known stays known.
    """
    there = get_job(connection, job.call)
    if there is None:
        connection.execute(insert(jobs).values(_row(job)))
        return job
    asked_at = there.asked_at if there.state is JobState.WAITING else job.asked_at
    talks = there.talks if there.talks is not None else job.talks
    anew = replace(job, talks=talks, asked_at=asked_at, priority=max(job.priority, there.priority))
    if there.state is JobState.WAITING:
        anew = replace(anew, kills=there.kills)
    connection.execute(update(jobs).where(jobs.c.call == job.call).values(_row(anew)))
    return anew


def ask_all_again(connection: Connection, causes: Collection[str], at: float) -> int:
    """Every one that was given up for one of these causes waits again, behind fresh calls; how many."""
    wanted = jobs.c.cause.in_(list(causes)) & (jobs.c.state == JobState.FAILED.value)
    anew = {"state": JobState.WAITING.value, "cause": "", "kills": 0, "ended_at": None}
    return connection.execute(update(jobs).where(wanted).values(priority=LEFT_OVER, asked_at=at, **anew)).rowcount


def next_jobs(connection: Connection, languages: Collection[str], but: Collection[CallId], limit: int) -> list[Job]:
    """Who is next: by priority, then by age. `but`: those that are in work."""
    query = (
        select(jobs)
        .where(
            jobs.c.state == JobState.WAITING.value,
            jobs.c.language.in_(list(languages)),
            jobs.c.call.not_in(list(but)),
        )
        .order_by(jobs.c.priority.desc(), jobs.c.asked_at, jobs.c.call)
        .limit(limit)
    )
    return [_job(row) for row in connection.execute(query)]


def unheard(connection: Connection, languages: Collection[str]) -> bool:
    """Whether any waits whose language is none of these."""
    query = select(jobs.c.call).where(_without(languages)).limit(1)
    return connection.execute(query).first() is not None


def refuse_unheard(connection: Connection, languages: Collection[str], at: float) -> int:
    """Give up those whose language is none of these; how many."""
    values = {"state": JobState.FAILED.value, "cause": Cause.NO_MODEL.value, "ended_at": at}
    return connection.execute(update(jobs).where(_without(languages)).values(values)).rowcount


def _without(languages: Collection[str]) -> ColumnElement[bool]:
    return (jobs.c.state == JobState.WAITING.value) & jobs.c.language.not_in(list(languages))


def job_done(connection: Connection, call: CallId, at: float) -> None:
    """Its transcript is written, in this transaction."""
    values = {"state": JobState.DONE.value, "cause": "", "ended_at": at}
    connection.execute(update(jobs).where(jobs.c.call == call).values(values))


def job_failed(connection: Connection, call: CallId, cause: Cause, at: float) -> None:
    """It is given up."""
    values = {"state": JobState.FAILED.value, "cause": cause.value, "ended_at": at}
    connection.execute(update(jobs).where(jobs.c.call == call).values(values))


def worker_died(connection: Connection, call: CallId, cause: Cause, kills: int, at: float) -> bool:
    """A worker died over it, the `kills`-th; True when that were too many and it is given up."""
    if kills >= KILLS:
        job_failed(connection, call, cause, at)
    connection.execute(update(jobs).where(jobs.c.call == call).values(kills=kills))
    return kills >= KILLS


def count_waiting(connection: Connection) -> tuple[int, float | None]:
    """How many wait, and since when the oldest does."""
    waiting = jobs.c.state == JobState.WAITING.value
    count, oldest = connection.execute(select(func.count(), func.min(jobs.c.asked_at)).where(waiting)).one()
    return int(count), oldest


def count_jobs(connection: Connection) -> JobCounts:
    """The whole line: what waits, and what was given up."""
    count, oldest = count_waiting(connection)
    by_cause = select(jobs.c.cause, func.count()).where(jobs.c.state == JobState.FAILED.value).group_by(jobs.c.cause)
    return JobCounts(count, oldest, {cause: int(number) for cause, number in connection.execute(by_cause)})


def list_jobs(connection: Connection, state: JobState, limit: int) -> Sequence[Job]:
    """The newest of a state; of those that wait, who is next."""
    order = [jobs.c.asked_at.desc(), jobs.c.call]
    if state is JobState.WAITING:
        order = [jobs.c.priority.desc(), jobs.c.asked_at, jobs.c.call]
    query = select(jobs).where(jobs.c.state == state.value).order_by(*order).limit(limit)
    return [_job(row) for row in connection.execute(query)]


def waits(call: ColumnElement[Any]) -> ColumnElement[bool]:
    """A condition: the transcript of the call in this column is still to be made."""
    return exists().where(jobs.c.call == call, jobs.c.state == JobState.WAITING.value)
