"""Call records: the instants of each call and what follows from them. Caller data: token only."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from metrics.kpi import talk_time
from metrics.servicelevel import answer_wait
from metrics.story import asked_by_the_line, chapters, waited
from pbx.call import CallRecord, OfferRecord
from pbx.ids import CallId
from web.backend import NotFound
from web.described import described
from web.fields import WINDOW, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.schema import shape_of
from web.shape import answer, fields_of

CALL = {
    **{name: shape for name, shape in shape_of(CallRecord).items() if name != "channel"},
    "recording": bool,
    "wait_s": float | None,
    "talk_s": float | None,
}
"""A call as people outside see it."""


def call_json(record: CallRecord) -> dict[str, Any]:
    """A call's record as people outside see it: no channel name, no path of a file of this machine."""
    shape = fields_of(record)
    del shape["channel"]
    shape["recording"] = record.recording is not None
    shape["wait_s"] = answer_wait(record)
    shape["talk_s"] = talk_time(record)
    return shape


@described(query=WINDOW, gives={"since": float, "until": float, "calls": [CALL]})
async def list_calls(request: web.Request) -> web.Response:
    """GET /api/calls?since=&until=: the calls that arrived in the window, oldest first."""
    limits = request.app[LIMITS]
    window = read_window(
        request,
        now=request.app[CLOCK](),
        usual_s=limits.usual_window_s,
        longest_s=limits.longest_window_s,
    )
    records = await request.app[BACKEND].call_records(window.since, window.until)
    return answer({"since": window.since, "until": window.until, "calls": [call_json(record) for record in records]})


@described(gives=CALL)
async def show_call(request: web.Request) -> web.Response:
    """GET /api/calls/{call}."""
    record = await request.app[BACKEND].call(CallId(request.match_info["call"]))
    if record is None:
        raise NotFound("call")
    return answer(call_json(record))


@described(
    gives={
        **{name: CALL[name] for name in ("call", "queue", "queued_at", "place_at", "favours")},
        "story": [{"at": float, "zh": str, "en": str, "agent": str, "queue": str}],
        "decisions": [{**shape_of(OfferRecord), "why_agent": str, "why_caller": str, "waited_s": float | None}],
    }
)
async def show_why(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/why: what happened to the call, in both languages; each agent whom it was offered to by a
    rule of the line, with the reason; and the named rules by which he stood in the line. Whom an agent named for a
    transfer is told in the story. Who else was idle, and why he was not chosen, stands in the journal:
    ``hotline why CALL``.
    """
    record = await request.app[BACKEND].call(CallId(request.match_info["call"]))
    if record is None:
        raise NotFound("call")
    decisions = []
    for offer in filter(asked_by_the_line, record.offers):
        agent, _, caller = offer.reason.partition(" | ")
        waited_s = waited(record, offer.offered_at)
        decisions.append({**fields_of(offer), "why_agent": agent, "why_caller": caller, "waited_s": waited_s})
    story = [
        {"at": one.at, "zh": one.zh, "en": one.en, "agent": one.agent, "queue": one.queue} for one in chapters(record)
    ]
    line = {name: fields_of(record)[name] for name in ("call", "queue", "queued_at", "place_at", "favours")}
    return answer(line | {"story": story, "decisions": decisions})
