"""The ownership register by HTTP and on disk: rows, suggestions, what objections teach, and the hit rate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from controller.database import database_url as where
from controller.database import make_engine
from tests.city_story import ORGANISATIONS, TREE
from tests.fakes.installations import Installation, empty_database
from tests.ticket_story import MONDAY
from tickets.classes import load_classes
from tickets.flow import Intake
from tickets.given import Move
from tickets.list_sql import page_of_tickets
from tickets.moves import ADMIN, Actor, Role, TicketInput
from tickets.ownership import Concern, OwnershipRow
from tickets.ownership_sql import put_row, rate, rows, suggest
from tickets.search import TicketFilter
from tickets.sql import move_ticket, take_ticket
from tickets.texts import TicketRefused
from tickets.ticket import Channel, TicketChange, TicketPolicy

pytestmark = pytest.mark.doors

POLICY = TicketPolicy(units=TREE.register(), organisations=TREE, classes=load_classes())
DESK = Actor("desk", Role.DISPATCHER, "cz")
BOSS = Actor("boss", Role.SUPERVISOR, "cz")
I = TicketInput  # noqa: E741


@pytest.fixture
def engine(shaped_url: str) -> Any:
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


def row(unit: str, class_code: str = "UTIL-WATER", region: str = "cz") -> OwnershipRow:
    return OwnershipRow(0, class_code, region, "", unit, "职责清单第 3 条", changed_at=1.0, changed_by="boss")


class Case:
    """A leak in Changzhou."""

    def __init__(self, engine: Engine, at: float) -> None:
        self.engine, self.at = engine, at
        with engine.begin() as connection:
            change = TicketChange(type="help", text="漏水", class_code="UTIL-WATER-PIPE", region="cz")
            self.number = take_ticket(connection, Intake(Channel.WEB, at), change, ADMIN, POLICY).number

    def do(self, actor: Actor, move: Move) -> None:
        self.at += 60.0
        with self.engine.begin() as connection:
            move_ticket(connection, self.number, move, actor, self.at, POLICY)

    def handled_by(self, unit: str) -> None:
        theirs = Actor(f"{unit}-1", Role.UNIT, unit)
        for actor, move in (
            (theirs, Move(I.SIGN)),
            (theirs, Move(I.REPLY, text="已修复")),
            (DESK, Move(I.ACCEPT_REPLY)),
        ):
            self.do(actor, move)


def test_an_objection_teaches_the_register_and_the_hit_rate_tells(engine: Engine) -> None:
    with engine.begin() as connection:
        put_row(connection, row("cz-roads"), POLICY)
        put_row(connection, row("cz-water", "", "cz"), POLICY)
    first = Case(engine, MONDAY)
    first.do(DESK, Move(I.REFER, unit="cz-roads"))
    roads = Actor("roads-1", Role.UNIT, "cz-roads")
    first.do(roads, Move(I.OBJECT, reason="不属我局", unit="cz-water-pipes"))
    first.do(BOSS, Move(I.UPHOLD_OBJECTION))
    first.do(DESK, Move(I.REFER, unit="cz-water-pipes"))
    first.handled_by("cz-water-pipes")
    with engine.begin() as connection:
        (best, *_) = suggest(connection, Concern("UTIL-WATER-PIPE", "cz"), POLICY)
        known = {one.unit: one for one in rows(connection)}
    assert best.unit == "cz-water-pipes"
    assert (known["cz-roads"].misses, known["cz-water-pipes"].hits) == (1, 1)
    assert known["cz-water-pipes"].changed_by == "desk"
    for count in (1, 2):
        more = Case(engine, MONDAY + 3600.0 * count)
        more.do(DESK, Move(I.REFER, unit="cz-water-pipes"))
        more.handled_by("cz-water-pipes")
    nobody = Case(engine, MONDAY + 10_000.0)
    nobody.do(ADMIN, Move(I.AMEND, change=TicketChange(class_code="OTHER")))
    with engine.begin() as connection:
        for one in rows(connection, class_code=""):
            put_row(connection, OwnershipRow(one.id, "EDU", "cz", "", one.unit, one.basis), POLICY)
    nobody.do(DESK, Move(I.REFER, unit="cz-roads"))
    nobody.handled_by("cz-roads")
    with engine.begin() as connection:
        found = rate(connection, MONDAY, MONDAY + 86_400.0)
        assert rate(connection, 0.0, MONDAY)["*"].value is None
    assert (found["*"].hits, found["*"].tickets, found["*"].unsuggested) == (2, 3, 1)
    assert found["UTIL-WATER-PIPE"].value == pytest.approx(2 / 3)


def test_a_list_has_what_somebody_s_organisation_can_see(engine: Engine) -> None:
    here, there = Case(engine, MONDAY), Case(engine, MONDAY + 1.0)
    there.do(ADMIN, Move(I.AMEND, change=TicketChange(region="zj")))
    there.do(ADMIN, Move(I.REFER, unit="js"))
    there.do(ADMIN, Move(I.REDISPATCH, unit="zj", co_units=("cz",), reason="两市协办"))
    for org, numbers in (
        ("cz", {here.number, there.number}),
        ("zj", {there.number}),
        ("cz-water", set()),
        ("js", {here.number, there.number}),
    ):
        with engine.begin() as connection:
            page = page_of_tickets(connection, TicketFilter(0.0, MONDAY + 100.0, near=TREE.below(org)))
        assert {one.number for one in page.tickets} == numbers, org


def test_a_row_says_what_there_is_and_says_it_once(engine: Engine) -> None:
    with engine.begin() as connection:
        kept = put_row(connection, row("cz-roads"), POLICY)
        assert kept.id > 0
        for wrong, code in (
            (row("cz-roads"), "doubled_row"),
            (row("gone"), "unknown_unit"),
            (row("cz-water", "99"), "unknown_class"),
            (row("cz-water", region="cz-water"), "unknown_region"),
            (OwnershipRow(999, "UTIL", "cz", "", "cz-water", "x"), "unknown_row"),
        ):
            with pytest.raises(TicketRefused) as refused:
                put_row(connection, wrong, POLICY)
            assert refused.value.code == code


@pytest.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Installation]:
    own = Installation("cz", tmp_path, empty_database(tmp_path), ORGANISATIONS, {})
    await own.start()
    yield own
    await own.stop()


async def test_people_enter_ask_and_take_out(hotline: Installation) -> None:
    wanted = {"class_code": "UTIL-WATER", "region": "cz", "place": "解放路", "unit": "cz-water", "basis": "清单"}
    status, made = await hotline.ask("POST", "/api/ownership", wanted)
    assert (status, made["unit"], made["source"], made["hits"]) == (201, "cz-water", "entered", 0)
    number = await hotline.take(class_code="UTIL-WATER", region="cz", address="解放路 12 号")
    _, answer = await hotline.ask("GET", f"/api/tickets/{number}/units")
    (unit,) = answer["units"]
    assert (unit["unit"], unit["name"], unit["row"]["id"]) == ("cz-water", "常州市水务局", made["id"])
    _, answer = await hotline.ask("GET", "/api/ownership/suggest?class_code=UTIL-WATER&region=cz&address=x")
    assert answer["units"] == []
    status, changed = await hotline.ask("PUT", f"/api/ownership/{made['id']}", {**wanted, "place": ""})
    assert (status, changed["place"]) == (200, "")
    _, answer = await hotline.ask("GET", "/api/ownership?unit=cz-water")
    assert [one["id"] for one in answer["rows"]] == [made["id"]]
    for method, path, body, status, code in (
        ("POST", "/api/ownership", {**wanted, "unit": "gone"}, 422, "unknown_unit"),
        ("POST", "/api/ownership", {**wanted, "place": ""}, 409, "doubled_row"),
        ("POST", "/api/ownership", {"unit": "cz-water"}, 400, "bad_request"),
        ("PUT", "/api/ownership/999", {**wanted, "place": "x"}, 404, "unknown_row"),
        ("DELETE", "/api/ownership/999", None, 404, "unknown_row"),
        ("GET", "/api/ownership?colour=red", None, 400, "bad_request"),
        ("GET", "/api/tickets/1/units", None, 404, "unknown_ticket"),
    ):
        got, answer = await hotline.ask(method, path, body)
        assert (got, answer["error"]) == (status, code), path
    assert (await hotline.ask("DELETE", f"/api/ownership/{made['id']}"))[0] == 200
    _, answer = await hotline.ask("GET", "/api/ownership/hit-rate")
    assert (answer["value"], answer["tickets"]) == (None, 0)
