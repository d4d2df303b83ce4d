"""The State Council's notices (部分节假日安排的通知) for 2017 to 2026, written down by hand.

They are the second opinion that the library `chinesecalendar` is checked against, so nothing here is made from it. Each
year: the notices, the spans that are free, and the Saturdays and Sundays that work.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

NOTICES: dict[int, tuple[str, str, str]] = {
    2017: (
        "国办发明电〔2016〕17号",
        "0101-0102 0127-0202 0402-0404 0429-0501 0528-0530 1001-1008",
        "0122 0204 0401 0527 0930",
    ),
    2018: (
        "国办发明电〔2017〕12号",
        "0101-0101 0215-0221 0405-0407 0429-0501 0616-0618 0922-0924 1001-1007",
        "0211 0224 0408 0428 0929 0930 1229",  # the last by 国办发明电〔2018〕15号, which moved 31 December
    ),
    2019: (
        "国办发明电〔2018〕15号, 〔2019〕3号",  # the second made Labour Day four days long
        "0101-0101 0204-0210 0405-0407 0501-0504 0607-0609 0913-0915 1001-1007",
        "0202 0203 0428 0505 0929 1012",
    ),
    2020: (
        "国办发明电〔2019〕16号, 〔2020〕1号",  # the second made the Spring Festival longer: the epidemic
        "0101-0101 0124-0202 0404-0406 0501-0505 0625-0627 1001-1008",
        "0119 0426 0509 0628 0927 1010",
    ),
    2021: (
        "国办发明电〔2020〕27号",
        "0101-0103 0211-0217 0403-0405 0501-0505 0612-0614 0919-0921 1001-1007",
        "0207 0220 0425 0508 0918 0926 1009",
    ),
    2022: (
        "国办发明电〔2021〕11号",
        "0101-0103 0131-0206 0403-0405 0430-0504 0603-0605 0910-0912 1001-1007",
        "0129 0130 0402 0424 0507 1008 1009",
    ),
    2023: (
        "国办发明电〔2022〕16号",
        "0101-0102 0121-0127 0405-0405 0429-0503 0622-0624 0929-1006",
        "0128 0129 0423 0506 0625 1007 1008",
    ),
    2024: (
        "国办发明电〔2023〕7号",
        "0101-0101 0210-0217 0404-0406 0501-0505 0610-0610 0915-0917 1001-1007",
        "0204 0218 0407 0428 0511 0914 0929 1012",
    ),
    2025: (
        "国办发明电〔2024〕12号",
        "0101-0101 0128-0204 0404-0406 0501-0505 0531-0602 1001-1008",
        "0126 0208 0427 0928 1011",
    ),
    2026: (
        "国办发明电〔2025〕7号",
        "0101-0103 0215-0223 0404-0406 0501-0505 0619-0621 0925-0927 1001-1007",
        "0104 0214 0228 0509 0920 1010",
    ),
}

ALSO_FREE = {date(2018, 12, 31)}
"""By the notice for 2019."""


def _day(year: int, text: str) -> date:
    return date(year, int(text[:2]), int(text[2:]))


def days_of_notices() -> dict[date, bool]:
    """Every day of the ten years, and whether it works by the notices."""
    found: dict[date, bool] = {}
    for year, (_, free, works) in NOTICES.items():
        days: dict[date, bool] = {}
        for span in free.split():
            first, last = (_day(year, text) for text in span.split("-"))
            while first <= last:
                days[first] = False
                first += timedelta(days=1)
        days |= {_day(year, text): True for text in works.split()}
        for day in _days(year):
            found[day] = days.get(day, day.weekday() < 5) and day not in ALSO_FREE
    return found


def _days(year: int) -> Iterator[date]:
    day = date(year, 1, 1)
    while day.year == year:
        yield day
        day += timedelta(days=1)
