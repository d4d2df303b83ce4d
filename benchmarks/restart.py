"""``hotline bench restart``: the controller killed with 500 channels live, and how long until it owns them all again.

One real Asterisk with as many talks as agents (two channels each) and callers who wait (one channel each). The
controller is killed with SIGKILL and started again, several times. Of each round are told, from the making of the new
process:

* *owned*: the exchange's snapshot is read and every call of before has its state again, by the controller's own log;
* *serving*: the first answer to a page;
* what a restart may not do: talks that ended, callers who lost their place, phones rung a second time.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.live import HOME, facts, load, spread, stage
from benchmarks.queue import NUMBER, configuration
from benchmarks.report import Report
from benchmarks.sip_load import Habits, Load
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError

AGENTS = 225
WAITING = 50
"""With them 500 channels: a talk has two, a caller who waits has one."""
ROUNDS = 5
DOWN_S = 0.3
"""From the kill to the new process: what a supervisor of processes takes."""
FILL_S = 60.0
SETTLE_S = 3.0
CONNECTED = " exchange connected, "


@dataclass(frozen=True, slots=True)
class Round:
    """One kill and what came of it; seconds from the making of the new process."""

    channels: int
    owned_s: float
    serving_s: float
    talks_lost: int
    places_lost: int  #: callers who stand elsewhere in the line than before, or not in it any more
    rung_twice: int
    unlike: int  #: calls whose state is another one than before
    load: float


def _instants(log: Path, since: int) -> tuple[float, int]:
    """When the controller had read the snapshot (epoch seconds), and of how many channels; from byte `since` on."""
    with log.open("rb") as file:
        file.seek(since)
        for line in file.read().decode(errors="replace").splitlines():
            if CONNECTED in line:
                stamp = datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
                return stamp, int(line.split(CONNECTED)[1].split()[0])
    raise StageError("the controller's log does not tell when it was connected")


def _order(view: dict[str, Any]) -> list[str]:
    """The waiting calls in the line's order."""
    waiting = [one for one in view["calls"] if one["state"] == "waiting"]
    return [one["call"] for one in sorted(waiting, key=lambda one: (one["queued_at"], one["call"]))]


async def _round(made: Stage, crowd: Load) -> Round:
    before = await made.get("/api/overview")
    states = {one["call"]: one["state"] for one in before["calls"]}
    log = made.folder / "controller.log"
    said = log.stat().st_size
    counts = crowd.counts
    refused, talked, seconds = counts.refused, counts.talked, counts.second_legs
    await made.kill_controller()
    await asyncio.sleep(DOWN_S)  # what is measured: a process that was away for so long
    begun = time.time()
    await made.spawn_controller()
    await made.controller_serves()
    serving = time.time() - begun
    view = await made.get("/api/overview")
    at, channels = _instants(log, said)
    after = {one["call"]: one["state"] for one in view["calls"]}
    stood, stands = _order(before), _order(view)
    await asyncio.sleep(SETTLE_S)  # whom it now rings wrongly is rung by then
    return Round(
        channels=channels,
        owned_s=at - begun,
        serving_s=serving,
        talks_lost=counts.refused - refused + counts.talked - talked,
        places_lost=sum(1 for a, b in zip(stood, stands, strict=False) if a != b) + abs(len(stood) - len(stands)),
        rung_twice=counts.second_legs - seconds,
        unlike=sum(1 for call, state in states.items() if after.get(call) != state),
        load=os.getloadavg()[0],
    )


async def _run(
    agents: Sequence[str], waiting: int, rounds: int, place: Path, console: Console
) -> tuple[Report, list[Round]]:
    report = Report("restart")
    done: list[Round] = []
    async with stage("restart", console, place, configuration=place / "measured.toml", softphones=False) as made:
        details: dict[str, Any] = facts(made)
        exchange = made.exchange
        habits = Habits(talk_s=(math.inf, math.inf))
        async with Load(exchange.host, exchange.sip_port, exchange.trunk_secret, habits) as crowd:
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("phones register", total=len(agents) + rounds)
                for agent in agents:
                    await crowd.register(agent, exchange.phone(agent).password)
                await made.until(lambda view: all(one["phone"] for one in view["agents"]), 30, "the phones register")
                await made.ready(*agents)
                progress.update(task, description="calls come")
                for _ in range(len(agents) + waiting):
                    crowd.call(NUMBER)
                    progress.advance(task, len(agents) / (len(agents) + waiting))
                    await asyncio.sleep(0.04)  # 25 calls/s
                await made.until(lambda view: _full(view, len(agents), waiting), FILL_S, "everybody talks or waits")
                for number in range(rounds):
                    progress.update(task, description=f"kill {number + 1}")
                    done.append(await _round(made, crowd))
                    progress.advance(task)
            details["left_over"] = await crowd.go_home(30.0)
    owned, serving = [one.owned_s for one in done], [one.serving_s for one in done]
    report.figure("restart.owned.max", max(owned))
    report.figure("restart.lost", sum(one.talks_lost + one.places_lost + one.rung_twice + one.unlike for one in done))
    report.details = details | {
        "rounds": [asdict(one) for one in done],
        "owned": spread(owned),
        "serving": spread(serving),
        "load_after": load(),
    }
    return report, done


def _full(view: dict[str, Any], talking: int, waiting: int) -> bool:
    states = [one["state"] for one in view["calls"]]
    return states.count("talking") == talking and states.count("waiting") == waiting


def run(
    json_path: Path | None = None,
    *,
    agents: int = AGENTS,
    waiting: int = WAITING,
    rounds: int = ROUNDS,
    quick: bool = False,
    folder: Path | None = None,
) -> int:
    """Measure, print, write; 0 when it could be measured, 2 when not. `quick`: 20 talks, 5 wait, 2 kills."""
    if quick:
        agents, waiting, rounds = 20, 5, 2
    console = Console()
    try:
        place = folder or Path(os.environ.get("HOTLINE_VAR", HOME / "var")) / "bench" / "restart"
        place.mkdir(parents=True, exist_ok=True)
        phones = [str(1001 + index) for index in range(agents)]
        (place / "measured.toml").write_text(configuration(phones), "utf-8")
        report, done = asyncio.run(_run(phones, waiting, rounds, place.absolute(), console))
    except (StageError, PrepareError, OSError, ValueError, aiohttp.ClientError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    console.print(_shown(done))
    console.print(f"load of the machine before and after: {report.details['load_before'][0]}, {load()[0]}")
    return status


def _shown(done: Sequence[Round]) -> Table:
    table = Table(title="every kill", title_justify="left")
    for head in ("channels", "owned s", "serving s", "talks lost", "places lost", "rung twice", "unlike", "load"):
        table.add_column(head, justify="right")
    for one in done:
        lost = (one.talks_lost, one.places_lost, one.rung_twice, one.unlike)
        table.add_row(
            str(one.channels), f"{one.owned_s:.2f}", f"{one.serving_s:.2f}", *map(str, lost), f"{one.load:.1f}"
        )
    return table
