"""工单流转 during a call: the call's ticket is with the desk that the configuration names, once, and at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from controller.records import Operations, Records
from controller.schema import upgrade
from controller.spool import Spool
from controller.writer import Store
from pbx.commands import HandOverTicket
from pbx.events import TicketWords
from pbx.ids import RequestId
from tests.ticket_story import DESK, MONDAY, POLICY, ROADS, WANG, WATER, I, opening
from tickets.given import Move
from tickets.hand_over_sql import NO_WORDS
from tickets.moves import Role, TicketState
from tickets.search import TicketFilter
from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketChange, TicketType, Urgency

pytestmark = pytest.mark.doors


def handing(unit: str = "water", at: float = MONDAY, call: str = "c-1", **words: str) -> HandOverTicket:
    return HandOverTicket(opening(call, at), unit, unit, "critical", TicketWords(**words), RequestId("r"))


@pytest.fixture
def operations() -> Operations:
    """With units to whom something can be given."""
    return Operations(POLICY)


async def of_unit(records: Records, unit: str) -> list[str]:
    """What the unit's own list has."""
    page = await records.page_of_tickets(TicketFilter(0.0, MONDAY + 1e6, units=frozenset({unit})))
    return [one.number for one in page.tickets]


async def test_the_desk_has_a_whole_ticket_at_once(records: Records) -> None:
    number = await records.open_ticket(opening())
    said: list[Ticket] = []
    records.on_ticket = said.append
    ticket = await records.hand_over(handing(type="help", text="两车相撞, 有人受伤", address="沿江路12号"))
    assert (ticket.number, ticket.call, ticket.lead_unit, ticket.state) == (
        number, "c-1", "water", TicketState.DISPATCHED
    )  # fmt: skip
    assert (ticket.type, ticket.text, ticket.address) == (TicketType.HELP, "两车相撞, 有人受伤", "沿江路12号")
    assert (ticket.urgency, ticket.dispatched_at) == (Urgency.CRITICAL, MONDAY)
    assert await of_unit(records, "water") == [number]
    assert said == [ticket], "reminders and peers hear of it"
    moves = [(one.cause, one.actor, one.role) for one in await records.ticket_moves(number)]
    assert moves == [
        ("open", "1001", Role.AGENT), ("register", "1001", Role.AGENT), ("refer", "1001", Role.SYSTEM)
    ]  # fmt: skip


async def test_without_a_word_and_before_the_ticket_is_there_it_goes_out_too(records: Records) -> None:
    """Nobody types while a house burns: what is needed is filled in, and the agent completes it later."""
    ticket = await records.hand_over(handing())
    assert (ticket.type, ticket.text, ticket.lead_unit) == (TicketType.HELP, NO_WORDS, "water")
    assert await records.open_ticket(opening()) == ticket.number, "the call has this one ticket"
    after = await records.change_ticket(ticket.number, TicketChange(text="三楼起火"), WANG, at=MONDAY + 5)
    assert after.text == "三楼起火"


async def test_it_is_done_once_however_often_it_is_ordered(records: Records) -> None:
    first = await records.hand_over(handing())
    assert await records.hand_over(handing()) == first, "the same order again, as after an outage"
    again = await records.hand_over(handing(at=MONDAY + 3))
    assert (again.number, again.dispatch_count, again.version) == (first.number, 1, first.version)
    back = Move(I.ASK_RETURN, reason="非本单位职责")
    await records.move_ticket(first.number, back, WATER, at=MONDAY + 10)
    returned = await records.move_ticket(first.number, Move(I.GRANT_RETURN), DESK, at=MONDAY + 11)
    assert await records.hand_over(handing()) == returned, "an old order does not undo what people decided since"


async def test_a_second_desk_stands_beside_the_first_and_nothing_gets_less_urgent(records: Records) -> None:
    first = await records.hand_over(handing("water"))
    ticket = await records.hand_over(replace(handing("roads", MONDAY + 2), urgency="normal"))
    assert (ticket.number, ticket.lead_unit, ticket.co_units) == (first.number, "water", ("roads",))
    assert ticket.urgency is Urgency.CRITICAL
    assert await of_unit(records, "roads") == [first.number]
    step = Move(I.SIGN)
    with pytest.raises(TicketRefused, match="lead"):
        await records.move_ticket(first.number, step, ROADS, at=MONDAY + 3)


async def test_what_the_rules_refuse_leaves_the_ticket_as_it_was(records: Records) -> None:
    number = await records.open_ticket(opening())
    for wrong, code in ((handing("nobody"), "unknown_unit"), (handing(class_code="../x"), "bad_class_code")):
        with pytest.raises(TicketRefused) as refused:
            await records.hand_over(wrong)
        assert refused.value.code == code
    ticket = await records.ticket(number)
    assert ticket is not None
    assert (ticket.state, ticket.text, ticket.version) == (TicketState.OPENED, "", 0)
    await records.change_ticket(number, TicketChange(type="help", text="x"), WANG, at=MONDAY)
    await records.close_ticket(number, WANG, at=MONDAY, reason="测试来电")
    with pytest.raises(TicketRefused) as refused:
        await records.hand_over(handing())
    assert refused.value.code == "closed"


async def test_what_was_ordered_while_the_database_was_away_goes_out_when_it_is_back(
    database_url: str, tmp_path: Path, operations: Operations
) -> None:
    """The spool keeps it over the controller's end; the order is the same one then, and the agent's repeated click."""
    await asyncio.to_thread(upgrade, database_url)
    order = handing(text="三楼起火", type="help")
    Spool(tmp_path / "spool.jsonl", operations.spoolable()).append([(operations.hand_over, order)] * 2)
    store = Store(database_url, spool=tmp_path / "spool.jsonl", operations=operations.spoolable())
    await store.start()
    try:
        records = Records(store, operations)
        (number,) = await of_unit(records, "water")
        again = await records.hand_over(handing(at=MONDAY + 60))
        assert (again.number, again.text, again.dispatch_count) == (number, "三楼起火", 1)
        assert len(await records.ticket_moves(again.number)) == 3
    finally:
        await store.stop()
