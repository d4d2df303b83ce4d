"""DOOR to Vosk: hears words in a leg of a recording. Runs only in the worker process (`python -m
recordings.recogniser`).

Another recogniser is another class with `name`, `language` and `hear` that is made of a `RecogniserSpec`: `load` knows
Vosk and Whisper (`recordings/whisper.py`), and any other by `kind = "package.module:Class"`, as the tests' own is.

Talks with its parent (`recordings.transcriber`) in JSON lines: the specification on the command line; one
`{"ready": {...}}` or `{"failed": "..."}`; then for each `{"job": n, "wav": path, "windows": [[from_s,
to_s], ...] | null}` on standard input one `{"begun": n}` at once, and when it is done one `{"job": n, "legs":
{...}, "sounding_s": {...}, "left_out_s": {...}, "steady": {...}, "duration_s": s}` or `{"job": n, "error": "..."}`. The
end of standard input, which is also what the parent's death looks like, ends the worker.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from recordings import files
from recordings.sounding import Levels, sounding
from recordings.transcript import Speaker, Word, words_from_vosk

CHANNEL_OF: dict[Speaker, int] = {"citizen": files.CITIZEN, "agent": files.HEARD}
NICENESS = 10
"""The worker gives way to the switchboard and to Asterisk on the same machine."""
VOSK, WHISPER = "vosk", "whisper"


class RecogniserError(Exception):
    """Speech could not be recognised; the message is one sentence that can be shown."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a recogniser heard in a stretch; `left_out_s`: seconds of it whose words it dropped as nonsense."""

    words: list[Word]
    left_out_s: float = 0.0


class Recogniser(Protocol):
    """Whatever turns the samples of one leg into words."""

    name: str
    """What did it, for people: the model's name."""
    language: str
    """ISO 639-1 code of the only language that it understands."""

    def hear(self, pcm: Iterable[bytes], rate: int) -> Hearing:
        """The words in one stretch of a leg: mono, 16 bit little endian, in chunks of whole samples.

        `rate` in Hz. Times count from the stretch's first sample. Blocks for as long as it takes. Raises
        RecogniserError.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecogniserSpec:
    """What the worker process needs to know; plain values, since it travels as JSON.

    `grammar`: the only phrases to be heard, or None for free speech. `min_conf`: words below are dropped. `kind`: which
    recogniser. `niceness`: as nice(1) counts, on top of the parent's. `prompt`: words that Whisper is told to expect.
    """

    path: str
    name: str
    language: str
    grammar: tuple[str, ...] | None = None
    min_conf: float = 0.0
    kind: str = VOSK
    niceness: int = NICENESS
    prompt: str = ""

    @classmethod
    def from_json(cls, text: str) -> RecogniserSpec:
        """The inverse of `json.dumps(asdict(spec))`."""
        data = json.loads(text)
        grammar = data.pop("grammar")
        return cls(grammar=None if grammar is None else tuple(grammar), **data)


class VoskRecogniser:
    """Vosk 0.3.45 with a model from a folder; never from the network.

    8 kHz audio is given as it is: resampling costs as much and hears no better (shared/speech.md section 1).
    """

    def __init__(self, spec: RecogniserSpec) -> None:
        """Load the model (seconds, 0.5 GB for a small one). RecogniserError if it or the grammar is
        unusable.
        """
        self.name = spec.name
        self.language = spec.language
        self._min_conf = spec.min_conf
        if not Path(spec.path, "conf").is_dir():
            raise RecogniserError(f"no Vosk model in {spec.path}")
        try:
            import vosk  # here and not above: it takes 0.3 s, and only the worker needs it
        except (ImportError, OSError) as error:
            raise RecogniserError(f"vosk cannot be loaded: {error}") from error
        vosk.SetLogLevel(-2)  # -1 still prints warnings
        self._vosk = vosk
        try:
            self._model = vosk.Model(spec.path)
        except Exception as error:
            raise RecogniserError(f"Vosk cannot load the model in {spec.path}") from error
        self._grammar = None if spec.grammar is None else self._checked(spec.grammar)

    def _checked(self, grammar: Sequence[str]) -> str:
        """The grammar in Vosk's form; it would drop unknown words silently and might be left with none."""
        unknown = sorted({w for phrase in grammar for w in phrase.split() if self._model.vosk_model_find_word(w) < 0})
        if unknown or not grammar:
            raise RecogniserError(
                f"words of the grammar that {self.name} does not know: {' '.join(unknown) or 'none given'}"
            )
        # Vosk does not decode \u escapes: with ensure_ascii the grammar would be silently empty.
        return json.dumps(list(grammar), ensure_ascii=False)

    def hear(self, pcm: Iterable[bytes], rate: int) -> Hearing:
        """See Recogniser.hear."""
        grammar = () if self._grammar is None else (self._grammar,)
        recogniser = self._vosk.KaldiRecognizer(self._model, rate, *grammar)
        recogniser.SetWords(True)
        words: list[Word] = []
        for chunk in pcm:
            if recogniser.AcceptWaveform(chunk):
                words += self._words(recogniser.Result())
        words += self._words(recogniser.FinalResult())
        return Hearing(words)

    def _words(self, result: str) -> list[Word]:
        found: dict[str, Any] = json.loads(result)
        return [word for word in words_from_vosk(found) if word.conf is None or word.conf >= self._min_conf]


def load(spec: RecogniserSpec) -> Recogniser:
    """The recogniser that a specification names. Raises RecogniserError."""
    if spec.kind == VOSK:
        return VoskRecogniser(spec)
    module, _, name = ("recordings.whisper:WhisperRecogniser" if spec.kind == WHISPER else spec.kind).partition(":")
    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise RecogniserError(f"there is no recogniser {spec.kind}: {error}") from error
    recogniser: Recogniser = made(spec)
    return recogniser


@dataclass
class Heard:
    """Both legs of a recording: the words of each, with times from its start, and how much of it sounded."""

    words: dict[Speaker, list[Word]] = field(default_factory=dict)
    sounding_s: dict[Speaker, float] = field(default_factory=dict)
    left_out_s: dict[Speaker, float] = field(default_factory=dict)
    steady: dict[Speaker, bool] = field(default_factory=dict)


def hear_legs(recogniser: Recogniser, wav: Path, windows: Sequence[tuple[float, float]] | None) -> Heard:
    """What was said on both legs of a finished recording, within the windows, wherever they sound.

    A leg is read twice, in chunks of 0.2 s, so memory does not grow with the length of the call. Raises
    RecogniserError, or RecordingError for a damaged file.
    """
    whole = files.duration_of(wav)
    spans = [(0.0, whole)] if windows is None else windows
    heard = Heard()
    for speaker, channel in CHANNEL_OF.items():
        words: list[Word] = []
        sounded = left_out = 0.0
        levels = Levels(files.RATE)
        for start, end in spans:
            first, last = max(0.0, start), min(end, whole)
            for begin, until in sounding(files.read_leg(wav, channel, first, last), files.RATE):
                begin, until = first + begin, min(first + until, last)
                sounded += until - begin
                hearing = recogniser.hear(levels.of(files.read_leg(wav, channel, begin, until)), files.RATE)
                left_out += hearing.left_out_s
                for w in hearing.words:
                    words.append(Word(round(begin + w.start, 3), round(begin + w.end, 3), w.text, w.conf))
        heard.words[speaker] = words
        heard.sounding_s[speaker], heard.left_out_s[speaker] = round(sounded, 3), round(left_out, 3)
        heard.steady[speaker] = levels.steady
    return heard


def _refuse_network(event: str, _args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        raise RecogniserError("the recogniser does not use the network")


def serve(spec: RecogniserSpec, jobs: Iterable[bytes], answers: BinaryIO) -> None:
    """Load the recogniser, then answer jobs until there are no more."""

    def say(message: dict[str, object]) -> None:
        answers.write(json.dumps(message).encode() + b"\n")
        answers.flush()

    try:
        recogniser = load(spec)
    except RecogniserError as error:
        say({"failed": str(error)})
        return
    say({"ready": {"name": recogniser.name, "language": recogniser.language}})
    for line in jobs:
        job = json.loads(line)
        say({"begun": job["job"]})
        wav = Path(job["wav"])
        windows = None if job["windows"] is None else [(float(a), float(b)) for a, b in job["windows"]]
        try:
            heard = hear_legs(recogniser, wav, windows)
            legs = {
                speaker: [[w.start, w.end, w.text, w.conf] for w in words] for speaker, words in heard.words.items()
            }
            told = {"sounding_s": heard.sounding_s, "left_out_s": heard.left_out_s, "steady": heard.steady}
            say({"job": job["job"], "legs": legs, **told, "duration_s": files.duration_of(wav)})
        except (RecogniserError, files.RecordingError) as error:
            say({"job": job["job"], "error": str(error)})


def main(argv: Sequence[str]) -> int:
    """The worker process: the specification as JSON is its one argument."""
    sys.addaudithook(_refuse_network)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    spec = RecogniserSpec.from_json(argv[1])
    os.nice(spec.niceness)
    # The protocol gets a descriptor of its own: what a library prints must not be taken for an answer.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            serve(spec, sys.stdin.buffer, answers)
        except BrokenPipeError:
            return 1  # the parent is gone
    return 0


def spec_argument(spec: RecogniserSpec) -> str:
    """The specification as the worker's command-line argument."""
    return json.dumps(asdict(spec))


if __name__ == "__main__":
    # Under its own name, so that another recogniser's module raises the error that is caught here.
    sys.exit(importlib.import_module("recordings.recogniser").main(sys.argv))
