"""The automatic voice follow-up on disk: its requests stand among the call-backs, its rest in a table of its own.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL. What a
citizen has pressed and the ticket's move are one transaction, and a request that is over stays so: the move is made
exactly once, however often a write is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import (
    Column,
    Connection,
    Double,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
)

from acd.callback_sql import callbacks, read_callbacks, save_callback
from ivr.follow_up import SCORES
from pbx.callback import FOLLOW_UP_IDS, OPEN, CallbackKind, CallbackRequest, CallbackState
from pbx.campaign import CampaignRest, FollowUpWanted, request_id
from pbx.ids import ActorId, QueueId, TicketNumber
from tickets.campaign import CampaignRules, left_to_people, overtaken, result
from tickets.follow_up import FollowUpRules
from tickets.follow_up_sql import list_due
from tickets.moves import SYSTEM, TicketState
from tickets.sql import get_ticket, move_ticket
from tickets.tables import tickets
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketPolicy

metadata = MetaData()

campaign = Table(
    "campaign",
    metadata,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("paused_by", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("id", name="pk_campaign"),
)

_ONE = 1
_EVER = 1.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Saved:
    """A request as it is stored now, and the ticket that was moved by it, if one was."""

    request: CallbackRequest
    ticket: Ticket | None = None


def first_closed(connection: Connection, numbers: Sequence[TicketNumber]) -> float | None:
    """When the first of these tickets was closed that waits for its follow-up, epoch seconds; None = none."""
    columns = tickets.c
    waits = (columns.state == TicketState.RESOLVED.value) & columns.followed_up_at.is_(None)
    query = select(func.min(columns.resolved_at)).where(columns.number.in_(numbers), waits)
    found: float | None = connection.execute(query).scalar_one()
    return found


def save_request(connection: Connection, request: CallbackRequest, policy: TicketPolicy) -> Saved:
    """Write a request as it is now; for one of the campaign, what it means for its ticket too.

    One that is over is not written again. One that is about to be dialled is cancelled where its ticket has moved on:
    nobody is called about what a person has settled meanwhile.
    """
    if request.kind is not CallbackKind.FOLLOW_UP:
        save_callback(connection, request)
        return Saved(request)
    known = read_callbacks(connection, callbacks.c.id == request.id)
    if known and known[0].state not in OPEN:
        return Saved(known[0])
    moved = None
    if request.state is CallbackState.DIALLING and not request.answer:
        ticket = get_ticket(connection, TicketNumber(request.ticket))
        if overtaken(ticket, request.number, request.round):
            at = request.attempts[-1].at
            request = replace(request, state=CallbackState.CANCELLED, attempts=request.attempts[:-1], ended_at=at)
    elif request.state is CallbackState.DONE and request.answer in SCORES:
        moved = _follow_up(connection, request, policy)
    save_callback(connection, request)
    return Saved(request, moved)


def _follow_up(connection: Connection, request: CallbackRequest, policy: TicketPolicy) -> Ticket | None:
    """Write his score into the ticket; None where it has moved on while he was asked."""
    ticket = get_ticket(connection, TicketNumber(request.ticket))
    if ticket is None or overtaken(ticket, request.number, request.round):
        return None
    move, at = result(int(request.answer), FollowUpRules()), request.ended_at or request.attempts[-1].at
    try:
        with connection.begin_nested():
            return move_ticket(connection, ticket.number, move, SYSTEM, at, policy)
    except TicketRefused:
        return None


def candidates(
    connection: Connection, now: float, follow_up: FollowUpRules, rules: CampaignRules, since: float = _EVER
) -> list[FollowUpWanted]:
    """The tickets closed at or after `since` that have come to be asked about by voice, and were not in this round."""
    found = [
        FollowUpWanted(
            one.ticket.number,
            one.ticket.caller,
            one.ticket.language,
            QueueId(one.ticket.queue),
            one.ticket.redo_count,
            one.why.value,
        )
        for one in list_due(connection, now, follow_up, limit=10**9, since=max(since, _EVER))
        if not left_to_people(one.ticket, one.why, rules)
    ]
    known: set[str] = set()
    for first in range(0, len(found), _AT_ONCE):
        ids = [request_id(one.ticket, one.round) for one in found[first : first + _AT_ONCE]]
        known |= set(connection.execute(select(callbacks.c.id).where(callbacks.c.id.in_(ids))).scalars())
    return [one for one in found if request_id(one.ticket, one.round) not in known]


def list_requests(connection: Connection, since: float, until: float) -> list[CallbackRequest]:
    """The campaign's requests made in [since, until), epoch seconds, oldest first."""
    made = callbacks.c.asked_at >= since, callbacks.c.asked_at < until
    return read_callbacks(connection, callbacks.c.id.like(f"{FOLLOW_UP_IDS}%"), *made)


def placed_since(connection: Connection, at: float) -> Sequence[float]:
    """When calls of the campaign were placed at or after epoch second `at`, oldest first."""
    late = or_(callbacks.c.ended_at.is_(None), callbacks.c.ended_at >= at)
    requests = read_callbacks(connection, callbacks.c.id.like(f"{FOLLOW_UP_IDS}%"), late)
    return sorted(one.at for request in requests for one in request.attempts if one.at >= at)


def save_rest(connection: Connection, rest: CampaignRest) -> None:
    """Keep who has paused it."""
    connection.execute(delete(campaign).where(campaign.c.id == _ONE))
    connection.execute(insert(campaign), {"id": _ONE, "paused_by": rest.by, "at": rest.at})


def read_rest(connection: Connection) -> CampaignRest:
    """Who has paused it."""
    row = connection.execute(select(campaign).where(campaign.c.id == _ONE)).first()
    return CampaignRest(ActorId(row.paused_by), row.at) if row is not None else CampaignRest(ActorId(""), 0.0)
