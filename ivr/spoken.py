"""What a caller may say instead of pressing a key: which choice was meant by the words that a recogniser heard. Pure.

A recogniser with a closed list of words answers with words of that list alone, whatever was said (shared/speech.md
section 2: what is not in it is forced onto something that is), and its confidence is no proof. Hence three nets, one
below the other: what was heard must be one choice and no other; it must be sure enough; and, unless a hotline decides
otherwise for what is very sure, the caller is asked whether it is right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

PHRASE = re.compile(r"[^\W\d_]{1,20}([ '’-][^\W\d_]{1,20}){0,4}")
"""What a caller may be expected to say: up to five words of letters. A figure is written out (一号答, not 1号答)."""

YES, NO = "1", "2"
"""The keys that answer whether a choice was heard rightly; yes and no said aloud stand for them."""


@dataclass(frozen=True, slots=True)
class SpokenChoice:
    """What may be said for a key: any of `words`. `named`: the prompts that name the choice when it is confirmed."""

    words: tuple[str, ...]
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """A question that may be answered aloud as well.

    `prompts` are said in place of the question's own while somebody listens, since they tell that one may speak.
    `phrases`: what may be said, and the key that it stands for. `confirm`: it is asked whether a choice was heard
    rightly; the words for yes and no are the hotline's, by language, and not the menu's.
    """

    prompts: tuple[str, ...]
    phrases: tuple[tuple[str, str], ...] = ()
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """The key that was meant, and how sure the recogniser is of the least sure word of it, 0..1."""

    key: str
    conf: float


def squeezed(phrase: str) -> str:
    """A phrase as it is compared: recognisers write blanks between words where people write none, and small letters."""
    return "".join(phrase.split()).casefold()


def faults(spoken: Mapping[str, SpokenChoice]) -> Iterator[tuple[str, str]]:
    """Words that stand for two choices, with the key at which they stand again."""
    seen: dict[str, str] = {}
    for key, choice in spoken.items():
        for phrase in choice.words:
            other = seen.setdefault(squeezed(phrase), key)
            if other != key:
                yield key, f"{phrase!r} is said for the key {other} already"


def chosen(heard: Sequence[tuple[str, float | None]], phrases: Collection[tuple[str, str]]) -> Chosen | None:
    """Which choice was meant by these words and how sure each of them is (None = the recogniser does not say; 0).

    Words that belong to no phrase (嗯, 我要) are passed over. None where no phrase was heard, or those of two choices:
    then it is not for us to choose. A phrase that was said twice is as sure as the surer of the two.
    """
    by_words = {squeezed(phrase): key for phrase, key in phrases}
    longest = max((len(phrase) for phrase in by_words), default=0)
    words = [(squeezed(word), conf or 0.0) for word, conf in heard]
    found: dict[str, float] = {}
    at = 0
    while at < len(words):
        joined, sure, end, match = "", 1.0, at, None
        while end < len(words) and len(joined) < longest:
            joined, sure = joined + words[end][0], min(sure, words[end][1])
            end += 1
            if joined in by_words:
                match = by_words[joined], sure, end  # the longest one counts: 不是 before 不
        if match is None:
            at += 1
            continue
        key, sure, at = match
        found[key] = max(found.get(key, 0.0), sure)
    if len(found) != 1:
        return None
    ((key, sure),) = found.items()
    return Chosen(key, min(1.0, max(0.0, sure)))
