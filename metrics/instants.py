"""The instants of one call: everything of which its figures are made, in one list. Pure.

A fold over the call's record, as the journal and the store hold it, and over what the agents did at it; the same for a
call that goes on and for one of a year ago. All are epoch seconds UTC of the exchange's clock, but for what an agent's
state says (rung, wrap-up), which is the controller's; None = has not happened, or nobody saw it.

| instant | when |
|---|---|
| `arrived_at` | the exchange has answered the call: it does so at once, before the first word, so menu and arrival begin together |
| `menu_done_at` | the last question of the menu is answered; None without a menu |
| `queued_at` | he joins a line |
| `offers` | each agent asked: `offered_at` decided, `rang_at` his phone rings, `ended_at` answered or not (`outcome`) |
| `joined_at` | the first talk begins |
| `holds` | each time on hold, from when to when, and by whom |
| `released_at` | the last agent has left |
| `wrap_ups` | each agent's after-call work, from when to when |
| `scored_at` | he has pressed how satisfied he is |
| `ended_at` | he is gone |
"""  # noqa: E501 - a table's row is a line

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metrics.intervals import AgentInterval
from pbx.call import CallRecord, HoldSpan, Outcome
from pbx.ids import AgentId, CallId, QueueId, TicketNumber


@dataclass(frozen=True, slots=True)
class OfferInstants:
    """One agent asked for one call; `rang_at` None where his phone never rang, or nobody noted it."""

    agent: AgentId
    offered_at: float
    rang_at: float | None
    ended_at: float | None
    outcome: str


@dataclass(slots=True)
class WrapUp:
    """One agent's after-call work; `ended_at` None = it goes on."""

    agent: AgentId
    began_at: float
    ended_at: float | None


@dataclass(slots=True)
class Instants:
    """One call. What is no instant is what its figures are sorted and counted by. Never changed (`AgentInterval`)."""

    call: CallId
    direction: str
    dialled: str
    caller: str
    queue: QueueId | None
    agent: AgentId | None
    ticket: TicketNumber | None
    in_net: bool
    outcome: Outcome | None
    score: int | None
    arrived_at: float
    menu_done_at: float | None = None
    queued_at: float | None = None
    offers: tuple[OfferInstants, ...] = ()
    joined_at: float | None = None
    holds: tuple[HoldSpan, ...] = ()
    released_at: float | None = None
    wrap_ups: tuple[WrapUp, ...] = ()
    scored_at: float | None = None
    ended_at: float | None = None


def instants_of(record: CallRecord, intervals: Iterable[AgentInterval] = ()) -> Instants:
    """The instants of a call; `intervals`: what agents did at it, of which others are left out."""
    mine = [one for one in intervals if one.call == record.call]
    return Instants(
        record.call,
        record.direction,
        record.dialled,
        record.caller,
        record.queue,
        record.agent,
        record.ticket,
        record.in_net,
        record.outcome,
        record.score,
        record.arrived_at,
        record.menu_done_at,
        record.queued_at,
        _offers(record, mine) if record.offers else (),
        record.joined_at,
        record.holds,
        record.released_at,
        tuple(WrapUp(one.agent, one.began_at, one.ended_at) for one in mine if one.state == "wrap_up"),
        record.scored_at,
        record.ended_at,
    )


def _offers(record: CallRecord, intervals: list[AgentInterval]) -> tuple[OfferInstants, ...]:
    rings = [one for one in intervals if one.state == "ringing"]
    found = []
    for offer in record.offers:
        until = offer.ended_at if offer.ended_at is not None else float("inf")
        rang = [one.began_at for one in rings if one.agent == offer.agent and offer.offered_at <= one.began_at <= until]
        found.append(
            OfferInstants(offer.agent, offer.offered_at, min(rang, default=None), offer.ended_at, offer.outcome)
        )
    return tuple(found)
