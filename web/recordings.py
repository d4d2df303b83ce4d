"""Recordings of calls: by the call with the API token, by the ticket for those who may hear it.

Whoever hears a call, or reads what was said (`web/transcripts.py`), is written into the audit trail before he gets the
first byte; the requests of one player within ten minutes are one line. Each export is a line of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.files import CITIZEN, HEARD
from tickets.moves import Actor
from tickets.shown import hears, judges
from tickets.ticket import Ticket, TicketPolicy
from web.auth import HOLDER
from web.backend import NotFound
from web.described import described
from web.errors import ApiError
from web.fields import Choice, Text, read_query
from web.keys import BACKEND, CLOCK
from web.recording_desk import Mark
from web.sound import send
from web.tickets import seen

PLAY_S = 600.0
"""Requests of one listener for one call so close together are one listening in the audit trail."""


LEGS = {"citizen": CITIZEN, "agent": HEARD}
"""The legs of a recording by whom one hears there; on the agent's there are also prompts, music and third parties."""

SPEAKER = {"speaker": Choice(tuple(LEGS))}
EXPORT = {"form": Choice(("wav", "flac")), "speaker": Choice(tuple(LEGS)), "reason": Text(200, required=True)}
MEDIA = ("audio/wav", "audio/flac", "audio/ogg")
COPIES = ("audio/wav", "audio/flac")
PICTURE = ("application/octet-stream",)


@described(query=SPEAKER, media=MEDIA, refuses=(206, 304, 409, 416))
async def show_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/calls/{call}/recording.

    The sound as it is kept: WAV, then as the archive has it (FLAC, Opus); with ``speaker`` that side alone, as WAV.
    Range requests (RFC 9110 section 14) work, so players can seek. The audit trail keeps who heard it.
    """
    return await _sound(request, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(query=SPEAKER, media=MEDIA, refuses=(206, 304, 409, 416))
async def show_ticket_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/tickets/{number}/recording: the ticket's call, for who judges it and the agent who took it.

    Supervisor, inspector and leader of the hotline whose ticket it is. As `GET /api/calls/{call}/recording`.
    """
    call, viewer = await call_of(request)
    return await _sound(request, call, ActorId(viewer.id), viewer.role.value)


async def call_of(
    request: web.Request, may: Callable[[Ticket, Actor, TicketPolicy], bool] = hears
) -> tuple[CallId, Actor]:
    """The call of the path's ticket, and who asks. ApiError 403 unless he `may`, NotFound."""
    ticket, viewer = await seen(request), request[HOLDER]
    if not may(ticket, viewer, request.app[BACKEND].desk.policy):
        raise ApiError(403, "not_allowed")
    if ticket.call is None:
        raise NotFound("recording")
    return ticket.call, viewer


async def _sound(request: web.Request, call: CallId, by: ActorId, role: str) -> web.StreamResponse:
    speaker = read_query(request).get("speaker")
    sound = await request.app[BACKEND].recordings.sound(call, LEGS[speaker] if speaker else None)
    if sound is None:
        raise NotFound("recording")
    try:
        await note_hearing(request, "play_recording", call, by, role, "收听通话录音", "heard the recording of a call")
    except BaseException:
        await sound.close()
        raise
    side = f"-{speaker}" if speaker else ""
    return await send(request, sound, f'inline; filename="{call}{side}{sound.suffix}"')


@described(media=PICTURE, refuses=(409,))
async def show_peaks(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/peaks: the recording's waveform, a tenth of a second at a time, both sides.

    In the data format of audiowaveform (version 2, 8 bit, two channels), which peaks.js and wavesurfer read.
    """
    return await _peaks(request, CallId(request.match_info["call"]))


@described(media=PICTURE, refuses=(409,))
async def show_ticket_peaks(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/peaks: the same of the ticket's call, for those who may hear it."""
    call, _ = await call_of(request)
    return await _peaks(request, call)


async def _peaks(request: web.Request, call: CallId) -> web.Response:
    found = await request.app[BACKEND].recordings.peaks(call)
    if found is None:
        raise NotFound("recording")
    return web.Response(body=found, content_type=PICTURE[0])


@described(query=EXPORT, media=COPIES, refuses=(409,))
async def export_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/calls/{call}/export?reason=: a copy to be taken away, as WAV (default) or FLAC.

    It carries the export's number in its name, with who, when and why in its tags, and an inaudible mark in the sound.
    The audit trail keeps each export with its ``reason``; ``hotline recordings trace`` finds from a copy whose it is.
    """
    return await _export(request, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(query=EXPORT, media=COPIES, refuses=(409,))
async def export_ticket_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/tickets/{number}/export?reason=: the same of the ticket's call, for supervisor, inspector and leader."""
    call, viewer = await call_of(request, judges)
    return await _export(request, call, ActorId(viewer.id), viewer.role.value)


async def _export(request: web.Request, call: CallId, by: ActorId, role: str) -> web.StreamResponse:
    asked = read_query(request)
    form, reason, speaker = asked.get("form", "wav"), asked["reason"].strip(), asked.get("speaker")
    if request.method == "HEAD":
        return web.Response(content_type=f"audio/{form}")
    now = request.app[CLOCK]()
    mark = Mark(secrets.token_hex(8), by, now, reason)
    copy = await request.app[BACKEND].recordings.export(call, form, LEGS[speaker] if speaker else None, mark)
    if copy is None:
        raise NotFound("recording")
    try:
        zh, en = f"导出通话录音 {call}, 编号 {mark.id}", f"exported the recording of a call, {call}, as {mark.id}"
        zh, en, id = f"{zh}: {reason}", f"{en}: {reason}", f"export-{mark.id}"
        entry = AuditEntry(id, now, by, role, "export_recording", "", call, "", zh, en, "ok")
        await request.app[BACKEND].note(entry)
    except BaseException:
        await copy.close()
        raise
    side = f"-{speaker}" if speaker else ""
    return await send(request, copy, f'attachment; filename="{call}{side}-{mark.id}{copy.suffix}"')


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
