"""DOOR to a live recogniser's process: sound goes in as it comes, words come out; nothing here ever waits for it.

What is given and not heard yet is bounded by count, not by trust: a process that stands still takes no more than
`LiveLimits.longest_behind_s` of each leg, and the rest of the sound is not kept anywhere (the recording has it). A
process that dies is started again, later and later; its legs go on in the new one from where they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recordings.closed import ClosedList
from recordings.live_recogniser import CLOSE, DROP, HEAD, OPEN, SAY_EVERY, SOUND
from recordings.models import FoundModel
from recordings.recogniser import RecogniserError, RecogniserSpec, spec_argument
from recordings.transcript import Word

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
"""Where the worker process finds this package."""
LINE_LIMIT = 4 * 1024 * 1024
"""Bytes of one answer: the words of one sentence."""
PIPES_S = 1.0
"""How long the pipes of a process that is gone may take to close."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Bounds of a worker. `load_s`: for its model to load. `longest_behind_s`: of each leg so much sound may wait in
    memory to be heard; what comes beyond is dropped. `restart_first_s`, `restart_last_s`: how soon a process that died
    is started again, doubled each time that it dies young. `stuck_s`: a process that has sound to hear and says nothing
    for so long is ended, and another one started. `stop_s`: how long it may take to end.
    """

    load_s: float = 120.0
    longest_behind_s: float = 3.0
    restart_first_s: float = 0.5
    restart_last_s: float = 60.0
    stuck_s: float = 15.0
    stop_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Heard:
    """News of one leg. `base`: the sample since which `final` counts; `partial` None = none is told; `closed`: the last
    news; `deaf`: the model knows nothing of what is to be heard."""

    base: int
    partial: str | None = None
    final: tuple[Word, ...] = ()
    closed: bool = False
    deaf: bool = False


@dataclass(slots=True)
class _Leg:
    rate: int
    tell: Callable[[Heard], None]
    closed: ClosedList | None = None
    given: int = 0  # samples, since the beginning
    heard: int = 0  # of these
    base: int = 0  # the sample at which the present process has opened it
    closing: bool = False

    def opening(self) -> bytes:
        """What the process is told to open it."""
        return self.rate.to_bytes(4, "big") + (self.closed.encode() if self.closed is not None else b"")


class LiveWorker:
    """One process with one model, for many legs. `run` it as a task."""

    def __init__(
        self,
        model: FoundModel,
        *,
        min_conf: float = 0.0,
        limits: LiveLimits | None = None,
        changed: Callable[[], None] = lambda: None,
        command: tuple[str, ...] = (sys.executable, "-m", "recordings.live_recogniser"),
        arguments: tuple[str, ...] = (),
    ) -> None:
        """`changed` is called when `ready` has changed. `command` starts the process (drills replace it), which gets
        the model and the `arguments` (`recordings.live_recogniser.CLOSED`)."""
        self._spec = RecogniserSpec(str(model.path), model.name, model.language, model.grammar, min_conf)
        self.model = model
        self._limits = limits or LiveLimits()
        self._changed = changed
        self._command, self._arguments = command, arguments
        self._process: Process | None = None
        self._legs: dict[int, _Leg] = {}
        self._number = 0
        self._silent_since: float | None = None
        self.ready = False
        """Whether the model is loaded and sound is heard."""
        self.failed = ""
        """Why the model cannot be loaded at all; empty while nobody knows of a reason."""
        self.restarts = 0
        """How often the process had to be started again, for /metrics."""
        self.dropped_s = 0.0
        """Seconds of sound that nobody heard, because the process was away or too far behind, for /metrics."""

    @property
    def pid(self) -> int | None:
        """The worker's process id, None when it is not running."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def legs(self) -> int:
        """How many legs are open."""
        return len(self._legs)

    def behind(self, leg: int) -> float:
        """Seconds of a leg's sound that wait to be heard."""
        one = self._legs.get(leg)
        return (one.given - one.heard) / one.rate if one is not None else 0.0

    # ---------------------------------------------------------------- legs

    def open(self, rate: int, tell: Callable[[Heard], None], closed: ClosedList | None = None) -> int:
        """A new leg of `rate` Hz; its number. `tell` gets its news, from the loop, and must not wait.

        `closed`: nothing but this is to be heard of it.
        """
        self._number += 1
        leg = self._legs[self._number] = _Leg(rate, tell, closed)
        if self.ready:
            self._send(OPEN, self._number, leg.opening())
        return self._number

    def feed(self, leg: int, pcm: bytes) -> bool:
        """Sound of a leg: whole samples. False when it is dropped, because too much waits or nobody is there."""
        one = self._legs.get(leg)
        if one is None or one.closing:
            return False
        samples = len(pcm) // 2
        late = one.given - one.heard + samples > self._limits.longest_behind_s * one.rate
        if not self.ready or late:
            self.dropped_s += samples / one.rate
            if not late:  # its place on the time line is kept: the new process opens it here
                one.given += samples
                one.heard = one.base = one.given
            return False
        one.given += samples
        self._send(SOUND, leg, pcm)
        return True

    def close(self, leg: int) -> None:
        """No more sound will come; what is left is told, and then that it is `closed`."""
        one = self._legs.get(leg)
        if one is None or one.closing:
            return
        one.closing = True
        if self.ready:
            self._send(CLOSE, leg)
        else:
            self._over(leg, one)

    def drop(self, leg: int) -> None:
        """Forget a leg; nothing more is told of it."""
        if self._legs.pop(leg, None) is not None and self.ready:
            self._send(DROP, leg)

    def _over(self, leg: int, one: _Leg) -> None:
        del self._legs[leg]
        one.tell(Heard(one.base, closed=True))

    def _send(self, kind: int, leg: int, payload: bytes = b"") -> None:
        """Into the pipe's buffer, whose bound is that of `feed`; this never waits."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(HEAD.pack(kind, leg, len(payload)) + payload)

    def end_if_stuck(self) -> None:
        """Kill the process if it has had something to answer for too long without a word; `run` starts another one.

        To be called again and again. Less sound than `SAY_EVERY` needs no answer, and may be all that a leg ever sends.
        """
        waits = any(one.closing or one.given - one.heard >= SAY_EVERY for one in self._legs.values())
        now = asyncio.get_running_loop().time()
        if self._process is None or not self.ready or not waits:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since >= self._limits.stuck_s:
            log.warning("the live recogniser is stuck", extra={"action": "live.worker_stuck"})
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._silent_since = None

    # ---------------------------------------------------------------- the process

    async def run(self) -> None:
        """Keep the process until cancelled, or until it says that its model cannot be loaded at all."""
        loop, limits = asyncio.get_running_loop(), self._limits
        pause = limits.restart_first_s
        try:
            while not self.failed:
                began = loop.time()
                try:
                    await self._live()
                except (EOFError, OSError, TimeoutError, ValueError) as error:
                    log.warning("the live recogniser has ended (%s)", type(error).__name__,
                                extra={"action": "live.worker_died"})  # fmt: skip
                except RecogniserError as error:
                    self.failed = str(error)
                    log.error("no live words: %s", error, extra={"action": "live.failed"})
                self._away()
                await self._end(0)
                if loop.time() - began > limits.restart_last_s:
                    pause = limits.restart_first_s
                if not self.failed:
                    self.restarts += 1
                    await asyncio.sleep(pause)
                    pause = min(limits.restart_last_s, pause * 2)
        finally:
            self._away()
            await self._end(limits.stop_s)

    async def _live(self) -> None:
        """One process from its start to its end. EOFError in the end, RecogniserError for a model that is none."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            spec_argument(self._spec),
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # libraries write what they heard there
            limit=LINE_LIMIT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        )
        async with asyncio.timeout(self._limits.load_s):
            answer = await self._line(process)
        if "failed" in answer:
            raise RecogniserError(str(answer["failed"]))
        self.ready = True
        for number, leg in list(self._legs.items()):
            leg.base = leg.heard = leg.given
            self._send(OPEN, number, leg.opening())
        log.info("live recogniser ready", extra={"action": "live.ready"})
        self._changed()
        while True:
            self._news(await self._line(process))

    @staticmethod
    async def _line(process: Process) -> dict[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the worker has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _news(self, answer: dict[str, Any]) -> None:
        leg = self._legs.get(int(answer["leg"]))
        if leg is None:
            return  # it was dropped meanwhile
        self._silent_since = None
        leg.heard = leg.base + int(answer["at"])
        if answer.get("closed"):
            self._over(int(answer["leg"]), leg)
        elif answer.get("deaf"):
            leg.tell(Heard(leg.base, deaf=True))
        elif "final" in answer:
            leg.tell(Heard(leg.base, final=tuple(Word(*word) for word in answer["final"])))
        elif "partial" in answer:
            leg.tell(Heard(leg.base, partial=str(answer["partial"])))

    def _away(self) -> None:
        """Nobody hears for now: what was partial will never be final, and what was being closed is closed."""
        was, self.ready = self.ready, False
        self._silent_since = None
        for number, leg in list(self._legs.items()):
            self.dropped_s += (leg.given - leg.heard) / leg.rate
            leg.base = leg.heard = leg.given
            if leg.closing:
                self._over(number, leg)
            else:
                leg.tell(Heard(leg.base, partial=""))
        if was:
            self._changed()

    async def _end(self, grace_s: float) -> None:
        """End the process: by the end of its input within `grace_s` seconds, else by force; wait until it is gone."""
        process = self._process  # ours until it is gone: who is cancelled here ends it once more
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None and grace_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        await _pipes_closed(process)
        self._process = None


async def _pipes_closed(process: Process) -> None:
    """Of a process that is gone: else they are collected some time later, with a warning to whoever is at work then."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(PIPES_S):
            if process.stdout is not None:
                while await process.stdout.read(LINE_LIMIT):
                    pass
            if process.stdin is not None:
                await process.stdin.wait_closed()
