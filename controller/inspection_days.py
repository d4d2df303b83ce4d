"""Keeps the sums of quality inspection by day as they should be: what has changed is added up again, a little later.

What is to be done stands in the store (`recordings/inspection/days_sql.py`), so nothing is forgotten by a restart. It
is done in small pieces with rests between them: calls are written first. This also takes the list of the tickets whose
type has changed, since a type that was put right is no mismatch any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection

from controller.database import StoreError
from controller.inspection_rows import CityOf, changes_wait, cities_wait, name_cities, take_changes
from controller.spool import Operation
from controller.writer import Store
from recordings.inspection import days_sql

log = logging.getLogger(__name__)

AT_ONCE = 10
"""Agents' days; what the writer has to do for so many of them is some forty short statements."""
CHANGES_AT_ONCE = 100
PAUSE_S = 1.0
"""Between two rounds: what has changed meanwhile is added up in one."""
EVERY_S = 60.0
"""Not everything that changes a day wakes us."""
RETRY_S = 5.0


class InspectionDays:
    """See the module."""

    def __init__(
        self,
        store: Store,
        wrong_type: ColumnElement[bool],
        city_of: CityOf,
        *,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        """`wrong_type`: what says that a ticket is of a wrong type. `over` is called after each round."""
        self._store, self._wrong, self._city_of, self._over = store, wrong_type, city_of, over
        self._news = asyncio.Event()
        self._taking: Operation[int, int] = Operation("take_keeping", take_changes)
        self._naming: Operation[tuple[int, CityOf], int] = Operation("name_inspection_cities", name_cities)
        self._putting: Operation[days_sql.Folded, None] = Operation("put_inspection_days", days_sql.put)
        self._named = False
        self.waiting = 0
        """Agents' days that are still to be added up, as counted last."""

    def ready(self) -> None:
        """Something may have changed; never waits."""
        self._news.set()

    async def run(self) -> None:
        """Keep the sums until cancelled."""
        stop_listening = self._store.listen(self.ready)
        try:
            while True:
                self._news.clear()
                try:
                    await self.catch_up()
                except StoreError as error:
                    log.warning("sums wait for the store: %s", error.code, extra={"action": "inspection.days_wait"})
                    await asyncio.sleep(RETRY_S)
                    continue
                self._over()
                await asyncio.sleep(PAUSE_S)
                try:
                    async with asyncio.timeout(EVERY_S):
                        await self._news.wait()
                except TimeoutError:
                    pass
        finally:
            stop_listening()

    async def catch_up(self) -> int:
        """Add up everything that has changed; how many agents' days. Raises `StoreError`."""
        while not self._named and await self._store.read(cities_wait):
            await self._rested(self._store.submit(self._naming, (CHANGES_AT_ONCE, self._city_of)))
        self._named = True  # what is judged from now on has its city
        while await self._store.read(changes_wait):
            await self._rested(self._store.submit(self._taking, CHANGES_AT_ONCE))
        done = 0
        self.waiting = await self._store.read(days_sql.count_due)
        while (folded := await self._store.read(self._fold)).of:
            await self._rested(self._store.submit(self._putting, folded))
            done += len(folded.of)
            self.waiting = max(0, self.waiting - len(folded.of))
        self.waiting = 0
        return done

    def _fold(self, connection: Connection) -> days_sql.Folded:
        return days_sql.refold(connection, days_sql.due(connection, AT_ONCE), self._wrong)

    @staticmethod
    async def _rested(work: asyncio.Future[Any]) -> None:
        """Wait for a piece of work, and then for as long again: calls go first."""
        began = time.monotonic()
        await work
        await asyncio.sleep(time.monotonic() - began)
