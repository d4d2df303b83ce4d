"""RTP packets (RFC 3550) and keys as telephone-events (RFC 4733), without I/O and without a clock of their own."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["KEYS", "HeardKey", "KeyReceiver", "MalformedPacket", "Packet", "key_payloads", "pack", "parse_packet"]

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")

KEYS = "0123456789*#ABCD"
"""Keys in the order of their event codes 0-15 (RFC 4733 section 3.2)."""
FRAME_UNITS = 160
"""Time stamp units in 20 ms at 8 kHz."""
END_PACKETS = 3
"""The packet that ends an event is sent three times (RFC 4733 section 2.5.1.4)."""
LONGEST_KEY_MS = 8000
"""The duration field holds 65535 units, 8.19 s; longer presses would need segments (section 2.5.1.3)."""


class MalformedPacket(ValueError):
    """Not an RTP packet of version 2 with a whole header."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def encode(self) -> bytes:
        """The bytes for the wire; numbers wrap as their fields do."""
        return pack(self.payload_type, self.sequence, self.timestamp, self.ssrc, self.payload, self.marker)


def pack(kind: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool = False) -> bytes:
    """A packet as bytes (the fast path: no object is made)."""
    second = kind | 0x80 if marker else kind
    return _HEADER.pack(0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF) + payload


def parse_packet(data: bytes) -> Packet:
    """Parse, skipping CSRC list and extension and removing padding; raises MalformedPacket (also for RTCP)."""
    if len(data) < _HEADER.size:
        raise MalformedPacket("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise MalformedPacket("not RTP version 2")
    if 192 <= second <= 223:  # RFC 5761 section 4: these are RTCP packet types
        raise MalformedPacket("RTCP")
    start, end = _HEADER.size + 4 * (first & 15), len(data)
    if first & 0x10:
        if len(data) < start + 4:
            raise MalformedPacket("a cut header extension")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        if data[-1] == 0:
            raise MalformedPacket("broken padding")
        end -= data[-1]
    if start > end:
        raise MalformedPacket("shorter than its header says")
    return Packet(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80))


def key_payloads(key: str, ms: int = 120, volume: int = 10) -> Iterator[tuple[bytes, bool]]:
    """The payloads of one key press, one for each 20 ms: (payload, is it an end packet).

    All carry the time stamp of the first (the caller keeps it), the first packet the marker bit; the duration
    grows by 160 units, and the end packet, with the final duration, comes three times.
    Raises ValueError for an unknown key or a press of less than 20 or more than 8000 ms.
    """
    code = KEYS.find(key.upper())
    if len(key) != 1 or code < 0:
        raise ValueError("a key is one of 0-9 * # A-D")
    if not 20 <= ms <= LONGEST_KEY_MS:
        raise ValueError("a key press lasts 20 to 8000 ms")
    frames = max(1, round(ms / 20))
    for frame in range(1, frames):
        yield _EVENT.pack(code, volume & 0x3F, frame * FRAME_UNITS), False
    for _ in range(END_PACKETS):
        yield _EVENT.pack(code, 0x80 | volume & 0x3F, frames * FRAME_UNITS), True


@dataclass(frozen=True, slots=True)
class HeardKey:
    """A key that began (`ended` False, `ms` 0) or ended (`ms` is its duration)."""

    key: str
    ended: bool
    ms: int = 0


class KeyReceiver:
    """Makes key presses of telephone-event packets: each once, whatever is lost or repeated (RFC 4733 2.5.2)."""

    def __init__(self) -> None:
        self._code: int | None = None
        self._timestamp: int | None = None
        self._units = 0

    def event(self, timestamp: int, payload: bytes) -> list[HeardKey]:
        """Feed one telephone-event payload; codes that are no keys are ignored."""
        if len(payload) < _EVENT.size:
            return []
        code, flags, units = _EVENT.unpack_from(payload)
        if code >= len(KEYS):
            return []
        heard: list[HeardKey] = []
        if timestamp != self._timestamp:
            if self._timestamp is not None and (timestamp - self._timestamp) & 0xFFFFFFFF >= 0x80000000:
                return []  # a late packet of an earlier key
            heard += self._end()
            self._code, self._timestamp, self._units = code, timestamp, 0
            heard.append(HeardKey(KEYS[code], False))
        self._units = max(self._units, units)
        if flags & 0x80:
            heard += self._end()
        return heard

    def audio(self, timestamp: int) -> list[HeardKey]:
        """Feed the time stamp of an audio packet: sound after the key means that its end packets were lost."""
        if self._code is None or self._timestamp is None:
            return []
        after = (timestamp - self._timestamp) & 0xFFFFFFFF
        return self._end() if self._units < after < 0x80000000 else []

    def _end(self) -> list[HeardKey]:
        if self._code is None:
            return []
        key, self._code = KEYS[self._code], None
        return [HeardKey(key, True, self._units // 8)]
