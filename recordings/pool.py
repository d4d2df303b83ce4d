"""The recognisers after the call: some workers, as many as there are cores for, each with the model of one language.

A worker is loaded when a recording of its language comes and freed when none has come for a while: each holds 0.5 GB.
One that was killed, or whose model cannot be loaded, is started again later and later. Blocks nothing; the order in
which recordings come is the caller's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recordings.models import FoundModel
from recordings.transcriber import ModelFailed, RecogniserStopped, TranscriptWorker, WorkerDied, WorkerLimits
from recordings.transcript import Transcript

log = logging.getLogger(__name__)


class Budget(Protocol):
    """Who may use how many cores; whoever takes one gives it back."""

    def free(self) -> int:
        """Cores that may be taken now."""
        ...

    def take(self) -> bool:
        """Take one; False when none is free."""
        ...

    def give_back(self) -> None:
        """One is free again."""
        ...


class Cores:
    """The simplest budget: so many for recognition after the call, and nobody else asks."""

    def __init__(self, cores: int) -> None:
        self._cores, self._taken = cores, 0

    def free(self) -> int:
        """See Budget."""
        return self._cores - self._taken

    def take(self) -> bool:
        """See Budget."""
        if self.free() < 1:
            return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        """See Budget."""
        self._taken -= 1


@dataclass(frozen=True, slots=True)
class PoolRules:
    """`idle_s`: a worker without work for so long is freed. `first_rest_s`, `longest_rest_s`: how soon one is started
    again after the first failure in a row, and after many; each waits twice as long as the one before."""

    idle_s: float = 300.0
    first_rest_s: float = 1.0
    longest_rest_s: float = 300.0


class _Language:
    """The workers of one language, and when they may be started again."""

    def __init__(self, model: FoundModel) -> None:
        self.model = model
        self.idle: list[tuple[TranscriptWorker, float]] = []  #: with the instant since which it has nothing to do
        self.failures = 0
        self.rests_until = 0.0


class RecogniserPool:
    """See the module. At most `cores` processes exist at a time, those without work counted. `stop` at the end."""

    def __init__(
        self,
        models: Mapping[str, FoundModel],
        budget: Budget,
        cores: int,
        *,
        limits: WorkerLimits | None = None,
        rules: PoolRules | None = None,
        make: Callable[..., TranscriptWorker] = TranscriptWorker,
    ) -> None:
        """`models`: by the language of the call, not of the model."""
        self._languages = {language: _Language(model) for language, model in models.items()}
        self._budget, self._cores = budget, cores
        self._limits, self._rules, self._make = limits or WorkerLimits(), rules or PoolRules(), make
        self._busy: set[TranscriptWorker] = set()
        self._freeing: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.restarts = 0
        """How often a worker was lost, or could not load its model."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of calls for which there is a model."""
        return tuple(self._languages)

    @property
    def workers(self) -> int:
        """Processes that are there now."""
        return len(self._busy) + sum(len(one.idle) for one in self._languages.values())

    def free(self) -> int:
        """How many recordings could be begun now."""
        return 0 if self._stopped else max(0, self._budget.free())

    def rest_s(self, language: str) -> float:
        """For how long no recording of a language is to be brought; 0 = bring it."""
        return max(0.0, self._languages[language].rests_until - asyncio.get_running_loop().time())

    async def transcribe(self, language: str, wav: Path, talks: Sequence[tuple[float, float]] | None) -> Transcript:
        """The transcript of a call in `language`, with that language's model. KeyError without one.

        Asked for only when `free` and `rest_s` say so. Raises RecogniserError, and its kinds that tell whose fault it
        was: WorkerDied, ModelFailed, RecogniserStopped.
        """
        of = self._languages[language]
        if self._stopped or not self._budget.take():
            raise RecogniserStopped("no core is free for this recording")
        worker: TranscriptWorker | None = None
        try:
            worker = await self._worker(of)
            transcript = await worker.transcribe(wav, talks=talks, call_language=language)
            of.failures = 0
            return transcript
        except (WorkerDied, ModelFailed) as error:
            if self._stopped:
                raise RecogniserStopped("the recognisers are stopped") from error
            self._failed(of, error)
            raise
        finally:
            self._budget.give_back()
            if worker is not None:
                self._busy.discard(worker)
                if worker.pid is not None and not self._stopped:
                    of.idle.append((worker, asyncio.get_running_loop().time()))
                    self._free_later()

    async def _worker(self, of: _Language) -> TranscriptWorker:
        """An idle worker, or a new one, for which an idle one of another language goes where it must."""
        while of.idle:
            worker, _ = of.idle.pop()
            self._busy.add(worker)
            if worker.pid is not None:
                return worker
            self._busy.discard(worker)
            await worker.stop()  # it died with nothing to do
            self.restarts += 1
        worker = self._make(of.model, limits=self._limits)
        self._busy.add(worker)
        try:
            while self.workers > self._cores and (other := self._longest_idle()) is not None:
                await other.stop()
            await worker.start()
        except BaseException:
            self._busy.discard(worker)
            await worker.stop()
            raise
        return worker

    def _longest_idle(self) -> TranscriptWorker | None:
        having = [one for one in self._languages.values() if one.idle]
        if not having:
            return None
        return min(having, key=lambda one: one.idle[0][1]).idle.pop(0)[0]

    def _failed(self, of: _Language, error: Exception) -> None:
        rules = self._rules
        rest = min(rules.first_rest_s * 2.0 ** min(of.failures, 30), rules.longest_rest_s)
        of.failures += 1
        of.rests_until = asyncio.get_running_loop().time() + rest
        self.restarts += 1
        why = str(error) if isinstance(error, ModelFailed) else type(error).__name__
        log.warning(
            "recogniser %s: %s; it is started again in %g s",
            of.model.name,
            why,
            rest,
            extra={"action": "transcript.worker_lost"},
        )

    # ---------------------------------------------------------------- freed

    def _free_later(self) -> None:
        if self._freeing is None:
            self._freeing = asyncio.get_running_loop().call_later(self._rules.idle_s, self._free)

    def _free(self) -> None:
        """Free those that have been idle for long, and look again when the next one may have been."""
        loop = asyncio.get_running_loop()
        self._freeing = None
        before = loop.time() - self._rules.idle_s + 0.001  # a timer may be early by its resolution
        for of in self._languages.values():
            while of.idle and of.idle[0][1] <= before:
                worker, _ = of.idle.pop(0)
                task = loop.create_task(worker.stop())
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        left = [since for of in self._languages.values() for _, since in of.idle]
        if left:
            self._freeing = loop.call_at(min(left) + self._rules.idle_s, self._free)

    async def stop(self) -> None:
        """End every process; a recording in work gets RecogniserStopped."""
        self._stopped = True
        if self._freeing is not None:
            self._freeing.cancel()
        idle = [worker for of in self._languages.values() for worker, _ in of.idle]
        for of in self._languages.values():
            of.idle.clear()
        await asyncio.gather(*(worker.stop() for worker in (*idle, *self._busy)), *self._ending)
