"""Where things stand in a TOML file, so that an error names its line.

The library's parser gives values without positions and stops at the first doubled key. This scanner finds the line of
every table and key of a well-formed file, and every key that stands twice; it judges nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""A value's place: keys, and numbers for the entries of arrays of tables."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


@dataclass(slots=True)
class TomlLines:
    """`lines`: the line (from 1) of each table and key. `doubled`: what stands twice, with its line."""

    lines: dict[Path, int] = field(default_factory=dict)
    doubled: list[tuple[int, Path]] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of `path`, or of the nearest table around it; 1 when nothing of it stands in the file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 1


def scan(text: str) -> TomlLines:
    """Find the lines of `text`. Multi-line strings and arrays are stepped over."""
    found = TomlLines()
    table: Path = ()
    counts: dict[Path, int] = {}
    closing = ""  # what ends the multi-line value that we are in
    depth = 0
    items: Path | None = None  # the list that we are in, if it has its entries in lines of their own
    rows = 0
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            if closing in line:
                closing = ""
            continue
        if depth > 0:
            if items is not None and depth == 1 and line.lstrip().startswith("{"):
                found.lines[(*items, rows)] = number
                rows += 1
            depth += _brackets(line)
            continue
        header = _HEADER.match(line)
        key = None if header else _KEY.match(line)
        if header:
            table = _parts(header.group(2))
            table = _inside(table, counts, last=header.group(1) == "[")
            if header.group(1) == "[[":
                index = counts.get(table, 0)
                counts[table] = index + 1
                table = (*table, index)
            elif table in found.lines:
                found.doubled.append((number, table))
            found.lines[table] = number
        elif key:
            place = (*table, *_parts(key.group(1)))
            if place in found.lines:
                found.doubled.append((number, place))
            else:
                found.lines[place] = number
            value = line[key.end() :]
            for quotes in ('"""', "'''"):
                if value.count(quotes) % 2:
                    closing = quotes
            if not closing:
                depth = max(0, _brackets(value))
                items, rows = (place if value.split("#", 1)[0].strip(" =") == "[" else None), 0
    return found


def one_value(row: str) -> bool:
    """Whether a row gives one key its value, and neither begins nor ends anything that goes over several rows."""
    return bool(_KEY.match(row)) and _brackets(row) == 0 and '"""' not in row and "'''" not in row


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _inside(table: Path, counts: dict[Path, int], *, last: bool) -> Path:
    """The path with the number of the newest entry after each name of an array of tables."""
    path: Path = ()
    for depth, part in enumerate(table):
        path = (*path, part)
        if path in counts and (last or depth < len(table) - 1):
            path = (*path, counts[path] - 1)
    return path


def _brackets(text: str) -> int:
    """How many more square brackets open than close, outside of strings and comments."""
    bare = re.sub(r""""(?:[^"\\]|\\.)*"|'[^']*'""", "", text).split("#", 1)[0]
    return bare.count("[") - bare.count("]")
