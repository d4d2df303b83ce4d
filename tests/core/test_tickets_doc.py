"""docs/tickets.md says who may do what, and what each move needs, as the tables do; the glossary has the words."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import web.app
from tickets.approvals import ApprovalKind
from tickets.given import GIVEN
from tickets.moves import OWN_ONLY, RIGHTS, Role, TicketInput, TicketState
from tickets.ticket import Ticket, TicketChange, TicketType, Urgency
from web.ticket_rows import GIVEN as COLUMNS_TAKEN
from web.ticket_rows import TOLD

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
        told = ["own" if what in OWN_ONLY.get(role, ()) else "x" if what in RIGHTS[role] else "" for role in roles]
        assert row[2:-2] == told, what
        assert (names(row[-2]), names(row[-1])) == GIVEN[what], what


def test_the_columns_of_files_are_those_of_the_code() -> None:
    part = (DOCS / "api.md").read_text(encoding="utf-8").split("\n| column |", 1)[1].split("\n\n", 1)[0]
    body = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()[2:]]
    told = [(row[0].strip("`"), row[1], row[2]) for row in body]
    columns = [(name, word, "passed over") for name, word in TOLD.items()]
    assert told == columns + [(name, word, "taken") for name, word in COLUMNS_TAKEN.items()]


MANUAL = (DOCS / "zh" / "工单.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "role", [Role.AGENT, Role.DISPATCHER, Role.UNIT, Role.SUPERVISOR, Role.INSPECTOR], ids=lambda role: role.value
)
def test_the_manual_names_the_moves_of_each_role(role: Role) -> None:
    section = MANUAL.split(f"\n## {role.chinese.partition('/')[0]}\n", 1)[1].split("\n## ", 1)[0]
    told = section.split("\n操作：", 1)[1].split("。", 1)[0]
    words = [one.strip() for one in told.split("、")]
    assert words == [f"{one.chinese} `{one.value}`" for one in TicketInput if one in RIGHTS[role]]
    inputs = {one.value for one in RIGHTS[role]}
    used = {word for line in section.splitlines() if "操作 `" in line for word in re.findall(r"`([a-z_]+)`", line)}
    fields = {field for needs, may in GIVEN.values() for field in (*needs, *may)}
    assert used <= inputs | fields | {"true"}, "what the table tells him to do he may do"


def test_the_manual_names_addresses_that_there_are() -> None:
    served = {(method, re.sub(r"{(\w+):.*?}(?=/|$)|{(\w+)}", "{}", path)) for method, path, _, _ in web.app._routes()}
    told = re.findall(r"(GET|POST|PATCH|PUT|DELETE) (/api/[^`?]*)", MANUAL)
    assert len(told) > 25
    moved = {path.replace("{}/{}", f"{{}}/{move}") for _, path in served for move in ("submit", "publish")}
    there = served | {("POST", path) for path in moved}
    pages = set(re.findall(r"`(/[a-z]*)`", MANUAL))
    assert pages == {"/", "/tickets", "/query", "/knowledge"}
    assert {("GET", page) for page in pages} <= served
    assert [one for one in told if (one[0], re.sub(r"{\w+}", "{}", one[1])) not in there] == []


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
