"""What a controller must not forget when it ends, beside calls and agents: notices of agents, and what calls taught.

The words are part of the unions in `pbx/events.py` and `pbx/commands.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.call import Outcome
from pbx.ids import AgentId, CallId, QueueId

ENDED_KEPT = 4096
"""Of so many calls it is remembered that their end is known: at a hundred calls a second those of 40 s."""

NOTICES_KEPT = 100
"""So many notices of agents are kept, and shown; the journal has every event from which they came."""


@dataclass(frozen=True, slots=True)
class DeskNotice:
    """Something about an agent that a supervisor should see and that nobody asked for.

    `what`: ``missed`` (not ready after calls left unanswered), ``moved`` (signed in at another seat, `detail`, and out
    where he was), ``seat_taken`` (signed out because somebody else signed in at his seat, `detail`), ``overrun`` (not
    ready for longer than the reason, `detail`, allows), ``pin_locked`` (too many wrong PINs, at the phone `detail`).
    """

    at: float
    what: str
    agent: AgentId
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SaveDeskNotice:
    """Keep a notice over a restart."""

    notice: DeskNotice


@dataclass(frozen=True, slots=True)
class DeskNoticesRestored:
    """The latest notices as the store knew them when the controller started, oldest first."""

    notices: tuple[DeskNotice, ...]
    at: float


@dataclass(frozen=True, slots=True)
class CallLesson:
    """What an ended call of a queue teaches: when its caller joined the line, was joined with an agent, was released.

    Times are epoch seconds, None = has not happened.
    """

    call: CallId
    queue: QueueId
    queued_at: float
    joined_at: float | None
    released_at: float | None
    ended_at: float
    outcome: Outcome | None

    @property
    def talk_s(self) -> float | None:
        """How long he talked; None = he did not, or nobody knows."""
        if self.joined_at is None or self.released_at is None:
            return None
        return self.released_at - self.joined_at

    @property
    def waited(self) -> tuple[float, bool] | None:
        """How long he waited, and whether he gave up; None = his wait ended in another way, which teaches nothing."""
        if self.joined_at is not None:
            return self.joined_at - self.queued_at, False
        if self.outcome is Outcome.ABANDONED:
            return self.ended_at - self.queued_at, True
        return None


@dataclass(frozen=True, slots=True)
class QueueLessons:
    """What a queue's latest calls have taught: lengths of talks in seconds, oldest first; hang-ups, seconds waited.

    `gone` and `waited_s` are the weighted sums of `acd.estimate.Patience`.
    """

    queue: QueueId
    talks: tuple[float, ...]
    gone: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class LessonsRestored:
    """What the calls in the store teach, when the controller starts; an estimate begins where it was."""

    queues: tuple[QueueLessons, ...]
    at: float
