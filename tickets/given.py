"""What somebody wants to do to a ticket, and what each input needs to be given. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from tickets.moves import TicketInput
from tickets.texts import TicketRefused, cleaned
from tickets.ticket import Attachment, TicketChange, TicketPolicy

_I = TicketInput


@dataclass(frozen=True, slots=True)
class Move:
    """What somebody wants to do. `version` is the one he saw; None = whatever it is now.

    Which of the other fields an input needs, and which it may have, stands in `GIVEN`.
    """

    input: TicketInput
    version: int | None = None
    reason: str | None = None
    change: TicketChange | None = None
    text: str | None = None  #: an answer, or a step of the handling
    unit: str | None = None
    co_units: tuple[str, ...] | None = None
    until: float | None = None  #: a deadline, or a pause's end
    pause: str | None = None  #: a pause's named reason
    approval: int | None = None  #: a request's `seq`
    right: bool | None = None
    into: str | None = None  #: the ticket that this one repeats
    incident: str | None = None
    contacted: bool | None = None
    solved: bool | None = None
    satisfied: bool | None = None
    attachment: Attachment | None = None


_NOTHING: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset({"reason"}))
_REASON: tuple[frozenset[str], frozenset[str]] = (frozenset({"reason"}), frozenset())


def _given(needed: str, also: str = "reason") -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(needed.split()), frozenset(also.split())


GIVEN: Mapping[TicketInput, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        _I.AMEND: _given("change", ""),
        _I.REGISTER: _given("change", ""),
        _I.ANSWER: _given("text"),
        _I.CLOSE: _REASON,
        _I.REFER: _given("unit", "reason co_units"),
        _I.ASSIGN: _given("unit", "reason co_units"),
        _I.REDISPATCH: _given("unit reason", "co_units"),
        _I.SIGN: _NOTHING,
        _I.HANDLE: _given("text", ""),
        _I.REPLY: _given("text", ""),
        _I.ACCEPT_REPLY: _NOTHING,
        _I.REJECT_REPLY: _REASON,
        _I.ASK_RETURN: _given("reason", "unit"),
        _I.GRANT_RETURN: _NOTHING,
        _I.REFUSE_RETURN: _REASON,
        _I.ASK_EXTENSION: _given("reason until", ""),
        _I.GRANT_EXTENSION: _given("", "reason until"),
        _I.REFUSE_EXTENSION: _REASON,
        _I.ASK_HARD_CASE: _REASON,
        _I.GRANT_HARD_CASE: _given("", "reason co_units"),
        _I.REFUSE_HARD_CASE: _REASON,
        _I.ASK_PAUSE: _given("reason pause", "until"),
        _I.GRANT_PAUSE: _given("", "reason until"),
        _I.REFUSE_PAUSE: _REASON,
        _I.RESUME: _NOTHING,
        _I.OBJECT: _given("reason", "unit"),
        _I.UPHOLD_OBJECTION: _NOTHING,
        _I.OVERRULE_OBJECTION: _REASON,
        _I.ADD_UNIT: _given("unit"),
        _I.SUPERVISE: _given("reason", "until"),
        _I.REMIND: _NOTHING,
        _I.ESCALATE: _REASON,
        _I.JOIN: _given("incident"),
        _I.LEAVE: _NOTHING,
        _I.SETTLE: _given("text"),
        _I.FOLLOW_UP: _given("contacted", "reason solved satisfied"),
        _I.REDO: _given("reason", "unit"),
        _I.MERGE: _given("into"),
        _I.ARCHIVE: _NOTHING,
        _I.JUDGE: _given("approval right"),
        _I.ATTACH: _given("attachment", "reason"),
        _I.RECOUNT: _NOTHING,
        _I.WITHDRAW: _REASON,
        _I.CONCEAL: _given("", "reason change"),
    }
)
"""What an input needs, and what it may have besides."""


def checked(move: Move, policy: TicketPolicy) -> Move:
    """The move with its texts as they may be stored. Raises `TicketRefused` (``missing``, ``unknown_field``, …)."""
    needed, also = GIVEN[move.input]
    for one in fields(move):
        name, value = one.name, getattr(move, one.name)
        if name in ("input", "version"):
            continue
        if name in needed and value in (None, ""):
            raise TicketRefused("missing", f"This needs the field {name}.", name)
        if value is not None and name not in needed | also:
            raise TicketRefused("unknown_field", f"This takes no field {name}.", name)
    reason = cleaned(move.reason, "reason", policy.reason_max) if move.reason is not None else None
    text = cleaned(move.text, "text", policy.text_max) if move.text is not None else None
    for name, value in (("reason", reason), ("text", text)):
        if name in needed and not value:
            raise TicketRefused("missing", f"This needs the field {name}.", name)
    return replace(move, reason=reason, text=text)
