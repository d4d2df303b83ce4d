"""How often somebody may query tickets: so many tries a source, so many wrong ones a number. Pure; time is a parameter.

A number is guarded whether there is such a ticket or not, so being guarded tells nothing. Four digits of a telephone
are 10 000 possibilities: with the usual rules nobody tries more than ten of them on one ticket in a day, from however
many addresses and however many at once. Whoever keeps others out in this way does not keep out the code, which is too
long to be guessed and is counted by its source alone. What is remembered is bounded; the oldest is forgotten first, and
all of it by a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryRules:
    """Tries in spans of seconds. `answer_s`: no answer is given sooner, so that its time tells nothing."""

    tries: int = 30  #: of one address, which many may share
    tries_in_s: float = 600.0
    wrong: int = 10
    wrong_in_s: float = 86_400.0
    remembered: int = 50_000
    answer_s: float = 0.25


class QueryGuard:
    """Counts tries. One for every way of asking."""

    def __init__(self, rules: QueryRules | None = None) -> None:
        self.rules = rules or QueryRules()
        self._sources: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def admit(self, source: str, number: str, now: float, *, guessable: bool) -> bool:
        """Count a try; False when `source` asks too often, or `number` was asked wrongly too often.

        A `guessable` proof counts as wrong until `fitted` says otherwise, so that many at once are no way around it.
        """
        rules = self.rules
        if guessable and _count(self._wrong, number, now, rules.wrong_in_s) >= rules.wrong:
            return False
        if _count(self._sources, source, now, rules.tries_in_s) >= rules.tries:
            return False
        self._add(self._sources, source, now, rules.tries_in_s)
        if guessable:
            self._add(self._wrong, number, now, rules.wrong_in_s)
        return True

    def fitted(self, number: str) -> None:
        """The guessable proof was right: it was no wrong try."""
        since, count = self._wrong.get(number, (0.0, 0))
        if count:
            self._wrong[number] = (since, count - 1)

    def _add(self, counts: OrderedDict[str, tuple[float, int]], name: str, now: float, span_s: float) -> None:
        since, count = counts.pop(name, (now, 0))
        counts[name] = (now, 1) if now - since >= span_s else (since, count + 1)
        while len(counts) > self.rules.remembered:
            counts.popitem(last=False)


def _count(counts: OrderedDict[str, tuple[float, int]], name: str, now: float, span_s: float) -> int:
    since, count = counts.get(name, (now, 0))
    return 0 if now - since >= span_s else count
