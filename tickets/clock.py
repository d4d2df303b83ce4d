"""The clocks of a ticket: which run, what stops them, and when each runs out. Pure: intervals in, due instants out.

Clocks start at dispatch and not when a unit signs: units bounced tickets because "the clock starts only when they sign"
(`domain.md` 3.3, [P55]). While a return, an extension or a pause is only asked for, the clock goes on. A pause needs a
reason that the hotline has named (`PauseReason`) and somebody whose role that reason allows to grant it. An extension
(延期) gives a new due instant, from which later pauses are counted on. Hard limits are moved by neither.

How a due instant is counted: a limit is an amount on a scale, working time or the time of the clock; what a pause
covers of that scale does not count; what is left when a pause ends runs on from there. So a pause over a weekend gives
a limit in working time nothing (GLPI adds the weekend: gh:glpi-project/glpi#10594), and pausing and going on a hundred
times adds up to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tickets.calendars import Calendar
from tickets.deadlines import ClockKind, Limit, Unit, due_micros
from tickets.worktime import SECOND, WorkingHours, micros, worktime

# ---------------------------------------------------------------- what may stop a clock


@dataclass(frozen=True, slots=True)
class PauseReason:
    """A named reason for which clocks may stand still, who may grant it (roles), and for how long at most."""

    id: str
    chinese: str
    english: str
    granted_by: frozenset[str] = frozenset({"supervisor", "leader"})
    stops: frozenset[ClockKind] = frozenset({ClockKind.HANDLE})
    longest: Limit | None = None
    source: str = ""


USUAL_REASONS: Mapping[str, PauseReason] = MappingProxyType(
    {
        one.id: one
        for one in (
            PauseReason(
                "appraisal",
                "鉴定、检测、检验、听证期间",
                "expert appraisal, test or hearing",
                source="after 行政许可法 art. 45: such time is not counted",
            ),
            PauseReason(
                "third_party",
                "征求第三方或其他机关意见",
                "another body is asked for its opinion",
                longest=Limit(15, Unit.WORKING_DAYS, "政府信息公开条例 art. 32: 15 working days for an opinion"),
                source="after 政府信息公开条例 art. 33: such time is not counted",
            ),
            PauseReason(
                "requester",
                "等待诉求人补充材料",
                "waiting for what the requester has to supply",
                longest=Limit(10, Unit.WORKING_DAYS, "GK"),
                source="GK",
            ),
            PauseReason(
                "force_majeure",
                "不可抗力",
                "force majeure",
                frozenset({"leader"}),
                frozenset({ClockKind.SIGN, ClockKind.HANDLE}),
                source="after 民法典 art. 180",
            ),
        )
    }
)
"""The reasons of a hotline that names none of its own; the laws are models, not rules for a hotline's tickets."""


# ---------------------------------------------------------------- one clock


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a clock stood still, epoch seconds; `end` None = it still does."""

    begin: float
    end: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClockRun:
    """One run of one clock: since when, by which limit, what stopped it, when it was done.

    `extended`: when an extension was granted, and the new due instant then. `ordered`: a hard due instant that somebody
    set for this one ticket (`domain.md` D9).
    """

    kind: ClockKind
    start: float
    limit: Limit | None
    ceilings: tuple[Limit, ...] = ()
    ordered: float | None = None
    pauses: tuple[Pause, ...] = ()
    extended: tuple[float, float] | None = None
    done_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run comes to. Times are epoch seconds.

    `due` None = it stands still, or nothing limits it. `left_s` = what remains on the limit's scale while it stands
    still. `hard` = a hard limit comes first. `provisional` = it rests on a year without a notice (`tickets.calendars`).
    """

    run: ClockRun
    due: float | None
    left_s: float | None = None
    hard: bool = False
    provisional: bool = False


def reading(run: ClockRun, hours: WorkingHours, calendar: Calendar) -> Reading:
    """When this run is due. Raises `CalendarError`."""
    start = micros(run.start)
    due, left = None, None
    if run.limit is not None:
        due, left = _due(start, run.limit, run, hours, calendar)
    ceilings = [due_micros(start, limit, hours, calendar) for limit in run.ceilings]
    if run.ordered is not None:
        ceilings.append(micros(run.ordered))
    hard = bool(ceilings) and (due is None or min(ceilings) < due)
    if hard:
        due = min(ceilings)
    counted = run.limit is not None and run.limit.unit is not Unit.HOURS and not hard
    return Reading(
        run,
        None if due is None else due / SECOND,
        None if left is None else left / SECOND,
        hard,
        counted and worktime(hours, calendar).provisional(start, start if due is None else due),
    )


def _due(
    start: int, limit: Limit, run: ClockRun, hours: WorkingHours, calendar: Calendar
) -> tuple[int | None, int | None]:
    """When the limit runs out; or (None, what is left) while the clock stands still."""
    work = worktime(hours, calendar)
    by_clock = limit.unit is Unit.HOURS
    if run.extended is None:
        plain = due_micros(start, limit, hours, calendar)
    else:
        start, plain = micros(run.extended[0]), micros(run.extended[1])
    pauses = _merged(run.pauses, start)
    if not pauses or plain <= pauses[0][0]:
        return plain, None
    # A limit in days is the working time until the day's end: from here on, everything is an amount of time.
    left = plain - start if by_clock else work.worked(start, plain)
    cursor = start
    for begin, end in pauses:
        if (cursor + left if by_clock else work.after(cursor, left)) <= begin:
            break
        left -= begin - cursor if by_clock else work.worked(cursor, begin)
        if end is None:
            return None, left
        cursor = end
    return (cursor + left if by_clock else work.after(cursor, left)), None


def _merged(pauses: Iterable[Pause], start: int) -> list[tuple[int, int | None]]:
    """The pauses since `start` in order, those that touch joined, so that no time is given twice."""
    found: list[tuple[int, int | None]] = []
    spans = [(micros(one.begin), None if one.end is None else micros(one.end)) for one in pauses]
    for begin, end in sorted(spans, key=lambda span: span[0]):
        begin = max(begin, start)
        if end is not None and end <= begin:
            continue
        if found:
            earlier, until = found[-1]
            if until is None:
                break
            if begin <= until:
                found[-1] = (earlier, None if end is None else max(until, end))
                continue
        found.append((begin, end))
    return found


def pause_ends(since: float, reason: PauseReason, hours: WorkingHours, calendar: Calendar) -> float | None:
    """The latest end of a pause for this reason that begins then; None = it may last. Raises `CalendarError`."""
    if reason.longest is None:
        return None
    return due_micros(micros(since), reason.longest, hours, calendar) / SECOND
