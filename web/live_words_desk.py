"""What the web needs of words while people talk: one protocol, implemented by `controller/live_words.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pbx.ids import AgentId, CallId, QueueId
from recordings.live import LiveTurn


@dataclass(frozen=True, slots=True)
class SuggestedEntry:
    """An entry of the knowledge base that may answer what the citizen says."""

    id: str
    question: str
    answer: str
    unit: str


@dataclass(frozen=True, slots=True)
class SuggestedType:
    """A ticket type that is likely, with the words for which it is taken."""

    type: str
    zh: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuggestedClass:
    """A class of the hotline's tree that is likely, with the words for which it is taken."""

    code: str
    zh: str
    en: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the words so far point at, the likeliest first; every list may be empty. Nothing is ever filed by itself."""

    entries: tuple[SuggestedEntry, ...] = ()
    types: tuple[SuggestedType, ...] = ()
    classes: tuple[SuggestedClass, ...] = ()


@dataclass(frozen=True, slots=True)
class Speaking:
    """What somebody is saying just now; it may still change."""

    speaker: str
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class WordsView:
    """The live words of one call.

    `state`: ``live`` (heard now), ``waiting`` (not in a talk just now, or his recording has not begun), ``paused`` (the
    recording is paused, so nothing is heard), ``no_room`` (nobody hears it until there is room), ``gave_way`` (the
    machine was too busy: the transcript comes after the call only), ``failed`` (the exchange does not bring its sound),
    ``over`` (the call has ended, its transcript is
    being made). `language`, `recogniser`: by what it was heard. Times are seconds from the recording's start, as in the
    transcript. `dropped`: turns of a very long talk that are kept no more.
    """

    call: CallId
    version: int
    state: str
    language: str
    recogniser: str
    turns: tuple[LiveTurn, ...]
    now: tuple[Speaking, ...]
    suggestions: Suggestions
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Talkers:
    """Who may follow a call because it is his: the agents in its talk (or whose caller is on hold), and its queue."""

    agents: frozenset[AgentId]
    queue: QueueId | None


class LiveWordsDesk(Protocol):
    """Words while people talk, as the web sees them. Nothing here waits for the store."""

    def view(self, call: CallId) -> WordsView | None:
        """The words so far; None for a call of which nobody hears anything, or that ended a while ago."""
        ...

    def talkers(self, call: CallId) -> Talkers:
        """Whose call it is now, or was when it ended."""
        ...

    async def changed(self, call: CallId, version: int) -> None:
        """Wait until the view has another version, or there is none any more (it may be so already)."""
        ...

    def forget(self, call: CallId) -> None:
        """The transcript after the call is there: it takes the place of the live words."""
        ...
