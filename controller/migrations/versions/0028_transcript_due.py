"""From when each transcript may be erased, and what is left of those that were erased by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; every transcript that is there is judged once, by and by, as its row names no rules yet."""
    op.create_table(
        "transcript_due",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", name="pk_transcript_due"),
    )
    op.execute(
        "INSERT INTO transcript_due (call, started_at, rules) "
        "SELECT transcripts.call, COALESCE(recordings.started_at, transcripts.made_at), '' FROM transcripts "
        "LEFT JOIN recordings ON recordings.call = transcripts.call"
    )
    op.create_index("ix_transcript_due_rules", "transcript_due", ["rules", "due_at", "call"])
    op.create_table(
        "transcript_erasures",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.Double(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_transcript_erasures"),
    )
    op.create_index("ix_transcript_erasures_erased_at", "transcript_erasures", ["erased_at"])


def downgrade() -> None:
    """Transcripts are erased with their recordings again."""
    op.drop_table("transcript_erasures")
    op.drop_table("transcript_due")
