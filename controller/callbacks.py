"""Call-backs: a request holds its caller's place in the line, and when an agent is found for it he is called. Pure.

The agent is kept from the decision on, so there are never more such calls than free agents. What is about to be done is
stored before it is done (`CallbackStored`): after a crash an attempt is found in the exchange by its call's id, or it
counts as an attempt, and nobody is called twice for one. When he has answered and heard who calls, his call is offered
to that agent like every other (`offers`); if that agent does not answer he stands in the line, at his old place.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from acd import callback as moves
from acd.decision import Match
from acd.line import Waiting
from acd.relax import next_change, requirement_at
from agents.moves import AgentInput, AgentState
from controller import campaign, desk, offers
from controller.house import House, LiveCall
from controller.waiting_words import spoken
from ivr.prompts import prompt_name
from pbx.call import CallInput, CallMark, Outcome
from pbx.callback import AGENTLESS, CallbackKind, CallbackRequest, CallbackState
from pbx.commands import HangUp, PlaceCall, Play, SaveCallback, Wake
from pbx.events import (
    CallbacksRestored,
    CallbackStored,
    LiveChannel,
    OutboundFailed,
    TimeIsUp,
    TimerKind,
)
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from pbx.notice import Registration

log = logging.getLogger(__name__)

GREETING = "callback-greeting"

NEVER = frozenset({"110", "119", "120", "122", "12110", "12345"})
"""Numbers that are never called back, whoever seems to have called from them."""

_NUMBER = re.compile(r"[0-9]{5,20}")

_STORED_WITHIN_S, _STORE_AWAY_S = 5.0, 30.0
"""An agent is kept so long for a request that the store has not committed; then it is tried again after so long."""

_TURN_S = 5.0
"""So often somebody whose turn has not come is looked at again, who is called for a message only."""

_SAME_S = 0.001
"""Instants that differ by less are the same."""

_LOST_AFTER_S = 15.0
"""So long after its ringing time a call of which nothing is heard is given up."""


# ---------------------------------------------------------------- a request


def possible(house: House) -> bool:
    """Whether this hotline can call anybody."""
    return bool(house.plan.callback.dial)


def allowed(house: House, number: str, caller: str) -> bool:
    """Whether `number` may be called: it is the one that called (`caller`), or the allow-list has the whole of it."""
    if number in NEVER or not _NUMBER.fullmatch(number):
        return False
    return number == caller or any(re.fullmatch(pattern, number) for pattern in house.plan.callback.allow)


def find(house: House, number: str, queue: QueueId) -> CallbackRequest | None:
    """The open request of this number for this queue, to be called by an agent."""
    return next(
        (
            one
            for one in house.callbacks.values()
            if (one.number, one.queue) == (number, queue) and one.kind not in AGENTLESS
        ),
        None,
    )


def ask(
    house: House,
    number: str,
    queue: QueueId,
    *,
    place_at: float,
    language: str,
    priority: int = 0,
    kind: CallbackKind = CallbackKind.ASKED,
    of_call: CallId | None = None,
    by: str = "",
) -> CallbackRequest:
    """Have somebody called; who has an open request keeps that one, and nothing is added. It is stored first."""
    known = find(house, number, queue)
    if known is None:
        known = CallbackRequest(
            _new_id(house), number, queue, place_at, house.now, language, priority, kind, of_call, by
        )
    put(house, known)
    return known


def _new_id(house: House) -> str:
    instant = int(house.now * 1000)
    while f"cb{instant}" in house.callbacks:
        instant += 1
    return f"cb{instant}"


def tell_over(house: House, wanted: Registration, now: float) -> None:
    """Have somebody called and told that an incident is over; no agent is needed for it."""
    put(
        house,
        CallbackRequest(
            _new_id(house),
            wanted.number,
            wanted.queue,
            now,
            now,
            wanted.language,
            kind=CallbackKind.NOTICE,
            of_call=wanted.call,
            notice=wanted.notice,
        ),
    )


def put(house: House, request: CallbackRequest) -> None:
    """Keep a request as it is now, and have it stored."""
    if moves.is_open(request):
        house.callbacks[request.id] = request
    else:
        house.callbacks.pop(request.id, None)
        house.line.remove(CallId(request.id))
    house.emit(SaveCallback(request))
    if request.kind is CallbackKind.FOLLOW_UP:
        campaign.look(house, house.now)


def stored(house: House, event: CallbackStored, now: float) -> None:
    """The store has committed a request: it takes its place in the line, or its number is called."""
    request = house.callbacks.get(event.id)
    if request is not None and request.kind is CallbackKind.FOLLOW_UP and event.state == CallbackState.CANCELLED.value:
        campaign.overtaken(house, request)
        return
    if request is None or (len(request.attempts), request.state.value) != (event.attempts, event.state):
        return
    if request.state is CallbackState.WAITING:
        if request.kind is not CallbackKind.FOLLOW_UP:  # whose turn is looked at when it was put
            stand(house, request, now)
    elif request.call is not None and request.call not in house.placed:
        _place(house, request, now)


# ---------------------------------------------------------------- in the line


def stand(house: House, request: CallbackRequest, now: float) -> None:
    """Let the request take its place in the line, or have it looked at again when its time has come."""
    if request.state is not CallbackState.WAITING:
        return
    if request.kind is CallbackKind.FOLLOW_UP:
        campaign.look(house, now)
        return
    rules = house.plan.callback.rules
    if moves.overdue(request, now, rules):
        put(house, moves.given_up(request, now))
        return
    due = _due(house, request, now)
    if due > now:
        house.line.remove(CallId(request.id))
        _wake(house, request, due)
        return
    if request.kind is CallbackKind.NOTICE:
        _tell_next(house, request, now)
        return
    queue = house.queue(request.queue)
    house.line.remove(CallId(request.id))
    house.line.add(
        Waiting(
            CallId(request.id),
            queue.id,
            requirement_at(queue.requirement, queue.relax, now - request.place_at),
            request.place_at,
            house.raised(queue.id, request.priority),
            policy=queue.policy,
            ageing_s=queue.ageing_s,
        )
    )
    house.dirty = True
    change = next_change(queue.relax, request.place_at, now)
    ends = request.asked_at + rules.keep_s + 1.0
    _wake(house, request, min(ends, change if change is not None else ends, now + 3600.0))


def _tell_next(house: House, request: CallbackRequest, now: float) -> None:
    """Call a number at which only a message is said; so many at a time as the hotline allows, the others later."""
    dialling = sum(
        one.kind is CallbackKind.NOTICE and one.state is CallbackState.DIALLING for one in house.callbacks.values()
    )
    if dialling >= house.plan.callback.messages_at_once:
        _wake(house, request, now + _TURN_S)
        return
    put(house, moves.dial(request, None, now))
    give_up_later(house, request, now)


def give_up_later(house: House, request: CallbackRequest, now: float) -> None:
    """Nobody is called for the request if the store has not committed it within a few seconds."""
    _wake(house, request, now + _STORED_WITHIN_S)


def _due(house: House, request: CallbackRequest, now: float) -> float:
    """When the request may be served: not before its pause is over, and in the hours in which people are called."""
    due = max(request.next_at, now)
    zone = ZoneInfo(house.plan.timezone)
    opens = house.plan.callback.hours.next_opening(datetime.fromtimestamp(due, zone))
    if opens is None:
        return due + 86_400.0
    at = opens.timestamp()
    return at if at > due + _SAME_S else due  # the calendar rounds to whole microseconds, upwards too


def _wake(house: House, request: CallbackRequest, at: float) -> None:
    house.callback_clock += 1
    house.clocks[request.id] = house.callback_clock
    house.emit(Wake(TimerKind.CALLBACK, request.id, house.callback_clock, at))


def time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    """A request's time has come; or nothing was heard of the call that was placed for it."""
    if event.key == campaign.TURN and house.clocks.get(event.key) == event.generation:
        campaign.turn(house, now)
    request = house.callbacks.get(event.key)
    if request is None or house.clocks.get(request.id) != event.generation:
        return
    if request.state is CallbackState.WAITING:
        stand(house, request, now)
    elif request.call not in house.placed:  # the store is away: nobody is called whom a crash could have called twice
        _free(house, request, now)
        put(house, moves.not_placed(request, now, _STORE_AWAY_S))
    elif request.call is not None and request.call not in house.calls and house.connected:
        house.emit(HangUp(request.call, ChannelName(request.call)))
        came_to_nothing(house, request, "failed", now)


# ---------------------------------------------------------------- the call


def matched(house: House, request: CallbackRequest, match: Match, now: float) -> None:
    """An agent is found for a request: he is kept for it, and when that is stored the number is called."""
    call = moves.call_of(request)
    if not desk.change(house, match.agent, AgentInput.RESERVE, now, call=call):
        house.line.add(match.caller)
        return
    house.line.remove(CallId(request.id))
    put(house, moves.dial(request, match.agent, now))
    _wake(house, request, now + _STORED_WITHIN_S)


def _place(house: House, request: CallbackRequest, now: float) -> None:
    plan, call = house.plan.callback, request.call
    if call is None:
        return
    if not house.connected:
        _free(house, request, now)
        put(house, moves.not_placed(request, now, plan.rules.pause_s))
        return
    house.placed.add(call)
    if request.kind is CallbackKind.FOLLOW_UP:
        campaign.placed(house, now)
    ring_s = _ring_s(house, request)
    dialled = plan.caller_id or house.plan.default_number
    house.emit(
        PlaceCall(
            call,
            request.number,
            plan.dial.format(number=request.number),
            dialled,
            ring_s,
            request.language,
            CallMark(dialled, request.language, now, "", "", 0, 0.0).encode(),
            request.kind.value,
        )
    )
    _wake(house, request, now + ring_s + _LOST_AFTER_S)


def _ring_s(house: House, request: CallbackRequest) -> int:
    return house.plan.campaign.ring_s if request.kind is CallbackKind.FOLLOW_UP else house.plan.callback.ring_s


def failed(house: House, event: OutboundFailed, now: float) -> None:
    """He did not answer."""
    request = of_call(house, event.call)
    if request is not None and event.call not in house.calls:
        came_to_nothing(house, request, event.reason, now)


def came_to_nothing(house: House, request: CallbackRequest, outcome: str, now: float) -> None:
    """A call that was placed for it brought nothing: it is tried again, or given up, by the rules of its kind."""
    _free(house, request, now)
    if request.call is not None:
        house.placed.discard(request.call)
    if request.kind is CallbackKind.FOLLOW_UP:
        campaign.over(house, request, outcome, now)
    else:
        put(house, moves.failed(request, outcome, now, house.plan.callback.rules))


def _free(house: House, request: CallbackRequest, now: float) -> None:
    """The agent who was kept for the request is free again, if he is still kept for it."""
    agent = request.attempts[-1].agent if request.attempts else None
    known = house.agent(agent) if agent is not None else None
    if known is not None and known.state is AgentState.RESERVED and known.call == request.call:
        desk.change(house, known.id, AgentInput.OFFER_FAILED, now, call=request.call)


def of_call(house: House, call: CallId) -> CallbackRequest | None:
    """The request for which this call is being placed."""
    request = house.callbacks.get(call.rpartition("-")[0])
    return request if request is not None and request.call == call else None


# ---------------------------------------------------------------- he has answered


def answered(house: House, live: LiveCall, at: float) -> bool:
    """A call that has arrived is one of ours: tell him who calls, with the recording notice. False if it is not."""
    if live.follow_up is not None:
        campaign.go_on(house, live, at)
        return True
    request = of_call(house, live.call)
    if request is None:
        return False
    house.note(live, caller=request.number, language=request.language, callback=request.id)
    plan = house.plan
    if request.kind is CallbackKind.NOTICE:
        live.releasing = True
        house.note(live, outcome=Outcome.CALLBACK)
        if house.move(live, CallInput.PLAY):
            live.notice_playing = False
            over = prompt_name(spoken(live), "notice-over")
            house.emit(Play(live.call, live.channel, house.next_step(live), (over,), request.language, live.mark()))
        return True
    pieces = [GREETING]
    if plan.recording.record and plan.recording.consent_required:
        pieces.append(plan.notice)
    live.after_notice = request.queue
    if house.move(live, CallInput.PLAY):
        live.notice_playing = len(pieces) > 1
        prompts = tuple(prompt_name(spoken(live), piece) for piece in pieces)
        house.emit(Play(live.call, live.channel, house.next_step(live), prompts, request.language, live.mark()))
    return True


def message_heard(house: House, live: LiveCall, now: float) -> None:
    """The last thing that he hears has been played to its end; was he called for nothing else, the request is done."""
    request = of_call(house, live.call)
    if request is not None and request.kind is CallbackKind.NOTICE:
        house.placed.discard(live.call)
        put(house, moves.served(request, now))


def join_line(house: House, live: LiveCall, at: float) -> bool:
    """He has heard who calls: his agent is rung for him, or he stands in the line at his old place.

    False if his call is none of ours.
    """
    if live.follow_up is not None:
        campaign.join_line(house, live, at)
        return True
    request = of_call(house, live.call)
    if request is not None and request.kind is CallbackKind.NOTICE:  # a restart has forgotten that it was all
        message_heard(house, live, at)
        house.emit(HangUp(live.call, live.channel))
        return True
    if request is None or not house.move(live, CallInput.QUEUE):
        return False
    live.after_notice = None
    live.priority = request.priority
    queue = house.queue(request.queue).id
    house.note(live, queue=queue, queued_at=at, menu_done_at=at, place_at=request.place_at)
    agent = request.attempts[-1].agent
    known = house.agent(agent) if agent is not None else None
    if known is None or known.state is not AgentState.RESERVED or known.call != live.call:
        offers.stand_in_line(house, live)
        offers.hold_or_offer(house, live)
    else:
        offers.ring(house, live, known.id, f"call-back {request.id}: kept for him", house.now)
    return True


def reclaimed(house: House, live: LiveCall, at: float) -> QueueId | None:
    """He was in the safety net and is taken back into a line: which, and any agent will do. None if not ours."""
    request = of_call(house, live.call)
    if request is None:
        return None
    _free(house, request, house.now)
    house.note(live, place_at=request.place_at)
    return house.queue(request.queue).id


def talk_begins(house: House, live: LiveCall, now: float) -> None:
    """An agent talks with him: the request is done."""
    request = of_call(house, live.call)
    if request is not None:
        agent = request.attempts[-1].agent
        if agent is not None and agent != live.record.agent:
            _free(house, request, now)
        house.placed.discard(live.call)
        put(house, moves.served(request, now))


def call_ended(house: House, live: LiveCall, now: float) -> None:
    """A call has ended. One of ours without a talk is tried again by rule; one who has called again and talked with
    somebody need not be called.
    """
    request = of_call(house, live.call)
    if request is not None:
        came_to_nothing(house, request, "hung_up", now)
    elif live.record.joined_at is not None and live.record.queue is not None and live.record.caller:
        own = find(house, live.record.caller, live.record.queue)
        if own is not None and own.state is CallbackState.WAITING:
            put(house, moves.cancelled(own, now))
    campaign.call_over(house)


# ---------------------------------------------------------------- after a restart


def restored(house: House, event: CallbacksRestored, now: float) -> None:
    """Open requests as the store knew them; they wait for the snapshot of the exchange."""
    for request in event.requests:
        house.callbacks.setdefault(request.id, request)
        if request.call is not None:
            house.placed.add(request.call)  # perhaps: the snapshot will tell


def resync(house: House, channels: Iterable[LiveChannel], now: float) -> None:
    """The exchange says which calls there are: an attempt is found there by its id, or it has come to nothing."""
    there = {row.call for row in channels}
    for request in list(house.callbacks.values()):
        call = request.call
        if call is None:
            stand(house, request, now)
        elif call in house.calls:
            if house.calls[call].record.queue is None:  # he hears who calls, and his agent is rung next
                _keep(house, request, now)
        elif call in there:  # it rings still
            _keep(house, request, now)
            _wake(house, request, now + _ring_s(house, request) + _LOST_AFTER_S)
        elif call in house.placed:
            came_to_nothing(house, request, "in_doubt", now)
        else:
            _free(house, request, now)
            put(house, moves.not_placed(request, now, 0.0))


def _keep(house: House, request: CallbackRequest, now: float) -> None:
    """Keep the agent for the call that rings; one who has other work by now is not needed: any other will do."""
    agent: AgentId | None = request.attempts[-1].agent
    known = house.agent(agent) if agent is not None else None
    if known is not None and known.available:
        desk.change(house, known.id, AgentInput.RESERVE, now, call=request.call)
