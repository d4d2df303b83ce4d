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
from tickets.ticket import Ticket, TicketMove

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

WORDS = {
    "accepted": ("已受理, 正在安排承办单位", "accepted; a department is being chosen"),
    "dispatched": ("已派给承办单位, 等待签收", "sent to the department"),
    "handling": ("办理中", "being handled"),
    "replied": ("承办单位已答复, 正在审核", "the department has replied; the reply is being reviewed"),
    "resolved": ("已办结", "closed"),
    "merged": ("已并入相同事项的工单办理", "merged into another ticket about the same matter"),
}
"""The words in Chinese and English."""

_STEPS = {
    "open": ("受理", "accepted"),
    TicketInput.REGISTER.value: ("登记", "registered"),
    TicketInput.REFER.value: ("转办", "sent to a department"),
    TicketInput.ASSIGN.value: ("交办", "sent to a department"),
    TicketInput.REDISPATCH.value: ("改派", "sent to another department"),
    TicketInput.SIGN.value: ("签收", "signed for"),
    TicketInput.GRANT_EXTENSION.value: ("延期", "the time to handle it was extended"),
    TicketInput.ACCEPT_REPLY.value: ("办结", "closed"),
    TicketInput.ANSWER.value: ("答复办结", "answered"),
    TicketInput.CLOSE.value: ("办结", "closed"),
    TicketInput.SETTLE.value: ("统一答复办结", "answered with others about the same event"),
    TicketInput.REDO.value: ("重办", "being handled again"),
    TicketInput.MERGE.value: ("并单", "merged"),
    TicketInput.ARCHIVE.value: ("归档", "archived"),
}
"""Moves that a citizen sees; what units and hotline ask and decide between themselves is theirs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, with the unit that has the ticket from then on (its id), where it is given to one."""

    at: float
    zh: str
    en: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PublicTicket:
    """A ticket as its citizen sees it. `title` and `text` are empty for the weak proof. `due` only while it is open."""

    number: str
    status: str
    zh: str
    en: str
    opened_at: float
    type: str
    title: str
    text: str
    due: float | None
    steps: tuple[Step, ...]
    reply: str
    resolved_at: float | None


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


def public_view(
    ticket: Ticket,
    moves: Sequence[TicketMove],
    proof: str,
    main: Ticket | None = None,
    main_moves: Sequence[TicketMove] = (),
) -> PublicTicket:
    """What is shown for a proof (``code`` or ``phone``). A reply is shown once it has been accepted.

    `main`: the ticket that goes on for a merged one, and what was done to it: its progress and result are his too, its
    words are not. Its reply is another's where that one, or he, asked not to be known.
    """
    steps = _steps(moves)
    on = ticket if main is None else main
    if main is not None:
        merged_at = max((move.at for move in moves if move.cause == TicketInput.MERGE.value), default=0.0)
        steps += tuple(step for step in _steps(main_moves) if step.at > merged_at)
    status = STATUS[on.state]
    zh, en = WORDS[status]
    if main is not None:
        zh, en = f"{WORDS['merged'][0]}; {zh}", f"{WORDS['merged'][1]}; {en}"
    over = status in ("resolved", "merged")
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
        on.handle_due if not over and on.dispatched_at is not None else None,
        steps,
        on.reply if status == "resolved" and not others else "",
        on.resolved_at,
    )


def _steps(moves: Sequence[TicketMove]) -> tuple[Step, ...]:
    return tuple(
        Step(move.at, *_STEPS[move.cause], str(move.details.get("unit") or ""))
        for move in moves
        if move.cause in _STEPS
    )
