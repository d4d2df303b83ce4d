"""The handling units (承办单位): who may be given a ticket, and whom each must name (`domain.md` D19, D27)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

LEVELS = 3
"""Levels of member units (网络成员单位): departments, second- and third-level members (`domain.md` D27)."""


class UnitError(ValueError):
    """The register of units is wrong; `problems` names every fault, each as (unit id, what is wrong)."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"unit {unit}: {text}" for unit, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class HandlingUnit:
    """One unit: leader in charge (分管领导), office (责任处室), handler (具体承办人), and the unit above it."""

    id: str
    name: str
    leader: str
    office: str
    handler: str
    parent: str | None = None


class UnitRegister:
    """All handling units of a hotline, by id. Raises `UnitError` naming every fault at once."""

    def __init__(self, units: Iterable[HandlingUnit] = ()) -> None:
        self._units: dict[str, HandlingUnit] = {}
        problems: list[tuple[str, str]] = []
        for unit in units:
            if unit.id in self._units:
                problems.append((unit.id, "stands twice in the register"))
            self._units[unit.id] = unit
            problems.extend(
                (unit.id, f"names no {part}")
                for part in ("id", "name", "leader", "office", "handler")
                if not getattr(unit, part).strip()
            )
        for unit in self._units.values():
            if unit.parent is not None and unit.parent not in self._units:
                problems.append((unit.id, f"stands under {unit.parent}, which is not in the register"))
            elif self._level(unit) > LEVELS:
                problems.append((unit.id, f"stands under itself or deeper than {LEVELS} levels"))
        if problems:
            raise UnitError(tuple(problems))

    def _level(self, unit: HandlingUnit) -> int:
        level = 1
        while unit.parent is not None and level <= LEVELS:
            above = self._units.get(unit.parent)
            if above is None:
                break
            unit, level = above, level + 1
        return level

    def level(self, unit_id: str) -> int:
        """1 for a department, 2 and 3 for the members under it. Raises KeyError for an unknown unit."""
        return self._level(self._units[unit_id])

    def get(self, unit_id: str) -> HandlingUnit | None:
        """The unit of this id, or None."""
        return self._units.get(unit_id)

    def __contains__(self, unit_id: object) -> bool:
        return unit_id in self._units

    def __iter__(self) -> Iterator[HandlingUnit]:
        return iter(self._units.values())

    def __len__(self) -> int:
        return len(self._units)


def parse_units(data: Mapping[str, Mapping[str, str]]) -> UnitRegister:
    """The register from a configuration table: id -> its fields. Raises `UnitError` naming every fault at once."""
    fields = set(HandlingUnit.__dataclass_fields__) - {"id"}
    problems: list[tuple[str, str]] = []
    units: list[HandlingUnit] = []
    for unit_id, values in data.items():
        problems.extend((unit_id, f"has an unknown key {key}") for key in values if key not in fields)
        problems.extend(
            (unit_id, f"names no {key}") for key in ("name", "leader", "office", "handler") if key not in values
        )
        problems.extend(
            (unit_id, f"{key} must be a text") for key, value in values.items() if not isinstance(value, str)
        )
        if not any(unit == unit_id for unit, _ in problems):
            units.append(HandlingUnit(id=unit_id, **values))
    if problems:
        raise UnitError(tuple(problems))
    return UnitRegister(units)
