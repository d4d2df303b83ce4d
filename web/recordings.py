"""Recordings and transcripts of calls. Caller data: token only."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from pbx.ids import CallId
from web.backend import NotFound
from web.described import described
from web.keys import BACKEND


@described(media=("audio/wav",), refuses=(206, 416))
async def show_recording(request: web.Request) -> web.StreamResponse:
    """GET /api/calls/{call}/recording.

    The WAV file; range requests (RFC 9110 section 14) work, so players can seek.
    """
    call = CallId(request.match_info["call"])
    path = await request.app[BACKEND].recording_path(call)
    if path is None or not await asyncio.to_thread(path.is_file):
        raise NotFound("recording")
    headers = {"Content-Type": "audio/wav", "Content-Disposition": f'inline; filename="{call}.wav"'}
    return web.FileResponse(path, headers=headers)


@described(gives=dict[str, Any])
async def show_transcript(request: web.Request) -> web.Response:
    """GET /api/calls/{call}/transcript: what was said, speaker by speaker."""
    transcript = await request.app[BACKEND].transcript(CallId(request.match_info["call"]))
    if transcript is None:
        raise NotFound("transcript")
    return web.json_response(text=transcript.to_json())
