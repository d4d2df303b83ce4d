"""The search index on disk: for each term the published entries that have it; the same on SQLite and PostgreSQL.

A row holds the postings of one term in one block of `BLOCK` entries: pairs of two bytes each, the entry's place in the
block and its impact (`knowledge.rank`). A query of twenty terms over 20 000 entries reads a hundred rows and adds whole
numbers. Neither FTS5 nor PostgreSQL's text search is used: their ranks differ from each other and neither divides
Chinese, while an index in plain rows is written in the transaction of the publication itself, on both.

Functions take a connection and run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    bindparam,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from knowledge.rank import term_weight

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

metadata = MetaData()

BLOCK = 4096
"""Entries of a block; their places fit two bytes, and a row at most 16 kB."""

FEW = 8
"""So many places are put into a row one by one; more are merged with all of it."""

AT_ONCE = 500
"""Terms, or entries, asked for in one statement."""

postings = Table(
    "knowledge_postings",
    metadata,
    Column("term", BigInteger, nullable=False, autoincrement=False),
    Column("block", Integer, nullable=False, autoincrement=False),
    Column("entries", LargeBinary, nullable=False),
    PrimaryKeyConstraint("term", "block", name="pk_knowledge_postings"),
)
"""`entries`: little-endian pairs of two bytes (place, impact), by place."""

facts = Table(
    "knowledge_facts",
    metadata,
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("name", name="pk_knowledge_facts"),
)
"""``indexed``: how many entries the index holds, and the stamp of the rules it was made by; ``entry``, ``task``: the
last numbers given out."""

INDEXED = "indexed"

Changes = Mapping[int, Mapping[int, int] | None]
"""Entry -> its terms with their impacts; None takes the entry out."""


def write(connection: Connection, changes: Changes, before: Mapping[int, Iterable[int]], stamp: str) -> None:
    """Put entries into the index, or take them out. `before`: the terms under which an entry stands there now."""
    wanted: dict[tuple[int, int], dict[int, int]] = {}
    for entry, old in before.items():
        block, place = divmod(entry, BLOCK)
        for term in old:
            wanted.setdefault((term, block), {})[place] = 0  # 0 = out
    for entry, new in changes.items():
        block, place = divmod(entry, BLOCK)
        for term, impact in (new or {}).items():
            wanted.setdefault((term, block), {})[place] = impact
    there: dict[tuple[int, int], bytes] = {}
    blocks = sorted({block for _, block in wanted})
    for some in _some(sorted({term for term, _ in wanted})):
        rows = connection.execute(
            select(postings).where(postings.c.term.in_(some), postings.c.block.in_(blocks)).with_for_update()
        )
        there |= {(row.term, row.block): row.entries for row in rows}
    put: list[dict[str, Any]] = []
    gone: list[dict[str, int]] = []
    for (term, block), places in sorted(wanted.items()):
        found = merged(there.get((term, block), b""), places)
        if found:
            put.append({"term": term, "block": block, "entries": found})
        elif (term, block) in there:
            gone.append({"of_term": term, "of_block": block})
    if put:
        connection.execute(_put(connection.dialect.name), put)
    if gone:
        connection.execute(_DROP, gone)
    more = sum(new is not None for new in changes.values()) - len(before)
    _count(connection, more, stamp)


def merged(row: bytes, places: Mapping[int, int]) -> bytes:
    """A row's postings with some places written; an impact of 0 takes the place out."""
    if len(places) <= FEW:
        for place, impact in places.items():
            row = _spliced(row, place, impact)
        return row
    held = {int.from_bytes(row[at : at + 2], "little"): row[at + 2 : at + 4] for at in range(0, len(row), 4)}
    for place, impact in places.items():
        if impact:
            held[place] = impact.to_bytes(2, "little")
        else:
            held.pop(place, None)
    return b"".join(place.to_bytes(2, "little") + held[place] for place in sorted(held))


def _spliced(row: bytes, place: int, impact: int) -> bytes:
    low, high = 0, len(row) // 4
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(row[middle * 4 : middle * 4 + 2], "little") < place:
            low = middle + 1
        else:
            high = middle
    at = low * 4
    there = int.from_bytes(row[at : at + 2], "little") == place if at < len(row) else False
    new = place.to_bytes(2, "little") + impact.to_bytes(2, "little") if impact else b""
    return row[:at] + new + row[at + 4 if there else at :]


def clear(connection: Connection) -> None:
    """An empty index, which counts as made by no rules until it is settled."""
    connection.execute(delete(postings))
    settle(connection, 0, "")


def settle(connection: Connection, count: int, stamp: str) -> None:
    """Say how many entries the index holds, and by which rules it was made."""
    connection.execute(delete(facts).where(facts.c.name == INDEXED))
    connection.execute(facts.insert().values(name=INDEXED, number=count, text=stamp))


def stamp_of(connection: Connection) -> str | None:
    """By which rules the index was made; None if it is empty."""
    return connection.execute(select(facts.c.text).where(facts.c.name == INDEXED)).scalar_one_or_none()


def search(connection: Connection, query: Sequence[tuple[int, float]]) -> Hits:
    """The entries that have any term of the query, with how well.

    Terms that more than half of the entries have decide nothing and are left out, unless there is no other.
    """
    import numpy as np  # only who searches waits for it

    count = connection.execute(_HOW_MANY).scalar_one_or_none() or 0
    said = dict(query)
    rows: dict[int, list[tuple[int, Any]]] = {}
    for some in _some(list(said)):
        for term, block, packed in connection.execute(_POSTINGS, {"terms": some}):
            rows.setdefault(term, []).append((block, np.frombuffer(packed, dtype="<u2").reshape(-1, 2)))
    having = {term: sum(len(pairs) for _, pairs in blocks) for term, blocks in rows.items()}
    telling = [term for term in rows if having[term] * 2 <= count] or list(rows)
    highest = max((block for term in telling for block, _ in rows[term]), default=-1)
    scores = np.zeros((highest + 1) * BLOCK, dtype=np.int64)
    for term in telling:
        weight = max(1, term_weight(said[term], having[term], count))
        for block, pairs in rows[term]:
            scores[block * BLOCK : (block + 1) * BLOCK][pairs[:, 0]] += pairs[:, 1].astype(np.int64) * weight
    return Hits(scores)


_HOW_MANY = select(facts.c.number).where(facts.c.name == INDEXED)
_POSTINGS = select(postings.c.term, postings.c.block, postings.c.entries).where(
    postings.c.term.in_(bindparam("terms", expanding=True))
)


class Hits:
    """What a search has found: entries by how well they answer, of equals the older one first."""

    def __init__(self, scores: npt.NDArray[np.int64]) -> None:
        """`scores`: by the entry's number, 0 = not found."""
        import numpy as np

        self._entries = np.flatnonzero(scores)
        self._scores = scores[self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def best(self, many: int, among: Sequence[int] | None = None) -> list[int]:
        """The `many` best, the best first, of those `among` where they are given; not all are put in order for that."""
        import numpy as np

        entries, scores = self._entries, self._scores
        if among is not None:
            allowed = np.isin(entries, np.asarray(among, dtype=np.int64))
            entries, scores = entries[allowed], scores[allowed]
        if many < len(entries):
            least = np.partition(scores, len(scores) - many)[len(scores) - many]
            entries, scores = entries[scores >= least], scores[scores >= least]
        order = np.argsort(-scores, kind="stable")[:many]
        return [int(entry) for entry in entries[order]]


def next_number(connection: Connection, name: str, many: int = 1) -> int:
    """The first of `many` numbers that are given out for ``entry`` or ``task``; they are never given out again."""
    insert = postgresql.insert(facts) if connection.dialect.name == "postgresql" else sqlite.insert(facts)
    new = insert.values(name=name, number=many, text="")
    statement = new.on_conflict_do_update(index_elements=["name"], set_={"number": facts.c.number + many}).returning(
        facts.c.number
    )
    return int(connection.execute(statement).scalar_one()) - many + 1


def _count(connection: Connection, more: int, stamp: str) -> None:
    """More entries; the stamp is that of the index's beginning, and of `settle`."""
    insert = postgresql.insert(facts) if connection.dialect.name == "postgresql" else sqlite.insert(facts)
    new = insert.values(name=INDEXED, number=more, text=stamp)
    connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"number": facts.c.number + more}))


def _put(dialect: str) -> Any:
    new: Any = postgresql.insert(postings) if dialect == "postgresql" else sqlite.insert(postings)
    return new.on_conflict_do_update(index_elements=["term", "block"], set_={"entries": new.excluded.entries})


_DROP = delete(postings).where(postings.c.term == bindparam("of_term"), postings.c.block == bindparam("of_block"))


def _some(values: list[int]) -> Iterable[list[int]]:
    for at in range(0, len(values), AT_ONCE):
        yield values[at : at + AT_ONCE]
