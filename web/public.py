"""What citizens may ask without a token (热线百科): rate-limited, and only what is published, valid and public."""

from __future__ import annotations

from aiohttp import web

from web.described import described
from web.fields import Whole, read_query
from web.knowledge_backend import Wanted
from web.knowledge_fields import PUBLIC_ENTRY, TEXTS, desk, shown_publicly
from web.rate import RateLimit
from web.shape import answer

PUBLIC_RATE: web.AppKey[RateLimit] = web.AppKey("public_rate", RateLimit)

MOST_FOUND = 20
"""Entries that one search of a citizen gives at most."""


@described(
    query={**TEXTS, "limit": Whole(0, MOST_FOUND)},
    gives={"entries": [PUBLIC_ENTRY]},
    refuses=(404, 429),
)
async def search_publicly(request: web.Request) -> web.Response:
    """GET /api/public/knowledge?q=&region=&language=&limit=: the entries that answer best, the best first.

    What was asked is written nowhere. 429 with ``Retry-After`` when it is too much.
    """
    request.app[PUBLIC_RATE].check(request)
    values = read_query(request)
    wanted = Wanted(
        values.get("q", ""),
        values.get("region", ""),
        language=values.get("language", ""),
        public=True,
        limit=values.get("limit", 10),
    )
    return answer({"entries": [shown_publicly(one) for one in await desk(request).search(wanted)]})
