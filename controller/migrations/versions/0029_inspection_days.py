"""Quality inspection added up by day, and whose call it was: the city of each inspection, score and coaching note."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. The cities, and the sums, of what was judged before are made by the hotline as it runs."""
    op.add_column("inspections", sa.Column("city", sa.Text()))
    op.add_column("inspections", sa.Column("newest", sa.Integer(), nullable=False, server_default="1"))
    op.execute(
        "UPDATE inspections SET newest = 0 WHERE EXISTS (SELECT 1 FROM inspections AS later"
        " WHERE later.call = inspections.call AND later.made_at > inspections.made_at)"
    )
    op.create_index("ix_inspections_day_agent", "inspections", ["day", "agent"])
    op.create_index("ix_inspections_newest_started_at", "inspections", ["newest", "started_at"])
    op.create_index("ix_inspections_city", "inspections", ["city"])
    op.add_column("inspection_scores", sa.Column("city", sa.Text()))
    op.create_index("ix_inspection_scores_day", "inspection_scores", ["day"])
    op.add_column("coaching_notes", sa.Column("city", sa.Text()))
    op.create_table(
        "inspection_sums",
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("span", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("grain", "span", "agent", "queue", "city", name="pk_inspection_sums"),
    )
    op.create_index("ix_inspection_sums_agent", "inspection_sums", ["agent", "grain", "span"])
    op.create_table(
        "inspection_days_due",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "agent", name="pk_inspection_days_due"),
    )


def downgrade() -> None:
    """The sums go; they can be made again, but for those of calls whose recordings have been erased."""
    op.drop_table("inspection_days_due")
    op.drop_table("inspection_sums")
    op.drop_column("coaching_notes", "city")
    op.drop_index("ix_inspection_scores_day", "inspection_scores")
    op.drop_column("inspection_scores", "city")
    for index in ("ix_inspections_city", "ix_inspections_newest_started_at", "ix_inspections_day_agent"):
        op.drop_index(index, "inspections")
    op.drop_column("inspections", "newest")
    op.drop_column("inspections", "city")
