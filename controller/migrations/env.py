"""Alembic's entry: runs the revisions on the connection that `controller/schema.py` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from controller.database import METADATAS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=list(METADATAS),
    compare_type=True,
    transactional_ddl=True,  # both databases undo a half-done revision
)
context.run_migrations()
