"""What the web needs of other organisations: the ownership register and the exchange. The controller implements it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pbx.ids import TicketNumber
from tickets.exchange.inbox import Receipt
from tickets.moves import Actor
from tickets.ownership import Concern, HitRate, OwnershipRow, Suggestion
from tickets.ticket import Attachment, Ticket


class TicketOffice(Protocol):
    """The ownership register, and the other installations. All methods may raise `web.backend.Unavailable`."""

    async def suggest(self, concern: Concern) -> Sequence[Suggestion]:
        """The units that seem to own a concern, best first."""
        ...

    async def ownership(self, class_code: str | None, unit: str | None) -> Sequence[OwnershipRow]:
        """The register's rows."""
        ...

    async def put_ownership(self, row: OwnershipRow) -> OwnershipRow:
        """Write a row; its id is 0 for a new one. Raises `TicketRefused`."""
        ...

    async def drop_ownership(self, id: int) -> bool:
        """Take a row out; False where there is none."""
        ...

    async def hit_rate(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Mapping[str, HitRate]:
        """How often the register was right about tickets handled in [since, until), by class; ``*`` = all."""
        ...

    async def take_piece(
        self, headers: Mapping[str, str], file: Attachment, offset: int, data: bytes
    ) -> tuple[bytes, str]:
        """Take a piece of a peer's file in; the answer, and its signature.

        Raises `NotTrusted`, `MessageRefused`, `Unavailable`.
        """
        ...

    async def take_message(self, headers: Mapping[str, str], raw: bytes) -> tuple[Receipt, Callable[[int, bytes], str]]:
        """Take a peer's message in; with what signs the answer. Raises `NotTrusted`, `MessageRefused`."""
        ...

    async def peers(self) -> Sequence[Mapping[str, Any]]:
        """How the exchange with each peer stands."""
        ...

    async def talks(self, ticket: TicketNumber) -> Sequence[Mapping[str, Any]]:
        """What was said and heard about a ticket."""
        ...

    async def give_back(self, ticket: TicketNumber, reason: str, actor: Actor) -> Ticket | None:
        """退回 to who handed it over; None for an unknown number. Raises `TicketRefused`."""
        ...
