"""The one rule by which a ticket moves: `apply`. Pure; time is a parameter.

Whether a move is legal is decided in this order: whether the actor may look at the ticket at all (`tickets/shown.py`),
his role (`RIGHTS`), the version that he saw, the cell of `TICKET_MOVES`, what stands between him and this ticket, what
was given with it. What is refused leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from pbx.commands import OpenTicket
from pbx.ids import AgentId, CallId, TicketNumber
from tickets.approvals import ASKS, DECIDES
from tickets.effects import EFFECTS, Doing, decidable, redoable
from tickets.given import Move, checked
from tickets.log import changes, plain
from tickets.moves import MAY_OPEN, OWN_ONLY, REFUSALS, RIGHTS, TICKET_MOVES, Actor, Role, TicketInput, TicketState
from tickets.shown import part_for, reviews, sees_ticket
from tickets.sight import Part, home_of, own_side
from tickets.texts import TicketRefused
from tickets.ticket import Channel, Ticket, TicketChange, TicketMove, TicketPolicy, changed
from tickets.times import timed

OPENED = "open"
"""The cause of a ticket's first move, the opening (受理)."""

_I = TicketInput


class TicketConflict(TicketRefused):
    """Somebody else has moved the ticket since the actor saw it; `ticket` is as it is now."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__("conflict", "Somebody else has changed the ticket meanwhile; look at it again.")
        self.ticket = ticket


_LEADS = frozenset({_I.SIGN, _I.REPLY, _I.RESUME, *ASKS})
"""What a unit does only on a ticket that it leads; one that co-handles notes its steps and adds files."""

_JUDGES = frozenset({*DECIDES, _I.ACCEPT_REPLY, _I.REJECT_REPLY, _I.FOLLOW_UP, _I.JUDGE, _I.WITHDRAW})
"""What nobody does whose unit handles the ticket: no unit judges itself (`domain.md` D21)."""


_REVIEWS = frozenset({_I.ACCEPT_REPLY, _I.REJECT_REPLY, _I.FOLLOW_UP, _I.JUDGE, _I.REDO, _I.ARCHIVE})
"""What the hotline whose ticket it is does, not the one that was given it to handle: it would judge its own units."""

_GIVEN: Mapping[Part, frozenset[TicketInput]] = {
    Part.LEAD: frozenset({_I.REDISPATCH, _I.ADD_UNIT, _I.ATTACH, _I.REMIND, _I.SUPERVISE, _I.ESCALATE, _I.RESUME}),
    Part.CO: frozenset({_I.ADD_UNIT, _I.ATTACH, _I.REMIND}),
}
"""What the people of a hotline (or county) do with another's ticket that it was given: hand it on, see to it. Nothing
that ends the ticket, changes what the caller said or moves its deadline (`domain.md` D10, D11)."""


def moved(state: TicketState, cause: TicketInput) -> TicketState:
    """Where `cause` takes a ticket; raises `TicketRefused` with the code of `REFUSALS`, or ``registered``."""
    after = TICKET_MOVES[state, cause]
    if after is not None:
        return after
    if cause is _I.REGISTER and state is TicketState.REGISTERED:
        raise TicketRefused("registered", "The ticket is registered already.")
    raise TicketRefused(*REFUSALS[state])


@dataclass(frozen=True, slots=True)
class Intake:
    """A ticket that no call opens: by which channel, when, in which language."""

    channel: Channel
    at: float
    language: str = "zh"


def opened(
    number: TicketNumber, opening: OpenTicket | Intake, actor: Actor, policy: TicketPolicy
) -> tuple[Ticket, TicketMove]:
    """A new ticket (受理) and its first move. Raises `TicketRefused` (``not_allowed``), `CalendarError`."""
    if actor.role not in MAY_OPEN:
        raise TicketRefused("not_allowed", "Opening a ticket is not your right.")
    call = opening if isinstance(opening, OpenTicket) else None
    dialled = call.dialled if call else ""
    if call is not None:
        city = policy.city_of(dialled, call.queue)
    else:  # who acts for an organisation takes it down for its hotline
        city = policy.organisations.hotline(actor.unit) or policy.city
    policy = policy.of(city, dialled)
    if call is not None:
        taken_by, channel = call.agent, Channel.PHONE
    else:
        assert isinstance(opening, Intake)
        taken_by, channel = AgentId(actor.id if actor.role is Role.AGENT else ""), opening.channel
    ticket = Ticket(
        number=number,
        call=CallId(call.call) if call else None,
        caller=call.caller if call else "",
        dialled=dialled,
        language=opening.language,
        queue=call.queue if call else "",
        agent=taken_by,
        opened_at=opening.at,
        sign_due=opening.at,
        handle_due=opening.at,
        channel=channel,
        region=city,
    )
    ticket = timed(ticket, policy)
    first = TicketMove(
        number,
        0,
        None,
        ticket.state,
        OPENED,
        actor.id,
        opening.at,
        "",
        actor.role,
        actor.unit,
        {"changes": changes(None, ticket)},
    )
    return ticket, first


def apply(ticket: Ticket, move: Move, actor: Actor, at: float, policy: TicketPolicy) -> tuple[Ticket, TicketMove]:
    """The ticket after `move`, and the move as it is kept.

    Raises `TicketConflict` when `ticket` is not as the actor saw it, `TicketRefused` for all that may not be (a stable
    code and, where one is at fault, the field), `CalendarError`.
    """
    policy = policy.of(ticket.region, ticket.dialled)
    allow(ticket, move, actor, policy)
    wish = checked(move, policy)
    cause = _cause(ticket, wish, policy)
    after = EFFECTS[cause](Doing(ticket, wish, actor, at, policy))
    after = replace(after, state=moved(ticket.state, cause), version=ticket.version + 1)
    _stays(ticket, after, actor, policy)
    different = changes(ticket, after)
    reason = wish.reason or ""
    if cause in (_I.AMEND, _I.REGISTER):
        if after == replace(ticket, version=after.version):
            raise TicketRefused("nothing_to_change", "The ticket is so already.")
        reason = ",".join(one.name for one in fields(TicketChange) if one.name in different)
    given = {one.name: plain(getattr(wish, one.name)) for one in fields(wish) if one.name in _KEPT}
    details = {name: value for name, value in given.items() if value is not None} | {"changes": different}
    kept = TicketMove(
        ticket.number,
        after.version,
        ticket.state,
        after.state,
        cause.value,
        actor.id,
        at,
        reason,
        actor.role,
        actor.unit,
        details,
    )
    return after, kept


_KEPT = frozenset(
    {"text", "unit", "co_units", "until", "pause", "approval", "right", "into", "incident"}
    | {"contacted", "solved", "satisfied"}
)
"""What is kept of a move beside its reason and the fields that it changed."""


_ORDER = {one: place for place, one in enumerate(TicketInput)}


def _always(ticket: Ticket) -> bool:
    return True


_STANDS_SO: Mapping[TicketInput, Callable[[Ticket], bool]] = {
    _I.RESUME: lambda ticket: ticket.paused,
    _I.JOIN: lambda ticket: ticket.incident_id is None,
    _I.LEAVE: lambda ticket: ticket.incident_id is not None,
    _I.SETTLE: lambda ticket: ticket.incident_id is not None,
}
"""How a ticket must stand, beside its state, for what would be refused else whatever is given with it."""


def may(ticket: Ticket, actor: Actor, policy: TicketPolicy) -> tuple[TicketInput, ...]:
    """What `actor` can do to `ticket` now, as far as that does not hang on what he gives with it."""
    found = []
    for one in RIGHTS[actor.role]:
        if TICKET_MOVES[ticket.state, one] is None or not _STANDS_SO.get(one, _always)(ticket):
            continue
        try:
            allow(ticket, Move(one), actor, policy)
        except TicketRefused:
            continue
        found.append(one)
    return tuple(sorted(found, key=_ORDER.__getitem__))


def allow(ticket: Ticket, move: Move, actor: Actor, policy: TicketPolicy) -> None:
    """Raise `TicketRefused` unless the actor's role, the version, the state and the actor's unit allow the move."""
    cause = move.input
    if actor.role is not Role.UNIT and not sees_ticket(ticket, actor, policy):
        # Another city's: it is not there for him. A unit is told below that a ticket is not its own.
        raise TicketRefused("unknown_ticket", "There is no ticket of this number.")
    if cause not in RIGHTS[actor.role]:
        raise TicketRefused("not_allowed", "This is not the right of your role.")
    if cause in OWN_ONLY.get(actor.role, ()) and actor.id != ticket.agent:
        raise TicketRefused("not_taken_by_you", "Somebody else took this ticket down; a dispatcher decides this.")
    if actor.role is Role.UNIT:
        if actor.unit not in policy.units:
            raise TicketRefused("unit_gone", "Your handling unit is not in the register any more.")
        if actor.unit not in ticket.units:
            raise TicketRefused("not_your_ticket", "Your unit neither leads nor co-handles this ticket.")
    if move.version is not None and move.version != ticket.version:
        raise TicketConflict(ticket)
    moved(ticket.state, cause)
    if actor.role is Role.UNIT and cause in _LEADS and actor.unit != ticket.lead_unit:
        raise TicketRefused("not_lead", "Only the unit that leads the ticket may do this.")
    if cause is _I.HANDLE and ticket.state is not TicketState.SIGNED and actor.unit not in ticket.co_units:
        raise TicketRefused(*REFUSALS[ticket.state])  # who co-handles does his part whatever the lead does
    if cause in _JUDGES and _handles(ticket, actor, policy):
        raise TicketRefused("own_ticket", "Your own unit handles this ticket; somebody else decides and judges.")
    if cause in _REVIEWS and not reviews(ticket, actor, policy):
        raise TicketRefused("not_your_review", "The hotline whose ticket it is reviews the reply.")
    part = part_for(ticket, actor, policy)
    mine = part is None or cause in _GIVEN.get(part, {cause})
    orders = part is not Part.WHOLE and cause is _I.SUPERVISE and move.until is not None  # a deadline
    if actor.role is not Role.UNIT and (not mine or orders):
        raise TicketRefused("another_hotlines", "It is another hotline's ticket, which decides this; hand it on.")
    if actor.role is not Role.UNIT and part is not Part.WHOLE:
        _keeps_it_below(ticket, move, actor, policy)
    if cause in (_I.ACCEPT_REPLY, _I.REJECT_REPLY, _I.FOLLOW_UP) and actor.id == ticket.answered_by:
        raise TicketRefused("own_ticket", "You have answered this ticket yourself; somebody else reviews the answer.")
    if cause is _I.REDO:
        redoable(ticket, actor, policy)
    if cause in DECIDES:
        decidable(ticket, cause, actor)


def _handles(ticket: Ticket, actor: Actor, policy: TicketPolicy) -> bool:
    """Whether it is the actor's own house that handles the ticket: a bureau's is its sub-units too. A hotline judges
    the units below it."""
    if not actor.unit:
        return False
    if actor.unit in ticket.units:
        return True
    tree = policy.organisations
    return not tree.is_hotline(actor.unit) and any(own_side(tree, actor.unit, one) for one in ticket.units)


def _keeps_it_below(ticket: Ticket, move: Move, actor: Actor, policy: TicketPolicy) -> None:
    """Raise `TicketRefused` if a bureau or county would give a ticket to somebody who is not below it.

    That would be a return (退单) that nobody has authorised, and that counts nowhere (`domain.md` D13, D14).
    """
    tree, own = policy.organisations, actor.unit or ""
    if own not in tree or tree.hotline(own) == own:
        return
    more = [one for one in move.co_units or () if one not in ticket.units]
    for name, unit in (("unit", move.unit), *(("co_units", one) for one in more)):
        if unit and unit not in tree.below(own):
            raise TicketRefused("through_another", "It is not below you: ask for the return (申请退单).", name)


def _stays(before: Ticket, after: Ticket, actor: Actor, policy: TicketPolicy) -> None:
    """Raise `TicketRefused` if who acts for one hotline would make it another's by its region: it goes there by way of
    the province, which tracks it (`domain.md` D10)."""
    tree = policy.organisations
    mine, theirs = home_of(before, policy), home_of(after, policy)
    if not actor.unit or mine not in tree or theirs not in tree or tree.hotline(mine) == tree.hotline(theirs):
        return
    if actor.unit not in (tree.province(mine), tree.province(theirs)):
        raise TicketRefused("through_another", "Another hotline's region: give it to the province (转办).", "region")


def _cause(ticket: Ticket, move: Move, policy: TicketPolicy) -> TicketInput:
    """An amendment that fills type and text for the first time registers the ticket; REGISTER that does not, cannot."""
    if move.input not in (_I.AMEND, _I.REGISTER) or move.change is None:
        return move.input
    after = changed(ticket, move.change, policy)
    complete = after.type is not None and bool(after.text)
    if ticket.state is TicketState.OPENED:
        if move.input is _I.REGISTER and not complete:
            raise TicketRefused("incomplete", "A ticket is registered with a type and a text.", "text")
        return _I.REGISTER if complete else _I.AMEND
    if not complete:
        raise TicketRefused("incomplete", "A registered ticket keeps a text.", "text")
    return move.input
