"""Transcripts are found by their words, and people correct them.

The words of the transcripts that are there are written by and by, in the background (`controller/transcript_desk.py`):
a start does not wait for them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from recordings import words_sql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make column, tables and index, empty."""
    op.add_column("transcripts", sa.Column("base", sa.Integer(), nullable=False, server_default="1"))
    op.create_table(
        "transcript_corrections",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call", "version", name="pk_transcript_corrections"),
    )
    op.create_table(
        "transcript_places",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_transcript_places"),
        sa.UniqueConstraint("place", name="uq_transcript_places_place"),
    )
    if op.get_bind().dialect.name != "postgresql":
        op.execute(words_sql.FTS5)
        return
    op.create_table(
        "transcript_words",
        sa.Column("place", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("keys", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_transcript_words"),
    )
    op.create_index("ix_transcript_words_keys", "transcript_words", ["keys"], postgresql_using="gin")


def downgrade() -> None:
    """Corrections go with their table."""
    for table in ("transcript_words", "transcript_places", "transcript_corrections"):
        op.drop_table(table)
    op.drop_column("transcripts", "base")
