"""What the benchmarks with real calls share: a stage of their own, the exchange's clock, and what a process costs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from controller.asterisk_tree import find_asterisk, prepare_asterisk
from controller.demo.stage import Stage
from controller.softphone.heard import HeardPacket
from pbx import ami_login
from pbx.ami_link import AmiCounters, Link
from pbx.translate import Action, instant
from pbx.wire import Message

CONFIGURATION = Path(__file__).with_name("hotline.toml")
HOME = Path(__file__).resolve().parents[1]
DIRECT = "12328"  #: the number of `CONFIGURATION` without a menu
MENU = "12345"  #: the one with the main menu
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


# ---------------------------------------------------------------- numbers


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the sorted values do not exceed, interpolated. ValueError without values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many, median, 95th percentile, least and greatest; only the count when there are none."""
    if not values:
        return {"n": 0}
    return {
        "n": len(values),
        "p50": statistics.median(values),
        "p95": percentile(values, 0.95),
        "min": min(values),
        "max": max(values),
    }


# ---------------------------------------------------------------- what a process costs


def cpu_seconds(pid: int) -> float:
    """CPU time of a process's threads so far, user and system (proc(5): stat; resolution 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_mb(pid: int) -> float:
    """Resident memory of a process in 10^6 bytes (proc(5): statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def yardstick_s() -> float:
    """CPU seconds of a fixed piece of Python, the best of five: how fast the processor is just now, beside its load.

    CPU figures of two machines, or of a quiet and a busy one, can only be compared in proportion to it.
    """
    found = []
    for _ in range(5):
        begun = time.process_time()
        sum(range(1_000_000))
        found.append(time.process_time() - begun)
    return min(found)


def load() -> list[float]:
    """Load averages over 1, 5 and 15 minutes: what else ran on the machine."""
    return [round(value, 2) for value in os.getloadavg()]


# ---------------------------------------------------------------- prompts, found by their content


def opening(sound: bytes, frame: int = 160) -> list[bytes]:
    """The first packets of an A-law file, up to the first that no pause could be mistaken for.

    A prompt begins with some frames of its room's noise, a few values only; the first frame with a voice in it makes
    the sequence its own. ValueError if there is none.
    """
    frames: list[bytes] = []
    for start in range(0, len(sound) - frame + 1, frame):
        frames.append(sound[start : start + frame])
        if len(set(frames[-1])) > 20:
            return frames
    raise ValueError("this prompt is silent")


def begins(packets: Sequence[HeardPacket], start: int, frames: Sequence[bytes]) -> HeardPacket | None:
    """The packet from number `start` on with which `frames` begin, byte for byte in a row; None if they are not there.

    Searched by the last frame, which is the distinctive one.
    """
    last = len(frames) - 1
    for index in range(start + last, len(packets)):
        if packets[index].payload == frames[last]:
            row = packets[index - last : index + 1]
            if all(packet.payload == frame for packet, frame in zip(row, frames, strict=True)):
                return row[0]
    return None


# ---------------------------------------------------------------- the stage


@contextlib.asynccontextmanager
async def stage(
    name: str,
    console: Console,
    folder: Path | None = None,
    *,
    configuration: Path = CONFIGURATION,
    softphones: bool = True,
) -> AsyncIterator[Stage]:
    """A controller, an Asterisk and the agents' phones below ``var/bench/NAME`` (or `folder`); all ended afterwards.

    `configuration` is what is served; without `softphones` nobody registers the phones. Raises `StageError`,
    `PrepareError`.
    """
    home = Path(os.environ.get("HOTLINE_HOME", HOME))
    var = Path(os.environ.get("HOTLINE_VAR", home / "var"))
    with console.status("Asterisk") as status:
        if find_asterisk(var) is None:
            await asyncio.to_thread(prepare_asterisk, var, lambda text: status.update(f"Asterisk: {text}"))
        status.update("starting Asterisk, the controller and the phones")
        made = Stage(
            home,
            var,
            None,
            lambda text: status.update(text),
            folder=folder or var / "bench" / name,
            configuration=configuration,
            softphones=softphones,
        )
        await made.__aenter__()
    try:
        yield made
    finally:
        await made.close()


def facts(made: Stage) -> dict[str, Any]:
    """What was measured, for the file: the Asterisk, the machine's load and speed before."""
    assert made.binary is not None
    return {
        "asterisk": {"version": made.binary.version, "source": made.binary.source},
        "load_before": load(),
        "yardstick_s": yardstick_s(),
    }


# ---------------------------------------------------------------- the exchange's own instants


def clock_offset(loop_time: Callable[[], float]) -> float:
    """What must be added to the event loop's clock to get epoch seconds; of nine readings the tightest.

    Phones and exchange run on the same host, so this is all that lies between their clocks.
    """
    found: list[tuple[float, float]] = []
    for _ in range(9):
        before = loop_time()
        epoch = time.time()
        after = loop_time()
        found.append((after - before, epoch - (before + after) / 2))
    return min(found)[1]


class BridgeWatch:
    """Listens to the exchange as the AMI user `tool` for who entered a bridge, and when by the exchange's clock."""

    def __init__(self) -> None:
        self.entered: dict[str, dict[str, float]] = {}  #: call -> channel -> epoch seconds of its first BridgeEnter
        self._news = asyncio.Event()
        self._link: Link | None = None

    async def open(self, made: Stage) -> None:
        """Log in and ask for these events only. Raises `AmiError`, OSError, TimeoutError."""
        settings = made.exchange
        where = f"{settings.ami_host}:{settings.ami_port}"
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: Link(self._heard, AmiCounters(), prefix="bench", answer_s=5.0), settings.ami_host, settings.ami_port
        )
        self._link = link
        await ami_login.greet(link, where, 5.0)
        await ami_login.log_in(link, where, "tool", settings.tool_secret)
        wanted = (("Operation", "Add"), ("MatchCriteria", "action(include),name(BridgeEnter)"))
        await link.request([Action("Filter", wanted), Action("Events", (("EventMask", "call"),))])

    async def close(self) -> None:
        """Leave."""
        if self._link is not None:
            await self._link.close()

    def _heard(self, message: Message) -> None:
        call = message.variable("CALLID")
        if message.event == "BridgeEnter" and call:
            self.entered.setdefault(call, {}).setdefault(message.get("Channel"), instant(message, time.time()))
            self._news.set()

    async def joined(self, call: str, timeout: float) -> float:
        """When the second of a call's two parties entered the bridge, epoch seconds. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while len(self.entered.get(call, ())) < 2:
                self._news.clear()
                await self._news.wait()
        return max(self.entered.pop(call).values())
