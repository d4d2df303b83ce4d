"""The first tables: calls and offers, tickets and their moves, recordings and transcripts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calls",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("arrived_at", sa.Double(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("menu_path", sa.JSON(), nullable=False),
        sa.Column("menu_done_at", sa.Double()),
        sa.Column("queue", sa.Text()),
        sa.Column("queued_at", sa.Double()),
        sa.Column("agent", sa.Text()),
        sa.Column("joined_at", sa.Double()),
        sa.Column("released_at", sa.Double()),
        sa.Column("score", sa.Integer()),
        sa.Column("ticket", sa.Text()),
        sa.Column("recording", sa.Text()),
        sa.Column("in_net", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", name="pk_calls"),
    )
    op.create_index("ix_calls_arrived_at", "calls", ["arrived_at"])
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])
    op.create_table(
        "call_offers",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", "seq", name="pk_call_offers"),
        sa.ForeignKeyConstraint(["call"], ["calls.call"], name="fk_call_offers_call_calls", ondelete="CASCADE"),
    )
    op.create_index("ix_call_offers_agent_offered_at", "call_offers", ["agent", "offered_at"])
    op.create_table(
        "recordings",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("citizen_rms_dbfs", sa.Double()),
        sa.Column("heard_rms_dbfs", sa.Double()),
        sa.Column("finished_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", name="pk_recordings"),
    )
    op.create_index("ix_recordings_started_at", "recordings", ["started_at"])
    op.create_table(
        "transcripts",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("recogniser", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_transcripts"),
    )
    op.create_table(
        "tickets",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("sign_due", sa.Double(), nullable=False),
        sa.Column("handle_due", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("type", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text()),
        sa.Column("satisfaction", sa.Integer()),
        sa.Column("recording", sa.Text()),
        sa.Column("transcript", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_tickets"),
        sa.UniqueConstraint("call", name="uq_tickets_call"),
    )
    op.create_index("ix_tickets_opened_at", "tickets", ["opened_at"])
    op.create_table(
        "ticket_moves",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_moves"),
        sa.ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_moves_ticket_tickets"),
    )
    op.create_table(
        "ticket_days",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_ticket_days"),
    )


def downgrade() -> None:
    """Remove them all."""
    for table in ("ticket_days", "ticket_moves", "tickets", "transcripts", "recordings", "call_offers", "calls"):
        op.drop_table(table)
