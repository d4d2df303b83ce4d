"""Reminders and escalations as they reach people and other systems: lists, streams, webhooks; each once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from controller.records import Operations, Records
from controller.reminder_desk import HotlineReminders
from controller.reminders import Reminders
from controller.spool import Operation
from controller.ticket_desk import HotlineDesk
from controller.webhooks import Webhooks
from controller.writer import Store
from pbx.ids import AgentId, TicketNumber
from tests.doors.test_reminders import Clock, dispatched, do, running, wake
from tests.doors.test_web_tickets import People, ask
from tests.doors.test_webhooks import SECRET, receiving, sending
from tests.fakes.backend import MemoryBackend
from tests.fakes.website import Site, site
from tests.ticket_story import BOSS, HOUR, MONDAY, POLICY, WATER, I
from tickets.files import AttachmentFiles
from tickets.given import Move
from tickets.moves import Role
from tickets.ticket import Ticket, TicketPolicy
from tickets.webhook import Hook
from web.live import LiveRules

pytestmark = pytest.mark.doors

IN_TIME_S = 20.0


def told(cause: str) -> tuple[str, ...]:
    return ("a",) if cause.startswith("reminder.") or cause in ("remind", "sign") else ()


TOLD = replace(POLICY, told=told)


@pytest.fixture
def operations() -> Operations:
    return Operations(TOLD)


@dataclass
class House:
    """A site over a real store with its reminders; the clock is the test's."""

    store: Store
    records: Records
    clock: Clock
    folder: Path
    policy: TicketPolicy = TOLD

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Site, Reminders]]:
        """From a start of the hotline to its end."""
        backend, reminded = MemoryBackend(clock=self.clock), HotlineReminders(self.store)
        files = AttachmentFiles(self.folder)
        backend.desk = HotlineDesk(self.records, self.policy, {AgentId("1001")}, self.clock, files)  # type: ignore[assignment]
        backend.reminders = reminded
        async with (
            site(backend, holders=People(), clock=self.clock, live_rules=LiveRules(heartbeat_s=60.0)) as running_site,
            running(self.store, self.records, self.clock, reminded.tell, self.policy) as reminders,
        ):
            yield running_site, reminders

    async def dispatched(self) -> Ticket:
        return await dispatched(self.records, self.clock)


@pytest.fixture
def house(store: Store, records: Records, tmp_path: Path) -> House:
    return House(store, records, Clock(), tmp_path)


@dataclass
class Ear:
    """One who listens to the stream: what came, and the id that he would come back with."""

    came: list[dict[str, Any]] = field(default_factory=list)
    last: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(IN_TIME_S), self.news:
            await self.news.wait_for(lambda: len(self.came) >= count)
        return [(one["act"], one["rule"]) for one in self.came]


@asynccontextmanager
async def listening(running_site: Site, who: str, ear: Ear) -> AsyncIterator[None]:
    headers = {"Authorization": f"Bearer {who}-token-0123456789"} | ({"Last-Event-ID": ear.last} if ear.last else {})

    async def listen() -> None:
        async with (
            ClientSession(timeout=ClientTimeout(total=None)) as session,
            session.get(running_site.url("/api/reminders/live"), headers=headers) as answer,
        ):
            assert answer.status == 200
            async for line in answer.content:
                if line.startswith(b"id: "):
                    ear.last = line[4:].decode().strip()
                    ear.ready.set()
                if line.startswith(b"data: "):
                    async with ear.news:
                        ear.came.append(json.loads(line[6:]))
                        ear.news.notify_all()

    ear.ready.clear()
    task = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(ear.ready.wait(), IN_TIME_S)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(store: Store) -> None:
    """What was handed to the store before is in it."""
    await store.submit(Operation("barrier", lambda connection, nothing: None), None)


async def test_each_hears_of_what_is_his_once_and_what_was_said_while_he_was_away(house: House) -> None:
    unit, boss, other = Ear(), Ear(), Ear()
    async with house.open() as (running_site, reminders):
        ticket = await house.dispatched()
        async with (
            listening(running_site, "water", unit),
            listening(running_site, "boss", boss),
            listening(running_site, "roads", other),
        ):
            house.clock.now = ticket.sign_due
            wake(reminders)
            assert await unit.until(2) == [("soon", "sign-soon"), ("remind", "sign-late")]
            assert await boss.until(1) == [("remind", "sign-late")]
        status, page = await ask(running_site, "water", "GET", "/api/tickets?state=open")
        assert status == 200
        (shown,) = page["tickets"]
        assert [one["rule"] for one in shown["reminders"]] == ["sign-soon", "sign-late"]
        assert shown["remind_count"] == 1
    async with house.open() as (running_site, reminders):  # nobody listens while the next is due
        await do(house.records, ticket.number, WATER, I.SIGN, house.clock.now + 60)
        house.clock.now = ticket.handle_due + 1
        wake(reminders)
        desk, version = running_site.backend.reminders, -1
        async with asyncio.timeout(IN_TIME_S):
            while not any(made.rule == "handle-late" for made, _ in await desk.after(0, 9)):
                version = await desk.changed(version)
    async with house.open() as (running_site, reminders), listening(running_site, "water", unit):
        assert (await unit.until(3))[2:] == [("remind", "handle-late")]
        house.clock.now = ticket.handle_due + 9 * 86_400
        async with listening(running_site, "boss", boss):
            wake(reminders)
            assert await boss.until(3) == [
                ("remind", "sign-late"),
                ("remind", "handle-late"),
                ("escalate", "handle-late-5"),
            ]
        path = f"/api/reminders?since={MONDAY}&until={MONDAY + 5e6}"
        status, listed = await ask(running_site, "boss", "GET", path)
        assert (status, [one["no"] for one in listed["reminders"]]) == (200, [one["no"] for one in boss.came])
        status, listed = await ask(running_site, "roads", "GET", path)
        assert (status, listed["reminders"]) == (200, []), "another unit is told nothing"
    assert len({one["no"] for one in unit.came}) == len(unit.came) == 3, "the escalation is not the unit's"
    assert other.came == []
    moves = await house.records.ticket_moves(ticket.number)
    system = [(one.cause, one.reason) for one in moves if one.role is Role.SYSTEM]
    assert system == [("remind", "sign-late"), ("remind", "handle-late"), ("escalate", "handle-late-5")]


async def test_webhooks_are_told_of_reminders_in_the_tickets_order_and_once(house: House) -> None:
    async with receiving() as one:
        hooks = Webhooks({"a": Hook("a", one.url, SECRET)}, house.records, house.clock)
        for _ in range(2):  # the second start finds nothing left to say
            async with house.open() as (_, reminders), sending(hooks):
                if not one.taken:
                    ticket = await house.dispatched()
                    house.clock.now = ticket.sign_due
                    wake(reminders)
                async with asyncio.timeout(IN_TIME_S), one.news:
                    await one.news.wait_for(lambda: len(one.taken) >= 3)
                await settled(house.store)
        ids = [id.removeprefix(f"{ticket.number}.").rpartition("/")[0] or "move" for id in one.taken]
    assert ids == ["sign/sign-soon", "move", "sign/sign-late"]
    assert one.bodies[0]["type"] == "reminder.soon"
    assert one.bodies[2]["data"]["to"] == ["unit", "supervisor"]
    assert one.bodies[2]["data"]["now"]["version"] == one.bodies[1]["data"]["seq"]
    assert await house.records.webhooks_standing() == []


async def test_nobody_is_reminded_of_what_is_closed_or_stands_still(house: House) -> None:
    async with house.open() as (running_site, reminders):
        closed, paused, late = [await house.dispatched() for _ in range(3)]
        for ticket in (closed, paused):
            await do(house.records, ticket.number, WATER, I.SIGN, MONDAY + HOUR)
        await do(house.records, closed.number, WATER, I.REPLY, MONDAY + HOUR)
        await do(house.records, closed.number, BOSS, I.ACCEPT_REPLY, MONDAY + 2 * HOUR)
        asked = Move(I.ASK_PAUSE, reason="等待材料", pause="requester", until=MONDAY + 90 * 86_400)
        await house.records.move_ticket(paused.number, asked, WATER, at=MONDAY + 2 * HOUR)
        await house.records.move_ticket(paused.number, Move(I.GRANT_PAUSE), BOSS, at=MONDAY + 2 * HOUR)
        ear = Ear()
        async with listening(running_site, "water", ear):
            house.clock.now = late.handle_due + 1
            wake(reminders)
            await ear.until(2)
        _, page = await ask(running_site, "boss", "GET", f"/api/tickets?since={MONDAY}&until={MONDAY + 1e6}")
        said: dict[TicketNumber, list[Any]] = {one["number"]: one["reminders"] for one in page["tickets"]}
    assert {one["ticket"] for one in ear.came} == {late.number}
    assert (said[closed.number], said[paused.number]) == ([], [])


async def test_what_is_no_number_is_no_place_in_the_stream(house: House) -> None:
    async with house.open() as (running_site, _):
        url = running_site.url("/api/reminders/live")
        for given in ("x", "-1", "9" * 30):
            headers = {"Authorization": "Bearer boss-token-0123456789", "Last-Event-ID": given}
            async with running_site.session.get(url, headers=headers) as answer:
                assert answer.status == 400
        async with running_site.session.get(url) as answer:
            assert answer.status == 401


async def test_a_stream_ends_when_its_token_is_taken_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = await house.dispatched()
    async with house.open() as (running_site, reminders), ClientSession() as session:
        headers = {"Authorization": "Bearer water-token-0123456789"}
        async with session.get(running_site.url("/api/reminders/live"), headers=headers) as answer:
            assert answer.status == 200
            await answer.content.readline()  # it is open

            async def nobody(self: People, token: str) -> None:
                return None

            monkeypatch.setattr(People, "find", nobody)
            house.clock.now = ticket.sign_due
            wake(reminders)
            async with asyncio.timeout(IN_TIME_S):
                assert b"data:" not in await answer.content.read(), "and it ends by itself"
