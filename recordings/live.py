"""Words while people talk: on which time line they stand, and the turns that they make. Pure.

Live turns are made by the rule of the transcript after the call (`recordings.transcript.turns_of`), from the words of
one leg after the other, so that the two differ by what the recogniser heard and not by how it was put together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from recordings.transcript import SPEAKERS, Speaker, Turn, Word, join_words

GAP_S = 0.3
"""A frame that comes so much later than the sound before it has room for was not delayed on its way: the leg was
silent. (A phone without voice sends nothing, shared/asterisk.md 0.18.)"""

LONGEST_FILL_S = 1.0
"""So much silence is put in the place of a longer gap: enough for the recogniser to end the sentence, and no work for
minutes of nothing."""


class TimeLine:
    """Where the samples that one leg's recogniser is given stand in the call's recording.

    Sound comes over the network of this machine, a frame each 20 ms, sometimes late and then several at once, never
    early: so the least late frame since the last gap says where they all stand.
    """

    def __init__(self, rate: int, recording_since: float) -> None:
        """`recording_since`: epoch second of the recording's beginning."""
        self._rate = rate
        self._zero = recording_since
        self._given = 0
        self._firsts: list[int] = []  # the first sample after each gap
        self._since: list[float] = []  # the epoch second of that sample

    @property
    def given(self) -> int:
        """Samples so far, those of filled gaps included."""
        return self._given

    def arrived(self, samples: int, at: float) -> int:
        """So many samples have come at epoch second `at`; how many samples of silence belong before them."""
        fill = 0
        began = at - samples / self._rate
        expected = began
        if self._firsts:
            expected = self._since[-1] + (self._given - self._firsts[-1]) / self._rate
        if not self._firsts or began - expected > GAP_S:
            fill = round(min(began - expected, LONGEST_FILL_S) * self._rate)
            self._firsts.append(self._given + fill)
            self._since.append(began)
        elif began < expected:
            self._since[-1] -= expected - began
        self._given += fill + samples
        return fill

    def at(self, sample: float) -> float:
        """Seconds from the recording's start to this sample; what was filled into a gap follows the sound before it."""
        if not self._firsts:
            return 0.0
        part = max(0, bisect_right(self._firsts, sample) - 1)
        return round(self._since[part] + (sample - self._firsts[part]) / self._rate - self._zero, 3)

    def words(self, heard: Sequence[Word], base: int = 0) -> list[Word]:
        """A recogniser's words (seconds since the sample `base`) on the recording's time line."""
        begin = base / self._rate
        found = []
        for word in heard:
            start = self.at((begin + word.start) * self._rate)
            end = self.at((begin + word.end) * self._rate)
            found.append(Word(start, max(start, end), word.text, word.conf))
        return found


@dataclass(frozen=True, slots=True)
class LiveTurn:
    """A turn so far. `who`: the agent or extension who speaks, empty for the citizen. Times as in the transcript."""

    speaker: Speaker
    who: str
    start_s: float
    end_s: float
    text: str


class LiveTurns:
    """What was said in one call so far, bounded: of a talk of hours the newest part is kept."""

    def __init__(self, gap_s: float = 1.0, most: int = 400) -> None:
        """`gap_s`: the pause that begins a new turn; `most`: turns that are kept."""
        self._gap_s, self._most = gap_s, most
        self._turns: list[LiveTurn] = []
        self._partial: dict[tuple[Speaker, str], str] = {}
        self.dropped = 0
        """Turns that were let go."""

    def partial(self, speaker: Speaker, who: str, text: str) -> bool:
        """What is being said just now, which may still change; whether it is another one than before."""
        key = (speaker, who)
        if self._partial.get(key, "") == text:
            return False
        if text:
            self._partial[key] = text
        else:
            self._partial.pop(key, None)
        return True

    def final(self, speaker: Speaker, who: str, words: Sequence[Word]) -> bool:
        """Words that change no more, in order; whether there was anything to keep. What was partial of them is over."""
        changed = self.partial(speaker, who, "")
        for word in words:
            self._add(speaker, who, word)
            changed = True
        over = len(self._turns) - self._most
        if over > 0:
            self._turns.sort(key=_begin)
            del self._turns[:over]
            self.dropped += over
        return changed

    def _add(self, speaker: Speaker, who: str, word: Word) -> None:
        for place in range(len(self._turns) - 1, -1, -1):
            turn = self._turns[place]
            if (turn.speaker, turn.who) == (speaker, who):
                if word.start - turn.end_s < self._gap_s:
                    end = max(turn.end_s, word.end)
                    text = join_words((turn.text, word.text))
                    self._turns[place] = LiveTurn(speaker, who, turn.start_s, end, text)
                    return
                break
        self._turns.append(LiveTurn(speaker, who, word.start, word.end, word.text))

    def turns(self) -> tuple[LiveTurn, ...]:
        """All turns in the order in which they began; at the same instant the citizen's first."""
        return tuple(sorted(self._turns, key=_begin))

    def now(self) -> tuple[tuple[Speaker, str, str], ...]:
        """What is being said just now: speaker, who, text."""
        return tuple((speaker, who, text) for (speaker, who), text in sorted(self._partial.items()))

    def said_by_citizen(self, longest: int) -> str:
        """The last `longest` characters of what the citizen has said, and is saying."""
        parts = [turn.text for turn in self.turns() if turn.speaker == "citizen"]
        parts += [text for speaker, _, text in self.now() if speaker == "citizen"]
        return join_words(parts)[-longest:]


def _begin(turn: LiveTurn) -> tuple[float, int, float]:
    return turn.start_s, SPEAKERS.index(turn.speaker), turn.end_s


def differences(live: Sequence[Turn | LiveTurn], after: Sequence[Turn], bound_s: float) -> list[str]:
    """Where live turns and the transcript after the call say another thing, or the same more than `bound_s` apart.

    One line for each; empty where they match. Texts are compared speaker by speaker, in order.
    """
    found = []
    for speaker in SPEAKERS:
        mine = [turn for turn in live if turn.speaker == speaker]
        theirs = [turn for turn in after if turn.speaker == speaker]
        if [turn.text for turn in mine] != [turn.text for turn in theirs]:
            found.append(f"{speaker}: {len(mine)} turns live, {len(theirs)} after, or other words in them")
            continue
        for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            apart = max(abs(one.start_s - other.start_s), abs(one.end_s - other.end_s))
            if apart > bound_s:
                found.append(f"{speaker}, turn {number + 1}: {apart:.2f} s apart")
    return found
