"""The live stream: snapshots as they happen, heartbeats, few per second, and no queue for the slow."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes.backend import CALLER, MemoryBackend
from tests.fakes.website import Site, site
from web.live import BROADCASTER, Broadcaster, LiveRules, Stream

pytestmark = pytest.mark.doors

QUICK = LiveRules(interval_s=0.02, heartbeat_s=0.1, patience_s=0.5)


class Events:
    """Reads server-sent events one by one, as a browser does."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.comments = 0
        self.beats = 0
        self.retry: int | None = None

    async def next(self) -> tuple[str, Any] | None:
        """The next event's id and data; None when the stream ended."""
        identity, data, kind = "", "", ""
        while line := (await self.answer.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n":
                if kind == "beat":
                    self.beats += 1
                    assert float(data) == QUICK.heartbeat_s
                    kind = data = ""
                elif data:
                    return identity, json.loads(data)
            elif name == "event":
                kind = value
            elif name == "id":
                identity = value
            elif name == "data":
                data += value
            elif name == "retry":
                self.retry = int(value)
            elif line.startswith(":"):
                self.comments += 1
        return None

    async def until(self, wanted: Any) -> Any:
        """The first snapshot for which `wanted(snapshot)` is true."""
        async with asyncio.timeout(10):
            while (event := await self.next()) is not None:
                if wanted(event[1]):
                    return event[1]
        raise AssertionError("the stream ended")


@asynccontextmanager
async def listening(hotline: Site) -> AsyncIterator[Events]:
    """The site's live stream."""
    async with hotline.session.get(hotline.url("/api/live")) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Events(answer)


async def test_a_snapshot_at_once_and_one_per_change() -> None:
    async with site(live_rules=QUICK) as hotline, listening(hotline) as events:
        first = await events.next()
        assert first is not None
        assert first[0] == str(hotline.backend.signal.version)
        assert first[1]["calls"] == []
        assert events.retry == 1000
        call = hotline.backend.arrive(1)
        hotline.backend.enqueue(call)
        snapshot = await events.until(lambda shown: shown["waiting"] == 1)
        assert snapshot["calls"][0]["state"] == "waiting"
        assert snapshot["queues"][0]["waiting"] == 1
        assert CALLER not in json.dumps(snapshot)
        hotline.backend.hang_up(call)
        snapshot = await events.until(lambda shown: shown["waiting"] == 0)
        assert snapshot["calls"][0]["outcome"] == "abandoned"
        assert snapshot["service_levels"][0] == {
            "definition": "sl15.offered.v1",
            "queue": None,
            "numerator": 0,
            "denominator": 1,
            "value": 0.0,
        }


async def test_heartbeats_when_nothing_happens() -> None:
    async with site(live_rules=QUICK) as hotline, listening(hotline) as events:
        started = asyncio.get_running_loop().time()

        def later(_: Any) -> bool:
            return asyncio.get_running_loop().time() - started > 3.5 * QUICK.heartbeat_s

        reading = asyncio.create_task(events.until(later))
        async with asyncio.timeout(10):
            while events.beats < 3:
                await asyncio.wait([reading], timeout=0.02)
                assert not reading.done()
            while not reading.done():
                hotline.backend.signal.bump()
                await asyncio.wait([reading], timeout=0.02)
        assert events.comments == events.beats


async def test_a_burst_of_changes_is_one_snapshot_with_all_of_them() -> None:
    async with site(live_rules=LiveRules(interval_s=0.25)) as hotline, listening(hotline) as events:
        await events.next()
        started = asyncio.get_running_loop().time()
        shown = 0
        for number in range(1, 201):
            hotline.backend.arrive(number)
            if number % 20 == 0:
                await asyncio.sleep(0)  # the burst gives way to the server, as real steps do
        async with asyncio.timeout(10):
            while True:
                event = await events.next()
                assert event is not None
                shown += 1
                if len(event[1]["calls"]) == 200:
                    break
        spent = asyncio.get_running_loop().time() - started
        assert shown <= 2 + spent / 0.25


async def test_a_closing_server_ends_its_streams_at_once() -> None:
    async with site(live_rules=QUICK) as hotline, listening(hotline) as events:
        await events.next()
        async with asyncio.timeout(2):
            await hotline.server.close()
            while await events.next() is not None:
                pass


async def test_a_client_that_leaves_is_forgotten() -> None:
    async with site(live_rules=QUICK) as hotline:
        broadcaster = hotline.server.runner.app[BROADCASTER]
        async with listening(hotline) as events:
            await events.next()
            assert broadcaster.clients == 1
        async with asyncio.timeout(10):
            while broadcaster.clients:  # noqa: ASYNC110  the server notices by itself
                hotline.backend.signal.bump()
                await asyncio.sleep(0.02)
        assert broadcaster.dropped == 0


async def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on() -> None:
    backend = MemoryBackend()
    for number in range(1, 400):
        backend.arrive(number)  # some 100 kB a snapshot
    async with site(backend, live_rules=QUICK) as hotline, listening(hotline) as events:
        broadcaster = hotline.server.runner.app[BROADCASTER]
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", hotline.server.port))
        try:
            await loop.sock_sendall(deaf, b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(20):
                while broadcaster.dropped == 0:
                    backend.signal.bump()
                    assert await events.next() is not None
        finally:
            deaf.close()
        number = 400
        backend.arrive(number)
        await events.until(lambda shown: len(shown["calls"]) == number)


async def test_a_stream_holds_one_frame_and_it_is_the_newest() -> None:
    stream = Stream()
    stream.offer(b"old")
    stream.offer(b"new")
    assert await stream.take(1) == b"new"
    assert await stream.take(0.01) == b""
    stream.offer(b"too late")
    stream.close()
    assert await stream.take(1) is None


async def test_a_failing_overview_is_logged_and_the_stream_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MemoryBackend()
    broadcaster = Broadcaster(backend, QUICK)
    running = asyncio.create_task(broadcaster.run())
    try:
        stream = broadcaster.open()
        assert await stream.take(1)
        whole = backend.overview

        def broken() -> Any:
            monkeypatch.setattr(backend, "overview", whole)
            raise RuntimeError("boom")

        monkeypatch.setattr(backend, "overview", broken)
        backend.arrive(1)
        assert await stream.take(5)
        assert [getattr(record, "action", "") for record in caplog.records] == ["web.live"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
