"""The history that staffing rests on: arrivals by queue and half-hour, what days they were, how long calls took.

Blocking: it reads the database; for commands and for processes of their own, never for the loop.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from controller.config import Settings
from controller.config_staffing import StaffingSection
from metrics import staffing_sql
from metrics.forecast import SLOT_S, SLOTS, Arrivals, DayFacts, Kind, Numbers
from metrics.staffing import Goal, Handling
from metrics.staffing_sql import QueueTimes
from pbx.ids import QueueId
from tickets.calendars import ChineseCalendar

FEWEST_TALKS, FEWEST_GAVE_UP, FEWEST_OFFERS = 50, 20, 50
"""From so many on, what was measured counts, and before it what is configured."""


@dataclass(frozen=True, slots=True)
class History:
    """Arrivals by queue, all with the same days, and what calls of the last days were like."""

    zone: ZoneInfo
    by_queue: Mapping[QueueId, Arrivals]
    handling: Mapping[QueueId, Handling]


class BadHistory(ValueError):
    """A file of arrivals that cannot be used; the text says why, with the line."""


def goal_of(section: StaffingSection) -> Goal:
    """What [staffing] asks for."""
    return Goal(section.target, section.within_s, section.most_busy, section.shrinkage, section.least)


def facts_of(settings: Settings, days: Iterable[date]) -> dict[date, DayFacts]:
    """What each day is, by the hotline's calendar of working days and its own special days."""
    calendar = settings.tickets.calendar
    assert isinstance(calendar, ChineseCalendar)
    special = {day: one for one in settings.raw.staffing.special_days for day in one.days}
    found: dict[date, DayFacts] = {}
    for day in days:
        standing = calendar.standing(day)
        if standing.workday:
            kind = Kind.WORKDAY
        else:
            kind = Kind.HOLIDAY if day.weekday() < 5 or standing.name else Kind.WEEKEND
        own = special.get(day)
        found[day] = DayFacts(kind, own.name if own else "", own.factor if own else None)
    return found


def read(connection: Connection, settings: Settings, now: float, queues: Sequence[QueueId] | None = None) -> History:
    """The history up to the last whole day before `now`; of all queues that are configured, or of some of them."""
    section, zone = settings.raw.staffing, ZoneInfo(settings.plan.timezone)
    wanted = list(settings.plan.queues) if queues is None else list(queues)
    today = datetime.fromtimestamp(now, zone).date()
    oldest = staffing_sql.first_call(connection)
    first = today - timedelta(days=section.history_days)
    if oldest is not None:
        # The first day is a day from its beginning on only if somebody called in its first half-hour: leave it out.
        first = max(first, datetime.fromtimestamp(oldest, zone).date() + timedelta(days=1))
    length = max(0, (today - first).days) if oldest is not None else 0
    counts = {queue: np.zeros((length, SLOTS)) for queue in wanted}
    begin, end = midnight(first, zone), midnight(today, zone)
    for queue, slot, number in staffing_sql.arrivals(connection, begin, end, SLOT_S, wanted):
        at = datetime.fromtimestamp(slot * SLOT_S, zone)
        row = (at.date() - first).days
        if 0 <= row < length:
            counts[queue][row, at.hour * 2 + at.minute // 30] += number
    since = end - section.measured_days * 86400.0
    measured = {one.queue: one for one in staffing_sql.times(connection, since, now)}
    wrap_up_s = section.wrap_up_s if section.wrap_up_s is not None else settings.plan.agent_rules.wrap_up_s
    return History(
        zone,
        {queue: Arrivals(first, known_days(counts[queue], counts.values())) for queue in wanted},
        {queue: handling_of(measured.get(queue, QueueTimes(queue)), section, wrap_up_s) for queue in wanted},
    )


def empty(settings: Settings, queues: Sequence[QueueId] | None = None) -> History:
    """What is known before the first call."""
    section, zone = settings.raw.staffing, ZoneInfo(settings.plan.timezone)
    wrap_up_s = section.wrap_up_s if section.wrap_up_s is not None else settings.plan.agent_rules.wrap_up_s
    wanted = list(settings.plan.queues) if queues is None else list(queues)
    nothing = Arrivals(date(2000, 1, 1), np.zeros((0, SLOTS)))
    configured = {queue: handling_of(QueueTimes(queue), section, wrap_up_s) for queue in wanted}
    return History(zone, dict.fromkeys(wanted, nothing), configured)


def known_days(counts: Numbers, everything: Iterable[Numbers]) -> Numbers:
    """The counts with the days unknown on which nobody called at all, in no queue: the hotline was not there."""
    whole = np.zeros(len(counts))
    for one in everything:
        whole += one.sum(axis=1)
    found = counts.copy()
    found[whole == 0] = np.nan
    return found


def midnight(day: date, zone: ZoneInfo) -> float:
    """When a day begins, epoch seconds."""
    return datetime.combine(day, time(), zone).timestamp()


def handling_of(times: QueueTimes, section: StaffingSection, wrap_up_s: float) -> Handling:
    """What a queue's calls take, measured where there are enough of them."""
    talk_s, talk_cv, measured = section.talk_s, 0.8, 0
    if times.talks >= FEWEST_TALKS and times.talked_s > 0:
        talk_s, measured = times.talked_s / times.talks, times.talks
        talk_cv = math.sqrt(max(0.0, times.talked_s2 / times.talks / talk_s**2 - 1))
    patience_s = section.patience_s
    if times.gave_up >= FEWEST_GAVE_UP and times.waited_s > 0:
        # Of an exponential patience seen through waits that mostly end in an answer: time waited by all / given up.
        patience_s = times.waited_s / times.gave_up
    pick_up_s, no_answer = 0.0, 0.0
    if times.picked_up >= FEWEST_OFFERS:
        pick_up_s = max(0.0, times.rang_s / times.picked_up)
        no_answer = 1 - times.picked_up / times.offers
    return Handling(talk_s, talk_cv, wrap_up_s, pick_up_s, patience_s, no_answer, measured)


def from_csv(file: Path, zone: ZoneInfo) -> Arrivals:
    """Arrivals of a file with the columns time and calls: what an earlier system knows, in steps of 30 minutes or less.

    A time is ISO 8601; without a zone it is the hotline's. Days without a line are unknown; times that a day with lines
    lacks are unknown too. Raises BadHistory, OSError.
    """
    sums: dict[date, Numbers] = {}
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        at_name, calls_name = names.get("time") or names.get("datetime"), names.get("calls")
        if at_name is None or calls_name is None:
            raise BadHistory("line 1: the columns time and calls are needed")
        for line in reader:
            try:
                at = datetime.fromisoformat((line[at_name] or "").strip())
                calls = float(line[calls_name] or "")
                if calls < 0 or not math.isfinite(calls):
                    raise ValueError
            except ValueError:
                raise BadHistory(f"line {reader.line_num}: no time with a number of calls from 0 on") from None
            local = at.astimezone(zone) if at.tzinfo is not None else at
            day = sums.setdefault(local.date(), np.full(SLOTS, np.nan))
            slot = local.hour * 2 + local.minute // 30
            day[slot] = calls + (0.0 if np.isnan(day[slot]) else day[slot])
    if not sums:
        raise BadHistory("there is no line with calls")
    first, last = min(sums), max(sums)
    if (last - first).days > 3660:
        raise BadHistory(f"from {first} to {last} are more than ten years")
    counts = np.full(((last - first).days + 1, SLOTS), np.nan)
    for day_, slots in sums.items():
        counts[(day_ - first).days] = slots
    return Arrivals(first, counts)
