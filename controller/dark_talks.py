"""Talks that ended while nobody watched, and what they mean for those who talked. Pure rules.

An agent's mark says what he was before such a talk (`agents.mark`). The dialplan's note says with whom it was and until
when: from then on he has his after-call work, and from its end on he is idle, as if somebody had seen it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents import agent as agents
from agents.agent import PHONE_LOST, Agent
from agents.moves import AgentInput, AgentState
from controller import desk
from controller.house import House
from pbx.call import CallRecord
from pbx.events import ExchangeConnected, Role, TalkSeen
from pbx.ids import AgentId, CallId

_IN_A_CALL = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.HOLDING)

_HANDED_OVER = ("attended", "three_way")
"""Ways in which a call goes to an agent whom the dialplan's note does not name: it has who was rung for the caller."""


@dataclass(frozen=True, slots=True)
class DarkTalk:
    """Somebody's talk that is over, as the exchange noted it. Epoch seconds."""

    agent: AgentId
    call: CallId
    joined_at: float
    released_at: float


def found(house: House, event: ExchangeConnected) -> list[DarkTalk]:
    """The talks that are over by what a snapshot says, in the order in which they ended. Those whose end somebody saw
    are among them: the exchange notes every talk.
    """
    noted = [(one.call, one.talk, one.ended_at) for one in event.gone]
    noted += [
        (row.call, row.talk, event.at)
        for row in event.channels
        if row.role is Role.CALLER and row.context == "p-survey" and not row.bridged
    ]
    talks = []
    for call, talk, last_at in noted:
        live = house.calls.get(call)
        record = live.record if live is not None else house.restored.get(call)
        agent = _agent(talk, record)
        if talk is not None and agent is not None:
            # A clock that was set back is no reason for after-call work in the future.
            talks.append(DarkTalk(agent, call, talk.joined_at, min(talk.released_at or last_at, event.at)))
    return sorted(talks, key=lambda one: one.released_at)


def _agent(talk: TalkSeen | None, record: CallRecord | None) -> AgentId | None:
    """With whom a caller talked last."""
    noted = talk.agent if talk is not None else None
    if record is None:
        return noted
    last = next((one for one in reversed(record.transfers) if one.outcome in ("done", "joined")), None)
    if last is not None and last.way in _HANDED_OVER:
        return record.agent or noted
    return noted or record.agent or record.placed_by


def settle(house: House, talks: Iterable[DarkTalk], now: float) -> None:
    """Give those who are at no call any more what follows their talks: after-call work until it is over, then what they
    wanted. Who is in another call keeps only that he was not idle before its end.
    """
    before = {known.id: known for known in house.roster.agents()}
    after = dict(before)
    for talk in talks:
        known = after.get(talk.agent)
        if known is not None:
            after[known.id] = _talked(house, known, talk, now)
    for agent, known in after.items():
        if known.state is AgentState.WRAP_UP and known.until <= now:
            known = _step(house, known, AgentInput.WRAP_UP_OVER, known.until)
        if known != before[agent]:
            desk.put(house, before[agent], known)


def _talked(house: House, known: Agent, talk: DarkTalk, now: float) -> Agent:
    if known.state is AgentState.OFFLINE and known.since == 0.0:
        return known  # nobody knows what he was
    if known.state in _IN_A_CALL:
        return agents.idle_from(known, talk.released_at) if known.idle_since < talk.joined_at else known
    if _rests_since(known, now) >= _ended(known, talk):
        return known  # his part in it was over before, and somebody saw it
    known = _step(house, known, AgentInput.JOIN, talk.joined_at, talk.call)
    return _step(house, known, AgentInput.RELEASE, talk.released_at, talk.call)


def _rests_since(known: Agent, now: float) -> float:
    """Since when an agent has certainly been at no call.

    Whose phone is found gone only now is not ready from now on, and rests as long as his mark says.
    """
    unreachable_now = known.state is AgentState.NOT_READY and known.reason == PHONE_LOST and known.since >= now
    return known.idle_since if known.state is AgentState.READY or unreachable_now else known.since


def _ended(known: Agent, talk: DarkTalk) -> float:
    """From which instant on somebody who rests has not been in the talk any more.

    Nobody is idle or at his after-call work in the middle of a talk; the mark of one who asked for a break or to sign
    out in it has an instant of the talk.
    """
    in_it = known.state in (AgentState.NOT_READY, AgentState.OFFLINE)
    return talk.released_at if in_it else talk.joined_at


def _step(house: House, known: Agent, cause: AgentInput, at: float, call: CallId | None = None) -> Agent:
    after = agents.step(known, cause, at, call=call, rules=house.plan.agent_rules)
    return after if isinstance(after, Agent) else known
