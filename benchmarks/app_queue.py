"""A model of Asterisk's own `Queue()`, as a peer for simulated days: its rules, without its locks and its CPU.

What `apps/app_queue.c` does (`performance.md` 1b): every waiting caller looks each second whether it is his turn
(`RECHECK`). With ``autofill=no``, the default, that is only the first in the line, and while a phone rings for him
nobody else is tried; with ``autofill=yes`` it is his turn when fewer callers stand before him than members are free. A
try rings one member, the longest idle (``strategy=leastrecent``; the default ``ringall`` would ring everybody at once),
for `timeout` seconds; if nobody answers he waits `retry` seconds and tries again.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controller.simulation.clock import Agenda
from controller.simulation.crowd import Caller, Crowd
from pbx.ids import AgentId

RECHECK_S, TIMEOUT_S, RETRY_S = 1.0, 15.0, 5.0
"""`app_queue`'s constant and defaults, in seconds."""


@dataclass(slots=True)
class _Waiting:
    who: Caller
    trying: bool = False
    gone: bool = False
    offers: int = 0


class AppQueue:
    """One queue with its members; `joined` hears of each answered caller with his instant."""

    def __init__(
        self,
        agenda: Agenda,
        crowd: Crowd,
        members: Iterable[AgentId],
        begin: float,
        *,
        autofill: bool,
        joined: Callable[[Caller, float], None],
    ) -> None:
        self._agenda, self._crowd, self._autofill, self._joined = agenda, crowd, autofill, joined
        self._idle: list[tuple[float, AgentId]] = sorted((begin, member) for member in members)
        self._line: deque[_Waiting] = deque()

    def arrive(self, who: Caller) -> None:
        """A caller joins."""
        waiting = _Waiting(who)
        self._line.append(waiting)
        self._later(who.patience_s, self._gives_up, waiting)
        self._look(waiting)

    def _later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        if seconds != float("inf"):
            self._agenda.at(self._agenda.now + seconds, what, *arguments)

    def _look(self, waiting: _Waiting) -> None:
        """`wait_our_turn`: once a second."""
        if waiting.gone:
            return
        if self._his_turn(waiting):
            self._try(waiting)
        else:
            self._later(RECHECK_S, self._look, waiting)

    def _his_turn(self, waiting: _Waiting) -> bool:
        free = len(self._idle)
        if not self._autofill:
            return free > 0 and self._line[0] is waiting
        before = 0
        for one in self._line:  # `is_our_turn`: those who are being tried are not counted
            if one is waiting:
                return before < free
            before += not one.trying
            if before >= free:
                return False
        return False

    def _try(self, waiting: _Waiting) -> None:
        """`try_calling`: ring one member."""
        waiting.trying = True
        _, member = self._idle.pop(0)
        after = self._crowd.picks_up(waiting.who, waiting.offers, member)
        waiting.offers += 1
        if after is None or after >= TIMEOUT_S:
            self._later(TIMEOUT_S, self._unanswered, waiting, member)
        else:
            self._later(after, self._answered, waiting, member)

    def _answered(self, waiting: _Waiting, member: AgentId) -> None:
        if waiting.gone:
            self._free(member)
            return
        waiting.gone = True
        self._line.remove(waiting)
        self._joined(waiting.who, self._agenda.now)
        self._later(waiting.who.talk_s, self._free, member)

    def _unanswered(self, waiting: _Waiting, member: AgentId) -> None:
        self._free(member)
        waiting.trying = False
        self._later(RETRY_S, self._look, waiting)

    def _free(self, member: AgentId) -> None:
        insort(self._idle, (self._agenda.now, member))

    def _gives_up(self, waiting: _Waiting) -> None:
        if not waiting.gone:
            waiting.gone = True
            self._line.remove(waiting)
