"""What each agent did, from when to when: the intervals of which occupancy, adherence and wrap-up are folds. Pure.

A fold over agents' states as they change, live or in a replay. An interval is one state with one reason at one call; a
signed-out agent has none. Instants are those of the controller's clock at the step in which the state changed.

What a restart knows (`Shifts.restored`): an agent who is as he was goes on in his interval. One who is otherwise left
it when he came into the state in which he is now, as the exchange remembers it; where it remembers nothing (it was
restarted too, everybody is signed out), or where he is in the same state anew, when the controller before was last
alive. Such an end is marked ``restart``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pbx.ids import AgentId, CallId

OFFLINE = "offline"
"""The state of one who is signed out."""

AT_CALLS = ("reserved", "ringing", "talking", "holding", "wrap_up")
"""States in which he works on a call (`agents.moves.AgentState`), the ringing of his phone included."""

TAKES_CALLS = ("ready", *AT_CALLS)
"""States in which he is at the line's disposal or works for it."""

SAME_S = 0.002
"""The exchange remembers instants to a millisecond."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agent is, since when (epoch seconds; 0 = not known), why, and at which call."""

    agent: AgentId
    state: str
    since: float
    reason: str = ""
    call: CallId | None = None


@dataclass(slots=True)
class AgentInterval:
    """One state of one agent. `ended_at` None = he is in it; `ended_by` ``restart`` = nobody saw it end.

    Never changed; not frozen, because a province's day has 750,000 of them and each would take three times as long.
    """

    agent: AgentId
    began_at: float
    state: str
    reason: str = ""
    call: CallId | None = None
    ended_at: float | None = None
    ended_by: str = ""

    def seconds(self, since: float, until: float) -> float:
        """How much of it lies in [since, until); one that has not ended reaches to `until`."""
        begin, end = self.began_at, self.ended_at
        if end is None or end > until:
            end = until
        if begin < since:
            begin = since
        return end - begin if end > begin else 0.0

    @property
    def id(self) -> str:
        """By which a figure names it: ``1001@1795309323.250``."""
        return f"{self.agent}@{self.began_at:.3f}"


class Shifts:
    """The open interval of each agent. Its methods give what has to be written, older first."""

    def __init__(self, still_open: Iterable[AgentInterval] = ()) -> None:
        """`still_open`: those that the store has without an end."""
        self._open = {one.agent: one for one in still_open}

    def put(self, now: Standing, at: float) -> tuple[AgentInterval, ...]:
        """An agent is so since the step at epoch second `at`."""
        before = self._open.get(now.agent)
        if before is not None and _same(before, now) and now.since <= before.began_at + SAME_S:
            return ()
        begins = now.since if before is None or now.since > before.began_at else at
        return self._next(before, now, min(begins, at), min(begins, at), "")

    def restored(self, now: Standing, at: float, alive_until: float) -> tuple[AgentInterval, ...]:
        """An agent is so after a restart; `alive_until`: the last instant at which the controller before was seen."""
        before = self._open.get(now.agent)
        if before is None:
            begins = now.since if 0.0 < now.since <= at else at
            return self._next(None, now, begins, begins, "")
        if _same(before, now) and (now.call is not None or now.since <= before.began_at + SAME_S):
            return ()
        last_seen = min(max(alive_until, before.began_at), at)
        known = before.began_at < now.since <= at
        begins = now.since if known else last_seen
        ends = min(last_seen, begins) if _same(before, now) or not known else begins
        return self._next(before, now, ends, begins, "restart")

    def gone(self, agents: Iterable[AgentId], at: float, alive_until: float) -> tuple[AgentInterval, ...]:
        """Agents whom the configuration has no more are signed out."""
        left = [agent for agent in self._open if agent not in set(agents)]
        return tuple(
            one for agent in left for one in self.restored(Standing(agent, OFFLINE, 0.0), at, alive_until)
        )  # fmt: skip

    def _next(
        self, before: AgentInterval | None, now: Standing, ends: float, begins: float, by: str
    ) -> tuple[AgentInterval, ...]:
        found = []
        if before is not None:
            del self._open[now.agent]
            found.append(replace(before, ended_at=max(ends, before.began_at), ended_by=by))
        if now.state != OFFLINE:
            self._open[now.agent] = AgentInterval(now.agent, begins, now.state, now.reason, now.call)
            found.append(self._open[now.agent])
        return tuple(found)


def _same(before: AgentInterval, now: Standing) -> bool:
    return (before.state, before.reason, before.call) == (now.state, now.reason, now.call)
