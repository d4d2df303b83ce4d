"""The automatic voice follow-up: who was asked by it, and that it rests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("tickets", sa.Column("voice", sa.Boolean()))
    op.create_table(
        "campaign",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
    )


def downgrade() -> None:
    """Back; who was asked by voice stands in the moves still."""
    op.drop_table("campaign")
    with op.batch_alter_table("tickets") as table:
        table.drop_column("voice")
