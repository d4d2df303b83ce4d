"""Which tickets of ours a talk with another installation was about before it went on as another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; of talks that have gone on before, nobody knows from where."""
    op.create_table(
        "exchange_former",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("thread", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("said", sa.Integer(), nullable=False),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "thread", "ticket", name="pk_exchange_former"),
    )
    op.create_index("ix_exchange_former_ticket", "exchange_former", ["ticket"])


def downgrade() -> None:
    """The tickets of before show no talk again."""
    op.drop_table("exchange_former")
