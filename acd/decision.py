"""A decision of the distribution, with its reason: why this agent, why this caller, by what rule."""

from __future__ import annotations

from typing import NamedTuple

from acd.line import Waiting
from acd.policy import score
from acd.skills import Skills, level, met_by
from pbx.ids import AgentId, CallId


class Match(NamedTuple):
    """A caller and the agent he is to be offered to, with everything that decided it.

    Times are epoch seconds. The words are made only when somebody asks for them.
    """

    caller: Waiting
    agent: AgentId
    skills: Skills
    idle_since: float
    now: float

    @property
    def call(self) -> CallId:
        """The caller's call."""
        return self.caller.call

    @property
    def rule(self) -> str:
        """The name of the policy by which the agent was chosen."""
        return self.caller.policy.name

    @property
    def waited_s(self) -> float:
        """For how long the caller has waited, without the time in which he talked."""
        return max(self.now - self.caller.queued_at - self.caller.talked_s, 0.0)

    @property
    def score(self) -> float:
        """The caller's priority plus his points for waiting."""
        caller = self.caller
        return score(caller.place[0], caller.ageing_s, self.now)

    @property
    def why_agent(self) -> str:
        """Such as ``best level in the primary skill: english 4, needed english>=3; then longest idle (312 s)``."""
        caller, idle = self.caller, max(self.now - self.idle_since, 0.0)
        wanted = caller.requirement
        part = met_by(self.skills, wanted) or wanted
        has = f"{part.needs[0][0]} {level(self.skills, part)}, needed {part}" if part.needs else "any skill will do"
        if part is not wanted:
            has += f" (nobody for {wanted.needs[0][0] if wanted.needs else 'the queue'} itself)"
        if caller.only is not None:
            return f"his last agent, for whom he was kept: {has}"
        refused = f"; not asked again: {', '.join(sorted(caller.refused))}" if caller.refused else ""
        then = "" if caller.policy.says == "longest idle" else "; then longest idle"
        return f"{caller.policy.says}: {has}{then} ({idle:.0f} s){refused}"

    @property
    def why_caller(self) -> str:
        """Such as ``first of those the agent can serve: waited 35 s, priority 2, score 2.6``."""
        caller = self.caller
        ages = f", score {self.score:.1f}" if caller.ageing_s > 0 else ""
        rules = f"; by rule: {', '.join(caller.favours)}" if caller.favours else ""
        return (
            f"first of those the agent can serve: waited {self.waited_s:.0f} s, priority {caller.priority}{ages}{rules}"
        )

    @property
    def reason(self) -> str:
        """Both, for the record and for people."""
        return f"{self.why_agent} | {self.why_caller}"
