"""`hotline bench queue`: the order of its turns, what it judges, and what it reads. No figure is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import queue
from benchmarks.queue import DEFAULT, FAST, OURS, SURVEY, Turn
from benchmarks.report import Report
from benchmarks.sip_load import _read, _reply, _user

pytestmark = pytest.mark.core

TURN = Turn(
    side=OURS,
    members=50,
    waiting=20,
    talks=80,
    window_s=8.0,
    calls_per_s=10.0,
    lost=0,
    lost_how={},
    unanswered_requests=0,
    left_over=0,
    waiting_seen=20.0,
    free_to_invite={"n": 3, "p50": 0.004, "p99": 0.010},
    arrive_to_invite={"n": 0},
    offer_to_invite={"n": 0},
    answer_to_bridged={"n": 0},
    scores=0,
    asterisk_cpu_per_call=0.02,
    controller_cpu_per_call=0.01,
    asterisk_share=0.2,
    controller_share=0.1,
    load_share=0.05,
)


def test_the_sides_take_turns_and_the_judged_line_is_measured_twice() -> None:
    turns = list(queue.plan((10, 50), (20, 100)))
    assert turns[:5] == [(side, 10, 20) for side in (OURS, FAST, DEFAULT, OURS, FAST)]
    assert turns[5:7] == [(OURS, 10, 100), (FAST, 10, 100)]
    assert turns[7:13] == [(side, 50, 20) for side in (OURS, FAST, DEFAULT, OURS, FAST, SURVEY)]
    assert DEFAULT not in [side for side, _, _ in queue.plan((10, 50), (20,), quick=True)]


def test_figures_are_medians_of_ours_over_medians_of_the_quick_queue() -> None:
    turns = [
        TURN,
        replace(TURN, calls_per_s=14.0, lost=1),
        replace(TURN, side=FAST, calls_per_s=8.0, free_to_invite={"n": 1, "p50": 0.5, "p99": 1.0}, lost=7),
        replace(TURN, side=DEFAULT, calls_per_s=1.0),
    ]
    report = Report("queue")
    queue.judge(report, turns)
    assert report.document()["figures"] == {
        "queue.calls_per_s.ratio_queue.50_members": 1.5,
        "queue.free_to_invite.p99.50_members": 0.010,
        "queue.free_to_invite.p99.ratio_queue.50_members": 0.010,
        "queue.asterisk_cpu_per_call.ratio_queue.50_members": 1.0,
        "queue.lost_calls": 1,
    }


def test_an_unmeasured_side_gives_no_figure() -> None:
    report = Report("queue")
    queue.judge(report, [replace(TURN, side=FAST)])
    assert report.document()["figures"] == {"queue.lost_calls": 0}


def test_the_quick_queue_is_the_quickest_there_is() -> None:
    text = queue.queues_conf((2,), ("1001", "1002", "1003"))
    fast = text.partition(f"[{FAST}-2]")[2].partition("[")[0]
    assert "retry = 1\n" in fast
    assert fast.count("member =>") == 2


def test_the_journal_tells_offers_joins_and_scores_after_an_instant(tmp_path: Path) -> None:
    def line(now: float, event: dict[str, object], *commands: dict[str, object]) -> str:
        return json.dumps({"seq": 1, "now": now, "event": event, "commands": commands}, separators=(",", ":"))

    lines = [
        line(9.0, {"is": "CallArrived"}, {"is": "Offer", "call": "old"}),
        line(11.0, {"is": "CallArrived"}, {"is": "SaveCall"}, {"is": "Offer", "call": "a"}),
        line(12.0, {"is": "PartyJoined", "call": "a", "role": "caller", "at": 11.5}),
        line(12.0, {"is": "PartyJoined", "call": "a", "role": "agent", "at": 11.6}),
        line(13.0, {"is": "CallScored", "score": 5}),
        line(13.0, {"is": "CallScored", "score": None}),
        '{"seq":9,"now":14.0,"event":{"is":"PartyJoined"',
    ]
    (tmp_path / "20260101T000000.000Z-0000-20260101.jsonl").write_text(lines[1])
    (tmp_path / "20261122T000000.000Z-0000-20261122.jsonl").write_text("\n".join(lines))
    told = queue.journal_since(tmp_path, 10.0)
    assert (told.offered, told.joined, told.scores) == ({"a": 11.0}, {"a": 11.6}, 1)


def test_sip_is_read_and_answered_in_its_own_dialog() -> None:
    first, headers = _read(
        b"INVITE sip:1001@127.0.0.1:9 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1\r\nVIA: SIP/2.0/UDP b;branch=2\r\n"
        b"From: <sip:139@h>;tag=x\r\nTo: <sip:1001@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\nbody"
    )
    assert first.startswith("INVITE")
    assert _user(headers["from"]) == "139"
    lines = _reply(headers, 180, "Ringing", "mine").decode().split("\r\n")
    assert lines[:3] == ["SIP/2.0 180 Ringing", "Via: SIP/2.0/UDP a;branch=1", "Via: SIP/2.0/UDP b;branch=2"]
    assert "To: <sip:1001@h>;tag=mine" in lines
    assert "CSeq: 1 INVITE" in lines
