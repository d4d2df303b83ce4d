"""What can be wrong with a menu that has the right shape: `hotline check` says so before anybody calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ivr import spoken
from ivr.fields import Problem
from ivr.menu import (
    QUERY_PROMPTS,
    SPOKEN_PROMPTS,
    Menu,
    MessageNode,
    Node,
    QueryNode,
    QuestionNode,
    QueueNode,
    ReleaseNode,
)


def check_menu(
    menu: Menu,
    *,
    queues: Collection[str],
    prompts: Mapping[str, Collection[str]],
    languages: Collection[str],
) -> list[Problem]:
    """Everything wrong with `menu`, sorted; an empty list = it can be served.

    `queues` are the hotline's queues, `prompts` the ids that have a sound, per language, `languages` those in
    which a number may start this menu. Found are: unknown targets and queues, unreachable nodes, loops
    without an exit, keys that stand twice (also as the repeat key, or hidden by the beginning of a longer
    key), and prompts without a sound in a language in which a caller may hear them.
    """
    problems = [
        *_languages(menu, languages),
        *_targets(menu),
        *_queues(menu, queues),
        *_doubled_keys(menu),
        *_spoken(menu),
    ]
    reached = reached_in(menu, languages)
    names = {name for name, _ in reached}
    problems += [Problem(f"nodes.{name}", "no caller gets here") for name in menu.nodes if name not in names]
    problems += _no_exit(menu, names)
    problems += _silent(menu, prompts, reached)
    return sorted(set(problems))


def edges(node: Node) -> Iterator[tuple[str, str]]:
    """Where a caller may go from `node`: (the field that says so, target)."""
    match node:
        case QuestionNode():
            for key, target in node.keys.items():
                yield f"keys.{key}", target
            yield "on_failure", node.on_failure
            yield "on_silence", node.on_silence
        case MessageNode() | QueryNode():
            yield "then", node.then


def _languages(menu: Menu, languages: Collection[str]) -> Iterator[Problem]:
    for language in languages:
        if menu.languages and language not in menu.languages:
            known = ", ".join(menu.languages)
            yield Problem("languages", f"a number starts in {language!r}; this menu is for {known}")


def _targets(menu: Menu) -> Iterator[Problem]:
    if menu.start not in menu.nodes:
        yield Problem("start", f"there is no node {menu.start!r}")
    for name, node in menu.nodes.items():
        for field, target in edges(node):
            if target not in menu.nodes:
                yield Problem(f"nodes.{name}.{field}", f"there is no node {target!r}")


def _queues(menu: Menu, queues: Collection[str]) -> Iterator[Problem]:
    for name, node in menu.nodes.items():
        if isinstance(node, QueueNode) and node.queue not in queues:
            known = ", ".join(sorted(queues)) or "none"
            yield Problem(f"nodes.{name}.queue", f"there is no queue {node.queue!r} (there are: {known})")


def _doubled_keys(menu: Menu) -> Iterator[Problem]:
    """Keys with two meanings. The same key written twice in one table is refused by TOML itself."""
    for name, node in menu.nodes.items():
        if not isinstance(node, QuestionNode):
            continue
        for key in node.keys:
            path = f"nodes.{name}.keys.{key}"
            if key == node.repeat_key:
                yield Problem(path, "is the repeat key too")
            for other in (*node.keys, node.repeat_key):
                if other and other != key and key.startswith(other):
                    yield Problem(path, f"begins with the key {other}: who presses slowly gets that one")


def _spoken(menu: Menu) -> Iterator[Problem]:
    """Words for keys that the question does not have, for two keys, or at a question that is nobody else's business."""
    for name, node in menu.nodes.items():
        if not isinstance(node, QuestionNode) or not node.spoken:
            continue
        if node.private:
            yield Problem(f"nodes.{name}.spoken", "a private question is never listened to; leave out one of the two")
        for key in node.spoken:
            if key not in node.keys:
                yield Problem(f"nodes.{name}.spoken.{key}", f"the question has no key {key}")
        for key, fault in spoken.faults(node.spoken):
            yield Problem(f"nodes.{name}.spoken.{key}", fault)


def reached_in(menu: Menu, languages: Collection[str]) -> set[tuple[str, str]]:
    """Every (node, language) in which a caller may be, the fallback included."""
    reached: set[tuple[str, str]] = set()
    ahead = [(target, language) for target in (menu.start, menu.fallback) for language in languages]
    while ahead:
        name, language = ahead.pop()
        node = menu.nodes.get(name)
        if node is None:
            continue
        language = node.language or language
        if (name, language) not in reached:
            reached.add((name, language))
            ahead += [(target, language) for _, target in edges(node)]
    # The fallback takes a caller in whatever language he has arrived at by then.
    reached |= {(menu.fallback, menu.nodes[menu.fallback].language or language) for _, language in reached}
    return reached


def _no_exit(menu: Menu, names: set[str]) -> Iterator[Problem]:
    """Nodes from which no way leads to a queue or a release, and messages that follow one another in a
    circle.
    """
    ends = {name for name, node in menu.nodes.items() if isinstance(node, QueueNode | ReleaseNode)}
    while True:
        more = {
            name
            for name, node in menu.nodes.items()
            if name not in ends and any(target in ends for _, target in edges(node))
        }
        if not more:
            break
        ends |= more
    for name in menu.nodes:
        # A way to a node that does not exist has been named already.
        known = all(target in menu.nodes for _, target in edges(menu.nodes[name]))
        if name in names and name not in ends and known:
            yield Problem(f"nodes.{name}", "a loop without an exit: no way leads to a queue or a release")


def _silent(menu: Menu, prompts: Mapping[str, Collection[str]], reached: set[tuple[str, str]]) -> Iterator[Problem]:
    for name, language in reached:
        for field, prompt in _said(menu.nodes[name]):
            if prompt not in prompts.get(language, ()):
                yield Problem(f"nodes.{name}.{field}", f"the prompt {prompt!r} has no sound in {language!r}")


def _said(node: Node) -> Iterator[tuple[str, str]]:
    """What is said at `node`: (field, prompt id)."""
    if isinstance(node, QuestionNode):
        yield from (("greeting", prompt) for prompt in node.greeting)
        if node.spoken:
            yield from (("spoken", prompt) for prompt in SPOKEN_PROMPTS)
            yield from (("say_spoken", prompt) for prompt in node.say_spoken)
            for key, choice in node.spoken.items():
                yield from ((f"spoken.{key}", prompt) for prompt in choice.named)
        yield "on_wrong", node.on_wrong
    if isinstance(node, QueryNode):
        yield from (("kind", prompt) for prompt in QUERY_PROMPTS)
        return
    yield from (("say", prompt) for prompt in node.say)
