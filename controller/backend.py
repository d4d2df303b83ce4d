"""The hotline as the web sees it: implements `web.backend.Backend` over the house, the store and the engine."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from agents.moves import AgentState
from agents.rights import Action, Actor, refusal
from controller.audit_rows import as_json
from controller.campaign_view import campaign_view
from controller.engine import Engine
from controller.event_desk import HotlineEvents
from controller.house import House, LiveCall
from controller.own_sounds import OwnSounds
from controller.performer import Performer
from controller.public_desk import HotlinePublic
from controller.recording_desk import HotlineRecordings
from controller.records import Records
from controller.reminder_desk import HotlineReminders
from controller.targets import TICKET
from controller.ticket_desk import HotlineDesk, from_store
from controller.ticket_office import HotlineOffice
from controller.transcript_desk import HotlineTranscripts
from metrics.servicelevel import Tally
from pbx.ami import AmiDoor
from pbx.call import CallRecord, CallState, Outcome
from pbx.callback import CallbackKind, CallbackRequest
from pbx.events import (
    AgentSignedIn,
    AgentSignedOut,
    AgentWentNotReady,
    AgentWentReady,
    CallbackAsked,
    CallbackCancelled,
    CallerEntry,
    CallerIdle,
    CallerListed,
    CallerUnlisted,
    ConsultAsked,
    ConsultCompleted,
    DigitsAsked,
    Event,
    HandOverAsked,
    HoldAsked,
    MuteAsked,
    OutboundAsked,
    ResumeAsked,
    StepStarted,
    TargetKind,
    ThirdPartyAsked,
    ThirdPartyDropped,
    TicketWords,
    TransferAsked,
    WrapUpExtended,
)
from pbx.ids import ActorId, AgentId, CallId, QueueId, RequestId
from pbx.notice import Incident, Registration
from pbx.supervision import AuditEntry, SupervisorRequest
from web.backend import (
    TALKING_STATES,
    WAITING_STATES,
    AgentView,
    CallView,
    ChangeSignal,
    Counters,
    ForcedView,
    IncidentView,
    ListenerView,
    NoticeView,
    Overview,
    QueueView,
    ReasonView,
    RequestResult,
    ServiceLevelView,
    SupervisionView,
    Unavailable,
)
from web.campaign_view import CampaignView
from web.capture_desk import CaptureDesk

T = TypeVar("T")

SHOWN_AFTER_END_S = 20.0
"""A call that has ended stays on the first page so long, greyed."""

log = logging.getLogger(__name__)

KEPT_AFTER_END = 200
"""So many ended calls are kept at hand: the store has them a moment later only."""

_INVISIBLE: tuple[type[Event], ...] = (StepStarted, CallerIdle)
"""Events after which nothing that a page shows has changed."""


def queue_views(house: House) -> tuple[QueueView, ...]:
    """The queues with what goes on in them now."""
    ready = house.roster.ready_candidates()
    here_today = [
        house.roster.profile(agent.id) for agent in house.roster.agents() if agent.state is not AgentState.OFFLINE
    ]
    views = []
    for queue in map(house.queue, house.plan.queues):  # as they are now, not as configured
        here = [live for live in house.calls.values() if live.record.queue == queue.id]
        waiting = [live for live in here if live.state in WAITING_STATES]
        views.append(
            QueueView(
                queue.id,
                queue.name_zh,
                queue.name_en,
                len(waiting),
                min((live.record.queued_at or 0.0 for live in waiting), default=None),
                sum(live.state in TALKING_STATES for live in here),
                sum(queue.served_by(profile) for profile, _ in ready),
                not any(queue.served_by(profile) for profile in here_today),
            )
        )
    return tuple(views)


class HotlineBackend:
    """See `web.backend.Backend` for the meaning of each method."""

    def __init__(
        self,
        *,
        house: House,
        records: Records,
        performer: Performer,
        tally: Tally,
        door: AmiDoor,
        recordings: HotlineRecordings,
        desk: HotlineDesk,
        events: HotlineEvents,
        public: HotlinePublic,
        office: HotlineOffice,
        reminders: HotlineReminders,
        words: HotlineTranscripts,
        clock: Callable[[], float],
        answer_s: float = 5.0,
        own_sounds: OwnSounds | None = None,
    ) -> None:
        self._house = house
        self._records = records
        self._performer = performer
        self._tally = tally
        self._door = door
        self.recordings = recordings
        self._own_sounds = own_sounds
        self.desk = desk
        self.events = events
        self.public = public
        self.office = office
        self.reminders = reminders
        self.words = words
        self._clock = clock
        self._answer_s = answer_s
        self._zone = ZoneInfo(house.plan.timezone)
        self._signal = ChangeSignal()
        self._ended: deque[CallRecord] = deque(maxlen=KEPT_AFTER_END)
        self._outcomes: dict[Outcome, int] = {}
        self._day = ""
        self._numbers = itertools.count(1)
        self.engine: Engine | None = None
        self.capture: CaptureDesk  #: set as soon as there is one

    # ---------------------------------------------------------------- fed by the engine

    def stepped(self, event: Event) -> None:
        """A step was made; pages are told when something that they show may have changed."""
        if not isinstance(event, _INVISIBLE):
            self._signal.bump()

    def touch(self) -> None:
        """Something that a page shows has changed, and no step made it."""
        self._signal.bump()

    def ended(self, record: CallRecord) -> None:
        """A call has ended: it is counted into its day, and shown for a little while."""
        self._new_day()
        if record.outcome is not None and record.direction == "inbound":
            self._outcomes[record.outcome] = self._outcomes.get(record.outcome, 0) + 1
        self._ended.append(record)

    def restore(self, records: Sequence[CallRecord]) -> None:
        """The day's calls from the store, at the start."""
        self._new_day()
        for record in records:
            self._tally.put(record)
            if record.outcome is not None and record.ended_at is not None and record.direction == "inbound":
                self._outcomes[record.outcome] = self._outcomes.get(record.outcome, 0) + 1

    def _new_day(self) -> None:
        """Figures of the page are of the day on the hotline's wall; at midnight they begin anew."""
        local = datetime.fromtimestamp(self._clock(), self._zone)
        if local.date().isoformat() != self._day:
            self._day = local.date().isoformat()
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            self._tally.drop_before(midnight.timestamp())
            self._outcomes.clear()

    # ---------------------------------------------------------------- the overview

    def overview(self) -> Overview:
        """What is going on now."""
        self._new_day()
        house, now = self._house, self._clock()
        heard = house.heard_agents()
        calls = [_live_view(live) for live in house.calls.values()]
        calls += [_ended_view(one) for one in self._ended if now - (one.ended_at or now) < SHOWN_AFTER_END_S]
        count = self._outcomes.get
        inbound = [live.record for live in house.calls.values() if live.record.direction == "inbound"]
        talked = sum(record.joined_at is not None for record in inbound)  # decided, not yet ended
        return Overview(
            version=self._signal.version,
            now=now,
            connected=house.connected,
            calls=tuple(calls),
            agents=tuple(
                AgentView(
                    agent.id,
                    house.roster.profile(agent.id).name,
                    agent.state.value,
                    agent.since,
                    agent.reason,
                    agent.call,
                    agent.phone,
                    house.seats.phone_of(agent.id),
                    agent.use.value,
                    limit := house.plan.agent_rules.limit_of(agent),
                    limit is not None and now > agent.since + limit,
                    agent.until or None,
                    forced_by=house.forced_by(agent.id),
                    seat_taken_by=taken[1] if (taken := house.seats.taken(agent.id)) is not None else None,
                    heard=agent.id in heard,
                )
                for agent in house.roster.agents()
            ),
            incidents=self._incidents(),
            notices=tuple(NoticeView(one.at, one.what, one.agent, one.detail) for one in house.notices),
            reasons=tuple(ReasonView(reason, *names) for reason, names in house.plan.reason_names.items()),
            queues=queue_views(self._house),
            service_levels=tuple(
                ServiceLevelView(one.definition, one.queue, one.numerator, one.denominator, one.value)
                for one in self._tally.figures()
            ),
            counters=Counters(
                offered=talked
                + count(Outcome.ANSWERED, 0)
                + count(Outcome.ABANDONED, 0)
                + count(Outcome.FAILED, 0)
                + count(Outcome.OVERFLOWED, 0),
                answered=talked + count(Outcome.ANSWERED, 0),
                abandoned=count(Outcome.ABANDONED, 0),
                left_menu=count(Outcome.LEFT_MENU, 0),
                closed=count(Outcome.CLOSED, 0),
                failed=count(Outcome.FAILED, 0),
                overflowed=count(Outcome.OVERFLOWED, 0),
            ),
            exchange={name: value for name, value in asdict(self._door.counters).items() if isinstance(value, int)},
            archive=self.recordings.state(),
        )

    def _incidents(self) -> tuple[IncidentView, ...]:
        registered = self._house.registered
        return tuple(
            IncidentView(
                one.id,
                one.kind,
                one.area,
                one.queue,
                one.number,
                one.until,
                one.given_at,
                len(registered.get(one.id, {})),
            )
            for one in self._house.incidents.values()
        )

    async def changed(self, version: int) -> int:
        """Wait for a change."""
        return await self._signal.wait(version)

    # ---------------------------------------------------------------- agents

    async def sign_in(self, agent: AgentId, seat: AgentId | None = None) -> RequestResult:
        """签入."""
        return await self._ask(lambda request, at: AgentSignedIn(agent, request, at, seat))

    async def ready(self, agent: AgentId) -> RequestResult:
        """示闲."""
        return await self._ask(lambda request, at: AgentWentReady(agent, request, at))

    async def not_ready(self, agent: AgentId, reason: str) -> RequestResult:
        """示忙."""
        return await self._ask(lambda request, at: AgentWentNotReady(agent, reason, request, at))

    async def extend_wrap_up(self, agent: AgentId, seconds: float) -> RequestResult:
        """Longer 话后整理."""
        return await self._ask(lambda request, at: WrapUpExtended(agent, seconds, request, at))

    async def sign_out(self, agent: AgentId) -> RequestResult:
        """签出."""
        return await self._ask(lambda request, at: AgentSignedOut(agent, request, at))

    async def third_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        """三方通话."""
        return await self._ask(lambda request, at: ThirdPartyAsked(agent, endpoint, request, at))

    # ---------------------------------------------------------------- supervision

    def actor(self, by: ActorId) -> Actor | None:
        """Whose token it is."""
        return self._house.plan.actor(by)

    async def supervise(self, make: Callable[[RequestId, float], SupervisorRequest]) -> RequestResult:
        """A supervisor's order."""
        return await self._ask(make)

    def supervision(self) -> SupervisionView:
        """What supervisors have changed for now, and who listens."""
        house = self._house
        state = house.supervision
        live = house.calls
        return SupervisionView(
            tuple(ForcedView(agent, one.by, one.action.value, one.at) for agent, one in state.forced.items()),
            tuple(one for mine in state.skills.values() for one in mine.values()),
            tuple(state.queues.values()),
            tuple(
                ListenerView(
                    one.by,
                    one.agent,
                    one.call,
                    live[one.call].record.queue if one.call in live else None,
                    one.mode,
                    one.started_at if one.hears else None,
                )
                for one in state.spies.values()
            ),
        )

    async def note(self, entry: AuditEntry) -> None:
        """A line of the audit trail."""
        await from_store(self._records.note(entry))

    async def audit(self, since: float, until: float, agent: str) -> Sequence[Mapping[str, object]]:
        """The audit trail."""
        return as_json(await from_store(self._records.audit(since, until, agent)))

    async def caller_list(self) -> Sequence[CallerEntry]:
        """来电名单."""
        now = self._clock()
        return sorted(
            (
                CallerEntry(one.number, one.kind.value, one.until, one.queue, one.priority, one.by, one.note)
                for one in self._house.callers
                if now < one.until
            ),
            key=lambda one: one.number,
        )

    async def list_caller(self, entry: CallerEntry) -> RequestResult:
        """Put a number into the caller list."""
        return await self._ask(lambda request, at: CallerListed(entry, request, at))

    async def unlist_caller(self, number: str, by: str) -> RequestResult:
        """Take a number out of the caller list."""
        return await self._ask(lambda request, at: CallerUnlisted(number, by, request, at))

    # ---------------------------------------------------------------- call-backs

    async def callbacks(self, since: float, until: float) -> Sequence[CallbackRequest]:
        """The requests of a span, and the open ones; those as they are now."""
        stored = {one.id: one for one in await from_store(self._records.callbacks(since, until))}
        stored |= {id: one for id, one in self._house.callbacks.items() if one.kind is not CallbackKind.FOLLOW_UP}
        return sorted(stored.values(), key=lambda one: (one.asked_at, one.id))

    async def ask_callback(
        self, number: str, queue: QueueId, call: CallId | None, place_at: float, language: str, by: str
    ) -> RequestResult:
        """Have a number called."""
        return await self._ask(
            lambda request, at: CallbackAsked(number, queue, call, place_at, language, by, request, at)
        )

    async def cancel_callback(self, id: str, by: str) -> RequestResult:
        """Nobody is to be called for the request any more."""
        return await self._ask(lambda request, at: CallbackCancelled(id, by, request, at))

    async def campaign(self, since: float, until: float) -> CampaignView:
        """The voice follow-up."""
        return await campaign_view(self._house, self._records, since, until, self._clock())

    # ---------------------------------------------------------------- incident notices

    async def keep_notice_sound(self, by: ActorId, language: str, wav: bytes) -> RequestResult:
        """A supervisor's own words for notices."""
        code = refusal(self._house.plan.actor(by), Action.GIVE_NOTICE)
        if not code and (self._own_sounds is None or not self._own_sounds.possible):
            code = "no_own_sounds"
        if code or self._own_sounds is None:
            return RequestResult(False, code)
        # Only when it is asked for: its libraries take long to load, and callers wait for the start.
        upload = await asyncio.to_thread(importlib.import_module, "ivr.upload")
        try:
            sound = await asyncio.to_thread(upload.own_words, wav)
            name = await asyncio.to_thread(self._own_sounds.keep, language, sound)
        except upload.BadSound as error:
            return RequestResult(False, error.code)
        except OSError as error:
            log.error("a notice's sound cannot be kept: %s", error.strerror, extra={"action": "notice.sound_unwritten"})
            return RequestResult(False, "not_kept")
        return RequestResult(True, "", {"sound": name, "seconds": f"{len(sound) / upload.audio.RATE:.1f}"})

    async def has_notice_sound(self, language: str, name: str) -> bool:
        """Whether such a sound was kept."""
        return self._own_sounds is not None and await asyncio.to_thread(self._own_sounds.has, language, name)

    async def incident_notices(self, since: float, until: float) -> Sequence[Incident]:
        """The notices of a span, and those that hold."""
        return await from_store(self._records.notices(since, until))

    async def incident_notice(self, id: str) -> tuple[Incident, Sequence[Registration]] | None:
        """One notice, with who registered for it."""
        return await from_store(self._records.notice(id))

    # ---------------------------------------------------------------- in the call

    async def hold(self, agent: AgentId) -> RequestResult:
        """保持: the agent's caller hears music."""
        return await self._ask(lambda request, at: HoldAsked(agent, request, at))

    async def resume(self, agent: AgentId) -> RequestResult:
        """取消保持: the agent talks with his caller again; one whom he asks is let go."""
        return await self._ask(lambda request, at: ResumeAsked(agent, request, at))

    async def transfer(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        """盲转: the agent gives his caller away."""
        return await self._ask(lambda request, at: TransferAsked(agent, kind, target, request, at))

    async def consult(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        """咨询: the agent asks somebody; his caller is on hold."""
        return await self._ask(lambda request, at: ConsultAsked(agent, kind, target, request, at))

    async def complete(self, agent: AgentId) -> RequestResult:
        """咨询转接: the one who was asked takes the caller."""
        return await self._ask(lambda request, at: ConsultCompleted(agent, request, at))

    async def drop_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        """A third party is let go, ringing or talking."""
        return await self._ask(lambda request, at: ThirdPartyDropped(agent, endpoint, request, at))

    async def hand_over(
        self, agent: AgentId, destination: str, way: str, words: TicketWords | None = None
    ) -> RequestResult:
        """一键转接, 三方通话, 工单流转 to a destination of the configuration.

        A ticket's number comes after its commit; while the database is away: ``ticket_delayed``.
        """
        said = words or TicketWords()
        try:
            return await self._ask(lambda request, at: HandOverAsked(agent, destination, way, request, at, said))
        except Unavailable:
            if way == TICKET and self.engine is not None and self._house.connected:
                return RequestResult(False, "ticket_delayed")
            raise

    async def dial(self, agent: AgentId, number: str, purpose: str, queue: str) -> RequestResult:
        """外呼: the agent calls a citizen."""
        return await self._ask(lambda request, at: OutboundAsked(agent, number, purpose, queue, request, at))

    async def digits(self, agent: AgentId, digits: str) -> RequestResult:
        """Keys towards the other side."""
        return await self._ask(lambda request, at: DigitsAsked(agent, digits, request, at))

    async def mute(self, agent: AgentId, *, on: bool) -> RequestResult:
        """静音: the caller does not hear the agent, or hears him again."""
        return await self._ask(lambda request, at: MuteAsked(agent, on, request, at))

    async def _ask(self, make: Callable[[RequestId, float], Event]) -> RequestResult:
        if self.engine is None:
            raise Unavailable("exchange")
        request = RequestId(f"r{next(self._numbers)}")
        answer = self._performer.expect(request)
        self.engine.post(make(request, self._clock()))
        try:
            async with asyncio.timeout(self._answer_s):
                reply = await answer
        except TimeoutError:
            raise Unavailable("exchange") from None
        return RequestResult(reply.ok, reply.code, dict(reply.detail))

    # ---------------------------------------------------------------- calls

    async def call_records(self, since: float, until: float) -> Sequence[CallRecord]:
        """The calls of a span; live ones as they are now."""
        stored = {record.call: record for record in await from_store(self._records.calls(since, until))}
        for newer in (*self._ended, *(live.record for live in self._house.calls.values())):
            if since <= newer.arrived_at < until:
                stored[newer.call] = newer
        return sorted(stored.values(), key=lambda record: (record.arrived_at, record.call))

    async def call(self, call: CallId) -> CallRecord | None:
        """One call."""
        live = self._house.calls.get(call)
        newest = live.record if live is not None else next((one for one in self._ended if one.call == call), None)
        return newest if newest is not None else await from_store(self._records.call(call))


def _live_view(live: LiveCall) -> CallView:
    record = live.record
    since = {
        CallState.WAITING: record.queued_at,
        CallState.NET: record.queued_at,
        CallState.OFFERED: record.offers[-1].offered_at if record.offers else None,
        CallState.TALKING: record.joined_at,
        CallState.HELD: record.holds[-1].began_at if record.holds else None,
        CallState.SURVEY: record.released_at,
    }.get(live.state)
    return _view(record, live.state, since or record.arrived_at)


def _ended_view(record: CallRecord) -> CallView:
    return _view(record, CallState.ENDED, record.ended_at or record.arrived_at)


def _view(record: CallRecord, state: CallState, since: float) -> CallView:
    wait = None
    if record.queued_at is not None:
        end = record.joined_at or record.ended_at
        wait = end - record.queued_at if end is not None else None
    return CallView(
        record.call,
        state,
        since,
        record.arrived_at,
        record.language,
        record.menu_path,
        record.queue,
        record.queued_at,
        wait,
        record.agent,
        record.outcome,
    )
