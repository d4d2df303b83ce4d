"""A door on a behaving exchange: fixtures and short words for the tests of `pbx/ami.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import pytest

from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor, AmiLimits
from pbx.ids import AgentId, CallId, ChannelName
from tests.fakes.exchange import FakeCall, FakeExchange

E = TypeVar("E")
AGENTS = ("1001", "1002")
CALLER = "13800001111"
QUICK = AmiLimits(connect_s=2, answer_s=0.4, beat_s=0.05, step_s=0.4, backoff_first_s=0.01, backoff_max_s=0.05)


class Inbox:
    """Events in order; they can be waited for even if they came already."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._news = asyncio.Event()

    def __call__(self, found: event.Event) -> None:
        self.events.append(found)
        self._news.set()

    async def next(self, kind: type[E], after: int = 0, **fields: object) -> E:
        try:
            async with asyncio.timeout(5):
                while True:
                    for found in self.events[after:]:
                        if isinstance(found, kind) and all(getattr(found, k) == v for k, v in fields.items()):
                            return found
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} {fields}; there were {self.kinds()}") from None

    def of(self, kind: type[E]) -> list[E]:
        return [found for found in self.events if isinstance(found, kind)]

    def kinds(self) -> list[str]:
        return [type(found).__name__ for found in self.events]


Make = Callable[..., Awaitable[AmiDoor]]


@pytest.fixture
async def fake() -> AsyncIterator[FakeExchange]:
    async with FakeExchange() as exchange:
        yield exchange


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def unconnected(fake: FakeExchange, inbox: Callable[[event.Event], None], **changed: Any) -> AmiDoor:
    given: dict[str, Any] = {"spool": "/spool", "agents": AGENTS, "limits": QUICK} | changed
    secret = given.pop("secret", fake.secret)
    return AmiDoor(fake.host, fake.port, fake.user, secret, inbox, **given)


@asynccontextmanager
async def running(door: AmiDoor) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(door.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def make(fake: FakeExchange, inbox: Inbox) -> AsyncIterator[Make]:
    """`await make()` gives a connected door; afterwards nothing of it may be left."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:

        async def build(**changed: Any) -> AmiDoor:
            door = unconnected(fake, inbox, **changed)
            await stack.enter_async_context(running(door))
            assert await door.wait_ready(5)
            return door

        yield build
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left


@pytest.fixture
async def door(make: Make) -> AmiDoor:
    return await make()


def hold(call: FakeCall, step: int) -> order.Hold:
    return order.Hold(CallId(call.id), ChannelName(call.channel), step, "default", "12345|zh|1|||0|0")


def ask(call: FakeCall, step: int, language: str = "zh") -> order.Ask:
    prompts = ("hotline/zh/welcome",)
    return order.Ask(CallId(call.id), ChannelName(call.channel), step, prompts, 1, 5.0, language, "m")


def offer(call: FakeCall, step: int, agent: str = "1001") -> order.Offer:
    return order.Offer(CallId(call.id), ChannelName(call.channel), step, AgentId(agent), 6, "default", "m")


def redirects(fake: FakeExchange) -> list[str]:
    return [action["Exten"] for action in fake.actions if action["Action"] == "Redirect"]


async def talk(fake: FakeExchange, door: AmiDoor, inbox: Inbox, agent: str = "1001") -> FakeCall:
    """A caller who talks with an agent."""
    fake.register(agent)
    call = fake.arrive(caller=CALLER)
    await inbox.next(event.CallArrived, call=call.id)
    door.perform(offer(call, 1, agent))
    await inbox.next(event.LegStarted, call=call.id)
    fake.answer(agent)
    await inbox.next(event.PartyJoined, call=call.id, role=event.Role.CALLER)
    return call
