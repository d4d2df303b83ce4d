"""Sending a recording from any byte on: range requests (RFC 9110 section 14) over what is read piece by piece."""

from __future__ import annotations

from aiohttp import hdrs, web

from web.backend import Refused, Unavailable
from web.errors import ApiError
from web.recording_desk import Sound

CHUNK_BYTES = 1024 * 1024
"""Read at once: over a network each read of the archive costs a way there and back."""


def _span(request: web.Request, sound: Sound) -> tuple[int, int] | None:
    """First byte and end of what is asked for; None: the whole.

    A range that cannot be read, or several at once, are answered by the whole (section 14.2); so is one of another
    version of the file (If-Range). ApiError 416 for one outside.
    """
    if hdrs.RANGE not in request.headers or request.headers.get(hdrs.IF_RANGE, _tag(sound)) != _tag(sound):
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    first, end = asked.start, asked.stop
    if first is None:
        return None
    if first < 0:
        first = max(0, sound.size + first)
    end = min(sound.size, end) if end is not None else sound.size
    if first >= end:
        raise ApiError(416, "range_not_satisfiable", headers={hdrs.CONTENT_RANGE: f"bytes */{sound.size}"})
    return first, end


def _tag(sound: Sound) -> str:
    return f'"{sound.tag}"'


async def send(request: web.Request, sound: Sound, disposition: str) -> web.StreamResponse:
    """Send it, and let go of it. ApiError 416."""
    headers = {hdrs.CONTENT_TYPE: sound.media_type, hdrs.CONTENT_DISPOSITION: disposition}
    if sound.path is not None:
        return web.FileResponse(sound.path, headers=headers)
    try:
        headers |= {hdrs.ACCEPT_RANGES: "bytes", hdrs.ETAG: _tag(sound)}
        if any(one.value in (sound.tag, "*") for one in request.if_none_match or ()):
            return web.Response(status=304, headers={hdrs.ETAG: _tag(sound)})
        span = _span(request, sound)
        at, end = span or (0, sound.size)
        if span is not None:
            headers[hdrs.CONTENT_RANGE] = f"bytes {at}-{end - 1}/{sound.size}"
        response = web.StreamResponse(status=206 if span else 200, headers=headers)
        response.content_length = end - at
        chunk = b"" if request.method == "HEAD" else await sound.read(at, min(CHUNK_BYTES, end - at))
        await response.prepare(request)  # only now: what the first read meets is answered in words
        while chunk:
            await response.write(chunk)
            at += len(chunk)
            try:
                chunk = await sound.read(at, min(CHUNK_BYTES, end - at)) if at < end else b""
            except (Unavailable, Refused):
                break
        if at < end and request.method != "HEAD" and request.transport is not None:
            request.transport.close()  # the client counts fewer bytes than it was told
        else:
            await response.write_eof()
        return response
    finally:
        await sound.close()
