"""What ended calls teach survives a restart: the estimate of a controller that starts is that of the one before."""

from __future__ import annotations

import pytest

from controller import lessons
from pbx.call import CallRecord, Outcome
from pbx.ids import CallId, ChannelName, QueueId
from pbx.memory import DeskNotice, DeskNoticesRestored, LessonsRestored, SaveDeskNotice
from tests.builders import A1, GENERAL, Hall, plan

pytestmark = pytest.mark.core


def _record(number: int, *, wait: float, talk: float | None, outcome: Outcome, queue: str = "general") -> CallRecord:
    at = 1000.0 + 10 * number
    joined = at + wait if talk is not None else None
    return CallRecord(
        CallId(f"c{number}"),
        ChannelName("PJSIP/t-1"),
        "12345",
        "138",
        at,
        queue=QueueId(queue),
        queued_at=at,
        joined_at=joined,
        released_at=None if joined is None or talk is None else joined + talk,
        ended_at=at + wait + (talk or 0.0),
        outcome=outcome,
    )


DAY = [
    *(_record(n, wait=12.0 + n, talk=40.0 + 3 * n, outcome=Outcome.ANSWERED) for n in range(30)),
    *(_record(n, wait=50.0, talk=None, outcome=Outcome.ABANDONED) for n in range(30, 40)),
    _record(40, wait=9.0, talk=None, outcome=Outcome.CALLBACK),
    _record(41, wait=9.0, talk=900.0, outcome=Outcome.ANSWERED, queue="gone"),
]


def _taught(hall: Hall) -> tuple[float, float, int, float]:
    talks = hall.house.talks[GENERAL]
    return talks.mean_s, talks.spread, talks.samples, hall.house.patience[GENERAL].rate


def test_a_controller_that_starts_knows_what_the_one_before_had_learned() -> None:
    before, after = Hall(), Hall()
    untaught = _taught(after)
    for record in sorted(DAY[:-1], key=lambda one: one.ended_at or 0.0):
        lessons.learned_of(before.house, record)
    stored = [one for record in DAY[5:] if (one := lessons.of(record)) is not None]
    after.step(lessons.lessons(stored, DAY[:7], plan(), 5000.0))  # the journal's end has what the store has not
    assert _taught(after) == pytest.approx(_taught(before))
    assert _taught(after) != pytest.approx(untaught)


def test_what_was_learned_is_what_calls_are_told_from_then_on_and_unknown_queues_are_left_out() -> None:
    event = lessons.lessons([], DAY, plan(), 5000.0)
    assert [one.queue for one in event.queues] == ["general"]
    assert len(event.queues[0].talks) == 30
    elsewhere = Hall()
    elsewhere.step(LessonsRestored((), 5000.0))
    assert elsewhere.house.talks[GENERAL].seen == ()


def test_an_unanswered_call_back_teaches_no_patience() -> None:
    taught = Hall()
    before = taught.house.patience[GENERAL].sums
    lessons.learned_of(taught.house, DAY[40])
    assert taught.house.patience[GENERAL].sums == before


def test_notices_are_kept_and_shown_again_before_newer_ones() -> None:
    hall = Hall()
    hall.ready(A1)
    old = (DeskNotice(1.0, "missed", A1), DeskNotice(2.0, "moved", A1, "8001"))
    hall.step(DeskNoticesRestored(old, hall.now))
    said = [one for one in hall.sign_in(A1, seat=None) if isinstance(one, SaveDeskNotice)]
    assert said == []
    hall.step(DeskNoticesRestored((), hall.now))
    assert tuple(hall.house.notices) == old
