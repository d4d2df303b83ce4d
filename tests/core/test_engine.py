"""The loop: order, timers, and one strange event that must not silence the others. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from controller.engine import BATCH, Engine, WallClock, cancelled, tell_fault
from pbx.commands import Command, HangUp, Wake
from pbx.events import CallEnded, CallerIdle, Event, TimeIsUp, TimerKind
from pbx.ids import CallId, ChannelName
from tests.virtual_time import START, run, wall

pytestmark = pytest.mark.core

NUMBER = "13800001111"
HANG_UP = HangUp(CallId("c"), ChannelName("PJSIP/x-1"))


class Recorded:
    """A switchboard, a journal and a performer that write down what they are given."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lines: list[tuple[Event, float, Sequence[Command], str]] = []
        self.performed: list[Command] = []
        self.answers: dict[str, list[Command]] = {}
        self.engine = Engine(self, self, self.perform, wall, self.stumble, self.stepped)
        self.seen: list[Event] = []

    def step(self, event: Event, now: float) -> list[Command]:
        self.events.append(event)
        if getattr(event, "cause", 0) == 99:
            raise RuntimeError(NUMBER)
        return self.answers.get(type(event).__name__, [])

    def append(self, event: Event, now: float, commands: Sequence[Command], error: str = "") -> int:
        self.lines.append((event, now, tuple(commands), error))
        return len(self.lines) - 1

    def perform(self, command: Command) -> None:
        assert self.lines, "the journal comes first"
        self.performed.append(command)
        if self.answers.get("raise"):
            raise OSError(NUMBER)

    def stumble(self, event: Event) -> None:
        if getattr(event, "cause", 0) == 98:
            raise RuntimeError(NUMBER)

    def stepped(self, event: Event) -> None:
        self.seen.append(event)

    def live(self, seconds: float) -> None:
        """Run the engine for so long; what the test posted before is taken."""

        async def go() -> None:
            task = asyncio.create_task(self.engine.run())
            await asyncio.sleep(seconds)
            await cancelled(task)

        run(go())


def ended(cause: int = 16) -> CallEnded:
    return CallEnded(CallId("c"), cause, START)


def wake(at: float, generation: int = 1, key: str = "c") -> Wake:
    return Wake(TimerKind.ANNOUNCE, key, generation, START + at)


def test_events_are_taken_in_the_order_of_their_arrival_and_journaled_before_their_effects() -> None:
    bench = Recorded()
    bench.answers["CallEnded"] = [HANG_UP]
    posted = [ended(100 + number) for number in range(BATCH * 3)]
    for event in posted:
        bench.engine.post(event)
    bench.live(1)
    assert bench.events == bench.seen == posted
    assert bench.lines[0] == (posted[0], START, (HANG_UP,), "")
    assert bench.engine.steps == len(bench.performed) == len(posted)


def test_other_tasks_get_their_turn_between_two_batches() -> None:
    bench = Recorded()
    turns: list[int] = []

    async def go() -> None:
        for _ in range(BATCH * 3):
            bench.engine.post(ended())
        task = asyncio.create_task(bench.engine.run())
        while bench.engine.steps < BATCH * 3:
            turns.append(bench.engine.steps)
            await asyncio.sleep(0)
        await cancelled(task)

    run(go())
    assert BATCH in turns
    assert BATCH * 2 in turns


def test_an_event_that_raises_is_dropped_counted_and_told_without_its_data(caplog: pytest.LogCaptureFixture) -> None:
    bench = Recorded()
    with caplog.at_level(logging.ERROR):
        bench.engine.post(ended(99))
        bench.engine.post(ended())
        bench.live(1)
    assert len(bench.events) == 2
    assert bench.engine.failures == 1
    assert bench.lines[0][3] == "RuntimeError"
    assert "journal position 0" in caplog.text
    assert NUMBER not in caplog.text


def test_an_observer_that_raises_ends_nothing_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    bench = Recorded()
    with caplog.at_level(logging.ERROR):
        bench.engine.post(ended(98))
        bench.engine.post(ended())
        bench.live(1)
    assert bench.seen == bench.events
    assert len(bench.events) == 2
    assert bench.engine.failures == 1
    assert "after CallEnded an observer raised RuntimeError" in caplog.text
    assert NUMBER not in caplog.text


def test_a_command_that_cannot_be_performed_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    bench = Recorded()
    bench.answers = {"CallEnded": [HANG_UP, HANG_UP], "raise": [HANG_UP]}
    bench.engine.post(ended())
    bench.live(1)
    assert len(bench.performed) == 2
    assert bench.engine.failures == 2
    assert NUMBER not in caplog.text


def test_a_timer_rings_at_its_instant() -> None:
    bench = Recorded()
    bench.answers["CallEnded"] = [wake(600)]
    bench.engine.post(ended())
    bench.live(601)
    assert bench.events[1:] == [TimeIsUp(TimerKind.ANNOUNCE, "c", 1, START + 600)]
    assert not bench.performed, "timers are the engine's own"


def test_a_newer_timer_replaces_the_older_one_of_the_same_kind_and_key_only() -> None:
    bench = Recorded()
    other = Wake(TimerKind.RETRY_OFFER, "c", 1, START + 7)
    bench.answers["CallEnded"] = [wake(5), wake(6, 2), other, wake(8, key="d")]
    bench.engine.post(ended())
    bench.live(60)
    rung = [(one.kind, one.key, one.generation) for one in bench.events if isinstance(one, TimeIsUp)]
    assert rung == [(TimerKind.ANNOUNCE, "c", 2), (TimerKind.RETRY_OFFER, "c", 1), (TimerKind.ANNOUNCE, "d", 1)]


def test_an_instant_that_is_past_rings_at_once() -> None:
    bench = Recorded()
    bench.answers["CallEnded"] = [wake(-100)]
    bench.engine.post(ended())
    bench.live(0.001)
    assert isinstance(bench.events[-1], TimeIsUp)


def test_what_is_in_the_inbox_when_it_ends_is_still_taken_and_timers_are_not() -> None:
    bench = Recorded()
    bench.answers["CallEnded"] = [wake(50)]

    async def go() -> None:
        task = asyncio.create_task(bench.engine.run())
        await asyncio.sleep(1)
        bench.engine.post(ended())
        bench.engine.post(CallerIdle(CallId("c"), 1, START))
        await cancelled(task)
        await asyncio.sleep(100)

    run(go())
    assert [type(one) for one in bench.events] == [CallEnded, CallerIdle]


def test_a_clock_that_is_set_back_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.0, 5.0, 11.0, 13.0])
    monkeypatch.setattr("controller.engine.time.time", lambda: next(times))
    clock = WallClock()
    assert [clock() for _ in range(5)] == [10.0, 12.0, 12.0, 12.0, 13.0]


def test_the_error_of_a_task_that_is_ended_is_not_swallowed() -> None:
    async def go() -> None:
        async def breaks() -> None:
            raise ValueError("broken")

        task: asyncio.Task[object] = asyncio.create_task(breaks())
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="broken"):
            await cancelled(task)

    run(go())


def test_a_part_that_ends_by_a_fault_is_told_of_without_its_data(caplog: pytest.LogCaptureFixture) -> None:
    async def part(error: Exception | None) -> None:
        if error is not None:
            raise error

    async def go() -> None:
        for error in (None, ValueError(NUMBER)):
            task: asyncio.Task[object] = asyncio.create_task(part(error))
            await asyncio.wait({task})
            tell_fault(task)

    with caplog.at_level(logging.ERROR):
        run(go())
    assert [one.action for one in caplog.records] == ["part_ended"]  # type: ignore[attr-defined]
    assert "ValueError" in caplog.text
    assert NUMBER not in caplog.text
