"""What the pages of transcripts need from the rest of the hotline: one protocol. The controller implements it.

Methods may raise `NotFound` and `Unavailable`; a call that the viewer may not hear is one that there is not. Who may
not read personal data (`agents.rights.Action.READ_PERSONAL`) gets everything without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pbx.ids import CallId, TicketNumber
from recordings.corrections import Correction, ReadTurn
from recordings.search import FoundPage, Wanted
from tickets.moves import Actor


@dataclass(frozen=True, slots=True)
class TranscriptView:
    """A call's transcript as somebody reads it. `masked`: personal data are hidden from him."""

    call: CallId
    ticket: TicketNumber | None
    version: int
    language: str
    recogniser: str
    grammar: tuple[str, ...] | None
    duration_s: float
    turns: tuple[ReadTurn, ...]
    unfitting: tuple[Correction, ...]
    masked: bool


@dataclass(frozen=True, slots=True)
class TurnView:
    """One turn, and every correction of it, oldest first."""

    turn: ReadTurn
    history: tuple[Correction, ...]


class TurnConflict(Exception):
    """Somebody else has corrected the turn meanwhile; `present` is what there is now. Nothing was written."""

    def __init__(self, present: TurnView) -> None:
        super().__init__("turn_conflict")
        self.present = present


class TranscriptDesk(Protocol):
    """The transcripts of the hotline."""

    async def search(self, wanted: Wanted, viewer: Actor) -> FoundPage:
        """The next calls in which something was said, of those that `viewer` may hear."""
        ...

    async def transcript(self, call: CallId, viewer: Actor) -> TranscriptView:
        """What was said in a call."""
        ...

    async def turn(self, call: CallId, n: int, viewer: Actor) -> TurnView:
        """One turn of it."""
        ...

    async def correct(self, call: CallId, n: int, version: int, text: str, viewer: Actor) -> TurnView:
        """Write what was really said in a turn that `viewer` saw as of `version`; in the audit trail too.

        Raises `TurnConflict`, and `Refused` (masked_changed) where stars that hide something were changed.
        """
        ...
