"""Tickets as rows of a table and back: the columns, what stands above them, and what is wrong with a row. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tickets.flow import Intake, opened
from tickets.moves import SYSTEM, Actor
from tickets.shown import sees_ticket, shown
from tickets.texts import TicketRefused
from tickets.ticket import (
    Channel,
    Ticket,
    TicketChange,
    TicketPolicy,
    TicketType,
    Urgency,
    believable,
    changed,
    number_of,
)
from tickets.times import lamps
from web.fields import LATEST

GIVEN = {
    "type": "类型",
    "title": "标题",
    "text": "内容",
    "class_code": "分类",
    "region": "所属地区",
    "address": "地址",
    "lat": "纬度",
    "lon": "经度",
    "event_at": "发生时间",
    "urgency": "紧急程度",
    "proposed_unit": "建议承办单位",
    "caller": "联系电话",
    "caller_name": "诉求人",
    "caller_region": "诉求人地区",
    "anonymous": "匿名",
    "confidential": "保密",
}
"""What a file that comes in may have, by field and by what people read above it, in any order."""

TOLD = {
    "number": "工单编号",
    "opened_at": "受理时间",
    "channel": "来源",
    "state": "状态",
    "lead_unit": "主办单位",
    "co_units": "协办单位",
    "dispatched_at": "派单时间",
    "sign_due": "签收时限",
    "signed_at": "签收时间",
    "handle_due": "办理时限",
    "resolved_at": "办结时间",
    "withdrawn_at": "撤回时间",
    "lamp": "亮灯",
    "reply": "答复",
    "return_count": "退单次数",
    "redo_count": "重办次数",
    "satisfied": "回访满意",
    "satisfaction": "电话评分",
}
"""What is written besides."""

_MOMENTS = frozenset(
    {"event_at", "opened_at", "dispatched_at", "sign_due", "signed_at", "handle_due", "resolved_at", "withdrawn_at"}
)

CHANNELS = dict(
    zip(Channel, ("电话", "网站", "接口", "微信", "移动客户端", "邮件", "Open311", "平台交换"), strict=True)
)
_URGENCIES = dict(zip(Urgency, ("一般", "紧急", "特急"), strict=True))
_TYPES = {kind.chinese: kind.value for kind in TicketType}
_HURRY = {word: kind.value for kind, word in _URGENCIES.items()}
_YES, _NO = {"是", "1", "true", "yes", "y"}, {"否", "0", "false", "no", "n", ""}
_COLUMN_OF = {name: name for name in GIVEN} | {chinese: name for name, chinese in GIVEN.items()}
_KNOWN = {**TOLD, **GIVEN}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file: the line as people count it, the field's name, a stable code."""

    line: int
    field: str
    code: str


HEADS = tuple(_KNOWN.values())
WIDTHS = tuple(40.0 if name in ("text", "reply", "title") else 18.0 for name in _KNOWN)


def rows_of(
    tickets: Sequence[Ticket], viewer: Actor, now: float, policy: TicketPolicy, zone: ZoneInfo
) -> list[list[object]]:
    """`row_of` of each that `viewer` may see."""
    return [row_of(one, viewer, now, policy, zone) for one in tickets if sees_ticket(one, viewer, policy)]


def row_of(ticket: Ticket, viewer: Actor, now: float, policy: TicketPolicy, zone: ZoneInfo) -> list[object]:
    """A ticket as `viewer` may see it, under `HEADS`: of a hidden caller nothing."""
    values: dict[str, Any] = shown(ticket, viewer, policy)
    found: dict[str, object] = {**values}
    light, _ = lamps(ticket, policy, now)
    found["lamp"] = light.chinese if light else None
    found |= {"channel": CHANNELS[values["channel"]], "urgency": _URGENCIES[values["urgency"]]}
    found |= {"type": values["type"].chinese if values["type"] else None, "state": values["state"].chinese}
    for name in _MOMENTS:
        at = values[name]  # one from before the limits may be of a year that no calendar has
        known = at is not None and 0 < at < LATEST
        found[name] = datetime.fromtimestamp(at, zone).replace(tzinfo=None) if known else None
    found["lead_unit"] = _unit_name(values["lead_unit"], policy)
    found["co_units"] = "、".join(_unit_name(one, policy) for one in values["co_units"])
    return [found[name] for name in _KNOWN]


def _unit_name(unit: str | None, policy: TicketPolicy) -> str:
    """A unit's name, or the id of one that is gone."""
    known = policy.units.get(unit) if unit else None
    return known.name if known else unit or ""


# ---------------------------------------------------------------- in


def changes_of(
    lines: Iterator[tuple[int, Sequence[Any]]], policy: TicketPolicy, at: float, zone: ZoneInfo, most: int
) -> tuple[list[tuple[int, TicketChange]], list[Fault]]:
    """The good rows of a file with their lines, and what is wrong with the others.

    A row is good if a ticket could be registered with it at `at`. Columns that are only told are passed over, unknown
    ones are faults of the first line. Raises `TicketRefused` (missing_columns, doubled_column, no_rows, too_many_rows).
    """
    columns, faults = _columns(next(lines, (1, ()))[1])
    good: list[tuple[int, TicketChange]] = []
    count, blank = 0, _blank(policy, at)
    for line, cells in lines:
        if not any(str(cell if cell is not None else "").strip() for cell in cells):
            continue
        count += 1
        if count > most:
            raise TicketRefused("too_many_rows", f"A file may have {most} rows; divide it.")
        values: dict[str, Any] = {}
        wrong: list[Fault] = []
        for name, cell in zip(columns, cells, strict=False):
            if not name or cell is None or str(cell).strip() == "":
                continue
            read: Callable[[Any, ZoneInfo], Any] = _READ.get(name, _plain)
            try:
                values[name] = read(cell, zone)
            except ValueError as error:
                wrong.append(Fault(line, name, str(error)))
        change = TicketChange(**values)
        if not wrong:
            try:
                _tried(blank, change, policy)
            except TicketRefused as refusal:
                wrong.append(Fault(line, refusal.field, refusal.code))
        faults += wrong
        good += [] if wrong else [(line, change)]
    if not count:
        raise TicketRefused("no_rows", "The file has no rows below its first line.")
    return good, faults


def _blank(policy: TicketPolicy, at: float) -> Ticket:
    return opened(number_of("20000101", 1), Intake(Channel.WEB, at), SYSTEM, policy)[0]


def _tried(blank: Ticket, change: TicketChange, policy: TicketPolicy) -> None:
    """Raise `TicketRefused` unless a ticket can be registered so."""
    after = changed(blank, change, policy)
    believable(blank, after, blank.opened_at)
    if after.type is None:
        raise TicketRefused("missing", "A ticket has a type.", "type")
    if not after.text:
        raise TicketRefused("missing", "A ticket has a text.", "text")


def _columns(heads: Sequence[Any]) -> tuple[list[str], list[Fault]]:
    words = [str(head if head is not None else "").strip() for head in heads]
    found = [_COLUMN_OF.get(word, "") for word in words]
    known = set(TOLD) | set(TOLD.values()) | {""}
    faults = [Fault(1, word[:40], "unknown_column") for word, name in zip(words, found, strict=True)
              if not name and word not in known]  # fmt: skip
    for name in ("type", "text"):
        if name not in found:
            raise TicketRefused("missing_columns", f"The first line must name the columns, {GIVEN[name]} among them.")
    for name in found:
        if name and found.count(name) > 1:
            raise TicketRefused("doubled_column", f"The column {GIVEN[name]} stands twice.")
    return found, faults


def _plain(cell: Any, zone: ZoneInfo) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # a telephone number that Excel took for an amount
    return str(cell)


def _word(words: Mapping[str, str]) -> Callable[[Any, ZoneInfo], str]:
    def read(cell: Any, zone: ZoneInfo) -> str:
        text = str(cell).strip()
        return words.get(text, text)

    return read


def _number(cell: Any, zone: ZoneInfo) -> float:
    try:
        return float(str(cell))
    except ValueError:
        raise ValueError("not_a_number") from None


def _flag(cell: Any, zone: ZoneInfo) -> bool:
    word = str(cell).strip().casefold()
    if word not in _YES | _NO:
        raise ValueError("not_true_or_false")
    return word in _YES


def _moment(cell: Any, zone: ZoneInfo) -> float:
    """An instant as a spreadsheet gives it, in the hotline's zone where it names none. ValueError otherwise."""
    try:
        if isinstance(cell, datetime):
            found = cell
        else:
            found = datetime.fromisoformat(re.sub(r"[年月/.]", "-", str(cell).strip(), count=2).replace("日", ""))
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    except (OverflowError, ValueError):
        raise ValueError("not_an_instant") from None


_READ: Mapping[str, Callable[[Any, ZoneInfo], Any]] = {
    "type": _word(_TYPES),
    "urgency": _word(_HURRY),
    "lat": _number,
    "lon": _number,
    "anonymous": _flag,
    "confidential": _flag,
    "event_at": _moment,
}
