"""Reminders and escalations (临期, 催办, 提级) for those to whom they are addressed: as a list, and live.

The stream's event ids are the reminders' own numbers: who comes back with the last one that he has (`Last-Event-ID`,
WHATWG HTML, "Server-sent events") gets what was made meanwhile, and nothing twice, through any restart of the hotline.
"""

from __future__ import annotations

import re

from aiohttp import web

from tickets.moves import Actor, Role
from tickets.schedule import Act, Made, Outcome
from tickets.shown import sees_ticket
from tickets.ticket import Ticket
from web import static
from web.auth import HOLDER, still_admitted
from web.described import described
from web.errors import ApiError, Problem
from web.fields import WINDOW, Field, Whole, read_query, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer, dumps
from web.streams import event_stream

PAGE = 200
"""Reminders of one answer, and of one look of a stream."""

REMINDER = {
    "no": int,
    "ticket": str,
    "rule": str,
    "act": Act,
    "to": list[str],
    "unit": str,
    "due": float,
    "made_at": float,
    "outcome": Outcome,
}
"""A reminder as people see it; `unit` leads the ticket, `due` is the instant of which it speaks."""


def shown(made: Made) -> dict[str, object]:
    """One as JSON has it."""
    return {name: getattr(made, name) for name in REMINDER}


def addressed(made: Made, ticket: Ticket, viewer: Actor, request: web.Request) -> bool:
    """Whether it is meant for `viewer`: for his role, about a ticket that he sees. The hotline itself sees all."""
    meant = viewer.role is Role.ADMIN or viewer.role.value in made.to
    return meant and sees_ticket(ticket, viewer, request.app[BACKEND].desk.policy)


_AFTER: dict[str, Field] = {"after": Whole(0, 2**31 - 1)}


@described(
    query={**WINDOW, **_AFTER},
    gives={"since": float, "until": float, "reminders": [REMINDER], "next": int | None},
)
async def list_reminders(request: web.Request) -> web.Response:
    """GET /api/reminders?since=&until=&after=: those made in the window for the bearer, oldest first, a page at a time.

    ``next``, where there is more, is the ``after`` of the next page.
    """
    limits, viewer = request.app[LIMITS], request[HOLDER]
    after = read_query(request).get("after", 0)
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.usual_window_s, longest_s=limits.ticket_window_s, also=_AFTER
    )
    found = await request.app[BACKEND].reminders.between(window.since, window.until, after, PAGE)
    mine = [shown(made) for made, ticket in found if addressed(made, ticket, viewer, request)]
    more = found[-1][0].no if len(found) == PAGE else None
    return answer({"since": window.since, "until": window.until, "reminders": mine, "next": more})


def _last(request: web.Request) -> int | None:
    """The number that the client has; None = it is new. ApiError 400 for what is no number."""
    given = request.headers.get("Last-Event-ID")
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", given):
        raise ApiError(400, "bad_request", [Problem("", "not_a_whole_number")])
    return int(given)


@described(media=("text/event-stream",), refuses=(400,))
async def show_live(request: web.Request) -> web.StreamResponse:
    """GET /api/reminders/live: each reminder for the bearer as it is made, until the client or the server leaves.

    With ``Last-Event-ID`` those made after that one first.
    """
    desk, viewer = request.app[BACKEND].reminders, request[HOLDER]
    given = _last(request)
    version = desk.version
    last = given if given is not None else await desk.newest()
    async with event_stream(request) as stream:
        await stream.begin(f"id: {last}\n")
        while True:
            while found := await desk.after(last, PAGE):
                if not await still_admitted(request):
                    return stream.response
                last = found[-1][0].no
                mine = [shown(made) for made, ticket in found if addressed(made, ticket, viewer, request)]
                text = "".join(f"id: {one['no']}\nevent: reminder\ndata: {dumps(one)}\n\n" for one in mine)
                await stream.write(f"{text}id: {last}\n\n")
            news = await stream.news(desk.changed(version))
            if news is not None:
                version = news
            elif await still_admitted(request):
                await stream.beat()
            else:
                break
    return stream.response


@described(media=("text/html",), refuses=(304,))
async def show_page(request: web.Request) -> web.Response:
    """GET /tickets: the page of open tickets, which asks for an access token."""
    return static.serve(request, "tickets.html")
