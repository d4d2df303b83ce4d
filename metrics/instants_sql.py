"""Calls' instants from disk, as figures need them: no offers, no announcements, so that a province's day is read fast.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select

from metrics.instants import Instants, WrapUp
from metrics.intervals import AgentInterval
from metrics.intervals_sql import wrap_ups
from metrics.sql import calls
from pbx.call import HoldSpan, Outcome
from pbx.ids import CallId

_HOLDS: TypeAdapter[tuple[HoldSpan, ...]] = TypeAdapter(tuple[HoldSpan, ...])

_OUTCOMES = {one.value: one for one in Outcome}

_COLUMNS = (
    "call", "dialled", "caller", "queue", "agent", "ticket", "in_net", "outcome", "score", "arrived_at", "menu_done_at",
    "queued_at", "joined_at", "released_at", "ended_at", "details",
)  # fmt: skip

WRAP_UP_AFTER_S = 86_400.0
"""After-call work of a period's calls is looked for up to a day after it: a call may last over its end."""


def count_calls(connection: Connection, since: float, until: float) -> int:
    """How many calls arrived in [since, until)."""
    wanted = select(func.count()).select_from(calls).where(calls.c.arrived_at >= since, calls.c.arrived_at < until)
    return int(connection.execute(wanted).scalar_one())


def list_instants(connection: Connection, since: float, until: float) -> Iterator[Instants]:
    """Of the calls that came in and arrived in [since, until), epoch seconds, oldest first; without offers."""
    after: Mapping[CallId, Sequence[AgentInterval]] = wrap_ups(connection, since, until + WRAP_UP_AFTER_S)
    wanted = select(*(calls.c[name] for name in _COLUMNS)).where(
        calls.c.arrived_at >= since, calls.c.arrived_at < until
    )
    for row in connection.execute(wanted.order_by(calls.c.arrived_at, calls.c.call)).all():
        (
            call, dialled, caller, queue, agent, ticket, in_net, outcome, score, arrived_at, menu_done_at, queued_at,
            joined_at, released_at, ended_at, details,
        ) = row  # fmt: skip
        direction = details.get("direction", "inbound")
        if direction != "inbound":
            continue
        holds = _HOLDS.validate_python(details["holds"]) if "holds" in details else ()
        work = after.get(call, ())
        yield Instants(
            call, direction, dialled, caller, queue, agent, ticket, in_net,
            _OUTCOMES[outcome] if outcome is not None else None, score, arrived_at, menu_done_at, queued_at, (),
            joined_at, holds, released_at, tuple(WrapUp(one.agent, one.began_at, one.ended_at) for one in work),
            details.get("scored_at"), ended_at,
        )  # fmt: skip
