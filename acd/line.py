"""The line (排队): who waits, in what order. One line holds the callers of all queues; an order is asked for
once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from acd.skills import Requirement
from pbx.ids import AgentId, CallId, QueueId

HIGHEST_PRIORITY = 9


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller in the line.

    `priority` is 0 (normal) to 9, higher goes first. `queued_at` is the epoch second at which he joined his
    queue; it never changes, so a failed offer or a restart of the controller costs no place. `refused` are
    the agents whose phones were rung for him in vain; they are not chosen for him again while they stand
    here.
    """

    call: CallId
    queue: QueueId
    requirement: Requirement
    queued_at: float
    priority: int = 0
    refused: frozenset[AgentId] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Refuse a priority that the marks and reports do not know."""
        if not 0 <= self.priority <= HIGHEST_PRIORITY:
            raise ValueError(f"priority {self.priority} is not from 0 to {HIGHEST_PRIORITY}")

    @property
    def place(self) -> tuple[int, float, CallId]:
        """What the line is ordered by: priority, then time, then the call's id so that no order is left to
        chance.
        """
        return (-self.priority, self.queued_at, self.call)


class Line:
    """All waiting callers, in order."""

    def __init__(self) -> None:
        """An empty line."""
        self._callers: dict[CallId, Waiting] = {}
        self._places: list[tuple[int, float, CallId]] = []

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, call: CallId) -> bool:
        return call in self._callers

    def add(self, caller: Waiting) -> None:
        """`caller` joins the line, at the place that is his. Raises ValueError if he stands there already."""
        if caller.call in self._callers:
            raise ValueError(f"{caller.call} waits already")
        self._callers[caller.call] = caller
        insort(self._places, caller.place)

    def remove(self, call: CallId) -> Waiting | None:
        """The caller leaves the line; returns him as he stood there, None if he did not."""
        caller = self._callers.pop(call, None)
        if caller is not None:
            del self._places[bisect_left(self._places, caller.place)]
        return caller

    def get(self, call: CallId) -> Waiting | None:
        """The caller as he stands in the line, None if he does not."""
        return self._callers.get(call)

    def replace(self, caller: Waiting) -> None:
        """What is known of a waiting caller has changed. Raises KeyError if he does not wait."""
        if self.remove(caller.call) is None:
            raise KeyError(caller.call)
        self.add(caller)

    def ordered(self) -> Iterator[Waiting]:
        """Everybody, the first to be served first. The line must not be changed meanwhile."""
        return (self._callers[call] for _, _, call in self._places)

    def ahead_of(self, call: CallId) -> int:
        """How many callers of the same queue are served before this one. Raises KeyError if he does not
        wait.
        """
        caller = self._callers[call]
        before = self._places[: bisect_left(self._places, caller.place)]
        return sum(self._callers[other].queue == caller.queue for _, _, other in before)

    def waiting(self, queue: QueueId | None = None) -> int:
        """How many wait, in one queue or in all."""
        return sum(queue is None or caller.queue == queue for caller in self._callers.values())

    def longest_wait(self, now: float, queue: QueueId | None = None) -> float:
        """For how many seconds the longest-waiting caller has waited, in one queue or in all; 0 when nobody
        waits.
        """
        since = min(
            (caller.queued_at for caller in self._callers.values() if queue is None or caller.queue == queue),
            default=now,
        )
        return max(now - since, 0.0)
