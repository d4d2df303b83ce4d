"""The terms of the tickets on disk: for each term of a day, that day's tickets that have it; by it repeats are found.

A row holds one term of one day: the running numbers of its tickets, four bytes each. A ticket's number is its day and
that number (`tickets.ticket.number_of`), so nothing else is needed, and what is too old to be a repeat is dropped day
by day. Neither FTS5 nor PostgreSQL's text search is used: neither divides Chinese, their ranks differ, and plain rows
give the same on both and are written in the transaction of the ticket itself.

Functions take a connection and run inside the caller's transaction.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from pbx.ids import TicketNumber
from tickets.repeats import Draft, sketched
from tickets.tables import metadata
from tickets.ticket import Ticket

terms = Table(
    "ticket_terms",
    metadata,
    Column("day", Integer, nullable=False, autoincrement=False),
    Column("term", BigInteger, nullable=False, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("tickets", LargeBinary, nullable=False),
    PrimaryKeyConstraint("day", "term", name="pk_ticket_terms"),
)
"""`day`: YYYYMMDD as a number; `term`: `pbx.terms.key_of`; `tickets`: `count` running numbers, little-endian."""

FIELDS = frozenset({"title", "text", "address"})
"""Columns of a ticket whose change changes its terms."""

AT_ONCE = 500
"""Terms asked for in one statement."""

DAYS_KEPT = 30
"""Days with tickets of which the terms are kept: more than the longest window in which one event is looked for."""


def draft_of(ticket: Ticket) -> Draft:
    """A ticket as it is compared."""
    return Draft(
        ticket.number,
        ticket.caller,
        ticket.opened_at,
        ticket.type.value if ticket.type else "",
        ticket.class_code,
        ticket.title,
        ticket.text,
        ticket.address,
        ticket.region,
        ticket.lat,
        ticket.lon,
    )


def place_of(number: TicketNumber) -> tuple[int, int]:
    """A number's day and running number."""
    return int(number[:8]), int(number[8:])


def put(connection: Connection, before: Ticket, after: Ticket) -> None:
    """Write the terms of a ticket that has changed."""
    old, new = sketched(draft_of(before)).everything, sketched(draft_of(after)).everything
    day, running = place_of(after.number)
    changed = sorted(old ^ new)
    held: dict[int, array[int]] = {}
    for some in chunks(changed):
        mine = select(terms.c.term, terms.c.tickets).where(terms.c.day == day, terms.c.term.in_(some))
        held |= {row.term: unpacked(row.tickets) for row in connection.execute(mine.with_for_update())}
    rows = []
    for term in changed:
        numbers = set(held.get(term, ()))
        (numbers.add if term in new else numbers.discard)(running)
        rows.append({"day": day, "term": term, "count": len(numbers), "tickets": packed(sorted(numbers))})
    if rows:
        connection.execute(_put(connection.dialect.name), rows)
    if running == 1 and not old:
        _forget(connection, day)


def _forget(connection: Connection, today: int) -> None:
    """Drop the days before the last `DAYS_KEPT` that have any."""
    days = select(terms.c.day).where(terms.c.day <= today).distinct().order_by(terms.c.day.desc()).limit(DAYS_KEPT)
    oldest = min(connection.execute(days).scalars(), default=today)
    connection.execute(delete(terms).where(terms.c.day < oldest))


@cache
def _put(dialect: str) -> Any:
    new = postgresql.insert(terms) if dialect == "postgresql" else sqlite.insert(terms)
    given = {"count": new.excluded.count, "tickets": new.excluded.tickets}
    return new.on_conflict_do_update(index_elements=["day", "term"], set_=given)


def counted(connection: Connection, wanted: Iterable[int], since: int) -> dict[int, int]:
    """How many tickets of the days from `since` have each term."""
    found: dict[int, int] = {}
    for some in chunks(sorted(wanted)):
        query = select(terms.c.term, func.sum(terms.c.count)).where(terms.c.day >= since, terms.c.term.in_(some))
        found |= {term: int(count) for term, count in connection.execute(query.group_by(terms.c.term))}
    return found


def having(connection: Connection, term: int, since: int) -> list[tuple[int, int]]:
    """The tickets (day, running number) of the days from `since` that have a term."""
    query = select(terms.c.day, terms.c.tickets).where(terms.c.day >= since, terms.c.term == term)
    return [(row.day, running) for row in connection.execute(query) for running in unpacked(row.tickets)]


def packed(numbers: Sequence[int]) -> bytes:
    """Running numbers as a row holds them."""
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def unpacked(row: bytes) -> array[int]:
    """The running numbers of a row."""
    return array("q", (int.from_bytes(row[at : at + 4], "little") for at in range(0, len(row), 4)))


def chunks(values: Sequence[int]) -> Iterable[list[int]]:
    """The values, `AT_ONCE` at a time."""
    left = iter(values)
    while some := list(islice(left, AT_ONCE)):
        yield some
