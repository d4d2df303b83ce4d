"""What the web needs of quality inspection: one protocol, implemented by `controller/inspection_desk.py`.

Who may ask is looked at before (`agents.rights.INSPECTION`); methods may raise `InspectionRefused`, `CardError`,
`web.backend.NotFound` and `Unavailable`. Times are epoch seconds. `agent` empty = every agent's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recordings.inspection.agreement import Agreement
from recordings.inspection.card import Card
from recordings.inspection.results import Line
from recordings.inspection.review import ScoreInput
from recordings.inspection.review_sql import Note, PlanRow, Score, ScoreMove, Task
from recordings.inspection.rules import Rules
from recordings.inspection.sampling import Plan
from recordings.inspection.sql import InspectedCall, Listed
from tickets.moves import Actor


@dataclass(frozen=True, slots=True)
class Inspected:
    """One call's inspection: with the ticket's types as they are now, whether one of them is wrong, and what the
    machine proposes for the items of the standard card."""

    call: InspectedCall
    filed: tuple[str, ...]
    wrong_type: bool
    proposed: Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which inspected calls are looked for; `after`: begin and call of the last one of the page before."""

    since: float
    until: float
    agent: str = ""
    queue: str = ""
    found: str = ""
    after: tuple[float, str] = (0.0, "")
    count: int = 100


@dataclass(frozen=True, slots=True)
class DoubleScoring:
    """How far inspectors agreed over calls that two of them scored: on who passed, and on each item by its id."""

    calls: int
    passed: Agreement
    items: Mapping[str, Agreement]


class InspectionDesk(Protocol):
    """Quality inspection."""

    @property
    def rules(self) -> Rules:
        """The rules of today."""
        ...

    async def call(self, call: str) -> Inspected:
        """What was found in a call."""
        ...

    async def calls(self, wanted: Wanted) -> Sequence[Listed]:
        """Inspected calls, by their begin."""
        ...

    async def results(self, since: float, until: float, by: str, agent: str) -> Sequence[Line]:
        """Rates and scores by agent, team, queue or day."""
        ...

    async def recompute(self, since: float, until: float, actor: Actor) -> int:
        """Have the calls of a span inspected again; how many had been."""
        ...

    async def cards(self) -> Sequence[Card]:
        """The newest version of every card."""
        ...

    async def write_card(self, table: Mapping[str, Any], actor: Actor) -> Card:
        """A card's next version."""
        ...

    async def plans(self) -> Sequence[PlanRow]:
        """Every sampling plan."""
        ...

    async def draw(self, plan: Plan, actor: Actor) -> Sequence[Task]:
        """Draw a plan's calls, once."""
        ...

    async def tasks(self, inspector: str, plan: str) -> Sequence[Task]:
        """Sampled calls of an inspector, of a plan."""
        ...

    async def score(self, call: str, card: str, answers: Mapping[str, Any], note: str, actor: Actor) -> Score:
        """Score a call; items that the machine fills in may be left out."""
        ...

    async def scores(self, since: float, until: float, agent: str, viewer: Actor) -> Sequence[Score]:
        """Scores as `viewer` may see them: an agent those that count for him, an inspector no other's of a call that he
        is still to score."""
        ...

    async def show_score(self, id: str, viewer: Actor) -> tuple[Score, Sequence[ScoreMove]]:
        """One score with its moves, if `viewer` may see it."""
        ...

    async def move_score(
        self, id: str, cause: ScoreInput, reason: str, answers: Mapping[str, Any] | None, actor: Actor
    ) -> Score:
        """Appeal, uphold, change, close."""
        ...

    async def agreement(self, since: float, until: float) -> DoubleScoring:
        """Of calls that two inspectors scored: how far they agreed, as first given."""
        ...

    async def coach(self, agent: str, call: str | None, score: str | None, text: str, actor: Actor) -> Note:
        """Write a coaching note."""
        ...

    async def notes(self, since: float, until: float, agent: str) -> Sequence[Note]:
        """Coaching notes."""
        ...

    async def see_note(self, id: str, actor: Actor) -> Note:
        """The agent has read his note."""
        ...
