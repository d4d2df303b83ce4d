"""Recordings into the archive and out again: coded, sealed, on shelves of folders and of a real S3 server."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import files
from recordings.archive import form as forms
from recordings.archive import sealing
from recordings.archive.archive import Archive
from recordings.archive.form import Form, FormError
from recordings.archive.keys import KeyFault, KeyRing, SealingKey, new_key, parse_keys, read_key_file
from recordings.archive.object_shelf import ObjectShelf, ObjectStorePlace
from recordings.archive.peaks import SAMPLES_PER_POINT
from recordings.archive.sealing import PIECE_BYTES, SealedReader, Tampered, UnknownKey
from recordings.archive.shelf import (
    FolderShelf,
    KeyTaken,
    NotOnShelf,
    Shelf,
    ShelfAway,
    ShelfError,
    ShelfFull,
    UnsafeKey,
)

pytestmark = pytest.mark.doors

NAME = PurePosixPath("2026/11/22/1795310400.17.wav")
KEY = SealingKey(bytes(range(32)))
OLD = SealingKey(bytes(range(1, 33)))


def sound(seconds: float) -> np.ndarray:
    """Citizen 500 Hz in the first half, what he hears 1200 Hz in the second, over line noise."""
    t = np.arange(round(8000 * seconds)) / 8000
    both = np.random.default_rng(7).normal(0, 20, (len(t), 2))
    half = len(t) // 2
    both[:half, 0] += 8000 * np.sin(2 * np.pi * 500 * t[:half])
    both[half:, 1] += 4000 * np.sin(2 * np.pi * 1200 * t[half:])
    return both.round().astype("<i2")


def finished(folder: Path, seconds: float = 3.0) -> Path:
    raw, wav = folder / "spool.raw", folder / "call.wav"
    raw.write_bytes(sound(seconds).tobytes())
    files.finish(raw, wav, started_at=datetime(2026, 11, 22, tzinfo=UTC))
    return wav


# ---------------------------------------------------------------- sealing


def sealed_file(folder: Path, plain: bytes, key: SealingKey = KEY) -> bytes:
    source, target = folder / f"plain{len(plain)}", folder / f"sealed{len(plain)}"
    source.write_bytes(plain)
    target.unlink(missing_ok=True)
    sealing.seal(source, target, key)
    return target.read_bytes()


def reader(data: bytes, *keys: SealingKey) -> SealedReader:
    return SealedReader(lambda start, length: data[start : start + length], {key.id: key for key in keys or (KEY,)})


def read_whole(data: bytes) -> bytes:
    opened = reader(data)
    return opened.read(0, opened.size)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 200_000])
def test_a_sealed_file_is_read_from_any_byte_on(tmp_path: Path, size: int) -> None:
    plain = Random(size).randbytes(size)
    data = sealed_file(tmp_path, plain)
    assert len(data) == sealing.sealed_size(size)
    assert plain[:40] not in data or size < 8
    opened = reader(data, OLD, KEY)
    assert opened.size == size
    random = Random(1)
    for _ in range(50):
        start, length = random.randrange(size + 1), random.randrange(size + 10)
        assert opened.read(start, length) == plain[start : start + length]


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_is_changed_in_a_sealed_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = data.draw(st.sampled_from([1, 100, PIECE_BYTES, 2 * PIECE_BYTES + 5]))
    plain = Random(size).randbytes(size)
    good = sealed_file(tmp_path_factory.mktemp("seal"), plain)
    step, begin = PIECE_BYTES + 16, sealing.HEADER_BYTES
    pieces = [good[begin + n * step : begin + (n + 1) * step] for n in range(-(-(len(good) - begin) // step))]
    way = data.draw(st.sampled_from(["bit", "cut", "whole piece cut", "swap", "twice"]))
    if way == "bit":
        at = data.draw(st.integers(0, len(good) - 1))
        bad = good[:at] + bytes([good[at] ^ 1 << data.draw(st.integers(0, 7))]) + good[at + 1 :]
    elif way == "cut":
        bad = good[: data.draw(st.integers(0, len(good) - 1))]
    elif way == "whole piece cut":
        bad = good[:begin] + b"".join(pieces[:-1])
    elif way == "swap" and len(pieces) > 1:
        bad = good[:begin] + pieces[1] + pieces[0] + b"".join(pieces[2:])
    else:
        bad = good[:begin] + b"".join(pieces[:1] * len(pieces)) + b"\0"
        if len(pieces) == 1:
            return  # a byte behind the end is never read
    with pytest.raises((Tampered, UnknownKey)):
        read_whole(bad)


def test_two_files_of_the_same_bytes_do_not_look_alike_and_another_key_opens_neither(tmp_path: Path) -> None:
    first = sealed_file(tmp_path, b"x" * 5000)
    second = sealed_file(tmp_path, b"x" * 5000)
    assert first[40:] != second[40:]
    with pytest.raises(UnknownKey, match=KEY.id.hex()):
        reader(first, OLD)
    forged = SealingKey(b"z" * 32)
    object.__setattr__(forged, "id", KEY.id)
    with pytest.raises(Tampered):
        reader(first, forged).read(0, 10)


def test_keys_are_read_and_faults_never_show_one(tmp_path: Path) -> None:
    one, two = new_key(), new_key()
    ring = parse_keys(f"# 2026\n{one}\n{two} {one}\n", "HOTLINE_RECORDING_KEYS")
    assert len(ring.keys) == 2
    assert ring.writing == ring.keys[0]
    assert "secret" not in repr(ring)
    for text in ("", "# nothing\n", "AAAA", one[:-4], "not base64 at all"):
        with pytest.raises(KeyFault, match="HOTLINE_RECORDING_KEYS") as fault:
            parse_keys(text, "HOTLINE_RECORDING_KEYS")
        assert not text.strip() or text.startswith("#") or text not in str(fault.value)
    path = tmp_path / "keys"
    path.write_text(one)
    path.chmod(0o644)
    with pytest.raises(KeyFault, match="chmod 600"):
        read_key_file(path)
    path.chmod(0o600)
    assert read_key_file(path).writing == ring.writing
    with pytest.raises(KeyFault, match="No such file"):
        read_key_file(tmp_path / "none")


# ---------------------------------------------------------------- form


def test_flac_holds_every_sample_and_opus_is_small_and_as_loud(tmp_path: Path) -> None:
    wav = finished(tmp_path, 30.0)
    flac = forms.encode(wav, tmp_path / "a.flac", Form.FLAC)
    assert np.concatenate(list(forms.blocks(flac.path))).tobytes() == sound(30.0).tobytes()
    assert flac.size_bytes < wav.stat().st_size * 0.7
    assert flac.sha256 == hashlib.sha256(flac.path.read_bytes()).hexdigest()
    opus = forms.encode(wav, tmp_path / "a.opus", Form.OPUS)
    assert 24 < opus.size_bytes * 8 / 30 / 1000 < 40, "32 kbit/s are meant"
    legs = np.concatenate(list(forms.blocks(opus.path))).astype(float)
    alone = legs[8000 : 14 * 8000], legs[16 * 8000 : 29 * 8000]
    for half, silent in zip(alone, (1, 0), strict=True):
        leak = 20 * np.log10(np.sqrt(np.square(half[:, silent]).mean()) / 32768)
        assert leak < -60, "who speaks alone is not heard on the other's leg"
    plain = forms.encode(wav, tmp_path / "b.wav", Form.WAV)
    assert plain.path.read_bytes() == wav.read_bytes()


def test_a_coder_that_lies_is_found_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wav = finished(tmp_path, 12.0)
    true = forms.blocks

    def cut(path: Path) -> Iterator[np.ndarray]:
        yield from list(true(path))[: -1 if path == wav and not cut_done else None]

    cut_done: list[int] = []
    monkeypatch.setattr(forms, "blocks", cut)
    monkeypatch.setattr(forms, "_check", lambda *given: (cut_done.append(1), check(*given))[1])
    check = _true_check
    for form in (Form.FLAC, Form.OPUS):
        cut_done.clear()
        with pytest.raises(FormError):
            forms.encode(wav, tmp_path / "out", form)
        assert not (tmp_path / "out").exists()


_true_check = forms._check


def test_what_is_no_sound_is_said_clearly(tmp_path: Path) -> None:
    noise = tmp_path / "noise.flac"
    noise.write_bytes(os.urandom(1000))
    with pytest.raises(FormError):
        list(forms.blocks(noise))


# ---------------------------------------------------------------- shelves


@pytest.fixture(scope="module")
def s3() -> Iterator[int]:
    """A real HTTP server that speaks S3; its port."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/recordings", method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
    yield port
    server.stop()


def object_shelf(port: int, prefix: str, bucket: str = "recordings") -> ObjectShelf:
    place = ObjectStorePlace(f"http://127.0.0.1:{port}", bucket, "key", "secret", prefix=prefix, retry_s=1)
    return ObjectShelf(place)


@pytest.fixture(params=["folders", "objects"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folders":
        return FolderShelf(tmp_path / "archive")
    return object_shelf(request.getfixturevalue("s3"), f"city/{os.urandom(4).hex()}")


def test_a_shelf_keeps_whole_files_once(shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(Random(3).randbytes(6_000_000))  # two parts of an upload
    key = "2026/11/22/a-1.flac"
    assert shelf.size(key) is None
    assert not shelf.erase(key)
    with pytest.raises(NotOnShelf):
        shelf.read(key, 0, 10)
    shelf.put(key, file)
    shelf.put(key, file)
    assert shelf.size(key) == 6_000_000
    assert shelf.read(key, 5_999_990, 100) == file.read_bytes()[-10:]
    assert shelf.read(key, 100, 1000) == file.read_bytes()[100:1100]
    file.write_bytes(b"another")
    with pytest.raises(KeyTaken):
        shelf.put(key, file)
    assert shelf.erase(key)
    assert shelf.size(key) is None
    shelf.put(key, file)
    assert shelf.read(key, 0, 100) == b"another"


@pytest.mark.parametrize(
    "key", ["../a", "/etc/passwd", "a//b", "a/../../b", "", "a/.b", "a\\b", "a\0b", "数/1", "a" * 200]
)
def test_no_key_leads_out_of_the_shelf(shelf: Shelf, tmp_path: Path, key: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for deed in (lambda: shelf.put(key, file), lambda: shelf.size(key), lambda: shelf.read(key, 0, 1)):
        with pytest.raises(UnsafeKey):
            deed()
    with pytest.raises(UnsafeKey):
        shelf.erase(key)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "2026").symlink_to(tmp_path)
    (tmp_path / "secret").write_bytes(b"x")
    with pytest.raises(UnsafeKey):
        FolderShelf(tmp_path / "archive").read("2026/secret", 0, 1)


def test_a_full_disk_leaves_nothing_and_the_next_try_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    shelf = FolderShelf(tmp_path / "archive")
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(ShelfFull):
            shelf.put("2026/a", file)
    assert [one for one in (tmp_path / "archive").rglob("*") if one.is_file()] == []
    shelf.put("2026/a", file)
    assert shelf.size("2026/a") == 100


def test_an_object_store_that_is_away_or_has_no_bucket(s3: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = object_shelf(free.getsockname()[1], "p")
        for deed in (lambda: away.put("a", file), lambda: away.size("a"), lambda: away.read("a", 0, 1)):
            with pytest.raises(ShelfAway):
                deed()
    with pytest.raises(ShelfError, match="no bucket named nowhere"):
        object_shelf(s3, "p", bucket="nowhere").put("a", file)


def test_an_object_store_that_answers_never_is_left_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = ObjectStorePlace(
            f"http://127.0.0.1:{mute.getsockname()[1]}", "b", "k", "s", connect_s=0.5, timeout_s=0.5, retry_s=0.5
        )
        done = threading.Event()

        def ask() -> None:
            with pytest.raises(ShelfAway):
                ObjectShelf(place).size("a")
            done.set()

        threading.Thread(target=ask, daemon=True).start()
        assert done.wait(30)


# ---------------------------------------------------------------- archive


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("ring", [None, KeyRing((KEY,))], ids=["plain", "sealed"])
def test_a_recording_goes_in_and_comes_out(shelf: Shelf, tmp_path: Path, form: Form, ring: KeyRing | None) -> None:
    wav = finished(tmp_path)
    archive = Archive(shelf, form, ring, tmp_path / "work")
    made = archive.put(wav, NAME)
    assert made.key.startswith("2026/11/22/1795310400.17")
    assert made.key_id == (KEY.id.hex() if ring else "")
    again = archive.put(wav, NAME)
    assert replace(again, sha256="") == replace(made, sha256=""), "once more is harmless"
    made = again
    assert list((tmp_path / "work").iterdir()) == []
    file = archive.open(made)
    whole = b"".join(file.chunks(0, file.size))
    assert hashlib.sha256(whole).hexdigest() == made.sha256
    assert b"".join(file.chunks(1000, 3000)) == whole[1000:3000]
    if ring is not None:
        assert whole[:64] not in shelf.read(made.key, 0, 4096)
    points = np.frombuffer(archive.peaks(made)[24:], np.int8).reshape(-1, 2, 2)
    expected = sound(3.0).reshape(-1, SAMPLES_PER_POINT, 2)
    assert len(points) == 30
    assert (points[:, :, 1] == expected.max(axis=1) // 256).all()
    assert (points[:, :, 0] == expected.min(axis=1) // 256).all()
    assert archive.erase(made)
    assert not archive.erase(made)
    with pytest.raises(NotOnShelf):
        archive.open(made)


def test_an_old_key_still_opens_and_a_lost_one_is_named(tmp_path: Path) -> None:
    wav, shelf = finished(tmp_path), FolderShelf(tmp_path / "archive")
    made = Archive(shelf, Form.FLAC, KeyRing((OLD,)), tmp_path / "work").put(wav, NAME)
    assert Archive(shelf, Form.FLAC, KeyRing((KEY, OLD)), tmp_path / "work").open(made).size == made.size_bytes
    for ring in (None, KeyRing((KEY,))):
        with pytest.raises(UnknownKey, match=OLD.id.hex()):
            Archive(shelf, Form.FLAC, ring, tmp_path / "work").open(made)


def test_what_an_interrupted_try_left_is_replaced(tmp_path: Path) -> None:
    wav, shelf = finished(tmp_path), FolderShelf(tmp_path / "archive")
    archive = Archive(shelf, Form.FLAC, KeyRing((KEY,)), tmp_path / "work")
    made = archive.put(wav, NAME)
    path = tmp_path / "archive" / made.key
    path.write_bytes(path.read_bytes()[:100])
    (tmp_path / "work" / "tmpleft").mkdir()
    (tmp_path / "work" / "tmpleft" / "coded").write_bytes(b"half")
    archive.clear()
    assert list((tmp_path / "work").iterdir()) == []
    assert archive.put(wav, NAME) == made
    file = archive.open(made)
    assert hashlib.sha256(file.read(0, file.size)).hexdigest() == made.sha256


def test_a_truncated_recording_is_refused_and_kept(tmp_path: Path) -> None:
    wav = finished(tmp_path)
    wav.write_bytes(wav.read_bytes()[:-6])
    with pytest.raises(files.RecordingError):
        Archive(FolderShelf(tmp_path / "archive"), Form.FLAC, None, tmp_path / "work").put(wav, NAME)
    assert wav.exists()
    assert not (tmp_path / "archive").exists()
    assert list((tmp_path / "work").iterdir()) == []
