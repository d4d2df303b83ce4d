"""What the hotline remembers, in one place: calls, tickets, recordings and transcripts, over the one writer.

The engine, the workers and the pages call this and nothing below it. Writes never wait; what somebody must be told only
once it is certain comes as a future that resolves after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection

import acd.callback_sql as callback_rows
import acd.sql as listing_rows
import metrics.sql as call_rows
import recordings.sql as recording_rows
import tickets.exchange.inbox as exchange_in
import tickets.exchange.outbox as exchange_out
import tickets.list_sql as list_rows
import tickets.outbox_sql as outbox_sql
import tickets.ownership_sql as ownership_rows
import tickets.sql as ticket_rows
import tickets.steps_sql as steps_sql
from controller import (
    audit_rows,
    campaign_rows,
    day_rows,
    desk_notice_rows,
    notice_rows,
    override_rows,
    transcript_rows,
)
from controller.audit_rows import AuditRow
from controller.campaign_rows import Saved
from controller.import_rows import Import
from controller.imports import Taken, in_pieces
from controller.spool import Operation
from controller.transcript_rows import Heard
from controller.writer import Store
from pbx.call import CallRecord
from pbx.callback import CallbackRequest
from pbx.campaign import CampaignRest
from pbx.commands import HandOverTicket, OpenTicket
from pbx.events import CallerEntry
from pbx.ids import CallId, TicketNumber
from pbx.memory import CallLesson, DeskNotice
from pbx.notice import Incident, Registration
from pbx.supervision import AuditEntry, QueueOverride, SaveOverrides, SkillOverride
from recordings.sql import RecordingRow
from recordings.transcript import Transcript
from tickets.approvals import Approval
from tickets.exchange.inbox import Arrival, Receipt
from tickets.exchange.outbox import PeerStanding, Waiting
from tickets.flow import Intake
from tickets.given import Move
from tickets.hand_over_sql import hand_over_ticket
from tickets.moves import Actor
from tickets.ownership import Concern, HitRate, OwnershipRow, Suggestion
from tickets.search import TicketFilter, TicketPage
from tickets.ticket import Ticket, TicketChange, TicketMove, TicketPolicy, checked_score
from tickets.webhook import Due, body_of, body_of_step

TICKETS = "tickets"
"""The kind of files of tickets among all that are taken in."""


@dataclass(frozen=True, slots=True)
class _Score:
    call: CallId
    score: int


@dataclass(frozen=True, slots=True)
class _Change:
    number: TicketNumber
    wanted: TicketChange
    actor: Actor
    at: float
    version: int | None


@dataclass(frozen=True, slots=True)
class _Move:
    number: TicketNumber
    move: Move
    actor: Actor
    at: float


@dataclass(frozen=True, slots=True)
class _Take:
    intake: Intake
    wanted: TicketChange
    actor: Actor


@dataclass(frozen=True, slots=True)
class _Close:
    number: TicketNumber
    actor: Actor
    at: float
    reason: str


def _save_recording(connection: Connection, row: RecordingRow) -> None:
    recording_rows.save_recording(connection, row)
    ticket_rows.link_recording(connection, row.call, row.path)


def _score_ticket(connection: Connection, given: _Score) -> bool:
    return ticket_rows.score_ticket(connection, given.call, given.score)


@dataclass(frozen=True, slots=True)
class _Return:
    number: TicketNumber
    reason: str
    actor: Actor
    at: float


@dataclass(frozen=True, slots=True)
class _Sent:
    message: Waiting
    at: float
    error: str  # empty: the peer has it
    note: str = ""


def _sent(connection: Connection, sent: _Sent) -> None:
    one = sent.message
    if sent.error:
        exchange_out.failed(connection, one.peer, one.thread, one.seq, sent.at, sent.error)
    else:
        exchange_out.acknowledged(connection, one.peer, one.thread, one.seq, sent.at, sent.note)


class Operations:
    """Every kind of write, with the hotline's rules for tickets bound to it; the spool file knows them by name."""

    def __init__(self, policy: TicketPolicy) -> None:
        self.save_call = Operation("save_call", day_rows.save_call, TypeAdapter(CallRecord), day_rows.save_calls)
        self.complete_call = Operation("complete_call", day_rows.complete_call, TypeAdapter(CallRecord))
        self.no_recording = Operation("no_recording", day_rows.no_recording, TypeAdapter(CallId))
        self.save_listing = Operation("save_listing", listing_rows.save_listing, TypeAdapter(CallerEntry))
        self.drop_listing = Operation("drop_listing", listing_rows.drop_listing, TypeAdapter(str))

        def save_callback(connection: Connection, request: CallbackRequest) -> Saved:
            return campaign_rows.save_request(connection, request, policy)

        self.save_callback = Operation("save_callback", save_callback, TypeAdapter(CallbackRequest), posts=True)
        self.save_campaign = Operation("save_campaign", campaign_rows.save_rest, TypeAdapter(CampaignRest))
        self.save_recording = Operation("save_recording", _save_recording, TypeAdapter(RecordingRow), posts=True)
        self.save_transcript = Operation("save_transcript", transcript_rows.save, TypeAdapter(Heard), posts=True)
        self.score_ticket = Operation("score_ticket", _score_ticket, TypeAdapter(_Score))
        self.append_audit = Operation("append_audit", audit_rows.append, TypeAdapter(AuditEntry))
        self.save_overrides = Operation("save_overrides", override_rows.save, TypeAdapter(SaveOverrides))

        self.save_notice = Operation("save_notice", notice_rows.save_notice, TypeAdapter(Incident))
        self.save_registration = Operation(
            "save_registration", notice_rows.save_registration, TypeAdapter(Registration)
        )

        self.save_desk_notice = Operation("save_desk_notice", desk_notice_rows.save, TypeAdapter(DeskNotice))

        def open_ticket(connection: Connection, opening: OpenTicket) -> TicketNumber:
            number = ticket_rows.open_ticket(connection, opening, policy)
            day_rows.name_ticket(connection, opening.call, number)
            return number

        def hand_over(connection: Connection, wish: HandOverTicket) -> Ticket:
            return hand_over_ticket(connection, wish, policy)

        def change_ticket(connection: Connection, wish: _Change) -> Ticket:
            return ticket_rows.change_ticket(
                connection, wish.number, wish.wanted, wish.actor, wish.at, policy, wish.version
            )

        def move_ticket(connection: Connection, wish: _Move) -> Ticket:
            return ticket_rows.move_ticket(connection, wish.number, wish.move, wish.actor, wish.at, policy)

        def take_ticket(connection: Connection, wish: _Take) -> Ticket:
            return ticket_rows.take_ticket(connection, wish.intake, wish.wanted, wish.actor, policy)

        def close_ticket(connection: Connection, wish: _Close) -> Ticket:
            return ticket_rows.close_ticket(connection, wish.number, wish.actor, wish.at, wish.reason, policy)

        # What is lost of these in an outage is sent again: nothing to keep for later.
        self.webhook_sent: Operation[Due, None] = Operation("webhook_sent", outbox_sql.sent)
        self.webhook_failed: Operation[tuple[Due, float | None], None] = Operation(
            "webhook_failed", lambda connection, given: outbox_sql.failed(connection, *given)
        )
        self.forget_hooks: Operation[tuple[str, ...], int] = Operation("forget_hooks", outbox_sql.forget_others)
        self.retry_hook: Operation[tuple[str, float], int] = Operation(
            "retry_hook", lambda connection, given: outbox_sql.retry(connection, *given), posts=True
        )

        self.open_ticket = Operation("open_ticket", open_ticket, TypeAdapter(OpenTicket), posts=True)
        self.hand_over = Operation("hand_over", hand_over, TypeAdapter(HandOverTicket), posts=True)
        # A person waits for these and is told when they fail: nothing to keep for later.
        self.change_ticket: Operation[_Change, Ticket] = Operation("change_ticket", change_ticket, posts=True)
        self.close_ticket: Operation[_Close, Ticket] = Operation("close_ticket", close_ticket, posts=True)
        self.move_ticket: Operation[_Move, Ticket] = Operation("move_ticket", move_ticket, posts=True)
        self.take_ticket: Operation[_Take, Ticket] = Operation("take_ticket", take_ticket, posts=True)

        def receive(connection: Connection, arrival: Arrival) -> Receipt:
            return exchange_in.receive(connection, arrival, policy)

        def give_back(connection: Connection, wish: _Return) -> Ticket:
            return exchange_in.give_back(connection, wish.number, wish.reason, wish.actor, wish.at, policy)

        def put_ownership(connection: Connection, row: OwnershipRow) -> OwnershipRow:
            return ownership_rows.put_row(connection, row, policy)

        self.policy = policy
        self.receive: Operation[Arrival, Receipt] = Operation("receive", receive, posts=True)
        self.give_back: Operation[_Return, Ticket] = Operation("give_back", give_back, posts=True)
        self.sent: Operation[_Sent, None] = Operation("sent", _sent)
        self.put_ownership: Operation[OwnershipRow, OwnershipRow] = Operation("put_ownership", put_ownership)
        self.drop_ownership: Operation[int, bool] = Operation("drop_ownership", ownership_rows.drop_row)

    def spoolable(self) -> list[Operation[Any, Any]]:
        """The operations that the spool file may hold."""
        return [value for value in vars(self).values() if isinstance(value, Operation) and value.adapter is not None]


class Records:
    """The hotline's memory. Its methods are for the loop; every reading method raises `StoreError` in an outage."""

    def __init__(self, store: Store, operations: Operations) -> None:
        self._store = store
        self._do = operations
        self.on_ticket: Callable[[Ticket], None] = lambda ticket: None
        """Called on the loop with every ticket that was moved, after the commit."""
        self.on_opened: Callable[[TicketNumber], None] = lambda number: None
        """Called on the loop with the number of every ticket that a call opened, after the commit."""
        self.on_changed: Callable[[TicketNumber], None] = lambda number: None
        """Called on the loop with the number of every ticket that something else than a person's own request for it may
        have changed (a mass incident, a peer's message), after the commit."""

        self.on_transcript: Callable[[CallId], None] = lambda call: None
        """Called on the loop with the call of every transcript that was written, or could not be."""

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the loop after each commit that may have left something to be sent; gives what ends it."""
        return self._store.listen(listener)

    # ------------------------------------------------------------ calls

    def save_call(self, record: CallRecord) -> None:
        """Write the call's record as it is now."""
        self._store.put(self._do.save_call, record)

    def complete_call(self, record: CallRecord) -> None:
        """Write the call's record unless the stored one has an end."""
        self._store.put(self._do.complete_call, record)

    def no_recording(self, call: CallId) -> None:
        """The call's record names a recording that turned out to hold nothing and is erased: name none."""
        self._store.put(self._do.no_recording, call)

    async def open_calls(self) -> list[CallRecord]:
        """The calls that had not ended when last saved, oldest first: for the start after a crash."""
        return await self._store.read(call_rows.open_calls)

    async def call(self, call: CallId) -> CallRecord | None:
        """One call's record, or None."""
        return await self._store.read(call_rows.get_call, call)

    async def calls(self, since: float, until: float) -> list[CallRecord]:
        """The calls that arrived in [since, until), epoch seconds, oldest first."""
        return await self._store.read(call_rows.list_calls, since, until)

    def save_listing(self, entry: CallerEntry) -> None:
        """Keep an entry of the caller list."""
        self._store.put(self._do.save_listing, entry)

    def drop_listing(self, number: str) -> None:
        """Forget an entry of the caller list."""
        self._store.put(self._do.drop_listing, number)

    async def listings(self) -> list[CallerEntry]:
        """The caller list."""
        return await self._store.read(listing_rows.listings)

    # ------------------------------------------------------------ call-backs

    def save_callback(self, request: CallbackRequest) -> asyncio.Future[Saved]:
        """Write a call-back request as it is now; gives it as it is stored, after the commit. Raises `StoreError`.

        One of the voice follow-up may be stored otherwise, and move its ticket (`campaign_rows.save_request`).
        """
        future = self._store.submit(self._do.save_callback, request)

        def saved(done: asyncio.Future[Saved]) -> None:
            if not done.cancelled() and done.exception() is None and (ticket := done.result().ticket) is not None:
                self.on_ticket(ticket)

        future.add_done_callback(saved)
        return future

    async def open_callbacks(self) -> list[CallbackRequest]:
        """The requests that are not over, oldest first."""
        return await self._store.read(callback_rows.open_callbacks)

    async def callbacks(self, since: float, until: float) -> list[CallbackRequest]:
        """The requests made in [since, until), epoch seconds, oldest first."""
        return await self._store.read(callback_rows.list_callbacks, since, until)

    def save_campaign(self, rest: CampaignRest) -> None:
        """Write who has paused the voice follow-up."""
        self._store.put(self._do.save_campaign, rest)

    async def campaign(self, since: float, until: float) -> list[CallbackRequest]:
        """The requests of the voice follow-up made in [since, until), epoch seconds, oldest first."""
        return await self._store.read(campaign_rows.list_requests, since, until)

    # ------------------------------------------------------------ what a start must know

    def save_desk_notice(self, notice: DeskNotice) -> None:
        """Write an agent's notice."""
        self._store.put(self._do.save_desk_notice, notice)

    async def desk_notices(self) -> tuple[DeskNotice, ...]:
        """The latest notices of agents, oldest first."""
        return await self._store.read(desk_notice_rows.latest)

    async def lessons(self, most: int) -> list[CallLesson]:
        """What the latest `most` ended calls teach of their queues, oldest first."""
        return await self._store.read(call_rows.latest_lessons, most)

    # ------------------------------------------------------------ incident notices

    def save_notice(self, notice: Incident) -> None:
        """Write a notice as it is now."""
        self._store.put(self._do.save_notice, notice)

    def save_registration(self, registration: Registration) -> asyncio.Future[None]:
        """Write who wants to hear of a notice's end; resolves after the commit. Raises `StoreError`."""
        return self._store.submit(self._do.save_registration, registration)

    async def open_notices(self) -> tuple[tuple[Incident, ...], tuple[Registration, ...]]:
        """The notices that hold, and who wants to hear of their end."""
        return await self._store.read(notice_rows.open_notices)

    async def notices(self, since: float, until: float) -> list[Incident]:
        """The notices given in [since, until), epoch seconds, and those that hold, oldest first."""
        return await self._store.read(notice_rows.list_notices, since, until)

    async def notice(self, id: str) -> tuple[Incident, tuple[Registration, ...]] | None:
        """A notice with who registered for it, or None."""
        return await self._store.read(notice_rows.one_notice, id)

    # ------------------------------------------------------------ tickets

    def open_ticket(self, opening: OpenTicket) -> asyncio.Future[TicketNumber]:
        """Open a ticket for an answered call; its number comes after the commit, and only then may it be told.

        The same call again gives the same number. The future raises `StoreError` (``lost``): the ticket is opened when
        the database is back, but nobody can be told its number now.
        """
        future = self._store.submit(self._do.open_ticket, opening)

        def opened(done: asyncio.Future[TicketNumber]) -> None:
            if not done.cancelled() and done.exception() is None:
                self.on_opened(done.result())

        future.add_done_callback(opened)
        return future

    def hand_over(self, wish: HandOverTicket) -> asyncio.Future[Ticket]:
        """Have the call's ticket with a unit (工单流转); gives it as stored, after the commit.

        The future raises `TicketRefused`, `CalendarError`, `StoreError` (``lost``: it is done when the database is
        back, as `open_ticket` is).
        """
        return self._watched(self._store.submit(self._do.hand_over, wish))

    def change_ticket(
        self, number: TicketNumber, wanted: TicketChange, actor: Actor, *, at: float, version: int | None = None
    ) -> asyncio.Future[Ticket]:
        """Write `wanted` into a ticket; gives it as stored, after the commit.

        Raises `TicketConflict` unless its version is `version` (None = whatever it is), `TicketRefused`, `StoreError`.
        """
        return self._watched(self._store.submit(self._do.change_ticket, _Change(number, wanted, actor, at, version)))

    def move_ticket(self, number: TicketNumber, move: Move, actor: Actor, *, at: float) -> asyncio.Future[Ticket]:
        """Do one thing to a ticket; gives it as stored, after the commit.

        Raises `TicketConflict`, `TicketRefused`, `StoreError`.
        """
        return self._watched(self._store.submit(self._do.move_ticket, _Move(number, move, actor, at)))

    def take_ticket(self, intake: Intake, wanted: TicketChange, actor: Actor) -> asyncio.Future[Ticket]:
        """Take down a ticket that no call opened; gives it after the commit. Raises `TicketRefused`, `StoreError`."""
        return self._watched(self._store.submit(self._do.take_ticket, _Take(intake, wanted, actor)))

    async def take_file(
        self, id: str, rows: Sequence[tuple[int, TicketChange]], intake: Intake, actor: Actor, *, anew: bool = False
    ) -> Taken:
        """Take down a ticket for each numbered row of a file, some at a time (`controller/imports.py`).

        Each result has ``taken``: pairs of line and number. Raises `TicketRefused`, `StoreError`.
        """
        made: list[Ticket] = []

        def work(connection: Connection, some: Sequence[tuple[int, TicketChange]]) -> Mapping[str, Any]:
            made.clear()  # a transaction may be done twice
            for _, change in some:
                made.append(ticket_rows.take_ticket(connection, intake, change, actor, self._do.policy))
            return {"taken": [[line, ticket.number] for (line, _), ticket in zip(some, made, strict=True)]}

        def written() -> None:
            for ticket in made:
                self.on_ticket(ticket)
            made.clear()

        wanted = Import(id, TICKETS, actor.id, intake.at, len(rows))
        numbered = [(row[0], row) for row in rows]
        return await in_pieces(self._store, wanted, numbered, work, lambda: intake.at, anew=anew, written=written)

    def close_ticket(self, number: TicketNumber, actor: Actor, *, at: float, reason: str) -> asyncio.Future[Ticket]:
        """Close a ticket that no unit has; gives it after the commit. Raises `TicketRefused`, `StoreError`."""
        return self._watched(self._store.submit(self._do.close_ticket, _Close(number, actor, at, reason)))

    def _watched(self, future: asyncio.Future[Ticket]) -> asyncio.Future[Ticket]:
        """The same future; when it gives a ticket, whoever watches is told of it."""

        def moved(done: asyncio.Future[Ticket]) -> None:
            if not done.cancelled() and done.exception() is None:
                self.on_ticket(done.result())

        future.add_done_callback(moved)
        return future

    def changed(self, numbers: Iterable[TicketNumber]) -> None:
        """Tickets that may have been changed by a write that is not of here, which is committed."""
        for number in numbers:
            self.on_changed(number)

    def score_ticket(self, call: CallId, score: int) -> None:
        """Store the caller's satisfaction in his call's ticket, if it has one. Raises `TicketRefused` (bad_score)."""
        self._store.put(self._do.score_ticket, _Score(call, checked_score(score)))

    async def ticket(self, number: TicketNumber) -> Ticket | None:
        """One ticket by its public number, or None."""
        return await self._store.read(ticket_rows.get_ticket, number)

    async def ticket_of_call(self, call: CallId) -> Ticket | None:
        """The ticket that a call opened, or None."""
        return await self._store.read(ticket_rows.ticket_of_call, call)

    async def tickets(self, since: float, until: float) -> list[Ticket]:
        """The tickets opened in [since, until), epoch seconds, oldest first."""
        return await self._store.read(ticket_rows.list_tickets, since, until)

    async def page_of_tickets(self, wanted: TicketFilter) -> TicketPage:
        """The next tickets of a list. Raises `TicketRefused` for an `after` that is no ticket."""
        return await self._store.read(list_rows.page_of_tickets, wanted)

    async def decided_requests(
        self, since: float, until: float, regions: frozenset[str] | None = None
    ) -> list[tuple[TicketNumber, Approval]]:
        """The requests (退单, 延期, …) decided in [since, until), epoch seconds, with their tickets.

        `regions`: of tickets of these regions only; None = of all.
        """
        return await self._store.read(list_rows.decided_requests, since, until, regions)

    async def ticket_moves(self, number: TicketNumber) -> list[TicketMove]:
        """Everything that was done to a ticket, in order."""
        return await self._store.read(ticket_rows.list_moves, number)

    async def names_file(self, sha256: str) -> bool:
        """Whether any ticket has a file with this digest."""
        return await self._store.read(ticket_rows.names_file, sha256)

    # ------------------------------------------------------------ webhooks

    async def due_webhooks(self, hook: str, now: float) -> list[Due]:
        """The messages that are to be sent to a hook now."""
        return await self._store.read(outbox_sql.due, hook, now)

    async def next_webhook(self, hook: str) -> float | None:
        """When the next message to a hook is to be sent; None where there is none."""
        return await self._store.read(outbox_sql.next_due, hook)

    async def webhook_body(self, one: Due) -> bytes | None:
        """What is to be sent, with the ticket as it is now; None if there is no such ticket, move or step."""
        ticket = await self._store.read(ticket_rows.get_ticket, one.ticket)
        if ticket is None:
            return None
        if one.step:
            made = await self._store.read(steps_sql.one_step, one.ticket, one.step)
            return body_of_step(ticket, made) if made is not None else None
        move = await self._store.read(ticket_rows.one_move, one.ticket, one.seq)
        return body_of(ticket, move) if move is not None else None

    def webhook_sent(self, one: Due) -> asyncio.Future[None]:
        """A message has been taken. Raises `StoreError`."""
        return self._store.submit(self._do.webhook_sent, one)

    def webhook_failed(self, one: Due, due_at: float | None) -> asyncio.Future[None]:
        """A message has not been taken: again at `due_at`, None = no more. Raises `StoreError`."""
        return self._store.submit(self._do.webhook_failed, (one, due_at))

    def forget_other_hooks(self, hooks: tuple[str, ...]) -> asyncio.Future[int]:
        """Drop what is for hooks that the configuration has no more. Raises `StoreError`."""
        return self._store.submit(self._do.forget_hooks, hooks)

    def retry_hook(self, hook: str, now: float) -> asyncio.Future[int]:
        """Send again what was given up; how many messages. Raises `StoreError`."""
        return self._store.submit(self._do.retry_hook, (hook, now))

    async def webhooks_standing(self) -> list[tuple[str, int, int]]:
        """Of each hook that has any: messages that wait, and that were given up."""
        return await self._store.read(outbox_sql.standing)

    # ------------------------------------------------------------ other organisations

    async def suggest_units(self, concern: Concern) -> tuple[Suggestion, ...]:
        """The units that seem to own a concern, best first."""
        return await self._store.read(ownership_rows.suggest, concern, self._do.policy)

    async def ownership(self, class_code: str | None, unit: str | None) -> list[OwnershipRow]:
        """The rows of the ownership register."""
        return await self._store.read(ownership_rows.rows, class_code, unit)

    def put_ownership(self, row: OwnershipRow) -> asyncio.Future[OwnershipRow]:
        """Write a row of it; gives it after the commit. Raises `TicketRefused`, `StoreError`."""
        return self._store.submit(self._do.put_ownership, row)

    def drop_ownership(self, id: int) -> asyncio.Future[bool]:
        """Take a row out; False where there is none. Raises `StoreError`."""
        return self._store.submit(self._do.drop_ownership, id)

    async def hit_rate(self, since: float, until: float, regions: frozenset[str] | None = None) -> dict[str, HitRate]:
        """How often it was right about tickets handled in [since, until), by class; ``*`` = all together.

        `regions`: about tickets of these regions only; None = about all.
        """
        return await self._store.read(ownership_rows.rate, since, until, regions)

    def receive_message(self, arrival: Arrival) -> asyncio.Future[Receipt]:
        """Take a peer's message in; resolves after the commit. Raises `NotTrusted`, `MessageRefused`, `StoreError`."""
        future = self._store.submit(self._do.receive, arrival)

        def came(done: asyncio.Future[Receipt]) -> None:
            if not done.cancelled() and done.exception() is None:
                self.changed(done.result().tickets)

        future.add_done_callback(came)
        return future

    def give_back(self, number: TicketNumber, reason: str, actor: Actor, *, at: float) -> asyncio.Future[Ticket]:
        """Return a ticket to the installation that offered it. Raises `TicketRefused`, `StoreError`."""
        return self._watched(self._store.submit(self._do.give_back, _Return(number, reason, actor, at)))

    async def due_messages(self, peer: str, now: float) -> list[Waiting]:
        """What is to be sent to a peer now."""
        return await self._store.read(exchange_out.due, peer, now)

    async def next_message(self, peer: str) -> float | None:
        """When the next message to a peer is to be sent; None where there is none."""
        return await self._store.read(exchange_out.next_due, peer)

    def message_acknowledged(self, message: Waiting, at: float, note: str = "") -> asyncio.Future[None]:
        """The peer has it; `note`: the code of why it did not take its file. Raises `StoreError`."""
        return self._store.submit(self._do.sent, _Sent(message, at, "", note))

    def message_failed(self, message: Waiting, next_at: float, error: str) -> asyncio.Future[None]:
        """It could not be delivered, and is sent again at `next_at`. Raises `StoreError`."""
        return self._store.submit(self._do.sent, _Sent(message, next_at, error))

    async def exchange_standing(self) -> list[PeerStanding]:
        """The peers to whom something is still to be said."""
        return await self._store.read(exchange_out.standing)

    async def exchange_history(self, number: TicketNumber) -> list[Mapping[str, Any]]:
        """What was said and heard about a ticket."""
        return await self._store.read(exchange_in.history, number)

    # ------------------------------------------------------------ recordings

    def save_recording(self, row: RecordingRow) -> asyncio.Future[None]:
        """Write a finished recording and name it in the call's ticket; resolves after the commit."""
        return self._store.submit(self._do.save_recording, row)

    def save_transcript(self, call: CallId, transcript: Transcript, made_at: float) -> asyncio.Future[None]:
        """Write a call's transcript and say so in its ticket; resolves after the commit."""
        future = self._store.submit(self._do.save_transcript, Heard(call, transcript, made_at))
        future.add_done_callback(lambda done: self.on_transcript(call))
        return future

    async def recording(self, call: CallId) -> RecordingRow | None:
        """The call's recording, or None."""
        return await self._store.read(recording_rows.get_recording, call)

    async def transcript(self, call: CallId) -> Transcript | None:
        """The call's transcript, or None."""
        return await self._store.read(recording_rows.get_transcript, call)

    # ------------------------------------------------------------ supervision

    def append_audit(self, entry: AuditEntry) -> None:
        """Add a line to the audit trail."""
        self._store.put(self._do.append_audit, entry)

    def note(self, entry: AuditEntry) -> asyncio.Future[int]:
        """Add a line to the audit trail; resolves after the commit. Raises `StoreError`."""
        return self._store.submit(self._do.append_audit, entry)

    async def audit(self, since: float, until: float, agent: str = "") -> list[AuditRow]:
        """The audit trail of [since, until), epoch seconds, oldest first; of one agent where he is named."""
        return await self._store.read(audit_rows.read, since, until, agent)

    def save_overrides(self, change: SaveOverrides) -> None:
        """Keep what is changed for a time for an agent or a queue."""
        self._store.put(self._do.save_overrides, change)

    async def overrides(self) -> tuple[tuple[SkillOverride, ...], tuple[QueueOverride, ...]]:
        """What is changed for a time: agents' skills, and queues."""
        return await self._store.read(override_rows.load)
