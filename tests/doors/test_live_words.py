"""Which legs are heard, and what becomes of them: real sockets, an Asterisk and a recogniser that behave like them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from controller import live_words
from controller.house import Holding, House, LiveCall
from controller.live_ears import STRANGERS
from controller.live_words import LiveRules, LiveWords, wanted
from pbx.call import CallRecord, CallState
from pbx.events import CallEnded, Event, ExchangeLost, PartyJoined, PartyLeft, Role, TimeIsUp, TimerKind
from pbx.ids import AgentId, CallId, ChannelName
from pbx.live_words import Hear, LiveMark, LiveWordsMarked
from recordings.audiosocket import Kind, encoded
from recordings.budget import CoreBudget, Cores
from recordings.live_worker import LiveLimits, LiveWorker
from recordings.models import FoundModel
from tests.builders import plan
from web.live_words_desk import WordsView

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
MODEL = FoundModel(Path("/nowhere"), "none", "zh", "configured")
OTHER = FoundModel(Path("/elsewhere"), "other", "en", "configured")
ZERO = 1_795_300_000.0
A1, A2 = AgentId("1001"), AgentId("1002")


class Clock:
    def __init__(self) -> None:
        self.now = ZERO + 10.0

    def __call__(self) -> float:
        return self.now


class Line:
    """Asterisk's side of one leg: connects as it was told, sends what the test says."""

    def __init__(self, hear: Hear) -> None:
        self.hear = hear
        self.cut = asyncio.Event()

    async def connect(self) -> Line:
        self.reader, self.writer = await asyncio.open_connection(self.hear.host, self.hear.port)
        self.writer.write(encoded(Kind.ID, UUID(self.hear.sink).bytes))
        self.task = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        with suppress(OSError):
            await self.reader.read()
        self.cut.set()

    def send(self, seconds: float, clock: Clock) -> None:
        """So much sound, which ends now."""
        clock.now += seconds
        self.writer.write(encoded(Kind.SOUND, bytes(320)) * round(seconds * 50))  # at once: it ends at one instant

    def hang_up(self) -> None:
        self.writer.write(encoded(Kind.END))


class Stage:
    """A house with calls, its live words, and everything that they ordered."""

    def __init__(self, live: float = 1.0, how: str = "hear", **rules: float) -> None:
        self.house = House(plan())
        self.house.connected = True
        self.clock = Clock()
        self.hears: list[Hear] = []
        self.marks: list[LiveWordsMarked] = []
        self.lines: dict[ChannelName, Line] = {}  #: the newest of each leg
        self.every: list[Line] = []
        self.said: list[str] = []
        self.answers = True
        self._connecting: set[asyncio.Task[None]] = set()
        command = (sys.executable, str(ROOT / "tests/fakes/live_recogniser.py"), how)
        limits = LiveLimits(longest_behind_s=1.0, restart_first_s=0.01, stuck_s=600)
        self.words = LiveWords(
            self.house,
            perform=self.perform,
            post=self.post,
            clock=self.clock,
            budget=CoreBudget(Cores(live + 1.0, live)),
            workers=[],
            rules=LiveRules(**{"call_cores": 0.4, "longest_behind_s": 1.0, "rest_s": 5.0} | rules),
            models={"zh": MODEL, "en": OTHER},
            heard=lambda call, said: self.said.append(said),
        )
        worker = LiveWorker(MODEL, limits=limits, changed=self.words.worker_changed, command=command)
        other = LiveWorker(OTHER, limits=limits, changed=self.words.worker_changed, command=command)
        self.words.workers += [worker, other]
        self.worker, self.other = worker, other

    def post(self, event: Event) -> None:
        assert isinstance(event, LiveWordsMarked)
        self.marks.append(event)

    def perform(self, hear: Hear) -> None:
        self.hears.append(hear)
        if self.answers:
            task = asyncio.get_running_loop().create_task(self._bring(hear))
            self._connecting.add(task)

    async def _bring(self, hear: Hear) -> None:
        line = self.lines[hear.leg] = await Line(hear).connect()
        self.every.append(line)

    def call(self, number: int = 1, *, language: str = "zh", recorded: bool = True) -> LiveCall:
        """A citizen who talks with an agent."""
        record = CallRecord(
            CallId(f"c{number}"), ChannelName(f"PJSIP/trunk-{number}"), "12345", "", ZERO, language=language
        )
        live = self.house.add(record)
        live.recording, live.recording_since = ("raw" if recorded else None), ZERO
        self.joins(live, ChannelName(f"PJSIP/1001-{number}"), A1)
        return live

    def joins(self, live: LiveCall, leg: ChannelName, agent: AgentId) -> None:
        live.state, live.in_bridge = CallState.TALKING, True
        live.legs[leg] = agent
        self.words.stepped(PartyJoined(live.call, leg, Role.AGENT, agent, self.clock()))

    def leaves(self, live: LiveCall, leg: ChannelName) -> None:
        live.legs.pop(leg)
        self.words.stepped(PartyLeft(live.call, leg, Role.AGENT, None, self.clock()))

    def ends(self, live: LiveCall) -> None:
        del self.house.calls[live.call]
        self.words.stepped(CallEnded(live.call, 16, self.clock()))

    def view(self, number: int = 1) -> WordsView:
        found = self.words.view(CallId(f"c{number}"))
        assert found is not None
        return found

    async def until(self, holds: Callable[[], object], seconds: float = 10.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - another process does it
                    await asyncio.sleep(0.005)
        except TimeoutError:
            views = [self.words.view(call) for call in (CallId("c1"), CallId("c2"))]
            raise AssertionError(f"never; {views}") from None

    async def heard(self, live: LiveCall) -> tuple[Line, Line]:
        """Both sides of the call, connected."""
        agents = next(iter(live.legs))
        await self.until(lambda: live.channel in self.lines and agents in self.lines)
        return self.lines[live.channel], self.lines[agents]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with started(Stage()) as made:
        yield made


class started:  # noqa: N801 - read as a word
    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def __aenter__(self) -> Stage:
        self.task = asyncio.create_task(self.stage.words.run())
        await self.stage.until(lambda: self.stage.worker.ready)
        return self.stage

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for line in self.stage.every:
            line.writer.close()
            await asyncio.gather(line.task, line.writer.wait_closed(), return_exceptions=True)


# ---------------------------------------------------------------- which legs


def test_nobody_is_heard_before_the_recording_nor_alone_nor_while_it_is_paused() -> None:
    live = LiveCall(CallRecord(CallId("c"), ChannelName("PJSIP/trunk-1"), "12345", "", ZERO))
    leg = ChannelName("PJSIP/1001-1")
    assert wanted(None, False) == {}
    assert wanted(live, False) == {}
    live.state, live.in_bridge, live.legs = CallState.TALKING, True, {leg: A1}
    assert wanted(live, False) == {}, "the recording has not begun: he was not told yet"
    live.recording = "raw"
    assert wanted(live, False) == {live.channel: ("citizen", ""), leg: ("agent", "1001")}
    assert wanted(live, True) == {}
    live.legs = {}
    assert wanted(live, False) == {}, "he is alone"
    for state in CallState:
        live.state, live.legs = state, {leg: A1}
        assert bool(wanted(live, False)) == (state is CallState.TALKING), state


async def test_words_of_both_legs_come_with_their_times(stage: Stage) -> None:
    live = stage.call()
    mine, theirs = await stage.heard(live)
    assert stage.view().state == "live"
    assert stage.words.talkers(live.call).agents == {A1}
    stage.clock.now = ZERO + 20.0
    mine.send(1.0, stage.clock)
    await stage.until(lambda: stage.view().turns)
    theirs.send(1.0, stage.clock)
    await stage.until(lambda: len(stage.view().turns) == 2)
    first, second = stage.view().turns
    assert (first.speaker, first.who, second.speaker, second.who) == ("citizen", "", "agent", "1001")
    assert first.start_s == pytest.approx(20.5, abs=0.15)
    assert second.start_s == pytest.approx(21.5, abs=0.15)
    assert stage.said[-1] == "w"
    assert stage.marks == [LiveWordsMarked(live.call, LiveMark.LIVE, ZERO + 10.0)]
    stage.ends(live)
    await asyncio.gather(mine.cut.wait(), theirs.cut.wait())
    assert stage.view().state == "over"
    assert len(stage.view().turns) == 2
    stage.words.forget(live.call)
    assert stage.words.view(live.call) is None
    assert stage.words.reading().cores == 0


async def test_hold_ends_both_and_resume_begins_anew(stage: Stage) -> None:
    live = stage.call()
    mine, theirs = await stage.heard(live)
    leg = next(iter(live.legs))
    live.state, live.holding = CallState.HELD, Holding(A1, leg, 3)
    stage.leaves(live, leg)
    await asyncio.gather(mine.cut.wait(), theirs.cut.wait())
    assert stage.view().state == "waiting"
    assert stage.words.reading().cores == 0, "while he hears music the room is others'"
    assert stage.words.talkers(live.call).agents == {A1}, "the agent who holds him still reads"
    stage.lines.clear()
    stage.joins(live, leg, A1)
    await stage.heard(live)
    assert stage.view().state == "live"
    assert len(stage.hears) == 4


async def test_a_third_party_is_heard_too_and_a_transfer_follows(stage: Stage) -> None:
    live = stage.call()
    mine, theirs = await stage.heard(live)
    other = ChannelName("PJSIP/1002-9")
    stage.joins(live, other, A2)
    await stage.until(lambda: other in stage.lines)
    assert not mine.cut.is_set(), "the citizen goes on being heard by the same recogniser"
    stage.leaves(live, next(iter(live.legs)))
    await theirs.cut.wait()
    stage.lines[other].send(1.0, stage.clock)
    await stage.until(lambda: stage.view().turns)
    assert stage.view().turns[0].who == "1002"
    assert not mine.cut.is_set()
    assert stage.words.talkers(live.call).agents == {A2}


async def test_while_the_recording_is_paused_nothing_is_heard(stage: Stage) -> None:
    live = stage.call()
    mine, theirs = await stage.heard(live)
    mine.send(0.5, stage.clock)
    await stage.until(lambda: stage.view().now)
    stage.house.paused[live.call] = None
    stage.words.stepped(TimeIsUp(TimerKind.RECORDING_PAUSE, live.call, 0, 0.0))
    await asyncio.gather(mine.cut.wait(), theirs.cut.wait())
    assert (stage.view().state, stage.view().now) == ("paused", ())
    mine.send(2.0, stage.clock)  # what is on its way still is not heard
    stage.joins(live, ChannelName("PJSIP/1002-9"), A2)
    assert len(stage.hears) == 2
    stage.lines.clear()
    del stage.house.paused[live.call]
    stage.words.stepped(TimeIsUp(TimerKind.RECORDING_PAUSE, live.call, 0, 0.0))
    await stage.heard(live)
    assert stage.view().turns == ()


async def test_each_language_is_heard_by_its_own_model(stage: Stage) -> None:
    await stage.until(lambda: stage.other.ready)
    chinese, english = stage.call(1), stage.call(2, language="en")
    await stage.heard(chinese)
    await stage.heard(english)
    await stage.until(lambda: (stage.worker.legs, stage.other.legs) == (2, 2))
    assert [(stage.view(one).recogniser, stage.view(one).language) for one in (1, 2)] == [
        ("none", "zh"), ("other", "en")
    ]  # fmt: skip


async def test_callers_of_another_language_are_not_heard(stage: Stage) -> None:
    live = stage.call(language="fr")
    assert stage.words.view(live.call) is None
    assert stage.hears == []


# ---------------------------------------------------------------- room, and giving way


async def test_no_more_calls_than_there_is_room_for_and_the_next_begins_when_one_ends(stage: Stage) -> None:
    first, second, third = stage.call(1), stage.call(2), stage.call(3)
    assert [stage.view(one).state for one in (1, 2, 3)] == ["live", "live", "no_room"]
    stage.words.look(third.call)
    assert stage.words.reading().no_room == 1, "he is counted once"
    assert len(stage.hears) == 4
    stage.ends(first)
    await stage.until(lambda: stage.view(3).state == "live")
    assert {hear.call for hear in stage.hears} == {first.call, second.call, third.call}


async def test_the_newest_gives_way_when_the_recogniser_falls_behind() -> None:
    async with started(Stage(how="stop")) as stage:
        first, second = stage.call(1), stage.call(2)
        lines = [*await stage.heard(first), *await stage.heard(second)]
        for line in lines:
            line.send(0.5, stage.clock)
        await stage.until(lambda: stage.worker.legs == 4)
        for line in lines:
            line.send(2.0, stage.clock)
        await stage.until(lambda: stage.view(2).state == "gave_way")
        assert stage.marks[-1].mark is LiveMark.GAVE_WAY
        stage.words.stepped(PartyJoined(second.call, ChannelName("x/1"), Role.AGENT, A1, 0.0))
        assert stage.view(2).state == "gave_way", "for good: half a talk would help nobody"
        await stage.until(lambda: stage.view(1).state == "gave_way")  # it is still behind
        assert stage.words.reading().gave_way == 2
        third = stage.call(3)
        assert stage.view(3).state == "no_room", "the machine rests first"
        stage.clock.now += 6.0
        await stage.until(lambda: stage.view(3).state == "live")
        assert third.call in {hear.call for hear in stage.hears}


async def test_a_killed_recogniser_costs_words_and_nothing_else(stage: Stage) -> None:
    live = stage.call()
    mine, _ = await stage.heard(live)
    mine.send(1.0, stage.clock)
    await stage.until(lambda: stage.view().turns)
    assert stage.worker._process is not None
    stage.worker._process.kill()
    await stage.until(lambda: not stage.worker.ready)
    await stage.until(lambda: stage.worker.ready)
    assert not mine.cut.is_set()
    mine.send(1.0, stage.clock)
    await stage.until(lambda: stage.view().turns[0].text == "w w")
    assert stage.view().turns[0].end_s == pytest.approx(stage.clock() - ZERO - 0.25, abs=0.15)


# ---------------------------------------------------------------- what Asterisk, and strangers, do


async def test_a_leg_that_is_not_brought_is_asked_for_again_but_not_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_words, "CONNECT_S", 0.02)
    stage.answers = False
    live = stage.call()
    await stage.until(lambda: stage.view().state == "failed")
    assert len(stage.hears) == 2 * live_words.TRIES
    assert stage.words.reading().not_brought == 2 * live_words.TRIES
    assert stage.words.reading().cores == 0
    assert live.call in stage.house.calls


async def test_the_exchange_is_lost_and_comes_back(stage: Stage) -> None:
    live = stage.call()
    mine, theirs = await stage.heard(live)
    mine.hang_up()
    theirs.hang_up()
    stage.house.connected = False
    stage.words.stepped(ExchangeLost(0.0))
    await asyncio.gather(mine.cut.wait(), theirs.cut.wait())
    stage.lines.clear()
    stage.house.connected = True
    stage.words.look(live.call)
    await stage.heard(live)
    assert stage.view().state == "live"


async def test_strangers_are_cut_off(stage: Stage) -> None:
    live = stage.call()
    mine, _ = await stage.heard(live)
    port = stage.hears[0].port
    taken = UUID(stage.hears[0].sink)
    for sent in (
        encoded(Kind.ID, uuid4().bytes) + encoded(Kind.SOUND, bytes(320)),
        encoded(Kind.ID, taken.bytes),  # once only
        b"GET / HTTP/1.1\r\n\r\n",
        encoded(Kind.SOUND, bytes(320)),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    assert stage.words.reading().strangers == 4
    assert not mine.cut.is_set()
    mute = [await asyncio.open_connection("127.0.0.1", port) for _ in range(STRANGERS + 1)]
    with suppress(ConnectionError):
        assert await mute[-1][0].read() == b"", "no more than so many who do not say who they are"
    assert stage.words.reading().strangers == 5
    for _, writer in mute:
        writer.close()
    mine.send(1.0, stage.clock)
    await stage.until(lambda: stage.view().turns)


async def test_sound_that_comes_after_the_talk_is_cut_off_and_is_no_stranger(stage: Stage) -> None:
    stage.answers = False
    live = stage.call()
    stage.ends(live)
    for hear in stage.hears:
        line = await Line(hear).connect()
        stage.every.append(line)
        await line.cut.wait()
    assert stage.words.reading().strangers == 0


async def test_of_a_call_that_was_never_talked_nothing_is_kept(stage: Stage) -> None:
    live = stage.call(recorded=False)
    stage.ends(live)
    assert stage.words.view(live.call) is None
    await stage.words.changed(live.call, 1)
    assert replace(stage.words.reading(), ready=0).calls == 0
