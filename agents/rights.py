"""Who may order what (权限): one table from orders to rights, and the scope of each actor. Pure.

The web checks the bearer's token and says who he is; the switchboard asks `refusal` again before it does anything, and
whatever it refuses is written down (`docs/supervision.md`).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pbx.ids import ActorId, AgentId, QueueId


class Right(enum.Enum):
    """What an actor may do within his queues."""

    LISTEN = "listen"  #: 监听: hear a talk, himself unheard
    WHISPER = "whisper"  #: 密语: speak to the agent alone
    BARGE = "barge"  #: 强插: speak to both
    FORCE = "force"  #: force ready, not ready, sign-out
    RELEASE = "release"  #: 强拆: end a call
    MOVE = "move"  #: move a waiting caller
    SKILLS = "skills"  #: change skills of agents and needs of queues
    FOLLOW_UP = "follow_up"  #: 自动语音回访: pause it, let it go on, look at it
    NOTICE = "notice"  #: 突发事件通知: tell all who wait of an incident, and its end
    RECORD = "record"  #: 暂停录音: pause the recording of a talk, and let it go on
    STAFFING = "staffing"  #: 排班: see forecasts and how many agents are needed, of his queues
    AUDIT = "audit"  #: read the audit trail
    PERSONAL = "personal"  #: 个人信息: see ID, telephone and card numbers and plates in transcripts, and find them


class Action(enum.Enum):
    """What may be ordered, or looked at."""

    FORCE_READY = "force_ready"
    FORCE_NOT_READY = "force_not_ready"
    FORCE_SIGN_OUT = "force_sign_out"
    RELEASE_CALL = "release_call"
    MOVE_CALLER = "move_caller"
    CHANGE_SKILLS = "change_skills"
    CHANGE_QUEUE = "change_queue"
    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    STOP_LISTENING = "stop_listening"
    SEE_LISTENERS = "see_listeners"
    READ_AUDIT = "read_audit"
    GIVE_NOTICE = "give_notice"
    END_NOTICE = "end_notice"
    PAUSE_FOLLOW_UPS = "pause_follow_ups"
    RESUME_FOLLOW_UPS = "resume_follow_ups"
    SEE_FOLLOW_UPS = "see_follow_ups"
    PAUSE_RECORDING = "pause_recording"
    RESUME_RECORDING = "resume_recording"
    READ_PERSONAL = "read_personal"
    SEE_STAFFING = "see_staffing"


NEEDED: Mapping[Action, Right | None] = {
    Action.FORCE_READY: Right.FORCE,
    Action.FORCE_NOT_READY: Right.FORCE,
    Action.FORCE_SIGN_OUT: Right.FORCE,
    Action.RELEASE_CALL: Right.RELEASE,
    Action.MOVE_CALLER: Right.MOVE,
    Action.CHANGE_SKILLS: Right.SKILLS,
    Action.CHANGE_QUEUE: Right.SKILLS,
    Action.LISTEN: Right.LISTEN,
    Action.WHISPER: Right.WHISPER,
    Action.BARGE: Right.BARGE,
    Action.STOP_LISTENING: None,  # his own; to stop is never refused
    Action.SEE_LISTENERS: Right.LISTEN,
    Action.READ_AUDIT: Right.AUDIT,
    Action.GIVE_NOTICE: Right.NOTICE,
    Action.END_NOTICE: Right.NOTICE,
    Action.PAUSE_FOLLOW_UPS: Right.FOLLOW_UP,
    Action.RESUME_FOLLOW_UPS: Right.FOLLOW_UP,
    Action.SEE_FOLLOW_UPS: Right.FOLLOW_UP,
    Action.PAUSE_RECORDING: Right.RECORD,
    Action.RESUME_RECORDING: Right.RECORD,
    Action.READ_PERSONAL: Right.PERSONAL,
    Action.SEE_STAFFING: Right.STAFFING,
}
"""The one table: which right an action needs; None = every actor."""

OF_ROLES: Mapping[str, frozenset[Right]] = {
    "admin": frozenset(Right),
    "supervisor": frozenset({Right.PERSONAL}),
    "leader": frozenset({Right.PERSONAL}),
}
"""The rights of those who work on tickets, by the role of their access tokens; all other roles have none.

Who decides a dispute needs the number that was said. Who inspects how a call was handled (inspector) does not, and the
agent has heard it once, which was enough for the ticket (个人信息保护法 art. 6: no more than the purpose needs).
"""

EVERY_QUEUE = "*"
ADMIN = ActorId("admin")
"""The bearer of the API token: administrator, with every right in every queue."""

SYSTEM = ActorId("system")
"""Who ends what held for a time, in the audit trail; nobody bears this id."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody with a token. `queues` are those he may act on, ``*`` = all; `phone` is where he listens, if he does."""

    id: ActorId
    name: str
    rights: frozenset[Right] = frozenset()
    queues: frozenset[str] = frozenset()
    phone: AgentId | None = None

    @property
    def role(self) -> str:
        """What he is, in a word for the audit trail."""
        return "administrator" if self.id == ADMIN else "supervisor"


ADMINISTRATOR = Actor(ADMIN, "管理员 administrator", frozenset(Right), frozenset({EVERY_QUEUE}))


def role_may(role: str, action: Action) -> bool:
    """Whether the bearer of an access token of this role may do it, as far as a right is needed."""
    needed = NEEDED[action]
    return needed is None or needed in OF_ROLES.get(role, frozenset())


def refusal(actor: Actor | None, action: Action, queues: Collection[QueueId] | None = None) -> str:
    """Why `actor` may not do it: ``not_allowed`` (the right is not his), ``not_your_queue``; empty when he may.

    `queues` are those the agent serves, or the one in which the caller is, of which one must be his; None = the action
    is about no queue. An agent or caller of no queue at all belongs to those who may act on all.
    """
    if actor is None:
        return "not_allowed"
    needed = NEEDED[action]
    if needed is not None and needed not in actor.rights:
        return "not_allowed"
    if queues is None or EVERY_QUEUE in actor.queues or needed is None:
        return ""
    return "" if any(queue in actor.queues for queue in queues) else "not_your_queue"


class Inspecting(enum.Enum):
    """What may be done in quality inspection (质检)."""

    SEE_ALL = "see_all"  #: results and scores of every agent
    SEE_OWN = "see_own"  #: those of one's own calls
    SCORE = "score"
    APPEAL = "appeal"  #: against the score of one's own call
    JUDGE = "judge"  #: uphold or change a score; nobody his own (`recordings/inspection/review.py`)
    CLOSE = "close"
    COACH = "coach"  #: write a coaching note (辅导记录)
    PLAN = "plan"  #: draw samples
    CARDS = "cards"  #: write score cards
    RECOMPUTE = "recompute"  #: have calls inspected again by the rules of today


_JUDGES, _HEADS, _SEE = ("inspector", "supervisor", "admin"), ("supervisor", "admin"), ("leader",)

INSPECTION: Mapping[Inspecting, frozenset[str]] = {
    Inspecting.SEE_ALL: frozenset((*_JUDGES, *_SEE)),
    Inspecting.SEE_OWN: frozenset({"agent"}),
    Inspecting.SCORE: frozenset(_JUDGES),
    Inspecting.APPEAL: frozenset({"agent"}),
    Inspecting.JUDGE: frozenset(_JUDGES),
    Inspecting.CLOSE: frozenset(_JUDGES),
    Inspecting.COACH: frozenset(_JUDGES),
    Inspecting.PLAN: frozenset(_HEADS),
    Inspecting.CARDS: frozenset(_HEADS),
    Inspecting.RECOMPUTE: frozenset(_HEADS),
}
"""The one table of quality inspection: which roles of access tokens (`tickets.moves.Role`) may do it; every other may
nothing."""


def inspects(role: str, act: Inspecting) -> bool:
    """Whether somebody of this role may do it."""
    return role in INSPECTION[act]
