"""Finding entries: for agents all that is published and valid, for citizens what is public of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from knowledge import index, sql
from knowledge.sql import entries, versions
from knowledge.version import Entry
from knowledge.words import Vocabulary, query_terms

FIRST_LOOK = 3
"""So many times more than are wanted are looked at first, with all they say: most may be shown."""

NEXT_LOOK = 8
"""So many times more each time that there are too few; of these only the numbers are read."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries may be shown. `regions`: any of them (empty = all); `today`: they hold on this day."""

    today: date
    public: bool = False
    regions: tuple[str, ...] = ()
    unit: str = ""
    language: str = ""


def find(connection: Connection, text: str, wanted: Filter, vocabulary: Vocabulary, limit: int = 10) -> list[Entry]:
    """The entries that answer `text` best, the best first; none for a text without words."""
    query = query_terms(text, vocabulary)
    if not query:
        return []
    hits = index.search(connection, query)
    look = limit * FIRST_LOOK
    best = hits.best(look)
    rows = {row.entry: row for row in connection.execute(_rules(sql.SERVED, wanted, best))}
    found = [no for no in best if no in rows]
    while len(found) < limit and look < len(hits):
        seen, look = look, look * NEXT_LOOK
        more = hits.best(look)[seen:]
        allowed: set[int] = set(connection.execute(_rules(_NUMBERS, wanted, more)).scalars())
        found += [no for no in more if no in allowed]
    found = found[:limit]
    held = {no: sql.entry_of(rows[no]) for no in found if no in rows}
    if missing := [no for no in found if no not in held]:
        held |= {one.no: one for one in sql.served_entries(connection, numbers=missing)}
    return [held[no] for no in found]


_NUMBERS = select(versions.c.entry).join_from(
    versions, entries, and_(entries.c.no == versions.c.entry, entries.c.published == versions.c.version)
)


def _rules(query: Select[Any], wanted: Filter, numbers: list[int]) -> Select[Any]:
    day = wanted.today.isoformat()
    query = query.where(
        versions.c.entry.in_(numbers),
        or_(versions.c.valid_from.is_(None), versions.c.valid_from <= day),
        or_(versions.c.valid_to.is_(None), versions.c.valid_to >= day),
    )
    if wanted.public:
        query = query.where(versions.c.public.is_(True))
    if wanted.regions:
        query = query.where(versions.c.region.in_(wanted.regions))
    if wanted.unit:
        query = query.where(versions.c.unit == wanted.unit)
    if wanted.language:
        query = query.where(versions.c.language == wanted.language)
    return query
