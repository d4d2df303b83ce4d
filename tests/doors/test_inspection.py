"""Every recording inspected, over a real store and with the real process: files good and bad, words that come later."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import false

from controller.archivist import _erase
from controller.audit_rows import read as read_audit
from controller.config_inspection import DAY_S, InspectionPlan
from controller.inspection_desk import HotlineInspections
from controller.inspection_rows import spans_of
from controller.inspector import Inspector
from controller.records import Records
from controller.spool import Operation
from controller.writer import Store
from pbx.call import CallRecord, HoldSpan, OfferRecord, TransferRecord
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from recordings import files
from recordings.archive import sql as archive_rows
from recordings.archive.archive import Archive
from recordings.archive.form import Form
from recordings.archive.keys import KeyRing, SealingKey
from recordings.archive.shelf import FolderShelf
from recordings.inspection import days_sql, review_sql, sql
from recordings.inspection.card import card_of
from recordings.inspection.process import InspectionFailed, InspectionProcess
from recordings.inspection.rules import rules_of
from recordings.inspection.standard import STANDARD, table_of
from recordings.sql import RecordingRow
from recordings.transcript import Transcript, Turn
from tests.core.test_inspection_sound import leg

pytestmark = pytest.mark.doors

NOW = 1_795_310_400.0
TABLE = table_of(STANDARD)
PLAN = InspectionPlan(
    True,
    {name: value for name, value in TABLE.items() if name != "card"},
    rules_of(TABLE),
    card_of(TABLE["card"]),
    7 * DAY_S,
    7 * DAY_S,
    {"1001": "早班"},
)
CITIZEN, AGENT = leg(20, (2, 5), (12, 14)), leg(20, (0.5, 1.9), (5.2, 9), (15, 19), seed=4)
SAID = Transcript(
    (
        Turn("agent", 0.5, 1.9, "您好请讲"),
        Turn("citizen", 2.0, 5.0, "我要投诉小区停水"),
        Turn("agent", 5.2, 9.0, "好的我保证今天之内解决您的问题"),
        Turn("agent", 15.0, 19.0, "感谢您的来电, 再见"),
    ),
    "zh", "test", None, 20.0,
)  # fmt: skip


class Room:
    """Recordings on a disk and their calls in the store."""

    def __init__(self, folder: Path, store: Store, records: Records) -> None:
        self.root, self.store, self.records = folder / "recordings", store, records
        self.over = asyncio.Event()

    def inspector(self, plan: InspectionPlan = PLAN, archive: Archive | None = None) -> Inspector:
        zone = "Asia/Shanghai"
        return Inspector(self.store, self.root, plan, zone, lambda: NOW, archive=archive, over=self.over.set)

    async def call(
        self, call: str, pcm: np.ndarray | None = None, *, age_s: float = 3600.0, agent: str = "1001"
    ) -> RecordingRow:
        """A finished call: joined from the first second to the last, and its recording."""
        began = NOW - age_s
        if pcm is None:
            pcm = np.stack([CITIZEN, AGENT], axis=1)
        self.root.mkdir(exist_ok=True)
        data = pcm.astype("<i2").tobytes()
        (self.root / f"{call}.wav").write_bytes(files.wav_header(len(data)) + data)
        length = len(pcm) / 8000
        record = CallRecord(
            CallId(call), ChannelName("PJSIP/c-1"), "12345", "13800001111", began, agent=AgentId(agent),
            queue=QueueId("general"), joined_at=began, released_at=began + length, ended_at=began + length,
        )  # fmt: skip
        self.records.save_call(record)
        row = RecordingRow(CallId(call), f"{call}.wav", began, length, len(data) + 44, "ab" * 32)
        await self.records.save_recording(row)
        return row

    async def found(self, call: str) -> sql.InspectedCall | None:
        return await self.store.read(sql.get_inspection, call, PLAN.rules.version)

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not await holds():  # type: ignore[misc]
                self.over.clear()
                await self.over.wait()


@pytest.fixture
async def room(tmp_path: Path, store: Store, records: Records) -> Room:
    return Room(tmp_path, store, records)


async def test_each_call_is_judged_by_its_sound_and_again_when_its_words_are_there(room: Room) -> None:
    """The whole way: sealed, inspected, transcribed, inspected again; the store wakes the inspector."""
    inspector = room.inspector()
    left = room.root.parent / ".inspection-left"  # by a crash
    left.mkdir()
    (left / "sound.flac").write_bytes(b"voices")
    running = asyncio.create_task(inspector.run())
    try:
        await room.call("c-1")

        async def sound() -> bool:
            return await room.found("c-1") is not None

        await room.until(sound)
        first = await room.found("c-1")
        assert first is not None
        assert (first.found.sound, first.found.words, first.words_at) == ("judged", "no_transcript", None)
        assert (first.agent, first.queue, first.day) == ("1001", "general", "2026-11-22")
        assert first.found.figures["talk_s"] == 20.0
        await room.records.save_transcript(CallId("c-1"), SAID, NOW)

        async def words() -> bool:
            now = await room.found("c-1")
            return now is not None and now.words_at == NOW

        await room.until(words)
        second = await room.found("c-1")
        assert second is not None
        assert second.found.words == "judged"
        assert not left.exists()
        assert second.found.said == {"greeting": "said", "closing": "said"}
        assert second.found.said_type == "complaint"
        assert second.found.counts["promise"] >= 1
        promise = next(one for one in second.found.findings if one.rule == "promise")
        assert 5.2 <= promise.at_s < 9.0
        assert await inspector.inspect_waiting() == 0, "once for a recording and version of the rules"
        card = await room.store.read(review_sql.get_card, "standard")
        assert card is not None
        assert card.version == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_metrics_tell_what_waits_what_was_done_and_what_was_found(room: Room) -> None:
    """Each finding once, though a call is judged again for its words; no agent and no call in any label."""
    inspector = room.inspector()
    desk = HotlineInspections(room.store, PLAN, {}, lambda: NOW, inspector)
    registry = CollectorRegistry()
    registry.register(desk.collector())

    def shown(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"hotline_{name}", labels)

    for call in ("c-1", "c-2", "c-open"):
        await room.call(call)
    open_call = CallRecord(CallId("c-open"), ChannelName("PJSIP/c-1"), "12345", "13800001111", NOW - 3600.0)
    room.records.save_call(open_call)  # its record has not come to its end: it waits
    running = asyncio.create_task(inspector.run())

    async def done(name: str, count: int) -> None:
        async def counted() -> bool:
            return shown(name) == count and shown("inspections_waiting") == 1

        await room.until(counted)

    try:
        await done("calls_inspected_total", 2)
        assert shown("calls_inspected_words_total") == 0
        await room.records.save_transcript(CallId("c-1"), SAID, NOW)
        await done("calls_inspected_words_total", 1)
        assert shown("calls_inspected_total") == 2
        assert shown("inspections_failed_total") == 0
        worded = await room.found("c-1")
        assert worded is not None
        assert shown("inspection_findings_total", rule="promise") == worded.found.counts["promise"] > 0
        assert shown("inspection_findings_total", rule="dead-air") == 0
        assert shown("inspection_findings_total", rule="other") == 0
        assert await desk.days.catch_up() == 1
        assert shown("inspection_days_waiting") == 0
        text = generate_latest(registry).decode()
        assert not any(private in text for private in ("c-1", "1001", "保证", "投诉"))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_other_rules_judge_again_and_the_old_results_stay(room: Room) -> None:
    await room.call("c-1")
    await room.call("c-old", age_s=30 * DAY_S)
    assert await room.inspector().inspect_waiting() == 1, "what is older than the look back is left alone"
    table = {**PLAN.table, "talk": {**PLAN.table["talk"], "dead_air_s": 2.0}}
    strict = replace(PLAN, table=table, rules=rules_of(table))
    again = room.inspector(strict)
    assert await again.inspect_waiting() == 1
    old = await room.store.read(sql.get_inspection, "c-1", PLAN.rules.version)
    new = await room.store.read(sql.get_inspection, "c-1", strict.rules.version)
    assert old is not None
    assert new is not None
    assert (old.found.counts["dead-air"], new.found.counts["dead-air"]) == (0, 1)
    again.look_back(NOW - 60 * DAY_S)
    assert await again.inspect_waiting() == 1


async def test_what_cannot_be_judged_is_judged_as_such_once(room: Room) -> None:
    """Files that are missing, no recordings, cut, empty; one leg alone, silence, noise: each says what it is."""
    quiet = np.zeros_like(CITIZEN)
    noise = np.random.default_rng(1).normal(0, 900, len(CITIZEN)).astype(np.int16)
    legs = {"one": (CITIZEN, quiet), "none": (quiet, quiet), "noise": (noise, noise), "good": (CITIZEN, AGENT)}
    for call, pair in legs.items():
        await room.call(call, np.stack(pair, axis=1))
    for call in ("missing", "no-wav", "cut", "empty"):
        await room.call(call)
        await room.records.save_transcript(CallId(call), SAID, NOW)
    (room.root / "missing.wav").unlink()
    (room.root / "no-wav.wav").write_bytes(b"RIFF")
    (room.root / "cut.wav").write_bytes((room.root / "cut.wav").read_bytes()[:9000])
    (room.root / "empty.wav").write_bytes(files.wav_header(0))
    inspector = room.inspector()
    assert await inspector.inspect_waiting() == 8
    states = {}
    for call in (*legs, "missing", "no-wav", "cut", "empty"):
        found = await room.found(call)
        assert found is not None
        states[call] = found.found.sound
        assert ("talk_s" in found.found.figures) is (call == "good")
    assert states == {
        "one": "silent_agent", "none": "no_speech", "noise": "no_speech", "good": "judged",
        "missing": "unreadable", "no-wav": "unreadable", "cut": "unreadable", "empty": "empty",
    }  # fmt: skip
    assert await inspector.inspect_waiting() == 0


async def test_a_recording_is_read_from_the_archive_and_erased_with_what_was_found(room: Room, tmp_path: Path) -> None:
    row = await room.call("c-1")
    archive = Archive(FolderShelf(tmp_path / "a"), Form.FLAC, KeyRing((SealingKey(bytes(32)),)), tmp_path / "work")
    there = await asyncio.to_thread(archive.put, room.root / row.path, Path(row.path))
    keep: Operation[object, bool] = Operation(
        "keep", lambda connection, _: archive_rows.save_archived(connection, row.call, there, NOW)
    )
    await room.store.submit(keep, None)
    (room.root / row.path).unlink()
    assert await room.inspector().inspect_waiting() == 0, "an archive that is not there now is asked later"
    assert await room.found("c-1") is None
    assert await room.inspector(archive=archive).inspect_waiting() == 1
    found = await room.found("c-1")
    assert found is not None
    assert found.found.sound == "judged"
    assert not list(tmp_path.glob(".inspection-*")), "nothing of it stays here"
    gone = archive_rows.Erasure(row.call, NOW, "r", row.started_at, row.duration_s, row.sha256, "")
    await room.store.submit(Operation("erase", _erase), gone)
    assert await room.found("c-1") is None
    assert await room.store.read(days_sql.sums, 0.0, NOW + 1, false()) == []
    assert await room.store.read(read_audit, 0.0, NOW + 1)


async def test_a_process_that_dies_is_started_again_and_a_file_that_kills_it_is_told(tmp_path: Path) -> None:
    process = InspectionProcess(PLAN.table)
    try:
        data = np.stack([CITIZEN, AGENT], axis=1).astype("<i2").tobytes()
        wav = tmp_path / "c.wav"
        wav.write_bytes(files.wav_header(len(data)) + data)
        spans = ((0.0, 20.0),)
        first = await process.inspect(wav, 20.0, spans, (), SAID.to_json())
        assert first.sound == "judged"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert await process.inspect(wav, 20.0, spans, (), SAID.to_json()) == first
        pipe = tmp_path / "never.flac"
        os.mkfifo(pipe)  # a file that gives nothing: the process hangs on it
        hung = asyncio.create_task(process.inspect(pipe, 20.0, spans, (), None))
        await asyncio.sleep(0)
        hung.cancel()
        await asyncio.gather(hung, return_exceptions=True)
        assert await process.inspect(wav, 20.0, spans, (), None) != first
    finally:
        await process.stop()
    assert process.pid is None
    broken = InspectionProcess({"talk": {"dead_air_s": "no number"}})
    with pytest.raises(InspectionFailed):
        await broken.inspect(None, 1.0, (), (), None)
    await broken.stop()


def test_the_spans_are_those_of_the_calls_record() -> None:
    record = CallRecord(
        CallId("c"), ChannelName("x"), "12345", "1", 100.0, joined_at=110.0, released_at=200.0, ended_at=205.0,
        holds=(HoldSpan(AgentId("1001"), 120.0, 130.0),),
        offers=(
            OfferRecord(AgentId("1001"), 105.0, "", "answered", 110.0),
            OfferRecord(AgentId("1002"), 155.0, "", "answered", 160.0),
        ),
        transfers=(TransferRecord(AgentId("1001"), "blind", "queue:english", 150.0, "done", ended_at=150.5),),
    )  # fmt: skip
    assert spans_of(record, 105.0) == (((5.0, 45.0), (55.0, 95.0)), ((15.0, 25.0),))
    assert spans_of(replace(record, joined_at=None), 105.0)[0] == ()
    assert spans_of(replace(record, released_at=None, transfers=()), 105.0)[0] == ((5.0, 100.0),)
