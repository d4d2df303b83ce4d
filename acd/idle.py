"""The idle agents, kept so that the best one for a caller is found without looking at each: two cores, one interface.

Agents with the same skills share a `Profile`; callers with the same requirement, policy and ageing share a
`CallerClass`. `ProfileMasks` (core E of `performance.md` 2a) keeps one heap of idle agents per profile and, per class
and rank, one integer whose bits are the profiles of that rank: a decision is a few ANDs and a look at the heads of the
best rank. It grows with the number of profiles. `RankHeaps` (core C, with heaps shared by all classes that ask for one
skill) keeps one heap per class and rank: independent of the number of profiles, but each agent stands in several.

Both give exactly the decisions of `acd.router`. Heaps are cleaned lazily: an entry is alive while `idle` holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from acd.line import Waiting
from acd.policy import BEST_LEVEL, Policy, Rank
from acd.skills import HIGHEST_LEVEL, Requirement, Skills
from pbx.ids import AgentId, CallId, SkillId

_SLACK = 64
"""A heap is swept when it has this many entries more than four times the live ones: rare, and never for small ones."""


class Profile:
    """A set of skills that one agent or many have."""

    __slots__ = ("bit", "buckets", "classes", "idle", "index", "key", "members", "skills", "stale")

    def __init__(self, key: frozenset[tuple[SkillId, int]], skills: Skills, index: int) -> None:
        self.key = key
        self.skills = skills
        self.index = index
        self.bit = 1 << index
        self.members = 0  #: agents who have it, idle or not
        self.classes: list[CallerClass] = []  #: whom its agents can serve
        self.idle: list[Idle] = []  #: ProfileMasks: its idle agents
        self.stale = 0  #: dead entries among them
        self.buckets: list[Bucket] = []  #: RankHeaps: where its idle agents stand


class CallerClass:
    """Callers who are alike for every agent: same requirement, same policy, same ageing."""

    __slots__ = (
        "ageing_s", "bit", "buckets", "picky", "policy", "ranks", "requirement", "stale", "tiers", "wait",
    )  # fmt: skip

    def __init__(self, requirement: Requirement, policy: Policy, ageing_s: float) -> None:
        self.requirement = requirement
        self.policy = policy
        self.ageing_s = ageing_s
        self.wait: list[Place] = []  #: heap of those whom nobody has refused; its head is always alive
        self.stale = 0  #: dead entries in it
        self.picky: list[Place] = []  #: sorted: those with agents who are not to be rung for them again
        self.ranks: dict[Rank, int] = {}  #: ProfileMasks: the profiles of each rank
        self.tiers: list[int] | None = None  #: the same, best rank first; None = to be made anew
        self.buckets: dict[Rank, Bucket] | list[Bucket] = []  #: RankHeaps


Idle = tuple[float, AgentId, int, Profile]
"""An idle agent: since when, who, a number that tells equals apart, his profile."""

Place = tuple[float, float, CallId, int, Waiting, CallerClass]
"""A waiting caller: his `Waiting.place`, a number that tells equals apart, himself, his class."""


class IdleAgents(Protocol):
    """What the pool needs of a core. `idle` is shared with the pool; a core takes out of it whom it gives away."""

    idle: dict[AgentId, Idle]

    def add_profile(self, profile: Profile, ranks: Mapping[CallerClass, Rank]) -> None:
        """A profile is new; `ranks` are those of its agents for the classes that they serve."""

    def add_class(self, kind: CallerClass, ranks: Mapping[Profile, Rank]) -> None:
        """A class is new; `ranks` are those of the profiles that serve it."""

    def drop_profile(self, profile: Profile) -> None:
        """Nobody has this profile any more."""

    def add(self, entry: Idle) -> None:
        """An agent is idle."""

    def remove(self, entry: Idle) -> None:
        """He is not idle any more; `idle` has him no more."""

    def best(self, kind: CallerClass) -> Idle | None:
        """Take out and return the best agent for a caller of this class, None if nobody fits."""

    def best_but(self, kind: CallerClass, refused: frozenset[AgentId]) -> Idle | None:
        """The same, leaving out those who have refused him."""


class ProfileMasks:
    """Core E: heaps by profile, ranks as bit masks of profiles."""

    def __init__(self, idle: dict[AgentId, Idle]) -> None:
        self.idle = idle
        self._profiles: list[Profile] = []  #: by their bit
        self._nonempty = 0  #: profiles with an idle agent

    def add_profile(self, profile: Profile, ranks: Mapping[CallerClass, Rank]) -> None:
        """See `IdleAgents`."""
        profile.idle, profile.stale = [], 0
        if profile.index == len(self._profiles):
            self._profiles.append(profile)
        else:
            self._profiles[profile.index] = profile
        for kind, rank in ranks.items():
            kind.ranks[rank] = kind.ranks.get(rank, 0) | profile.bit
            kind.tiers = None

    def add_class(self, kind: CallerClass, ranks: Mapping[Profile, Rank]) -> None:
        """See `IdleAgents`."""
        bits: dict[Rank, list[int]] = {}
        for profile, rank in ranks.items():
            bits.setdefault(rank, []).append(profile.index)
        kind.ranks = {rank: _mask(indexes) for rank, indexes in bits.items()}
        kind.tiers = None

    def drop_profile(self, profile: Profile) -> None:
        """See `IdleAgents`."""
        for kind in profile.classes:
            kind.ranks = {rank: left for rank, mask in kind.ranks.items() if (left := mask & ~profile.bit)}
            kind.tiers = None

    def add(self, entry: Idle) -> None:
        """See `IdleAgents`."""
        profile = entry[3]
        heappush(profile.idle, entry)
        self._nonempty |= profile.bit

    def remove(self, entry: Idle) -> None:
        """See `IdleAgents`."""
        profile = entry[3]
        profile.stale += 1
        if profile.idle[0] is entry or profile.stale * 4 > len(profile.idle) * 3 + _SLACK:
            self._clean(profile)

    def _clean(self, profile: Profile) -> None:
        """Let the head be alive, and sweep when the dead are many."""
        heap, idle = profile.idle, self.idle
        while heap and idle.get(heap[0][1]) is not heap[0]:
            heappop(heap)
            profile.stale -= 1
        if profile.stale * 4 > len(heap) * 3 + _SLACK:
            heap[:] = [entry for entry in heap if idle.get(entry[1]) is entry]
            heapify(heap)
            profile.stale = 0
        if not heap:
            self._nonempty &= ~profile.bit

    @staticmethod
    def _tiers(kind: CallerClass) -> list[int]:
        kind.tiers = [kind.ranks[rank] for rank in sorted(kind.ranks, reverse=True)]
        return kind.tiers

    def best(self, kind: CallerClass) -> Idle | None:
        """See `IdleAgents`."""
        tiers = kind.tiers
        if tiers is None:
            tiers = self._tiers(kind)
        nonempty, profiles = self._nonempty, self._profiles
        for tier in tiers:
            mask = tier & nonempty
            if mask:
                low = mask & -mask
                found = profiles[low.bit_length() - 1].idle[0]
                mask ^= low
                while mask:
                    low = mask & -mask
                    entry = profiles[low.bit_length() - 1].idle[0]
                    if entry < found:
                        found = entry
                    mask ^= low
                profile = found[3]
                heap = profile.idle
                heappop(heap)
                del self.idle[found[1]]
                if profile.stale:
                    self._clean(profile)
                elif not heap:
                    self._nonempty = nonempty & ~profile.bit
                return found
        return None

    def best_but(self, kind: CallerClass, refused: frozenset[AgentId]) -> Idle | None:
        """See `IdleAgents`."""
        for tier in kind.tiers if kind.tiers is not None else self._tiers(kind):
            mask, found = tier & self._nonempty, None
            while mask:
                low = mask & -mask
                mask ^= low
                profile = self._profiles[low.bit_length() - 1]
                entry = _first_but(profile.idle, self.idle, refused)
                if entry is not None and (found is None or entry < found):
                    found = entry
            if found is not None:
                del self.idle[found[1]]
                self.remove(found)
                return found
        return None


class Bucket:
    """A heap of idle agents of one rank."""

    __slots__ = ("heap", "limit")

    def __init__(self) -> None:
        self.heap: list[Idle] = []
        self.limit = _SLACK  #: length at which it is swept


class RankHeaps:
    """Core C: heaps by class and rank; those for one skill at one level are shared by all classes that ask for it."""

    def __init__(self, idle: dict[AgentId, Idle]) -> None:
        self.idle = idle
        self._levels: dict[tuple[SkillId, int], Bucket] = {}
        self._with_level: dict[tuple[SkillId, int], dict[Profile, None]] = {}

    def add_profile(self, profile: Profile, ranks: Mapping[CallerClass, Rank]) -> None:
        """See `IdleAgents`."""
        profile.buckets = []
        for skill in profile.skills.items():
            self._with_level.setdefault(skill, {})[profile] = None
            if skill in self._levels:
                profile.buckets.append(self._levels[skill])
        for kind, rank in ranks.items():
            if isinstance(kind.buckets, dict):  # else by the skill's level already
                profile.buckets.append(self._bucket(kind, kind.buckets, rank))

    def add_class(self, kind: CallerClass, ranks: Mapping[Profile, Rank]) -> None:
        """See `IdleAgents`."""
        if _one_skill(kind):
            kind.buckets = [
                self._level(skill, level)
                for part in (kind.requirement, *kind.requirement.others)
                for skill, least in part.needs
                for level in range(HIGHEST_LEVEL, least - 1, -1)
            ]
            return
        found: dict[Rank, Bucket] = {}
        kind.buckets = found
        for rank in sorted(set(ranks.values()), reverse=True):
            self._fill(self._bucket(kind, found, rank), [profile for profile in ranks if ranks[profile] == rank])

    @staticmethod
    def _bucket(kind: CallerClass, buckets: dict[Rank, Bucket], rank: Rank) -> Bucket:
        """The heap of one rank of a class; the heaps stay in order, best rank first."""
        if rank not in buckets:
            buckets[rank] = Bucket()
            kind.buckets = {one: buckets[one] for one in sorted(buckets, reverse=True)}
        return buckets[rank]

    def _level(self, skill: SkillId, level: int) -> Bucket:
        bucket = self._levels.get((skill, level))
        if bucket is None:
            bucket = self._levels[skill, level] = Bucket()
            self._fill(bucket, self._with_level.get((skill, level), ()))
        return bucket

    def _fill(self, bucket: Bucket, profiles: Iterable[Profile]) -> None:
        """Idle agents of these profiles stand in a bucket from now on."""
        wanted = set(profiles)
        for profile in wanted:
            profile.buckets.append(bucket)
        if wanted:
            bucket.heap += [entry for entry in self.idle.values() if entry[3] in wanted]
            heapify(bucket.heap)
            bucket.limit = 4 * len(bucket.heap) + _SLACK

    def drop_profile(self, profile: Profile) -> None:
        """See `IdleAgents`."""
        for skill in profile.skills.items():
            del self._with_level[skill][profile]

    def add(self, entry: Idle) -> None:
        """See `IdleAgents`."""
        for bucket in entry[3].buckets:
            heap = bucket.heap
            heappush(heap, entry)
            if len(heap) > bucket.limit:
                idle = self.idle
                heap[:] = [one for one in heap if idle.get(one[1]) is one]
                heapify(heap)
                bucket.limit = 4 * len(heap) + _SLACK

    def remove(self, entry: Idle) -> None:
        """See `IdleAgents`. His entries die where they stand."""

    def best(self, kind: CallerClass) -> Idle | None:
        """See `IdleAgents`."""
        idle, buckets = self.idle, kind.buckets
        for bucket in buckets if isinstance(buckets, list) else buckets.values():
            heap = bucket.heap
            while heap:
                entry = heappop(heap)
                if idle.get(entry[1]) is entry:
                    del idle[entry[1]]
                    return entry
        return None

    def best_but(self, kind: CallerClass, refused: frozenset[AgentId]) -> Idle | None:
        """See `IdleAgents`."""
        for bucket in kind.buckets if isinstance(kind.buckets, list) else kind.buckets.values():
            found = _first_but(bucket.heap, self.idle, refused)
            if found is not None:
                del self.idle[found[1]]
                return found
        return None


def _one_skill(kind: CallerClass) -> bool:
    """Whether rank is nothing but the level in one skill, so that heaps can be shared."""
    wanted = kind.requirement
    parts: tuple[Any, ...] = (wanted, *wanted.others)
    return kind.policy is BEST_LEVEL and not wanted.prefers and all(len(part.needs) == 1 for part in parts)


def _first_but(heap: list[Idle], idle: dict[AgentId, Idle], refused: frozenset[AgentId]) -> Idle | None:
    """The first live entry of somebody who is not among `refused`; the heap keeps what is alive."""
    aside: list[Idle] = []
    found: Idle | None = None
    while heap:
        entry = heap[0]
        if idle.get(entry[1]) is entry:
            if entry[1] not in refused:
                found = entry
                break
            aside.append(entry)
        heappop(heap)
    for entry in aside:
        heappush(heap, entry)
    return found


def _mask(indexes: list[int]) -> int:
    """An integer with these bits; made at once, since one after the other is slow for thousands."""
    field = bytearray(max(indexes) // 8 + 1)
    for index in indexes:
        field[index // 8] |= 1 << index % 8
    return int.from_bytes(field, "little")
