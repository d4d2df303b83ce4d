"""What was found when a recording was checked: length, legs, what is missing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; recordings of before have no check."""
    op.create_table(
        "recording_checks",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.Double(), nullable=False),
        sa.Column("expected_s", sa.Double(), nullable=False),
        sa.Column("found_s", sa.Double(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), nullable=False),
        sa.Column("looked_at_s", sa.Double(), nullable=False),
        sa.Column("citizen_audible_s", sa.Double(), nullable=False),
        sa.Column("heard_audible_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_recording_checks"),
    )
    op.create_index("ix_recording_checks_checked_at", "recording_checks", ["checked_at"])


def downgrade() -> None:
    """The checks go; the recordings stay."""
    op.drop_table("recording_checks")
