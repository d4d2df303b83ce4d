"""What a start must know, on SQLite and on PostgreSQL, through the store: agents' notices, what calls taught."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.records import Records
from pbx.call import CallRecord, Outcome
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from pbx.memory import NOTICES_KEPT, CallLesson, DeskNotice
from pbx.notice import Registration

pytestmark = pytest.mark.doors


async def test_the_latest_notices_are_kept_oldest_first_and_each_once(records: Records) -> None:
    made = [DeskNotice(float(n), "missed", AgentId(f"10{n % 3}"), "") for n in range(NOTICES_KEPT + 5)]
    for notice in [*made, made[-1]]:
        records.save_desk_notice(notice)
    records.save_desk_notice(replace(made[-1], what="moved", detail="8001"))
    await _written(records)
    found = await records.desk_notices()
    assert found == (*made[6:], replace(made[-1], what="moved", detail="8001"))


async def test_lessons_are_the_latest_ended_calls_that_stood_in_a_line(records: Records) -> None:
    base = CallRecord(CallId("c0"), ChannelName("PJSIP/t-1"), "12345", "138", 1000.0)
    queued = replace(base, queue=QueueId("general"), queued_at=1010.0)
    talked = replace(queued, joined_at=1020.0, released_at=1060.0, ended_at=1070.0, outcome=Outcome.ANSWERED)
    records.save_call(replace(talked, call=CallId("c1")))
    records.save_call(replace(queued, call=CallId("c2"), ended_at=1040.0, outcome=Outcome.ABANDONED))
    records.save_call(replace(base, call=CallId("c3"), ended_at=1080.0, outcome=Outcome.LEFT_MENU))
    records.save_call(replace(queued, call=CallId("c4")))
    await _written(records)
    one, two = await records.lessons(10)
    assert one == CallLesson(CallId("c2"), QueueId("general"), 1010.0, None, None, 1040.0, Outcome.ABANDONED)
    assert (one.waited, one.talk_s) == ((30.0, True), None)
    assert (two.call, two.waited, two.talk_s) == ("c1", (10.0, False), 40.0)
    assert [lesson.call for lesson in await records.lessons(2)] == ["c1"], "the newest two, one of them of no line"


async def _written(records: Records) -> None:
    """What was handed over before is committed: this stands behind it."""
    await records.save_registration(Registration("n1", "13800001111", "zh", QueueId("general"), CallId("c1"), 1.0))
