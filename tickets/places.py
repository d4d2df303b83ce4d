"""Where something is, out of an address as people write it, or out of what they say: to tell whether two are one. Pure.

A Chinese address goes from the large to the small: province, city, district, street office, road and house number, the
name of an estate or a building, flat. The district alone is not yet a place and neighbours have different flats, so
those are taken off; what is left are *spots* (the estate's name, the road with its number), compared by their terms.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pbx.terms import key_of, terms

Weigh = Callable[[int], float]
"""How much a term says: the rarer, the more."""

_H = "\u3400-\u4dbf\u4e00-\u9fff"

INSIDE = re.compile(
    r"[0-9一二三四五六七八九十a-z]+(?:号楼|栋楼|幢楼|栋|幢|单元|室|户|层|楼|座)|(?<=[楼栋幢元室座])[0-9]+|[0-9]+-[0-9]+(?:-[0-9]+)*"
)
"""What is inside a building: neighbours have another flat and the same event."""

_AROUND = re.compile(
    rf"(?:[{_H}]{{2,6}}?省)?(?:[{_H}]{{2,6}}?市)?(?P<district>[{_H}]{{2,5}}?(?:(?<![小社园校厂景库])区|县))?"
    rf"(?:[{_H}]{{1,5}}?(?:街道|镇|乡)(?![路街]))?"
)
_ROAD = re.compile(rf"(?P<road>[{_H}]{{1,6}}?(?:大道|路|街|巷))(?P<house>[0-9]+号?)?")
_NUMBERED = re.compile(rf"(?P<road>[{_H}]{{2,5}}(?:大道|路|街|巷))(?P<house>[0-9]+号?)")
_PHASE = re.compile(r"([0-9一二三四五六七八九十]+)期")
_NAMED = re.compile(
    rf"[{_H}]{{2,6}}?(?:小区|花园|家园|新村|公寓|雅居|名城|嘉园|广场|大厦|市场|医院|学校|中学|小学|幼儿园|车站|苑|村|[一二三四五六七八九]期)"
)
_ANY = re.compile(r"(?:整个|这个|那个|我们|咱们|我家|住的|老旧|本|该|全|门口)+(?:小区|花园|村|市场|学校)")
"""Words for no estate in particular."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a text says of a place: names of estates, villages, buildings, and roads with their house numbers."""

    district: str = ""
    roads: frozenset[str] = frozenset()
    phase: str = ""
    names: tuple[str, ...] = ()
    houses: frozenset[str] = frozenset()

    @property
    def known(self) -> bool:
        """Whether it says more than a district."""
        return bool(self.names or self.houses)

    @property
    def keys(self) -> frozenset[int]:
        """The terms by which it is found."""
        return frozenset[int]().union(*map(_keys, self.names), {key_of(f"@{house}") for house in self.houses})


NOWHERE = Place()


def place_of(address: str) -> Place:
    """The place of an address (normalised)."""
    where = INSIDE.sub(" ", address).strip()
    around = _AROUND.match(where)
    district = (around["district"] or "") if around else ""
    rest = where[around.end() :] if around else where
    roads = [(found["road"], found["house"]) for found in _ROAD.finditer(rest)]
    names = [name for name in re.findall(rf"[{_H}0-9a-z]+", _ROAD.sub(" ", rest)) if len(name) > 1]
    houses = frozenset(_house(road, house) for road, house in roads if house)
    if not names and not houses:
        names = [road for road, _ in roads]
    return Place(district, frozenset(road for road, _ in roads), _phase(rest), tuple(names), houses)


def place_said(text: str) -> Place:
    """The place that a text (normalised, without empty words) names; only what is surely a name counts."""
    cleaned = _ANY.sub(" ", INSIDE.sub(" ", text))
    names: list[str] = []
    houses: set[str] = set()
    roads: set[str] = set()
    district = ""
    for chunk in re.findall(rf"[{_H}0-9]+", cleaned):
        around = _AROUND.match(chunk)
        if around and around["district"]:
            district = district or around["district"]
            chunk = chunk[around.end() :]
        for found in _NUMBERED.finditer(chunk):
            roads.add(found["road"])
            houses.add(_house(found["road"], found["house"]))
        names += _NAMED.findall(_ROAD.sub(" ", chunk))
    return Place(district, frozenset(roads), _phase(cleaned), tuple(names), frozenset(houses))


def agreement(ours: Place, theirs: Place, weigh: Weigh) -> float | None:
    """How far two places agree: 0 to 1, None where one of them is not known.

    One house at one road is one place; so is one name, or a name within the other (幸福小区, 幸福小区东门); other names
    are as alike as their terms. Another district or another phase of an estate is another place; the same name at
    another road is doubtful.
    """
    if not ours.known or not theirs.known:
        return None
    if ours.district and theirs.district and ours.district != theirs.district:
        return 0.0
    if ours.phase and theirs.phase and ours.phase != theirs.phase:
        return 0.0
    if ours.houses & theirs.houses:
        return 1.0
    best = max((_alike(one, other, weigh) for one in ours.names for other in theirs.names), default=0.0)
    if ours.roads and theirs.roads and not ours.roads & theirs.roads:
        best *= 0.6
    return best


_NAME_FROM = 3
"""A name of fewer characters is no sure sign within another one."""


def _alike(ours: str, theirs: str, weigh: Weigh) -> float:
    short, long = sorted((ours, theirs), key=len)
    if short == long or (len(short) >= _NAME_FROM and short in long):
        return 1.0
    mine, yours = _keys(ours), _keys(theirs)
    whole = sum(map(weigh, mine)) + sum(map(weigh, yours))
    return 2.0 * sum(map(weigh, mine & yours)) / whole if whole > 0.0 else 0.0


def _house(road: str, house: str) -> str:
    return road + house.rstrip("号")


def _phase(text: str) -> str:
    found = _PHASE.search(text)
    return found[1] if found else ""


def _keys(text: str) -> frozenset[int]:
    """Keys of the terms; a single Han character says too little."""
    return frozenset(key_of(term) for term in terms(text) if len(term) > 1 or term.isascii())
