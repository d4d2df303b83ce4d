"""Incident notices (突发事件通知): give, end, look at them. Who registered is caller data: API token only."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from aiohttp import web

from pbx.ids import ActorId, QueueId
from pbx.notice import NoticeEnded, NoticeGiven
from web.auth import ACTOR
from web.backend import NotFound, Refused, RequestResult
from web.errors import ApiError, Problem, refusal
from web.fields import Flag, Instant, Text, Whole, instant, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_INCIDENT = re.compile(r"i[0-9]{1,20}")
_LONGEST_S = 366 * 86400


def _by(request: web.Request) -> ActorId:
    by = request[ACTOR]
    if by is None:  # the guard lets nobody pass without a token
        raise ApiError(401, "unauthorized")
    return by


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, **result.detail})


def _until(request: web.Request, body: dict[str, Any]) -> float | None:
    if "until" in body and "for_s" in body:
        raise ApiError(400, "bad_request", [Problem("until", "doubled_field")])
    if "for_s" in body:
        return request.app[CLOCK]() + float(body["for_s"])
    return instant(body.get("until"))


async def give_notice(request: web.Request) -> web.Response:
    """POST /api/notices with ``{"kind": "water", "area": "haizhou", "queue": …, "number": …, "until": …}``.

    ``for_s`` instead of ``until``; ``press`` false = nobody is offered to be told of the end; ``incident``: the mass
    incident of tickets that it is about, with which it ends. Answers with its id.
    """
    body = await read_body(
        request,
        {
            "kind": Text(longest=32, required=True, pattern=_NAME),
            "area": Text(longest=32, pattern=_NAME),
            "queue": Text(longest=32, pattern=_NAME),
            "number": Text(longest=20, pattern=re.compile(r"[0-9+]+")),
            "until": Instant(),
            "for_s": Whole(1, _LONGEST_S),
            "press": Flag(),
            "incident": Text(longest=32, pattern=_INCIDENT),
        },
    )
    by, until = _by(request), _until(request, body)
    of = body.get("incident", "")
    await _goes_on(request, of)
    queue = QueueId(body["queue"]) if "queue" in body else None
    result = await request.app[BACKEND].supervise(
        lambda asked, at: NoticeGiven(
            body["kind"],
            body.get("area", ""),
            queue,
            body.get("number"),
            until,
            body.get("press", True),
            by,
            asked,
            at,
            of,
        )
    )
    if of and await _is_over(request, of):  # closed while the notice was being given
        request.app[BACKEND].events.end_notices(of)
    return _answered(result)


async def _goes_on(request: web.Request, of: str) -> None:
    """Whether a notice can be given of this mass incident. NotFound, `Refused` (``incident_closed``) otherwise."""
    if of and await _is_over(request, of):
        raise Refused("incident_closed")


async def _is_over(request: web.Request, of: str) -> bool:
    found = await request.app[BACKEND].events.incident(of)
    if found is None:
        raise NotFound("mass_incident")
    return found.incident.closed_at is not None


async def end_notice(request: web.Request) -> web.Response:
    """POST /api/notices/ID/end: it is over; answers with how many wanted to be told."""
    await read_body(request, {})
    by, id = _by(request), request.match_info["id"]
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: NoticeEnded(id, by, asked, at)))


async def list_notices(request: web.Request) -> web.Response:
    """GET /api/notices?since=&until=: those given in the window and those that hold. No caller's number."""
    limits = request.app[LIMITS]
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    found = await request.app[BACKEND].incident_notices(window.since, window.until)
    return answer({"since": window.since, "until": window.until, "notices": list(found)})


async def show_notice(request: web.Request) -> web.Response:
    """GET /api/notices/ID: one, with every number that wants to be told when it is over."""
    found = await request.app[BACKEND].incident_notice(request.match_info["id"])
    if found is None:
        raise NotFound("notice")
    notice, registered = found
    return answer({**asdict(notice), "registered": list(registered)})
