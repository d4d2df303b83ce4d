"""What a message of the exchange does to our ticket: the moves that it makes of it. Pure.

They are moves like any other, so every rule of tickets holds for them too. What our own rules refuse is, where it can
be, said in the ticket instead, so that nothing that was told is lost on the people here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tickets.exchange.messages import Kind, Message
from tickets.exchange.relay import CALLER, Talk, speaker
from tickets.given import Move
from tickets.marks import only_marks
from tickets.moves import OVER, Actor, Role, TicketInput, TicketState
from tickets.texts import TicketRefused
from tickets.ticket import Attachment, Ticket, TicketChange, TicketPolicy, TicketType, Urgency, changed

_I = TicketInput


def intake_of(message: Message, policy: TicketPolicy) -> TicketChange:
    """What is known of an offered ticket, as far as this installation's own rules know the words."""
    body, tree = message.body, policy.organisations
    unit = str(body.get("unit", ""))
    line = tree.line(unit)
    reason = body.get("reason")
    text = str(body["text"]) + (f"\n[{reason}]" if reason else "")
    return replace(
        _concern_of(message, policy),
        text=text,
        region=next((one for one in line if tree.is_hotline(one)), None),
        proposed_unit=unit if unit in policy.units and not tree.is_hotline(unit) else None,
    )


def _concern_of(message: Message, policy: TicketPolicy) -> TicketChange:
    body = message.body
    types, urgencies = {one.value for one in TicketType}, {one.value for one in Urgency}
    code = str(body.get("class_code", ""))
    texts = ("title", "address", *CALLER)
    both = "lat" in body and "lon" in body
    return TicketChange(
        type=body["type"] if body.get("type") in types else None,
        class_code=code if code and policy.classes.takes(code) else None,
        lat=body["lat"] if both else None,
        lon=body["lon"] if both else None,
        event_at=body["event_at"] if 0 < body.get("event_at", 0) < 1e11 else None,
        urgency=body["urgency"] if body.get("urgency") in urgencies else None,
        anonymous=body.get("anonymous") or None,  # a mark that is there is taken away where it was given
        confidential=body.get("confidential") or None,
        **{name: str(body[name])[: policy.title_max].replace("\n", " ") for name in texts if name in body},
    )


Ways = Sequence[tuple[Move, Actor]]
"""A move, and what is done instead where our own rules refuse it: the first that they allow is made."""


def file_of(message: Message) -> Attachment | None:
    """The file that a message attaches; None for one that attaches none."""
    body = message.body
    if message.kind is not Kind.PROGRESS or body.get("step") != "attached" or "file_sha256" not in body:
        return None
    size = int(body.get("file_size", 0))
    return Attachment(str(body.get("file_name", "")), str(body.get("file_kind", "")), size, body["file_sha256"])


def refused_file(one: Attachment, policy: TicketPolicy) -> str:
    """The code of why a file is not taken here; empty where it is."""
    if one.kind not in policy.attachment_kinds:
        return "bad_kind"
    return "" if 0 < one.size <= policy.attachment_bytes else "body_too_large"


def moves_for(message: Message, ticket: Ticket, talk: Talk, at: float, policy: TicketPolicy) -> list[Ways]:
    """What a message makes of the ticket it is about, one after the other."""
    if talk.thread.mine:
        return _from_taker(message, ticket, talk, policy)
    return _from_offerer(message, ticket, at, policy)


def _from_taker(message: Message, ticket: Ticket, talk: Talk, policy: TicketPolicy) -> list[Ways]:
    unit = Actor(speaker(message.sender), Role.UNIT, talk.unit)
    lead = ticket.lead_unit == talk.unit
    body = message.body
    step, text = body.get("step"), str(body.get("text") or body.get("reason") or "")
    said = " ".join(one for one in (f"[{step or message.kind.value}]", body.get("unit"), text) if one)
    note = (Move(_I.HANDLE, text=said), unit)
    done: list[Ways] = []
    if step == "attached":
        return [_attached(message, ticket, unit, note)]
    if lead and ticket.state is TicketState.DISPATCHED and message.kind is not Kind.RETURN:
        done.append([(Move(_I.SIGN), unit)])
    if message.kind is Kind.REPLY and lead:
        if ticket.paused:
            done.append([(Move(_I.RESUME), unit)])
        done.append([(Move(_I.REPLY, text=text), unit)])
    elif message.kind is Kind.RETURN and lead:
        asks = _I.OBJECT if ticket.designated else _I.ASK_RETURN  # who was designated objects, and does not return
        done.append([(Move(asks, reason=text), unit)])
    elif lead and (asked := _asked(body, text)) is not None:
        done.append([(asked, unit), note])
    elif not (message.kind is Kind.PROGRESS and step == "signed"):
        done.append([note])
    return done


def _asked(body: Mapping[str, Any], text: str) -> Move | None:
    """What a taker has granted its unit is at the offerer a request: what holds here is decided here."""
    step, until = body.get("step"), body.get("until")
    reason = text or str(body.get("unit") or step)
    if step == "extended" and until is not None:
        return Move(_I.ASK_EXTENSION, reason=reason, until=until)
    if step == "hard_case":
        return Move(_I.ASK_HARD_CASE, reason=reason)
    if step == "paused":
        return Move(_I.ASK_PAUSE, reason=reason, pause=str(body.get("pause", "")), until=until)
    if step == "resumed":
        return Move(_I.RESUME, reason=text or None)
    return None


def _attached(message: Message, ticket: Ticket, actor: Actor, instead: tuple[Move, Actor]) -> Ways:
    """A file; where it is not taken, that one was sent is said."""
    file = file_of(message)
    if file is None:
        return [instead]
    if any(one.sha256 == file.sha256 for one in ticket.attachments):
        return []
    name = file.name.replace("/", "_").replace("\\", "_")
    return [(Move(_I.ATTACH, attachment=replace(file, name=name)), actor), instead]


def _from_offerer(message: Message, ticket: Ticket, at: float, policy: TicketPolicy) -> list[Ways]:
    them = Actor(speaker(message.sender), Role.SYSTEM)
    body, step = message.body, message.body.get("step")
    reason = str(body.get("reason") or body.get("text") or message.kind.value)
    if message.kind is Kind.OFFER:
        return [
            [(Move(_I.REDO, reason=reason), them)],
            *_as_it_is_now(message, ticket, them, policy),
            *supervised(message, at),
        ]
    if message.kind is Kind.CLOSE and ticket.state is TicketState.RESOLVED:
        return [[(Move(_I.ARCHIVE), them)]]
    if message.kind is Kind.CANCEL and ticket.state not in OVER:
        return [[(Move(_I.WITHDRAW, reason=reason), them)]]
    if message.kind is not Kind.PROGRESS:
        return []
    if step == "attached":
        text = f"{ticket.text}\n[附件未收 a file was not taken] {body.get('file_name', '')}"
        return [_attached(message, ticket, them, (Move(_I.AMEND, change=TicketChange(text=text)), them))]
    if step == "amended":
        change = _concern_of(message, policy)
        if "content" in body:
            change = replace(change, text=str(body["content"]))
        ways = [(Move(_I.AMEND, change=change), them)]
        if (marks := only_marks(change)) is not None:  # these hold of a ticket that is closed, too
            ways.append((Move(_I.CONCEAL, change=marks), them))
        return [ways]
    if step == "escalated":
        return [[(Move(_I.ESCALATE, reason=reason), them)]]
    if step == "supervised":
        return [_supervise(reason, body.get("until"), at, them)]
    if step in ("reminded", "refused"):
        return [[(Move(_I.REMIND, reason=reason), them)]]
    return []


def _as_it_is_now(message: Message, ticket: Ticket, them: Actor, policy: TicketPolicy) -> list[Ways]:
    """What has changed in the matter since it was offered first: while it was answered here, nothing was told of it."""
    change = _concern_of(message, policy)
    text = str(message.body["text"])
    if text not in ticket.text:
        change = replace(change, text=text)
    try:
        if changed(ticket, change, policy) == ticket:
            return []
    except TicketRefused:
        pass  # as any move that our rules refuse: it is tried, and noted
    return [[(Move(_I.AMEND, change=change), them)]]


def supervised(message: Message, at: float) -> list[Ways]:
    """督办 of a ticket that is offered under it."""
    if not message.body.get("supervised"):
        return []
    them = Actor(speaker(message.sender), Role.SYSTEM)
    return [_supervise("转办前已督办 supervised before it was offered", message.body.get("ordered_until"), at, them)]


def _supervise(reason: str, until: Any, at: float, them: Actor) -> Ways:
    """督办 with its deadline; one that has passed while the message was under way is said in the reason."""
    plain = (Move(_I.SUPERVISE, reason=reason), them)
    if until is None:
        return [plain]
    if until <= at:
        passed = f"{reason} [时限已过 its deadline {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M}Z has passed]"
        return [(Move(_I.SUPERVISE, reason=passed), them)]
    return [(Move(_I.SUPERVISE, reason=reason, until=until), them), plain]
