"""Reminders and escalations on a real store: each once, through restarts, outages and changes in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from controller.database import StoreError
from controller.records import Operations, Records
from controller.reminders import Reminders, Sink, to_log
from controller.spool import Operation
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tests.ticket_story import BOSS, DAY, DESK, HOUR, MONDAY, POLICY, UNITS, WANG, WATER, I, wish
from tickets.calendars import ChineseCalendar, YearDays, published
from tickets.deadlines import ClockKind, DeadlineRules, Limit, LimitRule, Unit
from tickets.given import Move
from tickets.moves import Actor, TicketInput
from tickets.schedule import Act, Made, Outcome, StepRule, When
from tickets.steps_sql import made_of, untold
from tickets.ticket import Ticket, TicketChange, TicketPolicy

pytestmark = pytest.mark.doors

IN_TIME_S = 10.0


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


class Clock:
    """A clock that stands until it is set; whoever waits on it is woken as a change of a ticket wakes him."""

    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> float:
        return self.now


class Desk:
    """The sink: what was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[Made] = []
        self._more = asyncio.Event()
        self.broken = False
        self.refused = 0

    async def __call__(self, made: Made) -> None:
        self.refused += self.broken
        self._more.set()
        if self.broken:
            raise RuntimeError("the sink is away")
        self.told.append(made)

    async def asked(self, count: int) -> None:
        async with asyncio.timeout(IN_TIME_S):
            while self.refused < count:
                self._more.clear()
                await self._more.wait()

    async def until(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(IN_TIME_S):
            while len(self.told) < count:
                self._more.clear()
                await self._more.wait()
        return [(one.rule, one.outcome.value) for one in self.told]


@asynccontextmanager
async def running(
    store: Store, records: Records, clock: Clock, desk: Sink, policy: TicketPolicy = POLICY
) -> AsyncIterator[Reminders]:
    reminders = Reminders(store, policy, clock, desk, retry_s=0.02)
    records.on_ticket, records.on_opened, records.on_changed = reminders.note, reminders.opened, reminders.look_at
    task = asyncio.create_task(reminders.run())
    try:
        yield reminders
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await store.submit(Operation("barrier", lambda connection, nothing: None), None)  # as a store that is stopped


def wake(reminders: Reminders) -> None:
    """As if its timer had run out: the clock of the test has been set."""
    reminders._changed.set()


def planned_as(reminders: Reminders, wanted: Callable[[Ticket], bool]) -> asyncio.Future[Ticket]:
    """The first ticket that is planned from now on and is as wanted."""
    found: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
    plan = reminders._plan

    def seen(ticket: Ticket) -> None:
        plan(ticket)
        if wanted(ticket) and not found.done():
            found.set_result(ticket)

    reminders._plan = seen  # type: ignore[method-assign]
    return found


numbers: Iterator[int] = iter(range(1, 10**6))


async def dispatched(records: Records, clock: Clock) -> Ticket:
    number = await records.open_ticket(
        OpenTicket(CallId(f"c-{next(numbers)}"), "13800001111", "12345", "zh", "general", AgentId("1001"), clock.now)
    )
    await records.change_ticket(number, TicketChange(type="help", text="停水"), WANG, at=clock.now)
    return await records.move_ticket(number, Move(I.REFER, unit="water"), DESK, at=clock.now)


async def do(records: Records, number: TicketNumber, actor: Actor, what: TicketInput, at: float) -> Ticket:
    ticket = await records.ticket(number)
    assert ticket is not None
    return await records.move_ticket(number, wish(what, ticket), actor, at=at)


async def causes(records: Records, number: TicketNumber) -> list[str]:
    return [one.cause for one in await records.ticket_moves(number)]


async def test_each_step_when_it_is_due(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        clock.now = MONDAY + 4.5 * HOUR  # 13:30, an hour and a half of working time before 14:30... the warning's time
        wake(reminders)
        assert await desk.until(1) == [("sign-soon", "made")]
        clock.now = ticket.sign_due
        wake(reminders)
        assert await desk.until(2) == [("sign-soon", "made"), ("sign-late", "made")]
        assert (desk.told[1].act, desk.told[1].to, desk.told[1].unit) == (Act.REMIND, ("unit", "supervisor"), "water")
        late = await records.ticket(ticket.number)
        assert late is not None
        assert (late.remind_count, late.reminded_at) == (1, ticket.sign_due)
        await do(records, ticket.number, WATER, I.SIGN, clock.now + 60)
        clock.now = ticket.handle_due + 8 * DAY
        wake(reminders)
        assert (await desk.until(4))[2:] == [("handle-late", "made"), ("handle-late-5", "made")]
        assert (await causes(records, ticket.number))[3:] == ["remind", "sign", "remind", "escalate"]
        made = await store.read(made_of, ticket.number)
        assert [(one.rule, one.outcome) for one in made if one.rule == "handle-soon"] == [
            ("handle-soon", Outcome.OVERTAKEN)
        ], "nobody is told that it will be due soon when it is late"
        assert reminders.next_at() is None


async def test_nothing_is_said_twice_after_a_restart_and_nothing_is_lost(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        clock.now = ticket.sign_due
        wake(reminders)
        await desk.until(2)
    clock.now = ticket.sign_due + DAY  # it was down; nothing new is due
    async with running(store, records, clock, desk) as reminders:
        other = await dispatched(records, clock)
        clock.now = other.sign_due
        wake(reminders)
        await desk.until(4)
    assert [(one.ticket, one.rule) for one in desk.told] == [
        (ticket.number, "sign-soon"),
        (ticket.number, "sign-late"),
        (other.number, "sign-soon"),
        (other.number, "sign-late"),
    ]
    clock.now = ticket.handle_due + 1  # a deadline passes while it is down
    async with running(store, records, clock, desk):
        assert (await desk.until(5))[4:] == [("handle-late", "made")]
    assert len({(one.ticket, one.key) for one in desk.told}) == len(desk.told)


async def test_what_was_made_and_not_told_is_told_after_the_restart(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    desk.broken = True
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        clock.now = ticket.sign_due
        wake(reminders)
        await desk.asked(2)
    assert len(await store.read(untold)) == 2
    assert (await causes(records, ticket.number)).count("remind") == 1
    desk.broken = False
    async with running(store, records, clock, desk):
        assert await desk.until(2) == [("sign-soon", "made"), ("sign-late", "made")]
    assert (await causes(records, ticket.number)).count("remind") == 1


async def test_a_ticket_that_has_moved_on_is_left_alone(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        records.on_ticket = lambda ticket: None  # the news of the signing is still on its way
        await do(records, ticket.number, WATER, I.SIGN, clock.now + 60)
        clock.now = ticket.sign_due
        wake(reminders)
        other = await dispatched(records, clock)
        reminders.note(other)
        clock.now = other.sign_due
        wake(reminders)
        await desk.until(2)
    assert {one.ticket for one in desk.told} == {other.number}
    assert "remind" not in await causes(records, ticket.number)


async def test_a_pause_ends_by_itself(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        await do(records, ticket.number, WATER, I.SIGN, MONDAY + HOUR)
        asked = Move(I.ASK_PAUSE, reason="等待材料", pause="requester", until=MONDAY + 3 * DAY)
        await records.move_ticket(ticket.number, asked, WATER, at=MONDAY + DAY)
        paused = await records.move_ticket(ticket.number, Move(I.GRANT_PAUSE), BOSS, at=MONDAY + DAY)
        assert paused.paused
        assert reminders.next_at() == MONDAY + 3 * DAY
        clock.now = MONDAY + 4 * DAY
        resumed = planned_as(reminders, lambda one: one.number == ticket.number and not one.paused)
        wake(reminders)
        after = await asyncio.wait_for(resumed, IN_TIME_S)
    assert after.pauses[0].until == MONDAY + 3 * DAY
    assert after.handle_due == ticket.handle_due + 2 * DAY  # two working days: Monday becomes Wednesday
    assert desk.told == []


async def test_while_the_database_is_away_reminders_wait(
    store: Store, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await dispatched(records, clock)
        submit: Callable[..., asyncio.Future[object]] = store.submit
        away = asyncio.Event()

        def refuse(operation: object, argument: object) -> asyncio.Future[object]:
            future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError("unreachable", "away"))
            away.set()
            return future

        monkeypatch.setattr(store, "submit", refuse)
        clock.now = ticket.sign_due
        wake(reminders)
        await asyncio.wait_for(away.wait(), IN_TIME_S)
        monkeypatch.setattr(store, "submit", submit)
        assert await desk.until(2) == [("sign-soon", "made"), ("sign-late", "made")]


async def test_the_hotlines_own_clock_runs_from_the_call(store: Store, records: Records) -> None:
    """A danger that nobody has dispatched within 15 minutes; the ticket has no type, no text and no unit."""
    rules = DeadlineRules(limits=(LimitRule(ClockKind.DISPATCH, Limit(0.25, Unit.HOURS)),))
    step = StepRule("undispatched", ClockKind.DISPATCH, When.AT, Act.REMIND, ("supervisor",))
    clock, desk = Clock(), Desk()
    policy = TicketPolicy(units=UNITS, deadlines=rules, steps=(step,))
    async with running(store, records, clock, desk, policy) as reminders:
        await records.open_ticket(
            OpenTicket(CallId("danger"), "13800001111", "12345", "zh", "general", AgentId("1001"), MONDAY)
        )
        clock.now = MONDAY + 900
        wake(reminders)
        assert await desk.until(1) == [("undispatched", "refused")]  # nobody to remind: its state has no such move


async def test_a_ticket_that_nobody_dispatches_is_not_forgotten(store: Store, records: Records) -> None:
    """By the usual rules: 24 hours after the opening, and once."""
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        ticket = await records.open_ticket(
            OpenTicket(CallId("left"), "13800001111", "12345", "zh", "general", AgentId("1001"), MONDAY)
        )
        await records.change_ticket(ticket, TicketChange(type="help", text="停水"), WANG, at=MONDAY + HOUR)
        clock.now = MONDAY + 24 * HOUR
        wake(reminders)
        assert await desk.until(1) == [("dispatch-late", "made")]
        assert desk.told[0].to == ("dispatcher", "supervisor")
    async with running(store, records, clock, desk) as reminders:
        assert reminders.planned == 0


async def test_a_notice_that_has_come_counts_provisional_deadlines_anew(store: Store, records: Records) -> None:
    clock, desk = Clock(), Desk()
    year = max(year for year in range(2024, 2060) if published(year)) + 1
    clock.now = datetime(year - 1, 12, 30, 9, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
    ticket = await dispatched(records, clock)
    assert ticket.provisional
    async with running(store, records, clock, desk):
        pass  # a start without the notice changes nothing
    free = [date(year, 1, day) for day in range(1, 8)]
    notice = YearDays(year, "国办发明电", {day: (False, "元旦") for day in free})
    policy = replace(POLICY, calendar=ChineseCalendar(years={year: notice}))
    async with running(store, records, clock, desk, policy) as reminders:
        await asyncio.wait_for(planned_as(reminders, lambda one: not one.provisional), IN_TIME_S)
    after = await records.ticket(ticket.number)
    assert after is not None
    assert (after.provisional, after.handle_due > ticket.handle_due) == (False, True)
    assert (await causes(records, ticket.number))[-2:] == ["refer", "recount"]


async def test_many_in_one_instant_and_pages_of_them(
    store: Store, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.reminders.PAGE", 3)
    monkeypatch.setattr("controller.reminders.AT_ONCE", 4)
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        for _ in range(8):
            ticket = await dispatched(records, clock)
        assert reminders.planned == 8
        clock.now = ticket.sign_due
        wake(reminders)
        await desk.until(16)
    assert len({(one.ticket, one.key) for one in desk.told}) == 16
    assert [one.rule for one in desk.told[:8]] == ["sign-soon"] * 8
    clock.now = ticket.handle_due + 1
    async with running(store, records, clock, desk):
        assert (await desk.until(24))[16:] == [("handle-late", "made")] * 8
    assert len({one.ticket for one in desk.told[16:]}) == 8


async def test_ended_at_any_moment_every_step_is_made_once(store: Store, records: Records) -> None:
    """The runner is cancelled after 0, 1, 2, … turns of the loop, again and again, while steps are due."""
    clock, desk = Clock(), Desk()
    tickets = [await dispatched(records, clock) for _ in range(4)]
    clock.now = tickets[0].handle_due + 1
    for turns in range(24):
        task = asyncio.create_task(Reminders(store, POLICY, clock, desk, retry_s=0.02).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if turns % 6 == 0:  # a little of what was handed over is committed before the next one begins
            await store.submit(Operation("barrier", lambda connection, nothing: None), None)
    async with running(store, records, clock, desk):
        async with asyncio.timeout(IN_TIME_S):
            while {one.ticket for one in desk.told if one.rule == "handle-late"} != {one.number for one in tickets}:
                desk._more.clear()
                await desk._more.wait()
    for ticket in tickets:
        assert (await causes(records, ticket.number)).count("remind") == 2, "to sign, and to close"
        keys = [one.key for one in await store.read(made_of, ticket.number)]
        assert len(keys) == len(set(keys)) == 4
        assert {one.rule for one in desk.told if one.ticket == ticket.number} == {"sign-late", "handle-late"}
    assert await store.read(untold) == []


async def test_the_log_tells_what_and_whom_and_not_which_ticket(caplog: pytest.LogCaptureFixture) -> None:
    made = Made("2026112300001", "k", "handle-late", Act.REMIND, ("unit",), "water", 1.0, 1.0, 2.0, Outcome.MADE)
    with caplog.at_level("INFO", "controller.reminders"):
        await to_log(made)
    (line,) = caplog.records
    assert line.getMessage() == "remind handle-late for unit"
    assert line.__dict__["action"] == "ticket.remind"
