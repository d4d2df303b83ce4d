"""`hotline bench recordings`: 60 calls recorded at once, what recording costs, and what the archive makes of one.

Real calls at a real Asterisk, one after the other in a few seconds, each with a tone of its citizen all the time; they
wait in the line, so each is recorded with two legs that are never silent. Afterwards every sealed recording is compared
with its call: so many samples as the call has seconds, and the citizen's leg looked through for gaps.

Then two hotlines side by side, one that records nothing and one that records every talk and each party's own voice;
in each the same talks go on, and calls come in turns A-B-A-B.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.join import Desk, Joins
from benchmarks.live import CONFIGURATION, DIRECT, BridgeWatch, cpu_seconds, facts, load, spread, stage
from benchmarks.live_words import block, talks, told
from benchmarks.report import Report
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from controller.softphone import Call, CallFailed, RegistrationFailed, Tone
from pbx.ami_link import AmiError
from recordings import files
from recordings.archive import form

CALLS, QUICK_CALLS = 60, 10
ROUNDS, ROUND_CALLS, TALKS = 3, 20, 6
"""Blocks of each side, calls in each, and talks that go on meanwhile."""
RECORDED_S, QUICK_S = 40.0, 8.0
HOUR_S = 600.0
"""So long is the recording that is coded; sizes are told by the hour."""
SEALED_S = 60.0
LENGTH_S, GAP_S = 1.0, 0.1
"""So much may a recording's length differ from its call's, and so long may the citizen be missing, to have no gap."""
PIECE = files.RATE // 50
FROM_THE_ANSWER = ("consent_required = false", 'consent_required = false\nstart = "answer"')
"""Citizens who wait in the line are recorded too."""


async def _dial(made: Stage, number: int) -> Call:
    phone = await made.citizen(f"138{number:08d}", record=False)
    call = await phone.call(DIRECT)
    await call.answered(timeout=30)
    call.play(Tone(500.0 + 5 * number), loop=True)
    return call


def _gaps(path: Path) -> float:
    """Seconds of digital silence on the citizen's leg between his first and his last sound."""
    leg = np.frombuffer(b"".join(files.read_leg(path, files.CITIZEN)), "<i2")
    pieces = leg[: len(leg) // PIECE * PIECE].reshape(-1, PIECE)
    there = np.flatnonzero(pieces.any(axis=1))
    return float(there[-1] - there[0] + 1 - len(there)) / 50 if len(there) else len(pieces) / 50


async def _sealed(made: Stage, call: str) -> dict[str, Any]:
    """The facts of a call's recording, once it is checked."""
    deadline = time.monotonic() + SEALED_S
    while time.monotonic() < deadline:
        found: dict[str, Any] = await made.get(f"/api/calls/{call}/recording/facts")
        if found["check"] is not None:
            return found
        await asyncio.sleep(0.25)
    raise StageError(f"the recording of {call} was not sealed within {SEALED_S:.0f} s")


async def _recorded(made: Stage, count: int, begun: float) -> None:
    """Wait until every call has heard the notice and is recorded."""
    deadline = time.monotonic() + SEALED_S
    while time.monotonic() < deadline:
        rows = await made.get(f"/api/calls?since={begun - 1:.0f}&until={time.time() + 1:.0f}")
        if sum(row["recording"] for row in rows["calls"]) >= count:
            return
        await asyncio.sleep(0.25)
    raise StageError(f"not all of {count} calls are recorded within {SEALED_S:.0f} s")


async def _at_once(made: Stage, count: int, seconds: float, report: Report) -> dict[str, Any]:
    begun = time.time()
    dialled = await asyncio.gather(*(_dial(made, number) for number in range(count)), return_exceptions=True)
    calls = [one for one in dialled if isinstance(one, Call)]
    await _recorded(made, len(calls), begun)
    pid = made.asterisk_pid
    spent, since = cpu_seconds(pid) if pid else 0.0, time.monotonic()
    await asyncio.sleep(seconds)
    share = (cpu_seconds(pid) - spent) / (time.monotonic() - since) if pid else 0.0
    for call in calls:
        with contextlib.suppress(CallFailed):
            await call.hangup()
    rows = await made.get(f"/api/calls?since={begun - 1:.0f}&until={time.time() + 1:.0f}")
    checks, gaps, whole = [], [], 0
    for row in rows["calls"]:
        found = await _sealed(made, row["call"])
        checks.append(found["check"])
        paths = list((made.data / "recordings").rglob(f"{row['call']}.wav"))
        gaps.append(await asyncio.to_thread(_gaps, paths[0]) if paths else found["check"]["expected_s"])
        off_s = abs(found["check"]["found_s"] - found["check"]["expected_s"])
        whole += bool(paths) and off_s <= LENGTH_S and gaps[-1] <= GAP_S
    off = [one["found_s"] - one["expected_s"] for one in checks]
    report.figure("recordings.concurrent_calls_no_gap", whole)
    if off:
        report.figure("recordings.length_off.max", max(abs(one) for one in off))
        report.figure("recordings.citizen_gap.max", max(gaps))
    return {
        "failed_calls": len(dialled) - len(calls),
        "length_off_s": spread(off),
        "citizen_gap_s": spread(gaps),
        "findings": sorted({word for one in checks for word in one["findings"]}),
        "asterisk_cpu_cores": share,
    }


def _beside_configuration(folder: Path, recorded: bool) -> Path:
    """The configuration of one side."""
    file = folder / f"recorded-{recorded}.toml"
    text = CONFIGURATION.read_text("utf-8")
    file.write_text(text if recorded else text.replace("[recording]\n", "[recording]\nrecord = false\n"), "utf-8")
    return file


async def _beside(quick: bool, console: Console, folder: Path, report: Report) -> dict[str, Any]:
    """The same calls with and without recording, in turns; what each of the talks that go on costs Asterisk."""
    sides = {"off": Joins(), "on": Joins()}
    rounds, calls = (1, 5) if quick else (ROUNDS, ROUND_CALLS)
    async with contextlib.AsyncExitStack() as stack:
        made: dict[str, Stage] = {}
        desks: dict[str, Desk] = {}
        watches: dict[str, BridgeWatch] = {}
        for side in sides:
            configuration = _beside_configuration(folder, side == "on")
            one = made[side] = await stack.enter_async_context(
                stage(f"recordings-{side}", console, configuration=configuration)
            )
            await one.ready(*one.phones)
            desks[side], watches[side] = Desk(list(one.phones.values()), None), BridgeWatch()
            stack.push_async_callback(desks[side].close)
            await watches[side].open(one)
            stack.push_async_callback(watches[side].close)
        for side, one in made.items():
            await stack.enter_async_context(talks(one, desks[side], TALKS))
        pids = {side: one.asterisk_pid for side, one in made.items()}
        spent, since = {side: cpu_seconds(pid) for side, pid in pids.items() if pid}, time.monotonic()
        for number in range(rounds):
            for side, one in made.items():
                console.print(f"round {number + 1}, recording {side}: load {load()[0]}")
                await block(one, desks[side], watches[side], calls, number * calls, sides[side])
        lasted = time.monotonic() - since
        cores = {side: (cpu_seconds(pid) - spent[side]) / lasted for side, pid in pids.items() if pid}
    found = {side: told(joins) for side, joins in sides.items()}
    gap = found["on"]["answer_to_bridged"]["p50"] - found["off"]["answer_to_bridged"]["p50"]
    report.figure("recordings.added_to_bridge.p50", gap)
    if len(cores) == len(sides):
        report.figure("recordings.cores_per_talk", (cores["on"] - cores["off"]) / TALKS)
    return {"sides": found, "talks": TALKS, "asterisk_cpu_cores": cores}


def _coded(report: Report) -> dict[str, Any]:
    """Ten minutes of two legs (noise in turns, like speech: as hard to code as it gets) in each form."""
    found: dict[str, Any] = {}
    rng = np.random.default_rng(12345)
    frames = int(HOUR_S * files.RATE)
    legs = (rng.standard_normal((frames, 2)) * 1500).astype("<i2")
    turns = (np.arange(frames) // (4 * files.RATE)) % 2
    legs[turns == 0, 1] = 0
    legs[turns == 1, 0] = 0
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "call.wav"
        wav.write_bytes(files.wav_header(legs.nbytes) + legs.tobytes())
        for one in form.Form:
            begun = time.process_time()
            coded = form.encode(wav, Path(folder) / f"coded{one.suffix}", one)
            spent = time.process_time() - begun
            report.figure(f"recordings.{one.value}_mb_per_hour", coded.size_bytes * 3600 / HOUR_S / 1e6)
            report.figure(f"recordings.{one.value}_hours_per_cpu_s", HOUR_S / 3600 / spent)
            found[one.value] = {"bytes": coded.size_bytes, "cpu_s": spent}
    return found


async def _run(quick: bool, folder: Path | None, console: Console) -> Report:
    report = Report("recordings")
    with tempfile.TemporaryDirectory() as place:
        written = Path(place) / "hotline.toml"
        written.write_text(CONFIGURATION.read_text("utf-8").replace(*FROM_THE_ANSWER), "utf-8")
        details = await _live(quick, folder, console, written, report)
        details["beside"] = await _beside(quick, console, Path(place), report)
    details["coded"] = await asyncio.to_thread(_coded, report)
    report.details = details | {"load_after": load()}
    return report


async def _live(
    quick: bool, folder: Path | None, console: Console, configuration: Path, report: Report
) -> dict[str, Any]:
    async with stage("recordings", console, folder, configuration=configuration, softphones=False) as made:
        details: dict[str, Any] = facts(made)
        details["live"] = await _at_once(
            made, QUICK_CALLS if quick else CALLS, QUICK_S if quick else RECORDED_S, report
        )
    return details


def run(json_path: Path | None = None, *, quick: bool = False, folder: Path | None = None) -> int:
    """Measure, print the table, write the file; 0, or 2 if nothing could be measured."""
    console = Console()
    try:
        report = asyncio.run(_run(quick, folder, console))
    except (StageError, PrepareError, RegistrationFailed, AmiError, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    live = report.details["live"]
    console.print(
        f"failed calls: {live['failed_calls']}, findings: {', '.join(live['findings']) or 'none'}; Asterisk took "
        f"{live['asterisk_cpu_cores']:.2f} cores; load before and after {report.details['load_before'][0]}, "
        f"{report.details['load_after'][0]}"
    )
    return status
