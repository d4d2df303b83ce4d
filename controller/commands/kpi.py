"""`hotline kpi`: the definitions, a figure with its proof, and the calls on which two definitions differ."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import time as clock
from typing import TypeVar
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from controller.commands.check import checked
from controller.config import Settings
from controller.database import StoreError, database_url, make_engine, plainly
from controller.figure_facts import Scope
from controller.figures import Asked, Figures, apart_from_calls, written
from controller.schema import require_head
from metrics.definitions.catalogue import UnknownMeasure, catalogue
from metrics.definitions.fold import HOW, Difference, NotComparable
from metrics.definitions.measure import Measure, Value
from metrics.period import TEXTS, FigureRefused, Period, period_of
from web.figure_json import measure_json, met, value_json

T = TypeVar("T")

REFUSED = 2


def main(arguments: argparse.Namespace) -> int:
    """0 when the figure could be told, also where there is none; 2 for a wrong request or a store that is away."""
    settings = checked(arguments.config)
    if settings is None:
        return REFUSED
    words: list[str] = arguments.names
    try:
        if not words:
            return _list(settings, as_json=arguments.json)
        if words[0] == "diff":
            return _diff(settings, arguments, words[1:])
        if len(words) > 1:
            return _wrong(f"一次一个指标: {' '.join(words)}", "one definition at a time, or: kpi diff A B")
        return _one(settings, arguments, words[0])
    except UnknownMeasure as error:
        near = ", ".join(error.nearest) or "hotline kpi"
        return _wrong(
            f"没有指标 {error.name}; 最接近的: {near}", f"no definition is named {error.name}; nearest: {near}"
        )
    except FigureRefused as error:
        zh, en = TEXTS[error.code]
        given = f"{error.given!r}: " if error.given else ""
        return _wrong(f"{given}{zh}", f"{given}{en}")
    except StoreError as error:
        print(f"kpi: {error}", file=sys.stderr)
        return REFUSED


def _wrong(zh: str, en: str) -> int:
    print(f"kpi: {zh} / {en}", file=sys.stderr)
    return REFUSED


def _figures(settings: Settings) -> Figures:
    return Figures.of(settings)


def _asked(settings: Settings, arguments: argparse.Namespace, names: tuple[str, ...]) -> Asked:
    """Raises `FigureRefused`, `UnknownMeasure`."""
    known = _figures(settings)
    for name in names:
        known.measure(name)
    now, zone = clock(), ZoneInfo(settings.plan.timezone)
    period = period_of(zone, now, on=arguments.day, since=arguments.since, until=arguments.until)
    queue = arguments.queue
    if queue is not None and queue not in settings.plan.queues:
        raise _UnknownQueue(queue, tuple(settings.plan.queues))
    return Asked(names, period, Scope(queue=queue, city=arguments.city), now)


class _UnknownQueue(StoreError):
    def __init__(self, queue: str, known: tuple[str, ...]) -> None:
        super().__init__("unknown_queue", f"没有队列 {queue} / there is no queue {queue}; {', '.join(known)}")


def _read(settings: Settings, query: Callable[[Connection], T]) -> T:
    """Raises `StoreError`."""
    where = database_url(settings.database_url)
    if where.get_backend_name() == "sqlite" and not Path(where.database or "").exists():
        raise StoreError("empty", "没有数据: 热线尚未运行 / there is no database yet: the hotline has not run")
    engine = make_engine(where, read_only=True)
    try:
        with apart_from_calls(), plainly(where), engine.begin() as connection:
            require_head(connection, where)
            return query(connection)
    finally:
        engine.dispose()


# ---------------------------------------------------------------- what is asked


def _list(settings: Settings, *, as_json: bool) -> int:
    known = [_figures(settings).measure(name) for name in catalogue()]
    if as_json:
        print(json.dumps([measure_json(one) for one in known], ensure_ascii=False, indent=1))
        return 0
    table = Table("name 名称", "指标", "definition", "target 目标", box=None, pad_edge=False)
    for one in known:
        table.add_row(one.name, one.title_zh, one.title_en, "" if one.target is None else _number(one, one.target))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    print(f"{len(known)} definitions; hotline kpi NAME --day today")
    return 0


def _one(settings: Settings, arguments: argparse.Namespace, name: str) -> int:
    asked = _asked(settings, arguments, (name,))
    figures = _figures(settings)
    measure, value = figures.measure(name), _read(settings, lambda connection: figures.values(connection, asked))[0]
    if arguments.json:
        found = {"definition": measure_json(measure), **_period(asked, settings), **value_json(measure, value)}
        if arguments.calls:
            found |= {"numerator_ids": value.numerator_ids, "denominator_ids": value.denominator_ids}
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return 0
    zone = ZoneInfo(settings.plan.timezone)
    print(f"{measure.name}  {measure.title_zh} / {measure.title_en}")
    print(f"  {measure.formula_zh}\n  {measure.formula_en}")
    print(f"  {written(asked.period.so_far(asked.now), zone)}")
    for line in _told(measure, value, zone):
        print(f"  {line}")
    if arguments.calls:
        above = set(value.numerator_ids)
        for id in value.denominator_ids:
            print(f"{'+' if id in above else '-'} {id}")
        for id in value.numerator_ids if not value.denominator_ids else ():
            print(f"+ {id}")
    return 0


def _told(measure: Measure, value: Value, zone: ZoneInfo) -> list[str]:
    if value.value is None:
        return [f"无数字: {value.why_zh} / no figure: {value.why_en}"]
    lines = [f"{_number(measure, value.value)}  = {value.numerator:,g} / {value.denominator:,g}"]
    if value.window is not None:
        lines.append(f"窗口 / window: {written(Period(*value.window), zone)}")
    reached = met(measure, value.value)
    if reached is not None and measure.target is not None:
        word = ("达标 / target met", "未达标 / target missed")[not reached]
        lines.append(f"{word}: {_number(measure, measure.target)}")
    return lines


def _number(measure: Measure, value: float) -> str:
    return f"{value:.1f} s" if measure.unit == "s" else f"{value * 100:.2f} %"


def _period(asked: Asked, settings: Settings) -> dict[str, object]:
    period = asked.period.so_far(asked.now)
    return {"since": period.since, "until": period.until, "zone": settings.plan.timezone}


def _diff(settings: Settings, arguments: argparse.Namespace, names: list[str]) -> int:
    if len(names) != 2:
        return _wrong("kpi diff 需要两个指标", "kpi diff takes two definitions: kpi diff A B --day D")
    asked = _asked(settings, arguments, (names[0], names[1]))
    figures = _figures(settings)
    one, other = (figures.measure(name) for name in names)

    def query(connection: Connection) -> tuple[list[Value], list[Difference]]:
        return figures.values(connection, asked), figures.differences(connection, asked)

    try:
        values, found = _read(settings, query)
    except NotComparable:
        return _wrong(
            "两个指标统计的对象不同, 或不是比率, 不能逐条比较", "the two are over different things, or one is no ratio"
        )
    if arguments.json:
        sides = {
            side: {"definition": measure_json(measure), **value_json(measure, value)}
            for side, measure, value in zip("ab", (one, other), values, strict=True)
        }
        whole = {**_period(asked, settings), **sides, "differences": [asdict(one) for one in found]}
        print(json.dumps(whole, ensure_ascii=False, indent=1))
        return 0
    zone = ZoneInfo(settings.plan.timezone)
    for side, measure, value in zip("AB", (one, other), values, strict=True):
        print(f"{side}  {measure.name}: {_told(measure, value, zone)[0]}")
    for line in found:
        (a_zh, a_en), (b_zh, b_en) = HOW[line.a], HOW[line.b]
        print(f"{line.id}  A {a_zh}, B {b_zh}: {line.zh} / A {a_en}, B {b_en}: {line.en}")
    print(f"{len(found)} 条不同 / {len(found)} rows differ")
    return 0
