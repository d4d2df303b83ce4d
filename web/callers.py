"""The caller list: numbers that are treated otherwise for a time. Caller data: token only. 来电名单."""

from __future__ import annotations

import re
from dataclasses import asdict

from aiohttp import web

from acd.callers import ListedAs
from pbx.events import CallerEntry
from pbx.ids import QueueId
from web.described import OK, described
from web.errors import refusal
from web.fields import Choice, Field, Instant, Text, Whole, instant, read_body
from web.keys import BACKEND
from web.shape import answer

_FIELDS: dict[str, Field] = {
    "number": Text(longest=21, required=True, pattern=re.compile(r"[0-9]{3,20}[*]?")),
    "kind": Choice(tuple(kind.value for kind in ListedAs), required=True, code="unknown_kind"),
    "until": Instant(required=True),
    "queue": Text(longest=32, pattern=re.compile(r"[a-z0-9-]+")),
    "priority": Whole(0, 9),
    "by": Text(longest=60, required=True),
    "note": Text(longest=200, may_be_empty=True),
}


@described(gives={"callers": list[CallerEntry]})
async def show_list(request: web.Request) -> web.Response:
    """GET /api/caller-list: every entry; `until` in epoch seconds, one that is past counts no more."""
    return answer({"callers": [asdict(entry) for entry in await request.app[BACKEND].caller_list()]})


@described(body=_FIELDS, gives=OK)
async def put_caller(request: web.Request) -> web.Response:
    """POST /api/caller-list: list a number, or list it anew. It counts from its next call on."""
    body = await read_body(request)
    entry = CallerEntry(
        body["number"],
        body["kind"],
        instant(body["until"]) or 0.0,
        QueueId(body["queue"]) if "queue" in body else None,
        body.get("priority"),
        body["by"],
        body.get("note", ""),
    )
    result = await request.app[BACKEND].list_caller(entry)
    if not result.ok:
        raise refusal(result.code)
    return answer({"ok": True})


@described(body={"number": _FIELDS["number"], "by": _FIELDS["by"]}, gives=OK)
async def drop_caller(request: web.Request) -> web.Response:
    """DELETE /api/caller-list with ``{"number": …, "by": …}``; the number stands in the body, so in no log."""
    body = await read_body(request)
    result = await request.app[BACKEND].unlist_caller(body["number"], body["by"])
    if not result.ok:
        raise refusal(result.code)
    return answer({"ok": True})
