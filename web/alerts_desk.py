"""What the web needs of live figures and alerts: one protocol, implemented by `controller/alert_keeper.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from metrics.alerts import Alert
from metrics.live import Group, LiveValue


class AlertsDesk(Protocol):
    """Live figures and alerts; times in epoch seconds. Methods that wait may raise `web.backend.Unavailable`."""

    @property
    def ready(self) -> bool:
        """Whether the figures are whole: after a start the calls of the last day are read first."""
        ...

    def standing(self) -> Sequence[Alert]:
        """Alerts that stand, the gravest first."""
        ...

    def said(self, alert: Alert) -> tuple[str, str]:
        """An alert in one line, Chinese and English."""
        ...

    def city(self, group: Group) -> str:
        """The city to which a group belongs; empty for the whole and for teams."""
        ...

    def groups(self) -> Sequence[Group]:
        """Of whom there are figures."""
        ...

    def values(self, group: Group) -> Sequence[LiveValue]:
        """A group's figures now: every window and definition."""
        ...

    async def between(self, since: float, until: float) -> Sequence[Alert]:
        """Alerts raised in a span, newest first."""
        ...

    async def acknowledge(self, id: str, by: str) -> tuple[Alert, bool]:
        """Somebody has seen it: the alert, and whether he was the first. Raises `metrics.alerts.NoSuchAlert`."""
        ...
