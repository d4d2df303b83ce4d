"""Speech while a call is up, as a part of a serving hotline: live words, and beside them choices of a menu that are
said (`controller.spoken_part`). The model is looked for beside everything else, and calls are served meanwhile. Off, or
without a model, it is there and does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from controller.config import Settings
from controller.config_live import cores_of, cues_file
from controller.config_speech import models_of
from controller.house import House
from controller.live_suggest import Suggester
from controller.live_words import LiveRules, LiveWords
from controller.spoken_part import SpokenPart
from knowledge.version import Entry
from metrics.live_words import LiveWordsMetrics
from metrics.prometheus import HotlineMetrics
from pbx.events import Event
from pbx.ids import CallId
from pbx.live_words import Hear
from recordings.budget import CoreBudget
from recordings.live_worker import LiveLimits, LiveWorker
from recordings.recogniser import VOSK
from tickets.likely import load_cues
from web.knowledge_backend import Wanted
from web.live_words_desk import Suggestions, Talkers, WordsView

log = logging.getLogger(__name__)

Search = Callable[[Wanted], Awaitable[Sequence[Entry]]]


class LivePart:
    """Implements `web.live_words_desk.LiveWordsDesk`; `stepped` gets every event after its step."""

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
        self._metrics = LiveWordsMetrics()
        metrics.registry.register(self._metrics)
        self._suggester: Suggester | None = None
        self._spoken = SpokenPart(settings, var, house, perform=perform, post=post, clock=clock, metrics=metrics)
        self.budget = CoreBudget(cores_of(settings.raw.speech.live, settings.raw.speech.cores))
        """Who uses how many cores for recognition; transcripts after the call ask it too."""
        self.words: LiveWords | None = None
        """None: off, or no model (yet)."""

    @property
    def on(self) -> bool:
        """Whether the hotline wants live words."""
        return self._settings.raw.speech.live.cores > 0

    async def run(self) -> None:
        """Hear what is said until cancelled; at once back when all of it is off or cannot be had."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._spoken.run(), name="spoken")
            group.create_task(self._live_words(), name="live.words")

    async def _live_words(self) -> None:
        if not self.on:
            return
        speech, folder = self._settings.raw.speech, self._settings.file.parent
        models = await asyncio.to_thread(models_of, speech, folder, self._var / "models")
        models = {language: model for language, model in models.items() if model.kind == VOSK}
        if not models:
            log.warning("no Vosk model for %s: nobody is heard while he talks", speech.language,
                        extra={"action": "live.no_model"})  # fmt: skip
            return
        live = speech.live
        words = self.words = LiveWords(
            self._house,
            perform=self._perform,
            post=self._post,
            clock=self._clock,
            budget=self.budget,
            workers=[],
            rules=LiveRules(live.call_cores, live.longest_behind_s, live.rest_s),
            heard=self._heard,
            over=self._over,
            models=models,
        )
        limits = LiveLimits(longest_behind_s=live.longest_behind_s)
        distinct = {model.path: model for model in models.values()}.values()
        each = max(1, math.ceil(live.cores) // len(distinct))
        words.workers.extend(
            LiveWorker(model, limits=limits, changed=words.worker_changed) for model in distinct for _ in range(each)
        )
        self._metrics.watch(words.reading)
        try:
            await words.run()
        finally:
            self.words = None
            self._metrics.watch(None)
            if self._suggester is not None:
                self._suggester.close()

    async def suggest_with(self, search: Search) -> None:
        """The knowledge base is there: words so far are looked up in it from now on."""
        live, tree = self._settings.raw.speech.live, self._settings.tickets.classes
        if not self.on or not live.suggest:
            return
        try:
            cues = await asyncio.to_thread(load_cues, tree, cues_file(live, self._settings.file.parent))
        except (ValueError, OSError) as error:
            log.error("no suggestions: %s", error, extra={"action": "live.no_cues"})
            return
        self._suggester = Suggester(
            search, cues, tree, self._suggest, every_s=live.suggest_every_s, most=live.suggest_most
        )

    def _suggest(self, call: CallId, found: Suggestions) -> None:
        if self.words is not None:
            self.words.suggest(call, found)

    def _heard(self, call: CallId, said: str) -> None:
        if self._suggester is not None:
            self._suggester.heard(call, said)

    def _over(self, call: CallId) -> None:
        if self._suggester is not None:
            self._suggester.over(call)

    # ---------------------------------------------------------------- what others tell and ask it

    def stepped(self, event: Event) -> None:
        """The switchboard has made a step."""
        self._spoken.stepped(event)
        if self.words is not None:
            self.words.stepped(event)

    def view(self, call: CallId) -> WordsView | None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        return self.words.view(call) if self.words is not None else None

    def talkers(self, call: CallId) -> Talkers:
        """See `web.live_words_desk.LiveWordsDesk`."""
        return self.words.talkers(call) if self.words is not None else Talkers(frozenset(), None)

    async def changed(self, call: CallId, version: int) -> None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        if self.words is not None:
            await self.words.changed(call, version)

    def forget(self, call: CallId) -> None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        if self.words is not None:
            self.words.forget(call)
