"""How far two inspectors agree: in percent, and beyond chance (Cohen's kappa). Pure.

kappa = (po - pe) / (1 - pe), with po the part of cases in which both gave the same, and pe the part in which they
would by chance: the sum over the grades of the product of how often each gave it (J. Cohen, "A Coefficient of Agreement
for Nominal Scales", Educational and Psychological Measurement 20, 1960, pp. 37-46).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `count` cases judged twice; None where it is not defined: no case, or (kappa) both always gave one grade."""

    count: int
    percent: float | None
    kappa: float | None


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> Agreement:
    """The agreement of pairs of grades, first inspector and second."""
    count = len(pairs)
    if not count:
        return Agreement(0, None, None)
    same = sum(one == other for one, other in pairs) / count
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(first[grade] * second[grade] for grade in first) / count**2
    kappa = None if chance == 1 else (same - chance) / (1 - chance)
    return Agreement(count, round(100 * same, 2), None if kappa is None else round(kappa, 4))
