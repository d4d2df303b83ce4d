"""What the checker has to be told beside the journal: who can do what, and what each queue asks for.

The data are the configuration's; every rule about them (who fits, who is better, who goes first) is written here anew
and on purpose: a checker that asked `acd` whether `acd` is right would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from controller.plan import Plan

Needs = tuple[tuple[str, int], ...]
Rank = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Needs of which all must be met. `keep`: so many idle agents who meet them stay with the queue that lends them."""

    needs: Needs
    keep: int = 0

    def met(self, skills: Mapping[str, int]) -> bool:
        """Whether somebody with these skills will do."""
        return all(skills.get(skill, 0) >= least for skill, least in self.needs)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a queue asks for at one of its steps: its own needs first, then those that will do as well."""

    parts: tuple[Part, ...]
    prefers: Needs = ()


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue: what it asks for from which second of waiting on (the first from 0), its policy and its ageing."""

    name: str
    steps: tuple[tuple[float, Wanted], ...]
    policy: str = "best-level"
    ageing_s: float = 60.0

    def with_needs(self, needs: Needs) -> QueueFacts:
        """The queue while a supervisor asks for other skills: its steps lower a level as far as they did, drop a skill
        that they dropped, and let join who joined.
        """
        asked = {skill for skill, _ in self.steps[0][1].parts[0].needs}
        steps = [(0.0, Wanted((Part(needs), *self.steps[0][1].parts[1:]), self.steps[0][1].prefers))]
        for after_s, wanted in self.steps[1:]:
            left = dict(wanted.parts[0].needs)
            kept = ((skill, least) for skill, least in needs if skill in left or skill not in asked)
            relaxed = tuple((skill, min(least, left.get(skill, least))) for skill, least in kept)
            steps.append((after_s, Wanted((Part(relaxed or needs), *wanted.parts[1:]), wanted.prefers)))
        return replace(self, steps=tuple(steps))

    def step_at(self, waited_s: float) -> int:
        """The index of the step that is in force after so long a wait."""
        found = 0
        for index, (after_s, _) in enumerate(self.steps):
            if waited_s >= after_s:
                found = index
        return found


@dataclass(frozen=True, slots=True)
class Facts:
    """The configuration as the checker sees it; `version` names it in the journal's header."""

    version: str
    skills: Mapping[str, Mapping[str, int]]
    queues: Mapping[str, QueueFacts]
    extensions: frozenset[str] = field(default_factory=frozenset)  #: phones that are no agents
    calls_back: Callable[[float], bool] = lambda at: True  #: whether people are called back at an epoch second
    callback_keep_s: float = 86_400.0  #: a call-back that is older is given up
    follows_up: Callable[[float], bool] = lambda at: True  #: whether people are asked by voice at an epoch second
    follow_ups: tuple[int, int] = (0, 0)  #: calls of the voice follow-up at once, and in a minute; 0 = not known

    def queue(self, name: str) -> QueueFacts:
        """A queue that the configuration no longer has is served like the first."""
        return self.queues.get(name) or next(iter(self.queues.values()))


def facts_of(plan: Plan) -> Facts:
    """The facts that stand in a plan."""
    queues: dict[str, QueueFacts] = {}
    for queue in plan.queues.values():
        steps = [(0.0, _wanted(queue.requirement))]
        steps += [(step.after_s, _wanted(step.requirement)) for step in queue.relax]
        queues[str(queue.id)] = QueueFacts(str(queue.id), tuple(steps), queue.policy.name, queue.ageing_s)
    skills = {
        str(agent.id): {str(skill): level for skill, level in agent.skills.items()} for agent in plan.agents.values()
    }
    zone, hours = ZoneInfo(plan.timezone), plan.callback.hours
    asking = plan.campaign

    def follows_up(at: float) -> bool:
        local = datetime.fromtimestamp(at, zone)
        worked = asking.calendar is None or asking.calendar.is_workday(local.date())
        return worked and asking.hours.open_at(local)

    return Facts(
        plan.version,
        skills,
        queues,
        frozenset(str(one) for one in plan.extensions),
        lambda at: hours.open_at(datetime.fromtimestamp(at, zone)),
        plan.callback.rules.keep_s,
        follows_up,
        (asking.pace.at_once, asking.pace.per_minute),
    )


def _wanted(requirement: object) -> Wanted:
    """Read a requirement by its fields alone."""
    parts = [_part(requirement), *(_part(other) for other in getattr(requirement, "others", ()))]
    return Wanted(tuple(parts), _needs(getattr(requirement, "prefers", ())))


def _part(requirement: object) -> Part:
    return Part(_needs(getattr(requirement, "needs", ())), int(getattr(requirement, "keep", 0)))


def _needs(pairs: object) -> Needs:
    assert isinstance(pairs, tuple)
    return tuple((str(skill), int(least)) for skill, least in pairs)


def rank(policy: str, part: int, wanted: Wanted, skills: Mapping[str, int]) -> Rank | None:
    """How good an agent is for a caller by a named policy, the higher the better; None for a policy unknown here.

    Who meets the queue's own needs goes before those who join; then who has more of what the caller would like; then
    the policy. Within a rank the longest idle goes first.
    """
    liked = sum(1 for skill, least in wanted.prefers if skills.get(skill, 0) >= least)
    if policy == "best-level":
        needs = wanted.parts[part].needs
        return (-part, liked, skills.get(needs[0][0], 0) if needs else 0)
    if policy == "longest-idle":
        return (-part, liked)
    if policy == "fewest-skills":
        return (-part, liked, -len(skills))
    return None


def score(priority: int, queued_at: float, ageing_s: float, now: float) -> float:
    """A caller's claim at epoch second `now`: his priority, and one point for each `ageing_s` seconds of waiting."""
    return priority + ((now - queued_at) / ageing_s if ageing_s > 0 else 0.0)
