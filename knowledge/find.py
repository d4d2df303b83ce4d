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

FIRST_LOOK = 64
"""So many of the best are looked at first; four times as many whenever too few of them may be shown."""


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
    best = index.search(connection, query)
    found: list[int] = []
    at, look = 0, FIRST_LOOK
    while at < len(best) and len(found) < limit:
        some = [int(no) for no in best[at : at + look]]
        allowed: set[int] = set(connection.execute(_allowed(wanted, some)).scalars())
        found += [no for no in some if no in allowed]
        at, look = at + look, look * 4
    found = found[:limit]
    held = {one.no: one for one in sql.served_entries(connection, numbers=found)}
    return [held[no] for no in found]


def _allowed(wanted: Filter, numbers: list[int]) -> Select[Any]:
    day = wanted.today.isoformat()
    rules = [
        versions.c.entry.in_(numbers),
        or_(versions.c.valid_from.is_(None), versions.c.valid_from <= day),
        or_(versions.c.valid_to.is_(None), versions.c.valid_to >= day),
    ]
    if wanted.public:
        rules.append(versions.c.public.is_(True))
    if wanted.regions:
        rules.append(versions.c.region.in_(wanted.regions))
    if wanted.unit:
        rules.append(versions.c.unit == wanted.unit)
    if wanted.language:
        rules.append(versions.c.language == wanted.language)
    served = and_(entries.c.no == versions.c.entry, entries.c.published == versions.c.version)
    return select(versions.c.entry).join_from(versions, entries, served).where(*rules)
