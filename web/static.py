"""The pages' files: read once, served with an entity tag, so that a browser never keeps a stale script."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from web.described import described

PAGES = Path(__file__).parent / "pages"

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Page:
    """One file's bytes, media type and entity tag."""

    body: bytes
    content_type: str
    tag: str


def load_pages(folder: Path = PAGES) -> dict[str, Page]:
    """Every servable file of `folder`, by name. Blocking; at start only."""
    pages = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            pages[path.name] = Page(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
    return pages


PAGE_FILES: web.AppKey[dict[str, Page]] = web.AppKey("pages", dict)


def serve(request: web.Request, name: str) -> web.Response:
    """The file `name` of the pages, or 404."""
    page = request.app[PAGE_FILES].get(name)
    if page is None:
        raise web.HTTPNotFound
    headers = {"ETag": f'"{page.tag}"', "Cache-Control": "no-cache"}
    known = request.if_none_match or ()
    if any(tag.value == page.tag for tag in known):
        return web.Response(status=304, headers=headers)
    response = web.Response(body=page.body, content_type=page.content_type, charset="utf-8", headers=headers)
    response.enable_compression()
    return response


@described(media=("text/html",), refuses=(304,))
async def show_first_page(request: web.Request) -> web.Response:
    """GET /: the first page."""
    return serve(request, "index.html")


@described(media=("text/css", "text/html", "text/javascript", "image/svg+xml"), refuses=(304,))
async def show_file(request: web.Request) -> web.Response:
    """GET /static/{name}."""
    return serve(request, request.match_info["name"])
