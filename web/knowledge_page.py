"""The citizens' page of the knowledge base (热线百科): search and entries, without a script, in both languages."""

from __future__ import annotations

import html

from aiohttp import web

from knowledge.entry import Content
from web.described import described
from web.errors import ApiError, message
from web.fields import Field, Whole, read_query
from web.keys import BACKEND
from web.knowledge_backend import Wanted
from web.knowledge_fields import TEXTS, desk
from web.public import MOST_FOUND, PUBLIC_RATE

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy: no script at all, and the form is sent to this very hotline."""

_PAGE = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>12345 热线百科</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/style.css">
<link rel="stylesheet" href="/static/query.css">
</head>
<body class="query">
<main>
<section class="panel">
<h1>热线百科 <small lang="en">questions and answers</small></h1>
<form action="/knowledge" method="get" role="search">
<div class="field"><label for="q">您想了解什么? <small lang="en">What would you like to know?</small></label>
<input id="q" name="q" type="search" maxlength="200" value="{q}" required></div>
<button class="main">搜索 <small lang="en">search</small></button>
</form>
</section>
{found}
</main>
</body>
</html>
"""

_NOTHING = (
    '<p role="status">没有找到答案, 请拨打 12345。 <span lang="en">Nothing was found; please call 12345.</span></p>'
)

_LABELS = (
    ("answer", "答复", "answer"),
    ("basis", "依据", "basis"),
    ("materials", "所需材料", "what to bring"),
    ("process", "办理流程", "how it goes"),
)


@described(
    query={**TEXTS, "limit": Whole(0, MOST_FOUND)},
    media=("text/html",),
    refuses=(404, 429),
    own_errors=True,
)
async def show_page(request: web.Request) -> web.Response:
    """GET /knowledge?q=: the page; with words what answers them best. Rate-limited like its API."""
    q = ""
    try:
        given: dict[str, Field] = {**TEXTS, "limit": Whole(0, MOST_FOUND)}
        values = read_query(request, given)
        q = values.get("q", "").strip()
        found = await _found(request, values) if q else ""
    except ApiError as refusal:
        words = message(refusal.code)
        told = f'<p role="status">{words["zh"]} <span lang="en">{words["en"]}</span></p>'
        return _page("", told, refusal.status, dict(refusal.headers or {}))
    return _page(q, found, 200, {})


def _page(q: str, found: str, status: int, headers: dict[str, str]) -> web.Response:
    text = _PAGE.format(q=html.escape(q), found=found)
    return web.Response(
        text=text, content_type="text/html", status=status, headers={**headers, "Content-Security-Policy": POLICY}
    )


async def _found(request: web.Request, values: dict[str, object]) -> str:
    request.app[PUBLIC_RATE].check(request)
    q, region, language = (str(values.get(name, "")) for name in ("q", "region", "language"))
    limit = int(str(values.get("limit", 10)))
    entries = await desk(request).search(Wanted(q, region, language=language, public=True, limit=limit))
    if not entries:
        return _NOTHING
    units = request.app[BACKEND].desk.policy.units
    names = {unit: known.name if (known := units.get(unit)) else "" for unit in {one.content.unit for one in entries}}
    return "\n".join(_entry(one.content, names[one.content.unit]) for one in entries)


def _entry(content: Content, unit: str) -> str:
    """An entry as markup; what somebody wrote stands in it as text."""
    rows = [(zh, en, getattr(content, name)) for name, zh, en in _LABELS]
    rows.append(("答复单位", "who answers for it", unit))
    rows.append(("有效期", "valid", " – ".join(map(str, filter(None, (content.valid_from, content.valid_to))))))
    rows.append(("来源", "source", content.source))
    lines = [
        f'<div><dt>{zh} <small lang="en">{en}</small></dt><dd>{html.escape(text)}</dd></div>'
        for zh, en, text in rows
        if text
    ]
    question = f'<h2 lang="{html.escape(content.language)}">{html.escape(content.question)}</h2>'
    return f'<article class="panel">{question}<dl>{"".join(lines)}</dl></article>'
