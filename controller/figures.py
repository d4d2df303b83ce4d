"""Figures asked for by people: by command and by HTTP, from the store, each with its proof.

What is asked for is checked here in one place: the name, the period, whose figures. The work itself is done in the
reader's thread for a small hotline, in a process of its own for a day of thousands of calls, so that no call waits.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.config import Settings
from controller.config_figures import FiguresPlan
from controller.figure_facts import Cities, Scope, collect
from metrics.definitions.catalogue import measure
from metrics.definitions.fold import Difference, Fold, differences
from metrics.definitions.measure import Measure, Value
from metrics.definitions.rows import Facts
from metrics.period import Period


@contextlib.contextmanager
def apart_from_calls() -> Iterator[None]:
    """In a process that folds and does nothing else: millions of rows are made and kept, so looking for garbage among
    them again and again is half the work.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: definitions by name, of which period (so far), of whose calls. Picklable."""

    names: tuple[str, ...]
    period: Period
    scope: Scope = Scope()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What the values and differences are made by: the hotline's own rules. Picklable."""

    cities: Cities
    plan: FiguresPlan
    timezone: str

    @staticmethod
    def of(settings: Settings) -> Figures:
        """Of a configuration."""
        return Figures(Cities.of(settings.tickets), settings.figures, settings.plan.timezone)

    def facts(self, connection: Connection, asked: Asked) -> Facts:
        """The rows of what is asked for."""
        zone, period = ZoneInfo(self.timezone), asked.period.so_far(asked.now)
        return collect(
            connection,
            [self.measure(name) for name in asked.names],
            period.since,
            period.until,
            cities=self.cities,
            now=asked.now,
            scope=asked.scope,
            internet=self.plan.internet(period.since, period.until, zone) if self.plan.seats else None,
        )

    def measure(self, name: str) -> Measure:
        """The definition with this hotline's target. Raises `UnknownMeasure`."""
        found = measure(name)
        own = self.plan.targets.get(found.name)
        return found if own is None else replace(found, target=own)

    def values(self, connection: Connection, asked: Asked) -> list[Value]:
        """The figures, in the order asked. Raises `FigureRefused`, `UnknownMeasure`."""
        fold = Fold(self.facts(connection, asked))
        return [fold.evaluate(self.measure(name)) for name in asked.names]

    def differences(self, connection: Connection, asked: Asked) -> list[Difference]:
        """The rows that the two definitions asked for count otherwise. Raises `NotComparable` too."""
        one, other = (self.measure(name) for name in asked.names)
        return differences(one, other, self.facts(connection, asked))


def written(period: Period, zone: ZoneInfo) -> str:
    """A period for people, in the hotline's own time."""
    first, last = (datetime.fromtimestamp(at, zone) for at in (period.since, period.until))
    return f"{first:%Y-%m-%d %H:%M:%S} - {last:%Y-%m-%d %H:%M:%S} ({zone.key})"
