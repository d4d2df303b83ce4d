"""`hotline drill kill`: hurts a hotline under load again and again, and counts what its people saw of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import secrets
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from controller.asterisk_prepare import prepare
from controller.asterisk_tree import find_asterisk
from controller.debian import PrepareError
from controller.demo.stage import StageError
from controller.drill import proxy
from controller.drill.faults import FAULTS
from controller.drill.judge import Bounds, Verdict, judge
from controller.drill.ledger import Ledger
from controller.drill.stage import DrillStage
from controller.drill.town import PATIENCE_S, Town
from controller.softphone import RegistrationFailed

WEATHERS = {"delay": proxy.DELAY, "double": proxy.DOUBLE, "reorder": proxy.REORDER}
WARM_S = 6.0
"""Load before the first fault."""
CALM_S = 4.0
"""Load after the last one."""
DRAIN_S = PATIENCE_S
ROUND_S = 120.0
"""One fault and the recovery from it; longer means that the hotline does not come back."""


def main(arguments: argparse.Namespace) -> int:
    """0 when every count that must be 0 is; 1 when not; 2 when it could not start; 130 after Ctrl-C."""
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    return asyncio.run(_main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    console, loop = Console(), asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, console.print, "Everything is being ended; a moment.")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        if arguments.json is not None:
            arguments.json.open("a").close()  # said now, not after the last fault
        return await _drill(arguments, console)
    except asyncio.CancelledError:
        console.print("\n[bold]Stopped.[/bold] Everything has been ended.")
        return 130
    except (StageError, PrepareError, RegistrationFailed, OSError) as error:
        console.print(f"[red]The drill could not go on:[/red] {error}")
        return 2


async def _drill(arguments: argparse.Namespace, console: Console) -> int:
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(1_000_000)
    fault = arguments.fault or "kill"
    console.print(f"hotline drill {arguments.name} -n {arguments.n} --fault {fault} --seed {seed}")
    if find_asterisk(arguments.var) is None:
        with console.status("Asterisk: none of version 20 or newer here; preparing a private one") as status:
            await prepare(arguments.var, lambda text: status.update(f"Asterisk: {text}"))
    draw = random.Random(seed)  # noqa: S311 - a script, no secret
    stage = DrillStage(
        arguments.home,
        arguments.var,
        lambda text: console.print(text, style="dim"),
        arguments.var / "drill" / fault,
        random.Random(draw.random()),  # noqa: S311
        weather=WEATHERS.get(fault),
        own_disk=fault == "disk",
    )
    ledger, begun = Ledger(), time.time()
    async with stage:
        loop = asyncio.get_running_loop()
        offset = time.time() - loop.time()
        town = Town(stage, ledger, seed, arguments.citizens, lambda: offset)
        try:
            await _hurt(stage, town, ledger, fault, arguments.n, begun + arguments.within, draw, console)
        finally:
            with contextlib.suppress(Exception):
                await town.close()
        with contextlib.suppress(TimeoutError):  # what the phones saw last is still being written down
            async with asyncio.timeout(20):
                while await asyncio.to_thread(stage.open_calls):  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(0.2)
        ledger.kept = await asyncio.to_thread(stage.kept)
        facts: dict[str, Any] = {"asterisk": stage.binary.version if stage.binary else ""}
        if stage.proxy is not None:
            one = stage.proxy
            facts["proxy"] = {
                "passed": one.passed, "delayed": one.delayed, "doubled": one.doubled, "longest_s": one.longest_s,
            }  # fmt: skip
        if fault == "disk":
            facts["disk"] = "a disk of its own" if stage.disk_is_real else "the controller may write no file"
    verdict = judge(ledger, Bounds(), calls_may_be_cut=fault == "asterisk")
    verdict.told["took_s"] = time.time() - begun
    console.print(_table(verdict, fault, seed))
    if arguments.json is not None:
        facts |= {"fault": fault, "seed": seed, "calls": _stories(ledger, verdict)}
        await asyncio.to_thread(_write, arguments.json, verdict, facts)
    if verdict.ok:
        console.print(f"[green]Nobody was lost in {len(ledger.outages)} faults.[/green]")
        return 0
    for name, numbers in verdict.must_be_none.items():
        if numbers:
            console.print(f"[red]{name}[/red]: {', '.join(numbers[:12])}")
    console.print(f"What the controller said: {stage.folder / 'controller.log'}")
    return 1


async def _hurt(
    stage: DrillStage,
    town: Town,
    ledger: Ledger,
    fault: str,
    rounds: int,
    until: float,
    draw: random.Random,
    console: Console,
) -> None:
    """Load, then fault after fault, then wait for the last callers."""
    await stage.ready(*stage.phones)
    town.open()
    await town.begin()
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[seen]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        shown = progress.add_task(fault, total=rounds, seen="")
        await asyncio.sleep(WARM_S)
        for done in range(rounds):
            if time.time() > until:
                console.print(f"[yellow]The time is over after {done} of {rounds} rounds.[/yellow]")
                break
            try:
                async with asyncio.timeout(ROUND_S):
                    await FAULTS[fault](stage, town, draw, ledger.outages)
                    await _agents_stay(stage, ledger, fault)
            except TimeoutError:
                console.print(
                    f"[red]The hotline did not come back within {ROUND_S:g} s; what was seen is counted.[/red]"
                )
                ledger.never_back = True
                break
            talks = sum(ring.talked for ring in ledger.rings)
            seen = f"{len(ledger.placed)} calls, {talks} talks, {len(town.alive)} live"
            progress.update(shown, advance=1, seen=seen)
        await asyncio.sleep(CALM_S)
        progress.update(shown, description=f"{fault}: the last callers")
        await town.end(DRAIN_S)


async def _agents_stay(stage: DrillStage, ledger: Ledger, fault: str) -> None:
    """Nobody who was ready has been signed out or sent away by the fault; Asterisk's own death excuses it."""
    try:
        view = await stage.get("/api/overview")
    except (OSError, aiohttp.ClientError, AssertionError):
        return
    for agent in view["agents"]:
        if agent["state"] in ("offline", "not_ready"):
            if fault != "asterisk":
                ledger.signed_out.append((time.time(), agent["agent"], agent["state"]))
            with contextlib.suppress(AssertionError, OSError):
                await stage.ready(agent["agent"])


def _table(verdict: Verdict, fault: str, seed: int) -> Table:
    table = Table(title=f"drill kill --fault {fault} --seed {seed}", title_justify="left")
    table.add_column("count")
    table.add_column("", justify="right")
    table.add_column("")
    for name, numbers in verdict.must_be_none.items():
        table.add_row(name, str(len(numbers)), "[red]must be 0" if numbers else "[green]0 as it must be")
    for name, value in verdict.told.items():
        table.add_row(name, f"{value:.3f}" if isinstance(value, float) else str(value), "")
    return table


def _stories(ledger: Ledger, verdict: Verdict) -> dict[str, Any]:
    """All that is known of the calls that a fault is about; the callers' numbers are the drill's own."""
    told = " ".join(one for numbers in verdict.must_be_none.values() for one in numbers)
    return {
        seen.number: {
            "seen": asdict(seen),
            "rings": [asdict(ring) for ring in ledger.rings if ring.number == seen.number],
            "kept": [asdict(kept) for kept in ledger.kept if kept.number == seen.number],
        }
        for seen in ledger.placed
        if seen.number in told
    } | {
        "beside": [asdict(ring) for ring in ledger.rings if f"{ring.agent}/" in told],
        "outages": [asdict(one) for one in ledger.outages],
    }


def _write(file: Path, verdict: Verdict, facts: dict[str, Any]) -> None:
    """The figures by the names of `benchmarks/figures.toml`, then every count with the calls that it is about."""
    from benchmarks.report import machine

    faults = verdict.must_be_none
    figures = {
        "lost": len(faults["callers_lost"]) + len(faults["talks_cut"]),
        "doubled": len(faults["agents_rung_twice"]) + len(faults["offered_twice"]) + len(faults["served_twice"]),
        "silent_over_3s": len(faults["silent_too_long"]),
        "order_changed": len(faults["places_lost"]),
    }
    document: dict[str, Any] = {"name": "kill", "machine": machine(), "figures": figures}
    if "owned_s.max" in verdict.told:
        figures_s = {"recover.start_to_all_acted.max": verdict.told["owned_s.max"]}
        document["figures"] = {**figures, **figures_s}
    document |= {**facts, "must_be_none": faults, "told": verdict.told, "ok": verdict.ok}
    file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
