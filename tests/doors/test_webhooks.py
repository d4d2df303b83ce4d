"""Webhooks from the move to the receiver, on both databases; receivers that fail, sleep, redirect and come back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from controller.config_sections import WebhookSection
from controller.config_webhooks import hooks_of
from controller.database import StoreError
from controller.event_desk import HotlineEvents
from controller.records import Operations, Records
from controller.spool import Operation
from controller.webhooks import Webhooks
from controller.writer import Store
from pbx.ids import TicketNumber
from tests.ticket_story import BOSS, DESK, MONDAY, POLICY, WANG, WATER
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import TicketInput
from tickets.texts import TicketRefused
from tickets.ticket import Channel, TicketChange, TicketPolicy
from tickets.webhook import BACK_OFF_S, Hook, secret_of, signature

pytestmark = pytest.mark.doors

SECRET = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


@dataclass
class Receiver:
    """Answers with `statuses` one after the other, then with 204; keeps what it was sent and has taken."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    sleeping: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        id, at = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        assert request.headers["webhook-signature"] == signature(SECRET, id, at, body)
        self.asked.append((id, at))
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 0:
            await self.sleeping.wait()
        if status == 302:
            raise web.HTTPFound("/elsewhere")
        if status < 300:
            async with self.news:
                self.taken.append(id)
                self.bodies.append(json.loads(body))
                self.news.notify_all()
        return web.Response(status=status)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield receiver
    finally:
        receiver.sleeping.set()
        await runner.cleanup()


def told(cause: str) -> tuple[str, ...]:
    return ("a", "b") if cause in ("refer", "join") else ("a",)


@pytest.fixture
def operations() -> Operations:
    return Operations(TicketPolicy(units=POLICY.units, told=told))


async def dispatched(records: Records) -> TicketNumber:
    """A ticket with three moves: opened, registered, referred."""
    ticket = await records.take_ticket(Intake(Channel.WEB, MONDAY), TicketChange(type="help", text="没水"), WANG)
    await records.move_ticket(ticket.number, Move(TicketInput.REFER, unit="water"), DESK, at=MONDAY + 60)
    return ticket.number


class Clock:
    def __init__(self) -> None:
        self.now = MONDAY + 3600.0

    def __call__(self) -> float:
        return self.now


async def test_every_move_arrives_in_order_though_the_receiver_fails_first(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    number = await dispatched(records)
    async with receiving() as one:
        one.statuses = [500, 302, 0]
        hooks = Webhooks({"a": Hook("a", one.url, SECRET)}, records, clock, timeout_s=0.3)
        for step in range(3):  # an error, a redirection, no answer: none has taken it
            assert await hooks.round() == 0
            assert await hooks.round() == 0  # not due yet: nobody is asked
            assert len(one.asked) == step + 1
            clock.now += BACK_OFF_S[step]
        assert one.taken == []
        assert {id for id, _ in one.asked} == {f"{number}.0"}  # the later moves wait for the first
        for _ in range(3):
            assert await hooks.round() == 1
        assert one.taken == [f"{number}.0", f"{number}.1", f"{number}.2"]
        assert one.asked[0][1] < one.asked[-1][1]
        assert await hooks.round() == 0
    assert (hooks.figures.sent, hooks.figures.failed, hooks.figures.given_up) == (3, 3, 0)
    said = [record.getMessage() for record in caplog.records if record.name == "controller.webhooks"]
    assert said == ["webhook a takes no messages: status 500", "webhook a takes messages again"]
    assert number not in caplog.text


async def test_a_hook_that_is_away_keeps_no_other_waiting_and_what_is_given_up_can_be_tried_again(
    records: Records,
) -> None:
    clock = Clock()
    number = await dispatched(records)
    async with receiving() as one:
        table = {"a": Hook("a", "http://127.0.0.1:9/", SECRET), "b": Hook("b", one.url, SECRET)}
        hooks = Webhooks(table, records, clock, timeout_s=1.0)
        await hooks.round()
        assert one.taken == [f"{number}.2"]
        for wait in BACK_OFF_S:
            clock.now += wait
            await hooks.round()
        assert hooks.figures.given_up == 1
        assert await records.webhooks_standing() == [("a", 2, 1)]  # the next move is tried on its own
        table["a"] = Hook("a", one.url, SECRET)
        assert await records.retry_hook("a", clock.now) == 1
        for _ in range(3):
            await hooks.round()
        assert one.taken[1:] == [f"{number}.0", f"{number}.1", f"{number}.2"]
    assert await records.webhooks_standing() == []


async def test_a_move_that_was_refused_is_not_told_of_and_one_that_was_committed_outlives_a_restart(
    store: Store, records: Records, operations: Operations
) -> None:
    clock = Clock()
    number = await dispatched(records)
    with pytest.raises(TicketRefused):
        await records.move_ticket(number, Move(TicketInput.ARCHIVE), DESK, at=MONDAY + 70)
    async with receiving() as one:
        hook = {"a": Hook("a", one.url, SECRET)}
        one.statuses = [204]
        first = Webhooks(hook, records, clock)
        await first.round()
        another = Webhooks(hook, Records(store, operations), clock)  # as after a start: the outbox alone is known
        await another.round()
        await another.round()
        await another.round()
        assert one.taken == [f"{number}.0", f"{number}.1", f"{number}.2"]


async def test_what_was_taken_and_not_noted_comes_again_with_its_id(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    number = await dispatched(records)
    async with receiving() as one:
        hooks = Webhooks({"a": Hook("a", one.url, SECRET)}, records, clock)

        async def lost(_: object) -> None:
            raise StoreError("lost", "the database is away")

        monkeypatch.setattr(records, "webhook_sent", lost)
        with pytest.raises(StoreError):
            await hooks.round()
        monkeypatch.undo()
        await hooks.round()
        assert one.taken == [f"{number}.0", f"{number}.0"]


async def test_it_runs_by_itself_and_forgets_hooks_that_are_no_more(records: Records) -> None:
    clock = Clock()
    number = await dispatched(records)
    async with receiving() as one:
        hooks = Webhooks({"a": Hook("a", one.url, SECRET)}, records, clock)
        running = asyncio.create_task(hooks.run())
        async with asyncio.timeout(20):
            async with one.news:
                await one.news.wait_for(lambda: len(one.taken) == 3)
            await records.move_ticket(number, Move(TicketInput.SIGN), WATER, at=MONDAY + 90)
            async with one.news:
                await one.news.wait_for(lambda: len(one.taken) == 4)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [row for row in await records.webhooks_standing() if row[0] == "b"] == []


@asynccontextmanager
async def sending(hooks: Webhooks) -> AsyncIterator[None]:
    running = asyncio.create_task(hooks.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_nothing_is_looked_at_while_nothing_moves_and_a_move_goes_out_at_once(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten moves, each when the one before has arrived: a poll each second would take a second for every one."""
    clock, looked = Clock(), asyncio.Event()
    next_webhook = records.next_webhook

    async def looking(hook: str) -> float | None:
        found = await next_webhook(hook)
        looked.set()
        return found

    monkeypatch.setattr(records, "next_webhook", looking)
    async with receiving() as one, sending(Webhooks({"a": Hook("a", one.url, SECRET)}, records, clock)):
        async with asyncio.timeout(20):
            await looked.wait()
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            timers = [timer.when() - loop.time() for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
            assert min(timer for timer in timers if timer > 20) > 3000, "the wait for the next try, an hour at most"
            took = []
            for count in range(1, 11):
                began = loop.time()
                await records.take_ticket(Intake(Channel.WEB, MONDAY), TicketChange(type="help", text="没水"), WANG)
                async with one.news:
                    await one.news.wait_for(lambda: len(one.taken) >= 2 * count)  # opened, and registered  # noqa: B023
                took.append(loop.time() - began)
    assert min(took) < 0.1, "two messages, one after the other; on a busy machine most take longer"


async def test_moves_by_whatever_way_wake_the_sender_and_a_slow_receiver_delays_no_other(
    store: Store, records: Records, operations: Operations
) -> None:
    """An incident is written by the store, not by the records: the one writer wakes the senders."""
    clock = Clock()
    async with receiving() as slow, receiving() as one:
        slow.statuses = [0] * 9
        table = {"a": Hook("a", slow.url, SECRET), "b": Hook("b", one.url, SECRET)}
        async with asyncio.timeout(20), sending(Webhooks(table, records, clock, timeout_s=60.0)):
            numbers = [await dispatched(records) for _ in range(2)]
            async with one.news:
                await one.news.wait_for(lambda: len(one.taken) == 2)
            events = HotlineEvents(store, operations.policy, clock, lambda id: None)
            incident = await events.open_incident("停水", numbers, BOSS)
            assert incident.id
            async with one.news:
                await one.news.wait_for(lambda: len(one.taken) == 4)
        assert {id.partition(".")[0] for id in one.taken} == set(numbers)
        assert slow.asked
        assert not slow.taken


async def test_several_listen_and_one_that_is_closed_hears_no_more(store: Store, records: Records) -> None:
    heard: list[str] = []
    ends = [store.listen(lambda name=name: heard.append(name)) for name in ("first", "second")]  # type: ignore[misc]
    await dispatched(records)
    assert set(heard) == {"first", "second"}
    ends[0]()
    heard.clear()
    await dispatched(records)
    assert set(heard) == {"second"}
    heard.clear()
    await store.submit(Operation("nothing", lambda connection, argument: None), None)
    assert heard == [], "what leaves nothing to be sent wakes nobody"


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    raw = [WebhookSection(id="a", url="https://a", secret_file="a.secret")]
    file = tmp_path / "a.secret"
    file.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="may be read by others"):
        hooks_of(raw, tmp_path)
    file.chmod(0o600)
    assert hooks_of(raw, tmp_path)["a"].secret == SECRET
    file.write_text("short")
    with pytest.raises(ValueError, match=r"a\.secret: a webhook's secret"):
        hooks_of(raw, tmp_path)
    with pytest.raises(FileNotFoundError):
        hooks_of([WebhookSection(id="a", url="https://a", secret_file="none")], tmp_path)
