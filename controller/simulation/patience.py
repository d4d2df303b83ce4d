"""How long callers would have waited, from a day on which most of them did not have to find out. Pure.

Who hung up in the line has shown his patience. Who was answered has only shown that it is longer than his wait: his
patience is censored, and leaving him out would make people look far more impatient than they are. The product-limit
estimate uses both (E. L. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", Journal of the
American Statistical Association 53, 1958). Beyond the longest patience that was seen, where it says nothing, the day's
average rate of giving up goes on: one for every so many seconds waited by all.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable


class Patience:
    """The distribution of patience of some callers."""

    def __init__(self, waits: Iterable[tuple[float, bool]]) -> None:
        """`waits`: how long each caller waited (seconds), and whether he then gave up."""
        ordered = sorted(waits, key=lambda one: (one[0], not one[1]))
        self.gave_up = sum(gave_up for _, gave_up in ordered)
        self.censored = len(ordered) - self.gave_up
        waited = math.fsum(wait for wait, _ in ordered)
        self._rate = self.gave_up / waited if waited > 0 else 0.0
        self._times: list[float] = []  #: ascending: at which callers gave up
        self._left: list[float] = []  #: the share that is still there after each
        share, there = 1.0, len(ordered)
        for wait, gave_up in ordered:
            if gave_up:
                share *= 1 - 1 / there
                if self._times and self._times[-1] == wait:
                    self._left[-1] = share
                else:
                    self._times.append(wait)
                    self._left.append(share)
            there -= 1

    def still_there(self, wait_s: float) -> float:
        """The share of callers whose patience is longer than `wait_s`."""
        place = bisect_right(self._times, wait_s)
        share = self._left[place - 1] if place else 1.0
        if place == len(self._times) and place and wait_s > self._times[-1]:
            share *= math.exp(-self._rate * (wait_s - self._times[-1]))
        return share

    def longer_than(self, wait_s: float, uniform: float) -> float:
        """The patience of a caller of whom it is known that he waited `wait_s`; `inf` where nobody ever gave up.

        `uniform`, above 0 and below 1, chooses among those who are as patient.
        """
        if not self._rate:
            return math.inf
        wanted = self.still_there(wait_s) * uniform
        for time, left in zip(self._times, self._left, strict=True):
            if time > wait_s and left <= wanted:
                return time
        begin = max(self._times[-1], wait_s)
        share = self.still_there(begin)
        return (
            begin
            if share <= 0
            else max(begin - math.log(wanted / share) / self._rate, math.nextafter(wait_s, math.inf))
        )
