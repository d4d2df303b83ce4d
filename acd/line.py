"""The line (排队): who waits, in what order. One line holds the callers of all queues; an order is asked for
once.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from acd.policy import DEFAULT_POLICY, Policy, lead, score
from acd.skills import Requirement
from pbx.ids import AgentId, CallId, QueueId

HIGHEST_PRIORITY = 9


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller in the line.

    `priority` is 0 (normal) to 9, higher goes first. `queued_at` is the epoch second at which he joined his queue, or
    at which he would have (`acd.favours`); it never changes, so a failed offer, a wider requirement or a restart of the
    controller costs no place.
    `refused` are the agents whose phones were rung for him in vain; they are not chosen for him again while they stand
    here. `policy` says which agent is best for him; every `ageing_s` seconds of waiting count like one step of
    priority, 0 = priority alone. All callers of a queue have the same `ageing_s`. `only` is the one agent whom he is
    kept for; None = anybody who fits. `favours` are the named rules by which he stands as he does. `talked_s` of the
    seconds since `queued_at` he did not wait, as he talked with somebody who then gave him away.
    """

    call: CallId
    queue: QueueId
    requirement: Requirement
    queued_at: float
    priority: int = 0
    refused: frozenset[AgentId] = field(default_factory=frozenset)
    policy: Policy = DEFAULT_POLICY
    ageing_s: float = 0.0
    only: AgentId | None = None
    favours: tuple[str, ...] = ()
    talked_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a priority that the marks and reports do not know."""
        if not 0 <= self.priority <= HIGHEST_PRIORITY:
            raise ValueError(f"priority {self.priority} is not from 0 to {HIGHEST_PRIORITY}")
        if self.ageing_s < 0:
            raise ValueError(f"ageing_s {self.ageing_s} is negative")

    @property
    def place(self) -> tuple[float, float, CallId]:
        """What the callers of one queue are ordered by: priority with ageing, then time, then the call's id so that no
        order is left to chance. It stays the same while he waits.
        """
        return (lead(self.priority, self.queued_at, self.ageing_s), self.queued_at, self.call)

    def order(self, now: float) -> tuple[float, float, float, CallId]:
        """What callers of all queues are ordered by at epoch second `now`."""
        place = self.place
        return (-score(place[0], self.ageing_s, now), *place)


class Watcher(Protocol):
    """Who is told of everybody who joins and leaves a line, such as the pool of `acd.pool`."""

    def put_caller(self, caller: Waiting) -> None:
        """`caller` has joined."""

    def take_caller(self, call: CallId) -> object:
        """The caller has left."""


class Line:
    """All waiting callers, in order."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        """An empty line; `watcher` is told of every change."""
        self._callers: dict[CallId, Waiting] = {}
        self._places: dict[QueueId, list[tuple[float, float, CallId]]] = {}
        self._watcher = watcher

    def __len__(self) -> int:
        return len(self._callers)

    def __contains__(self, call: CallId) -> bool:
        return call in self._callers

    def add(self, caller: Waiting) -> None:
        """`caller` joins the line, at the place that is his. Raises ValueError if he stands there already."""
        if caller.call in self._callers:
            raise ValueError(f"{caller.call} waits already")
        self._callers[caller.call] = caller
        insort(self._places.setdefault(caller.queue, []), caller.place)
        if self._watcher is not None:
            self._watcher.put_caller(caller)

    def remove(self, call: CallId) -> Waiting | None:
        """The caller leaves the line; returns him as he stood there, None if he did not."""
        caller = self._callers.pop(call, None)
        if caller is not None:
            places = self._places[caller.queue]
            del places[bisect_left(places, caller.place)]
            if self._watcher is not None:
                self._watcher.take_caller(call)
        return caller

    def get(self, call: CallId) -> Waiting | None:
        """The caller as he stands in the line, None if he does not."""
        return self._callers.get(call)

    def replace(self, caller: Waiting) -> None:
        """What is known of a waiting caller has changed. Raises KeyError if he does not wait."""
        if self.remove(caller.call) is None:
            raise KeyError(caller.call)
        self.add(caller)

    def ordered(self, now: float | None = None) -> Iterator[Waiting]:
        """Everybody, the first to be served first, at epoch second `now` (default: when the last of them joined).

        Only callers of queues that age differently can change places while they wait.
        """
        if now is None:
            now = max((caller.queued_at for caller in self._callers.values()), default=0.0)
        instant = now
        return iter(sorted(self._callers.values(), key=lambda caller: caller.order(instant)))

    def ahead_of(self, call: CallId) -> int:
        """How many callers of the same queue are served before this one. Raises KeyError if he does not
        wait.
        """
        caller = self._callers[call]
        return bisect_left(self._places[caller.queue], caller.place)

    def before(self, call: CallId, now: float) -> Iterator[Waiting]:
        """The callers of all queues who are served before this one at epoch second `now`, in no order. KeyError if he
        does not wait.
        """
        mine = self._callers[call].order(now)
        return (caller for caller in self._callers.values() if caller.order(now) < mine)

    def waiting(self, queue: QueueId | None = None) -> int:
        """How many wait, in one queue or in all."""
        return len(self._callers) if queue is None else len(self._places.get(queue, ()))

    def longest_wait(self, now: float, queue: QueueId | None = None) -> float:
        """For how many seconds the longest-waiting caller has waited, in one queue or in all; 0 when nobody
        waits.
        """
        since = min(
            (caller.queued_at for caller in self._callers.values() if queue is None or caller.queue == queue),
            default=now,
        )
        return max(now - since, 0.0)
