"""The server's side of one AMI connection, as Asterisk behaves (`asterisk.md` 8, 10.5), and connections in memory."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

Headers = dict[str, str]
MAX_LINE = 1024  # as measured: a line of 1020 bytes and its header name was too long


class Session(asyncio.Protocol):
    """One client: its login, its filters, its bytes."""

    def __init__(self, exchange: Any, descriptor: int) -> None:
        self.exchange = exchange
        self.descriptor = descriptor
        self.user = ""
        self.events_on = False
        self.wanted: set[str] = set()
        self.patterns: list[re.Pattern[str]] = []
        self.transport: asyncio.Transport | None = None
        self._challenge = ""
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.exchange.sessions.append(self)
        self.write(self.exchange.banner)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self.exchange.sessions:
            self.exchange.sessions.remove(self)
            self.exchange.changed()

    def data_received(self, data: bytes) -> None:
        if self.exchange.fault.stall:
            return
        *blocks, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for block in blocks:
            self._act(block)

    def _act(self, block: bytes) -> None:
        lines = block.split(b"\r\n")
        action = dict(line.decode().split(": ", 1) for line in lines if b": " in line)
        self.exchange.note(action)
        if any(len(line) > MAX_LINE for line in lines):
            self.answer(action, "Error", Message="Failed to parse message: line too long")
            return
        name = action.get("Action", "")
        if name == "Challenge":
            self._challenge = "426534"
            self.answer(action, "Success", Challenge=self._challenge)
        elif name == "Login":
            self._log_in(action)
        elif not self.user:
            self.answer(action, "Error", Message="Permission denied")
        elif name == "Filter":
            self._filter(action)
        elif name == "Events":
            self.events_on = action["EventMask"] != "off"
            self.answer(action, "Success", Events="On" if self.events_on else "Off")
        else:
            self.exchange.act(self, action)

    def _log_in(self, action: Headers) -> None:
        secret = self.exchange.secret
        key = hashlib.md5((self._challenge + secret).encode()).hexdigest()
        good = action.get("Secret") == secret or (self._challenge and action.get("Key") == key)
        if self.exchange.fault.shutting_down:
            self.answer(action, "Error", Message="Asterisk is shutting down")
        elif action["Username"] != self.exchange.user or not good:
            self.answer(action, "Error", Message="Authentication failed")
        else:
            self.user = action["Username"]
            self.events_on = action.get("Events") != "off"
            self.answer(action, "Success", Message="Authentication accepted")
            if self.exchange.booted:
                self.event("FullyBooted", Status="Fully Booted", unfiltered=True)
        if not self.user and self.transport is not None:
            self.transport.close()

    def _filter(self, action: Headers) -> None:
        criteria = action.get("MatchCriteria", "")
        name = re.fullmatch(r"action\(include\),name\((\w+)\)(,header\(\w+\),method\(regex\))?", criteria)
        if name and not self.exchange.fault.old_filters:
            self.wanted.add(name[1])
        elif "Filter" in action:
            self.patterns.append(re.compile(action["Filter"]))
        else:
            self.answer(action, "Error", Message="Filter format error")
            return
        self.answer(action, "Success", Message="Success")

    # ------------------------------------------------------------ to the client

    def write(self, data: bytes) -> None:
        """Bytes as they are; in pieces of `fault.chop` bytes where it is set."""
        if self.transport is None or self.transport.is_closing() or self.exchange.fault.stall:
            return
        size = self.exchange.fault.chop or len(data) or 1
        for at in range(0, len(data), size):
            self.transport.write(data[at : at + size])

    def answer(self, action: Headers, response: str, *lines: tuple[str, str], **headers: str) -> None:
        """``Response:`` with the action's id."""
        given = {"Response": response}
        if "ActionID" in action:
            given["ActionID"] = action["ActionID"]
        self._send((*given.items(), *headers.items(), *lines))

    def event(self, name: str, *lines: tuple[str, str], unfiltered: bool = False, **headers: str) -> None:
        """An event, if this client wants it; rows of lists pass all filters (`unfiltered`)."""
        text = f"Event: {name}"
        chosen = name in self.wanted or any(pattern.search(text) for pattern in self.patterns)
        wants = self.events_on and (chosen or not (self.wanted or self.patterns))
        if unfiltered or wants:
            stamp = f"{self.exchange.clock():.6f}"
            self._send((("Event", name), ("Timestamp", stamp), *headers.items(), *lines))

    def _send(self, lines: tuple[tuple[str, str], ...]) -> None:
        self.write("".join(f"{name}: {value}\r\n" for name, value in lines).encode() + b"\r\n")


class MemoryTransport(asyncio.Transport):
    """One end of a connection without sockets: order and end as with TCP, at once in virtual time."""

    def __init__(self, own: asyncio.Protocol, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._own, self._loop = own, loop
        self._peer: MemoryTransport | None = None
        self._closing = False

    @staticmethod
    def connect(one: asyncio.Protocol, other: asyncio.Protocol) -> MemoryTransport:
        """Join two protocols; the first one's transport."""
        loop = asyncio.get_running_loop()
        first, second = MemoryTransport(one, loop), MemoryTransport(other, loop)
        first._peer, second._peer = second, first
        one.connection_made(first)
        other.connection_made(second)
        return first

    def write(self, data: Any) -> None:
        peer = self._peer
        if not self._closing and peer is not None:
            self._loop.call_soon(peer._receive, bytes(data))

    def _receive(self, data: bytes) -> None:
        if not self._closing:
            self._own.data_received(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        for end in (self, self._peer):
            if end is not None and not end._closing:
                end._closing = end is self or end._closing
                self._loop.call_soon(end._end)

    abort = close

    def _end(self) -> None:
        if self._own is not None and self._peer is not None:
            self._closing, self._peer = True, None
            self._own.connection_lost(None)


Factory = Callable[[], asyncio.Protocol]
