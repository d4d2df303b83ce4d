"""``hotline bench acd``: the distribution's cores and a member scan on the same generated work, in one interleaved run.

The work is that of `performance.md` 2a: 30 skills; agents with 1-6 of them at levels 1-5; callers who need one (70 %),
two (25 %) or three; every tenth with a priority. `templates` = 200 roles (how centres are run), `random` = every agent
on his own. `light` = a tenth of the agents idle, nobody waits; `overload` = all busy, a fifth as many callers waiting.
A decision is one caller who arrives or one agent who becomes free, with everything that follows: the match is made and
both sides are taken out, or he waits or is idle. An agent becomes free for each caller who arrives.

The peer is what `app_queue` does (`apps/app_queue.c`): every arrival looks at all members of its queue, here only their
idle flag, level and idle time, without locks and without the second that its waiters sleep; the free agent looks at
the heads of his queues. That is kinder to it than the real one. All sides decide by the same rule; the first decisions
of every cell are compared with the router that looks at everybody (`acd.router`), so each is the same work.

Rates are decisions per second of CPU time; latencies are by the wall clock of every single decision of a further run
and so hold what else the machine did.
"""

from __future__ import annotations

import gc
import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import Any, Protocol

from acd.line import Line, Waiting
from acd.policy import BEST_LEVEL, DEFAULT_AGEING_S
from acd.pool import Pool
from acd.router import Candidate, match
from acd.skills import Requirement, Skills, fits, level
from benchmarks.report import Report, shown
from pbx.ids import AgentId, CallId, QueueId, SkillId

SIZES = (1_000, 10_000, 50_000)
LAYOUTS = ("templates", "random")
LOADS = ("light", "overload")
ROUNDS = 3
DECISIONS = 16_000  #: of one run of a core
SCAN_SECONDS = 0.35  #: of one run of the member scan, which is slower
ORACLE_DECISIONS = 60  #: compared with the router in every cell; more would take minutes at 50,000 agents
SKILLS = [SkillId(f"skill{number:02}") for number in range(30)]


@dataclass(frozen=True, slots=True)
class Work:
    """One cell: agents with their skills, those who are idle and those who wait at the start, and what happens then."""

    skills: dict[AgentId, Skills]
    requirements: list[Requirement]
    idle: list[AgentId]
    waiting: list[Waiting]
    callers: list[Waiting]


def _skills(random: Random) -> Skills:
    return {skill: random.randint(1, 5) for skill in random.sample(SKILLS, random.randint(1, 6))}


def work(agents: int, layout: str, load: str, decisions: int, seed: int = 12345) -> Work:
    """Generated work; the same arguments give the same."""
    random = Random(f"{agents} {layout} {load} {seed}")
    roles = [_skills(random) for _ in range(200)]
    names = [AgentId(f"{100000 + number}") for number in range(agents)]
    skills = {name: random.choice(roles) if layout == "templates" else _skills(random) for name in names}
    requirements = _requirements(random)
    some = random.sample(names, min(2000, agents))
    served = {name: [one for one in requirements if fits(skills[name], one)] for name in some}
    names_asked = [name for name in some if served[name]]
    idle = random.sample(names, agents // 10) if load == "light" else []
    before = agents // 5 if load == "overload" else 0

    def caller(number: int) -> Waiting:
        priority = random.randint(1, 3) if random.random() < 0.1 else 0
        wanted = _wanted(random, served, names_asked)
        return Waiting(
            CallId(f"call{number:07}"), QueueId(str(wanted)), wanted, float(number), priority, frozenset(),
            BEST_LEVEL, DEFAULT_AGEING_S,
        )  # fmt: skip

    callers = [caller(number) for number in range(before + decisions // 2)]
    return Work(skills, requirements, idle, callers[:before], callers[before:])


def _requirements(random: Random) -> list[Requirement]:
    """About 107 classes of callers."""
    found = {Requirement(((skill, least),)): None for skill in SKILLS for least in (1, 3)}
    while len(found) < 95:
        found[_several(random, 2)] = None
    while len(found) < 107:
        found[_several(random, 3)] = None
    return list(found)


def _several(random: Random, count: int) -> Requirement:
    return Requirement(tuple((skill, random.randint(1, 3)) for skill in random.sample(SKILLS, count)))


def _wanted(random: Random, served: dict[AgentId, list[Requirement]], names: list[AgentId]) -> Requirement:
    """What a caller needs: something that a randomly drawn agent can do, so that there are agents for what is asked."""
    count = random.choices((1, 2, 3), weights=(70, 25, 5))[0]
    for _ in range(30):
        found = [one for one in served[random.choice(names)] if len(one.needs) == count]
        if found:
            return random.choice(found)
    return random.choice(served[random.choice(names)])


class Side(Protocol):
    """What is measured."""

    def arrive(self, caller: Waiting, now: float) -> Any:
        """A caller arrives: the pair that is made, with `agent`, or None and he waits."""

    def free(self, agent: AgentId, now: float) -> Any:
        """An agent becomes free: the pair that is made, or None and he is idle."""


def core(name: str) -> Callable[[Work], Side]:
    """One of our cores, as the switchboard uses it."""

    def make(given: Work) -> Side:
        pool = Pool(name)
        for agent, skills in given.skills.items():
            pool.know(agent, skills)
        for wanted in given.requirements:
            pool.prepare(wanted, BEST_LEVEL, DEFAULT_AGEING_S)
        return pool

    return make


@dataclass(slots=True)
class Member:
    """An agent as a member of a queue: one object for all his queues, as `app_queue` shares device states."""

    agent: AgentId
    idle: bool = False
    since: float = 0.0


class MemberScan:
    """What `app_queue` does, with skills as its penalties: look at every member of the caller's queue."""

    def __init__(self, given: Work) -> None:
        self._members = {agent: Member(agent) for agent in given.skills}
        self._queues: dict[Requirement, list[tuple[int, Member]]] = {}
        self._of: dict[AgentId, list[Requirement]] = {agent: [] for agent in given.skills}
        self._waiting: dict[Requirement, list[tuple[tuple[float, float, str], Waiting]]] = {}
        able: dict[SkillId, list[AgentId]] = {}
        for agent, skills in given.skills.items():
            for skill in skills:
                able.setdefault(skill, []).append(agent)
        for wanted in given.requirements:
            self._queues[wanted], self._waiting[wanted] = [], []
            for agent in able.get(wanted.needs[0][0], ()):
                skills = given.skills[agent]
                if fits(skills, wanted):
                    self._queues[wanted].append((-level(skills, wanted), self._members[agent]))
                    self._of[agent].append(wanted)

    def emptied(self) -> MemberScan:
        """The same members, nobody idle and nobody waiting: what a queue is made of takes long to build."""
        for member in self._members.values():
            member.idle = False
        for heap in self._waiting.values():
            heap.clear()
        return self

    def arrive(self, caller: Waiting, now: float) -> tuple[Waiting, AgentId] | None:
        """Look at all members."""
        best: tuple[int, float, AgentId] | None = None
        chosen: Member | None = None
        for penalty, member in self._queues[caller.requirement]:
            if member.idle:
                metric = (penalty, member.since, member.agent)
                if best is None or metric < best:
                    best, chosen = metric, member
        if chosen is None:
            heappush(self._waiting[caller.requirement], (caller.place, caller))
            return None
        chosen.idle = False
        return caller, chosen.agent

    def free(self, agent: AgentId, now: float) -> tuple[Waiting, AgentId] | None:
        """Look at the first caller of each of his queues."""
        first: Requirement | None = None
        for wanted in self._of[agent]:
            heap = self._waiting[wanted]
            if heap and (first is None or heap[0] < self._waiting[first][0]):
                first = wanted
        if first is not None:
            return heappop(self._waiting[first])[1], agent
        member = self._members[agent]
        member.idle, member.since = True, now
        return None


class Oracle:
    """The router that looks at everybody."""

    def __init__(self, given: Work) -> None:
        self._skills = given.skills
        self._idle: dict[AgentId, float] = {}
        self._line = Line()
        self.ready = False  #: the start is put in: match from now on

    def arrive(self, caller: Waiting, now: float) -> Any:
        """Put him in and match."""
        self._line.add(caller)
        return self._match(now)

    def free(self, agent: AgentId, now: float) -> Any:
        """Put him in and match."""
        self._idle[agent] = now
        return self._match(now)

    def _match(self, now: float) -> Any:
        if not self.ready:
            return None
        candidates = [Candidate(agent, self._skills[agent], since) for agent, since in self._idle.items()]
        found = match(self._line, candidates, now=now)
        if not found:
            return None
        del self._idle[found[0].agent]
        self._line.remove(found[0].call)
        return found[0]


def fill(side: Side, given: Work) -> list[AgentId]:
    """Put in those who are idle and who wait at the start; returns the agents who talk."""
    for number, agent in enumerate(given.idle):
        side.free(agent, -1e6 + number)
    for caller in given.waiting:
        side.arrive(caller, caller.queued_at)
    if isinstance(side, Oracle):  # at the start some are idle or some wait, never both
        side.ready = True
    idle = set(given.idle)
    return [agent for agent in given.skills if agent not in idle]


def pair(found: Any) -> tuple[str, str] | None:
    """Who was given to whom, in whatever form the side says it."""
    if found is None:
        return None
    call = found[0].call if isinstance(found[0], Waiting) else found.call
    return str(call), str(found[1])


def _settle() -> None:
    """What was built before the clock runs is not walked through again by every collection (for each side alike)."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def decide(side: Side, given: Work, limit: int, seconds: float | None = None) -> tuple[int, float, list[Any]]:
    """Up to `limit` decisions: how many, CPU seconds, and what came of them.

    Who becomes free is drawn from those who talk, before the clock runs; agents who are given a caller talk again.
    """
    random = Random(7)
    talking = fill(side, given)
    results: list[Any] = []
    _settle()
    spent, done = 0.0, 0
    clock = time.process_time
    for first in range(0, limit // 2, 100):
        batch = given.callers[first : first + min(100, limit // 2 - first)]
        if len(talking) < len(batch):
            break
        freed = [talking.pop(random.randrange(len(talking))) for _ in batch]
        began = clock()
        for caller, agent in zip(batch, freed, strict=True):
            now = caller.queued_at
            results.append(side.arrive(caller, now))
            results.append(side.free(agent, now))
        spent += clock() - began
        done += 2 * len(batch)
        talking += [one[1] for one in results[-2 * len(batch) :] if one is not None]
        if seconds is not None and spent > seconds:
            break
    return done, spent, results


def latencies(side: Side, given: Work) -> list[float]:
    """Wall seconds of every single decision."""
    talking = fill(side, given)
    random = Random(7)
    found: list[float] = []
    clock = time.perf_counter
    _settle()
    for caller in given.callers:
        if not talking:
            break
        place = random.randrange(len(talking))
        talking[place], talking[-1] = talking[-1], talking[place]
        agent, now = talking.pop(), caller.queued_at
        began = clock()
        one = side.arrive(caller, now)
        between = clock()
        two = side.free(agent, now)
        ended = clock()
        found += (between - began, ended - between)
        talking += [match[1] for match in (one, two) if match is not None]
    return sorted(found)


def checksum(found: list[Any]) -> str:
    """Of who was given to whom, to be compared between runs and machines."""
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


SIDES: dict[str, Callable[[Work], Side]] = {
    "masks": core("masks"),
    "ranks": core("ranks"),
    "auto": core("auto"),
}


def cell(agents: int, layout: str, load: str, rounds: int, decisions: int) -> dict[str, Any]:
    """Everything measured of one cell; raises RuntimeError when a side decides differently."""
    given = work(agents, layout, load, decisions)
    scan = MemberScan(given)
    rates: dict[str, list[float]] = {side: [] for side in (*SIDES, "member_scan")}
    checks: dict[str, list[Any]] = {}

    def measure(name: str, side: Side, seconds: float | None) -> None:
        done, spent, results = decide(side, given, decisions, seconds)
        rates[name].append(done / spent)
        checks[name] = [pair(one) for one in results]

    for _ in range(rounds):
        measure("auto", SIDES["auto"](given), None)
        measure("member_scan", scan.emptied(), SCAN_SECONDS)
    for name in ("masks", "ranks"):
        measure(name, SIDES[name](given), SCAN_SECONDS)
    _, _, results = decide(Oracle(given), given, ORACLE_DECISIONS)
    checks["oracle"] = [pair(one) for one in results]
    for name, found in checks.items():
        same = min(len(found), len(checks["auto"]))
        if found[:same] != checks["auto"][:same]:
            raise RuntimeError(f"{name} decides differently at {agents} agents, {layout}, {load}")
    times = {"auto": latencies(SIDES["auto"](given), given)}
    ratios = [ours / theirs for ours, theirs in zip(rates["auto"], rates["member_scan"], strict=True)]
    chosen = core("auto")(given)
    return {
        "agents": agents,
        "layout": layout,
        "load": load,
        "core": chosen.core if isinstance(chosen, Pool) else "",
        "profiles": chosen.profiles if isinstance(chosen, Pool) else 0,
        "decisions_per_s": {name: round(statistics.median(found)) for name, found in rates.items()},
        "ratio_member_scan": round(statistics.median(ratios), 2),
        "p99_s": {name: found[int(len(found) * 0.99)] for name, found in times.items()},
        "compared": {name: len(found) for name, found in checks.items()},
        "checksum": checksum(checks["auto"][:200]),
        "matches": sum(one is not None for one in checks["auto"]),
    }


def run(json_path: Path | None = None, rounds: int = ROUNDS, decisions: int = DECISIONS) -> int:
    """Measure, print the tables, write the file."""
    report = Report("acd")
    cells = [cell(n, layout, load, rounds, decisions) for n in SIZES for layout in LAYOUTS for load in LOADS]

    def of(agents: int, layout: str | None = None) -> list[dict[str, Any]]:
        return [one for one in cells if one["agents"] == agents and layout in (None, one["layout"])]

    for agents, layout in ((10_000, "templates"), (10_000, "random"), (50_000, "random")):
        worst = min(of(agents, layout), key=lambda one: float(one["decisions_per_s"]["auto"]))
        rate = worst["decisions_per_s"]
        name = f"acd.decisions_per_s.{agents // 1000}k.{layout}"
        report.figure(name, rate["auto"], peer=rate["member_scan"], ratio=worst["ratio_member_scan"])
    report.figure("acd.decision.p99.10k", max(one["p99_s"]["auto"] for one in of(10_000)))
    for agents in (10_000, 50_000):
        light = next(one for one in of(agents, "templates") if one["load"] == "light")
        report.figure(f"acd.ratio_member_scan.{agents // 1000}k", light["ratio_member_scan"])
    report.details = {"rounds": rounds, "decisions": decisions, "cells": cells}
    status = report.finish(json_path)
    print("decisions per second of CPU time; figures are of the worse load, ratios of light load with templates")
    for one in cells:
        rates = "  ".join(f"{name} {shown(rate)}" for name, rate in one["decisions_per_s"].items())
        print(
            f"{one['agents']:>6} {one['layout']:<9} {one['load']:<8} {one['profiles']:>6} profiles -> {one['core']}:"
            f"  {rates}  = {one['ratio_member_scan']}x  p99 {one['p99_s']['auto'] * 1e6:.1f} us"
        )
    return status
