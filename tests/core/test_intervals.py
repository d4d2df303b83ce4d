"""What agents did, from when to when: the fold over their states, also over restarts."""

from __future__ import annotations

import pytest

from metrics.intervals import AgentInterval, Shifts, Standing
from pbx.ids import AgentId, CallId

pytestmark = pytest.mark.core

A = AgentId("1001")
C = CallId("c-1")


def told(state: str, since: float, reason: str = "", call: CallId | None = None) -> Standing:
    return Standing(A, state, since, reason, call)


def test_each_state_is_an_interval_and_signing_out_closes_the_last() -> None:
    shifts = Shifts()
    written: dict[tuple[float, str], AgentInterval] = {}
    story = [
        told("not_ready", 100.0, "signed_in"),
        told("ready", 110.0),
        told("reserved", 120.0, call=C),
        told("ringing", 120.5, call=C),
        told("talking", 125.0, call=C),
        told("wrap_up", 200.0, call=C),
        told("ready", 220.0),
        told("offline", 300.0),
    ]
    for one in story:
        for interval in shifts.put(one, one.since):
            written[interval.began_at, interval.state] = interval
    found = [(one.state, one.began_at, one.ended_at) for one in written.values()]
    assert found == [
        ("not_ready", 100.0, 110.0),
        ("ready", 110.0, 120.0),
        ("reserved", 120.0, 120.5),
        ("ringing", 120.5, 125.0),
        ("talking", 125.0, 200.0),
        ("wrap_up", 200.0, 220.0),
        ("ready", 220.0, 300.0),
    ]
    assert written[200.0, "wrap_up"].call == C
    assert all(one.ended_by == "" for one in written.values())


def test_another_call_in_the_same_talk_begins_an_interval_of_its_own() -> None:
    shifts = Shifts([AgentInterval(A, 100.0, "talking", call=C)])
    old, new = shifts.put(told("talking", 100.0, call=CallId("c-2")), 150.0)
    assert (old.ended_at, new.began_at, new.call) == (150.0, 150.0, "c-2")


def test_nothing_is_written_for_a_change_that_is_none() -> None:
    shifts = Shifts([AgentInterval(A, 100.0, "ready")])
    assert shifts.put(told("ready", 100.0), 170.0) == ()


@pytest.mark.parametrize(
    ("now", "ended", "begins"),
    [
        (told("ready", 100.0004), None, None),  # as the exchange remembers him: a millisecond is no change
        (told("ready", 90.0), None, None),  # his mark tells since when he is idle
        (told("not_ready", 150.0, "break"), 150.0, 150.0),  # in the dark, at a known instant
        (told("offline", 0.0), 140.0, None),  # the exchange was restarted: as long as the controller was seen
        (told("offline", 160.0), 160.0, None),
        (told("ready", 170.0), 140.0, 170.0),  # ready anew: he talked in between, and nobody saw it
        (told("talking", 200.0, call=C), 200.0, 200.0),  # the safety net joined him
    ],
)  # fmt: skip
def test_what_a_restart_knows_closes_what_was_open(now: Standing, ended: float | None, begins: float | None) -> None:
    shifts = Shifts([AgentInterval(A, 100.0, "ready")])
    written = shifts.restored(now, 200.0, 140.0)
    if ended is None:
        assert written == ()
        return
    assert (written[0].ended_at, written[0].ended_by) == (ended, "restart")
    assert [one.began_at for one in written[1:]] == ([] if begins is None else [begins])
    assert all(one.state == now.state for one in written[1:])


def test_a_talk_that_goes_on_over_a_restart_is_one_interval() -> None:
    shifts = Shifts([AgentInterval(A, 100.0, "talking", call=C)])
    assert shifts.restored(told("talking", 205.0, call=C), 205.0, 150.0) == ()
    ended, _ = shifts.put(told("wrap_up", 230.0, call=C), 230.0)
    assert (ended.began_at, ended.ended_at) == (100.0, 230.0)


def test_one_who_is_not_configured_any_more_is_signed_out() -> None:
    shifts = Shifts([AgentInterval(A, 100.0, "ready"), AgentInterval(AgentId("1002"), 100.0, "ready")])
    (gone,) = shifts.gone([AgentId("1002")], 200.0, 140.0)
    assert (gone.agent, gone.ended_at, gone.ended_by) == (A, 140.0, "restart")


def test_only_the_part_inside_a_period_counts() -> None:
    whole = AgentInterval(A, 100.0, "ready", ended_at=200.0)
    assert (whole.seconds(0.0, 300.0), whole.seconds(150.0, 160.0), whole.seconds(250.0, 300.0)) == (100.0, 10.0, 0.0)
    assert AgentInterval(A, 100.0, "ready").seconds(0.0, 180.0) == 80.0
