"""Who serves: of several controllers on one hotline exactly one, the holder of its lease (ADR 7).

On one machine the lease is a lock on a file of the data folder (flock(2)): the kernel frees it in the instant in which
its holder ends, in whatever way. A hotline whose database is PostgreSQL has a second one there, an advisory lock of a
session of its own: it ends with the holder's connection, so it also tells controllers of different machines apart.

A holder that lives but stands still (stopped, swapped out, hung) keeps both. Therefore it shows a sign of life each
second; a standby that has watched in vain for `FROZEN_S` ends the holder's process, or its session, and takes over. A
holder that has lost its lease ends; besides, Asterisk itself refuses it (`pbx/ami.py`, `Superseded`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import time
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from controller.database import StoreError, database_url, make_engine, plainly

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""A standby looks so often whether it must take over."""

SIGN_S = 1.0
"""A holder shows a sign of life so often."""

FROZEN_S = 10.0
"""A holder without a sign of life for so long is ended by a standby: its callers have left for the safety net."""

KEY = 12345_0002
"""Of PostgreSQL's advisory lock; one database serves one hotline."""


class LeaseLost(Exception):
    """Somebody else holds the lease now."""


class _Watch:
    """Notices by our own clock that a sign of life does not change; the holder's clock is nothing to us."""

    def __init__(self, frozen_s: float) -> None:
        self._frozen_s = frozen_s
        self._seen: object = None
        self._since = 0.0

    def frozen(self, sign: object) -> bool:
        """Whether `sign` has been the same for too long."""
        now = time.monotonic()
        if sign is None or sign != self._seen:
            self._seen, self._since = sign, now
        return now - self._since > self._frozen_s


class FileLease:
    """The lock on a file of the data folder. It names its holder; its time of change is the sign of life."""

    def __init__(self, file: Path) -> None:
        """Opens the file. Raises OSError."""
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.held = False

    def close(self) -> None:
        """Give the lease back."""
        self.held = False
        os.close(self._file)

    def take(self) -> bool:
        """Take the lease if it is free."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        self.held = True
        return True

    @property
    def holder(self) -> int | None:
        """The process that holds the lease, None if it has not written its number yet."""
        with contextlib.suppress(ValueError):
            return int(os.pread(self._file, 32, 0))
        return None

    async def wait(self, frozen_s: float = FROZEN_S) -> None:
        """Wait until the lease is ours; a holder that stands still is killed, and the kernel frees its lock."""
        watch = _Watch(frozen_s)
        while not self.take():
            holder = self.holder
            sign = (holder, os.fstat(self._file).st_mtime_ns)
            if holder is not None and watch.frozen(sign):
                log.error("process %d stands still; it is ended", holder, extra={"action": "lease.frozen"})
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(holder, signal.SIGKILL)
                watch = _Watch(frozen_s)
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Show signs of life until cancelled."""
        while True:
            os.utime(self._file)
            await asyncio.sleep(SIGN_S)


class DatabaseLease:
    """The advisory lock in PostgreSQL, on a connection that does nothing else; its last query is the sign of life."""

    def __init__(self, url: str) -> None:
        self._url = database_url(url)
        self._engine = make_engine(self._url)
        self._connection: Connection | None = None

    @staticmethod
    def fits(url: str) -> bool:
        """Whether this database can hold a lease."""
        return database_url(url).get_backend_name() != "sqlite"

    def close(self) -> None:
        """Give the lease back."""
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None
        self._engine.dispose()

    def take(self) -> bool:
        """Take the lease if it is free. Blocks. Raises `StoreError`."""
        with plainly(self._url):
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            return bool(self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": KEY}).scalar())

    def _sign(self) -> tuple[int, str] | None:
        """The holder's server process and when it last asked something; None if nobody holds the lease."""
        query = (
            "SELECT a.pid, a.query_start::text FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = :key "
            "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert self._connection is not None
        with plainly(self._url):
            row = self._connection.execute(text(query), {"key": KEY}).first()
        return (int(row[0]), str(row[1])) if row is not None else None

    def _end(self, pid: int) -> None:
        assert self._connection is not None
        with plainly(self._url):
            self._connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None

    async def wait(self, frozen_s: float = FROZEN_S) -> None:
        """Wait until the lease is ours; while the server is away nobody takes over."""
        watch, said = _Watch(frozen_s), ""
        while True:
            try:
                if await asyncio.to_thread(self.take):
                    return
                sign = await asyncio.to_thread(self._sign)
                if sign is not None and watch.frozen(sign):
                    log.error("the holder of the lease stands still; its session is ended", extra={"action": "lease"})
                    await asyncio.to_thread(self._end, sign[0])
                    watch = _Watch(frozen_s)
                said = ""
            except StoreError as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("standing by: %s", error, extra={"action": "lease.away"})
                await asyncio.to_thread(self._drop)
                watch = _Watch(frozen_s)
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Show signs of life until cancelled. Raises `LeaseLost` when another one has the lease.

        While the server is away the holder serves on, as it does without a database at all; nobody else can take the
        lease then. When the server is back, it takes it again before anything else.
        """
        away = False
        while True:
            await asyncio.sleep(SIGN_S)
            try:
                if away:
                    if not await asyncio.to_thread(self.take):
                        raise LeaseLost("Another controller has taken the lease in the database; this one ends.")
                    away = False
                else:
                    await asyncio.to_thread(self._live)
            except StoreError:
                await asyncio.to_thread(self._drop)
                away = True

    def _live(self) -> None:
        assert self._connection is not None
        with plainly(self._url):
            self._connection.execute(text("SELECT 1"))


def write_text(file: Path, text: str) -> None:
    """Write a small file that others read while it is replaced: they see the old one or the new one, whole."""
    part = file.with_name(f".{file.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    part.replace(file)
