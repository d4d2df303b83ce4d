"""A stretch of bad weather between the controller and Asterisk's manager: events come late, twice, out of order.

A TCP relay that understands AMI's framing. Only events are touched; answers to actions and the rows of lists keep
their order and come at once, as they would from an Asterisk whose event queue is congested while its manager is not
(`asterisk.md` 11.6.7). What the controller says passes unchanged. Everything random comes from one seeded source.

It stands here and not in ``tests/`` because the command may not import the tests; they use this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from dataclasses import dataclass

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to events. Seconds and shares (0..1)."""

    delay_s: float = 0.0  #: each event is held back for a random time up to this
    late_share: float = 1.0  #: so many of the events are held back; the others pass at once
    in_order: bool = True  #: held events keep their order, so that one late event holds up all behind it
    double_share: float = 0.0  #: so many events come twice
    cut_every: int = 0  #: the connection is cut after so many events; 0 = never


DELAY = Weather(delay_s=60.0, late_share=0.002)
"""Now and then the exchange's events are held up, for up to a minute; what comes after waits too."""
DOUBLE = Weather(double_share=1.0)
"""Every event twice."""
REORDER = Weather(delay_s=0.4, late_share=0.5, in_order=False)
"""Half of the events come up to 0.4 s late, each for itself: neighbours change places."""


class AmiProxy:
    """Listens on a free port of the loopback and relays to one manager. Use as ``async with``."""

    def __init__(self, host: str, port: int, weather: Weather, source: random.Random) -> None:
        self.weather = weather
        self.port = 0
        self.delayed = self.doubled = self.passed = self.cut = 0
        self.longest_s = 0.0
        self._target = (host, port)
        self._random = source
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> AmiProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; it ends on both sides when it ends on one."""
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        ways = [
            asyncio.ensure_future(_copy(reader, far_writer)),
            asyncio.ensure_future(self._weather(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (writer, far_writer):
                one.transport.abort() if one.transport.get_write_buffer_size() else one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _weather(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())  # the banner
        held: list[tuple[float, int, bytes]] = []
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        serial, last_due, events = 0, 0.0, 0

        async def release() -> None:
            while True:
                news.clear()
                while held and held[0][0] <= loop.time():
                    writer.write(heapq.heappop(held)[2])
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(held[0][0] if held else None):
                        await news.wait()

        releasing = asyncio.ensure_future(release())
        try:
            while True:
                try:
                    message = await reader.readuntil(END)
                except (asyncio.IncompleteReadError, OSError):
                    return
                if not _is_event(message):
                    writer.write(message)
                    continue
                events += 1
                now, weather = loop.time(), self.weather
                due = now
                if weather.delay_s and self._random.random() < weather.late_share:
                    due += self._random.uniform(0.0, weather.delay_s)
                if weather.in_order:
                    due = last_due = max(due, last_due)
                if due > now:
                    self.delayed += 1
                    self.longest_s = max(self.longest_s, due - now)
                else:
                    self.passed += 1
                copies = 2 if self._random.random() < weather.double_share else 1
                self.doubled += copies - 1
                for _ in range(copies):
                    serial += 1
                    heapq.heappush(held, (due, serial, message))
                news.set()
                if weather.cut_every and events >= weather.cut_every:
                    self.cut += 1
                    return
        finally:
            releasing.cancel()
            await asyncio.gather(releasing, return_exceptions=True)


def _is_event(message: bytes) -> bool:
    """Whether it is an event that nobody asked for: rows of a list carry the action's id."""
    return message.startswith(b"Event: ") and b"\r\nActionID: " not in message


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
