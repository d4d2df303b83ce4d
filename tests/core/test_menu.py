from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.menu import (
    Action,
    Enqueue,
    Menu,
    Message,
    Position,
    Question,
    QuestionNode,
    Release,
    ReleaseNode,
    again,
    answer,
    enter,
    played,
    restore,
)
from ivr.menu_check import check_menu
from ivr.menu_file import MenuError, parse_menu
from ivr.prompts import load_manifest
from pbx.ids import QueueId

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
QUEUES = {"general", "english", "approvals"}
LANGUAGES = ("zh", "en")


def shipped(name: str) -> Menu:
    path = ROOT / "ivr" / "menus" / name
    return parse_menu(tomllib.loads(path.read_text(encoding="utf-8")), name)


def zh(*ids: str) -> tuple[str, ...]:
    return tuple(f"hotline/zh/{prompt}" for prompt in ids)


def en(*ids: str) -> tuple[str, ...]:
    return tuple(f"hotline/en/{prompt}" for prompt in ids)


def walk(menu: Menu, *keys: str, language: str = "zh") -> tuple[Position, Action]:
    """Answer the questions with `keys`, let every message play, until the keys are used up or the menu is done."""
    position, action = enter(menu, language=language)
    left = list(keys)
    while True:
        if isinstance(action, Message):
            position, action = played(menu, position)
        elif isinstance(action, Question) and left:
            position, action = answer(menu, position, left.pop(0))
        else:
            return position, action


# ---------------------------------------------------------------- the shipped menu


MAIN = shipped("main.toml")
FIRST = Question(zh("welcome", "recording-notice", "menu-main", "query-offer", "language-offer"), 1, 5.0)


def by_keys(action: Action) -> Action:
    """A question without what may be said to it (`test_spoken.py`)."""
    return replace(action, listening=None) if isinstance(action, Question) else action


def test_the_greeting_and_the_menu_are_one_question_so_a_key_cuts_the_greeting() -> None:
    position, action = enter(MAIN, language="zh")
    assert by_keys(action) == FIRST
    assert answer(MAIN, position, "2")[1] == Message(zh("desk-approvals"))


@pytest.mark.parametrize(
    ("keys", "said", "queue", "language", "path"),
    [
        (["1"], zh("desk-general"), "general", "zh", ("1",)),
        (["2"], zh("desk-approvals"), "approvals", "zh", ("2",)),
        (["9"], en("desk-english"), "english", "en", ("9",)),
        (["0"], zh("to-agent"), "general", "zh", ("0",)),
        ([""], zh("to-agent"), "general", "zh", ("silence",)),
        (["7", "8"], zh("to-agent"), "general", "zh", ("wrong", "wrong")),
        (["7", ""], zh("to-agent"), "general", "zh", ("wrong", "silence")),
        (["#", "1"], zh("desk-general"), "general", "zh", ("wrong", "1")),
        (["*", "1"], zh("desk-general"), "general", "zh", ("*", "1")),
        (["*", "*", "*"], zh("to-agent"), "general", "zh", ("*", "*", "*")),
        (["7", "*", "1"], zh("desk-general"), "general", "zh", ("wrong", "*", "1")),
    ],
)
def test_every_way_through_the_shipped_menu(
    keys: list[str], said: tuple[str, ...], queue: str, language: str, path: tuple[str, ...]
) -> None:
    position, action = enter(MAIN, language="zh")
    for key in keys:
        assert isinstance(action, Question)
        position, action = answer(MAIN, position, key)
    assert action == Message(said)
    position, action = played(MAIN, position)
    assert action == Enqueue(QueueId(queue))
    assert (position.language, position.path) == (language, path)


def test_a_wrong_key_is_named_and_the_question_asked_again_without_the_greeting() -> None:
    _, action = walk(MAIN, "7")
    assert by_keys(action) == Question(zh("invalid-key", "menu-main", "query-offer", "language-offer"), 1, 5.0)


def test_a_repetition_says_the_menu_without_the_greeting_and_without_an_old_notice() -> None:
    asked = Question(zh("menu-main", "query-offer", "language-offer"), 1, 5.0)
    assert by_keys(walk(MAIN, "*")[1]) == asked
    assert by_keys(walk(MAIN, "7", "*")[1]) == asked


def test_the_direct_menu_asks_nothing() -> None:
    menu = shipped("direct.toml")
    position, action = enter(menu, language="zh")
    assert action == Message(zh("recording-notice"))
    assert played(menu, position)[1] == Enqueue(QueueId("general"))


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "ivr" / "menus").glob("*.toml")))
def test_nothing_is_wrong_with_the_shipped_menus_and_every_prompt_has_a_text(name: str) -> None:
    texts = tomllib.loads((ROOT / "ivr" / "prompts" / "prompts.toml").read_text(encoding="utf-8"))
    manifest = load_manifest(texts)
    menu = shipped(name)
    prompts = {"zh": manifest.ids("zh"), "en": manifest.ids("en")}
    assert check_menu(menu, queues=QUEUES, prompts=prompts, languages=menu.languages or LANGUAGES) == []


# ---------------------------------------------------------------- restart and late events


def test_a_position_survives_in_the_mark_and_says_the_same_again() -> None:
    for keys in ([], ["7"], ["*"], ["7", "*"], ["1"], ["9"]):
        position, action = enter(MAIN, language="zh")
        for key in keys:
            position, action = answer(MAIN, position, key)
        text = position.encode()
        assert not set(text) & set('|,"\\')
        back, due = restore(MAIN, text, language=position.language)
        assert due == action == again(MAIN, position)
        assert (back.node, back.tries, back.repeats, back.steps, back.notice, back.said) == (
            position.node,
            position.tries,
            position.repeats,
            position.steps,
            position.notice,
            position.said,
        )


def test_a_caller_at_the_end_of_the_menu_is_restored_to_his_queue_without_hearing_the_words_again() -> None:
    position, action = walk(MAIN, "2")
    assert restore(MAIN, position.encode(), language="zh")[1] == action == Enqueue(QueueId("approvals"))


@pytest.mark.parametrize("text", ["", "main", "main:1:2", "main:x:0:0::0", "main:-1:0:0::0", "main:0:0:0:a&b:0"])
def test_an_empty_or_foreign_mark_enters_the_menu_anew(text: str) -> None:
    assert restore(MAIN, text, language="zh") == enter(MAIN, language="zh")


def test_a_node_that_the_menu_no_longer_has_leads_to_the_fallback() -> None:
    position, action = restore(MAIN, "gone:0:0:3::0", language="en")
    assert (position.node, position.language, action) == ("agent", "en", Message(en("to-agent")))
    gone = Position("gone")
    assert again(MAIN, gone) == answer(MAIN, gone, "1")[1] == played(MAIN, gone)[1] == Message(zh("to-agent"))


def test_late_events_change_nothing() -> None:
    asked, question = enter(MAIN, language="zh")
    assert played(MAIN, asked) == (asked, question)
    told, message = answer(MAIN, asked, "1")
    assert answer(MAIN, told, "2") == (told, message)


def test_an_unknown_language_is_spoken_to_in_mandarin() -> None:
    assert by_keys(enter(MAIN, language="tlh")[1]) == FIRST


@pytest.mark.parametrize("key", ["7", "*", "1"])
def test_after_the_limit_the_fallback_takes_the_caller_whatever_the_question_would_allow(key: str) -> None:
    patient = QuestionNode(("menu",), {"1": "main"}, "main", "main", "invalid-key", tries=10, repeats=10)
    menu = Menu("m", "main", "bye", {"main": patient, "bye": ReleaseNode(("goodbye",))}, limit=3)
    assert isinstance(walk(menu, key, key)[1], Question)
    assert walk(menu, key, key, key)[1] == Release(zh("goodbye"))


# ---------------------------------------------------------------- parse_menu names everything at once


BAD = """
id = "Main Menu"
start = "main"
fallback = "main"
limit = 0
colour = "red"

[nodes.main]
kind = "question"
say = []
wait_s = "long"
tries = true
on_wrong = "in,valid"
repeat_key = "**"
on_silence = "agent"
[nodes.main.keys]
1 = "agent"
x = "agent"
1# = 3
3 = 4

[nodes.told]
kind = "message"
say = ["one", 2]
language = "fr"
queue = "general"

[nodes.desk]
kind = "queue"
priority = 10

[nodes.odd]
kind = "riddle"

[nodes."Bad Name"]
kind = "queue"
"""


def test_everything_wrong_with_the_shape_is_named_at_once() -> None:
    data = tomllib.loads(BAD.replace("1# = 3", '"1#" = "agent"'))
    data["nodes"]["flat"] = 7
    with pytest.raises(MenuError) as caught:
        parse_menu(data, "bad.toml")
    assert {problem.path for problem in caught.value.problems} == {
        "id",
        "limit",
        "colour",
        "nodes.main.say",
        "nodes.main.wait_s",
        "nodes.main.tries",
        "nodes.main.on_wrong",
        "nodes.main.on_failure",
        "nodes.main.repeat_key",
        "nodes.main.keys.x",
        "nodes.main.keys.1#",
        "nodes.main.keys.3",
        "nodes.told.say[1]",
        "nodes.told.then",
        "nodes.told.language",
        "nodes.told.queue",
        "nodes.desk.queue",
        "nodes.desk.priority",
        "nodes.odd.kind",
        "nodes.Bad Name",
        "nodes.flat",
    }
    assert all(line.startswith("bad.toml: ") for line in str(caught.value).splitlines())


def test_a_missing_field_is_said_to_be_missing() -> None:
    with pytest.raises(MenuError) as caught:
        parse_menu({}, "empty.toml")
    assert {str(problem) for problem in caught.value.problems} == {
        "id: is missing",
        "start: is missing",
        "fallback: is missing",
        "nodes: is missing",
    }


@pytest.mark.parametrize("fallback", ["main", "nowhere"])
def test_the_fallback_must_be_an_end(fallback: str) -> None:
    data = tomllib.loads((ROOT / "ivr" / "menus" / "main.toml").read_text(encoding="utf-8"))
    with pytest.raises(MenuError, match="fallback: must name a queue or release node"):
        parse_menu(data | {"fallback": fallback}, "main.toml")
    with pytest.raises(ValueError, match="fallback"):
        Menu("m", "main", fallback, MAIN.nodes)


def test_what_is_not_said_has_the_documented_default() -> None:
    data: dict[str, object] = {
        "id": "m",
        "start": "q",
        "fallback": "a",
        "nodes": {
            "q": {"kind": "question", "say": ["menu"], "keys": {"12": "a"}, "on_failure": "a"},
            "a": {"kind": "release", "say": ["closed"]},
        },
    }
    menu = parse_menu(data, "m.toml")
    assert menu.limit == 12
    assert menu.nodes["q"] == QuestionNode(("menu",), {"12": "a"}, "a", "a", "invalid-key", (), 5.0, 2, "*", 2)
    assert enter(menu, language="zh")[1] == Question(zh("menu"), 2, 5.0)
    assert walk(menu, "12")[1] == Release(zh("closed"))
