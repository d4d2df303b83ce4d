"""Staffing by simulation: with the real skills, policies, phones that are not answered, by the rules of `acd` itself.

How many agents a half-hour needs is found as theory means it: the half-hour's rates hold for as long as it takes to
count enough callers. The agents are made like those of the configuration: of a crowd of any size each set of skills
has its share. Every size meets the same callers (common random numbers), so that one agent more is the only difference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.roster import AgentProfile
from controller.plan import Plan
from controller.simulation.crowd import Shift
from controller.simulation.distribution import Distribution, nothing_to_collect
from controller.simulation.draws import Duration
from controller.simulation.generated import GeneratedCrowd
from controller.simulation.plan import (
    STRAIGHT,
    ArrivalsSection,
    DurationSection,
    PeopleSection,
    PlanFile,
    SimulationPlan,
    SimulationSection,
    Stream,
    straight,
)
from metrics.staffing import Goal, Handling
from pbx.call import CallRecord
from pbx.ids import AgentId, QueueId

CALLS = 2000
"""So many callers are counted of one size: with 95 % in time, half of a 95 % interval is then one percentage point."""
SELDOM = 1 / 86400
"""Calls a second of a queue below which its half-hour has no calls: one in a day."""
WARM_S, LONGEST_S = 1800.0, 400_000.0


class NoAgents(ValueError):
    """The configuration has no agent who could serve the queues that have calls."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What so many agents reach: the share of all calls in time, of each queue, the share abandoned, how busy they
    are, and how many callers it was counted over.
    """

    agents: int
    in_time: float
    by_queue: Mapping[QueueId, float]
    abandoned: float
    busy: float
    calls: int


def mixed(plan: Plan, number: int) -> list[AgentProfile]:
    """So many agents whose skills are shared out as the configured agents' are: each next one is of the set of skills
    that is furthest behind its share. Raises NoAgents.
    """
    kinds = Counter(tuple(sorted(one.skills.items())) for one in plan.agents.values())
    whole = sum(kinds.values())
    if not whole:
        raise NoAgents("the configuration has no agents")
    given: Counter[tuple[tuple[str, int], ...]] = Counter()
    like = {tuple(sorted(one.skills.items())): one for one in plan.agents.values()}
    order = sorted(kinds, key=lambda kind: (-kinds[kind], kind))
    found = []
    for place in range(number):
        kind = max(order, key=lambda one: kinds[one] / whole * (place + 1) - given[one])
        given[kind] += 1
        found.append(replace(like[kind], id=AgentId(f"s{place + 1}")))
    return found


def people(handlings: Sequence[Handling]) -> tuple[PeopleSection, float]:
    """How agents behave, and the longest after-call work: of several queues' calls together."""
    pick_up_s = sum(one.pick_up_s for one in handlings) / len(handlings)
    wrap_up_s = sum(one.wrap_up_s for one in handlings) / len(handlings)
    no_answer = sum(one.no_answer for one in handlings) / len(handlings)
    pick_up = DurationSection(kind="lognormal", mean_s=pick_up_s, cv=0.5) if pick_up_s > 0 else None
    return PeopleSection(pick_up=pick_up, no_answer=min(0.9, no_answer)), wrap_up_s


def made_plan(
    plan: Plan,
    agents: Sequence[AgentProfile],
    shifts: Sequence[Shift],
    slots: Mapping[QueueId, Sequence[tuple[float, float, float]]],
    handling: Mapping[QueueId, Handling],
    begin: float,
    end: float,
    seed: int,
    count_from: float | None = None,
) -> SimulationPlan:
    """A day of the level `distribution`, made and not read from a file. `slots`: begin, end, calls expected."""
    queues = [queue for queue in slots if queue in plan.queues]
    behaviour, wrap_up_s = people([handling[queue] for queue in queues])
    hotline = straight(plan)
    hotline = replace(
        hotline,
        agents={one.id: one for one in agents},
        agent_rules=replace(hotline.agent_rules, wrap_up_s=wrap_up_s),
    )
    streams = tuple(
        Stream(
            STRAIGHT + queue,
            queue,
            (),
            True,
            tuple(slots[queue]),
            Duration("exponential", handling[queue].patience_s),
            Duration("lognormal", handling[queue].talk_s, max(0.01, handling[queue].talk_cv)),
        )
        for queue in queues
    )
    own = SimulationSection(level="distribution", runs=1, seed=seed)
    raw = PlanFile(simulation=own, arrivals=[ArrivalsSection(queue="x", calls_per_hour=0)], people=behaviour)
    return SimulationPlan(Path("staffing"), hotline, raw, streams, tuple(shifts), begin, end, count_from or begin)


def one_day(plan: SimulationPlan, run: int = 0) -> list[CallRecord]:
    """The calls of a day."""
    with nothing_to_collect():
        day = Distribution(plan.hotline, GeneratedCrowd(plan, run), plan.shifts, plan.begin, plan.end)
        day.run()
        return list(day.records().values())


def in_time(records: Sequence[CallRecord], within_s: float) -> tuple[int, int]:
    """How many of these calls were answered within the threshold, and how many there are."""
    good = sum(
        one.joined_at is not None and one.queued_at is not None and one.joined_at - one.queued_at <= within_s
        for one in records
    )
    return good, len(records)


def of_size(
    plan: Plan, number: int, rates: Mapping[QueueId, float], handling: Mapping[QueueId, Handling], goal: Goal, seed: int
) -> Simulated:
    """What `number` agents reach at these rates (calls a second), settled. Raises NoAgents."""
    asked = {queue: rate for queue, rate in rates.items() if rate > 0}
    length = min(LONGEST_S, CALLS / sum(asked.values()))
    begin, end = 0.0, WARM_S + length
    agents = mixed(plan, number)
    slots = {queue: ((begin, end, rate * (end - begin)),) for queue, rate in asked.items()}
    shifts = [Shift(one.id, begin, end) for one in agents]
    made = made_plan(plan, agents, shifts, slots, handling, begin, end, seed, WARM_S)
    records = [one for one in one_day(made) if one.arrived_at >= WARM_S]
    good, whole = in_time(records, goal.within_s)
    by_queue: dict[QueueId, float] = {}
    for queue in asked:
        mine = in_time([one for one in records if one.queue == queue], goal.within_s)
        if mine[1]:
            by_queue[queue] = mine[0] / mine[1]
    worked = sum(
        one.released_at - one.joined_at + handling[one.queue].wrap_up_s + handling[one.queue].pick_up_s
        for one in records
        if one.joined_at is not None and one.released_at is not None and one.queue is not None
    )
    left = sum(one.joined_at is None for one in records)
    return Simulated(
        number, good / max(1, whole), by_queue, left / max(1, whole), min(1.0, worked / (number * length)), whole
    )


def needed(
    plan: Plan, rates: Mapping[QueueId, float], handling: Mapping[QueueId, Handling], goal: Goal, seed: int = 1
) -> Simulated | None:
    """The fewest agents, with the real mix of skills, who reach the goal over all queues together; None without calls.

    The group found and the one with an agent less were both simulated; a queue may lie below the target all the
    same, where too few have its skills: `by_queue` says so. Raises NoAgents where nobody can serve a queue.
    """
    asked = {queue: rate for queue, rate in rates.items() if rate > SELDOM}
    if not asked:
        return None
    for queue in asked:
        if not any(plan.queues[queue].served_by(agent) for agent in plan.agents.values()):
            raise NoAgents(f"no agent has the skills of the queue {queue}")
    load = math.fsum(rate * handling[queue].whole_s for queue, rate in asked.items())
    least = max(1, goal.least, math.ceil(load / goal.most_busy - 1e-9))
    found = of_size(plan, least, asked, handling, goal, seed)
    if found.in_time >= goal.target:
        return found
    too_few, enough, step = least, found, max(1, least // 16)
    while enough.in_time < goal.target:
        if enough.agents > 2 * least + 30:  # what is missing is replaced by no number: a skill, or who answers
            return enough
        too_few = enough.agents
        enough = of_size(plan, too_few + step, asked, handling, goal, seed)
        step *= 2
    while enough.agents - too_few > 1:
        tried = of_size(plan, (enough.agents + too_few) // 2, asked, handling, goal, seed)
        if tried.in_time >= goal.target:
            enough = tried
        else:
            too_few = tried.agents
    return enough
