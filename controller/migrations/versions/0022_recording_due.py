"""From when each recording may be erased, and which wait for the archive: neither is looked for among all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; every recording that is there is judged once, by and by, as its row names no rules yet."""
    op.create_table(
        "recording_due",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("erasing_at", sa.Double()),
        sa.PrimaryKeyConstraint("call", name="pk_recording_due"),
    )
    op.create_index("ix_recording_due_rules", "recording_due", ["rules", "due_at", "call"])
    op.execute("INSERT INTO recording_due (call, rules) SELECT call, '' FROM recordings")
    op.create_table(
        "recordings_to_archive",
        sa.Column("call", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_recordings_to_archive"),
    )
    op.execute(
        "INSERT INTO recordings_to_archive (call) SELECT recordings.call FROM recordings "
        "LEFT JOIN archived_recordings ON archived_recordings.call = recordings.call "
        "WHERE archived_recordings.call IS NULL"
    )
    op.create_table(
        "ticket_keeping",
        sa.Column("call", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_ticket_keeping"),
    )
    op.create_index("ix_recording_holds_ended_at", "recording_holds", ["ended_at"])


def downgrade() -> None:
    """Recordings are found by their beginning again."""
    op.drop_index("ix_recording_holds_ended_at", "recording_holds")
    op.drop_table("ticket_keeping")
    op.drop_table("recordings_to_archive")
    op.drop_table("recording_due")
