"""The journal: every input of the switchboard and what it decided, append-only; the truth of the past (rule 5).

One file for each start and day below a folder of mode 0700, each of mode 0600: JSON lines, first a header, then one
line for each step::

    {"journal":1,"start":"20261122T010203.456Z","part":0,"day":"20261122","configuration":"…","first":0,"opened":…}
    {"seq":0,"now":1795309323.25,"event":{"is":"CallArrived",…},"commands":[{"is":"Ask",…}]}

The loop encodes a line and hands it over; a thread writes and calls fdatasync in batches. `flush` is called by the
database's writer before each commit, so that no promise is older on disk than its cause. When the disk is full the
calls go on and the lines wait in memory up to a bound; then the newest are dropped and counted, and the gap in ``seq``
shows it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.codec import CodecError, encode_command, encode_event
from controller.database import StoreError
from pbx.commands import Command
from pbx.events import Event

log = logging.getLogger(__name__)

VERSION = 1
"""Version of the form; raised when a reader of the old form would misread the new one."""


class JournalError(StoreError):
    """The journal cannot be written; `str()` is one sentence with what to do. Codes as `StoreError`'s."""


@dataclass(frozen=True, slots=True)
class JournalRules:
    """The writer's numbers."""

    window_s: float = 0.05  #: how long lines gather before a sync, unless somebody waits in `flush`
    max_waiting_bytes: int = 64 * 1024 * 1024  #: kept in memory while the disk refuses; about 150,000 steps
    retry_s: float = 1.0


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """What the journal did since its start; for `/metrics` and the log."""

    up: bool
    waiting_bytes: int
    appended: int  #: lines handed over
    written: int  #: lines that are durable
    syncs: int
    dropped: int  #: lines lost because the disk refused for too long
    undecodable: int  #: steps that could not be written whole
    errors: int
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Roll:
    day: str
    first: int


class JournalWriter:
    """Writes one start's journal below `folder`. `configuration` names the rules in force (the plan's version).

    `append` is for the loop, `flush` for any thread. `zone` decides where a day ends.
    """

    def __init__(
        self, folder: Path, *, configuration: str, zone: str = "Asia/Shanghai", rules: JournalRules | None = None
    ) -> None:
        self._folder = folder
        self._configuration = configuration
        self._zone = ZoneInfo(zone)
        self._rules = rules or JournalRules()
        self._inbox: deque[bytes | _Roll] = deque()
        self._asleep = False  #: the thread has nothing to do and must be woken by `_news`
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._ending = threading.Event()
        self._progress = threading.Condition()
        self._thread: threading.Thread | None = None
        self._handle = -1
        self._file: Path | None = None
        self._start = ""
        self._part = 0
        self._size = 0
        self._up = True
        self._seq = 0
        self._day_ends = float("-inf")
        # Each number has one thread that writes it, so that no lock is needed for each line.
        self._handed = self._given_bytes = self._dropped = self._undecodable = 0  #: the loop's: messages handed over
        self._settled = self._settled_bytes = self._lost = 0  #: the thread's: of these written or given up
        self._errors = self._syncs = self._written = 0

    # ------------------------------------------------------------ on the loop

    def start(self, now: float | None = None) -> None:
        """Make the folder and the first file; `now` is epoch seconds (the clock's by default).

        Blocks shortly. Raises `JournalError` (read_only, disk_full).
        """
        now = time.time() if now is None else now
        self._start = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(self._folder, 0o700)
            self._open(_Roll(self._next_day(now), 0))
        except OSError as error:
            raise _told(error, self._folder) from None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, event: Event, now: float, commands: Sequence[Command], error: str = "") -> int:
        """Keep one step: its input, its time, what was decided; `error` names the exception if the step raised.

        Never blocks, never raises. Returns the step's position.
        """
        seq = self._seq
        self._seq = seq + 1
        if now >= self._day_ends:
            self._hand_over(_Roll(self._next_day(now), seq))
        try:
            decided = b",".join([encode_command(command) for command in commands])
            line = b'{"seq":%d,"now":%s,"event":%s,"commands":[%s]' % (
                seq,
                repr(float(now)).encode(),
                encode_event(event),
                decided,
            )
        except CodecError as fault:
            self._undecodable += 1
            action = {"action": "journal_undecodable"}
            log.error("step %d cannot be written to the journal: %s", seq, fault, extra=action)
            line = b'{"seq":%d,"now":%s,"lost":%s' % (
                seq,
                repr(float(now)).encode(),
                json.dumps(type(event).__name__).encode(),
            )
        line += b',"error":%s}\n' % json.dumps(error).encode() if error else b"}\n"
        self._hand_over(line)
        return seq

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until everything appended so far is durable. False, at once, while the disk refuses; never raises."""
        with self._progress:
            wanted = self._handed
            if self._settled >= wanted:
                return self._up
            self._hurry.set()
            self._progress.wait_for(lambda: self._settled >= wanted or not self._up, timeout)
            return self._up and self._settled >= wanted

    def stop(self) -> None:
        """Write what was handed over, once, and close. Blocks shortly."""
        if self._thread is None:
            return
        self._ending.set()
        self._news.set()
        self._hurry.set()
        self._thread.join()
        self._thread = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def status(self) -> JournalStatus:
        """The counters as they are now; cheap, from any thread."""
        return JournalStatus(
            up=self._up,
            waiting_bytes=self._given_bytes - self._settled_bytes,
            appended=self._seq,
            written=self._written,
            syncs=self._syncs,
            dropped=self._dropped + self._lost,
            undecodable=self._undecodable,
            errors=self._errors,
            file=self._file,
        )

    def _hand_over(self, message: bytes | _Roll) -> None:
        """Without a lock, and without waking the thread while it gathers: this is done for every step."""
        if isinstance(message, bytes):
            if self._given_bytes - self._settled_bytes + len(message) > self._rules.max_waiting_bytes:
                self._dropped += 1
                return
            self._given_bytes += len(message)
        self._inbox.append(message)
        self._handed += 1
        if self._asleep:
            self._news.set()

    def _next_day(self, now: float) -> str:
        """The day of `now`, and remember when it ends."""
        local = datetime.fromtimestamp(now, self._zone)
        end = datetime.combine(local.date(), datetime.max.time(), self._zone)
        self._day_ends = end.timestamp() + 1e-6
        return local.strftime("%Y%m%d")

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        going = True
        line: list[bytes | _Roll] = []
        while going:
            going = self._gather(line)
            while line:
                if self._write(line):
                    continue
                if not going:
                    log.error("%d journal lines are lost at the end", len(line), extra={"action": "journal_lost"})
                    self._done(line, lost=True)
                    break
                going = self._wait(line)

    def _gather(self, line: list[bytes | _Roll]) -> bool:
        """Wait for the first line and then for the window, and take what there is; False at the end."""
        self._news.clear()
        self._asleep = True  # set before the look into the inbox: a line that comes after it wakes us
        if not self._inbox and not self._ending.is_set():
            self._news.wait()
        self._asleep = False
        if not self._ending.is_set():
            self._hurry.wait(self._rules.window_s)
        self._hurry.clear()
        going = not self._ending.is_set()
        self._drain(line)
        return going

    def _wait(self, line: list[bytes | _Roll]) -> bool:
        """The disk refuses: wait before the next try; False at the end."""
        going = not self._ending.wait(self._rules.retry_s)
        self._drain(line)
        return going

    def _drain(self, line: list[bytes | _Roll]) -> None:
        while self._inbox:
            line.append(self._inbox.popleft())

    def _write(self, line: list[bytes | _Roll]) -> bool:
        """Make the lines up to the next roll durable and take them out; False if the disk refuses."""
        try:
            if isinstance(line[0], _Roll):
                self._open(line[0])
                self._done(line[:1])
                del line[:1]
                return True
            chunk: list[bytes | _Roll] = []
            for message in line:
                if isinstance(message, _Roll):
                    break
                chunk.append(message)
            data = b"".join(message for message in chunk if isinstance(message, bytes))
            self._put(data)
            self._syncs += 1
            self._done(chunk)
            del line[: len(chunk)]
        except OSError as error:
            self._refused(error)
            return False
        if not self._up:
            log.warning("the journal can be written again", extra={"action": "journal_up"})
            self._up = True
        return True

    def _put(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(self._handle, data[written:])
            os.fdatasync(self._handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._size)  # no half line stays in the middle of the file
            raise
        self._size += len(data)

    def _open(self, roll: _Roll) -> None:
        path = self._folder / f"{self._start}-{self._part:04d}-{roll.day}.jsonl"
        header = {
            "journal": VERSION,
            "start": self._start,
            "part": self._part,
            "day": roll.day,
            "configuration": self._configuration,
            "first": roll.first,
            "opened": time.time(),
        }
        data = json.dumps(header, ensure_ascii=False).encode() + b"\n"
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        before = self._handle, self._size
        self._handle, self._size = handle, 0
        try:
            self._put(data)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            os.close(handle)
            with contextlib.suppress(OSError):
                path.unlink()
            self._handle, self._size = before
            raise
        if before[0] >= 0:
            os.close(before[0])
        self._file = path
        self._part += 1

    def _done(self, messages: Sequence[bytes | _Roll], *, lost: bool = False) -> None:
        sizes = [len(message) for message in messages if isinstance(message, bytes)]
        with self._progress:
            self._settled += len(messages)
            self._settled_bytes += sum(sizes)
            if lost:
                self._lost += len(sizes)
            else:
                self._written += len(sizes)
            self._progress.notify_all()

    def _refused(self, error: OSError) -> None:
        self._errors += 1
        if self._up:
            told = _told(error, self._folder)
            log.error("%s Calls go on, but cannot be replayed.", told, extra={"action": "journal_down"})
        with self._progress:
            self._up = False
            self._progress.notify_all()


def _told(error: OSError, folder: Path) -> JournalError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return JournalError("disk_full", f"The disk of the journal {folder} is full; make room on it.")
    return JournalError(
        "read_only", f"The journal {folder} cannot be written ({error.strerror}); check its disk and rights."
    )
