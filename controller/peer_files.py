"""Attachments between installations: a file goes before the message that names it, in pieces, known by its digest.

A piece is a request of its own, signed as a message is. The answer says how many bytes there are, so a cut costs one
piece, and a piece that comes twice changes nothing: no nonce has to be remembered. A file is kept only when all of it
has the digest that its name promises.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tickets.exchange.effect import refused_file
from tickets.exchange.messages import MessageRefused
from tickets.exchange.signing import PIECE_BYTES
from tickets.files import AttachmentFiles
from tickets.ticket import Attachment, TicketPolicy

AT_ONCE = 16
"""Pieces after which other messages for the peer have their turn."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a file stands at its receiver: so many bytes are there, or the code of why it will not take it."""

    have: int
    refused: str = ""


class FileDesk:
    """The files of one installation as its peers see them."""

    def __init__(self, files: AttachmentFiles, policy: TicketPolicy) -> None:
        self._files, self._policy = files, policy
        self._turn: dict[str, asyncio.Lock] = {}

    async def has(self, sha256: str) -> bool:
        """Whether the whole file is here."""
        return await asyncio.to_thread(self._files.path(sha256).is_file)

    def takes(self, one: Attachment) -> bool:
        """Whether our rules take such a file at all."""
        return not refused_file(one, self._policy)

    async def take(self, source: str, one: Attachment, offset: int, data: bytes) -> Standing:
        """A piece from `source`; without `data` only how it stands. Raises `MessageRefused` (wrong_file), OSError."""
        if code := refused_file(one, self._policy):
            return Standing(0, code)
        async with self._turn.setdefault(source, asyncio.Lock()):  # a try that is sent again may overtake the first
            if await self.has(one.sha256):
                return Standing(one.size)
            return Standing(await asyncio.to_thread(self._add, source, one, offset, data))

    def _add(self, source: str, one: Attachment, offset: int, data: bytes) -> int:
        if not data:
            return self._files.arrived(source, one.sha256)
        if offset + len(data) > one.size:
            raise MessageRefused("wrong_file")
        have = self._files.add(source, one.sha256, offset, data)
        if have == one.size and not self._files.complete(source, one.sha256):
            raise MessageRefused("wrong_file")
        return have

    async def read(self, one: Attachment, offset: int) -> bytes:
        """The bytes of a file of ours from `offset`, at most a piece. Raises OSError."""

        def work() -> bytes:
            with self._files.path(one.sha256).open("rb") as file:
                file.seek(offset)
                return file.read(PIECE_BYTES)

        return await asyncio.to_thread(work)


Put = Callable[[Attachment, int, bytes], Awaitable[Standing | str]]
"""Sends one piece; gives how the file stands there, or the code of what went wrong."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of sending: it is there, refused for good, failed for now (`error`), or goes on after others."""

    error: str = ""
    refused: str = ""
    more: bool = False


async def send_file(desk: FileDesk, one: Attachment, put: Put) -> Sent:
    """Send what of a file the peer has not, at most `AT_ONCE` pieces."""
    if not await desk.has(one.sha256):
        return Sent(refused="file_lost")  # it is not ours to send any more; the message says that there was one
    standing = await put(one, 0, b"")
    for _ in range(AT_ONCE):
        if isinstance(standing, str):
            return Sent(error=standing)
        if standing.refused:
            return Sent(refused=standing.refused)
        if standing.have >= one.size:
            return Sent()
        before = standing.have
        standing = await put(one, before, await desk.read(one, before))
        if isinstance(standing, Standing) and not standing.refused and standing.have <= before:
            return Sent(error="file_stuck")
    if isinstance(standing, Standing) and standing.have >= one.size:
        return Sent()
    return Sent(error=standing) if isinstance(standing, str) else Sent(more=True)


def encoded(standing: Standing) -> bytes:
    """The answer to a piece."""
    return json.dumps({"have": standing.have, "refused": standing.refused}).encode()


def standing_of(answer: bytes) -> Standing | None:
    """What an answer says; None for one that says nothing of the kind."""
    try:
        found = json.loads(answer)
        have, refused = found["have"], found["refused"]
    except (ValueError, KeyError, TypeError):
        return None
    return Standing(have, refused) if isinstance(have, int) and isinstance(refused, str) else None
