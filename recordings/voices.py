"""DOOR to the disk: parties' own voices, where the call's recording has lost them.

Debian's Asterisk drops sound on its way into a recording when another party speaks than before (docs/recordings.md);
the caller hears it all the same. So each party's own voice is recorded beside, from his own channel, and put into the
leg that the caller hears, in blocks of 20 ms, only where that leg holds nothing at all: A-law, as telephones send it,
has no sample of zero, so a block of zeros is one that did not get there. What is not lost is never touched. Everything
blocks: call it in a worker thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from recordings.naming import UnsafeName, parse_voice_name
from recordings.quiet import wait_until_closed

log = logging.getLogger(__name__)

RATE = 8000
BLOCK = RATE // 50
"""Samples that Asterisk's MixMonitor writes together, 20 ms."""
_SILENT = bytes(2 * BLOCK)
_HEARD = 1
"""Number of the leg that the caller hears, of two."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Voice:
    descriptor: int
    first: int  #: sample of the call's recording at which it begins
    samples: int

    def block(self, at: int) -> bytes | None:
        """Its block for the one of the recording that begins at sample `at`; None where it has none or is silent."""
        inside = at - self.first
        if not 0 <= inside <= self.samples - BLOCK:
            return None
        found = os.pread(self.descriptor, 2 * BLOCK, 2 * inside)
        return found if len(found) == 2 * BLOCK and found != _SILENT else None


def voices_of(raw: Path) -> list[Path]:
    """The files with voices that lie beside a raw recording, oldest first."""
    found = []
    for path in raw.parent.glob(f"{raw.stem}.voice*.sln"):
        try:
            name = parse_voice_name(path.name)
        except UnsafeName:
            continue
        if name.raw == raw.name:
            found.append((name.after_ms, name.number, path))
    return [path for *_, path in sorted(found)]


def left_voices(spool: Path) -> list[tuple[Path, str]]:
    """Voices whose raw recording is gone, for it is sealed; with its name. A crash came before they were erased."""
    left = []
    for path in spool.glob("*.sln") if spool.is_dir() else ():
        try:
            raw = parse_voice_name(path.name).raw
        except UnsafeName:
            continue
        if not (spool / raw).exists():
            left.append((path, raw))
    return left


class Voices:
    """The voices beside one raw recording. Raises OSError; `filled_s` says how much of them was needed so far."""

    def __init__(self, raw: Path, unheard: Iterable[Span] = (), *, wait_closed_s: float = 5.0) -> None:
        """`unheard`: seconds from the recording's beginning in which the caller heard none of them, or which nobody is
        to hear: holds, pauses, a muted microphone. Waits until Asterisk has closed each file; of one that it goes on
        writing counts what is there.
        """
        self.paths = voices_of(raw)
        self.filled_s = 0.0
        self._unheard = [(round(begin * RATE) - BLOCK, round(end * RATE)) for begin, end in unheard]
        self._wait_s = wait_closed_s
        self._voices: list[_Voice] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Open them."""
        with self._stack:
            for path in self.paths:
                if not wait_until_closed(path, self._wait_s):
                    log.warning("%s is still being written", path.name, extra={"action": "recording.voice_open"})
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._stack.callback(os.close, descriptor)
                first = parse_voice_name(path.name).after_ms * RATE // 1000
                self._voices.append(_Voice(descriptor, first, os.fstat(descriptor).st_size // 2))
            self._stack = self._stack.pop_all()
        self._voices.reverse()  # the newest first: it is the one who talks
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._stack.close()

    def fill(self, chunk: bytes, at: int) -> bytes:
        """A piece of the recording (two legs, 16 bit, interleaved) that begins at sample `at`, a multiple of `BLOCK`,
        with the voices where the leg that the caller hears is empty.
        """
        end = at + len(chunk) // 4
        if not any(one.first < end and at < one.first + one.samples for one in self._voices):
            return chunk
        filled = bytearray(chunk)
        heard = memoryview(filled).cast("h")[_HEARD::2]
        for begin in range(0, len(heard) - BLOCK + 1, BLOCK):
            if heard[begin : begin + BLOCK].tobytes() == _SILENT and not self._is_unheard(at + begin):
                voice = next((found for one in self._voices if (found := one.block(at + begin))), None)
                if voice is not None:
                    heard[begin : begin + BLOCK] = memoryview(voice).cast("h")
                    self.filled_s += BLOCK / RATE
        return bytes(filled)

    def _is_unheard(self, sample: int) -> bool:
        return any(begin <= sample < end for begin, end in self._unheard)

    def erase(self) -> None:
        """Erase them: they stand in the sealed recording."""
        for path in self.paths:
            path.unlink(missing_ok=True)
