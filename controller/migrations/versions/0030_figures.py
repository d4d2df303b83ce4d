"""Figures: agents' intervals; days that are closed, and what came to be known of them later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; of days before there are no intervals, and none is closed until somebody asks for it."""
    op.create_table(
        "agent_intervals",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("call", sa.Text()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("agent", "began_at", "state", name="pk_agent_intervals"),
    )
    op.create_index("ix_agent_intervals_began_at", "agent_intervals", ["began_at"])
    op.create_index("ix_agent_intervals_ended_at", "agent_intervals", ["ended_at"])
    op.create_index("ix_agent_intervals_call", "agent_intervals", ["call"])
    op.create_table(
        "day_closings",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("intervals", sa.Integer(), nullable=False),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_day_closings"),
        sa.UniqueConstraint("day", name="uq_day_closings_day"),
    )
    op.create_table(
        "days_watched",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_days_watched"),
    )
    op.create_table(
        "day_corrections",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_day_corrections"),
    )
    op.create_index("ix_day_corrections_day", "day_corrections", ["day"])


def downgrade() -> None:
    """The intervals, closings and corrections go; calls and journals stay."""
    op.drop_table("day_corrections")
    op.drop_table("days_watched")
    op.drop_table("day_closings")
    op.drop_table("agent_intervals")
