"""Transcripts that are to be made: how far one is, making it again, and the line of all that wait.

By the call, and for all, with the API token; by the ticket for those who may hear its call. Who has one made again is
written into the audit trail.
"""

from __future__ import annotations

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from web.described import described
from web.errors import ApiError
from web.fields import Choice, Whole, read_body, read_query
from web.keys import BACKEND, CLOCK
from web.recordings import call_of
from web.shape import answer
from web.transcript_jobs_desk import TranscriptJobsDesk, TranscriptLine, TranscriptsOff, TranscriptState

TRANSCRIPT_JOBS: web.AppKey[TranscriptJobsDesk | None] = web.AppKey("transcripts", TranscriptJobsDesk)

STATES = ("waiting", "failed", "done")
CAUSES = ("no_model", "crashed", "timeout", "damaged", "gone")
LISTED = 200
"""Of one answer at most."""


def _desk(request: web.Request) -> TranscriptJobsDesk:
    found = request.app[TRANSCRIPT_JOBS]
    if found is None:
        raise ApiError(409, "transcripts_off")
    return found


@described(gives=TranscriptState, refuses=(409,))
async def show_state(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/transcript-state: how far the call's transcript is, and why there is none."""
    return answer(await _desk(request).state(CallId(request.match_info["call"])))


@described(body={}, gives=TranscriptState, refuses=(409,))
async def make_again(request: web.Request) -> web.Response:
    """POST /api/calls/{call}/transcript: have it made (again), before the calls that end now.

    For one that was given up, or after a better model has come. The earlier transcript stays until then.
    """
    await read_body(request)
    return await _again(request, CallId(request.match_info["call"]), ADMIN, "administrator")


@described(gives=TranscriptState, refuses=(409,))
async def show_ticket_state(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/transcript-state: of the ticket's call, for those who may hear it."""
    call, _ = await call_of(request)
    return answer(await _desk(request).state(call))


@described(body={}, gives=TranscriptState, refuses=(409,))
async def make_ticket_again(request: web.Request) -> web.Response:
    """POST /api/tickets/{number}/transcript: of the ticket's call, for those who may hear it."""
    await read_body(request)
    call, viewer = await call_of(request)
    return await _again(request, call, ActorId(viewer.id), viewer.role.value)


async def _again(request: web.Request, call: CallId, by: ActorId, role: str) -> web.Response:
    desk, now = _desk(request), request.app[CLOCK]()
    try:
        asked = await desk.again(call)
    except TranscriptsOff:
        raise ApiError(409, "transcripts_off") from None
    zh, en = f"重新转写通话 {call}", f"had the transcript of a call made again, {call}"
    id = f"transcript-again-{by}-{call}-{now:.3f}"
    await request.app[BACKEND].note(AuditEntry(id, now, by, role, "ask_transcript", "", call, "", zh, en, "ok"))
    return answer(asked)


@described(query={"state": Choice(STATES), "limit": Whole(1, LISTED)}, gives=TranscriptLine, refuses=(409,))
async def show_line(request: web.Request) -> web.Response:
    """GET /api/transcript-jobs: how many wait, how many were given up by cause, and those of one `state`.

    Those that wait (the default) in the order in which they are made, the others newest first.
    """
    query = read_query(request)
    return answer(await _desk(request).line(query.get("state", "waiting"), query.get("limit", LISTED)))


@described(body={"cause": Choice(CAUSES)}, gives={"asked": int}, refuses=(409,))
async def make_all_again(request: web.Request) -> web.Response:
    """POST /api/transcript-jobs/again: have all made that were given up (for one `cause`); calls of now go first."""
    body = await read_body(request)
    now, cause = request.app[CLOCK](), body.get("cause", "")
    try:
        asked = await _desk(request).all_again(cause)
    except TranscriptsOff:
        raise ApiError(409, "transcripts_off") from None
    zh, en = f"重新转写未成功的通话 {asked} 个", f"had {asked} transcripts that were given up made again"
    id = f"transcripts-again-{ADMIN}-{now:.3f}"
    entry = AuditEntry(id, now, ADMIN, "administrator", "ask_transcripts", "", "", "", zh, en, "ok")
    await request.app[BACKEND].note(entry)
    return answer({"asked": asked})
