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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from agents.rights import SYSTEM
from controller import audit_rows
from controller.database import StoreError
from controller.spool import Operation
from controller.writer import Store
from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.archive import sql as rows
from recordings.archive.shelf import erase_file
from recordings.files import RecordingError
from recordings.inspection.sql import erase_inspections
from recordings.keeping import Due, KeepPolicy, Kept, decide
from recordings.sql import RecordingRow
from tickets.moves import OVER
from tickets.sql import forget_recording, tickets_of_calls

if TYPE_CHECKING:  # its coder takes a while to load, and callers wait for a start
    from recordings.archive.archive import Archive, Archived

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Recordings that are read from the store together."""

FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
"""How soon an archive that is away is asked again."""

LOOK_EVERY_S = 3600.0
"""How often it is looked for recordings whose time is over: they are kept for years, and an hour more is none."""

NICENESS = 10


@dataclass
class ArchiveFigures:
    """What has been done since the start; `waiting` as it was counted last, `damaged`: set aside until the next."""

    archived: int = 0
    erased: int = 0
    waiting: int = 0
    away: bool = False
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class _Shelved:
    call: CallId
    there: Archived
    at: float


@dataclass(frozen=True, slots=True)
class _Erased:
    erasure: rows.Erasure
    entry: AuditEntry


def _keep(connection: Connection, shelved: _Shelved) -> bool:
    return rows.save_archived(connection, shelved.call, shelved.there, shelved.at)


def _erase(connection: Connection, erased: _Erased) -> None:
    rows.record_erasure(connection, erased.erasure)
    forget_recording(connection, erased.erasure.call)
    erase_inspections(connection, erased.erasure.call)
    audit_rows.append(connection, erased.entry)


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
        self._news = asyncio.Event()
        self._damaged: set[CallId] = set()
        self._keeping: Operation[_Shelved, bool] = Operation("archive_recording", _keep)
        self._erasing: Operation[_Erased, None] = Operation("erase_recording", _erase)
        self.figures = ArchiveFigures()

    def ready(self) -> None:
        """A recording may be archived now; never waits."""
        self._news.set()

    async def run(self) -> None:
        """Archive and erase until cancelled."""
        pool = ThreadPoolExecutor(1, "archive", initializer=_give_way)
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
        await loop.run_in_executor(pool, archive.clear)
        pause, swept = self._retry_s, False
        while True:
            self._news.clear()
            try:
                if not swept:
                    await self._sweep()
                    swept = True
                await self.archive_waiting(archive, pool)
            except (_Away, StoreError) as error:
                log.warning("recordings wait for the archive: %s", error, extra={"action": "archive.away"})
                self.figures.away = True
                self._over()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_S)
                continue
            self.figures.away, pause = False, self._retry_s
            self._over()
            await self._news.wait()

    async def archive_waiting(self, archive: Archive, pool: ThreadPoolExecutor | None = None) -> int:
        """Archive everything that waits now; how many there were. Raises `StoreError`, and what says "later"."""
        after: tuple[float, str] = (0.0, "")
        done = 0
        while True:
            waiting = await self._store.read(rows.not_archived, AT_ONCE, after)
            for row in waiting:
                after = (row.started_at, row.call)
                if not self._busy(row.call) and row.call not in self._damaged:
                    done += await self._archive_one(archive, row, pool)
            if len(waiting) < AT_ONCE:
                self.figures.waiting = await self._store.read(rows.count_not_archived)
                return done

    async def _archive_one(self, archive: Archive, row: RecordingRow, pool: ThreadPoolExecutor | None) -> bool:
        from recordings.archive.form import FormError
        from recordings.archive.shelf import ShelfError

        wav = self._root / row.path
        try:
            there = await asyncio.get_running_loop().run_in_executor(pool, archive.put, wav, PurePosixPath(row.path))
        except (FormError, RecordingError) as error:
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
                await self.erase_due(pool)
            except (_Away, StoreError) as error:
                log.warning("recordings are not erased yet: %s", error, extra={"action": "erase.away"})
            await asyncio.sleep(LOOK_EVERY_S)

    async def erase_due(self, pool: ThreadPoolExecutor | None = None) -> int:
        """Erase every recording whose time is over and that nothing holds; how many. Raises `StoreError`, _Away."""
        now = self._clock()
        before = now - self._policy.shortest_days * 86_400.0
        after: tuple[float, str] = (0.0, "")
        erased = 0
        while True:
            found = await self._store.read(rows.begun_before, before, AT_ONCE, after)
            kept = await self._store.read(_facts_of, found)
            for row in found:
                after = (row.started_at, row.call)
                decision = decide(self._policy, kept[row.call], now)
                if isinstance(decision, Due) and not self._busy(row.call):
                    await self._erase_one(row, decision, now, pool)
                    erased += 1
            if len(found) < AT_ONCE:
                return erased

    async def _erase_one(self, row: RecordingRow, due: Due, now: float, pool: ThreadPoolExecutor | None) -> None:
        from recordings.archive.shelf import ShelfError

        there = await self._store.read(rows.get_archived, row.call)
        try:
            if there is not None:
                if self._archive is None:
                    raise _Away("it lies in an archive that is not configured any more")
                await asyncio.get_running_loop().run_in_executor(pool, self._archive.erase, there)
            await asyncio.to_thread(erase_file, self._root / row.path, self._root)
        except (ShelfError, OSError) as error:
            raise _Away(str(error)) from error
        sha = there.sha256 if there is not None else ""
        gone = rows.Erasure(row.call, now, due.rule, row.started_at, row.duration_s, row.sha256, sha)
        await self._store.submit(self._erasing, _Erased(gone, _certificate(gone)))
        self.figures.erased += 1


class _Away(Exception):
    """Not now; to be tried again."""


def _facts_of(connection: Connection, found: Sequence[RecordingRow]) -> Mapping[CallId, Kept]:
    """What the rules look at: of each call its tickets' types, whether one is open, and who holds the recording."""
    calls = [row.call for row in found]
    held: dict[CallId, list[str]] = {}
    for hold in rows.holds_of(connection, calls):
        if hold.ended_at is None:
            held.setdefault(hold.call, []).append(hold.reason)
    theirs = tickets_of_calls(connection, calls)
    facts = {}
    for row in found:
        mine = theirs.get(row.call, ())
        types = frozenset(kind for kind, _ in mine if kind)
        facts[row.call] = Kept(
            row.started_at, types, any(state not in OVER for _, state in mine), held.get(row.call, ())
        )
    return facts


def _certificate(gone: rows.Erasure) -> AuditEntry:
    """The line of the audit trail: what was erased, by which rule, and the digest by which a copy is known."""
    day = datetime.fromtimestamp(gone.started_at, UTC).date().isoformat()
    digests = f"SHA-256 {gone.sha256}" + (f" ({gone.archived_sha256})" if gone.archived_sha256 else "")
    zh = f"录音及文字已按规则 {gone.rule} 销毁: {day}, {gone.duration_s:.0f} 秒, {digests}"
    en = f"recording and transcript erased by the rule {gone.rule}: of {day}, {gone.duration_s:.0f} s, {digests}"
    return AuditEntry(
        f"erase-{gone.call}", gone.erased_at, SYSTEM, "system", "erase_recording", "", gone.call, "", zh, en, "ok"
    )


def _give_way() -> None:
    """The thread's calls come after everybody else's."""
    with suppress(OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
