"""What is wrong in a configuration file: where it stands, in which words, and what else can be read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.toml_lines import Path as TomlPath
from controller.toml_lines import TomlLines, one_value


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where (file, line) and what, and what would be right."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """As editors understand it: ``file:line: text``."""
        return f"{self.file}:{self.line}: {self.text}"


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that were found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def read_text(file: Path) -> str:
    """The text of a configuration or menu file. Raises `ConfigError`: not readable, not UTF-8 (with the line)."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(file), 1, f"cannot be read: {error.strerror}")]) from error
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8").replace("\r\n", "\n")  # Windows editors
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(str(file), line, "is not UTF-8 text; save it as UTF-8")]) from error


def parse(file: Path, text: str, lines: TomlLines) -> tuple[dict[str, Any] | None, list[Problem], tuple[TomlPath, ...]]:
    """The file's table (None: it is not TOML), what is wrong, and the places whose values are left out for it.

    Left out is what stands twice, and a value of one line that is none: the rest is checked in the same run.
    """
    rows = text.splitlines()
    for line, _path in lines.doubled:
        rows[line - 1] = ""
    problems: list[Problem] = []
    left_out: list[TomlPath] = []
    while True:
        try:
            return tomllib.loads("\n".join(rows)), problems, tuple(left_out)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            line = 1
            if "(at line " in message:
                line = int(message.split("(at line ")[1].split(",")[0])
                message = message.split(" (at line ")[0]
            elif "end of document" in message:
                line = len(rows)
        problems.append(Problem(str(file), line, f"is not TOML here: {message}"))
        path = next((path for path, number in lines.lines.items() if number == line), None)
        if path is None or not rows[line - 1] or not one_value(rows[line - 1]):
            return None, problems, ()
        left_out.append(path)
        rows[line - 1] = ""


_WORDS = {
    "extra_forbidden": "is not a known setting; correct its name or take it out",
    "missing": "is missing",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "string_type": "must be a text in quotes",
    "list_type": "must be a list in square brackets",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


def fault_at(file: Path, lines: TomlLines, fault: Mapping[str, Any]) -> Problem:
    """One of pydantic's faults in our words, with its line."""
    path: TomlPath = tuple(part for part in fault["loc"] if part != "[key]")
    text = _WORDS.get(fault["type"]) or fault["msg"][0].lower() + fault["msg"][1:]
    return Problem(str(file), lines.line_of(path), f"{dotted(path)} {text}")


def dotted(path: TomlPath) -> str:
    """A place in the file as people write it: ``queues[2].skills.english``, counted from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
