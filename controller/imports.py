"""Large files go through the one writer in pieces: whoever waits for another write waits for one piece at most.

A piece takes about `PIECE_S` of the writer; how many rows that are is found out while it goes on. Between two pieces
the others' writes are done. What is taken can be read at once; a file that is cut (a crash, a store that is away) is
sent again and goes on where it was cut.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from controller import import_rows
from controller.import_rows import Import
from controller.spool import Operation
from controller.writer import Store

log = logging.getLogger(__name__)

R = TypeVar("R")

PIECE_S = 0.05
"""What a piece shall take of the writer; at most 0.2 s are wanted, and the machine may be slower in the next one."""

FIRST_ROWS, MOST_ROWS = 10, 200

_BEGIN: Operation[Callable[[Connection], Import], Import] = Operation(
    "import", lambda connection, work: work(connection)
)
_TAKE: Operation[Callable[[Connection], tuple[Import, float]], tuple[Import, float]] = Operation(
    "import_piece", lambda connection, work: work(connection), posts=True
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in, and what came of its pieces in order; `before`: it had been, by an earlier sending."""

    id: str
    before: bool
    results: Sequence[Mapping[str, Any]]


def id_of(data: bytes, *how: str) -> str:
    """What a file is known by: its bytes, and how it is taken in."""
    parts = [hashlib.blake2b(data).hexdigest(), *how]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


async def in_pieces(
    store: Store,
    wanted: Import,
    rows: Sequence[tuple[int, R]],
    work: Callable[[Connection, Sequence[R]], Mapping[str, Any]],
    clock: Callable[[], float],
    *,
    anew: bool = False,
    written: Callable[[], None] = lambda: None,
) -> Taken:
    """Take in the numbered rows by `work`, which gives what a piece has made, as JSON; `written` after each commit.

    Raises `StoreError`, and what `work` raises: what was taken until then stays, and the same file goes on there.
    """
    begin: Callable[[Connection], Import] = partial(import_rows.begin, wanted=wanted, anew=anew)
    file = await store.submit(_BEGIN, begin)
    before, many, slowest = file.ended_at is not None, FIRST_ROWS, 0.0
    while file.ended_at is None:
        piece: Callable[[Connection], tuple[Import, float]] = partial(
            import_rows.take, id=file.id, rows=rows, many=many, work=work, at=clock()
        )
        done = file.done
        file, took = await store.submit(_TAKE, piece)
        written()
        slowest = max(slowest, took)
        each = took / max(1, file.done - done)
        many = max(1, min(MOST_ROWS, int(PIECE_S / each) if each else MOST_ROWS, many * 2))
    if not before:
        action = {"action": "import.ended"}
        log.info("%d rows are taken in (%s), at most %.3f s at once", file.done, file.kind, slowest, extra=action)
    return Taken(file.id, before, await store.read(import_rows.results, file.id))
