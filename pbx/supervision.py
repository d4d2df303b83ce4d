"""The words of supervision (班长席): what a supervisor orders, what he hears, and what is written down about it.

They are part of the unions in `pbx/events.py` and `pbx/commands.py`. `by` is always the actor whose token the request
bore; whether he may is decided by `agents/rights.py`, in the switchboard. `confirm` = he knows that somebody else has
just ordered otherwise and wants it all the same.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.campaign import CampaignPaused
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId, RequestId, SkillId, SpyId
from pbx.notice import NoticeEnded, NoticeGiven


class SpyMode(enum.Enum):
    """Who hears the supervisor (`asterisk.md` section 5); he hears both in every mode."""

    LISTEN = "listen"  #: 监听: nobody
    WHISPER = "whisper"  #: 密语: the agent alone
    BARGE = "barge"  #: 强插: the agent and the citizen


# ---------------------------------------------------------------- what a supervisor orders


@dataclass(frozen=True, slots=True)
class ReadyForced:
    """强制示闲: the agent shall take calls."""

    agent: AgentId
    by: ActorId
    request: RequestId
    at: float
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class NotReadyForced:
    """强制示忙: the agent shall take no calls, with a reason."""

    agent: AgentId
    reason: str
    by: ActorId
    request: RequestId
    at: float
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class SignOutForced:
    """强制签出: the agent's shift shall end."""

    agent: AgentId
    by: ActorId
    request: RequestId
    at: float
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """强拆: the call shall end, wherever the caller is."""

    call: CallId
    by: ActorId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class MoveAsked:
    """A waiting caller shall stand in another queue, have another priority (0-9), stand at the head of his line, or be
    given to `agent` at once. Whatever is not given stays as it is; he keeps the instant since which he waits.
    """

    call: CallId
    by: ActorId
    request: RequestId
    at: float
    queue: QueueId | None = None
    priority: int | None = None
    head: bool = False
    agent: AgentId | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class SkillsChanged:
    """An agent's skills shall be otherwise until `until` (epoch seconds; None = until somebody changes them again).

    Each skill with its level (1-5), None = he has it not. `back` = all of them as the configuration has them.
    """

    agent: AgentId
    skills: tuple[tuple[SkillId, int | None], ...]
    until: float | None
    by: ActorId
    request: RequestId
    at: float
    back: bool = False
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class QueueChanged:
    """A queue shall ask for other skills (the first is the primary one), or put its callers before others (`priority`,
    0-9), until `until`. What is None stays; `back` = as the configuration has it.
    """

    queue: QueueId
    needs: tuple[tuple[SkillId, int], ...] | None
    priority: int | None
    until: float | None
    by: ActorId
    request: RequestId
    at: float
    back: bool = False
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class SpyAsked:
    """监听/密语/强插: the supervisor wants to hear an agent's talk, or another mode of the one that he hears already.

    One of `agent` and `call` names the talk.
    """

    mode: SpyMode
    agent: AgentId | None
    call: CallId | None
    by: ActorId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class SpyEndAsked:
    """The supervisor wants to hear no more."""

    by: ActorId
    request: RequestId
    at: float


@dataclass(frozen=True, slots=True)
class RecordingPauseAsked:
    """暂停录音, 恢复录音: what is said now shall not stand in the call's recording (`on`), or shall again.

    `agent`: who asks is this agent, who has the call; None = a supervisor.
    """

    call: CallId
    on: bool
    agent: AgentId | None
    by: ActorId
    request: RequestId
    at: float


# ---------------------------------------------------------------- what the exchange says of listening


@dataclass(frozen=True, slots=True)
class SpyStarted:
    """The supervisor's phone was answered and he hears `spied`."""

    spy: SpyId
    channel: ChannelName
    spied: ChannelName
    at: float


@dataclass(frozen=True, slots=True)
class SpyWaits:
    """The leg that the supervisor heard is gone, or he has just hung up; else he waits for another leg to hear."""

    spy: SpyId
    at: float


@dataclass(frozen=True, slots=True)
class SpyStopped:
    """The supervisor's channel is gone, or his phone was not answered."""

    spy: SpyId
    at: float


@dataclass(frozen=True, slots=True)
class SpyHeard:
    """From when to when a supervisor has heard `leg`, as the dialplan noted it on his channel; epoch seconds.

    `until` is None while he hears it, or when his channel's end was the end of it.
    """

    leg: ChannelName
    since: float
    until: float | None


@dataclass(frozen=True, slots=True)
class SpyGone:
    """A supervisor's channel that ended while no controller saw it, as the dialplan put it down.

    `mark` as `SpyMark`; `heard` is None when he has heard nothing of the agent whom it names.
    """

    spy: SpyId
    call: CallId
    leg: ChannelName
    mark: str
    ended_at: float
    heard: SpyHeard | None


# ---------------------------------------------------------------- what holds for a time


@dataclass(frozen=True, slots=True)
class SkillOverride:
    """One skill of an agent that is not as configured: its level, or None = he has it not; until `until`."""

    agent: AgentId
    skill: SkillId
    level: int | None
    until: float | None
    by: ActorId
    at: float


@dataclass(frozen=True, slots=True)
class QueueOverride:
    """What a queue asks for instead of what is configured, and the priority of its callers; None = as configured."""

    queue: QueueId
    needs: tuple[tuple[SkillId, int], ...] | None
    priority: int | None
    until: float | None
    by: ActorId
    at: float


@dataclass(frozen=True, slots=True)
class OverridesRestored:
    """What was changed for a time, as the store knew it when the controller started; before `ExchangeConnected`."""

    skills: tuple[SkillOverride, ...]
    queues: tuple[QueueOverride, ...]
    at: float


# ---------------------------------------------------------------- commands


@dataclass(frozen=True, slots=True)
class Spy:
    """Ring the supervisor's `phone` for at most `ring_s` seconds and let it hear the agent's `leg`, in listen mode.

    When the leg is gone he hears music for at most `wait_s` seconds, and `SpyWaits` follows: `SpyOn` lets him hear
    another leg, `EndSpy` or the end of that time tells him `over` and hangs up. `mark` is written to his channel
    (`SpyMark.encode`).
    """

    spy: SpyId
    call: CallId
    phone: AgentId
    leg: ChannelName
    ring_s: int
    mark: str
    wait_s: int = 60
    over: str = ""


@dataclass(frozen=True, slots=True)
class SpyOn:
    """Let a supervisor who waits hear `leg`, in listen mode; `SpyStarted` follows."""

    spy: SpyId
    leg: ChannelName
    mark: str


@dataclass(frozen=True, slots=True)
class EndSpy:
    """Tell a supervisor who waits that there is nothing more to hear, and hang up his phone."""

    spy: SpyId
    over: str


@dataclass(frozen=True, slots=True)
class SwitchSpy:
    """Let other people hear the supervisor than now, without a new call."""

    spy: SpyId
    mode: SpyMode
    mark: str


@dataclass(frozen=True, slots=True)
class StopSpy:
    """Hang up the supervisor's leg."""

    spy: SpyId


@dataclass(frozen=True, slots=True)
class SaveOverrides:
    """Keep what is changed for a time for `agent` or `queue` (one of them) over a restart; none = forget it."""

    agent: AgentId | None
    queue: QueueId | None
    skills: tuple[SkillOverride, ...] = ()
    change: QueueOverride | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit trail, in words that somebody outside the technology understands. No caller's number.

    `id` is made once; the same entry twice is stored once. `outcome` is ``ok`` or the code of the refusal.
    """

    id: str
    at: float
    actor: ActorId
    role: str
    action: str
    agent: str
    call: str
    queue: str
    zh: str
    en: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Write a line into the audit trail."""

    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class SpyMark:
    """What the supervisor's channel carries, so that a restarted controller knows who listens to whom, and how."""

    by: ActorId
    agent: AgentId
    mode: SpyMode
    spy: SpyId

    def encode(self) -> str:
        """The mark as one channel variable."""
        return f"{self.by}|{self.agent}|{self.mode.value}|{self.spy}"

    @staticmethod
    def decode(text: str) -> SpyMark | None:
        """The mark that `encode` wrote; None for a foreign value."""
        parts = text.split("|")
        try:
            by, agent, mode, spy = parts
            return SpyMark(ActorId(by), AgentId(agent), SpyMode(mode), SpyId(spy))
        except ValueError:
            return None


SupervisorRequest = (
    ReadyForced
    | NotReadyForced
    | SignOutForced
    | ReleaseAsked
    | MoveAsked
    | SkillsChanged
    | QueueChanged
    | SpyAsked
    | SpyEndAsked
    | NoticeGiven
    | NoticeEnded
    | CampaignPaused
    | RecordingPauseAsked
)
