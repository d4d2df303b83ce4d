"""Follow-up (回访): whom to call back, and one click that calls him. The result is the ticket's move ``follow_up``."""

from __future__ import annotations

import re

from aiohttp import web

from pbx.ids import AgentId, TicketNumber
from tickets.follow_up import Why
from tickets.moves import ADMIN, RIGHTS, Actor, Role, TicketInput, TicketState
from tickets.shown import sees_caller
from tickets.ticket import TicketType
from web.acting import acting
from web.auth import HOLDER
from web.backend import Refused
from web.described import described
from web.errors import ApiError, Problem, refusal
from web.fields import Field, Text, read_body
from web.keys import BACKEND, LIMITS, WebLimits
from web.shape import answer
from web.tickets import actor_of, seen

LONGEST = 500
"""So many are listed at most; there are more when these are done."""

PURPOSE = "follow_up"


def _may(request: web.Request) -> None:
    """ApiError 403 for whoever may not follow up: no unit judges itself."""
    if TicketInput.FOLLOW_UP not in RIGHTS[request[HOLDER].role]:
        raise ApiError(403, "not_allowed")


@described(
    gives={
        "follow_ups": [
            {
                "number": TicketNumber,
                "why": Why,
                "type": TicketType | None,
                "title": str,
                "reply": str,
                "resolved_at": float | None,
                "satisfaction": int | None,
                "unit": str | None,
                "version": int,
                "caller_hidden": bool,
            }
        ]
    }
)
async def list_follow_ups(request: web.Request) -> web.Response:
    """GET /api/follow-ups: the closed tickets to be called back now, and why; by rule before by sample.

    ``why``: ``dissatisfied``, ``redone``, ``late``, ``supervised``, ``sample``. No telephone number: a click dials it.
    """
    _may(request)
    viewer = request[HOLDER]
    found = await request.app[BACKEND].events.follow_ups(LONGEST, viewer)
    return answer(
        {
            "follow_ups": [
                {
                    "number": one.ticket.number,
                    "why": one.why,
                    "type": one.ticket.type,
                    "title": one.ticket.title,
                    "reply": one.ticket.reply,
                    "resolved_at": one.ticket.resolved_at,
                    "satisfaction": one.ticket.satisfaction,
                    "unit": one.ticket.lead_unit,
                    "version": one.ticket.version,
                    "caller_hidden": not sees_caller(one.ticket, viewer),
                }
                for one in found
            ]
        }
    )


def _call_fields(limits: WebLimits, own: Actor = ADMIN) -> dict[str, Field]:
    fields = acting(own)
    if own.role is not Role.AGENT:
        fields["agent"] = Text(32, pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*"), told=_WHOSE_PHONE)
    return fields


_WHOSE_PHONE = (
    "The agent whose phone rings; needed with every token but an agent's own, which calls from his own desk and may "
    "not give it."
)


@described(body=_call_fields, gives={"ok": bool, "ticket": TicketNumber})
async def call(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/follow-up-call: the agent's phone rings, then the citizen's; one click.

    An agent's own token calls from his own desk; the hotline's own names the ``agent`` by ``by`` and ``by_role``. 409
    ``not_closed``, ``no_caller``, or as for ``/dial``. What was said is written by the move ``follow_up``.
    """
    _may(request)
    own = request[HOLDER]
    body = await read_body(request, _call_fields(request.app[LIMITS], own))
    agent = own.id if own.role is Role.AGENT else body.get("agent")
    if agent is None:
        raise ApiError(400, "bad_request", [Problem("agent", "missing")])
    actor_of(request, body)
    if not request.app[BACKEND].desk.knows_agent(agent):
        raise ApiError(404, "unknown_agent", [Problem("agent", "unknown_agent")])
    ticket = await seen(request)
    if ticket.state is not TicketState.RESOLVED:
        raise Refused("not_closed")
    if not ticket.caller:
        raise Refused("no_caller")
    result = await request.app[BACKEND].dial(AgentId(agent), ticket.caller, PURPOSE, ticket.queue)
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, "ticket": ticket.number})
