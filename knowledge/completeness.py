"""How complete a unit's part of the knowledge base is (知识库完善程度, `domain.md` F8), and what will soon end. Pure.

Every figure is a numerator and a denominator, so that a unit can see what it lacks; no mark is mixed from
several of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from knowledge.entry import EXPECTED, Content, KnowledgeRules, filled, holds_on
from knowledge.moves import KnowledgeState
from knowledge.tasks import Task, TaskState


class Warning(Enum):
    """Why a published entry needs its unit."""

    ENDS_SOON = "ends_soon"  #: 即将失效
    NOT_LOOKED_AT = "not_looked_at"  #: 长期未复核


@dataclass(frozen=True, slots=True)
class Served:
    """A published entry as far as these figures need it; `looked_at`: the day on which it was last reviewed."""

    no: int
    content: Content
    looked_at: date


@dataclass(frozen=True, slots=True)
class Completeness:
    """One unit's figures.

    `fields` of `fields_expected` of the format's further fields are filled in its published entries; `answered` of
    `asked` questions have an entry or its draft; `late` of them are open beyond their time.
    """

    unit: str
    published: int
    valid: int
    in_work: int  #: drafts, refused ones, and those in review
    warned: int
    fields: int
    fields_expected: int
    asked: int
    answered: int
    late: int

    @property
    def filled(self) -> float | None:
        """The share of further fields that are filled; None without a published entry."""
        return self.fields / self.fields_expected if self.fields_expected else None

    @property
    def coverage(self) -> float | None:
        """The share of its questions that the unit has answered; None without a question."""
        return self.answered / self.asked if self.asked else None


def warnings(one: Served, today: date, rules: KnowledgeRules) -> list[Warning]:
    """What its unit must be told about a published entry."""
    found = []
    end = one.content.valid_to
    if end is not None and end < today + timedelta(days=rules.warn_days):
        found.append(Warning.ENDS_SOON)
    if one.looked_at + timedelta(days=rules.review_days) <= today:
        found.append(Warning.NOT_LOOKED_AT)
    return found


_IN_WORK = (KnowledgeState.DRAFT, KnowledgeState.REFUSED, KnowledgeState.IN_REVIEW)


def completeness(
    units: Iterable[str],
    served: Iterable[Served],
    states: Mapping[tuple[str, KnowledgeState], int],
    tasks: Iterable[Task],
    today: date,
    now: float,
    rules: KnowledgeRules,
) -> list[Completeness]:
    """Each unit's figures, by unit; the register's `units` without any entry are there too, and so are unknown ones."""
    entries: dict[str, list[Served]] = {}
    for one in served:
        entries.setdefault(one.content.unit, []).append(one)
    questions: dict[str, list[Task]] = {}
    for task in tasks:
        if task.state is not TaskState.DISMISSED:
            questions.setdefault(task.unit, []).append(task)
    names = set(units) | set(entries) | set(questions) | {unit for unit, _ in states if unit}
    found = []
    for unit in sorted(names):
        mine, asked = entries.get(unit, []), questions.get(unit, [])
        still_open = [task for task in asked if task.state is TaskState.OPEN]
        found.append(
            Completeness(
                unit,
                published=len(mine),
                valid=sum(holds_on(one.content, today) for one in mine),
                in_work=sum(states.get((unit, state), 0) for state in _IN_WORK),
                warned=sum(bool(warnings(one, today, rules)) for one in mine),
                fields=sum(filled(one.content) for one in mine),
                fields_expected=len(mine) * len(EXPECTED),
                asked=len(asked),
                answered=len(asked) - len(still_open),
                late=sum(task.due_at < now for task in still_open),
            )
        )
    return found
