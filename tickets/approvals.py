"""Requests that need a decision (审核授权, `domain.md` D13): return, extension, hard case, pause, objection. Pure.

A request is an object beside the ticket's state: who asked, when, why; who decided, when, how, why; and later whether
an inspector found the decision right. The accuracy of the authorisations (`domain.md` D14) falls out of that, see
`tickets/accuracy.py`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tickets.moves import TicketInput


class ApprovalKind(enum.Enum):
    """What is asked for."""

    RETURN = "return"  #: 退单
    EXTENSION = "extension"  #: 延期
    HARD_CASE = "hard_case"  #: 疑难
    PAUSE = "pause"  #: 暂停计时
    OBJECTION = "objection"  #: 派单异议

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _WORDS[self]


_WORDS = dict(zip(ApprovalKind, ("退单", "延期", "疑难", "暂停计时", "派单异议"), strict=True))


class Outcome(enum.Enum):
    """What became of a request."""

    ASKED = "asked"  #: 待审核
    GRANTED = "granted"  #: 同意
    REFUSED = "refused"  #: 不同意
    LAPSED = "lapsed"  #: 失效: the ticket moved on before anybody decided


@dataclass(frozen=True, slots=True)
class Approval:
    """One request. `seq` counts a ticket's requests from 1; times are epoch seconds; empty texts are not yet there.

    `until`: the new deadline that is asked for, or the end of the pause. `detail`: the named reason of a pause, or the
    unit that a return or objection says it belongs to. `right`: what the inspector found; None = not judged.
    """

    seq: int
    kind: ApprovalKind
    asked_by: str
    asked_unit: str
    asked_at: float
    reason: str
    until: float | None = None
    detail: str = ""
    outcome: Outcome = Outcome.ASKED
    decided_by: str = ""
    decided_at: float | None = None
    why: str = ""
    right: bool | None = None
    judged_by: str = ""
    judged_at: float | None = None
    judged_why: str = ""


ASKS: dict[TicketInput, ApprovalKind] = {
    TicketInput.ASK_RETURN: ApprovalKind.RETURN,
    TicketInput.ASK_EXTENSION: ApprovalKind.EXTENSION,
    TicketInput.ASK_HARD_CASE: ApprovalKind.HARD_CASE,
    TicketInput.ASK_PAUSE: ApprovalKind.PAUSE,
    TicketInput.OBJECT: ApprovalKind.OBJECTION,
}
"""The inputs that ask."""

DECIDES: dict[TicketInput, tuple[ApprovalKind, Outcome]] = {
    TicketInput.GRANT_RETURN: (ApprovalKind.RETURN, Outcome.GRANTED),
    TicketInput.REFUSE_RETURN: (ApprovalKind.RETURN, Outcome.REFUSED),
    TicketInput.GRANT_EXTENSION: (ApprovalKind.EXTENSION, Outcome.GRANTED),
    TicketInput.REFUSE_EXTENSION: (ApprovalKind.EXTENSION, Outcome.REFUSED),
    TicketInput.GRANT_HARD_CASE: (ApprovalKind.HARD_CASE, Outcome.GRANTED),
    TicketInput.REFUSE_HARD_CASE: (ApprovalKind.HARD_CASE, Outcome.REFUSED),
    TicketInput.GRANT_PAUSE: (ApprovalKind.PAUSE, Outcome.GRANTED),
    TicketInput.REFUSE_PAUSE: (ApprovalKind.PAUSE, Outcome.REFUSED),
    TicketInput.UPHOLD_OBJECTION: (ApprovalKind.OBJECTION, Outcome.GRANTED),
    TicketInput.OVERRULE_OBJECTION: (ApprovalKind.OBJECTION, Outcome.REFUSED),
}
"""The inputs that decide, and how."""


def open_request(approvals: tuple[Approval, ...], kind: ApprovalKind) -> Approval | None:
    """The request of this kind that waits for a decision; there is at most one."""
    return next((one for one in approvals if one.kind is kind and one.outcome is Outcome.ASKED), None)
