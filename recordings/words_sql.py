"""Transcripts on disk: what was recognised, people's corrections beside it, and the keys by which calls are found.

The keys (`recordings/search.py`) are in FTS5 on SQLite and in an array under a GIN index on PostgreSQL, as those of
tickets are. FTS5 holds nothing but the index: what leaves it must be named as it went in, so each call keeps its own
keys, packed, beside it. A call's `place` is the instant when it began, in microseconds, so what is found newest first
is read in the order of the index.

Functions take a connection and run inside the caller's transaction.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from pbx.ids import CallId
from recordings.corrections import Correction, Kept
from recordings.search import INDEX
from recordings.sql import metadata, transcripts
from recordings.transcript import Transcript

corrections = Table(
    "transcript_corrections",
    metadata,
    Column("call", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("base", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    Column("was", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("call", "version", name="pk_transcript_corrections"),
)
"""See `recordings.corrections.Correction`. Rows are only ever added, and go with the transcript."""

places = Table(
    "transcript_places",
    metadata,
    Column("call", Text, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("rules", Integer, nullable=False),
    Column("keys", LargeBinary, nullable=False),
    PrimaryKeyConstraint("call", name="pk_transcript_places"),
    UniqueConstraint("place", name="uq_transcript_places_place"),
)
"""The calls that can be found. `rules`: `recordings.search.INDEX` when the keys were made; `keys`: as they went into
FTS5 (`packed`), empty on PostgreSQL, which has them in `words`."""

NAME = "transcript_words"

of_postgresql = MetaData()

words = Table(
    NAME,
    of_postgresql,
    Column("place", BigInteger, nullable=False, autoincrement=False),
    Column("keys", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("place", name="pk_transcript_words"),
    Index("ix_transcript_words_keys", "keys", postgresql_using="gin"),
)

FTS5 = f"CREATE VIRTUAL TABLE {NAME} USING fts5(keys, content='', columnsize=0, detail=none, tokenize=\"ascii\")"
"""On SQLite: the rowid is the place."""

_TAKE_OUT = text(f"INSERT INTO {NAME} ({NAME}, rowid, keys) VALUES ('delete', :place, :keys)")  # noqa: S608
_PUT_IN = text(f"INSERT INTO {NAME} (rowid, keys) VALUES (:place, :keys)")  # noqa: S608


def place_of(began_at: float) -> int:
    """The place of a call that began then; where it is taken already, the call has the next one."""
    return round(began_at * 1e6)


# ---------------------------------------------------------------- transcripts and corrections


def kept(connection: Connection, call: CallId) -> Kept | None:
    """The call's transcript with its corrections, or None. ValueError for a form that this program does not read."""
    row = connection.execute(select(transcripts.c.body, transcripts.c.base).where(transcripts.c.call == call)).first()
    if row is None:
        return None
    return Kept(Transcript.from_json(row.body), row.base, corrections_of(connection, [call]).get(call, ()))


def corrections_of(connection: Connection, calls: Sequence[str]) -> dict[str, tuple[Correction, ...]]:
    """Of each call that has any: its corrections, in order."""
    query = select(corrections).where(corrections.c.call.in_(calls)).order_by(corrections.c.call, corrections.c.version)
    found: dict[str, tuple[Correction, ...]] = {}
    for row in connection.execute(query):
        values = dict(row._mapping)
        found[row.call] = (*found.get(values.pop("call"), ()), Correction(**values))
    return found


def add_correction(connection: Connection, call: CallId, correction: Correction) -> None:
    """Write a correction; the same one again (the store wrote a batch again) changes nothing."""
    mine = (corrections.c.call == call) & (corrections.c.version == correction.version)
    if connection.execute(select(corrections.c.version).where(mine)).first() is None:
        connection.execute(insert(corrections).values(call=call, **asdict(correction)))


def erase_transcript(connection: Connection, call: CallId) -> None:
    """What was said, what people corrected in it, and the words by which it was found: all of it is gone."""
    take_out(connection, call)
    for table in (corrections, transcripts):
        connection.execute(delete(table).where(table.c.call == call))


# ---------------------------------------------------------------- words


def version_of(connection: Connection, call: CallId) -> int | None:
    """The version of the call's transcript; None when it has none."""
    base = connection.execute(select(transcripts.c.base).where(transcripts.c.call == call)).scalar()
    if base is None:
        return None
    last = connection.execute(select(func.max(corrections.c.version)).where(corrections.c.call == call)).scalar()
    return max(int(base), last or 0)


def put_keys(
    connection: Connection, call: CallId, version: int, began_at: float, packed_keys: bytes, rules: int = INDEX
) -> bool:
    """Write the keys (`packed`) of a call's transcript of this version; False when it is of another, or gone."""
    if version_of(connection, call) != version:
        return False
    there = connection.execute(select(places).where(places.c.call == call)).first()
    place = there.place if there is not None else _free(connection, place_of(began_at))
    row: dict[str, Any] = {"place": place, "rules": rules, "keys": packed_keys}
    if connection.dialect.name == "postgresql":
        if there is not None:
            connection.execute(delete(words).where(words.c.place == place))
        connection.execute(insert(words).values(place=place, keys=sorted(unpacked(packed_keys))))
        row["keys"] = b""
    elif there is None or there.keys != packed_keys:
        if there is not None:
            connection.execute(_TAKE_OUT, {"place": place, "keys": said(unpacked(there.keys))})
        connection.execute(_PUT_IN, {"place": place, "keys": said(unpacked(packed_keys))})
    if there is None:
        connection.execute(insert(places).values(call=call, **row))
    else:
        connection.execute(update(places).where(places.c.call == call).values(row))
    return True


def make_stale(connection: Connection, call: CallId) -> None:
    """The call's words have changed: its keys are to be made anew."""
    connection.execute(update(places).where(places.c.call == call).values(rules=0))


def take_out(connection: Connection, call: CallId) -> None:
    """The call is found by nothing any more."""
    there = connection.execute(select(places).where(places.c.call == call)).first()
    if there is None:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(delete(words).where(words.c.place == there.place))
    else:
        connection.execute(_TAKE_OUT, {"place": there.place, "keys": said(unpacked(there.keys))})
    connection.execute(delete(places).where(places.c.call == call))


def not_indexed(connection: Connection, limit: int, after: str = "") -> list[CallId]:
    """Transcripts without keys, or with those of other rules, by call, behind `after`."""
    query = (
        select(transcripts.c.call)
        .outerjoin(places, places.c.call == transcripts.c.call)
        .where(transcripts.c.call > after, or_(places.c.call.is_(None), places.c.rules != INDEX))
        .order_by(transcripts.c.call)
        .limit(limit)
    )
    return [CallId(call) for call in connection.execute(query).scalars()]


def _free(connection: Connection, place: int) -> int:
    while connection.execute(select(places.c.place).where(places.c.place == place)).first() is not None:
        place += 1
    return place


def packed(keys: Iterable[int]) -> bytes:
    """Keys as they are kept beside FTS5."""
    return zlib.compress(array("q", sorted(keys)).tobytes(), 6)


def unpacked(data: bytes) -> frozenset[int]:
    """The inverse of `packed`."""
    found = array("q")
    found.frombytes(zlib.decompress(data))
    return frozenset(found)


def said(keys: Iterable[int]) -> str:
    """Keys as FTS5 is given them."""
    return " ".join(map(_token, sorted(keys)))


def matching(groups: Iterable[Sequence[int]]) -> str:
    """The question to FTS5 for what has a key of each of these groups."""
    return " AND ".join("(" + " OR ".join(f'"{_token(key)}"' for key in group) + ")" for group in groups)


def having(groups: Iterable[Sequence[int]]) -> list[Any]:
    """The same for PostgreSQL, as conditions on `words`."""
    return [words.c["keys"].overlap(list(group)) for group in groups]


def _token(key: int) -> str:
    return f"{key:x}" if key >= 0 else f"p{-key:x}"
