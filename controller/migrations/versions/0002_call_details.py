"""Room for what a call's record gains: one column that holds its further fields by their names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; calls of before have none of them."""
    op.add_column("calls", sa.Column("details", sa.JSON(), nullable=False, server_default="{}"))
