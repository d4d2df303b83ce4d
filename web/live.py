"""The overview, once and live: JSON, and a stream of server-sent events with one snapshot per change.

A snapshot is encoded once for all clients and replaces the one a client has not taken yet, so nothing
queues here; a client that does not even take what the socket holds is dropped and may come back
(`retry`). Wire format: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from metrics.servicelevel import DEFINITIONS, Definition
from web.alerts import ALERT, FIGURE
from web.backend import Backend, Overview
from web.described import described
from web.keys import BACKEND
from web.schema import shape_of
from web.shape import answer, dumps, fields_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveRules:
    """How the live stream behaves; times in seconds.

    `interval_s`: at least so long between two snapshots. `heartbeat_s`: after so long without one comes a
    heartbeat, so that both sides notice a dead connection. `patience_s`: how long a client may take to accept
    a snapshot. `retry_s`: what browsers are told to wait before they come back.
    """

    interval_s: float = 0.25
    heartbeat_s: float = 10.0
    patience_s: float = 5.0
    retry_s: float = 1.0


def overview_json(
    overview: Overview, definitions: Mapping[str, Definition], wallboard: Mapping[str, Any]
) -> dict[str, Any]:
    """The overview as the page reads it: with its totals, and the definitions of its figures in words.

    `wallboard`: alerts that stand, and live figures of the whole.
    """
    shape = {**fields_of(overview), **wallboard}
    shape["waiting"] = overview.waiting
    shape["talking"] = overview.talking
    shape["definitions"] = {
        row.definition: _in_words(definitions[row.definition])
        for row in overview.service_levels
        if row.queue is None and row.definition in definitions
    }
    return shape


def _in_words(definition: Definition) -> dict[str, Any]:
    return {
        "threshold_s": definition.threshold_s,
        "title": {"zh": definition.title_zh, "en": definition.title_en},
        "formula": {"zh": definition.formula_zh, "en": definition.formula_en},
    }


WALLBOARD = {"alerts": [ALERT], "windows": [FIGURE]}


@described(gives={**shape_of(Overview), "waiting": int, "talking": int, "definitions": dict[str, Any], **WALLBOARD})
async def show_overview(request: web.Request) -> web.Response:
    """GET /api/overview."""
    overview = request.app[BACKEND].overview()
    broadcaster = request.app[BROADCASTER]
    return answer(overview_json(overview, broadcaster.definitions, broadcaster.wallboard()))


class Stream:
    """One client's place: the newest frame it has not taken yet, or that the server stops."""

    def __init__(self) -> None:
        self._frame = b""
        self._news = asyncio.Event()
        self._closed = False

    def offer(self, frame: bytes) -> None:
        """Put a frame in place of the one before."""
        self._frame = frame
        self._news.set()

    def close(self) -> None:
        """The server stops."""
        self._closed = True
        self._news.set()

    async def take(self, within_s: float) -> bytes | None:
        """The newest frame; empty when none came within `within_s` seconds; None when the server stops."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return b""
        self._news.clear()
        return None if self._closed else self._frame


class Broadcaster:
    """Watches the backend and gives every change to all streams, at most once each `interval_s`."""

    def __init__(
        self,
        backend: Backend,
        rules: LiveRules,
        definitions: Mapping[str, Definition] = DEFINITIONS,
        wallboard: Callable[[], Mapping[str, Any]] = lambda: {"alerts": [], "windows": []},
    ) -> None:
        self.rules = rules
        self.wallboard = wallboard
        self.definitions = definitions
        self.dropped = 0
        self._backend = backend
        self._streams: set[Stream] = set()
        self._closed = False

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def open(self) -> Stream:
        """A new stream; it has the present snapshot at once."""
        stream = Stream()
        stream.offer(self._frame(self._backend.overview()))
        if self._closed:
            stream.close()
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """The client is gone."""
        self._streams.discard(stream)

    def close(self) -> None:
        """End all streams: the server stops."""
        self._closed = True
        for stream in self._streams:
            stream.close()

    async def run(self) -> None:
        """Give changes to the streams until cancelled. A failing backend is logged, and asked again."""
        version = -1  # no backend's: the first snapshot goes to whoever is there already
        while True:
            try:
                newest = await self._backend.changed(version)
                if not self._streams:
                    version = newest  # while nobody looks, no snapshot is made
                else:
                    overview = self._backend.overview()
                    version = overview.version
                    frame = self._frame(overview)
                    for stream in self._streams:
                        stream.offer(frame)
            except Exception:
                log.exception("no overview could be made", extra={"action": "web.live"})
            # Not a wait for anything: the upper bound of snapshots per second; what changes meanwhile comes in one.
            await asyncio.sleep(self.rules.interval_s)

    def _frame(self, overview: Overview) -> bytes:
        shape = overview_json(overview, self.definitions, self.wallboard())
        return f"id: {overview.version}\ndata: {dumps(shape)}\n\n".encode()


BROADCASTER: web.AppKey[Broadcaster] = web.AppKey("broadcaster", Broadcaster)


async def broadcasting(app: web.Application) -> AsyncIterator[None]:
    """Runs the broadcaster while the application runs."""
    task = asyncio.create_task(app[BROADCASTER].run(), name="web.live")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def end_streams(app: web.Application) -> None:
    """Before the server waits for its handlers: streams would never end by themselves."""
    app[BROADCASTER].close()


@described(media=("text/event-stream",))
async def show_live(request: web.Request) -> web.StreamResponse:
    """GET /api/live: the stream, until the client or the server leaves."""
    broadcaster = request.app[BROADCASTER]
    rules = broadcaster.rules
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    response.force_close()
    stream = broadcaster.open()
    # A script does not see comments, and a half-open connection gives it no error: so the heartbeat is an event too,
    # and tells when the next one is due.
    heartbeat = f": heartbeat\nevent: beat\ndata: {rules.heartbeat_s:g}\n\n".encode()
    try:
        await response.prepare(request)
        await response.write(f"retry: {round(rules.retry_s * 1000)}\n\n".encode())
        while (frame := await stream.take(rules.heartbeat_s)) is not None:
            async with asyncio.timeout(rules.patience_s):
                await response.write(frame or heartbeat)
    except TimeoutError:
        broadcaster.dropped += 1
        log.info("a slow client of the live stream was dropped", extra={"action": "web.live.dropped"})
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has left: the usual end of a stream
    finally:
        broadcaster.leave(stream)
    return response
