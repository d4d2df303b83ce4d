"""Tickets for the tests: a hotline's units and people, and a plausible move for every input."""

from __future__ import annotations

from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tickets.deadlines import due
from tickets.flow import apply, opened
from tickets.given import Move
from tickets.moves import ADMIN, SYSTEM, Actor, Role, TicketInput, TicketState
from tickets.ticket import Attachment, Ticket, TicketChange, TicketMove, TicketPolicy, TicketType
from tickets.units import HandlingUnit, UnitRegister

I, S = TicketInput, TicketState  # noqa: E741

MONDAY = 1_795_395_600.0
"""2026-11-23 09:00 in Shanghai, a working day."""

HOUR, DAY = 3600.0, 86_400.0

UNITS = UnitRegister(
    HandlingUnit(name, label, "张三", "办公室", "李四")
    for name, label in (("water", "水务局"), ("roads", "交通局"), ("heat", "热力公司"))
)
POLICY = TicketPolicy(units=UNITS)

WANG = Actor("1001", Role.AGENT)
LI = Actor("1002", Role.AGENT)
DESK = Actor("desk", Role.DISPATCHER)
WATER = Actor("water-1", Role.UNIT, "water")
WATER_2 = Actor("water-2", Role.UNIT, "water")
ROADS = Actor("roads-1", Role.UNIT, "roads")
HEAT = Actor("heat-1", Role.UNIT, "heat")
BOSS = Actor("boss", Role.SUPERVISOR)
WATER_BOSS = Actor("water-boss", Role.SUPERVISOR, "water")
QUALITY = Actor("quality", Role.INSPECTOR)
LEADER = Actor("leader", Role.LEADER)
PEOPLE = (WANG, LI, DESK, WATER, WATER_2, ROADS, HEAT, BOSS, WATER_BOSS, QUALITY, LEADER, SYSTEM, ADMIN)


def sign_due(start: float) -> float:
    """Until when a ticket that was dispatched at `start` must be signed for."""
    return due(start, POLICY.deadlines.sign, POLICY.hours, POLICY.calendar)


def handle_due(start: float, type_: TicketType | None) -> float:
    """Until when one whose clock runs from `start` must be closed."""
    limit = POLICY.deadlines.handle_limit(type_.value if type_ else None)
    return due(start, limit, POLICY.hours, POLICY.calendar)


NUMBER = TicketNumber("2026112300001")


def opening(name: str = "c-1", at: float = MONDAY) -> OpenTicket:
    """An answered call that opens a ticket."""
    return OpenTicket(CallId(name), "13800001111", "12345", "zh", "general", AgentId("1001"), at)


def new(at: float = MONDAY, policy: TicketPolicy = POLICY) -> tuple[Ticket, TicketMove]:
    """A ticket that a call has opened."""
    return opened(NUMBER, opening(at=at), WANG, policy)


def wish(what: TicketInput, ticket: Ticket, *, unit: str = "water", right: bool = True) -> Move:
    """A plausible move of this kind, with all that it needs."""
    reason = "因管道老化, 需协调"
    given: dict[str, object] = {
        I.AMEND: {"change": TicketChange(address="解放路 1 号")},
        I.REGISTER: {"change": TicketChange(type="help", title="停水", text="家中停水两天")},
        I.ANSWER: {"text": "请携带身份证到窗口办理"},
        I.CLOSE: {"reason": "无需办理"},
        I.REFER: {"unit": unit},
        I.ASSIGN: {"unit": unit},
        I.REDISPATCH: {"unit": "roads" if ticket.lead_unit == unit else unit, "reason": reason},
        I.HANDLE: {"text": "已派人到现场"},
        I.REPLY: {"text": "已修复"},
        I.REJECT_REPLY: {"reason": reason},
        I.ASK_EXTENSION: {"reason": reason, "until": ticket.handle_due + 3600.0},
        I.ASK_PAUSE: {"reason": reason, "pause": "appraisal"},
        I.ADD_UNIT: {"unit": "heat"},
        I.JOIN: {"incident": "burst-1"},
        I.SETTLE: {"text": "主管道已修复"},
        I.FOLLOW_UP: {"contacted": True, "solved": right, "satisfied": right},
        I.REDO: {"reason": reason, "unit": ticket.lead_unit or unit},
        I.MERGE: {"into": "2026112200009"},
        I.JUDGE: {
            "approval": next((one.seq for one in ticket.approvals if one.right is None), 1),
            "right": right,
            "reason": "证据充分",
        },
        I.ATTACH: {"attachment": Attachment("现场.jpg", "image/jpeg", 5, "0" * 64)},
    }.get(what, {})
    if what in REASONED:
        given = {"reason": reason, **given}
    return Move(what, ticket.version, **given)  # type: ignore[arg-type]


REASONED = frozenset(
    {I.ASK_RETURN, I.REFUSE_RETURN, I.REFUSE_EXTENSION, I.ASK_HARD_CASE, I.REFUSE_HARD_CASE, I.REFUSE_PAUSE, I.OBJECT}
    | {I.OVERRULE_OBJECTION, I.SUPERVISE, I.ESCALATE, I.WITHDRAW}
)


class Story:
    """A ticket that people move, an hour after each other unless told otherwise."""

    def __init__(self, policy: TicketPolicy = POLICY, at: float = MONDAY) -> None:
        self.policy, self.at = policy, at
        self.ticket, first = new(at, policy)
        self.moves = [first]

    def do(self, actor: Actor, what: TicketInput, *, after: float = HOUR, **given: object) -> Ticket:
        """One move; `given` replaces what `wish` gives."""
        self.at += after
        made = wish(what, self.ticket)
        move = Move(what, self.ticket.version, **{**_given(made), **given})  # type: ignore[arg-type]
        self.ticket, kept = apply(self.ticket, move, actor, self.at, self.policy)
        self.moves.append(kept)
        return self.ticket

    def to(self, state: TicketState) -> Ticket:
        """Bring a new ticket to `state` by the usual way."""
        way = {
            S.OPENED: [],
            S.REGISTERED: [(WANG, I.REGISTER)],
            S.DISPATCHED: [(WANG, I.REGISTER), (DESK, I.REFER)],
            S.SIGNED: [(WANG, I.REGISTER), (DESK, I.REFER), (WATER, I.SIGN)],
            S.REPLIED: [(WANG, I.REGISTER), (DESK, I.REFER), (WATER, I.SIGN), (WATER, I.REPLY)],
        }
        way[S.RESOLVED] = [*way[S.REPLIED], (DESK, I.ACCEPT_REPLY)]
        way[S.ARCHIVED] = [*way[S.RESOLVED], (DESK, I.ARCHIVE)]
        way[S.MERGED] = [*way[S.REGISTERED], (DESK, I.MERGE)]
        for actor, what in way[state]:
            self.do(actor, what)
        return self.ticket


def _given(move: Move) -> dict[str, object]:
    return {name: getattr(move, name) for name in Move.__dataclass_fields__ if name not in ("input", "version")}
