"""By which words transcripts are found, and where they stand in what was said. Pure.

The terms are those of the whole hotline (`pbx.terms`): pairs of Chinese characters, Latin words and numbers. A call has
one set of keys: of what the citizen said above zero, of what the agent said below. What only who may read personal data
finds has keys of its own, so that nobody learns by searching what he is not shown. A call is found when it has all that
is asked for; whether the characters of a word really follow each other is seen in the words themselves (`hits`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pbx.ids import AgentId, CallId, QueueId, TicketNumber
from pbx.terms import key_of, normalised, runs, terms
from recordings.corrections import Read, ReadTurn
from recordings.personal_data import RULES
from recordings.transcript import Speaker

INDEX = 100 + RULES
"""Which keys a call has by these rules; those of another number are made anew."""

LONGEST_QUERY = 200
MOST_WORDS = 16
MOST_TURNS = 20
"""Turns of one call that a search shows."""

PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: calls that began in [since, until), epoch seconds, in which all of `words` were said.

    `speaker`: by him; None = by anybody. `agent`, `queue`: of these. `taken_by`: its ticket was taken down by this
    agent. `personal`: whoever asks may read personal data.
    `after`: the place of the last call of the page before. `newest`: the newest first.
    """

    words: tuple[str, ...]
    since: float = 0.0
    until: float = 4e9
    speaker: Speaker | None = None
    agent: AgentId | None = None
    queue: QueueId | None = None
    taken_by: str | None = None
    personal: bool = False
    newest: bool = True
    after: int | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class TurnHit:
    """A turn in which words were found: `spans` are characters [start, end) of `text` (Unicode code points), `at_s` the
    second of the recording at which the first of them is said.
    """

    n: int
    speaker: Speaker
    start_s: float
    end_s: float
    at_s: float
    text: str
    spans: tuple[tuple[int, int], ...]
    corrected: bool


@dataclass(frozen=True, slots=True)
class CallHit:
    """A call in which all was found, with what is known of it; `began_at`: epoch seconds. `turns_found`: so many there
    are, of which `turns` are the first.
    """

    call: CallId
    ticket: TicketNumber | None
    began_at: float
    agent: AgentId | None
    queue: QueueId | None
    duration_s: float
    turns: tuple[TurnHit, ...]
    turns_found: int


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Calls in the order that was asked for; `next`: the `after` of the next page, None when there is no more.

    A page may have fewer calls than were asked for, or none, and a next one all the same.
    """

    hits: tuple[CallHit, ...]
    next: int | None = None


def looked_for(text: str) -> tuple[str, ...]:
    """The words of a query; empty where it has none. One Chinese character alone is none: every call has it."""
    found = dict.fromkeys(run for run in runs(normalised(text[:LONGEST_QUERY])) if len(run) > 1 or run.isascii())
    return tuple(found)[:MOST_WORDS]


# ---------------------------------------------------------------- keys


def keys_of(shown: Read, agent: str = "", queue: str = "", taken_by: str = "") -> frozenset[int]:
    """The keys of a call: what was said, its personal data, its agent and queue, and who took down its ticket."""
    keys: set[int] = set()
    for speaker in ("citizen", "agent"):
        mine = [turn for turn in shown.turns if turn.turn.speaker == speaker]
        open_terms = set(terms(normalised("\n".join(one.hidden().turn.text for one in mine))))
        every = set(terms(normalised("\n".join(one.turn.text for one in mine if one.personal)))) - open_terms
        sign = _SIGNS[speaker]
        keys |= {sign * key_of(term) for term in open_terms}
        keys |= {sign * _personal(term) for term in every}
    for found in shown.found:
        sign = _SIGNS[shown.turns[found.parts[0].turn].turn.speaker]
        keys.add(sign * _personal(normalised(found.value)))
    kinds = (("agent", agent), ("queue", queue), ("taken_by", taken_by))
    return frozenset(keys | {_kind(name, value) for name, value in kinds if value})


_SIGNS = {"citizen": 1, "agent": -1}


def _personal(term: str) -> int:
    return key_of(f"personal:{term}")  # no term of a text has a colon


def _kind(name: str, value: str) -> int:
    return key_of(f"{name}:{value}")


def wanted_keys(wanted: Wanted) -> list[tuple[int, ...]]:
    """Of each of these groups a call must have a key."""
    signs = [_SIGNS[wanted.speaker]] if wanted.speaker is not None else [1, -1]
    groups: dict[tuple[int, ...], None] = {}
    for word in wanted.words:
        for term in terms(word):
            found = [sign * key_of(term) for sign in signs]
            if wanted.personal:
                found += [sign * _personal(term) for sign in signs]
            groups[tuple(found)] = None
    for name, value in (("agent", wanted.agent), ("queue", wanted.queue), ("taken_by", wanted.taken_by)):
        if value:
            groups[_kind(name, value),] = None
    return list(groups)


# ---------------------------------------------------------------- in the words themselves


def hits(shown: Read, wanted: Wanted) -> list[tuple[ReadTurn, tuple[tuple[int, int], ...]]]:
    """The turns in which any word stands, with where; empty unless the call has every one of them."""
    values: dict[str, list[tuple[int, int, int]]] = {}
    if wanted.personal:
        for piece in shown.found:
            values.setdefault(normalised(piece.value), []).extend((p.turn, p.start, p.end) for p in piece.parts)
    patterns = [_pattern(word) for word in wanted.words]
    seen = [False] * len(patterns)
    found: list[tuple[ReadTurn, tuple[tuple[int, int], ...]]] = []
    for read in shown.turns:
        if wanted.speaker is not None and read.turn.speaker != wanted.speaker:
            continue
        one = read if wanted.personal or not read.personal else read.hidden()
        folded, places = _folded(one.turn.text)
        spans: list[tuple[int, int]] = []
        for index, (word, pattern) in enumerate(zip(wanted.words, patterns, strict=True)):
            mine = [(places[hit.start()], places[hit.end() - 1] + 1) for hit in pattern.finditer(folded)]
            mine += [(start, end) for turn, start, end in values.get(word, ()) if turn == read.n]
            seen[index] = seen[index] or bool(mine)
            spans += mine
        if spans:
            found.append((one, tuple(_joined(spans))))
    return found if all(seen) else []


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9]){word}(?![a-z0-9])" if word.isascii() else re.escape(word))


_PLAIN = re.compile(r"[\u4e00-\u9fff a-z0-9,.?!，。？！、]*")
"""What is compared as it stands: nearly all that recognisers write."""


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """The text as it is compared, and of each of its characters the place in the text."""
    if _PLAIN.fullmatch(text):
        return text, range(len(text))
    signs: list[str] = []
    places: list[int] = []
    for place, sign in enumerate(text):
        if unicodedata.category(sign) != "Cf":
            for one in normalised(sign):
                signs.append(one)
                places.append(place)
    return "".join(signs), places


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def second_of(text: str, words: Iterable[Sequence[object]], place: int, start_s: float) -> float:
    """When the character at `place` of a turn's text is said; `words` as in the transcript's JSON."""
    at, second = 0, start_s
    for begin, _, said, *_ in words:
        bare = str(said).strip()
        start = text.find(bare, at) if bare else -1
        if start < 0:
            continue
        if start > place:
            break
        at, second = start + len(bare), float(begin)  # type: ignore[arg-type]
    return second
