"""A version of an entry as it is kept: what it says, where it is, and who wrote and judged it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.entry import Content
from knowledge.moves import KnowledgeState


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an entry, and which one is served. Times are epoch seconds."""

    no: int
    version: int
    state: KnowledgeState
    content: Content
    revision: int
    latest: int
    published: int | None
    written_by: str
    written_at: float
    decided_by: str | None = None
    decided_at: float | None = None
    ticket: str = ""

    @property
    def id(self) -> str:
        """As people name it."""
        return entry_id(self.no)


def entry_id(no: int) -> str:
    """``K000123``."""
    return f"K{no:06d}"
