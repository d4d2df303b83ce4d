"""Faults of the shapes that peers have had (`domain.md` 2.1, 2.2, 2.6), put into the real switchboard.

`Oracle` is a pool that decides as `acd.router` does, by looking at everybody; its subclasses decide otherwise, each in
one way. Others are patches of one rule. Every one is installed by a pytest monkeypatch and is gone with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from acd.decision import Match
from acd.line import Line, Waiting
from acd.pool import Pool
from acd.router import Candidate, choose, match
from agents.agent import Agent
from agents.moves import AGENT_MOVES, AgentInput, AgentState, Move
from controller import desk, offers, talk
from controller.house import House, LiveCall
from pbx.commands import SaveCall
from pbx.ids import AgentId, CallId


class Oracle(Pool):
    """Decides as the router does."""

    def __init__(self, core: str = "auto") -> None:
        super().__init__(core)
        self.skills: dict[AgentId, Any] = {}
        self.since: dict[AgentId, float] = {}
        self.here: dict[CallId, Waiting] = {}

    def know(self, agent: AgentId, skills: Any) -> None:
        self.skills[agent] = skills

    def put_agent(self, agent: AgentId, idle_since: float) -> None:
        self.since[agent] = idle_since

    def take_agent(self, agent: AgentId) -> bool:
        return self.since.pop(agent, None) is not None

    def put_caller(self, caller: Waiting) -> None:
        self.here[caller.call] = caller

    def take_caller(self, call: CallId) -> bool:
        return self.here.pop(call, None) is not None

    def offers(self, now: float) -> list[Match]:
        line = Line()
        for caller in self.here.values():
            line.add(caller)
        found = self.decide(line, [Candidate(one, self.skills[one], self.since[one]) for one in self.since], now)
        for one in found:
            self.here.pop(one.call, None)
            self.since.pop(one.agent, None)
        return found

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        return match(line, free, now=now)


class WeightStarves(Oracle):
    """asterisk#1561: while a caller of a higher weight waits anywhere, those of a lower one are not offered, even to
    agents whom the first may not use.
    """

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        highest = max((caller.priority for caller in line.ordered(now)), default=0)
        left = Line()
        for caller in line.ordered(now):
            if caller.priority == highest:
                left.add(caller)
        return match(left, free, now=now)


class HeadBlocks(Oracle):
    """asterisk#1691: only the first of the line is looked at; when nobody is free for him, nobody is offered."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        first = Line()
        for caller in list(line.ordered(now))[:1]:
            first.add(caller)
        return match(first, free, now=now)


class LastComeFirst(Oracle):
    """mod_callcenter#2511: who came last is served first."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        left, found = {one.agent: one for one in free}, []
        for caller in reversed(list(line.ordered(now))):
            one = choose(caller, left.values(), now=now)
            if one is not None:
                del left[one.agent]
                found.append(one)
        return found


class FirstAgentForAll(Oracle):
    """OpenACD#5: a burst of callers all pick the same first agent."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        return [one for caller in line.ordered(now) if (one := choose(caller, free, now=now)) is not None]


class TwoAgentsForOne(Oracle):
    """asterisk#176: a caller is given to two agents at once."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        found = super().decide(line, free, now)
        taken = {one.agent for one in found}
        for first in tuple(found):
            second = choose(first.caller, [one for one in free if one.agent not in taken], now=now)
            if second is not None:
                taken.add(second.agent)
                found.append(second)
        return found


class LowestIdFirst(Oracle):
    """The work is not shared: the first agent of the list is always rung before the others."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        return match(line, [replace(one, idle_since=0.0) for one in free], now=now)


class ShortestIdleFirst(Oracle):
    """The work is not shared: who has just ended a talk gets the next."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        found = match(line, [replace(one, idle_since=-one.idle_since) for one in free], now=now)
        return [one._replace(idle_since=-one.idle_since) for one in found]


class AsksAgain(Oracle):
    """Who has left his phone unanswered is rung for the same caller again at once."""

    def decide(self, line: Line, free: Sequence[Candidate], now: float) -> list[Match]:
        easy = Line()
        for caller in line.ordered(now):
            easy.add(replace(caller, refused=frozenset()))
        return match(easy, free, now=now)


class Forgets(Oracle):
    """mod_callcenter#2540, seen from the line: every third agent who becomes free is not noticed."""

    count = 0

    def put_agent(self, agent: AgentId, idle_since: float) -> None:
        Forgets.count += 1
        if Forgets.count % 3:
            super().put_agent(agent, idle_since)


def pool(kind: type[Pool]) -> Callable[[pytest.MonkeyPatch], None]:
    """The switchboard distributes by this pool."""
    return lambda patch: patch.setattr("controller.house.Pool", kind)


def stuck_reserved(patch: pytest.MonkeyPatch) -> None:
    """mod_callcenter#2540: an offer that comes to nothing leaves the agent reserved."""
    change = desk.change

    def kept(house: House, agent: AgentId, cause: AgentInput, now: float, **more: Any) -> bool:
        if cause in (AgentInput.NO_ANSWER, AgentInput.OFFER_FAILED):
            return False
        return change(house, agent, cause, now, **more)

    patch.setattr(desk, "change", kept)


def reserved_twice(patch: pytest.MonkeyPatch) -> None:
    """OpenACD#5 without a second guard: an agent may be reserved while he is reserved already."""
    pool(FirstAgentForAll)(patch)
    patch.setitem(AGENT_MOVES, (AgentState.RESERVED, AgentInput.RESERVE), Move("j", (AgentState.RESERVED,)))


def offered_while_talking(patch: pytest.MonkeyPatch) -> None:
    """asterisk#1557: who talks is still available."""
    busy = (AgentState.READY, AgentState.TALKING)
    patch.setattr(Agent, "available", property(lambda agent: agent.state in busy and agent.phone))
    patch.setitem(AGENT_MOVES, (AgentState.TALKING, AgentInput.RESERVE), Move("j", (AgentState.RESERVED,)))


def no_record_of_the_end(patch: pytest.MonkeyPatch) -> None:
    """A caller who hangs up in the line leaves no end."""
    note = House.note

    def silent(house: House, live: LiveCall, **changes: object) -> None:
        note(house, live, **changes)
        if "ended_at" in changes and live.record.joined_at is None:
            house.out = [one for one in house.out if not (isinstance(one, SaveCall) and one.record is live.record)]

    patch.setattr(House, "note", silent)


def offers_stay_open(patch: pytest.MonkeyPatch) -> None:
    """The caller hangs up while an agent is rung for him, and the offer never ends."""
    patch.setattr(talk.offers, "close_offer", lambda live, outcome, at: None)


def place_lost(patch: pytest.MonkeyPatch) -> None:
    """A failed offer costs the caller his place (app_queue without ``position``)."""
    take_back = offers.take_back

    def to_the_end(house: House, live: LiveCall, outcome: str, now: float, **more: Any) -> None:
        live.record = replace(live.record, queued_at=now, place_at=None)
        take_back(house, live, outcome, now, **more)

    patch.setattr(offers, "take_back", to_the_end)


def idle_time_kept(patch: pytest.MonkeyPatch) -> None:
    """asterisk#1006, #1736: a talk does not count, so the same agent stays the longest idle."""
    put = desk.put

    def as_before(house: House, before: Agent, after: Agent) -> None:
        put(house, before, replace(after, idle_since=before.idle_since) if before.idle_since else after)

    patch.setattr(desk, "put", as_before)


def no_reason(patch: pytest.MonkeyPatch) -> None:
    """Decisions say nothing."""
    patch.setattr(Match, "reason", property(lambda one: ""))


FAULTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "asterisk-1561": (pool(WeightStarves), "idle-while-waiting"),
    "asterisk-1691": (pool(HeadBlocks), "idle-while-waiting"),
    "asterisk-176": (pool(TwoAgentsForOne), "one-agent-per-caller"),
    "asterisk-1557": (offered_while_talking, "one-call-per-agent"),
    "asterisk-1006": (idle_time_kept, "best-agent"),
    "openacd-5": (reserved_twice, "one-call-per-agent"),
    "freeswitch-2540": (stuck_reserved, "idle-while-waiting"),
    "freeswitch-2540-pool": (pool(Forgets), "idle-while-waiting"),
    "freeswitch-2511": (pool(LastComeFirst), "overtaken"),
    "lowest-id-first": (pool(LowestIdFirst), "best-agent"),
    "shortest-idle-first": (pool(ShortestIdleFirst), "best-agent"),
    "asks-again": (pool(AsksAgain), "best-agent"),
    "no-end": (no_record_of_the_end, "call-end"),
    "open-offer": (offers_stay_open, "offer-end"),
    "place-lost": (place_lost, "place"),
    "no-reason": (no_reason, "reason"),
}
"""Each fault by its name: how it is put in, and the promise that it breaks."""
