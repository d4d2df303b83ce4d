"""Hold, consult, transfer, hand-over and calls of ours on a real Asterisk: rules, door and dialplan together.

The switchboard is driven by the door as in the product, without web and store; citizen, agents, a department and the
carrier are SIP phones. Who should hear whom is checked by tones, and every way ends in the survey.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random

import pytest

from agents.agent import AgentRules
from agents.moves import AgentState
from controller.asterisk import Exchange
from controller.house import LiveCall
from controller.plan import Destination, OutboundPlan
from controller.softphone import AnswerPolicy, Call, Phone, Tone
from controller.switchboard import Switchboard
from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor
from pbx.call import CallState, Outcome
from pbx.events import Event, TargetKind
from pbx.ids import AgentId, CallId, RequestId
from pbx.supervision import Audit
from recordings.policy import RecordingPolicy
from tests.builders import A1, A2, A3, DIRECT, plan

pytestmark = [pytest.mark.asterisk, pytest.mark.usefixtures("complaints_of_asterisk")]

CITIZEN_HZ, ONE_HZ, TWO_HZ, OUTSIDE_HZ, SURVEY_HZ = 500, 1200, 2000, 1600, 700
UNIT = AgentId("3001")
RULES = AgentRules(wrap_up_s=0.0, misses_before_not_ready=50)


class Hotline:
    """The switchboard on a real exchange, and everybody's phones."""

    def __init__(self, exchange: Exchange, stack: AsyncExitStack, **changes: object) -> None:
        s = self.settings = exchange.settings
        destinations = (
            Destination("110", "公安", "Police", "emergency", ("transfer", "three_way"), "110"),
            Destination("water", "水务", "Water", "unit", ("transfer", "three_way"), extension=UNIT),
        )
        given = plan(
            extensions=frozenset({UNIT}),
            agent_rules=RULES,
            recording=RecordingPolicy(record=False, consent_required=False),
            destinations={one.id: one for one in destinations},
            outbound=OutboundPlan("carrier", (r"1[3-9]\d{9}", "110"), caller="12345", notice=False, auto_answer=True),
            transfer_ring_s=3,
            consult_ring_s=3,
            survey=True,
        )
        self.board = Switchboard(replace(given, **changes))  # type: ignore[arg-type]
        self.house = self.board.house
        self.stack = stack
        self.replies: dict[str, order.Reply] = {}
        self.records: dict[CallId, order.SaveCall] = {}
        self.events: list[Event] = []
        self.aside: list[order.Command] = []  #: what others than the exchange are ordered
        self._news = asyncio.Event()
        self._serial = itertools.count(1)
        self.door = AmiDoor(
            s.host,
            s.ami_port,
            "ctl",
            s.ami_secret,
            self.step,
            spool=str(s.recordings.parent),
            agents=(A1, A2, A3),
            phones=(A1, A2, A3, UNIT),
        )

    def step(self, found: Event) -> None:
        self.events.append(found)
        for command in self.board.step(found, time.time()):
            match command:
                case order.Reply():
                    self.replies[command.request] = command
                case order.SaveCall():
                    self.records[command.record.call] = command
                case order.Wake():
                    up = event.TimeIsUp(command.kind, command.key, command.generation, command.at)
                    asyncio.get_running_loop().call_later(max(0.0, command.at - time.time()), self.step, up)
                case order.OpenTicket() | order.FinishRecording() | order.QueryTicket() | Audit():
                    self.aside.append(command)
                case _:
                    self.door.perform(command)  # type: ignore[arg-type]
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, holds: Callable[[], object], what: str, within: float = 6.0) -> None:
        try:
            async with asyncio.timeout(within):
                while not holds():
                    await self._news.wait()
        except TimeoutError:
            states = {live.call: live.state.name for live in self.house.calls.values()}
            agents = {one.id: one.state.name for one in self.house.roster.agents()}
            kinds = [type(one).__name__ for one in self.events[-25:]]
            raise AssertionError(f"never: {what}; calls {states}, agents {agents}, last {kinds}") from None

    def ask(self, make: Callable[..., Event], *given: object) -> str:
        """A person's request; the code of its answer."""
        request = RequestId(f"q{next(self._serial)}")
        self.step(make(*given, request, time.time()))
        return self.replies[request].code

    async def plug(self, number: str, policy: AnswerPolicy | None = None) -> Phone:
        server = (self.settings.host, self.settings.sip_port)
        phone = Phone(number, self.settings.phone(number).password, server=server, policy=policy)
        await self.stack.enter_async_context(phone)
        await phone.register()
        await self.until(lambda: self.house.seats.is_reachable(AgentId(number)), f"{number} registered")
        return phone

    async def agent(self, number: AgentId, *, delay: float = 0.05) -> Phone:
        """An agent who answers by himself and is ready."""
        phone = await self.plug(number, AnswerPolicy.auto(delay))
        assert not self.ask(event.AgentWentReady, number)
        return phone

    async def carrier(self, policy: AnswerPolicy | None = None) -> Phone:
        """The carrier: every number outside is answered by this phone."""
        phone = Phone("carrier", local_port=self.settings.carrier_port, policy=policy or AnswerPolicy.auto(0.05))
        return await self.stack.enter_async_context(phone)

    async def calls(self, number: str = DIRECT) -> Call:
        """A citizen calls and is answered."""
        s = self.settings
        citizen = Phone(s.citizen_user, s.citizen_password, server=(s.host, s.sip_port), from_number="13800001111")
        await self.stack.enter_async_context(citizen)
        call = await citizen.call(number)
        await call.answered(timeout=5)
        call.play(Tone(CITIZEN_HZ))
        return call

    async def talk(self, agent: Phone) -> tuple[Call, Call, LiveCall]:
        """A citizen and this agent talk: their phones' calls and the call as the rules know it."""
        citizen = await self.calls()
        mine = await agent.incoming(timeout=5)
        await mine.answered(timeout=5)
        mine.play(Tone(ONE_HZ))
        await self.until(lambda: self.where(agent.user) is AgentState.TALKING, "talking")
        live = next(iter(self.house.calls.values()))
        await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
        return citizen, mine, live

    def where(self, agent: str) -> AgentState:
        return self.house.roster.get(AgentId(agent)).state

    async def is_(self, live: LiveCall, state: CallState) -> None:
        await self.until(lambda: live.state is state, f"{live.state} -> {state}")

    async def surveyed(self, live: LiveCall, citizen: Call) -> None:
        """He is asked how it was, says 4, and it is in the record."""
        await self.is_(live, CallState.SURVEY)
        await citizen.hear_tone(SURVEY_HZ, timeout=4)
        await citizen.press("4")
        await self.until(lambda: self.records[live.call].record.score == 4, "the score")
        await citizen.ended(timeout=5)
        await self.until(lambda: live.call not in self.house.calls, "the end")
        assert self.records[live.call].record.outcome is Outcome.ANSWERED

    async def empty(self, within: float = 5.0) -> None:
        """Nobody is left in the exchange, and nobody is kept."""
        deadline = time.monotonic() + within
        agents = self.house.roster.agents
        while (
            (rows := await self.door.listing("CoreShowChannels"))
            or self.house.calls
            or any(one.call is not None for one in agents())
        ):
            if time.monotonic() > deadline:
                left = [f"{row.get('Channel')} {row.get('Context')} {row.get('Application')}" for row in rows]
                last = [f"{type(one).__name__}" for one in self.events[-15:]]
                kept = [f"{one.id} {one.state.name}" for one in agents() if one.call is not None]
                raise AssertionError(f"left over: {left}, {len(self.house.calls)} calls, {kept}; {last}")
            await asyncio.sleep(0.05)  # nothing tells when the last channel is gone


async def both(one: Call, hz: float, other: Call, other_hz: float) -> None:
    """They hear each other."""
    await asyncio.gather(one.hear_tone(other_hz, timeout=4), other.hear_tone(hz, timeout=4))


async def clear(hotline: Hotline) -> None:
    """Leave the exchange as it was, unless a successor has the door and does so."""
    door = hotline.door
    if door.connected:
        for row in await door.listing("CoreShowChannels"):
            await door.action("Hangup", [("Channel", row.get("Channel"))])
        for agent in (A1, A2, A3):
            door.perform(order.MarkAgent(agent, "", order.NetMembership.ABSENT))
        await least_talk(hotline, 1000)


async def least_talk(hotline: Hotline, milliseconds: int) -> None:
    """From how long on a talk counts as one."""
    await hotline.door.action("Setvar", [("Variable", "TALKMIN"), ("Value", str(milliseconds))])


@pytest.fixture
async def hotline(exchange: Exchange, tap: object) -> AsyncIterator[Hotline]:
    """The rules over the real Asterisk. Here every talk counts as one, however short: what makes a talk too short is
    tested in `test_exchange_calls.py`, and a test must not depend on how long its listening has taken."""
    async with AsyncExitStack() as stack:
        made = Hotline(exchange, stack)
        task = asyncio.create_task(made.door.run(), name="door")
        assert await made.door.wait_ready(10)
        await least_talk(made, 0)
        yield made
        await clear(made)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_hold_music_resume_and_survey(hotline: Hotline) -> None:
    agent = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(agent)
    assert not hotline.ask(event.HoldAsked, A1)
    await hotline.is_(live, CallState.HELD)
    await mine.hear_silence(0.4, timeout=3)
    await citizen.hear_sound(timeout=3)
    assert hotline.where(A1) is AgentState.HOLDING
    assert not hotline.ask(event.ResumeAsked, A1)
    await hotline.is_(live, CallState.TALKING)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    assert not hotline.ask(event.HoldAsked, A1)  # again, out of a talk that p-join has made
    await hotline.is_(live, CallState.HELD)
    await hotline.until(lambda: live.holding is not None and live.holding.begun, "parted")
    assert not hotline.ask(event.ResumeAsked, A1)
    await hotline.is_(live, CallState.TALKING)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    await mine.hangup()
    await hotline.surveyed(live, citizen)
    assert len(hotline.records[live.call].record.holds) == 2
    await hotline.empty()


async def test_attended_transfer_and_survey(hotline: Hotline) -> None:
    first, second = await hotline.agent(A1), None
    citizen, mine, live = await hotline.talk(first)
    second = await hotline.agent(A2)
    assert not hotline.ask(event.ConsultAsked, A1, TargetKind.AGENT, A2)
    theirs = await second.incoming(timeout=5)
    await theirs.answered(timeout=5)
    theirs.play(Tone(TWO_HZ))
    await both(mine, ONE_HZ, theirs, TWO_HZ)
    await citizen.hear_sound(timeout=3)
    await hotline.until(lambda: live.consult is not None and live.consult.up, "asked")
    assert not hotline.ask(event.ConsultCompleted, A1)
    await both(citizen, CITIZEN_HZ, theirs, TWO_HZ)
    await mine.ended(timeout=4)
    await hotline.until(lambda: hotline.where(A1) is AgentState.READY, "the first is free")
    assert hotline.where(A2) is AgentState.TALKING
    await theirs.hangup()
    await hotline.surveyed(live, citizen)
    record = hotline.records[live.call].record
    assert (record.agent, record.transfers[0].outcome) == (A2, "done")
    await hotline.empty()


async def test_back_to_the_caller_from_a_consultation(hotline: Hotline) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    second = await hotline.agent(A2)
    assert not hotline.ask(event.ConsultAsked, A1, TargetKind.AGENT, A2)
    theirs = await second.incoming(timeout=5)
    await theirs.answered(timeout=5)
    await hotline.until(lambda: live.consult is not None and live.consult.up, "asked")
    assert not hotline.ask(event.ResumeAsked, A1)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    await theirs.ended(timeout=4)
    await mine.hangup()
    await hotline.surveyed(live, citizen)
    await hotline.empty()


@pytest.mark.parametrize("policy", [AnswerPolicy.busy(), AnswerPolicy.no_answer()], ids=["busy", "no answer"])
async def test_a_consultation_that_nobody_answers(hotline: Hotline, policy: AnswerPolicy) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    await hotline.plug(UNIT, policy)
    assert not hotline.ask(event.ConsultAsked, A1, TargetKind.EXTENSION, UNIT)
    await hotline.until(lambda: live.consult is None, "not answered", within=8)
    assert live.state is CallState.HELD
    assert not hotline.ask(event.ResumeAsked, A1)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    await mine.hangup()
    await hotline.surveyed(live, citizen)
    await hotline.empty()


async def test_blind_transfer_and_survey(hotline: Hotline) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    second = await hotline.agent(A2)
    assert not hotline.ask(event.TransferAsked, A1, TargetKind.AGENT, A2)
    await mine.ended(timeout=4)
    theirs = await second.incoming(timeout=5)
    await theirs.answered(timeout=5)
    theirs.play(Tone(TWO_HZ))
    await both(citizen, CITIZEN_HZ, theirs, TWO_HZ)
    await hotline.until(lambda: hotline.where(A1) is AgentState.READY, "the first is free")
    await citizen.hear_tone(TWO_HZ, timeout=4)
    await theirs.hangup()
    await hotline.surveyed(live, citizen)
    await hotline.empty()


async def test_a_blind_transfer_that_is_not_answered_comes_back(hotline: Hotline) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    await hotline.plug(A2, AnswerPolicy.busy())
    assert not hotline.ask(event.AgentWentReady, A2)
    assert not hotline.ask(event.TransferAsked, A1, TargetKind.AGENT, A2)
    await mine.ended(timeout=4)
    again = await first.incoming(timeout=5)
    await again.answered(timeout=5)
    again.play(Tone(ONE_HZ))
    await both(citizen, CITIZEN_HZ, again, ONE_HZ)
    await citizen.hear_tone(ONE_HZ, timeout=4)
    await again.hangup()
    await hotline.surveyed(live, citizen)
    assert hotline.records[live.call].record.transfers[0].outcome == "failed"


async def test_transfer_to_a_line(hotline: Hotline) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    assert not hotline.ask(event.TransferAsked, A1, TargetKind.QUEUE, "english")
    await mine.ended(timeout=4)
    again = await first.incoming(timeout=5)  # the only one who speaks it is the one who gave him away
    await again.answered(timeout=5)
    again.play(Tone(ONE_HZ))
    await both(citizen, CITIZEN_HZ, again, ONE_HZ)
    await citizen.hear_tone(ONE_HZ, timeout=4)
    await again.hangup()
    await hotline.surveyed(live, citizen)


async def test_hand_over_to_the_police_by_transfer(hotline: Hotline) -> None:
    police = await hotline.carrier()
    agent = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(agent)
    assert not hotline.ask(event.HandOverAsked, A1, "110", "transfer")
    desk = await police.incoming(timeout=5)
    await desk.answered(timeout=5)
    assert desk.remote_number == "13800001111"  # the citizen's own number is shown
    desk.play(Tone(OUTSIDE_HZ))
    await both(citizen, CITIZEN_HZ, desk, OUTSIDE_HZ)
    await mine.ended(timeout=4)
    await citizen.hear_tone(OUTSIDE_HZ, timeout=4)
    await desk.hangup()
    await hotline.surveyed(live, citizen)
    assert hotline.records[live.call].record.agent == A1


async def test_hand_over_to_the_police_by_three_way(hotline: Hotline) -> None:
    police = await hotline.carrier()
    agent = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(agent)
    assert not hotline.ask(event.HandOverAsked, A1, "110", "three_way")
    desk = await police.incoming(timeout=5)
    await desk.answered(timeout=5)
    desk.play(Tone(OUTSIDE_HZ))
    await asyncio.gather(
        citizen.hear_tone(OUTSIDE_HZ, timeout=4, share=0.3),
        mine.hear_tone(OUTSIDE_HZ, timeout=4, share=0.3),
        desk.hear_tone(CITIZEN_HZ, timeout=4, share=0.3),
    )
    assert hotline.ask(event.HoldAsked, A1) == "in_conference"
    await mine.hangup()
    await both(citizen, CITIZEN_HZ, desk, OUTSIDE_HZ)
    await citizen.hear_tone(OUTSIDE_HZ, timeout=4)
    await desk.hangup()
    await hotline.surveyed(live, citizen)
    assert hotline.records[live.call].record.transfers[0].outcome == "joined"


async def test_a_third_party_after_a_hold_and_the_survey(hotline: Hotline) -> None:
    """Three in a bridge that p-join has made: the agent leaves first, the department talks on."""
    agent = await hotline.agent(A1)
    unit = await hotline.plug(UNIT, AnswerPolicy.auto(0.05))
    citizen, mine, live = await hotline.talk(agent)
    hotline.ask(event.HoldAsked, A1)
    await hotline.until(lambda: live.holding is not None and live.holding.begun, "parted")
    hotline.ask(event.ResumeAsked, A1)
    await hotline.is_(live, CallState.TALKING)
    assert not hotline.ask(event.ThirdPartyAsked, A1, AgentId("water"))
    theirs = await unit.incoming(timeout=5)
    await theirs.answered(timeout=5)
    theirs.play(Tone(TWO_HZ))
    await citizen.hear_tone(TWO_HZ, timeout=4, share=0.3)
    await mine.hangup()
    await both(citizen, CITIZEN_HZ, theirs, TWO_HZ)
    await theirs.hangup()
    await hotline.surveyed(live, citizen)
    await hotline.empty()


async def test_a_third_partys_phone_stops_ringing_with_the_talk(hotline: Hotline) -> None:
    agent = await hotline.agent(A1)
    unit = await hotline.plug(UNIT, AnswerPolicy.no_answer())
    citizen, mine, live = await hotline.talk(agent)
    assert not hotline.ask(event.ThirdPartyAsked, A1, UNIT)
    theirs = await unit.incoming(timeout=5)
    assert hotline.ask(event.ThirdPartyAsked, A1, UNIT) == "party_already_there"
    await citizen.hear_tone(ONE_HZ, timeout=4)
    await mine.hangup()
    assert (await theirs.ended(timeout=2)).status == 487
    await hotline.surveyed(live, citizen)


async def test_an_unregistered_unit_and_a_forbidden_number(hotline: Hotline) -> None:
    agent = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(agent)
    assert hotline.ask(event.ThirdPartyAsked, A1, UNIT) == "party_unreachable"
    assert hotline.ask(event.TransferAsked, A1, TargetKind.NUMBER, "01088886666") == "forbidden_number"
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    await citizen.hangup()
    await mine.ended(timeout=4)
    await hotline.empty()
    assert not hotline.records[live.call].record.score


async def test_mute_and_keys(hotline: Hotline) -> None:
    agent = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(agent)
    assert not hotline.ask(event.MuteAsked, A1, True)
    await citizen.hear_silence(0.4, timeout=3)
    await mine.hear_tone(CITIZEN_HZ, timeout=3)
    assert not hotline.ask(event.MuteAsked, A1, False)
    await citizen.hear_tone(ONE_HZ, timeout=3)
    assert not hotline.ask(event.DigitsAsked, A1, "12#")
    await citizen.hear_tone(ONE_HZ, timeout=3)
    await mine.hangup()
    await hotline.surveyed(live, citizen)


async def test_a_call_of_ours(hotline: Hotline) -> None:
    """The agent's phone rings first and is asked to answer by itself; then the citizen's, with the right number."""
    outside = await hotline.carrier()
    agent = await hotline.agent(A1)
    assert hotline.ask(event.OutboundAsked, A1, "01088886666", "follow_up", "") == "forbidden_number"
    assert not hotline.ask(event.OutboundAsked, A1, "13900002222", "follow_up", "")
    mine = await agent.incoming(timeout=5)
    assert "answer-after=0" in (mine.header("Call-Info") or "")
    await mine.answered(timeout=5)
    citizen = await outside.incoming(timeout=5)
    assert citizen.remote_number == "12345"
    await citizen.answered(timeout=5)
    citizen.play(Tone(CITIZEN_HZ))
    mine.play(Tone(ONE_HZ))
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    live = next(iter(hotline.house.calls.values()))
    await hotline.is_(live, CallState.TALKING)
    hotline.ask(event.HoldAsked, A1)
    await hotline.until(lambda: live.holding is not None and live.holding.begun, "parted")
    await citizen.hear_sound(timeout=3)
    hotline.ask(event.ResumeAsked, A1)
    await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
    await mine.hangup()
    await citizen.ended(timeout=5)
    await hotline.empty()
    record = hotline.records[live.call].record
    assert (record.direction, record.outcome, record.caller) == ("outbound", Outcome.ANSWERED, "13900002222")


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (AnswerPolicy.busy(), "busy"),
        (AnswerPolicy.reject(480), "no_answer"),
        (AnswerPolicy.decline(), "failed"),
    ],
    ids=["busy", "unavailable", "decline"],
)
async def test_a_citizen_who_does_not_answer(hotline: Hotline, policy: AnswerPolicy, why: str) -> None:
    await hotline.carrier(policy)
    agent = await hotline.agent(A1)
    assert not hotline.ask(event.OutboundAsked, A1, "13900002222", "follow_up", "")
    mine = await agent.incoming(timeout=5)
    await mine.answered(timeout=5)
    await mine.ended(timeout=6)
    await hotline.empty()
    # An earlier test's call may have left a note in the Asterisk that they share.
    record = max((one.record for one in hotline.records.values()), key=lambda record: record.arrived_at)
    assert (record.outcome, record.unreached) == (Outcome.UNREACHED, why)
    assert hotline.where(A1) is AgentState.READY


async def test_an_agent_who_hangs_up_while_the_citizens_phone_rings(hotline: Hotline) -> None:
    outside = await hotline.carrier(AnswerPolicy.no_answer())
    agent = await hotline.agent(A1)
    assert not hotline.ask(event.OutboundAsked, A1, "13900002222", "follow_up", "")
    mine = await agent.incoming(timeout=5)
    await mine.answered(timeout=5)
    citizen = await outside.incoming(timeout=5)
    await mine.hangup()
    assert (await citizen.ended(timeout=3)).status == 487
    await hotline.empty()


async def successor(
    hotline: Hotline, exchange: Exchange, stack: AsyncExitStack, kind: type[Hotline] | None = None
) -> Hotline:
    """The controller is killed, with all that it knew but the stored records; a new one takes over."""
    new = (kind or Hotline)(exchange, stack)
    new.records = hotline.records
    opened = tuple(one.record for one in hotline.records.values() if one.record.ended_at is None)
    new.step(event.CallsRestored(opened, time.time()))
    task = asyncio.create_task(new.door.run(), name="the next door")
    assert await new.door.wait_ready(10)  # it ends the older session
    stack.callback(task.cancel)
    return new


@pytest.mark.parametrize("asking", [False, True], ids=["held", "consulting"])
async def test_a_killed_controller_loses_no_hold_and_no_consultation(
    hotline: Hotline, exchange: Exchange, asking: bool
) -> None:
    first = await hotline.agent(A1)
    citizen, mine, live = await hotline.talk(first)
    second = await hotline.agent(A2)
    theirs = None
    if asking:
        hotline.ask(event.ConsultAsked, A1, TargetKind.AGENT, A2)
        theirs = await second.incoming(timeout=5)
        await theirs.answered(timeout=5)
        theirs.play(Tone(TWO_HZ))
        await hotline.until(lambda: live.consult is not None and live.consult.up, "asked")
    else:
        hotline.ask(event.HoldAsked, A1)
        await hotline.until(lambda: live.holding is not None and live.holding.begun, "parted")
    async with AsyncExitStack() as stack:
        new = await successor(hotline, exchange, stack)
        found = new.house.calls[live.call]
        assert (found.state, new.where(A1)) == (CallState.HELD, AgentState.HOLDING)
        if theirs is None:
            assert not new.ask(event.ResumeAsked, A1)
            await both(citizen, CITIZEN_HZ, mine, ONE_HZ)
            await mine.hangup()
        else:
            assert new.where(A2) is AgentState.TALKING
            assert not new.ask(event.ConsultCompleted, A1)
            await both(citizen, CITIZEN_HZ, theirs, TWO_HZ)
            await mine.ended(timeout=4)
            await theirs.hangup()
        await new.surveyed(found, citizen)
        await new.empty()
        await clear(new)


async def test_an_agent_who_answers_and_hangs_up_at_once_loses_nobody(hotline: Hotline) -> None:
    """No talk came of it: the citizen stands in the line again, and nobody is kept."""
    await least_talk(hotline, 1000)
    agent = await hotline.plug(A1)
    for _ in range(TRIALS):
        hotline.ask(event.AgentWentReady, A1)
        citizen = await hotline.calls()
        mine = await agent.incoming(timeout=5)
        mine.answer()
        await mine.hangup()
        live = next(iter(hotline.house.calls.values()))
        await hotline.until(lambda: live.state is CallState.WAITING, "in the line again")  # noqa: B023
        hotline.ask(event.AgentWentNotReady, A1, "break")
        await citizen.hangup()
        await hotline.until(lambda: not hotline.house.calls, "the end")
        for call in agent.calls:
            await call.ended(timeout=3)
        while not agent._incoming.empty():
            agent._incoming.get_nowait()
        assert live.record.joined_at is None
    await hotline.empty()


TRIALS = 30
DEEDS = ("hold", "resume", "transfer", "consult")


@pytest.mark.parametrize("who", ["citizen", "agent"])
@pytest.mark.parametrize("deed", DEEDS)
async def test_hanging_up_around_a_deed_loses_nobody(hotline: Hotline, deed: str, who: str) -> None:
    """The citizen or the agent hangs up -8..+8 ms around the request: nobody is left in the exchange, nobody is kept,
    and a citizen who is still there is in the survey or in the line."""
    random = Random(f"{deed}{who}")
    agent, second = await hotline.agent(A1), await hotline.plug(A2, AnswerPolicy.auto(0.05))
    ends: dict[str, int] = {}
    for _ in range(TRIALS):
        hotline.ask(event.AgentWentReady, A1)
        hotline.ask(event.AgentWentNotReady, A2, "break")
        citizen = await hotline.calls()
        mine = await agent.incoming(timeout=5)
        await mine.answered(timeout=5)
        await hotline.until(lambda: hotline.where(A1) is AgentState.TALKING, "talking")
        live = next(iter(hotline.house.calls.values()))
        if deed == "resume":
            hotline.ask(event.HoldAsked, A1)
            await hotline.until(lambda: live.holding is not None and live.holding.begun, "parted")  # noqa: B023
        hotline.ask(event.AgentWentReady, A2)
        offset = random.uniform(-0.008, 0.008)
        leaving = citizen if who == "citizen" else mine
        gone = asyncio.create_task(leaving.hangup())
        if offset > 0:
            await asyncio.sleep(offset)
        match deed:
            case "hold":
                hotline.ask(event.HoldAsked, A1)
            case "resume":
                hotline.ask(event.ResumeAsked, A1)
            case "transfer":
                hotline.ask(event.TransferAsked, A1, TargetKind.AGENT, A2)
            case _:
                hotline.ask(event.ConsultAsked, A1, TargetKind.AGENT, A2)
        await gone
        if who == "agent":
            served = (CallState.SURVEY, CallState.WAITING, CallState.OFFERED, CallState.TALKING)
            await hotline.until(
                lambda: live.state in served and live.call in hotline.house.calls or live.record.ended_at,  # noqa: B023
                "served or over",
            )
            ends[live.state.name] = ends.get(live.state.name, 0) + 1
            await citizen.hangup()
        await hotline.until(lambda: not hotline.house.calls, "the end", within=8)
        await hotline.empty()
        for call in (*agent.calls, *second.calls):
            await call.ended(timeout=3)
        while not second._incoming.empty():
            second._incoming.get_nowait()
        while not agent._incoming.empty():
            agent._incoming.get_nowait()
    print(deed, who, ends)
