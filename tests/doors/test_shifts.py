"""Agents' intervals as a serving hotline keeps them, on SQLite and PostgreSQL, over a restart; days closed."""

from __future__ import annotations

import asyncio
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from controller.build_figures import FiguresPart
from controller.commands.day import check
from controller.config import load
from controller.day_rows import save_call
from controller.days import Place
from controller.engine import cancelled
from controller.journal import JournalWriter
from controller.schema import upgrade
from controller.shifts import SAVE_INTERVAL, ShiftKeeper
from controller.spool import Operation
from controller.writer import Store
from metrics.intervals import AgentInterval
from metrics.intervals_sql import list_intervals, of_call, open_intervals
from pbx import commands as order
from pbx.call import CallRecord
from pbx.ids import CallId, ChannelName
from tests.builders import A1, A2, ONE, Hall
from tests.serving import NUMBERS, configuration

pytestmark = pytest.mark.doors

SAVE = Operation("save_call", save_call)

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Kept:
    """A hall whose agents' intervals are kept, as `FiguresPart` does it."""

    def __init__(self, hall: Hall, store: Store, still_open: list[AgentInterval], alive_until: float = 0.0) -> None:
        self.hall = hall
        self.keeper = ShiftKeeper(hall.house, lambda one: store.put(SAVE_INTERVAL, one), still_open, alive_until)
        inner = hall.board.step

        def step(found: object, now: float) -> list[order.Command]:
            commands = inner(found, now)  # type: ignore[arg-type]
            self.keeper.stepped()
            return commands

        hall.board.step = step  # type: ignore[method-assign, assignment]


async def test_intervals_are_stored_as_they_happen_and_over_a_restart(database_url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(upgrade, database_url)
    store = Store(database_url, spool=tmp_path / "spool.jsonl", operations=(SAVE_INTERVAL,))
    await store.start()
    hall = Hall(connected=False)
    before = Kept(hall, store, [])
    hall.connected()
    begin = hall.now
    hall.ready(A1, A2)
    hall.later(10)
    hall.talking(A1)
    hall.later(60)
    hall.not_ready(A2)
    before.keeper.flush()
    await store.submit(SAVE_INTERVAL, AgentInterval(A2, 1.0, "ready", ended_at=2.0))  # behind all others
    mine = await store.read(of_call, ONE)
    assert [(one.state, one.ended_at is None) for one in mine][-2:] == [("ringing", False), ("talking", True)]

    # The controller is killed; A1's talk is over when the next one comes, A2 is on his break still.
    died = hall.now
    marks = {one.agent: one.mark for one in hall.said if isinstance(one, order.MarkAgent)}
    again = Hall(connected=False)
    again.now = died + 5.0
    after = Kept(again, store, await store.read(open_intervals), died)
    again.connected(marks=marks)
    again.later(20)
    again.sign_out(A2)
    after.keeper.flush()
    await store.submit(SAVE_INTERVAL, AgentInterval(A2, 1.0, "ready", ended_at=2.0))
    talk = next(one for one in await store.read(of_call, ONE) if one.state == "talking")
    assert talk.ended_by == "restart"
    assert talk.ended_at is not None
    assert talk.began_at < talk.ended_at <= again.now
    found = await store.read(list_intervals, begin, again.now + 1)
    (rest,) = [one for one in found if one.agent == A2 and one.state == "not_ready" and one.reason == "break"]
    assert (rest.began_at, rest.ended_at, rest.ended_by) == (died, again.now, "")
    assert [one.agent for one in await store.read(open_intervals)] == [A1]
    assert all(one.ended_at is None or one.ended_at >= one.began_at for one in found)
    await store.stop()


async def test_a_day_is_closed_by_itself_when_its_hour_has_come(database_url: str, tmp_path: Path) -> None:
    settings = load(configuration(tmp_path, {"database": {"url": database_url}}, rest=NUMBERS))
    await asyncio.to_thread(upgrade, settings.database_url)
    store = Store(settings.database_url, spool=tmp_path / "spool.jsonl")
    await store.start()
    for day in (20, 21, 22):
        journal = JournalWriter(settings.data / "journal", configuration="x")
        await asyncio.to_thread(journal.start, datetime(2026, 11, day, 12, tzinfo=SHANGHAI).timestamp())
        await asyncio.to_thread(journal.stop)
    now = [datetime(2026, 11, 22, 2, 59, tzinfo=SHANGHAI).timestamp()]
    part = await FiguresPart.open(settings, store, Hall().house, lambda: now[0])
    assert await part.due() == [date(2026, 11, 20)]
    now[0] += 120.0
    assert await part.due() == [date(2026, 11, 20), date(2026, 11, 21)]
    call = CallRecord(CallId("c-1"), ChannelName("x"), "12345", "138", now[0] - 86_400.0)
    await store.submit(SAVE, call)
    for day in await part.due():
        await part.close_day(day)
    await store.submit(SAVE, replace(call, ended_at=now[0]))
    assert await part.due() == []
    verdict = await asyncio.to_thread(check, Place.of(settings), date(2026, 11, 21))
    assert verdict is not None
    assert (verdict.findings, verdict.closing.closed_by, verdict.closing.calls) == ((), "by itself", 1)
    assert [(one.call, one.changed) for one in verdict.corrections] == [("c-1", "ended_at")]
    assert verdict.closing.figures["connect.v1"]["value"] is None
    await store.stop()


async def test_a_closing_that_stumbles_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process that folds was ended for want of memory: no OSError, so it ended the closing of all days."""
    settings = load(configuration(tmp_path, {}, rest=NUMBERS))
    await asyncio.to_thread(upgrade, settings.database_url)
    store = Store(settings.database_url, spool=tmp_path / "spool.jsonl")
    await store.start()
    part = await FiguresPart.open(settings, store, Hall().house, lambda: 0.0)
    monkeypatch.setattr("controller.build_figures.FIRST_LOOK_S", 0.0)
    monkeypatch.setattr("controller.build_figures.LOOK_EVERY_S", 0.0)
    tried = asyncio.Queue[date]()

    async def due() -> list[date]:
        return [date(2026, 11, 20)]

    async def killed(day: date) -> None:
        tried.put_nowait(day)
        raise BrokenProcessPool("the process was ended")

    monkeypatch.setattr(part, "due", due)
    monkeypatch.setattr(part, "close_day", killed)
    task = asyncio.create_task(part.run())
    async with asyncio.timeout(30):
        assert [await tried.get(), await tried.get()] == [date(2026, 11, 20)] * 2
    await cancelled(task)
    await store.stop()
