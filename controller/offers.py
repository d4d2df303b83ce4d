"""The line and the offers: who is rung for whom, and what becomes of it. Pure rules over the house.

The offer is the caller's own Dial (`asterisk.md` section 12): offer, time-out and result are one object, and an agent
stays reserved until `OfferFailed`, the end of the talk or the end of his leg. The talk is `talk.py`'s.
"""

from __future__ import annotations

from dataclasses import replace

from acd.line import Waiting
from acd.relax import next_change, requirement_at
from agents.moves import AgentInput
from controller import callbacks, desk, favours, held, notices, transfers, turned_away, waiting_words
from controller.house import CurrentOffer, House, LiveCall
from controller.plan import WAIT, QueuePlan
from metrics.story import waited_so_far
from pbx.call import CallInput, CallRecord, CallState, OfferRecord
from pbx.commands import Hold, Offer, Wake
from pbx.events import LegStarted, OfferFailed, TimeIsUp, TimerKind
from pbx.ids import AgentId, CallId, QueueId

ENGAGED = "ENGAGED"  #: the exchange's word for: his phone has a call already, so it was not rung
CANCELLED_BY_US = 16  #: Q.850 cause of a leg that we hung up while it rang (`asterisk.md` 12.5)


# ---------------------------------------------------------------- into the line


def queue_up(house: House, live: LiveCall, queue: QueueId, priority: int, at: float) -> None:
    """The caller joins the line of `queue`, unless it is full; he is offered or told to hold before the step ends."""
    if not house.move(live, CallInput.QUEUE):
        return
    place = favours.placing(house, live, queue, priority, at)
    plan = house.queue(place.queue)
    live.priority = place.priority
    if plan.when_full != WAIT and not place.favours and turned_away.full(house, live, plan):
        turned_away.refuse(house, live, plan, at)
        return
    live.only = place.only
    house.note(live, queue=place.queue, queued_at=at, menu_done_at=at, place_at=place.place_at, favours=place.favours)
    if live.only is not None:
        house.emit(Wake(TimerKind.KEPT, live.call, 0, at + house.queue(place.queue).last_agent_wait_s))
    stand_in_line(house, live)
    hold_or_offer(house, live)


def in_line_since(live: LiveCall, at: float) -> float:
    """Since when a caller for whom nobody ever chose a line has stood in one (epoch seconds), as is found out at `at`.

    Whom no controller has asked or told anything has waited since he arrived: the safety net has no menu. Who was in a
    menu, or has been called, or turned away, waits from `at` on.
    """
    served = live.position is not None or live.away or live.record.direction != "inbound"
    return at if served else min(live.record.arrived_at, at)


def stand_in_line(house: House, live: LiveCall) -> None:
    """Put a waiting call into the line at the place that its instants give it.

    Who never stood in one (the safety net had found him an agent) joins that of his number, or the first.
    """
    if live.record.queue is None:
        queue_id = house.number(live.record.dialled).direct or next(iter(house.plan.queues))
        house.note(live, queue=queue_id, queued_at=in_line_since(live, house.now))
    record = live.record
    queue = house.queue(record.queue or QueueId(""))
    queued_at = record.queued_at or record.arrived_at
    wanted = requirement_at(queue.requirement, queue.relax, house.now - queued_at)
    waiting = Waiting(
        live.call,
        queue.id,
        wanted,
        record.place_at or queued_at,
        house.priority(live),
        live.refused,
        queue.policy,
        queue.ageing_s,
        live.only,
        record.favours,
        _talked_s(record, house.now),
    )
    house.line.add(waiting)
    house.dirty = True
    _relax_later(house, live, queue, queued_at)
    waiting_words.schedule(house, live, queue, queued_at)


def _talked_s(record: CallRecord, now: float) -> float:
    """How much of the time since he joined the line a caller who comes back to it has talked, or was on hold."""
    had = waited_so_far(record, now) if record.joined_at is not None else None
    return max(now - record.queued_at - had, 0.0) if had is not None and record.queued_at is not None else 0.0


def _relax_later(house: House, live: LiveCall, queue: QueuePlan, queued_at: float) -> None:
    """Have the caller's requirement looked at again when the next step of his queue is due."""
    due = next_change(queue.relax, queued_at, house.now)
    if due is not None:
        house.emit(Wake(TimerKind.RELAX, live.call, 0, due))


def _relax(house: House, live: LiveCall) -> None:
    """A step of the caller's queue is due: from now on others will do as well. His place stays the same."""
    entry = house.line.get(live.call)
    if entry is None:
        return  # he is being offered, or talks; if he comes back, `stand_in_line` asks again
    queue = house.queue(entry.queue)
    queued_at = live.record.queued_at or entry.queued_at
    wanted = requirement_at(queue.requirement, queue.relax, house.now - queued_at)
    if wanted != entry.requirement:
        house.line.replace(replace(entry, requirement=wanted))
        house.dirty = True
    _relax_later(house, live, queue, queued_at)


def _keep_no_longer(house: House, live: LiveCall) -> None:
    """His last agent did not become free in time, or would not: anybody who fits will do."""
    live.only = None
    entry = house.line.get(live.call)
    if entry is not None and entry.only is not None:
        house.line.replace(replace(entry, only=None))
        house.dirty = True


def leave_line(house: House, live: LiveCall) -> None:
    """The caller waits no more."""
    house.line.remove(live.call)
    house.unheld.pop(live.call, None)


def hold_or_offer(house: House, live: LiveCall) -> None:
    """The caller in the line needs a command: an offer if an agent is free, else music; before the step ends."""
    house.unheld[live.call] = None
    house.dirty = True


def hold(house: House, live: LiveCall) -> None:
    """Let the caller wait under music."""
    house.unheld.pop(live.call, None)
    queue = house.queue(live.record.queue or QueueId(""))
    step = house.next_step(live)
    house.emit(Hold(live.call, live.channel, step, queue.music, live.mark(), leaves(live, step)))
    notices.held(house, live)


def leaves(live: LiveCall, step: int) -> bool:
    """Whether this step is the one that takes the caller out of the talk that he was transferred from."""
    if live.leaving is None or live.leaving.step:
        return False
    live.leaving.step = step
    return True


def distribute(house: House, now: float) -> None:
    """Give every waiting caller an agent who fits, in the line's order; those who get none are told to hold."""
    house.dirty = False
    for profile, agent in house.roster.changes():
        house.pool.know(agent.id, profile.skills)
        if agent.available:
            house.pool.put_agent(agent.id, agent.idle_since)
        else:
            house.pool.take_agent(agent.id)
    for found in house.pool.offers(now):  # both are out of the pool now
        request = house.callbacks.get(found.call)
        if request is not None:
            callbacks.matched(house, request, found, now)
            continue
        if not offer(house, house.calls[found.call], found.agent, found.reason, now):
            house.line.replace(found.caller)
    for call in list(house.unheld):
        if call in house.calls:
            hold(house, house.calls[call])
    house.unheld.clear()


def offer(house: House, live: LiveCall, agent: AgentId, reason: str, now: float) -> bool:
    """Offer a waiting caller to an agent. False when the agent cannot be kept for him."""
    if not desk.change(house, agent, AgentInput.RESERVE, now, call=live.call):
        return False
    ring(house, live, agent, reason, now)
    return True


def ring(house: House, live: LiveCall, agent: AgentId, reason: str, now: float) -> None:
    """Have the phone of an agent rung who is reserved for the call."""
    leave_line(house, live)
    house.move(live, CallInput.OFFER)
    close_offer(live, "lost", now)  # one of an earlier controller, whose end nobody saw
    queue = house.queue(live.record.queue or QueueId(""))
    house.note(live, offers=(*live.record.offers, OfferRecord(agent, now, reason)))
    step = house.next_step(live)
    live.offer = CurrentOffer(agent, step)
    from_talk = leaves(live, step)
    house.emit(Offer(live.call, live.channel, step, agent, queue.ring_s, queue.music, live.mark(), from_talk))


# ---------------------------------------------------------------- what becomes of an offer


def leg_started(house: House, event: LegStarted, now: float) -> None:
    """The exchange made the agent's leg: his phone rings from now on."""
    live = house.calls.get(event.call)
    if live is None or held.leg_started(house, live, event, now):
        return
    live.running = max(live.running, event.step)
    transfers.begun(house, live, event.step)
    given_up = live.state is CallState.WAITING and event.step >= live.oldest_news  # it has arrived all the same
    if not given_up and not _ours(live, event):
        return
    rings = desk.rings(house, event.agent, live.call, event.leg, now)
    if rings and given_up:
        leave_line(house, live)
        house.move(live, CallInput.OFFER)
    if rings or live.offer is not None:
        _offer_is(house, live, event)
        live.offer = CurrentOffer(event.agent, event.step, event.leg)


def offer_failed(house: House, event: OfferFailed, now: float) -> None:
    """No talk came of an offer: the caller stands in the line again and the next agent is rung in this very step."""
    live = house.calls.get(event.call)
    if live is None:
        return
    # He hung up as soon as he had answered: that is no answer, though the cause is the same as of our own hang-up.
    missed = event.status == "ANSWER" or (event.cause != CANCELLED_BY_US and event.status != ENGAGED)
    if live.state is CallState.TALKING and event.step >= live.running:
        talk_was_none(house, live, event.agent, now, missed=missed)
    elif _ours(live, event):
        _offer_is(house, live, event)
        take_back(house, live, event.status.lower(), now, missed=missed)
        transfers.failed(house, live, event.status.lower(), now)


def talk_was_none(house: House, live: LiveCall, agent: AgentId | None, now: float, *, missed: bool = True) -> None:
    """The agent was gone in the instant in which he answered: the caller stands in the line again, at his place."""
    live.talk_since = None
    live.legs.clear()
    live.in_bridge = False
    house.move(live, CallInput.OFFER_FAILED)
    if not (live.record.holds or live.record.transfers):  # else he has talked before, with whoever gave him away
        live.talks.clear()
        house.note(live, agent=None, joined_at=None)
    if agent is not None:
        desk.talk_was_none(house, agent, live.call, now, missed=missed)
        _refused(house, live, agent, now)
    stand_in_line(house, live)


def _ours(live: LiveCall, event: LegStarted | OfferFailed) -> bool:
    """Whether news of an offer belong to the one that is being made; one found after a restart has no agent yet."""
    if live.offer is None:
        return live.state is CallState.OFFERED and event.step >= live.oldest_news
    return event.step > live.offer.step or (event.step == live.offer.step and event.agent == live.offer.agent)


def _offer_is(house: House, live: LiveCall, event: LegStarted | OfferFailed) -> None:
    """The exchange names the offer that it makes; an agent whom we kept for an earlier one is free."""
    if live.offer is not None and live.offer.agent != event.agent:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, house.now, call=live.call)
    if live.offer is None or live.offer.step != event.step:
        live.offer = CurrentOffer(event.agent, event.step)


def take_back(
    house: House, live: LiveCall, outcome: str, now: float, *, missed: bool = False, refused: bool = False
) -> None:
    """End the current offer and put the caller back to his place in the line.

    `missed` = the agent's phone was rung and he did not take the call. He is not rung for this caller again for a
    while; `refused` = the same, but through no fault of his.
    """
    offer = live.offer
    if offer is None:
        return
    live.offer = None
    close_offer(live, outcome, now)
    cause = AgentInput.NO_ANSWER if missed else AgentInput.OFFER_FAILED
    desk.change(house, offer.agent, cause, now, call=live.call)
    if missed or refused:
        _refused(house, live, offer.agent, now)
    if house.move(live, CallInput.OFFER_FAILED):
        stand_in_line(house, live)
        notices.held(house, live)


def _refused(house: House, live: LiveCall, agent: AgentId, now: float) -> None:
    """Do not ring `agent` for this caller again before the queue's pause is over. Call it before `stand_in_line`.

    Only agents are rung from a line: the trunk or the department to whom he was given in vain is nobody to spare.
    """
    if house.agent(agent) is None:
        return
    live.refused |= {agent}
    if live.only == agent:
        live.only = None
    again_at = now + house.queue(live.record.queue or QueueId("")).retry_s
    house.emit(Wake(TimerKind.RETRY_OFFER, live.call, live.generation, again_at))


def close_offer(live: LiveCall, outcome: str, at: float) -> None:
    """Write into the record what became of its open offer, if it has one; it is stored with the next change."""
    offers = live.record.offers
    if offers and offers[-1].ended_at is None:
        live.record = replace(live.record, offers=(*offers[:-1], replace(offers[-1], outcome=outcome, ended_at=at)))


def time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    """A timer of a waiting call: ask the agents who did not answer again, or tell him his place."""
    live = house.calls.get(CallId(event.key))
    if live is None:
        return
    if event.kind is TimerKind.RETRY_OFFER:  # also while another agent is rung for him: there is no other timer
        live.refused = frozenset()
        entry = house.line.get(live.call)
        if entry is not None:
            house.line.replace(replace(entry, refused=live.refused))
            house.dirty = True
    elif event.kind is TimerKind.RELAX:
        _relax(house, live)
    elif event.kind is TimerKind.KEPT:
        _keep_no_longer(house, live)
    elif event.generation == live.generation and live.state is CallState.WAITING:
        waiting_words.speak(house, live, now)
