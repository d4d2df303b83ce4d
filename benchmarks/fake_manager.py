"""The manager interface of an Asterisk that is not there, with callers and agents: the load of `bench controller`.

It speaks AMI as the door expects it (logins, filters, lists, answers) and its events have the headers and the size of
recorded ones. Its callers press keys, ring, talk and give a score after set times; a Redirect puts them where the
dialplan would. It is no test double of the dialplan's rules (`tests/fakes/exchange.py` is): it never refuses and is
made to be cheap, so that the processor is left to the controller.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM = "h12345"


@dataclass(frozen=True, slots=True)
class Habits:
    """What every caller and agent does; seconds."""

    keys: tuple[str, ...] = ("*", "*", "5", "1")  #: once more, once more, a wrong key, general service
    think_s: float = 0.05  #: from the start of a question to the key
    play_s: float = 0.05  #: length of a message
    ring_s: float = 0.1
    talk_s: float = 1.0
    survey_s: float = 0.1
    score: str = "5"


@dataclass(slots=True)
class Caller:
    """One call. `arrived` and `commanded` are seconds of ``time.monotonic``."""

    id: str
    channel: str
    number: str
    arrived: float
    keys: deque[str]
    context: str = "p-start"
    step: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    leg: str = ""
    leg_id: str = ""
    agent: str = ""
    commanded: float | None = None  #: the first Redirect came
    over: bool = False


class FakeManager:
    """Serves one controller. `arrive` makes a call; what becomes of it is counted here.

    `raw`: a recording that each recorded caller leaves in the spool, or None.
    """

    host = "127.0.0.1"

    def __init__(self, agents: Sequence[str], secret: str, habits: Habits | None = None) -> None:
        self.port = 0
        self.secret = secret
        self.agents = tuple(agents)
        self.habits = habits or Habits()
        self.raw: bytes | None = None
        self.calls: dict[str, Caller] = {}  #: by channel
        self.reactions: list[float] = []  #: from a call's arrival to the first command for it
        self.talked = 0
        self.finished = 0
        self.most_at_once = 0
        self.events = 0  #: events written since the start
        self._variables: dict[str, str] = {}
        self._members: set[str] = set()
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None
        self._serial = itertools.count(1)
        self._quiet = asyncio.Event()

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Session(self), self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End every connection."""
        for session in list(self._sessions):
            session.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # ---------------------------------------------------------------- callers

    def arrive(self, dialled: str) -> None:
        """A citizen calls."""
        number = next(self._serial)
        now = time.time()
        call = f"{SYSTEM}-{now:.0f}.{number}"
        caller = Caller(
            call, f"PJSIP/trunk-{number:08x}", f"139{number:08d}", time.monotonic(), deque(self.habits.keys)
        )
        caller.variables["Q"] = f"{dialled}|zh|{now:.0f}|||0|0"
        self.calls[caller.channel] = caller
        self.most_at_once = max(self.most_at_once, len(self.calls))
        self._report(caller, "CallStart", f"Chan: {caller.channel}\r\nDid: {dialled}\r\nCli: {caller.number}\r\n")

    async def quiet(self, timeout: float) -> None:
        """Wait until no call is left. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while self.calls:
                self._quiet.clear()
                await self._quiet.wait()

    def redirect(self, caller: Caller, context: str, step: int) -> None:
        """The caller goes where the controller wants him."""
        if caller.commanded is None:
            caller.commanded = time.monotonic()
            self.reactions.append(caller.commanded - caller.arrived)
        caller.context, caller.step = context, step
        argument = caller.variables.get(f"A{step}", "")
        self._report(caller, "Started", f"Prim: {context}\r\nStep: {step}\r\n")
        if context == "p-ask":
            self._later(self.habits.think_s, self._press, caller, step)
        elif context == "p-play":
            self._later(self.habits.play_s, self._played, caller, step)
        elif context == "p-dial":
            caller.agent = argument.split(",")[0]
            number = next(self._serial)
            caller.leg, caller.leg_id = f"PJSIP/{caller.agent}-{number:08x}", f"{SYSTEM}-{time.time():.0f}.{number}"
            lines = f"Step: {step}\r\nAgent: {caller.agent}\r\nLeg: {caller.leg}\r\n"
            self._report(caller, "LegStart", lines)
            self._later(self.habits.ring_s, self._answer, caller)

    def _later(self, delay: float, what: Callable[..., None], caller: Caller, *given: int) -> None:
        asyncio.get_running_loop().call_later(delay, what, caller, *given)

    def _press(self, caller: Caller, step: int) -> None:
        if caller.over or caller.step != step:
            return
        key = caller.keys.popleft() if caller.keys else ""
        caller.context = "p-idle"
        status = "OK" if key else "TIMEOUT"
        self._report(caller, "Answered", f"Digits: {key}\r\nStatus: {status}\r\nStep: {step}\r\n")

    def _played(self, caller: Caller, step: int) -> None:
        if not caller.over and caller.step == step:
            caller.context = "p-idle"
            self._report(caller, "Played", f"Status: SUCCESS\r\nStep: {step}\r\n")

    def _answer(self, caller: Caller) -> None:
        if caller.over:
            return
        self._party(caller, "BridgeEnter", True)
        self._party(caller, "BridgeEnter", False)
        self.talked += 1
        self._later(self.habits.talk_s, self._leave, caller)

    def _leave(self, caller: Caller) -> None:
        if caller.over:
            return
        self._party(caller, "BridgeLeave", True)
        self._party(caller, "Hangup", True, "Cause: 16\r\nCause-txt: Normal Clearing\r\n")
        self._party(caller, "BridgeLeave", False)
        talk = f"Step: {caller.step}\r\nAgent: {caller.agent}\r\nTalk: {self.habits.talk_s:.0f}\r\n"
        self._report(caller, "TalkEnd", talk)
        caller.context = "p-survey"
        self._later(self.habits.survey_s, self._over, caller)

    def _over(self, caller: Caller) -> None:
        self._report(caller, "Score", f"Score: {self.habits.score}\r\nStatus: OK\r\n")
        self.hang_up(caller)

    def hang_up(self, caller: Caller) -> None:
        """The caller is gone."""
        if caller.over:
            return
        caller.over = True
        file = caller.variables.get("MIXMONITOR_FILENAME")
        if file and self.raw is not None:
            Path(file).write_bytes(self.raw)
        self._party(caller, "Hangup", False, "Cause: 16\r\nCause-txt: Normal Clearing\r\n")
        self.calls.pop(caller.channel, None)
        self.finished += 1
        if not self.calls:
            self._quiet.set()

    # ---------------------------------------------------------------- events

    def _report(self, caller: Caller, name: str, lines: str) -> None:
        self._emit(
            f"Event: UserEvent\r\nPrivilege: user,all\r\nTimestamp: {time.time():.6f}\r\nSystemName: {SYSTEM}\r\n"
            f"{_channel(caller, agent=False)}UserEvent: {name}\r\nCallId: {caller.id}\r\n{lines}\r\n"
        )

    def _party(self, caller: Caller, event: str, agent: bool, lines: str = "") -> None:
        bridge = (
            f"BridgeUniqueid: b-{caller.id}\r\nBridgeType: basic\r\nBridgeTechnology: simple_bridge\r\n"
            "BridgeCreator: <unknown>\r\nBridgeName: <unknown>\r\nBridgeNumChannels: 2\r\n"
            "BridgeVideoSourceMode: none\r\n"
        )
        self._emit(
            f"Event: {event}\r\nPrivilege: call,all\r\nTimestamp: {time.time():.6f}\r\nSystemName: {SYSTEM}\r\n"
            f"{bridge if event.startswith('Bridge') else ''}{_channel(caller, agent=agent)}{lines}\r\n"
        )

    def _emit(self, text: str) -> None:
        self.events += 1
        data = text.encode()
        for session in self._sessions:
            if session.events_on:
                session.write(data)

    # ---------------------------------------------------------------- actions

    def act(self, action: dict[str, str], answer: Callable[..., None]) -> None:  # noqa: C901 - one branch for each action
        """Carry out what the controller orders."""
        name = action.get("Action", "")
        caller = self.calls.get(action.get("Channel", ""))
        if name == "Setvar":
            variables = caller.variables if caller is not None else self._variables
            variables[action["Variable"]] = action.get("Value", "")
            answer(Message="Variable Set")
        elif name == "Redirect":
            if caller is None:
                answer("Error", Message="Channel does not exist.")
            else:
                answer(Message="Redirect successful")
                asyncio.get_running_loop().call_soon(self.redirect, caller, action["Context"], int(action["Exten"]))
        elif name == "Getvar":
            found = (caller.variables if caller is not None else self._variables).get(action["Variable"], "")
            answer(Variable=action["Variable"], Value=found)
        elif name == "Hangup":
            answer(Message="Channel Hungup")
            if caller is not None:
                self.hang_up(caller)
        elif name == "MixMonitor":
            if caller is not None:
                caller.variables["MIXMONITOR_FILENAME"] = action["File"]
            answer()
        elif name == "QueueAdd":
            known = action["Interface"] in self._members
            self._members.add(action["Interface"])
            answer("Error" if known else "Success", Message="Unable to add interface" if known else "Added")
        elif name == "QueueRemove":
            self._members.discard(action["Interface"])
            answer(Message="Removed interface from queue")
        elif name == "Command":
            booted = action["Command"] == "core waitfullybooted"
            answer(Message="Command output follows", Output="Asterisk has fully booted." if booted else "")
        else:
            answer()

    def contacts(self) -> list[dict[str, str]]:
        """Every agent's phone is there."""
        return [{"Endpoint": one, "Uri": f"sip:{one}@127.0.0.1", "Status": "NonQualified"} for one in self.agents]

    def joined(self, session: _Session) -> None:
        """A controller connects."""
        self._sessions.add(session)

    def left(self, session: _Session) -> None:
        """It is gone."""
        self._sessions.discard(session)


def _channel(caller: Caller, *, agent: bool) -> str:
    """The headers of a channel event, as recorded (tests/fixtures/ami)."""
    name, number, other = caller.channel, caller.number, caller.agent or "<unknown>"
    unique = caller.leg_id if agent else caller.id
    if agent:
        name, number, other = caller.leg, caller.agent, caller.number
    own = "" if agent else caller.variables.get("Q", "")
    return (
        f"Channel: {name}\r\nChannelState: 6\r\nChannelStateDesc: Up\r\nCallerIDNum: {number}\r\n"
        f"CallerIDName: <unknown>\r\nConnectedLineNum: {other}\r\nConnectedLineName: <unknown>\r\nLanguage: zh\r\n"
        f"AccountCode: \r\nContext: {'from-agent' if agent else caller.context}\r\nExten: {caller.step}\r\n"
        f"Priority: 10\r\nUniqueid: {unique}\r\nLinkedid: {caller.id}\r\nChanVariable: ROLE="
        f"{'agent' if agent else 'caller'}\r\nChanVariable: CALLID={caller.id}\r\nChanVariable: STEP="
        f"{'' if agent else caller.step}\r\nChanVariable: CTX={'' if agent else caller.context}\r\n"
        f"ChanVariable: Q={own}\r\nChanVariable: LEGAGENT={caller.agent if agent else ''}\r\n"
    )


class _Session(asyncio.Protocol):
    """One connection of the controller."""

    def __init__(self, manager: FakeManager) -> None:
        self.events_on = False
        self._manager = manager
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._user = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a server's connection has a Transport
        self._manager.joined(self)
        self.write(b"Asterisk Call Manager/11.0.0\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._manager.left(self)

    def close(self) -> None:
        """End this connection."""
        if self._transport is not None:
            self._transport.close()

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        *blocks, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for block in blocks:
            action = dict(line.partition(": ")[::2] for line in block.decode().split("\r\n"))
            self._act(action)

    def _act(self, action: dict[str, str]) -> None:
        name = action.get("Action", "")

        def answer(response: str = "Success", **lines: str) -> None:
            self._send({"Response": response, "ActionID": action.get("ActionID", ""), **lines})

        if name == "Challenge":
            answer(Challenge="426534")
        elif name == "Login":
            key = hashlib.md5(f"426534{self._manager.secret}".encode(), usedforsecurity=False).hexdigest()
            good = action.get("Key") == key
            answer(
                "Success" if good else "Error", Message="Authentication accepted" if good else "Authentication failed"
            )
            if good:
                self._send({"Event": "FullyBooted", "Status": "Fully Booted"})
        elif name == "Events":
            self.events_on = action["EventMask"] != "off"
            answer(Events="On")
        elif name in ("CoreShowChannels", "PJSIPShowContacts", "DBGetTree"):
            answer(EventList="start", Message="A list follows")
            row = "ContactList" if name == "PJSIPShowContacts" else "CoreShowChannels"
            for one in self._manager.contacts() if row == "ContactList" else ():
                self._send({"Event": row, "ActionID": action["ActionID"], **one})
            self._send({"Event": f"{row}Complete", "ActionID": action["ActionID"], "EventList": "Complete"})
        else:
            self._manager.act(action, answer)

    def _send(self, lines: dict[str, str]) -> None:
        self.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n")
