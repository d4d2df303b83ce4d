"""The roster: which agents exist, what they can do, and where each of them is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agents.agent import Agent
from agents.moves import AgentState
from pbx.ids import AgentId, SkillId


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """An agent as configured: extension, name, and skills with their levels (1-5)."""

    id: AgentId
    name: str
    skills: Mapping[SkillId, int] = field(default_factory=dict)


class Roster:
    """All agents of the hotline with their states."""

    def __init__(self, profiles: Iterable[AgentProfile]) -> None:
        """Everybody signed out. Raises ValueError for an id that stands twice."""
        self._profiles: dict[AgentId, AgentProfile] = {}
        for profile in profiles:
            if profile.id in self._profiles:
                raise ValueError(f"agent {profile.id} stands twice in the roster")
            self._profiles[profile.id] = profile
        self._agents = {agent: Agent(agent) for agent in self._profiles}
        self._available: set[AgentId] = set()
        self._changed: dict[AgentId, None] = {}
        self._moved: dict[AgentId, None] = {}

    def __len__(self) -> int:
        return len(self._profiles)

    def __contains__(self, agent: AgentId) -> bool:
        return agent in self._profiles

    def profile(self, agent: AgentId) -> AgentProfile:
        """The agent as configured. Raises KeyError for one who is not on the roster."""
        return self._profiles[agent]

    def get(self, agent: AgentId) -> Agent:
        """The agent as he is now. Raises KeyError for one who is not on the roster."""
        return self._agents[agent]

    def put(self, agent: Agent) -> None:
        """The agent is now so. Raises KeyError for one who is not on the roster."""
        before = self._agents[agent.id]
        if (before.available, before.idle_since) != (agent.available, agent.idle_since):
            self._changed[agent.id] = None
        if (before.state, before.since, before.reason, before.call) != (
            agent.state, agent.since, agent.reason, agent.call,
        ):  # fmt: skip
            self._moved[agent.id] = None
        self._agents[agent.id] = agent
        if agent.available:
            self._available.add(agent.id)
        else:
            self._available.discard(agent.id)

    def put_profile(self, profile: AgentProfile) -> None:
        """An agent's skills or name are now so; what he is doing goes on. Raises KeyError for one who is not here."""
        if profile.id not in self._agents:
            raise KeyError(profile.id)
        self._profiles[profile.id] = profile
        self._changed[profile.id] = None

    def changes(self) -> list[tuple[AgentProfile, Agent]]:
        """Whose readiness, idle time or skills have changed since this was asked last, in the order of the changes."""
        changed, self._changed = self._changed, {}
        return [(self._profiles[agent], self._agents[agent]) for agent in changed]

    def moved(self) -> list[Agent]:
        """Whose state, its reason or its call have changed since this was asked last, in the order of the changes."""
        moved, self._moved = self._moved, {}
        return [self._agents[agent] for agent in moved]

    def agents(self) -> Iterator[Agent]:
        """Everybody as he is now, in the order of the configuration."""
        return iter(tuple(self._agents.values()))

    def ready_candidates(self) -> list[tuple[AgentProfile, Agent]]:
        """Who may be offered a call now: ready, phone reachable; the longest idle first, then by id."""
        ready = sorted((self._agents[agent] for agent in self._available), key=lambda one: (one.idle_since, one.id))
        return [(self._profiles[agent.id], agent) for agent in ready]

    def counts(self) -> dict[AgentState, int]:
        """How many agents are in each state; every state is there, also with 0."""
        counts = dict.fromkeys(AgentState, 0)
        for agent in self._agents.values():
            counts[agent.state] += 1
        return counts
