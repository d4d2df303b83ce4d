"""The shape of a menu file: `parse_menu` turns the TOML of ``ivr/menus/*.toml`` into a `Menu`.

Reading the file is the configuration's; here every field is checked, and everything wrong is named at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ivr.fields import Fields, Problem
from ivr.menu import KEYS, NODE_NAME, Menu, MessageNode, Node, QueryNode, QuestionNode, QueueNode, ReleaseNode
from ivr.prompts import LANGUAGES
from ivr.spoken import PHRASE, SpokenChoice
from pbx.ids import QueueId

_LANGUAGE = re.compile("|".join(LANGUAGES))
_KIND = re.compile("question|message|queue|release|query")
_REPEAT_KEY = re.compile(r"[0-9*#]?")

LONGEST_WAIT_S = 60.0
"""A question waits at most this long; a longer silence would look like a dead line to the caller."""


class MenuError(ValueError):
    """A menu file that cannot be a menu; `problems` are all that were found in `source`."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        """Say which file, and everything that is wrong in it."""
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.source = source
        self.problems = problems


def parse_menu(data: Mapping[str, object], source: str) -> Menu:
    """The menu that `data` describes; `source` names the file. Raises `MenuError` with every problem of its
    shape.
    """
    problems: list[Problem] = []
    top = Fields(data, "", problems)
    menu_id = top.take_text("id", None, NODE_NAME)
    start = top.take_text("start", None, NODE_NAME)
    fallback = top.take_text("fallback", None, NODE_NAME)
    limit = top.take_whole("limit", 12, 1, 100)
    languages = top.take_texts("languages", _LANGUAGE)
    nodes: dict[str, Node] = {}
    for name, table in top.take_table("nodes", required=True).items():
        node = _node(name, table, problems)
        if node is not None:
            nodes[name] = node
    top.finish()
    if not problems and not isinstance(nodes.get(fallback), QueueNode | ReleaseNode):
        top.problem("fallback", f"must name a queue or release node, {fallback!r} is none")
    if problems:
        raise MenuError(source, tuple(problems))
    return Menu(menu_id, start, fallback, nodes, limit, languages)


def _node(name: str, table: object, problems: list[Problem]) -> Node | None:
    """The node `name`, or None after noting what keeps it from being one."""
    path = f"nodes.{name}"
    if not NODE_NAME.fullmatch(name):
        problems.append(Problem(path, f"a node's name must have the form {NODE_NAME.pattern}"))
        return None
    if not isinstance(table, Mapping):
        problems.append(Problem(path, f"must be a table, not {table!r}"))
        return None
    fields = Fields(table, path, problems)
    language = fields.take_text("language", "", _LANGUAGE) or None
    kind = fields.take_text("kind", None, _KIND)
    node: Node
    match kind:
        case "question":
            node = _question(fields, language)
        case "message":
            say = fields.take_texts("say", NODE_NAME, required=True)
            node = MessageNode(say, fields.take_text("then", None, NODE_NAME), language)
        case "queue":
            queue = QueueId(fields.take_text("queue", None, NODE_NAME))
            say = fields.take_texts("say", NODE_NAME)
            node = QueueNode(queue, say, fields.take_whole("priority", 0, 0, 9), language)
        case "query":
            then, tries = fields.take_text("then", None, NODE_NAME), fields.take_whole("tries", 3, 1, 10)
            node = QueryNode(then, tries, language, fields.take_flag("private", True))
        case "release":
            node = ReleaseNode(fields.take_texts("say", NODE_NAME, required=True), language)
        case _:
            return None
    fields.finish(f" (a {kind} node)")
    return node


def _question(fields: Fields, language: str | None) -> QuestionNode:
    on_failure = fields.take_text("on_failure", None, NODE_NAME)
    spoken = _spoken(fields)
    return QuestionNode(
        say=fields.take_texts("say", NODE_NAME, required=True),
        keys=_keys(fields),
        on_failure=on_failure,
        on_silence=fields.take_text("on_silence", on_failure, NODE_NAME),
        on_wrong=fields.take_text("on_wrong", "invalid-key", NODE_NAME),
        greeting=fields.take_texts("greeting", NODE_NAME),
        wait_s=fields.take_seconds("wait_s", 5.0, 0.5, LONGEST_WAIT_S),
        tries=fields.take_whole("tries", 2, 1, 10),
        repeat_key=fields.take_text("repeat_key", "*", _REPEAT_KEY),
        repeats=fields.take_whole("repeats", 2, 0, 10),
        language=language,
        private=fields.take_flag("private", False),
        spoken=spoken,
        say_spoken=fields.take_texts("say_spoken", NODE_NAME, required=bool(spoken)),
    )


def _spoken(fields: Fields) -> Mapping[str, SpokenChoice]:
    """What may be said instead of a key; that it is one of the question's keys is `ivr.menu_check`'s."""
    spoken: dict[str, SpokenChoice] = {}
    for key, table in fields.take_table("spoken").items():
        if not isinstance(table, Mapping):
            fields.problem(f"spoken.{key}", f"must be a table with words and named, not {table!r}")
            continue
        choice = fields.inner(f"spoken.{key}", table)
        words = choice.take_texts("words", PHRASE, required=True)
        spoken[key] = SpokenChoice(words, choice.take_texts("named", NODE_NAME, required=True))
        choice.finish(" (what is said for a key)")
    return spoken


def _keys(fields: Fields) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    for key, target in fields.take_table("keys", required=True).items():
        if not KEYS.fullmatch(key):
            fields.problem(f"keys.{key}", f"is nothing a caller can press ({KEYS.pattern})")
        elif not (isinstance(target, str) and NODE_NAME.fullmatch(target)):
            fields.problem(f"keys.{key}", f"must name a node, not {target!r}")
        else:
            keys[key] = target
    return keys
