"""监听, 密语, 强插: a supervisor hears a talk, speaks to the agent, or to both, in one call of his own. Pure rules.

One ChanSpy on the agent's leg with the options ``qdE``; its mode is switched by a digit (`asterisk.md` section 5), so
nothing is dialled again. It ends with the leg. Who listened, to whom, how, and for how long stands in the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterable

from agents.rights import Action, refusal
from controller import supervise_words as words
from controller.house import House
from controller.supervise import actor, agent_refusal, answer, queue_of, record
from controller.supervision import Spying
from pbx.call import CallState
from pbx.commands import Reply
from pbx.events import LiveChannel
from pbx.ids import AgentId, CallId, ChannelName, SpyId
from pbx.supervision import Spy, SpyAsked, SpyEndAsked, SpyMark, SpyMode, SpyStarted, SpyStopped, StopSpy, SwitchSpy


def spy_asked(house: House, event: SpyAsked, now: float) -> None:
    """Ring the supervisor's phone for listening, or switch what he hears already to another mode."""
    action = words.mode_action(event.mode)
    code, agent, call, leg = _target(house, event, action)
    mine = house.supervision.spy_of(event.by)
    detail: tuple[tuple[str, str], ...] = ()
    who = house.plan.actor(event.by)
    if not code and (who is None or who.phone is None):
        code = "no_phone"
    if not code and not house.connected:
        code = "exchange_unavailable"
    if not code and mine is not None and (mine.agent, mine.call) != (agent, call):
        code, detail = "already_listening", (("agent", mine.agent), ("call", mine.call))
    if not code and who is not None and who.phone is not None:
        if mine is None:
            spy = SpyId(f"spy-{event.by}-{round(now * 1000)}")
            mine = Spying(spy, event.by, AgentId(agent), CallId(call), leg, now, event.mode)
            house.supervision.spies[spy] = mine
            first = SpyMark(event.by, mine.agent, SpyMode.LISTEN, spy).encode()
            house.emit(Spy(spy, mine.call, who.phone, leg, house.plan.supervision.ring_s, first))
        elif mine.mode is not event.mode:
            mine.mode = event.mode
            if mine.started_at is not None:
                house.emit(SwitchSpy(mine.spy, event.mode, mine.mark()))
        detail = (("mode", mine.mode.value), ("phone", "talking" if mine.started_at is not None else "ringing"))
    said = words.sentence(action, agent=agent, call=call)
    answer(house, event, action, code, said, agent=agent, call=call, queue=_queue(house, call), detail=detail)


def _target(house: House, event: SpyAsked, action: Action) -> tuple[str, str, str, ChannelName]:
    """The code of a refusal, the agent, his call, and his leg in it."""
    nobody = ChannelName("")
    if event.agent is not None:
        if code := agent_refusal(house, event.by, action, event.agent):
            return code, event.agent, "", nobody
        known = house.roster.get(event.agent)
        live = house.calls.get(known.call) if known.call is not None else None
    else:
        if code := refusal(actor(house, event.by), action):
            return code, "", event.call or "", nobody
        live = house.calls.get(event.call or CallId(""))
        if live is None:
            return "unknown_call", "", event.call or "", nobody
    legs = {whose: leg for leg, whose in live.legs.items() if whose is not None} if live is not None else {}
    agent = event.agent
    if agent is None and live is not None:
        served = live.record.agent
        agent = served if served in legs else next((whose for whose in legs if whose in house.roster), None)
    call = str(live.call) if live is not None else ""
    if live is not None and (code := refusal(actor(house, event.by), action, queue_of(live))):
        return code, agent or "", call, nobody  # the agent is his, the caller is another's
    if live is None or live.state is not CallState.TALKING or agent not in legs:
        return "not_talking", agent or "", call, nobody
    return "", str(agent), call, legs[agent]


def _queue(house: House, call: str) -> str:
    live = house.calls.get(CallId(call))
    return str(live.record.queue or "") if live is not None else ""


def spy_end_asked(house: House, event: SpyEndAsked, now: float) -> None:
    """The supervisor wants to hear no more; his phone is hung up, and the end is written down when it has come."""
    mine = house.supervision.spy_of(event.by)
    if mine is None:
        said = words.sentence(Action.STOP_LISTENING, ended=("", ""))
        answer(house, event, Action.STOP_LISTENING, "not_listening", said)
        return
    house.emit(StopSpy(mine.spy))
    house.emit(Reply(event.request, True))


def spy_started(house: House, event: SpyStarted, now: float) -> None:
    """His phone was answered; a mode that was asked for meanwhile is switched to."""
    spying = house.supervision.spies.get(event.spy)
    if spying is None or spying.started_at is not None:
        return
    spying.started_at = event.at
    if spying.mode is not SpyMode.LISTEN:
        house.emit(SwitchSpy(spying.spy, spying.mode, spying.mark()))


def spy_stopped(house: House, event: SpyStopped, now: float) -> None:
    """He hears nothing any more, for whatever reason."""
    spying = house.supervision.spies.pop(event.spy, None)
    if spying is not None:
        _over(house, spying, event.at)


def _over(house: House, spying: Spying, at: float) -> None:
    seconds = max(0.0, at - spying.started_at) if spying.started_at is not None else None
    said = words.sentence(Action.STOP_LISTENING, ended=words.ended(seconds, spying.agent, spying.call))
    record(
        house, spying.by, Action.STOP_LISTENING, "", said, key=spying.spy, agent=spying.agent, call=spying.call,
        queue=_queue(house, spying.call),
    )  # fmt: skip


def found(house: House, rows: Iterable[LiveChannel], at: float) -> None:
    """Who listens by the snapshot: those whom an earlier controller knew are taken over, the others are gone."""
    before, house.supervision.spies = house.supervision.spies, {}
    for row in rows:
        mark = SpyMark.decode(row.mark)
        if mark is None:
            continue
        known = before.pop(mark.spy, None)
        if known is None:
            live = house.calls.get(row.call)
            leg = next((one for one, whose in live.legs.items() if whose == mark.agent), None) if live else None
            known = Spying(mark.spy, mark.by, mark.agent, row.call, leg or ChannelName(""), at, mark.mode, at)
        house.supervision.spies[mark.spy] = known
    for spying in before.values():
        _over(house, spying, at)
