"""A hotline in memory for the web's tests.

It behaves, by the same tables of moves as the real one, without a telephone.

Tests drive it as citizens and phones would (`arrive`, `press`, `enqueue`, `offer`, `join`,
`agent_leaves`, `hang_up`); the web asks it as it asks the controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from acd.campaign import figures
from agents.agent import Agent, AgentRules, step
from agents.moves import AgentInput, AgentState, Refused
from agents.rights import ADMIN, ADMINISTRATOR, Actor
from metrics import kpi
from metrics.prometheus import HotlineMetrics
from metrics.servicelevel import Tally, abandon_wait, answer_wait
from pbx.call import CallInput, CallRecord, CallState, OfferRecord, Outcome, VoiceMessage, moved
from pbx.callback import CallbackRequest
from pbx.commands import OpenTicket
from pbx.events import CallerEntry, PhoneUse, TargetKind, TicketWords
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId, RequestId
from pbx.notice import Incident, Registration
from pbx.supervision import AuditEntry, SupervisorRequest
from recordings.transcript import Transcript
from tests.fakes.desk import MemoryDesk, NoEvents, NoPublic, NoReminders
from tests.fakes.office import MemoryOffice
from tests.fakes.recording_desk import MemoryRecordings
from tests.fakes.transcripts import MemoryTranscripts
from web.backend import (
    AgentView,
    CallView,
    ChangeSignal,
    Counters,
    IncidentView,
    NoticeView,
    Overview,
    QueueView,
    RequestResult,
    ServiceLevelView,
    SupervisionView,
    Unavailable,
)
from web.campaign_view import AskedTicket, CampaignView
from web.capture_desk import CaptureDesk, RecordingCheck, RecordingFacts, Sealed
from web.event_desk import EventDesk
from web.public_desk import PublicDesk
from web.reminder_desk import ReminderDesk
from web.transcript_desk import TranscriptDesk

GENERAL, ENGLISH, APPROVALS = QueueId("general"), QueueId("english"), QueueId("approvals")
NAMES = {GENERAL: ("综合服务", "General"), ENGLISH: ("英语专席", "English desk"), APPROVALS: ("一号答", "Approvals")}
STAFF = {"1001": "王芳", "1002": "李伟", "1003": "张敏"}
CALLER = "13800001234"


class MemoryBackend:
    """Implements `web.backend.Backend` over plain dictionaries."""

    def __init__(self, *, clock: Callable[[], float] = time.time, agents: dict[str, str] | None = None) -> None:
        self.clock = clock
        self.connected = True
        self.store_up = True
        self.signal = ChangeSignal()
        self.rules = AgentRules()
        self.names = {AgentId(agent): name for agent, name in (agents or STAFF).items()}
        self.metrics = HotlineMetrics(NAMES)
        self.tally = Tally()
        self.recordings = MemoryRecordings()
        self.noted: dict[str, AuditEntry] = {}
        self.transcripts: dict[CallId, Transcript] = {}
        self.words: TranscriptDesk = MemoryTranscripts(self.transcripts)
        self.desk = MemoryDesk(self.names, clock, self._check_store)
        self.events: EventDesk = NoEvents()
        self.public: PublicDesk = NoPublic()
        self.reminders: ReminderDesk = NoReminders()
        self.capture: CaptureDesk = self
        self.healthy = True
        self.office = MemoryOffice(self.desk)
        self.requests = self.desk.requests
        self.orders: list[SupervisorRequest] = []
        self.incidents: list[IncidentView] = []
        self.given: dict[str, Incident] = {}
        self.wanted: list[Registration] = []
        self.listed: dict[str, CallerEntry] = {}
        self.asked_back: dict[str, CallbackRequest] = {}
        self.seats: dict[AgentId, AgentId] = {}  # of those who sit elsewhere than at their own phones
        self.notices: list[NoticeView] = []
        self.unserved: set[QueueId] = set()
        self._records: dict[CallId, CallRecord] = {}
        self._states: dict[CallId, tuple[CallState, float]] = {}
        self._agents = {agent: Agent(agent, phone=True, since=clock()) for agent in self.names}

    # ------------------------------------------------------------ what happens on the telephone

    def arrive(self, number: int = 1, *, dialled: str = "12345", caller: str = CALLER) -> CallId:
        """A citizen's call is answered by the exchange."""
        call = CallId(f"hotline-1763744400.{number}")
        now = self.clock()
        self._states[call] = (CallState.ARRIVED, now)
        self._save(CallRecord(call, ChannelName(f"PJSIP/carrier-{number:08x}"), dialled, caller, now))
        return call

    def press(self, call: CallId, key: str, *, language: str = "zh") -> None:
        """The caller is in the menu and presses a key."""
        self._move(call, CallInput.ASK)
        record = self._records[call]
        self._save(replace(record, menu_path=(*record.menu_path, key), language=language))

    def enqueue(self, call: CallId, queue: QueueId = GENERAL) -> None:
        """The caller enters a line."""
        self._move(call, CallInput.QUEUE)
        now = self.clock()
        self._save(replace(self._records[call], queue=queue, queued_at=now, menu_done_at=now))

    def offer(self, call: CallId, agent: str) -> None:
        """An agent's phone rings for the caller."""
        self._move(call, CallInput.OFFER)
        self._agent(agent, AgentInput.RESERVE, call)
        self._agent(agent, AgentInput.RING, call)
        record = self._records[call]
        row = OfferRecord(AgentId(agent), self.clock(), "longest idle")
        self._save(replace(record, offers=(*record.offers, row)))

    def join(self, call: CallId, agent: str) -> None:
        """The agent answers."""
        self._move(call, CallInput.JOIN)
        self._agent(agent, AgentInput.JOIN, call)
        now = self.clock()
        record = replace(self._records[call], agent=AgentId(agent), joined_at=now)
        queue = record.queue or GENERAL
        opening = OpenTicket(call, record.caller, record.dialled, record.language, queue, AgentId(agent), now)
        record = replace(record, ticket=self.desk.open_for(opening))
        self._save(record)

    def agent_leaves(self, call: CallId) -> None:
        """The agent hangs up; the caller is asked for his satisfaction."""
        self._move(call, CallInput.AGENT_LEFT)
        record = self._records[call]
        self._agent(str(record.agent), AgentInput.RELEASE, call)
        self._save(replace(record, released_at=self.clock()))

    def hang_up(self, call: CallId, *, score: int | None = None) -> None:
        """The caller is gone."""
        state, _ = self._states[call]
        self._move(call, CallInput.END)
        record = replace(self._records[call], ended_at=self.clock(), score=score)
        if state is CallState.OFFERED:
            self._agent(str(record.offers[-1].agent), AgentInput.OFFER_FAILED, call)
        if record.joined_at is not None:
            outcome = Outcome.ANSWERED
        elif record.queued_at is not None:
            outcome = Outcome.ABANDONED
        else:
            outcome = Outcome.LEFT_MENU
        self._save(replace(record, outcome=outcome))

    def use(self, agent: str, use: PhoneUse) -> None:
        """The agent's phone begins or ends a call of its own."""
        self._agents[AgentId(agent)] = replace(self._agents[AgentId(agent)], use=use)
        self.signal.bump()

    def connect(self, connected: bool) -> None:
        """The exchange is lost or found."""
        self.connected = connected
        self.signal.bump()

    # ------------------------------------------------------------ web.backend.Backend

    def overview(self) -> Overview:
        live = {call: state for call, (state, _) in self._states.items()}
        done = kpi.compute(self._records.values())
        return Overview(
            version=self.signal.version,
            now=self.clock(),
            connected=self.connected,
            calls=tuple(self._call_view(record) for record in self._records.values()),
            agents=tuple(
                AgentView(
                    agent.id,
                    self.names[agent.id],
                    agent.state.value,
                    agent.since,
                    agent.reason,
                    agent.call,
                    agent.phone,
                    self.seats.get(agent.id, agent.id),
                    agent.use.value,
                    limit := self.rules.limit_of(agent),
                    limit is not None and self.clock() > agent.since + limit,
                    agent.until or None,
                )
                for agent in self._agents.values()
            ),
            queues=tuple(self._queue_view(queue, live) for queue in NAMES),
            service_levels=tuple(
                ServiceLevelView(row.definition, row.queue, row.numerator, row.denominator, row.value)
                for row in self.tally.figures()
            ),
            counters=Counters(done.offered, done.answered, done.abandoned, done.left_menu, done.closed, done.failed),
            notices=tuple(self.notices),
            incidents=tuple(self.incidents),
            exchange={"events": 42, "garbage": 0, "timeouts": 1},
        )

    async def changed(self, version: int) -> int:
        return await self.signal.wait(version)

    async def sign_in(self, agent: AgentId, seat: AgentId | None = None) -> RequestResult:
        if seat is not None and seat not in self._agents:
            return RequestResult(False, "unknown_seat")
        return self._request("sign_in", agent, AgentInput.SIGN_IN)

    async def ready(self, agent: AgentId) -> RequestResult:
        return self._request("ready", agent, AgentInput.GO_READY)

    async def not_ready(self, agent: AgentId, reason: str) -> RequestResult:
        return self._request("not_ready", agent, AgentInput.GO_NOT_READY, reason)

    async def extend_wrap_up(self, agent: AgentId, seconds: float) -> RequestResult:
        """Longer 话后整理."""
        return self._request("extend_wrap_up", agent, AgentInput.EXTEND, extend_s=seconds)

    async def sign_out(self, agent: AgentId) -> RequestResult:
        return self._request("sign_out", agent, AgentInput.SIGN_OUT)

    async def third_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        self.requests.append(("third_party", agent, endpoint))
        if agent not in self._agents:
            return RequestResult(False, "unknown_agent")
        if endpoint not in self._agents:
            return RequestResult(False, "unknown_endpoint")
        if self._agents[agent].state is not AgentState.TALKING:
            return RequestResult(False, "not_talking")
        return RequestResult(True)

    async def hold(self, agent: AgentId) -> RequestResult:
        self.requests.append(("hold", agent))
        return self._in_talk(agent)

    async def resume(self, agent: AgentId) -> RequestResult:
        self.requests.append(("resume", agent))
        return self._in_talk(agent)

    async def transfer(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        self.requests.append(("transfer", agent, kind, target))
        return self._in_talk(agent)

    async def consult(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        self.requests.append(("consult", agent, kind, target))
        return self._in_talk(agent)

    async def complete(self, agent: AgentId) -> RequestResult:
        self.requests.append(("complete", agent))
        return self._in_talk(agent)

    async def drop_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        self.requests.append(("drop_party", agent, endpoint))
        return self._in_talk(agent)

    async def hand_over(
        self, agent: AgentId, destination: str, way: str, words: TicketWords | None = None
    ) -> RequestResult:
        self.requests.append(("hand_over", agent, destination, way, *((words,) if words is not None else ())))
        found = self._in_talk(agent)
        return RequestResult(True, detail={"ticket": "2026112200001"}) if found.ok and way == "ticket" else found

    async def dial(self, agent: AgentId, number: str, purpose: str, queue: str) -> RequestResult:
        self.requests.append(("dial", agent, number, purpose, queue))
        return self._in_talk(agent)

    async def digits(self, agent: AgentId, digits: str) -> RequestResult:
        self.requests.append(("digits", agent, digits))
        return self._in_talk(agent)

    async def mute(self, agent: AgentId, *, on: bool) -> RequestResult:
        self.requests.append(("mute", agent, on))
        return self._in_talk(agent)

    def _in_talk(self, agent: AgentId) -> RequestResult:
        if agent not in self._agents:
            return RequestResult(False, "unknown_agent")
        if self._agents[agent].state is not AgentState.TALKING:
            return RequestResult(False, "not_talking")
        return RequestResult(True)

    async def caller_list(self) -> Sequence[CallerEntry]:
        return sorted(self.listed.values(), key=lambda entry: entry.number)

    def actor(self, by: ActorId) -> Actor | None:
        return ADMINISTRATOR if by == ADMIN else None

    async def supervise(self, make: Callable[[RequestId, float], SupervisorRequest]) -> RequestResult:
        self.orders.append(make(RequestId("s"), self.clock()))
        return RequestResult(True)

    def supervision(self) -> SupervisionView:
        return SupervisionView()

    async def note(self, entry: AuditEntry) -> None:
        self._check_store()
        self.noted[entry.id] = entry

    async def audit(self, since: float, until: float, agent: str) -> Sequence[Mapping[str, object]]:
        self._check_store()
        return []

    async def list_caller(self, entry: CallerEntry) -> RequestResult:
        if entry.until <= self.clock():
            return RequestResult(False, "over_already")
        self.listed[entry.number] = entry
        return RequestResult(True)

    async def unlist_caller(self, number: str, by: str) -> RequestResult:
        found = self.listed.pop(number, None) is not None
        return RequestResult(found, "" if found else "unknown_number")

    async def callbacks(self, since: float, until: float) -> Sequence[CallbackRequest]:
        self._check_store()
        return [one for one in self.asked_back.values() if one.ended_at is None or since <= one.asked_at < until]

    async def keep_notice_sound(self, by: ActorId, language: str, wav: bytes) -> RequestResult:
        return RequestResult(False, "no_own_sounds")

    async def has_notice_sound(self, language: str, name: str) -> bool:
        return False

    async def campaign(self, since: float, until: float) -> CampaignView:
        self._check_store()
        asked = CallbackRequest("fu1r0", "13800001111", QueueId("general"), since, since, ticket="1", why="late")
        tickets = (AskedTicket("1", 0, "late", asked.queue, "waiting", "", since, None, None, ()),)
        return CampaignView(True, "", None, True, since, figures([asked], 2), tickets)

    async def incident_notices(self, since: float, until: float) -> Sequence[Incident]:
        self._check_store()
        return [one for one in self.given.values() if one.ended_at is None or since <= one.given_at < until]

    async def incident_notice(self, id: str) -> tuple[Incident, Sequence[Registration]] | None:
        self._check_store()
        return (self.given[id], self.wanted) if id in self.given else None

    async def ask_callback(
        self, number: str, queue: QueueId, call: CallId | None, place_at: float, language: str, by: str
    ) -> RequestResult:
        if queue not in NAMES:
            return RequestResult(False, "unknown_queue")
        if number in ("110", ""):
            return RequestResult(False, "forbidden_number")
        now, id = self.clock(), f"cb{len(self.asked_back) + 1}"
        self.asked_back[id] = CallbackRequest(id, number, queue, place_at, now, language, of_call=call, by=by)
        return RequestResult(True)

    async def cancel_callback(self, id: str, by: str) -> RequestResult:
        found = self.asked_back.pop(id, None) is not None
        return RequestResult(found, "" if found else "unknown_callback")

    async def call_records(self, since: float, until: float) -> Sequence[CallRecord]:
        self._check_store()
        return [record for record in self._records.values() if since <= record.arrived_at < until]

    async def call(self, call: CallId) -> CallRecord | None:
        self._check_store()
        return self._records.get(call)

    async def facts(self, call: CallId) -> RecordingFacts | None:
        self._check_store()
        record = self._records.get(call)
        if record is None:
            return None
        judged = RecordingCheck(1.0, 60.0, 59.9, 0.1, ("agent_silent",), "audible", "silent", 50.0, 20.0, 0.0)
        sealed = Sealed(1.0, 59.9, 1916844, "0" * 64)
        return RecordingFacts(call, record.recording is not None, record.consent, record.pauses, sealed, judged)

    # ------------------------------------------------------------ inside

    def leave_message(self, call: CallId, seconds: float) -> None:
        """The caller speaks after the tone."""
        now = self.clock()
        self._save(replace(self._records[call], message=VoiceMessage(now - seconds, now, "key")))

    def _check_store(self) -> None:
        if not self.store_up:
            raise Unavailable("store")

    def _save(self, record: CallRecord) -> None:
        self._records[record.call] = record
        self.tally.put(record)
        self.metrics.observe(record)
        self.signal.bump()

    def _move(self, call: CallId, cause: CallInput) -> None:
        state, _ = self._states[call]
        after = moved(state, cause)
        assert after is not None, f"no move from {state} by {cause}"
        self._states[call] = (after, self.clock())

    def _agent(self, agent: str, cause: AgentInput, call: CallId) -> None:
        after = step(self._agents[AgentId(agent)], cause, self.clock(), call=call, rules=self.rules)
        assert isinstance(after, Agent), after
        self._agents[AgentId(agent)] = after

    def _request(
        self, name: str, agent: AgentId, cause: AgentInput, reason: str = "", extend_s: float = 0.0
    ) -> RequestResult:
        self.requests.append((name, agent, reason) if reason else (name, agent))
        if not self.connected:
            return RequestResult(False, "exchange_unavailable")
        if agent not in self._agents:
            return RequestResult(False, "unknown_agent")
        after = step(self._agents[agent], cause, self.clock(), reason=reason, extend_s=extend_s, rules=self.rules)
        if isinstance(after, Refused):
            return RequestResult(False, after.code)
        self._agents[agent] = after
        self.signal.bump()
        return RequestResult(True)

    def _call_view(self, record: CallRecord) -> CallView:
        state, since = self._states[record.call]
        return CallView(
            record.call,
            state,
            since,
            record.arrived_at,
            record.language,
            record.menu_path,
            record.queue,
            record.queued_at,
            answer_wait(record) if record.joined_at is not None else abandon_wait(record),
            record.agent,
            record.outcome,
        )

    def _queue_view(self, queue: QueueId, live: dict[CallId, CallState]) -> QueueView:
        mine = [record for record in self._records.values() if record.queue == queue]
        waiting = [r for r in mine if live[r.call] in (CallState.WAITING, CallState.OFFERED, CallState.NET)]
        return QueueView(
            queue,
            *NAMES[queue],
            waiting=len(waiting),
            waiting_since=min((r.queued_at for r in waiting if r.queued_at is not None), default=None),
            talking=sum(live[record.call] is CallState.TALKING for record in mine),
            agents_ready=sum(agent.available for agent in self._agents.values()),
            unserved=queue in self.unserved,
        )
