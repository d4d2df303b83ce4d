"""Mass incidents on disk: one row each; which tickets are in one stands in the tickets.

Functions take a connection and run inside the caller's transaction. An incident that is being joined or closed is
locked, so that nobody joins one that is being closed.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    PrimaryKeyConstraint,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from tickets.incidents import IncidentView, MassIncident
from tickets.log import plain
from tickets.moves import Role
from tickets.tables import metadata, tickets
from tickets.texts import TicketRefused

incidents = Table(
    "ticket_incidents",
    metadata,
    Column("id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("class_code", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("closed_at", Double),
    Column("closed_by", Text, nullable=False),
    Column("closed_role", Text),
    Column("closed_unit", Text, nullable=False),
    Column("settled", Boolean, nullable=False),
    PrimaryKeyConstraint("id", name="pk_ticket_incidents"),
    Index("ix_ticket_incidents_opened_at", "opened_at"),
)

_COLUMNS = tuple(column.name for column in incidents.c)


def new_id(connection: Connection, at: float) -> str:
    """An id that no incident has: the instant in milliseconds, counted on where two begin in the same one."""
    instant = int(at * 1000)
    while connection.execute(select(incidents.c.id).where(incidents.c.id == f"i{instant}")).first() is not None:
        instant += 1
    return f"i{instant}"


def add(connection: Connection, incident: MassIncident) -> None:
    """Write a new incident."""
    connection.execute(insert(incidents), {name: plain(getattr(incident, name)) for name in _COLUMNS})


def save(connection: Connection, incident: MassIncident) -> None:
    """Write an incident as it is now."""
    values = {name: plain(getattr(incident, name)) for name in _COLUMNS}
    connection.execute(update(incidents).where(incidents.c.id == incident.id).values(values))


def locked(connection: Connection, id: str) -> MassIncident:
    """An incident that is about to be changed or joined. Raises `TicketRefused` (``unknown_incident``)."""
    row = connection.execute(select(incidents).where(incidents.c.id == id).with_for_update()).first()
    if row is None:
        raise TicketRefused("unknown_mass_incident", "There is no such incident.", "incident")
    return _incident(row)


def get(connection: Connection, id: str) -> IncidentView | None:
    """One incident, or None."""
    row = connection.execute(select(incidents).where(incidents.c.id == id)).first()
    return _views(connection, [row])[0] if row else None


def listed(connection: Connection, since: float, until: float) -> list[IncidentView]:
    """The incidents opened in [since, until), and those that go on, oldest first."""
    given = (incidents.c.opened_at >= since) & (incidents.c.opened_at < until)
    query = select(incidents).where(given | incidents.c.closed_at.is_(None))
    return _views(connection, list(connection.execute(query.order_by(incidents.c.opened_at, incidents.c.id))))


def unsettled(connection: Connection) -> list[str]:
    """The incidents that are closed and whose tickets may not all be answered yet."""
    query = select(incidents.c.id).where(incidents.c.closed_at.is_not(None), incidents.c.settled.is_(False))
    return list(connection.execute(query.order_by(incidents.c.closed_at)).scalars())


def closed_ids(connection: Connection, ids: tuple[str, ...]) -> list[str]:
    """Which of these incidents are closed."""
    query = select(incidents.c.id).where(incidents.c.id.in_(ids), incidents.c.closed_at.is_not(None))
    return list(connection.execute(query).scalars())


def _views(connection: Connection, rows: list[Row[tuple[object, ...]]]) -> list[IncidentView]:
    found = [_incident(row) for row in rows]
    counted: dict[str, dict[str, int]] = {}
    for start in range(0, len(found), 500):
        ids = [one.id for one in found[start : start + 500]]
        query = select(tickets.c.incident_id, tickets.c.state, func.count()).where(tickets.c.incident_id.in_(ids))
        for id, state, count in connection.execute(query.group_by(tickets.c.incident_id, tickets.c.state)):
            counted.setdefault(str(id), {})[state] = count
    return [IncidentView(one, counted.get(one.id, {})) for one in found]


def _incident(row: Row[tuple[object, ...]]) -> MassIncident:
    values = dict(row._mapping)
    role = values.pop("closed_role")
    return MassIncident(**values, closed_role=Role(role) if role is not None else None)
