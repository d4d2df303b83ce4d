"""Files of tickets (附件): received as they are, and given back to whoever may look at the ticket."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web
from aiohttp.helpers import content_disposition_header

from tickets.files import Incoming
from tickets.flow import TicketConflict, allow
from tickets.given import Move
from tickets.moves import Role, TicketInput
from tickets.ticket import Attachment
from web.auth import HOLDER
from web.backend import NotFound
from web.errors import ApiError, Problem
from web.fields import Field, Text, problems_of
from web.keys import BACKEND
from web.tickets import acting_fields, actor_of, conflict_answer, one_answer, seen

_CHUNK = 256 * 1024


async def attach_file(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/attachments?name=&version= with the file as the body, its kind as the content type.

    Its size and kind are limited (`TicketPolicy.attachment_bytes`, `attachment_kinds`); 201 with the ticket as stored.
    """
    own, desk = request[HOLDER], request.app[BACKEND].desk
    given = _query(request, speaks=own.role is Role.ADMIN)
    actor = actor_of(request, dict(given))
    version = int(given["version"])
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
    try:
        digest = await _receive(request, incoming, limit)
    finally:
        await asyncio.to_thread(incoming.drop)
    attachment = Attachment(given["name"], kind, incoming.size, digest)
    try:
        after = await desk.move(ticket.number, Move(TicketInput.ATTACH, version, attachment=attachment), actor)
    except TicketConflict as conflict:
        return conflict_answer(request, conflict, own)
    return one_answer(request, after, own, 201)


async def _receive(request: web.Request, incoming: Incoming, limit: int) -> str:
    async for chunk in request.content.iter_chunked(_CHUNK):
        if incoming.size + len(chunk) > limit:
            raise ApiError(413, "body_too_large")
        await asyncio.to_thread(incoming.write, chunk)
    if incoming.size == 0:
        raise ApiError(400, "bad_request", [Problem("", "empty")])
    return await asyncio.to_thread(incoming.keep)


def _query(request: web.Request, *, speaks: bool) -> dict[str, str]:
    """The query's fields. ApiError 400 names everything that is wrong."""
    known: dict[str, Field] = {"name": Text(120, required=True), "version": Text(9, required=True)}
    known |= {name: field for name, field in acting_fields().items() if speaks}
    problems = [Problem("", "unknown_field") for name in request.query if name not in known]
    for name, field in known.items():
        values = request.query.getall(name, [])
        if len(values) > 1:
            problems.append(Problem(name, "doubled_field"))
        elif not values:
            if field.required:
                problems.append(Problem(name, "missing"))
        elif found := problems_of(name, field, values[0]):
            problems += found
        elif name == "version" and not (values[0].isascii() and values[0].isdecimal()):
            problems.append(Problem(name, "not_a_whole_number"))
    if problems:
        raise ApiError(400, "bad_request", problems)
    return {name: request.query[name] for name in known if name in request.query}


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
            hdrs.CONTENT_DISPOSITION: content_disposition_header("attachment", filename=one.name),
        },
    )
