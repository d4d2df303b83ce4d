"""Raw recordings become sealed WAV files on a real disk, whatever went wrong before."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recordings import files, quiet
from recordings.files import (
    CITIZEN,
    HEARD,
    DestinationDiffers,
    DiskFull,
    EmptyRecording,
    FinishedRecording,
    MissingRecording,
    RecordingError,
    StillOpen,
    duration_of,
    finish,
    measure,
    read_leg,
    recover,
)
from recordings.naming import raw_name, voice_name

pytestmark = pytest.mark.doors

BEGUN = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def call(seconds: float = 2.0) -> bytes:
    """Citizen: a 500 Hz tone in the first half. What he hears: a 1200 Hz tone, half as loud, in the second."""
    t = np.arange(round(8000 * seconds)) / 8000
    both = np.zeros((len(t), 2))
    half = len(t) // 2
    both[:half, 0] = 8000 * np.sin(2 * np.pi * 500 * t[:half])
    both[half:, 1] = 4000 * np.sin(2 * np.pi * 1200 * t[half:])
    return both.round().astype("<i2").tobytes()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "spool" / raw_name("c-1", BEGUN)
    path.parent.mkdir()
    path.write_bytes(call())
    return path


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return tmp_path / "rec" / "2026" / "11" / "22" / "c-1.wav"


def seal(raw: Path, wav: Path) -> FinishedRecording:
    return finish(raw, wav, started_at=BEGUN)


def test_the_samples_the_legs_and_the_seal(raw: Path, wav: Path) -> None:
    done = seal(raw, wav)
    with wave.open(str(wav)) as read:
        assert (read.getnchannels(), read.getsampwidth(), read.getframerate()) == (2, 2, 8000)
        assert read.readframes(10**6) == call()
    content = wav.read_bytes()
    assert (done.sha256, done.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (done.path, done.started_at, done.duration_s) == (wav, BEGUN, 2.0)
    assert done.citizen.rms_dbfs == pytest.approx(20 * np.log10(8000 / 2**0.5 / 32768), abs=0.1)
    assert done.heard.rms_dbfs == pytest.approx(done.citizen.rms_dbfs - 6.0, abs=0.1)
    assert (done.citizen.audible_s, done.heard.audible_s) == (1.0, 1.0)
    assert done.citizen.audible
    assert done.heard.audible
    assert not raw.exists()
    assert list(wav.parent.iterdir()) == [wav]


def test_nobody_else_may_read_it(raw: Path, wav: Path) -> None:
    seal(raw, wav)
    assert wav.stat().st_mode & 0o077 == 0


def test_a_silent_leg_is_seen(raw: Path, wav: Path) -> None:
    legs = np.frombuffer(call(), "<i2").reshape(-1, 2).copy()
    legs[:, 1] = 0
    raw.write_bytes(legs.tobytes())
    done = seal(raw, wav)
    assert (done.citizen.audible, done.heard.audible) == (True, False)


@pytest.mark.parametrize("surplus", [1, 2, 3])
def test_half_a_frame_from_a_crash_is_left_out(raw: Path, wav: Path, surplus: int) -> None:
    raw.write_bytes(call() + b"\x7f" * surplus)
    assert seal(raw, wav).duration_s == 2.0
    assert wav.read_bytes()[44:] == call()


@pytest.mark.parametrize("content", [b"", b"\0", b"\0\0\0"])
def test_an_empty_recording_is_said_and_does_not_come_back(raw: Path, wav: Path, content: bytes) -> None:
    raw.write_bytes(content)
    with pytest.raises(EmptyRecording):
        seal(raw, wav)
    assert recover(raw.parent, lambda _: False) == []
    assert not wav.exists()


def test_a_missing_recording_is_said(tmp_path: Path, wav: Path) -> None:
    with pytest.raises(MissingRecording, match=r"none\.raw"):
        seal(tmp_path / "none.raw", wav)


def test_again_after_a_crash_before_the_rename(raw: Path, wav: Path) -> None:
    wav.parent.mkdir(parents=True)
    wav.with_name("c-1.wav.part").write_bytes(b"half a file" * 99999)
    assert seal(raw, wav).duration_s == 2.0
    assert wav.read_bytes()[44:] == call()
    assert list(wav.parent.iterdir()) == [wav]


def test_again_after_a_crash_before_the_raw_was_erased(raw: Path, wav: Path) -> None:
    first = seal(raw, wav)
    raw.write_bytes(call())
    inode = wav.stat().st_ino
    assert seal(raw, wav) == first
    assert not raw.exists()
    assert wav.stat().st_ino == inode


def test_again_after_all_is_done(raw: Path, wav: Path) -> None:
    assert seal(raw, wav) == seal(raw, wav)


def test_another_recording_is_never_overwritten(raw: Path, wav: Path) -> None:
    seal(raw, wav)
    before = wav.read_bytes()
    raw.write_bytes(call(3.0))
    with pytest.raises(DestinationDiffers):
        seal(raw, wav)
    assert wav.read_bytes() == before
    assert raw.read_bytes() == call(3.0)


def test_at_every_instant_one_whole_copy_is_on_the_disk(raw: Path, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real_fsync, real_rename, real_unlink = os.fsync, Path.rename, Path.unlink

    def fsync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        assert synced == ["c-1.wav.part"]
        assert self.read_bytes()[44:] == raw.read_bytes()
        return real_rename(self, target)

    def unlink(self: Path, missing_ok: bool = False) -> None:
        assert self != raw or (synced[1:] == ["22"] and wav.read_bytes()[44:] == raw.read_bytes())
        real_unlink(self, missing_ok)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(Path, "unlink", unlink)
    seal(raw, wav)
    assert not raw.exists()


def test_a_full_disk_seen_at_the_flush(raw: Path, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFull, match=r"free space in .*22"):
            seal(raw, wav)
    assert raw.read_bytes() == call()
    assert list(wav.parent.iterdir()) == []
    assert seal(raw, wav).duration_s == 2.0


FULL = """
import sys, pathlib, datetime
from recordings.files import finish, DiskFull
disk, raw = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
try:
    finish(raw, disk / "d" / "c.wav", started_at=datetime.datetime.now(datetime.UTC))
except DiskFull:
    print(raw.stat().st_size, [p.name for p in disk.rglob("*") if p.is_file()])
"""


def test_a_really_full_disk(raw: Path, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    alone = [unshare or "unshare", "-rm"]
    if unshare is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here to mount a small disk in")
    disk = tmp_path / "disk"
    disk.mkdir()
    raw.write_bytes(call(60))
    script = f'mount -t tmpfs -o size=64k none "{disk}" && "$0" -c "$1" "$2" "$3"'
    done = subprocess.run(
        [*alone, "sh", "-c", script, sys.executable, FULL, str(disk), str(raw)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])},
    )
    if "mount" in done.stderr:
        pytest.skip("mounting is forbidden here")
    assert done.stdout.strip() == f"{len(call(60))} []", done.stderr


def test_a_folder_that_cannot_be_made_is_one_clear_error(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"cannot finish c\.wav"):
        seal(raw, tmp_path / "file" / "c.wav")
    assert raw.exists()


def test_it_waits_until_asterisk_has_closed_the_file(raw: Path, wav: Path) -> None:
    writer = raw.open("ab")  # as MixMonitor: the last lump is still in its buffer
    writer.write(call(1.0))
    with pytest.raises(StillOpen):
        finish(raw, wav, started_at=BEGUN, wait_closed_s=0.05)
    assert raw.exists()
    assert not wav.exists()
    closer = threading.Timer(0.1, writer.close)
    closer.start()
    done = finish(raw, wav, started_at=BEGUN, wait_closed_s=20)
    closer.join()
    assert done.duration_s == 3.0


def test_where_the_kernel_cannot_tell_the_file_must_rest(raw: Path, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "has_writer", lambda _path: None)
    monkeypatch.setattr(quiet, "REST_S", 0.1)
    with pytest.raises(StillOpen):
        finish(raw, wav, started_at=BEGUN, wait_closed_s=0.05)
    assert finish(raw, wav, started_at=BEGUN, wait_closed_s=20).duration_s == 2.0


def test_the_kernel_knows_writers_but_not_readers(raw: Path) -> None:
    if quiet.has_writer(raw) is None:
        pytest.skip("this file system gives no leases")
    with raw.open("rb"):
        assert quiet.has_writer(raw) is False
    with raw.open("r+b"):
        assert quiet.has_writer(raw) is True
    assert quiet.has_writer(raw) is False


def test_memory_does_not_grow_with_the_call(raw: Path, wav: Path) -> None:
    with raw.open("r+b") as file:
        file.truncate(40_000_000)  # 21 minutes, sparse
    tracemalloc.start()
    try:
        done = seal(raw, wav)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert done.duration_s == 1250.0
    assert peak < 8_000_000


def test_an_instant_without_a_zone_is_refused(raw: Path, wav: Path) -> None:
    with pytest.raises(ValueError, match="zone"):
        finish(raw, wav, started_at=BEGUN.replace(tzinfo=None))


@pytest.mark.parametrize("damage", [lambda b: b[:-2], lambda b: b[:20], lambda b: b"", lambda b: b"X" + b[1:]])
def test_a_damaged_recording_is_noticed(raw: Path, wav: Path, damage: object) -> None:
    seal(raw, wav)
    wav.write_bytes(damage(wav.read_bytes()))  # type: ignore[operator]
    with pytest.raises(RecordingError):
        measure(wav, started_at=BEGUN)
    with pytest.raises(RecordingError):
        duration_of(wav)
    with pytest.raises(RecordingError):
        list(read_leg(wav, CITIZEN))


def test_legs_are_read_apart_and_by_window(raw: Path, wav: Path) -> None:
    seal(raw, wav)
    legs = np.frombuffer(call(), "<i2").reshape(-1, 2)
    assert b"".join(read_leg(wav, CITIZEN)) == legs[:, 0].tobytes()
    assert b"".join(read_leg(wav, HEARD)) == legs[:, 1].tobytes()
    assert b"".join(read_leg(wav, HEARD, 1.0, 1.5)) == legs[8000:12000, 1].tobytes()
    assert b"".join(read_leg(wav, HEARD, -3.0, 99.0)) == legs[:, 1].tobytes()
    assert list(read_leg(wav, CITIZEN, 5.0, 9.0)) == []
    assert duration_of(wav) == 2.0


def test_what_a_crash_left_is_found_oldest_first(raw: Path, tmp_path: Path) -> None:
    spool = raw.parent
    older = spool / raw_name("c-0", datetime(2026, 11, 21, 23, tzinfo=UTC))
    older.write_bytes(call()[:999])
    (spool / raw_name("live", BEGUN)).write_bytes(call())
    (spool / "somebody.raw").write_bytes(b"not ours")
    (spool / "x.wav").write_bytes(b"not ours")
    left = recover(spool, lambda call_id: call_id == "live")
    assert [(r.call_id, r.path, r.size_bytes) for r in left] == [("c-0", older, 999), ("c-1", raw, len(call()))]
    assert left[1].started_at == BEGUN
    assert recover(tmp_path / "no such spool", lambda _: False) == []
    for item in left:
        finish(item.path, tmp_path / "rec" / f"{item.call_id}.wav", started_at=item.started_at)
    assert recover(spool, lambda call_id: call_id == "live") == []


# ---------------------------------------------------------------- parties' own voices


def voice(raw: Path, after_s: float, seconds: float, hz: float = 2000.0, number: int = 1) -> Path:
    """A party's own voice beside the raw recording."""
    path = raw.parent / voice_name(raw.name, after_s, number)
    path.write_bytes((6000 * np.sin(2 * np.pi * hz * np.arange(round(8000 * seconds)) / 8000)).astype("<i2").tobytes())
    return path


def leg(wav: Path, channel: int = HEARD) -> np.ndarray:
    return np.frombuffer(b"".join(read_leg(wav, channel)), dtype="<i2")


def test_a_voice_is_put_in_where_the_leg_is_empty_and_nowhere_else(raw: Path, wav: Path) -> None:
    beside = voice(raw, 0.5, 1.0)  # the leg is empty until 1.0
    spoken = np.frombuffer(beside.read_bytes(), dtype="<i2")
    before = np.frombuffer(call(), dtype="<i2").reshape(-1, 2)
    done = seal(raw, wav)
    heard = leg(wav)
    assert not heard[:4000].any()
    assert np.array_equal(heard[4000:8000], spoken[:4000])
    assert np.array_equal(heard[8000:], before[8000:, HEARD])
    assert np.array_equal(leg(wav, CITIZEN), before[:, CITIZEN])
    assert done.filled_s == 0.5
    assert done.sha256 == hashlib.sha256(wav.read_bytes()).hexdigest()
    assert not beside.exists()


def test_nothing_is_put_into_a_pause_or_a_hold(raw: Path, wav: Path) -> None:
    voice(raw, 0.0, 1.0)
    done = finish(raw, wav, started_at=BEGUN, unheard=((0.2, 0.4), (0.6, 0.7)))
    heard = leg(wav)
    assert not heard[1600:3200].any()
    assert not heard[4800:5600].any()
    assert heard[3200:4600].any()
    assert done.filled_s == pytest.approx(0.66, abs=0.05)  # a block before each is left out too


def test_the_newest_voice_counts_and_two_never_sound_together(raw: Path, wav: Path) -> None:
    voice(raw, 0.0, 1.0, 2000)
    newest = np.frombuffer(voice(raw, 0.5, 0.4, 1600, 2).read_bytes(), dtype="<i2")
    seal(raw, wav)
    assert np.array_equal(leg(wav)[4000:7200], newest)
    assert leg(wav)[7200:8000].any()


def test_a_crash_before_the_voices_were_erased_changes_nothing(raw: Path, wav: Path, tmp_path: Path) -> None:
    copies = [raw, voice(raw, 0.5, 1.0)]
    for one in copies:
        shutil.copy(one, tmp_path / one.name)
    first = seal(raw, wav)
    for one in copies:
        shutil.copy(tmp_path / one.name, one)
    again = seal(raw, wav)  # both are there: it is the same recording
    assert (again.sha256, again.filled_s) == (first.sha256, first.filled_s)
    assert not any(one.exists() for one in copies)
    shutil.copy(tmp_path / copies[1].name, copies[1])  # the raw one was erased, and then came the crash
    assert recover(raw.parent, lambda call: True) == []
    assert copies[1].exists(), "its call lives: it may be written to"
    assert recover(raw.parent, lambda call: False) == []
    assert not copies[1].exists()


def test_a_voice_that_is_damaged_or_anothers_is_left_out(raw: Path, wav: Path) -> None:
    voice(raw, 0.5, 0.015)  # less than a block
    other = raw.parent / voice_name(raw_name("c-2", BEGUN), 0.0, 1)
    other.write_bytes(b"\1" * 1000)
    assert seal(raw, wav).filled_s == 0.0
    assert other.exists()
