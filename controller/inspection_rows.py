"""Quality inspection in the store: what needs the tables of more than one room. In the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, and_, exists, false, or_, select, update

from metrics.sql import calls, get_call
from pbx.call import CallRecord
from pbx.ids import CallId
from recordings.archive import sql as archive_rows
from recordings.inspection import days_sql, sql
from recordings.inspection.rules import SaidType, rules_of
from recordings.inspection.tables import inspections, scores
from recordings.inspection.thresholds import Span
from tickets import keeping_sql
from tickets.tables import keeping, tickets

CityOf = Callable[[str, str], str]
"""Whose a call is, by the number that was dialled and the queue (`TicketPolicy.city_of`)."""


def wrong_type(types: Sequence[SaidType]) -> ColumnElement[bool]:
    """That an inspection's call has a ticket of a type that does not go with what the caller named (类型不符).

    It is asked of the ticket as it is now: a type that was put right is right.
    """
    pairs = [
        and_(inspections.c.said_type == one.type, tickets.c.type.in_(sorted(one.wrong))) for one in types if one.wrong
    ]
    if not pairs:
        return false()
    return exists().where(tickets.c.call == inspections.c.call, or_(*pairs))


# ---------------------------------------------------------------- what other rooms change


def take_changes(connection: Connection, limit: int) -> int:
    """Take up to so many calls out of the list of those whose tickets have changed their type, or are over.

    How long the recording is kept is asked anew, and the call's day is added up again. How many there were.
    """
    changed = keeping_sql.take(connection, limit)
    if changed:
        archive_rows.judge_anew(connection, changed)
        days_sql.mark_calls(connection, changed)
    return len(changed)


def changes_wait(connection: Connection) -> bool:
    """Whether there is something to be taken."""
    return connection.execute(select(keeping.c.call).limit(1)).first() is not None


def erase_inspection(connection: Connection, call: CallId) -> None:
    """Take away what was found in a call whose recording is erased; what it has added to its day stays."""
    body = sql.newest_rules(connection, call)
    sql.erase_inspections(connection, call, wrong_type(_types(body) if body is not None else ()))


@lru_cache(maxsize=8)
def _types(body: str) -> Sequence[SaidType]:
    return rules_of(json.loads(body)).types


# ---------------------------------------------------------------- of before there were cities


def name_cities(connection: Connection, asked: tuple[int, CityOf]) -> int:
    """Write the city of up to so many inspections, and as many scores, that were made before it was noted.

    How many there were.
    """
    limit, city_of = asked
    query = (
        select(inspections.c.call, inspections.c.rules, inspections.c.queue, calls.c.dialled)
        .outerjoin(calls, calls.c.call == inspections.c.call)
        .where(inspections.c.city.is_(None))
        .limit(limit)
    )
    found = connection.execute(query).all()
    for row in found:
        mine = and_(inspections.c.call == row.call, inspections.c.rules == row.rules)
        connection.execute(update(inspections).where(mine).values(city=city_of(row.dialled or "", row.queue)))
    days_sql.mark_calls(connection, [row.call for row in found])
    given = connection.execute(
        select(scores.c.id, scores.c.queue, calls.c.dialled)
        .outerjoin(calls, calls.c.call == scores.c.call)
        .where(scores.c.city.is_(None))
        .limit(limit)
    ).all()
    for id, queue, dialled in given:
        connection.execute(update(scores).where(scores.c.id == id).values(city=city_of(dialled or "", queue)))
    return len(found) + len(given)


def cities_wait(connection: Connection) -> bool:
    """Whether some are without."""
    asked = [select(table.c.call).where(table.c.city.is_(None)).limit(1) for table in (inspections, scores)]
    return any(connection.execute(one).first() is not None for one in asked)


# ---------------------------------------------------------------- a call's talk


def talked_in(connection: Connection, call: CallId, agent: str) -> bool:
    """Whether the agent talked in the call: it was inspected as his, or he answered in it before it was handed on."""
    theirs = (inspections.c.call == call, inspections.c.agent == agent)
    if connection.execute(select(inspections.c.call).where(*theirs)).first() is not None:
        return True
    record = get_call(connection, call)
    return record is not None and any(one.agent == agent and one.outcome == "answered" for one in record.offers)


def spans_of(record: CallRecord, began_at: float) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """When citizen and agent were joined, and when he was on hold, in seconds from the recording's begin.

    From the call's record alone: music is not guessed from the sound. Between a blind transfer and the answer of the
    next agent he stood in a line again.
    """
    end = record.released_at or record.ended_at
    holds = tuple(
        (max(0.0, one.began_at - began_at), (one.ended_at or end or one.began_at) - began_at) for one in record.holds
    )
    if record.joined_at is None or end is None:
        return (), holds
    talks = [(record.joined_at, end)]
    answered = sorted(one.ended_at for one in record.offers if one.outcome == "answered" and one.ended_at is not None)
    for one in record.transfers:
        if one.way == "blind" and one.outcome == "done":
            back = next((at for at in answered if at > one.asked_at), None)
            begin, last = talks[-1]
            talks[-1] = (begin, min(last, one.asked_at))
            if back is not None and back < last:
                talks.append((back, last))
    shifted = ((max(0.0, begin - began_at), last - began_at) for begin, last in talks)
    return tuple((begin, last) for begin, last in shifted if last > begin), holds
