"""The worst of any continuous 24 hours, exactly: not on a grid of hours or minutes. Pure.

GB/T 33358-2016 asks for a connect rate of 95 % 「over any continuous 24 h」. A window is [t, t + 24 h) for any real t;
of a period all windows count that *end* in it, so that those of one day are its running 24 hours, the day before
in them. What stands in a window changes only where t passes an arrival, or t + 24 h does. Between two such instants it
is the same, so that looking at each of them, and at both ends, is looking at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LENGTH_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Worst:
    """The window with the lowest share, the earliest of equals: its begin and end (epoch seconds), and its calls."""

    since: float
    until: float
    numerator: int
    denominator: int


def worst(
    arrivals: Sequence[tuple[float, bool]], since: float, until: float, length_s: float = LENGTH_S
) -> Worst | None:
    """Of calls as (arrival, success), in order of arrival: the worst window that ends in [since, until].

    None where no such window has a call. Instants are compared in whole milliseconds.
    """
    length = _ms(length_s)
    times = [_ms(at) for at, _ in arrivals]
    first, last = _ms(since) - length, _ms(until) - length
    begins = {first, last, *(at for at in times if first <= at <= last)}
    begins.update(at - length for at in times if first <= at - length <= last)
    total = [0]
    for _, good in arrivals:
        total.append(total[-1] + good)
    found: tuple[int, int, int] | None = None  # good, all, begin
    left = right = 0
    for begin in sorted(begins):
        while left < len(times) and times[left] < begin:
            left += 1
        while right < len(times) and times[right] < begin + length:
            right += 1
        count = right - left
        answered = total[right] - total[left]
        if count and (found is None or answered * found[1] < found[0] * count):
            found = answered, count, begin
    if found is None:
        return None
    return Worst(found[2] / 1000.0, (found[2] + length) / 1000.0, found[0], found[1])


def _ms(at: float) -> int:
    return round(at * 1000.0)
