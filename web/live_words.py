"""Words while people talk, for the agent whose call it is and for supervisors: once, and as a stream of server-sent
events.

A supervisor needs the right to listen in the call's queue (`agents/rights.py`), an agent must be in the talk himself.
Whoever reads another's call is written into the audit trail before he gets the first word; the requests of one reader
within ten minutes are one line. Personal data are hidden from whoever may not read them. When the transcript after the
call is there, it takes the place of the live words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from agents.rights import Action, role_may
from agents.rights import refusal as right_refusal
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.live import LiveTurn
from recordings.personal_data import digit_spans, find, find_in, masked, spans_by_turn
from recordings.transcript import Turn
from tickets.moves import ADMIN as TICKET_ADMIN
from tickets.moves import Role
from web.auth import ACTOR, HOLDER, still_admitted
from web.backend import NotFound
from web.described import described
from web.errors import ApiError, refusal
from web.keys import BACKEND, CLOCK
from web.live_words_desk import LiveWordsDesk, Speaking, Suggestions, WordsView
from web.shape import answer, dumps, fields_of
from web.streams import event_stream

LIVE_WORDS: web.AppKey[LiveWordsDesk | None] = web.AppKey("live_words", LiveWordsDesk)
"""None where the hotline hears nobody while he talks."""

READ_S = 600.0
"""Requests of one reader for one call so close together are one line of the audit trail."""

REPLACED = "replaced"
"""The state when the transcript after the call has taken the place of the live words."""

MAY_READ = frozenset({Role.ADMIN, Role.SUPERVISOR})
"""Holders of access tokens who may read any talk while it goes on; inspectors read the transcript after it."""

WORDS: dict[str, Any] = {
    "call": CallId,
    "version": int,
    "state": str,
    "language": str,
    "recogniser": str,
    "turns": list[LiveTurn],
    "now": list[Speaking],
    "suggestions": Suggestions,
    "dropped": int,
}


def shown(view: WordsView) -> dict[str, Any]:
    """The words as JSON has them."""
    return fields_of(view)


def _replaced(call: CallId, version: int) -> WordsView:
    return WordsView(call, version + 1, REPLACED, "", "", (), (), Suggestions())


async def _reader(request: web.Request, call: CallId) -> LiveWordsDesk:
    """The desk, for one who may read this call. ApiError 403; NotFound where nobody hears it."""
    desk, by, holder = request.app[LIVE_WORDS], request[ACTOR], request[HOLDER]
    if desk is None:
        raise NotFound("transcript")
    whose = desk.talkers(call)
    if by is not None:
        queues = [whose.queue] if whose.queue is not None else []
        if code := right_refusal(request.app[BACKEND].actor(by), Action.LISTEN, queues):
            raise refusal(code)
    elif holder.role is Role.AGENT:
        if holder.id not in whose.agents:
            raise ApiError(403, "not_allowed")
    elif holder.role not in MAY_READ or holder.unit:
        raise ApiError(403, "not_allowed")
    view = desk.view(call)
    if view is None:
        raise NotFound("transcript")
    if by is not None or holder.role is not Role.AGENT:
        await _note(request, call, by or ActorId(holder.id), "supervisor" if by is not None else holder.role.value)
    return desk


async def _note(request: web.Request, call: CallId, by: ActorId, role: str) -> None:
    """Write it down before a word is given; while the store is away none is (503)."""
    if request.method == "HEAD":
        return
    now = request.app[CLOCK]()
    said = (f"查看通话实时文字 {call}", f"read the live words of a call, {call}")
    id = f"read_live_words-{by}-{call}-{int(now // READ_S)}"
    await request.app[BACKEND].note(AuditEntry(id, now, by, role, "read_live_words", "", call, "", *said, "ok"))


async def _present(request: web.Request, desk: LiveWordsDesk, call: CallId) -> WordsView:
    """The words now; of a call that is over the transcript is looked for, which replaces them. NotFound."""
    view = desk.view(call)
    if view is None:
        raise NotFound("transcript")
    if view.state == "over" and await _transcribed(request, call):
        desk.forget(call)
        return _replaced(call, view.version)
    return view


async def _transcribed(request: web.Request, call: CallId) -> bool:
    """Whether the transcript after the call is there."""
    try:
        await request.app[BACKEND].words.transcript(call, TICKET_ADMIN)
    except NotFound:
        return False
    return True


def _sees_personal(request: web.Request) -> bool:
    """Whether numbers are shown to the reader: to the agent in his own talk, who hears them, and by right."""
    by, holder = request[ACTOR], request[HOLDER]
    if by is not None:
        return not right_refusal(request.app[BACKEND].actor(by), Action.READ_PERSONAL)
    return holder.role in (Role.AGENT, Role.ADMIN) or role_may(holder.role.value, Action.READ_PERSONAL)


def hidden(view: WordsView) -> WordsView:
    """The words with stars for personal data, and for every three digits or more: of a number that is being said nobody
    knows yet what it will be."""
    turns = [Turn(one.speaker, one.start_s, one.end_s, one.text) for one in view.turns]
    found = spans_by_turn(find(turns))

    def stars(text: str, place: int | None = None) -> str:
        spans = found.get(place, ()) if place is not None else spans_by_turn(find_in(text)).get(0, ())
        return masked(text, [*spans, *digit_spans(text)])

    return replace(
        view,
        turns=tuple(replace(one, text=stars(one.text, place)) for place, one in enumerate(view.turns)),
        now=tuple(replace(one, text=stars(one.text)) for one in view.now),
    )


@described(gives=WORDS)
async def show_words(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/words: what was said so far, what is being said, and what it points at.

    ``state`` ``replaced``: the transcript after the call is there, and is the one to read.
    """
    call = CallId(request.match_info["call"])
    desk = await _reader(request, call)
    view = await _present(request, desk, call)
    return answer(shown(view if _sees_personal(request) else hidden(view)))


@described(media=("text/event-stream",))
async def show_live_words(request: web.Request) -> web.StreamResponse:
    """GET /api/calls/{call}/words/live: the same at each change, as event ``words``, until the call is over.

    The last event has the state ``over``, or ``replaced``. An agent who has handed the call on gets ``gone`` instead.
    """
    call = CallId(request.match_info["call"])
    desk = await _reader(request, call)
    holder, personal = request[HOLDER] if request[ACTOR] is None else None, _sees_personal(request)
    async with event_stream(request) as stream:
        await stream.begin()
        version = -1
        while await still_admitted(request):
            view = desk.view(call)
            mine = holder is None or holder.role is not Role.AGENT or holder.id in desk.talkers(call).agents
            if view is None or not mine:
                await stream.write("event: gone\ndata: {}\n\n")
                break
            if view.version != version:
                version = view.version
                told = shown(view if personal else hidden(view))
                await stream.write(f"id: {version}\nevent: words\ndata: {dumps(told)}\n\n")
                if view.state == "over":
                    break
                await stream.rest()
            if await stream.news(_changed(desk, call, version)) is None:
                await stream.beat()
    return stream.response


async def _changed(desk: LiveWordsDesk, call: CallId, version: int) -> bool:
    """Returns when the words are others than those of `version`."""
    await desk.changed(call, version)
    return True
