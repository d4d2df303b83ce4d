"""The line, the offers and the talk: who is rung for whom, and what becomes of it. Pure rules over the house.

The offer is the caller's own Dial (`asterisk.md` section 12): offer, time-out and result are one object, and an agent
stays reserved until `OfferFailed`, the end of the talk or the end of his leg.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from acd.line import Waiting
from acd.relax import next_change, requirement_at
from agents.moves import AgentInput
from controller import desk
from controller.house import CurrentOffer, House, LiveCall
from controller.plan import QueuePlan
from controller.recorded import finish_if_complete, reached
from ivr.prompts import Language, prompt_name, say_position, say_ticket
from pbx.call import CallInput, CallState, OfferRecord, Outcome
from pbx.commands import Announce, CancelOffer, HangUp, Hold, Offer, OpenTicket, PrepareEnd, Wake
from pbx.events import (
    CallEnded,
    CallScored,
    FellBack,
    LegEnded,
    LegStarted,
    NetTalkEnded,
    OfferFailed,
    PartyJoined,
    PartyLeft,
    Role,
    StepStarted,
    TalkEnded,
    TicketOpened,
    TimeIsUp,
    TimerKind,
)
from pbx.ids import AgentId, CallId, QueueId
from recordings.policy import Milestone

log = logging.getLogger(__name__)

CANCELLED_BY_US = 16  #: Q.850 cause of a leg that we hung up while it rang (`asterisk.md` 12.5)


# ---------------------------------------------------------------- into the line


def queue_up(house: House, live: LiveCall, queue: QueueId, priority: int, at: float) -> None:
    """The caller joins the line of `queue`; he is offered or told to hold before the step ends."""
    if not house.move(live, CallInput.QUEUE):
        return
    live.priority = priority
    house.note(live, queue=house.queue(queue).id, queued_at=at, menu_done_at=at)
    stand_in_line(house, live)
    hold_or_offer(house, live)


def stand_in_line(house: House, live: LiveCall) -> None:
    """Put a waiting call into the line at the place that its instants give it."""
    record = live.record
    queue = house.queue(record.queue or QueueId(""))
    queued_at = record.queued_at or record.arrived_at
    wanted = requirement_at(queue.requirement, queue.relax, house.now - queued_at)
    waiting = Waiting(live.call, queue.id, wanted, queued_at, live.priority, live.refused, queue.policy, queue.ageing_s)
    house.line.add(waiting)
    house.dirty = True
    _relax_later(house, live, queue, queued_at)
    if queue.announce_first_s > 0:
        live.announce_at = live.announce_at or queued_at + queue.announce_first_s
        _wake(house, live, TimerKind.ANNOUNCE, live.announce_at)


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
    wanted = requirement_at(queue.requirement, queue.relax, house.now - entry.queued_at)
    if wanted != entry.requirement:
        house.line.replace(replace(entry, requirement=wanted))
        house.dirty = True
    _relax_later(house, live, queue, entry.queued_at)


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
    house.emit(Hold(live.call, live.channel, house.next_step(live), queue.music, live.mark()))


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
        if not _offer(house, house.calls[found.call], found.agent, found.reason, now):
            house.line.replace(found.caller)
    for call in list(house.unheld):
        if call in house.calls:
            hold(house, house.calls[call])
    house.unheld.clear()


def _offer(house: House, live: LiveCall, agent: AgentId, reason: str, now: float) -> bool:
    if not desk.change(house, agent, AgentInput.RESERVE, now, call=live.call):
        return False
    leave_line(house, live)
    house.move(live, CallInput.OFFER)
    close_offer(live, "lost", now)  # one of an earlier controller, whose end nobody saw
    queue = house.queue(live.record.queue or QueueId(""))
    house.note(live, offers=(*live.record.offers, OfferRecord(agent, now, reason)))
    step = house.next_step(live)
    live.offer = CurrentOffer(agent, step)
    house.emit(Offer(live.call, live.channel, step, agent, queue.ring_s, queue.music, live.mark()))
    return True


# ---------------------------------------------------------------- what becomes of an offer


def leg_started(house: House, event: LegStarted, now: float) -> None:
    """The exchange made the agent's leg: his phone rings from now on."""
    live = house.calls.get(event.call)
    if live is None:
        return
    live.running = max(live.running, event.step)
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
    missed = event.cause != CANCELLED_BY_US or event.status == "ANSWER"
    if live.state is CallState.TALKING and event.step >= live.running:
        talk_was_none(house, live, event.agent, now, missed=missed)
    elif _ours(live, event):
        _offer_is(house, live, event)
        take_back(house, live, event.status.lower(), now, missed=missed)


def talk_was_none(house: House, live: LiveCall, agent: AgentId | None, now: float, *, missed: bool = True) -> None:
    """The agent was gone in the instant in which he answered: the caller stands in the line again, at his place."""
    live.talk_since = None
    live.talks.clear()
    live.legs.clear()
    live.in_bridge = False
    house.move(live, CallInput.OFFER_FAILED)
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


def _refused(house: House, live: LiveCall, agent: AgentId, now: float) -> None:
    """Do not ring `agent` for this caller again before the queue's pause is over. Call it before `stand_in_line`."""
    live.refused |= {agent}
    _wake(house, live, TimerKind.RETRY_OFFER, now + house.queue(live.record.queue or QueueId("")).retry_s)


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
    elif event.generation == live.generation and live.state is CallState.WAITING:
        language = _spoken(live)
        prompts = tuple(
            prompt_name(language, piece) for piece in say_position(house.line.ahead_of(live.call), language)
        )
        house.emit(Announce(live.call, live.channel, prompts))
        queue = house.queue(live.record.queue or QueueId(""))
        live.announce_at = now + queue.announce_every_s
        _wake(house, live, TimerKind.ANNOUNCE, live.announce_at)


def _wake(house: House, live: LiveCall, kind: TimerKind, at: float) -> None:
    if kind is TimerKind.ANNOUNCE:
        live.generation += 1
    house.emit(Wake(kind, live.call, live.generation, at))


# ---------------------------------------------------------------- the talk


def party_joined(house: House, event: PartyJoined, now: float) -> None:
    """A leg entered the bridge; the talk begins when the caller and somebody else are both in it."""
    live = house.calls.get(event.call)
    if live is None:
        return
    if event.role is Role.CALLER:
        live.in_bridge = True
    else:
        live.legs[event.channel] = event.agent
    if not live.in_bridge or not live.legs:
        return
    if live.state is not CallState.TALKING:
        channel, agent = next(reversed(live.legs.items()))
        if talk_begins(house, live, agent, event.at) and agent is not None:
            desk.joined(house, agent, live.call, channel, now)
        return
    live.talk_since = live.talk_since or event.at
    if event.role is not Role.CALLER and event.agent is not None:
        house.move(live, CallInput.JOIN)
        desk.joined(house, event.agent, live.call, event.channel, now)


def talk_begins(house: House, live: LiveCall, agent: AgentId | None, at: float) -> bool:
    """The caller is joined with an agent: a ticket is opened, and what he hears afterwards is prepared.

    False when the table has no such move: the talk is over already. A caller whom nobody had been offered was in the
    net without our knowing it.
    """
    if live.state in (CallState.ARRIVED, CallState.ASKING, CallState.PLAYING, CallState.WAITING):
        house.move(live, CallInput.FALL_BACK)
    from_net = live.state is CallState.NET
    if not house.move(live, CallInput.JOIN):
        return False
    leave_line(house, live)
    if live.offer is not None and live.offer.agent != agent:  # an earlier offer was answered, this one is overtaken
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, house.now, call=live.call)
    live.offer = None
    live.talk_since = at
    close_offer(live, "answered", at)
    record = live.record
    house.note(live, agent=agent, joined_at=record.joined_at or at, in_net=record.in_net or from_net)
    reached(house, live, Milestone.TALK_BEGAN, at)
    prepare_end(house, live)
    _ask_ticket(house, live, agent, at)
    return True


def _ask_ticket(house: House, live: LiveCall, agent: AgentId | None, at: float) -> None:
    record = live.record
    if not live.ticket_asked and record.ticket is None and agent is not None:
        live.ticket_asked = True
        queue = str(record.queue or "")
        house.emit(OpenTicket(live.call, record.caller, record.dialled, record.language, queue, agent, at))


def prepare_end(house: House, live: LiveCall) -> None:
    """Write what the caller hears after the agent has left into his channel, so that it needs no controller."""
    plan, language, ticket = house.plan, _spoken(live), live.record.ticket

    def names(*pieces: str) -> tuple[str, ...]:
        return tuple(prompt_name(language, piece) for piece in pieces)

    spoken: tuple[str, ...] = ()
    if ticket and plan.read_ticket:
        spoken = names(*say_ticket(ticket, language, yao=plan.yao, repeat=plan.read_ticket_twice))
    survey = names("survey") if plan.survey else ()
    again = names("survey-again") if plan.survey else ()
    house.emit(PrepareEnd(live.call, live.channel, spoken, survey, again, names("thanks")))


def party_left(house: House, event: PartyLeft, now: float) -> None:
    """A leg left the bridge; the talk's span ends with the last one who talked with the caller."""
    live = house.calls.get(event.call)
    if live is None:
        return
    if event.role is Role.CALLER:
        live.in_bridge = False
    else:
        live.legs.pop(event.channel, None)
    if not live.in_bridge or not live.legs:
        span_ends(live, event.at)


def step_started(house: House, event: StepStarted, now: float) -> None:
    """The exchange runs a command. One that was on its way when somebody answered has cut the talk: wait again.

    It happens only when the exchange's words come later than the door waits for them (`asterisk.md` 10.2.6).
    """
    live = house.calls.get(event.call)
    if live is None:
        return
    if event.step == live.step:
        live.lost = 0
        live.asked_at = event.at
    newly = event.step > live.running
    live.running = max(live.running, event.step)
    if newly and live.state is CallState.SURVEY:
        house.emit(HangUp(live.call, live.channel))  # he has been served, and nobody would come for him
    elif live.offer is not None and live.offer.step < event.step:
        take_back(house, live, "lost", now)
    elif newly and live.state is CallState.TALKING:
        span_ends(live, event.at)
        live.legs.clear()
        live.in_bridge = False
        house.move(live, CallInput.OFFER_FAILED)
        stand_in_line(house, live)
        hold_or_offer(house, live)


def span_ends(live: LiveCall, at: float) -> None:
    """Caller and agent talk no more: keep from when to when they did."""
    if live.talk_since is not None:
        live.talks.append((live.talk_since, at))
        live.talk_since = None


def talk_ended(house: House, event: TalkEnded | NetTalkEnded, now: float) -> None:
    """The last one who talked with him has left: the caller is now in the survey, which needs no controller."""
    live = house.calls.get(event.call)
    if live is None or (isinstance(event, TalkEnded) and event.step < live.running):
        return
    from_net = live.state is CallState.NET
    if not house.move(live, CallInput.AGENT_LEFT):
        return
    span_ends(live, event.at)
    if live.record.joined_at is None:  # so short a talk that its beginning was not seen, or nobody of us was there
        joined_at = event.at - (event.talk_s if isinstance(event, TalkEnded) else 0.0)
        agent = event.agent or (live.offer.agent if live.offer is not None else None)
        live.talks.append((joined_at, event.at))
        close_offer(live, "answered", event.at)
        house.note(live, agent=agent, joined_at=joined_at, in_net=live.record.in_net or from_net)
        _ask_ticket(house, live, agent, event.at)
    if live.offer is not None:
        talked = live.offer.agent == event.agent
        cause = AgentInput.RELEASE if talked else AgentInput.OFFER_FAILED
        desk.change(house, live.offer.agent, cause, now, call=live.call)
        live.offer = None
    house.note(live, released_at=event.at)


def leg_ended(house: House, event: LegEnded, now: float) -> None:
    """An agent's leg is gone: wrap-up after a talk; of an offer the reason comes with `OfferFailed`."""
    live = house.calls.get(event.call)
    if live is not None:
        live.legs.pop(event.leg, None)
    offer = live.offer if live is not None else None
    if offer is not None and offer.agent == event.agent:
        offer.leg_ended = offer.leg == event.leg  # else it is the leg of an earlier offer to him
        return
    if event.agent is not None:
        desk.leg_gone(house, event.agent, event.call, now, leg=event.leg)
    if live is not None and live.state is CallState.NET and not live.in_bridge:
        reclaim(house, live, event.at)  # the net's ringing, which we had left alone, came to nothing


def ticket_opened(house: House, event: TicketOpened, now: float) -> None:
    """The store promises the ticket's number: it may be told to the caller."""
    live = house.calls.get(event.call)
    if live is None:
        return
    house.note(live, ticket=event.ticket)
    if live.state in (CallState.TALKING, CallState.SURVEY):
        prepare_end(house, live)


def scored(house: House, event: CallScored, now: float) -> None:
    """The caller said how satisfied he is."""
    live = house.calls.get(event.call)
    if live is not None and event.score is not None:
        house.note(live, score=event.score)


# ---------------------------------------------------------------- the safety net, and the end


def fell_back(house: House, event: FellBack, now: float) -> None:
    """The caller had no heartbeat and went to the net; we are here, so he gets his place back at once."""
    live = house.calls.get(event.call)
    if live is None or event.step < live.oldest_news:  # a newer command is on its way and fetches him by itself
        return
    if not house.move(live, CallInput.FALL_BACK):
        return
    left_notice(house, live, event.step, event.at)
    live.step = max(live.step, event.step)
    live.lost = 0
    leave_line(house, live)
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now, call=live.call)
        close_offer(live, "net", event.at)
        live.offer = None
    reclaim(house, live, event.at)


def left_notice(house: House, live: LiveCall, step: int, at: float) -> None:
    """A caller in the net who runs our newest step has left the notice behind, if that step played it."""
    if live.notice_playing and 0 < live.step <= step:
        reached(house, live, Milestone.CONSENT_CUT, at)


def reclaim(house: House, live: LiveCall, at: float) -> None:
    """Take a caller back from the safety net: into the line where he stood, or into the default queue's."""
    if not house.move(live, CallInput.RECLAIM):
        return
    if live.record.queue is None:
        number = house.number(live.record.dialled)
        queue = number.direct or next(iter(house.plan.queues))
        house.note(live, queue=queue, queued_at=at, menu_done_at=at, in_net=True)
    else:
        house.note(live, in_net=True)
    stand_in_line(house, live)
    hold_or_offer(house, live)


def call_ended(house: House, event: CallEnded, now: float, *, unseen: bool = False) -> None:
    """The caller is gone, wherever he was. Nobody is rung for him any more, and his agent is free again.

    `unseen` = he went while the connection to the exchange was lost.
    """
    live = house.calls.pop(event.call, None)
    if live is None:
        return
    house.move(live, CallInput.END)
    leave_line(house, live)
    house.dirty = True
    span_ends(live, event.at)
    close_offer(live, "caller_gone", event.at)
    if live.offer is not None and (unseen or live.offer.leg is None or live.offer.leg_ended):
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now, call=live.call)
        # else the exchange is cancelling his ringing phone; `LegEnded` sets him free when it has stopped
    for leg, agent in live.legs.items():
        if len(live.legs) > 1 or agent != live.record.agent:
            # A three-way talk whose citizen has left: the others are not left to each other, nor one to nobody.
            house.emit(CancelOffer(live.call, leg))
    released = live.record.released_at
    if released is None and live.record.joined_at is not None:
        released = live.talks[-1][1] if live.talks else event.at
    house.note(live, ended_at=event.at, released_at=released, outcome=outcome_of(live, unseen=unseen))
    finish_if_complete(house, live)


def outcome_of(live: LiveCall, *, unseen: bool = False) -> Outcome:
    """How an ended call counts; `unseen` = it ended while no controller watched."""
    record = live.record
    if record.joined_at is not None:
        return Outcome.ANSWERED
    if record.outcome is not None and record.queued_at is None:
        return record.outcome  # closed: decided when he arrived
    if unseen:
        return Outcome.FAILED
    return Outcome.ABANDONED if record.queued_at is not None else Outcome.LEFT_MENU


def _spoken(live: LiveCall) -> Language:
    return "en" if live.record.language == "en" else "zh"
