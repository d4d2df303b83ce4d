"""`hotline transcripts`: run as an operator does, over HTTP, against the line of transcripts in a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.spool import Operation
from controller.transcript_jobs_desk import HotlineTranscriptJobs
from controller.transcripts import SEAL, Sealed, Transcripts
from controller.writer import Store
from pbx.call import CallRecord
from pbx.ids import CallId, ChannelName
from recordings.jobs_sql import Job, refuse_unheard
from recordings.pool import Cores, RecogniserPool
from recordings.sql import RecordingRow
from recordings.words_due_sql import DueWords, erase_words
from tests.fakes.website import TOKEN, Site, site
from tests.serving import NUMBERS, configuration
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

AT = 1_795_309_200.0  # 2026-11-22 09:00 in Shanghai


class Hotline:
    """A site over a store with three recordings of calls in Chinese and English, and the command that asks it."""

    def __init__(self, file: Path, store: Store, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
        self.file, self.store, self.site, self._capsys = file, store, site, capsys

    async def asks(self, *arguments: str) -> tuple[int, str, str]:
        """Status, standard output and standard error of the command."""
        status = await asyncio.to_thread(main, ["transcripts", *arguments, "--config", str(self.file)])
        said = self._capsys.readouterr()
        return status, said.out, said.err


@asynccontextmanager
async def opened(folder: Path, capsys: pytest.CaptureFixture[str], *, on: bool) -> AsyncIterator[Hotline]:
    file = configuration(folder, {}, rest=NUMBERS)
    data = folder / "data"
    data.mkdir()
    url = f"sqlite:///{data / 'hotline.db'}"
    await asyncio.to_thread(upgrade, url)
    store = Store(url, spool=data / "spool.jsonl")
    await store.start()
    try:
        records = Records(store, Operations(TicketPolicy()))
        for number, language in enumerate(("zh", "en", "en")):
            call = CallId(f"h12345-{number}")
            records.save_call(CallRecord(call, ChannelName("c"), "12345", "13800001111", AT, joined_at=AT + 1))
            row = RecordingRow(call, f"{call}.wav", AT, 9.0, 44, "00")
            await store.submit(SEAL, Sealed(row, Job(call, language, ((1.0, 9.0),), AT + number)))
        pool = RecogniserPool({}, Cores(1), 1) if on else None
        transcripts = Transcripts(store, records, data / "recordings", lambda: AT + 99, pool)
        async with site(transcript_jobs_desk=HotlineTranscriptJobs(transcripts, records, lambda: AT + 99)) as running:
            (data / "web-address").write_text(running.server.url)
            (data / "api-token").write_text(TOKEN)
            yield Hotline(file, store, running, capsys)
    finally:
        await store.stop()


@pytest.fixture
async def hotline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Hotline]:
    async with opened(tmp_path, capsys, on=True) as made:
        yield made


async def give_up(store: Store) -> None:
    work: Operation[None, int] = Operation("test", lambda connection, _: refuse_unheard(connection, ["zh"], AT + 5))
    assert await store.submit(work, None) == 2


async def test_the_list_tells_what_waits_and_why_the_others_were_given_up(hotline: Hotline) -> None:
    await give_up(hotline.store)
    status, out, err = await hotline.asks("list")
    assert (status, err) == (0, "")
    why = "there is no speech model for the call's language (没有该语种的识别模型)"
    assert out.splitlines() == [
        f"2026-11-22 09:00:02  {'h12345-2':<28} en  {why}",
        f"2026-11-22 09:00:01  {'h12345-1':<28} en  {why}",
        "1 wait; given up: no_model 2",
    ]
    _, out, _ = await hotline.asks("list", "--state", "waiting")
    assert out.splitlines() == [f"2026-11-22 09:00:00  {'h12345-0':<28} zh", "1 wait; given up: no_model 2"]
    _, out, _ = await hotline.asks("list", "--state", "done")
    assert out.splitlines() == ["1 wait; given up: no_model 2"]


async def test_one_a_cause_and_all_are_made_again(hotline: Hotline) -> None:
    await give_up(hotline.store)
    assert await hotline.asks("again", "h12345-1") == (0, "h12345-1: waiting\n", "")
    assert await hotline.asks("again", "--cause", "crashed") == (0, "0 wait for their transcript again\n", "")
    assert await hotline.asks("again", "--cause", "no_model") == (0, "1 wait for their transcript again\n", "")
    assert await hotline.asks("again", "--all") == (0, "0 wait for their transcript again\n", "")
    _, out, _ = await hotline.asks("list")
    assert out == "3 wait; given up: none\n"
    assert [entry.action for entry in hotline.site.backend.noted.values()] == [
        "ask_transcript",
        *["ask_transcripts"] * 3,
    ]


async def test_what_cannot_be_made_again_is_told_in_a_sentence(hotline: Hotline) -> None:
    status, out, err = await hotline.asks("again")
    assert (status, out) == (2, "")
    assert "which?" in err
    for unknown in ("h12345-9", "no call/of ours?", "汉字", "a\nb"):
        status, out, err = await hotline.asks("again", unknown)
        assert (status, out) == (1, ""), unknown
        assert err.startswith("hotline: there is no such"), err
        assert len(err.splitlines()) == 1
    words = DueWords(CallId("h12345-0"), AT)
    erase: Operation[None, object] = Operation("test", lambda on, _: erase_words(on, words, "general", AT))
    await hotline.store.submit(erase, None)
    status, _, err = await hotline.asks("again", "h12345-0")
    assert (status, "the transcript's time is over" in err) == (1, True)
    with pytest.raises(SystemExit):
        await hotline.asks("again", "--cause", "weather")


async def test_where_none_are_made_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(tmp_path, capsys, on=False) as hotline:
        _, out, _ = await hotline.asks("list")
        assert out == "3 wait; given up: none; no transcripts are made here\n"
        status, _, err = await hotline.asks("again", "--all")
        assert (status, "this hotline makes no transcripts" in err) == (1, True)


async def test_a_hotline_that_does_not_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(tmp_path, capsys, on=True) as hotline:
        pass
    status, _, err = await hotline.asks("list")
    assert (status, "is the hotline running?" in err) == (1, True)
    (tmp_path / "data" / "web-address").unlink()
    status, _, err = await hotline.asks("list")
    assert (status, "the hotline is not running" in err) == (1, True)
    hotline.file.write_text("[hotline\n")
    assert (await hotline.asks("list"))[0] == 2
