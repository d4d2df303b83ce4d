"""[figures] of the configuration: targets, the internet's seats, when a day is closed. See docs/figures.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from controller.config_base import Section
from controller.toml_lines import Path as TomlPath
from metrics.definitions.rows import InternetSeats
from metrics.period import TEXTS, FigureRefused, target

if TYPE_CHECKING:
    from controller.config_sections import HotlineFile


class InternetSection(Section):
    """[figures.internet]: the seats that serve the internet (互联网座席)."""

    seats: Annotated[int, Field(ge=0, le=10_000)] = 0  # to be staffed; 0 = there are none, and no figure of them
    agents: list[str] = Field(default_factory=list)  # who may sit there
    opens: str = "00:00"
    closes: str = "24:00"


class FiguresSection(Section):
    """[figures]."""

    close_at: str | None = "03:00"  # the day before is closed at this local time by itself; "" = only by command
    targets: dict[str, float | str] = Field(default_factory=dict)  # definition = 0.95 or "95 %"
    internet: InternetSection = Field(default_factory=InternetSection)


@dataclass(frozen=True, slots=True)
class FiguresPlan:
    """What [figures] means. `close_at`: seconds after local midnight, None = days are closed by command alone."""

    close_at: int | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    seats: int = 0
    agents: frozenset[str] = frozenset()
    opens_s: int = 0
    closes_s: int = 86_400

    def internet(self, since: float, until: float, zone: ZoneInfo) -> InternetSeats:
        """The seats that were to be staffed in [since, until), epoch seconds."""
        spans = []
        day = datetime.fromtimestamp(since, zone).date()
        while (midnight := datetime.combine(day, time(), zone)).timestamp() < until:
            begin, end = (
                (datetime.combine(day, time(), UTC) + timedelta(seconds=s)).replace(tzinfo=zone).timestamp()
                for s in (self.opens_s, self.closes_s)
            )
            spans.append((max(begin, midnight.timestamp(), since), min(end, until)))
            day += timedelta(days=1)
        return InternetSeats(self.seats, tuple(span for span in spans if span[0] < span[1]), self.agents)


_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


def _seconds(text: str) -> int | None:
    """Seconds after midnight of ``HH:MM``; None for what is none."""
    if not _CLOCK.fullmatch(text):
        return None
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _targets(given: Mapping[str, float | str], wrong: Callable[[TomlPath, str], None]) -> dict[str, float]:
    from metrics.definitions.catalogue import UnknownMeasure, measure  # a start without targets need not load them

    targets = {}
    for name, value in given.items():
        try:
            targets[measure(name).name] = target(value)
        except UnknownMeasure as error:
            near = f"; nearest: {', '.join(error.nearest)}" if error.nearest else ""
            wrong(("figures", "targets", name), f"no definition has this name{near} (没有此指标)")
        except FigureRefused as error:
            zh, en = TEXTS[error.code]
            wrong(("figures", "targets", name), f"{en} ({zh})")
    return targets


def figures_plan(raw: HotlineFile, wrong: Callable[[TomlPath, str], None] = lambda place, why: None) -> FiguresPlan:
    """The plan of the section; `wrong` is told of what cannot be used."""
    section = raw.figures
    targets = _targets(section.targets, wrong) if section.targets else {}
    close_at = _seconds(section.close_at) if section.close_at else None
    if section.close_at and (close_at is None or close_at >= 86_400):
        wrong(("figures", "close_at"), "must be a time of day such as 03:00, or empty")
    opens, closes = _seconds(section.internet.opens), _seconds(section.internet.closes)
    for name, value in (("opens", opens), ("closes", closes)):
        if value is None:
            wrong(("figures", "internet", name), "must be a time of day such as 08:00")
    if opens is not None and closes is not None and opens >= closes:
        wrong(("figures", "internet", "closes"), "must be later than opens")
    known = {agent.id for agent in raw.agents}
    for agent in section.internet.agents:
        if agent not in known:
            wrong(("figures", "internet", "agents"), f"there is no agent {agent}")
    return FiguresPlan(
        close_at, targets, section.internet.seats, frozenset(section.internet.agents), opens or 0,
        closes or 86_400,
    )  # fmt: skip
