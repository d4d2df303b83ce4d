"""Entries of the knowledge base: the format, the table of moves cell by cell, rights, terms of the index, ranks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.completeness import Completeness, Served, Warning, completeness, warnings
from knowledge.entry import (
    Content,
    KnowledgeRefused,
    KnowledgeRules,
    checked,
    holds_on,
    lacking,
    problems,
    regions_of,
)
from knowledge.index import merged
from knowledge.moves import (
    KNOWLEDGE_MOVES,
    KNOWLEDGE_ROLES,
    SYSTEM,
    Editor,
    KnowledgeInput,
    KnowledgeState,
    Role,
    moved,
    require_right,
)
from knowledge.rank import IMPACT_ONE, RankRules, impacts, term_weight
from knowledge.tasks import (
    TASK_MOVES,
    TASK_ROLES,
    Task,
    TaskInput,
    TaskState,
    require_task_right,
    task_id,
    task_moved,
)
from knowledge.tasks_sql import same_as
from knowledge.words import LONGEST_QUERY, MOST_TERMS, Vocabulary, query_terms, standard_vocabulary, vocabulary_of
from pbx.terms import key_of, length, normalised, terms

pytestmark = pytest.mark.core

RULES = KnowledgeRules()
FULL = Content("身份证丢了怎么补办?", "带户口簿到派出所。", unit="police", source="公安局")

_S, _I = KnowledgeState, KnowledgeInput

LEGAL = {
    (_S.DRAFT, _I.WRITE): _S.DRAFT,
    (_S.DRAFT, _I.SUBMIT): _S.IN_REVIEW,
    (_S.DRAFT, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.IN_REVIEW, _I.TAKE_BACK): _S.DRAFT,
    (_S.IN_REVIEW, _I.PUBLISH): _S.PUBLISHED,
    (_S.IN_REVIEW, _I.REFUSE): _S.REFUSED,
    (_S.REFUSED, _I.WRITE): _S.DRAFT,
    (_S.REFUSED, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.PUBLISHED, _I.REVISE): _S.PUBLISHED,
    (_S.PUBLISHED, _I.REPLACE): _S.REPLACED,
    (_S.PUBLISHED, _I.EXPIRE): _S.EXPIRED,
    (_S.PUBLISHED, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.EXPIRED, _I.REVISE): _S.EXPIRED,
    (_S.WITHDRAWN, _I.REVISE): _S.WITHDRAWN,
}

TASK_LEGAL = {
    (TaskState.OPEN, TaskInput.ASK_AGAIN): TaskState.OPEN,
    (TaskState.OPEN, TaskInput.ASSIGN): TaskState.OPEN,
    (TaskState.OPEN, TaskInput.ANSWER): TaskState.ANSWERED,
    (TaskState.OPEN, TaskInput.DISMISS): TaskState.DISMISSED,
    (TaskState.ANSWERED, TaskInput.ASK_AGAIN): TaskState.ANSWERED,
    (TaskState.ANSWERED, TaskInput.PUBLISHED): TaskState.DONE,
    (TaskState.ANSWERED, TaskInput.LOST): TaskState.OPEN,
    (TaskState.DISMISSED, TaskInput.ASK_AGAIN): TaskState.OPEN,
}


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize("state", KnowledgeState)
@pytest.mark.parametrize("cause", KnowledgeInput)
def test_every_cell_of_an_entrys_table(state: KnowledgeState, cause: KnowledgeInput) -> None:
    expected = LEGAL.get((state, cause))
    assert KNOWLEDGE_MOVES[state, cause] is expected
    if expected is None:
        with pytest.raises(KnowledgeRefused) as refused:
            moved(state, cause)
        assert refused.value.code == "knowledge_not_now"
    else:
        assert moved(state, cause) is expected


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("cause", TaskInput)
def test_every_cell_of_a_tasks_table(state: TaskState, cause: TaskInput) -> None:
    expected = TASK_LEGAL.get((state, cause))
    assert TASK_MOVES[state, cause] is expected
    if expected is None:
        with pytest.raises(KnowledgeRefused) as refused:
            task_moved(state, cause)
        assert refused.value.code == "task_not_now"
    else:
        assert task_moved(state, cause) is expected


@pytest.mark.parametrize("cause", KnowledgeInput)
@pytest.mark.parametrize("role", Role)
def test_who_may_do_what_to_an_entry(cause: KnowledgeInput, role: Role) -> None:
    actor = Editor("x", role, "police")
    if role in KNOWLEDGE_ROLES[cause]:
        require_right(actor, cause, "police")
    else:
        with pytest.raises(KnowledgeRefused) as refused:
            require_right(actor, cause, "police")
        assert refused.value.code == "not_allowed"
    assert (Role.AGENT in KNOWLEDGE_ROLES[cause]) is False
    assert (role is Role.SYSTEM and role in KNOWLEDGE_ROLES[cause]) == (
        role is Role.SYSTEM and cause in (_I.REPLACE, _I.EXPIRE)
    )


@pytest.mark.parametrize("cause", TaskInput)
@pytest.mark.parametrize("role", Role)
def test_who_may_do_what_to_a_task(cause: TaskInput, role: Role) -> None:
    actor = Editor("x", role, "police")
    if role in TASK_ROLES[cause]:
        require_task_right(actor, cause, "police")
    else:
        with pytest.raises(KnowledgeRefused):
            require_task_right(actor, cause, "police")
    assert Role.UNIT not in TASK_ROLES[TaskInput.DISMISS], "a unit cannot make a question go away"


def test_a_unit_acts_on_its_own_only_and_nobody_reviews_himself() -> None:
    for unit in ("", "water"):
        with pytest.raises(KnowledgeRefused) as refused:
            require_right(Editor("u", Role.UNIT, unit), _I.WRITE, "police")
        assert refused.value.code == "not_your_unit"
        with pytest.raises(KnowledgeRefused):
            require_task_right(Editor("u", Role.UNIT, unit), TaskInput.ANSWER, "police")
    for cause in (_I.PUBLISH, _I.REFUSE):
        with pytest.raises(KnowledgeRefused) as refused:
            require_right(Editor("r", Role.REVIEWER), cause, "police", frozenset({"u", "r"}))
        assert refused.value.code == "own_entry"
        require_right(Editor("r", Role.REVIEWER), cause, "police", frozenset({"u"}))
    require_right(SYSTEM, _I.EXPIRE, "police")


# ---------------------------------------------------------------- the format


def test_a_good_entry_has_no_problem_and_is_cleaned() -> None:
    assert problems(FULL, RULES) == []
    assert lacking(FULL) == []
    assert checked(replace(FULL, answer=" 一\r\n二\r "), RULES).answer == "一\n二"
    assert lacking(Content("问")) == ["answer", "unit", "source"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"question": ""}, ("question", "missing")),
        ({"question": "问" * 201}, ("question", "too_long")),
        ({"answer": "答" * 10_001}, ("answer", "too_long")),
        ({"answer": "a\x00b"}, ("answer", "bad_characters")),
        ({"answer": "\ud800"}, ("answer", "bad_characters")),
        ({"question": "一\n二"}, ("question", "bad_characters")),
        ({"keywords": "词" * 201}, ("keywords", "too_long")),
        ({"unit": "公安局"}, ("unit", "bad_characters")),
        ({"region": "32 07"}, ("region", "bad_characters")),
        ({"language": "fr"}, ("language", "unknown_language")),
        ({"valid_from": date(2026, 2, 2), "valid_to": date(2026, 2, 1)}, ("valid_to", "until_before_since")),
    ],
)
def test_what_is_wrong_with_an_entry_is_named(change: dict[str, object], fault: tuple[str, str]) -> None:
    wrong = replace(FULL, **change)  # type: ignore[arg-type]
    assert problems(wrong, RULES) == [fault]
    with pytest.raises(KnowledgeRefused) as refused:
        checked(wrong, RULES)
    assert (refused.value.field, refused.value.code) == fault


def test_emoji_joiners_and_right_to_left_text_are_text() -> None:
    text = "家庭 👨‍👩‍👧 \u202bمرحبا\u202c"
    assert checked(replace(FULL, answer=text), RULES).answer == text


def test_validity_is_by_whole_days_ends_included() -> None:
    limited = replace(FULL, valid_from=date(2026, 1, 2), valid_to=date(2026, 1, 3))
    assert [holds_on(limited, date(2026, 1, day)) for day in (1, 2, 3, 4)] == [False, True, True, False]
    assert holds_on(FULL, date(1990, 1, 1))


def test_a_region_lies_in_its_city_and_province() -> None:
    assert regions_of("320706") == ("320706", "320700", "320000", "")
    assert regions_of("320700") == ("320700", "320000", "")
    assert regions_of("320000") == ("320000", "")
    assert regions_of("haizhou") == ("haizhou", "")
    assert regions_of("") == ("",)


# ---------------------------------------------------------------- words


def test_terms_are_pairs_of_characters_and_whole_words() -> None:
    assert terms(normalised("补办ETC卡,办ETC")) == {"补办": 1, "etc": 2, "卡": 1, "办": 1}
    assert terms("公积金") == {"公积": 1, "积金": 1}
    assert terms("公积", single=True) == {"公积": 1, "公": 1, "积": 1}
    assert length(normalised("公积金 ABC 1")) == 5


def test_what_looks_the_same_is_the_same() -> None:
    assert normalised("ＥＴＣ\u200b卡\u202e") == "etc卡"
    assert key_of("公积") != key_of("积公") != key_of("公")
    assert len({key_of(term) for term in ("a", "1", "公", "公积", "etc")}) == 5


@given(st.text(max_size=60))
def test_any_text_has_terms_that_fit_the_index(text: str) -> None:
    found = terms(normalised(text), single=True)
    assert all(0 <= key_of(term) < 1 << 63 and count > 0 for term, count in found.items())
    query = query_terms(text, standard_vocabulary())
    assert len(query) <= MOST_TERMS
    assert all(0 < weight <= 1 for _, weight in query)


def test_empty_words_are_left_out_unless_there_is_nothing_else() -> None:
    words = Vocabulary(empty=("请问", "怎么"))
    assert query_terms("请问公积金怎么取", words) == [
        (key_of("公积"), 1.0), (key_of("积金"), 1.0), (key_of("取"), 1.0)
    ]  # fmt: skip
    assert query_terms("怎么", words) == [(key_of("怎么"), 1.0)]
    assert query_terms(" ,!?", words) == []
    assert Vocabulary(empty=("in",)).without_empty("in insurance") == "  insurance"


def test_water_that_is_not_there_is_a_cut() -> None:
    words = standard_vocabulary()
    for said in ("没有水", "没水", "断水"):
        assert key_of("停水") in dict(query_terms(f"家里{said}怎么办", words)), said


def test_a_synonym_weighs_less_than_what_was_said_however_long_it_is() -> None:
    words = Vocabulary(groups=(("驾照", "机动车驾驶证"),), weight=0.5)
    weights = dict(query_terms("驾照", words))
    assert weights[key_of("驾照")] == 1.0
    others = {key: weight for key, weight in weights.items() if key != key_of("驾照")}
    assert len(others) == 5
    assert sum(others.values()) == pytest.approx(0.5)


def test_a_query_of_any_length_costs_no_more_than_the_longest() -> None:
    assert len(query_terms("".join(chr(0x4E00 + index) for index in range(5000)), Vocabulary())) <= MOST_TERMS
    assert query_terms("," * LONGEST_QUERY + "水", Vocabulary()) == []


@pytest.mark.parametrize(
    "table",
    [{"groups": [["一"]]}, {"groups": "x"}, {"empty": [1]}, {"weight": 2}, {"weight": True}, {"group": []}],
)
def test_a_wrong_vocabulary_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"groups|empty|weight|unknown"):
        vocabulary_of(table)


def test_the_standard_vocabulary_has_no_empty_word_that_stands_inside_a_subject() -> None:
    words = standard_vocabulary()
    for subject in ("就业", "还款", "到期", "要件", "重要", "从业", "和解", "在职", "给付"):
        assert words.without_empty(subject) == subject


# ---------------------------------------------------------------- ranks


def test_a_title_weighs_more_than_a_text_and_a_short_text_more_than_a_long_one() -> None:
    rules = RankRules()
    word = key_of("公积")
    title = impacts(Content("公积金", "别的"), rules)[word]
    text = impacts(Content("别的事情", "公积金"), rules)[word]
    long = impacts(Content("别的事情", "公积金" + "其他内容" * 200), rules)[word]
    twice = impacts(Content("别的事情", "公积金,公积金"), rules)[word]
    assert 0 < long < text < twice < title < IMPACT_ONE
    assert impacts(Content("水"), rules)[key_of("水")] > 0


@given(st.text(max_size=80), st.text(max_size=200))
def test_every_impact_fits_two_bytes(question: str, answer: str) -> None:
    found = impacts(Content(question, answer, keywords=question), RankRules())
    assert all(1 <= impact < IMPACT_ONE <= 1 << 16 for impact in found.values())


def test_a_rare_term_weighs_more_and_none_weighs_less_than_nothing() -> None:
    weights = [term_weight(1.0, having, 1000) for having in (1, 10, 100, 1000)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] >= 0
    assert term_weight(0.5, 10, 1000) == pytest.approx(term_weight(1.0, 10, 1000) / 2, abs=1)


def test_other_rules_have_another_stamp() -> None:
    assert RankRules().stamp == RankRules().stamp != RankRules(question=5.0).stamp


@given(st.lists(st.dictionaries(st.integers(0, 1023), st.integers(0, IMPACT_ONE), max_size=30), max_size=6))
def test_a_row_of_postings_holds_what_was_written_last(writes: list[dict[int, int]]) -> None:
    row = b""
    expected: dict[int, int] = {}
    for places in writes:
        row = merged(row, places)
        expected |= places
    pairs = [(row[at] | row[at + 1] << 8, row[at + 2] | row[at + 3] << 8) for at in range(0, len(row), 4)]
    assert pairs == sorted((place, impact) for place, impact in expected.items() if impact)


# ---------------------------------------------------------------- completeness and warnings


TODAY = date(2026, 11, 22)


def served(no: int = 1, looked_at: date = TODAY, **values: object) -> Served:
    return Served(no, replace(FULL, **values), looked_at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (served(), []),
        (served(valid_to=date(2026, 12, 22)), []),
        (served(valid_to=date(2026, 12, 21)), [Warning.ENDS_SOON]),
        (served(looked_at=date(2025, 11, 23)), []),
        (served(looked_at=date(2025, 11, 22)), [Warning.NOT_LOOKED_AT]),
    ],
)
def test_a_unit_is_warned_in_time(one: Served, told: list[Warning]) -> None:
    assert warnings(one, TODAY, RULES) == told


def test_completeness_is_told_in_numerators_and_denominators_for_every_unit() -> None:
    def question(no: int, state: TaskState, due_at: float) -> Task:
        return Task(no, "问", "police", "", state, "1001", 0.0, due_at, 0.0)

    tasks = [
        question(1, TaskState.OPEN, 99.0), question(2, TaskState.OPEN, 101.0), question(3, TaskState.DONE, 1.0),
        question(4, TaskState.DISMISSED, 1.0), question(5, TaskState.ANSWERED, 1.0),
    ]  # fmt: skip
    entries = [
        served(1, basis="法", materials="证", process="一步", keywords="词", valid_to=date(2026, 11, 21)),
        served(2, basis="法"),
    ]
    found = completeness(
        ["water", "police"], entries, {("police", _S.DRAFT): 2, ("police", _S.PUBLISHED): 2, ("fire", _S.REFUSED): 1},
        tasks, TODAY, 100.0, RULES,
    )  # fmt: skip
    assert [one.unit for one in found] == ["fire", "police", "water"]
    assert found[1] == Completeness("police", published=2, valid=1, in_work=2, warned=1, fields=6, fields_expected=10,
                                    asked=4, answered=2, late=1)  # fmt: skip
    assert (found[1].filled, found[1].coverage) == (0.6, 0.5)
    assert (found[2].filled, found[2].coverage, found[2].published) == (None, None, 0)


def test_two_questions_are_the_same_but_for_blanks_and_marks() -> None:
    assert same_as(" 公积金,怎么 取?") == same_as("公积金怎么取!") == "公积金怎么取"
    assert same_as("?!") == ""
    assert task_id(7) == "Q000007"
