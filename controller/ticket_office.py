"""Other organisations as the web sees them: implements `web.offices.TicketOffice` over the records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from controller.records import Records
from controller.ticket_desk import from_store
from pbx.ids import TicketNumber
from tickets.exchange.inbox import Receipt
from tickets.exchange.signing import NotTrusted
from tickets.moves import Actor
from tickets.ownership import Concern, HitRate, OwnershipRow, Suggestion
from tickets.ticket import Attachment, Ticket
from web.backend import Unavailable

if TYPE_CHECKING:
    from controller.peers import PeerExchange


log = logging.getLogger(__name__)


class HotlineOffice:
    """The ownership register, and the exchange with other installations (None = there is none)."""

    def __init__(self, records: Records, peers: PeerExchange | None, clock: Callable[[], float]) -> None:
        self._records, self._peers, self._clock = records, peers, clock

    async def suggest(self, concern: Concern) -> Sequence[Suggestion]:
        """The units that seem to own a concern."""
        return await from_store(self._records.suggest_units(concern))

    async def ownership(self, class_code: str | None, unit: str | None) -> Sequence[OwnershipRow]:
        """The register's rows."""
        return await from_store(self._records.ownership(class_code, unit))

    async def put_ownership(self, row: OwnershipRow) -> OwnershipRow:
        """Write a row."""
        return await from_store(self._records.put_ownership(row))

    async def drop_ownership(self, id: int) -> bool:
        """Take a row out."""
        return await from_store(self._records.drop_ownership(id))

    async def hit_rate(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Mapping[str, HitRate]:
        """How often the register was right."""
        return await from_store(self._records.hit_rate(since, until, regions))

    async def take_message(self, headers: Mapping[str, str], raw: bytes) -> tuple[Receipt, Callable[[int, bytes], str]]:
        """Take a peer's message in."""
        if self._peers is None:
            raise NotTrusted("unknown_key")
        return await from_store(self._peers.take(headers, raw))

    async def take_piece(
        self, headers: Mapping[str, str], file: Attachment, offset: int, data: bytes
    ) -> tuple[bytes, str]:
        """Take a piece of a peer's file in."""
        if self._peers is None:
            raise NotTrusted("unknown_key")
        try:
            return await self._peers.take_piece(headers, file, offset, data)
        except OSError as error:
            log.error("a peer's file cannot be kept: %s", error.strerror, extra={"action": "exchange.file"})
            raise Unavailable("store") from None

    async def peers(self) -> Sequence[Mapping[str, Any]]:
        """How the exchange with each peer stands."""
        standing = {one.peer: asdict(one) for one in await from_store(self._records.exchange_standing())}
        known = self._peers.peers if self._peers is not None else {}
        nothing = {"waiting": 0, "since": None, "error": ""}
        return [standing.get(peer, {"peer": peer, **nothing}) for peer in sorted({*known, *standing})]

    async def talks(self, ticket: TicketNumber) -> Sequence[Mapping[str, Any]]:
        """What was said and heard about a ticket."""
        return await from_store(self._records.exchange_history(ticket))

    async def give_back(self, ticket: TicketNumber, reason: str, actor: Actor) -> Ticket | None:
        """退回 to who handed it over."""
        if await from_store(self._records.ticket(ticket)) is None:
            return None
        return await from_store(self._records.give_back(ticket, reason, actor, at=self._clock()))
