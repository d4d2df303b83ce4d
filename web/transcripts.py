"""What was said in calls: searched, read and corrected by those who may hear them.

Supervisor, inspector and leader of the hotline whose ticket a call became, the agent who took it, and the bearer of the
API token. A call that somebody may not hear is one that there is not. Identity cards, telephone numbers, bank cards and
number plates are shown to, and found by, only those with the right to personal data. Who reads a call's words is
written into the audit trail before he gets the first of them, and so is every search and every correction.

Places in a text (``spans``, ``personal``) count Unicode characters, not the halves of which JavaScript makes some.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agents.rights import ADMIN
from pbx.ids import ActorId, CallId, TicketNumber
from pbx.supervision import AuditEntry
from recordings.corrections import LONGEST_TEXT, Correction, ReadTurn
from recordings.personal_data import Kind
from recordings.search import LONGEST_QUERY, PAGE_MAX, CallHit, Wanted, looked_for
from recordings.transcript import FORMAT, SPEAKERS, Turn
from tickets.moves import ADMIN as TICKET_ADMIN
from tickets.moves import Actor, Role
from tickets.shown import HEARS
from web.acting import acting
from web.auth import HOLDER
from web.backend import Refused
from web.described import described
from web.errors import ApiError, Problem, message
from web.fields import Choice, Field, Instant, Text, Whole, instant, read_body, read_query
from web.keys import BACKEND, CLOCK
from web.recordings import call_of, note_hearing
from web.shape import answer, dumps
from web.tickets import actor_of
from web.transcript_desk import TranscriptDesk, TranscriptView, TurnConflict, TurnView

MOST_TURNS = 2000
USUAL_TURNS = 500
"""Turns of one page: a call of some minutes has fifty, one of four hours some thousands."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

Word = list[Any]
"""As ``[start_s, end_s, text, confidence]``."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Characters [start, end) of a turn's text that are personal data; stars for who may not read them."""

    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """By whom and when a turn was corrected, and what the recogniser had heard."""

    by: str
    role: str
    at: float
    original: str
    original_words: list[Word]


@dataclass(frozen=True, slots=True)
class TurnShown:
    """A turn as it is read; `version` is what a correction of it must name."""

    n: int
    speaker: str
    start_s: float
    end_s: float
    text: str
    words: list[Word]
    version: int
    personal: list[PersonalData]
    corrected: Corrected | None


TRANSCRIPT = {
    "format": int,
    "call": CallId,
    "ticket": TicketNumber | None,
    "version": int,
    "language": str,
    "recogniser": str,
    "grammar": list[str] | None,
    "duration_s": float,
    "masked": bool,
    "turns": list[TurnShown],
    "next": int | None,
    "unfitting": list[Correction],
}
"""`unfitting`: corrections of turns that a later transcription does not have; they are kept all the same."""

TURN = {"call": CallId, "turn": TurnShown, "history": list[Correction]}


def _desk(request: web.Request) -> TranscriptDesk:
    return request.app[BACKEND].words


def _call(request: web.Request) -> CallId:
    return CallId(request.match_info["call"])


# ---------------------------------------------------------------- searching


@described(
    query={
        "q": Text(LONGEST_QUERY, required=True),
        "from": Instant(),
        "to": Instant(),
        "speaker": Choice(SPEAKERS),
        "agent": Text(32, pattern=_ID),
        "queue": Text(32, pattern=_ID),
        "order": Choice(("newest", "oldest")),
        "after": Text(20, pattern=re.compile(r"[0-9]{1,18}")),
        "limit": Whole(1, PAGE_MAX),
    },
    gives={"hits": [CallHit], "next": str | None},
    refuses=(422,),
)
async def search_transcripts(request: web.Request) -> web.Response:
    """GET /api/transcripts?q=&from=&to=&speaker=&agent=&queue=&order=&after=&limit=: calls in which ``q`` was said.

    All words of ``q``, each by either side.

    Chinese by at least two characters that follow each other, Latin words and numbers whole; ``speaker`` narrows to one
    side, ``from`` and ``to`` to when the call began (epoch seconds or ISO 8601), ``order`` is ``newest`` or ``oldest``.
    Of each call the turns with the words: where these stand (``spans``), and the second of the recording at which they
    are said (``at_s``). ``after`` is the ``next`` of the page before; a page may have fewer calls than ``limit`` and a
    next one all the same. Only calls that the bearer may hear are found, and by what he may read of them.
    """
    viewer = request[HOLDER]
    if viewer.role not in HEARS and viewer.role is not Role.AGENT:
        raise ApiError(403, "not_allowed")
    asked = read_query(request)
    words = looked_for(asked["q"])
    if not words:
        raise ApiError(422, "too_few_words", [Problem("q", "too_few_words")])
    since, until = instant(asked.get("from", 0.0)), instant(asked.get("to", 4e9))
    if since is not None and until is not None and until < since:
        raise ApiError(400, "bad_request", [Problem("to", "until_before_since")])
    wanted = Wanted(
        words,
        since or 0.0,
        until if until is not None else 4e9,
        asked.get("speaker"),
        asked.get("agent"),
        asked.get("queue"),
        newest=asked.get("order", "newest") == "newest",
        after=int(asked["after"]) if "after" in asked else None,
        limit=asked.get("limit", 20),
    )
    found = await _desk(request).search(wanted, viewer)
    await _note_search(request, viewer, len(found.hits))
    next_page = str(found.next) if found.next is not None else None
    return answer({"hits": found.hits, "next": next_page})


_SEARCHES = itertools.count(1)


async def _note_search(request: web.Request, viewer: Actor, hits: int) -> None:
    """A line for each search, without what was looked for: it may be a name or a number."""
    if request.method == "HEAD":
        return
    now = request.app[CLOCK]()
    by = ActorId(viewer.id)
    id = f"search_transcripts-{by}-{now:.6f}-{next(_SEARCHES)}"
    zh, en = f"检索通话文字, 找到 {hits} 通", f"searched the transcripts, {hits} calls were found"
    await request.app[BACKEND].note(
        AuditEntry(id, now, by, _role(viewer), "search_transcripts", "", CallId(""), "", zh, en, "ok")
    )


# ---------------------------------------------------------------- reading

_PAGE: Mapping[str, Field] = {"after": Whole(0, 10**6), "limit": Whole(1, MOST_TURNS)}


@described(query=_PAGE, gives=TRANSCRIPT)
async def show_transcript(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/transcript?after=&limit=: what was said, speaker by speaker, with people's corrections.

    500 turns at a time; ``after`` is the ``next`` of the page before.
    """
    return await _transcript(request, _call(request), request[HOLDER])


@described(query=_PAGE, gives=TRANSCRIPT)
async def show_ticket_transcript(request: web.Request) -> web.Response:
    """GET /api/tickets/{number}/transcript?after=&limit=: what was said in its call, for those who may hear it.

    As `GET /api/calls/{call}/transcript`.
    """
    call, viewer = await call_of(request)
    return await _transcript(request, call, viewer)


async def _transcript(request: web.Request, call: CallId, viewer: Actor) -> web.Response:
    asked = read_query(request)
    view = await _desk(request).transcript(call, viewer)
    await _note_reading(request, call, viewer)
    return web.json_response(text=await asyncio.to_thread(_page, view, asked.get("after"), asked.get("limit")))


def _page(view: TranscriptView, after: int | None, limit: int | None) -> str:
    """One page of it, in a thread: two thousand turns are some hundred thousand numbers."""
    first = 0 if after is None else after + 1
    end = first + (limit or USUAL_TURNS)
    some = [_shown(turn) for turn in view.turns[first:end]]
    return dumps(
        {
            "format": FORMAT,
            **{name: getattr(view, name) for name in TRANSCRIPT if hasattr(view, name)},
            "turns": some,
            "next": some[-1].n if some and end < len(view.turns) else None,
        }
    )


async def _note_reading(request: web.Request, call: CallId, viewer: Actor) -> None:
    zh, en = "查看通话文字", "read the transcript of a call"
    await note_hearing(request, "read_transcript", call, ActorId(viewer.id), _role(viewer), zh, en)


def _role(viewer: Actor) -> str:
    return "administrator" if viewer.id == ADMIN else viewer.role.value


def _shown(read: ReadTurn) -> TurnShown:
    said, original, made = read.turn, read.original, read.correction
    corrected = None
    if original is not None and made is not None:
        corrected = Corrected(made.by, made.role, made.at, original.text, _words(original))
    personal = [PersonalData(kind, start, end) for start, end, kind in read.personal]
    return TurnShown(
        read.n, said.speaker, said.start_s, said.end_s, said.text, _words(said), read.version, personal, corrected
    )


def _words(turn: Turn) -> list[Word]:
    return [[word.start, word.end, word.text, word.conf] for word in turn.words]


@described(gives=TURN)
async def show_turn(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/transcript/turns/{n}: one turn, and everything that people have written in its place."""
    call, viewer = _call(request), request[HOLDER]
    view = await _desk(request).turn(call, int(request.match_info["n"]), viewer)
    await _note_reading(request, call, viewer)
    return answer(_turn(call, view))


def _turn(call: CallId, view: TurnView) -> dict[str, Any]:
    return {"call": call, "turn": _shown(view.turn), "history": view.history}


# ---------------------------------------------------------------- correcting


def _correction(own: Actor) -> dict[str, Field]:
    text = Text(LONGEST_TEXT, required=True, may_be_empty=True)
    return {"text": text, "version": Whole(0, 2**31 - 1, required=True), **acting(own)}


@described(body=lambda limits: _correction(TICKET_ADMIN), gives=TURN)
async def correct_turn(request: web.Request) -> web.Response:
    """PUT /api/calls/{call}/transcript/turns/{n} ``{"text": …, "version": …}``: what was really said in that turn.

    ``version`` is the turn's, as it was seen; 409 with the turn as it is now (``present``) when somebody was faster or
    the call was transcribed anew. What was recognised stays beside it, and every correction is kept. Where stars hide
    personal data they must stay as they are, and stand for what they hide.
    """
    body = await read_body(request, _correction(request[HOLDER]))
    call, viewer = _call(request), actor_of(request, body)
    n = int(request.match_info["n"])
    try:
        view = await _desk(request).correct(call, n, body["version"], body["text"], viewer)
    except TurnConflict as conflict:
        await _note_reading(request, call, viewer)
        present = _turn(call, conflict.present)
        return answer({"error": "turn_conflict", "message": message("turn_conflict"), "present": present}, 409)
    except Refused as refused:
        raise ApiError(422, refused.code, [Problem("text", refused.code)]) from None
    return answer(_turn(call, view))
