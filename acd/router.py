"""The router: which agent a caller is offered to. Longest idle (最长空闲) among the agents who fit.

Callers choose in the order of the line, so nobody is overtaken by somebody behind him whom he could have been
served instead of; an agent whom nobody ahead can use is free for those behind. Deterministic: the same line
and the same candidates give the same matches, whatever the order they come in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from acd.line import Line, Waiting
from acd.skills import Skills, fits, level
from pbx.ids import AgentId, CallId


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent who is ready and whose phone is reachable; `idle_since` is the epoch second since which he is
    idle.
    """

    agent: AgentId
    skills: Skills
    idle_since: float


@dataclass(frozen=True, slots=True)
class Match:
    """A caller and the agent he is to be offered to; `reason` says why this one, for the record and for
    people.
    """

    call: CallId
    agent: AgentId
    reason: str


def choose(caller: Waiting, candidates: Collection[Candidate], *, now: float) -> Match | None:
    """The agent for `caller`: the longest idle of those that fit and have not refused him; None when there is
    none.

    Among equals the lower agent id is taken. `now` (epoch seconds) only words the reason.
    """
    fitting = [one for one in candidates if one.agent not in caller.refused and fits(one.skills, caller.requirement)]
    if not fitting:
        return None
    best = min(fitting, key=lambda one: (one.idle_since, one.agent))
    return Match(caller.call, best.agent, _reason(caller, best, len(fitting), now))


def match(line: Line, candidates: Collection[Candidate], *, now: float) -> list[Match]:
    """Offers to be made now: each caller in the order of the line, each agent at most once."""
    free = {one.agent: one for one in candidates}
    matches: list[Match] = []
    for caller in line.ordered():
        if not free:
            break
        found = choose(caller, free.values(), now=now)
        if found is not None:
            del free[found.agent]
            matches.append(found)
    return matches


def _reason(caller: Waiting, best: Candidate, fitting: int, now: float) -> str:
    """Such as ``longest idle of 3 fitting agents (312 s); english 4, needed english>=3``."""
    idle = max(now - best.idle_since, 0.0)
    agents = "the only fitting agent" if fitting == 1 else f"longest idle of {fitting} fitting agents"
    needed = caller.requirement
    if not needed.needs:
        return f"{agents} ({idle:.0f} s)"
    return f"{agents} ({idle:.0f} s); {needed.needs[0][0]} {level(best.skills, needed)}, needed {needed}"
