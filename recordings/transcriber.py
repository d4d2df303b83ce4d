"""DOOR to the recogniser's worker process: transcripts of finished recordings, without touching the call
path.

One process holds one model (0.5 GB) and does one recording after another; several of them make a pool
(`recordings/pool.py`). Nothing here blocks the event loop, and whatever happens to the process - crash, hang, a model
that cannot be loaded - is an error of the job, never of a call.
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

from recordings import doubt, files
from recordings.models import FoundModel
from recordings.recogniser import NICENESS, RecogniserError, RecogniserSpec, spec_argument
from recordings.transcript import SPEAKERS, Speaker, Transcript, Turn, Word, merge, turns_of

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
"""Where the worker process finds this package."""
LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer: about 80 a word, so far more than a day of speech."""


class WorkerDied(RecogniserError):
    """The worker process is gone; it is started again for the next recording."""


class RecogniserTimeout(WorkerDied):
    """A recording took longer than it may; the worker was killed."""


class RecogniserCrashed(WorkerDied):
    """The worker process died over this recording, or was killed."""


class ModelFailed(RecogniserError):
    """The worker could not load its model: no fault of the recording."""


class RecogniserStopped(RecogniserError):
    """The worker was stopped before this recording's turn came."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Bounds of one worker.

    `load_s`: for the model to load (2-3 s for a small one, a minute for a big one, and on a machine whose calls come
    first much more). A job may use `job_base_s` plus `job_per_audio_s` for each second of recording: an open vocabulary
    needs 0.3-0.7 s of a core for a second of one leg (shared/speech.md section 1), and there are two. That is time of
    the processor: whoever gives way to calls must not be taken for one that hangs. It ends by the clock after
    `patience` times as much. `turn_gap_s`: the pause that begins a new turn. `niceness`: as nice(1) counts.
    """

    load_s: float = 600.0
    patience: float = 10.0
    job_base_s: float = 30.0
    job_per_audio_s: float = 3.0
    turn_gap_s: float = 1.0
    stop_s: float = 2.0
    niceness: int = NICENESS


class TranscriptWorker:
    """Makes transcripts with one model in a process of its own. `start` before use, `stop` at the end."""

    def __init__(self, model: FoundModel, *, min_conf: float = 0.0, limits: WorkerLimits | None = None) -> None:
        """`min_conf`: words of which the recogniser is less sure (0..1) are left out."""
        self._model = model
        self._limits = limits or WorkerLimits()
        self._spec = RecogniserSpec(
            str(model.path),
            model.name,
            model.language,
            model.grammar,
            min_conf,
            model.kind,
            self._limits.niceness,
            model.prompt,
        )
        self._turn = asyncio.Lock()  # first come, first served
        self._running = False
        self._process: Process | None = None
        self._number = 0
        self.restarts = 0
        """How often the process had to be started again."""

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

    async def transcribe(
        self, wav: Path, *, talks: Sequence[tuple[float, float]] | None = None, call_language: str = ""
    ) -> Transcript:
        """The transcript of a finished recording; waits its turn.

        `talks`: the stretches in which citizen and agent were joined, in seconds from the recording's
        start. What lies outside is not heard: there the caller's ear holds prompts and music, of which a
        recogniser makes confident nonsense. None hears the whole recording. `call_language`: the one that the caller
        chose; a transcript by a model of another is doubtful. Raises RecogniserError: WorkerDied when the process went
        with it, ModelFailed when there is none.
        """
        async with self._turn:
            return await self._do(wav, talks, call_language)

    async def _do(self, wav: Path, talks: Sequence[tuple[float, float]] | None, call_language: str) -> Transcript:
        try:
            duration = await asyncio.to_thread(files.duration_of, wav)
        except files.RecordingError as error:
            away = error.__cause__ if isinstance(error.__cause__, OSError) else None
            raise RecogniserError(f"{wav.name} cannot be read: {away.strerror}" if away else str(error)) from error
        allowed = self._limits.job_base_s + self._limits.job_per_audio_s * duration
        try:
            async with asyncio.timeout(allowed * self._limits.patience + self._limits.load_s):
                await self._begin(wav, talks)
        except TimeoutError:
            await self._end(0)
            raise RecogniserTimeout(f"the recogniser did not begin {wav.name}") from None
        try:
            answer = await self._answer_within(allowed)
        except TimeoutError:
            await self._end(0)
            raise RecogniserTimeout(f"{wav.name} took longer than {allowed:.0f} s") from None
        except (EOFError, ConnectionError):
            await self._end(0)
            self._check_running()
            raise RecogniserCrashed(f"the recogniser died over {wav.name}") from None
        except BaseException:
            await self._end(0)  # an answer may be under way that would be taken for the next one's
            raise
        if "error" in answer:
            raise RecogniserError(answer["error"])
        return self._transcript(answer, call_language)

    async def _begin(self, wav: Path, talks: Sequence[tuple[float, float]] | None) -> None:
        """Give the recording to the worker, or to a new one if it is found dead: that is no fault of the recording."""
        for again in (True, False):
            await self._ensure_running()
            try:
                return await self._ask(wav, talks)
            except (EOFError, ConnectionError):
                await self._end(0)
                self._check_running()
                if not again:
                    raise RecogniserCrashed(f"the recogniser died before {wav.name}") from None
            except BaseException:
                await self._end(0)
                raise

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

    async def _ask(self, wav: Path, talks: Sequence[tuple[float, float]] | None) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - for the type checker
        assert process.stdin is not None  # noqa: S101
        self._number += 1
        question = {"job": self._number, "wav": str(wav), "windows": talks}
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        if (await self._line(process)).get("begun") != self._number:
            raise EOFError("answer to another question")

    async def _answer_within(self, allowed_s: float) -> dict[str, Any]:
        """The answer, if it comes before the worker has used so much of the processor. Raises TimeoutError."""
        pid, loop = self.pid, asyncio.get_running_loop()
        before, last = _cpu_s(pid), loop.time() + allowed_s * self._limits.patience
        rest = allowed_s
        while True:
            try:
                async with asyncio.timeout(rest):
                    return await self._answer()  # a line that has come in part stays in the stream's buffer
            except TimeoutError:
                rest = min(allowed_s - (_cpu_s(pid) - before), last - loop.time())
                if rest <= 0:
                    raise
                rest = max(rest, 0.05)

    async def _answer(self) -> dict[str, Any]:
        if self._process is None:
            raise EOFError("the worker has ended")
        answer = await self._line(self._process)
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

    def _transcript(self, answer: dict[str, Any], call_language: str) -> Transcript:
        turns: dict[Speaker, list[Turn]] = {}
        legs = []
        for speaker in SPEAKERS:
            words = [Word(*word) for word in answer["legs"][speaker]]
            turns[speaker] = turns_of(speaker, words, self._limits.turn_gap_s)
            text = " ".join(turn.text for turn in turns[speaker])
            heard_s, left_out_s = answer["sounding_s"][speaker], answer["left_out_s"][speaker]
            conf, steady = [word.conf for word in words], answer["steady"][speaker]
            legs.append(doubt.LegHeard(text, conf, heard_s, left_out_s, steady))
        model = self._model
        found = doubt.doubts(legs, model.language, call_language=call_language, grammar=model.grammar is not None)
        return Transcript(merge(turns), model.language, model.name, model.grammar, answer["duration_s"], found)

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
            raise ModelFailed(f"{self._model.name} was not loaded within {self._limits.load_s:g} s") from None
        except EOFError:
            await self._end(0)
            raise ModelFailed(f"the recogniser's process ended while it loaded {self._model.name}") from None
        except BaseException:
            await self._end(0)
            raise
        if "failed" in answer:
            await self._end(0)
            raise ModelFailed(answer["failed"])
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


def _cpu_s(pid: int | None) -> float:
    """Processor time that a process has used so far (proc(5): stat); 0 of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
