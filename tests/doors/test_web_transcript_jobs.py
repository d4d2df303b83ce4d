"""Transcripts that are to be made, over HTTP and at the command line's address: state, again, the line; and who may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.records import Operations, Records
from controller.schema import upgrade
from controller.transcript_jobs_desk import HotlineTranscriptJobs
from controller.transcripts import SEAL, Sealed, Transcripts
from controller.writer import Store
from pbx.call import CallRecord
from pbx.ids import CallId, ChannelName
from recordings.jobs_sql import Cause, Job, JobState, refuse_unheard, worker_died
from recordings.pool import Cores, RecogniserPool
from recordings.sql import RecordingRow
from tests.fakes.website import Site, site
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

AT = 1_795_000_000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    upgrade(url)
    store = Store(url, spool=tmp_path / "spool.jsonl")
    await store.start()
    yield store
    await store.stop()


def desk(store: Store, folder: Path, *, on: bool = True) -> HotlineTranscriptJobs:
    records = Records(store, Operations(TicketPolicy()))
    pool = RecogniserPool({}, Cores(1), 1) if on else None
    return HotlineTranscriptJobs(Transcripts(store, records, folder, lambda: AT + 99, pool), records, lambda: AT + 99)


async def sealed(store: Store, call: str, language: str = "zh", job: bool = True) -> None:
    Records(store, Operations(TicketPolicy())).save_call(
        CallRecord(CallId(call), ChannelName("c"), "12345", "138", AT, joined_at=AT + 1, released_at=AT + 9)
    )
    row = RecordingRow(CallId(call), f"{call}.wav", AT, 9.0, 44, "00")
    await store.submit(SEAL, Sealed(row, Job(CallId(call), language, ((1.0, 9.0),), AT) if job else None))


@pytest.fixture
async def hotline(store: Store, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(transcript_jobs_desk=desk(store, tmp_path)) as running:
        yield running


async def change(store: Store, work: object, *arguments: object) -> None:
    from controller.spool import Operation

    await store.submit(Operation("test", lambda connection, _: work(connection, *arguments)), None)  # type: ignore[operator]


async def test_how_far_a_transcript_is_and_why_there_is_none(hotline: Site, store: Store) -> None:
    await sealed(store, "hotline-1")
    await sealed(store, "hotline-2", "en")
    await sealed(store, "hotline-3", job=False)
    await change(store, refuse_unheard, ["zh"], AT + 5)
    status, told = await hotline.json("GET", "/api/calls/hotline-1/transcript-state")
    assert (status, told["state"], told["language"], told["cause"], told["asked_at"]) == (200, "waiting", "zh", "", AT)
    status, told = await hotline.json("GET", "/api/calls/hotline-2/transcript-state")
    assert (told["state"], told["cause"], told["ended_at"]) == ("failed", "no_model", AT + 5)
    assert told["message"] == {
        "zh": "没有该语种的识别模型",
        "en": "there is no speech model for the call's language",
    }
    status, told = await hotline.json("GET", "/api/calls/hotline-3/transcript-state")
    assert (status, told["state"]) == (200, "none")
    status, told = await hotline.json("GET", "/api/calls/nobody/transcript-state")
    assert (status, told["error"]) == (404, "unknown_call")


async def test_made_again_stands_in_the_audit_trail(hotline: Site, store: Store) -> None:
    await sealed(store, "hotline-1")
    await change(store, worker_died, CallId("hotline-1"), Cause.CRASHED, 2, AT)
    status, told = await hotline.json("POST", "/api/calls/hotline-1/transcript", {})
    assert (status, told["state"], told["cause"], told["worker_deaths"]) == (200, "waiting", "", 0)
    await sealed(store, "hotline-3", job=False)
    status, told = await hotline.json("POST", "/api/calls/hotline-3/transcript", {})
    assert (status, told["state"]) == (200, "waiting")
    status, told = await hotline.json("POST", "/api/calls/nobody/transcript", {})
    assert (status, told["error"]) == (404, "unknown_recording")
    trail = [(entry.action, entry.call) for entry in hotline.backend.noted.values()]
    assert trail == [("ask_transcript", "hotline-1"), ("ask_transcript", "hotline-3")]


async def test_the_line_and_all_of_a_cause_again(hotline: Site, store: Store) -> None:
    for number in range(5):
        await sealed(store, f"hotline-{number}", ("zh", "en")[number % 2])
    await change(store, refuse_unheard, ["zh"], AT + 5)
    status, told = await hotline.json("GET", "/api/transcript-jobs")
    assert (status, told["on"], told["waiting"], told["oldest_at"], told["failed"]) == (
        200,
        True,
        3,
        AT,
        {"no_model": 2},
    )
    assert [one["call"] for one in told["transcripts"]] == ["hotline-0", "hotline-2", "hotline-4"]
    _, told = await hotline.json("GET", "/api/transcript-jobs?state=failed&limit=1")
    assert [one["call"] for one in told["transcripts"]] == ["hotline-1"]
    status, told = await hotline.json("POST", "/api/transcript-jobs/again", {"cause": "crashed"})
    assert (status, told) == (200, {"asked": 0})
    assert (await hotline.json("POST", "/api/transcript-jobs/again", {}))[1] == {"asked": 2}
    assert (await hotline.json("GET", "/api/transcript-jobs"))[1]["waiting"] == 5
    status, told = await hotline.json("POST", "/api/transcript-jobs/again", {"cause": "weather"})
    assert (status, told["error"]) == (400, "bad_request")


async def test_where_none_are_made_that_is_said(store: Store, tmp_path: Path) -> None:
    await sealed(store, "hotline-1", job=False)
    async with site(transcript_jobs_desk=desk(store, tmp_path, on=False)) as running:
        for path in ("/api/calls/hotline-1/transcript", "/api/transcript-jobs/again"):
            assert (await running.json("POST", path, {}))[1]["error"] == "transcripts_off"
        assert (await running.json("GET", "/api/transcript-jobs"))[1]["on"] is False
    async with site() as running:
        assert (await running.json("GET", "/api/transcript-jobs"))[1]["error"] == "transcripts_off"


async def test_figures_are_scraped(store: Store, tmp_path: Path) -> None:
    from metrics.prometheus import HotlineMetrics
    from metrics.speech import CAUSES, SpeechCollector
    from recordings import jobs_sql
    from web.transcript_jobs import CAUSES as ASKED_CAUSES
    from web.transcript_jobs import STATES

    records = Records(store, Operations(TicketPolicy()))
    transcripts = Transcripts(store, records, tmp_path, lambda: AT + 99, None)
    transcripts.figures.failed["crashed"] = 3
    transcripts.figures.waiting, transcripts.figures.oldest_at = 7, AT
    metrics = HotlineMetrics()
    metrics.registry.register(SpeechCollector(lambda: transcripts.figures, lambda: AT + 60))
    text = metrics.render().decode()
    for line in (
        "hotline_transcripts_waiting 7.0",
        "hotline_transcripts_oldest_seconds 60.0",
        "hotline_transcripts_done_total 0.0",
        'hotline_transcripts_failed_total{cause="crashed"} 3.0',
        'hotline_transcripts_failed_total{cause="no_model"} 0.0',
        "hotline_recogniser_restarts_total 0.0",
    ):
        assert line in text.splitlines()
    assert tuple(jobs_sql.Cause) == CAUSES == ASKED_CAUSES
    assert set(JobState) == set(STATES)
