from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.hours import HoursError, OpeningHours, parse_hours

pytestmark = pytest.mark.core

OFFICE = parse_hours(
    {
        "mon-fri": ["14:00-17:30", "08:30-12:00"],
        "sat": ["22:00-06:00"],
        "2026-10-01": [],
        "2026-10-10": ["09:00-24:00"],
        "closed_say": ["closed", "goodbye"],
    },
    "hotline.toml",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("nothing", [None, {}])
def test_without_hours_a_number_is_open_7x24(nothing: dict[str, object] | None) -> None:
    hours = parse_hours(nothing, "hotline.toml")
    assert hours == OpeningHours()
    assert hours.closed_say == ("closed",)
    start = at("2026-02-16T00:00")
    assert all(hours.open_at(start + timedelta(minutes=7 * step)) for step in range(8 * 24 * 60 // 7))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-09-28T08:29:59", False),  # Monday
        ("2026-09-28T08:30", True),
        ("2026-09-28T11:59:59", True),
        ("2026-09-28T12:00", False),
        ("2026-09-28T14:00", True),
        ("2026-09-28T17:30", False),
        ("2026-10-01T10:00", False),  # a holiday on a Thursday
        ("2026-10-10T09:00", True),  # a Saturday that is worked: the date goes before the weekday
        ("2026-10-10T08:59", False),
        ("2026-10-10T23:59:59", True),
        ("2026-10-11T00:00", False),
        ("2026-10-03T21:59", False),  # Saturday's span passes midnight
        ("2026-10-03T22:00", True),
        ("2026-10-04T05:59", True),
        ("2026-10-04T06:00", False),
        ("2026-10-04T12:00", False),  # Sunday is not named
    ],
)
def test_spans_holidays_and_make_up_days(moment: str, is_open: bool) -> None:
    assert OFFICE.open_at(at(moment)) is is_open


def test_a_closed_date_does_not_cut_the_night_that_began_before_it() -> None:
    hours = parse_hours({"mon-sun": ["20:00-08:00"], "2026-10-01": []}, "hotline.toml")
    assert hours.open_at(at("2026-10-01T07:59"))
    assert not hours.open_at(at("2026-10-01T20:00"))
    assert not hours.open_at(at("2026-10-02T07:59"))


def test_dates_alone_are_exceptions_from_7x24() -> None:
    hours = parse_hours({"2026-10-01": ["10:00-11:00"]}, "hotline.toml")
    assert [hours.open_at(at(f"2026-10-01T{hour:02}:30")) for hour in (9, 10, 11)] == [False, True, False]
    assert hours.open_at(at("2026-10-02T03:00"))


def test_weekdays_may_go_around_the_end_of_the_week() -> None:
    hours = parse_hours({"sat-mon": ["00:00-24:00"]}, "hotline.toml")
    days = {day for day in range(28, 35) if hours.open_at(datetime(2026, 9, 28) + timedelta(days=day - 28))}
    assert days == {28, 33, 34}  # Monday, Saturday, Sunday


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-09-28T10:00", "2026-09-28T10:00"),
        ("2026-09-28T12:30", "2026-09-28T14:00"),
        ("2026-09-30T18:00", "2026-10-02T08:30"),  # over the holiday
        ("2026-10-04T06:00", "2026-10-05T08:30"),
    ],
)
def test_the_next_opening(moment: str, opening: str) -> None:
    assert OFFICE.next_opening(at(moment)) == at(opening)
    zone = timezone(timedelta(hours=8))
    assert OFFICE.next_opening(at(moment).replace(tzinfo=zone)) == at(opening).replace(tzinfo=zone)


def test_a_number_that_never_opens_has_no_next_opening() -> None:
    assert parse_hours({"mon": []}, "hotline.toml").next_opening(at("2026-09-28T10:00")) is None


@given(st.datetimes(datetime(2026, 9, 20), datetime(2026, 10, 20)))
def test_the_next_opening_is_open_and_nothing_before_it_is(moment: datetime) -> None:
    opening = OFFICE.next_opening(moment)
    assert opening is not None
    assert OFFICE.open_at(opening)
    before = moment
    while before < opening:
        assert not OFFICE.open_at(before)
        before += timedelta(minutes=30)


def test_everything_wrong_is_named_at_once() -> None:
    data: dict[str, object] = {
        "mon-wed": ["08:00-12:00", "11:00-13:00"],
        "tue": [],
        "thu": ["8-12", "10:00-10:00", 7],
        "fri": "08:00-12:00",
        "lundi": [],
        "2026-02-30": [],
        "closed_say": [],
    }
    with pytest.raises(HoursError) as caught:
        parse_hours(data, "hotline.toml")
    assert [problem.path for problem in caught.value.problems] == [
        "mon-wed",
        "tue",
        "thu",
        "thu",
        "thu",
        "fri",
        "lundi",
        "2026-02-30",
        "closed_say",
    ]
    assert "hotline.toml: tue: tue is named twice" in str(caught.value)


def test_spans_of_a_date_replace_those_of_its_weekday() -> None:
    assert OFFICE.spans(date(2026, 10, 1)) == ()
    assert OFFICE.spans(date(2026, 9, 28)) == ((510, 720), (840, 1050))
    assert OFFICE.spans(date(2026, 10, 3)) == ((1320, 1800),)
