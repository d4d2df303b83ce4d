"""The list of call-backs to make, from the stored tickets; see `tickets/follow_up.py`."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, or_, select

from tickets.follow_up import Due, FollowUpRules, Why, due
from tickets.moves import TicketState
from tickets.sql import whole
from tickets.tables import tickets
from tickets.ticket import Ticket

AT_ONCE = 500

_ORDER = {why: place for place, why in enumerate(Why)}


def list_due(
    connection: Connection,
    now: float,
    rules: FollowUpRules,
    limit: int,
    sees: Callable[[Ticket], bool] = lambda ticket: True,
    *,
    since: float = 0.0,
) -> list[Due]:
    """The first `limit` of the tickets to be called back now that somebody `sees`: by rule before by sample, those
    closed longest ago first. With `since`, only those that nobody has asked about and that were closed at or after it.
    """
    unasked = (
        tickets.c.followed_up_at.is_(None)
        & (tickets.c.resolved_at >= max(now - rules.within_s, since))
        & (tickets.c.resolved_at <= now - rules.delay_s)
    )
    told_voice = tickets.c.voice.is_(True) & tickets.c.satisfied.is_(False)
    dissatisfied = told_voice & (tickets.c.followed_up_at >= now - rules.within_s)
    closed = (tickets.c.state == TicketState.RESOLVED.value) & (or_(unasked, dissatisfied) if not since else unasked)
    found: list[Due] = []
    after = ""
    while True:
        query = select(tickets).where(closed, tickets.c.number > after).order_by(tickets.c.number).limit(AT_ONCE)
        rows = connection.execute(query).all()
        for ticket in whole(connection, rows):
            if (why := due(ticket, rules, now)) is not None and sees(ticket):
                found.append(Due(ticket, why))
        if len(rows) < AT_ONCE:
            break
        after = rows[-1].number
    found.sort(key=lambda one: (_ORDER[one.why], one.ticket.resolved_at, one.ticket.number))
    return found[:limit]
