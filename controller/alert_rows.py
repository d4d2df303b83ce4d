"""Alerts on disk, and the outbox of who is to be told of them: one transaction, so that nobody is told twice or never.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from controller.spool import Operation
from metrics.alerts import Alert, Change, Severity
from metrics.live import Group
from tickets.moves import OVER
from tickets.tables import tickets

metadata = MetaData()

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("raised_at", Double, nullable=False),
    Column("value", Double),
    Column("threshold", Double, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("acknowledged_at", Double),
    Column("acknowledged_by", Text, nullable=False),
    Column("cleared_at", Double),
    Column("why_cleared", Text, nullable=False),
    PrimaryKeyConstraint("id", name="pk_alerts"),
    Index("ix_alerts_raised_at", "raised_at"),
    Index("ix_alerts_cleared_at", "cleared_at"),
)

alert_outbox = Table(
    "alert_outbox",
    metadata,
    Column("receiver", Text, nullable=False),
    Column("way", Text, nullable=False),  # mail, webhook
    Column("alert", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),  # the alert as it was then, as JSON
    Column("tries", Integer, nullable=False),
    Column("due_at", Double),  # null: given up
    PrimaryKeyConstraint("receiver", "way", "alert", "change", name="pk_alert_outbox"),
    Index("ix_alert_outbox_due_at", "due_at"),
)

LISTED = 1000

ALERT: TypeAdapter[Alert] = TypeAdapter(Alert)


@dataclass(frozen=True, slots=True)
class Noted:
    """A change of an alert, and who is to be told of it: (receiver, way)."""

    alert: Alert
    change: Change
    at: float
    tell: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message that is to be sent, after `tries` failed ones."""

    receiver: str
    way: str
    alert: Alert
    change: Change
    at: float
    tries: int

    @property
    def id(self) -> str:
        """The same at every try."""
        return f"{self.alert.id}.{self.change.value}"


def note(connection: Connection, noted: Noted) -> None:
    """Write an alert as it is now, and what is to be sent; the same done twice is as done once."""
    one = noted.alert
    there = connection.execute(select(alerts.c.id).where(alerts.c.id == one.id)).first()
    if there is None:
        connection.execute(insert(alerts).values(**_plain(one)))
    else:
        connection.execute(update(alerts).where(alerts.c.id == one.id).values(**_plain(one)))
    body = ALERT.dump_json(one).decode()
    for receiver, way in noted.tell:
        key = {"receiver": receiver, "way": way, "alert": one.id, "change": noted.change.value}
        known = select(alert_outbox.c.alert).where(and_(*(alert_outbox.c[name] == it for name, it in key.items())))
        if connection.execute(known).first() is None:
            connection.execute(insert(alert_outbox).values(**key, at=noted.at, body=body, tries=0, due_at=noted.at))


NOTE: Operation[Noted, None] = Operation("note_alert", note, TypeAdapter(Noted), posts=True)


def _plain(one: Alert) -> dict[str, Any]:
    return {
        "id": one.id, "rule": one.rule, "kind": one.group.kind, "name": one.group.name,
        "severity": one.severity.value, "raised_at": one.raised_at, "value": one.value, "threshold": one.threshold,
        "zh": one.zh, "en": one.en, "acknowledged_at": one.acknowledged_at, "acknowledged_by": one.acknowledged_by,
        "cleared_at": one.cleared_at, "why_cleared": one.why_cleared,
    }  # fmt: skip


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        row.id, row.rule, Group(row.kind, row.name), Severity(row.severity), row.raised_at, row.value, row.threshold,
        row.zh, row.en, row.acknowledged_at, row.acknowledged_by, row.cleared_at, row.why_cleared,
    )  # fmt: skip


def standing(connection: Connection) -> list[Alert]:
    """Those that stand, oldest first."""
    wanted = select(alerts).where(alerts.c.cleared_at.is_(None)).order_by(alerts.c.raised_at, alerts.c.id)
    return [_alert(row) for row in connection.execute(wanted)]


def between(connection: Connection, since: float, until: float) -> list[Alert]:
    """Those that were raised in [since, until), newest first; `LISTED` of them at most."""
    wanted = select(alerts).where(alerts.c.raised_at >= since, alerts.c.raised_at < until)
    rows = connection.execute(wanted.order_by(alerts.c.raised_at.desc(), alerts.c.id).limit(LISTED))
    return [_alert(row) for row in rows]


def _mine(one: Message) -> ColumnElement[bool]:
    table = alert_outbox.c
    return and_(
        table.receiver == one.receiver,
        table.way == one.way,
        table.alert == one.alert.id,
        table.change == one.change.value,
    )


_ORDER = case({change.value: place for place, change in enumerate(Change)}, value=alert_outbox.c.change)
"""Of what happened in one instant: raised, acknowledged, cleared."""


def due(connection: Connection, receiver: str, way: str, now: float, most: int = 50) -> list[Message]:
    """What is to be sent now, in the order in which it happened. What an alert came to later waits until its earlier
    message was taken or given up: nobody hears of the end of what he was not told of.
    """
    found = [row for row in _first_of_each(connection, receiver, way) if row.due_at <= now]
    return [
        Message(row.receiver, row.way, ALERT.validate_python(_lax(row.body)), Change(row.change), row.at, row.tries)
        for row in found[:most]
    ]


def _first_of_each(connection: Connection, receiver: str, way: str) -> list[Row[Any]]:
    """The first waiting message of each alert. There are few: tries end after some hours."""
    table = alert_outbox.c
    wanted = select(alert_outbox).where(table.receiver == receiver, table.way == way, table.due_at.is_not(None))
    found: dict[str, Row[Any]] = {}
    for row in connection.execute(wanted.order_by(table.at, table.alert, _ORDER)):
        found.setdefault(row.alert, row)
    return list(found.values())


def _lax(body: str) -> Any:
    return json.loads(body)


def next_due(connection: Connection, receiver: str, way: str) -> float | None:
    """When something is to be sent next; None where nothing waits."""
    return min((row.due_at for row in _first_of_each(connection, receiver, way)), default=None)


def sent(connection: Connection, one: Message) -> None:
    """It has been taken."""
    connection.execute(delete(alert_outbox).where(_mine(one)))


def failed(connection: Connection, given: tuple[Message, float | None]) -> None:
    """It has not been taken; tried again at that instant, None = no more."""
    one, due_at = given
    connection.execute(update(alert_outbox).where(_mine(one)).values(tries=one.tries + 1, due_at=due_at))


def forget_others(connection: Connection, known: Sequence[tuple[str, str]]) -> int:
    """Drop what is for receivers that the configuration has no more, and what was given up before this start."""
    kept = tuple_(alert_outbox.c.receiver, alert_outbox.c.way).in_(list(known))
    gone = ~kept if known else alert_outbox.c.alert.is_not(None)
    return connection.execute(delete(alert_outbox).where(gone | alert_outbox.c.due_at.is_(None))).rowcount


SENT: Operation[Message, None] = Operation("alert_sent", sent)
FAILED: Operation[tuple[Message, float | None], None] = Operation("alert_failed", failed)
FORGET: Operation[Sequence[tuple[str, str]], int] = Operation("alerts_forget", forget_others)


def due_soon(connection: Connection, until: float) -> list[tuple[str, str, str, int]]:
    """Open tickets whose deadline for closing lies before `until`: how many by region, dialled number and queue."""
    table = tickets.c
    wanted = (
        select(table.region, table.dialled, table.queue, func.count())
        .where(table.state.not_in([state.value for state in OVER]), table.handle_due < until)
        .group_by(table.region, table.dialled, table.queue)
    )
    return [(row[0], row[1], row[2], int(row[3])) for row in connection.execute(wanted)]
