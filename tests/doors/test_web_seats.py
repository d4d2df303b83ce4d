"""Hot desks through the interface, with the real engine, rules and seats: `docs/agents.md` line by line."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from controller.backend import HotlineBackend
from controller.engine import Engine, cancelled
from controller.switchboard import Switchboard
from metrics.servicelevel import Tally
from pbx.ami import AmiDoor
from pbx.commands import Command, Reply
from pbx.events import Event, ExchangeConnected
from pbx.ids import AgentId, RequestId
from tests.builders import A1, A2, A3, plan
from tests.fakes.backend import MemoryBackend
from tests.fakes.recording_desk import MemoryRecordings
from tests.fakes.website import Site, site
from web.backend import Overview, RequestResult

pytestmark = pytest.mark.doors

SEAT = AgentId("8002")


class Answers:
    """Performs what the engine orders: answers requests; there is no exchange. Is the journal as well."""

    def __init__(self) -> None:
        self._open: dict[RequestId, asyncio.Future[Reply]] = {}
        self._lines = itertools.count()

    def expect(self, request: RequestId) -> asyncio.Future[Reply]:
        return self._open.setdefault(request, asyncio.get_running_loop().create_future())

    def perform(self, command: Command) -> None:
        if isinstance(command, Reply):
            self._open[command.request].set_result(command)

    def append(self, event: Event, now: float, commands: Sequence[Command], error: str = "") -> int:
        assert not error
        return next(self._lines)


class Floor(MemoryBackend):
    """The pages' backend whose agents are the real hotline's."""

    def __init__(self) -> None:
        super().__init__()
        board = Switchboard(plan(seats=frozenset({SEAT}), phoneless=frozenset({A3})))
        answers, unused = Answers(), cast(Any, None)
        door = AmiDoor("127.0.0.1", 1, "ctl", "never said", lambda found: None, spool="")  # it counts; it is never run
        self.real = HotlineBackend(
            house=board.house, records=unused, performer=cast(Any, answers), tally=Tally(), door=door,
            recordings=MemoryRecordings(), desk=unused, events=unused, public=unused, office=unused, reminders=unused,
            words=unused, clock=self.clock,
        )  # fmt: skip
        self.engine = Engine(board, answers, answers.perform, self.clock, self.real.stepped)
        self.real.engine = self.engine
        self.engine.post(ExchangeConnected((), (A1, A2, SEAT), (), self.clock()))

    def overview(self) -> Overview:
        return self.real.overview()

    async def sign_in(self, agent: AgentId, seat: AgentId | None = None) -> RequestResult:
        return await self.real.sign_in(agent, seat)

    async def ready(self, agent: AgentId) -> RequestResult:
        return await self.real.ready(agent)


@pytest.fixture
async def hotline() -> AsyncIterator[Site]:
    floor = Floor()
    running = asyncio.create_task(floor.engine.run())
    async with site(floor) as made:
        yield made
    await cancelled(running)


async def ask(hotline: Site, what: str, agent: AgentId, **body: str) -> tuple[int, str, dict[str, str]]:
    """Status, code and detail of an agent's request."""
    status, answer = await hotline.json("POST", f"/api/agents/{agent}/{what}", body)
    return status, answer.get("error", ""), answer.get("detail", {})


async def agents(hotline: Site) -> dict[str, dict[str, Any]]:
    _, view = await hotline.json("GET", "/api/overview")
    return {one["agent"]: one for one in view["agents"]}


DONE = (200, "", {})


async def test_a_second_sign_in_without_a_seat_is_at_his_own_phone(hotline: Site) -> None:
    assert await ask(hotline, "sign-in", A1, seat=SEAT) == DONE
    assert (await agents(hotline))[A1]["seat"] == SEAT
    assert await ask(hotline, "sign-in", A1) == DONE
    assert (await agents(hotline))[A1]["seat"] == A1
    assert await ask(hotline, "sign-in", A1) == (409, "already_signed_in", {}), "where he sits nothing changes"
    assert await ask(hotline, "sign-in", A2, seat=SEAT) == DONE, "the first seat is free"


async def test_who_finds_somebody_at_his_phone_is_told_so_and_the_overview_shows_whom(hotline: Site) -> None:
    assert await ask(hotline, "sign-in", A2, seat=A1) == DONE
    for what in ("ready", "sign-in"):
        assert await ask(hotline, what, A1) == (409, "no_seat", {"taken": A1}), "but not by whom"
    shown = await agents(hotline)
    assert (shown[A1]["seat"], shown[A1]["seat_taken_by"], shown[A2]["seat"]) == (None, A2, A1)
    assert shown[A2]["seat_taken_by"] is None
    assert await ask(hotline, "sign-in", A1, seat=A1) == DONE, "who names the seat takes it"
    assert await ask(hotline, "ready", A1) == DONE


async def test_who_has_no_phone_of_his_own_names_a_seat(hotline: Site) -> None:
    for what in ("ready", "sign-in"):
        assert await ask(hotline, what, A3) == (409, "no_seat", {})
    assert await ask(hotline, "sign-in", A3, seat=SEAT) == DONE
    assert await ask(hotline, "sign-in", A3) == (409, "no_seat", {})
    assert (await agents(hotline))[A3]["seat"] == SEAT, "refused, he sits where he sat"


async def test_a_phone_that_is_not_registered_is_no_taken_seat(hotline: Site) -> None:
    floor = cast(Floor, hotline.backend)
    floor.engine.post(ExchangeConnected((), (A2,), (), floor.clock()))
    assert await ask(hotline, "ready", A1) == (409, "phone_unreachable", {})
