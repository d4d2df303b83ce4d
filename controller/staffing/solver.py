"""The least shift hours that cover the need, by HiGHS (MIT licence), where the optional package highspy is installed.

A mixed-integer program: how many work each pattern, so that every half-hour has whom it needs and the fewest hours are
paid. It ends when it is proved to be within `GAP` of the best, or after `limit_s`; then it says how far it may be.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.shifts import Cover, Pattern, greedy, matrix

GAP = 0.005


@dataclass(frozen=True, slots=True)
class Solved:
    """A cover, who found it (``highs`` or ``greedy``), and the half-hours below which no cover can be, where known."""

    cover: Cover
    by: str
    bound: float | None


def installed() -> bool:
    """Whether HiGHS can be used here."""
    return importlib.util.find_spec("highspy") is not None


def cover(need: Sequence[int], ways: Sequence[Pattern], *, solver: str = "auto", limit_s: float = 30.0) -> Solved:
    """A cover of the need by `solver`: ``highs``, ``greedy``, or ``auto`` = highs where it is installed.

    Raises ModuleNotFoundError when HiGHS is asked for by name and is not there; ValueError for a negative need.
    """
    if solver == "greedy" or (solver == "auto" and not installed()):
        return Solved(greedy(need, ways), "greedy", None)
    highspy = importlib.import_module("highspy")
    quick = greedy(need, ways, rounds=0)
    found = _highs(highspy, need, ways, quick, limit_s) if quick.counts else None
    return found if found is not None else Solved(greedy(need, ways), "greedy", None)


def _highs(highspy: Any, need: Sequence[int], ways: Sequence[Pattern], plain: Cover, limit_s: float) -> Solved | None:
    """None when it found nothing within its time."""
    rows = matrix(ways, len(need))
    wanted = np.where(rows.any(axis=0), np.array(need, float), 0.0)
    starts, places = [0], []
    for row in rows:  # a pattern is a column of the program
        places.append(np.flatnonzero(row))
        starts.append(starts[-1] + len(places[-1]))
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(ways), len(need)
    program.col_cost_ = np.array([way.paid for way in ways], float)
    program.col_lower_ = np.zeros(len(ways))
    program.col_upper_ = np.full(len(ways), float(max(need)))
    program.row_lower_, program.row_upper_ = wanted, np.full(len(need), highspy.kHighsInf)
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.array(starts)
    program.a_matrix_.index_ = np.concatenate(places)
    program.a_matrix_.value_ = np.ones(starts[-1])
    program.integrality_ = [highspy.HighsVarType.kInteger] * len(ways)
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("time_limit", limit_s),
        ("mip_rel_gap", GAP),
        ("threads", 1),
        ("random_seed", 1),
    ):
        solver.setOptionValue(name, value)
    solver.passModel(program)
    known = {pattern: count for pattern, count in plain.counts}
    begin = highspy.HighsSolution()
    begin.col_value = [float(known.get(way, 0)) for way in ways]
    solver.setSolution(begin)
    solver.run()
    counts = np.rint(np.array(solver.getSolution().col_value)).astype(int)
    if len(counts) != len(ways) or (counts @ rows < wanted).any():
        return None
    found = Cover(tuple((ways[at], int(counts[at])) for at in np.flatnonzero(counts)), plain.missing)
    return Solved(found, "highs", float(solver.getInfo().mip_dual_bound))
