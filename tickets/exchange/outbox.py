"""What is to be said to other installations, on disk: written in the transaction of the move that says it, sent later.

So nothing is said that did not happen, and nothing that happened is left unsaid, wherever the power fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from pbx.ids import TicketNumber
from tickets.exchange.messages import Kind, Message, encode
from tickets.exchange.relay import Talk, told
from tickets.exchange.tables import former, outbox, threads
from tickets.exchange.threads import Thread, ThreadState, say
from tickets.moves import TicketInput
from tickets.ticket import Ticket, TicketMove, TicketPolicy


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that the peer has not acknowledged; `tries` that failed."""

    peer: str
    thread: str
    seq: int
    message: str
    tries: int
    made_at: float


def follow(connection: Connection, before: Ticket, after: Ticket, move: TicketMove, policy: TicketPolicy) -> None:
    """Say what `move` means to other installations. In the move's own transaction."""
    if not policy.installation:
        return
    talks = talks_of(connection, before.number)
    for one in told(before, after, move, talks, policy.organisations):
        id = one.thread.id if one.thread is not None else f"{policy.installation}/{after.number}"
        thread = thread_of(connection, one.peer, id)
        if thread is None:
            thread = new_thread(connection, one.peer, id, True, after.number, move.at)
        if one.kind is Kind.OFFER:
            mine = (threads.c.peer == one.peer) & (threads.c.thread == thread.id)
            connection.execute(update(threads).where(mine).values(unit=one.unit, part=one.part))
        put(connection, thread, one.kind, one.body, move.at, policy)
    if (
        move.cause == TicketInput.MERGE.value and after.repeat_of is not None
    ):  # who offered it hears of where it goes on
        mine = (threads.c.ticket == after.number) & threads.c.mine.is_(False)
        for row in connection.execute(select(threads).where(mine)).all():
            _remember(connection, after.number, _thread(row))
        connection.execute(update(threads).where(mine).values(ticket=after.repeat_of))


def put(
    connection: Connection, thread: Thread, kind: Kind, body: Mapping[str, Any], at: float, policy: TicketPolicy
) -> Thread:
    """Have something said in a thread. ValueError where it cannot be said now."""
    after = say(thread, kind, body)
    message = Message(policy.installation, thread.peer, thread.id, after.said, after.turn, kind, at, body)
    row = {
        "peer": thread.peer,
        "thread": thread.id,
        "seq": after.said,
        "kind": kind.value,
        "message": encode(message).decode(),
        "made_at": at,
        "tries": 0,
        "next_at": at,
        "error": "",
    }
    connection.execute(insert(outbox), row)
    keep(connection, after, at)
    return after


# ---------------------------------------------------------------- threads


def new_thread(
    connection: Connection, peer: str, id: str, mine: bool, ticket: TicketNumber | None, at: float
) -> Thread:
    """A talk that begins."""
    row = {
        "peer": peer,
        "thread": id,
        "ticket": ticket,
        "mine": mine,
        "unit": "",
        "part": "",
        "state": None,
        "turn": 0,
        "said": 0,
        "heard": 0,
        "changed_at": at,
    }
    connection.execute(insert(threads), row)
    return Thread(peer, id, mine)


def thread_of(connection: Connection, peer: str, id: str) -> Thread | None:
    """A talk, locked until the transaction's end; None where there is none."""
    found = _row(connection, peer, id)
    return _thread(found) if found is not None else None


def talk_of(connection: Connection, peer: str, id: str) -> tuple[Talk, TicketNumber | None] | None:
    """The same with its organisation, its part, and our ticket."""
    found = _row(connection, peer, id)
    if found is None:
        return None
    return Talk(_thread(found), found.unit, found.part), TicketNumber(found.ticket) if found.ticket else None


def talks_of(connection: Connection, ticket: TicketNumber) -> list[Talk]:
    """The talks about a ticket of ours."""
    query = select(threads).where(threads.c.ticket == ticket).order_by(threads.c.peer, threads.c.thread)
    return [Talk(_thread(row), row.unit, row.part) for row in connection.execute(query)]


def keep(connection: Connection, thread: Thread, at: float) -> None:
    """The talk as it is now."""
    mine = (threads.c.peer == thread.peer) & (threads.c.thread == thread.id)
    values = {
        "state": thread.state.value if thread.state is not None else None,
        "turn": thread.turn,
        "said": thread.said,
        "heard": thread.heard,
        "changed_at": at,
    }
    connection.execute(update(threads).where(mine).values(values))


def name_ticket(connection: Connection, before: Thread, ticket: TicketNumber, unit: str, part: str) -> None:
    """The ticket of ours that a talk is about from now on; the one of `before` goes on showing what it was."""
    mine = (threads.c.peer == before.peer) & (threads.c.thread == before.id)
    old = connection.execute(select(threads.c.ticket).where(mine)).scalar_one()
    if old is not None and old != ticket:
        _remember(connection, TicketNumber(old), before)
    connection.execute(update(threads).where(mine).values(ticket=ticket, unit=unit, part=part))


def _remember(connection: Connection, ticket: TicketNumber, thread: Thread) -> None:
    """What a talk was until it leaves `ticket`; of one that had come back to it the last leaving counts."""
    same = (former.c.peer == thread.peer) & (former.c.thread == thread.id) & (former.c.ticket == ticket)
    connection.execute(delete(former).where(same))
    row = {"peer": thread.peer, "thread": thread.id, "ticket": ticket, "said": thread.said, "heard": thread.heard}
    state = thread.state.value if thread.state is not None else None
    connection.execute(insert(former), {**row, "state": state})


def former_tickets(connection: Connection, peer: str, id: str) -> list[TicketNumber]:
    """The tickets of ours that a talk was about before it went on as another one."""
    query = select(former.c.ticket).where(former.c.peer == peer, former.c.thread == id).order_by(former.c.ticket)
    return [TicketNumber(one) for one in connection.execute(query).scalars()]


def _row(connection: Connection, peer: str, id: str) -> Row[Any] | None:
    mine = (threads.c.peer == peer) & (threads.c.thread == id)
    return connection.execute(select(threads).where(mine).with_for_update()).first()


def _thread(row: Row[Any]) -> Thread:
    state = ThreadState(row.state) if row.state is not None else None
    return Thread(row.peer, row.thread, row.mine, state, row.turn, row.said, row.heard)


# ---------------------------------------------------------------- sending


def _heads(peer: str) -> Any:
    """The first message of each talk that is not acknowledged: those behind it wait, so that order is kept."""
    first = (
        select(outbox.c.thread, func.min(outbox.c.seq).label("seq"))
        .where(outbox.c.peer == peer, outbox.c.done_at.is_(None))
        .group_by(outbox.c.thread)
        .subquery()
    )
    return (
        select(outbox)
        .join(first, (outbox.c.thread == first.c.thread) & (outbox.c.seq == first.c.seq))
        .where(outbox.c.peer == peer)
    )


def due(connection: Connection, peer: str, now: float, most: int = 20) -> list[Waiting]:
    """The messages that are to be sent to `peer` now, oldest first."""
    query = _heads(peer).where(outbox.c.next_at <= now).order_by(outbox.c.next_at, outbox.c.thread).limit(most)
    return [
        Waiting(row.peer, row.thread, row.seq, row.message, row.tries, row.made_at) for row in connection.execute(query)
    ]


def next_due(connection: Connection, peer: str) -> float | None:
    """When the next message to `peer` is to be sent, epoch seconds; None where there is none."""
    heads = _heads(peer).subquery()
    found: float | None = connection.execute(select(func.min(heads.c.next_at))).scalar_one()
    return found


def acknowledged(connection: Connection, peer: str, thread: str, seq: int, at: float, note: str = "") -> None:
    """The peer has it; `note` is a code that tells what it did not take of it: a file.

    So it is there again, and what waited because it was away is due now.
    """
    connection.execute(_one(peer, thread, seq).values(done_at=at, error=note))
    away = (outbox.c.peer == peer) & outbox.c.done_at.is_(None) & outbox.c.error.in_(AWAY)
    connection.execute(update(outbox).where(away, outbox.c.next_at > at).values(next_at=at))


AWAY = ("no_connection", "timeout")
"""Errors that say nothing of the message itself."""


def failed(connection: Connection, peer: str, thread: str, seq: int, next_at: float, error: str) -> None:
    """It could not be sent, or the peer did not take it; `error` is a code, never data."""
    connection.execute(_one(peer, thread, seq).values(tries=outbox.c.tries + 1, next_at=next_at, error=error))


def _one(peer: str, thread: str, seq: int) -> Any:
    return update(outbox).where(outbox.c.peer == peer, outbox.c.thread == thread, outbox.c.seq == seq)


@dataclass(frozen=True, slots=True)
class PeerStanding:
    """How the exchange with a peer stands: messages not acknowledged, since when, and why the last try failed."""

    peer: str
    waiting: int
    since: float | None
    error: str


def standing(connection: Connection) -> list[PeerStanding]:
    """Every peer to whom something is still to be said."""
    query = (
        select(outbox.c.peer, func.count(), func.min(outbox.c.made_at), func.max(outbox.c.error))
        .where(outbox.c.done_at.is_(None))
        .group_by(outbox.c.peer)
        .order_by(outbox.c.peer)
    )
    return [PeerStanding(peer, count, since, error) for peer, count, since, error in connection.execute(query)]
