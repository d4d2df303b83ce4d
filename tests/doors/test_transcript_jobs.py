"""The line of transcripts: in the store, over restarts, by priority and age, with workers that die.

The worker processes are real; what they hear with is the tests' own recogniser (`tests/fakes/recogniser.py`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from controller.database import database_url as where
from controller.database import make_engine
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.transcripts import SEAL, SPOOLABLE, Sealed, Transcripts
from controller.writer import Store
from pbx.call import CallRecord
from pbx.ids import CallId, ChannelName
from recordings import jobs_sql as rows
from recordings.archive.sql import not_archived
from recordings.files import RATE, finish, wav_header
from recordings.jobs_sql import ASKED, CALL, LEFT_OVER, Cause, Job, JobState, get_job
from recordings.model_check import peak_mb
from recordings.models import FoundModel
from recordings.pool import Cores, PoolRules, RecogniserPool
from recordings.sql import RecordingRow, save_recording
from recordings.transcriber import TranscriptWorker, WorkerLimits
from tests.fakes.recogniser import BROKEN, DIE, HANG, KIND, NONSENSE, REFUSE
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

AT = 1_795_000_000.0
LIMITS = WorkerLimits(stop_s=0.1, niceness=0)


@dataclass
class Room:
    store: Store
    records: Records
    root: Path
    now: float = AT

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def wav(self, call: str, said: dict[float, int], seconds: float = 2.0) -> RecordingRow:
        """A finished recording: at each instant, a second of one number on the citizen's leg."""
        legs = np.zeros((round(seconds * RATE), 2), np.int16)
        for start, value in said.items():
            legs[round(start * RATE) :][:RATE, 0] = value
        raw = self.root / f"{call}.raw"
        raw.write_bytes(legs.astype("<i2").tobytes())
        done = finish(raw, self.root / f"{call}.wav", started_at=datetime.fromtimestamp(AT, UTC))
        return RecordingRow(CallId(call), f"{call}.wav", AT, done.duration_s, done.size_bytes, done.sha256)

    def pool(self, *languages: str, cores: int = 1, broken: bool = False, rules: PoolRules | None = None,
             limits: WorkerLimits = LIMITS) -> RecogniserPool:  # fmt: skip
        models = {}
        for language in languages or ("zh",):
            folder = self.root / f"model-{language}"
            folder.mkdir(exist_ok=True)
            if broken:
                (folder / BROKEN).touch()
            models[language] = FoundModel(folder, f"numbers-{language}", language, "configured", kind=KIND)
        rules = rules or PoolRules(first_rest_s=0.01)
        return RecogniserPool(models, Cores(cores), cores, limits=limits, rules=rules)

    def transcripts(self, pool: RecogniserPool | None = None) -> Transcripts:
        return Transcripts(self.store, self.records, self.root, self.clock, pool or self.pool(), retry_s=0.05)

    async def state(self, call: str) -> Job:
        job = await self.store.read(get_job, CallId(call))
        assert job is not None
        return job

    async def until(self, call: str, state: JobState = JobState.DONE) -> Job:
        """Wait for a job's end; woken by nothing that a test could see."""
        async with asyncio.timeout(60):
            while (job := await self.state(call)).state is not state:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return job

    async def said(self, call: str) -> str:
        heard = await self.records.transcript(CallId(call))
        assert heard is not None
        return heard.said_by("citizen")


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Room]:
    operations = Operations(TicketPolicy())
    store = Store(url, spool=folder / "spool.jsonl", operations=(*operations.spoolable(), *SPOOLABLE))
    await store.start()
    try:
        yield Room(store, Records(store, operations), folder)
    finally:
        await store.stop()


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the present shape, empty: making one takes a while."""
    file = tmp_path_factory.mktemp("shaped") / "hotline.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def url(shaped: Path, tmp_path: Path) -> str:
    shutil.copy(shaped, tmp_path / "hotline.db")
    return f"sqlite:///{tmp_path / 'hotline.db'}"


@pytest.fixture
async def room(url: str, tmp_path: Path) -> AsyncIterator[Room]:
    async with opened(url, tmp_path) as found:
        yield found


@asynccontextmanager
async def running(transcripts: Transcripts) -> AsyncIterator[Transcripts]:
    task = asyncio.create_task(transcripts.run())
    try:
        yield transcripts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert transcripts._pool is None or transcripts._pool.workers == 0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)


async def test_a_commit_wakes_it_and_the_transcript_and_its_jobs_end_are_one(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(room.wav("a", {0.2: 1111}), "zh", ((0.0, 2.0),))
        job = await room.until("a")
        assert (job.language, job.talks, job.kills, job.cause) == ("zh", ((0.0, 2.0),), 0, "")
        assert await room.said("a") == "1111"
        await until(lambda: transcripts.figures.done)  # counted once it stands in the store
        assert (transcripts.figures.done, transcripts.figures.restarts) == (1, 0)
    heard = await room.records.transcript(CallId("a"))
    assert heard is not None
    assert (heard.language, heard.recogniser, heard.doubts) == ("zh", "numbers-zh", ("steady",))


async def test_nobody_talked_is_no_job_and_only_talks_are_heard(room: Room) -> None:
    transcripts = room.transcripts()
    await transcripts.sealed(room.wav("mute", {0.0: 1111}), "zh", ())
    assert await room.store.read(get_job, CallId("mute")) is None
    await transcripts.sealed(room.wav("b", {0.0: 1111, 3.0: 2222}, 6.0), "zh", ((2.5, 6.0),))
    async with running(transcripts):
        await room.until("b")
    assert await room.said("b") == "2222"


async def test_by_priority_then_by_age_and_a_restart_forgets_nothing_and_makes_nothing_twice(
    url: str, tmp_path: Path
) -> None:
    async with opened(url, tmp_path) as room:
        transcripts = room.transcripts()  # it does not run: a controller that is killed before it gets to it
        for number, call in enumerate(("old", "middle", "new")):
            await transcripts.sealed(room.wav(call, {0.0: 1000 + number}), "zh", None)
        assert (await transcripts.again(CallId("new"), ASKED)) is not None
        await transcripts.sealed(room.wav("left", {0.0: 1009}), None, None)
        assert (await room.state("left")).priority == LEFT_OVER
    async with opened(url, tmp_path) as room, running(room.transcripts()):
        ended = [(await room.until(call)).ended_at for call in ("new", "old", "middle", "left")]
        assert ended == sorted(ended, key=float)  # type: ignore[arg-type]
    async with opened(url, tmp_path) as room:
        async with running(room.transcripts()) as transcripts:
            await transcripts.sealed(room.wav("last", {0.0: 1010}), "zh", None)
            await room.until("last")
            await until(lambda: transcripts.figures.done)
            assert transcripts.figures.done == 1  # none of the others again
        assert [(await room.state(one)).ended_at for one in ("new", "old", "middle", "left")] == ended


async def test_what_is_in_work_when_all_ends_is_made_after_the_restart(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(room.wav("hangs", {0.0: HANG}), "zh", None)
        await until(lambda: transcripts._works)
        await until(lambda: transcripts._pool and transcripts._pool._busy)
    job = await room.state("hangs")
    assert (job.state, job.kills) == (JobState.WAITING, 0)
    (room.root / "hangs.wav").unlink()
    room.wav("hangs", {0.0: 1234})
    async with running(room.transcripts()):
        await room.until("hangs")
    assert await room.said("hangs") == "1234"


async def test_a_recording_that_kills_two_workers_is_set_aside_and_the_others_go_on(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(room.wav("deadly", {0.0: DIE}), "zh", None)
        await transcripts.sealed(room.wav("good", {0.0: 1111}), "zh", None)
        job = await room.until("deadly", JobState.FAILED)
        await room.until("good")
        assert (job.cause, job.kills) == (Cause.CRASHED, 2)
        assert transcripts.figures.restarts == 2
        await until(lambda: transcripts.figures.failed)
        assert transcripts.figures.failed == {Cause.CRASHED: 1}
        # It can be asked for again, and then it may kill two more.
        (room.root / "deadly.wav").unlink()
        room.wav("deadly", {0.0: 2222})
        asked = await transcripts.again(CallId("deadly"), ASKED)
        assert asked is not None
        assert (asked.state, asked.kills, asked.priority) == (JobState.WAITING, 0, ASKED)
        await room.until("deadly")
    assert await room.said("deadly") == "2222"


async def test_a_worker_killed_from_outside_costs_a_recording_no_transcript(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        pool = transcripts._pool
        assert pool is not None
        await transcripts.sealed(room.wav("first", {0.0: 1111}), "zh", None)
        await room.until("first")
        await until(lambda: pool._languages["zh"].idle)
        pid = pool._languages["zh"].idle[0][0].pid
        assert pid is not None
        os.kill(pid, 9)
        await transcripts.sealed(room.wav("second", {0.0: 2222}), "zh", None)
        await room.until("second")
    assert (await room.state("second")).kills == 0
    assert await room.said("second") == "2222"


async def test_a_recording_that_takes_too_long_twice_is_set_aside(room: Room) -> None:
    pool = room.pool(limits=replace(LIMITS, job_base_s=0.3, job_per_audio_s=0.0, patience=2.0))
    async with running(room.transcripts(pool)) as transcripts:
        await transcripts.sealed(room.wav("slow", {0.0: HANG}), "zh", None)
        assert (await room.until("slow", JobState.FAILED)).cause == Cause.TIMEOUT


@pytest.mark.parametrize("how", ["refused", "truncated", "empty", "missing"])
async def test_a_bad_recording_is_given_up_at_once_and_says_why(room: Room, how: str) -> None:
    row = room.wav("bad", {0.0: REFUSE if how == "refused" else 1111})
    wav = room.root / row.path
    match how:
        case "truncated":
            wav.write_bytes(wav.read_bytes()[:-3])
        case "empty":
            wav.write_bytes(b"")
        case "missing":
            wav.unlink()
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(row, "zh", None)
        job = await room.until("bad", JobState.FAILED)
        assert job.cause == (Cause.GONE if how == "missing" else Cause.DAMAGED)
        assert job.kills == 0
        await transcripts.sealed(room.wav("good", {0.0: 2222}), "zh", None)
        await room.until("good")


async def test_a_recording_that_has_left_this_disk_is_fetched_and_its_end_is_told(room: Room) -> None:
    await room.records.save_recording(room.wav("away", {0.0: 1111}))
    shelf = (room.root / "away.wav").rename(room.root / "shelf.wav")

    async def fetch(call: CallId, to: Path) -> bool:
        shutil.copy(shelf, to)
        fetched.append(to)
        return call == "away"

    fetched: list[Path] = []
    ended: list[int] = []
    transcripts = room.transcripts()
    transcripts.fetch, transcripts.on_ended = fetch, lambda: ended.append(1)
    async with running(transcripts):
        assert await transcripts.again(CallId("away"), ASKED) is not None
        await room.until("away")
        await until(lambda: ended)
    assert await room.said("away") == "1111"
    assert not fetched[0].exists()


async def test_one_leg_only_and_no_sound_at_all_are_transcripts_of_what_there_is(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(room.wav("silent", {}), "zh", None)
        await transcripts.sealed(room.wav("one", {0.5: 4321}), "zh", None)
        await room.until("one")
        await room.until("silent")
    silent, one = [await room.records.transcript(CallId(call)) for call in ("silent", "one")]
    assert silent is not None
    assert one is not None
    assert (silent.turns, silent.doubts) == ((), ())
    assert [turn.speaker for turn in one.turns] == ["citizen"]


async def test_what_was_left_out_makes_a_transcript_doubtful(room: Room) -> None:
    async with running(room.transcripts()) as transcripts:
        await transcripts.sealed(room.wav("noise", {0.0: NONSENSE, 3.0: 1111}, 6.0), "zh", None)
        await room.until("noise")
    heard = await room.records.transcript(CallId("noise"))
    assert heard is not None
    assert heard.doubts == ("left_out",)


async def test_a_language_without_a_model_is_said_and_never_tried_with_another(room: Room) -> None:
    async with running(room.transcripts(room.pool("zh"))) as transcripts:
        await transcripts.sealed(room.wav("english", {0.0: 1111}), "en", None)
        await transcripts.sealed(room.wav("chinese", {0.0: 2222}), "zh", None)
        await room.until("chinese")
        assert (await room.until("english", JobState.FAILED)).cause == Cause.NO_MODEL
        assert await room.records.transcript(CallId("english")) is None
        await until(lambda: transcripts.figures.failed[Cause.NO_MODEL])
        assert transcripts.figures.failed[Cause.NO_MODEL] == 1
    async with running(room.transcripts(room.pool("zh", "en"))) as transcripts:  # a model has come
        assert await transcripts.all_again([Cause.CRASHED]) == 0
        assert await transcripts.all_again([Cause.NO_MODEL]) == 1
        await room.until("english")
    heard = await room.records.transcript(CallId("english"))
    assert heard is not None
    assert (heard.language, heard.said_by("citizen")) == ("en", "1111")


async def test_one_core_is_shared_by_languages_and_an_idle_worker_is_freed(room: Room) -> None:
    pool = room.pool("zh", "en", cores=1, rules=PoolRules(idle_s=0.2, first_rest_s=0.01))
    async with running(room.transcripts(pool)) as transcripts:
        for number in range(4):
            await transcripts.sealed(room.wav(f"c{number}", {0.0: 1000 + number}), ("zh", "en")[number % 2], None)
        for number in range(4):
            await room.until(f"c{number}")
            assert pool.workers <= 1
        await until(lambda: pool.workers == 0)
        assert pool.restarts == 0


async def test_two_cores_do_two_recordings_at_a_time(room: Room) -> None:
    pool = room.pool("zh", cores=2)
    async with running(room.transcripts(pool)) as transcripts:
        for number in range(3):
            await transcripts.sealed(room.wav(f"c{number}", {0.0: HANG}), "zh", None)
        await until(lambda: len(pool._busy) == 2)
        assert set(transcripts._works) == {"c0", "c1"}
        assert pool.free() == 0


async def test_a_model_that_cannot_be_loaded_is_tried_less_and_less_and_nothing_is_lost(room: Room) -> None:
    pool = room.pool("zh", broken=True, rules=PoolRules(first_rest_s=0.01, longest_rest_s=0.1))
    async with running(room.transcripts(pool)) as transcripts:
        await transcripts.sealed(room.wav("a", {0.0: 1111}), "zh", None)
        await until(lambda: pool.restarts >= 4)
        job = await room.state("a")
        assert (job.state, job.kills) == (JobState.WAITING, 0)
        (room.root / "model-zh" / BROKEN).unlink()
        await room.until("a")


async def test_asked_again_what_was_done_or_never_asked(room: Room) -> None:
    record = CallRecord(CallId("a"), ChannelName("c"), "12345", "138", AT, joined_at=AT + 2.5, released_at=AT + 6)
    room.records.save_call(record)
    await room.records.save_recording(room.wav("a", {0.0: 1111, 3.0: 2222}, 6.0))  # as before there were jobs
    async with running(room.transcripts()) as transcripts:
        assert await transcripts.again(CallId("nobody"), ASKED) is None
        asked = await transcripts.again(CallId("a"), ASKED)
        assert asked is not None
        assert asked.talks == ((2.5, 6.0),)  # from the call's record
        await room.until("a")
        assert await room.said("a") == "2222"
        await transcripts.again(CallId("a"), ASKED)
        await until(lambda: transcripts.figures.done == 2)


async def test_off_means_that_nothing_is_asked_for(room: Room) -> None:
    transcripts = Transcripts(room.store, room.records, room.root, time.time, None)
    await transcripts.sealed(room.wav("a", {0.0: 1111}), "zh", None)
    assert await room.store.read(get_job, CallId("a")) is None
    assert await room.records.recording(CallId("a")) is not None
    await transcripts.run()


def test_a_spooled_recording_brings_its_job_along() -> None:
    """What was sealed while the database was away is transcribed when it is back."""
    assert SEAL.adapter is not None
    row = RecordingRow(CallId("a"), "a.wav", AT, 2.0, 44, "00")
    sealed = Sealed(row, Job(CallId("a"), "zh", ((0.0, 1.5),), AT))
    assert SEAL.adapter.validate_json(SEAL.adapter.dump_json(sealed)) == sealed


def test_the_line_is_the_same_over_both_databases(shaped_url: str) -> None:
    """Order, bounds and every end of a job, in SQL."""
    engine = make_engine(where(shaped_url))
    with engine.begin() as connection:
        wanted = [("a", "zh", CALL), ("b", "en", CALL), ("c", "zh", ASKED), ("d", "zh", LEFT_OVER), ("e", "zh", CALL)]
        for at, (call, language, priority) in enumerate(wanted):
            rows.add_job(connection, Job(CallId(call), language, None, AT + at, priority))
        rows.add_job(connection, Job(CallId("a"), "en", None, AT + 99, ASKED))  # told again: nothing changes

        def following(but: Sequence[str] = (), limit: int = 9) -> list[str]:
            return [job.call for job in rows.next_jobs(connection, ["zh"], [CallId(one) for one in but], limit)]

        assert following() == ["c", "a", "e", "d"]
        assert following(["c", "a"], 1) == ["e"]
        assert rows.next_jobs(connection, [], [], 9) == []
        assert rows.count_waiting(connection) == (5, AT)
        assert rows.unheard(connection, ["zh"])
        assert rows.refuse_unheard(connection, ["zh"], AT) == 1
        assert not rows.unheard(connection, ["zh"])
        rows.job_done(connection, CallId("c"), AT + 10)
        assert not rows.worker_died(connection, CallId("a"), Cause.CRASHED, 1, AT)
        assert following() == ["a", "e", "d"]
        assert rows.worker_died(connection, CallId("a"), Cause.CRASHED, 2, AT)
        assert rows.count_jobs(connection) == rows.JobCounts(2, AT + 3, {"no_model": 1, "crashed": 1})
        assert [job.call for job in rows.list_jobs(connection, JobState.FAILED, 9)] == ["b", "a"]
        again = rows.ask_again(connection, Job(CallId("e"), "zh", ((1.0, 2.0),), AT + 50, ASKED))
        assert (again.asked_at, again.priority, again.talks) == (AT + 4, ASKED, ((1.0, 2.0),))  # it waited already
        assert rows.get_job(connection, CallId("e")) == again
        assert rows.ask_all_again(connection, [Cause.CRASHED], AT + 60) == 1
        assert following() == ["e", "d", "a"]
        for call in "abc":
            save_recording(connection, RecordingRow(CallId(call), f"{call}.wav", AT, 2.0, 44, "00"))
        assert [row.call for row in not_archived(connection, 9)] == ["b", "c"]  # a waits for its transcript
    engine.dispose()


async def test_four_hours_are_heard_in_bounded_memory(room: Room) -> None:
    """The file is read twice in chunks; what the process holds does not grow with it."""
    hours = 4
    samples = hours * 3600 * RATE
    raw = room.root / "long.wav"
    with raw.open("wb") as file:  # sparse: silence takes no room on the disk
        file.write(wav_header(samples * 4))
        for at in range(600, hours * 3600, 600):
            file.seek(44 + at * RATE * 4)
            file.write(np.full((RATE, 2), (1000 + at // 600, 0), "<i2").tobytes())
        file.truncate(44 + samples * 4)
    model = FoundModel(room.root, "numbers", "zh", "configured", kind=KIND)
    worker = TranscriptWorker(model, limits=LIMITS)
    await worker.start()
    try:
        before = peak_mb(worker.pid or 0)
        heard = await worker.transcribe(raw)
        after = peak_mb(worker.pid or 0)
    finally:
        await worker.stop()
    assert [turn.text for turn in heard.turns] == [str(1000 + one) for one in range(1, 24)]
    assert heard.turns[-1].start_s == pytest.approx(23 * 600, abs=0.5)
    assert after - before < 30, (before, after)  # the file has 460
