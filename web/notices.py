"""Incident notices (突发事件通知): give, end, look at them. Who registered is caller data: API token only."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from aiohttp import web

from ivr.prompts import LANGUAGES
from ivr.upload import LONGEST_BYTES
from pbx.ids import ActorId, QueueId
from pbx.notice import Incident, NoticeEnded, NoticeGiven, Registration
from tickets.moves import ADMIN as TICKET_ADMIN
from web.auth import ACTOR
from web.backend import NotFound, Refused, RequestResult
from web.described import described
from web.errors import ApiError, Problem, refusal
from web.fields import WINDOW, Choice, Flag, Instant, Text, Whole, instant, read_body, read_query, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.schema import shape_of
from web.shape import answer

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_SOUND = re.compile(r"[0-9a-f]{16}")
_INCIDENT = re.compile(r"i[0-9]{1,20}")
_LONGEST_S = 366 * 86400
DONE = {"ok": bool, "*": str}
"""The answer of an order that has been given, with what it tells besides."""


def _by(request: web.Request) -> ActorId:
    by = request[ACTOR]
    if by is None:  # the guard lets nobody pass without a token
        raise ApiError(401, "unauthorized")
    return by


def _answered(result: RequestResult) -> web.Response:
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True, **result.detail})


def _until(request: web.Request, body: dict[str, Any]) -> float | None:
    if "until" in body and "for_s" in body:
        raise ApiError(400, "bad_request", [Problem("until", "doubled_field")])
    if "for_s" in body:
        return request.app[CLOCK]() + float(body["for_s"])
    return instant(body.get("until"))


@described(
    body={
        "kind": Text(longest=32, required=True, pattern=_NAME),
        "area": Text(longest=32, pattern=_NAME),
        "queue": Text(longest=32, pattern=_NAME),
        "number": Text(longest=20, pattern=re.compile(r"[0-9+]+")),
        "until": Instant(),
        "for_s": Whole(1, _LONGEST_S),
        "press": Flag(),
        **{f"sound_{language}": Text(longest=16, pattern=_SOUND) for language in LANGUAGES},
        "incident": Text(longest=32, pattern=_INCIDENT),
    },
    gives=DONE,
)
async def give_notice(request: web.Request) -> web.Response:
    """POST /api/notices with ``{"kind": "water", "area": "haizhou", "queue": …, "number": …, "until": …}``.

    ``for_s`` instead of ``until``; ``sound_zh``, ``sound_en``: own words of `keep_sound` instead of the prompts, in
    that language; ``press`` false = nobody is offered to be told of the end; ``incident``: the mass incident of tickets
    that it is about, with which it ends. Answers with its id.
    """
    body = await read_body(request)
    sounds = tuple((language, str(body[name])) for language in LANGUAGES if (name := f"sound_{language}") in body)
    for language, sound in sounds:
        if not await request.app[BACKEND].has_notice_sound(language, sound):
            raise ApiError(422, "unknown_sound", [Problem(f"sound_{language}", "unknown_sound")])
    by, until = _by(request), _until(request, body)
    of = body.get("incident", "")
    await _goes_on(request, of)
    queue = QueueId(body["queue"]) if "queue" in body else None
    result = await request.app[BACKEND].supervise(
        lambda asked, at: NoticeGiven(
            body["kind"],
            body.get("area", ""),
            queue,
            body.get("number"),
            until,
            body.get("press", True),
            by,
            asked,
            at,
            sounds,
            of,
        )
    )
    if of and await _is_over(request, of):  # closed while the notice was being given
        request.app[BACKEND].events.end_notices(of)
    return _answered(result)


async def _goes_on(request: web.Request, of: str) -> None:
    """Whether a notice can be given of this mass incident. NotFound, `Refused` (``incident_closed``) otherwise."""
    if of and await _is_over(request, of):
        raise Refused("incident_closed")


async def _is_over(request: web.Request, of: str) -> bool:
    found = await request.app[BACKEND].events.incident(of, TICKET_ADMIN)
    if found is None:
        raise NotFound("mass_incident")
    return found.incident.closed_at is not None


@described(
    body={},
    takes=("audio/wav", "application/octet-stream"),
    query={"language": Choice(tuple(LANGUAGES), required=True, code="unknown_language")},
    gives=DONE,
)
async def keep_sound(request: web.Request) -> web.Response:
    """POST /api/notices/sounds?language=zh with a wav file as the body: a notice's own words; answers with their name.

    PCM of 16 bits, one or two channels, 8 to 48 kHz, 1 to 60 s.
    """
    by, language = _by(request), read_query(request)["language"]
    if request.content_length is not None and request.content_length > LONGEST_BYTES:
        raise ApiError(413, "body_too_large")
    wav = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        wav += chunk
        if len(wav) > LONGEST_BYTES:
            raise ApiError(413, "body_too_large")
    return _answered(await request.app[BACKEND].keep_notice_sound(by, language, bytes(wav)))


@described(body={}, gives=DONE)
async def end_notice(request: web.Request) -> web.Response:
    """POST /api/notices/ID/end: it is over; answers with how many wanted to be told."""
    await read_body(request)
    by, id = _by(request), request.match_info["id"]
    return _answered(await request.app[BACKEND].supervise(lambda asked, at: NoticeEnded(id, by, asked, at)))


@described(query=WINDOW, gives={"since": float, "until": float, "notices": list[Incident]})
async def list_notices(request: web.Request) -> web.Response:
    """GET /api/notices?since=&until=: those given in the window and those that hold. No caller's number."""
    limits = request.app[LIMITS]
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    found = await request.app[BACKEND].incident_notices(window.since, window.until)
    return answer({"since": window.since, "until": window.until, "notices": list(found)})


@described(gives={**shape_of(Incident), "registered": list[Registration]})
async def show_notice(request: web.Request) -> web.Response:
    """GET /api/notices/ID: one, with every number that wants to be told when it is over."""
    found = await request.app[BACKEND].incident_notice(request.match_info["id"])
    if found is None:
        raise NotFound("notice")
    notice, registered = found
    return answer({**asdict(notice), "registered": list(registered)})
