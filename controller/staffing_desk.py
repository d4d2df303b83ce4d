"""Staffing as the web sees it: implements `web.staffing_desk.StaffingDesk` by the command, in a process of its own.

The process reads the database and the configuration itself, at low priority; one at a time, and what was asked
lately is remembered. The loop only waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from controller.config import Settings
from web.staffing_desk import StaffingQuestion, StaffingRefused

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600.0
WAITING = 4
"""So many questions wait for the one that is being worked on; the next is refused."""
KEPT_S, KEPT = 600.0, 32
_KNOWN = {3: "staffing_day"}
"""Exit statuses of the command that are no failure of it."""


class StaffingProcess:
    """See the module."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = settings.file
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._kept: dict[tuple[Any, ...], tuple[float, Mapping[str, Any]]] = {}

    async def ask(self, question: StaffingQuestion) -> Mapping[str, Any]:
        """See `StaffingDesk`."""
        if not question.queues:
            raise StaffingRefused("staffing_failed", "no queue")
        key = (question.what, question.first, question.days, tuple(question.queues), question.simulate)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        if self._waiting >= WAITING:
            raise StaffingRefused("staffing_busy")
        self._waiting += 1
        try:
            async with self._turn:
                kept = self._kept.get(key)
                if kept is not None and kept[0] > self._clock():  # the one before us asked the same
                    return kept[1]
                found = await self._work(question)
        finally:
            self._waiting -= 1
        while len(self._kept) >= KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._clock() + KEPT_S, found)
        return found

    async def _work(self, question: StaffingQuestion) -> Mapping[str, Any]:
        command = [
            *(sys.executable, "-m", "controller", "staffing", question.what, "--config", str(self._file)),
            *("--day", question.first.isoformat(), "--days", str(question.days), "--json", "-", "--nice", "10"),
            *(part for queue in question.queues for part in ("--queue", queue)),
        ]
        if question.what != "forecast" and not question.simulate:
            command.append("--no-simulation")
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environment
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                out, err = await process.communicate()
        except TimeoutError:
            raise StaffingRefused("staffing_failed", f"it took longer than {TIMEOUT_S:.0f} s") from None
        finally:
            await _end(process)
        if process.returncode not in (0, 1):
            said = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise StaffingRefused(_KNOWN.get(process.returncode or 0, "staffing_failed"), said[:500])
        found: Mapping[str, Any] = json.loads(out)
        return {name: value for name, value in found.items() if name != "nothing"}


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
