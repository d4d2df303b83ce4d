"""What people ask for: agents, and those who keep the caller list and the call-backs. Each request is answered.

Part of `pbx.events`, from which these words are imported; supervisors' orders stand in `pbx.supervision`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pbx.ids import AgentId, CallId, ChannelName, QueueId, RequestId

# ---------------------------------------------------------------- agents


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
class TicketWords:
    """What an agent says of his caller's concern while he hands it over as a ticket; empty = as the ticket has it.

    `type` and `class_code` as tickets know them (`tickets.ticket`). Caller data.
    """

    type: str = ""
    class_code: str = ""
    title: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    lat: float | None = field(default=None, repr=False)
    lon: float | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HandOverAsked:
    """一键转接 to 110/119/120/122 or another destination, in one of the `way`s that `domain.md` 3.5 names.

    `way`: ``transfer`` (转接), ``three_way`` (三方通话), ``ticket`` (工单流转, with its `words`).
    """

    agent: AgentId
    destination: str
    way: str
    request: RequestId
    at: float
    words: TicketWords = TicketWords()


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
