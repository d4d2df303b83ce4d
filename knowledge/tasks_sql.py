"""Unanswered questions on disk.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    select,
    update,
)

from knowledge import index, sql
from knowledge.entry import Content, KnowledgeRefused, changed, checked
from knowledge.index import metadata
from knowledge.moves import SYSTEM, Editor, KnowledgeState, require_served
from knowledge.sql import Policy, of_units
from knowledge.tasks import Task, TaskInput, TaskMove, TaskState, require_task_right, task_moved
from knowledge.version import Entry
from pbx.terms import normalised

tasks = Table(
    "knowledge_tasks",
    metadata,
    Column("no", Integer, nullable=False, autoincrement=False),
    Column("question", Text, nullable=False),
    Column("same", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("last_asked_at", Double, nullable=False),
    Column("times", Integer, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("entry", Integer),
    Column("revision", Integer, nullable=False),
    PrimaryKeyConstraint("no", name="pk_knowledge_tasks"),
    Index("ix_knowledge_tasks_unit_state", "unit", "state"),
    Index("ix_knowledge_tasks_same", "same"),
    Index("ix_knowledge_tasks_entry", "entry"),
)
"""`same`: the question without blanks and marks; two that have it, for one unit and region, are one."""

task_moves = Table(
    "knowledge_task_moves",
    metadata,
    Column("task", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("task", "seq", name="pk_knowledge_task_moves"),
    ForeignKeyConstraint(["task"], ["knowledge_tasks.no"], name="fk_knowledge_task_moves_task_knowledge_tasks"),
)

_S, _I = TaskState, TaskInput


class TaskConflict(Exception):
    """Somebody else was faster: `present` is the task as it is now."""

    def __init__(self, present: Task) -> None:
        super().__init__("The question was changed meanwhile.")
        self.present = present


def same_as(question: str) -> str:
    """What two questions have in common that are the same but for blanks and marks."""
    return "".join(one for one in normalised(question) if unicodedata.category(one)[0] in "LN")


def ask(
    connection: Connection,
    question: Content,
    actor: Editor,
    at: float,
    due_at: float,
    policy: Policy,
    *,
    ticket: str = "",
) -> Task:
    """A question to which nothing was found, for the unit named in it; asked before, it is counted once more.

    Only its question, unit and region are used. Raises `KnowledgeRefused`.
    """
    require_task_right(actor, _I.ASK_AGAIN, question.unit)
    asked = checked(Content(question.question, unit=question.unit, region=question.region), policy.rules)
    if not asked.unit:
        raise KnowledgeRefused("missing", "A question needs the unit that shall answer it.", "unit")
    same = same_as(asked.question)
    if not same:
        raise KnowledgeRefused("missing", "A question has words.", "question")
    # The counter's row is locked until the commit: two who ask the same at the same time come one after the other.
    no = index.next_number(connection, "task")
    known = connection.execute(
        select(tasks)
        .where(tasks.c.same == same, tasks.c.unit == asked.unit, tasks.c.region == asked.region,
               tasks.c.state != _S.DONE.value)
        .order_by(tasks.c.no.desc())
        .with_for_update()
    ).first()  # fmt: skip
    if known is not None:
        before = _task(known)
        state = task_moved(before.state, _I.ASK_AGAIN)
        due = due_at if before.state is _S.DISMISSED else before.due_at
        after = replace(before, state=state, times=before.times + 1, last_asked_at=at, due_at=due)
        return _keep(connection, before, after, _I.ASK_AGAIN, actor, at)
    new = Task(no, asked.question, asked.unit, asked.region, _S.OPEN, actor.id, at, due_at, at, ticket=ticket)
    connection.execute(insert(tasks), _row(new) | {"same": same})
    connection.execute(insert(task_moves), _move(new, None, "ask", actor, at, ""))
    return new


def assign(
    connection: Connection, no: int, unit: str, actor: Editor, at: float, due_at: float, reason: str, seen: int | None
) -> Task:
    """It is another unit's. Raises `KnowledgeRefused`, `TaskConflict`."""
    before = _locked(connection, no)
    require_task_right(actor, _I.ASSIGN, before.unit)
    require_served(actor, unit)
    _seen(before, seen)
    state = task_moved(before.state, _I.ASSIGN)
    if not reason.strip():
        raise KnowledgeRefused("reason_needed", "Who gives a question on says why.", "reason")
    return _keep(
        connection, before, replace(before, state=state, unit=unit, due_at=due_at), _I.ASSIGN, actor, at, reason
    )


def dismiss(connection: Connection, no: int, actor: Editor, at: float, reason: str, seen: int | None) -> Task:
    """It shall not be answered in the knowledge base. Raises `KnowledgeRefused`, `TaskConflict`."""
    before = _locked(connection, no)
    require_task_right(actor, _I.DISMISS, before.unit)
    _seen(before, seen)
    state = task_moved(before.state, _I.DISMISS)
    if not reason.strip():
        raise KnowledgeRefused("reason_needed", "Who dismisses a question says why.", "reason")
    return _keep(connection, before, replace(before, state=state), _I.DISMISS, actor, at, reason)


def answer(
    connection: Connection,
    no: int,
    wanted: Mapping[str, Any],
    actor: Editor,
    at: float,
    policy: Policy,
    seen: int | None,
) -> tuple[Task, Entry]:
    """The unit's answer: it becomes the draft of an entry. Raises `KnowledgeRefused`, `TaskConflict`."""
    before = _locked(connection, no)
    require_task_right(actor, _I.ANSWER, before.unit)
    _seen(before, seen)
    state = task_moved(before.state, _I.ANSWER)
    content = changed(Content(before.question, unit=before.unit, region=before.region), wanted)
    if not content.answer.strip():
        raise KnowledgeRefused("missing", "An answer has words.", "answer")
    entry = sql.begin(connection, content, actor, at, policy, ticket=before.ticket)
    after = replace(before, state=state, entry=entry.no)
    return _keep(connection, before, after, _I.ANSWER, actor, at, entry.id), entry


def follow(connection: Connection, entry: Entry, at: float) -> None:
    """Take notice of what became of an entry: a question is done when its entry is published, and open again when its
    only draft was thrown away."""
    made = connection.execute(
        select(tasks).where(tasks.c.entry == entry.no, tasks.c.state == _S.ANSWERED.value).with_for_update()
    )
    for row in made.all():
        before = _task(row)
        if entry.state is KnowledgeState.PUBLISHED:
            state = task_moved(before.state, _I.PUBLISHED)
            _keep(connection, before, replace(before, state=state), _I.PUBLISHED, SYSTEM, at)
        elif entry.state is KnowledgeState.WITHDRAWN and entry.published is None:
            state = task_moved(before.state, _I.LOST)
            _keep(connection, before, replace(before, state=state, entry=None), _I.LOST, SYSTEM, at)


def get_task(connection: Connection, no: int) -> Task | None:
    """One task, or None."""
    row = connection.execute(select(tasks).where(tasks.c.no == no)).one_or_none()
    return _task(row) if row is not None else None


def list_tasks(
    connection: Connection,
    *,
    unit: str = "",
    state: TaskState | None = None,
    after: int = 0,
    limit: int = 100,
    served: frozenset[str] | None = None,
    registered: frozenset[str] | None = None,
) -> list[Task]:
    """Tasks numbered above `after`, by number; those of the units `served` where they are named, and of all that are
    not `registered` (any more), where these are.
    """
    query = select(tasks).where(tasks.c.no > after).order_by(tasks.c.no).limit(limit)
    if unit:
        query = query.where(tasks.c.unit == unit)
    if served is not None:
        query = query.where(of_units(tasks.c.unit, served, registered))
    if state is not None:
        query = query.where(tasks.c.state == state.value)
    return [_task(row) for row in connection.execute(query)]


def list_task_moves(connection: Connection, no: int) -> list[TaskMove]:
    """Everything that was done to a task, in order."""
    rows = connection.execute(select(task_moves).where(task_moves.c.task == no).order_by(task_moves.c.seq))
    return [
        TaskMove(**(dict(row._mapping) | {
            "before": _S(row.before) if row.before is not None else None, "after": _S(row.after)
        }))
        for row in rows
    ]  # fmt: skip


def _locked(connection: Connection, no: int) -> Task:
    row = connection.execute(select(tasks).where(tasks.c.no == no).with_for_update()).one_or_none()
    if row is None:
        raise KnowledgeRefused("unknown_task", "There is no question of this number.")
    return _task(row)


def _seen(task: Task, seen: int | None) -> None:
    """Asked after the right: what there is now is shown to those only who may see it."""
    if seen is not None and seen != task.revision:
        raise TaskConflict(task)


def _keep(
    connection: Connection, before: Task, after: Task, cause: TaskInput, actor: Editor, at: float, reason: str = ""
) -> Task:
    after = replace(after, revision=before.revision + 1)
    connection.execute(update(tasks).where(tasks.c.no == after.no).values(_row(after)))
    connection.execute(insert(task_moves), _move(after, before.state, cause.value, actor, at, reason))
    return after


def _move(task: Task, before: TaskState | None, cause: str, actor: Editor, at: float, reason: str) -> dict[str, Any]:
    return {
        "task": task.no,
        "seq": task.revision,
        "before": before.value if before else None,
        "after": task.state.value,
        "cause": cause,
        "actor": actor.id,
        "role": actor.role.value,
        "at": at,
        "reason": reason.strip(),
    }


def _row(task: Task) -> dict[str, Any]:
    row = {column.name: getattr(task, column.name) for column in tasks.c if column.name != "same"}
    row["state"] = task.state.value
    return row


def _task(row: Any) -> Task:
    values = dict(row._mapping)
    del values["same"]
    values["state"] = TaskState(row.state)
    return Task(**values)
