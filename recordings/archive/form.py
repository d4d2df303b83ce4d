"""From the sealed WAV to the archive's form: FLAC without loss, or Opus; and checked before the WAV may go.

Blocks, and takes a core for a while (FLAC about 1/4000 of the call's length, Opus about 1/100, shared/speech.md
section 5): call it in a worker thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recordings import files
from recordings.levels import LevelMeter, LevelRule

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BLOCK_FRAMES = files.RATE * 10
OPUS_SLACK_S = 0.1
"""Opus counts in frames of 20 ms and libsndfile fills its last one: so much may the length differ."""
OPUS_LEVEL_SLACK_DB = 3.0
"""A leg's level in Opus against the WAV's: speech coding changes it by tenths of a decibel."""


class Form(StrEnum):
    """How an archived recording is coded."""

    WAV = "wav"
    """As it was sealed: PCM, 115 MB an hour."""
    FLAC = "flac"
    """Every sample as it was (RFC 9639); about a third of the WAV: while a recording may be evidence."""
    OPUS = "opus"
    """RFC 6716 in Ogg (RFC 7845), 32 kbit/s for both legs; about an eighth of the WAV.

    Not the 24 kbit/s that one might take: there the coder joins the legs, and who spoke alone is heard at up to
    -39 dBFS on the other's leg; at 32 kbit/s it is below -60 dBFS (`docs/measurements.md`).
    """

    @property
    def suffix(self) -> str:
        """Of the file's name."""
        return {Form.WAV: ".wav", Form.FLAC: ".flac", Form.OPUS: ".opus"}[self]

    @property
    def media_type(self) -> str:
        """For HTTP (RFC 9639 section 12, RFC 7845 section 9)."""
        return {Form.WAV: "audio/wav", Form.FLAC: "audio/flac", Form.OPUS: "audio/ogg; codecs=opus"}[self]


class FormError(Exception):
    """The recording could not be coded, or the coded file does not hold what the WAV holds. The WAV is kept."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded recording: its file, bytes and SHA-256 (hex)."""

    path: Path
    form: Form
    size_bytes: int
    sha256: str


_WAYS: dict[Form, dict[str, Any]] = {
    Form.FLAC: {"format": "FLAC", "subtype": "PCM_16", "compression_level": 0.5},
    # libsndfile's level runs from 256 kbit/s a channel (0) down to 6 (1): .962 is 32 kbit/s for both (measured).
    Form.OPUS: {"format": "OGG", "subtype": "OPUS", "compression_level": 0.962},
}


def encode(wav: Path, target: Path, form: Form, *, tags: dict[str, str] | None = None) -> Coded:
    """Code a finished recording into `target`, which is written anew, and check it against the WAV.

    FLAC is decoded again and must hold the same samples, Opus the same length and the same loudness on each leg.
    `tags`: title, artist, comment and the like, for whoever plays the file. Raises FormError (nothing is left at
    `target`), RecordingError for a damaged WAV, OSError for a full disk.
    """
    files.duration_of(wav)  # the header must fit the length: soundfile would take what is there of a cut file
    try:
        if form is Form.WAV:
            _copy(wav, target)
        else:
            with _said():
                _write(wav, target, _WAYS[form], tags or {})
            _check(wav, target, form)
        digest = hashlib.sha256()
        with target.open("rb") as coded:
            while chunk := coded.read(files.CHUNK_BYTES):
                digest.update(chunk)
        return Coded(target, form, target.stat().st_size, digest.hexdigest())
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy(wav: Path, target: Path) -> None:
    with wav.open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(files.CHUNK_BYTES):
            copy.write(chunk)


def _write(wav: Path, target: Path, way: dict[str, Any], tags: dict[str, str]) -> None:
    import soundfile

    with soundfile.SoundFile(target, "w", files.RATE, files.CHANNELS, **way) as out:
        for name, value in tags.items():
            setattr(out, name, value)
        for block in blocks(wav):
            out.write(block)


def blocks(path: Path) -> Iterator[npt.NDArray[np.int16]]:
    """The samples of a recording in any form, ten seconds at a time: frames by legs. Raises FormError."""
    import soundfile

    with _said(), soundfile.SoundFile(path) as sound:
        if (sound.samplerate, sound.channels) != (files.RATE, files.CHANNELS):
            raise FormError("not a recording of this hotline: two legs at 8 kHz are")
        while len(block := sound.read(BLOCK_FRAMES, dtype="int16")):
            yield block


def _measured(path: Path) -> tuple[int, str, tuple[float, ...]]:
    """Frames, SHA-256 of the samples, and the level of each leg."""
    frames, digest = 0, hashlib.sha256()
    meter = LevelMeter(files.CHANNELS, files.RATE, LevelRule())
    for block in blocks(path):
        data = block.tobytes()
        frames += len(block)
        digest.update(data)
        meter.feed(data)
    return frames, digest.hexdigest(), tuple(leg.rms_dbfs if leg.audible else 0.0 for leg in meter.levels())


def _check(wav: Path, target: Path, form: Form) -> None:
    """FormError unless the coded file holds what the WAV holds."""
    given, coded = _measured(wav), _measured(target)
    if form is Form.FLAC:
        if given[:2] != coded[:2]:
            raise FormError("the FLAC file does not hold the samples of the recording")
        return
    if abs(given[0] - coded[0]) > OPUS_SLACK_S * files.RATE:
        raise FormError(
            f"the Opus file is {coded[0] / files.RATE:.1f} s long, the recording {given[0] / files.RATE:.1f} s"
        )
    if any(abs(a - b) > OPUS_LEVEL_SLACK_DB for a, b in zip(given[2], coded[2], strict=True)):
        raise FormError("a leg of the Opus file is not as loud as in the recording")


@contextmanager
def _said() -> Iterator[None]:
    import soundfile

    try:
        yield
    except soundfile.LibsndfileError as error:
        raise FormError(f"the recording cannot be read or coded: {error.error_string}") from error
