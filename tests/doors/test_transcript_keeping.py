"""Transcripts are erased when their own time is over, before or after their recordings; over both databases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from controller import transcript_rows
from controller.audit_rows import check
from controller.audit_rows import read as read_audit
from controller.database import database_url as where
from controller.database import make_engine
from controller.records import Records
from controller.schema import upgrade
from controller.spool import Operation
from controller.transcript_jobs_desk import HotlineTranscriptJobs
from controller.transcript_keeping import TranscriptKeeping
from controller.transcripts import Transcripts
from controller.writer import Store
from pbx.ids import CallId
from pbx.terms import key_of
from recordings.archive import sql as archive_rows
from recordings.corrections import Correction
from recordings.inspection.findings import Inspection
from recordings.inspection.sql import InspectedCall, get_inspection, save_inspection, waiting
from recordings.jobs_sql import Job, add_job, get_job, job_done
from recordings.keeping import DAY_S, KeepPolicy, KeepRule
from recordings.pool import Cores, RecogniserPool
from recordings.sql import get_recording, get_transcript
from recordings.words_due_sql import due, get_words_erasure
from recordings.words_sql import add_correction, matching
from tests.doors.test_migrations import upgrade_to
from tests.recording_room import NOW, Room
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput
from tickets.sql import tickets_of_calls
from tickets.tables import tickets
from web.backend import Refused

pytestmark = pytest.mark.doors

SOONER = KeepPolicy(365, (KeepRule("complaints", frozenset({"complaint"}), 1825),), 90)
LATER = KeepPolicy(365, (), 1000)
TABLES = ("transcripts", "transcript_corrections", "transcript_places", "transcript_due")


@pytest.fixture
def room(tmp_path: Path, store: Store, records: Records) -> Room:
    return Room(tmp_path, store, records)


async def write(store: Store, work: Callable[[Connection], object]) -> object:
    return await store.submit(Operation("test", lambda connection, given: work(connection)), None)


def keeping(room: Room, rules: KeepPolicy) -> TranscriptKeeping:
    return TranscriptKeeping(room.store, rules, lambda: room.now)


async def left(room: Room, *calls: str) -> set[str]:
    return {call for call in calls if await room.store.read(get_transcript, CallId(call)) is not None}


def look_into(call: str, connection: Connection) -> None:
    """A person corrects the transcript, and an inspection quotes of it."""
    fix = Correction(2, 1, 0, "citizen", 0.1, 0.9, "停水", "停电", "boss", "supervisor", NOW)
    add_correction(connection, CallId(call), fix)
    found = Inspection("r", "judged", "judged")
    save_inspection(connection, InspectedCall(call, NOW, NOW, "x", "1001", "q", NOW, "2026-11-22", found))


async def index(room: Room, call: str) -> None:
    found = await room.store.read(transcript_rows.keys_for, CallId(call))
    assert found is not None
    assert await write(room.store, lambda connection: transcript_rows.index(connection, found))


async def test_words_corrections_index_and_quotations_go_when_their_time_is_over_and_the_sound_stays(
    room: Room,
) -> None:
    for call in ("old", "other"):
        wav = await room.record(call, 100)
        await write(room.store, partial(look_into, call))
        await index(room, call)
    hold = archive_rows.Hold("h", CallId("other"), "复核中", "boss", NOW)
    await write(room.store, lambda connection: archive_rows.place_hold(connection, hold))
    body = await room.store.read(lambda connection: connection.execute(text("SELECT body FROM transcripts")).scalar())
    assert await keeping(room, SOONER).look() == 1
    assert await keeping(room, SOONER).look() == 0

    def rows_of(connection: Connection) -> list[int]:
        found = [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES]  # noqa: S608
        if connection.dialect.name == "postgresql":
            return [*found, connection.execute(text("SELECT count(*) FROM transcript_words")).scalar_one()]
        match = text("SELECT count(*) FROM transcript_words WHERE transcript_words MATCH :said")
        said = matching([[key_of("停电")]])
        return [*found, connection.execute(match, {"said": said}).scalar_one()]

    assert await room.store.read(rows_of) == [1, 1, 1, 1, 1], "those of the other call, which is held"
    assert await left(room, "old", "other") == {"other"}
    assert await room.store.read(get_inspection, "old") is None
    assert await room.store.read(waiting, "r", 0.0, 9) == [], "nor is it inspected anew, which would count it twice"
    assert await room.store.read(get_inspection, "other") is not None
    assert await room.store.read(get_recording, CallId("old")) is not None
    assert wav.exists()
    gone = await room.store.read(get_words_erasure, CallId("old"))
    assert gone is not None
    assert (gone.rule, gone.corrections, gone.started_at) == ("general", 1, NOW - 100 * DAY_S)
    assert gone.sha256 == hashlib.sha256(str(body).encode()).hexdigest()
    (line,) = [one.entry for one in await room.store.read(read_audit, NOW - 1, NOW + 1)]
    assert (line.action, line.call, line.outcome) == ("erase_transcript", "old", "ok")
    assert gone.sha256 in line.zh
    assert gone.sha256 in line.en
    assert "停水" not in line.zh, "no word of the caller"
    assert (await room.store.read(check)).faults == ()


async def test_open_tickets_types_and_holds_keep_them_and_what_changes_is_asked_anew(room: Room) -> None:
    for call in ("plain", "complaint", "open"):
        await room.record(call, 100)
    agent = Actor("1001", Role.AGENT)
    number = await room.ticket("complaint", 100, "complaint")
    await room.records.move_ticket(number, Move(TicketInput.ANSWER, text="已答复"), agent, at=NOW - 99 * DAY_S)
    number = await room.ticket("open", 100, "help")
    archivist = room.archivist(rules=SOONER)
    words = keeping(room, SOONER)
    await archivist.judge_all()
    assert await words.look() == 1
    assert await left(room, "plain", "complaint", "open") == {"complaint", "open"}
    await room.records.move_ticket(number, Move(TicketInput.ANSWER, text="已答复"), agent, at=NOW - 99 * DAY_S)
    assert await words.look() == 0, "what has changed is taken by the round of the recordings"
    await archivist.judge_all()
    assert await words.look() == 1
    assert await left(room, "complaint", "open") == {"complaint"}
    of_ticket = select(tickets.c.transcript).where(tickets.c.call == "open")
    assert not await room.store.read(lambda connection: connection.execute(of_ticket).scalar_one())
    assert await room.store.read(tickets_of_calls, [CallId("open")])
    assert await keeping(room, KeepPolicy(365, (), 90)).look() == 1, "other rules are asked of all"


async def test_one_that_outlives_its_recording_is_erased_later_and_can_be_held(room: Room) -> None:
    await room.record("c", 400)
    archivist, words = room.archivist(rules=LATER), keeping(room, LATER)
    await archivist.judge_all()
    assert await archivist.erase_due() == 1
    assert await words.look() == 0
    assert await left(room, "c") == {"c"}
    assert await room.store.read(get_recording, CallId("c")) is None
    (line,) = [one.entry for one in await room.store.read(read_audit, NOW - 1, NOW + 1)]
    assert line.en.startswith("recording erased by the rule general")
    hold = archive_rows.Hold("h", CallId("c"), "复核中", "boss", NOW)
    assert await write(room.store, lambda connection: archive_rows.place_hold(connection, hold))
    room.now = NOW + 700 * DAY_S
    assert await words.look() == 0
    await write(room.store, lambda connection: archive_rows.end_hold(connection, CallId("c"), "h", "boss", NOW))
    assert await words.look() == 1
    assert await left(room, "c") == set()
    late = archive_rows.Hold("h-2", CallId("c"), "复核中", "boss", NOW)
    assert not await write(room.store, lambda connection: archive_rows.place_hold(connection, late))


async def test_with_the_same_days_both_go_with_one_line(room: Room) -> None:
    await room.record("c", 400)
    archivist = room.archivist()
    await archivist.judge_all()
    assert await archivist.erase_due() == 1
    assert await room.store.read(lambda connection: connection.execute(select(due.c.call)).all()) == []
    assert await keeping(room, KeepPolicy(365)).look() == 0
    (line,) = [one.entry for one in await room.store.read(read_audit, NOW - 1, NOW + 1)]
    assert line.en.startswith("recording and transcript erased by the rule general")


async def test_a_transcript_that_went_first_has_its_own_line_and_the_sound_another(room: Room) -> None:
    await room.record("c", 400)
    assert await keeping(room, SOONER).look() == 1
    archivist = room.archivist(rules=SOONER)
    await archivist.judge_all()
    assert await archivist.erase_due() == 1
    lines = [one.entry.en for one in await room.store.read(read_audit, NOW - 1, NOW + 1)]
    assert [line.split(" erased by")[0] for line in lines] == ["transcript", "recording"]


async def test_the_archivist_does_it_by_itself(room: Room) -> None:
    await room.record("c", 100)
    seen = asyncio.Event()
    archivist = room.archivist(rules=SOONER, over=lambda: seen.set() if archivist.figures.transcripts_erased else None)
    task = asyncio.create_task(archivist.run())
    async with asyncio.timeout(60):
        await seen.wait()
    assert await left(room, "c") == set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_is_being_made_again_waits_and_an_erased_one_is_not_made_again(room: Room) -> None:
    await room.record("c", 100)
    call = CallId("c")
    await write(room.store, lambda connection: add_job(connection, Job(call, "zh", None, NOW)))
    words = keeping(room, SOONER)
    assert await words.look() == 0
    assert await left(room, "c") == {"c"}
    await write(room.store, lambda connection: job_done(connection, call, NOW))
    assert await words.look() == 1
    assert await room.store.read(get_job, call) is None
    pool = RecogniserPool({}, Cores(1), 1)
    transcripts = Transcripts(room.store, room.records, room.root, lambda: NOW, pool)
    desk = HotlineTranscriptJobs(transcripts, room.records, lambda: NOW)
    with pytest.raises(Refused, match="transcript_erased"):
        await desk.again(call)
    assert await room.store.read(get_job, call) is None


async def test_the_look_for_what_is_due_reads_an_index_and_no_table(room: Room) -> None:
    def plan(connection: Connection) -> str:
        query = select(due.c.call).where(due.c.rules == "x", due.c.due_at <= 1.0).order_by(due.c.due_at, due.c.call)
        said = query.limit(50).compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # an empty table is read whole otherwise
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{explain} {said}"))

    said = await room.store.read(plan)
    assert "ix_transcript_due_rules" in said
    assert "Sort" not in said
    assert "TEMP B-TREE" not in said


def test_transcripts_of_before_get_a_clock_from_their_recordings(database_url: str) -> None:
    """0028: those whose recording is not known count from when they were made."""
    upgrade_to(database_url, "0023")
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        columns = "call, path, started_at, duration_s, size_bytes, sha256"
        connection.execute(text(f"INSERT INTO recordings ({columns}) VALUES ('a', 'a.wav', 5.0, 1.0, 1, 'x')"))
        for call in "ab":
            values = f"('{call}', 'zh', 'vosk', 9.0, '{{}}', 1)"
            insert = "INSERT INTO transcripts (call, language, recogniser, made_at, body, base) VALUES "
            connection.execute(text(insert + values))
    upgrade(database_url)
    with engine.connect() as connection:
        found = connection.execute(select(due.c.call, due.c.started_at, due.c.rules).order_by(due.c.call)).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [("a", 5.0, ""), ("b", 9.0, "")]
