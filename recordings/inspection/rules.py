"""What is looked for in a call, as data: thresholds, lists of words, types that callers name. Pure.

A hotline edits one TOML file (`standard.toml` is the one that comes with the program); `rules_of` reads it whole or
names every fault. Its `version` is the digest of what it says, so a result tells by which rules it was made.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from recordings.inspection.thresholds import ActivityRule, TalkRule, WordRule
from recordings.transcript import SPEAKERS, Speaker

TYPES = ("inquiry", "help", "complaint", "report", "suggestion", "praise")
"""Types of tickets (`tickets.ticket.TicketType`; the rooms do not know each other, a test holds them together)."""

MOST_WORDS = 2000
LONGEST_WORD = 40


class RulesError(ValueError):
    """The file cannot be used; `faults` has every reason, with the place in it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class ListKind(enum.Enum):
    """What a list of words is for."""

    OPENING = "opening"  #: 开头语: one of them is said in the talk's first seconds
    CLOSING = "closing"  #: 结束语: in its last seconds
    FORBIDDEN = "forbidden"  #: 服务禁语: none is ever said
    PROMISE = "promise"  #: 承诺语: somebody must see what was promised
    MOOD = "mood"  #: 情绪语: somebody is angry, in despair, or thanks
    NOTE = "note"  #: anything else that a hotline wants to find


@dataclass(frozen=True, slots=True)
class WordList:
    """Words, and of whom they are looked for (None = both).

    `by_sound`: also found by their pinyin. `unlike`: texts that sound like one of them and are something else; they
    are no hit. `not_after`: what stands right before a word and turns it round (不, 没有).
    """

    id: str
    kind: ListKind
    name_zh: str
    name_en: str
    words: tuple[str, ...]
    speaker: Speaker | None = None
    by_sound: bool = False
    unlike: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SaidType:
    """What callers say who want a ticket of `type`, and as which types it may then not be filed (类型不符)."""

    type: str
    words: tuple[str, ...]
    wrong: frozenset[str]
    by_sound: bool = False
    unlike: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything by which a call is inspected; `version` says which."""

    activity: ActivityRule = field(default_factory=ActivityRule)
    talk: TalkRule = field(default_factory=TalkRule)
    words: WordRule = field(default_factory=WordRule)
    lists: tuple[WordList, ...] = ()
    types: tuple[SaidType, ...] = ()
    version: str = ""


def rules_of(table: Mapping[str, Any]) -> Rules:
    """The rules that a file means. Raises `RulesError` with everything that is wrong."""
    faults: list[str] = []
    known = {"sound", "talk", "words", "lists", "types", "card"}
    faults += [f"{name}: unknown" for name in table if name not in known]
    found = Rules(
        _numbers(ActivityRule(), table.get("sound", {}), "sound", faults),
        _numbers(TalkRule(), table.get("talk", {}), "talk", faults),
        _numbers(WordRule(), table.get("words", {}), "words", faults),
        _several(table.get("lists", []), "lists", _list, faults),
        _several(table.get("types", []), "types", _type, faults),
    )
    faults += _doubled([one.id for one in found.lists], "lists")
    faults += _doubled([one.type for one in found.types], "types")
    faults += _crossed(found)
    if faults:
        raise RulesError(faults)
    return replace(found, version=_digest(found))


METHOD = 1
"""Raised when the same numbers and lists find something else than before, so that results of before are told apart."""


def _digest(rules: Rules) -> str:
    text = json.dumps({"method": METHOD, **asdict(rules)}, ensure_ascii=False, sort_keys=True, default=_plainly)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plainly(value: object) -> object:
    return value.value if isinstance(value, ListKind) else sorted(value)  # type: ignore[call-overload]


R = TypeVar("R", ActivityRule, TalkRule, WordRule)
T = TypeVar("T")

_BELOW_ZERO = {"least_dbfs", "noise_most_dbfs"}


def _numbers(usual: R, given: Any, place: str, faults: list[str]) -> R:
    """`usual` with the values that are given; each must be of the kind that it replaces."""
    if not isinstance(given, Mapping):
        faults.append(f"{place}: must be a table")
        return usual
    known = {one.name for one in fields(usual)}
    good: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            faults.append(f"{place}.{name}: unknown")
        elif isinstance(getattr(usual, name), tuple):
            if isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
                good[name] = tuple(value)
            else:
                faults.append(f"{place}.{name}: must be a list of texts")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            faults.append(f"{place}.{name}: must be a number")
        elif not (-96 <= value <= 0 if name in _BELOW_ZERO else 0 <= value <= 86_400):
            faults.append(f"{place}.{name}: out of range")
        else:
            good[name] = int(value) if isinstance(getattr(usual, name), int) else float(value)
    return replace(usual, **good)


def _several(
    given: Any, place: str, read: Callable[[Mapping[str, Any], str, list[str]], T], faults: list[str]
) -> tuple[T, ...]:
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        faults.append(f"{place}: must be tables")
        return ()
    return tuple(read(one, f"{place}[{index}]", faults) for index, one in enumerate(given, start=1))


def _list(given: Mapping[str, Any], place: str, faults: list[str]) -> WordList:
    _unknown(given, {one.name for one in fields(WordList)}, place, faults)
    id, kind, speaker = _text(given, "id", place, faults), given.get("kind"), given.get("speaker")
    if id and not (id.isascii() and id.replace("-", "").isalnum() and len(id) <= 32):
        faults.append(f"{place}.id: letters, digits and dashes, 32 at most")
    if id in RESERVED:
        faults.append(f"{place}.id: {id} is the name of a figure")
    if kind not in {one.value for one in ListKind}:
        faults.append(f"{place}.kind: one of {', '.join(one.value for one in ListKind)}")
        kind = ListKind.NOTE.value
    if speaker is not None and speaker not in SPEAKERS:
        faults.append(f"{place}.speaker: one of {', '.join(SPEAKERS)}")
        speaker = None
    return WordList(
        id,
        ListKind(kind),
        _text(given, "name_zh", place, faults),
        _text(given, "name_en", place, faults),
        _words(given, "words", place, faults, required=True),
        speaker,
        _flag(given, "by_sound", place, faults),
        _words(given, "unlike", place, faults),
        _words(given, "not_after", place, faults),
    )


def _type(given: Mapping[str, Any], place: str, faults: list[str]) -> SaidType:
    _unknown(given, {one.name for one in fields(SaidType)}, place, faults)
    type, wrong = given.get("type"), given.get("wrong", [])
    if type not in TYPES:
        faults.append(f"{place}.type: one of {', '.join(TYPES)}")
    if not isinstance(wrong, list) or any(one not in TYPES or one == type for one in wrong):
        faults.append(f"{place}.wrong: other types")
        wrong = []
    return SaidType(
        str(type),
        _words(given, "words", place, faults, required=True),
        frozenset(wrong),
        _flag(given, "by_sound", place, faults),
        _words(given, "unlike", place, faults),
        _words(given, "not_after", place, faults),
    )


def _unknown(given: Mapping[str, Any], known: set[str], place: str, faults: list[str]) -> None:
    faults += [f"{place}.{name}: unknown" for name in given if name not in known]


def _text(given: Mapping[str, Any], name: str, place: str, faults: list[str]) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 80:
        faults.append(f"{place}.{name}: must be a text")
        return ""
    return value


def _flag(given: Mapping[str, Any], name: str, place: str, faults: list[str]) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        faults.append(f"{place}.{name}: must be true or false")
    return value is True


def _words(
    given: Mapping[str, Any], name: str, place: str, faults: list[str], *, required: bool = False
) -> tuple[str, ...]:
    value = given.get(name, [])
    if not isinstance(value, list) or len(value) > MOST_WORDS or required and not value:
        faults.append(f"{place}.{name}: must be a list of words")
        return ()
    good = [one for one in value if isinstance(one, str) and len(plain(one)) > 0 and len(one) <= LONGEST_WORD]
    if len(good) < len(value):
        faults.append(f"{place}.{name}: each word needs letters, and {LONGEST_WORD} at most")
    return tuple(dict.fromkeys(good))


def plain(text: str) -> str:
    """A text as it is compared: letters, digits and characters alone, small, without blanks and punctuation."""
    return "".join(character for character in text.lower() if character.isalnum())


def _doubled(names: list[str], place: str) -> list[str]:
    return [f"{place}: {name} stands twice" for name in dict.fromkeys(names) if name and names.count(name) > 1]


def _crossed(rules: Rules) -> list[str]:
    words = rules.words
    faults = []
    if words.slow_per_minute >= words.fast_per_minute:
        faults.append("words.slow_per_minute: must be below fast_per_minute")
    if words.doubt_least_per_minute >= words.doubt_most_per_minute:
        faults.append("words.doubt_least_per_minute: must be below doubt_most_per_minute")
    if words.sound_syllables < 2:
        faults.append("words.sound_syllables: at least 2; a single syllable is found everywhere")
    if rules.talk.dead_air_s <= 0 or rules.talk.overtalk_s <= 0 or rules.talk.long_hold_s <= 0:
        faults.append("talk: dead_air_s, overtalk_s and long_hold_s are above 0")
    if not 0 < rules.activity.noise_percentile < 100 or rules.activity.around_s < 1:
        faults.append("sound: noise_percentile is between 0 and 100, around_s at least 1")
    return faults


RESERVED = frozenset(
    {
        "dead-air", "overtalk", "cut-by-agent", "cut-by-citizen", "long-hold", "fast", "slow", "type-mismatch",
        "talk_s", "citizen_s", "agent_s", "both_s", "silence_s", "hold_s", "agent_share", "agent_pace",
        "longest_silence_s",
    }
)  # fmt: skip
"""Names of what is measured; no list has one of them."""
