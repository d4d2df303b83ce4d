"""The archive of recordings: where each lies, who holds it, what was erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; recordings of before are archived by and by."""
    op.create_table(
        "archived_recordings",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_archived_recordings"),
    )
    op.create_table(
        "recording_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("ended_by", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_recording_holds"),
    )
    op.create_index("ix_recording_holds_call", "recording_holds", ["call"])
    op.create_table(
        "recording_erasures",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.Double(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("duration_s", sa.Double(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("archived_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", name="pk_recording_erasures"),
    )
    op.create_index("ix_recording_erasures_erased_at", "recording_erasures", ["erased_at"])


def downgrade() -> None:
    """The archived files stay where they are; what tells where goes."""
    op.drop_table("recording_erasures")
    op.drop_table("recording_holds")
    op.drop_table("archived_recordings")
