"""Who waits, who is rung, who is idle: put together anew from the journal's events and commands, for the checker.

What the exchange reported and what was commanded are the facts; the controller's own tables are not asked. Only
whether an agent *wants* calls is taken from his mark (`MarkAgent`), for nobody else knows it. Memory follows the live
calls and the agents, not the length of the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from controller.verify.facts import Facts, Needs, QueueFacts, Rank, Wanted, rank

Word = dict[str, Any]
"""An event or a command as the journal has it: ``is`` names it, the rest are its fields."""

SOMEBODY = "?"
"""Stands for an agent who is not named in the journal."""

_SLACK = 64
"""A heap is swept when it has so many entries more than twice the live ones."""


class Heap:
    """The smallest of those who are in: entries are left where they are when somebody goes, and swept at times."""

    __slots__ = ("_entries", "_keys")

    def __init__(self) -> None:
        self._entries: list[tuple[tuple[float, ...], str]] = []
        self._keys: dict[str, tuple[float, ...]] = {}

    def put(self, name: str, key: tuple[float, ...]) -> None:
        """In, or in with another key."""
        self._keys[name] = key
        heappush(self._entries, (key, name))
        if len(self._entries) > 2 * len(self._keys) + _SLACK:
            self._entries = [(key, name) for name, key in self._keys.items()]
            heapify(self._entries)

    def drop(self, name: str) -> None:
        """Out."""
        self._keys.pop(name, None)

    def first(self) -> str | None:
        """The one with the smallest key."""
        entries, keys = self._entries, self._keys
        while entries:
            key, name = entries[0]
            if keys.get(name) == key:
                return name
            heappop(entries)
        return None


class Profile:
    """Agents who have the same skills; those of them who are idle."""

    __slots__ = ("idle", "longest", "skills")

    def __init__(self, skills: Mapping[str, int]) -> None:
        self.skills = dict(skills)
        self.idle: dict[str, None] = {}
        self.longest = Heap()


class Kind:
    """Callers who ask for the same: one queue at one of its steps. `plain` may be rung at anybody who fits."""

    __slots__ = ("_ranks", "first_come", "index", "picky", "plain", "queue", "turn", "wanted")

    def __init__(self, queue: QueueFacts, index: int) -> None:
        self.queue = queue
        self.index = index
        self.wanted: Wanted = queue.steps[index][1]
        self.plain: dict[str, None] = {}
        self.picky: dict[str, None] = {}  #: those whom somebody has refused, or who are kept for one agent
        self.turn = Heap()  #: of `plain`, by the queue's own order
        self.first_come = Heap()  #: of `plain`, by time alone
        self._ranks: dict[Profile, tuple[tuple[int, Rank | None], ...]] = {}

    def ranks(self, profile: Profile) -> tuple[tuple[int, Rank | None], ...]:
        """By which parts of what is asked for somebody fits, the best first, each with his rank; empty = not at all."""
        found = self._ranks.get(profile)
        if found is None:
            found = self._ranks[profile] = tuple(
                (index, rank(self.queue.policy, index, self.wanted, profile.skills))
                for index, part in enumerate(self.wanted.parts)
                if part.met(profile.skills)
            )
        return found


@dataclass(slots=True)
class Held:
    """What an agent is kept for. `step` is the offer's; `leg` his own channel, once it is known."""

    call: str
    step: int = 0
    leg: str = ""
    talking: bool = False
    third: bool = False
    asked: bool = False  #: on behalf of a caller on hold, who is not in that talk


@dataclass(slots=True)
class Agent:
    """One agent. `ready`: he wants calls and can be reached, as his mark says; `since`: idle since, by his mark."""

    name: str
    profile: Profile | None
    ready: bool = False
    since: float = 0.0
    held: Held | None = None
    talked_at: float = 0.0  #: when a talk of his ended, since the controller started
    marked: bool = False  #: his mark has been seen since the controller started
    in_use: bool = False  #: his phone is in a call that is none of ours, or says that it takes none

    @property
    def idle(self) -> bool:
        """Whether he may be offered a call."""
        return self.ready and self.held is None and not self.in_use


@dataclass(slots=True)
class Caller:
    """One call. `stage` is menu, line, offered, talk, held, survey or net."""

    name: str
    stage: str = "menu"
    arrived_at: float = 0.0
    seen_at: float = 0.0  #: when it was heard of last
    queue: str = ""
    priority: int = 0
    raised: int = 0  #: the priority of everybody in his queue, while a supervisor has raised it
    queued_at: float = 0.0
    place_at: float = 0.0  #: what gives him his place: when he joined, or the instant that a named rule gives him back
    favours: frozenset[str] = frozenset()  #: named rules by which he stands where he stands
    only: str = ""  #: the agent whom he is kept for; SOMEBODY while it cannot be told from the journal
    kind: Kind | None = None
    refused: set[str] = field(default_factory=set)
    agent: str = ""  #: who is rung for him
    left: tuple[str, float] = ("", 0.0)  #: the queue that he left of his own will, and his place there
    into_lines: int = 0  #: so often has he been given into a line
    given: bool = False  #: his agent has given him away: who is rung for him then is that agent's choice
    last_agent: str = ""  #: who was rung for him, or talked with him, last
    offer_step: int = 0
    leg: str = ""
    leg_ended: bool = False
    legs: dict[str, str] = field(default_factory=dict)
    in_bridge: bool = False
    step: int = 0
    oldest_news: int = 0
    running: int = 0
    commanded_at: float = 0.0
    hold_leg: str = ""  #: the leg of the agent who has him on hold
    hold_step: int = 0
    hold_begun: bool = False  #: the exchange has parted them
    hold_gone: bool = False  #: that leg is gone
    joining: str = ""  #: the leg that he is fetching
    leaving: int = 0  #: the step that takes him out of his talk, until it has begun
    leaving_legs: tuple[str, ...] = ()

    @property
    def turn(self) -> int:
        """The priority that counts."""
        return max(self.priority, self.raised)

    @property
    def place(self) -> tuple[float, ...]:
        """The order within his queue."""
        ageing = self.kind.queue.ageing_s if self.kind is not None else 0.0
        lead = self.place_at - self.turn * ageing if ageing > 0 else -float(self.turn)
        return (lead, self.place_at)


class Scene:
    """Callers and agents as the journal shows them, and the groups in which they are looked for."""

    def __init__(self, facts: Facts | None) -> None:
        self.facts = facts
        self.now = 0.0
        self.connected = False
        self.callers: dict[str, Caller] = {}
        self.requests: dict[str, Caller] = {}  #: what stands for the call-backs that are open
        self.kept: dict[str, dict[str, None]] = {}  #: the agents who are kept for a call
        self.settled: list[str] = []  #: callers whose agent was gone while they were on hold, of this step
        self.agents: dict[str, Agent] = {}
        self.kinds: dict[tuple[str, int], Kind] = {}
        self.profiles: dict[frozenset[tuple[str, int]], Profile] = {}
        self.dirty = False
        self.seats: dict[str, str] = {}  #: who sits at a phone that is not his own
        self.away: dict[str, str] = {}  #: the same the other way round
        self.in_use: set[str] = set()  #: phones
        self.changed: dict[str, QueueFacts] = {}  #: queues that ask for something else for now
        self.raised: dict[str, int] = {}  #: and those with another priority
        if facts is not None:
            for name, skills in facts.skills.items():
                self.agents[name] = Agent(name, self._profile(skills))

    def _profile(self, skills: Mapping[str, int]) -> Profile:
        return self.profiles.setdefault(frozenset(skills.items()), Profile(skills))

    # ---------------------------------------------------------------- agents

    def agent(self, name: str) -> Agent:
        """An agent; one whom the configuration does not know has no skills here."""
        found = self.agents.get(name)
        if found is None:
            found = self.agents[name] = Agent(name, None)
        return found

    def is_agent(self, name: str) -> bool:
        """Whether this endpoint is somebody's who takes calls."""
        return bool(name) and (self.facts is None or name in self.facts.skills)

    def learn(self, name: str, skills: Mapping[str, int]) -> None:
        """An agent's skills are these from now on."""
        agent = self.agent(name)
        self._out(agent)
        agent.profile = self._profile(skills)
        self._in(agent)

    def marked(self, name: str, mark: str, net: str) -> None:
        """What the exchange is told of an agent: whether he takes calls, and since when he is idle."""
        agent = self.agent(name)
        fields = mark.split("|")
        self._out(agent)
        agent.marked = True
        agent.ready = fields[0] == "ready" and net == "ready"
        if agent.ready:
            try:
                agent.since = float(fields[1])
            except (IndexError, ValueError):
                agent.ready = False
        self._in(agent)

    def override(self, name: str, skills: Iterable[Word]) -> None:
        """A supervisor has changed these skills of an agent; the others are as configured."""
        if self.facts is None or name not in self.facts.skills:
            return
        changed = {one["skill"]: one["level"] for one in skills}
        own = {skill: level for skill, level in self.facts.skills[name].items() if skill not in changed}
        self.learn(name, own | {skill: level for skill, level in changed.items() if level is not None})

    def override_queue(self, name: str, change: Word | None) -> None:
        """A supervisor has changed what a queue asks for, or its callers' priority; None = as configured."""
        if self.facts is None or name not in self.facts.queues:
            return
        self.changed.pop(name, None)
        self.raised.pop(name, None)
        if change is not None and change["needs"] is not None:
            needs = tuple((skill, int(least)) for skill, least in change["needs"])
            self.changed[name] = self.facts.queues[name].with_needs(needs)
        if change is not None and change["priority"] is not None:
            self.raised[name] = change["priority"]
        old = [key for key in self.kinds if key[0] == name]
        waiting = [call for key in old for call in (*self.kinds[key].plain, *self.kinds[key].picky)]
        for key in old:
            del self.kinds[key]
        for call in waiting:
            self.wait(self.waiter(call), self.now)
        for caller in (*self.callers.values(), *self.requests.values()):
            if caller.kind is not None and caller.kind.queue.name == name and caller.stage != "line":
                caller.kind = None

    # ---------------------------------------------------------------- phones

    def sits(self, name: str, phone: str) -> None:
        """Where an agent sits; empty = at his own phone, or nowhere."""
        before = self.away.get(name, "")
        if before == phone:
            return
        if before:
            del self.away[name]
            if self.seats.get(before) == name:
                del self.seats[before]
        if phone:
            self.away[name], self.seats[phone] = phone, name
        for agent in self.agents.values():
            self._used(agent)

    def named(self, phone: str) -> str:
        """Who sits at a phone; what begins with ``@`` is a phone at which nobody sits."""
        sitter = self.seats.get(phone)
        if sitter is not None:
            return sitter
        return "@" + phone if phone in self.away else phone

    def used(self, phones: Iterable[str], *, in_use: bool) -> None:
        """These phones are in use, or are no more."""
        for phone in phones:
            (self.in_use.add if in_use else self.in_use.discard)(phone)
            self._used(self.agent(self.named(phone)))

    def used_alone(self, phones: set[str]) -> None:
        """These phones are in use, and no others."""
        self.in_use = phones
        for agent in self.agents.values():
            self._used(agent)

    def _used(self, agent: Agent) -> None:
        in_use = self.away.get(agent.name, agent.name) in self.in_use
        if in_use != agent.in_use:
            self._out(agent)
            agent.in_use = in_use
            self._in(agent)

    # ---------------------------------------------------------------- who is kept

    def hold(self, name: str, held: Held | None) -> None:
        """An agent is kept for a caller, or for nobody."""
        if not self.is_agent(name):
            return
        agent = self.agent(name)
        self._out(agent)
        if held is None and agent.held is not None and agent.held.talking:
            agent.talked_at = self.now
        if agent.held is not None:
            others = self.kept.get(agent.held.call, {})
            others.pop(name, None)
            if not others:
                self.kept.pop(agent.held.call, None)
        agent.held = held
        if held is not None:
            self.kept.setdefault(held.call, {})[name] = None
        self._in(agent)

    def keepers(self, call: str) -> list[Agent]:
        """The agents who are kept for a call, ringing and talking ones too."""
        return [self.agents[name] for name in self.kept.get(call, ())]

    def release(self, name: str, call: str) -> None:
        """An agent is not kept for this call any more."""
        agent = self.agents.get(name)
        if agent is not None and agent.held is not None and agent.held.call == call:
            self.hold(name, None)

    def _out(self, agent: Agent) -> None:
        self.dirty = True
        if agent.profile is not None and agent.name in agent.profile.idle:
            del agent.profile.idle[agent.name]
            agent.profile.longest.drop(agent.name)

    def _in(self, agent: Agent) -> None:
        if agent.profile is not None and agent.idle:
            agent.profile.idle[agent.name] = None
            agent.profile.longest.put(agent.name, (agent.since,))

    def lenders(self, needs: Needs) -> int:
        """How many idle agents meet these needs."""
        return sum(
            len(profile.idle)
            for profile in self.profiles.values()
            if profile.idle and all(profile.skills.get(skill, 0) >= least for skill, least in needs)
        )

    # ---------------------------------------------------------------- callers

    def waiter(self, name: str) -> Caller:
        """Who waits: a caller, or somebody who is to be called back."""
        found = self.callers.get(name)
        return found if found is not None else self.requests[name]

    def wait(self, caller: Caller, now: float) -> None:
        """The caller stands in the line, with what his queue asks for after so long a wait."""
        self.leave(caller)
        caller.stage = "line"
        if self.facts is not None:
            queue = self.facts.queue(caller.queue)
            queue = self.changed.get(queue.name, queue)
            caller.raised = self.raised.get(queue.name, 0)
            index = queue.step_at(now - caller.queued_at)
            kind = self.kinds.get((queue.name, index))
            if kind is None:
                kind = self.kinds[queue.name, index] = Kind(queue, index)
            self._stand(caller, kind)
        self.dirty = True

    def again(self, caller: Caller) -> None:
        """He waits as before, but who may be rung for him has changed."""
        if caller.kind is not None:
            self.leave(caller)
            self._stand(caller, caller.kind)
        self.dirty = True

    @staticmethod
    def _stand(caller: Caller, kind: Kind) -> None:
        caller.kind = kind
        if caller.refused or caller.only:
            kind.picky[caller.name] = None
        else:
            kind.plain[caller.name] = None
            kind.turn.put(caller.name, caller.place)
            kind.first_come.put(caller.name, (caller.place_at,))

    @staticmethod
    def leave(caller: Caller) -> None:
        """The caller stands in the line no more (or not as he did)."""
        kind = caller.kind
        if kind is not None:
            kind.plain.pop(caller.name, None)
            kind.picky.pop(caller.name, None)
            kind.turn.drop(caller.name)
            kind.first_come.drop(caller.name)

    def take_back(self, caller: Caller, now: float) -> None:
        """The offer has come to nothing: the agent is free of it, the caller waits again."""
        if caller.agent:
            self.release(caller.agent, caller.name)
        self.no_offer(caller)
        self.wait(caller, now)

    def ring(self, caller: Caller, agent: str, step: int, leg: str) -> None:
        """This agent is rung for the caller, and nobody else any more."""
        if caller.agent and caller.agent != agent:
            self.release(caller.agent, caller.name)
        caller.agent, caller.offer_step, caller.leg, caller.leg_ended = agent, step, leg, False
        caller.last_agent = agent

    @staticmethod
    def no_offer(caller: Caller) -> None:
        """Nobody is rung for the caller."""
        caller.agent, caller.offer_step, caller.leg, caller.leg_ended = "", 0, "", False

    def end(self, caller: Caller) -> None:
        """The caller is gone; his agent stays kept while the exchange still rings him or hangs him up."""
        self.leave(caller)
        if caller.agent and (not caller.leg or caller.leg_ended):
            self.release(caller.agent, caller.name)
        del self.callers[caller.name]
        self.dirty = True

    # ---------------------------------------------------------------- who fits whom

    def lent(self, kind: Kind, part: int, *, beside: int = 0) -> bool:
        """Whether a part of what is asked for may be used now: those who lend keep some for themselves."""
        keep = kind.wanted.parts[part].keep
        return keep == 0 or self.lenders(kind.wanted.parts[part].needs) + beside > keep

    def rank(self, kind: Kind, profile: Profile) -> tuple[bool, Rank | None]:
        """Whether somebody fits callers of this kind now, and how well (None where the policy is unknown here)."""
        for part, value in kind.ranks(profile):
            if self.lent(kind, part):
                return True, value
        return False, None

    def pairs(self) -> Iterator[tuple[str, str]]:
        """An idle agent and a waiting caller whom he could serve, for every kind and profile that has such a pair."""
        waiting = [kind for kind in self.kinds.values() if kind.plain or kind.picky]
        if not waiting:
            return
        idle = [profile for profile in self.profiles.values() if profile.idle]
        for kind in waiting:
            for profile in idle:
                if not kind.ranks(profile) or not self.rank(kind, profile)[0]:
                    continue
                if kind.plain:
                    yield next(iter(profile.idle)), next(iter(kind.plain))
                    continue
                for call in kind.picky:
                    agent = self._for(self.waiter(call), profile.idle)
                    if agent is not None:
                        yield agent, call
                        break

    @staticmethod
    def _for(caller: Caller, agents: Iterable[str]) -> str | None:
        """The first of these agents who may be rung for a caller."""
        return next((one for one in agents if one not in caller.refused and caller.only in ("", one)), None)

    def is_pair(self, agent: str, call: str) -> bool:
        """Whether this agent is idle, this caller waits, and they fit each other."""
        one, caller = self.agents.get(agent), self.callers.get(call) or self.requests.get(call)
        if one is None or caller is None or caller.kind is None or one.profile is None:
            return False
        if not one.idle or caller.stage != "line" or self._for(caller, (agent,)) is None:
            return False
        return self.rank(caller.kind, one.profile)[0]

    def ahead(self, kind: Kind, agent: str) -> Iterator[Caller]:
        """Callers of a kind who may be rung at this agent: the first by the queue's order, and each special one."""
        first = kind.turn.first()
        if first is not None:
            yield self.waiter(first)
        for call in kind.picky:
            caller = self.waiter(call)
            if self._for(caller, (agent,)) is not None:
                yield caller

    # ---------------------------------------------------------------- a new start

    def begin(self) -> dict[str, Caller]:
        """Another controller starts with nothing; returns who was there before."""
        before = self.callers
        self.callers, self.requests, self.kinds, self.connected = {}, {}, {}, False
        self.kept = {}
        for name, agent in self.agents.items():
            self._out(agent)
            self.agents[name] = Agent(name, agent.profile)
        return before

    def as_configured(self) -> None:
        """Skills, queues and seats are the configuration's again, until the store and the exchange say otherwise."""
        self.seats, self.away, self.in_use, self.changed, self.raised = {}, {}, set(), {}, {}
        if self.facts is not None:
            for name, skills in self.facts.skills.items():
                self.learn(name, skills)


def mark_of(text: str) -> tuple[str, int, float, float] | None:
    """Queue, priority, the instant of joining and that of the place that a caller's mark carries; None when he has none
    yet.

    The form is that of `asterisk.md` 11.1: fields joined by ``|``; the eighth is there where it says something else
    than the seventh.
    """
    fields = text.split("|")
    if len(fields) < 7 or not fields[4]:
        return None
    try:
        joined_at = float(fields[6])
        return fields[4], int(fields[5]), joined_at, float(fields[7]) if len(fields) > 7 else joined_at
    except ValueError:
        return None
