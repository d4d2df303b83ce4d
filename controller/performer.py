"""Performs the switchboard's commands: to the exchange, the store, the people who asked, the recordings' workers.

Whatever becomes of a command comes back as an event; nothing here decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from controller.campaign_rows import Saved
from controller.database import StoreError
from controller.recording_check import Inspector, expected_of
from controller.records import Records
from metrics.prometheus import HotlineMetrics
from metrics.servicelevel import Tally
from pbx.call import CallRecord
from pbx.callback import CallbackRequest
from pbx.campaign import SaveCampaign
from pbx.commands import (
    Command,
    DropListing,
    ExchangeCommand,
    FinishRecording,
    HandOverTicket,
    OpenTicket,
    QueryTicket,
    Reply,
    SaveCall,
    SaveCallback,
    SaveListing,
    Wake,
)
from pbx.events import CallbackStored, Event, TicketHandedOver, TicketOpened, TicketQueried
from pbx.ids import CallId, RequestId, TicketNumber
from pbx.memory import SaveDeskNotice
from pbx.notice import NoticeRegistered, Registration, SaveNotice, SaveRegistration
from pbx.supervision import Audit, SaveOverrides
from recordings import files
from recordings.checks import Expected
from recordings.naming import recording_path
from recordings.sql import RecordingRow
from tickets.deadlines import CalendarError
from tickets.texts import TicketRefused
from tickets.ticket import Ticket

log = logging.getLogger(__name__)

SAVE_EVERY_S = 0.25
"""So often are changes of call records stored that need not be at once; the journal has every input anyway."""

Spans = tuple[tuple[float, float], ...]

FINISHING_AT_ONCE = 2
"""Recordings sealed at the same time: more would only compete for the disk."""


class Exchange(Protocol):
    """The door to Asterisk."""

    def perform(self, command: ExchangeCommand) -> None:
        """Order something; its outcome comes as an event."""
        ...


class Performer:
    """One for the whole hotline; `post` puts outcomes into the engine's inbox."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        records: Records,
        metrics: HotlineMetrics,
        tally: Tally,
        spool: Path,
        recordings: Path,
        timezone: str,
        clock: Callable[[], float],
    ) -> None:
        self._exchange = exchange
        self._records = records
        self._metrics = metrics
        self._tally = tally
        self._spool = spool
        self._recordings = recordings
        self._zone = ZoneInfo(timezone)
        self._clock = clock
        self._requests: dict[RequestId, asyncio.Future[Reply]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing = asyncio.Semaphore(FINISHING_AT_ONCE)
        self._sealing: set[CallId] = set()  #: of which the recording is being sealed
        self._scored: set[CallId] = set()
        self._unsaved: dict[CallId, CallRecord] = {}
        self._stored: dict[CallId, tuple[object, ...]] = {}  #: where each live call is, as the store was last told
        self._without_ticket: dict[CallId, CallRecord] = {}  #: ended while their ticket was being opened
        self._ended: deque[CallId] = deque(maxlen=1000)  #: told as ended already; a late change is no second end
        self._flushing: asyncio.TimerHandle | None = None
        self.post: Callable[[Event], None] = lambda event: None
        self.look_up: Callable[[QueryTicket], Awaitable[TicketQueried]] = self._nobody_looks_up
        self.sealed: Callable[[RecordingRow, str | None, Spans | None], Awaitable[None]] = self._keep_recording
        self.on_ended: Callable[[CallRecord], None] = lambda record: None
        self.on_record: Callable[[CallRecord], None] = lambda record: None  #: whenever the store is given one
        self.on_finished: Callable[[], None] = lambda: None  #: nobody is at work on one of the recordings any more
        self.inspector: Inspector | None = None
        self.unfinished = 0  #: recordings that could not be sealed; they are tried again at the next start

    # ---------------------------------------------------------------- commands

    def perform(self, command: Command) -> None:
        """Do what a command says; never waits."""
        match command:
            case SaveCall():
                self._save(command)
            case OpenTicket():
                self._open_ticket(command)
            case HandOverTicket():
                self._records.hand_over(command).add_done_callback(partial(self._handed_over, command))
            case Reply():
                future = self._requests.pop(command.request, None)
                if future is not None and not future.done():
                    future.set_result(command)
            case SaveListing():
                self._records.save_listing(command.entry)
            case DropListing():
                self._records.drop_listing(command.number)
            case SaveDeskNotice():
                self._records.save_desk_notice(command.notice)
            case FinishRecording():
                self._start(self._finish(command))
            case Audit():
                self._records.append_audit(command.entry)
            case SaveOverrides():
                self._records.save_overrides(command)
            case SaveNotice():
                self._records.save_notice(command.notice)
            case SaveRegistration():
                self._save_registration(command)
            case SaveCallback():
                self._save_callback(command)
            case SaveCampaign():
                self._records.save_campaign(command.rest)
            case QueryTicket():
                self._start(self._query(command))
            case Wake():
                raise AssertionError("timers are the engine's")
            case _:
                self._exchange.perform(command)

    def expect(self, request: RequestId) -> asyncio.Future[Reply]:
        """The answer to a request that is about to be posted."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[request] = future
        return future

    def _save(self, command: SaveCall) -> None:
        """Store the record: at once when he enters a line, is joined or has ended, else with the next flush."""
        record = command.record
        if command.unless_ended:
            self._records.complete_call(record)
            self._tally.put(record)
            self.on_record(record)
            return
        before = self._stored.get(record.call)
        self._unsaved[record.call] = record
        if before != (placed := (record.recording, record.queue, record.agent, record.ended_at is not None)):
            # A restarted controller must find that he is recorded, in which line he stands, with whom he talks.
            self._stored[record.call] = placed
            self.flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(SAVE_EVERY_S, self.flush)
        if record.ended_at is not None and record.call not in self._ended:
            self._ended.append(record.call)
            self.on_ended(record)
            if record.joined_at is not None and record.ticket is None:
                self._without_ticket[record.call] = record

    def flush(self) -> None:
        """Hand every changed record to the store and the figures."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        unsaved, self._unsaved = self._unsaved, {}
        for record in unsaved.values():
            self._records.save_call(record)
            self._metrics.observe(record)
            self._tally.put(record)
            self.on_record(record)
            if record.score is not None and record.ticket is not None and record.call not in self._scored:
                self._scored.add(record.call)
                self._records.score_ticket(record.call, record.score)
            if record.ended_at is not None:
                self._scored.discard(record.call)
                self._stored.pop(record.call, None)

    def _open_ticket(self, command: OpenTicket) -> None:
        self._records.open_ticket(command).add_done_callback(partial(self._ticket_opened, command.call))

    def _save_callback(self, command: SaveCallback) -> None:
        self._records.save_callback(command.callback).add_done_callback(partial(self._callback_saved, command.callback))

    def _callback_saved(self, callback: CallbackRequest, saved: asyncio.Future[Saved]) -> None:
        if saved.cancelled():
            return
        error = saved.exception()
        if error is None:
            kept = saved.result().request
            self.post(CallbackStored(kept.id, len(kept.attempts), kept.state.value, self._clock()))
        else:
            log.error("call-back %s: not stored: %s", callback.id, error, extra={"action": "callback_not_stored"})

    def _save_registration(self, command: SaveRegistration) -> None:
        saved = self._records.save_registration(command.registration)
        saved.add_done_callback(partial(self._registration_saved, command.registration))

    def _registration_saved(self, one: Registration, saved: asyncio.Future[None]) -> None:
        if saved.cancelled():
            return
        error = saved.exception()
        if error is None:
            self.post(NoticeRegistered(one.notice, one.call, self._clock()))
        else:
            log.error("call %s: not registered: %s", one.call, error, extra={"action": "notice_not_registered"})

    def _ticket_opened(self, call: CallId, opened: asyncio.Future[TicketNumber]) -> None:
        if opened.cancelled():
            return
        error = opened.exception()
        ended = self._without_ticket.pop(call, None)
        if error is None:
            self.post(TicketOpened(call, opened.result(), self._clock()))
            if ended is not None:  # so short a call that it ended before its ticket was committed
                self._save(SaveCall(replace(ended, ticket=opened.result())))
        else:
            log.error("call %s: no ticket yet: %s", call, error, extra={"action": "ticket_not_opened"})

    def _handed_over(self, command: HandOverTicket, done: asyncio.Future[Ticket]) -> None:
        if done.cancelled():
            return
        error, number, code = done.exception(), None, ""
        if error is None:
            number = done.result().number
        elif isinstance(error, TicketRefused):
            code = error.code
        else:
            code = "calendar" if isinstance(error, CalendarError) else "store_unavailable"
            log.error("call %s: not handed over: %s", command.opening.call, error, extra={"action": "not_handed_over"})
        asked = command.opening
        event = TicketHandedOver(
            asked.call, command.destination, asked.agent, number, code, command.request, self._clock()
        )
        self.post(event)

    async def _nobody_looks_up(self, command: QueryTicket) -> TicketQueried:
        return TicketQueried(command.call, command.serial, "away", "", None, self._clock())

    async def _query(self, command: QueryTicket) -> None:
        self.post(await self.look_up(command))

    # ---------------------------------------------------------------- recordings

    async def _finish(self, command: FinishRecording) -> None:
        await self.seal(
            command.raw, command.call, command.started_at, command.talks, command.language, expected_of(command)
        )

    def is_at_work_on(self, call: CallId) -> bool:
        """Whether the call's recording is still being sealed."""
        return call in self._sealing

    def place_of(self, call: CallId, started_at: float) -> Path:
        """Where the sealed recording of a call lies on this machine, until it is archived."""
        return self._recordings / recording_path(call, datetime.fromtimestamp(started_at, UTC), self._zone)

    async def seal(
        self,
        raw: str,
        call: CallId,
        started_at: float,
        talks: Spans | None,
        language: str | None = None,
        expected: Expected | None = None,
    ) -> None:
        """Check and keep one raw recording; who transcribes learns of it (`sealed`).

        `talks` in epoch seconds; None, as `language` and `expected`, of one that a crash has left: the call's record
        may tell.
        """
        self._sealing.add(call)
        try:
            await self._seal(raw, call, started_at, talks, language, expected)
        finally:
            self._sealing.discard(call)
            self.on_finished()

    async def _seal(
        self,
        raw: str,
        call: CallId,
        started_at: float,
        talks: Spans | None,
        language: str | None,
        expected: Expected | None,
    ) -> None:
        target = self.place_of(call, started_at)
        name = target.relative_to(self._recordings)
        async with self._finishing:
            begun = datetime.fromtimestamp(started_at, UTC)
            unheard = await self._unheard(call, started_at, expected)
            try:
                done = await asyncio.to_thread(
                    files.finish, self._spool / raw, target, started_at=begun, unheard=unheard
                )
            except files.EmptyRecording as error:
                self._records.no_recording(call)  # nobody said a word: there is nothing to listen to
                await self._judge(call, started_at, expected, error)
                return
            except files.RecordingError as error:
                await self._judge(call, started_at, expected, error)
                self.unfinished += 1
                log.error("call %s: recording not sealed: %s", call, error, extra={"action": "recording_not_sealed"})
                return
        row = RecordingRow(
            call=call,
            path=str(name),
            started_at=started_at,
            duration_s=done.duration_s,
            size_bytes=done.size_bytes,
            sha256=done.sha256,
            citizen_rms_dbfs=done.citizen.rms_dbfs,
            heard_rms_dbfs=done.heard.rms_dbfs,
            finished_at=self._clock(),
        )
        try:
            spans = None
            if talks is not None:
                spans = tuple((max(0.0, begin - started_at), end - started_at) for begin, end in talks)
            await self.sealed(row, language, spans)
            await self._judge(call, started_at, expected, done)
        except StoreError as error:
            log.error(
                "call %s: recording not stored yet: %s", call, error.code, extra={"action": "recording_not_stored"}
            )

    async def _unheard(self, call: CallId, started_at: float, expected: Expected | None) -> Spans:
        """When the caller heard no other voice, or nobody is to hear it, in seconds from the recording's beginning."""
        if expected is None and self.inspector is not None:
            with suppress(StoreError):  # the voices themselves end with each talk
                expected = await self.inspector.known(call, started_at)
        spans = (*expected.holds, *expected.pauses, *expected.muted) if expected is not None else ()
        return tuple((begin - started_at, end - started_at) for begin, end in spans)

    async def _keep_recording(self, row: RecordingRow, language: str | None, talks: Spans | None) -> None:
        await self._records.save_recording(row)

    async def _judge(
        self,
        call: CallId,
        started_at: float,
        expected: Expected | None,
        found: files.FinishedRecording | files.RecordingError,
    ) -> None:
        """Have the recording checked against its call."""
        if self.inspector is None:
            return
        try:
            known = expected or await self.inspector.known(call, started_at)
            if isinstance(found, files.RecordingError):
                await self.inspector.unsealed(call, known, found)
            else:
                await self.inspector.sealed(call, known, found)
        except StoreError as error:  # a check that was spooled is stored later
            log.warning(
                "call %s: its check is not stored: %s", call, error.code, extra={"action": "recording.unchecked"}
            )

    def recover(self, is_live: Callable[[str], bool]) -> int:
        """Seal what a crash has left in the spool; returns how many recordings were found."""
        left = files.recover(self._spool, is_live)
        for one in left:
            call = CallId(one.call_id)
            self._start(self.seal(one.path.name, call, one.started_at.timestamp(), None))
        return len(left)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def pending(self) -> int:
        """Recordings that are being sealed."""
        return len(self._tasks)

    async def close(self, timeout_s: float) -> None:
        """Wait for recordings in work, at most `timeout_s` seconds; what is left stays raw for the next start."""
        self.flush()
        for future in self._requests.values():
            future.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
