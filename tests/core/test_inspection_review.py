"""Score cards, samples, agreement, and the moves of a score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rights import INSPECTION, Inspecting, inspects
from recordings.inspection.agreement import agreement
from recordings.inspection.card import GROUPS, NOT_APPLICABLE, CardError, card_of, counted, proposed
from recordings.inspection.findings import Inspection
from recordings.inspection.review import SCORE_MOVES, InspectionRefused, ScoreInput, ScoreState, moved
from recordings.inspection.sampling import Candidate, Plan, PlanKind, draw
from recordings.inspection.standard import STANDARD, table_of
from tickets.moves import Role

pytestmark = pytest.mark.core

CARD = card_of(table_of(STANDARD)["card"], 1)
BEST: Mapping[str, float | str] = {item.id: 1.0 for item in CARD.items}


def test_the_card_that_comes_with_the_program_has_the_four_sides_of_the_seed() -> None:
    assert {item.group for item in CARD.items} == set(GROUPS)
    assert counted(CARD, BEST).total == 100.0
    assert counted(CARD, BEST).groups == dict.fromkeys(GROUPS, 1.0)


def test_a_fatal_fault_is_nothing_at_all() -> None:
    found = counted(CARD, BEST | {"forbidden": 0.0})
    assert (found.total, found.fatal, found.passed) == (0.0, True, False)
    assert found.groups["result"] == 1.0, "what else was done is still told"


def test_what_does_not_apply_is_left_out_and_the_rest_weighs_all() -> None:
    found = counted(CARD, BEST | {"answer": NOT_APPLICABLE, "next": 0.5})
    assert found.total == pytest.approx(100 * (85 - 5) / 85, abs=0.01)
    assert found.passed


@pytest.mark.parametrize(
    "wrong",
    [{"courtesy": 0.3}, {"courtesy": True}, {"courtesy": "good"}, {"forbidden": "n/a"}, {"extra": 1.0}, {"pace": 1.2}],
)
def test_answers_that_an_item_may_not_have(wrong: dict[str, Any]) -> None:
    with pytest.raises(InspectionRefused, match="bad_answers"):
        counted(CARD, {**BEST, **wrong})


def test_every_item_needs_an_answer_and_something_must_apply() -> None:
    with pytest.raises(InspectionRefused):
        counted(CARD, {name: value for name, value in BEST.items() if name != "pace"})
    with pytest.raises(InspectionRefused):
        counted(CARD, {item.id: 1.0 if item.fatal else NOT_APPLICABLE for item in CARD.items})


@given(st.dictionaries(st.sampled_from([item.id for item in CARD.items]), st.floats(0, 1), max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_total_is_between_nothing_and_all(some: dict[str, float]) -> None:
    answers = dict(BEST)
    for item in CARD.items:
        if item.id in some:
            near = min(item.levels, key=lambda level: abs(level - some[item.id]))
            answers[item.id] = some[item.id] if item.automatic else near
    assert 0 <= counted(CARD, answers).total <= 100


def test_the_machine_proposes_what_it_judged_and_nothing_else() -> None:
    found = Inspection(
        "r", "judged", "no_transcript", counts={"dead-air": 2, "long-hold": 1},
        said={"greeting": "not_judged", "closing": "not_judged"},
    )  # fmt: skip
    assert proposed(CARD, found) == {"greeting": "n/a", "pace": 0.25}
    heard = replace(found, said={"greeting": "not_said", "closing": "said"}, counts={"dead-air": 9})
    assert proposed(CARD, heard) == {"greeting": 0.5, "pace": 0.0}
    assert proposed(CARD, Inspection("r", "empty", "no_transcript")) == {"greeting": "n/a", "pace": "n/a"}


def test_what_is_wrong_in_a_card_is_named_all_at_once() -> None:
    item = {"id": "a", "group": "attitude", "name_zh": "甲", "name_en": "a", "weight": 60}
    with pytest.raises(CardError) as wrong:
        card_of(
            {
                "id": "Big", "name_zh": "", "pass_mark": 200, "colour": 1,
                "items": [
                    item, item | {"weight": 0},
                    item | {"id": "b", "group": "odd", "fatal": True, "levels": [0, 0.5, 1]},
                    item | {"id": "c", "levels": [1, 0], "automatic": [{"rule": "x"}]}, {"weight": "all"},
                ],
            }
        )  # fmt: skip
    told = "\n".join(wrong.value.faults)
    for place in (
        "colour", "id:", "name_zh", "name_en", "pass_mark", "items: a stands twice", "items[2].weight",
        "items[3].group", "items[3].weight", "items[3].levels", "items[4].levels", "items[4].automatic",
        "items[5].weight", "add up to",
    ):  # fmt: skip
        assert place in told, place
    for nothing in ({}, {"items": []}, {"items": 5}, {"items": [5]}):
        with pytest.raises(CardError):
            card_of(nothing)


# ---------------------------------------------------------------- samples

CALLS = [Candidate(f"c-{n}", f"100{n % 5}") for n in range(200)]
PLAN = Plan("november", PlanKind.RANDOM, 0.0, 10.0, 20, "seed", ("li", "wu", "1003"))


def test_the_same_seed_draws_the_same_and_another_one_does_not() -> None:
    first = draw(PLAN, CALLS)
    assert draw(PLAN, list(reversed(CALLS))) == first
    assert {one.call for one in draw(replace(PLAN, seed="other"), CALLS)} != {one.call for one in first}


def test_nothing_is_drawn_twice() -> None:
    taken: set[str] = set()
    for turn in range(12):
        drawn = {one.call for one in draw(replace(PLAN, id=f"p{turn}", seed=str(turn)), CALLS, taken)}
        assert not drawn & taken
        taken |= drawn
    assert taken == {one.call for one in CALLS}, "and in the end every call has been"


def test_nobody_gets_his_own_call_and_all_get_their_share() -> None:
    drawn = draw(replace(PLAN, count=200), CALLS)
    assert len(drawn) == 200
    assert all(one.inspector != one.agent for one in drawn)
    assert min(Counter(one.inspector for one in drawn).values()) > 40
    alone = draw(replace(PLAN, inspectors=("1003",), count=200), CALLS)
    assert {one.agent for one in alone} == {"1000", "1001", "1002", "1004"}


def test_so_many_of_each_agent() -> None:
    drawn = draw(replace(PLAN, kind=PlanKind.AGENT, count=3), CALLS)
    assert Counter(one.agent for one in drawn) == dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), 3)


def test_double_scoring_gives_a_call_to_two_who_are_not_the_same() -> None:
    drawn = draw(replace(PLAN, double_share=0.5), CALLS)
    seats = Counter(one.seat for one in drawn)
    assert seats == {1: 20, 2: 10}
    by_call: dict[str, set[str]] = {}
    for one in drawn:
        assert one.inspector not in by_call.setdefault(one.call, set())
        by_call[one.call].add(one.inspector)


@given(st.sets(st.integers(0, 400), max_size=60), st.integers(1, 40), st.text(max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_draw_is_of_what_there_is(there: set[int], count: int, seed: str) -> None:
    calls = [Candidate(f"c-{n}", f"{n % 3}") for n in there]
    drawn = draw(replace(PLAN, count=count, seed=seed), calls)
    assert len(drawn) == min(count, len(calls))
    assert {one.call for one in drawn} <= {one.call for one in calls}


def test_a_random_sample_prefers_nobody() -> None:
    """Over many seeds each call is drawn about as often as any other: 20 of 200, 400 times."""
    times = Counter(one.call for seed in range(400) for one in draw(replace(PLAN, seed=str(seed)), CALLS))
    assert len(times) == 200
    assert min(times.values()) > 15
    assert max(times.values()) < 75  # the mean is 40, its deviation 6


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"count": 0}, "count"),
        ({"inspectors": ()}, "inspectors"),
        ({"inspectors": ("a", "a")}, "inspectors"),
        ({"until": 0.0}, "until"),
        ({"rule": "dead-air"}, "rule"),
        ({"kind": PlanKind.RULE}, "rule"),
        ({"double_share": 1.5}, "double_share"),
        ({"double_share": 0.5, "inspectors": ("a",)}, "double_share"),
    ],
)
def test_plans_that_cannot_be_drawn(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InspectionRefused) as refused:
        draw(replace(PLAN, **changes), CALLS)
    assert (refused.value.code, refused.value.field) == ("bad_plan", field)


# ---------------------------------------------------------------- agreement


def test_kappa_of_a_known_table() -> None:
    """20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: po 0.7, pe 0.5, kappa 0.4."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    found = agreement(pairs)
    assert (found.count, found.percent, found.kappa) == (50, 70.0, 0.4)


def test_kappa_is_not_defined_where_nobody_could_disagree() -> None:
    assert agreement([]) == agreement([])
    assert agreement([]).percent is None
    assert (agreement([(1, 1)] * 3).percent, agreement([(1, 1)] * 3).kappa) == (100.0, None)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_agreement_is_the_same_from_both_sides(pairs: list[tuple[int, int]]) -> None:
    found = agreement(pairs)
    assert found == agreement([(other, one) for one, other in pairs])
    assert found.kappa is None or -1.0001 <= found.kappa <= 1


# ---------------------------------------------------------------- the moves of a score

ALLOWED = {
    (ScoreState.SCORED, ScoreInput.APPEAL): ScoreState.APPEALED,
    (ScoreState.SCORED, ScoreInput.CLOSE): ScoreState.CLOSED,
    (ScoreState.APPEALED, ScoreInput.UPHOLD): ScoreState.UPHELD,
    (ScoreState.APPEALED, ScoreInput.CHANGE): ScoreState.CHANGED,
    (ScoreState.UPHELD, ScoreInput.CLOSE): ScoreState.CLOSED,
    (ScoreState.CHANGED, ScoreInput.CLOSE): ScoreState.CLOSED,
}


@pytest.mark.parametrize("state", ScoreState)
@pytest.mark.parametrize("cause", ScoreInput)
def test_every_cell(state: ScoreState, cause: ScoreInput) -> None:
    by = "1001" if cause is ScoreInput.APPEAL else "wu"
    given: Any = {"by": by, "agent": "1001", "scorer": "li", "late": False, "reason": "听录音"}
    assert SCORE_MOVES[state, cause] is ALLOWED.get((state, cause))
    if (state, cause) in ALLOWED:
        assert moved(state, cause, **given) is ALLOWED[state, cause]
    else:
        with pytest.raises(InspectionRefused, match="score_not_now"):
            moved(state, cause, **given)


@pytest.mark.parametrize(
    ("state", "cause", "changes", "code"),
    [
        (ScoreState.SCORED, ScoreInput.APPEAL, {"by": "1002"}, "not_allowed"),
        (ScoreState.SCORED, ScoreInput.APPEAL, {"late": True}, "appeal_too_late"),
        (ScoreState.SCORED, ScoreInput.APPEAL, {"reason": " "}, "reason_needed"),
        (ScoreState.APPEALED, ScoreInput.UPHOLD, {"by": "li"}, "own_score"),
        (ScoreState.APPEALED, ScoreInput.CHANGE, {"by": "li"}, "own_score"),
        (ScoreState.APPEALED, ScoreInput.CHANGE, {"by": "1001"}, "own_score"),
        (ScoreState.APPEALED, ScoreInput.UPHOLD, {"by": "wu", "reason": ""}, "reason_needed"),
    ],
)
def test_who_may_not(state: ScoreState, cause: ScoreInput, changes: dict[str, Any], code: str) -> None:
    given: Any = {"by": "1001", "agent": "1001", "scorer": "li", "late": False, "reason": "听录音"}
    with pytest.raises(InspectionRefused, match=code):
        moved(state, cause, **given | changes)


def test_the_table_of_rights_names_roles_that_there_are_and_everything_that_may_be_done() -> None:
    roles = {role.value for role in Role}
    assert set(INSPECTION) == set(Inspecting)
    assert all(named and named <= roles for named in INSPECTION.values())
    for role in ("unit", "dispatcher", "system", ""):
        assert not any(inspects(role, act) for act in Inspecting)
    assert {act for act in Inspecting if inspects("agent", act)} == {Inspecting.SEE_OWN, Inspecting.APPEAL}
    assert {act for act in Inspecting if inspects("leader", act)} == {Inspecting.SEE_ALL}
    assert not inspects("inspector", Inspecting.PLAN)
