"""docs/states.md draws every cell, arrow and letter of the tables; docs/glossary.md has every state."""

from __future__ import annotations

import enum
import re
import string
from pathlib import Path

import pytest

from agents.moves import AGENT_MOVES, AgentInput, AgentState, Refused
from pbx import events
from pbx.call import CALL_MOVES, CallInput, CallState, Outcome
from tickets.moves import REFUSALS, TICKET_MOVES, TicketInput, TicketState

pytestmark = pytest.mark.core

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "states.md").read_text(encoding="utf-8")
CALL, REST = PAGE.split("\n## The agent\n")
AGENT, TICKET = REST.split("\n## The ticket\n")

Cell = tuple[str, str]
Arrow = tuple[str, str, str]


def grid(part: str) -> dict[Cell, str]:
    """The grid of cells on the page: (state, input) -> what stands there."""
    rows = part.split("| input \\ state |", 1)[1].split("\n\n", 1)[0].splitlines()
    states = [name.strip() for name in rows[0].strip(" |").split("|")]
    cells: dict[Cell, str] = {}
    for row in rows[2:]:
        cause, *values = (value.strip() for value in row.strip(" |").split("|"))
        cells |= {(state, cause): value for state, value in zip(states, values, strict=True)}
    return cells


def arrows(part: str) -> set[Arrow]:
    """The arrows of the drawing: (letter, from, to)."""
    drawing = part.split("```mermaid\n", 1)[1].split("```", 1)[0]
    return {
        (letter, start, end)
        for start, end, letters in re.findall(r"^    ([A-Z_]+) --> ([A-Z_]+): ([A-Za-z, ]+)$", drawing, re.MULTILINE)
        for letter in letters.split(", ")
    }


def explained(part: str) -> list[str]:
    """The letters that the text explains, in its order."""
    return re.findall(r"^\| ([A-Za-z]) \| \S", part, re.MULTILINE)


def call_letters() -> dict[Cell, str]:
    """The letters that stand beside the moves in pbx/call.py; a move without one has that of the move before it."""
    source = (ROOT / "pbx" / "call.py").read_text(encoding="utf-8")
    letters: dict[Cell, str] = {}
    last = ""
    move = r"\(\s*_A\.(\w+),\s*_I\.(\w+),?\s*\): _A\.\w+,(?:  # ([A-Za-z])\b)?"
    for state, cause, letter in re.findall(move, source):
        last = letter or last
        letters[state, cause] = last
    return letters


TICKET_LETTERS = dict(zip(TicketInput, string.ascii_letters, strict=False))


def test_every_cell_of_the_tickets_table_is_on_the_page() -> None:
    def cell(state: TicketState, cause: TicketInput) -> str:
        after = TICKET_MOVES[state, cause]
        if after is not None:
            return f"**{TICKET_LETTERS[cause]}** {after.name}"
        again = (state, cause) == (TicketState.REGISTERED, TicketInput.REGISTER)
        return "`registered`" if again else f"`{REFUSALS[state][0]}`"

    assert grid(TICKET) == {
        (state.name, cause.name): cell(state, cause) for state in TicketState for cause in TicketInput
    }


def test_every_move_of_a_ticket_is_drawn_and_nothing_else() -> None:
    assert arrows(TICKET) == {
        (TICKET_LETTERS[cause], state.name, after.name)
        for (state, cause), after in TICKET_MOVES.items()
        if after is not None
    }


def test_every_cell_of_the_calls_table_is_on_the_page() -> None:
    letters = call_letters()
    assert set(letters) == {(state.name, cause.name) for state, cause in CALL_MOVES}
    assert grid(CALL) == {
        (state.name, cause.name): f"**{letters[state.name, cause.name]}** {CALL_MOVES[state, cause].name}"
        if (state, cause) in CALL_MOVES
        else "·"
        for state in CallState
        for cause in CallInput
    }


def test_every_move_of_a_call_is_drawn_and_nothing_else() -> None:
    letters = call_letters()
    assert arrows(CALL) == {
        (letters[state.name, cause.name], state.name, after.name) for (state, cause), after in CALL_MOVES.items()
    }


def test_every_cell_of_the_agents_table_is_on_the_page() -> None:
    assert grid(AGENT) == {
        (state.name, cause.name): f"`{cell.code}`"
        if isinstance(cell, Refused)
        else f"**{cell.letter}** {' / '.join(after.name for after in cell.to)}"
        for (state, cause), cell in AGENT_MOVES.items()
    }
    assert set(grid(AGENT)) == {(state.name, cause.name) for state in AgentState for cause in AgentInput}


def test_every_move_of_an_agent_is_drawn_and_nothing_else() -> None:
    assert arrows(AGENT) == {
        (cell.letter, state.name, after.name)
        for (state, _), cell in AGENT_MOVES.items()
        if not isinstance(cell, Refused)
        for after in cell.to
    }


@pytest.mark.parametrize("part", [CALL, AGENT, TICKET], ids=["call", "agent", "ticket"])
def test_every_letter_is_explained_once_and_in_order(part: str) -> None:
    drawn = {letter for letter, _, _ in arrows(part)}
    assert explained(part) == sorted(drawn, key=str.swapcase)  # a ... z, then A ...


def test_a_letter_means_one_thing_in_its_table() -> None:
    """One letter is one kind of cause; h is a wish remembered at work, s an offer that failed while talking."""
    causes: dict[str, set[AgentInput]] = {}
    for (_, cause), cell in AGENT_MOVES.items():
        if not isinstance(cell, Refused):
            causes.setdefault(cell.letter, set()).add(cause)
    several = {letter: names for letter, names in causes.items() if len(names) > 1}
    assert several == {
        "h": {AgentInput.SIGN_OUT, AgentInput.GO_NOT_READY},
        "s": {AgentInput.OFFER_FAILED, AgentInput.NO_ANSWER},
    }
    by_letter: dict[str, set[str]] = {}
    for (_, cause_name), letter in call_letters().items():
        by_letter.setdefault(letter, set()).add(cause_name)
    assert all(len(names) == 1 for names in by_letter.values())


def test_the_states_are_described_and_the_named_events_exist() -> None:
    for part, states in ((CALL, CallState), (AGENT, AgentState), (TICKET, TicketState)):
        described = re.findall(r"^\| ([A-Z_]{3,}) \| \S", part.split("```mermaid")[0], re.MULTILINE)
        assert described == [state.name for state in states]
    table = re.findall(r"^\| [A-Za-z] \| (.+) \|$", PAGE, re.MULTILINE)
    begun = {name for text in table for name in re.findall(r"^`([A-Z]\w+)`", text)} - set(TicketInput.__members__)
    assert begun
    assert all(hasattr(events, name) for name in begun), begun


@pytest.mark.parametrize("words", [AgentState, Outcome], ids=lambda words: words.__name__)
def test_the_glossary_has_every_state_of_an_agent_and_every_outcome(words: type[enum.Enum]) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert [word.name for word in words if f"`{word.name}`" not in glossary] == []
