"""A question to which nothing was found: it becomes the task of a unit, and its answer a draft. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from knowledge.entry import KnowledgeRefused
from knowledge.moves import Editor, Role, require_served


class TaskState(enum.Enum):
    """Where an unanswered question is."""

    OPEN = "open"  #: 待答复
    ANSWERED = "answered"  #: 已答复, its entry is a draft or in review
    DONE = "done"  #: 已入库: its entry is published
    DISMISSED = "dismissed"  #: 不予收录


class TaskInput(enum.Enum):
    """What is done to it."""

    ASK_AGAIN = "ask_again"  #: somebody has asked the same of the same unit
    ASSIGN = "assign"  #: 改派: it is another unit's
    ANSWER = "answer"
    DISMISS = "dismiss"
    PUBLISHED = "published"  #: the entry made of it is published
    LOST = "lost"  #: the draft made of it was thrown away


_S, _I = TaskState, TaskInput

_LEGAL: dict[tuple[TaskState, TaskInput], TaskState] = {
    (_S.OPEN, _I.ASK_AGAIN): _S.OPEN,  # a
    (_S.OPEN, _I.ASSIGN): _S.OPEN,  # b
    (_S.OPEN, _I.ANSWER): _S.ANSWERED,  # c
    (_S.OPEN, _I.DISMISS): _S.DISMISSED,  # d
    (_S.ANSWERED, _I.ASK_AGAIN): _S.ANSWERED,  # e
    (_S.ANSWERED, _I.PUBLISHED): _S.DONE,  # f
    (_S.ANSWERED, _I.LOST): _S.OPEN,  # g
    (_S.DISMISSED, _I.ASK_AGAIN): _S.OPEN,  # h: whoever asks again shows that it is wanted
}

TASK_MOVES: dict[tuple[TaskState, TaskInput], TaskState | None] = {
    (state, cause): _LEGAL.get((state, cause)) for state in TaskState for cause in TaskInput
}
"""Every cell: the next state, or None where the move is refused. Drawn in ``docs/knowledge.md``."""

TASK_ROLES: dict[TaskInput, frozenset[Role]] = {
    _I.ASK_AGAIN: frozenset({Role.AGENT, Role.EDITOR, Role.REVIEWER}),
    _I.ASSIGN: frozenset({Role.UNIT, Role.EDITOR, Role.REVIEWER}),
    _I.ANSWER: frozenset({Role.UNIT, Role.EDITOR}),
    _I.DISMISS: frozenset({Role.EDITOR, Role.REVIEWER}),
    _I.PUBLISHED: frozenset({Role.SYSTEM}),
    _I.LOST: frozenset({Role.SYSTEM}),
}
"""Who may do what; a unit acts on its own tasks only, and cannot dismiss a question that it does not like."""


@dataclass(frozen=True, slots=True)
class Task:
    """An unanswered question as it is. Times are epoch seconds; `due_at`: until when the unit should have answered."""

    no: int
    question: str
    unit: str
    region: str
    state: TaskState
    asked_by: str
    asked_at: float
    due_at: float
    last_asked_at: float
    times: int = 1  #: how often it was asked
    ticket: str = ""  #: the ticket of the call in which it was first asked
    entry: int | None = None  #: the entry made of it
    revision: int = 1  #: grows with every move

    @property
    def id(self) -> str:
        """As people name it."""
        return task_id(self.no)


@dataclass(frozen=True, slots=True)
class TaskMove:
    """One thing done to a task; `before` is None for its beginning."""

    task: int
    seq: int
    before: TaskState | None
    after: TaskState
    cause: str
    actor: str
    role: str
    at: float
    reason: str = ""


def task_id(no: int) -> str:
    """``Q000123``."""
    return f"Q{no:06d}"


def task_moved(state: TaskState, cause: TaskInput) -> TaskState:
    """Where `cause` takes a task; raises `KnowledgeRefused` (task_not_now)."""
    after = TASK_MOVES[state, cause]
    if after is None:
        raise KnowledgeRefused("task_not_now", f"A question that is {state.value} takes no {cause.value}.")
    return after


def require_task_right(actor: Editor, cause: TaskInput, unit: str) -> None:
    """Raise `KnowledgeRefused` unless `actor` may do `cause` to a task of `unit`. Codes: not_allowed, not_your_unit."""
    if actor.role not in TASK_ROLES[cause]:
        raise KnowledgeRefused("not_allowed", f"The role {actor.role.value} may not {cause.value}.")
    if actor.role is Role.UNIT and (not actor.unit or actor.unit != unit):
        raise KnowledgeRefused("not_your_unit", "A unit acts on its own questions only.")
    require_served(actor, unit)
