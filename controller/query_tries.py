"""The counted tries of the public query, in a file that only its owner may read: a restart gives nobody new ones.

A line is what one try has made of a count; the last line of a name holds. Each is written, and durable, before its try
is answered, and tries that come together are written together. Addresses, telephone and ticket numbers do not stand in
it: names are keyed digests, by the key of the codes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

from tickets.query_guard import Count, QueryGuard

log = logging.getLogger(__name__)

QUERY_TRIES = "query-tries.jsonl"
"""The file's name in the data folder."""

_SPARE_LINES = 1000


class QueryTries:
    """Goes on from the file, and keeps in it what the guard counts. `file` None: the counts are in memory alone."""

    def __init__(self, guard: QueryGuard, file: Path | None, key: str, clock: Callable[[], float]) -> None:
        self._guard, self._file = guard, file
        self._key = hashlib.blake2b(key.encode(), digest_size=32).digest()
        self._waiting: list[Count] = []
        self._lines = 0
        self._one_at_a_time = asyncio.Lock()
        if file is not None:
            self._load(file, clock())

    def name(self, of: str) -> str:
        """An address or a number as the counts know it."""
        return hashlib.blake2b(of.encode(), key=self._key, digest_size=12).hexdigest()

    async def keep(self, *counts: Count) -> None:
        """Write what has changed. A disk that refuses is an error in the log: this process still knows it."""
        if self._file is None:
            return
        self._waiting += counts
        async with self._one_at_a_time:
            some, self._waiting = self._waiting, []
            if not some:  # whoever had the lock before has written them
                return
            counted = self._guard.kept() if self._lines > _SPARE_LINES + 2 * len(self._guard) else None
            try:
                await asyncio.to_thread(self._write, self._file, some, counted)
            except OSError as error:
                action = {"action": "query.tries_unwritten"}
                log.error("a try of a query cannot be kept for after a restart: %s", error.strerror, extra=action)

    def _write(self, file: Path, some: list[Count], whole: list[Count] | None) -> None:
        """Add lines to the file; `whole`: put these in place of all of it, for most of its lines hold no more."""
        place, counts = (file, some) if whole is None else (file.with_name(f".{file.name}.part"), whole)
        how = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if whole is None else os.O_TRUNC)
        with os.fdopen(os.open(place, how, 0o600), "a" if whole is None else "w", encoding="utf-8") as out:
            out.writelines(json.dumps(one) + "\n" for one in counts)
            out.flush()
            os.fsync(out.fileno())
        if whole is not None:
            place.replace(file)
        self._lines = len(counts) + (self._lines if whole is None else 0)

    def _load(self, file: Path, now: float) -> None:
        """What cannot be read counts as never written, and is an error in the log; a crash may cut the last line."""
        try:
            text = file.read_text(encoding="utf-8")
            if text and not text.endswith("\n"):  # else the next try would be written into the line that was cut
                with file.open("a", encoding="utf-8") as out:
                    out.write("\n")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            action = {"action": "query.tries_unreadable"}
            log.error("the tries of queries of before cannot be read: %s", type(error).__name__, extra=action)
            return
        found: list[Count] = []
        wrong = 0
        lines = text.splitlines()
        for line in lines:
            try:
                kind, name, since, count = json.loads(line)
                found.append((str(kind), str(name), float(since), int(count)))
            except (ValueError, TypeError):
                wrong += 1
        if wrong:
            action = {"action": "query.tries_unreadable"}
            log.error("%d lines of the tries of queries cannot be read", wrong, extra=action)
        self._lines = len(lines)
        self._guard.restore(found, now)
