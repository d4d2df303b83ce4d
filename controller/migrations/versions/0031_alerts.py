"""Alerts: what was raised, who has seen it, when it was over; and what is still to be told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.Double(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("zh", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.Double()),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.Column("cleared_at", sa.Double()),
        sa.Column("why_cleared", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_raised_at", "alerts", ["raised_at"])
    op.create_index("ix_alerts_cleared_at", "alerts", ["cleared_at"])
    op.create_table(
        "alert_outbox",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.PrimaryKeyConstraint("receiver", "way", "alert", "change", name="pk_alert_outbox"),
    )
    op.create_index("ix_alert_outbox_due_at", "alert_outbox", ["due_at"])


def downgrade() -> None:
    """The alerts go; calls and tickets stay."""
    op.drop_table("alert_outbox")
    op.drop_table("alerts")
