"""The web application over a `MemoryBackend`, served on a free loopback port, and a client that speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.fakes.backend import MemoryBackend
from tests.fakes.conforming import Conforming
from web.app import Server, create_app, serve

TOKEN = "a-token-for-tests-0123456789"


@dataclass(frozen=True)
class Site:
    """A running site. `get` and its like carry the token; `session` carries nothing."""

    backend: MemoryBackend
    server: Server
    session: aiohttp.ClientSession

    def url(self, path: str) -> str:
        """The address of a path that begins with a slash."""
        return self.server.url.rstrip("/") + path

    async def json(self, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON answer of a request with the token."""
        headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        options: dict[str, Any] = {"json": body} if body is not None else {}
        async with self.session.request(method, self.url(path), headers=headers, **options, **more) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def site(backend: MemoryBackend | None = None, **options: Any) -> AsyncIterator[Site]:
    """A site that is closed again; `options` go to `create_app`.

    AssertionError in the end for answers that the API document does not tell.
    """
    backend = backend or MemoryBackend()
    conforming = Conforming()
    app = create_app(backend, token=TOKEN, metrics=backend.metrics, **options)
    conforming.before(app)
    server = await serve(app)
    try:
        async with aiohttp.ClientSession() as session:
            yield Site(backend, server, session)
    finally:
        await server.close()
    if conforming.wrong:
        raise AssertionError("\n".join(conforming.wrong))
