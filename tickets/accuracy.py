"""How accurate the authorisations are (回退、延期、疑难授权准确率, `domain.md` D13, D14). Pure.

A decision is right or wrong because an inspector who neither asked nor decided has found it so. Whatever was decided
and not yet judged counts for neither; how many such there are is told beside the rate, and every figure carries the
tickets behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pbx.ids import TicketNumber
from tickets.approvals import Approval, ApprovalKind, Outcome

TARGETS: Mapping[ApprovalKind, float] = MappingProxyType(
    {ApprovalKind.RETURN: 0.98, ApprovalKind.EXTENSION: 1.0, ApprovalKind.HARD_CASE: 0.98}
)
"""「答复回退授权准确率达到98%以上,延期授权准确率达到100%,疑难问题界定准确率达到98%」 (`domain.md` D14)."""

Behind = tuple[TicketNumber, int]
"""One request behind a figure: its ticket, and its number there."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One kind's figure: the requests whose decision was found right, found wrong, and not judged yet."""

    kind: ApprovalKind
    right: tuple[Behind, ...]
    wrong: tuple[Behind, ...]
    unjudged: tuple[Behind, ...]

    @property
    def value(self) -> float | None:
        """Right ones of the judged ones; None while none is judged."""
        judged = len(self.right) + len(self.wrong)
        return len(self.right) / judged if judged else None

    @property
    def target(self) -> float | None:
        """What the seeds ask for, None where they ask for nothing."""
        return TARGETS.get(self.kind)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is no value or no target."""
        return None if self.value is None or self.target is None else self.value >= self.target


def accuracy(decided: Iterable[tuple[TicketNumber, Approval]]) -> dict[ApprovalKind, Accuracy]:
    """The figures of all kinds, of these requests. Those that nobody has decided, or that lapsed, count nowhere."""
    found: dict[ApprovalKind, dict[bool | None, list[Behind]]] = {
        kind: {True: [], False: [], None: []} for kind in ApprovalKind
    }
    for ticket, one in decided:
        if one.outcome in (Outcome.GRANTED, Outcome.REFUSED):
            found[one.kind][one.right].append((ticket, one.seq))
    return {
        kind: Accuracy(kind, tuple(sorted(by[True])), tuple(sorted(by[False])), tuple(sorted(by[None])))
        for kind, by in found.items()
    }
