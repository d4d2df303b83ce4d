"""Skills (技能): what an agent can do, at a level from 1 to 5, and what a caller needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pbx.ids import SkillId

Skills = Mapping[SkillId, int]
"""An agent's skills, each with its level; a skill that is not there is not had at all."""

LOWEST_LEVEL = 1
HIGHEST_LEVEL = 5

Needs = tuple[tuple[SkillId, int], ...]
"""Skills, each with the lowest level that will do."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """The skills a caller needs, each with the lowest level that will do; the first is the primary one.

    No needs at all = every agent fits. `prefers` are skills that he would like beside them: an agent who has them goes
    before one who has not, and nobody waits for them. `others` are requirements of which one will do as well, asked
    only when nobody fits the needs themselves (other queues' agents who have joined). `keep`, of one of the others: so
    many idle agents who fit it stay with the queue that lends them; only those beyond are offered. Raises ValueError
    for a level outside 1-5, for a skill that stands twice, for others that have others, and for a `keep` that is
    negative or stands where nothing is lent.
    """

    needs: Needs = ()
    prefers: Needs = ()
    others: tuple[Requirement, ...] = ()
    keep: int = 0
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        """Refuse what no agent could be measured by."""
        for skill, least in (*self.needs, *self.prefers):
            if not LOWEST_LEVEL <= least <= HIGHEST_LEVEL:
                raise ValueError(f"skill {skill}: level {least} is not from {LOWEST_LEVEL} to {HIGHEST_LEVEL}")
        if len({skill for skill, _ in self.needs}) < len(self.needs):
            raise ValueError("a skill stands twice in one requirement")
        if any(other.others for other in self.others):
            raise ValueError("a requirement that will do as well has no such requirements of its own")
        if self.keep < 0 or (self.keep and self.others):
            raise ValueError("keep is a number of agents from 0 on, of a requirement that lends them")
        object.__setattr__(self, "_hash", hash((self.needs, self.prefers, self.others, self.keep)))

    def __hash__(self) -> int:
        """Made once: every decision looks a requirement up."""
        return self._hash

    def __str__(self) -> str:
        """As people write it: ``english>=3, general>=1``."""
        text = ", ".join(f"{skill}>={least}" for skill, least in self.needs) or "any skill"
        if self.prefers:
            text += ", rather " + ", ".join(f"{skill}>={least}" for skill, least in self.prefers)
        if self.keep:
            text += f" (keeps {self.keep})"
        return " or ".join([text, *map(str, self.others)])


def meets(skills: Skills, needs: Needs) -> bool:
    """Whether every need is met, at its level or above."""
    return all(skills.get(skill, 0) >= least for skill, least in needs)


def fits(skills: Skills, requirement: Requirement) -> bool:
    """Whether an agent with `skills` may be offered a caller with `requirement`: every need, at its level or
    above, or all of one of the requirements that will do as well.
    """
    return met_by(skills, requirement) is not None


def met_by(skills: Skills, requirement: Requirement) -> Requirement | None:
    """The part of `requirement` that the agent fits: itself, else the first of the others; None when he does not."""
    if meets(skills, requirement.needs):
        return requirement
    return next((other for other in requirement.others if meets(skills, other.needs)), None)


def unlent(requirement: Requirement, idle: Callable[[Needs], int]) -> Requirement:
    """`requirement` without the others who may lend nobody now; `idle` counts the idle agents who meet given needs."""
    left = tuple(other for other in requirement.others if not other.keep or idle(other.needs) > other.keep)
    return requirement if len(left) == len(requirement.others) else replace(requirement, others=left)


def level(skills: Skills, requirement: Requirement) -> int:
    """The agent's level in the primary skill; 0 when he has it not, or when nothing is required."""
    return skills.get(requirement.needs[0][0], 0) if requirement.needs else 0


def parse_skills(data: Mapping[str, object]) -> Skills:
    """The skills that a table of the configuration describes. Raises ValueError naming every entry that is
    wrong.
    """
    wrong = [
        f"{skill} = {value!r}"
        for skill, value in data.items()
        if not skill
        or not isinstance(value, int)
        or isinstance(value, bool)
        or not LOWEST_LEVEL <= value <= HIGHEST_LEVEL
    ]
    if wrong:
        raise ValueError(f"a skill's level is from {LOWEST_LEVEL} to {HIGHEST_LEVEL}, not: {'; '.join(wrong)}")
    return {SkillId(skill): value for skill, value in data.items() if isinstance(value, int)}
