"""What the web needs from the ticket desk: one protocol. The controller implements it; the tests have it in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pbx.ids import TicketNumber
from tickets.approvals import Approval
from tickets.files import AttachmentFiles
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import Actor
from tickets.search import TicketFilter, TicketPage
from tickets.ticket import Ticket, TicketChange, TicketMove, TicketPolicy


@dataclass(frozen=True, slots=True)
class FileTaken:
    """What a file of tickets has become: what it is known by, whether an earlier sending of it had been taken in whole,
    and each line with its ticket.
    """

    id: str
    before: bool
    tickets: Sequence[tuple[int, TicketNumber]]


class TicketDesk(Protocol):
    """The hotline's tickets as the web sees them.

    Methods that write answer after the commit and may raise `TicketConflict`, `TicketRefused`, `CalendarError`; all may
    raise `web.backend.Unavailable`.
    """

    @property
    def policy(self) -> TicketPolicy:
        """The hotline's rules for tickets."""
        ...

    @property
    def files(self) -> AttachmentFiles:
        """The files of tickets."""
        ...

    def knows_agent(self, agent: str) -> bool:
        """Whether the configuration has such an agent."""
        ...

    async def page(self, wanted: TicketFilter) -> TicketPage:
        """The next tickets of a list."""
        ...

    async def ticket(self, number: TicketNumber) -> Ticket | None:
        """One ticket by its public number."""
        ...

    async def moves(self, number: TicketNumber) -> Sequence[TicketMove]:
        """Everything that was done to a ticket, in order."""
        ...

    async def take(self, intake: Intake, wanted: TicketChange, actor: Actor) -> Ticket:
        """Take down a ticket that no call opened."""
        ...

    async def take_file(
        self, data: bytes, rows: Sequence[tuple[int, TicketChange]], intake: Intake, actor: Actor, anew: bool
    ) -> FileTaken:
        """Take down a ticket for each line of a file, some at a time, so that calls are not kept waiting.

        The same `data` again goes on where it was cut, and makes nothing when it had come to its end, unless `anew`.
        """
        ...

    async def change(self, number: TicketNumber, wanted: TicketChange, actor: Actor, version: int | None) -> Ticket:
        """Fill in a ticket; `version` None = whatever it is now."""
        ...

    async def move(self, number: TicketNumber, move: Move, actor: Actor) -> Ticket:
        """Do one thing to a ticket."""
        ...

    async def decided(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Sequence[tuple[TicketNumber, Approval]]:
        """The requests decided in [since, until), epoch seconds."""
        ...
