"""AudioSocket without sockets: the bytes that Asterisk sends about one leg, as frames. Pure.

The format (Asterisk's `res_audiosocket.h`; measured in shared/asterisk.md section 6): one byte of kind, two bytes of
length, high byte first, then so many bytes. The first frame is the connection's UUID, which is how we know whose voice
it is; then comes sound, 16 bit little endian at 8 kHz, 20 ms a frame, as long as the leg sends any.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from uuid import UUID

RATE = 8000
"""Samples a second of `Kind.SOUND`."""

HEAD = 3
"""Bytes before a frame's payload."""

LONGEST = 8192
"""Bytes of a payload at most, half a second of sound. The format allows 65535; Asterisk sends 320, and what a stranger
announces is kept in memory until it is there."""


class Kind(enum.IntEnum):
    """The kinds of frame that mean something to us."""

    END = 0x00
    ID = 0x01
    KEY = 0x03
    SOUND = 0x10
    ERROR = 0xFF


_KNOWN: dict[int, Kind] = {int(kind): kind for kind in Kind}
_LENGTHS: dict[int, int] = {Kind.END: 0, Kind.ID: 16, Kind.KEY: 1}


class NotAudioSocket(Exception):
    """What came is no AudioSocket, or none of ours; the connection is of no more use. The text holds nothing of it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: Kind
    payload: bytes


class Framer:
    """Cuts a connection's bytes into frames, however they come. One for each connection."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._named = False
        self._broken = False
        self.unknown = 0
        """Frames of kinds that we do not know; they are left out, since newer versions of Asterisk have more."""

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame: below `HEAD` + `LONGEST`."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now, oldest first.

        Raises `NotAudioSocket` for a frame before the UUID, a second UUID, a wrong or too great length, half a sample;
        then and ever after. The frames before it in the same bytes are lost with the connection.
        """
        if self._broken:
            raise NotAudioSocket("the connection was given up")
        self._rest += data
        frames: list[Frame] = []
        at = 0
        try:
            while len(self._rest) - at >= HEAD:
                kind, length = self._rest[at], int.from_bytes(self._rest[at + 1 : at + HEAD], "big")
                self._check(kind, length)
                if len(self._rest) - at - HEAD < length:
                    break
                payload = bytes(self._rest[at + HEAD : at + HEAD + length])
                at += HEAD + length
                self._take(kind, payload, frames)
        except NotAudioSocket:
            self._broken = True
            self._rest.clear()
            raise
        del self._rest[:at]
        return frames

    def _check(self, kind: int, length: int) -> None:
        """Judge a frame by its head alone, before anything of it is waited for."""
        if not self._named and kind != Kind.ID:
            raise NotAudioSocket("the first frame is no UUID")
        if self._named and kind == Kind.ID:
            raise NotAudioSocket("a second UUID")
        if length > LONGEST:
            raise NotAudioSocket("a frame longer than any")
        wanted = _LENGTHS.get(kind)
        if wanted is not None and length != wanted:
            raise NotAudioSocket("a frame of a wrong length")
        if kind == Kind.SOUND and length % 2:
            raise NotAudioSocket("half a sample")

    def _take(self, kind: int, payload: bytes, frames: list[Frame]) -> None:
        self._named = True
        if kind in _KNOWN:
            frames.append(Frame(_KNOWN[kind], payload))
        else:
            self.unknown += 1


def id_of(frame: Frame) -> UUID:
    """The UUID of a frame of kind `Kind.ID`. ValueError for another kind."""
    if frame.kind is not Kind.ID:
        raise ValueError("no UUID")
    return UUID(bytes=frame.payload)


def encoded(kind: int, payload: bytes = b"") -> bytes:
    """A frame as it is sent. ValueError for a payload that no frame can hold."""
    if len(payload) > 0xFFFF:
        raise ValueError("a frame holds 65535 bytes at most")
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload
