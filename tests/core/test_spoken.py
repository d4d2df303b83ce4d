"""Choices of a menu that are said: what was meant, the confirm step, and that keys are always the stronger."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan import SpokenPlan
from controller.spoken import DEAF_S, listens
from ivr.menu import (
    Message,
    Question,
    again,
    answer,
    confirming,
    enter,
    played,
    restore,
    said,
)  # fmt: skip
from ivr.menu_check import check_menu
from ivr.menu_file import MenuError, parse_menu
from ivr.prompts import load_manifest
from ivr.spoken import NO, YES, Chosen, chosen, squeezed
from pbx.call import CallState
from pbx.commands import Ask, Command, Play
from pbx.ids import CallId
from pbx.spoken import ChoiceSpoken, ListeningChanged
from recordings.closed import MOST_FILLERS, UNKNOWN, ClosedList, fillers_of, fitted, grammar_of, unheard
from tests.builders import ONE, TWO, Hall, none, only, row

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ivr" / "menus" / "main.toml").read_text(encoding="utf-8")
MAIN = parse_menu(tomllib.loads(TEXT), "main.toml")
PHRASES = (("英语", "9"), ("English", "9"), ("人工 服务", "0"), ("不", "2"), ("不是", "3"))
PLAN = SpokenPlan(2, 0.6, None, 1.5, {"zh": ("对",), "en": ("yes",)}, {"zh": ("不对",), "en": ("no",)})


def zh(*ids: str) -> tuple[str, ...]:
    return tuple(f"hotline/zh/{prompt}" for prompt in ids)


# ---------------------------------------------------------------- what was meant


@pytest.mark.parametrize(
    ("heard", "found"),
    [
        ([("英语", 0.9)], Chosen("9", 0.9)),
        ([("english", 1.0)], Chosen("9", 1.0)),
        ([("人工", 0.9), ("服务", 0.7)], Chosen("0", 0.7)),
        ([(UNKNOWN, 1.0), ("英语", 0.8), ("嗯", 0.2)], Chosen("9", 0.8)),
        ([("英语", 0.4), ("英语", 0.8)], Chosen("9", 0.8)),
        ([("不是", 0.8)], Chosen("3", 0.8)),
        ([("不", 0.8), ("是", 0.7)], Chosen("3", 0.7)),
        ([("英语", None)], Chosen("9", 0.0)),
        ([("英语", 0.9), ("不", 0.9)], None),
        ([("人工", 0.9)], None),
        ([(UNKNOWN, 1.0)], None),
        ([], None),
    ],
)
def test_one_choice_is_meant_or_none(heard: list[tuple[str, float | None]], found: Chosen | None) -> None:
    assert chosen(heard, PHRASES) == found


WORDS = st.sampled_from(["英语", "人工", "服务", "不", "是", "不是", "嗯", UNKNOWN, "English"])
HEARD = st.lists(st.tuples(WORDS, st.one_of(st.none(), st.floats(0, 1))), max_size=8)


@given(HEARD)
def test_a_choice_is_never_made_of_words_that_were_not_heard(heard: list[tuple[str, float | None]]) -> None:
    found = chosen(heard, PHRASES)
    if found is None:
        return
    said_so = squeezed("".join(word for word, _ in heard))
    assert any(key == found.key and squeezed(phrase) in said_so for phrase, key in PHRASES)
    assert found.conf in {conf or 0.0 for _, conf in heard}
    assert chosen([("嗯", 0.1), *heard], PHRASES) == found, "a mumble before it changes nothing"


# ---------------------------------------------------------------- fitting a list to a vocabulary


VOCABULARY = {"政务", "服务", "政", "务", "英语", "english", "agent", "human"}


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("政务服务", "政务 服务"),
        ("政务 服务", "政务 服务"),
        ("English", "english"),
        ("Human agent", "human agent"),
        ("英语服务", "英语 服务"),
        ("一号答", None),
        ("英语x", None),
        ("", None),
    ],
)
def test_a_phrase_is_put_together_of_known_words(phrase: str, words: str | None) -> None:
    assert fitted(phrase, VOCABULARY.__contains__) == words


@given(
    st.sets(st.text("政务服英语", min_size=1, max_size=3), max_size=8), st.text("政务服英语", min_size=1, max_size=8)
)
def test_fitting_changes_no_letter_and_uses_known_words_alone(known: set[str], phrase: str) -> None:
    words = fitted(phrase, known.__contains__)
    if words is not None:
        assert words.replace(" ", "") == phrase
        assert set(words.split()) <= known
    elif known:
        assert not all(letter in known for letter in phrase)


def test_the_list_is_written_as_vosk_reads_it() -> None:
    closed = ClosedList(("英语服务", "一号答"), ("human",))
    assert ClosedList.decode(closed.encode()) == closed
    written = grammar_of(closed, VOCABULARY.__contains__)
    assert written is not None
    assert "\\u" not in written, "Vosk decodes no escapes: the list would be empty"
    assert json.loads(written) == ["英语 服务", "human"]
    assert json.loads(grammar_of(closed, (VOCABULARY | {UNKNOWN}).__contains__) or "")[-1] == UNKNOWN
    assert grammar_of(ClosedList(("一号答",)), VOCABULARY.__contains__) is None
    assert unheard(closed.phrases, VOCABULARY.__contains__) == ["一号答"]


# ---------------------------------------------------------------- the walk


def test_a_choice_that_was_said_is_confirmed_by_key_or_word() -> None:
    position, _ = enter(MAIN, language="zh")
    position, asked = said(MAIN, position, "9", sure=False)
    assert isinstance(asked, Question)
    assert asked.prompts == zh("spoken-heard", "spoken-english", "spoken-right")
    assert asked.listening is not None
    assert asked.listening.confirm
    assert asked.listening.prompts == zh("spoken-heard", "spoken-english", "spoken-right-or-say")
    restored, same = restore(MAIN, position.encode(), language="zh")
    assert same == asked, "a restarted controller asks the same"
    assert confirming(MAIN, restored)
    there, action = answer(MAIN, position, YES)
    assert isinstance(action, Message)
    assert (there.language, there.path) == ("en", ("said", "9"))


def test_what_is_sure_needs_no_confirmation_where_the_hotline_says_so() -> None:
    position, _ = enter(MAIN, language="zh")
    there, action = said(MAIN, position, "9", sure=True)
    assert isinstance(action, Message)
    assert there.path == ("said", "9")


def test_no_asks_anew_without_the_greeting_and_the_second_no_leads_to_an_agent() -> None:
    position, _ = enter(MAIN, language="zh")
    position, _ = said(MAIN, position, "9", sure=False)
    position, action = answer(MAIN, position, NO)
    assert isinstance(action, Question)
    assert action.prompts == zh("menu-main", "query-offer", "language-offer")
    position, _ = said(MAIN, position, "1", sure=False)
    position, action = answer(MAIN, position, "")
    assert action == Message(zh("to-agent"))
    assert position.path == ("refused", "refused")


def test_another_key_of_the_menu_answers_the_menu() -> None:
    position, _ = enter(MAIN, language="zh")
    position, _ = said(MAIN, position, "9", sure=False)
    there, action = answer(MAIN, position, "0")
    assert action == Message(zh("to-agent"))
    assert there.path == ("0",)


CHANGE = st.one_of(
    st.tuples(st.just("key"), st.sampled_from(["", "0", "1", "2", "3", "9", "*", "5", "#"])),
    st.tuples(st.just("said"), st.sampled_from(["0", "1", "2", "3", "9", "5"])),
    st.tuples(st.just("sure"), st.sampled_from(["0", "1", "2", "3", "9"])),
)


@given(st.lists(CHANGE, min_size=40, max_size=40))
def test_whatever_is_said_and_pressed_the_walk_ends(changes: list[tuple[str, str]]) -> None:
    """In a line, a query or a release, within the menu's limit; and each position can be restored."""
    position, action = enter(MAIN, language="zh")
    for count, (how, key) in enumerate(changes):
        if isinstance(action, Message):
            position, action = played(MAIN, position)
        if not isinstance(action, Question):
            break
        assert count <= 2 * MAIN.limit
        restored, same = restore(MAIN, position.encode(), language=position.language)
        assert same == action == again(MAIN, restored)
        if how == "key":
            position, action = answer(MAIN, position, key)
        else:
            before = position
            position, action = said(MAIN, position, key, sure=how == "sure")
            if position == before:  # nothing that can be said here
                position, action = answer(MAIN, position, "")
    assert not isinstance(action, Question)


# ---------------------------------------------------------------- what can be wrong in a menu


def problems(text: str) -> list[str]:
    try:
        menu = parse_menu(tomllib.loads(text), "main.toml")
    except MenuError as error:
        return [str(one) for one in error.problems]
    manifest = load_manifest(tomllib.loads((ROOT / "ivr/prompts/prompts.toml").read_text(encoding="utf-8")))
    prompts = {"zh": manifest.ids("zh"), "en": manifest.ids("en")}
    return [str(one) for one in check_menu(menu, queues={"general", "english", "approvals"}, prompts=prompts,
                                           languages=["zh"])]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", ""),
        ('"英语", ', '"英语", "人工", ', "said for the key 9 already"),
        ("9 = { words", "7 = { words", "nodes.main.spoken.7: the question has no key 7"),
        ('"英语", ', '"9", ', "must be a text of the form"),
        ('named = ["spoken-english"]', 'named = ["spoken-nothing"]', "'spoken-nothing' has no sound"),
        ('named = ["spoken-english"]', "named = []", "must be a non-empty list"),
        ("say_spoken", "say_aloud", "nodes.main.say_spoken: is missing"),
        ("tries = 2   ", "private = true\ntries = 2   ", "a private question is never listened to"),
        ('9 = { words = ["英语", "英文", "English"], named = ["spoken-english"] }', '9 = ["英语"]', "must be a table"),
    ],
)
def test_a_wrong_menu_is_told_what_is_wrong(old: str, new: str, problem: str) -> None:
    assert old in TEXT
    found = problems(TEXT.replace(old, new, 1) if old else TEXT)
    assert [one for one in found if problem in one] if problem else found == []


# ---------------------------------------------------------------- the switchboard


def hall(**changes: object) -> Hall:
    made = Hall(spoken=replace(PLAN, **changes))  # type: ignore[arg-type]
    made.step(ListeningChanged(("zh",), made.now))
    return made


def speaks(hall: Hall, key: str, conf: float = 0.9, call: CallId = ONE, step: int | None = None) -> list[Command]:
    at = hall.call(call).step if step is None else step
    return hall.step(ChoiceSpoken(call, at, key, conf, hall.now))


OFFERED = zh("welcome", "recording-notice", "menu-main", "query-offer", "language-offer", "spoken-offer")


def test_speech_is_offered_only_where_somebody_listens() -> None:
    made = hall()
    asked = only(made.arrive(), Ask)
    assert asked.prompts == OFFERED
    assert asked.wait_s == 6.5
    assert listens(made.call()) is not None
    made.step(ListeningChanged((), made.now))
    asked = only(made.arrive(TWO), Ask)
    assert asked.prompts == OFFERED[:-1]
    assert asked.wait_s == 5.0
    assert listens(made.call(TWO)) is None


def test_who_comes_when_there_is_no_more_room_is_asked_by_keys() -> None:
    made = hall(at_once=1)
    assert only(made.arrive(), Ask).prompts == OFFERED
    assert only(made.arrive(TWO), Ask).prompts == OFFERED[:-1]
    made.press("1")
    assert only(made.press("*", TWO), Ask).prompts[-1] == zh("spoken-offer")[0]


def test_said_and_confirmed_aloud() -> None:
    made = hall()
    made.arrive()
    made.started()
    made.later(6.0)
    asked = only(speaks(made, "9"), Ask)
    assert asked.prompts == zh("spoken-heard", "spoken-english", "spoken-right-or-say")
    question = listens(made.call())
    assert question is not None
    assert question.phrases == (("对", YES), ("不对", NO))
    made.started()
    made.later(3.0)
    assert only(speaks(made, YES), Play).language == "en"
    assert made.call().record.menu_path == ("said", "9")


def test_said_and_refused_by_key() -> None:
    made = hall()
    made.arrive()
    speaks(made, "9")
    made.started()
    made.later(2.0)
    assert only(made.press(NO), Ask).prompts[0] == zh("menu-main")[0]


@pytest.mark.parametrize(
    ("key", "conf", "late"),
    [("9", 0.59, 0), ("5", 1.0, 0), ("9", 1.0, 1), (YES + YES, 1.0, 0)],
)
def test_what_is_unsure_unknown_or_late_changes_nothing(key: str, conf: float, late: int) -> None:
    made = hall()
    made.arrive()
    before = made.call().position
    assert speaks(made, key, conf, step=made.call().step - late) == []
    assert made.call().position == before
    assert only(made.press("1"), Play).prompts == zh("desk-general")
    assert speaks(made, "9") == [], "he has pressed a key meanwhile"


def test_sure_words_are_taken_as_said_where_the_hotline_wants_it() -> None:
    made = hall(sure_conf=0.95)
    made.arrive()
    assert only(speaks(made, "9", 0.94), Ask).prompts[0] == zh("spoken-heard")[0]
    made = hall(sure_conf=0.95)
    made.arrive()
    assert only(speaks(made, "9", 0.95), Play).prompts == ("hotline/en/desk-english",)


def test_a_key_that_was_pressed_for_the_menu_beats_what_was_heard() -> None:
    """Reported late, after the confirm step was ordered; or into it, before he can have heard that he is asked."""
    for late in (True, False):
        made = hall()
        made.arrive()
        first = made.call().step
        speaks(made, "9")
        if not late:
            made.started()
            made.later(DEAF_S - 0.1)
        assert only(made.press("1", step=first if late else None), Play).prompts == zh("desk-general")
        assert made.call().record.menu_path == ("1",)


def test_later_the_same_key_confirms() -> None:
    made = hall()
    made.arrive()
    speaks(made, "9")
    made.started()
    made.later(DEAF_S + 0.1)
    assert only(made.press("1"), Play).prompts == ("hotline/en/desk-english",)


def test_who_speaks_before_the_notice_hears_it_before_he_joins_the_line() -> None:
    made = hall(sure_conf=0.0)
    lengths = {f"hotline/zh/{name}": 2.0 for name in ("welcome", "recording-notice", "menu-main")}
    made.house.plan = replace(made.house.plan, lengths=lengths)
    made.arrive()
    made.started()
    made.later(1.0)
    speaks(made, "1")
    assert only(made.played(), Play).prompts == zh("recording-notice")


def test_a_restarted_controller_takes_the_answer_to_the_confirm_step() -> None:
    made = hall()
    made.arrive()
    speaks(made, "9")
    live = made.call()
    mark = live.mark()
    other = Hall(spoken=PLAN)
    found = row(ONE, "p-ask", step=live.step, mark=mark)
    other.connected(found)
    assert other.state() is CallState.ASKING
    assert only(other.press("1"), Play).prompts == ("hotline/en/desk-english",)


def test_a_private_question_is_never_listened_to() -> None:
    text = TEXT.replace("tries = 2   ", "private = true\ntries = 2   ", 1)
    menu = parse_menu(tomllib.loads(text), "main.toml")
    made = hall()
    made.house.plan = replace(made.house.plan, menus={"main": menu})
    assert only(made.arrive(), Ask).prompts == OFFERED[:-1]
    assert listens(made.call()) is None
    assert none(speaks(made, "9"), Ask)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["0", "1", "2", "9", "7"]), st.floats(0, 1)),
    st.tuples(st.just("press"), st.sampled_from(["0", "1", "2", "9", "*", ""]), st.floats(0, 3)),
    st.tuples(st.just("ears"), st.sampled_from(["zh", ""]), st.just(0.0)),
), max_size=30))  # fmt: skip
def test_speech_never_takes_the_keys_away(changes: list[tuple[str, str, float]]) -> None:
    """A key of the menu that is pressed at the menu's question always leads where it does without any speech."""
    made = hall()
    made.arrive()
    for how, what, number in changes:
        live = made.call()
        if live.state is not CallState.ASKING or live.position is None or live.menu is None or live.query is not None:
            break
        made.started()
        if how == "say":
            speaks(made, what, number)
        elif how == "ears":
            made.step(ListeningChanged((what,) if what else (), made.now))
        else:
            made.later(number)
            asked = confirming(live.menu, live.position)
            want, _ = answer(live.menu, live.position, what)
            made.press(what)
            now = made.call().position
            assert asked or now is None or now.node == want.node


# ---------------------------------------------------------------- a vocabulary's own words as fillers


def test_fillers_stand_in_for_a_missing_word_for_everything_else() -> None:
    many = fillers_of([f"{chr(0x4E00 + number)}" for number in range(1000)] + ["[unk]", "<eps>", "政务服务中心"])
    assert len(many) == MOST_FILLERS
    assert len({ord(word) // 100 for word in many}) >= 10, "from all of it"
    closed = ClosedList(("英语",), fillers=20)
    words = json.loads(grammar_of(closed, VOCABULARY.__contains__, ("英语", *many)) or "")
    assert words == ["英语", *many[:20]]
    assert json.loads(grammar_of(closed, (VOCABULARY | {UNKNOWN}).__contains__, many) or "") == ["英语", UNKNOWN]
