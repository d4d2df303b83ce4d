"""A call-back (回拨): somebody who is to be called, what has been tried, and what became of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.ids import AgentId, CallId, QueueId


class CallbackState(enum.Enum):
    """Where a request is."""

    WAITING = "waiting"  #: holds its place in the line, or waits for the instant of the next attempt
    DIALLING = "dialling"  #: an agent is kept for it and its number is called, or he is just being joined
    DONE = "done"  #: an agent has talked with him, or he has heard the message
    GIVEN_UP = "given_up"  #: so often as the rules allow, in vain
    CANCELLED = "cancelled"  #: by a person, or because he has called again and was served


OPEN = (CallbackState.WAITING, CallbackState.DIALLING)
"""States in which something is still to be done."""


class CallbackKind(enum.Enum):
    """Why somebody is called."""

    ASKED = "callback"  #: he asked for it while he waited
    MISSED = "missed"  #: he had given up, and somebody of the hotline wants him called
    NOTICE = "notice"  #: he wanted to be told when an incident is over: no agent is needed
    FOLLOW_UP = "voice_follow_up"  #: 自动语音回访: he is asked how satisfied he is with his ticket; no agent is needed


AGENTLESS = frozenset({CallbackKind.NOTICE, CallbackKind.FOLLOW_UP})
"""Kinds for which no agent is kept: the hotline speaks by itself."""


FOLLOW_UP_IDS = "fu"
"""How the id of a request of kind `FOLLOW_UP` begins, and with it that of every call for it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call that was placed: `call` is its id, `agent` the one who was kept for it (None: no agent is needed).

    `outcome` is ``dialling`` until it is known; then ``answered``, ``busy``, ``no_answer``, ``failed``, ``hung_up``
    (he answered and was gone before an agent talked with him), ``in_doubt`` (nobody watched; there is no such call),
    ``silent`` (it was answered, and no key was pressed: an answering machine, or nobody who listened).
    """

    call: CallId
    agent: AgentId | None
    at: float
    outcome: str = "dialling"
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """Somebody to be called. Times are epoch seconds.

    `place_at`: the instant that gives him his place in the line, that of his first waiting. `next_at`: not before.
    `of_call`: the call in which he asked, or which was missed. `by`: who of the hotline wanted it, empty = he himself.
    `notice`: of which incident, for kind `NOTICE`. For kind `FOLLOW_UP`: `ticket` and how often it had been handled
    again (`round`), `why` it is followed up, what he said (`answer`): ``1`` to ``5`` (5 = very satisfied), ``agent``
    (he wanted to speak with one), empty = nothing.
    """

    id: str
    number: str
    queue: QueueId
    place_at: float
    asked_at: float
    language: str = "zh"
    priority: int = 0
    kind: CallbackKind = CallbackKind.ASKED
    of_call: CallId | None = None
    by: str = ""
    notice: str = ""
    ticket: str = ""
    round: int = 0
    why: str = ""
    answer: str = ""
    state: CallbackState = CallbackState.WAITING
    next_at: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    ended_at: float | None = None

    @property
    def call(self) -> CallId | None:
        """The call that is being placed for it now."""
        return self.attempts[-1].call if self.state is CallbackState.DIALLING and self.attempts else None
