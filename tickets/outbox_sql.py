"""The outbox of webhooks: written in the transaction of the move or reminder itself, emptied by whoever delivers.

A move that is committed is told of, whatever happens afterwards; one that is not, never.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from pbx.ids import TicketNumber
from tickets.schedule import Made
from tickets.tables import metadata
from tickets.ticket import Ticket, TicketMove
from tickets.webhook import Due

outbox = Table(
    "ticket_outbox",
    metadata,
    Column("hook", Text, nullable=False),
    Column("ticket", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Double),  # null: given up
    Column("step", Text, nullable=False, server_default=""),  # a reminder's key, made after move `seq`; empty: the move
    PrimaryKeyConstraint("hook", "ticket", "seq", "step", name="pk_ticket_outbox"),
    Index("ix_ticket_outbox_due_at", "due_at"),
)

_NEW = insert(outbox)


def put(connection: Connection, hooks: Iterable[str], move: TicketMove) -> None:
    """Have these hooks told of a move."""
    _put(connection, hooks, {"ticket": move.ticket, "seq": move.seq, "step": "", "due_at": move.at})


def put_step(connection: Connection, hooks: Iterable[str], ticket: Ticket, made: Made) -> None:
    """Have these hooks told of a reminder about `ticket`: after the moves that it has now, before later ones."""
    _put(connection, hooks, {"ticket": made.ticket, "seq": ticket.version, "step": made.key, "due_at": made.made_at})


def _put(connection: Connection, hooks: Iterable[str], what: Mapping[str, object]) -> None:
    rows = [{"hook": hook, "tries": 0, **what} for hook in hooks]
    if rows:
        connection.execute(_NEW, rows)


def _heads(hook: str) -> ColumnElement[bool]:
    """Of each ticket the earliest alone that was not given up, so nobody hears of a later move first."""
    earlier = outbox.alias()
    before = exists().where(
        earlier.c.hook == outbox.c.hook,
        earlier.c.ticket == outbox.c.ticket,
        (earlier.c.seq < outbox.c.seq) | ((earlier.c.seq == outbox.c.seq) & (earlier.c.step < outbox.c.step)),
        earlier.c.due_at.is_not(None),
    )
    return (outbox.c.hook == hook) & ~before


def due(connection: Connection, hook: str, now: float, most: int = 100) -> list[Due]:
    """What is to be sent to a hook now, oldest first."""
    query = select(outbox).where(_heads(hook), outbox.c.due_at <= now).order_by(outbox.c.due_at, outbox.c.ticket)
    rows = connection.execute(query.limit(most))
    return [Due(row.hook, TicketNumber(row.ticket), row.seq, row.tries, row.step) for row in rows]


def next_due(connection: Connection, hook: str) -> float | None:
    """When the next message to a hook is to be sent, epoch seconds; None where there is none."""
    found: float | None = connection.execute(select(func.min(outbox.c.due_at)).where(_heads(hook))).scalar_one()
    return found


def _mine(one: Due) -> list[object]:
    place = outbox.c.seq == one.seq, outbox.c.step == one.step
    return [outbox.c.hook == one.hook, outbox.c.ticket == one.ticket, *place]


def sent(connection: Connection, one: Due) -> None:
    """It has been taken."""
    connection.execute(delete(outbox).where(*_mine(one)))  # type: ignore[arg-type]


def failed(connection: Connection, one: Due, due_at: float | None) -> None:
    """It has not been taken; try again at `due_at`, None = no more."""
    connection.execute(update(outbox).where(*_mine(one)).values(tries=one.tries + 1, due_at=due_at))  # type: ignore[arg-type]


def standing(connection: Connection) -> list[tuple[str, int, int]]:
    """Of each hook that has any: how many messages wait, and how many were given up."""
    query = select(outbox.c.hook, func.count(outbox.c.due_at), func.count()).group_by(outbox.c.hook)
    return [
        (hook, waiting, all_ - waiting) for hook, waiting, all_ in connection.execute(query.order_by(outbox.c.hook))
    ]


def retry(connection: Connection, hook: str, now: float) -> int:
    """Try again what was given up; how many there are."""
    mine = (outbox.c.hook == hook) & outbox.c.due_at.is_(None)
    return connection.execute(update(outbox).where(mine).values(due_at=now, tries=0)).rowcount


def forget_others(connection: Connection, hooks: Sequence[str]) -> int:
    """What is for hooks that the configuration has no more is dropped; how many there were."""
    return connection.execute(delete(outbox).where(outbox.c.hook.not_in(list(hooks)))).rowcount
