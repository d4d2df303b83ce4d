"""``hotline bench join``: from the agent's 200 OK to both parties in one bridge, and what a call costs.

Two measurements on a real controller and a real Asterisk, with real phones and the number in direct mode:

* one call after the other: the time from the instant at which the agent's phone begins to write its 200 OK to the
  second ``BridgeEnter`` of the call, by the exchange's own timestamp (both on one host, one clock). Also told, from the
  agent's first RTP packet to his first at the caller's ear, found by its bytes.
* many short calls, some at a time: CPU of the controller and of Asterisk for each call without what they use when
  nothing happens, the events that pass the AMI filter, and the memory of both afterwards. Each call is rung, answered,
  recorded, talked, ticketed and asked for satisfaction. No page is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.live import (
    DIRECT,
    BridgeWatch,
    begins,
    clock_offset,
    cpu_seconds,
    facts,
    load,
    memory_mb,
    spread,
    stage,
)
from benchmarks.report import Report
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from controller.softphone import Call, CallFailed, Phone, RegistrationFailed
from pbx.ami_link import AmiError

CALLS = 80
"""Calls one after the other, for the time to the bridge."""
SHORT_CALLS = 500
PARALLEL = 8
"""Callers at a time among the short calls; two agents more than that are ready."""
BOUND_S = 240.0
"""No short call is begun later than this."""
IDLE_S = 10.0
"""How long controller and Asterisk are watched doing nothing."""
RING_S = 0.2
TALK_S = 1.2
"""A talk of the short calls: a little more than the exchange's least talk (TALKMIN, 1 s)."""
STEP_S = 10.0
"""Any step of a call that takes longer has failed."""
FAILED_AT_MOST = 0.05
"""When a greater share of the calls fails, what is left says nothing about a call's cost: no figure."""


@dataclass(slots=True)
class Answered:
    """An agent's part of a call."""

    call: Call
    decided: float  #: loop's clock: the phone begins to write its 200 OK
    voice: bytes  #: what the agent says; no packet of it is like another one
    talked: asyncio.Event = field(default_factory=asyncio.Event)  #: set once he has hung up

    @property
    def id(self) -> str:
        """The call's id, as the exchange gave it to the phone."""
        return self.call.header("X-CallId") or ""


class Desk:
    """The agents: each phone rings for a while and is answered; callers find their agent by their own number."""

    def __init__(self, phones: list[Phone], talk_s: float | None) -> None:
        """`talk_s`: after so long the agent hangs up; None: the caller does."""
        self._talk_s = talk_s
        self._random = random.Random(1)
        self._waiting: dict[str, asyncio.Future[Answered]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for phone in phones:
            phone.on_call = self._ring

    def expect(self, number: str) -> asyncio.Future[Answered]:
        """Who will have answered the caller with this number."""
        return self._waiting.setdefault(number, asyncio.get_running_loop().create_future())

    def _ring(self, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._take(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        voice = self._random.randbytes(160 * 25)
        await asyncio.sleep(RING_S)  # how long this agent lets it ring
        call.play(voice)
        decided = loop.time()
        call.answer()
        answered = Answered(call, decided, voice)
        found = self._waiting.pop(call.remote_number, None)
        if found is not None and not found.done():
            found.set_result(answered)
        if self._talk_s is not None:
            await asyncio.sleep(self._talk_s)  # how long the talk is
            await call.hangup()
            answered.talked.set()

    async def close(self) -> None:
        """Send the agents home."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


# ---------------------------------------------------------------- one call after the other


@dataclass(slots=True)
class Joins:
    """Seconds, one value for each call that went well."""

    from_answer: list[float] = field(default_factory=list)  #: from the 200 OK being begun
    from_sent: list[float] = field(default_factory=list)  #: from it having left the phone
    heard: list[float] = field(default_factory=list)  #: from the agent's first packet to the caller's ear
    failed: int = 0


async def joins(made: Stage, calls: int, told: Callable[[], None]) -> Joins:
    """The time from the agent's 200 OK to both parties bridged, call after call."""
    found = Joins()
    watch = BridgeWatch()
    desk = Desk([phone for number, phone in made.phones.items()], None)
    await watch.open(made)
    try:
        for index in range(calls):
            try:
                await _join(made, desk, watch, f"1370000{index:04d}", found)
            except (CallFailed, TimeoutError):
                found.failed += 1
            told()
    finally:
        await desk.close()
        await watch.close()
    return found


async def _join(made: Stage, desk: Desk, watch: BridgeWatch, number: str, found: Joins) -> None:
    loop = asyncio.get_running_loop()
    phone = await made.citizen(number)
    try:
        expected = desk.expect(number)
        call = await phone.call(DIRECT)
        await call.answered(STEP_S)
        async with asyncio.timeout(STEP_S):
            agent = await expected
        bridged = await watch.joined(agent.id, STEP_S) - clock_offset(loop.time)
        sent, first = agent.call.time_of("sent 200"), (await agent.call.event("rtp sent", STEP_S)).at
        heard = await _hear(call, agent.voice)
        await call.hangup()
        await agent.call.ended(STEP_S)
        found.from_answer.append(bridged - agent.decided)
        found.from_sent.append(bridged - (sent or agent.decided))
        found.heard.append(heard - first)
    finally:
        made.citizens.remove(phone)
        await phone.stop()


async def _hear(call: Call, voice: bytes) -> float:
    """Arrival of the first packet of the agent's voice, whichever of them it is."""
    frames = [voice[start : start + 160] for start in range(0, len(voice), 160)]
    async with asyncio.timeout(STEP_S):
        while True:
            arrivals = [packet.arrival for frame in frames if (packet := begins(call.heard.packets, 0, [frame]))]
            if arrivals:
                return min(arrivals)
            await call.hear_sound(timeout=STEP_S, level=-100.0)


# ---------------------------------------------------------------- many short calls


@dataclass(frozen=True, slots=True)
class Cost:
    """What the two processes have used so far, and what has come through the AMI filter."""

    at: float
    controller_s: float
    asterisk_s: float
    controller_mb: float
    asterisk_mb: float
    counters: dict[str, int]


async def cost(made: Stage) -> Cost:
    """Read it now."""
    assert made.asterisk_pid is not None
    counters = (await made.get("/api/overview"))["exchange"]
    controller, asterisk = made.controller_pid, made.asterisk_pid
    return Cost(
        time.monotonic(),
        cpu_seconds(controller),
        cpu_seconds(asterisk),
        memory_mb(controller),
        memory_mb(asterisk),
        counters,
    )


def per_call(idle: tuple[Cost, Cost], busy: tuple[Cost, Cost], calls: int) -> dict[str, Any]:
    """What one call cost, without what is used while nothing happens. CPU in seconds. ValueError without calls."""
    if calls < 1:
        raise ValueError("no calls")
    begin, end = busy
    quiet = idle[1].at - idle[0].at
    told: dict[str, Any] = {}
    for name in ("controller_s", "asterisk_s"):
        rate = (getattr(idle[1], name) - getattr(idle[0], name)) / quiet
        used = getattr(end, name) - getattr(begin, name)
        word = name.removesuffix("_s")
        told[f"{word}_idle_cpu_per_s"] = rate
        told[f"{word}_cpu_per_call"] = max(0.0, used - rate * (end.at - begin.at)) / calls
    for name in ("messages", "events", "ignored", "actions"):
        told[f"ami_{name}_per_call"] = (end.counters[name] - begin.counters[name]) / calls
    return told


@dataclass(slots=True)
class Shorts:
    """How the short calls went."""

    calls: int = 0
    failed: int = 0
    took_s: float = 0.0
    most_at_once: int = 0


async def short_calls(made: Stage, calls: int, parallel: int, told: Callable[[], None]) -> Shorts:
    """So many calls, `parallel` at a time; none is begun after `BOUND_S` seconds."""
    desk = Desk(list(made.phones.values()), TALK_S)
    done = Shorts()
    begun = time.monotonic()
    numbers = iter(f"136{index:08d}" for index in range(calls))
    talking = 0

    async def caller(phone: Phone) -> None:
        nonlocal talking
        for number in numbers:
            if time.monotonic() - begun > BOUND_S:
                return
            talking += 1
            done.most_at_once = max(done.most_at_once, talking)
            try:
                await _short_call(phone, desk, number)
                done.calls += 1
            except (CallFailed, TimeoutError):
                done.failed += 1
            talking -= 1
            told()

    phones = [await made.citizen("13600000000", record=False) for _ in range(parallel)]
    try:
        await asyncio.gather(*(caller(phone) for phone in phones))
    finally:
        done.took_s = time.monotonic() - begun
        await desk.close()
    return done


async def _short_call(phone: Phone, desk: Desk, number: str) -> None:
    """Dial, wait, talk, give a five in the survey, hang up."""
    expected = desk.expect(number)
    call = await phone.call(DIRECT, from_number=number)
    try:
        await call.answered(STEP_S)
        async with asyncio.timeout(STEP_S):
            agent = await expected
            await agent.talked.wait()
        await call.hear_sound(STEP_S)  # the survey begins
        await call.press("5")
    finally:
        with contextlib.suppress(CallFailed):
            await call.hangup()


async def settled(made: Stage, timeout: float) -> None:
    """Wait until nobody talks and every recording is sealed: this is a part of the calls' cost. Raises TimeoutError."""
    raw = made.exchange.recordings
    async with asyncio.timeout(timeout):
        while True:
            if not any(raw.iterdir()):  # looked at first, because it costs the controller nothing
                view = await made.get("/api/overview")
                if not view["waiting"] and not view["talking"] and not any(raw.iterdir()):
                    return
            await asyncio.sleep(0.2)  # that a file is sealed tells nobody


async def _run(calls: int, short: int, idle_s: float, folder: Path | None, console: Console) -> Report:
    report = Report("join")
    async with stage("join", console, folder) as made:
        details: dict[str, Any] = facts(made)
        await made.ready(*made.phones)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("one call after the other", total=calls)
            found = await joins(made, calls, lambda: progress.advance(task))
            details["load_between"] = load()
            await settled(made, 30)
            await made.look_away()
            task = progress.add_task("nothing happens", total=1)
            before = await cost(made)
            await asyncio.sleep(idle_s)  # what is measured here is that nothing happens
            after = await cost(made)
            progress.advance(task)
            task = progress.add_task(f"short calls, {PARALLEL} at a time", total=short)
            begin = await cost(made)
            done = await short_calls(made, short, PARALLEL, lambda: progress.advance(task))
            await settled(made, 30)
            end = await cost(made)
    each = per_call((before, after), (begin, end), max(1, done.calls + done.failed))
    if found.from_answer:
        report.figure("join.answer_to_bridged.p50", spread(found.from_answer)["p50"])
    if done.calls and done.failed <= FAILED_AT_MOST * done.calls:
        report.figure("join.controller_cpu_per_call", each["controller_cpu_per_call"])
    details |= {
        "load_after": load(),
        "answer_to_bridged": spread(found.from_answer),
        "answer_sent_to_bridged": spread(found.from_sent),
        "agent_to_callers_ear": spread(found.heard),
        "failed_calls": found.failed,
        "short_calls": {
            "calls": done.calls,
            "failed": done.failed,
            "parallel": PARALLEL,
            "most_at_once": done.most_at_once,
            "took_s": done.took_s,
            "calls_per_s": done.calls / done.took_s,
            **each,
            "controller_memory_mb": {"before": begin.controller_mb, "after": end.controller_mb},
            "asterisk_memory_mb": {"before": begin.asterisk_mb, "after": end.asterisk_mb},
        },
    }
    report.details = details
    return report


def run(
    json_path: Path | None = None,
    *,
    calls: int = CALLS,
    short_calls: int = SHORT_CALLS,
    idle_s: float = IDLE_S,
    folder: Path | None = None,
) -> int:
    """Measure, print the table, write the file; 0 if every goal is reached, 2 if nothing could be measured."""
    console = Console()
    try:
        report = asyncio.run(_run(calls, short_calls, idle_s, folder, console))
    except (StageError, PrepareError, RegistrationFailed, AmiError, OSError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    _say(report.details, console)
    return status


def _say(details: dict[str, Any], console: Console) -> None:
    """What the table has no goal for."""
    joined, sent, heard = (details[name] for name in _TIMES)
    if joined["n"]:
        console.print(
            f"200 OK to bridge: {joined['n']} calls, p50 {1000 * joined['p50']:.1f} ms, p95 {1000 * joined['p95']:.1f}"
            f" ms (from the 200 OK having left: p50 {1000 * sent['p50']:.1f} ms);"
            f" agent's first packet to the caller's ear: p50 {1000 * heard['p50']:.1f} ms"
        )
    short = details["short_calls"]
    mb = {who: short[f"{who}_memory_mb"] for who in ("controller", "asterisk")}
    console.print(
        f"{short['calls']} short calls in {short['took_s']:.0f} s ({short['failed']} failed), each: controller"
        f" {1000 * short['controller_cpu_per_call']:.1f} ms CPU, Asterisk {1000 * short['asterisk_cpu_per_call']:.1f}"
        f" ms CPU, {short['ami_events_per_call']:.1f} AMI events of ours and {short['ami_ignored_per_call']:.1f} others"
        " through the filter"
    )
    console.print(
        f"memory before and after: controller {mb['controller']['before']:.0f} and {mb['controller']['after']:.0f} MB,"
        f" Asterisk {mb['asterisk']['before']:.0f} and {mb['asterisk']['after']:.0f} MB; CPU when nothing happens:"
        f" controller {1000 * short['controller_idle_cpu_per_s']:.1f} ms/s,"
        f" Asterisk {1000 * short['asterisk_idle_cpu_per_s']:.1f} ms/s;"
        f" load of the machine before and after: {details['load_before'][0]}, {details['load_after'][0]}"
    )


_TIMES = ("answer_to_bridged", "answer_sent_to_bridged", "agent_to_callers_ear")
