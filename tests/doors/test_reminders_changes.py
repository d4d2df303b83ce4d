"""What the reminders hear of changes that nobody asked of one ticket, and one ticket that is damaged among others."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, text

from controller.event_desk import HotlineEvents
from controller.records import Operations, Records
from controller.reminders import Reminders
from controller.spool import Operation
from controller.writer import Store
from pbx.ids import TicketNumber
from tests.doors.test_reminders import IN_TIME_S, Clock, Desk, dispatched, planned_as, running, wake
from tests.ticket_story import DESK, LEADER, MONDAY, POLICY
from tickets import incidents_sql
from tickets.exchange.inbox import Receipt
from tickets.moves import TicketState
from tickets.ticket import Ticket

pytestmark = pytest.mark.doors


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


async def harm(store: Store, number: TicketNumber, urgency: str) -> None:
    """Write a word into a ticket that no ticket has, or one that it may have."""

    def write(connection: Connection, word: str) -> None:
        connection.execute(text("UPDATE tickets SET urgency = :word WHERE number = :of"), {"word": word, "of": number})

    await store.submit(Operation("harm", write), urgency)


def aside(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [one for one in caplog.records if one.__dict__.get("action") == "reminders.aside"]
    return [one.getMessage() for one in found]


async def all_planned_as(reminders: Reminders, wanted: set[TicketNumber], state: TicketState) -> asyncio.Future[Ticket]:
    """The last of these tickets that is planned in a state."""
    left = set(wanted)

    def seen(ticket: Ticket) -> bool:
        if ticket.state is state:
            left.discard(ticket.number)
        return not left

    return planned_as(reminders, seen)


async def test_one_reply_to_all_of_an_incident_ends_their_reminders(
    store: Store, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts: those of the second one are told too."""
    monkeypatch.setattr(incidents_sql, "AT_ONCE", 2)
    clock, desk = Clock(), Desk()
    events = HotlineEvents(store, POLICY, clock, lambda id: None, changed=records.changed)
    async with running(store, records, clock, desk) as reminders:
        numbers = [(await dispatched(records, clock)).number for _ in range(3)]
        assert reminders.planned == 3
        joined = planned_as(reminders, lambda one: one.number == numbers[2] and one.incident_id is not None)
        incident = await events.open_incident("停水", numbers[:2], DESK)
        await events.join(numbers[2], numbers[0], DESK)
        assert (await asyncio.wait_for(joined, IN_TIME_S)).incident_id == incident.id
        answered = await all_planned_as(reminders, set(numbers), TicketState.RESOLVED)
        clock.now = MONDAY + 60
        assert (await events.close_incident(incident.id, "已恢复供水", LEADER)).settled
        await asyncio.wait_for(answered, IN_TIME_S)
        assert reminders.planned == 0, "what is answered is late no more"
    assert desk.told == []


async def test_a_message_of_a_peer_is_a_change_of_the_ticket_whatever_limits_there_are(
    store: Store, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This hotline limits no time until the dispatch, so a ticket that a call opens need not be looked at."""
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        number = (await dispatched(records, clock)).number
        received = Operation("received", lambda connection, arrival: Receipt(1, 1, False, (number,)))
        monkeypatch.setattr(records._do, "receive", received)
        planned = planned_as(reminders, lambda one: one.number == number)
        await records.receive_message(None)  # type: ignore[arg-type]
        await asyncio.wait_for(planned, IN_TIME_S)


async def test_a_damaged_ticket_is_set_aside_and_the_others_go_on(
    store: Store, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    clock, desk = Clock(), Desk()
    async with running(store, records, clock, desk) as reminders:
        reminders._retry_s = 3600.0  # who waits for the next try waits for ever
        bad, good = (await dispatched(records, clock)).number, (await dispatched(records, clock)).number
        await harm(store, bad, "no-such-word")
        planned = planned_as(reminders, lambda one: one.number == good)
        for number in (bad, bad, good):
            reminders.look_at(number)
        await asyncio.wait_for(planned, IN_TIME_S)
        assert len(aside(caplog)) == 1, "once"
        assert f"ticket {bad} cannot be read (ValueError)" in aside(caplog)[0]
        assert "no-such-word" not in caplog.text
        await harm(store, bad, "normal")
        mended = planned_as(reminders, lambda one: one.number == bad)
        reminders.look_at(bad)
        await asyncio.wait_for(mended, IN_TIME_S)


async def test_a_damaged_ticket_keeps_no_start_from_planning_the_others(
    store: Store, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    clock, desk = Clock(), Desk()
    first, bad, last = [await dispatched(records, clock) for _ in range(3)]
    await harm(store, bad.number, "no-such-word")
    async with running(store, records, clock, desk) as reminders:
        clock.now = last.sign_due
        wake(reminders)
        assert await desk.until(4) == [("sign-soon", "made"), ("sign-soon", "made"), *[("sign-late", "made")] * 2]
    assert {one.ticket for one in desk.told} == {first.number, last.number}
    assert len(aside(caplog)) == 1


async def test_no_change_swallows_the_end(store: Store) -> None:
    """A change that comes 0, 1, 2, … turns of the loop before the hotline is stopped."""
    for turns in range(6):
        reminders = Reminders(store, POLICY, Clock(), Desk())
        task = asyncio.create_task(reminders.run())
        while reminders._noted is not None or not reminders._changed._waiters:  # type: ignore[attr-defined] # noqa: ASYNC110
            await asyncio.sleep(0)
        wake(reminders)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=IN_TIME_S)
        assert done, turns
