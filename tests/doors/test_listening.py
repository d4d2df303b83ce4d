"""Hearing, exporting and holding recordings over HTTP, wherever they lie: real files and store, a sealed archive."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import soundfile
from aiohttp import ClientError
from multidict import CIMultiDict

from controller.archivist import ArchiveFigures
from controller.audit_rows import read as read_audit
from controller.recording_desk import HotlineRecordings
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from recordings import files
from recordings.archive.archive import Archive
from recordings.archive.decoded import DecodedWav
from recordings.archive.form import Form
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.peaks import SAMPLES_PER_POINT
from recordings.archive.shelf import FolderShelf, ShelfAway
from recordings.archive.watermark import Tracer
from recordings.sql import RecordingRow
from tests.city_story import CZ_AGENT, CZ_DESK, CZ_WATER, TREE
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import TOKEN, Site, site
from tests.recording_room import NOW, Room
from tickets.classes import load_classes
from tickets.files import AttachmentFiles
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput
from tickets.ticket import TicketChange, TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, classes=load_classes(), numbers={"051912345": "cz"})
BOSS = Actor("cz-boss", Role.SUPERVISOR, "cz")
OTHER = Actor("zj-quality", Role.INSPECTOR, "zj")
WHO = {one.id: one for one in (CZ_AGENT, CZ_DESK, CZ_WATER, BOSS, OTHER)}
SECONDS = 60
CALL = CallId("hotline-1763744400.1")
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


class People:
    async def find(self, token: str) -> Actor | None:
        return WHO.get(token.removesuffix("-token-0123456789"))


def bearer(who: Actor) -> dict[str, str]:
    return {"Authorization": f"Bearer {who.id}-token-0123456789"}


class Shelf(FolderShelf):
    """Counts what is read, and can be away."""

    away = False
    read_bytes = 0

    def read(self, key: str, start: int, length: int) -> bytes:
        if self.away:
            raise ShelfAway("the object store does not answer")
        data = super().read(key, start, length)
        self.read_bytes += len(data)
        return data


class Town:
    """A site over a real store, with one call whose ticket is a city's."""

    def __init__(self, running: Site, room: Room, shelf: Shelf, wav: Path) -> None:
        self.site, self.room, self.shelf, self.wav = running, room, shelf, wav
        self.samples = soundfile.read(wav, dtype="int16")[0]
        self.ticket = ""
        self.desk = cast(HotlineRecordings, running.backend.recordings)

    async def archive(self) -> None:
        archivist = self.room.archivist()
        assert await archivist.archive_waiting(self.room.archive) == 1
        assert not self.wav.exists()

    async def get(self, path: str, **headers: str) -> tuple[int, CIMultiDict[str], bytes]:
        async with self.site.session.get(self.site.url(path), headers={**ADMIN, **headers}) as answer:
            return answer.status, CIMultiDict(answer.headers), await answer.read()


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as a start makes it, made once."""
    file = tmp_path_factory.mktemp("empty") / "hotline.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def database_url(empty: Path, tmp_path: Path) -> str:
    """What is asked of the store here is tested with PostgreSQL in test_archivist.py."""
    shutil.copy(empty, tmp_path / "hotline.db")
    return f"sqlite:///{tmp_path}/hotline.db"


@pytest.fixture
async def town(records: Records, store: Store, tmp_path: Path) -> AsyncIterator[Town]:
    room = Room(tmp_path, store, records)
    shelf = Shelf(tmp_path / "archive")
    room.archive = Archive(shelf, Form.FLAC, KeyRing((SealingKey(bytes(32)),)), tmp_path / "work")
    wav = await room.record(str(CALL))
    spoken = np.where(np.arange(8000 * SECONDS) // 8000 % 2, 9000, 40)[:, None]  # and pauses, with a line's own noise
    noise = (np.random.default_rng(5).uniform(-1, 1, (8000 * SECONDS, 2)) * spoken).astype(np.int16)
    wav.unlink()
    raw = tmp_path / "raw"
    raw.write_bytes(noise.tobytes())
    day = datetime.fromtimestamp(NOW, UTC)
    done = files.finish(raw, wav, started_at=day)
    name = str(wav.relative_to(room.root))
    await records.save_recording(RecordingRow(CALL, name, NOW, done.duration_s, done.size_bytes, done.sha256))
    backend = MemoryBackend()
    backend.arrive(1)
    desk = HotlineRecordings(
        store, room.root, tmp_path / "work", ZoneInfo("Asia/Shanghai"), room.archive, ArchiveFigures(on=True)
    )
    backend.recordings = desk  # type: ignore[assignment]
    backend.desk = HotlineDesk(records, POLICY, {AgentId("1001")}, backend.clock, AttachmentFiles(tmp_path))  # type: ignore[assignment]
    async with site(backend, holders=People()) as running:
        made = Town(running, room, shelf, wav)
        opening = OpenTicket(CALL, "13800001111", "051912345", "zh", "general", AgentId("1001"), backend.clock())
        made.ticket = f"/api/tickets/{await records.open_ticket(opening)}"
        yield made


# ---------------------------------------------------------------- heard


async def test_a_sealed_recording_is_heard_from_any_byte_on_and_only_what_is_asked_for_is_read(town: Town) -> None:
    await town.archive()
    path = f"/api/calls/{CALL}/recording"
    status, headers, whole = await town.get(path)
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "audio/flac", "bytes")
    assert headers["Content-Disposition"] == f'inline; filename="{CALL}.flac"'
    assert np.array_equal(soundfile.read(io.BytesIO(whole), dtype="int16")[0], town.samples)
    size = len(whole)
    assert size > 8 * 65_536
    town.shelf.read_bytes = 0
    for span, first, end in (
        ("bytes=300000-300999", 300_000, 301_000),
        ("bytes=0-0", 0, 1),
        (f"bytes={size - 10}-", size - 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes={size - 5}-{size + 100}", size - 5, size),
    ):
        status, headers, part = await town.get(path, Range=span)
        assert (status, part) == (206, whole[first:end]), span
        assert headers["Content-Range"] == f"bytes {first}-{end - 1}/{size}"
        assert int(headers["Content-Length"]) == end - first
    assert town.shelf.read_bytes < 5 * 66_000, "the piece that holds it, for each of them"
    status, headers, _ = await town.get(path, Range=f"bytes={size}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    for unclear in ("bytes=0-1,5-6", "bytes=9-2", "lines=1-2", "bytes=a-b"):
        assert (await town.get(path, Range=unclear))[0] == 200, unclear


async def test_a_player_that_began_with_the_wav_is_not_given_the_middle_of_another_file(town: Town) -> None:
    """If-Range (RFC 9110, 13.1.5): what the player has of one form is no beginning of the other."""
    path = f"/api/calls/{CALL}/recording"
    _, before, wav = await town.get(path)
    assert before["Content-Type"] == "audio/wav"
    assert wav == town.wav.read_bytes()
    await town.archive()
    status, after, whole = await town.get(path, Range="bytes=1000-", **{"If-Range": before["ETag"]})
    assert (status, after["Content-Type"]) == (200, "audio/flac")
    status, _, part = await town.get(path, Range="bytes=1000-1009", **{"If-Range": after["ETag"]})
    assert (status, part) == (206, whole[1000:1010])
    assert (await town.get(path, **{"If-None-Match": after["ETag"]}))[0] == 304


async def test_one_side_alone_and_the_picture_are_the_same_on_the_disk_and_in_the_archive(town: Town) -> None:
    for archived in (False, True):
        if archived:
            await town.archive()
        for speaker, leg in (("citizen", files.CITIZEN), ("agent", files.HEARD)):
            path = f"/api/calls/{CALL}/recording?speaker={speaker}"
            status, headers, whole = await town.get(path)
            assert (status, headers["Content-Type"]) == (200, "audio/wav")
            assert f"{CALL}-{speaker}.wav" in headers["Content-Disposition"]
            sound, rate = soundfile.read(io.BytesIO(whole), dtype="int16")
            assert rate == 8000
            assert np.array_equal(sound, town.samples[:, leg])
            for first, end in ((0, 50), (43, 46), (300_001, 300_100), (len(whole) - 3, len(whole))):
                status, _, part = await town.get(path, Range=f"bytes={first}-{end - 1}")
                assert (status, part) == (206, whole[first:end])
        status, headers, picture = await town.get(f"/api/calls/{CALL}/peaks")
        assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
        assert len(picture) == 24 + SECONDS * 10 * 4
        tenth = np.frombuffer(picture[24:28], np.int8)
        first_tenth = town.samples[:SAMPLES_PER_POINT] // 256
        assert list(tenth) == [
            *(edge for leg in (0, 1) for edge in (first_tenth[:, leg].min(), first_tenth[:, leg].max()))
        ]
    assert (await town.get(f"/api/calls/{CALL}/recording?speaker=nobody"))[0] == 400


async def test_an_archive_that_is_away_is_said_and_a_damaged_file_is_never_half_given(town: Town) -> None:
    await town.archive()
    paths = [
        f"/api/calls/{CALL}/{what}" for what in ("recording", "recording?speaker=agent", "peaks", "export?reason=x")
    ]
    town.shelf.away = True
    for path in paths:
        status, told = await town.site.json("GET", path)
        assert (status, told["error"]) == (503, "archive_unavailable"), path
    town.shelf.away = False
    (sound,) = (town.room.root.parent / "archive").rglob("*.flac.sealed")
    good = sound.read_bytes()
    sound.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:])
    for path in (paths[0], paths[1], paths[3]):
        status, told = await town.site.json("GET", path)
        assert (status, told["error"]) == (409, "recording_damaged"), path
    sound.write_bytes(good[:-1000] + bytes(1000))
    with pytest.raises(ClientError):  # its end is bad: a player must not think it whole
        await town.get(paths[0])
    sound.unlink()
    assert (await town.site.json("GET", paths[0]))[0] == 404


async def test_who_makes_a_transcript_again_gets_the_archived_recording_as_it_was_finished(
    town: Town, tmp_path: Path
) -> None:
    finished = town.wav.read_bytes()
    copy = tmp_path / "copy.wav"
    assert await town.desk.fetch(CALL, copy)
    assert copy.read_bytes() == finished
    await town.archive()
    assert await town.desk.fetch(CALL, copy)
    assert copy.read_bytes() == finished
    assert not await town.desk.fetch(CallId("h-9"), copy)
    town.shelf.away = True
    with pytest.raises(OSError, match="away"):
        await town.desk.fetch(CALL, copy)


async def test_a_row_that_leads_out_of_the_folder_lets_nobody_hear_another_file(town: Town, records: Records) -> None:
    secret = town.room.root.parent / "secret.wav"
    secret.write_bytes(town.wav.read_bytes())
    for name in ("../secret.wav", str(secret), "2026/../../secret.wav"):
        await records.save_recording(RecordingRow(CALL, name, NOW, 1.0, 1, "x"))
        assert (await town.get(f"/api/calls/{CALL}/recording"))[0] == 404


async def test_a_listener_who_leaves_in_the_middle_keeps_no_file_open(town: Town) -> None:
    await town.archive()
    for _ in range(5):
        url = town.site.url(f"/api/calls/{CALL}/recording?speaker=citizen")
        async with town.site.session.get(url, headers=ADMIN) as answer:
            await answer.content.read(10)
            answer.close()
    status, _, whole = await town.get(f"/api/calls/{CALL}/recording?speaker=citizen")
    assert (status, len(whole)) == (200, 44 + 2 * len(town.samples))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    soundfile.write(file, np.zeros((100, 1)), 8000)
    with pytest.raises(files.RecordingError):
        DecodedWav(file)


# ---------------------------------------------------------------- exported


async def test_a_copy_says_in_its_name_its_tags_and_its_sound_whose_it_is(town: Town) -> None:
    await town.archive()
    noted = town.site.backend.noted
    for form in ("wav", "flac"):
        noted.clear()
        status, headers, copy = await town.get(f"/api/calls/{CALL}/export?form={form}&reason=法院调取")
        assert (status, headers["Content-Type"]) == (200, f"audio/{form}")
        (line,) = noted.values()
        id = line.id.removeprefix("export-")
        assert headers["Content-Disposition"] == f'attachment; filename="{CALL}-{id}.{form}"'
        assert (line.action, line.actor, line.call) == ("export_recording", "admin", CALL)
        assert "法院调取" in line.zh
        with soundfile.SoundFile(io.BytesIO(copy)) as sound:
            tags = sound.copy_metadata()
            samples = sound.read(dtype="int16")
        assert tags["artist"] == "admin"
        assert all(word in tags["comment"] for word in (id, "法院调取", "admin"))
        assert str(CALL) in tags["title"]
        assert np.abs(samples.astype(int) - town.samples).max() == 8
        tracer = Tracer()
        tracer.feed([samples])
        assert [found for found, _ in tracer.traced(["0" * 16, id])] == [id]
        assert list((town.room.root.parent / "work").iterdir()) == [], "nothing is left behind"
        _, _, leg = await town.get(f"/api/calls/{CALL}/export?form={form}&speaker=agent&reason=x")
        assert soundfile.info(io.BytesIO(leg)).channels == 1
        assert len(noted) == 2, "each is a line of its own"
    assert (await town.get(f"/api/calls/{CALL}/export"))[0] == 400, "without a reason none"
    assert (await town.get("/api/calls/h-9/export?reason=x"))[0] == 404
    assert len(noted) == 2
    town.site.backend.store_up = False
    status, told = await town.site.json("GET", f"/api/calls/{CALL}/export?reason=x")
    assert (status, told["error"]) == (503, "store_unavailable"), "nothing is exported that cannot be noted"


# ---------------------------------------------------------------- rights, and holds


async def test_who_may_hear_export_and_hold(town: Town) -> None:
    """Who judges may all of it, the agent who took the call hears it, nobody else anything."""
    for who, hears, judges in (
        (BOSS, 200, 200),
        (CZ_AGENT, 200, 403),
        (CZ_DESK, 403, 403),
        (CZ_WATER, 404, 404),
        (OTHER, 404, 404),
    ):
        got = {}
        for what in ("recording", "peaks", "recording?speaker=agent", "export?reason=x", "holds"):
            async with town.site.session.get(town.site.url(f"{town.ticket}/{what}"), headers=bearer(who)) as answer:
                got[what] = answer.status
        assert [*got.values()] == [hears, hears, hears, judges, judges], who.id
        status, _ = await town.site.json("POST", f"{town.ticket}/holds", {"reason": "复核"}, headers=bearer(who))
        assert status == (201 if judges == 200 else judges)


async def test_a_hold_has_a_reason_and_a_beginning_and_an_end_in_the_audit_trail(town: Town, store: Store) -> None:
    path = f"/api/calls/{CALL}/holds"
    status, hold = await town.site.json("POST", path, {"reason": "投诉复核中"})
    assert (status, hold["call"], hold["by"], hold["ended_at"]) == (201, CALL, "admin", None)
    status, second = await town.site.json("POST", f"{town.ticket}/holds", {"reason": "纪检调取"}, headers=bearer(BOSS))
    assert status == 201
    _, told = await town.site.json("GET", "/api/recordings/holds")
    assert [one["id"] for one in told["holds"]] == [hold["id"], second["id"]]
    assert (await town.site.json("DELETE", f"{path}/{hold['id']}"))[0] == 200
    assert (await town.site.json("DELETE", f"{path}/{hold['id']}"))[0] == 404, "it has ended"
    assert (await town.site.json("DELETE", f"/api/calls/h-9/holds/{second['id']}"))[0] == 404, "another call's"
    _, told = await town.site.json("GET", path)
    assert [(one["reason"], one["ended_by"]) for one in told["holds"]] == [("投诉复核中", "admin"), ("纪检调取", None)]
    assert (await town.site.json("POST", path, {"reason": " "}))[0] == 400
    assert (await town.site.json("POST", "/api/calls/h-9/holds", {"reason": "x"}))[0] == 404
    lines = [one.entry for one in await store.read(read_audit, 0.0, 1e11)]
    assert [(one.action, one.actor, one.role) for one in lines] == [
        ("hold_recording", "admin", "administrator"),
        ("hold_recording", "cz-boss", "supervisor"),
        ("end_hold", "admin", "administrator"),
    ]
    assert "投诉复核中" in lines[0].zh


async def test_what_is_erased_cannot_be_held(town: Town, store: Store) -> None:
    room = town.room
    room.now = NOW + 10_000 * 86_400.0
    archivist = room.archivist()
    number = TicketNumber(town.ticket.rsplit("/", 1)[1])
    change = TicketChange(type="help", title="停水", text="停水")
    await room.records.change_ticket(number, change, CZ_AGENT, at=town.site.backend.clock())
    move = Move(TicketInput.ANSWER, text="已答复")
    await room.records.move_ticket(number, move, CZ_AGENT, at=town.site.backend.clock())
    await archivist.judge_all()
    assert await archivist.erase_due() == 1
    status, told = await town.site.json("POST", f"/api/calls/{CALL}/holds", {"reason": "晚了"})
    assert (status, told["error"]) == (409, "recording_erased")
    assert (await town.get(f"/api/calls/{CALL}/recording"))[0] == 404
