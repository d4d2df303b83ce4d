"""The actions that the behaving exchange knows, and the channels that they act on."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.ami_session import Headers, Session


@dataclass
class Fault:
    """What is wrong with this exchange."""

    stall: bool = False  # reads nothing, answers nothing: stopped, or a half-open connection
    swallow_started: bool = False  # a Redirect's Success, and no Started
    refuse_redirect: str = ""  # the error text of every Redirect
    old_filters: bool = False  # knows no MatchCriteria
    shutting_down: bool = False
    chop: int = 0  # sends pieces of so many bytes


@dataclass
class Leg:
    """An agent's or third party's channel."""

    channel: str
    unique_id: str
    agent: str
    role: str
    call: FakeCall
    step: int = 0
    up: bool = False


@dataclass
class FakeCall:
    """A caller's channel: where he stands and what he carries."""

    id: str
    channel: str
    caller: str
    context: str = "p-start"
    step: int = 0
    bridged: bool = False
    moving: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)


class Actions(ABC):
    """What each action does to the channels; `FakeExchange` adds what people do."""

    fault: Fault
    booted: bool
    sessions: list[Session]
    actions: list[Headers]
    globals: dict[str, str]
    members: dict[str, bool]
    calls: dict[str, FakeCall]
    contacts: dict[str, str]
    _news: asyncio.Event
    _boots: list[tuple[Session, Headers]]

    @abstractmethod
    def emit(self, event: str, *lines: tuple[str, str], **headers: str) -> None: ...

    @abstractmethod
    def report(self, call: FakeCall, name: str, **headers: object) -> None: ...

    @abstractmethod
    def hang_up(self, call: FakeCall, cause: int = 0) -> None: ...

    @abstractmethod
    def leave(self, agent: str) -> None: ...

    @abstractmethod
    def refuse(self, agent: str, status: str = "BUSY", cause: int = 17) -> None: ...

    @abstractmethod
    def _channel(self, event: str, who: FakeCall | Leg, **headers: str) -> None: ...

    @abstractmethod
    def _variables(self, call: FakeCall, role: str) -> tuple[tuple[str, str], ...]: ...

    @abstractmethod
    def _ring(self, call: FakeCall, agent: str, role: str, unique_id: str = "") -> Leg: ...

    @abstractmethod
    def _end_leg(self, leg: Leg, cause: int) -> None: ...

    @abstractmethod
    def _no_agent(self, call: FakeCall, step: int, agent: str, status: str, cause: int) -> None: ...

    def note(self, action: Headers) -> None:
        """Every action is kept, for `saw`."""
        self.actions.append(action)
        self.changed()

    def changed(self) -> None:
        """Something that tests wait for may have happened."""
        self._news.set()

    def act(self, session: Session, action: Headers) -> None:
        """Carry out what a client orders."""
        handler: Callable[[Session, Headers], None] | None = getattr(self, f"_do_{action['Action'].lower()}", None)
        if handler is None:
            session.answer(action, "Error", Message="Invalid/unknown command")
        else:
            handler(session, action)

    def _by_channel(self, name: str) -> FakeCall | None:
        return next((call for call in self.calls.values() if call.channel == name), None)

    def _do_ping(self, session: Session, action: Headers) -> None:
        session.answer(action, "Success", Ping="Pong")

    def _do_setvar(self, session: Session, action: Headers) -> None:
        name, value = action["Variable"], action.get("Value", "")
        if "Channel" not in action:
            self.globals[name] = value
        elif (call := self._by_channel(action["Channel"])) is not None:
            call.variables[name] = value
            if name == "ANN" and call.context == "p-hold":
                asyncio.get_running_loop().call_soon(self.report, call, "Announced")
        else:
            session.answer(action, "Error", Message="No such channel")
            return
        session.answer(action, "Success", Message="Variable Set")

    def _do_getvar(self, session: Session, action: Headers) -> None:
        values: dict[str, str] | None = self.globals
        if "Channel" in action:
            call = self._by_channel(action["Channel"])
            values = call.variables if call is not None else None
        if values is None:
            session.answer(action, "Error", Message="No such channel")
        else:
            session.answer(action, "Success", Variable=action["Variable"], Value=values.get(action["Variable"], ""))

    def _do_redirect(self, session: Session, action: Headers) -> None:
        call = self._by_channel(action["Channel"])
        if self.fault.refuse_redirect:
            session.answer(action, "Error", Message=self.fault.refuse_redirect)
        elif call is None:
            session.answer(action, "Error", Message="Channel does not exist.")
        elif call.moving:  # another Redirect has not begun yet
            session.answer(action, "Error", Message="Redirect failed, channel not up.")
        else:
            call.moving = True
            session.answer(action, "Success", Message="Redirect successful")
            asyncio.get_running_loop().call_soon(self._enter, call, action["Context"], int(action["Exten"]))

    def _enter(self, call: FakeCall, context: str, step: int) -> None:
        """The fence, then the primitive; a caller taken out of a bridge loses his agent, whatever the step."""
        call.moving = False
        if call.id not in self.calls:
            return
        if call.bridged:
            call.bridged = False
            self._channel("BridgeLeave", call)
        for leg in list(call.legs):
            self._end_leg(leg, 16)
        argument = call.variables.get(f"A{step}", "")
        if step <= call.step or not argument:
            self.report(call, "Stale", Got=step, Step=call.step, Prim=call.context)
            return
        call.step, call.context = step, context
        if not self.fault.swallow_started:
            self.report(call, "Started", Prim=context, Step=step)
        if context == "p-dial":
            self._dial(call, argument.split(",")[0])

    def _dial(self, call: FakeCall, agent: str) -> None:
        if agent not in self.contacts:
            self._no_agent(call, call.step, agent, "CHANUNAVAIL", 3)
            return
        leg = self._ring(call, agent, "agent")
        self.report(call, "LegStart", Step=call.step, Agent=agent, Leg=leg.channel)

    def _do_hangup(self, session: Session, action: Headers) -> None:
        name = action["Channel"]
        call = self._by_channel(name)
        legs = [leg for one in self.calls.values() for leg in one.legs if leg.channel == name]
        if call is None and not legs:
            session.answer(action, "Error", Message="No such channel")
            return
        session.answer(action, "Success", Message="Channel Hungup")
        if call is not None:
            self.hang_up(call, cause=int(action.get("Cause", "0")))
        elif legs[0].up:
            self.leave(legs[0].agent)
        else:
            self.refuse(legs[0].agent, "NOANSWER", 16)

    def _do_originate(self, session: Session, action: Headers) -> None:
        if action.get("Context") == "p-out":  # what becomes of it is the test's to say
            session.answer(action, "Success", Message="Originate successfully queued")
            return
        agent = action["Channel"].removeprefix("PJSIP/")
        unique_id = action["ChannelId"]
        call = self._by_channel(action["Data"])
        session.answer(action, "Success", Message="Originate successfully queued")
        if call is None or agent not in self.contacts:
            failed = {
                "Response": "Failure",
                "Channel": action["Channel"],
                "Reason": "0",
                "Uniqueid": unique_id,
            }
            self.emit("OriginateResponse", ("ActionID", action["ActionID"]), *failed.items())
        else:
            self._ring(call, agent, "third", unique_id)

    def _do_mixmonitor(self, session: Session, action: Headers) -> None:
        call = self._by_channel(action["Channel"])
        if call is None:
            session.answer(action, "Error", Message="No such channel")
        else:
            call.variables["MIXMONITOR_FILENAME"] = action["File"]
            session.answer(action, "Success")

    def stop_recording(self, call: FakeCall) -> None:
        """MixMonitor is stopped by hand (StopMixMonitor)."""
        call.variables.pop("MIXMONITOR_FILENAME", None)
        self._channel("MixMonitorStop", call)

    def _do_queueadd(self, session: Session, action: Headers) -> None:
        if action["Interface"] in self.members:
            session.answer(action, "Error", Message="Unable to add interface: Already there")
        else:
            self.members[action["Interface"]] = action.get("Paused") == "true"
            session.answer(action, "Success", Message="Added interface to queue")

    def _do_queuepause(self, session: Session, action: Headers) -> None:
        if action["Interface"] in self.members:
            self.members[action["Interface"]] = action["Paused"] == "true"
            session.answer(action, "Success", Message="Interface paused successfully")
        else:
            session.answer(action, "Error", Message="Interface not found")

    def _do_queueremove(self, session: Session, action: Headers) -> None:
        if self.members.pop(action["Interface"], None) is None:
            session.answer(action, "Error", Message="Unable to remove interface: Not there")
        else:
            session.answer(action, "Success", Message="Removed interface from queue")

    def _do_coreshowchannels(self, session: Session, action: Headers) -> None:
        session.answer(action, "Success", EventList="start", Message="Channels will follow")
        row = {"ActionID": action["ActionID"]}
        for call in self.calls.values():
            bridge = {"BridgeId": f"bridge-{call.id}" if call.bridged else ""}
            own = {
                "Channel": call.channel,
                "Uniqueid": call.id,
                "CallerIDNum": call.caller,
                "Context": call.context,
            }
            lines = (*row.items(), *own.items(), *bridge.items(), *self._variables(call, "caller"))
            session.event("CoreShowChannel", *lines, unfiltered=True)
            for leg in call.legs:
                given = {"Channel": leg.channel, "Uniqueid": leg.unique_id, "Context": "from-agent"}
                bridge = {"BridgeId": f"bridge-{call.id}" if leg.up else ""}
                lines = (*row.items(), *given.items(), *bridge.items(), *self._variables(call, leg.role))
                session.event("CoreShowChannel", *lines, unfiltered=True)
        session.event("CoreShowChannelsComplete", *row.items(), EventList="Complete", unfiltered=True)

    def _do_pjsipshowcontacts(self, session: Session, action: Headers) -> None:
        if not self.contacts:
            session.answer(action, "Error", Message="No Contacts found")
            return
        session.answer(action, "Success", EventList="start", Message="A listing of Contacts follows")
        row = {"ActionID": action["ActionID"]}
        for agent, uri in self.contacts.items():
            session.event("ContactList", *row.items(), Endpoint=agent, Uri=uri, Status="NonQualified", unfiltered=True)
        session.event("ContactListComplete", *row.items(), EventList="Complete", unfiltered=True)

    def _do_command(self, session: Session, action: Headers) -> None:
        words = action["Command"].split()
        output = ["No such command"]
        if words[:3] == ["manager", "show", "connected"]:
            rows = [f"  {one.user}  127.0.0.1  1795310902  0  {one.descriptor}  0  4195  4723" for one in self.sessions]
            output = [
                "  Username  IP Address  Start  Elapsed  FileDes  HttpCnt  ReadPerms  WritePerms",
                *rows,
            ]
            output.append(f"{len(rows)} users connected.")
        elif words[:3] == ["manager", "kick", "session"]:
            for other in [one for one in self.sessions if str(one.descriptor) == words[3]]:
                if other.transport is not None:
                    other.transport.abort()
            output = [f"Kicking manager session connected using file descriptor {words[3]}"]
        elif words == ["core", "waitfullybooted"]:
            if not self.booted:
                self._boots.append((session, action))
                return
            output = ["Asterisk has fully booted."]
        self._output(session, action, output)

    def boot(self) -> None:
        """A slow start comes to its end."""
        self.booted = True
        for session, action in self._boots:
            self._output(session, action, ["Asterisk has fully booted."])
        self.emit("FullyBooted", Status="Fully Booted")

    def _output(self, session: Session, action: Headers, output: list[str]) -> None:
        lines = (("Message", "Command output follows"), *(("Output", line) for line in output))
        session.answer(action, "Success", *lines)
