"""The faults of the drill: each is done once, for as long as it says, and has ended when it returns.

An `Outage` says from when to when the hotline was hurt; what nobody could see meanwhile is judged by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable

from controller.drill.ledger import Outage
from controller.drill.stage import DrillStage
from controller.drill.town import Town

BACK_S = 100.0
"""The hotline must serve again within this."""
OWN_S = 6.0
"""And own every live call within this; longer is counted as not owned."""
LONG_DOWN = 0.06
"""So many of the kills are followed by a time without a controller in which the callers fall to the safety net."""

Fault = Callable[[DrillStage, Town, random.Random, list[Outage]], Awaitable[None]]


async def kill(stage: DrillStage, town: Town, draw: random.Random, outages: list[Outage]) -> None:
    """kill -9 of the controller at a random instant, a fifth of them while it is just starting."""
    pending: list[Outage] = []
    await asyncio.sleep(draw.uniform(0.1, 2.5))  # the random instant
    while True:
        outage = Outage("kill", time.time())
        outages.append(outage)
        pending.append(outage)
        await stage.kill_controller()
        await asyncio.sleep(draw.uniform(6.0, 9.0) if draw.random() < LONG_DOWN else draw.uniform(0.0, 0.5))
        said, begun = stage.log_size(), time.time()
        await stage.spawn_controller()
        if draw.random() < 0.2:
            await asyncio.sleep(draw.uniform(0.0, 1.5))
            continue
        break
    await _back(stage, town, pending, said, begun)


async def stop(stage: DrillStage, town: Town, draw: random.Random, outages: list[Outage]) -> None:
    """SIGSTOP of the controller, then SIGCONT: shorter and longer than callers wait for a heartbeat."""
    await asyncio.sleep(draw.uniform(0.5, 3.0))  # the random instant
    outage = Outage("stop", time.time())
    outages.append(outage)
    os.kill(stage.controller_pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(draw.uniform(0.3, 9.0))
    finally:
        os.kill(stage.controller_pid, signal.SIGCONT)
    await _owns(stage, town, [outage], time.time())


async def asterisk(stage: DrillStage, town: Town, draw: random.Random, outages: list[Outage]) -> None:
    """kill -9 of Asterisk: its calls are gone; the controller starts it again and serves the next ones."""
    await asyncio.sleep(draw.uniform(1.0, 5.0))  # the random instant
    outage = Outage("asterisk", time.time())
    outages.append(outage)
    pid = stage.asterisk_pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    for call in [call for phone in (*stage.phones.values(), *stage.citizens) for call in phone.calls]:
        call.cut()  # as a phone notices it whose line is dead
    async with asyncio.timeout(BACK_S):
        while stage.asterisk_pid in (None, pid):  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.05)
    await stage.until(lambda view: bool(view.get("connected")), BACK_S, "the exchange is connected again")
    await asyncio.gather(*(phone.register() for phone in stage.phones.values()))
    await _owns(stage, town, [outage], time.time())


async def disk(stage: DrillStage, town: Town, draw: random.Random, outages: list[Outage]) -> None:
    """The disk is full for a while; where the drill may not mount one, the controller may write no file."""
    await asyncio.sleep(draw.uniform(1.0, 4.0))  # the random instant
    outage = Outage("disk", time.time())
    outages.append(outage)
    ballast = stage.data / "ballast"
    if stage.disk_is_real:
        await asyncio.to_thread(_fill, ballast)
    else:
        limits = resource.prlimit(stage.controller_pid, resource.RLIMIT_FSIZE)
        resource.prlimit(stage.controller_pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        await asyncio.sleep(draw.uniform(2.0, 8.0))
    finally:
        if stage.disk_is_real:
            ballast.unlink(missing_ok=True)
        else:
            resource.prlimit(stage.controller_pid, resource.RLIMIT_FSIZE, limits)
    outage.end = time.time()


def _fill(ballast: os.PathLike[str]) -> None:
    """Write until nothing more fits."""
    with open(ballast, "wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    if out.write(b"\0" * size) == 0:
                        raise OSError(errno.ENOSPC, "full")


async def locked_db(stage: DrillStage, town: Town, draw: random.Random, outages: list[Outage]) -> None:
    """Another program holds the database for a while."""
    await asyncio.sleep(draw.uniform(1.0, 4.0))  # the random instant
    outage = Outage("locked-db", time.time())
    outages.append(outage)
    database = sqlite3.connect(stage.data / "hotline.db", timeout=20, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(database.execute, "BEGIN IMMEDIATE")
        await asyncio.sleep(draw.uniform(2.0, 12.0))
        database.execute("ROLLBACK")
    finally:
        database.close()
    outage.end = time.time()


FAULTS: dict[str, Fault] = {
    "kill": kill,
    "delay": kill,
    "double": kill,
    "reorder": kill,
    "stop": stop,
    "asterisk": asterisk,
    "disk": disk,
    "locked-db": locked_db,
}
"""By their names on the command line; the weathers of the proxy are added to kills."""


async def _back(stage: DrillStage, town: Town, pending: list[Outage], said: int, begun: float) -> None:
    """Wait until a started controller serves, and look whether it owns every live call."""
    async with asyncio.timeout(BACK_S):
        await stage.controller_serves()
    await _owns(stage, town, pending, begun)
    connected = stage.connected_at(said)
    if connected is not None:
        pending[-1].owned_s = connected - begun


async def _owns(stage: DrillStage, town: Town, pending: list[Outage], begun: float) -> None:
    """Every call that lives on the phones is in the API's picture of the house, the talking ones as talking."""
    old = [seen for seen in town.alive.values() if seen.answered_at is not None and seen.answered_at < begun - 0.3]
    missing = [seen.number for seen in old]
    deadline = time.time() + OWN_S
    while missing and time.time() < deadline:
        with contextlib.suppress(OSError, AssertionError):
            view = await stage.get("/api/overview")
            shown = {one["call"] for one in view["calls"] if one["outcome"] is None or one["state"] != "ended"}
            ids = await asyncio.to_thread(stage.calls_of, missing)
            missing = [number for number in missing if number in town.alive and ids.get(number) not in shown]
        if missing:
            await asyncio.sleep(0.05)
    last = pending[-1]
    last.live = len(old)
    last.unowned = missing
    last.seen_s = time.time() - begun
    for outage in pending:
        outage.end = time.time()
