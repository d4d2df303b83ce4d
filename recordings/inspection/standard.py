"""DOOR to the rules that come with the program, and to a hotline's own file."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from recordings.inspection.rules import Rules, RulesError, rules_of

STANDARD = Path(__file__).with_name("standard.toml")


def table_of(file: Path) -> dict[str, Any]:
    """A file's content. Blocks. Raises OSError, RulesError."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except ValueError as error:  # no UTF-8, or no TOML
        raise RulesError([f"{file.name}: {error}"]) from None


def read_rules(file: Path) -> Rules:
    """A hotline's rules. Blocks. Raises OSError, RulesError."""
    return rules_of(table_of(file))


@cache
def standard_rules() -> Rules:
    """Those that come with the program."""
    return read_rules(STANDARD)
