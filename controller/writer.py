"""The one writer of the database, and the readers: the loop hands over and goes on, a thread commits in batches.

Promises: operations are performed in the order in which they were handed over; the future of `submit` resolves after
the commit of its batch, never before; one wrong operation does not take the others of its batch with it. While the
database is away nothing waits but those futures: operations wait in memory up to `max_waiting`, then in the spool file,
and are written when it is back (`performance.md` 2b: batches of 20-50 ms or 200 rows).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from controller.database import BUSY_TIMEOUT_S, StoreError, database_url, make_engine, outage, plainly
from controller.schema import require_head
from controller.spool import Operation, Spool

log = logging.getLogger(__name__)

A = TypeVar("A")
R = TypeVar("R")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class StoreRules:
    """The writer's and the readers' numbers; times in seconds (`performance.md` 2b)."""

    window_s: float = 0.025  #: how long a batch gathers for whose commit somebody waits
    calm_s: float = 0.1  #: how long one gathers for which nobody does: a restart may miss so much of the newest records
    batch: int = 200  #: operations of one commit at most: larger ones make the loop wait for the interpreter's lock
    max_waiting: int = 20_000  #: operations in memory while the database is away; more go to the spool file
    readers: int = 4
    busy_s: float = BUSY_TIMEOUT_S
    retry_first_s: float = 0.2
    retry_last_s: float = 5.0


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What the store did since it was made; for `/metrics` and the log."""

    up: bool
    waiting: int  #: operations handed over and not yet in the database, the spool's not counted
    spooled: int
    submitted: int
    committed: int
    failed: int  #: operations that were wrong in themselves, or lost
    batches: int
    retried: int  #: batches that had to be done again, one operation by one
    outages: int
    last_error: str  #: an operator's sentence, or the name of an exception; never data
    last_commit_s: float  #: how long the last batch took


class _Item:
    __slots__ = ("argument", "error", "future", "operation", "result")

    def __init__(self, operation: Operation[Any, Any], argument: Any, future: asyncio.Future[Any] | None) -> None:
        self.operation = operation
        self.argument = argument
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None


class Store:
    """The database of one hotline. Its methods are for the loop on which `start` ran.

    `operations` are the ones the spool file may hold. `before_commit` is called in the writer's thread before each
    commit: the journal is made durable there, so that no promise is older than its cause (`architecture.md` rule 5).
    Raises `StoreError` (wrong_url).
    """

    def __init__(
        self,
        url: str,
        *,
        spool: Path,
        operations: Sequence[Operation[Any, Any]] = (),
        rules: StoreRules | None = None,
        before_commit: Callable[[], object] | None = None,
    ) -> None:
        self._rules = rules or StoreRules()
        self._url = database_url(url)
        self._engine = make_engine(self._url, busy_s=self._rules.busy_s)
        self._read_engine = make_engine(
            self._url, pool_size=self._rules.readers, read_only=True, busy_s=self._rules.busy_s
        )
        self._readers = ThreadPoolExecutor(self._rules.readers, thread_name_prefix="store-reader")
        self._spool_path, self._operations = spool, operations
        self._spool: Spool | None = None
        self._before_commit = before_commit
        self._inbox: SimpleQueue[_Item | None] = SimpleQueue()
        self._line: deque[_Item] = deque()  #: only the writer's thread touches it
        self._asked = threading.Event()  #: somebody waits for a commit
        self._hurry = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._accepting = False
        self._give_up_at = float("inf")
        self._up = True
        self._delay = self._rules.retry_first_s
        self._next_try = 0.0
        self._submitted = self._refused = 0  #: counted on the loop
        self._committed = self._failed = self._batches = self._retried = self._outages = 0  #: counted in the thread
        self._last_error = ""
        self._last_commit_s = 0.0

    # ------------------------------------------------------------ on the loop

    async def start(self) -> None:
        """Open the database, write back what the spool holds, begin. Raises `StoreError`: nothing runs then."""
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._open)
        except BaseException:
            await asyncio.to_thread(self._close)
            raise
        self._accepting = True
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def stop(self, drain_s: float = 10.0) -> None:
        """Commit everything that was handed over, or spool it when the database stays away for `drain_s`; close."""
        self._accepting = False
        if self._thread is not None:
            self._give_up_at = time.monotonic() + drain_s
            self._inbox.put(None)
            self._hurry.set()
            self._asked.set()
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        await asyncio.to_thread(self._close)

    def put(self, operation: Operation[A, Any], argument: A) -> None:
        """Hand over a write that nobody waits for. Never blocks, never raises; a failure is logged and counted."""
        self._hand_over(_Item(operation, argument, None))

    def submit(self, operation: Operation[A, R], argument: A) -> asyncio.Future[R]:
        """Hand over a write; the future gives its result after the commit.

        The future raises what the operation raised, or `StoreError`: ``lost`` when the store stopped, or had to spool
        it, while the database was away (a spooled operation is done later all the same), ``failed`` when the database
        refused this one operation.
        """
        if self._loop is None:
            raise AssertionError("the store is not started")
        future: asyncio.Future[R] = self._loop.create_future()
        self._hand_over(_Item(operation, argument, future))
        return future

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the loop after every commit that may have left something to be sent; gives what ends it.

        It is called before the futures of that commit resolve, and for what the spool kept during an outage too.
        """
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    async def read(self, query: Callable[Concatenate[Connection, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of `query(connection, ...)` in a reader's thread; sees every commit before it. `StoreError`."""

        def work() -> R:
            with plainly(self._url), self._read_engine.begin() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def status(self) -> StoreStatus:
        """The counters as they are now; cheap, from any thread."""
        return StoreStatus(
            up=self._up,
            waiting=len(self._line) + self._inbox.qsize(),
            spooled=self._spool.count if self._spool else 0,
            submitted=self._submitted,
            committed=self._committed,
            failed=self._failed + self._refused,
            batches=self._batches,
            retried=self._retried,
            outages=self._outages,
            last_error=self._last_error,
            last_commit_s=self._last_commit_s,
        )

    def _hand_over(self, item: _Item) -> None:
        if not self._accepting:
            self._refused += 1
            log.error("a write came after the store's end: %s", item.operation.name, extra={"action": "store_late"})
            if item.future is not None:
                item.future.set_exception(StoreError("lost", "The store is stopped; nothing more is written."))
            return
        self._submitted += 1
        self._inbox.put(item)
        if item.future is not None:
            self._asked.set()

    # ------------------------------------------------------------ in threads

    def _open(self) -> None:
        with plainly(self._url):
            with self._read_engine.connect() as connection:
                require_head(connection, self._url)
            with self._engine.begin():
                pass  # SQLite: somebody else's lock is noticed here
        try:
            self._spool = Spool(self._spool_path, self._operations)
        except OSError as error:
            raise StoreError(
                "read_only", f"The spool file {self._spool_path} cannot be read ({error.strerror}); check its rights."
            ) from None
        if self._spool.count:
            log.info("%d operations are written back from the spool", self._spool.count, extra={"action": "spool_back"})
        if not self._write_spool_back():
            raise StoreError("unreachable", self._last_error)

    def _close(self) -> None:
        self._engine.dispose()
        self._readers.shutdown(wait=True)
        self._read_engine.dispose()

    def _run(self) -> None:
        going = True
        while going or self._line:
            try:
                going = self._gather() and going
                if time.monotonic() >= self._next_try:
                    self._write()
                if not self._up and (time.monotonic() >= self._give_up_at):
                    self._set_aside(len(self._line))
                    return
                if len(self._line) > self._rules.max_waiting:
                    self._set_aside(len(self._line) - self._rules.max_waiting // 2)
            except Exception:  # a fault of ours must not end the writer; what it held is given up, loudly
                log.exception("the store's writer stumbled", extra={"action": "store_fault"})
                lost = list(islice(self._line, self._rules.batch))
                self._fail(lost, StoreError("failed", "The store failed in itself; see the log."))

    def _gather(self) -> bool:
        """Move what was handed over into the line, waiting for the first and then for the window; False at the end."""
        going = True
        try:
            if self._up:
                item = self._inbox.get(block=not self._line)
                if item is not None and len(self._line) < self._rules.batch:
                    self._line.append(item)
                    if self._asked.wait(self._rules.calm_s):
                        self._hurry.wait(self._rules.window_s)
                    self._asked.clear()  # whoever asks from now on is in the inbox, or is waited for next time
                elif item is not None:
                    self._line.append(item)
                else:
                    going = False
            else:
                left = min(self._next_try, self._give_up_at) - time.monotonic()
                item = self._inbox.get(timeout=max(left, 0.0))
                going = item is not None
                if item is not None:
                    self._line.append(item)
            while True:
                item = self._inbox.get_nowait()
                if item is None:
                    going = False
                else:
                    self._line.append(item)
        except Empty:
            return going

    def _write(self) -> None:
        """Commit everything in the line, batch by batch, oldest first; stops at an outage."""
        if not self._write_spool_back():
            return
        while self._line:
            batch = list(islice(self._line, self._rules.batch))
            if not self._commit(batch):
                return
            self._came_up()
            for _ in batch:
                self._line.popleft()
            self._settle(batch)

    def _commit(self, batch: Sequence[_Item]) -> bool:
        """One batch, one transaction; a batch with a wrong operation once more, each on its own. False: an outage."""
        began = time.monotonic()
        for item in batch:
            item.error = None  # of a try that an outage cut short
        try:
            try:
                self._transaction(batch, apart=False)
            except Exception as error:
                if outage(error, self._url) is not None:
                    raise
                self._retried += 1
                self._transaction(batch, apart=True)
        except Exception as error:
            told = outage(error, self._url)
            if told is None:
                log.exception("a batch could not be committed", extra={"action": "store_fault"})
                for item in batch:
                    item.error = item.error or StoreError("failed", "The database refused the commit; see the log.")
            else:
                self._went_down(told)
                return False
        self._batches += 1
        self._last_commit_s = time.monotonic() - began
        wrong = sum(item.error is not None for item in batch)
        self._failed += wrong
        self._committed += len(batch) - wrong
        if any(item.operation.posts and item.error is None for item in batch):
            self._on_loop(self._posted)
        return True

    def _transaction(self, batch: Sequence[_Item], *, apart: bool) -> None:
        with self._engine.begin() as connection:
            if not apart:
                _perform(connection, batch)
            for item in batch if apart else ():
                try:
                    with connection.begin_nested():
                        item.result = item.operation.perform(connection, item.argument)
                except Exception as error:
                    if outage(error, self._url) is not None:
                        raise
                    item.error = error
                    self._last_error = type(error).__name__
                    if item.future is None:
                        name = type(getattr(error, "orig", None) or error).__name__
                        action = {"action": "store_refused"}
                        log.error("the database refused %s: %s", item.operation.name, name, extra=action)
            if self._before_commit is not None:
                try:
                    self._before_commit()
                except Exception:
                    log.exception("the work before a commit failed", extra={"action": "store_fault"})

    def _write_spool_back(self) -> bool:
        """Everything in the spool into the database, then the file away; False at an outage (the file stays whole)."""
        if self._spool is None or not self._spool.count:
            return True
        batch: list[_Item] = []
        for operation, argument in self._spool.read():
            batch.append(_Item(operation, argument, None))
            if len(batch) == self._rules.batch:
                if not self._commit(batch):
                    return False
                batch = []
        if batch and not self._commit(batch):
            return False
        self._came_up()
        self._spool.clear()
        return True

    def _set_aside(self, count: int) -> None:
        """Move the oldest `count` of the line to the spool file; what cannot be kept there is lost, and said."""
        items = list(islice(self._line, count))
        kept: list[_Item] = []
        if self._spool is not None:
            able = [item for item in items if item.operation.adapter is not None]
            try:
                self._spool.append((item.operation, item.argument) for item in able)
                kept = able
            except OSError as error:
                log.error("the spool cannot be written: %s", error.strerror, extra={"action": "spool_failed"})
        held = set(map(id, kept))
        lost = [item for item in items if id(item) not in held]
        if lost:
            log.error("%d operations are lost: the database is away", len(lost), extra={"action": "store_lost"})
        told = StoreError("lost", f"{self._last_error} What was handed over is kept in {self._spool_path}.")
        for _ in items:
            self._line.popleft()
        for item in items:
            item.error = told if id(item) in held else StoreError("lost", f"{self._last_error} It could not be kept.")
        self._failed += len(lost)
        self._settle(items)

    def _fail(self, items: Sequence[_Item], error: StoreError) -> None:
        for item in items:
            self._line.popleft()
            item.error = error
        self._failed += len(items)
        self._settle(items)

    def _went_down(self, told: StoreError) -> None:
        self._last_error = str(told)
        if self._up:
            self._outages += 1
            log.error("%s Calls go on; what is to be written waits.", told, extra={"action": "store_down"})
        self._up = False
        self._next_try = time.monotonic() + self._delay
        self._delay = min(self._delay * 2, self._rules.retry_last_s)

    def _came_up(self) -> None:
        if not self._up:
            log.warning("the database is there again", extra={"action": "store_up"})
        self._up = True
        self._delay, self._next_try = self._rules.retry_first_s, 0.0

    def _settle(self, items: Sequence[_Item]) -> None:
        waited_for = [item for item in items if item.future is not None]
        if waited_for:
            self._on_loop(_resolve, waited_for)

    def _on_loop(self, work: Callable[..., None], *args: object) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(work, *args)
        except RuntimeError:  # the loop has ended; nobody waits any more
            log.debug("the loop ended before a commit's answers", extra={"action": "store_late"})

    def _posted(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _perform(connection: Connection, batch: Sequence[_Item]) -> None:
    """The batch in order, neighbours of one kind at once where the operation can do that."""
    for operation, neighbours in groupby(batch, lambda item: item.operation):
        items = list(neighbours)
        if operation.perform_many is not None:
            operation.perform_many(connection, [item.argument for item in items])
            continue
        for item in items:
            item.result = operation.perform(connection, item.argument)


def _resolve(items: Sequence[_Item]) -> None:
    for item in items:
        future = item.future
        if future is None or future.done():
            continue
        if item.error is None:
            future.set_result(item.result)
        elif isinstance(item.error, SQLAlchemyError):
            future.set_exception(StoreError("failed", f"The database refused {item.operation.name}."))
        else:
            future.set_exception(item.error)
