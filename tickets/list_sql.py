"""Lists of tickets from the database, page by page, and the requests that were decided."""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, tuple_

from pbx.ids import TicketNumber
from tickets.approvals import Approval, Outcome
from tickets.search import TicketFilter, TicketPage
from tickets.sql import approval_of, whole
from tickets.tables import approvals, tickets, units
from tickets.texts import TicketRefused


def page_of_tickets(connection: Connection, wanted: TicketFilter) -> TicketPage:
    """The next tickets of a list, oldest first. Raises `TicketRefused` when `after` is no ticket."""
    columns = tickets.c
    query = select(tickets).where(columns.opened_at >= wanted.since, columns.opened_at < wanted.until)
    if wanted.states is not None:
        query = query.where(columns.state.in_(sorted(state.value for state in wanted.states)))
    for name in ("type", "urgency", "channel"):
        if (kind := getattr(wanted, name)) is not None:
            query = query.where(columns[name] == kind.value)
    for name, column in (
        ("class_code", columns.class_code),
        ("region", columns.region),
        ("agent", columns.agent),
        ("incident", columns.incident_id),
        ("repeat_of", columns.repeat_of),
    ):
        if (text := getattr(wanted, name)) is not None:
            query = query.where(column == text)
    if wanted.supervised is not None:
        query = query.where(
            columns.supervised_at.is_not(None) if wanted.supervised else columns.supervised_at.is_(None)
        )
    if wanted.units is not None:
        theirs = select(units.c.ticket).where(units.c.unit.in_(sorted(wanted.units)))
        query = query.where(columns.number.in_(theirs))
    if wanted.near is not None:
        orgs = sorted(wanted.near)
        theirs = select(units.c.ticket).where(units.c.unit.in_(orgs))
        query = query.where(columns.region.in_(orgs) | columns.number.in_(theirs))
    if wanted.asked is not None:
        query = query.where(
            exists().where(
                approvals.c.ticket == columns.number,
                approvals.c.kind == wanted.asked.value,
                approvals.c.outcome == Outcome.ASKED.value,
            )
        )
    if wanted.after is not None:
        last = connection.execute(select(columns.opened_at).where(columns.number == wanted.after)).scalar_one_or_none()
        if last is None:
            raise TicketRefused("unknown_target", "There is no ticket of this number.", "after")
        query = query.where(tuple_(columns.opened_at, columns.number) > tuple_(last, wanted.after))
    query = query.order_by(columns.opened_at, columns.number).limit(wanted.limit + 1)
    rows = connection.execute(query).all()
    found = whole(connection, rows[: wanted.limit])
    return TicketPage(tuple(found), found[-1].number if len(rows) > wanted.limit else None)


def decided_requests(connection: Connection, since: float, until: float) -> list[tuple[TicketNumber, Approval]]:
    """The requests decided in [since, until), epoch seconds, with their tickets' numbers."""
    query = select(approvals).where(approvals.c.decided_at >= since, approvals.c.decided_at < until)
    return [
        (TicketNumber(row.ticket), approval_of(row))
        for row in connection.execute(query.order_by(approvals.c.ticket, approvals.c.seq))
    ]
