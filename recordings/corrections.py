"""Corrections of a transcript by people, beside what was recognised, and the transcript as it is read with them. Pure.

A correction says what one speaker really said from when to when. What was recognised is never changed: the latest
correction of a turn is shown in its place. When a call is transcribed anew, a correction goes on to the new turn of the
same speaker that begins and ends within `FITS_S` of its own; one that fits no turn any more is kept and shown as such.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher

from recordings.personal_data import Found, Kind, digit_spans, find, masked, spans_by_turn
from recordings.transcript import Speaker, Transcript, Turn, Word

_STARS = re.compile(r"\*+")

FITS_S = 0.5
"""Two recognisers part the same words so far from each other at most."""

LONGEST_TEXT = 4000
"""Characters of a correction; a turn of half an hour has fewer."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One person's word for what was said. `version`: the transcript's, after it; `base`: of which it was made, that is
    the version since when the recognised words were as they were. `turn`, `start_s`, `end_s` and `was` are of the turn
    that was corrected, `was` as it was recognised. `at`: epoch seconds.
    """

    version: int
    base: int
    turn: int
    speaker: Speaker
    start_s: float
    end_s: float
    was: str
    text: str
    by: str
    role: str
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A transcript as it is stored: what was recognised, since which version (`base`), every correction in order."""

    transcript: Transcript
    base: int = 1
    corrections: tuple[Correction, ...] = ()

    @property
    def version(self) -> int:
        """Grows with each correction and each new transcription."""
        return max([self.base, *(one.version for one in self.corrections)])


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """A turn as it is read: `turn` with the correction in it, `original` as it was recognised (None = nothing was
    corrected), `version`: since when it is as it is.
    """

    n: int
    turn: Turn
    version: int
    original: Turn | None = None
    correction: Correction | None = None
    personal: tuple[tuple[int, int, Kind], ...] = ()
    personal_original: tuple[tuple[int, int, Kind], ...] = ()

    def hidden(self) -> ReadTurn:
        """The same without its personal data: stars in its place, words without their text but with their times."""
        original = None if self.original is None else _masked_turn(self.original, self.personal_original)
        return replace(self, turn=_masked_turn(self.turn, self.personal), original=original)


@dataclass(frozen=True, slots=True)
class Read:
    """A transcript as it is read. `unfitting`: the latest corrections of turns that there are not any more."""

    turns: tuple[ReadTurn, ...]
    unfitting: tuple[Correction, ...] = ()
    found: tuple[Found, ...] = field(default=(), compare=False)


def cleaned(text: str) -> str:
    """What somebody wrote, without characters that nobody sees and that turn the direction of others around.

    U+200D stays: it joins parts of one emoji.
    """
    return "".join(one for one in text if one == "\u200d" or not _unseen(one)).strip()


def _unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def read(kept: Kept) -> Read:
    """The transcript with its corrections, and where personal data stand in it."""
    recognised = kept.transcript.turns
    fitting, unfitting = _placed(kept)
    shown = [
        recognised[n] if n not in fitting else corrected(recognised[n], fitting[n].text) for n in range(len(recognised))
    ]
    found = find(shown)
    spans = spans_by_turn(found)
    before = spans if not fitting else spans_by_turn(find(recognised))
    turns = []
    for n, turn in enumerate(shown):
        correction = fitting.get(n)
        mine = spans.get(n, [])
        if correction is None and n in before and before[n] != mine:
            # A correction beside it must not bring to light what was hidden.
            mine = _joined([*mine, *before[n]])
        elif correction is not None and n in before:
            mine = _joined([*mine, *digit_spans(turn.text)])
        turns.append(
            ReadTurn(
                n,
                turn,
                max(kept.base, correction.version if correction is not None else 0),
                recognised[n] if correction is not None else None,
                correction,
                tuple(mine),
                tuple(before.get(n, ())) if correction is not None else (),
            )
        )
    return Read(tuple(turns), unfitting, tuple(found))


def _placed(kept: Kept) -> tuple[dict[int, Correction], tuple[Correction, ...]]:
    """The latest correction of each turn that there is, and the latest ones of others."""
    latest: dict[tuple[int, int], Correction] = {}
    for one in sorted(kept.corrections, key=lambda correction: correction.version):
        latest[one.base, one.turn] = one
    fitting: dict[int, Correction] = {}
    unfitting: list[Correction] = []
    for one in sorted(latest.values(), key=lambda correction: correction.version):
        n = one.turn if one.base == kept.base else _turn_of(kept.transcript.turns, one)
        if n is None or n >= len(kept.transcript.turns):
            unfitting.append(one)
        else:
            fitting[n] = one
    return fitting, tuple(unfitting)


def _turn_of(turns: Sequence[Turn], correction: Correction) -> int | None:
    near = [
        (abs(turn.start_s - correction.start_s) + abs(turn.end_s - correction.end_s), n)
        for n, turn in enumerate(turns)
        if turn.speaker == correction.speaker
        and abs(turn.start_s - correction.start_s) <= FITS_S
        and abs(turn.end_s - correction.end_s) <= FITS_S
    ]
    return min(near)[1] if near else None


def version_of_turn(kept: Kept, n: int) -> int | None:
    """Since which version the turn is as it is; None when there is no such turn."""
    if not 0 <= n < len(kept.transcript.turns):
        return None
    mine = _placed(kept)[0].get(n)
    return max(kept.base, mine.version if mine is not None else 0)


def history(kept: Kept, n: int) -> tuple[Correction, ...]:
    """Every correction of the turn, oldest first, those made before the call was transcribed anew too."""
    turns = kept.transcript.turns
    return tuple(
        one
        for one in sorted(kept.corrections, key=lambda correction: correction.version)
        if (one.turn if one.base == kept.base else _turn_of(turns, one)) == n
    )


def corrected(turn: Turn, text: str) -> Turn:
    """The turn with another text. Words that stayed keep their times; what stands between them has the time between."""
    letters = [(sign, index) for index, word in enumerate(turn.words) for sign in word.text if not sign.isspace()]
    places = [place for place, sign in enumerate(text) if not sign.isspace()]
    matcher = SequenceMatcher(None, [sign for sign, _ in letters], [text[place] for place in places], autojunk=False)
    stayed: dict[int, int] = {}  # letters of before: where they stand now
    for block in matcher.get_matching_blocks():
        stayed |= {block.a + step: places[block.b + step] for step in range(block.size)}
    words: list[Word] = []
    at, time, first = 0, turn.start_s, 0
    for index, word in enumerate(turn.words):
        size = sum(not sign.isspace() for sign in word.text)
        now = [stayed.get(letter) for letter in range(first, first + size)]
        first += size
        if not now or now[0] is None or None in now:
            continue
        start, end = now[0], (now[-1] or 0) + 1
        if text[start:end].replace(" ", "") != word.text.replace(" ", ""):
            continue
        if between := text[at:start].strip():
            words.append(Word(time, word.start, between))
        words.append(turn.words[index])
        at, time = end, word.end
    if rest := text[at:].strip():
        words.append(Word(min(time, turn.end_s), turn.end_s, rest))
    return replace(turn, text=text, words=tuple(words))


def restored(sent: str, was: str, spans: Sequence[tuple[int, int, Kind]]) -> str | None:
    """What somebody meant who was shown stars for `spans` of `was`: they stand for what they hid.

    None unless all of them are still there, each as long as it was.
    """
    hidden = masked(was, spans)
    before = [found.span() for found in _STARS.finditer(hidden)]
    now = list(_STARS.finditer(sent))
    if [end - start for start, end in before] != [len(found[0]) for found in now]:
        return None
    pieces, at = [], 0
    for (start, end), found in zip(before, now, strict=True):
        pieces += [sent[at : found.start()], was[start:end]]
        at = found.end()
    return "".join([*pieces, sent[at:]])


def _masked_turn(turn: Turn, spans: Sequence[tuple[int, int, Kind]]) -> Turn:
    if not spans:
        return turn
    words: list[Word] = []
    at = 0
    for word in turn.words:
        bare = word.text.strip()
        start = turn.text.find(bare, at) if bare else -1
        if start < 0:  # the words are not those of the text: nothing of them is shown
            words.append(replace(word, text="*" * len(word.text)))
            continue
        at = start + len(bare)
        hit = any(begin < at and start < end for begin, end, _ in spans)
        words.append(replace(word, text="*" * len(bare)) if hit else word)
    return replace(turn, text=masked(turn.text, spans), words=tuple(words))


def _joined(spans: Sequence[tuple[int, int, Kind]]) -> list[tuple[int, int, Kind]]:
    """The spans in order, those that touch as one."""
    found: list[tuple[int, int, Kind]] = []
    for start, end, kind in sorted(spans, key=lambda span: span[:2]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]), found[-1][2])
        else:
            found.append((start, end, kind))
    return found
