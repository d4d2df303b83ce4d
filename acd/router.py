"""The router, spelled out: which agent a caller is offered to, by looking at everybody. It is the oracle of the cores.

Callers choose in the order of the line, so nobody is overtaken by somebody behind him whom he could have been
served instead of; an agent whom nobody ahead can use is free for those behind. Deterministic: the same line
and the same candidates give the same matches, whatever the order they come in. `acd.pool` makes exactly these
decisions without looking at everybody; this one is for tests and for questions ("what if").
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from acd.decision import Match
from acd.line import Line, Waiting
from acd.policy import Rank
from acd.skills import Skills, meets, unlent
from pbx.ids import AgentId

__all__ = ["Candidate", "Match", "choose", "match"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent who is ready and whose phone is reachable; `idle_since` is the epoch second since which he is
    idle.
    """

    agent: AgentId
    skills: Skills
    idle_since: float


def choose(caller: Waiting, candidates: Collection[Candidate], *, now: float) -> Match | None:
    """The agent for `caller`: by his policy the highest rank, then the longest idle, then the lower id, of those that
    fit, have not refused him, and whom nobody keeps for himself; None when there is none.
    """
    wanted = unlent(caller.requirement, lambda needs: sum(meets(one.skills, needs) for one in candidates))
    best: Candidate | None = None
    best_rank: Rank = ()
    for one in candidates:
        rank = caller.policy.tier(one.skills, wanted)
        if rank is None or one.agent in caller.refused or caller.only not in (None, one.agent):
            continue
        if (
            best is None
            or rank > best_rank
            or (rank == best_rank and (one.idle_since, one.agent) < (best.idle_since, best.agent))
        ):
            best, best_rank = one, rank
    return None if best is None else Match(caller, best.agent, best.skills, best.idle_since, now)


def match(line: Line, candidates: Collection[Candidate], *, now: float) -> list[Match]:
    """Offers to be made now: each caller in the order of the line, each agent at most once."""
    free = {one.agent: one for one in candidates}
    matches: list[Match] = []
    for caller in line.ordered(now):
        if not free:
            break
        found = choose(caller, free.values(), now=now)
        if found is not None:
            del free[found.agent]
            matches.append(found)
    return matches
