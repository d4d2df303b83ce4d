"""Which type and which class a concern is likely of, by the words in which it is told. Pure; the words are data.

It only proposes: the agent chooses, and sees for which words it was taken. What it is worth is measured by ``hotline
bench suggest`` on a labelled set.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pbx.terms import normalised
from tickets.classes import ClassTree
from tickets.ticket import TicketType

SAMPLE = Path(__file__).with_name("likely.toml")
"""The words that come along."""

SURE = 10
"""How many of the other words a sure one counts."""


@dataclass(frozen=True, slots=True)
class Likely:
    """Something that is likely, by its code, and the words for which it is taken, the weightiest first."""

    code: str
    because: tuple[str, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Cues:
    """Words by what they point at: (word, weight) by type and by class. All normalised."""

    types: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    classes: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)

    def types_of(self, text: str, most: int = 2) -> tuple[Likely, ...]:
        """The likeliest types, `most` at most; empty where no word points at any."""
        return _ranked(text, self.types, most)

    def classes_of(self, text: str, most: int = 3) -> tuple[Likely, ...]:
        """The likeliest classes, `most` at most."""
        return _ranked(text, self.classes, most)


def _ranked(text: str, by_code: Mapping[str, tuple[tuple[str, int], ...]], most: int) -> tuple[Likely, ...]:
    said = normalised(text)
    found = []
    for code, words in by_code.items():
        hits = _longest((word, weight) for word, weight in words if word in said)
        if hits:
            ordered = sorted(hits, key=lambda hit: (-hit[1], -len(hit[0]), hit[0]))
            found.append(Likely(code, tuple(word for word, _ in ordered), sum(weight for _, weight in hits)))
    order = {code: place for place, code in enumerate(by_code)}
    found.sort(key=lambda one: (-one.weight, -max(map(len, one.because)), order[one.code]))
    return tuple(found[:most])


def _longest(hits: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The hits without those that only stand inside a longer one of the same list."""
    every = list(hits)
    return [hit for hit in every if not any(hit[0] != other[0] and hit[0] in other[0] for other in every)]


def parse_cues(data: Mapping[str, object], tree: ClassTree) -> Cues:
    """The words of a file's tables ``types`` and ``classes``; the names of the tree's classes are added.

    Words of a class that the tree does not have are left out: the sample's, where the hotline has a tree of its own.
    ValueError names the first thing that is wrong.
    """
    if unknown := set(data) - {"types", "classes"}:
        raise ValueError(f"unknown table {sorted(unknown)[0]}")
    types: dict[str, tuple[tuple[str, int], ...]] = {}
    for name, lists in _table(data, "types").items():
        if name not in {one.value for one in TicketType}:
            raise ValueError(f"types.{name} is no ticket type")
        if not isinstance(lists, Mapping) or set(lists) - {"sure", "words"}:
            raise ValueError(f"types.{name} must be a table of sure and words")
        sure, words = _words(lists.get("sure", []), name), _words(lists.get("words", []), name)
        types[name] = (*((word, SURE) for word in sure), *((word, 1) for word in words))
    classes: dict[str, tuple[tuple[str, int], ...]] = {}
    own = {code: _words(words, code) for code, words in _table(data, "classes").items()}
    for one in tree:
        named = dict.fromkeys((normalised(one.zh), *own.get(one.code, ())))
        classes[one.code] = tuple((word, 1) for word in named)
    return Cues(types, classes)


def _table(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = data.get(name, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} must be a table")
    return found


def _words(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise ValueError(f"{where} must be a list of words")
    return tuple(normalised(one.strip()) for one in value)


def load_cues(tree: ClassTree, file: Path = SAMPLE) -> Cues:
    """The words of a file. Blocks. ValueError for what is wrong in it (no TOML too), OSError."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    return parse_cues(data, tree)


@cache
def sample_cues() -> Cues:
    """The words and the tree that come along."""
    from tickets.classes import load_classes

    return load_cues(load_classes())
