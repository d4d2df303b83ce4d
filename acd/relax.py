"""Steps by which a queue asks for less the longer a caller waits: a lower level, a skill less, other agents as well.

Pure: what is asked for follows from the queue's steps and the caller's waiting time alone, so a failed offer or a
restart changes nothing, and nobody's place depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from acd.skills import Requirement
from pbx.ids import SkillId


@dataclass(frozen=True, slots=True)
class RelaxStep:
    """From `after_s` seconds of waiting on, `requirement` is asked for."""

    after_s: float
    requirement: Requirement


def requirement_at(first: Requirement, steps: Sequence[RelaxStep], waited_s: float) -> Requirement:
    """What a caller who has waited so long asks for; `first` before the first step. `steps` are in order of time."""
    wanted = first
    for step in steps:
        if waited_s >= step.after_s:
            wanted = step.requirement
    return wanted


def next_change(steps: Sequence[RelaxStep], queued_at: float, now: float) -> float | None:
    """The epoch second at which the next step is due for somebody who joined at `queued_at`; None when none is left.

    It is an instant at which `requirement_at` gives the step, whatever the rounding of large numbers does.
    """
    for step in steps:
        if now - queued_at < step.after_s:
            due = queued_at + step.after_s
            return due if due - queued_at >= step.after_s else due + 1e-3
    return None


def relaxed(
    before: Requirement,
    *,
    levels: Sequence[tuple[SkillId, int]] = (),
    drop: Sequence[SkillId] = (),
    join: Sequence[Requirement] = (),
    keep: int = 0,
) -> Requirement:
    """`before` with other levels, without the skills of `drop`, and with `join` as what will do as well; of those who
    fit one of them so many idle ones as `keep` says stay with the queue that lends them.

    Raises ValueError for a level that is not lower, for a skill that is not asked for, and for a step that leaves
    nothing changed or nothing asked for.
    """
    asked = dict(before.needs)
    for skill, least in levels:
        if skill not in asked:
            raise ValueError(f"skill {skill} is not asked for, so its level cannot drop")
        if least >= asked[skill]:
            raise ValueError(f"skill {skill}: {least} is not lower than {asked[skill]}")
        asked[skill] = least
    for skill in drop:
        if skill not in asked:
            raise ValueError(f"skill {skill} is not asked for, so it cannot be dropped")
        del asked[skill]
    if before.needs and not asked:
        raise ValueError("the last skill cannot be dropped: everybody would do")
    if not (levels or drop or join):
        raise ValueError("changes nothing; give skills, drop or join")
    lent = (replace(one, others=(), keep=keep) for one in join)
    others = tuple({one.needs: one for one in (*before.others, *lent)}.values())
    return replace(before, needs=tuple(asked.items()), others=others)
