"""Checks each recording against its call, tells what is wrong, and gives the facts of a recording to the web.

What is wrong gets its name in the database, in `/metrics` (`hotline_recordings_checked_total`) and in the log; nothing
is thrown away because of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import TypeAdapter

from controller.records import Records
from controller.spool import Operation
from controller.ticket_desk import from_store
from controller.writer import Store
from metrics.recordings import RecordingMetrics
from pbx.call import CallRecord
from pbx.commands import FinishRecording
from pbx.ids import CallId
from recordings import files
from recordings.checks import Check, CheckRule, Expected, Finding, Span, check, not_there
from recordings.checks_sql import CheckRow, get_check, row_of, save_check
from web.capture_desk import RecordingCheck, RecordingFacts, Sealed

log = logging.getLogger(__name__)

SAVE_CHECK: Operation[CheckRow, None] = Operation("save_recording_check", save_check, TypeAdapter(CheckRow))


def expected_of(command: FinishRecording) -> Expected:
    """What the switchboard knows of the call whose recording is to be finished."""
    talks = command.talks if command.message is None else tuple(one for one in command.talks if one != command.message)
    return Expected(
        command.started_at, command.ended_at, talks, command.holds, command.pauses, command.muted, command.message
    )


def expected_from(record: CallRecord, started_at: float) -> Expected | None:
    """The same of a call that the store knows, for a recording found after a crash; None where its end is unknown."""
    ended_at = record.ended_at
    if ended_at is None:
        return None
    talks: tuple[Span, ...] = ()
    if record.joined_at is not None:
        talks = ((record.joined_at, record.released_at or ended_at),)
    said = record.message
    return Expected(
        started_at,
        ended_at,
        talks,
        tuple((one.began_at, one.ended_at or ended_at) for one in record.holds),
        tuple((one.began_at, one.ended_at or ended_at) for one in record.pauses),
        (),
        None if said is None else (said.began_at, said.ended_at or ended_at),
    )


class Inspector:
    """One for the whole hotline; see the module. Implements `web.capture_desk.CaptureDesk`."""

    def __init__(
        self,
        store: Store,
        records: Records,
        metrics: RecordingMetrics,
        clock: Callable[[], float],
        rule: CheckRule | None = None,
        healthy: Callable[[], bool] = lambda: True,
        gaps: Callable[[CallId], tuple[Span, ...]] = lambda call: (),
    ) -> None:
        """`healthy`: whether every live recording is being written. `gaps`: when one was not, told once."""
        self._store, self._records, self._metrics, self._clock = store, records, metrics, clock
        self._rule = rule or CheckRule()
        self._healthy = healthy
        self._gaps = gaps

    @property
    def healthy(self) -> bool:
        """Whether every live recording is being written, and there is space."""
        return self._healthy()

    async def known(self, call: CallId, started_at: float) -> Expected | None:
        """What the store knows of the call of a recording that was found after a crash. Raises `StoreError`."""
        record = await self._records.call(call)
        return expected_from(record, started_at) if record is not None else None

    async def sealed(self, call: CallId, expected: Expected | None, done: files.FinishedRecording) -> None:
        """Judge a sealed recording; without knowledge of its call there is nothing to judge it by.

        Raises `StoreError`.
        """
        if expected is not None and expected.ended_at > 0 and done.loudness is not None:
            found = check(self._rule, expected, done.duration_s, done.loudness.audible_s)
            await self._note(call, found, expected, done.filled_s)

    async def unsealed(self, call: CallId, expected: Expected | None, error: files.RecordingError) -> None:
        """Judge a recording that could not be sealed. Raises `StoreError`."""
        finding = {files.MissingRecording: Finding.MISSING, files.EmptyRecording: Finding.EMPTY}.get(
            type(error), Finding.UNSEALED
        )
        if expected is not None:
            await self._note(call, not_there(expected, finding, self._rule), expected)

    async def _note(self, call: CallId, found: Check, expected: Expected, filled_s: float = 0.0) -> None:
        ended_at = expected.ended_at
        gaps = tuple((begin, min(end, ended_at)) for begin, end in self._gaps(call) if begin < ended_at)
        self._metrics.checked([one.value for one in found.findings], found.missing_s)
        if found.findings:
            words = ", ".join(found.findings)
            log.error(
                "call %s: its recording is %s: %.1f s of %.1f s, citizen %s, heard %s",
                *(call, words, found.found_s, found.expected_s, found.citizen, found.heard),
                extra={"action": "recording.finding"},
            )
        await self._store.submit(SAVE_CHECK, row_of(call, found, self._clock(), filled_s, gaps))

    async def facts(self, call: CallId) -> RecordingFacts | None:
        """What is known of a call's recording."""
        record = await from_store(self._records.call(call))
        if record is None:
            return None
        row = await from_store(self._records.recording(call))
        found = await from_store(self._store.read(get_check, call))
        sealed = Sealed(row.started_at, row.duration_s, row.size_bytes, row.sha256) if row is not None else None
        judged = None
        if found is not None:
            judged = RecordingCheck(
                found.checked_at,
                found.expected_s,
                found.found_s,
                max(0.0, found.expected_s - found.found_s),
                found.findings,
                found.citizen,
                found.heard,
                found.looked_at_s,
                found.citizen_audible_s,
                found.heard_audible_s,
                found.filled_s,
                found.gaps,
            )
        return RecordingFacts(call, record.recording is not None, record.consent, record.pauses, sealed, judged)
