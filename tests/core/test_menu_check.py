"""What `check_menu` finds, and that no menu holds a caller: random menus, random answers."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.fields import Problem
from ivr.menu import (
    Enqueue,
    Menu,
    Message,
    MessageNode,
    Node,
    Position,
    Question,
    QuestionNode,
    QueueNode,
    Release,
    ReleaseNode,
    again,
    answer,
    enter,
    played,
)
from ivr.menu_check import check_menu, edges
from pbx.ids import QueueId

pytestmark = pytest.mark.core

QUEUES = {"general", "english", "approvals"}
LANGUAGES = ("zh", "en")


def question(
    keys: dict[str, str], failure: str = "agent", silence: str = "agent", *, repeat_key: str = "*"
) -> QuestionNode:
    return QuestionNode(("menu",), keys, failure, silence, "invalid-key", repeat_key=repeat_key)


def menu_of(start: str = "main", /, **nodes: Node) -> Menu:
    return Menu("m", start, "agent", {"agent": QueueNode(QueueId("general")), **nodes})


def check(menu: Menu, **overrides: object) -> list[Problem]:
    known: dict[str, object] = {
        "queues": QUEUES,
        "prompts": {language: {"menu", "invalid-key", "told"} for language in LANGUAGES},
        "languages": ["zh"],
    }
    return check_menu(menu, **(known | overrides))  # type: ignore[arg-type]


def test_unknown_targets_and_queues_are_found() -> None:
    menu = menu_of(main=question({"1": "lost", "2": "desk"}, "gone", "away"), desk=QueueNode(QueueId("fishing")))
    assert {(problem.path, problem.text.split(" (")[0]) for problem in check(menu)} == {
        ("nodes.main.keys.1", "there is no node 'lost'"),
        ("nodes.main.on_failure", "there is no node 'gone'"),
        ("nodes.main.on_silence", "there is no node 'away'"),
        ("nodes.desk.queue", "there is no queue 'fishing'"),
    }
    assert {problem.path for problem in check(menu_of("nowhere"))} == {"start"}


def test_unreachable_nodes_are_found_also_in_islands() -> None:
    island: dict[str, Node] = {"here": MessageNode(("told",), "there"), "there": question({"1": "here"})}
    problems = check(menu_of(main=question({"1": "agent"}), **island))
    assert {(problem.path, problem.text) for problem in problems} == {
        ("nodes.here", "no caller gets here"),
        ("nodes.there", "no caller gets here"),
    }


def test_loops_without_an_exit_are_found_and_loops_with_one_are_not() -> None:
    circle: dict[str, Node] = {"main": MessageNode(("told",), "back"), "back": MessageNode(("told",), "main")}
    assert {problem.path for problem in check(menu_of(**circle))} == {"nodes.main", "nodes.back"}
    trap = question({"1": "main"}, "main", "main")
    assert {problem.path for problem in check(menu_of(main=trap))} == {"nodes.main"}
    assert "loop" in check(menu_of(main=trap))[0].text
    assert check(menu_of(main=question({"1": "main"}))) == []


@pytest.mark.parametrize(
    ("keys", "repeat_key", "path"),
    [
        ({"*": "agent"}, "*", "nodes.main.keys.*"),
        ({"1": "agent", "12": "agent"}, "*", "nodes.main.keys.12"),
        ({"*1": "agent"}, "*", "nodes.main.keys.*1"),
    ],
)
def test_doubled_keys_are_found(keys: dict[str, str], repeat_key: str, path: str) -> None:
    menu = menu_of(main=question(keys, repeat_key=repeat_key))
    assert [problem.path for problem in check(menu)] == [path]


def test_a_key_written_twice_is_refused_by_toml_itself() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads('[nodes.main.keys]\n1 = "a"\n1 = "b"\n')


def test_without_a_repeat_key_its_key_is_free() -> None:
    assert check(menu_of(main=question({"*": "agent"}, repeat_key=""))) == []


def test_a_prompt_must_have_a_sound_in_every_language_in_which_it_may_be_heard() -> None:
    desk = QueueNode(QueueId("english"), ("told",), language="en")
    menu = menu_of(main=question({"9": "desk"}), desk=desk)
    prompts = {"zh": {"menu", "invalid-key"}, "en": set[str]()}
    assert [problem.path for problem in check(menu, prompts=prompts)] == ["nodes.desk.say"]
    prompts = {"zh": {"menu"}, "en": {"told"}}
    assert [problem.path for problem in check(menu, prompts=prompts)] == ["nodes.main.on_wrong"]
    prompts["zh"].add("invalid-key")
    assert check(menu, prompts=prompts) == []
    assert {problem.path for problem in check(menu, prompts=prompts, languages=LANGUAGES)} == {
        "nodes.main.say",
        "nodes.main.on_wrong",
    }


def test_the_fallback_speaks_every_language_a_caller_may_have_changed_to() -> None:
    menu = Menu(
        "m",
        "main",
        "bye",
        {
            "main": question({"9": "tell"}, "bye", "bye"),
            "tell": MessageNode(("told",), "desk", language="en"),
            "desk": QueueNode(QueueId("english")),
            "bye": ReleaseNode(("menu",)),
        },
    )
    prompts = {"zh": {"menu", "invalid-key"}, "en": {"told"}}
    assert [(problem.path, "'en'" in problem.text) for problem in check(menu, prompts=prompts)] == [
        ("nodes.bye.say", True)
    ]


def test_a_menu_for_one_language_is_not_given_to_numbers_that_start_in_another() -> None:
    menu = replace(menu_of(main=question({"1": "agent"})), languages=("zh",))
    assert check(menu) == []
    assert [problem.path for problem in check(menu, languages=LANGUAGES)] == ["languages"]


# ---------------------------------------------------------------- random menus: every walk ends


NAMES = ["n0", "n1", "n2", "n3", "n4", "n5"]
targets = st.sampled_from([*NAMES, "end", "end"])
langs = st.sampled_from([None, "zh", "en"])

questions = st.builds(
    QuestionNode,
    say=st.just(("menu",)),
    keys=st.dictionaries(st.sampled_from("0123456789"), targets, min_size=1, max_size=4),
    on_failure=targets,
    on_silence=targets,
    on_wrong=st.just("invalid-key"),
    tries=st.integers(1, 3),
    repeats=st.integers(0, 3),
    language=langs,
)
messages = st.builds(MessageNode, say=st.just(("told",)), then=targets, language=langs)
queue_nodes = st.builds(
    QueueNode,
    queue=st.sampled_from(sorted(QUEUES)).map(QueueId),
    say=st.sampled_from([(), ("told",)]),
    priority=st.integers(0, 9),
    language=langs,
)
releases = st.builds(ReleaseNode, say=st.just(("told",)), language=langs)
ends = st.one_of(queue_nodes, releases)
bodies = st.dictionaries(st.sampled_from(NAMES), st.one_of(questions, messages, ends), max_size=6)


@st.composite
def menus(draw: st.DrawFn) -> Menu:
    """Any menu at all: targets that do not exist, circles and islands included."""
    nodes: dict[str, Node] = {**draw(bodies), "end": draw(ends)}
    start = draw(st.sampled_from([*nodes, "n0"]))
    return Menu("random", start, "end", nodes, limit=draw(st.integers(1, 15)))


@st.composite
def known_menus(draw: st.DrawFn) -> Menu:
    """Any menu whose targets exist: those that do not are led to the end."""
    menu = draw(menus())
    nodes = dict(menu.nodes)

    def mend(target: str) -> str:
        return target if target in nodes else "end"

    for name, node in nodes.items():
        if isinstance(node, QuestionNode):
            keys = {key: mend(target) for key, target in node.keys.items()}
            failure, silence = mend(node.on_failure), mend(node.on_silence)
            nodes[name] = replace(node, keys=keys, on_failure=failure, on_silence=silence)
        elif isinstance(node, MessageNode):
            nodes[name] = replace(node, then=mend(node.then))
    return replace(menu, start=mend(menu.start), nodes=nodes)


@st.composite
def sound_menus(draw: st.DrawFn) -> Menu:
    """Menus in which `check_menu` should find nothing, unless messages form a circle: silence leads to the end."""
    menu = draw(known_menus())
    nodes: dict[str, Node] = {
        name: replace(node, on_silence="end") if isinstance(node, QuestionNode) else node
        for name, node in menu.nodes.items()
    }
    seen, ahead = {"end"}, [menu.start]
    while ahead:
        if (name := ahead.pop()) not in seen:
            seen.add(name)
            ahead += [target for _, target in edges(nodes[name])]
    return replace(menu, nodes={name: node for name, node in nodes.items() if name in seen})


def ways_end(menu: Menu, next_answer: Callable[[], str]) -> int:
    """Walk with the given answers until the menu is done; the number of answers and messages it took."""
    position, action = enter(menu, language="zh")
    taken = 0
    while not isinstance(action, Enqueue | Release):
        assert taken <= menu.limit + 1, "the caller is still held by the menu"
        assert again(menu, position) == action
        if isinstance(action, Question):
            position, action = answer(menu, position, next_answer())
        else:
            position, action = played(menu, position)
        taken += 1
    return taken


answers = st.sampled_from([*"0123456789", "*", "#", "", "77"])


@given(menus(), st.data())
def test_whatever_the_menu_and_whatever_is_pressed_every_walk_ends(menu: Menu, data: st.DataObject) -> None:
    """At most `limit` answers and messages, and then the words of the end."""
    ways_end(menu, lambda: data.draw(answers))


@given(sound_menus(), st.data())
def test_where_check_menu_finds_nothing_every_walk_ends_and_arrives_at_a_node_of_the_menu(
    menu: Menu, data: st.DataObject
) -> None:
    problems = check(menu, languages=LANGUAGES)
    if problems:  # what remains possible is a circle of messages
        assert all("loop without an exit" in problem.text for problem in problems)
        return
    ways_end(menu, lambda: data.draw(answers))
    unbounded = replace(menu, limit=10_000)
    patient = ways_end(unbounded, lambda: "")
    assert patient <= 2 * len(menu.nodes), "silence alone must lead out, without the limit's help"


@given(known_menus())
def test_check_menu_reports_a_loop_exactly_where_no_walk_leads_out(menu: Menu) -> None:
    """Against a search that knows nothing of `check_menu`: try every answer from every node, without the limit."""
    problems = check(menu, languages=LANGUAGES)
    assert not any("no node" in problem.text for problem in problems)
    unbounded = replace(menu, limit=10_000)
    trapped = {name for name in menu.nodes if not _leads_out(unbounded, name)}
    reachable = {name for name in menu.nodes if Problem(f"nodes.{name}", "no caller gets here") not in problems}
    reported = {problem.path.removeprefix("nodes.") for problem in problems if "loop" in problem.text}
    assert reported == trapped & reachable


def _leads_out(menu: Menu, name: str) -> bool:
    seen: set[tuple[str, int, int, bool]] = set()
    ahead = [Position(name)]
    while ahead:
        position = ahead.pop()
        action = again(menu, position)
        if isinstance(action, Enqueue | Release):
            return True
        state = (position.node, position.tries, position.repeats, position.said)
        if state in seen:
            continue
        seen.add(state)
        if isinstance(action, Message):
            ahead.append(played(menu, position)[0])
        else:
            ahead += [answer(menu, position, key)[0] for key in [*"0123456789", "*", "#", ""]]
    return False
