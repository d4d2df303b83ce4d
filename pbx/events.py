"""What can happen: every input of the switchboard, as frozen dataclasses.

From the exchange come the words that `pbx/translate.py` admits; from people come requests (with a `request`
id that their answer carries); from the engine come timers. `at` is always epoch seconds: of the exchange's
clock for its own events, of the controller's clock for the others.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.call import CallRecord
from pbx.callback import CallbackRequest
from pbx.ids import AgentId, CallId, ChannelName, QueueId, RequestId, TicketNumber
from pbx.memory import DeskNoticesRestored, LessonsRestored
from pbx.notice import IncidentOver, NoticeRegistered, NoticesRestored
from pbx.supervision import (
    OverridesRestored,
    SpyGone,
    SpyHeard,
    SpyStarted,
    SpyStopped,
    SpyWaits,
    SupervisorRequest,
)

# ---------------------------------------------------------------- the caller's own channel


@dataclass(frozen=True, slots=True)
class CallArrived:
    """A citizen's call was answered by the exchange and waits for the first command."""

    call: CallId
    channel: ChannelName
    dialled: str
    caller: str
    at: float


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The exchange runs the command with this step number: the real acknowledgement (`asterisk.md` 10.2 rule
    1).
    """

    call: CallId
    step: int
    at: float


@dataclass(frozen=True, slots=True)
class StepRefused:
    """The fence refused a command: `got` was not newer than the running `step`."""

    call: CallId
    got: int
    step: int
    at: float


@dataclass(frozen=True, slots=True)
class StepLost:
    """A command was sent, or could not be, and the exchange did not confirm it in time. `reason` has no
    caller data.
    """

    call: CallId
    step: int
    reason: str
    at: float


class KeyStatus(enum.Enum):
    """How a question ended."""

    OK = "OK"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"
    AHEAD = "AHEAD"  #: the keys had been pressed before the question was asked


@dataclass(frozen=True, slots=True)
class KeysPressed:
    """A question ended: with keys, or in silence (`keys` empty)."""

    call: CallId
    step: int
    keys: str
    status: KeyStatus
    at: float


@dataclass(frozen=True, slots=True)
class PromptPlayed:
    """A message that no key answers has been played to its end."""

    call: CallId
    step: int
    at: float


class MessageEnd(enum.Enum):
    """How a voice message ended."""

    KEY = "key"
    SILENCE = "silence"
    LONGEST = "longest"
    HUNG_UP = "hung_up"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The caller has left a voice message, which began at `began_at`; the dialplan thanks him and lets him go."""

    call: CallId
    step: int
    began_at: float
    end: MessageEnd
    at: float


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement in the line has been played; music goes on."""

    call: CallId
    step: int
    at: float


@dataclass(frozen=True, slots=True)
class HoldKeyPressed:
    """The caller in the line pressed `key` (0-9 * #); music or what was said to him goes on. One a second at most."""

    call: CallId
    step: int
    key: str
    at: float


@dataclass(frozen=True, slots=True)
class CallerIdle:
    """The caller stands still after `step` and waits for a command; repeated each half second."""

    call: CallId
    step: int
    at: float


@dataclass(frozen=True, slots=True)
class FellBack:
    """The caller noticed that the controller is missing and went to the safety net."""

    call: CallId
    channel: ChannelName
    step: int
    at: float


@dataclass(frozen=True, slots=True)
class CallScored:
    """The satisfaction question ended; `score` is 1-5, or None when the caller gave none."""

    call: CallId
    score: int | None
    at: float


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The caller's channel is gone. `cause` is the Q.850 cause (16 normal clearing)."""

    call: CallId
    cause: int
    at: float


# ---------------------------------------------------------------- offers, legs and talk


@dataclass(frozen=True, slots=True)
class LegStarted:
    """The exchange made the agent's leg for an offer; its phone is about to be rung."""

    call: CallId
    step: int
    agent: AgentId
    leg: ChannelName
    at: float


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """The agent's phone was rung, or not even that, and no talk came of it. `cause` is Q.850 (`asterisk.md`
    12.5).
    """

    call: CallId
    step: int
    agent: AgentId
    status: str
    cause: int
    at: float


class Role(enum.Enum):
    """Who a leg belongs to."""

    CALLER = "caller"
    AGENT = "agent"
    THIRD = "third"
    SPY = "spy"  #: a supervisor who listens: never a party of the talk


@dataclass(frozen=True, slots=True)
class PartyJoined:
    """A leg entered the talk's bridge. `agent` is the endpoint behind the leg (agent or third party)."""

    call: CallId
    channel: ChannelName
    role: Role
    agent: AgentId | None
    at: float


@dataclass(frozen=True, slots=True)
class PartyLeft:
    """A leg left the talk's bridge."""

    call: CallId
    channel: ChannelName
    role: Role
    agent: AgentId | None
    at: float


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """The last agent left; the caller is now in the survey. `talk_s` is the answered time in seconds."""

    call: CallId
    step: int
    agent: AgentId
    talk_s: float
    at: float


@dataclass(frozen=True, slots=True)
class JoinEnded:
    """A talk that `Join` had begun is over and the caller is in the survey (`ok`); or there was none, and he is under
    music again.
    """

    call: CallId
    step: int
    ok: bool
    at: float


@dataclass(frozen=True, slots=True)
class ConsultEnded:
    """The agent talks no more with `endpoint`, whom he had asked, or did not reach him; he waits alone now.

    `status` and `cause` as in `OfferFailed`; ``ANSWER`` = they talked.
    """

    call: CallId
    endpoint: AgentId
    status: str
    cause: int
    at: float


@dataclass(frozen=True, slots=True)
class PhoneHeld:
    """An agent pressed the hold key of his phone (`on`), or took the talk back; the exchange plays music meanwhile."""

    call: CallId
    leg: ChannelName
    agent: AgentId
    on: bool
    at: float


@dataclass(frozen=True, slots=True)
class OutboundAnswered:
    """The citizen has answered a call that `PlaceCall` placed; he stands still and waits for the first command.

    `number` is his, `dialled` the number of ours with which he was called: who has forgotten why he was called treats
    him like one who has called it.
    """

    call: CallId
    channel: ChannelName
    at: float
    dialled: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class OutboundFailed:
    """A call that `PlaceCall` placed was not answered: `reason` is ``busy``, ``no_answer`` or ``failed``."""

    call: CallId
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class AgentWaits:
    """An agent has answered `RingAgent`; his leg waits to be joined."""

    call: CallId
    agent: AgentId
    leg: ChannelName
    at: float


@dataclass(frozen=True, slots=True)
class NetTalkEnded:
    """A talk that the safety net had joined ended; the caller is now in the survey."""

    call: CallId
    agent: AgentId | None
    at: float


@dataclass(frozen=True, slots=True)
class LegEnded:
    """An agent's or third party's leg is gone."""

    call: CallId
    leg: ChannelName
    role: Role
    agent: AgentId | None
    cause: int
    at: float


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The exchange has closed the raw recording of a call; it may be finished and archived."""

    call: CallId
    at: float


@dataclass(frozen=True, slots=True)
class PhoneChanged:
    """A phone registered, or its registration is gone. `agent` is the phone's number, whoever sits there."""

    agent: AgentId
    reachable: bool
    at: float


class PhoneUse(enum.Enum):
    """What a phone is doing, as the exchange sees it (its device state); whether it can be reached is told apart."""

    IDLE = "idle"
    RINGING = "ringing"
    IN_USE = "in_use"  #: in a call, of the hotline or of its own
    BUSY = "busy"  #: says itself that it takes no calls


@dataclass(frozen=True, slots=True)
class PhoneUsed:
    """What a phone is doing has changed. `agent` is the phone's number, whoever sits there."""

    agent: AgentId
    use: PhoneUse
    at: float


# ---------------------------------------------------------------- the exchange as a whole


@dataclass(frozen=True, slots=True)
class Answer:
    """The caller's keys to the question of a step."""

    step: int
    keys: str
    status: KeyStatus


@dataclass(frozen=True, slots=True)
class TalkSeen:
    """A talk, as the dialplan noted it. Epoch seconds of the exchange's clock; `released_at` None = it goes on."""

    joined_at: float
    released_at: float | None
    agent: AgentId | None
    score: int | None = None
    in_net: bool = False


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """One row of the snapshot that is taken after each login (`asterisk.md` 11.1)."""

    channel: ChannelName
    call: CallId
    role: Role
    agent: AgentId | None
    context: str
    step: int
    bridged: bool
    mark: str
    caller: str
    answer: Answer | None = None  #: to the question of `step`, which nobody has been told
    talk: TalkSeen | None = None  #: as the dialplan noted it; of callers who talk or have talked
    heard: SpyHeard | None = None  #: likewise, of a supervisor who listens


@dataclass(frozen=True, slots=True)
class CallGone:
    """A call that ended while no controller saw it, as the dialplan put it down; `ended_at`: the exchange's clock."""

    call: CallId
    channel: ChannelName
    mark: str
    caller: str
    ended_at: float
    talk: TalkSeen | None = None


@dataclass(frozen=True, slots=True)
class ExchangeConnected:
    """The exchange is there (again): every live channel, the phones that are reachable, the agents' marks.

    `gone` are the calls that ended unseen since the last time, `listened` supervisors' channels likewise.
    """

    channels: tuple[LiveChannel, ...]
    phones: tuple[AgentId, ...]
    marks: tuple[tuple[AgentId, str], ...]
    at: float
    gone: tuple[CallGone, ...] = ()
    listened: tuple[SpyGone, ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangeEnding:
    """The hotline is being stopped and ends its own Asterisk: the calls in it end by us, not by their callers."""

    at: float


@dataclass(frozen=True, slots=True)
class ExchangeLost:
    """The connection to the exchange is gone; nothing can be commanded until `ExchangeConnected`."""

    at: float


# ---------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class AgentSignedIn:
    """签入: the agent starts his shift; he is not ready yet. `seat`: at which phone (None = at his own)."""

    agent: AgentId
    request: RequestId
    at: float
    seat: AgentId | None = None


@dataclass(frozen=True, slots=True)
class AgentSignedOut:
    """签出: the agent ends his shift; during a talk it takes effect after it."""

    agent: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class AgentWentReady:
    """示闲: the agent takes calls; ends his wrap-up too. Signs in first where needed."""

    agent: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class AgentWentNotReady:
    """示忙: the agent takes no calls, with a reason; during a talk it takes effect after it."""

    agent: AgentId
    reason: str
    request: RequestId
    at: float


class PhoneCode(enum.Enum):
    """A code that an agent dials at a phone."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    READY = "ready"
    NOT_READY = "not_ready"


class PinVerdict(enum.Enum):
    """What became of a PIN; the PIN itself never comes this far."""

    NONE = "none"  #: the code asks for none
    RIGHT = "right"
    WRONG = "wrong"  #: or no such agent, or one without a PIN: not told apart
    LOCKED = "locked"  #: too many wrong tries; this one was not looked at


@dataclass(frozen=True, slots=True)
class CodeDialled:
    """A code was dialled at `phone`, whose channel waits to be told what became of it.

    `agent`: whose number was entered, None where none was or nobody has it. `digit`: of the not-ready reason.
    """

    phone: AgentId
    channel: ChannelName
    code: PhoneCode
    agent: AgentId | None
    digit: str
    pin: PinVerdict
    at: float


@dataclass(frozen=True, slots=True)
class WrapUpExtended:
    """The agent asks for `seconds` more of after-call work (话后整理)."""

    agent: AgentId
    seconds: float
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class ThirdPartyAsked:
    """三方通话: the agent wants `endpoint` to join his talk: an agent, an extension or the id of a destination."""

    agent: AgentId
    endpoint: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class ThirdPartyDropped:
    """The agent wants `endpoint` out of his talk again, or not to be rung any more."""

    agent: AgentId
    endpoint: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class HoldAsked:
    """保持: the agent's caller shall hear music while the agent is busy elsewhere."""

    agent: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """取消保持: the agent wants to talk with his caller again; one whom he is asking meanwhile is let go."""

    agent: AgentId
    request: RequestId
    at: float


class TargetKind(enum.Enum):
    """To whom a call may be transferred."""

    AGENT = "agent"
    QUEUE = "queue"
    EXTENSION = "extension"
    DESTINATION = "destination"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """盲转: the agent gives his caller away, talking or on hold, without a word to the one who takes him."""

    agent: AgentId
    kind: TargetKind
    target: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class ConsultAsked:
    """咨询: the agent wants to talk with somebody while his caller is on hold; never a queue."""

    agent: AgentId
    kind: TargetKind
    target: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class ConsultCompleted:
    """咨询转接: the one who was asked takes the caller; the agent leaves."""

    agent: AgentId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class HandOverAsked:
    """一键转接 to 110/119/120/122 or another destination, in one of the `way`s that `domain.md` 3.5 names.

    `way`: ``transfer`` (转接), ``three_way`` (三方通话), ``ticket`` (工单流转).
    """

    agent: AgentId
    destination: str
    way: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class MuteAsked:
    """静音: the caller shall not hear the agent (`on`), or hear him again."""

    agent: AgentId
    on: bool
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class DigitsAsked:
    """按键: press keys (0-9 * # A-D) towards the caller, or towards whom the agent is asking."""

    agent: AgentId
    digits: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class OutboundAsked:
    """外呼: the agent wants to call `number`: his phone rings first, then the citizen's.

    `purpose` (``follow_up`` 回访, ``call_back`` 回拨, …) is kept in the record; `queue` decides which number is shown.
    """

    agent: AgentId
    number: str
    purpose: str
    queue: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class CallerEntry:
    """One entry of the caller list (`acd.callers.Listed`); `kind` is the value of `acd.callers.ListedAs`."""

    number: str
    kind: str
    until: float
    queue: QueueId | None = None
    priority: int | None = None
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CallerListed:
    """Somebody puts a number into the caller list, or changes its entry; callers who wait stay as they stand."""

    entry: CallerEntry
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class CallerUnlisted:
    """Somebody takes a number out of the caller list."""

    number: str
    by: str
    request: RequestId
    at: float


# ---------------------------------------------------------------- call-backs


@dataclass(frozen=True, slots=True)
class CallbackStored:
    """The store has committed the request as it is after so many attempts, in state `state`; it may be acted on."""

    id: str
    attempts: int
    state: str
    at: float


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """A person of the hotline wants somebody called who was missed; `of_call` is the call that was."""

    number: str
    queue: QueueId
    of_call: CallId | None
    place_at: float
    language: str
    by: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class CallbackCancelled:
    """A person of the hotline wants that nobody is called for the request `id` any more."""

    id: str
    by: str
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class CallbacksRestored:
    """Open requests as the store knew them when the controller started; sent once, before `ExchangeConnected`."""

    requests: tuple[CallbackRequest, ...]
    at: float


# ---------------------------------------------------------------- the engine and the store


@dataclass(frozen=True, slots=True)
class TicketOpened:
    """The store has committed a ticket for the call; its number may now be promised."""

    call: CallId
    ticket: TicketNumber
    at: float


@dataclass(frozen=True, slots=True)
class TicketQueried:
    """What `QueryTicket` found.

    `outcome`: ``found``, ``none`` (no such ticket, or it is not proved to be his: never told apart), ``limit`` (he asks
    too often) or ``away`` (the store is). `status` is a word of `tickets.public`; `days` are left until it is due,
    where that is told.
    """

    call: CallId
    serial: int
    outcome: str
    status: str
    days: int | None
    at: float


class TimerKind(enum.Enum):
    """What a timer is for."""

    WRAP_UP = "wrap_up"
    RETRY_OFFER = "retry_offer"
    ANNOUNCE = "announce"
    RELAX = "relax"
    REASON_LIMIT = "reason_limit"
    OVERRIDE = "override"
    CALLBACK = "callback"  #: the next attempt of a request, or the limit of one that is being made
    NOTICE = "notice"  #: the end of a notice
    KEPT = "kept"  #: a caller is kept for his last agent no longer


@dataclass(frozen=True, slots=True)
class TimeIsUp:
    """A timer that the switchboard had asked for; `generation` tells a stale one from the live one."""

    kind: TimerKind
    key: str
    generation: int
    at: float


@dataclass(frozen=True, slots=True)
class CallsRestored:
    """Open calls as the store knew them when the controller started; sent once, before `ExchangeConnected`.

    Instants that Asterisk cannot know (when the caller arrived, which agents were offered) come from here. `over` are
    calls whose end is known, the latest ones: what the exchange has noted of them is known better already.
    """

    records: tuple[CallRecord, ...]
    at: float
    over: tuple[CallId, ...] = ()


@dataclass(frozen=True, slots=True)
class CallersRemembered:
    """What the store knows of callers when the controller starts; sent once, before `CallsRestored`.

    `entries` is the caller list; `left` are (number, queue, place_at, at, why) of those who left a line not long ago,
    `talked` are (number, agent, at) of those who talked; both oldest first.
    """

    entries: tuple[CallerEntry, ...]
    left: tuple[tuple[str, QueueId, float, float, str], ...]
    talked: tuple[tuple[str, AgentId, float], ...]
    at: float


Event = (
    CallArrived
    | ExchangeEnding
    | StepStarted
    | StepRefused
    | StepLost
    | KeysPressed
    | PromptPlayed
    | Recorded
    | Announced
    | HoldKeyPressed
    | CallerIdle
    | FellBack
    | CallScored
    | CallEnded
    | LegStarted
    | OfferFailed
    | PartyJoined
    | PartyLeft
    | TalkEnded
    | NetTalkEnded
    | JoinEnded
    | ConsultEnded
    | PhoneHeld
    | OutboundAnswered
    | OutboundFailed
    | AgentWaits
    | LegEnded
    | RecordingStopped
    | PhoneChanged
    | PhoneUsed
    | ExchangeConnected
    | ExchangeLost
    | AgentSignedIn
    | AgentSignedOut
    | AgentWentReady
    | AgentWentNotReady
    | CodeDialled
    | WrapUpExtended
    | ThirdPartyAsked
    | ThirdPartyDropped
    | HoldAsked
    | ResumeAsked
    | TransferAsked
    | ConsultAsked
    | ConsultCompleted
    | HandOverAsked
    | MuteAsked
    | DigitsAsked
    | OutboundAsked
    | TicketOpened
    | TimeIsUp
    | CallsRestored
    | OverridesRestored
    | SpyStarted
    | SpyStopped
    | SpyWaits
    | SupervisorRequest
    | CallbackStored
    | CallbackAsked
    | CallbackCancelled
    | CallbacksRestored
    | CallerListed
    | CallerUnlisted
    | CallersRemembered
    | DeskNoticesRestored
    | LessonsRestored
    | NoticeRegistered
    | IncidentOver
    | TicketQueried
    | NoticesRestored
)
