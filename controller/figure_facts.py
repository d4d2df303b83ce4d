"""Fills the rows of figures from the store: calls with their instants, tickets, decisions, agents' time.

The one place where the rooms' facts come together for a figure; `hotline kpi`, the pages, the closing of a day and the
reports all ask here. Functions run inside the caller's transaction, in any thread or process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from metrics.definitions.fold import Fold, look_back_s
from metrics.definitions.measure import Measure, Subject, Value
from metrics.definitions.of_tickets import DAY_S, REPEAT_DAYS
from metrics.definitions.rows import (
    CallRow,
    DecisionRow,
    Facts,
    InternetSeats,
    ScheduledSpan,
    TicketRow,
    tickets_by_call,
    with_repeats,
)
from metrics.instants_sql import list_instants
from metrics.intervals_sql import list_intervals
from tickets.tables import approvals, tickets
from tickets.ticket import TicketPolicy

TICKET_AFTER_S = DAY_S
"""The ticket of a period's call is looked for up to a day after it."""


@dataclass(frozen=True, slots=True)
class Cities:
    """Whose a call or ticket is; what of `tickets.ticket.TicketPolicy` that needs, and nothing else. Picklable."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, str] = field(default_factory=dict)
    city: str = ""
    organisations: frozenset[str] = frozenset()

    @staticmethod
    def of(policy: TicketPolicy) -> Cities:
        """By these rules."""
        known = frozenset(one.id for one in policy.organisations)
        return Cities(dict(policy.numbers), dict(policy.queues), policy.city, known)

    def city_of(self, dialled: str, queue: str) -> str:
        """Whose a call is, as `TicketPolicy.city_of`."""
        return self.queues.get(queue) or self.numbers.get(dialled) or self.city

    def home(self, region: str, dialled: str, queue: str) -> str:
        """Whose a ticket is, as `tickets.sight.home_of`."""
        return region if region in self.organisations else self.city_of(dialled, queue)


@dataclass(frozen=True, slots=True)
class Scope:
    """Of whose calls, tickets and time a figure is; None = of all. `regions` are cities as rights give them."""

    queue: str | None = None
    city: str | None = None
    number: str | None = None
    regions: frozenset[str] | None = None
    agents: frozenset[str] | None = None

    def has(self, queue: str, city: str, dialled: str | None = None) -> bool:
        """Whether a row is in it; of a row that knows no dialled number that is not asked."""
        return (
            (self.queue is None or queue == self.queue)
            and (self.city is None or city == self.city)
            and (self.regions is None or city in self.regions)
            and (self.number is None or dialled is None or dialled == self.number)
        )


def collect(
    connection: Connection,
    measures: Iterable[Measure],
    since: float,
    until: float,
    *,
    cities: Cities,
    now: float,
    scope: Scope | None = None,
    internet: InternetSeats | None = None,
    schedule: tuple[ScheduledSpan, ...] | None = None,
) -> Facts:
    """The facts that these definitions need of [since, until), epoch seconds; `now`: when open tickets are judged."""
    wanted, scope = list(measures), scope or Scope()
    subjects = {one.subject for one in wanted}
    facts = Facts(since, until, internet=internet, schedule=schedule)
    if Subject.TICKETS in subjects:
        early = since - max(REPEAT_DAYS) * DAY_S
        known = _tickets(connection, tickets.c.opened_at, early, until, cities, now)
        before = with_repeats(known)
        mine = [one for one in known if one.opened_at >= since and scope.has(one.queue, one.city)]
        facts = replace(facts, tickets=[replace(one, before_s=before.get(one.number)) for one in mine])
    if Subject.FOLLOW_UPS in subjects:
        found = _tickets(connection, tickets.c.followed_up_at, since, until, cities, now)
        facts = replace(facts, follow_ups=[one for one in found if scope.has(one.queue, one.city)])
    if Subject.DECISIONS in subjects:
        facts = replace(facts, decisions=_decisions(connection, since, until, cities, scope))
    if Subject.CALLS in subjects:
        facts = replace(facts, calls=_calls(connection, wanted, since, until, cities, now, scope))
    if Subject.AGENTS in subjects:
        time = list_intervals(connection, since, until)
        if scope.agents is not None:
            time = [one for one in time if one.agent in scope.agents]
        facts = replace(facts, intervals=time)
    return facts


def values(facts: Facts, measures: Iterable[Measure]) -> dict[str, Value]:
    """The figures of these definitions, by name."""
    fold = Fold(facts)
    return {one.name: fold.evaluate(one) for one in measures}


def _calls(
    connection: Connection, measures: list[Measure], since: float, until: float, cities: Cities, now: float,
    scope: Scope,
) -> list[CallRow]:  # fmt: skip
    early = since - look_back_s(measures)
    named = any(one.name.startswith("fcr.") for one in measures)
    opened = _tickets(connection, tickets.c.opened_at, early, until + TICKET_AFTER_S, cities, now) if named else []
    theirs = tickets_by_call(opened)
    rows = []
    for one in list_instants(connection, early, until):
        city = cities.city_of(one.dialled, str(one.queue or ""))
        if scope.has(str(one.queue or ""), city, one.dialled):
            rows.append(CallRow(one, theirs.get(one.call), city))
    return rows


_TICKET_COLUMNS = (
    "number", "call", "caller", "class_code", "queue", "dialled", "region", "lead_unit", "opened_at",
    "first_dispatched_at", "signed_at", "sign_due", "handle_due", "resolved_at", "pauses", "state", "return_count",
    "dispatch_count", "followed_up_at", "contacted", "solved", "satisfied",
)  # fmt: skip


def _tickets(
    connection: Connection, by: Any, since: float, until: float, cities: Cities, now: float
) -> list[TicketRow]:
    """Those of which the instant `by` lies in [since, until), in the order of their opening."""
    wanted = select(*(tickets.c[name] for name in _TICKET_COLUMNS)).where(by >= since, by < until)
    found = connection.execute(wanted.order_by(tickets.c.opened_at, tickets.c.number))
    return [_ticket(row, cities, now) for row in found]


def _ticket(row: Row[Any], cities: Cities, now: float) -> TicketRow:
    paused = bool(row.pauses) and row.pauses[-1].get("until") is None
    return TicketRow(
        row.number, row.call, row.caller, row.class_code, row.queue,
        cities.home(row.region, row.dialled, row.queue), row.lead_unit or "", row.opened_at, row.first_dispatched_at,
        row.signed_at, row.sign_due, row.handle_due, row.resolved_at, paused, row.state == "merged", row.return_count,
        row.dispatch_count, row.followed_up_at, row.contacted, row.solved, row.satisfied, now,
    )  # fmt: skip


def _decisions(connection: Connection, since: float, until: float, cities: Cities, scope: Scope) -> list[DecisionRow]:
    columns = (approvals.c[name] for name in ("ticket", "seq", "kind", "decided_at", "right"))
    whose = (tickets.c.region, tickets.c.dialled, tickets.c.queue)
    wanted = (
        select(*columns, *whose)
        .join(tickets, tickets.c.number == approvals.c.ticket)
        .where(approvals.c.decided_at >= since, approvals.c.decided_at < until)
        .where(approvals.c.outcome.in_(("granted", "refused")))
        .order_by(approvals.c.ticket, approvals.c.seq)
    )
    rows = [
        DecisionRow(
            row.ticket, row.seq, row.kind, row.decided_at, row.right,
            cities.home(row.region, row.dialled, row.queue), row.queue,
        )
        for row in connection.execute(wanted)
    ]  # fmt: skip
    return [one for one in rows if scope.has(one.queue, one.city)]
