"""Follow-up (回访): which closed tickets are called back, and why. Pure; time is a parameter.

By rule: every caller who was dissatisfied in the survey, every ticket that was closed late (the red ones, yellow now),
handled again or supervised. By sample: a share of all others, drawn by the ticket's number, so that nobody can choose
whom he asks and the same tickets are drawn whenever one looks. Call-back is made the next day after closing
(`domain.md` 3.5 [P42]); 44 % of tickets were called in the one month of 12328 that is known (3.4 [P49]). The result is
the ticket's move `FOLLOW_UP`: reached or not, solved, satisfied, why; a unit never makes it (`tickets/moves.py`).
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from tickets.moves import TicketState
from tickets.ticket import Ticket, TicketType


class Why(enum.Enum):
    """Why a ticket is called back; the first that holds, in this order."""

    DISSATISFIED = "dissatisfied"  #: 不满意: pressed 1 or 2 in the survey, or when the hotline itself asked him
    REDONE = "redone"  #: 重办: was handled again
    LATE = "late"  #: 超期: closed after its deadline
    SUPERVISED = "supervised"  #: 督办
    SAMPLE = "sample"  #: 抽样


@dataclass(frozen=True, slots=True)
class FollowUpRules:
    """`delay_s` after closing, until `within_s` after it. `sample`: the share drawn from all others, 0 to 1."""

    delay_s: float = 86_400.0
    within_s: float = 14 * 86_400.0
    sample: float = 0.2
    dissatisfied_to: int = 2  #: scores up to this one, of 1 to 5; the campaign's figures count by it too
    exempt: frozenset[TicketType] = frozenset({TicketType.PRAISE})

    def __post_init__(self) -> None:
        """Refuse rules that make no sense."""
        if not 0.0 <= self.sample <= 1.0 or not 0.0 <= self.delay_s < self.within_s:
            raise ValueError("sample is from 0 to 1, delay_s not negative and less than within_s")


@dataclass(frozen=True, slots=True)
class Due:
    """A ticket to be called back, and why."""

    ticket: Ticket
    why: Why


def drawn(number: str, share: float) -> bool:
    """Whether a ticket is in the sample: its number decides, evenly and for good."""
    digest = hashlib.sha256(f"follow-up:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2.0**64


def reason(ticket: Ticket, rules: FollowUpRules) -> Why | None:
    """Why a ticket would be called back, however long ago it was closed; None = it is not."""
    if ticket.satisfaction is not None and ticket.satisfaction <= rules.dissatisfied_to:
        return Why.DISSATISFIED
    if told_voice(ticket):
        return Why.DISSATISFIED
    if ticket.redo_count:
        return Why.REDONE
    done = ticket.resolved_at if ticket.replied_at is None else ticket.replied_at  # judging it is the hotline's time
    if ticket.dispatched_at is not None and done is not None and done > ticket.handle_due:
        return Why.LATE
    if ticket.supervised_at is not None:
        return Why.SUPERVISED
    if ticket.type in rules.exempt:
        return None
    return Why.SAMPLE if drawn(ticket.number, rules.sample) else None


def told_voice(ticket: Ticket) -> bool:
    """Whether the hotline itself has asked its caller (`tickets/campaign.py`), and he is dissatisfied: no person has
    spoken with him yet.
    """
    return ticket.voice is True and ticket.satisfied is False


def due(ticket: Ticket, rules: FollowUpRules, now: float) -> Why | None:
    """Why a ticket is to be called back now by a person; None = not (yet, any more).

    Whoever has been asked by a person, or cannot be called as no number is known, is not. Who has told the hotline
    itself that he is dissatisfied is, at once.
    """
    if ticket.state is not TicketState.RESOLVED or ticket.resolved_at is None or not ticket.caller:
        return None
    if ticket.withdrawn_at is not None:
        return None  # nothing was done of which he could be satisfied
    if told_voice(ticket) and ticket.followed_up_at is not None:
        return Why.DISSATISFIED if now - ticket.followed_up_at <= rules.within_s else None
    if ticket.followed_up_at is not None or not rules.delay_s <= now - ticket.resolved_at <= rules.within_s:
        return None
    return reason(ticket, rules)
