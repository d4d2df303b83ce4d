"""What the web needs of repeats and mass incidents: one protocol, implemented by `controller/event_desk.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pbx.ids import TicketNumber
from tickets.follow_up import Due
from tickets.incidents import IncidentView, MassIncident
from tickets.moves import Actor
from tickets.repeats import Draft
from tickets.repeats_found import Found


class EventDesk(Protocol):
    """Repeats, mass incidents and follow-ups as the web sees them.

    Methods that write answer after the commit and may raise `TicketRefused`, `CalendarError`; all may raise
    `web.backend.Unavailable`.
    """

    async def repeats(self, draft: Draft, viewer: Actor) -> Found:
        """Tickets that are likely about the same as `draft`, as far as `viewer` may know of them."""
        ...

    async def incidents(self, since: float, until: float, viewer: Actor) -> Sequence[IncidentView]:
        """The incidents opened in [since, until), and those that go on, oldest first, of which `viewer` may know."""
        ...

    async def incident(self, id: str, viewer: Actor) -> IncidentView | None:
        """One incident, if `viewer` may know of it."""
        ...

    async def open_incident(self, title: str, numbers: Sequence[TicketNumber], actor: Actor) -> MassIncident:
        """Make an incident of these tickets; an empty title is taken from them."""
        ...

    async def join(self, number: TicketNumber, other: TicketNumber, actor: Actor) -> MassIncident:
        """`number` is about the same event as `other`: into its incident, or into a new one of both."""
        ...

    async def close_incident(self, id: str, reply: str, actor: Actor) -> MassIncident:
        """One reply to all. Answers when every ticket in it is answered; what is said of it to callers ends."""
        ...

    async def follow_ups(self, limit: int, viewer: Actor) -> Sequence[Due]:
        """The first tickets to be called back now that `viewer` may look at, by rule before by sample."""
        ...

    def end_notices(self, id: str) -> None:
        """What is said of the incident to callers ends, if it is closed; who registered is told."""
        ...
