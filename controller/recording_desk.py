"""Recordings as the web sees them: implements `web.recording_desk.RecordingDesk` over the store, the disk, the archive.

A recording lies on the disk as it was sealed until the archivist has brought it into the archive and told the store so;
then the WAV goes. So the disk is asked first, then the store, then the disk again: whoever asks in between gets it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller import audit_rows
from controller.archivist import ArchiveFigures, give_way
from controller.spool import Operation
from controller.ticket_desk import from_store
from controller.writer import Store
from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.archive import sql as rows
from recordings.archive.form import Form, FormError
from recordings.archive.shelf import NotOnShelf, ShelfError, UnsafeKey, inside
from recordings.files import RecordingError
from recordings.sql import RecordingRow, get_recording
from web.backend import Refused, Unavailable
from web.recording_desk import Mark, Sound

if TYPE_CHECKING:
    from recordings.archive.archive import Archive, Archived
    from recordings.archive.decoded import Bytes, DecodedWav

log = logging.getLogger(__name__)

T = TypeVar("T")

HOLDS_SHOWN = 1000
BROUGHT_BYTES = 1024 * 1024
READERS = 2
"""Threads that read and decode for listeners: each piece takes milliseconds, and calls need the cores."""
TAG_DIGITS = 32
"""Digits of a file's SHA-256 that name it in an ETag."""


@dataclass(frozen=True, slots=True)
class _Placed:
    hold: rows.Hold
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class _Ended:
    call: CallId
    id: str
    by: str
    at: float
    entry: AuditEntry


def _place(connection: Connection, wish: _Placed) -> bool:
    done = rows.place_hold(connection, wish.hold)
    if done:
        audit_rows.append(connection, wish.entry)
    return done


def _end(connection: Connection, wish: _Ended) -> bool:
    done = rows.end_hold(connection, wish.call, wish.id, wish.by, wish.at)
    if done:
        audit_rows.append(connection, wish.entry)
    return done


class HotlineRecordings:
    """See `web.recording_desk.RecordingDesk` for the meaning of each method."""

    def __init__(
        self,
        store: Store,
        recordings: Path,
        workshop: Path,
        zone: ZoneInfo,
        archive: Archive | None = None,
        figures: ArchiveFigures | None = None,
    ) -> None:
        """`recordings`: the folder of sealed WAVs; `workshop`: a folder for copies on their way out, made at need."""
        self._store, self._root, self._workshop, self._zone = store, recordings, workshop, zone
        self._archive, self._figures = archive, figures or ArchiveFigures()
        self._pool = ThreadPoolExecutor(READERS, "sound")
        self._placing: Operation[_Placed, bool] = Operation("place_hold", _place)
        self._ending: Operation[_Ended, bool] = Operation("end_hold", _end)

    # ---------------------------------------------------------------- to be heard

    async def sound(self, call: CallId, leg: int | None = None) -> Sound | None:
        """A recording, or a leg of it."""
        found = await self._find(call)
        if found is None:
            return None
        row, wav, there = found
        return await self._read(call, lambda: self._sound(row, wav, there, leg))

    async def peaks(self, call: CallId) -> bytes | None:
        """Its picture."""
        found = await self._find(call)
        if found is None:
            return None
        _, wav, there = found

        def read() -> bytes:
            from recordings.archive.form import blocks
            from recordings.archive.peaks import peaks_of

            if wav is not None:
                return peaks_of(blocks(wav))
            assert there is not None
            return self._shelf().peaks(there)

        return await self._read(call, read)

    async def export(self, call: CallId, form: str, leg: int | None, mark: Mark) -> Sound | None:
        """A marked copy."""
        found = await self._find(call)
        if found is None:
            return None
        row, wav, there = found
        return await self._read(call, lambda: self._export(row, wav, there, form, leg, mark))

    async def fetch(self, call: CallId, to: Path) -> bool:
        """Write a recording's WAV to a place, for programs; False: there is none. OSError: to be tried again later."""
        try:
            found = await self._find(call)
            if found is None:
                return False
            _, wav, there = found
            return await self._read(call, lambda: self._bring(wav, there, to)) is not None
        except Unavailable as error:
            raise OSError(f"{error.what} is away") from None
        except Refused:
            return False

    def _bring(self, wav: Path | None, there: Archived | None, target: Path) -> Path:
        source = self._decoded(wav, there, None)
        try:
            with target.open("wb") as out:
                for at in range(0, source.size, BROUGHT_BYTES):
                    out.write(source.read(at, BROUGHT_BYTES))
        finally:
            source.close()
        return target

    async def _find(self, call: CallId) -> tuple[RecordingRow, Path | None, Archived | None] | None:
        """Where a recording lies: on the disk, or else in the archive."""
        row = await from_store(self._store.read(get_recording, call))
        if row is None:
            return None
        try:
            wav = inside(self._root, row.path)
        except UnsafeKey:
            log.error("call %s: its recording's name is none of ours", call, extra={"action": "recording.unsafe"})
            return None
        for _ in range(2):
            if await asyncio.to_thread(wav.is_file):
                return row, wav, None
            there = await from_store(self._store.read(rows.get_archived, call))
            if there is not None:
                return row, None, there
        return None

    def _shelf(self) -> Archive:
        if self._archive is None:
            raise ShelfError("it lies in an archive that is not configured any more")
        return self._archive

    async def _read(self, call: CallId, work: Callable[[], T]) -> T | None:
        """What `work` gives, in a thread that gives way to calls; its errors in the web's words."""
        try:
            return await self._told(call, work)
        except NotOnShelf:
            return None

    async def _told(self, call: CallId, work: Callable[[], T]) -> T:
        """What `work` gives, in a thread; its errors in the web's words, but NotOnShelf."""
        from recordings.archive.sealing import SealError

        def quietly() -> T:
            give_way()
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, quietly)
        except NotOnShelf:
            log.error("call %s: its recording is gone from the archive", call, extra={"action": "archive.gone"})
            raise
        except ShelfError as error:
            log.warning("call %s: not heard: %s", call, error, extra={"action": "archive.away"})
            raise Unavailable("archive") from None
        except (SealError, FormError, RecordingError) as error:
            log.error("call %s: not heard: %s", call, error, extra={"action": "recording.damaged"})
            raise Refused("recording_damaged") from None
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise Unavailable("disk") from None
            raise

    def _sound(self, row: RecordingRow, wav: Path | None, there: Archived | None, leg: int | None) -> Sound:
        tag = (there.sha256 if there is not None else row.sha256)[:TAG_DIGITS]
        if leg is not None:
            one = self._decoded(wav, there, leg)
            return self._open(row.call, one, Form.WAV, f"{tag}-{leg}", one.close)
        if wav is not None:
            return Sound(wav.stat().st_size, Form.WAV.media_type, Form.WAV.suffix, tag, _never, path=wav)
        assert there is not None
        return self._open(row.call, self._shelf().open(there), there.form, tag)

    def _open(
        self, call: CallId, source: Bytes, form: Form, tag: str, close: Callable[[], None] = lambda: None
    ) -> Sound:
        """What is read in threads, one after another; `close` comes after the last, also of one whom nobody awaits."""
        at_work = threading.Lock()

        def locked(work: Callable[[], T]) -> T:
            with at_work:
                return work()

        async def read(start: int, length: int) -> bytes:
            try:
                return await self._told(call, lambda: locked(lambda: source.read(start, length)))
            except NotOnShelf:
                raise Refused("recording_erased") from None

        async def end() -> None:
            await asyncio.get_running_loop().run_in_executor(self._pool, locked, close)

        return Sound(source.size, form.media_type, form.suffix, tag, read, end)

    def _decoded(self, wav: Path | None, there: Archived | None, leg: int | None) -> DecodedWav:
        from recordings.archive.decoded import DecodedWav

        if wav is not None:
            return DecodedWav(wav, leg)
        assert there is not None
        return DecodedWav(self._shelf().open(there), leg)

    def _export(
        self, row: RecordingRow, wav: Path | None, there: Archived | None, form: str, leg: int | None, mark: Mark
    ) -> Sound:
        from recordings.archive.archive import ArchivedFile
        from recordings.archive.export import write_export

        self._workshop.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self._workshop) as copy:  # without a name: no crash leaves it behind
            source = self._decoded(wav, there, leg)
            try:
                write_export(source, copy, form, mark.id, self._tags(row, mark))
            finally:
                source.close()
            descriptor = os.dup(copy.fileno())
        size = os.fstat(descriptor).st_size
        made = ArchivedFile(size, lambda start, length: os.pread(descriptor, length, start))
        return self._open(row.call, made, Form(form), mark.id, lambda: os.close(descriptor))

    def _tags(self, row: RecordingRow, mark: Mark) -> dict[str, str]:
        """What stands in the copy's own head."""
        began, at = (
            datetime.fromtimestamp(one, self._zone).isoformat(timespec="seconds") for one in (row.started_at, mark.at)
        )
        said = f"导出编号 export {mark.id}; 导出人 by {mark.by}; {at}; 用途 for: {mark.reason}; SHA-256 {row.sha256}"
        return {
            "title": f"12345 录音 recording {row.call}, {began}",
            "artist": mark.by,
            "date": at,
            "comment": said,
            "software": "12345 hotline",
        }

    # ---------------------------------------------------------------- held

    async def holds(self, call: CallId) -> Sequence[rows.Hold]:
        """The holds of a call."""
        return await from_store(self._store.read(rows.holds_of, [call]))

    async def open_holds(self) -> Sequence[rows.Hold]:
        """The holds that have not ended."""
        return await from_store(self._store.read(rows.open_holds, HOLDS_SHOWN))

    async def place_hold(self, hold: rows.Hold, entry: AuditEntry) -> bool:
        """Hold a recording."""
        return await from_store(self._store.submit(self._placing, _Placed(hold, entry)))

    async def end_hold(self, call: CallId, id: str, by: str, at: float, entry: AuditEntry) -> bool:  # noqa: A002
        """End a hold."""
        return await from_store(self._store.submit(self._ending, _Ended(call, id, by, at, entry)))

    def state(self) -> Mapping[str, int]:
        """Figures of the archive."""
        f = self._figures
        return {
            "on": int(f.on),
            "away": int(f.away),
            "waiting": f.waiting,
            "damaged": f.damaged,
            "archived": f.archived,
            "erased": f.erased,
            "transcripts_erased": f.transcripts_erased,
        }


async def _never(start: int, length: int) -> bytes:
    raise AssertionError("a file that lies on the disk is sent from there")
