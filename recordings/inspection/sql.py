"""Inspections on disk: what was found in each recording, by which version of the rules.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL. Times
are epoch seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, func, insert, or_, select, update

from recordings.inspection import days_sql
from recordings.inspection.findings import Inspection
from recordings.inspection.tables import figures, inspections, rule_files, upsert
from recordings.sql import RecordingRow, recordings, transcripts
from recordings.words_due_sql import erasures

# ---------------------------------------------------------------- inspections


@dataclass(frozen=True, slots=True)
class InspectedCall:
    """An inspection with whose call it is; of several agents the last who talked. `city`: whose hotline it reached."""

    call: str
    made_at: float
    words_at: float | None
    sha256: str
    agent: str
    queue: str
    started_at: float
    day: str
    found: Inspection
    city: str = ""


def save_inspection(connection: Connection, one: InspectedCall) -> None:
    """Write a call's inspection; one by the same rules replaces the earlier. It is the newest one of the call."""
    found = one.found
    days_sql.mark_calls(connection, [one.call])  # also the day and agent of before, should they have been others
    connection.execute(update(inspections).where(inspections.c.call == one.call).values(newest=0))
    row = {name: value for name, value in asdict(one).items() if name != "found"}
    row |= {"rules": found.rules, "sound": found.sound, "words": found.words, "said_type": found.said_type}
    row |= {"body": found.to_json(), "newest": 1}
    connection.execute(upsert(connection.dialect.name, inspections), row)
    days_sql.mark(connection, [(one.day, one.agent)])
    where = and_(figures.c.call == one.call, figures.c.rules == found.rules)
    connection.execute(delete(figures).where(where))
    if rows := found.rows():
        given = [{"call": one.call, "rules": found.rules, "name": name, "value": value} for name, value in rows.items()]
        connection.execute(insert(figures), given)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A recording that is to be inspected; `words_at`: when its transcript was made, None = there is none."""

    recording: RecordingRow
    words_at: float | None


def waiting(
    connection: Connection, rules: str, since: float, count: int, after: tuple[float, str] = (0.0, "")
) -> list[Waiting]:
    """The next recordings begun at `since` or later that the rules have not judged, or not with the transcript that
    there is now; by their begin, after `after` (begin and call of the last one)."""
    columns = [recordings.c[name] for name in RecordingRow.__dataclass_fields__]
    begin, call = after
    query = (
        _waiting(select(*columns, transcripts.c.made_at), rules, since)
        .where(or_(recordings.c.started_at > begin, and_(recordings.c.started_at == begin, recordings.c.call > call)))
        .order_by(recordings.c.started_at, recordings.c.call)
        .limit(count)
    )
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        words_at = values.pop("made_at")
        found.append(Waiting(RecordingRow(**values), words_at))
    return found


def _waiting(wanted: Select[Any], rules: str, since: float) -> Select[Any]:
    """`wanted` of recordings that the rules have not judged, or not with the transcript that there is now."""
    judged = and_(inspections.c.call == recordings.c.call, inspections.c.rules == rules)
    newer = and_(
        transcripts.c.made_at.is_not(None),
        or_(inspections.c.words_at.is_(None), inspections.c.words_at < transcripts.c.made_at),
    )
    return wanted.select_from(
        recordings.outerjoin(inspections, judged).outerjoin(transcripts, transcripts.c.call == recordings.c.call)
    ).where(
        recordings.c.started_at >= since,
        or_(inspections.c.call.is_(None), newer),
        # What was found went with its words, and its numbers are in their day already.
        ~exists().where(erasures.c.call == recordings.c.call),
    )


def count_waiting(connection: Connection, rules: str, since: float) -> int:
    """How many recordings begun at `since` or later wait."""
    return int(connection.execute(_waiting(select(func.count()), rules, since)).scalar_one())


def recording_there(connection: Connection, call: str) -> bool:
    """Whether the store still knows a recording of the call."""
    return connection.execute(select(recordings.c.call).where(recordings.c.call == call)).first() is not None


def words_of(connection: Connection, call: str) -> str | None:
    """The call's transcript as it is stored: whoever inspects reads it."""
    found = connection.execute(select(transcripts.c.body).where(transcripts.c.call == call)).scalar_one_or_none()
    return str(found) if found is not None else None


def forget_inspections(connection: Connection, rules: str, since: float, until: float, city: str = "") -> int:
    """Take away what these rules judged of recordings begun in [since, until), so that it is judged again; how many.

    `city`: of calls of this city alone, where one is named.
    """
    where = [inspections.c.rules == rules, inspections.c.started_at >= since, inspections.c.started_at < until]
    if city:
        where.append(inspections.c.city == city)
    days_sql.mark_where(connection, *where)
    calls = select(inspections.c.call).where(*where)
    connection.execute(delete(figures).where(figures.c.rules == rules, figures.c.call.in_(calls)))
    return int(connection.execute(delete(inspections).where(*where)).rowcount)


def erase_inspections(connection: Connection, call: str, wrong_type: ColumnElement[bool]) -> None:
    """Everything that was found in a recording goes with it (its words stand in the evidence); scores stay, without
    any word of the caller, and so does what it added to the sums of its day. `wrong_type`: as in `days_sql.fold`."""
    days_sql.carry(connection, call, wrong_type)
    connection.execute(delete(figures).where(figures.c.call == call))
    connection.execute(delete(inspections).where(inspections.c.call == call))


def get_inspection(connection: Connection, call: str, rules: str = "") -> InspectedCall | None:
    """A call's inspection by these rules, or the newest; None where there is none."""
    query = select(inspections).where(inspections.c.call == call)
    if rules:
        query = query.where(inspections.c.rules == rules)
    row = connection.execute(query.order_by(inspections.c.made_at.desc()).limit(1)).first()
    return _inspected(row) if row is not None else None


def _inspected(row: Row[Any]) -> InspectedCall:
    values = row._mapping
    return InspectedCall(
        values["call"], values["made_at"], values["words_at"], values["sha256"], values["agent"], values["queue"],
        values["started_at"], values["day"], Inspection.from_json(values["body"]), values["city"] or "",
    )  # fmt: skip


def newest_rules(connection: Connection, call: str) -> str | None:
    """What the rules say, as they were read (JSON), that judged a call last."""
    same = and_(rule_files.c.version == inspections.c.rules, inspections.c.newest == 1, inspections.c.call == call)
    found = connection.execute(select(rule_files.c.body).join(inspections, same)).scalars().first()
    return str(found) if found is not None else None


def keep_rules(connection: Connection, version: str, body: str, at: float) -> None:
    """Keep what a version of the rules says; written once."""
    there = connection.execute(select(rule_files.c.version).where(rule_files.c.version == version)).first()
    if there is None:
        connection.execute(insert(rule_files).values(version=version, made_at=at, body=body))


@dataclass(frozen=True, slots=True)
class Listed:
    """An inspected call in a list: without its evidence."""

    call: str
    agent: str
    queue: str
    started_at: float
    day: str
    sound: str
    words: str
    said_type: str


def list_inspections(
    connection: Connection,
    since: float,
    until: float,
    *,
    agent: str = "",
    queue: str = "",
    city: str = "",
    found: str = "",
    wrong_type: ColumnElement[bool] | None = None,
    after: tuple[float, str] = (0.0, ""),
    count: int = 100,
) -> list[Listed]:
    """Judged calls begun in [since, until), by their begin, after `after`: of an agent, of a queue, of a city, those in
    which `found` was found (or suspected), those of which `wrong_type` holds. Each by the newest rules that judged it.
    """
    columns = [inspections.c[name] for name in Listed.__dataclass_fields__]
    begin, call = after
    query = select(*columns).where(
        inspections.c.newest == 1,
        inspections.c.started_at >= since,
        inspections.c.started_at < until,
        or_(
            inspections.c.started_at > begin, and_(inspections.c.started_at == begin, inspections.c.call > call)
        ),
    )  # fmt: skip
    if agent:
        query = query.where(inspections.c.agent == agent)
    if queue:
        query = query.where(inspections.c.queue == queue)
    if city:
        query = query.where(inspections.c.city == city)
    if found:
        query = query.where(has_finding(found))
    if wrong_type is not None:
        query = query.where(wrong_type)
    rows = connection.execute(query.order_by(inspections.c.started_at, inspections.c.call).limit(count))
    return [Listed(**row._mapping) for row in rows]


def has_finding(name: str) -> ColumnElement[bool]:
    """That something was found, or suspected, in an inspected call, by the rules of that inspection."""
    return exists().where(
        figures.c.call == inspections.c.call,
        figures.c.rules == inspections.c.rules,
        figures.c.name.in_([name, f"{name}?"]),
        figures.c.value > 0,
    )
