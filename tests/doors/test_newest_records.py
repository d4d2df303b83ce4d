"""What a start learns of the latest calls from the end of its predecessors' journals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.journal import JournalWriter
from controller.journal_file import latest_ended, newest_records
from pbx.call import CallRecord, OfferRecord
from pbx.commands import SaveCall
from pbx.events import CallerIdle
from pbx.ids import AgentId, CallId, ChannelName
from pbx.memory import ENDED_KEPT

pytestmark = pytest.mark.doors


def saves(folder: Path, now: float, *commands: SaveCall) -> None:
    """A start of the controller that saved these calls."""
    journal = JournalWriter(folder, configuration="x")
    journal.start(now)
    for command in commands:
        journal.append(CallerIdle(command.record.call, 0, now), now, [command])
    journal.stop()


def test_a_start_that_was_killed_at_once_does_not_hide_what_its_predecessor_knew(tmp_path: Path) -> None:
    mine = CallRecord(CallId("c-1"), ChannelName("PJSIP/1"), "12345", "13800001111", 1.0)
    offered = replace(mine, offers=(OfferRecord(AgentId("1001"), 2.0, "idle"),))
    other = CallRecord(CallId("c-2"), ChannelName("PJSIP/2"), "12345", "13800001112", 1.0)
    saves(tmp_path, 100.0, SaveCall(offered), SaveCall(other))
    saves(tmp_path, 101.0)
    saves(tmp_path, 102.0, SaveCall(replace(other, ended_at=9.0)))
    assert newest_records(tmp_path) == {"c-1": offered, "c-2": replace(other, ended_at=9.0)}


def test_a_note_does_not_hide_the_end_that_was_seen(tmp_path: Path) -> None:
    """As the store does: a record that only completes is not written over one that has its end."""
    bare = CallRecord(CallId("c-1"), ChannelName("PJSIP/1"), "12345", "13800001111", 1.0, ended_at=9.0)
    seen = replace(bare, offers=(OfferRecord(AgentId("1001"), 2.0, "idle", "caller_gone", 9.0),))
    saves(tmp_path, 100.0, SaveCall(seen), SaveCall(bare, unless_ended=True))
    assert newest_records(tmp_path) == {"c-1": seen}
    saves(tmp_path, 101.0, SaveCall(bare, unless_ended=True))
    assert newest_records(tmp_path) == {"c-1": seen}


def test_the_ended_calls_that_a_start_tells_are_the_latest() -> None:
    def record(call: str, ended_at: float | None) -> CallRecord:
        return CallRecord(CallId(call), ChannelName("PJSIP/1"), "12345", "", 1.0, ended_at=ended_at)

    known = [record("b", 5000.0), record("old", 4000.0), record("open", None), record("a", 4900.0), record("b", 5000.0)]
    assert latest_ended(known) == ("a", "b")
    assert latest_ended([]) == ()
    many = [record(str(number), float(number) / 100) for number in range(ENDED_KEPT + 10)]
    assert latest_ended(many) == tuple(str(number) for number in range(10, ENDED_KEPT + 10))
