"""Choices of a menu that are said instead of keyed, as the switchboard learns of them. Pure.

The words are part of the union in `pbx/events.py`; the caller's sound is brought by `pbx.live_words.Hear`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.ids import CallId


@dataclass(frozen=True, slots=True)
class ListeningChanged:
    """In which languages what a caller says to a question can be heard from now on; none = by keys alone."""

    languages: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class ChoiceSpoken:
    """The caller said what stands for `key` at the question of command `step`; `conf` 0..1: how sure that is.

    What was said is not told, and stands nowhere.
    """

    call: CallId
    step: int
    key: str
    conf: float
    at: float
