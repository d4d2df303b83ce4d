"""The live recogniser's process: what it hears, and that nobody waits for it when it dies, hangs or has no model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from ivr.audio import alaw_table
from recordings.live_worker import Heard, LiveLimits, LiveWorker
from recordings.models import FoundModel, find_model

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "controller" / "demo" / "audio"
GRAMMAR: tuple[str, ...] = tuple(json.loads((SPEECH / "manifest.json").read_text("utf-8"))["grammar"])
NOBODY = FoundModel(Path("/nowhere"), "none", "ko", "package", ("w",))
QUICK = LiveLimits(restart_first_s=0.01, stuck_s=0.2, load_s=20)


def pretended(how: str = "hear") -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "tests/fakes/live_recogniser.py"), how)


class Leg:
    """What is told of one leg."""

    def __init__(self) -> None:
        self.news: list[Heard] = []

    @property
    def words(self) -> list[str]:
        return [word.text for heard in self.news for word in heard.final]

    @property
    def closed(self) -> bool:
        return bool(self.news) and self.news[-1].closed


@asynccontextmanager
async def working(worker: LiveWorker) -> AsyncIterator[LiveWorker]:
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: worker.ready or worker.failed)
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert worker.pid is None


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - another process does it and has no event here
            await asyncio.sleep(0.005)


def speech(name: str) -> bytes:
    """An utterance with silence around it, as 16 bit samples."""
    said = alaw_table()[np.frombuffer((SPEECH / "ko" / f"{name}.alaw").read_bytes(), np.uint8)]
    return bytes(8000) + said.astype("<i2").tobytes() + bytes(24000)


async def test_two_legs_are_heard_at_once_each_its_own_words() -> None:
    model = find_model("ko", configured=None, models_dir=Path("/none"), package_grammar=GRAMMAR)
    if model is None:
        pytest.skip("no package brings a model here")
    async with working(LiveWorker(model)) as worker:
        citizen, agent = Leg(), Leg()
        one, other = worker.open(8000, citizen.news.append), worker.open(8000, agent.news.append)
        mine, theirs = speech("citizen-complaint"), speech("agent-yes")
        for place in range(0, max(len(mine), len(theirs)), 1600):
            worker.feed(one, mine[place : place + 1600])
            worker.feed(other, theirs[place : place + 1600])
            await until(lambda: worker.behind(one) < 1 and worker.behind(other) < 1)
        worker.close(one)
        worker.close(other)
        await until(lambda: citizen.closed and agent.closed)
        assert (citizen.words, agent.words) == (["민원"], ["네"])
        assert any(heard.partial for heard in citizen.news)
        (word,) = [word for heard in citizen.news for word in heard.final]
        assert 0.4 < word.start < word.end < 0.5 + (len(mine) - 32000) / 16000 + 0.3
        assert worker.dropped_s == 0
        assert worker.legs == 0


async def test_legs_of_a_killed_process_go_on_in_a_new_one() -> None:
    async with working(LiveWorker(NOBODY, limits=QUICK, command=pretended())) as worker:
        leg = Leg()
        number = worker.open(8000, leg.news.append)
        worker.feed(number, bytes(2 * 12000))
        await until(lambda: leg.words)
        first = worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: not worker.ready)
        assert not worker.feed(number, bytes(2 * 4000)), "nobody hears it: it is dropped, and its time is kept"
        await until(lambda: worker.ready)
        assert worker.pid != first
        assert worker.feed(number, bytes(2 * 8000))
        await until(lambda: len(leg.words) == 2)
        assert leg.news[-1].base == 16000, "the new process counts from where the leg was"
        assert worker.restarts == 1
        assert worker.dropped_s == pytest.approx(0.5, abs=0.01)


async def test_a_process_that_stands_still_takes_no_memory_and_is_replaced() -> None:
    limits = LiveLimits(longest_behind_s=2.0, restart_first_s=0.01, stuck_s=0.2)
    async with working(LiveWorker(NOBODY, limits=limits, command=pretended("stop"))) as worker:
        leg = Leg()
        number = worker.open(8000, leg.news.append)
        taken = [worker.feed(number, bytes(1600)) for _ in range(100)]
        assert taken == [True] * 20 + [False] * 80
        assert worker.behind(number) == pytest.approx(2.0)
        assert worker.dropped_s == pytest.approx(8.0)
        worker.end_if_stuck()
        assert worker.pid is not None, "not at once"
        first = worker.pid
        await asyncio.sleep(0.25)  # it is the time that is tested
        worker.end_if_stuck()
        await until(lambda: worker.ready and worker.pid not in (None, first))
        assert worker.behind(number) == 0


async def test_a_process_that_owes_no_answer_is_not_taken_for_stuck() -> None:
    """It says nothing of legs that are dropped, nor of less sound than it answers for."""
    limits = LiveLimits(restart_first_s=0.01, stuck_s=0.05)
    async with working(LiveWorker(NOBODY, limits=limits, command=pretended("stop"))) as worker:
        first = worker.pid
        for _ in range(3):
            number = worker.open(8000, lambda heard: None)
            worker.feed(number, bytes(2 * 3000))
            worker.end_if_stuck()
            await asyncio.sleep(0.06)  # it is the time that is tested
            worker.end_if_stuck()
            worker.drop(number)
        assert (worker.pid, worker.restarts) == (first, 0)
        assert worker.ready


async def test_what_is_closed_while_nobody_hears_is_over_at_once() -> None:
    worker = LiveWorker(NOBODY, command=pretended())
    leg = Leg()
    number = worker.open(8000, leg.news.append)
    assert not worker.feed(number, bytes(320))
    worker.close(number)
    assert leg.closed
    assert not worker.feed(number, bytes(320))
    worker.drop(number)
    worker.close(number)
    assert len(leg.news) == 1


async def test_a_model_that_cannot_be_loaded_is_not_tried_again() -> None:
    async with working(LiveWorker(NOBODY, limits=QUICK, command=pretended("bad"))) as worker:
        assert worker.failed == "no model"
        assert not worker.ready
