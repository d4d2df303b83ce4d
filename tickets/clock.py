"""The clocks of a ticket: which run, what stops them, and when each runs out. Pure: moments in, due instants out.

Clocks start at dispatch and not when a unit signs: units bounced tickets because "the clock starts only when they sign"
(`domain.md` 3.3, [P55]). While a return, an extension or a pause is only asked for, the clock goes on. A pause needs a
reason that the hotline has named (`PauseReason`), and somebody other than the one who asked, whose role that reason
allows, to grant it. An extension (延期) adds to what is left. Hard limits are moved by neither.

How a due instant is counted: a limit is an amount on a scale, working time or the time of the clock; what a pause
covers of that scale does not count; what is left when a pause ends runs on from there. So a pause over a weekend gives
a limit in working time nothing (GLPI adds the weekend: gh:glpi-project/glpi#10594), and pausing and going on a hundred
times adds up to the microsecond.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tickets.calendars import Calendar
from tickets.deadlines import ClockKind, DeadlineRules, Facts, Limit, Redispatch, Unit, due_micros
from tickets.worktime import SECOND, WorkingHours, micros, worktime

# ---------------------------------------------------------------- what may stop a clock


class PauseRefused(Exception):
    """A pause or an extension may not be had, or not so. `code` is stable: ``unknown_reason``, ``same_person``,
    ``not_authorised``, ``too_late``, ``too_long``, ``too_many``, ``hard_limit``, ``wrong_unit``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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


def authorised_pause(
    reasons: Mapping[str, PauseReason], reason: str, *, asked_by: str, granted_by: str, role: str
) -> PauseReason:
    """The reason, if a person of this role may grant it to the one who asked. Raises `PauseRefused`."""
    found = reasons.get(reason)
    if found is None:
        raise PauseRefused("unknown_reason", "Clocks are stopped only for a reason that the hotline has named.")
    if asked_by == granted_by:
        raise PauseRefused("same_person", "Whoever asks for a pause cannot grant it.")
    if role not in found.granted_by:
        raise PauseRefused("not_authorised", "This role may not grant a pause for this reason.")
    return found


def checked_extension(
    wanted: Limit,
    *,
    asked_at: float,
    due: float | None,
    earlier: int,
    counted: Unit,
    rules: DeadlineRules,
    hours: WorkingHours,
) -> Limit:
    """The extension, if it was asked before expiry and is not too long; `earlier` were granted. Raises `PauseRefused`.

    `counted` is the unit of the ticket's limit: hours by the clock are extended by such hours, working time by working
    time.
    """
    if due is not None and asked_at > due:
        raise PauseRefused("too_late", "An extension must be asked for before the deadline has passed.")
    if (wanted.unit is Unit.HOURS) != (counted is Unit.HOURS):
        raise PauseRefused("wrong_unit", "Hours by the clock and working time cannot be added.")
    if earlier >= rules.extensions_max:
        raise PauseRefused("too_many", f"A ticket may be extended {rules.extensions_max} times.")
    most = rules.extension_max
    if (most.unit is Unit.HOURS) == (wanted.unit is Unit.HOURS) and wanted.length(hours) > most.length(hours):
        raise PauseRefused("too_long", f"An extension may add at most {most.amount:g} {most.unit.value}.")
    return wanted


# ---------------------------------------------------------------- one clock


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a clock stood still, epoch seconds; `end` None = it still does."""

    begin: float
    end: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A hard limit, and since when it counts: since the clock's start, or since somebody gave the order (D9)."""

    since: float
    limit: Limit


@dataclass(frozen=True, slots=True)
class ClockRun:
    """One run of one clock: since when, by which limit, what stopped it, what was added, when it was done."""

    kind: ClockKind
    start: float
    limit: Limit | None
    ceilings: tuple[Ceiling, ...] = ()
    pauses: tuple[Pause, ...] = ()
    extensions: tuple[Limit, ...] = ()
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
    """When this run is due. Raises `CalendarError`, and ValueError for an extension on another scale than the limit."""
    start = micros(run.start)
    due, left = None, None
    if run.limit is not None:
        due, left = _due(start, run.limit, run, hours, calendar)
    hard = False
    for ceiling in run.ceilings:
        at = due_micros(micros(ceiling.since), ceiling.limit, hours, calendar)
        if due is None or at < due:
            due, hard = at, True
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
    if any((extension.unit is Unit.HOURS) != by_clock for extension in run.extensions):
        raise ValueError("an extension is counted as the limit is: working time, or hours by the clock")
    plain = due_micros(start, limit, hours, calendar)
    if not run.pauses and not run.extensions:
        return plain, None
    # A limit in days is the working time until the day's end: from here on, everything is an amount of time.
    left = plain - start if by_clock else work.worked(start, plain)
    left += sum(extension.length(hours) for extension in run.extensions)
    cursor = start
    for begin, end in _merged(run.pauses, start):
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


# ---------------------------------------------------------------- from what happened to the clocks


class What(enum.Enum):
    """What happened to a ticket, as far as its clocks are concerned."""

    OPENED = "opened"
    DISPATCHED = "dispatched"  #: 派单, 改派: to a unit
    SIGNED = "signed"
    RETURN_ASKED = "return_asked"  #: the unit says it is not its own
    RETURNED = "returned"  #: granted: the hotline has to dispatch it anew
    PAUSED = "paused"  #: granted, by `Moment.reason`
    RESUMED = "resumed"
    EXTENDED = "extended"  #: granted, by `Moment.limit`
    ORDERED = "ordered"  #: a hard limit for this one ticket (`domain.md` D9), `Moment.limit`
    REPLIED = "replied"  #: the unit has answered; whether that ends the handling is decided later
    REJECTED = "rejected"  #: the answer was sent back
    RESOLVED = "resolved"  #: the answer was accepted, or given at once by the agent
    REDO = "redo"  #: 重办: handled once more, by a limit of its own


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, at epoch seconds."""

    at: float
    what: What
    reason: str = ""
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """What the clocks of a hotline go by."""

    rules: DeadlineRules = field(default_factory=DeadlineRules)
    reasons: Mapping[str, PauseReason] = field(default_factory=lambda: USUAL_REASONS)


def clocks(
    moments: Sequence[Moment], facts: Facts, policy: ClockPolicy, hours: WorkingHours, calendar: Calendar
) -> dict[ClockKind, ClockRun]:
    """The latest run of every clock of a ticket with this history, oldest first. Raises `CalendarError`.

    The limits are those of the ticket as it is now, counted from the start: a change of type or class wins no time. A
    handling is done when the answer was given that was accepted in the end; the time of judging it is not the unit's.
    """
    runs: dict[ClockKind, ClockRun] = {}
    pauses: list[Pause] = []
    replied: float | None = None

    def begin(kind: ClockKind, at: float, limit: Limit | None = None) -> None:
        ordinary = limit or policy.rules.limit(kind, facts)
        hard = tuple(Ceiling(at, one) for one in policy.rules.ceilings(kind, facts))
        if ordinary is not None or hard:
            runs[kind] = ClockRun(kind, at, ordinary, hard)
        else:
            runs.pop(kind, None)

    def done(kind: ClockKind, at: float) -> None:
        run = runs.get(kind)
        if run is not None and run.done_at is None:
            runs[kind] = replace(run, done_at=at)

    for moment in moments:
        at, what = moment.at, moment.what
        handle = runs.get(ClockKind.HANDLE)
        if what in (What.OPENED, What.RETURNED):
            begin(ClockKind.DISPATCH, at)
            done(ClockKind.SIGN, at)
        elif what is What.DISPATCHED:
            done(ClockKind.DISPATCH, at)
            begin(ClockKind.SIGN, at)
            begin(ClockKind.RETURN, at)
            if handle is None or policy.rules.redispatch is Redispatch.RESTARTS:
                begin(ClockKind.HANDLE, at)
        elif what is What.SIGNED:
            done(ClockKind.SIGN, at)
        elif what is What.RETURN_ASKED:
            done(ClockKind.RETURN, at)
        elif what is What.PAUSED:
            pauses.append(Pause(at, None, moment.reason))
        elif what is What.RESUMED:
            pauses = [replace(one, end=at) if one.end is None else one for one in pauses]
        elif what is What.EXTENDED and handle is not None and moment.limit is not None:
            runs[ClockKind.HANDLE] = replace(handle, extensions=(*handle.extensions, moment.limit))
        elif what is What.ORDERED and moment.limit is not None:
            ordered = handle or ClockRun(ClockKind.HANDLE, at, policy.rules.limit(ClockKind.HANDLE, facts))
            runs[ClockKind.HANDLE] = replace(ordered, ceilings=(*ordered.ceilings, Ceiling(at, moment.limit)))
        elif what is What.REPLIED:
            replied = at
        elif what is What.REJECTED:
            replied = None
        elif what is What.RESOLVED:
            for kind in (ClockKind.DISPATCH, ClockKind.SIGN, ClockKind.RETURN):
                done(kind, at)
            done(ClockKind.HANDLE, at if replied is None else replied)
        elif what is What.REDO:
            replied = None
            begin(ClockKind.HANDLE, at, policy.rules.redo)
    return {kind: _stopped(run, pauses, policy, hours, calendar) for kind, run in runs.items()}


def _stopped(
    run: ClockRun, pauses: Iterable[Pause], policy: ClockPolicy, hours: WorkingHours, calendar: Calendar
) -> ClockRun:
    """The run with the pauses that stop it, none longer than its reason allows."""
    found = []
    for pause in pauses:
        # One that was taken out of the configuration since was granted all the same.
        reason = policy.reasons.get(pause.reason) or PauseReason(pause.reason, pause.reason, pause.reason)
        if run.kind not in reason.stops:
            continue
        last = pause_ends(pause, reason, hours, calendar)
        end = pause.end if last is None or (pause.end is not None and pause.end <= last) else last
        found.append(replace(pause, end=end))
    return replace(run, pauses=tuple(found)) if found else run


def pause_ends(pause: Pause, reason: PauseReason, hours: WorkingHours, calendar: Calendar) -> float | None:
    """When a pause ends by itself, whether or not anybody says so; None = it may last."""
    if reason.longest is None:
        return None
    return due_micros(micros(pause.begin), reason.longest, hours, calendar) / SECOND
