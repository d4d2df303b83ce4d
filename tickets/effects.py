"""What each input does to a ticket, once role, version and state allow it (`tickets/flow.py`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pbx.ids import TicketNumber
from tickets.approvals import ASKS, DECIDES, Approval, ApprovalKind, Outcome, open_request
from tickets.clock import pause_ends
from tickets.deadlines import ClockKind, Redispatch, due
from tickets.given import Move
from tickets.marks import concealed
from tickets.moves import DESIGNATES, Actor, Role, TicketInput, TicketState
from tickets.organisations import NoWay
from tickets.shown import sees_caller
from tickets.texts import TicketRefused, cleaned, one_line
from tickets.ticket import CALLER_FIELDS, Pause, Ticket, TicketPolicy, believable, changed, known_unit
from tickets.times import ended, extensions, facts, hard, started, timed

_I = TicketInput


@dataclass(frozen=True, slots=True)
class Doing:
    """A move that is legal so far."""

    ticket: Ticket
    move: Move
    actor: Actor
    at: float
    policy: TicketPolicy


# ---------------------------------------------------------------- effects, in the table's order


def _nothing(do: Doing) -> Ticket:
    return do.ticket


def _amend(do: Doing) -> Ticket:
    assert do.move.change is not None
    before, wanted = do.ticket, do.move.change
    after = changed(before, wanted, do.policy)
    if any(getattr(after, name) != getattr(before, name) for name in CALLER_FIELDS) and not sees_caller(
        before, do.actor
    ):
        raise TicketRefused("caller_hidden", "The caller of this ticket is hidden from you.", "caller")
    if do.actor.role is not Role.SYSTEM:
        believable(before, after, do.at)
    if facts(after, do.policy) == facts(before, do.policy):
        return after
    return timed(after, do.policy)


def _answer(do: Doing) -> Ticket:
    return replace(
        _lapsed(do.ticket, do),
        reply=do.move.text or "",
        answered_by=do.actor.id,
        replied_at=do.at,
        resolved_at=do.at,
        pauses=ended(do.ticket.pauses, do.at),
    )


def _close(do: Doing) -> Ticket:
    return replace(do.ticket, answered_by=do.actor.id, resolved_at=do.at)


def _units(do: Doing, names: tuple[str, ...], lead: str | None) -> tuple[str, ...]:
    """Co-handling units: known, each once, the lead not among them."""
    found = [_reached(do, known_unit(name, "co_units", do.policy), "co_units") for name in names]
    return tuple(name for name in dict.fromkeys(found) if name != lead)


def _reached(do: Doing, unit: str, name: str) -> str:
    """`unit` if the matter may be given to it from where it is: local first, across cities through the province."""
    tree, ticket = do.policy.organisations, do.ticket
    lead = ticket.lead_unit
    at = do.actor.unit or (lead if lead is not None and tree.is_hotline(lead) else ticket.region)
    if unit in ticket.units or at not in tree:
        return unit
    try:
        first = tree.route(at, unit).hops[0]
    except NoWay:
        raise TicketRefused("no_way", "No province stands above both; this cannot be handed over.", name) from None
    if first != unit:
        raise TicketRefused(
            "through_another", f"This goes through another hotline ({first}), which hands it on and tracks it.", name
        )
    return unit


def _dispatch(do: Doing) -> Ticket:
    """Give it to a unit; its clocks start now (「units bounce orders」, `domain.md` 3.3)."""
    before, policy = do.ticket, do.policy
    unit = known_unit(do.move.unit or "", "unit", policy)
    if unit == before.lead_unit:
        raise TicketRefused("same_unit", "The ticket is with this unit already.", "unit")
    _reached(do, unit, "unit")
    if before.lead_unit is not None and policy.organisations.is_hotline(before.lead_unit):
        return _handed_on(do, unit)
    designated = before.dispatch_count >= policy.dispatches_max
    if designated and do.actor.role not in DESIGNATES:
        raise TicketRefused(
            "needs_supervisor",
            f"The ticket has been dispatched {before.dispatch_count} times; now a supervisor designates the unit.",
        )
    return started(
        replace(
            _lapsed(before, do),
            lead_unit=unit,
            co_units=_units(do, do.move.co_units or (), unit),
            designated=designated,
            dispatch_count=before.dispatch_count + 1,
            pauses=ended(before.pauses, do.at),
        ),
        do.at,
        policy,
        anew=False,
    )


def _handed_on(do: Doing, unit: str) -> Ticket:
    """A hotline that was given it hands it on: no dispatch of its own, and its time to close is not begun anew."""
    before, policy = do.ticket, do.policy
    more = (*before.co_units, *(do.move.co_units or ()))
    on = replace(_lapsed(before, do), lead_unit=unit, co_units=_units(do, more, unit), designated=False)
    return started(
        on,
        do.at,
        replace(policy, deadlines=replace(policy.deadlines, redispatch=Redispatch.RUNS_ON)),
        anew=False,
    )


def _sign(do: Doing) -> Ticket:
    return replace(do.ticket, signed_at=do.at)


def _reply(do: Doing) -> Ticket:
    _refuse_paused(do.ticket)
    return replace(_lapsed(do.ticket, do), reply=do.move.text or "", answered_by=do.actor.id, replied_at=do.at)


def _accept_reply(do: Doing) -> Ticket:
    return replace(do.ticket, resolved_at=do.at)


def _reject_reply(do: Doing) -> Ticket:
    return replace(do.ticket, replied_at=None)


def _ask(do: Doing) -> Ticket:
    ticket, move, policy = do.ticket, do.move, do.policy
    kind = ASKS[move.input]
    if open_request(ticket.approvals, kind) is not None:
        raise TicketRefused("asked_already", "Such a request waits for a decision already.")
    if (check := _ASK_CHECKS.get(kind)) is not None:
        check(do)
    if move.unit is not None:
        known_unit(move.unit, "unit", policy)
    asked = Approval(
        seq=len(ticket.approvals) + 1,
        kind=kind,
        asked_by=do.actor.id,
        asked_unit=do.actor.unit,
        asked_at=do.at,
        reason=move.reason or "",
        until=move.until,
        detail=move.pause or move.unit or "",
    )
    return replace(ticket, approvals=(*ticket.approvals, asked))


def _check_return(do: Doing) -> None:
    ticket, policy = do.ticket, do.policy
    if ticket.designated:
        raise TicketRefused("designated", "The hotline has designated this unit; it can object, not return the ticket.")
    assert ticket.dispatched_at is not None
    limit = policy.deadlines.limit(ClockKind.RETURN, facts(ticket, policy))
    if limit is not None and do.at > due(ticket.dispatched_at, limit, policy.hours, policy.calendar):
        raise TicketRefused("return_too_late", "The time to return the ticket is over; it is this unit's matter now.")


def _check_extension(do: Doing) -> None:
    ticket, policy = do.ticket, do.policy
    _refuse_paused(ticket)
    if do.at >= ticket.handle_due:
        raise TicketRefused("extension_too_late", "An extension is asked for before the deadline has passed.")
    if hard(ticket, policy):
        raise TicketRefused("hard_limit", "A hard deadline is not extended.")
    if len(extensions(ticket)) >= policy.deadlines.extensions_max:
        raise TicketRefused("too_many_extensions", "The ticket has been extended as often as may be.")
    _extended(do, do.move.until)


def _check_pause(do: Doing) -> None:
    _refuse_paused(do.ticket)
    if do.move.pause not in do.policy.reasons:
        known = ", ".join(do.policy.reasons)
        raise TicketRefused("unknown_pause", f"The clock stands still only for a named reason: {known}.", "pause")
    _future(do, do.move.until)


def _check_hard_case(do: Doing) -> None:
    if do.ticket.hard_case:
        raise TicketRefused("hard_case_already", "The ticket is a hard case already.")


_ASK_CHECKS: Mapping[ApprovalKind, Callable[[Doing], None]] = MappingProxyType(
    {
        ApprovalKind.RETURN: _check_return,
        ApprovalKind.EXTENSION: _check_extension,
        ApprovalKind.PAUSE: _check_pause,
        ApprovalKind.HARD_CASE: _check_hard_case,
    }
)


def _extended(do: Doing, until: float | None) -> float:
    """A new deadline that may be: later than the present one, and no later than the longest extension.

    A hard deadline is moved by no extension.
    """
    ticket, policy = do.ticket, do.policy
    latest = due(ticket.handle_due, policy.deadlines.extension_max, policy.hours, policy.calendar)
    if until is None or not ticket.handle_due < until <= latest:
        raise TicketRefused(
            "bad_until", "An extension ends after the deadline and within the longest extension.", "until"
        )
    return until


def _future(do: Doing, until: float | None) -> float | None:
    if until is not None and not do.at < until < do.at + 366 * 86_400.0:
        raise TicketRefused("bad_until", "This ends in the future, within a year.", "until")
    return until


def _decide(do: Doing) -> Ticket:
    request = decidable(do.ticket, do.move.input, do.actor)
    _, outcome = DECIDES[do.move.input]
    decided = replace(
        request,
        outcome=outcome,
        decided_by=do.actor.id,
        decided_at=do.at,
        why=do.move.reason or "",
        until=do.move.until if do.move.until is not None else request.until,
    )
    ticket = _with(do.ticket, decided)
    if outcome is Outcome.GRANTED:
        return _GRANTS[request.kind](replace(do, ticket=ticket), decided)
    return ticket


def _grant_return(do: Doing, granted: Approval) -> Ticket:
    """It is with the hotline again; every return counts."""
    return replace(
        _lapsed(do.ticket, do),
        lead_unit=None,
        co_units=(),
        designated=False,
        signed_at=None,
        return_count=do.ticket.return_count + 1,
        pauses=ended(do.ticket.pauses, do.at),
    )


def _grant_extension(do: Doing, granted: Approval) -> Ticket:
    until = _extended(do, granted.until)
    return timed(replace(do.ticket, extension_until=until), do.policy)


def _grant_hard_case(do: Doing, granted: Approval) -> Ticket:
    more = (*do.ticket.co_units, *(do.move.co_units or ()))
    return replace(do.ticket, hard_case=True, co_units=_units(do, more, do.ticket.lead_unit))


def _grant_pause(do: Doing, granted: Approval) -> Ticket:
    if granted.until is not None and granted.until <= do.at:
        raise TicketRefused("bad_until", "The pause that was asked for is over already; name a later end.", "until")
    _future(do, do.move.until)
    policy, reason = do.policy, do.policy.reasons.get(granted.detail)
    ends = granted.until
    if reason is not None:
        if do.actor.role is not Role.ADMIN and do.actor.role.value not in reason.granted_by:
            who = ", ".join(sorted(reason.granted_by))
            raise TicketRefused("not_authorised", f"A pause for this reason is granted by: {who}.", "pause")
        longest = pause_ends(do.at, reason, policy.hours, policy.calendar)
        ends = min((one for one in (ends, longest) if one is not None), default=None)
    return timed(replace(do.ticket, pauses=(*do.ticket.pauses, Pause(do.at, None, granted.detail, ends))), policy)


_GRANTS: Mapping[ApprovalKind, Callable[[Doing, Approval], Ticket]] = MappingProxyType(
    {
        ApprovalKind.RETURN: _grant_return,
        ApprovalKind.EXTENSION: _grant_extension,
        ApprovalKind.HARD_CASE: _grant_hard_case,
        ApprovalKind.PAUSE: _grant_pause,
        ApprovalKind.OBJECTION: _grant_return,
    }
)


def _resume(do: Doing) -> Ticket:
    ticket = do.ticket
    if not ticket.paused:
        raise TicketRefused("not_paused", "The clock of this ticket runs.")
    return timed(replace(ticket, pauses=ended(ticket.pauses, do.at)), do.policy)


def _add_unit(do: Doing) -> Ticket:
    unit = known_unit(do.move.unit or "", "unit", do.policy)
    if unit in do.ticket.units:
        raise TicketRefused("same_unit", "This unit handles the ticket already.", "unit")
    _reached(do, unit, "unit")
    return replace(do.ticket, co_units=(*do.ticket.co_units, unit))


def _supervise(do: Doing) -> Ticket:
    """Watch over it (督办); with a deadline, that is a hard one (「要求在12小时之内,全部整改」, `domain.md` D9)."""
    after = replace(do.ticket, supervised_at=do.at)
    if do.move.until is None:
        return after
    _future(do, do.move.until)
    return timed(replace(after, ordered_until=do.move.until), do.policy)


def _remind(do: Doing) -> Ticket:
    return replace(do.ticket, remind_count=do.ticket.remind_count + 1, reminded_at=do.at)


def _escalate(do: Doing) -> Ticket:
    return replace(do.ticket, escalation=do.ticket.escalation + 1)


def _join(do: Doing) -> Ticket:
    if do.ticket.incident_id is not None:
        raise TicketRefused("joined_already", "The ticket belongs to an incident already; take it out of that first.")
    incident = cleaned(do.move.incident or "", "incident", 64)
    return replace(do.ticket, incident_id=incident)


def _leave(do: Doing) -> Ticket:
    if do.ticket.incident_id is None:
        raise TicketRefused("not_joined", "The ticket belongs to no incident.")
    return replace(do.ticket, incident_id=None)


def _settle(do: Doing) -> Ticket:
    if do.ticket.incident_id is None:
        raise TicketRefused("not_joined", "The ticket belongs to no incident.")
    return _answer(do)


def _follow_up(do: Doing) -> Ticket:
    move = do.move
    if not move.contacted and (move.solved is not None or move.satisfied is not None):
        raise TicketRefused("not_contacted", "Whom nobody has reached has said nothing.", "contacted")
    return replace(
        do.ticket,
        followed_up_at=do.at,
        contacted=move.contacted,
        solved=move.solved,
        satisfied=move.satisfied,
        voice=True if do.actor.role is Role.SYSTEM else None,
    )


def _redo(do: Doing) -> Ticket:
    """Back to the unit, with new clocks; the answer that did not satisfy stays in the moves."""
    before, policy = do.ticket, do.policy
    unit = do.move.unit or before.lead_unit
    if unit is None:
        raise TicketRefused("missing", "No unit has handled it; name the one that shall.", "unit")
    known_unit(unit, "unit", policy)
    return started(
        replace(
            before,
            state=TicketState.DISPATCHED,  # whose clocks run: they are counted from here
            lead_unit=unit,
            co_units=tuple(one for one in before.co_units if one != unit),
            redo_count=before.redo_count + 1,
            dispatch_count=before.dispatch_count + (unit != before.lead_unit),
            reply="",
            answered_by="",
            replied_at=None,
            resolved_at=None,
            withdrawn_at=None,
            followed_up_at=None,
            contacted=None,
            solved=None,
            satisfied=None,
            voice=None,
        ),
        do.at,
        policy,
        anew=True,
    )


def _merge(do: Doing) -> Ticket:
    into = do.move.into or ""
    if into == do.ticket.number or not into.isdecimal() or len(into) > 32:
        raise TicketRefused("bad_into", "A ticket is merged into another one.", "into")
    return replace(_lapsed(do.ticket, do), repeat_of=TicketNumber(into), pauses=ended(do.ticket.pauses, do.at))


def _archive(do: Doing) -> Ticket:
    return replace(do.ticket, archived_at=do.at)


def _withdraw(do: Doing) -> Ticket:
    pauses = ended(do.ticket.pauses, do.at)
    return replace(_lapsed(do.ticket, do), resolved_at=do.at, withdrawn_at=do.at, pauses=pauses)


def _judge(do: Doing) -> Ticket:
    request = next((one for one in do.ticket.approvals if one.seq == do.move.approval), None)
    if request is None:
        raise TicketRefused("unknown_request", "The ticket has no such request.", "approval")
    if request.outcome not in (Outcome.GRANTED, Outcome.REFUSED):
        raise TicketRefused("not_decided", "Nobody has decided this request.", "approval")
    if request.right is not None:
        raise TicketRefused("judged_already", "This decision has been judged already.", "approval")
    if do.actor.id in (request.asked_by, request.decided_by) or (do.actor.unit and do.actor.unit == request.asked_unit):
        raise TicketRefused("own_request", "Nobody judges what he himself has asked for or decided.")
    judged = replace(
        request, right=do.move.right, judged_by=do.actor.id, judged_at=do.at, judged_why=do.move.reason or ""
    )
    return _with(do.ticket, judged)


def _attach(do: Doing) -> Ticket:
    one, policy = do.move.attachment, do.policy
    assert one is not None
    if len(do.ticket.attachments) >= policy.attachments_max:
        raise TicketRefused("too_many_attachments", "The ticket has as many files as it may have.")
    name = one_line(one.name, "name", policy.title_max)
    if not name or set(name) & set("/\\"):
        raise TicketRefused("bad_name", "The name of a file has no slashes.", "name")
    if one.kind not in policy.attachment_kinds:
        raise TicketRefused("bad_kind", "Files of this kind are not taken.")
    if not 0 < one.size <= policy.attachment_bytes:
        raise TicketRefused("body_too_large", "The file is too large.")
    return replace(do.ticket, attachments=(*do.ticket.attachments, replace(one, name=name)))


def _recount(do: Doing) -> Ticket:
    after = timed(do.ticket, do.policy)
    if after == do.ticket:
        raise TicketRefused("nothing_to_change", "The deadlines are so already.")
    return after


def _with(ticket: Ticket, request: Approval) -> Ticket:
    """The ticket with one of its requests as it is now."""
    return replace(ticket, approvals=tuple(request if one.seq == request.seq else one for one in ticket.approvals))


def _lapsed(ticket: Ticket, do: Doing) -> Ticket:
    """The ticket goes on: what waits for a decision will have none."""
    for one in ticket.approvals:
        if one.outcome is Outcome.ASKED:
            ticket = _with(ticket, replace(one, outcome=Outcome.LAPSED, decided_by=do.actor.id, decided_at=do.at))
    return ticket


def _refuse_paused(ticket: Ticket) -> None:
    if ticket.paused:
        raise TicketRefused("paused", "The clock of this ticket stands still; let it run again first.")


EFFECTS: Mapping[TicketInput, Callable[[Doing], Ticket]] = MappingProxyType(
    {
        _I.AMEND: _amend,
        _I.REGISTER: _amend,
        _I.ANSWER: _answer,
        _I.CLOSE: _close,
        _I.REFER: _dispatch,
        _I.ASSIGN: _dispatch,
        _I.REDISPATCH: _dispatch,
        _I.SIGN: _sign,
        _I.HANDLE: _nothing,
        _I.REPLY: _reply,
        _I.ACCEPT_REPLY: _accept_reply,
        _I.REJECT_REPLY: _reject_reply,
        **dict.fromkeys(ASKS, _ask),
        **dict.fromkeys(DECIDES, _decide),
        _I.RESUME: _resume,
        _I.ADD_UNIT: _add_unit,
        _I.SUPERVISE: _supervise,
        _I.REMIND: _remind,
        _I.ESCALATE: _escalate,
        _I.JOIN: _join,
        _I.LEAVE: _leave,
        _I.SETTLE: _settle,
        _I.FOLLOW_UP: _follow_up,
        _I.REDO: _redo,
        _I.MERGE: _merge,
        _I.ARCHIVE: _archive,
        _I.JUDGE: _judge,
        _I.ATTACH: _attach,
        _I.RECOUNT: _recount,
        _I.WITHDRAW: _withdraw,
        _I.CONCEAL: lambda do: concealed(do.ticket, do.move.change),
    }
)


def redoable(ticket: Ticket, actor: Actor, policy: TicketPolicy) -> None:
    """Raise `TicketRefused` if it has been handled again as often as may be; then it is escalated (提级) and the leader
    on duty has it done again (`domain.md` 3.5 [P57]: after two redoings it is a matter for those above).
    """
    if ticket.redo_count < policy.redo_max or ticket.escalation and actor.role in (Role.LEADER, Role.ADMIN):
        return
    raise TicketRefused("redo_exhausted", f"It has been handled again {ticket.redo_count} times; escalate it.")


def decidable(ticket: Ticket, cause: TicketInput, actor: Actor) -> Approval:
    """The request that `cause` decides."""
    request = open_request(ticket.approvals, DECIDES[cause][0])
    if request is None:
        raise TicketRefused("nothing_asked", "There is no such request that waits for a decision.")
    if actor.id == request.asked_by or (actor.unit and actor.unit == request.asked_unit):
        raise TicketRefused("own_request", "Nobody decides what he himself has asked for.")
    return request
