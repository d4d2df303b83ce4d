"""The knowledge base (知识库): search, write, review, questions without answer, files.

A bearer of an access token acts as himself; the hotline's own token speaks for whom it names (``by``, ``by_role``,
``by_unit``). What each role may do stands in `knowledge.moves` and `knowledge.tasks`; a unit sees its own drafts and
questions, and what is published; an agent what is published.
"""

from __future__ import annotations

import functools
import re
from dataclasses import asdict
from typing import Any

from aiohttp import web

from knowledge.completeness import Completeness, Warning
from knowledge.entry import Content
from knowledge.moves import KnowledgeInput, KnowledgeMove, KnowledgeState
from knowledge.sheet import MOST_BYTES, Fault, Format, kind_of, name_of
from knowledge.sql import KnowledgeConflict
from knowledge.tasks import TaskMove, TaskState
from knowledge.tasks_sql import TaskConflict
from pbx.ids import TicketNumber
from web.auth import HOLDER
from web.backend import NotFound
from web.described import Either, described
from web.errors import ApiError, Handler, Problem, message
from web.fields import Choice, Field, Text, Whole, read_body, read_query
from web.knowledge_backend import Wanted
from web.knowledge_fields import (
    ACTING,
    CONTENT_FIELDS,
    ENTRY,
    SEEN,
    STATES,
    TASK,
    TEXTS,
    UNIT,
    acting,
    actor_of,
    content_of,
    desk,
    drafts_of,
    entry_no,
    of_others,
    own_unit,
    served,
    shown,
    shown_task,
    states_of,
)
from web.schema import shape_of
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


def _unit(request: web.Request, values: dict[str, Any]) -> str:
    """The unit that is asked for; a unit's own where the bearer is one."""
    return own_unit(request) or str(values.get("unit", ""))


# ---------------------------------------------------------------- entries


_PAGE: dict[str, Field] = {"after": Whole(0, 2**31 - 1), "limit": Whole(0, MOST_LISTED)}

_FORMAT = Choice(tuple(one.value for one in Format), code="unknown_format")

_BOTH = tuple(kind_of(one).partition(";")[0] for one in Format)
"""The media types of files."""


@described(query={**TEXTS, **UNIT, "limit": Whole(0, MOST_FOUND)}, gives={"entries": [ENTRY]}, refuses=(404,))
async def search(request: web.Request) -> web.Response:
    """GET /api/knowledge/search?q=&region=&unit=&language=&limit=: published and valid entries, the best first."""
    values = read_query(request)
    wanted = Wanted(
        values.get("q", ""),
        values.get("region", ""),
        values.get("unit", ""),
        values.get("language", ""),
        limit=values.get("limit", 10),
    )
    return answer({"entries": [shown(one) for one in await desk(request).search(wanted)]})


@described(query={**STATES, **UNIT, **_PAGE}, gives={"entries": [ENTRY]}, refuses=(404,))
async def list_entries(request: web.Request) -> web.Response:
    """GET /api/knowledge/entries?state=&unit=&after=&limit=: by number, those above ``after``.

    Drafts and reviews are shown to who writes or decides for the unit; everybody sees what is published.
    """
    values = read_query(request)
    states = states_of(values.get("state", ""))
    after, limit = values.get("after", 0), values.get("limit", 100)
    found = await desk(request).entries(states, _unit(request, values), after, limit, drafts_of(request))
    return answer({"entries": [shown(one) for one in found]})


@described(
    gives=Either(
        (
            {**ENTRY, "versions": [ENTRY], "moves": list[KnowledgeMove]},
            {"id": str, "version": int, **shape_of(Content)},  # another unit's, or an agent asks
        )
    )
)
async def show_entry(request: web.Request) -> web.Response:
    """GET /api/knowledge/entries/ID: its latest version, all versions, everything that was done to it.

    Whose drafts are not for the bearer (an agent, another unit) sees the published text; 404 where there is none.
    """
    versions, moves = await desk(request).entry(entry_no(request))
    unit, mine = own_unit(request), drafts_of(request)
    of = {one.content.unit for one in versions}
    if (unit and unit not in of) or of_others(request, of, mine):
        public = [one for one in versions if one.state is KnowledgeState.PUBLISHED]
        if not public:
            raise NotFound("entry")
        return answer({"id": public[0].id, "version": public[0].version, **asdict(public[0].content)})
    return answer({**shown(versions[-1]), "versions": [shown(one) for one in versions], "moves": list(moves)})


@described(body=CONTENT_FIELDS | ACTING, gives=ENTRY, status=201)
async def begin_entry(request: web.Request) -> web.Response:
    """POST /api/knowledge/entries: a new draft."""
    body = await read_body(request, CONTENT_FIELDS | acting(request))
    content = Content(**({"question": ""} | content_of(body)))
    return answer(shown(await desk(request).begin(content, actor_of(request, body))), 201)


@described(body=CONTENT_FIELDS | ACTING | SEEN, gives=ENTRY)
async def write_entry(request: web.Request) -> web.Response:
    """PATCH /api/knowledge/entries/ID: write fields into the draft; ``revision`` as it was seen."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | SEEN)
    wanted = content_of(body)
    if not wanted:
        raise ApiError(400, "bad_request", [Problem("", "nothing_to_change")])
    return answer(
        shown(await desk(request).write(entry_no(request), wanted, actor_of(request, body), body.get("revision")))
    )


@described(body=CONTENT_FIELDS | ACTING | SEEN | _REASON, gives=ENTRY, status=201)
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


_VERSION: dict[str, Field] = {"version": Whole(1, 2**31 - 1)}


@described(body=ACTING | SEEN | _REASON | _VERSION, gives=ENTRY)
async def move_entry(request: web.Request) -> web.Response:
    """POST /api/knowledge/entries/ID/(submit|take-back|publish|refuse|withdraw), with ``revision`` as it was seen."""
    body = await read_body(request, acting(request) | SEEN | _REASON | _VERSION)
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


_INQUIRY: dict[str, Field] = {"ticket": Text(longest=32, required=True, pattern=re.compile(r"[0-9]+"))}


@described(body=CONTENT_FIELDS | ACTING | _INQUIRY, gives=ENTRY, status=201)
async def take_inquiry(request: web.Request) -> web.Response:
    """POST /api/knowledge/from-ticket: the answer to a closed inquiry becomes a draft; fields given replace its own."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | _INQUIRY)
    made = await desk(request).from_ticket(TicketNumber(body["ticket"]), content_of(body), actor_of(request, body))
    return answer(shown(made), 201)


# ---------------------------------------------------------------- figures


@described(query=UNIT, gives={"entries": [{**ENTRY, "warnings": list[Warning]}]}, refuses=(404,))
async def list_ending(request: web.Request) -> web.Response:
    """GET /api/knowledge/expiring?unit=: what soon ends, or was not looked at for long; the first to end first."""
    unit, mine = _unit(request, read_query(request)), served(request)
    found = [one for one in await desk(request).ending(unit) if mine is None or one.entry.content.unit in mine]
    return answer({"entries": [{**shown(one.entry), "warnings": list(one.warnings)} for one in found]})


@described(
    gives={"units": [{**shape_of(Completeness), "filled": float | None, "coverage": float | None}]}, refuses=(400, 404)
)
async def show_completeness(request: web.Request) -> web.Response:
    """GET /api/knowledge/completeness: each unit's figures, with numerators and denominators."""
    read_query(request)
    unit, mine = own_unit(request), served(request)
    found = [
        one
        for one in await desk(request).completeness()
        if (not unit or one.unit == unit) and (mine is None or one.unit in mine)
    ]
    return answer({"units": [{**asdict(one), "filled": one.filled, "coverage": one.coverage} for one in found]})


# ---------------------------------------------------------------- questions without answer


_TASK_STATE: dict[str, Field] = {"state": Choice(tuple(one.value for one in TaskState), code="unknown_state")}


@described(query={**UNIT, **_TASK_STATE, **_PAGE}, gives={"tasks": [TASK]}, refuses=(404,))
async def list_tasks(request: web.Request) -> web.Response:
    """GET /api/knowledge/tasks?unit=&state=&after=&limit=."""
    values = read_query(request)
    state = TaskState(values["state"]) if "state" in values else None
    after, limit = values.get("after", 0), values.get("limit", 100)
    found = await desk(request).tasks(_unit(request, values), state, after, limit, served(request))
    return answer({"tasks": [shown_task(one) for one in found]})


@described(gives={**TASK, "moves": list[TaskMove]})
async def show_task(request: web.Request) -> web.Response:
    """GET /api/knowledge/tasks/ID."""
    task, moves = await desk(request).task(entry_no(request))
    if own_unit(request) not in ("", task.unit) or of_others(request, {task.unit}, served(request)):
        raise NotFound("task")
    return answer({**shown_task(task), "moves": list(moves)})


_QUESTION = {name: CONTENT_FIELDS[name] for name in ("question", "unit", "region")} | _TICKET


@described(body=_QUESTION | ACTING, gives=TASK, status=201)
async def ask(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks with question, unit, region, ticket: nothing was found, the unit shall answer."""
    body = await read_body(request, _QUESTION | acting(request))
    question = Content(body.get("question", ""), unit=body.get("unit", ""), region=body.get("region", ""))
    return answer(shown_task(await desk(request).ask(question, actor_of(request, body), body.get("ticket", ""))), 201)


@described(body=CONTENT_FIELDS | ACTING | SEEN, gives={"task": TASK, "entry": ENTRY}, status=201)
async def answer_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/answer: the answer becomes a draft."""
    body = await read_body(request, CONTENT_FIELDS | acting(request) | SEEN)
    task, entry = await desk(request).answer(
        entry_no(request), content_of(body), actor_of(request, body), body.get("revision")
    )
    return answer({"task": shown_task(task), "entry": shown(entry)}, 201)


_ANOTHER: dict[str, Field] = {"unit": Text(longest=64, required=True, pattern=re.compile(r"[A-Za-z0-9_.-]+"))}


@described(body=_ANOTHER | ACTING | SEEN | _REASON, gives=TASK)
async def assign_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/assign with unit and reason: it is another unit's."""
    body = await read_body(request, _ANOTHER | acting(request) | SEEN | _REASON)
    task = await desk(request).assign(
        entry_no(request), body["unit"], actor_of(request, body), body.get("reason", ""), body.get("revision")
    )
    return answer(shown_task(task))


@described(body=ACTING | SEEN | _REASON, gives=TASK)
async def dismiss_task(request: web.Request) -> web.Response:
    """POST /api/knowledge/tasks/ID/dismiss with a reason."""
    body = await read_body(request, acting(request) | SEEN | _REASON)
    task = await desk(request).dismiss(
        entry_no(request), actor_of(request, body), body.get("reason", ""), body.get("revision")
    )
    return answer(shown_task(task))


# ---------------------------------------------------------------- files


def _format_of(values: dict[str, Any]) -> Format:
    return Format(values.get("format", Format.CSV.value))


@described(query={"format": _FORMAT, **STATES, **UNIT}, media=_BOTH, refuses=(404,))
async def export(request: web.Request) -> web.Response:
    """GET /api/knowledge/export?format=csv|xlsx&state=&unit=: the published entries, or those of the states."""
    values = read_query(request)
    format = _format_of(values)
    states = states_of(values.get("state", ""))
    data = await desk(request).export(format, states, _unit(request, values), drafts_of(request))
    headers = {"Content-Type": kind_of(format), "Content-Disposition": f'attachment; filename="{name_of(format)}"'}
    return web.Response(body=data, headers=headers)


_TAKE_IN: dict[str, Field] = {
    "format": _FORMAT,
    "submit": Choice(("", "0", "1"), code="not_true_or_false"),
    "anew": Choice(("", "0", "1"), code="not_true_or_false"),
}


@described(
    body={},
    takes=("application/octet-stream", *_BOTH),
    query=_TAKE_IN | ACTING,
    gives={
        "import": str,
        "before": bool,
        "made": int,
        "revised": int,
        "unchanged": int,
        "faults": [{**shape_of(Fault), "message": {"zh": str, "en": str}}],
    },
)
async def take_in(request: web.Request) -> web.Response:
    """POST /api/knowledge/import?format=csv|xlsx&submit=1, the body is the file.

    Good rows are taken, some at a time; the others are named by line, column and code. The same file again goes on
    where it was cut, or is answered as before (``before``), unless ``anew=1`` is given.
    """
    values = read_query(request, _TAKE_IN | acting(request))
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


IMPORT = {
    "id": str,
    "begun_by": str,
    "begun_at": float,
    "rows": int,
    "done": int,
    "ended_at": float | None,
}


@described(gives={"imports": [IMPORT]}, refuses=(404,))
async def list_imports(request: web.Request) -> web.Response:
    """GET /api/knowledge/imports: the latest files, with how many of their good rows are taken.

    A unit, and one city's people where there are several, see those that they have sent.
    """
    read_query(request, {})
    found = await desk(request).imports()
    holder = request[HOLDER]
    every = not own_unit(request) and served(request) is None
    mine = [one for one in found if every or one.begun_by == holder.id]
    return answer({"imports": [{name: getattr(one, name) for name in IMPORT} for one in mine]})
