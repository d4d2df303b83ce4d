"""Calls that the hotline places: an agent's follow-up (回访) or call-back (回拨), and the queue's own call-back. Pure.

Agent first (`outbound_asked`): his phone rings; when he has answered, the citizen is called; when that one has answered
he hears the recording notice, then fetches the agent (`Join`). Citizen first: the queue's own call-back
(`callbacks.py`), whose agent is kept and rung when the citizen has answered. Both are placed by `PlaceCall`; in both
the citizen's channel is the call's channel, so that keys, hold, transfer, recording and restart are as for everybody.
An agent's ends with `Outcome.ANSWERED`, or with `Outcome.UNREACHED` where nobody answered (`talk.call_ended`).
"""

from __future__ import annotations

import re

from agents.moves import AgentInput, AgentState
from controller import callbacks, desk, held, offers, talk
from controller.house import Holding, House, LiveCall, Outbound
from controller.targets import Target, number, shown
from ivr.prompts import prompt_name
from pbx.call import CallInput, CallRecord, CallState, Outcome
from pbx.commands import CancelOffer, HangUp, PlaceCall, Play, RingAgent
from pbx.events import AgentWaits, CallEnded, LegEnded, OutboundAnswered, OutboundAsked, OutboundFailed
from pbx.ids import AgentId, CallId, ChannelName, QueueId
from recordings.policy import Milestone

OUTBOUND = "outbound"  #: `CallRecord.direction`
_ID = "out-"  #: how the id of an agent's call begins

_PURPOSE = re.compile(r"[a-z0-9_-]{1,32}")


def new_call(house: House, now: float) -> CallId:
    """An id for a call of ours: the instant in milliseconds, counted on where two begin in the same one."""
    instant = int(now * 1000)
    while (call := CallId(f"{_ID}{instant}")) in house.calls or call in house.finishing:
        instant += 1
    return call


def outbound_asked(house: House, event: OutboundAsked, now: float) -> None:
    """外呼: ring the agent's phone, then the citizen's."""
    held.answer(house, event.request, _ask(house, event, now))


def _ask(house: House, event: OutboundAsked, now: float) -> str:
    known = house.agent(event.agent)
    if known is None:
        return "unknown_agent"
    if known.state is AgentState.OFFLINE:
        return "not_signed_in"
    if known.state not in (AgentState.READY, AgentState.NOT_READY, AgentState.WRAP_UP) or _dials(house, event.agent):
        return "busy"
    if not known.phone:
        return "phone_unreachable"
    if not house.connected:
        return "exchange_unavailable"
    if not _PURPOSE.fullmatch(event.purpose):
        return "unknown_purpose"
    if event.queue and QueueId(event.queue) not in house.plan.queues:
        return "unknown_queue"
    target = number(house, None, event.number)
    if isinstance(target, str):
        return target
    if known.state is AgentState.WRAP_UP:
        desk.change(house, event.agent, AgentInput.WRAP_UP_OVER, now)
    live = _record(house, target, event.queue, event.purpose, event.agent, now)
    known = house.agent(event.agent)
    if known is not None and known.state is AgentState.READY:
        desk.change(house, event.agent, AgentInput.RESERVE, now, call=live.call)
    plan = house.plan.outbound
    house.emit(RingAgent(live.call, event.agent, plan.agent_ring_s, live.record.dialled, plan.auto_answer))
    return ""


def _dials(house: House, agent: AgentId) -> bool:
    """Whether the agent's phone rings already for a call of his."""
    return any(one.outbound is not None and one.outbound.agent == agent for one in house.calls.values())


def is_agents(call: CallId) -> bool:
    """Whether an agent's call has this id; the others that we place are call-backs."""
    return call.startswith(_ID)


def _record(house: House, target: Target, queue: str, purpose: str, agent: AgentId | None, now: float) -> LiveCall:
    call = new_call(house, now)
    record = CallRecord(
        call,
        ChannelName(call),
        shown(house, None, queue),
        target.number,
        now,
        direction=OUTBOUND,
        placed_by=agent,
        purpose=purpose,
    )
    live = house.add(record)
    live.state = CallState.DIALLING
    live.outbound = Outbound(agent)
    live.milestones.add(Milestone.ARRIVED)
    house.note(live)
    return live


def _call_citizen(house: House, live: LiveCall) -> None:
    if live.outbound is None:
        return
    live.outbound.placed = True
    plan, record = house.plan.outbound, live.record
    dial = f"PJSIP/{record.caller}@{plan.trunk}"
    house.emit(
        PlaceCall(
            live.call, record.caller, dial, record.dialled, plan.ring_s, record.language, live.mark(), record.purpose
        )
    )


def agent_waits(house: House, event: AgentWaits, now: float) -> None:
    """The agent has answered: the citizen is called. If that call is over meanwhile, the agent is let go."""
    live = house.calls.get(event.call)
    if live is None or live.outbound is None or live.outbound.agent != event.agent:
        house.emit(CancelOffer(event.call, event.leg))
        return
    live.outbound.leg = event.leg
    desk.joined(house, event.agent, live.call, event.leg, now)
    if live.state is CallState.DIALLING and not live.outbound.placed:
        _call_citizen(house, live)


def answered(house: House, event: OutboundAnswered, now: float) -> None:
    """The citizen has answered an agent's call: the notice first, where it is recorded."""
    live = house.calls.get(event.call)
    if live is None or live.state is not CallState.DIALLING:
        return
    house.note(live, channel=event.channel)
    go_on(house, live, event.at)


def go_on(house: House, live: LiveCall, at: float) -> None:
    """What a citizen whom we called hears next: the notice, then his agent, or the line."""
    recording = house.plan.recording
    wanted = recording.record and recording.consent_required and house.plan.outbound.notice
    if wanted and live.recording is None and Milestone.CONSENT_HEARD not in live.milestones:
        if house.move(live, CallInput.PLAY):
            live.notice_playing = True
            language = live.record.language
            notice = prompt_name("en" if language == "en" else "zh", house.plan.notice)
            house.emit(Play(live.call, live.channel, house.next_step(live), (notice,), language, live.mark()))
        return
    notice_over(house, live, at)


def notice_over(house: House, live: LiveCall, at: float) -> None:
    """The notice has been played, or none is due: he is joined with his agent, or joins the line."""
    outbound = live.outbound
    if outbound is not None and outbound.leg is not None and outbound.agent is not None:
        if live.state is CallState.ARRIVED:
            live.state = CallState.DIALLING  # found after a restart, with nothing to hear before his agent
        if house.move(live, CallInput.HOLD):
            live.outbound = None
            live.holding = Holding(outbound.agent, outbound.leg, 0, begun=True)
            talk.prepare_end(house, live)
            held.join(house, live, outbound.leg)
        return
    live.outbound = None
    number_plan = house.number(live.record.dialled)
    queue = live.after_notice or number_plan.direct or next(iter(house.plan.queues))
    live.after_notice = None
    offers.queue_up(house, live, queue, live.priority, at)


def failed(house: House, event: OutboundFailed, now: float) -> None:
    """The citizen did not answer."""
    live = house.calls.get(event.call)
    if live is None:
        callbacks.failed(house, event, now)
    elif live.state is CallState.DIALLING:
        house.note(live, unreached=event.reason)
        over(house, live, event.at, now)


def agent_leg_ended(house: House, live: LiveCall, event: LegEnded, now: float) -> None:
    """The agent for whom the citizen is called did not answer, or has hung up before the citizen was joined."""
    outbound = live.outbound
    if outbound is None or event.agent is None or outbound.agent != event.agent:
        return
    outbound.leg = None
    if live.state is not CallState.DIALLING:
        return  # the citizen has answered: when the notice is over he joins the line
    if outbound.placed:
        house.emit(HangUp(live.call, ChannelName(live.call)))
    else:
        over(house, live, event.at, now)


def over(house: House, live: LiveCall, at: float, now: float) -> None:
    """A call of ours ends without an answer; the agent who waits for it is let go."""
    house.note(live, outcome=Outcome.UNREACHED)
    talk.call_ended(house, CallEnded(live.call, 0, at), now)


def release(house: House, live: LiveCall) -> None:
    """The citizen's channel is gone: his agent does not wait for him any more."""
    if live.outbound is not None and live.outbound.leg is not None:
        house.emit(CancelOffer(live.call, live.outbound.leg))
