"""Keeps live figures while the hotline serves: every call as it comes to be known, and at the start the store's.

For the loop. A call's figures are a fraction of a millisecond (`metrics/live.py`); what is read from the store is read
an hour at a time in a reader's thread, and taken in a few calls at a time, so that nothing waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.writer import Store
from metrics.definitions.measure import Measure
from metrics.definitions.rows import CallRow
from metrics.instants import Instants, WrapUp, instants_of
from metrics.instants_sql import list_instants
from metrics.intervals import AgentInterval
from metrics.live import HOUR_S, SLACK_S, Group, LiveFigures, usual_windows
from metrics.servicelevel import decided
from pbx.call import CallRecord
from pbx.ids import CallId

log = logging.getLogger(__name__)

MOST_RECENT = 5000
"""So many calls are held whole, for after-call work that ends after them: some 40 minutes of a province's rush."""

AT_ONCE = 25
"""Calls taken in from the store between two turns of the loop: a millisecond or two."""


def _instants(connection: Connection, since: float, until: float) -> list[Instants]:
    return list(list_instants(connection, since, until))


class LiveBoard:
    """The figures; `ready` once everything that its windows need was read."""

    def __init__(
        self,
        measures: Iterable[Measure],
        zone: ZoneInfo,
        shifts: Sequence[int],
        city_of: Callable[[str, str], str],
        teams: Mapping[str, Sequence[str]],
    ) -> None:
        """`city_of` says whose a call is by dialled number and queue; `teams` those of each agent."""
        self._measures = tuple(measures)
        self._zone, self._shifts = zone, tuple(shifts)
        self._city_of = city_of
        self._teams = teams
        self._recent: OrderedDict[CallId, Instants] = OrderedDict()
        self._told: set[CallId] | None = None  #: by the loop, while the store is being read
        self.ready = False
        self.figures = self._empty()

    def _empty(self) -> LiveFigures:
        return LiveFigures(self._measures, usual_windows(self._zone, self._shifts))

    def record(self, record: CallRecord) -> None:
        """A call's record has changed. Never raises: figures may be wrong, calls not."""
        try:
            if record.direction != "inbound" or not decided(record):
                return
            before = self._recent.get(record.call)
            known = instants_of(record)
            if before is not None and before.wrap_ups:
                known = replace(known, wrap_ups=before.wrap_ups)
            if self._told is not None:
                self._told.add(record.call)
            self._put(known)
        except Exception:
            log.exception("a call is missing in the live figures", extra={"action": "live.fault"})

    def interval(self, one: AgentInterval) -> None:
        """An agent's interval begins or ends: after-call work belongs to its call. Never raises."""
        try:
            before = self._recent.get(one.call) if one.call is not None and one.state == "wrap_up" else None
            if before is None:
                return
            work = WrapUp(one.agent, one.began_at, one.ended_at)
            others = [it for it in before.wrap_ups if (it.agent, it.began_at) != (work.agent, work.began_at)]
            if self._told is not None:
                self._told.add(before.call)
            self._put(replace(before, wrap_ups=tuple(sorted((*others, work), key=lambda it: it.began_at))))
        except Exception:
            log.exception("after-call work is missing in the live figures", extra={"action": "live.fault"})

    def _put(self, known: Instants) -> None:
        self._recent[known.call] = known
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)
        queue = str(known.queue or "")
        city = self._city_of(known.dialled, queue)
        groups = [Group("number", known.dialled)]
        groups += [Group("queue", queue)] if queue else []
        groups += [Group("city", city)] if city else []
        groups += [Group("team", team) for team in self._teams.get(str(known.agent), ())]
        self.figures.put(CallRow(known, None, city), groups)

    async def fill(self, store: Store, now: float) -> None:
        """Read what the windows of `now` need; what the loop tells meanwhile is newer than the store. StoreError."""
        self.ready = False
        self._told = told = set[CallId]()
        self.figures = self._empty()
        self.figures.stand(now)
        for known in list(self._recent.values()):
            told.add(known.call)
            self._put(known)
        begin = min(window.since(now) for window in self.figures.windows) - SLACK_S
        try:
            while begin <= now:
                rows = await store.read(_instants, begin, begin + HOUR_S)
                for place, known in enumerate(rows):
                    if place % AT_ONCE == 0:
                        await asyncio.sleep(0)
                    if known.call not in told and decided(known):
                        self._put(known)
                begin += HOUR_S
        finally:
            self._told = None
        self.ready = True
        log.info("live figures: %d calls", len(self.figures), extra={"action": "live.filled"})

    async def keep(self, store: Store, now: float) -> None:
        """Let go of what is old; fill anew when the clock has gone back behind what is held. StoreError."""
        if not self.ready or not self.figures.reaches(now):
            await self.fill(store, now)
        self.figures.drop_old(now)
