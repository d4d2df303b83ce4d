"""What a waiting caller is told: place, expected wait with its cause, comfort; and what is measured of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.estimate import Cause
from controller.waiting_words import CAUSE_PROMPTS, scene
from metrics.servicelevel import estimates_held
from pbx.call import Estimate, Interval
from pbx.commands import Announce
from pbx.events import CallsRestored, TimerKind
from tests.builders import A1, A2, A3, ENGLISH, GENERAL, ONE, THREE, TWO, Hall, only, row, wakes

pytestmark = pytest.mark.core


def quiet(**changes: object) -> Hall:
    """A hall whose queue says no comfort."""
    queues = dict(Hall().plan.queues)
    queues[GENERAL] = replace(queues[GENERAL], comfort_first_s=0.0, **changes)  # type: ignore[arg-type]
    return Hall(queues=queues)


def said(hall: Hall, call: object = TWO) -> Estimate:
    return hall.house.calls[call].record.estimates[-1]  # type: ignore[index]


def next_word(hall: Hall, commands: list[object]) -> list[object]:
    (wake,) = wakes(commands, TimerKind.ANNOUNCE)  # type: ignore[arg-type]
    return hall.time_is_up(wake)  # type: ignore[return-value]


def test_with_his_place_he_is_told_the_expected_wait() -> None:
    hall = quiet()
    hall.talking(A1)
    commands = hall.queued(TWO)
    spoken = only(next_word(hall, commands), Announce).prompts  # type: ignore[arg-type]
    assert spoken[:2] == ("hotline/zh/position-next", "hotline/zh/wait-before")
    assert spoken[-1] == "hotline/zh/minutes"
    estimate = said(hall)
    assert (estimate.agents, estimate.ahead, estimate.cause, estimate.at) == (1, 0, "", hall.now)
    assert hall.saved(TWO).estimates == (estimate,)


def test_a_queue_may_leave_the_estimate_out() -> None:
    hall = quiet(estimate=False)
    commands = hall.queued()
    assert only(next_word(hall, commands), Announce).prompts == ("hotline/zh/position-next",)  # type: ignore[arg-type]
    assert hall.call().record.estimates == ()


def test_with_nobody_there_he_is_told_that_nobody_can_say() -> None:
    hall = quiet()
    commands = hall.queued()
    assert only(next_word(hall, commands), Announce).prompts[-1] == "hotline/zh/wait-unknown"  # type: ignore[arg-type]


def test_when_an_agent_leaves_the_longer_wait_is_told_with_its_cause() -> None:
    hall = quiet()
    for agent, call in ((A1, ONE), (A2, THREE)):
        hall.talking(agent, call)
    commands = next_word(hall, hall.queued(TWO))  # type: ignore[arg-type]
    first = said(hall)
    hall.sign_out(A1)  # takes effect after his talk: he serves nobody who waits
    spoken = only(next_word(hall, commands), Announce).prompts  # type: ignore[arg-type]
    assert first.interval.high is not None
    assert said(hall).interval.high is not None
    assert said(hall).interval.high > first.interval.high  # type: ignore[operator]
    assert said(hall).cause == Cause.FEWER_AGENTS.value
    assert spoken[1] == "hotline/zh/wait-longer-fewer-agents"


def test_comfort_has_a_schedule_of_its_own_and_its_words_take_turns() -> None:
    queues = dict(Hall().plan.queues)
    queues[GENERAL] = replace(
        queues[GENERAL],
        estimate=False,
        announce_first_s=20.0,
        announce_every_s=100.0,
        comfort=("still-waiting", "all-busy"),
        comfort_first_s=40.0,
        comfort_every_s=80.0,
    )
    hall = Hall(queues=queues)
    begun = hall.now
    commands: list[object] = list(hall.queued())
    heard = []
    for _ in range(4):
        commands = next_word(hall, commands)
        heard.append((hall.now - begun, [p.rsplit("/", 1)[1] for p in only(commands, Announce).prompts]))  # type: ignore[arg-type]
    assert heard == [
        (20.0, ["position-next"]),
        (40.0, ["still-waiting"]),
        (120.0, ["all-busy", "position-next"]),
        (200.0, ["still-waiting"]),
    ]


def test_a_restarted_controller_does_not_raise_what_its_predecessor_said() -> None:
    before = Hall()
    before.talking(A1)
    before.queued(TWO)
    told = Estimate(before.now, Interval(0, 2), 0, 1, 150.0)
    record = replace(before.saved(TWO), estimates=(told,))
    hall = Hall(connected=False)
    hall.step(CallsRestored((record,), hall.now))
    hall.connected(row(TWO))
    assert hall.house.calls[TWO].record.estimates == (told,)


def test_callers_ahead_in_another_queue_count_by_the_agents_they_share() -> None:
    hall = Hall()
    for agent in (A1, A2, A3):
        hall.talking(agent, type(ONE)(f"talk-{agent}"))
    hall.queued(ONE)
    english = hall.house.calls[ONE]
    entry = hall.house.line.get(ONE)
    assert entry is not None
    hall.house.line.replace(
        replace(entry, queue=ENGLISH, requirement=hall.plan.queues[ENGLISH].requirement, queued_at=hall.now - 1)
    )
    assert english.call == ONE
    hall.queued(TWO)
    found = scene(hall.house, hall.house.calls[TWO], hall.now)
    assert found.ahead == 1.0  # only A1 speaks English, and he is one of the general ones
    assert len(found.agents) == 3
    assert scene(hall.house, english, hall.now).ahead == 0


def test_talks_and_patience_are_learnt_from_calls_that_end() -> None:
    hall = Hall()
    hall.surveyed(A1)
    hall.hung_up(ONE)
    seen = hall.house.talks[GENERAL]
    assert 58.0 in seen._sorted or 60.0 in seen._sorted  # a minute's talk
    before = hall.house.patience[GENERAL].rate
    hall.queued(TWO)
    hall.later(1)
    hall.hung_up(TWO)
    assert hall.house.patience[GENERAL].rate > before


def test_every_cause_has_its_words() -> None:
    assert set(CAUSE_PROMPTS) == set(Cause) - {Cause.NONE}


def test_what_was_promised_is_counted() -> None:
    hall = Hall()
    hall.queued()
    record = hall.saved()
    queued = record.queued_at
    assert queued is not None
    promises = tuple(
        Estimate(queued + after, Interval(low, high), 0, 1, 150.0)
        for after, low, high in ((20, 1, 3), (60, 0, 1), (100, 2, None))
    )
    answered = replace(record, estimates=promises, joined_at=queued + 140, ended_at=queued + 200)
    assert estimates_held(answered) == (1, 1)  # 120 s within 1-3 minutes; 80 s are not at most one; nobody could say
    gone = replace(record, estimates=promises, ended_at=queued + 140)
    assert estimates_held(gone) == (0, 1)  # he waited longer than a minute; the first is not known
