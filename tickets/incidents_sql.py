"""Mass incidents and the tickets in them; see `tickets/incidents.py`. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from pbx.ids import TicketNumber
from tickets import incident_rows
from tickets.given import Move
from tickets.incidents import SETTLED_FROM, IncidentView, MassIncident, closed, may_join, opened
from tickets.moves import Actor, TicketInput
from tickets.shown import sees_all, sees_ticket
from tickets.sql import get_ticket, move_ticket, of_incident
from tickets.tables import tickets
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketPolicy

AT_ONCE = 50
"""So many tickets are answered in one transaction: whoever waits for another write does not wait for a thousand."""


def open_incident(
    connection: Connection,
    title: str,
    numbers: Sequence[TicketNumber],
    actor: Actor,
    at: float,
    policy: TicketPolicy,
) -> MassIncident:
    """Make an incident of these tickets. Raises `TicketRefused`: of all of them or of none."""
    may_join(actor)
    found = [_known(connection, number, actor, policy) for number in numbers]
    name = title or next((one.title or one.text[: policy.title_max] for one in found if one.title or one.text), "")
    incident = opened(incident_rows.new_id(connection, at), name.replace("\n", " "), actor, at, policy)
    incident = replace(
        incident,
        class_code=next((one.class_code for one in found if one.class_code), ""),
        region=next((one.region for one in found if one.region), ""),
    )
    incident_rows.add(connection, incident)
    for number in dict.fromkeys(numbers):
        move_ticket(connection, number, Move(TicketInput.JOIN, incident=incident.id), actor, at, policy)
    return incident


def join(
    connection: Connection, number: TicketNumber, other: TicketNumber, actor: Actor, at: float, policy: TicketPolicy
) -> MassIncident:
    """One click: `number` is about the same event as `other`; the incident of that one, or a new one of both."""
    if number == other:
        raise TicketRefused("bad_into", "A ticket is joined with another one.", "with")
    may_join(actor)
    _known(connection, number, actor, policy)
    theirs = _known(connection, other, actor, policy)
    if theirs.incident_id is None:
        return open_incident(connection, "", (other, number), actor, at, policy)
    move_ticket(connection, number, Move(TicketInput.JOIN, incident=theirs.incident_id), actor, at, policy)
    return incident_rows.locked(connection, theirs.incident_id)


def close_incident(
    connection: Connection, id: str, reply: str, actor: Actor, at: float, policy: TicketPolicy
) -> MassIncident:
    """Close an incident and answer the first of its tickets; `settle` answers the others. Raises `TicketRefused`.

    Its tickets are answered by who may look at them all: another city answers its own.
    """
    found = incident_rows.locked(connection, id)
    if not sees_incident(connection, id, actor, policy):
        raise TicketRefused("unknown_mass_incident", "There is no such incident.", "incident")
    over = closed(found, reply, actor, at, policy)
    if not sees_all(actor, policy) and not all(sees_ticket(one, actor, policy) for one in of_incident(connection, id)):
        raise TicketRefused("not_allowed", "Others' tickets are in it, which you cannot answer.")
    incident_rows.save(connection, over)
    return settle(connection, id, at, policy)


def settle(connection: Connection, id: str, at: float, policy: TicketPolicy) -> MassIncident:
    """Answer some tickets of a closed incident; `settled` says that none is left. After a crash it goes on the same."""
    incident = incident_rows.locked(connection, id)
    if incident.closed_at is None or incident.settled:
        return incident
    states = [state.value for state in SETTLED_FROM]
    waiting = select(tickets.c.number).where(tickets.c.incident_id == id, tickets.c.state.in_(states))
    numbers = list(connection.execute(waiting.order_by(tickets.c.number).limit(AT_ONCE)).scalars())
    answer = Move(TicketInput.SETTLE, text=incident.reply)
    for number in numbers:
        move_ticket(connection, TicketNumber(number), answer, incident.closer, at, policy)
    if len(numbers) < AT_ONCE:
        incident = replace(incident, settled=True)
        incident_rows.save(connection, incident)
    return incident


def sees_incident(connection: Connection, id: str, viewer: Actor, policy: TicketPolicy) -> bool:
    """Whether an incident is there for `viewer`: he may look at one of its tickets at least."""
    return sees_all(viewer, policy) or any(sees_ticket(one, viewer, policy) for one in of_incident(connection, id))


def list_incidents(
    connection: Connection, since: float, until: float, viewer: Actor, policy: TicketPolicy
) -> list[IncidentView]:
    """The incidents opened in [since, until), and those that go on, oldest first, that are there for `viewer`."""
    found = incident_rows.listed(connection, since, until)
    return [one for one in found if sees_incident(connection, one.incident.id, viewer, policy)]


def get_incident(connection: Connection, id: str, viewer: Actor, policy: TicketPolicy) -> IncidentView | None:
    """One incident, or None where there is none for `viewer`."""
    found = incident_rows.get(connection, id)
    return found if found is not None and sees_incident(connection, id, viewer, policy) else None


def _known(connection: Connection, number: TicketNumber, actor: Actor, policy: TicketPolicy) -> Ticket:
    found = get_ticket(connection, number)
    if found is None or not sees_ticket(found, actor, policy):
        raise TicketRefused("unknown_ticket", "There is no ticket of this number.")
    return found
