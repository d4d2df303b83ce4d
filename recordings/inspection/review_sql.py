"""Score cards, samples, scores and coaching notes on disk.

Functions take a connection and run inside the caller's transaction; the same code serves SQLite and PostgreSQL. Times
are epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select, update

from recordings.inspection.card import Automatic, Card, Item
from recordings.inspection.review import InspectionRefused, ScoreState
from recordings.inspection.sampling import Candidate, Drawn, Plan, PlanKind
from recordings.inspection.sql import has_finding
from recordings.inspection.tables import cards, inspections, moves, notes, plans, samples, scores

# ---------------------------------------------------------------- cards


def save_card(connection: Connection, card: Card, by: str, at: float) -> Card:
    """Write a card's next version; the same as the newest is no new one."""
    newest = get_card(connection, card.id)
    body = json.dumps(asdict(card) | {"version": 0}, ensure_ascii=False)
    if newest is not None and json.dumps(asdict(newest) | {"version": 0}, ensure_ascii=False) == body:
        return newest
    version = newest.version + 1 if newest is not None else 1
    connection.execute(insert(cards).values(id=card.id, version=version, made_at=at, made_by=by, body=body))
    found = get_card(connection, card.id, version)
    assert found is not None
    return found


def get_card(connection: Connection, id: str, version: int | None = None) -> Card | None:
    """A card's version, or its newest."""
    query = select(cards.c.version, cards.c.body).where(cards.c.id == id)
    if version is not None:
        query = query.where(cards.c.version == version)
    row = connection.execute(query.order_by(cards.c.version.desc()).limit(1)).first()
    return _card(row.version, row.body) if row is not None else None


def list_cards(connection: Connection) -> list[Card]:
    """The newest version of every card."""
    newest = select(cards.c.id, func.max(cards.c.version).label("version")).group_by(cards.c.id).subquery()
    both = and_(cards.c.id == newest.c.id, cards.c.version == newest.c.version)
    rows = connection.execute(select(cards.c.version, cards.c.body).join(newest, both).order_by(cards.c.id))
    return [_card(row.version, row.body) for row in rows]


def _card(version: int, body: str) -> Card:
    data = json.loads(body)
    items = tuple(
        Item(**one | {"levels": tuple(one["levels"]), "automatic": tuple(Automatic(**a) for a in one["automatic"])})
        for one in data["items"]
    )
    return Card(**data | {"items": items, "version": version})


# ---------------------------------------------------------------- samples


def candidates(connection: Connection, plan: Plan, wrong_type: ColumnElement[bool] | None) -> list[Candidate]:
    """The judged calls that a plan may draw. `wrong_type`: what says that an inspection's ticket is of a wrong type,
    for a plan by that."""
    query = select(inspections.c.call, inspections.c.agent).where(
        inspections.c.newest == 1,
        inspections.c.started_at >= plan.since,
        inspections.c.started_at < plan.until,
        inspections.c.agent != "",
    )
    for name in ("queue", "agent", "city"):
        if value := getattr(plan, name):
            query = query.where(inspections.c[name] == value)
    if plan.kind is PlanKind.RULE:
        query = query.where(wrong_type if wrong_type is not None else has_finding(plan.rule))
    return [Candidate(row.call, row.agent) for row in connection.execute(query.order_by(inspections.c.call))]


def drawn_before(connection: Connection) -> set[str]:
    """The calls that some plan has drawn, or somebody has scored."""
    found = set(connection.execute(select(samples.c.call).distinct()).scalars())
    return found | set(connection.execute(select(scores.c.call).distinct()).scalars())


def save_plan(connection: Connection, plan: Plan, found: int, drawn: Sequence[Drawn], by: str, at: float) -> None:
    """Write a plan and what it drew. Raises `InspectionRefused` (plan_taken) for an id that is there."""
    if connection.execute(select(plans.c.id).where(plans.c.id == plan.id)).first() is not None:
        raise InspectionRefused("plan_taken", "id")
    body = json.dumps(asdict(plan) | {"kind": plan.kind.value}, ensure_ascii=False)
    connection.execute(insert(plans).values(id=plan.id, made_at=at, made_by=by, candidates=found, body=body))
    if drawn:
        connection.execute(insert(samples), [asdict(one) | {"plan": plan.id, "score": None} for one in drawn])


@dataclass(frozen=True, slots=True)
class Task:
    """One sampled call of an inspector; `score`: what came of it, None = it is still to be done."""

    plan: str
    call: str
    seat: int
    agent: str
    inspector: str
    score: str | None


def list_tasks(
    connection: Connection, inspector: str = "", plan: str = "", *, call: str = "", undone: bool = False
) -> list[Task]:
    """Sampled calls: of an inspector, of a plan, one call's."""
    query = select(samples)
    if call:
        query = query.where(samples.c.call == call)
    if inspector:
        query = query.where(samples.c.inspector == inspector)
    if plan:
        query = query.where(samples.c.plan == plan)
    if undone:
        query = query.where(samples.c.score.is_(None))
    rows = connection.execute(query.order_by(samples.c.plan, samples.c.call, samples.c.seat))
    return [Task(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A plan as it was drawn, and how far it is."""

    plan: Plan
    made_at: float
    made_by: str
    candidates: int
    drawn: int
    done: int


def list_plans(connection: Connection) -> list[PlanRow]:
    """Every plan, the newest first."""
    count = select(
        samples.c.plan, func.count().label("drawn"), func.count(samples.c.score).label("done")
    ).group_by(samples.c.plan).subquery()  # fmt: skip
    query = select(plans, count.c.drawn, count.c.done).outerjoin(count, count.c.plan == plans.c.id)
    found = []
    for row in connection.execute(query.order_by(plans.c.made_at.desc(), plans.c.id)):
        data = json.loads(row.body)
        plan = Plan(**data | {"kind": PlanKind(data["kind"]), "inspectors": tuple(data["inspectors"])})
        found.append(PlanRow(plan, row.made_at, row.made_by, row.candidates, row.drawn or 0, row.done or 0))
    return found


# ---------------------------------------------------------------- scores


@dataclass(frozen=True, slots=True)
class Score:
    """A score as it is now. `answers`: of each item the part of its weight, or ``n/a``."""

    id: str
    call: str
    card: str
    card_version: int
    inspector: str
    seat: int
    agent: str
    queue: str
    day: str
    at: float
    state: ScoreState
    total: float
    passed: bool
    answers: Mapping[str, float | str]
    note: str
    city: str = ""


@dataclass(frozen=True, slots=True)
class ScoreMove:
    """What was done to a score, and what it was then."""

    seq: int
    at: float
    by: str
    role: str
    move: str
    state: ScoreState
    total: float
    answers: Mapping[str, float | str]
    reason: str


def add_score(connection: Connection, score: Score, role: str) -> Score:
    """Write a new score; its sampled call is done. `InspectionRefused` (scored_already) where the inspector has scored
    that call by that card."""
    there = select(scores.c.id).where(
        scores.c.call == score.call, scores.c.card == score.card, scores.c.inspector == score.inspector
    )
    if connection.execute(there).first() is not None:
        raise InspectionRefused("scored_already")
    connection.execute(insert(scores).values(**_score_row(score)))
    mine = and_(samples.c.call == score.call, samples.c.inspector == score.inspector, samples.c.score.is_(None))
    connection.execute(update(samples).where(mine).values(score=score.id))
    _add_move(connection, score, ScoreMove(1, score.at, score.inspector, role, "score", score.state, score.total,
                                           score.answers, score.note))  # fmt: skip
    return score


def move_score(connection: Connection, after: Score, move: ScoreMove) -> None:
    """Write a score as it is after a move."""
    connection.execute(update(scores).where(scores.c.id == after.id).values(**_score_row(after)))
    _add_move(connection, after, move)


def _add_move(connection: Connection, score: Score, move: ScoreMove) -> None:
    row = asdict(move) | {"state": move.state.value, "answers": json.dumps(dict(move.answers)), "score": score.id}
    connection.execute(insert(moves).values(**row))


def _score_row(score: Score) -> dict[str, Any]:
    given = asdict(score) | {"state": score.state.value, "passed": int(score.passed)}
    return given | {"answers": json.dumps(dict(score.answers))}


def get_score(connection: Connection, id: str, *, lock: bool = False) -> Score | None:
    """One score; `lock`: nobody else may move it until the transaction's end."""
    query = select(scores).where(scores.c.id == id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return _score(row) if row is not None else None


def list_score_moves(connection: Connection, id: str) -> list[ScoreMove]:
    """What was done to a score, in order."""
    found = []
    for row in connection.execute(select(moves).where(moves.c.score == id).order_by(moves.c.seq)):
        given = {name: value for name, value in row._mapping.items() if name != "score"}
        given |= {"state": ScoreState(row.state), "answers": json.loads(row.answers)}
        found.append(ScoreMove(**given))
    return found


def scores_of(connection: Connection, call: str) -> list[Score]:
    """Every score of a call."""
    return [_score(row) for row in connection.execute(select(scores).where(scores.c.call == call))]


Answers = Mapping[str, float | str]


def pairs(
    connection: Connection, since: float, until: float, city: str = ""
) -> list[tuple[str, int, Answers, Answers]]:
    """The calls scored twice by one card whose first score was given in [since, until): card, its version, and what the
    first and the second inspector gave at first. `city`: its calls alone, where it is named."""
    one, other = scores.alias("one"), scores.alias("other")
    his, hers = moves.alias("his"), moves.alias("hers")
    query = (
        select(one.c.card, one.c.card_version, his.c.answers, hers.c.answers.label("second"))
        .join(other, and_(other.c.call == one.c.call, other.c.card == one.c.card, other.c.seat == 2))
        .join(his, and_(his.c.score == one.c.id, his.c.seq == 1))
        .join(hers, and_(hers.c.score == other.c.id, hers.c.seq == 1))
        .where(one.c.seat == 1, one.c.at >= since, one.c.at < until, one.c.card_version == other.c.card_version)
        .order_by(one.c.at, one.c.id, other.c.id)
    )
    if city:
        query = query.where(one.c.city == city)
    return [(row.card, row.card_version, json.loads(row.answers), json.loads(row.second))
            for row in connection.execute(query)]  # fmt: skip


def list_scores(
    connection: Connection, since: float, until: float, *, agent: str = "", city: str = "", first_only: bool = False
) -> list[Score]:
    """The scores given in [since, until), of an agent and of a city where they are named; `first_only`: those that
    count for him."""
    query = select(scores).where(scores.c.at >= since, scores.c.at < until)
    if agent:
        query = query.where(scores.c.agent == agent)
    if city:
        query = query.where(scores.c.city == city)
    if first_only:
        query = query.where(scores.c.seat == 1)
    return [_score(row) for row in connection.execute(query.order_by(scores.c.at, scores.c.id))]


def _score(row: Row[Any]) -> Score:
    given = dict(row._mapping)
    given |= {"state": ScoreState(row.state), "passed": bool(row.passed), "answers": json.loads(row.answers)}
    return Score(**given | {"city": row.city or ""})


@dataclass(frozen=True, slots=True)
class ScoreSum:
    """The scores that count, of the calls of an agent, of a queue or of a day (what was not asked for is empty): how
    many, their sum, how many passed."""

    agent: str
    queue: str
    day: str
    count: int
    total: float
    passed: int


def score_sums(
    connection: Connection, first: str, last: str, by: str, agent: str = "", city: str = ""
) -> list[ScoreSum]:
    """The scores of the calls of the days from `first` to `last` by ``agent``, ``queue`` or ``day``, as they are now,
    whenever they were given or changed; the database adds them up."""
    key = scores.c[by]
    query = select(key, func.count(), func.sum(scores.c.total), func.sum(scores.c.passed))
    query = query.where(scores.c.seat == 1, scores.c.day >= first, scores.c.day <= last)
    if agent:
        query = query.where(scores.c.agent == agent)
    if city:
        query = query.where(scores.c.city == city)
    empty = {"agent": "", "queue": "", "day": ""}
    return [
        ScoreSum(**empty | {by: of}, count=count, total=total, passed=passed)
        for of, count, total, passed in connection.execute(query.group_by(key))
    ]


# ---------------------------------------------------------------- coaching


@dataclass(frozen=True, slots=True)
class Note:
    """A coaching note for an agent; `seen_at`: when he said that he has read it."""

    id: str
    agent: str
    call: str | None
    score: str | None
    by: str
    at: float
    text: str
    seen_at: float | None = None
    city: str = ""


def add_note(connection: Connection, note: Note) -> Note:
    """Write a note."""
    connection.execute(insert(notes).values(**asdict(note)))
    return note


def see_note(connection: Connection, id: str, agent: str, at: float) -> Note | None:
    """The agent has read it; the first time counts. None for a note that is not his."""
    mine = and_(notes.c.id == id, notes.c.agent == agent)
    connection.execute(update(notes).where(mine, notes.c.seen_at.is_(None)).values(seen_at=at))
    row = connection.execute(select(notes).where(mine)).first()
    return _note(row) if row is not None else None


def list_notes(connection: Connection, since: float, until: float, agent: str = "", city: str = "") -> list[Note]:
    """Notes written in [since, until), of one agent and of one city where they are named."""
    query = select(notes).where(notes.c.at >= since, notes.c.at < until)
    if agent:
        query = query.where(notes.c.agent == agent)
    if city:
        query = query.where(notes.c.city == city)
    return [_note(row) for row in connection.execute(query.order_by(notes.c.at, notes.c.id))]


def _note(row: Row[Any]) -> Note:
    return Note(**dict(row._mapping) | {"city": row.city or ""})
