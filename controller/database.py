"""The database by its URL: SQLite (the embedded default) or PostgreSQL, the same code above both.

Here are the engines with the settings that the promises rest on (`architecture.md` rule 10), and what every fault of a
database means to the operator: a `StoreError` whose text is one sentence with what to do. No text ever holds data or a
password.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

import acd.callback_sql
import acd.sql
import knowledge.index
import knowledge.sql  # noqa: F401 - its tables join those of the room
import knowledge.tasks_sql  # noqa: F401 - its tables join those of the room
import metrics.intervals_sql
import metrics.sql
import recordings.archive.sql  # its tables join those of the room
import recordings.checks_sql  # and so do these
import recordings.inspection.tables
import recordings.jobs_sql
import recordings.sql
import recordings.words_due_sql
import tickets.exchange.tables
import tickets.incidents_sql  # its tables and those of the terms join the others of the room
import tickets.ownership_sql
import tickets.sql
from controller import (
    alert_rows,
    audit_rows,
    campaign_rows,
    day_rows,
    desk_notice_rows,
    import_rows,
    notice_rows,
    override_rows,
)

if TYPE_CHECKING:  # only who uses PostgreSQL waits for its driver at the start
    import psycopg

METADATAS: tuple[MetaData, ...] = (
    acd.sql.metadata,
    acd.callback_sql.metadata,
    metrics.sql.metadata,
    metrics.intervals_sql.metadata,
    day_rows.metadata,
    recordings.sql.metadata,
    tickets.sql.metadata,
    knowledge.index.metadata,  # its entries and tasks are in it too
    tickets.ownership_sql.metadata,
    tickets.exchange.tables.metadata,
    audit_rows.metadata,
    override_rows.metadata,
    notice_rows.metadata,
    campaign_rows.metadata,
    desk_notice_rows.metadata,
    import_rows.metadata,
    alert_rows.metadata,
)
"""The tables of every room that has any."""

BUSY_TIMEOUT_S = 5.0
"""How long to wait for another program's lock before it is said to be locked."""

CONNECT_TIMEOUT_S = 5
"""How long a connection to PostgreSQL may take."""

STATEMENT_TIMEOUT_S = 15
"""No statement of ours takes so long; one that does is given up, so that the line behind it goes on (PostgreSQL)."""

EXAMPLE_URLS = "sqlite:///var/hotline.db or postgresql://user:password@host/database"


class StoreError(Exception):
    """The database cannot be used; `str()` is one sentence with what to do.

    `code`: ``locked disk_full newer older unreachable wrong_url read_only damaged lost failed``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def database_url(text: str) -> URL:
    """The URL, checked, with the one driver that we use for each kind of database. Raises `StoreError` (wrong_url)."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError("wrong_url", f"The database URL is not one; write it like {EXAMPLE_URLS}.") from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not url.database or url.database == ":memory:":
            raise StoreError("wrong_url", f"The database URL names no file; write it like {EXAMPLE_URLS}.")
        return url.set(drivername="sqlite+pysqlite")
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError("wrong_url", f"A database of kind {kind!r} is not supported; write a URL like {EXAMPLE_URLS}.")


def shown(url: URL) -> str:
    """The URL as it may be shown and logged."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def make_engine(url: URL, *, pool_size: int = 1, read_only: bool = False, busy_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An engine whose connections have our settings; nothing is connected yet.

    Its transactions begin as the database's own (`BEGIN IMMEDIATE` on SQLite, so that a writer that has begun can also
    commit). `read_only` connections refuse to write.
    """
    if url.get_backend_name() == "sqlite":
        engine = _sqlite_engine(url, pool_size, read_only, busy_s)
    else:
        options = f"-c statement_timeout={STATEMENT_TIMEOUT_S * 1000} -c lock_timeout={int(busy_s * 1000)}"
        if read_only:
            options += " -c default_transaction_read_only=on"
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": options,
            "application_name": "hotline",
            # A server that vanished without a word is noticed within seconds, not after the kernel's two hours.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        for name in url.query:
            arguments.pop(name, None)
        engine = create_engine(
            url, connect_args=arguments, pool_size=pool_size, max_overflow=0, pool_timeout=10, pool_pre_ping=read_only
        )
    return engine


def _sqlite_engine(url: URL, pool_size: int, read_only: bool, busy_s: float) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_s}, pool_size=pool_size, max_overflow=0, pool_timeout=10)

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are ours, not the driver's guess
        connection.execute(f"PRAGMA busy_timeout={int(busy_s * 1000)}")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            _keep_wal(connection, busy_s)
            connection.execute("PRAGMA synchronous=FULL")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _keep_wal(connection: sqlite3.Connection, busy_s: float) -> None:
    """Set the write-ahead log; wait about `busy_s` seconds for whoever is in the way.

    SQLite refuses this at once, whatever the busy timeout, while another connection writes or does the same. It does
    wait to begin a transaction that is alone in the file, so one is begun and given up before it is tried again.
    """
    give_up = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() >= give_up:
                raise
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        else:
            return


def prepare_place(url: URL) -> None:
    """Make the folder of a SQLite file, and the file itself readable by us alone: it holds callers' numbers.

    Raises `StoreError` (read_only, disk_full).
    """
    if url.get_backend_name() != "sqlite" or url.database is None:
        return
    place = Path(url.database)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(
            "read_only",
            f"The database {place} cannot be made ({error.strerror}); make its folder writable or name another place.",
        ) from None


@contextlib.contextmanager
def plainly(url: URL) -> Iterator[None]:
    """Turn a fault of the database inside the block into a `StoreError`; any other exception passes."""
    try:
        yield
    except SQLAlchemyError as error:
        raise outage(error, url) or StoreError(
            "failed", f"The database {shown(url)} refused ({_kind(error)}); look at its own log."
        ) from None


def outage(error: BaseException, url: URL) -> StoreError | None:
    """What the operator must be told if `error` means that the database as a whole is not usable now.

    None if only the one operation was wrong (a constraint, a bad value, a fault in our own code): trying it again would
    fail again, and the others must not suffer.
    """
    if isinstance(error, NoSuchModuleError):
        return StoreError("wrong_url", f"The driver for {shown(url)} is not installed; install the hotline's packages.")
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_outage(error.orig, url)
    if type(error.orig).__module__.partition(".")[0] == "psycopg":
        return _postgres_outage(error.orig, url, broken=error.connection_invalidated)
    return None


def _sqlite_outage(error: sqlite3.Error, url: URL) -> StoreError | None:
    name = getattr(error, "sqlite_errorname", "") or ""
    place = url.database
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            "locked", f"The database {place} is locked by another program; end that program, then try again."
        )
    if name.startswith("SQLITE_FULL"):
        return StoreError("disk_full", f"The disk of the database {place} is full; make room on it.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(
            "read_only",
            f"The database {place} cannot be opened for writing; check the rights of the file and its folder.",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreError(
            "damaged", f"The file {place} is no sound SQLite database; put it aside and bring back the last backup."
        )
    if name.startswith(("SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PROTOCOL")):
        return StoreError("unreachable", f"The database {place} cannot be read or written ({name}); check its disk.")
    return None


def _postgres_outage(error: object, url: URL, *, broken: bool) -> StoreError | None:
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    if state.startswith("53"):
        if state == "53100":
            return StoreError("disk_full", f"The disk of the database {shown(url)} is full; make room on its server.")
        return StoreError(
            "unreachable",
            f"The database {shown(url)} is out of means ({state}); free connections or memory on its server.",
        )
    if state in ("55P03", "40001", "40P01"):  # lock not available, serialization failure, deadlock: each passes
        return StoreError(
            "locked", f"The database {shown(url)} is locked by another program; end that program, then try again."
        )
    if state == "25006":
        return StoreError(
            "read_only", f"The database {shown(url)} accepts no writes; name the primary server, not a standby."
        )
    if state in ("3D000", "28P01", "28000"):
        return StoreError(
            "wrong_url", f"The server of {shown(url)} refused the database or the user; check the URL and its password."
        )
    lost = broken or not state or state.startswith(("08", "57P", "58"))
    if not lost or not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    if told := _refusal(error):
        return StoreError("wrong_url", f"The server of {shown(url)} refused {told}; check the URL and its password.")
    return StoreError(
        "unreachable", f"The database {shown(url)} cannot be reached; start its server, or check host and port."
    )


def _refusal(error: psycopg.Error) -> str:
    """What a server refused at login, which psycopg tells only in its text."""
    text = str(error)
    if "password authentication failed" in text or "no password supplied" in text or "pg_hba.conf" in text:
        return "the user or password"
    if 'database "' in text and "does not exist" in text:
        return "the database's name"
    if 'role "' in text and "does not exist" in text:
        return "the user"
    return ""


def _kind(error: BaseException) -> str:
    """The fault's name without its text, which may hold data."""
    cause = getattr(error, "orig", None) or error
    return str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or type(cause).__name__)
