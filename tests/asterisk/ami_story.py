"""Two citizens' calls through the AMI door on a real Asterisk; the tests assert it, the transcripts record it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from controller.asterisk import ExchangeSettings
from controller.softphone import AnswerPolicy, Phone
from pbx import commands as order
from pbx import events as event
from pbx.ami import AmiDoor
from pbx.call import CallMark
from pbx.ids import AgentId

E = TypeVar("E")
AGENTS = (AgentId("1001"), AgentId("1002"))
THIRD = AgentId("3001")
CALLER = "13800001111"


class Inbox:
    """Events in the order in which the door gave them; they can be waited for even if they came already."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self._news = asyncio.Event()

    def __call__(self, found: event.Event) -> None:
        self.events.append(found)
        self._news.set()

    async def next(self, kind: type[E], *, after: int = 0, within: float = 10.0, **fields: object) -> E:
        """The first event of this kind with these fields."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for found in self.events[after:]:
                        if isinstance(found, kind) and all(getattr(found, k) == v for k, v in fields.items()):
                            return found
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} {fields}; there were {self.kinds(after)}") from None

    def kinds(self, after: int = 0) -> list[str]:
        """The events' kinds in order."""
        return [type(found).__name__ for found in self.events[after:]]


class Line:
    """One call as the story steers it."""

    def __init__(self, door: AmiDoor, inbox: Inbox, arrived: event.CallArrived) -> None:
        self.door, self.inbox, self.arrived = door, inbox, arrived
        self.call, self.channel = arrived.call, arrived.channel
        self.mark = CallMark(arrived.dialled, "zh", arrived.at, "main", "general", 0, arrived.at).encode()

    async def step(self, command: order.StepCommand) -> None:
        self.door.perform(command)
        await self.inbox.next(event.StepStarted, call=self.call, step=command.step)

    async def ask(self, step: int, wait_s: float = 3.0) -> None:
        prompts = ("hotline/zh/welcome",)
        await self.step(order.Ask(self.call, self.channel, step, prompts, 1, wait_s, "zh", self.mark))

    async def play(self, step: int) -> None:
        prompts = ("hotline/en/position",)
        await self.step(order.Play(self.call, self.channel, step, prompts, "en", self.mark))

    async def hold(self, step: int) -> None:
        await self.step(order.Hold(self.call, self.channel, step, "default", self.mark))

    async def offer(self, step: int, agent: AgentId) -> event.LegStarted:
        await self.step(order.Offer(self.call, self.channel, step, agent, 6, "default", self.mark))
        return await self.inbox.next(event.LegStarted, call=self.call, step=step)


@asynccontextmanager
async def phones(settings: ExchangeSettings) -> AsyncIterator[dict[str, Phone]]:
    """The agents' and the third party's phones, registered, and a citizen's line."""
    server = (settings.host, settings.sip_port)
    async with AsyncExitStack() as stack:
        found: dict[str, Phone] = {}
        for number in (*AGENTS, THIRD):
            phone = Phone(number, settings.phone(number).password, server=server)
            found[number] = await stack.enter_async_context(phone)
            await phone.register(expires=300)
        for name in ("citizen", "other"):
            line = Phone(
                settings.citizen_user,
                settings.citizen_password,
                server=server,
                from_number=CALLER,
                display="市民",
            )
            found[name] = await stack.enter_async_context(line)
        yield found


async def whole_call(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone], recording: str) -> Line:
    """Question, message, line, announcement, a busy agent, an answering one, a third party, recording, survey."""
    since = len(inbox.events)
    lines["1001"].policy = AnswerPolicy.busy()
    lines["1002"].policy = AnswerPolicy.auto(0.1)
    lines["3001"].policy = AnswerPolicy.auto(0.1)
    citizen = await lines["citizen"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived, after=since))
    call, channel = line.call, line.channel
    await citizen.answered(timeout=5)

    await line.ask(1)
    await citizen.press("2")
    await inbox.next(event.KeysPressed, call=call, keys="2")
    await line.play(2)
    await inbox.next(event.PromptPlayed, call=call, step=2)
    await line.hold(3)
    door.perform(order.Announce(call, channel, ("hotline/zh/position",)))
    await inbox.next(event.Announced, call=call, step=3)
    await line.offer(4, AGENTS[0])
    await inbox.next(event.OfferFailed, call=call, step=4)

    door.perform(order.StartRecording(call, channel, recording))
    prompts = ("hotline/zh/ticket",), ("hotline/zh/survey",), ("hotline/zh/survey",), ("hotline/zh/thanks",)
    door.perform(order.PrepareEnd(call, channel, *prompts))
    await line.offer(5, AGENTS[1])
    await inbox.next(event.PartyJoined, call=call, role=event.Role.CALLER)
    agent = await lines["1002"].incoming(timeout=5)
    door.perform(order.AddParty(call, channel, THIRD, 6))
    await inbox.next(event.PartyJoined, call=call, role=event.Role.THIRD)
    third = await lines["3001"].incoming(timeout=5)
    await asyncio.sleep(1.2)  # a talk worth the name: shorter than a second goes back to the line
    await third.hangup()
    await inbox.next(event.LegEnded, call=call, role=event.Role.THIRD)
    await agent.hangup()
    await inbox.next(event.TalkEnded, call=call)
    await asyncio.sleep(0.8)  # the ticket number is read to the citizen; a key counts only in the question after it
    await citizen.press("5")
    await inbox.next(event.CallScored, call=call)
    await inbox.next(event.CallEnded, call=call)
    await inbox.next(event.RecordingStopped, call=call)
    return line


async def hang_up_while_ringing(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]) -> Line:
    """The citizen gives up while an agent's phone rings: that phone stops."""
    since = len(inbox.events)
    lines["1001"].policy = AnswerPolicy.no_answer()
    citizen = await lines["other"].call("12345")
    line = Line(door, inbox, await inbox.next(event.CallArrived, after=since))
    await line.hold(1)
    offer = await line.offer(2, AGENTS[0])
    ringing = await lines["1001"].incoming(timeout=5)
    await citizen.hangup()
    await inbox.next(event.CallEnded, call=line.call)
    await inbox.next(event.LegEnded, call=line.call, leg=offer.leg)
    await ringing.ended(timeout=5)
    return line


async def talk_and_wait(door: AmiDoor, inbox: Inbox, lines: dict[str, Phone]) -> tuple[Line, Line]:
    """One citizen talks, recorded, and another waits in the line; both stay."""
    lines["1002"].policy = AnswerPolicy.auto(0)
    since = len(inbox.events)
    await lines["citizen"].call("12345")
    talking = Line(door, inbox, await inbox.next(event.CallArrived, after=since))
    await talking.hold(1)
    door.perform(order.StartRecording(talking.call, talking.channel, "second.raw"))
    await talking.offer(2, AGENTS[1])
    await inbox.next(event.PartyJoined, call=talking.call, role=event.Role.CALLER)
    since = len(inbox.events)
    await lines["other"].call("12345")
    waiting = Line(door, inbox, await inbox.next(event.CallArrived, after=since))
    await waiting.hold(1)
    door.perform(order.MarkAgent(AGENTS[1], "talking|1795311109.5||", order.NetMembership.READY))
    await door.action("Ping")
    return talking, waiting
