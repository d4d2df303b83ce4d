"""Recordings of calls: by the call with the API token, by the ticket for those who may hear it.

Whoever hears a call, or reads what was said (`web/transcripts.py`), is written into the audit trail before he gets the
first byte; the requests of one player within ten minutes are one line.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from tickets.moves import Actor
from tickets.shown import hears
from web.auth import HOLDER
from web.backend import NotFound
from web.described import described
from web.errors import ApiError
from web.keys import BACKEND, CLOCK
from web.tickets import seen

PLAY_S = 600.0
"""Requests of one listener for one call so close together are one listening in the audit trail."""


@described(media=("audio/wav",), refuses=(206, 416))
async def show_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/calls/{call}/recording.

    The WAV file; range requests (RFC 9110 section 14) work, so players can seek. The audit trail keeps who heard it.
    """
    return await _sound(request, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(media=("audio/wav",), refuses=(206, 416))
async def show_ticket_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/tickets/{number}/recording: the ticket's call, for who judges it and the agent who took it.

    Supervisor, inspector and leader of the hotline whose ticket it is. As `GET /api/calls/{call}/recording`.
    """
    call, viewer = await call_of(request)
    return await _sound(request, call, ActorId(viewer.id), viewer.role.value)


async def call_of(request: web.Request) -> tuple[CallId, Actor]:
    """The call of the path's ticket, and who asks. ApiError 403, NotFound."""
    ticket, viewer = await seen(request), request[HOLDER]
    if not hears(ticket, viewer, request.app[BACKEND].desk.policy):
        raise ApiError(403, "not_allowed")
    if ticket.call is None:
        raise NotFound("recording")
    return ticket.call, viewer


async def _sound(request: web.Request, call: CallId, by: ActorId, role: str) -> web.StreamResponse:
    path = await request.app[BACKEND].recording_path(call)
    if path is None or not await asyncio.to_thread(path.is_file):
        raise NotFound("recording")
    await note_hearing(request, "play_recording", call, by, role, "收听通话录音", "heard the recording of a call")
    headers = {"Content-Type": "audio/wav", "Content-Disposition": f'inline; filename="{call}.wav"'}
    return web.FileResponse(path, headers=headers)


async def note_hearing(
    request: web.Request, action: str, call: CallId, by: ActorId, role: str, zh: str, en: str
) -> None:
    """Write it down before anything is given; while the store is away nothing is (503)."""
    if request.method == "HEAD":
        return
    now = request.app[CLOCK]()
    id = f"{action}-{by}-{call}-{int(now // PLAY_S)}"
    entry = AuditEntry(id, now, by, role, action, "", call, "", f"{zh} {call}", f"{en}, {call}", "ok")
    await request.app[BACKEND].note(entry)
