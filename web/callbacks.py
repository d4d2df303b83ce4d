"""Call-backs (回电) and missed callers (未接来电). Caller data: token only; elsewhere a number is masked."""

from __future__ import annotations

import re

from aiohttp import web

from metrics.missed import missed
from pbx.callback import CallbackRequest
from pbx.ids import CallId, QueueId
from web.backend import NotFound, RequestResult
from web.described import OK, described
from web.errors import refusal
from web.fields import WINDOW, Text, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer

_BY = Text(longest=60, required=True)
MISSED = {
    "number": str,
    "calls": int,
    "last_call": CallId,
    "queue": QueueId | None,
    "language": str,
    "gave_up_at": float | None,
    "waited_s": float | None,
    "callback": bool,
}
"""A missed caller as it is told."""


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code)
    return answer({"ok": True})


@described(query=WINDOW, gives={"since": float, "until": float, "callbacks": list[CallbackRequest]})
async def list_callbacks(request: web.Request) -> web.Response:
    """GET /api/callbacks?since=&until=: the requests made in the window, with every attempt, and those still open."""
    limits = request.app[LIMITS]
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    found = await request.app[BACKEND].callbacks(window.since, window.until)
    return answer({"since": window.since, "until": window.until, "callbacks": list(found)})


@described(
    body={
        "call": Text(longest=64, pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")),
        "number": Text(longest=20, pattern=re.compile(r"[0-9]{3,20}")),
        "queue": Text(longest=32, pattern=re.compile(r"[a-z0-9-]+")),
        "by": _BY,
    },
    gives=OK,
)
async def ask_callback(request: web.Request) -> web.Response:
    """POST /api/callbacks: have somebody called who was missed (``call``), or a ``number`` for a ``queue``.

    A number that has an open request for the queue keeps that one.
    """
    body = await read_body(request)
    backend = request.app[BACKEND]
    if "call" in body:
        record = await backend.call(CallId(body["call"]))
        if record is None:
            raise NotFound("call")
        queue = QueueId(body.get("queue", "") or record.queue or "")
        place_at = record.place_at or record.queued_at or record.arrived_at
        return _answered(
            await backend.ask_callback(record.caller, queue, record.call, place_at, record.language, body["by"])
        )
    now = request.app[CLOCK]()
    queue = QueueId(body.get("queue", ""))
    return _answered(await backend.ask_callback(body.get("number", ""), queue, None, now, "zh", body["by"]))


@described(body={"by": _BY}, gives=OK)
async def cancel_callback(request: web.Request) -> web.Response:
    """POST /api/callbacks/{id}/cancel: nobody is to be called for it any more."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].cancel_callback(request.match_info["id"], body["by"]))


@described(query=WINDOW, gives={"since": float, "until": float, "missed": [MISSED]})
async def list_missed(request: web.Request) -> web.Response:
    """GET /api/missed?since=&until=: who gave up in a line and has not been talked with since; a number once."""
    limits = request.app[LIMITS]
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    backend = request.app[BACKEND]
    records = await backend.call_records(window.since, now + 1.0)
    asked = {one.number for one in await backend.callbacks(window.since, now + 1.0) if one.ended_at is None}
    rows = [
        {
            "number": one.number,
            "calls": one.calls,
            "last_call": one.last.call,
            "queue": one.last.queue,
            "language": one.last.language,
            "gave_up_at": one.last.ended_at,
            "waited_s": one.waited_s,
            "callback": one.number in asked,
        }
        for one in missed(records)
        if one.last.arrived_at < window.until
    ]
    return answer({"since": window.since, "until": window.until, "missed": rows})
