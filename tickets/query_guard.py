"""How often somebody may query tickets: so many tries a source, so many wrong ones a number. Pure; time is a parameter.

A number is guarded whether there is such a ticket or not, so being guarded tells nothing. Four digits of a telephone
are 10 000 possibilities: with the usual rules nobody tries more than ten of them on one ticket in a day, from however
many addresses and however many at once. Whoever keeps others out in this way does not keep out the code, which is too
long to be guessed and is counted by its source alone. What is remembered is bounded; the oldest is forgotten first. A
restart forgets nothing: `kept` and `restore`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

Count = tuple[str, str, float, int]
"""Of what (``source``, ``wrong``), whose, since when (epoch seconds), how many tries."""


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

    def __len__(self) -> int:
        return len(self._sources) + len(self._wrong)

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

    def counts_of(self, source: str, number: str) -> list[Count]:
        """What is counted of these two now."""
        found = (("source", source, self._sources.get(source)), ("wrong", number, self._wrong.get(number)))
        return [(kind, name, *count) for kind, name, count in found if count is not None]

    def kept(self) -> list[Count]:
        """Everything that is counted, the oldest first."""
        kinds = (("source", self._sources), ("wrong", self._wrong))
        return [(kind, name, *count) for kind, counts in kinds for name, count in counts.items()]

    def restore(self, counts: Iterable[Count], now: float) -> None:
        """Go on from what was `kept`; of a name the last one holds. None begins later than now: the clock may have
        been set back.
        """
        for kind, name, since, count in counts:
            mine, span_s = (
                (self._sources, self.rules.tries_in_s) if kind == "source" else (self._wrong, self.rules.wrong_in_s)
            )
            mine.pop(name, None)
            if now - since < span_s and count > 0:
                self._put(mine, name, (min(since, now), count))

    def _add(self, counts: OrderedDict[str, tuple[float, int]], name: str, now: float, span_s: float) -> None:
        since, count = counts.pop(name, (now, 0))
        self._put(counts, name, (now, 1) if now - since >= span_s else (since, count + 1))

    def _put(self, counts: OrderedDict[str, tuple[float, int]], name: str, count: tuple[float, int]) -> None:
        counts[name] = count
        while len(counts) > self.rules.remembered:
            counts.popitem(last=False)


def _count(counts: OrderedDict[str, tuple[float, int]], name: str, now: float, span_s: float) -> int:
    since, count = counts.get(name, (now, 0))
    return 0 if now - since >= span_s else count
