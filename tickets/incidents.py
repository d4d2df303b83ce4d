"""A mass incident (同类事件): one event, many callers, each with his own ticket and number, one reply to all. Pure.

A ticket joins by the move `JOIN` and leaves by `LEAVE`. When the incident is closed with a reply, every ticket in it
that is not answered yet is answered with that (`SETTLE`); one that is still being taken down then is answered as soon
as it has a type and a text. Tickets that were answered before keep their answers. Closing happens once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tickets.moves import RIGHTS, Actor, Role, TicketInput, TicketState
from tickets.texts import TicketRefused, cleaned, one_line
from tickets.ticket import TicketPolicy


@dataclass(frozen=True, slots=True)
class MassIncident:
    """One event. Times in epoch seconds; `closed_at` None = it goes on; `settled`: every ticket in it is answered."""

    id: str
    title: str
    opened_at: float
    opened_by: str
    class_code: str = ""
    region: str = ""
    reply: str = ""
    closed_at: float | None = None
    closed_by: str = ""
    closed_role: Role | None = None
    closed_unit: str = ""
    settled: bool = False

    @property
    def closer(self) -> Actor:
        """In whose name the tickets are answered."""
        return Actor(self.closed_by, self.closed_role or Role.SYSTEM, self.closed_unit)


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with how many tickets are in it, by state."""

    incident: MassIncident
    states: Mapping[str, int]


SETTLED_FROM = frozenset({TicketState.REGISTERED, TicketState.DISPATCHED, TicketState.SIGNED, TicketState.REPLIED})
"""States in which a ticket is answered when its incident is closed."""


def opened(id: str, title: str, actor: Actor, at: float, policy: TicketPolicy) -> MassIncident:
    """A new incident. Raises `TicketRefused` (``not_allowed``, ``title_too_long``, ``bad_title``, ``missing``)."""
    refuse_joining(actor)
    name = one_line(title, "title", policy.title_max)
    if not name:
        raise TicketRefused("missing", "An incident has a title.", "title")
    return MassIncident(id, name, at, actor.id)


def refuse_joining(actor: Actor) -> None:
    """Raise `TicketRefused` (``not_allowed``) for who may not put tickets into incidents."""
    if TicketInput.JOIN not in RIGHTS[actor.role]:
        raise TicketRefused("not_allowed", "This is not the right of your role.")


def refuse_settling(actor: Actor) -> None:
    """Raise `TicketRefused` (``not_allowed``) for who may not answer all tickets of an incident."""
    if TicketInput.SETTLE not in RIGHTS[actor.role]:
        raise TicketRefused("not_allowed", "This is not the right of your role.")


def closed(incident: MassIncident, reply: str, actor: Actor, at: float, policy: TicketPolicy) -> MassIncident:
    """The incident, over. Raises `TicketRefused` (``not_allowed``, ``incident_closed``, ``missing``, …)."""
    refuse_settling(actor)
    refuse_closed(incident)
    text = cleaned(reply, "text", policy.text_max)
    if not text:
        raise TicketRefused("missing", "An incident is closed with a reply to all.", "text")
    return replace(
        incident, reply=text, closed_at=at, closed_by=actor.id, closed_role=actor.role, closed_unit=actor.unit
    )


def refuse_closed(incident: MassIncident) -> None:
    """Raise `TicketRefused` (``incident_closed``) for one that is over."""
    if incident.closed_at is not None:
        raise TicketRefused("incident_closed", "The incident is over; a new one can be opened.", "incident")
