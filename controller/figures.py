"""Figures asked for by people: by command and by HTTP, from the store, each with its proof.

What is asked for is checked here in one place: the name, the period, whose figures. The work itself is done in the
reader's thread for a small hotline, in a process of its own for a day of thousands of calls, so that no call waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from controller.config_figures import FiguresPlan
from controller.figure_facts import Scope, collect
from metrics.definitions.catalogue import measure
from metrics.definitions.fold import Difference, differences, evaluate
from metrics.definitions.measure import Measure, Value
from metrics.definitions.rows import Facts
from metrics.period import Period
from tickets.ticket import TicketPolicy


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: definitions by name, of which period (so far), of whose calls. Picklable."""

    names: tuple[str, ...]
    period: Period
    scope: Scope = Scope()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What the values and differences are made by: the hotline's own rules."""

    policy: TicketPolicy
    plan: FiguresPlan
    timezone: str

    def facts(self, connection: Connection, asked: Asked) -> Facts:
        """The rows of what is asked for."""
        zone, period = ZoneInfo(self.timezone), asked.period.so_far(asked.now)
        return collect(
            connection,
            [self.measure(name) for name in asked.names],
            period.since,
            period.until,
            policy=self.policy,
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
        facts = self.facts(connection, asked)
        return [evaluate(self.measure(name), facts) for name in asked.names]

    def differences(self, connection: Connection, asked: Asked) -> list[Difference]:
        """The rows that the two definitions asked for count otherwise. Raises `NotComparable` too."""
        one, other = (self.measure(name) for name in asked.names)
        return differences(one, other, self.facts(connection, asked))


def measure_json(one: Measure) -> dict[str, object]:
    """A definition as JSON has it."""
    return {
        "name": one.name,
        "subject": one.subject.value,
        "kind": one.kind.value,
        "unit": one.unit,
        "title": {"zh": one.title_zh, "en": one.title_en},
        "formula": {"zh": one.formula_zh, "en": one.formula_en},
        "source": one.source,
        "target": one.target,
        "better": one.better,
    }


def met(one: Measure, value: float | None) -> bool | None:
    """Whether the target is met; None without a value or a target."""
    if value is None or one.target is None:
        return None
    return value >= one.target if one.better == "higher" else value <= one.target


def value_json(one: Measure, value: Value, *, calls: bool) -> dict[str, object]:
    """A figure as JSON has it; with the ids behind it where `calls`."""
    found: dict[str, object] = {
        "value": value.value,
        "numerator": value.numerator,
        "denominator": value.denominator,
        "target": one.target,
        "met": met(one, value.value),
        "why": {"zh": value.why_zh, "en": value.why_en} if value.value is None else None,
        "window": {"since": value.window[0], "until": value.window[1]} if value.window is not None else None,
    }
    if calls:
        found |= {"numerator_ids": list(value.numerator_ids), "denominator_ids": list(value.denominator_ids)}
    return found


def difference_json(found: Sequence[Difference]) -> list[dict[str, object]]:
    """Differences as JSON has them."""
    return [{"id": one.id, "a": one.a, "b": one.b, "zh": one.zh, "en": one.en} for one in found]


def written(period: Period, zone: ZoneInfo) -> str:
    """A period for people, in the hotline's own time."""
    first, last = (datetime.fromtimestamp(at, zone) for at in (period.since, period.until))
    return f"{first:%Y-%m-%d %H:%M:%S} - {last:%Y-%m-%d %H:%M:%S} ({zone.key})"
