"""The composition root's part for recordings: the archive, who fills it and erases, who lets hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from controller.archivist import Archivist
from controller.config import Settings
from controller.config_archive import WORKSHOP, ArchiveFault, archive_of
from controller.performer import Performer
from controller.recording_desk import HotlineRecordings
from controller.start_errors import StartError
from controller.transcripts import Transcripts
from controller.writer import Store

if TYPE_CHECKING:
    from recordings.archive.archive import Archive


@dataclass(frozen=True, slots=True)
class RecordingPart:
    """`archivist` is to be run; `desk` is for the pages; `archive` for whoever reads recordings whole."""

    archivist: Archivist
    desk: HotlineRecordings
    archive: Archive | None


async def recording_part(
    settings: Settings, store: Store, performer: Performer, transcripts: Transcripts, clock: Callable[[], float]
) -> RecordingPart:
    """Make it. Raises `StartError`: a secret is not there."""
    plan, root = settings.archive, settings.data / "recordings"
    try:
        archive = await asyncio.to_thread(archive_of, plan) if plan is not None else None
    except ArchiveFault as error:
        raise StartError(f"[recording.archive] {error}") from None
    archivist = Archivist(store, archive, root, settings.keeping, clock, busy=performer.is_at_work_on)
    performer.on_finished = transcripts.on_ended = archivist.ready
    zone = ZoneInfo(settings.plan.timezone)
    desk = HotlineRecordings(store, root, settings.data / WORKSHOP, zone, archive, archivist.figures)
    transcripts.fetch = desk.fetch
    return RecordingPart(archivist, desk, archive)
