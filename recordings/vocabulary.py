"""DOOR to the words of a Vosk model: its files alone are read, no recogniser is needed.

The words stand in `graph/words.txt`, or in the symbol table inside `Gr.fst` (OpenFst's format).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

SYMBOLS_MAGIC = b"\x74\xfb\xb2\x7e"


class BadModel(Exception):
    """The folder cannot be used; the message is one sentence that says why."""


def vocabulary(path: Path) -> frozenset[str] | None:
    """Every word of a Vosk model; None where its files do not tell them. BadModel for a damaged one. Takes a second."""
    graph = path / "graph"
    if (graph / "words.txt").is_file():
        return frozenset(line.split(" ", 1)[0] for line in lines(graph / "words.txt"))
    if (graph / "Gr.fst").is_file():
        return frozenset(symbols(graph / "Gr.fst")) or None
    return None


def lines(file: Path) -> Iterator[str]:
    """A file's lines, whatever is wrong with their letters."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            yield line.rstrip("\n")


def symbols(fst: Path) -> Iterator[str]:
    """The words of a transducer's symbol table: magic, name, next key, count, then each word and its key.

    BadModel where the file ends within it.
    """
    with fst.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(SYMBOLS_MAGIC, 4)
        if at < 0:
            return
        try:
            (name,) = struct.unpack_from("<i", data, at + 4)
            at += 8 + name
            _, count = struct.unpack_from("<qq", data, at)
            at += 16
            for _ in range(count):
                (length,) = struct.unpack_from("<i", data, at)
                word = data[at + 4 : at + 4 + length]
                if length < 0 or len(word) < length:
                    raise struct.error
                at += 12 + length
                if at > len(data):
                    raise struct.error
                yield word.decode("utf-8", errors="replace")
        except struct.error:
            raise BadModel(f"{fst.parent.parent} is truncated: graph/{fst.name} ends amid its words") from None
