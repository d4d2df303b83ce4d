"""The steps that were made about tickets, in the database: each once, and told to somebody or not yet.

A step is made in one transaction: the ticket is read again and must still plan it, its move is written, and its key is
kept. So a ticket that has moved on since the schedule was built gets no reminder that is not true any more, and a
restart in the middle makes a step wholly or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from pbx.ids import TicketNumber
from tickets import outbox_sql
from tickets.given import Move
from tickets.moves import OVER, SYSTEM, TicketInput
from tickets.schedule import Act, Made, Outcome, Step
from tickets.sql import get_ticket, move_ticket, whole
from tickets.tables import steps, tickets
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketPolicy
from tickets.times import steps_of, timed

_MOVES = {
    Act.REMIND: TicketInput.REMIND,
    Act.ESCALATE: TicketInput.ESCALATE,
    Act.RESUME: TicketInput.RESUME,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What is still to be made about a ticket, and the keys of what was; `known` = a provisional deadline can be
    counted anew, because the notice has come. `fault` names the exception with which the ticket could not be read or
    planned; nothing is planned about it then.
    """

    ticket: TicketNumber
    made: frozenset[str]
    steps: tuple[Step, ...]
    known: bool
    fault: str = ""


def plan_page(connection: Connection, after: str, count: int, policy: TicketPolicy) -> list[Planned]:
    """The next `count` tickets whose clocks may run, by number after `after`; one that is damaged stops no other."""
    found = _page(connection, after, count)
    made: defaultdict[str, set[str]] = defaultdict(set)
    kept = select(steps.c.ticket, steps.c.key).where(steps.c.ticket.in_([number for number, _ in found]))
    for row in connection.execute(kept):
        made[row.ticket].add(row.key)
    return [_planned(number, one, made[number], policy) for number, one in found]


def _page(connection: Connection, after: str, count: int) -> list[tuple[TicketNumber, Ticket | Exception]]:
    still_open = tickets.c.state.not_in([state.value for state in OVER])
    wanted = (still_open, tickets.c.number > after)
    try:
        query = select(tickets).where(*wanted).order_by(tickets.c.number).limit(count)
        return [(one.number, one) for one in whole(connection, connection.execute(query).all())]
    except SQLAlchemyError:
        raise
    except Exception:  # one of them cannot be read: each by itself
        numbers = connection.execute(select(tickets.c.number).where(*wanted).order_by(tickets.c.number).limit(count))
        return [(TicketNumber(number), _alone(connection, TicketNumber(number))) for number in numbers.scalars().all()]


def _alone(connection: Connection, number: TicketNumber) -> Ticket | Exception:
    try:
        found = get_ticket(connection, number)
    except SQLAlchemyError:
        raise
    except Exception as fault:
        return fault
    return found if found is not None else KeyError(number)


def _planned(number: TicketNumber, found: Ticket | Exception, made: set[str], policy: TicketPolicy) -> Planned:
    if isinstance(found, Exception):
        return Planned(number, frozenset(made), (), False, type(found).__name__)
    try:
        known = found.provisional and not timed(found, policy).provisional
        return Planned(number, frozenset(made), steps_of(found, policy, made), known)
    except Exception as fault:
        return Planned(number, frozenset(made), (), False, type(fault).__name__)


def make_step(connection: Connection, step: Step, now: float, policy: TicketPolicy) -> tuple[Ticket, Made | None]:
    """Make a step if it is still to be made; the ticket as it is then, and what is to be told, or None.

    Raises KeyError for a ticket that is not there, `CalendarError`.
    """
    ticket = get_ticket(connection, step.ticket)  # type: ignore[arg-type]
    if ticket is None:
        raise KeyError(step.ticket)
    known = set(connection.execute(select(steps.c.key).where(steps.c.ticket == step.ticket)).scalars())
    if step.key not in {one.key for one in steps_of(ticket, policy, known)}:
        return ticket, None
    outcome = Outcome.OVERTAKEN if step.overtaken(now) else Outcome.MADE
    wanted = _MOVES.get(step.act)
    if wanted is not None and outcome is Outcome.MADE:
        reason = None if wanted is TicketInput.RESUME else step.rule
        try:
            ticket = move_ticket(connection, ticket.number, Move(wanted, reason=reason), SYSTEM, now, policy)
        except TicketRefused:
            outcome = Outcome.REFUSED
    made = Made(
        step.ticket,
        step.key,
        step.rule,
        step.act,
        step.to,
        ticket.lead_unit or "",
        step.due,
        step.at,
        now,
        outcome,
        connection.execute(select(func.coalesce(func.max(steps.c.no), 0) + 1)).scalar_one(),
    )
    connection.execute(insert(steps).values(_row(made)))
    if made.quiet:
        return ticket, None
    outbox_sql.put_step(connection, policy.told(made.kind), ticket, made)
    return ticket, made


def _row(made: Made) -> dict[str, Any]:
    return {
        "ticket": made.ticket,
        "key": made.key,
        "rule": made.rule,
        "act": made.act.value,
        "to": list(made.to),
        "due": made.due,
        "planned_at": made.planned_at,
        "made_at": made.made_at,
        "outcome": made.outcome.value,
        "told_at": made.made_at if made.quiet else None,
        "no": made.no,
    }


def untold(connection: Connection) -> list[Made]:
    """What was made and nobody has been told of, oldest first."""
    query = select(steps, tickets.c.lead_unit).join(tickets, tickets.c.number == steps.c.ticket)
    rows = connection.execute(query.where(steps.c.told_at.is_(None)).order_by(steps.c.planned_at, steps.c.key))
    return [_made(row) for row in rows]


def told(connection: Connection, ticket: str, key: str, at: float) -> None:
    """Somebody has been told of it."""
    mine = (steps.c.ticket == ticket) & (steps.c.key == key)
    connection.execute(update(steps).where(mine).values(told_at=at))


def made_of(connection: Connection, ticket: str) -> list[Made]:
    """What was made about one ticket, oldest first."""
    query = select(steps, tickets.c.lead_unit).join(tickets, tickets.c.number == steps.c.ticket)
    rows = connection.execute(query.where(steps.c.ticket == ticket).order_by(steps.c.planned_at, steps.c.key))
    return [_made(row) for row in rows]


def one_step(connection: Connection, ticket: str, key: str) -> Made | None:
    """One step that was made, or None."""
    query = select(steps, tickets.c.lead_unit).join(tickets, tickets.c.number == steps.c.ticket)
    row = connection.execute(query.where(steps.c.ticket == ticket, steps.c.key == key)).first()
    return _made(row) if row is not None else None


_LOUD = (steps.c.outcome != Outcome.OVERTAKEN.value) & (steps.c.act != Act.RESUME.value)


def newest(connection: Connection) -> int:
    """The number of the newest step; 0 where none was ever made."""
    found: int = connection.execute(select(func.coalesce(func.max(steps.c.no), 0))).scalar_one()
    return found


def told_after(connection: Connection, no: int, count: int) -> list[tuple[Made, Ticket]]:
    """The next `count` steps after number `no` of which somebody was told, with their tickets as they are now."""
    return _listed(connection, steps.c.no > no, count)


def told_between(
    connection: Connection, since: float, until: float, after: int, count: int
) -> list[tuple[Made, Ticket]]:
    """The next `count` after number `after` that were made in [since, until), epoch seconds."""
    span = (steps.c.made_at >= since) & (steps.c.made_at < until)
    return _listed(connection, span & (steps.c.no > after), count)


def told_of(connection: Connection, numbers: Sequence[TicketNumber]) -> dict[str, list[Made]]:
    """What was told of each of these tickets, oldest first."""
    query = select(steps, tickets.c.lead_unit).join(tickets, tickets.c.number == steps.c.ticket)
    found: dict[str, list[Made]] = {}
    for row in connection.execute(query.where(steps.c.ticket.in_(numbers), _LOUD).order_by(steps.c.no)):
        found.setdefault(row.ticket, []).append(_made(row))
    return found


def _listed(connection: Connection, which: ColumnElement[bool], count: int) -> list[tuple[Made, Ticket]]:
    query = select(steps, tickets.c.lead_unit).join(tickets, tickets.c.number == steps.c.ticket)
    rows = connection.execute(query.where(which, _LOUD).order_by(steps.c.no).limit(count)).all()
    theirs = connection.execute(select(tickets).where(tickets.c.number.in_({row.ticket for row in rows}))).all()
    known = {one.number: one for one in whole(connection, theirs)}
    return [(_made(row), known[row.ticket]) for row in rows]


def _made(row: Row[Any]) -> Made:
    return Made(
        row.ticket,
        row.key,
        row.rule,
        Act(row.act),
        tuple(row.to),
        row.lead_unit or "",
        row.due,
        row.planned_at,
        row.made_at,
        Outcome(row.outcome),
        row.no,
    )
