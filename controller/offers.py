"""The line, the offers and the talk: who is rung for whom, and what becomes of it. Pure rules over the house.

The offer is the caller's own Dial (`asterisk.md` section 12): offer, time-out and result are one object, and an agent
stays reserved until `OfferFailed`, the end of the talk or the end of his leg.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from acd.line import Waiting
from acd.router import Candidate, match
from agents.moves import AgentInput
from controller import desk
from controller.house import CurrentOffer, House, LiveCall
from controller.recorded import finish_if_complete, reached
from ivr.prompts import Language, prompt_name, say_position, say_ticket
from pbx.call import CallInput, CallState, OfferRecord, Outcome
from pbx.commands import Announce, CancelOffer, Hold, Offer, OpenTicket, PrepareEnd, Wake
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
    house.unheld[live.call] = None


def stand_in_line(house: House, live: LiveCall) -> None:
    """Put a waiting call into the line at the place that its instants give it."""
    record = live.record
    queue = house.queue(record.queue or QueueId(""))
    queued_at = record.queued_at or record.arrived_at
    house.line.add(Waiting(live.call, queue.id, queue.requirement, queued_at, live.priority, live.refused))
    house.dirty = True
    if queue.announce_first_s > 0:
        _wake(house, live, TimerKind.ANNOUNCE, queued_at + queue.announce_first_s)


def hold(house: House, live: LiveCall) -> None:
    """Let the caller wait under music."""
    live.held = True
    house.unheld.pop(live.call, None)
    queue = house.queue(live.record.queue or QueueId(""))
    house.emit(Hold(live.call, live.channel, house.next_step(live), queue.music, live.mark()))


def distribute(house: House, now: float) -> None:
    """Give every waiting caller an agent who fits, in the line's order; those who get none are told to hold."""
    house.dirty = False
    ready = [
        Candidate(agent.id, profile.skills, agent.idle_since) for profile, agent in house.roster.ready_candidates()
    ]
    for found in match(house.line, ready, now=now):
        _offer(house, house.calls[found.call], found.agent, found.reason, now)
    for call in list(house.unheld):
        if call in house.calls:
            hold(house, house.calls[call])
    house.unheld.clear()


def _offer(house: House, live: LiveCall, agent: AgentId, reason: str, now: float) -> None:
    if not desk.change(house, agent, AgentInput.RESERVE, now, call=live.call):
        return
    house.line.remove(live.call)
    house.unheld.pop(live.call, None)
    house.move(live, CallInput.OFFER)
    live.offer = CurrentOffer(agent)
    live.held = True  # p-dial plays the line's music and falls back to the line by itself
    queue = house.queue(live.record.queue or QueueId(""))
    house.note(live, offers=(*live.record.offers, OfferRecord(agent, now, reason)))
    step = house.next_step(live)
    house.emit(Offer(live.call, live.channel, step, agent, queue.ring_s, queue.music, live.mark()))


# ---------------------------------------------------------------- what becomes of an offer


def leg_started(house: House, event: LegStarted, now: float) -> None:
    """The exchange made the agent's leg: his phone rings from now on."""
    live = house.calls.get(event.call)
    if live is None or not _ours(live, event.agent):
        return
    live.offer = CurrentOffer(event.agent, event.leg)
    desk.change(house, event.agent, AgentInput.RING, now, call=live.call, leg=event.leg)


def offer_failed(house: House, event: OfferFailed, now: float) -> None:
    """No talk came of an offer: the caller stands in the line again and the next agent is rung in this very step."""
    live = house.calls.get(event.call)
    if live is not None and live.state is CallState.TALKING and live.record.agent == event.agent:
        _talk_was_none(house, live, event.agent, now)
        return
    if live is None or not _ours(live, event.agent):
        return
    if live.offer is None:
        live.offer = CurrentOffer(event.agent)
    take_back(house, live, event.status.lower(), now, missed=event.cause != CANCELLED_BY_US)


def _talk_was_none(house: House, live: LiveCall, agent: AgentId, now: float) -> None:
    """The agent was gone in the instant in which he answered: the caller stands in the line again, at his place."""
    _span_ends(live, now)
    live.talks.clear()
    live.legs.clear()
    live.in_bridge = False
    live.refused |= {agent}
    house.move(live, CallInput.OFFER_FAILED)
    house.note(live, agent=None, joined_at=None)
    desk.leg_gone(house, agent, live.call, now)
    stand_in_line(house, live)
    _wake(house, live, TimerKind.RETRY_OFFER, now + house.queue(live.record.queue or QueueId("")).retry_s)


def _ours(live: LiveCall, agent: AgentId) -> bool:
    """Whether news of an offer belong to the one that is being made; one found after a restart has no agent yet."""
    if live.offer is None:
        return live.state is CallState.OFFERED
    return live.offer.agent == agent


def take_back(house: House, live: LiveCall, outcome: str, now: float, *, missed: bool = False) -> None:
    """End the current offer; `missed` = the agent's phone was rung and he did not take the call."""
    offer = live.offer
    if offer is None:
        return
    live.offer = None
    _close_offer(live, outcome, now)
    if missed:
        live.refused |= {offer.agent}
    desk.change(house, offer.agent, AgentInput.NO_ANSWER if missed else AgentInput.OFFER_FAILED, now)
    if house.move(live, CallInput.OFFER_FAILED):
        stand_in_line(house, live)
        queue = house.queue(live.record.queue or QueueId(""))
        if missed:
            _wake(house, live, TimerKind.RETRY_OFFER, now + queue.retry_s)


def _close_offer(live: LiveCall, outcome: str, at: float) -> None:
    offers = live.record.offers
    if offers and offers[-1].ended_at is None:
        live.record = replace(live.record, offers=(*offers[:-1], replace(offers[-1], outcome=outcome, ended_at=at)))


def time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    """A timer of a waiting call: ask the agents who did not answer again, or tell him his place."""
    live = house.calls.get(CallId(event.key))
    if live is None or live.state is not CallState.WAITING:
        return
    if event.kind is TimerKind.RETRY_OFFER:
        live.refused = frozenset()
        entry = house.line.get(live.call)
        if entry is not None:
            house.line.replace(replace(entry, refused=live.refused))
            house.dirty = True
    elif event.kind is TimerKind.ANNOUNCE and event.generation == live.generation:
        language = _spoken(live)
        prompts = tuple(
            prompt_name(language, piece) for piece in say_position(house.line.ahead_of(live.call), language)
        )
        house.emit(Announce(live.call, live.channel, prompts))
        queue = house.queue(live.record.queue or QueueId(""))
        _wake(house, live, TimerKind.ANNOUNCE, now + queue.announce_every_s)


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
        talk_begins(house, live, agent, event.at)
        if agent is not None:
            desk.joined(house, agent, live.call, channel, now)
    elif event.role is not Role.CALLER and event.agent is not None:
        house.move(live, CallInput.JOIN)
        desk.joined(house, event.agent, live.call, event.channel, now)


def talk_begins(house: House, live: LiveCall, agent: AgentId | None, at: float) -> None:
    """The caller is joined with an agent: a ticket is opened, and what he hears afterwards is prepared."""
    from_net = live.state is CallState.NET
    if not house.move(live, CallInput.JOIN):
        return
    house.line.remove(live.call)
    live.offer = None
    live.talk_since = at
    _close_offer(live, "answered", at)
    record = live.record
    house.note(live, agent=agent, joined_at=record.joined_at or at, in_net=record.in_net or from_net)
    reached(house, live, Milestone.TALK_BEGAN, at)
    prepare_end(house, live)
    if not live.ticket_asked and record.ticket is None and agent is not None:
        live.ticket_asked = True
        queue = str(record.queue or "")
        house.emit(OpenTicket(live.call, record.caller, record.dialled, live.record.language, queue, agent, at))


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
        _span_ends(live, event.at)


def _span_ends(live: LiveCall, at: float) -> None:
    if live.talk_since is not None:
        live.talks.append((live.talk_since, at))
        live.talk_since = None


def talk_ended(house: House, event: TalkEnded | NetTalkEnded, now: float) -> None:
    """The last one who talked with him has left: the caller is now in the survey, which needs no controller."""
    live = house.calls.get(event.call)
    if live is None or not house.move(live, CallInput.AGENT_LEFT):
        return
    _span_ends(live, event.at)
    if live.offer is not None:  # so short a talk that its beginning was not seen
        agent = live.offer.agent
        live.offer = None
        _close_offer(live, "answered", event.at)
        talked = event.talk_s if isinstance(event, TalkEnded) else 0.0
        house.note(live, agent=agent, joined_at=live.record.joined_at or event.at - talked)
        desk.leg_gone(house, agent, live.call, now)
    house.note(live, released_at=event.at)


def leg_ended(house: House, event: LegEnded, now: float) -> None:
    """An agent's leg is gone: wrap-up after a talk; of an offer the reason comes with `OfferFailed`."""
    live = house.calls.get(event.call)
    if live is not None:
        live.legs.pop(event.leg, None)
    if event.agent is None:
        return
    offered = live is not None and live.offer is not None and live.offer.agent == event.agent
    if live is not None and live.offer is not None and offered:
        live.offer.leg_ended = True
        return
    desk.leg_gone(house, event.agent, event.call, now)


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
    if live is None or not house.move(live, CallInput.FALL_BACK):
        return
    live.step = max(live.step, event.step)
    if live.position is not None:  # he left the menu's first question behind, and the notice with it
        live.milestones.add(Milestone.CONSENT_CUT)
    house.line.remove(live.call)
    house.unheld.pop(live.call, None)
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now)
        _close_offer(live, "net", event.at)
        live.offer = None
    reclaim(house, live, event.at)


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
    house.unheld[live.call] = None


def call_ended(house: House, event: CallEnded, now: float) -> None:
    """The caller is gone, wherever he was. Nobody is rung for him any more, and his agent is free again."""
    live = house.calls.pop(event.call, None)
    if live is None:
        return
    state = live.state
    house.move(live, CallInput.END)
    house.line.remove(live.call)
    house.unheld.pop(live.call, None)
    house.dirty = True
    _span_ends(live, event.at)
    if live.offer is not None:
        _close_offer(live, "caller_gone", event.at)
        if live.offer.leg is None or live.offer.leg_ended:
            desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now)
        # else the exchange is cancelling his ringing phone; `LegEnded` sets him free when it has stopped
    elif len(live.legs) > 1:
        for leg in live.legs:  # a three-way talk whose citizen has left: the others are not left to each other
            house.emit(CancelOffer(live.call, leg))
    released = live.record.released_at
    if state is CallState.TALKING and released is None:
        released = event.at
    house.note(live, ended_at=event.at, released_at=released, outcome=outcome_of(live))
    finish_if_complete(house, live)


def outcome_of(live: LiveCall, *, unseen: bool = False) -> Outcome:
    """How an ended call counts; `unseen` = it ended while no controller watched."""
    record = live.record
    if record.joined_at is not None:
        return Outcome.ANSWERED
    if unseen:
        return Outcome.FAILED
    if record.queued_at is not None:
        return Outcome.ABANDONED
    return record.outcome or Outcome.LEFT_MENU


def _spoken(live: LiveCall) -> Language:
    return "en" if live.record.language == "en" else "zh"
