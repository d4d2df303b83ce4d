"""Repeats and mass incidents: the terms of recent tickets, incidents, and a caller's tickets by his number.

Tickets of before have no terms; they are compared by their caller alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ticket_terms",
        sa.Column("day", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("term", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("tickets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("day", "term", name="pk_ticket_terms"),
    )
    op.create_table(
        "ticket_incidents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("class_code", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Double()),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("closed_role", sa.Text()),
        sa.Column("closed_unit", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_incidents"),
    )
    op.create_index("ix_ticket_incidents_opened_at", "ticket_incidents", ["opened_at"])
    op.create_index("ix_tickets_caller", "tickets", ["caller", "opened_at"])
