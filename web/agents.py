"""Agents' requests: sign-in, ready, not ready, sign-out, third party. 签入 示闲 示忙 签出 三方通话."""

from __future__ import annotations

import re

from aiohttp import web

from pbx.events import TargetKind, TicketWords
from pbx.ids import AgentId, TicketNumber
from tickets.ticket import TicketType
from web.backend import RequestResult
from web.described import OK, Either, described
from web.errors import ApiError, Problem, refusal
from web.fields import Choice, Field, Number, Text, read_body
from web.keys import BACKEND, LIMITS, WebLimits
from web.shape import answer

_REASON = Text(longest=32, required=True)
_REASON_ID = re.compile(r"[a-z0-9_-]+")
_EXTEND = Number(least=1, most=86400, required=True)
_SEAT = Text(longest=32, pattern=re.compile(r"[A-Za-z0-9_-]+"))
_TARGET = Text(longest=32, required=True, pattern=re.compile(r"[A-Za-z0-9+*#_-]+"))
_KIND = Choice(tuple(kind.value for kind in TargetKind), required=True)
_WAY = Choice(("transfer", "three_way", "ticket"), required=True)
_DIGITS = Text(longest=32, required=True, pattern=re.compile(r"[0-9*#A-D]+"))
_PURPOSE = Text(longest=32, pattern=re.compile(r"[a-z0-9_-]+"))
_QUEUE = Text(longest=32, pattern=re.compile(r"[a-z0-9-]+"))
_ENDPOINT = Text(longest=32, required=True, pattern=re.compile(r"[A-Za-z0-9_-]+"))


def _agent(request: web.Request) -> AgentId:
    return AgentId(request.match_info["agent"])


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True})


def reason_of(given: str) -> str:
    """A not-ready reason as the hotline is asked for it: what can be none is ``?``, and no free text goes on from here.

    The refusal is the hotline's own, which knows the reasons that there are, and puts it into the trail.
    """
    return given if _REASON_ID.fullmatch(given) else "?"


@described(body={"seat": _SEAT}, gives=OK)
async def sign_in(request: web.Request) -> web.Response:
    """POST …/sign-in: 签入, with ``{"seat": …}`` at another phone than his own."""
    body = await read_body(request)
    seat = AgentId(body["seat"]) if "seat" in body else None
    return _answered(await request.app[BACKEND].sign_in(_agent(request), seat))


@described(body={}, gives=OK)
async def ready(request: web.Request) -> web.Response:
    """POST …/ready: 示闲."""
    await read_body(request)
    return _answered(await request.app[BACKEND].ready(_agent(request)))


@described(body={"reason": _REASON}, gives=OK)
async def not_ready(request: web.Request) -> web.Response:
    """POST …/not-ready with ``{"reason": …}``: 示忙."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].not_ready(_agent(request), reason_of(body["reason"])))


@described(body={"extend_s": _EXTEND}, gives=OK)
async def wrap_up(request: web.Request) -> web.Response:
    """POST …/wrap-up with ``{"extend_s": …}``: so many seconds more of 话后整理."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].extend_wrap_up(_agent(request), float(body["extend_s"])))


@described(body={}, gives=OK)
async def sign_out(request: web.Request) -> web.Response:
    """POST …/sign-out: 签出."""
    await read_body(request)
    return _answered(await request.app[BACKEND].sign_out(_agent(request)))


@described(body={"endpoint": _ENDPOINT}, gives=OK)
async def third_party(request: web.Request) -> web.Response:
    """POST …/third-party with ``{"endpoint": …}``: 三方通话."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].third_party(_agent(request), AgentId(body["endpoint"])))


# ---------------------------------------------------------------- in the call


@described(body={}, gives=OK)
async def hold(request: web.Request) -> web.Response:
    """POST …/hold: 保持."""
    await read_body(request)
    return _answered(await request.app[BACKEND].hold(_agent(request)))


@described(body={}, gives=OK)
async def resume(request: web.Request) -> web.Response:
    """POST …/resume: 取消保持; also back from a consultation."""
    await read_body(request)
    return _answered(await request.app[BACKEND].resume(_agent(request)))


@described(body={"kind": _KIND, "target": _TARGET}, gives=OK)
async def transfer(request: web.Request) -> web.Response:
    """POST …/transfer with ``{"kind": …, "target": …}``: 盲转."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].transfer(_agent(request), TargetKind(body["kind"]), body["target"]))


@described(body={"kind": _KIND, "target": _TARGET}, gives=OK)
async def consult(request: web.Request) -> web.Response:
    """POST …/consult with ``{"kind": …, "target": …}``: 咨询; the caller goes on hold."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].consult(_agent(request), TargetKind(body["kind"]), body["target"]))


@described(body={}, gives=OK)
async def complete(request: web.Request) -> web.Response:
    """POST …/complete: 咨询转接, the one who was asked takes the caller."""
    await read_body(request)
    return _answered(await request.app[BACKEND].complete(_agent(request)))


@described(body={"endpoint": _ENDPOINT}, gives=OK)
async def drop(request: web.Request) -> web.Response:
    """POST …/drop with ``{"endpoint": …}``: a third party is let go, ringing or talking."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].drop_party(_agent(request), AgentId(body["endpoint"])))


def _words(limits: WebLimits) -> dict[str, Field]:
    line = Text(limits.title_length, may_be_empty=True)
    return {
        "type": Choice(tuple(one.value for one in TicketType), code="unknown_type"),
        "class_code": Text(64, pattern=re.compile(r"[A-Za-z0-9._-]+")),
        "title": line,
        "text": Text(limits.text_length, may_be_empty=True),
        "address": line,
        "lat": Number(-90.0, 90.0),
        "lon": Number(-180.0, 180.0),
    }


def _hand_over_fields(limits: WebLimits) -> dict[str, Field]:
    return {"destination": _ENDPOINT, "way": _WAY, **_words(limits)}


@described(body=_hand_over_fields, gives=Either((OK, {**OK, "ticket": TicketNumber})))
async def hand_over(request: web.Request) -> web.Response:
    """POST …/hand-over with ``{"destination": …, "way": …}``: 110, 119, 120, 122, a unit, the platform.

    ``way`` ``ticket`` may have the words of the ticket, and answers with its number.
    """
    body = await read_body(request)
    names = [name for name in _words(request.app[LIMITS]) if name in body]
    if names and body["way"] != "ticket":
        raise ApiError(400, "bad_request", [Problem(name, "unknown_field") for name in names])
    words = TicketWords(**{name: body[name] for name in names}) if names else None
    result = await request.app[BACKEND].hand_over(_agent(request), body["destination"], body["way"], words)
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, "ticket": result.detail.get("ticket")} if body["way"] == "ticket" else {"ok": True})


@described(body={"number": _TARGET, "purpose": _PURPOSE, "queue": _QUEUE}, gives=OK)
async def dial(request: web.Request) -> web.Response:
    """POST …/dial with ``{"number": …, "purpose": …, "queue": …}``: 外呼; purpose is ``follow_up`` if not given."""
    body = await read_body(request)
    purpose, queue = body.get("purpose") or "follow_up", body.get("queue") or ""
    return _answered(await request.app[BACKEND].dial(_agent(request), body["number"], purpose, queue))


@described(body={"digits": _DIGITS}, gives=OK)
async def digits(request: web.Request) -> web.Response:
    """POST …/digits with ``{"digits": …}``: keys towards the other side."""
    body = await read_body(request)
    return _answered(await request.app[BACKEND].digits(_agent(request), body["digits"]))


@described(body={}, gives=OK)
async def mute(request: web.Request) -> web.Response:
    """POST …/mute: 静音."""
    await read_body(request)
    return _answered(await request.app[BACKEND].mute(_agent(request), on=True))


@described(body={}, gives=OK)
async def unmute(request: web.Request) -> web.Response:
    """POST …/unmute: 取消静音."""
    await read_body(request)
    return _answered(await request.app[BACKEND].mute(_agent(request), on=False))
