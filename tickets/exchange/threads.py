"""The talk of two installations about one ticket: who may say what when, and each thing counted once. Pure.

A thread has two sides: the one that offers the ticket, and the one that takes it. Each side numbers what it says; the
other applies it in that order, each exactly once: what was applied is passed over, what comes too early waits. Messages
can cross: what a taker says about an offer that has been withdrawn or made anew meanwhile is `LATE` and changes
nothing, so both sides come to the same state without asking each other.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tickets.exchange.messages import Kind, Message

AHEAD = 1000
"""So many messages may wait for one that is missing; a peer that is further ahead has lost its count."""


class ThreadState(enum.Enum):
    """How far the talk is."""

    OFFERED = "offered"  #: 已转办: it is with the taker
    RETURNED = "returned"  #: 已退回: the taker says that it is not his matter
    REPLIED = "replied"  #: 已答复
    CLOSED = "closed"  #: 已办结
    CANCELLED = "cancelled"  #: 已撤回


_S = ThreadState

THREAD_MOVES: Mapping[tuple[ThreadState | None, Kind], ThreadState | None] = MappingProxyType(
    {(state, kind): None for state in (None, *ThreadState) for kind in Kind}
    | {(state, Kind.OFFER): _S.OFFERED for state in (None, *ThreadState) if state is not _S.OFFERED}
    | {(state, Kind.PROGRESS): state for state in (_S.OFFERED, _S.RETURNED, _S.REPLIED)}
    | {(_S.OFFERED, Kind.RETURN): _S.RETURNED, (_S.OFFERED, Kind.REPLY): _S.REPLIED}
    | {(_S.REPLIED, Kind.CLOSE): _S.CLOSED}
    | {(state, Kind.CANCEL): _S.CANCELLED for state in (_S.OFFERED, _S.RETURNED, _S.REPLIED)}
)
"""Every cell: the next state, or None for what cannot be said then."""

ENDED = frozenset({_S.CLOSED, _S.CANCELLED})
"""States in which nothing is said any more but that a caller is to be hidden, and a new offer."""


def hides(kind: Kind, body: Mapping[str, Any]) -> bool:
    """Whether it says that a caller is to be hidden (匿名, 保密): that holds however far the talk is.

    It is a `progress` as older peers know it: to them it is late, or what their ticket's rules refuse.
    """
    marked = body.get("anonymous") is True or body.get("confidential") is True
    return kind is Kind.PROGRESS and body.get("step") == "amended" and marked


OFFERER_SAYS = frozenset({Kind.OFFER, Kind.PROGRESS, Kind.CLOSE, Kind.CANCEL})
TAKER_SAYS = frozenset({Kind.PROGRESS, Kind.RETURN, Kind.REPLY})

LIVE = frozenset({_S.OFFERED, _S.RETURNED, _S.REPLIED})
"""States in which the offerer may still close or withdraw."""


class Outcome(enum.Enum):
    """What became of a message that was its turn."""

    APPLIED = "applied"
    LATE = "late"  #: it speaks of what is over
    REFUSED = "refused"  #: it is not for this side to say


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Thread:
    """One side of a talk. `mine`: whether we offered the ticket. `said` and `heard`: the last numbers of each side."""

    peer: str
    id: str
    mine: bool
    state: ThreadState | None = None
    turn: int = 0
    said: int = 0
    heard: int = 0


def may_say(thread: Thread, kind: Kind, body: Mapping[str, Any] = _NOTHING) -> bool:
    """Whether we can say this now."""
    allowed = OFFERER_SAYS if thread.mine else TAKER_SAYS
    return kind in allowed and _after(thread, thread.mine, kind, body) is not None


def say(thread: Thread, kind: Kind, body: Mapping[str, Any] = _NOTHING) -> Thread:
    """The thread after we said `kind`, as number ``said`` of turn ``turn``. Raises ValueError unless `may_say`."""
    if not may_say(thread, kind, body):
        raise ValueError(f"{kind.value} cannot be said now")
    state = _after(thread, thread.mine, kind, body)
    return replace(thread, state=state, turn=thread.turn + (kind is Kind.OFFER), said=thread.said + 1)


def _after(thread: Thread, offerer: bool, kind: Kind, body: Mapping[str, Any]) -> ThreadState | None:
    """The state after `kind`, said by the offerer or else by the taker; None where it cannot be said now."""
    if offerer and thread.state in ENDED and hides(kind, body):
        return thread.state
    return THREAD_MOVES[thread.state, kind]


def hear(thread: Thread, message: Message) -> tuple[Thread, Outcome]:
    """The thread after the message whose turn it is (``heard`` + 1), and what became of it."""
    assert message.seq == thread.heard + 1
    after = replace(thread, heard=message.seq)
    theirs = TAKER_SAYS if thread.mine else OFFERER_SAYS
    if message.kind not in theirs:
        return after, Outcome.REFUSED
    if message.kind is Kind.OFFER:
        if message.turn != thread.turn + 1 or THREAD_MOVES[thread.state, Kind.OFFER] is None:
            return after, Outcome.REFUSED
        return replace(after, state=_S.OFFERED, turn=message.turn), Outcome.APPLIED
    state = _after(thread, not thread.mine, message.kind, message.body)
    if message.turn != thread.turn or state is None:
        return after, Outcome.LATE
    return replace(after, state=state), Outcome.APPLIED


def arrive(
    thread: Thread, waiting: Mapping[int, Message], message: Message
) -> tuple[dict[int, Message], list[tuple[Message, Outcome, Thread]]]:
    """A message has come: those that still wait for an earlier one, and those whose turn has come.

    Each of the latter with what became of it and the thread after it. One that was heard or waits already changes
    nothing. Raises ValueError for one that is too far ahead.
    """
    left = dict(waiting)
    if message.seq <= thread.heard or message.seq in left:
        return left, []
    if message.seq > thread.heard + AHEAD:
        raise ValueError("too far ahead")
    left[message.seq] = message
    done = []
    while (following := left.pop(thread.heard + 1, None)) is not None:
        thread, outcome = hear(thread, following)
        done.append((following, outcome, thread))
    return left, done


@dataclass(frozen=True, slots=True)
class Retry:
    """When a message is sent again: after `first_s` seconds, then twice as long each time, up to `last_s`."""

    first_s: float = 1.0
    last_s: float = 300.0

    def after(self, tries: int, spread: float) -> float:
        """Seconds until the try after `tries` that failed; `spread` in [0, 1) keeps many senders from one instant."""
        whole = min(self.last_s, self.first_s * 2.0 ** min(tries - 1, 30))
        return whole * (0.75 + 0.5 * spread)
