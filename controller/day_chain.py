"""The hash chain over a day's journal, and the file of digests that tells which line is not as it was.

Every line of every file of the day, the headers too, in the order of the files' names (start, part): the head after a
line is SHA-256(head before, SHA-256(line)). The head alone proves that nothing was changed; so that it can be said
*what* was, the first 16 hexadecimal digits of each line's digest stand in a file, whose own SHA-256 is sealed with the
head. A journal file that was compressed since (``.jsonl.gz``) is read as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

FIRST = "0" * 64

SHORT = 16
"""Hexadecimal digits by which a line is known: 64 bits, beside a chain over all 256."""


@dataclass(frozen=True, slots=True)
class FileChain:
    """One journal file: its name, the lines' short digests in order, and the chain's head after it."""

    name: str
    lines: tuple[str, ...]
    head: str


def files_of(folder: Path, day: str) -> list[Path]:
    """The journal files of a day ``20261122``, in order, compressed or not."""
    found = {path.name.removesuffix(".gz"): path for path in folder.glob(f"*-{day}.jsonl.gz")}
    found |= {path.name: path for path in folder.glob(f"*-{day}.jsonl")}
    return [found[name] for name in sorted(found)]


def opened(path: Path) -> BinaryIO:
    """A journal file for reading. Raises OSError."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def chain(files: Sequence[Path]) -> Iterator[FileChain]:
    """The chain over these files, from the first on. Raises OSError."""
    head = bytes.fromhex(FIRST)
    for path in files:
        lines = []
        with opened(path) as file:
            for line in file:
                digest = hashlib.sha256(line).digest()
                lines.append(digest[: SHORT // 2].hex())
                head = hashlib.sha256(head + digest).digest()
        yield FileChain(path.name.removesuffix(".gz"), tuple(lines), head.hex())


@dataclass(frozen=True, slots=True)
class Digests:
    """What the file of digests says: of each journal file its lines, of each call and each interval its own."""

    files: dict[str, tuple[str, ...]]
    calls: dict[str, str]
    intervals: dict[str, str]  #: empty digest = it had not ended when the day was closed


def write(path: Path, digests: Digests) -> str:
    """Write the file of digests, durable, readable by us alone; its SHA-256. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    whole = hashlib.sha256()
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        for line in _lines(digests):
            data = line.encode() + b"\n"
            whole.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    return whole.hexdigest()


def _lines(digests: Digests) -> Iterator[str]:
    for name, lines in digests.files.items():
        yield f"journal {name} {len(lines)}"
        yield from lines
    for kind, found in (("call", digests.calls), ("interval", digests.intervals)):
        for id, digest in found.items():
            yield f"{kind} {id} {digest}"


def read(path: Path) -> tuple[Digests, str]:
    """The file of digests again, and its SHA-256. Raises OSError, ValueError for what is none."""
    data = path.read_bytes()
    lines = iter(data.decode("utf-8").splitlines())
    found = Digests({}, {}, {})
    for line in lines:
        kind, _, rest = line.partition(" ")
        id, _, value = rest.rpartition(" ")
        if kind == "journal":
            found.files[id] = tuple(next(lines, "") for _ in range(int(value)))
        elif kind in ("call", "interval"):
            (found.calls if kind == "call" else found.intervals)[id] = value
        else:
            raise ValueError(f"{path} is no file of digests")
    return found, hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class LineChange:
    """Lines of a journal file that are not as they were; `line` counts from 1, in the file as it is now."""

    what: str  #: ``changed``, ``removed`` or ``inserted``
    line: int
    count: int


def changes(then: Sequence[str], now: Sequence[str]) -> list[LineChange]:
    """What was done to a file's lines; equal ends are left aside, so that a large file with one change is fast."""
    begin, end = 0, 0
    shorter = min(len(then), len(now))
    while begin < shorter and then[begin] == now[begin]:
        begin += 1
    while end < shorter - begin and then[-1 - end] == now[-1 - end]:
        end += 1
    old, new = list(then[begin : len(then) - end]), list(now[begin : len(now) - end])
    found: list[LineChange] = []
    there = dict[str, int]()
    for index, digest in enumerate(new):
        there.setdefault(digest, index)
    at = 0
    lost = 0
    for digest in old:
        index = there.get(digest, -1)
        if index < at:
            lost += 1
            continue
        _between(found, begin + at, lost, index - at)
        at, lost = index + 1, 0
    _between(found, begin + at, lost, len(new) - at)
    return found


def _between(found: list[LineChange], at: int, lost: int, come: int) -> None:
    """Between two lines that stayed: `lost` are gone, `come` stand there now."""
    both = min(lost, come)
    if both:
        found.append(LineChange("changed", at + 1, both))
    if lost > both:
        found.append(LineChange("removed", at + both + 1, lost - both))
    if come > both:
        found.append(LineChange("inserted", at + both + 1, come - both))
