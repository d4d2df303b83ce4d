"""What the switchboard may order: every output of a step, as frozen dataclasses.

Commands for the exchange are performed by `pbx/ami.py`; the others by the engine, the store and the workers.
None of them returns a value: what becomes of a command comes back as an event.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.call import CallRecord
from pbx.callback import CallbackRequest
from pbx.campaign import SaveCampaign
from pbx.events import CallerEntry, TicketWords, TimerKind
from pbx.ids import AgentId, CallId, ChannelName, RequestId
from pbx.live_words import Hear
from pbx.memory import SaveDeskNotice
from pbx.notice import SaveNotice, SaveRegistration
from pbx.supervision import Audit, EndSpy, SaveOverrides, Spy, SpyOn, StopSpy, SwitchSpy
from pbx.voices import RecordVoice, StopVoice

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
class Record:
    """Let the caller speak after a tone, until #, `silence_s` seconds of silence (0 = never) or `longest_s` seconds.

    Then `thanks` is played and he is released, by the dialplan alone. The sound stands in the call's recording.
    """

    call: CallId
    channel: ChannelName
    step: int
    longest_s: int
    silence_s: int
    thanks: tuple[str, ...]
    language: str
    mark: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Let the caller wait in the line under music of class `music`.

    `from_talk`: he is taken out of a talk on purpose. Without it the door refuses to touch a caller who talks.
    """

    call: CallId
    channel: ChannelName
    step: int
    music: str
    mark: str
    from_talk: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring the agent's phone for at most `ring_s` seconds; the caller goes on hearing `music` (`asterisk.md`
    12).

    `from_talk`: a transfer, he is taken out of a talk on purpose. `number`: `agent` is a trunk, and this is the
    number to dial there; `caller_id`: the number that is shown there (empty = the caller's own).
    """

    call: CallId
    channel: ChannelName
    step: int
    agent: AgentId
    ring_s: int
    music: str
    mark: str
    from_talk: bool = False
    number: str = ""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class HoldTalk:
    """Part caller and agent: he hears `music`, the agent's `leg` waits, or asks `endpoint` (`asterisk.md` 4).

    One action for both channels: each alone would end the other's (`asterisk.md` 4, last row). `endpoint`, `ring_s`,
    `number`, `caller_id` as in `Consult`; `endpoint` empty = the agent only waits.
    """

    call: CallId
    channel: ChannelName
    step: int
    leg: ChannelName
    music: str
    mark: str
    endpoint: str = ""
    ring_s: int = 0
    number: str = ""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """The caller fetches `leg` and talks with it: after a hold, at the end of an attended transfer."""

    call: CallId
    channel: ChannelName
    step: int
    leg: ChannelName
    mark: str


@dataclass(frozen=True, slots=True)
class Consult:
    """The agent's `leg`, whose caller is on hold, rings `endpoint` for at most `ring_s` seconds and talks with him.

    `number`: `endpoint` is a trunk, and this is the number to dial there, showing `caller_id`.
    """

    call: CallId
    leg: ChannelName
    endpoint: str
    ring_s: int
    number: str = ""
    caller_id: str = ""


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
    """Ring `endpoint` for at most `ring_s` seconds and let it join the caller's talk when it answers.

    `number`: `endpoint` is a trunk, and this is the number to dial there, showing `caller_id`.
    """

    call: CallId
    channel: ChannelName
    endpoint: AgentId
    ring_s: int
    number: str = ""
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class DropParty:
    """Stop ringing the third party that `AddParty` rings; one that has answered is let go by `CancelOffer`."""

    call: CallId
    endpoint: AgentId


@dataclass(frozen=True, slots=True)
class ToSurvey:
    """Lead the caller into the survey: his talk is over, and a late command has taken him out of it."""

    call: CallId
    channel: ChannelName


@dataclass(frozen=True, slots=True)
class Mute:
    """Silence what comes from `leg` (`on`), or let it be heard again; the others hear each other all the time."""

    call: CallId
    leg: ChannelName
    on: bool


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Press `digits` towards the other side: the one on `channel` hears them as if from a telephone's keys."""

    call: CallId
    channel: ChannelName
    digits: str


# ---------------------------------------------------------------- calls that the hotline places


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """Call `number` at the whole address `dial` (PJSIP/…) for at most `ring_s` seconds, showing `caller_id`.

    `call` is chosen by who commands it and becomes the id of the citizen's channel, so that everything about it (keys,
    hold, transfer, recording, survey, resync) is as with a citizen who has called. When he answers he stands still like
    one who has just arrived: `OutboundAnswered` follows, and the next command (`Play` of the notice, `Offer`, `Join`)
    is step 1. Or `OutboundFailed` follows; or `CallEnded`, where the call was cut while it rang; whichever comes first
    is the end. `HangUp` with ``channel = call`` cancels it while it rings. `mark` is written to the channel; `purpose`
    goes to the phone of whoever is rung for him, as header ``X-Purpose``.
    """

    call: CallId
    number: str
    dial: str
    caller_id: str
    ring_s: int
    language: str
    mark: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class RingAgent:
    """Ring the agent's phone for a call that is about to be placed, showing `caller_id`.

    `AgentWaits` follows when he answers: his leg then waits in silence for a `Join`; else `LegEnded`.
    `auto_answer`: ask the phone to answer by itself.
    """

    call: CallId
    agent: AgentId
    ring_s: int
    caller_id: str
    auto_answer: bool = False


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
class PauseRecording:
    """Write silence instead of what is said (`on`), or what is said again; the time line goes on.

    `note` is written to the channel while it is paused (`pbx.call.RecordingPause.encode`).
    """

    call: CallId
    channel: ChannelName
    on: bool
    note: str = ""


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
    """Write the call's record as it is now; `unless_ended` = not over one whose end is known already."""

    record: CallRecord
    unless_ended: bool = False


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
class HandOverTicket:
    """工单流转: have the call's ticket, opened if it is not yet, with `unit`; `TicketHandedOver` follows.

    `urgency` is what the unit's desk demands at least. `opening.at` tells one hand-over of a call from the next: each
    is done once, however often it is ordered.
    """

    opening: OpenTicket
    destination: str
    unit: str
    urgency: str
    words: TicketWords
    request: RequestId


@dataclass(frozen=True, slots=True)
class FinishRecording:
    """The raw recording `raw` is complete: check, seal and archive it, then transcribe what was said in
    `talks`.

    `talks` are the spans in which caller and agent were joined, in epoch seconds; outside are prompts and
    music. For the check: when the caller hung up (0 = not known), when he was on hold, the recording paused or the
    agent muted, and what of `talks` is no talk but his voice message.
    """

    call: CallId
    raw: str
    language: str
    started_at: float
    talks: tuple[tuple[float, float], ...]
    ended_at: float = 0.0
    holds: tuple[tuple[float, float], ...] = ()
    pauses: tuple[tuple[float, float], ...] = ()
    muted: tuple[tuple[float, float], ...] = ()
    message: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class QueryTicket:
    """A caller wants to know how a ticket stands; `TicketQueried` answers. Caller data: `proof` is his.

    `serial` tells one query of a call from the next.
    """

    call: CallId
    number: str
    proof: str
    caller: str
    serial: int


ExchangeCommand = (
    Ask
    | Play
    | Record
    | Hold
    | Offer
    | HoldTalk
    | Join
    | Consult
    | CancelOffer
    | Announce
    | PrepareEnd
    | AddParty
    | DropParty
    | ToSurvey
    | Mute
    | SendDigits
    | PlaceCall
    | RingAgent
    | HangUp
    | StartRecording
    | PauseRecording
    | MarkAgent
    | SayToPhone
    | Spy
    | SwitchSpy
    | SpyOn
    | EndSpy
    | StopSpy
    | Hear
    | RecordVoice
    | StopVoice
)
StepCommand = Ask | Play | Record | Hold | Offer | HoldTalk | Join
Command = (
    ExchangeCommand
    | Wake
    | Reply
    | SaveCall
    | SaveCallback
    | OpenTicket
    | HandOverTicket
    | FinishRecording
    | SaveListing
    | SaveDeskNotice
    | DropListing
    | Audit
    | SaveOverrides
    | SaveNotice
    | SaveRegistration
    | QueryTicket
    | SaveCampaign
)
