"""Copies for outside: their tags, and the mark in the sound by which a copy of the copy is traced."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from recordings.archive.form import FormError
from recordings.archive.watermark import CERTAIN, LOUDNESS, Tracer, Watermark, sound_of

pytestmark = pytest.mark.doors

Samples = npt.NDArray[np.int16]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Thirty seconds of spoken prompts on one leg, others on the other, as loud as a talk."""
    pieces = []
    for path in sorted((ROOT / "ivr/sounds/zh").glob("*.alaw")):
        pieces.append(soundfile.read(path, dtype="int16", samplerate=8000, channels=1, format="RAW", subtype="ALAW")[0])
        if sum(map(len, pieces)) > 2 * 240_000:
            break
    all_of_it = np.concatenate(pieces)
    both: Samples = np.stack((all_of_it[:240_000], all_of_it[240_000:480_000]), axis=1)
    return both


def traced(sound: Samples) -> list[str]:
    tracer = Tracer()
    tracer.feed(sound[at : at + 80_000] for at in range(0, len(sound), 80_000))
    return [id for id, _ in tracer.traced([f"{n:016x}" for n in range(40)])]


def recoded(sound: Samples, kind: str, subtype: str, **more: float) -> Samples:
    with io.BytesIO() as file:
        with soundfile.SoundFile(file, "w", 8000, 2, format=kind, subtype=subtype, **more) as out:
            out.write(sound)
        file.seek(0)
        found: Samples = soundfile.read(file, dtype="int16")[0]
        return found


def test_the_mark_is_found_in_what_people_do_to_a_copy_and_no_other_one(speech: Samples) -> None:
    mine = f"{7:016x}"
    copy = Watermark(mine).put(speech, 0)
    assert traced(speech) == []
    for name, altered in {
        "as it is": copy,
        "cut": copy[70_001:200_000],
        "one leg": copy[:, :1],
        "softer": (copy // 3).astype(np.int16),
        "mixed to one": ((copy[:, :1].astype(np.int32) + copy[:, 1:]) // 2).astype(np.int16),
        "A-law": recoded(copy, "WAV", "ALAW"),
        "Opus, 32 kbit/s": recoded(copy, "OGG", "OPUS", compression_level=0.962),
        "MP3": recoded(copy, "MP3", "MPEG_LAYER_III", compression_level=0.5),
    }.items():
        assert traced(altered) == [mine], name


def test_the_mark_is_72_db_below_full_scale_and_never_turns_a_sample_over(speech: Samples) -> None:
    loud = np.full((1000, 2), 32767, np.int16)
    assert Watermark("a").put(loud, 0).min() >= 32767 - LOUDNESS
    assert np.abs(Watermark("a").put(speech, 0).astype(int) - speech).max() == LOUDNESS
    assert 20 * np.log10(LOUDNESS / 32768) < -72


def test_blocks_are_marked_as_the_whole_is(speech: Samples) -> None:
    whole = Watermark("a").put(speech, 0)
    parts = [Watermark("a").put(speech[at : at + 7777], at) for at in range(0, len(speech), 7777)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_silence_and_what_is_no_sound_are_nobodys(tmp_path: Path) -> None:
    tracer = Tracer()
    tracer.feed([np.zeros((8000, 2), np.int16)])
    assert tracer.certainty("a") < CERTAIN
    noise, fast = tmp_path / "noise.wav", tmp_path / "fast.wav"
    noise.write_bytes(b"RIFF" + bytes(100))
    soundfile.write(fast, np.zeros(100), 44100)
    with pytest.raises(FormError, match="no sound"):
        list(sound_of(noise))
    with pytest.raises(FormError, match="44100"):
        list(sound_of(fast))
