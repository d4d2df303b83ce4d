"""Recordings into the archive by themselves, and out of it when their time is over; over a real store."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from sqlalchemy import Connection, select

from controller.archivist import Archivist
from controller.audit_rows import check
from controller.audit_rows import read as read_audit
from controller.records import Operations, Records
from controller.spool import Operation
from controller.writer import Store
from pbx.ids import CallId
from recordings.archive import sql as rows
from recordings.archive.archive import Archive
from recordings.archive.form import Form
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.object_shelf import ObjectShelf, ObjectStorePlace
from recordings.archive.shelf import FolderShelf, ShelfAway
from recordings.keeping import DAY_S, KeepPolicy
from recordings.sql import RecordingRow, due, get_recording, get_transcript
from tests.recording_room import NOW, RULES, Room
from tests.s3_server import BUCKET, S3Server
from tests.ticket_story import POLICY as TICKETS
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput
from tickets.ticket import TicketChange

pytestmark = pytest.mark.doors


@pytest.fixture
def operations() -> Operations:
    return Operations(TICKETS)


@pytest.fixture
def room(tmp_path: Path, store: Store, records: Records) -> Room:
    return Room(tmp_path, store, records)


class Rounds:
    """Waits for what the archivist's rounds bring about."""

    def __init__(self) -> None:
        self._over = asyncio.Event()

    def over(self) -> None:
        self._over.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self._over.clear()
                await self._over.wait()


async def test_what_waits_is_archived_oldest_first_and_the_wav_goes_only_then(room: Room) -> None:
    wavs = [await room.record(f"c-{n}", age_days=3 - n) for n in range(3)]
    archivist = room.archivist()
    assert await archivist.archive_waiting(room.archive) == 3
    assert [wav.exists() for wav in wavs] == [False] * 3
    assert list(room.root.iterdir()) == [], "nor an empty folder of a day"
    there = await room.store.read(rows.get_archived, CallId("c-1"))
    assert there is not None
    assert room.archive.open(there).size == there.size_bytes
    assert await archivist.archive_waiting(room.archive) == 0
    assert archivist.figures.waiting == 0


async def test_one_that_is_being_transcribed_waits_and_a_damaged_one_keeps_nobody(room: Room) -> None:
    busy, broken, good = [await room.record(f"c-{n}") for n in range(3)]
    broken.write_bytes(broken.read_bytes()[:-1])
    archivist = room.archivist(busy=lambda call: call == "c-0")
    assert await archivist.archive_waiting(room.archive) == 1
    assert [one.exists() for one in (busy, broken, good)] == [True, True, False]
    assert (archivist.figures.damaged, archivist.figures.waiting) == (1, 2)


class AwayShelf(FolderShelf):
    """A shelf that does not answer until it is `back`."""

    back = False
    asked = 0

    def put(self, key: str, source: Path) -> None:
        self.asked += 1
        if not self.back:
            raise ShelfAway("the object store does not answer")
        super().put(key, source)

    def erase(self, key: str) -> bool:
        self.asked += 1
        if not self.back:
            raise ShelfAway("the object store does not answer")
        return super().erase(key)


async def test_an_archive_that_is_away_is_asked_again_and_nothing_is_lost(room: Room, tmp_path: Path) -> None:
    wav = await room.record("c-1")
    shelf = AwayShelf(tmp_path / "away")
    rounds = Rounds()
    archivist = room.archivist(Archive(shelf, Form.FLAC, None, tmp_path / "work"), retry_s=0.05, over=rounds.over)
    task = asyncio.create_task(archivist.run())
    await rounds.until(lambda: shelf.asked >= 2)
    assert archivist.figures.away
    assert wav.exists()
    shelf.back = True
    await rounds.until(lambda: archivist.figures.archived == 1)
    assert not wav.exists()
    later = await room.record("c-2")
    archivist.ready()
    await rounds.until(lambda: not later.exists())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_crash_between_the_store_and_the_disk_leaves_no_wav_behind(room: Room) -> None:
    wav = await room.record("c-1")
    there = room.archive.put(wav, PurePosixPath(wav.relative_to(room.root)))
    await write(room.store, lambda connection: rows.save_archived(connection, CallId("c-1"), there, NOW))
    rounds = Rounds()
    archivist = room.archivist(over=rounds.over)
    task = asyncio.create_task(archivist.run())
    await rounds.until(lambda: not wav.exists())
    assert archivist.figures.archived == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_recordings_are_erased_by_rule_with_a_certificate_and_not_what_is_held(room: Room) -> None:
    """Archived and not; a complaint is kept longer, an open ticket and a hold for ever, a young one is not asked."""
    await room.record("old-local", 400)
    for call, age in (
        ("old", 400),
        ("complaint", 400),
        ("complaint-old", 2000),
        ("open", 400),
        ("held", 400),
        ("young", 300),
    ):
        await room.record(call, age)
    for call, age, type_, over in (
        ("complaint", 400, "complaint", True),
        ("complaint-old", 2000, "complaint", True),
        ("open", 400, "help", False),
        ("old", 400, "help", True),
    ):
        number = await room.ticket(call, age, type_)
        if over:
            move = Move(TicketInput.ANSWER, text="已答复")
            await room.records.move_ticket(number, move, Actor("1001", Role.AGENT), at=NOW - age * DAY_S + 60)
    hold = rows.Hold("h-1", CallId("held"), "复核中", "boss", NOW)
    await write(room.store, lambda connection: rows.place_hold(connection, hold))
    archivist = room.archivist(busy=lambda call: call == "old-local")
    await archivist.archive_waiting(room.archive)
    there = await room.store.read(rows.get_archived, CallId("old"))
    assert there is not None
    eraser = room.archivist()
    assert await eraser.erase_due() == 0, "nobody has judged them yet"
    assert await eraser.judge_all() == 7
    assert await eraser.erase_due() == 3
    assert await eraser.erase_due() == 0
    left = {call for call in ("old-local", "old", "complaint", "complaint-old", "open", "held", "young")
            if await room.store.read(get_recording, CallId(call)) is not None}  # fmt: skip
    assert left == {"complaint", "open", "held", "young"}
    assert room.shelf.size(there.key) is None
    assert room.shelf.size(there.peaks_key) is None
    assert not list(room.root.rglob("old-local.wav"))
    assert await room.store.read(get_transcript, CallId("old")) is None
    gone = await room.store.read(rows.get_erasure, CallId("old"))
    assert gone is not None
    assert (gone.rule, gone.archived_sha256) == ("general", there.sha256)
    trail = [one.entry for one in await room.store.read(read_audit, NOW - 1, NOW + 1)]
    assert {one.call for one in trail} == {"old", "old-local", "complaint-old"}
    assert all(gone.sha256 in one.en and gone.sha256 in one.zh for one in trail if one.call == "old")
    assert (await room.store.read(check)).faults == ()
    await write(room.store, lambda connection: rows.end_hold(connection, CallId("held"), "h-1", "boss", NOW))
    assert await eraser.judge_all() == 1
    assert await eraser.erase_due() == 1


async def dues(room: Room) -> dict[str, float | None]:
    """From when each recording may be erased, as the store has it: days after NOW, None = something holds it."""
    found = await room.store.read(
        lambda connection: connection.execute(select(due.c.call, due.c.due_at).where(due.c.rules != "")).all()
    )
    return {call: None if at is None else (at - NOW) / DAY_S for call, at in found}


async def test_the_instant_of_erasure_follows_what_becomes_of_ticket_hold_and_rules(room: Room) -> None:
    """Each change is seen by the next look, and only what has changed is looked at."""
    await room.record("c-1")
    await room.record("c-2")
    archivist = room.archivist()
    assert await archivist.judge_all() == 2
    assert await dues(room) == {"c-1": 365, "c-2": 365}
    number = await room.ticket("c-1", 0, "complaint")
    assert await archivist.judge_all() == 1
    assert await dues(room) == {"c-1": None, "c-2": 365}, "an open ticket"
    agent = Actor("1001", Role.AGENT)
    await room.records.change_ticket(number, TicketChange(title="停水了"), agent, at=NOW + 50)
    assert await archivist.judge_all() == 0, "a title keeps nothing longer"
    await room.records.move_ticket(number, Move(TicketInput.ANSWER, text="已答复"), agent, at=NOW + 60)
    assert await archivist.judge_all() == 1
    assert await dues(room) == {"c-1": 1825, "c-2": 365}
    hold = rows.Hold("h-1", CallId("c-2"), "复核中", "boss", NOW)
    await write(room.store, lambda connection: rows.place_hold(connection, hold))
    assert await archivist.judge_all() == 1
    assert await dues(room) == {"c-1": 1825, "c-2": None}
    await write(room.store, lambda connection: rows.end_hold(connection, CallId("c-2"), "h-1", "boss", NOW))
    assert await archivist.judge_all() == 1
    assert await dues(room) == {"c-1": 1825, "c-2": 365}
    assert await archivist.judge_all() == 0
    shorter = Archivist(room.store, None, room.root, KeepPolicy(30, RULES.rules), lambda: NOW)
    assert await shorter.judge_all() == 2
    assert await dues(room) == {"c-1": 1825, "c-2": 30}


async def test_a_type_that_is_corrected_keeps_by_its_own_rule(room: Room) -> None:
    await room.record("c-1", 400)
    number = await room.ticket("c-1", 400, "complaint")
    agent = Actor("1001", Role.AGENT)
    archivist = room.archivist()
    await room.records.change_ticket(number, TicketChange(type="help"), agent, at=NOW - 399 * DAY_S)
    await room.records.move_ticket(number, Move(TicketInput.ANSWER, text="已答复"), agent, at=NOW - 398 * DAY_S)
    await archivist.judge_all()
    assert await dues(room) == {"c-1": -35}


async def test_the_look_for_what_is_due_reads_an_index_and_no_table(room: Room) -> None:
    """Tens of millions of recordings: only the due ones are touched."""

    def plan(connection: Connection) -> str:
        query = select(due.c.call).where(due.c.rules == "x", due.c.due_at <= 1.0).order_by(due.c.due_at, due.c.call)
        text = query.limit(50).compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # an empty table is read whole otherwise
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {text}"))

    said = await room.store.read(plan)
    assert "ix_recording_due_rules" in said
    assert "Sort" not in said
    assert "TEMP B-TREE" not in said


async def test_a_hold_that_comes_while_it_is_erased_comes_too_late_and_is_told_so(room: Room) -> None:
    """The shelf is away after the erasure has begun: no hold is promised that nobody can keep, and the next look ends
    it."""
    await room.record("old", 400)
    shelf = AwayShelf(room.shelf._root)
    shelf.back = True
    archive = Archive(shelf, Form.FLAC, None, room.root.parent / "work")
    archivist = room.archivist(archive)
    await archivist.archive_waiting(archive)
    await archivist.judge_all()
    shelf.back = False
    with pytest.raises(Exception, match="does not answer"):
        await archivist.erase_due()
    late = rows.Hold("h-1", CallId("old"), "复核中", "boss", NOW)
    assert await room.store.read(get_recording, CallId("old")) is not None
    assert await written(room.store, lambda connection: rows.place_hold(connection, late)) is False
    number = await room.ticket("old", 400, "complaint")  # nor does anything else hold it now
    assert await archivist.judge_all() == 0
    assert number
    shelf.back = True
    assert await archivist.erase_due() == 1
    gone = await room.store.read(rows.get_erasure, CallId("old"))
    assert gone is not None
    assert await written(room.store, lambda connection: rows.place_hold(connection, late)) is False


async def test_a_name_that_leads_out_of_the_folder_is_neither_read_nor_erased(room: Room, tmp_path: Path) -> None:
    """Whoever can write into the database still gets no other file out of the machine, and none erased."""
    secret = tmp_path / "secret.wav"
    inside = await room.record("c-0", 400)
    secret.write_bytes(inside.read_bytes())
    (room.root / "link").symlink_to(tmp_path)
    for call, name in (("c-1", "../secret.wav"), ("c-2", str(secret)), ("c-3", "link/secret.wav")):
        await room.records.save_recording(RecordingRow(CallId(call), name, NOW - 400 * DAY_S, 1.0, 1, "x"))
    archivist = room.archivist()
    assert await archivist.archive_waiting(room.archive) == 1
    assert archivist.figures.damaged == 3
    await archivist.judge_all()
    assert await archivist.erase_due() == 4
    assert secret.exists()


async def write(store: Store, work: Callable[[Connection], object]) -> None:
    await written(store, work)


async def written(store: Store, work: Callable[[Connection], object]) -> object:
    return await store.submit(Operation("test", lambda connection, given: work(connection)), None)


def test_the_thread_gives_way(tmp_path: Path) -> None:
    """The coder's thread alone is nicer than the process: calls are served by the others."""
    code = textwrap.dedent("""
        import os, threading
        from concurrent.futures import ThreadPoolExecutor
        from controller.archivist import _quietly
        with ThreadPoolExecutor(1) as pool:
            print(pool.submit(_quietly, lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result())
        print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    """)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.getcwd())
    thread, process = map(int, said.stdout.split())
    assert thread == max(10, process)


async def test_an_object_store_that_goes_away_and_comes_back_takes_everything_that_waited(
    room: Room, tmp_path: Path
) -> None:
    """A real server that is really gone; however often it was asked meanwhile, each recording is there once."""
    server = S3Server()
    place = ObjectStorePlace(server.url, BUCKET, "key", "secret", prefix=tmp_path.name, retry_s=0)
    archive = Archive(ObjectShelf(place), Form.FLAC, KeyRing((SealingKey(bytes(32)),)), tmp_path / "work")
    tries: list[bool] = []
    rounds = Rounds()

    def over() -> None:
        tries.append(archivist.figures.away)
        rounds.over()

    archivist = room.archivist(archive, retry_s=0.02, over=over)
    task = asyncio.create_task(archivist.run())
    try:
        await room.record("c-0")
        archivist.ready()
        await rounds.until(lambda: archivist.figures.archived == 1)
        await asyncio.to_thread(server.close)
        wavs = [await room.record(f"c-{n}") for n in (1, 2, 3)]
        archivist.ready()
        await rounds.until(lambda: sum(tries) >= 4)
        assert archivist.figures.waiting == 3
        assert all(wav.exists() for wav in wavs)
        await asyncio.to_thread(server.open)
        await rounds.until(lambda: archivist.figures.archived == 4 and not archivist.figures.away)
        assert not any(wav.exists() for wav in wavs)
        listed = await asyncio.to_thread(lambda: [one for batch in ObjectShelf(place)._store().list() for one in batch])
        assert len(listed) == 4 * 2, "a sound and a picture of each, and nothing twice"
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(server.close)


FULL = """
import asyncio, sys
from pathlib import Path, PurePosixPath
from recordings.archive.archive import Archive
from recordings.archive.form import Form
from recordings.archive import archive as module
from recordings.archive.shelf import FolderShelf
disk, wav = Path(sys.argv[1]), Path(sys.argv[2])
archive = Archive(FolderShelf(disk / "archive"), Form.FLAC, None, disk / "work")
for reserve in (module.RESERVE_BYTES, 0):
    module.RESERVE_BYTES = reserve
    if not reserve:
        (disk / "others").write_bytes(bytes(190_000))  # now there is room to code it, and none to keep it
    try:
        archive.put(wav, PurePosixPath("2026/11/22/c-1.wav"))
        print("kept")
    except OSError as error:
        print("OSError", error.errno)
    except Exception as error:
        print(type(error).__name__)
print(sorted(one.name for one in disk.rglob("*") if one.is_file()))
"""


async def test_a_really_full_disk_is_to_be_tried_again_and_damages_no_recording(room: Room, tmp_path: Path) -> None:
    wav = await room.record("c-1")
    disk = tmp_path / "disk"
    disk.mkdir()
    alone = ["unshare", "-rm"]
    if shutil.which("unshare") is None:
        pytest.skip("no user namespaces here to mount a small disk in")
    script = f'mount -t tmpfs -o size=256k none "{disk}" && "$0" -c "$1" "$2" "$3"'
    command = [*alone, "sh", "-c", script, sys.executable, FULL, str(disk), str(wav)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, cwd=os.getcwd())
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip("mounting is forbidden here")
    said = done.stdout.splitlines()
    assert said[0] == f"OSError {errno.ENOSPC}", f"asked before, not a coder's riddle afterwards; {done.stderr}"
    assert said[1] == "ShelfFull"
    assert said[2] in ("['others']", "['c-1.flac', 'others']"), "nothing half is left"
