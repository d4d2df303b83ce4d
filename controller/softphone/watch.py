"""What happened in a call, and when: events with times, and waiting for them or for a sound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from . import audio
from .media import AudioStream

__all__ = ["Event", "Watch"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `at` in seconds of the event loop's clock (time.monotonic())."""

    kind: str
    at: float
    detail: str = ""


class Watch:
    """The event list of a call and everything that waits on it."""

    def __init__(self, stream: AudioStream) -> None:
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._waiters: list[tuple[str, asyncio.Future[Event | None]]] = []
        self._hearing: set[asyncio.Future[float | None]] = set()
        self.events: list[Event] = []
        self.over = False

    def note(self, kind: str, detail: str = "", at: float | None = None) -> Event:
        """Write down an event and wake who waits for it."""
        event = Event(kind, self._loop.time() if at is None else at, detail)
        self.events.append(event)
        for waiting in [w for w in self._waiters if w[0] == kind]:
            self._waiters.remove(waiting)
            if not waiting[1].done():
                waiting[1].set_result(event)
        return event

    def close(self) -> None:
        """The call is over: nothing more will happen, so nobody waits any longer."""
        self.over = True
        for _, future in self._waiters:
            if not future.done():
                future.set_result(None)
        self._waiters.clear()
        for hearing in self._hearing:
            if not hearing.done():
                hearing.set_result(None)

    def time_of(self, kind: str) -> float | None:
        """Instant of the first event of a kind, None if there was none."""
        return next((e.at for e in self.events if e.kind == kind), None)

    async def event(self, kind: str, timeout: float) -> Event:
        """The first event of a kind, past or to come.  Raises TimeoutError, also when the call ended without it."""
        for event in self.events:
            if event.kind == kind:
                return event
        if self.over:
            raise TimeoutError(f"the call is over without {kind!r}")
        future: asyncio.Future[Event | None] = self._loop.create_future()
        waiter = (kind, future)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                found = await future
        except TimeoutError:
            raise TimeoutError(f"no {kind!r} in {timeout} s") from None
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if found is None:
            raise TimeoutError(f"the call ended without {kind!r}")
        return found

    async def hear(self, fits: Callable[[audio.Pcm], bool], frames: int, timeout: float, what: str) -> float:
        """Arrival of the first of `frames` packets in a row that fit.  Raises TimeoutError, also at the call's end."""
        future: asyncio.Future[float | None] = self._loop.create_future()
        run: list[float] = []

        def listen(arrival: float, payload: bytes) -> None:
            if not fits(audio.decode_alaw(payload)):
                run.clear()
                return
            run.append(arrival)
            if len(run) >= frames and not future.done():
                future.set_result(run[0])

        if self.over:
            raise TimeoutError(f"the call is over, {what} will not be heard")
        self._stream.listeners.append(listen)
        self._hearing.add(future)
        try:
            async with asyncio.timeout(timeout):
                arrival = await future
        except TimeoutError:
            raise TimeoutError(f"{what} not heard in {timeout} s") from None
        finally:
            self._hearing.discard(future)
            if listen in self._stream.listeners:
                self._stream.listeners.remove(listen)
        if arrival is None:
            raise TimeoutError(f"the call ended without {what}")
        return arrival

    async def hear_silence(self, seconds: float, timeout: float, level: float) -> float:
        """Wait until nothing louder than `level` came for `seconds`; the instant silence began.  TimeoutError."""
        quiet_since = self._loop.time()
        loud = asyncio.Event()

        def listen(arrival: float, payload: bytes) -> None:
            nonlocal quiet_since
            if audio.level_dbfs(audio.decode_alaw(payload)) > level:
                quiet_since = arrival
                loud.set()

        self._stream.listeners.append(listen)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    loud.clear()
                    remaining = quiet_since + seconds - self._loop.time()
                    if remaining <= 0:
                        return quiet_since
                    with suppress(TimeoutError):  # wait_for of Python 3.11 may swallow the end of the outer timeout
                        async with asyncio.timeout(remaining):
                            await loud.wait()
        except TimeoutError:
            raise TimeoutError(f"no silence of {seconds} s in {timeout} s") from None
        finally:
            if listen in self._stream.listeners:
                self._stream.listeners.remove(listen)
