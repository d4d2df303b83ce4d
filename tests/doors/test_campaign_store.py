"""The voice follow-up over a real store: whom it finds, what is written exactly once, what a restart knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from acd import callback as moves
from controller import campaign_rows
from controller.campaign_runner import CampaignRunner
from controller.event_desk import HotlineEvents
from controller.records import Operations, Records
from controller.writer import Store
from pbx.callback import CallbackKind, CallbackRequest, CallbackState
from pbx.campaign import CampaignRest, FollowUpsWanted
from pbx.ids import ActorId, QueueId
from tests.ticket_story import BOSS, DAY, MONDAY, POLICY, WANG
from tickets import incidents_sql
from tickets.campaign import CampaignRules
from tickets.flow import Intake
from tickets.follow_up import FollowUpRules, Why
from tickets.follow_up_sql import list_due
from tickets.given import Move
from tickets.moves import ADMIN, SYSTEM, TicketInput
from tickets.ticket import Channel, Ticket, TicketChange

pytestmark = pytest.mark.doors

ALL, RULES = FollowUpRules(sample=1.0), CampaignRules(never=("1390000.*",))
NOW = MONDAY + 2 * DAY


@pytest.fixture
def operations() -> Operations:
    """With the units of the tests."""
    return Operations(POLICY)


async def closed(records: Records, number: str = "13800001111", **fields: Any) -> Ticket:
    """A ticket that was answered on Monday."""
    wanted = TicketChange(type="inquiry", title="办证", text="如何办证", caller=number, **fields)
    ticket = await records.take_ticket(Intake(Channel.WEB, MONDAY), wanted, WANG)
    return await records.move_ticket(ticket.number, Move(TicketInput.ANSWER, text="带身份证"), WANG, at=MONDAY + 60)


def request(ticket: Ticket, **changes: Any) -> CallbackRequest:
    one = CallbackRequest(
        f"fu{ticket.number}r{ticket.redo_count}", ticket.caller, QueueId("general"), NOW, NOW,
        kind=CallbackKind.FOLLOW_UP, ticket=ticket.number,
    )  # fmt: skip
    return replace(one, **changes)


async def saved(records: Records, one: CallbackRequest) -> CallbackRequest:
    return (await records.save_callback(one)).request


async def test_whom_it_finds(store: Store, records: Records) -> None:
    mine = await closed(records)
    await closed(records, "13900001111")
    await closed(records, "13800002222", confidential=True)
    found = await store.read(campaign_rows.candidates, NOW, ALL, RULES)
    assert [(one.ticket, one.number, one.why, one.round) for one in found] == [(mine.number, mine.caller, "sample", 0)]
    assert not await store.read(campaign_rows.candidates, NOW, ALL, CampaignRules(frozenset({Why.LATE})))
    assert not await store.read(campaign_rows.candidates, MONDAY + 3600.0, ALL, RULES), "the next day"
    assert not await store.read(campaign_rows.candidates, NOW, ALL, RULES, MONDAY + 61.0), "closed before the last look"
    await saved(records, request(mine))
    assert not await store.read(campaign_rows.candidates, NOW, ALL, RULES), "one request in a round"
    assert [one.id for one in await records.open_callbacks()] == [f"fu{mine.number}r0"]
    assert not await records.callbacks(0.0, NOW + 1), "they are no call-backs that somebody asked for"
    assert [one.ticket for one in await records.campaign(0.0, NOW + 1)] == [mine.number]


async def test_a_score_moves_the_ticket_once_however_often_it_is_written(store: Store, records: Records) -> None:
    ticket = await closed(records)
    told: list[Ticket] = []
    records.on_ticket = told.append
    dialling = moves.dial(request(ticket), None, NOW)
    assert (await saved(records, dialling)).state is CallbackState.DIALLING
    done = moves.rated(dialling, "2", NOW + 20)
    assert (await records.save_callback(done)).ticket is not None
    assert (await records.save_callback(done)).ticket is None
    assert (
        await saved(records, moves.failed(dialling, "in_doubt", NOW + 30, moves.CallbackRules()))
    ).state is CallbackState.DONE
    kept = await records.ticket(ticket.number)
    assert kept is not None
    assert (kept.followed_up_at, kept.contacted, kept.solved, kept.satisfied, kept.voice) == (
        NOW + 20,
        True,
        None,
        False,
        True,
    )
    made = [one for one in await records.ticket_moves(ticket.number) if one.cause == "follow_up"]
    assert [(one.actor, one.role) for one in made] == [(SYSTEM.id, SYSTEM.role)]
    assert "2" in made[0].reason
    assert [one.number for one in told] == [ticket.number]
    (again,) = await store.read(list_due, NOW + 60, FollowUpRules(sample=0.0), 10)
    assert (again.ticket.number, again.why) == (ticket.number, Why.DISSATISFIED), "a person must call him"
    assert not await store.read(campaign_rows.candidates, NOW + 60, ALL, CampaignRules(frozenset(Why)))
    person = Move(TicketInput.FOLLOW_UP, contacted=True, solved=True, satisfied=True)
    after = await records.move_ticket(ticket.number, person, ADMIN, at=NOW + 120)
    assert after.voice is None
    assert not await store.read(list_due, NOW + 180, FollowUpRules(sample=0.0), 10)


async def test_what_a_person_has_settled_is_not_called_and_not_overwritten(records: Records) -> None:
    ticket = await closed(records)
    person = Move(TicketInput.FOLLOW_UP, contacted=True, solved=True, satisfied=True)
    before = moves.dial(request(ticket), None, NOW)
    await saved(records, before)
    await records.move_ticket(ticket.number, person, ADMIN, at=NOW + 10)
    late = await records.save_callback(moves.rated(before, "1", NOW + 20))
    assert (late.request.state, late.request.answer, late.ticket) == (CallbackState.DONE, "1", None)
    kept = await records.ticket(ticket.number)
    assert kept is not None
    assert (kept.satisfied, kept.voice) == (True, None)
    other = await closed(records, "13800003333")
    await saved(records, request(other))
    await records.move_ticket(other.number, person, ADMIN, at=NOW + 30)
    refused = await saved(records, moves.dial(request(other), None, NOW + 40))
    assert (refused.state, refused.attempts) == (CallbackState.CANCELLED, ())
    assert not await records.open_callbacks()


async def test_what_a_start_must_know(store: Store, records: Records) -> None:
    ticket = await closed(records)
    runner = CampaignRunner(store, ALL, RULES, lambda: NOW + 90.0, lambda event: None)
    assert (await runner.restore()).rest == CampaignRest(ActorId(""), 0.0)
    first = moves.failed(moves.dial(request(ticket), None, NOW), "busy", NOW + 20, moves.CallbackRules(5, 1.0))
    await saved(records, moves.dial(first, None, NOW + 60))
    records.save_campaign(CampaignRest(ActorId("lin"), NOW))
    records.save_campaign(CampaignRest(ActorId("zhao"), NOW + 1))
    await saved(records, moves.dial(first, None, NOW + 60))
    restored = await runner.restore()
    assert (restored.rest, restored.placed) == (CampaignRest(ActorId("zhao"), NOW + 1), (NOW + 60,))


async def test_the_runner_tells_of_each_ticket_when_its_time_has_come(store: Store, records: Records) -> None:
    now = [NOW]
    posted: asyncio.Queue[FollowUpsWanted] = asyncio.Queue()
    runner = CampaignRunner(store, FollowUpRules(0.5, sample=1.0), RULES, lambda: now[0], posted.put_nowait)  # type: ignore[arg-type]
    records.on_ticket = runner.note
    first = await closed(records)
    running = asyncio.create_task(runner.run())
    try:
        found = await asyncio.wait_for(posted.get(), 20)
        assert [one.ticket for one in found.wanted] == [first.number]
        await saved(records, request(first))
        wanted = TicketChange(type="inquiry", text="办证", caller="13800002222")
        ticket = await records.take_ticket(Intake(Channel.WEB, NOW), wanted, WANG)
        now[0] = NOW + 1.0
        await records.move_ticket(ticket.number, Move(TicketInput.ANSWER, text="窗口"), WANG, at=NOW + 0.1)
        found = await asyncio.wait_for(posted.get(), 20)
        assert [one.ticket for one in found.wanted] == [ticket.number]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_tickets_answered_with_their_incident_are_told_of_at_once(
    store: Store, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an event, not at the runner's next look: what many were answered with goes not through their own requests."""
    now = [NOW]
    posted: asyncio.Queue[FollowUpsWanted] = asyncio.Queue()
    rules = FollowUpRules(0.5, sample=1.0)
    runner = CampaignRunner(store, rules, RULES, lambda: now[0], posted.put_nowait)  # type: ignore[arg-type]
    records.on_ticket, records.on_changed = runner.note, runner.look_at
    events = HotlineEvents(store, POLICY, lambda: NOW + 0.1, lambda id: None, changed=records.changed)
    first = await closed(records)  # so that the runner's first look is known to be over
    wanted = TicketChange(type="help", title="停水", text="全小区停水")
    numbers = []
    monkeypatch.setattr(incidents_sql, "AT_ONCE", 2)
    for place in range(5):  # three transactions of them
        change = replace(wanted, caller=f"138000{place:05}")
        numbers.append((await records.take_ticket(Intake(Channel.WEB, NOW), change, WANG)).number)
    incident = await events.open_incident("停水", numbers, BOSS)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(20.0):
            assert [one.ticket for one in (await posted.get()).wanted] == [first.number]
            await saved(records, request(first))
            now[0] = NOW + 1.0
            await events.close_incident(incident.id, "已抢修", BOSS)
            told: set[str] = set()
            while len(told) < len(numbers):
                told |= {one.ticket for one in (await posted.get()).wanted}
        assert told == set(numbers)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_no_change_swallows_the_end(store: Store) -> None:
    """A ticket that is closed 0, 1, 2, … turns of the loop before the hotline is stopped."""
    for turns in range(6):
        runner = CampaignRunner(store, ALL, RULES, lambda: NOW, lambda event: None)
        task = asyncio.create_task(runner.run())
        while not runner._changed._waiters:  # type: ignore[attr-defined] # noqa: ASYNC110
            await asyncio.sleep(0)
        runner._changed.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done, turns
