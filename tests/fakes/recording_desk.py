"""Recordings for the web's tests: files on the disk by their call, no archive. Implements `web.recording_desk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pbx.ids import CallId
from pbx.supervision import AuditEntry
from recordings.archive.sql import Hold
from web.recording_desk import Mark, Sound


async def _unread(start: int, length: int) -> bytes:
    raise AssertionError("it is sent from the disk")


class MemoryRecordings:
    """Whole files only: what is decoded or archived is tested with the real ones (tests/doors/test_listening.py)."""

    def __init__(self) -> None:
        self.files: dict[CallId, Path] = {}
        self.held: dict[str, Hold] = {}
        self.figures = dict.fromkeys(
            ("on", "away", "waiting", "damaged", "archived", "erased", "transcripts_erased"), 0
        )

    async def sound(self, call: CallId, leg: int | None = None) -> Sound | None:
        path = self.files.get(call)
        if path is None or not path.is_file():
            return None
        return Sound(path.stat().st_size, "audio/wav", ".wav", "tag", _unread, path=path)

    async def peaks(self, call: CallId) -> bytes | None:
        return b"" if call in self.files else None

    async def export(self, call: CallId, form: str, leg: int | None, mark: Mark) -> Sound | None:
        return await self.sound(call)

    async def holds(self, call: CallId) -> Sequence[Hold]:
        return [one for one in self.held.values() if one.call == call]

    async def open_holds(self) -> Sequence[Hold]:
        return [one for one in self.held.values() if one.ended_at is None]

    async def place_hold(self, hold: Hold, entry: AuditEntry) -> bool:
        self.held[hold.id] = hold
        return True

    async def end_hold(self, call: CallId, id: str, by: str, at: float, entry: AuditEntry) -> bool:
        one = self.held.get(id)
        if one is None or one.call != call or one.ended_at is not None:
            return False
        self.held[id] = replace(one, ended_at=at, ended_by=by)
        return True

    def state(self) -> Mapping[str, int]:
        return self.figures
