"""An exchange that behaves: AMI with logins and filters, and callers who stand in the dialplan of asterisk-config/.

It is no recording: it keeps channels, variables and the fence, so that a wrong command has a wrong outcome. What it
cannot do is sound and time: keys, answers and hang-ups are given by the test.

    async with FakeExchange(user="ctl", secret="s") as fake:
        door = AmiDoor(fake.host, fake.port, "ctl", "s", inbox, spool="/spool", agents=["1001"])
        call = fake.arrive()
        await fake.saw("Redirect", Context="p-ask")
        fake.press(call, "1")
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Self

from tests.fakes.ami_actions import Actions, FakeCall, Fault, Leg
from tests.fakes.ami_session import Factory, Headers, MemoryTransport, Session

__all__ = ["FakeCall", "FakeExchange", "Fault", "Leg"]


class FakeExchange(Actions):
    """The exchange; `fault` makes it misbehave. Methods named like people's deeds are the callers' and phones'."""

    host = "127.0.0.1"

    def __init__(self, user: str = "ctl", secret: str = "s3cret", clock: Callable[[], float] = time.time) -> None:
        self.user, self.secret, self.clock = user, secret, clock
        self.banner = b"Asterisk Call Manager/11.0.0\r\n"
        self.fault = Fault()
        self.booted = True
        self.port = 0
        self.sessions: list[Session] = []
        self.actions: list[Headers] = []
        self.globals: dict[str, str] = {}
        self.members: dict[str, bool] = {}  # interface -> paused, of the safety net
        self.calls: dict[str, FakeCall] = {}
        self.contacts: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._serial = itertools.count(1)
        self._descriptors = itertools.count(10)
        self._news = asyncio.Event()
        self._boots: list[tuple[Session, Headers]] = []

    # ------------------------------------------------------------ connections

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.sleep(0)
        if self._server is not None:
            await self._server.wait_closed()

    def _session(self) -> Session:
        return Session(self, next(self._descriptors))

    async def connector(self, factory: Factory) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        """For `AmiDoor(connector=...)`: a connection in memory, for virtual time."""
        client = factory()
        return MemoryTransport.connect(client, self._session()), client

    def drop(self) -> None:
        """Every connection breaks."""
        for session in list(self.sessions):
            if session.transport is not None:
                session.transport.abort()

    def restart(self) -> None:
        """Asterisk ends and comes again: no calls, no variables, no members, no connections."""
        self.calls.clear()
        self.globals.clear()
        self.members.clear()
        self.drop()

    async def quiet(self) -> None:
        """Returns when no client is connected any more."""
        while self.sessions:
            self._news.clear()
            await self._news.wait()

    def garbage(self, data: bytes) -> None:
        """Bytes that are no AMI, to every client."""
        for session in self.sessions:
            session.write(data)

    async def saw(self, action: str, *, after: int = 0, within: float = 5.0, **headers: str) -> Headers:
        """The first action of this name with these headers that has come, or comes."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for seen in self.actions[after:]:
                        if seen["Action"] == action and headers.items() <= seen.items():
                            return seen
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            names = [seen["Action"] for seen in self.actions[after:]]
            raise AssertionError(f"no {action} {headers}; there were {names}") from None

    def emit(self, event: str, *lines: tuple[str, str], **headers: str) -> None:
        """An event to every client that wants it."""
        for session in list(self.sessions):
            session.event(event, *lines, *headers.items())

    # ------------------------------------------------------------ channels

    def _variables(self, call: FakeCall, role: str) -> tuple[tuple[str, str], ...]:
        given = {"ROLE": role, "CALLID": call.id}
        if role == "caller":
            given |= {"STEP": str(call.step), "CTX": call.context, "Q": call.variables.get("Q", "")}
        return tuple(("ChanVariable", f"{name}={value}") for name, value in given.items())

    def _channel(self, event: str, who: FakeCall | Leg, **headers: str) -> None:
        call = who if isinstance(who, FakeCall) else who.call
        role = "caller" if isinstance(who, FakeCall) else who.role
        unique_id = who.id if isinstance(who, FakeCall) else who.unique_id
        name = {"Channel": who.channel, "Uniqueid": unique_id, "Linkedid": call.id}
        self.emit(event, *name.items(), *headers.items(), *self._variables(call, role))

    def report(self, call: FakeCall, name: str, **headers: object) -> None:
        """A UserEvent of the caller's dialplan."""
        lines = {"CallId": call.id} | {key: str(value) for key, value in headers.items()}
        self.emit("UserEvent", ("UserEvent", name), *lines.items())

    # ------------------------------------------------------------ what callers do

    def arrive(self, dialled: str = "12345", caller: str = "13800001111") -> FakeCall:
        """A citizen's call is answered; with no heartbeat he goes to the safety net at once."""
        number = next(self._serial)
        call = FakeCall(f"fake-{number}.0", f"PJSIP/citizen-{number:08x}", caller)
        call.variables["Q"] = f"{dialled}|zh|{self.clock():.3f}|||0|0"
        self.calls[call.id] = call
        self.report(call, "CallStart", Chan=call.channel, Did=dialled, Cli=caller)
        call.context = "p-idle"
        if "HB" not in self.globals:
            self.fall_back(call)
        return call

    def press(self, call: FakeCall, keys: str, status: str = "OK") -> None:
        """Keys end the question that is being asked."""
        assert call.context == "p-ask", f"nothing is asked in {call.context}"
        call.context = "p-idle"
        self.report(call, "Answered", Digits=keys, Status=status, Step=call.step)

    def silence(self, call: FakeCall) -> None:
        """The question's time is over without a key."""
        self.press(call, "", "TIMEOUT")

    def played(self, call: FakeCall) -> None:
        """The message has been played."""
        assert call.context == "p-play", f"nothing is played in {call.context}"
        call.context = "p-idle"
        self.report(call, "Played", Status="SUCCESS", Step=call.step)

    def idle(self, call: FakeCall) -> None:
        """The half-second report of a caller who waits for a command."""
        self.report(call, "Idle", Step=call.step)

    def fall_back(self, call: FakeCall) -> None:
        """The caller misses the controller and goes to the safety net."""
        call.context = "fallback"
        self.report(call, "Fallback", Chan=call.channel, Step=call.step)

    def score(self, call: FakeCall, score: int | None) -> None:
        """The survey's answer; then the call ends."""
        assert call.context == "p-survey", f"no survey in {call.context}"
        status = "TIMEOUT" if score is None else "OK"
        self.report(call, "Score", Score="" if score is None else score, Status=status)
        self.hang_up(call, cause=16)

    def hang_up(self, call: FakeCall, cause: int = 0) -> None:
        """The caller is gone, and with him every leg of his call (Dial cancels by itself)."""
        self.calls.pop(call.id, None)
        if call.bridged:
            self._channel("BridgeLeave", call)
        self._channel("Hangup", call, Cause=str(cause))
        for leg in list(call.legs):
            self._end_leg(leg, 16)

    # ------------------------------------------------------------ what phones do

    def register(self, agent: str, uri: str = "") -> None:
        """A phone registers; a second time from elsewhere replaces the first, as with max_contacts=1."""
        old, new = self.contacts.get(agent), uri or f"sip:{agent}@127.0.0.1:5062"
        self.contacts[agent] = new
        self._contact(agent, new, "NonQualified")
        if old not in (None, new):
            self._contact(agent, str(old), "Removed")

    def unregister(self, agent: str) -> None:
        """A phone's registration ends."""
        self._contact(agent, self.contacts.pop(agent), "Removed")

    def _contact(self, agent: str, uri: str, status: str) -> None:
        self.emit("ContactStatus", URI=uri, ContactStatus=status, AOR=agent, EndpointName=agent)

    def leg(self, agent: str) -> Leg:
        """The leg that rings or talks at this phone."""
        for call in self.calls.values():
            for leg in call.legs:
                if leg.agent == agent:
                    return leg
        raise AssertionError(f"no call at {agent}")

    def answer(self, agent: str) -> None:
        """The phone that rings is picked up."""
        leg = self.leg(agent)
        assert not leg.up
        leg.up = True
        if leg.role == "third":
            self.emit(
                "OriginateResponse",
                Response="Success",
                Channel=leg.channel,
                Uniqueid=leg.unique_id,
                Reason="4",
            )
        self._channel("BridgeEnter", leg)
        if not leg.call.bridged:
            leg.call.bridged = True
            self._channel("BridgeEnter", leg.call)

    def refuse(self, agent: str, status: str = "BUSY", cause: int = 17) -> None:
        """The phone that rings is not picked up; the caller is back in the line."""
        leg = self.leg(agent)
        assert not leg.up
        self._end_leg(leg, cause)
        if leg.role == "third":
            self.emit(
                "OriginateResponse",
                Response="Failure",
                Channel=f"PJSIP/{agent}",
                Uniqueid=leg.unique_id,
                Reason="0",
            )
        else:
            self._no_agent(leg.call, leg.step, agent, status, cause)

    def leave(self, agent: str) -> None:
        """The phone that talks hangs up; after the last one the caller is in the survey."""
        leg = self.leg(agent)
        assert leg.up
        call = leg.call
        self._end_leg(leg, 16)
        if call.bridged and not any(other.up for other in call.legs):
            call.bridged = False
            self._channel("BridgeLeave", call)
            if call.context == "fallback":
                self.report(call, "NetTalkEnd", Agent=agent)
            else:
                self.report(call, "TalkEnd", Step=call.step, Agent=agent, Talk=5)
            call.context = "p-survey"

    def net_rings(self, call: FakeCall, agent: str) -> Leg:
        """The safety net's Queue rings one of its members for the caller."""
        assert call.context == "fallback"
        return self._ring(call, agent, "agent")

    def _ring(self, call: FakeCall, agent: str, role: str, unique_id: str = "") -> Leg:
        number = next(self._serial)
        leg = Leg(f"PJSIP/{agent}-{number:08x}", unique_id or f"fake-{number}.1", agent, role, call, call.step)
        call.legs.append(leg)
        return leg

    def _end_leg(self, leg: Leg, cause: int) -> None:
        leg.call.legs.remove(leg)
        if leg.up:
            self._channel("BridgeLeave", leg)
        self._channel("Hangup", leg, Cause=str(cause))

    def _no_agent(self, call: FakeCall, step: int, agent: str, status: str, cause: int) -> None:
        call.context = "p-hold"
        self.report(call, "NoAgent", Step=step, Agent=agent, DialStatus=status, Cause=cause)
