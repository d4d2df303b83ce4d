"""From Chinese text to the terms of the index: character bigrams, with synonyms and empty words as data. Pure.

Chinese has no blanks between words. Overlapping pairs of characters find what a dictionary of words would, need none,
and never miss a new word (a policy's name, a village); Latin words and numbers are terms as a whole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from pbx.terms import key_of, normalised, terms

ANALYSER = 1
"""Grows whenever the same text gives other terms than before: an index of another number is made anew."""

LONGEST_QUERY = 200
"""Characters of a query that are looked at; nobody asks for more."""

MOST_TERMS = 80
"""Terms of a query, synonyms included."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the hotline knows of words: groups that mean the same, and words that say nothing in a question.

    All normalised. `weight`: what a synonym counts beside the word that was said (1 = the same).
    """

    groups: tuple[tuple[str, ...], ...] = ()
    empty: tuple[str, ...] = ()
    weight: float = 0.7
    by_word: Mapping[str, tuple[str, ...]] = field(init=False, compare=False, repr=False)
    _found: re.Pattern[str] = field(init=False, compare=False, repr=False)
    _nothing: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_word: dict[str, tuple[str, ...]] = {}
        for group in self.groups:
            for word in group:
                others = tuple(other for other in group if other != word)
                by_word[word] = tuple(dict.fromkeys((*by_word.get(word, ()), *others)))
        object.__setattr__(self, "by_word", by_word)
        object.__setattr__(self, "_found", _any_of(by_word))
        object.__setattr__(self, "_nothing", _any_of(self.empty))

    def said(self, text: str) -> list[str]:
        """The known words in a normalised text; where two overlap, the longer one that begins first."""
        return list(dict.fromkeys(self._found.findall(text)))

    def without_empty(self, text: str) -> str:
        """The text with a blank in place of each empty word."""
        return self._nothing.sub(" ", text)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the words; Latin ones only where they are words of their own."""
    longest_first = sorted(set(words), key=lambda word: (-len(word), word))
    parts = [rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])" if word.isascii() else re.escape(word)
             for word in longest_first]  # fmt: skip
    return re.compile("|".join(parts) if parts else r"(?!)")


def vocabulary_of(table: Mapping[str, object]) -> Vocabulary:
    """A vocabulary from its TOML table. ValueError says what is wrong."""
    groups, empty, weight = table.get("groups", []), table.get("empty", []), table.get("weight", 0.7)
    if unknown := set(table) - {"groups", "empty", "weight"}:
        raise ValueError(f"unknown key {sorted(unknown)[0]}")
    if not isinstance(groups, list) or not all(_texts(group) and len(group) > 1 for group in groups):
        raise ValueError("groups must be a list of lists of two words or more")
    if not _texts(empty):
        raise ValueError("empty must be a list of words")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise ValueError("weight must be from 0 to 1")
    return Vocabulary(
        tuple(tuple(normalised(word) for word in group) for group in groups),
        tuple(normalised(word) for word in empty),  # type: ignore[attr-defined]
        float(weight),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


@cache
def standard_vocabulary() -> Vocabulary:
    """The vocabulary that comes with the hotline (``synonyms.toml`` beside this file)."""
    text = resources.files("knowledge").joinpath("synonyms.toml").read_text("utf-8")
    return vocabulary_of(tomllib.loads(text))


def query_terms(text: str, vocabulary: Vocabulary) -> list[tuple[int, float]]:
    """What to look for: (key, weight), the words that were said before their synonyms; empty for a text without words.

    A synonym of more characters than the word that was said has more terms; each weighs so much less that the whole
    synonym counts `Vocabulary.weight` of the word.
    """
    asked = normalised(text[:LONGEST_QUERY])
    own = terms(vocabulary.without_empty(asked)) or terms(asked)
    weights: dict[int, float] = {key_of(term): 1.0 for term in own}
    for word in vocabulary.said(asked):
        for other in vocabulary.by_word[word]:
            theirs = terms(other)
            share = min(1.0, max(1, len(terms(word))) / max(1, len(theirs))) * vocabulary.weight
            for term in theirs:
                weights.setdefault(key_of(term), share)
    return list(weights.items())[:MOST_TERMS]


def joined(texts: Sequence[str]) -> str:
    """Several texts as one, with no pair of characters across their borders."""
    return "\n".join(texts)
