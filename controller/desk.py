"""Agents: requests, phones, wrap-up, and what the exchange remembers of them. Pure rules over the house."""

from __future__ import annotations

import logging
from dataclasses import replace

from agents import agent as agents
from agents.agent import MISSED, Agent
from agents.mark import encode
from agents.moves import AgentInput, AgentState, Refused
from controller.house import House
from pbx.commands import MarkAgent, NetMembership, Reply, Wake
from pbx.events import (
    AgentSignedIn,
    AgentSignedOut,
    AgentWentNotReady,
    AgentWentReady,
    PhoneChanged,
    PhoneUsed,
    TimeIsUp,
    TimerKind,
    WrapUpExtended,
)
from pbx.ids import AgentId, CallId, ChannelName, RequestId
from pbx.memory import DeskNoticesRestored

_AT_REST = (AgentState.OFFLINE, AgentState.NOT_READY, AgentState.READY)
"""States in which an agent may change his seat."""

log = logging.getLogger(__name__)


def change(
    house: House,
    agent: AgentId,
    cause: AgentInput,
    now: float,
    *,
    call: CallId | None = None,
    leg: ChannelName | None = None,
    reason: str = "",
) -> bool:
    """Move an agent by his table; refused moves change nothing and are logged. True when it was legal."""
    code = ask(house, agent, cause, now, call=call, leg=leg, reason=reason)
    if code:
        log.info("agent %s: %s refused: %s", agent, cause.value, code, extra={"action": "agent_move_refused"})
    return not code


def ask(
    house: House,
    agent: AgentId,
    cause: AgentInput,
    now: float,
    *,
    call: CallId | None = None,
    leg: ChannelName | None = None,
    reason: str = "",
    extend_s: float = 0.0,
) -> str:
    """Move an agent by his table; the code of the refusal, empty when it was done."""
    before = house.agent(agent)
    if before is None:
        return "unknown_agent"
    rules = house.plan.agent_rules
    after = agents.step(before, cause, now, call=call, leg=leg, reason=reason, extend_s=extend_s, rules=rules)
    if isinstance(after, Refused):
        return after.code if after.code != "phone_unreachable" else _out_of_reach(house, agent)
    put(house, before, after)
    return ""


def _out_of_reach(house: House, agent: AgentId) -> str:
    """Why an agent's phone cannot be rung: there is none at which he could sit, or it is not registered."""
    return "no_seat" if house.seats.phone_of(agent) is None else "phone_unreachable"


def put(house: House, before: Agent, after: Agent) -> None:
    """Keep an agent's new state, tell the exchange, and start the clock of a wrap-up."""
    house.roster.put(after)
    house.dirty = True
    if after.reason == MISSED and before.reason != MISSED:
        house.tell("missed", after.id)
    if after.state is AgentState.WRAP_UP and after.generation != before.generation:
        house.emit(Wake(TimerKind.WRAP_UP, after.id, after.generation, after.until))
    if after.state is AgentState.NOT_READY and (after.since, after.reason) != (before.since, before.reason):
        watch_limit(house, after)
    publish(house, after)
    if after.state is AgentState.OFFLINE and before.state is not AgentState.OFFLINE:
        leave_seat(house, after.id, house.now)


def watch_limit(house: House, agent: Agent) -> None:
    """Have a limited not-ready reason looked at when its time is over."""
    limit = house.plan.agent_rules.limit_of(agent)
    if limit is not None:
        house.emit(Wake(TimerKind.REASON_LIMIT, agent.id, 0, agent.since + limit))


def publish(house: House, agent: Agent) -> None:
    """Tell the exchange an agent's mark and his membership of the safety net, if they changed."""
    net = {AgentState.OFFLINE: NetMembership.ABSENT, AgentState.NOT_READY: NetMembership.PAUSED}.get(
        agent.state, NetMembership.READY
    )
    if agent.state is AgentState.WRAP_UP or not agent.phone:
        net = NetMembership.ABSENT if net is NetMembership.ABSENT else NetMembership.PAUSED
    phone = house.seats.phone_of(agent.id)
    if phone is None:
        net = NetMembership.NOWHERE
    mark = encode(agent, house.seats.away(agent.id) or "")
    known = f"{mark}/{net.value}"
    if house.connected and not house.ending and house.published.get(agent.id) != known:
        house.published[agent.id] = known
        house.emit(MarkAgent(agent.id, mark, net, "" if phone in (None, agent.id) else str(phone)))


def rings(house: House, agent: AgentId, call: CallId, leg: ChannelName, now: float) -> bool:
    """An agent's phone rings for `call`. False when he is not free for it, so that he is not thought to be."""
    known = house.agent(agent)
    if known is not None and known.state is AgentState.RINGING and known.call == call:
        house.roster.put(replace(known, leg=leg))
        return True
    return change(house, agent, AgentInput.RING, now, call=call, leg=leg)


def joined(house: House, agent: AgentId, call: CallId, leg: ChannelName, now: float) -> None:
    """An agent's leg is in a talk."""
    known = house.agent(agent)
    if known is None:
        return
    if known.state is AgentState.TALKING:  # he was moved to another leg or talk: the exchange is believed
        house.roster.put(replace(known, call=call, leg=leg))
    else:
        change(house, agent, AgentInput.JOIN, now, call=call, leg=leg)


def leg_gone(house: House, agent: AgentId, call: CallId, now: float, *, leg: ChannelName | None = None) -> None:
    """An agent's leg for `call` is gone: his talk is over, or what he was rung for.

    `leg`, where it is known, must be the one he is on: the end of an earlier one comes late and means nothing.
    """
    known = house.agent(agent)
    if known is None or known.call != call or (leg is not None and known.leg not in (None, leg)):
        return
    if known.state in (AgentState.TALKING, AgentState.HOLDING):
        change(house, agent, AgentInput.RELEASE, now, call=call)
    elif known.state in (AgentState.RESERVED, AgentState.RINGING):
        change(house, agent, AgentInput.OFFER_FAILED, now, call=call)


def talk_was_none(house: House, agent: AgentId, call: CallId, now: float, *, missed: bool) -> None:
    """An agent left in the instant in which he answered: no talk, so no wrap-up, even if his leg ended first."""
    known = house.agent(agent)
    if known is None or known.call != call:
        return
    if known.state is AgentState.WRAP_UP:
        change(house, agent, AgentInput.WRAP_UP_OVER, now)
    else:
        change(house, agent, AgentInput.NO_ANSWER if missed else AgentInput.OFFER_FAILED, now, call=call)


# ---------------------------------------------------------------- requests


def signed_in(house: House, event: AgentSignedIn, now: float) -> None:
    """签入, at his own phone or at the seat that he names."""
    _answer(house, event.request, sign_in(house, event.agent, event.seat, now), event.agent)


def sign_in(house: House, agent: AgentId, seat: AgentId | None, now: float) -> str:
    """Sign an agent in at a phone; gives the code of a refusal, empty when he is signed in.

    Without a seat he signs in at his own phone, also when he sits elsewhere; ``no_seat`` where he has none, or somebody
    else has it. A second sign-in takes over: he is signed out where he was, and whoever sits at the new seat is signed
    out too. While either is at a call nothing changes (``agent_in_call``, ``seat_in_call``): no call is ever taken from
    anybody.
    """
    known, seats = house.agent(agent), house.seats
    if known is None:
        return "unknown_agent"
    here = seats.phone_of(agent)
    wanted = seat or seats.home(agent)
    if wanted is None:
        return "no_seat"
    if wanted not in seats:
        return "unknown_seat"
    moves = wanted != here
    if moves and known.state not in _AT_REST:
        return "agent_in_call"
    other = house.agent(seats.agent_at(wanted) or agent)
    if other is not None and other.id != agent and other.state not in _AT_REST:
        return "seat_in_call"
    if other is not None and other.id != agent:
        if other.state is not AgentState.OFFLINE:
            house.tell("seat_taken", other.id, wanted)
            ask(house, other.id, AgentInput.SIGN_OUT, now)
        leave_seat(house, other.id, now)
    if moves:
        if known.state is not AgentState.OFFLINE:
            house.tell("moved", agent, wanted)
            ask(house, agent, AgentInput.SIGN_OUT, now)
        seats.sit(agent, wanted)
        house.published.pop(agent, None)
        follow_phone(house, agent, now)
        owner = seats.owner(wanted)
        if owner is not None:
            follow_phone(house, owner, now)  # it is not his any more
    return ask(house, agent, AgentInput.SIGN_IN, now)


def leave_seat(house: House, agent: AgentId, now: float) -> None:
    """A signed-out agent keeps nobody from a seat: it is free, or its owner's again."""
    phone = house.seats.leave(agent)
    if phone is None:
        return
    follow_phone(house, agent, now)
    known = house.agent(agent)
    if known is not None:
        publish(house, known)  # his mark names the seat no more
    owner = house.seats.agent_at(phone)
    if owner is not None:
        follow_phone(house, owner, now)


def signed_out(house: House, event: AgentSignedOut, now: float) -> None:
    """签出."""
    _answer(house, event.request, ask(house, event.agent, AgentInput.SIGN_OUT, now))


def went_ready(house: House, event: AgentWentReady, now: float) -> None:
    """示闲; an agent who is not signed in is signed in by it, if his phone is reachable."""
    known = house.agent(event.agent)
    if known is not None and known.state is AgentState.OFFLINE:
        if not known.phone:
            _answer(house, event.request, _out_of_reach(house, event.agent), event.agent)
            return
        ask(house, event.agent, AgentInput.SIGN_IN, now)
    _answer(house, event.request, ask(house, event.agent, AgentInput.GO_READY, now), event.agent)


def went_not_ready(house: House, event: AgentWentNotReady, now: float) -> None:
    """示忙, with a reason."""
    code = go_not_ready(house, event.agent, event.reason, now)
    house.emit(Reply(event.request, not code, code, reasons_told(house, code)))


def reasons_told(house: House, code: str) -> tuple[tuple[str, str], ...]:
    """What a reply says besides its code: the reasons that there are, to whoever has given another one."""
    if code != "unknown_reason":
        return ()
    return (("allowed", ",".join(house.plan.agent_rules.not_ready_reasons)),)


def go_not_ready(house: House, agent: AgentId, reason: str, now: float) -> str:
    """An agent asks to be not ready; ``reason_taken`` when as many as may have gone for this reason already."""
    most = house.plan.agent_rules.most.get(reason)
    if most is not None and agent in house.roster:
        others = sum(
            one.id != agent and reason in (one.reason, one.wanted.reason if one.wanted is not None else "")
            for one in house.roster.agents()
        )
        if others >= most:
            return "reason_taken"
    return ask(house, agent, AgentInput.GO_NOT_READY, now, reason=reason)


def wrap_up_extended(house: House, event: WrapUpExtended, now: float) -> None:
    """Longer after-call work, up to what the hotline allows; the clock is set anew."""
    code = ask(house, event.agent, AgentInput.EXTEND, now, extend_s=event.seconds)
    _answer(house, event.request, code)


def _answer(house: House, request: RequestId, code: str, agent: AgentId | None = None) -> None:
    """Answer a request of `agent`; to one whose phone somebody else has, with that phone. Who that is stands in the
    overview, where those look who may see it.
    """
    taken = house.seats.taken(agent) if agent is not None and code == "no_seat" else None
    house.emit(Reply(request, not code, code, (("taken", taken[0]),) if taken is not None else ()))


# ---------------------------------------------------------------- clocks and phones


def wrap_up_over(house: House, event: TimeIsUp, now: float) -> None:
    """The time for after-call work is over."""
    known = house.agent(AgentId(event.key))
    if known is None or known.state is not AgentState.WRAP_UP or known.generation != event.generation:
        return
    change(house, known.id, AgentInput.WRAP_UP_OVER, now)


def reason_overrun(house: House, event: TimeIsUp, now: float) -> None:
    """An agent is not ready for longer than his reason allows: said once, and nothing else (he may have a cause)."""
    known = house.agent(AgentId(event.key))
    limit = house.plan.agent_rules.limit_of(known) if known is not None else None
    if known is None or limit is None or now < known.since + limit - 0.001:
        return  # a stale timer
    told = (one.agent == known.id and one.what == "overrun" and one.at >= known.since for one in house.notices)
    if not any(told):  # a restarted controller sets its clocks anew, and knows what the one before has said
        house.tell("overrun", known.id, known.reason)


def notices_restored(house: House, event: DeskNoticesRestored, now: float) -> None:
    """What the controller before has shown is shown on."""
    house.notices.extendleft(reversed(event.notices))


def phone_changed(house: House, event: PhoneChanged, now: float) -> None:
    """A phone registered, or its registration is gone."""
    house.seats.reached(event.agent, reachable=event.reachable)
    agent = house.seats.agent_at(event.agent)
    if agent is not None:
        follow_phone(house, agent, now)


def phone_used(house: House, event: PhoneUsed, now: float) -> None:
    """A phone begins or ends a call, ours or its own. The agent's state is his and stays; he is offered a call only
    while his phone is idle."""
    house.seats.used(event.agent, event.use)
    agent = house.seats.agent_at(event.agent)
    if agent is not None:
        follow_phone(house, agent, now)


def follow_phone(house: House, agent: AgentId, now: float) -> None:
    """Bring what is known of an agent's phone into agreement with the phone where he sits."""
    known = house.agent(agent)
    if known is None:
        return
    reachable, use = house.seats.facts(agent)
    if known.use is not use:
        house.roster.put(replace(known, use=use))
        house.dirty = True
    if known.phone != reachable:
        change(house, agent, AgentInput.PHONE_BACK if reachable else AgentInput.PHONE_LOST, now)
