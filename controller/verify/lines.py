"""Reading journals line by line as they were written, without turning them into words: fast, and open to new words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from controller.journal_file import Header, JournalDamaged, read_header


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the journal. `lost` names an event that could not be written; then there is nothing else."""

    file: Path
    number: int
    seq: int
    now: float
    event: dict[str, Any]
    commands: list[dict[str, Any]]
    error: str
    lost: str = ""


def starts(folder: Path) -> list[list[Header]]:
    """The journals of a folder: the files of each start of a controller in order, the starts by their time.

    Raises `JournalDamaged` for a file that is no journal, OSError.
    """
    found: dict[str, list[Header]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        header = read_header(file)
        found.setdefault(header.start, []).append(header)
    return [sorted(found[start], key=lambda header: header.part) for start in sorted(found)]


def chosen(folder: Path, day: str) -> list[list[Header]]:
    """The starts with a file of `day` (``YYYYMMDD``), each with its files up to that day: a start is read from its
    beginning, since what happens on a day depends on who waited when it began.
    """
    picked = []
    for files in starts(folder):
        if any(header.day == day for header in files):
            last = max(index for index, header in enumerate(files) if header.day == day)
            picked.append(files[: last + 1])
    return picked


def days(folder: Path) -> list[str]:
    """The days that have a journal, in order."""
    return sorted({header.day for files in starts(folder) for header in files})


def read_raw(headers: Sequence[Header], on_bytes: Callable[[int], None] = lambda count: None) -> Iterator[Line]:
    """The steps of one start in order, from its first file on. `on_bytes` is told how much was read.

    A last line that a crash has torn is left out. Raises `JournalDamaged` for damage, gaps and missing parts.
    """
    expected = 0
    for header in headers:
        if header.first != expected:
            raise JournalDamaged(header.file, 1, f"steps {expected} to {header.first - 1} are missing before this file")
        for line in _file(header.file, expected, on_bytes):
            yield line
            expected = line.seq + 1


def _file(path: Path, expected: int, on_bytes: Callable[[int], None]) -> Iterator[Line]:
    unread = 0
    with path.open("rb") as file:
        file.readline()
        number, line = 1, file.readline()
        while line:
            number += 1
            after = file.readline()
            found = _step(path, number, line, torn=not after)
            if found is None:
                return
            if found.seq != expected:
                raise JournalDamaged(path, number, f"steps {expected} to {found.seq - 1} are missing")
            unread += len(line)
            if unread > 1 << 20:
                on_bytes(unread)
                unread = 0
            yield found
            expected += 1
            line = after
    on_bytes(unread)


def _step(path: Path, number: int, line: bytes, *, torn: bool) -> Line | None:
    """The parsed step; None for a last line that is not whole."""
    try:
        if not line.endswith(b"\n"):
            raise ValueError
        data = from_json(line)
    except ValueError:  # UnicodeDecodeError is one
        if torn:
            return None
        raise JournalDamaged(path, number, "the line is damaged") from None
    try:
        seq, now = int(data["seq"]), float(data["now"])
        if "lost" in data:
            return Line(path, number, seq, now, {"is": str(data["lost"])}, [], "", str(data["lost"]))
        event, commands = data["event"], data["commands"]
        if not isinstance(event["is"], str) or not all(isinstance(one["is"], str) for one in commands):
            raise ValueError
        return Line(path, number, seq, now, event, commands, str(data.get("error", "")))
    except (KeyError, TypeError, ValueError):
        raise JournalDamaged(path, number, "the line is no step of the switchboard") from None
