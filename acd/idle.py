"""The idle agents, kept so that the best one for a caller is found without looking at each: two cores, one interface.

Agents with the same skills share a `Profile`; callers with the same requirement, policy and ageing share a
`CallerClass`. `ProfileMasks` (core E of `performance.md` 2a) keeps one queue of idle agents per profile and, per class
and rank, one integer whose bits are the profiles of that rank: a decision is a few ANDs and a look at the heads of the
best rank. It grows with the number of profiles. `RankQueues` (core C, with queues shared by all classes that ask for
one skill) keeps one queue per class and rank: independent of the number of profiles, but each agent stands in several.

Both give exactly the decisions of `acd.router`. Queues are sorted; who becomes idle goes to the end, and only one who
comes back with an older idle time (his offer failed through no fault of his) has to be sorted in. They are cleaned
lazily: an entry is alive while `idle` holds it.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from acd.line import Waiting
from acd.policy import BEST_LEVEL, Policy, Rank
from acd.skills import HIGHEST_LEVEL, Needs, Requirement, Skills
from pbx.ids import AgentId, CallId, SkillId

_SLACK = 64
"""A queue is swept when it has this many entries more than four times the live ones: rare, never for small ones."""

_FEW = 12
"""So many profiles of a rank are looked at one after the other; masks are faster for more."""


class Profile:
    """A set of skills that one agent or many have."""

    __slots__ = ("bit", "buckets", "classes", "idle", "index", "key", "lends", "members", "skills", "stale")

    def __init__(self, key: frozenset[tuple[SkillId, int]], skills: Skills, index: int) -> None:
        self.key = key
        self.skills = skills
        self.index = index
        self.bit = 1 << index
        self.members = 0  #: agents who have it, idle or not
        self.classes: list[CallerClass] = []  #: whom its agents can serve
        self.lends: list[Needs] = []  #: the needs it meets of those who lend only what they do not keep
        self.idle: deque[Idle] = deque()  #: ProfileMasks: its idle agents
        self.stale = 0  #: dead entries among them
        self.buckets: list[Bucket] = []  #: RankQueues: where its idle agents stand


class CallerClass:
    """Callers who are alike for every agent: same requirement, same policy, same ageing."""

    __slots__ = (
        "ageing_s", "bit", "buckets", "loans", "picky", "policy", "ranks", "requirement", "stale", "tiers", "wait",
    )  # fmt: skip

    def __init__(self, requirement: Requirement, policy: Policy, ageing_s: float) -> None:
        self.requirement = requirement
        self.policy = policy
        self.ageing_s = ageing_s
        self.wait: deque[Place] = deque()  #: sorted: those whom nobody has refused; its head is always alive
        self.stale = 0  #: dead entries in it
        self.picky: list[Place] = []  #: sorted: those with agents who are not to be rung for them
        self.loans = any(other.keep for other in requirement.others)  #: whether it depends on how many are idle
        self.ranks: dict[Rank, int] = {}  #: ProfileMasks: the profiles of each rank
        self.tiers: list[tuple[int, list[Profile] | None]] | None = None  #: the same, best rank first; None = make anew
        self.buckets: dict[Rank, Bucket] | list[Bucket] = []  #: RankQueues


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
    """Core E: queues by profile, ranks as bit masks of profiles."""

    def __init__(self, idle: dict[AgentId, Idle]) -> None:
        self.idle = idle
        self._profiles: list[Profile] = []  #: by their bit
        self._bits: list[int] = []  #: the same as numbers, so that none has to be made
        self._nonempty = 0  #: profiles with an idle agent

    def add_profile(self, profile: Profile, ranks: Mapping[CallerClass, Rank]) -> None:
        """See `IdleAgents`."""
        profile.idle, profile.stale = deque(), 0
        if profile.index == len(self._profiles):
            self._profiles.append(profile)
            self._bits.append(profile.bit)
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
        queue = profile.idle
        if not queue:
            self._nonempty |= profile.bit
            queue.append(entry)
        elif queue[-1] < entry:
            queue.append(entry)
        else:
            insort(queue, entry)

    def remove(self, entry: Idle) -> None:
        """See `IdleAgents`."""
        profile = entry[3]
        profile.stale += 1
        if profile.idle[0] is entry or profile.stale * 4 > len(profile.idle) * 3 + _SLACK:
            self._clean(profile)

    def _clean(self, profile: Profile) -> None:
        """Let the head be alive, and sweep when the dead are many."""
        queue, idle = profile.idle, self.idle
        while queue and idle.get(queue[0][1]) is not queue[0]:
            queue.popleft()
            profile.stale -= 1
        if profile.stale * 4 > len(queue) * 3 + _SLACK:
            profile.idle = queue = deque(entry for entry in queue if idle.get(entry[1]) is entry)
            profile.stale = 0
        if not queue:
            self._nonempty &= ~profile.bit

    def _tiers(self, kind: CallerClass) -> list[tuple[int, list[Profile] | None]]:
        kind.tiers = []
        for rank in sorted(kind.ranks, reverse=True):
            mask = kind.ranks[rank]
            few = mask.bit_count() <= _FEW
            kind.tiers.append((mask, list(self._of(mask)) if few else None))
        return kind.tiers

    def _of(self, mask: int) -> Iterator[Profile]:
        while mask:
            index = mask.bit_length() - 1
            mask ^= 1 << index
            yield self._profiles[index]

    def best(self, kind: CallerClass) -> Idle | None:
        """See `IdleAgents`."""
        nonempty = self._nonempty
        if not nonempty:
            return None
        for tier, few in kind.tiers or self._tiers(kind):
            mask = tier & nonempty
            if not mask:
                continue
            found: Idle | None = None
            if few is not None:
                for profile in few:
                    queue = profile.idle
                    if queue:
                        entry = queue[0]
                        if found is None or entry < found:
                            found = entry
            else:
                profiles, bits = self._profiles, self._bits
                while mask:
                    index = mask.bit_length() - 1
                    mask ^= bits[index]
                    entry = profiles[index].idle[0]
                    if found is None or entry < found:
                        found = entry
            assert found is not None
            profile = found[3]
            queue = profile.idle
            queue.popleft()
            del self.idle[found[1]]
            if profile.stale:
                self._clean(profile)
            elif not queue:
                self._nonempty = nonempty & ~profile.bit
            return found
        return None

    def best_but(self, kind: CallerClass, refused: frozenset[AgentId]) -> Idle | None:
        """See `IdleAgents`."""
        for tier, _ in kind.tiers or self._tiers(kind):
            found: Idle | None = None
            for profile in self._of(tier & self._nonempty):
                entry = _first_but(profile.idle, self.idle, refused)
                if entry is not None and (found is None or entry < found):
                    found = entry
            if found is not None:
                del self.idle[found[1]]
                self.remove(found)
                return found
        return None


class Bucket:
    """A sorted queue of idle agents of one rank."""

    __slots__ = ("limit", "queue")

    def __init__(self) -> None:
        self.queue: deque[Idle] = deque()
        self.limit = _SLACK  #: length at which it is swept


class RankQueues:
    """Core C: queues by class and rank; those for one skill at one level are shared by all classes that ask for it."""

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
        """The queue of one rank of a class; the queues stay in order, best rank first."""
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
            new = [entry for entry in self.idle.values() if entry[3] in wanted]
            if new:
                bucket.queue = deque(sorted((*bucket.queue, *new)))
                bucket.limit = 4 * len(bucket.queue) + _SLACK

    def drop_profile(self, profile: Profile) -> None:
        """See `IdleAgents`."""
        for skill in profile.skills.items():
            del self._with_level[skill][profile]

    def add(self, entry: Idle) -> None:
        """See `IdleAgents`."""
        for bucket in entry[3].buckets:
            queue = bucket.queue
            if not queue or queue[-1] < entry:
                queue.append(entry)
            else:
                insort(queue, entry)
            if len(queue) > bucket.limit:
                idle = self.idle
                bucket.queue = deque(one for one in queue if idle.get(one[1]) is one)
                bucket.limit = 4 * len(bucket.queue) + _SLACK

    def remove(self, entry: Idle) -> None:
        """See `IdleAgents`. His entries die where they stand."""

    def best(self, kind: CallerClass) -> Idle | None:
        """See `IdleAgents`."""
        idle, buckets = self.idle, kind.buckets
        for bucket in buckets if isinstance(buckets, list) else buckets.values():
            queue = bucket.queue
            while queue:
                entry = queue.popleft()
                if idle.get(entry[1]) is entry:
                    del idle[entry[1]]
                    return entry
        return None

    def best_but(self, kind: CallerClass, refused: frozenset[AgentId]) -> Idle | None:
        """See `IdleAgents`."""
        for bucket in kind.buckets if isinstance(kind.buckets, list) else kind.buckets.values():
            found = _first_but(bucket.queue, self.idle, refused)
            if found is not None:
                del self.idle[found[1]]
                return found
        return None


def _one_skill(kind: CallerClass) -> bool:
    """Whether rank is nothing but the level in one skill, so that queues can be shared."""
    wanted = kind.requirement
    parts: tuple[Any, ...] = (wanted, *wanted.others)
    return kind.policy is BEST_LEVEL and not wanted.prefers and all(len(part.needs) == 1 for part in parts)


def _first_but(queue: deque[Idle], idle: dict[AgentId, Idle], refused: frozenset[AgentId]) -> Idle | None:
    """The first live entry of somebody who is not among `refused`."""
    return next((one for one in queue if one[1] not in refused and idle.get(one[1]) is one), None)


def _mask(indexes: list[int]) -> int:
    """An integer with these bits; made at once, since one after the other is slow for thousands."""
    field = bytearray(max(indexes) // 8 + 1)
    for index in indexes:
        field[index // 8] |= 1 << index % 8
    return int.from_bytes(field, "little")
