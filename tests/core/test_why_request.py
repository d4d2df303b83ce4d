"""The story of a call-back request (`hotline why cb…`): asked for, attempts, and how it ended, in both languages."""

from __future__ import annotations

import pytest

from controller.verify.checker import Place
from controller.verify.why_request import RequestStory, request_of
from pbx.events import TimerKind
from tests.builders import A1, ONE, Hall, wakes
from tests.core.test_callbacks import NUMBER, commit, desk, dialled, fails, waiting_request
from tests.fakes.verified import written

pytestmark = pytest.mark.core


def told(hall: Hall, request: str) -> list[tuple[str, str]]:
    story = RequestStory(request)
    for seq, (found, now, commands) in enumerate(written(hall.steps)):
        story.take(Place("journal", seq + 2, seq), now, found, commands)
    return [(moment.zh, moment.en) for moment in story.moments]


def test_it_tells_attempts_pauses_and_the_end_without_the_number() -> None:
    hall = desk()
    request = waiting_request(hall)
    fails(hall, dialled(hall).call, "failed")
    for attempt in (2, 3):
        wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
        commit(hall, hall.time_is_up(wake))
        fails(hall, hall.house.callbacks[request.id].attempts[-1].call)
        assert (request.id in hall.house.callbacks) == (attempt < 3)
    lines = told(hall, request.id)
    assert [en for _, en in lines] == [
        "the caller asks to be called back: the line of general",
        f"attempt 1, call {request.id}-1; agent {A1} is kept for him",
        "attempt 1: the call could not be placed",
        "tried again after 600 s",
        f"attempt 2, call {request.id}-2; agent {A1} is kept for him",
        "attempt 2: no answer",
        "tried again after 600 s",
        f"attempt 3, call {request.id}-3; agent {A1} is kept for him",
        "attempt 3: no answer",
        "the request is given up",
    ]
    assert lines[2][0] == "第 1 次呼叫: 无法呼出"
    assert lines[-1][0] == "已放弃"
    assert NUMBER not in str(lines)
    assert told(hall, "cb1") == []


def test_an_attempt_names_its_request_and_a_callers_call_names_none() -> None:
    assert (request_of("cb123-2"), request_of("cb123"), request_of("fu7-1")) == ("cb123", "cb123", "fu7")
    assert (request_of(ONE), request_of("out-123"), request_of("1795.12")) == ("", "", "")
