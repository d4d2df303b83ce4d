"""Menu choices that are said, as a part of a serving hotline: its models, its recognisers, its figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from controller.config import Settings
from controller.config_speech import models_of
from controller.house import House
from controller.spoken_ears import SpokenEars, SpokenRules
from metrics.prometheus import HotlineMetrics
from metrics.spoken import SpokenMetrics
from pbx.events import Event
from pbx.live_words import Hear
from recordings.live_recogniser import CLOSED
from recordings.live_worker import LiveLimits, LiveWorker
from recordings.models import FoundModel
from recordings.recogniser import VOSK

log = logging.getLogger(__name__)

STUCK_S = 3.0
"""A recogniser that has something to hear and says nothing for so long is ended: nobody waits longer at a question."""


class SpokenPart:
    """Off, or without a model, it is there and does nothing."""

    def __init__(
        self,
        settings: Settings,
        var: Path,
        house: House,
        *,
        perform: Callable[[Hear], None],
        post: Callable[[Event], None],
        clock: Callable[[], float],
        metrics: HotlineMetrics,
    ) -> None:
        """`perform` gives Asterisk a command, `post` the engine an event."""
        self._settings, self._var, self._house = settings, var, house
        self._perform, self._post, self._clock = perform, post, clock
        self._metrics = SpokenMetrics()
        metrics.registry.register(self._metrics)
        self.ears: SpokenEars | None = None
        """None: off, or no model (yet)."""

    def stepped(self, event: Event) -> None:
        """The switchboard has made a step."""
        if self.ears is not None:
            self.ears.stepped(event)

    async def run(self) -> None:
        """Listen until cancelled; at once back where nobody is listened to, or there is no model."""
        speech, menus = self._settings.raw.speech, self._settings.raw.speech.menus
        if not menus.at_once:
            return
        found = await asyncio.to_thread(models_of, speech, self._settings.file.parent, self._var / "models")
        models = {language: model for language, model in found.items() if model.kind == VOSK}
        if not models:
            log.warning("no Vosk model: choices are made by keys alone", extra={"action": "spoken.no_model"})
            return
        others = {str(language): tuple(words) for language, words in menus.others.items()}
        rules = SpokenRules(menus.min_conf, menus.longest_behind_s, menus.rest_s, menus.settle_s, menus.fillers, others)
        ears = SpokenEars(self._house, perform=self._perform, post=self._post, clock=self._clock, rules=rules)
        ears.workers = _workers(models, ears.worker_changed, menus.longest_behind_s)
        self.ears = ears
        self._metrics.watch(ears.reading)
        try:
            await ears.run()
        finally:
            self.ears = None
            self._metrics.watch(None)


def _workers(
    models: dict[str, FoundModel], changed: Callable[[], None], longest_behind_s: float
) -> dict[str, LiveWorker]:
    """One process for each model, whatever languages it stands for. Each question brings its own list of words."""
    limits = LiveLimits(longest_behind_s=longest_behind_s, stuck_s=STUCK_S)
    made = {
        model.path: LiveWorker(
            FoundModel(model.path, model.name, model.language, model.source),
            limits=limits,
            changed=changed,
            arguments=(CLOSED,),
        )
        for model in models.values()
    }
    return {language: made[model.path] for language, model in models.items()}
