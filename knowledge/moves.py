"""The one table of an entry's moves (draft, review, published, ended), and who may make them. Pure.

What moves is a *version* of an entry. A published version goes on being served while the next one is written and
reviewed; it is replaced in the instant in which that is published.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from knowledge.entry import KnowledgeRefused


class KnowledgeState(enum.Enum):
    """Where a version of an entry is."""

    DRAFT = "draft"  #: 草稿
    IN_REVIEW = "in_review"  #: 待审核
    REFUSED = "refused"  #: 审核退回
    PUBLISHED = "published"  #: 已发布
    REPLACED = "replaced"  #: 已更新: a newer version of the entry is published
    EXPIRED = "expired"  #: 已失效: its last day is over
    WITHDRAWN = "withdrawn"  #: 已撤回

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _STATE_WORDS[self]


_STATE_WORDS = dict(
    zip(KnowledgeState, ("草稿", "待审核", "审核退回", "已发布", "已更新", "已失效", "已撤回"), strict=True)
)


class KnowledgeInput(enum.Enum):
    """What is done to a version."""

    WRITE = "write"
    SUBMIT = "submit"  #: 送审
    TAKE_BACK = "take_back"  #: 撤回送审
    PUBLISH = "publish"  #: 审核通过
    REFUSE = "refuse"  #: 审核退回
    REVISE = "revise"  #: 修订: begin the next version
    REPLACE = "replace"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"  #: 下架, or a draft thrown away


_S, _I = KnowledgeState, KnowledgeInput

_LEGAL: dict[tuple[KnowledgeState, KnowledgeInput], KnowledgeState] = {
    (_S.DRAFT, _I.WRITE): _S.DRAFT,  # a
    (_S.DRAFT, _I.SUBMIT): _S.IN_REVIEW,  # b
    (_S.DRAFT, _I.WITHDRAW): _S.WITHDRAWN,  # c
    (_S.IN_REVIEW, _I.TAKE_BACK): _S.DRAFT,  # d
    (_S.IN_REVIEW, _I.PUBLISH): _S.PUBLISHED,  # e
    (_S.IN_REVIEW, _I.REFUSE): _S.REFUSED,  # f
    (_S.REFUSED, _I.WRITE): _S.DRAFT,  # g
    (_S.REFUSED, _I.WITHDRAW): _S.WITHDRAWN,  # h
    (_S.PUBLISHED, _I.REVISE): _S.PUBLISHED,  # i
    (_S.PUBLISHED, _I.REPLACE): _S.REPLACED,  # j
    (_S.PUBLISHED, _I.EXPIRE): _S.EXPIRED,  # k
    (_S.PUBLISHED, _I.WITHDRAW): _S.WITHDRAWN,  # l
    (_S.EXPIRED, _I.REVISE): _S.EXPIRED,  # m
    (_S.WITHDRAWN, _I.REVISE): _S.WITHDRAWN,  # n
}

KNOWLEDGE_MOVES: dict[tuple[KnowledgeState, KnowledgeInput], KnowledgeState | None] = {
    (state, cause): _LEGAL.get((state, cause)) for state in KnowledgeState for cause in KnowledgeInput
}
"""Every cell: the next state, or None where the move is refused. Drawn in ``docs/knowledge.md``."""


class Role(enum.Enum):
    """In which part somebody acts on the knowledge base."""

    AGENT = "agent"  #: 话务员: searches, asks units what is missing
    UNIT = "unit"  #: 承办单位: writes its own entries
    EDITOR = "editor"  #: 知识管理员: writes for every unit
    REVIEWER = "reviewer"  #: 审核员: decides what is published
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Editor:
    """Who acts: his id, his role, and his unit where the role is of one.

    `served`: the units whose entries and questions his hotline answers for; None = those of all, as where there is one
    hotline. What is published is for everybody. `registered`: the units that there are; what one that is gone has left
    behind any hotline's people give to a unit of theirs.
    """

    id: str
    role: Role
    unit: str = ""
    served: frozenset[str] | None = None
    registered: frozenset[str] | None = None


SYSTEM = Editor("system", Role.SYSTEM)
"""The hotline itself."""

_WRITERS = frozenset({Role.UNIT, Role.EDITOR})

KNOWLEDGE_ROLES: dict[KnowledgeInput, frozenset[Role]] = {
    _I.WRITE: _WRITERS,
    _I.SUBMIT: _WRITERS,
    _I.TAKE_BACK: _WRITERS,
    _I.PUBLISH: frozenset({Role.REVIEWER}),
    _I.REFUSE: frozenset({Role.REVIEWER}),
    _I.REVISE: _WRITERS,
    _I.REPLACE: frozenset({Role.SYSTEM}),
    _I.EXPIRE: frozenset({Role.SYSTEM}),
    _I.WITHDRAW: _WRITERS | {Role.REVIEWER},
}
"""Who may do what. Nobody publishes what he has written or submitted himself (`domain.md` D21)."""


@dataclass(frozen=True, slots=True)
class KnowledgeMove:
    """One thing done to a version of an entry; `at` in epoch seconds, `before` None for its beginning."""

    entry: int
    seq: int
    version: int
    before: KnowledgeState | None
    after: KnowledgeState
    cause: str
    actor: str
    role: str
    at: float
    reason: str = ""


def moved(state: KnowledgeState, cause: KnowledgeInput) -> KnowledgeState:
    """Where `cause` takes a version; raises `KnowledgeRefused` (not_now)."""
    after = KNOWLEDGE_MOVES[state, cause]
    if after is None:
        raise KnowledgeRefused("knowledge_not_now", f"A version that is {state.value} takes no {cause.value}.")
    return after


def require_served(actor: Editor, unit: str) -> None:
    """Raise `KnowledgeRefused` (not_your_unit) where another hotline answers for `unit`: each city keeps its own.

    For a unit that is gone nobody answers, and somebody must.
    """
    gone = bool(unit) and actor.registered is not None and unit not in actor.registered
    if actor.served is not None and unit not in actor.served and not gone:
        raise KnowledgeRefused("not_your_unit", "Another hotline answers for this unit.")


def require_right(actor: Editor, cause: KnowledgeInput, unit: str, authors: frozenset[str] = frozenset()) -> None:
    """Raise `KnowledgeRefused` unless `actor` may do `cause` to an entry of `unit` that `authors` have written.

    Codes: not_allowed, not_your_unit, own_entry.
    """
    if actor.role not in KNOWLEDGE_ROLES[cause]:
        raise KnowledgeRefused("not_allowed", f"The role {actor.role.value} may not {cause.value}.")
    if actor.role is Role.UNIT and (not actor.unit or actor.unit != unit):
        raise KnowledgeRefused("not_your_unit", "A unit writes its own entries only.")
    require_served(actor, unit)
    if cause in (_I.PUBLISH, _I.REFUSE) and actor.id in authors:
        raise KnowledgeRefused("own_entry", "Nobody reviews what he has written or submitted himself.")
