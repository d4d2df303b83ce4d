"""A program for tests: kills an archivist at each of its steps in turn, and looks at what the next one makes of it.

`python -m tests.recording_crash FOLDER` prints how many steps archiving had, and how many erasing; every fault is an
exception. Each round works on a copy of one data folder, in a process of its own that gets SIGKILL before its n-th
change to the disk (Python's audit events: a file opened for writing, renamed, removed; a folder made or removed). The
database commits in between: steps before and after a commit are different ones.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # noqa: F401 - here once, not in each process

from controller.archivist import Archivist
from controller.audit_rows import check
from controller.audit_rows import read as read_audit
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.writer import Store, StoreRules
from pbx.ids import CallId
from recordings.archive import sql as rows
from recordings.archive.archive import Archive
from recordings.archive.form import Form, blocks
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.shelf import FolderShelf
from recordings.sql import get_recording
from tests.recording_room import NOW, RULES, Room
from tickets.ticket import TicketPolicy

CALL = CallId("c-1")
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")


class Place:
    """One data folder, with a started store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rules = StoreRules(0.001, 0.001)
        self.store = Store(f"sqlite:///{folder}/hotline.db", spool=folder / "spool.jsonl", rules=rules)
        self.shelf = FolderShelf(folder / "archive")
        self.archive = Archive(self.shelf, Form.FLAC, KeyRing((SealingKey(bytes(32)),)), folder / "work")
        self.archivist = Archivist(self.store, self.archive, folder / "recordings", RULES, lambda: NOW)

    async def archived(self) -> None:
        """A start of the archivist, until nothing waits any more."""
        self.archive.clear()
        await self.archivist._sweep()
        await self.archivist.archive_waiting(self.archive)

    async def erased(self) -> None:
        """A look for what is to be erased."""
        await self.archivist.judge_all()
        await self.archivist.erase_due()

    async def heard(self, samples: bytes) -> None:
        """Every sample is there: as a WAV, or in the archive if the store says so."""
        (wav,) = [*self.folder.glob("recordings/*/*/*/*.wav"), None][:1]
        if wav is not None:
            assert b"".join(block.tobytes() for block in blocks(wav)) == samples
            return
        there = await self.store.read(rows.get_archived, CALL)
        assert there is not None, "the recording is lost"
        opened = self.archive.open(there)
        coded = self.folder / "coded"
        coded.write_bytes(b"".join(opened.chunks(0, opened.size)))
        assert b"".join(block.tobytes() for block in blocks(coded)) == samples
        coded.unlink()

    def left(self) -> list[str]:
        """All files of recordings that lie about."""
        parts = (part for place in ("archive", "recordings", "work") for part in (self.folder / place).rglob("*"))
        return sorted(part.name for part in parts if not part.is_dir())


Work = Callable[[Place], Awaitable[None]]


def in_a_process(folder: Path, work: Work, before: Callable[[], None] | None = None) -> int:
    """Run `work` in a process of its own; the signal that ended it, 0 = none. Any exception of it is one here."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(_run(folder, work, before))
            status = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    _, how = os.waitpid(child, 0)
    if os.WIFEXITED(how) and os.WEXITSTATUS(how):
        raise SystemExit("see above")
    return os.WTERMSIG(how) if os.WIFSIGNALED(how) else 0


async def _run(folder: Path, work: Work, before: Callable[[], None] | None) -> None:
    place = Place(folder)
    await place.store.start()
    if before is not None:
        before()
    await work(place)
    await place.store.stop(drain_s=5.0)


def kill_at(number: int, folder: Path) -> Callable[[], None]:
    """What has the process end before its change number `number` (from 1) below the folder."""

    def listen() -> None:
        left = number

        def hook(event: str, given: tuple[Any, ...]) -> None:
            nonlocal left
            changes = event in CHANGES or event == "open" and bool(given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if changes and str(given[0]).startswith(f"{folder}/") and "spool" not in str(given[0]):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    return listen


async def make(folder: Path) -> bytes:
    """The data folder that all rounds begin with, with one old recording; its samples."""
    folder.mkdir()
    upgrade(f"sqlite:///{folder}/hotline.db")
    place = Place(folder)
    await place.store.start()
    records = Records(place.store, Operations(TicketPolicy()))
    wav = await Room(folder, place.store, records).record(str(CALL), 400.0)
    await place.store.stop(drain_s=5.0)
    (folder / "raw").unlink(missing_ok=True)
    return b"".join(block.astype(np.int16).tobytes() for block in blocks(wav))


def rounds(what: str, top: Path, samples: bytes) -> int:
    """How many steps there were."""
    act = Place.archived if what == "archive" else Place.erased

    async def look(place: Place) -> None:
        if what == "archive":
            await place.heard(samples)
            await place.archived()
            await place.heard(samples)
            assert place.left() == ["c-1.flac.sealed", "c-1.peaks.sealed"], place.left()
            assert await place.store.read(rows.count_not_archived) == 0
            return
        await place.erased()
        assert place.left() == []
        assert await place.store.read(get_recording, CALL) is None
        assert await place.store.read(rows.get_erasure, CALL) is not None
        assert len(await place.store.read(read_audit, 0.0, 1e11)) == 1, "one certificate"
        assert (await place.store.read(check)).faults == ()

    number = 1
    while True:
        folder = top / "round"
        shutil.copytree(top / "first", folder)
        ended = in_a_process(folder, act, kill_at(number, folder))
        in_a_process(folder, look)
        shutil.rmtree(folder)
        if ended != signal.SIGKILL:
            return number - 1
        number += 1


def main(top: Path) -> None:
    """Archiving, then erasing what was archived."""
    samples = asyncio.run(make(top / "first"))
    print(rounds("archive", top, samples))
    in_a_process(top / "first", Place.archived)
    print(rounds("erase", top, samples))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
