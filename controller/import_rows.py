"""Files that are taken in piece by piece, on disk: how far each has come, and what came of each piece.

A piece and what it has made are written in one transaction, so a file that is sent again after a cut goes on where it
was cut, and nothing of it is made twice. Functions take a connection and run inside the caller's transaction; the same
code serves SQLite and PostgreSQL, where a file that is being taken in is locked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

R = TypeVar("R")

metadata = MetaData()

imports = Table(
    "imports",
    metadata,
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("last_line", Integer, nullable=False),
    Column("ended_at", Double),
    PrimaryKeyConstraint("id", name="pk_imports"),
    Index("ix_imports_begun_at", "begun_at"),
)
"""`id`: a digest of the file and of how it is taken in; `done`: good rows that are taken, up to line `last_line`."""

pieces = Table(
    "import_pieces",
    metadata,
    Column("import", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("result", JSON, nullable=False),
    PrimaryKeyConstraint("import", "line", name="pk_import_pieces"),
    ForeignKeyConstraint(["import"], ["imports.id"], name="fk_import_pieces_import_imports"),
)
"""What came of the piece that ends with `line`."""

KEPT_S = 30 * 86_400.0
"""So long it is known that a file was taken in: sent again, it makes nothing."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file that is taken in; times in epoch seconds, `ended_at` None while it goes on or after it was cut."""

    id: str
    kind: str
    begun_by: str
    begun_at: float
    rows: int
    done: int = 0
    last_line: int = 0
    ended_at: float | None = None


def begin(connection: Connection, wanted: Import, *, anew: bool) -> Import:
    """The file as it stands: begun now, or before. `anew`: one that has ended is forgotten, and taken in again."""
    old = list(connection.execute(select(imports.c.id).where(imports.c.begun_at < wanted.begun_at - KEPT_S)).scalars())
    known = _locked(connection, wanted.id)
    if known is not None and (known.id in old or (anew and known.ended_at is not None)):
        old, known = [*old, known.id], None
    for id in set(old):
        connection.execute(delete(pieces).where(pieces.c["import"] == id))
        connection.execute(delete(imports).where(imports.c.id == id))
    if known is not None:
        return known
    connection.execute(insert(imports).values({name: getattr(wanted, name) for name in _NAMES}))
    return wanted


def take(
    connection: Connection,
    id: str,
    rows: Sequence[tuple[int, R]],
    many: int,
    work: Callable[[Connection, Sequence[R]], Mapping[str, Any]],
    at: float,
) -> tuple[Import, float]:
    """The next `many` of the numbered rows by `work`; the file as it stands then, and how many seconds it took."""
    begun = time.perf_counter()
    known = _locked(connection, id)
    if known is None:
        raise LookupError(f"there is no import {id}")
    left = [(line, row) for line, row in rows if line > known.last_line]
    some = left[:many]
    values: dict[str, Any] = {"ended_at": at if len(some) == len(left) else None}
    if some:
        values |= {"done": known.done + len(some), "last_line": some[-1][0]}
        result = dict(work(connection, [row for _, row in some]))
        connection.execute(insert(pieces).values({"import": id, "line": some[-1][0], "result": result}))
    if known.ended_at is None:
        connection.execute(update(imports).where(imports.c.id == id).values(values))
    after = _locked(connection, id)
    assert after is not None
    return after, time.perf_counter() - begun


def results(connection: Connection, id: str) -> list[Mapping[str, Any]]:
    """What came of its pieces, in order."""
    query = select(pieces.c.result).where(pieces.c["import"] == id).order_by(pieces.c.line)
    return list(connection.execute(query).scalars())


def latest(connection: Connection, kind: str, limit: int) -> list[Import]:
    """The files of a kind that were begun last, the newest first."""
    query = select(imports).where(imports.c.kind == kind).order_by(imports.c.begun_at.desc(), imports.c.id)
    return [Import(**row._mapping) for row in connection.execute(query.limit(limit))]


_NAMES = tuple(column.name for column in imports.c)


def _locked(connection: Connection, id: str) -> Import | None:
    row = connection.execute(select(imports).where(imports.c.id == id).with_for_update()).first()
    return Import(**row._mapping) if row is not None else None
