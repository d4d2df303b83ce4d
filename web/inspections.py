"""Quality inspection (质检): what was found in each call, results, score cards, samples, scores, appeals, coaching.

Who may do what stands in one table, `agents.rights.INSPECTION`. An agent sees his own calls and the scores that count
for him; whoever acts for a city sees what is of its calls (`web/inspection_guard.py`). What is shown holds words of
callers, so looking at one call's evidence is a line of the audit trail, as reading its transcript is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from agents.rights import Inspecting
from pbx.ids import ActorId, CallId
from pbx.supervision import AuditEntry
from recordings.inspection.card import NOT_APPLICABLE, Card
from recordings.inspection.findings import Inspection
from recordings.inspection.results import BY, Line
from recordings.inspection.review import ScoreInput
from recordings.inspection.review_sql import Note, PlanRow, Score, ScoreMove, Task
from recordings.inspection.sampling import MOST_DRAWN, Plan, PlanKind
from recordings.inspection.sql import Listed
from tickets.moves import Role
from web.auth import HOLDER
from web.described import described
from web.errors import ApiError, Handler, Problem
from web.fields import WINDOW, Choice, Field, Inner, Names, Number, Text, Whole, read_body, read_query, read_window
from web.inspection_desk import DoubleScoring, Wanted
from web.inspection_guard import ABOUT, acting, desk, guarded, whose
from web.keys import BACKEND, CLOCK, LIMITS
from web.recordings import PLAY_S
from web.schema import shape_of
from web.shape import answer, fields_of
from web.sheets import Format, Sheet, written

MOST_LISTED = 500
YEAR_S = 366 * 86_400.0
"""Of so long results are given at most."""
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FOUND = re.compile(r"[A-Za-z0-9_-]{1,32}")
_AFTER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?:[A-Za-z0-9_.-]{1,64}")


# ---------------------------------------------------------------- calls

FOUND = shape_of(Inspection)

CALL = {
    "call": str, "agent": str, "queue": str, "started_at": float, "day": str, "made_at": float,
    "words_at": float | None, "sha256": str, "filed": list[str], "wrong_type": bool,
    "proposed": dict[str, float | str], "found": FOUND, "city": str, "masked": bool, "ticket": str,
}  # fmt: skip


@described(gives=CALL, refuses=(404,))
async def show_call(request: web.Request) -> web.Response:
    """GET /api/inspection/calls/{call}: what was found, each finding with its second in the recording and its words.

    `ticket` is the number by which it is heard, `filed` the types of the call's tickets as they are now. `masked`:
    numbers of people in what was said are stars to who has no right to see them. The audit trail keeps who looked.
    """
    viewer = acting(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    call = request.match_info["call"]
    found = await desk(request).call(call, viewer)
    now = request.app[CLOCK]()
    entry = AuditEntry(
        f"read_inspection-{viewer.id}-{call}-{int(now // PLAY_S)}", now, ActorId(viewer.id), viewer.role.value,
        "read_inspection", "", CallId(call), "", f"查看通话质检 {call}", f"looked at a call's inspection, {call}", "ok",
    )  # fmt: skip
    await request.app[BACKEND].note(entry)
    told = {name: value for name, value in asdict(found.call).items() if name != "found"}
    more = {"filed": list(found.filed), "wrong_type": found.wrong_type, "proposed": dict(found.proposed)}
    more |= {"masked": found.masked, "ticket": found.ticket}
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
        window[0], window[1], whose(request, values.get("agent", "")), values.get("queue", ""),
        values.get("found", ""), (float(begin), call), count,
    )  # fmt: skip
    found = await desk(request).calls(wanted, request[HOLDER])
    more = f"{found[-1].started_at!r}:{found[-1].call}" if len(found) == count else None
    return answer({"rules": desk(request).rules.version, "calls": list(found), "next": more})


def _window(request: web.Request, *also: str, year: bool = False) -> tuple[float, float]:
    """The span that is asked about; a month where none is named, and not more than a `year` where that is said."""
    limits = request.app[LIMITS]
    longest = YEAR_S if year else limits.ticket_window_s
    window = read_window(
        request, now=request.app[CLOCK](), usual_s=limits.longest_window_s, longest_s=longest, also=also
    )
    return window.since, window.until


@described(gives={"version": str, "rules": object}, refuses=(404,))
async def show_rules(request: web.Request) -> web.Response:
    """GET /api/inspection/rules: thresholds, lists and types of today, and their version."""
    acting(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    rules = desk(request).rules
    return answer({"version": rules.version, "rules": rules})


_SPAN: dict[str, Field] = {"since": Number(-1e12, 1e12, required=True), "until": Number(-1e12, 1e12, required=True)}


@described(body=_SPAN, gives={"again": int}, refuses=(404,))
async def recompute(request: web.Request) -> web.Response:
    """POST /api/inspection/recompute ``{"since": …, "until": …}``: inspect the span's calls again.

    By the rules of today.

    `again`: how many of them the rules of today had judged already.
    """
    actor, body = acting(request, Inspecting.RECOMPUTE), await read_body(request)
    return answer({"again": await desk(request).recompute(body["since"], body["until"], actor)})


# ---------------------------------------------------------------- results

_BY = Choice(BY)
_FORMAT = Choice(tuple(one.value for one in Format))


_RESULTS = {
    "rules": str, "by": str, "since": float, "until": float, "first": str, "last": str, "judged_by": dict[str, int],
    "behind": list[str], "lines": [Line],
}  # fmt: skip


@described(query={**WINDOW, "by": _BY, "agent": Text(64, pattern=_NAME)}, gives=_RESULTS, refuses=(404,))
async def show_results(request: web.Request) -> web.Response:
    """GET /api/inspection/results?since=&until=&by=agent|team|queue|day: rates, with their counts.

    Of the whole days, `first` to `last`, that [since, until) touches: 366 at most. A rate's `judged` are the calls in
    which it could be judged at all; a name with ``?`` counts what was found by its sound alone. Scores are those of the
    days' calls that count for the agent, as they are now. `judged_by`: so many calls by each version of the rules.
    `behind`: days of which something has changed a moment ago.
    """
    values, (since, until) = read_query(request), _window(request, "by", "agent", year=True)
    by, agent = values.get("by", "agent"), whose(request, values.get("agent", ""))
    found = await desk(request).results(since, until, by, agent, request[HOLDER])
    told = {"rules": desk(request).rules.version, "by": by, **fields_of(found)}
    return answer(told | {"lines": list(found.lines), "behind": list(found.behind)})


@described(query={**WINDOW, "by": _BY, "format": _FORMAT}, media=tuple(one.media for one in Format), refuses=(404,))
async def export_results(request: web.Request) -> web.Response:
    """GET /api/inspection/results/export?since=&until=&by=&format=csv|xlsx: the same as a table."""
    values, (since, until) = read_query(request), _window(request, "by", "format", year=True)
    viewer = acting(request, Inspecting.SEE_ALL)
    format = Format(values.get("format", Format.EXCEL.value))
    found = await desk(request).results(since, until, values.get("by", "agent"), "", viewer)
    data = await asyncio.to_thread(lambda: written([_sheet(found.lines)], format))
    response = web.Response(body=data, content_type=format.media)
    if format is Format.CSV:
        response.charset = "utf-8"
    name = f"inspection-{found.first}-{found.last}.{format.value}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
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
    acting(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
    return answer({"cards": list(await desk(request).cards())})


@described(body={"card": Inner(required=True)}, gives=Card, status=201, refuses=(404, 422))
async def write_card(request: web.Request) -> web.Response:
    """POST /api/inspection/cards ``{"card": {…}}``: a card's next version; every fault is told. docs/inspection.md."""
    actor, body = acting(request, Inspecting.CARDS, whole=True), await read_body(request)
    return answer(await desk(request).write_card(body["card"], actor), 201)


@described(gives={"plans": [PlanRow]}, refuses=(404,))
async def list_plans(request: web.Request) -> web.Response:
    """GET /api/inspection/plans: every sampling plan, with how many calls it could draw, drew, and are done."""
    viewer = acting(request, Inspecting.SEE_ALL)
    return answer({"plans": list(await desk(request).plans(viewer))})


_PLAN: dict[str, Field] = {
    "id": Text(32, required=True, pattern=_ID),
    "kind": Choice(tuple(one.value for one in PlanKind), required=True),
    **_SPAN,
    "count": Whole(1, MOST_DRAWN, required=True),
    "seed": Text(64, required=True),
    "inspectors": Names(50, required=True),
    "rule": Text(32, pattern=_FOUND),
    **_WHO,
    "city": Text(32, pattern=_NAME),
    "double_share": Number(0, 1),
}


@described(body=_PLAN, gives={"tasks": [Task]}, status=201, refuses=(404, 422))
async def draw_plan(request: web.Request) -> web.Response:
    """POST /api/inspection/plans: draw calls for inspectors: random, by rule, or so many of each agent.

    The same seed over the same calls draws the same. What was drawn or scored once is not drawn again.
    """
    actor, body = acting(request, Inspecting.PLAN), await read_body(request)
    body["kind"], body["inspectors"] = PlanKind(body["kind"]), tuple(body["inspectors"])
    return answer({"tasks": list(await desk(request).draw(Plan(**body), actor))}, 201)


@described(query={"plan": Text(32, pattern=_ID), "inspector": Text(64, pattern=_NAME)}, gives={"tasks": [Task]},
           refuses=(404,))  # fmt: skip
async def list_tasks(request: web.Request) -> web.Response:
    """GET /api/inspection/tasks?plan=&inspector=: sampled calls; without both, those of whoever asks.

    An inspector sees his own: who else scores a call is not his to know before he has.
    """
    viewer, values = acting(request, Inspecting.SCORE, Inspecting.SEE_ALL), read_query(request)
    plan, inspector = values.get("plan", ""), values.get("inspector", "")
    if viewer.role is Role.INSPECTOR:
        if inspector not in ("", viewer.id):
            raise ApiError(403, "not_allowed")
        inspector = viewer.id
    elif not plan and not inspector:
        inspector = viewer.id
    return answer({"tasks": list(await desk(request).tasks(inspector, plan, viewer))})


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
    actor, body = acting(request, Inspecting.SCORE), await read_body(request)
    given = _answers(body["answers"])
    request[ABOUT] = body["call"]
    return answer(await desk(request).score(body["call"], body["card"], given, body.get("note", ""), actor), 201)


@described(query={**WINDOW, "agent": Text(64, pattern=_NAME)}, gives={"scores": [Score]}, refuses=(404,))
async def list_scores(request: web.Request) -> web.Response:
    """GET /api/inspection/scores?since=&until=&agent=: the scores given in the span; an agent sees his own."""
    values, (since, until) = read_query(request), _window(request, "agent")
    agent = whose(request, values.get("agent", ""))
    return answer({"scores": list(await desk(request).scores(since, until, agent, request[HOLDER]))})


@described(gives={"score": Score, "moves": [ScoreMove]}, refuses=(404,))
async def show_score(request: web.Request) -> web.Response:
    """GET /api/inspection/scores/{id}: one score, and everything that was done to it."""
    viewer = acting(request, Inspecting.SEE_ALL, Inspecting.SEE_OWN)
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
    actor, body = acting(request, _NEEDED[cause]), await read_body(request)
    given = _answers(body["answers"]) if "answers" in body else None
    id = request.match_info["id"]
    return answer(await desk(request).move_score(id, cause, body.get("reason", ""), given, actor))


@described(query=WINDOW, gives=DoubleScoring, refuses=(404,))
async def show_agreement(request: web.Request) -> web.Response:
    """GET /api/inspection/agreement?since=&until=: percent and Cohen's kappa.

    Over the calls that two inspectors scored, of what each gave at first.
    """
    viewer = acting(request, Inspecting.SEE_ALL)
    since, until = _window(request)
    return answer(await desk(request).agreement(since, until, viewer))


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
    actor, body = acting(request, Inspecting.COACH), await read_body(request)
    note = await desk(request).coach(body["agent"], body.get("call"), body.get("score"), body["text"], actor)
    return answer(note, 201)


@described(query={**WINDOW, "agent": Text(64, pattern=_NAME)}, gives={"notes": [Note]}, refuses=(404,))
async def list_notes(request: web.Request) -> web.Response:
    """GET /api/inspection/coaching?since=&until=&agent=: coaching notes; an agent sees his own."""
    values, (since, until) = read_query(request), _window(request, "agent")
    agent = whose(request, values.get("agent", ""))
    return answer({"notes": list(await desk(request).notes(since, until, agent, request[HOLDER]))})


@described(body={}, gives=Note, refuses=(404,))
async def see_note(request: web.Request) -> web.Response:
    """POST /api/inspection/coaching/{id}/seen: the agent has read his note; the first time counts."""
    await read_body(request)
    return answer(await desk(request).see_note(request.match_info["id"], acting(request, Inspecting.APPEAL)))


_ROUTES: list[tuple[str, str, str, Handler]] = [
    ("see_inspection_rules", "GET", "/api/inspection/rules", show_rules),
    ("inspect_again", "POST", "/api/inspection/recompute", recompute),
    ("list_inspections", "GET", "/api/inspection/calls", list_calls),
    ("read_inspection", "GET", "/api/inspection/calls/{call}", show_call),
    ("see_results", "GET", "/api/inspection/results", show_results),
    ("export_results", "GET", "/api/inspection/results/export", export_results),
    ("see_cards", "GET", "/api/inspection/cards", list_cards),
    ("write_card", "POST", "/api/inspection/cards", write_card),
    ("see_samples", "GET", "/api/inspection/plans", list_plans),
    ("draw_sample", "POST", "/api/inspection/plans", draw_plan),
    ("see_samples", "GET", "/api/inspection/tasks", list_tasks),
    ("see_scores", "GET", "/api/inspection/scores", list_scores),
    ("score_call", "POST", "/api/inspection/scores", score_call),
    ("see_scores", "GET", "/api/inspection/scores/{id:[0-9a-f]{20}}", show_score),
    ("{move}_score", "POST", f"/api/inspection/scores/{{id:[0-9a-f]{{20}}}}/{{move:{MOVES}}}", move_score),
    ("see_agreement", "GET", "/api/inspection/agreement", show_agreement),
    ("see_coaching", "GET", "/api/inspection/coaching", list_notes),
    ("coach_agent", "POST", "/api/inspection/coaching", coach),
    ("read_coaching", "POST", "/api/inspection/coaching/{id:[0-9a-f]{20}}/seen", see_note),
]
"""By what name the audit trail knows each of them, method, path and handler."""

ROUTES: list[tuple[str, str, Handler]] = [
    (method, path, guarded(action, handler)) for action, method, path, handler in _ROUTES
]
"""Method, path and handler of each address; all of them ask for an access token (`web.auth.Access.TICKETS`)."""
