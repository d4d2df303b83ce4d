"""Open311 GeoReport v2 over HTTP: discovery, services, requests, tokens. Off until `[open311]` switches it on.

An app sends an ``api_key``: an access token (`./hotline token add`) whose bearer may take tickets down. Only requests
that came in by Open311 are shown, and of those no confidential one: who has telephoned has not agreed to be published.
Refusals have the specification's shape, not ours.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.flow import Intake
from tickets.georeport import (
    DESCRIPTION_MAX,
    REQUESTS_MAX,
    SPAN_S,
    NotYours,
    Open311,
    Service,
    ServiceMissing,
    change_of,
    city_asked,
    definition_of,
    instant_of,
    listed,
    request_of,
)
from tickets.moves import MAY_OPEN, OVER, Actor, TicketState
from tickets.search import PAGE_MAX, TicketFilter
from tickets.sight import home_of
from tickets.ticket import Channel, Ticket
from web.auth import HOLDERS
from web.described import described
from web.desk import TicketDesk
from web.errors import ApiError, Handler, Problem, answer_for, message
from web.fields import Field, Text
from web.georeport import JSON, XML, as_json, as_xml
from web.keys import BACKEND, CLOCK

BOTH = (XML, JSON)
FORM = "application/x-www-form-urlencoded"

SPECIFICATION = "http://wiki.open311.org/GeoReport_v2"
CHANGESET = "2026-11-22T00:00:00Z"
"""When what this endpoint offers was last changed (Service Discovery)."""

NUMBERS_MAX = 100
"""So many service_request_id of one query at most: each is looked up."""


OPEN311: web.AppKey[Open311] = web.AppKey("open311", Open311)


def _failed(request: web.Request, error: ApiError) -> web.Response:
    """A refusal as the specification has it: a code and a description, in the format that was asked for."""
    words = [_says(problem) for problem in error.problems] or [
        f"{message(error.code)['en']} {message(error.code)['zh']}"
    ]
    rows = [{"code": error.status, "description": text} for text in words]
    return _written(request, "errors", rows, "error", status=error.status)


def _says(problem: Problem) -> str:
    words = message(problem.code)
    return f"{problem.field}: {words['en']} {words['zh']}"


def _written(request: web.Request, root: str, value: Any, each: str = "", *, status: int = 200) -> web.Response:
    if request.match_info.get("format") == "json":
        return web.Response(body=as_json(value), content_type=JSON, charset="utf-8", status=status)
    return web.Response(body=as_xml(root, value, each), content_type=XML, charset="utf-8", status=status)


def _geo(handler: Handler) -> Handler:
    """The common part: off means that there is no such address; refusals in the specification's shape."""

    @functools.wraps(handler)
    async def asked(request: web.Request) -> web.StreamResponse:
        if not request.app[OPEN311].enabled:
            raise web.HTTPNotFound
        try:
            _check_jurisdiction(request, request.query.get("jurisdiction_id", ""))
            return await handler(request)
        except Exception as error:
            refused = answer_for(error)
            if refused.status == 500:
                raise  # logged, once, where all are
            if refused.status == 422:  # the specification knows 404 for what is not there, 400 for all else
                missing = isinstance(error, ServiceMissing)
                refused = ApiError(404 if missing else 400, refused.code, refused.problems)
            return _failed(request, refused)

    return asked


def _check_jurisdiction(request: web.Request, given: str) -> None:
    """It may be left out where one is served, or the key says which (`city_asked`)."""
    if given and not request.app[OPEN311].knows(given):
        raise ApiError(404, "unknown_jurisdiction", [Problem("jurisdiction_id", "unknown_jurisdiction")])


async def _holder(request: web.Request, key: str) -> Actor:
    """Whose the key is. ApiError 400 where there is none, 403 for one that opens nothing here."""
    if not key:
        raise ApiError(400, "missing", [Problem("api_key", "missing")])
    holder = await request.app[HOLDERS].find(key)
    if holder is None or holder.role not in MAY_OPEN:
        raise ApiError(403, "unauthorized", [Problem("api_key", "not_allowed")])
    return holder


async def _reader(request: web.Request) -> str | None:
    """The city whose requests are asked for, None = the whole installation's. ApiError 400, 403."""
    key = request.query.get("api_key", "")
    holder = None if request.app[OPEN311].public and not key else await _holder(request, key)
    return _city(request, request.query.get("jurisdiction_id", ""), holder)


def _city(request: web.Request, jurisdiction: str, holder: Actor | None) -> str | None:
    tree = _desk(request).policy.organisations
    try:
        return city_asked(request.app[OPEN311], jurisdiction, holder.unit if holder is not None else "", tree)
    except NotYours:
        raise ApiError(403, "unauthorized", [Problem("api_key", "not_allowed")]) from None


def _desk(request: web.Request) -> TicketDesk:
    return request.app[BACKEND].desk


async def _published(request: web.Request, number: str, city: str | None) -> Ticket | None:
    """The ticket of a request; None for one that is not shown to who asks for those of `city`."""
    ticket = await _desk(request).ticket(TicketNumber(number))
    return ticket if ticket is not None and _shown(request, ticket, city) else None


def _shown(request: web.Request, ticket: Ticket, city: str | None) -> bool:
    if ticket.channel is not Channel.OPEN311 or ticket.confidential:
        return False
    policy = _desk(request).policy
    return city is None or policy.organisations.hotline(home_of(ticket, policy)) == city


# ---------------------------------------------------------------- what there is

_COMMON: dict[str, Field] = {"jurisdiction_id": Text(200, may_be_empty=True)}
_READ: dict[str, Field] = {**_COMMON, "api_key": Text(200, may_be_empty=True)}


@described(media=BOTH, query={}, refuses=(400, 404), own_errors=True)
@_geo
async def show_discovery(request: web.Request) -> web.Response:
    """GET /open311/discovery.xml|json: where the endpoint is, and which formats it speaks (Service Discovery)."""
    rules = request.app[OPEN311]
    base = rules.url.rstrip("/") or f"{request.url.origin()}/open311/v2"
    found = {
        "changeset": CHANGESET,
        "contact": rules.contact or None,
        "key_service": rules.key_service or None,
        "endpoints": [
            {
                "specification": SPECIFICATION,
                "url": base,
                "changeset": CHANGESET,
                "type": "production",
                "formats": list(BOTH),
            }
        ],
    }
    return _written(request, "discovery", found)


@described(media=BOTH, query=_COMMON, refuses=(400, 404), own_errors=True)
@_geo
async def list_services(request: web.Request) -> web.Response:
    """GET /open311/v2/services.xml|json: the kinds of requests."""
    return _written(request, "services", [listed(one) for one in request.app[OPEN311].services], "service")


@described(media=BOTH, query=_COMMON, refuses=(400,), own_errors=True)
@_geo
async def show_service(request: web.Request) -> web.Response:
    """GET /open311/v2/services/CODE.xml|json: the questions of one kind."""
    code = request.match_info["code"]
    found = next((one for one in request.app[OPEN311].services if one.code == code), None)
    if found is None:
        raise ApiError(404, "unknown_service", [Problem("service_code", "unknown_service")])
    return _written(request, "service_definition", definition_of(found))


# ---------------------------------------------------------------- requests

_FORM: dict[str, Field] = {
    "api_key": Text(200, required=True),
    "jurisdiction_id": Text(200, may_be_empty=True),
    "service_code": Text(64, required=True),
    "lat": Text(40, may_be_empty=True),
    "long": Text(40, may_be_empty=True),
    "address_string": Text(200, may_be_empty=True),
    "address_id": Text(100, may_be_empty=True),
    "email": Text(200, may_be_empty=True),
    "device_id": Text(200, may_be_empty=True),
    "account_id": Text(200, may_be_empty=True),
    "first_name": Text(60, may_be_empty=True),
    "last_name": Text(60, may_be_empty=True),
    "phone": Text(40, may_be_empty=True),
    "description": Text(DESCRIPTION_MAX, may_be_empty=True),
    "media_url": Text(2000, may_be_empty=True),
}


@described(body=_FORM, takes=(FORM,), media=BOTH, refuses=(400, 403), own_errors=True)
@_geo
async def take_request(request: web.Request) -> web.Response:
    """POST /open311/v2/requests.xml|json, form-encoded: a ticket is taken down; answers with its number at once.

    ``attribute[CODE]=value`` answers a service's question, ``attribute[CODE][]=value`` with several values. Arguments
    that the specification does not name are passed over.
    """
    if request.content_type != FORM:
        raise ApiError(415, "not_a_form")
    form, answers = _sorted(list((await request.post()).items()))
    problems = [Problem(name, code) for name, value in form.items() if (code := _FORM[name].problem(value)) and value]
    if problems:
        raise ApiError(400, "bad_request", problems)
    holder = await _holder(request, form.get("api_key", "") or request.query.get("api_key", ""))
    _check_jurisdiction(request, form.get("jurisdiction_id", ""))
    city = _city(request, form.get("jurisdiction_id", "") or request.query.get("jurisdiction_id", ""), holder)
    wanted = change_of(form, answers, request.app[OPEN311].services)
    if city is not None and not holder.unit:
        holder = replace(holder, unit=city)  # it is taken down for the city that was named
    ticket = await _desk(request).take(Intake(Channel.OPEN311, request.app[CLOCK]()), wanted, holder)
    row = {"service_request_id": ticket.number, "service_notice": None, "account_id": form.get("account_id") or None}
    return _written(request, "service_requests", [row], "request")


def _sorted(pairs: Sequence[tuple[str, Any]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The arguments by name and the answers by attribute. ApiError 400 for one that stands there twice."""
    form: dict[str, str] = {}
    answers: dict[str, list[str]] = {}
    for name, value in pairs:
        if not isinstance(value, str):
            raise ApiError(400, "bad_request", [Problem("", "not_text")])
        if name.startswith("attribute[") and (code := name.removeprefix("attribute[").removesuffix("[]")).endswith("]"):
            if problem := Text(1000, may_be_empty=True).problem(value):
                raise ApiError(400, "bad_request", [Problem("attribute", problem)])
            answers.setdefault(code[:-1], []).append(value)
        elif name in form:
            raise ApiError(400, "bad_request", [Problem(name, "doubled_field")])
        elif name in _FORM:
            form[name] = value
    return form, answers


_QUERY: dict[str, Field] = {
    **_READ,
    "service_request_id": Text(4000, may_be_empty=True),
    "service_code": Text(2000, may_be_empty=True),
    "start_date": Text(40, may_be_empty=True),
    "end_date": Text(40, may_be_empty=True),
    "status": Text(40, may_be_empty=True),
}


@described(media=BOTH, query=_QUERY, refuses=(400, 403, 404), own_errors=True)
@_geo
async def list_requests(request: web.Request) -> web.Response:
    """GET /open311/v2/requests.xml|json: those of the last 90 days, newest first, 1000 at most.

    ``service_request_id`` (several by commas) overrides ``service_code``, ``start_date``, ``end_date``, ``status``.
    """
    given = {name: request.query.get(name, "").strip() for name in _QUERY}
    problems = [Problem(name, code) for name, value in given.items() if value and (code := _QUERY[name].problem(value))]
    if problems:
        raise ApiError(400, "bad_request", problems)
    city = await _reader(request)
    if numbers := [one.strip() for one in given["service_request_id"].split(",") if one.strip()]:
        if len(numbers) > NUMBERS_MAX or not all(
            one.isascii() and one.isdecimal() and len(one) <= 32 for one in numbers
        ):
            raise ApiError(400, "bad_request", [Problem("service_request_id", "bad_characters")])
        looked_up = [await _published(request, one, city) for one in dict.fromkeys(numbers)]
        return _requests(request, [one for one in looked_up if one is not None])
    return _requests(request, await _found(request, given, city))


def _requests(request: web.Request, tickets: Sequence[Ticket]) -> web.Response:
    services, units = request.app[OPEN311].services, _desk(request).policy.units
    rows = [request_of(one, services, units) for one in tickets]
    return _written(request, "service_requests", rows, "request")


async def _found(request: web.Request, given: dict[str, str], city: str | None) -> list[Ticket]:
    since, until = _span(given, request.app[CLOCK]())
    services = request.app[OPEN311].services
    codes = {one.strip() for one in given["service_code"].split(",") if one.strip()}
    if codes - {one.code for one in services}:
        raise ApiError(404, "unknown_service", [Problem("service_code", "unknown_service")])
    wanted = [one for one in services if one.code in codes]
    states = _states(given["status"])
    found: deque[Ticket] = deque(maxlen=REQUESTS_MAX)
    after: TicketNumber | None = None
    while True:
        page = await _desk(request).page(
            TicketFilter(since, until, states, channel=Channel.OPEN311, after=after, limit=PAGE_MAX)
        )
        found.extend(
            one
            for one in page.tickets
            if _shown(request, one, city) and (not wanted or any(_is_of(one, service) for service in wanted))
        )
        after = page.next
        if after is None:
            return list(reversed(found))


def _is_of(ticket: Ticket, service: Service) -> bool:
    return ticket.type is service.type and service.class_code in ("", ticket.class_code)


def _span(given: dict[str, str], now: float) -> tuple[float, float]:
    """The span that was asked for; the last 90 days where nothing was, and never a longer one."""
    at: dict[str, float | None] = {}
    for name in ("start_date", "end_date"):
        at[name] = instant_of(given[name].replace(" ", "+")) if given[name] else None  # a plus that a form has eaten
        if given[name] and at[name] is None:
            raise ApiError(400, "bad_request", [Problem(name, "not_an_instant")])
    since, until = at["start_date"], at["end_date"]
    until = until + 1.0 if until is not None else (since + SPAN_S if since is not None else now + 1.0)
    since = since if since is not None else until - SPAN_S
    if until < since:
        raise ApiError(400, "bad_request", [Problem("end_date", "until_before_since")])
    if until - since > SPAN_S + 1.0:
        raise ApiError(400, "bad_request", [Problem("start_date", "window_too_long")])
    return since, until


def _states(given: str) -> frozenset[TicketState] | None:
    words = {one.strip() for one in given.split(",") if one.strip()}
    if words - {"open", "closed"}:
        raise ApiError(400, "bad_request", [Problem("status", "unknown_word", ("open", "closed"))])
    if len(words) != 1:
        return None
    return OVER if words == {"closed"} else frozenset(TicketState) - OVER


@described(media=BOTH, query=_READ, refuses=(400, 403), own_errors=True)
@_geo
async def show_request(request: web.Request) -> web.Response:
    """GET /open311/v2/requests/NUMBER.xml|json."""
    ticket = await _published(request, request.match_info["number"], await _reader(request))
    if ticket is None:
        raise ApiError(404, "unknown_ticket", [Problem("service_request_id", "unknown_ticket")])
    return _requests(request, [ticket])


@described(media=BOTH, query=_READ, refuses=(400, 403), own_errors=True)
@_geo
async def show_token(request: web.Request) -> web.Response:
    """GET /open311/v2/tokens/TOKEN.xml|json: every request has its number at once, and the number is its token."""
    token = request.match_info["token"]
    ticket = await _published(request, token, await _reader(request))
    if ticket is None:
        raise ApiError(404, "unknown_token", [Problem("token", "unknown_token")])
    return _written(request, "service_requests", [{"service_request_id": ticket.number, "token": token}], "request")


_FORMAT = "{format:xml|json}"

ROUTES = (
    ("GET", f"/open311/discovery.{_FORMAT}", show_discovery),
    ("GET", f"/open311/v2/services.{_FORMAT}", list_services),
    ("GET", f"/open311/v2/services/{{code:[A-Za-z0-9_-]{{1,64}}}}.{_FORMAT}", show_service),
    ("POST", f"/open311/v2/requests.{_FORMAT}", take_request),
    ("GET", f"/open311/v2/requests.{_FORMAT}", list_requests),
    ("GET", f"/open311/v2/requests/{{number:[0-9]{{1,32}}}}.{_FORMAT}", show_request),
    ("GET", f"/open311/v2/tokens/{{token:[0-9]{{1,32}}}}.{_FORMAT}", show_token),
)
"""The endpoint's routes; each asks for its own key where it needs one."""
