"""How well forecasts do: past weeks are forecast from what was known before each, beside the methods that need nothing
but last weeks' calls. Pure; numbers in calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from metrics.forecast import Arrivals, DayFacts, NoHistory, Numbers, forecast


@dataclass(frozen=True, slots=True)
class Errors:
    """How far forecasts of past weeks were off: WAPE = sum of absolute errors / calls; MASE = mean absolute error /
    that of the same slot a week before, within what was known (R. J. Hyndman, A. B. Koehler, "Another look at measures
    of forecast accuracy", International Journal of Forecasting 22, 2006); `bias` = sum of errors / calls. `held`: the
    share of slots within the interval, None where a method has none. `slots` were compared.
    """

    wape: float
    mase: float
    bias: float
    held: float | None
    slots: int


@dataclass(frozen=True, slots=True)
class BackTest:
    """`by_method`: ours, ``naive`` (the same slot a week before) and ``mean4`` (of the last four such weekdays)."""

    weeks: int
    by_method: Mapping[str, Errors]


OURS, NAIVE, MEAN4 = "ours", "naive", "mean4"


def back_test(
    arrivals: Arrivals, facts: Mapping[date, DayFacts], weeks: int = 4, only: frozenset[date] | None = None
) -> BackTest:
    """Forecast each of the last weeks from what was known before it. Raises NoHistory where that is too little.

    `only`: which days are scored; all by default, the extraordinary ones too.
    """
    end = arrivals.days[-1] + timedelta(days=1)
    rows: dict[str, list[tuple[Numbers, Numbers]]] = {OURS: [], NAIVE: [], MEAN4: []}
    inside: list[NDArray[np.bool_]] = []
    scales: list[Numbers] = []
    done = 0
    for week in range(weeks, 0, -1):
        origin = end - timedelta(days=7 * week)
        past = arrivals.before(origin)
        try:
            found = forecast(past, facts, [origin + timedelta(days=ahead) for ahead in range(7)])
        except NoHistory:
            if week == 1 and not done:
                raise
            continue
        done += 1
        lagged = np.abs(past.counts[7:] - past.counts[:-7])
        scales.append(lagged[~np.isnan(lagged)])
        for one in found.days:
            if only is not None and one.day not in only:
                continue
            seen = arrivals.counts[(one.day - arrivals.first).days]
            earlier = _same_weekday(past, one.day)
            usable = ~np.isnan(seen)
            if earlier is None or not usable.any():
                continue
            before, average = earlier
            usable &= ~np.isnan(before)
            rows[OURS].append((seen[usable], np.array(one.mean)[usable]))
            rows[NAIVE].append((seen[usable], before[usable]))
            rows[MEAN4].append((seen[usable], average[usable]))
            inside.append((seen >= np.array(one.low))[usable] & (seen <= np.array(one.high))[usable])
    if not rows[OURS] or not sum(float(seen.sum()) for seen, _ in rows[OURS]):
        raise NoHistory(done * 7)
    scale = float(np.concatenate(scales).mean()) or math.nan
    held = float(np.concatenate(inside).mean())
    return BackTest(done, {name: _errors(pairs, scale, held if name == OURS else None) for name, pairs in rows.items()})


def _same_weekday(past: Arrivals, day: date) -> tuple[Numbers, Numbers] | None:
    """The last such weekday that is known, and the mean of the last four."""
    found: list[Numbers] = []
    row = (day - past.first).days - 7
    while row >= 0 and len(found) < 4:
        if row < len(past.counts) and not np.isnan(past.counts[row]).all():
            found.append(past.counts[row])
        row -= 7
    if not found:
        return None
    stacked = np.array(found)
    known = ~np.isnan(stacked)
    return found[0], np.where(known, stacked, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _errors(pairs: Sequence[tuple[Numbers, Numbers]], scale: float, held: float | None) -> Errors:
    seen, said = np.concatenate([one[0] for one in pairs]), np.concatenate([one[1] for one in pairs])
    error = said - seen
    calls = float(seen.sum())
    absolute = float(np.abs(error).sum())
    return Errors(absolute / calls, absolute / len(seen) / scale, float(error.sum()) / calls, held, len(seen))
