"""One ticket (工单): its types, its states, the one table of its moves, and what may be written into it. Pure.

This is the part of the flow that a call needs (受理, 登记): opened by the call, registered when type and text are
filled, closed. Dispatch, signing, handling and follow-up extend the same table.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pbx.ids import AgentId, CallId, TicketNumber
from tickets.clock import USUAL_REASONS, PauseReason
from tickets.deadlines import Calendar, ChineseCalendar, DeadlineRules, WorkingHours, due
from tickets.schedule import USUAL_STEPS, StepRule
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


_CHINESE = {
    TicketType.INQUIRY: "咨询",
    TicketType.HELP: "求助",
    TicketType.COMPLAINT: "投诉",
    TicketType.REPORT: "举报",
    TicketType.SUGGESTION: "建议",
    TicketType.PRAISE: "表扬",
}


class TicketState(enum.Enum):
    """Where a ticket is."""

    OPENED = "opened"  #: 受理: the call has opened it; type or text are missing
    REGISTERED = "registered"  #: 登记: type and text are filled
    CLOSED = "closed"  #: 办结: nothing may be changed any more


class TicketInput(enum.Enum):
    """What is done to a ticket."""

    AMEND = "amend"  #: some of its fields are written
    REGISTER = "register"  #: type and text are filled for the first time
    CLOSE = "close"


_S, _I = TicketState, TicketInput

TICKET_MOVES: dict[tuple[TicketState, TicketInput], TicketState | None] = {
    (_S.OPENED, _I.AMEND): _S.OPENED,  # a
    (_S.OPENED, _I.REGISTER): _S.REGISTERED,  # b
    (_S.OPENED, _I.CLOSE): None,  # nobody has written what it was about
    (_S.REGISTERED, _I.AMEND): _S.REGISTERED,  # c
    (_S.REGISTERED, _I.REGISTER): None,
    (_S.REGISTERED, _I.CLOSE): _S.CLOSED,  # d
    (_S.CLOSED, _I.AMEND): None,
    (_S.CLOSED, _I.REGISTER): None,
    (_S.CLOSED, _I.CLOSE): None,
}
"""Every cell: the next state, or None where the move is refused. Drawn in ``docs/states.md``."""


class TicketRefused(Exception):
    """Something may not be done to a ticket, or not so. `code` is stable, `field` names the faulty field or nothing."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is. Times are epoch seconds; `transcript` says whether the call has one."""

    number: TicketNumber
    call: CallId
    caller: str
    dialled: str
    language: str
    queue: str
    agent: AgentId
    opened_at: float
    sign_due: float
    handle_due: float
    state: TicketState = TicketState.OPENED
    type: TicketType | None = None
    title: str = ""
    text: str = ""
    unit: str | None = None
    satisfaction: int | None = None
    recording: str | None = None
    transcript: bool = False


@dataclass(frozen=True, slots=True)
class TicketMove:
    """One thing done to a ticket: by whom, when (epoch seconds), why. `before` is None for the opening."""

    ticket: TicketNumber
    seq: int
    before: TicketState | None
    after: TicketState
    cause: str
    actor: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What to write into a ticket; None leaves a field as it is. `type` may be the value of a `TicketType`."""

    type: TicketType | str | None = None
    title: str | None = None
    text: str | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class TicketPolicy:
    """A hotline's rules for its tickets. Lengths in characters."""

    hours: WorkingHours = field(default_factory=WorkingHours)
    calendar: Calendar = field(default_factory=ChineseCalendar)
    deadlines: DeadlineRules = field(default_factory=DeadlineRules)
    units: UnitRegister = field(default_factory=UnitRegister)
    title_max: int = 120
    text_max: int = 10_000
    reasons: Mapping[str, PauseReason] = field(default_factory=lambda: USUAL_REASONS)
    steps: tuple[StepRule, ...] = USUAL_STEPS

    def sign_due(self, opened_at: float) -> float:
        """Until when a ticket opened at `opened_at` must be signed for. Raises `CalendarError`."""
        return due(opened_at, self.deadlines.sign, self.hours, self.calendar)

    def handle_due(self, opened_at: float, type_: TicketType | None) -> float:
        """Until when it must be closed. Raises `CalendarError`."""
        limit = self.deadlines.handle_limit(type_.value if type_ else None)
        return due(opened_at, limit, self.hours, self.calendar)


def number_of(day: str, sequence: int) -> TicketNumber:
    """The public number: the day as YYYYMMDD and the day's running number, at least five digits."""
    return TicketNumber(f"{day}{sequence:05d}")


def moved(state: TicketState, cause: TicketInput) -> TicketState:
    """Where `cause` takes a ticket; raises `TicketRefused` (``closed``, ``not_registered``, ``registered``)."""
    after = TICKET_MOVES[state, cause]
    if after is not None:
        return after
    if state is TicketState.CLOSED:
        raise TicketRefused("closed", "The ticket is closed; nothing can be changed in it.")
    if state is TicketState.OPENED:
        raise TicketRefused("not_registered", "The ticket has no type and text yet; fill them in first.")
    raise TicketRefused("registered", "The ticket is registered already.")


def change(ticket: Ticket, wanted: TicketChange, policy: TicketPolicy) -> tuple[Ticket, TicketInput, str]:
    """The ticket with `wanted` written into it, which move that was, and which fields it changed (joined by commas).

    Type and text filled for the first time register it; the deadline to close follows the type and is always counted
    from the opening, so a change of the type cannot win time. Raises `TicketRefused` or `CalendarError`.
    """
    moved(ticket.state, TicketInput.AMEND)
    type_ = _type(wanted.type) if wanted.type is not None else ticket.type
    title = _line(wanted.title, "title", policy.title_max) if wanted.title is not None else ticket.title
    text = _clean(wanted.text, "text", policy.text_max) if wanted.text is not None else ticket.text
    unit = ticket.unit
    if wanted.unit is not None:
        if wanted.unit not in policy.units:
            raise TicketRefused("unknown_unit", "There is no such handling unit.", "unit")
        unit = wanted.unit
    complete = type_ is not None and bool(text)
    if ticket.state is TicketState.REGISTERED and not complete:
        raise TicketRefused("incomplete", "A registered ticket keeps a text.", "text")
    cause = TicketInput.REGISTER if complete and ticket.state is TicketState.OPENED else TicketInput.AMEND
    after = replace(
        ticket,
        state=moved(ticket.state, cause),
        type=type_,
        title=title,
        text=text,
        unit=unit,
        handle_due=policy.handle_due(ticket.opened_at, type_) if type_ is not ticket.type else ticket.handle_due,
    )
    changed = [name for name in ("type", "title", "text", "unit") if getattr(after, name) != getattr(ticket, name)]
    return after, cause, ",".join(changed)


def close(ticket: Ticket) -> Ticket:
    """The ticket closed; raises `TicketRefused` unless it is registered."""
    return replace(ticket, state=moved(ticket.state, TicketInput.CLOSE))


def checked_score(score: int) -> int:
    """`score` if a caller can have given it; raises `TicketRefused` (code ``bad_score``) otherwise."""
    if score not in SCORES:
        raise TicketRefused("bad_score", f"Satisfaction is a number from {SCORES[0]} to {SCORES[-1]}.", "satisfaction")
    return score


def checked_reason(reason: str, policy: TicketPolicy) -> str:
    """A reason as it may be stored: one line, no longer than a title. Raises `TicketRefused`."""
    return _line(reason, "reason", policy.title_max)


def _type(value: TicketType | str) -> TicketType:
    try:
        return TicketType(value)
    except ValueError:
        known = ", ".join(kind.value for kind in TicketType)
        raise TicketRefused("unknown_type", f"The type must be one of {known}.", "type") from None


def _clean(value: str, name: str, longest: int) -> str:
    """Text with `\\n` line ends and no blanks around it; control characters and lone surrogates are refused."""
    value = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(value) > longest:
        raise TicketRefused(f"{name}_too_long", f"The {name} may have {longest} characters.", name)
    for character in value:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise TicketRefused(f"bad_{name}", f"The {name} contains a control character.", name)
    return value


def _line(value: str, name: str, longest: int) -> str:
    value = _clean(value, name, longest)
    if "\n" in value:
        raise TicketRefused(f"bad_{name}", f"The {name} must be a single line.", name)
    return value
