"""Sampling (抽检): which calls an inspector is to hear. Pure, and reproducible: the same plan over the same calls draws
the same, on every machine, and what was drawn once is drawn by no other plan again.

Calls are put in the order of the SHA-256 of seed and call, and the first ones are taken: a random sample without
replacement that needs no random numbers to be kept.
"""

from __future__ import annotations

import enum
import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recordings.inspection.review import InspectionRefused

MOST_DRAWN = 5000


class PlanKind(enum.Enum):
    """By what calls are drawn."""

    RANDOM = "random"  #: 随机: from all
    RULE = "rule"  #: 按规则: from those in which `rule` was found
    AGENT = "agent"  #: 按坐席: `count` of each agent


@dataclass(frozen=True, slots=True)
class Plan:
    """A sampling plan over the calls that began in [since, until), epoch seconds.

    `count`: how many, or how many of each agent. `rule`: the kind of finding (`type-mismatch` too), or empty. `queue`,
    `agent`, `city`: of these alone, where they are named. `double_share`: of these calls so many (0..1) are scored by
    two inspectors who do not see each other's score.
    """

    id: str
    kind: PlanKind
    since: float
    until: float
    count: int
    seed: str
    inspectors: tuple[str, ...]
    rule: str = ""
    queue: str = ""
    agent: str = ""
    double_share: float = 0.0
    city: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A call that may be drawn."""

    call: str
    agent: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A call for an inspector; `seat` 1 counts for the agent, 2 is the second of a double scoring."""

    call: str
    agent: str
    inspector: str
    seat: int = 1


def check(plan: Plan) -> None:
    """Raises `InspectionRefused` (with the field) for a plan that cannot be drawn."""
    if not 1 <= plan.count <= MOST_DRAWN:
        raise InspectionRefused("bad_plan", "count")
    if not plan.inspectors or len(set(plan.inspectors)) < len(plan.inspectors):
        raise InspectionRefused("bad_plan", "inspectors")
    if plan.until <= plan.since:
        raise InspectionRefused("bad_plan", "until")
    if (plan.kind is PlanKind.RULE) != bool(plan.rule):
        raise InspectionRefused("bad_plan", "rule")
    if not 0 <= plan.double_share <= 1 or plan.double_share and len(plan.inspectors) < 2:
        raise InspectionRefused("bad_plan", "double_share")


def draw(plan: Plan, candidates: Sequence[Candidate], taken: Collection[str] = ()) -> list[Drawn]:
    """The calls of a plan, each with its inspector (two, where it is scored twice); `taken`: drawn before.

    Inspectors get calls by turns; nobody gets his own, and a call whose only inspector he would be is left out.
    """
    check(plan)
    left = sorted(
        {one.call: one for one in candidates if one.call not in taken}.values(), key=lambda one: _key(plan, one)
    )
    if plan.kind is PlanKind.AGENT:
        per: dict[str, int] = defaultdict(int)
        chosen = []
        for one in left:
            if one.agent and per[one.agent] < plan.count and _others(plan, one):
                per[one.agent] += 1
                chosen.append(one)
    else:
        chosen = [one for one in left if _others(plan, one)][: plan.count]
    doubles = round(plan.double_share * len(chosen))
    drawn = []
    for place, one in enumerate(chosen):
        others = _others(plan, one)
        first = others[place % len(others)]
        drawn.append(Drawn(one.call, one.agent, first))
        if place < doubles and len(others) > 1:
            drawn.append(Drawn(one.call, one.agent, others[(place + 1) % len(others)], 2))
    return drawn


def _key(plan: Plan, one: Candidate) -> tuple[str, str]:
    return hashlib.sha256(f"{plan.seed}\0{one.call}".encode()).hexdigest(), one.call


def _others(plan: Plan, one: Candidate) -> list[str]:
    return [inspector for inspector in plan.inspectors if inspector != one.agent]
