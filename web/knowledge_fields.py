"""What the knowledge handlers read from a request, and how they show an entry, a task and a conflict."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from aiohttp import web

from knowledge.entry import NAMES, Content, KnowledgeRules
from knowledge.moves import Editor, KnowledgeState, Role
from knowledge.tasks import Task
from knowledge.version import Entry
from tickets.moves import Role as TicketRole
from web.acting import REFUSED
from web.auth import HOLDER
from web.described import Shape
from web.errors import ApiError, Problem
from web.fields import Field, Flag, Text, Whole
from web.keys import KNOWLEDGE
from web.knowledge_backend import KnowledgeBackend
from web.schema import shape_of
from web.shape import fields_of

_RULES = KnowledgeRules()
_NAME = re.compile(r"[A-Za-z0-9_.@-]+")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})?")

_ROLES = {
    TicketRole.AGENT: Role.AGENT,
    TicketRole.UNIT: Role.UNIT,
    TicketRole.DISPATCHER: Role.EDITOR,
    TicketRole.SUPERVISOR: Role.REVIEWER,
    TicketRole.INSPECTOR: Role.REVIEWER,
    TicketRole.LEADER: Role.REVIEWER,
}
"""In what part the bearer of an access token acts on the knowledge base."""

_ACTORS = tuple(role.value for role in Role if role is not Role.SYSTEM)

ACTING: dict[str, Field] = {
    "by": Text(64, pattern=_NAME, told=f"The id of who acts; needed with the hotline's own token. {REFUSED}"),
    "by_role": Text(16, told=f"In what part: {', '.join(_ACTORS)}; needed with the hotline's own token. {REFUSED}"),
    "by_unit": Text(64, pattern=_NAME, told=f"His unit, with the part `unit`. {REFUSED}"),
}
"""The fields by which the hotline's own token speaks for somebody, as its pages and gateways do; nobody else may.

Not `required`, as it hangs on the token whether they are: `actor_of` asks for them."""

CONTENT_FIELDS: dict[str, Field] = {
    "question": Text(longest=_RULES.question_max),
    **{name: Text(longest=_RULES.text_max, may_be_empty=True) for name in ("answer", "basis", "materials", "process")},
    "keywords": Text(longest=_RULES.line_max, may_be_empty=True),
    "unit": Text(longest=64, may_be_empty=True),
    "region": Text(longest=32, may_be_empty=True),
    "valid_from": Text(longest=10, may_be_empty=True, pattern=_DAY),
    "valid_to": Text(longest=10, may_be_empty=True, pattern=_DAY),
    "source": Text(longest=_RULES.line_max, may_be_empty=True),
    "language": Text(longest=8, pattern=re.compile(r"[a-z]+")),
    "public": Flag(),
}

TEXTS: dict[str, Field] = dict.fromkeys(("q", "region", "language"), Text(500, may_be_empty=True))
"""What a search is told: words, where, in what language."""

_STATE = "|".join(one.value for one in KnowledgeState)

UNIT: dict[str, Field] = {"unit": Text(64, may_be_empty=True)}

STATES: dict[str, Field] = {
    "state": Text(
        200,
        may_be_empty=True,
        pattern=re.compile(f"(({_STATE})(,({_STATE}))*)?"),
    )
}
"""States by their names, between commas."""

ENTRY: dict[str, Shape] = {
    "id": str,
    **{name: shape for name, shape in shape_of(Entry).items() if name != "content"},
    **shape_of(Content),
}
"""A version of an entry as people see it."""

PUBLIC_ENTRY: dict[str, Shape] = {
    "id": str,
    **{name: shape for name, shape in shape_of(Content).items() if name not in ("public", "keywords")},
}
"""The same as citizens see it."""

TASK: dict[str, Shape] = {"id": str, **shape_of(Task)}
"""A question without answer."""

SEEN: dict[str, Field] = {"revision": Whole(1, 2**31 - 1)}


def desk(request: web.Request) -> KnowledgeBackend:
    """The knowledge base; 404 where this hotline serves none."""
    found = request.app[KNOWLEDGE]
    if found is None:
        raise ApiError(404, "not_found")
    return found


def acting(request: web.Request) -> dict[str, Field]:
    """The fields that say who acts: none where the token does."""
    return ACTING if request[HOLDER].role is TicketRole.ADMIN else {}


def actor_of(request: web.Request, values: Mapping[str, Any]) -> Editor:
    """Who acts. ApiError 400 where the hotline's own token does not say for whom it speaks, 422 for an unknown role,
    403 for a bearer who has no part in the knowledge base.

    Nobody passes for the hotline itself.
    """
    own = request[HOLDER]
    if own.role is not TicketRole.ADMIN:
        if own.role not in _ROLES:
            raise ApiError(403, "not_allowed")
        return Editor(own.id, _ROLES[own.role], own.unit, served(request), desk(request).registered())
    if missing := [Problem(name, "missing") for name in ("by", "by_role") if name not in values]:
        raise ApiError(400, "bad_request", missing)
    try:
        role = Role(values["by_role"])
    except ValueError:
        role = Role.SYSTEM
    if role is Role.SYSTEM:
        raise ApiError(422, "unknown_role", [Problem("by_role", "unknown_role", _ACTORS)])
    unit = values.get("by_unit", "")
    return Editor(values["by"], role, unit, desk(request).served_by(unit), desk(request).registered())


def own_unit(request: web.Request) -> str:
    """The unit to which the bearer is confined; empty for who sees everything."""
    own = request[HOLDER]
    return own.unit or "?" if own.role is TicketRole.UNIT else ""


def served(request: web.Request) -> frozenset[str] | None:
    """The units for which the bearer's hotline answers: of others he sees what is published; None = all."""
    own = request[HOLDER]
    return None if own.role is TicketRole.ADMIN else desk(request).served_by(own.unit)


def drafts_of(request: web.Request) -> frozenset[str] | None:
    """The units whose drafts, reviews and earlier versions the bearer sees, of others what is published; None = all.

    They are for who writes and who decides: an agent tells citizens what is published, and must not read out what
    nobody has approved.
    """
    return frozenset() if request[HOLDER].role is TicketRole.AGENT else served(request)


def of_others(request: web.Request, units: Collection[str], mine: frozenset[str] | None) -> bool:
    """Whether all the `units` are another hotline's than that which answers for `mine`; one that is gone is nobody's,
    and what it has left behind is for every hotline's people.
    """
    if mine is None or mine & frozenset(units):
        return False
    registered = desk(request).registered() if mine and not own_unit(request) else None
    return registered is None or all(not unit or unit in registered for unit in units)


def content_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the format that a body names. ApiError 422 for a day that there is not."""
    found = {name: values[name] for name in NAMES if name in values}
    for name in ("valid_from", "valid_to"):
        if name in found:
            try:
                found[name] = date.fromisoformat(found[name]) if found[name] else None
            except ValueError:
                raise ApiError(422, "bad_request", [Problem(name, "not_a_day")]) from None
    return found


def states_of(text: str) -> tuple[KnowledgeState, ...]:
    """States by their names, between commas, as `STATES` has checked them."""
    return tuple(KnowledgeState(name) for name in text.split(",")) if text else ()


def entry_no(request: web.Request) -> int:
    """The number in the path: K000123, Q000123."""
    return int(request.match_info["id"][1:])


def shown(one: Entry) -> dict[str, Any]:
    """An entry's version, its content beside the rest."""
    values = fields_of(one)
    content: Content = values.pop("content")
    return {"id": one.id, **values, **asdict(content)}


def shown_publicly(one: Entry) -> dict[str, Any]:
    """What citizens see of an entry: nobody's name, no revision, no ticket."""
    content = asdict(one.content)
    return {"id": one.id, **{name: content[name] for name in NAMES if name not in ("public", "keywords")}}


def shown_task(one: Task) -> dict[str, Any]:
    """A question without answer."""
    return {"id": one.id, **fields_of(one)}
