"""Quality inspection as the web sees it: implements `web.inspection_desk.InspectionDesk` over the store.

Everything that somebody does is a line of the audit trail, written in the same transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from agents.rights import Action, role_may
from controller import audit_rows
from controller.config import Settings
from controller.config_inspection import InspectionPlan
from controller.inspection_days import InspectionDays
from controller.inspection_rows import talked_in, wrong_type
from controller.inspection_sight import is_shown, seen_score, shown_city, still_to_score
from controller.inspector import Inspector, InspectorFigures
from controller.spool import Operation
from controller.ticket_desk import from_store
from controller.writer import Store
from metrics.inspection import InspectionCollector
from pbx.ids import ActorId, AgentId, CallId
from pbx.supervision import AuditEntry
from recordings.inspection import days_sql, review_sql, sql
from recordings.inspection.agreement import agreement
from recordings.inspection.card import Card, card_of, counted, proposed
from recordings.inspection.results import MEANS, judged_by, lines_of
from recordings.inspection.review import InspectionRefused, ScoreInput, ScoreState, moved
from recordings.inspection.review_sql import Note, PlanRow, Score, ScoreMove, Task
from recordings.inspection.rules import RESERVED, Rules
from recordings.inspection.sampling import Plan, PlanKind, check, draw
from recordings.inspection.sql import Listed
from recordings.inspection.tables import inspections
from tickets.moves import Actor, Role
from tickets.sql import ticket_of_call, tickets_of_calls
from tickets.ticket import TicketPolicy
from web.backend import NotFound
from web.inspection_desk import DoubleScoring, Inspected, NotShown, Results, Wanted

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from recordings.archive.archive import Archive

LAST_S = 250_000_000_000.0
"""In the year 9892: the last day that is asked about."""

R = TypeVar("R")

Work = Callable[[Connection], Any]


def _work(connection: Connection, work: Work) -> Any:
    return work(connection)


class HotlineInspections:
    """See `web.inspection_desk.InspectionDesk`."""

    def __init__(
        self,
        store: Store,
        plan: InspectionPlan,
        agents: Mapping[AgentId, Collection[str]],
        clock: Callable[[], float],
        inspector: Inspector | None = None,
        *,
        policy: TicketPolicy | None = None,
        zone: str = "Asia/Shanghai",
    ) -> None:
        """`agents`: each with the cities whose queues he serves. `inspector`: who is told when calls are to be judged
        again. `policy`: of which city a call is, and which cities have a hotline here."""
        self._store, self._plan, self._agents, self._clock = store, plan, agents, clock
        self._inspector, self._zone = inspector, ZoneInfo(zone)
        policy = policy or TicketPolicy()
        tree = policy.organisations
        self._hotlines = frozenset(one.id for one in tree if tree.hotline(one.id) == one.id and not tree.peer(one.id))
        self._wrong = wrong_type(plan.rules.types)
        self.days = InspectionDays(store, self._wrong, policy.city_of)
        self._doing: Operation[Work, Any] = Operation("inspection", _work)

    @classmethod
    def of(
        cls,
        settings: Settings,
        store: Store,
        clock: Callable[[], float],
        archive: Archive | None,
        registry: CollectorRegistry,
    ) -> HotlineInspections:
        """Those of a hotline, with their inspector, where [inspection] has one; `run` must be running then."""
        plan, zone, policy = settings.inspection, settings.plan.timezone, settings.tickets
        wavs = settings.data / "recordings"
        inspector = (
            Inspector(store, wavs, plan, zone, clock, archive=archive, city_of=policy.city_of) if plan.on else None
        )
        agents = {AgentId(one.id): frozenset(one.cities) for one in settings.raw.agents}
        made = cls(store, plan, agents, clock, inspector, policy=policy, zone=zone)
        if inspector is not None:
            inspector.over = made.days.ready
        registry.register(made.collector())
        return made

    async def run(self) -> None:
        """Inspect, where that is on, and keep what was found added up, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.days.run(), name="inspection days")
            if self._inspector is not None:
                group.create_task(self._inspector.run(), name="inspection")

    def collector(self) -> InspectionCollector:
        """What `/metrics` shows of it."""
        nothing = InspectorFigures()
        measures = {name for name in RESERVED if name not in MEANS and name != days_sql.WRONG_TYPE}
        return InspectionCollector(
            lambda: self._inspector.figures if self._inspector is not None else nothing,
            lambda: self.days.waiting,
            {*measures, *(one.id for one in self.rules.lists)},
        )

    @property
    def hotlines(self) -> Collection[str]:
        """The cities and provinces whose calls are answered here."""
        return self._hotlines

    @property
    def rules(self) -> Rules:
        """The rules of today."""
        return self._plan.rules

    async def _do(self, work: Callable[[Connection], R]) -> R:
        done: R = await from_store(self._store.submit(self._doing, work))
        return done

    async def _read(self, work: Callable[[Connection], R]) -> R:
        return await from_store(self._store.read(work))

    def _note(self, connection: Connection, actor: Actor, action: str, at: float, *, what: str, zh: str, en: str,
              agent: str = "", call: str = "") -> None:  # fmt: skip
        """The line of the audit trail; `what` tells it from every other."""
        id = f"{action}-{_digest(what, actor.id, str(at))}"
        by = ActorId(actor.id)
        entry = AuditEntry(id, at, by, actor.role.value, action, AgentId(agent), CallId(call), "", zh, en, "ok")
        audit_rows.append(connection, entry)

    # ---------------------------------------------------------------- calls

    async def call(self, call: str, viewer: Actor) -> Inspected:
        """What was found in a call: by the rules of today, else by the last that judged it."""
        personal = role_may(viewer.role.value, Action.READ_PERSONAL)

        def work(connection: Connection) -> Inspected:
            found = sql.get_inspection(connection, call, self.rules.version) or sql.get_inspection(connection, call)
            if found is None:
                raise NotFound("inspection")
            if not is_shown(viewer, found.agent, found.city):
                raise NotShown("inspection", call, found.agent)
            same = (inspections.c.call == call, inspections.c.rules == found.found.rules, self._wrong)
            wrong = connection.execute(select(inspections.c.call).where(*same)).first() is not None
            filed = tuple(
                type for type, _ in tickets_of_calls(connection, [CallId(call)]).get(CallId(call), ()) if type
            )
            ticket = ticket_of_call(connection, CallId(call))
            card = self._standard(connection)
            shown = found if personal else replace(found, found=found.found.without_personal_data())
            given = proposed(card, found.found) if card is not None else {}
            return Inspected(shown, filed, wrong, given, not personal, ticket.number if ticket is not None else "")

        return await self._read(work)

    def _standard(self, connection: Connection) -> Card | None:
        return review_sql.get_card(connection, self._plan.card.id) if self._plan.card is not None else None

    async def calls(self, wanted: Wanted, viewer: Actor) -> Sequence[Listed]:
        """Inspected calls."""
        by_type = wanted.found == days_sql.WRONG_TYPE
        return await self._read(
            lambda connection: sql.list_inspections(
                connection,
                wanted.since,
                wanted.until,
                agent=wanted.agent,
                queue=wanted.queue,
                city=shown_city(viewer),
                found="" if by_type else wanted.found,
                wrong_type=self._wrong if by_type else None,
                after=wanted.after,
                count=wanted.count,
            )
        )

    async def results(self, since: float, until: float, by: str, agent: str, viewer: Actor) -> Results:
        """Rates and scores of whole days."""
        first, last = self._day(since), self._day(max(since, math.nextafter(until, -math.inf)))
        begin, end, city = first.isoformat(), last.isoformat(), shown_city(viewer)

        def work(connection: Connection) -> Results:
            key = "agent" if by == "team" else by
            sums = days_sql.kept(connection, begin, end, key, agent, city)
            scores = review_sql.score_sums(connection, begin, end, key, agent, city)
            lines = lines_of(sums, scores, by, self._plan.team_of)
            behind = days_sql.behind(connection, begin, end)
            span = (self._midnight(first), self._midnight(last + timedelta(days=1)))
            return Results(*span, begin, end, judged_by(sums), behind, lines)

        return await self._read(work)

    def _day(self, at: float) -> date:
        """The hotline's day; of what no calendar has the nearest that it has."""
        return datetime.fromtimestamp(min(max(at, 0.0), LAST_S), self._zone).date()

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()

    async def recompute(self, since: float, until: float, actor: Actor) -> int:
        """Have calls judged again."""
        at = self._clock()

        def work(connection: Connection) -> int:
            count = sql.forget_inspections(connection, self.rules.version, since, until, shown_city(actor))
            self._note(connection, actor, "inspect_again", at, what=f"{since}-{until}", zh=f"重新质检, 原有 {count} 通",
                       en=f"calls are inspected again, {count} had been")  # fmt: skip
            return count

        count = await self._do(work)
        self.days.ready()
        if self._inspector is not None:
            self._inspector.look_back(since)
        return count

    # ---------------------------------------------------------------- cards and samples

    async def cards(self) -> Sequence[Card]:
        """Every card."""
        return await self._read(review_sql.list_cards)

    async def write_card(self, table: Mapping[str, Any], actor: Actor) -> Card:
        """A card's next version."""
        card, at = card_of(table), self._clock()

        def work(connection: Connection) -> Card:
            made = review_sql.save_card(connection, card, actor.id, at)
            self._note(connection, actor, "write_card", at, what=card.id, zh=f"评分表 {made.id} 第 {made.version} 版",
                       en=f"score card {made.id}, version {made.version}")  # fmt: skip
            return made

        return await self._do(work)

    async def plans(self, viewer: Actor) -> Sequence[PlanRow]:
        """Every plan; of a city its own."""
        city = shown_city(viewer)
        return [one for one in await self._read(review_sql.list_plans) if city in ("", one.plan.city)]

    async def draw(self, plan: Plan, actor: Actor) -> Sequence[Task]:
        """Draw once."""
        if city := shown_city(actor):
            if plan.city not in ("", city):
                raise InspectionRefused("not_allowed")
            plan = replace(plan, city=city)
        if plan.city and plan.city not in self._hotlines:
            raise InspectionRefused("bad_plan", "city")
        check(plan)
        at = self._clock()
        wrong = self._wrong if plan.kind is PlanKind.RULE and plan.rule == days_sql.WRONG_TYPE else None

        def work(connection: Connection) -> list[Task]:
            found = review_sql.candidates(connection, plan, wrong)
            drawn = draw(plan, found, review_sql.drawn_before(connection))
            review_sql.save_plan(connection, plan, len(found), drawn, actor.id, at)
            self._note(connection, actor, "draw_sample", at, what=plan.id, zh=f"抽检 {plan.id}: {len(drawn)} 项",
                       en=f"sample {plan.id}: {len(drawn)} drawn")  # fmt: skip
            return review_sql.list_tasks(connection, plan=plan.id)

        return await self._do(work)

    async def tasks(self, inspector: str, plan: str, viewer: Actor) -> Sequence[Task]:
        """Sampled calls: one's own, those of the plans that one sees."""

        def work(connection: Connection) -> list[Task]:
            found = review_sql.list_tasks(connection, inspector, plan)
            city = shown_city(viewer)
            if not city:
                return found
            mine = {one.plan.id for one in review_sql.list_plans(connection) if one.plan.city == city}
            return [one for one in found if one.plan in mine or one.inspector == viewer.id]

        return await self._read(work)

    # ---------------------------------------------------------------- scores

    async def score(self, call: str, card: str, answers: Mapping[str, Any], note: str, actor: Actor) -> Score:
        """Score a call."""
        at = self._clock()

        def work(connection: Connection) -> Score:
            found = sql.get_inspection(connection, call, self.rules.version) or sql.get_inspection(connection, call)
            if found is None:
                raise NotFound("inspection")
            if not is_shown(actor, found.agent, found.city):
                raise NotShown("inspection", call, found.agent)
            by = review_sql.get_card(connection, card)
            if by is None:
                raise NotFound("card")
            if not found.agent:
                raise InspectionRefused("no_agent")
            if found.agent == actor.id:
                raise InspectionRefused("own_call")
            given = proposed(by, found.found) | dict(answers)
            result, seat = counted(by, given), self._seat(connection, call, card, actor)
            made = Score(
                _digest(call, card, actor.id), call, by.id, by.version, actor.id, seat,
                found.agent, found.queue, found.day, at, ScoreState.SCORED, result.total, result.passed, given, note,
                found.city,
            )  # fmt: skip
            review_sql.add_score(connection, made, actor.role.value)
            self._note(connection, actor, "score_call", at, what=made.id, zh=f"质检评分 {made.total:g}",
                       en=f"scored a call: {made.total:g}", agent=made.agent, call=call)  # fmt: skip
            return made

        return await self._do(work)

    @staticmethod
    def _seat(connection: Connection, call: str, card: str, actor: Actor) -> int:
        """1 for the score that counts for the agent, 2 for a second one."""
        tasks = review_sql.list_tasks(connection, call=call)
        mine = next((one.seat for one in tasks if one.inspector == actor.id), None)
        if mine is not None:
            return mine
        first = any(one.seat == 1 and one.card == card for one in review_sql.scores_of(connection, call))
        return 2 if tasks or first else 1

    async def scores(self, since: float, until: float, agent: str, viewer: Actor) -> Sequence[Score]:
        """Scores as `viewer` may see them."""

        def work(connection: Connection) -> list[Score]:
            own = viewer.role is Role.AGENT
            found = review_sql.list_scores(
                connection, since, until, agent=agent, city=shown_city(viewer), first_only=own
            )
            blind = still_to_score(connection, viewer)
            return [one for one in found if one.inspector == viewer.id or one.call not in blind]

        return await self._read(work)

    async def show_score(self, id: str, viewer: Actor) -> tuple[Score, Sequence[ScoreMove]]:
        """One score."""

        def work(connection: Connection) -> tuple[Score, list[ScoreMove]]:
            return seen_score(connection, id, viewer), review_sql.list_score_moves(connection, id)

        return await self._read(work)

    async def move_score(
        self, id: str, cause: ScoreInput, reason: str, answers: Mapping[str, Any] | None, actor: Actor
    ) -> Score:
        """A move, if the table and the rule allow it."""
        at = self._clock()

        def work(connection: Connection) -> Score:
            before = seen_score(connection, id, actor, lock=True)
            late = at > before.at + self._plan.appeal_s
            state = moved(before.state, cause, by=actor.id, agent=before.agent, scorer=before.inspector, late=late,
                          reason=reason)  # fmt: skip
            after = replace(before, state=state)
            if cause is ScoreInput.CHANGE:
                card = review_sql.get_card(connection, before.card, before.card_version)
                assert card is not None, "a score's card is never taken away"
                given = {**before.answers, **(answers or {})}
                result = counted(card, given)
                after = replace(after, answers=given, total=result.total, passed=result.passed)
            seq = len(review_sql.list_score_moves(connection, id)) + 1
            move = ScoreMove(
                seq, at, actor.id, actor.role.value, cause.value, state, after.total, after.answers, reason
            )
            review_sql.move_score(connection, after, move)
            self._note(connection, actor, f"{cause.value}_score", at, what=id, zh=_MOVE_WORDS[cause],
                       en=f"{cause.value} of a score", agent=before.agent, call=before.call)  # fmt: skip
            return after

        return await self._do(work)

    async def agreement(self, since: float, until: float, viewer: Actor) -> DoubleScoring:
        """How far inspectors agreed, by what each gave at first."""

        def work(connection: Connection) -> DoubleScoring:
            pairs = review_sql.pairs(connection, since, until, shown_city(viewer))
            passed, items = [], dict[str, list[tuple[float | str, float | str]]]()
            for card_id, version, one, other in pairs:
                card = review_sql.get_card(connection, card_id, version)
                assert card is not None
                passed.append((counted(card, one).passed, counted(card, other).passed))
                for item in card.items:
                    items.setdefault(item.id, []).append((one[item.id], other[item.id]))
            return DoubleScoring(
                len(pairs), agreement(passed), {name: agreement(given) for name, given in sorted(items.items())}
            )

        return await self._read(work)

    # ---------------------------------------------------------------- coaching

    async def coach(self, agent: str, call: str | None, score: str | None, text: str, actor: Actor) -> Note:
        """A note for an agent."""
        at = self._clock()
        if AgentId(agent) not in self._agents:
            raise NotFound("agent")
        city = shown_city(actor)

        def work(connection: Connection) -> Note:
            found = sql.get_inspection(connection, call) if call is not None else None
            of = {found.city} if found is not None else set()
            if call is not None and not talked_in(connection, CallId(call), agent):
                raise NotFound("inspection")
            if score is not None:
                given = review_sql.get_score(connection, score)
                if given is None or given.agent != agent:
                    raise NotFound("score")
                of.add(given.city)
            if city and not (of == {city} if of else city in self._agents[AgentId(agent)]):
                raise NotShown("agent", call or "", agent)
            whose = city or (of.pop() if len(of) == 1 else "")
            note = Note(
                _digest(agent, actor.id, str(at), call or "", score or "", text),
                agent,
                call,
                score,
                actor.id,
                at,
                text,
                city=whose,
            )
            made = review_sql.add_note(connection, note)
            self._note(connection, actor, "coach_agent", at, what=note.id, zh="辅导记录", en="a coaching note",
                       agent=agent, call=call or "")  # fmt: skip
            return made

        return await self._do(work)

    async def notes(self, since: float, until: float, agent: str, viewer: Actor) -> Sequence[Note]:
        """Notes."""
        city = shown_city(viewer)
        return await self._read(lambda connection: review_sql.list_notes(connection, since, until, agent, city))

    async def see_note(self, id: str, actor: Actor) -> Note:
        """He has read it."""
        at = self._clock()

        def work(connection: Connection) -> Note:
            found = review_sql.see_note(connection, id, actor.id, at)
            if found is None:
                raise NotFound("note")
            self._note(connection, actor, "read_coaching", found.seen_at or at, what=id, zh="已阅辅导记录",
                       en="read a coaching note", agent=actor.id)  # fmt: skip
            return found

        return await self._do(work)


_MOVE_WORDS: Mapping[ScoreInput, str] = {
    ScoreInput.APPEAL: "质检申诉",
    ScoreInput.UPHOLD: "申诉维持原评分",
    ScoreInput.CHANGE: "申诉改分",
    ScoreInput.CLOSE: "质检评分归档",
}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
