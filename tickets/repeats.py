"""Likely repeats of a concern: the same caller again, or the same event told by somebody else. Pure.

While the agent types, what he has so far (`Draft`) is compared with other tickets by number, class, place and words.
Nothing is ever joined by this: it proposes, a person clicks (「重复诉求事项原则上并单处理」, `domain.md` 3.1 [P5]).

*Same event* asks for three things at once, so that neighbours with different matters and the same matter in another
street stay apart: the place agrees, the matter agrees, and it is not long ago. Places and words are compared by their
terms (`pbx.terms`), each weighed by how rare it is among the tickets of these days; different words for one matter
(停水, 家里没水) are data, ``events.toml`` beside this file. All figures are settings (`RepeatRules`); where they come
from and how well they do stands in ``docs/measurements.md``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from pbx.terms import key_of, normalised, terms
from tickets.places import INSIDE, NOWHERE, Place, Weigh, agreement, place_of, place_said


@dataclass(frozen=True, slots=True)
class RepeatRules:
    """When two tickets are likely about the same. Shares from 0 to 1, times in seconds."""

    event_window_s: float = 3 * 86_400.0  #: calls about one event come within so long
    caller_window_s: float = 90 * 86_400.0  #: so far back the same caller's tickets are looked at
    place: float = 0.9  #: so far the places agree at least
    words: float = 0.3  #: at least so alike are the words, where neither names a matter of the list
    words_beside: float = 0.5  #: where one of them names a matter and the other none
    caller_words: float = 0.2  #: the same for two tickets of one caller
    near_m: float = 300.0  #: two points on the map are one place up to here
    shown: int = 10  #: so many are shown
    looked_at: int = 80  #: so many that share the rarest terms are compared
    incident_from: int = 3  #: so many tickets about one event, this one among them, are proposed as an incident


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a concern so far. `at`: when it was taken down, epoch seconds; `lat`, `lon` in degrees."""

    number: str = ""
    caller: str = ""
    at: float = 0.0
    type: str = ""
    class_code: str = ""
    title: str = ""
    text: str = ""
    address: str = ""
    region: str = ""
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class Sketch:
    """A concern as it is compared: keys of terms (`pbx.terms.key_of`) and the matters that it names."""

    draft: Draft
    words: frozenset[int]
    place: Place  #: from the address, or where there is none from what is said
    matters: frozenset[str]
    everything: frozenset[int] = field(repr=False)  #: what it is found by: all of the above

    @property
    def by_matter(self) -> frozenset[int]:
        """Keys of the matters."""
        return frozenset(key_of(f"~{one}") for one in self.matters)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a ticket is like the draft. `score` from 0 to 1 orders them; `place`, `words`: shares, None = not known."""

    number: str
    score: float
    same_caller: bool
    same_event: bool
    likely: bool
    place: float | None
    words: float
    matters: tuple[str, ...]
    same_class: bool | None


# ---------------------------------------------------------------- from text to terms


@dataclass(frozen=True, slots=True)
class Matters:
    """The list of matters and of empty words, normalised."""

    by_name: Mapping[str, tuple[str, ...]]
    empty: re.Pattern[str]

    def named(self, text: str) -> frozenset[str]:
        """The matters that a normalised text names."""
        return frozenset(name for name, ways in self.by_name.items() if any(way in text for way in ways))


def matters_of(table: Mapping[str, object]) -> Matters:
    """The list from its TOML table. ValueError says what is wrong."""
    matters, empty = table.get("matters"), table.get("empty", [])
    if unknown := set(table) - {"matters", "empty"}:
        raise ValueError(f"unknown key {sorted(unknown)[0]}")
    if not isinstance(matters, dict) or not all(_texts(ways) for ways in matters.values()):
        raise ValueError("matters must give each name a list of words")
    if not _texts(empty):
        raise ValueError("empty must be a list of words")
    assert isinstance(empty, list)
    longest_first = sorted({normalised(word) for word in empty}, key=lambda word: (-len(word), word))
    return Matters(
        {name: tuple(normalised(way) for way in ways) for name, ways in matters.items()},
        re.compile("|".join(map(re.escape, longest_first)) or r"(?!)"),
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


@cache
def standard_matters() -> Matters:
    """The list that comes with the hotline."""
    return matters_of(tomllib.loads(resources.files("tickets").joinpath("events.toml").read_text("utf-8")))


LONGEST_TEXT = 2000
"""Characters of a text that are looked at: the matter stands at its beginning."""


def sketched(draft: Draft, matters: Matters | None = None) -> Sketch:
    """The draft as it is compared."""
    known = matters or standard_matters()
    said = known.empty.sub(" ", normalised(f"{draft.title}\n{draft.text[:LONGEST_TEXT]}"))
    address = normalised(draft.address)
    place = place_of(address) if address else NOWHERE
    if not place.known:
        place = place_said(said)
    words, named = _keys(INSIDE.sub(" ", said)), known.named(normalised(f"{draft.title}\n{draft.text[:LONGEST_TEXT]}"))
    sketch = Sketch(draft, words, place, named, frozenset())
    return Sketch(draft, words, place, named, words | place.keys | sketch.by_matter)


def _keys(text: str) -> frozenset[int]:
    """Keys of the terms; a single Han character says too little."""
    return frozenset(key_of(term) for term in terms(text) if len(term) > 1 or term.isascii())


# ---------------------------------------------------------------- how alike


def rarity(tickets_with: Mapping[int, int], tickets: int) -> Weigh:
    """The weight of a term from how many of `tickets` have it; one that was never seen weighs most (BM25's idf)."""

    def weigh(term: int) -> float:
        having = tickets_with.get(term, 0)
        return math.log(1.0 + (max(tickets, having) - having + 0.5) / (having + 0.5))

    return weigh


def same_place(ours: Sketch, theirs: Sketch, weigh: Weigh, rules: RepeatRules) -> float | None:
    """How far the two places agree: 0 to 1, None where one of them is not known.

    Two points on the map decide alone, otherwise what the addresses name; where a ticket has none, what is said in it.
    """
    a, b = ours.draft, theirs.draft
    if a.region and b.region and a.region != b.region:
        return 0.0
    if a.lat is not None and a.lon is not None and b.lat is not None and b.lon is not None:
        metres = _metres(a.lat, a.lon, b.lat, b.lon)
        return 1.0 if metres <= rules.near_m else max(0.0, 1.0 - (metres - rules.near_m) / rules.near_m)
    return agreement(ours.place, theirs.place, weigh)


def _metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """The distance on a plane that touches the earth there: right to a per cent within a city."""
    north = (lat - other_lat) * 111_320.0
    east = (lon - other_lon) * 111_320.0 * math.cos(math.radians((lat + other_lat) / 2))
    return math.hypot(north, east)


def alike_words(ours: Sketch, theirs: Sketch, weigh: Weigh) -> float:
    """How alike what is said is, 0 to 1: twice what both say by what each says (Dice), by weight, places left out."""
    places = ours.place.keys | theirs.place.keys
    mine, yours = ours.words - places, theirs.words - places
    whole = sum(map(weigh, mine)) + sum(map(weigh, yours))
    return 2.0 * sum(map(weigh, mine & yours)) / whole if whole > 0.0 else 0.0


def same_class(ours: str, theirs: str) -> bool | None:
    """Whether both are of one class; None where one of them is not known yet."""
    return ours == theirs if ours and theirs else None


def likeness(ours: Sketch, theirs: Sketch, weigh: Weigh, rules: RepeatRules) -> Likeness:
    """How like `theirs` is to `ours`."""
    a, b = ours.draft, theirs.draft
    same_caller = bool(a.caller) and a.caller == b.caller
    words, place = alike_words(ours, theirs, weigh), same_place(ours, theirs, weigh, rules)
    both = ours.matters & theirs.matters
    named = bool(ours.matters) + bool(theirs.matters)
    matter = bool(both) or (named < 2 and words >= (rules.words_beside if named else rules.words))
    one_class = same_class(a.class_code, b.class_code)
    if not both and (one_class is False or "inquiry" in (a.type, b.type)):
        matter = False  # a question is everybody's own
    apart = abs(a.at - b.at)
    same_event = matter and place is not None and place >= rules.place and apart <= rules.event_window_s
    again = (bool(both) or one_class is True or words >= rules.words) and (words >= rules.caller_words or bool(both))
    again = again and (place is None or place >= rules.place)
    likely = same_event or (same_caller and again)
    known = place if place is not None else 0.0
    said = max(words, 0.8 if both else 0.0)
    nearness = 1.0 - min(1.0, apart / (rules.caller_window_s if same_caller else rules.event_window_s))
    score = 0.4 * known + 0.4 * said + 0.1 * bool(one_class) + 0.1 * nearness
    if same_caller:
        score = 0.5 + score / 2
    return Likeness(
        b.number, round(score, 4), same_caller, same_event, likely, place, words, tuple(sorted(both)), one_class
    )


def proposed(likely: Iterable[tuple[Likeness, str | None]], rules: RepeatRules) -> tuple[str | None, tuple[str, ...]]:
    """What one click should do: (the incident to join or None, the tickets of one event that are in none yet).

    `likely` has each likeness with the incident of its ticket. An incident is proposed where tickets of the same event
    are in one already (the one with most of them), or where there are enough of them to make one.
    """
    same = [(one, incident) for one, incident in likely if one.same_event]
    inside: dict[str, int] = {}
    for _, incident in same:
        if incident is not None:
            inside[incident] = inside.get(incident, 0) + 1
    loose = tuple(one.number for one, incident in same if incident is None)
    if inside:
        return min(inside, key=lambda name: (-inside[name], name)), loose
    return None, loose if len(loose) + 1 >= rules.incident_from else ()
