"""The ownership register (权属资料库): class and place -> unit, the basis of dispatch (`domain.md` D15). Pure.

「健全权属资料库并合理运用,为案卷派遣提供有效依据」. A row says whose matter a class is at a place. It is measured:
every suggestion is kept, and compared with the unit that handled the ticket in the end. Objections that a reviewer has
upheld (派单异议审核制度, 国办函〔2025〕66号) teach it: the row that misled counts a miss, and the unit named gets a
row of its own, which wins as soon as it is right more often than the row that stood there.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tickets.classes import ClassTree
from tickets.organisations import OrganisationTree


class Source(enum.Enum):
    """Whence a row comes."""

    ENTERED = "entered"  #: 登记: somebody wrote it
    TAUGHT = "taught"  #: 异议修正: an objection that was upheld, or a return that was granted, taught it


@dataclass(frozen=True, slots=True)
class OwnershipRow:
    """A class (empty = every one) and those below it, at a place, belong to `unit`.

    The place is a region (an organisation's id, and all below it; empty = everywhere) and words that must stand in the
    address (empty = the whole region). `basis` names the rule or document. `hits` and `misses`: tickets to which the
    row applied and that its unit handled in the end, or not. `id` 0 = not stored yet.
    """

    id: int
    class_code: str
    region: str
    place: str
    unit: str
    basis: str
    source: Source = Source.ENTERED
    hits: int = 0
    misses: int = 0
    changed_at: float = 0.0
    changed_by: str = ""

    @property
    def trust(self) -> float:
        """How often it is right, between 0 and 1: one hit and one miss are taken for granted (Laplace's rule)."""
        return (self.hits + 1) / (self.hits + self.misses + 2)


@dataclass(frozen=True, slots=True)
class Concern:
    """What a suggestion hangs on: class, region and address of a ticket."""

    class_code: str
    region: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A unit that seems to own a concern. `row` is the register's row; None = the default unit of the class."""

    unit: str
    row: OwnershipRow | None
    trust: float


class Ownership:
    """The register's rows as far as they may apply, with the trees in which they are read."""

    def __init__(self, rows: Iterable[OwnershipRow], classes: ClassTree, tree: OrganisationTree) -> None:
        self._rows = tuple(rows)
        self._classes, self._tree = classes, tree

    def matching(self, concern: Concern) -> list[OwnershipRow]:
        """The rows that apply, best first.

        A nearer class comes first, then more words of the address, then the nearer region, then the row that has been
        right more often. What a ticket without a class has taught (before that was refused) applies to nothing.
        """
        classes = (*self._classes.line(concern.class_code), "")
        regions = (*(self._tree.line(concern.region) or (concern.region,)), "")
        found = [
            row
            for row in self._rows
            if row.class_code in classes
            and row.region in regions
            and row.place in concern.address
            and (row.class_code or row.source is not Source.TAUGHT)
        ]
        return sorted(
            found,
            key=lambda row: (
                classes.index(row.class_code),
                -len(row.place),
                regions.index(row.region),
                -row.trust,
                row.id,
            ),
        )

    def suggest(self, concern: Concern, most: int = 5) -> tuple[Suggestion, ...]:
        """The units that seem to own the concern, best first, each once; those that are gone are left out."""
        found: dict[str, Suggestion] = {}
        for row in self.matching(concern):
            if row.unit in self._tree and row.unit not in found:
                found[row.unit] = Suggestion(row.unit, row, row.trust)
        default = self._tree.of_sort(self._classes.sort(concern.class_code), concern.region)
        if default is not None and default not in found:
            found[default] = Suggestion(default, None, 0.5)
        return tuple(found.values())[:most]

    def objection_upheld(self, concern: Concern, blamed: str, named: str, at: float, by: str) -> list[OwnershipRow]:
        """The rows that change because `blamed` rightly said: not mine, but `named`'s (empty = not known).

        New rows have the id 0. A ticket without a class teaches none: it would speak of every matter of its region.
        """
        changed = []
        misled = next((row for row in self.matching(concern) if row.unit == blamed), None)
        if misled is not None:
            changed.append(replace(misled, misses=misled.misses + 1, changed_at=at, changed_by=by))
        if concern.class_code and named and named != blamed and self._own(concern, named) is None:
            changed.append(self._taught(concern, named, 0, at, by))
        return changed

    def handled(
        self, concern: Concern, suggested: str, final: str, *, disputed: frozenset[str], at: float, by: str
    ) -> list[OwnershipRow]:
        """The rows that change because `final` handled the ticket for which `suggested` (empty = nobody) was proposed.

        `disputed`: units from which an upheld objection or a granted return took it. They have had their miss, and
        because of them a register that did not know `final` learns it.
        """
        changed = []
        mine = self._own(concern, final) or next((row for row in self.matching(concern) if row.unit == final), None)
        if mine is not None:
            changed.append(replace(mine, hits=mine.hits + 1, changed_at=at, changed_by=by))
        elif disputed and concern.class_code:
            changed.append(self._taught(concern, final, 1, at, by))
        if suggested and suggested != final and suggested not in disputed:
            misled = next((row for row in self.matching(concern) if row.unit == suggested), None)
            if misled is not None:
                changed.append(replace(misled, misses=misled.misses + 1, changed_at=at, changed_by=by))
        return changed

    def _own(self, concern: Concern, unit: str) -> OwnershipRow | None:
        """The unit's row for just this class and region, such as a lesson makes."""
        return next(
            (
                row
                for row in self._rows
                if (row.class_code, row.region, row.place, row.unit) == (concern.class_code, concern.region, "", unit)
            ),
            None,
        )

    @staticmethod
    def _taught(concern: Concern, unit: str, hits: int, at: float, by: str) -> OwnershipRow:
        return OwnershipRow(
            0, concern.class_code, concern.region, "", unit, "", Source.TAUGHT, hits, 0, changed_at=at, changed_by=by
        )


@dataclass(frozen=True, slots=True)
class HitRate:
    """派单命中率: of the tickets handled to the end for which a unit was suggested, how many that unit handled.

    `unsuggested`: tickets that a unit handled and for which the register knew nobody; not in the rate, but a hole.
    """

    tickets: int
    hits: int
    unsuggested: int = 0

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None without a ticket."""
        return self.hits / self.tickets if self.tickets else None


def hit_rate(pairs: Sequence[tuple[str, str]]) -> HitRate:
    """From (suggested unit, empty = none; finally handling unit) of tickets that are handled."""
    known = [(suggested, final) for suggested, final in pairs if suggested]
    return HitRate(len(known), sum(suggested == final for suggested, final in known), len(pairs) - len(known))
