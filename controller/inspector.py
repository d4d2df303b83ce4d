"""Has every finished recording inspected (质检), by the rules of today, in a process of its own.

What is still to be done stands in the store (a recording that the rules have not judged, or not with the transcript
that there is now), so nothing is forgotten by a restart: a call is judged by its sound as soon as its recording is
sealed, and again when its words are there. A store that is away is asked again; a recording that cannot be read is
judged as such, once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.config_inspection import InspectionPlan
from controller.database import StoreError
from controller.inspection_rows import CityOf, spans_of
from controller.spool import Operation
from controller.writer import Store
from metrics.sql import get_call
from pbx.ids import CallId
from recordings.archive import sql as archive_rows
from recordings.archive.sealing import SealError
from recordings.archive.shelf import ShelfError
from recordings.inspection import review_sql, sql
from recordings.inspection.findings import JUDGED, Inspection
from recordings.inspection.process import InspectionFailed, InspectionProcess

if TYPE_CHECKING:
    from recordings.archive.archive import Archive, Archived

log = logging.getLogger(__name__)

AT_ONCE = 50
COPY = ".inspection-"
"""What the folders begin with in which recordings from the archive lie while they are looked at."""
RETRY_S = 5.0
"""How soon a store that is away is asked again."""
RECORD_S = 1.0
"""And a call whose recording is there before the end of its record is."""
RECENT_S, ALL_EVERY_S = 6 * 3600.0, 3600.0
"""Whoever is woken looks at calls that began so lately; at all that are to be judged once in a while: each recording
wakes us, and a week of them is much to look through."""
PAUSE_S = 0.5
"""Between two looks: what came meanwhile is done in one."""


@dataclass
class InspectorFigures:
    """What has been done since the start; what waits as it was counted last.

    `inspected` and `worded` (by their words) count a call once for each version of the rules, `findings` by what was
    found; a call that is judged again for its words adds what is new in it.
    """

    inspected: int = 0
    worded: int = 0
    failed: int = 0
    waiting: int = 0
    findings: Counter[str] = field(default_factory=Counter)

    def count(self, before: Inspection | None, found: Inspection) -> None:
        """Count what was found; `before`: what these rules had found in the call."""
        old = before.found_times() if before is not None else {}
        self.inspected += before is None
        self.worded += found.words == JUDGED and (before is None or before.words != JUDGED)
        for name, times in found.found_times().items():
            self.findings[name] += max(0, times - old.get(name, 0))


@dataclass(frozen=True, slots=True)
class _Begun:
    plan: InspectionPlan
    at: float


def _begin(connection: Connection, begun: _Begun) -> None:
    body = json.dumps(begun.plan.table, ensure_ascii=False, sort_keys=True)
    sql.keep_rules(connection, begun.plan.rules.version, body, begun.at)
    if begun.plan.card is not None and review_sql.get_card(connection, begun.plan.card.id) is None:
        review_sql.save_card(connection, begun.plan.card, "system", begun.at)


def _save(connection: Connection, one: sql.InspectedCall) -> tuple[bool, Inspection | None]:
    """Write what was found; False when the recording has been erased meanwhile: then nothing of it is kept. And what
    these rules had found in it before."""
    if not sql.recording_there(connection, one.call):
        return False, None
    before = sql.get_inspection(connection, one.call, one.found.rules)
    sql.save_inspection(connection, one)
    return True, before.found if before is not None else None


class Inspector:
    """See the module."""

    def __init__(
        self,
        store: Store,
        recordings: Path,
        plan: InspectionPlan,
        zone: str,
        clock: Callable[[], float],
        *,
        archive: Archive | None = None,
        over: Callable[[], None] = lambda: None,
        city_of: CityOf = lambda dialled, queue: "",
    ) -> None:
        """`archive`: where recordings are read that are no longer here as they were sealed. `over` is called after
        each round, when `figures` are new. `city_of`: whose a call is.
        """
        self._store, self._root, self._plan, self._clock, self.over = store, recordings, plan, clock, over
        self._zone, self._archive, self._city_of = ZoneInfo(zone), archive, city_of
        self._news = asyncio.Event()
        self._process = InspectionProcess(plan.table)
        self._beginning: Operation[_Begun, None] = Operation("begin_inspection", _begin)
        self._saving: Operation[sql.InspectedCall, tuple[bool, Inspection | None]] = Operation("save_inspection", _save)
        self._since, self._all_at = clock() - plan.look_back_s, float("-inf")
        self._older = 0  #: that waited when all were looked at, and were not done
        self.figures = InspectorFigures()

    def ready(self) -> None:
        """Something may be there to be inspected; never waits."""
        self._news.set()

    def look_back(self, since: float) -> None:
        """Recordings begun at `since` or later are to be judged by the rules of today too."""
        self._since, self._all_at = min(self._since, since), float("-inf")
        self.ready()

    async def run(self) -> None:
        """Inspect until cancelled."""
        await asyncio.to_thread(self._clear)
        stop_listening = self._store.listen(self.ready)
        begun = False
        try:
            while True:
                self._news.clear()
                try:
                    if not begun:
                        await self._store.submit(self._beginning, _Begun(self._plan, self._clock()))
                        begun = True
                    await self._look()
                except StoreError as error:
                    log.warning("inspection waits for the store: %s", error.code, extra={"action": "inspection.waits"})
                    await asyncio.sleep(RETRY_S)
                    continue
                self.over()
                await asyncio.sleep(PAUSE_S)
                await self._news.wait()
        finally:
            stop_listening()
            await self._process.stop()

    def _clear(self) -> None:
        """Erase what a crash has left of recordings that were read from the archive: there they may be sealed."""
        for folder in self._root.parent.glob(f"{COPY}*"):
            shutil.rmtree(folder, ignore_errors=True)

    async def _look(self) -> None:
        now, since = self._clock(), self._since
        recent, version = max(since, now - RECENT_S), self._plan.rules.version
        if now < self._all_at:
            self.figures.waiting = self._older + await self._store.read(sql.count_waiting, version, recent)
            await self.inspect_waiting(recent)
            return
        self.figures.waiting = await self._store.read(sql.count_waiting, version, since)
        await self.inspect_waiting()
        left = await self._store.read(sql.count_waiting, version, since)
        self._older = left - await self._store.read(sql.count_waiting, version, recent)
        self.figures.waiting = left
        if since == self._since:  # nobody has asked for more meanwhile
            self._all_at = now + ALL_EVERY_S

    async def inspect_waiting(self, since: float | None = None) -> int:
        """Inspect what waits now of calls begun at `since` or later (None: all that are to be judged).

        How many there were. Raises `StoreError`.
        """
        since = self._since if since is None else since
        after, done = (0.0, ""), 0
        while True:
            waiting = await self._store.read(sql.waiting, self._plan.rules.version, since, AT_ONCE, after)
            for one in waiting:
                after = (one.recording.started_at, one.recording.call)
                done += await self._inspect(one)
            if len(waiting) < AT_ONCE:
                return done

    async def _inspect(self, one: sql.Waiting) -> bool:
        row = one.recording
        record = await self._store.read(get_call, row.call)
        if record is not None and record.ended_at is None:
            asyncio.get_running_loop().call_later(RECORD_S, self.ready)  # its record is on its way to the store
            return False
        transcript = await self._store.read(sql.words_of, row.call) if one.words_at is not None else None
        talks, holds = spans_of(record, row.started_at) if record is not None else ((), ())
        version = self._plan.rules.version
        try:
            async with self._sound(row.call, self._root / row.path) as sound:
                found = await self._process.inspect(sound, row.duration_s, talks, holds, transcript)
                if sound is not None and not await asyncio.to_thread(sound.is_file):
                    asyncio.get_running_loop().call_later(RECORD_S, self.ready)
                    raise _Later("it went into the archive while it was looked at")
        except _Later as error:
            log.warning("call %s: not inspected yet: %s", row.call, error, extra={"action": "inspection.later"})
            return False
        except InspectionFailed as error:
            log.error("call %s: not inspected: %s", row.call, error, extra={"action": "inspection.failed"})
            found = Inspection(version, "failed", "failed")
            self.figures.failed += 1
        day = datetime.fromtimestamp(row.started_at, self._zone).date().isoformat()
        agent, queue = (record.agent or "", record.queue or "") if record is not None else ("", "")
        city = self._city_of(record.dialled if record is not None else "", queue)
        made = sql.InspectedCall(
            row.call, self._clock(), one.words_at, row.sha256, agent, queue, row.started_at, day, found, city
        )
        kept, before = await self._store.submit(self._saving, made)
        if kept:
            self.figures.count(before, found)
        self.figures.waiting = max(0, self.figures.waiting - 1)
        return True

    @asynccontextmanager
    async def _sound(self, call: CallId, wav: Path) -> AsyncIterator[Path | None]:
        """The recording where it can be read: here, as it was sealed, or from the archive for as long as it is looked
        at; None where there is none. Raises `_Later` while the archive is away."""
        if await asyncio.to_thread(wav.is_file):
            yield wav
            return
        there = await self._store.read(archive_rows.get_archived, call)
        if there is None:
            yield None
            return
        if self._archive is None:
            raise _Later("it lies in an archive that is not configured")
        self._root.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - it is there, but for an empty hotline
        with tempfile.TemporaryDirectory(prefix=COPY, dir=self._root.parent) as folder:
            copy = Path(folder) / f"sound{there.form.suffix}"
            try:
                await asyncio.to_thread(_fetch, self._archive, there, copy)
            except (ShelfError, SealError) as error:
                raise _Later(str(error)) from error
            yield copy


class _Later(Exception):
    """The sound cannot be had now; to be tried again."""


def _fetch(archive: Archive, there: Archived, copy: Path) -> None:
    file = archive.open(there)
    with copy.open("wb") as out:
        for chunk in file.chunks(0, file.size):
            out.write(chunk)
