"""Session descriptions for one G.711 A-law stream with telephone-event (RFC 4566, RFC 3264, RFC 4733), without I/O.

The phone speaks PCMA (payload type 8) and RFC 4733 keys only: A-law is the trunk codec in China, and one codec
keeps every measurement of audio free of transcoding on our side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["PCMA", "TELEPHONE_EVENT", "Direction", "Media", "NotAcceptable", "answer_for", "offer", "parse"]

PCMA = 8
"""Static payload type of G.711 A-law (RFC 3551 table 4)."""
TELEPHONE_EVENT = 101
"""The dynamic payload type that we offer for keys; the customary one."""


class NotAcceptable(ValueError):
    """The description is broken or holds no stream that this phone can carry (answered with 488)."""


class Direction(StrEnum):
    """Direction attribute as written by its side (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """The side that wrote it sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """The side that wrote it wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, sends: bool, receives: bool) -> Direction:
        """The direction with these two halves."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE

    def answer(self, wish: Direction) -> Direction:
        """Direction of an answer to this offer by a side that wishes `wish` (RFC 3264 section 6.1)."""
        return Direction.of(wish.sends and self.receives, wish.receives and self.sends)


_HOLD_ADDRESS = "0.0.0.0"  # noqa: S104  nothing is bound to it
_DIRECTIONS = frozenset(d.value for d in Direction)


@dataclass(frozen=True, slots=True)
class Media:
    """One side's end of the audio stream."""

    host: str
    port: int
    direction: Direction = Direction.SENDRECV
    event_type: int | None = TELEPHONE_EVENT
    session_id: int = 1
    version: int = 1
    skipped: tuple[str, ...] = ()
    """m= lines (proto and formats) that come before and after the audio line, refused in an answer; "" = ours."""

    def encode(self) -> bytes:
        """The description as the body of a message."""
        formats = f"{PCMA}" if self.event_type is None else f"{PCMA} {self.event_type}"
        lines = [
            "v=0",
            f"o=- {self.session_id} {self.version} IN IP4 {self.host}",
            "s=-",
            f"c=IN IP4 {self.host}",
            "t=0 0",
        ]
        for other in self.skipped or ("",):
            if other:
                lines.append(f"m={other}")
                continue
            lines += [f"m=audio {self.port} RTP/AVP {formats}", f"a=rtpmap:{PCMA} PCMA/8000"]
            if self.event_type is not None:
                lines += [f"a=rtpmap:{self.event_type} telephone-event/8000", f"a=fmtp:{self.event_type} 0-16"]
            lines += ["a=ptime:20", f"a={self.direction}"]
        return ("\r\n".join(lines) + "\r\n").encode()


def offer(host: str, port: int, session_id: int, version: int = 1, direction: Direction = Direction.SENDRECV) -> Media:
    """Our offer: PCMA and telephone-event, ptime 20."""
    return Media(host, port, direction, TELEPHONE_EVENT, session_id, version)


def answer_for(remote: Media, local: Media, wish: Direction = Direction.SENDRECV) -> Media:
    """Our answer to `remote`: same payload types, same number of m= lines, direction as both allow."""
    return replace(local, event_type=remote.event_type, direction=remote.direction.answer(wish), skipped=remote.skipped)


def _number(text: str, limit: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > limit:
        raise NotAcceptable("a number out of range in the session description")
    return int(text)


def _address(value: str) -> str:
    match = re.fullmatch(r"IN IP4 ([0-9.]+)(?:/[0-9/]+)?", value.strip())
    if not match:
        raise NotAcceptable("a connection address that is not IPv4")
    return match.group(1)


def parse(body: bytes) -> Media:
    """The first acceptable audio stream of an offer or answer; raises NotAcceptable.

    A connection address of 0.0.0.0 is the old way to hold (RFC 3264 section 8.4) and read as `inactive` from the
    sender's wish to receive nothing: sendonly.
    """
    try:
        lines = body.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise NotAcceptable("the session description is not UTF-8") from error
    if not lines or lines[0].strip() != "v=0":
        raise NotAcceptable("no session description")
    session_host: str | None = None
    session_direction = Direction.SENDRECV
    sections: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("m="):
            sections.append((line[2:].strip(), []))
        elif sections:
            sections[-1][1].append(line.strip())
        elif line.startswith("c="):
            session_host = _address(line[2:])
        elif line.startswith("a=") and line[2:].strip() in _DIRECTIONS:
            session_direction = Direction(line[2:].strip())
    chosen: Media | None = None
    skipped: list[str] = []
    for description, attributes in sections:
        stream = _audio(description, attributes, session_host, session_direction) if chosen is None else None
        if stream is None:
            kind, _, rest = description.partition(" ")
            skipped.append(f"{kind} 0 {rest.partition(' ')[2]}")
        else:
            chosen = stream
            skipped.append("")
    if chosen is None:
        raise NotAcceptable("no audio stream with G.711 A-law")
    return replace(chosen, skipped=tuple(skipped))


def _audio(
    description: str, attributes: list[str], session_host: str | None, session_direction: Direction
) -> Media | None:
    fields = description.split()
    if len(fields) < 4 or fields[0] != "audio" or fields[2] != "RTP/AVP":
        return None
    port = _number(fields[1].split("/")[0], 65535)
    formats = [_number(f, 127) for f in fields[3:]]
    if port == 0 or PCMA not in formats:
        return None
    host, direction, event_type = session_host, session_direction, None
    for line in attributes:
        if line.startswith("c="):
            host = _address(line[2:])
        elif line.startswith("a=rtpmap:"):
            number, _, name = line[9:].partition(" ")
            if name.strip().lower().startswith("telephone-event/8000") and _number(number, 127) in formats:
                event_type = int(number)
        elif line.startswith("a=") and line[2:] in _DIRECTIONS:
            direction = Direction(line[2:])
    if host is None:
        raise NotAcceptable("no connection address")
    if host == _HOLD_ADDRESS:
        direction = Direction.of(direction.sends, False)
    return Media(host, port, direction, event_type)
