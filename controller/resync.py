"""What a snapshot of the exchange says: after the first login, a reconnect, or a restart of the controller.

Asterisk is the truth about who is where; the store adds instants that Asterisk cannot know (`asterisk.md` 11.1 has the
table that this follows). Nobody who talks is touched, nobody is rung twice, nobody loses his place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agents.agent import Agent
from agents.mark import decode, seat_of
from agents.moves import AgentInput, AgentState
from controller import (
    adopted,
    callbacks,
    caller,
    campaign,
    dark_talks,
    desk,
    held,
    hold_keys,
    listen,
    notices,
    offers,
    pauses,
    talk,
    transfers,
    turned_away,
)
from controller.house import Consulting, CurrentOffer, Holding, House, LiveCall, Outbound
from controller.outbound import OUTBOUND
from controller.recorded import finish_if_complete
from ivr.menu import Message, Question, again
from pbx.call import CallState, HoldSpan
from pbx.commands import CancelOffer, HangUp, MarkAgent, Wake
from pbx.events import (
    Answer,
    CallEnded,
    CallsRestored,
    ExchangeConnected,
    ExchangeEnding,
    ExchangeLost,
    KeysPressed,
    LiveChannel,
    Role,
    TimerKind,
)
from pbx.ids import AgentId, CallId

_OUR_CONTEXTS = ("p-idle", "p-ask", "p-play", "p-record", "p-hold", "p-dial", "p-join", "p-survey", "fallback")

_AGENT_WAITS = ("ag-hold", "ag-consult")
"""Where an agent's leg stands while his caller is on hold."""


def calls_restored(house: House, event: CallsRestored, now: float) -> None:
    """Open calls as the store knew them; they wait for the snapshot that says which of them still live."""
    house.restored = {record.call: record for record in event.records}
    for call in event.over:
        house.ended(call)


def exchange_lost(house: House, event: ExchangeLost, now: float) -> None:
    """Nothing can be commanded now. Callers are safe in the dialplan; what we know is checked at the next login."""
    house.connected = False
    house.published.clear()


def exchange_ending(house: House, event: ExchangeEnding, now: float) -> None:
    """From here on nobody is offered and nothing is told to the exchange; who is still in it was cut off by us."""
    house.ending = True


def exchange_connected(house: House, event: ExchangeConnected, now: float) -> None:
    """Bring the house into agreement with the exchange."""
    house.connected = True
    listeners = [row for row in event.channels if row.role is Role.SPY]  # parties of no talk
    event = replace(event, channels=tuple(row for row in event.channels if row.role is not Role.SPY))
    marks = dict(event.marks)
    new = [known.id for known in house.roster.agents() if _unknown(known)]
    seats = {agent: AgentId(seat) for agent in new if (seat := seat_of(marks.get(agent, "")))}
    event = house.seats.snapshot(event, seats)
    _agents(house, marks, now)
    talks = dark_talks.found(house, event)
    released = {(one.agent, one.call): one.released_at for one in talks}
    rows: dict[CallId, list[LiveChannel]] = {}
    for row in event.channels:
        rows.setdefault(row.call, []).append(row)
    present = {row.channel for row in event.channels}
    for live in list(house.finishing.values()):
        live.recording_stopped = True  # its end was reported to nobody
        finish_if_complete(house, live)
    unseen = {gone.call: gone for gone in event.gone}
    for call in [call for call in house.calls if not _caller(rows.get(call, []))]:
        live = house.calls[call]
        if live.outbound is not None and not live.outbound.placed:
            continue  # his agent's phone is rung first; `AgentWaits` or `LegEnded` goes on
        live.recording_stopped = True  # the channel is gone, so the exchange has closed its file
        live.legs = {leg: agent for leg, agent in live.legs.items() if leg in present}
        if call in unseen:
            adopted.talk_seen(live, unseen[call].talk, unseen[call].ended_at)
            campaign.gone(house, unseen[call])
        ended_at = unseen[call].ended_at if call in unseen else event.at
        talk.call_ended(house, CallEnded(call, 0, ended_at), now, unseen=call not in unseen)
    _free_agents(house, event.channels, released, now, talking=True)
    for legs in rows.values():
        found = _caller(legs)
        if found is not None:
            _call(house, found, [leg for leg in legs if leg is not found], event.at, now)
        elif legs[0].call not in house.calls:  # they wait for a citizen who is gone
            _let_go(house, [leg for leg in legs if leg.context in _AGENT_WAITS])
    for gone in event.gone:
        adopted.gone(house, gone)
    for record in house.restored.values():
        adopted.never_seen_again(house, record, event.at)
    house.restored = {}
    _free_agents(house, event.channels, released, now, talking=False)
    dark_talks.settle(house, talks, now)
    listen.found(house, listeners, event.listened, event.at)
    for known in house.roster.agents():
        if known.state is AgentState.OFFLINE:
            desk.leave_seat(house, known.id, now)
    callbacks.resync(house, event.channels, now)
    notices.resync(house)
    for known in house.roster.agents():
        desk.publish(house, known)
    _marks_by_idleness(house)
    house.dirty = True


def _marks_by_idleness(house: House) -> None:
    """Agents' marks last, the longest idle first: in this order the safety net rings them, should we be gone again."""
    marks = [one for one in house.out if isinstance(one, MarkAgent)]
    rest = [one for one in house.out if not isinstance(one, MarkAgent)]
    house.out = [*rest, *sorted(marks, key=lambda one: house.roster.get(one.agent).idle_since)]


def _caller(rows: Iterable[LiveChannel]) -> LiveChannel | None:
    return next((row for row in rows if row.role is Role.CALLER), None)


def _unknown(agent: Agent) -> bool:
    """Whether nothing has been heard of an agent since this controller began."""
    return agent.state is AgentState.OFFLINE and agent.since == 0.0


def _agents(house: House, marks: Mapping[AgentId, str], now: float) -> None:
    """Phones as they are registered; states as the exchange remembers them, where we know nothing better."""
    for known in list(house.roster.agents()):
        phone, use = house.seats.facts(known.id)
        remembered = decode(known.id, marks.get(known.id, ""), phone=phone, now=now)
        if _unknown(known) and remembered is not None:
            house.roster.put(replace(remembered, use=use))
            if remembered.state is AgentState.WRAP_UP:
                house.emit(Wake(TimerKind.WRAP_UP, known.id, remembered.generation, remembered.until))
            desk.watch_limit(house, remembered)
        else:
            desk.follow_phone(house, known.id, now)


def _call(house: House, row: LiveChannel, legs: list[LiveChannel], at: float, now: float) -> None:
    """One live caller: adopt him if he is new to us, then act on where he stands."""
    live = house.calls.get(row.call)
    if live is None:
        rung = row.context not in _OUR_CONTEXTS
        if rung and (not row.mark or callbacks.of_call(house, row.call) is not None):
            return  # just being answered, or about to be: `CallArrived` or `OutboundAnswered` comes after this snapshot
        live = adopted.adopt(house, row, at)
    pauses.found(house, live, row, at)
    ran_newest = 0 < live.step <= row.step
    news = row.answer if live.step <= row.step else None  # what we commanded since was in answer to it
    live.step = max(live.step, row.step)
    live.running = max(live.running, row.step)
    live.oldest_news = row.step  # what we commanded after it is lost with the old connection
    live.lost = 0
    # A leg that was fetched keeps the context in which it waited: with the caller in a bridge, it is in the talk.
    apart = [leg for leg in legs if not (row.bridged and leg.bridged)]
    waiting = [leg for leg in apart if leg.context in _AGENT_WAITS and leg.agent is not None]
    others = [leg for leg in legs if leg.bridged]
    if live.record.direction == OUTBOUND and row.context not in _OUR_CONTEXTS and not campaign.is_ours(live.call):
        live.state = CallState.DIALLING
        _placed(house, live, waiting, now)
        return
    placed = (live.record.direction, live.record.queue, live.record.joined_at) == (OUTBOUND, None, None)
    placed = placed and live.follow_up is None
    if placed:
        _placed(house, live, waiting, now)
    elif waiting and row.context in ("p-hold", "p-join") and not row.bridged:
        _held(house, live, row, waiting[0], legs, at, now)
        return
    if live.leaving is not None and row.bridged and any(leg.channel in live.leaving.legs for leg in others):
        transfers.undo(house, live, at)  # it never reached him: the talk goes on
    if not placed:
        live.holding = live.consult = live.leaving = None
        if not row.bridged:
            held.span_over(house, live, at)
        _let_go(house, waiting)  # he has been given away, or was, and nobody has told them
    ringing = next((leg for leg in legs if not leg.bridged and leg.role is Role.AGENT and leg.agent), None)
    dialling = row.context == "p-dial" and live.offer is not None and live.offer.step == row.step
    if live.offer is not None and not row.bridged and not dialling and row.context != "p-survey":
        offers.take_back(house, live, "lost", now)  # it never reached him, or failed unseen
    if row.bridged:
        _talking(house, live, row, others, at, now)
    elif row.context == "p-survey":
        adopted.talk_seen(live, row.talk, at)
        house.note(live)
        _in_survey(house, live, at, now)
    elif row.context == "p-dial":
        _offered(house, live, ringing, row.step, now)
    elif row.context == "p-hold":
        _waiting(house, live, at, now)
    elif row.context == "fallback" and live.follow_up is not None:
        pass  # nobody was there, and the dialplan lets him go by itself
    elif row.context == "fallback":
        _in_net(house, live, ringing, row.step, at, now)
    elif row.context == "p-record":
        offers.leave_line(house, live)
        turned_away.message_found(house, live, at)
    elif row.context in ("p-ask", "p-play", "p-idle") and hold_keys.found_registered(house, live):
        offers.leave_line(house, live)
    elif row.context in ("p-ask", "p-play"):
        offers.leave_line(house, live)
        live.state = CallState.ASKING if row.context == "p-ask" else CallState.PLAYING
        live.notice_playing = live.notice_playing if ran_newest else _notice_due(house, live)
        if _has_place(live):
            _waiting(house, live, at, now)
            offers.hold_or_offer(house, live)
    elif placed:
        live.state = CallState.ARRIVED  # he has answered, and waits for the notice or his agent
        caller.resume(house, live, at)
    else:  # p-idle, p-start: he stands still, so the report of what he did was lost
        _standing(house, live, news, row.step, at, now)


def _let_go(house: House, legs: Iterable[LiveChannel]) -> None:
    for leg in legs:
        house.emit(CancelOffer(leg.call, leg.channel))


def _held(
    house: House, live: LiveCall, row: LiveChannel, mine: LiveChannel, legs: list[LiveChannel], at: float, now: float
) -> None:
    """On hold: his agent's leg waits for him, alone or with the one whom he asks. The agent goes on from there."""
    if mine.agent is None:
        return
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.OFFER_FAILED, now, call=live.call)
        offers.close_offer(live, "lost", at)
        live.offer = None
    offers.leave_line(house, live)
    live.state = CallState.HELD
    live.in_bridge = False
    live.legs = {}
    live.leaving = None
    live.holding = Holding(mine.agent, mine.channel, row.step, begun=True)
    live.ticket_asked = True
    holds = live.record.holds
    if not holds or holds[-1].ended_at is not None:
        house.note(live, holds=(*holds, HoldSpan(mine.agent, at)))
    desk.joined(house, mine.agent, live.call, mine.channel, now)
    known = house.agent(mine.agent)
    if known is not None and known.state is AgentState.TALKING:
        desk.change(house, mine.agent, AgentInput.HOLD, now)
    asked = [leg for leg in legs if leg is not mine and leg.role is Role.AGENT and leg.agent is not None]
    live.consult = None
    if mine.context == "ag-consult" and asked and asked[0].agent is not None:
        other = asked[0].agent
        ours = other if house.agent(other) is not None else None
        open_one = next(
            (one.target for one in reversed(live.record.transfers) if one.outcome == "asked"), f"agent:{other}"
        )
        live.consult = Consulting(other, ours, open_one, asked[0].channel, asked[0].bridged)
        if ours is not None and asked[0].bridged:
            desk.joined(house, ours, live.call, asked[0].channel, now)
        elif ours is not None:
            desk.rings(house, ours, live.call, asked[0].channel, now)


def _placed(house: House, live: LiveCall, waiting: list[LiveChannel], now: float) -> None:
    """A call of ours before its talk; its agent may wait for it."""
    live.outbound = Outbound(live.record.placed_by, placed=True)
    for leg in waiting:
        if leg.agent is not None and leg.agent == live.record.placed_by:
            live.outbound.leg = leg.channel
            desk.joined(house, leg.agent, live.call, leg.channel, now)


def _notice_due(house: House, live: LiveCall) -> bool:
    """Whether what a caller found in the menu is hearing holds the recording notice."""
    if live.menu is None or live.position is None:
        return live.after_notice is not None
    action = again(live.menu, live.position)
    return isinstance(action, Question | Message) and caller.has_notice(house, action.prompts)


def _talking(house: House, live: LiveCall, row: LiveChannel, others: list[LiveChannel], at: float, now: float) -> None:
    """Talking: adopted, never touched."""
    offers.leave_line(house, live)
    live.in_bridge = True
    live.legs = {leg.channel: leg.agent for leg in others}
    for leg in others:
        if leg.agent is not None:
            _rung_in_wrap_up(house, leg.agent, now)
            desk.joined(house, leg.agent, live.call, leg.channel, now)
    if live.state is not CallState.TALKING:
        there = next(
            (leg.agent for leg in others if leg.role is Role.AGENT), None
        )  # he may have talked with others before
        agent = there or live.record.agent or next((leg.agent for leg in others), None)
        live.state = CallState.OFFERED if row.context != "fallback" else CallState.NET
        noted = row.talk.joined_at if row.talk is not None else at
        talk.talk_begins(house, live, agent, live.record.joined_at or noted)


def _in_survey(house: House, live: LiveCall, at: float, now: float) -> None:
    """He has talked with an agent; where nobody saw it, the offer's instant is the best that is known."""
    offers.leave_line(house, live)
    live.state = CallState.SURVEY
    live.in_bridge = False
    live.legs = {}
    talk.span_ends(live, at)
    record = live.record
    offered = record.offers[-1] if record.offers and record.offers[-1].ended_at is None else None
    joined_at = record.joined_at or (offered.offered_at if offered is not None else at)
    released_at = record.released_at or at
    agent = record.agent or (offered.agent if offered is not None else None)
    offers.close_offer(live, "answered", at)
    if live.offer is not None:
        desk.change(house, live.offer.agent, AgentInput.RELEASE, min(released_at, now), call=live.call)
        live.offer = None
    if not live.talks:
        live.talks.append((joined_at, released_at))
    if (record.agent, record.joined_at, record.released_at) != (agent, joined_at, released_at):
        house.note(live, agent=agent, joined_at=joined_at, released_at=released_at)


def _offered(house: House, live: LiveCall, ringing: LiveChannel | None, step: int, now: float) -> None:
    """An agent's phone rings for him: the offer is adopted, its result will come as an event."""
    offers.leave_line(house, live)
    live.state = CallState.OFFERED
    if ringing is None or ringing.agent is None:
        return  # no leg yet, or just given up: `LegStarted` or `OfferFailed` will name the agent
    _rung_in_wrap_up(house, ringing.agent, now)
    rings = desk.rings(house, ringing.agent, live.call, ringing.channel, now)
    if rings or live.offer is not None:
        live.offer = CurrentOffer(ringing.agent, step, ringing.channel)


def _rung_in_wrap_up(house: House, agent: AgentId, now: float) -> None:
    """The safety net knows no after-call work: whoever it rings or has joined has none, whatever we thought."""
    known = house.agent(agent)
    if known is not None and known.state is AgentState.WRAP_UP:
        desk.change(house, agent, AgentInput.WRAP_UP_OVER, now)


def _waiting(house: House, live: LiveCall, at: float, now: float) -> None:
    """He waits under music: in the line at the place that his instants give him."""
    if live.state is CallState.TALKING:  # the agent was gone as soon as he had answered
        offers.talk_was_none(house, live, live.record.agent, now)
    live.state = CallState.WAITING
    house.unheld.pop(live.call, None)
    offers.close_offer(live, "lost", at)
    if live.call not in house.line:
        if live.record.queue is None:
            number = house.number(live.record.dialled)
            queue = number.direct or next(iter(house.plan.queues))
            house.note(live, queue=queue, queued_at=offers.in_line_since(live, at))
        offers.stand_in_line(house, live)


def _in_net(house: House, live: LiveCall, ringing: LiveChannel | None, step: int, at: float, now: float) -> None:
    """In the safety net: taken back, unless the net is just ringing an agent for him (then left alone)."""
    offers.leave_line(house, live)
    live.state = CallState.NET
    talk.left_notice(house, live, step, at)
    if ringing is None:
        talk.reclaim(house, live, at)
    elif ringing.agent is not None:
        _rung_in_wrap_up(house, ringing.agent, now)
        desk.rings(house, ringing.agent, live.call, ringing.channel, now)


def _standing(house: House, live: LiveCall, found: Answer | None, step: int, at: float, now: float) -> None:
    """He stands still and waits for a command. What he answered to the last question counts, though nobody heard it."""
    if live.away:
        live.state = CallState.ASKING
        caller.resume(house, live, at)
        return
    if live.releasing:  # he has heard the last that there was to hear
        live.state = CallState.PLAYING
        house.emit(HangUp(live.call, live.channel))
        return
    if live.record.queue is not None:
        _waiting(house, live, at, now)
        offers.hold_or_offer(house, live)
        return
    offers.leave_line(house, live)
    if live.state not in (CallState.ASKING, CallState.PLAYING):
        live.state = CallState.ASKING if live.position is not None else CallState.ARRIVED
    if found is not None and found.step == step and _is_asked(live):
        live.state = CallState.ASKING
        live.notice_playing = _notice_due(house, live)
        caller.keys_pressed(house, KeysPressed(live.call, found.step, found.keys, found.status, at), now)
        return
    caller.resume(house, live, at)


def _has_place(live: LiveCall) -> bool:
    """Whether somebody who is being asked or told something stands in a line by right: what he hears is a question that
    he has answered already, or one of a dialogue that nobody remembers. He waits where his instants say.
    """
    return live.record.queue is not None and live.dialog is None and not live.away and not live.releasing


def _is_asked(live: LiveCall) -> bool:
    """Whether a caller's place in his menu, or in the dialogue of a follow-up, is a question."""
    if live.follow_up is not None:
        return live.follow_up.asking
    return live.menu is not None and live.position is not None and isinstance(again(live.menu, live.position), Question)


def _free_agents(
    house: House,
    channels: Iterable[LiveChannel],
    released: Mapping[tuple[AgentId, CallId], float],
    now: float,
    *,
    talking: bool,
) -> None:
    """Free the agents whom we think in a call for which they have no leg in the exchange; from the instant on at which
    they were `released`, where the exchange has noted one.

    Those who `talking` thought to talk first, so that they can be found in another talk, or rung anew for the same
    caller; those who were kept or rung last, when it is known which offers have outlived the connection.
    """
    legs: set[tuple[AgentId | None, CallId]] = {
        (row.agent, row.call) for row in channels if not talking or row.bridged or row.context in _AGENT_WAITS
    }
    offered = {(live.offer.agent, live.call) for live in house.calls.values() if live.offer is not None}
    for known in list(house.roster.agents()):
        if known.call is None or (known.state in (AgentState.TALKING, AgentState.HOLDING)) is not talking:
            continue
        if (known.id, known.call) not in legs and (talking or (known.id, known.call) not in offered):
            desk.leg_gone(house, known.id, known.call, max(known.since, released.get((known.id, known.call), now)))
