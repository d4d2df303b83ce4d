"""What the web needs from the rest of the hotline: one protocol, and the values that travel through it.

The controller implements `Backend`; `tests/fakes/backend.py` is a second one that behaves the same in memory.
All times are epoch seconds of the controller's clock, durations seconds. `Overview` never carries a caller's
number, a key he pressed outside the menu, or a word he said: the first page may be open without a token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from agents.rights import Actor
from pbx.call import CallRecord, CallState, Outcome
from pbx.callback import CallbackRequest
from pbx.events import CallerEntry, TargetKind, TicketWords
from pbx.ids import ActorId, AgentId, CallId, QueueId, RequestId
from pbx.notice import Incident, Registration
from pbx.supervision import AuditEntry, QueueOverride, SkillOverride, SpyMode, SupervisorRequest

if TYPE_CHECKING:
    from web.campaign_view import CampaignView
    from web.capture_desk import CaptureDesk
    from web.desk import TicketDesk
    from web.event_desk import EventDesk
    from web.offices import TicketOffice
    from web.public_desk import PublicDesk
    from web.recording_desk import RecordingDesk
    from web.reminder_desk import ReminderDesk
    from web.transcript_desk import TranscriptDesk


# ---------------------------------------------------------------- the overview: what is going on now


@dataclass(frozen=True, slots=True)
class CallView:
    """One call on the first page. `since` is when it came into `state`.

    `wait_s` is final once joined or gone, None before a line; while he waits, the page counts from
    `queued_at`. `outcome` is given for calls just ended.
    """

    call: CallId
    state: CallState
    since: float
    arrived_at: float
    language: str = "zh"
    menu_path: tuple[str, ...] = ()
    queue: QueueId | None = None
    queued_at: float | None = None
    wait_s: float | None = None
    agent: AgentId | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent on the first page. `state` is the value of `agents.agent.AgentState`, since `since`.

    `phone`: whether the phone where he sits, `seat`, is reachable; `use`: what it is doing (`pbx.events.PhoneUse`):
    ready with a phone in use is a private call, and he is offered nothing. `limit_s`: how long he may be not ready for
    `reason` (None = no limit); `overrun`: he is, and nothing else follows from it. `until`: the end of his wrap-up.
    """

    agent: AgentId
    name: str
    state: str
    since: float
    reason: str = ""
    call: CallId | None = None
    phone: bool = False
    seat: AgentId | None = None
    use: str = "idle"
    limit_s: float | None = None
    overrun: bool = False
    until: float | None = None
    forced_by: str = ""  #: the supervisor who has put him where he is; empty = he himself
    seat_taken_by: AgentId | None = None  #: who has signed in at his own phone, so that he has no seat
    heard: bool = False  #: a supervisor listens to him, where the hotline lets agents know


@dataclass(frozen=True, slots=True)
class ReasonView:
    """A not-ready reason as people read it."""

    reason: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class NoticeView:
    """Something that a supervisor should see, since `at`; `what` as in `controller.house.Notice`."""

    at: float
    what: str
    agent: AgentId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IncidentView:
    """A notice that holds (`pbx.notice.Incident`); `registered`: so many want to be told when it is over."""

    id: str
    kind: str
    area: str
    queue: QueueId | None
    number: str | None
    until: float | None
    given_at: float
    registered: int


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue: callers in its line, since when the longest waits (None = nobody), talks, ready agents.

    `unserved`: no agent who fits it is signed in, so its callers would wait for nobody.
    """

    queue: QueueId
    name_zh: str
    name_en: str
    waiting: int
    waiting_since: float | None
    talking: int
    agents_ready: int
    unserved: bool = False


@dataclass(frozen=True, slots=True)
class ServiceLevelView:
    """One definition's value over the day (`metrics.servicelevel`).

    `queue` None = all queues, `value` None = no call yet.
    """

    definition: str
    queue: QueueId | None
    numerator: int
    denominator: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Counters:
    """Calls of the day by how they ended; `offered` = those that reached a queue's line and are decided."""

    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    left_menu: int = 0
    closed: int = 0
    failed: int = 0
    overflowed: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that the first page shows, at one instant `now`.

    `version` grows with each change (`Backend.changed`); it need not grow by one. `exchange` holds the
    AMI door's totals since the start by name (`pbx.ami.AmiCounters`: events, garbage, actions, timeouts,
    connects, …), `archive` the figures of the recordings' archive (`web.recording_desk.RecordingDesk.state`).
    """

    version: int
    now: float
    connected: bool
    calls: tuple[CallView, ...] = ()
    agents: tuple[AgentView, ...] = ()
    queues: tuple[QueueView, ...] = ()
    service_levels: tuple[ServiceLevelView, ...] = ()
    notices: tuple[NoticeView, ...] = ()
    incidents: tuple[IncidentView, ...] = ()
    reasons: tuple[ReasonView, ...] = ()
    counters: Counters = field(default_factory=Counters)
    exchange: Mapping[str, int] = field(default_factory=dict)
    archive: Mapping[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Callers in a line now, those for whom a phone rings and those in the safety net included."""
        return sum(call.state in WAITING_STATES for call in self.calls)

    @property
    def talking(self) -> int:
        """Callers joined with an agent now."""
        return sum(call.state in TALKING_STATES for call in self.calls)


WAITING_STATES = frozenset({CallState.WAITING, CallState.OFFERED, CallState.NET})
"""States in which a caller hears music and wants an agent."""

TALKING_STATES = frozenset({CallState.TALKING, CallState.HELD})
"""States in which a caller has an agent, on hold or not."""


# ---------------------------------------------------------------- requests and their refusals


@dataclass(frozen=True, slots=True)
class RequestResult:
    """The switchboard's answer to a person's request; `code` as in `pbx.commands.Reply`, empty when `ok`."""

    ok: bool
    code: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForcedView:
    """An agent whom a supervisor has put where he is: by whom, what (`agents.rights.Action`), when."""

    agent: AgentId
    by: ActorId
    action: str
    at: float


@dataclass(frozen=True, slots=True)
class ListenerView:
    """A supervisor who hears a talk since `since` (None = his phone still rings), in `mode`."""

    by: ActorId
    agent: AgentId
    call: CallId
    queue: QueueId | None
    mode: SpyMode
    since: float | None


@dataclass(frozen=True, slots=True)
class SupervisionView:
    """What supervisors have changed for now, and who listens."""

    forced: tuple[ForcedView, ...] = ()
    skills: tuple[SkillOverride, ...] = ()
    queues: tuple[QueueOverride, ...] = ()
    listeners: tuple[ListenerView, ...] = ()


class NotFound(Exception):
    """There is no such agent, call, ticket, recording or transcript; `what` is one of these words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Refused(Exception):
    """The request is well-formed but not allowed now; `code` is stable and machine-readable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Unavailable(Exception):
    """Something the request needs is away for the moment (`what`: ``exchange``, ``store``)."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Backend(Protocol):
    """The hotline as the web sees it.

    Methods may raise `NotFound`, `Refused` and `Unavailable`; `web/errors.py` turns them into answers.
    Agent requests answer when the switchboard has replied (not when the exchange has done it).
    """

    def overview(self) -> Overview:
        """What is going on now; cheap, called at most a few times a second."""
        ...

    async def changed(self, version: int) -> int:
        """Wait until `overview().version` differs from `version` (it may already); give the new one."""
        ...

    async def sign_in(self, agent: AgentId, seat: AgentId | None = None) -> RequestResult:
        """签入: start the agent's shift at `seat`, at his own phone where none is given; a second one takes over."""
        ...

    async def ready(self, agent: AgentId) -> RequestResult:
        """示闲: take calls; ends wrap-up, signs in first where needed."""
        ...

    async def not_ready(self, agent: AgentId, reason: str) -> RequestResult:
        """示忙: take no calls, for `reason`."""
        ...

    async def extend_wrap_up(self, agent: AgentId, seconds: float) -> RequestResult:
        """`seconds` more of after-call work (话后整理)."""
        ...

    async def sign_out(self, agent: AgentId) -> RequestResult:
        """签出: end the shift."""
        ...

    async def third_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        """三方通话: `endpoint` shall join the agent's talk."""
        ...

    def actor(self, by: ActorId) -> Actor | None:
        """Whose token it is: his rights and queues; None when the configuration knows him no more."""
        ...

    async def supervise(self, make: Callable[[RequestId, float], SupervisorRequest]) -> RequestResult:
        """A supervisor's order, made for the request and instant that it is given. Codes: `controller.supervise`."""
        ...

    def supervision(self) -> SupervisionView:
        """What supervisors have changed for now, and who listens."""
        ...

    async def note(self, entry: AuditEntry) -> None:
        """Add a line to the audit trail; an entry of the same id is there already. Answers after the commit."""
        ...

    async def audit(self, since: float, until: float, agent: str) -> Sequence[Mapping[str, object]]:
        """The audit trail of [since, until), oldest first; of one agent unless `agent` is empty."""
        ...

    async def caller_list(self) -> Sequence[CallerEntry]:
        """The caller list, by number."""
        ...

    async def list_caller(self, entry: CallerEntry) -> RequestResult:
        """Treat a number otherwise from its next call on. Codes: `controller.favours`."""
        ...

    async def unlist_caller(self, number: str, by: str) -> RequestResult:
        """Treat a number like every other again. Code: unknown_number."""
        ...

    async def callbacks(self, since: float, until: float) -> Sequence[CallbackRequest]:
        """The call-back requests made in [since, until), and those that are still open, oldest first."""
        ...

    async def ask_callback(
        self, number: str, queue: QueueId, call: CallId | None, place_at: float, language: str, by: str
    ) -> RequestResult:
        """Have a number called for a queue. Codes: no_callback, unknown_queue, forbidden_number."""
        ...

    async def cancel_callback(self, id: str, by: str) -> RequestResult:
        """Nobody is to be called for the request any more. Codes: unknown_callback, callback_dialling."""

    async def campaign(self, since: float, until: float) -> CampaignView:
        """The voice follow-up: as it is now, with its tickets of [since, until) and those open."""
        ...

    async def keep_notice_sound(self, by: ActorId, language: str, wav: bytes) -> RequestResult:
        """Keep a wav file as own words for notices; its name is `sound` of the detail, its length `seconds`.

        Codes: not_allowed, no_own_sounds, not_kept, and those of `ivr.upload.own_words`.
        """
        ...

    async def has_notice_sound(self, language: str, name: str) -> bool:
        """Whether such a sound was kept."""
        ...

    async def incident_notices(self, since: float, until: float) -> Sequence[Incident]:
        """The incident notices given in [since, until), and those that hold, oldest first."""
        ...

    async def incident_notice(self, id: str) -> tuple[Incident, Sequence[Registration]] | None:
        """One incident notice, with every number that wants to hear of its end; None if there is none."""
        ...

    async def hold(self, agent: AgentId) -> RequestResult:
        """保持: the agent's caller hears music."""
        ...

    async def resume(self, agent: AgentId) -> RequestResult:
        """取消保持: the agent talks with his caller again; one whom he asks is let go."""
        ...

    async def transfer(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        """盲转: the agent gives his caller away."""
        ...

    async def consult(self, agent: AgentId, kind: TargetKind, target: str) -> RequestResult:
        """咨询: the agent asks somebody; his caller is on hold."""
        ...

    async def complete(self, agent: AgentId) -> RequestResult:
        """咨询转接: the one who was asked takes the caller."""
        ...

    async def drop_party(self, agent: AgentId, endpoint: AgentId) -> RequestResult:
        """A third party is let go, ringing or talking."""
        ...

    async def hand_over(
        self, agent: AgentId, destination: str, way: str, words: TicketWords | None = None
    ) -> RequestResult:
        """一键转接, 三方通话, 工单流转 to a destination of the configuration.

        By ticket, `detail` has the number of the `ticket` that the unit has now; `words` are what the agent says of it.
        """
        ...

    async def dial(self, agent: AgentId, number: str, purpose: str, queue: str) -> RequestResult:
        """外呼: the agent calls a citizen."""
        ...

    async def digits(self, agent: AgentId, digits: str) -> RequestResult:
        """Keys towards the other side."""
        ...

    async def mute(self, agent: AgentId, *, on: bool) -> RequestResult:
        """静音: the caller does not hear the agent, or hears him again."""
        ...

    async def call_records(self, since: float, until: float) -> Sequence[CallRecord]:
        """The calls that arrived in [since, until), oldest first, live ones included."""
        ...

    async def call(self, call: CallId) -> CallRecord | None:
        """One call's record."""
        ...

    @property
    def desk(self) -> TicketDesk:
        """The hotline's tickets."""
        ...

    @property
    def public(self) -> PublicDesk:
        """Tickets as their citizens see them."""
        ...

    @property
    def events(self) -> EventDesk:
        """Repeats and mass incidents."""
        ...

    @property
    def reminders(self) -> ReminderDesk:
        """Reminders and escalations that were made."""
        ...

    @property
    def office(self) -> TicketOffice:
        """The ownership register, and other installations."""
        ...

    @property
    def recordings(self) -> RecordingDesk:
        """Recordings: heard, exported, held."""
        ...

    @property
    def capture(self) -> CaptureDesk:
        """How calls were recorded."""
        ...

    @property
    def words(self) -> TranscriptDesk:
        """What was said in the calls."""
        ...


class ChangeSignal:
    """A version that grows and that tasks can wait for: a ready-made core for `Backend.changed`.

    Waiters are woken once per change; one that comes late is not woken for each version it missed.
    """

    def __init__(self) -> None:
        self.version = 0
        self._changed = asyncio.Event()

    def bump(self) -> None:
        """Say that something visible has changed."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, version: int) -> int:
        """Wait until the version differs from `version`; return it."""
        while self.version == version:
            await self._changed.wait()
        return self.version
