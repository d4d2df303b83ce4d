"""The knowledge base (知识库): search, write, review, questions without answer, files.

A bearer of an access token acts as himself; the hotline's own token speaks for whom it names (``by``, ``by_role``,
``by_unit``). What each role may do stands in `knowledge.moves` and `knowledge.tasks`; a unit sees its own drafts and
questions, and what is published.
"""

from __future__ import annotations

import functools
import re
from dataclasses import asdict
from typing import Any

from aiohttp import web

from knowledge.entry import Content
from knowledge.moves import KnowledgeInput, KnowledgeState
from knowledge.sheet import MOST_BYTES, Format, kind_of, name_of
from knowledge.sql import KnowledgeConflict
from knowledge.tasks import TaskState
from knowledge.tasks_sql import TaskConflict
from pbx.ids import TicketNumber
from web.auth import HOLDER
from web.backend import NotFound
from web.errors import ApiError, Handler, Problem, message
from web.fields import Field, Text, Whole, read_body
from web.knowledge_backend import Wanted
from web.knowledge_fields import (
    ACTING,
    CONTENT_FIELDS,
    SEEN,
    acting,
    actor_of,
    content_of,
    desk,
    entry_no,
    number_of,
    own_unit,
    query_of,
    shown,
    shown_task,
    states_of,
)
from web.shape import answer

MOST_FOUND = 50
"""Entries that one search gives at most."""

MOST_LISTED = 500
"""Entries, or questions, of one page of a list."""

_REASON: dict[str, Field] = {"reason": Text(longest=500, may_be_empty=True)}
_TICKET: dict[str, Field] = {"ticket": Text(longest=32, pattern=re.compile(r"[0-9]+"))}


def conflicts(handler: Handler) -> Handler:
    """A handler that answers with what there is now (409) when somebody else was faster."""

    @functools.wraps(handler)
    async def handled(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except KnowledgeConflict as conflict:
            present = shown(conflict.present)
        except TaskConflict as conflict:
            present = shown_task(conflict.present)
        code = "knowledge_conflict"
        return answer({"error": code, "message": message(code), "present": present}, 409)

    return handled


def _unit(request: web.Request, values: dict[str, str]) -> str:
    """The unit that is asked for; a unit's own where the bearer is one."""
    return own_unit(request) or values.get("unit", "")


# ---------------------------------------------------------------- entries


async def search(request: web.Request) -> web.Response:
    """GET /api/knowledge/search?q=&region=&unit=&language=&limit=: published and valid entries, the best first."""
    values = query_of(request, ("q", "region", "unit", "language", "limit"))
    wanted = Wanted(
        values.get("q", ""),
        values.get("region", ""),
        values.get("unit", ""),
        values.get("language", ""),
        limit=number_of(values, "limit", 10, MOST_FOUND),
    )
    return answer({"entries": [shown(one) for one in await desk(request).search(wanted)]})


async def list_entries(request: web.Request) -> web.Response:
    """GET /api/knowledge/entries?state=&unit=&after=&limit=: by number, those above ``after``."""
    values = query_of(request, ("state", "unit", "after", "limit"))
    after = number_of(values, "after", 0, 2**31 - 1)
    limit = number_of(values, "limit", 100, MOST_LISTED)
    states = states_of(values.get("state", ""))
    found = await desk(request).entries(states, _unit(request, values), after, limit)
    return answer({"entries": [shown(one) for one in found]})


async def show_entry(request: web.Request) -> web.Response:
    """GET /api/knowledge/entries/ID: its latest version, all versions, everything that was done to it."""
    versions, moves = await desk(request).entry(entry_no(request))
    unit = own_unit(request)
    if unit and unit not in {one.content.unit for one in versions}:
        served = [one for one in versions if one.state is KnowledgeState.PUBLISHED]
        if not served:
            raise NotFound("entry")
        return answer({"id": served[0].id, "version": served[0].version, **asdict(served[0].content)})
    return answer({**shown(versions[-1]), "versions": [shown(one) for one in versions], "moves": list(moves)})


async def begin_entry(request: web.Request) -> web.Response:
    """POST /api/knowledge/entries: a new draft."""
    body = await read_body(request, CONTENT_FIELDS | acting(request))
    content = Content(**({"question": ""} | content_of(body)))
    return answer(shown(await desk(request).begin(content, actor_of(request, body))), 201)


async def write_entry(request: web.Request) -> web.Response:
    """PATCH /api/knowledge/entries/ID: write fields into the draft; ``revision`` as it was seen."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | SEEN)
    wanted = content_of(body)
    if not wanted:
        raise ApiError(400, "bad_request", [Problem("", "nothing_to_change")])
    return answer(
        shown(await desk(request).write(entry_no(request), wanted, actor_of(request, body), body.get("revision")))
    )


async def revise_entry(request: web.Request) -> web.Response:
    """POST /api/knowledge/entries/ID/revise: begin the next version; the published one is served on."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | SEEN | _REASON)
    after = await desk(request).revise(
        entry_no(request), content_of(body), actor_of(request, body), body.get("revision"), body.get("reason", "")
    )
    return answer(shown(after), 201)


_MOVES = {
    "submit": KnowledgeInput.SUBMIT,
    "take-back": KnowledgeInput.TAKE_BACK,
    "publish": KnowledgeInput.PUBLISH,
    "refuse": KnowledgeInput.REFUSE,
    "withdraw": KnowledgeInput.WITHDRAW,
}

MOVES = "|".join(_MOVES)
"""The last part of a move's path, as a pattern."""


async def move_entry(request: web.Request) -> web.Response:
    """POST /api/knowledge/entries/ID/(submit|take-back|publish|refuse|withdraw), with ``revision`` as it was seen."""
    body = await read_body(request, acting(request) | SEEN | _REASON | {"version": Whole(1, 2**31 - 1)})
    cause = _MOVES[request.match_info["move"]]
    after = await desk(request).move(
        entry_no(request),
        cause,
        actor_of(request, body),
        body.get("reason", ""),
        body.get("revision"),
        body.get("version"),
    )
    return answer(shown(after))


async def take_inquiry(request: web.Request) -> web.Response:
    """POST /api/knowledge/from-ticket: the answer to a closed inquiry becomes a draft; fields given replace its own."""
    needed = {"ticket": Text(longest=32, required=True, pattern=re.compile(r"[0-9]+"))}
    body = await read_body(request, CONTENT_FIELDS | acting(request) | needed)
    made = await desk(request).from_ticket(TicketNumber(body["ticket"]), content_of(body), actor_of(request, body))
    return answer(shown(made), 201)


# ---------------------------------------------------------------- figures


async def list_ending(request: web.Request) -> web.Response:
    """GET /api/knowledge/expiring?unit=: what soon ends, or was not looked at for long; the first to end first."""
    found = await desk(request).ending(_unit(request, query_of(request, ("unit",))))
    return answer({"entries": [{**shown(one.entry), "warnings": list(one.warnings)} for one in found]})


async def show_completeness(request: web.Request) -> web.Response:
    """GET /api/knowledge/completeness: each unit's figures, with numerators and denominators."""
    query_of(request, ())
    unit = own_unit(request)
    found = [one for one in await desk(request).completeness() if not unit or one.unit == unit]
    return answer({"units": [{**asdict(one), "filled": one.filled, "coverage": one.coverage} for one in found]})


# ---------------------------------------------------------------- questions without answer


async def list_tasks(request: web.Request) -> web.Response:
    """GET /api/knowledge/tasks?unit=&state=&after=&limit=."""
    values = query_of(request, ("unit", "state", "after", "limit"))
    try:
        state = TaskState(values["state"]) if "state" in values else None
    except ValueError:
        raise ApiError(400, "bad_request", [Problem("state", "unknown_state")]) from None
    after = number_of(values, "after", 0, 2**31 - 1)
    limit = number_of(values, "limit", 100, MOST_LISTED)
    found = await desk(request).tasks(_unit(request, values), state, after, limit)
    return answer({"tasks": [shown_task(one) for one in found]})


async def show_task(request: web.Request) -> web.Response:
    """GET /api/knowledge/tasks/ID."""
    task, moves = await desk(request).task(entry_no(request))
    if own_unit(request) not in ("", task.unit):
        raise NotFound("task")
    return answer({**shown_task(task), "moves": list(moves)})


async def ask(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks with question, unit, region, ticket: nothing was found, the unit shall answer."""
    names = {name: CONTENT_FIELDS[name] for name in ("question", "unit", "region")}
    body = await read_body(request, names | acting(request) | _TICKET)
    question = Content(body.get("question", ""), unit=body.get("unit", ""), region=body.get("region", ""))
    return answer(shown_task(await desk(request).ask(question, actor_of(request, body), body.get("ticket", ""))), 201)


async def answer_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/answer: the answer becomes a draft."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | SEEN)
    task, entry = await desk(request).answer(
        entry_no(request), content_of(body), actor_of(request, body), body.get("revision")
    )
    return answer({"task": shown_task(task), "entry": shown(entry)}, 201)


async def assign_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/assign with unit and reason: it is another unit's."""
    unit: dict[str, Field] = {"unit": Text(longest=64, required=True, pattern=re.compile(r"[A-Za-z0-9_.-]+"))}
    body = await read_body(request, unit | acting(request) | SEEN | _REASON)
    task = await desk(request).assign(
        entry_no(request), body["unit"], actor_of(request, body), body.get("reason", ""), body.get("revision")
    )
    return answer(shown_task(task))


async def dismiss_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/dismiss with a reason."""
    body = await read_body(request, acting(request) | SEEN | _REASON)
    task = await desk(request).dismiss(
        entry_no(request), actor_of(request, body), body.get("reason", ""), body.get("revision")
    )
    return answer(shown_task(task))


# ---------------------------------------------------------------- files


def _format_of(values: dict[str, str]) -> Format:
    try:
        return Format(values.get("format", Format.CSV.value))
    except ValueError:
        raise ApiError(400, "bad_request", [Problem("format", "unknown_format")]) from None


async def export(request: web.Request) -> web.Response:
    """GET /api/knowledge/export?format=csv|xlsx&state=&unit=: the published entries, or those of the states."""
    values = query_of(request, ("format", "state", "unit"))
    format = _format_of(values)
    data = await desk(request).export(format, states_of(values.get("state", "")), _unit(request, values))
    headers = {"Content-Type": kind_of(format), "Content-Disposition": f'attachment; filename="{name_of(format)}"'}
    return web.Response(body=data, headers=headers)


async def take_in(request: web.Request) -> web.Response:
    """POST /api/knowledge/import?format=csv|xlsx&submit=1, the body is the file.

    Good rows are taken, some at a time; the others are named by line, column and code. The same file again goes on
    where it was cut, or is answered as before (``before``), unless ``anew=1`` is given.
    """
    fields = acting(request)
    values = query_of(request, (*_HOW, *ACTING) if fields else _HOW)
    problems = [
        Problem(name, "missing" if name not in values else code)
        for name, field in fields.items()
        if (name in values or field.required) and (code := field.problem(values.get(name)))
    ]
    for name in ("submit", "anew"):
        if values.get(name, "") not in ("", "0", "1"):
            problems.append(Problem(name, "not_true_or_false"))
    if problems:
        raise ApiError(400, "bad_request", problems)
    actor, format = actor_of(request, values), _format_of(values)
    data = bytearray()
    async for part in request.content.iter_any():
        data += part
        if len(data) > MOST_BYTES:
            raise ApiError(413, "body_too_large")
    submit, anew = (values.get(name) == "1" for name in ("submit", "anew"))
    done = await desk(request).take_in(format, bytes(data), actor, submit, anew)
    faults: list[dict[str, Any]] = [{**asdict(fault), "message": message(fault.code)} for fault in done.faults]
    taken = {"made": done.made, "revised": done.revised, "unchanged": done.unchanged}
    return answer({"import": done.id, "before": done.before, **taken, "faults": faults})


_HOW = ("format", "submit", "anew")


async def list_imports(request: web.Request) -> web.Response:
    """GET /api/knowledge/imports: the latest files, with how many of their good rows are taken; a unit sees its own."""
    query_of(request, ())
    found = await desk(request).imports()
    holder = request[HOLDER]
    names = ("id", "begun_by", "begun_at", "rows", "done", "ended_at")
    mine = [one for one in found if not own_unit(request) or one.begun_by == holder.id]
    return answer({"imports": [{name: getattr(one, name) for name in names} for one in mine]})
