"""`hotline audit`: the trail of what supervisors ordered, for reading, for a program, and to see that it is whole."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from controller import audit_rows
from controller.audit_rows import AuditRow
from controller.commands.check import checked
from controller.commands.verify import day_of
from controller.config import Settings
from controller.database import StoreError, database_url, make_engine, plainly
from controller.schema import current, require_head
from web.errors import message


def main(arguments: argparse.Namespace) -> int:
    """0 when the trail could be read, and with --check when it is whole; 1 when it is not; 2 for a wrong request."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    try:
        window = day_window(arguments.day, settings.plan.timezone)
    except ValueError:
        print(f"audit: {arguments.day!r} is no day; such as 20261122, today, yesterday", file=sys.stderr)
        return 2
    try:
        if arguments.check:
            return _check(settings, arguments.seal or "")
        rows = _rows(settings, window, arguments.agent or "")
    except StoreError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(audit_rows.as_json(rows), ensure_ascii=False, indent=1))
        return 0
    zone = ZoneInfo(settings.plan.timezone)
    for row in rows:
        print(line(row, settings, zone))
    print(f"{len(rows)} lines")
    return 0


def day_window(day: str | None, timezone: str) -> tuple[float, float]:
    """A day on the hotline's wall in epoch seconds; without one, everything. Raises ValueError for what is no day.

    A day as every command takes it (`verify.day_of`).
    """
    if day is None:
        return 0.0, 1e11
    zone = ZoneInfo(timezone)
    named = day_of(day, timezone)
    if named is None:
        raise ValueError("no day")
    begin = date.fromisoformat(named)
    midnights = (datetime.combine(begin + timedelta(days=n), time(), zone).timestamp() for n in (0, 1))
    first, last = midnights
    return first, last


def _rows(settings: Settings, window: tuple[float, float], agent: str) -> list[AuditRow]:
    if current(settings.database_url) is None:
        return []
    where = database_url(settings.database_url)
    engine = make_engine(where)
    try:
        with plainly(where), engine.connect() as connection:
            require_head(connection, where)
            return audit_rows.read(connection, *window, agent)
    finally:
        engine.dispose()


def _check(settings: Settings, seal: str) -> int:
    if current(settings.database_url) is None:
        print("There is no trail yet.")
        return 0 if not seal else 1
    where = database_url(settings.database_url)
    engine = make_engine(where)
    try:
        with plainly(where), engine.connect() as connection:
            require_head(connection, where)
            verdict = audit_rows.check(connection, seal)
    finally:
        engine.dispose()
    for fault in verdict.faults:
        print(f"audit: {fault}", file=sys.stderr)
    if verdict.faults:
        return 1
    print(f"The trail is whole: {verdict.rows} lines. Its last seal, to be noted elsewhere: {verdict.seal}")
    return 0


_IN_THE_TRAIL = {
    "ordered_otherwise": {"zh": "另一位班长刚刚下达了不同的指令", "en": "another supervisor had just ordered otherwise"}
}
"""Refusals that tell whoever asked what to do next, as they are told to whoever reads the trail."""


def line(row: AuditRow, settings: Settings, zone: ZoneInfo) -> str:
    """One line for people: when, who, what, and whether it was done; Chinese and English."""
    entry = row.entry
    at = datetime.fromtimestamp(entry.at, zone).strftime("%Y-%m-%d %H:%M:%S")
    actor = settings.plan.actor(entry.actor)
    who = f"{entry.actor} ({actor.name})" if actor is not None else entry.actor
    refused = _IN_THE_TRAIL.get(entry.outcome) or message(entry.outcome)
    zh = "" if entry.outcome == "ok" else f" [未执行: {refused['zh']}]"
    en = "" if entry.outcome == "ok" else f" [not done: {refused['en']}]"
    return f"{row.seq:>6}  {at}  {who}  {entry.zh}{zh} / {entry.en}{en}"
