"""The wait of whoever sends is put out in the database: for a commit, or for the instant of the next try. No poll."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from controller.records import Records

LONGEST_WAIT_S = 3600.0
"""The wait runs by the loop's clock and tries are due by the wall's: so long the two may drift apart unnoticed."""


class Outgoing:
    """One sender's ear at the store: `begin` a round, send what is due, then `wait`; `close` in the end."""

    def __init__(self, records: Records, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._news = asyncio.Event()
        self._end = records.listen(self._news.set)

    def begin(self) -> None:
        """What is committed from now on ends the next wait, even if this round sees it already."""
        self._news.clear()

    async def wait(self, until: float | None) -> None:
        """Until something may be there to be sent, or it is `until`, epoch seconds; None = nothing is due later."""
        left = LONGEST_WAIT_S if until is None else min(max(0.0, until - self._clock()), LONGEST_WAIT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._news.wait()

    def close(self) -> None:
        """Listen no more."""
        self._end()
