"""工单流转: an agent hands the matter of his caller over to a unit in one click, as a ticket. On disk.

The destination's configuration says to whom and how urgent it is at least, so nothing has to be chosen while somebody
is in danger (`domain.md` 3.5). One transaction: the call's ticket is opened if it is not yet, gets the agent's words,
and is with the unit: as the one that leads it, or beside the one that leads it already (110, then 120).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from pbx.commands import HandOverTicket
from tickets.given import Move
from tickets.moves import Actor, Role, TicketInput, TicketState
from tickets.sql import change_ticket, get_ticket, list_moves, move_ticket, open_ticket
from tickets.ticket import Ticket, TicketChange, TicketPolicy, TicketType, Urgency

NO_WORDS = "通话中流转, 诉求详见通话录音。 Handed over during the call; see its recording."
"""The text of a ticket for which nobody had the time to write one."""

REASON = "通话中一键流转 handed over during the call"
"""Why it is with the unit."""

_ORDER = {one: place for place, one in enumerate(Urgency)}
_GIVES = frozenset({TicketInput.REFER.value, TicketInput.ADD_UNIT.value})


def hand_over_ticket(connection: Connection, wish: HandOverTicket, policy: TicketPolicy) -> Ticket:
    """Do it, once however often it is ordered; gives the ticket as stored.

    Raises `TicketRefused` (nothing of the hand-over is written then), `CalendarError`.
    """
    asked = wish.opening
    number = open_ticket(connection, asked, policy)
    ticket = get_ticket(connection, number)
    assert ticket is not None
    desk = Actor(asked.agent, Role.SYSTEM)  # who asked for it, by the right that the configuration gives
    if any(
        one.cause in _GIVES and (one.actor, one.at, one.details.get("unit")) == (asked.agent, asked.at, wish.unit)
        for one in list_moves(connection, number)
    ):
        return ticket
    ticket = change_ticket(connection, number, _written(ticket, wish), Actor(asked.agent, Role.AGENT), asked.at, policy)
    if wish.unit in ticket.units:
        return ticket
    cause = TicketInput.REFER if ticket.state is TicketState.REGISTERED else TicketInput.ADD_UNIT
    return move_ticket(connection, number, Move(cause, unit=wish.unit, reason=REASON), desk, asked.at, policy)


def _written(ticket: Ticket, wish: HandOverTicket) -> TicketChange:
    """The agent's words; what is needed to register the ticket and is missing; never less urgent than it is."""
    words = wish.words
    values: dict[str, Any] = {
        name: value
        for name in ("type", "class_code", "title", "text", "address", "lat", "lon")
        if (value := getattr(words, name)) not in ("", None)
    }
    if ticket.type is None:
        values.setdefault("type", TicketType.HELP)
    if not ticket.text:
        values.setdefault("text", NO_WORDS)
    urgency = Urgency(wish.urgency)
    if _ORDER[urgency] > _ORDER[ticket.urgency]:
        values["urgency"] = urgency
    return TicketChange(**values)
