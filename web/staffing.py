"""Staffing (排班) for supervisors: expected calls and needed agents by half-hour, of the queues that are theirs.

Right: ``staffing``. No caller's data.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from agents.rights import EVERY_QUEUE, Action
from agents.rights import refusal as right_refusal
from pbx.ids import QueueId
from web.auth import ACTOR
from web.described import described
from web.errors import ApiError, Problem, refusal
from web.fields import Choice, Field, Text, Whole, read_query
from web.keys import BACKEND, CLOCK
from web.shape import answer
from web.staffing_desk import StaffingDesk, StaffingQuestion, StaffingRefused

STAFFING: web.AppKey[StaffingDesk | None] = web.AppKey("staffing", StaffingDesk)

MOST_DAYS = 7
_DAY = Text(10, pattern=re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"))
_QUERY: dict[str, Field] = {
    "day": _DAY,
    "days": Whole(1, MOST_DAYS),
    "queue": Text(longest=32, pattern=re.compile(r"[a-z0-9-]+")),
}
_WITHOUT = [{"queue": str, "why": str}]
FORECAST = {
    "half_hours": list[str],
    "days": list[str],
    "queues": [
        {
            "queue": str,
            "learnt_days": int,
            "trend_a_week": float,
            "spread": float,
            "unusual_days": list[str],
            "unusual_half_hours": int,
            "missing_half_hours": int,
            "short_history": bool,
            "never_seen": list[str],
            "forecast": [
                {
                    "day": str, "like": str, "calls": float,
                    "mean": list[float], "low": list[int], "high": list[int],
                }
            ],
        }
    ],
    "without_forecast": _WITHOUT,
}  # fmt: skip
_NEED = {
    "calls": float, "erlangs": float, "erlang_c": int, "erlang_a": int, "seats": int, "roster": int,
    "in_time": float | None, "busy": float | None,
}  # fmt: skip
REQUIRED = {
    "goal": {"target": float, "within_s": float, "most_busy": float, "shrinkage": float, "least": int},
    "half_hours": list[str],
    "handling": {"*": dict[str, float]},
    "days": [
        {
            "day": str,
            "queues": [{"queue": str, "need": [_NEED]}],
            "together": [{**_NEED, "*": object}],
        }
    ],
    "without_forecast": _WITHOUT,
}


async def _asked(request: web.Request, what: str) -> web.Response:
    backend, found = request.app[BACKEND], read_query(request)
    queues = [view.queue for view in backend.overview().queues]
    actor = backend.actor(request[ACTOR] or _nobody())
    if "queue" in found:
        wanted = [queue for queue in queues if queue == found["queue"]]
        if not wanted:
            raise ApiError(404, "unknown_queue")
        code = right_refusal(actor, Action.SEE_STAFFING, wanted)
    else:
        code = right_refusal(actor, Action.SEE_STAFFING)
        own = actor.queues if actor is not None else frozenset()
        wanted = [queue for queue in queues if EVERY_QUEUE in own or queue in own]
    if code:
        raise refusal(code)
    desk = request.app[STAFFING]
    if desk is None:
        raise ApiError(409, "staffing_off")
    simulate = found.get("simulate") == "true"
    question = StaffingQuestion(
        what, _day(request, found), found.get("days", 1), [QueueId(q) for q in wanted], simulate
    )
    try:
        return answer(await desk.ask(question))
    except StaffingRefused as refused:
        status = {"staffing_busy": 503, "staffing_day": 409}.get(refused.code, 503)
        detail = {"text": refused.text} if refused.text else None
        raise ApiError(status, refused.code, detail=detail) from None


def _nobody() -> Any:
    raise ApiError(401, "unauthorized")  # the guard lets nobody pass without a token


def _day(request: web.Request, found: dict[str, Any]) -> date:
    """The first day that is asked for; tomorrow by default."""
    if "day" not in found:
        zone = ZoneInfo(request.app[BACKEND].desk.policy.hours.zone)
        return datetime.fromtimestamp(request.app[CLOCK](), zone).date() + timedelta(days=1)
    try:
        return date.fromisoformat(found["day"])
    except ValueError:  # 30 February
        raise ApiError(400, "bad_request", [Problem("day", "bad_time")]) from None


@described(query=_QUERY, gives=FORECAST, refuses=(404, 409, 503))
async def show_forecast(request: web.Request) -> web.Response:
    """GET /api/staffing/forecast?day=&days=&queue=: expected calls of each half-hour, within what they lie (90 %).

    `like`: which days it is expected to be like. Days and half-hours that were `unusual` were not learnt as normal;
    of `never_seen` there was no day in the history. `short_history`: less than two weeks, the interval is a guess.
    """
    return await _asked(request, "forecast")


@described(query={**_QUERY, "simulate": Choice(("true", "false"))}, gives=REQUIRED, refuses=(404, 409, 503))
async def show_required(request: web.Request) -> web.Response:
    """GET /api/staffing/required?day=&days=&queue=&simulate=: how many agents each half-hour needs.

    `together` takes all queues for one whose agents can do everything; with simulate=true it has ``simulated`` too:
    how many agents with the real mix of skills it takes, and which queues stay below the target all the same.
    `seats` at the telephones, `roster` with those who are not there (shrinkage).
    """
    return await _asked(request, "required")


_SHIFT = {"shift": str, "begin": str, "end": str, "breaks": list[list[str]]}
PLAN = {
    "days": list[str],
    "solver": str,
    "seconds": float,
    "hours_paid": float,
    "hours_needed": float,
    "least_hours": float | None,
    "shifts": int,
    "uncovered": int,
    "people": int,
    "more_people": int,
    "need": list[int],
    "present": list[int],
    "by_shift": [{**_SHIFT, "count": int}],
    "roster": [{"person": str, "shifts": [_SHIFT]}],
    "without_forecast": _WITHOUT,
}


@described(query={**_QUERY, "simulate": Choice(("true", "false"))}, gives=PLAN, refuses=(404, 409, 503))
async def show_plan(request: web.Request) -> web.Response:
    """GET /api/staffing/plan?day=&days=&queue=&simulate=: shifts that cover what is needed, and who works them.

    Times are the hotline's. `need` and `present` have a number for each half-hour; `uncovered`: half-hours times people
    that no shift reaches. `roster`: agents by their ids, and ``+1``, ``+2``, … for people who are still missing; skills
    are not looked at. `least_hours`: no plan can take less (null where only the greedy plan was made).
    """
    return await _asked(request, "plan")


ROUTES = [
    ("GET", "/api/staffing/plan", show_plan),
    ("GET", "/api/staffing/forecast", show_forecast),
    ("GET", "/api/staffing/required", show_required),
]
