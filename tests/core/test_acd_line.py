from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.line import Line, Waiting
from acd.skills import Requirement
from pbx.ids import AgentId, CallId, QueueId

pytestmark = pytest.mark.core

GENERAL, ENGLISH = QueueId("general"), QueueId("english")


def caller(call: str, queued_at: float, *, queue: QueueId = GENERAL, priority: int = 0) -> Waiting:
    return Waiting(CallId(call), queue, Requirement(), queued_at, priority)


def line_of(*callers: Waiting) -> Line:
    line = Line()
    for one in callers:
        line.add(one)
    return line


def names(line: Line) -> list[str]:
    return [one.call for one in line.ordered()]


def test_the_order_is_priority_then_time_then_call() -> None:
    line = line_of(
        caller("b", 10.0),
        caller("a", 10.0),
        caller("late", 30.0),
        caller("early", 5.0),
        caller("vip", 40.0, priority=5),
    )
    assert names(line) == ["vip", "early", "a", "b", "late"]


def test_the_place_counts_the_callers_of_the_same_queue() -> None:
    line = line_of(
        caller("g1", 1.0), caller("e1", 2.0, queue=ENGLISH), caller("g2", 3.0), caller("g0", 9.0, priority=1)
    )
    assert {call: line.ahead_of(CallId(call)) for call in ("g0", "g1", "g2", "e1")} == {
        "g0": 0,
        "g1": 1,
        "g2": 2,
        "e1": 0,
    }
    with pytest.raises(KeyError):
        line.ahead_of(CallId("nobody"))


def test_counts_and_the_longest_wait_by_queue_and_overall() -> None:
    line = line_of(caller("g", 10.0), caller("e", 4.0, queue=ENGLISH), caller("v", 20.0, priority=9))
    assert (line.waiting(), line.waiting(GENERAL), line.waiting(ENGLISH), line.waiting(QueueId("none"))) == (3, 2, 1, 0)
    assert (line.longest_wait(30.0), line.longest_wait(30.0, GENERAL)) == (26.0, 20.0)
    assert line.longest_wait(30.0, QueueId("none")) == 0.0
    assert line.longest_wait(3.0) == 0.0, "a clock that was set back gives no negative wait"
    assert Line().longest_wait(30.0) == 0.0


def test_leaving_and_joining() -> None:
    line = line_of(caller("a", 1.0), caller("b", 2.0))
    with pytest.raises(ValueError, match="waits already"):
        line.add(caller("a", 3.0))
    assert line.remove(CallId("a")) == caller("a", 1.0)
    assert line.remove(CallId("a")) is None
    assert (CallId("a") in line, CallId("b") in line, len(line)) == (False, True, 1)
    assert line.get(CallId("a")) is None


def test_what_is_known_of_a_caller_may_change_without_losing_his_place() -> None:
    line = line_of(caller("a", 1.0), caller("b", 2.0))
    first = line.get(CallId("a"))
    assert first is not None
    line.replace(replace(first, refused=frozenset({AgentId("1001")})))
    assert names(line) == ["a", "b"]
    changed = line.get(CallId("a"))
    assert changed is not None
    assert changed.refused == {"1001"}
    line.replace(replace(changed, priority=0, queued_at=3.0))
    assert names(line) == ["b", "a"]
    with pytest.raises(KeyError):
        line.replace(caller("nobody", 1.0))
    assert names(line) == ["b", "a"]


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_outside_0_to_9_is_refused(priority: int) -> None:
    with pytest.raises(ValueError, match="priority"):
        caller("a", 1.0, priority=priority)


callers = st.lists(
    st.builds(
        Waiting,
        call=st.integers(0, 50).map(lambda number: CallId(f"c{number:02}")),
        queue=st.sampled_from([GENERAL, ENGLISH]),
        requirement=st.just(Requirement()),
        queued_at=st.integers(0, 5).map(float),
        priority=st.integers(0, 2),
    ),
    unique_by=lambda one: one.call,
    max_size=20,
)


@given(callers, st.data())
def test_the_line_is_a_sorted_list_whatever_comes_and_goes(everybody: Sequence[Waiting], data: st.DataObject) -> None:
    line = line_of(*everybody)
    gone = set(data.draw(st.lists(st.sampled_from(everybody), unique=True))) if everybody else set()
    for one in gone:
        line.remove(one.call)
    left = sorted(
        (one for one in everybody if one not in gone), key=lambda one: (-one.priority, one.queued_at, one.call)
    )
    assert list(line.ordered()) == left
    assert len(line) == line.waiting() == len(left)
    for place, one in enumerate(left):
        assert line.ahead_of(one.call) == sum(other.queue == one.queue for other in left[:place])
