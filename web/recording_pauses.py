"""暂停录音: the agent who has the call, or a supervisor, keeps a card's number out of its recording; and its facts.

Who may is decided in the switchboard, which writes each order into the audit trail, the refused ones too.
"""

from __future__ import annotations

import re

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, AgentId, CallId
from pbx.supervision import RecordingPauseAsked
from tickets.moves import Role
from web.auth import ACTOR, HOLDER
from web.backend import NotFound
from web.capture_desk import RecordingFacts
from web.described import described
from web.errors import MESSAGES, ApiError, refusal
from web.fields import Text, read_body
from web.keys import BACKEND
from web.shape import answer

MESSAGES["not_recorded"] = ("此通话没有在录音", "this call is not being recorded")

_BODY = {"agent": Text(longest=32, pattern=re.compile(r"[A-Za-z0-9_-]+"))}
_DONE = {"ok": bool, "recording": str}


@described(body=_BODY, gives=_DONE)
async def pause_recording(request: web.Request) -> web.Response:
    """POST /api/calls/{call}/recording/pause: 暂停录音, silence is recorded until it goes on; the time line runs.

    With the access token of the agent who has the call, a supervisor's token (right ``record``), or the API token,
    which may name the agent for whom it asks: ``{"agent": …}``. Asking again changes nothing.
    """
    return await _ask(request, on=True)


@described(body=_BODY, gives=_DONE)
async def resume_recording(request: web.Request) -> web.Response:
    """POST /api/calls/{call}/recording/resume: 恢复录音. Who may: as for pausing."""
    return await _ask(request, on=False)


@described(gives=RecordingFacts)
async def show_facts(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/recording/facts: what the caller was told, pauses, seal, and what the check has found."""
    facts = await request.app[BACKEND].capture.facts(CallId(request.match_info["call"]))
    if facts is None:
        raise NotFound("call")
    return answer(facts)


async def _ask(request: web.Request, *, on: bool) -> web.Response:
    body = await read_body(request)
    call, by, agent = CallId(request.match_info["call"]), *_who(request, body.get("agent"))
    result = await request.app[BACKEND].supervise(lambda asked, at: RecordingPauseAsked(call, on, agent, by, asked, at))
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, "recording": "paused" if on else "on"})


def _who(request: web.Request, named: str | None) -> tuple[ActorId, AgentId | None]:
    """Who asks, and as which agent. ApiError 403 for who works on tickets and is no agent, or speaks for another."""
    actor, holder = request[ACTOR], request[HOLDER]
    if actor == ADMIN:
        return (ActorId(named), AgentId(named)) if named is not None else (ADMIN, None)
    if actor is not None and named is None:
        return actor, None
    if actor is None and holder.role is Role.AGENT and named in (None, holder.id):
        return ActorId(holder.id), AgentId(holder.id)
    raise ApiError(403, "not_allowed")
