"""Whole stories: engine, AMI door and a behaving exchange in memory, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from agents.moves import AgentState
from controller.engine import Engine
from controller.switchboard import Switchboard
from pbx import events as event
from pbx.ami import AmiDoor, AmiLimits
from pbx.call import CallRecord, CallState, Outcome
from pbx.commands import Command, OpenTicket, Reply, SaveCall
from pbx.events import Event
from pbx.ids import AgentId, CallId, RequestId, TicketNumber
from tests.builders import A1, A2, A3, DEPARTMENT, DIRECT, plan
from tests.fakes.exchange import FakeCall, FakeExchange
from tests.virtual_time import run, wall

pytestmark = pytest.mark.scenario


class Controller:
    """One life of a controller: what remains of it is what the exchange and the store know."""

    def __init__(self, fake: FakeExchange, store: dict[CallId, CallRecord], *, lag_s: float = 0.0) -> None:
        self.fake, self.store, self.lag_s = fake, store, lag_s
        self.board = Switchboard(plan())
        self.replies: list[Reply] = []
        self.engine = Engine(self.board, self, self.perform, wall, lambda found: self.news.set())
        self.news = asyncio.Event()
        self.door = AmiDoor(
            "memory", 0, fake.user, fake.secret, self.hear,
            spool="/spool", agents=(A1, A2, A3), phones=(A1, A2, A3, DEPARTMENT), limits=AmiLimits(),
            connector=fake.connector,
            wall=wall, monotonic=asyncio.get_running_loop().time,
        )  # fmt: skip

    def hear(self, found: Event) -> None:
        if self.lag_s:
            asyncio.get_running_loop().call_later(self.lag_s, self.engine.post, found)
        else:
            self.engine.post(found)

    def append(self, found: Event, now: float, commands: Sequence[Command], error: str = "") -> int:
        assert not error, f"{type(found).__name__} raised {error}"
        return 0

    def perform(self, command: Command) -> None:
        match command:
            case SaveCall(record=record):
                self.store[record.call] = record
            case OpenTicket(call=call):
                self.engine.post(event.TicketOpened(call, TicketNumber("20261123000001"), wall()))
            case Reply():
                self.replies.append(command)
            case _:
                if type(command).__name__ != "FinishRecording":
                    self.door.perform(command)  # type: ignore[arg-type]

    async def until(self, holds: object, within: float = 30.0) -> None:
        """Wait until `holds()` is true after some step."""
        async with asyncio.timeout(within):
            while not holds():  # type: ignore[operator]
                self.news.clear()
                await self.news.wait()

    async def state(self, call: FakeCall, state: CallState) -> None:
        def so() -> bool:
            live = self.board.house.calls.get(CallId(call.id))
            return live is not None and live.state is state

        await self.until(so)

    async def agent(self, agent: AgentId, state: AgentState) -> None:
        await self.until(lambda: self.board.house.roster.get(agent).state is state)

    async def ready(self, *agents: AgentId) -> None:
        for agent in agents:
            self.engine.post(event.AgentWentReady(agent, RequestId(agent), wall()))
            await self.agent(agent, AgentState.READY)

    async def ended(self, call: FakeCall) -> CallRecord:
        await self.until(lambda: CallId(call.id) not in self.board.house.calls)
        return self.store[CallId(call.id)]


@asynccontextmanager
async def alive(
    fake: FakeExchange, store: dict[CallId, CallRecord] | None = None, *, lag_s: float = 0.0
) -> AsyncIterator[Controller]:
    """A controller from its login to its sudden death."""
    controller = Controller(fake, store if store is not None else {}, lag_s=lag_s)
    opened = tuple(record for record in controller.store.values() if record.ended_at is None)
    controller.engine.post(event.CallsRestored(opened, wall()))
    tasks = [asyncio.create_task(controller.engine.run()), asyncio.create_task(controller.door.run())]
    try:
        assert await controller.door.wait_ready(10)
        await controller.until(lambda: controller.board.house.connected)
        yield controller
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.1)


@pytest.fixture
def fake() -> FakeExchange:
    return FakeExchange(clock=wall)


async def arrives_in_line(fake: FakeExchange, controller: Controller) -> FakeCall:
    """A caller presses 1 and hears the word before the line to its end."""
    call = fake.arrive()
    await fake.saw("Redirect", Channel=call.channel, Context="p-ask")
    await asyncio.sleep(0.1)
    fake.press(call, "1")
    await fake.saw("Redirect", Channel=call.channel, Context="p-play")
    await asyncio.sleep(0.1)
    fake.played(call)
    return call


async def rings(fake: FakeExchange, controller: Controller, agent: AgentId) -> None:
    await controller.agent(agent, AgentState.RINGING)


def test_a_citizen_is_asked_waits_talks_and_says_how_it_was(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        async with alive(fake) as controller:
            call = await arrives_in_line(fake, controller)
            await controller.state(call, CallState.WAITING)
            controller.engine.post(event.AgentWentReady(A1, RequestId("r"), wall()))
            await rings(fake, controller, A1)
            fake.answer(A1)
            await controller.state(call, CallState.TALKING)
            await fake.saw("Setvar", Channel=call.channel, Variable="TICKETSAY")
            fake.leave(A1)
            await controller.state(call, CallState.SURVEY)
            await controller.agent(A1, AgentState.WRAP_UP)
            fake.score(call, 5)
            record = await controller.ended(call)
            assert (record.outcome, record.score, record.agent) == (Outcome.ANSWERED, 5, A1)
            assert record.ticket == "20261123000001"
            await controller.agent(A1, AgentState.READY)  # the wrap-up's clock

    run(story())


def test_two_agents_do_not_answer_and_the_third_does(fake: FakeExchange) -> None:
    async def story() -> None:
        for agent in (A1, A2, A3):
            fake.register(agent)
        async with alive(fake) as controller:
            await controller.ready(A1, A2, A3)
            call = await arrives_in_line(fake, controller)
            for agent in (A1, A2):
                await rings(fake, controller, agent)
                fake.refuse(agent, "NOANSWER", 0)
            await rings(fake, controller, A3)
            fake.answer(A3)
            await controller.state(call, CallState.TALKING)
            outcomes = [offer.outcome for offer in controller.store[CallId(call.id)].offers]
            assert outcomes == ["noanswer", "noanswer", "answered"]

    run(story())


def test_the_connection_breaks_in_a_talk_and_in_the_line_and_nobody_notices(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        async with alive(fake) as controller:
            await controller.ready(A1)
            talk = await arrives_in_line(fake, controller)
            await rings(fake, controller, A1)
            fake.answer(A1)
            await controller.state(talk, CallState.TALKING)
            waits = await arrives_in_line(fake, controller)
            await controller.state(waits, CallState.WAITING)
            await asyncio.sleep(2)
            before = len(fake.actions)
            fake.drop()
            await controller.until(lambda: not controller.board.house.connected)
            await controller.until(lambda: controller.board.house.connected)
            await asyncio.sleep(2)
            assert not [one for one in fake.actions[before:] if one["Action"] in ("Redirect", "Hangup")]
            assert (talk.bridged, waits.context) == (True, "p-hold")
            fake.leave(A1)
            await controller.agent(A1, AgentState.WRAP_UP)
            await rings(fake, controller, A1)
            assert fake.leg(A1).call is waits

    run(story())


def test_an_agent_answers_while_the_connection_is_broken(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        async with alive(fake) as controller:
            await controller.ready(A1)
            call = await arrives_in_line(fake, controller)
            await rings(fake, controller, A1)
            fake.drop()
            fake.answer(A1)
            await controller.state(call, CallState.TALKING)
            assert call.bridged

    run(story())


def test_a_controller_dies_and_its_successor_finds_everybody(fake: FakeExchange) -> None:
    async def story() -> None:
        store: dict[CallId, CallRecord] = {}
        for agent in (A1, A2):
            fake.register(agent)
        async with alive(fake, store) as first:
            await first.ready(A1, A2)
            talk = await arrives_in_line(fake, first)
            await rings(fake, first, A1)
            fake.answer(A1)
            await first.state(talk, CallState.TALKING)
            rung = await arrives_in_line(fake, first)
            await rings(fake, first, A2)
            waits = await arrives_in_line(fake, first)
            await first.state(waits, CallState.WAITING)
            asked = fake.arrive()
            await first.state(asked, CallState.ASKING)
            gone = await arrives_in_line(fake, first)
            await first.state(gone, CallState.WAITING)
            await asyncio.sleep(2)
        before = len(fake.actions)
        fake.hang_up(gone)
        async with alive(fake, store) as second:
            house = second.board.house
            await second.until(lambda: len(house.calls) == 4)
            states = {one.id: house.calls[CallId(one.id)].state.value for one in (talk, rung, waits, asked)}
            assert list(states.values()) == ["talking", "offered", "waiting", "asking"]
            assert store[CallId(gone.id)].outcome is Outcome.FAILED
            assert house.roster.get(A1).state is AgentState.TALKING
            assert house.roster.get(A2).state is AgentState.RINGING
            await asyncio.sleep(2)
            assert not [one for one in fake.actions[before:] if one["Action"] in ("Redirect", "Hangup")]
            fake.press(asked, "2")
            await second.state(asked, CallState.PLAYING)
            fake.leave(A1)
            fake.answer(A2)
            await second.agent(A1, AgentState.WRAP_UP)
            await second.agent(A2, AgentState.TALKING)
            await second.state(talk, CallState.SURVEY)
            await rings(fake, second, A1)
            assert fake.leg(A1).call is waits, "he kept his place"

    run(story())


def test_a_caller_who_fell_into_the_net_while_nobody_was_there_is_fetched_back(fake: FakeExchange) -> None:
    async def story() -> None:
        store: dict[CallId, CallRecord] = {}
        fake.register(A1)
        async with alive(fake, store) as first:
            call = await arrives_in_line(fake, first)
            await first.state(call, CallState.WAITING)
            queued_at = store[CallId(call.id)].queued_at
            await asyncio.sleep(2)
        fake.fall_back(call)
        async with alive(fake, store) as second:
            await fake.saw("Redirect", Channel=call.channel, Context="p-hold", Exten=str(call.step + 1))
            await second.state(call, CallState.WAITING)
            record = store[CallId(call.id)]
            assert (record.in_net, record.queued_at) == (True, queued_at)

    run(story())


def test_a_lost_confirmation_is_repeated_and_then_left_to_the_net(fake: FakeExchange) -> None:
    async def story() -> None:
        async with alive(fake) as controller:
            fake.fault.swallow_started = True
            call = fake.arrive()
            await asyncio.sleep(30)
            asked = [one for one in fake.actions if one["Action"] == "Redirect"]
            assert [one["Exten"] for one in asked] == ["1", "2", "3", "4"]
            fake.fault.swallow_started = False
            fake.press(call, "1")  # he hears the question all the same
            await controller.state(call, CallState.PLAYING)

    run(story())


def test_a_confirmation_that_is_lost_does_not_ring_an_agent_twice(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        async with alive(fake) as controller:
            await controller.ready(A1)
            call = fake.arrive(dialled=DIRECT)
            await controller.state(call, CallState.PLAYING)
            await asyncio.sleep(0.1)
            fake.fault.swallow_started = True
            fake.played(call)
            await rings(fake, controller, A1)
            await asyncio.sleep(4)
            assert len([one for one in fake.actions if one.get("Context") == "p-dial"]) == 1
            fake.answer(A1)
            await controller.state(call, CallState.TALKING)

    run(story())


@pytest.mark.parametrize("lag_s", [0.3, 1.2])
def test_words_that_come_late_delay_and_confuse_nothing(fake: FakeExchange, lag_s: float) -> None:
    async def story() -> None:
        for agent in (A1, A2):
            fake.register(agent)
        async with alive(fake, lag_s=lag_s) as controller:
            await controller.ready(A1, A2)
            call = fake.arrive(dialled=DIRECT)
            await controller.state(call, CallState.PLAYING)
            await asyncio.sleep(lag_s + 0.1)
            fake.played(call)
            await rings(fake, controller, A1)
            fake.refuse(A1)
            await rings(fake, controller, A2)
            fake.answer(A2)
            fake.leave(A2)
            await controller.state(call, CallState.SURVEY)
            fake.score(call, 4)
            record = await controller.ended(call)
            assert (record.agent, record.score) == (A2, 4)
            assert controller.board.house.roster.get(A1).misses == 1

    run(story())


def test_a_third_party_is_rung_and_joins_and_another_is_not_there(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        fake.register(A2)
        fake.contacts[DEPARTMENT] = "sip:8001@127.0.0.1"
        async with alive(fake) as controller:
            await controller.ready(A1)
            call = await arrives_in_line(fake, controller)
            await rings(fake, controller, A1)
            fake.answer(A1)
            await controller.state(call, CallState.TALKING)
            await controller.ready(A2)
            for endpoint in (DEPARTMENT, A2):
                controller.engine.post(event.ThirdPartyAsked(A1, endpoint, RequestId("t"), wall()))
                await fake.saw("Originate", Channel=f"PJSIP/{endpoint}")
            fake.answer(DEPARTMENT)
            await controller.agent(A2, AgentState.RESERVED)
            fake.refuse(A2)
            await controller.agent(A2, AgentState.READY)
            fake.leave(A1)
            await controller.agent(A1, AgentState.WRAP_UP)
            assert controller.board.house.calls[CallId(call.id)].state is CallState.TALKING
            fake.leave(DEPARTMENT)
            await controller.state(call, CallState.SURVEY)

    run(story())


def test_asterisk_dies_and_comes_again(fake: FakeExchange) -> None:
    async def story() -> None:
        fake.register(A1)
        async with alive(fake) as controller:
            await controller.ready(A1)
            call = await arrives_in_line(fake, controller)
            await rings(fake, controller, A1)
            fake.answer(A1)
            await controller.state(call, CallState.TALKING)
            fake.restart()
            record = await controller.ended(call)
            assert record.outcome is Outcome.ANSWERED
            await controller.until(lambda: controller.board.house.connected)
            await controller.agent(A1, AgentState.WRAP_UP)
            await controller.agent(A1, AgentState.READY)
            assert fake.globals[f"AG_{A1}"].startswith("ready"), "it is told anew what it forgot"

    run(story())
