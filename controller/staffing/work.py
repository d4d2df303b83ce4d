"""What `hotline staffing` says, as plain data: the command prints it, the web hands it on. Blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from controller.config import Settings
from controller.database import database_url, make_engine, plainly
from controller.schema import current, require_head
from controller.staffing import history as source
from controller.staffing.history import History
from controller.staffing.simulated import Simulated, needed
from metrics.back_test import BackTest, back_test
from metrics.forecast import SLOT_S, SLOTS, Arrivals, DayForecast, NoHistory, forecast
from metrics.staffing import Handling, need, together
from pbx.ids import QueueId

CLOCKS = tuple(f"{slot // 2:02d}:{slot % 2 * 30:02d}" for slot in range(SLOTS))
"""When each half-hour of a day begins."""

FURTHEST_DAYS = 62
"""Nothing is forecast beyond two months: a forecast of the level says nothing by then."""


class TooFar(ValueError):
    """A day that cannot be forecast; the text says why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The forecast of some days by queue; `without` names the queues of which nothing can be said, with why."""

    days: tuple[date, ...]
    by_queue: Mapping[QueueId, Mapping[date, DayForecast]]
    notes: Mapping[QueueId, Mapping[str, Any]]
    without: Mapping[QueueId, str]


def read_history(settings: Settings, now: float, queues: Sequence[QueueId] | None = None) -> History:
    """The history of the hotline's own database; an empty one where there is none yet. Raises StoreError."""
    if current(settings.database_url) is None:
        return source.empty(settings, queues)
    where = database_url(settings.database_url)
    engine = make_engine(where)
    try:
        with plainly(where), engine.connect() as connection:
            require_head(connection, where)
            return source.read(connection, settings, now, queues)
    finally:
        engine.dispose()


def given_days(settings: Settings, first: date, count: int, now: float) -> tuple[date, ...]:
    """`count` days from `first` on. Raises TooFar for days that are over, or too far away."""
    today = datetime.fromtimestamp(now, ZoneInfo(settings.plan.timezone)).date()
    days = tuple(first + timedelta(days=ahead) for ahead in range(count))
    if days[0] < today:
        raise TooFar(f"{days[0]} is over; the forecast is of today and later")
    if (days[-1] - today).days > FURTHEST_DAYS:
        raise TooFar(f"{days[-1]} is more than {FURTHEST_DAYS} days away")
    return days


def expected(settings: Settings, known: History, days: Sequence[date]) -> Expected:
    """The forecast of each queue."""
    found: dict[QueueId, Mapping[date, DayForecast]] = {}
    notes: dict[QueueId, Mapping[str, Any]] = {}
    without: dict[QueueId, str] = {}
    for queue, arrivals in known.by_queue.items():
        facts = source.facts_of(settings, {*arrivals.days, *days})
        try:
            one = forecast(arrivals, facts, days)
        except NoHistory as error:
            without[queue] = str(error)
            continue
        found[queue] = {day.day: day for day in one.days}
        notes[queue] = {
            "learnt_days": one.learnt_days,
            "trend_a_week": round(one.trend, 4),
            "spread": round(one.spread, 4),
            "unusual_days": [str(day) for day in one.unusual],
            "unusual_half_hours": one.unusual_slots,
            "missing_half_hours": one.missing,
            "short_history": one.short,
            "never_seen": list(one.unknown),
        }
    return Expected(tuple(days), found, notes, without)


def forecast_document(found: Expected) -> dict[str, Any]:
    """`GET /api/staffing/forecast`."""
    return {
        "half_hours": list(CLOCKS),
        "days": [str(day) for day in found.days],
        "queues": [
            {
                "queue": queue,
                **found.notes[queue],
                "forecast": [
                    {
                        "day": str(one.day),
                        "like": one.pattern,
                        "calls": round(one.total, 1),
                        "mean": [round(value, 2) for value in one.mean],
                        "low": list(one.low),
                        "high": list(one.high),
                    }
                    for one in days.values()
                ],
            }
            for queue, days in found.by_queue.items()
        ],
        "without_forecast": [{"queue": queue, "why": why} for queue, why in found.without.items()],
    }


def tested(settings: Settings, arrivals: Arrivals, weeks: int) -> BackTest:
    """The forecast of the last weeks beside what came. Raises NoHistory."""
    last = arrivals.days[-1:] or [date(2000, 1, 1)]
    return back_test(arrivals, source.facts_of(settings, {*arrivals.days, *last}), weeks)


def test_document(found: BackTest) -> dict[str, Any]:
    """A back-test for a program."""
    return {"weeks": found.weeks, "methods": {name: asdict(one) for name, one in found.by_method.items()}}


# ---------------------------------------------------------------- required


def required_document(settings: Settings, known: History, found: Expected, *, simulate: bool) -> dict[str, Any]:
    """`GET /api/staffing/required`: what each half-hour needs, by queue and with all of them together.

    Raises NoAgents (only when it is to be simulated).
    """
    goal = source.goal_of(settings.raw.staffing)
    queues = list(found.by_queue)
    return {
        "goal": asdict(goal),
        "half_hours": list(CLOCKS),
        "handling": {
            queue: {name: round(value, 4) for name, value in asdict(known.handling[queue]).items()} for queue in queues
        },
        "days": [
            {
                "day": str(day),
                "queues": [
                    {
                        "queue": queue,
                        "need": [
                            _rounded(asdict(need(calls, known.handling[queue], replace(goal, least=0))))
                            for calls in found.by_queue[queue][day].mean
                        ],
                    }
                    for queue in queues
                ],
                "together": [_together(settings, known, found, day, slot, simulate) for slot in range(SLOTS)]
                if queues
                else [],
            }
            for day in found.days
        ],
        "without_forecast": [{"queue": queue, "why": why} for queue, why in found.without.items()],
    }


def _together(
    settings: Settings, known: History, found: Expected, day: date, slot: int, simulate: bool
) -> dict[str, Any]:
    """All queues of a half-hour: as one group whose agents can do everything, and with the skills that there are."""
    goal = source.goal_of(settings.raw.staffing)
    calls = {queue: days[day].mean[slot] for queue, days in found.by_queue.items()}
    handling: Handling = together(list(calls.values()), [known.handling[queue] for queue in calls])
    made = _rounded(asdict(need(sum(calls.values()), handling, goal)))
    if simulate:
        rates = {queue: number / SLOT_S for queue, number in calls.items()}
        made["simulated"] = _shown(needed(settings.plan, rates, known.handling, goal, seed=slot + 1), goal.target)
    return made


def _shown(found: Simulated | None, target: float) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "agents": found.agents,
        "in_time": round(found.in_time, 4),
        "abandoned": round(found.abandoned, 4),
        "busy": round(found.busy, 4),
        "calls": found.calls,
        "below_target": {queue: round(share, 4) for queue, share in found.by_queue.items() if share < target},
    }


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
