"""Brings finished recordings into the archive, and erases those whose time is over.

What waits stands in the store (a recording that is not in the archive), so nothing is forgotten by a restart and no
list grows in memory. One recording is coded at a time, in a thread that gives way to calls. An archive that is away is
asked again, less and less often; meanwhile recordings stay as they are, on this machine's disk, and can be heard.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection

from agents.rights import SYSTEM
from controller import audit_rows, day_rows
from controller.database import StoreError
from controller.inspection_rows import erase_inspection, take_changes
from controller.keeping_facts import facts_of
from controller.spool import Operation
from controller.transcript_keeping import TranscriptKeeping, goes_along
from controller.writer import Store
from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.archive import sql as rows
from recordings.archive.shelf import UnsafeKey, erase_file, inside
from recordings.files import RecordingError
from recordings.keeping import Due, KeepPolicy, decide, erasable_from, rule_of
from recordings.sql import RecordingRow, get_recording
from recordings.words_due_sql import forget_words, get_words_erasure, still_there
from tickets.sql import forget_recording, forget_transcript

if TYPE_CHECKING:  # its coder takes a while to load, and callers wait for a start
    from recordings.archive.archive import Archive, Archived

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 50
"""Recordings that are read from the store, or judged in one transaction, together."""

FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
"""How soon an archive that is away is asked again."""

LOOK_EVERY_S = 3600.0
"""How often it is looked for recordings whose time is over: they are kept for years, and an hour more is none."""

NICENESS = 10


@dataclass
class ArchiveFigures:
    """What has been done since the start; `waiting` as it was counted last, `damaged`: set aside until the next.

    `on`: there is an archive.
    """

    on: bool = False
    archived: int = 0
    erased: int = 0
    transcripts_erased: int = 0  #: by themselves, not with their recordings
    waiting: int = 0
    away: bool = False
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class _Shelved:
    call: CallId
    there: Archived
    at: float


def _keep(connection: Connection, shelved: _Shelved) -> bool:
    return rows.save_archived(connection, shelved.call, shelved.there, shelved.at)


def _judge(connection: Connection, judged: tuple[KeepPolicy, Sequence[RecordingRow]]) -> None:
    policy, found = judged
    for call, kept in facts_of(connection, found).items():
        rows.put_due(connection, call, policy.version, erasable_from(policy, kept))


def _begin(connection: Connection, asked: tuple[KeepPolicy, RecordingRow, float]) -> str:
    """The rule by which the recording is erased, from this instant on irrevocably; empty: it is not to be erased."""
    policy, row, now = asked
    kept = facts_of(connection, [row])[row.call]
    if not rows.is_being_erased(connection, row.call):
        if not isinstance(decide(policy, kept, now), Due):
            rows.put_due(connection, row.call, policy.version, erasable_from(policy, kept))
            return ""
        rows.begin_erasure(connection, row.call, now)
        if goes_along(policy, kept, now):  # at once: a hold that comes now is too late for both
            forget_words(connection, row.call)
            forget_transcript(connection, row.call)
    return rule_of(policy, kept.types)[1]


def _erase(connection: Connection, gone: rows.Erasure) -> None:
    alone = still_there(connection, gone.call) or get_words_erasure(connection, gone.call) is not None
    rows.record_erasure(connection, gone)
    forget_recording(connection, gone.call)
    day_rows.no_recording(connection, gone.call)
    erase_inspection(connection, gone.call)
    audit_rows.append(connection, _certificate(gone, alone=alone))


class Archivist:
    """See the module. `busy` says of which calls the recording is still being sealed or transcribed here."""

    def __init__(
        self,
        store: Store,
        archive: Archive | None,
        recordings: Path,
        policy: KeepPolicy,
        clock: Callable[[], float],
        busy: Callable[[CallId], bool] = lambda call: False,
        *,
        retry_s: float = FIRST_RETRY_S,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """`archive` None: recordings stay where they are; those whose time is over are erased all the same.

        `over` is called after each round, when `figures` are new.
        """
        self._store, self._archive, self._root, self._policy = store, archive, recordings, policy
        self._clock, self._busy, self._retry_s, self._over = clock, busy, retry_s, over
        self._words = TranscriptKeeping(store, policy, clock)
        self._news = asyncio.Event()
        self._damaged: set[CallId] = set()
        self._one = asyncio.Lock()  #: of a recording that comes into the archive nothing is erased meanwhile
        self._keeping: Operation[_Shelved, bool] = Operation("archive_recording", _keep)
        self._taking: Operation[int, int] = Operation("take_keeping", take_changes)
        self._judging: Operation[tuple[KeepPolicy, Sequence[RecordingRow]], None] = Operation("judge_keeping", _judge)
        self._beginning: Operation[tuple[KeepPolicy, RecordingRow, float], str] = Operation("begin_erasure", _begin)
        self._erasing: Operation[rows.Erasure, None] = Operation("erase_recording", _erase)
        self.figures = ArchiveFigures(on=archive is not None)

    def ready(self) -> None:
        """A recording may be archived now; never waits."""
        self._news.set()

    async def run(self) -> None:
        """Archive and erase until cancelled."""
        pool = ThreadPoolExecutor(1, "archive")
        try:
            async with asyncio.TaskGroup() as group:
                if self._archive is not None:
                    group.create_task(self._archive_all(self._archive, pool), name="archive")
                group.create_task(self._erase_all(pool), name="erase")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    # ---------------------------------------------------------------- into the archive

    async def _archive_all(self, archive: Archive, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(pool, _quietly, archive.clear)
        pause, swept = self._retry_s, False
        while True:
            self._news.clear()
            try:
                if not swept:
                    await self._sweep()
                    swept = True
                await self.archive_waiting(archive, pool)
            except (_Away, StoreError) as error:
                log.warning("recordings wait for the archive: %s", _why(error), extra={"action": "archive.away"})
                self.figures.away = isinstance(error, _Away)
                with suppress(StoreError):
                    self.figures.waiting = await self._store.read(rows.count_not_archived)
                self._over()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_S)
                continue
            self.figures.away, pause = False, self._retry_s
            self._over()
            await self._news.wait()

    async def archive_waiting(self, archive: Archive, pool: ThreadPoolExecutor | None = None) -> int:
        """Archive everything that waits now; how many there were. Raises `StoreError`, and what says "later"."""
        after = ""
        done = 0
        while True:
            waiting = await self._store.read(rows.not_archived, AT_ONCE, after)
            for row in waiting:
                after = row.call
                if not self._busy(row.call) and row.call not in self._damaged:
                    async with self._one:
                        done += await self._archive_one(archive, row, pool)
            if len(waiting) < AT_ONCE:
                self.figures.waiting = await self._store.read(rows.count_not_archived)
                return done

    async def _archive_one(self, archive: Archive, row: RecordingRow, pool: ThreadPoolExecutor | None) -> bool:
        from recordings.archive.form import FormError
        from recordings.archive.shelf import ShelfError

        if await self._store.read(get_recording, row.call) is None:
            return False  # erased since it was read
        try:
            wav = inside(self._root, row.path)
            work = partial(archive.put, wav, PurePosixPath(row.path))
            there = await asyncio.get_running_loop().run_in_executor(pool, _quietly, work)
        except (FormError, RecordingError, UnsafeKey) as error:
            self._damaged.add(row.call)
            self.figures.damaged = len(self._damaged)
            log.error("call %s: recording not archived: %s", row.call, error, extra={"action": "archive.damaged"})
            return False
        except (ShelfError, OSError) as error:
            raise _Away(str(error)) from error
        await self._store.submit(self._keeping, _Shelved(row.call, there, self._clock()))
        await asyncio.to_thread(erase_file, wav, self._root)
        self.figures.archived += 1
        return True

    async def _sweep(self) -> None:
        """Erase the WAVs of recordings that are in the archive: what a crash between the two has left."""
        for wav in await asyncio.to_thread(lambda: sorted(self._root.rglob("*.wav"))):
            if await self._store.read(rows.get_archived, CallId(wav.stem)) is not None:
                await asyncio.to_thread(erase_file, wav, self._root)

    # ---------------------------------------------------------------- erased

    async def _erase_all(self, pool: ThreadPoolExecutor) -> None:
        while True:
            try:
                await self.judge_all()
                await self.erase_due(pool)
                self.figures.transcripts_erased += await self._words.look()
            except (_Away, StoreError) as error:
                log.warning("recordings are not erased yet: %s", _why(error), extra={"action": "erase.away"})
            self._over()
            await asyncio.sleep(LOOK_EVERY_S)

    async def judge_all(self) -> int:
        """Ask the rules of every recording of which something has changed, or the rules have; how many. `StoreError`.

        After an upgrade, or with changed rules, these are all there are: in small pieces, so that calls are written
        in between.
        """
        while await self._store.submit(self._taking, AT_ONCE) == AT_ONCE:
            pass
        judged = 0
        while found := await self._store.read(rows.unjudged, self._policy.version, AT_ONCE):
            await self._store.submit(self._judging, (self._policy, found))
            judged += len(found)
        return judged

    async def erase_due(self, pool: ThreadPoolExecutor | None = None) -> int:
        """Erase every recording whose time is over and that nothing holds; how many. Raises `StoreError`, _Away."""
        now = self._clock()
        after: tuple[float, str] = (0.0, "")
        erased = 0
        while True:
            found = await self._store.read(rows.due_before, self._policy.version, now, AT_ONCE, after)
            for since, row in found:
                after = (since, row.call)
                if not self._busy(row.call):
                    async with self._one:
                        erased += await self._erase_one(row, now, pool)
            if len(found) < AT_ONCE:
                return erased

    async def _erase_one(self, row: RecordingRow, now: float, pool: ThreadPoolExecutor | None) -> bool:
        """Erase it unless something holds it since; False then.

        First the store is told, so that no hold comes in between; then the files go, then what the store knows. After
        a crash at any instant the next round goes on.
        """
        from recordings.archive.shelf import ShelfError

        there = await self._store.read(rows.get_archived, row.call)
        if there is not None and self._archive is None:
            raise _Away("they lie in an archive that is not configured any more")
        rule = await self._store.submit(self._beginning, (self._policy, row, now))
        if not rule:
            return False
        try:
            if there is not None and self._archive is not None:
                work = partial(self._archive.erase, there)
                await asyncio.get_running_loop().run_in_executor(pool, _quietly, work)
            await asyncio.to_thread(erase_file, inside(self._root, row.path), self._root)
        except UnsafeKey:
            log.error("call %s: no file of ours", row.call, extra={"action": "erase.damaged"})
        except (ShelfError, OSError) as error:
            raise _Away(str(error)) from error
        sha = there.sha256 if there is not None else ""
        gone = rows.Erasure(row.call, now, rule, row.started_at, row.duration_s, row.sha256, sha)
        await self._store.submit(self._erasing, gone)
        self.figures.erased += 1
        return True


class _Away(Exception):
    """Not now; to be tried again."""


def _why(error: _Away | StoreError) -> str:
    """Of a database that is away the writer tells all, once."""
    return error.code if isinstance(error, StoreError) else str(error)


def _certificate(gone: rows.Erasure, *, alone: bool) -> AuditEntry:
    """The line of the audit trail: what was erased, by which rule, and the digest by which a copy is known.

    `alone`: its transcript has another time, and a line of its own.
    """
    day = datetime.fromtimestamp(gone.started_at, UTC).date().isoformat()
    digests = f"SHA-256 {gone.sha256}" + (f" ({gone.archived_sha256})" if gone.archived_sha256 else "")
    what_zh, what_en = ("录音", "recording") if alone else ("录音及文字", "recording and transcript")
    zh = f"{what_zh}已按规则 {gone.rule} 销毁: {day}, {gone.duration_s:.0f} 秒, {digests}"
    en = f"{what_en} erased by the rule {gone.rule}: of {day}, {gone.duration_s:.0f} s, {digests}"
    return AuditEntry(
        f"erase-{gone.call}", gone.erased_at, SYSTEM, "system", "erase_recording", "", gone.call, "", zh, en, "ok"
    )


def _quietly(work: Callable[[], T]) -> T:
    give_way()  # each time: a controller that has started sets the priority of every thread that it finds
    return work()


def give_way() -> None:
    """This thread's work comes after everybody else's: calls need the cores."""
    with suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
