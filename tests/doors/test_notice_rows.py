"""Incident notices and who registered, on SQLite and on PostgreSQL, through the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.records import Records
from pbx.ids import ActorId, CallId, QueueId
from pbx.notice import Incident, Registration

pytestmark = pytest.mark.doors

GENERAL = QueueId("general")
GIVEN = Incident("n1", "water", "haizhou", GENERAL, None, 2000.5, True, ActorId("lin"), 1000.25)
WANTED = Registration("n1", "13800001111", "en", GENERAL, CallId("c1"), 1001.5)


async def test_what_holds_is_found_with_who_registered_and_an_ended_one_is_listed_only(records: Records) -> None:
    other = replace(GIVEN, id="n2", area="", queue=None, number="12345", until=None, given_at=1500.0)
    records.save_notice(GIVEN)
    records.save_notice(other)
    await records.save_registration(WANTED)
    await records.save_registration(replace(WANTED, call=CallId("c2"), at=1002.5))  # the same number again
    await records.save_registration(replace(WANTED, notice="n2", number="13800002222"))
    again = replace(WANTED, call=CallId("c2"), at=1002.5)
    assert await records.open_notices() == (
        (GIVEN, other),
        (again, replace(WANTED, notice="n2", number="13800002222")),
    )
    ended = replace(GIVEN, ended_at=1600.0, ended_by="system")
    records.save_notice(ended)
    await records.save_registration(replace(WANTED, number="13800003333"))  # behind it: what was put is written
    assert [one.id for one in (await records.open_notices())[0]] == ["n2"]
    assert await records.notices(900.0, 1100.0) == [ended, other], "given then, or holding still"
    assert [one.id for one in await records.notices(1600.0, 1700.0)] == ["n2"]
    found = await records.notice("n1")
    assert found is not None
    assert (found[0], found[1][1]) == (ended, again)
    assert await records.notice("n9") is None
