"""A file of tickets goes through the store piece by piece: nothing of it twice, and nobody waits for all of it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from controller import imports
from controller.imports import id_of
from controller.records import Operations, Records
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId
from tests.ticket_story import POLICY, WANG
from tickets.flow import Intake
from tickets.search import TicketFilter
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket, TicketChange

pytestmark = pytest.mark.doors

AT = 1_795_309_200.0
ROWS = [(n + 2, TicketChange(type="help", text=f"第{n}行")) for n in range(40)]
INTAKE = Intake(Channel.API, AT)


@pytest.fixture
def operations() -> Operations:
    """With the units of the tests."""
    return Operations(POLICY)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "FIRST_ROWS", 2)
    monkeypatch.setattr(imports, "MOST_ROWS", 2)


async def all_of(records: Records) -> list[Ticket]:
    return list((await records.page_of_tickets(TicketFilter(0.0, AT + 1.0))).tickets)


async def test_a_file_that_is_cut_goes_on_and_calls_do_not_wait_for_it(records: Records) -> None:
    moved: list[Ticket] = []
    posted: list[float] = []
    first = asyncio.Event()
    records.listen(lambda: posted.append(AT))

    def told(ticket: Ticket) -> None:
        moved.append(ticket)
        first.set()

    records.on_ticket = told
    task = asyncio.create_task(records.take_file("f", ROWS, INTAKE, WANG))
    await first.wait()
    await records.open_ticket(OpenTicket(CallId("c"), "13800001111", "12345", "zh", "general", AgentId("1001"), AT))
    assert not task.done()
    assert posted, "who sends what is put out for it is woken"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert len(await all_of(records)) < len(ROWS)
    done = await records.take_file("f", ROWS, INTAKE, WANG)
    taken = [tuple(pair) for one in done.results for pair in one["taken"]]
    found = await all_of(records)
    assert not done.before
    assert len(found) == len(ROWS) + 1, "with the call's"
    assert [line for line, _ in taken] == [line for line, _ in ROWS]
    by_number = {str(ticket.number): ticket for ticket in found}
    assert [by_number[number].text for _, number in taken] == [change.text for _, change in ROWS]
    again = await records.take_file("f", ROWS, INTAKE, WANG)
    assert (again.before, again.results) == (True, done.results)
    assert len(await all_of(records)) == len(ROWS) + 1
    assert (await records.take_file("f", ROWS, INTAKE, WANG, anew=True)).before is False
    assert len(await all_of(records)) == 2 * len(ROWS) + 1


async def test_a_row_that_is_refused_leaves_what_was_taken_before_it(records: Records) -> None:
    """How many rows a piece has depends on the machine: up to the bad one whole pieces are taken, no more."""
    bad = [*ROWS[:6], (8, TicketChange(type="nonsense", text="x")), *ROWS[7:]]
    for _ in range(2):
        with pytest.raises(TicketRefused):
            await records.take_file("g", bad, INTAKE, WANG)
        taken = [ticket.text for ticket in await all_of(records)]
        assert taken == [change.text for _, change in ROWS[: len(taken)]]
        assert len(taken) <= 6
    good = [*ROWS[:6], (8, TicketChange(type="help", text="x")), *ROWS[7:]]
    await records.take_file("g", good, INTAKE, WANG)
    assert len(await all_of(records)) == len(ROWS)


async def test_an_import_is_forgotten_after_a_month(records: Records) -> None:
    await records.take_file("h", ROWS[:3], INTAKE, WANG)
    late = await records.take_file("h", ROWS[:3], replace(INTAKE, at=AT + 31 * 86_400.0), WANG)
    assert late.before is False


def test_a_file_is_known_by_its_bytes_and_by_how_it_is_taken() -> None:
    ids = {id_of(b"a", "k"), id_of(b"b", "k"), id_of(b"a", "l"), id_of(b"a", "k", ""), id_of(b"\0a", "k")}
    assert len(ids) == 5
