from __future__ import annotations

import pytest

from acd.skills import Requirement, fits, level, parse_skills
from pbx.ids import SkillId

pytestmark = pytest.mark.core

GENERAL, ENGLISH = SkillId("general"), SkillId("english")
BOTH = Requirement(((ENGLISH, 3), (GENERAL, 1)))


@pytest.mark.parametrize(
    ("english", "general", "answer"),
    [(3, 1, True), (5, 5, True), (2, 5, False), (5, 0, False), (0, 0, False)],
)
def test_every_need_counts_at_its_level(english: int, general: int, answer: bool) -> None:
    skills = {skill: have for skill, have in ((ENGLISH, english), (GENERAL, general)) if have}
    assert fits(skills, BOTH) is answer


def test_who_needs_nothing_is_served_by_anybody() -> None:
    assert fits({}, Requirement())
    assert level({GENERAL: 4}, Requirement()) == 0
    assert str(Requirement()) == "any skill"


def test_the_level_is_that_of_the_primary_skill() -> None:
    assert level({ENGLISH: 4, GENERAL: 2}, BOTH) == 4
    assert level({GENERAL: 2}, BOTH) == 0
    assert str(BOTH) == "english>=3, general>=1"


@pytest.mark.parametrize("needs", [((GENERAL, 0),), ((GENERAL, 6),), ((GENERAL, 1), (GENERAL, 2))])
def test_a_requirement_that_makes_no_sense_is_refused(needs: tuple[tuple[SkillId, int], ...]) -> None:
    with pytest.raises(ValueError, match="general|twice"):
        Requirement(needs)


def test_skills_of_the_configuration_are_read_and_every_wrong_one_is_named() -> None:
    assert parse_skills({"general": 3, "english": 1}) == {"general": 3, "english": 1}
    with pytest.raises(ValueError, match="1 to 5") as caught:
        parse_skills({"general": 0, "english": 6, "approvals": "3", "minnan": True, "": 1, "cantonese": 2})
    named = str(caught.value)
    assert all(name in named for name in ("general = 0", "english = 6", "approvals = '3'", "minnan = True"))
    assert "cantonese" not in named
