"""DOOR to Vosk for live sound: many legs, heard as they talk. Runs only in a worker process
(`python -m recordings.live_recogniser`).

It takes binary messages on standard input, each one byte of kind, four bytes number of the leg, four bytes length (all
with the high byte first), and the payload: `OPEN` (a rate in Hz, four bytes; for a leg of which only a closed list is
to be heard, the list: `recordings.closed.ClosedList`), `SOUND` (16 bit little endian), `CLOSE` (say what is left),
`DROP` (forget it). It answers in JSON lines: one ``{"ready": …}`` or ``{"failed": "…"}``, then ``{"leg": n, "at":
samples, …}`` with ``"partial"``, ``"final"`` (words as ``[start, end, text, conf]``, seconds since the leg's opening),
``"closed"`` or ``"deaf"`` (the model knows nothing of the leg's list); a line without any of these says how far it has
come, at least once each `SAY_EVERY` samples. The end of standard input, which is also what the parent's death looks
like, ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from recordings.closed import UNKNOWN, ClosedList, fillers_of, grammar_of
from recordings.recogniser import NICENESS, RecogniserError, RecogniserSpec, VoskRecogniser, _refuse_network
from recordings.transcript import words_from_vosk
from recordings.vocabulary import BadModel, vocabulary

HEAD = struct.Struct(">BII")
OPEN, SOUND, CLOSE, DROP = 1, 2, 3, 4
CLOSED = "closed"
SAY_EVERY = 4000
"""Samples, half a second of 8 kHz: how often is said at least how far a leg is heard."""


class StreamingVosk(VoskRecogniser):
    """The recogniser of recordings, leg by leg as it comes."""

    _fillers: tuple[str, ...] = ()

    def prepare_closed(self, path: Path) -> None:
        """For closed lists: read the model's words, if it has none for what is not in a list. Takes a second."""
        if not self.knows(UNKNOWN):
            with contextlib.suppress(BadModel, OSError):
                self._fillers = fillers_of(vocabulary(path) or ())

    def open(self, rate: int, closed: ClosedList | None = None) -> Any:
        """Vosk's own recogniser for one leg of `rate` Hz, with the leg's list, or the model's grammar, if there is one.

        None where the model knows no phrase of the leg's list.
        """
        grammar = () if self._grammar is None else (self._grammar,)
        if closed is not None:
            own = grammar_of(closed, self.knows, self._fillers)
            if own is None:
                return None
            grammar = (own,)
        recogniser = self._vosk.KaldiRecognizer(self._model, rate, *grammar)
        recogniser.SetWords(True)
        return recogniser

    def knows(self, word: str) -> bool:
        """Whether a word is in the model's vocabulary."""
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def words(self, result: str) -> list[list[object]]:
        """A result's words that are sure enough, as they travel."""
        heard = words_from_vosk(json.loads(result))
        return [[w.start, w.end, w.text, w.conf] for w in heard if w.conf is None or w.conf >= self._min_conf]


class _Leg:
    """One leg that is being heard."""

    def __init__(self, number: int, vosk: StreamingVosk, rate: int, closed: ClosedList | None = None) -> None:
        self._number, self._vosk = number, vosk
        self._recogniser = vosk.open(rate, closed)
        self._settle = None if closed is None else round(closed.settle_s * rate)
        self._say_every = SAY_EVERY if closed is None else rate // 10  # a caller waits for it: who is slow is seen soon
        self._at = self._said = self._since = 0
        self._partial = ""

    def take(self, pcm: bytes) -> list[dict[str, object]]:
        """Hear it; what is new."""
        ended = self._recogniser is not None and self._recogniser.AcceptWaveform(pcm)
        self._at += len(pcm) // 2
        if self._recogniser is None:
            return [self._say(deaf=True)]
        if ended:
            return self._final(self._recogniser.Result())
        text = str(json.loads(self._recogniser.PartialResult()).get("partial", ""))
        if text != self._partial:
            self._partial, self._since = text, self._at
            return [self._say(partial=text)]
        if self._settle is not None and text and self._at - self._since >= self._settle:
            return self._final(self._recogniser.FinalResult())
        return [self._say()] if self._at - self._said >= self._say_every else []

    def close(self) -> list[dict[str, object]]:
        """What is left."""
        if self._recogniser is None:
            return [self._say(closed=True)]
        return [*self._final(self._recogniser.FinalResult()), self._say(closed=True)]

    def _final(self, result: str) -> list[dict[str, object]]:
        words, had = self._vosk.words(result), self._partial
        self._partial = ""
        return [self._say(final=words)] if words or had else []

    def _say(self, **what: object) -> dict[str, object]:
        self._said = self._at
        return {"leg": self._number, "at": self._at, **what}


def serve(vosk: StreamingVosk, messages: BinaryIO, answers: BinaryIO) -> None:
    """Answer messages until there are no more."""
    legs: dict[int, _Leg] = {}
    while len(head := messages.read(HEAD.size)) == HEAD.size:
        kind, number, length = HEAD.unpack(head)
        payload = messages.read(length)
        if kind == OPEN:
            closed = ClosedList.decode(payload[4:]) if len(payload) > 4 else None
            legs[number] = _Leg(number, vosk, int.from_bytes(payload[:4], "big"), closed)
            continue
        leg = legs.get(number)
        if leg is None:
            continue
        said: list[dict[str, object]] = []
        if kind == SOUND:
            said = leg.take(payload)
        elif kind == CLOSE:
            said = legs.pop(number).close()
        elif kind == DROP:
            del legs[number]
        if said:
            answers.write(b"".join(json.dumps(one).encode() + b"\n" for one in said))
            answers.flush()


def main(argv: Sequence[str]) -> int:
    """The worker process: the specification as JSON, and `CLOSED` where its legs have closed lists."""
    sys.addaudithook(_refuse_network)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    os.nice(NICENESS)
    # The protocol gets a descriptor of its own: what a library prints must not be taken for an answer.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            spec = RecogniserSpec.from_json(argv[1])
            try:
                vosk = StreamingVosk(spec)
                if CLOSED in argv[2:]:
                    vosk.prepare_closed(Path(spec.path))
            except RecogniserError as error:
                answers.write(json.dumps({"failed": str(error)}).encode() + b"\n")
                return 1
            answers.write(json.dumps({"ready": {"name": vosk.name, "language": vosk.language}}).encode() + b"\n")
            answers.flush()
            serve(vosk, sys.stdin.buffer, answers)
        except BrokenPipeError:
            return 1  # the parent is gone
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
