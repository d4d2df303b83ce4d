"""Transcripts that are to be made stand in the store, no more in the memory of a process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; recordings of before have their transcripts, or can be asked for."""
    op.create_table(
        "transcript_jobs",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("talks", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("kills", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", name="pk_transcript_jobs"),
    )
    op.create_index("ix_transcript_jobs_state", "transcript_jobs", ["state", "priority", "asked_at", "call"])


def downgrade() -> None:
    """What waited is forgotten."""
    op.drop_table("transcript_jobs")
