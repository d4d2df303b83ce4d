"""A change to the hotline's configuration: a TOML file that holds only what is to be otherwise.

Sections are merged key by key. Of ``[[queues]]``, ``[[agents]]`` and ``[[extensions]]`` an entry changes the one with
the same ``id``, of ``[[numbers]]`` the one with the same ``dialled``; an entry that the configuration does not have is
added. What is wrong then is named by the file and line that says it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.config import Settings, settings_of
from controller.config_faults import ConfigError, Problem, dotted, parse, read_text
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import TomlLines, scan

KEYS = {"numbers": "dialled", "queues": "id", "agents": "id", "extensions": "id"}
"""The arrays of tables of a configuration, and what tells their entries apart."""

OFFSET = 10_000_000
"""Lines of the changing file are counted from here on while both files are one."""


@dataclass(frozen=True, slots=True)
class Source:
    """A TOML file as it was read."""

    file: Path
    text: str
    table: dict[str, Any]
    lines: TomlLines


def read_source(file: Path) -> Source:
    """Read a TOML file. Raises `ConfigError` with every fault of its form."""
    text = read_text(file)
    lines = scan(text)
    table, broken, _ = parse(file, text, lines)
    problems = [Problem(str(file), line, f"{dotted(path)} stands twice; keep one") for line, path in lines.doubled]
    if table is None or broken or problems:
        raise ConfigError([*problems, *broken])
    return Source(file, text, table, lines)


def changed(
    base: Source | None, change: Source, own: frozenset[str], *, more: Mapping[str, Any] | None = None
) -> Settings:
    """The configuration `base` (None = none at all) with `change`, less the sections `own` that are no configuration.

    `more` is added like a second change. Raises `ConfigError` with everything that is wrong, by file and line.
    """
    table: dict[str, Any] = {}
    lines = TomlLines()
    if base is not None:
        table = _copy(base.table)
        lines.lines.update(base.lines.lines)
    part = {name: value for name, value in change.table.items() if name not in own}
    _merge(table, part, change.lines, lines)
    if more:
        _merge(table, more, TomlLines(), lines)
    if not table.get("numbers") and table.get("queues"):  # nobody dials: callers are put into their queues
        first = table["queues"][0]
        table["numbers"] = [{"dialled": "000", "direct": first.get("id", "") if isinstance(first, dict) else ""}]
    file = base.file if base is not None else change.file
    text = (base.text if base is not None else "") + (repr(part) if part else "")
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    try:
        return settings_of(file, table, lines, version)
    except ConfigError as error:
        raise ConfigError([_placed(one, change.file) for one in error.problems]) from error


def _placed(problem: Problem, change: Path) -> Problem:
    if problem.line > OFFSET:
        return Problem(str(change), problem.line - OFFSET, problem.text)
    return problem


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _merge(table: dict[str, Any], part: Mapping[str, Any], part_lines: TomlLines, lines: TomlLines) -> None:
    places: dict[TomlPath, TomlPath] = {}  # of the entries: in the changing file, in the whole
    for section, value in part.items():
        if section in KEYS and isinstance(value, list) and isinstance(table.get(section, []), list):
            rows = table.setdefault(section, [])
            for index, entry in enumerate(value):
                name = entry.get(KEYS[section]) if isinstance(entry, dict) else None
                found = next(
                    (at for at, row in enumerate(rows) if isinstance(row, dict) and row.get(KEYS[section]) == name),
                    None,
                )
                if found is None or name is None:
                    rows.append(_copy(entry))
                    found = len(rows) - 1
                else:
                    rows[found].update(_copy(entry))
                places[section, index] = (section, found)
        elif isinstance(value, dict) and isinstance(table.get(section), dict):
            table[section].update(_copy(value))
        else:
            table[section] = _copy(value)
    for path, line in part_lines.lines.items():
        lines.lines[(*places.get(path[:2], path[:2]), *path[2:])] = line + OFFSET
