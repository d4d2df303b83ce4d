"""The loopback server to which Asterisk brings each leg's sound: who connects is known by the UUID that he was given.

One protocol object a connection, called by the loop with what has come; nothing here awaits, and nothing is kept but
one unfinished frame. Whoever has no UUID that is waited for, or no AudioSocket at all, is cut off; so is who connects
and says nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from recordings.audiosocket import Framer, Kind, NotAudioSocket, id_of

log = logging.getLogger(__name__)

NAME_S = 2.0
"""So long may a connection take to say who it is; Asterisk does so with its first bytes."""

STRANGERS = 64
"""Connections without a name at once; one more is cut off before it has said anything."""


LATE = 1000
"""So many UUIDs are remembered for which nobody waits any more: who still comes for them is late, and no stranger."""


class Ear(Protocol):
    """What hears one leg."""

    def sound(self, pcm: bytes) -> None:
        """Sound of the leg; must not wait."""
        ...

    def over(self) -> None:
        """No more comes: the leg is gone, or the connection."""
        ...


class Ears:
    """The server. `expect` a UUID before Asterisk is told of it."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._expected: dict[UUID, Callable[[Connection], Ear]] = {}
        self._late: deque[UUID] = deque(maxlen=LATE)
        self._nameless: set[Connection] = set()
        self._open: set[Connection] = set()
        self.port = 0
        """Where it listens on 127.0.0.1; 0 = not yet."""
        self.refused = 0
        """Connections that were cut off because they were none of ours, for /metrics."""

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1. OSError when there is none."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hear nobody any more; Asterisk's channels end with their connections."""
        if self._server is not None:
            self._server.close()
        for connection in [*self._nameless, *self._open]:
            connection.cut()
        if self._server is not None:
            await self._server.wait_closed()
        self._server, self.port = None, 0

    def expect(self, sink: UUID, begin: Callable[[Connection], Ear]) -> None:
        """`begin` makes the ear of whoever connects as `sink`; he may do so once."""
        self._expected[sink] = begin

    def forget(self, sink: UUID) -> None:
        """Nobody waits for `sink` any more."""
        if self._expected.pop(sink, None) is not None:
            self._late.append(sink)

    def was_expected(self, sink: UUID) -> bool:
        """Whether somebody waited for `sink` a while ago, and nobody has come."""
        return sink in self._late

    # ---------------------------------------------------------------- called by the connections

    def came(self, connection: Connection, peer: object) -> bool:
        """Whether a new connection may say who it is."""
        host = peer[0] if isinstance(peer, tuple) and peer else ""
        try:
            ours = ipaddress.ip_address(str(host)).is_loopback
        except ValueError:
            ours = False
        if not ours or len(self._nameless) >= STRANGERS:
            return False
        self._nameless.add(connection)
        return True

    def named(self, connection: Connection, sink: UUID) -> Ear | None:
        """Who it is; None for a stranger."""
        begin = self._expected.pop(sink, None)
        if begin is None:
            return None
        self._nameless.discard(connection)
        self._open.add(connection)
        return begin(connection)

    def gone(self, connection: Connection) -> None:
        """The connection is over."""
        self._nameless.discard(connection)
        self._open.discard(connection)


class Connection(asyncio.Protocol):
    """One connection. `cut` ends it, and with it Asterisk's channel."""

    def __init__(self, ears: Ears) -> None:
        self._ears = ears
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._ear: Ear | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._ears.came(self, transport.get_extra_info("peername")):
            self._refuse("a stranger")
            return
        self._timer = asyncio.get_running_loop().call_later(NAME_S, self._refuse, "no name in time")

    def data_received(self, data: bytes) -> None:
        """Some of his bytes."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            frames = self._framer.feed(data)
        except NotAudioSocket as error:
            self._refuse(str(error))
            return
        sound = []
        for frame in frames:
            if frame.kind is Kind.ID:
                self._begin(id_of(frame))
                if self._ear is None:
                    return
            elif frame.kind is Kind.SOUND:
                sound.append(frame.payload)
            elif frame.kind in (Kind.END, Kind.ERROR):
                self.cut()
        if sound and self._ear is not None:
            self._ear.sound(b"".join(sound))

    def _begin(self, sink: UUID) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._ear = self._ears.named(self, sink)
        if self._ear is None and self._ears.was_expected(sink):
            self.cut()  # the talk was over before Asterisk had brought its sound
        elif self._ear is None:
            self._refuse("nobody waits for this UUID")

    def _refuse(self, why: str) -> None:
        self._ears.refused += 1
        log.warning("a connection for sound was cut off: %s", why, extra={"action": "live.stranger"})
        self.cut()

    def cut(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, whoever has ended it."""
        if self._timer is not None:
            self._timer.cancel()
        self._ears.gone(self)
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.over()
