from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.line import Line, Waiting
from acd.policy import LONGEST_IDLE
from acd.router import Candidate, Match, choose, match
from acd.skills import Requirement, fits
from pbx.ids import AgentId, CallId, QueueId, SkillId

pytestmark = pytest.mark.core

GENERAL, ENGLISH = SkillId("general"), SkillId("english")


def caller(call: str = "c1", *needs: tuple[SkillId, int], refused: Sequence[str] = (), at: float = 0.0) -> Waiting:
    names = frozenset(AgentId(agent) for agent in refused)
    return Waiting(CallId(call), QueueId("q"), Requirement(needs), at, refused=names, policy=LONGEST_IDLE)


def agent(name: str, idle_since: float, **skills: int) -> Candidate:
    return Candidate(AgentId(name), {SkillId(skill): have for skill, have in skills.items()}, idle_since)


def test_the_longest_idle_of_those_who_fit_is_chosen_and_the_reason_says_so() -> None:
    candidates = [
        agent("1001", 50.0, general=5, english=5),
        agent("1002", 10.0, general=5),
        agent("1003", 30.0, general=1, english=4),
        agent("1004", 20.0, general=1, english=2),
        agent("1005", 90.0, english=3),
    ]
    found = choose(caller("c1", (ENGLISH, 3)), candidates, now=342.4)
    wanted = caller("c1", (ENGLISH, 3))
    assert found == Match(wanted, AgentId("1003"), candidates[2].skills, 30.0, 342.4)
    assert found.why_agent == "longest idle: english 4, needed english>=3 (312 s)"
    assert found.why_caller == "first of those the agent can serve: waited 342 s, priority 0"


def test_the_reason_with_a_need_and_without() -> None:
    only = choose(caller("c1", (GENERAL, 1)), [agent("1001", 5.0, general=2)], now=7.0)
    assert only is not None
    assert only.why_agent == "longest idle: general 2, needed general>=1 (2 s)"
    anybody = choose(caller(), [agent("1001", 5.0), agent("1002", 6.0)], now=4.0)
    assert anybody is not None
    assert (anybody.agent, anybody.why_agent) == ("1001", "longest idle: any skill will do (0 s)")


def test_who_has_refused_the_caller_is_not_rung_for_him_again() -> None:
    candidates = [agent("1001", 1.0), agent("1002", 2.0)]
    found = choose(caller(refused=["1001"]), candidates, now=9.0)
    assert found is not None
    assert found.agent == "1002"
    assert choose(caller(refused=["1001", "1002"]), candidates, now=9.0) is None
    assert choose(caller(), [], now=9.0) is None


def test_equals_are_told_apart_by_id_whatever_their_order() -> None:
    pair = [agent("1002", 5.0), agent("1001", 5.0)]
    for candidates in (pair, pair[::-1]):
        found = choose(caller(), candidates, now=9.0)
        assert found is not None
        assert found.agent == "1001"


def test_callers_choose_in_the_order_of_the_line() -> None:
    line = Line()
    line.add(caller("second", (GENERAL, 1), at=2.0))
    line.add(caller("first", (ENGLISH, 1), at=1.0))
    line.add(caller("third", (GENERAL, 1), at=3.0))
    bilingual = agent("1001", 5.0, general=1, english=1)
    matches = match(line, [agent("1002", 9.0, general=1), bilingual], now=10.0)
    assert [(one.call, one.agent) for one in matches] == [("first", "1001"), ("second", "1002")]


skills = st.dictionaries(st.sampled_from([GENERAL, ENGLISH]), st.integers(1, 5))
candidates_ = st.lists(
    st.builds(
        Candidate,
        agent=st.integers(1001, 1008).map(lambda number: AgentId(str(number))),
        skills=skills,
        idle_since=st.integers(0, 3).map(float),
    ),
    unique_by=lambda one: one.agent,
    max_size=8,
)
lines = st.lists(
    st.builds(
        Waiting,
        call=st.integers(0, 20).map(lambda number: CallId(f"c{number:02}")),
        queue=st.just(QueueId("q")),
        requirement=skills.map(lambda needs: Requirement(tuple(needs.items()))),
        queued_at=st.integers(0, 3).map(float),
        priority=st.integers(0, 1),
        refused=st.frozensets(st.integers(1001, 1008).map(lambda number: AgentId(str(number))), max_size=3),
        policy=st.just(LONGEST_IDLE),
    ),
    unique_by=lambda one: one.call,
    max_size=12,
)


def suits(waiting: Waiting, candidate: Candidate) -> bool:
    return candidate.agent not in waiting.refused and fits(candidate.skills, waiting.requirement)


def line_of(callers: Sequence[Waiting]) -> Line:
    line = Line()
    for one in callers:
        line.add(one)
    return line


@given(lines, candidates_, st.randoms(use_true_random=False))
def test_what_every_matching_keeps_to(callers: list[Waiting], candidates: list[Candidate], shuffle: object) -> None:
    line = line_of(callers)
    matches = match(line, candidates, now=10.0)
    by_agent = {one.agent: one for one in candidates}
    agents = [one.agent for one in matches]
    served = {one.call: by_agent[one.agent] for one in matches}

    assert len(set(agents)) == len(agents), "no agent twice"
    assert len(served) == len(matches), "no caller twice"
    order = list(line.ordered())
    assert [one.call for one in order if one.call in served] == [one.call for one in matches]
    idle = [one for one in candidates if one.agent not in set(agents)]
    for place, one in enumerate(order):
        if one.call in served:
            mine = served[one.call]
            assert suits(one, mine)
            better = [other for other in idle if suits(one, other)]
            assert all((mine.idle_since, mine.agent) < (other.idle_since, other.agent) for other in better)
            continue
        assert not any(suits(one, other) for other in idle), "nobody waits for whom a fitting agent is idle"
        behind = [served[other.call] for other in order[place + 1 :] if other.call in served]
        assert not any(suits(one, other) for other in behind), "nobody is overtaken who could have been served"

    shuffle.shuffle(callers)  # type: ignore[attr-defined]
    shuffle.shuffle(candidates)  # type: ignore[attr-defined]
    assert match(line_of(callers), candidates, now=10.0) == matches, "the same whatever the order they come in"
