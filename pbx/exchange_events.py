"""What the exchange says: of the caller's channel, of offers, legs and talk, of phones, and of itself as a whole.

Part of `pbx.events`, from which these words are imported.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.ids import AgentId, CallId, ChannelName
from pbx.supervision import SpyGone, SpyHeard

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
    paused: str = ""  #: of a caller whose recording is paused: `RecordingPause.encode`


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
