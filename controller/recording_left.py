"""Recordings of calls that are over, of which the store has no row: what a controller that was killed has left undone.

The raw ones are found in Asterisk's spool (`recordings.files.recover`). One that was killed after a recording was
sealed and before its row was committed leaves a WAV that nobody would look for: it is measured and linked here. Where
there is neither, the check says so (`missing`), once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, exists, select

from controller.database import StoreError
from controller.performer import Performer
from controller.writer import Store
from metrics.sql import calls
from pbx.ids import CallId
from recordings.checks_sql import checks
from recordings.naming import UnsafeName, parse_raw_name
from recordings.sql import recordings

log = logging.getLogger(__name__)

LOOK_BACK_S = 30 * 86400.0
"""Calls of so long ago are looked through at a start."""


def without_row(connection: Connection, since: float) -> list[tuple[CallId, str, bool]]:
    """The recorded calls that arrived since then, are over and have no row of a recording; the raw file's name, and
    whether the recording was checked.
    """
    linked = exists().where(recordings.c.call == calls.c.call)
    judged = exists().where(checks.c.call == calls.c.call)
    found = select(calls.c.call, calls.c.recording, judged).where(
        calls.c.arrived_at >= since, calls.c.recording.is_not(None), calls.c.ended_at.is_not(None), ~linked
    )
    return [(CallId(call), raw, bool(known)) for call, raw, known in connection.execute(found)]


async def seal_left(store: Store, performer: Performer, spool: Path, clock: Callable[[], float]) -> int:
    """Link what has no row; how many recordings were found or missed. A store that is away is asked next time."""
    done = 0
    try:
        for call, raw, judged in await store.read(without_row, clock() - LOOK_BACK_S):
            try:
                started_at = parse_raw_name(raw).started_at.timestamp()
            except UnsafeName:
                continue
            if (spool / raw).exists() or performer.is_at_work_on(call):
                continue  # it is being sealed, or waits for it
            there = performer.place_of(call, started_at).exists()
            if there or not judged:
                words = "sealed, and nobody knew of it" if there else "gone"
                log.warning("call %s: its recording was %s", call, words, extra={"action": "recording.left"})
                await performer.seal(raw, call, started_at, None)
                done += 1
    except StoreError as error:
        log.warning("recordings without a row are not looked for: %s", error, extra={"action": "recording.left"})
    return done
