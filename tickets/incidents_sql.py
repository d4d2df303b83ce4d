"""Mass incidents and the tickets in them; see `tickets/incidents.py`. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from pbx.ids import TicketNumber
from tickets import incident_rows
from tickets.given import Move
from tickets.incidents import SETTLED_FROM, IncidentView, MassIncident, closed, opened, refuse_joining, refuse_settling
from tickets.moves import Actor, TicketInput
from tickets.shown import reviews, sees_ticket
from tickets.sql import get_ticket, move_ticket, samples
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
    refuse_joining(actor)
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
    refuse_joining(actor)
    if number == other:
        raise TicketRefused("bad_into", "A ticket is joined with another one.", "with")
    theirs = _known(connection, other, actor, policy)
    if theirs.incident_id is None:
        return open_incident(connection, "", (other, number), actor, at, policy)
    move_ticket(connection, number, Move(TicketInput.JOIN, incident=theirs.incident_id), actor, at, policy)
    return incident_rows.locked(connection, theirs.incident_id)


Tell = Callable[[TicketNumber], None]
"""Hears which tickets were answered, inside the transaction; of one that is done again, it hears again."""


def close_incident(
    connection: Connection,
    id: str,
    reply: str,
    actor: Actor,
    at: float,
    policy: TicketPolicy,
    tell: Tell = lambda number: None,
) -> MassIncident:
    """Close an incident and answer the first of its tickets; `settle` answers the others.

    Raises `TicketRefused`: ``unknown_mass_incident`` for one of which the actor sees no ticket, ``not_all_yours`` where
    some belong to another hotline, whose callers only it answers, also those that it gave to the actor's to handle.
    """
    refuse_settling(actor)
    incident = incident_rows.locked(connection, id)
    kinds = samples(connection, [id]).get(id, ())
    if kinds and not any(sees_ticket(one, actor, policy) for one in kinds):
        raise TicketRefused("unknown_mass_incident", "There is no such incident.", "incident")
    if not all(reviews(one, actor, policy) for one in kinds):
        raise TicketRefused("not_all_yours", "Some of its tickets are another hotline's; who sees all closes it.")
    over = closed(incident, reply, actor, at, policy)
    incident_rows.save(connection, over)
    return settle(connection, id, at, policy, tell)


def settle(
    connection: Connection, id: str, at: float, policy: TicketPolicy, tell: Tell = lambda number: None
) -> MassIncident:
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
        tell(TicketNumber(number))
    if len(numbers) < AT_ONCE:
        incident = replace(incident, settled=True)
        incident_rows.save(connection, incident)
    return incident


def seen(
    connection: Connection, views: Sequence[IncidentView], viewer: Actor, policy: TicketPolicy
) -> list[IncidentView]:
    """Those of which `viewer` sees a ticket: the words of an incident are those of its tickets."""
    if viewer.unit not in policy.organisations:
        return list(views)
    found = samples(connection, [one.incident.id for one in views])
    return [one for one in views if any(sees_ticket(t, viewer, policy) for t in found.get(one.incident.id, ()))]


def _known(connection: Connection, number: TicketNumber, actor: Actor, policy: TicketPolicy) -> Ticket:
    found = get_ticket(connection, number)
    if found is None or not sees_ticket(found, actor, policy):
        raise TicketRefused("unknown_ticket", "There is no ticket of this number.")
    return found
