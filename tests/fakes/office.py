"""Other organisations in memory: the ownership register as a dictionary, and an installation without peers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pbx.ids import TicketNumber
from tests.fakes.desk import MemoryDesk
from tickets.exchange.inbox import Receipt
from tickets.exchange.signing import NotTrusted
from tickets.moves import Actor
from tickets.ownership import Concern, HitRate, Ownership, OwnershipRow, Suggestion
from tickets.texts import TicketRefused
from tickets.ticket import Attachment, Ticket


class MemoryOffice:
    """Implements `web.offices.TicketOffice`."""

    def __init__(self, desk: MemoryDesk) -> None:
        self._desk = desk
        self._rows: dict[int, OwnershipRow] = {}

    async def suggest(self, concern: Concern) -> Sequence[Suggestion]:
        policy = self._desk.policy
        return Ownership(self._rows.values(), policy.classes, policy.organisations).suggest(concern)

    async def ownership(self, class_code: str | None, unit: str | None) -> Sequence[OwnershipRow]:
        return [one for one in self._rows.values() if class_code in (None, one.class_code) and unit in (None, one.unit)]

    async def put_ownership(self, row: OwnershipRow) -> OwnershipRow:
        kept = replace(row, id=row.id or len(self._rows) + 1)
        self._rows[kept.id] = kept
        return kept

    async def drop_ownership(self, id: int) -> bool:
        return self._rows.pop(id, None) is not None

    async def hit_rate(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> Mapping[str, HitRate]:
        return {}

    async def take_message(self, headers: Mapping[str, str], raw: bytes) -> tuple[Receipt, Callable[[int, bytes], str]]:
        raise NotTrusted("unknown_key")

    async def take_piece(
        self, headers: Mapping[str, str], file: Attachment, offset: int, data: bytes
    ) -> tuple[bytes, str]:
        raise NotTrusted("unknown_key")

    async def peers(self) -> Sequence[Mapping[str, Any]]:
        return []

    async def talks(self, ticket: TicketNumber) -> Sequence[Mapping[str, Any]]:
        return []

    async def give_back(self, ticket: TicketNumber, reason: str, actor: Actor) -> Ticket | None:
        if await self._desk.ticket(ticket) is None:
            return None
        raise TicketRefused("not_offered", "No other hotline has handed this ticket over to us.")
