"""The API document (OpenAPI 3.1), made from the application's own routes: GET /api/openapi.json.

Nothing is told twice: paths, methods and rights are those of the table in `web/app.py`, bodies and queries are the
fields that the handlers check, answers are the types that they write, words are the handlers' docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from aiohttp import web

from web.auth import Access
from web.described import Described, described, description_of
from web.errors import Handler
from web.fields import Field
from web.keys import WebLimits
from web.schema import Schema, Schemas
from web.shape import dumps

OPENAPI = "3.1.0"
VERSION = "1"
"""The API's own version: it grows when something that a client relies on goes."""

_PLACE = re.compile(r"{([a-z_]+)(?::([^{}]*(?:{[0-9,]*}[^{}]*)*))?}")
"""A part of a route that varies: its name, and its pattern."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the application's table."""

    method: str
    path: str
    handler: Handler
    access: Access

    @property
    def canonical(self) -> str:
        """The path with bare names, as OpenAPI and aiohttp's canonical paths have it."""
        return _PLACE.sub(r"{\1}", self.path)

    @property
    def described(self) -> Described:
        """Its description; a bare one where it has none."""
        return description_of(self.handler) or Described()


ERROR: Schema = {
    "type": "object",
    "properties": {
        "error": {"type": "string", "description": "the stable code"},
        "message": {"$ref": "#/components/schemas/Words"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"$ref": "#/components/schemas/Words"},
                    "allowed": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "the values that the field may have, where there are only some",
                    },
                },
                "required": ["code", "field", "message"],
                "additionalProperties": False,
            },
        },
        "detail": {"type": "object"},
        "ticket": {"type": "object", "description": "of a conflict: the ticket as it is now"},
        "present": {"type": "object", "description": "of a conflict: the entry or question as it is now"},
    },
    "required": ["error", "message"],
    "additionalProperties": False,
}
"""The one format of all refusals (`web/errors.py`)."""

WORDS: Schema = {
    "type": "object",
    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
    "required": ["en", "zh"],
    "additionalProperties": False,
}


def document(routes: Iterable[Route], limits: WebLimits) -> dict[str, Any]:
    """The whole document."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.canonical, {})[route.method.lower()] = _operation(route, limits, schemas)
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "12345 hotline",
            "version": VERSION,
            "description": "政务服务便民热线. Every refusal has one format (Error); times are epoch seconds.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Error": ERROR, "Words": WORDS},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, limits: WebLimits, schemas: Schemas) -> dict[str, Any]:
    it = route.described
    words = inspect.getdoc(route.handler) or ""
    parameters = [
        _parameter(name, "path", {"type": "string", "pattern": f"^(?:{pattern or '[^/]+'})$"}, required=True)
        for name, pattern in _PLACE.findall(route.path)
    ]
    parameters += [
        _parameter(name, "query", field.schema(), required=field.required) for name, field in it.query.items()
    ]
    parameters += [_parameter(name, "header", {"type": "string"}, required=True) for name in it.headers]
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub('[^a-z0-9]+', '_', route.canonical.lower())}",
        "summary": re.split(r"[.;]?\n|[.] ", words, maxsplit=1)[0],
        "description": words,
        "tags": [route.canonical.strip("/").split("/")[1 if route.canonical.startswith("/api/") else 0] or "page"],
        "security": _SECURITY[route.access],
        "x-access": route.access.value,
        "responses": _responses(route, schemas),
    }
    if parameters:
        found["parameters"] = parameters
    if it.body is not None:
        found["requestBody"] = _body(it, limits)
    return found


_SECURITY: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.OPEN: [{}],
    Access.KEY: [{}],
    Access.VIEW: [{"bearer": []}, {}],
    Access.SUPERVISOR: [{"bearer": []}],
    Access.INTAKE: [{"bearer": []}],
    Access.TICKETS: [{"bearer": []}],
    Access.TALK: [{"bearer": []}],
    Access.TOKEN: [{"bearer": []}],
}


def _parameter(name: str, place: str, schema: Schema, *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _body(it: Described, limits: WebLimits) -> dict[str, Any]:
    fields = it.fields(limits)
    schema: Schema = {"type": "object", "properties": {name: one.schema() for name, one in fields.items()}}
    schema |= {"required": needed(fields), "additionalProperties": False}
    return {
        "required": bool(needed(fields)) or not set(it.takes) & set(_OF_FIELDS),
        "content": {media: {"schema": schema} if media in _OF_FIELDS else {} for media in it.takes},
    }


_OF_FIELDS = ("application/json", "application/x-www-form-urlencoded")
"""Media types that hold fields; of others the body is a file."""


def needed(fields: Mapping[str, Field]) -> list[str]:
    """The names of the fields that must be there."""
    return sorted(name for name, field in fields.items() if field.required)


def statuses(route: Route) -> list[int]:
    """Every status that the route may answer with, besides its success and an error of the server's own (500)."""
    it = route.described
    found = {503, *it.refuses}
    if route.access not in (Access.OPEN, Access.KEY):
        found |= {401, 403}
    if it.query or it.body is not None:
        found.add(400)
    if _PLACE.search(route.path):
        found.add(404)
    if it.body is not None:
        found |= {404, 409, 413, 415, 422}
    return sorted(found)


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    it = route.described
    good: dict[str, Any] = {"description": "done"}
    if it.gives is not None:
        good["content"] = {media: {"schema": schemas.of(it.gives)} for media in it.media}
    else:
        good["content"] = {media: {} for media in it.media}
    found: dict[str, Any] = {str(it.status): good}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status in statuses(route):
        found[str(status)] = {"description": HTTPStatus(status).phrase}
        if status >= 400 and not it.own_errors:
            found[str(status)]["content"] = error
    return found


class Document:
    """The document of an application's routes, made when it is first asked for."""

    def __init__(self, routes: Iterable[Route], limits: WebLimits) -> None:
        self.routes = tuple(routes)
        self._limits = limits

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The document. TypeError for an answer without a shape."""
        return document(self.routes, self._limits)


DOCUMENT: web.AppKey[Document] = web.AppKey("document", Document)


@described(gives=dict[str, Any])
async def show_document(request: web.Request) -> web.Response:
    """GET /api/openapi.json: this document; it tells nothing of anybody, so anybody may read it."""
    return web.json_response(text=dumps(request.app[DOCUMENT].whole))
