"""Figures (指标): the definitions, one's value with its proof, and the calls on which two differ.

For those who answer for a hotline: supervisors, inspectors and leaders, each of his own city's calls and tickets; who
acts for the whole installation sees all. Agents' time belongs to no city, so a city's people ask for none of it.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from metrics.definitions.catalogue import UnknownMeasure
from metrics.definitions.fold import NotComparable
from metrics.definitions.measure import Measure, Subject
from metrics.period import FigureRefused, period_of
from tickets.moves import Role
from web.auth import HOLDER
from web.described import described
from web.errors import ApiError, Problem
from web.fields import Choice, Field, Text, read_query
from web.figure_json import measure_json, value_json
from web.figures_desk import FiguresDesk, Wanted
from web.keys import BACKEND, CLOCK
from web.shape import answer
from web.tickets import own_regions

FIGURES: web.AppKey[FiguresDesk | None] = web.AppKey("figures", FiguresDesk)
"""None where the hotline has no store (a stage)."""

NAME = "[a-z0-9_.]{1,64}"

_WHO = (Role.ADMIN, Role.SUPERVISOR, Role.INSPECTOR, Role.LEADER)

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

PERIOD: dict[str, Field] = {
    "day": Text(10),
    "from": Text(40),
    "to": Text(40),
    "queue": Text(32, pattern=_ID),
    "city": Text(32, pattern=_ID),
}
"""``day=2026-11-22`` (or today, yesterday) in the hotline's zone, or ``from=`` and ``to=``: days or ISO 8601."""

WORDS = {"zh": str, "en": str}

MEASURE = {
    "name": str,
    "subject": str,
    "kind": str,
    "unit": str,
    "title": WORDS,
    "formula": WORDS,
    "source": str,
    "target": float | None,
    "better": str,
}

VALUE = {
    "value": float | None,
    "numerator": float,
    "denominator": float,
    "met": bool | None,
    "why": WORDS,
    "window": {"since": float | None, "until": float | None},
}
"""`why`: why there is no value, empty where there is one. `window`: of the worst of any 24 hours."""


def _desk(request: web.Request) -> FiguresDesk:
    """The desk, for who may ask. ApiError 403, 404."""
    if request[HOLDER].role not in _WHO:
        raise ApiError(403, "not_allowed")
    found = request.app[FIGURES]
    if found is None:
        raise ApiError(404, "not_found")
    return found


def _measure(desk: FiguresDesk, field: str, name: str) -> Measure:
    try:
        return desk.measure(name)
    except UnknownMeasure as error:
        problem = Problem(field, "unknown_measure", error.nearest)
        raise ApiError(404, "unknown_measure", [problem]) from None


def _wanted(request: web.Request, desk: FiguresDesk, query: dict[str, Any], *measures: Measure) -> Wanted:
    """Of what the figures are to be. ApiError 400, 403."""
    try:
        period = period_of(
            desk.zone, request.app[CLOCK](), on=query.get("day"), since=query.get("from"), until=query.get("to")
        )
    except FigureRefused as error:
        raise ApiError(400, "bad_request", [Problem(_FIELD.get(error.code, ""), error.code)]) from None
    queue = query.get("queue")
    if queue is not None and queue not in desk.queues():
        raise ApiError(400, "bad_request", [Problem("queue", "unknown_queue", tuple(desk.queues()))])
    regions = own_regions(request[HOLDER], request.app[BACKEND].desk.policy)
    if regions is not None and any(one.subject is Subject.AGENTS for one in measures):
        raise ApiError(403, "not_allowed")
    return Wanted(period, queue, query.get("city"), regions)


_FIELD = {"no_day": "day", "no_instant": "from", "no_such_local_time": "from", "empty_period": "to"}


@described(gives={"definitions": [MEASURE]}, refuses=(404,))
async def list_measures(request: web.Request) -> web.Response:
    """GET /api/kpi: every definition by name and version: what is divided by what, since when it counts, its source."""
    read_query(request)
    return answer({"definitions": [measure_json(one) for one in _desk(request).measures()]})


@described(
    query={**PERIOD, "calls": Choice(("0", "1"))},
    gives={
        "definition": MEASURE,
        "since": float,
        "until": float,
        **VALUE,
        "numerator_ids": list[str] | None,
        "denominator_ids": list[str] | None,
    },
)
async def show_value(request: web.Request) -> web.Response:
    """GET /api/kpi/{name}?day=: the figure of a period, and with ``calls=1`` the ids in numerator and denominator.

    Of a period that goes on: what has happened so far.
    """
    query = read_query(request)
    desk = _desk(request)
    measure = _measure(desk, "name", request.match_info["name"])
    wanted = _wanted(request, desk, query, measure)
    value = await desk.value(measure.name, wanted)
    listed = query.get("calls") == "1"
    so_far = wanted.period.so_far(request.app[CLOCK]())
    return answer(
        {
            "definition": measure_json(measure),
            "since": so_far.since,
            "until": so_far.until,
            **value_json(measure, value),
            "numerator_ids": list(value.numerator_ids) if listed else None,
            "denominator_ids": list(value.denominator_ids) if listed else None,
        }
    )


_NAMED = Text(64, required=True)

_SIDE = {"definition": MEASURE, **VALUE}


@described(
    query={**PERIOD, "a": _NAMED, "b": _NAMED},
    gives={
        "since": float,
        "until": float,
        "a": _SIDE,
        "b": _SIDE,
        "differences": [{"id": str, "a": str, "b": str, "zh": str, "en": str}],
    },
    refuses=(404, 409),
)
async def show_differences(request: web.Request) -> web.Response:
    """GET /api/kpi/diff?a=&b=&day=: the calls that two definitions count otherwise, and why.

    How each counts one: ``out`` (not at all), ``below`` (in the denominator only), ``both``.
    """
    query = read_query(request)
    desk = _desk(request)
    a, b = (_measure(desk, side, query[side]) for side in ("a", "b"))
    wanted = _wanted(request, desk, query, a, b)
    try:
        one, other, found = await desk.differences(a.name, b.name, wanted)
    except NotComparable:
        raise ApiError(409, "not_comparable") from None
    so_far = wanted.period.so_far(request.app[CLOCK]())
    return answer(
        {
            "since": so_far.since,
            "until": so_far.until,
            "a": {"definition": measure_json(a), **value_json(a, one)},
            "b": {"definition": measure_json(b), **value_json(b, other)},
            "differences": [{"id": row.id, "a": row.a, "b": row.b, "zh": row.zh, "en": row.en} for row in found],
        }
    )


ROUTES = [
    ("GET", "/api/kpi", list_measures),
    ("GET", "/api/kpi/diff", show_differences),
    ("GET", f"/api/kpi/{{name:{NAME}}}", show_value),
]
