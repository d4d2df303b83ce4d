"""The states of a ticket (工单), everything that can be done to it, the one table of moves, and who may do what. Pure.

Two tables say it all: `TICKET_MOVES`, every cell of state and input, and `RIGHTS`, every role's inputs. What a cell and
a role allow may still be refused by what stands between the actor and this very ticket (`tickets/flow.py`): a unit acts
only on its own tickets, nobody decides what he himself has asked for, and no unit judges itself (`domain.md` D21).
Requests (退单, 延期, 疑难, 暂停, 派单异议) change no state: they are objects beside it, `tickets/approvals.py`, and the
clock goes on until they are granted. Drawn in ``docs/states.md``, told in ``docs/tickets.md``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class TicketState(enum.Enum):
    """Where a ticket is."""

    OPENED = "opened"  #: 受理: taken down; type or text are missing
    REGISTERED = "registered"  #: 登记: type and text are filled; it is with the hotline
    DISPATCHED = "dispatched"  #: 已派待签收: with a unit that has not signed for it; the clocks run
    SIGNED = "signed"  #: 办理中: signed for, being handled
    REPLIED = "replied"  #: 已答复待审: the unit has answered, the hotline has not yet accepted the answer
    RESOLVED = "resolved"  #: 办结: answered; followed up, and handled again if need be
    ARCHIVED = "archived"  #: 归档: over
    MERGED = "merged"  #: 并单: a repeat, over; the ticket that it repeats goes on

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _STATE_WORDS[self]


class TicketInput(enum.Enum):
    """What is done to a ticket."""

    AMEND = "amend"  #: 补充: some of its fields are written
    REGISTER = "register"  #: 登记: type and text are filled for the first time
    ANSWER = "answer"  #: 直接答复: the hotline answers it at once (first-contact resolution, 一次解决)
    CLOSE = "close"  #: 直接办结: there is nothing to hand on and nothing to answer (a test, a wrong number), and why
    REFER = "refer"  #: 转办: to the unit whose matter it is
    ASSIGN = "assign"  #: 交办: to a unit, with authority
    REDISPATCH = "redispatch"  #: 改派: from one unit to another
    SIGN = "sign"  #: 签收
    HANDLE = "handle"  #: 办理: a step of the handling is noted
    REPLY = "reply"  #: 答复
    ACCEPT_REPLY = "accept_reply"  #: 审核通过
    REJECT_REPLY = "reject_reply"  #: 审核退回
    ASK_RETURN = "ask_return"  #: 申请退单: it is not this unit's matter
    GRANT_RETURN = "grant_return"
    REFUSE_RETURN = "refuse_return"
    ASK_EXTENSION = "ask_extension"  #: 申请延期
    GRANT_EXTENSION = "grant_extension"
    REFUSE_EXTENSION = "refuse_extension"
    ASK_HARD_CASE = "ask_hard_case"  #: 申请疑难: needs several units at one table (会办)
    GRANT_HARD_CASE = "grant_hard_case"
    REFUSE_HARD_CASE = "refuse_hard_case"
    ASK_PAUSE = "ask_pause"  #: 申请暂停计时
    GRANT_PAUSE = "grant_pause"
    REFUSE_PAUSE = "refuse_pause"
    RESUME = "resume"  #: 恢复计时
    OBJECT = "object"  #: 派单异议: the unit disputes the dispatch before a higher place than the dispatcher
    UPHOLD_OBJECTION = "uphold_objection"
    OVERRULE_OBJECTION = "overrule_objection"
    ADD_UNIT = "add_unit"  #: 增加协办单位
    SUPERVISE = "supervise"  #: 督办
    REMIND = "remind"  #: 催办
    ESCALATE = "escalate"  #: 提级办理
    JOIN = "join"  #: 归入同类事件: it is one of many about the same event
    LEAVE = "leave"  #: 移出同类事件
    SETTLE = "settle"  #: 统一答复: one reply to everybody of an incident
    FOLLOW_UP = "follow_up"  #: 回访
    REDO = "redo"  #: 重办
    MERGE = "merge"  #: 并单
    ARCHIVE = "archive"  #: 归档
    JUDGE = "judge"  #: 复核: whether a request was rightly granted or refused
    ATTACH = "attach"  #: 附件: a file belongs to it
    RECOUNT = "recount"  #: 重算时限: the holiday notice on which its deadlines rest has come
    WITHDRAW = "withdraw"  #: 撤回: whoever asked for it wants nothing any more, or has it back
    CONCEAL = "conceal"  #: 隐去身份: the caller is hidden (匿名, 保密), however far the ticket is

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _INPUT_WORDS[self]


_S, _I = TicketState, TicketInput
_O, _R, _D, _N, _P, _V, _A, _M = TicketState
_NO = None

_TABLE: dict[TicketInput, tuple[TicketState | None, ...]] = {
    # opened registered dispatched signed replied resolved archived merged
    _I.AMEND: (_O, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.REGISTER: (_R, _NO, _NO, _NO, _NO, _NO, _NO, _NO),
    _I.ANSWER: (_NO, _V, _NO, _NO, _NO, _NO, _NO, _NO),
    _I.CLOSE: (_NO, _V, _NO, _NO, _NO, _NO, _NO, _NO),
    _I.REFER: (_NO, _D, _NO, _NO, _NO, _NO, _NO, _NO),
    _I.ASSIGN: (_NO, _D, _NO, _NO, _NO, _NO, _NO, _NO),
    _I.REDISPATCH: (_NO, _NO, _D, _D, _NO, _NO, _NO, _NO),
    _I.SIGN: (_NO, _NO, _N, _NO, _NO, _NO, _NO, _NO),
    _I.HANDLE: (_NO, _NO, _D, _N, _P, _NO, _NO, _NO),
    _I.REPLY: (_NO, _NO, _NO, _P, _NO, _NO, _NO, _NO),
    _I.ACCEPT_REPLY: (_NO, _NO, _NO, _NO, _V, _NO, _NO, _NO),
    _I.REJECT_REPLY: (_NO, _NO, _NO, _NO, _N, _NO, _NO, _NO),
    _I.ASK_RETURN: (_NO, _NO, _D, _N, _NO, _NO, _NO, _NO),
    _I.GRANT_RETURN: (_NO, _NO, _R, _R, _NO, _NO, _NO, _NO),
    _I.REFUSE_RETURN: (_NO, _NO, _D, _N, _NO, _NO, _NO, _NO),
    _I.ASK_EXTENSION: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.GRANT_EXTENSION: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.REFUSE_EXTENSION: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.ASK_HARD_CASE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.GRANT_HARD_CASE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.REFUSE_HARD_CASE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.ASK_PAUSE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.GRANT_PAUSE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.REFUSE_PAUSE: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.RESUME: (_NO, _NO, _NO, _N, _NO, _NO, _NO, _NO),
    _I.OBJECT: (_NO, _NO, _D, _N, _NO, _NO, _NO, _NO),
    _I.UPHOLD_OBJECTION: (_NO, _NO, _R, _R, _NO, _NO, _NO, _NO),
    _I.OVERRULE_OBJECTION: (_NO, _NO, _D, _N, _NO, _NO, _NO, _NO),
    _I.ADD_UNIT: (_NO, _NO, _D, _N, _NO, _NO, _NO, _NO),
    _I.SUPERVISE: (_NO, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.REMIND: (_NO, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.ESCALATE: (_NO, _R, _D, _N, _P, _V, _NO, _NO),
    _I.JOIN: (_O, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.LEAVE: (_O, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.SETTLE: (_NO, _V, _V, _V, _V, _NO, _NO, _NO),
    _I.FOLLOW_UP: (_NO, _NO, _NO, _NO, _NO, _V, _NO, _NO),
    _I.REDO: (_NO, _NO, _NO, _NO, _NO, _D, _NO, _NO),
    _I.MERGE: (_M, _M, _M, _M, _NO, _NO, _NO, _NO),
    _I.ARCHIVE: (_NO, _NO, _NO, _NO, _NO, _A, _NO, _NO),
    _I.JUDGE: (_NO, _R, _D, _N, _P, _V, _A, _M),
    _I.ATTACH: (_O, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.RECOUNT: (_O, _R, _D, _N, _P, _NO, _NO, _NO),
    _I.WITHDRAW: (_V, _V, _V, _V, _V, _NO, _NO, _NO),
    _I.CONCEAL: (_O, _R, _D, _N, _P, _V, _A, _M),
}

TICKET_MOVES: Mapping[tuple[TicketState, TicketInput], TicketState | None] = MappingProxyType(
    {(state, cause): after for cause, row in _TABLE.items() for state, after in zip(TicketState, row, strict=True)}
)
"""Every cell: the next state, or None where the move is refused. Drawn in ``docs/states.md``."""

OVER = frozenset({TicketState.RESOLVED, TicketState.ARCHIVED, TicketState.MERGED})
"""States in which nothing runs any more: no clock, no request."""

REFUSALS: Mapping[TicketState, tuple[str, str]] = MappingProxyType(
    {
        _O: ("not_registered", "The ticket has no type and text yet; fill them in first."),
        _R: ("not_dispatched", "The ticket is with the hotline; no unit has it."),
        _D: ("not_signed", "The ticket has been dispatched and no unit has signed for it."),
        _N: ("in_handling", "The ticket is being handled by a unit."),
        _P: ("under_review", "The ticket has been answered; the answer is being reviewed."),
        _V: ("closed", "The ticket is closed; nothing can be changed in it."),
        _A: ("archived", "The ticket is archived; nothing can be changed in it."),
        _M: ("merged", "The ticket has been merged into another; go on there."),
    }
)
"""Why an input is refused in a state: a stable code, and words."""


class Role(enum.Enum):
    """In what capacity somebody acts."""

    AGENT = "agent"  #: 话务员
    DISPATCHER = "dispatcher"  #: 派单员
    UNIT = "unit"  #: 承办单位
    SUPERVISOR = "supervisor"  #: 班长, 督办员
    INSPECTOR = "inspector"  #: 质检员
    LEADER = "leader"  #: 值班领导
    SYSTEM = "system"  #: the hotline itself: what is due by a clock, arrives from another installation, or is one click
    ADMIN = "admin"  #: the bearer of the hotline's own API token

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _ROLE_WORDS[self]


_DECIDE_RETURN = {_I.GRANT_RETURN, _I.REFUSE_RETURN}
_DECIDE_EXTENSION = {_I.GRANT_EXTENSION, _I.REFUSE_EXTENSION}
_DECIDE_HARD_CASE = {_I.GRANT_HARD_CASE, _I.REFUSE_HARD_CASE}
_DECIDE_PAUSE = {_I.GRANT_PAUSE, _I.REFUSE_PAUSE}
_DECIDE_OBJECTION = {_I.UPHOLD_OBJECTION, _I.OVERRULE_OBJECTION}
_TAKE_DOWN = {_I.AMEND, _I.REGISTER, _I.ATTACH, _I.JOIN, _I.LEAVE, _I.MERGE, _I.CONCEAL}
_REVIEW = {_I.ACCEPT_REPLY, _I.REJECT_REPLY}

RIGHTS: Mapping[Role, frozenset[TicketInput]] = MappingProxyType(
    {
        Role.AGENT: frozenset(_TAKE_DOWN | {_I.ANSWER, _I.CLOSE, _I.REMIND, _I.FOLLOW_UP}),
        Role.DISPATCHER: frozenset(
            _TAKE_DOWN
            | {_I.CLOSE, _I.REFER, _I.REDISPATCH, _I.ADD_UNIT, _I.REMIND, _I.ESCALATE, _I.RESUME, _I.ARCHIVE}
            | _REVIEW
            | _DECIDE_RETURN
        ),
        Role.UNIT: frozenset(
            {_I.SIGN, _I.HANDLE, _I.REPLY, _I.RESUME, _I.ATTACH}
            | {_I.ASK_RETURN, _I.ASK_EXTENSION, _I.ASK_HARD_CASE, _I.ASK_PAUSE, _I.OBJECT}
        ),
        Role.SUPERVISOR: frozenset(
            _TAKE_DOWN
            | {_I.ANSWER, _I.CLOSE, _I.REFER, _I.ASSIGN, _I.REDISPATCH, _I.ADD_UNIT, _I.SUPERVISE, _I.REMIND}
            | {_I.ESCALATE, _I.RESUME, _I.SETTLE, _I.FOLLOW_UP, _I.REDO, _I.ARCHIVE, _I.WITHDRAW}
            | _REVIEW
            | _DECIDE_RETURN
            | _DECIDE_EXTENSION
            | _DECIDE_HARD_CASE
            | _DECIDE_PAUSE
            | _DECIDE_OBJECTION
        ),
        Role.INSPECTOR: frozenset({_I.JUDGE, _I.FOLLOW_UP, _I.REDO}),
        Role.LEADER: frozenset(
            {_I.ASSIGN, _I.REDISPATCH, _I.ADD_UNIT, _I.SUPERVISE, _I.REMIND, _I.ESCALATE, _I.SETTLE, _I.REDO}
            | _DECIDE_RETURN
            | _DECIDE_EXTENSION
            | _DECIDE_HARD_CASE
            | _DECIDE_PAUSE
            | _DECIDE_OBJECTION
        ),
        Role.SYSTEM: frozenset(
            {_I.AMEND, _I.REGISTER, _I.ATTACH, _I.JOIN, _I.REMIND, _I.ESCALATE, _I.RESUME, _I.SETTLE}
            | {_I.FOLLOW_UP, _I.ARCHIVE, _I.RECOUNT, _I.WITHDRAW, _I.REDO, _I.SUPERVISE, _I.CONCEAL}
            | {_I.REFER, _I.ADD_UNIT}  # 工单流转: an agent hands his caller's matter over in one click
        ),
        Role.ADMIN: frozenset(TicketInput),
    }
)
"""Who may do what. Every role by every input is tested; no unit judges, grants or follows up."""

MAY_OPEN = frozenset({Role.AGENT, Role.DISPATCHER, Role.SUPERVISOR, Role.SYSTEM, Role.ADMIN})
"""Who may take a ticket down (受理)."""

OWN_ONLY: Mapping[Role, frozenset[TicketInput]] = MappingProxyType({Role.AGENT: frozenset({TicketInput.CLOSE})})
"""What a role does only to tickets that it took down itself: an agent knows that nothing is to be done about the call
that he has answered; of another's call a dispatcher or a supervisor decides it (首接负责, `domain.md` 3.1 [P35])."""

DESIGNATES = frozenset({Role.SUPERVISOR, Role.LEADER, Role.ADMIN})
"""Who names the unit once a ticket has been dispatched too often (指定承办, 天津办法 draft, `domain.md` 3.1)."""

SEES_HIDDEN = frozenset({Role.SUPERVISOR, Role.INSPECTOR, Role.LEADER, Role.ADMIN})
"""Who sees the caller of an anonymous or confidential ticket; beside them only the agent who took it down."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: his id, in what role, and for which handling unit, if he belongs to one."""

    id: str
    role: Role
    unit: str = ""


SYSTEM = Actor("system", Role.SYSTEM)
"""The hotline itself."""

ADMIN = Actor("admin", Role.ADMIN)
"""The bearer of the hotline's own API token."""


_STATE_WORDS = dict(
    zip(TicketState, ("受理", "登记", "待签收", "办理中", "待审核", "办结", "归档", "并单"), strict=True)
)
_ROLE_WORDS = dict(
    zip(
        Role,
        ("话务员", "派单员", "承办单位", "班长/督办员", "质检员", "值班领导", "系统", "管理员"),
        strict=True,
    )
)
_INPUT_WORDS: dict[TicketInput, str] = {
    _I.AMEND: "补充",
    _I.REGISTER: "登记",
    _I.ANSWER: "直接答复",
    _I.CLOSE: "直接办结",
    _I.REFER: "转办",
    _I.ASSIGN: "交办",
    _I.REDISPATCH: "改派",
    _I.SIGN: "签收",
    _I.HANDLE: "办理",
    _I.REPLY: "答复",
    _I.ACCEPT_REPLY: "审核通过",
    _I.REJECT_REPLY: "审核退回",
    _I.ASK_RETURN: "申请退单",
    _I.GRANT_RETURN: "同意退单",
    _I.REFUSE_RETURN: "不同意退单",
    _I.ASK_EXTENSION: "申请延期",
    _I.GRANT_EXTENSION: "同意延期",
    _I.REFUSE_EXTENSION: "不同意延期",
    _I.ASK_HARD_CASE: "申请疑难",
    _I.GRANT_HARD_CASE: "认定疑难",
    _I.REFUSE_HARD_CASE: "不认定疑难",
    _I.ASK_PAUSE: "申请暂停计时",
    _I.GRANT_PAUSE: "同意暂停计时",
    _I.REFUSE_PAUSE: "不同意暂停计时",
    _I.RESUME: "恢复计时",
    _I.OBJECT: "派单异议",
    _I.UPHOLD_OBJECTION: "异议成立",
    _I.OVERRULE_OBJECTION: "异议不成立",
    _I.ADD_UNIT: "增加协办",
    _I.SUPERVISE: "督办",
    _I.REMIND: "催办",
    _I.ESCALATE: "提级办理",
    _I.JOIN: "归入事件",
    _I.LEAVE: "移出事件",
    _I.SETTLE: "统一答复",
    _I.FOLLOW_UP: "回访",
    _I.REDO: "重办",
    _I.MERGE: "并单",
    _I.ARCHIVE: "归档",
    _I.JUDGE: "复核",
    _I.ATTACH: "附件",
    _I.RECOUNT: "重算时限",
    _I.WITHDRAW: "撤回",
    _I.CONCEAL: "隐去身份",
}
