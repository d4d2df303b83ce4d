"""Hold, resume, consult and the attended transfer. Pure rules over the house.

Hold parts both channels in one action: the caller stands in p-hold, the agent's leg in ag-hold, or in ag-consult where
he asks somebody. The caller fetches whom he shall talk with by `Join`; what follows a talk stands in his channel
already, so that the survey comes after it in every case (`asterisk.md` 4, 12.6). An agent who is gone while his caller
is on hold leaves him in the line at his old place: on hold nobody has said goodbye.
"""

from __future__ import annotations

from dataclasses import replace

from agents.moves import AgentInput, AgentState
from controller import desk, offers, pauses
from controller.house import Consulting, Holding, House, LiveCall
from controller.recorded import reached
from controller.targets import ATTENDED, THREE_WAY, TRANSFER, Target, resolve
from pbx.call import CallInput, CallRecord, CallState, HoldSpan, TransferRecord
from pbx.commands import CancelOffer, Consult, DropParty, HoldTalk, Join, Reply
from pbx.events import (
    ConsultAsked,
    ConsultCompleted,
    ConsultEnded,
    HoldAsked,
    JoinEnded,
    LegEnded,
    LegStarted,
    PartyJoined,
    PhoneHeld,
    ResumeAsked,
    TargetKind,
)
from pbx.ids import AgentId, ChannelName, QueueId, RequestId
from recordings.policy import Milestone

# ---------------------------------------------------------------- whose talk


def own_call(house: House, agent: AgentId) -> LiveCall | str:
    """The call that an agent has, talking or on hold; else the code of a refusal."""
    known = house.agent(agent)
    if known is None:
        return "unknown_agent"
    live = house.calls.get(known.call) if known.call is not None else None
    if known.state not in (AgentState.TALKING, AgentState.HOLDING) or live is None:
        return "not_talking"
    return live if house.connected else "exchange_unavailable"


def his_leg(live: LiveCall, agent: AgentId) -> ChannelName | None:
    """The agent's channel in this call's talk."""
    return next((leg for leg, whose in live.legs.items() if whose == agent), None)


def answer(house: House, request: RequestId, code: str, detail: tuple[tuple[str, str], ...] = ()) -> None:
    """Answer a person's request; empty `code` = it is done."""
    house.emit(Reply(request, not code, code, detail))


def hangs(house: House, live: LiveCall, agent: AgentId) -> Holding | str:
    """The hold of this agent's caller; else the code of a refusal."""
    holding = live.holding
    if live.state is not CallState.HELD or holding is None or holding.agent != agent:
        return "not_holding"
    return holding


# ---------------------------------------------------------------- hold and resume


def hold_asked(house: House, event: HoldAsked, now: float) -> None:
    """保持."""
    live = own_call(house, event.agent)
    answer(house, event.request, live if isinstance(live, str) else _part(house, live, event.agent, now))


def _part(house: House, live: LiveCall, agent: AgentId, now: float, ask: Target | None = None) -> str:
    """Part caller and agent; with `ask`, the agent asks somebody meanwhile. Empty, or why not."""
    if live.state is CallState.HELD:
        return "already_held"
    leg = his_leg(live, agent)
    if live.state is not CallState.TALKING or leg is None or not live.in_bridge:
        return "not_talking"
    if len(live.legs) > 1:
        return "in_conference"
    drop_thirds(house, live)
    house.move(live, CallInput.HOLD)
    desk.change(house, agent, AgentInput.HOLD, now)
    _span_begins(house, live, agent, now)
    step = house.next_step(live)
    live.holding = Holding(agent, leg, step)
    music = house.queue(live.record.queue or QueueId("")).music
    command = HoldTalk(live.call, live.channel, step, leg, music, live.mark())
    if ask is not None:
        ring_s = house.plan.consult_ring_s
        command = replace(command, endpoint=ask.endpoint, ring_s=ring_s, number=ask.number, caller_id=ask.caller_id)
    house.emit(command)
    return ""


def resume_asked(house: House, event: ResumeAsked, now: float) -> None:
    """取消保持; one whom the agent is asking is let go."""
    live = own_call(house, event.agent)
    if isinstance(live, str):
        answer(house, event.request, live)
        return
    holding = hangs(house, live, event.agent)
    if isinstance(holding, str):
        answer(house, event.request, holding)
        return
    if holding.joining is None and not holding.leg_gone:
        consult_over(house, live, "cancelled", "", now, let_go=True)
        join(house, live, holding.leg)
    answer(house, event.request, "")


def join(house: House, live: LiveCall, leg: ChannelName) -> None:
    """Let the caller on hold fetch a leg."""
    if live.holding is not None:
        live.holding.joining = leg
    house.emit(Join(live.call, live.channel, house.next_step(live), leg, live.mark()))


def phone_held(house: House, event: PhoneHeld, now: float) -> None:
    """The hold key of his phone: the exchange does it by itself, the bridge stays; state and record follow."""
    live, known = house.calls.get(event.call), house.agent(event.agent)
    if live is None or known is None or known.call != event.call or live.state is not CallState.TALKING:
        return
    if event.on and known.state is AgentState.TALKING:
        desk.change(house, event.agent, AgentInput.HOLD, now)
        _span_begins(house, live, event.agent, event.at)
    elif not event.on and known.state is AgentState.HOLDING:
        desk.change(house, event.agent, AgentInput.RESUME, now)
        span_over(house, live, event.at)


def _span_begins(house: House, live: LiveCall, agent: AgentId, at: float) -> None:
    span_over(house, live, at)
    house.note(live, holds=(*live.record.holds, HoldSpan(agent, at)))


def span_over(house: House, live: LiveCall, at: float) -> None:
    """Whoever has him on hold has so until now; nothing where nobody has."""
    holds = live.record.holds
    if holds and holds[-1].ended_at is None:
        house.note(live, holds=(*holds[:-1], replace(holds[-1], ended_at=at)))


def record_over(record: CallRecord, at: float) -> CallRecord:
    """The record of a call that has ended: whatever was still asked or on hold then has an end too."""
    holds = tuple(
        one if one.ended_at is not None else replace(one, ended_at=max(at, one.began_at)) for one in record.holds
    )
    transfers = tuple(
        one if one.outcome != "asked" else replace(one, outcome="cancelled", detail="caller_gone", ended_at=at)
        for one in record.transfers
    )
    paused = pauses.ended(record.pauses, at)
    if (holds, transfers, paused) == (record.holds, record.transfers, record.pauses):
        return record
    return replace(record, holds=holds, transfers=transfers, pauses=paused)


# ---------------------------------------------------------------- consult, attended transfer


def consult_asked(house: House, event: ConsultAsked, now: float) -> None:
    """咨询: his caller goes on hold, if he is not yet, and the other one's phone is rung."""
    live = own_call(house, event.agent)
    answer(house, event.request, live if isinstance(live, str) else _consult(house, live, event, now))


def _consult(house: House, live: LiveCall, event: ConsultAsked, now: float) -> str:
    if event.kind is TargetKind.QUEUE:
        return "not_for_queues"
    if live.consult is not None:
        return "already_consulting"
    held = hangs(house, live, event.agent)
    if live.state is CallState.HELD and (isinstance(held, str) or held.leg_gone or held.joining is not None):
        return "not_holding"
    target = resolve(house, live, event.kind, event.target, TRANSFER)
    if isinstance(target, str):
        return target
    if target.agent == event.agent:
        return "unknown_party"
    if isinstance(held, str):
        code = _part(house, live, event.agent, now, target)
        if code:
            return code
    else:
        ring_s = house.plan.consult_ring_s
        house.emit(Consult(live.call, held.leg, target.endpoint, ring_s, target.number, target.caller_id))
    if target.agent is not None:
        desk.change(house, target.agent, AgentInput.RESERVE, now, call=live.call)
    live.consult = Consulting(target.endpoint, target.agent, target.name)
    asked = TransferRecord(event.agent, ATTENDED, target.name, now)
    house.note(live, transfers=(*live.record.transfers, asked))
    return ""


def leg_started(house: House, live: LiveCall, event: LegStarted, now: float) -> bool:
    """The leg of the one who is asked was made. False when the leg is not his."""
    consult = live.consult
    if event.step != 0 or consult is None or consult.endpoint != event.agent:
        return False
    consult.leg = event.leg
    if consult.agent is not None:
        desk.rings(house, consult.agent, live.call, event.leg, now)
    return True


def consult_completed(house: House, event: ConsultCompleted, now: float) -> None:
    """咨询转接: the caller fetches the one who was asked."""
    live = own_call(house, event.agent)
    if isinstance(live, str):
        answer(house, event.request, live)
        return
    holding, consult = hangs(house, live, event.agent), live.consult
    if isinstance(holding, str) or consult is None:
        answer(house, event.request, "not_consulting")
    elif not consult.up or consult.leg is None:
        answer(house, event.request, "party_not_answered")
    else:
        if holding.joining is None:
            join(house, live, consult.leg)
        answer(house, event.request, "")


def consult_ended(house: House, event: ConsultEnded, now: float) -> None:
    """The one who was asked has left again, or was not reached; the agent's leg waits alone."""
    live = house.calls.get(event.call)
    consult = live.consult if live is not None else None
    if live is None or consult is None or consult.endpoint != event.endpoint:
        return
    if live.holding is not None and live.holding.joining == consult.leg and consult.leg is not None:
        return  # the caller is fetching him: what has ended is only that he was asked
    if event.status != "ANSWER" and consult.agent is not None and not consult.up:
        missed = event.cause != offers.CANCELLED_BY_US
        cause = AgentInput.NO_ANSWER if missed else AgentInput.OFFER_FAILED
        desk.change(house, consult.agent, cause, now, call=live.call)
    outcome = "cancelled" if event.status == "ANSWER" else "failed"
    consult_over(house, live, outcome, event.status.lower(), event.at)


def consult_over(house: House, live: LiveCall, outcome: str, detail: str, at: float, *, let_go: bool = False) -> None:
    """Nobody is asked any more. `let_go`: his phone is hung up, ringing or not."""
    consult = live.consult
    if consult is None:
        return
    live.consult = None
    mark_transfer(house, live, ATTENDED, consult.name, outcome, detail, at)
    if let_go and consult.leg is not None:
        house.emit(CancelOffer(live.call, consult.leg))
    elif let_go and consult.agent is not None:  # no leg yet: Dial ends with the agent's part in it
        desk.change(house, consult.agent, AgentInput.OFFER_FAILED, house.now, call=live.call)


def mark_transfer(house: House, live: LiveCall, way: str, name: str, outcome: str, detail: str, at: float) -> None:
    """Write into the record what became of the newest hand-over of this `way` to `name` that is still open."""
    transfers = list(live.record.transfers)
    for index in range(len(transfers) - 1, -1, -1):
        one = transfers[index]
        if (one.way, one.target) == (way, name) and one.outcome in ("asked", "joined"):
            transfers[index] = replace(one, outcome=outcome, detail=detail, ended_at=at)
            house.note(live, transfers=tuple(transfers))
            return


# ---------------------------------------------------------------- what the exchange says of a caller on hold


def party_joined(house: House, live: LiveCall, event: PartyJoined, now: float) -> None:
    """A leg of the consultation, or the caller has fetched whom he shall talk with."""
    holding, consult = live.holding, live.consult
    wanted = holding.joining if holding is not None else None
    if event.agent is not None and event.channel != wanted:
        if consult is not None and consult.leg == event.channel and not consult.up:
            consult.up = True
            if consult.agent is not None:
                desk.joined(house, consult.agent, live.call, event.channel, now)
        return
    if event.agent is None and event.channel == live.channel:
        live.in_bridge = True
        if wanted is not None:
            resumes(house, live, wanted, event.at, now)


def resumes(house: House, live: LiveCall, leg: ChannelName, at: float, now: float) -> None:
    """The caller has fetched `leg`: they talk."""
    holding, consult = live.holding, live.consult
    if holding is None or not house.move(live, CallInput.JOIN):
        return
    span_over(house, live, at)
    live.fetched = leg
    live.talk_since = at
    live.lost = 0
    if consult is not None and consult.leg == leg:
        live.legs = {leg: consult.endpoint}
        mark_transfer(house, live, ATTENDED, consult.name, "done", "", at)
        if consult.agent is not None:
            desk.joined(house, consult.agent, live.call, leg, now)
            house.note(live, agent=consult.agent)
        house.emit(CancelOffer(live.call, holding.leg))  # the agent waits alone now; his wrap-up begins when it is gone
    else:
        live.legs = {leg: holding.agent}
        desk.joined(house, holding.agent, live.call, leg, now)
        consult_over(house, live, "cancelled", "", at)
    live.holding = live.consult = None
    if live.record.joined_at is None:  # a call that we placed: the talk begins only now
        house.note(live, agent=holding.agent, joined_at=at)
        reached(house, live, Milestone.TALK_BEGAN, at)


def begun(house: House, live: LiveCall, step: int, at: float) -> None:
    """The exchange has parted caller and agent."""
    holding = live.holding
    if holding is None or step < holding.step or holding.begun:
        return
    holding.begun = True
    live.in_bridge = False
    live.legs.clear()
    _settle(house, live, at)


def leg_ended(house: House, live: LiveCall, event: LegEnded) -> None:
    """A leg of a held call is gone: the agent's, or that of the one whom he asked. Call it before the desk's rule."""
    if event.leg == live.fetched:
        live.fetched = None
    holding, consult = live.holding, live.consult
    if holding is None:
        return
    if event.leg == holding.leg:
        holding.leg_gone = True
        if holding.joining == event.leg:
            holding.joining = None
        _settle(house, live, event.at)
    elif consult is not None and event.leg == consult.leg:
        if holding.joining == event.leg:
            holding.joining = None  # `JoinEnded` says that it came to nothing
        consult_over(house, live, "cancelled" if consult.up else "failed", "", event.at)
        _settle(house, live, event.at)


def join_failed(house: House, event: JoinEnded, now: float) -> None:
    """Whom the caller should fetch was gone: he is under music again."""
    live = house.calls.get(event.call)
    if live is None or event.step < live.running:
        return
    if live.state is CallState.HELD and live.holding is not None:
        live.holding.joining = None
        _settle(house, live, event.at)
    elif live.state is CallState.TALKING:
        _to_line(house, live, event.at)


def _settle(house: House, live: LiveCall, at: float) -> None:
    """A caller on hold whose agent is gone stands in the line again, unless somebody is being fetched for him."""
    holding = live.holding
    if holding is not None and holding.begun and holding.leg_gone and holding.joining is None:
        if live.consult is not None:
            consult_over(house, live, "cancelled", "", at, let_go=True)
        _to_line(house, live, at)


def _to_line(house: House, live: LiveCall, at: float) -> None:
    if not house.move(live, CallInput.OFFER_FAILED):
        return
    span_over(house, live, at)
    live.holding = live.consult = None
    live.in_bridge = False
    live.legs.clear()
    offers.stand_in_line(house, live)


def lost(house: House, live: LiveCall, at: float) -> None:
    """A command for a caller on hold was lost: the talk goes on as it was, or it is commanded again."""
    holding = live.holding
    if holding is None:
        return
    live.lost += 1
    if not holding.begun and live.in_bridge and live.legs:
        agent = holding.agent
        live.holding = None
        consult_over(house, live, "failed", "lost", at, let_go=True)
        house.move(live, CallInput.JOIN)
        span_over(house, live, at)
        desk.change(house, agent, AgentInput.RESUME, house.now)
    elif not holding.begun:
        begun(house, live, holding.step, at)  # he has left the bridge: only the report of it is lost
    elif holding.joining is not None and live.lost <= house.plan.step_tries:
        join(house, live, holding.joining)
    else:
        holding.joining = None
        _settle(house, live, at)


def release(house: House, live: LiveCall, at: float) -> None:
    """The caller is gone, or given away: agent and asked one are not left alone in the exchange."""
    span_over(house, live, at)
    consult_over(house, live, "cancelled", "caller_gone", at, let_go=True)
    if live.holding is not None and not live.holding.leg_gone:
        house.emit(CancelOffer(live.call, live.holding.leg))
    drop_thirds(house, live)


def drop_thirds(house: House, live: LiveCall) -> None:
    """Stop ringing third parties: the talk that they were asked into is over."""
    for endpoint, name in live.thirds.items():
        house.emit(DropParty(live.call, endpoint))
        mark_transfer(house, live, THREE_WAY, name, "cancelled", "", house.now)
    live.thirds.clear()
