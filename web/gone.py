"""A client that breaks the connection in the middle of what he sends: nothing to answer, only counted."""

from __future__ import annotations

from aiohttp import web

from web.errors import Handler
from web.scrape import METRICS

CLIENT_GONE = 499
"""The status in the access log, as nginx has it; nobody is there to read it."""


@web.middleware
async def gone_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ends a request whose body breaks off. What its handler has begun it has taken back before (its `finally`)."""
    try:
        return await handler(request)
    except OSError as error:  # the connection's own, as it is given to whoever reads the body: not one of ours
        if request.content.exception() is not error:
            raise
        request.app[METRICS].request_broken_off()
        return web.Response(status=CLIENT_GONE, reason="Client Closed Request")
