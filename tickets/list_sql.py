"""Lists of tickets from the database, page by page, what is looked for in them, and the requests that were decided.

First the numbers of a page by the indexes, and only then the whole rows: what has to be sorted is narrow, which among a
million tickets is the difference between a list that is there and one that is waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from pbx.ids import TicketNumber
from tickets import word_rows
from tickets.approvals import Approval, Outcome
from tickets.moves import Role
from tickets.search import TicketFilter, TicketPage
from tickets.sql import approval_of, whole
from tickets.tables import approvals, tickets, units
from tickets.texts import TicketRefused
from tickets.words import first_of, number_at, place_in_order, wanted_keys

Condition = ColumnElement[bool]


def page_of_tickets(connection: Connection, wanted: TicketFilter) -> TicketPage:
    """The next tickets of a list. Raises `TicketRefused`: `after` is no ticket, or what is looked for is no word."""
    if wanted.said is not None or wanted.place is not None:
        return _by_words(connection, wanted)
    last = _last(connection, wanted)
    if wanted.units is not None and wanted.states is None:
        query = _of_units(wanted, last)
    else:
        query = _first(_ordered(select(tickets.c.number, tickets.c.opened_at), wanted, last), wanted)
    numbers = query.subquery()
    rows = connection.execute(
        select(tickets).join(numbers, tickets.c.number == numbers.c.number).order_by(*_order(tickets.c, wanted))
    ).all()
    return _page(connection, list(rows), wanted)


def _page(connection: Connection, rows: list[Any], wanted: TicketFilter) -> TicketPage:
    found = whole(connection, rows[: wanted.limit])
    return TicketPage(tuple(found), found[-1].number if len(rows) > wanted.limit else None)


def _last(connection: Connection, wanted: TicketFilter) -> tuple[float, str] | None:
    """Where the page before has ended."""
    if wanted.after is None:
        return None
    opened_at = connection.execute(select(tickets.c.opened_at).where(tickets.c.number == wanted.after)).scalar()
    if opened_at is None:
        raise TicketRefused("unknown_target", "There is no ticket of this number.", "after")
    return opened_at, wanted.after


def _conditions(wanted: TicketFilter) -> list[Condition]:
    """What is asked of the ticket itself, but for its units, its states and when it was opened."""
    columns, found = tickets.c, []
    for name in ("type", "urgency", "channel"):
        if (kind := getattr(wanted, name)) is not None:
            found.append(columns[name] == kind.value)
    for name, its in (
        ("class_code", columns.class_code),
        ("region", columns.region),
        ("agent", columns.agent),
        ("incident", columns.incident_id),
        ("repeat_of", columns.repeat_of),
        ("caller", columns.caller),
    ):
        if (value := getattr(wanted, name)) is not None:
            found.append(its == value)
    if wanted.caller is not None and (viewer := wanted.caller_for) is not None:
        known = and_(columns.anonymous.is_(False), columns.confidential.is_(False))
        found.append(or_(known, columns.agent == viewer.id) if viewer.role is Role.AGENT else known)
    if wanted.supervised is not None:
        found.append(columns.supervised_at.is_not(None) if wanted.supervised else columns.supervised_at.is_(None))
    if wanted.near is not None:
        orgs = sorted(wanted.near)
        theirs = select(units.c.ticket).where(units.c.unit.in_(orgs))
        found.append(columns.region.in_(orgs) | columns.number.in_(theirs))
    if wanted.asked is not None:
        found.append(
            exists().where(
                approvals.c.ticket == columns.number,
                approvals.c.kind == wanted.asked.value,
                approvals.c.outcome == Outcome.ASKED.value,
            )
        )
    return found


def _order(columns: Any, wanted: TicketFilter, number: str = "number") -> tuple[Any, Any]:
    both = columns.opened_at, columns[number]
    return (both[0].desc(), both[1].desc()) if wanted.newest else both


def _within(columns: Any, wanted: TicketFilter, last: tuple[float, str] | None, number: str) -> list[Condition]:
    """Opened in the window, after the page before."""
    found: list[Condition] = [columns.opened_at >= wanted.since, columns.opened_at < wanted.until]
    if last is not None:
        here, there = tuple_(columns.opened_at, columns[number]), tuple_(*map(literal, last))
        found.append(here < there if wanted.newest else here > there)
    return found


def _ordered(query: Select[Any], wanted: TicketFilter, last: tuple[float, str] | None) -> Select[Any]:
    query = query.where(*_within(tickets.c, wanted, last, "number"), *_conditions(wanted))
    if wanted.units is not None:
        theirs = select(units.c.ticket).where(units.c.unit.in_(sorted(wanted.units)))
        query = query.where(tickets.c.number.in_(theirs))
    return query


def _of_units(wanted: TicketFilter, last: tuple[float, str] | None) -> Select[Any]:
    """The first numbers of units' list: each unit's first, by the index that has them in order, put together."""
    also, most, parts = _conditions(wanted), wanted.limit + 1, []
    for unit in sorted(wanted.units or ()):
        query = select(units.c.ticket.label("number"), units.c.opened_at).where(units.c.unit == unit)
        if also:
            query = query.join(tickets, tickets.c.number == units.c.ticket).where(*also)
        query = query.where(*_within(units.c, wanted, last, "ticket"))
        part = query.order_by(*_order(units.c, wanted, "ticket")).limit(most).subquery()
        parts.append(select(part.c.number, part.c.opened_at))
    if not parts:
        return select(tickets.c.number, tickets.c.opened_at).where(false())
    found = union(*parts).subquery()  # a ticket may be of two of them
    return select(found.c.number, found.c.opened_at).order_by(*_order(found.c, wanted)).limit(most)


def _first(query: Select[Any], wanted: TicketFilter) -> Select[Any]:
    """The first numbers of the list, one more than a page.

    Of several states each one's first are taken by the index of states and put together: asked for all at once, SQLite
    walks through every ticket there is until it comes to the open ones, which are the newest.
    """
    columns, most = tickets.c, wanted.limit + 1
    if wanted.states is None:
        return query.order_by(*_order(columns, wanted)).limit(most)
    parts = []
    for state in sorted(state.value for state in wanted.states):
        part = query.where(columns.state == state).order_by(*_order(columns, wanted)).limit(most).subquery()
        parts.append(select(part.c.number, part.c.opened_at))
    if not parts:
        return query.where(false())
    found = union_all(*parts).subquery()
    return select(found.c.number, found.c.opened_at).order_by(*_order(found.c, wanted)).limit(most)


# ---------------------------------------------------------------- by words

FIRST_DAYS, MORE_DAYS = 10, 40
"""PostgreSQL walks through so many days first, without the index of words: common words are found in them. Its index
knows no order, so of a common word it would give every ticket there is; what the first days do not have is rare. Where
the list is narrowed by more than words it walks on through so many more.
"""

AT_ONCE, TIMES = 2000, 5
"""Of units so many tickets at once, so many times, are looked through for the words; then the words lead to them."""


def _by_words(connection: Connection, wanted: TicketFilter) -> TicketPage:
    """The next tickets that have all the words, in the order of their numbers."""
    keys, last = wanted_keys(wanted), _last(connection, wanted)
    low, high = _places(wanted.since, wanted.until)
    if last is not None and wanted.newest:
        high = min(high, place_in_order(TicketNumber(last[1])))
    elif last is not None:
        low = max(low, place_in_order(TicketNumber(last[1])) + 1)
    most = wanted.limit + 1
    places: list[int] = []
    if connection.dialect.name == "postgresql":
        # Which plan is right hangs on how common the words are: never one plan for all of them.
        connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    if connection.dialect.name != "postgresql":
        places += connection.execute(_sqlite(keys, low, high, wanted).limit(most)).scalars()
    elif wanted.units is not None:
        places += _in_units(connection, keys, low, high, wanted, most)
    else:
        for first, end, walk in _spans(low, high, wanted):
            found = _postgresql(keys, first, end, wanted, walk=walk).limit(most - len(places))
            places += connection.execute(found).scalars()
            if len(places) == most:
                break
    numbers = [number_at(place) for place in places]
    rows = {row.number: row for row in connection.execute(select(tickets).where(tickets.c.number.in_(numbers)))}
    return _page(connection, [rows[number] for number in numbers], wanted)


def _in_units(
    connection: Connection, keys: tuple[int, ...], low: int, high: int, wanted: TicketFilter, most: int
) -> list[int]:
    """The places of the units' tickets that have the keys, from their lists, which are in order; then by the words."""
    mine, found = select(units.c.ticket).where(units.c.unit.in_(sorted(wanted.units or ()))).distinct(), list[int]()
    for _ in range(TIMES):
        some = mine.where(units.c.ticket >= number_at(low), units.c.ticket < number_at(high)).limit(AT_ONCE)
        some = some.order_by(units.c.ticket.desc() if wanted.newest else units.c.ticket)
        theirs = [place_in_order(TicketNumber(number)) for number in connection.execute(some).scalars()]
        query = _postgresql(keys, low, high, wanted, theirs)
        found += connection.execute(query.limit(most - len(found))).scalars()
        if len(found) == most or len(theirs) < AT_ONCE:
            return found
        low, high = (low, theirs[-1]) if wanted.newest else (theirs[-1] + 1, high)
    return found + list(connection.execute(_postgresql(keys, low, high, wanted).limit(most - len(found))).scalars())


def _places(since: float, until: float) -> tuple[int, int]:
    """The places that tickets of a window may have; their days are of the hotline's zone: a day more on each side."""
    low, high = max(since, 0.0), min(until, _FOR_EVER)
    if high <= low:
        return 0, 0
    first, last = (datetime.fromtimestamp(at, UTC) for at in (low, high))
    return _place(first - timedelta(days=1) if low > 86_400.0 else first), _place(last + timedelta(days=2))


_FOR_EVER = 4_000_000_000.0


def _place(day: datetime) -> int:
    return first_of(day.strftime("%Y%m%d"))


def _spans(low: int, high: int, wanted: TicketFilter) -> Iterator[tuple[int, int, bool]]:
    """The places in pieces, in the order of the list: the first days, to be walked through, and all the others."""
    narrowed = any(getattr(wanted, name) is not None for name in _NOT_IN_KEYS)
    for days in (FIRST_DAYS, MORE_DAYS) if narrowed else (FIRST_DAYS,):
        if low < high:
            step = timedelta(days=days)
            edge = _place(_day_of(high - 1) - step if wanted.newest else _day_of(low) + step)
            if low < edge < high:
                yield (edge, high, True) if wanted.newest else (low, edge, True)
                low, high = (low, edge) if wanted.newest else (edge, high)
    yield low, high, False


_NOT_IN_KEYS = (
    ("states", "units", "near", "urgency", "channel", "agent", "incident", "repeat_of", "caller", "asked")
    + ("supervised",)
)  # fmt: skip


def _day_of(place: int) -> datetime:
    return datetime.strptime(number_at(place)[:8], "%Y%m%d").replace(tzinfo=UTC)


def _narrowed(wanted: TicketFilter) -> list[Condition]:
    columns = tickets.c
    found = [columns.opened_at >= wanted.since, columns.opened_at < wanted.until, *_conditions(wanted)]
    if wanted.states is not None:
        found.append(columns.state.in_(sorted(state.value for state in wanted.states)))
    return found


_ON_A_DAY = literal_column(str(first_of("1")), BigInteger)
_DAY, _RUNNING = func.substr(units.c.ticket, 1, 8), func.substr(units.c.ticket, 9)
_THEIR_PLACE = cast(_DAY, BigInteger) * _ON_A_DAY + cast(_RUNNING, BigInteger)


def _sqlite(keys: tuple[int, ...], low: int, high: int, wanted: TicketFilter) -> Select[Any]:
    """FTS5 gives what it finds in the order of its rows, so it goes no further than the page."""
    words = table(word_rows.NAME, column("rowid", BigInteger))
    place = words.c.rowid
    number = func.printf("%d%05d", place // _ON_A_DAY, place % _ON_A_DAY)
    query = select(place).join_from(words, tickets, tickets.c.number == number)
    query = query.where(
        literal_column(word_rows.NAME).op("MATCH")(word_rows.matching(keys)), place >= low, place < high
    )
    if wanted.units is not None:
        # The plus keeps SQLite from asking FTS5 for each ticket of the units.
        theirs = select(_THEIR_PLACE).where(units.c.unit.in_(sorted(wanted.units)))
        query = query.where(literal_column(f"+{word_rows.NAME}.rowid", BigInteger).in_(theirs))
    return query.where(*_narrowed(wanted)).order_by(place.desc() if wanted.newest else place)


def _postgresql(
    keys: tuple[int, ...],
    low: int,
    high: int,
    wanted: TicketFilter,
    among: list[int] | None = None,
    *,
    walk: bool = False,
) -> Select[Any]:
    """The places of a span that have the keys; what they are narrowed to is asked of those alone."""
    words = word_rows.words.c
    fits: Condition = words["keys"].contains(list(keys))
    if walk:
        fits = fits.is_(True)  # which no index of words can answer
    inner = select(words.place).where(words.place >= low, words.place < high, fits)
    if among is not None:
        inner = inner.where(words.place == any_(bindparam("among", among, ARRAY(BigInteger))))
    # Else the planner walks through all tickets in their order, believing that it will soon have a page.
    hits = inner.cte("hits").prefix_with("MATERIALIZED")
    running = cast(hits.c.place % _ON_A_DAY, Text)
    number = cast(hits.c.place // _ON_A_DAY, Text) + func.lpad(running, func.greatest(5, func.length(running)), "0")
    query = select(hits.c.place).join_from(hits, tickets, tickets.c.number == number).where(*_narrowed(wanted))
    if wanted.units is not None and among is None:
        mine = units.c.unit.in_(sorted(wanted.units)) & (units.c.ticket == number)
        query = query.where(exists().where(mine))
    return query.order_by(hits.c.place.desc() if wanted.newest else hits.c.place)


# ---------------------------------------------------------------- requests


def decided_requests(
    connection: Connection, since: float, until: float, regions: frozenset[str] | None = None
) -> list[tuple[TicketNumber, Approval]]:
    """The requests decided in [since, until), epoch seconds, with their tickets' numbers.

    `regions`: of tickets of these regions only; None = of all.
    """
    query = select(approvals).where(approvals.c.decided_at >= since, approvals.c.decided_at < until)
    if regions is not None:
        query = query.join(tickets, tickets.c.number == approvals.c.ticket)
        query = query.where(tickets.c.region.in_(sorted(regions)))
    return [
        (TicketNumber(row.ticket), approval_of(row))
        for row in connection.execute(query.order_by(approvals.c.ticket, approvals.c.seq))
    ]
