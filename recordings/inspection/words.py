"""What was said, found in a transcript: words of lists, exactly or by their sound. Pure.

By sound: recognisers of Mandarin err in homophones (政务 as 正物, 工单 as 攻单: shared/speech.md section 6), so a word
is also found where the syllables are the same. Against false alarms: words of one syllable are never looked for so;
short words must agree in their tones too; what a list names as `unlike` is no hit; and what was found only by its sound
is a suspicion, counted apart and never the ground of a fatal fault.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from recordings.inspection.rules import SaidType, WordList, plain
from recordings.inspection.thresholds import WordRule
from recordings.transcript import Speaker, Transcript, Turn

How = Literal["exact", "sound"]

Reading = Callable[[str], Sequence[str]]
"""The syllable of each character of a text, its tone as a digit behind it (`zheng4`); other characters as they are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One turn as it is searched: its letters, when each was said, and their syllables (none: not read)."""

    speaker: Speaker
    text: str
    at: tuple[float, ...]
    end_s: float
    sounds: tuple[str, ...] = ()

    def span(self, begin: int, end: int) -> tuple[float, float]:
        """From when to when these letters were said."""
        return self.at[begin], self.at[end] if end < len(self.at) else self.end_s


@dataclass(frozen=True, slots=True)
class Hit:
    """`word` of the list was said: when, by whom, in what letters, and how it was found."""

    word: str
    speaker: Speaker
    at_s: float
    end_s: float
    said: str
    how: How


def lines_of(transcript: Transcript, reading: Reading | None) -> list[Line]:
    """The turns as they are searched; `reading` None: nothing is found by its sound."""
    found = []
    for turn in transcript.turns:
        text, at = _timed(turn)
        if text:
            sounds = tuple(reading(text)) if reading is not None else ()
            if sounds and len(sounds) != len(text):
                sounds = ()  # a reading that lost count would give wrong places
            found.append(Line(turn.speaker, text, at, turn.end_s, sounds))
    return found


def _timed(turn: Turn) -> tuple[str, tuple[float, ...]]:
    """The letters of a turn and when each began: by its words' times, where it has any, else evenly."""
    pieces = [(word.text, word.start, word.end) for word in turn.words] or [(turn.text, turn.start_s, turn.end_s)]
    text, at = [], []
    for piece, begin, end in pieces:
        letters = plain(piece)
        text.append(letters)
        at += [begin + (end - begin) * place / len(letters) for place in range(len(letters))]
    return "".join(text), tuple(at)


@dataclass(slots=True)
class Finder:
    """Finds words in lines; what a word sounds like is read once."""

    rule: WordRule
    reading: Reading | None
    _sounds: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def hits(self, lines: Sequence[Line], wanted: WordList | SaidType, speaker: Speaker | None) -> list[Hit]:
        """Every hit, in the order of the talk; where two words of the list cover each other, the longer one."""
        found: list[Hit] = []
        for line in lines:
            if speaker is None or line.speaker == speaker:
                found += self._in_line(line, wanted)
        return sorted(found, key=lambda one: one.at_s)

    def _in_line(self, line: Line, wanted: WordList | SaidType) -> Iterator[Hit]:
        taken: list[tuple[int, int]] = []
        for how, places in self._ways(line, wanted):
            for begin, end, word in sorted(places, key=lambda place: (place[0] - place[1], place[0])):
                if any(begin < other_end and other_begin < end for other_begin, other_end in taken):
                    continue
                if any(line.text[:begin].endswith(plain(one)) for one in wanted.not_after):
                    taken.append((begin, end))
                    continue
                taken.append((begin, end))
                yield Hit(word, line.speaker, *line.span(begin, end), line.text[begin:end], how)

    def _ways(self, line: Line, wanted: WordList | SaidType) -> Iterator[tuple[How, list[tuple[int, int, str]]]]:
        yield (
            "exact",
            [
                (at, at + len(letters), word)
                for word in wanted.words
                if (letters := plain(word))
                for at in _all(line.text, letters)
            ],
        )
        if not wanted.by_sound or not line.sounds or self.reading is None:
            return
        unlike = [(at, at + len(text)) for text in map(plain, wanted.unlike) for at in _all(line.text, text)]
        found = []
        for word in wanted.words:
            sounds = self._sounds_of(word)
            if len(sounds) < self.rule.sound_syllables:
                continue
            toned = len(sounds) <= self.rule.tone_up_to
            for at in range(len(line.sounds) - len(sounds) + 1):
                if all(map(_same, line.sounds[at:], sounds) if toned else map(_alike, line.sounds[at:], sounds)):
                    end = at + len(sounds)
                    if not any(at < other_end and begin < end for begin, other_end in unlike):
                        found.append((at, end, word))
        yield "sound", found

    def _sounds_of(self, word: str) -> tuple[str, ...]:
        if word not in self._sounds:
            assert self.reading is not None
            self._sounds[word] = tuple(self.reading(plain(word)))
        return self._sounds[word]


def _all(text: str, letters: str) -> Iterator[int]:
    at = text.find(letters) if letters else -1
    while at >= 0:
        yield at
        at = text.find(letters, at + 1)


def _same(one: str, other: str) -> bool:
    return one == other


def _alike(one: str, other: str) -> bool:
    return one.rstrip("12345") == other.rstrip("12345") if one[:1].isalpha() else one == other


def within(hits: Sequence[Hit], begin_s: float, end_s: float) -> list[Hit]:
    """Those that began in [begin_s, end_s); they must be in order."""
    starts = [hit.at_s for hit in hits]
    return list(hits[bisect_left(starts, begin_s) : bisect_left(starts, end_s)])
