"""``hotline bench deadlines``: deadlines per second of CPU, and every minute of ten years compared with the oracle.

The work is a year of dispatches, one every so many seconds, so that nights, weekends and holidays are among them. The
peer is the calculation that walks from day to day and asks the calendar about each, as ticket systems do and as this
project did before it laid a year's working time out once; both give the same instants, which is checked in the run.
`ticket` = everything that one ticket's clocks come to after a pause and an extension, with its reminders.

The oracle (`benchmarks.minutes`) looks at each minute of the State Council's ten years, and shares with the calculation
neither the calendar nor the arithmetic; `differences` counts the starts at which the two disagree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.minutes import Minutes
from benchmarks.report import Report
from benchmarks.state_council import days_of_notices
from tickets.calendars import ChineseCalendar
from tickets.clock import ClockRun, Pause, reading
from tickets.deadlines import ClockKind, Facts, Limit, Unit, WorkingHours, due
from tickets.schedule import USUAL_STEPS, Act, Schedule, Step, steps
from tickets.worktime import WorkTime

HOURS = WorkingHours()
CHINA = ChineseCalendar()
ZONE = ZoneInfo(HOURS.zone)
YEAR = datetime(2025, 1, 1, tzinfo=ZONE).timestamp()
ROUNDS = 3
COUNT = 20_000
TICKETS = 100_000

FOUR_HOURS = Limit(4, Unit.WORKING_HOURS)
FIVE_DAYS = Limit(5, Unit.WORKING_DAYS)
SIXTY_DAYS = Limit(60, Unit.WORKING_DAYS)


def _due(limit: Limit, start: float) -> float:
    return due(start, limit, HOURS, CHINA)


def walked(limit: Limit, start: float) -> float:
    """The peer: day by day from the start on."""
    day = datetime.fromtimestamp(start, ZONE).date()
    left = limit.amount * 3600 if limit.unit is Unit.WORKING_HOURS else limit.amount
    counted_from = start
    if limit.unit is Unit.WORKING_DAYS:
        day += timedelta(days=1)
    while True:
        if CHINA.is_workday(day):
            for begin, end in HOURS.spans:
                first = max(datetime.combine(day, begin, ZONE).timestamp(), counted_from)
                last = datetime.combine(day, end, ZONE).timestamp()
                if limit.unit is Unit.WORKING_HOURS and last > first:
                    if left <= last - first:
                        return first + left
                    left -= last - first
            if limit.unit is Unit.WORKING_DAYS:
                left -= 1
                if left == 0:
                    return datetime.combine(day, HOURS.spans[-1][1], ZONE).timestamp()
        day += timedelta(days=1)


def _rate(one: Callable[[float], object], count: int) -> float:
    """Calculations per second of CPU over a year of starts."""
    apart = 365 * 86_400 / count
    begun = time.process_time()
    for number in range(count):
        one(YEAR + number * apart)
    return count / (time.process_time() - begun)


def _of_ticket(start: float) -> object:
    run = ClockRun(
        ClockKind.HANDLE,
        start,
        FIVE_DAYS,
        pauses=(Pause(start + 90_000, start + 200_000), Pause(start + 300_000, start + 310_000)),
        extended=(start + 100_000, start + 900_000),
    )
    signing = reading(ClockRun(ClockKind.SIGN, start, FOUR_HOURS), HOURS, CHINA)
    return steps("1", [signing, reading(run, HOURS, CHINA)], Facts("help"), USUAL_STEPS, HOURS, CHINA)


def differences(stride: int) -> tuple[int, int]:
    """Starts compared with the oracle, every `stride`-th minute of ten years, and those at which the two disagree."""
    days = days_of_notices()
    oracle = Minutes(date(2017, 1, 1), list(days.values()), HOURS.spans)
    wrong = compared = 0
    for minute in range(0, (len(days) - 40) * 1440, stride):
        at = oracle.epoch(minute)
        compared += 1
        in_time = due(at, FOUR_HOURS, HOURS, CHINA) == oracle.epoch(oracle.after_minutes(minute, 240))
        wrong += not in_time or due(at, FIVE_DAYS, HOURS, CHINA) != oracle.epoch(oracle.after_days(minute, 5))
    return compared, wrong


def _planned() -> float:
    """Tickets planned per second of CPU into a schedule that holds a hundred thousand, and made from it again."""
    schedule = Schedule()
    plans = [(str(number), _steps_at(number)) for number in range(TICKETS)]
    begun = time.process_time()
    for ticket, planned in plans:
        schedule.plan(ticket, planned)
    made = sum(1 for _ in schedule.take(float("inf")))
    return made / (time.process_time() - begun)


def _steps_at(number: int) -> tuple[Step, ...]:
    at = YEAR + (number * 7919) % 864_000
    return tuple(Step(at + more, str(number), str(more), ClockKind.HANDLE, at, Act.REMIND, ()) for more in (0, 900))


def run(json_path: Path | None = None, *, quick: bool = False) -> int:
    """Measure, print, write."""
    report = Report("deadlines")
    count = COUNT // 10 if quick else COUNT
    begun = time.process_time()
    WorkTime(HOURS, ChineseCalendar()).after(int(YEAR * 1_000_000), 1)
    report.figure("deadlines.year_laid_out", time.process_time() - begun)
    for name, limit in (("4_hours", FOUR_HOURS), ("5_days", FIVE_DAYS), ("60_days", SIXTY_DAYS)):
        ours, peer = [], []
        due(YEAR + 365 * 86_400, limit, HOURS, CHINA)
        for _ in range(ROUNDS):  # interleaved, so that both have the same machine
            ours.append(_rate(partial(_due, limit), count))
            peer.append(_rate(partial(walked, limit), count // 10))
        for number in range(0, count, 97):
            at = YEAR + number * 1573.0
            if due(at, limit, HOURS, CHINA) != walked(limit, at):
                raise AssertionError(f"the two calculations differ at {at}")
        report.figure(f"deadlines.per_s.{name}", max(ours), peer=max(peer))
    report.figure("deadlines.per_s.ticket", max(_rate(_of_ticket, count // 4) for _ in range(ROUNDS)))
    report.figure("deadlines.schedule.steps_per_s", max(_planned() for _ in range(ROUNDS)))
    compared, wrong = differences(97 if quick else 1)
    report.figure("deadlines.compared", compared)
    report.figure("deadlines.differences", wrong)
    return report.finish(json_path)
