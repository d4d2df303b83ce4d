"""The pool: idle agents and waiting callers, put in and taken out as they change, and the offers that follow.

It makes exactly the decisions of `acd.router`, at a cost that does not grow with the number of agents
(`performance.md` 2a). Between two calls of `offers` nobody who is idle fits anybody who waits, so that only what has
changed since has to be looked at.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from heapq import heapify, heappop, heappush

from acd.decision import Match
from acd.idle import CallerClass, Idle, IdleAgents, Place, Profile, ProfileMasks, RankQueues
from acd.line import Waiting
from acd.policy import DEFAULT_POLICY, Policy, score
from acd.skills import Needs, Requirement, Skills, meets, unlent
from pbx.ids import AgentId, CallId, SkillId

MANY_PROFILES = 2000
"""From so many different sets of skills on, queues by rank are faster than masks of profiles (`hotline bench acd`)."""

CORES: dict[str, type[ProfileMasks] | type[RankQueues]] = {"masks": ProfileMasks, "ranks": RankQueues}

_new = tuple.__new__
"""Makes a `Match` without the Python-level call that costs as much as the decision."""

_NOBODY = AgentId("")
_ANYBODY = SkillId("")
"""Stands for "no skill asked" where classes and profiles are looked up by skill."""


class Pool:
    """Who is idle and who waits. An instance is the watcher of a `Line`.

    `core`: ``masks``, ``ranks``, or ``auto`` = by the number of profiles, changed live when that crosses
    `MANY_PROFILES` by a quarter. The choice changes no decision.
    """

    def __init__(self, core: str = "auto") -> None:
        """Nobody. Raises KeyError for a core that there is not."""
        self._auto = core == "auto"
        self._idle: dict[AgentId, Idle] = {}
        self._agents: IdleAgents = CORES["masks" if self._auto else core](self._idle)
        self._best, self._add = self._agents.best, self._agents.add
        self._profiles: dict[frozenset[tuple[SkillId, int]], Profile] = {}
        self._profile_of: dict[AgentId, Profile] = {}
        self._spare: list[int] = []  #: indexes of profiles that nobody has any more
        self._with_skill: dict[SkillId, dict[Profile, None]] = {_ANYBODY: {}}
        self._classes: dict[Requirement, list[CallerClass]] = {}
        self._kinds: dict[int, CallerClass] = {}  #: by the `id` of the very requirement that the class holds
        self._asking: dict[SkillId, list[CallerClass]] = {}
        self._waiting: dict[CallId, Place] = {}
        self._picky = 0  #: callers with agents who are not to be rung for them
        self._lenders: dict[Needs, int] = {}  #: how many are idle who meet them, for those who keep some for themselves
        self._ages: set[float] = set()  #: of the classes
        self._mixed = False  #: several: places cannot be compared without the time
        self._new_agents: dict[AgentId, None] = {}
        self._new_callers: dict[CallId, None] = {}
        self._count = 0

    # ---------------------------------------------------------------- who there is

    @property
    def core(self) -> str:
        """The name of the core that is at work."""
        return next(name for name, core in CORES.items() if isinstance(self._agents, core))

    @property
    def profiles(self) -> int:
        """How many different sets of skills the agents have."""
        return len(self._profiles)

    def __contains__(self, agent: AgentId) -> bool:
        """Whether the agent stands idle here."""
        return agent in self._idle

    def know(self, agent: AgentId, skills: Skills) -> None:
        """The agent has these skills, from now on; one who is idle stays so, and keeps his idle time."""
        key = frozenset(skills.items())
        before = self._profile_of.get(agent)
        if before is not None and before.key == key:
            return
        entry = self._idle.get(agent)
        if entry is not None:
            self.take_agent(agent)
        profile = self._profiles.get(key) or self._add_profile(key, skills)
        profile.members += 1
        self._profile_of[agent] = profile
        if before is not None:
            self._leave(before)
        if entry is not None:
            self.put_agent(agent, entry[0])
        self._choose_core()

    def forget(self, agent: AgentId) -> None:
        """The agent is no longer one of us. Raises KeyError for one who was not."""
        self.take_agent(agent)
        self._leave(self._profile_of.pop(agent))
        self._choose_core()

    def prepare(self, requirement: Requirement, policy: Policy = DEFAULT_POLICY, ageing_s: float = 0.0) -> None:
        """Callers of this kind will come: what is looked up for them is made now, not when the first comes."""
        self._class(requirement, policy, ageing_s)

    def put_agent(self, agent: AgentId, idle_since: float) -> None:
        """A known agent is idle. Raises KeyError for an unknown one."""
        if agent in self._idle:
            if self._idle[agent][0] == idle_since:
                return
            self.take_agent(agent)
        self._add_idle(agent, idle_since)
        self._new_agents[agent] = None

    def take_agent(self, agent: AgentId) -> bool:
        """He is not idle any more. False if he was not."""
        entry = self._idle.pop(agent, None)
        if entry is not None:
            self._new_agents.pop(agent, None)
            self._agents.remove(entry)
            self._fewer(entry)
        return entry is not None

    def put_caller(self, caller: Waiting) -> None:
        """A caller waits. Raises ValueError if he does already."""
        if caller.call in self._waiting:
            raise ValueError(f"{caller.call} waits already")
        self._add_waiting(caller, self._class(caller.requirement, caller.policy, caller.ageing_s))
        self._new_callers[caller.call] = None

    def take_caller(self, call: CallId) -> bool:
        """The caller waits no more. False if he did not."""
        entry = self._waiting.pop(call, None)
        if entry is not None:
            self._new_callers.pop(call, None)
            self._drop_waiting(entry)
        return entry is not None

    # ---------------------------------------------------------------- decisions

    def offers(self, now: float) -> list[Match]:
        """The offers to be made at epoch second `now`, in the order of the line; both sides are taken out."""
        agents, callers = self._new_agents, self._new_callers
        if not agents and not callers:
            return []
        self._new_agents, self._new_callers = {}, {}
        found: list[Match] = []
        if not callers and len(agents) == 1 and not self._lenders:  # nobody else idle fits anybody who waits
            (agent,) = agents
            first = self._first_for(self._profile_of[agent], agent, now)
            if first is not None:
                found.append(self._give(first, agent, now))
            return found
        todo: list[tuple[float, Place, AgentId]] = [
            (self._turn(entry, now), entry, _NOBODY) for entry in (self._waiting[call] for call in callers)
        ]
        for agent in agents:
            self._first_turn(todo, agent, now)
        heapify(todo)
        while todo:
            _, entry, one = heappop(todo)
            caller = entry[4]
            if self._waiting.get(caller.call) is entry and (not one or one in self._idle):
                match = self._serve(caller, entry[5], now)
                if match is not None:
                    del self._waiting[caller.call]
                    self._drop_waiting(entry)
                    found.append(match)
            if one in self._idle:
                self._first_turn(todo, one, now)
        return found

    def arrive(self, caller: Waiting, now: float) -> Match | None:
        """`put_caller` and `offers` in one, for when nothing else has changed: his agent, or None and he waits."""
        kind = self._kinds.get(id(caller.requirement))
        if kind is None or kind.policy is not caller.policy or kind.ageing_s != caller.ageing_s:
            kind = self._class(caller.requirement, caller.policy, caller.ageing_s)
        if self._lenders or caller.only is not None:
            self.put_caller(caller)
            return next(iter(self.offers(now)), None)
        entry = self._agents.best_but(kind, caller.refused) if caller.refused else self._best(kind)
        if entry is None:
            self._add_waiting(caller, kind)
            return None
        return _new(Match, (caller, entry[1], entry[3].skills, entry[0], now))

    def free(self, agent: AgentId, now: float) -> Match | None:
        """`put_agent`, idle since now, and `offers` in one, for when nothing else has changed: his caller, or None and
        he is idle. Raises ValueError where a queue lends only whom it does not keep: then another may be the one.
        """
        if self._lenders:
            raise ValueError("with agents who are lent, put the agent and ask for the offers")
        profile = self._profile_of[agent]
        if self._waiting:
            first: Place | None = None
            if self._picky or self._mixed:
                first = self._first_of_all(profile, agent, now)
            else:
                for kind in profile.classes:
                    wait = kind.wait
                    if wait:
                        entry = wait[0]
                        if first is None or entry < first:
                            first = entry
            if first is not None:
                del self._waiting[first[2]]
                kind = first[5]
                if kind.stale or self._picky:
                    self._drop_waiting(first)
                else:
                    kind.wait.popleft()
                return _new(Match, (first[4], agent, profile.skills, now, now))
        self._count = count = self._count + 1
        self._idle[agent] = idle = (now, agent, count, profile)
        self._add(idle)
        return None

    def _serve(self, caller: Waiting, kind: CallerClass, now: float) -> Match | None:
        """The best idle agent for a caller, taken out."""
        if kind.loans:
            kind = self._lending(kind)
        if caller.only is not None:
            entry = self._the_only(caller.only, caller, kind)
        else:
            entry = self._agents.best_but(kind, caller.refused) if caller.refused else self._best(kind)
        if entry is None:
            return None
        self._fewer(entry)
        return Match(caller, entry[1], entry[3].skills, entry[0], now)

    def _the_only(self, agent: AgentId, caller: Waiting, kind: CallerClass) -> Idle | None:
        """The one agent whom a caller is kept for, taken out; None when he is not idle, does not fit or refused."""
        entry = self._idle.get(agent)
        if entry is None or agent in caller.refused or not self._fits(entry[3], kind):
            return None
        del self._idle[agent]
        self._agents.remove(entry)
        return entry

    def _give(self, entry: Place, agent: AgentId, now: float) -> Match:
        """This caller and this idle agent, both taken out."""
        idle = self._idle.pop(agent)
        self._agents.remove(idle)
        self._fewer(idle)
        del self._waiting[entry[2]]
        self._drop_waiting(entry)
        return Match(entry[4], agent, idle[3].skills, idle[0], now)

    def _first_for(self, profile: Profile, agent: AgentId, now: float) -> Place | None:
        """The first in the line whom an agent can serve and who has not been refused by him."""
        if self._picky or self._mixed or self._lenders:
            return self._first_of_all(profile, agent, now)
        first: Place | None = None
        for kind in profile.classes:
            wait = kind.wait
            if wait and (first is None or wait[0] < first):
                first = wait[0]
        return first

    def _first_of_all(self, profile: Profile, agent: AgentId, now: float) -> Place | None:
        """The same, when some are not to be offered to everybody, queues age differently or agents are lent."""
        best: tuple[float, Place] | None = None
        for kind in tuple(profile.classes):
            if kind.loans and (kind.wait or kind.picky) and not self._fits(profile, self._lending(kind)):
                continue
            heads = [entry for entry in kind.picky if _may_ring(entry[4], agent)][:1]
            for entry in (*heads, kind.wait[0]) if kind.wait else heads:
                turn = (self._turn(entry, now), entry)
                if best is None or turn < best:
                    best = turn
        return None if best is None else best[1]

    def _first_turn(self, todo: list[tuple[float, Place, AgentId]], agent: AgentId, now: float) -> None:
        """Put down the first caller whom this agent could be offered to."""
        first = self._first_for(self._profile_of[agent], agent, now)
        if first is not None:
            heappush(todo, (self._turn(first, now), first, agent))

    @staticmethod
    def _turn(entry: Place, now: float) -> float:
        """What comes before the place when callers of different queues are compared."""
        return -score(entry[0], entry[5].ageing_s, now)

    # ---------------------------------------------------------------- inside

    def _add_idle(self, agent: AgentId, idle_since: float) -> None:
        self._count += 1
        entry = (idle_since, agent, self._count, self._profile_of[agent])
        self._idle[agent] = entry
        self._add(entry)
        if self._lenders:
            for needs in entry[3].lends:
                self._lenders[needs] += 1

    def _fewer(self, entry: Idle) -> None:
        """This agent is not idle any more."""
        if self._lenders:
            for needs in entry[3].lends:
                self._lenders[needs] -= 1

    def _lending(self, kind: CallerClass) -> CallerClass:
        """The class without those who may lend nobody now."""
        now = unlent(kind.requirement, self._lenders.__getitem__)
        return kind if now is kind.requirement else self._class(now, kind.policy, kind.ageing_s)

    @staticmethod
    def _fits(profile: Profile, kind: CallerClass) -> bool:
        return kind.policy.tier(profile.skills, kind.requirement) is not None

    def _lender(self, needs: Needs) -> None:
        """From now on it is counted how many are idle who meet `needs`."""
        if needs not in self._lenders:
            for profile in self._profiles.values():
                if meets(profile.skills, needs):
                    profile.lends.append(needs)
            self._lenders[needs] = sum(meets(entry[3].skills, needs) for entry in self._idle.values())

    def _add_waiting(self, caller: Waiting, kind: CallerClass) -> None:
        ageing_s, queued_at, call = kind.ageing_s, caller.queued_at, caller.call
        lead = queued_at - caller.priority * ageing_s if ageing_s > 0 else -float(caller.priority)  # `acd.policy.lead`
        self._count = count = self._count + 1
        self._waiting[call] = entry = (lead, queued_at, call, count, caller, kind)
        if caller.refused or caller.only is not None:
            insort(kind.picky, entry)
            self._picky += 1
            return
        wait = kind.wait
        if not wait or wait[-1] < entry:
            wait.append(entry)
        else:
            insort(wait, entry)

    def _drop_waiting(self, entry: Place) -> None:
        """Take the entry of somebody who is not in `_waiting` any more out of his class."""
        kind = entry[5]
        if entry[4].refused or entry[4].only is not None:
            del kind.picky[bisect_left(kind.picky, entry)]
            self._picky -= 1
            return
        wait = kind.wait
        if wait[0] is entry:
            wait.popleft()
            while kind.stale and wait and self._waiting.get(wait[0][2]) is not wait[0]:
                wait.popleft()
                kind.stale -= 1
            return
        kind.stale += 1
        if kind.stale * 2 > len(wait) + 64:
            kind.wait = deque(one for one in wait if self._waiting.get(one[2]) is one)
            kind.stale = 0

    def _class(self, requirement: Requirement, policy: Policy, ageing_s: float) -> CallerClass:
        kinds = self._classes.get(requirement)
        if kinds is not None:
            for kind in kinds:
                if kind.policy is policy and kind.ageing_s == ageing_s:
                    return kind
        kind = CallerClass(requirement, policy, ageing_s)
        self._classes.setdefault(requirement, []).append(kind)
        self._kinds[id(requirement)] = kind
        self._ages.add(ageing_s)
        self._mixed = len(self._ages) > 1
        for other in requirement.others:
            if other.keep:
                self._lender(other.needs)
        skills = {part.needs[0][0] if part.needs else _ANYBODY for part in (requirement, *requirement.others)}
        for skill in skills:
            self._asking.setdefault(skill, []).append(kind)
        ranks = {}
        for profile in {profile: None for skill in skills for profile in self._with_skill.get(skill, ())}:
            rank = policy.tier(profile.skills, requirement)
            if rank is not None:
                ranks[profile] = rank
                profile.classes.append(kind)
        self._agents.add_class(kind, ranks)
        return kind

    def _add_profile(self, key: frozenset[tuple[SkillId, int]], skills: Skills) -> Profile:
        index = self._spare.pop() if self._spare else len(self._profiles)
        profile = self._profiles[key] = Profile(key, dict(skills), index)
        profile.lends = [needs for needs in self._lenders if meets(skills, needs)]
        ranks = {}
        for skill in (_ANYBODY, *skills):
            self._with_skill.setdefault(skill, {})[profile] = None
            for kind in self._asking.get(skill, ()):
                rank = kind.policy.tier(skills, kind.requirement) if kind not in ranks else None
                if rank is not None:
                    ranks[kind] = rank
        profile.classes = list(ranks)
        self._agents.add_profile(profile, ranks)
        return profile

    def _leave(self, profile: Profile) -> None:
        """One agent fewer has this profile."""
        profile.members -= 1
        if profile.members:
            return
        self._agents.drop_profile(profile)
        for skill in (_ANYBODY, *profile.skills):
            del self._with_skill[skill][profile]
        del self._profiles[profile.key]
        self._spare.append(profile.index)

    def _choose_core(self) -> None:
        """Change the core when the number of profiles asks for it; everybody stays where he is."""
        if not self._auto:
            return
        many, now = len(self._profiles), self.core
        if now == "masks" and many > MANY_PROFILES * 1.25:
            self._agents = RankQueues(self._idle)
        elif now == "ranks" and many < MANY_PROFILES * 0.75:
            self._agents = ProfileMasks(self._idle)
        else:
            return
        self._best, self._add = self._agents.best, self._agents.add
        self._spare = []
        for index, profile in enumerate(self._profiles.values()):
            profile.index, profile.bit = index, 1 << index
            self._agents.add_profile(profile, {})
        for kinds in self._classes.values():
            for kind in kinds:
                ranks = {
                    profile: rank
                    for profile in self._profiles.values()
                    if (rank := kind.policy.tier(profile.skills, kind.requirement)) is not None
                }
                self._agents.add_class(kind, ranks)
        if isinstance(self._agents, ProfileMasks):  # queues by rank are filled when their class is added
            for entry in self._idle.values():
                self._agents.add(entry)


def _may_ring(caller: Waiting, agent: AgentId) -> bool:
    """Whether the agent's phone may be rung for this caller, if he fits."""
    return agent not in caller.refused and caller.only in (None, agent)
