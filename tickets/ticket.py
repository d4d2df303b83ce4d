"""One ticket (工单): its types and fields, what may be written into it, and a hotline's rules. Pure.

How it moves stands in `tickets/moves.py` (the tables) and `tickets/flow.py` (the rule). Fields as `domain.md` 3.2
proposes them; times are epoch seconds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from pbx.ids import AgentId, CallId, TicketNumber
from tickets.approvals import Approval
from tickets.classes import ClassTree
from tickets.clock import USUAL_REASONS, PauseReason
from tickets.deadlines import Calendar, ChineseCalendar, DeadlineRules, WorkingHours
from tickets.moves import Role, TicketState
from tickets.organisations import OrganisationTree
from tickets.schedule import USUAL_STEPS, StepRule
from tickets.texts import TicketRefused, cleaned, one_line
from tickets.units import UnitRegister

SCORES = range(1, 6)
"""Satisfaction as the caller presses it: 1 very dissatisfied to 5 very satisfied (S4's levels, five keys)."""


class TicketType(enum.Enum):
    """What kind of concern it is (`domain.md` 3.2)."""

    INQUIRY = "inquiry"  #: 咨询
    HELP = "help"  #: 求助
    COMPLAINT = "complaint"  #: 投诉
    REPORT = "report"  #: 举报
    SUGGESTION = "suggestion"  #: 建议
    PRAISE = "praise"  #: 表扬

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _CHINESE[self]


_CHINESE = dict(zip(TicketType, ("咨询", "求助", "投诉", "举报", "建议", "表扬"), strict=True))


class Channel(enum.Enum):
    """By which way it came (`domain.md` C1)."""

    PHONE = "phone"  #: 电话
    WEB = "web"  #: 网站
    API = "api"  #: 接口
    WECHAT = "wechat"  #: 微信
    APP = "app"  #: 移动客户端
    MAIL = "mail"  #: 邮件
    OPEN311 = "open311"  #: an app that speaks Open311 GeoReport v2
    EXCHANGE = "exchange"  #: 平台交换: from another hotline


class Urgency(enum.Enum):
    """How soon somebody must act."""

    NORMAL = "normal"  #: 一般
    URGENT = "urgent"  #: 紧急: water, power, gas, heat
    CRITICAL = "critical"  #: 特急: life or property in danger


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which clocks stand still, and its named reason; `until` None = still paused.

    `ends`: when it ends by itself, whether or not anybody says so then; None = when somebody lets the clock run again.
    """

    since: float
    until: float | None
    reason: str
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a ticket: its name, kind (media type), size in bytes and SHA-256 in hexadecimal."""

    name: str
    kind: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is.

    `agent` took it down (受理人), empty where nobody did. Until the first dispatch the two deadlines are what they
    would be had it been dispatched at once; from then on `sign_due` runs from `dispatched_at`, the latest dispatch, and
    `handle_due` from `handle_from` (`tickets/times.py`); while the clock stands still it is what it was. `version`
    counts its moves: whoever moves it names the version that he saw.
    """

    number: TicketNumber
    call: CallId | None
    caller: str
    dialled: str
    language: str
    queue: str
    agent: AgentId
    opened_at: float
    sign_due: float
    handle_due: float
    state: TicketState = TicketState.OPENED
    version: int = 0
    channel: Channel = Channel.PHONE
    # who
    caller_name: str = ""
    caller_region: str = ""
    anonymous: bool = False  #: 匿名
    confidential: bool = False  #: 保密
    # what, where
    type: TicketType | None = None
    class_code: str = ""  #: a code of the classification tree
    title: str = ""
    text: str = ""
    address: str = ""
    lat: float | None = None
    lon: float | None = None
    event_at: float | None = None
    region: str = ""  #: the city or county whose matter it is, by its organisation's id
    urgency: Urgency = Urgency.NORMAL
    proposed_unit: str | None = None  #: whose matter it seems to be to the agent
    # with whom
    lead_unit: str | None = None  #: 主办单位
    co_units: tuple[str, ...] = ()  #: 协办单位
    designated: bool = False  #: 指定承办: the hotline named the unit, which cannot return it
    dispatch_count: int = 0
    return_count: int = 0
    first_dispatched_at: float | None = None
    dispatched_at: float | None = None
    handle_from: float | None = None  #: since when the clock to close runs
    signed_at: float | None = None
    extension_until: float | None = None
    ordered_until: float | None = None  #: a hard deadline that somebody set for this one ticket
    provisional: bool = False  #: a deadline rests on a year whose holiday notice is not known
    pauses: tuple[Pause, ...] = ()
    hard_case: bool = False  #: 疑难
    approvals: tuple[Approval, ...] = ()
    # pushed
    supervised_at: float | None = None  #: 督办
    remind_count: int = 0  #: 催办
    reminded_at: float | None = None
    escalation: int = 0  #: 提级, so many times
    # answered
    reply: str = ""
    answered_by: str = ""
    replied_at: float | None = None
    resolved_at: float | None = None
    withdrawn_at: float | None = None  #: 撤回: it is over because nobody wants it any more; nothing was answered
    archived_at: float | None = None
    # followed up
    followed_up_at: float | None = None  #: 回访
    contacted: bool | None = None
    solved: bool | None = None
    satisfied: bool | None = None
    voice: bool | None = None  #: 自动语音回访: the hotline itself has asked him, not a person
    redo_count: int = 0
    # with other tickets
    incident_id: str | None = None
    repeat_of: TicketNumber | None = None
    attachments: tuple[Attachment, ...] = ()
    # facts of the call; they come when they come, and are no moves
    satisfaction: int | None = None
    recording: str | None = None
    transcript: bool = False

    @property
    def paused(self) -> bool:
        """Whether the clock to close stands still now."""
        return bool(self.pauses) and self.pauses[-1].until is None

    @property
    def units(self) -> frozenset[str]:
        """The units that act on it: the lead and those who co-handle."""
        return frozenset(self.co_units) | ({self.lead_unit} if self.lead_unit else set())


FACTS = frozenset({"satisfaction", "recording", "transcript"})
"""Fields that are facts of the call."""

PRIVATE = frozenset({"caller", "caller_name", "caller_region", "recording", "transcript"})
"""Fields by which the caller can be known."""


@dataclass(frozen=True, slots=True)
class TicketMove:
    """One thing done to a ticket: by whom, in what role and for which unit, when (epoch seconds), why.

    `before` is None for the opening, whose `seq` is 0. `details` has what was given and, under ``changes``, every field
    that is not as before (`tickets/log.py`): the moves in order are the ticket.
    """

    ticket: TicketNumber
    seq: int
    before: TicketState | None
    after: TicketState
    cause: str
    actor: str
    at: float
    reason: str = ""
    role: Role | None = None
    unit: str = ""
    details: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What to write into a ticket; None leaves a field as it is. Enums may be given by their values."""

    type: TicketType | str | None = None
    title: str | None = None
    text: str | None = None
    proposed_unit: str | None = None
    class_code: str | None = None
    region: str | None = None
    address: str | None = None
    lat: float | None = None
    lon: float | None = None
    event_at: float | None = None
    urgency: Urgency | str | None = None
    caller: str | None = None
    caller_name: str | None = None
    caller_region: str | None = None
    anonymous: bool | None = None
    confidential: bool | None = None


CALLER_FIELDS = ("caller", "caller_name", "caller_region", "anonymous", "confidential")
"""Fields of a change that only somebody may write who sees the caller."""


ATTACHMENT_KINDS = frozenset(
    {"image/jpeg", "image/png", "image/webp", "audio/mpeg", "audio/wav", "audio/amr", "video/mp4"}
    | {"application/pdf", "text/plain"}
)
"""Media types of files that are taken: what people send of a broken pipe, and nothing that a browser would run."""


def _nobody(cause: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class TicketPolicy:
    """A hotline's rules for its tickets. Lengths in characters."""

    hours: WorkingHours = field(default_factory=WorkingHours)
    calendar: Calendar = field(default_factory=ChineseCalendar)
    deadlines: DeadlineRules = field(default_factory=DeadlineRules)
    units: UnitRegister = field(default_factory=UnitRegister)
    organisations: OrganisationTree = field(default_factory=OrganisationTree)
    """The tree in which the units stand; empty = one hotline with units and nobody above or beside it."""
    classes: ClassTree = field(default_factory=ClassTree)
    numbers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The city of each dialled number, by the organisation's id."""
    queues: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The city of each queue that has one."""
    city: str = ""
    """Whose a ticket is that neither number nor queue nor anybody gives to another city."""
    local: Mapping[str, TicketPolicy] = field(default_factory=lambda: MappingProxyType({}))
    """The rules of cities that have their own, by the organisation's id."""
    installation: str = ""
    """Our name in the exchange with other installations; empty = there is none."""
    title_max: int = 120
    text_max: int = 10_000
    reason_max: int = 1000
    attachments_max: int = 20
    attachment_bytes: int = 20_000_000
    attachment_kinds: frozenset[str] = ATTACHMENT_KINDS
    dispatches_max: int = 3
    """After so many dispatches the hotline designates the unit (天津办法 draft, `domain.md` 3.1 [P38])."""
    redo_max: int = 2
    """「redo twice and still dissatisfied -> published criticism」 (`domain.md` 3.5 [P57])."""
    reasons: Mapping[str, PauseReason] = field(default_factory=lambda: USUAL_REASONS)
    steps: tuple[StepRule, ...] = USUAL_STEPS
    told: Callable[[str], tuple[str, ...]] = _nobody
    """Who is told of a move with this cause: the ids of webhooks."""

    def class_line(self, code: str) -> tuple[str, ...]:
        """A class and those above it, leaf first, each with the name under which its limits stand, if it has one."""
        return self.classes.limit_line(code)

    def city_of(self, dialled: str, queue: str) -> str:
        """Whose a call is: the city's in whose queue the caller waited, else the city's whose number he dialled."""
        return self.queues.get(queue) or self.numbers.get(dialled) or self.city

    def of(self, region: str, dialled: str) -> TicketPolicy:
        """The rules for a ticket of `region`, or of the city of the number `dialled`: the city's own, or these."""
        city = self.organisations.hotline(region or self.city_of(dialled, "")) if self.local else None
        return self.local.get(city, self) if city is not None else self


def number_of(day: str, sequence: int) -> TicketNumber:
    """The public number: the day as YYYYMMDD and the day's running number, at least five digits."""
    return TicketNumber(f"{day}{sequence:05d}")


def changed(ticket: Ticket, wanted: TicketChange, policy: TicketPolicy) -> Ticket:
    """The ticket with `wanted` written into it, its state and deadlines as they were. Raises `TicketRefused`."""
    values: dict[str, object] = {}
    for name, value in ((one.name, getattr(wanted, one.name)) for one in fields(wanted)):
        if value is not None:
            values[name] = _CHECKS[name](value, name, policy)
    after = replace(ticket, **values)  # type: ignore[arg-type]  # each check gives its field's type
    if (after.lat is None) is not (after.lon is None):
        raise TicketRefused("bad_place", "A place has both a latitude and a longitude.", "lat")
    return after


_TELEPHONE = re.compile(r"[+(]?[0-9][0-9 ()-]*")
CLOCKS_APART_S = 300.0
"""So much later than ours a clock may be by which somebody says when something has happened."""


def believable(before: Ticket, after: Ticket, at: float) -> None:
    """Raise `TicketRefused` for what people cannot mean: a telephone without a number, an event that is still to come.

    What was there before is not judged: a call may come without a number, and other systems have names of their own.
    """
    if after.caller != before.caller and after.caller and not _TELEPHONE.fullmatch(after.caller):
        raise TicketRefused("bad_phone", "A telephone has digits, blanks, hyphens, brackets and a plus.", "caller")
    if after.event_at != before.event_at and (after.event_at or at) > at + CLOCKS_APART_S:
        raise TicketRefused("event_to_come", "What has not happened yet has no instant.", "event_at")


def checked_score(score: int) -> int:
    """`score` if a caller can have given it; raises `TicketRefused` (code ``bad_score``) otherwise."""
    if score not in SCORES:
        raise TicketRefused("bad_score", f"Satisfaction is a number from {SCORES[0]} to {SCORES[-1]}.", "satisfaction")
    return score


def _type(value: object, name: str, policy: TicketPolicy) -> TicketType:
    try:
        return TicketType(value)
    except ValueError:
        known = ", ".join(kind.value for kind in TicketType)
        raise TicketRefused("unknown_type", f"The type must be one of {known}.", name) from None


def _urgency(value: object, name: str, policy: TicketPolicy) -> Urgency:
    try:
        return Urgency(value)
    except ValueError:
        known = ", ".join(kind.value for kind in Urgency)
        raise TicketRefused("unknown_urgency", f"The urgency must be one of {known}.", name) from None


def _title(value: str, name: str, policy: TicketPolicy) -> str:
    return one_line(value, name, policy.title_max)


def _text(value: str, name: str, policy: TicketPolicy) -> str:
    return cleaned(value, name, policy.text_max)


def known_unit(value: str, name: str, policy: TicketPolicy) -> str:
    """`value` if the register has such a unit; raises `TicketRefused` (``unknown_unit``)."""
    if value not in policy.units:
        raise TicketRefused("unknown_unit", "There is no such handling unit.", name)
    return value


_CODE = re.compile(r"[A-Za-z0-9._-]{0,64}")


def _code(value: str, name: str, policy: TicketPolicy) -> str:
    if not _CODE.fullmatch(value):
        raise TicketRefused(f"bad_{name}", f"The {name} is no code.", name)
    return value


def _class(value: str, name: str, policy: TicketPolicy) -> str:
    if not policy.classes.takes(_code(value, name, policy)):
        raise TicketRefused("unknown_class", "There is no such class in the classification tree.", name)
    return value


def _region(value: str, name: str, policy: TicketPolicy) -> str:
    _code(value, name, policy)
    if value and len(policy.organisations) and not policy.organisations.is_hotline(value):
        raise TicketRefused("unknown_region", "There is no such province, city or county.", name)
    return value


def _coordinate(value: float, name: str, policy: TicketPolicy) -> float:
    if not abs(value) <= (90.0 if name == "lat" else 180.0):  # NaN is not either
        raise TicketRefused("bad_place", "There is no such place on earth.", name)
    return float(value)


def _instant(value: float, name: str, policy: TicketPolicy) -> float:
    if not 0 <= value < 1e11:  # 1970 to 5138: nothing else is meant, and not every program can show it
        raise TicketRefused("bad_time", "That is no instant.", name)
    return float(value)


def _mark(value: bool, name: str, policy: TicketPolicy) -> bool:
    return value


_CHECKS: Mapping[str, Callable[[Any, str, TicketPolicy], object]] = MappingProxyType(
    {
        "type": _type,
        "title": _title,
        "text": _text,
        "proposed_unit": known_unit,
        "class_code": _class,
        "region": _region,
        "address": _title,
        "lat": _coordinate,
        "lon": _coordinate,
        "event_at": _instant,
        "urgency": _urgency,
        "caller": _title,
        "caller_name": _title,
        "caller_region": _title,
        "anonymous": _mark,
        "confidential": _mark,
    }
)
