"""A clock that jumps to what happens next. Things of the same instant happen in the order in which they were asked."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Agenda:
    """What is going to happen, in order. `now` is epoch seconds of the simulated day."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, instant: float, what: Callable[..., None], *arguments: Any) -> None:
        """Let `what` happen at that instant; one that has passed is now."""
        self._count += 1
        heappush(self._heap, (max(instant, self.now), self._count, what, arguments))

    def next(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        if not self._heap:
            return False
        self.now, _, what, arguments = heappop(self._heap)
        what(*arguments)
        return True
