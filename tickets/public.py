"""What a citizen is shown of his ticket (问题, 进度, 结果; `domain.md` D18), and how he proves it is his. Pure.

Two proofs. The last four digits of the number that he called from are known to many and can be guessed: they show how
the ticket stands, and nothing that he has said. The code of eight digits is given with the ticket; it shows his own
words too. An anonymous or confidential ticket is shown for its code alone. The code is made from the ticket's number by
a key that only the hotline has, so nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from tickets.moves import TicketInput, TicketState
from tickets.ticket import Ticket, TicketMove, TicketPolicy

CODE_DIGITS, PHONE_DIGITS = 8, 4

STATUS = {
    TicketState.OPENED: "accepted",
    TicketState.REGISTERED: "accepted",
    TicketState.DISPATCHED: "dispatched",
    TicketState.SIGNED: "handling",
    TicketState.REPLIED: "replied",
    TicketState.RESOLVED: "resolved",
    TicketState.ARCHIVED: "resolved",
    TicketState.MERGED: "merged",
}
"""How a ticket stands, in one word for citizens; the prompt ``query-WORD`` says it."""

WITHDRAWN = "withdrawn"
"""How one stands that is over and was withdrawn: it was neither handled to its end nor answered."""

WORDS = {
    "accepted": ("已受理，正在安排承办单位", "Received; a department is being chosen"),
    "dispatched": ("已派给承办单位，等待签收", "Sent to a department, which has not confirmed it yet"),
    "handling": ("办理中", "Being handled"),
    "replied": ("承办单位已答复，正在审核", "The department has replied; the hotline is checking the reply"),
    "resolved": ("已办结", "Closed"),
    WITHDRAWN: ("已撤回，不再办理", "Withdrawn; it is not handled any further"),
    "merged": ("已与相同事项的工单合并办理", "Handled together with another ticket about the same matter"),
}
"""The words in Chinese and English."""

_STEPS = {
    "open": ("受理", "Received"),
    TicketInput.REGISTER.value: ("登记", "Recorded"),
    TicketInput.REFER.value: ("转办", "Sent to a department"),
    TicketInput.ASSIGN.value: ("交办", "Sent to a department"),
    TicketInput.REDISPATCH.value: ("改派", "Sent to another department"),
    TicketInput.SIGN.value: ("签收", "Confirmed by the department"),
    TicketInput.GRANT_EXTENSION.value: ("延期", "More time given"),
    TicketInput.ACCEPT_REPLY.value: ("办结", "Closed"),
    TicketInput.ANSWER.value: ("答复办结", "Answered and closed"),
    TicketInput.CLOSE.value: ("直接办结", "Closed; there was nothing to hand on"),
    TicketInput.WITHDRAW.value: ("撤回", "Withdrawn"),
    TicketInput.SETTLE.value: ("统一答复办结", "Answered together with others about the same event"),
    TicketInput.REDO.value: ("重办", "To be handled again"),
    TicketInput.MERGE.value: ("并单", "Merged with another ticket"),
    TicketInput.ARCHIVE.value: ("归档", "Filed"),
}
"""Moves that a citizen sees; what units and hotline ask and decide between themselves is theirs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, with the name of the unit that has the ticket from then on, where it is given to one."""

    at: float
    zh: str
    en: str
    unit_zh: str = ""
    unit_en: str = ""


@dataclass(frozen=True, slots=True)
class PublicTicket:
    """A ticket as its citizen sees it. `title` and `text` are empty for the weak proof. `due` only while it is open.

    `unit_zh`, `unit_en`: the name of the unit that has it, or had it last. `timezone`: the hotline's, in which people
    there speak of times, such as ``Asia/Shanghai``.
    """

    number: str
    status: str
    zh: str
    en: str
    opened_at: float
    type: str
    title: str
    text: str
    unit_zh: str
    unit_en: str
    due: float | None
    steps: tuple[Step, ...]
    reply: str
    resolved_at: float | None
    timezone: str


def code_of(key: str, number: str) -> str:
    """The code that is given with a ticket."""
    digest = hmac.new(key.encode(), f"query:{number}".encode(), hashlib.sha256).digest()
    return f"{int.from_bytes(digest[:8], 'big') % 10**CODE_DIGITS:0{CODE_DIGITS}d}"


def proved(ticket: Ticket | None, number: str, proof: str, key: str) -> str:
    """How `proof` shows that the ticket is the asker's: ``code``, ``phone``, or empty where it does not.

    The same work is done for a ticket that there is not: how long it takes tells nothing.
    """
    code = hmac.compare_digest(proof.encode(), code_of(key, number).encode())
    digits = "".join(character for character in (ticket.caller if ticket else "") if character.isdecimal())
    last = digits[-PHONE_DIGITS:] if len(digits) > PHONE_DIGITS else ""
    phone = hmac.compare_digest(proof.encode(), last.rjust(PHONE_DIGITS, "-").encode())
    hidden = ticket is None or ticket.anonymous or ticket.confidential
    if ticket is not None and code:
        return "code"
    return "phone" if phone and last and not hidden else ""


def _named(policy: TicketPolicy, unit: object) -> tuple[str, str]:
    """A unit's name in Chinese and English; the Chinese one where there is no other, nothing for one that is gone."""
    found = policy.units.get(str(unit or ""))
    if found is None:
        return "", ""
    known = policy.organisations.get(found.id)
    return found.name, (known.name_en if known is not None else "") or found.name


def status_of(ticket: Ticket) -> str:
    """How it stands, in one of the words of `WORDS`."""
    status = STATUS[ticket.state]
    return WITHDRAWN if status == "resolved" and ticket.withdrawn_at is not None else status


def public_view(
    ticket: Ticket,
    moves: Sequence[TicketMove],
    proof: str,
    policy: TicketPolicy,
    main: Ticket | None = None,
    main_moves: Sequence[TicketMove] = (),
) -> PublicTicket:
    """What is shown for a proof (``code`` or ``phone``). A reply is shown once it has been accepted.

    `main`: the ticket that goes on for a merged one, and what was done to it: its progress and result are his too, its
    words are not. Its reply is another's where that one, or he, asked not to be known.
    """
    steps = _steps(moves, policy)
    on = ticket if main is None else main
    if main is not None:
        merged_at = max((move.at for move in moves if move.cause == TicketInput.MERGE.value), default=0.0)
        steps += tuple(step for step in _steps(main_moves, policy) if step.at > merged_at)
    status = status_of(on)
    zh, en = WORDS[status]
    if main is not None:
        zh, en = f"{WORDS['merged'][0]}; {zh}", f"{WORDS['merged'][1]}; {en}"
    over = status in ("resolved", WITHDRAWN, "merged")
    others = (
        main is not None
        and main.caller != ticket.caller
        and any(one.anonymous or one.confidential for one in (ticket, main))
    )
    mine = proof == "code"
    return PublicTicket(
        ticket.number,
        status,
        zh,
        en,
        ticket.opened_at,
        ticket.type.value if ticket.type else "",
        ticket.title if mine else "",
        ticket.text if mine else "",
        *_named(policy, on.lead_unit),
        on.handle_due if not over and on.dispatched_at is not None else None,
        steps,
        on.reply if status == "resolved" and not others else "",
        on.resolved_at,
        policy.hours.zone,
    )


def _steps(moves: Sequence[TicketMove], policy: TicketPolicy) -> tuple[Step, ...]:
    return tuple(
        Step(move.at, *_STEPS[move.cause], *_named(policy, move.details.get("unit")))
        for move in moves
        if move.cause in _STEPS
    )
