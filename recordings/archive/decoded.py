"""A recording in any form as a WAV file that is read from any byte on: both legs, or one of them alone.

Nothing is decoded but what is read, so whoever jumps into the third hour of a call waits for that second only. Blocks:
call it in a worker thread, and for one reader from one thread at a time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recordings import files
from recordings.archive.form import BLOCK_FRAMES, FormError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

AHEAD_BYTES = 256 * 1024
"""Read from the archive at once: a minute of FLAC."""

_INFO = {"title": b"INAM", "artist": b"IART", "comment": b"ICMT", "date": b"ICRD", "software": b"ISFT"}
"""Names of tags in a RIFF file's LIST INFO chunk (Multimedia Programming Interface 1.0, 1991)."""


class Bytes(Protocol):
    """A file that is read from any byte on, as `recordings.archive.archive.ArchivedFile`."""

    size: int

    @property
    def read(self) -> Callable[[int, int], bytes]:
        """Gives up to so many bytes from a position."""
        ...


class _Stream(io.RawIOBase):
    """The same as libsndfile wants it. An error within its callbacks would be swallowed: it waits in `failed`."""

    def __init__(self, given: Bytes) -> None:
        self._given, self._at = given, 0
        self.failed: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._given.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._given.size - self._at)
        if length <= 0 or self.failed is not None:
            return 0
        try:
            data = self._given.read(self._at, length)
        except Exception as error:
            self.failed = error
            return 0
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def wav_head(frames: int, legs: int, tags: Mapping[str, str] | None = None) -> bytes:
    """What stands before the samples of a WAV file of 16 bit at 8 kHz. Raises FormError above 4 GiB."""
    data = frames * legs * 2
    info = b""
    for name, value in (tags or {}).items():
        text = value.encode() + b"\0"
        info += struct.pack("<4sI", _INFO[name], len(text)) + text + b"\0" * (len(text) % 2)
    extra = struct.pack("<4sI4s", b"LIST", 4 + len(info), b"INFO") + info if info else b""
    if 36 + len(extra) + data > 0xFFFF_FFFF:
        raise FormError("the recording is longer than a WAV file can be (4 GiB)")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, legs, files.RATE, files.RATE * legs * 2, legs * 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + len(extra) + data, b"WAVE")
    return riff + form + extra + struct.pack("<4sI", b"data", data)


class DecodedWav:
    """See the module. `size` in bytes; `close` it."""

    def __init__(self, source: Path | Bytes, leg: int | None = None) -> None:
        """`leg`: `files.CITIZEN`, `files.HEARD`, or None for both. Raises FormError, RecordingError, and what `source`
        raises."""
        import soundfile

        self._stream: _Stream | None = None
        if isinstance(source, Path):
            files.duration_of(source)  # a cut file would be taken for a shorter call
            opened: Any = source
        else:
            self._stream = _Stream(source)
            opened = io.BufferedReader(self._stream, AHEAD_BYTES)
        try:
            self._sound = soundfile.SoundFile(opened)
        except soundfile.LibsndfileError as error:
            self._raise()
            raise FormError(f"the recording cannot be read: {error.error_string}") from error
        if (self._sound.samplerate, self._sound.channels) != (files.RATE, files.CHANNELS):
            raise FormError("not a recording of this hotline: two legs at 8 kHz are")
        self._leg = leg
        self.frames = int(self._sound.frames)
        self.legs = files.CHANNELS if leg is None else 1
        self._head = wav_head(self.frames, self.legs)
        self.size = len(self._head) + self.frames * self.legs * 2

    def read(self, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`; fewer only at the end. Raises FormError, and what the source raises."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        parts = [self._head[start:end]]
        first, last = (max(0, one - len(self._head)) for one in (start, end))
        if first < last:
            step = self.legs * 2
            frame = first // step
            data = self.samples(frame, -(-last // step) - frame).tobytes()
            parts.append(data[first - frame * step : last - frame * step])
        return b"".join(parts)

    def samples(self, first: int, count: int) -> npt.NDArray[np.int16]:
        """So many frames from one on, by legs. Raises as `read` does."""
        import soundfile

        try:
            if self._sound.tell() != first:
                self._sound.seek(first)
            block: npt.NDArray[np.int16] = self._sound.read(count, dtype="int16", always_2d=True)
        except soundfile.LibsndfileError as error:
            self._raise()
            raise FormError(f"the recording cannot be read: {error.error_string}") from error
        self._raise()
        if len(block) != count:
            raise FormError("the recording is shorter than it says")
        return block if self._leg is None else block[:, [self._leg]]

    def blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """All of it, ten seconds at a time. Raises as `read` does."""
        for first in range(0, self.frames, BLOCK_FRAMES):
            yield self.samples(first, min(BLOCK_FRAMES, self.frames - first))

    def _raise(self) -> None:
        if self._stream is not None and self._stream.failed is not None:
            raise self._stream.failed

    def close(self) -> None:
        """Let go of the file."""
        self._sound.close()
