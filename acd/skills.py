"""Skills (技能): what an agent can do, at a level from 1 to 5, and what a caller needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pbx.ids import SkillId

Skills = Mapping[SkillId, int]
"""An agent's skills, each with its level; a skill that is not there is not had at all."""

LOWEST_LEVEL = 1
HIGHEST_LEVEL = 5


@dataclass(frozen=True, slots=True)
class Requirement:
    """The skills a caller needs, each with the lowest level that will do; the first is the primary one.

    No needs at all = every agent fits. Raises ValueError for a level outside 1-5 and for a skill that stands
    twice.
    """

    needs: tuple[tuple[SkillId, int], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no agent could be measured by."""
        for skill, least in self.needs:
            if not LOWEST_LEVEL <= least <= HIGHEST_LEVEL:
                raise ValueError(f"skill {skill}: level {least} is not from {LOWEST_LEVEL} to {HIGHEST_LEVEL}")
        if len({skill for skill, _ in self.needs}) < len(self.needs):
            raise ValueError("a skill stands twice in one requirement")

    def __str__(self) -> str:
        """As people write it: ``english>=3, general>=1``."""
        return ", ".join(f"{skill}>={least}" for skill, least in self.needs) or "any skill"


def fits(skills: Skills, requirement: Requirement) -> bool:
    """Whether an agent with `skills` may be offered a caller with `requirement`: every need, at its level or
    above.
    """
    return all(skills.get(skill, 0) >= least for skill, least in requirement.needs)


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
