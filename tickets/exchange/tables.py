"""The tables of the exchange: the talks, what is to be said, what was heard, and the nonces of the last minutes."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

metadata = MetaData()

threads = Table(
    "exchange_threads",
    metadata,
    Column("peer", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("ticket", Text),  # our own number; null until an offer has become a ticket
    Column("mine", Boolean, nullable=False),
    Column("unit", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("state", Text),
    Column("turn", Integer, nullable=False),
    Column("said", Integer, nullable=False),
    Column("heard", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    PrimaryKeyConstraint("peer", "thread", name="pk_exchange_threads"),
    Index("ix_exchange_threads_ticket", "ticket"),
)

outbox = Table(
    "exchange_outbox",
    metadata,
    Column("peer", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),  # as it travels
    Column("made_at", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("done_at", Double),  # when the peer said that it has it
    Column("error", Text, nullable=False),
    PrimaryKeyConstraint("peer", "thread", "seq", name="pk_exchange_outbox"),
    Index("ix_exchange_outbox_open", "peer", "done_at", "next_at"),
)

inbox = Table(
    "exchange_inbox",
    metadata,
    Column("peer", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("came_at", Double, nullable=False),
    Column("outcome", Text),  # null while an earlier one is missing
    Column("note", Text, nullable=False),  # the code with which the ticket's own rules refused it
    PrimaryKeyConstraint("peer", "thread", "seq", name="pk_exchange_inbox"),
)

former = Table(
    "exchange_former",
    metadata,
    Column("peer", Text, nullable=False),
    Column("thread", Text, nullable=False),
    Column("ticket", Text, nullable=False),  # which the talk was about until it went on as another one: redone, merged
    Column("state", Text),  # of the talk then
    Column("said", Integer, nullable=False),  # up to here
    Column("heard", Integer, nullable=False),
    PrimaryKeyConstraint("peer", "thread", "ticket", name="pk_exchange_former"),
    Index("ix_exchange_former_ticket", "ticket"),
)

nonces = Table(
    "exchange_nonces",
    metadata,
    Column("key", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("until", Double, nullable=False),
    PrimaryKeyConstraint("key", "nonce", name="pk_exchange_nonces"),
    Index("ix_exchange_nonces_until", "until"),
)
