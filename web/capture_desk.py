"""What the web needs of how calls were recorded: one protocol, implemented by `controller/recording_check.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pbx.call import Consent, RecordingPause
from pbx.ids import CallId


@dataclass(frozen=True, slots=True)
class Sealed:
    """The sealed recording: epoch seconds, seconds, bytes of the WAV, its SHA-256 (hex)."""

    started_at: float
    duration_s: float
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordingCheck:
    """What was found when it was sealed; words of `recordings.checks`, no `findings` = nothing is wrong.

    `filled_s`: so much of what the citizen heard comes from parties' own voices, as the call's recording had lost it;
    `gaps`: from when to when nothing could be written, as far as it was noticed (epoch seconds).
    """

    checked_at: float
    expected_s: float
    found_s: float
    missing_s: float
    findings: tuple[str, ...]
    citizen: str
    heard: str
    looked_at_s: float
    citizen_audible_s: float
    heard_audible_s: float
    filled_s: float = 0.0
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """`recorded`: a recording was begun. `sealed` and `check` None = not finished (yet), or nothing could be said."""

    call: CallId
    recorded: bool
    consent: Consent | None
    pauses: tuple[RecordingPause, ...]
    sealed: Sealed | None
    check: RecordingCheck | None


class CaptureDesk(Protocol):
    """How calls were recorded."""

    @property
    def healthy(self) -> bool:
        """Whether every live recording is being written, and there is space for more."""
        ...

    async def facts(self, call: CallId) -> RecordingFacts | None:
        """What is known of a call's recording; None when there is no such call. May raise `web.backend.Unavailable`."""
        ...
