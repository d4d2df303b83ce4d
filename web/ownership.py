"""The ownership register (权属): whose matter something is, who may write it, and how often it is right."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.moves import Role
from tickets.ownership import Concern, HitRate, OwnershipRow
from tickets.ownership_sql import LONGEST_BASIS, LONGEST_PLACE, concern_of
from web.auth import HOLDER
from web.backend import NotFound
from web.described import OK, described
from web.errors import ApiError
from web.fields import WINDOW, Field, Text, read_body, read_query, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.offices import TicketOffice
from web.shape import answer
from web.tickets import own_regions, seen

_WRITES = frozenset({Role.ADMIN, Role.SUPERVISOR, Role.LEADER})
_READS = _WRITES | {Role.DISPATCHER, Role.INSPECTOR, Role.AGENT}

_ROW: dict[str, Field] = {
    "class_code": Text(64, may_be_empty=True),
    "region": Text(64, may_be_empty=True),
    "place": Text(LONGEST_PLACE, may_be_empty=True),
    "unit": Text(64, required=True),
    "basis": Text(LONGEST_BASIS, required=True),
}


def _office(request: web.Request) -> TicketOffice:
    return request.app[BACKEND].office


def _allowed(request: web.Request, roles: frozenset[Role]) -> None:
    if request[HOLDER].role not in roles:
        raise ApiError(403, "not_allowed")


async def _suggested(request: web.Request, concern: Concern) -> list[dict[str, Any]]:
    tree = request.app[BACKEND].desk.policy.organisations
    found = []
    for one in await _office(request).suggest(concern):
        unit = tree.get(one.unit)
        name = unit.name if unit is not None else ""
        found.append({"unit": one.unit, "name": name, "trust": one.trust, "row": one.row})
    return found


SUGGESTED = [{"unit": str, "name": str, "trust": float, "row": OwnershipRow | None}]
"""Units that seem to own a concern."""

_RATE = {"value": float | None, "hits": int, "tickets": int, "unsuggested": int}


def _names(*names: str) -> dict[str, Field]:
    return dict.fromkeys(names, Text(300, may_be_empty=True))


@described(gives={"ticket": TicketNumber, "units": SUGGESTED})
async def suggest_for_ticket(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/units: the units that seem to own it, best first; ``row`` null = by its class."""
    _allowed(request, _READS)
    ticket = await seen(request)
    return answer({"ticket": ticket.number, "units": await _suggested(request, concern_of(ticket))})


@described(query=_names("class_code", "region", "address"), gives={"units": SUGGESTED})
async def suggest_unit(request: web.Request) -> web.Response:
    """GET /api/ownership/suggest?class_code=&region=&address=: the same while a ticket is being written."""
    _allowed(request, _READS)
    given = read_query(request)
    concern = Concern(given.get("class_code", ""), given.get("region", ""), given.get("address", ""))
    return answer({"units": await _suggested(request, concern)})


@described(query=_names("class_code", "unit"), gives={"rows": list[OwnershipRow]})
async def list_rows(request: web.Request) -> web.Response:
    """GET /api/ownership?class_code=&unit=: the rows of the register."""
    _allowed(request, _READS)
    given = read_query(request)
    return answer({"rows": list(await _office(request).ownership(given.get("class_code"), given.get("unit")))})


@described(body=_ROW, gives=OwnershipRow, status=201)
async def add_row(request: web.Request) -> web.Response:
    """POST /api/ownership: enter a row; 201."""
    return answer(await _put(request, 0), 201)


@described(body=_ROW, gives=OwnershipRow)
async def change_row(request: web.Request) -> web.Response:
    """PUT /api/ownership/{id}: write a row anew; what it has learned is kept."""
    return answer(await _put(request, int(request.match_info["id"])))


async def _put(request: web.Request, id: int) -> OwnershipRow:
    _allowed(request, _WRITES)
    body = await read_body(request)
    await _own(request, id, body.get("region", ""))
    row = OwnershipRow(
        id,
        body.get("class_code", ""),
        body.get("region", ""),
        body.get("place", "").strip(),
        body["unit"],
        body["basis"],
        changed_at=request.app[CLOCK](),
        changed_by=request[HOLDER].id,
    )
    return await _office(request).put_ownership(row)


async def _own(request: web.Request, id: int, region: str | None) -> None:
    """A city writes its own rows alone. ApiError 403 for a row that is another's, or shall be, or speaks for all."""
    regions = own_regions(request[HOLDER], request.app[BACKEND].desk.policy)
    if regions is None:
        return
    wanted = [] if region is None else [region]
    if id:
        wanted += [row.region for row in await _office(request).ownership(None, None) if row.id == id]
    if any(one not in regions for one in wanted):
        raise ApiError(403, "not_allowed")


@described(gives=OK)
async def drop_row(request: web.Request) -> web.Response:
    """DELETE /api/ownership/{id}."""
    _allowed(request, _WRITES)
    await _own(request, int(request.match_info["id"]), None)
    if not await _office(request).drop_ownership(int(request.match_info["id"])):
        raise NotFound("row")
    return answer({"ok": True})


@described(query=WINDOW, gives={"since": float, "until": float, **_RATE, "classes": {"*": _RATE}})
async def show_rate(request: web.Request) -> web.Response:
    """GET /api/ownership/hit-rate?since=&until=: how often the register was right, in all and by class."""
    _allowed(request, _READS)
    limits = request.app[LIMITS]
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.longest_window_s, longest_s=limits.ticket_window_s
    )
    regions = own_regions(request[HOLDER], request.app[BACKEND].desk.policy)
    found = dict(await _office(request).hit_rate(window.since, window.until, regions))
    whole = found.pop("*", HitRate(0, 0))
    classes = {code: _rate(one) for code, one in sorted(found.items())}
    return answer({"since": window.since, "until": window.until, **_rate(whole), "classes": classes})


def _rate(rate: HitRate) -> dict[str, Any]:
    return {"value": rate.value, "hits": rate.hits, "tickets": rate.tickets, "unsuggested": rate.unsuggested}
