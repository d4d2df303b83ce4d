"""Speech as a part of the hotline: the models that are here, the pool of recognisers, and who makes the transcripts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from controller.config import Settings
from controller.config_speech import models_of
from controller.records import Records
from controller.transcript_jobs_desk import HotlineTranscriptJobs
from controller.transcripts import Transcripts
from controller.writer import Store
from metrics.prometheus import HotlineMetrics
from metrics.speech import SpeechCollector
from recordings.pool import Budget, RecogniserPool

log = logging.getLogger(__name__)


class SpeechPart:
    """Made at the start; nothing of it is loaded before a recording needs it."""

    def __init__(
        self,
        settings: Settings,
        var: Path,
        recordings: Path,
        store: Store,
        records: Records,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._var, self._recordings = settings, var, recordings
        self._store, self._records, self._clock = store, records, clock

    async def open(self, metrics: HotlineMetrics, budget: Budget) -> Transcripts:
        """Find the models, say what they are, and show the figures. `budget`: the cores, which live words use too."""
        speech = self._settings.raw.speech
        pool = None
        if speech.transcribe:
            folder = self._settings.file.parent
            models = await asyncio.to_thread(models_of, speech, folder, self._var / "models")
            for language, model in models.items():
                log.info("calls in %s: %s", language, model.describe(), extra={"action": "speech.model"})
            if not models:
                log.warning(
                    "no speech model: calls are recorded but not transcribed; run `./hotline model fetch %s`",
                    speech.language,
                    extra={"action": "speech.no_model"},
                )
            pool = RecogniserPool(models, budget, speech.cores, limits=speech.limits(), rules=speech.rules())
        transcripts = Transcripts(self._store, self._records, self._recordings, self._clock, pool)
        metrics.registry.register(SpeechCollector(lambda: transcripts.figures, self._clock))
        return transcripts

    def desk(self, transcripts: Transcripts) -> HotlineTranscriptJobs:
        """What the web asks."""
        return HotlineTranscriptJobs(transcripts, self._records, self._clock)
