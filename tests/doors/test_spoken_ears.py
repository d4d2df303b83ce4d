"""Who is listened to, and when: real sockets and a recogniser's process, and an Asterisk that behaves like one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.registry import CollectorRegistry

from controller import spoken_ears
from controller.spoken_ears import SpokenEars, SpokenRules
from metrics.spoken import SpokenMetrics
from pbx.commands import Command
from pbx.events import Event
from pbx.live_words import Hear
from pbx.spoken import ChoiceSpoken, ListeningChanged
from recordings.audiosocket import Kind, encoded
from recordings.live_worker import LiveLimits, LiveWorker
from recordings.models import FoundModel
from tests.builders import ONE, TWO, Hall
from tests.core.test_spoken import PLAN

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
MODEL = FoundModel(Path("/nowhere"), "none", "zh", "configured")
WORD = b"\x01\x00" * 160


class Stage:
    """A switchboard, those who listen, and everything that they ordered and told."""

    def __init__(self, how: str = "choose", longest_behind_s: float = 600.0) -> None:
        self.hall = Hall(spoken=PLAN)
        self.told: list[Event] = []
        self.lines: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.every: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.hears: list[Hear] = []
        self.answers = True
        self._tasks: set[asyncio.Task[None]] = set()
        rules = SpokenRules(0.6, longest_behind_s, 60.0, 0.5, 0, {})
        self.ears = SpokenEars(
            self.hall.house, perform=self.perform, post=self.post, clock=lambda: self.hall.now, rules=rules
        )
        command = (sys.executable, str(ROOT / "tests/fakes/live_recogniser.py"), how)
        limits = LiveLimits(longest_behind_s=longest_behind_s, restart_first_s=0.01, stuck_s=600)
        self.worker = LiveWorker(MODEL, limits=limits, changed=self.ears.worker_changed, command=command)
        self.ears.workers = {"zh": self.worker}

    def post(self, event: Event) -> None:
        self.told.append(event)
        self.do(lambda: self.hall.step(event), event)

    def do(self, step: Callable[[], list[Command]], event: Event | None = None) -> None:
        """A step of the switchboard, and what those who listen make of it."""
        step()
        self.ears.stepped(event or self.hall.steps[-1][0])

    def perform(self, hear: Hear) -> None:
        self.hears.append(hear)
        if self.answers:
            self._tasks.add(asyncio.get_running_loop().create_task(self._bring(hear)))

    async def _bring(self, hear: Hear) -> None:
        reader, writer = await asyncio.open_connection(hear.host, hear.port)
        writer.write(encoded(Kind.ID, UUID(hear.sink).bytes))
        self.lines[str(hear.leg)] = reader, writer
        self.every.append((reader, writer))

    async def until(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110 - another process does it
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never; {self.told}") from None

    async def brought(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The caller's line, once he is listened to."""
        await self.until(lambda: self.hears and self.ears.reading().questions == len(self.hears))
        return self.lines[str(self.hall.call().channel)]

    async def cut(self, line: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        """Returns when we have closed the line."""
        async with asyncio.timeout(30):
            with suppress(ConnectionError):
                assert await line[0].read() == b""


@asynccontextmanager
async def listening(how: str = "choose", longest_behind_s: float = 600.0) -> AsyncIterator[Stage]:
    stage = Stage(how, longest_behind_s)
    task = asyncio.create_task(stage.ears.run())
    try:
        await stage.until(lambda: stage.told)
        assert stage.told == [ListeningChanged(("zh",), stage.hall.now)]
        yield stage
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for _, writer in stage.every:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


def speak(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], seconds: float = 1.0) -> None:
    line[1].write(encoded(Kind.SOUND, WORD) * round(seconds * 50))


async def test_he_is_listened_to_while_he_is_asked_and_no_longer() -> None:
    async with listening() as stage:
        stage.do(lambda: stage.hall.arrive())
        line = await stage.brought()
        speak(line)  # the stand-in hears the first phrase of the list after a second of sound: 综合服务, key 1
        await stage.until(lambda: len(stage.told) > 1)
        choice = stage.told[1]
        assert isinstance(choice, ChoiceSpoken)
        assert (choice.call, choice.key, choice.conf) == (ONE, "1", 1.0)
        await stage.cut(line)
        await stage.until(lambda: len(stage.hears) == 2)  # the confirm step is a question of its own
        line = await stage.brought()
        stage.hall.started()
        stage.hall.later(2.0)
        stage.do(lambda: stage.hall.press("2"))
        stage.do(lambda: stage.hall.press("0"))
        assert len(stage.hears) == 2, "asked anew, but he has answered before he could be listened to"
        assert stage.ears.reading().listened == 0
        await stage.cut(line)


async def test_a_caller_who_hangs_up_is_listened_to_no_more() -> None:
    async with listening() as stage:
        stage.do(lambda: stage.hall.arrive())
        line = await stage.brought()
        stage.do(lambda: stage.hall.hung_up())
        await stage.cut(line)
        assert stage.ears.reading().listened == 0


async def test_a_recogniser_that_dies_is_told_at_once_and_when_it_is_back() -> None:
    async with listening() as stage:
        stage.do(lambda: stage.hall.arrive())
        await stage.brought()
        assert stage.worker.pid is not None
        os.kill(stage.worker.pid, signal.SIGKILL)
        await stage.until(lambda: len(stage.told) == 3)
        assert [one.languages for one in stage.told if isinstance(one, ListeningChanged)] == [("zh",), (), ("zh",)]
        speak(stage.lines[str(stage.hall.call().channel)], 2.0)  # his question goes on where it was
        await stage.until(lambda: isinstance(stage.told[-1], ChoiceSpoken))


async def test_a_recogniser_that_stands_still_gives_way_to_keys() -> None:
    async with listening("stop", 1.0) as stage:
        stage.do(lambda: stage.hall.arrive())
        speak(await stage.brought(), 0.9)
        await stage.until(lambda: stage.told[-1] == ListeningChanged((), stage.hall.now))
        stage.do(lambda: stage.hall.arrive(TWO))
        assert len(stage.hears) == 1, "nobody listens to the next one"
        stage.hall.later(61.0)
        await stage.until(lambda: stage.told[-1] == ListeningChanged(("zh",), stage.hall.now))


async def test_who_is_not_brought_in_time_is_asked_by_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken_ears, "CONNECT_S", 0.01)
    async with listening() as stage:
        stage.answers = False
        stage.do(lambda: stage.hall.arrive())
        await stage.until(lambda: stage.ears.reading().not_brought == 1)
        assert len(stage.hears) == 1
        stage.do(lambda: stage.hall.press("1"))
        assert stage.ears.reading().listened == 0


async def test_a_model_that_knows_no_word_of_the_question_is_not_asked_again() -> None:
    async with listening("deaf") as stage:
        stage.do(lambda: stage.hall.arrive())
        speak(await stage.brought())
        await stage.until(lambda: stage.told[-1] == ListeningChanged((), stage.hall.now))
        stage.do(lambda: stage.hall.arrive(TWO))
        assert len(stage.hears) == 1


async def test_figures_are_shown() -> None:
    async with listening() as stage:
        metrics, registry = SpokenMetrics(), CollectorRegistry()
        registry.register(metrics)
        assert registry.get_sample_value("hotline_spoken_callers") is None
        metrics.watch(stage.ears.reading)
        stage.do(lambda: stage.hall.arrive())
        speak(await stage.brought())
        await stage.until(lambda: len(stage.told) > 1)
        assert registry.get_sample_value("hotline_spoken_heard_total", {"as": "chosen"}) == 1
        assert registry.get_sample_value("hotline_spoken_recognisers_ready") == 1
