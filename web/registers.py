"""What a ticket may name: the classes and the organisations of this hotline, as lists for whoever offers a choice."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from web.described import described
from web.keys import BACKEND
from web.shape import answer

CLASS = {"code": str, "zh": str, "en": str, "parent": str | None, "sort": str, "limits": str}
"""See `tickets.classes.TicketClass`."""

ORGANISATION = {
    "id": str,
    "name": str,
    "name_en": str,
    "kind": str,
    "parent": str | None,
    "sort": str,
    "peer": str,
    "leader": str,
    "office": str,
    "handler": str,
}
"""See `tickets.organisations.Organisation` and, where there is no tree of them, `tickets.units.HandlingUnit`."""


@described(gives={"classes": [CLASS]})
async def list_classes(request: web.Request) -> web.Response:
    """GET /api/classes: the classification tree (诉求分类), the classes above before those below.

    An empty list: every ``class_code`` is taken.
    """
    tree = request.app[BACKEND].desk.policy.classes
    return answer({"classes": [{name: getattr(one, name) for name in CLASS} for one in tree]})


@described(gives={"organisations": [ORGANISATION]})
async def list_organisations(request: web.Request) -> web.Response:
    """GET /api/organisations: cities, counties and handling units; ``kind`` ``unit`` may be given a ticket.

    ``id`` is what ``region``, ``unit`` and ``co_units`` name.
    """
    policy = request.app[BACKEND].desk.policy
    found: list[dict[str, Any]] = []
    for one in policy.organisations if len(policy.organisations) else policy.units:
        row = {name: getattr(one, name, "") for name in ORGANISATION}
        kind = getattr(one, "kind", None)
        found.append({**row, "kind": kind.value if kind is not None else "unit"})
    return answer({"organisations": found})
