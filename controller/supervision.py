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
    `follow_s`: so long a supervisor waits for the caller's next agent; 0 = he does not follow the caller.
    """

    conflict_s: float = 30.0
    ring_s: int = 20
    agent_sees: bool = True
    follow_s: int = 60


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
    started_at: float | None = None  #: None = his phone rings, or he waits for the caller's next agent
    heard_until: float | None = None  #: the leg that he heard ended then; he waits for another one
    ending: bool = False  #: he has been told that there is none

    @property
    def hears(self) -> bool:
        """Whether he hears the agent now."""
        return self.started_at is not None and self.heard_until is None

    @property
    def phone(self) -> str:
        """What his phone does: it rings, he hears the talk, or he waits for the caller's next agent."""
        return "talking" if self.hears else "ringing" if self.heard_until is None else "waiting"

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

    def waiting(self) -> list[Spying]:
        """Those who wait for another leg to hear."""
        return [one for one in self.spies.values() if one.heard_until is not None and not one.ending]

    def spy_of(self, by: ActorId) -> Spying | None:
        """What a supervisor listens to."""
        return next((one for one in self.spies.values() if one.by == by), None)
