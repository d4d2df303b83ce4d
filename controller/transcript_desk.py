"""Transcripts as the web sees them: implements `web.transcript_desk.TranscriptDesk`, and keeps the words of all.

Keys are made in a reader's thread, one transcript after the other, and only then handed to the writer: a transcript of
four hours takes a second, and whoever waits for a ticket's number does not wait for that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

import recordings.words_sql as rows
import tickets.sql as ticket_rows
from agents.rights import Action, role_may
from controller import transcript_query, transcript_rows
from controller.database import StoreError
from controller.spool import Operation
from controller.ticket_desk import from_store
from controller.transcript_rows import Indexed, TurnChanged, Wish
from controller.writer import Store
from pbx.ids import ActorId, CallId, TicketNumber
from pbx.supervision import AuditEntry
from recordings.corrections import Correction, Kept, Read, cleaned, history, read, restored
from recordings.personal_data import digit_spans, find_in, masked, spans_by_turn
from recordings.search import FoundPage, Wanted
from tickets.moves import Actor, Role
from tickets.shown import hears
from tickets.ticket import TicketPolicy
from web.backend import NotFound, Refused
from web.transcript_desk import TranscriptView, TurnConflict, TurnView

log = logging.getLogger(__name__)

AT_ONCE = 50
"""Transcripts that are looked for together, of those without words."""

RETRY_S = 60.0


class HotlineTranscripts:
    """See `web.transcript_desk.TranscriptDesk`; `keep` runs beside it."""

    def __init__(self, store: Store, policy: TicketPolicy, clock: Callable[[], float]) -> None:
        self._store, self._policy, self._clock = store, policy, clock
        self._waiting: dict[CallId, None] = {}
        self._news = asyncio.Event()
        # What of these is lost in an outage is done again at the next start, or told to who asked.
        self._index: Operation[Indexed, bool] = Operation("index_transcript", transcript_rows.index)
        self._correct: Operation[Wish, int] = Operation("correct_transcript", transcript_rows.correct)

    # ---------------------------------------------------------------- by itself

    def saved(self, call: CallId) -> None:
        """A transcript has been written; never waits."""
        self._waiting[call] = None
        self._news.set()

    async def keep(self) -> None:
        """Make the words of every transcript that has none yet, and then of each new one, until cancelled."""
        swept = False
        while True:
            self._news.clear()
            try:
                if not swept:
                    await self.index_all()
                    swept = True
                while self._waiting:
                    call = next(iter(self._waiting))
                    await self.index_one(call)
                    self._waiting.pop(call, None)
            except StoreError as error:
                log.warning("transcripts wait for their words: %s", error.code, extra={"action": "transcript.words"})
                await asyncio.sleep(RETRY_S)
                continue
            await self._news.wait()

    async def index_all(self) -> int:
        """Make the words of older transcripts, and of those whose rules have changed; how many. Raises `StoreError`.

        It rests after each as long as it took: calls go first.
        """
        after, done = "", 0
        while True:
            some = await self._store.read(rows.not_indexed, AT_ONCE, after)
            for call in some:
                began = time.monotonic()
                done += await self.index_one(call)
                await asyncio.sleep(time.monotonic() - began)
            if len(some) < AT_ONCE:
                if done:
                    log.info("%d transcripts can be found by their words", done, extra={"action": "transcript.words"})
                return done
            after = some[-1]

    async def index_one(self, call: CallId) -> bool:
        """Make the words of a call's transcript as it is now; False when it cannot be. Raises `StoreError`."""
        while True:
            try:
                indexed = await self._store.read(transcript_rows.keys_for, call)
                if indexed is None or await self._store.submit(self._index, indexed):
                    return indexed is not None
                # Somebody has corrected it meanwhile.
            except Exception as error:
                if isinstance(error, StoreError) and error.code != "failed":
                    raise  # an outage; everything else is of this one, and the others have theirs
                log.error("call %s: its transcript has no words: %s", call, type(error).__name__,
                          extra={"action": "transcript.words_failed"})  # fmt: skip
                return False

    # ---------------------------------------------------------------- looking

    async def search(self, wanted: Wanted, viewer: Actor) -> FoundPage:
        """The next calls in which something was said."""
        asked = replace(wanted, personal=_personal(viewer))
        if viewer.role is Role.AGENT:  # he hears those that he took down, and no other
            asked = replace(asked, taken_by=viewer.id)
        return await from_store(self._store.read(transcript_query.page, asked, viewer, self._policy))

    async def transcript(self, call: CallId, viewer: Actor) -> TranscriptView:
        """What was said in a call."""
        return await from_store(self._store.read(self._view, call, viewer))

    async def turn(self, call: CallId, n: int, viewer: Actor) -> TurnView:
        """One turn of it."""
        return await from_store(self._store.read(self._turn, call, n, viewer))

    def _open(self, connection: Connection, call: CallId, viewer: Actor) -> tuple[Kept, TicketNumber | None]:
        """The transcript, and its ticket. NotFound unless `viewer` may read it."""
        ticket = ticket_rows.ticket_of_call(connection, call)
        mine = viewer.role is Role.ADMIN or ticket is not None and hears(ticket, viewer, self._policy)
        kept = rows.kept(connection, call) if mine else None
        if kept is None:
            raise NotFound("transcript")
        return kept, ticket.number if ticket is not None else None

    def _view(self, connection: Connection, call: CallId, viewer: Actor) -> TranscriptView:
        kept, ticket = self._open(connection, call, viewer)
        shown, personal = read(kept), _personal(viewer)
        said = kept.transcript
        return TranscriptView(
            call,
            ticket,
            kept.version,
            said.language,
            said.recogniser,
            said.grammar,
            said.duration_s,
            shown.turns if personal else tuple(one.hidden() for one in shown.turns),
            tuple(_shown_correction(one, personal) for one in shown.unfitting),
            not personal,
        )

    def _turn(self, connection: Connection, call: CallId, n: int, viewer: Actor) -> TurnView:
        kept, _ = self._open(connection, call, viewer)
        return _turn_view(kept, read(kept), n, _personal(viewer))

    # ---------------------------------------------------------------- correcting

    async def correct(self, call: CallId, n: int, version: int, text: str, viewer: Actor) -> TurnView:
        """Write what was really said in a turn."""
        kept, _ = await from_store(self._store.read(self._open, call, viewer))
        shown = await asyncio.to_thread(read, kept)
        present = _turn_view(kept, shown, n, _personal(viewer))  # NotFound for a turn that there is not
        if present.turn.version != version:
            raise TurnConflict(present)
        meant: str | None = cleaned(text)
        if not _personal(viewer) and shown.turns[n].personal:
            meant = restored(cleaned(text), shown.turns[n].turn.text, shown.turns[n].personal)
        if meant is None:
            raise Refused("masked_changed")
        now = self._clock()
        wish = Wish(call, n, version, meant, viewer.id, viewer.role.value, now, _line(call, n, version, viewer, now))
        try:
            await from_store(self._store.submit(self._correct, wish))
        except TurnChanged:
            raise TurnConflict(await self.turn(call, n, viewer)) from None
        try:
            await self.index_one(call)
        except StoreError:
            self.saved(call)  # it is written; it will be found a little later
        return await self.turn(call, n, viewer)


def _personal(viewer: Actor) -> bool:
    return role_may(viewer.role.value, Action.READ_PERSONAL)


def _turn_view(kept: Kept, shown: Read, n: int, personal: bool) -> TurnView:
    if not 0 <= n < len(shown.turns):
        raise NotFound("turn")
    turn = shown.turns[n] if personal else shown.turns[n].hidden()
    return TurnView(turn, tuple(_shown_correction(one, personal) for one in history(kept, n)))


def _shown_correction(one: Correction, personal: bool) -> Correction:
    """The correction as it is shown: the parts of a number cannot be told from other digits when they stand alone."""
    return one if personal else replace(one, was=_without_digits(one.was), text=_without_digits(one.text))


def _without_digits(text: str) -> str:
    return masked(text, [*spans_by_turn(find_in(text)).get(0, ()), *digit_spans(text)])


def _line(call: CallId, n: int, version: int, viewer: Actor, at: float) -> AuditEntry:
    zh, en = f"更正通话文字 {call} 第 {n + 1} 句", f"corrected turn {n} of the transcript of {call}"
    id = f"correct_transcript-{call}-{n}-{version}"
    by = ActorId(viewer.id)
    return AuditEntry(id, at, by, viewer.role.value, "correct_transcript", "", call, "", zh, en, "ok")
