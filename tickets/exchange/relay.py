"""Between a ticket's moves and the messages of the exchange: what a move says to whom, and what a message does. Pure.

A ticket that is dispatched to an organisation behind another installation is offered there; what that installation says
comes back as the moves of its unit, so that every rule of tickets holds for it too. A ticket that was offered to us
tells its offerer what happens to it. So a province that hands a matter on from one city to another relays both ways and
sees everything (`domain.md` D10: 「跟蹤辦理」).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tickets.exchange.messages import Kind, Message
from tickets.exchange.threads import LIVE, Thread, ThreadState
from tickets.given import Move
from tickets.moves import OVER, Actor, Role, TicketInput, TicketState
from tickets.organisations import OrganisationTree
from tickets.ticket import Ticket, TicketChange, TicketMove, TicketPolicy, TicketType, Urgency

_I = TicketInput
_GIVEN = frozenset({TicketState.DISPATCHED, TicketState.SIGNED})
_AGAIN = frozenset({_I.REJECT_REPLY, _I.REFUSE_RETURN, _I.OVERRULE_OBJECTION, _I.REDO})
"""Decisions after which the other side has to go on."""

_STEPS = {
    _I.SIGN.value: "signed",
    _I.REFER.value: "dispatched",
    _I.ASSIGN.value: "dispatched",
    _I.REDISPATCH.value: "dispatched",
    _I.HANDLE.value: "handled",
    _I.GRANT_RETURN.value: "returned",
    _I.UPHOLD_OBJECTION.value: "returned",
    _I.GRANT_EXTENSION.value: "extended",
    _I.GRANT_HARD_CASE.value: "hard_case",
    _I.MERGE.value: "merged",
}
"""What the taker tells of its moves, by their cause."""

_PUSHES = {_I.REMIND.value: "reminded", _I.SUPERVISE.value: "supervised", _I.ESCALATE.value: "escalated"}
"""What the offerer tells of its own."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A thread of a ticket, for which organisation it is, and in what part: ``lead`` or ``co``."""

    thread: Thread
    unit: str
    part: str


@dataclass(frozen=True, slots=True)
class Say:
    """Something to say to `peer`: about a thread that there is, or in a new one (None)."""

    peer: str
    thread: Thread | None
    kind: Kind
    body: dict[str, Any]
    unit: str = ""
    part: str = ""


def wanted(tree: OrganisationTree, ticket: Ticket) -> dict[str, tuple[str, str]]:
    """The installations that act on `ticket` for us now: peer -> (organisation, part)."""
    found: dict[str, tuple[str, str]] = {}
    for unit, part in [(one, "co") for one in ticket.co_units] + [(ticket.lead_unit or "", "lead")]:
        if peer := tree.peer(unit):
            found[peer] = (unit, part)
    return found


def told(before: Ticket, after: Ticket, move: TicketMove, talks: Sequence[Talk], tree: OrganisationTree) -> list[Say]:
    """What is said to whom because of `move`."""
    mine = {one.thread.peer: one for one in talks if one.thread.mine}
    said = _offered(before, after, move, mine, tree)
    for one in talks:
        if not one.thread.mine and one.thread.state is ThreadState.OFFERED:
            said += _reported(before, after, move, one, tree)
    return said


def _offered(
    before: Ticket, after: Ticket, move: TicketMove, mine: dict[str, Talk], tree: OrganisationTree
) -> list[Say]:
    """As the one who offers."""
    now = wanted(tree, after) if after.state not in OVER else {}
    old = wanted(tree, before)
    said: list[Say] = []
    for peer, (unit, part) in now.items() if after.state in _GIVEN else ():
        talk = mine.get(peer)
        fresh = talk is None or talk.thread.state not in LIVE
        changed = old.get(peer) != (unit, part)
        again = part == "lead" and TicketInput(move.cause) in _AGAIN and not fresh
        if talk is not None and talk.thread.state is ThreadState.OFFERED:
            if changed:  # the same hotline, for another of its organisations: taken back and given anew
                said.append(Say(peer, talk.thread, Kind.CANCEL, _reason(move)))
                said.append(Say(peer, talk.thread, Kind.OFFER, offer(after, unit, part, move.reason), unit, part))
        elif fresh or changed or again:
            thread = talk.thread if talk is not None else None
            said.append(Say(peer, thread, Kind.OFFER, offer(after, unit, part, move.reason), unit, part))
    for peer, talk in mine.items():
        state = talk.thread.state
        if state not in LIVE:
            continue
        if after.state is TicketState.RESOLVED and state is ThreadState.REPLIED:
            said.append(Say(peer, talk.thread, Kind.CLOSE, _reason(move)))
        elif peer not in now:
            said.append(Say(peer, talk.thread, Kind.CANCEL, _reason(move)))
        elif move.cause in _PUSHES and state is ThreadState.OFFERED:
            said.append(Say(peer, talk.thread, Kind.PROGRESS, {"step": _PUSHES[move.cause], "text": move.reason}))
    return said


def _reported(before: Ticket, after: Ticket, move: TicketMove, talk: Talk, tree: OrganisationTree) -> list[Say]:
    """As the one who took it."""
    unit = tree.get(after.lead_unit or "")
    about = {"number": str(after.number), "unit": unit.name if unit is not None else ""}
    if after.state is TicketState.RESOLVED and before.state is not TicketState.RESOLVED:
        if move.cause == _I.WITHDRAW.value:
            return []  # by the offerer, who knows it, or by a return, which says so itself
        text = after.reply or move.reason or _I(move.cause).chinese
        return [Say(talk.thread.peer, talk.thread, Kind.REPLY, {**about, "text": text})]
    if (step := _STEPS.get(move.cause)) is None:
        return []
    text = str(move.details.get("text") or move.reason or "")
    return [Say(talk.thread.peer, talk.thread, Kind.PROGRESS, {**about, "step": step, "text": text})]


def offer(ticket: Ticket, unit: str, part: str, reason: str) -> dict[str, Any]:
    """What an offer says of a ticket. A hidden caller is not named, and nobody's caller to one who co-handles."""
    body: dict[str, Any] = {
        "part": part,
        "unit": unit,
        "reason": reason,
        "type": ticket.type.value if ticket.type is not None else None,
        "urgency": ticket.urgency.value,
        "text": ticket.text or ticket.title or "-",
    }
    names = ["class_code", "title", "address", "lat", "lon", "event_at", "anonymous", "confidential"]
    names += ["opened_at", "handle_due"]
    if part == "lead" and not (ticket.anonymous or ticket.confidential):
        names += ["caller", "caller_name", "caller_region"]
    body |= {name: getattr(ticket, name) for name in names}
    return {name: value for name, value in body.items() if value not in (None, "")}


def _reason(move: TicketMove) -> dict[str, Any]:
    return {"reason": move.reason} if move.reason else {}


# ---------------------------------------------------------------- what a message does


def intake_of(message: Message, policy: TicketPolicy) -> TicketChange:
    """What is known of an offered ticket, as far as this installation's own rules know the words."""
    body, tree = message.body, policy.organisations
    unit = str(body.get("unit", ""))
    line = tree.line(unit)
    types, urgencies = {one.value for one in TicketType}, {one.value for one in Urgency}
    code = str(body.get("class_code", ""))
    reason = body.get("reason")
    text = str(body["text"]) + (f"\n[{reason}]" if reason else "")
    texts = ("title", "address", "caller", "caller_name", "caller_region")
    both = "lat" in body and "lon" in body
    return TicketChange(
        type=body["type"] if body.get("type") in types else None,
        text=text,
        class_code=code if policy.classes.takes(code) else None,
        region=next((one for one in line if tree.is_hotline(one)), None),
        proposed_unit=unit if unit in policy.units and not tree.is_hotline(unit) else None,
        lat=body["lat"] if both else None,
        lon=body["lon"] if both else None,
        event_at=body.get("event_at"),
        urgency=body["urgency"] if body.get("urgency") in urgencies else None,
        anonymous=body.get("anonymous") or None,
        confidential=body.get("confidential") or None,
        **{name: str(body[name])[: policy.title_max].replace("\n", " ") for name in texts if body.get(name)},
    )


def moves_for(message: Message, ticket: Ticket, talk: Talk) -> list[tuple[Move, Actor]]:
    """The moves that a message makes of the ticket it is about, one after the other."""
    return list(_from_taker(message, ticket, talk) if talk.thread.mine else _from_offerer(message, ticket))


def _from_taker(message: Message, ticket: Ticket, talk: Talk) -> Iterable[tuple[Move, Actor]]:
    unit = Actor(speaker(message.sender), Role.UNIT, talk.unit)
    lead = ticket.lead_unit == talk.unit
    step, text = message.body.get("step"), str(message.body.get("text") or message.body.get("reason") or "")
    if lead and ticket.state is TicketState.DISPATCHED and (message.kind is not Kind.RETURN):
        yield Move(_I.SIGN), unit
    if message.kind is Kind.REPLY and lead:
        if ticket.paused:
            yield Move(_I.RESUME), unit
        yield Move(_I.REPLY, text=text), unit
    elif message.kind is Kind.RETURN and lead:
        yield Move(_I.ASK_RETURN, reason=text), unit
    elif not (message.kind is Kind.PROGRESS and step == "signed"):
        said = " ".join(one for one in (f"[{step or message.kind.value}]", message.body.get("unit"), text) if one)
        yield Move(_I.HANDLE, text=said), unit


def _from_offerer(message: Message, ticket: Ticket) -> Iterable[tuple[Move, Actor]]:
    them = Actor(speaker(message.sender), Role.SYSTEM)
    reason = str(message.body.get("reason") or message.body.get("text") or message.kind.value)
    if message.kind is Kind.OFFER:
        yield Move(_I.REDO, reason=reason), them
    elif message.kind is Kind.CLOSE and ticket.state is TicketState.RESOLVED:
        yield Move(_I.ARCHIVE), them
    elif message.kind is Kind.CANCEL and ticket.state not in OVER:
        yield Move(_I.WITHDRAW, reason=reason), them
    elif message.kind is Kind.PROGRESS:
        step = message.body.get("step")
        if step == "escalated":
            yield Move(_I.ESCALATE, reason=reason), them
        elif step in ("reminded", "supervised"):
            yield Move(_I.REMIND, reason=reason), them


def speaker(peer: str) -> str:
    """Who a peer is in a ticket's moves."""
    return f"exchange:{peer}"
