"""What a simulation showed, for people (a table) and for programs (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from controller.simulation.figures import CONFIDENCE, NAMES, THIRTY, Estimate
from controller.simulation.runs import Result
from metrics.servicelevel import HEADLINE

RATES = frozenset({HEADLINE, THIRTY, "abandoned_rate", "occupancy"})
"""Figures between 0 and 1, shown in per cent."""

TITLES = {
    "offered": "offered",
    "answered": "answered",
    HEADLINE: "in 15 s",
    THIRTY: "in 30 s",
    "abandoned_rate": "abandoned",
    "wait_mean_s": "wait, s",
    "wait_p50_s": "p50",
    "wait_p90_s": "p90",
    "wait_p95_s": "p95",
    "patience_mean_s": "gave up after, s",
    "offers_per_answered": "offers a call",
    "occupancy": "occupancy",
}


def shown(name: str, value: float | None) -> str:
    """One figure's value for people."""
    if value is None:
        return "–"
    if name in RATES:
        return f"{value * 100:.2f} %"
    return f"{value:.0f}" if name in ("offered", "answered") else f"{value:.2f}"


def with_interval(name: str, found: Estimate | None) -> str:
    """One figure with half its interval."""
    if found is None:
        return "–"
    if found.half is None:
        return shown(name, found.mean)
    half = found.half * 100 if name in RATES else found.half
    return (
        f"{shown(name, found.mean)} ± {half:.1f}"
        if name in ("offered", "answered")
        else (f"{shown(name, found.mean)} ± {half:.2f}")
    )


def table(title: str, figures: Mapping[str, Mapping[str, Estimate]]) -> Table:
    """A column for each queue, a row for each figure, so that it fits a terminal."""
    made = Table(title=title, title_justify="left")
    made.add_column("")
    for queue in figures:
        made.add_column(queue, justify="right")
    for name in NAMES:
        if any(name in row for row in figures.values()):
            made.add_row(TITLES[name], *(with_interval(name, row.get(name)) for row in figures.values()))
    return made


def side_by_side(title: str, columns: Sequence[tuple[str, Mapping[str, Mapping[str, float]]]]) -> Table:
    """Several days' figures beside each other, queue after queue."""
    made = Table(title=title, title_justify="left")
    made.add_column("queue")
    made.add_column("")
    for heading, _ in columns:
        made.add_column(heading, justify="right")
    groups = dict.fromkeys(group for _, figures in columns for group in figures)
    for group in groups:
        rows = [figures.get(group, {}) for _, figures in columns]
        first = True
        for name in NAMES:
            if any(name in row for row in rows):
                made.add_row(group if first else "", TITLES[name], *(shown(name, row.get(name)) for row in rows))
                first = False
        made.add_section()
    return made


def document(result: Result) -> dict[str, Any]:
    """The same as a JSON object; a figure that was not measured is absent."""
    own = result.plan.raw.simulation
    return {
        "plan": result.plan.file.name,
        "configuration": result.plan.hotline.version,
        "level": own.level,
        "seed": own.seed,
        "runs": result.runs,
        "calls": result.calls,
        "confidence": CONFIDENCE,
        "interval": "student_over_runs" if result.runs > 1 else "batch_means",
        "seconds": {name: round(value, 4) for name, value in result.seconds.items()},
        "figures": {
            queue: {
                name: {"mean": one.mean, "low": one.low, "high": one.high, "values": list(one.values)}
                for name, one in row.items()
            }
            for queue, row in result.figures.items()
        },
    }
