"""The tables of quality inspection; `sql.py` and `review_sql.py` write and read them. Times are epoch seconds."""

from __future__ import annotations

from functools import cache

from sqlalchemy import (
    Column,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite

from recordings.sql import metadata

inspections = Table(
    "inspections",
    metadata,
    Column("call", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("words_at", Double),
    Column("sha256", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("day", Text, nullable=False),
    Column("sound", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("said_type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("city", Text),
    Column("newest", Integer, nullable=False),
    PrimaryKeyConstraint("call", "rules", name="pk_inspections"),
    Index("ix_inspections_rules_started_at", "rules", "started_at"),
    Index("ix_inspections_agent_started_at", "agent", "started_at"),
    Index("ix_inspections_day_agent", "day", "agent"),
    Index("ix_inspections_newest_started_at", "newest", "started_at"),
    Index("ix_inspections_city", "city"),
)
"""One row for a recording and version of the rules. `words_at`: when the transcript had been made whose words were
judged, NULL = there was none. `day`: of the hotline's own zone, ISO 8601. `body`: `Inspection.to_json()`. `city`: whose
call it was (`TicketPolicy.city_of`), empty = nobody's, NULL = judged before that was noted. `newest`: 1 where no later
version of the rules has judged the call: these are counted."""

figures = Table(
    "inspection_figures",
    metadata,
    Column("call", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Double, nullable=False),
    PrimaryKeyConstraint("call", "rules", "name", name="pk_inspection_figures"),
)
"""`Inspection.rows()`: what is counted over many calls; what was not judged has no row."""

day_sums = Table(
    "inspection_sums",
    metadata,
    Column("grain", Text, nullable=False),
    Column("span", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("grain", "span", "agent", "queue", "city", name="pk_inspection_sums"),
    Index("ix_inspection_sums_agent", "agent", "grain", "span"),
)
"""What was found, added up (`days_sql.py`). `span`: a day, or a month; what a grain does not part is empty.
`body`: JSON, by name in how many calls it was judged, its sum, in how many it was above 0: a row for each name would be
twenty-five times as many rows, and four times as long to read."""

days_due = Table(
    "inspection_days_due",
    metadata,
    Column("day", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("day", "agent", name="pk_inspection_days_due"),
)
"""Of whom the calls of a day are to be added up again; `version` grows with each change, so that none is missed."""

rule_files = Table(
    "inspection_rules",
    metadata,
    Column("version", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("version", name="pk_inspection_rules"),
)
"""The rules by which something was judged, as they were read (JSON)."""

cards = Table(
    "score_cards",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("id", "version", name="pk_score_cards"),
)

plans = Table(
    "sampling_plans",
    metadata,
    Column("id", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("id", name="pk_sampling_plans"),
)

samples = Table(
    "inspection_samples",
    metadata,
    Column("plan", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("seat", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("inspector", Text, nullable=False),
    Column("score", Text),
    PrimaryKeyConstraint("call", "seat", name="pk_inspection_samples"),
    Index("ix_inspection_samples_inspector", "inspector"),
    Index("ix_inspection_samples_plan", "plan"),
)
"""Who is to hear what; a call is drawn once for ever. `score`: what came of it."""

scores = Table(
    "inspection_scores",
    metadata,
    Column("id", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("card_version", Integer, nullable=False),
    Column("inspector", Text, nullable=False),
    Column("seat", Integer, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("total", Double, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("answers", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("city", Text),
    PrimaryKeyConstraint("id", name="pk_inspection_scores"),
    UniqueConstraint("call", "card", "inspector", name="uq_inspection_scores_call"),
    Index("ix_inspection_scores_agent_at", "agent", "at"),
    Index("ix_inspection_scores_at", "at"),
    Index("ix_inspection_scores_day", "day"),
)
"""`seat` 1 counts for the agent; `passed` 0 or 1; `answers`: JSON of what holds now, earlier ones are in the moves.
`day`: of the call. `city`: as of the inspection."""

moves = Table(
    "inspection_score_moves",
    metadata,
    Column("score", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("by", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("move", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("total", Double, nullable=False),
    Column("answers", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("score", "seq", name="pk_inspection_score_moves"),
)

notes = Table(
    "coaching_notes",
    metadata,
    Column("id", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("call", Text),
    Column("score", Text),
    Column("by", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("text", Text, nullable=False),
    Column("seen_at", Double),
    Column("city", Text),
    PrimaryKeyConstraint("id", name="pk_coaching_notes"),
    Index("ix_coaching_notes_agent_at", "agent", "at"),
)


@cache
def upsert(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Insert, or replace the row of the same key."""
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: made.excluded[column.name] for column in table.c if not column.primary_key}
    return made.on_conflict_do_update(index_elements=keys, set_=others)
