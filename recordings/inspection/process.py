"""DOOR to the process that inspects (`worker.py`), seen from the event loop.

It is started by the first question and ended when it has had none for a while, so a quiet hotline keeps no memory for
it. What happens to it (a crash, a file that takes too long) is a fault of that question, never of a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recordings.inspection.findings import Inspection
from recordings.transcript import Transcript

ROOT = Path(__file__).resolve().parents[2]
LINE_LIMIT = 16 * 1024 * 1024
BASE_S, PER_AUDIO_S = 60.0, 0.05
"""A recording may take so long, and so long for each of its seconds: 20 times what it takes on a machine with load."""
IDLE_S = 300.0


class InspectionFailed(Exception):
    """The process died of the recording, or took too long, twice; the text says which."""


class InspectionProcess:
    """One process; one question at a time."""

    def __init__(self, rules: Mapping[str, Any], *, idle_s: float = IDLE_S) -> None:
        """`rules`: the table of the rules' file."""
        self._rules = json.dumps(rules, ensure_ascii=False).encode() + b"\n"
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def inspect(
        self,
        sound: Path | None,
        duration_s: float,
        talks: tuple[tuple[float, float], ...],
        holds: tuple[tuple[float, float], ...],
        transcript: Transcript | None,
    ) -> Inspection:
        """What is found; `sound` None: there is none any more. Raises `InspectionFailed`."""
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            self._number += 1
            question = {
                "job": self._number,
                "sound": str(sound) if sound is not None else None,
                "talks": talks,
                "holds": holds,
                "transcript": transcript.to_json() if transcript is not None else None,
            }
            why = ""
            try:
                for _ in range(2):
                    try:
                        async with asyncio.timeout(BASE_S + PER_AUDIO_S * duration_s):
                            return Inspection.from_json((await self._ask(question))["found"])
                    except TimeoutError:
                        why = "it took too long"
                    except (EOFError, OSError, ValueError, KeyError):
                        why = "the process ended over it"
                    await self._end()
                raise InspectionFailed(why)
            except asyncio.CancelledError:
                await self._end()  # an answer may be under way that would be taken for the next one's
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._rest)

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self.pid is None:
            await self._end()
            await self._launch()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question, ensure_ascii=False).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        if answer["job"] != question["job"]:
            raise EOFError
        return answer

    async def _launch(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "recordings.inspection.worker",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # a traceback could hold what was said
            limit=LINE_LIMIT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._rules)

    def _rest(self) -> None:
        if not self._turn.locked():
            self._ending = asyncio.get_running_loop().create_task(self.stop())

    async def stop(self) -> None:
        """End the process; the next question starts another one. May be called twice."""
        if self._idle is not None:
            self._idle.cancel()
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
