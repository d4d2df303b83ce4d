"""Between the exchange's words and ours, pure: a message becomes an event of `pbx/events.py`, or nothing; a
command of `pbx/commands.py` becomes actions.

Only about ten of Asterisk's 176 events are admitted (`WANTED`; the exchange is asked to send no others). The
callers' own reports are ``UserEvent``s of `asterisk-config/extensions.conf`. Whose leg an event is about is
read from the channel variables that every channel event carries (``channelvars`` of manager.conf): the
caller's channel is the one whose ``Uniqueid`` is the ``CALLID``; ``ROLE=third`` marks a third party; every
other leg of a call is an agent's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pbx import commands as order
from pbx import events as event
from pbx.events import Event, KeyStatus, LiveChannel, PhoneChanged, PhoneCode, PhoneUse, PhoneUsed, Role
from pbx.ids import AgentId, CallId, ChannelName, SpyId
from pbx.live_words import Hear
from pbx.supervision import EndSpy, Spy, SpyMode, SpyOn, SpyStarted, SpyStopped, SpyWaits, StopSpy, SwitchSpy
from pbx.voices import RecordVoice, StopVoice
from pbx.wire import Message

WANTED = (
    "UserEvent",
    "Hangup",
    "BridgeEnter",
    "BridgeLeave",
    "Hold",
    "Unhold",
    "MixMonitorStop",
    "ContactStatus",
    "DeviceStateChange",
    "ChanSpyStart",
    "ChanSpyStop",
    "OriginateResponse",
    "FullyBooted",
)
"""The events that the exchange is asked for; `pbx/ami.py` sends one filter each after every login."""

FILTERED = {"DeviceStateChange": (",header(Device),method(regex)", "^PJSIP/[0-9]+$")}
"""Wanted events of which only some are: what is added to their filter, and its text. A phone's name is its number; the
trunk's state would change with every call."""

NET_QUEUE = "net"  #: the safety net's queue in queues.conf
_SURROGATES = (
    "Surrogate/",
    "AsyncGoto/",
)  #: Asterisk's own stand-ins while it moves a channel (`asterisk.md` 11.3)


class Untranslatable(ValueError):
    """A wanted event has a value of the wrong kind. The text names event and header, never the value (caller
    data).
    """


class BadCommand(ValueError):
    """A command holds a value that the dialplan cannot take (a prompt's name with a comma, ...). Names the
    field only.
    """


# ---------------------------------------------------------------- from the exchange


Fields = Mapping[str, str]


def _number(name: str, text: str, said: str) -> int:
    try:
        return int(text) if text else 0
    except ValueError:
        raise Untranslatable(f"{said}: {name} is no number") from None


def _step(fields: Fields, name: str = "Step") -> int:
    return _number(name, fields.get(name, ""), fields["UserEvent"])


def _seconds(fields: Fields, name: str) -> float:
    try:
        return float(fields.get(name) or 0)
    except ValueError:
        raise Untranslatable(f"{fields['UserEvent']}: {name} is no number") from None


def instant(message: Message, now: float) -> float:
    """When it happened by the exchange's clock (``timestampevents=yes``); `now` where the header is missing
    or no number.
    """
    try:
        return float(message.get("Timestamp") or now)
    except ValueError:
        return now


def agent_of(channel: str) -> AgentId | None:
    """The endpoint behind a channel's name: ``PJSIP/1001-0000002a`` -> ``1001``; None for what is no PJSIP
    channel.
    """
    if not channel.startswith("PJSIP/"):
        return None
    endpoint, dash, _ = channel[6:].rpartition("-")
    return AgentId(endpoint) if dash else None


def whose(message: Message) -> tuple[CallId, Role] | None:
    """The call and the role of the channel that a channel event or a snapshot row is about; None if of no
    call.
    """
    call = message.variable("CALLID")
    channel = message.get("Channel")
    if not call or channel.startswith(_SURROGATES) or channel.endswith("<ZOMBIE>"):
        return None
    if f"\r\nUniqueid: {call}\r\n" in message.text:
        return CallId(call), Role.CALLER
    return CallId(call), _ROLES.get(message.variable("ROLE"), Role.AGENT)


_ROLES = {"third": Role.THIRD, "spy": Role.SPY}
"""Roles by the channel variable of this name; every other leg of a call is an agent's."""


def _call_start(f: Fields, call: CallId, at: float) -> Event:
    channel = ChannelName(f.get("Chan", ""))
    return event.CallArrived(call, channel, f.get("Did", ""), f.get("Cli", ""), at)


def _answered(f: Fields, call: CallId, at: float) -> Event:
    try:
        status = KeyStatus(f.get("Status"))
    except ValueError:
        status = KeyStatus.ERROR  # Read's other words (HANGUP, INTERRUPTED, SKIPPED) mean the same: no answer
    return event.KeysPressed(call, _step(f), f.get("Digits", ""), status, at)


def _leg_start(f: Fields, call: CallId, at: float) -> Event:
    return event.LegStarted(call, _step(f), AgentId(f.get("Agent", "")), ChannelName(f.get("Leg", "")), at)


def _no_agent(f: Fields, call: CallId, at: float) -> Event:
    agent = AgentId(f.get("Agent", ""))
    return event.OfferFailed(call, _step(f), agent, f.get("DialStatus", ""), _step(f, "Cause"), at)


_MESSAGE_ENDS = {
    "DTMF": event.MessageEnd.KEY,
    "SILENCE": event.MessageEnd.SILENCE,
    "TIMEOUT": event.MessageEnd.LONGEST,
    "HANGUP": event.MessageEnd.HUNG_UP,
}
"""Record's own words (RECORD_STATUS)."""


def _recorded(f: Fields, call: CallId, at: float) -> Event:
    end = _MESSAGE_ENDS.get(f.get("Status", ""), event.MessageEnd.FAILED)
    return event.Recorded(call, _step(f), _seconds(f, "Began") or at, end, at)


def _score(f: Fields, call: CallId, at: float) -> Event:
    given = f.get("Score", "")
    return event.CallScored(call, int(given) if given in ("1", "2", "3", "4", "5") else None, at)


def _consult_end(f: Fields, call: CallId, at: float) -> Event:
    status, cause = f.get("DialStatus", ""), _step(f, "Cause")
    return event.ConsultEnded(call, AgentId(f.get("Endpoint", "")), status, cause, at)


def _agent_up(f: Fields, call: CallId, at: float) -> Event:
    return event.AgentWaits(call, AgentId(f.get("Agent", "")), ChannelName(f.get("Leg", "")), at)


_USER_EVENTS: dict[str, Callable[[Fields, CallId, float], Event]] = {
    "CallStart": _call_start,
    "Started": lambda f, call, at: event.StepStarted(call, _step(f), at),
    "Stale": lambda f, call, at: event.StepRefused(call, _step(f, "Got"), _step(f), at),
    "Answered": _answered,
    "Played": lambda f, call, at: event.PromptPlayed(call, _step(f), at),
    "Recorded": _recorded,
    "Announced": lambda f, call, at: event.Announced(call, _step(f), at),
    "HoldKey": lambda f, call, at: event.HoldKeyPressed(call, _step(f), f.get("Key", ""), at),
    "Idle": lambda f, call, at: event.CallerIdle(call, _step(f), at),
    "LegStart": _leg_start,
    "NoAgent": _no_agent,
    "TalkEnd": lambda f, call, at: event.TalkEnded(
        call, _step(f), AgentId(f.get("Agent", "")), _seconds(f, "Talk"), at
    ),
    "JoinEnd": lambda f, call, at: event.JoinEnded(call, _step(f), f.get("R") == "SUCCESS", at),
    "ConsultEnd": _consult_end,
    "OutStart": lambda f, call, at: event.OutboundAnswered(
        call, ChannelName(f.get("Chan", "")), at, f.get("Did", ""), f.get("Cli", "")
    ),
    "AgentUp": _agent_up,
    "NetTalkEnd": lambda f, call, at: event.NetTalkEnded(call, AgentId(f.get("Agent", "")) or None, at),
    "Score": _score,
    "Fallback": lambda f, call, at: event.FellBack(call, ChannelName(f.get("Chan", "")), _step(f), at),
}


def _user_event(message: Message, now: float) -> Event | None:
    fields = message.tail("UserEvent")
    make = _USER_EVENTS.get(fields.get("UserEvent", ""))
    call = fields.get("CallId")
    if make is None or not call:
        return None
    return make(fields, CallId(call), instant(message, now))


@dataclass(frozen=True, slots=True)
class DialledCode:
    """A code that a phone has dialled, as the dialplan reports it; `pin` is added by the door and shown nowhere."""

    phone: AgentId
    channel: ChannelName
    code: PhoneCode
    agent: str
    digit: str
    at: float
    pin: str = field(default="", repr=False)


def dialled_code(message: Message, now: float) -> DialledCode | None:
    """The code that a phone has dialled; None for every other event, and for what is no phone's channel or no code."""
    if message.event != "UserEvent" or message.get("UserEvent") != "PhoneCode":
        return None
    fields = message.tail("UserEvent")
    channel = fields.get("Chan", "")
    phone = agent_of(channel)
    try:
        code = PhoneCode(fields.get("Code"))
    except ValueError:
        return None
    if phone is None or not _CHANNEL.match(channel):
        return None
    entered, digit = fields.get("Agent", ""), fields.get("Digit", "")
    return DialledCode(phone, ChannelName(channel), code, entered, digit, instant(message, now))


def _hangup(message: Message, now: float) -> Event | None:
    found = whose(message)
    if found is None:
        return None
    call, role = found
    cause, at = _number("Cause", message.get("Cause"), "Hangup"), instant(message, now)
    if role is Role.CALLER:
        return event.CallEnded(call, cause, at)
    if role is Role.SPY:
        return SpyStopped(SpyId(message.get("Uniqueid")), at)
    channel = ChannelName(message.get("Channel"))
    return event.LegEnded(call, channel, role, agent_of(channel), cause, at)


def _bridge(message: Message, now: float) -> Event | None:
    found = whose(message)
    if found is None:
        return None
    call, role = found
    if role is Role.SPY:
        return None
    channel, at = ChannelName(message.get("Channel")), instant(message, now)
    agent = None if role is Role.CALLER else agent_of(channel)
    if message.event == "BridgeEnter":
        return event.PartyJoined(call, channel, role, agent, at)
    return event.PartyLeft(call, channel, role, agent, at)


def _phone_held(message: Message, now: float) -> Event | None:
    found = whose(message)
    channel = ChannelName(message.get("Channel"))
    agent = agent_of(channel)
    if found is None or found[1] is not Role.AGENT or agent is None:
        return None
    return event.PhoneHeld(found[0], channel, agent, message.event == "Hold", instant(message, now))


def _recording(message: Message, now: float) -> Event | None:
    found = whose(message)
    if found is None or found[1] is not Role.CALLER:
        return None
    return event.RecordingStopped(found[0], instant(message, now))


def _spying(message: Message, now: float) -> Event | None:
    """A supervisor's channel has begun to hear another one, or has stopped; others' ChanSpy is none of ours."""
    spy = SpyId(message.get("SpyerUniqueid"))
    if not spy.startswith(SPY_PREFIX):
        return None
    at = instant(message, now)
    if message.event == "ChanSpyStop":
        return SpyWaits(spy, at)
    return SpyStarted(spy, ChannelName(message.get("SpyerChannel")), ChannelName(message.get("SpyeeChannel")), at)


SPY_PREFIX = "spy-"  #: how the unique ids of supervisors' channels begin

_EVENTS: dict[str, Callable[[Message, float], Event | None]] = {
    "UserEvent": _user_event,
    "Hangup": _hangup,
    "BridgeEnter": _bridge,
    "BridgeLeave": _bridge,
    "Hold": _phone_held,
    "Unhold": _phone_held,
    "MixMonitorStop": _recording,
    "ChanSpyStart": _spying,
    "ChanSpyStop": _spying,
}


def translate(message: Message, now: float) -> Event | None:
    """The event of `pbx/events.py` that `message` means, or None for a word that we do not use.

    `now` (epoch seconds) stands in for a missing timestamp. ``ContactStatus`` and ``DeviceStateChange`` are not decided
    here but by `Phones`, which knows the phones. Raises `Untranslatable` for a wanted event with a value of the wrong
    kind.
    """
    make = _EVENTS.get(message.event)
    return None if make is None else make(message, now)


def live_channel(row: Message, phones: Collection[AgentId]) -> LiveChannel | None:
    """One ``CoreShowChannel`` row; None for a channel that is neither of a call nor of one of `phones`.

    An agent's channel without a call (he dials out himself) has an empty `call`: the agent is busy.
    """
    channel = ChannelName(row.get("Channel"))
    agent = agent_of(channel)
    found = whose(row)
    if found is None:
        if row.variable("CALLID") or agent is None or agent not in phones:
            return None
        found = (CallId(""), Role.AGENT)
    call, role = found
    step = row.variable("STEP")
    return LiveChannel(
        channel=channel,
        call=call,
        role=role,
        agent=None if role is Role.CALLER else agent,
        context=row.variable("CTX") or row.get("Context") if role is Role.CALLER else row.get("Context"),
        step=int(step) if step.isdecimal() else 0,
        bridged=bool(row.get("BridgeId")),
        mark=row.variable("Q") if role in (Role.CALLER, Role.SPY) else "",
        caller=row.get("CallerIDNum") if role is Role.CALLER else "",
    )


_USES = {
    "INUSE": PhoneUse.IN_USE,
    "ONHOLD": PhoneUse.IN_USE,
    "RINGING": PhoneUse.RINGING,
    "RINGINUSE": PhoneUse.RINGING,
    "BUSY": PhoneUse.BUSY,
}


def answer_of(text: str) -> event.Answer | None:
    """A channel's ``ANSWER``: step, status and keys, written before it is reported; None where there is none."""
    step, _, rest = text.partition("|")
    status, _, keys = rest.partition("|")
    try:
        return event.Answer(int(step), keys, KeyStatus(status))
    except ValueError:
        return event.Answer(int(step), keys, KeyStatus.ERROR) if step.isdecimal() else None


TALK_NOTES = ("TALKUP", "TALKEND", "TALKER", "TALKNET", "SCORE")
"""Channel variables in which the dialplan notes a talk: from when to when, with whom, whether the safety net made it,
and how satisfied the caller was."""


def talk_seen(notes: Sequence[str]) -> event.TalkSeen | None:
    """What `TALK_NOTES` say; None where nobody has talked."""
    began, ended, agent, net, score = notes
    try:
        joined_at = float(began)
        released_at = float(ended) if ended else None
    except ValueError:
        return None
    given = int(score) if score in ("1", "2", "3", "4", "5") else None
    return event.TalkSeen(joined_at, released_at, AgentId(agent) if agent else None, given, net == "1")


GONE = "gone"
"""Family of Asterisk's database where the dialplan notes calls that end while no controller sees it."""


def call_gone(row: Message) -> event.CallGone | None:
    """One ``DBGetTreeResponse`` row of the family `GONE`; None for what is none."""
    call = row.get("Key").rpartition("/")[2]
    fields = row.get("Val").split("|", 8)
    if not call or len(fields) != 9:
        return None
    ended, *notes, caller, channel, mark = fields
    try:
        at = float(ended)
    except ValueError:
        return None
    return event.CallGone(CallId(call), ChannelName(channel), mark, caller, at, talk_seen(notes))


class Phones:
    """Which agents' phones are registered, from the contacts' own events.

    A phone that registers again from another port gives a new contact first and the removal of the old one
    afterwards, so reachability is a question of all contacts of an agent, not of the last event.
    """

    _GONE = ("Removed", "Unreachable")

    def __init__(self, known: Collection[AgentId]) -> None:
        """`known`: the phones at which agents sit; other endpoints (the trunk) are ignored."""
        self.known = known
        self._contacts: dict[AgentId, set[str]] = {}

    def _note(self, agent: AgentId, uri: str, status: str) -> None:
        uris = self._contacts.setdefault(agent, set())
        (uris.discard if status in self._GONE else uris.add)(uri)

    def snapshot(self, rows: Iterable[Message]) -> tuple[AgentId, ...]:
        """Begin anew from the ``ContactList`` rows of ``PJSIPShowContacts``; the reachable agents in order of
        their ids.
        """
        self._contacts.clear()
        for row in rows:
            agent = AgentId(row.get("Endpoint") or row.get("Aor"))
            if agent in self.known:
                self._note(agent, row.get("Uri"), row.get("Status"))
        return tuple(sorted(agent for agent, uris in self._contacts.items() if uris))

    def told(self, message: Message, now: float) -> PhoneChanged | PhoneUsed | None:
        """What an event says of a phone; None for every other event, and where nothing changes."""
        if message.event == "ContactStatus":
            return self.changed(message, now)
        return self.used(message, now) if message.event == "DeviceStateChange" else None

    def used(self, message: Message, now: float) -> PhoneUsed | None:
        """What a ``DeviceStateChange`` says of a phone; None for a device that is no phone of ours.

        ``UNAVAILABLE`` counts as idle: whether a phone is reachable is the contacts' word.
        """
        kind, _, name = message.get("Device").partition("/")
        if kind != "PJSIP" or name not in self.known:
            return None
        use = _USES.get(message.get("State"), PhoneUse.IDLE)
        return PhoneUsed(AgentId(name), use, instant(message, now))

    def changed(self, message: Message, now: float) -> PhoneChanged | None:
        """What a ``ContactStatus`` event changes: None when the phone stays as reachable as it was."""
        agent = AgentId(message.get("EndpointName") or message.get("AOR"))
        if agent not in self.known:
            return None
        before = bool(self._contacts.get(agent))
        self._note(agent, message.get("URI"), message.get("ContactStatus"))
        after = bool(self._contacts[agent])
        return None if before == after else PhoneChanged(agent, after, instant(message, now))


# ---------------------------------------------------------------- to the exchange


@dataclass(frozen=True, slots=True)
class Action:
    """One AMI action without its ``ActionID``."""

    name: str
    headers: tuple[tuple[str, str], ...] = ()


_PROMPT = re.compile(r"[a-z0-9/_-]+\Z")
_NAME = re.compile(r"[A-Za-z0-9_.+-]+\Z")  # agents, music classes, call ids, languages
_NUMBER = re.compile(r"[0-9+*#]{0,32}\Z")  # dialled at a trunk, or shown there; empty = none
_KEYS = re.compile(r"[0-9*#A-D]{1,32}\Z")
_CHANNEL = re.compile(r"[A-Za-z0-9]+/[^\s,&|\"'\\$]+\Z")
_MARK = re.compile(r"[^\",\\&\x00-\x1f]*\Z")  # what a channel variable and the fence's $[...] can hold


def _checked(pattern: re.Pattern[str], value: str, field: str) -> str:
    if not pattern.match(value):
        raise BadCommand(f"{field} holds a character that the dialplan cannot take")
    return value


def _list(prompts: tuple[str, ...], field: str = "prompts") -> str:
    return "&".join(_checked(_PROMPT, prompt, field) for prompt in prompts)


def set_variable(channel: str, name: str, value: str) -> Action:
    """Setvar of a channel variable, or of a global one when `channel` is empty (`asterisk.md` 11.2)."""
    where = (("Channel", _checked(_CHANNEL, channel, "channel")),) if channel else ()
    return Action("Setvar", (*where, ("Variable", name), ("Value", value)))


def _step_actions(command: order.StepCommand, context: str, argument: str, language: str | None = None) -> list[Action]:
    """The writes of one step: the line's mark, the argument named by its step, the Redirect (`asterisk.md`
    10.2.3).
    """
    if command.step <= 0:
        raise BadCommand("step is not positive")
    channel = command.channel
    actions = []
    if language is not None:
        _checked(_NAME, language, "language")
        actions = [set_variable(channel, name, language) for name in ("CHANNEL(language)", "LANG")]
    return [
        *actions,
        set_variable(channel, "Q", _checked(_MARK, command.mark, "mark")),
        set_variable(channel, f"A{command.step}", argument),
        Action(
            "Redirect",
            (("Channel", channel), ("Context", context), ("Exten", str(command.step)), ("Priority", "1")),
        ),
    ]


def _membership(command: order.MarkAgent) -> list[Action]:
    """The net rings its members in the order in which they were added, going on from the one whom it rang last
    (``rrmemory``). Who is ready anew is added anew, at the end: so it begins with the longest idle.
    """
    if command.net is order.NetMembership.NOWHERE:
        return []
    interface = ("Interface", f"PJSIP/{_checked(_NAME, command.phone or command.agent, 'phone')}")
    if command.net is order.NetMembership.ABSENT:
        return [Action("QueueRemove", (("Queue", NET_QUEUE), interface))]
    paused = ("Paused", "true" if command.net is order.NetMembership.PAUSED else "false")
    add = Action("QueueAdd", (("Queue", NET_QUEUE), interface, ("MemberName", command.agent), paused))
    if command.net is order.NetMembership.READY:
        return [Action("QueueRemove", (("Queue", NET_QUEUE), interface)), add]
    return [add, Action("QueuePause", (interface, ("Queue", NET_QUEUE), paused))]


def actions(
    command: order.ExchangeCommand,
    *,
    spool: str,
    set_language: bool = True,
    set_membership: bool = True,
    channel_id: str = "",
) -> list[Action]:
    """The actions of one command, to be sent in one TCP write, in order.

    `spool` is Asterisk's spool directory; `set_language` / `set_membership` False leave out what the exchange
    is known to hold already; `channel_id` is the unique id that a third party's leg shall get. QueueAdd of a
    member and QueueRemove of none answer an error that means nothing. Raises `BadCommand`; values that only
    the wire can judge (line length) are judged there.
    """
    match command:
        case order.Ask():
            wait = f"{command.wait_s:g}"
            argument = f"{_list(command.prompts)},{command.max_digits},{wait}"
            return _step_actions(command, "p-ask", argument, command.language if set_language else None)
        case order.Play():
            return _step_actions(command, "p-play", _list(command.prompts), command.language if set_language else None)
        case order.Record():
            argument = f"{command.longest_s},{command.silence_s},{_list(command.thanks)}"
            return _step_actions(command, "p-record", argument, command.language if set_language else None)
        case order.Hold():
            return _step_actions(command, "p-hold", _checked(_NAME, command.music, "music"))
        case order.Offer():
            agent, music = _checked(_NAME, command.agent, "agent"), _checked(_NAME, command.music, "music")
            outside = f",,{_outside(command)}" if command.number or command.caller_id else ""
            return _step_actions(command, "p-dial", f"{agent},{command.ring_s},{music}{outside}")
        case order.HoldTalk():
            return _hold_talk(command)
        case order.Join():
            return _step_actions(command, "p-join", _checked(_CHANNEL, command.leg, "leg"))
        case order.Consult():
            leg = _checked(_CHANNEL, command.leg, "leg")
            where = (("Context", "ag-consult"), ("Exten", "s"), ("Priority", "1"))
            return [_consulted(command), Action("Redirect", (("Channel", leg), *where))]
        case order.CancelOffer():
            leg = _checked(_CHANNEL, command.leg, "leg")
            return [Action("Hangup", (("Channel", leg), ("Cause", "16")))]
        case order.Announce():
            return [set_variable(command.channel, "ANN", _list(command.prompts))]
        case order.PrepareEnd():
            return [
                set_variable(command.channel, name, _list(prompts, name))
                for name, prompts in (
                    ("TICKETSAY", command.ticket),
                    ("SURVEY", command.survey),
                    ("SURVEYAGAIN", command.again),
                    ("THANKS", command.thanks),
                )
            ]
        case order.AddParty():
            return [_add_party(command, channel_id)]
        case order.DropParty():
            return [Action("Hangup", (("Channel", _checked(_NAME, channel_id, "channel_id")), ("Cause", "16")))]
        case order.ToSurvey():
            channel = _checked(_CHANNEL, command.channel, "channel")
            where = (("Context", "p-survey"), ("Exten", "s"), ("Priority", "1"))
            return [Action("Redirect", (("Channel", channel), *where))]
        case order.Mute():
            state = ("State", "on" if command.on else "off")
            leg = _checked(_CHANNEL, command.leg, "leg")
            return [Action("MuteAudio", (("Channel", leg), ("Direction", "in"), state))]
        case order.SendDigits():
            return [_send_digits(command)]
        case order.PlaceCall():
            return [_place_call(command)]
        case order.RingAgent():
            return [_ring_agent(command, channel_id)]
        case order.HangUp():
            # A call that we place has no channel name before it is answered; Asterisk finds it by its id as well.
            pattern = _CHANNEL if "/" in command.channel else _NAME
            return [Action("Hangup", (("Channel", _checked(pattern, command.channel, "channel")), ("Cause", "16")))]
        case order.StartRecording():
            channel = _checked(_CHANNEL, command.channel, "channel")
            path = recording_path(spool, command.name)
            return [Action("MixMonitor", (("Channel", channel), ("File", path), ("Options", "D")))]
        case order.PauseRecording():
            return _pause_recording(command)
        case order.SayToPhone():
            return [set_variable(command.channel, "CODEANSWER", _list(command.prompts))]
        case order.MarkAgent():
            name = f"AG_{_checked(_NAME, command.agent, 'agent')}"
            mark = set_variable("", name, _checked(_MARK, command.mark, "mark"))
            return [mark, *(_membership(command) if set_membership else ())]
        case Spy():
            return [_spy(command)]
        case SwitchSpy():
            spy = _checked(_NAME, command.spy, "spy")
            key = (("Channel", spy), ("Digit", _SPY_DIGITS[command.mode]), ("Receive", "true"))
            mark_it = (("Channel", spy), ("Variable", "Q"), ("Value", _checked(_MARK, command.mark, "mark")))
            return [Action("Setvar", mark_it), Action("PlayDTMF", key)]
        case SpyOn():
            spy = _checked(_NAME, command.spy, "spy")
            leg = _checked(_CHANNEL, command.leg, "leg")
            given = (("Q", _checked(_MARK, command.mark, "mark")), ("SPYLEG", leg))
            return [Action("Setvar", (("Channel", spy), ("Variable", name), ("Value", value))) for name, value in given]
        case EndSpy():
            spy, over = _checked(_NAME, command.spy, "spy"), _list((command.over,))
            return [Action("Setvar", (("Channel", spy), ("Variable", "SPYEND"), ("Value", over)))]
        case StopSpy():
            return [Action("Hangup", (("Channel", _checked(_NAME, command.spy, "spy")), ("Cause", "16")))]
        case Hear():
            return [_hear(command)]
        case RecordVoice():
            # Option r alone: both directions keep the time, and only what comes from the leg is written.
            voice = f"r({recording_path(spool, command.name)})"
            whose = ("Channel", _checked(_CHANNEL, command.leg, "leg"))
            return [Action("StopMixMonitor", (whose,)), Action("MixMonitor", (whose, ("Options", voice)))]
        case StopVoice():
            return [Action("StopMixMonitor", (("Channel", _checked(_CHANNEL, command.leg, "leg")),))]


def _hear(command: Hear) -> Action:
    """A silent ChanSpy of what this leg says (``o``), which goes with it (``SE``); its channel is an AudioSocket.

    The channel carries no CALLID, so that nothing that happens to it is taken for a part of the call, and has no CDR.
    """
    sink, host = _checked(_NAME, command.sink, "sink"), _checked(_NAME, command.host, "host")
    headers = (
        ("Channel", f"AudioSocket/{host}:{command.port}/{sink}"),
        ("Application", "ChanSpy"),
        ("Data", f"{_checked(_CHANNEL, command.leg, 'leg')},qSEo"),
        ("Async", "true"),
        ("Timeout", "3000"),
        ("ChannelId", f"ear-{sink}"),
        ("Variable", "CDR_PROP(disable)=1"),
    )
    return Action("Originate", headers)


_SPY_DIGITS = {SpyMode.LISTEN: "4", SpyMode.WHISPER: "5", SpyMode.BARGE: "6"}
"""The keys by which ChanSpy with option ``d`` changes its mode (`asterisk.md` section 5)."""


def _spy(command: Spy) -> Action:
    """The supervisor's phone is rung and then hears the leg (p-spy): quietly, switched by keys, until the leg ends."""
    phone, leg = _checked(_NAME, command.phone, "phone"), _checked(_CHANNEL, command.leg, "leg")
    over = _list((command.over,)) if command.over else ""
    return Action(
        "Originate",
        (
            ("Channel", f"PJSIP/{phone}"),
            ("Context", "p-spy"),
            ("Exten", "s"),
            ("Priority", "1"),
            ("Async", "true"),
            ("Timeout", str(command.ring_s * 1000)),
            ("ChannelId", _checked(_NAME, command.spy, "spy")),
            ("Variable", f"ROLE=spy,CALLID={_checked(_NAME, command.call, 'call')}"),
            ("Variable", f"SPYLEG={leg},SPYMAX={command.wait_s},SPYOVER={over}"),
            ("Variable", f"Q={_checked(_MARK, command.mark, 'mark')}"),
        ),
    )


def _add_party(command: order.AddParty, channel_id: str) -> Action:
    """The third party's leg joins the caller's bridge itself; `asterisk.md` 12.6."""
    endpoint = _checked(_NAME, command.endpoint, "endpoint")
    call = _checked(_NAME, command.call, "call")
    headers: tuple[tuple[str, str], ...] = (
        ("Channel", _target(endpoint, command.number)),
        ("Application", "BridgeAdd"),
        ("Data", _checked(_CHANNEL, command.channel, "channel")),
        ("Async", "true"),
        ("Timeout", str(command.ring_s * 1000)),
        ("Variable", f"ROLE=third,CALLID={call}"),
    )
    if command.caller_id:
        headers = (*headers, ("CallerID", _checked(_NUMBER, command.caller_id, "caller_id")))
    return Action("Originate", (*headers, ("ChannelId", channel_id)) if channel_id else headers)


_DIAL = re.compile(r"(PJSIP|Local)/[A-Za-z0-9@._+*#/-]+\Z")


def _target(endpoint: str, number: str) -> str:
    """What to dial: an endpoint of ours, or a number at a trunk."""
    _checked(_NUMBER, number, "number")
    return f"PJSIP/{number}@{endpoint}" if number else f"PJSIP/{endpoint}"


def _outside(command: order.Offer | order.HoldTalk | order.Consult) -> str:
    """The number to dial at a trunk and the one to show there."""
    number = _checked(_NUMBER, command.number, "number")
    return f"{number},{_checked(_NUMBER, command.caller_id, 'caller_id')}"


def _consulted(command: order.HoldTalk | order.Consult) -> Action:
    """Whom the agent's leg shall ask, as ag-consult reads it."""
    endpoint = _checked(_NAME, command.endpoint, "endpoint")
    return set_variable(command.leg, "CONSULT", f"{endpoint},{command.ring_s},{_outside(command)}")


def _hold_talk(command: order.HoldTalk) -> list[Action]:
    """One Redirect for both: the caller to p-hold, the agent to ag-hold or ag-consult (`asterisk.md` 4, 12.6)."""
    actions = _step_actions(command, "p-hold", _checked(_NAME, command.music, "music"))
    extra = (
        ("ExtraChannel", _checked(_CHANNEL, command.leg, "leg")),
        ("ExtraContext", "ag-consult" if command.endpoint else "ag-hold"),
        ("ExtraExten", "s"),
        ("ExtraPriority", "1"),
    )
    both = Action("Redirect", (*actions.pop().headers, *extra))
    return [*actions, *([_consulted(command)] if command.endpoint else []), both]


def _send_digits(command: order.SendDigits) -> Action:
    """Keys by a helper channel's SendDTMF: PlayDTMF would stop this AMI session for the length of each key."""
    channel = _checked(_CHANNEL, command.channel, "channel")
    headers = (
        ("Channel", "Local/s@send-digits"),
        ("Application", "SendDTMF"),
        ("Data", f"{_checked(_KEYS, command.digits, 'digits')},150,120,{channel}"),
        ("Async", "true"),
    )
    return Action("Originate", headers)


def _place_call(command: order.PlaceCall) -> Action:
    """The citizen's channel gets the call's own id, so that it is his by `whose`."""
    call = _checked(_NAME, command.call, "call")
    purpose = _checked(_NAME, command.purpose, "purpose") if command.purpose else ""
    given = (
        f"ROLE=caller,__CALLID={call},LANG={_checked(_NAME, command.language, 'language')}",
        f"Q={_checked(_MARK, command.mark, 'mark')}",
        f"CLI={_checked(_NUMBER, command.number, 'number')}",
        *((f"__PURPOSE={purpose}",) if purpose else ()),
    )
    headers = (
        ("Channel", _checked(_DIAL, command.dial, "dial")),
        ("Context", "p-out"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Async", "true"),
        ("Timeout", str(command.ring_s * 1000)),
        ("CallerID", _checked(_NUMBER, command.caller_id, "caller_id")),
        *(("Variable", one) for one in given),
        ("ChannelId", call),
    )
    return Action("Originate", headers)


def _ring_agent(command: order.RingAgent, channel_id: str) -> Action:
    agent, call = _checked(_NAME, command.agent, "agent"), _checked(_NAME, command.call, "call")
    answering = (
        ("Variable", "PJSIP_HEADER(add,Call-Info)=<sip:hotline>\\;answer-after=0"),
        ("Variable", "PJSIP_HEADER(add,Alert-Info)=<http://hotline>\\;info=alert-autoanswer\\;delay=0"),
    )
    headers = (
        ("Channel", f"PJSIP/{agent}"),
        ("Context", "ag-out"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Async", "true"),
        ("Timeout", str(command.ring_s * 1000)),
        ("CallerID", _checked(_NUMBER, command.caller_id, "caller_id")),
        ("Variable", f"ROLE=agent,__CALLID={call},LEGAGENT={agent}"),
        *(answering if command.auto_answer else ()),
        ("ChannelId", channel_id),
    )
    return Action("Originate", headers)


def _pause_recording(command: order.PauseRecording) -> list[Action]:
    """Both directions, since the caller hears what the agent repeats.

    The note comes first and goes last: who dies between the two leaves a note of a pause that is none, never a pause
    without a note.
    """
    channel = _checked(_CHANNEL, command.channel, "channel")
    note = set_variable(channel, "RECPAUSE", _checked(_MARK, command.note, "note") if command.on else "")
    state = ("State", "1" if command.on else "0")
    mute = Action("MixMonitorMute", (("Channel", channel), ("Direction", "both"), state))
    return [note, mute] if command.on else [mute, note]


def recording_path(spool: str, name: str) -> str:
    """Where Asterisk writes the raw recording `name`: 16-bit, both directions interleaved (option D)."""
    if not _NAME.match(name) or name.startswith("."):
        raise BadCommand("name is no plain file name")
    return f"{spool.rstrip('/')}/monitor/{name}"
