"""A client's stream of server-sent events, whose handler writes what it has and waits for more.

It ends when its handler does, when the client leaves or takes nothing any more (he may come back, `retry`), and when
the server stops. Wire format: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import web

from web.live import BROADCASTER, LiveRules

T = TypeVar("T")


class Streams:
    """The streams that are open, and whether the server stops."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.stopping = False


STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)


class EventStream:
    """One open stream."""

    def __init__(self, request: web.Request, rules: LiveRules) -> None:
        self.response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        )
        self.response.force_close()
        self._request, self._rules = request, rules

    async def begin(self, first: str = "") -> None:
        """Open it; `first`: lines that go with the very first one."""
        await self.response.prepare(self._request)
        await self.response.write(f"retry: {round(self._rules.retry_s * 1000)}\n{first}\n".encode())

    async def write(self, text: str) -> None:
        """Give it to the client. TimeoutError when he does not take it in time."""
        async with asyncio.timeout(self._rules.patience_s):
            await self.response.write(text.encode())

    async def news(self, change: Awaitable[T]) -> T | None:
        """What `change` gives; None when nothing has changed until it is time for a heartbeat (`beat`)."""
        try:
            async with asyncio.timeout(self._rules.heartbeat_s):
                return await change
        except TimeoutError:
            return None

    async def beat(self) -> None:
        """A heartbeat, so that both sides notice a dead connection."""
        await self.write(": heartbeat\n\n")

    async def rest(self) -> None:
        """The upper bound of events per second; what changes meanwhile comes in one."""
        await asyncio.sleep(self._rules.interval_s)


@asynccontextmanager
async def event_stream(request: web.Request) -> AsyncIterator[EventStream]:
    """A stream for this request, to `begin`. The handler returns its `response` afterwards, however it has ended."""
    streams, task = request.app[STREAMS], asyncio.current_task()
    assert task is not None
    streams.tasks.add(task)
    try:
        yield EventStream(request, request.app[BROADCASTER].rules)
    except TimeoutError:  # he takes nothing any more; he may come back
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has left: the usual end of a stream
    except asyncio.CancelledError:
        if not streams.stopping:
            raise
    finally:
        streams.tasks.discard(task)


async def end_streams(app: web.Application) -> None:
    """Before the server waits for its handlers: streams would never end by themselves."""
    streams = app[STREAMS]
    streams.stopping = True
    for task in tuple(streams.tasks):
        task.cancel()
