"""Reading a journal back: header and entries, a torn end forgiven, damage anywhere else named by file and line."""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.codec import CodecError, decode_command, decode_event
from controller.journal import VERSION
from pbx.call import CallRecord
from pbx.commands import Command, SaveCall
from pbx.events import Event
from pbx.ids import CallId
from pbx.memory import ENDED_KEPT


class JournalDamaged(Exception):
    """The journal cannot be read from here on: `str()` names the file, the line and what is wrong, never data."""

    def __init__(self, file: Path, line: int, text: str) -> None:
        super().__init__(f"{file}:{line}: {text}")
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a journal file. `first` is the position of its first entry, `part` its place in its start."""

    file: Path
    version: int
    start: str
    part: int
    day: str
    configuration: str
    first: int
    opened: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the switchboard, as it was. `error` is the name of the exception that the step raised, or empty."""

    seq: int
    now: float
    event: Event
    commands: tuple[Command, ...]
    error: str
    file: Path
    line: int


def parts(path: Path) -> list[Path]:
    """All files of the start that `path` belongs to, up to and with `path`, in order: a replay begins at the start."""
    wanted = read_header(path)
    found = sorted(path.parent.glob(f"{wanted.start}-*.jsonl"))
    return [file for file in found if file == path or read_header(file).part < wanted.part]


def read_header(path: Path) -> Header:
    """The header of one file. Raises `JournalDamaged`, OSError."""
    with path.open("rb") as file:
        data = _parsed(file.readline())
    if data is None or "journal" not in data:
        raise JournalDamaged(path, 1, "this is not a journal: its first line is no header")
    if data["journal"] != VERSION:
        raise JournalDamaged(path, 1, f"a journal of form {data['journal']!r}; this program reads form {VERSION}")
    try:
        return Header(
            file=path,
            version=int(data["journal"]),
            start=str(data["start"]),
            part=int(data["part"]),
            day=str(data["day"]),
            configuration=str(data["configuration"]),
            first=int(data["first"]),
            opened=float(data["opened"]),
        )
    except (KeyError, TypeError, ValueError):
        raise JournalDamaged(path, 1, "the header is incomplete") from None


def read(path: Path) -> Iterator[Entry]:
    """The entries of one file, in order.

    A last line that a crash has torn is left out. Raises `JournalDamaged` for damage anywhere else, for a gap in the
    positions (lines were dropped when the disk was full), and for a step that could not be written.
    """
    header = read_header(path)
    expected = header.first
    with path.open("rb") as file:
        file.readline()
        number = 1
        line = file.readline()
        while line:
            number += 1
            after = file.readline()
            data = _parsed(line)
            if data is None:
                if not after:
                    return  # torn by a crash
                raise JournalDamaged(path, number, "the line is damaged")
            yield _entry(data, path, number, expected)
            expected += 1
            line = after


def read_all(path: Path) -> Iterator[Entry]:
    """The entries of all `parts` of the start that `path` belongs to. Raises as `read`, and for a missing part."""
    expected = 0
    for file in parts(path):
        header = read_header(file)
        if header.first != expected:
            raise JournalDamaged(file, 1, f"steps {expected} to {header.first - 1} are missing before this file")
        for entry in read(file):
            yield entry
            expected = entry.seq + 1


TAIL_BYTES = 8 * 1024 * 1024
"""So much of the end of the newest journal is read at a start: minutes of the busiest hour."""


TAIL_FILES = 3
"""At most so many files are read: a controller may have been ended before the database had what it had read."""


def newest_records(folder: Path) -> dict[CallId, CallRecord]:
    """The calls' records as the end of the newest journals below `folder` has them, by call.

    The database's writer may have been ended with the newest in its hands; the journal was told first. What cannot be
    read is left out: it is a help at the start, not the truth of the past.
    """
    last: dict[str, Mapping[str, Any]] = {}
    for line in _tail(sorted(folder.glob("*.jsonl"))[-TAIL_FILES:]):
        data = _parsed(line + b"\n")
        for command in data.get("commands", ()) if data is not None else ():
            if isinstance(command, dict) and command.get("is") == SaveCall.__name__:
                call = str(command.get("record", {}).get("call"))
                if not (command.get("unless_ended") and call in last and last[call]["record"].get("ended_at")):
                    last[call] = command
    found: dict[CallId, CallRecord] = {}
    for command in last.values():
        with contextlib.suppress(CodecError):
            saved = decode_command(command)
            if isinstance(saved, SaveCall):
                found[saved.record.call] = saved.record
    return found


def _tail(files: list[Path]) -> list[bytes]:
    """The last lines of `files`, oldest first, `TAIL_BYTES` together."""
    found: list[list[bytes]] = []
    left = TAIL_BYTES
    for path in reversed(files):
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - left))
            found.append(file.read().split(b"\n")[1:])  # the first is the header, or half a line
        left -= size
        if left <= 0:
            break
    return [line for lines in reversed(found) for line in lines]


def last_step(folder: Path) -> float:
    """When the newest journal below `folder` took its last step, epoch seconds; 0 where nobody can say."""
    for path in reversed(sorted(folder.glob("*.jsonl"))[-TAIL_FILES:]):
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1_000_000))
            for line in reversed(file.read().split(b"\n")):
                data = _parsed(line + b"\n")
                if data is not None and isinstance(at := data.get("now", data.get("opened")), int | float):
                    return float(at)
    return 0.0


ENDED_S = 600.0
"""So long before the latest end that is known others may still be noted by the exchange. A note is erased some seconds
after the end was heard; this is for ends that were heard late."""


def latest_ended(records: Iterable[CallRecord]) -> tuple[CallId, ...]:
    """The calls that ended within `ENDED_S` of the latest end among `records`, at most `ENDED_KEPT`, oldest first."""
    ends = {record.call: record.ended_at for record in records if record.ended_at is not None}
    latest = max(ends.values(), default=0.0)
    found = sorted((at, call) for call, at in ends.items() if at >= latest - ENDED_S)
    return tuple(call for _, call in found[-ENDED_KEPT:])


def fresher(newest: Mapping[CallId, CallRecord], stored: Iterable[CallRecord]) -> list[CallRecord]:
    """Those of `newest` that the store does not have, or has as open.

    A call that has ended there stays as it is: a ticket that was committed after its end stands in the store alone.
    """
    ended = {record.call for record in stored if record.ended_at is not None}
    return [record for record in newest.values() if record.call not in ended]


def is_torn(path: Path) -> bool:
    """Whether the file ends in a line that a crash has torn."""
    with path.open("rb") as file:
        last = deque(file, maxlen=1)
    return bool(last) and _parsed(last[0]) is None


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        data = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one
        return None
    return data if isinstance(data, dict) else None


def _entry(data: Mapping[str, Any], path: Path, number: int, expected: int) -> Entry:
    try:
        seq, now = int(data["seq"]), float(data["now"])
        if seq != expected:
            raise JournalDamaged(path, number, f"steps {expected} to {seq - 1} are missing")
        if "lost" in data:
            raise JournalDamaged(path, number, f"step {seq} ({data['lost']}) could not be written at the time")
        event = decode_event(data["event"])
        commands = tuple(decode_command(command) for command in data["commands"])
        return Entry(seq, now, event, commands, str(data.get("error", "")), path, number)
    except CodecError as error:
        raise JournalDamaged(path, number, str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise JournalDamaged(path, number, "the line is no step of the switchboard") from None
