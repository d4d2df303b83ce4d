"""The lease: one holder, taken over in the instant of its death, and taken from one that stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.engine import cancelled
from controller.lease import DatabaseLease, FileLease, LeaseLost
from tests.doors.postgres_server import PostgresServer

pytestmark = pytest.mark.doors

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import asyncio, sys
from pathlib import Path
from controller.lease import DatabaseLease, FileLease

async def main():
    where = sys.argv[1]
    lease = DatabaseLease(where) if "://" in where else FileLease(Path(where))
    assert lease.take()
    print("held", flush=True)
    await lease.keep()

asyncio.run(main())
"""


def holder(where: str) -> subprocess.Popen[bytes]:
    """Another process that holds the lease."""
    made = subprocess.Popen([sys.executable, "-c", HOLDER, where], stdout=subprocess.PIPE, cwd=ROOT)
    assert made.stdout is not None
    assert made.stdout.readline() == b"held\n"
    return made


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.new_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "lock") if request.param == "file" else str(request.getfixturevalue("database"))


def lease_at(place: str) -> FileLease | DatabaseLease:
    return DatabaseLease(place) if "://" in place else FileLease(Path(place))


async def test_the_lease_of_a_killed_holder_is_taken_within_two_seconds(place: str) -> None:
    first = holder(place)
    lease = lease_at(place)
    try:
        assert not await asyncio.to_thread(lease.take)
        waiting = asyncio.create_task(lease.wait())
        await asyncio.sleep(0.3)  # it looks a few times and finds it held
        assert not waiting.done()
        killed = time.monotonic()
        first.kill()
        async with asyncio.timeout(2.0):
            await waiting
        assert time.monotonic() - killed < 2.0
    finally:
        first.kill()
        first.communicate()
        await asyncio.to_thread(lease.close)


async def test_the_lease_of_a_holder_that_stands_still_is_taken(place: str) -> None:
    first = holder(place)
    lease = lease_at(place)
    try:
        waiting = asyncio.create_task(lease.wait(frozen_s=2.5))
        await asyncio.sleep(3.5)  # it lives, and shows it: longer than one that stands still is borne with
        assert not waiting.done()
        os.kill(first.pid, signal.SIGSTOP)
        async with asyncio.timeout(10):
            await waiting
    finally:
        first.kill()
        first.communicate()
        await asyncio.to_thread(lease.close)


async def test_a_held_lease_names_its_holder(tmp_path: Path) -> None:
    first = holder(str(tmp_path / "lock"))
    lease = FileLease(tmp_path / "lock")
    assert not lease.take()
    assert lease.holder == first.pid
    first.kill()
    first.communicate()
    assert lease.take()
    lease.close()


async def test_a_holder_whose_session_was_ended_while_another_took_over_ends(
    postgres: PostgresServer, database: str
) -> None:
    first, second = DatabaseLease(database), DatabaseLease(database)
    try:
        assert await asyncio.to_thread(first.take)
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.wait())
        await asyncio.to_thread(
            postgres.execute, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        async with asyncio.timeout(5):
            await waiting
            with pytest.raises(LeaseLost):
                await keeping
    finally:
        await asyncio.to_thread(first.close)
        await asyncio.to_thread(second.close)


async def test_a_holder_serves_on_while_the_server_is_away(postgres: PostgresServer, database: str) -> None:
    lease = DatabaseLease(database)
    try:
        assert await asyncio.to_thread(lease.take)
        keeping = asyncio.create_task(lease.keep())
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(2.2)  # two signs of life into nothing
        assert not keeping.done()
        await asyncio.to_thread(postgres.start)
        other = DatabaseLease(database)
        async with asyncio.timeout(10):
            while await asyncio.to_thread(other.take):  # until the holder has it back
                await asyncio.to_thread(other.close)
                await asyncio.sleep(0.2)
                other = DatabaseLease(database)
        await asyncio.to_thread(other.close)
        await cancelled(keeping)
    finally:
        await asyncio.to_thread(lease.close)
