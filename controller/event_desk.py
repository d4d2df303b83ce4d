"""Repeats and mass incidents as the web sees them: implements `web.event_desk.EventDesk` over the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from sqlalchemy import Connection

from controller.database import StoreError
from controller.spool import Operation
from controller.ticket_desk import from_store
from controller.writer import Store
from pbx.ids import TicketNumber
from tickets import follow_up_sql, incident_rows, incidents_sql, repeats_sql
from tickets.follow_up import Due, FollowUpRules
from tickets.incidents import IncidentView, MassIncident
from tickets.moves import Actor
from tickets.repeats import Draft, RepeatRules
from tickets.repeats_found import Found
from tickets.shown import sees_ticket
from tickets.ticket import Ticket, TicketPolicy

log = logging.getLogger(__name__)

Work = Callable[[Connection], MassIncident]


class HotlineEvents:
    """See `web.event_desk.EventDesk`. `over` tells the switchboard that an incident is closed, by its id.

    `changed` hears which tickets a write has changed, after its commit.
    """

    def __init__(
        self,
        store: Store,
        policy: TicketPolicy,
        clock: Callable[[], float],
        over: Callable[[str], None],
        rules: RepeatRules | None = None,
        follow_up: FollowUpRules | None = None,
        *,
        changed: Callable[[Iterable[TicketNumber]], None] = lambda numbers: None,
    ) -> None:
        self._store, self._policy, self._clock, self._over = store, policy, clock, over
        self._changed = changed
        self._rules, self._follow_up = rules or RepeatRules(), follow_up or FollowUpRules()
        # A person waits for it and is told when it fails: nothing to keep for later.
        self._write: Operation[Work, MassIncident] = Operation(
            "incident", lambda connection, work: work(connection), posts=True
        )

    async def repeats(self, draft: Draft, viewer: Actor) -> Found:
        """Tickets that are likely about the same."""
        return await from_store(self._store.read(repeats_sql.repeats_of, draft, viewer, self._policy, self._rules))

    async def incidents(self, since: float, until: float, viewer: Actor) -> Sequence[IncidentView]:
        """The incidents of a span, and those that go on."""

        def read(connection: Connection) -> list[IncidentView]:
            return incidents_sql.seen(connection, incident_rows.listed(connection, since, until), viewer, self._policy)

        return await from_store(self._store.read(read))

    async def incident(self, id: str, viewer: Actor) -> IncidentView | None:
        """One incident."""

        def read(connection: Connection) -> IncidentView | None:
            found = incident_rows.get(connection, id)
            return next(iter(incidents_sql.seen(connection, [found], viewer, self._policy)), None) if found else None

        return await from_store(self._store.read(read))

    async def open_incident(self, title: str, numbers: Sequence[TicketNumber], actor: Actor) -> MassIncident:
        """Make an incident of these tickets."""
        at = self._clock()
        made = await self._do(
            lambda connection: incidents_sql.open_incident(connection, title, numbers, actor, at, self._policy)
        )
        self._changed(dict.fromkeys(numbers))
        return made

    async def join(self, number: TicketNumber, other: TicketNumber, actor: Actor) -> MassIncident:
        """One click."""
        at = self._clock()
        joined = await self._do(
            lambda connection: incidents_sql.join(connection, number, other, actor, at, self._policy)
        )
        self._changed((number, other))
        return joined

    async def close_incident(self, id: str, reply: str, actor: Actor) -> MassIncident:
        """One reply to all."""
        at = self._clock()
        answered: list[TicketNumber] = []
        closed = await self._do(
            lambda connection: incidents_sql.close_incident(
                connection, id, reply, actor, at, self._policy, answered.append
            )
        )
        self._changed(answered)
        self.end_notices(id)
        return await self._settle(closed)

    async def follow_ups(self, limit: int, viewer: Actor) -> Sequence[Due]:
        """The tickets to be called back now."""

        def sees(ticket: Ticket) -> bool:
            return sees_ticket(ticket, viewer, self._policy)

        return await from_store(self._store.read(follow_up_sql.list_due, self._clock(), self._follow_up, limit, sees))

    def end_notices(self, id: str) -> None:
        """What is said of the incident ends."""
        self._over(id)

    async def go_on(self, spoken_of: Sequence[str]) -> None:
        """After a start: what a crash has interrupted. `spoken_of`: incidents of which a notice holds."""
        try:
            for id in await self._store.read(incident_rows.closed_ids, tuple(spoken_of)):
                self.end_notices(id)
            for id in await self._store.read(incident_rows.unsettled):
                found = await self._store.read(incident_rows.get, id)
                if found is not None:
                    await self._settle(found.incident)
        except StoreError as error:
            log.error("closed incidents are not settled yet: %s", error, extra={"action": "incident_unsettled"})

    async def _settle(self, incident: MassIncident) -> MassIncident:
        while not incident.settled:
            answered: list[TicketNumber] = []
            work = partial(
                incidents_sql.settle, id=incident.id, at=self._clock(), policy=self._policy, tell=answered.append
            )
            incident = await self._do(work)
            self._changed(answered)
        return incident

    async def _do(self, work: Work) -> MassIncident:
        written: asyncio.Future[MassIncident] = self._store.submit(self._write, work)
        return await from_store(written)
