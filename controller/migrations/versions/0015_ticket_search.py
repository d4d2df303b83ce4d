"""Tickets are found by their words, and a unit's list is read in the order of its tickets.

`ticket_units` is told when each ticket was opened, `tickets` how many requests it has; the words of the tickets that
are there are written, which for a million takes some minutes.
"""

from __future__ import annotations

from itertools import islice

import sqlalchemy as sa
from alembic import op

from tickets import word_rows
from tickets.words import NUMBERED, keys_of_texts, place_in_order

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

AT_ONCE = 2000
"""Tickets whose words are written with one statement."""


def upgrade() -> None:
    """Make column, index and table, and fill them."""
    connection = op.get_bind()
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        op.execute("SET LOCAL statement_timeout = 0")  # a million rows take longer than a statement of ours may
    op.add_column("ticket_units", sa.Column("opened_at", sa.Double(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE ticket_units SET opened_at = (SELECT t.opened_at FROM tickets t WHERE t.number = ticket_units.ticket)"
    )
    op.create_index("ix_ticket_units_unit", "ticket_units", ["unit", "opened_at", "ticket"])
    op.add_column("tickets", sa.Column("requests", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE tickets SET requests = (SELECT count(*) FROM ticket_approvals a WHERE a.ticket = tickets.number) "
        "WHERE number IN (SELECT ticket FROM ticket_approvals)"
    )
    if postgres:
        op.create_table(
            "ticket_words",
            sa.Column("place", sa.BigInteger(), nullable=False, autoincrement=False),
            sa.Column("keys", sa.ARRAY(sa.BigInteger()), nullable=False),
            sa.PrimaryKeyConstraint("place", name="pk_ticket_words"),
        )
    else:
        op.execute(word_rows.FTS5)
    every = sa.text("SELECT number, title, text, address, class_code, type, region FROM tickets")
    rows = connection.execute(every.execution_options(yield_per=AT_ONCE))
    made = (
        (place_in_order(number), keys)
        for number, title, text, address, code, kind, region in rows
        if NUMBERED.fullmatch(number) and (keys := keys_of_texts(title, text, address, code, kind or "", region))
    )
    while some := list(islice(made, AT_ONCE)):
        word_rows.put_new(connection, some)
    if postgres:  # made when the rows are there, which is quicker by far
        op.create_index("ix_ticket_words_keys", "ticket_words", ["keys"], postgresql_using="gin")
