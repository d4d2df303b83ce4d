"""Repeats and mass incidents in the database, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select

from benchmarks.repeats import City
from controller.database import database_url as where
from controller.database import make_engine
from pbx.ids import TicketNumber
from tests.ticket_story import BOSS, DESK, LEADER, MONDAY, POLICY, QUALITY, WANG, WATER
from tickets import incident_rows, incidents_sql, term_rows
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import TicketInput, TicketState
from tickets.repeats_sql import draft_of_ticket, repeats_of
from tickets.sql import get_ticket, list_moves, move_ticket, take_ticket
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket, TicketChange

pytestmark = pytest.mark.doors


@pytest.fixture
def engine(shaped_url: str) -> Iterator[Engine]:
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as made:
        yield made


def take(connection: Connection, at: float = MONDAY, caller: str = "13800001111", **fields: object) -> Ticket:
    change = TicketChange(caller=caller, **fields)  # type: ignore[arg-type]
    return take_ticket(connection, Intake(Channel.PHONE, at), change, WANG, POLICY)


WATER_OFF = {"type": "help", "text": "家里停水了", "address": "海州区幸福小区3号楼"}


def water(connection: Connection, n: int, **more: object) -> Ticket:
    return take(connection, MONDAY + n, f"1380000{n:04d}", **{**WATER_OFF, **more})


def test_a_burst_in_traffic_is_found_in_the_store(connection: Connection) -> None:
    """The same answers on both databases: the expectations are exact."""
    found_at, of_burst = None, 0
    events: dict[str, int] = {}
    for told in City(77).day(60, 8, MONDAY):
        one = told.draft
        ticket = take(
            connection, one.at, one.caller, type=one.type, title=one.title or None, text=one.text, address=one.address,
            class_code=one.class_code,
        )  # fmt: skip
        events[ticket.number] = told.event
        of_burst += told.event
        draft = draft_of_ticket(connection, ticket.number)
        assert draft is not None
        found = repeats_of(connection, draft, WANG, POLICY)
        assert all(events[number] == told.event for number in found.members)
        if found.members and told.event and found_at is None:
            found_at = of_burst
    assert found_at == 3


def test_words_follow_what_is_written(connection: Connection) -> None:
    first = water(connection, 1)
    second = take(connection, MONDAY + 60, "13900002222", type="help", text="没有水", address="幸福小区9幢")
    draft = draft_of_ticket(connection, second.number)
    assert draft is not None
    assert [one.number for one, _ in repeats_of(connection, draft, WANG, POLICY).tickets] == [first.number]
    typed = replace(draft, text="路灯坏了")
    assert repeats_of(connection, typed, WANG, POLICY).tickets == ()
    rewritten = TicketChange(text="路灯不亮")
    move_ticket(connection, first.number, Move(TicketInput.AMEND, change=rewritten), WANG, MONDAY + 61, POLICY)
    assert repeats_of(connection, draft, WANG, POLICY).tickets == ()
    assert [one.number for one, _ in repeats_of(connection, typed, WANG, POLICY).tickets] == [first.number]
    counts = connection.execute(select(term_rows.terms.c.count, term_rows.terms.c.tickets)).all()
    assert all(row.count == len(term_rows.unpacked(row.tickets)) for row in counts)


def test_the_hidden_caller_is_not_told_by_his_repeats(connection: Connection) -> None:
    hidden = take(connection, caller="13800001111", anonymous=True, type="report", text="举报某单位违规收费")
    again = take(connection, MONDAY + 60, "13800001111", type="help", text="路灯坏了")
    draft = draft_of_ticket(connection, again.number)
    assert draft is not None
    seen = {viewer.id: repeats_of(connection, draft, viewer, POLICY).tickets for viewer in (DESK, WATER, WANG, BOSS)}
    assert seen["desk"] == seen["water-1"] == ()
    assert [one.number for one, _ in seen["1001"]] == [one.number for one, _ in seen["boss"]] == [hidden.number]


def test_old_days_are_forgotten(connection: Connection) -> None:
    for day in range(term_rows.DAYS_KEPT + 3):
        take(connection, MONDAY + day * 86_400.0, **WATER_OFF)
    days = list(connection.execute(select(term_rows.terms.c.day).distinct()).scalars())
    assert len(days) == term_rows.DAYS_KEPT
    assert min(days) == 20261126


def test_one_click_makes_an_incident_and_the_next_joins_it(connection: Connection) -> None:
    one, two, three = (water(connection, n, title="停水", class_code="0301") for n in (1, 2, 3))
    made = incidents_sql.join(connection, two.number, one.number, WANG, MONDAY + 10, POLICY)
    assert (made.title, made.class_code, made.opened_by) == ("停水", "0301", "1001")
    joined = incidents_sql.join(connection, three.number, one.number, WANG, MONDAY + 11, POLICY)
    assert joined.id == made.id
    view = incident_rows.get(connection, made.id)
    assert view is not None
    assert view.states == {"registered": 3}
    draft = draft_of_ticket(connection, water(connection, 4).number)
    assert draft is not None
    found = repeats_of(connection, draft, WANG, POLICY)
    assert (found.incident, found.members) == (made.id, ())
    with pytest.raises(TicketRefused, match="already"):
        incidents_sql.join(connection, three.number, one.number, WANG, MONDAY + 12, POLICY)
    with pytest.raises(TicketRefused) as refused:
        move_ticket(connection, one.number, Move(TicketInput.LEAVE), WATER, MONDAY + 13, POLICY)
    assert refused.value.code == "not_allowed"


def test_an_incident_closes_with_one_reply_and_everybody_keeps_his_number(connection: Connection) -> None:
    registered, resolved, late = (water(connection, n) for n in (1, 2, 3))
    opened = take(connection, MONDAY + 4, "13700001111")
    numbers = (registered.number, resolved.number, late.number, opened.number)
    made = incidents_sql.open_incident(connection, "幸福小区停水", numbers, DESK, MONDAY + 10, POLICY)
    answer = Move(TicketInput.ANSWER, text="您家阀门未开")
    move_ticket(connection, resolved.number, answer, WANG, MONDAY + 11, POLICY)
    refer = Move(TicketInput.REFER, unit="water")
    move_ticket(connection, late.number, refer, DESK, MONDAY + 12, POLICY)
    for actor in (WANG, WATER, QUALITY):
        with pytest.raises(TicketRefused) as refused:
            incidents_sql.close_incident(connection, made.id, "主管道已修复", actor, MONDAY + 20, POLICY)
        assert refused.value.code == "not_allowed"
    closed = incidents_sql.close_incident(connection, made.id, "主管道已修复", LEADER, MONDAY + 20, POLICY)
    assert closed.settled
    replies = {number: _ticket(connection, number) for number in numbers}
    assert replies[registered.number].reply == replies[late.number].reply == "主管道已修复"
    assert replies[resolved.number].reply == "您家阀门未开"
    assert [one.state for one in replies.values()] == [TicketState.RESOLVED] * 3 + [TicketState.OPENED]
    assert list_moves(connection, late.number)[-1].actor == "leader"
    written = TicketChange(type="help", text="停水")
    done = move_ticket(connection, opened.number, Move(TicketInput.AMEND, change=written), WANG, MONDAY + 30, POLICY)
    assert (done.state, done.reply) == (TicketState.RESOLVED, "主管道已修复")
    for attempt in (
        lambda: incidents_sql.close_incident(connection, made.id, "再答", LEADER, MONDAY + 40, POLICY),
        lambda: incidents_sql.join(connection, water(connection, 9).number, late.number, WANG, MONDAY + 41, POLICY),
    ):
        with pytest.raises(TicketRefused) as over:
            attempt()
        assert over.value.code == "incident_closed"


def test_a_great_incident_is_settled_in_parts_and_goes_on_after_a_crash(engine: Engine) -> None:
    with engine.begin() as connection:
        numbers = [water(connection, n).number for n in range(incidents_sql.AT_ONCE + 7)]
        made = incidents_sql.open_incident(connection, "停水", numbers, BOSS, MONDAY + 100, POLICY)
        closed = incidents_sql.close_incident(connection, made.id, "已恢复供水", BOSS, MONDAY + 200, POLICY)
        assert not closed.settled
    with engine.begin() as connection:  # what a new process finds
        assert incident_rows.unsettled(connection) == [made.id]
        assert incidents_sql.settle(connection, made.id, MONDAY + 300, POLICY).settled
        assert incident_rows.unsettled(connection) == []
        replies = [_ticket(connection, number) for number in numbers]
        assert {(one.reply, one.answered_by) for one in replies} == {("已恢复供水", "boss")}
        assert all(len(list_moves(connection, number)) == 4 for number in numbers)  # open, register, join, settle
        incidents_sql.settle(connection, made.id, MONDAY + 400, POLICY)
        assert all(len(list_moves(connection, number)) == 4 for number in numbers)


def test_an_unknown_incident_or_ticket(connection: Connection) -> None:
    number = water(connection, 1).number
    with pytest.raises(TicketRefused) as refused:
        move_ticket(connection, number, Move(TicketInput.JOIN, incident="i1"), WANG, MONDAY + 1, POLICY)
    assert refused.value.code == "unknown_mass_incident"
    with pytest.raises(TicketRefused) as refused:
        incidents_sql.join(connection, number, TicketNumber("1"), WANG, MONDAY + 1, POLICY)
    assert refused.value.code == "unknown_ticket"
    assert incident_rows.get(connection, "i1") is None


def _ticket(connection: Connection, number: TicketNumber) -> Ticket:
    found = get_ticket(connection, number)
    assert found is not None
    return found
