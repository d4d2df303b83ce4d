"""When a call kept which agent busy, as its record tells it: rung, asked, talking, writing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from metrics.story import GIVEN, agent_in, left_on_hold, taken_by_net, talks_without_offer
from pbx.call import CallRecord, OfferRecord
from pbx.ids import AgentId

Span = tuple[AgentId, float, float]
"""An agent, and from when to when, epoch seconds."""

_NOBODY = AgentId("")


def spans(record: CallRecord, wrap_up_s: Callable[[CallRecord, AgentId], float]) -> Iterator[Span]:
    """Who was busy with the call, and when; spans of one agent may overlap. `wrap_up_s`: how long a talker then wrote.

    Somebody outside is no agent. What has no end in the record is left out. A third party is busy to the end of the
    call: the record does not tell when he left.
    """
    over = record.released_at if record.released_at is not None else record.ended_at
    for offer in record.offers:
        rung = _agent(offer)
        if rung and offer.ended_at is not None:
            yield rung, offer.offered_at, offer.ended_at
    if record.placed_by is not None and over is not None:  # his own phone rings first
        yield record.placed_by, record.arrived_at, record.joined_at if record.joined_at is not None else over
    for one in record.transfers:
        asked = AgentId(agent_in(one.target)) if one.way in ("attended", "three_way") else _NOBODY
        until = over if one.outcome == "joined" else one.ended_at
        if asked and until is not None:
            yield asked, one.asked_at, until
    turns = sorted(_turns(record), key=lambda turn: (turn[0], bool(turn[1])))
    for index, (at, agent) in enumerate(turns):
        until = turns[index + 1][0] if index + 1 < len(turns) else over
        if agent and until is not None:
            yield agent, at, until + wrap_up_s(record, agent)


def _turns(record: CallRecord) -> Iterator[tuple[float, AgentId]]:
    """From when on the caller talks with which agent; with nobody of ours (empty) when he is given away or waits."""
    first = talks_without_offer(record)
    if first is not None and record.joined_at is not None:
        yield record.joined_at, AgentId(first)
    for offer in record.offers:
        if not offer.reason.startswith(GIVEN):  # else the talk goes on where the transfer was lost, and is below
            yield offer.offered_at, _NOBODY
        if offer.outcome == "answered" and offer.ended_at is not None and not taken_by_net(record, offer):
            yield offer.ended_at, _agent(offer)
    for hold in record.holds:
        if hold.ended_at is not None and left_on_hold(record, hold.ended_at):
            yield hold.ended_at, _NOBODY
    for one in record.transfers:
        if one.way == "attended" and one.outcome == "done" and one.ended_at is not None:
            yield one.ended_at, AgentId(agent_in(one.target))
        elif one.way == "blind" and not (one.outcome == "failed" and one.detail == "lost"):
            yield one.asked_at, _NOBODY


def _agent(offer: OfferRecord) -> AgentId:
    """Whose phone was rung; empty for an extension or a number outside to whom an agent gave the caller."""
    if offer.reason.startswith(GIVEN):
        return AgentId(agent_in(offer.reason.removeprefix(GIVEN)))
    return offer.agent
