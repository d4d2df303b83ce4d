"""Who listens to callers at questions that may be answered aloud: from when to when, to what, and what is told of it.

After each step of the switchboard it is looked whether the caller is being asked such a question (`spoken.listens`).
For as long as he is, and no longer, Asterisk brings what he says (`pbx.live_words.Hear`, his side alone, so that no
prompt is taken for him) to a recogniser with this question's closed list. What he said is forgotten with the question;
a choice becomes an event like a key.

Nothing here can delay a call: no rule waits for it. A recogniser that is away or behind is told to the switchboard,
which then asks by keys alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

from controller.house import House, LiveCall, SpokenQuestion
from controller.live_ears import Connection, Ears
from controller.spoken import listens
from ivr.spoken import chosen
from metrics.spoken import SpokenReading
from pbx.events import Event, ExchangeConnected, ExchangeLost
from pbx.ids import CallId, ChannelName
from pbx.live_words import Hear
from pbx.spoken import ChoiceSpoken, ListeningChanged
from recordings.audiosocket import RATE
from recordings.closed import ClosedList
from recordings.live_worker import Heard, LiveWorker

log = logging.getLogger(__name__)

CONNECT_S = 2.0
"""So long may Asterisk take to bring his sound; then this question is answered by keys."""

FIRST_S = 0.05
"""So long the exchange is left alone with a question, or with the next one: the prompt begins first, then he is
listened to. Nobody says anything sensible within it."""

BATCH = RATE // 20
"""Samples that are given to the recogniser together, 0.05 s."""

LOOK_S = 0.25
"""So often is looked how far the recognisers are behind."""


@dataclass(frozen=True, slots=True)
class SpokenRules:
    """What a hotline decides. `others`: by language, words that are no choice. Times in seconds, as [speech.menus]."""

    min_conf: float
    longest_behind_s: float
    rest_s: float
    settle_s: float
    fillers: int
    others: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class _Sink:
    """One caller who is listened to, or about to be. It is the `Ear` of its connection."""

    id: UUID
    owner: SpokenEars
    call: CallId
    language: str
    worker: LiveWorker
    question: SpokenQuestion
    closed: ClosedList
    timer: asyncio.TimerHandle | None = None
    connection: Connection | None = None
    stream: int | None = None
    batch: bytes = b""

    def sound(self, pcm: bytes) -> None:
        """Some of his sound."""
        if self.stream is None:
            return
        self.batch += pcm
        if len(self.batch) >= 2 * BATCH:
            batch, self.batch = self.batch, b""
            self.worker.feed(self.stream, batch)

    def over(self) -> None:
        """He is gone, or Asterisk has ended it."""
        self.owner.over(self)


class SpokenEars:
    """See the module. `run` it as a task, and give it every event after its step (`stepped`)."""

    def __init__(
        self,
        house: House,
        *,
        perform: Callable[[Hear], None],
        post: Callable[[Event], None],
        clock: Callable[[], float],
        rules: SpokenRules,
    ) -> None:
        """`perform` gives Asterisk a command, `post` the engine an event."""
        self._house, self._perform, self._post, self._clock, self._rules = house, perform, post, clock, rules
        self.workers: dict[str, LiveWorker] = {}
        """By language; one recogniser may stand for several."""
        self._ears = Ears()
        self._sinks: dict[CallId, _Sink] = {}
        self._told: tuple[str, ...] = ()
        self._rests: dict[LiveWorker, float] = {}
        self._deaf: set[str] = set()  # languages of which the model knew none of a question's words
        self._outcomes: dict[str, int] = dict.fromkeys(("chosen", "unsure", "other"), 0)
        self._listened = self._not_brought = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._ears.start()
        try:
            async with asyncio.TaskGroup() as group:
                for worker in dict.fromkeys(self.workers.values()):
                    group.create_task(worker.run(), name="spoken.worker")
                group.create_task(self._watch(), name="spoken.watch")
        finally:
            for sink in list(self._sinks.values()):
                self._end(sink)
            await self._ears.stop()

    def reading(self) -> SpokenReading:
        """The figures of this instant; a scraper's thread asks for them."""
        workers = list(dict.fromkeys(self.workers.values()))
        return SpokenReading(
            listened=len(self._sinks),
            ready=sum(worker.ready for worker in workers),
            questions=self._listened,
            outcomes=dict(self._outcomes),
            not_brought=self._not_brought,
            strangers=self._ears.refused,
            restarts=sum(worker.restarts for worker in workers),
            dropped_s=sum(worker.dropped_s for worker in workers),
        )

    # ---------------------------------------------------------------- what happens to calls

    def stepped(self, event: Event) -> None:
        """The switchboard has made a step; never waits."""
        if isinstance(event, ExchangeConnected | ExchangeLost):
            for known in {*self._sinks, *self._house.calls}:
                self.look(known)
            return
        call: CallId | None = getattr(event, "call", None)
        if call is not None:
            self.look(call)

    def look(self, call: CallId) -> None:
        """Listen to this caller, or do not, as his question wants it."""
        live, sink = self._house.calls.get(call), self._sinks.get(call)
        question = listens(live) if live is not None and self._house.connected else None
        if sink is not None and (question is None or sink.question.step != question.step):
            self._end(sink)
            sink = None
        if sink is None and question is not None and live is not None:
            self._begin(live, question)

    def _begin(self, live: LiveCall, question: SpokenQuestion) -> None:
        worker = self.workers.get(live.record.language)
        if worker is None or not worker.ready or not self._ears.port:
            return
        phrases, rules = tuple(phrase for phrase, _ in question.phrases), self._rules
        closed = ClosedList(phrases, rules.others.get(live.record.language, ()), rules.settle_s, rules.fillers)
        sink = self._sinks[live.call] = _Sink(uuid4(), self, live.call, live.record.language, worker, question, closed)
        sink.timer = asyncio.get_running_loop().call_later(FIRST_S, self._hear, sink, live.channel)

    def _hear(self, sink: _Sink, channel: ChannelName) -> None:
        sink.timer = asyncio.get_running_loop().call_later(CONNECT_S, self._unheard, sink)
        self._ears.expect(sink.id, partial(self._connected, sink))
        self._perform(Hear(sink.call, channel, str(sink.id), "127.0.0.1", self._ears.port))

    def _unheard(self, sink: _Sink) -> None:
        self._not_brought += 1
        self._ears.forget(sink.id)
        sink.timer = None  # the sink stays: this question is not asked for again

    def _connected(self, sink: _Sink, connection: Connection) -> _Sink:
        if sink.timer is not None:
            sink.timer.cancel()
        sink.connection = connection
        sink.stream = sink.worker.open(RATE, partial(self._news, sink), sink.closed)
        self._listened += 1
        return sink

    def _end(self, sink: _Sink) -> None:
        """Listen no more; what was being said is forgotten."""
        if self._sinks.get(sink.call) is sink:
            del self._sinks[sink.call]
        self._ears.forget(sink.id)
        if sink.timer is not None:
            sink.timer.cancel()
        stream, sink.stream = sink.stream, None
        if stream is not None:
            sink.worker.drop(stream)
        connection, sink.connection = sink.connection, None
        if connection is not None:
            asyncio.get_running_loop().call_later(FIRST_S, connection.cut)  # what still comes is not kept

    def over(self, sink: _Sink) -> None:
        """The connection is gone by itself: with the caller, whose end comes as an event of its own."""
        sink.connection = None
        stream, sink.stream = sink.stream, None
        if stream is not None:
            sink.worker.drop(stream)

    def _news(self, sink: _Sink, heard: Heard) -> None:
        """Words that he has said to their end."""
        if heard.deaf and sink.language not in self._deaf:
            self._deaf.add(sink.language)
            log.error("choices in %s are made by keys alone: the model knows none of their words (`hotline check`)",
                      sink.language, extra={"action": "spoken.deaf"})  # fmt: skip
            self.worker_changed()
        if not heard.final or self._sinks.get(sink.call) is not sink:
            return
        found = chosen([(word.text, word.conf) for word in heard.final], sink.question.phrases)
        if found is None:
            self._outcomes["other"] += 1
        elif found.conf < self._rules.min_conf:
            self._outcomes["unsure"] += 1
        else:
            self._outcomes["chosen"] += 1
            self._post(ChoiceSpoken(sink.call, sink.question.step, found.key, found.conf, self._clock()))

    # ---------------------------------------------------------------- whether anybody can be heard

    def worker_changed(self) -> None:
        """A recogniser has come, or is gone, or has fallen behind."""
        now = self._clock()
        self._rests = {worker: until for worker, until in self._rests.items() if until > now}
        able = [one for one, worker in self.workers.items() if worker.ready and worker not in self._rests]
        languages = tuple(sorted(set(able) - self._deaf)) if self._ears.port else ()
        if languages != self._told:
            self._told = languages
            log.info("callers are listened to in: %s", ", ".join(languages) or "no language",
                     extra={"action": "spoken.listening"})  # fmt: skip
            self._post(ListeningChanged(languages, now))

    async def _watch(self) -> None:
        """Look again and again whether the recognisers keep up."""
        while True:
            await asyncio.sleep(LOOK_S)
            for sink in list(self._sinks.values()):
                late = sink.stream is not None and sink.worker.behind(sink.stream) > self._rules.longest_behind_s / 2
                if late and sink.worker not in self._rests:
                    self._rests[sink.worker] = self._clock() + self._rules.rest_s
                    log.warning("choices are made by keys for a while: the machine is too busy",
                                extra={"action": "spoken.gave_way"})  # fmt: skip
            for worker in dict.fromkeys(self.workers.values()):
                worker.end_if_stuck()
            self.worker_changed()
