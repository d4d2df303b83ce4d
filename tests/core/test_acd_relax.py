"""Requirements that relax by steps: the rule itself, the configuration that says it, and a caller who waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.relax import RelaxStep, next_change, relaxed, requirement_at
from acd.skills import Requirement, fits
from controller.config import ConfigError, load
from pbx import commands as order
from pbx.call import CallState
from pbx.events import TimerKind
from pbx.ids import SkillId
from tests.builders import A1, A2, A3, DIRECT, ENGLISH, ONE, THREE, TWO, Hall, only, plan, wakes

pytestmark = pytest.mark.core

E, G = SkillId("english"), SkillId("general")
FIRST = Requirement(((E, 3), (G, 1)))
LOWER = relaxed(FIRST, levels=[(E, 2)])
ALONE = relaxed(LOWER, drop=[G])
WIDE = relaxed(ALONE, join=[Requirement(((G, 2),))])
STEPS = (RelaxStep(10.0, LOWER), RelaxStep(20.0, ALONE), RelaxStep(45.5, WIDE))


def test_the_steps_change_what_the_one_before_asks_for() -> None:
    assert [str(one) for one in (LOWER, ALONE, WIDE)] == [
        "english>=2, general>=1",
        "english>=2",
        "english>=2 or general>=2",
    ]
    asked = [requirement_at(FIRST, STEPS, waited) for waited in (0.0, 9.9, 10.0, 19.0, 20.0, 45.5, 900.0)]
    assert asked == [FIRST, FIRST, LOWER, LOWER, ALONE, WIDE, WIDE]
    assert fits({G: 2}, WIDE)
    assert not fits({G: 1, E: 1}, WIDE)


@given(st.floats(1.6e9, 2.0e9), st.floats(0.0, 60.0))
def test_at_the_instant_that_is_named_the_next_step_holds(queued_at: float, waited: float) -> None:
    now = queued_at + waited
    due = next_change(STEPS, queued_at, now)
    before = requirement_at(FIRST, STEPS, now - queued_at)
    if due is None:
        assert before == WIDE
        return
    assert due > now
    assert requirement_at(FIRST, STEPS, due - queued_at) != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"levels": [(E, 3)]}, "not lower"),
        ({"levels": [(SkillId("tax"), 1)]}, "not asked for"),
        ({"drop": [SkillId("tax")]}, "not asked for"),
        ({"drop": [E, G]}, "everybody would do"),
        ({}, "changes nothing"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        relaxed(FIRST, **change)  # type: ignore[arg-type]


def hall() -> Hall:
    """The English queue asks for level 5 at first; after 30 s general agents will do as well."""
    queues = dict(plan().queues)
    first = Requirement(((E, 5),))
    steps = (RelaxStep(30.0, relaxed(first, join=[Requirement(((G, 3),))])),)
    queues[ENGLISH] = replace(queues[ENGLISH], requirement=first, relax=steps)
    numbers = dict(plan().numbers)
    numbers[DIRECT] = replace(numbers[DIRECT], direct=ENGLISH)
    return Hall(queues=queues, numbers=numbers)


def queued(hall: Hall, call: order.CallId) -> list[order.Command]:
    hall.arrive(call, DIRECT)
    return hall.played(call)


def test_a_caller_is_offered_to_others_when_his_time_has_come_and_keeps_his_place() -> None:
    town = hall()
    town.ready(A2, A3)
    first = queued(town, ONE)
    (due,) = wakes(first, TimerKind.RELAX)
    assert due.at == town.now + 30.0
    town.later(5)
    queued(town, TWO)
    assert town.state() is CallState.WAITING
    offer = only(town.time_is_up(due), order.Offer)
    assert (offer.call, offer.agent) == (ONE, A2)
    assert "nobody for english itself" in town.saved().offers[-1].reason
    town.offer_failed(A2, ONE)
    assert [live.call for live in town.house.waiting()] == [ONE, TWO], "no place is lost"
    assert town.house.line.get(ONE).requirement.others  # type: ignore[union-attr]
    offer = only(town.ready(A1), order.Offer)
    assert (offer.call, offer.agent) == (ONE, A1)


def test_a_timer_that_comes_early_is_set_again() -> None:
    town = hall()
    (due,) = wakes(queued(town, ONE), TimerKind.RELAX)
    (again,) = wakes(town.time_is_up(replace(due, at=due.at - 0.5)), TimerKind.RELAX)
    assert again.at == due.at
    assert not wakes(town.time_is_up(again), TimerKind.RELAX), "there is no further step"
    town.hung_up(ONE)
    assert town.step(order_time(due)) == []


def order_time(due: order.Wake) -> object:
    from pbx.events import TimeIsUp

    return TimeIsUp(due.kind, due.key, due.generation, due.at)


def test_skills_change_live_and_nobody_loses_his_place() -> None:
    town = hall()
    town.ready(A3)
    queued(town, ONE)
    queued(town, THREE)
    profile = town.house.roster.profile(A3)
    town.house.roster.put_profile(replace(profile, skills={E: 5}))
    town.house.dirty = True
    offer = only(town.phone(A2, False), order.Offer)
    assert (offer.call, offer.agent) == (ONE, A3)


HOTLINE = """\
[[numbers]]
dialled = "12345"
direct = "english"
[[queues]]
id = "english"
name_zh = "英语"
name_en = "English"
skills = { english = 3 }
prefers = { general = 2 }
policy = "fewest-skills"
ageing_s = 90
relax = [
    { after_s = 10, skills = { english = 2 } },
    { after_s = 20.0, join = ["general"] },
]
[[queues]]
id = "general"
name_zh = "综合"
name_en = "General"
skills = { general = 1 }
[[agents]]
id = "1001"
name = "One"
skills = { english = 3, general = 1 }
"""


def test_the_configuration_says_it(tmp_path: Path) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(HOTLINE, "utf-8")
    english, general = load(file).plan.queues.values()
    assert (english.policy.name, english.ageing_s) == ("fewest-skills", 90.0)
    assert [(step.after_s, str(step.requirement)) for step in english.relax] == [
        (10.0, "english>=2, rather general>=2"),
        (20.0, "english>=2, rather general>=2 or general>=1"),
    ]
    assert (general.policy.name, general.ageing_s, general.relax) == ("best-level", 60.0, ())


MORE = """\
city = "nanjing"
return_within_s = 60
last_agent_within_s = 7200
last_agent_wait_s = 8
"""

LISTED = """\
[[callers]]
number = "0516*"
kind = "emergency_unit"
until = 2026-12-31
queue = "general"
"""


def test_cities_quotas_and_listed_callers(tmp_path: Path) -> None:
    text = HOTLINE.replace("ageing_s = 90\n", "ageing_s = 90\n" + MORE).replace('["general"]', '["general"], keep = 3')
    text = (
        text.replace("english = 3, general = 1 }", 'english = 3, general = 1 }\ncities = ["nanjing", "suzhou"]')
        + LISTED
    )
    file = tmp_path / "hotline.toml"
    file.write_text(text, "utf-8")
    found = load(file).plan
    english = found.queues[ENGLISH]
    assert str(english.requirement) == "english>=3, city:nanjing>=1, rather general>=2"
    assert str(english.relax[1].requirement) == (
        "english>=2, city:nanjing>=1, rather general>=2 or general>=1 (keeps 3)"
    )
    assert (english.return_within_s, english.last_agent_within_s, english.last_agent_wait_s) == (60.0, 7200.0, 8.0)
    assert found.agents[A1].skills == {"english": 3, "general": 1, "city:nanjing": 1, "city:suzhou": 1}
    (entry,) = found.callers
    assert (entry.number, entry.kind.value, entry.gives, entry.queue) == ("0516*", "emergency_unit", 9, "general")
    assert entry.until == 1798732800.0, "midnight in Shanghai after the last day"
    file.write_text(text.replace('cities = ["nanjing", "suzhou"]', 'cities = ["suzhou"]'), "utf-8")
    with pytest.raises(ConfigError, match=r"no agent fits \(english>=3, city:nanjing>=1"):
        load(file)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"0516*"', '"0516**"', "callers[1].number"),
        ('"emergency_unit"', '"friend"', "callers[1].kind"),
        ("2026-12-31", '"2026-12-31"', "callers[1].until"),
        ("2026-12-31", "9999-12-31", "callers[1].until"),
        ('queue = "general"\n', 'queue = "tax"\n', "'tax' is no queue; there are: english, general"),
        (
            '"emergency_unit"\nuntil = 2026-12-31\nqueue = "general"',
            '"nuisance"\nuntil = 2026-12-31',
            "nobody is blocked",
        ),
    ],
)
def test_a_wrong_entry_of_the_caller_list_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text((HOTLINE + LISTED).replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert said in problem.text
    assert problem.line >= HOTLINE.count("\n")


def test_steps_as_tables_have_lines_too(tmp_path: Path) -> None:
    head, _, rest = HOTLINE.partition("relax = [")
    text = head + "[[queues.relax]]\nafter_s = 9.0\ndrop = ['tax']\n" + rest.partition("\n]\n")[2]
    file = tmp_path / "hotline.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"hotline.toml:12: queues\[1\].relax\[1\] skill tax is not asked for"):
        load(file)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"fewest-skills"', '"best"', 10, "queues[1].policy 'best' is no policy; there are: best-level, longest-idle"),
        ("ageing_s = 90", "ageing_s = -1", 11, "queues[1].ageing_s"),
        ("english = 2", "english = 4", 13, "queues[1].relax[1] skill english: 4 is not lower than 3"),
        ("english = 2", "tax = 2", 13, "skill tax is not asked for"),
        ("after_s = 20.0", "after_s = 10.0", 14, "10 is not later than the step before it"),
        ('join = ["general"]', 'join = ["tax"]', 14, "'tax' is no other queue; there are: general"),
        ('join = ["general"]', 'drop = ["english"]', 14, "the last skill cannot be dropped"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    file = tmp_path / "hotline.toml"
    file.write_text(HOTLINE.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert said in problem.text
    assert problem.line == line
