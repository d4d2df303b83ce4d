"""Recordings are checked when they are sealed: real files, a real store, and what is told of each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from controller.performer import Performer
from controller.recording_check import SAVE_CHECK, Inspector
from controller.recording_left import seal_left
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.writer import Store
from metrics.prometheus import HotlineMetrics
from metrics.recordings import RecordingMetrics
from metrics.servicelevel import Tally
from pbx.call import CallRecord, Consent, RecordingPause
from pbx.commands import FinishRecording
from pbx.ids import AgentId, CallId, ChannelName
from recordings import files
from recordings.checks import Finding
from recordings.checks_sql import CheckRow
from recordings.naming import raw_name, voice_name
from tickets.ticket import TicketPolicy
from web.capture_desk import RecordingFacts

pytestmark = pytest.mark.doors

BEGAN = 1_795_310_400.25
ONE = CallId("hotline-1.1")
RECORD = CallRecord(
    ONE, ChannelName("PJSIP/x-1"), "12345", "13800001111", BEGAN - 5, agent=AgentId("1001"), joined_at=BEGAN + 1,
    released_at=BEGAN + 9, ended_at=BEGAN + 10, consent=Consent("recording-notice", "zh", "heard", BEGAN),
    pauses=(RecordingPause("agent", BEGAN + 2, "1001", "1001", BEGAN + 3, "asked"),),
)  # fmt: skip


def tone(seconds: float, level: float) -> np.ndarray:
    return (np.sin(np.arange(round(seconds * 8000)) * 0.5) * level).astype("<i2")


class Nobody:
    def perform(self, command: object) -> None:
        raise AssertionError("nothing is ordered")


class Bench:
    """A performer with a store of its own, and a spool in which raw recordings lie."""

    def __init__(self, store: Store, records: Records, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.records = records
        self.metrics = HotlineMetrics()
        self.spool = folder / "spool"
        self.spool.mkdir()
        clock = lambda: BEGAN + 20  # noqa: E731
        self.performer = Performer(
            exchange=Nobody(), records=records, metrics=self.metrics, tally=Tally(), spool=self.spool,
            recordings=folder / "recordings", timezone="Asia/Shanghai", clock=clock,
        )  # fmt: skip
        self.inspector = Inspector(store, records, RecordingMetrics(self.metrics.registry, Finding), clock)
        self.performer.inspector = self.inspector

    @property
    def raw(self) -> Path:
        return self.spool / raw_name(ONE, datetime.fromtimestamp(BEGAN, UTC))

    def write(self, seconds: float, citizen: float = 9000, agent: float = 9000) -> None:
        legs = np.stack([tone(seconds, citizen), tone(seconds, agent)], axis=1)
        self.raw.write_bytes(legs.tobytes())

    async def sealed(self) -> RecordingFacts:
        self.performer.perform(FinishRecording(ONE, self.raw.name, "zh", BEGAN, ((BEGAN + 1, BEGAN + 9),), BEGAN + 10))
        await self.performer.close(10.0)
        facts = await self.inspector.facts(ONE)
        assert facts is not None
        return facts

    async def stored(self) -> None:
        """What was put into the store is committed: it writes in order."""
        row = CheckRow(CallId("before"), 1.0, 1.0, 1.0, (), "audible", "audible", 1.0, 1.0, 1.0)
        await self.store.submit(SAVE_CHECK, row)

    def counted(self, finding: str) -> float:
        return self.metrics.registry.get_sample_value("hotline_recordings_checked_total", {"finding": finding}) or 0.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    upgrade(url)
    operations = Operations(TicketPolicy())
    store = Store(url, spool=tmp_path / "spool.jsonl", operations=[*operations.spoolable(), SAVE_CHECK])
    await store.start()
    records = Records(store, operations)
    records.save_call(replace(RECORD, recording="raw"))
    made = Bench(store, records, tmp_path)
    yield made
    await store.stop()


async def test_a_whole_recording_is_ok_and_its_facts_are_there(bench: Bench) -> None:
    bench.write(9.95)
    facts = await bench.sealed()
    assert facts.check is not None
    assert facts.sealed is not None
    assert (facts.check.findings, facts.check.citizen, facts.check.heard) == ((), "audible", "audible")
    assert (facts.sealed.duration_s, len(facts.sealed.sha256)) == (9.95, 64)
    assert (facts.consent, facts.pauses) == (RECORD.consent, RECORD.pauses)
    assert bench.counted("ok") == 1
    assert not bench.raw.exists()


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        ({"seconds": 4.0}, "truncated"),
        ({"seconds": 9.95, "agent": 0}, "agent_silent"),
        ({"seconds": 9.95, "citizen": 0}, "caller_silent"),
        ({"seconds": 14.0}, "too_long"),
        ({"seconds": 0.0}, "empty"),
        (None, "missing"),
    ],
)
async def test_what_is_wrong_gets_its_name_a_figure_and_a_line(
    bench: Bench, caplog: pytest.LogCaptureFixture, given: dict[str, float] | None, finding: str
) -> None:
    if given is not None:
        bench.write(**given)
    with caplog.at_level(logging.ERROR):
        facts = await bench.sealed()
    assert facts.check is not None
    assert facts.check.findings == (finding,)
    assert bench.counted(finding) == 1
    assert bench.counted("ok") == 0
    assert any(getattr(line, "action", "") == "recording.finding" for line in caplog.records)
    assert (facts.sealed is None) is (finding in ("empty", "missing"))


async def test_what_cannot_be_sealed_is_named_and_kept(bench: Bench) -> None:
    bench.write(9.95)
    (bench.folder / "recordings").write_text("a file where the folder should be")
    facts = await bench.sealed()
    assert facts.check is not None
    assert facts.check.findings == ("unsealed",)
    assert bench.raw.stat().st_size == round(9.95 * 8000) * 4


async def test_what_a_crash_left_is_checked_by_what_the_store_knows(bench: Bench) -> None:
    bench.write(3.0)
    assert bench.performer.recover(lambda call: False) == 1
    await bench.performer.close(10.0)
    facts = await bench.inspector.facts(ONE)
    assert facts is not None
    assert facts.check is not None
    assert (facts.check.findings, facts.check.missing_s) == (("truncated",), pytest.approx(7.0, abs=0.01))


async def test_of_a_call_that_there_is_not_nothing_is_known(bench: Bench) -> None:
    assert await bench.inspector.facts(CallId("hotline-9.9")) is None


async def test_the_facts_say_what_comes_from_a_partys_own_voice_and_when_nothing_was_written(
    bench: Bench, tmp_path: Path
) -> None:
    bench.write(10, agent=0)  # Debian's Asterisk has lost whoever followed another speaker
    beside = bench.spool / voice_name(bench.raw.name, 1.0, 1)
    beside.write_bytes(tone(8, 9000).tobytes())
    bench.inspector._gaps = lambda call: ((BEGAN + 4, BEGAN + 5.5), (BEGAN + 9, float("inf")), (BEGAN + 30, BEGAN + 31))
    await bench.stored()
    assert bench.performer.recover(lambda call: False) == 1
    await bench.performer.close(10.0)
    facts = await bench.inspector.facts(ONE)
    assert facts is not None
    assert facts.check is not None
    assert facts.check.filled_s == pytest.approx(7.0, abs=0.1), "not in the second in which it was paused"
    assert facts.check.heard == "audible"
    assert facts.check.gaps == ((BEGAN + 4, BEGAN + 5.5), (BEGAN + 9, BEGAN + 10))
    assert not beside.exists()


async def test_a_sealed_recording_of_which_nobody_knew_is_linked_at_the_next_start(bench: Bench) -> None:
    bench.write(9.95)
    raw = bench.raw.name
    bench.records.save_call(replace(RECORD, recording=raw))
    await bench.stored()
    begun = datetime.fromtimestamp(BEGAN, UTC)
    done = files.finish(bench.raw, bench.performer.place_of(ONE, BEGAN), started_at=begun)  # and then it was killed
    assert await bench.records.recording(ONE) is None
    clock = lambda: BEGAN + 60  # noqa: E731
    assert await seal_left(bench.store, bench.performer, bench.spool, clock) == 1
    facts = await bench.inspector.facts(ONE)
    assert facts is not None
    assert facts.sealed is not None
    assert facts.check is not None
    assert (facts.sealed.sha256, facts.check.findings) == (done.sha256, ())
    assert await seal_left(bench.store, bench.performer, bench.spool, clock) == 0


async def test_a_recording_of_which_nothing_is_left_is_told_once(bench: Bench) -> None:
    bench.records.save_call(replace(RECORD, recording=bench.raw.name))
    await bench.stored()
    clock = lambda: BEGAN + 60  # noqa: E731
    assert await seal_left(bench.store, bench.performer, bench.spool, clock) == 1
    facts = await bench.inspector.facts(ONE)
    assert facts is not None
    assert facts.check is not None
    assert facts.check.findings == ("missing",)
    assert await seal_left(bench.store, bench.performer, bench.spool, clock) == 0


async def test_a_raw_recording_that_waits_is_left_to_who_seals_it(bench: Bench) -> None:
    bench.write(9.95)
    bench.records.save_call(replace(RECORD, recording=bench.raw.name))
    await bench.stored()
    assert await seal_left(bench.store, bench.performer, bench.spool, lambda: BEGAN + 60) == 0
    assert bench.raw.exists()
