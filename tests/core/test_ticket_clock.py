"""One clock: pauses against the minute-by-minute oracle, extensions, hard limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.minutes import Minutes
from benchmarks.state_council import days_of_notices
from tickets.calendars import ChineseCalendar
from tickets.clock import ClockRun, Pause, PauseReason, Reading, pause_ends, reading
from tickets.deadlines import ClockKind, Limit, Unit, WorkingHours
from tickets.lamps import Lamp, lamp

pytestmark = pytest.mark.core

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = WorkingHours()
CHINA = ChineseCalendar()
TEN_YEARS = days_of_notices()
ORACLE = Minutes(date(2017, 1, 1), list(TEN_YEARS.values()), HOURS.spans)

HANDLE = ClockKind.HANDLE
FIVE_DAYS = Limit(5, Unit.WORKING_DAYS)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp()


def shown(instant: float | None) -> str:
    return "" if instant is None else datetime.fromtimestamp(instant, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def read(start: str, limit: Limit | None, *pauses: tuple[str, str | None]) -> Reading:
    stopped = tuple(Pause(at(begin), None if end is None else at(end)) for begin, end in pauses)
    return reading(ClockRun(HANDLE, at(start), limit, pauses=stopped), HOURS, CHINA)


# ---------------------------------------------------------------- pauses


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 3500 * 1440),
    st.one_of(st.integers(1, 2400), st.integers(-10, -1)),
    st.lists(st.tuples(st.integers(-3000, 20_000), st.integers(0, 6000)), max_size=6),
    st.one_of(st.none(), st.tuples(st.integers(0, 9000), st.integers(1, 9000))),
)
def test_due_through_pauses_as_the_minutes_count_it(
    start: int, amount: int, spans: list[tuple[int, int]], extended: tuple[int, int] | None
) -> None:
    """Any pauses, overlapping, before the start or after the end; `amount` minutes, or days where it is negative."""
    first = ORACLE.first + timedelta(days=start // 1440)
    last = date(2026, 12, 31)
    window = Minutes(first, [TEN_YEARS[min(first + timedelta(days=n), last)] for n in range(150)], HOURS.spans)
    start %= 1440
    pauses = [(max(0, start + begin), start + begin + length) for begin, length in spans if start + begin + length > 0]
    if amount > 0:
        limit, budget = Limit(amount / 60, Unit.WORKING_HOURS), amount
    else:
        limit = Limit(-amount, Unit.WORKING_DAYS)
        budget = window.worked(start, window.after_days(start, -amount))
    counted_from = start
    if extended is not None:  # granted some time after the start, to some time after that
        counted_from = start + extended[0]
        until = counted_from + extended[1]
        budget = window.worked(counted_from, until)
    paused = window.paused((max(counted_from, begin), end) for begin, end in pauses)
    if extended is not None and not any(end > counted_from and begin < until for begin, end in pauses if end > begin):
        expected = until  # nothing stands still before it: the very instant that was granted
    elif budget == 0:
        return  # granted to the end of a night
    else:
        expected = paused.after_minutes(counted_from, budget)
    if first + timedelta(days=expected // 1440 + 1) > last:
        return  # the hand-written notices end
    run = ClockRun(
        HANDLE,
        window.epoch(start),
        limit,
        pauses=tuple(Pause(window.epoch(begin), window.epoch(end)) for begin, end in pauses),
        extended=None if extended is None else (window.epoch(counted_from), window.epoch(until)),
    )
    assert reading(run, HOURS, CHINA).due == window.epoch(expected)


def test_a_pause_over_a_weekend_adds_nothing() -> None:
    """GLPI adds the whole of it (glpi#10594): there a limit in days is paused in calendar time."""
    plain = read("2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS))
    assert shown(plain.due) == "2026-11-23 18:00:00"
    over_the_weekend = read("2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS), ("2026-11-20 18:00", "2026-11-23 08:30"))
    assert over_the_weekend.due == plain.due
    an_hour_of_friday_too = read(
        "2026-11-19 10:00", Limit(2, Unit.WORKING_DAYS), ("2026-11-20 17:00", "2026-11-23 08:30")
    )
    assert shown(an_hour_of_friday_too.due) == "2026-11-24 09:30:00"
    over_the_week_of_spring_festival = read(
        "2025-01-26 09:00", Limit(4, Unit.WORKING_HOURS), ("2025-01-27 18:00", "2025-02-05 08:30")
    )
    assert shown(over_the_week_of_spring_festival.due) == "2025-01-26 14:30:00"  # it was due before


def test_a_whole_working_day_paused_is_a_whole_working_day_more() -> None:
    found = read("2026-11-23 09:00", FIVE_DAYS, ("2026-11-25 08:30", "2026-11-26 08:30"))
    assert shown(found.due) == "2026-12-01 18:00:00"


def test_a_hundred_pauses_are_exact_to_the_microsecond() -> None:
    start = at("2026-11-23 08:30")
    pauses = tuple(Pause(start + 60.000001 * n, start + 60.000001 * n + 0.3333337) for n in range(1, 101))
    run = ClockRun(HANDLE, start, Limit(3, Unit.WORKING_HOURS), pauses=pauses)
    due = reading(run, HOURS, CHINA).due
    stood_still = sum(round(one.end * 1e6) - round(one.begin * 1e6) for one in pauses if one.end is not None)
    assert due is not None
    assert round(due * 1e6) == round(start * 1e6) + 3 * 3600 * 10**6 + stood_still


def test_while_it_stands_still_nothing_is_due_and_what_is_left_is_said() -> None:
    found = read("2026-11-23 09:00", Limit(4, Unit.WORKING_HOURS), ("2026-11-23 11:00", None))
    assert (found.due, found.left_s) == (None, 2 * 3600.0)
    assert lamp(found.due, None, at("2030-01-01")) is None
    late_already = read("2026-11-23 09:00", Limit(1, Unit.WORKING_HOURS), ("2026-11-23 11:00", None))
    assert shown(late_already.due) == "2026-11-23 10:00:00"  # a pause granted too late heals nothing
    assert lamp(late_already.due, None, at("2026-11-23 11:30")) is Lamp.RED


def test_hours_by_the_clock_are_paused_by_the_clock() -> None:
    found = read("2026-11-20 20:00", Limit(12, Unit.HOURS), ("2026-11-21 01:00", "2026-11-21 03:30"))
    assert shown(found.due) == "2026-11-21 10:30:00"


# ---------------------------------------------------------------- extensions and hard limits


def test_an_extension_is_the_instant_that_was_granted_and_later_pauses_are_counted_from_it() -> None:
    run = ClockRun(HANDLE, at("2026-11-23 09:00"), FIVE_DAYS, extended=(at("2026-11-26 10:00"), at("2026-12-02 18:00")))
    assert shown(reading(run, HOURS, CHINA).due) == "2026-12-02 18:00:00"
    earlier = Pause(at("2026-11-25 08:30"), at("2026-11-25 10:30"))  # what it cost is in the new instant already
    later = Pause(at("2026-12-01 08:30"), at("2026-12-01 10:30"))
    assert shown(reading(replace(run, pauses=(earlier,)), HOURS, CHINA).due) == "2026-12-02 18:00:00"
    assert shown(reading(replace(run, pauses=(earlier, later)), HOURS, CHINA).due) == "2026-12-03 10:30:00"


def test_a_hard_limit_is_moved_by_nothing() -> None:
    run = ClockRun(
        HANDLE,
        at("2026-11-20 21:00"),
        FIVE_DAYS,
        ceilings=(Limit(12, Unit.HOURS),),
        pauses=(Pause(at("2026-11-20 22:00"), None),),
        extended=(at("2026-11-20 21:30"), at("2026-12-04 18:00")),
    )
    found = reading(run, HOURS, CHINA)
    assert (shown(found.due), found.hard, found.provisional) == ("2026-11-21 09:00:00", True, False)
    later = reading(ClockRun(HANDLE, run.start, FIVE_DAYS, (Limit(900, Unit.HOURS),)), HOURS, CHINA)
    assert (shown(later.due), later.hard) == ("2026-11-27 18:00:00", False)
    ordered = reading(replace(run, ceilings=(), ordered=at("2026-11-21 03:00")), HOURS, CHINA)
    assert (shown(ordered.due), ordered.hard) == ("2026-11-21 03:00:00", True)
    only = reading(ClockRun(ClockKind.DISPATCH, run.start, None, (Limit(0.25, Unit.HOURS),)), HOURS, CHINA)
    assert (shown(only.due), only.hard) == ("2026-11-20 21:15:00", True)


def test_a_pause_ends_with_what_its_reason_allows() -> None:
    ten_days = PauseReason("x", "等待", "waiting", longest=Limit(10, Unit.WORKING_DAYS))
    assert shown(pause_ends(at("2026-11-23 11:00"), ten_days, HOURS, CHINA)) == "2026-12-07 18:00:00"
    assert pause_ends(at("2026-11-23 11:00"), replace(ten_days, longest=None), HOURS, CHINA) is None


def test_a_deadline_in_a_year_without_a_notice_is_provisional() -> None:
    sure = ClockRun(HANDLE, at("2026-12-01 09:00"), FIVE_DAYS)
    assert not reading(sure, HOURS, CHINA).provisional
    year = max(day.year for day in TEN_YEARS)
    while CHINA.known(date(year, 10, 8)):
        year += 1
    unsure = reading(ClockRun(HANDLE, at(f"{year - 1}-12-30 09:00"), FIVE_DAYS), HOURS, CHINA)
    assert unsure.provisional
    assert shown(unsure.due)[:4] == str(year)
