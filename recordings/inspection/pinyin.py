"""DOOR to pypinyin: the syllables of a text. Loaded by whoever asks first (its dictionaries take a moment), and only in
the inspection's own process; where it is not installed words are found as they are written alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from recordings.inspection.words import Reading


@cache
def reading() -> Reading | None:
    """The reading of texts, or None where pypinyin is not installed."""
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError:
        return None

    def read(text: str) -> Sequence[str]:
        letters: Any = list  # each other character by itself; its annotation knows less than its documentation
        found: list[str] = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True, errors=letters)
        return found

    return read
