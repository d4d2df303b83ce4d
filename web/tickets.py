"""Tickets (工单): list, show, take down, fill in, move. Who may do what is the ticket's own rule (`tickets/flow.py`).

A bearer of an access token acts as himself. The bearer of the hotline's own token acts for the hotline, or for whom he
names: ``by``, ``by_role`` and ``by_unit``; ``agent`` names an agent.
"""

from __future__ import annotations

import asyncio
import enum
import re
from typing import Any, TypeVar

from aiohttp import web

from pbx.ids import TicketNumber
from tickets.accuracy import accuracy
from tickets.approvals import ApprovalKind
from tickets.flow import Intake, TicketConflict, may
from tickets.given import Move
from tickets.moves import ADMIN, OVER, SEES_HIDDEN, Actor, Role, TicketInput, TicketState
from tickets.schedule import Act
from tickets.search import PAGE_MAX, TicketFilter
from tickets.shown import knows_caller, sees_ticket, shown, shown_moves
from tickets.sight import Part
from tickets.ticket import PRIVATE, Channel, Ticket, TicketChange, TicketMove, TicketPolicy, TicketType, Urgency
from tickets.times import Standing, standing
from web.acting import ROLES, acting, named_agent
from web.auth import HOLDER
from web.backend import NotFound
from web.described import described
from web.desk import TicketDesk
from web.errors import ApiError, Problem, message
from web.fields import WINDOW, Choice, Field, Flag, Instant, Names, Number, Text, Whole, instant, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS, WebLimits
from web.schema import shape_of
from web.shape import answer, dumps

W = TypeVar("W", bound=enum.Enum)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBER = re.compile(r"[0-9]{1,32}")


def _about(limits: WebLimits) -> dict[str, Field]:
    """The fields of a ticket that people write."""
    line = Text(limits.title_length, may_be_empty=True)
    return {
        "type": Text(32),
        "title": line,
        "text": Text(limits.text_length, may_be_empty=True),
        "class_code": Text(64, may_be_empty=True),
        "region": Text(64, may_be_empty=True),
        "address": line,
        "lat": Number(-90.0, 90.0),
        "lon": Number(-180.0, 180.0),
        "event_at": Instant(),
        "urgency": Text(32),
        "proposed_unit": Text(64, pattern=_NAME),
        "caller": line,
        "caller_name": line,
        "caller_region": line,
        "anonymous": Flag(),
        "confidential": Flag(),
    }


TICKET = {
    **{name: shape | None if name in PRIVATE else shape for name, shape in shape_of(Ticket).items()},
    "part": Part,
    "caller_hidden": bool,
    "standing": Standing,
}
"""A ticket as people see it (`tickets.shown`)."""

REMINDED = {"no": int, "act": Act, "rule": str, "due": float, "made_at": float}
"""What was said of a ticket because of its clocks; a unit is shown what was said to units."""

TICKET_TO_MOVE = {**TICKET, "may": list[TicketInput]}
"""The same, with what the bearer can do to it now."""


def actor_of(request: web.Request, body: dict[str, Any]) -> Actor:
    """Who acts. ApiError 400 for a role that there is not, 404 for an agent whom nobody knows."""
    own = request[HOLDER]
    if own.role is not Role.ADMIN:
        return own
    id, role, unit = body.get("by"), body.get("by_role"), body.get("by_unit", "")
    if body.get("agent") is not None:
        id, role = body["agent"], Role.AGENT.value
    if id is None and role is None:
        return Actor(ADMIN.id, ADMIN.role, unit)
    try:
        found = Actor(id or "", Role(role), unit)
    except ValueError:
        raise ApiError(400, "bad_request", [Problem("by_role", "unknown_role", ROLES)]) from None
    if not found.id or found.role is Role.ADMIN and found.id != ADMIN.id:
        raise ApiError(400, "bad_request", [Problem("by", "missing")])
    if found.role is Role.AGENT and not _desk(request).knows_agent(found.id):
        raise NotFound("agent")
    return found


def _desk(request: web.Request) -> TicketDesk:
    return request.app[BACKEND].desk


def _shown(request: web.Request, ticket: Ticket, viewer: Actor) -> dict[str, Any]:
    """A ticket as `viewer` may see it, and how it stands with its clocks now."""
    return {
        **shown(ticket, viewer, _desk(request).policy),
        "standing": standing(ticket, _desk(request).policy, request.app[CLOCK]()),
    }


def one_answer(request: web.Request, ticket: Ticket, viewer: Actor, status: int = 200) -> web.Response:
    """A ticket as `viewer` may see it, with what he can do to it now."""
    return answer({**_shown(request, ticket, viewer), "may": may(ticket, viewer, _desk(request).policy)}, status)


def conflict_answer(request: web.Request, conflict: TicketConflict, viewer: Actor) -> web.Response:
    """409 with the ticket as it is now: nothing of what the second one wanted was written, nothing of it is lost."""
    policy = _desk(request).policy
    body = {"error": conflict.code, "message": message(conflict.code), "ticket": shown(conflict.ticket, viewer, policy)}
    return answer(body, 409)


async def seen(request: web.Request) -> Ticket:
    """The ticket of the path, if the bearer may look at it; a unit is told nothing of those that are not its own."""
    ticket = await _desk(request).ticket(TicketNumber(request.match_info["number"]))
    if ticket is None or not sees_ticket(ticket, request[HOLDER], _desk(request).policy):
        raise NotFound("ticket")
    return ticket


# ---------------------------------------------------------------- looking


def scope(viewer: Actor, policy: TicketPolicy) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """`units` and `near` of a list (`tickets.search.TicketFilter`): no ticket outside is seen by `viewer`.

    Inside there may be some that he does not see: `sees_ticket` decides.
    """
    if viewer.unit and len(policy.organisations):
        return None, policy.organisations.below(viewer.unit)  # of one that is gone: nothing
    return (frozenset({viewer.unit}) if viewer.role is Role.UNIT else None), None


def own_regions(viewer: Actor, policy: TicketPolicy) -> frozenset[str] | None:
    """The regions whose figures are the viewer's business: those of his own hotline; None = all.

    Who acts for an organisation that is gone has none.
    """
    return policy.organisations.served(viewer.unit) if viewer.unit and len(policy.organisations) else None


_FILTERS: dict[str, Field] = {
    **dict.fromkeys(
        ("state", "type", "urgency", "channel", "class_code", "region", "agent", "unit", "incident", "repeat_of"),
        Text(300, may_be_empty=True),
    ),
    "q": Text(200, may_be_empty=True),
    "place": Text(200, may_be_empty=True),
    "caller": Text(32, may_be_empty=True),
    "order": Text(6, may_be_empty=True),
    "asked": Text(300, may_be_empty=True),
    "supervised": Text(5, may_be_empty=True),
    "after": Text(32, may_be_empty=True),
    "limit": Text(9, may_be_empty=True),
}


@described(
    query={**WINDOW, **_FILTERS},
    gives={
        "since": float,
        "until": float,
        "tickets": [{**TICKET, "reminders": [REMINDED]}],
        "next": TicketNumber | None,
    },
    refuses=(422,),
)
async def list_tickets(request: web.Request) -> web.Response:
    """GET /api/tickets?since=&until=: the tickets opened in the window, oldest first, a page at a time.

    The window is the last day, and all time where ``state`` or ``asked`` say what is to be done, and where ``q`` (words
    of title, text or address, each pair of characters), ``place`` (words of the address) or ``caller`` (the number that
    called) say what is looked for; these come newest first, or as ``order`` says: ``oldest``, ``newest``. Beside it:
    ``state`` (several by commas, or ``open``), ``type``, ``urgency``, ``channel``, ``class_code``, ``region``,
    ``agent``, ``unit``, ``incident``, ``repeat_of``, ``asked`` (a kind of request that waits), ``supervised`` (true,
    false), ``after`` (the ``next`` of the page before), ``limit``. A unit sees its own.
    """
    limits = request.app[LIMITS]
    sought = any(request.query.get(name) for name in ("q", "place", "caller"))
    work = sought or "state" in request.query or "asked" in request.query  # what is to be done has no date
    window = read_window(
        request,
        now=request.app[CLOCK](),
        usual_s=limits.ticket_window_s if work else limits.usual_window_s,
        longest_s=limits.ticket_window_s,
        also=_FILTERS,
    )
    given = _texts(request)
    problems: list[Problem] = []

    def kind(name: str, words: type[W]) -> W | None:
        try:
            return words(given[name]) if name in given else None
        except ValueError:
            problems.append(Problem(name, "unknown_word", tuple(str(word.value) for word in words)))
            return None

    states = None
    if (wanted := given.get("state")) is not None:
        try:
            states = (
                frozenset(TicketState) - OVER if wanted == "open" else frozenset(map(TicketState, wanted.split(",")))
            )
        except ValueError:
            states_told = ("open", *(state.value for state in TicketState))
            problems.append(Problem("state", "unknown_word", states_told))
    viewer = request[HOLDER]
    units, near = scope(viewer, _desk(request).policy)
    if "unit" in given:
        units = frozenset({given["unit"]}) & (units if units is not None else frozenset({given["unit"]}))
    limit = given.get("limit", str(PAGE_MAX))
    if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit[:9]) <= PAGE_MAX:
        problems.append(Problem("limit", "out_of_range"))
        limit = "1"
    if (order := given.get("order") or ("newest" if sought else "oldest")) not in ("newest", "oldest"):
        problems.append(Problem("order", "unknown_word", ("newest", "oldest")))
    if (marked := given.get("supervised")) not in (None, "true", "false"):
        problems.append(Problem("supervised", "not_true_or_false"))
    if "after" in given and not _NUMBER.fullmatch(given["after"]):
        problems.append(Problem("after", "bad_characters"))
    found = TicketFilter(
        window.since,
        window.until,
        states,
        kind("type", TicketType),
        kind("urgency", Urgency),
        kind("channel", Channel),
        given.get("class_code"),
        given.get("region"),
        given.get("agent"),
        units,
        given.get("incident"),
        given.get("repeat_of"),
        kind("asked", ApprovalKind),
        None if marked is None else marked == "true",
        near,
        given.get("q") or None,
        given.get("place") or None,
        given.get("caller") or None,
        None if viewer.role in SEES_HIDDEN else viewer,
        order == "newest",
        TicketNumber(given["after"]) if "after" in given else None,
        int(limit),
    )
    if problems:
        raise ApiError(400, "bad_request", problems)
    page = await _desk(request).page(found)
    policy = _desk(request).policy
    # Whose caller the bearer may not know is not found by his number either.
    seen_by = knows_caller if found.caller is not None else sees_ticket
    mine = [one for one in page.tickets if seen_by(one, viewer, policy)]
    reminders = await request.app[BACKEND].reminders.of([one.number for one in mine])
    texts = []
    for place, ticket in enumerate(mine):
        if place % _AT_ONCE == 0:
            await asyncio.sleep(0)  # a page of many tickets must not keep calls waiting
        reminded = [
            {name: getattr(made, name) for name in REMINDED}
            for made in reminders.get(ticket.number, ())
            if viewer.role is not Role.UNIT or Role.UNIT.value in made.to
        ]
        texts.append(dumps({**_shown(request, ticket, viewer), "reminders": reminded}))
    rest = dumps({"since": window.since, "until": window.until, "next": page.next})
    return web.json_response(text=f'{{"tickets":[{",".join(texts)}],{rest[1:]}')


_AT_ONCE = 16
"""So many tickets are written into a page before the loop may do something else: some milliseconds."""


def _texts(request: web.Request) -> dict[str, str]:
    """The filters that were given. ApiError 400 for one that stands there twice, is too long or cannot be stored."""
    problems = []
    for name, field in _FILTERS.items():
        values = request.query.getall(name, [])
        if len(values) > 1:
            problems.append(Problem(name, "doubled_field"))
        elif values and (code := field.problem(values[0])):
            problems.append(Problem(name, code))
    if problems:
        raise ApiError(400, "bad_request", problems)
    return {name: request.query[name] for name in _FILTERS if name in request.query}


@described(gives=TICKET_TO_MOVE)
async def show_ticket(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}, with what the bearer can do to it now (``may``)."""
    return one_answer(request, await seen(request), request[HOLDER])


@described(gives={"ticket": TicketNumber, "moves": list[TicketMove]})
async def show_moves(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/moves: everything that was done to it, in order."""
    ticket = await seen(request)
    moves = await _desk(request).moves(ticket.number)
    return answer(
        {"ticket": ticket.number, "moves": shown_moves(ticket, moves, request[HOLDER], _desk(request).policy)}
    )


@described(
    query=WINDOW,
    gives={
        "since": float,
        "until": float,
        "accuracy": [
            {
                "kind": ApprovalKind,
                "value": float | None,
                "target": float | None,
                "met": bool | None,
                "right": list[Any],
                "wrong": list[Any],
                "unjudged": list[Any],
            }
        ],
    },
)
async def show_accuracy(request: web.Request) -> web.Response:
    """GET /api/tickets/accuracy?since=&until=: how accurate the decisions of the window are, and the tickets behind.

    Those of the bearer's own hotline; of all of them for one who acts for the whole installation.
    """
    if request[HOLDER].role not in (Role.ADMIN, Role.SUPERVISOR, Role.INSPECTOR, Role.LEADER):
        raise ApiError(403, "not_allowed")
    limits = request.app[LIMITS]
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.longest_window_s, longest_s=limits.ticket_window_s
    )
    regions = own_regions(request[HOLDER], _desk(request).policy)
    figures = accuracy(await _desk(request).decided(window.since, window.until, regions))
    return answer(
        {
            "since": window.since,
            "until": window.until,
            "accuracy": [
                {
                    "kind": one.kind,
                    "value": one.value,
                    "target": one.target,
                    "met": one.met,
                    "right": one.right,
                    "wrong": one.wrong,
                    "unjudged": one.unjudged,
                }
                for one in figures.values()
            ],
        }
    )


# ---------------------------------------------------------------- writing


_TAKEN_BY = tuple(
    one.value for one in Channel if one not in (Channel.PHONE, Channel.EXCHANGE, Channel.OPEN311)
)  # fmt: skip
"""The channels of tickets that nobody but who takes them down knows."""


def _take_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    return {
        **_about(limits),
        "channel": Choice(_TAKEN_BY, code="unknown_channel"),
        "language": Text(8, pattern=re.compile(r"[a-z]{2,3}(-[A-Za-z]{2,4})?")),
        **acting(own),
        **named_agent(own),
    }


@described(body=_take_fields, gives=TICKET_TO_MOVE, status=201)
async def take_ticket(request: web.Request) -> web.Response:
    """POST /api/tickets: take down a ticket that no call opened, with whatever is known of it; 201.

    ``channel`` is ``api`` unless it says otherwise, and never ``phone``: a call opens its own.
    """
    own = request[HOLDER]
    body = await read_body(request, _take_fields(request.app[LIMITS], own))
    channel = Channel(body.get("channel", "api"))
    actor = actor_of(request, body)
    intake = Intake(channel, request.app[CLOCK](), body.get("language", "zh"))
    ticket = await _desk(request).take(intake, _change(body), actor)
    return one_answer(request, ticket, actor, 201)


def _change(body: dict[str, Any]) -> TicketChange:
    names = TicketChange.__dataclass_fields__
    values = {name: value for name, value in body.items() if name in names}
    if "event_at" in values:
        values["event_at"] = instant(values["event_at"])
    return TicketChange(**values)


def _change_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    return {**_about(limits), "version": Whole(0, 10**9), **named_agent(own)}


@described(body=_change_fields, gives=TICKET_TO_MOVE)
async def change_ticket(request: web.Request) -> web.Response:
    """PATCH /api/tickets/{number} with any of the ticket's fields; the hotline's own token may name the ``agent``.

    ``version`` is the one that the person saw; without it the change is made to the ticket as it is. Answers with the
    ticket as stored, after its commit.
    """
    own = request[HOLDER]
    body = await read_body(request, _change_fields(request.app[LIMITS], own))
    wanted = _change(body)
    if wanted == TicketChange():
        raise ApiError(400, "bad_request", [Problem("", "nothing_to_change")])
    actor = actor_of(request, body)
    if own.unit:
        await seen(request)
    number = TicketNumber(request.match_info["number"])
    try:
        ticket = await _desk(request).change(number, wanted, actor, body.get("version"))
    except TicketConflict as conflict:
        return conflict_answer(request, conflict, own)
    return one_answer(request, ticket, own)


def _move_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    return {
        "move": Choice(tuple(move.value for move in TicketInput), required=True, code="unknown_move"),
        "version": Whole(0, 10**9, required=True),
        "reason": Text(limits.text_length, may_be_empty=True),
        "text": Text(limits.text_length, may_be_empty=True),
        "unit": Text(64),
        "co_units": Names(50),
        "until": Instant(),
        "pause": Text(64),
        "approval": Whole(1, 10**6),
        "right": Flag(),
        "into": Text(32, pattern=_NUMBER),
        "incident": Text(64),
        "contacted": Flag(),
        "solved": Flag(),
        "satisfied": Flag(),
        **acting(own),
    }


@described(body=_move_fields, gives=TICKET_TO_MOVE)
async def move_ticket(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/moves ``{"move": "refer", "version": 3, "unit": "water", …}``.

    Which fields a move needs and takes: see docs/tickets.md, the table of moves. Answers with the ticket as stored,
    after its commit; 409 with ``conflict`` and the ticket as it is when somebody else was faster.
    """
    own = request[HOLDER]
    body = await read_body(request, _move_fields(request.app[LIMITS], own))
    what = TicketInput(body["move"])
    actor = actor_of(request, body)
    values = {name: body[name] for name in Move.__dataclass_fields__ if name in body}
    if "until" in values:
        values["until"] = instant(values["until"])
    if "co_units" in values:
        values["co_units"] = tuple(values["co_units"])
    if actor.unit:
        found = await _desk(request).ticket(TicketNumber(request.match_info["number"]))
        if found is None or not sees_ticket(found, actor, _desk(request).policy):
            raise NotFound("ticket")
    number = TicketNumber(request.match_info["number"])
    try:
        ticket = await _desk(request).move(number, Move(what, **values), actor)
    except TicketConflict as conflict:
        return conflict_answer(request, conflict, own)
    return one_answer(request, ticket, own)
