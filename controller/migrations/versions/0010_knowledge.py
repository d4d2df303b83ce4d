"""The knowledge base: entries with versions and moves, the search index, unanswered questions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "knowledge_entries",
        sa.Column("no", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("published", sa.Integer()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_knowledge_entries"),
    )
    op.create_table(
        "knowledge_versions",
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *_texts("state", "question", "answer", "basis", "materials", "process", "keywords", "unit", "region"),
        sa.Column("valid_from", sa.Text()),
        sa.Column("valid_to", sa.Text()),
        *_texts("source", "language"),
        sa.Column("public", sa.Boolean(), nullable=False),
        *_texts("written_by"),
        sa.Column("written_at", sa.Double(), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.Double()),
        sa.PrimaryKeyConstraint("entry", "version", name="pk_knowledge_versions"),
        sa.ForeignKeyConstraint(
            ["entry"], ["knowledge_entries.no"], name="fk_knowledge_versions_entry_knowledge_entries"
        ),
    )
    op.create_index("ix_knowledge_versions_state_unit", "knowledge_versions", ["state", "unit"])
    op.create_index("ix_knowledge_versions_state_region", "knowledge_versions", ["state", "region"])
    op.create_table(
        "knowledge_moves",
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text()),
        *_texts("after", "cause", "actor", "role"),
        sa.Column("at", sa.Double(), nullable=False),
        *_texts("reason"),
        sa.PrimaryKeyConstraint("entry", "seq", name="pk_knowledge_moves"),
        sa.ForeignKeyConstraint(["entry"], ["knowledge_entries.no"], name="fk_knowledge_moves_entry_knowledge_entries"),
    )
    op.create_table(
        "knowledge_postings",
        sa.Column("term", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("block", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("term", "block", name="pk_knowledge_postings"),
    )
    op.create_table(
        "knowledge_facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("text"),
        sa.PrimaryKeyConstraint("name", name="pk_knowledge_facts"),
    )
    op.create_table(
        "knowledge_tasks",
        sa.Column("no", sa.Integer(), nullable=False, autoincrement=False),
        *_texts("question", "same", "unit", "region", "state", "asked_by"),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("last_asked_at", sa.Double(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        *_texts("ticket"),
        sa.Column("entry", sa.Integer()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_knowledge_tasks"),
    )
    op.create_index("ix_knowledge_tasks_unit_state", "knowledge_tasks", ["unit", "state"])
    op.create_index("ix_knowledge_tasks_same", "knowledge_tasks", ["same"])
    op.create_index("ix_knowledge_tasks_entry", "knowledge_tasks", ["entry"])
    op.create_table(
        "knowledge_task_moves",
        sa.Column("task", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text()),
        *_texts("after", "cause", "actor", "role"),
        sa.Column("at", sa.Double(), nullable=False),
        *_texts("reason"),
        sa.PrimaryKeyConstraint("task", "seq", name="pk_knowledge_task_moves"),
        sa.ForeignKeyConstraint(["task"], ["knowledge_tasks.no"], name="fk_knowledge_task_moves_task_knowledge_tasks"),
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]
