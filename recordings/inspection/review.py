"""The states of a score (质检评分) and the one table of its moves. Pure.

An inspector scores; the agent may appeal (申诉) within a time; somebody else than who scored upholds or changes it;
then it is closed. A score that nobody appeals against is closed as it is.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class InspectionRefused(Exception):
    """It is not done; `code` is stable, `field` names what is at fault in a body, where something is.

    `items`: of answers that do not fit a card, each item at fault with the values that it may have; none = there is no
    such item.
    """

    def __init__(self, code: str, field: str = "", items: Mapping[str, tuple[str, ...]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.items = dict(items or {})


class ScoreState(enum.Enum):
    """Where a score is."""

    SCORED = "scored"  #: 已评分: the agent may appeal
    APPEALED = "appealed"  #: 申诉中
    UPHELD = "upheld"  #: 维持原评分
    CHANGED = "changed"  #: 已改分
    CLOSED = "closed"  #: 已归档: over


class ScoreInput(enum.Enum):
    """What is done to it."""

    APPEAL = "appeal"  #: 申诉: by the agent, with a reason
    UPHOLD = "uphold"  #: 维持: with a reason
    CHANGE = "change"  #: 改分: with a reason and new answers
    CLOSE = "close"  #: 归档


_S, _I = ScoreState, ScoreInput
_NO = None

_TABLE: dict[ScoreInput, tuple[ScoreState | None, ...]] = {
    # scored appealed upheld changed closed
    _I.APPEAL: (_S.APPEALED, _NO, _NO, _NO, _NO),
    _I.UPHOLD: (_NO, _S.UPHELD, _NO, _NO, _NO),
    _I.CHANGE: (_NO, _S.CHANGED, _NO, _NO, _NO),
    _I.CLOSE: (_S.CLOSED, _NO, _S.CLOSED, _S.CLOSED, _NO),
}

SCORE_MOVES: Mapping[tuple[ScoreState, ScoreInput], ScoreState | None] = MappingProxyType(
    {(state, cause): after for cause, row in _TABLE.items() for state, after in zip(ScoreState, row, strict=True)}
)
"""Every cell: the next state, or None where the move is refused."""


def moved(
    state: ScoreState, cause: ScoreInput, *, by: str, agent: str, scorer: str, late: bool, reason: str
) -> ScoreState:
    """The state after a move of `by`, whose role has the right to it (`agents.rights.INSPECTION`). `late`: the time to
    appeal is over. Raises `InspectionRefused`.

    Nobody appeals for another agent, and nobody judges the appeal against his own score.
    """
    if cause is _I.APPEAL and by != agent:
        raise InspectionRefused("not_allowed")
    if cause in (_I.UPHOLD, _I.CHANGE) and by in (scorer, agent):
        raise InspectionRefused("own_score")
    after = SCORE_MOVES[state, cause]
    if after is None:
        raise InspectionRefused("score_not_now")
    if cause is _I.APPEAL and late:
        raise InspectionRefused("appeal_too_late")
    if cause is not _I.CLOSE and not reason.strip():
        raise InspectionRefused("reason_needed", "reason")
    return after
