"""A closed list of phrases as a recogniser of a given vocabulary can hear it. Pure.

Vosk drops the words of a list that its model does not know without a word about it, and models for Chinese know words
(政务, 服务) and not what people put together of them (政务服务). So each phrase is fitted to the vocabulary first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

UNKNOWN = "[unk]"
"""What most of Vosk's models answer for speech that is not in the list; a model without it forces it onto the list."""

FILLER_LETTERS = 4
"""A filler has so many letters at most: longer words resemble nothing but themselves."""

MOST_FILLERS = 300

Knows = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ClosedList:
    """What may be heard. `phrases`: what is meant; `others`: words beside them that are heard and mean nothing.

    `fillers`: so many words of the model's own beside them, where it has no word for everything else (`fillers_of`).
    `settle_s`: words that have not changed for so long are said to their end; the recogniser's own judgement of when
    somebody has ended takes a second (shared/speech.md section 1).
    """

    phrases: tuple[str, ...]
    others: tuple[str, ...] = ()
    settle_s: float = 0.5
    fillers: int = 0

    def encode(self) -> bytes:
        """As it travels to a recogniser's process."""
        return json.dumps([self.phrases, self.others, self.settle_s, self.fillers], ensure_ascii=False).encode()

    @staticmethod
    def decode(data: bytes) -> ClosedList:
        """The inverse of `encode`."""
        phrases, others, settle_s, fillers = json.loads(data)
        return ClosedList(tuple(phrases), tuple(others), float(settle_s), int(fillers))


def fitted(phrase: str, knows: Knows) -> str | None:
    """The phrase as words of a vocabulary, with blanks between them; None where it cannot be put together of any.

    Of all ways that with the fewest words, and of those the one whose first words are the longest. Small letters are
    tried where the phrase's own are not known.
    """
    words = []
    for part in phrase.split():
        found = _split(part, knows) or _split(part.lower(), knows)
        if found is None:
            return None
        words += found
    return " ".join(words) or None


def _split(part: str, knows: Knows) -> list[str] | None:
    """`best[i]`: the best way to put together what stands from character i on."""
    best: list[list[str] | None] = [None] * len(part) + [[]]
    for begin in range(len(part) - 1, -1, -1):
        for end in range(len(part), begin, -1):
            rest = best[end]
            if rest is None or not knows(part[begin:end]):
                continue
            here = best[begin]
            if here is None or len(rest) + 1 < len(here):
                best[begin] = [part[begin:end], *rest]
    return best[0]


def unheard(phrases: Iterable[str], knows: Knows) -> list[str]:
    """The phrases that cannot be heard at all."""
    return [phrase for phrase in phrases if fitted(phrase, knows) is None]


def fillers_of(vocabulary: Iterable[str]) -> tuple[str, ...]:
    """Short words of a vocabulary, in an order in which each beginning of the list is spread over all of it.

    A model without `UNKNOWN` forces whatever is said onto the list. Some of its own words beside the choices take that
    in: with 100 of them 3 of 116 sentences of other languages and noises were taken for one of four choices (confidence
    0.9 or more), without them 40 (`hotline bench spoken`); with 500 the choices themselves were lost.
    """
    short = [word for word in vocabulary if 1 <= len(word) <= FILLER_LETTERS and word.isalpha()]
    return tuple(sorted(short, key=lambda word: blake2b(word.encode(), digest_size=8).digest())[:MOST_FILLERS])


def grammar_of(closed: ClosedList, knows: Knows, fillers: Sequence[str] = ()) -> str | None:
    """The list in Vosk's form; None where none of its phrases can be heard. `fillers`: all that there are.

    `ensure_ascii` would leave it silently empty: Vosk does not decode the escapes (shared/speech.md 0.5).
    """
    found = [one for one in (fitted(phrase, knows) for phrase in closed.phrases) if one is not None]
    if not found:
        return None
    more = [one for one in (fitted(phrase, knows) for phrase in closed.others) if one is not None]
    if knows(UNKNOWN):
        more.append(UNKNOWN)
    else:
        taken = {word for phrase in found for word in phrase.split()}
        more += [word for word in fillers if word not in taken][: closed.fillers]
    return json.dumps(list(dict.fromkeys([*found, *more])), ensure_ascii=False)
