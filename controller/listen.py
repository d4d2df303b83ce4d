"""监听, 密语, 强插: a supervisor hears a talk, speaks to the agent, or to both, in one call of his own. Pure rules.

One ChanSpy on the agent's leg with the options ``qdE``; its mode is switched by a digit (`asterisk.md` section 5), so
nothing is dialled again. When the leg ends, because the caller was handed on or the agent has hung up, the supervisor
hears music, and `follow` decides: the caller's next agent, in listen mode, if he may hear him; else a word, and
the end. Who listened, to whom, how, and for how long stands in the audit trail, each agent by himself.
"""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from agents.rights import Action, refusal
from controller import supervise_words as words
from controller.house import House, LiveCall
from controller.supervise import actor, agent_refusal, answer, queue_of, record
from controller.supervision import Spying
from ivr.prompts import prompt_name
from pbx.call import CallState
from pbx.commands import Reply
from pbx.events import LiveChannel
from pbx.ids import AgentId, CallId, ChannelName, SpyId
from pbx.supervision import (
    EndSpy,
    Spy,
    SpyAsked,
    SpyEndAsked,
    SpyGone,
    SpyHeard,
    SpyMark,
    SpyMode,
    SpyOn,
    SpyStarted,
    SpyStopped,
    SpyWaits,
    StopSpy,
    SwitchSpy,
)

_OVER = (CallState.SURVEY, CallState.ENDED)
"""Where a caller talks with no agent any more."""


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
            rules = house.plan.supervision
            house.emit(Spy(spy, mine.call, who.phone, leg, rules.ring_s, first, rules.follow_s, _over_word(house)))
        elif mine.mode is not event.mode:
            mine.mode = event.mode
            if mine.hears:
                house.emit(SwitchSpy(mine.spy, event.mode, mine.mark()))
        detail = (
            ("mode", mine.mode.value),
            ("phone", "talking" if mine.hears else "waiting" if mine.heard_until is not None else "ringing"),
        )
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
    """He hears the leg; a mode that was asked for meanwhile is switched to."""
    spying = house.supervision.spies.get(event.spy)
    if spying is None or spying.started_at is not None:
        return
    spying.started_at = event.at
    if spying.mode is not SpyMode.LISTEN:
        house.emit(SwitchSpy(spying.spy, spying.mode, spying.mark()))


def spy_waits(house: House, event: SpyWaits, now: float) -> None:
    """The leg that he heard is gone."""
    spying = house.supervision.spies.get(event.spy)
    if spying is not None and spying.started_at is not None and spying.heard_until is None:
        spying.heard_until = event.at
        follow(house)


def follow(house: House) -> None:
    """Bring every supervisor who waits to the caller's next agent, or tell him that there is none for him."""
    for spying in house.supervision.waiting():
        live = house.calls.get(spying.call)
        if live is None or live.state in _OVER or house.plan.supervision.follow_s <= 0:
            _end(house, spying)
        elif live.state is CallState.TALKING:
            _next_leg(house, spying, live)


def _next_leg(house: House, spying: Spying, live: LiveCall) -> None:
    if spying.leg in live.legs:
        return  # the agent talks on: it was the supervisor who has hung up
    legs = {whose: leg for leg, whose in live.legs.items() if whose is not None and whose in house.roster}
    agent = live.record.agent if live.record.agent in legs else next(iter(legs), None)
    if agent is None:
        return
    action = words.mode_action(SpyMode.LISTEN)
    code = agent_refusal(house, spying.by, action, agent) or refusal(actor(house, spying.by), action, queue_of(live))
    said = words.sentence(action, agent=agent, call=live.call)
    _over(house, spying, house.now)
    record(
        house, spying.by, action, code, said, key=f"{spying.spy}/{agent}", agent=agent, call=live.call,
        queue=_queue(house, live.call),
    )  # fmt: skip
    if code:
        spying.started_at = None  # what he has heard is written down
        _end(house, spying)
        return
    spying.agent, spying.leg, spying.mode = agent, legs[agent], SpyMode.LISTEN
    spying.started_at = spying.heard_until = None
    house.emit(SpyOn(spying.spy, spying.leg, spying.mark()))


def _end(house: House, spying: Spying) -> None:
    spying.ending = True
    house.emit(EndSpy(spying.spy, _over_word(house)))


def _over_word(house: House) -> str:
    """What he is told when there is nothing more to hear."""
    return prompt_name("en" if house.plan.code_language == "en" else "zh", "goodbye")


def spy_stopped(house: House, event: SpyStopped, now: float) -> None:
    """He hears nothing any more, for whatever reason."""
    spying = house.supervision.spies.pop(event.spy, None)
    if spying is not None and not (spying.ending and spying.started_at is None):
        _over(house, spying, event.at)


def _over(house: House, spying: Spying, at: float) -> None:
    """Write down that he hears this agent no more. What is told twice, by this controller and by one that was killed
    before the exchange's note of it was erased, is one line: it bears the same id.
    """
    until = spying.heard_until if spying.heard_until is not None else at
    if spying.started_at is not None:
        zone = ZoneInfo(house.plan.timezone)
        ended = words.ended(spying.started_at, max(spying.started_at, until), zone, spying.agent, spying.call)
    else:
        ended = words.unheard(spying.agent, spying.call, answered=spying.heard_until is not None)
    said = words.sentence(Action.STOP_LISTENING, ended=ended)
    record(
        house, spying.by, Action.STOP_LISTENING, "", said, key=spying.spy, agent=spying.agent, call=spying.call,
        queue=_queue(house, spying.call), id=f"{spying.spy}/{spying.leg}/over",
    )  # fmt: skip


def found(house: House, rows: Iterable[LiveChannel], gone: Iterable[SpyGone], at: float) -> None:
    """Who listens by the snapshot: those whom an earlier controller knew are taken over, the others are gone.

    Since when somebody listens, and until when he did, is what the exchange noted: nobody here may have seen it.
    """
    before, house.supervision.spies = house.supervision.spies, {}
    for row in rows:
        mark = SpyMark.decode(row.mark)
        if mark is None:
            continue
        known = before.pop(mark.spy, None)
        if known is None:
            live = house.calls.get(row.call)
            leg = _leg_of(live, mark.agent) if live is not None else None
            over = at if leg is None else None  # an earlier controller may have ended while he waited
            known = Spying(
                mark.spy, mark.by, mark.agent, row.call, leg or ChannelName(""), at, mark.mode, None, over
            )  # fmt: skip
        if known.agent == mark.agent and row.heard is not None:
            _noted(known, row.heard)
        house.supervision.spies[mark.spy] = known
    unseen = {one.spy: one for one in gone}
    for spying in before.values():
        note = unseen.pop(spying.spy, None)
        if note is not None and note.heard is not None and spying.leg in ("", note.leg):
            _noted(spying, note.heard)
        if not (spying.ending and spying.started_at is None):
            _over(house, spying, note.ended_at if note is not None else at)
    for one in unseen.values():
        mark = SpyMark.decode(one.mark)
        if mark is not None:
            known = Spying(mark.spy, mark.by, mark.agent, one.call, one.leg, at, mark.mode, None, one.ended_at)
            if one.heard is not None:
                _noted(known, one.heard)
            _over(house, known, one.ended_at)
    for spying in house.supervision.spies.values():  # what was told to those who waited may be lost
        spying.ending = False
        live = house.calls.get(spying.call)
        if spying.hears and (live is None or (live.state is CallState.TALKING and spying.leg not in live.legs)):
            spying.heard_until = at
    follow(house)


def _noted(spying: Spying, heard: SpyHeard) -> None:
    """What the exchange noted of what he hears."""
    spying.leg, spying.started_at = heard.leg, heard.since
    spying.heard_until = heard.until if heard.until is not None else spying.heard_until


def _leg_of(live: LiveCall, agent: AgentId) -> ChannelName | None:
    """The agent's leg in the talk, or while his caller is on hold."""
    if live.holding is not None and live.holding.agent == agent:
        return live.holding.leg
    return next((leg for leg, whose in live.legs.items() if whose == agent), None)
