"""What a hotline has decided: numbers, queues, agents, rules. Pure data; `controller/config.py` reads it.

The switchboard gets one `Plan` and reads no file itself; a new configuration is a new plan with a new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from acd.callback import CallbackRules
from acd.callers import Listed
from acd.campaign import Attempts, Pace
from acd.estimate import DEFAULT_TALK_S
from acd.policy import DEFAULT_AGEING_S, DEFAULT_POLICY, Policy
from acd.relax import RelaxStep
from acd.skills import Requirement, fits
from agents.agent import AgentRules
from agents.rights import ADMIN, ADMINISTRATOR, Actor
from agents.roster import AgentProfile
from controller.supervision import SupervisionRules
from ivr.hours import OpeningHours
from ivr.menu import Menu
from pbx.ids import ActorId, AgentId, QueueId
from recordings.policy import PausePolicy, RecordingPolicy
from tickets.calendars import Calendar

MESSAGE, CALL_BACK, VOICE_MESSAGE, WAIT = "message", "callback", "voice-message", "wait"
"""What a caller is given whom nobody can serve now (`controller.turned_away`); ``wait`` = he joins the line anyway."""


@dataclass(frozen=True, slots=True)
class Full:
    """When a queue is full: so many callers `waiting`, or an expected wait above `wait_s` seconds; 0 = no limit."""

    waiting: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceMessagePlan:
    """How long a voice message may be, and after so much silence it ends (0 = never). Whole seconds."""

    longest_s: int = 120
    silence_s: int = 8


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """What happens to callers of one dialled number: through `menu`, or straight to `direct` (direct mode).

    GB/T 33358-2016 discourages menus for telephone intake (`domain.md` 0.1): hence a mode without one.
    """

    dialled: str
    language: str
    menu: str | None
    direct: QueueId | None
    hours: OpeningHours
    when_closed: str = MESSAGE


@dataclass(frozen=True, slots=True)
class CallbackPlan:
    """How people are called back. `dial`: the address in the exchange, with ``{number}``; empty = nobody is.

    `caller_id`: the number that they see (empty = the hotline's default number). `allow`: regular expressions; a number
    that a caller keys in must match one wholly. `hours`: when people are called.
    """

    dial: str = ""
    caller_id: str = ""
    ring_s: int = 30
    messages_at_once: int = 2  #: calls at a time that need no agent: an incident is over
    rules: CallbackRules = field(default_factory=CallbackRules)
    allow: tuple[str, ...] = ()
    hours: OpeningHours = field(default_factory=OpeningHours)


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """The automatic voice follow-up. `on`: whether there is any; it dials as `CallbackPlan` says.

    `hours`: when citizens are called; `calendar`: only on its working days, None = on every day.
    """

    on: bool = False
    hours: OpeningHours = field(default_factory=OpeningHours)
    calendar: Calendar | None = None
    pace: Pace = field(default_factory=Pace)
    attempts: Attempts = field(default_factory=Attempts)
    ring_s: int = 30


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """One queue (技能组). Times in seconds."""

    id: QueueId
    name_zh: str
    name_en: str
    requirement: Requirement
    ring_s: int = 6  #: `performance.md` 0.5: ring 6 s, then the next agent at once
    retry_s: float = 5.0  #: every fitting agent has left the phone unanswered: ask them again after this time
    music: str = "default"
    announce_first_s: float = 20.0  #: first "you are number N" after so long a wait; 0 = never
    announce_every_s: float = 45.0
    estimate: bool = True  #: the place is told with the expected wait
    expected_talk_s: float = DEFAULT_TALK_S  #: until talks of this queue have been measured
    comfort: tuple[str, ...] = ("still-waiting",)  #: said in turn between the places
    comfort_first_s: float = 60.0  #: 0 = never
    comfort_every_s: float = 90.0
    keys: Mapping[str, str] = field(default_factory=dict)  #: what a key in the line does (`controller.hold_keys`)
    keys_say: tuple[str, ...] = ()  #: said after the place: which keys there are
    policy: Policy = DEFAULT_POLICY  #: which of the agents who fit goes first (`acd.policy.POLICIES`)
    ageing_s: float = DEFAULT_AGEING_S  #: so many seconds of waiting count like one step of priority; 0 = never
    relax: tuple[RelaxStep, ...] = ()  #: who else will do after so long a wait, in the order of their times
    return_within_s: float = 300.0  #: who left the line and comes back within it has his place again; 0 = never
    last_agent_within_s: float = 0.0  #: who talked with an agent so long ago at most is kept for him; 0 = never
    last_agent_wait_s: float = 20.0  #: for so long
    full: Full | None = None  #: None = never
    when_full: str = MESSAGE

    def served_by(self, agent: AgentProfile) -> bool:
        """Whether an agent's skills fit this queue."""
        return fits(agent.skills, self.requirement)


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom a call may be handed over to beside agents: a handling unit, the provincial platform, 110/119/120/122.

    `kind`: ``unit``, ``platform``, ``emergency``. `ways` of ``transfer``, ``three_way``, ``ticket`` (`domain.md` 3.5).
    `extension`: a phone of ours; None = `number` is dialled over the trunk. `unit`: the organisation that a ticket is
    given to, empty = none; `urgency`: how urgent such a ticket is at least (`tickets.ticket.Urgency`).
    """

    id: str
    name_zh: str
    name_en: str
    kind: str
    ways: tuple[str, ...]
    number: str = ""
    extension: AgentId | None = None
    unit: str = ""
    urgency: str = "normal"


@dataclass(frozen=True, slots=True)
class OutboundPlan:
    """Calls to the outside. `allow`: regular expressions of whole numbers; nothing else is dialled.

    `trunk`: the endpoint that carries them, empty = none. `caller`: the number that is shown, `caller_by_queue` for a
    queue of its own. `show_caller`: a citizen who is handed over is shown by his own number, where the carrier allows
    it. `notice`: the recording notice is played before a citizen whom we called is joined.
    """

    trunk: str = ""
    allow: tuple[str, ...] = ()
    caller: str = ""
    caller_by_queue: Mapping[str, str] = field(default_factory=dict)
    show_caller: bool = True
    ring_s: int = 45
    agent_ring_s: int = 20
    auto_answer: bool = False
    notice: bool = True
    survey: bool = False


@dataclass(frozen=True, slots=True)
class SpokenPlan:
    """Menu choices that are said (`controller.spoken`). `at_once`: so many callers are listened to; 0 = none.

    `min_conf`: what is less sure was not said; `sure_conf`: what is at least so sure is taken without asking whether it
    was heard rightly, None = it is always asked. `lag_s`: a listened question waits so much longer for an answer.
    `yes`, `no`: by language.
    """

    at_once: int = 0
    min_conf: float = 0.9
    sure_conf: float | None = None
    lag_s: float = 1.5
    yes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AreaPlan:
    """By what a caller is known to call from an area: the number that he dialled, the queue in whose line he stands,
    the keys that he pressed in a menu (its id, and the keys from its beginning on)."""

    numbers: frozenset[str] = frozenset()
    queues: frozenset[QueueId] = frozenset()
    menu: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the switchboard needs to know. `version` names the configuration in the journal."""

    version: str
    numbers: Mapping[str, NumberPlan]
    default_number: str  #: callers of a number that is not in `numbers` are treated like callers of this one
    menus: Mapping[str, Menu]
    queues: Mapping[QueueId, QueuePlan]
    agents: Mapping[AgentId, AgentProfile]
    extensions: frozenset[AgentId]  #: phones of departments: may be a third party, take no calls from a queue
    agent_rules: AgentRules
    recording: RecordingPolicy
    timezone: str = "Asia/Shanghai"
    pauses: PausePolicy = PausePolicy()
    spoken: SpokenPlan = field(default_factory=SpokenPlan)
    notice: str = "recording-notice"  #: the prompt that announces the recording, in direct mode
    callback: CallbackPlan = field(default_factory=CallbackPlan)
    campaign: CampaignPlan = field(default_factory=CampaignPlan)
    voice_message: VoiceMessagePlan = field(default_factory=VoiceMessagePlan)
    survey: bool = True
    read_ticket: bool = True
    read_ticket_twice: bool = False
    yao: bool = True  #: 1 is spoken 幺 in telephone and ticket numbers
    third_party_ring_s: int = 20
    consult_ring_s: int = 20
    transfer_ring_s: int = 20
    transfer_failed: str = "agent"  #: the one who gave him away is rung, if he is free; ``line`` = whoever is free
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    outbound: OutboundPlan = field(default_factory=OutboundPlan)
    step_tries: int = 3  #: a command that is lost so often leaves the caller to the safety net
    languages: tuple[str, ...] = field(default=("zh", "en"))
    seats: frozenset[AgentId] = frozenset()  #: phones that belong to nobody: any agent may sign in there
    phoneless: frozenset[AgentId] = frozenset()  #: agents without a phone of their own
    callers: tuple[Listed, ...] = ()  #: entries of the caller list that stand in the configuration
    reason_names: Mapping[str, tuple[str, str]] = field(default_factory=dict)  #: of not-ready reasons, zh and en
    code_language: str = "zh"  #: in which agents who dial a code are answered
    lengths: Mapping[str, float] = field(default_factory=dict)  #: of each prompt by its name, in seconds
    supervisors: Mapping[ActorId, Actor] = field(default_factory=dict)
    supervision: SupervisionRules = field(default_factory=SupervisionRules)
    notice_kinds: frozenset[str] = frozenset()  #: incidents of which there is a prompt ``notice-KIND``
    areas: frozenset[str] = frozenset()  #: areas of which there is a prompt ``area-AREA``
    area_callers: Mapping[str, AreaPlan] = field(default_factory=dict)  #: by area: whose callers are known to be there

    @property
    def own_phones(self) -> dict[AgentId, AgentId]:
        """Each agent's own phone, whose number is his id; agents without one are left out."""
        return {agent: agent for agent in self.agents if agent not in self.phoneless}

    @property
    def phones(self) -> tuple[AgentId, ...]:
        """The phones at which agents sit: their own, then the seats."""
        return (*self.own_phones, *sorted(self.seats))

    def actor(self, by: ActorId) -> Actor | None:
        """Who bears an id: a supervisor, or the administrator; None for one whom the configuration does not know."""
        return ADMINISTRATOR if by == ADMIN else self.supervisors.get(by)

    @property
    def supervisor_phones(self) -> tuple[AgentId, ...]:
        """The phones with which supervisors listen."""
        return tuple(sorted(one.phone for one in self.supervisors.values() if one.phone is not None))
