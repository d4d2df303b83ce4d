"""Deadlines: working hours and days against a minute-by-minute oracle, real years with 调休, and every edge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tickets.deadlines import (
    CalendarError,
    ChineseCalendar,
    DeadlineRules,
    Limit,
    Outside,
    Unit,
    WorkingHours,
    due,
)

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


@cache
def works_on(day: date) -> bool:
    return CHINA.is_workday(day)


def worked_minutes(start: datetime, hours: WorkingHours) -> Iterator[datetime]:
    """Every working minute from `start` on, by looking at each minute of the clock; the end of the minute is given."""
    working = {
        minute
        for minute in range(1440)
        if any(begin <= time(minute // 60, minute % 60) < end for begin, end in hours.spans)
    }
    day, minute = start.date(), start.hour * 60 + start.minute
    while True:
        if works_on(day) and minute in working:
            yield datetime.combine(day, time(minute // 60, minute % 60), start.tzinfo) + timedelta(minutes=1)
        minute += 1
        if minute == 1440:
            day, minute = day + timedelta(days=1), 0


def by_minutes(start: datetime, minutes: int, hours: WorkingHours) -> datetime:
    """When so many working minutes have passed."""
    return next(islice(worked_minutes(start, hours), minutes - 1, None))


def by_days(start: datetime, days: int, hours: WorkingHours) -> datetime:
    """The last working minute of the n-th day that has any, from the next midnight on."""
    seen: list[date] = []
    last = start
    for end in worked_minutes(datetime.combine(start.date() + timedelta(days=1), time(0), start.tzinfo), hours):
        day = (end - timedelta(minutes=1)).date()
        if day not in seen:
            seen.append(day)
            if len(seen) > days:
                break
        last = end
    return last


@st.composite
def some_hours(draw: st.DrawFn) -> WorkingHours:
    count = draw(st.integers(1, 3)) * 2
    minutes = sorted(draw(st.lists(st.integers(0, 1439), min_size=count, max_size=count, unique=True)))
    edges = [time(minute // 60, minute % 60) for minute in minutes]
    return WorkingHours(tuple(zip(edges[::2], edges[1::2], strict=True)))


minutes_of_years = st.datetimes(datetime(2016, 1, 1), datetime(2026, 11, 30)).map(
    lambda value: value.replace(second=0, microsecond=0, tzinfo=SHANGHAI)
)


@settings(max_examples=150, deadline=None)
@given(minutes_of_years, st.integers(1, 900), st.just(HOURS) | some_hours())
@example(datetime(2024, 9, 30, 17, 59, tzinfo=SHANGHAI), 240, HOURS)  # before the National Day week
@example(datetime(2025, 1, 26, 12, 0, tzinfo=SHANGHAI), 480, HOURS)  # a Sunday that works, before the Spring Festival
def test_working_hours_as_the_oracle_counts_them(start: datetime, minutes: int, hours: WorkingHours) -> None:
    limit = Limit(minutes / 60, Unit.WORKING_HOURS)
    if sum((e.hour - b.hour) * 60 + e.minute - b.minute for b, e in hours.spans) < 30:
        minutes, limit = 7, Limit(7 / 60, Unit.WORKING_HOURS)  # keeps the walk short
    found = due(start.timestamp(), limit, hours, CHINA)
    assert found == pytest.approx(by_minutes(start, minutes, hours).timestamp(), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(minutes_of_years, st.integers(1, 6), st.just(HOURS) | some_hours())
@example(datetime(2025, 9, 27, 10, 0, tzinfo=SHANGHAI), 3, HOURS)  # the Sunday after it works
def test_working_days_as_the_oracle_counts_them(start: datetime, days: int, hours: WorkingHours) -> None:
    found = due(start.timestamp(), Limit(days, Unit.WORKING_DAYS), hours, CHINA)
    assert found == by_days(start, days, hours).timestamp()


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
    ],
)
def test_hours_that_no_day_can_have_are_refused(spans: tuple[tuple[time, time], ...]) -> None:
    with pytest.raises(ValueError, match="working hours"):
        WorkingHours(spans)
