"""Tickets (工单): list, show, fill in. Caller data: token only."""

from __future__ import annotations

import re

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.ticket import Ticket
from web.backend import NotFound
from web.described import described
from web.errors import ApiError, Problem
from web.fields import WINDOW, Field, Text, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS, WebLimits
from web.shape import answer

_CHANGES = ("type", "title", "text")


def _change_fields(limits: WebLimits) -> dict[str, Field]:
    return {
        "type": Text(longest=32, pattern=re.compile(r"[a-z_]+")),
        "title": Text(longest=limits.title_length),
        "text": Text(longest=limits.text_length, may_be_empty=True),
        "agent": Text(longest=32, required=True, pattern=re.compile(r"[A-Za-z0-9_-]+")),
    }


@described(query=WINDOW, gives={"since": float, "until": float, "tickets": list[Ticket]})
async def list_tickets(request: web.Request) -> web.Response:
    """GET /api/tickets?since=&until=: the tickets opened in the window, oldest first."""
    limits = request.app[LIMITS]
    window = read_window(
        request,
        now=request.app[CLOCK](),
        usual_s=limits.usual_window_s,
        longest_s=limits.longest_window_s,
    )
    found = await request.app[BACKEND].tickets(window.since, window.until)
    return answer({"since": window.since, "until": window.until, "tickets": list(found)})


@described(gives=Ticket)
async def show_ticket(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}."""
    ticket = await request.app[BACKEND].ticket(TicketNumber(request.match_info["number"]))
    if ticket is None:
        raise NotFound("ticket")
    return answer(ticket)


@described(body=_change_fields, gives=Ticket)
async def change_ticket(request: web.Request) -> web.Response:
    """PATCH /api/tickets/{number} with any of ``type``, ``title``, ``text``, and the ``agent`` who fills it in.

    Answers with the ticket as stored, after its commit.
    """
    body = await read_body(request)
    if not any(name in body for name in _CHANGES):
        raise ApiError(400, "bad_request", [Problem("", "nothing_to_change")])
    ticket = await request.app[BACKEND].update_ticket(
        TicketNumber(request.match_info["number"]),
        type=body.get("type"),
        title=body.get("title"),
        text=body.get("text"),
        actor=body["agent"],
    )
    return answer(ticket)
