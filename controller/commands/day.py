"""`hotline day`: close a day, say which are closed, and find what was changed since."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from time import time as clock
from zoneinfo import ZoneInfo

from controller.commands.check import checked
from controller.config import Settings
from controller.database import StoreError, database_url, make_engine, plainly
from controller.day_rows import Closing, list_closings
from controller.days import DayRefused, Place, Verdict, as_json, check, close
from controller.schema import current, require_head
from metrics.period import TEXTS, FigureRefused
from metrics.period import day as day_named


def main(arguments: argparse.Namespace) -> int:
    """0 = done, and with verify nothing was changed; 1 = something was; 2 = a wrong request, or the store is away."""
    settings = checked(arguments.config)
    if settings is None:
        return 2
    zone = ZoneInfo(settings.plan.timezone)
    try:
        if current(settings.database_url) is None:
            return _wrong("没有数据: 热线尚未运行", "there is no database yet: the hotline has not run")
        if arguments.action == "list":
            return _list(settings, zone, as_json_text=arguments.json)
        if arguments.day is None:
            return _wrong(f"请给出日期: hotline day {arguments.action} 2026-11-22", "a day is needed")
        day = day_named(arguments.day, zone, clock())
        if arguments.action == "close":
            sealed = close(Place.of(settings), day, clock(), "command")
            print(f"{day} 已封存 / is closed; seal {sealed.seal}")
            return 0
        return _verify(settings, day, as_json_text=arguments.json)
    except FigureRefused as error:
        zh, en = TEXTS[error.code]
        return _wrong(f"{arguments.day!r}: {zh}", en)
    except DayRefused as error:
        return _wrong(error.zh, error.en)
    except (StoreError, OSError) as error:
        print(f"day: {error}", file=sys.stderr)
        return 2


def _wrong(zh: str, en: str) -> int:
    print(f"day: {zh} / {en}", file=sys.stderr)
    return 2


def _list(settings: Settings, zone: ZoneInfo, *, as_json_text: bool) -> int:
    where = database_url(settings.database_url)
    engine = make_engine(where, read_only=True)
    try:
        with plainly(where), engine.begin() as connection:
            require_head(connection, where)
            found = list_closings(connection)
    finally:
        engine.dispose()
    rows = [(one.row, one.seal) for one in found if isinstance(one.row, Closing)]
    if as_json_text:
        shown = [
            {"day": row.day, "closed_at": row.closed_at, "calls": row.calls, "chain": row.chain, "seal": seal}
            for row, seal in rows
        ]
        print(json.dumps(shown, indent=1))
        return 0
    for row, seal in rows:
        at = datetime.fromtimestamp(row.closed_at, zone).strftime("%Y-%m-%d %H:%M")
        lines = sum(one["lines"] for one in row.files)
        print(f"{row.day}  {at} ({row.closed_by})  {row.calls} calls, {lines} lines  {seal}")
    print(f"{len(rows)} 天已封存 / days closed")
    return 0


def _verify(settings: Settings, day: date, *, as_json_text: bool) -> int:
    verdict = check(Place.of(settings), day)
    if verdict is None:
        return _wrong(f"{day} 未封存", f"{day} is not closed")
    if as_json_text:
        print(json.dumps(as_json(verdict), ensure_ascii=False, indent=1))
    else:
        show(verdict)
    return 1 if verdict.findings else 0


def show(verdict: Verdict, most: int = 50) -> None:
    """What a check of a closed day found, for people."""
    for finding in verdict.findings[:most]:
        print(finding)
    if len(verdict.findings) > most:
        print(f"… 另有 {len(verdict.findings) - most} 条 / and {len(verdict.findings) - most} more")
    for one in verdict.corrections:
        print(f"更正 / corrected: {one.call} {one.why} ({one.changed})")
    if not verdict.findings:
        lines = sum(one["lines"] for one in verdict.closing.files)
        told = f"{lines} journal lines, {verdict.closing.calls} calls"
        print(f"{verdict.closing.day}: 与封存时一致 / as it was closed ({told}); seal {verdict.seal}")


def sealed_faults(settings: Settings, asked: Sequence[str], zone: str) -> Verdict | None:
    """For `hotline verify DAY`: what is not as it was when that day was closed; None where it is not, or no day."""
    if len(asked) != 1 or current(settings.database_url) is None:
        return None
    try:
        day = day_named(asked[0], ZoneInfo(zone), clock())
    except FigureRefused:
        return None
    return check(Place.of(settings), day)
