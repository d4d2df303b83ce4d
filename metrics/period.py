"""Periods of figures: local days and spans as people write them, as epoch seconds. Pure.

Everything is stored in UTC; a day is one of the configured zone, so one with a change to daylight time has 23 or 25
hours. Texts of refusals are codes; `TEXTS` has them in both languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

DAY_S = 86_400.0

LONGEST_DAYS = 400

TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no_day": (
            "不是日期; 例如 2026-11-22, 20261122, today, yesterday",
            "this is no day; such as 2026-11-22, 20261122, today or yesterday",
        ),
        "no_instant": (
            "不是时间; 例如 2026-11-22T08:00 (本地时间) 或 2026-11-22T00:00Z",
            "this is no instant; such as 2026-11-22T08:00 (local time) or 2026-11-22T00:00Z",
        ),
        "no_such_local_time": (
            "该本地时间不存在或出现两次(夏令时切换); 请注明时区",
            "this local time does not exist or comes twice (daylight time changes); give it with its zone",
        ),
        "empty_period": ("时段的终点须晚于起点", "the period must end after it begins"),
        "period_in_future": ("该时段尚未开始, 没有数字", "the period has not begun; there are no figures of it"),
        "period_too_long": (f"时段最长 {LONGEST_DAYS} 天", f"a period is of at most {LONGEST_DAYS} days"),
        "day_or_span": ("请给出 day, 或 from 与 to, 不要同时给出", "give a day, or from and to, not both"),
        "target_out_of_range": (
            "目标须大于 0 且不超过 100 % (0 到 1)",
            "a target is above 0 and at most 100 % (1)",
        ),
    }
)


class FigureRefused(ValueError):
    """What is asked for cannot be had; `code` is stable, `TEXTS` says it in both languages, `given` is harmless."""

    def __init__(self, code: str, given: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.given = given


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until) in epoch seconds; `until` may lie in the future: then what has happened so far is told."""

    since: float
    until: float

    def so_far(self, now: float) -> Period:
        """The part of it that is over at `now`. Raises `FigureRefused` for one that has not begun."""
        if self.since >= now:
            raise FigureRefused("period_in_future")
        return Period(self.since, min(self.until, now))


def day(text: str, zone: ZoneInfo, now: float) -> date:
    """A day as people write it. Raises `FigureRefused` (no_day)."""
    if text in ("today", "yesterday"):
        return datetime.fromtimestamp(now, zone).date() - timedelta(days=text == "yesterday")
    plain = text.replace("-", "")
    if re.fullmatch(r"[0-9]{8}", plain) and len(text) in (8, 10):
        try:
            return date(int(plain[:4]), int(plain[4:6]), int(plain[6:]))
        except ValueError:
            pass
    raise FigureRefused("no_day", text[:20])


def of_day(one: date, zone: ZoneInfo) -> Period:
    """From local midnight to the next."""
    first, last = (datetime.combine(one + timedelta(days=n), time(), zone).timestamp() for n in (0, 1))
    return Period(first, last)


def instant(text: str, zone: ZoneInfo) -> float:
    """An instant as people write it: ISO 8601, without a zone in the hotline's own. Raises `FigureRefused`.

    A local time that a change of daylight time leaves out, or that comes twice, is refused: nobody can say which.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise FigureRefused("no_instant", text[:40]) from None
    if found.tzinfo is not None:
        return found.timestamp()
    early, late = found.replace(tzinfo=zone), found.replace(tzinfo=zone, fold=1)
    back = datetime.fromtimestamp(early.timestamp(), UTC).astimezone(zone).replace(tzinfo=None)
    if early.utcoffset() != late.utcoffset() or back != found:
        raise FigureRefused("no_such_local_time", text[:40])
    return early.timestamp()


def period_of(
    zone: ZoneInfo, now: float, *, on: str | None = None, since: str | None = None, until: str | None = None
) -> Period:
    """The period asked for: a day, or from an instant (or day) to another (up to now without one).

    Raises `FigureRefused`.
    """
    if on is not None:
        if since is not None or until is not None:
            raise FigureRefused("day_or_span")
        found = of_day(day(on, zone, now), zone)
    elif since is None:
        raise FigureRefused("day_or_span")
    else:
        found = Period(_bound(since, zone, now), now if until is None else _bound(until, zone, now, end=True))
    if found.since >= now:
        raise FigureRefused("period_in_future")
    if found.until <= found.since:
        raise FigureRefused("empty_period")
    if found.until - found.since > LONGEST_DAYS * DAY_S:
        raise FigureRefused("period_too_long")
    return found


def _bound(text: str, zone: ZoneInfo, now: float, *, end: bool = False) -> float:
    """An instant, or a day: its begin, or its end where it is the last of the period."""
    try:
        whole = of_day(day(text, zone, now), zone)
    except FigureRefused:
        return instant(text, zone)
    return whole.until if end else whole.since


def target(value: float | str) -> float:
    """A target as a share: ``0.95`` or ``95 %``. Raises `FigureRefused` for 0, for 101 % and for what is no number."""
    text = str(value).strip()
    try:
        share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise FigureRefused("target_out_of_range", text[:20]) from None
    if not 0.0 < share <= 1.0:
        raise FigureRefused("target_out_of_range", text[:20])
    return share
