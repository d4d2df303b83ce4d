"""Calendars: who says what a day is, years that nobody knows, and notices entered as files."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from benchmarks.state_council import NOTICES, days_of_notices
from tickets.calendars import (
    CalendarError,
    ChineseCalendar,
    Why,
    YearDays,
    published,
    unknown_years,
    year_from,
    year_from_csv,
    year_from_toml,
)
from tickets.worktime import WorkingHours, micros, worktime

pytestmark = pytest.mark.core

CHINA = ChineseCalendar()
UNKNOWN = max(year for year in range(2024, 2060) if published(year)) + 1
"""The first year of which the library has no notice."""

NOTICE = """
year = 2031
source = "国办发明电〔2030〕1号"

[holidays]
"元旦" = [2031-01-01]
"春节" = ["2031-01-22..2031-01-29"]
"清明" = ["2031-04-05..2031-04-07"]
"劳动节" = ["2031-05-01..2031-05-05"]
"端午" = [2031-06-24]
"中秋、国庆" = ["2031-10-01..2031-10-08"]

[workdays]
"春节" = ["2031-01-18", 2031-02-08]
"劳动节" = [2031-04-27]
"国庆" = ["2031-09-28", "2031-10-11", 2030-12-28]
"""


def notice_as_toml(year: int) -> str:
    source, free, works = NOTICES[year]

    def day(text: str) -> str:
        return f"{year}-{text[:2]}-{text[2:]}"

    spans = ", ".join(f'"{day(a)}..{day(b)}"' for a, b in (span.split("-") for span in free.split()))
    return (
        f'year = {year}\nsource = "{source}"\nholidays = [{spans}]\nworkdays = [{", ".join(map(day, works.split()))}]'
    )


@pytest.mark.parametrize("year", sorted(NOTICES))
def test_a_notice_entered_as_a_file_gives_the_year_as_the_library_has_it(year: int) -> None:
    """So whoever types in the notice for a new year gets what the library will say of it once it knows the year."""
    filed = ChineseCalendar(years={year: year_from_toml(notice_as_toml(year), "a file")})
    expected = {day: works for day, works in days_of_notices().items() if day.year == year}
    if year == 2018:
        expected[date(2018, 12, 31)] = True  # the notice for 2019 made it free, which this file does not hold
    assert {day: filed.is_workday(day) for day in expected} == expected
    assert filed.standing(date(year, 1, 1)).why is Why.FILE
    assert filed.standing(date(year, 1, 1)).source == NOTICES[year][0]


@pytest.mark.parametrize("year", [2021, 2022, 2024, 2025, 2026])  # 2020 was made longer in the epidemic
def test_the_working_days_of_a_year_add_up(year: int) -> None:
    assert list(year_from_toml(notice_as_toml(year), "").doubts()) == []


def test_a_slip_of_the_pen_is_noticed_by_the_sum() -> None:
    slipped = notice_as_toml(2025).replace("2025-09-28", "2025-09-27")  # a Saturday beside it: the sum is the same
    assert list(year_from_toml(slipped, "").doubts()) == []
    forgotten = notice_as_toml(2025).replace(", 2025-10-11", "")
    (doubt,) = year_from_toml(forgotten, "").doubts()
    assert doubt.startswith("2025 would have 247 working days; 13 statutory holidays leave 248")
    needless = notice_as_toml(2025).replace("2025-10-11", "2025-10-10")
    assert any(
        "2025-10-10 is entered as a working day, which it is as a Friday anyway" in one
        for one in year_from_toml(needless, "").doubts()
    )
    works = YearDays(2025, "", {**year_from_toml(notice_as_toml(2025), "").days, date(2025, 10, 1): (True, "")})
    assert any("2025-10-01 is a statutory holiday" in one for one in works.doubts())


def test_who_says_so_strongest_first() -> None:
    calendar = ChineseCalendar(
        days={date(2031, 1, 22): True, date(2025, 1, 2): False},
        years={2031: year_from_toml(NOTICE, "2031.toml")},
    )
    assert calendar.standing(date(2031, 1, 22)).why is Why.ENTERED
    assert calendar.standing(date(2031, 1, 23)) == calendar.standing(date(2031, 1, 24))
    assert calendar.standing(date(2031, 1, 23)).name == "春节"
    assert calendar.standing(date(2031, 1, 23)).source == "国办发明电〔2030〕1号"
    assert not calendar.is_workday(date(2025, 1, 2))
    assert calendar.standing(date(2025, 10, 1)).name == "国庆节"
    assert calendar.standing(date(2025, 10, 1)).why is Why.PUBLISHED
    assert calendar.standing(date(2025, 10, 11)).workday  # a Saturday
    assert calendar.standing(date(2032, 3, 1)).why is Why.RULE
    # A day of the December before, which the notice names; the rest of that December is still unknown.
    assert calendar.standing(date(2030, 12, 28)).workday
    assert calendar.known(date(2030, 12, 28))
    assert not calendar.known(date(2030, 12, 27))


def test_a_year_without_a_notice_is_said_and_marks_what_rests_on_it() -> None:
    assert unknown_years(CHINA, date(UNKNOWN - 1, 6, 1), date(UNKNOWN + 1, 1, 1)) == (UNKNOWN, UNKNOWN + 1)
    assert unknown_years(CHINA, date(2017, 1, 1), date(2026, 12, 31)) == ()
    work = worktime(WorkingHours(), CHINA)
    hours = WorkingHours()

    def instant(day: date) -> int:
        return next(iter(hours.of(day, ZoneInfo(hours.zone))))[0]

    last = date(UNKNOWN - 1, 12, 31)
    assert not work.provisional(instant(last - timedelta(days=9)), instant(last))
    assert work.provisional(instant(last), instant(last + timedelta(days=1)))
    assert work.provisional(instant(last), instant(last + timedelta(days=800)))
    assert work.provisional(instant(last + timedelta(days=3)), micros(instant(last + timedelta(days=4)) / 1_000_000))


def test_a_few_days_of_a_year_are_no_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own range of years grows with any single date in it, such as a New Year of the next."""
    import chinese_calendar

    monkeypatch.setitem(chinese_calendar.holidays, date(UNKNOWN, 1, 1), "New Year's Day")
    assert not published(UNKNOWN)


def test_csv_is_read_as_toml_is() -> None:
    text = (
        "\ufeffdate,kind,name\n2031-01-01,holiday,元旦\n2031-01-22..2031-01-29,holiday,春节\n2031-01-18,workday,春节\n"
    )
    days = year_from_csv(text, "2031.csv")
    assert (days.year, days.source, len(days.days)) == (2031, "2031.csv", 10)
    assert days.days[date(2031, 1, 18)] == (True, "春节")
    assert year_from("2031.CSV", text).days == days.days
    assert year_from("2031.toml", NOTICE).year == 2031


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "year must be given"),
        ("year = 2031", "no holiday of 2031 is named"),
        ("year = ", "is not TOML"),
        ('year = 2031\nholidays = ["2031-13-01"]', "'2031-13-01' is no date such as"),
        ('year = 2031\nholidays = ["2031-05-03..2031-05-01"]', "ends before it begins"),
        ('year = 2031\nholidays = ["2031-01-01..2031-12-31"]', "longer than a month"),
        ("year = 2031\nholidays = [2032-01-01]", "2032-01-01 is not in 2031"),
        ("year = 2031\nholidays = [2031-01-01]\nworkdays = [2031-01-01]", "both a holiday and a working day"),
        ("year = 2031\nholidays = [2031-01-01, 5]", "5 is no date"),
        ('year = 2031\nholidays = "x"', "must be a table"),
        ("year = 2031\nfeiertage = 1\nholidays = [2031-01-01]", "feiertage is not known"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, fault: str) -> None:
    with pytest.raises(CalendarError, match=fault):
        year_from_toml(text, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("day,what\n", "must name the columns"),
        ("date,kind,name\n", "no day in it"),
        ("date,kind,name\n2031-01-01,frei,x\n2031-01-02,holiday,x\n", "line 2: kind is holiday or workday, not 'frei'"),
        ("date,kind,name\n2031-02-30,holiday,x\n", "is no date"),
    ],
)
def test_what_is_wrong_in_a_csv_file_is_named(text: str, fault: str) -> None:
    with pytest.raises(CalendarError, match=fault):
        year_from_csv(text, "")
