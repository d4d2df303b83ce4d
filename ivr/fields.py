"""Reading tables of a TOML file field by field, so that everything wrong is named at once.

Used by the menu and by the opening hours; the paths are dotted as in the file (``nodes.main.keys.7``), from
which the configuration finds the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong at `path` (dotted, empty = the whole file); `text` says what, and what would be
    right.
    """

    path: str
    text: str

    def __str__(self) -> str:
        """The problem as one line."""
        return f"{self.path}: {self.text}" if self.path else self.text


class Fields:
    """One table that is being read: each `take_…` returns the field's value or, after noting a problem, its
    default.

    `finish` notes the fields that nobody took.
    """

    def __init__(self, data: Mapping[str, object], path: str, problems: list[Problem]) -> None:
        """Read `data`, which stands at `path`; problems are appended to `problems`."""
        self._data = data
        self._path = path
        self._problems = problems
        self._taken: set[str] = set()

    def path(self, field: str) -> str:
        """The dotted path of `field`."""
        return f"{self._path}.{field}" if self._path else field

    def inner(self, field: str, table: Mapping[str, object]) -> Fields:
        """The table that stands at `field`, to be read in the same way."""
        return Fields(table, self.path(field), self._problems)

    def problem(self, field: str, text: str) -> None:
        """Note what is wrong with `field`."""
        self._problems.append(Problem(self.path(field), text))

    def _take(self, field: str, required: bool) -> object | None:
        self._taken.add(field)
        if required and field not in self._data:
            self.problem(field, "is missing")
        return self._data.get(field)

    def take_text(self, field: str, default: str | None, form: re.Pattern[str]) -> str:
        """A text that matches `form` as a whole; without a default it is required."""
        value = self._take(field, default is None)
        if value is None:
            return default or ""
        if isinstance(value, str) and form.fullmatch(value):
            return value
        self.problem(field, f"must be a text of the form {form.pattern}, not {value!r}")
        return default or ""

    def take_texts(self, field: str, form: re.Pattern[str], *, required: bool = False) -> tuple[str, ...]:
        """A list of texts that match `form`, not empty when it is required."""
        value = self._take(field, required)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or (required and not value):
            self.problem(field, f"must be a {'non-empty ' if required else ''}list of texts, not {value!r}")
            return ()
        for index, item in enumerate(value):
            if not (isinstance(item, str) and form.fullmatch(item)):
                self.problem(f"{field}[{index}]", f"must be a text of the form {form.pattern}, not {item!r}")
        return tuple(item for item in value if isinstance(item, str) and form.fullmatch(item))

    def take_whole(self, field: str, default: int, lowest: int, highest: int) -> int:
        """A whole number from `lowest` to `highest`."""
        value = self._take(field, False)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self.problem(field, f"must be a whole number from {lowest} to {highest}, not {value!r}")
        return default

    def take_seconds(self, field: str, default: float, lowest: float, highest: float) -> float:
        """A number of seconds from `lowest` to `highest`."""
        value = self._take(field, False)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest:
            return float(value)
        self.problem(field, f"must be seconds from {lowest:g} to {highest:g}, not {value!r}")
        return default

    def take_flag(self, field: str, default: bool) -> bool:
        """True or false."""
        value = self._take(field, False)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.problem(field, f"must be true or false, not {value!r}")
        return default

    def take_table(self, field: str, *, required: bool = False) -> Mapping[str, object]:
        """A table, not empty when it is required."""
        value = self._take(field, required)
        if value is None:
            return {}
        if isinstance(value, Mapping) and (value or not required):
            return value
        self.problem(field, f"must be a {'non-empty ' if required else ''}table, not {value!r}")
        return {}

    def finish(self, known: str = "") -> None:
        """Note every field that nobody took; `known` ends the sentence."""
        for field in self._data:
            if field not in self._taken:
                self.problem(field, f"is not known here{known}")
