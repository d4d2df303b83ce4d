"""Live figures (实时指标) and alerts (告警): what stands, what was, and who has seen it.

They name queues, cities, numbers of the hotline and teams, and nobody's call, so whoever may see the overview sees
them; who works for one city sees what is of that city. An alert is acknowledged by a supervisor: of the telephones for
his own queues, of the tickets for his own city. The audit trail keeps who did.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from agents.rights import ADMIN, EVERY_QUEUE
from metrics.alerts import Alert, NoSuchAlert
from metrics.live import KINDS, Group, LiveValue
from pbx.ids import ActorId
from pbx.supervision import AuditEntry
from tickets.moves import Role
from web.alerts_desk import AlertsDesk
from web.auth import ACTOR, HOLDER, Access
from web.described import described
from web.errors import ApiError, Handler
from web.fields import WINDOW, Choice, Text, read_body, read_query, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer
from web.tickets import own_regions

ALERTS: web.AppKey[AlertsDesk | None] = web.AppKey("alerts", AlertsDesk)
"""None where the hotline keeps none (a stage)."""

_ACKNOWLEDGE = (Role.ADMIN, Role.SUPERVISOR, Role.LEADER)

WORDS = {"zh": str, "en": str}

ALERT = {
    "id": str,
    "rule": str,
    "of": str,
    "name": str,
    "city": str,
    "severity": str,
    "raised_at": float,
    "value": float | None,
    "threshold": float,
    "message": WORDS,
    "acknowledged_at": float | None,
    "acknowledged_by": str,
    "cleared_at": float | None,
    "why_cleared": str,
}

FIGURE = {
    "of": str,
    "name": str,
    "window": str,
    "definition": str,
    "value": float | None,
    "numerator": float,
    "denominator": int,
    "since": float,
    "until": float,
}


ON_THE_WALL = frozenset({"sl15.offered.v1", "connect.v1", "wait.v1"})
"""Definitions that the first page shows by window: each change is sent to every page that is open."""


def _desk(request: web.Request) -> AlertsDesk:
    found = request.app[ALERTS]
    if found is None:
        raise ApiError(404, "not_found")
    return found


def alert_json(desk: AlertsDesk, one: Alert) -> dict[str, Any]:
    """An alert as JSON has it."""
    zh, en = desk.said(one)
    return {
        "id": one.id,
        "rule": one.rule,
        "of": one.group.kind,
        "name": one.group.name,
        "city": desk.city(one.group),
        "severity": one.severity.value,
        "raised_at": one.raised_at,
        "value": one.value,
        "threshold": one.threshold,
        "message": {"zh": zh, "en": en},
        "acknowledged_at": one.acknowledged_at,
        "acknowledged_by": one.acknowledged_by,
        "cleared_at": one.cleared_at,
        "why_cleared": one.why_cleared,
    }


def figure_json(one: LiveValue) -> dict[str, Any]:
    """A live figure as JSON has it."""
    return {
        "of": one.group.kind,
        "name": one.group.name,
        "window": one.window,
        "definition": one.measure,
        "value": one.value,
        "numerator": one.numerator,
        "denominator": one.denominator,
        "since": one.since,
        "until": one.until,
    }


def wallboard(desk: AlertsDesk) -> dict[str, Any]:
    """What the wallboard shows: alerts that stand, and the figures of the whole."""
    values = desk.values(Group("whole")) if desk.ready else ()
    whole = [figure_json(one) for one in values if one.measure in ON_THE_WALL]
    return {"alerts": [alert_json(desk, one) for one in desk.standing()], "windows": whole}


def wallboard_of(desk: AlertsDesk | None) -> Callable[[], dict[str, Any]]:
    """The same of a hotline that may keep none."""
    return lambda: wallboard(desk) if desk is not None else {"alerts": [], "windows": []}


def _regions(request: web.Request) -> frozenset[str] | None:
    return own_regions(request[HOLDER], request.app[BACKEND].desk.policy)


@described(query=WINDOW, gives={"alerts": [ALERT]}, refuses=(404,))
async def list_alerts(request: web.Request) -> web.Response:
    """GET /api/alerts?since=&until=: those that stand, the gravest first.

    With a span: those raised in it, newest first, a thousand at most.
    """
    query, limits = read_query(request), request.app[LIMITS]
    desk = _desk(request)
    found: Sequence[Alert]
    if query:
        window = read_window(
            request, now=request.app[CLOCK](), usual_s=limits.usual_window_s, longest_s=limits.longest_window_s
        )
        found = await desk.between(window.since, window.until)
    else:
        found = desk.standing()
    regions = _regions(request)
    mine = [one for one in found if regions is None or desk.city(one.group) in regions]
    return answer({"alerts": [alert_json(desk, one) for one in mine]})


_ID = re.compile(r"[^\s/]{1,64}")


@described(
    query={"of": Choice(KINDS), "name": Text(64, pattern=_ID)},
    gives={"ready": bool, "figures": [FIGURE]},
    refuses=(404,),
)
async def list_figures(request: web.Request) -> web.Response:
    """GET /api/live/figures?of=&name=: the last 15 minutes and hour, the shift, the day and the running 24 hours.

    By whole, queue, city, number and team, each definition with what is divided by what. `ready` false: the calls of
    the last day are still being read, and there are no figures yet.
    """
    query = read_query(request)
    desk = _desk(request)
    regions = _regions(request)
    if not desk.ready:
        return answer({"ready": False, "figures": []})
    rows = [
        figure_json(one)
        for group in desk.groups()
        if query.get("of") in (None, group.kind)
        and query.get("name") in (None, group.name)
        and (regions is None or desk.city(group) in regions)
        for one in desk.values(group)
    ]
    return answer({"ready": True, "figures": rows})


@described(body={}, gives=ALERT, refuses=(403, 404))
async def acknowledge(request: web.Request) -> web.Response:
    """POST /api/alerts/{id}/acknowledge: a supervisor has seen it. Who is second is told who was first."""
    await read_body(request)
    desk, id = _desk(request), request.match_info["id"]
    by, role = _who(request)
    found = next((one for one in desk.standing() if one.id == id), None)
    if found is None:
        raise ApiError(404, "unknown_alert")
    if refused := _refusal(request, desk, found):
        raise ApiError(403, refused)
    try:
        alert, first = await desk.acknowledge(id, by)
    except NoSuchAlert:
        raise ApiError(404, "unknown_alert") from None
    if first:
        zh, en = desk.said(alert)
        now = request.app[CLOCK]()
        queue = alert.group.name if alert.group.kind == "queue" else ""
        entry = AuditEntry(
            f"alert-{alert.id}", now, ActorId(by), role, "acknowledge_alert", "", "", queue,
            f"确认告警 {zh}", f"acknowledged the alert: {en}", "ok",
        )  # fmt: skip
        await request.app[BACKEND].note(entry)
    return answer(alert_json(desk, alert))


def _who(request: web.Request) -> tuple[str, str]:
    """Who acknowledges, and his role. ApiError 403 for those who may not at all."""
    actor = request[ACTOR]
    if actor is None:
        holder = request[HOLDER]
        if holder.role not in _ACKNOWLEDGE:
            raise ApiError(403, "not_allowed")
        return holder.id, holder.role.value
    return actor, "administrator" if actor == ADMIN else "supervisor"


def _refusal(request: web.Request, desk: AlertsDesk, alert: Alert) -> str:
    """Why it is not his to acknowledge; empty when it is."""
    by = request[ACTOR]
    if by is None:
        regions = _regions(request)
        return "" if regions is None or desk.city(alert.group) in regions else "not_allowed"
    if by == ADMIN:
        return ""
    actor = request.app[BACKEND].actor(by)
    queues = actor.queues if actor is not None else frozenset()
    if EVERY_QUEUE in queues or (alert.group.kind == "queue" and alert.group.name in queues):
        return ""
    return "not_your_queue"


ROUTES: list[tuple[str, str, Handler, Access]] = [
    ("GET", "/api/live/figures", list_figures, Access.VIEW),
    ("GET", "/api/alerts", list_alerts, Access.VIEW),
    ("POST", "/api/alerts/{id:a[0-9]{1,20}}/acknowledge", acknowledge, Access.TALK),
]
