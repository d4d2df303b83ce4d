"""The classification tree (诉求分类): what a concern is about, as data. Pure.

The data are a TOML file: the hotline's own, or the sample that comes along (`tickets/classes.toml`). The sample is
this project's: the classes and codes of GB/T 39666-2020 could not be verified (`domain.md` 3.1 [P33]: one machine-made
page), so none of its codes is used. A hotline that has the standard writes its classes into a file of its own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

SAMPLE = Path(__file__).parent / "classes.toml"
"""The tree that comes along."""

DEEPEST = 4
"""Levels of a tree at most: the standard has three (大类, 中类, 小类), as reported; local ones add one."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_TEXTS = ("zh", "en", "parent", "sort", "limits")


class ClassError(ValueError):
    """The tree of classes is wrong; `problems` names every fault, each as (code, what is wrong)."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"class {code}: {text}" for code, text in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class TicketClass:
    """One class. `sort`: the kind of unit that handles it unless the ownership register knows better
    (`Organisation.sort`); `limits`: the key under which the deadlines of such tickets stand. Both hold for the classes
    below too, unless those have their own.
    """

    code: str
    zh: str
    en: str
    parent: str | None = None
    sort: str = ""
    limits: str = ""


class ClassTree:
    """All classes by code. Raises `ClassError` naming every fault at once. An empty tree takes every code."""

    def __init__(self, classes: Iterable[TicketClass] = ()) -> None:
        self._all: dict[str, TicketClass] = {}
        problems: list[tuple[str, str]] = []
        for one in classes:
            if one.code in self._all:
                problems.append((one.code, "stands twice in the tree"))
            self._all[one.code] = one
            if not _CODE.fullmatch(one.code):
                problems.append((one.code, "is no code: up to 32 letters, digits, dots, - and _"))
            problems.extend((one.code, f"has no name in {part}") for part in ("zh", "en") if not getattr(one, part))
        for one in self._all.values():
            if one.parent is not None and one.parent not in self._all:
                problems.append((one.code, f"stands under {one.parent}, which is not in the tree"))
            elif len(self._line(one.code)) > DEEPEST:
                problems.append((one.code, f"stands under itself or deeper than {DEEPEST} levels"))
        if problems:
            raise ClassError(tuple(problems))

    def _line(self, code: str) -> tuple[str, ...]:
        found: list[str] = []
        at = self._all.get(code)
        while at is not None and len(found) <= DEEPEST:
            found.append(at.code)
            at = self._all.get(at.parent) if at.parent is not None else None
        return tuple(found)

    def __contains__(self, code: object) -> bool:
        return code in self._all

    def __iter__(self) -> Iterator[TicketClass]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def get(self, code: str) -> TicketClass | None:
        """The class of this code, or None."""
        return self._all.get(code)

    def takes(self, code: str) -> bool:
        """Whether a ticket may have this class: none yet, one of the tree's, or any where there is no tree."""
        return not code or not self._all or code in self._all

    def line(self, code: str) -> tuple[str, ...]:
        """`code` and the classes above it, from below; a code that is not in the tree stands alone."""
        return self._line(code) or ((code,) if code else ())

    def sort(self, code: str) -> str:
        """The kind of unit that handles such a matter: the class's own, or the nearest one above; empty = none."""
        return next((self._all[one].sort for one in self._line(code) if self._all[one].sort), "")

    def limit_line(self, code: str) -> tuple[str, ...]:
        """Under which names its deadlines may stand: each class of `line` with its key `limits`, from below."""
        keys = ((one, self._all[one].limits if one in self._all else "") for one in self.line(code))
        return tuple(name for pair in keys for name in pair if name)


def parse_classes(data: Mapping[str, object]) -> ClassTree:
    """The tree from a file's table ``classes``, by code. Raises `ClassError` naming every fault at once."""
    known = {one.name for one in fields(TicketClass)} - {"code"}
    tables = data.get("classes")
    problems = [(str(key), "is not known here; the file has one table, classes") for key in data if key != "classes"]
    found: list[TicketClass] = []
    if not isinstance(tables, Mapping):
        raise ClassError((*problems, ("classes", "is missing: a table of classes by their codes")))
    for code, values in tables.items():
        if not isinstance(values, Mapping):
            problems.append((code, "must be a table"))
            continue
        wrong = [(code, f"has an unknown key {key}") for key in values if key not in known]
        wrong += [(code, f"{key} must be a text") for key in _TEXTS if not isinstance(values.get(key, ""), str)]
        wrong += [(code, f"has no name in {key}") for key in ("zh", "en") if key not in values]
        if not wrong:
            found.append(TicketClass(code, **values))
        problems += wrong
    if problems:
        raise ClassError(tuple(problems))
    return ClassTree(found)


def load_classes(file: Path = SAMPLE) -> ClassTree:
    """The tree of a file. Blocks. Raises `ClassError` (a file that is no TOML too) and OSError."""
    try:
        return parse_classes(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClassError(((file.name, f"is no TOML file in UTF-8: {error}"),)) from None
