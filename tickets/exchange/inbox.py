"""What other installations say, on disk: each message counted once, in order, with what it does to our ticket.

One transaction takes a message in and does what it says; an acknowledgement that goes out after it never promises more
than what is stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pbx.ids import TicketNumber
from tickets.deadlines import CalendarError
from tickets.exchange import outbox as out
from tickets.exchange.effect import intake_of, moves_for, supervised
from tickets.exchange.messages import Kind, Message, MessageRefused, decode, encode
from tickets.exchange.relay import Talk, offer, speaker
from tickets.exchange.signing import NotTrusted
from tickets.exchange.tables import former, inbox, nonces
from tickets.exchange.tables import outbox as outbox_table
from tickets.exchange.tables import threads as thread_table
from tickets.exchange.threads import Outcome, Thread, ThreadState, arrive, hear, hides
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput, TicketState
from tickets.sql import get_ticket, move_ticket, take_ticket
from tickets.texts import TicketRefused, cleaned
from tickets.ticket import Channel, Ticket, TicketChange, TicketPolicy


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message whose signature is right: which key signed it, its nonce, and until when that must be remembered."""

    message: Message
    key: str
    nonce: str
    until: float
    at: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """It is stored: its number, up to which number the talk has been applied, and whether it was here before.

    `tickets`: those of ours that may have moved by it.
    """

    seq: int
    heard: int
    doubled: bool
    tickets: tuple[TicketNumber, ...] = ()


def receive(connection: Connection, arrival: Arrival, policy: TicketPolicy) -> Receipt:
    """Take a message in and do what it says.

    Raises `NotTrusted` (replayed), `MessageRefused` (unknown_thread, too_far_ahead): nothing is stored then.
    """
    _use_nonce(connection, arrival)
    message = arrival.message
    found = out.talk_of(connection, message.sender, message.thread)
    if found is None:
        if message.offerer != message.sender:
            raise MessageRefused("unknown_thread")
        thread = out.new_thread(connection, message.sender, message.thread, False, None, arrival.at)
    else:
        thread = found[0].thread
    waiting = _waiting(connection, message)
    doubled = message.seq <= thread.heard or message.seq in waiting
    try:
        _, done = arrive(thread, waiting, message)
    except ValueError:
        raise MessageRefused("too_far_ahead") from None
    if not doubled:
        row = {
            "peer": message.sender,
            "thread": message.thread,
            "seq": message.seq,
            "kind": message.kind.value,
            "message": encode(message).decode(),
            "came_at": arrival.at,
            "note": "",
        }
        connection.execute(insert(inbox), row)
    for one, _, _ in done:
        before = out.thread_of(connection, message.sender, message.thread)
        assert before is not None
        after, outcome = hear(before, one)  # anew: what was said in answer to the message before it counts already
        out.keep(connection, after, arrival.at)
        note = _apply(connection, one, before, arrival.at, policy) if outcome is Outcome.APPLIED else ""
        mine = (inbox.c.peer == one.sender) & (inbox.c.thread == one.thread) & (inbox.c.seq == one.seq)
        connection.execute(update(inbox).where(mine).values(outcome=outcome.value, note=note))
    heard = done[-1][2].heard if done else thread.heard
    now = out.talk_of(connection, message.sender, message.thread) if done else None
    return Receipt(message.seq, heard, doubled, (now[1],) if now is not None and now[1] is not None else ())


def _use_nonce(connection: Connection, arrival: Arrival) -> None:
    connection.execute(delete(nonces).where(nonces.c.until < arrival.at))
    new = postgresql.insert(nonces) if connection.dialect.name == "postgresql" else sqlite.insert(nonces)
    row = {"key": arrival.key, "nonce": arrival.nonce, "until": arrival.until}
    once = new.on_conflict_do_nothing().returning(nonces.c.nonce)
    if connection.execute(once, row).first() is None:
        raise NotTrusted("replayed")


def _waiting(connection: Connection, message: Message) -> dict[int, Message]:
    query = select(inbox.c.seq, inbox.c.message).where(
        inbox.c.peer == message.sender, inbox.c.thread == message.thread, inbox.c.outcome.is_(None)
    )
    return {row.seq: decode(row.message.encode()) for row in connection.execute(query)}


# ---------------------------------------------------------------- what it does to our ticket


def _apply(connection: Connection, message: Message, before: Thread, at: float, policy: TicketPolicy) -> str:
    """Do what a message says; gives the code with which our ticket's own rules refused it, or nothing."""
    found = out.talk_of(connection, message.sender, message.thread)
    assert found is not None
    talk, number = found
    ticket = _going_on(connection, number)
    if message.kind is Kind.OFFER:
        again = ticket is not None and before.state in (ThreadState.REPLIED, ThreadState.CLOSED)
        if again and ticket is not None and not _move(connection, message, ticket, talk, at, policy):
            return ""
        return _take(connection, message, talk, before, at, policy)
    if ticket is None:
        return "no_ticket"
    if hides(message.kind, message.body):
        _conceal_former(connection, message, at, policy)
    note = _move(connection, message, ticket, talk, at, policy)
    if note and message.kind is Kind.RETURN and talk.part == "lead" and note != "asked_already":
        # Our own rules do not let it be returned: it is offered again, with the reason.
        body = offer(ticket, talk.unit, talk.part, f"{note}: {_REASONS.get(note, '')}".strip(": "))
        out.put(connection, talk.thread, Kind.OFFER, body, at, policy)
    return note


def _conceal_former(connection: Connection, message: Message, at: float, policy: TicketPolicy) -> None:
    """Hide the caller in what this talk was about before, too: those tickets are closed or merged, and name him."""
    marks = TicketChange(
        anonymous=message.body.get("anonymous") or None, confidential=message.body.get("confidential") or None
    )
    move, them = Move(TicketInput.CONCEAL, change=marks), Actor(speaker(message.sender), Role.SYSTEM)
    for number in out.former_tickets(connection, message.sender, message.thread):
        with contextlib.suppress(TicketRefused):  # it is hidden already
            move_ticket(connection, number, move, them, at, policy)


_REASONS = {
    "return_too_late": "退单期限已过 The time to return it is over.",
    "designated": "已指定承办 It has been designated.",
}


def _move(connection: Connection, message: Message, ticket: Ticket, talk: Talk, at: float, policy: TicketPolicy) -> str:
    note = ""
    for ways in moves_for(message, ticket, talk, at, policy):
        refusals = []
        for move, actor in ways:
            try:
                move_ticket(connection, ticket.number, move, actor, at, policy)
                break
            except (TicketRefused, CalendarError) as refusal:
                refusals.append(refusal.code if isinstance(refusal, TicketRefused) else "no_calendar")
        note = refusals[0] if refusals else ""
    return note


def _take(connection: Connection, message: Message, talk: Talk, before: Thread, at: float, policy: TicketPolicy) -> str:
    """The offered ticket becomes one of ours; what cannot is returned at once, with the reason."""
    actor = Actor(speaker(message.sender), Role.SYSTEM)
    try:
        with connection.begin_nested():
            ticket = take_ticket(connection, Intake(Channel.EXCHANGE, at), intake_of(message, policy), actor, policy)
    except (TicketRefused, CalendarError) as refusal:
        note = refusal.code if isinstance(refusal, TicketRefused) else "no_calendar"
        out.put(connection, talk.thread, Kind.RETURN, {"reason": note}, at, policy)
        return note
    unit, part = str(message.body.get("unit", "")), str(message.body["part"])
    out.name_ticket(connection, before, ticket.number, unit, part)
    for (move, them), *_ in supervised(message, at):
        with contextlib.suppress(TicketRefused, CalendarError):  # it is taken all the same
            move_ticket(connection, ticket.number, move, them, at, policy)
    return ""


def _going_on(connection: Connection, number: TicketNumber | None) -> Ticket | None:
    """The ticket of this number, or the one into which it was merged."""
    ticket = get_ticket(connection, number) if number is not None else None
    if ticket is not None and ticket.state is TicketState.MERGED and ticket.repeat_of is not None:
        return get_ticket(connection, ticket.repeat_of)
    return ticket


def give_back(
    connection: Connection, number: TicketNumber, reason: str, actor: Actor, at: float, policy: TicketPolicy
) -> Ticket:
    """退回: say to who offered a ticket that it is not our matter, and be done with it here.

    Raises `TicketRefused`: not_allowed, not_offered, reason_too_long, missing.
    """
    if actor.role not in (Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER, Role.ADMIN):
        raise TicketRefused("not_allowed", "This is not the right of your role.")
    text = cleaned(reason, "reason", policy.reason_max)
    if not text:
        raise TicketRefused("missing", "This needs the field reason.", "reason")
    talk = next(
        (
            one
            for one in out.talks_of(connection, number)
            if not one.thread.mine and one.thread.state is ThreadState.OFFERED
        ),
        None,
    )
    if talk is None:
        raise TicketRefused("not_offered", "No other hotline has handed this ticket over to us.")
    locked = out.thread_of(connection, talk.thread.peer, talk.thread.id)
    assert locked is not None
    out.put(connection, locked, Kind.RETURN, {"reason": text, "number": str(number)}, at, policy)
    system = Actor(actor.id, Role.SYSTEM, actor.unit)
    return move_ticket(connection, number, Move(TicketInput.WITHDRAW, reason=text), system, at, policy)


# ---------------------------------------------------------------- looking


def history(connection: Connection, number: TicketNumber) -> list[Mapping[str, Any]]:
    """Everything that was said and heard about a ticket, thread by thread, oldest first.

    Of a talk that has gone on as another ticket (redone after its closing, merged) what was said until then.
    """
    now = connection.execute(select(thread_table).where(thread_table.c.ticket == number)).all()
    found = [_told(connection, row, row.state, None, None) for row in now]
    gone_on = select(
        thread_table, former.c.state.label("then"), former.c.said.label("to"), former.c.heard.label("upto")
    )
    same = (former.c.peer == thread_table.c.peer) & (former.c.thread == thread_table.c.thread)
    for row in connection.execute(gone_on.join(former, same).where(former.c.ticket == number)).all():
        found.append(_told(connection, row, row.then, row.to, row.upto))
    return found


def _told(
    connection: Connection, thread: Any, state: str | None, said_to: int | None, heard_to: int | None
) -> Mapping[str, Any]:
    """One talk, up to these numbers of each side; None = all of it."""
    ours = (outbox_table.c.peer == thread.peer) & (outbox_table.c.thread == thread.thread)
    theirs = (inbox.c.peer == thread.peer) & (inbox.c.thread == thread.thread)
    if said_to is not None:
        ours &= outbox_table.c.seq <= said_to
    if heard_to is not None:
        theirs &= inbox.c.seq <= heard_to
    said = [
        {"said": True, "seq": row.seq, "kind": row.kind, "at": row.made_at, "done_at": row.done_at}
        | {"tries": row.tries, "error": row.error}
        for row in connection.execute(select(outbox_table).where(ours))
    ]
    heard = [
        {"said": False, "seq": row.seq, "kind": row.kind, "at": row.came_at, "outcome": row.outcome}
        | {"note": row.note}
        for row in connection.execute(select(inbox).where(theirs))
    ]
    return {
        "peer": thread.peer,
        "thread": thread.thread,
        "mine": thread.mine,
        "unit": thread.unit,
        "part": thread.part,
        "state": state,
        "messages": sorted((*said, *heard), key=lambda one: (one["at"], one["seq"])),
    }
