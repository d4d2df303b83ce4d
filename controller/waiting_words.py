"""What a waiting caller hears between the music: his place, his expected wait, comfort. Pure rules over the house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from acd.estimate import Busy, Cause, Scene, announce, quantiles, shared
from acd.line import Waiting
from acd.policy import Policy
from acd.skills import Requirement
from agents.agent import Agent
from agents.moves import AgentState
from controller.house import House, LiveCall
from controller.plan import QueuePlan
from ivr.prompts import Language, prompt_name, say_position, say_wait
from pbx.call import Estimate
from pbx.commands import Announce, Wake
from pbx.events import TimerKind
from pbx.ids import AgentId, QueueId

CAUSE_PROMPTS = {
    Cause.FEWER_AGENTS: "wait-longer-fewer-agents",
    Cause.PRIORITY: "wait-longer-priority",
    Cause.LONGER_TALKS: "wait-longer-talks",
    Cause.SLOWER: "wait-longer-slower",
}
"""How each cause of a longer wait is stated to the caller."""

_AT_ONCE_S = 1.0
"""Words that are due within so short a time are said together: one pause of the music, not two."""


_AFTER_S = 5.0
"""Words that are due while a notice is being said are tried again after so long."""


PLACE = "place"
"""What `LiveCall.saying` is while he is told his place, or a word of comfort."""

SAID_WITHIN_S = 60.0
"""Nothing that is said takes so long: a report of its end that is missing by then is missed."""


def busy(live: LiveCall, now: float) -> bool:
    """Whether he is being told a notice, or that his number is noted, so that other words have to wait."""
    return live.saying not in (None, PLACE) and now - live.saying_since < SAID_WITHIN_S


def spoken(live: LiveCall) -> Language:
    """The language in which a caller is spoken to."""
    return "en" if live.record.language == "en" else "zh"


# ---------------------------------------------------------------- when


def schedule(house: House, live: LiveCall, queue: QueuePlan, queued_at: float) -> None:
    """He stands in the line (again): have him told what his queue's schedule says, no sooner than it said before."""
    if queue.announce_first_s > 0:
        live.announce_at = live.announce_at or queued_at + queue.announce_first_s
    if queue.comfort_first_s > 0 and queue.comfort:
        live.comfort_at = live.comfort_at or queued_at + queue.comfort_first_s
    _wake(house, live)


def _wake(house: House, live: LiveCall) -> None:
    due = [at for at in (live.announce_at, live.comfort_at) if at is not None]
    if due:
        live.generation += 1
        house.emit(Wake(TimerKind.ANNOUNCE, live.call, live.generation, min(due)))


def speak(house: House, live: LiveCall, now: float) -> None:
    """Something is due: comfort, then his place and wait."""
    if busy(live, now):  # what is due is said after it
        live.generation += 1
        house.emit(Wake(TimerKind.ANNOUNCE, live.call, live.generation, now + _AFTER_S))
        return
    queue = house.queue(live.record.queue or QueueId(""))
    pieces: list[str] = []
    if live.comfort_at is not None and live.comfort_at <= now + _AT_ONCE_S:
        pieces.append(queue.comfort[live.comforted % len(queue.comfort)])
        live.comforted += 1
        live.comfort_at = now + queue.comfort_every_s
    if live.announce_at is not None and live.announce_at <= now + _AT_ONCE_S:
        pieces += say_position(house.line.ahead_of(live.call), spoken(live))
        if queue.estimate:
            pieces += _estimate(house, live, now)
        pieces += queue.keys_say
        live.announce_at = now + queue.announce_every_s
    if pieces:
        live.saying, live.saying_since = PLACE, now
        house.emit(Announce(live.call, live.channel, tuple(prompt_name(spoken(live), piece) for piece in pieces)))
    _wake(house, live)


def _estimate(house: House, live: LiveCall, now: float) -> tuple[str, ...]:
    """His expected wait, written into his record: what was promised is measured (`metrics.servicelevel`)."""
    told = live.record.estimates
    said = announce(scene(house, live, now), told[-1] if told else None, now)
    house.note(live, estimates=(*told, said))
    return words(said, spoken(live))


def words(said: Estimate, language: Language) -> tuple[str, ...]:
    """An estimate as pieces of speech, with the cause first when the wait has become longer."""
    if said.interval.high is None:
        return ("wait-unknown",)
    cause = CAUSE_PROMPTS.get(Cause(said.cause))
    return ((cause,) if cause else ()) + say_wait(said.interval.low, said.interval.high, language)


# ---------------------------------------------------------------- the state as the estimate sees it


def scene(house: House, live: LiveCall, now: float) -> Scene:
    """The state in which a caller of the line waits. Raises KeyError if he does not stand there."""
    entry = house.line.get(live.call)
    if entry is None:
        raise KeyError(live.call)
    return _scene(house, entry, house.line.before(live.call, now), now)


def expected_wait(house: House, live: LiveCall, queue: QueuePlan, now: float) -> float | None:
    """The median wait in seconds of a caller who would join `queue` now; None when no agent is there."""
    entry = Waiting(
        live.call, queue.id, queue.requirement, now, house.priority(live), policy=queue.policy, ageing_s=queue.ageing_s
    )
    mine = entry.order(now)
    before = (one for one in house.line.ordered(now) if one.order(now) < mine)
    seen = _scene(house, entry, before, now)
    if sum(not busy.seconds for busy in seen.agents) > seen.ahead:
        return 0.0  # one of his agents is free, and nobody stands before him
    found = quantiles(seen)
    return found[1] if found is not None else None


def _scene(house: House, entry: Waiting, before: Iterable[Waiting], now: float) -> Scene:
    queue = house.queue(entry.queue)
    talks, wrap_up = house.talks[queue.id], house.plan.agent_rules.wrap_up_s
    working = [agent for agent in house.roster.agents() if _works(agent)]
    mine = _fitting(house, working, entry.requirement, entry.policy)
    cycle = queue.ring_s / 2 + talks.mean_s + wrap_up
    return Scene(
        ahead=_ahead(house, working, mine, before),
        agents=tuple(_busy(house, agent, cycle, wrap_up, now) for agent in working if agent.id in mine),
        cycle_s=cycle,
        spread=talks.spread * (talks.mean_s / cycle) ** 2,
        samples=talks.samples,
        gives_up=house.patience[queue.id].rate,
        talk_s=talks.mean_s,
    )


def _works(agent: Agent) -> bool:
    """Whether he will take a call when he is free: signed in, ready or at work, and not about to leave."""
    if agent.state in (AgentState.OFFLINE, AgentState.NOT_READY):
        return False
    return agent.phone and (agent.wanted is None or agent.wanted.state is AgentState.READY)


def _fitting(house: House, agents: Iterable[Agent], requirement: Requirement, policy: Policy) -> frozenset[AgentId]:
    profile = house.roster.profile
    return frozenset(agent.id for agent in agents if policy.tier(profile(agent.id).skills, requirement) is not None)


def _ahead(house: House, working: list[Agent], mine: frozenset[AgentId], before: Iterable[Waiting]) -> float:
    """How many of those before him will be served by his agents, one of another queue by its share of them."""
    kinds = Counter((caller.requirement, caller.policy) for caller in before)
    found = []
    for (requirement, policy), count in kinds.items():
        theirs = _fitting(house, working, requirement, policy)
        found += [(len(theirs), len(theirs & mine))] * count
    return shared(found)


def _busy(house: House, agent: Agent, cycle_s: float, wrap_up_s: float, now: float) -> Busy:
    """When an agent who works will be free for the next caller."""
    if agent.state is AgentState.READY:
        return Busy(0.0)
    if agent.state is AgentState.WRAP_UP:
        return Busy(max(agent.until - now, 0.0), sure=True)
    if agent.state in (AgentState.RESERVED, AgentState.RINGING):
        return Busy(cycle_s)
    talk = house.calls.get(agent.call) if agent.call is not None else None
    talks = house.talks[house.queue(talk.record.queue or QueueId("")).id] if talk is not None else None
    if talk is None or talks is None:
        return Busy(cycle_s)
    return Busy(talks.remaining(now - (talk.record.joined_at or agent.since)) + wrap_up_s)
