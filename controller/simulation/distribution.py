"""The distribution alone on a simulated day: `acd` with its pool, policies, ageing and relaxing, and nothing around it.

For questions that need many days: no menu, no messages, no tickets, no journal; a call is three or four entries of a
heap. The decisions are those of the whole switchboard for the same callers (`tests/core/test_simulation_levels.py`
compares every offer), because `acd` makes them in both. What `controller/offers.py` and `agents/agent.py` do around it
(reserve, miss, retry, relax, wrap up, sign out after the talk) is said here once more in its shortest form.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from acd.decision import Match
from acd.line import Waiting
from acd.pool import Pool
from acd.relax import next_change, requirement_at
from controller.plan import Plan, QueuePlan
from controller.simulation.crowd import Caller, Crowd, Shift
from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName


@contextlib.contextmanager
def nothing_to_collect() -> Iterator[None]:
    """Hundreds of thousands of small objects that live to the end: looking for garbage among them costs a third."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@dataclass(slots=True)
class _Call:
    """A caller who has come, and what became of him."""

    who: Caller
    queue: QueuePlan
    gives_up: float
    waiting: Waiting
    agent: AgentId | None = None
    joined_at: float = 0.0
    offered: int = 0
    retry: int = 0  #: which of his retry timers is the live one
    offers: list[tuple[AgentId, float, float, bool]] = field(default_factory=list)  #: whom, from when to when, answered
    released_at: float | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class _Agent:
    """What the pool does not know of an agent."""

    on_duty: bool = False
    free: bool = False  #: idle, in the pool
    busy: bool = False  #: rung, talking or writing
    misses: int = 0
    away: bool = False  #: not ready after too many misses


Entry = tuple[float, int, int, Any]

_BEGIN, _SIGN_OUT, _FREE, _GIVE_UP, _RELAX, _NO_ANSWER, _RETRY, _BACK, _LET_GO = range(9)


class Distribution:
    """One day of callers who stand in a line at once."""

    def __init__(
        self,
        plan: Plan,
        crowd: Crowd,
        shifts: Iterable[Shift],
        begin: float,
        end: float,
        *,
        drain_s: float = 3600.0,
    ) -> None:
        """As `exchange.SimulatedExchange`."""
        self.plan = plan
        self.crowd = crowd
        self.calls: dict[CallId, _Call] = {}  #: those who waited, or were not answered by the first
        self.answered: list[tuple[Caller, AgentId, float, float]] = []  #: the others, from join to release
        self.pool = pool = Pool()
        self._begin = begin
        self._end = end + drain_s
        for profile in plan.agents.values():
            pool.know(profile.id, profile.skills)
        for queue in plan.queues.values():
            for requirement in (queue.requirement, *(step.requirement for step in queue.relax)):
                pool.prepare(requirement, queue.policy, queue.ageing_s)
        asked = [step.requirement for queue in plan.queues.values() for step in queue.relax]
        self._lends = any(other.keep for requirement in asked for other in requirement.others)
        self._agents = {agent: _Agent() for agent in plan.agents}
        self._next = itertools.count().__next__
        self._heap: list[Entry] = []
        self._left = len(crowd.callers)
        for shift in shifts:
            self._at(shift.begin, _BEGIN, shift.agent)
            if shift.end < end:
                self._at(shift.end, _SIGN_OUT, shift.agent)

    def _at(self, instant: float, kind: int, about: Any) -> None:
        heappush(self._heap, (instant, self._next(), kind, about))

    def run(self) -> None:
        """The whole day; `records` tells it afterwards."""
        with nothing_to_collect():
            self._run()

    def _run(self) -> None:
        heap, arrive, picks_up, wrap_up_s = self._heap, self.pool.arrive, self.crowd.picks_up, self.crowd.wrap_up_s
        agents, answered, count = self._agents, self.answered, itertools.count(len(heap))
        queues = {
            queue.id: (queue, queue.requirement, queue.policy, queue.ageing_s) for queue in self.plan.queues.values()
        }
        rule, nobody = self.plan.agent_rules.wrap_up_s, frozenset[AgentId]()
        handlers = (
            self._shift_begins, self._signs_out, self._becomes_free, self._gives_up, self._relaxes,
            self._unanswered, self._asks_again, self._comes_back, self._lets_go,
        )  # fmt: skip
        self._next = count.__next__
        for who in self.crowd.callers:
            now = who.at
            while heap and heap[0][0] <= now:
                instant, _, kind, about = heappop(heap)
                handlers[kind](about, instant)
            queue, requirement, policy, ageing_s = queues[who.queue]
            waiting = Waiting(who.call, queue.id, requirement, now, 0, nobody, policy, ageing_s)
            found = arrive(waiting, now)
            if found is not None:
                agent = found.agent
                after = picks_up(who, 0, agent)
                if after is not None and after < queue.ring_s and after < who.patience_s:
                    # What becomes of most calls, without an object for those who wait or are offered again.
                    known = agents[agent]
                    known.free, known.busy = False, True
                    joined_at = now + after
                    released_at = joined_at + who.talk_s
                    answered.append((who, agent, joined_at, released_at))
                    heappush(heap, (released_at + min(rule, wrap_up_s(who, agent)), next(count), _FREE, agent))
                    self._left -= 1
                    continue
            self.calls[who.call] = call = _Call(who, queue, now + who.patience_s, waiting)
            if found is not None:
                self._offer(call, found, now)
            else:
                self._waits(call, now)
        while heap and heap[0][0] <= self._end and self._left:
            instant, _, kind, about = heappop(heap)
            handlers[kind](about, instant)

    # ---------------------------------------------------------------- callers

    def _waits(self, call: _Call, now: float) -> None:
        """He found nobody at first."""
        if call.gives_up <= self._end:
            self._at(call.gives_up, _GIVE_UP, call)
        if call.queue.relax:
            self._relax_later(call, now)

    def _relax_later(self, call: _Call, now: float) -> None:
        due = next_change(call.queue.relax, call.who.at, now)
        if due is not None:
            self._at(due, _RELAX, call)

    def _relaxes(self, call: _Call, now: float) -> None:
        """A step of his queue is due."""
        if self.pool.take_caller(call.who.call):
            self._stand(call, now)
            self._distribute(now)
        if call.agent is None and call.ended_at is None:
            self._relax_later(call, now)

    def _stand(self, call: _Call, now: float, refused: frozenset[AgentId] | None = None) -> None:
        """He stands in the line (again), at his place, with what he asks for by now."""
        old, queue = call.waiting, call.queue
        wanted = requirement_at(queue.requirement, queue.relax, now - old.queued_at)
        again = old.refused if refused is None else refused
        call.waiting = Waiting(
            old.call, queue.id, wanted, old.queued_at, old.priority, again, queue.policy, queue.ageing_s
        )
        self.pool.put_caller(call.waiting)

    def _gives_up(self, call: _Call, now: float) -> None:
        if call.ended_at is None and call.agent is None and self.pool.take_caller(call.who.call):
            call.ended_at = now
            self._left -= 1

    def _lets_go(self, about: tuple[_Call, AgentId, float], now: float) -> None:
        """He gives up while a phone rings for him: the agent is idle again since when he was."""
        call, agent, idle_since = about
        call.ended_at = now
        self._left -= 1
        call.offers[-1] = (*call.offers[-1][:2], now, False)
        self._idle(agent, idle_since, now)

    # ---------------------------------------------------------------- offers

    def _distribute(self, now: float) -> None:
        for found in self.pool.offers(now):
            self._offer(self.calls[found.call], found, now)

    def _offer(self, call: _Call, found: Match, now: float) -> None:
        agent = found.agent
        known = self._agents[agent]
        known.free, known.busy = False, True
        after = self.crowd.picks_up(call.who, call.offered, agent)
        call.offered += 1
        ring_s = call.queue.ring_s
        answers = after is not None and after < ring_s
        over = now + (after if answers and after is not None else ring_s)
        call.offers.append((agent, now, over, answers))
        if call.gives_up <= over:
            self._at(call.gives_up, _LET_GO, (call, agent, found.idle_since))
        elif not answers:
            self._at(over, _NO_ANSWER, (call, agent))
        else:
            call.agent, call.joined_at = agent, over
            call.released_at = released_at = over + call.who.talk_s
            self._left -= 1
            rule = self.plan.agent_rules.wrap_up_s
            self._at(released_at + min(rule, self.crowd.wrap_up_s(call.who, agent)), _FREE, agent)

    def _unanswered(self, about: tuple[_Call, AgentId], now: float) -> None:
        call, agent = about
        known = self._agents[agent]
        known.busy = False
        known.misses += 1
        if known.misses >= self.plan.agent_rules.misses_before_not_ready:
            known.misses, known.away = 0, known.on_duty
            after = self.crowd.back_s(agent)
            if known.away and after is not None:
                self._at(now + after, _BACK, agent)
        elif known.on_duty:
            known.free = True
            self.pool.put_agent(agent, now)
        self._stand(call, now, call.waiting.refused | {agent})
        call.retry += 1
        self._at(now + call.queue.retry_s, _RETRY, (call, call.retry))
        if call.offered == 1:  # he has not waited before
            self._waits(call, now)
        self._distribute(now)

    def _asks_again(self, about: tuple[_Call, int], now: float) -> None:
        """The pause of those who did not answer is over."""
        call, retry = about
        if retry != call.retry:
            return
        if self.pool.take_caller(call.who.call):
            self._stand(call, now, frozenset())
            self._distribute(now)
        elif call.ended_at is None:
            call.waiting = Waiting(
                call.who.call, call.queue.id, call.waiting.requirement, call.waiting.queued_at, 0, frozenset(),
                call.queue.policy, call.queue.ageing_s,
            )  # fmt: skip

    # ---------------------------------------------------------------- agents

    def _shift_begins(self, agent: AgentId, now: float) -> None:
        known = self._agents[agent]
        known.on_duty, known.away = True, False
        if not known.free and not known.busy:
            self._becomes_free(agent, now)

    def _signs_out(self, agent: AgentId, now: float) -> None:
        """Now, or when what he is doing is over."""
        known = self._agents[agent]
        known.on_duty = known.away = False
        if known.free:
            known.free = False
            self.pool.take_agent(agent)

    def _becomes_free(self, agent: AgentId, now: float) -> None:
        known = self._agents[agent]
        known.misses, known.busy = 0, False
        if not known.on_duty:
            return
        if self._lends:  # another agent may be the one who is offered then
            self._idle(agent, now, now)
            return
        found = self.pool.free(agent, now)
        if found is None:
            known.free = True
        else:
            self._offer(self.calls[found.call], found, now)

    def _comes_back(self, agent: AgentId, now: float) -> None:
        known = self._agents[agent]
        if known.away and known.on_duty:
            known.away = False
            self._becomes_free(agent, now)

    def _idle(self, agent: AgentId, since: float, now: float) -> None:
        known = self._agents[agent]
        known.busy, known.free = False, known.on_duty
        if known.on_duty:
            self.pool.put_agent(agent, since)
            self._distribute(now)

    # ---------------------------------------------------------------- figures

    def records(self) -> dict[CallId, CallRecord]:
        """The calls as the switchboard would have stored them; the survey takes no time."""
        found = {call: self._record(known) for call, known in self.calls.items()}
        for who, agent, joined_at, released_at in self.answered:
            offers = (OfferRecord(agent, who.at, "", "answered", joined_at),)
            found[who.call] = _record(who, offers, agent, joined_at, released_at, released_at)
        return found

    def _record(self, call: _Call) -> CallRecord:
        offers = tuple(
            OfferRecord(agent, since, "", "answered" if taken else "noanswer", until)
            for agent, since, until, taken in call.offers
        )
        if call.agent is not None:
            return _record(call.who, offers, call.agent, call.joined_at, call.released_at, call.released_at)
        return _record(call.who, offers, None, None, None, self._end if call.ended_at is None else call.ended_at)


def _record(
    who: Caller,
    offers: tuple[OfferRecord, ...],
    agent: AgentId | None,
    joined_at: float | None,
    released_at: float | None,
    ended_at: float | None,
) -> CallRecord:
    return CallRecord(
        call=who.call,
        channel=ChannelName(f"SIM/{who.call}"),
        dialled=who.dialled,
        caller=who.caller,
        arrived_at=who.at,
        menu_done_at=who.at,
        queue=who.queue,
        queued_at=who.at,
        offers=offers,
        agent=agent,
        joined_at=joined_at,
        released_at=released_at,
        outcome=Outcome.ANSWERED if agent is not None else Outcome.ABANDONED,
        ended_at=ended_at,
    )
