"""Between a ticket's moves and the messages of the exchange: what a move says to whom. Pure.

A ticket that is dispatched to an organisation behind another installation is offered there; what that installation says
comes back as the moves of its unit, so that every rule of tickets holds for it too. A ticket that was offered to us
tells its offerer what happens to it. So a province that hands a matter on from one city to another relays both ways and
sees everything (`domain.md` D10: 「跟蹤辦理」).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tickets.exchange.messages import Kind
from tickets.exchange.threads import LIVE, Thread, ThreadState
from tickets.marks import newly
from tickets.moves import OVER, TicketInput, TicketState
from tickets.organisations import OrganisationTree
from tickets.ticket import Ticket, TicketMove

_I = TicketInput
_GIVEN = frozenset({TicketState.DISPATCHED, TicketState.SIGNED})
_AGAIN = frozenset({_I.REJECT_REPLY, _I.REFUSE_RETURN, _I.OVERRULE_OBJECTION, _I.REDO})
"""Decisions after which the other side has to go on."""

BY_STATE = frozenset(one.value for one in Kind if one is not Kind.PROGRESS)
"""Words of `TRAVELS` that are kinds of messages: they follow from where the ticket is then, whatever brought it."""

TRAVELS: Mapping[TicketInput, tuple[str, str]] = MappingProxyType(
    {
        # what the offerer's move says to the taker, and the taker's to the offerer; empty = it stays at home
        _I.AMEND: ("amended", ""),  # the citizen has called again: the unit that works on it must know
        _I.REGISTER: ("", ""),  # before anything is offered
        _I.ANSWER: ("", "reply"),
        _I.CLOSE: ("", "reply"),
        _I.REFER: ("offer", "dispatched"),
        _I.ASSIGN: ("offer", "dispatched"),
        _I.REDISPATCH: ("offer", "dispatched"),
        _I.SIGN: ("", "signed"),
        _I.HANDLE: ("", "handled"),
        _I.REPLY: ("", ""),  # a unit's answer is reviewed where the unit is; the accepted one travels
        _I.ACCEPT_REPLY: ("close", "reply"),
        _I.REJECT_REPLY: ("offer", ""),
        _I.ASK_RETURN: ("", ""),  # requests are decided where the unit is; the granted one travels
        _I.GRANT_RETURN: ("cancel", "returned"),
        _I.REFUSE_RETURN: ("offer", ""),
        _I.ASK_EXTENSION: ("", ""),
        _I.GRANT_EXTENSION: ("", "extended"),  # there a request: the offerer's own deadline is the offerer's
        _I.REFUSE_EXTENSION: ("refused", ""),
        _I.ASK_HARD_CASE: ("", ""),
        _I.GRANT_HARD_CASE: ("", "hard_case"),
        _I.REFUSE_HARD_CASE: ("refused", ""),
        _I.ASK_PAUSE: ("", ""),
        _I.GRANT_PAUSE: ("", "paused"),
        _I.REFUSE_PAUSE: ("refused", ""),
        _I.RESUME: ("", "resumed"),
        _I.OBJECT: ("", ""),
        _I.UPHOLD_OBJECTION: ("cancel", "returned"),
        _I.OVERRULE_OBJECTION: ("offer", ""),
        _I.ADD_UNIT: ("offer", ""),
        _I.SUPERVISE: ("supervised", ""),  # the taker pushes its own units at home
        _I.REMIND: ("reminded", ""),
        _I.ESCALATE: ("escalated", ""),
        _I.JOIN: ("", ""),  # an incident is one hotline's
        _I.LEAVE: ("", ""),
        _I.SETTLE: ("cancel", "reply"),
        _I.FOLLOW_UP: ("", ""),  # it is over between the two; who is not satisfied has it handled again
        _I.REDO: ("offer", ""),
        _I.MERGE: ("cancel", "merged"),
        _I.ARCHIVE: ("", ""),
        _I.JUDGE: ("", ""),
        _I.ATTACH: ("attached", "attached"),
        _I.RECOUNT: ("", ""),  # each has its own calendar
        _I.WITHDRAW: ("cancel", "return"),
        _I.CONCEAL: ("amended", ""),  # whoever has the caller's name hides it too, at once and however far the talk is
    }
)
"""Which moves travel, and as what. A test holds every row against what is really said."""

_PUSHES = {cause.value: said for cause, (said, _) in TRAVELS.items() if said and said not in BY_STATE}
"""What the offerer tells of its moves, by their cause."""

_STEPS = {cause.value: said for cause, (_, said) in TRAVELS.items() if said and said not in BY_STATE}
"""What the taker tells of its own."""


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
                said += _offer(talk.thread, peer, after, unit, part, move)
        elif fresh or changed or again:
            said += _offer(talk.thread if talk is not None else None, peer, after, unit, part, move)
    for peer, talk in mine.items():
        state = talk.thread.state
        if state is not ThreadState.OFFERED:
            said += _hidden(before, after, move, talk, said)
        if state not in LIVE:
            continue
        if after.state is TicketState.RESOLVED and state is ThreadState.REPLIED:
            said.append(Say(peer, talk.thread, Kind.CLOSE, _reason(move)))
        elif peer not in now:
            said.append(Say(peer, talk.thread, Kind.CANCEL, _reason(move)))
        elif move.cause in _ALWAYS or (move.cause in _PUSHES and state is ThreadState.OFFERED):
            said += _pushed(after, move, talk)
    return said


def _offer(thread: Thread | None, peer: str, ticket: Ticket, unit: str, part: str, move: TicketMove) -> list[Say]:
    """An offer, and after it the files."""
    said = [Say(peer, thread, Kind.OFFER, offer(ticket, unit, part, move.reason), unit, part)]
    files = range(len(ticket.attachments))
    return said + [Say(peer, thread, Kind.PROGRESS, _file(ticket, place), unit, part) for place in files]


def _hidden(before: Ticket, after: Ticket, move: TicketMove, talk: Talk, said: Sequence[Say]) -> list[Say]:
    """The marks that now hide the caller, to a taker who works on the ticket no more, but has it still."""
    marks = newly(before, after)
    offered = any(one.peer == talk.thread.peer and one.kind is Kind.OFFER for one in said)  # they stand in it
    if not marks or offered or talk.thread.state is None or move.actor == speaker(talk.thread.peer):
        return []
    return [Say(talk.thread.peer, talk.thread, Kind.PROGRESS, {"step": "amended", **marks})]


_ALWAYS = frozenset({_I.ATTACH.value})
"""Pushes of use to a taker who has answered or returned it: whoever goes on with it has the whole."""


def _pushed(after: Ticket, move: TicketMove, talk: Talk) -> list[Say]:
    step = _PUSHES[move.cause]
    if move.actor == speaker(talk.thread.peer):
        return []  # it came from there
    body: dict[str, Any] = {"step": step}
    if step == "amended":
        changes = move.details.get("changes", {})
        assert isinstance(changes, Mapping)
        names = [name for name in concern(after, talk.part) if name in changes]
        if "text" in changes:
            body["content"] = after.text
        body |= {name: getattr(after, name) for name in names}
        for name in ("type", "urgency"):
            if name in body:
                body[name] = body[name].value
        body = {name: value for name, value in body.items() if value is not None}
        if len(body) == 1:
            return []
    elif step == "attached":
        body = _file(after, len(after.attachments) - 1)
    else:
        said = _I(move.cause).chinese if step == "refused" else ""
        body["text"] = " ".join(one for one in (said, move.reason) if one)
        if step == "supervised" and move.details.get("until") is not None:
            body["until"] = move.details["until"]
    return [Say(talk.thread.peer, talk.thread, Kind.PROGRESS, body)]


def _file(ticket: Ticket, place: int) -> dict[str, Any]:
    """One of a ticket's files. The name that a hidden caller gave it may tell who he is: it stays at home."""
    one = ticket.attachments[place]
    name = one.name
    if ticket.anonymous or ticket.confidential:
        found = _ENDING.search(name)
        name = f"附件{place + 1}{found[0] if found else ''}"
    file = {"file_name": name, "file_kind": one.kind, "file_size": one.size, "file_sha256": one.sha256}
    return {"step": "attached", **file}


_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def _reported(before: Ticket, after: Ticket, move: TicketMove, talk: Talk, tree: OrganisationTree) -> list[Say]:
    """As the one who took it."""
    unit = tree.get(after.lead_unit or "")
    about = {"number": str(after.number), "unit": unit.name if unit is not None else ""}
    if after.state is TicketState.RESOLVED and before.state is not TicketState.RESOLVED:
        if move.cause == _I.WITHDRAW.value:  # by us: nobody here goes on with it
            return [Say(talk.thread.peer, talk.thread, Kind.RETURN, {"number": about["number"], "reason": move.reason})]
        text = after.reply or move.reason or _I(move.cause).chinese
        return [Say(talk.thread.peer, talk.thread, Kind.REPLY, {**about, "text": text})]
    if (step := _STEPS.get(move.cause)) is None or move.actor == speaker(talk.thread.peer):
        return []
    text = str(move.details.get("text") or move.reason or "")
    body: dict[str, Any] = {**about, "step": step, "text": text}
    if step == "attached":
        body |= _file(after, len(after.attachments) - 1)
    elif step == "extended":
        body["until"] = after.handle_due
    elif step == "paused":
        pause = after.pauses[-1]
        body |= {"pause": pause.reason} | ({"until": pause.ends} if pause.ends is not None else {})
    return [Say(talk.thread.peer, talk.thread, Kind.PROGRESS, body)]


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
    names = [*(one for one in concern(ticket, part) if one not in body), "opened_at", "handle_due", "ordered_until"]
    body |= {name: getattr(ticket, name) for name in names}
    body["supervised"] = True if ticket.supervised_at is not None else None
    return {name: value for name, value in body.items() if value not in (None, "")}


def concern(ticket: Ticket, part: str) -> tuple[str, ...]:
    """The fields beside the text that may travel: the caller's only to who leads, and never a hidden caller's."""
    names = ("type", "class_code", "title", "address", "lat", "lon", "event_at", "urgency", "anonymous", "confidential")
    if part == "lead" and not (ticket.anonymous or ticket.confidential):
        return (*names, *CALLER)
    return names


CALLER = ("caller", "caller_name", "caller_region")
"""The fields by which the caller is named."""


def _reason(move: TicketMove) -> dict[str, Any]:
    return {"reason": move.reason} if move.reason else {}


def speaker(peer: str) -> str:
    """Who a peer is in a ticket's moves."""
    return f"exchange:{peer}"
