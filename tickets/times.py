"""A ticket's clocks: which run, since when, what they come to, and what is to be said about them. Pure.

Between the ticket as it is kept (`tickets/ticket.py`) and the arithmetic of clocks (`tickets/clock.py`). The two
deadlines that a ticket keeps are written by the moves that start, stop, extend or order a clock, by the rules and the
calendar of that moment; a rule that is changed later changes no ticket that is under way.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tickets.approvals import Approval, ApprovalKind, Outcome
from tickets.calendars import unknown_years
from tickets.clock import ClockRun, PauseReason, Reading, reading
from tickets.clock import Pause as Stop
from tickets.deadlines import ClockKind, Facts, Limit, Redispatch, WorkingHours
from tickets.lamps import Lamp, due_soon, lamp
from tickets.moves import OVER, TicketState
from tickets.schedule import Act, Step, soon_at, steps
from tickets.ticket import Pause, Ticket, TicketPolicy
from tickets.worktime import SECOND, micros, worktime

PAUSE_OVER = "pause-over"
"""The step with which a pause ends by itself."""


def facts(ticket: Ticket, policy: TicketPolicy) -> Facts:
    """What decides the ticket's limits."""
    policy = policy.of(ticket.region, ticket.dialled)
    type_ = ticket.type.value if ticket.type else None
    return Facts(type_, policy.class_line(ticket.class_code), ticket.urgency.value)


# ---------------------------------------------------------------- written by the moves


def timed(ticket: Ticket, policy: TicketPolicy) -> Ticket:
    """The ticket with its two deadlines as its clocks read. Raises `CalendarError`.

    The limits are those of the type, class and urgency that it has now, counted from the start: a change of the type
    moves no start. While the clock to close stands still, that deadline stays what it was.
    """
    policy = policy.of(ticket.region, ticket.dialled)
    if ticket.state in OVER:
        return ticket
    sign = reading(_sign(ticket, policy), policy.hours, policy.calendar)
    handle = reading(_handle(ticket, policy), policy.hours, policy.calendar)
    return replace(
        ticket,
        sign_due=ticket.sign_due if sign.due is None else sign.due,
        handle_due=ticket.handle_due if handle.due is None else handle.due,
        provisional=sign.provisional or handle.provisional,
    )


def started(ticket: Ticket, at: float, policy: TicketPolicy, *, anew: bool) -> Ticket:
    """The ticket dispatched at `at`: the clock to sign begins, the clock to close too if it has not or is to `anew`.

    By default a dispatch to another unit lets the clock to close run on: a unit that bounces a ticket wins no time.
    """
    policy = policy.of(ticket.region, ticket.dialled)
    restarts = anew or ticket.handle_from is None or policy.deadlines.redispatch is Redispatch.RESTARTS
    return timed(
        replace(
            ticket,
            first_dispatched_at=at if ticket.first_dispatched_at is None else ticket.first_dispatched_at,
            dispatched_at=at,
            handle_from=at if restarts else ticket.handle_from,
            signed_at=None,
            extension_until=None if restarts else ticket.extension_until,
            ordered_until=None if anew else ticket.ordered_until,
        ),
        policy,
    )


def ended(pauses: tuple[Pause, ...], at: float) -> tuple[Pause, ...]:
    """The pauses, none of them open any more; one that has ended by itself ended then."""
    return tuple(
        one if one.until is not None else replace(one, until=at if one.ends is None else min(at, one.ends))
        for one in pauses
    )


def extensions(ticket: Ticket) -> list[Approval]:
    """The extensions granted since the clock to close has run, oldest first."""
    return [
        one
        for one in ticket.approvals
        if one.kind is ApprovalKind.EXTENSION
        and one.outcome is Outcome.GRANTED
        and (one.decided_at or 0.0) >= (ticket.handle_from or 0.0)
    ]


def hard(ticket: Ticket, policy: TicketPolicy) -> bool:
    """Whether the deadline to close is one that nothing moves."""
    policy = policy.of(ticket.region, ticket.dialled)
    return reading(_handle(ticket, policy), policy.hours, policy.calendar).hard


def _stops(ticket: Ticket, kind: ClockKind, policy: TicketPolicy) -> tuple[Stop, ...]:
    """The pauses that stop this clock. One whose reason is configured no more was granted all the same."""
    found = []
    for one in ticket.pauses:
        reason = policy.reasons.get(one.reason) or PauseReason(one.reason, one.reason, one.reason)
        if kind in reason.stops:
            found.append(Stop(one.since, one.until, one.reason))
    return tuple(found)


def _sign(ticket: Ticket, policy: TicketPolicy, done_at: float | None = None) -> ClockRun:
    what, kind = facts(ticket, policy), ClockKind.SIGN
    start = ticket.opened_at if ticket.dispatched_at is None else ticket.dispatched_at
    rules = policy.deadlines
    return ClockRun(
        kind,
        start,
        rules.limit(kind, what),
        rules.ceilings(kind, what),
        pauses=_stops(ticket, kind, policy),
        done_at=done_at,
    )


def _handle(ticket: Ticket, policy: TicketPolicy, done_at: float | None = None) -> ClockRun:
    what, kind = facts(ticket, policy), ClockKind.HANDLE
    rules = policy.deadlines
    limit: Limit | None = rules.limit(kind, what)
    if ticket.redo_count and rules.redo is not None:
        limit = rules.redo
    granted = extensions(ticket)
    last = granted[-1] if granted and ticket.extension_until is not None else None
    extended = None
    if last is not None and last.decided_at is not None and last.until is not None:
        extended = (last.decided_at, last.until)
    return ClockRun(
        kind,
        ticket.opened_at if ticket.handle_from is None else ticket.handle_from,
        limit,
        rules.ceilings(kind, what),
        ticket.ordered_until,
        _stops(ticket, kind, policy),
        extended,
        done_at,
    )


# ---------------------------------------------------------------- read at any time


def readings(ticket: Ticket, policy: TicketPolicy) -> dict[ClockKind, Reading]:
    """The clocks that have begun, each with what it comes to; those to sign and to close by the deadlines kept.

    A handling is done when the answer was given that nobody has rejected: the time of judging it is not the unit's.
    """
    policy = policy.of(ticket.region, ticket.dialled)
    found: dict[ClockKind, Reading] = {}
    dispatch = _dispatch(ticket, policy)
    alone = ticket.incident_id is None  # the callers of an incident are answered together
    if alone and (dispatch.limit is not None or dispatch.ceilings):
        found[ClockKind.DISPATCH] = reading(dispatch, policy.hours, policy.calendar)
    return found | _units_readings(ticket, policy)


def _units_readings(ticket: Ticket, policy: TicketPolicy) -> dict[ClockKind, Reading]:
    """Those of the two clocks that the units are held to, by the `policy` of the ticket's city."""
    found: dict[ClockKind, Reading] = {}
    over = ticket.resolved_at if ticket.state is not TicketState.MERGED else None
    if ticket.dispatched_at is not None:
        back = _returned_at(ticket)
        signed = _first(ticket.signed_at, back, ticket.replied_at, over)
        found[ClockKind.SIGN] = _kept(_sign(ticket, policy, signed), ticket.sign_due, ticket, policy)
    if ticket.handle_from is not None:
        done = _first(ticket.replied_at, over)
        found[ClockKind.HANDLE] = _kept(_handle(ticket, policy, done), ticket.handle_due, ticket, policy)
    return found


def _first(*instants: float | None) -> float | None:
    return min((one for one in instants if one is not None), default=None)


def _kept(run: ClockRun, due: float, ticket: Ticket, policy: TicketPolicy) -> Reading:
    """A run by the deadline that the ticket keeps; while it stands still, by what holds then."""
    if ticket.paused and run.done_at is None and any(one.end is None for one in run.pauses):
        return reading(run, policy.hours, policy.calendar)
    return Reading(run, due, hard=due == run.ordered, provisional=ticket.provisional)


def _returned_at(ticket: Ticket) -> float | None:
    """When the unit that had it last has given it back; None while one has it."""
    if ticket.lead_unit is not None or ticket.dispatched_at is None:
        return None
    kinds = (ApprovalKind.RETURN, ApprovalKind.OBJECTION)
    return max(
        (
            one.decided_at
            for one in ticket.approvals
            if one.kind in kinds and one.outcome is Outcome.GRANTED and one.decided_at is not None
        ),
        default=None,
    )


def _dispatch(ticket: Ticket, policy: TicketPolicy) -> ClockRun:
    """The hotline's own clock: from the opening, or from a return, until a unit has the ticket."""
    what, kind = facts(ticket, policy), ClockKind.DISPATCH
    back = _returned_at(ticket)
    done = None if back is not None else _first(ticket.dispatched_at, ticket.resolved_at)
    rules = policy.deadlines
    start = ticket.opened_at if back is None else back
    return ClockRun(kind, start, rules.limit(kind, what), rules.ceilings(kind, what), done_at=done)


@dataclass(frozen=True, slots=True)
class Standing:
    """What people see of a ticket's time. `lamp` and `due_soon` are of closing, the two others of signing."""

    lamp: Lamp | None
    due_soon: bool
    sign_lamp: Lamp | None
    sign_due_soon: bool
    paused: bool
    provisional: bool


def standing(ticket: Ticket, policy: TicketPolicy, now: float) -> Standing:
    """The lamps and marks at `now`; without a dispatch there are none, for the clocks start there."""
    policy = policy.of(ticket.region, ticket.dialled)
    found = _lit(ticket, policy)
    what = facts(ticket, policy)

    def show(kind: ClockKind) -> tuple[Lamp | None, bool]:
        one = found.get(kind)
        if one is None:
            return None, False
        done = one.run.done_at
        soon = soon_at(one.run, one.due, what, policy.steps, policy.hours, policy.calendar) if done is None else None
        return lamp(one.due, done, now), due_soon(one.due, soon, done, now)

    if ticket.state is TicketState.MERGED:
        return Standing(None, False, None, False, False, False)
    return Standing(*show(ClockKind.HANDLE), *show(ClockKind.SIGN), ticket.paused, ticket.provisional)


def lamps(ticket: Ticket, policy: TicketPolicy, now: float) -> tuple[Lamp | None, Lamp | None]:
    """The lamps of closing and of signing, as `standing` has them: what every figure and every list counts by."""
    policy = policy.of(ticket.region, ticket.dialled)
    found = _lit(ticket, policy)
    close, sign = found.get(ClockKind.HANDLE), found.get(ClockKind.SIGN)
    return (
        lamp(close.due, close.run.done_at, now) if close else None,
        lamp(sign.due, sign.run.done_at, now) if sign else None,
    )


def _lit(ticket: Ticket, policy: TicketPolicy) -> dict[ClockKind, Reading]:
    """The clocks that a lamp is lit for: none of a ticket that was merged, as the other one is answered, or withdrawn,
    as it was done neither in time nor late: nobody wanted it any more.
    """
    if ticket.state is TicketState.MERGED or ticket.withdrawn_at is not None:
        return {}
    return _units_readings(ticket, policy)


def steps_of(ticket: Ticket, policy: TicketPolicy, made: Collection[str] = ()) -> tuple[Step, ...]:
    """What is still to be said or done about a ticket because of its clocks, earliest first. Raises `CalendarError`.

    Beside the table of steps: a pause that ends by itself.
    """
    policy = policy.of(ticket.region, ticket.dialled)
    if ticket.state in OVER:
        return ()
    found = readings(ticket, policy)
    what = facts(ticket, policy)
    planned = steps(ticket.number, found.values(), what, policy.steps, policy.hours, policy.calendar, made)
    if not ticket.paused or (ends := ticket.pauses[-1].ends) is None:
        return planned
    over = Step(ends, ticket.number, PAUSE_OVER, ClockKind.HANDLE, ends, Act.RESUME, ())
    return tuple(sorted((*planned, over), key=lambda step: (step.at, step.rule))) if over.key not in made else planned


# ---------------------------------------------------------------- years that nobody knows

NOTICE_AHEAD = timedelta(days=60)
"""So long before the end of the data it is said: the notices appear in October or November."""


def reach(policy: TicketPolicy, now: float) -> date:
    """The last day to which a ticket dispatched at `now` may be counted: the longest limit, extended, escalated."""
    work = worktime(policy.hours, policy.calendar)
    rules = policy.deadlines
    limits = [rules.sign, rules.handle_other, *rules.handle.values(), *(one.limit for one in rules.limits)]
    longest = max(_in_days(limit, policy.hours) for limit in limits)
    more = rules.extensions_max * _in_days(rules.extension_max, policy.hours)
    after = max((_in_days(one.amount, policy.hours) for one in policy.steps if one.amount), default=0)
    return policy.hours.local_day(work.close_of(micros(now), longest + more + after) / SECOND)


def _in_days(limit: Limit, hours: WorkingHours) -> int:
    """A limit as working days, rounded up; for hours by the clock no more than as if they were working hours."""
    return -(-limit.length(hours) // hours.length)


def missing_years(policy: TicketPolicy, now: float) -> Sequence[int]:
    """The years without a notice that deadlines counted from `now` can reach, or soon will."""
    today = datetime.fromtimestamp(now, ZoneInfo(policy.hours.zone)).date()
    return unknown_years(policy.calendar, today, max(reach(policy, now), today + NOTICE_AHEAD))
