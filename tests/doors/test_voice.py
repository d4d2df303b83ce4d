"""The door that builds sounds: with a made-up voice, with espeak-ng, and on the committed sounds."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ivr import audio
from ivr.audio import RATE, Samples
from ivr.manifest import LANGUAGES, Level, Manifest, Spoken, load_manifest
from ivr.prompts import missing, say_number
from ivr.voice import SOUNDS, Built, VoiceError, available, build, check, read_manifest

pytestmark = pytest.mark.doors


def tone(seconds: float, level: float = 0.3, hertz: float = 440.0, rate: int = RATE) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def quiet(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(int(seconds * rate), np.float32)


def manifest(**texts: str) -> Manifest:
    voices = {"zh": {"voice": "z"}, "en": {"voice": "e"}}
    prompts = {prompt_id: {"zh": text} for prompt_id, text in texts.items()}
    return load_manifest({"voices": voices, "prompts": {**prompts, "pause": {"silence_ms": 250}}})


def voice(spoken: Spoken) -> tuple[Samples, int]:
    """A voice at 24 kHz that hums 0.25 s a character, with silence around it."""
    hum = tone(0.25 * len(spoken.say), rate=24_000)
    return np.concatenate([quiet(0.4, 24_000), hum, quiet(0.7, 24_000)]), 24_000


def make(manifest: Manifest, out: Path, **more: Any) -> list[Built]:
    return build(manifest, out, voices={"kokoro": voice, "espeak": voice}, **more)


# --- the committed sounds ----------------------------------------------------------------------


def test_every_text_has_its_own_fresh_and_plausible_sound() -> None:
    assert check(read_manifest(), SOUNDS) == []


def test_every_piece_of_a_number_has_a_sound() -> None:
    numbers = [*range(121), 1000, 2222, 20_002, 1_234_567, 99_999_999]
    needed = {lang: {piece for n in numbers for piece in say_number(n, lang)} for lang in LANGUAGES}
    assert missing(needed, available(SOUNDS)) == ()


def test_the_committed_sounds_come_from_the_natural_voice() -> None:
    stamps = json.loads((SOUNDS / "manifest.json").read_text("utf-8"))
    assert {stamp["engine"] for stamp in stamps.values()} <= {"kokoro", "studio", "silence"}


# --- building ----------------------------------------------------------------------------------


def test_a_sound_is_cut_levelled_and_stamped(tmp_path: Path) -> None:
    texts = manifest(hello="您好您好")
    seen: list[tuple[int, int, str]] = []
    built = make(texts, tmp_path, progress=lambda done, of, item: seen.append((done, of, item.name)))
    assert [item.name for item in built] == ["zh/hello", "zh/pause", "en/pause"]
    assert seen == [(1, 3, "zh/hello"), (2, 3, "zh/pause"), (3, 3, "en/pause")]
    sound = audio.alaw_decode((tmp_path / "zh" / "hello.alaw").read_bytes())
    assert len(sound) / RATE == pytest.approx(1.0 + 0.06 + 0.12, abs=0.03)
    assert audio.active_level(sound) == pytest.approx(Level.active_dbfs, abs=0.5)
    stamp = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["zh/hello"]
    assert (stamp["engine"], stamp["voice"], stamp["seconds"]) == ("kokoro", "z", pytest.approx(1.18, abs=0.03))
    assert len((tmp_path / "en" / "pause.alaw").read_bytes()) == RATE // 4
    assert check(texts, tmp_path) == []


def test_only_what_changed_is_built_again(tmp_path: Path) -> None:
    make(manifest(a="第一句话", b="第二句话"), tmp_path)
    assert make(manifest(a="第一句话", b="第二句话"), tmp_path) == []
    changed = manifest(a="第一句话", b="另外一句")
    assert [complaint.split(":")[0] for complaint in check(changed, tmp_path)] == ["zh/b"]
    assert [item.name for item in make(changed, tmp_path)] == ["zh/b"]
    assert [item.name for item in make(changed, tmp_path, only=["a"])] == ["zh/a"]
    assert check(changed, tmp_path) == []


def test_a_removed_text_takes_its_sound_with_it(tmp_path: Path) -> None:
    make(manifest(a="第一句话", b="第二句话"), tmp_path)
    fewer = manifest(a="第一句话")
    assert check(fewer, tmp_path) == ["zh/b: a sound without a text; run: hotline prompts build"]
    make(fewer, tmp_path)
    assert not (tmp_path / "zh" / "b.alaw").exists()
    assert "zh/b" not in json.loads((tmp_path / "manifest.json").read_text("utf-8"))


def test_missing_and_changed_files_are_found(tmp_path: Path) -> None:
    texts = manifest(a="第一句话", b="第二句话")
    make(texts, tmp_path)
    (tmp_path / "zh" / "a.alaw").unlink()
    (tmp_path / "zh" / "b.alaw").write_bytes(b"\x55" * 100)
    complaints = check(texts, tmp_path)
    assert complaints[0].startswith("zh/a: no sound")
    assert complaints[1].startswith("zh/b: the sound was changed by hand")
    assert len(complaints) == 2


@pytest.mark.parametrize(
    ("sound", "complaint"),
    [
        (tone(0.1), "characters a second"),
        (tone(9.0), "characters a second"),
    ],
)
def test_a_sound_that_cannot_be_its_text_is_found(tmp_path: Path, sound: Samples, complaint: str) -> None:
    texts = manifest(a="第一句话")
    build(texts, tmp_path, voices={"kokoro": lambda spoken: (sound, RATE)})
    assert any(complaint in found for found in check(texts, tmp_path))


def write_wav(file: Path, samples: Samples, rate: int = RATE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((samples * 32767).astype("<i2").tobytes())


def test_a_studio_recording_goes_before_the_voice_until_its_text_changes(tmp_path: Path) -> None:
    studio, out = tmp_path / "studio", tmp_path / "sounds"
    write_wav(studio / "zh" / "a.wav", tone(1.3, rate=44_100), 44_100)
    built = make(manifest(a="第一句话"), out, studio=studio)
    assert built[0].engine == "studio"
    assert built[0].seconds == pytest.approx(1.3 + 0.18, abs=0.03)
    changed = make(manifest(a="别的话了"), out, studio=studio)
    assert changed[0].engine == "kokoro"
    assert "earlier text" in changed[0].warning
    write_wav(studio / "zh" / "a.wav", tone(1.4))
    again = make(manifest(a="别的话了"), out, studio=studio, only=["a"])
    assert (again[0].engine, again[0].warning) == ("studio", "")


def test_a_studio_recording_that_was_passed_over_stays_passed_over(tmp_path: Path) -> None:
    studio, out = tmp_path / "studio", tmp_path / "sounds"
    write_wav(studio / "zh" / "a.wav", tone(1.3))
    make(manifest(a="第一句话"), out, studio=studio)
    for _ in range(2):
        assert make(manifest(a="别的话了"), out, studio=studio, only=["a"])[0].engine == "kokoro"


def test_an_alaw_studio_recording_is_taken_too(tmp_path: Path) -> None:
    studio = tmp_path / "studio" / "zh"
    studio.mkdir(parents=True)
    (studio / "a.alaw").write_bytes(audio.alaw_encode(tone(1.0)))
    assert make(manifest(a="第一句话"), tmp_path / "sounds", studio=tmp_path / "studio")[0].engine == "studio"


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng: only building prompts needs it")
def test_espeak_speaks_where_nothing_better_is_there(tmp_path: Path) -> None:
    texts = manifest(hello="您好，欢迎拨打12345政务服务便民热线。")
    built = build(texts, tmp_path, engine="espeak")
    assert built[0].engine == "espeak"
    assert 2.0 < built[0].seconds < 8.0
    assert check(texts, tmp_path) == []


# --- what goes wrong ---------------------------------------------------------------------------


def test_an_unknown_id_is_refused_and_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="no such prompt: nothing"):
        make(manifest(a="第一句话"), tmp_path, only=["a", "nothing"])
    assert list(tmp_path.iterdir()) == []


def test_a_broken_build_goes_on_where_it_was(tmp_path: Path) -> None:
    texts = manifest(a="第一句话", b="第二句话")

    def breaks(spoken: Spoken) -> tuple[Samples, int]:
        if spoken.say == "第二句话":
            raise VoiceError("no more")
        return voice(spoken)

    with pytest.raises(VoiceError, match="no more"):
        build(texts, tmp_path, voices={"kokoro": breaks})
    assert "zh/b" not in json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert [item.name for item in make(texts, tmp_path)] == ["zh/b", "zh/pause", "en/pause"]


def test_what_is_no_wav_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "zh" / "a.wav"
    bad.parent.mkdir()
    bad.write_bytes(b"no sound at all")
    with pytest.raises(VoiceError, match=r"a\.wav is no plain wav"):
        make(manifest(a="第一句话"), tmp_path / "out", studio=tmp_path)


def test_a_wrong_manifest_is_named_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.toml"
    with pytest.raises(VoiceError, match=r"cannot read .*prompts\.toml"):
        read_manifest(file)
    file.write_text("[prompts", "utf-8")
    with pytest.raises(VoiceError, match=r"prompts\.toml: Expected"):
        read_manifest(file)
    file.write_text("[prompts.Bad]\nzh = 'x'\n", "utf-8")
    with pytest.raises(VoiceError, match=r"prompts\.toml: voices\.zh(.|\n)*prompts\.toml: prompts\.Bad"):
        read_manifest(file)


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.raises(VoiceError, match="cannot write the sounds"):
        make(manifest(a="第一句话"), tmp_path / "file" / "sounds")


def test_broken_stamps_are_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(VoiceError, match="is no JSON"):
        check(manifest(a="第一句话"), tmp_path)
