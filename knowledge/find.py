"""Finding entries: for agents all that is published and valid, for citizens what is public of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, or_, select

from knowledge import index, sql
from knowledge.moves import KnowledgeState
from knowledge.sql import versions
from knowledge.version import Entry
from knowledge.words import Vocabulary, query_terms

FIRST_LOOK = 3
"""So many times more than are wanted are looked at first, with all they say: most may be shown."""


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
    best = hits.best(limit * FIRST_LOOK)
    first = sql.SERVED.where(versions.c.entry.in_(best), *_rules(wanted))
    rows = {row.entry: row for row in connection.execute(first)}
    found = [no for no in best if no in rows]
    if len(found) < limit and len(best) < len(hits):  # a narrow filter: ask what it allows, not what is best
        allowed = list(connection.execute(_NUMBERS.where(*_rules(wanted))).scalars())
        found = hits.best(limit, among=allowed)
    found = found[:limit]
    held = {no: sql.entry_of(rows[no]) for no in found if no in rows}
    if missing := [no for no in found if no not in held]:
        held |= {one.no: one for one in sql.served_entries(connection, numbers=missing)}
    return [held[no] for no in found]


_NUMBERS = select(versions.c.entry).where(versions.c.state == KnowledgeState.PUBLISHED.value)


def _rules(wanted: Filter) -> list[ColumnElement[bool]]:
    day = wanted.today.isoformat()
    rules = [
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
    return rules
