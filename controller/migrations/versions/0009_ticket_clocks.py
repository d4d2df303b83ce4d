"""Since when a ticket's clock to close runs, hard deadlines of single tickets, and the steps that were made about it.

The tickets that are with a unit were dispatched by the rules of before, by which every dispatch began the clock anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns and the table."""
    op.add_column("tickets", sa.Column("handle_from", sa.Double()))
    op.add_column("tickets", sa.Column("ordered_until", sa.Double()))
    op.add_column("tickets", sa.Column("provisional", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE tickets SET handle_from = dispatched_at")
    op.create_table(
        "ticket_steps",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("to", sa.JSON(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("planned_at", sa.Double(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("told_at", sa.Double()),
        sa.PrimaryKeyConstraint("ticket", "key", name="pk_ticket_steps"),
        sa.ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_steps_ticket_tickets"),
    )
    op.create_index("ix_ticket_steps_told_at", "ticket_steps", ["told_at"])
