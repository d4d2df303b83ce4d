"""What a snapshot of the exchange says: after the first login, a reconnect, or a restart of the controller.

Asterisk is the truth about who is where; the store adds instants that Asterisk cannot know (`asterisk.md` 11.1 has the
table that this follows). Nobody who talks is touched, nobody is rung twice, nobody loses his place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agents.mark import decode
from agents.moves import AgentInput, AgentState
from controller import caller, desk, offers
from controller.house import CurrentOffer, House, LiveCall
from ivr.menu import restore
from pbx.call import CallMark, CallRecord, CallState
from pbx.commands import SaveCall, Wake
from pbx.events import CallEnded, CallsRestored, ExchangeConnected, ExchangeLost, LiveChannel, Role, TimerKind
from pbx.ids import AgentId, CallId, QueueId
from recordings.naming import parse_raw_name
from recordings.policy import Milestone


def calls_restored(house: House, event: CallsRestored, now: float) -> None:
    """Open calls as the store knew them; they wait for the snapshot that says which of them still live."""
    house.restored = {record.call: record for record in event.records}


def exchange_lost(house: House, event: ExchangeLost, now: float) -> None:
    """Nothing can be commanded now. Callers are safe in the dialplan; what we know is checked at the next login."""
    house.connected = False
    house.published.clear()


def exchange_connected(house: House, event: ExchangeConnected, now: float) -> None:
    """Bring the house into agreement with the exchange."""
    house.connected = True
    _agents(house, event, now)
    rows: dict[CallId, list[LiveChannel]] = {}
    for row in event.channels:
        rows.setdefault(row.call, []).append(row)
    for call in [call for call in house.calls if not _caller(rows.get(call, []))]:
        house.calls[call].recording_stopped = True  # the channel is gone, so the exchange has closed its file
        offers.call_ended(house, CallEnded(call, 0, event.at), now)
    for legs in rows.values():
        found = _caller(legs)
        if found is not None:
            _call(house, found, [leg for leg in legs if leg is not found], event.at, now)
    for record in house.restored.values():
        _never_seen_again(house, record, event.at)
    house.restored = {}
    _free_agents_without_legs(house, event.channels, now)
    for known in house.roster.agents():
        desk.publish(house, known)
    house.dirty = True


def _caller(rows: Iterable[LiveChannel]) -> LiveChannel | None:
    return next((row for row in rows if row.role is Role.CALLER), None)


def _agents(house: House, event: ExchangeConnected, now: float) -> None:
    """Phones as they are registered; states as the exchange remembers them, where we know nothing better."""
    marks = dict(event.marks)
    reachable = set(event.phones)
    for known in list(house.roster.agents()):
        phone = known.id in reachable
        remembered = decode(known.id, marks.get(known.id, ""), phone=phone, now=now)
        if known.state is AgentState.OFFLINE and known.since == 0.0 and remembered is not None:
            house.roster.put(remembered)
            if remembered.state is AgentState.WRAP_UP:
                house.emit(Wake(TimerKind.WRAP_UP, known.id, remembered.generation, remembered.until))
        elif known.phone != phone:
            desk.change(house, known.id, AgentInput.PHONE_BACK if phone else AgentInput.PHONE_LOST, now)


def _call(house: House, row: LiveChannel, legs: list[LiveChannel], at: float, now: float) -> None:
    """One live caller: adopt him if he is new to us, then act on where he stands."""
    live = house.calls.get(row.call)
    if live is None:
        live = _adopt(house, row, at)
    live.step = max(live.step, row.step)
    live.lost = 0
    others = [leg for leg in legs if leg.bridged]
    ringing = next((leg for leg in legs if not leg.bridged and leg.role is Role.AGENT and leg.agent), None)
    if row.bridged:
        _talking(house, live, row, others, at, now)
    elif row.context == "p-survey":
        _leave_line(house, live)
        live.state = CallState.SURVEY
        if live.record.released_at is None:
            house.note(live, released_at=at)
    elif row.context == "p-dial":
        _offered(house, live, ringing, now)
    elif row.context == "p-hold":
        _waiting(house, live, now, held=True)
    elif row.context == "fallback":
        _in_net(house, live, ringing, at)
    elif row.context in ("p-ask", "p-play"):
        _leave_line(house, live)
        live.state = CallState.ASKING if row.context == "p-ask" else CallState.PLAYING
    else:  # p-idle, p-start: he stands still, so the report of what he did was lost
        _standing(house, live, at, now)


def _adopt(house: House, row: LiveChannel, at: float) -> LiveCall:
    """A call that an earlier controller, or nobody, knew."""
    mark = CallMark.decode(row.mark)
    record = house.restored.get(row.call)
    if record is None:
        record = CallRecord(row.call, row.channel, mark.dialled if mark else "", row.caller, at)
        if mark is not None:
            record = replace(record, arrived_at=mark.arrived_at or at, language=mark.language)
            if mark.queue:
                queue = house.queue(QueueId(mark.queue)).id
                record = replace(record, queue=queue, queued_at=mark.queued_at, menu_done_at=mark.queued_at)
    record = replace(record, channel=row.channel)
    live = house.add(record)
    house.emit(SaveCall(record))
    live.priority = mark.priority if mark else 0
    live.milestones.add(Milestone.ARRIVED)
    number = house.number(record.dialled)
    if number.menu is not None and record.queue is None:
        live.menu = house.plan.menus[number.menu]
        live.position, _ = restore(live.menu, mark.node if mark else "", language=record.language)
        live.position = replace(live.position, path=record.menu_path)
    elif record.queue is None:
        live.after_notice = number.direct
    live.ticket_asked = record.ticket is not None
    if record.recording is not None:
        live.recording = record.recording
        live.recording_since = parse_raw_name(record.recording).started_at.timestamp()
    elif record.queue is not None:
        live.milestones.add(Milestone.CONSENT_CUT)  # the notice stands before every line
    return live


def _leave_line(house: House, live: LiveCall) -> None:
    house.line.remove(live.call)
    house.unheld.pop(live.call, None)


def _talking(house: House, live: LiveCall, row: LiveChannel, others: list[LiveChannel], at: float, now: float) -> None:
    """Talking: adopted, never touched."""
    _leave_line(house, live)
    live.in_bridge = True
    live.offer = None
    live.legs = {leg.channel: leg.agent for leg in others}
    for leg in others:
        if leg.agent is not None:
            desk.joined(house, leg.agent, live.call, leg.channel, now)
    if live.state is not CallState.TALKING:
        agent = next((leg.agent for leg in others if leg.agent), live.record.agent)
        live.state = CallState.OFFERED if row.context != "fallback" else CallState.NET
        offers.talk_begins(house, live, agent, live.record.joined_at or at)


def _offered(house: House, live: LiveCall, ringing: LiveChannel | None, now: float) -> None:
    """An agent's phone rings for him: the offer is adopted, its result will come as an event."""
    _leave_line(house, live)
    if live.offer is not None and (ringing is None or live.offer.agent == ringing.agent):
        return
    live.state = CallState.OFFERED
    agent = ringing.agent if ringing is not None else None
    if ringing is None or agent is None:
        live.offer = None  # no leg yet, or just given up: `LegStarted` or `OfferFailed` will name the agent
        return
    live.offer = CurrentOffer(agent, ringing.channel)
    desk.change(house, agent, AgentInput.RING, now, call=live.call, leg=ringing.channel)


def _waiting(house: House, live: LiveCall, now: float, *, held: bool) -> None:
    """He waits: in the line at the place that his instants give him."""
    if live.offer is not None:  # our offer never reached him, or has just failed: its event is buffered or lost
        return
    live.state = CallState.WAITING
    live.held = held
    if live.call not in house.line:
        if live.record.queue is None:
            number = house.number(live.record.dialled)
            queue = number.direct or next(iter(house.plan.queues))
            house.note(live, queue=queue, queued_at=live.record.arrived_at)
        offers.stand_in_line(house, live)


def _in_net(house: House, live: LiveCall, ringing: LiveChannel | None, at: float) -> None:
    """In the safety net: taken back, unless the net is just ringing an agent for him (then left alone)."""
    _leave_line(house, live)
    live.state = CallState.NET
    if live.position is not None:  # he left the menu's first question behind, and the notice with it
        live.milestones.add(Milestone.CONSENT_CUT)
    if ringing is None:
        offers.reclaim(house, live, at)


def _standing(house: House, live: LiveCall, at: float, now: float) -> None:
    """He stands still and waits for a command."""
    _leave_line(house, live)
    if live.record.queue is not None:
        live.offer = None
        _waiting(house, live, now, held=False)
        house.unheld[live.call] = None
        return
    if live.state not in (CallState.ASKING, CallState.PLAYING):
        live.state = CallState.ASKING if live.position is not None else CallState.ARRIVED
    caller.resume(house, live, at)


def _never_seen_again(house: House, record: CallRecord, at: float) -> None:
    """A stored call that lives no more: it ended while nobody watched."""
    if record.call in house.calls or record.ended_at is not None:
        return
    live = LiveCall(record)
    ended = replace(
        record,
        ended_at=at,
        released_at=record.released_at or (at if record.joined_at else None),
        outcome=offers.outcome_of(live, unseen=True),
    )
    house.emit(SaveCall(ended))


def _free_agents_without_legs(house: House, channels: Iterable[LiveChannel], now: float) -> None:
    """An agent whom we think in a call but who has no leg in the exchange is free; one with a foreign leg is busy."""
    with_leg: set[AgentId] = {row.agent for row in channels if row.agent is not None}
    for known in list(house.roster.agents()):
        if known.call is not None and known.id not in with_leg and known.state is not AgentState.WRAP_UP:
            desk.leg_gone(house, known.id, known.call, now)
