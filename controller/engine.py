"""The loop: inbox -> step -> journal -> commands. One consumer, in order; nothing awaits inside a step.

An event whose rule raises is logged with its journal position, counted and dropped, and the line goes on: one strange
call must not silence the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pbx.commands import Command, StepCommand, Wake
from pbx.events import Event, StepLost, TimeIsUp

log = logging.getLogger(__name__)

BATCH = 64
"""So many events are taken in one turn before other tasks (sockets, pages) get theirs."""


class Stepper(Protocol):
    """What the engine drives: the switchboard."""

    def step(self, event: Event, now: float) -> list[Command]:
        """One event in, commands out."""
        ...


class Log(Protocol):
    """Where every input goes before its effects are promised to anyone: the journal."""

    def append(self, event: Event, now: float, commands: Sequence[Command], error: str = "") -> int:
        """Append one input; return its position. Never blocks, never raises."""
        ...


class WallClock:
    """Epoch seconds that never go back: a stepped system clock stands still here until time has caught up."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self) -> float:
        """Now."""
        self._last = max(self._last, time.time())
        return self._last


class Engine:
    """Drives a switchboard with the events that doors, people and timers post."""

    def __init__(
        self,
        switchboard: Stepper,
        journal: Log,
        perform: Callable[[Command], None],
        clock: Callable[[], float],
        *observers: Callable[[Event], None],
    ) -> None:
        """`observers` are told of each event once its step is made and its commands are performed. None of them can end
        the calls: what one raises is logged, and the others are told all the same.
        """
        self._switchboard = switchboard
        self._journal = journal
        self._perform = perform
        self._clock = clock
        self._observers = observers
        self._inbox: deque[Event] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: asyncio.Handle | None = None  #: the next turn, when one is due
        self._broken: asyncio.Future[None] | None = None
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self.steps = 0
        self.failures = 0

    def post(self, event: Event) -> None:
        """Put an event at the end of the inbox; it is taken in the order of arrival."""
        self._inbox.append(event)
        if self._turn is None and self._loop is not None:
            self._turn = self._loop.call_soon(self._take_some)

    async def run(self) -> None:
        """Take events until cancelled; what is in the inbox then is still taken."""
        self._loop = asyncio.get_running_loop()
        self._broken = self._loop.create_future()
        self._turn = self._loop.call_soon(self._take_some)
        try:
            await self._broken
        finally:
            self._loop = None
            if self._turn is not None:
                self._turn.cancel()
            self._turn = None
            while self._inbox:
                self._take(self._inbox.popleft())
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    def _take_some(self) -> None:
        """One turn. A callback of the loop and no task: waking a task for each event costs more than most steps."""
        self._turn = None
        try:
            for _ in range(min(BATCH, len(self._inbox))):
                self._take(self._inbox.popleft())
        except Exception as error:  # the journal's or our own fault, which no event may be dropped for: `run` raises it
            if self._broken is None or self._broken.done():
                raise
            self._broken.set_exception(error)
            return
        if self._inbox and self._turn is None and self._loop is not None:
            self._turn = self._loop.call_soon(self._take_some)

    def _take(self, event: Event) -> None:
        now = self._clock()
        commands: list[Command] = []
        failure: Exception | None = None
        try:
            commands = self._switchboard.step(event, now)
        except Exception as error:
            failure = error
            self.failures += 1
        position = self._journal.append(event, now, commands, type(failure).__name__ if failure else "")
        self.steps += 1
        if failure is not None:
            # The traceback shows source lines; the exception's own text may hold caller data and stays out.
            where = "".join(traceback.format_tb(failure.__traceback__))
            log.error(
                "journal position %d: %s was dropped, its rule raised %s\n%s",
                position,
                type(event).__name__,
                type(failure).__name__,
                where,
                extra={"action": "event_dropped"},
            )
        for command in commands:
            if isinstance(command, Wake):
                self._wake(command, now)
                continue
            try:
                self._perform(command)
            except Exception as error:
                self.failures += 1
                log.error(
                    "journal position %d: %s was not performed: %s",
                    position,
                    type(command).__name__,
                    type(error).__name__,
                    extra={"action": "command_not_performed"},
                )
                if isinstance(command, StepCommand):  # nobody may wait for an answer that cannot come
                    self.post(StepLost(command.call, command.step, "not_performed", self._clock()))
        for observer in self._observers:
            try:
                observer(event)
            except Exception as error:
                self.failures += 1
                log.error(
                    "journal position %d: after %s an observer raised %s\n%s",
                    position,
                    type(event).__name__,
                    type(error).__name__,
                    "".join(traceback.format_tb(error.__traceback__)),
                    extra={"action": "observer_failed"},
                )

    def _wake(self, wake: Wake, now: float) -> None:
        """Start a timer; the newer one of the same kind and key replaces the older."""
        key = (wake.kind.value, wake.key)
        loop = asyncio.get_running_loop()
        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()

        def ring() -> None:
            self._timers.pop(key, None)
            self.post(TimeIsUp(wake.kind, wake.key, wake.generation, self._clock()))

        self._timers[key] = loop.call_later(max(0.0, wake.at - now), ring)


async def cancelled(task: asyncio.Task[object]) -> None:
    """Cancel a task and wait until it has ended; its own error is raised, the cancellation is not."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def tell_fault(task: asyncio.Task[object]) -> None:
    """For a task that has ended: if by a fault of ours, log where. The error's own words may hold a caller's data."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        where = "".join(traceback.format_tb(error.__traceback__))
        told = "a part of the hotline has ended by %s; it comes back with the next start\n%s"
        log.error(told, type(error).__name__, where, extra={"action": "part_ended"})
