"""The marks that hide a caller (匿名, 保密), set however far the ticket is: only ever made stricter. Pure.

Whoever is named in a ticket may ask at any time that he be not (个人信息保护法 art. 15: consent may be withdrawn); a
ticket that is closed, archived or merged is still shown to people.
"""

from __future__ import annotations

from dataclasses import fields, replace

from tickets.texts import TicketRefused
from tickets.ticket import Ticket, TicketChange

MARKS = ("anonymous", "confidential")
"""The fields that hide the caller from whoever has no right to know him."""


def concealed(ticket: Ticket, wanted: TicketChange | None) -> Ticket:
    """The ticket with the marks of `wanted`, without it as an anonymous one. Raises `TicketRefused` (unknown_field)."""
    wanted = wanted or TicketChange(anonymous=True)
    for one in fields(wanted):
        if one.name not in MARKS and getattr(wanted, one.name) is not None:
            raise TicketRefused(
                "unknown_field", "This sets the marks that hide the caller, and nothing else.", one.name
            )
    after = replace(
        ticket,
        anonymous=ticket.anonymous or bool(wanted.anonymous),
        confidential=ticket.confidential or bool(wanted.confidential),
    )
    if after == ticket:
        raise TicketRefused("nothing_to_change", "The ticket is so already.")
    return after


def only_marks(change: TicketChange) -> TicketChange | None:
    """What of `change` hides the caller; None where nothing of it does."""
    found = TicketChange(anonymous=change.anonymous or None, confidential=change.confidential or None)
    return found if found != TicketChange() else None


def newly(before: Ticket, after: Ticket) -> dict[str, bool]:
    """The marks that `after` has and `before` had not."""
    return {one: True for one in MARKS if getattr(after, one) and not getattr(before, one)}
