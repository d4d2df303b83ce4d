"""Quality inspection (质检): what was found in each call, results, score cards, samples, scores, appeals, coaching.

Who may do what stands in one table, `agents.rights.INSPECTION`. An agent sees his own calls and the scores that count
for him; whoever acts for a unit or another organisation sees nothing. What is shown holds words of callers, so looking
at one call's evidence is a line of the audit trail, as reading its transcript is.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from agents.rights import Inspecting, inspects
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.inspection.card import NOT_APPLICABLE, Card, CardError
from recordings.inspection.findings import Inspection
from recordings.inspection.results import BY, Line
from recordings.inspection.review import InspectionRefused, ScoreInput
from recordings.inspection.review_sql import Note, PlanRow, Score, ScoreMove, Task
from recordings.inspection.sampling import MOST_DRAWN, Plan, PlanKind
from recordings.inspection.sql import Listed
from tickets.moves import Actor, Role
from web.auth import HOLDER
from web.described import described
from web.errors import ApiError, Handler, Problem, refusal
from web.fields import WINDOW, Choice, Field, Inner, Names, Number, Text, Whole, read_body, read_query, read_window
from web.inspection_desk import DoubleScoring, InspectionDesk, Wanted
from web.keys import BACKEND, CLOCK, LIMITS
from web.recordings import PLAY_S
from web.schema import shape_of
from web.shape import answer
from web.sheets import Format, Sheet, written

INSPECTIONS: web.AppKey[InspectionDesk | None] = web.AppKey("inspections", InspectionDesk)
"""None where this hotline inspects nothing."""

MOST_LISTED = 500
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FOUND = re.compile(r"[A-Za-z0-9_-]{1,32}")
_AFTER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?:[A-Za-z0-9_.-]{1,64}")


def _actor(request: web.Request, *acts: Inspecting) -> Actor:
    """Who asks, if one of `acts` is his to do. ApiError 403."""
    viewer = request[HOLDER]
    own = viewer.role is Role.AGENT
    if (viewer.unit and not own) or not any(inspects(viewer.role.value, act) for act in acts):
        raise ApiError(403, "not_allowed")
    return viewer


def _whose(request: web.Request, asked: str = "") -> str:
    """Of which agent he is shown something: an agent of himself alone, others of whom they ask. ApiError 403."""
    viewer = _actor(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    if inspects(viewer.role.value, Inspecting.SEE_ALL):
        return asked
    if asked not in ("", viewer.id):
        raise ApiError(403, "not_allowed")
    return viewer.id


def desk(request: web.Request) -> InspectionDesk:
    """Quality inspection; 404 where there is none."""
    found = request.app[INSPECTIONS]
    if found is None:
        raise ApiError(404, "not_found")
    return found


def refusals(handler: Handler) -> Handler:
    """A handler whose refusals are answered as such."""

    @functools.wraps(handler)
    async def handled(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except InspectionRefused as refused:
            if refused.field:
                raise ApiError(422, refused.code, [Problem(refused.field, refused.code)]) from None
            if refused.code in ("own_score", "own_call"):
                raise ApiError(403, refused.code) from None
            raise refusal(refused.code) from None
        except CardError as wrong:
            told = {str(place): fault for place, fault in enumerate(wrong.faults[:50], start=1)}
            raise ApiError(422, "bad_card", detail=told) from None

    return handled


# ---------------------------------------------------------------- calls

FOUND = shape_of(Inspection)

CALL = {
    "call": str, "agent": str, "queue": str, "started_at": float, "day": str, "made_at": float,
    "words_at": float | None, "sha256": str, "filed": list[str], "wrong_type": bool,
    "proposed": dict[str, float | str], "found": FOUND,
}  # fmt: skip


@described(gives=CALL, refuses=(404,))
async def show_call(request: web.Request) -> web.Response:
    """GET /api/inspection/calls/{call}: what was found, each finding with its second in the recording and its words.

    `filed` are the types of the call's tickets as they are now. The audit trail keeps who looked.
    """
    viewer, own = request[HOLDER], _whose(request)
    call = request.match_info["call"]
    found = await desk(request).call(call)
    if own and found.call.agent != own:
        raise ApiError(404, "unknown_inspection")
    now = request.app[CLOCK]()
    entry = AuditEntry(
        f"read_inspection-{viewer.id}-{call}-{int(now // PLAY_S)}", now, ActorId(viewer.id), viewer.role.value,
        "read_inspection", "", CallId(call), "", f"查看通话质检 {call}", f"looked at a call's inspection, {call}", "ok",
    )  # fmt: skip
    await request.app[BACKEND].note(entry)
    told = {name: value for name, value in asdict(found.call).items() if name != "found"}
    more = {"filed": list(found.filed), "wrong_type": found.wrong_type, "proposed": dict(found.proposed)}
    return answer({**told, **more, "found": found.call.found})


_WHO: dict[str, Field] = {"agent": Text(64, pattern=_NAME), "queue": Text(32, pattern=_NAME)}
_LIST: dict[str, Field] = {
    **WINDOW,
    **_WHO,
    "found": Text(32, pattern=_FOUND),
    "after": Text(80, pattern=_AFTER),
    "limit": Whole(1, MOST_LISTED),
}


@described(query=_LIST, gives={"rules": str, "calls": [Listed], "next": str | None}, refuses=(404,))
async def list_calls(request: web.Request) -> web.Response:
    """GET /api/inspection/calls?since=&until=&agent=&queue=&found=&after=&limit=: inspected calls by their begin.

    `found`: those with a finding of that kind (`dead-air`, a list's id, `type-mismatch`). `next` goes as `after` into
    the request for the next page.
    """
    values = read_query(request)
    window = _window(request, *_WHO, "found", "after", "limit")
    begin, _, call = values.get("after", "0:").partition(":")
    count = values.get("limit", 100)
    wanted = Wanted(
        window[0], window[1], _whose(request, values.get("agent", "")), values.get("queue", ""),
        values.get("found", ""), (float(begin), call), count,
    )  # fmt: skip
    found = await desk(request).calls(wanted)
    more = f"{found[-1].started_at!r}:{found[-1].call}" if len(found) == count else None
    return answer({"rules": desk(request).rules.version, "calls": list(found), "next": more})


def _window(request: web.Request, *also: str) -> tuple[float, float]:
    """The span that is asked about; a month where none is named."""
    limits = request.app[LIMITS]
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.longest_window_s, longest_s=limits.ticket_window_s, also=also
    )
    return window.since, window.until


@described(gives={"version": str, "rules": object}, refuses=(404,))
async def show_rules(request: web.Request) -> web.Response:
    """GET /api/inspection/rules: thresholds, lists and types of today, and their version."""
    _actor(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    rules = desk(request).rules
    return answer({"version": rules.version, "rules": rules})


_SPAN: dict[str, Field] = {"since": Number(-1e12, 1e12, required=True), "until": Number(-1e12, 1e12, required=True)}


@described(body=_SPAN, gives={"again": int}, refuses=(404,))
async def recompute(request: web.Request) -> web.Response:
    """POST /api/inspection/recompute ``{"since": …, "until": …}``: inspect the span's calls again.

    By the rules of today.

    `again`: how many of them the rules of today had judged already.
    """
    actor, body = _actor(request, Inspecting.RECOMPUTE), await read_body(request)
    return answer({"again": await desk(request).recompute(body["since"], body["until"], actor)})


# ---------------------------------------------------------------- results

_BY = Choice(BY)
_FORMAT = Choice(tuple(one.value for one in Format))


@described(
    query={**WINDOW, "by": _BY, "agent": Text(64, pattern=_NAME)},
    gives={"rules": str, "by": str, "since": float, "until": float, "lines": [Line]},
    refuses=(404,),
)
async def show_results(request: web.Request) -> web.Response:
    """GET /api/inspection/results?since=&until=&by=agent|team|queue|day: rates, with their counts.

    A rate's `judged` are the calls in which it could be judged at all; a name with ``?`` counts what was found by its
    sound alone. Scores are those given in the span that count for the agent.
    """
    values, (since, until) = read_query(request), _window(request, "by", "agent")
    by, agent = values.get("by", "agent"), _whose(request, values.get("agent", ""))
    lines = await desk(request).results(since, until, by, agent)
    told = {"rules": desk(request).rules.version, "by": by, "since": since, "until": until}
    return answer({**told, "lines": list(lines)})


@described(query={**WINDOW, "by": _BY, "format": _FORMAT}, media=tuple(one.media for one in Format), refuses=(404,))
async def export_results(request: web.Request) -> web.Response:
    """GET /api/inspection/results/export?since=&until=&by=&format=csv|xlsx: the same as a table."""
    values, (since, until) = read_query(request), _window(request, "by", "format")
    _actor(request, Inspecting.SEE_ALL)
    format = Format(values.get("format", Format.EXCEL.value))
    lines = await desk(request).results(since, until, values.get("by", "agent"), "")
    data = await asyncio.to_thread(lambda: written([_sheet(lines)], format))
    response = web.Response(body=data, content_type=format.media)
    if format is Format.CSV:
        response.charset = "utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="inspection.{format.value}"'
    return response


def _sheet(lines: Sequence[Line]) -> Sheet:
    """One row a line; of each rate how often found, of how many judged, and the rate."""
    means = sorted({name for line in lines for name in line.means})
    rates = sorted({name for line in lines for name in line.rates})
    heads = ["对象", "质检通话", "可判声音", "可判文字", "人工评分数", "平均得分", "合格数"]
    heads += [f"{name} {word}" for name in means for word in ("均值", "可判")]
    heads += [f"{name} {word}" for name in rates for word in ("命中", "可判", "占比")]
    rows = []
    for line in lines:
        row: list[object] = [line.key, line.calls, line.sound_judged, line.words_judged]
        row += [line.scores.count, line.scores.mean, line.scores.passed]
        for name in means:
            mean = line.means.get(name)
            row += [mean.mean, mean.judged] if mean is not None else [None, 0]
        for name in rates:
            rate = line.rates.get(name)
            row += [rate.found, rate.judged, rate.rate] if rate is not None else [None, 0, None]
        rows.append(row)
    return Sheet("质检结果", heads, rows)


# ---------------------------------------------------------------- cards and samples


@described(gives={"cards": [Card]}, refuses=(404,))
async def list_cards(request: web.Request) -> web.Response:
    """GET /api/inspection/cards: the newest version of every score card."""
    _actor(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    return answer({"cards": list(await desk(request).cards())})


@described(body={"card": Inner(required=True)}, gives=Card, status=201, refuses=(404, 422))
async def write_card(request: web.Request) -> web.Response:
    """POST /api/inspection/cards ``{"card": {…}}``: a card's next version; every fault is told. docs/inspection.md."""
    actor, body = _actor(request, Inspecting.CARDS), await read_body(request)
    return answer(await desk(request).write_card(body["card"], actor), 201)


@described(gives={"plans": [PlanRow]}, refuses=(404,))
async def list_plans(request: web.Request) -> web.Response:
    """GET /api/inspection/plans: every sampling plan, with how many calls it could draw, drew, and are done."""
    _actor(request, Inspecting.SEE_ALL)
    return answer({"plans": list(await desk(request).plans())})


_PLAN: dict[str, Field] = {
    "id": Text(32, required=True, pattern=_ID),
    "kind": Choice(tuple(one.value for one in PlanKind), required=True),
    **_SPAN,
    "count": Whole(1, MOST_DRAWN, required=True),
    "seed": Text(64, required=True),
    "inspectors": Names(50, required=True),
    "rule": Text(32, pattern=_FOUND),
    **_WHO,
    "double_share": Number(0, 1),
}


@described(body=_PLAN, gives={"tasks": [Task]}, status=201, refuses=(404, 422))
async def draw_plan(request: web.Request) -> web.Response:
    """POST /api/inspection/plans: draw calls for inspectors: random, by rule, or so many of each agent.

    The same seed over the same calls draws the same. What was drawn or scored once is not drawn again.
    """
    actor, body = _actor(request, Inspecting.PLAN), await read_body(request)
    body["kind"], body["inspectors"] = PlanKind(body["kind"]), tuple(body["inspectors"])
    return answer({"tasks": list(await desk(request).draw(Plan(**body), actor))}, 201)


@described(query={"plan": Text(32, pattern=_ID), "inspector": Text(64, pattern=_NAME)}, gives={"tasks": [Task]},
           refuses=(404,))  # fmt: skip
async def list_tasks(request: web.Request) -> web.Response:
    """GET /api/inspection/tasks?plan=&inspector=: sampled calls; without both, those of whoever asks.

    An inspector sees his own: who else scores a call is not his to know before he has.
    """
    viewer, values = _actor(request, Inspecting.SCORE, Inspecting.SEE_ALL), read_query(request)
    plan, inspector = values.get("plan", ""), values.get("inspector", "")
    if viewer.role is Role.INSPECTOR:
        if inspector not in ("", viewer.id):
            raise ApiError(403, "not_allowed")
        inspector = viewer.id
    elif not plan and not inspector:
        inspector = viewer.id
    return answer({"tasks": list(await desk(request).tasks(inspector, plan))})


# ---------------------------------------------------------------- scores

_ANSWERS = Inner()


def _answers(given: Mapping[str, Any]) -> dict[str, float | str]:
    """What a body answers for each item. ApiError 422 for what is neither a part of the weight nor ``n/a``."""
    for value in given.values():
        if value != NOT_APPLICABLE and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ApiError(422, "bad_answers", [Problem("answers", "bad_answers")])
    return {name: value if isinstance(value, str) else float(value) for name, value in given.items()}


@described(
    body=lambda limits: {
        "call": Text(64, required=True, pattern=_NAME),
        "card": Text(32, required=True, pattern=_ID),
        "answers": Inner(required=True),
        "note": Text(limits.text_length, may_be_empty=True),
    },
    gives=Score,
    status=201,
    refuses=(404, 422),
)
async def score_call(request: web.Request) -> web.Response:
    """POST /api/inspection/scores: score a call. `answers`: for each item the part of its weight, or ``n/a``.

    Items that the machine fills in may be left out. Nobody scores his own call, or one twice by the same card.
    """
    actor, body = _actor(request, Inspecting.SCORE), await read_body(request)
    given = _answers(body["answers"])
    return answer(await desk(request).score(body["call"], body["card"], given, body.get("note", ""), actor), 201)


@described(query={**WINDOW, "agent": Text(64, pattern=_NAME)}, gives={"scores": [Score]}, refuses=(404,))
async def list_scores(request: web.Request) -> web.Response:
    """GET /api/inspection/scores?since=&until=&agent=: the scores given in the span; an agent sees his own."""
    values, (since, until) = read_query(request), _window(request, "agent")
    agent = _whose(request, values.get("agent", ""))
    return answer({"scores": list(await desk(request).scores(since, until, agent, request[HOLDER]))})


@described(gives={"score": Score, "moves": [ScoreMove]}, refuses=(404,))
async def show_score(request: web.Request) -> web.Response:
    """GET /api/inspection/scores/{id}: one score, and everything that was done to it."""
    viewer = _actor(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    score, moves = await desk(request).show_score(request.match_info["id"], viewer)
    return answer({"score": score, "moves": list(moves)})


_NEEDED: Mapping[ScoreInput, Inspecting] = {
    ScoreInput.APPEAL: Inspecting.APPEAL,
    ScoreInput.UPHOLD: Inspecting.JUDGE,
    ScoreInput.CHANGE: Inspecting.JUDGE,
    ScoreInput.CLOSE: Inspecting.CLOSE,
}
"""Which act each move of a score is."""

MOVES = "|".join(one.value for one in ScoreInput)


@described(
    body=lambda limits: {"reason": Text(limits.text_length, may_be_empty=True), "answers": _ANSWERS},
    gives=Score,
    refuses=(404, 422),
)
async def move_score(request: web.Request) -> web.Response:
    """POST /api/inspection/scores/{id}/{move}: ``appeal`` (the agent), ``uphold``, ``change``, ``close``.

    All but ``close`` need a `reason`; ``change`` takes the new `answers` of some items. Nobody judges the appeal
    against his own score.
    """
    cause = ScoreInput(request.match_info["move"])
    actor, body = _actor(request, _NEEDED[cause]), await read_body(request)
    given = _answers(body["answers"]) if "answers" in body else None
    id = request.match_info["id"]
    return answer(await desk(request).move_score(id, cause, body.get("reason", ""), given, actor))


@described(query=WINDOW, gives=DoubleScoring, refuses=(404,))
async def show_agreement(request: web.Request) -> web.Response:
    """GET /api/inspection/agreement?since=&until=: percent and Cohen's kappa.

    Over the calls that two inspectors scored, of what each gave at first.
    """
    _actor(request, Inspecting.SEE_ALL)
    since, until = _window(request)
    return answer(await desk(request).agreement(since, until))


# ---------------------------------------------------------------- coaching


@described(
    body=lambda limits: {
        "agent": Text(64, required=True, pattern=_NAME),
        "call": Text(64, pattern=_NAME),
        "score": Text(32, pattern=_NAME),
        "text": Text(limits.text_length, required=True),
    },
    gives=Note,
    status=201,
    refuses=(404,),
)
async def coach(request: web.Request) -> web.Response:
    """POST /api/inspection/coaching: write a coaching note (辅导记录) for an agent, about a call or a score of his."""
    actor, body = _actor(request, Inspecting.COACH), await read_body(request)
    note = await desk(request).coach(body["agent"], body.get("call"), body.get("score"), body["text"], actor)
    return answer(note, 201)


@described(query={**WINDOW, "agent": Text(64, pattern=_NAME)}, gives={"notes": [Note]}, refuses=(404,))
async def list_notes(request: web.Request) -> web.Response:
    """GET /api/inspection/coaching?since=&until=&agent=: coaching notes; an agent sees his own."""
    values, (since, until) = read_query(request), _window(request, "agent")
    return answer({"notes": list(await desk(request).notes(since, until, _whose(request, values.get("agent", ""))))})


@described(body={}, gives=Note, refuses=(404,))
async def see_note(request: web.Request) -> web.Response:
    """POST /api/inspection/coaching/{id}/seen: the agent has read his note; the first time counts."""
    await read_body(request)
    return answer(await desk(request).see_note(request.match_info["id"], _actor(request, Inspecting.APPEAL)))


_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/api/inspection/rules", show_rules),
    ("POST", "/api/inspection/recompute", recompute),
    ("GET", "/api/inspection/calls", list_calls),
    ("GET", "/api/inspection/calls/{call}", show_call),
    ("GET", "/api/inspection/results", show_results),
    ("GET", "/api/inspection/results/export", export_results),
    ("GET", "/api/inspection/cards", list_cards),
    ("POST", "/api/inspection/cards", write_card),
    ("GET", "/api/inspection/plans", list_plans),
    ("POST", "/api/inspection/plans", draw_plan),
    ("GET", "/api/inspection/tasks", list_tasks),
    ("GET", "/api/inspection/scores", list_scores),
    ("POST", "/api/inspection/scores", score_call),
    ("GET", "/api/inspection/scores/{id:[0-9a-f]{20}}", show_score),
    ("POST", f"/api/inspection/scores/{{id:[0-9a-f]{{20}}}}/{{move:{MOVES}}}", move_score),
    ("GET", "/api/inspection/agreement", show_agreement),
    ("GET", "/api/inspection/coaching", list_notes),
    ("POST", "/api/inspection/coaching", coach),
    ("POST", "/api/inspection/coaching/{id:[0-9a-f]{20}}/seen", see_note),
]

ROUTES: list[tuple[str, str, Handler]] = [(method, path, refusals(handler)) for method, path, handler in _ROUTES]
"""Method, path and handler of each address; all of them ask for an access token (`web.auth.Access.TICKETS`)."""
