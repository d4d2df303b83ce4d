"""The ticket desk as the web sees it: implements `web.desk.TicketDesk` over the records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Sequence
from pathlib import Path
from typing import TypeVar

from controller.database import StoreError
from controller.imports import id_of
from controller.records import TICKETS, Records
from pbx.ids import AgentId, TicketNumber
from tickets.approvals import Approval
from tickets.files import AttachmentFiles
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import Actor
from tickets.search import TicketFilter, TicketPage
from tickets.ticket import Ticket, TicketChange, TicketMove, TicketPolicy
from web.backend import Unavailable
from web.desk import FileTaken

T = TypeVar("T")


async def from_store(work: Awaitable[T]) -> T:
    """The store's answer; a store that is away is said in the web's words."""
    try:
        return await work
    except StoreError:
        raise Unavailable("store") from None


class HotlineDesk:
    """The hotline's tickets."""

    def __init__(
        self,
        records: Records,
        policy: TicketPolicy,
        agents: Container[AgentId],
        clock: Callable[[], float],
        files: AttachmentFiles,
    ) -> None:
        self.files = files
        self._records, self._policy, self._agents, self._clock = records, policy, agents, clock

    @property
    def policy(self) -> TicketPolicy:
        """The hotline's rules for tickets."""
        return self._policy

    def knows_agent(self, agent: str) -> bool:
        """Whether the configuration has such an agent."""
        return AgentId(agent) in self._agents

    async def settle_files(self, left: Sequence[tuple[Path, str]]) -> None:
        """Take away what a process left that was killed while it took files in, unless a ticket names it."""
        for part, digest in left:
            try:
                named = await self._records.names_file(digest)
            except StoreError:
                return  # the next start asks again
            await asyncio.to_thread(self.files.settle, part, digest, named=named)

    async def page(self, wanted: TicketFilter) -> TicketPage:
        """The next tickets of a list."""
        return await from_store(self._records.page_of_tickets(wanted))

    async def ticket(self, number: TicketNumber) -> Ticket | None:
        """One ticket."""
        return await from_store(self._records.ticket(number))

    async def moves(self, number: TicketNumber) -> Sequence[TicketMove]:
        """Everything that was done to a ticket."""
        return await from_store(self._records.ticket_moves(number))

    async def take(self, intake: Intake, wanted: TicketChange, actor: Actor) -> Ticket:
        """Take down a ticket that no call opened."""
        return await from_store(self._records.take_ticket(intake, wanted, actor))

    async def take_file(
        self, data: bytes, rows: Sequence[tuple[int, TicketChange]], intake: Intake, actor: Actor, anew: bool
    ) -> FileTaken:
        """Take down the tickets of a file."""
        id = id_of(data, TICKETS, actor.id, actor.unit)
        done = await from_store(self._records.take_file(id, rows, intake, actor, anew=anew))
        taken = [(line, TicketNumber(number)) for one in done.results for line, number in one["taken"]]
        return FileTaken(done.id, done.before, taken)

    async def change(self, number: TicketNumber, wanted: TicketChange, actor: Actor, version: int | None) -> Ticket:
        """Fill in a ticket."""
        now = self._clock()
        return await from_store(self._records.change_ticket(number, wanted, actor, at=now, version=version))

    async def move(self, number: TicketNumber, move: Move, actor: Actor) -> Ticket:
        """Do one thing to a ticket."""
        return await from_store(self._records.move_ticket(number, move, actor, at=self._clock()))

    async def decided(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Sequence[tuple[TicketNumber, Approval]]:
        """The requests decided in a span."""
        return await from_store(self._records.decided_requests(since, until, regions))
