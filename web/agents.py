"""Agents' requests: sign-in, ready, not ready, sign-out, third party. 签入 示闲 示忙 签出 三方通话."""

from __future__ import annotations

import re

from aiohttp import web

from pbx.ids import AgentId
from web.backend import RequestResult
from web.errors import refusal
from web.fields import Number, Text, read_body
from web.keys import BACKEND
from web.shape import answer

_REASON = Text(longest=32, required=True, pattern=re.compile(r"[a-z0-9_-]+"))
_EXTEND = Number(least=1, most=86400, required=True)
_SEAT = Text(longest=32, pattern=re.compile(r"[A-Za-z0-9_-]+"))
_ENDPOINT = Text(longest=32, required=True, pattern=re.compile(r"[A-Za-z0-9_-]+"))


def _agent(request: web.Request) -> AgentId:
    return AgentId(request.match_info["agent"])


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code)
    return answer({"ok": True})


async def sign_in(request: web.Request) -> web.Response:
    """POST …/sign-in: 签入, with ``{"seat": …}`` at another phone than his own."""
    body = await read_body(request, {"seat": _SEAT})
    seat = AgentId(body["seat"]) if "seat" in body else None
    return _answered(await request.app[BACKEND].sign_in(_agent(request), seat))


async def ready(request: web.Request) -> web.Response:
    """POST …/ready: 示闲."""
    await read_body(request, {})
    return _answered(await request.app[BACKEND].ready(_agent(request)))


async def not_ready(request: web.Request) -> web.Response:
    """POST …/not-ready with ``{"reason": …}``: 示忙."""
    body = await read_body(request, {"reason": _REASON})
    return _answered(await request.app[BACKEND].not_ready(_agent(request), body["reason"]))


async def wrap_up(request: web.Request) -> web.Response:
    """POST …/wrap-up with ``{"extend_s": …}``: so many seconds more of 话后整理."""
    body = await read_body(request, {"extend_s": _EXTEND})
    return _answered(await request.app[BACKEND].extend_wrap_up(_agent(request), float(body["extend_s"])))


async def sign_out(request: web.Request) -> web.Response:
    """POST …/sign-out: 签出."""
    await read_body(request, {})
    return _answered(await request.app[BACKEND].sign_out(_agent(request)))


async def third_party(request: web.Request) -> web.Response:
    """POST …/third-party with ``{"endpoint": …}``: 三方通话."""
    body = await read_body(request, {"endpoint": _ENDPOINT})
    return _answered(await request.app[BACKEND].third_party(_agent(request), AgentId(body["endpoint"])))
