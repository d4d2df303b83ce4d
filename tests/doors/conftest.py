"""The store on both databases: every test that asks for one of these runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.records import Operations, Records
from controller.schema import upgrade
from controller.writer import Store, StoreRules
from tests.doors.postgres_server import NoPostgres, PostgresServer, find_postgres
from tickets.ticket import TicketPolicy


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for the session; skipped, with the reason in pytest's summary, where there can be none."""
    try:
        server = PostgresServer(*find_postgres())
        server.start()
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL for the tests: {reason}")
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is still empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hotline.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.new_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
def shaped_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with its tables, to be copied: a copy takes a hundredth of what all revisions take."""
    file = tmp_path_factory.mktemp("shaped") / "hotline.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def shaped_database(postgres: PostgresServer) -> str:
    """The same on the session's PostgreSQL: the name of a database that others are made of."""
    name = postgres.new_database()
    upgrade(postgres.url(name))
    return name


@pytest.fixture
def shaped_url(database_url: str, request: pytest.FixtureRequest) -> str:
    """`database_url` with its tables made, all empty."""
    if database_url.startswith("sqlite:///"):
        shutil.copyfile(request.getfixturevalue("shaped_file"), database_url.removeprefix("sqlite:///"))
        return database_url
    server: PostgresServer = request.getfixturevalue("postgres")
    name = database_url.partition("@/")[2].partition("?")[0]
    server.drop_database(name)
    server.execute(f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('shaped_database')}")
    return database_url


@pytest.fixture
def operations() -> Operations:
    """Every kind of write, with the default policy."""
    return Operations(TicketPolicy())


@pytest.fixture
async def store(shaped_url: str, tmp_path: Path, operations: Operations) -> AsyncIterator[Store]:
    """A started store with short times, its tables made."""
    rules = StoreRules(window_s=0.005, retry_first_s=0.02, retry_last_s=0.05, busy_s=0.05)
    made = Store(shaped_url, spool=tmp_path / "spool.jsonl", operations=operations.spoolable(), rules=rules)
    await made.start()
    yield made
    await made.stop(drain_s=2.0)


@pytest.fixture
def records(store: Store, operations: Operations) -> Records:
    """The hotline's memory over `store`."""
    return Records(store, operations)
