"""A ticket's rules: every cell of its table, what may be written into it, and which deadline follows."""

from __future__ import annotations

import dataclasses
import unicodedata
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.ids import AgentId, CallId, TicketNumber
from tickets.ticket import (
    TICKET_MOVES,
    Ticket,
    TicketChange,
    TicketInput,
    TicketPolicy,
    TicketRefused,
    TicketState,
    TicketType,
    change,
    checked_reason,
    checked_score,
    close,
    moved,
    number_of,
)
from tickets.units import HandlingUnit, UnitError, UnitRegister, parse_units

pytestmark = pytest.mark.core

S, I = TicketState, TicketInput  # noqa: E741
MONDAY = 1_795_395_600.0  # 2026-11-23 09:00 in Shanghai
WATER = HandlingUnit("water", "水务局", "张三", "供水处", "李四")
POLICY = TicketPolicy(units=UnitRegister([WATER]), title_max=20, text_max=100)


def ticket(state: TicketState = S.OPENED, **values: object) -> Ticket:
    made = Ticket(
        number=TicketNumber("2026112300001"),
        call=CallId("c-1"),
        caller="13800001111",
        dialled="12345",
        language="zh",
        queue="general",
        agent=AgentId("1001"),
        opened_at=MONDAY,
        sign_due=POLICY.sign_due(MONDAY),
        handle_due=POLICY.handle_due(MONDAY, None),
    )
    if state is not S.OPENED:
        made, _, _ = change(made, TicketChange("help", "标题", "内容"), POLICY)
    if state is S.CLOSED:
        made = close(made)
    return dataclasses.replace(made, **values)  # type: ignore[arg-type]


ALLOWED = {
    (S.OPENED, I.AMEND): S.OPENED,
    (S.OPENED, I.REGISTER): S.REGISTERED,
    (S.REGISTERED, I.AMEND): S.REGISTERED,
    (S.REGISTERED, I.CLOSE): S.CLOSED,
}
REFUSED = {
    (S.OPENED, I.CLOSE): "not_registered",
    (S.REGISTERED, I.REGISTER): "registered",
    (S.CLOSED, I.AMEND): "closed",
    (S.CLOSED, I.REGISTER): "closed",
    (S.CLOSED, I.CLOSE): "closed",
}


@pytest.mark.parametrize(("state", "cause"), list(product(TicketState, TicketInput)))
def test_every_cell_of_the_table(state: TicketState, cause: TicketInput) -> None:
    assert (state, cause) in TICKET_MOVES
    if (state, cause) in ALLOWED:
        assert moved(state, cause) is ALLOWED[state, cause]
    else:
        with pytest.raises(TicketRefused) as error:
            moved(state, cause)
        assert error.value.code == REFUSED[state, cause]


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
    whole, cause, changed = change(ticket(), TicketChange("complaint", "噪声", "楼下施工", "water"), POLICY)
    assert (whole.state, cause, changed) == (S.REGISTERED, I.REGISTER, "type,title,text,unit")
    assert (whole.type, whole.title, whole.text, whole.unit) == (TicketType.COMPLAINT, "噪声", "楼下施工", "water")
    half, cause, changed = change(ticket(), TicketChange(type=TicketType.COMPLAINT), POLICY)
    assert (half.state, cause, changed) == (S.OPENED, I.AMEND, "type")
    rest, cause, changed = change(half, TicketChange(text="楼下施工"), POLICY)
    assert (rest.state, cause, changed) == (S.REGISTERED, I.REGISTER, "text")


def test_none_leaves_a_field_and_the_same_again_changes_nothing() -> None:
    before = ticket(S.REGISTERED)
    assert change(before, TicketChange(), POLICY) == (before, I.AMEND, "")
    assert change(before, TicketChange("help", "标题", "内容"), POLICY) == (before, I.AMEND, "")


def test_the_deadline_follows_the_type_and_is_counted_from_the_opening() -> None:
    assert POLICY.sign_due(MONDAY) == MONDAY + 5.5 * 3600  # 3 h to lunch, 1.5 h of it, 1 h after it
    day = 86_400
    close_of_monday = MONDAY + 9 * 3600
    assert ticket().handle_due == close_of_monday + 7 * day  # five working days, a weekend between
    asked, _, _ = change(ticket(), TicketChange("inquiry", text="几点开门"), POLICY)
    assert asked.handle_due == close_of_monday + 3 * day
    back, _, _ = change(asked, TicketChange("complaint"), POLICY)
    assert back.handle_due == close_of_monday + 7 * day
    assert back.sign_due == asked.sign_due == ticket().sign_due


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        (TicketChange(type="rant"), "unknown_type", "type"),
        (TicketChange(type="投诉"), "unknown_type", "type"),
        (TicketChange(title="长" * 21), "title_too_long", "title"),
        (TicketChange(text="长" * 101), "text_too_long", "text"),
        (TicketChange(title="two\nlines"), "bad_title", "title"),
        (TicketChange(text="nul \0"), "bad_text", "text"),
        (TicketChange(text="half \ud83d"), "bad_text", "text"),
        (TicketChange(text="\x1b[31mred"), "bad_text", "text"),
        (TicketChange(unit="fire"), "unknown_unit", "unit"),
    ],
)
def test_what_may_not_be_written_is_refused_with_its_field(wanted: TicketChange, code: str, field: str) -> None:
    with pytest.raises(TicketRefused) as error:
        change(ticket(), wanted, POLICY)
    assert (error.value.code, error.value.field) == (code, field)


def test_a_registered_ticket_keeps_a_text() -> None:
    with pytest.raises(TicketRefused) as error:
        change(ticket(S.REGISTERED), TicketChange(text="  \r\n "), POLICY)
    assert error.value.code == "incomplete"


def test_a_closed_ticket_is_left_as_it_is() -> None:
    closed = ticket(S.CLOSED)
    with pytest.raises(TicketRefused) as error:
        change(closed, TicketChange(), POLICY)
    assert error.value.code == "closed"
    with pytest.raises(TicketRefused):
        close(closed)
    with pytest.raises(TicketRefused) as error:
        close(ticket())
    assert error.value.code == "not_registered"


@given(st.text(max_size=100))
def test_text_is_kept_but_for_blanks_around_it_and_line_ends(text: str) -> None:
    kept = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if any(character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs") for character in kept):
        with pytest.raises(TicketRefused, match="control character"):
            change(ticket(), TicketChange(text=text), POLICY)
        return
    after, _, _ = change(ticket(), TicketChange(text=text), POLICY)
    assert after.text == kept
    assert after.text.encode() or not kept


def test_scores_and_reasons() -> None:
    assert [checked_score(score) for score in range(1, 6)] == [1, 2, 3, 4, 5]
    for score in (0, 6, -1):
        with pytest.raises(TicketRefused) as error:
            checked_score(score)
        assert error.value.code == "bad_score"
    assert checked_reason(" done ", POLICY) == "done"
    with pytest.raises(TicketRefused):
        checked_reason("a\nb", POLICY)


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
