"""What supervisors have changed and are doing: the state behind `supervise.py` and `listen.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.rights import Action
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId, SkillId, SpyId
from pbx.supervision import QueueOverride, SkillOverride, SpyMark, SpyMode


@dataclass(frozen=True, slots=True)
class SupervisionRules:
    """What a hotline decides about supervision; times in seconds.

    `conflict_s`: so long after one supervisor's order another's contrary one needs a confirmation. `ring_s`: how long
    the supervisor's phone is rung for listening. `agent_sees`: the first page shows at an agent that he is heard.
    """

    conflict_s: float = 30.0
    ring_s: int = 20
    agent_sees: bool = True


@dataclass(frozen=True, slots=True)
class Ordered:
    """The last thing that was ordered about one subject."""

    by: ActorId
    what: str
    at: float


@dataclass(frozen=True, slots=True)
class Forced:
    """An agent is where he is (or will be after his talk) because somebody else ordered it."""

    by: ActorId
    action: Action
    at: float


@dataclass(slots=True)
class Spying:
    """One supervisor who listens, or whose phone rings for it."""

    spy: SpyId
    by: ActorId
    agent: AgentId
    call: CallId
    leg: ChannelName
    asked_at: float
    mode: SpyMode = SpyMode.LISTEN  #: what was asked for last
    started_at: float | None = None  #: None = his phone rings

    def mark(self) -> str:
        """What the supervisor's channel shall carry."""
        return SpyMark(self.by, self.agent, self.mode, self.spy).encode()


@dataclass(slots=True)
class Supervision:
    """Everything that supervisors have changed for now."""

    ordered: dict[tuple[str, str], Ordered] = field(default_factory=dict)  #: by kind and id of the subject
    forced: dict[AgentId, Forced] = field(default_factory=dict)
    skills: dict[AgentId, dict[SkillId, SkillOverride]] = field(default_factory=dict)
    queues: dict[QueueId, QueueOverride] = field(default_factory=dict)
    spies: dict[SpyId, Spying] = field(default_factory=dict)

    def spy_of(self, by: ActorId) -> Spying | None:
        """What a supervisor listens to."""
        return next((one for one in self.spies.values() if one.by == by), None)
