"""One queue's day in seconds of computing: callers come, wait, give up, are served; what they are told is measured.

A simulation of its own, a heap of events and no more: the estimate is judged by it, so it must share no code with it.
Seeded, hence the same each time.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from acd.estimate import Busy, Patience, Scene, Talks, announce
from pbx.call import Estimate

RING_S = 4.0  #: from the offer to the answer


@dataclass(frozen=True)
class Day:
    """What the day is like. Times in seconds; `talk` draws a talk's length."""

    agents: int
    calls_per_s: float
    talk: Callable[[random.Random], float]
    wrap_up_s: float = 20.0
    patience_s: float = 600.0
    lasts_s: float = 3 * 3600.0
    leave_at: tuple[float, ...] = ()  #: at each of these instants an agent signs out, when his talk is over
    come_at: tuple[float, ...] = ()
    expected_talk_s: float = 150.0
    seed: int = 1


@dataclass
class Told:
    """One announcement and what became of it. `wait_s` None = he gave up before he was served."""

    said: Estimate
    before: Estimate | None
    at: float
    wait_s: float | None = None
    gave_up_s: float | None = None


@dataclass
class _Caller:
    queued_at: float
    told: list[Told] = field(default_factory=list)
    gone: bool = False


@dataclass
class _Agent:
    talking_since: float | None = None
    until: float = 0.0  #: of his wrap-up
    idle: bool = True
    leaving: bool = False


def run(day: Day) -> list[Told]:
    """Every announcement of the day whose caller's fate is known at its end."""
    dice = random.Random(day.seed)
    talks, patience = Talks(day.expected_talk_s), Patience()
    agents = [_Agent() for _ in range(day.agents)]
    line: list[_Caller] = []
    told: list[Told] = []
    serial = itertools.count()
    heap: list[tuple[float, int, Callable[[float], None]]] = []

    def at(when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(heap, (when, next(serial), what))

    def scene(place: int, now: float) -> Scene:
        busy = []
        for agent in agents:
            if agent.leaving:
                continue
            if agent.idle:
                busy.append(Busy(0.0))
            elif agent.until:
                busy.append(Busy(max(agent.until - now, 0.0), sure=True))
            elif agent.talking_since is None or now < agent.talking_since:
                busy.append(Busy(talks.mean_s + day.wrap_up_s))
            else:
                busy.append(Busy(talks.remaining(now - agent.talking_since) + day.wrap_up_s))
        cycle = RING_S + talks.mean_s + day.wrap_up_s
        spread = talks.spread * (talks.mean_s / cycle) ** 2
        return Scene(place, tuple(busy), cycle, spread, talks.samples, patience.rate, talks.mean_s)

    def arrive(now: float) -> None:
        caller = _Caller(now)
        line.append(caller)
        at(now + dice.expovariate(1 / day.patience_s), lambda when: give_up(caller, when))
        at(now + 20.0, lambda when: say(caller, when))
        if now < day.lasts_s:
            at(now + dice.expovariate(day.calls_per_s), arrive)
        serve(now)

    def say(caller: _Caller, now: float) -> None:
        if caller.gone:
            return
        before = caller.told[-1].said if caller.told else None
        one = Told(announce(scene(line.index(caller), now), before, now), before, now)
        caller.told.append(one)
        told.append(one)
        at(now + 45.0, lambda when: say(caller, when))

    def give_up(caller: _Caller, now: float) -> None:
        if not caller.gone:
            caller.gone = True
            line.remove(caller)
            patience.add(now - caller.queued_at, gave_up=True)
            for one in caller.told:
                one.gave_up_s = now - one.at

    def serve(now: float) -> None:
        for agent in agents:
            if agent.idle and line:
                caller = line.pop(0)
                caller.gone = True
                agent.idle = False
                agent.talking_since = now + RING_S
                patience.add(now - caller.queued_at, gave_up=False)
                for one in caller.told:
                    one.wait_s = now + RING_S - one.at
                length = day.talk(dice)
                at(now + RING_S + length, lambda when, who=agent, seconds=length: wrap_up(who, seconds, when))

    def wrap_up(agent: _Agent, length: float, now: float) -> None:
        talks.add(length)
        agent.talking_since, agent.until = None, now + day.wrap_up_s
        at(agent.until, lambda when: free(agent, when))

    def free(agent: _Agent, now: float) -> None:
        agent.until = 0.0
        if agent.leaving:
            agents.remove(agent)
            return
        agent.idle = True
        serve(now)

    def leave(now: float) -> None:
        staying = [agent for agent in agents if not agent.leaving]
        if len(staying) > 1:
            staying[0].leaving = True
            if staying[0].idle:
                agents.remove(staying[0])

    def come(now: float) -> None:
        agents.append(_Agent())
        serve(now)

    at(0.0, arrive)
    for when in day.leave_at:
        at(when, leave)
    for when in day.come_at:
        at(when, come)
    while heap:
        when, _, what = heapq.heappop(heap)
        what(when)
    return [one for one in told if one.wait_s is not None or one.gave_up_s is not None]


def coverage(told: list[Told]) -> float:
    """Share of the announcements that held.

    One whose caller gave up before its end says nothing; one that had failed by then counts as failed.
    """
    kept = failed = 0
    for one in told:
        if one.wait_s is not None:
            holds = one.said.interval.holds(one.wait_s)
            kept, failed = kept + holds, failed + (not holds)
        elif one.gave_up_s is not None and one.said.interval.high is not None:
            failed += one.gave_up_s > max(one.said.interval.high, 1) * 60.0
    return kept / max(kept + failed, 1)


def silent_rises(told: list[Told]) -> int:
    """How many announcements raised the wait and stated no cause."""
    return sum(
        one.before is not None
        and one.before.interval.high is not None
        and not one.said.cause
        and (one.said.interval.high is None or one.said.interval.high > one.before.interval.high)
        for one in told
    )
