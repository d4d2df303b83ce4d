"""`hotline bench repeats`: whether one event among many calls is found, and nothing unrelated with it.

A generated city's tickets: background calls about 19 matters at 600 places, told in different words with different
details, with gaps (no address, no class, a wrong class, the district left out); among them the same complex with other
matters, the same matter in complexes of like names, and people who call again about something else. Into that a burst
of one event is mixed. What is proposed for each call as it is taken down is judged by what the generator knows. The
generator's words and the list of matters were written by the same hand: the figures say how the rule does on wording
of this kind, not on a city's real tickets.
"""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report
from tickets.repeats import Draft, RepeatRules, Sketch, likeness, proposed, rarity, sketched

_WORDS = tomllib.loads((Path(__file__).parent / "repeats.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter: its class and ways of telling it."""

    code: str
    ways: tuple[str, ...]
    titles: tuple[str, ...]


MATTERS = {
    name: Matter(table["code"], tuple(table["ways"]), tuple(table["titles"]))
    for name, table in _WORDS["matters"].items()
}

QUESTIONS = frozenset({"pension", "school"})
"""Matters about which everybody asks for himself: no event."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the generated city."""

    district: str
    road: str
    house: int
    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """One call: what was taken down, and which event it is about (0 = its own matter)."""

    draft: Draft
    event: int
    matter: str
    place: Place


class City:
    """A generated city, the same for one seed."""

    def __init__(self, seed: int, places: int = 600) -> None:
        self.random = random.Random(seed)
        seconds = ("", *_WORDS["second"])
        names = [one + two + kind for one in _WORDS["names"] for two in seconds for kind in _WORDS["kinds"]]
        self.places = [
            Place(
                self.random.choice(_WORDS["districts"]),
                self.random.choice(_WORDS["roads"]) + self.random.choice(("路", "东路", "西路", "大道")),
                self.random.randint(1, 260),
                name,
            )
            for name in self.random.sample(names, places)
        ]
        self._sequence = 0
        self._callers = [f"138{self.random.randrange(10**8):08d}" for _ in range(20_000)]

    def day(self, tickets: int, burst: int, start: float, length_s: float = 86_400.0) -> Iterator[Told]:
        """One day's calls in order, with `burst` of them about one event within half an hour of its second half."""
        times = sorted(start + self.random.random() * length_s for _ in range(tickets))
        begin = start + length_s * (0.5 + 0.4 * self.random.random())
        event_place = self.random.choice(self.places)
        matter = self.random.choice(("water-off", "burst-pipe", "power-off", "gas-off", "heating", "flooding", "lift"))
        of_event = sorted(begin + self.random.random() * 1800.0 for _ in range(burst))
        calls = [(at, 0) for at in times] + [(at, 1) for at in of_event]
        for at, event in sorted(calls):
            if event:
                yield self._call(at, matter, event_place, 1)
                continue
            place = self.random.choice(self.places)
            if at > begin and self.random.random() < 0.05:  # his neighbours call about other things too
                place = event_place
            kind = self.random.choice(list(MATTERS))
            while place is event_place and kind == matter:
                kind = self.random.choice(list(MATTERS))
            yield self._call(at, kind, place, 0)

    def _call(self, at: float, matter: str, place: Place, event: int) -> Told:
        pick, known = self.random, MATTERS[matter]
        self._sequence += 1
        told = pick.choice(known.ways).format(since=pick.choice(_WORDS["since"]))
        text = pick.choice(_WORDS["before"]) + told + pick.choice(_WORDS["after"])
        address = self._address(place)
        if pick.random() < 0.12:  # the address was only said
            text, address = f"{self._address(place)}{text}", ""
        chance = pick.random()
        code = "" if chance < 0.2 else pick.choice(list(MATTERS.values())).code if chance < 0.23 else known.code
        title = pick.choice(known.titles) if pick.random() < 0.7 else ""
        draft = Draft(
            f"20261123{self._sequence:05d}",
            pick.choice(self._callers),
            at,
            "inquiry" if matter in QUESTIONS else "help",
            code,
            title,
            text,
            address,
        )
        return Told(draft, event, matter, place)

    def _address(self, place: Place) -> str:
        pick = self.random
        flat = pick.choice(
            (
                "",
                f"{pick.randint(1, 30)}号楼",
                f"{pick.randint(1, 30)}幢{pick.randint(1, 4)}单元{pick.randint(1, 30)}01室",
            )
        )
        return pick.choice(
            (
                f"{place.district}{place.road}{place.house}号{place.name}{flat}",
                f"{place.district}{place.name}{flat}",
                f"{place.road}{place.name}{flat}",
                f"连云港市{place.district}{place.road}{place.name}",
                f"{place.name}{flat}",
            )
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """How one day went. Pairs of tickets: proposed `right`ly and `wrong`ly, and `missed`.

    `found_at`: the burst's how manyth call it was when an incident was first proposed with another call of the burst
    in it; `unrelated_joined`: how often what one click would join has a ticket that is about something else.
    """

    tickets: int
    right: int
    wrong: int
    missed: int
    found_at: int | None
    unrelated_joined: int

    @property
    def recall(self) -> float:
        """Of the pairs that belong together, the share that was proposed."""
        return self.right / max(1, self.right + self.missed)


def together(one: Told, other: Told) -> bool:
    """Whether two calls are about the same: the generated truth."""
    if one.event and other.event:
        return True
    same = one.matter == other.matter and one.place == other.place
    return same and (one.matter not in QUESTIONS or one.draft.caller == other.draft.caller)


def judged(day: Iterable[Told], rules: RepeatRules) -> Judged:
    """Take the calls down one after another, and see what is proposed for each."""
    having: Counter[int] = Counter()
    before: list[tuple[Told, Sketch]] = []
    right = wrong = missed = of_burst = unrelated = 0
    found_at: int | None = None
    for told in day:
        mine = sketched(told.draft)
        weigh = rarity(having, len(before))
        of_burst += bool(told.event)
        likely = []
        by_number: dict[str, Told] = {}
        for other, sketch in before:
            belongs = together(told, other)
            if not belongs and not mine.everything & sketch.everything:
                continue
            found = likeness(mine, sketch, weigh, rules)
            if found.likely:
                right, wrong = right + belongs, wrong + (not belongs)
                likely.append((found, None))
                by_number[other.draft.number] = other
            elif belongs:
                missed += 1
        _, members = proposed(likely, rules)
        joined = [by_number[number] for number in members]
        unrelated += any(not together(told, other) for other in joined)
        if told.event and found_at is None and any(other.event for other in joined):
            found_at = of_burst
        before.append((told, mine))
        having.update(mine.everything)
    return Judged(len(before), right, wrong, missed, found_at, unrelated)


SEEDS, TICKETS, BURST = 20, 500, 20
START = 1_795_395_600.0


def run(json_path: Path | None = None, seeds: int = SEEDS, tickets: int = TICKETS) -> int:
    """Measure, print the table, write the file."""
    report = Report("repeats")
    days = [judged(City(2000 + seed).day(tickets, BURST, START), RepeatRules()) for seed in range(seeds)]
    right, wrong, missed = (sum(getattr(day, name) for day in days) for name in ("right", "wrong", "missed"))
    late = sum(day.found_at is None or day.found_at > 5 for day in days)
    report.figure("repeats.precision", right / max(1, right + wrong))
    report.figure("repeats.recall", right / max(1, right + missed))
    report.figure("repeats.found_by_fifth", 1.0 - late / len(days))
    report.figure("repeats.unrelated_joined", sum(day.unrelated_joined for day in days))
    at = Counter(day.found_at for day in days)
    report.details = {
        "days": len(days),
        "tickets": sum(day.tickets for day in days),
        "burst": BURST,
        "pairs": {"right": right, "wrong": wrong, "missed": missed},
        "found_at": {str(call): count for call, count in sorted(at.items(), key=str)},
    }
    status = report.finish(json_path)
    print(f"{sum(day.tickets for day in days)} tickets of {len(days)} days, a burst of {BURST} in each")
    return status
