"""What the web needs of quality inspection: one protocol, implemented by `controller/inspection_desk.py`.

Who may ask is looked at before (`agents.rights.INSPECTION`); methods may raise `InspectionRefused`, `CardError`,
`web.backend.NotFound`, `NotShown` and `Unavailable`. Times are epoch seconds. `agent` empty = every agent's. Who acts
for a city is shown what is of its calls, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
from web.backend import NotFound


class NotShown(NotFound):
    """There is one, and it is not his to see: answered as if there were none, and written into the audit trail."""

    def __init__(self, what: str, call: str = "", agent: str = "") -> None:
        super().__init__(what)
        self.call, self.agent = call, agent


@dataclass(frozen=True, slots=True)
class Inspected:
    """One call's inspection: with the ticket's types as they are now, whether one of them is wrong, and what the
    machine proposes for the items of the standard card. `masked`: numbers of people are hidden from who looks.
    `ticket`: by its number the recording is heard (`/api/tickets/{number}/recording`); empty = the call opened none."""

    call: InspectedCall
    filed: tuple[str, ...]
    wrong_type: bool
    proposed: Mapping[str, float | str]
    masked: bool
    ticket: str


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
class Results:
    """Results of whole days, from `first` to `last`, which are the instants [since, until).

    `judged_by`: so many of the calls by each version of the rules. `behind`: days of which something has changed that
    is not in the sums yet; it will be in a moment.
    """

    since: float
    until: float
    first: str
    last: str
    judged_by: Mapping[str, int]
    behind: Sequence[str]
    lines: Sequence[Line]


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

    @property
    def hotlines(self) -> Collection[str]:
        """The cities and provinces whose calls are answered here: for which somebody may inspect."""
        ...

    async def call(self, call: str, viewer: Actor) -> Inspected:
        """What was found in a call; numbers of people are hidden from who has no right to them."""
        ...

    async def calls(self, wanted: Wanted, viewer: Actor) -> Sequence[Listed]:
        """Inspected calls, by their begin."""
        ...

    async def results(self, since: float, until: float, by: str, agent: str, viewer: Actor) -> Results:
        """Rates and scores by agent, team, queue or day, of the days that [since, until) touches."""
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

    async def plans(self, viewer: Actor) -> Sequence[PlanRow]:
        """Every sampling plan, or those of his city."""
        ...

    async def draw(self, plan: Plan, actor: Actor) -> Sequence[Task]:
        """Draw a plan's calls, once."""
        ...

    async def tasks(self, inspector: str, plan: str, viewer: Actor) -> Sequence[Task]:
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

    async def agreement(self, since: float, until: float, viewer: Actor) -> DoubleScoring:
        """Of calls that two inspectors scored: how far they agreed, as first given."""
        ...

    async def coach(self, agent: str, call: str | None, score: str | None, text: str, actor: Actor) -> Note:
        """Write a coaching note."""
        ...

    async def notes(self, since: float, until: float, agent: str, viewer: Actor) -> Sequence[Note]:
        """Coaching notes."""
        ...

    async def see_note(self, id: str, actor: Actor) -> Note:
        """The agent has read his note."""
        ...
