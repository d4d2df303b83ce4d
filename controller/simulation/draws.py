"""Chance for a simulation: durations by distribution, and numbers that depend on who asks, not on when. Pure.

Every draw is made from a uniform number by the inverse of its distribution. Numbers that belong to a caller come from
`chance(caller, purpose)`: they stay the same when another caller, another agent or another rule is added, so that two
simulated days differ only in what was changed (common random numbers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist

_MASK = (1 << 64) - 1
_inverse_normal = NormalDist().inv_cdf


def chance(who: int, purpose: int) -> float:
    """A number in (0, 1) that follows from `who` and `purpose` alone.

    SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    mixed = (who + (purpose + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    mixed ^= mixed >> 31
    return ((mixed >> 11) + 0.5) / (1 << 53)


@dataclass(frozen=True, slots=True)
class Duration:
    """A distribution of seconds: ``constant``, ``exponential``, ``lognormal`` (`cv` = standard deviation / mean), or
    ``never`` (longer than any day).

    Handling times of call centres are lognormal rather than exponential (L. Brown and others, "Statistical analysis
    of a telephone call center", Journal of the American Statistical Association 100, 2005).
    """

    kind: str = "constant"
    mean_s: float = 0.0
    cv: float = 1.0
    _middle_s: float = field(init=False, repr=False, compare=False, default=0.0)  #: lognormal: the median
    _spread: float = field(init=False, repr=False, compare=False, default=0.0)  #: and the spread of the logarithm

    def __post_init__(self) -> None:
        """What every draw of a lognormal needs is made once."""
        variance = math.log1p(self.cv * self.cv)
        object.__setattr__(self, "_middle_s", self.mean_s * math.exp(-variance / 2))
        object.__setattr__(self, "_spread", math.sqrt(variance))

    def at(self, uniform: float) -> float:
        """The value below which the share `uniform` (above 0, below 1) of all values lies."""
        kind = self.kind
        if kind == "exponential":
            return -self.mean_s * math.log1p(-uniform)
        if kind == "lognormal":
            return self._middle_s * math.exp(self._spread * _inverse_normal(uniform))
        return math.inf if kind == "never" else self.mean_s
