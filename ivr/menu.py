"""The voice menu: a menu is data (``ivr/menus/*.toml``), walked by pure code.

The national standard discourages menus (GB/T 33358-2016, `domain.md` 0.1), so a menu has to be short and must
never hold a caller: every walk, whatever the caller presses, ends in a queue or in a release after at most
`Menu.limit` answers and messages. A position restored from a running call is walked the same way even when
the menu has been changed meanwhile. What can be wrong with a menu's text is found by
`ivr.menu_file.parse_menu` (its shape) and `ivr.menu_check.check_menu` (its meaning); both name every problem
at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ivr.prompts import LANGUAGES, Language, prompt_name
from ivr.spoken import NO, YES, Listening, SpokenChoice
from pbx.ids import QueueId

NODE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Names of nodes, queues and prompts: they travel in the channel's mark and in prompt lists
(``[a-z0-9-]``).
"""

KEYS = re.compile(r"[0-9*]{1,8}|#")
"""What a caller may press for an option. ``#`` ends the input in Asterisk's ``Read()`` and so arrives only
alone.
"""


# ---------------------------------------------------------------- what the walker wants done next


@dataclass(frozen=True, slots=True)
class Question:
    """Play `prompts` (names below the sounds directory) and wait `wait_s` seconds for up to `max_digits`
    keys.
    """

    prompts: tuple[str, ...]
    max_digits: int
    wait_s: float
    private: bool = False  #: the keys are nobody else's business: the recording is paused meanwhile
    listening: Listening | None = None  #: it may be answered aloud as well


@dataclass(frozen=True, slots=True)
class Message:
    """Play `prompts` to their end, then go on with `played`."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Enqueue:
    """The menu is done: the caller joins the line of `queue` with `priority` (0 normal, 9 highest)."""

    queue: QueueId
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """The menu is done: play `prompts`, then hang up."""

    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Ask him for a ticket's number and for what proves it is his, tell him how it stands, then go on with `queried`.

    The questions are the controller's: they end after `tries` answers that find nothing.
    """

    tries: int
    private: bool = True


Action = Question | Message | Enqueue | Release | Query

QUERY_PROMPTS = (
    "query-number", "query-digits", "query-none", "query-limit", "system-error", "query-accepted", "query-dispatched",
    "query-handling", "query-replied", "query-resolved", "query-withdrawn", "query-merged",
    "query-due", "query-due-today",
)  # fmt: skip
"""What somebody who queries a ticket may hear."""

SPOKEN_PROMPTS = HEARD, RIGHT_OR_SAY, RIGHT = "spoken-heard", "spoken-right-or-say", "spoken-right"
"""您说的是 (before the choice's name); 对吗 (after it), with and without the offer to answer aloud."""


# ---------------------------------------------------------------- the menu as data


@dataclass(frozen=True, slots=True)
class QuestionNode:
    """A node that asks. `greeting` is said once, before `say`, and a key cuts it too (barge-in).

    `wait_s` seconds of silence after the prompts lead to `on_silence`; the `tries`-th wrong key in a row
    leads to `on_failure`, each earlier one says `on_wrong` and asks again; `repeat_key` asks again at most
    `repeats` times, then leads to `on_failure`.
    """

    say: tuple[str, ...]
    keys: Mapping[str, str]
    on_failure: str
    on_silence: str
    on_wrong: str
    greeting: tuple[str, ...] = ()
    wait_s: float = 5.0
    tries: int = 2
    repeat_key: str = "*"
    repeats: int = 2
    language: str | None = None
    private: bool = False
    spoken: Mapping[str, SpokenChoice] = field(default_factory=dict)
    say_spoken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageNode:
    """A node that tells something and goes on with `then`."""

    say: tuple[str, ...]
    then: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class QueueNode:
    """An end: the caller joins `queue`, after hearing `say` where there is any."""

    queue: QueueId
    say: tuple[str, ...] = ()
    priority: int = 0
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseNode:
    """An end: the caller hears `say` and is released."""

    say: tuple[str, ...]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class QueryNode:
    """A node at which a ticket can be queried by keys (工单查询); it goes on with `then`, whatever came of it."""

    then: str
    tries: int = 3
    language: str | None = None
    private: bool = True  #: number and proof are not heard in the recording


Node = QuestionNode | MessageNode | QueueNode | ReleaseNode | QueryNode


@dataclass(frozen=True, slots=True)
class Menu:
    """A whole menu. `fallback` (a queue or release node, by `parse_menu`) takes a caller after `limit` steps.

    A step is one answer (keys or silence) or one message played to its end. `languages` are those that the
    menu can be entered in (its words, such as the offer of another language, fit no other); empty = all.
    """

    id: str
    start: str
    fallback: str
    nodes: Mapping[str, Node]
    limit: int = 12
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a menu whose walks could have no end; `parse_menu` says so in better words."""
        if not isinstance(self.nodes.get(self.fallback), QueueNode | ReleaseNode):
            raise ValueError(f"menu {self.id}: fallback must name a queue or release node")
        if self.limit < 1:
            raise ValueError(f"menu {self.id}: limit must be at least 1")
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))


# ---------------------------------------------------------------- a caller's place in it


@dataclass(frozen=True, slots=True)
class Position:
    """Where a caller is in a menu.

    `tries` and `repeats` count wrong keys and repetitions at this node, `steps` everything since the menu
    began; `notice` is the prompt that goes before the question this time (empty: none); `said` is true once a
    queue node has said its words. `heard` is the key of the choice that he is asked to confirm. `path` holds what the
    caller did: the keys of the options taken (after ``said`` where he did not press it), ``silence``, ``wrong``,
    ``refused`` (it was another choice that he had said).
    """

    node: str
    tries: int = 0
    repeats: int = 0
    steps: int = 0
    notice: str = ""
    said: bool = False
    language: str = "zh"
    path: tuple[str, ...] = ()
    heard: str = ""

    def encode(self) -> str:
        """The position for `pbx.call.CallMark.node`: fields joined by ``:``; language and path travel
        elsewhere.
        """
        here = f"{self.node}:{self.tries}:{self.repeats}:{self.steps}:{self.notice}:{int(self.said)}"
        return f"{here}:{self.heard}" if self.heard else here


def _decode(text: str, language: str) -> Position | None:
    parts = text.split(":")
    if len(parts) not in (6, 7):
        return None
    node, tries, repeats, steps, notice, said, key = (*parts, "")[:7]
    try:
        counts = [int(tries), int(repeats), int(steps), int(said)]
    except ValueError:
        return None
    if min(counts) < 0 or (notice and not NODE_NAME.fullmatch(notice)) or (key and not KEYS.fullmatch(key)):
        return None
    wrong, repeated, gone, told = counts
    return Position(node, wrong, repeated, gone, notice, told > 0, language, heard=key)


# ---------------------------------------------------------------- the walker


def enter(menu: Menu, *, language: str) -> tuple[Position, Action]:
    """A caller enters `menu` and is spoken to in `language` until a node says otherwise."""
    return _go(menu, Position(menu.start, language=language), menu.start)


def answer(menu: Menu, position: Position, keys: str) -> tuple[Position, Action]:
    """The caller answered the question at `position` with `keys`; empty = silence until the time was up.

    An answer where nothing was asked (an event that came late) changes nothing: the same action is given
    anew.
    """
    node = menu.nodes.get(position.node)
    if not isinstance(node, QuestionNode):
        return position, again(menu, position)
    here = replace(position, steps=position.steps + 1)
    if confirming(menu, position):
        if keys == YES:
            here = _noted(_noted(here, "said"), position.heard)
            return _go(menu, here, node.keys[position.heard])
        if keys == node.repeat_key and here.repeats < node.repeats:
            return _stay(menu, replace(here, repeats=here.repeats + 1))
        if keys in ("", NO) or keys not in node.keys:
            here = _noted(replace(here, heard="", notice="", tries=here.tries + 1), "refused")
            return _stay(menu, here) if here.tries < node.tries else _go(menu, here, node.on_failure)
    if not keys:
        return _go(menu, _noted(here, "silence"), node.on_silence)
    if keys in node.keys:
        return _go(menu, _noted(here, keys), node.keys[keys])
    if keys == node.repeat_key:
        here = _noted(replace(here, repeats=here.repeats + 1, notice=""), keys)
        return _stay(menu, here) if here.repeats <= node.repeats else _go(menu, here, node.on_failure)
    here = _noted(replace(here, tries=here.tries + 1, notice=node.on_wrong), "wrong")
    return _stay(menu, here) if here.tries < node.tries else _go(menu, here, node.on_failure)


def said(menu: Menu, position: Position, key: str, *, sure: bool) -> tuple[Position, Action]:
    """The caller said what stands for `key`; unless it is `sure` he is asked whether it was heard rightly.

    Where that cannot be said, or is being asked already, the same action is given anew.
    """
    node = menu.nodes.get(position.node)
    known = isinstance(node, QuestionNode) and not node.private and key in node.spoken and key in node.keys
    if not isinstance(node, QuestionNode) or not known or confirming(menu, position):
        return position, again(menu, position)
    here = replace(position, steps=position.steps + 1)
    if sure:
        return _go(menu, _noted(_noted(here, "said"), key), node.keys[key])
    return _stay(menu, replace(here, heard=key, notice=""))


def confirming(menu: Menu, position: Position) -> bool:
    """Whether the caller is being asked if a choice was heard rightly."""
    node = menu.nodes.get(position.node)
    return isinstance(node, QuestionNode) and position.heard in node.spoken and position.heard in node.keys


def played(menu: Menu, position: Position) -> tuple[Position, Action]:
    """The `Message` at `position` has been played to its end. Where none was due, the same action is given
    anew.
    """
    node = menu.nodes.get(position.node)
    if isinstance(node, MessageNode):
        return _go(menu, replace(position, steps=position.steps + 1), node.then)
    if isinstance(node, QueueNode):
        position = replace(position, said=True)
    return position, again(menu, position)


def queried(menu: Menu, position: Position, found: bool) -> tuple[Position, Action]:
    """The query at `position` is over: he was told how his ticket stands, or none was found. Elsewhere: as `again`."""
    node = menu.nodes.get(position.node)
    if not isinstance(node, QueryNode):
        return position, again(menu, position)
    here = replace(position, steps=position.steps + 1)
    return _go(menu, _noted(here, "queried" if found else "unfound"), node.then)


def again(menu: Menu, position: Position) -> Action:
    """What is due at `position`: the same action anew, after a lost command or a restart of the
    controller.
    """
    node = menu.nodes.get(position.node)
    language = position.language
    match node:
        case QuestionNode() if confirming(menu, position):
            named = (HEARD, *node.spoken[position.heard].named)
            either = Listening(_names(language, (*named, RIGHT_OR_SAY)), confirm=True)
            return Question(_names(language, (*named, RIGHT)), _longest(node), node.wait_s, listening=either)
        case QuestionNode():
            first = node.greeting if position.tries == position.repeats == 0 else ()
            notice = (position.notice,) if position.notice else ()
            listening = None
            if node.spoken and not node.private:
                phrases = tuple((words, key) for key, choice in node.spoken.items() for words in choice.words)
                listening = Listening(_names(language, (*notice, *first, *node.say_spoken)), phrases)
            prompts = _names(language, (*notice, *first, *node.say))
            return Question(prompts, _longest(node), node.wait_s, node.private, listening)
        case MessageNode():
            return Message(_names(language, node.say))
        case QueryNode():
            return Query(node.tries, node.private)
        case QueueNode():
            if node.say and not position.said:
                return Message(_names(language, node.say))
            return Enqueue(node.queue, node.priority)
        case ReleaseNode():
            return Release(_names(language, node.say))
        case None:
            return _go(menu, position, menu.fallback)[1]


def restore(menu: Menu, text: str, *, language: str) -> tuple[Position, Action]:
    """The position that `Position.encode` wrote, and what is due there; for a controller that has been
    restarted.

    An empty or foreign text enters the menu anew; a node that the menu no longer has leads to the fallback.
    """
    position = _decode(text, language)
    if position is None:
        return enter(menu, language=language)
    if position.node not in menu.nodes:
        return _go(menu, position, menu.fallback)
    return position, again(menu, position)


def _go(menu: Menu, position: Position, target: str) -> tuple[Position, Action]:
    """Enter the node `target`; the fallback instead when it is unknown or the caller has been led around too
    long.
    """
    node = menu.nodes.get(target)
    ends = isinstance(node, QueueNode | ReleaseNode)
    if node is None or (position.steps >= menu.limit and not ends):
        target, node = menu.fallback, menu.nodes[menu.fallback]
    there = replace(
        position,
        node=target,
        tries=0,
        repeats=0,
        notice="",
        said=False,
        heard="",
        language=node.language or position.language,
    )
    return there, again(menu, there)


def _stay(menu: Menu, position: Position) -> tuple[Position, Action]:
    """Ask the same question again, unless the caller has been asked often enough."""
    if position.steps >= menu.limit:
        return _go(menu, position, menu.fallback)
    return position, again(menu, position)


def _longest(node: QuestionNode) -> int:
    """How many keys are waited for."""
    return max(1, *(len(keys) for keys in (*node.keys, node.repeat_key)))


def _noted(position: Position, word: str) -> Position:
    return replace(position, path=(*position.path, word))


def _names(language: str, ids: tuple[str, ...]) -> tuple[str, ...]:
    spoken: Language = next((known for known in LANGUAGES if known == language), LANGUAGES[0])
    return tuple(prompt_name(spoken, prompt) for prompt in ids)
