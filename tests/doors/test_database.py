"""The store: written in order, promised after the commit, and one wrong write hurts no other."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from controller.database import StoreError, make_engine
from controller.database import database_url as where
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.spool import Operation
from controller.writer import Store, StoreRules
from metrics import sql as call_rows
from pbx.call import CallRecord, OfferRecord, Outcome
from pbx.commands import OpenTicket
from pbx.events import CallerEntry
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from recordings.sql import RecordingRow
from recordings.transcript import Transcript, Turn, Word
from tests.doors.postgres_server import PostgresServer
from tests.ticket_story import LI, WANG
from tickets import sql as ticket_rows
from tickets.moves import TicketState
from tickets.ticket import TicketChange, TicketPolicy, TicketType

pytestmark = pytest.mark.doors

R = TypeVar("R")
SRC = Path(__file__).resolve().parents[2]


def call(name: str, arrived_at: float = 1000.0, **values: object) -> CallRecord:
    record = CallRecord(CallId(name), ChannelName(f"PJSIP/{name}"), "12345", "13800001111", arrived_at)
    return dataclasses.replace(record, **values)  # type: ignore[arg-type]


def opening(name: str, at: float = 1_795_309_200.0) -> OpenTicket:
    return OpenTicket(CallId(name), "13800001111", "12345", "zh", "general", AgentId("1001"), at)


@pytest.fixture
def engine(shaped_url: str) -> Iterator[Engine]:
    """A second way into the same database, its tables made."""
    made = make_engine(where(shaped_url))
    yield made
    made.dispose()


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
instants = st.floats(0, 4e9)
some_offers = st.builds(OfferRecord, texts, instants, texts, texts, st.none() | instants)
some_calls = st.builds(
    CallRecord,
    call=texts,
    channel=texts,
    dialled=texts,
    caller=texts,
    arrived_at=instants,
    language=texts,
    menu_path=st.lists(texts, max_size=3).map(tuple),
    menu_done_at=st.none() | instants,
    queue=st.none() | texts,
    queued_at=st.none() | instants,
    offers=st.lists(some_offers, max_size=3).map(tuple),
    agent=st.none() | texts,
    joined_at=st.none() | instants,
    released_at=st.none() | instants,
    score=st.none() | st.integers(1, 5),
    ticket=st.none() | texts,
    recording=st.none() | texts,
    in_net=st.booleans(),
    outcome=st.none() | st.sampled_from(Outcome),
    ended_at=st.none() | instants,
    place_at=st.none() | instants,
    favours=st.lists(texts, max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=some_calls, later=some_calls)
def test_a_call_record_comes_back_exactly_and_is_replaced_whole(
    engine: Engine, first: CallRecord, later: CallRecord
) -> None:
    later = dataclasses.replace(later, call=first.call)
    with engine.begin() as connection:
        call_rows.save_call(connection, first)
    with engine.begin() as connection:
        assert call_rows.get_call(connection, first.call) == first
        call_rows.save_call(connection, later)
    with engine.begin() as connection:
        assert call_rows.get_call(connection, first.call) == later
        assert (later in call_rows.open_calls(connection)) is (later.ended_at is None)
        assert later in call_rows.list_calls(connection, later.arrived_at, later.arrived_at + 1)
        assert later not in call_rows.list_calls(connection, 0.0, later.arrived_at)


async def test_records_of_one_call_are_written_in_order_and_many_at_once(store: Store, records: Records) -> None:
    for number in range(1000):
        offered = tuple(OfferRecord(AgentId("1001"), float(at), "longest idle") for at in range(number % 3))
        records.save_call(call("c-1", menu_path=(str(number),), offers=offered, queue=QueueId("general")))
    future = records.open_ticket(opening("c-1"))
    number_ = await asyncio.wait_for(future, 10)
    found = await records.call(CallId("c-1"))
    assert found is not None
    assert found.menu_path == ("999",)
    assert len(found.offers) == 999 % 3
    ticket = await records.ticket_of_call(CallId("c-1"))
    assert ticket is not None
    assert ticket.number == number_
    status = store.status()
    assert status.committed == status.submitted == 1001
    assert 6 <= status.batches <= 30, "a thousand and one writes are some batches of 200"
    assert (status.waiting, status.failed, status.spooled) == (0, 0, 0)


async def test_open_calls_and_days(records: Records) -> None:
    records.save_call(call("late", 2000.0))
    records.save_call(call("early", 1000.0, ended_at=1100.0, outcome=Outcome.ANSWERED))
    records.save_call(call("middle", 1500.0))
    await records.save_recording(RecordingRow(CallId("late"), "p", 1.0, 2.0, 3, "00"))  # everything before is committed
    assert [record.call for record in await records.open_calls()] == ["middle", "late"]
    assert [record.call for record in await records.calls(1000.0, 2000.0)] == ["early", "middle"]
    assert await records.call(CallId("nobody")) is None


async def test_a_future_resolves_after_the_commit_and_never_before(
    store: Store, records: Records, database_url: str
) -> None:
    other = make_engine(where(database_url), read_only=True)
    seen: list[int] = []

    def count() -> int:
        with other.begin() as connection:
            return int(connection.execute(text("SELECT count(*) FROM tickets")).scalar_one())

    store._before_commit = lambda: seen.append(count())  # what another program sees just before the commit
    future = records.open_ticket(opening("c-1"))
    assert not future.done()
    await asyncio.wait_for(future, 5)
    assert seen == [0]
    assert await asyncio.to_thread(count) == 1
    other.dispose()


async def test_a_wrong_write_does_not_take_the_others_of_its_batch_along(
    store: Store, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(connection: Connection, secret: str) -> None:
        connection.execute(text("INSERT INTO ticket_days (day, last) VALUES (:day, NULL)"), {"day": secret})

    def faulty(connection: Connection, secret: str) -> None:
        connection.execute(text("INSERT INTO ticket_days (day, last) VALUES (:day, 1)"), {"day": secret})
        raise ZeroDivisionError(secret)

    with caplog.at_level(logging.DEBUG):
        records.save_call(call("before"))
        refused = store.submit(Operation("wrong", wrong), "13911112222")
        raised = store.submit(Operation("faulty", faulty), "13911112222")
        store.put(Operation("wrong", wrong), "13911112222")
        records.save_call(call("after"))
        number = await asyncio.wait_for(records.open_ticket(opening("after")), 5)
    with pytest.raises(StoreError) as error:
        await refused
    assert error.value.code == "failed"
    with pytest.raises(ZeroDivisionError):
        await raised
    assert number
    assert await records.call(CallId("before")) == call("before")
    assert await records.call(CallId("after")) == dataclasses.replace(call("after"), ticket=number)
    left = await store.read(lambda connection: connection.execute(text("SELECT day FROM ticket_days")).scalars().all())
    assert left == [number[:8]], "what the faulty write did before it raised is undone"
    status = store.status()
    assert (status.failed, status.committed, status.retried) == (3, 3, 1)
    assert "13911112222" not in caplog.text
    assert status.up


async def test_a_call_that_has_ended_names_the_ticket_that_is_opened_for_it_later(records: Records) -> None:
    """A call that ended while no controller lived: its record first, then its ticket."""
    records.save_call(call("c-1"))
    number = await records.open_ticket(opening("c-1"))
    assert await records.open_ticket(opening("c-1")) == number
    found = await records.call(CallId("c-1"))
    assert found is not None
    assert found.ticket == number


async def test_recordings_and_transcripts_come_back_and_are_linked(records: Records) -> None:
    number = await records.open_ticket(opening("c-1"))
    row = RecordingRow(CallId("c-1"), "2026/11/22/c-1.wav", 1.25, 61.5, 984_044, "ab" * 32, -21.5, None, 99.0)
    turns = (Turn("citizen", 0.1, 0.9, "水管爆了 🚰", (Word(0.1, 0.9, "水管爆了 🚰", 0.875),)),)
    heard = Transcript(turns, "zh", "vosk", None, 61.5)
    await records.save_recording(row)
    await records.save_recording(dataclasses.replace(row, duration_s=62.0))
    await records.save_transcript(CallId("c-1"), heard, 200.0)
    assert await records.recording(CallId("c-1")) == dataclasses.replace(row, duration_s=62.0)
    assert await records.transcript(CallId("c-1")) == heard
    assert await records.recording(CallId("c-2")) is None
    assert await records.transcript(CallId("c-2")) is None
    ticket = await records.ticket(number)
    assert ticket is not None
    assert (ticket.recording, ticket.transcript) == ("2026/11/22/c-1.wav", True)


async def test_readers_cannot_write(store: Store) -> None:
    def write(connection: Connection) -> None:
        connection.execute(text("INSERT INTO ticket_days (day, last) VALUES ('20261122', 1)"))

    with pytest.raises(StoreError):
        await store.read(write)


async def test_a_stopped_store_refuses_and_has_everything(database_url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(upgrade, database_url)
    operations = Operations(TicketPolicy())
    store = Store(database_url, spool=tmp_path / "spool.jsonl", operations=operations.spoolable())
    await store.start()
    for number in range(500):
        store.put(operations.save_call, call(f"c-{number:03d}"))
    await store.stop()
    late = store.submit(operations.open_ticket, opening("c-1"))
    with pytest.raises(StoreError) as error:
        await late
    assert error.value.code == "lost"
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        assert len(call_rows.open_calls(connection)) == 500
    engine.dispose()


def test_sqlite_is_opened_with_the_settings_that_the_promises_rest_on(tmp_path: Path) -> None:
    url = where(f"sqlite:///{tmp_path}/hotline.db")
    for read_only, expected in ((False, ("wal", 2, 1, 5000, 0)), (True, ("wal", 2, 1, 5000, 1))):
        engine = make_engine(url, read_only=read_only)
        with engine.connect() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
            found = tuple(connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas)
        engine.dispose()
        assert found == expected


def both(engine: Engine, first: Callable[[Connection], object], second: Callable[[Connection], R]) -> R:
    """Two writers: the second begins while the first has written and not yet committed."""
    other = make_engine(engine.url)

    def later() -> R:
        with other.begin() as connection:
            return second(connection)

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            first(connection)
            waiting = pool.submit(later)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        found = waiting.result(10)
    other.dispose()
    return found


def test_two_writers_open_one_ticket_for_one_call(engine: Engine) -> None:
    policy = TicketPolicy()
    number = both(
        engine,
        lambda connection: ticket_rows.open_ticket(connection, opening("c-1"), policy),
        lambda connection: ticket_rows.open_ticket(connection, opening("c-1"), policy),
    )
    with engine.begin() as connection:
        (ticket,) = ticket_rows.list_tickets(connection, 0.0, 4e9)
        assert ticket.number == number
        assert len(ticket_rows.list_moves(connection, number)) == 1


def test_two_writers_do_not_undo_each_others_changes(engine: Engine) -> None:
    policy = TicketPolicy()
    with engine.begin() as connection:
        number = ticket_rows.open_ticket(connection, opening("c-1"), policy)
    ticket = both(
        engine,
        lambda connection: ticket_rows.change_ticket(connection, number, TicketChange(text="x"), WANG, 1.0, policy),
        lambda connection: ticket_rows.change_ticket(connection, number, TicketChange(type="help"), LI, 2.0, policy),
    )
    assert (ticket.text, ticket.type, ticket.state) == ("x", TicketType.HELP, TicketState.REGISTERED)


DYING = """
import asyncio, sys
from pathlib import Path
from controller.records import Operations, Records
from controller.writer import Store
from pbx.commands import OpenTicket
from tickets.ticket import TicketPolicy

async def main():
    operations = Operations(TicketPolicy())
    store = Store(sys.argv[1], spool=Path(sys.argv[2]), operations=operations.spoolable())
    await store.start()
    records = Records(store, operations)
    for number in range(1000000):
        opening = OpenTicket(f"c-{number}", "1", "12345", "zh", "general", "1001", 1.0)
        print(await records.open_ticket(opening), flush=True)

asyncio.run(main())
"""


async def test_a_number_that_was_promised_survives_kill_9(database_url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(upgrade, database_url)
    dying = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DYING, database_url, tmp_path / "spool.jsonl", stdout=asyncio.subprocess.PIPE, cwd=SRC,
        env={**os.environ, "PYTHONPATH": str(SRC)},
    )  # fmt: skip
    assert dying.stdout is not None
    promised = [(await dying.stdout.readline()).decode().strip() for _ in range(20)]
    dying.send_signal(signal.SIGKILL)
    promised += (await dying.stdout.read()).decode().split()
    await dying.wait()
    engine = make_engine(where(database_url))
    with engine.begin() as connection:
        kept = set(connection.execute(text("SELECT number FROM tickets")).scalars())
    engine.dispose()
    assert len(promised) >= 20
    assert set(promised) <= kept


# ---------------------------------------------------------------- a start that fails says why, in one sentence


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("hotline.db", "wrong_url"),
        ("sqlite://", "wrong_url"),
        ("sqlite:///:memory:", "wrong_url"),
        ("mysql://root:geheim@localhost/x", "wrong_url"),
        ("postgresql://hotline:geheim@127.0.0.1:1/x", "unreachable"),
        ("sqlite:////proc/hotline/x.db", "read_only"),
    ],
)
def test_a_database_that_cannot_be_is_one_sentence(url: str, code: str) -> None:
    with pytest.raises(StoreError) as error:
        upgrade(url)
    assert error.value.code == code
    sentence = str(error.value)
    assert "geheim" not in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert ";" in sentence, "says what is wrong; and what to do"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("just some notes of mine, long enough to be looked at as a header " * 4)
    with pytest.raises(StoreError) as error:
        upgrade(f"sqlite:///{tmp_path}/notes.db")
    assert error.value.code == "damaged"


def test_a_server_that_refuses_the_database(postgres: PostgresServer) -> None:
    with pytest.raises(StoreError) as error:
        upgrade(postgres.url("nobody_made_this"))
    assert error.value.code == "wrong_url"
    assert "database's name" in str(error.value)


async def test_start_without_tables_is_refused(database_url: str, tmp_path: Path) -> None:
    store = Store(database_url, spool=tmp_path / "spool.jsonl")
    with pytest.raises(StoreError) as error:
        await store.start()
    assert error.value.code == "older"


async def test_a_locked_database_is_refused_at_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hotline.db"
    await asyncio.to_thread(upgrade, url)
    other = sqlite3.connect(tmp_path / "hotline.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = Store(url, spool=tmp_path / "spool.jsonl", rules=StoreRules(busy_s=0.05))
    with pytest.raises(StoreError) as error:
        await store.start()
    assert error.value.code == "locked"
    assert "another program" in str(error.value)
    other.close()


async def test_the_caller_list_is_kept(records: Records) -> None:
    vip = CallerEntry("139*", "vip", 4e9, QueueId("general"), 4, "1001", "防汛 🌊")
    records.save_listing(CallerEntry("138*", "nuisance", 4e9, QueueId("desk")))
    records.save_listing(CallerEntry("139*", "vip", 5.0))
    records.save_listing(vip)
    records.drop_listing("138*")
    records.drop_listing("137*")
    await records.open_ticket(opening("after them all"))
    assert await records.listings() == [vip]
