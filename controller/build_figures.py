"""Figures as a part of a serving hotline: agents' intervals, the desk of figures, the closing of days."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from multiprocessing import get_context
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.archivist import give_way
from controller.config import Settings
from controller.database import StoreError
from controller.day_rows import list_closings
from controller.house import House
from controller.journal_file import last_step
from controller.shifts import SAVE_INTERVAL, ShiftKeeper
from controller.writer import Store
from metrics.intervals_sql import open_intervals
from web.figures_desk import FiguresDesk

log = logging.getLogger(__name__)

FIRST_LOOK_S = 60.0
"""So long after a start the first day is closed: a restart in the rush is not the time."""

LOOK_EVERY_S = 600.0

MOST_DAYS = 31
"""After an outage so many days are made up for; older ones are closed by command."""


class FiguresPart:
    """Made before the engine runs; `stepped` is called after each of its steps, `run` closes days."""

    operation = SAVE_INTERVAL  #: for the store's spool

    def __init__(self, settings: Settings, clock: Callable[[], float], shifts: ShiftKeeper, store: Store) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self.shifts = shifts
        self.stepped = shifts.stepped
        self.close = shifts.flush

    @classmethod
    async def open(cls, settings: Settings, store: Store, house: House, clock: Callable[[], float]) -> FiguresPart:
        """Raises `StoreError`."""
        alive_until = await asyncio.to_thread(last_step, settings.data / "journal")
        still_open = await store.read(open_intervals)
        keeper = ShiftKeeper(house, lambda one: store.put(SAVE_INTERVAL, one), still_open, alive_until)
        return cls(settings, clock, keeper, store)

    def desk(self) -> FiguresDesk:
        """Figures for the pages."""
        from controller.figures_desk import HotlineFigures  # with the pages: callers do not wait for it

        return HotlineFigures(self._store, self._settings, self._clock)

    async def run(self) -> None:
        """Close each day that is over, when its hour has come; until cancelled."""
        if self._settings.figures.close_at is None:
            return
        await asyncio.sleep(FIRST_LOOK_S)
        while True:
            try:
                for day in await self.due():
                    await self.close_day(day)
            except (StoreError, OSError) as error:
                log.warning("no day is closed yet: %s", error, extra={"action": "day.away"})
            except Exception:  # as when its process was ended for want of memory: the next look tries again
                log.exception("no day is closed yet", extra={"action": "day.fault"})
            await asyncio.sleep(LOOK_EVERY_S)

    async def due(self) -> list[date]:
        """The days that should be closed now, oldest first: those with a journal since the last that was closed."""
        rules, zone = self._settings.figures, ZoneInfo(self._settings.plan.timezone)
        if rules.close_at is None:
            return []
        today = datetime.fromtimestamp(self._clock(), zone)
        sealed = {one.row.day for one in await self._store.read(list_closings)}
        begun = await asyncio.to_thread(_days, self._settings.data / "journal")
        found = []
        for back in range(MOST_DAYS, 0, -1):
            day = today.date() - timedelta(days=back)
            # Seconds by the clock on the wall, also on a day with a change to daylight time.
            hour = datetime.combine(day + timedelta(days=1), time(), UTC) + timedelta(seconds=rules.close_at)
            over = hour.replace(tzinfo=None) <= today.replace(tzinfo=None)
            if over and day.isoformat() not in sealed and day.strftime("%Y%m%d") in begun:
                found.append(day)
        return found

    async def close_day(self, day: date) -> None:
        """Close one day in a process of its own that gives way to everything. Raises `StoreError`, OSError."""
        from controller.days import DayRefused, Place
        from controller.days import close as close_one

        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=give_way)
        try:
            work = pool.submit(close_one, Place.of(self._settings), day, self._clock(), "by itself")
            sealed = await asyncio.wrap_future(work)
            log.info("the day %s is closed; seal %s", day, sealed.seal, extra={"action": "day.closed"})
        except DayRefused as error:
            log.info("the day %s is not closed: %s", day, error.en, extra={"action": "day.refused"})
        finally:
            await asyncio.shield(asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True))


def _days(folder: Path) -> set[str]:
    return {file.name.split(".jsonl")[0].rpartition("-")[2] for file in folder.glob("*.jsonl*")}
