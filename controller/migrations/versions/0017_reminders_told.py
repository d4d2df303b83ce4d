"""Reminders in an order of their own, and as messages of webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Number what was made, oldest first; a message is of a move, or of a step at that place in the ticket's moves."""
    with op.batch_alter_table("ticket_steps") as steps:
        steps.add_column(sa.Column("no", sa.Integer()))
    op.execute(
        "UPDATE ticket_steps SET no = counted.n FROM ("
        "SELECT ticket, key, row_number() OVER (ORDER BY made_at, ticket, key) AS n FROM ticket_steps"
        ") AS counted WHERE counted.ticket = ticket_steps.ticket AND counted.key = ticket_steps.key"
    )
    with op.batch_alter_table("ticket_steps") as steps:
        steps.alter_column("no", existing_type=sa.Integer(), nullable=False)
    op.create_index("ix_ticket_steps_no", "ticket_steps", ["no"], unique=True)
    op.create_index("ix_ticket_steps_made_at", "ticket_steps", ["made_at"])
    with op.batch_alter_table("ticket_outbox") as outbox:
        outbox.add_column(sa.Column("step", sa.Text(), nullable=False, server_default=""))
        outbox.drop_constraint("pk_ticket_outbox", type_="primary")
        outbox.create_primary_key("pk_ticket_outbox", ["hook", "ticket", "seq", "step"])


def downgrade() -> None:
    """The numbers and the messages of steps go; that they were made stays."""
    op.execute("DELETE FROM ticket_outbox WHERE step <> ''")
    with op.batch_alter_table("ticket_outbox") as outbox:
        outbox.drop_constraint("pk_ticket_outbox", type_="primary")
        outbox.create_primary_key("pk_ticket_outbox", ["hook", "ticket", "seq"])
        outbox.drop_column("step")
    op.drop_index("ix_ticket_steps_made_at", "ticket_steps")
    op.drop_index("ix_ticket_steps_no", "ticket_steps")
    with op.batch_alter_table("ticket_steps") as steps:
        steps.drop_column("no")
