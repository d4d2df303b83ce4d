"""The pool makes the router's decisions: generated days on every core, beside the oracle that looks at everybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd import pool as pools
from acd.line import Line, Waiting
from acd.policy import BEST_LEVEL, FEWEST_SKILLS, LONGEST_IDLE, POLICIES
from acd.pool import Pool
from acd.router import Candidate, Match, match
from acd.skills import Requirement, Skills
from pbx.ids import AgentId, CallId, QueueId, SkillId

pytestmark = pytest.mark.core

SKILLS = [SkillId(name) for name in ("mandarin", "english", "tax", "housing")]
AGENTS = [AgentId(str(1001 + number)) for number in range(9)]
LATE = 0.25  #: instants are few, so that equal ones happen


def waiting(call: str, at: float = 0.0, *needs: tuple[str, int], **more: Any) -> Waiting:
    wanted = Requirement(tuple((SkillId(skill), least) for skill, least in needs))
    return Waiting(CallId(call), QueueId("q"), wanted, at, **more)


class Both:
    """The pool under test and, beside it, the plain lists for the oracle."""

    def __init__(self, core: str) -> None:
        self.pool = Pool(core)
        self.line = Line(self.pool)
        self.skills: dict[AgentId, Skills] = {}
        self.idle: dict[AgentId, float] = {}
        self.now = 0.0
        self.matches = 0

    def know(self, agent: AgentId, skills: Skills) -> None:
        self.skills[agent] = skills
        self.pool.know(agent, skills)

    def ready(self, agent: AgentId, since: float) -> None:
        if agent in self.skills:
            self.idle[agent] = since
            self.pool.put_agent(agent, since)

    def away(self, agent: AgentId) -> None:
        assert self.pool.take_agent(agent) == (self.idle.pop(agent, None) is not None)

    def forget(self, agent: AgentId) -> None:
        if self.skills.pop(agent, None) is not None:
            self.idle.pop(agent, None)
            self.pool.forget(agent)

    def decide(self) -> list[Match]:
        """Both decide; they must agree in everything, the reason included."""
        candidates = [Candidate(agent, self.skills[agent], since) for agent, since in self.idle.items()]
        expected = match(self.line, candidates, now=self.now)
        found = self.pool.offers(self.now)
        assert found == expected
        assert [one.reason for one in found] == [one.reason for one in expected]
        for one in found:
            del self.idle[one.agent]
            self.line.remove(one.call)
        self.matches += len(found)
        return found


levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5), max_size=3)
needs = levels.map(lambda found: tuple(found.items())[:2])
simple = st.builds(Requirement, needs=needs, prefers=needs)
lent = st.builds(Requirement, needs=needs, keep=st.integers(0, 2))
requirements = st.one_of(
    st.builds(Requirement, needs=needs),
    st.builds(Requirement, needs=needs, prefers=needs, others=st.lists(simple, max_size=2).map(tuple)),
    st.builds(Requirement, needs=needs, others=st.lists(lent, max_size=2).map(tuple)),
)
times = st.integers(0, 8).map(lambda number: number * LATE)
whom = st.sampled_from(AGENTS)
QUEUES = {QueueId("young"): 0.0, QueueId("slow"): 4.0, QueueId("fast"): 0.5}
callers = st.builds(
    lambda number, queue, wanted, priority, back, policy, refused, only: Waiting(
        CallId(f"c{number:02}"), queue, wanted, -back, priority, refused, policy, QUEUES[queue], only
    ),
    st.integers(0, 30),
    st.sampled_from(list(QUEUES)),
    requirements,
    st.integers(0, 9),
    times,
    st.sampled_from(list(POLICIES.values())),
    st.one_of(st.just(frozenset()), st.frozensets(whom, max_size=3)),
    st.one_of(st.none(), st.none(), whom),
)
things = st.one_of(
    st.tuples(st.just("know"), whom, levels),
    st.tuples(st.just("ready"), whom, times),
    st.tuples(st.just("ready"), whom, times),
    st.tuples(st.just("away"), whom),
    st.tuples(st.just("forget"), whom),
    st.tuples(st.just("join"), callers),
    st.tuples(st.just("join"), callers),
    st.tuples(st.just("join"), callers),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(st.just("refuse"), st.integers(0, 30), whom),
    st.tuples(st.just("change"), st.integers(0, 30), requirements),
    st.tuples(st.just("decide"), times),
    st.tuples(st.just("decide"), times),
)


def play(core: str, plan: list[tuple[Any, ...]], every_step: bool) -> Both:
    both = Both(core)
    for agent in AGENTS[:6]:
        both.know(agent, {SKILLS[int(agent) % 4]: 1 + int(agent) % 5})
    for kind, *given_ in plan:
        if kind == "decide":
            both.now += given_[0]
            both.decide()
            continue
        if kind == "ready":
            both.ready(given_[0], both.now - given_[1])
        elif kind in ("know", "away", "forget"):
            getattr(both, kind)(*given_)
        elif kind == "join":
            caller = replace(given_[0], queued_at=both.now + given_[0].queued_at)
            if caller.call not in both.line:
                both.line.add(caller)
        else:
            call = CallId(f"c{given_[0]:02}")
            stands = both.line.get(call)
            if kind == "leave":
                both.line.remove(call)
            elif stands is not None and kind == "refuse":
                both.line.replace(replace(stands, refused=stands.refused | {given_[1]}))
            elif stands is not None:
                both.line.replace(replace(stands, requirement=given_[1], refused=frozenset()))
        if every_step:
            both.decide()
    both.decide()
    return both


@pytest.mark.parametrize("core", ["masks", "ranks", "auto"])
@settings(max_examples=250, deadline=None)
@given(plan=st.lists(things, max_size=60), every_step=st.booleans())
def test_every_core_decides_like_the_oracle(core: str, plan: list[tuple[Any, ...]], every_step: bool) -> None:
    before = pools.MANY_PROFILES
    pools.MANY_PROFILES = 4  # so that the core changes in the middle of a day
    try:
        play(core, plan, every_step)
    finally:
        pools.MANY_PROFILES = before


@pytest.mark.parametrize("core", ["masks", "ranks"])
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_one_thing_at_a_time_gives_the_same(core: str, data: st.DataObject) -> None:
    """`arrive` and `free` are `put` and `offers` in one."""
    fast, plain = Pool(core), Pool(core)
    for agent in AGENTS:
        skills = data.draw(levels)
        fast.know(agent, skills)
        plain.know(agent, skills)
    busy = set(AGENTS)
    for number, found in enumerate(data.draw(st.lists(st.one_of(callers, whom), max_size=40))):
        now = number * LATE
        if isinstance(found, Waiting):
            caller = replace(found, call=CallId(f"n{number}"), queued_at=now)
            one = fast.arrive(caller, now)
            plain.put_caller(caller)
        elif found in busy:
            if fast._lenders:
                with pytest.raises(ValueError, match="lent"):
                    fast.free(found, now)
                return
            one = fast.free(found, now)
            plain.put_agent(found, now)
            busy.discard(found)
        else:
            continue
        assert plain.offers(now) == ([] if one is None else [one])
        if one is not None:
            busy.add(one.agent)


@pytest.mark.parametrize("core", ["masks", "ranks"])
def test_many_come_and_go_and_the_heaps_stay_small(core: str) -> None:
    both = Both(core)
    for number, agent in enumerate(AGENTS):
        both.know(agent, {SKILLS[0]: 1 + number % 3, SKILLS[1]: 2})
    both.pool.prepare(Requirement(((SKILLS[0], 1),)))
    for number in range(1500):
        both.ready(AGENTS[number % 9], float(number))
        if number % 3:
            both.away(AGENTS[number % 7])
        both.line.add(waiting(f"c{number}", number, (SKILLS[2], 1), ageing_s=60.0))
        if number >= 6:
            both.line.remove(CallId(f"c{number - 6 if number % 2 else number}"))
    sizes = [len(profile.idle) for profile in both.pool._profiles.values()]
    sizes += [len(bucket.queue) for profile in both.pool._profiles.values() for bucket in profile.buckets]
    sizes += [len(kind.wait) - len(both.line) for kinds in both.pool._classes.values() for kind in kinds]
    assert max(sizes) < 500, "the dead are swept out"
    both.decide()


def test_the_core_follows_the_number_of_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MANY_PROFILES", 4)
    pool = Pool()
    one = [AgentId(f"x{number}") for number in range(8)]
    for number, agent in enumerate(one):
        pool.know(agent, {SKILLS[number % 4]: 1 + number // 4})
        pool.put_agent(agent, float(number))
    assert (pool.profiles, pool.core) == (8, "ranks")
    pool.put_caller(waiting("a", 0.0, ("english", 1)))
    assert [match.agent for match in pool.offers(9.0)] == ["x5"]
    for agent in one[2:]:
        pool.forget(agent)
    assert (pool.profiles, pool.core) == (2, "masks")
    pool.put_caller(waiting("b", 0.0, ("english", 1)))
    assert [match.agent for match in pool.offers(9.0)] == ["x1"]
    with pytest.raises(KeyError):
        pool.put_agent(one[5], 1.0)
    with pytest.raises(KeyError):
        Pool("magic")


def test_a_caller_stands_in_it_once() -> None:
    pool = Pool()
    pool.put_caller(waiting("a"))
    with pytest.raises(ValueError, match="waits already"):
        pool.put_caller(waiting("a"))
    assert pool.take_caller(CallId("a"))
    assert not pool.take_caller(CallId("a"))


# ---------------------------------------------------------------- fairness


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nobody_starves(data: st.DataObject) -> None:
    """However many of priority 9 come, one of priority 0 is overtaken only by those of the next nine times `ageing_s`.

    One agent, one caller a second, everybody with a priority above his: he is served as soon as those are.
    """
    ageing_s = data.draw(st.sampled_from([1.0, 2.5, 6.0]))
    both = Both("masks")
    both.know(AGENTS[0], {SKILLS[0]: 3})
    both.line.add(waiting("poor", 0.0, ("mandarin", 1), ageing_s=ageing_s))
    for second in range(1, 200):
        both.now = float(second)
        priority = data.draw(st.integers(1, 9)) if second < 40 else 9
        both.line.add(waiting(f"r{second:03}", both.now, ("mandarin", 1), priority=priority, ageing_s=ageing_s))
        both.ready(AGENTS[0], both.now)
        (served,) = both.decide()
        if served.call == "poor":
            break
        assert served.caller.queued_at <= 9 * ageing_s, "overtaken by one who came too late for that"
    assert "poor" not in both.line
    assert both.now <= 9 * ageing_s + 1


def test_without_ageing_priority_alone_counts() -> None:
    both = Both("masks")
    both.know(AGENTS[0], {SKILLS[0]: 3})
    both.line.add(waiting("poor", 0.0, ("mandarin", 1)))
    both.line.add(waiting("vip", 9000.0, ("mandarin", 1), priority=1))
    both.now = 9000.0
    both.ready(AGENTS[0], both.now)
    assert [one.call for one in both.decide()] == ["vip"]


def test_across_queues_the_same_rule_with_each_queues_own_ageing() -> None:
    fast, slow = (
        waiting("fast", 50.0, ("mandarin", 1), ageing_s=10.0),
        waiting("slow", 0.0, ("mandarin", 1), ageing_s=60.0),
    )
    fast, slow = replace(fast, queue=QueueId("f")), replace(slow, queue=QueueId("s"))
    for now, expected in ((55.0, ["slow", "fast"]), (90.0, ["fast", "slow"])):
        both = Both("masks")
        for caller in (fast, slow):
            both.line.add(caller)
        assert [one.call for one in both.line.ordered(now)] == expected
        both.know(AGENTS[0], {SKILLS[0]: 3})
        both.now = now
        both.ready(AGENTS[0], now)
        assert [one.call for one in both.decide()] == expected[:1]


# ---------------------------------------------------------------- policies and reasons


def staffed(core: str = "masks") -> Both:
    both = Both(core)
    for agent, since, skills in (
        (AGENTS[0], 10.0, {"english": 3}),
        (AGENTS[1], 30.0, {"english": 5, "tax": 2, "mandarin": 5}),
        (AGENTS[2], 40.0, {"english": 5, "mandarin": 2}),
    ):
        both.know(agent, {SkillId(skill): level for skill, level in skills.items()})
        both.ready(agent, since)
    both.now = 100.0
    return both


@pytest.mark.parametrize("core", ["masks", "ranks"])
@pytest.mark.parametrize(
    ("policy", "agent"), [(BEST_LEVEL, AGENTS[1]), (LONGEST_IDLE, AGENTS[0]), (FEWEST_SKILLS, AGENTS[0])]
)
def test_the_policies(policy: Any, agent: AgentId, core: str) -> None:
    both = staffed(core)
    both.line.add(waiting("a", 90.0, ("english", 2), policy=policy))
    (found,) = both.decide()
    assert (found.agent, found.rule) == (agent, policy.name)


def test_what_a_caller_would_like_goes_before_the_level_and_needs_go_before_what_will_do_as_well() -> None:
    wanted = Requirement(((SKILLS[1], 3),), prefers=((SKILLS[2], 1),), others=(Requirement(((SKILLS[0], 1),)),))
    both = staffed()
    both.know(AGENTS[3], {SKILLS[0]: 5})
    both.ready(AGENTS[3], 1.0)
    order = []
    for number in range(4):
        both.line.add(Waiting(CallId(f"c{number}"), QueueId("q"), wanted, 90.0))
        order += [one.agent for one in both.decide()]
    assert order == [AGENTS[1], AGENTS[2], AGENTS[0], AGENTS[3]]


def test_every_decision_says_why() -> None:
    both = staffed()
    caller = waiting("a", 40.0, ("english", 2), priority=2, ageing_s=60.0, refused=frozenset({AGENTS[1]}))
    both.line.add(caller)
    (found,) = both.decide()
    assert found.why_agent == (
        "best level in the primary skill: english 5, needed english>=2; then longest idle (60 s); not asked again: 1002"
    )
    assert found.why_caller == "first of those the agent can serve: waited 60 s, priority 2, score 3.0"
    assert found.reason == f"{found.why_agent} | {found.why_caller}"
    assert (found.waited_s, found.score, found.rule) == (60.0, 3.0, "best-level")
    wide = Requirement(((SKILLS[3], 1),), others=(Requirement(((SKILLS[1], 1),)),))
    both.line.add(Waiting(CallId("b"), QueueId("q"), wide, 40.0))
    (found,) = both.decide()
    assert "english 5, needed english>=1 (nobody for housing itself)" in found.why_agent
    both.line.add(waiting("c", 100.0, policy=LONGEST_IDLE))
    (found,) = both.decide()
    assert found.why_agent == "longest idle: any skill will do (90 s)"


# ---------------------------------------------------------------- agents who are lent, and who are kept for somebody


@pytest.mark.parametrize("core", ["masks", "ranks"])
def test_a_lender_keeps_its_quota_and_lends_the_rest(core: str) -> None:
    """The English desk may borrow from the general queue, which keeps two idle agents for its own callers."""
    wide = Requirement(((SKILLS[1], 3),), others=(Requirement(((SKILLS[0], 1),), keep=2),))
    both = Both(core)
    for number, agent in enumerate(AGENTS[:4]):
        both.know(agent, {SKILLS[0]: 3})
        if number < 2:
            both.ready(agent, float(number))
    for number in range(3):
        both.line.add(Waiting(CallId(f"e{number}"), QueueId("e"), wide, float(number)))
    assert both.decide() == [], "two are idle, and two are kept"
    both.ready(AGENTS[2], 9.0)
    (lent,) = both.decide()
    assert (lent.call, lent.agent) == ("e0", AGENTS[0]), "the longest idle of them, not he who came last"
    both.line.add(waiting("g", 20.0, ("mandarin", 1)))
    assert [one.call for one in both.decide()] == ["g"], "its own callers get those whom it kept"
    both.ready(AGENTS[0], 21.0)
    both.ready(AGENTS[3], 22.0)
    assert [(one.call, one.agent) for one in both.decide()] == [("e1", AGENTS[2])]
    both.know(AGENTS[0], {SKILLS[1]: 4})
    assert [(one.call, one.agent) for one in both.decide()] == [("e2", AGENTS[0])], "who fits by himself is not lent"


@pytest.mark.parametrize("core", ["masks", "ranks"])
def test_who_is_kept_for_one_agent_gets_him_or_nobody(core: str) -> None:
    both = staffed(core)
    both.line.add(waiting("mine", 90.0, ("english", 2), only=AGENTS[2]))
    both.away(AGENTS[2])
    assert both.decide() == []
    both.ready(AGENTS[2], 95.0)
    (found,) = both.decide()
    assert (found.agent, found.why_agent) == (
        AGENTS[2],
        "his last agent, for whom he was kept: english 5, needed english>=2",
    )
    both.line.add(waiting("never", 91.0, ("tax", 5), only=AGENTS[1]))
    assert both.decide() == [], "his last agent does not fit any more"
