"""Quality inspection: what was found in each recording, score cards, samples, scores, coaching notes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; recordings of before are inspected when somebody asks for it."""
    op.create_table(
        "inspections",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("words_at", sa.Double()),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("sound", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("said_type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call", "rules", name="pk_inspections"),
    )
    op.create_index("ix_inspections_rules_started_at", "inspections", ["rules", "started_at"])
    op.create_index("ix_inspections_agent_started_at", "inspections", ["agent", "started_at"])
    op.create_table(
        "inspection_figures",
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("call", "rules", "name", name="pk_inspection_figures"),
    )
    op.create_table(
        "inspection_rules",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_inspection_rules"),
    )
    op.create_table(
        "score_cards",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name="pk_score_cards"),
    )
    op.create_table(
        "sampling_plans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("candidates", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sampling_plans"),
    )
    op.create_table(
        "inspection_samples",
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("inspector", sa.Text(), nullable=False),
        sa.Column("score", sa.Text()),
        sa.PrimaryKeyConstraint("call", "seat", name="pk_inspection_samples"),
    )
    op.create_index("ix_inspection_samples_inspector", "inspection_samples", ["inspector"])
    op.create_index("ix_inspection_samples_plan", "inspection_samples", ["plan"])
    op.create_table(
        "inspection_scores",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("card_version", sa.Integer(), nullable=False),
        sa.Column("inspector", sa.Text(), nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inspection_scores"),
        sa.UniqueConstraint("call", "card", "inspector", name="uq_inspection_scores_call"),
    )
    op.create_index("ix_inspection_scores_agent_at", "inspection_scores", ["agent", "at"])
    op.create_index("ix_inspection_scores_at", "inspection_scores", ["at"])
    op.create_table(
        "inspection_score_moves",
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("score", "seq", name="pk_inspection_score_moves"),
    )
    op.create_table(
        "coaching_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("call", sa.Text()),
        sa.Column("score", sa.Text()),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_coaching_notes"),
    )
    op.create_index("ix_coaching_notes_agent_at", "coaching_notes", ["agent", "at"])


def downgrade() -> None:
    """What was found can be found again; what people judged goes."""
    for table in (
        "coaching_notes", "inspection_score_moves", "inspection_scores", "inspection_samples", "sampling_plans",
        "score_cards", "inspection_rules", "inspection_figures", "inspections",
    ):  # fmt: skip
        op.drop_table(table)
