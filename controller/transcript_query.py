"""Searching what was said, over words, calls and tickets: whoever asks is shown calls that he may hear alone.

First the places by the words, in the order of time, together with the wall between cities as a condition of the same
query; then the transcripts of a page, in which it is seen where the words stand. Runs in a reader's thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

import recordings.words_sql as rows
from metrics.sql import calls
from pbx.ids import CallId
from recordings.corrections import Kept, read
from recordings.search import MOST_TURNS, CallHit, FoundPage, TurnHit, Wanted, hits, second_of, wanted_keys
from recordings.sql import transcripts
from recordings.transcript import Transcript, Turn, outline
from tickets.heard_sql import heard_by
from tickets.moves import Actor, Role
from tickets.shown import hears
from tickets.sql import whole
from tickets.tables import tickets
from tickets.ticket import TicketPolicy

WALKED, NEAR = 150, 8000
"""On PostgreSQL the index of words knows no order: of a common word it would give every call there is. So it is looked
for in three stretches. Through the first `WALKED` calls it walks along the order, without that index: a word of every
seventh call fills a page there (a call walked through costs some 50 us, as its keys are unpacked). In the next `NEAR`
the index's calls and the stretch are brought together before any row is read (BitmapAnd), which fills a page of what
one call in 400 has. What is rarer is so rare that the index may give all that there are."""

_BITMAPS = text("SET LOCAL enable_indexscan = off")
_ANY_PLAN = text("SET LOCAL enable_indexscan = on")
"""The planner takes a comparison of arrays for one of numbers: for some words it walked through all of `NEAR` by the
key of the place and compared (EXPLAIN: Index Scan, Filter; 260 to 430 ms with 265 000 calls), where bringing the two
indexes together takes 10 to 25 (BitmapAnd, then only the rows that are meant)."""

MOST_PLACES = 2000
"""Places that are looked at together when the wall leaves out most of them."""

MOST_READ = 400
"""Transcripts that one request reads at most: words whose characters rarely follow each other must come to an end."""

AT_ONCE = 40


def page(connection: Connection, wanted: Wanted, viewer: Actor, policy: TicketPolicy) -> FoundPage:
    """The next calls in which all was said, among those that `viewer` may hear."""
    if connection.dialect.name == "postgresql":
        # Which plan is right hangs on how common the words are: never one plan for all of them.
        connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    found: list[tuple[int, CallHit]] = []
    looked_at = last = 0
    for some in _candidates(connection, wanted, viewer, policy):
        heard = _heard(connection, some, viewer, policy)
        stored = _kept(connection, [row.call for row in heard])
        for row in heard:
            if row.call not in stored:
                continue
            hit = _hit(row, *stored[row.call], wanted)
            looked_at, last = looked_at + 1, row.place
            if hit is not None and len(found) == wanted.limit:
                return FoundPage(tuple(one for _, one in found), found[-1][0])
            if hit is not None:
                found.append((row.place, hit))
            if looked_at >= MOST_READ:
                return FoundPage(tuple(one for _, one in found), last)
    return FoundPage(tuple(one for _, one in found))


def _candidates(connection: Connection, wanted: Wanted, viewer: Actor, policy: TicketPolicy) -> Iterator[Sequence[Any]]:
    """Calls that have the words, some at a time: place, call, when it began, agent, queue, ticket."""
    groups = wanted_keys(wanted)
    low, high = rows.place_of(max(wanted.since, 0.0)), rows.place_of(min(wanted.until, 4e9))
    if wanted.after is not None:
        low, high = (low, min(high, wanted.after)) if wanted.newest else (max(low, wanted.after + 1), high)
    if connection.dialect.name != "postgresql":
        size = wanted.limit + 1
        while low < high:
            query = _narrowed(_sqlite(groups, low, high), wanted, viewer, policy).limit(size)
            some = connection.execute(query).all()
            yield some
            if len(some) < size:
                return
            low, high = _behind(some[-1].place, low, high, wanted.newest)
            size = AT_ONCE
        return
    for places in _places(connection, groups, low, high, wanted):
        query = _narrowed(_of(places), wanted, viewer, policy)
        some = connection.execute(query).all()
        for first in range(0, len(some), AT_ONCE):
            yield some[first : first + AT_ONCE]


def _behind(place: int, low: int, high: int, newest: bool) -> tuple[int, int]:
    """What is left of [low, high) when all up to a place was looked at."""
    return (low, place) if newest else (place + 1, high)


def _places(
    connection: Connection, groups: Sequence[Sequence[int]], low: int, high: int, wanted: Wanted
) -> Iterator[Sequence[int]]:
    """The places on PostgreSQL, some at a time, in order; more each time, as the wall may leave out most of them."""
    size = wanted.limit + 1
    for first, end, walk in _stretches(connection, low, high, wanted.newest):
        begin, stop = first, end
        while begin < stop:
            query = _having(groups, begin, stop, wanted.newest, walk=walk).limit(size)
            if not walk:
                connection.execute(_BITMAPS)
            places = connection.execute(query).scalars().all()
            if not walk:
                connection.execute(_ANY_PLAN)
            if places:
                yield places
            if len(places) < size:
                break
            begin, stop = _behind(places[-1], begin, stop, wanted.newest)
            size = min(4 * size, MOST_PLACES)


def _stretches(connection: Connection, low: int, high: int, newest: bool) -> Iterator[tuple[int, int, bool]]:
    """The places in three pieces: the first calls, to be walked through; some thousand; all the others.

    They are counted in the small table: before its first VACUUM a count looks at each row.
    """
    place = rows.places.c.place
    for many, walk in ((WALKED, True), (NEAR, False)):
        query = select(place).where(place >= low, place < high).order_by(place.desc() if newest else place)
        edge = connection.execute(query.offset(many).limit(1)).scalar()
        if edge is None:
            yield low, high, walk
            return
        yield (edge + 1, high, walk) if newest else (low, edge, walk)
        low, high = (low, edge + 1) if newest else (edge, high)
    yield low, high, False


_COLUMNS = (
    rows.places.c.call,
    calls.c.arrived_at,
    calls.c.agent,
    calls.c.queue,
    tickets.c.number,
)  # fmt: skip


def _sqlite(groups: Sequence[Sequence[int]], low: int, high: int) -> Select[Any]:
    """FTS5 gives what it finds in the order of its rows, so it goes no further than the page."""
    words = table(rows.NAME, column("rowid", BigInteger))
    fits = literal_column(rows.NAME).op("MATCH")(rows.matching(groups))
    query = select(words.c.rowid.label("place"), *_COLUMNS).select_from(words)
    query = query.join(rows.places, rows.places.c.place == words.c.rowid)
    return query.where(fits, words.c.rowid >= low, words.c.rowid < high)


def _having(groups: Sequence[Sequence[int]], low: int, high: int, newest: bool, *, walk: bool) -> Select[Any]:
    """The places in [low, high) that have the words: by walking along the order, or by the index of words."""
    words = rows.words.c
    place: ColumnElement[Any] = words.place
    conditions = [fits.is_(True) if walk else fits for fits in rows.having(groups)]  # no index can answer IS TRUE
    query = select(place).where(place >= low, place < high, *conditions)
    if not walk:  # materialised, so that a limit does not make the planner walk after all
        place = query.cte("found").prefix_with("MATERIALIZED").c.place
        query = select(place)
    return query.order_by(place.desc() if newest else place)


def _of(places: Sequence[int]) -> Select[Any]:
    """What is known of the calls at these places."""
    there = rows.places.c.place
    return select(there, *_COLUMNS).where(there == func.any(literal(list(places), ARRAY(BigInteger))))


def _narrowed(query: Select[Any], wanted: Wanted, viewer: Actor, policy: TicketPolicy) -> Select[Any]:
    query = query.outerjoin(calls, calls.c.call == rows.places.c.call)
    mine = tickets.c.call == rows.places.c.call
    if viewer.role is Role.ADMIN:
        query = query.outerjoin(tickets, mine)
    else:
        query = query.join(tickets, and_(mine, heard_by(viewer, policy)))
    place = query.selected_columns["place"]
    return query.order_by(place.desc() if wanted.newest else place)


def _heard(connection: Connection, some: Sequence[Any], viewer: Actor, policy: TicketPolicy) -> list[Any]:
    """Those that he really may hear: `tickets.shown.hears` decides, the query before has only left out most others."""
    if viewer.role is Role.ADMIN:
        return list(some)
    theirs = select(tickets).where(tickets.c.number.in_([row.number for row in some]))
    known = {one.number: one for one in whole(connection, connection.execute(theirs).all())}
    return [row for row in some if row.number in known and hears(known[row.number], viewer, policy)]


def _kept(connection: Connection, found: Sequence[CallId]) -> dict[str, tuple[Kept, dict[str, Any]]]:
    """The transcripts without their words, and their outlines beside."""
    if not found:
        return {}
    corrected = rows.corrections_of(connection, found)
    query = select(transcripts.c.call, transcripts.c.body, transcripts.c.base).where(transcripts.c.call.in_(found))
    stored: dict[str, tuple[Kept, dict[str, Any]]] = {}
    for row in connection.execute(query):
        data = outline(row.body)
        turns = tuple(Turn(one["speaker"], one["start_s"], one["end_s"], one["text"]) for one in data["turns"])
        whole = Transcript(turns, data["language"], data["recogniser"], None, data["duration_s"])
        stored[row.call] = Kept(whole, row.base, corrected.get(row.call, ())), data
    return stored


def _hit(row: Any, kept: Kept, data: dict[str, Any], wanted: Wanted) -> CallHit | None:
    found = hits(read(kept), wanted)
    if not found:
        return None
    turns = []
    for one, spans in found[:MOST_TURNS]:
        said, corrected = one.turn, one.correction is not None
        words = () if corrected else json.loads(data["turns"][one.n]["words"])
        text = data["turns"][one.n]["text"]
        at_s = second_of(text, words, spans[0][0], said.start_s)
        turns.append(TurnHit(one.n, said.speaker, said.start_s, said.end_s, at_s, said.text, spans, corrected))
    return CallHit(
        CallId(row.call),
        row.number,
        row.arrived_at if row.arrived_at is not None else row.place / 1e6,
        row.agent,
        row.queue,
        kept.transcript.duration_s,
        tuple(turns),
        len(found),
    )
