"""All definitions by name, and the nearest names to a wrong one. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from metrics.definitions import of_agents, of_calls, of_tickets
from metrics.definitions.measure import Kind, Measure

RUNNING = ("connect.v1", "sl15.offered.v1", "sl15.answered.v1")
"""Definitions of which the worst of any 24 hours is one too."""


class UnknownMeasure(KeyError):
    """No definition has this name; `nearest` are those most like it."""

    def __init__(self, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = nearest


def _worst_of(base: Measure) -> Measure:
    stem, _, version = base.name.rpartition(".")
    return replace(
        base,
        name=f"{stem}.worst24h.{version}",
        kind=Kind.WORST_WINDOW,
        title_zh=f"{base.title_zh}(任意连续24小时最低)",
        title_en=f"{base.title_en}, worst of any continuous 24 hours",
        formula_zh=f"在本时段内结束的任意连续24小时中, 最低的: {base.formula_zh}",
        formula_en=f"of all windows of 24 hours that end in the period, the lowest: {base.formula_en}",
        source="domain.md 3.4: GB/T 33358-2016, any continuous 24 h [P1]",
    )


@cache
def catalogue() -> Mapping[str, Measure]:
    """Every definition by its name, in the order in which they are listed."""
    made: Iterable[Measure] = (
        *of_calls.service_levels(),
        *of_calls.rates(),
        *of_calls.durations(),
        *of_tickets.tickets(),
        *of_tickets.follow_ups(),
        *of_tickets.decisions(),
        *of_agents.of_time(),
    )
    found = {one.name: one for one in made}
    found |= {one.name: one for one in map(_worst_of, (found[name] for name in RUNNING))}
    return MappingProxyType(found)


def measure(name: str) -> Measure:
    """The definition of this name. Raises `UnknownMeasure`."""
    known = catalogue()
    if name in known:
        return known[name]
    versions = [one for one in known if one.rpartition(".")[0] == name]
    close = difflib.get_close_matches(name.lower(), list(known), n=3, cutoff=0.5)
    raise UnknownMeasure(name, tuple(dict.fromkeys([*versions, *close]))[:3])
