"""What a caller's earlier call gives him: his place back in the line, or his last agent. Pure; time is a parameter.

Rules have names, which stand in the reason of each decision (`acd.decision`) and in the call's record: an overtaking
that no name explains is a fault (`hotline verify`). Memory is bounded: the oldest is forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from pbx.ids import AgentId, QueueId

RETURNING = "returning"
"""He left the line and came back within the queue's time: the place of his first call."""

DROPPED = "dropped"
"""His line was cut in the talk and he came back: the place of his first call."""

LAST_AGENT = "last-agent"
"""He is kept for the agent he talked with last, for a bounded time."""

T = TypeVar("T")

LISTED = "listed"
"""His number stands in the caller list, as ``listed:vip`` and so on."""

REMEMBERED = 20_000
"""So many numbers are remembered: a big city's abandoned calls and talks of a busy hour (`performance.md` 1e)."""


@dataclass(frozen=True, slots=True)
class Left:
    """A caller left the line of `queue`, or was cut off, at epoch second `at`; `place_at` is the place he had."""

    number: str
    queue: QueueId
    place_at: float
    at: float
    why: str = RETURNING


@dataclass(frozen=True, slots=True)
class Talked:
    """A caller talked with `agent` until epoch second `at`."""

    number: str
    agent: AgentId
    at: float


class Memory:
    """Who left and who talked, by number. Callers without a number are not remembered."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._left: OrderedDict[str, Left] = OrderedDict()
        self._talked: OrderedDict[str, Talked] = OrderedDict()

    def left(self, one: Left) -> None:
        """Remember a place that was given up; a newer one of the same number replaces it."""
        _keep(self._left, one.number, one, self._limit)

    def talked(self, one: Talked) -> None:
        """Remember a talk; the wish for an earlier place is fulfilled by it."""
        self._left.pop(one.number, None)
        _keep(self._talked, one.number, one, self._limit)

    def restore(self, left: Iterable[Left], talked: Iterable[Talked]) -> None:
        """What the store remembers from before a restart, oldest first."""
        for talk in talked:
            self.talked(talk)
        for one in left:
            known = self._talked.get(one.number)
            if known is None or known.at <= one.at:
                self.left(one)

    def place(self, number: str, queue: QueueId, now: float, within_s: float) -> Left | None:
        """The place that a caller who joins `queue` now gets back, if he left that queue at most `within_s` ago."""
        one = self._left.get(number)
        if one is None or one.queue != queue or now - one.at > within_s:
            return None
        return one

    def taken(self, number: str) -> None:
        """He has his place back; if he leaves again, that is a new memory."""
        self._left.pop(number, None)

    def last_agent(self, number: str, now: float, within_s: float) -> AgentId | None:
        """With whom a caller talked last, if that was at most `within_s` ago."""
        one = self._talked.get(number)
        return one.agent if one is not None and now - one.at <= within_s else None


def _keep(memory: OrderedDict[str, T], number: str, one: T, limit: int) -> None:
    if not number:
        return
    memory[number] = one
    memory.move_to_end(number)
    while len(memory) > limit:
        memory.popitem(last=False)
