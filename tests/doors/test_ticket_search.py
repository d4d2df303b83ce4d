"""Tickets are found by words, place and caller, the same on both databases, and by nobody who may not know them."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import text

from controller.database import database_url as where
from controller.database import make_engine
from controller.records import Operations, Records
from controller.schema import upgrade
from tests.doors.test_migrations import upgrade_to
from tests.ticket_story import POLICY, WANG
from tickets.flow import Intake
from tickets.given import Move
from tickets.list_sql import FIRST_DAYS, page_of_tickets
from tickets.moves import ADMIN, Actor, Role, TicketInput
from tickets.search import TicketFilter
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket, TicketChange
from tickets.words import keys_of, wanted_keys

pytestmark = pytest.mark.doors

AT = 1_795_309_200.0
DAY = 86_400.0


@pytest.fixture
def operations() -> Operations:
    """With the units of the tests."""
    return Operations(POLICY)


async def take(records: Records, said: str, at: float = AT, **fields: object) -> Ticket:
    change = TicketChange(type="help", text=said, **fields)  # type: ignore[arg-type]
    return await records.take_ticket(Intake(Channel.API, at), change, WANG)


async def found(records: Records, **wanted: object) -> list[str]:
    page = await records.page_of_tickets(TicketFilter(0.0, 4e9, newest=True, **wanted))  # type: ignore[arg-type]
    return [ticket.text for ticket in page.tickets]


async def test_words_place_and_kinds_find_what_has_all_of_them(records: Records) -> None:
    await take(records, "解放路路灯不亮", address="海州区解放路12号", class_code="0301")
    await take(records, "路灯坏了, 一片漆黑", AT + DAY, address="海州区人民路3号", class_code="0302", region="320706")
    await take(records, "解放路停水", AT + 2 * DAY, address="新浦区", title="Ｗｉ－Ｆｉ 也断了")
    assert await found(records, said="路灯") == ["路灯坏了, 一片漆黑", "解放路路灯不亮"]
    assert await found(records, said="解放路 路灯") == ["解放路路灯不亮"]
    assert await found(records, place="解放路") == ["解放路路灯不亮"], "the third only speaks of it"
    assert await found(records, said="解放路") == ["解放路停水", "解放路路灯不亮"]
    assert await found(records, said="wi-fi") == ["解放路停水"], "full width and capitals are the same"
    assert await found(records, said="路灯", place="人民路3号") == ["路灯坏了, 一片漆黑"]
    assert await found(records, said="路灯", class_code="0301") == ["解放路路灯不亮"]
    assert await found(records, said="路灯", region="320706") == ["路灯坏了, 一片漆黑"]
    assert await found(records, said="路灯 OR 停水") == [], "nothing of it is a command"
    assert await found(records, said='"*) NEAR(路灯') == []
    for nothing in ("灯", "，。", " "):
        with pytest.raises(TicketRefused):
            await found(records, said=nothing)


async def test_a_ticket_is_found_by_what_it_says_now(records: Records) -> None:
    ticket = await take(records, "路灯不亮", address="解放路")
    change = TicketChange(text="井盖丢了", address="人民路")
    await records.change_ticket(ticket.number, change, WANG, at=AT + 1)
    assert await found(records, said="路灯") == []
    assert await found(records, place="解放路") == []
    assert await found(records, said="井盖", place="人民路") == ["井盖丢了"]


async def test_pages_of_what_was_found_follow_each_other(records: Records) -> None:
    numbers = [(await take(records, "路灯", AT + n * DAY * (FIRST_DAYS / 3))).number for n in range(7)]
    await take(records, "井盖", AT + DAY)
    for newest in (True, False):
        seen, after = [], None
        while True:
            wanted = TicketFilter(0.0, 4e9, said="路灯", newest=newest, after=after, limit=2)
            page = await records.page_of_tickets(wanted)
            seen += [ticket.number for ticket in page.tickets]
            after = page.next
            if after is None:
                break
        assert seen == (numbers[::-1] if newest else numbers)
    some = TicketFilter(AT + DAY * FIRST_DAYS / 3, AT + DAY * FIRST_DAYS, said="路灯")
    assert [ticket.number for ticket in (await records.page_of_tickets(some)).tickets] == numbers[1:3]


@pytest.mark.parametrize(("at_once", "times"), [(2000, 5), (1, 5), (1, 1), (1, 0)])
async def test_words_are_looked_for_among_a_unit_s_own(
    records: Records, at_once: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickets.list_sql.AT_ONCE", at_once)
    monkeypatch.setattr("tickets.list_sql.TIMES", times)
    for n, unit in enumerate(("water", "heat", "water", None)):
        ticket = await take(records, f"路灯不亮{n}", AT + n * DAY)
        if unit:
            await records.move_ticket(ticket.number, Move(TicketInput.REFER, unit=unit), ADMIN, at=AT + n * DAY)
    assert await found(records, said="路灯", units=frozenset({"water"})) == ["路灯不亮2", "路灯不亮0"]
    assert await found(records, said="路灯", units=frozenset({"water", "heat"})) == [
        "路灯不亮2", "路灯不亮1", "路灯不亮0"
    ]  # fmt: skip
    assert await found(records, said="路灯", units=frozenset({"gas"})) == []
    assert await found(records, units=frozenset({"water", "heat"})) == ["路灯不亮2", "路灯不亮1", "路灯不亮0"]
    year = TicketFilter(AT + DAY, 4e9, units=frozenset({"water"}), limit=1)
    page = await records.page_of_tickets(year)
    assert ([ticket.text for ticket in page.tickets], page.next) == (["路灯不亮2"], None)


async def test_a_hidden_caller_is_not_found_by_his_number(records: Records) -> None:
    for n, hidden in enumerate(({}, {"anonymous": True}, {"confidential": True})):
        await take(records, f"第{n}件", AT + n, caller="13800001111", **hidden)
    assert len(await found(records, caller="13800001111")) == 3
    assert await found(records, caller="1380000111") == []
    other, own = Actor("1099", Role.AGENT), WANG
    assert await found(records, caller="13800001111", caller_for=other) == ["第0件"]
    assert await found(records, caller="13800001111", caller_for=own) == ["第2件", "第1件", "第0件"]
    assert await found(records, caller="13800001111", caller_for=Actor("d", Role.DISPATCHER)) == ["第0件"]


async def test_both_databases_find_what_the_words_say(records: Records) -> None:
    """Whatever is written and changed: the tickets that have all the keys, no other, in order."""
    draw, parts = random.Random(7), ["路灯", "不亮", "井盖", "停水", "小区", "解放", "路", "噪音", "12号", "3栋"]
    made = []
    for n in range(60):
        said = "".join(draw.sample(parts, 3))
        made.append((await take(records, said, AT + n * DAY, address="".join(draw.sample(parts, 2)))).number)
    for number in draw.sample(made, 20):
        change = TicketChange(text="".join(draw.sample(parts, 3)), address="".join(draw.sample(parts, 1)))
        await records.change_ticket(number, change, ADMIN, at=AT + 100 * DAY)
    every = (await records.page_of_tickets(TicketFilter(0.0, 4e9))).tickets
    hits = 0
    for _ in range(60):
        wanted = TicketFilter(0.0, 4e9, said=draw.choice(parts[:6]) + draw.choice(parts), newest=True,
                              place=draw.choice([None, *parts[:6]]))  # fmt: skip
        keys = frozenset(wanted_keys(wanted))
        page = await records.page_of_tickets(wanted)
        expected = [ticket.number for ticket in reversed(every) if keys <= keys_of(ticket)]
        assert [ticket.number for ticket in page.tickets] == expected
        hits += len(expected)
    assert hits > 20


def test_tickets_from_before_the_search_are_found(database_url: str) -> None:
    """0015 writes the words of what is there, and a unit's list knows when its tickets were opened."""
    upgrade_to(database_url, "0014")
    columns = (
        "number, caller, dialled, language, queue, agent, opened_at, sign_due, handle_due, state, version, "
        "title, text, address, class_code, lead_unit"
    )
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        for n in range(5):
            values = (
                f"'202611220000{n}', '', '', 'zh', '', '', {AT + n}, 0, 0, 'dispatched', 0, '', '路灯不亮{n}', "
                "'解放路', '0301', 'water'"
            )
            both = f"({columns}, provisional, transcript) VALUES ({values}, false, false)"
            connection.execute(text(f"INSERT INTO tickets {both}"))  # noqa: S608
            connection.execute(
                text(f"INSERT INTO ticket_units (unit, ticket) VALUES ('water', '202611220000{n}')")  # noqa: S608
            )
    upgrade(database_url)
    with engine.begin() as connection:
        words = TicketFilter(0.0, 4e9, said="路灯", place="解放路", class_code="0301", newest=True)
        assert [one.text for one in page_of_tickets(connection, words).tickets] == [
            f"路灯不亮{n}" for n in reversed(range(5))
        ]
        mine = TicketFilter(AT + 1, AT + 4, units=frozenset({"water"}), limit=2)
        page = page_of_tickets(connection, mine)
        assert ([one.opened_at for one in page.tickets], page.next) == ([AT + 1, AT + 2], "2026112200002")
    engine.dispose()
