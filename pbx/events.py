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
from pbx.campaign import CampaignRestored, FollowUpsWanted
from pbx.exchange_events import (
    AgentWaits,
    Announced,
    Answer,
    CallArrived,
    CallEnded,
    CallerIdle,
    CallGone,
    CallScored,
    ConsultEnded,
    ExchangeConnected,
    ExchangeEnding,
    ExchangeLost,
    FellBack,
    HoldKeyPressed,
    JoinEnded,
    KeysPressed,
    KeyStatus,
    LegEnded,
    LegStarted,
    LiveChannel,
    MessageEnd,
    NetTalkEnded,
    OfferFailed,
    OutboundAnswered,
    OutboundFailed,
    PartyJoined,
    PartyLeft,
    PhoneChanged,
    PhoneHeld,
    PhoneUse,
    PhoneUsed,
    PromptPlayed,
    Recorded,
    RecordingStopped,
    Role,
    StepLost,
    StepRefused,
    StepStarted,
    TalkEnded,
    TalkSeen,
)
from pbx.ids import AgentId, CallId, QueueId, RequestId, TicketNumber
from pbx.live_words import LiveWordsMarked
from pbx.memory import DeskNoticesRestored, LessonsRestored
from pbx.notice import IncidentOver, NoticeRegistered, NoticesRestored
from pbx.people_events import (
    AgentSignedIn,
    AgentSignedOut,
    AgentWentNotReady,
    AgentWentReady,
    CallbackAsked,
    CallbackCancelled,
    CallerEntry,
    CallerListed,
    CallerUnlisted,
    CodeDialled,
    ConsultAsked,
    ConsultCompleted,
    DigitsAsked,
    HandOverAsked,
    HoldAsked,
    MuteAsked,
    OutboundAsked,
    PhoneCode,
    PinVerdict,
    ResumeAsked,
    TargetKind,
    ThirdPartyAsked,
    ThirdPartyDropped,
    TicketWords,
    TransferAsked,
    WrapUpExtended,
)
from pbx.spoken import ChoiceSpoken, ListeningChanged
from pbx.supervision import OverridesRestored, SpyStarted, SpyStopped, SpyWaits, SupervisorRequest

__all__ = [
    "AgentSignedIn",
    "AgentSignedOut",
    "AgentWaits",
    "AgentWentNotReady",
    "AgentWentReady",
    "Announced",
    "Answer",
    "CallArrived",
    "CallEnded",
    "CallGone",
    "CallScored",
    "CallbackAsked",
    "CallbackCancelled",
    "CallbackStored",
    "CallbacksRestored",
    "CallerEntry",
    "CallerIdle",
    "CallerListed",
    "CallerUnlisted",
    "CallersRemembered",
    "CallsRestored",
    "CampaignRestored",
    "CodeDialled",
    "ConsultAsked",
    "ConsultCompleted",
    "ConsultEnded",
    "DeskNoticesRestored",
    "DigitsAsked",
    "Event",
    "ExchangeConnected",
    "ExchangeEnding",
    "ExchangeLost",
    "FellBack",
    "FollowUpsWanted",
    "HandOverAsked",
    "HoldAsked",
    "HoldKeyPressed",
    "IncidentOver",
    "JoinEnded",
    "KeyStatus",
    "KeysPressed",
    "LegEnded",
    "LegStarted",
    "LessonsRestored",
    "LiveChannel",
    "MessageEnd",
    "MuteAsked",
    "NetTalkEnded",
    "NoticeRegistered",
    "NoticesRestored",
    "OfferFailed",
    "OutboundAnswered",
    "OutboundAsked",
    "OutboundFailed",
    "OverridesRestored",
    "PartyJoined",
    "PartyLeft",
    "PhoneChanged",
    "PhoneCode",
    "PhoneHeld",
    "PhoneUse",
    "PhoneUsed",
    "PinVerdict",
    "PromptPlayed",
    "Recorded",
    "RecordingStopped",
    "ResumeAsked",
    "Role",
    "SpyStarted",
    "SpyStopped",
    "SpyWaits",
    "StepLost",
    "StepRefused",
    "StepStarted",
    "SupervisorRequest",
    "TalkEnded",
    "TalkSeen",
    "TargetKind",
    "ThirdPartyAsked",
    "ThirdPartyDropped",
    "TicketHandedOver",
    "TicketOpened",
    "TicketQueried",
    "TicketWords",
    "TimeIsUp",
    "TimerKind",
    "TransferAsked",
    "WrapUpExtended",
]

# ---------------------------------------------------------------- the engine and the store


@dataclass(frozen=True, slots=True)
class CallbackStored:
    """The store has committed the request as it is after so many attempts, in state `state`; it may be acted on."""

    id: str
    attempts: int
    state: str
    at: float


@dataclass(frozen=True, slots=True)
class CallbacksRestored:
    """Open requests as the store knew them when the controller started; sent once, before `ExchangeConnected`."""

    requests: tuple[CallbackRequest, ...]
    at: float


@dataclass(frozen=True, slots=True)
class TicketOpened:
    """The store has committed a ticket for the call; its number may now be promised."""

    call: CallId
    ticket: TicketNumber
    at: float


@dataclass(frozen=True, slots=True)
class TicketHandedOver:
    """What became of a `HandOverTicket`: the `ticket` is with the unit, or `code` says why it is not. After the commit.

    `code` is one of a ticket's own rules (`tickets.texts.TicketRefused`), or ``store_unavailable``.
    """

    call: CallId
    destination: str
    agent: AgentId
    ticket: TicketNumber | None
    code: str
    request: RequestId
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
    RECORDING_PAUSE = "recording_pause"  #: a recording is paused for as long as may be


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
    | TicketHandedOver
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
    | FollowUpsWanted
    | CampaignRestored
    | LiveWordsMarked
    | ListeningChanged
    | ChoiceSpoken
)
