"""What the web needs of reminders: one protocol, implemented by `controller/reminder_desk.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pbx.ids import TicketNumber
from tickets.schedule import Made
from tickets.ticket import Ticket


class ReminderDesk(Protocol):
    """Reminders and escalations that were made. Methods that read may raise `web.backend.Unavailable`."""

    @property
    def version(self) -> int:
        """Grows whenever one was made."""
        ...

    async def changed(self, version: int) -> int:
        """Wait until `version` differs (it may already); give the new one."""
        ...

    async def newest(self) -> int:
        """The number of the newest; 0 = there is none."""
        ...

    async def after(self, no: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        """The next `count` after number `no`, with their tickets as they are now."""
        ...

    async def between(self, since: float, until: float, after: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        """The next `count` after number `after` that were made in [since, until), epoch seconds."""
        ...

    async def of(self, numbers: Sequence[TicketNumber]) -> Mapping[str, Sequence[Made]]:
        """What was made about each of these tickets, oldest first."""
        ...
