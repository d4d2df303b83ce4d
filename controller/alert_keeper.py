"""Looks at the rules while the hotline serves: reads what they need, writes what changes, shows it to the pages.

For the loop. What is raised is written by the store's writer (and held on disk while the database is away); who is to
be told of it stands in the same transaction. After a restart what stood stands, and is not told again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from agents.moves import AgentState
from agents.roster import AgentProfile
from controller import alert_rows as rows
from controller.alert_words import line
from controller.config_alerts import AlertsPlan, city_of
from controller.database import StoreError
from controller.house import House
from controller.live_board import LiveBoard
from controller.ticket_desk import from_store
from controller.writer import Store
from metrics.alerts import GAUGES, Alert, Alerts, Change, Reading
from metrics.live import WHOLE, Group, LiveValue
from tickets.ticket import TicketPolicy

log = logging.getLogger(__name__)

STORE_EVERY_S = 30.0
"""So often what the store alone knows is read."""

Readings = Mapping[Group, Reading] | None


class AlertKeeper:
    """`run` until cancelled. Implements `web.alerts_desk.AlertsDesk`."""

    def __init__(
        self,
        plan: AlertsPlan,
        board: LiveBoard,
        house: House,
        policy: TicketPolicy,
        store: Store,
        clock: Callable[[], float],
        *,
        transcripts: Callable[[], Awaitable[tuple[int, float | None]]] | None = None,
        trunk_down: Callable[[], Awaitable[bool | None]] | None = None,
    ) -> None:
        """`transcripts`: how many wait and since when the oldest does. `trunk_down`: None = not known."""
        self.plan, self.board, self.policy = plan, board, policy
        self._house, self._store, self._clock = house, store, clock
        self._transcripts, self._trunk_down = transcripts, trunk_down
        self._alerts = Alerts(plan.rules if plan.on else ())
        self._restored = False
        self._asked_at = float("-inf")
        self._kept: dict[str, Readings] = {}  #: what the store said last
        self.looks = 0
        self.on_change: Callable[[], None] = lambda: None  #: something that pages show has changed

    # ---------------------------------------------------------------- the loop

    async def run(self) -> None:
        """Look every `every_s` seconds. An outage of the store only makes it wait."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.warning("alerts wait for the database: %s", error, extra={"action": "alerts.wait"})
            except Exception:  # a fault of ours must not end the alerts of the day
                log.exception("alerts stumbled", extra={"action": "alerts.fault"})
            await asyncio.sleep(self.plan.every_s)

    async def look(self) -> None:
        """Once: read, decide, write. Raises `StoreError` while what it needs of the store cannot be had."""
        now = self._clock()
        if not self._restored:
            over = self._alerts.restore(await self._store.read(rows.standing), now)
            self._restored = True
            self._write(over, now)
        try:
            await self.board.keep(self._store, now)
        except StoreError as error:  # the gauges of now need no store
            log.warning("live figures wait for the database: %s", error, extra={"action": "live.wait"})
        await self._ask_store(now)
        down = await self._trunk_down() if self._trunk_down is not None else None
        self._kept["trunk_down"] = None if down is None else {WHOLE: Reading(float(down))}
        now = self._clock()
        changes = self._alerts.look(now, self.readings(now))
        self._write(changes, now)
        self.looks += 1
        self.on_change()

    def _write(self, changes: Sequence[tuple[Change, Alert]], now: float) -> None:
        for change, alert in changes:
            self._store.put(rows.NOTE, rows.Noted(alert, change, now, self._told(alert)))
            level = logging.WARNING if change is Change.RAISED else logging.INFO
            log.log(level, "alert %s %s", alert.rule, change.value, extra={"action": f"alert.{change.value}"})

    def _told(self, alert: Alert) -> tuple[tuple[str, str], ...]:
        city = city_of(alert.group, self.policy)
        return tuple(
            (one.id, way)
            for one in self.plan.receivers
            if one.wants(alert.rule, alert.severity, city)
            for way in one.ways
        )

    # ---------------------------------------------------------------- readings

    def readings(self, now: float) -> dict[str, Readings]:
        """Of each rule what its measure says of each group; None = not known."""
        gauges: dict[str, Readings] = {**self._kept, **self._of_house(now)}
        found: dict[str, Readings] = {}
        figures = self.board.figures
        for rule in self._alerts.rules.values():
            if rule.measure in GAUGES:
                found[rule.name] = gauges.get(rule.measure)
            elif self.board.ready:
                values = (
                    figures.value(group, rule.window, rule.measure, now)
                    for group in figures.groups()
                    if rule.concerns(group)
                )
                found[rule.name] = {one.group: Reading(one.value, one.denominator) for one in values}
        return found

    def _of_house(self, now: float) -> dict[str, Readings]:
        """What is now: who waits, who is signed in, whether the exchange is there."""
        house = self._house
        found: dict[str, Readings] = {"exchange_down": {WHOLE: Reading(float(not house.connected))}}
        if not house.connected:
            return found  # who waits and who is there is not known then
        skills: dict[tuple[object, ...], list[AgentProfile]] = {}
        for agent in house.roster.agents():
            if agent.state is not AgentState.OFFLINE:
                profile = house.roster.profile(agent.id)
                skills.setdefault(tuple(sorted(profile.skills.items())), []).append(profile)
        fitting: dict[Group, float] = {}
        for queue in map(house.queue, house.plan.queues):
            # One of each set of skills is asked for all who have the same: a province has hundreds of agents.
            count = sum(len(alike) for alike in skills.values() if queue.served_by(alike[0]))
            fitting[Group("queue", queue.id)] = float(count)
        waits: dict[Group, list[float]] = {WHOLE: []}
        for live in house.waiting():
            record = live.record
            since = record.queued_at if record.queued_at is not None else record.arrived_at
            queue_id = str(record.queue or "")
            city = self.policy.city_of(record.dialled, queue_id)
            groups = [WHOLE, Group("queue", queue_id), *([Group("city", city)] if city else [])]
            for group in groups:
                waits.setdefault(group, []).append(max(0.0, now - since))
        found["longest_wait_s"] = {group: Reading(max(spans, default=0.0)) for group, spans in waits.items()}
        found["waiting"] = {group: Reading(float(len(spans))) for group, spans in waits.items()}
        found["agents_fitting"] = {group: Reading(count) for group, count in fitting.items()}
        found["unserved_callers"] = {
            group: Reading(0.0 if count else float(len(waits.get(group, ())))) for group, count in fitting.items()
        }
        return found

    async def _ask_store(self, now: float) -> None:
        """What the store alone knows, for rules that ask for it; what cannot be had is not known."""
        if 0.0 <= now - self._asked_at < STORE_EVERY_S:
            return
        self._asked_at, self._kept = now, {}
        asked = {rule.measure for rule in self._alerts.rules.values()}
        try:
            if self._transcripts is not None and asked & {"transcripts_waiting", "transcript_oldest_s"}:
                count, oldest = await self._transcripts()
                waited = 0.0 if oldest is None else max(0.0, now - oldest)
                self._kept["transcripts_waiting"] = {WHOLE: Reading(float(count))}
                self._kept["transcript_oldest_s"] = {WHOLE: Reading(waited)}
            if "tickets_due_soon" in asked:
                self._kept["tickets_due_soon"] = await self._due_soon(now)
        except StoreError as error:
            log.warning("alerts know less: %s", error, extra={"action": "alerts.wait"})

    async def _due_soon(self, now: float) -> dict[Group, Reading]:
        counts: dict[Group, float] = {WHOLE: 0.0}
        policy = self.policy
        for region, dialled, queue, count in await self._store.read(rows.due_soon, now + self.plan.due_soon_s):
            city = region if region in policy.organisations else policy.city_of(dialled, queue)
            for group in (WHOLE, *([Group("city", city)] if city else [])):
                counts[group] = counts.get(group, 0.0) + count
        return {group: Reading(count) for group, count in counts.items()}

    # ---------------------------------------------------------------- for the web

    @property
    def ready(self) -> bool:
        """Whether the figures are whole."""
        return self.board.ready

    def standing(self) -> list[Alert]:
        """Alerts that stand, the gravest first."""
        return self._alerts.standing()

    def city(self, group: Group) -> str:
        """The city to which a group belongs; empty for the whole and for teams."""
        return city_of(group, self.policy)

    def said(self, alert: Alert) -> tuple[str, str]:
        """An alert in one line, Chinese and English."""
        return line(alert, self._alerts.rules.get(alert.rule), self._name)

    def _name(self, group: Group) -> tuple[str, str]:
        queue = self._house.plan.queues.get(group.name) if group.kind == "queue" else None  # type: ignore[call-overload]
        return (queue.name_zh, queue.name_en) if queue is not None else (group.name, group.name)

    def groups(self) -> list[Group]:
        """Those that have calls; the whole always."""
        return sorted({WHOLE, *self.board.figures.groups()})

    def values(self, group: Group) -> list[LiveValue]:
        """A group's figures now."""
        return list(self.board.figures.values(group, self._clock()))

    async def between(self, since: float, until: float) -> list[Alert]:
        """Alerts raised in a span, newest first. Raises `web.backend.Unavailable`."""
        return await from_store(self._store.read(rows.between, since, until))

    async def acknowledge(self, id: str, by: str) -> tuple[Alert, bool]:
        """Somebody has seen it: the alert, and whether he was the first. `NoSuchAlert`, `web.backend.Unavailable`."""
        now = self._clock()
        alert, first = self._alerts.acknowledge(id, by, now)
        if first:
            noted = rows.Noted(alert, Change.ACKNOWLEDGED, now, self._told(alert))
            await from_store(self._store.submit(rows.NOTE, noted))
            self.on_change()
        return alert, first
