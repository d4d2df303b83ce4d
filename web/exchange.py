"""The exchange of tickets with other installations: their messages come in here, and people look at how it stands."""

from __future__ import annotations

import json

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.exchange.messages import VERSION, Kind, MessageRefused
from tickets.exchange.signing import KEY, NONCE, PIECE_BYTES, SIGNATURE, TIME, NotTrusted
from tickets.moves import Role
from tickets.ticket import Attachment
from web.auth import HOLDER
from web.backend import NotFound
from web.described import Either, described
from web.errors import ApiError
from web.fields import Choice, Field, Inner, Number, Text, Whole, read_body, read_query
from web.keys import BACKEND
from web.offices import TicketOffice
from web.shape import answer
from web.tickets import TICKET_TO_MOVE, one_answer, seen

_STATUS = {
    "file_missing": 409,
    "wrong_file": 409,
    "replayed": 409,
    "unknown_thread": 409,
    "too_far_ahead": 409,
    "wrong_parties": 403,
    "too_large": 413,
}


def _office(request: web.Request) -> TicketOffice:
    return request.app[BACKEND].office


_COUNT = Whole(1, 2**31 - 1, required=True)

_MESSAGE: dict[str, Field] = {
    "version": Whole(VERSION, VERSION, required=True),
    "from": Text(32, required=True),
    "to": Text(32, required=True),
    "thread": Text(65, required=True),
    "seq": _COUNT,
    "turn": _COUNT,
    "kind": Choice(tuple(one.value for one in Kind), required=True, code="unknown_word"),
    "at": Number(0, 1e11, required=True),
    "body": Inner(required=True),
}
"""As it travels, for the document; `tickets.exchange.messages` checks it, after its signature."""


@described(
    body=_MESSAGE,
    headers=(KEY, TIME, NONCE, SIGNATURE),
    gives={"seq": int, "heard": int, "doubled": bool},
    refuses=(401, 403),
)
async def take_message(request: web.Request) -> web.Response:
    """POST /api/exchange/messages: a message of a peer, signed; 200 when it is stored, and the answer signed too.

    Every refusal has a stable code; the peer sends again whatever was not acknowledged by a signed 200.
    """
    raw = await request.read()
    try:
        receipt, sign = await _office(request).take_message(_signed(request), raw)
    except NotTrusted as refusal:
        raise ApiError(_STATUS.get(refusal.code, 401), refusal.code) from None
    except MessageRefused as refusal:
        raise ApiError(_STATUS.get(refusal.code, 400), refusal.code) from None
    body = json.dumps({"seq": receipt.seq, "heard": receipt.heard, "doubled": receipt.doubled}).encode()
    return web.Response(body=body, content_type="application/json", headers={SIGNATURE: sign(200, body)})


_BYTES = Whole(0, 10**12 - 1, required=True)

_PIECE: dict[str, Field] = {"kind": Text(64, required=True), "size": _BYTES, "offset": _BYTES}


@described(
    body={},
    query=_PIECE,
    takes=("application/octet-stream",),
    headers=(KEY, TIME, NONCE, SIGNATURE),
    gives={"have": int, "refused": str},
    refuses=(401, 413),
)
async def take_piece(request: web.Request) -> web.Response:
    """PUT /api/exchange/files/{digest}?kind=&size=&offset=: a piece of a peer's file; no body asks how it stands.

    200 with how many bytes there are (``have``), or why the file is not taken (``refused``); the answer is signed too.
    """
    given = read_query(request, _PIECE)
    raw = await request.content.read(PIECE_BYTES + 1)
    while not request.content.at_eof() and len(raw) <= PIECE_BYTES:
        raw += await request.content.read(PIECE_BYTES + 1 - len(raw))
    if len(raw) > PIECE_BYTES:
        raise ApiError(413, "too_large")
    file = Attachment("", given["kind"], given["size"], request.match_info["digest"])
    try:
        body, signature = await _office(request).take_piece(_signed(request), file, given["offset"], raw)
    except NotTrusted as refusal:
        raise ApiError(401, refusal.code) from None
    except MessageRefused as refusal:
        raise ApiError(_STATUS.get(refusal.code, 400), refusal.code) from None
    return web.Response(body=body, content_type="application/json", headers={SIGNATURE: signature})


def _signed(request: web.Request) -> dict[str, str]:
    return {name: request.headers.get(name, "") for name in (KEY, TIME, NONCE, SIGNATURE)}


@described(gives={"peers": [{"peer": str, "waiting": int, "since": float | None, "error": str}]})
async def show_exchange(request: web.Request) -> web.Response:
    """GET /api/exchange: the peers, what waits to be said to each, since when, and why the last try failed."""
    if request[HOLDER].role not in (Role.ADMIN, Role.SUPERVISOR, Role.LEADER, Role.DISPATCHER):
        raise ApiError(403, "not_allowed")
    return answer({"peers": list(await _office(request).peers())})


_SAID = {"said": bool, "seq": int, "kind": str, "at": float}

_THREAD = {
    "peer": str,
    "thread": str,
    "mine": bool,
    "unit": str,
    "part": str,
    "state": str | None,
    "messages": [
        Either(
            (
                {**_SAID, "done_at": float | None, "tries": int, "error": str},
                {**_SAID, "outcome": str | None, "note": str},
            )
        )
    ],
}


@described(gives={"ticket": TicketNumber, "threads": [_THREAD]})
async def show_talks(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/exchange: what was said and heard about a ticket, by peer."""
    ticket = await seen(request)
    if request[HOLDER].role is Role.UNIT:
        raise ApiError(403, "not_allowed")
    return answer({"ticket": ticket.number, "threads": list(await _office(request).talks(ticket.number))})


@described(body=lambda limits: {"reason": Text(limits.text_length, required=True)}, gives=TICKET_TO_MOVE)
async def give_back(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/give-back ``{"reason": …}``: 退回 to the hotline that handed the ticket over to us."""
    body = await read_body(request)
    ticket = await _office(request).give_back((await seen(request)).number, body["reason"], request[HOLDER])
    if ticket is None:
        raise NotFound("ticket")
    return one_answer(request, ticket, request[HOLDER])
