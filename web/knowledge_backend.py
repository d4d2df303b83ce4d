"""What the knowledge pages need from the rest of the hotline: one protocol. The controller implements it.

Methods may raise `KnowledgeRefused`, `KnowledgeConflict`, `TaskConflict`, `NotFound` and `Unavailable`. All times are
epoch seconds. `seen` is the revision that the asker saw; None = whatever there is now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from knowledge.completeness import Completeness, Warning
from knowledge.entry import Content
from knowledge.moves import Editor, KnowledgeInput, KnowledgeMove, KnowledgeState
from knowledge.sheet import Fault, Format
from knowledge.tasks import Task, TaskMove, TaskState
from knowledge.version import Entry
from pbx.ids import TicketNumber


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. `region` finds what holds in it and in all that it lies in; empty = anything."""

    text: str
    region: str = ""
    unit: str = ""
    language: str = ""
    public: bool = False
    limit: int = 10


@dataclass(frozen=True, slots=True)
class Ending:
    """A published entry that its unit must look at, and why."""

    entry: Entry
    warnings: tuple[Warning, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: entries made, entries of which a next version was begun, rows that change
    nothing, and faults.

    Rows that are not named in `faults` are taken. `id` is what the file is known by; `before`: it had been taken in by
    an earlier sending, and this is what came of that.
    """

    id: str
    made: int
    revised: int
    unchanged: int
    faults: tuple[Fault, ...]
    before: bool = False


class Progress(Protocol):
    """A file that is taken in: of `rows` good ones `done` are taken; `ended_at` None while it goes on, or was cut."""

    @property
    def id(self) -> str: ...  # noqa: D102

    @property
    def begun_by(self) -> str: ...  # noqa: D102

    @property
    def begun_at(self) -> float: ...  # noqa: D102

    @property
    def rows(self) -> int: ...  # noqa: D102

    @property
    def done(self) -> int: ...  # noqa: D102

    @property
    def ended_at(self) -> float | None: ...  # noqa: D102


class KnowledgeBackend(Protocol):
    """The knowledge base as the web sees it."""

    def served_by(self, org: str) -> frozenset[str] | None:
        """The units for which the hotline of `org` answers; None = all, as where no tree of organisations is known."""
        ...

    def registered(self) -> frozenset[str] | None:
        """The units that there are; None = nobody knows, as where no tree of organisations is known."""
        ...

    async def search(self, wanted: Wanted) -> Sequence[Entry]:
        """The published and valid entries that answer best, the best first."""
        ...

    async def entries(
        self, states: Sequence[KnowledgeState], unit: str, after: int, limit: int, served: frozenset[str] | None = None
    ) -> Sequence[Entry]:
        """Entries numbered above `after`, by number; of units that are not `served` what is published only."""
        ...

    async def entry(self, no: int) -> tuple[Sequence[Entry], Sequence[KnowledgeMove]]:
        """All versions of an entry and everything that was done to it."""
        ...

    async def begin(self, content: Content, actor: Editor) -> Entry:
        """A new entry's draft."""
        ...

    async def write(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None) -> Entry:
        """Write fields into the latest version."""
        ...

    async def revise(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None, reason: str) -> Entry:
        """Begin the next version."""
        ...

    async def move(
        self, no: int, cause: KnowledgeInput, actor: Editor, reason: str, seen: int | None, version: int | None
    ) -> Entry:
        """Submit, take back, publish, refuse or withdraw."""
        ...

    async def from_ticket(self, number: TicketNumber, wanted: Mapping[str, Any], actor: Editor) -> Entry:
        """A draft from the answer to a closed inquiry. Codes: not_an_inquiry, ticket_not_closed, taken_already."""
        ...

    async def ending(self, unit: str) -> Sequence[Ending]:
        """What soon ends, or was not looked at for long; of one unit where it is named."""
        ...

    async def completeness(self) -> Sequence[Completeness]:
        """Every unit's figures."""
        ...

    async def tasks(
        self, unit: str, state: TaskState | None, after: int, limit: int, served: frozenset[str] | None = None
    ) -> Sequence[Task]:
        """Questions without answer numbered above `after`, by number."""
        ...

    async def task(self, no: int) -> tuple[Task, Sequence[TaskMove]]:
        """One of them, and everything that was done to it."""
        ...

    async def ask(self, question: Content, actor: Editor, ticket: str) -> Task:
        """Nothing was found: the unit shall answer."""
        ...

    async def assign(self, no: int, unit: str, actor: Editor, reason: str, seen: int | None) -> Task:
        """It is another unit's."""
        ...

    async def dismiss(self, no: int, actor: Editor, reason: str, seen: int | None) -> Task:
        """It is not to be answered."""
        ...

    async def answer(self, no: int, wanted: Mapping[str, Any], actor: Editor, seen: int | None) -> tuple[Task, Entry]:
        """The answer becomes a draft."""
        ...

    async def export(
        self, format: Format, states: Sequence[KnowledgeState], unit: str, served: frozenset[str] | None = None
    ) -> bytes:
        """Entries as a file; without `states` the published ones."""
        ...

    async def take_in(self, format: Format, data: bytes, actor: Editor, submit: bool, anew: bool) -> Imported:
        """Take a file's good rows as drafts, or straight into review. KnowledgeRefused: the file cannot be read.

        It goes piece by piece, so that calls are not kept waiting. Sent again after a cut it goes on, and after its end
        it makes nothing, unless `anew`.
        """
        ...

    async def imports(self) -> Sequence[Progress]:
        """The latest files, the newest first."""
        ...
