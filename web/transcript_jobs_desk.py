"""What the web needs of transcripts to be made: one protocol, implemented by `controller/transcript_jobs_desk.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pbx.ids import CallId


@dataclass(frozen=True, slots=True)
class TranscriptState:
    """How far a call's transcript is.

    `state`: none, waiting, done, failed. `cause` of a failure, empty otherwise, with its `message` in Chinese and
    English. `language`: the caller's choice. Instants in epoch seconds. `worker_deaths`: recognisers that died over it.
    """

    call: CallId
    state: str
    language: str = ""
    cause: str = ""
    message: Mapping[str, str] | None = None
    asked_at: float | None = None
    ended_at: float | None = None
    worker_deaths: int = 0


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """The whole line: how many wait, since when the oldest does, how many were given up by cause; and some of them."""

    on: bool
    waiting: int
    oldest_at: float | None
    failed: Mapping[str, int]
    transcripts: Sequence[TranscriptState]


class TranscriptJobsDesk(Protocol):
    """Methods may raise `web.backend.Unavailable`."""

    async def state(self, call: CallId) -> TranscriptState:
        """How far a call's transcript is. Raises NotFound for a call that is not known."""
        ...

    async def again(self, call: CallId) -> TranscriptState:
        """Have it made (again), before calls of now. Raises NotFound for a call without a recording, TranscriptsOff,
        Refused(transcript_erased): its time is over."""
        ...

    async def line(self, state: str, limit: int) -> TranscriptLine:
        """The line, with up to `limit` of that state."""
        ...

    async def all_again(self, cause: str) -> int:
        """Have all made that were given up for a cause (empty = any), behind calls of now; how many. TranscriptsOff."""
        ...


class TranscriptsOff(Exception):
    """No transcripts are made here: [speech] transcribe is false."""
