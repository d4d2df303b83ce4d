"""Below the application: what comes over a connection and is no HTTP, or ends in the middle, and what it is answered.

aiohttp answers such a request itself, in plain text that repeats what was sent, and writes it into its log. Here it
gets the one format of all refusals, and a line in the log that holds nothing of it.
"""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from web.errors import ApiError

log = logging.getLogger(__name__)


class _Connection(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never came to the application; ConnectionError where an answer has begun already."""
        log.info("a request could not be read: %s", type(exc).__name__, extra={"action": "web.unread"})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        answer = ApiError(status, "not_http" if 400 <= status < 500 else "internal").response()
        answer.headers["Server"] = "hotline"
        answer.force_close()
        return answer

    def log_exception(self, *args: object, exc_info: BaseException | None = None, **more: object) -> None:
        """Why a connection was given up; of what came over it nothing, of a fault of ours everything."""
        theirs = isinstance(exc_info, web.RequestPayloadError | HttpProcessingError | ConnectionError)
        log.log(
            logging.INFO if theirs else logging.ERROR,
            "a connection was given up: %s",
            type(exc_info).__name__,
            exc_info=None if theirs else exc_info,
            extra={"action": "web.given_up"},
        )


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """An application's runner whose connections are ours."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **made._kwargs)
