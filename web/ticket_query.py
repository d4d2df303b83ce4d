"""A citizen asks how his ticket stands (工单查询): open to everybody, by the ticket's number and what proves it is his.

The proof travels in the body, never in an address, which proxies write into their logs.
"""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.moves import Role
from tickets.public import CODE_DIGITS, PHONE_DIGITS, PublicTicket
from web import static
from web.auth import HOLDER
from web.described import described
from web.errors import ApiError
from web.fields import Text, read_body
from web.keys import BACKEND, PROXIES
from web.public_desk import TooManyQueries
from web.shape import answer
from web.tickets import seen

_NUMBER = re.compile(r"[0-9]{1,32}")
_PROOF = re.compile(rf"[0-9]{{{PHONE_DIGITS}}}|[0-9]{{{CODE_DIGITS}}}")


def source_of(request: web.Request) -> str:
    """Whose tries are counted together: an address of IPv4, or a /64 of IPv6, which is one household's.

    Behind a proxy of the configuration it is the last address that the proxy has added.
    """
    remote = request.remote or ""
    forwarded = request.headers.getall("X-Forwarded-For", [])
    if remote in request.app[PROXIES] and forwarded:
        remote = forwarded[-1].rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return "?"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


@described(
    body={"number": Text(32, required=True, pattern=_NUMBER), "proof": Text(16, required=True, pattern=_PROOF)},
    gives=PublicTicket,
    refuses=(429,),
)
async def query_ticket(request: web.Request) -> web.Response:
    """POST /api/public/tickets/query ``{"number": "2026…", "proof": "1234"}``: four digits of the phone, or the code.

    404 ``no_match`` for a number that there is not and for a proof that does not fit, in the same time; 429
    ``too_many_queries``.
    """
    body = await read_body(request)
    try:
        found = await request.app[BACKEND].public.query(body["number"], body["proof"], source_of(request))
    except TooManyQueries as many:
        raise ApiError(429, "too_many_queries", headers={"Retry-After": f"{many.retry_s:.0f}"}) from None
    if found is None:
        raise ApiError(404, "no_match")
    return answer(found)


@described(gives={"ticket": TicketNumber, "code": str})
async def show_code(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/code: the code that the citizen is given with his ticket. Not for units."""
    if request[HOLDER].role is Role.UNIT:
        raise ApiError(403, "not_allowed")
    ticket = await seen(request)
    return answer({"ticket": ticket.number, "code": request.app[BACKEND].public.code(ticket.number)})


@described(media=("text/html",), refuses=(304,))
async def show_page(request: web.Request) -> web.Response:
    """GET /query: the citizen's page."""
    return static.serve(request, "query.html")
