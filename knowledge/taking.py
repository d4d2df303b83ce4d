"""Taking rows of a file into the knowledge base: the good ones at once, each of the others named."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from knowledge import sql
from knowledge.entry import Content, KnowledgeRefused, lacking
from knowledge.moves import Editor, KnowledgeInput, KnowledgeState, require_right
from knowledge.sheet import Fault, Row
from knowledge.sql import Policy
from knowledge.version import Entry


def take(
    connection: Connection, rows: Sequence[Row], actor: Editor, at: float, policy: Policy, *, submit: bool
) -> tuple[int, int, int, list[Fault]]:
    """How many entries were made and revised, how many rows change nothing, and what is wrong with the rest.

    A row without a number is a new entry; one with a number is the next version of that entry, where it says anything
    new. `submit`: they go straight into review.
    """
    faults: list[Fault] = []
    new: list[Content] = []
    wanted: list[tuple[Entry, Content]] = []
    same = 0
    known = sql.latest_of(connection, [row.no for row in rows if row.no is not None])
    for row in rows:
        last = known.get(row.no) if row.no is not None else None
        fault = _fault(row, last, actor, submit=submit)
        if fault is not None:
            faults.append(fault)
        elif last is None:
            new.append(row.content)
        elif row.content == last.content:
            same += 1
        else:
            wanted.append((last, row.content))
    made = sql.begin_many(connection, new, actor, at, policy, submit=submit)
    revised = sql.revise_many(connection, wanted, actor, at)
    if submit:
        sql.submit_many(connection, revised, actor, at)
    return len(made), len(revised), same, faults


def _fault(row: Row, last: Entry | None, actor: Editor, *, submit: bool) -> Fault | None:
    if row.no is not None and last is None:
        return Fault(row.line, "id", "unknown_entry")
    try:
        require_right(actor, KnowledgeInput.WRITE, row.content.unit)
        if last is not None:
            require_right(actor, KnowledgeInput.WRITE, last.content.unit)
    except KnowledgeRefused as refused:
        return Fault(row.line, "unit", refused.code)
    if last is not None and last.state is KnowledgeState.IN_REVIEW:
        return Fault(row.line, "id", "knowledge_not_now")  # somebody judges it just now
    if submit and (missing := lacking(row.content)):
        return Fault(row.line, missing[0], "missing")
    return None
