"""Voice messages (留言). Caller data: token only."""

from __future__ import annotations

from aiohttp import web

from pbx.call import Outcome
from pbx.ids import CallId, QueueId
from web.described import described
from web.fields import WINDOW, read_window
from web.keys import BACKEND, CLOCK, LIMITS
from web.shape import answer

VOICE_MESSAGE = {
    "call": CallId,
    "number": str,
    "dialled": str,
    "language": str,
    "queue": QueueId | None,
    "outcome": Outcome | None,
    "began_at": float,
    "duration_s": float | None,
    "ended_by": str,
}
"""A voice message as it is told."""


@described(query=WINDOW, gives={"since": float, "until": float, "voice_messages": [VOICE_MESSAGE]})
async def list_voice_messages(request: web.Request) -> web.Response:
    """GET /api/voice-messages?since=&until=: what callers of the window have spoken after the tone, oldest first.

    The sound is a span of the call's recording, from ``began_at`` for ``duration_s`` seconds: GET
    /api/calls/{call}/recording. A message that is still being spoken has no ``duration_s``.
    """
    limits = request.app[LIMITS]
    now = request.app[CLOCK]()
    window = read_window(request, now=now, usual_s=limits.usual_window_s, longest_s=limits.longest_window_s)
    records = await request.app[BACKEND].call_records(window.since, window.until)
    rows = [
        {
            "call": record.call,
            "number": record.caller,
            "dialled": record.dialled,
            "language": record.language,
            "queue": record.queue,
            "outcome": record.outcome.value if record.outcome is not None else None,
            "began_at": message.began_at,
            "duration_s": round(message.ended_at - message.began_at, 3) if message.ended_at is not None else None,
            "ended_by": message.ended_by,
        }
        for record in records
        if (message := record.message) is not None
    ]
    return answer({"since": window.since, "until": window.until, "voice_messages": rows})
