"""The states that the switchboard keeps: live calls, the line, the agents. It holds; the rules are elsewhere.

The rules that change these states stand in `caller.py` (menu and messages), `offers.py` (line, offers), `talk.py`
(talk, net, end), `desk.py` (agents' requests) and `resync.py` (what a snapshot of the exchange
says). All are pure; `switchboard.py` calls them.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from acd.callers import CallerList
from acd.estimate import Patience, Talks
from acd.favours import Memory
from acd.line import Line
from acd.pool import Pool
from agents.agent import Agent
from agents.roster import Roster
from controller.plan import NumberPlan, Plan, QueuePlan
from controller.seats import Seats
from controller.supervision import Supervision
from ivr.follow_up import Dialogue
from ivr.menu import Menu, Position
from pbx.call import CallInput, CallMark, CallRecord, CallState, RecordingPause, moved
from pbx.callback import CallbackRequest
from pbx.campaign import CampaignRest
from pbx.commands import Command, SaveCall
from pbx.ids import ActorId, AgentId, CallId, ChannelName, QueueId
from pbx.memory import ENDED_KEPT, NOTICES_KEPT, DeskNotice, SaveDeskNotice
from pbx.notice import Incident, Registration
from recordings.policy import Milestone

log = logging.getLogger(__name__)


@dataclass(slots=True)
class CurrentOffer:
    """The agent whose phone is being rung for a call; `leg` once the exchange has made it."""

    agent: AgentId
    step: int  #: of the command; reports of another step are about an earlier offer
    leg: ChannelName | None = None
    leg_ended: bool = False


@dataclass(slots=True)
class TicketQuery:
    """A caller queries a ticket by keys (`controller.ticket_query`). `number` None: he is asked for it."""

    tries: int  #: so many answers that find nothing are left
    number: str | None = None
    typed: str = ""  #: keys that came before the question
    serial: int = 0
    asked_at: float | None = None  #: since when the store has been asked
    told: bool | None = None  #: he is being told what was found (True), or that nothing was
    private: bool = True  #: what he keys does not stand in the recording


@dataclass(frozen=True, slots=True)
class SpokenQuestion:
    """A question that is listened to: what may be said, and the key that it stands for."""

    step: int  #: of the command
    phrases: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Dialog:
    """What a caller is asked who wants to be called back. `number` None: he is asked for it."""

    number: str | None
    tries: int = 0
    request: str = ""  #: registered, and about to be stored


@dataclass(slots=True)
class Holding:
    """A caller on hold, and his agent."""

    agent: AgentId
    leg: ChannelName  #: the agent's; it waits in the dialplan
    step: int  #: of the command that parted them
    begun: bool = False  #: the exchange has parted them
    leg_gone: bool = False
    joining: ChannelName | None = None  #: the leg that the caller is fetching now


@dataclass(slots=True)
class Consulting:
    """Whom the agent of a caller on hold is asking."""

    endpoint: AgentId
    agent: AgentId | None  #: where it is an agent: he is kept for it
    name: str  #: in the record
    leg: ChannelName | None = None
    up: bool = False


@dataclass(slots=True)
class Leaving:
    """A transfer that the exchange has not begun yet: the caller still stands in the talk that he leaves."""

    step: int
    agent: AgentId
    legs: tuple[ChannelName, ...]


@dataclass(slots=True)
class Outbound:
    """A call that the hotline places: for whom, and his leg once he has answered and waits."""

    agent: AgentId | None
    leg: ChannelName | None = None
    placed: bool = False


@dataclass(slots=True)
class Campaign:
    """The automatic voice follow-up (`controller.campaign`): who has paused it, and the calls that it has placed."""

    rest: CampaignRest = CampaignRest(ActorId(""), 0.0)
    placed: deque[float] = field(default_factory=lambda: deque(maxlen=1000))  #: when, oldest first
    known: dict[str, None] = field(default_factory=dict)  #: requests that there are or were


@dataclass(slots=True)
class LiveCall:
    """One call in progress. `record` is what will be stored; the rest is forgotten when the call ends."""

    record: CallRecord
    state: CallState = CallState.ARRIVED
    step: int = 0  #: number of the newest command
    oldest_news: int = 0  #: reports of this step and newer ones are news; those of older steps came late
    running: int = 0  #: the newest step that the exchange is known to have begun
    commanded_at: float = 0.0  #: when the newest command was given
    lost: int = 0  #: commands lost in a row
    menu: Menu | None = None
    position: Position | None = None
    releasing: bool = False  #: what is played now is the last thing he hears
    after_notice: QueueId | None = None  #: direct mode: the queue to join after the recording notice
    priority: int = 0
    only: AgentId | None = None  #: the agent whom he is kept for
    refused: frozenset[AgentId] = frozenset()  #: agents who left the phone unanswered for this call
    offer: CurrentOffer | None = None
    in_bridge: bool = False
    legs: dict[ChannelName, AgentId | None] = field(default_factory=dict)  #: other parties now in the talk
    thirds: dict[AgentId, str] = field(default_factory=dict)  #: other parties that are being rung; their names
    holding: Holding | None = None
    consult: Consulting | None = None
    leaving: Leaving | None = None
    given_by: AgentId | None = None  #: who gave him away, until somebody talks with him
    outbound: Outbound | None = None
    fetched: ChannelName | None = None  #: the leg that `Join` has fetched: it does not end by itself with his channel
    talk_since: float | None = None
    talks: list[tuple[float, float]] = field(default_factory=list)
    milestones: set[Milestone] = field(default_factory=set)
    notice_playing: bool = False
    notice_from: float = 0.0  #: so many seconds into the question that is played the notice begins
    notice_until: float = math.inf  #: and so many until it is over; not known: never
    notice_owed: bool = False  #: he pressed a key before the notice began: it is played before he joins a line
    asked_at: float | None = None  #: when the exchange began to play the newest question
    recording: str | None = None
    recording_since: float = 0.0
    recording_stopped: bool = False
    pause: RecordingPause | None = None  #: of the recording, now
    private_step: int = 0  #: the newest command that asks for private keys
    ticket_asked: bool = False
    generation: int = 0  #: of his announcement timer
    announce_at: float | None = None  #: when he is told his place next
    comfort_at: float | None = None  #: when he hears the next word of comfort
    listening: SpokenQuestion | None = None  #: the newest question that he might answer aloud; see `spoken.listens`
    spoke_at: int = 0  #: the command whose question he answered aloud last
    query: TicketQuery | None = None  #: he queries a ticket
    follow_up: Dialogue | None = None  #: the hotline has called him, and asks how satisfied he is
    dialog: Dialog | None = None  #: he is being asked about a call-back
    stood: CallRecord | None = None  #: as he stood in the line, until he hears the menu to which he wanted to go back
    away: str = ""  #: he cannot be served now, and is given this instead (`controller.turned_away`)
    told: tuple[str, ...] = ()  #: the notices that he has heard, oldest first
    saying: str | None = None  #: what the exchange is saying to him (`controller.notices`)
    saying_since: float = 0.0
    registered: frozenset[str] = frozenset()  #: the notices of whose end he wants to be told
    promised: bool = False  #: he is to be told that his number is noted
    comforted: int = 0  #: how many of them he has heard

    @property
    def call(self) -> CallId:
        """The call's id."""
        return self.record.call

    @property
    def channel(self) -> ChannelName:
        """The caller's channel."""
        return self.record.channel

    @property
    def muted(self) -> tuple[tuple[float, float], ...]:
        """When his agent was muted, from and to; an end of 0 = he is."""
        return self.record.mutes

    def mark(self) -> str:
        """What the channel shall carry, so that a restarted controller finds the call again."""
        record = self.record
        node = self.position.encode() if self.position and record.queue is None else ""
        if self.follow_up is not None and record.queue is None:
            node = self.follow_up.encode()
        return CallMark(
            record.dialled,
            record.language,
            record.arrived_at,
            node,
            record.queue or "",
            self.priority,
            record.queued_at or 0.0,
            record.place_at or 0.0,
        ).encode()


def _pool(plan: Plan) -> Pool:
    """An empty pool that knows every agent's skills and every kind of caller that the plan has."""
    pool = Pool()
    for profile in plan.agents.values():
        pool.know(profile.id, profile.skills)
    for queue in plan.queues.values():
        for requirement in (queue.requirement, *(step.requirement for step in queue.relax)):
            pool.prepare(requirement, queue.policy, queue.ageing_s)
    return pool


class House:
    """All states, and the commands of the step that is being made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.calls: dict[CallId, LiveCall] = {}
        self.pool = _pool(plan)  #: who is idle and who waits, for the distribution; it follows the line and the roster
        self.line = Line(self.pool)
        self.seats = Seats(plan.own_phones, plan.seats)  #: who sits at which phone
        self.callers = CallerList()
        for entry in plan.callers:
            self.callers.put(entry)
        self.listening: frozenset[str] = frozenset()  #: languages in which choices that are said can be heard now
        self.memory = Memory()  #: of callers who left a line, and with whom they talked
        self.roster = Roster(plan.agents.values())
        self.connected = False
        self.finishing: dict[CallId, LiveCall] = {}  #: ended, but the exchange has not closed the recording yet
        self.paused: dict[CallId, None] = {}  #: calls whose recording is paused
        self.restored: dict[CallId, CallRecord] = {}  #: open calls as the store knew them at the start
        self.over: dict[CallId, None] = {}  #: the latest calls whose end is known, oldest first
        self.callbacks: dict[str, CallbackRequest] = {}  #: the open requests, by id
        self.placed: set[CallId] = set()  #: calls that have been placed for them, and are not over
        self.clocks: dict[str, int] = {}  #: the generation of each request's timer
        self.callback_clock = 0
        self.campaign = Campaign()
        self.incidents: dict[str, Incident] = {}  #: the notices that hold, oldest first
        self.registered: dict[str, dict[str, Registration]] = {}  #: by notice and number
        self.talks = {queue.id: Talks(queue.expected_talk_s) for queue in plan.queues.values()}
        self.patience = {queue: Patience() for queue in plan.queues}
        self.published: dict[AgentId, str] = {}  #: agents' marks as the exchange has them
        self.notices: deque[DeskNotice] = deque(maxlen=NOTICES_KEPT)  #: what a supervisor should see of agents
        self.unheld: dict[CallId, None] = {}  #: waiting calls that have not been told to hold yet, in order
        self.ending = False  #: the exchange is being stopped with us
        self.dirty = False  #: the line or an agent changed: distribute before the step ends
        self.supervision = Supervision()
        self.changed_queues: dict[QueueId, QueuePlan] = {}  #: queues that are not as configured for now
        self.now = 0.0  #: of the step that is being made
        self.out: list[Command] = []

    # ---------------------------------------------------------------- looking things up

    def number(self, dialled: str) -> NumberPlan:
        """The plan of a dialled number; an unknown one is treated like the hotline's default number."""
        return self.plan.numbers.get(dialled) or self.plan.numbers[self.plan.default_number]

    def queue(self, queue: QueueId) -> QueuePlan:
        """A queue as it is now; one that the configuration no longer has is served by the first queue."""
        found = self.changed_queues.get(queue) or self.plan.queues.get(queue)
        return found if found is not None else next(iter(self.plan.queues.values()))

    def forced_by(self, agent: AgentId) -> str:
        """The supervisor who has put an agent where he is, or will be after his talk; empty = he himself."""
        forced = self.supervision.forced.get(agent)
        return forced.by if forced is not None else ""

    def heard_agents(self) -> frozenset[AgentId]:
        """The agents who are shown that a supervisor hears them; nobody where the hotline does not let them know."""
        if not self.plan.supervision.agent_sees:
            return frozenset()
        return frozenset(one.agent for one in self.supervision.spies.values() if one.hears)

    def priority(self, live: LiveCall) -> int:
        """A caller's priority: his own, or that of his queue where it was raised for now."""
        return self.raised(live.record.queue or QueueId(""), live.priority)

    def raised(self, queue: QueueId, priority: int) -> int:
        """A priority in a queue, or that of everybody in it where a supervisor has put it higher for now."""
        changed = self.supervision.queues.get(queue)
        return max(priority, (changed.priority or 0) if changed is not None else 0)

    def waiting(self) -> Iterable[LiveCall]:
        """Calls in the line, in its order."""
        return (self.calls[entry.call] for entry in self.line.ordered(self.now) if entry.call in self.calls)

    # ---------------------------------------------------------------- changing them

    def emit(self, command: Command) -> None:
        """Add a command to this step's outcome."""
        self.out.append(command)

    def tell(self, what: str, agent: AgentId, detail: str = "") -> None:
        """Show supervisors a notice of an agent, now and after a restart."""
        notice = DeskNotice(self.now, what, agent, detail)
        self.notices.append(notice)
        self.emit(SaveDeskNotice(notice))

    def add(self, record: CallRecord) -> LiveCall:
        """A new live call."""
        live = LiveCall(record)
        self.calls[record.call] = live
        return live

    def move(self, live: LiveCall, cause: CallInput) -> bool:
        """Move a call by the table; a move that the table does not have is refused and logged."""
        target = moved(live.state, cause)
        if target is None:
            log.warning(
                "call %s: no move from %s by %s",
                live.call,
                live.state.value,
                cause.value,
                extra={"action": "call_move_refused"},
            )
            return False
        live.state = target
        return True

    def next_step(self, live: LiveCall) -> int:
        """The number of the next command for this call."""
        live.step += 1
        live.oldest_news = live.step
        live.commanded_at = self.now
        return live.step

    def note(self, live: LiveCall, **changes: object) -> None:
        """Change the call's record and have it stored."""
        live.record = replace(live.record, **changes)  # type: ignore[arg-type]
        self.emit(SaveCall(live.record))

    def ended(self, call: CallId) -> None:
        """A call's end is known."""
        self.over[call] = None
        if len(self.over) > ENDED_KEPT:
            del self.over[next(iter(self.over))]

    def agent(self, agent: AgentId) -> Agent | None:
        """The live state of an agent; None when the configuration does not know him."""
        return self.roster.get(agent) if agent in self.roster else None
