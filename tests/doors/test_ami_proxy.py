"""The drill's proxy: events come late, twice or in another order; answers and lists keep theirs and come at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from controller.drill.proxy import AmiProxy, Weather

pytestmark = pytest.mark.doors

BANNER = b"Asterisk Call Manager/9.0.0\r\n"


def event(number: int) -> bytes:
    return b"Event: UserEvent\r\nNumber: %d\r\n\r\n" % number


def answer(number: int) -> bytes:
    return b"Response: Success\r\nActionID: a\r\nNumber: %d\r\n\r\n" % number


def row(number: int) -> bytes:
    return b"Event: CoreShowChannel\r\nActionID: a\r\nNumber: %d\r\n\r\n" % number


@contextlib.asynccontextmanager
async def manager(script: list[bytes], weather: Weather) -> AsyncIterator[tuple[asyncio.StreamReader, AmiProxy]]:
    """A manager that says its script to whoever says hello, behind the proxy."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BANNER)
        assert await reader.readuntil(b"\r\n\r\n") == b"Action: Hello\r\n\r\n"
        writer.write(b"".join(script))
        await reader.read()  # until it is left
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with AmiProxy(host, port, weather, random.Random(7)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"Action: Hello\r\n\r\n")
        assert await reader.readline() == BANNER
        try:
            yield reader, proxy
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def read(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    async with asyncio.timeout(10):
        return [await reader.readuntil(b"\r\n\r\n") for _ in range(count)]


async def test_fair_weather_changes_nothing() -> None:
    script = [event(1), answer(2), row(3), event(4)]
    async with manager(script, Weather()) as (reader, proxy):
        heard = await read(reader, 4)
    assert sorted(heard) == sorted(script)
    assert [one for one in heard if b"UserEvent" in one] == [event(1), event(4)]
    assert (proxy.delayed, proxy.doubled) == (0, 0)


async def test_late_events_keep_their_order_and_answers_overtake_them() -> None:
    script = [event(1), event(2), answer(3), row(4), event(5)]
    async with manager(script, Weather(delay_s=0.5)) as (reader, proxy):
        heard = await read(reader, 5)
    assert heard[:2] == [answer(3), row(4)]
    assert heard[2:] == [event(1), event(2), event(5)]
    assert proxy.delayed == 3
    assert 0 < proxy.longest_s <= 0.5


async def test_events_come_twice_and_answers_do_not() -> None:
    async with manager([event(1), answer(2), event(3)], Weather(double_share=1.0)) as (reader, _):
        heard = await read(reader, 5)
    assert sorted(heard) == sorted([event(1), event(1), answer(2), event(3), event(3)])


async def test_events_change_places() -> None:
    script = [event(number) for number in range(30)]
    async with manager(script, Weather(delay_s=0.2, in_order=False)) as (reader, _):
        heard = await read(reader, 30)
    assert heard != script
    assert sorted(heard) == sorted(script)


async def test_the_connection_is_cut() -> None:
    async with manager([event(1), event(2), event(3)], Weather(cut_every=2)) as (reader, proxy):
        async with asyncio.timeout(5):
            heard = await reader.read(-1)
    assert event(3) not in heard
    assert proxy.cut == 1
