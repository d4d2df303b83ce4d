"""docs/tickets.md says who may do what, and what each move needs, as the tables do; the glossary has the words."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tickets.approvals import ApprovalKind
from tickets.given import GIVEN
from tickets.moves import RIGHTS, Role, TicketInput, TicketState
from tickets.ticket import Ticket, TicketChange, TicketType, Urgency

pytestmark = pytest.mark.core

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "tickets.md").read_text(encoding="utf-8")


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose header begins with this word, row by row, header first."""
    part = PAGE.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0]
    lines = [f"| {first} |{part}".splitlines()[0], *part.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_the_table_of_rights_is_the_one_of_the_code() -> None:
    header, *body = rows("move")
    roles = [Role(cell.strip("`")) for cell in header[2:-2]]
    assert roles == [role for role in Role if role is not Role.ADMIN]
    assert [row[0].strip("`") for row in body] == [one.value for one in TicketInput]
    for row in body:
        what = TicketInput(row[0].strip("`"))
        assert row[1] == what.chinese
        assert [cell == "x" for cell in row[2:-2]] == [what in RIGHTS[role] for role in roles], what
        assert (names(row[-2]), names(row[-1])) == GIVEN[what], what


def test_the_roles_are_described_with_both_words() -> None:
    _, *body = rows("role")
    assert [(row[0].strip("`"), row[1]) for row in body] == [(role.value, role.chinese) for role in Role]


def test_every_field_of_a_ticket_is_listed_and_none_that_is_none() -> None:
    """What people write apart from what follows; the types and urgencies with their words."""
    _, *written = rows("field")
    _, *follow = rows("fields")
    assert set().union(*(names(row[0]) for row in written)) == {one.name for one in fields(TicketChange)}
    others = {one.name for one in fields(Ticket)} - {one.name for one in fields(TicketChange)}
    assert set().union(*(names(row[0]) for row in follow)) == others | {"part", "caller_hidden", "standing", "may"}
    told = {row[0].strip("`"): row[2] for row in written}
    assert all(f"`{one.value}` {one.chinese}" in told["type"] for one in TicketType)
    assert names(told["urgency"]) == {one.value for one in Urgency}


@pytest.mark.parametrize("words", [TicketState, TicketInput, Role, ApprovalKind], ids=lambda words: words.__name__)
def test_the_glossary_has_every_word_of_a_ticket(words: type[TicketState]) -> None:
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    assert [word.name for word in words if f"`{word.name}`" not in glossary] == []
    assert [word.chinese for word in words if word.chinese not in glossary] == []
