"""The talk, the safety net and the end of a call. Pure rules over the house.

A talk is over for the caller when the last one who talked with him has left; what he hears then stands in his channel
already and needs no controller.
"""

from __future__ import annotations

from dataclasses import replace

from agents.moves import AgentInput
from controller import callbacks, desk, favours, held, lessons, offers, outbound, transfers, turned_away
from controller.house import House, LiveCall
from controller.recorded import finish_if_complete, reached
from controller.waiting_words import spoken
from ivr.prompts import prompt_name, say_ticket
from pbx.call import CallInput, CallState, Outcome
from pbx.commands import CancelOffer, OpenTicket, PrepareEnd, ToSurvey
from pbx.events import (
    CallEnded,
    CallScored,
    FellBack,
    JoinEnded,
    LegEnded,
    NetTalkEnded,
    PartyJoined,
    PartyLeft,
    Role,
    StepStarted,
    TalkEnded,
    TicketOpened,
)
from pbx.ids import AgentId
from recordings.policy import Milestone

# ---------------------------------------------------------------- the talk


def party_joined(house: House, event: PartyJoined, now: float) -> None:
    """A leg entered the bridge; the talk begins when the caller and somebody else are both in it."""
    live = house.calls.get(event.call)
    if live is None:
        return
    if live.state is CallState.HELD:
        held.party_joined(house, live, event, now)
        return
    if event.role is Role.CALLER:
        live.in_bridge = True
    else:
        live.legs[event.channel] = event.agent
        if event.role is Role.THIRD and event.agent is not None:
            transfers.third_joined(house, live, event.agent, event.at)
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
    offers.leave_line(house, live)
    if live.offer is not None and live.offer.agent != agent:  # an earlier offer was answered, this one is overtaken
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, house.now, call=live.call)
    live.offer = None
    live.talk_since = at
    offers.close_offer(live, "answered", at)
    transfers.answered(house, live, at)
    record = live.record
    if record.agent is not None and (agent is None or house.agent(agent) is None):
        agent = record.agent  # handed over to somebody who is no agent of ours: the call stays his
    house.note(live, agent=agent, joined_at=record.joined_at or at, in_net=record.in_net or from_net)
    callbacks.talk_begins(house, live, house.now)
    reached(house, live, Milestone.TALK_BEGAN, at)
    prepare_end(house, live)
    ask_ticket(house, live, agent, at)
    return True


def ask_ticket(house: House, live: LiveCall, agent: AgentId | None, at: float) -> None:
    """Have the call's ticket opened, once, where one of our agents has answered a citizen."""
    record = live.record
    ours = record.direction == "inbound" and agent is not None and house.agent(agent) is not None
    if not live.ticket_asked and record.ticket is None and ours and agent is not None:
        live.ticket_asked = True
        queue = str(record.queue or "")
        house.emit(OpenTicket(live.call, record.caller, record.dialled, record.language, queue, agent, at))


def prepare_end(house: House, live: LiveCall) -> None:
    """Write what the caller hears after the agent has left into his channel, so that it needs no controller."""
    plan, language, ticket = house.plan, spoken(live), live.record.ticket
    asked = plan.survey if live.record.direction == "inbound" else plan.outbound.survey

    def names(*pieces: str) -> tuple[str, ...]:
        return tuple(prompt_name(language, piece) for piece in pieces)

    number: tuple[str, ...] = ()
    if ticket and plan.read_ticket:
        number = names(*say_ticket(ticket, language, yao=plan.yao, repeat=plan.read_ticket_twice))
    survey = names("survey") if asked else ()
    again = names("survey-again") if asked else ()
    house.emit(PrepareEnd(live.call, live.channel, number, survey, again, names("thanks")))


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
    transfers.begun(house, live, event.step)
    if live.state is CallState.HELD:
        held.begun(house, live, event.step, event.at)
    elif newly and live.state is CallState.SURVEY:
        house.emit(ToSurvey(live.call, live.channel))  # the talk was over before the command reached it
    elif live.offer is not None and live.offer.step < event.step:
        offers.take_back(house, live, "lost", now)
    elif newly and live.state is CallState.TALKING:
        span_ends(live, event.at)
        live.legs.clear()
        live.in_bridge = False
        house.move(live, CallInput.OFFER_FAILED)
        offers.stand_in_line(house, live)
        offers.hold_or_offer(house, live)


def span_ends(live: LiveCall, at: float) -> None:
    """Caller and agent talk no more: keep from when to when they did."""
    if live.talk_since is not None:
        live.talks.append((live.talk_since, at))
        live.talk_since = None


def join_ended(house: House, event: JoinEnded, now: float) -> None:
    """A talk after a hold or a transfer is over, or there was none."""
    if event.ok:
        talk_ended(house, event, now)
    else:
        held.join_failed(house, event, now)


def talk_ended(house: House, event: TalkEnded | NetTalkEnded | JoinEnded, now: float) -> None:
    """The last one who talked with him has left: the caller is now in the survey, which needs no controller."""
    live = house.calls.get(event.call)
    if live is None or (isinstance(event, TalkEnded | JoinEnded) and event.step < live.running):
        return
    from_net = live.state is CallState.NET
    if live.leaving is not None:  # he was to be transferred, but his agent hung up first: the survey, and nobody else
        transfers.undo(house, live, event.at)
    if live.state is CallState.HELD and isinstance(event, JoinEnded) and live.holding is not None:
        if live.holding.joining is None:
            return
        held.resumes(house, live, live.holding.joining, event.at, now)  # it was too short to be seen
    if not house.move(live, CallInput.AGENT_LEFT):
        return
    held.release(house, live, event.at)
    live.holding = None
    span_ends(live, event.at)
    if live.record.joined_at is None:  # so short a talk that its beginning was not seen, or nobody of us was there
        joined_at = event.at - (event.talk_s if isinstance(event, TalkEnded) else 0.0)
        talked_with = None if isinstance(event, JoinEnded) else event.agent
        agent = talked_with or (live.offer.agent if live.offer is not None else None)
        live.talks.append((joined_at, event.at))
        offers.close_offer(live, "answered", event.at)
        house.note(live, agent=agent, joined_at=joined_at, in_net=live.record.in_net or from_net)
        callbacks.talk_begins(house, live, now)
        ask_ticket(house, live, agent, event.at)
    if live.offer is not None:
        talked = not isinstance(event, JoinEnded) and live.offer.agent == event.agent
        cause = AgentInput.RELEASE if talked else AgentInput.OFFER_FAILED
        desk.change(house, live.offer.agent, cause, now, call=live.call)
        live.offer = None
    house.note(live, released_at=event.at)


def leg_ended(house: House, event: LegEnded, now: float) -> None:
    """An agent's leg is gone: wrap-up after a talk; of an offer the reason comes with `OfferFailed`."""
    live = house.calls.get(event.call)
    if live is not None:
        live.legs.pop(event.leg, None)
        held.leg_ended(house, live, event)
        outbound.agent_leg_ended(house, live, event, now)
        if event.role is Role.THIRD:
            transfers.third_ended(house, live, event)
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
        house.note(live, score=event.score, scored_at=event.at)


# ---------------------------------------------------------------- the safety net, and the end


def fell_back(house: House, event: FellBack, now: float) -> None:
    """The caller had no heartbeat and went to the net; we are here, so he gets his place back at once."""
    live = house.calls.get(event.call)
    if live is None or event.step < live.oldest_news:  # a newer command is on its way and fetches him by itself
        return
    if live.follow_up is not None:
        return  # the dialplan lets him go by itself
    if not house.move(live, CallInput.FALL_BACK):
        return
    held.release(house, live, event.at)
    live.holding = None
    left_notice(house, live, event.step, event.at)
    live.step = max(live.step, event.step)
    live.lost = 0
    offers.leave_line(house, live)
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now, call=live.call)
        offers.close_offer(live, "net", event.at)
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
    since = offers.in_line_since(live, at)
    if live.away:  # he had been turned away, and the net has taken him all the same
        live.away = ""
        house.note(live, outcome=None)
    if live.record.queue is None:
        number = house.number(live.record.dialled)
        queue = callbacks.reclaimed(house, live, at) or number.direct or next(iter(house.plan.queues))
        house.note(live, queue=queue, queued_at=since, menu_done_at=since, in_net=True)
    else:
        house.note(live, in_net=True)
    offers.stand_in_line(house, live)
    offers.hold_or_offer(house, live)


def call_ended(house: House, event: CallEnded, now: float, *, unseen: bool = False) -> None:
    """The caller is gone, wherever he was. Nobody is rung for him any more, and his agent is free again.

    `unseen` = he went while the connection to the exchange was lost.
    """
    live = house.calls.pop(event.call, None)
    if live is None:
        return
    dialling = live.state is CallState.DIALLING
    favours.ended(house, live, event, unseen=unseen)
    house.move(live, CallInput.END)
    offers.leave_line(house, live)
    house.dirty = True
    held.release(house, live, event.at)
    outbound.release(house, live)
    if dialling:
        live.record = replace(live.record, outcome=Outcome.UNREACHED)
    live.record = held.record_over(turned_away.message_over(live.record, event.at), event.at)
    span_ends(live, event.at)
    offers.close_offer(live, "caller_gone", event.at)
    if live.offer is not None and (unseen or live.offer.leg is None or live.offer.leg_ended):
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now, call=live.call)
        # else the exchange is cancelling his ringing phone; `LegEnded` sets him free when it has stopped
    if live.fetched is not None:  # out of the bridge it would go on waiting where it was fetched from
        live.legs.setdefault(live.fetched, None)
    for leg, agent in live.legs.items():
        if leg == live.fetched or len(live.legs) > 1 or agent != live.record.agent:
            # A three-way talk whose citizen has left: the others are not left to each other, nor one to nobody.
            house.emit(CancelOffer(live.call, leg))
    released = live.record.released_at
    if released is None and live.record.joined_at is not None:
        released = live.talks[-1][1] if live.talks else event.at
    house.note(live, ended_at=event.at, released_at=released, outcome=outcome_of(live, unseen=unseen or house.ending))
    house.ended(live.call)
    lessons.learned_of(house, live.record)
    callbacks.call_ended(house, live, now)
    finish_if_complete(house, live)


def outcome_of(live: LiveCall, *, unseen: bool = False) -> Outcome:
    """How an ended call counts; `unseen` = it ended while no controller watched."""
    record = live.record
    if record.joined_at is not None:
        return Outcome.ANSWERED
    decided = record.outcome in (Outcome.CALLBACK, Outcome.OVERFLOWED)
    if record.outcome is not None and (decided or record.queued_at is None):
        return record.outcome  # decided already: closed, full, unreached; a call-back: when it was stored
    if unseen:
        return Outcome.FAILED
    return Outcome.ABANDONED if record.queued_at is not None else Outcome.LEFT_MENU
