"""What the switchboard may order: every output of a step, as frozen dataclasses.

Commands for the exchange are performed by `pbx/ami.py`; the others by the engine, the store and the workers.
None of them returns a value: what becomes of a command comes back as an event.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.call import CallRecord
from pbx.callback import CallbackRequest
from pbx.events import CallerEntry, TimerKind
from pbx.ids import AgentId, CallId, ChannelName, RequestId
from pbx.supervision import Audit, SaveOverrides, Spy, StopSpy, SwitchSpy

# ---------------------------------------------------------------- the caller's own channel: one step each
# `step` numbers the commands of one call; the exchange obeys only a newer step than it runs (the fence).
# `mark` is `CallMark.encode()`: written to the channel together with the command.


@dataclass(frozen=True, slots=True)
class Ask:
    """Play `prompts` and wait `wait_s` seconds for up to `max_digits` keys; a key cuts the prompt (barge-in)."""

    call: CallId
    channel: ChannelName
    step: int
    prompts: tuple[str, ...]
    max_digits: int
    wait_s: float
    language: str
    mark: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play `prompts` to their end."""

    call: CallId
    channel: ChannelName
    step: int
    prompts: tuple[str, ...]
    language: str
    mark: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Let the caller wait in the line under music of class `music`."""

    call: CallId
    channel: ChannelName
    step: int
    music: str
    mark: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring the agent's phone for at most `ring_s` seconds; the caller goes on hearing `music` (`asterisk.md`
    12).
    """

    call: CallId
    channel: ChannelName
    step: int
    agent: AgentId
    ring_s: int
    music: str
    mark: str


@dataclass(frozen=True, slots=True)
class CancelOffer:
    """Stop ringing: hang up the agent's leg (never a Redirect of the caller, `asterisk.md` 12.0)."""

    call: CallId
    leg: ChannelName


@dataclass(frozen=True, slots=True)
class Announce:
    """Play `prompts` to a caller in the line between the music; no step, polled by the line itself."""

    call: CallId
    channel: ChannelName
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrepareEnd:
    """Write into the caller's channel what he will hear after the agent has left; it needs no controller
    then.

    `ticket` reads the ticket's number, `survey` asks for the satisfaction (empty = not asked), `again`
    repeats the question once, `thanks` closes the call.
    """

    call: CallId
    channel: ChannelName
    ticket: tuple[str, ...]
    survey: tuple[str, ...]
    again: tuple[str, ...]
    thanks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddParty:
    """Ring `endpoint` for at most `ring_s` seconds and let it join the caller's talk when it answers."""

    call: CallId
    channel: ChannelName
    endpoint: AgentId
    ring_s: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """Release the caller."""

    call: CallId
    channel: ChannelName


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record the caller's channel, both directions apart, until he hangs up; `name` is the raw file's name."""

    call: CallId
    channel: ChannelName
    name: str


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call a citizen for at most `ring_s` seconds, showing `caller_id`; `dial` is the whole address (PJSIP/…).

    His channel gets `call` as its id. When he answers, `CallArrived` follows with that id; else `CallbackFailed`.
    `purpose` goes to the agent's phone as header ``X-Purpose``.
    """

    call: CallId
    number: str
    dial: str
    caller_id: str
    ring_s: int
    dialled: str
    language: str
    purpose: str


# ---------------------------------------------------------------- agents, as the exchange knows them


class NetMembership(enum.Enum):
    """Whether the safety net may ring an agent when the controller is gone."""

    READY = "ready"
    PAUSED = "paused"
    ABSENT = "absent"
    NOWHERE = "nowhere"  #: he has no phone now: the net's members stay as they are


@dataclass(frozen=True, slots=True)
class MarkAgent:
    """Remember an agent's state in the exchange (global ``AG_<id>``), and in the safety net's membership.

    `phone`: where he sits, empty when it is the phone of his own number.
    """

    agent: AgentId
    mark: str
    net: NetMembership
    phone: str = ""


@dataclass(frozen=True, slots=True)
class SayToPhone:
    """Play `prompts` to a phone that has dialled a code and waits for the answer; the dialplan hangs up after it."""

    channel: ChannelName
    prompts: tuple[str, ...]


# ---------------------------------------------------------------- the engine, the store, the workers


@dataclass(frozen=True, slots=True)
class Wake:
    """Give `TimeIsUp` of the same kind, key and generation at epoch second `at`."""

    kind: TimerKind
    key: str
    generation: int
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a person's request. `code` is stable and machine-readable, empty when `ok`.

    `detail` says more to the machine, name by name: who had ordered otherwise, when it takes effect.
    """

    request: RequestId
    ok: bool
    code: str = ""
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SaveCall:
    """Write the call's record as it is now."""

    record: CallRecord


@dataclass(frozen=True, slots=True)
class SaveListing:
    """Keep an entry of the caller list."""

    entry: CallerEntry


@dataclass(frozen=True, slots=True)
class DropListing:
    """Forget an entry of the caller list."""

    number: str


@dataclass(frozen=True, slots=True)
class SaveCallback:
    """Write a call-back request as it is now; `CallbackStored` follows after its commit."""

    callback: CallbackRequest


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Open a ticket for an answered call; `TicketOpened` follows after its commit."""

    call: CallId
    caller: str
    dialled: str
    language: str
    queue: str
    agent: AgentId
    at: float


@dataclass(frozen=True, slots=True)
class FinishRecording:
    """The raw recording `raw` is complete: check, seal and archive it, then transcribe what was said in
    `talks`.

    `talks` are the spans in which caller and agent were joined, in epoch seconds; outside are prompts and
    music.
    """

    call: CallId
    raw: str
    language: str
    started_at: float
    talks: tuple[tuple[float, float], ...]


ExchangeCommand = (
    Ask
    | Play
    | Hold
    | Offer
    | CancelOffer
    | Announce
    | PrepareEnd
    | AddParty
    | CallBack
    | HangUp
    | StartRecording
    | MarkAgent
    | SayToPhone
    | Spy
    | SwitchSpy
    | StopSpy
)
StepCommand = Ask | Play | Hold | Offer
Command = (
    ExchangeCommand
    | Wake
    | Reply
    | SaveCall
    | SaveCallback
    | OpenTicket
    | FinishRecording
    | SaveListing
    | DropListing
    | Audit
    | SaveOverrides
)
