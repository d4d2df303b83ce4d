"""The schedule of reminders and escalations: what comes next, exactly once, and right again after a restart."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickets.calendars import ChineseCalendar
from tickets.clock import ClockRun, Pause, Reading, reading
from tickets.deadlines import ClockKind, Facts, Limit, Unit, WorkingHours
from tickets.schedule import STALE_MIN, USUAL_STEPS, Act, Schedule, Step, StepRule, When, soon_at, step_at, steps

pytestmark = pytest.mark.core

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = WorkingHours()
CHINA = ChineseCalendar()
HANDLE, SIGN = ClockKind.HANDLE, ClockKind.SIGN
FIVE_DAYS = Limit(5, Unit.WORKING_DAYS)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()


def shown(instant: float) -> str:
    return datetime.fromtimestamp(instant, SHANGHAI).strftime("%m-%d %H:%M")


def read(
    kind: ClockKind = HANDLE, start: str = "2026-11-23 10:00", limit: Limit = FIVE_DAYS, **more: object
) -> Reading:
    return reading(ClockRun(kind, at(start), limit, **more), HOURS, CHINA)  # type: ignore[arg-type]


def planned(*readings: Reading, made: tuple[str, ...] = (), rules: tuple[StepRule, ...] = USUAL_STEPS) -> list[Step]:
    return list(steps("t1", readings, Facts("help"), rules, HOURS, CHINA, made))


def test_what_is_said_about_a_ticket_and_when() -> None:
    found = planned(read(SIGN, limit=Limit(4, Unit.WORKING_HOURS)), read())
    assert [(shown(one.at), one.rule, one.act.value, one.to) for one in found] == [
        ("11-23 14:30", "sign-soon", "soon", ("unit",)),
        ("11-23 15:30", "sign-late", "remind", ("unit", "supervisor")),
        ("11-30 14:00", "handle-soon", "soon", ("unit",)),
        ("11-30 18:00", "handle-late", "remind", ("unit", "supervisor")),
        ("12-07 18:00", "handle-late-5", "escalate", ("supervisor", "leader")),
    ]


def test_nothing_is_said_about_what_is_done_or_stands_still() -> None:
    assert planned(read(done_at=at("2026-11-24"))) == []
    assert planned(read(pauses=(Pause(at("2026-11-24"), None),))) == []
    assert planned(reading(ClockRun(HANDLE, at("2026-11-23"), None), HOURS, CHINA)) == []


def test_a_step_is_told_by_its_due_instant() -> None:
    first = planned(read())
    assert planned(read(), made=tuple(one.key for one in first)) == []
    assert [one.rule for one in planned(read(), made=(first[0].key,))] == ["handle-late", "handle-late-5"]
    extended = planned(
        read(extended=(at("2026-11-24 10:00"), at("2026-12-01 18:00"))), made=tuple(one.key for one in first)
    )
    assert [one.rule for one in extended] == ["handle-soon", "handle-late", "handle-late-5"]
    moved_lead = StepRule("handle-soon", HANDLE, When.BEFORE, Act.SOON, ("unit",), Limit(8, Unit.WORKING_HOURS))
    assert planned(read(), made=(first[0].key,), rules=(moved_lead,)) == []  # nobody is told twice for a new lead time


def test_a_warning_earlier_than_the_ticket_is_left_out() -> None:
    danger = read(limit=Limit(2, Unit.HOURS))
    assert [one.rule for one in planned(danger)] == ["handle-late", "handle-late-5"]
    by_clock = StepRule(
        "danger", HANDLE, When.BEFORE, Act.SOON, ("unit",), Limit(0.5, Unit.HOURS), urgencies=("danger",)
    )
    found = steps("t1", [danger], Facts("help", (), "danger"), (by_clock,), HOURS, CHINA)
    assert [shown(one.at) for one in found] == ["11-23 11:30"]
    assert steps("t1", [danger], Facts("help"), (by_clock,), HOURS, CHINA) == ()


@given(st.integers(0, 3000 * 1440), st.integers(1, 4000), st.integers(1, 10))
@settings(max_examples=200, deadline=None)
def test_nobody_is_reminded_at_midnight(start: int, lead: int, days: int) -> None:
    """Zammad sends escalations at midnight and on weekends (zammad#4432), GLPI at 00:00 (glpi#22678)."""
    due = reading(ClockRun(HANDLE, at("2017-06-01") + start * 60, Limit(days, Unit.WORKING_DAYS)), HOURS, CHINA).due
    assert due is not None
    for when in (When.BEFORE, When.AFTER):
        rule = StepRule("x", HANDLE, when, Act.REMIND, ("unit",), Limit(lead / 60, Unit.WORKING_HOURS))
        found = datetime.fromtimestamp(step_at(rule, due, HOURS, CHINA), SHANGHAI)
        assert CHINA.is_workday(found.date())
        assert time(8, 30) <= found.time() <= time(18)
        assert not time(12) < found.time() < time(13, 30)


def test_due_soon_is_a_mark_with_its_own_lead_time() -> None:
    one = read()
    assert shown(soon_at(one.run, one.due, Facts("help"), USUAL_STEPS, HOURS, CHINA) or 0.0) == "11-30 14:00"
    short = read(limit=Limit(1, Unit.WORKING_HOURS))
    assert soon_at(short.run, short.due, Facts("help"), USUAL_STEPS, HOURS, CHINA) == short.run.start
    assert soon_at(one.run, None, Facts("help"), USUAL_STEPS, HOURS, CHINA) is None
    assert soon_at(one.run, one.due, Facts("help"), (), HOURS, CHINA) is None


def test_what_is_overtaken() -> None:
    soon, late, much_later = planned(read())
    assert not soon.overtaken(soon.due)
    assert soon.overtaken(soon.due + 1)
    assert not late.overtaken(late.due + 1e9)
    assert not much_later.overtaken(late.due + 1e9)


def test_a_step_needs_a_place() -> None:
    with pytest.raises(ValueError, match="distance"):
        StepRule("x", HANDLE, When.BEFORE, Act.REMIND, ("unit",))
    with pytest.raises(ValueError, match="distance"):
        StepRule("x", HANDLE, When.AT, Act.REMIND, ("unit",), FIVE_DAYS)


# ---------------------------------------------------------------- the heap


def step(at_: float, ticket: str, name: str = "x") -> Step:
    return Step(at_, ticket, name, HANDLE, at_, Act.REMIND, ("unit",))


def test_the_next_of_all() -> None:
    schedule = Schedule()
    assert schedule.next_at() is None
    assert list(schedule.take(9e9)) == []
    schedule.plan("a", [step(5, "a"), step(9, "a")])
    schedule.plan("b", [step(7, "b")])
    assert (schedule.next_at(), len(schedule)) == (5, 2)
    assert [(one.at, one.ticket) for one in schedule.take(7)] == [(5, "a"), (7, "b")]
    assert (schedule.next_at(), len(schedule)) == (9, 1)
    schedule.plan("a", [step(20, "a")])  # its deadline has moved
    assert schedule.next_at() == 20
    schedule.plan("a", [])  # it is closed
    assert (schedule.next_at(), len(schedule)) == (None, 0)


def test_what_could_not_be_made_stays_planned() -> None:
    schedule = Schedule()
    schedule.plan("a", [step(5, "a", "1"), step(6, "a", "2"), step(9, "a", "3")])
    taken = list(schedule.take(6))
    schedule.plan("a", [step(6, "a", "2"), step(9, "a", "3")])  # the ticket was planned anew meanwhile
    for one in taken:
        schedule.put_back(one)
    assert [one.rule for one in schedule.take(9)] == ["1", "2", "3"]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("plan"), st.integers(0, 6), st.lists(st.integers(0, 100), max_size=4).map(sorted)),
        st.tuples(st.just("take"), st.integers(0, 100), st.just([])),
    ),
    max_size=60,
)


@given(moves)
def test_the_heap_does_what_a_search_through_everything_does(moves: list[tuple[str, int, list[int]]]) -> None:
    schedule, plain = Schedule(), {}
    for what, number, instants in moves:
        if what == "plan":
            found = [step(instant, f"t{number}", str(n)) for n, instant in enumerate(instants)]
            schedule.plan(f"t{number}", found)
            plain[f"t{number}"] = found
        else:
            everything = [one for steps in plain.values() for one in steps]
            taken = list(schedule.take(number))
            assert sorted(taken) == sorted(one for one in everything if one.at <= number)
            assert [one.at for one in taken] == sorted(one.at for one in taken)
            plain = {name: [one for one in steps if one.at > number] for name, steps in plain.items()}
        rest = [one.at for steps in plain.values() for one in steps]
        assert schedule.next_at() == min(rest, default=None)


def test_a_heap_that_is_replanned_for_ever_does_not_grow() -> None:
    schedule = Schedule()
    for number in range(20_000):
        schedule.plan(f"t{number % 10}", [step(number, f"t{number % 10}")])
    assert len(schedule._heap) <= 2 * 10 + STALE_MIN + 1
    assert len(list(schedule.take(1e9))) == 10
