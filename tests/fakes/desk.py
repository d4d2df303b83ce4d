"""A ticket desk in memory: the same rule as the real one (`tickets.flow.apply`), over a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

from pbx.commands import OpenTicket
from pbx.ids import AgentId, TicketNumber
from tests.ticket_story import UNITS
from tickets.approvals import Approval, Outcome
from tickets.files import AttachmentFiles
from tickets.flow import Intake, apply, opened
from tickets.follow_up import Due
from tickets.given import Move
from tickets.incidents import IncidentView, MassIncident
from tickets.moves import Actor, Role, TicketInput
from tickets.public import PublicTicket
from tickets.repeats import Draft
from tickets.repeats_found import Found
from tickets.schedule import Made
from tickets.search import TicketFilter, TicketPage
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketChange, TicketMove, TicketPolicy, number_of
from tickets.words import keys_of, wanted_keys
from web.desk import FileTaken


class MemoryDesk:
    """Implements `web.desk.TicketDesk`; `check` raises while the store is away."""

    def __init__(self, agents: Container[AgentId], clock: Callable[[], float], check: Callable[[], None]) -> None:
        self.policy = TicketPolicy(units=UNITS)
        self.files = AttachmentFiles(Path("/nowhere"))  # a test that sends files names a folder of its own
        self.requests: list[tuple[str, ...]] = []
        self.tickets: dict[TicketNumber, Ticket] = {}
        self._moves: dict[TicketNumber, list[TicketMove]] = {}
        self._agents, self._clock, self._check = agents, clock, check

    def open_for(self, opening: OpenTicket) -> TicketNumber:
        """A call has been answered."""
        return self._new(opening, Actor(opening.agent, Role.AGENT)).number

    def _new(self, opening: OpenTicket | Intake, actor: Actor) -> Ticket:
        number = number_of("20261122", len(self.tickets) + 1)
        self.tickets[number], first = opened(number, opening, actor, self.policy)
        self._moves[number] = [first]
        return self.tickets[number]

    def knows_agent(self, agent: str) -> bool:
        return AgentId(agent) in self._agents

    async def page(self, wanted: TicketFilter) -> TicketPage:
        self._check()
        found = [one for one in self.tickets.values() if self._fits(one, wanted)]
        if wanted.said is not None or wanted.place is not None:
            keys = frozenset(wanted_keys(wanted))
            found = [one for one in found if keys <= keys_of(one)]
        found.sort(key=lambda one: one.number, reverse=wanted.newest)
        if wanted.after is not None:
            if wanted.after not in self.tickets:
                raise TicketRefused("unknown_target", "There is no ticket of this number.", "after")
            after = wanted.after
            found = [one for one in found if (one.number < after if wanted.newest else one.number > after)]
        page = tuple(found[: wanted.limit])
        return TicketPage(page, page[-1].number if len(found) > wanted.limit else None)

    def _fits(self, ticket: Ticket, wanted: TicketFilter) -> bool:
        plain = ("type", "urgency", "channel", "class_code", "region", "agent", "repeat_of", "caller")
        asked = {one.kind for one in ticket.approvals if one.outcome is Outcome.ASKED}
        return (
            wanted.since <= ticket.opened_at < wanted.until
            and (wanted.states is None or ticket.state in wanted.states)
            and all(getattr(wanted, name) in (None, getattr(ticket, name)) for name in plain)
            and (wanted.units is None or bool(wanted.units & ticket.units))
            and wanted.incident in (None, ticket.incident_id)
            and (wanted.asked is None or wanted.asked in asked)
            and wanted.supervised in (None, ticket.supervised_at is not None)
        )

    async def ticket(self, number: TicketNumber) -> Ticket | None:
        self._check()
        return self.tickets.get(number)

    async def moves(self, number: TicketNumber) -> Sequence[TicketMove]:
        self._check()
        return self._moves[number]

    async def take(self, intake: Intake, wanted: TicketChange, actor: Actor) -> Ticket:
        self._check()
        ticket = self._new(intake, actor)
        if wanted == TicketChange():
            return ticket
        try:
            return self._do(ticket.number, Move(TicketInput.AMEND, change=wanted), actor)
        except TicketRefused:
            del self.tickets[ticket.number], self._moves[ticket.number]
            raise

    async def take_file(
        self, data: bytes, rows: Sequence[tuple[int, TicketChange]], intake: Intake, actor: Actor, anew: bool
    ) -> FileTaken:
        made = [(line, (await self.take(intake, change, actor)).number) for line, change in rows]
        return FileTaken("memory", False, made)

    async def change(self, number: TicketNumber, wanted: TicketChange, actor: Actor, version: int | None) -> Ticket:
        self._check()
        try:
            ticket = self._do(number, Move(TicketInput.AMEND, version, change=wanted), actor)
        except TicketRefused as refusal:
            if refusal.code != "nothing_to_change":
                raise
            ticket = self.tickets[number]
        self.requests.append(("update_ticket", number, actor.id))
        return ticket

    async def move(self, number: TicketNumber, move: Move, actor: Actor) -> Ticket:
        self._check()
        return self._do(number, move, actor)

    def _do(self, number: TicketNumber, move: Move, actor: Actor) -> Ticket:
        if number not in self.tickets:
            raise TicketRefused("unknown_ticket", "There is no such ticket.")
        self.tickets[number], kept = apply(self.tickets[number], move, actor, self._clock(), self.policy)
        self._moves[number].append(kept)
        return self.tickets[number]

    async def decided(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Sequence[tuple[TicketNumber, Approval]]:
        self._check()
        return [
            (ticket.number, one)
            for ticket in self.tickets.values()
            for one in ticket.approvals
            if one.decided_at is not None and since <= one.decided_at < until
        ]


class NoEvents:
    """Implements `web.event_desk.EventDesk`: nothing is like anything. Tests of repeats have a real store."""

    async def repeats(self, draft: Draft, viewer: Actor) -> Found:
        return Found((), None, ())

    async def incidents(self, since: float, until: float, viewer: Actor) -> Sequence[IncidentView]:
        return ()

    async def incident(self, id: str, viewer: Actor) -> IncidentView | None:
        return None

    async def open_incident(self, title: str, numbers: Sequence[TicketNumber], actor: Actor) -> MassIncident:
        raise TicketRefused("unknown_ticket", "There is no such ticket.")

    async def join(self, number: TicketNumber, other: TicketNumber, actor: Actor) -> MassIncident:
        raise TicketRefused("unknown_ticket", "There is no such ticket.")

    async def close_incident(self, id: str, reply: str, actor: Actor) -> MassIncident:
        raise TicketRefused("unknown_mass_incident", "There is no such incident.")

    async def follow_ups(self, limit: int, viewer: Actor) -> Sequence[Due]:
        return ()

    def end_notices(self, id: str) -> None:
        """None is held."""


class NoPublic:
    """Implements `web.public_desk.PublicDesk`: no ticket is found. Tests of the query have a real store."""

    async def query(self, number: str, proof: str, source: str) -> PublicTicket | None:
        return None

    def code(self, number: TicketNumber) -> str:
        return "00000000"


class NoReminders:
    """Implements `web.reminder_desk.ReminderDesk`: nothing is ever due. Tests of reminders have a real store."""

    version = 0

    async def changed(self, version: int) -> int:
        await asyncio.Event().wait()
        return version

    async def newest(self) -> int:
        return 0

    async def after(self, no: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        return ()

    async def between(self, since: float, until: float, after: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        return ()

    async def of(self, numbers: Sequence[TicketNumber]) -> Mapping[str, Sequence[Made]]:
        return {}
