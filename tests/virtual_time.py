"""A loop whose clock jumps to the next timer when nothing else is to be done: hours in milliseconds, always the same.

After livekit/agents' `tests/virtual_time.py`, in our own words. Everything that is waited for must be in memory.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock moves on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("the loop waits for something that no timer and nobody in memory will bring")
            self.now += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop in virtual time; it begins at second 0."""

    def __init__(self) -> None:
        self.clock = _Jump()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run `coro` to its end in virtual time; a task that it leaves behind is an error."""

    async def guarded() -> T:
        result = await coro
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(guarded())


def wall() -> float:
    """Epoch seconds by the running loop's clock: Monday, 2026-11-23, 10:00 in Shanghai, and what has passed since."""
    return START + asyncio.get_running_loop().time()


START = 1795399200.0
