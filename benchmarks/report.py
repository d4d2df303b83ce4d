"""What every benchmark and drill prints and writes: one table, one JSON file.

The figures' names, units and goals stand in `benchmarks/figures.toml`. The file written has the shape
``{"name": "acd", "machine": {...}, "figures": {name: number, ...}, ...details}``; a figure that was not
measured is absent, never 0.
"""

from __future__ import annotations

import json
import os
import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_FIGURES = Path(__file__).with_name("figures.toml")


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is measured against. `better` is ``higher`` or ``lower``."""

    unit: str
    better: str
    goal: float | None = None
    aim: float | None = None

    def reached(self, value: float) -> bool | None:
        """Whether `value` is as good as the goal; None without a goal."""
        if self.goal is None:
            return None
        return value >= self.goal if self.better == "higher" else value <= self.goal


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    ours: float
    peer: float | None
    ratio: float | None
    goal: Goal


def goals(kind: str, name: str) -> dict[str, Goal]:
    """The figures of ``[bench.NAME]`` or ``[drill.NAME]``; empty if the file names none."""
    table = tomllib.loads(_FIGURES.read_text("utf-8")).get(kind, {}).get(name, {})
    return {figure: Goal(**given) for figure, given in table.items()}


def machine() -> dict[str, Any]:
    """What the figures were measured on: without it they say nothing."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text("utf-8").splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def shown(value: float | None) -> str:
    """A number for people: thousands apart, four digits that count."""
    if value is None:
        return ""
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


class Report:
    """Collects the figures of one run; `finish` prints and writes them."""

    def __init__(self, name: str, kind: str = "bench") -> None:
        """`name` as on the command line; `kind` is ``bench`` or ``drill``."""
        self.name = name
        self.details: dict[str, Any] = {}
        self._kind = kind
        self._goals = goals(kind, name)
        self._rows: list[_Row] = []
        self._machine = machine()

    def figure(self, name: str, value: float, *, peer: float | None = None, ratio: float | None = None) -> None:
        """A figure of `benchmarks/figures.toml`, with what the peer reached and ours / the peer's where there is one.

        Raises KeyError for a name that the file does not have.
        """
        if ratio is None and peer:
            ratio = value / peer
        self._rows.append(_Row(name, value, peer, ratio, self._goals[name]))

    def table(self) -> Table:
        """The figures as a table: ours, the peer, the ratio, the goal."""
        table = Table(title=f"{self._kind} {self.name}", title_justify="left")
        table.add_column("figure")
        for column in ("unit", "ours", "the peer", "ratio", "goal", "aim"):
            table.add_column(column, justify="right")
        table.add_column("")
        for row in self._rows:
            sign = "≥" if row.goal.better == "higher" else "≤"
            wanted = ["" if x is None else f"{sign} {shown(x)}" for x in (row.goal.goal, row.goal.aim)]
            verdict = {True: "[green]reached", False: "[red]missed", None: ""}[row.goal.reached(row.ours)]
            cells = (row.goal.unit, shown(row.ours), shown(row.peer), shown(row.ratio), *wanted, verdict)
            table.add_row(row.name, *cells)
        return table

    def document(self) -> dict[str, Any]:
        """What is written: name, machine, figures and details."""
        figures = {row.name: row.ours for row in self._rows}
        return {"name": self.name, "machine": self._machine, "figures": figures, **self.details}

    def finish(self, json_path: Path | None = None) -> int:
        """Print the table and write `json_path` if given; 0: a missed goal is shown, it is no failed command."""
        Console().print(self.table())
        if json_path is not None:
            json_path.parent.mkdir(parents=True, exist_ok=True)
            json_path.write_text(json.dumps(self.document(), ensure_ascii=False, indent=2) + "\n", "utf-8")
        return 0
