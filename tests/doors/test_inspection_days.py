"""Results from the sums that are kept, on both databases: always what the findings themselves add up to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, update

from controller.inspection_days import InspectionDays
from controller.inspection_rows import erase_inspection, wrong_type
from controller.records import Operations, Records
from controller.spool import Operation
from controller.writer import Store
from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId
from recordings.inspection import days_sql, review_sql, sql
from recordings.inspection.findings import Inspection
from recordings.inspection.results import BY, Line, judged_by, lines_of
from recordings.inspection.review import ScoreState
from recordings.inspection.review_sql import Score
from recordings.inspection.tables import inspections, scores
from tests.doors.test_inspection import PLAN
from tests.ticket_story import POLICY
from tickets.moves import Actor, Role
from tickets.ticket import TicketChange

pytestmark = pytest.mark.doors

ZONE = ZoneInfo("Asia/Shanghai")
WRONG = wrong_type(PLAN.rules.types)
TEAMS = {"1001": "早班", "1002": "早班"}
FIRST, DAYS = date(2026, 1, 20), 75
CITIES = {"cz-help": "cz", "zj-help": "zj"}


def city_of(dialled: str, queue: str) -> str:
    return CITIES.get(queue, "")


@pytest.fixture
def operations() -> Operations:
    return Operations(POLICY)


def begin_of(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp()


def calls(dice: random.Random, count: int) -> Iterator[sql.InspectedCall]:
    """So many inspected calls on days all over, of three agents in two cities."""
    for number in range(count):
        day = FIRST + timedelta(days=dice.randrange(DAYS))
        queue = dice.choice(sorted(CITIES))
        words = dice.choice(["judged", "no_transcript"])
        found = Inspection(
            dice.choice([PLAN.rules.version, "older"]), "judged", words,
            {"talk_s": dice.uniform(5, 600), "agent_share": dice.random()},
            {"dead-air": dice.choice([0, 0, 1, 3])},
            {"anger": dice.choice([0, 1])} if words == "judged" else {},
            {"greeting": dice.choice(["said", "not_said"])} if words == "judged" else {},
            dice.choice(["", "complaint"]),
        )  # fmt: skip
        at = begin_of(day) + dice.uniform(0, 86_399)
        yield sql.InspectedCall(
            f"c-{number}", at, None, "ab", dice.choice(["1001", "1002", "1003", ""]), queue, at, day.isoformat(), found,
            CITIES[queue],
        )  # fmt: skip


class Room:
    def __init__(self, store: Store, records: Records) -> None:
        self.store, self.records = store, records
        self.days = InspectionDays(store, WRONG, city_of)

    async def save(self, *made: sql.InspectedCall) -> None:
        def work(connection: Connection, _: None) -> None:
            for one in made:
                sql.save_inspection(connection, one)

        await self.store.submit(Operation("save", work), None)

    async def do(self, work: object, *given: object) -> None:
        await self.store.submit(Operation("do", lambda connection, _: work(connection, *given)), None)  # type: ignore[operator]

    async def file(self, call: str, type: str) -> None:
        """The call's ticket, of this type; one that is there is changed."""
        opening = OpenTicket(CallId(call), "13800001111", "12345", "zh", "general", AgentId("1001"), begin_of(FIRST))
        number = await self.records.open_ticket(opening)
        change = TicketChange(type=type, title="停水", text="停水")
        await self.records.change_ticket(number, change, Actor("1001", Role.AGENT), at=begin_of(FIRST) + 1)

    async def kept(self, first: date, last: date, by: str, agent: str = "", city: str = "") -> list[Line]:
        def work(connection: Connection) -> list[Line]:
            begin, end = first.isoformat(), last.isoformat()
            key = "agent" if by == "team" else by
            sums = days_sql.kept(connection, begin, end, key, agent, city)
            return lines_of(sums, review_sql.score_sums(connection, begin, end, key, agent, city), by, TEAMS)

        return await self.store.read(work)

    async def folded(self, first: date, last: date, by: str, agent: str = "", city: str = "") -> list[Line]:
        def work(connection: Connection) -> list[Line]:
            span = begin_of(first), begin_of(last + timedelta(days=1))
            sums = days_sql.sums(connection, *span, WRONG, agent, city)
            key = "agent" if by == "team" else by
            given = review_sql.score_sums(connection, first.isoformat(), last.isoformat(), key, agent, city)
            return lines_of(sums, given, by, TEAMS)

        return await self.store.read(work)

    async def same(self, dice: random.Random, times: int = 5) -> None:
        """What is kept is what the findings add up to, whatever is asked."""
        for _ in range(times):
            first = FIRST + timedelta(days=dice.randrange(DAYS))
            last = min(first + timedelta(days=dice.randrange(DAYS)), FIRST + timedelta(days=DAYS))
            by = dice.choice(BY)
            who = dice.choice([{}, {}, {"agent": "1001"}, {"city": "zj"}, {"agent": "1002", "city": "cz"}])
            asked = (first, last, by, who)
            kept, folded = await self.kept(first, last, by, **who), await self.folded(first, last, by, **who)  # type: ignore[arg-type]
            assert rounded(kept) == rounded(folded), asked
        whole = FIRST - timedelta(days=30), FIRST + timedelta(days=DAYS + 30)
        for by in ("team", "day"):
            assert rounded(await self.kept(*whole, by)) == rounded(await self.folded(*whole, by))


def rounded(lines: list[Line]) -> list[Line]:
    """Means to two places: the same numbers, added up in another order."""
    return [
        replace(one, means={name: replace(mean, mean=round(mean.mean, 2)) for name, mean in one.means.items()})
        for one in lines
    ]


@pytest.fixture
async def room(store: Store, records: Records) -> Room:
    return Room(store, records)


async def test_what_is_kept_is_what_the_findings_add_up_to_whatever_changes(room: Room) -> None:
    dice = random.Random(5)
    made = list(calls(dice, 40))
    await room.save(*made)
    named = [one for one in made if one.found.said_type][:4]
    for one in named:
        await room.file(one.call, "inquiry")
    assert await room.store.read(days_sql.count_due) > 0
    assert await room.days.catch_up() > 0
    await room.same(dice)
    assert await room.days.catch_up() == 0, "nothing is left to be done"

    async def mismatches() -> int:
        lines = await room.kept(FIRST, FIRST + timedelta(days=DAYS), "team")
        return sum(line.rates["type-mismatch"].found for line in lines)

    # a type that is put right, words that come later, another agent and another day: each corrects the past
    assert await mismatches() == 4
    await room.file(named[0].call, "complaint")
    first, second, third = made[:3]
    await room.save(
        replace(first, found=replace(first.found, words="judged", counts={"dead-air": 7}, said={"greeting": "said"})),
        replace(second, agent="1003" if second.agent != "1003" else "1001", day=str(FIRST), started_at=begin_of(FIRST)),
        replace(third, found=replace(third.found, rules="newest of all", counts={"new-list": 1})),
    )
    await room.days.catch_up()
    assert await mismatches() == 3
    await room.same(dice)
    sums = await room.store.read(days_sql.kept, "2026-01-01", "2026-12-31", "day")
    versions = judged_by(sums)
    assert versions["newest of all"] == 1
    assert sum(versions.values()) == 40, "each call once, by the newest rules that judged it"
    # taken back to be judged again
    await room.do(sql.forget_inspections, PLAN.rules.version, begin_of(FIRST), begin_of(FIRST + timedelta(days=30)))
    await room.days.catch_up()
    await room.same(dice)


async def test_what_a_call_has_added_stays_when_its_recording_is_erased(room: Room) -> None:
    dice = random.Random(7)
    made = list(calls(dice, 14))
    await room.save(*made)
    await room.days.catch_up()
    whole = FIRST, FIRST + timedelta(days=DAYS)
    before = {by: rounded(await room.kept(*whole, by)) for by in BY}
    gone = [*made[:8], made[8]]
    for one in gone:
        await room.do(erase_inspection, one.call)
    assert await room.store.read(sql.get_inspection, made[0].call) is None
    await room.days.catch_up()
    for by in BY:
        assert rounded(await room.kept(*whole, by)) == before[by]
    # and what happens to the day later is added to it
    extra = replace(made[0], call="c-late", found=replace(made[0].found, counts={"dead-air": 2}))
    await room.save(extra)
    await room.days.catch_up()
    (line,) = [one for one in await room.kept(*whole, "agent") if one.key == extra.agent]
    (was,) = [one for one in before["agent"] if one.key == extra.agent]
    assert line.calls == was.calls + 1
    assert line.rates["dead-air"].times == was.rates["dead-air"].times + 2


async def test_what_changes_while_it_is_added_up_stays_to_be_done(room: Room) -> None:
    (one,) = calls(random.Random(1), 1)
    await room.save(one)
    (due,) = await room.store.read(days_sql.due, 10)
    early = await room.store.read(days_sql.refold, [due], WRONG)
    await room.save(replace(one, call="c-while"))
    await room.do(days_sql.put, early)
    day = date.fromisoformat(one.day)
    assert [line.calls for line in await room.kept(day, day, "day")] == [1]
    assert await room.store.read(days_sql.behind, one.day, one.day) == [one.day]
    await room.days.catch_up()
    assert [line.calls for line in await room.kept(day, day, "day")] == [2]
    assert await room.store.read(days_sql.behind, one.day, one.day) == []


async def test_a_late_appeal_corrects_the_day_of_the_call(room: Room) -> None:
    day = FIRST.isoformat()
    score = Score(
        "0" * 20, "c-1", "standard", 1, "wu", 1, "1001", "cz-help", day, begin_of(FIRST) + 40 * 86_400,
        ScoreState.SCORED, 60.0, False, {}, "", "cz",
    )  # fmt: skip
    other = replace(score, id="1" * 20, inspector="zhao", seat=2, total=10.0)
    for one in (score, other):
        await room.do(review_sql.add_score, one, "inspector")
    (line,) = await room.kept(FIRST, FIRST, "agent")
    assert (line.scores.count, line.scores.mean, line.scores.passed) == (1, 60.0, 0), "given weeks later, of that day"
    after = replace(score, state=ScoreState.CHANGED, total=95.0, passed=True)
    move = review_sql.ScoreMove(2, score.at + 9e6, "zhao", "inspector", "change", after.state, 95.0, {}, "申诉成立")
    await room.do(review_sql.move_score, after, move)
    for by, key in (("agent", "1001"), ("team", "早班"), ("queue", "cz-help"), ("day", day)):
        (line,) = await room.kept(FIRST, FIRST, by)
        assert (line.key, line.scores.mean, line.scores.passed) == (key, 95.0, 1)
    assert await room.kept(FIRST, FIRST, "agent", city="zj") == []


async def test_what_was_judged_before_there_were_cities_gets_its_city_and_its_sums(room: Room) -> None:
    made = list(calls(random.Random(3), 5))
    await room.save(*made)
    (score,) = [Score("0" * 20, "c-1", "standard", 1, "wu", 1, "1001", "zj-help", "2026-02-01", 1.0,
                      ScoreState.SCORED, 60.0, False, {}, "")]  # fmt: skip
    await room.do(review_sql.add_score, score, "inspector")

    def before(connection: Connection) -> None:
        connection.execute(update(inspections).values(city=None))
        connection.execute(update(scores).values(city=None))
        connection.execute(days_sql.days_due.delete())

    await room.do(before)
    await Room(room.store, room.records).days.catch_up()  # as after the upgrade
    await room.same(random.Random(4), times=1)
    for one in made:
        found = await room.store.read(sql.get_inspection, one.call)
        assert found is not None
        assert found.city == CITIES[one.queue]
    held = await room.store.read(review_sql.get_score, score.id)
    assert held is not None
    assert held.city == "zj"
