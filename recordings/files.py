"""DOOR to the disk: a raw recording becomes a sealed WAV file, measured on the way.

Asterisk's MixMonitor with option `D` writes a headerless file: stereo, signed 16 bit little endian, 8 kHz,
left what the caller says, right what the caller hears (shared/asterisk.md section 5). Here it becomes a WAV
of the same samples: written beside its place as `.part`, flushed to the disk, renamed, and only then is the
raw file erased, so at every instant at least one whole copy exists. Everything blocks: call it in a worker
thread.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from recordings.levels import LegLevel, LevelMeter, LevelRule, Loudness
from recordings.naming import UnsafeName, parse_raw_name
from recordings.quiet import wait_until_closed
from recordings.voices import Span, Voices, left_voices

log = logging.getLogger(__name__)

RATE = 8000
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS
HEADER_BYTES = 44
CHUNK_BYTES = RATE * FRAME_BYTES * 8
"""Read at a time (8 s of audio, whole blocks of `recordings.voices`): what bounds the memory, however long the call."""
MAX_DATA_BYTES = 0xFFFF_FFFF - HEADER_BYTES
"""RIFF counts in 32 bits: 37 hours of a call."""

CITIZEN, HEARD = 0, 1
"""Channel numbers: the citizen's voice, and what the citizen hears (agent, third party, prompts, music)."""


class RecordingError(Exception):
    """A recording cannot be finished; the message is one sentence that can be shown. No audio has been lost
    by it.
    """


class MissingRecording(RecordingError):
    """Neither the raw file nor the finished one exists."""


class EmptyRecording(RecordingError):
    """The raw file held not one sample; it is erased, so that it is not found again."""


class StillOpen(RecordingError):
    """Asterisk is still writing the raw file."""


class DiskFull(RecordingError):
    """No room for the finished file; the raw one is kept and `finish` can be called again."""


class DestinationDiffers(RecordingError):
    """Another recording lies at the destination; both files are kept."""


@dataclass(frozen=True, slots=True)
class FinishedRecording:
    """A sealed recording. `sha256` (hex) is of the whole WAV file; `heard` is the leg that the caller
    hears. `filled_s`: so much of it comes from parties' own voices (`recordings.voices`).
    """

    path: Path
    started_at: datetime
    duration_s: float
    size_bytes: int
    sha256: str
    citizen: LegLevel
    heard: LegLevel
    loudness: Loudness | None = field(default=None, repr=False, compare=False)
    filled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftRaw:
    """A raw recording without a live call, left behind by a crash; ready for `finish`."""

    path: Path
    call_id: str
    started_at: datetime
    size_bytes: int


@dataclass(slots=True)
class _Seal:
    """Digest and levels of a file of which the header and each chunk pass by."""

    rule: LevelRule
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    meter: LevelMeter = field(init=False)
    data_bytes: int = 0

    def __post_init__(self) -> None:
        self.meter = LevelMeter(CHANNELS, RATE, self.rule)

    def pass_by(self, chunk: bytes) -> bytes:
        self.digest.update(chunk)
        self.meter.feed(chunk)
        self.data_bytes += len(chunk)
        return chunk

    def finished(self, path: Path, started_at: datetime) -> FinishedRecording:
        citizen, heard = self.meter.levels()
        return FinishedRecording(
            path=path,
            started_at=started_at,
            duration_s=self.data_bytes / (RATE * FRAME_BYTES),
            size_bytes=HEADER_BYTES + self.data_bytes,
            sha256=self.digest.hexdigest(),
            citizen=citizen,
            heard=heard,
            loudness=self.meter.loudness(),
        )


def wav_header(data_bytes: int) -> bytes:
    """The 44 bytes before the samples: RIFF, PCM, stereo, 8 kHz, 16 bit. RecordingError above 4 GiB."""
    if data_bytes > MAX_DATA_BYTES:
        raise RecordingError("the recording is longer than a WAV file can be (4 GiB, 37 hours)")
    fmt = struct.pack("<HHIIHH", 1, CHANNELS, RATE, RATE * FRAME_BYTES, FRAME_BYTES, 16)
    riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE")
    return riff + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + struct.pack("<4sI", b"data", data_bytes)


def finish(
    raw: Path,
    destination: Path,
    *,
    started_at: datetime,
    levels: LevelRule | None = None,
    wait_closed_s: float = 5.0,
    unheard: Iterable[Span] = (),
) -> FinishedRecording:
    """Seal a raw recording as a WAV file at `destination` and erase the raw one.

    `started_at` (with a zone, else ValueError) is carried into the result. Parties' own voices that lie beside it are
    put in where the leg that the caller hears is empty, but for the spans `unheard` (`recordings.voices.Voices`). Waits
    up to `wait_closed_s` seconds for Asterisk to close the raw file. Bytes that do not fill a frame (a crash amid a
    write) are left out.

    May be called again after any failure or crash: a `.part` left over is overwritten; with the finished
    file there and the raw one gone, the finished file is measured again; with both there, the raw one and its
    voices are erased if they are the same recording. Raises one of RecordingError's kinds, and never OSError.
    """
    if started_at.tzinfo is None:
        raise ValueError("started_at needs a time zone")
    rule = levels or LevelRule()
    with _said_clearly(destination):
        if not raw.exists():
            if destination.exists():
                return measure(destination, started_at=started_at, levels=rule)
            raise MissingRecording(f"no recording was made: {raw.name} does not exist")
        if not wait_until_closed(raw, wait_closed_s):
            raise StillOpen(f"{raw.name} is still being written after {wait_closed_s:g} s")
        with raw.open("rb") as source, Voices(raw, unheard, wait_closed_s=wait_closed_s) as voices:
            data_bytes = os.fstat(source.fileno()).st_size // FRAME_BYTES * FRAME_BYTES
            if data_bytes == 0:
                raw.unlink()
                voices.erase()
                raise EmptyRecording(f"{raw.name} holds no audio; it was erased")
            if destination.exists():
                sealed = _compare(source, data_bytes, destination, started_at, rule, voices)
            else:
                sealed = _write(source, data_bytes, destination, started_at, rule, voices)
            raw.unlink()
            voices.erase()
            sealed = replace(sealed, filled_s=round(voices.filled_s, 2))
    log.info("recording sealed", extra={"action": "recording.sealed", "bytes": sealed.size_bytes})
    return sealed


@contextmanager
def _said_clearly(destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room on the disk for {destination.name}; the raw recording is kept: free space in "
                f"{destination.parent} and it will be finished"
            ) from error
        raise RecordingError(f"cannot finish {destination.name}: {error.strerror or error}") from error


def _chunks(source: BinaryIO, data_bytes: int, voices: Voices | None = None) -> Iterator[bytes]:
    left = data_bytes
    while left:
        chunk = source.read(min(CHUNK_BYTES, left))
        if len(chunk) % FRAME_BYTES or not chunk:
            raise RecordingError("the recording became shorter while it was read")
        at = (data_bytes - left) // FRAME_BYTES
        left -= len(chunk)
        yield chunk if voices is None else voices.fill(chunk, at)


def _write(
    source: BinaryIO, data_bytes: int, destination: Path, started_at: datetime, rule: LevelRule, voices: Voices
) -> FinishedRecording:
    destination.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = destination.with_name(destination.name + ".part")
    seal = _Seal(rule)
    header = wav_header(data_bytes)
    seal.digest.update(header)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            target.write(header)
            for chunk in _chunks(source, data_bytes, voices):
                target.write(seal.pass_by(chunk))
            target.flush()
            os.fsync(target.fileno())
        part.rename(destination)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(destination.parent)
    return seal.finished(destination, started_at)


def _compare(
    source: BinaryIO, data_bytes: int, destination: Path, started_at: datetime, rule: LevelRule, voices: Voices
) -> FinishedRecording:
    would_be = hashlib.sha256(wav_header(data_bytes))
    for chunk in _chunks(source, data_bytes, voices):
        would_be.update(chunk)
    there = measure(destination, started_at=started_at, levels=rule)
    if there.sha256 != would_be.hexdigest():
        raise DestinationDiffers(f"another recording lies at {destination.name}; both files are kept")
    return there


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_wav(path: Path) -> tuple[BinaryIO, int]:
    """Open a WAV of the one form this room writes, at its first sample; raises RecordingError for another."""
    source = path.open("rb")
    try:
        header = source.read(HEADER_BYTES)
        data_bytes = os.fstat(source.fileno()).st_size - HEADER_BYTES
        if data_bytes < 0 or data_bytes % FRAME_BYTES or header != wav_header(data_bytes):
            raise RecordingError(f"{path.name} is not a whole recording of this hotline")
    except BaseException:
        source.close()
        raise
    return source, data_bytes


def measure(path: Path, *, started_at: datetime, levels: LevelRule | None = None) -> FinishedRecording:
    """Digest, length and levels of a finished recording; RecordingError if it is damaged or missing."""
    seal = _Seal(levels or LevelRule())
    with _said_clearly(path):
        source, data_bytes = _open_wav(path)
        with source:
            seal.digest.update(wav_header(data_bytes))
            for chunk in _chunks(source, data_bytes):
                seal.pass_by(chunk)
    return seal.finished(path, started_at)


def duration_of(path: Path) -> float:
    """Seconds of a finished recording, from its header; raises RecordingError if it is damaged or missing."""
    with _said_clearly(path):
        source, data_bytes = _open_wav(path)
        source.close()
    return data_bytes / (RATE * FRAME_BYTES)


def read_leg(path: Path, channel: int, start_s: float = 0.0, end_s: float | None = None) -> Iterator[bytes]:
    """One leg's samples (mono, 16 bit little endian, 8 kHz) between two instants, in chunks of 0.2 s.

    `channel` is CITIZEN or HEARD. Instants outside the recording are cut to it. Raises RecordingError if
    the file is damaged or missing.
    """
    step = RATE // 5 * FRAME_BYTES
    with _said_clearly(path):
        source, data_bytes = _open_wav(path)
        with source:
            first = min(max(0, round(start_s * RATE) * FRAME_BYTES), data_bytes)
            last = data_bytes if end_s is None else min(round(end_s * RATE) * FRAME_BYTES, data_bytes)
            source.seek(HEADER_BYTES + first)
            while first < last:
                chunk = source.read(min(step, last - first))
                if not chunk:
                    raise RecordingError("the recording became shorter while it was read")
                first += len(chunk)
                yield memoryview(chunk).cast("h")[channel::CHANNELS].tobytes()


def recover(spool: Path, is_live: Callable[[str], bool]) -> list[LeftRaw]:
    """Raw recordings in Asterisk's spool whose call is over, oldest first: what a crash left to be
    finished.

    `is_live(call_id)` says whether that call still runs (its file is still growing). Files of other names
    are not ours and are left alone. A spool that does not exist yet holds nothing.
    """
    left: list[LeftRaw] = []
    for path in spool.glob("*.raw") if spool.is_dir() else ():
        try:
            name = parse_raw_name(path.name)
            size = path.stat().st_size
        except (UnsafeName, FileNotFoundError):
            continue
        if not is_live(name.call_id):
            left.append(LeftRaw(path, name.call_id, name.started_at, size))
    for path, raw in left_voices(spool):
        if not is_live(parse_raw_name(raw).call_id):
            path.unlink(missing_ok=True)
            log.info("a voice erased whose recording is sealed", extra={"action": "recording.voice_erased"})
    return sorted(left, key=lambda raw: (raw.started_at, raw.call_id))
