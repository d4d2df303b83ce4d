"""Tickets in the database: numbers by day, one ticket a call, every move kept with who, when and why."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from controller.records import Operations, Records
from controller.spool import Operation
from controller.ticket_desk import HotlineDesk
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tests.ticket_story import BOSS, DESK, LI, MONDAY, POLICY, QUALITY, ROADS, WANG, WATER, I, wish
from tickets import incident_rows
from tickets.accuracy import accuracy
from tickets.approvals import ApprovalKind
from tickets.deadlines import due
from tickets.files import AttachmentFiles
from tickets.flow import Intake, TicketConflict
from tickets.given import Move
from tickets.incidents import MassIncident
from tickets.log import replayed
from tickets.moves import SYSTEM, Actor, Role, TicketInput, TicketState
from tickets.search import TicketFilter
from tickets.texts import TicketRefused
from tickets.ticket import Attachment, Channel, Ticket, TicketChange, TicketPolicy, TicketType

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


async def test_what_a_killed_process_left_of_files_is_taken_away_unless_a_ticket_names_it(
    records: Records, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    files = AttachmentFiles(folder)
    digests = []
    for data in (b"named", b"refused"):
        incoming = files.begin()
        incoming.write(data)
        digests.append(incoming.keep())
        incoming.leave()
    number = await records.open_ticket(opening("a"))
    attachment = Attachment("a.txt", "text/plain", 5, digests[0])
    await records.move_ticket(number, Move(I.ATTACH, attachment=attachment), WANG, at=MIDNIGHT)
    anew = AttachmentFiles(folder)
    desk = HotlineDesk(records, TicketPolicy(), (), lambda: MIDNIGHT, anew)
    await desk.settle_files(anew.left())
    assert [file.read_bytes() for file in folder.rglob("*") if file.is_file()] == [b"named"]
    assert anew.left() == []


async def test_a_ticket_carries_what_the_call_knew(records: Records) -> None:
    number = await records.open_ticket(opening("a"))
    ticket = await records.ticket(number)
    assert ticket is not None
    policy = TicketPolicy()
    assert (ticket.call, ticket.caller, ticket.dialled, ticket.language) == ("a", "13800001111", "12345", "zh")
    assert (ticket.queue, ticket.agent, ticket.opened_at) == ("general", "1001", MIDNIGHT - 3600)
    assert (ticket.state, ticket.type, ticket.title, ticket.text) == (TicketState.OPENED, None, "", "")
    assert ticket.sign_due == due(MIDNIGHT - 3600, policy.deadlines.sign, policy.hours, policy.calendar)
    assert ticket.handle_due == due(MIDNIGHT - 3600, policy.deadlines.handle_other, policy.hours, policy.calendar)
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
    closed = await records.close_ticket(number, Actor("1003", Role.DISPATCHER), at=1005.0, reason="repaired")
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
        await records.close_ticket(number, WANG, at=1.0, reason="测试来电")
    assert error.value.code == "not_registered"
    with pytest.raises(TicketRefused) as error:
        await records.change_ticket(TicketNumber("1"), TicketChange(), WANG, at=1.0)
    assert error.value.code == "unknown_ticket"
    assert await records.ticket(number) == before
    assert len(await records.ticket_moves(number)) == 1


async def test_satisfaction_is_stored_even_after_the_end(records: Records) -> None:
    number = await records.open_ticket(opening("a"))
    await records.change_ticket(number, TicketChange(type="help", text="x"), WANG, at=1.0)
    await records.close_ticket(number, WANG, at=2.0, reason="测试来电")
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


# ---------------------------------------------------------------- the whole flow


@pytest.fixture
def operations() -> Operations:
    """Every kind of write, with the units of the stories."""
    return Operations(POLICY)


async def do(records: Records, ticket: Ticket, actor: Actor, what: TicketInput, at: float, **given: object) -> Ticket:
    move = dataclasses.replace(wish(what, ticket), **given)  # type: ignore[arg-type]
    return await records.move_ticket(ticket.number, move, actor, at=at)


async def test_what_is_stored_is_what_the_moves_make(records: Records, store: Store) -> None:
    burst = MassIncident("burst-1", "爆管", MONDAY, "desk")
    await store.submit(Operation("incident", incident_rows.add), burst)
    number = await records.open_ticket(opening("a", MONDAY))
    ticket = await records.ticket(number)
    assert ticket is not None
    steps: list[tuple[Actor, TicketInput, dict[str, object]]] = [
        (WANG, I.REGISTER, {}),
        (WANG, I.ATTACH, {}),
        (DESK, I.REFER, {"co_units": ("roads",)}),
        (WATER, I.ASK_RETURN, {"unit": "heat"}),
        (DESK, I.GRANT_RETURN, {}),
        (DESK, I.REFER, {"unit": "roads", "co_units": ("water",)}),
        (ROADS, I.SIGN, {}),
        (ROADS, I.ASK_PAUSE, {}),
        (BOSS, I.GRANT_PAUSE, {}),
        (ROADS, I.RESUME, {}),
        (ROADS, I.ASK_EXTENSION, {}),
        (BOSS, I.REFUSE_EXTENSION, {}),
        (QUALITY, I.JUDGE, {"approval": 1, "right": True}),
        (QUALITY, I.JUDGE, {"approval": 3, "right": False}),
        (WANG, I.JOIN, {}),
        (ROADS, I.REPLY, {"text": "已修复 👷‍♀️ שלום"}),
        (DESK, I.ACCEPT_REPLY, {}),
        (LI, I.FOLLOW_UP, {}),
        (BOSS, I.REDO, {}),
    ]
    for turn, (actor, what, given) in enumerate(steps, start=1):
        ticket = await do(records, ticket, actor, what, MONDAY + 600.0 * turn, **given)
        assert ticket == await records.ticket(number)
        assert ticket.version == turn
    assert replayed(await records.ticket_moves(number)) == ticket
    page = await records.page_of_tickets(TicketFilter(0.0, 4e9, units=frozenset({"water"})))
    assert page.tickets == (ticket,)
    assert (await records.page_of_tickets(TicketFilter(0.0, 4e9, units=frozenset({"heat"})))).tickets == ()
    figures = accuracy(await records.decided_requests(0.0, 4e9))
    assert figures[ApprovalKind.RETURN].right == ((number, 1),)
    assert (figures[ApprovalKind.RETURN].value, figures[ApprovalKind.RETURN].met) == (1.0, True)
    assert (figures[ApprovalKind.EXTENSION].wrong, figures[ApprovalKind.EXTENSION].met) == (((number, 3),), False)
    assert figures[ApprovalKind.PAUSE].unjudged == ((number, 2),)
    assert await records.decided_requests(0.0, MONDAY) == []


async def test_two_people_move_one_ticket_at_once_and_the_second_sees_the_first(records: Records) -> None:
    number = await records.open_ticket(opening("a", MONDAY))
    seen = await records.change_ticket(number, TicketChange(type="help", text="x"), WANG, at=MONDAY)
    both = await asyncio.gather(
        records.move_ticket(number, Move(I.REFER, seen.version, unit="water"), DESK, at=MONDAY + 1),
        records.move_ticket(number, Move(I.REFER, seen.version, unit="roads"), BOSS, at=MONDAY + 1),
        return_exceptions=True,
    )
    first, second = both
    assert isinstance(first, Ticket)
    assert isinstance(second, TicketConflict)
    assert second.ticket == first == await records.ticket(number)
    assert [one.actor for one in await records.ticket_moves(number)] == ["1001", "1001", "desk"]


async def test_a_ticket_without_a_call_is_taken_down_whole_or_not_at_all(records: Records) -> None:
    wanted = TicketChange(type="report", text="超载", caller="13900000000", anonymous=True, lat=31.0, lon=120.0)
    first = await records.take_ticket(Intake(Channel.WEB, MONDAY), wanted, DESK)
    second = await records.take_ticket(Intake(Channel.API, MONDAY), TicketChange(), SYSTEM)
    assert (first.call, first.state, first.channel, first.anonymous) == (
        None,
        TicketState.REGISTERED,
        Channel.WEB,
        True,
    )
    assert (second.call, second.state) == (None, TicketState.OPENED)
    assert [first, second] == await records.tickets(0.0, 4e9)
    with pytest.raises(TicketRefused):
        await records.take_ticket(Intake(Channel.WEB, MONDAY), TicketChange(type="help", text="\0"), DESK)
    assert len(await records.tickets(0.0, 4e9)) == 2
    third = await records.take_ticket(Intake(Channel.WEB, MONDAY), TicketChange(), DESK)
    assert third.number == "2026112300003", "what was refused took no number"
    assert replayed(await records.ticket_moves(first.number)) == first


async def test_a_repeat_goes_into_a_ticket_that_is_there_and_goes_on(records: Records) -> None:
    numbers = [await records.open_ticket(opening(name, MONDAY)) for name in "abc"]
    tickets = [await records.change_ticket(one, TicketChange(type="help", text="x"), WANG, at=1.0) for one in numbers]
    with pytest.raises(TicketRefused) as error:
        await do(records, tickets[0], DESK, I.MERGE, MONDAY, into="20261123999")
    assert (error.value.code, error.value.field) == ("unknown_target", "into")
    merged = await do(records, tickets[0], DESK, I.MERGE, MONDAY, into=numbers[1])
    assert (merged.state, merged.repeat_of) == (TicketState.MERGED, numbers[1])
    with pytest.raises(TicketRefused) as error:
        await do(records, tickets[1], DESK, I.MERGE, MONDAY, into=numbers[0])
    assert error.value.code == "bad_into", "never in a circle"
    await do(records, tickets[2], DESK, I.MERGE, MONDAY, into=numbers[1])
    page = await records.page_of_tickets(TicketFilter(0.0, 4e9, repeat_of=numbers[1]))
    assert [one.number for one in page.tickets] == [numbers[0], numbers[2]]
    number = await records.open_ticket(opening("d", MONDAY))
    wanted = await records.change_ticket(number, TicketChange(type="help", text="x"), WANG, at=1.0)
    await do(records, tickets[1], BOSS, I.WITHDRAW, MONDAY)
    with pytest.raises(TicketRefused) as error:
        await do(records, wanted, DESK, I.MERGE, MONDAY, into=numbers[1])
    assert error.value.code == "bad_into", "nobody answers what was withdrawn"


async def test_a_list_comes_in_pages_without_a_gap_or_a_double(records: Records) -> None:
    for turn in range(7):
        await records.open_ticket(opening(f"c-{turn}", MONDAY + turn // 3))  # several in one instant
    found: list[str] = []
    after = None
    while True:
        page = await records.page_of_tickets(TicketFilter(MONDAY, MONDAY + 10, after=after, limit=2))
        found += [one.number for one in page.tickets]
        if page.next is None:
            break
        after = page.next
    assert found == [one.number for one in await records.tickets(0.0, 4e9)]
    with pytest.raises(TicketRefused):
        await records.page_of_tickets(TicketFilter(0.0, 1.0, after=TicketNumber("1")))
