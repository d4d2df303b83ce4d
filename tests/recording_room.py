"""Recordings on a disk, in a store and in an archive of folders, for tests of what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from controller.archivist import Archivist
from controller.records import Records
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from recordings import files
from recordings.archive.archive import Archive
from recordings.archive.form import Form
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.shelf import FolderShelf
from recordings.keeping import DAY_S, KeepPolicy, KeepRule
from recordings.sql import RecordingRow
from recordings.transcript import Transcript, Turn
from tickets.moves import Actor, Role
from tickets.ticket import TicketChange

NOW = 1_795_310_400.0
RULES = KeepPolicy(365, (KeepRule("complaints", frozenset({"complaint"}), 1825),))
DESK = Actor("desk", Role.DISPATCHER)


class Room:
    """Recordings on a disk, and in the store."""

    def __init__(self, folder: Path, store: Store, records: Records) -> None:
        self.root, self.store, self.records = folder / "recordings", store, records
        self.shelf = FolderShelf(folder / "archive")
        self.archive = Archive(self.shelf, Form.FLAC, KeyRing((SealingKey(bytes(32)),)), folder / "work")
        self.now = NOW

    def archivist(self, archive: Archive | None = None, *, rules: KeepPolicy = RULES, **more: object) -> Archivist:
        return Archivist(self.store, archive or self.archive, self.root, rules, lambda: self.now, **more)  # type: ignore[arg-type]

    async def record(self, call: str, age_days: float = 0.0) -> Path:
        """A finished recording of one second with its transcript; it began so many days ago."""
        began = NOW - age_days * DAY_S
        day = datetime.fromtimestamp(began, UTC)
        name = f"{day:%Y/%m/%d}/{call}.wav"
        raw, wav = self.root.parent / "raw", self.root / name
        raw.write_bytes(np.random.default_rng(1).integers(-9000, 9000, (8000, 2), dtype=np.int16).tobytes())
        done = files.finish(raw, wav, started_at=day)
        row = RecordingRow(CallId(call), name, began, done.duration_s, done.size_bytes, done.sha256)
        await self.records.save_recording(row)
        turn = Turn("citizen", 0.1, 0.9, "停水")
        await self.records.save_transcript(CallId(call), Transcript((turn,), "zh", "vosk", None, 1.0), began)
        return wav

    async def ticket(self, call: str, age_days: float, type_: str) -> TicketNumber:
        at = NOW - age_days * DAY_S
        opening = OpenTicket(CallId(call), "13800001111", "12345", "zh", "general", AgentId("1001"), at)
        number = await self.records.open_ticket(opening)
        change = TicketChange(type=type_, title="停水", text="停水")
        await self.records.change_ticket(number, change, Actor("1001", Role.AGENT), at=at)
        return number
