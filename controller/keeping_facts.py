"""What the rules for keeping look at (`recordings/keeping.py`), of calls, their tickets and holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection

from pbx.ids import CallId
from recordings.archive import sql as rows
from recordings.keeping import Kept
from tickets.moves import OVER
from tickets.sql import tickets_of_calls


class Begun(Protocol):
    """A recording or a transcript: of which call, and when its recording began (epoch seconds)."""

    @property
    def call(self) -> CallId: ...  # noqa: D102

    @property
    def started_at(self) -> float: ...  # noqa: D102


def facts_of(connection: Connection, found: Sequence[Begun]) -> Mapping[CallId, Kept]:
    """Of each call its tickets' types, whether one is open, and who holds the recording."""
    calls = [row.call for row in found]
    held: dict[CallId, list[str]] = {}
    for hold in rows.holds_of(connection, calls):
        if hold.ended_at is None:
            held.setdefault(hold.call, []).append(hold.reason)
    theirs = tickets_of_calls(connection, calls)
    facts = {}
    for row in found:
        mine = theirs.get(row.call, ())
        types = frozenset(kind for kind, _ in mine if kind)
        facts[row.call] = Kept(
            row.started_at, types, any(state not in OVER for _, state in mine), held.get(row.call, ())
        )
    return facts
