"""``hotline bench controller``: what the controller itself costs, with a fake Asterisk on the other end of its wire.

The whole controller runs as a process of its own: the manager's door, the rules, the journal with its syncs, the store
on SQLite, tickets and figures; only sound is missing, so nothing is recorded. A fake manager (`fake_manager.py`) in the
benchmark's process plays the calls, about 22 events each: menu with a repeat, a wrong key and the right one, message,
line, ring, talk, survey. Calls arrive evenly, in steps of a rising rate; of each step are told:

* CPU of the controller for each call without what it uses when nothing happens, and its whole share of a core;
* the stalls of its event loop (`probed.py`: late wake-ups of a 5 ms sleep), and from a call's arrival to the first
  command for it, as the fake manager sees it;
* the calls that were not carried to their end: none may be lost.

`controller.calls_per_s` is the rate of the fastest step that loses no call and takes no more than half a core; the CPU
and the stalls are those of the step at 100 calls/s. At the end one step is done again with a recording for each call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress

from benchmarks import probed
from benchmarks.fake_manager import FakeManager, Habits
from benchmarks.live import HOME, cpu_seconds, load, memory_mb, percentile, spread, yardstick_s
from benchmarks.report import Report

RATES = (5.0, 25.0, 50.0, 100.0, 150.0, 200.0)
"""Calls a second of each step."""
JUDGED = 100.0
"""The step whose figures are judged."""
RECORDED = 5.0
"""The rate of the step with recordings: as in `bench join`."""
STEP_S = 8.0
IDLE_S = 5.0
AGENTS = 320
START_S = 60.0
DRAIN_S = 30.0
SHARE = 0.5
"""Of a core."""
SECRET = "not-a-secret"  # noqa: S105 - of a manager on loopback that lives for a minute
NUMBER = "12345"


@dataclass(frozen=True, slots=True)
class Step:
    """What one rate has shown; CPU in seconds, stalls and reactions in seconds."""

    rate: float
    offered: int
    finished: int
    talked: int
    took_s: float
    cpu_per_call: float
    cpu_share: float  #: of a core, everything counted
    loop_share: float  #: of a core, the event loop's thread alone
    events_per_call: float
    most_at_once: int
    stall: dict[str, float]
    reaction: dict[str, float]
    memory_mb: float

    @property
    def carried(self) -> bool:
        """Every call came to its end, and every caller talked."""
        return self.offered == self.finished == self.talked


class BenchError(Exception):
    """Nothing could be measured; the text says why."""


def configuration(agents: Sequence[str], manager: FakeManager, spool: Path, *, record: bool) -> str:
    """The hotline that is measured: one menu, its three queues, so many agents, no wrap-up."""
    queues = (("general", "mandarin"), ("english", "english"), ("approvals", "approvals"))
    lines = [
        f'[hotline]\ndata = "data"\n[[numbers]]\ndialled = "{NUMBER}"\nmenu = "main"',
        *(
            f'[[queues]]\nid = "{name}"\nname_zh = "{name}"\nname_en = "{name}"\nskills = {{ {skill} = 1 }}'
            for name, skill in queues
        ),
        *(
            f'[[agents]]\nid = "{one}"\nname = "{one}"\nskills = {{ mandarin = 5, english = 5, approvals = 5 }}'
            for one in agents
        ),
        "[agent_rules]\nwrap_up_s = 0.0",
        f"[recording]\nrecord = {str(record).lower()}",
        f'[asterisk]\nmode = "attach"\nami_port = {manager.port}\nami_secret_file = "secret"\nspool = "{spool}"',
        "[web]\nport = 0\n[speech]\ntranscribe = false\n",
    ]
    return "\n".join(lines)


class Bench:
    """One controller and its fake manager. ``async with``."""

    def __init__(self, folder: Path, agents: int, *, record: bool = False) -> None:
        self.agents = [str(1001 + index) for index in range(agents)]
        self.manager = FakeManager(self.agents, SECRET, Habits())
        self.samples = folder / "stalls"
        self.idle_s = 0.0  #: CPU seconds a second when nothing happens
        self._folder = folder
        self._record = record
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Bench:
        """Raises `BenchError` if the controller does not start."""
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await self.manager.close()

    @property
    def pid(self) -> int:
        """The controller's process."""
        assert self._process is not None
        return self._process.pid

    async def _start(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        spool = self._folder / "spool"
        (spool / "monitor").mkdir(parents=True)
        await self.manager.open()
        (self._folder / "secret").write_text(SECRET)
        (self._folder / "secret").chmod(0o600)
        config = self._folder / "hotline.toml"
        config.write_text(configuration(self.agents, self.manager, spool, record=self._record), "utf-8")
        with (self._folder / "controller.log").open("ab") as log:
            words = ("-m", "benchmarks.probed", str(self.samples), "run", "--config", str(config))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=HOME, stdout=log, stderr=log, start_new_session=True
            )
        data = self._folder / "data"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            url = await self._serving(data)
            token = (data / "api-token").read_text().strip()
            session.headers["Authorization"] = f"Bearer {token}"
            for agent in self.agents:
                async with session.post(f"{url}api/agents/{agent}/ready") as answer:
                    if answer.status >= 300:
                        raise BenchError(f"agent {agent} cannot be made ready: {await answer.text()}")

    async def _serving(self, data: Path) -> str:
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while self._process.returncode is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                return (data / "web-address").read_text().strip()
            await asyncio.sleep(0.05)  # the controller tells nobody that it serves
        said = (self._folder / "controller.log").read_text(errors="replace").splitlines()
        raise BenchError(f"the controller did not start: {said[-1] if said else 'it says nothing'}")

    async def idle(self, seconds: float) -> None:
        """Learn what nothing costs."""
        begun, before = time.monotonic(), cpu_seconds(self.pid)
        await asyncio.sleep(seconds)  # what is measured here is that nothing happens
        self.idle_s = (cpu_seconds(self.pid) - before) / (time.monotonic() - begun)

    async def step(self, rate: float, seconds: float) -> Step:
        """Offer `rate` calls a second for so long and wait until all of them are over, at most `DRAIN_S`."""
        manager, loop = self.manager, asyncio.get_running_loop()
        before = manager.finished, manager.talked, manager.events
        manager.reactions.clear()
        manager.most_at_once = 0
        offered = max(1, round(rate * seconds))
        begun, cpu, thread = time.monotonic(), cpu_seconds(self.pid), thread_seconds(self.pid)
        first = loop.time()
        for index in range(offered):
            if (left := first + index / rate - loop.time()) > 0:
                await asyncio.sleep(left)
            manager.arrive(NUMBER)
        with contextlib.suppress(TimeoutError):
            await manager.quiet(DRAIN_S)
        took = time.monotonic() - begun
        await asyncio.sleep(0.3)  # the last records are stored some time later than they change
        used = cpu_seconds(self.pid) - cpu
        spent = time.monotonic() - begun
        stalls = probed.read(self.samples, begun, begun + took)
        made = Step(
            rate=rate,
            offered=offered,
            finished=manager.finished - before[0],
            talked=manager.talked - before[1],
            took_s=took,
            cpu_per_call=max(0.0, used - self.idle_s * spent) / offered,
            cpu_share=used / spent,
            loop_share=(thread_seconds(self.pid) - thread) / spent,
            events_per_call=(manager.events - before[2]) / offered,
            most_at_once=manager.most_at_once,
            stall=tails(stalls),
            reaction=tails(manager.reactions),
            memory_mb=memory_mb(self.pid),
        )
        for left_over in list(manager.calls.values()):
            manager.hang_up(left_over)
        return made


def thread_seconds(pid: int) -> float:
    """CPU time of a process's first thread, on which the event loop runs (proc(5): task; resolution 10 ms)."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tails(values: Sequence[float]) -> dict[str, float]:
    """`spread` with the 99th percentile."""
    return spread(values) | ({"p99": percentile(values, 0.99)} if values else {})


async def _run(folder: Path, rates: Sequence[float], step_s: float, idle_s: float, console: Console) -> Report:
    report = Report("controller")
    agents = min(AGENTS, max(10, int(max(rates) * 1.6)))
    details: dict[str, Any] = {"load_before": load(), "yardstick_s": yardstick_s(), "agents": agents}
    steps: list[Step] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("start", total=len(rates) + 2)
        async with Bench(folder, agents) as bench:
            progress.update(task, advance=1, description="nothing happens")
            await bench.idle(idle_s)
            for rate in rates:
                progress.update(task, advance=1, description=f"{rate:g} calls/s")
                steps.append(await bench.step(rate, step_s))
                if steps[-1].cpu_share > 0.95:
                    break  # the core is full: faster says nothing more
            details["idle_cpu_per_s"] = bench.idle_s
        progress.update(task, description="with recordings")
        async with Bench(folder, agents, record=True) as bench:
            bench.manager.raw = os.urandom(int(4 * 8000 * 1.5))  # 1.5 s, two 16-bit channels
            await bench.idle(min(idle_s, 2.0))
            recorded = await bench.step(RECORDED, step_s)
    good = [one for one in steps if one.carried and one.cpu_share <= SHARE]
    if good:
        report.figure("controller.calls_per_s", max(one.rate for one in good))
    judged = next((one for one in steps if one.rate == JUDGED), None)
    if judged is not None and judged.carried:
        report.figure("controller.cpu_per_call", judged.cpu_per_call)
        report.figure("controller.loop_stall.p99", judged.stall["p99"])
    details |= {
        "load_after": load(),
        "steps": [asdict(one) | {"carried": one.carried} for one in steps],
        "recorded": asdict(recorded) | {"carried": recorded.carried},
    }
    report.details = details
    return report


def run(
    json_path: Path | None = None,
    *,
    rates: Sequence[float] = RATES,
    step_s: float = STEP_S,
    idle_s: float = IDLE_S,
    quick: bool = False,
    folder: Path | None = None,
) -> int:
    """Measure, print, write; 0 when it could be measured, 2 when not. `quick`: 5 and 100 calls/s, 4 s each."""
    if quick:
        rates, step_s, idle_s = (RECORDED, JUDGED), min(step_s, 4.0), min(idle_s, 2.0)
    console = Console()
    var = Path(os.environ.get("HOTLINE_VAR", HOME / "var")).absolute()
    try:
        report = asyncio.run(_run(folder or var / "bench" / "controller", rates, step_s, idle_s, console))
    except (BenchError, OSError, aiohttp.ClientError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    _say(report.details, console)
    return status


def _say(details: dict[str, Any], console: Console) -> None:
    rows = [(one, "") for one in details["steps"]] + [(details["recorded"], ", recorded")]
    for one, note in rows:
        stall, reaction = one["stall"], one["reaction"]
        console.print(
            f"{one['rate']:5.0f} calls/s{note}: {1000 * one['cpu_per_call']:.2f} ms CPU a call,"
            f" {100 * one['cpu_share']:.0f} % of a core ({100 * one['loop_share']:.0f} % the loop);"
            f" stall p50 {1000 * stall['p50']:.2f}, p99 {1000 * stall['p99']:.1f}, max {1000 * stall['max']:.0f} ms;"
            f" arrival to command p50 {1000 * reaction['p50']:.1f}, p99 {1000 * reaction['p99']:.1f} ms;"
            f" {one['events_per_call']:.1f} events a call, {one['finished']} of {one['offered']} carried,"
            f" {one['talked']} talked"
        )
    console.print(
        f"CPU when nothing happens: {1000 * details['idle_cpu_per_s']:.1f} ms/s, the probe included;"
        f" load of the machine before and after: {details['load_before'][0]}, {details['load_after'][0]}"
    )
