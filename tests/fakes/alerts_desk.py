"""Live figures and alerts in memory: the real rules and sums, of calls and readings that a test gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from metrics.alerts import Alert, Alerts, Reading, Rule
from metrics.definitions.catalogue import measure
from metrics.live import DEFAULT_DEFINITIONS, WHOLE, Group, LiveFigures, LiveValue, usual_windows


class MemoryAlerts:
    """See `web.alerts_desk.AlertsDesk`."""

    def __init__(self, clock: Callable[[], float], *rules: Rule) -> None:
        self.clock = clock
        self.ready = True
        self.rules = Alerts(rules)
        self.figures = LiveFigures([measure(one) for one in DEFAULT_DEFINITIONS], usual_windows(ZoneInfo("UTC")))

    def read(self, rule: str, group: Group, value: float) -> None:
        """One look at what a rule's measure says of a group."""
        self.rules.look(self.clock(), {rule: {group: Reading(value)}})

    def standing(self) -> Sequence[Alert]:
        return self.rules.standing()

    def said(self, alert: Alert) -> tuple[str, str]:
        return f"{alert.zh} {alert.group.name}", f"{alert.en} {alert.group.name}"

    def city(self, group: Group) -> str:
        return group.name if group.kind == "city" else ""

    def groups(self) -> Sequence[Group]:
        return sorted({WHOLE, *self.figures.groups()})

    def values(self, group: Group) -> Sequence[LiveValue]:
        return list(self.figures.values(group, self.clock()))

    async def between(self, since: float, until: float) -> Sequence[Alert]:
        return [one for one in self.standing() if since <= one.raised_at < until]

    async def acknowledge(self, id: str, by: str) -> tuple[Alert, bool]:
        return self.rules.acknowledge(id, by, self.clock())
