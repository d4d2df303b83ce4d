"""Calls' instants from disk, as figures need them: no offers, no announcements, so that a province's day is read fast.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import TypeAdapter
from sqlalchemy import Connection, Text, cast, func, select

from metrics.instants import Instants, WrapUp
from metrics.intervals_sql import agent_intervals
from metrics.sql import calls
from pbx.call import HoldSpan, Outcome

_HOLDS: TypeAdapter[tuple[HoldSpan, ...]] = TypeAdapter(tuple[HoldSpan, ...])

_OUTCOMES = {one.value: one for one in Outcome}

_COLUMNS = (
    "call", "dialled", "caller", "queue", "agent", "ticket", "in_net", "outcome", "score", "arrived_at", "menu_done_at",
    "queued_at", "joined_at", "released_at", "ended_at",
)  # fmt: skip

WRAP_UP_AFTER_S = 86_400.0
"""After-call work of a period's calls is looked for up to a day after it: a call may last over its end."""


def count_calls(connection: Connection, since: float, until: float) -> int:
    """How many calls arrived in [since, until)."""
    wanted = select(func.count()).select_from(calls).where(calls.c.arrived_at >= since, calls.c.arrived_at < until)
    return int(connection.execute(wanted).scalar_one())


def wrap_ups(connection: Connection, since: float, until: float) -> dict[str, list[WrapUp]]:
    """The after-call work that began in [since, until), by call; that which goes on is not among it."""
    table = agent_intervals.c
    wanted = select(table.call, table.agent, table.began_at, table.ended_at).where(
        table.state == "wrap_up", table.call.is_not(None), table.ended_at.is_not(None),
        table.began_at >= since, table.began_at < until,
    )  # fmt: skip
    found: dict[str, list[WrapUp]] = {}
    for call, *work in connection.execute(wanted.order_by(table.began_at, table.agent)).all():
        found.setdefault(call, []).append(WrapUp(*work))
    return found


_ASKED_OF_DETAILS = ('"direction"', '"holds"', '"scored_at"')
"""What figures need of the details; of most calls there is nothing, and their details are not parsed."""


def list_instants(connection: Connection, since: float, until: float) -> Iterator[Instants]:
    """Of the calls that came in and arrived in [since, until), epoch seconds, oldest first; without offers."""
    after = wrap_ups(connection, since, until + WRAP_UP_AFTER_S)
    columns = [*(calls.c[name] for name in _COLUMNS), cast(calls.c.details, Text)]
    wanted = select(*columns).where(calls.c.arrived_at >= since, calls.c.arrived_at < until)
    for row in connection.execute(wanted.order_by(calls.c.arrived_at, calls.c.call)).all():
        (
            call, dialled, caller, queue, agent, ticket, in_net, outcome, score, arrived_at, menu_done_at, queued_at,
            joined_at, released_at, ended_at, text,
        ) = row  # fmt: skip
        direction, holds, scored_at = "inbound", tuple[HoldSpan, ...](), None
        if any(name in text for name in _ASKED_OF_DETAILS):
            details = json.loads(text)
            direction, scored_at = details.get("direction", direction), details.get("scored_at")
            holds = _HOLDS.validate_python(details.get("holds", ()))
        if direction != "inbound":
            continue
        yield Instants(
            call, direction, dialled, caller, queue, agent, ticket, in_net,
            _OUTCOMES[outcome] if outcome is not None else None, score, arrived_at, menu_done_at, queued_at, (),
            joined_at, holds, released_at, tuple(after.get(call, ())), scored_at, ended_at,
        )  # fmt: skip
