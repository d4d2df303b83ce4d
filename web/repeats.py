"""Likely repeats while a ticket is taken down, and mass incidents (同类事件). Caller data: with an access token."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.incidents import IncidentView, MassIncident
from tickets.moves import ADMIN, Actor, Role, TicketState
from tickets.repeats import Draft, Likeness
from tickets.repeats_found import Found
from tickets.shown import sees_caller, sees_ticket
from tickets.ticket import Ticket
from web.acting import acting
from web.auth import HOLDER
from web.backend import NotFound
from web.described import described
from web.errors import ApiError
from web.event_desk import EventDesk
from web.fields import WINDOW, Field, Names, Number, Text, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS, WebLimits
from web.schema import shape_of
from web.shape import answer
from web.tickets import actor_of, seen

_NUMBER = re.compile(r"[0-9]{1,32}")
_CODE = re.compile(r"[A-Za-z0-9._-]*")


def _desk(request: web.Request) -> EventDesk:
    return request.app[BACKEND].events


def _viewer(request: web.Request) -> Actor:
    """Who looks. ApiError 403 for a unit: it sees its own tickets, not who else calls."""
    viewer = request[HOLDER]
    if viewer.role is Role.UNIT:
        raise ApiError(403, "not_allowed")
    return viewer


def draft_of(ticket: Ticket, viewer: Actor) -> Draft:
    """A ticket as it is compared; its caller only for one who sees him."""
    return Draft(
        ticket.number,
        ticket.caller if sees_caller(ticket, viewer) else "",
        ticket.opened_at,
        ticket.type.value if ticket.type else "",
        ticket.class_code,
        ticket.title,
        ticket.text,
        ticket.address,
        ticket.region,
        ticket.lat,
        ticket.lon,
    )


def _found(request: web.Request, number: str, found: Found) -> dict[str, Any]:
    """What is shown of likely repeats: of those tickets alone that the bearer may look at."""
    viewer, policy = request[HOLDER], request.app[BACKEND].desk.policy
    return {
        "ticket": number,
        "repeats": [
            {
                **asdict(like),
                "state": ticket.state.value,
                "title": ticket.title or ticket.text[:60],
                "address": ticket.address,
                "class_code": ticket.class_code,
                "opened_at": ticket.opened_at,
                "incident": ticket.incident_id,
            }
            for like, ticket in found.tickets
            if sees_ticket(ticket, viewer, policy)
        ],
        "incident": found.incident,
        "members": list(found.members),
        "members_unseen": found.unseen,
    }


FOUND = {
    "ticket": TicketNumber,
    "repeats": [
        {
            **shape_of(Likeness),
            "state": TicketState,
            "title": str,
            "address": str,
            "class_code": str,
            "opened_at": float,
            "incident": str | None,
        }
    ],
    "incident": str | None,
    "members": list[str],
    "members_unseen": int,
}


@described(gives=FOUND)
async def show_repeats(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/repeats: tickets likely about the same, and what one click would do."""
    viewer, ticket = _viewer(request), await seen(request)
    return answer(_found(request, ticket.number, await _desk(request).repeats(draft_of(ticket, viewer), viewer)))


def _typed(limits: WebLimits) -> dict[str, Field]:
    return {
        "type": Text(32, may_be_empty=True),
        "class_code": Text(64, may_be_empty=True, pattern=_CODE),
        "region": Text(64, may_be_empty=True, pattern=_CODE),
        "title": Text(limits.title_length, may_be_empty=True),
        "text": Text(limits.text_length, may_be_empty=True),
        "address": Text(limits.title_length, may_be_empty=True),
        "lat": Number(-90, 90),
        "lon": Number(-180, 180),
    }


@described(body=_typed, gives=FOUND)
async def find_repeats(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/repeats with what is typed so far and not stored yet; the answer as of GET."""
    viewer, ticket = _viewer(request), await seen(request)
    typed = await read_body(request)
    return answer(
        _found(request, ticket.number, await _desk(request).repeats(replace(draft_of(ticket, viewer), **typed), viewer))
    )


# ---------------------------------------------------------------- incidents


def _shown(incident: MassIncident) -> dict[str, Any]:
    """An incident as JSON."""
    return {**asdict(incident), "closed_role": incident.closed_role.value if incident.closed_role else None}


def _view(view: IncidentView) -> dict[str, Any]:
    return {**_shown(view.incident), "tickets": sum(view.states.values()), "states": dict(view.states)}


VIEW = {**shape_of(MassIncident), "tickets": int, "states": dict[str, int]}
"""An incident with how many tickets are in it."""


def _join_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    return {"with": Text(32, required=True, pattern=_NUMBER), **acting(own)}


@described(body=_join_fields, gives=MassIncident)
async def join(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/join ``{"with": "2026…"}``: it is about the same event as that one; one click.

    Answers with the incident: the other ticket's, or a new one of both.
    """
    own = request[HOLDER]
    body = await read_body(request, _join_fields(request.app[LIMITS], own))
    number = TicketNumber(request.match_info["number"])
    return answer(_shown(await _desk(request).join(number, TicketNumber(body["with"]), actor_of(request, body))))


@described(query=WINDOW, gives={"since": float, "until": float, "incidents": [VIEW]})
async def list_incidents(request: web.Request) -> web.Response:
    """GET /api/incidents?since=&until=: those opened in the window and those that go on."""
    viewer, limits = _viewer(request), request.app[LIMITS]
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.usual_window_s, longest_s=limits.ticket_window_s
    )
    found = await _desk(request).incidents(window.since, window.until, viewer)
    return answer({"since": window.since, "until": window.until, "incidents": [_view(one) for one in found]})


@described(gives=VIEW)
async def show_incident(request: web.Request) -> web.Response:
    """GET /api/incidents/{id}; its tickets: ``GET /api/tickets?incident=ID``."""
    found = await _desk(request).incident(request.match_info["id"], _viewer(request))
    if found is None:
        raise NotFound("mass_incident")
    return answer(_view(found))


def _open_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    title = Text(limits.title_length, may_be_empty=True)
    return {"title": title, "tickets": Names(500, required=True), **acting(own)}


@described(body=_open_fields, gives=MassIncident, status=201)
async def open_incident(request: web.Request) -> web.Response:
    """POST /api/incidents ``{"tickets": ["2026…", …], "title": "…"}``: one event of these tickets; 201."""
    body = await read_body(request, _open_fields(request.app[LIMITS], request[HOLDER]))
    numbers = [TicketNumber(number) for number in body["tickets"]]
    made = await _desk(request).open_incident(body.get("title", ""), numbers, actor_of(request, body))
    return answer(_shown(made), 201)


def _close_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    return {"text": Text(limits.text_length, required=True), **acting(own)}


@described(body=_close_fields, gives=MassIncident)
async def close_incident(request: web.Request) -> web.Response:
    """POST /api/incidents/{id}/close ``{"text": "…"}``: one reply to all; what waiting callers hear of it ends."""
    body = await read_body(request, _close_fields(request.app[LIMITS], request[HOLDER]))
    closed = await _desk(request).close_incident(request.match_info["id"], body["text"], actor_of(request, body))
    return answer(_shown(closed))
