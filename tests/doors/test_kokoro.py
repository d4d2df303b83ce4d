"""The door to the Kokoro voice: what can be shown without its model, and what it says when that is missing."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr import kokoro, voice
from ivr.kokoro import RATE, Kokoro, KokoroUnavailable, english
from ivr.manifest import Spoken, load_manifest

pytestmark = pytest.mark.doors

REAL_ESPEAK = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng: only building prompts needs it")
MANIFEST = load_manifest(
    {"voices": {"zh": {"voice": "z"}, "en": {"voice": "e"}}, "prompts": {"hello": {"en": "Hello, and welcome."}}}
)


class Model:
    """Stands for the model: 0.1 s of a level of its own for each phoneme, 0.2 s of silence around all."""

    def run(self, outputs: list[str], feed: dict[str, Any]) -> tuple[Any, Any]:
        """The sound and the phonemes' durations, in steps of 25 ms."""
        count = feed["tokens"].shape[1] - 2
        assert feed["tokens"][0, 0] == feed["tokens"][0, -1] == 0
        levels = np.repeat(np.arange(1, count + 1) / 100, RATE // 10)
        around = np.zeros(RATE // 5)
        durations = np.array([[8, *[4] * count, 8]], np.float32)
        return np.concatenate([around, levels, around]).astype(np.float32)[None], durations


def model(monkeypatch: pytest.MonkeyPatch) -> Kokoro:
    made = object.__new__(Kokoro)
    made._session = Model()
    made._tokens = {sign: 1 + place for place, sign in enumerate("abcdefgh.;")}
    made._voices = {"e": np.zeros((510, 1, 256), np.float32)}
    monkeypatch.setattr(kokoro, "english", lambda text, readings: text)
    return made


def spoken(say: str, **more: Any) -> Spoken:
    return Spoken(text=say, say=say, spoken="en", voice="e", speed=1.0, **more)


def steps(sound: Any) -> list[int]:
    """Which phonemes are heard, in order, 0 for silence."""
    heard = np.rint(np.asarray(sound) * 100).astype(int)
    return [int(level) for level in heard[np.flatnonzero(np.diff(heard, prepend=-1))]]


def test_without_a_carrier_all_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps(model(monkeypatch).speak(spoken("abc"))) == [0, 1, 2, 3, 0]


def test_a_word_is_cut_out_of_its_carrier(monkeypatch: pytest.MonkeyPatch) -> None:
    # "cd" of "abcdef.": its sound begins 110 ms early and ends with its last phoneme
    sound = model(monkeypatch).speak(spoken("cd", carrier="ab{}ef."))
    assert steps(sound) == [1, 2, 3, 4]
    assert len(sound) == RATE * (110 + 200) // 1000
    # with nothing but a full stop behind it, the rest belongs to it
    assert steps(model(monkeypatch).speak(spoken("cd", carrier="ab{}."))) == [1, 2, 3, 4, 5, 0]


def test_a_gap_is_put_in_where_a_choice_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    speech = model(monkeypatch)
    plain, gapped = speech.speak(spoken("ab;cd.")), speech.speak(spoken("ab;cd.", gap_ms=200))
    assert len(gapped) - len(plain) == RATE // 5
    assert steps(gapped)[:5] == [0, 1, 2, 0, 2]  # at the quietest place within 150 ms of the stop


def test_what_the_model_has_no_sign_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown signs.*Q"):
        model(monkeypatch).speak(spoken("abQ"))
    with pytest.raises(ValueError, match="cannot be spoken"):
        model(monkeypatch).speak(spoken("a" * 511))


def test_the_tail_asks_the_model_for_its_durations() -> None:
    # ModelProto.graph (7) . output (12) . ValueInfoProto: name (1), type (2) . tensor_type (1) . elem_type FLOAT
    tail = kokoro._SHOW_DURATIONS
    assert tail[0] == 7 << 3 | 2
    assert tail[1] == len(tail) - 2
    assert tail[2] == 12 << 3 | 2
    assert kokoro._DURATIONS.encode() in tail
    assert tail.endswith(b"\x12\x04\x0a\x02\x08\x01")


def espeak(folder: Path) -> Path:
    """A folder with a program espeak-ng that says half a second of a tone, into a pipe as the real one."""
    sound = (8000 * np.sin(np.arange(11_025) / 8)).astype("<i2").tobytes()
    header = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0" + struct.pack("<IIHH", 22_050, 44_100, 2, 16)
    (folder / "sound.wav").write_bytes(header + b"data\xff\xff\xff\x7f" + sound)
    program = folder / "espeak-ng"
    program.write_text(f"#!/bin/sh\ncat {folder}/sound.wav\n", "utf-8")
    program.chmod(0o755)
    return folder


@REAL_ESPEAK
def test_english_becomes_the_models_phonemes() -> None:
    assert english("Hello, press nine.") == "həlˈO, pɹˈɛs nˈIn."
    assert english("Press star.", (("star", "stˈɑɹ"),)).startswith("pɹˈɛs")


def test_a_missing_model_is_named_and_espeak_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def need(module: str) -> Any:
        raise KokoroUnavailable(kokoro._install(module))

    monkeypatch.setattr(kokoro, "_need", need)
    monkeypatch.setenv("PATH", f"{espeak(tmp_path)}:/usr/bin:/bin")
    with pytest.raises(KokoroUnavailable, match=r"onnxruntime is not installed: .*requirements-voice"):
        Kokoro(tmp_path)
    with pytest.raises(voice.VoiceError, match="is not installed"):
        voice.build(MANIFEST, tmp_path / "a", engine="kokoro")
    assert [built.engine for built in voice.build(MANIFEST, tmp_path / "b", engine="auto")] == ["espeak"]


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KokoroUnavailable, match="install espeak-ng"):
        english("Hello")
    with pytest.raises(KokoroUnavailable, match="install npm"):
        kokoro._voice_file(tmp_path, "zf_xiaoxiao")
    with pytest.raises(voice.VoiceError, match="install espeak-ng"):
        voice.build(MANIFEST, tmp_path / "out", engine="espeak")


def test_a_voice_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zf_xiaoxiao.bin").write_bytes(bytes(510 * 256 * 4))
    made = object.__new__(Kokoro)
    made._cache, made._voices = tmp_path, {}
    with pytest.raises(KokoroUnavailable, match="not the voice zf_xiaoxiao that was measured"):
        made._voice("zf_xiaoxiao")
