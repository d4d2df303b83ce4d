"""Supervision (班长席): orders about agents, calls, skills and listening, what is changed for now, and the audit trail.

Every route knows who asks by his token; whether he may is decided by his rights, in the switchboard, which writes every
order into the audit trail, the refused ones too.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from agents.rights import Action
from agents.rights import refusal as right_refusal
from pbx.ids import ActorId, AgentId, CallId, QueueId, SkillId
from pbx.supervision import (
    MoveAsked,
    NotReadyForced,
    QueueChanged,
    QueueOverride,
    ReadyForced,
    ReleaseAsked,
    SignOutForced,
    SkillOverride,
    SkillsChanged,
    SpyAsked,
    SpyEndAsked,
    SpyMode,
)
from web.agents import reason_of
from web.auth import ACTOR
from web.backend import ForcedView, ListenerView, RequestResult
from web.described import described
from web.errors import ApiError, Problem, refusal
from web.fields import WINDOW, Choice, Field, Flag, Instant, Levels, Text, Whole, instant, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer

_REASON = Text(longest=32, required=True)
_QUEUE = Text(longest=32, pattern=re.compile(r"[a-z0-9-]+"))
_AGENT = Text(longest=32, pattern=re.compile(r"[A-Za-z0-9_-]+"))
_MODE = Choice(tuple(mode.value for mode in SpyMode), required=True)
_LONGEST_S = 366 * 86400
_FOR: dict[str, Field] = {"for_s": Whole(1, _LONGEST_S), "until": Instant(), "confirm": Flag()}
DONE = {"ok": bool, "*": str}
"""The answer of an order that has been given; what it tells besides has names of its own."""


def _by(request: web.Request) -> ActorId:
    by = request[ACTOR]
    if by is None:  # the guard lets nobody pass without a token
        raise ApiError(401, "unauthorized")
    return by


def _agent(request: web.Request) -> AgentId:
    return AgentId(request.match_info["agent"])


def _call(request: web.Request) -> CallId:
    return CallId(request.match_info["call"])


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, **result.detail})


def _until(request: web.Request, body: dict[str, Any]) -> float | None:
    """Until when a change shall hold: ``until``, or ``for_s`` seconds from now; without either, until it is changed."""
    if "until" in body and "for_s" in body:
        raise ApiError(400, "bad_request", [Problem("until", "doubled_field")])
    if "for_s" in body:
        return request.app[CLOCK]() + float(body["for_s"])
    return instant(body.get("until"))


# ---------------------------------------------------------------- agents


@described(body={"confirm": Flag()}, gives=DONE)
async def force_ready(request: web.Request) -> web.Response:
    """POST /api/agents/ID/force-ready: 强制示闲."""
    body, agent, by = await read_body(request), _agent(request), _by(request)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: ReadyForced(agent, by, asked, at, body.get("confirm", False))
        )
    )


@described(body={"reason": _REASON, "confirm": Flag()}, gives=DONE)
async def force_not_ready(request: web.Request) -> web.Response:
    """POST /api/agents/ID/force-not-ready with ``{"reason": …}``: 强制示忙."""
    body = await read_body(request)
    agent, by, reason = _agent(request), _by(request), reason_of(body["reason"])
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: NotReadyForced(agent, reason, by, asked, at, body.get("confirm", False))
        )
    )


@described(body={"confirm": Flag()}, gives=DONE)
async def force_sign_out(request: web.Request) -> web.Response:
    """POST /api/agents/ID/force-sign-out: 强制签出."""
    body, agent, by = await read_body(request), _agent(request), _by(request)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: SignOutForced(agent, by, asked, at, body.get("confirm", False))
        )
    )


@described(body={"skills": Levels(required=True, may_be_none=True), **_FOR}, gives=DONE)
async def put_skills(request: web.Request) -> web.Response:
    """PUT /api/agents/ID/skills with ``{"skills": {"english": 4, "approvals": null}, "for_s": 3600}``.

    Skills that are not named stay as they are; null = he has it not.
    """
    body = await read_body(request)
    agent, by, until = _agent(request), _by(request), _until(request, body)
    skills = tuple((SkillId(name), level) for name, level in body["skills"].items())
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: SkillsChanged(agent, skills, until, by, asked, at, confirm=body.get("confirm", False))
        )
    )


@described(body={"confirm": Flag()}, gives=DONE)
async def drop_skills(request: web.Request) -> web.Response:
    """DELETE /api/agents/ID/skills: all skills as the configuration has them."""
    body, agent, by = await read_body(request), _agent(request), _by(request)
    confirm = body.get("confirm", False)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: SkillsChanged(agent, (), None, by, asked, at, back=True, confirm=confirm)
        )
    )


# ---------------------------------------------------------------- queues


@described(body={"skills": Levels(), "priority": Whole(-1000, 1000), **_FOR}, gives=DONE)
async def put_queue(request: web.Request) -> web.Response:
    """PUT /api/queues/ID with ``{"skills": {"mandarin": 1}, "priority": 5, "for_s": 3600}``; the first is primary."""
    body = await read_body(request)
    queue, by, until = QueueId(request.match_info["queue"]), _by(request), _until(request, body)
    given = body.get("skills")
    needs = tuple((SkillId(name), level) for name, level in given.items()) if given is not None else None
    priority, confirm = body.get("priority"), body.get("confirm", False)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: QueueChanged(queue, needs, priority, until, by, asked, at, confirm=confirm)
        )
    )


@described(body={"confirm": Flag()}, gives=DONE)
async def drop_queue(request: web.Request) -> web.Response:
    """DELETE /api/queues/ID: as the configuration has it."""
    body, by = await read_body(request), _by(request)
    queue, confirm = QueueId(request.match_info["queue"]), body.get("confirm", False)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: QueueChanged(queue, None, None, None, by, asked, at, back=True, confirm=confirm)
        )
    )


# ---------------------------------------------------------------- calls


@described(body={}, gives=DONE)
async def release_call(request: web.Request) -> web.Response:
    """POST /api/calls/ID/release: 强拆."""
    await read_body(request)
    call, by = _call(request), _by(request)
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: ReleaseAsked(call, by, asked, at)))


@described(
    body={"queue": _QUEUE, "priority": Whole(-1000, 1000), "head": Flag(), "agent": _AGENT, "confirm": Flag()},
    gives=DONE,
)
async def move_caller(request: web.Request) -> web.Response:
    """POST /api/calls/ID/move: ``queue``, ``priority``, ``head`` (true), or ``agent`` who shall have him at once."""
    body = await read_body(request)
    call, by = _call(request), _by(request)
    return _answered(
        await request.app[BACKEND].supervise(
            lambda asked, at: MoveAsked(
                call,
                by,
                asked,
                at,
                QueueId(body["queue"]) if "queue" in body else None,
                body.get("priority"),
                body.get("head", False),
                AgentId(body["agent"]) if "agent" in body else None,
                body.get("confirm", False),
            )
        )
    )


# ---------------------------------------------------------------- listening


@described(body={"mode": _MODE}, gives=DONE)
async def listen_to_agent(request: web.Request) -> web.Response:
    """POST /api/agents/ID/listen with ``{"mode": …}``: listen, whisper, barge; again with another mode switches."""
    mode = SpyMode((await read_body(request))["mode"])
    agent, by = _agent(request), _by(request)
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: SpyAsked(mode, agent, None, by, asked, at)))


@described(body={"mode": _MODE}, gives=DONE)
async def listen_to_call(request: web.Request) -> web.Response:
    """POST /api/calls/ID/listen: the same, for whoever talks with that caller."""
    mode = SpyMode((await read_body(request))["mode"])
    call, by = _call(request), _by(request)
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: SpyAsked(mode, None, call, by, asked, at)))


@described(body={}, gives=DONE)
async def stop_listening(request: web.Request) -> web.Response:
    """POST /api/supervision/stop-listening: his own phone is hung up."""
    await read_body(request)
    by = _by(request)
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: SpyEndAsked(by, asked, at)))


# ---------------------------------------------------------------- looking


@described(
    gives={
        "forced": list[ForcedView],
        "skills": list[SkillOverride],
        "queues": list[QueueOverride],
        "listeners": list[ListenerView],
    }
)
async def show_supervision(request: web.Request) -> web.Response:
    """GET /api/supervision: what is changed for now, and who listens, as far as the asker may see it."""
    backend = request.app[BACKEND]
    actor, view = backend.actor(_by(request)), backend.supervision()
    listeners = [
        one
        for one in view.listeners
        if not right_refusal(actor, Action.SEE_LISTENERS, [one.queue] if one.queue is not None else [])
    ]
    return answer({"forced": view.forced, "skills": view.skills, "queues": view.queues, "listeners": listeners})


_OF_AGENT = Text(longest=32, may_be_empty=True)


@described(query={**WINDOW, "agent": _OF_AGENT}, gives={"rows": list[dict[str, Any]]})
async def show_audit(request: web.Request) -> web.Response:
    """GET /api/audit?since=&until=&agent=: the trail, oldest first. It names no caller."""
    backend, limits = request.app[BACKEND], request.app[LIMITS]
    if code := right_refusal(backend.actor(_by(request)), Action.READ_AUDIT):
        raise refusal(code)
    window = read_window(
        request,
        now=request.app[CLOCK](),
        usual_s=limits.usual_window_s,
        longest_s=limits.longest_window_s,
        also=("agent",),
    )
    agent = request.query.get("agent", "")
    if code := _OF_AGENT.problem(agent):
        raise ApiError(400, "bad_request", [Problem("agent", code)])
    rows = await backend.audit(window.since, window.until, agent)
    return answer({"rows": list(rows)})
