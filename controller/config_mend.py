"""What else can be read of a configuration file with faults, so that all of them are named in one run.

A value that cannot be right is put right as far as the checks that follow need it: a level above 5 becomes 5, a wrong
setting its default, what an entry cannot do without gets a stand-in. What is noted later at such a place, or about a
stand-in, is no fault of the file's and is left out.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from controller.config_base import Section
from controller.config_sections import HotlineFile
from controller.toml_lines import Path as TomlPath

_ROUNDS = 8
"""So often the file is looked at again: what stands in the way of one check may hide what another would find."""

_BOUNDS = {
    "greater_than_equal": ("ge", 0),
    "less_than_equal": ("le", 0),
    "greater_than": ("gt", 1),
    "less_than": ("lt", -1),
}
"""What pydantic says of a number that is out of range: where the bound stands, and what brings it within."""


@dataclass(slots=True)
class Mended:
    """`file` as it would be without its faults (None: it cannot be read at all), and what was put in: where, and which
    names stand for those that are missing. `faults` are pydantic's.
    """

    file: HotlineFile | None
    faults: list[Any]
    places: set[TomlPath] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def follows(self, path: TomlPath, text: str) -> bool:
        """Whether what is noted at `path` comes from what was put in, not from the file."""
        if any(path[: len(place)] == place for place in self.places):
            return True
        beside = (path, path[:-1])
        return any(place[:-1] in beside and str(place[-1]) in text for place in self.places)

    def real(self, text: str) -> str:
        """A text without the names that stand in for missing ones."""
        for name in sorted(self.names):
            for around in (f", {name}", f"{name}, "):
                text = text.replace(around, "")
            text = text.replace(f"there are: {name}", "there are none")
        return text


def mend(table: dict[str, Any], told: Sequence[TomlPath] = ()) -> Mended:
    """Read a file as far as it can be read; what stands at `told` is known to be wrong already."""
    table = copy.deepcopy(table)
    found = Mended(None, [], set(told))
    for _ in range(_ROUNDS):
        try:
            found.file = HotlineFile.model_validate(table)
        except ValidationError as error:
            faults = error.errors()
        else:
            break
        known = set(found.places)
        places = [_place(table, fault) for fault in faults]
        for fault, place in zip(faults, places, strict=True):
            if place not in known and not _other_branch(fault, place, faults, places):
                found.faults.append({**fault, "loc": place})
            found.places.add(place)
        for fault in faults:
            _put_right(table, fault, found)
    return found


def _other_branch(fault: Any, place: TomlPath, faults: Sequence[Any], places: Sequence[TomlPath]) -> bool:
    """Whether a fault only says that a value is not of the other kind that could stand there: a text or a table."""
    if fault["loc"][-1] == "[key]" or len(fault["loc"]) == len(place):
        return False
    if any(len(one) > len(place) and one[: len(place)] == place for one in places):
        return True
    same = [one for one, where in zip(faults, places, strict=True) if where == place]
    return fault["type"] == "model_type" and len(same) > 1


def _place(table: Any, fault: Any) -> TomlPath:
    """Where in the file a fault is; pydantic names branches of a union beside the keys."""
    path: TomlPath = ()
    for part in fault["loc"]:
        if _has(table, part):
            table, path = table[part], (*path, part)
        elif fault["type"] == "missing" and part == fault["loc"][-1]:
            path = (*path, part)
    return path


def _has(place: Any, part: str | int) -> bool:
    if isinstance(place, list):
        return isinstance(part, int) and part < len(place)
    return isinstance(place, dict) and part in place


def _put_right(table: Any, fault: Any, found: Mended) -> None:
    path = _place(table, fault)
    if not path:
        return
    around: Any = table
    for part in path[:-1]:
        around = around[part]
    name = path[-1]
    bound, step = _BOUNDS.get(fault["type"], ("", 0))
    limit = fault["ctx"][bound] if bound else None
    if isinstance(limit, int | float):  # a date's bound is told as a text
        around[name] = limit + step
        return
    kind = _kind_at(path)
    if fault["loc"][-1] == "[key]" or kind is None or not (isinstance(around, list) or _needed(path)):
        around.pop(name, None)
        return
    stands, names = _stand_in(kind, len(found.names) + 1)
    found.names |= names
    around[name] = stands


def _kind_at(path: TomlPath) -> Any:
    """The type that belongs at a place of the file; None where nothing does."""
    kind: Any = HotlineFile
    for part in path:
        kind = next((one for one in map(lambda one: _within(one, part), _branches(kind)) if one is not None), None)
    return kind


def _within(kind: Any, part: str | int) -> Any:
    if isinstance(kind, type) and issubclass(kind, Section):
        known = kind.model_fields.get(str(part))
        return _annotated(known) if known is not None else None
    given = get_args(kind)
    if get_origin(kind) is list:
        return given[0]
    return given[1] if get_origin(kind) is dict else None


def _annotated(known: FieldInfo) -> Any:
    return Annotated[(known.annotation, *known.metadata)] if known.metadata else known.annotation


def _branches(kind: Any) -> Iterator[Any]:
    """What a type may be, without limits and None."""
    if get_origin(kind) is Annotated:
        yield from _branches(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for one in get_args(kind):
            yield from _branches(one)
    else:
        yield kind


def _needed(path: TomlPath) -> bool:
    """Whether an entry cannot do without what stands there, or would be taken for another without it."""
    around = next(iter(_branches(_kind_at(path[:-1])))) if path[:-1] else HotlineFile
    if isinstance(around, type) and issubclass(around, Section):
        known = around.model_fields.get(str(path[-1]))
        return known is not None and known.is_required()
    return path[0] == "agents"  # a skill without a level: with the highest one nobody is missing


def _stand_in(kind: Any, number: int) -> tuple[Any, set[str]]:
    """A value of a type that stands nowhere else, and the names that it brings."""
    for one in _branches(kind):
        if isinstance(one, type) and issubclass(one, Section):
            entry: dict[str, Any] = {}
            names: set[str] = set()
            for name, known in one.model_fields.items():
                if known.is_required():
                    entry[name], more = _stand_in(_annotated(known), number + len(names))
                    names |= more
            return entry, names
        if get_origin(one) is Literal:
            return get_args(one)[-1], set()  # of rights and ways: the one that asks for the least
        if get_origin(one) is list:
            item, names = _stand_in(get_args(one)[0], number)
            return [item], names
    check: TypeAdapter[Any] = TypeAdapter(kind)
    for value in (
        f"missing-{number}",
        f"9{number:07d}",
        5,
        "00:00-23:00",
        "http://missing",
        "?",
        True,
        date(2999, 12, 31),
    ):
        try:
            check.validate_python(value, strict=True)
        except ValidationError:
            continue
        return value, {value} if isinstance(value, str) and value[0] in "m9" else set()
    return None, set()
