"""What was found in all calls, added up by day and kept: a year's results are read from few rows.

`fold` adds up the findings themselves, by the newest inspection of each call. Its result for one agent's day is kept
(`put`), and what is coarser is made of that; a day whose findings have changed since is *due* and is folded again by
the same code. Nothing is added to a sum that is there, so that no error can gather; but one thing: what a call has
added stays when its recording is erased, since the findings are gone then (`carry`).

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL. A day
is one of the hotline's own zone, ISO 8601.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from recordings.inspection.findings import JUDGED
from recordings.inspection.tables import day_sums, days_due, figures, inspections

ALL, SOUND, WORDS, WRONG_TYPE = "calls", "calls-sound", "calls-words", "type-mismatch"
"""Sums of the calls themselves: all that were inspected, those whose sound, those whose words were judged; and those
whose ticket is not of the type that the caller named."""

BY_RULES = "rules "
"""Before a version of the rules: the calls that it has judged."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Of one agent, queue, city and day: in how many calls `name` was judged, its sum, and in how many it was above 0.

    What was not asked for is empty.
    """

    agent: str
    queue: str
    city: str
    day: str
    name: str
    calls: int
    total: float
    above: int


# ---------------------------------------------------------------- of the findings


_CITY = func.coalesce(inspections.c.city, "")
_KEYS = (inspections.c.agent, inspections.c.queue, _CITY, inspections.c.day)


def fold(connection: Connection, wrong_type: ColumnElement[bool], *where: ColumnElement[bool]) -> list[Sum]:
    """Everything that is counted of the inspections of which `where` holds, for each agent, queue, city and day.

    `wrong_type`: what says that an inspection's ticket is of a wrong type.
    """
    wanted = (inspections.c.newest == 1, *where)
    above = func.sum(case((figures.c.value > 0, 1), else_=0))
    same = and_(figures.c.call == inspections.c.call, figures.c.rules == inspections.c.rules)
    found = [
        Sum(*row)
        for row in connection.execute(
            select(*_KEYS, figures.c.name, func.count(), func.sum(figures.c.value), above)
            .join(figures, same)
            .where(*wanted)
            .group_by(*_KEYS, figures.c.name)
        )
    ]
    judged = {
        ALL: true(),
        SOUND: inspections.c.sound == JUDGED,
        WORDS: inspections.c.words == JUDGED,
        WRONG_TYPE: wrong_type,
    }
    for name, condition in judged.items():
        query = select(*_KEYS, func.count()).where(*wanted, condition).group_by(*_KEYS)
        found += [Sum(a, q, c, day, name, n, float(n), n) for a, q, c, day, n in connection.execute(query)]
    by = select(*_KEYS, inspections.c.rules, func.count()).where(*wanted).group_by(*_KEYS, inspections.c.rules)
    found += [
        Sum(a, q, c, day, f"{BY_RULES}{rules}", n, float(n), n) for a, q, c, day, rules, n in connection.execute(by)
    ]
    return found


def sums(
    connection: Connection, since: float, until: float, wrong_type: ColumnElement[bool], agent: str = "", city: str = ""
) -> list[Sum]:
    """Everything that is counted of the calls begun in [since, until), from their findings: what `kept` must give."""
    where = [inspections.c.started_at >= since, inspections.c.started_at < until]
    if agent:
        where.append(inspections.c.agent == agent)
    if city:
        where.append(inspections.c.city == city)
    return fold(connection, wrong_type, *where)


# ---------------------------------------------------------------- what has changed


def mark(connection: Connection, days: Iterable[tuple[str, str]]) -> None:
    """These (day, agent) are to be folded again."""
    rows = [{"day": day, "agent": agent, "version": 1} for day, agent in sorted(set(days))]
    if rows:
        connection.execute(_again(connection.dialect.name, insert_of(connection.dialect.name)), rows)


def mark_where(connection: Connection, *where: ColumnElement[bool]) -> None:
    """The days and agents of these inspections are to be folded again."""
    theirs = select(inspections.c.day, inspections.c.agent, literal(1)).where(*where).distinct()
    new = insert_of(connection.dialect.name).from_select(["day", "agent", "version"], theirs)
    connection.execute(_again(connection.dialect.name, new))


def mark_calls(connection: Connection, calls: Sequence[str]) -> None:
    """Something of these calls has changed; those that were not inspected change nothing."""
    mark_where(connection, inspections.c.call.in_(calls))


def insert_of(dialect: str) -> Any:
    """An insert into the days that are due, as this database has it."""
    return postgresql.insert(days_due) if dialect == "postgresql" else sqlite.insert(days_due)


def _again(dialect: str, new: Any) -> Any:
    return new.on_conflict_do_update(index_elements=["day", "agent"], set_={"version": days_due.c.version + 1})


@dataclass(frozen=True, slots=True)
class Due:
    """One agent's day that is to be folded again; `version` as it was when that was read."""

    day: str
    agent: str
    version: int


def due(connection: Connection, count: int) -> list[Due]:
    """The next so many, the newest days first."""
    query = select(days_due.c.day, days_due.c.agent, days_due.c.version)
    query = query.order_by(days_due.c.day.desc(), days_due.c.agent).limit(count)
    return [Due(*row) for row in connection.execute(query)]


def count_due(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(select(func.count()).select_from(days_due)).scalar_one())


def behind(connection: Connection, first: str, last: str) -> list[str]:
    """The days from `first` to `last` of which something is to be folded again."""
    where = (days_due.c.day >= first, days_due.c.day <= last)
    return list(connection.execute(select(days_due.c.day).where(*where).distinct().order_by(days_due.c.day)).scalars())


# ---------------------------------------------------------------- what is kept

DAY, ERASED = "day", "erased"
"""Of each agent, queue and city on a day, and of it what calls have added whose recordings are erased."""
AGENT_DAY, AGENT_MONTH, QUEUE_DAY = "agent-day", "agent-month", "queue-day"
"""Without the queues, and without the agents: what is asked for most."""

Body = dict[str, list[float]]
"""By name: in how many calls it was judged, its sum, in how many it was above 0."""
Key = tuple[str, str, str]
"""Agent, queue, city; what a grain does not part is empty."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The sums of some agents' days, and what is coarser made of them, as they are to be written. `places`: grain, span
    and agent (None = all) of what they replace."""

    of: tuple[Due, ...]
    places: tuple[tuple[str, str, str | None], ...]
    rows: tuple[Mapping[str, str], ...]


def refold(connection: Connection, dues: Sequence[Due], wrong_type: ColumnElement[bool]) -> Folded:
    """Agents' days from their findings as they are now, and what erased calls have left; and of these what is coarser.

    Only who writes these sums may ask, one after the other: what is not due is taken as it is kept.
    """
    places: list[tuple[str, str, str | None]] = []
    rows: list[Mapping[str, str]] = []

    def made(grain: str, span: str, agent: str | None, bodies: Mapping[Key, Body]) -> None:
        places.append((grain, span, agent))
        rows.extend(_row(grain, span, key, body) for key, body in bodies.items())

    days: dict[tuple[str, str], dict[Key, Body]] = {}
    for one in dues:
        mine = _Bodies()
        for found in fold(connection, wrong_type, inspections.c.day == one.day, inspections.c.agent == one.agent):
            mine.add((found.agent, found.queue, found.city), {found.name: [found.calls, found.total, found.above]})
        for row in _there(connection, ERASED, one.day, one.day, day_sums.c.agent == one.agent):
            mine.add((row.agent, row.queue, row.city), json.loads(row.body))
        days[one.day, one.agent] = mine.bodies
        made(DAY, one.day, one.agent, mine.bodies)
    whole: dict[tuple[str, str], dict[Key, Body]] = {}
    for (day, agent), bodies in days.items():
        summed = _Bodies()
        for (_, _, city), body in bodies.items():
            summed.add((agent, "", city), body)
        whole[day, agent] = summed.bodies
        made(AGENT_DAY, day, agent, summed.bodies)
    for month, agent in sorted({(day[:7], agent) for day, agent in days}):
        summed = _Bodies()
        for row in _there(connection, AGENT_DAY, f"{month}-01", f"{month}-31", day_sums.c.agent == agent):
            if (row.span, agent) not in days:
                summed.add((agent, "", row.city), json.loads(row.body))
        for (day, other), bodies in whole.items():
            if (day[:7], other) == (month, agent):
                summed.update(bodies)
        made(AGENT_MONTH, month, agent, summed.bodies)
    for day in sorted({one.day for one in dues}):
        summed = _Bodies()
        for row in _there(connection, DAY, day, day):
            if (day, row.agent) not in days:
                summed.add(("", row.queue, row.city), json.loads(row.body))
        for (other, _), bodies in days.items():
            if other == day:
                for (_, queue, city), body in bodies.items():
                    summed.add(("", queue, city), body)
        made(QUEUE_DAY, day, None, summed.bodies)
    return Folded(tuple(dues), tuple(places), tuple(rows))


class _Bodies:
    """Sums by their keys, added up."""

    def __init__(self) -> None:
        self.bodies: dict[Key, Body] = {}

    def add(self, key: Key, body: Body) -> None:
        """These sums too."""
        into(self.bodies.setdefault(key, {}), body)

    def update(self, others: Mapping[Key, Body]) -> None:
        """All of these."""
        for key, body in others.items():
            self.add(key, body)


def into(sums: Body, more: Body) -> None:
    """Add `more` to `sums`."""
    for name, (calls, total, above) in more.items():
        if (there := sums.get(name)) is None:
            sums[name] = [calls, total, above]
        else:
            there[0] += calls
            there[1] += total
            there[2] += above


def _there(
    connection: Connection, grain: str, first: str, last: str, *where: ColumnElement[bool]
) -> Sequence[Row[Any]]:
    wanted = (day_sums.c.grain == grain, day_sums.c.span >= first, day_sums.c.span <= last, *where)
    return connection.execute(select(day_sums).where(*wanted)).all()


def _row(grain: str, span: str, key: Key, body: Body) -> dict[str, str]:
    agent, queue, city = key
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return {"grain": grain, "span": span, "agent": agent, "queue": queue, "city": city, "body": text}


def put(connection: Connection, folded: Folded) -> None:
    """Keep what was folded. What has changed meanwhile stays due."""
    for grain, span, agent in folded.places:
        where = [day_sums.c.grain == grain, day_sums.c.span == span]
        if agent is not None:
            where.append(day_sums.c.agent == agent)
        connection.execute(delete(day_sums).where(*where))
    if folded.rows:
        connection.execute(insert(day_sums), list(folded.rows))
    for one in folded.of:
        same = (days_due.c.day == one.day, days_due.c.agent == one.agent, days_due.c.version == one.version)
        connection.execute(delete(days_due).where(*same))


def carry(connection: Connection, call: str, wrong_type: ColumnElement[bool]) -> None:
    """A call's recording is about to be erased with what was found in it: what it has added to its day stays."""
    added = _Bodies()
    day = ""
    for one in fold(connection, wrong_type, inspections.c.call == call):
        day = one.day
        added.add((one.agent, one.queue, one.city), {one.name: [one.calls, one.total, one.above]})
    for (agent, queue, city), body in added.bodies.items():
        here = (day_sums.c.agent == agent, day_sums.c.queue == queue, day_sums.c.city == city)
        for row in _there(connection, ERASED, day, day, *here):
            into(body, json.loads(row.body))
        connection.execute(delete(day_sums).where(day_sums.c.grain == ERASED, day_sums.c.span == day, *here))
        connection.execute(insert(day_sums).values(**_row(ERASED, day, (agent, queue, city), body)))
    mark_calls(connection, [call])


# ---------------------------------------------------------------- what is asked


def kept(connection: Connection, first: str, last: str, by: str, agent: str = "", city: str = "") -> list[Sum]:
    """The sums of the days from `first` to `last` by ``agent``, ``queue`` or ``day``; the other keys are empty.

    `agent`, `city`: of these alone, where they are named.
    """
    column = {"agent": day_sums.c.agent, "queue": day_sums.c.queue, "day": day_sums.c.span}[by]
    spans = and_(day_sums.c.span >= first, day_sums.c.span <= last)
    if agent:
        where = and_(day_sums.c.grain == (DAY if by == "queue" else AGENT_DAY), spans, day_sums.c.agent == agent)
    elif by == "agent":
        where = _months_and_days(date.fromisoformat(first), date.fromisoformat(last))
    else:
        where = and_(day_sums.c.grain == QUEUE_DAY, spans)
    if city:
        where = and_(where, day_sums.c.city == city)
    found: dict[str, Body] = {}
    for key, body in connection.execute(select(column, day_sums.c.body).where(where)):
        into(found.setdefault(key, {}), json.loads(body))
    empty = {"agent": "", "queue": "", "city": "", "day": ""}
    return [
        Sum(**empty | {by: key}, name=name, calls=int(calls), total=total, above=int(above))
        for key, body in found.items()
        for name, (calls, total, above) in body.items()
    ]


def _months_and_days(first: date, last: date) -> ColumnElement[bool]:
    """Every agent's sums of whole months, and of the days before and behind them."""
    begin = first if first.day == 1 else _next_month(first)
    end = (last + timedelta(days=1)).replace(day=1)  # the first day of the month that is not wholly asked for
    days = and_(
        day_sums.c.grain == AGENT_DAY, day_sums.c.span >= first.isoformat(), day_sums.c.span <= last.isoformat()
    )
    if begin >= end:
        return days
    months = and_(
        day_sums.c.grain == AGENT_MONTH,
        day_sums.c.span >= begin.isoformat()[:7],
        day_sums.c.span < end.isoformat()[:7],
    )
    around = or_(
        day_sums.c.span < begin.isoformat() if first < begin else false(),
        day_sums.c.span >= end.isoformat() if end <= last else false(),
    )
    return or_(months, and_(days, around))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
