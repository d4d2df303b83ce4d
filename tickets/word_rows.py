"""The words of every ticket on disk, for the search: FTS5 on SQLite, an array under a GIN index on PostgreSQL.

Both are given the same keys (`tickets/words.py`) and asked for tickets that have all of them, in the order of their
numbers: neither divides Chinese and neither's rank is wanted, so what they find is the same. FTS5 holds nothing but the
index (a contentless table): what leaves it must be named as it went in, so it is written only beside the ticket that it
is about, from the ticket as it was before.

Functions take a connection and run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, PrimaryKeyConstraint, Table, delete, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from tickets.ticket import Ticket
from tickets.words import keys_of, place_in_order

metadata = MetaData()

NAME = "ticket_words"

words = Table(
    NAME,
    metadata,
    Column("place", BigInteger, nullable=False, autoincrement=False),
    Column("keys", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("place", name="pk_ticket_words"),
    Index("ix_ticket_words_keys", "keys", postgresql_using="gin"),
)
"""On PostgreSQL alone. `place`: `tickets.words.place_in_order` of the ticket's number."""

FTS5 = f"CREATE VIRTUAL TABLE {NAME} USING fts5(keys, content='', columnsize=0, detail=none, tokenize=\"ascii\")"
"""On SQLite: the rowid is the place."""

_TAKE_OUT = text(f"INSERT INTO {NAME} ({NAME}, rowid, keys) VALUES ('delete', :place, :keys)")  # noqa: S608
_PUT_IN = text(f"INSERT INTO {NAME} (rowid, keys) VALUES (:place, :keys)")  # noqa: S608


def put(connection: Connection, before: Ticket | None, after: Ticket) -> None:
    """Write the words of a ticket that has changed, or is new."""
    old, new = keys_of(before) if before is not None else frozenset[int](), keys_of(after)
    if old == new:
        return
    place = place_in_order(after.number)
    if connection.dialect.name == "postgresql":
        if not new:
            connection.execute(delete(words).where(words.c.place == place))
            return
        row = postgresql.insert(words).values(place=place, keys=sorted(new))
        connection.execute(row.on_conflict_do_update(index_elements=["place"], set_={"keys": row.excluded["keys"]}))
        return
    if old:
        connection.execute(_TAKE_OUT, {"place": place, "keys": said(old)})
    if new:
        connection.execute(_PUT_IN, {"place": place, "keys": said(new)})


def put_new(connection: Connection, found: Iterable[tuple[int, Iterable[int]]]) -> None:
    """Write places with their keys that have none yet: those of tickets from before there was a search."""
    postgres = connection.dialect.name == "postgresql"
    rows: list[dict[str, Any]] = [
        {"place": place, "keys": sorted(keys) if postgres else said(keys)} for place, keys in found
    ]
    if rows:
        connection.execute(words.insert() if postgres else _PUT_IN, rows)


def said(keys: Iterable[int]) -> str:
    """Keys as FTS5 is given them."""
    return " ".join(_token(key) for key in sorted(keys))


def matching(keys: Sequence[int]) -> str:
    """The question to FTS5 for what has all of these keys."""
    return " AND ".join(f'"{_token(key)}"' for key in keys)


def _token(key: int) -> str:
    return f"{key:x}" if key >= 0 else f"p{-key:x}"
