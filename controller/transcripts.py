"""Makes the transcripts of finished recordings: takes what waits in the store, brings it to the recognisers, writes it.

It is woken by commits, reads only as many jobs as there are free cores, and never the same one twice at a time. What
becomes of a job is one transaction: transcript and end, or the cause. Whoever serves calls never waits for any of it.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy import Connection

import recordings.sql as recording_rows
import tickets.sql as ticket_rows
from controller import transcript_rows
from controller.database import StoreError
from controller.records import Records
from controller.spool import Operation
from controller.transcript_rows import Heard
from controller.writer import Store
from pbx.call import CallRecord
from pbx.ids import CallId
from recordings import jobs_sql as rows
from recordings.jobs_sql import CALL, LEFT_OVER, Cause, Job, JobCounts, JobState, Span
from recordings.pool import RecogniserPool
from recordings.recogniser import RecogniserError
from recordings.sql import RecordingRow
from recordings.transcriber import ModelFailed, RecogniserStopped, RecogniserTimeout, WorkerDied
from recordings.words_due_sql import get_words_erasure

log = logging.getLogger(__name__)

RETRY_S = 5.0
"""After the database was away."""

COUNT_S = 1.0

CHOSEN = "zh"
"""The language of a recording of whose call nothing is known."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished recording, and the transcript that is to be made of it; None = none."""

    recording: RecordingRow
    job: Job | None


@dataclass(frozen=True, slots=True)
class _Died:
    call: CallId
    cause: Cause
    kills: int
    at: float


@dataclass(frozen=True, slots=True)
class _Failed:
    call: CallId
    cause: Cause
    at: float


@dataclass(frozen=True, slots=True)
class _Unheard:
    languages: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class _All:
    causes: tuple[str, ...]
    at: float


def _seal(connection: Connection, sealed: Sealed) -> None:
    recording_rows.save_recording(connection, sealed.recording)
    ticket_rows.link_recording(connection, sealed.recording.call, sealed.recording.path)
    if sealed.job is not None:
        rows.add_job(connection, sealed.job)


def _write(connection: Connection, heard: Heard) -> None:
    transcript_rows.save(connection, heard)
    rows.job_done(connection, heard.call, heard.made_at)


def _look(
    connection: Connection, languages: Collection[str], ready: Collection[str], works: Collection[CallId], free: int
) -> tuple[bool, list[Job]]:
    """Whether something waits that nobody here can hear, and what is to be begun now."""
    jobs = rows.next_jobs(connection, ready, works, free) if free else []
    return rows.unheard(connection, languages), jobs


def _died(connection: Connection, died: _Died) -> bool:
    return rows.worker_died(connection, died.call, died.cause, died.kills, died.at)


def _failed(connection: Connection, failed: _Failed) -> None:
    rows.job_failed(connection, failed.call, failed.cause, failed.at)


def _refuse(connection: Connection, unheard: _Unheard) -> int:
    return rows.refuse_unheard(connection, unheard.languages, unheard.at)


def _ask(connection: Connection, job: Job) -> Job | None:
    return None if get_words_erasure(connection, job.call) is not None else rows.ask_again(connection, job)


def _ask_all(connection: Connection, wanted: _All) -> int:
    return rows.ask_all_again(connection, wanted.causes, wanted.at)


SEAL = Operation("seal_recording", _seal, TypeAdapter(Sealed), posts=True)
WRITE = Operation("write_transcript", _write, TypeAdapter(Heard), posts=True)
_DIED: Operation[_Died, bool] = Operation("transcript_worker_died", _died)
_FAILED: Operation[_Failed, None] = Operation("transcript_failed", _failed)
_REFUSE: Operation[_Unheard, int] = Operation("transcripts_unheard", _refuse)
_ASK: Operation[Job, Job | None] = Operation("transcript_asked", _ask, posts=True)
_ASK_ALL: Operation[_All, int] = Operation("transcripts_asked", _ask_all, posts=True)

SPOOLABLE = (SEAL, WRITE)
"""What the spool file may hold."""


@dataclass
class TranscriptFigures:
    """Since the start: `done`, `failed` by cause, and `restarts` of workers. The others as they were counted last:
    `waiting`, `oldest_at` (epoch seconds, None = nothing waits); `workers` that are loaded."""

    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    waiting: int = 0
    oldest_at: float | None = None
    workers: int = 0


def spans_of(record: CallRecord, begun: float, duration_s: float) -> tuple[Span, ...] | None:
    """When the caller of a record was heard, in seconds of his recording; None = it cannot be told, () = never.

    For a recording of which only the call's record is left: it has the beginning and the end of the talk, not the music
    of a hold in between.
    """
    if record.message is not None:
        until = record.message.ended_at or record.ended_at
        return ((max(0.0, record.message.began_at - begun), duration_s if until is None else until - begun),)
    if record.joined_at is None:
        return ()
    until = record.released_at or record.ended_at
    return ((max(0.0, record.joined_at - begun), duration_s if until is None else until - begun),)


class TranscriptErased(Exception):
    """The call's transcript was erased as its time was over; it is not made again, though the recording is there."""


class Transcripts:
    """See the module. `sealed` for whoever finishes recordings, `again` for people; `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        records: Records,
        recordings: Path,
        clock: Callable[[], float],
        pool: RecogniserPool | None,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        """`pool` None: no transcripts are made, and none is asked for. `recordings`: where the finished ones lie."""
        self._store, self._records, self._root, self._clock = store, records, recordings, clock
        self._pool, self._retry_s = pool, retry_s
        self._news = asyncio.Event()
        self._works: dict[CallId, asyncio.Task[None]] = {}
        self._coming: set[CallId] = set()  # of those, the ones whose sound is still fetched: they have no core yet
        self._count_at = 0.0
        self.fetch: Callable[[CallId, Path], Awaitable[bool]] = _nowhere
        """Writes the WAV of a recording that has left this disk to a place; False = there is none. OSError = later."""
        self.on_ended: Callable[[], None] = lambda: None
        """Called when a job has ended: its recording may go into the archive."""
        self.figures = TranscriptFigures()

    # ---------------------------------------------------------------- what is to be made

    async def sealed(self, row: RecordingRow, language: str | None, talks: tuple[Span, ...] | None) -> None:
        """A recording is finished; remember it, and that its transcript is to be made. Raises `StoreError`.

        `language`: what the caller chose, and `talks` (in seconds from its start) as the switchboard saw it; of a
        recording that a crash has left both are None, and are taken from the call's record.
        """
        job = await self._job(row, language, talks) if self._pool is not None else None
        await self._store.submit(SEAL, Sealed(row, job))

    async def _job(self, row: RecordingRow, language: str | None, talks: tuple[Span, ...] | None) -> Job | None:
        priority = CALL
        if language is None:
            priority = LEFT_OVER
            record = await self._records.call(row.call)
            if record is not None:
                language, talks = record.language, spans_of(record, row.started_at, row.duration_s)
        if talks == ():
            return None  # nobody talked: there is nothing to write down
        return Job(row.call, language or CHOSEN, talks, self._clock(), priority)

    async def again(self, call: CallId, priority: int) -> Job | None:
        """Somebody wants a call's transcript made (again); None = the call has no recording. Raises `StoreError`,
        TranscriptErased."""
        row = await self._records.recording(call)
        if row is None:
            return None
        job = await self._job(row, None, None)
        if job is None:  # by its record nobody talked; who asks nevertheless gets all of it
            job = Job(call, CHOSEN, None, self._clock())
        known = await self._store.read(rows.get_job, call)
        language = known.language if known is not None else job.language
        asked = await self._store.submit(_ASK, Job(call, language, job.talks, self._clock(), priority))
        if asked is None:
            raise TranscriptErased
        return asked

    async def all_again(self, causes: Collection[str]) -> int:
        """All that were given up for these causes, behind the calls of now; how many. Raises `StoreError`."""
        return await self._store.submit(_ASK_ALL, _All(tuple(causes), self._clock()))

    async def job(self, call: CallId) -> Job | None:
        """What is known of a call's transcript. Raises `StoreError`."""
        return await self._store.read(rows.get_job, call)

    async def jobs(self, state: JobState, limit: int) -> list[Job]:
        """Those of a state. Raises `StoreError`."""
        return list(await self._store.read(rows.list_jobs, state, limit))

    async def counts(self) -> JobCounts:
        """How many wait and were given up. Raises `StoreError`."""
        return await self._store.read(rows.count_jobs)

    async def backlog(self) -> tuple[int, float | None]:
        """How many wait, and since when the oldest does."""
        counts = await self.counts()
        return counts.waiting, counts.oldest_at

    def look(self) -> None:
        """There may be room again, as when who shares the cores has given some back; never waits."""
        self._news.set()

    @property
    def on(self) -> bool:
        """Whether transcripts are made at all."""
        return self._pool is not None

    # ---------------------------------------------------------------- making them

    async def run(self) -> None:
        """Make what waits until cancelled; what was in work then waits for the next start."""
        if self._pool is None:
            return
        end = self._store.listen(self._news.set)
        self._news.set()
        try:
            while True:
                await self._woken(await self._patiently(self._pool))
        finally:
            end()
            for task in self._works.values():
                task.cancel()
            await self._pool.stop()
            await asyncio.gather(*self._works.values(), return_exceptions=True)

    async def _woken(self, within_s: float | None) -> None:
        """Wait for news, at most so long."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _patiently(self, pool: RecogniserPool) -> float | None:
        """A round; after how many seconds another one is due without news, None = never."""
        self._news.clear()
        try:
            return await self._round(pool)
        except StoreError as error:
            log.warning("transcripts wait for the database: %s", error.code, extra={"action": "transcript.store"})
        except Exception:  # a fault of ours must not end the transcripts
            log.exception("the transcripts stumbled", extra={"action": "transcript.fault"})
        return self._retry_s

    async def _round(self, pool: RecogniserPool) -> float | None:
        rests = {language: pool.rest_s(language) for language in pool.languages}
        ready = [language for language, rest in rests.items() if rest == 0]
        free = max(0, pool.free() - len(self._coming)) if ready else 0
        unheard, jobs = await self._store.read(_look, pool.languages, ready, tuple(self._works), free)
        if unheard:
            count = await self._store.submit(_REFUSE, _Unheard(pool.languages, self._clock()))
            self.figures.failed[Cause.NO_MODEL] += count
            told = "%d calls get no transcript: there is no model for their language"
            log.warning(told, count, extra={"action": "transcript.no_model"})
        for job in jobs:
            self._coming.add(job.call)
            self._works[job.call] = asyncio.create_task(self._make(pool, job), name=f"transcript-{job.call}")
        self.figures.restarts, self.figures.workers = pool.restarts, pool.workers
        dues = [rest for rest in rests.values() if rest > 0]
        if (until := await self._count()) > 0:
            dues.append(until)
        return min(dues, default=None)

    async def _count(self) -> float:
        """Count those that wait, once in `COUNT_S` at most: a backlog is long. In how many seconds again; 0 = done."""
        now = asyncio.get_running_loop().time()
        if now < self._count_at:
            return self._count_at - now
        self.figures.waiting, self.figures.oldest_at = await self._store.read(rows.count_waiting)
        self._count_at = now + COUNT_S
        return 0.0

    async def _make(self, pool: RecogniserPool, job: Job) -> None:
        try:
            await self._made(pool, job)
        except StoreError as error:  # it waits in the store as before
            log.warning("call %s: no transcript yet: %s", job.call, error.code, extra={"action": "transcript.store"})
            await asyncio.sleep(self._retry_s)
        except OSError as error:
            log.warning("call %s: no transcript yet: %s", job.call, error, extra={"action": "transcript.fetch"})
            await asyncio.sleep(self._retry_s)
        except Exception:  # a fault of ours: not again and again
            log.exception("call %s: no transcript", job.call, extra={"action": "transcript.fault"})
            await asyncio.sleep(self._retry_s)
        finally:
            self._coming.discard(job.call)
            del self._works[job.call]
            self._news.set()

    async def _made(self, pool: RecogniserPool, job: Job) -> None:
        row = await self._records.recording(job.call)
        wav = None if row is None else self._root / row.path
        if wav is not None and await asyncio.to_thread(wav.is_file):
            await self._hear(pool, job, wav)
            return
        with tempfile.TemporaryDirectory(prefix="transcript-") as folder:
            copy = Path(folder, f"{job.call}.wav")
            if wav is not None and await self.fetch(job.call, copy):
                await self._hear(pool, job, copy)
            else:
                await self._give_up(job, Cause.GONE)

    async def _hear(self, pool: RecogniserPool, job: Job, wav: Path) -> None:
        self._coming.discard(job.call)  # the pool takes a core for it before it waits for anything
        try:
            transcript = await pool.transcribe(job.language, wav, job.talks)
        except (RecogniserStopped, ModelFailed):
            return  # not its fault: it waits
        except WorkerDied as error:
            cause = Cause.TIMEOUT if isinstance(error, RecogniserTimeout) else Cause.CRASHED
            if await self._store.submit(_DIED, _Died(job.call, cause, job.kills + 1, self._clock())):
                self._told(job, cause)
            return
        except RecogniserError as error:
            log.warning("call %s: %s", job.call, error, extra={"action": "transcript.damaged"})
            await self._give_up(job, Cause.DAMAGED)
            return
        await self._store.submit(WRITE, Heard(job.call, transcript, self._clock()))
        self._records.on_transcript(job.call)
        self.figures.done += 1
        self.on_ended()

    async def _give_up(self, job: Job, cause: Cause) -> None:
        await self._store.submit(_FAILED, _Failed(job.call, cause, self._clock()))
        self._told(job, cause)

    def _told(self, job: Job, cause: Cause) -> None:
        self.figures.failed[cause] += 1
        self.on_ended()
        told = rows.CAUSES[cause][1]
        log.error("call %s: no transcript: %s", job.call, told, extra={"action": "transcript_failed"})


async def _nowhere(call: CallId, to: Path) -> bool:
    return False
