"""``hotline bench races``: two things in the same instant on a real Asterisk, and who is lost by it.

The dialplan of `asterisk-config/` is driven by AMI as the controller drives it (a heartbeat, ``Setvar A<n>`` and
``Redirect <context>,<n>`` in one write), with plain SIP callers and agents (`sip_load.py`), some calls side by side.
The races that `asterisk.md` 12.8 and 11.7 name as not yet proved:

* an offer (Redirect to ``p-dial``) while an announcement is about to play or plays, answered or not;
* an offer in the instant in which the caller gives the controller up and goes to the safety net;
* hold (both redirected), blind transfer and a third party's answer, each against a hang-up of caller or agent that
  comes up to 5 ms before or after;
* an agent whose sound never comes: ``rtp_timeout`` of his endpoint.

A trial is *lost* when its caller neither is where one of the two orders wants him nor is gone by his own will, and has
*left over* what still stands 3 s after everybody has hung up. An agent who waits in ``ag-hold`` after his caller has
gone is ended by the controller and no loss; how many there were is told.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.live import HOME, load, spread
from benchmarks.report import Report
from benchmarks.sip_load import Agent, Caller, Habits, Load
from controller.asterisk import Exchange, ExchangeError, find_asterisk, free_settings, prepare_asterisk
from controller.asterisk_tree import service_account, settle
from controller.debian import PrepareError
from pbx import ami_login
from pbx.ami_link import AmiCounters, AmiError, Link
from pbx.translate import Action, set_variable
from pbx.wire import Message

NUMBER = "12345"
LANES = 6
"""Calls side by side; two agents each."""
TRIALS = 96
"""Of each race."""
SPREAD_S = 0.005
"""The second thing comes so much before or after the first, at most."""
RTP_TIMEOUT_S = 12
TALK_S = 1.1
"""A little more than the exchange's least talk (TALKMIN): a shorter one is none, and he is back in the line."""
WAIT_S = 8.0
"""What has not happened by then does not happen."""
CLEAR_S = 3.0
HBMAX_S = 3


class Lost(Exception):
    """A trial's caller is not where he should be; the text says what was waited for."""


@dataclass(slots=True)
class Tally:
    """What came of one race."""

    trials: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    left_over: int = 0
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Watch:
    """The manager's side: orders out, what the dialplan reports in, and which channels stand."""

    def __init__(self) -> None:
        self.channels: set[str] = set()
        self._reports: dict[str, list[dict[str, str]]] = defaultdict(list)
        self._starts: dict[str, tuple[str, str]] = {}
        self._news = asyncio.Event()
        self._link: Link | None = None
        self._beats: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int, secret: str) -> None:
        """Log in and begin to beat. Raises `AmiError`, OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(
            lambda: Link(self._heard, AmiCounters(), prefix="race", answer_s=10.0), host, port
        )
        self._link = link
        await ami_login.greet(link, f"{host}:{port}", 5.0)
        await ami_login.log_in(link, f"{host}:{port}", "tool", secret)
        names = ("UserEvent", "Newchannel", "Hangup", "BridgeEnter")
        wanted = [(("Operation", "Add"), ("MatchCriteria", f"action(include),name({name})")) for name in names]
        await link.request([Action("Filter", one) for one in wanted])
        await link.request([Action("Events", (("EventMask", "call,user"),))])
        await self.beat()

    async def close(self) -> None:
        """Leave."""
        self.stop_beating()
        if self._link is not None:
            await self._link.close()

    async def beat(self) -> None:
        """Beat now and from now on once a second."""
        self.stop_beating()
        await self.order([set_variable("", "HB", str(int(time.time())))])

        async def forever() -> None:
            while True:
                await asyncio.sleep(1.0)
                self.send([set_variable("", "HB", str(int(time.time())))])

        self._beats = asyncio.get_running_loop().create_task(forever())

    def stop_beating(self) -> None:
        """As if the controller were gone: the last beat is the newest."""
        if self._beats is not None:
            self._beats.cancel()
            self._beats = None

    def send(self, actions: Sequence[Action]) -> None:
        """In one write; nobody waits for the answers."""
        assert self._link is not None
        self._link.send(actions)

    async def order(self, actions: Sequence[Action]) -> list[Message]:
        """In one write; their answers."""
        assert self._link is not None
        return await self._link.request(actions)

    def _heard(self, message: Message) -> None:
        channel = message.get("Channel")
        if message.event == "Newchannel":
            self.channels.add(channel)
        elif message.event == "Hangup":
            self.channels.discard(channel)
        elif message.event == "BridgeEnter":
            call = message.variable("CALLID")
            self._reports[call].append({"UserEvent": "BridgeEnter", "Channel": channel})
        else:
            fields = message.tail("UserEvent")
            self._reports[fields.get("CallId", "")].append(fields)
            if fields.get("UserEvent") == "CallStart":
                self._starts[fields["Cli"]] = fields["CallId"], fields["Chan"]
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, what: Callable[[], bool], said: str, timeout: float = WAIT_S) -> None:
        """Wait until `what`, looked at whenever the exchange has told something. Raises `Lost`."""
        try:
            async with asyncio.timeout(timeout):
                while not what():
                    await self._news.wait()
        except TimeoutError:
            raise Lost(said) from None

    async def started(self, number: str) -> tuple[str, str]:
        """Call id and channel of the caller with this number."""
        await self.until(lambda: number in self._starts, "CallStart")
        return self._starts.pop(number)

    def saw(self, call: str, name: str, **wanted: object) -> bool:
        """Whether the dialplan has reported this of the call."""
        texts = {key: str(value) for key, value in wanted.items()}
        return any(one["UserEvent"] == name and texts.items() <= one.items() for one in self._reports.get(call, ()))

    def forget(self, call: str) -> None:
        """The trial is over."""
        self._reports.pop(call, None)


class Lane:
    """One caller and two agents at a time; each race is a method that returns its outcome's word."""

    def __init__(self, watch: Watch, crowd: Load, agents: tuple[Agent, Agent], seed: int) -> None:
        self.watch, self.crowd = watch, crowd
        self.first, self.second = agents
        self.random = random.Random(seed)
        self.call = self.channel = ""
        self.caller: Caller | None = None
        self.step = 0
        self.times: dict[str, float] = {}

    # ---------------------------------------------------------------- orders

    def move(self, context: str, argument: str, extra: str = "") -> list[Action]:
        """One step of the caller; `extra`: that channel goes to ag-hold with the same Redirect."""
        self.step += 1
        both: tuple[tuple[str, str], ...] = ()
        if extra:
            both = (("ExtraChannel", extra), ("ExtraContext", "ag-hold"), ("ExtraExten", "s"), ("ExtraPriority", "1"))
        where = (("Channel", self.channel), ("Context", context), ("Exten", str(self.step)), ("Priority", "1"))
        return [set_variable(self.channel, f"A{self.step}", argument), Action("Redirect", where + both)]

    def offer(self, agent: Agent, ring_s: int = 15) -> list[Action]:
        """Ring an agent for the caller."""
        return self.move("p-dial", f"{agent.number},{ring_s},default")

    def saw(self, name: str, **wanted: object) -> bool:
        """Of this call."""
        return self.watch.saw(self.call, name, **wanted)

    def leg(self, agent: Agent) -> str:
        """The agent's channel, if it stands."""
        return next((one for one in self.watch.channels if one.startswith(f"PJSIP/{agent.number}-")), "")

    # ---------------------------------------------------------------- the common beginnings and the end

    async def hold(self) -> None:
        """A caller who stands in p-hold."""
        self.step = 0
        self.times = {}
        for agent in (self.first, self.second):
            agent.ring_s, agent.talk_s = 0.1, math.inf
        caller = self.caller = self.crowd.call(NUMBER)
        self.call, self.channel = await self.watch.started(caller.number)
        self.watch.send(self.move("p-hold", "default"))
        await self.watch.until(lambda: self.saw("Started", Step=1), "Started of p-hold")

    async def talk(self) -> None:
        """A caller who talks with the first agent."""
        await self.hold()
        self.watch.send(self.offer(self.first))
        await self.joined(self.first)
        await asyncio.sleep(TALK_S)  # how long they talk

    async def joined(self, agent: Agent) -> None:
        """The agent's leg is in a bridge with the caller."""

        def both() -> bool:
            leg = self.leg(agent)
            return bool(leg) and self.saw("BridgeEnter", Channel=leg) and self.saw("BridgeEnter", Channel=self.channel)

        await self.watch.until(both, f"talk with agent {1 if agent is self.first else 2}")

    def gone(self) -> bool:
        """Whether the caller's channel is no more."""
        return self.channel not in self.watch.channels

    async def clear(self) -> int:
        """Everybody hangs up; what still stands after `CLEAR_S` is counted and ended by hand."""
        if self.caller is not None:
            self.crowd.hang_up(self.caller)
        for agent in (self.first, self.second):
            self.crowd.release(agent)

        def stands() -> list[str]:
            legs = (self.leg(self.first), self.leg(self.second))
            return [one for one in (self.channel, *legs) if one and one in self.watch.channels]

        try:
            await self.watch.until(lambda: not stands(), "clear", CLEAR_S)
        except Lost:
            left = stands()
            self.watch.send([Action("Hangup", (("Channel", one), ("Cause", "16"))) for one in left])
            await asyncio.sleep(0.5)  # their BYEs come and are answered
            return len(left)
        finally:
            self.watch.forget(self.call)
        return 0

    async def near(self, first: Callable[[], object], second: Callable[[], object]) -> None:
        """Two things, the second up to `SPREAD_S` before or after the first."""
        offset = self.random.uniform(-SPREAD_S, SPREAD_S)
        one, other = (first, second) if offset > 0 else (second, first)
        one()
        await asyncio.sleep(abs(offset))
        other()

    # ---------------------------------------------------------------- the races

    async def announced(self) -> str:
        """An offer while an announcement is about to play or plays; the agent answers."""
        await self.announce()
        self.watch.send(self.offer(self.first))
        await self.joined(self.first)
        return "talk"

    async def announced_unanswered(self) -> str:
        """The same; the agent does not answer, and the caller is back under music, still to be steered."""
        await self.announce()
        self.first.ring_s = math.inf
        self.watch.send(self.offer(self.first, 1))
        await self.watch.until(lambda: self.saw("NoAgent", Step=self.step), "NoAgent")
        self.watch.send(self.offer(self.second))
        await self.joined(self.second)
        return "back in the line, then talk"

    async def announce(self) -> None:
        """In p-hold, an announcement ordered up to 0.4 s ago: looked for each 0.1 s, it lasts about a second."""
        await self.hold()
        self.watch.send([set_variable(self.channel, "ANN", PROMPT)])
        await asyncio.sleep(self.random.uniform(0.0, 0.4))

    async def falls(self, at: float) -> str:
        """An offer within 0.6 s of the instant `at` (loop's clock) at which callers give the controller up."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, at + self.random.uniform(-0.6, 0.6) - loop.time()))
        fell = self.saw("Fallback")
        self.watch.send(self.offer(self.first))
        await self.joined(self.first)
        if fell:
            return "taken back out of the net, talk"
        return "fell and was taken back, talk" if self.saw("Fallback") else "talk before he fell"

    async def hold_caller_leaves(self) -> str:
        """Hold (caller to music, agent to ag-hold), and the caller hangs up."""
        await self.talk()
        caller, leg = self.caller, self.leg(self.first)
        assert caller is not None
        await self.near(
            lambda: self.watch.send(self.move("p-hold", "default", leg)), lambda: self.crowd.hang_up(caller)
        )
        await self.watch.until(self.gone, "the caller's end")
        await asyncio.sleep(0.3)  # an agent who is not let go by now waits in ag-hold
        if leg in self.watch.channels:
            self.watch.send([Action("Hangup", (("Channel", leg), ("Cause", "16")))])
            await self.watch.until(lambda: leg not in self.watch.channels, "the agent's end in ag-hold")
            return "agent left in ag-hold, ended by the controller"
        return "both gone"

    async def hold_agent_leaves(self) -> str:
        """Hold, and the agent hangs up: the caller is under music, or in the survey that follows a talk."""
        await self.talk()
        leg = self.leg(self.first)
        await self.near(
            lambda: self.watch.send(self.move("p-hold", "default", leg)), lambda: self.crowd.release(self.first)
        )
        return await self.steerable("hold")

    async def blind_caller_leaves(self) -> str:
        """Blind transfer to the second agent, and the caller hangs up."""
        await self.talk()
        caller = self.caller
        assert caller is not None
        await self.near(lambda: self.watch.send(self.offer(self.second)), lambda: self.crowd.hang_up(caller))
        await self.watch.until(self.gone, "the caller's end")
        return "caller gone"

    async def blind_agent_leaves(self) -> str:
        """Blind transfer, and the first agent hangs up by himself."""
        await self.talk()
        await self.near(lambda: self.watch.send(self.offer(self.second)), lambda: self.crowd.release(self.first))
        return await self.steerable("talk", self.second)

    async def steerable(self, wanted: str, agent: Agent | None = None) -> str:
        """The newest step began, or the talk's own end was faster and the caller is in the survey and then gone."""
        step = self.step

        def known() -> bool:
            return self.saw("Started", Step=step) or self.saw("TalkEnd") or self.gone()

        await self.watch.until(known, "Started or the talk's end")
        if self.saw("Started", Step=step):
            if agent is not None:
                await self.joined(agent)
            else:
                self.watch.send(self.offer(self.second))
                await self.joined(self.second)
            return f"{wanted}, steered on" if agent is None else wanted
        return "survey: the talk had ended"

    async def third_caller_leaves(self) -> str:
        """A third party is rung into the talk and answers as the caller hangs up."""
        caller = await self.third()
        await self.at_answer(lambda: self.crowd.hang_up(caller))
        await self.watch.until(self.gone, "the caller's end")
        return "caller gone"

    async def third_agent_leaves(self) -> str:
        """A third party answers as the first agent hangs up: the caller talks with him, or is in the survey."""
        await self.third()
        await self.at_answer(lambda: self.crowd.release(self.first))
        await asyncio.sleep(0.4)  # the third party has joined by now, or never will
        if self.saw("TalkEnd"):
            return "survey: the talk had ended"
        await self.joined(self.second)
        return "caller and third party talk"

    async def third(self) -> Caller:
        """A talk with a third party's phone about to ring."""
        await self.talk()
        assert self.caller is not None
        self.second.ring_s = 0.1
        return self.caller

    async def at_answer(self, what: Callable[[], object]) -> None:
        """Order the third party, and do `what` near his 200 OK."""
        rung = asyncio.Event()
        self.crowd.on_ring[self.second.number] = rung.set
        headers = (
            ("Channel", f"PJSIP/{self.second.number}"),
            ("Application", "BridgeAdd"),
            ("Data", self.channel),
            ("Async", "true"),
            ("Timeout", "15000"),
            ("Variable", f"ROLE=third,CALLID={self.call}"),
        )
        self.watch.send([Action("Originate", headers)])
        try:
            async with asyncio.timeout(WAIT_S):
                await rung.wait()
        except TimeoutError:
            raise Lost("INVITE of the third party") from None
        finally:
            del self.crowd.on_ring[self.second.number]
        await asyncio.sleep(0.1 + self.random.uniform(-SPREAD_S, SPREAD_S))
        what()

    async def silent_agent(self) -> str:
        """Only the caller is heard: the agent's leg is ended, and the caller goes on to the survey."""
        await self.talk()
        caller, loop = self.caller, asyncio.get_running_loop()
        assert caller is not None
        begun, leg = loop.time(), self.leg(self.first)
        while leg in self.watch.channels and loop.time() - begun < RTP_TIMEOUT_S * 2:
            self.crowd.speak(caller)
            await asyncio.sleep(0.02)
        if leg in self.watch.channels:
            raise Lost("the silent agent's end")
        self.times["agent ended after"] = loop.time() - begun
        await self.watch.until(lambda: self.saw("TalkEnd"), "the survey")
        return "agent ended, caller in the survey"


PROMPT = "hotline/zh/still-waiting"
RACES: dict[str, Callable[[Lane], Awaitable[str]]] = {
    "offer in an announcement": Lane.announced,
    "offer in an announcement, unanswered": Lane.announced_unanswered,
    "hold, caller hangs up": Lane.hold_caller_leaves,
    "hold, agent hangs up": Lane.hold_agent_leaves,
    "blind transfer, caller hangs up": Lane.blind_caller_leaves,
    "blind transfer, agent hangs up": Lane.blind_agent_leaves,
    "third party answers, caller hangs up": Lane.third_caller_leaves,
    "third party answers, agent hangs up": Lane.third_agent_leaves,
}
FALLS = "offer as he falls into the net"
SILENT = "silent agent"


async def one(lane: Lane, race: Callable[[Lane], Awaitable[str]], tally: Tally) -> None:
    """One trial, from the caller's dialling to everybody gone."""
    tally.trials += 1
    try:
        tally.outcomes[await race(lane)] += 1
    except Lost as lost:
        tally.lost[str(lost)] += 1
    for name, value in lane.times.items():
        tally.times[name].append(value)
    tally.left_over += await lane.clear()


async def race_all(
    lanes: Sequence[Lane], race: Callable[[Lane], Awaitable[str]], trials: int, told: Callable[[], None]
) -> Tally:
    """So many trials of one race, one after the other in each lane."""
    tally, left = Tally(), iter(range(trials))

    async def work(lane: Lane) -> None:
        for _ in left:
            await one(lane, race, tally)
            told()

    await asyncio.gather(*(work(lane) for lane in lanes))
    return tally


async def fall_all(lanes: Sequence[Lane], trials: int, told: Callable[[], None]) -> Tally:
    """The heart stops; each round every lane offers near the instant at which the callers leave."""
    tally, watch, loop = Tally(), lanes[0].watch, asyncio.get_running_loop()
    for _ in range(max(1, trials // len(lanes))):
        await asyncio.gather(*(lane.hold() for lane in lanes))
        await watch.beat()
        watch.stop_beating()
        # HB is in whole seconds and callers look at least once a second: they leave HBMAX + 1 to HBMAX + 2 s later.
        at = loop.time() + HBMAX_S + 1.0 - time.time() % 1.0 + 0.5

        async def fall(lane: Lane, at: float = at) -> None:
            await one(lane, lambda lane: lane.falls(at), tally)
            told()

        await asyncio.gather(*(fall(lane) for lane in lanes))
        await watch.beat()
    return tally


async def _run(place: Path, trials: int, lanes: int, silent: int, console: Console) -> Report:
    report = Report("races")
    var = place.parent.parent
    binary = find_asterisk(var)
    if binary is None:
        binary = await asyncio.to_thread(prepare_asterisk, var, console.print)
    instance = settle(place / "asterisk", service_account(), console.print)
    numbers = [str(1001 + index) for index in range(2 * lanes)]
    settings = free_settings(
        instance,
        phones=numbers,
        rtp_ports=600,
        numbers=(NUMBER,),
        heartbeat_max_s=HBMAX_S,
        rtp_timeout_s=RTP_TIMEOUT_S,
        sounds=HOME / "ivr" / "sounds",
    )
    details: dict[str, Any] = {
        "asterisk": {"version": binary.version, "source": binary.source},
        "load_before": load(),
        "spread_s": SPREAD_S,
    }
    exchange, watch = Exchange(binary, settings), Watch()
    told: dict[str, Tally] = {}
    await exchange.start()
    try:
        await watch.open(settings.ami_host, settings.ami_port, settings.tool_secret)
        async with Load(settings.host, settings.sip_port, settings.trunk_secret, Habits(talk_s=(60.0, 60.0))) as crowd:
            for number in numbers:
                await crowd.register(number, settings.phone(number).password)
            agents = [crowd.agents[number] for number in numbers]
            rows = [Lane(watch, crowd, (agents[2 * i], agents[2 * i + 1]), i) for i in range(lanes)]
            with Progress(console=console, transient=True) as progress:
                for name, race in RACES.items():
                    task = progress.add_task(name, total=trials)
                    told[name] = await race_all(rows, race, trials, lambda task=task: progress.advance(task))  # type: ignore[misc]
                task = progress.add_task(FALLS, total=trials)
                told[FALLS] = await fall_all(rows, max(lanes, trials // 2), lambda: progress.advance(task))
                task = progress.add_task(SILENT, total=silent)
                told[SILENT] = await race_all(rows, Lane.silent_agent, silent, lambda: progress.advance(task))
            await crowd.go_home()
    finally:
        await watch.close()
        await exchange.stop()
    report.figure("races.lost", sum(sum(one.lost.values()) for one in told.values()))
    report.figure("races.left_over", sum(one.left_over for one in told.values()))
    report.details = details | {
        "load_after": load(),
        "races": {
            name: {
                "trials": one.trials,
                "outcomes": dict(one.outcomes),
                "lost": dict(one.lost),
                "left_over": one.left_over,
                "times": {what: spread(values) for what, values in one.times.items()},
            }
            for name, one in told.items()
        },
    }
    return report


def run(
    json_path: Path | None = None,
    *,
    trials: int = TRIALS,
    lanes: int = LANES,
    silent: int = LANES,
    quick: bool = False,
    folder: Path | None = None,
) -> int:
    """Measure, print, write; 0 when it could be measured, 2 when not. `quick`: 12 trials of each."""
    console = Console()
    var = Path(os.environ.get("HOTLINE_VAR", HOME / "var")).absolute()
    place = folder or var / "bench" / "races"
    place.mkdir(parents=True, exist_ok=True)
    try:
        report = asyncio.run(_run(place, min(trials, 12) if quick else trials, lanes, silent, console))
    except (ExchangeError, PrepareError, AmiError, OSError, ValueError, Lost) as error:
        console.print(f"[red]The benchmark could not be made:[/red] {error}")
        return 2
    status = report.finish(json_path)
    console.print(shown(report.details["races"]))
    return status


def shown(races: dict[str, dict[str, Any]]) -> Table:
    """What came of each race."""
    table = Table(title="races", title_justify="left")
    for column in ("race", "trials", "lost", "left", "outcomes"):
        table.add_column(column, justify="left" if column in ("race", "outcomes") else "right")
    for name, found in races.items():
        said = [f"{count} {word}" for word, count in {**found["outcomes"], **found["lost"]}.items()]
        said += [f"{what} {times['p50']:.1f} s (max {times['max']:.1f})" for what, times in found["times"].items()]
        table.add_row(
            name, str(found["trials"]), str(sum(found["lost"].values())), str(found["left_over"]), "; ".join(said)
        )
    return table
