"""Deadlines: working hours and days against a minute-by-minute oracle, real years with 调休, and every edge."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.minutes import Minutes
from benchmarks.state_council import days_of_notices
from tickets.deadlines import (
    DISPATCH_LIMIT,
    CalendarError,
    ChineseCalendar,
    ClockKind,
    DeadlineRules,
    Facts,
    Limit,
    LimitRule,
    Outside,
    Unit,
    WorkingHours,
    due,
    equally_close,
)
from tickets.worktime import SECOND, micros, worktime

pytestmark = pytest.mark.core

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = WorkingHours(((time(8, 30), time(12)), (time(13, 30), time(18))))
CHINA = ChineseCalendar()


def at(text: str, zone: ZoneInfo = SHANGHAI) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def shown(instant: float, zone: ZoneInfo = SHANGHAI) -> str:
    return datetime.fromtimestamp(instant, zone).strftime("%Y-%m-%d %H:%M:%S")


def working_hours(start: str, hours: float) -> str:
    return shown(due(at(start), Limit(hours, Unit.WORKING_HOURS), HOURS, CHINA))


def working_days(start: str, days: int) -> str:
    return shown(due(at(start), Limit(days, Unit.WORKING_DAYS), HOURS, CHINA))


# ---------------------------------------------------------------- the oracle
#
# Exhaustive over the days of ten years, with the minutes at which something changes and one drawn for each day: about
# 100,000 limits in two seconds. All of the five million minutes are looked at by `hotline bench deadlines`.

TEN_YEARS = days_of_notices()
ORACLE = Minutes(date(2017, 1, 1), list(TEN_YEARS.values()), HOURS.spans)
EDGES = [minute + shift for minute in (0, 510, 720, 810, 1080) for shift in (-1, 0, 1)][1:] + [1439]


def test_every_day_of_ten_years_is_what_the_state_council_said() -> None:
    """The hand-written notices and the library are two opinions; ours and the library's own function must agree too."""
    assert len(TEN_YEARS) == 3652
    assert [day for day, works in TEN_YEARS.items() if CHINA.is_workday(day) != works] == []
    assert all(CHINA.known(day) for day in TEN_YEARS)
    named = [*chinese_calendar.holidays, *chinese_calendar.workdays]
    assert [day for day in named if CHINA.is_workday(day) != chinese_calendar.is_workday(day)] == []


@pytest.mark.parametrize(("minutes", "days"), [(60, 1), (240, 3), (30, 5), (480, 10)])
def test_every_day_of_ten_years_as_the_minutes_count_it(minutes: int, days: int) -> None:
    in_hours, in_days = Limit(minutes / 60, Unit.WORKING_HOURS), Limit(days, Unit.WORKING_DAYS)
    drawn = Random(minutes)
    for day in range(len(TEN_YEARS) - 40):
        for of_day in (drawn.choice(EDGES), drawn.choice(EDGES), drawn.randrange(1440)):
            start = day * 1440 + of_day
            at_ = ORACLE.epoch(start)
            assert due(at_, in_hours, HOURS, CHINA) == ORACLE.epoch(ORACLE.after_minutes(start, minutes)), at_
        assert due(at_, in_days, HOURS, CHINA) == ORACLE.epoch(ORACLE.after_days(start, days)), at_


def test_every_minute_of_three_hard_weeks() -> None:
    """Around a Sunday that works, the Spring Festival, and New Year: every single minute."""
    limit = Limit(4, Unit.WORKING_HOURS)
    for first in (date(2025, 1, 24), date(2019, 12, 30), date(2026, 2, 13)):
        begin = (first - date(2017, 1, 1)).days * 1440
        for start in range(begin, begin + 7 * 1440):
            found = due(ORACLE.epoch(start), limit, HOURS, CHINA)
            assert found == ORACLE.epoch(ORACLE.after_minutes(start, 240))


@st.composite
def some_hours(draw: st.DrawFn) -> WorkingHours:
    count = draw(st.integers(1, 3)) * 2
    minutes = sorted(draw(st.lists(st.integers(0, 1440), min_size=count, max_size=count, unique=True)))
    edges = [time(minute // 60 % 24, minute % 60) for minute in minutes]
    return WorkingHours(tuple(zip(edges[::2], edges[1::2], strict=True)))


starts = st.integers(0, 9 * 365 * 1440)


@settings(max_examples=100, deadline=None)
@given(starts, st.integers(1, 4000), st.integers(1, 9), some_hours())
@example(0, 1440, 1, WorkingHours(((time(0), time(0)),)))
def test_any_hours_as_the_minutes_count_them(start: int, minutes: int, days: int, hours: WorkingHours) -> None:
    length = hours.length // (60 * SECOND)
    minutes = min(minutes, 10 * length)  # keeps the window short
    first = ORACLE.first + timedelta(days=start // 1440)
    window = Minutes(first, [TEN_YEARS[first + timedelta(days=n)] for n in range(40)], hours.spans)
    at_ = window.epoch(start % 1440)
    found = due(at_, Limit(minutes / 60, Unit.WORKING_HOURS), hours, CHINA)
    assert found == window.epoch(window.after_minutes(start % 1440, minutes))
    found = due(at_, Limit(days, Unit.WORKING_DAYS), hours, CHINA)
    assert found == window.epoch(window.after_days(start % 1440, days))
    work = worktime(hours, CHINA)
    end = micros(window.epoch(start % 1440 + 20_000))
    worked = window.worked(start % 1440, start % 1440 + 20_000)
    assert work.worked(micros(at_), end) == worked * 60 * SECOND
    if minutes <= worked:
        back = work.before(end, minutes * 60 * SECOND)
        assert work.worked(back, end) == minutes * 60 * SECOND
        assert window.working[round((back / SECOND - window.epoch(0)) / 60)]  # within the working hours, not at night


@settings(deadline=None)
@given(st.floats(at("2016-01-01"), at("2026-06-01")), st.floats(0.01, 40), st.floats(0, 100_000))
def test_a_later_start_or_a_longer_limit_is_never_due_earlier(start: float, hours: float, later: float) -> None:
    limit = Limit(hours, Unit.WORKING_HOURS)
    first = due(start, limit, HOURS, CHINA)
    assert first >= start + hours * 3600 - 1e-3
    assert due(start + later, limit, HOURS, CHINA) >= first
    assert due(start, Limit(hours + later / 36_000, Unit.WORKING_HOURS), HOURS, CHINA) >= first


# ---------------------------------------------------------------- cases that people can check in a calendar


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-11-23 09:00:00", 1, "2026-11-23 10:00:00"),  # a Monday
        ("2026-11-23 09:00:00", 3, "2026-11-23 12:00:00"),  # ends with the morning, not after lunch
        ("2026-11-23 09:00:00", 4, "2026-11-23 14:30:00"),
        ("2026-11-23 12:15:00", 4, "2026-11-23 17:30:00"),  # called at lunch
        ("2026-11-23 17:00:00", 4, "2026-11-24 11:30:00"),
        ("2026-11-23 23:59:59", 4, "2026-11-24 14:00:00"),
        ("2026-11-20 17:30:00", 4, "2026-11-23 12:00:00"),  # a Friday
        ("2026-11-21 10:00:00", 4, "2026-11-23 14:00:00"),  # a Saturday
        ("2025-01-26 09:00:00", 4, "2025-01-26 14:30:00"),  # 调休: this Sunday works
        ("2025-01-27 17:00:00", 4, "2025-02-05 11:30:00"),  # Spring Festival, 28 January to 4 February
        ("2025-10-11 16:00:00", 4, "2025-10-13 10:30:00"),  # 调休: this Saturday works, the Sunday after does not
        ("2026-11-23 09:00:00.5", 1, "2026-11-23 10:00:00"),
    ],
)
def test_working_hours(start: str, hours: float, expected: str) -> None:
    assert working_hours(start, hours) == expected


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-11-23 09:00:00", 3, "2026-11-26 18:00:00"),  # the day of the call is not counted
        ("2026-11-23 23:59:00", 3, "2026-11-26 18:00:00"),
        ("2026-11-20 09:00:00", 5, "2026-11-27 18:00:00"),
        ("2026-11-21 09:00:00", 5, "2026-11-27 18:00:00"),  # a Saturday
        ("2025-09-26 09:00:00", 3, "2025-09-30 18:00:00"),  # 调休: Sunday 28 September works
        ("2025-09-30 09:00:00", 3, "2025-10-11 18:00:00"),  # 1 to 8 October free, Saturday 11 works
        ("2025-01-24 09:00:00", 5, "2025-02-07 18:00:00"),
    ],
)
def test_working_days(start: str, days: int, expected: str) -> None:
    assert working_days(start, days) == expected


def test_hours_by_the_clock_run_at_night_and_on_holidays() -> None:
    assert shown(due(at("2025-10-01 20:00"), Limit(12, Unit.HOURS), HOURS, CHINA)) == "2025-10-02 08:00:00"


def test_the_zone_decides_where_a_day_begins() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    hours = WorkingHours(((time(1), time(4)),), zone="Europe/Vienna")
    calendar = ChineseCalendar(days={date(2026, 3, 28): True, date(2026, 3, 29): True}, outside=Outside.ERROR)
    start = at("2026-03-29 00:00", vienna)
    # The clock jumps from 2 to 3: the span of three hours has two.
    assert shown(due(start, Limit(2, Unit.WORKING_HOURS), hours, calendar), vienna) == "2026-03-29 04:00:00"


# ---------------------------------------------------------------- calendars


def test_the_hotlines_own_days_come_first() -> None:
    flood = ChineseCalendar(days={date(2026, 11, 23): False, date(2026, 11, 22): True})
    assert not flood.is_workday(date(2026, 11, 23))
    assert flood.is_workday(date(2026, 11, 22))
    assert flood.is_workday(date(2026, 11, 24))


def test_years_without_data_follow_the_weekend_rule_or_are_refused() -> None:
    assert [CHINA.is_workday(date(2031, 10, day)) for day in range(1, 8)] == [
        False,
        False,
        False,
        False,
        False,
        True,
        True,
    ]
    assert not CHINA.is_workday(date(2031, 1, 1))
    assert not CHINA.known(date(2031, 1, 1))
    assert CHINA.known(date(2025, 1, 1))
    assert ChineseCalendar(days={date(2031, 1, 2): True}).known(date(2031, 1, 2))
    strict = ChineseCalendar(outside=Outside.ERROR)
    with pytest.raises(CalendarError, match=r"before 2031: update the package chinesecalendar, or enter the days"):
        strict.is_workday(date(2031, 1, 2))
    with pytest.raises(CalendarError):
        due(at("2031-01-02 09:00"), Limit(1, Unit.WORKING_DAYS), HOURS, strict)


def test_the_last_days_of_the_data_are_still_counted_on() -> None:
    """A ticket of the last week of a year is due in the next, whose notice may not be in the data."""
    last = max(year for year in range(2024, 2040) if CHINA.known(date(year, 12, 31)))
    found = due(at(f"{last}-12-31 09:00"), Limit(5, Unit.WORKING_DAYS), HOURS, CHINA)
    assert at(f"{last + 1}-01-07 00:00") < found < at(f"{last + 1}-01-12 00:00")


def test_a_calendar_without_working_days_ends_in_an_error() -> None:
    class Never:
        def is_workday(self, day: date) -> bool:
            return False

        def known(self, day: date) -> bool:
            return True

    with pytest.raises(CalendarError, match="no working day in 60 days"):
        due(at("2026-11-23"), Limit(4, Unit.WORKING_HOURS), HOURS, Never())


# ---------------------------------------------------------------- the table


def test_the_default_limits_are_those_of_the_documents() -> None:
    rules = DeadlineRules()
    assert (rules.sign.amount, rules.sign.unit) == (4, Unit.WORKING_HOURS)
    assert (rules.handle_limit("inquiry").amount, rules.handle_limit("inquiry").unit) == (3, Unit.WORKING_DAYS)
    for other in ("help", "complaint", "report", "suggestion", "praise", None):
        assert (rules.handle_limit(other).amount, rules.handle_limit(other).unit) == (5, Unit.WORKING_DAYS)
    for limit in (rules.sign, rules.handle_limit("inquiry"), rules.handle_limit(None)):
        assert limit.source.startswith("domain.md D")


@pytest.mark.parametrize(
    ("amount", "unit"),
    [
        (0, Unit.WORKING_HOURS),
        (-1, Unit.HOURS),
        (2.5, Unit.WORKING_DAYS),
        (float("nan"), Unit.HOURS),
        (1e9, Unit.HOURS),
    ],
)
def test_limits_that_cannot_be_are_refused(amount: float, unit: Unit) -> None:
    with pytest.raises(ValueError, match="must be more|counted whole"):
        Limit(amount, unit)


@pytest.mark.parametrize(
    "spans",
    [
        (),
        ((time(9), time(9)),),
        ((time(12), time(9)),),
        ((time(9), time(12)), (time(11), time(18))),
        ((time(13), time(18)), (time(9), time(12))),
        ((time(9), time(0)), (time(10), time(12))),  # ends at midnight, and something follows
    ],
)
def test_hours_that_no_day_can_have_are_refused(spans: tuple[tuple[time, time], ...]) -> None:
    with pytest.raises(ValueError, match="working hours"):
        WorkingHours(spans)


def test_a_whole_day_has_no_gap_at_midnight() -> None:
    """Zammad's calendar of 00:00 to 23:59 counts as closed for a minute, and 24:00 cannot be said: zammad#3180."""
    around_the_clock = WorkingHours(((time(0), time(0)),))
    assert around_the_clock.length == 24 * 3600 * SECOND
    found = due(at("2026-11-23 23:30"), Limit(1, Unit.WORKING_HOURS), around_the_clock, CHINA)
    assert shown(found) == "2026-11-24 00:30:00"
    found = due(at("2026-11-23 23:30"), Limit(48, Unit.WORKING_HOURS), around_the_clock, CHINA)
    assert shown(found) == "2026-11-25 23:30:00"


def test_only_what_the_state_council_calls_a_holiday_is_one() -> None:
    """Zammad takes Martinmas from a feed of holidays: zammad#390. Ours: 7 March and 1 June of 2026 are no holidays."""
    assert working_hours("2026-06-01 08:30", 8) == "2026-06-01 18:00:00"  # Children's Day works
    assert CHINA.is_workday(date(2026, 11, 11))


def test_a_deadline_far_ahead_is_as_quick_as_a_near_one() -> None:
    """Two thousand working days, over years whose notices nobody has written yet: by prefix sums, not day by day."""
    found = due(at("2020-01-02 09:00"), Limit(1500, Unit.WORKING_DAYS), HOURS, CHINA)
    days = [day for day, works in TEN_YEARS.items() if works and day > date(2020, 1, 2)]
    assert shown(found) == f"{days[1499]} 18:00:00"


# ---------------------------------------------------------------- limits by type, class and urgency


def rule(
    amount: float, unit: Unit = Unit.WORKING_DAYS, clock: ClockKind = ClockKind.HANDLE, **fits: object
) -> LimitRule:
    return LimitRule(clock, Limit(amount, unit), **fits)  # type: ignore[arg-type]


def test_the_nearer_class_goes_before_the_urgency_and_that_before_the_type() -> None:
    rules = DeadlineRules(
        limits=(
            rule(10, types=("complaint",)),
            rule(2, urgencies=("urgent",)),
            rule(7, classes=("03",)),
            rule(6, classes=("0301",)),
            rule(1, classes=("0301",), urgencies=("urgent",)),
        )
    )

    def days(type_: str, classes: tuple[str, ...] = (), urgency: str = "") -> float:
        limit = rules.limit(ClockKind.HANDLE, Facts(type_, classes, urgency))
        assert limit is not None
        return limit.amount

    assert days("inquiry") == 3  # the base
    assert days("complaint") == 10
    assert days("complaint", (), "urgent") == 2
    assert days("complaint", ("0302", "03")) == 7
    assert days("complaint", ("030101", "0301", "03")) == 6
    assert days("complaint", ("030101", "0301", "03"), "urgent") == 1
    assert rules.limit(ClockKind.DISPATCH, Facts("complaint")) == DISPATCH_LIMIT
    assert DeadlineRules(dispatch=None).limit(ClockKind.DISPATCH, Facts("complaint")) is None


def test_hard_limits_hold_beside_every_other() -> None:
    danger = rule(2, Unit.HOURS, urgencies=("danger",), hard=True)
    rules = DeadlineRules(limits=(danger, rule(12, Unit.HOURS, hard=True, classes=("09",))))
    assert rules.limit(ClockKind.HANDLE, Facts("help", (), "danger")) == rules.handle_other
    assert [one.amount for one in rules.ceilings(ClockKind.HANDLE, Facts("help", ("09",), "danger"))] == [2, 12]
    assert rules.ceilings(ClockKind.HANDLE, Facts("help")) == ()
    assert rules.ceilings(ClockKind.SIGN, Facts("help", ("09",), "danger")) == ()


def test_limits_that_only_their_order_tells_apart_are_found() -> None:
    one, other = rule(1, classes=("03", "04")), rule(2, classes=("04",))
    assert equally_close([one, other, rule(3, classes=("05",)), rule(1, Unit.HOURS, classes=("04",), hard=True)]) == [
        (one, other)
    ]
    assert equally_close([rule(1, types=("help",)), rule(2, types=("help",), urgencies=("urgent",))]) == []
