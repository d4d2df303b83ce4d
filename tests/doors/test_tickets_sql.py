"""Tickets in the database: numbers by day, one ticket a call, every move kept with who, when and why."""

from __future__ import annotations

import pytest

from controller.records import Records
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tests.ticket_story import LI, WANG
from tickets.moves import Actor, Role, TicketState
from tickets.texts import TicketRefused
from tickets.ticket import TicketChange, TicketPolicy, TicketType

pytestmark = pytest.mark.doors

MIDNIGHT = 1_795_363_200.0  # the end of 2026-11-22 in Shanghai; 16:00 in UTC


def opening(name: str, at: float = MIDNIGHT - 3600) -> OpenTicket:
    return OpenTicket(CallId(name), "13800001111", "12345", "zh", "general", AgentId("1001"), at)


async def test_numbers_run_by_the_hotlines_day(records: Records) -> None:
    times = {"a": MIDNIGHT - 1, "b": MIDNIGHT - 0.001, "c": MIDNIGHT, "d": MIDNIGHT - 5, "e": MIDNIGHT + 1}
    numbers = [await records.open_ticket(opening(name, at)) for name, at in times.items()]
    assert numbers == ["2026112200001", "2026112200002", "2026112300001", "2026112200003", "2026112300002"]


async def test_a_call_has_one_ticket_however_often_it_is_opened(records: Records) -> None:
    first = await records.open_ticket(opening("a"))
    again = await records.open_ticket(opening("a", MIDNIGHT + 5))
    assert again == first
    assert await records.open_ticket(opening("b")) != first
    assert len(await records.ticket_moves(first)) == 1
    assert await records.ticket_of_call(CallId("a")) == await records.ticket(first)
    assert await records.ticket_of_call(CallId("z")) is None
    assert await records.ticket(TicketNumber("0")) is None


async def test_a_ticket_carries_what_the_call_knew(records: Records) -> None:
    number = await records.open_ticket(opening("a"))
    ticket = await records.ticket(number)
    assert ticket is not None
    policy = TicketPolicy()
    assert (ticket.call, ticket.caller, ticket.dialled, ticket.language) == ("a", "13800001111", "12345", "zh")
    assert (ticket.queue, ticket.agent, ticket.opened_at) == ("general", "1001", MIDNIGHT - 3600)
    assert (ticket.state, ticket.type, ticket.title, ticket.text) == (TicketState.OPENED, None, "", "")
    assert ticket.sign_due == policy.sign_due(MIDNIGHT - 3600)
    assert ticket.handle_due == policy.handle_due(MIDNIGHT - 3600, None)
    assert (ticket.satisfaction, ticket.recording, ticket.transcript) == (None, None, False)


async def test_the_way_of_a_ticket_is_kept_move_by_move(records: Records) -> None:
    number = await records.open_ticket(opening("a", 1000.0))
    await records.change_ticket(number, TicketChange(type="inquiry"), WANG, at=1001.0)
    await records.change_ticket(number, TicketChange(title="水", text="停水 💧"), WANG, at=1002.0)
    same = await records.change_ticket(number, TicketChange(title="水"), LI, at=1003.0)
    assert same == await records.ticket(number)
    changed = await records.change_ticket(number, TicketChange(type="complaint"), LI, at=1004.0)
    assert (changed.type, changed.text, changed.state) == (TicketType.COMPLAINT, "停水 💧", TicketState.REGISTERED)
    assert changed == await records.ticket(number)
    closed = await records.close_ticket(number, Actor("1003", Role.AGENT), at=1005.0, reason="repaired")
    assert closed == await records.ticket(number)
    opened, registered = TicketState.OPENED, TicketState.REGISTERED
    assert [
        (move.seq, move.before, move.after, move.cause, move.actor, move.at, move.reason)
        for move in await records.ticket_moves(number)
    ] == [
        (0, None, opened, "open", "1001", 1000.0, ""),
        (1, opened, opened, "amend", "1001", 1001.0, "type"),
        (2, opened, registered, "register", "1001", 1002.0, "title,text"),
        (3, registered, registered, "amend", "1002", 1004.0, "type"),
        (4, registered, TicketState.RESOLVED, "close", "1003", 1005.0, "repaired"),
    ]


async def test_a_refused_change_leaves_no_trace(records: Records) -> None:
    number = await records.open_ticket(opening("a"))
    before = await records.ticket(number)
    for change, code in (
        (TicketChange(type="rant"), "unknown_type"),
        (TicketChange(type="help", text="\0"), "bad_text"),
        (TicketChange(proposed_unit="nobody"), "unknown_unit"),
    ):
        with pytest.raises(TicketRefused) as error:
            await records.change_ticket(number, change, WANG, at=1.0)
        assert error.value.code == code
    with pytest.raises(TicketRefused) as error:
        await records.close_ticket(number, WANG, at=1.0)
    assert error.value.code == "not_registered"
    with pytest.raises(TicketRefused) as error:
        await records.change_ticket(TicketNumber("1"), TicketChange(), WANG, at=1.0)
    assert error.value.code == "unknown_ticket"
    assert await records.ticket(number) == before
    assert len(await records.ticket_moves(number)) == 1


async def test_satisfaction_is_stored_even_after_the_end(records: Records) -> None:
    number = await records.open_ticket(opening("a"))
    await records.change_ticket(number, TicketChange(type="help", text="x"), WANG, at=1.0)
    await records.close_ticket(number, WANG, at=2.0)
    records.score_ticket(CallId("a"), 5)
    records.score_ticket(CallId("nobody"), 1)
    await records.open_ticket(opening("b"))
    ticket = await records.ticket(number)
    assert ticket is not None
    assert ticket.satisfaction == 5
    with pytest.raises(TicketRefused):
        records.score_ticket(CallId("a"), 6)


async def test_tickets_of_a_time_in_order(records: Records) -> None:
    for name, at in (("b", 2000.0), ("a", 1000.0), ("c", 3000.0)):
        await records.open_ticket(opening(name, at))
    assert [ticket.call for ticket in await records.tickets(1000.0, 3000.0)] == ["a", "b"]
    assert [ticket.call for ticket in await records.tickets(0.0, 1e10)] == ["a", "b", "c"]
