"""Looks at every answer that a test's site gives, whether the API document has said so: status, media type and body."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
from aiohttp import web

from web.errors import Handler
from web.gone import CLIENT_GONE
from web.openapi import DOCUMENT


class Conforming:
    """A middleware before all others; `wrong` holds what the document did not tell."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._answers = cache(_answers)
        self._validator = cache(_validator)

    def before(self, app: web.Application) -> None:
        """Look at what `app` answers."""

        @web.middleware
        async def looking(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            resource = request.match_info.route.resource
            if resource is not None and request.method != "HEAD":
                self._look(app, request.method, resource.canonical, response)
            return response

        app.middlewares.insert(0, looking)

    def _look(self, app: web.Application, method: str, path: str, response: web.StreamResponse) -> None:
        where = f"{method} {path} {response.status}"
        document = app[DOCUMENT]
        told = self._answers(document, method, path)
        if told is None or response.status in (500, CLIENT_GONE):
            return  # no route of ours, a fault that the test wants, or an answer that nobody gets
        if str(response.status) not in told:
            self.wrong.append(f"{where}: not in the document")
            return
        content = told[str(response.status)].get("content", {})
        if response.status == 304 or not content:
            return
        if response.content_type not in content:
            self.wrong.append(f"{where}: {response.content_type} is not in the document")
        elif response.content_type == "application/json" and isinstance(response, web.Response):
            validator = self._validator(document, method, path, str(response.status))
            assert isinstance(response.body, bytes)
            fault = next(iter(validator.iter_errors(json.loads(response.body))), None)
            if fault is not None:
                self.wrong.append(f"{where}: {'/'.join(map(str, fault.instance_path))}: {fault.message[:300]}")


def _answers(document: Any, method: str, path: str) -> dict[str, Any] | None:
    operation = document.whole["paths"].get(path, {}).get(method.lower())
    return operation["responses"] if operation is not None else None


def _validator(document: Any, method: str, path: str, status: str) -> Any:
    schema = _answers(document, method, path)[status]["content"]["application/json"].get("schema", {})  # type: ignore[index]
    return jsonschema_rs.Draft202012Validator({**schema, "components": document.whole["components"]})
