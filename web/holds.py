"""Holds (保留): somebody's word that a recording must not be erased, as a complaint is under review or a court asks.

By the call with the API token, by the ticket for those who judge it. Each beginning and end is in the audit trail.
"""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.archive.sql import Hold
from tickets.shown import judges
from web.backend import NotFound, Refused
from web.described import OK, described
from web.fields import Text, read_body
from web.keys import BACKEND, CLOCK
from web.recordings import call_of
from web.schema import shape_of
from web.shape import answer, fields_of

REASON = {"reason": Text(200, required=True)}
HOLD = shape_of(Hold)
_LISTED = {"holds": [HOLD]}


@described(gives=_LISTED)
async def list_all_holds(request: web.Request) -> web.Response:
    """GET /api/recordings/holds: what is held now, of all calls, oldest first; at most 1000."""
    found = await request.app[BACKEND].recordings.open_holds()
    return answer({"holds": [fields_of(one) for one in found]})


@described(gives=_LISTED)
async def list_holds(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/holds: who held the call's recording, when and why; the ended ones too."""
    return await _list(request, CallId(request.match_info["call"]))


@described(gives=_LISTED)
async def list_ticket_holds(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/holds: the same for the ticket's call, for supervisor, inspector and leader."""
    call, _ = await call_of(request, judges)
    return await _list(request, call)


async def _list(request: web.Request, call: CallId) -> web.Response:
    found = await request.app[BACKEND].recordings.holds(call)
    return answer({"holds": [fields_of(one) for one in found]})


@described(body=REASON, gives=HOLD, status=201, refuses=(409,))
async def place_hold(request: web.Request) -> web.Response:
    """POST /api/calls/{call}/holds: the call's recording and transcript are not erased until the hold ends.

    One that is erased, or whose erasure has begun, is refused: ``recording_erased``.
    """
    body = await read_body(request)
    return await _place(request, body, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(body=REASON, gives=HOLD, status=201, refuses=(409,))
async def place_ticket_hold(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/holds: the same for the ticket's call, by supervisor, inspector and leader."""
    body = await read_body(request)
    call, viewer = await call_of(request, judges)
    return await _place(request, body, call, ActorId(viewer.id), viewer.role.value)


async def _place(request: web.Request, body: dict[str, Any], call: CallId, by: ActorId, role: str) -> web.Response:
    if await request.app[BACKEND].call(call) is None:
        raise NotFound("call")
    now = request.app[CLOCK]()
    hold = Hold(f"h-{secrets.token_hex(8)}", call, body["reason"].strip(), by, now)
    zh, en = f"保留录音 {call}: {hold.reason}", f"held the recording of a call, {call}: {hold.reason}"
    entry = AuditEntry(f"hold-{hold.id}", now, by, role, "hold_recording", "", call, "", zh, en, "ok")
    if not await request.app[BACKEND].recordings.place_hold(hold, entry):
        raise Refused("recording_erased")
    return answer(fields_of(hold), status=201)


@described(gives=OK)
async def end_hold(request: web.Request) -> web.Response:
    """DELETE /api/calls/{call}/holds/{hold}: from now on the rules for its age count again."""
    return await _end(request, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(gives=OK)
async def end_ticket_hold(request: web.Request) -> web.Response:
    """DELETE /api/tickets/{number}/holds/{hold}: the same, by supervisor, inspector and leader."""
    call, viewer = await call_of(request, judges)
    return await _end(request, call, ActorId(viewer.id), viewer.role.value)


async def _end(request: web.Request, call: CallId, by: ActorId, role: str) -> web.Response:
    now, id = request.app[CLOCK](), request.match_info["hold"]
    zh, en = f"解除录音保留 {call}", f"ended the hold of a recording, {call}"
    entry = AuditEntry(f"release-{id}", now, by, role, "end_hold", "", call, "", zh, en, "ok")
    if not await request.app[BACKEND].recordings.end_hold(call, id, by, now, entry):
        raise NotFound("hold")
    return answer({"ok": True})
