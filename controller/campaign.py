"""The automatic voice follow-up (自动语音回访): citizens are called and asked by keys how satisfied they are. Pure.

A request of it is a call-back for which no agent is kept (`callbacks.py` has what is the same for both: stored before
it is called, found in the exchange by its call's id after a crash). Here is what is its own: whose turn it is and when
(`turn`: opening hours, working days, pace, `acd/campaign.py`), the dialogue (`ivr/follow_up.py`), and what becomes of a
call. What he has pressed stands in his channel's mark with the very command that thanks him, so no crash loses it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from acd import callback as moves
from acd.campaign import may_place, next_of
from acd.skills import fits
from agents.moves import AgentState
from agents.rights import Action, refusal
from controller import callbacks, caller, offers, supervise
from controller import supervise_words as words
from controller.house import House, LiveCall
from controller.outbound import OUTBOUND
from controller.recorded import reached
from controller.waiting_words import spoken
from ivr.follow_up import Dialogue, Stage, pressed, question
from ivr.prompts import prompt_name
from pbx.call import CallInput, CallMark, CallRecord, Outcome
from pbx.callback import FOLLOW_UP_IDS, CallbackKind, CallbackRequest, CallbackState
from pbx.campaign import CampaignPaused, CampaignRest, CampaignRestored, FollowUpsWanted, SaveCampaign, request_id
from pbx.commands import Ask, PrepareEnd, Wake
from pbx.events import CallGone, OutboundAnswered, TimerKind
from pbx.ids import ActorId, CallId, QueueId, TicketNumber
from recordings.policy import Milestone

TURN = "campaign"
"""Key of the one clock that looks whose turn it is."""

PURPOSE = CallbackKind.FOLLOW_UP.value
"""`CallRecord.purpose`; the dialplan knows these calls by it when no controller is there."""

_WAIT_S = 8.0
_KNOWN = 20_000
"""So many requests are remembered as known when they are over; the store knows all of them."""


def is_ours(call: CallId) -> bool:
    """Whether a call of the campaign has this id."""
    return call.startswith(FOLLOW_UP_IDS)


# ---------------------------------------------------------------- whom to call, and when


def wanted(house: House, event: FollowUpsWanted, now: float) -> None:
    """Tickets have come to be asked about. Each is asked about once in a round."""
    if not _on(house):
        return
    known = house.campaign.known
    for one in event.wanted:
        id = request_id(one.ticket, one.round)
        if id in house.callbacks or id in known or one.number in callbacks.NEVER:
            continue
        known[id] = None
        if len(known) > _KNOWN:
            del known[next(iter(known))]
        queue = house.queue(one.queue).id
        request = CallbackRequest(id, one.number, queue, now, now, one.language, kind=CallbackKind.FOLLOW_UP)
        callbacks.put(house, replace(request, ticket=one.ticket, round=one.round, why=one.why))


def _on(house: House) -> bool:
    return house.plan.campaign.on and callbacks.possible(house)


def _requests(house: House) -> list[CallbackRequest]:
    return [one for one in house.callbacks.values() if one.kind is CallbackKind.FOLLOW_UP]


def look(house: House, at: float) -> None:
    """Look whose turn it is at epoch second `at`; whatever was set before is overtaken."""
    house.callback_clock += 1
    house.clocks[TURN] = house.callback_clock
    house.emit(Wake(TimerKind.CALLBACK, TURN, house.callback_clock, at))


def call_over(house: House) -> None:
    """A call has ended, whosever: a line is free."""
    if any(one.state is CallbackState.WAITING for one in _requests(house)):
        look(house, house.now)


def turn(house: House, now: float) -> None:
    """Have whoever is next dialled, as far as hours, pace and lines allow; else look again when they do."""
    plan = house.plan.campaign
    if not _on(house) or house.campaign.rest.by or not house.connected:
        return
    rules = plan.attempts.rules(1)
    for one in _requests(house):
        if one.state is CallbackState.WAITING and moves.overdue(one, now, rules):
            callbacks.put(house, moves.given_up(one, now))
    free = _free(house)
    while (request := next_of(free)) is not None:
        due = opens(house, max(request.next_at, now))
        calling, coming = _calling(house)
        placed = [*house.campaign.placed, *(now for _ in range(coming))]
        may = may_place(plan.pace, calling, _busy(house) + coming, placed, now)
        if due > now:
            look(house, due)
            return
        if may is None:
            return  # not before a call has ended, and that looks again
        if may > now:
            look(house, may)
            return
        free = [one for one in free if one.number != request.number]
        callbacks.put(house, moves.dial(request, None, now))
        callbacks.give_up_later(house, request, now)


def _free(house: House) -> list[CallbackRequest]:
    """Who waits and may be called: nobody who is in a call with us now, or is just being called."""
    engaged = {live.record.caller for live in house.calls.values()}
    every = _requests(house)
    engaged |= {one.number for one in every if one.state is CallbackState.DIALLING}
    return [one for one in every if one.state is CallbackState.WAITING and one.number not in engaged]


def _leave_in_peace(house: House, called: CallbackRequest, now: float) -> None:
    """He has just been called: about his other tickets he is asked no sooner than after the first gap."""
    until = now + house.plan.campaign.attempts.gaps_s[0]
    for one in _requests(house):
        if one.number == called.number and one.state is CallbackState.WAITING and one.next_at < until:
            callbacks.put(house, replace(one, next_at=until))


def _calling(house: House) -> tuple[int, int]:
    """Calls of the campaign in progress, and how many of them are about to be placed."""
    dialling = {one.call for one in _requests(house) if one.state is CallbackState.DIALLING}
    talking = {live.call for live in house.calls.values() if live.follow_up is not None}
    return len(dialling | talking), sum(call not in house.placed for call in dialling)


def _busy(house: House) -> int:
    """Calls that hold a line of the trunk: those that are up, and those that ring at somebody's."""
    return len(house.calls) + sum(call not in house.calls for call in house.placed)


def opens(house: House, at: float) -> float:
    """When people may be called next, not before `at`: within the hours, and on working days where these are asked for.

    A day later when there is no such instant within a month: then the hours are looked at again.
    """
    plan, zone = house.plan.campaign, ZoneInfo(house.plan.timezone)
    local = datetime.fromtimestamp(at, zone)
    for _ in range(31):
        opening = plan.hours.next_opening(local)
        if opening is None:
            break
        if plan.calendar is None or plan.calendar.is_workday(opening.date()):
            return at if opening == datetime.fromtimestamp(at, zone) else max(at, opening.timestamp())
        local = datetime.combine(opening.date() + timedelta(days=1), time(), zone)
    return at + 86_400.0


def placed(house: House, now: float) -> None:
    """A call of it is placed at this instant."""
    house.campaign.placed.append(now)


def overtaken(house: House, request: CallbackRequest) -> None:
    """The store says that its ticket has moved on: nobody is called, and it is over."""
    if request.state is CallbackState.DIALLING and request.call not in house.placed:
        house.callbacks.pop(request.id, None)
        look(house, house.now)


# ---------------------------------------------------------------- the call


def picked_up(house: House, event: OutboundAnswered, now: float) -> bool:
    """He, or his machine, has answered. False when the call is none of the campaign's.

    One that had been given up, and is answered all the same, is let go.
    """
    if not is_ours(event.call):
        return False
    request = callbacks.of_call(house, event.call)
    if event.call not in house.calls:
        language = request.language if request is not None else "zh"
        record = CallRecord(event.call, event.channel, event.dialled, event.number, event.at, language)
        live = house.add(ours(record, request))
        house.note(live)
        live.follow_up = Dialogue() if request is not None else Dialogue(Stage.SILENT)
        go_on(house, live, event.at)
    return True


def ours(record: CallRecord, request: CallbackRequest | None) -> CallRecord:
    """The record of a call that the hotline itself has placed to ask: it counts apart from what citizens call."""
    if request is None:
        return replace(record, direction=OUTBOUND, purpose=PURPOSE)
    number = TicketNumber(request.ticket)
    return replace(record, direction=OUTBOUND, purpose=PURPOSE, caller=request.number, ticket=number)


def rated(record: CallRecord, mark: CallMark | None) -> CallRecord:
    """The record with what the citizen has pressed, where his channel's mark has it."""
    dialogue = Dialogue.decode(mark.node) if mark is not None else None
    if dialogue is None or dialogue.stage is not Stage.RATED:
        return record
    return replace(record, outcome=Outcome.SURVEYED, score=int(dialogue.answer))


def go_on(house: House, live: LiveCall, at: float) -> None:
    """What he hears at his place in the dialogue; also after a restart, or when a command was lost."""
    dialogue = live.follow_up
    if dialogue is None:
        return
    if dialogue.asking:
        _ask(house, live, dialogue)
    elif dialogue.stage is Stage.AGENT and live.after_notice is not None:
        _to_agent(house, live, at)
    else:
        _goodbye(house, live, dialogue)


def _ask(house: House, live: LiveCall, dialogue: Dialogue) -> None:
    if not house.move(live, CallInput.ASK):
        return
    language, record = spoken(live), live.record
    if dialogue == Dialogue():  # should no controller be there at the end, the dialplan says goodbye by itself
        house.emit(PrepareEnd(live.call, live.channel, (), (), (), (prompt_name(language, "goodbye"),)))
    pieces = question(dialogue, record.ticket or "", language, yao=house.plan.yao)
    live.notice_playing = False
    prompts = tuple(prompt_name(language, piece) for piece in pieces)
    step = house.next_step(live)
    house.emit(Ask(live.call, live.channel, step, prompts, 1, _WAIT_S, record.language, live.mark()))


def keys_pressed(house: House, live: LiveCall, keys: str, ahead: bool, at: float) -> None:
    """His answer. A key that was pressed before he could hear the question is none."""
    before = live.follow_up
    if before is None:
        return
    if ahead and before.stage is Stage.ASKED:
        go_on(house, live, at)
        return
    live.follow_up = pressed(before, keys)
    _reached(house, live, live.follow_up, at)
    go_on(house, live, at)


def _reached(house: House, live: LiveCall, dialogue: Dialogue, at: float) -> None:
    """Write down what the end of the dialogue means; nothing while he is being asked."""
    request = callbacks.of_call(house, live.call)
    if dialogue.stage is Stage.RATED:
        house.note(live, outcome=Outcome.SURVEYED, score=int(dialogue.answer))
    if request is None:
        return
    if dialogue.stage is Stage.RATED:
        house.placed.discard(live.call)
        callbacks.put(house, moves.rated(request, dialogue.answer, at))
        _leave_in_peace(house, request, at)
    elif dialogue.stage is Stage.SILENT:
        callbacks.came_to_nothing(house, request, "silent", at)
    elif dialogue.stage is Stage.AGENT and desk_open(house, request, at):
        live.after_notice = house.queue(request.queue).id
        callbacks.put(house, replace(request, answer="agent"))
    elif dialogue.stage is Stage.AGENT:
        house.placed.discard(live.call)
        callbacks.put(house, moves.left_to_people(replace(request, answer="agent"), "answered", at))


def desk_open(house: House, request: CallbackRequest, at: float) -> bool:
    """Whether somebody could serve him now: his queue's number is open, and an agent who fits is at work."""
    number, queue = house.number(house.plan.default_number), house.queue(request.queue)
    if not number.hours.open_at(datetime.fromtimestamp(at, ZoneInfo(house.plan.timezone))):
        return False
    return any(
        known.state is not AgentState.OFFLINE and fits(house.roster.profile(known.id).skills, queue.requirement)
        for known in house.roster.agents()
    )


def _to_agent(house: House, live: LiveCall, at: float) -> None:
    """He wants an agent: the recording notice first, where his talk is recorded."""
    recording = house.plan.recording
    if recording.record and recording.consent_required:
        caller.play(house, live, (prompt_name(spoken(live), house.plan.notice),))
    else:
        join_line(house, live, at)


def _goodbye(house: House, live: LiveCall, dialogue: Dialogue) -> None:
    piece = {Stage.RATED: "follow-up-thanks", Stage.AGENT: "follow-up-person"}.get(dialogue.stage, "goodbye")
    caller.release(house, live, (prompt_name(spoken(live), piece),))


def join_line(house: House, live: LiveCall, at: float) -> None:
    """He has heard that his talk is recorded: from here on he is like one who has called."""
    queue = live.after_notice or house.queue(QueueId("")).id
    reached(house, live, Milestone.ARRIVED, at)
    live.after_notice = live.follow_up = None
    offers.queue_up(house, live, queue, live.priority, at)


def over(house: House, request: CallbackRequest, outcome: str, now: float) -> None:
    """A call brought nothing: who wanted an agent is left to people, the others are tried again."""
    if request.answer == "agent":
        callbacks.put(house, moves.left_to_people(request, outcome, now))
    else:
        rules = house.plan.campaign.attempts.rules(len(request.attempts))
        callbacks.put(house, moves.failed(request, outcome, now, rules))
    _leave_in_peace(house, request, now)


# ---------------------------------------------------------------- people


def pause(house: House, event: CampaignPaused, now: float) -> None:
    """暂停/继续: nobody is called from here on, or whose turn it is; calls in progress go on. Code: no_campaign.

    It is about citizens of every queue: whoever may act on some only may not order it.
    """
    action = Action.PAUSE_FOLLOW_UPS if event.on else Action.RESUME_FOLLOW_UPS
    code = refusal(house.plan.actor(event.by), action, ())
    if not code and not _on(house):
        code = "no_campaign"
    if not code:
        house.campaign.rest = CampaignRest(event.by if event.on else ActorId(""), now)
        house.emit(SaveCampaign(house.campaign.rest))
        look(house, now)
    supervise.answer(house, event, action, code, words.sentence(action))


# ---------------------------------------------------------------- after a restart


def restored(house: House, event: CampaignRestored, now: float) -> None:
    """As the store knew it."""
    house.campaign.rest = event.rest
    house.campaign.placed.extend(event.placed)


def found(house: House, live: LiveCall, mark: CallMark | None, at: float) -> bool:
    """A call found after a restart goes on where it is, by its channel's mark. False when it is none of the campaign's.

    What he has pressed is written down if the store does not have it yet.
    """
    if not is_ours(live.call):
        return False
    request = callbacks.of_call(house, live.call)
    live.record = ours(live.record, request)
    if live.record.queue is not None:
        return True
    dialogue = (Dialogue.decode(mark.node) if mark is not None else None) or Dialogue()
    live.follow_up = dialogue
    if not dialogue.asking:
        _reached(house, live, dialogue, at)
        live.releasing = live.after_notice is None
    return True


def gone(house: House, seen: CallGone) -> None:
    """A call that ended unseen: its channel's mark says what he had pressed."""
    request = callbacks.of_call(house, seen.call)
    if request is None or request.kind is not CallbackKind.FOLLOW_UP:
        return
    mark = CallMark.decode(seen.mark)
    dialogue = Dialogue.decode(mark.node) if mark is not None else None
    house.placed.discard(seen.call)
    if dialogue is not None and dialogue.stage is Stage.RATED:
        callbacks.put(house, moves.rated(request, dialogue.answer, seen.ended_at))
        return
    if dialogue is not None and dialogue.stage is Stage.AGENT:
        request = replace(request, answer="agent")
    callbacks.came_to_nothing(house, request, "hung_up", seen.ended_at)
