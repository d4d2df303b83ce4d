"""Days that are closed, on disk: closings and corrections, each row holding the seal of the one before it.

A closed day's calls are never changed silently. What comes to be known later (a ticket that was opened in an outage, a
call that was still talked over the closing, a recording that turned out empty) is written all the same, and a
correction beside it says which call, when, by what kind of write, which columns, and its digests before and after.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
)

import metrics.sql as call_rows
from metrics.sql import calls, offers
from pbx.call import CallRecord
from pbx.ids import CallId, TicketNumber

metadata = MetaData()

closings = Table(
    "day_closings",
    metadata,
    Column("seq", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("closed_at", Double, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("files", JSON, nullable=False),
    Column("chain", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("intervals", Integer, nullable=False),
    Column("corrections", Integer, nullable=False),
    Column("digests", Text, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("seal", Text, nullable=False),
    PrimaryKeyConstraint("seq", name="pk_day_closings"),
    UniqueConstraint("day", name="uq_day_closings_day"),
)

watched = Table(
    "days_watched",
    metadata,
    Column("day", Text, nullable=False),
    Column("since", Double, nullable=False),
    Column("until", Double, nullable=False),
    PrimaryKeyConstraint("day", name="pk_days_watched"),
)
"""Days that are closed or being closed: from here on every write into their calls is corrected. A row is made before
the digests are taken, so that the writer never waits for them and nothing slips between the two."""

corrections = Table(
    "day_corrections",
    metadata,
    Column("seq", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("call", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("changed", Text, nullable=False),
    Column("seal", Text, nullable=False),
    PrimaryKeyConstraint("seq", name="pk_day_corrections"),
    Index("ix_day_corrections_day", "day"),
)

FIRST_SEAL = "0" * 64


@dataclass(frozen=True, slots=True)
class Closing:
    """A closed day, ``2026-11-22``, [since, until) in epoch seconds.

    `files`: of each journal file its name, its lines and the chain's head after it; `chain` the last of these heads,
    over every line of every file in order. `digests`: the SHA-256 of the file of digests beside it, which names every
    line, call and interval. `figures`: by definition and version, value, numerator and denominator.
    """

    day: str
    zone: str
    since: float
    until: float
    closed_at: float
    closed_by: str
    files: list[dict[str, Any]]
    chain: str
    calls: int
    intervals: int
    corrections: int  #: the number of the last correction that these digests know already
    digests: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Correction:
    """A call of a closed day that was written later; `before` empty = the day did not have it."""

    day: str
    at: float
    call: str
    why: str
    before: str
    after: str
    changed: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A row with its number and its seal."""

    seq: int
    row: Closing | Correction
    seal: str


def canonical(value: object) -> bytes:
    """One form of a value for hashing."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def seal_of(before: str, seq: int, row: Closing | Correction) -> str:
    """The seal of a row: over the seal before it, its number and everything in it."""
    return hashlib.sha256(canonical([before, seq, asdict(row)])).hexdigest()


def _append(connection: Connection, table: Table, row: Closing | Correction) -> Sealed:
    end = connection.execute(select(table.c.seq, table.c.seal).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    seq, before = (end.seq + 1, end.seal) if end is not None else (1, FIRST_SEAL)
    seal = seal_of(before, seq, row)
    connection.execute(insert(table).values(seq=seq, **asdict(row), seal=seal))
    return Sealed(seq, row, seal)


def add_closing(connection: Connection, closing: Closing) -> Sealed:
    """Keep a closing."""
    return _append(connection, closings, closing)


def add_correction(connection: Connection, correction: Correction) -> Sealed:
    """Keep a correction."""
    return _append(connection, corrections, correction)


def list_closings(connection: Connection) -> list[Sealed]:
    """All, in the order in which they were made."""
    return _all(connection, closings, Closing)


def list_corrections(connection: Connection) -> list[Sealed]:
    """All, in the order in which they were made."""
    return _all(connection, corrections, Correction)


def _all(connection: Connection, table: Table, kind: type[Closing] | type[Correction]) -> list[Sealed]:
    found = []
    for row in connection.execute(select(table).order_by(table.c.seq)):
        values = dict(row._mapping)
        seq, seal = values.pop("seq"), values.pop("seal")
        found.append(Sealed(seq, kind(**values), seal))
    return found


# ---------------------------------------------------------------- digests of calls

_KEYS = tuple(column.name for column in calls.c)


def call_values(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Everything that is stored of these calls, by call: their columns, and their offers in order."""
    found: dict[str, dict[str, Any]] = {}
    for begin in range(0, len(ids), 500):
        some = list(ids[begin : begin + 500])
        for row in connection.execute(select(calls).where(calls.c.call.in_(some))):
            found[row.call] = {**{name: getattr(row, name) for name in _KEYS}, "offers": []}
        for row in connection.execute(
            select(offers).where(offers.c.call.in_(some)).order_by(offers.c.call, offers.c.seq)
        ):
            found[row.call]["offers"].append(list(row)[1:])
    return found


def digest(values: Mapping[str, Any]) -> str:
    """The digest of what is stored of one call, 32 hexadecimal digits."""
    return hashlib.sha256(canonical(values)).hexdigest()[:32]


# ---------------------------------------------------------------- writes that a closed day notices


def watch(connection: Connection, day: str, since: float, until: float) -> None:
    """From now on every write into a call that arrived on this day is corrected."""
    if connection.execute(select(watched.c.day).where(watched.c.day == day)).first() is None:
        connection.execute(insert(watched).values(day=day, since=since, until=until))


def last_correction(connection: Connection) -> int:
    """The number of the newest correction; 0 without one."""
    return int(connection.execute(select(func.max(corrections.c.seq))).scalar() or 0)


def _closed_until(connection: Connection) -> float:
    return float(connection.execute(select(func.max(watched.c.until))).scalar() or 0.0)


def _corrected(connection: Connection, ids: Sequence[str], why: str, write: Callable[[], None]) -> None:
    """Do a write that changes these calls; what it changes of a closed day is said in a correction."""
    before = call_values(connection, ids)
    write()
    after = call_values(connection, ids)
    for call, values in after.items():
        old = before.get(call)
        if old == values:
            continue
        at = values["arrived_at"]
        day = connection.execute(
            select(watched.c.day).where(watched.c.since <= at, watched.c.until > at)
        ).scalar_one_or_none()
        if day is None:
            continue
        names = sorted(name for name in values if old is None or old[name] != values[name])
        add_correction(
            connection,
            Correction(
                day, time.time(), call, why, digest(old) if old is not None else "", digest(values), " ".join(names)
            ),
        )


def save_calls(connection: Connection, records: Sequence[CallRecord]) -> None:
    """`metrics.sql.save_calls`; a call of a closed day is corrected."""
    late = set()
    if min(record.arrived_at for record in records) < (closed := _closed_until(connection)):
        late = {record.call for record in records if record.arrived_at < closed}
    if late:
        _corrected(connection, sorted(late), "save_call", lambda: call_rows.save_calls(connection, records))
    else:
        call_rows.save_calls(connection, records)


def save_call(connection: Connection, record: CallRecord) -> None:
    """`metrics.sql.save_call`; a call of a closed day is corrected."""
    save_calls(connection, [record])


def complete_call(connection: Connection, record: CallRecord) -> None:
    """`metrics.sql.complete_call`; a call of a closed day is corrected."""
    if record.arrived_at < _closed_until(connection):
        _corrected(connection, [record.call], "complete_call", lambda: call_rows.complete_call(connection, record))
    else:
        call_rows.complete_call(connection, record)


def name_ticket(connection: Connection, call: CallId, ticket: TicketNumber) -> None:
    """`metrics.sql.name_ticket`; a call of a closed day is corrected."""
    _by_id(connection, call, "name_ticket", lambda: call_rows.name_ticket(connection, call, ticket))


def no_recording(connection: Connection, call: CallId) -> None:
    """`metrics.sql.no_recording`; a call of a closed day is corrected."""
    _by_id(connection, call, "no_recording", lambda: call_rows.no_recording(connection, call))


def _by_id(connection: Connection, call: CallId, why: str, write: Callable[[], None]) -> None:
    at = connection.execute(select(calls.c.arrived_at).where(calls.c.call == call)).scalar_one_or_none()
    if at is not None and at < _closed_until(connection):
        _corrected(connection, [call], why, write)
    else:
        write()
