"""Reminders as the web sees them: implements `web.reminder_desk.ReminderDesk`; the sink of `controller.reminders`.

What was made stands in the database, numbered; the sink only wakes those who look. So nobody who looks again after a
restart misses one or gets one twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.reminders import to_log
from controller.ticket_desk import from_store
from controller.writer import Store
from pbx.ids import TicketNumber
from tickets import steps_sql
from tickets.schedule import Made
from tickets.ticket import Ticket
from web.backend import ChangeSignal


class HotlineReminders:
    """See `web.reminder_desk.ReminderDesk`. Its methods are for the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._signal = ChangeSignal()

    async def tell(self, made: Made) -> None:
        """The sink: a line for operators, and whoever looks is woken."""
        await to_log(made)
        self._signal.bump()

    @property
    def version(self) -> int:
        """Grows whenever one was made."""
        return self._signal.version

    async def changed(self, version: int) -> int:
        """Wait for another version."""
        return await self._signal.wait(version)

    async def newest(self) -> int:
        """The number of the newest."""
        return await from_store(self._store.read(steps_sql.newest))

    async def after(self, no: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        """The next after number `no`."""
        return await from_store(self._store.read(steps_sql.told_after, no, count))

    async def between(self, since: float, until: float, after: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        """The next of a span."""
        return await from_store(self._store.read(steps_sql.told_between, since, until, after, count))

    async def of(self, numbers: Sequence[TicketNumber]) -> Mapping[str, Sequence[Made]]:
        """What was made about each of these tickets."""
        return await from_store(self._store.read(steps_sql.told_of, numbers)) if numbers else {}
