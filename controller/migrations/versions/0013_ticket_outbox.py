"""The outbox of webhooks on tickets' moves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ticket_outbox",
        sa.Column("hook", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.PrimaryKeyConstraint("hook", "ticket", "seq", name="pk_ticket_outbox"),
    )
    op.create_index("ix_ticket_outbox_due_at", "ticket_outbox", ["due_at"])


def downgrade() -> None:
    """Nothing of what was done is forgotten by this: the moves stand elsewhere."""
    op.drop_table("ticket_outbox")
