"""The tree of organisations (省, 市, 县, 单位), and the way a matter takes through it. Pure.

The rule is the seed's (`domain.md` D10): 「第一時間在本地辦理;如涉及省級部門的,由省“12345在線”接力受理;倘若跨市域,
則由省級平臺轉辦,跟蹤辦理」. So a hotline gives a matter to its own units; a provincial department's goes up to the
province; another city's goes through the province, which tracks it. What an organisation sees of a ticket stands in
`tickets/sight.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from tickets.units import LEVELS, HandlingUnit, UnitRegister


class OrgKind(enum.Enum):
    """What an organisation is."""

    PROVINCE = "province"  #: 省: its hotline relays and tracks
    CITY = "city"  #: 市: a hotline with its own numbers, queues and units
    COUNTY = "county"  #: 县(市、区): a city's sub-centre, or the government that stands behind its units
    UNIT = "unit"  #: 承办单位: a department, or a member under one

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _KIND_WORDS[self]


_KIND_WORDS = dict(zip(OrgKind, ("省", "市", "县", "承办单位"), strict=True))

HOTLINES = frozenset({OrgKind.PROVINCE, OrgKind.CITY})
"""Kinds that have a hotline of their own, between which a matter is handed over."""

_ABOVE: Mapping[OrgKind, frozenset[OrgKind]] = MappingProxyType(
    {
        OrgKind.PROVINCE: frozenset(),
        OrgKind.CITY: frozenset({OrgKind.PROVINCE}),
        OrgKind.COUNTY: frozenset({OrgKind.PROVINCE, OrgKind.CITY}),  # 省直管县 stand under the province
        OrgKind.UNIT: frozenset(OrgKind),
    }
)
"""Under what each kind may stand; a city, a county or a unit may stand under nothing."""


class OrganisationError(ValueError):
    """The tree is wrong; `problems` names every fault, each as (organisation id, what is wrong)."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"organisation {one}: {text}" for one, text in problems))
        self.problems = problems


class NoWay(ValueError):
    """No way leads from one hotline to an organisation: no province stands above both, or one is not in the tree."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """One organisation. Like a member unit (「103家成員單位,包括90個省級部門單位和13個設區市」, H3; D19) it names its
    leader in charge (分管领导), office (责任处室) and handler (具体承办人).

    `sort` says what kind of matters a unit handles, such as ``water``: a class names one as its default. `peer` is the
    id of the other installation that serves it and what it answers for (see `OrganisationTree.peer`).
    """

    id: str
    name: str
    kind: OrgKind
    leader: str
    office: str
    handler: str
    parent: str | None = None
    name_en: str = ""
    sort: str = ""
    peer: str = ""


class Way(enum.Enum):
    """By which way a matter goes (`domain.md` D10)."""

    LOCAL = "local"  #: 本地办理
    DOWN = "down"  #: 省转市办理: the province gives it to a city
    UP = "up"  #: 省级接力: a provincial department is needed
    ACROSS = "across"  #: 跨市转办: another city's, through the province, which tracks

    @property
    def chinese(self) -> str:
        """The word that people see."""
        return _WAY_WORDS[self]


_WAY_WORDS = dict(zip(Way, ("本地办理", "省转市办理", "省级接力办理", "经省跨市转办"), strict=True))


@dataclass(frozen=True, slots=True)
class Route:
    """A way: the organisations that get the matter one after the other, the last being the one that handles it.

    `tracker` is the province that follows it up to the end, None where nobody but its own hotline does.
    """

    way: Way
    hops: tuple[str, ...]
    tracker: str | None = None


class OrganisationTree:
    """All organisations that one installation knows, its own and those behind others. `OrganisationError`: all faults.

    An empty tree is that of a hotline which gives its tickets to nobody.
    """

    def __init__(self, organisations: Iterable[Organisation] = ()) -> None:
        self._all: dict[str, Organisation] = {}
        problems: list[tuple[str, str]] = []
        for one in organisations:
            if one.id in self._all:
                problems.append((one.id, "stands twice in the tree"))
            self._all[one.id] = one
            problems.extend(
                (one.id, f"names no {part}")
                for part in ("id", "name", "leader", "office", "handler")
                if not getattr(one, part).strip()
            )
        for one in self._all.values():
            problems.extend((one.id, text) for text in self._misplaced(one))
        if problems:
            raise OrganisationError(tuple(problems))
        self._children: dict[str | None, list[str]] = {}
        for one in self._all.values():
            self._children.setdefault(one.parent, []).append(one.id)

    def _misplaced(self, one: Organisation) -> Iterator[str]:
        if one.parent is None:
            return
        above = self._all.get(one.parent)
        if above is None:
            yield f"stands under {one.parent}, which is not in the tree"
        elif above.kind not in _ABOVE[one.kind]:
            yield f"is a {one.kind.value} and cannot stand under a {above.kind.value}"
        elif one.kind is OrgKind.UNIT:
            levels, seen, at = 0, {one.id}, above
            while at.kind is OrgKind.UNIT:
                levels += 1
                if at.id in seen or levels >= LEVELS:
                    yield f"stands under itself or deeper than {LEVELS} levels of units"
                    return
                seen.add(at.id)
                parent = self._all.get(at.parent) if at.parent is not None else None
                if parent is None:
                    return
                at = parent

    def __contains__(self, org: object) -> bool:
        return org in self._all

    def __iter__(self) -> Iterator[Organisation]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def get(self, org: str) -> Organisation | None:
        """The organisation of this id, or None."""
        return self._all.get(org)

    def line(self, org: str) -> tuple[str, ...]:
        """`org` and everything above it, from below; empty for one that the tree does not have."""
        found: list[str] = []
        at = self._all.get(org)
        while at is not None:
            found.append(at.id)
            at = self._all.get(at.parent) if at.parent is not None else None
        return tuple(found)

    def under(self, org: str, above: str) -> bool:
        """Whether `org` is `above` or stands anywhere below it."""
        return above in self.line(org)

    def children(self, org: str | None) -> tuple[str, ...]:
        """What stands directly below `org`; None = the tops of the tree."""
        return tuple(self._children.get(org, ()))

    def below(self, org: str) -> frozenset[str]:
        """`org` and everything below it; empty for one that the tree does not have."""
        found: set[str] = set()
        left = [org] if org in self._all else []
        while left:
            at = left.pop()
            found.add(at)
            left += self._children.get(at, ())
        return frozenset(found)

    def served(self, org: str) -> frozenset[str]:
        """`org` and what is below it, as far as the same hotline answers for it: of a province not its cities.

        Empty for one that the tree does not have.
        """
        own = self.hotline(org)
        return frozenset(one for one in self.below(org) if self.hotline(one) == own)

    def hotline(self, org: str) -> str | None:
        """The city or province whose hotline answers for `org`; None for units of an installation without either."""
        return next((one for one in self.line(org) if self._all[one].kind in HOTLINES), None)

    def province(self, org: str) -> str | None:
        """The province above `org`, or `org` itself; None where there is none."""
        return next((one for one in self.line(org) if self._all[one].kind is OrgKind.PROVINCE), None)

    def peer(self, org: str) -> str:
        """The installation that serves `org`: the nearest one named from it up to its hotline; empty = this one.

        A city has a hotline of its own, so it is served here although its province is another installation's.
        """
        for one in self.line(org):
            found = self._all[one]
            if found.peer or found.kind in HOTLINES:
                return found.peer
        return ""

    def is_hotline(self, org: str) -> bool:
        """Whether `org` hands matters on rather than handling them: a province, a city or a county."""
        found = self._all.get(org)
        return found is not None and found.kind is not OrgKind.UNIT

    def route(self, at: str, unit: str) -> Route:
        """The way of a matter from the hotline that answers for `at` to `unit`. Raises `NoWay`."""
        if at not in self._all or unit not in self._all:
            raise NoWay("one of the two is not in the tree of organisations")
        mine, theirs = self.hotline(at), self.hotline(unit)
        if mine == theirs or mine is None:
            return Route(Way.LOCAL, (unit,))
        if theirs is None:
            raise NoWay("no hotline answers for the unit")
        province = self.province(mine)
        last = (unit,) if unit != theirs else ()
        if province is None or province != self.province(theirs):
            raise NoWay("no province stands above both")
        if mine == province:
            return Route(Way.DOWN, (theirs, *last), province)
        if theirs == province:
            return Route(Way.UP, (theirs, *last), province)
        return Route(Way.ACROSS, (province, theirs, *last), province)

    def register(self) -> UnitRegister:
        """Everybody who may be given a ticket, hotlines included: a matter is handed over to them like to a unit."""
        return UnitRegister(
            HandlingUnit(one.id, one.name, one.leader, one.office, one.handler, self._unit_above(one))
            for one in self._all.values()
        )

    def _unit_above(self, one: Organisation) -> str | None:
        above = self._all.get(one.parent) if one.kind is OrgKind.UNIT and one.parent is not None else None
        return above.id if above is not None and above.kind is OrgKind.UNIT else None

    def of_sort(self, sort: str, place: str) -> str | None:
        """The unit that handles matters of `sort` where `place` is: the nearest, county before city before province.

        None where there is no one, or more than one at the same distance: then it is not clear whose matter it is.
        """
        for above in self.line(place) if sort else ():
            found = [
                one.id
                for one in self._all.values()
                if one.sort == sort and one.kind is OrgKind.UNIT and self._seat(one) == above
            ]
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def _seat(self, unit: Organisation) -> str | None:
        """The province, city or county directly above a unit."""
        return next((one for one in self.line(unit.id) if self._all[one].kind is not OrgKind.UNIT), None)


_NEEDED = ("name", "kind", "leader", "office", "handler")
_FIELDS = frozenset(one.name for one in fields(Organisation)) - {"id"}


def parse_organisations(data: Mapping[str, Mapping[str, object]]) -> OrganisationTree:
    """The tree from a configuration's tables, by id. Raises `OrganisationError` naming every fault at once."""
    problems: list[tuple[str, str]] = []
    found: list[Organisation] = []
    for org, values in data.items():
        wrong = [(org, f"has an unknown key {key}") for key in values if key not in _FIELDS]
        wrong += [(org, f"names no {key}") for key in _NEEDED if key not in values]
        wrong += [(org, f"{key} must be a text") for key, value in values.items() if not isinstance(value, str)]
        kinds = {kind.value: kind for kind in OrgKind}
        kind = values.get("kind")
        if isinstance(kind, str) and kind not in kinds:
            wrong.append((org, f"is of no known kind; there are: {', '.join(kinds)}"))
        if not wrong:
            texts = {key: str(value) for key, value in values.items() if key != "kind"}
            found.append(Organisation(id=org, kind=kinds[str(kind)], **texts))
        problems += wrong
    if problems:
        raise OrganisationError(tuple(problems))
    return OrganisationTree(found)
