"""The database goes away while calls go on: nothing blocks, nothing is lost, memory is bounded, all of it arrives."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import text

from controller.database import StoreError
from controller.database import database_url as where
from controller.records import Operations, Records
from controller.schema import upgrade
from controller.spool import Spool
from controller.writer import Store, StoreRules, StoreStatus
from pbx.call import CallRecord, Outcome
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, ChannelName
from tests.doors.postgres_server import PostgresServer
from tickets.ticket import TicketPolicy

pytestmark = pytest.mark.doors

RULES = StoreRules(window_s=0.002, retry_first_s=0.02, retry_last_s=0.05, busy_s=0.05, max_waiting=100)


class Fault(Protocol):
    """Makes the database unusable, and usable again."""

    code: str

    def begin(self) -> None: ...
    def end(self) -> None: ...


class Locked:
    """Another program holds SQLite's write lock."""

    code = "locked"

    def __init__(self, path: str) -> None:
        self._path = path

    def begin(self) -> None:
        self._other = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._other.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._other.close()


class Down:
    """PostgreSQL's server is stopped."""

    code = "unreachable"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._down = False

    def begin(self) -> None:
        self._server.stop()
        self._down = True

    def end(self) -> None:
        if self._down:
            self._server.start()
            self._down = False


@pytest.fixture
def fault(database_url: str, request: pytest.FixtureRequest) -> Iterator[Fault]:
    if database_url.startswith("sqlite"):
        yield Locked(where(database_url).database or "")
        return
    down = Down(request.getfixturevalue("postgres"))
    yield down
    down.end()


class MakeStore(Protocol):
    """Starts a store of the database under test."""

    def __call__(self, rules: StoreRules = RULES) -> Awaitable[tuple[Store, Records]]: ...


@pytest.fixture
async def make_store(database_url: str, tmp_path: Path) -> AsyncIterator[MakeStore]:
    await asyncio.to_thread(upgrade, database_url)
    made: list[Store] = []

    async def make(rules: StoreRules = RULES) -> tuple[Store, Records]:
        operations = Operations(TicketPolicy())
        store = Store(database_url, spool=tmp_path / "spool.jsonl", operations=operations.spoolable(), rules=rules)
        await store.start()
        made.append(store)
        return store, Records(store, operations)

    yield make
    for store in made:
        await store.stop(drain_s=1.0)


def call(name: str, step: int = 0) -> CallRecord:
    return CallRecord(CallId(name), ChannelName("PJSIP/x"), "12345", "13800001111", 1000.0, menu_path=(str(step),))


def opening(name: str) -> OpenTicket:
    return OpenTicket(CallId(name), "13800001111", "12345", "zh", "general", AgentId("1001"), 1_795_309_200.0)


async def until(store: Store, wanted: Callable[[StoreStatus], bool], within: float = 20.0) -> StoreStatus:
    """Wait for a state of the store that no event announces: it is another thread's, polled gently, with a deadline."""
    deadline = time.monotonic() + within
    while not wanted(store.status()):
        assert time.monotonic() < deadline, store.status()
        await asyncio.sleep(0.01)
    return store.status()


async def test_what_is_handed_over_during_an_outage_arrives_after_it(
    make_store: MakeStore, fault: Fault, tmp_path: Path
) -> None:
    store, records = await make_store()
    await asyncio.to_thread(fault.begin)
    began = time.monotonic()
    for step in range(50):
        records.save_call(call("c-1", step))
    promised = records.open_ticket(opening("c-1"))
    assert time.monotonic() - began < 0.5, "handing over never waits for the database"
    status = await until(store, lambda status: not status.up)
    assert status.outages == 1
    assert not promised.done()
    await asyncio.to_thread(fault.end)
    number = await asyncio.wait_for(promised, 20)
    saved = await records.call(CallId("c-1"))
    assert saved == replace(call("c-1", 49), ticket=number)
    assert (await records.tickets(0, 4e9))[0].number == number
    status = store.status()
    assert (status.up, status.committed, status.failed, status.waiting) == (True, 51, 0, 0)
    assert not (tmp_path / "spool.jsonl").exists()


async def test_a_long_outage_goes_to_disk_in_order_and_comes_back(
    make_store: MakeStore, fault: Fault, tmp_path: Path
) -> None:
    store, records = await make_store()
    await asyncio.to_thread(fault.begin)
    promised = records.open_ticket(opening("c-0"))
    for number in range(1000):
        records.save_call(call(f"c-{number % 10}", number))
    status = await until(store, lambda status: status.spooled > 800 and status.waiting <= RULES.max_waiting)
    assert status.waiting + status.spooled == 1001, "memory is bounded, nothing is lost"
    assert stat.S_IMODE((tmp_path / "spool.jsonl").stat().st_mode) == 0o600
    with pytest.raises(StoreError) as error:
        await promised
    assert error.value.code == "lost"
    assert "spool.jsonl" in str(error.value)
    await asyncio.to_thread(fault.end)
    status = await until(store, lambda status: status.committed == 1001)
    assert not (tmp_path / "spool.jsonl").exists()
    assert sorted(int(record.menu_path[0]) for record in await records.open_calls()) == list(range(990, 1000))
    assert [ticket.call for ticket in await records.tickets(0, 4e9)] == ["c-0"], "opened late, but opened"


async def test_a_stop_during_an_outage_keeps_everything_for_the_next_start(
    make_store: MakeStore, fault: Fault, tmp_path: Path
) -> None:
    store, records = await make_store()
    await asyncio.to_thread(fault.begin)
    for step in range(20):
        records.save_call(call("c-1", step))
    promised = records.open_ticket(opening("c-1"))
    records.score_ticket(CallId("c-1"), 5)
    await store.stop(drain_s=0.2)
    with pytest.raises(StoreError) as error:
        await promised
    assert error.value.code == "lost"
    assert (tmp_path / "spool.jsonl").read_bytes().count(b"\n") == 22
    with pytest.raises(StoreError) as error:
        await make_store()
    assert error.value.code == fault.code
    assert (tmp_path / "spool.jsonl").read_bytes().count(b"\n") == 22, "a start that failed lost nothing"
    await asyncio.to_thread(fault.end)
    with (tmp_path / "spool.jsonl").open("ab") as file:
        file.write(b'{"operation":"save_call","argum')  # a crash while spooling
    store, records = await make_store()
    (ticket,) = await records.tickets(0, 4e9)
    kept = replace(call("c-1", 19), ticket=ticket.number)
    assert await records.call(CallId("c-1")) == kept, "there before anything else runs"
    assert ticket.satisfaction == 5
    assert not (tmp_path / "spool.jsonl").exists()


async def test_readers_say_so_and_find_their_way_back(make_store: MakeStore, fault: Fault, database_url: str) -> None:
    store, records = await make_store()
    records.save_call(call("c-1"))
    await until(store, lambda status: status.committed == 1)
    assert await records.call(CallId("c-1")) is not None
    await asyncio.to_thread(fault.begin)
    if not database_url.startswith("sqlite"):  # SQLite's readers do not mind a writer
        with pytest.raises(StoreError) as error:
            await records.call(CallId("c-1"))
        assert error.value.code == "unreachable"
    await asyncio.to_thread(fault.end)
    assert await records.call(CallId("c-1")) is not None


async def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hotline.db"
    await asyncio.to_thread(upgrade, url)
    operations = Operations(TicketPolicy())
    store = Store(url, spool=tmp_path / "spool.jsonl", operations=operations.spoolable(), rules=RULES)
    await store.start()

    def limit(pages: int) -> None:
        """SQLite's own bound of the file's size: past it writing fails with SQLITE_FULL, as on a full disk."""
        connection = store._engine.raw_connection()
        connection.cursor().execute(f"PRAGMA max_page_count={pages}")
        connection.close()

    await asyncio.to_thread(limit, 1)  # it cannot be less than it has now
    for number in range(2000):
        store.put(operations.save_call, dataclasses.replace(call(f"c-{number}"), channel=ChannelName("x" * 500)))
    status = await until(store, lambda status: not status.up)
    assert "full" in status.last_error
    assert "make room" in status.last_error
    await asyncio.to_thread(limit, 1_000_000)
    await until(store, lambda status: status.committed == 2000)
    await store.stop()
    assert store.status().failed == 0


async def test_two_writers_on_one_database_never_give_a_number_twice(make_store: MakeStore) -> None:
    (_, one), (_, two) = await make_store(StoreRules()), await make_store(StoreRules())
    futures = [
        which.open_ticket(opening(f"{name}-{n}")) for n in range(150) for name, which in (("a", one), ("b", two))
    ]
    numbers = await asyncio.wait_for(asyncio.gather(*futures), 60)
    assert len(set(numbers)) == 300
    both = [which.open_ticket(opening(f"same-{n}")) for n in range(50) for which in (one, two)]
    same = await asyncio.wait_for(asyncio.gather(*both), 60)
    assert same[::2] == same[1::2], "one ticket a call, whoever is told"
    assert len(await one.tickets(0, 4e9)) == 350


async def test_a_spooled_line_of_another_program_is_left_out(
    make_store: MakeStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operations = Operations(TicketPolicy())
    spool = Spool(tmp_path / "spool.jsonl", operations.spoolable())
    spool.append([(operations.save_call, call("c-1"))])
    with (tmp_path / "spool.jsonl").open("ab") as file:
        file.write(b'{"operation":"fly","argument":{"caller":"13911112222"}}\n')
        file.write(b'{"operation":"save_call","argum')  # a crash while spooling: the next line must not be glued to it
    Spool(tmp_path / "spool.jsonl", operations.spoolable()).append([(operations.save_call, call("c-2"))])
    _, records = await make_store()
    assert [record.call for record in await records.open_calls()] == ["c-1", "c-2"]
    assert "line 2" in caplog.text
    assert "13911112222" not in caplog.text


async def test_a_later_record_wins_over_a_spooled_one(make_store: MakeStore, tmp_path: Path) -> None:
    operations = Operations(TicketPolicy())
    spool = Spool(tmp_path / "spool.jsonl", operations.spoolable())
    spool.append([(operations.save_call, call("c-1"))])
    store, records = await make_store()
    records.save_call(dataclasses.replace(call("c-1"), ended_at=5.0, outcome=Outcome.ABANDONED))
    await until(store, lambda status: status.committed == 2)
    assert await records.open_calls() == []


async def test_text_that_postgresql_cannot_hold_is_one_wrong_write(store: Store, records: Records) -> None:
    records.save_call(dataclasses.replace(call("c-1"), caller="\ud800"))
    records.save_call(call("c-2"))
    await until(store, lambda status: status.committed + status.failed == 2)
    assert store.status().failed == 1
    found = await store.read(lambda connection: connection.execute(text("SELECT call FROM calls")).scalars().all())
    assert found == ["c-2"]
