"""Blind transfer, third parties, hand-over to other services, and what an agent may do to the sound of a talk. Pure.

A transfer is the caller's own Dial, like an offer; the one who takes him is reserved like for one. When nobody answers
the caller is under music in the same instant and stands in the line at his old place, so he is never lost; by the
policy `transfer_failed` the one who gave him away is rung first.
"""

from __future__ import annotations

from dataclasses import replace

from agents.moves import AgentInput, AgentState
from controller import desk, held, offers
from controller.house import CurrentOffer, House, Leaving, LiveCall
from controller.targets import BLIND, THREE_WAY, TICKET, TRANSFER, Target, party, resolve
from pbx.call import CallInput, CallState, OfferRecord, TransferRecord
from pbx.commands import AddParty, CancelOffer, DropParty, HandOverTicket, Mute, Offer, OpenTicket, Reply, SendDigits
from pbx.events import (
    DigitsAsked,
    HandOverAsked,
    LegEnded,
    MuteAsked,
    TargetKind,
    ThirdPartyAsked,
    ThirdPartyDropped,
    TicketHandedOver,
    TransferAsked,
)
from pbx.ids import AgentId, QueueId

# ---------------------------------------------------------------- blind transfer


def transfer_asked(house: House, event: TransferAsked, now: float) -> None:
    """盲转: to an agent, a line, an extension, a destination or a number outside."""
    live = held.own_call(house, event.agent)
    code = live if isinstance(live, str) else _transfer(house, live, event.agent, event.kind, event.target, now)
    held.answer(house, event.request, code)


def _transfer(house: House, live: LiveCall, agent: AgentId, kind: TargetKind, wanted: str, now: float) -> str:
    code = _free_to_go(live, agent)
    if code:
        return code
    target = resolve(house, live, kind, wanted, TRANSFER)
    if isinstance(target, str):
        return target
    if target.agent == agent:
        return "unknown_party"
    if target.agent is not None and not desk.change(house, target.agent, AgentInput.RESERVE, now, call=live.call):
        return "party_not_ready"
    if live.state is CallState.TALKING:
        live.leaving = Leaving(0, agent, tuple(live.legs))
    live.given_by = agent
    asked = TransferRecord(agent, BLIND, target.name, now)
    house.note(live, transfers=(*live.record.transfers, asked))
    if live.state is CallState.HELD:
        held.release(house, live, now)
        live.holding = None
    held.drop_thirds(house, live)
    if target.queue is not None:
        _to_queue(house, live, target.queue, now)
    else:
        _to_phone(house, live, target, now)
    return ""


def _free_to_go(live: LiveCall, agent: AgentId) -> str:
    """Why this agent cannot give this call away now; empty when he can."""
    if live.state is CallState.HELD:
        holding = live.holding
        if holding is None or holding.agent != agent:
            return "not_holding"
        return "already_joining" if holding.joining is not None or not holding.begun else ""
    if live.state is not CallState.TALKING or held.his_leg(live, agent) is None or not live.in_bridge:
        return "not_talking"
    return "in_conference" if len(live.legs) > 1 else ""


def _to_queue(house: House, live: LiveCall, queue: QueueId, now: float) -> None:
    """Into another line, with the wait that he has behind him: his place is that of his first arrival."""
    house.move(live, CallInput.QUEUE)
    live.refused = frozenset()
    house.note(live, queue=queue, queued_at=live.record.queued_at or now)
    live.given_by = None  # whoever is free takes him: nobody is to answer in the giver's stead
    if live.leaving is None:
        _over(house, live, "done", "", now)
    offers.stand_in_line(house, live)
    offers.hold_or_offer(house, live)


def _to_phone(house: House, live: LiveCall, target: Target, now: float) -> None:
    house.move(live, CallInput.OFFER)
    offers.close_offer(live, "lost", now)
    house.note(live, offers=(*live.record.offers, OfferRecord(target.endpoint, now, f"transfer to {target.name}")))
    step = house.next_step(live)
    music = house.queue(live.record.queue or QueueId("")).music
    live.offer = CurrentOffer(target.endpoint, step)
    ring_s = house.plan.transfer_ring_s
    offer = Offer(live.call, live.channel, step, target.endpoint, ring_s, music, live.mark())
    from_talk = offers.leaves(live, step)
    house.emit(replace(offer, from_talk=from_talk, number=target.number, caller_id=target.caller_id))


def begun(house: House, live: LiveCall, step: int) -> None:
    """The exchange has taken the caller out of the talk: whoever is left there is let go."""
    leaving = live.leaving
    if leaving is None or not 0 < leaving.step <= step:
        return
    live.leaving = None
    for leg in leaving.legs:
        house.emit(CancelOffer(live.call, leg))
        live.legs.pop(leg, None)
    live.in_bridge = False
    if live.given_by is None:  # into a line: he is there
        _over(house, live, "done", "", house.now)


def undo(house: House, live: LiveCall, at: float) -> None:
    """The command was lost before it reached the talk: the talk goes on, and nobody is kept for the caller."""
    leaving, live.leaving = live.leaving, None
    if leaving is None:
        return
    live.given_by = None
    offers.leave_line(house, live)
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, house.now, call=live.call)
        offers.close_offer(live, "lost", at)
        live.offer = None
    live.state = CallState.TALKING  # where he is; no move of the table leads back, since none was made
    _over(house, live, "failed", "lost", at)


def answered(house: House, live: LiveCall, at: float) -> None:
    """Somebody talks with the caller again."""
    if live.given_by is not None:
        live.given_by = None
        _over(house, live, "done", "", at)


def failed(house: House, live: LiveCall, outcome: str, now: float) -> None:
    """The one who should take the caller did not; he stands in the line. The giver is rung first, by policy."""
    giver, live.given_by = live.given_by, None
    if giver is None:
        return
    _over(house, live, "failed", outcome, now)
    if house.plan.transfer_failed != "agent" or live.state is not CallState.WAITING:
        return
    known = house.agent(giver)
    if known is not None and known.state is AgentState.WRAP_UP and known.call == live.call and known.wanted is None:
        desk.change(house, giver, AgentInput.WRAP_UP_OVER, now)
    known = house.agent(giver)
    if known is not None and known.available:
        house.pool.take_agent(giver)
        offers.offer(house, live, giver, "returned: the transfer was not answered", now)


def _over(house: House, live: LiveCall, outcome: str, detail: str, at: float) -> None:
    """Close the newest blind transfer in the record."""
    for one in reversed(live.record.transfers):
        if one.way == BLIND and one.outcome == "asked":
            held.mark_transfer(house, live, BLIND, one.target, outcome, detail, at)
            return


# ---------------------------------------------------------------- third parties


def third_party_asked(house: House, event: ThirdPartyAsked, now: float) -> None:
    """三方通话: ring an extension, a destination or a ready agent, and let it join the talk."""
    live = held.own_call(house, event.agent)
    code = live if isinstance(live, str) else _invite(house, live, event.agent, event.endpoint, now)
    held.answer(house, event.request, code)


def _invite(house: House, live: LiveCall, agent: AgentId, endpoint: AgentId, now: float) -> str:
    if live.state is not CallState.TALKING:
        return "not_talking"
    if endpoint == agent:
        return "unknown_party"
    target = party(house, live, endpoint)
    if isinstance(target, str):
        return "party_already_there" if endpoint in live.thirds or endpoint in live.legs.values() else target
    if target.endpoint in live.thirds or target.endpoint in live.legs.values():
        return "party_already_there"
    if target.agent is not None and not desk.change(house, target.agent, AgentInput.RESERVE, now, call=live.call):
        return "party_not_ready"
    live.thirds[target.endpoint] = target.name
    asked = TransferRecord(agent, THREE_WAY, target.name, now)
    house.note(live, transfers=(*live.record.transfers, asked))
    ring_s = house.plan.third_party_ring_s
    house.emit(AddParty(live.call, live.channel, target.endpoint, ring_s, target.number, target.caller_id))
    return ""


def third_joined(house: House, live: LiveCall, endpoint: AgentId, at: float) -> None:
    """A third party is in the talk."""
    name = live.thirds.pop(endpoint, None)
    if name is not None:
        held.mark_transfer(house, live, THREE_WAY, name, "joined", "", at)


def third_ended(house: House, live: LiveCall, event: LegEnded) -> None:
    """A third party's phone was not answered, or it has left the talk."""
    if event.agent is None:
        return
    name = live.thirds.pop(event.agent, None)
    if name is not None:
        held.mark_transfer(house, live, THREE_WAY, name, "failed", str(event.cause), event.at)


def third_party_dropped(house: House, event: ThirdPartyDropped, now: float) -> None:
    """The agent wants a third party out of the talk, or not to be rung any more."""
    live = held.own_call(house, event.agent)
    held.answer(house, event.request, live if isinstance(live, str) else _drop(house, live, event, now))


def _drop(house: House, live: LiveCall, event: ThirdPartyDropped, now: float) -> str:
    endpoint = event.endpoint
    known = house.plan.destinations.get(endpoint)
    if known is not None:
        endpoint = known.extension or AgentId(house.plan.outbound.trunk)
    name = live.thirds.pop(endpoint, None)
    if name is not None:
        house.emit(DropParty(live.call, endpoint))
        held.mark_transfer(house, live, THREE_WAY, name, "cancelled", "", now)
        return ""
    leg = held.his_leg(live, endpoint)
    if leg is None or endpoint == event.agent:
        return "party_not_there"
    house.emit(CancelOffer(live.call, leg))
    return ""


# ---------------------------------------------------------------- 110, 119, 120, 122, units, the provincial platform


def hand_over_asked(house: House, event: HandOverAsked, now: float) -> None:
    """一键转接, 三方通话 or 工单流转 to a destination of the configuration."""
    live = held.own_call(house, event.agent)
    code = live if isinstance(live, str) else _hand_over(house, live, event, now)
    if code is None:
        return
    ways = house.plan.destinations[event.destination].ways if code == "way_not_allowed" else ()
    held.answer(house, event.request, code, (("allowed", ",".join(sorted(ways))),) if ways else ())


def _hand_over(house: House, live: LiveCall, event: HandOverAsked, now: float) -> str | None:
    """Empty, or why not; None where the answer comes once the store has the ticket."""
    known = house.plan.destinations.get(event.destination)
    if known is None:
        return "unknown_destination"
    if event.way not in known.ways:
        return "way_not_allowed"
    if event.way == TRANSFER:
        return _transfer(house, live, event.agent, TargetKind.DESTINATION, event.destination, now)
    if event.way == THREE_WAY:
        return _invite(house, live, event.agent, AgentId(event.destination), now)
    if not known.unit:
        return "way_not_allowed"
    record = live.record
    queue = str(record.queue or "")
    opening = OpenTicket(live.call, record.caller, record.dialled, record.language, queue, event.agent, now)
    house.emit(HandOverTicket(opening, known.id, known.unit, known.urgency, event.words, event.request))
    return None


def ticket_handed_over(house: House, event: TicketHandedOver, now: float) -> None:
    """The store says that the ticket is with the unit, or why not: the agent is answered, with its number."""
    live = house.calls.get(event.call)
    if live is not None:
        target, outcome = f"destination:{event.destination}", "failed" if event.code else "done"
        over = TransferRecord(event.agent, TICKET, target, event.at, outcome, event.code, event.at)
        house.note(live, transfers=(*live.record.transfers, over))
    number = (("ticket", str(event.ticket)),) if event.ticket is not None else ()
    house.emit(Reply(event.request, not event.code, event.code, number))


# ---------------------------------------------------------------- sound


def mute_asked(house: House, event: MuteAsked, now: float) -> None:
    """静音: what comes from the agent's phone is not heard by anybody, or heard again."""
    live = held.own_call(house, event.agent)
    if isinstance(live, str):
        held.answer(house, event.request, live)
        return
    leg = live.holding.leg if live.holding is not None else held.his_leg(live, event.agent)
    if leg is not None:
        house.emit(Mute(live.call, leg, event.on))
        _note_mute(house, live, event.on, now)
    held.answer(house, event.request, "" if leg is not None else "not_talking")


def _note_mute(house: House, live: LiveCall, on: bool, now: float) -> None:
    """For the check of the recording, which else would ask why the agent is not heard; also after a restart."""
    mutes = live.record.mutes
    silent = bool(mutes) and not mutes[-1][1]
    if on and not silent:
        house.note(live, mutes=(*mutes, (now, 0.0)))
    elif silent and not on:
        house.note(live, mutes=(*mutes[:-1], (mutes[-1][0], now)))


def digits_asked(house: House, event: DigitsAsked, now: float) -> None:
    """按键: towards the one whom the agent is asking, a third party in the talk, or the caller."""
    live = held.own_call(house, event.agent)
    if isinstance(live, str):
        held.answer(house, event.request, live)
        return
    channel = live.channel
    if live.state is CallState.HELD:
        if live.consult is None or not live.consult.up or live.consult.leg is None:
            held.answer(house, event.request, "not_talking")
            return
        channel = live.consult.leg
    else:
        others = [leg for leg, whose in live.legs.items() if whose != event.agent]
        channel = others[-1] if others else channel
    house.emit(SendDigits(live.call, channel, event.digits))
    held.answer(house, event.request, "")
