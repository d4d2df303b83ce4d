"""The calendar by which deadlines are counted: a month with who says what each day is, and the years nobody knows."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from aiohttp import web

from tickets.calendars import ChineseCalendar, Why
from tickets.times import missing_years
from web.described import described
from web.errors import ApiError, Problem
from web.fields import Text
from web.keys import BACKEND, CLOCK
from web.shape import answer

YEARS = range(1949, 2200)
"""Years of which a month is shown."""


@described(
    query={"month": Text(7, pattern=re.compile("(1949|19[5-9][0-9]|20[0-9]{2}|21[0-9]{2})-(0[1-9]|1[0-2])"))},
    gives={
        "month": str,
        "timezone": str,
        "unknown_years": list[int],
        "days": [{"date": date, "workday": bool, "why": Why, "name": str, "source": str}],
    },
)
async def show_calendar(request: web.Request) -> web.Response:
    """GET /api/calendar?month=YYYY-MM: its days, and the years without a holiday notice that deadlines reach.

    The default is this month. `timezone`: the hotline's, in which its days and hours are. `why` of a day: ``entered``
    and ``file`` = the hotline's own, ``published`` = the State Council's notice, ``rule`` = plain weekends and fixed
    holidays, because nobody knows that year: provisional.
    """
    policy, now = request.app[BACKEND].desk.policy, request.app[CLOCK]()
    problems = [Problem("?", "unknown_field") for name in request.query if name != "month"]
    today = datetime.fromtimestamp(now, ZoneInfo(policy.hours.zone)).date()
    try:
        month = date.fromisoformat(f"{request.query.get('month', today.isoformat()[:7])}-01")
    except ValueError:
        month = date.max
    if month.year not in YEARS:
        problems.append(Problem("month", "bad_time"))
    if problems:
        raise ApiError(400, "bad_request", problems)
    calendar = policy.calendar
    days = []
    day = month
    while day.month == month.month:
        shown: dict[str, object] = {"date": day.isoformat(), "workday": calendar.is_workday(day)}
        if isinstance(calendar, ChineseCalendar):
            standing = calendar.standing(day)
            shown |= {"why": standing.why.value, "name": standing.name, "source": standing.source}
        days.append(shown)
        day += timedelta(days=1)
    found = {"month": month.isoformat()[:7], "timezone": policy.hours.zone, "days": days}
    return answer({**found, "unknown_years": list(missing_years(policy, now))})
