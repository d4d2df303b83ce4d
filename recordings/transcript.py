"""What was said in a call: words, turns and the whole, in time order.

Times are seconds from the start of the recording. A recogniser's confidence is carried but is no measure of
truth: on speech of another language Vosk reported up to 1.00 for nonsense (shared/speech.md section 2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

Speaker = Literal["citizen", "agent"]
SPEAKERS: tuple[Speaker, ...] = get_args(Speaker)
FORMAT = 1
"""Version of the JSON form; raised when a reader of the old form would misread the new one."""


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; `conf` 0..1, or None where the recogniser gives none (Vosk with alternatives)."""

    start: float
    end: float
    text: str
    conf: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said without a long pause."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A call's transcript, and by what it was made.

    `language`: the recogniser's, not a guess about the speech. `grammar`: the closed list of phrases the
    recogniser could choose from, or None for free speech. `doubts`: codes of what speaks against it, see
    `recordings.doubt`; one that has any is doubtful.
    """

    turns: tuple[Turn, ...]
    language: str
    recogniser: str
    grammar: tuple[str, ...] | None
    duration_s: float
    doubts: tuple[str, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether anything speaks against it."""
        return bool(self.doubts)

    def said_by(self, speaker: Speaker) -> str:
        """All that one speaker said, turns parted by blanks."""
        return " ".join(turn.text for turn in self.turns if turn.speaker == speaker)

    def to_text(self, names: Mapping[Speaker, str] | None = None) -> str:
        """One line a turn, in time order: `[00:12.4] citizen: ...`; `names`: how to write the speakers."""
        shown = names or {}
        return "\n".join(
            f"[{_clock(turn.start_s)}] {shown.get(turn.speaker, turn.speaker)}: {turn.text}" for turn in self.turns
        )

    def to_json(self) -> str:
        """The whole as JSON; `from_json` reads it back equal."""
        return json.dumps(
            {
                "format": FORMAT,
                "language": self.language,
                "recogniser": self.recogniser,
                "grammar": self.grammar,
                "duration_s": self.duration_s,
                "doubtful": self.doubtful,
                "doubts": self.doubts,
                "turns": [turn_to_dict(turn) for turn in self.turns],
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Transcript:
        """Read `to_json`'s form; raises ValueError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"transcript of format {data['format']!r}, this program reads {FORMAT}")
            grammar = data["grammar"]
            return cls(
                turns=tuple(turn_from_dict(turn) for turn in data["turns"]),
                language=str(data["language"]),
                recogniser=str(data["recogniser"]),
                grammar=None if grammar is None else tuple(str(phrase) for phrase in grammar),
                duration_s=float(data["duration_s"]),
                doubts=tuple(str(code) for code in data.get("doubts", ())),  # none in those of before
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a transcript: {error!r}") from error


_WORDS, _NEXT, _END = ', "words": [', '}, {"speaker": ', "}]}"


def outline(text: str) -> dict[str, Any]:
    """`to_json`'s form as plain values, but the words of each turn as the JSON that they are.

    Nine tenths of a transcript are its words with their times, and a search needs those of few turns. The marks between
    which they are cut out cannot stand in what was said: quotation marks are written with a backslash there.
    """
    head, *pieces = text.split(_WORDS)
    kept, words = [head], []
    for piece in pieces:
        said, mark, rest = piece.partition(_NEXT)
        words.append("[" + (said if mark else said.removesuffix(_END)))
        kept.append(f"{mark}{rest}" if mark else _END)
    data: dict[str, Any] = json.loads("".join(kept))
    for turn, said in zip(data["turns"], words, strict=True):
        turn["words"] = said
    return data


def _clock(seconds: float) -> str:
    tenths = round(seconds * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def turn_to_dict(turn: Turn) -> dict[str, Any]:
    """A turn as plain values, for JSON; words as `[start, end, text, conf]`."""
    return {
        "speaker": turn.speaker,
        "start_s": turn.start_s,
        "end_s": turn.end_s,
        "text": turn.text,
        "words": [[word.start, word.end, word.text, word.conf] for word in turn.words],
    }


def turn_from_dict(data: Mapping[str, Any]) -> Turn:
    """The inverse of `turn_to_dict`; raises ValueError, KeyError or TypeError for another form."""
    speaker = data["speaker"]
    if speaker not in SPEAKERS:
        raise ValueError(f"unknown speaker {speaker!r}")
    words = tuple(
        Word(float(start), float(end), str(text), None if conf is None else float(conf))
        for start, end, text, conf in data["words"]
    )
    return Turn(speaker, float(data["start_s"]), float(data["end_s"]), str(data["text"]), words)


def words_from_vosk(result: Mapping[str, Any]) -> list[Word]:
    """The words of one result of Vosk 0.3.45, in either of its two shapes.

    Plain: `{"result": [{"conf", "start", "end", "word"}], "text"}`. With `SetMaxAlternatives`:
    `{"alternatives": [{"confidence", "result": [{"start", "end", "word"}], "text"}]}`, best first, whose
    words have no confidence (shared/speech.md section 1). A result with nothing heard gives an empty list.
    """
    if alternatives := result.get("alternatives"):
        result = alternatives[0]
    return [
        Word(float(word["start"]), float(word["end"]), str(word["word"]), word.get("conf"))
        for word in result.get("result", ())
    ]


# Han characters, and the punctuation and full-width forms set with them. Hangul is left out: Korean has
# blanks.
_HAN = r"[\u2e80-\u2fff\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]"
_BETWEEN_HAN = re.compile(rf"(?<={_HAN})\s+(?={_HAN})")


def join_words(texts: Iterable[str]) -> str:
    """Words to a sentence: blanks between them, but none between two Chinese ones."""
    return _BETWEEN_HAN.sub("", " ".join(text.strip() for text in texts if text.strip()))


def turns_of(speaker: Speaker, words: Iterable[Word], gap_s: float = 1.0) -> list[Turn]:
    """One leg's words as turns: a pause of at least `gap_s` seconds begins a new one."""
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda w: (w.start, w.end)):
        if groups and word.start - max(w.end for w in groups[-1]) < gap_s:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        Turn(
            speaker,
            group[0].start,
            max(w.end for w in group),
            join_words(w.text for w in group),
            tuple(group),
        )
        for group in groups
    ]


def merge(by_leg: Mapping[Speaker, Sequence[Turn]]) -> tuple[Turn, ...]:
    """The turns of all legs in the order in which they began; at the same instant the citizen's first.

    Raises ValueError if a turn stands under another speaker than its own.
    """
    for speaker, turns in by_leg.items():
        if any(turn.speaker != speaker for turn in turns):
            raise ValueError(f"a turn under {speaker!r} belongs to another speaker")
    every = [turn for turns in by_leg.values() for turn in turns]
    return tuple(sorted(every, key=lambda turn: (turn.start_s, SPEAKERS.index(turn.speaker), turn.end_s)))
