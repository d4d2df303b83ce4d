"""Terms of Chinese text, for every room that compares or looks up words: character pairs, words and numbers. Pure.

Chinese has no blanks between words. Overlapping pairs of characters find what a dictionary of words would, need none,
and never miss a new word (a policy's name, a village); Latin words and numbers are terms as a whole.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PARTS = re.compile(rf"([{_HAN}]+)|([a-z0-9]+)")


def normalised(text: str) -> str:
    """One shape for what looks the same: NFKC (full width and its like), lower case, no invisible characters."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character) != "Cf")


def terms(text: str, *, single: bool = False) -> Counter[str]:
    """The terms of a normalised text and how often each occurs; `single` adds every Han character alone."""
    found: Counter[str] = Counter()
    for han, word in _PARTS.findall(text):
        if word:
            found[word] += 1
        elif len(han) == 1:
            found[han] += 1
        else:
            found.update(han[index : index + 2] for index in range(len(han) - 1))
            if single:
                found.update(han)
    return found


def runs(text: str) -> list[str]:
    """What is looked for in a normalised text, one after the other: stretches of Han characters, words and numbers."""
    return [han or word for han, word in _PARTS.findall(text)]


def length(text: str) -> int:
    """How long a normalised text counts as: its Han characters and its words."""
    return sum(len(han) if han else 1 for han, _ in _PARTS.findall(text))


def key_of(term: str) -> int:
    """A term as the whole number of 63 bits that an index stores: one or two characters exactly, words by hash."""
    if len(term) <= 2 and not term.isascii():
        return ord(term[0]) << 21 | (ord(term[1]) if len(term) == 2 else 0)
    return 1 << 62 | int.from_bytes(hashlib.blake2b(term.encode(), digest_size=7).digest(), "big")
