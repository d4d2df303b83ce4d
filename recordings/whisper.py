"""DOOR to Whisper by faster-whisper, where that package is installed: a second recogniser, after the call only.

It is no part of what a hotline needs (`requirements-whisper.in`), and imported only in the worker process of a model
that is configured for it. Whisper writes sentences of noise, repeats itself and echoes what it was told to expect
(shared/speech.md section 3): such segments are left out, and how much that was is told.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from recordings.models import is_whisper
from recordings.recogniser import Hearing, RecogniserError, RecogniserSpec
from recordings.transcript import Word

RATE = 16_000
"""What Whisper hears, in Hz."""
PIECE_S = 240.0
"""A longer stretch is heard in pieces, cut where it is quietest: memory does not grow with the call."""
SEEK_S = 10.0
"""The end of a piece in which that place is looked for."""
LOOP_RATIO = 2.4
"""zlib makes a text of loops so many times shorter; Whisper's own bound."""
UNSURE = -1.0
"""Mean log probability of a segment's tokens below which it is left out."""
ECHO = 0.8
"""A segment so like the prompt (difflib's ratio) is an echo of it."""
BEAM = 5


class WhisperRecogniser:
    """Whisper in CTranslate2's form, from a folder; never from the network."""

    def __init__(self, spec: RecogniserSpec) -> None:
        """Load the model (1-3 s and 0.4 GB for the base one). RecogniserError if it is unusable."""
        self.name, self.language = spec.name, spec.language
        self._prompt = spec.prompt
        self._min_conf = spec.min_conf
        if spec.grammar is not None:
            raise RecogniserError("Whisper knows no grammar; take a Vosk model for one")
        if not is_whisper(Path(spec.path)):
            raise RecogniserError(f"no Whisper model in {spec.path}")
        try:
            from faster_whisper import WhisperModel
        except (ImportError, OSError) as error:
            raise RecogniserError(
                f"faster-whisper is not installed ({error}): pip install -r requirements-whisper.in"
            ) from error
        try:
            self._model = WhisperModel(
                spec.path, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1, local_files_only=True
            )
        except Exception as error:  # whatever the libraries below raise
            raise RecogniserError(
                f"Whisper cannot load the model in {spec.path}: it is damaged or truncated"
            ) from error
        if spec.language not in self._model.supported_languages:
            raise RecogniserError(f"{spec.name} does not know the language {spec.language}")
        self._simplified = simplifier() if spec.language == "zh" else str

    def hear(self, pcm: Iterable[bytes], rate: int) -> Hearing:
        """See Recogniser.hear."""
        words: list[Word] = []
        left_out = at = 0.0
        for piece in pieces(pcm, rate):
            found, dropped = self._piece(piece, rate)
            words += [Word(at + w.start, at + w.end, w.text, w.conf) for w in found]
            left_out += dropped
            at += len(piece) / (2 * rate)
        return Hearing(words, left_out)

    def _piece(self, piece: bytes, rate: int) -> tuple[list[Word], float]:
        segments, _ = self._model.transcribe(
            upsampled(piece, rate),
            language=self.language,
            beam_size=BEAM,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=self._prompt or None,
            word_timestamps=True,
            vad_filter=True,
        )
        words: list[Word] = []
        left_out = 0.0
        for segment in segments:
            if nonsense(segment.text, segment.avg_logprob, self._prompt):
                left_out += segment.end - segment.start
                continue
            for one in segment.words or ():
                text, conf = self._simplified(one.word), round(float(one.probability), 3)
                if text.strip() and conf >= self._min_conf:
                    start, end = round(float(one.start), 3), round(float(one.end), 3)
                    attach(words, Word(start, end, text, conf), self.language)
        return words, left_out


def attach(words: list[Word], word: Word, language: str) -> None:
    """Add one of Whisper's words: "12" "3" "45" with no blank between are one number; Chinese has marks of its own."""
    text = word.text.strip()
    if language == "zh":
        text = text.translate(_MARKS)
    last = words[-1] if words else None
    if last is not None and not word.text[0].isspace() and _latin(last.text[-1]) and _latin(text[0]):
        conf = None if last.conf is None or word.conf is None else min(last.conf, word.conf)
        words[-1] = Word(last.start, word.end, last.text + text, conf)
    else:
        words.append(Word(word.start, word.end, text, word.conf))


_MARKS = str.maketrans({",": "，", "?": "？", "!": "！", ";": "；", ":": "："})


def _latin(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def nonsense(text: str, avg_logprob: float, prompt: str = "") -> bool:
    """Whether a segment is none of the speech: a loop, an echo of the prompt, or one of which Whisper is unsure."""
    text = text.strip()
    data = text.encode()
    if not text or avg_logprob < UNSURE:
        return True
    if len(data) / len(zlib.compress(data)) > LOOP_RATIO:
        return True
    return bool(prompt) and SequenceMatcher(None, _bare(text), _bare(prompt)).ratio() >= ECHO


def _bare(text: str) -> str:
    return "".join(one for one in text if one.isalnum())


def simplifier() -> Callable[[str], str]:
    """From Traditional to Simplified characters by OpenCC (Apache-2.0), where it is installed; else as it is."""
    try:
        import opencc
    except (ImportError, OSError):
        return str
    convert: Callable[[str], str] = opencc.OpenCC("t2s").convert
    return convert


def pieces(pcm: Iterable[bytes], rate: int) -> Iterator[bytes]:
    """Stretches of at most `PIECE_S`, each cut behind the quietest chunk of its end; all samples, in order."""
    import numpy as np

    held: list[bytes] = []
    length, longest = 0, round(PIECE_S * rate) * 2
    for chunk in pcm:
        if held and length + len(chunk) > longest:
            tail, counted = 0, 0
            while tail < len(held) - 1 and counted < SEEK_S * rate * 2:
                tail += 1
                counted += len(held[-tail])
            powers = [float(np.square(np.frombuffer(one, "<i2").astype(np.float64)).mean()) for one in held[-tail:]]
            cut = len(held) - tail + powers.index(min(powers)) + 1 if tail else len(held)
            yield b"".join(held[:cut])
            held = held[cut:]
            length = sum(map(len, held))
        held.append(chunk)
        length += len(chunk)
    if held:
        yield b"".join(held)


def upsampled(piece: bytes, rate: int) -> Any:
    """Samples at Whisper's rate, as float32 in -1..1: zeros between, and a low pass at the old band's edge.

    Only whole multiples: 8 kHz and 16 kHz are what telephones have. ValueError for another rate.
    """
    import numpy as np

    samples = np.frombuffer(piece, "<i2").astype(np.float32) / 32768.0
    times, rest = divmod(RATE, rate)
    if rest or not times:
        raise ValueError(f"{rate} Hz does not fit {RATE} Hz")
    if times == 1:
        return samples
    wide = np.zeros(len(samples) * times, np.float32)
    wide[::times] = samples
    place = np.arange(-32, 33)
    taps = (np.sinc(place / times) * np.hamming(len(place))).astype(np.float32)
    return np.convolve(wide, taps, "same").astype(np.float32) if len(wide) > len(taps) else wide
