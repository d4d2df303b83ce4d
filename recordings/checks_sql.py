"""What was found when each recording was checked; also of those of which there is no file.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import JSON, Column, Connection, Double, Index, PrimaryKeyConstraint, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite

from pbx.ids import CallId
from recordings.checks import Check, Span
from recordings.sql import metadata

checks = Table(
    "recording_checks",
    metadata,
    Column("call", Text, nullable=False),
    Column("checked_at", Double, nullable=False),
    Column("expected_s", Double, nullable=False),
    Column("found_s", Double, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("citizen", Text, nullable=False),
    Column("heard", Text, nullable=False),
    Column("looked_at_s", Double, nullable=False),
    Column("citizen_audible_s", Double, nullable=False),
    Column("heard_audible_s", Double, nullable=False),
    Column("filled_s", Double, nullable=False, server_default="0"),
    Column("gaps", JSON, nullable=False, server_default="[]"),
    PrimaryKeyConstraint("call", name="pk_recording_checks"),
    Index("ix_recording_checks_checked_at", "checked_at"),
)
"""`findings`, `citizen` and `heard` are words of `recordings.checks`; `checked_at` in epoch seconds.

`filled_s`: so much comes from parties' own voices; `gaps`: from when to when nothing could be written."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A call's check as it is kept: `recordings.checks.Check` in plain words."""

    call: CallId
    checked_at: float
    expected_s: float
    found_s: float
    findings: tuple[str, ...]
    citizen: str
    heard: str
    looked_at_s: float
    citizen_audible_s: float
    heard_audible_s: float
    filled_s: float = 0.0
    gaps: tuple[Span, ...] = ()


def row_of(call: CallId, found: Check, at: float, filled_s: float = 0.0, gaps: tuple[Span, ...] = ()) -> CheckRow:
    """The row of a check made at `at` (epoch seconds)."""
    return CheckRow(
        call,
        at,
        round(found.expected_s, 3),
        round(found.found_s, 3),
        tuple(one.value for one in found.findings),
        found.citizen.value,
        found.heard.value,
        round(found.looked_at_s, 2),
        round(found.citizen_audible_s, 2),
        round(found.heard_audible_s, 2),
        round(filled_s, 2),
        tuple((round(begin, 3), round(end, 3)) for begin, end in gaps),
    )


def save_check(connection: Connection, row: CheckRow) -> None:
    """Write a call's check; a later one (the recording was sealed at the next start) replaces it."""
    insert = postgresql.insert(checks) if connection.dialect.name == "postgresql" else sqlite.insert(checks)
    others = {column.name: insert.excluded[column.name] for column in checks.c if not column.primary_key}
    values = {**asdict(row), "findings": list(row.findings), "gaps": [list(gap) for gap in row.gaps]}
    connection.execute(insert.on_conflict_do_update(index_elements=["call"], set_=others), values)


def get_check(connection: Connection, call: CallId) -> CheckRow | None:
    """The call's check, or None."""
    row = connection.execute(select(checks).where(checks.c.call == call)).first()
    if row is None:
        return None
    gaps = tuple((begin, end) for begin, end in row.gaps)
    return CheckRow(**{**row._mapping, "findings": tuple(row.findings), "gaps": gaps})
