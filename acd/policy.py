"""Policies: which of the agents who fit goes first, and how a caller's waiting counts beside his priority.

An agent policy is one small function that gives every fitting agent a rank from his skills and the caller's
requirement; the highest rank goes first, within a rank the longest idle (最长空闲), then the lower id. A hotline adds
its own by one more line in `POLICIES`. What is idle and for how long is not the function's business, so that the cores
can keep agents of one rank together and need not look at each.

Callers go by `score`: priority plus one point for every `ageing_s` seconds of waiting. So a caller of a lower priority
is overtaken at most by those who come within ``(difference of priorities) * ageing_s`` seconds after him, and nobody
starves (`domain.md` 2.13, 2.1 on weights: asterisk#1561).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acd.skills import Requirement, Skills, level, meets

Rank = tuple[int, ...]
"""The higher goes first."""

DEFAULT_AGEING_S = 60.0
"""A minute of waiting counts like one step of priority: priority 9 overtakes those of the last nine minutes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A named rule for agents. `rank` is only asked for agents who fit. `says` words it for people."""

    name: str
    rank: Callable[[Skills, Requirement], Rank]
    says: str

    def tier(self, skills: Skills, requirement: Requirement) -> Rank | None:
        """The rank of an agent for a caller; None when he does not fit.

        Before the policy's own rank: who fits the needs themselves goes before those of the requirements that will
        do as well, and among them who has more of what the caller would like.
        """
        if meets(skills, requirement.needs):
            liked = sum(skills.get(skill, 0) >= least for skill, least in requirement.prefers)
            return (0, liked, *self.rank(skills, requirement))
        for place, other in enumerate(requirement.others, start=1):
            if meets(skills, other.needs):
                liked = sum(skills.get(skill, 0) >= least for skill, least in requirement.prefers)
                return (-place, liked, *self.rank(skills, other))
        return None


def _by_level(skills: Skills, requirement: Requirement) -> Rank:
    return (level(skills, requirement),)


def _all_alike(skills: Skills, requirement: Requirement) -> Rank:
    return ()


def _fewest_skills(skills: Skills, requirement: Requirement) -> Rank:
    return (-len(skills),)


BEST_LEVEL = Policy("best-level", _by_level, "best level in the primary skill")
LONGEST_IDLE = Policy("longest-idle", _all_alike, "longest idle")
FEWEST_SKILLS = Policy("fewest-skills", _fewest_skills, "fewest other skills")

POLICIES: dict[str, Policy] = {policy.name: policy for policy in (BEST_LEVEL, LONGEST_IDLE, FEWEST_SKILLS)}
"""By name, as `policy` of ``[[queues]]`` says it. `fewest-skills` keeps those who can do much free for what only they
can do.
"""

DEFAULT_POLICY = BEST_LEVEL


def lead(priority: int, queued_at: float, ageing_s: float) -> float:
    """The caller's place among those who age alike, the lowest first; it does not change while he waits.

    With ageing: the instant at which somebody without priority would have had to join to stand beside him. Without
    (`ageing_s` 0): his priority alone.
    """
    return queued_at - priority * ageing_s if ageing_s > 0 else -float(priority)


def score(place: float, ageing_s: float, now: float) -> float:
    """Priority plus points for waiting at epoch second `now`, from the caller's `lead`; the highest goes first."""
    return (now - place) / ageing_s if ageing_s > 0 else -place
