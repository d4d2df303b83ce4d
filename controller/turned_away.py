"""Callers who cannot be served now: the hotline is closed, or their queue is full. Pure rules over the house.

What they are given is the number's `when_closed` or the queue's `when_full`: a message, a call-back, or a voice message
(留言) that stands in the call's recording. Nobody with a favour (`controller.favours`), and nobody whom the hotline
calls, finds a queue full.
"""

from __future__ import annotations

from dataclasses import replace

from controller import callbacks, caller, hold_keys
from controller.house import Dialog, House, LiveCall
from controller.plan import CALL_BACK, MESSAGE, VOICE_MESSAGE, QueuePlan
from controller.recorded import reached, record_now
from controller.waiting_words import expected_wait, spoken
from ivr.prompts import prompt_name
from pbx.call import CallInput, CallRecord, CallState, Outcome, VoiceMessage
from pbx.commands import Ask, Record
from pbx.events import Recorded
from pbx.ids import CallId
from recordings.policy import Milestone

_WAIT_S = 6.0


def full(house: House, live: LiveCall, queue: QueuePlan) -> bool:
    """Whether a caller who is about to join `queue` finds it full. Call-backs in the line do not count as callers."""
    limits = queue.full
    if limits is None or live.outbound is not None or live.record.direction != "inbound":
        return False
    waiting = house.line.waiting(queue.id)
    if limits.waiting and waiting >= limits.waiting:
        waiting -= sum(one.queue == queue.id and CallId(one.id) in house.line for one in house.callbacks.values())
        if waiting >= limits.waiting:
            return True
    if not limits.wait_s:
        return False
    wait = expected_wait(house, live, queue, house.now)
    return wait is not None and wait > limits.wait_s


def refuse(house: House, live: LiveCall, queue: QueuePlan, at: float) -> None:
    """The queue is full: it counts as offered to it and not answered."""
    house.note(live, queue=queue.id, queued_at=at, menu_done_at=at, outcome=Outcome.OVERFLOWED)
    _begin(house, live, queue.when_full)


def closed(house: House, live: LiveCall) -> None:
    """He calls outside the opening hours."""
    house.note(live, outcome=Outcome.CLOSED)
    _begin(house, live, house.number(live.record.dialled).when_closed)


def _begin(house: House, live: LiveCall, way: str) -> None:
    live.away = way
    live.menu = live.position = live.after_notice = None
    go_on(house, live)


def found(house: House, live: LiveCall) -> bool:
    """Whether a caller found after a restart had been turned away; he is given the same again, or the rest of it."""
    record = live.record
    if record.outcome is Outcome.OVERFLOWED and record.queue is not None:
        live.away = house.queue(record.queue).when_full
    elif record.outcome is Outcome.CLOSED and record.queue is None:
        live.away = house.number(record.dialled).when_closed
    live.releasing = live.away == MESSAGE
    return bool(live.away)


def go_on(house: House, live: LiveCall) -> None:
    """Tell him, or ask him, from the beginning."""
    if live.away == CALL_BACK:
        _ask(house, live)
    elif live.away == VOICE_MESSAGE:
        told = {Milestone.CONSENT_HEARD, Milestone.CONSENT_CUT} & live.milestones
        notice = () if told else (house.plan.notice,)
        caller.play(house, live, _names(live, *_why(house, live), *notice, "voicemail-ask"))
    else:
        caller.release(house, live, _names(live, *_why(house, live)))


def _why(house: House, live: LiveCall) -> tuple[str, ...]:
    """The prompts that say why he is not served."""
    if live.record.outcome is Outcome.CLOSED:
        return house.number(live.record.dialled).hours.closed_say
    return ("queue-full",)


def _names(live: LiveCall, *pieces: str) -> tuple[str, ...]:
    return tuple(prompt_name(spoken(live), piece) for piece in pieces)


# ---------------------------------------------------------------- a call-back


def _ask(house: House, live: LiveCall) -> None:
    if house.move(live, CallInput.ASK):
        live.notice_playing = False
        prompts, step = _names(live, *_why(house, live), "callback-offer"), house.next_step(live)
        house.emit(Ask(live.call, live.channel, step, prompts, 1, _WAIT_S, live.record.language, live.mark()))


def answered(house: House, live: LiveCall, keys: str) -> None:
    """1: he is called back on the number he calls from, or is asked for one. Everything else: he does not want it."""
    number = live.record.caller
    if keys != "1" or not callbacks.possible(house):
        declined(house, live)
    elif callbacks.allowed(house, number, number):
        live.dialog = Dialog(number)
        hold_keys.register(house, live, number, live.dialog)
    else:
        live.dialog = Dialog(None)
        hold_keys.ask_again(house, live)


def declined(house: House, live: LiveCall) -> None:
    """He wants no call-back: he has been told why he is not served, and is let go."""
    live.dialog = None
    caller.release(house, live, _names(live, "goodbye"))


# ---------------------------------------------------------------- a voice message


def take_message(house: House, live: LiveCall, at: float) -> None:
    """He has been told that he is recorded: let him speak. What comes after needs no controller."""
    if not house.move(live, CallInput.RECORD):
        return
    reached(house, live, Milestone.CONSENT_HEARD, at)
    record_now(house, live, at)
    house.note(live, message=VoiceMessage(at))
    plan = house.plan.voice_message
    thanks, step = _names(live, "voicemail-thanks"), house.next_step(live)
    house.emit(
        Record(
            live.call,
            live.channel,
            step,
            plan.longest_s,
            plan.silence_s,
            thanks,
            live.record.language,
            live.mark(),
        )
    )


def recorded(house: House, event: Recorded, now: float) -> None:
    """He has done; the dialplan thanks him."""
    live = house.calls.get(event.call)
    if live is not None and live.state is CallState.MESSAGE and event.step >= live.oldest_news:
        house.note(live, message=VoiceMessage(event.began_at, event.at, event.end.value))


def message_found(house: House, live: LiveCall, at: float) -> None:
    """After a restart he is found speaking, or being thanked."""
    live.state = CallState.MESSAGE
    if live.record.message is None:
        house.note(live, message=VoiceMessage(at))


def message_over(record: CallRecord, at: float) -> CallRecord:
    """The record of a call that has ended: a message that he still spoke ended with it."""
    if record.message is None or record.message.ended_at is not None:
        return record
    ended = replace(record.message, ended_at=max(at, record.message.began_at), ended_by="hung_up")
    return replace(record, message=ended)
