"""Words while people talk: which legs are heard, by whom, and what becomes of them. Beside the calls, never in them.

After each of the switchboard's steps it is looked which legs of that call should be heard now (`wanted`): those of a
caller and whoever talks with him, while his recording runs and is not paused. For each that is not heard yet Asterisk
is told to bring its sound (`pbx.live_words.Hear`); one that should be heard no more is ended by closing its connection.
So hold, transfer and a third party need no rule of their own, and a restarted controller begins anew by itself.

Nothing here can delay a call: no rule waits for it, no memory of it grows beyond a bound, and when the machine is too
busy the newest live call gives way (`recordings.budget`): its words come after the call, as everybody's do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

from controller.house import House, LiveCall
from controller.live_ears import Connection, Ears
from metrics.live_words import Reading
from pbx.call import CallState
from pbx.events import (
    CallEnded,
    Event,
    ExchangeConnected,
    ExchangeLost,
    JoinEnded,
    LegEnded,
    NetTalkEnded,
    PartyJoined,
    PartyLeft,
    PhoneHeld,
    TalkEnded,
)
from pbx.ids import CallId, ChannelName
from pbx.live_words import Hear, LiveMark, LiveWordsMarked
from recordings.audiosocket import RATE
from recordings.budget import CoreBudget, Use, who_gives_way
from recordings.live import LiveTurns, TimeLine
from recordings.live_worker import Heard, LiveWorker
from recordings.models import FoundModel
from recordings.transcript import Speaker
from web.live_words_desk import Speaking, Suggestions, Talkers, WordsView

log = logging.getLogger(__name__)

CONNECT_S = 4.0
"""So long may Asterisk take to bring a leg's sound; then it is asked once more."""

TRIES = 3
"""So often is Asterisk asked for one leg."""

BATCH = RATE // 10
"""Samples that are given to the recogniser together, 0.1 s: a tenth of the work of giving each 20 ms by itself."""

KEPT = 200
"""Ended calls whose live words are kept until their transcript is there."""

LOOK_S = 0.5
"""So often is looked how far the recognisers are behind."""

_TALK_CHANGES = (
    PartyJoined, PartyLeft, LegEnded, TalkEnded, NetTalkEnded, JoinEnded, PhoneHeld, CallEnded,
)  # fmt: skip
"""Events after which other legs may have to be heard."""


@dataclass(frozen=True, slots=True)
class LiveRules:
    """What a hotline decides about live words. Times in seconds.

    `call_cores`: what one call is reckoned to cost; `longest_behind_s`: so much sound may wait to be heard, beyond that
    the newest call gives way; `rest_s`: after that no further call is begun for so long; `turn_gap_s`: the pause that
    begins a new turn, as in the transcript after the call.
    """

    call_cores: float = 0.4
    longest_behind_s: float = 3.0
    rest_s: float = 30.0
    turn_gap_s: float = 1.0


@dataclass(slots=True)
class LiveFigures:
    """What has happened since the start, for /metrics. `calls`: that were heard; `no_room`: that could not be begun."""

    calls: int = 0
    gave_way: int = 0
    no_room: int = 0
    not_brought: int = 0  #: legs whose sound Asterisk did not bring


@dataclass(slots=True)
class _Sink:
    """One leg that is heard, or about to be. It is the `Ear` of its connection."""

    id: UUID
    owner: LiveWords
    call: CallId
    leg: ChannelName
    speaker: Speaker
    who: str
    line: TimeLine
    worker: LiveWorker
    timer: asyncio.TimerHandle | None = None
    connection: Connection | None = None
    stream: int | None = None
    batch: bytearray = field(default_factory=bytearray)

    def sound(self, pcm: bytes) -> None:
        """Some of the leg's sound."""
        self.owner.sound(self, pcm)

    def over(self) -> None:
        """The leg is gone."""
        self.owner.over(self)


@dataclass(slots=True)
class _Talk:
    """One call's live words."""

    call: CallId
    turns: LiveTurns
    model: FoundModel  #: by which he is heard
    state: str = "waiting"
    version: int = 1
    sinks: dict[ChannelName, _Sink] = field(default_factory=dict)
    tries: dict[ChannelName, int] = field(default_factory=dict)
    claimed: bool = False
    gave_way: bool = False
    talkers: Talkers = Talkers(frozenset(), None)
    suggestions: Suggestions = Suggestions()
    news: asyncio.Event = field(default_factory=asyncio.Event)


def wanted(live: LiveCall | None, paused: bool) -> Mapping[ChannelName, tuple[Speaker, str]]:
    """The legs of a call that should be heard now: whose voice it is, and which agent's or extension's.

    None before the recording has begun: the machine listens by the same consent (`recordings.policy`).
    """
    if live is None or paused or live.recording is None or live.state is not CallState.TALKING or not live.in_bridge:
        return {}
    if not live.legs:
        return {}
    legs: dict[ChannelName, tuple[Speaker, str]] = {live.channel: ("citizen", "")}
    return legs | {leg: ("agent", str(who or "")) for leg, who in live.legs.items()}


class LiveWords:
    """See the module. `run` it as a task, and give it every event after its step (`stepped`)."""

    def __init__(
        self,
        house: House,
        *,
        perform: Callable[[Hear], None],
        post: Callable[[Event], None],
        clock: Callable[[], float],
        budget: CoreBudget,
        workers: list[LiveWorker],
        rules: LiveRules,
        models: Mapping[str, FoundModel],
        heard: Callable[[CallId, str], None] = lambda call, said: None,
        over: Callable[[CallId], None] = lambda call: None,
    ) -> None:
        """`perform` gives Asterisk a command, `post` the engine an event. `models`: by the language of the callers who
        are heard; others are not: a recogniser makes confident nonsense of another language. `heard` is told what the
        citizen has said so far, `over` that the call has ended.
        """
        self._house, self._perform, self._post, self._clock = house, perform, post, clock
        self._budget, self.workers, self._rules, self._heard, self._told_over = budget, workers, rules, heard, over
        self._models = models
        self._ears = Ears()
        self._talks: dict[CallId, _Talk] = {}
        self._ended: OrderedDict[CallId, _Talk] = OrderedDict()
        self._paused: set[CallId] = set()
        self._rest_until = 0.0
        self.figures = LiveFigures()

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._ears.start()
        try:
            async with asyncio.TaskGroup() as group:
                for number, worker in enumerate(self.workers):
                    group.create_task(worker.run(), name=f"live.worker.{number}")
                group.create_task(self._watch(), name="live.watch")
        finally:
            await self._ears.stop()

    def reading(self) -> Reading:
        """The figures of this instant; a scraper's thread asks for them."""
        talks, workers, figures = list(self._talks.values()), list(self.workers), self.figures
        return Reading(
            live=sum(talk.state == "live" for talk in talks),
            waiting=sum(talk.state == "no_room" for talk in talks),
            ready=sum(worker.ready for worker in workers),
            cores=self._budget.used(Use.LIVE),
            calls=figures.calls,
            gave_way=figures.gave_way,
            no_room=figures.no_room,
            not_brought=figures.not_brought,
            strangers=self._ears.refused,
            restarts=sum(worker.restarts for worker in workers),
            dropped_s=sum(worker.dropped_s for worker in workers),
        )

    # ---------------------------------------------------------------- what happens to calls

    def stepped(self, event: Event) -> None:
        """The switchboard has made a step; never waits."""
        if isinstance(event, ExchangeConnected | ExchangeLost):
            for call in {*self._talks, *self._house.calls}:
                self.look(call)
        elif isinstance(event, _TALK_CHANGES):
            self.look(event.call)
        self._follow_pauses()

    def _follow_pauses(self) -> None:
        """While a recording is paused nothing is heard either, and what is being said is not finished."""
        if self._house.paused.keys() == self._paused:
            return
        changed = self._house.paused.keys() ^ self._paused
        self._paused = set(self._house.paused)
        for call in changed:
            self.look(call)

    def worker_changed(self) -> None:
        """A recogniser has come, or is gone."""
        for call in list(self._house.calls):
            self.look(call)

    def look(self, call: CallId) -> None:
        """Have those legs of the call heard that should be, and no other."""
        live, talk = self._house.calls.get(call), self._talks.get(call)
        want = wanted(live, call in self._paused)
        if live is not None and live.record.language not in self._models:
            want = {}
        if talk is None:
            if not want or live is None:
                return
            model = self._models[live.record.language]
            talk = self._talks[call] = _Talk(call, LiveTurns(self._rules.turn_gap_s), model)
        if live is not None:
            agents = {who for who in live.legs.values() if who is not None}
            agents |= {live.holding.agent} if live.holding is not None else set()
            talk.talkers = Talkers(frozenset(agents) or talk.talkers.agents, live.record.queue)
        if talk.gave_way:
            want = {}
        for leg in [leg for leg in talk.sinks if leg not in want]:
            self._end(talk, talk.sinks[leg], finish=call not in self._paused)
        if want and live is not None:
            self._begin(talk, live, want)
        elif not talk.sinks:
            self._give_back(talk)
        if live is None:
            self._over(talk)
        elif not want:
            self._state(talk, "gave_way" if talk.gave_way else "paused" if call in self._paused else "waiting")

    def _begin(self, talk: _Talk, live: LiveCall, want: Mapping[ChannelName, tuple[Speaker, str]]) -> None:
        missing = [leg for leg in want if leg not in talk.sinks and talk.tries.get(leg, 0) < TRIES]
        mine = [worker for worker in self.workers if worker.model.path == talk.model.path]
        ready = [worker for worker in mine if worker.ready]
        if not self._house.connected or not self._ears.port:
            return
        if not talk.claimed:
            rests = self._clock() < self._rest_until
            if not ready or rests or not self._budget.take(Use.LIVE, talk.call, self._rules.call_cores):
                if talk.state != "no_room":
                    self.figures.no_room += 1
                self._state(talk, "no_room")
                return
            talk.claimed = True
            self.figures.calls += 1
            self._post(LiveWordsMarked(talk.call, LiveMark.LIVE, self._clock()))
        used = {sink.worker for sink in talk.sinks.values()}
        worker = next(iter(used), None) or min(ready or mine, key=lambda one: one.legs)
        for leg in missing:
            speaker, who = want[leg]
            self._hear(talk, _Sink(
                uuid4(), self, talk.call, leg, speaker, who, TimeLine(RATE, live.recording_since), worker
            ))  # fmt: skip
        if talk.sinks:
            self._state(talk, "live")
        else:
            self._give_back(talk)
            self._state(talk, "failed")

    def _hear(self, talk: _Talk, sink: _Sink) -> None:
        talk.sinks[sink.leg] = sink
        talk.tries[sink.leg] = talk.tries.get(sink.leg, 0) + 1
        sink.timer = asyncio.get_running_loop().call_later(CONNECT_S, self._not_brought, sink)
        self._ears.expect(sink.id, partial(self._connected, sink))
        self._perform(Hear(sink.call, sink.leg, str(sink.id), "127.0.0.1", self._ears.port))

    def _connected(self, sink: _Sink, connection: Connection) -> _Sink:
        if sink.timer is not None:
            sink.timer.cancel()
        sink.connection = connection
        sink.stream = sink.worker.open(RATE, partial(self._news, sink))
        return sink

    def _not_brought(self, sink: _Sink) -> None:
        self.figures.not_brought += 1
        self._remove(sink)
        self.look(sink.call)

    def _end(self, talk: _Talk, sink: _Sink, *, finish: bool) -> None:
        """Hear a leg no more; with `finish` what it has said is still told."""
        self._remove(sink)
        if sink.connection is not None:
            connection, sink.connection = sink.connection, None
            connection.cut()
        if sink.stream is not None:
            if finish:
                self._flush(sink)
                sink.worker.close(sink.stream)
            else:
                sink.worker.drop(sink.stream)
                sink.stream = None
                if talk.turns.partial(sink.speaker, sink.who, ""):
                    self._changed(talk)

    def _remove(self, sink: _Sink) -> None:
        self._ears.forget(sink.id)
        if sink.timer is not None:
            sink.timer.cancel()
        talk = self._talks.get(sink.call)
        if talk is not None and talk.sinks.get(sink.leg) is sink:
            del talk.sinks[sink.leg]

    def _give_back(self, talk: _Talk) -> None:
        """What the call was reckoned to cost is free again; the call that has waited longest is begun."""
        if not talk.claimed:
            return
        talk.claimed = False
        self._budget.give_back(Use.LIVE, talk.call)
        self._next()

    def _next(self) -> None:
        for talk in list(self._talks.values()):
            if talk.state == "no_room":
                asyncio.get_running_loop().call_soon(self.look, talk.call)
                return

    def _over(self, talk: _Talk) -> None:
        """The call has ended; its words are kept until the transcript is there, or for a while."""
        self._told_over(talk.call)
        self._give_back(talk)
        del self._talks[talk.call]
        self._ended[talk.call] = talk
        if len(self._ended) > KEPT:
            self._changed(self._ended.popitem(last=False)[1])
        self._state(talk, "over")

    # ---------------------------------------------------------------- sound, and words

    def sound(self, sink: _Sink, pcm: bytes) -> None:
        """Sound of a leg has come."""
        if sink.stream is None or sink.connection is None:
            return
        fill = sink.line.arrived(len(pcm) // 2, self._clock())
        if fill:
            sink.batch += bytes(2 * fill)
        sink.batch += pcm
        if len(sink.batch) >= 2 * BATCH:
            self._flush(sink)

    def _flush(self, sink: _Sink) -> None:
        """Give on what has gathered, in pieces: of a heap that comes late the part for which there is room is heard."""
        batch, sink.batch = bytes(sink.batch), bytearray()
        for place in range(0, len(batch), 2 * BATCH):
            if sink.stream is not None:
                sink.worker.feed(sink.stream, batch[place : place + 2 * BATCH])

    def over(self, sink: _Sink) -> None:
        """The leg's connection is gone by itself: with the leg, or because Asterisk has ended it."""
        if sink.connection is None:
            return
        sink.connection = None
        self._remove(sink)
        if sink.stream is not None:
            self._flush(sink)
            sink.worker.close(sink.stream)
        # What becomes of the leg comes as an event of its own; if nothing does, it is asked for again.
        asyncio.get_running_loop().call_later(1.0, self.look, sink.call)

    def _news(self, sink: _Sink, heard: Heard) -> None:
        talk = self._talks.get(sink.call) or self._ended.get(sink.call)
        if talk is None or (heard.closed and not heard.final):
            return
        changed = False
        if heard.partial is not None:
            changed = talk.turns.partial(sink.speaker, sink.who, heard.partial)
        if heard.final:
            changed |= talk.turns.final(sink.speaker, sink.who, sink.line.words(heard.final, heard.base))
        if changed:
            self._changed(talk)
            if sink.speaker == "citizen" and talk.state != "over":
                self._heard(talk.call, talk.turns.said_by_citizen(200))

    # ---------------------------------------------------------------- giving way

    async def _watch(self) -> None:
        """Look again and again whether the recognisers keep up, and whether calls that waited may begin."""
        while True:
            await asyncio.sleep(LOOK_S)
            for worker in self.workers:
                self._relieve(worker)
                worker.end_if_stuck()
            if self._rest_until and self._clock() >= self._rest_until:
                self._rest_until = 0.0
                self._next()

    def _relieve(self, worker: LiveWorker) -> None:
        behind: dict[CallId, float] = {}
        for talk in self._talks.values():
            mine = [one for one in talk.sinks.values() if one.worker is worker and one.stream is not None]
            if mine:
                behind[talk.call] = max(worker.behind(one.stream or 0) for one in mine)
        # `feed` drops what would exceed the bound, so it is never quite reached.
        loser = who_gives_way(behind, list(behind), self._rules.longest_behind_s - 2 * BATCH / RATE)
        if loser is not None:
            self._give_way(self._talks[loser])

    def _give_way(self, talk: _Talk) -> None:
        self.figures.gave_way += 1
        self._rest_until = self._clock() + self._rules.rest_s
        log.warning("call %s is heard after its end only: the machine is too busy", talk.call,
                    extra={"action": "live.gave_way"})  # fmt: skip
        talk.gave_way = True
        for sink in list(talk.sinks.values()):
            self._end(talk, sink, finish=False)
        self._give_back(talk)
        self._state(talk, "gave_way")
        self._post(LiveWordsMarked(talk.call, LiveMark.GAVE_WAY, self._clock()))

    # ---------------------------------------------------------------- for the desk

    def _state(self, talk: _Talk, state: str) -> None:
        if talk.state != state:
            talk.state = state
            self._changed(talk)

    def _changed(self, talk: _Talk) -> None:
        talk.version += 1
        talk.news.set()
        talk.news = asyncio.Event()

    def suggest(self, call: CallId, suggestions: Suggestions) -> None:
        """What the words so far point at."""
        talk = self._talks.get(call)
        if talk is not None and talk.suggestions != suggestions:
            talk.suggestions = suggestions
            self._changed(talk)

    def view(self, call: CallId) -> WordsView | None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        talk = self._talks.get(call) or self._ended.get(call)
        if talk is None:
            return None
        now = tuple(Speaking(*one) for one in talk.turns.now())
        turns = talk.turns
        by = talk.model
        return WordsView(
            call, talk.version, talk.state, by.language, by.name, turns.turns(), now, talk.suggestions, turns.dropped
        )

    def talkers(self, call: CallId) -> Talkers:
        """See `web.live_words_desk.LiveWordsDesk`."""
        talk = self._talks.get(call) or self._ended.get(call)
        return talk.talkers if talk is not None else Talkers(frozenset(), None)

    async def changed(self, call: CallId, version: int) -> None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        while (talk := self._talks.get(call) or self._ended.get(call)) is not None and talk.version == version:
            await talk.news.wait()

    def forget(self, call: CallId) -> None:
        """See `web.live_words_desk.LiveWordsDesk`."""
        talk = self._ended.pop(call, None)
        if talk is not None:
            self._changed(talk)
