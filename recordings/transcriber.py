"""DOOR to the recogniser's worker process: transcripts of finished recordings, without touching the call
path.

One process holds one model (0.5 GB) and does one recording after another; jobs wait in a bounded line.
Nothing here blocks the event loop, and whatever happens to the process - crash, hang, a model that cannot
be loaded - is an error of the job, never of a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recordings import files
from recordings.models import FoundModel
from recordings.recogniser import RecogniserError, RecogniserSpec, spec_argument
from recordings.transcript import SPEAKERS, Speaker, Transcript, Turn, Word, merge, turns_of

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
"""Where the worker process finds this package."""
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer: about 80 a word, so far more than a day of speech."""


class RecogniserTimeout(RecogniserError):
    """A recording took longer than it may; the worker was killed and will be started again."""


class RecogniserCrashed(RecogniserError):
    """The worker process died of this recording, twice."""


class RecogniserStopped(RecogniserError):
    """The worker was stopped before this recording's turn came."""


class RecogniserBusy(RecogniserError):
    """The line of recordings is full; the recording is safe and may be brought again later."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of the worker, all open to configuration.

    `queue_size`: recordings that may wait; one more is refused. `load_s`: for the model to
    load (2-3 s for a small one, a minute for a big one). A job may take `job_base_s` plus `job_per_audio_s`
    for each second of recording: an open vocabulary needs 0.3-0.7 s of a core for a second of one leg
    (shared/speech.md section 1), two legs, and the machine is shared. `turn_gap_s`: the pause that begins a
    new turn.
    """

    queue_size: int = 1000
    load_s: float = 120.0
    job_base_s: float = 30.0
    job_per_audio_s: float = 3.0
    turn_gap_s: float = 1.0
    stop_s: float = 2.0


class TranscriptWorker:
    """Makes transcripts with one model in a process of its own. `start` before use, `stop` at the end."""

    def __init__(self, model: FoundModel, *, min_conf: float = 0.0, limits: WorkerLimits | None = None) -> None:
        """`min_conf`: words of which the recogniser is less sure (0..1) are left out."""
        self._model = model
        self._limits = limits or WorkerLimits()
        self._spec = RecogniserSpec(str(model.path), model.name, model.language, model.grammar, min_conf)
        self._turn = asyncio.Lock()  # first come, first served
        self._running = False
        self._process: Process | None = None
        self._number = 0
        self.pending = 0
        """Recordings waiting or being transcribed, for /metrics."""
        self.restarts = 0
        """How often the process had to be started again, for /metrics."""

    @property
    def pid(self) -> int | None:
        """The worker's process id, None when it is not running."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process and wait until its model is loaded. RecogniserError if it cannot be."""
        async with self._turn:
            if self._running:
                raise RuntimeError("already started")
            await self._launch()
            self._running = True

    async def stop(self) -> None:
        """End the process; whoever still waits for a transcript gets RecogniserStopped. May be called
        twice.
        """
        self._running = False
        await self._end(self._limits.stop_s)

    async def transcribe(self, wav: Path, *, talks: Sequence[tuple[float, float]] | None = None) -> Transcript:
        """The transcript of a finished recording; waits its turn.

        `talks`: the stretches in which citizen and agent were joined, in seconds from the recording's
        start. What lies outside is not heard: there the caller's ear holds prompts and music, of which a
        recogniser makes confident nonsense. None hears the whole recording. Raises RecogniserError.
        """
        if self.pending > self._limits.queue_size:
            raise RecogniserBusy(f"{self.pending} recordings wait for their transcript; ask again later")
        self.pending += 1
        try:
            async with self._turn:
                return await self._do(wav, talks)
        except RecogniserError as error:
            log.warning("no transcript: %s", type(error).__name__, extra={"action": "transcript.failed"})
            raise
        finally:
            self.pending -= 1

    async def _do(self, wav: Path, talks: Sequence[tuple[float, float]] | None) -> Transcript:
        try:
            duration = await asyncio.to_thread(files.duration_of, wav)
        except files.RecordingError as error:
            raise RecogniserError(str(error)) from error
        allowed = self._limits.job_base_s + self._limits.job_per_audio_s * duration
        for _ in range(2):
            await self._ensure_running()
            try:
                async with asyncio.timeout(allowed):
                    answer = await self._ask(wav, talks)
            except TimeoutError:
                await self._end(0)
                raise RecogniserTimeout(f"{wav.name} took longer than {allowed:.0f} s") from None
            except (EOFError, ConnectionError):
                await self._end(0)
                continue
            except BaseException:
                await self._end(0)  # an answer may be under way that would be taken for the next one's
                raise
            if "error" in answer:
                raise RecogniserError(answer["error"])
            return self._transcript(answer)
        self._check_running()
        raise RecogniserCrashed(f"the recogniser died twice over {wav.name}")

    def _check_running(self) -> None:
        if not self._running:
            raise RecogniserStopped("the recogniser is not running")

    async def _ensure_running(self) -> None:
        self._check_running()
        if self.pid is None:
            await self._end(0)
            self.restarts += 1
            await self._launch()
            if not self._running:  # stopped while the model was loading
                await self._end(0)
                self._check_running()

    async def _ask(self, wav: Path, talks: Sequence[tuple[float, float]] | None) -> dict[str, Any]:
        process = self._process
        assert process is not None  # noqa: S101 - for the type checker
        assert process.stdin is not None  # noqa: S101
        self._number += 1
        question = {"job": self._number, "wav": str(wav), "windows": talks}
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        answer = await self._line(process)
        if answer.get("job") != self._number:
            raise EOFError("answer to another question")
        return answer

    @staticmethod
    async def _line(process: Process) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the worker has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _transcript(self, answer: dict[str, Any]) -> Transcript:
        turns: dict[Speaker, list[Turn]] = {}
        for speaker in SPEAKERS:
            words = [Word(*word) for word in answer["legs"][speaker]]
            turns[speaker] = turns_of(speaker, words, self._limits.turn_gap_s)
        model = self._model
        return Transcript(merge(turns), model.language, model.name, model.grammar, answer["duration_s"])

    async def _launch(self) -> None:
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "recordings.recogniser",
            spec_argument(self._spec),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # libraries write what they heard there
            limit=LINE_LIMIT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        )
        try:
            async with asyncio.timeout(self._limits.load_s):
                answer = await self._line(process)
        except TimeoutError:
            await self._end(0)
            raise RecogniserError(f"{self._model.name} was not loaded within {self._limits.load_s:g} s") from None
        except EOFError:
            await self._end(0)
            raise RecogniserError(f"the recogniser's process ended while it loaded {self._model.name}") from None
        except BaseException:
            await self._end(0)
            raise
        if "failed" in answer:
            await self._end(0)
            raise RecogniserError(answer["failed"])
        log.info("recogniser ready", extra={"action": "transcript.ready", "model": self._model.name})

    async def _end(self, grace_s: float) -> None:
        """End the process: by the end of its input within `grace_s` seconds, else by force; wait until it
        is gone.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            if grace_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await process.wait()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        await process.wait()
