"""Tickets as files: export and import as CSV and Excel, and the month's report. Built and read outside the loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from tickets.flow import Intake
from tickets.lamps import Lamp
from tickets.monthly import Line, Month, bounds
from tickets.moves import MAY_OPEN, Role
from tickets.search import PAGE_MAX, TicketFilter
from tickets.shown import sees_ticket
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket
from web.auth import HOLDER
from web.described import described
from web.errors import ApiError, Problem, message
from web.fields import WINDOW, Choice, Field, Text, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer
from web.sheets import MOST_BYTES, BadFile, Format, Sheet, read, written
from web.ticket_rows import CHANNELS, HEADS, WIDTHS, changes_of, rows_of
from web.tickets import scope

EXPORT_MAX = 50_000
"""Tickets of one file: an Excel workbook of so many takes seconds and 100 MB to make; more come window by window."""

IMPORT_MAX = 5_000

_FORMAT = Choice(tuple(one.value for one in Format), code="unknown_word")
_BOTH = tuple(one.media for one in Format)
_XLSX = (Format.EXCEL.media,)


def _format(request: web.Request) -> Format:
    try:
        return Format(request.query.get("format", Format.EXCEL.value))
    except ValueError:
        raise ApiError(400, "bad_request", [Problem("format", "unknown_word", _FORMAT.values)]) from None


def _zone(request: web.Request) -> ZoneInfo:
    return ZoneInfo(request.app[BACKEND].desk.policy.hours.zone)


def _file(data: bytes, format: Format, name: str) -> web.Response:
    response = web.Response(body=data, content_type=format.media)
    if format is Format.CSV:
        response.charset = "utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{format.value}"'
    return response


async def _pages(request: web.Request, since: float, until: float) -> AsyncIterator[Sequence[Ticket]]:
    """The tickets opened in [since, until) that the bearer may see, page by page."""
    viewer, policy = request[HOLDER], request.app[BACKEND].desk.policy
    units, near = scope(viewer, policy)
    after = None
    while True:
        page = await request.app[BACKEND].desk.page(
            TicketFilter(since, until, units=units, near=near, after=after, limit=PAGE_MAX)
        )
        yield [ticket for ticket in page.tickets if sees_ticket(ticket, viewer, policy)]
        after = page.next
        if after is None:
            return


@described(query={**WINDOW, "format": _FORMAT}, media=_BOTH, refuses=(422,))
async def export_tickets(request: web.Request) -> web.Response:
    """GET /api/tickets/export?since=&until=&format=csv|xlsx: the tickets opened in the window, 50 000 at most.

    As the bearer may see them: a unit its own, and of a hidden caller nothing.
    """
    limits, now = request.app[LIMITS], request.app[CLOCK]()
    format = _format(request)
    window = read_window(
        request, now=now, usual_s=limits.usual_window_s, longest_s=limits.ticket_window_s, also=("format",)
    )
    viewer, policy, zone = request[HOLDER], request.app[BACKEND].desk.policy, _zone(request)
    rows: list[list[object]] = []
    async for tickets in _pages(request, window.since, window.until):
        if len(rows) + len(tickets) > EXPORT_MAX:
            raise ApiError(422, "too_many_rows", [Problem("since", "window_too_long")])
        rows += await asyncio.to_thread(rows_of, tickets, viewer, now, policy, zone)
    data = await asyncio.to_thread(written, [Sheet("工单", HEADS, rows, WIDTHS)], format)
    return _file(data, format, "tickets")


_IMPORT: dict[str, Field] = {
    "format": _FORMAT,
    "check": Text(1, pattern=re.compile("[01]")),
    "good": Text(1, pattern=re.compile("[01]")),
    "anew": Text(1, pattern=re.compile("[01]")),
}

FAULT = {"line": int, "field": str, "code": str, "message": {"zh": str, "en": str}}


@described(
    body={},
    takes=("application/octet-stream", *_BOTH),
    query=_IMPORT,
    gives={
        "import": str | None,
        "before": bool,
        "rows": int,
        "faults": [FAULT],
        "taken": [{"line": int, "number": str}],
    },
)
async def import_tickets(request: web.Request) -> web.Response:
    """POST /api/tickets/import?format=csv|xlsx: each row becomes a ticket; the body is the file, 20 MB at most.

    The first line names the columns, in Chinese or by field; 类型 and 内容 must be among them. Every fault is told with
    its line. Where there is one nothing is taken down, so that the corrected file can be sent whole; ``good=1`` takes
    the good rows all the same, ``check=1`` only checks. Tickets are taken down some at a time; the same file again goes
    on where it was cut, or is answered as before (``before``), unless ``anew=1`` is given.
    """
    for name in request.query:
        if name not in _IMPORT:
            raise ApiError(400, "bad_request", [Problem("", "unknown_field")])
        if code := _IMPORT[name].problem(request.query[name]):
            raise ApiError(400, "bad_request", [Problem(name, code)])
    holder = request[HOLDER]
    if holder.role not in MAY_OPEN:
        raise ApiError(403, "not_allowed")
    format, now, desk = _format(request), request.app[CLOCK](), request.app[BACKEND].desk
    data, zone = await _whole_body(request), _zone(request)
    try:
        good, faults = await asyncio.to_thread(
            lambda: changes_of(read(data, format), desk.policy, now, zone, IMPORT_MAX)
        )
    except BadFile as bad:
        field = f"line {bad.line}" if bad.line is not None else ""
        raise ApiError(413 if bad.code == "file_too_large" else 400, bad.code, [Problem(field, bad.code)]) from None
    except TicketRefused as refusal:
        raise ApiError(400, refusal.code, [Problem(refusal.field, refusal.code)]) from None
    done = None
    if good and request.query.get("check") != "1" and (not faults or request.query.get("good") == "1"):
        done = await desk.take_file(data, good, Intake(Channel.API, now), holder, request.query.get("anew") == "1")
    told = [{"line": one.line, "field": one.field, "code": one.code, "message": message(one.code)} for one in faults]
    return answer(
        {
            "import": done.id if done else None,
            "before": bool(done and done.before),
            "rows": len(good) + len({one.line for one in faults if one.line > 1}),
            "faults": told,
            "taken": [{"line": line, "number": number} for line, number in done.tickets] if done else [],
        }
    )


async def _whole_body(request: web.Request) -> bytes:
    """The file, read with its own limit: it may be larger than other bodies. ApiError 413."""
    data = bytearray()
    async for part in request.content.iter_chunked(64 * 1024):
        data += part
        if len(data) > MOST_BYTES:
            raise ApiError(413, "body_too_large")
    return bytes(data)


# ---------------------------------------------------------------- the month


_MONTH = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")


@described(query={"month": Text(7, required=True, pattern=_MONTH)}, media=_XLSX)
async def month_report(request: web.Request) -> web.Response:
    """GET /api/reports/tickets?month=2026-11: the month's report as an Excel workbook: whole, types, units, days.

    Counts the tickets opened in the month, as they are now, of those that the bearer may look at: of his own hotline
    where the installation serves several cities. Rates are cells with a percentage.
    """
    if request[HOLDER].role is Role.UNIT:
        raise ApiError(403, "not_allowed")
    month = request.query.get("month", "")
    zone, desk, now = _zone(request), request.app[BACKEND].desk, request.app[CLOCK]()
    unknown = [Problem("", "unknown_field") for name in request.query if name != "month"]
    try:
        if not _MONTH.fullmatch(month):
            raise ValueError(month)
        since, until = bounds(month, zone)
    except ValueError:
        raise ApiError(400, "bad_request", [*unknown, Problem("month", "not_an_instant")]) from None
    if unknown:
        raise ApiError(400, "bad_request", unknown)
    found = Month(zone, now, desk.policy)
    async for tickets in _pages(request, since, until):
        await asyncio.to_thread(found.add, tickets)
    data = await asyncio.to_thread(written, sheets_of(found, desk.policy.units), Format.EXCEL)
    return _file(data, Format.EXCEL, f"tickets-{month}")


_LINE_HEADS = (
    ("受理", "并单", "撤回", "派单", "按时签收率", "办结", "一次解决率", "绿灯", "黄灯", "红灯", "按时办结率")
    + ("退单", "重办", "回访", "满意率")
)  # fmt: skip


def _cells(line: Line) -> list[object]:
    rates = {
        name: None if value is None else round(value * 100, 2)
        for name, value in (
            ("signing", line.signing),
            ("first", line.first_contact),
            ("in_time", line.in_time),
            ("satisfied", line.satisfaction),
        )
    }
    return [
        line.opened,
        line.merged,
        line.withdrawn,
        line.dispatched,
        rates["signing"],
        line.resolved,
        rates["first"],
        line.lamps[Lamp.GREEN],
        line.lamps[Lamp.YELLOW],
        line.lamps[Lamp.RED],
        rates["in_time"],
        line.returned,
        line.redone,
        line.followed_up,
        rates["satisfied"],
    ]


def sheets_of(month: Month, units: Any) -> list[Sheet]:
    """The report's sheets; rates in per cent."""

    def sheet(name: str, first: str, lines: Sequence[tuple[str, Line]]) -> Sheet:
        heads = (first, *(f"{head}(%)" if head.endswith("率") else head for head in _LINE_HEADS))
        return Sheet(
            name, heads, [[label, *_cells(line)] for label, line in lines], (22.0, *(12.0,) * len(_LINE_HEADS))
        )

    def name_of(unit: str) -> str:
        known = units.get(unit)
        return known.name if known else unit

    return [
        sheet("概况", "范围", [("全部", month.all)]),
        sheet("按类型", "类型", sorted(month.types.items())),
        sheet("按单位", "主办单位", [(name_of(unit), line) for unit, line in sorted(month.units.items())]),
        sheet("按日", "日期", sorted(month.days.items())),
        Sheet(
            "来源",
            ("来源", "受理"),
            [(CHANNELS[Channel(one)], count) for one, count in sorted(month.channels.items())],
            (16.0, 12.0),
        ),
    ]
