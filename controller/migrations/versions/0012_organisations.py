"""The ownership register (权属), what it suggested for each ticket, and the exchange between installations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ownership",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("class_code", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ownership"),
        sa.UniqueConstraint("class_code", "region", "place", "unit", name="uq_ownership_class_code"),
    )
    op.create_table(
        "ownership_suggestions",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("class_code", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("final", sa.Text()),
        sa.Column("final_at", sa.Double()),
        sa.PrimaryKeyConstraint("ticket", name="pk_ownership_suggestions"),
    )
    op.create_index("ix_ownership_suggestions_final_at", "ownership_suggestions", ["final_at"])
    _exchange()


def _exchange() -> None:
    op.create_table(
        "exchange_threads",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text()),
        sa.Column("mine", sa.Boolean(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("state", sa.Text()),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("said", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "thread", name="pk_exchange_threads"),
    )
    op.create_index("ix_exchange_threads_ticket", "exchange_threads", ["ticket"])
    op.create_table(
        "exchange_outbox",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("done_at", sa.Double()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "thread", "seq", name="pk_exchange_outbox"),
    )
    op.create_index("ix_exchange_outbox_open", "exchange_outbox", ["peer", "done_at", "next_at"])
    op.create_table(
        "exchange_inbox",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("came_at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "thread", "seq", name="pk_exchange_inbox"),
    )
    op.create_table(
        "exchange_nonces",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", "nonce", name="pk_exchange_nonces"),
    )
    op.create_index("ix_exchange_nonces_until", "exchange_nonces", ["until"])
