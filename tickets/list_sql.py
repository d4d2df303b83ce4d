"""Lists of tickets from the database, page by page, and the requests that were decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, exists, false, select, tuple_, union_all

from pbx.ids import TicketNumber
from tickets.approvals import Approval, Outcome
from tickets.search import TicketFilter, TicketPage
from tickets.sql import approval_of, whole
from tickets.tables import approvals, tickets, units
from tickets.texts import TicketRefused


def page_of_tickets(connection: Connection, wanted: TicketFilter) -> TicketPage:
    """The next tickets of a list, oldest first. Raises `TicketRefused` when `after` is no ticket."""
    columns = tickets.c
    query = select(columns.number, columns.opened_at)
    query = query.where(columns.opened_at >= wanted.since, columns.opened_at < wanted.until)
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
    # First the numbers, by the indexes, and only then the whole rows: what has to be sorted is narrow, which among a
    # million tickets is the difference between a list that is there and one that is waited for.
    numbers = _first(query, wanted).subquery()
    of_these = select(tickets).join(numbers, columns.number == numbers.c.number)
    rows = connection.execute(of_these.order_by(columns.opened_at, columns.number)).all()
    found = whole(connection, rows[: wanted.limit])
    return TicketPage(tuple(found), found[-1].number if len(rows) > wanted.limit else None)


def _first(query: Select[Any], wanted: TicketFilter) -> Select[Any]:
    """The first numbers of the list, one more than a page.

    Of several states each one's first are taken by the index of states and put together: asked for all at once, SQLite
    walks through every ticket there is until it comes to the open ones, which are the newest.
    """
    columns, most = tickets.c, wanted.limit + 1
    if wanted.states is None:
        return query.order_by(columns.opened_at, columns.number).limit(most)
    parts = []
    for state in sorted(state.value for state in wanted.states):
        part = query.where(columns.state == state).order_by(columns.opened_at, columns.number).limit(most).subquery()
        parts.append(select(part.c.number, part.c.opened_at))
    if not parts:
        return query.where(false())
    found = union_all(*parts).subquery()
    return select(found.c.number, found.c.opened_at).order_by(found.c.opened_at, found.c.number).limit(most)


def decided_requests(
    connection: Connection, since: float, until: float, regions: frozenset[str] | None = None
) -> list[tuple[TicketNumber, Approval]]:
    """The requests decided in [since, until), epoch seconds, with their tickets' numbers.

    `regions`: of tickets of these regions only; None = of all.
    """
    query = select(approvals).where(approvals.c.decided_at >= since, approvals.c.decided_at < until)
    if regions is not None:
        query = query.join(tickets, tickets.c.number == approvals.c.ticket)
        query = query.where(tickets.c.region.in_(sorted(regions)))
    return [
        (TicketNumber(row.ticket), approval_of(row))
        for row in connection.execute(query.order_by(approvals.c.ticket, approvals.c.seq))
    ]
