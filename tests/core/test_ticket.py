"""A ticket's rules: every cell of its table, what may be written into it, and which deadline follows."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ticket_story import MONDAY, NUMBER, WANG, opening, sign_due
from tickets.flow import apply, opened
from tickets.given import Move
from tickets.moves import TicketInput, TicketState
from tickets.texts import TicketRefused
from tickets.ticket import (
    Ticket,
    TicketChange,
    TicketMove,
    TicketPolicy,
    TicketType,
    Urgency,
    checked_score,
    number_of,
)
from tickets.units import HandlingUnit, UnitError, UnitRegister, parse_units

pytestmark = pytest.mark.core

S, I = TicketState, TicketInput  # noqa: E741
WATER = HandlingUnit("water", "水务局", "张三", "供水处", "李四")
POLICY = TicketPolicy(units=UnitRegister([WATER]), title_max=20, text_max=100)


def ticket(state: TicketState = S.OPENED) -> Ticket:
    made, _ = opened(NUMBER, opening(), WANG, POLICY)
    if state is not S.OPENED:
        made, _ = change(made, TicketChange("help", "标题", "内容"))
    if state is S.RESOLVED:
        made, _ = apply(made, Move(I.CLOSE, reason="测试来电"), WANG, MONDAY, POLICY)
    return made


def change(before: Ticket, wanted: TicketChange) -> tuple[Ticket, TicketMove]:
    return apply(before, Move(I.AMEND, change=wanted), WANG, MONDAY, POLICY)


def test_the_types_have_their_chinese_names() -> None:
    assert [(kind.value, kind.chinese) for kind in TicketType] == [
        ("inquiry", "咨询"),
        ("help", "求助"),
        ("complaint", "投诉"),
        ("report", "举报"),
        ("suggestion", "建议"),
        ("praise", "表扬"),
    ]


def test_type_and_text_register_it_together_or_one_after_the_other() -> None:
    whole, move = change(ticket(), TicketChange("complaint", "噪声", "楼下施工", "water"))
    assert (whole.state, move.cause, move.reason) == (S.REGISTERED, "register", "type,title,text,proposed_unit")
    assert (whole.type, whole.title, whole.text, whole.proposed_unit) == (
        TicketType.COMPLAINT,
        "噪声",
        "楼下施工",
        "water",
    )
    half, move = change(ticket(), TicketChange(type=TicketType.COMPLAINT))
    assert (half.state, move.cause, move.reason) == (S.OPENED, "amend", "type")
    rest, move = change(half, TicketChange(text="楼下施工"))
    assert (rest.state, move.cause, move.reason) == (S.REGISTERED, "register", "text")


@pytest.mark.parametrize("wanted", [TicketChange(), TicketChange("help", "标题", "内容"), TicketChange(title=" 标题 ")])
def test_none_leaves_a_field_and_the_same_again_changes_nothing(wanted: TicketChange) -> None:
    with pytest.raises(TicketRefused) as error:
        change(ticket(S.REGISTERED), wanted)
    assert error.value.code == "nothing_to_change"


def test_the_deadline_follows_the_type_and_is_counted_from_the_opening_until_it_is_dispatched() -> None:
    assert sign_due(MONDAY) == MONDAY + 5.5 * 3600  # 3 h to lunch, 1.5 h of it, 1 h after it
    day = 86_400
    close_of_monday = MONDAY + 9 * 3600
    assert ticket().handle_due == close_of_monday + 7 * day  # five working days, a weekend between
    asked, _ = change(ticket(), TicketChange("inquiry", text="几点开门"))
    assert asked.handle_due == close_of_monday + 3 * day
    back, _ = change(asked, TicketChange("complaint"))
    assert back.handle_due == close_of_monday + 7 * day
    assert back.sign_due == asked.sign_due == ticket().sign_due


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        (TicketChange(type="rant"), "unknown_type", "type"),
        (TicketChange(type="投诉"), "unknown_type", "type"),
        (TicketChange(title="长" * 21), "title_too_long", "title"),
        (TicketChange(text="长" * 101), "text_too_long", "text"),
        (TicketChange(text="长" * 10_000_000), "text_too_long", "text"),
        (TicketChange(title="two\nlines"), "bad_title", "title"),
        (TicketChange(text="nul \0"), "bad_text", "text"),
        (TicketChange(text="half \ud83d"), "bad_text", "text"),
        (TicketChange(text="\x1b[31mred"), "bad_text", "text"),
        (TicketChange(proposed_unit="fire"), "unknown_unit", "proposed_unit"),
        (TicketChange(urgency="soon"), "unknown_urgency", "urgency"),
        (TicketChange(class_code="a b"), "bad_class_code", "class_code"),
        (TicketChange(lat=91.0, lon=0.0), "bad_place", "lat"),
        (TicketChange(lat=float("nan"), lon=0.0), "bad_place", "lat"),
        (TicketChange(lat=0.0, lon=-180.5), "bad_place", "lon"),
        (TicketChange(lat=31.0), "bad_place", "lat"),
        (TicketChange(event_at=float("inf")), "bad_time", "event_at"),
        (TicketChange(caller_name="长" * 21), "caller_name_too_long", "caller_name"),
    ],
)
def test_what_may_not_be_written_is_refused_with_its_field(wanted: TicketChange, code: str, field: str) -> None:
    with pytest.raises(TicketRefused) as error:
        change(ticket(), wanted)
    assert (error.value.code, error.value.field) == (code, field)


def test_where_and_how_urgent() -> None:
    after, _ = change(
        ticket(), TicketChange(lat=31.2, lon=121.5, urgency="critical", class_code="0301", region="320500")
    )
    assert (after.lat, after.lon, after.urgency) == (31.2, 121.5, Urgency.CRITICAL)
    assert (after.class_code, after.region) == ("0301", "320500")


@pytest.mark.parametrize("text", ["停水 💧🏚️", "👨‍👩‍👧 一家", "שלום מים", "ى مياه", "‮abc", "e\u0301", "\u200b零宽"])
def test_emoji_joiners_and_right_to_left_text_are_kept_as_they_are(text: str) -> None:
    after, move = change(ticket(), TicketChange(text=text, title=text))
    assert after.text == after.title == text
    assert move.details["changes"] == {"text": text, "title": text}


def test_a_registered_ticket_keeps_a_text() -> None:
    with pytest.raises(TicketRefused) as error:
        change(ticket(S.REGISTERED), TicketChange(text="  \r\n "))
    assert error.value.code == "incomplete"


def test_a_closed_ticket_is_left_as_it_is() -> None:
    closed = ticket(S.RESOLVED)
    with pytest.raises(TicketRefused) as error:
        change(closed, TicketChange())
    assert error.value.code == "closed"
    with pytest.raises(TicketRefused) as error:
        apply(ticket(), Move(I.CLOSE), WANG, MONDAY, POLICY)
    assert error.value.code == "not_registered"


@given(st.text(max_size=100))
def test_text_is_kept_but_for_blanks_around_it_and_line_ends(text: str) -> None:
    kept = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if any(character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs") for character in kept):
        with pytest.raises(TicketRefused, match="control character"):
            change(ticket(), TicketChange(text=text))
        return
    after, _ = change(ticket(), TicketChange(type="help", text=text))
    assert after.text == kept
    assert after.text.encode() or not kept


def test_scores() -> None:
    assert [checked_score(score) for score in range(1, 6)] == [1, 2, 3, 4, 5]
    for score in (0, 6, -1):
        with pytest.raises(TicketRefused) as error:
            checked_score(score)
        assert error.value.code == "bad_score"


@given(st.lists(st.tuples(st.dates(), st.integers(1, 2_000_000)), min_size=2, max_size=2, unique=True))
def test_numbers_are_digits_and_differ(pairs: list[tuple[object, int]]) -> None:
    numbers = [number_of(day.strftime("%Y%m%d").zfill(8), sequence) for day, sequence in pairs]  # type: ignore[attr-defined]
    assert all(number.isdigit() for number in numbers)
    assert numbers[0] != numbers[1]


def test_a_number_as_it_is_read() -> None:
    assert number_of("20261122", 1) == "2026112200001"
    assert number_of("20261122", 99_999) == "2026112299999"
    assert number_of("20261122", 100_000) == "20261122100000"


# ---------------------------------------------------------------- handling units


def unit(name: str, parent: str | None = None) -> HandlingUnit:
    return HandlingUnit(name, name, "leader", "office", "handler", parent)


def test_units_have_up_to_three_levels() -> None:
    register = UnitRegister([unit("town", "county"), unit("county", "city"), unit("city")])
    assert [register.level(name) for name in ("city", "county", "town")] == [1, 2, 3]
    assert register.get("county") == unit("county", "city")
    assert register.get("moon") is None
    assert "town" in register
    assert [entry.id for entry in register] == ["town", "county", "city"]
    assert len(register) == 3


def test_every_fault_of_the_register_is_named_at_once() -> None:
    with pytest.raises(UnitError) as error:
        UnitRegister(
            [
                unit("a", "b"),
                unit("b", "a"),
                unit("c", "nowhere"),
                unit("d"),
                unit("d"),
                dataclasses.replace(unit("e"), leader=" "),
                unit("1"), unit("2", "1"), unit("3", "2"), unit("4", "3"),
            ]
        )  # fmt: skip
    assert [name for name, _ in error.value.problems] == ["d", "e", "a", "b", "c", "4"]


def test_the_register_from_the_configuration() -> None:
    fields = {"name": "水务局", "leader": "张三", "office": "供水处", "handler": "李四"}
    assert list(parse_units({"water": fields})) == [WATER]
    with pytest.raises(UnitError) as error:
        parse_units({"water": {**fields, "phone": "1"}, "gas": {"name": "燃气"}, "heat": {**fields, "name": 5}})  # type: ignore[dict-item]
    assert [(name, text) for name, text in error.value.problems] == [
        ("water", "has an unknown key phone"),
        ("gas", "names no leader"),
        ("gas", "names no office"),
        ("gas", "names no handler"),
        ("heat", "name must be a text"),
    ]
