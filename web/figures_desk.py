"""What the web needs of figures: one protocol, implemented by `controller/figures_desk.py`.

Who may ask is looked at before. Methods may raise `metrics.period.FigureRefused`,
`metrics.definitions.catalogue.UnknownMeasure`, `metrics.definitions.fold.NotComparable`, `web.backend.Unavailable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from metrics.definitions.fold import Difference
from metrics.definitions.measure import Measure, Value
from metrics.period import Period


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of which period and whose; None = of all. `regions`: what the bearer's rights allow, by organisations' ids."""

    period: Period
    queue: str | None = None
    city: str | None = None
    regions: frozenset[str] | None = None


class FiguresDesk(Protocol):
    """Figures with their proof."""

    @property
    def zone(self) -> ZoneInfo:
        """In which days are meant."""

    def queues(self) -> Sequence[str]:
        """The queues that there are."""

    def measures(self) -> Sequence[Measure]:
        """Every definition, with this hotline's targets."""

    def measure(self, name: str) -> Measure:
        """The definition of this name."""

    async def value(self, name: str, wanted: Wanted) -> Value:
        """A figure."""

    async def differences(self, a: str, b: str, wanted: Wanted) -> tuple[Value, Value, Sequence[Difference]]:
        """Two figures, and the rows that the two count otherwise."""
