"""What the web needs of recordings: one protocol, implemented by `controller/recording_desk.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.archive.sql import Hold


async def _nothing() -> None:
    """Nothing is held open."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording to be sent: `size` bytes, given by `read(start, length)`; then `close` it.

    `read` may raise `web.backend.Unavailable` and `Refused`. `suffix` for a file's name, as ``.flac``. `tag`: the same
    for the same bytes. `path`: where the very file lies on the disk, and stays; it is sent from there.
    """

    size: int
    media_type: str
    suffix: str
    tag: str
    read: Callable[[int, int], Awaitable[bytes]]
    close: Callable[[], Awaitable[None]] = _nothing
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What an export carries, so that a copy that turns up somewhere tells whose it is: its `id`, who exported it, when
    (epoch seconds), and why."""

    id: str
    by: str
    at: float
    reason: str


class RecordingDesk(Protocol):
    """Recordings as the web sees them, wherever they lie.

    All methods may raise `web.backend.Unavailable` (``store``, ``archive``), those that read sound
    `web.backend.Refused` with ``recording_damaged`` too. None: there is no recording, or it is not finished.
    """

    async def sound(self, call: CallId, leg: int | None = None) -> Sound | None:
        """A recording as it lies there; with a `leg` (0 = the citizen's, 1 = what he heard) that one alone, as WAV."""
        ...

    async def peaks(self, call: CallId) -> bytes | None:
        """Its picture, in the data format of audiowaveform (`recordings.archive.peaks`)."""
        ...

    async def export(self, call: CallId, form: str, leg: int | None, mark: Mark) -> Sound | None:
        """A marked copy, as ``wav`` or ``flac``. Code: disk_full."""
        ...

    async def holds(self, call: CallId) -> Sequence[Hold]:
        """The holds of a call, the ended ones too, oldest first."""
        ...

    async def open_holds(self) -> Sequence[Hold]:
        """The holds that have not ended, of all calls, oldest first; at most 1000."""
        ...

    async def place_hold(self, hold: Hold, entry: AuditEntry) -> bool:
        """Hold a recording, and write it down; False: it is erased already. Answers after the commit."""
        ...

    async def end_hold(self, call: CallId, id: str, by: str, at: float, entry: AuditEntry) -> bool:
        """End a hold, and write it down; False: there is none, or it has ended. Answers after the commit."""
        ...

    def state(self) -> Mapping[str, int]:
        """Figures of the archive by name: ``on`` (1 = there is one), ``away`` (1 = it does not answer), ``waiting``,
        ``damaged``, and since the start ``archived`` and ``erased``."""
        ...
