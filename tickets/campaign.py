"""Which tickets the automatic voice follow-up (自动语音回访) may ask about, and what a score means for one. Pure.

Of the list of follow-ups (`tickets/follow_up.py`) it takes those whose reason the hotline has chosen. It leaves to
people: a caller who is hidden (匿名, 保密), as a machine that calls and names a ticket tells whoever answers; a number
that must not be called; who was dissatisfied already, unless the hotline wants it otherwise. A caller who says that he
is dissatisfied stands in the list for people afterwards: they call him, or have it handled again (重办).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tickets.follow_up import FollowUpRules, Why
from tickets.given import Move
from tickets.moves import TicketInput, TicketState
from tickets.ticket import Ticket

USUAL = frozenset({Why.REDONE, Why.LATE, Why.SUPERVISED, Why.SAMPLE})

_NUMBER = re.compile(r"[0-9]{5,20}")


@dataclass(frozen=True, slots=True)
class CampaignRules:
    """`why`: the reasons of the list for which a machine may call. `never`: regular expressions of whole numbers."""

    why: frozenset[Why] = USUAL
    never: tuple[str, ...] = ()


def left_to_people(ticket: Ticket, why: Why, rules: CampaignRules) -> str:
    """Why a machine does not call about this ticket: ``hidden``, ``number``, ``reason``; empty = it may."""
    if ticket.anonymous or ticket.confidential:
        return "hidden"
    if not _NUMBER.fullmatch(ticket.caller) or any(re.fullmatch(one, ticket.caller) for one in rules.never):
        return "number"
    return "" if why in rules.why else "reason"


def overtaken(ticket: Ticket | None, number: str, round_: int) -> bool:
    """Whether a call that was wanted about a ticket is wanted no more: it has moved on, or its caller is hidden now."""
    if ticket is None or ticket.state is not TicketState.RESOLVED or ticket.followed_up_at is not None:
        return True
    if ticket.anonymous or ticket.confidential:
        return True
    return (ticket.caller, ticket.redo_count) != (number, round_)


def result(score: int, rules: FollowUpRules) -> Move:
    """The move that keeps what he has pressed. Whether it is solved was not asked. ValueError for no score."""
    if not 1 <= score <= 5:
        raise ValueError(f"no score: {score}")
    return Move(
        TicketInput.FOLLOW_UP,
        contacted=True,
        satisfied=score > rules.dissatisfied_to,
        reason=f"自动语音回访：{score}分 (voice follow-up: {score} of 5)",
    )
