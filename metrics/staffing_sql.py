"""DOOR to the calls on disk, for staffing: how many came when, how long they took, how long callers wait.

Sums and counts are made by the database: a year of calls is some tens of thousands of rows here. Times in epoch
seconds; functions take a connection and run inside the caller's transaction, for SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, cast, func, select

from metrics.sql import calls, offers
from pbx.call import Outcome
from pbx.ids import QueueId


@dataclass(frozen=True, slots=True)
class QueueTimes:
    """What a queue's calls of some days were like: talks answered and their seconds (sum, sum of squares), seconds
    waited by everybody and how many gave up, offers and how many were answered after how many seconds in all.
    """

    queue: QueueId
    talks: int = 0
    talked_s: float = 0.0
    talked_s2: float = 0.0
    waited_s: float = 0.0
    gave_up: int = 0
    offers: int = 0
    picked_up: int = 0
    rang_s: float = 0.0


def _whole(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[int]:
    """The whole part of a number from 0 on: PostgreSQL rounds in a cast, SQLite may have no floor."""
    return cast(func.floor(value) if connection.dialect.name == "postgresql" else value, Integer)


def arrivals(
    connection: Connection, since: float, until: float, slot_s: int, queues: Sequence[QueueId] | None = None
) -> list[tuple[QueueId, int, int]]:
    """Queue, number of the slot since the epoch, and calls that came into its line in it; slots without are absent.

    A caller who left the line and called again has come twice.
    """
    slot = _whole(connection, calls.c.queued_at / float(slot_s))
    query = (
        select(calls.c.queue, slot.label("slot"), func.count().label("number"))
        .where(calls.c.arrived_at >= since - 3600.0, calls.c.arrived_at < until)  # the index; most queue at once
        .where(calls.c.queued_at >= since, calls.c.queued_at < until, calls.c.queue.is_not(None))
        .group_by(calls.c.queue, "slot")
    )
    if queues is not None:
        query = query.where(calls.c.queue.in_(queues))
    return [(QueueId(row.queue), int(row.slot), int(row.number)) for row in connection.execute(query)]


def first_call(connection: Connection) -> float | None:
    """When the oldest call came; None without any."""
    found: float | None = connection.execute(select(func.min(calls.c.arrived_at))).scalar()
    return found


def times(connection: Connection, since: float, until: float) -> list[QueueTimes]:
    """What each queue's calls that arrived in the window were like."""
    window = (calls.c.arrived_at >= since, calls.c.arrived_at < until, calls.c.queue.is_not(None))
    talk = calls.c.released_at - calls.c.joined_at
    talked = {
        row.queue: row
        for row in connection.execute(
            select(
                calls.c.queue, func.count().label("n"), func.sum(talk).label("s"), func.sum(talk * talk).label("s2"),
                func.sum(calls.c.joined_at - calls.c.queued_at).label("waited"),
            )
            .where(*window, calls.c.joined_at.is_not(None), calls.c.released_at >= calls.c.joined_at)
            .where(calls.c.queued_at.is_not(None))
            .group_by(calls.c.queue)
        )
    }  # fmt: skip
    left = {
        row.queue: row
        for row in connection.execute(
            select(
                calls.c.queue,
                func.count().label("n"),
                func.sum(calls.c.ended_at - calls.c.queued_at).label("waited"),
            )
            .where(*window, calls.c.outcome == Outcome.ABANDONED.value, calls.c.queued_at.is_not(None))
            .where(calls.c.ended_at.is_not(None))
            .group_by(calls.c.queue)
        )
    }
    rung: dict[str, dict[bool, tuple[int, float]]] = {}
    answered = (offers.c.outcome == "answered").label("answered")
    query = (
        select(
            calls.c.queue, answered, func.count().label("n"),
            func.sum(offers.c.ended_at - offers.c.offered_at).label("s"),
        )
        .join(calls, offers.c.call == calls.c.call)
        .where(*window, offers.c.ended_at.is_not(None), offers.c.outcome.in_(("answered", "noanswer")))
        .group_by(calls.c.queue, "answered")
    )  # fmt: skip
    for row in connection.execute(query):
        rung.setdefault(row.queue, {})[bool(row.answered)] = (row.n, float(row.s))
    found = []
    for queue in sorted(talked.keys() | left.keys() | rung.keys()):
        spoke, gone, offered = talked.get(queue), left.get(queue), rung.get(queue, {})
        picked = offered.get(True, (0, 0.0))
        found.append(
            QueueTimes(
                QueueId(queue),
                spoke.n if spoke else 0,
                float(spoke.s) if spoke else 0.0,
                float(spoke.s2) if spoke else 0.0,
                (float(spoke.waited) if spoke else 0.0) + (float(gone.waited) if gone else 0.0),
                gone.n if gone else 0,
                sum(number for number, _ in offered.values()),
                *picked,
            )
        )
    return found
