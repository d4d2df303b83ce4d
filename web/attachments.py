"""Files of tickets (附件): received as they are, and given back to whoever may look at the ticket."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

from aiohttp import hdrs, web

from tickets.files import Incoming
from tickets.flow import TicketConflict, allow
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput
from tickets.texts import TicketRefused
from tickets.ticket import ATTACHMENT_KINDS, Attachment
from web.acting import acting_fields
from web.auth import HOLDER
from web.backend import NotFound
from web.described import described
from web.errors import ApiError, Problem
from web.fields import Field, Text, Whole, read_query
from web.keys import BACKEND
from web.tickets import TICKET_TO_MOVE, actor_of, conflict_answer, one_answer, seen

_CHUNK = 256 * 1024


_QUERY: dict[str, Field] = {
    "name": Text(120, required=True),
    "version": Whole(0, 10**9, required=True),
    **acting_fields(),
}


@described(body={}, takes=tuple(sorted(ATTACHMENT_KINDS)), query=_QUERY, gives=TICKET_TO_MOVE, status=201)
async def attach_file(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/attachments?name=&version= with the file as the body, its kind as the content type.

    Pictures, sound, video, PDF and plain text, 20 MB and 20 files at most unless the hotline has other rules; 201 with
    the ticket as stored.
    """
    own, desk = request[HOLDER], request.app[BACKEND].desk
    given = read_query(request, {name: field for name, field in _QUERY.items() if name not in _speaking(own)})
    actor, version = actor_of(request, given), given["version"]
    ticket = await seen(request)
    move = Move(TicketInput.ATTACH, version)
    try:
        allow(ticket, move, actor, desk.policy)
    except TicketConflict as conflict:
        return conflict_answer(request, conflict, own)
    kind = request.content_type
    if kind not in desk.policy.attachment_kinds:
        raise ApiError(415, "bad_kind")
    limit = desk.policy.attachment_bytes
    if (request.content_length or 0) > limit:
        raise ApiError(413, "body_too_large")
    incoming = await asyncio.to_thread(desk.files.begin)
    known = True
    try:
        digest = await _receive(request, incoming, limit)
        attachment = Attachment(given["name"], kind, incoming.size, digest)
        known = False
        after = await desk.move(ticket.number, Move(TicketInput.ATTACH, version, attachment=attachment), actor)
        await asyncio.to_thread(incoming.named)
        known = True
    except TicketConflict as conflict:
        known = True
        return conflict_answer(request, conflict, own)
    except TicketRefused:
        known = True
        raise
    finally:  # of a store that is away it is not known whether it has taken the move
        await asyncio.to_thread(incoming.drop if known else incoming.leave)
    return one_answer(request, after, own, 201)


async def _receive(request: web.Request, incoming: Incoming, limit: int) -> str:
    async for chunk in request.content.iter_chunked(_CHUNK):
        if incoming.size + len(chunk) > limit:
            raise ApiError(413, "body_too_large")
        await asyncio.to_thread(incoming.write, chunk)
    if incoming.size == 0:
        raise ApiError(400, "bad_request", [Problem("", "empty")])
    return await asyncio.to_thread(incoming.keep)


def _speaking(own: Actor) -> frozenset[str]:
    """The fields by which somebody is named; only the hotline's own token does that."""
    return frozenset() if own.role is Role.ADMIN else frozenset(acting_fields())


def _saved_as(name: str) -> str:
    """Under which name a browser keeps the file: RFC 6266, and a plain one for what does not know that."""
    simple = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{simple}\"; filename*=UTF-8''{quote(name, safe='')}"


@described(media=tuple(sorted(ATTACHMENT_KINDS)), refuses=(206, 304, 416))
async def show_file(request: web.Request) -> web.StreamResponse:
    """GET /api/tickets/{number}/attachments/{place}: a ticket's file, counted from 1; to be saved, never to be run."""
    ticket = await seen(request)
    place = int(request.match_info["place"])
    if not 1 <= place <= len(ticket.attachments):
        raise NotFound("attachment")
    one = ticket.attachments[place - 1]
    path = request.app[BACKEND].desk.files.path(one.sha256)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("attachment")
    return web.FileResponse(
        path,
        headers={
            hdrs.CONTENT_TYPE: one.kind,
            hdrs.CONTENT_DISPOSITION: _saved_as(one.name),
        },
    )
