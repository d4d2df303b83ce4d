"""What may stand in the configuration file: one class for each section, with types, limits and defaults."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from acd.estimate import DEFAULT_TALK_S
from acd.policy import DEFAULT_AGEING_S, DEFAULT_POLICY
from agents.agent import AgentRules
from controller.config_alerts import AlertsSection
from controller.config_archive import ArchiveSection, KeepSection
from controller.config_base import Section as Section
from controller.config_figures import FiguresSection
from controller.config_inspection import InspectionSection
from controller.config_open311 import Open311Section as Open311Section
from controller.config_pause import RecordingPauseSection
from controller.config_speech import SpeechSection
from controller.config_staffing import StaffingSection
from tickets.campaign import USUAL
from tickets.follow_up import FollowUpRules
from tickets.query_guard import QueryRules
from tickets.repeats import RepeatRules

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Extension = Annotated[str, Field(pattern=r"^[0-9]{3,8}$")]
Dialled = Annotated[str, Field(pattern=r"^[0-9]{3,20}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, le=86400)]
SPAN = r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d)$"
WORK_SPAN = r"^([01]\d|2[0-3]):[0-5]\d-((([01]\d|2[0-3]):[0-5]\d)|24:00)$"


class HotlineSection(Section):
    """[hotline]: names and places."""

    name_zh: str = "12345政务服务便民热线"
    name_en: str = "12345 government service hotline"
    timezone: str = "Asia/Shanghai"
    default_number: Dialled | None = None  # callers of an unknown number; default: the first of [[numbers]]
    data: str = "var/hotline"  # everything that is written; relative to the configuration file
    menus: str | None = None  # folder of the menus; default: those that come with the program


class NumberSection(Section):
    """[[numbers]]: a dialled number and what happens to its callers; menu or direct, not both."""

    dialled: Dialled
    menu: Id | None = None
    direct: Id | None = None
    city: Id | None = None  # whose number it is, by the id of [[organisations]]; default: that of its queues
    language: Literal["zh", "en"] = "zh"
    hours: dict[str, Any] = Field(default_factory=dict)  # empty = 7x24 (domain.md A2)
    when_closed: Literal["message", "callback", "voice-message"] = "message"


class RelaxSection(Section):
    """One step of `relax` of [[queues]]: see `acd.relax`."""

    after_s: Annotated[float, Field(gt=0, le=86400)]
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # their new, lower levels
    drop: list[str] = Field(default_factory=list)  # skills that are not asked for any more
    join: list[Id] = Field(default_factory=list)  # queues whose agents will do as well, when nobody else is free
    keep: Annotated[int, Field(ge=0, le=10_000)] = 0  # so many idle agents each of those queues keeps for itself


class FullSection(Section):
    """`full` of [[queues]]: see `controller.plan.Full`."""

    waiting: Annotated[int, Field(ge=1, le=100_000)] | None = None  # so many callers in the line
    wait_s: Annotated[float, Field(ge=1, le=86400)] | None = None  # or an expected wait above this


class VoiceMessageSection(Section):
    """[voice_message]: see `controller.plan.VoiceMessagePlan`."""

    longest_s: Annotated[int, Field(ge=5, le=600)] = 120
    silence_s: Annotated[int, Field(ge=0, le=60)] = 8


class QueueSection(Section):
    """[[queues]]: see `controller.plan.QueuePlan`."""

    id: Id
    name_zh: str
    name_en: str
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # the first is the primary one
    ring_s: Annotated[int, Field(ge=1, le=120)] = 6
    retry_s: Seconds = 5.0
    music: Id = "default"
    announce_first_s: Seconds = 20.0
    announce_every_s: Annotated[float, Field(ge=5, le=86400)] = 45.0
    estimate: bool = True
    expected_talk_s: Annotated[float, Field(ge=5, le=7200)] = DEFAULT_TALK_S
    comfort: list[Id] = Field(default_factory=lambda: ["still-waiting"])
    comfort_first_s: Seconds = 60.0
    comfort_every_s: Annotated[float, Field(ge=5, le=86400)] = 90.0
    keys: dict[Annotated[str, Field(pattern=r"^[0-9*#]$")], str] = Field(default_factory=dict)
    keys_say: list[Id] = Field(default_factory=list)
    prefers: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)  # who has them goes first
    policy: str = DEFAULT_POLICY.name
    ageing_s: Seconds = DEFAULT_AGEING_S
    relax: list[RelaxSection] = Field(default_factory=list)
    city: Id | None = None  # only agents of this city fit, besides their skills; a step may drop "city:<id>"
    return_within_s: Seconds = 300.0  # who left the line and comes back within it has his place again; 0 = never
    last_agent_within_s: Annotated[float, Field(ge=0, le=30 * 86400)] = 0.0  # kept for his last agent; 0 = never
    last_agent_wait_s: Seconds = 20.0  # for so long
    full: FullSection | None = None
    when_full: Literal["message", "callback", "voice-message", "wait"] = "message"


class AgentSection(Section):
    """[[agents]]: an agent; his id is his extension, unless he has no phone of his own (phone = false)."""

    id: Extension
    phone: bool = True
    name: Annotated[str, Field(min_length=1, max_length=60)]
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    cities: list[Id] = Field(default_factory=list)  # whose queues he serves, where queues belong to cities


class CallerSection(Section):
    """[[callers]]: an entry of the caller list, see `acd.callers`."""

    number: Annotated[str, Field(pattern=r"^[0-9]{3,20}\*?$")]
    kind: Literal["vip", "emergency_unit", "nuisance"]
    until: Annotated[date, Field(le=date(2999, 12, 31))]  # the last day on which it counts
    queue: Id | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    note: Annotated[str, Field(max_length=200)] = ""


class AreaSection(Section):
    """[[areas]]: an area of incident notices, and by what its callers are known; see `controller.plan.AreaPlan`."""

    id: Id
    numbers: list[str] = Field(default_factory=list)
    queues: list[Id] = Field(default_factory=list)
    menu: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[0-9*#]+)+$")]] = Field(default_factory=list)


class SeatSection(Section):
    """[[seats]]: a phone that belongs to nobody; any agent may sign in there (hot desk)."""

    id: Extension
    name: Annotated[str, Field(max_length=60)] = ""


class ExtensionSection(Section):
    """[[extensions]]: a department's phone that may be a third party."""

    id: Extension
    name: Annotated[str, Field(min_length=1, max_length=60)]


class ReasonSection(Section):
    """One of not_ready_reasons with more than its id."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    name_zh: Annotated[str, Field(max_length=20)] = ""  # default: the pages' own word for it
    name_en: Annotated[str, Field(max_length=30)] = ""
    limit_s: Annotated[float, Field(ge=1, le=86400)] | None = None  # longer shows as overrun
    most: Annotated[int, Field(ge=1)] | None = None  # so many agents at the same time


def _usual_reasons() -> list[str | ReasonSection]:
    return [*AgentRules().not_ready_reasons]


SupervisorRight = Literal[
    "listen", "whisper", "barge", "force", "release", "move", "skills", "notice", "follow_up", "record", "staffing",
    "audit",
]  # fmt: skip


class SupervisorSection(Section):
    """[[supervisors]]: somebody who may order; what each right allows stands in `agents.rights`."""

    id: Id
    name: Annotated[str, Field(min_length=1, max_length=60)]
    phone: Extension | None = None  # where he listens
    queues: list[str] = Field(default_factory=lambda: ["*"], min_length=1)  # on which he may act; "*" = all
    rights: list[SupervisorRight] = Field(min_length=1)


class SupervisionSection(Section):
    """[supervision]: see `controller.supervision.SupervisionRules`."""

    conflict_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    ring_s: Annotated[int, Field(ge=1, le=120)] = 20
    agent_sees: bool = True
    follow_s: Annotated[int, Field(ge=0, le=3600)] = 60


class AgentRulesSection(Section):
    """[agent_rules]: see `agents.agent.AgentRules`."""

    wrap_up_s: Seconds = 20.0
    wrap_up_max_s: Seconds | None = None  # with extensions; default 300 s, or wrap_up_s where that is more
    misses_before_not_ready: Annotated[int, Field(ge=1, le=100)] = 2
    not_ready_reasons: list[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")] | ReasonSection] = Field(
        default_factory=_usual_reasons, min_length=1
    )


Code = Annotated[str, Field(pattern=r"^(\*[0-9]{2,4})?$")]


class PhoneCodesSection(Section):
    """[phone_codes]: what agents dial at their phones; empty = not offered. *43 is the echo test."""

    sign_in: Code = "*11"
    sign_out: Code = "*12"
    ready: Code = "*13"
    not_ready: Code = "*14"  # followed by the digit of the reason, or asked for it
    language: Literal["zh", "en"] = "zh"
    pin_tries: Annotated[int, Field(ge=1, le=100)] = 5  # wrong PINs in a row, of one agent or at one phone
    pin_lock_s: Annotated[float, Field(ge=1, le=86400)] = 900.0  # and so long nobody may try again


class RecordingSection(Section):
    """[recording]: see `recordings.policy.RecordingPolicy`."""

    record: bool = True
    voices: bool = True  # each party's own voice beside it
    consent_required: bool = True
    start: Literal["answer", "after_consent"] = "after_consent"
    keep_days: Annotated[int, Field(ge=1)] = 1095
    transcript_keep_days: Annotated[int, Field(ge=1)] | None = None  # as long as the recording
    keep: list[KeepSection] = Field(default_factory=list)
    archive: ArchiveSection | None = None
    pause: RecordingPauseSection = Field(default_factory=RecordingPauseSection)


class CallSection(Section):
    """[call]: what a caller hears beside the menu."""

    survey: bool = True
    read_ticket: bool = True
    read_ticket_twice: bool = False
    digit_one_yao: bool = True  # 幺 in telephone and ticket numbers
    third_party_ring_s: Annotated[int, Field(ge=1, le=120)] = 20
    consult_ring_s: Annotated[int, Field(ge=1, le=120)] = 20
    transfer_ring_s: Annotated[int, Field(ge=1, le=120)] = 20
    transfer_failed: Literal["agent", "line"] = "agent"  # who gets a caller back whom nobody has taken


class DestinationSection(Section):
    """[[destinations]]: see `controller.plan.Destination`; extension or number, not both."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    name_zh: str
    name_en: str
    kind: Literal["unit", "platform", "emergency"] = "unit"
    ways: list[Literal["ticket", "transfer", "three_way"]] = Field(min_length=1)
    extension: Extension | None = None
    number: Annotated[str, Field(pattern=r"^[+]?[0-9]{2,20}$")] | None = None
    unit: str | None = None  # way "ticket": the organisation that gets it
    urgency: Literal["normal", "urgent", "critical"] | None = None  # of such a ticket at least; emergency = critical


class TrunkSection(Section):
    """[trunk]: the carrier that takes our own calls to the outside; without it there are none."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 5060
    qualify_s: Annotated[int, Field(ge=0, le=3600)] = 0  # 0 = never asked whether it is there (OPTIONS)
    user: str | None = None
    password_file: str | None = None  # a file of mode 0600 that holds the password
    from_user: Annotated[str, Field(pattern=r"^[0-9A-Za-z+_.-]{1,64}$")] | None = None


class OutboundSection(Section):
    """[outbound]: see `controller.plan.OutboundPlan`."""

    allow: list[str] = Field(default_factory=list)  # regular expressions of whole numbers; nothing else is dialled
    caller: Dialled | None = None  # the number that is shown; default: the hotline's default number
    caller_by_queue: dict[Id, Dialled] = Field(default_factory=dict)
    show_caller: bool = True
    ring_s: Annotated[int, Field(ge=5, le=180)] = 45
    agent_ring_s: Annotated[int, Field(ge=1, le=120)] = 20
    auto_answer: bool = False
    notice: bool = True
    survey: bool = False


class CallbackSection(Section):
    """[callback]: see `controller.plan.CallbackPlan` and `acd.callback.CallbackRules`."""

    dial: Annotated[str, Field(pattern=r"^(PJSIP/[A-Za-z0-9@._+*#/{}-]*\{number\}[A-Za-z0-9@._+*#/{}-]*)?$")] = ""
    caller_id: Dialled | None = None
    ring_s: Annotated[int, Field(ge=5, le=120)] = 30
    messages_at_once: Annotated[int, Field(ge=1, le=100)] = 2
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    pause_s: Annotated[float, Field(ge=1, le=86400)] = 600.0
    keep_s: Annotated[float, Field(ge=60, le=30 * 86400)] = 86400.0
    allow: list[str] = Field(default_factory=lambda: ["1[3-9][0-9]{9}", "0[1-9][0-9]{8,10}"])
    hours: dict[str, Any] = Field(default_factory=lambda: {"mon-sun": ["08:00-21:00"]})


class AsteriskSection(Section):
    """[asterisk]: "own" = started, watched and stopped by us; "attach" = a running one is used."""

    mode: Literal["own", "attach"] = "own"
    sip_host: str = "127.0.0.1"
    sip_port: Port = 0  # 0 = a free one, kept for the next start
    ami_host: str = "127.0.0.1"
    ami_port: Port = 0
    ami_user: str = "ctl"
    ami_secret_file: str | None = None  # attach only: a file of mode 0600 that holds the AMI secret
    spool: str | None = None  # attach only: Asterisk's spool folder, readable by us
    rtp_ports: Annotated[int, Field(ge=40, le=20000)] = 1200
    heartbeat_max_s: Annotated[int, Field(ge=3, le=60)] = 5
    carriers: list[str] = Field(default_factory=list)  # addresses from which a carrier's calls are accepted
    rtp_timeout_s: Annotated[int, Field(ge=5, le=3600)] = 30


class WebSection(Section):
    """[web]: pages and API."""

    host: str = "127.0.0.1"
    port: Port = 8012
    proxies: list[str] = Field(default_factory=list)  # addresses before us whose X-Forwarded-For is believed


class WebhookSection(Section):
    """[[webhooks]]: somebody who is told of moves, `docs/webhooks.md`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]{1,500}$")]
    secret_file: Annotated[str, Field(min_length=1)]  # mode 0600: whsec_ and base64, 24 bytes at least
    moves: list[str] = Field(default_factory=list)  # empty = all; open, register, refer, … as in `docs/states.md`


class DatabaseSection(Section):
    """[database]: SQLAlchemy URL; default SQLite below `data`."""

    url: str | None = None


class AmountSection(Section):
    """A span of time, in exactly one of these units; see `tickets.deadlines.Unit`."""

    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None  # by the clock, as hours are
    hours: Annotated[float, Field(gt=0, le=9000)] | None = None
    working_hours: Annotated[float, Field(gt=0, le=9000)] | None = None
    working_days: Annotated[int, Field(ge=1, le=1000)] | None = None


ClockName = Literal["dispatch", "sign", "return", "handle"]


class LimitSection(AmountSection):
    """[[tickets.limits]]: see `tickets.deadlines.LimitRule`."""

    clock: ClockName
    types: list[str] = Field(default_factory=list)
    classes: list[str] = Field(default_factory=list)
    urgencies: list[str] = Field(default_factory=list)
    hard: bool = False
    source: str = ""


class StepSection(AmountSection):
    """[[tickets.steps]]: see `tickets.schedule.StepRule`."""

    id: Id
    clock: ClockName
    when: Literal["before", "at", "after"]
    act: Literal["soon", "remind", "escalate"]
    to: list[str] = Field(default_factory=list)
    types: list[str] = Field(default_factory=list)
    urgencies: list[str] = Field(default_factory=list)
    source: str = ""


class PauseSection(Section):
    """[[tickets.pauses]]: see `tickets.clock.PauseReason`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    name_zh: str
    name_en: str
    granted_by: list[str] = Field(default_factory=lambda: ["supervisor", "leader"], min_length=1)
    stops: Annotated[list[ClockName], Field(min_length=1)] = ["handle"]
    longest: AmountSection | None = None
    source: str = ""


class TicketsSection(Section):
    """[tickets]: deadlines (`domain.md` D5, D7) and the working time in which they run."""

    working_hours: list[Annotated[str, Field(pattern=WORK_SPAN)]] = Field(
        default_factory=lambda: ["08:30-12:00", "13:30-18:00"], min_length=1
    )
    dispatch_hours: Annotated[float, Field(ge=0, le=1000)] = 24.0  # by the clock; 0 = no limit
    sign_working_hours: Annotated[float, Field(gt=0, le=1000)] = 4.0
    close_working_days: dict[str, Annotated[int, Field(ge=1, le=365)]] = Field(default_factory=lambda: {"inquiry": 3})
    close_other_working_days: Annotated[int, Field(ge=1, le=365)] = 5
    holidays: list[date] = Field(default_factory=list)  # beside the statutory ones: a newer notice, a local closure
    workdays: list[date] = Field(default_factory=list)  # make-up working days (调休) of a newer notice
    classes: str | None = None  # file of the classification tree; default: the sample that comes along
    calendars: list[str] = Field(default_factory=list)  # files with a year's notice each, TOML or CSV
    redispatch: Literal["runs_on", "restarts"] = "runs_on"  # what 改派 does to the clock to close
    redo: AmountSection | None = None  # the limit of a second handling; default: as the first
    extension_max: AmountSection | None = None  # default: 5 working days
    extensions_max: Annotated[int, Field(ge=0, le=100)] = 1
    dispatches_max: Annotated[int, Field(ge=1, le=100)] = 3  # after so many the hotline designates (`domain.md` 3.1)
    redo_max: Annotated[int, Field(ge=0, le=100)] = 2  # 重办 (`domain.md` 3.5)
    limits: list[LimitSection] = Field(default_factory=list)
    steps: list[StepSection] | None = None  # None = `tickets.schedule.USUAL_STEPS`
    pauses: list[PauseSection] | None = None  # None = `tickets.clock.USUAL_REASONS`


class KnowledgeSection(Section):
    """[knowledge]: see `knowledge.entry.KnowledgeRules` and `web.rate.RateRules`."""

    vocabulary: str | None = None  # a file like knowledge/synonyms.toml in place of it
    warn_days: Annotated[int, Field(ge=1, le=3650)] = 30
    review_days: Annotated[int, Field(ge=1, le=3650)] = 365
    answer_working_days: Annotated[int, Field(ge=1, le=365)] = 3
    import_rows: Annotated[int, Field(ge=1, le=20_000)] = 5_000
    public_burst: Annotated[int, Field(ge=1, le=10_000)] = 30
    public_per_minute: Annotated[float, Field(gt=0, le=100_000)] = 60.0
    public_all_per_s: Annotated[float, Field(ge=1, le=10_000)] = 50.0


class CampaignSection(Section):
    """[citizens.campaign]: see `controller.plan.CampaignPlan`, `acd.campaign` and `tickets.campaign.CampaignRules`."""

    on: bool = False
    hours: dict[str, Any] = Field(default_factory=lambda: {"mon-sun": ["09:00-12:00", "14:00-20:00"]})
    working_days: bool = True
    at_once: Annotated[int, Field(ge=1, le=1000)] = 2
    per_minute: Annotated[int, Field(ge=1, le=10_000)] = 6
    lines: Annotated[int, Field(ge=1, le=100_000)] = 30
    keep_free: Annotated[int, Field(ge=0, le=100_000)] = 10
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    gaps_min: list[Annotated[float, Field(gt=0, le=20_160)]] = Field(
        default_factory=lambda: [60.0, 1440.0], min_length=1
    )
    keep_days: Annotated[float, Field(gt=0, le=60)] = 7.0
    ring_s: Annotated[int, Field(ge=5, le=120)] = 30
    reasons: list[Literal["dissatisfied", "redone", "late", "supervised", "sample"]] = Field(
        default_factory=lambda: sorted(one.value for one in USUAL), min_length=1
    )
    never: list[str] = Field(default_factory=list)


class CitizensSection(Section):
    """[citizens]: see `RepeatRules`, `QueryRules` and `FollowUpRules`, which it makes."""

    event_days: Annotated[float, Field(gt=0, le=30)] = 3.0
    caller_days: Annotated[float, Field(gt=0, le=3650)] = 90.0
    incident_from: Annotated[int, Field(ge=2, le=1000)] = 3
    query_tries: Annotated[int, Field(ge=1, le=100_000)] = 30
    query_tries_in_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    query_wrong_a_day: Annotated[int, Field(ge=1, le=1000)] = 10
    follow_up_after_h: Annotated[float, Field(ge=0, le=720)] = 24.0
    follow_up_within_days: Annotated[float, Field(gt=0, le=365)] = 14.0
    follow_up_sample: Annotated[float, Field(ge=0, le=1)] = 0.2
    campaign: CampaignSection = Field(default_factory=CampaignSection)

    @property
    def repeats(self) -> RepeatRules:
        """When tickets are likely about the same."""
        windows = (self.event_days * 86_400.0, self.caller_days * 86_400.0)
        return RepeatRules(*windows, incident_from=self.incident_from)

    @property
    def queries(self) -> QueryRules:
        """How often tickets may be queried."""
        return QueryRules(self.query_tries, self.query_tries_in_s, self.query_wrong_a_day)

    @property
    def follow_up(self) -> FollowUpRules:
        """Who is called back after closing. Raises ValueError for a span that ends before it begins."""
        return FollowUpRules(
            self.follow_up_after_h * 3600.0, self.follow_up_within_days * 86_400.0, self.follow_up_sample
        )

    @model_validator(mode="after")
    def _sensible(self) -> CitizensSection:
        if self.follow_up_after_h >= self.follow_up_within_days * 24.0:
            raise ValueError("follow_up_within_days ends before follow_up_after_h is over")
        return self


OrgId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Named = Annotated[str, Field(max_length=120)]


class OrganisationSection(Section):
    """[[organisations]]: a province, city, county or handling unit, see `tickets.organisations`."""

    id: OrgId
    name: Named
    kind: Literal["province", "city", "county", "unit"]
    leader: Named  # 分管领导
    office: Named  # 责任处室
    handler: Named  # 具体承办人
    parent: OrgId | None = None
    name_en: Named = ""
    sort: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,32}$")] = ""  # kind of matters, as the classes name it
    peer: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,32}$")] = ""  # the other installation that serves it
    tickets: TicketsSection | None = None  # a city's own rules; what it leaves out is as in [tickets]


PeerId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class PeerKeySection(Section):
    """One of `keys` of [[exchange.peers]]."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    file: str  # of mode 0600, with at least 32 characters


class PeerSection(Section):
    """[[exchange.peers]]: another installation."""

    id: PeerId
    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]{1,300}$")]  # where its pages are
    keys: list[PeerKeySection] = Field(min_length=1)  # the first signs, all are accepted


class ExchangeSection(Section):
    """[exchange]: tickets between installations, see docs/exchange.md."""

    name: PeerId | None = None  # ours, as the others know it
    peers: list[PeerSection] = Field(default_factory=list)
    window_s: Annotated[float, Field(ge=10, le=3600)] = 300.0  # so far two clocks may be apart
    timeout_s: Annotated[float, Field(ge=0.1, le=120)] = 10.0
    retry_first_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0
    retry_last_s: Annotated[float, Field(ge=0.01, le=86400)] = 300.0


class HotlineFile(Section):
    """The whole file."""

    webhooks: list[WebhookSection] = Field(default_factory=list)
    open311: Open311Section = Field(default_factory=Open311Section)
    hotline: HotlineSection = Field(default_factory=HotlineSection)
    numbers: list[NumberSection] = Field(min_length=1)
    queues: list[QueueSection] = Field(min_length=1)
    agents: list[AgentSection] = Field(default_factory=list)
    seats: list[SeatSection] = Field(default_factory=list)
    extensions: list[ExtensionSection] = Field(default_factory=list)
    supervisors: list[SupervisorSection] = Field(default_factory=list)
    supervision: SupervisionSection = Field(default_factory=SupervisionSection)
    callers: list[CallerSection] = Field(default_factory=list)
    areas: list[AreaSection] = Field(default_factory=list)
    destinations: list[DestinationSection] = Field(default_factory=list)
    trunk: TrunkSection | None = None
    outbound: OutboundSection = Field(default_factory=OutboundSection)
    agent_rules: AgentRulesSection = Field(default_factory=AgentRulesSection)
    phone_codes: PhoneCodesSection = Field(default_factory=PhoneCodesSection)
    recording: RecordingSection = Field(default_factory=RecordingSection)
    call: CallSection = Field(default_factory=CallSection)
    callback: CallbackSection = Field(default_factory=CallbackSection)
    voice_message: VoiceMessageSection = Field(default_factory=VoiceMessageSection)
    asterisk: AsteriskSection = Field(default_factory=AsteriskSection)
    web: WebSection = Field(default_factory=WebSection)
    database: DatabaseSection = Field(default_factory=DatabaseSection)
    speech: SpeechSection = Field(default_factory=SpeechSection)
    tickets: TicketsSection = Field(default_factory=TicketsSection)
    knowledge: KnowledgeSection = Field(default_factory=KnowledgeSection)
    citizens: CitizensSection = Field(default_factory=CitizensSection)
    organisations: list[OrganisationSection] = Field(default_factory=list)
    exchange: ExchangeSection = Field(default_factory=ExchangeSection)
    inspection: InspectionSection = Field(default_factory=InspectionSection)
    figures: FiguresSection = Field(default_factory=FiguresSection)
    alerts: AlertsSection = Field(default_factory=AlertsSection)
    staffing: StaffingSection = Field(default_factory=StaffingSection)
