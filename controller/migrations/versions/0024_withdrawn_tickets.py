"""A ticket that was withdrawn (撤回) says so: citizens are shown it as that, and not as one that was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and fill it for the tickets whose end was a withdrawal; the moves tell which."""
    op.add_column("tickets", sa.Column("withdrawn_at", sa.Double()))
    op.execute(
        "UPDATE tickets SET withdrawn_at = resolved_at WHERE state IN ('resolved', 'archived') "
        "AND number IN (SELECT ticket FROM ticket_moves WHERE cause = 'withdraw') "
        "AND (SELECT cause FROM ticket_moves WHERE ticket = tickets.number AND after = 'resolved' "
        "AND before <> 'resolved' ORDER BY seq DESC LIMIT 1) = 'withdraw'"
    )


def downgrade() -> None:
    """Back; that a ticket was withdrawn stands in its moves still."""
    with op.batch_alter_table("tickets") as table:
        table.drop_column("withdrawn_at")
