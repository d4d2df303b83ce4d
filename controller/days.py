"""Closing a day, and finding what was changed since: the journal, the calls, the agents' time, the figures.

A day is closed once; its closing holds the head of the chain over its journal (`day_chain.py`), the digests of every
call that arrived in it and of every interval that began in it, and every figure by definition and version. What is
written later into a call of a closed day stands in a correction (`day_rows.py`). `check` reads everything anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select

from controller import day_rows
from controller.config import Settings
from controller.database import database_url, make_engine, plainly
from controller.day_chain import FIRST as FIRST_HEAD
from controller.day_chain import Digests, changes, files_of, read, write
from controller.day_chain import chain as chained
from controller.day_rows import Closing, Correction, Sealed, call_values, canonical, digest
from controller.figures import Asked, Figures, apart_from_calls
from metrics.definitions.catalogue import catalogue
from metrics.intervals_sql import agent_intervals
from metrics.period import Period, of_day
from metrics.sql import calls

FOLDER = "closed"
"""In the data folder: a file of digests for each closed day."""

AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hotline's days are: its data folder, its database, and by what its figures are made. Picklable."""

    data: Path
    database_url: str
    figures: Figures

    @staticmethod
    def of(settings: Settings) -> Place:
        """Of a configuration."""
        return Place(settings.data, settings.database_url, Figures.of(settings))


class DayRefused(Exception):
    """A day cannot be closed; `code` is stable, `zh` and `en` say why."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.code, self.zh, self.en = code, zh, en


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was when the day was closed. `what`: journal, call, interval, closing, correction."""

    what: str
    id: str
    zh: str
    en: str

    def __str__(self) -> str:
        """One line, Chinese and English."""
        return f"{self.what} {self.id}: {self.zh} / {self.en}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found of one closed day."""

    closing: Closing
    seal: str
    findings: tuple[Finding, ...]
    corrections: tuple[Correction, ...]


def _engine(place: Place, *, read_only: bool) -> Engine:
    return make_engine(database_url(place.database_url), read_only=read_only)


# ---------------------------------------------------------------- closing


def close(place: Place, day: date, now: float, closed_by: str) -> Sealed:
    """Close a local day. Raises `DayRefused`, `StoreError`, OSError. Blocks: seconds for a province's day."""
    zone = ZoneInfo(place.figures.timezone)
    period = of_day(day, zone)
    if period.until > now:
        raise DayRefused("not_over", f"{day} 尚未结束", f"{day} is not over yet")
    where = database_url(place.database_url)
    engine = _engine(place, read_only=False)
    try:
        with plainly(where), engine.begin() as connection:
            if _closing(connection, day.isoformat()) is not None:
                raise DayRefused("closed_already", f"{day} 已封存", f"{day} is closed already")
            day_rows.watch(connection, day.isoformat(), period.since, period.until)
        closing = _sealed(place, day, period, now, closed_by)
        with plainly(where), engine.begin() as connection:
            if _closing(connection, day.isoformat()) is not None:
                raise DayRefused("closed_already", f"{day} 已封存", f"{day} is closed already")
            return day_rows.add_closing(connection, closing)
    finally:
        engine.dispose()


def _sealed(place: Place, day: date, period: Period, now: float, closed_by: str) -> Closing:
    """The closing, from one snapshot of the store beside which its writer goes on."""
    files = list(chained(files_of(place.data / "journal", day.strftime("%Y%m%d"))))
    where = database_url(place.database_url)
    engine = _engine(place, read_only=True)
    if where.get_backend_name() == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with apart_from_calls(), plainly(where), engine.begin() as connection:
            corrections = day_rows.last_correction(connection)
            found = Digests(
                {one.name: one.lines for one in files}, _calls(connection, period), _intervals(connection, period)
            )
            figures = _figures(connection, place, period, now)
    finally:
        engine.dispose()
    return Closing(
        day=day.isoformat(),
        zone=place.figures.timezone,
        since=period.since,
        until=period.until,
        closed_at=now,
        closed_by=closed_by,
        files=[{"name": one.name, "lines": len(one.lines), "head": one.head} for one in files],
        chain=files[-1].head if files else FIRST_HEAD,
        calls=len(found.calls),
        intervals=len(found.intervals),
        corrections=corrections,
        digests=write(digests_file(place.data, day.isoformat()), found),
        figures=figures,
    )


def digests_file(data: Path, day: str) -> Path:
    """Where a closed day's digests are."""
    return data / FOLDER / f"{day}.digests"


def _closing(connection: Connection, day: str) -> Closing | None:
    found = [one.row for one in day_rows.list_closings(connection) if isinstance(one.row, Closing)]
    return next((one for one in found if one.day == day), None)


def _calls(connection: Connection, period: Period) -> dict[str, str]:
    wanted = select(calls.c.call).where(calls.c.arrived_at >= period.since, calls.c.arrived_at < period.until)
    ids = list(connection.execute(wanted.order_by(calls.c.arrived_at, calls.c.call)).scalars())
    found = {}
    for begin in range(0, len(ids), AT_ONCE):
        some = ids[begin : begin + AT_ONCE]
        values = call_values(connection, some)
        found.update({id: digest(values[id]) for id in some})
    return found


def _intervals(connection: Connection, period: Period) -> dict[str, str]:
    """Of those that began in the period; of one that has not ended an empty digest: its end comes later."""
    table = agent_intervals.c
    wanted = select(agent_intervals).where(table.began_at >= period.since, table.began_at < period.until)
    found = {}
    for row in connection.execute(wanted.order_by(table.began_at, table.agent, table.state)):
        values = list(row)
        content = hashlib.sha256(canonical(values)).hexdigest()[:32] if row.ended_at is not None else ""
        found[f"{row.agent}@{row.began_at!r}/{row.state}"] = content
    return found


def _figures(connection: Connection, place: Place, period: Period, now: float) -> dict[str, object]:
    names = tuple(catalogue())
    values = place.figures.values(connection, Asked(names, period, now=now))
    return {
        one.measure: {"value": one.value, "numerator": one.numerator, "denominator": one.denominator} for one in values
    }


# ---------------------------------------------------------------- checking


def check(place: Place, day: date) -> Verdict | None:
    """Hold a closed day against what was sealed; None for one that is not closed. Raises `StoreError`, OSError."""
    where = database_url(place.database_url)
    engine = _engine(place, read_only=True)
    try:
        with plainly(where), engine.begin() as connection:
            closings = day_rows.list_closings(connection)
            mine = next((one for one in closings if _is(one, day.isoformat())), None)
            if mine is None or not isinstance(mine.row, Closing):
                return None
            corrections = day_rows.list_corrections(connection)
            later = [
                one.row
                for one in corrections
                if isinstance(one.row, Correction) and one.row.day == mine.row.day and one.seq > mine.row.corrections
            ]
            findings = [*_seals("closing", closings), *_seals("correction", corrections)]
            findings += _check_rows(connection, place, mine.row, later)
        return Verdict(mine.row, mine.seal, tuple(findings), tuple(later))
    finally:
        engine.dispose()


def closed_days(connection: Connection) -> list[str]:
    """The days that are closed."""
    return [one.row.day for one in day_rows.list_closings(connection)]


def _is(one: Sealed, day: str) -> bool:
    return one.row.day == day


def _seals(what: str, rows: Sequence[Sealed]) -> list[Finding]:
    found, before, expected = [], day_rows.FIRST_SEAL, 1
    for one in rows:
        name = f"{one.seq} ({one.row.day})"
        if one.seq != expected:
            found.append(Finding(what, name, "之前的行缺失", f"rows {expected} to {one.seq - 1} before it are missing"))
        elif day_rows.seal_of(before, one.seq, one.row) != one.seal:
            found.append(Finding(what, name, "内容与封存时不同", "is not as it was written"))
        before, expected = one.seal, one.seq + 1
    return found


def _check_rows(
    connection: Connection, place: Place, closing: Closing, corrections: Sequence[Correction]
) -> list[Finding]:
    try:
        sealed, sha = read(digests_file(place.data, closing.day))
    except (OSError, ValueError):
        lost = Finding("closing", closing.day, "摘要文件缺失或损坏", "its file of digests is missing or damaged")
        return [lost, *_heads_only(place, closing)]
    if sha != closing.digests:
        changed = Finding("closing", closing.day, "摘要文件已被改动", "its file of digests was changed")
        return [changed, *_heads_only(place, closing)]
    period = Period(closing.since, closing.until)
    return [
        *_journal(place, closing, sealed),
        *_check_calls(sealed.calls, _calls(connection, period), corrections),
        *_check_intervals(sealed.intervals, _intervals(connection, period), closing),
    ]


def _heads_only(place: Place, closing: Closing) -> list[Finding]:
    """Without digests it can still be said from which file on the journal is not as it was."""
    now = {one.name: one.head for one in chained(_files(place, closing))}
    wrong = next((one["name"] for one in closing.files if now.get(one["name"]) != one["head"]), None)
    if wrong is None:
        return []
    return [Finding("journal", wrong, "自此文件起与封存时不同", "from this file on not as it was sealed")]


def _files(place: Place, closing: Closing) -> list[Path]:
    return files_of(place.data / "journal", closing.day.replace("-", ""))


def _journal(place: Place, closing: Closing, sealed: Digests) -> list[Finding]:
    found = []
    now = list(chained(_files(place, closing)))
    there = {one.name: one for one in now}
    for name, lines in sealed.files.items():
        if name not in there:
            found.append(Finding("journal", name, "文件缺失", f"the file is missing ({len(lines)} lines)"))
            continue
        for one in changes(lines, there[name].lines):
            zh = {"changed": "行被改动", "removed": "行被删除", "inserted": "行被插入"}[one.what]
            many = f"{one.count} lines were" if one.count > 1 else "a line was"
            text = f"{one.count} {zh}", f"{many} {one.what} here"
            found.append(Finding("journal", f"{name}:{one.line}", *text))
    for file in now:
        if file.name not in sealed.files:
            found.append(Finding("journal", file.name, "封存后出现的文件", "a file that came after the closing"))
    if not found and now and now[-1].head != closing.chain:
        found.append(Finding("journal", closing.day, "哈希链不符", "the chain does not end as it was sealed"))
    return found


def _check_calls(then: dict[str, str], now: dict[str, str], corrections: Sequence[Correction]) -> list[Finding]:
    expected = dict(then)
    found = []
    for one in corrections:
        if one.before != expected.get(one.call, ""):
            found.append(Finding("call", one.call, "更正之前已被改动", "was changed before it was corrected"))
        expected[one.call] = one.after
    for id, content in expected.items():
        if id not in now:
            found.append(Finding("call", id, "已被删除", "was removed"))
        elif now[id] != content:
            found.append(Finding("call", id, "已被改动", "was changed"))
    found += [Finding("call", id, "封存后插入", "was inserted") for id in now if id not in expected]
    return found


def _check_intervals(then: dict[str, str], now: dict[str, str], closing: Closing) -> list[Finding]:
    found = []
    for id, content in then.items():
        if id not in now:
            found.append(Finding("interval", id, "已被删除", "was removed"))
        elif content and now[id] != content:
            found.append(Finding("interval", id, "已被改动", "was changed"))
    found += [Finding("interval", id, "封存后插入", "was inserted") for id in now if id not in then]
    return found


def as_json(verdict: Verdict) -> dict[str, object]:
    """A verdict as JSON has it."""
    return {
        "day": verdict.closing.day,
        "seal": verdict.seal,
        "findings": [asdict(one) for one in verdict.findings],
        "corrections": [asdict(one) for one in verdict.corrections],
    }
