"""``hotline bench queue``: our distribution against Asterisk's `Queue()`, on the same Asterisk, with the same people.

One Asterisk, one controller, one crowd of callers and agents (`sip_load.py`), a closed loop: as many callers as there
are agents, and so many more who wait; whoever is gone is followed by a new one. In turn (A-B-A-B) they dial our number,
without a menu, or one whose dialplan is ``Answer(), Queue()`` with the same agents as members. Nobody is recorded;
callers hang up when their agent has, but for one turn of ours in which each gives a score in the survey. Ringing takes
0.1 s, a talk 2 to 3 s.

Of each turn are told, over a window after the loop has settled:

* talks ended a second, and the calls that were refused or cut off before anybody talked (none may be);
* agent free to INVITE: at the agent's own socket, from his BYE to the next INVITE for him, when at the BYE somebody had
  waited for 0.2 s or more who was not being rung for. The same rule for both sides;
* in our turns also, by the controller's journal, from the offer's decision to the agent's INVITE, and from his 200 OK
  to his leg in the bridge (`asterisk.md` 12.4 at these sizes);
* CPU of Asterisk, and of the controller in our turns, for each talk. In the turns of `Queue()` the controller runs too,
  without calls; what it costs then is told and not counted.

`Queue()` is measured as `queue-fast`: ``autofill=yes, retry=1``, the quickest there is: its ``retry=0`` means 5 s,
since app_queue takes nothing below 1; and, where 20 wait, as `queue-default`: ``autofill=no, retry=5`` as app_queue has
it when queues.conf says nothing. Both with ``strategy=rrmemory, ringinuse=no``: ringing everybody would be another
thing. The load costs CPU too, which is told: on a machine of two cores it takes from both sides alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.live import HOME, cpu_seconds, facts, load, percentile, spread, stage
from benchmarks.report import Report
from benchmarks.sip_load import Habits, Load
from controller.debian import PrepareError
from controller.demo.stage import Stage, StageError
from pbx import ami_login
from pbx.ami_link import AmiCounters, AmiError, Link
from pbx.translate import Action

OURS, FAST, DEFAULT, SURVEY = "ours", "queue-fast", "queue-default", "ours-survey"
NUMBER = "12328"
MEMBERS = (10, 50, 200)
WAITING = (20, 0, 100)
JUDGED_WAITING = 20
WINDOW_S = 8.0
SETTLE_S = 4.0
"""From the first call to the window: everybody is up, and the first agents have been free once."""
RAMP_S = 1.5
"""So long do the first callers take to come."""
QUEUES = {
    FAST: "autofill = yes\nretry = 1\ntimeout = 15",
    DEFAULT: "autofill = no\nretry = 5\ntimeout = 15",
}
EXTENSION = {(side, size): f"{7 + index}{size:03d}" for index, side in enumerate(QUEUES) for size in range(1000)}


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's turn at one size. Times in seconds; CPU in seconds for each talk that ended in the window."""

    side: str
    members: int
    waiting: int
    talks: int
    window_s: float
    calls_per_s: float
    lost: int
    lost_how: dict[str, int]
    unanswered_requests: int
    left_over: int
    waiting_seen: float  #: callers in the line, mean over the window
    free_to_invite: dict[str, float]
    arrive_to_invite: dict[str, float]
    offer_to_invite: dict[str, float]  #: from the journal's instant of the offer to the agent's INVITE (ours only)
    answer_to_bridged: dict[str, float]  #: from his 200 OK to the exchange's BridgeEnter of his leg (ours only)
    scores: int  #: satisfactions that the exchange told (ours only)
    asterisk_cpu_per_call: float
    controller_cpu_per_call: float
    asterisk_share: float  #: of a core
    controller_share: float
    load_share: float  #: of this process, which plays the people


def configuration(agents: Sequence[str]) -> str:
    """The hotline that is measured: one number without a menu, one queue, these agents."""
    return "\n".join(
        [
            f'[hotline]\ndata = "data"\n[[numbers]]\ndialled = "{NUMBER}"\ndirect = "general"',
            '[[queues]]\nid = "general"\nname_zh = "general"\nname_en = "general"\nskills = { mandarin = 1 }',
            "ring_s = 15\nannounce_first_s = 0",
            *(f'[[agents]]\nid = "{one}"\nname = "{one}"\nskills = {{ mandarin = 5 }}' for one in agents),
            "[agent_rules]\nwrap_up_s = 0.0\n[recording]\nrecord = false\n[call]\nread_ticket = false",
            f"[asterisk]\nrtp_ports = {max(400, 8 * len(agents) + 600)}\nrtp_timeout_s = 3600",
            "[web]\nport = 0\n[speech]\ntranscribe = false\n",
        ]
    )


def queues_conf(sizes: Sequence[int], agents: Sequence[str]) -> str:
    """The queues of app_queue that are measured, one for each way and number of members."""
    parts = []
    for side, how in QUEUES.items():
        for size in sizes:
            members = "\n".join(f"member => PJSIP/{one}" for one in agents[:size])
            parts.append(
                f"\n[{side}-{size}]\nmusicclass = default\nstrategy = rrmemory\nringinuse = no\nwrapuptime = 0\n"
                f"joinempty = yes\nleavewhenempty = no\nannounce-frequency = 0\n{how}\n{members}\n"
            )
    return "".join(parts)


class Rival:
    """Gives the stage's Asterisk the queues to measure, and numbers that lead to them."""

    def __init__(self, made: Stage) -> None:
        self._made = made

    async def prepare(self, sizes: Sequence[int], agents: Sequence[str]) -> None:
        """Add them to what the running Asterisk has. Raises `AmiError`, OSError, TimeoutError."""
        settings = self._made.exchange
        file = settings.instance / "etc" / "queues.conf"
        with file.open("a", encoding="utf-8") as out:
            out.write(queues_conf(sizes, agents))
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: Link(lambda _: None, AmiCounters(), prefix="rival", answer_s=10.0),
            settings.ami_host,
            settings.ami_port,
        )
        try:
            where = f"{settings.ami_host}:{settings.ami_port}"
            await ami_login.greet(link, where, 5.0)
            await ami_login.log_in(link, where, "tool", settings.tool_secret)
            wanted = [Action("Reload", (("Module", "app_queue.so"),))]
            for side in QUEUES:
                for size in sizes:
                    steps = (("Answer", ""), ("Queue", f"{side}-{size}"), ("Hangup", ""))
                    for priority, (application, data) in enumerate(steps, 1):
                        place = (("Context", "from-trunk"), ("Extension", EXTENSION[side, size]))
                        what = (("Priority", str(priority)), ("Application", application), ("ApplicationData", data))
                        wanted.append(Action("DialplanExtensionAdd", (*place, *what)))
            for answer in await link.request(wanted):
                if answer.failed:
                    raise AmiError(f"Asterisk refused a queue to compare with: {answer.get('Message')}")
        finally:
            await link.close()


class Bench:
    """The stage with its crowd: turn after turn."""

    def __init__(self, made: Stage, crowd: Load, agents: Sequence[str]) -> None:
        self._made = made
        self._crowd = crowd
        self._agents = agents
        self._ready: set[str] = set()

    async def staff(self, size: int) -> None:
        """So many agents are ready in the controller, no others."""
        wanted = set(self._agents[:size])
        await self._made.ready(*sorted(wanted - self._ready))
        await self._made.not_ready(*sorted(self._ready - wanted))
        self._ready = wanted

    async def turn(self, side: str, members: int, waiting: int, window_s: float) -> Turn:
        """Everybody calls one side; what came of it."""
        crowd = self._crowd
        number = NUMBER if side in (OURS, SURVEY) else EXTENSION[side, members]
        crowd.habits = Habits(score="5") if side == SURVEY else Habits()
        crowd.begin()
        crowd.closed_loop = number
        people = members + waiting
        for index in range(people):
            crowd.call(number)
            if index % 5 == 4:
                await asyncio.sleep(RAMP_S * 5 / people)  # they do not dial in the same instant
        await asyncio.sleep(SETTLE_S)
        before, since = self._costs(), time.time()
        crowd.counts.free_to_invite.clear()
        crowd.counts.arrive_to_invite.clear()
        talked = crowd.counts.talked
        seen: list[int] = []
        until = before[0] + window_s
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(0.25, left))  # the window; looked at from time to time
            seen.append(crowd.waiting())
        after = self._costs()
        counts = crowd.counts
        talks = counts.talked - talked
        free, arrive, legs = list(counts.free_to_invite), list(counts.arrive_to_invite), list(counts.legs)
        left_over = await crowd.go_home()
        told = journal_since(self._made.data / "journal", since) if side in (OURS, SURVEY) else Told()
        took, asterisk, controller, ours = (b - a for a, b in zip(before, after, strict=True))
        return Turn(
            side=side,
            members=members,
            waiting=waiting,
            talks=talks,
            window_s=took,
            calls_per_s=talks / took,
            lost=counts.refused,
            lost_how=dict(counts.refusals),
            unanswered_requests=counts.unanswered,
            left_over=left_over,
            waiting_seen=statistics.fmean(seen),
            free_to_invite=tails(free),
            arrive_to_invite=tails(arrive),
            offer_to_invite=tails([at - told.offered[call] for call, at, _ in legs if call in told.offered]),
            answer_to_bridged=tails([told.joined[call] - at for call, _, at in legs if call in told.joined]),
            scores=told.scores,
            asterisk_cpu_per_call=asterisk / max(1, talks),
            controller_cpu_per_call=controller / max(1, talks) if side in (OURS, SURVEY) else 0.0,
            asterisk_share=asterisk / took,
            controller_share=controller / took,
            load_share=ours / took,
        )

    def _costs(self) -> tuple[float, float, float, float]:
        asterisk = self._made.asterisk_pid
        assert asterisk is not None
        return (
            time.monotonic(),
            cpu_seconds(asterisk),
            cpu_seconds(self._made.controller_pid),
            cpu_seconds(os.getpid()),
        )


def tails(values: Sequence[float]) -> dict[str, float]:
    """`spread` with the 99th percentile."""
    return spread(values) | ({"p99": percentile(values, 0.99)} if values else {})


@dataclass(slots=True)
class Told:
    """What the controller's journal says of some calls; epoch seconds."""

    offered: dict[str, float] = field(default_factory=dict)  #: call -> when its last offer was decided
    joined: dict[str, float] = field(default_factory=dict)  #: call -> when the agent's leg entered the bridge
    scores: int = 0


def journal_since(folder: Path, since: float) -> Told:
    """Read what has been journaled after `since`; the newest file is the running controller's."""
    told = Told()
    newest = max(folder.glob("*.jsonl"))
    for line in newest.read_bytes().splitlines():
        if not any(word in line for word in (b'"is":"Offer"', b'"is":"PartyJoined"', b'"is":"CallScored"')):
            continue
        with contextlib.suppress(ValueError):  # the last line may not be whole yet
            entry = json.loads(line)
            if entry["now"] < since:
                continue
            event = entry.get("event", {})
            if event.get("is") == "PartyJoined" and event["role"] == "agent":
                told.joined.setdefault(event["call"], event["at"])
            elif event.get("is") == "CallScored" and event["score"] is not None:
                told.scores += 1
            for command in entry.get("commands", ()):
                if command["is"] == "Offer":
                    told.offered[command["call"]] = entry["now"]
    return told


def plan(members: Sequence[int], waiting: Sequence[int], *, quick: bool = False) -> Iterator[tuple[str, int, int]]:
    """The turns in their order: (side, members, waiting). Where the judged number waits each side twice, else once."""
    for size in members:
        for line in waiting:
            judged = line == JUDGED_WAITING
            sides = (OURS, FAST, DEFAULT) if judged and not quick else (OURS, FAST)
            for side in sides + ((OURS, FAST) if judged else ()):
                yield side, size, line
            if judged and size == 50:
                yield SURVEY, size, line


def judge(report: Report, turns: Sequence[Turn]) -> None:
    """The figures of `benchmarks/figures.toml`: the median of ours over the median of `queue-fast`."""
    for size in MEMBERS:
        ours, fast = (
            [one for one in turns if (one.side, one.members, one.waiting) == (side, size, JUDGED_WAITING)]
            for side in (OURS, FAST)
        )
        if not ours or not fast:
            continue

        def ratio(what: Callable[[Turn], float], ours: list[Turn] = ours, fast: list[Turn] = fast) -> float | None:
            peer = statistics.median(map(what, fast))
            return statistics.median(map(what, ours)) / peer if peer else None

        speed = ratio(lambda one: one.calls_per_s)
        if speed is not None:
            report.figure(f"queue.calls_per_s.ratio_queue.{size}_members", speed)
        if size != 50:
            continue
        tails_ours = [one.free_to_invite["p99"] for one in ours if one.free_to_invite["n"]]
        tails_fast = [one.free_to_invite["p99"] for one in fast if one.free_to_invite["n"]]
        if tails_ours and tails_fast:
            mine, peer = statistics.median(tails_ours), statistics.median(tails_fast)
            report.figure("queue.free_to_invite.p99.50_members", mine, peer=peer)
            report.figure("queue.free_to_invite.p99.ratio_queue.50_members", mine / peer)
        cost = ratio(lambda one: one.asterisk_cpu_per_call)
        if cost is not None:
            report.figure("queue.asterisk_cpu_per_call.ratio_queue.50_members", cost)
    report.figure("queue.lost_calls", sum(one.lost for one in turns if one.side in (OURS, SURVEY)))


async def _run(
    agents: Sequence[str],
    members: Sequence[int],
    waiting: Sequence[int],
    window_s: float,
    quick: bool,
    place: Path,
    console: Console,
) -> Report:
    report = Report("queue")
    config = place / "measured.toml"
    turns: list[Turn] = []
    async with stage("queue", console, place, configuration=config, softphones=False) as made:
        details: dict[str, Any] = facts(made)
        exchange = made.exchange
        await Rival(made).prepare(members, agents)
        async with Load(exchange.host, exchange.sip_port, exchange.trunk_secret, Habits()) as crowd:
            with Progress(console=console, transient=True) as progress:
                order = list(plan(members, waiting, quick=quick))
                task = progress.add_task("phones register", total=len(order))
                for agent in agents:
                    await crowd.register(agent, exchange.phone(agent).password)
                await made.until(lambda view: all(one["phone"] for one in view["agents"]), 15, "the phones register")
                await made.look_away()
                bench = Bench(made, crowd, agents)
                for side, size, line in order:
                    progress.update(task, description=f"{size} agents, {line} wait: {side}")
                    await bench.staff(size)
                    turns.append(await bench.turn(side, size, line, window_s))
                    progress.advance(task)
    judge(report, turns)
    report.details = details | {"load_after": load(), "turns": [asdict(one) for one in turns]}
    return report


def run(
    json_path: Path | None = None,
    *,
    members: Sequence[int] = MEMBERS,
    waiting: Sequence[int] = WAITING,
    window_s: float = WINDOW_S,
    quick: bool = False,
    folder: Path | None = None,
) -> int:
    """Measure, print, write; 0 when it could be measured, 2 when not. `quick`: 10 and 50 agents, 20 waiting, 4 s."""
    if quick:
        members, waiting, window_s = [one for one in members if one <= 50], (JUDGED_WAITING,), min(window_s, 4.0)
    console = Console()
    try:
        place = folder or Path(os.environ.get("HOTLINE_VAR", HOME / "var")) / "bench" / "queue"
        place.mkdir(parents=True, exist_ok=True)
        agents = [str(1001 + index) for index in range(max(members))]
        (place / "measured.toml").write_text(configuration(agents), "utf-8")
        report = asyncio.run(_run(agents, members, waiting, window_s, quick, place.absolute(), console))
    except (StageError, PrepareError, AmiError, OSError, ValueError, aiohttp.ClientError) as error:
        console.print(f"[red]The benchmark could not start:[/red] {error}")
        return 2
    status = report.finish(json_path)
    console.print(shown(report.details["turns"]))
    console.print(f"load of the machine before and after: {report.details['load_before'][0]}, {load()[0]}")
    return status


def shown(turns: Sequence[dict[str, Any]]) -> Table:
    """Every turn, in the order in which it was made."""
    table = Table(title="every turn", title_justify="left")
    for column in (
        "agents",
        "wait",
        "side",
        "calls/s",
        "lost",
        "free→INVITE p50",
        "p99 ms",
        "n",
        "Asterisk",
        "controller",
    ):
        table.add_column(column, justify="left" if column == "side" else "right")
    table.add_column("% of a core: A, c, load", justify="right")
    for one in turns:
        free = one["free_to_invite"]
        latency = [f"{1000 * free[name]:.1f}" if free["n"] else "" for name in ("p50", "p99")]
        shares = " ".join(f"{100 * one[name]:.0f}" for name in ("asterisk_share", "controller_share", "load_share"))
        table.add_row(
            str(one["members"]),
            str(one["waiting"]),
            one["side"],
            f"{one['calls_per_s']:.2f}",
            str(one["lost"]),
            *latency,
            str(free["n"]),
            f"{1000 * one['asterisk_cpu_per_call']:.1f}",
            f"{1000 * one['controller_cpu_per_call']:.1f}",
            shares,
        )
    return table
