"""The automatic voice follow-up (自动语音回访) for supervisors: what it does, pause, go on. Right: ``follow_up``."""

from __future__ import annotations

from aiohttp import web

from agents.rights import Action
from agents.rights import refusal as right_refusal
from pbx.campaign import CampaignPaused
from pbx.ids import ActorId
from web.auth import ACTOR
from web.campaign_view import CampaignView
from web.described import OK, described
from web.errors import ApiError, refusal
from web.fields import WINDOW, read_body, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.schema import shape_of
from web.shape import answer


def _by(request: web.Request) -> ActorId:
    by = request[ACTOR]
    if by is None:  # the guard lets nobody pass without a token
        raise ApiError(401, "unauthorized")
    return by


@described(query=WINDOW, gives={"since": float, "until": float, **shape_of(CampaignView)})
async def show_campaign(request: web.Request) -> web.Response:
    """GET /api/follow-ups/campaign?since=&until=: what it does now, its figures and tickets of the window, those open.

    A ticket's ``state``: ``waiting``, ``dialling``, ``done`` (``answer`` is the score; ``agent``: one has talked with
    him), ``given_up`` (people call; ``answer`` is ``agent`` where he asked for one), ``cancelled`` (it had moved on).
    """
    backend, limits = request.app[BACKEND], request.app[LIMITS]
    if code := right_refusal(backend.actor(_by(request)), Action.SEE_FOLLOW_UPS):
        raise refusal(code)
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    view = await backend.campaign(window.since, window.until)
    return answer({"since": window.since, "until": window.until, **{n: getattr(view, n) for n in view.__slots__}})


async def _set(request: web.Request, on: bool) -> web.Response:
    await read_body(request)
    by = _by(request)
    result = await request.app[BACKEND].supervise(lambda asked, at: CampaignPaused(on, by, asked, at))
    if not result.ok:
        raise refusal(result.code, result.detail)
    return answer({"ok": True})


@described(body={}, gives=OK)
async def pause(request: web.Request) -> web.Response:
    """POST /api/follow-ups/campaign/pause: nobody is called from here on; calls in progress go on."""
    return await _set(request, True)


@described(body={}, gives=OK)
async def resume(request: web.Request) -> web.Response:
    """POST /api/follow-ups/campaign/resume: it goes on where it was."""
    return await _set(request, False)
