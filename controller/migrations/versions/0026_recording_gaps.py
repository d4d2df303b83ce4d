"""What of a recording comes from parties' own voices, and when the disk was full."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of recordings of before nothing is known, and no voice was put in."""
    with op.batch_alter_table("recording_checks") as table:
        table.add_column(sa.Column("filled_s", sa.Double(), nullable=False, server_default="0"))
        table.add_column(sa.Column("gaps", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """What was found of them goes."""
    with op.batch_alter_table("recording_checks") as table:
        table.drop_column("gaps")
        table.drop_column("filled_s")
