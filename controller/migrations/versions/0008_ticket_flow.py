"""The whole flow of a ticket: its further fields, its version, roles and details of moves, requests, units.

A ticket need not come from a call any more (`call` may be null), which SQLite can only say by making the table anew;
the moves refer to it and are put aside meanwhile. The state ``closed`` of before is ``resolved`` (办结); the unit that
an agent had named is the proposed one, for nothing had been dispatched yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOVES = "ticket, seq, before, after, cause, actor, at, reason"


def upgrade() -> None:
    """Make the columns and tables, and bring the tickets of before into them."""
    op.execute(f"CREATE TABLE old_moves AS SELECT {_MOVES} FROM ticket_moves")  # noqa: S608 - names of our own
    op.drop_table("ticket_moves")
    op.drop_index("ix_tickets_opened_at", "tickets")
    _tickets()
    _moves()
    _others()
    op.execute("UPDATE tickets SET state = 'resolved' WHERE state = 'closed'")
    op.execute("UPDATE ticket_moves SET before = 'resolved' WHERE before = 'closed'")
    op.execute("UPDATE ticket_moves SET after = 'resolved' WHERE after = 'closed'")
    op.execute("UPDATE tickets SET version = (SELECT max(seq) FROM ticket_moves WHERE ticket = tickets.number)")
    op.execute(
        "UPDATE tickets SET resolved_at = (SELECT max(at) FROM ticket_moves WHERE ticket = tickets.number "
        "AND cause = 'close') WHERE state = 'resolved'"
    )


def _tickets() -> None:
    texts = ("caller_name", "caller_region", "class_code", "address", "region", "reply", "answered_by")
    marks = ("anonymous", "confidential", "designated", "hard_case")
    counts = ("version", "dispatch_count", "return_count", "remind_count", "escalation", "redo_count")
    times = (
        ("event_at", "first_dispatched_at", "dispatched_at", "signed_at", "extension_until", "supervised_at")
        + ("reminded_at", "replied_at", "resolved_at", "archived_at", "followed_up_at")
        + ("lat", "lon")
    )
    with op.batch_alter_table("tickets") as tickets:
        tickets.alter_column("call", existing_type=sa.Text(), nullable=True)
        tickets.alter_column("unit", new_column_name="proposed_unit", existing_type=sa.Text())
        for name in texts:
            tickets.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        for name in marks:
            tickets.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        for name in counts:
            tickets.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in times:
            tickets.add_column(sa.Column(name, sa.Double()))
        for name in ("contacted", "solved", "satisfied"):
            tickets.add_column(sa.Column(name, sa.Boolean()))
        for name in ("lead_unit", "incident_id", "repeat_of"):
            tickets.add_column(sa.Column(name, sa.Text()))
        for name in ("co_units", "pauses", "attachments"):
            tickets.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
        tickets.add_column(sa.Column("channel", sa.Text(), nullable=False, server_default="phone"))
        tickets.add_column(sa.Column("urgency", sa.Text(), nullable=False, server_default="normal"))
    op.create_index("ix_tickets_opened_at", "tickets", ["opened_at", "number"])
    op.create_index("ix_tickets_state", "tickets", ["state", "opened_at", "number"])
    op.create_index("ix_tickets_incident", "tickets", ["incident_id"])
    op.create_index("ix_tickets_repeat_of", "tickets", ["repeat_of"])


def _moves() -> None:
    op.create_table(
        "ticket_moves",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("role", sa.Text()),
        sa.Column("unit", sa.Text(), nullable=False, server_default=""),
        sa.Column("details", sa.JSON(), nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_moves"),
        sa.ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_moves_ticket_tickets"),
    )
    op.execute(f"INSERT INTO ticket_moves ({_MOVES}) SELECT {_MOVES} FROM old_moves")  # noqa: S608
    op.drop_table("old_moves")


def _others() -> None:
    op.create_table(
        "ticket_approvals",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_unit", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Double()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.Double()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("right", sa.Boolean()),
        sa.Column("judged_by", sa.Text(), nullable=False),
        sa.Column("judged_at", sa.Double()),
        sa.Column("judged_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ticket", "seq", name="pk_ticket_approvals"),
        sa.ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_approvals_ticket_tickets"),
    )
    op.create_index("ix_ticket_approvals_decided_at", "ticket_approvals", ["decided_at"])
    op.create_index("ix_ticket_approvals_outcome", "ticket_approvals", ["outcome", "kind"])
    op.create_table(
        "ticket_units",
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("unit", "ticket", name="pk_ticket_units"),
        sa.ForeignKeyConstraint(["ticket"], ["tickets.number"], name="fk_ticket_units_ticket_tickets"),
    )
    op.create_index("ix_ticket_units_ticket", "ticket_units", ["ticket"])
