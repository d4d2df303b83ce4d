"""The caller's way until he is in a line: arrival, menu, messages, lost commands. Pure rules over the house."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from controller import (
    callbacks,
    campaign,
    held,
    hold_keys,
    offers,
    outbound,
    pauses,
    spoken,
    ticket_query,
    transfers,
    turned_away,
)
from controller.house import House, LiveCall
from controller.plan import VOICE_MESSAGE
from controller.recorded import reached
from ivr.menu import Action, Enqueue, Message, Query, Question, Release, again, answer, confirming, enter, played, said
from ivr.prompts import prompt_name
from pbx.call import CallInput, CallRecord, CallState, Outcome
from pbx.commands import Ask, HangUp, Play
from pbx.events import (
    CallArrived,
    CallerIdle,
    KeysPressed,
    KeyStatus,
    OutboundAnswered,
    PromptPlayed,
    StepLost,
    StepRefused,
)
from pbx.outbox import TALKING
from pbx.spoken import ChoiceSpoken
from recordings.policy import Milestone


def arrived(house: House, event: CallArrived, now: float) -> None:
    """A citizen's call stands before us: menu, direct queue, or the closed message."""
    if event.call in house.calls:
        return  # the snapshot after a login has already told us
    number = house.number(event.dialled)
    live = house.add(
        CallRecord(event.call, event.channel, event.dialled, event.caller, event.at, language=number.language)
    )
    house.note(live)
    reached(house, live, Milestone.ARRIVED, event.at)
    begin(house, live, event.at)


def picked_up(house: House, event: OutboundAnswered, now: float) -> None:
    """A citizen has answered a call that we placed: an agent's goes on, a call-back begins like one that came in."""
    if outbound.is_agents(event.call):
        outbound.answered(house, event, now)
    elif not campaign.picked_up(house, event, now):
        arrived(house, CallArrived(event.call, event.channel, event.dialled, event.number, event.at), now)


def begin(house: House, live: LiveCall, at: float) -> None:
    """The first thing a caller is told; also after a restart when nothing had been told yet."""
    if callbacks.answered(house, live, at):
        return
    number = house.number(live.record.dialled)
    language = live.record.language
    if not number.hours.open_at(datetime.fromtimestamp(at, ZoneInfo(house.plan.timezone))):
        turned_away.closed(house, live)
    elif number.menu is not None:
        live.menu = house.plan.menus[number.menu]
        live.position, action = enter(live.menu, language=language)
        _apply(house, live, action, at)
    elif number.direct is not None:
        recording = house.plan.recording
        if recording.record and recording.consent_required:
            live.after_notice = number.direct
            play(house, live, (_name(language, house.plan.notice),))
        else:
            offers.queue_up(house, live, number.direct, 0, at)


def keys_pressed(house: House, event: KeysPressed, now: float) -> None:
    """The answer to a question; an answer to an older question than the newest one is ignored."""
    live = house.calls.get(event.call)
    if live is not None:
        spoken.key_was_first(live, event)
    if live is None or live.state is not CallState.ASKING or event.step < live.oldest_news:
        return
    live.lost = 0
    live.stood = None
    live.private_step = 0
    if live.dialog is not None:
        hold_keys.answered(house, live, event.keys, event.at)
        return
    if live.away:
        turned_away.answered(house, live, event.keys)
        return
    if live.follow_up is not None:
        campaign.keys_pressed(house, live, event.keys, event.status is KeyStatus.AHEAD, event.at)
        return
    if live.query is not None:
        ticket_query.answered(house, live, event.keys, event.status is KeyStatus.AHEAD, event.at)
        return
    if live.notice_playing and event.status is KeyStatus.AHEAD and live.menu is not None and live.position is not None:
        _apply(house, live, again(live.menu, live.position), event.at)  # pressed before the notice: he has not heard it
        return
    _notice_over(house, live, event.status is KeyStatus.TIMEOUT, event.at)
    if live.menu is None or live.position is None:
        _anew(house, live, event.at)
        return
    live.position, action = answer(live.menu, live.position, event.keys)
    _apply(house, live, action, event.at)


def choice_spoken(house: House, event: ChoiceSpoken, now: float) -> None:
    """He said what stands for a key of the question that is being asked; otherwise nothing happens."""
    live = house.calls.get(event.call)
    if live is None or live.menu is None or live.position is None or not spoken.answers(house, live, event):
        return
    live.spoke_at = live.step
    live.lost = 0
    live.stood = None
    _notice_over(house, live, False, event.at)
    if confirming(live.menu, live.position):
        live.position, action = answer(live.menu, live.position, event.key)
    else:
        live.position, action = said(live.menu, live.position, event.key, sure=spoken.sure(house, event))
    _apply(house, live, action, event.at)


def _notice_over(house: House, live: LiveCall, heard: bool, at: float) -> None:
    """The question is over, and with it the recording notice, if that was part of it: `heard` to its end, or cut.

    A key, or a word, that comes when the notice within the question is over has cut what followed it, not the notice.
    """
    if not live.notice_playing:
        return
    begun = live.asked_at is None or at - live.asked_at >= live.notice_from
    heard = heard or live.asked_at is not None and at - live.asked_at >= live.notice_until
    if heard or begun:
        live.notice_owed = False
        reached(house, live, Milestone.CONSENT_HEARD if heard else Milestone.CONSENT_CUT, at)
    else:
        live.notice_owed = True


def prompt_played(house: House, event: PromptPlayed, now: float) -> None:
    """A message has been played to its end: go on, or let the caller go."""
    live = house.calls.get(event.call)
    if live is None or live.state is not CallState.PLAYING or event.step < live.oldest_news:
        return
    live.lost = 0
    live.stood = None
    if live.releasing:
        callbacks.message_heard(house, live, event.at)
        house.emit(HangUp(live.call, live.channel))
        return
    if live.notice_playing:
        live.notice_owed = False
        reached(house, live, Milestone.CONSENT_HEARD, event.at)
    if live.query is not None and not live.away:
        ticket_query.told(house, live, event.at)
    elif live.away == VOICE_MESSAGE:
        turned_away.take_message(house, live, event.at)
    elif live.away:  # found after a restart, as he was told the last that he hears
        house.emit(HangUp(live.call, live.channel))
    elif live.outbound is not None:
        outbound.notice_over(house, live, event.at)
    elif callbacks.join_line(house, live, event.at):
        pass
    elif live.after_notice is not None:
        offers.queue_up(house, live, live.after_notice, live.priority, event.at)
    elif live.menu is not None and live.position is not None:
        live.position, action = played(live.menu, live.position)
        _apply(house, live, action, event.at)
    else:  # found after a restart, and what was played to him is not known
        begin(house, live, event.at)


def caller_idle(house: House, event: CallerIdle, now: float) -> None:
    """The caller stands still after our newest step: the report of its end was lost, so do it again."""
    live = house.calls.get(event.call)
    if live is None or event.step < live.oldest_news:
        return
    if live.state not in (CallState.ARRIVED, CallState.ASKING, CallState.PLAYING):
        return
    if ticket_query.looked_up(house, live, event.at):
        return
    if live.releasing:
        house.emit(HangUp(live.call, live.channel))
    else:
        _again(house, live, event.at)


def step_lost(house: House, event: StepLost, now: float) -> None:
    """A command did not reach the caller: give it anew, a few times; then the safety net takes him by itself.

    With a lost command those that waited behind it are lost too (`pbx/outbox.py`), so an older number counts unless the
    newest command was given only afterwards. An offer whose leg is known has been carried out, whatever got lost. While
    the exchange is away nothing is repeated: the next snapshot tells where he stands.
    """
    live = house.calls.get(event.call)
    if live is None or not house.connected:
        return
    if event.step > live.step or (event.step < live.step and live.commanded_at > event.at):
        return
    if live.leaving is not None and live.in_bridge:
        transfers.undo(house, live, event.at)
        return
    if live.state is CallState.HELD:
        held.lost(house, live, event.at)
        return
    if live.offer is not None and live.offer.leg is not None:
        return
    if event.reason == TALKING:
        live.lost = house.plan.step_tries  # he has been joined with somebody: no command may reach him now
    _again(house, live, event.at)


def step_refused(house: House, event: StepRefused, now: float) -> None:
    """The fence found our step too old (two controllers, or a restart): number on from the running step."""
    live = house.calls.get(event.call)
    if live is None or event.got != live.step:
        return
    live.step = max(live.step, event.step)
    if live.state is CallState.HELD:
        held.lost(house, live, event.at)
        return
    _again(house, live, event.at)


def _again(house: House, live: LiveCall, at: float) -> None:
    live.lost += 1
    if live.lost <= house.plan.step_tries:
        resume(house, live, at)
        return
    if live.state is CallState.OFFERED:  # nobody is kept for him; after a pause he is offered again
        offers.take_back(house, live, "lost", house.now, refused=True)
    elif live.state in (CallState.ASKING, CallState.PLAYING):
        hold_keys.unheard(house, live)
    live.oldest_news = 0  # nothing of ours is on its way to him: whatever he reports is news


def resume(house: House, live: LiveCall, at: float) -> None:
    """Command anew what the call's state says: after a lost command, a lost report or a restart."""
    match live.state:
        case CallState.ARRIVED | CallState.PLAYING if live.outbound is not None:
            outbound.go_on(house, live, at)
        case CallState.ARRIVED:
            begin(house, live, at)
        case CallState.ASKING | CallState.PLAYING:
            if live.dialog is not None:
                hold_keys.ask_again(house, live)
            elif live.query is not None:
                ticket_query.ask_again(house, live)
            elif live.follow_up is not None:
                campaign.go_on(house, live, at)
            elif live.releasing and live.record.outcome is Outcome.CALLBACK and not live.record.callback:
                hold_keys.tell(house, live)
            elif live.menu is not None and live.position is not None:
                _apply(house, live, again(live.menu, live.position), at)
            else:
                _anew(house, live, at)
        case CallState.MESSAGE:
            turned_away.take_message(house, live, at)
        case CallState.WAITING:
            offers.hold_or_offer(house, live)
        case CallState.OFFERED:
            offers.take_back(house, live, "lost", house.now)
            offers.hold_or_offer(house, live)
        case _:
            pass  # talking, in the survey, in the net or gone: nothing to command


def _anew(house: House, live: LiveCall, at: float) -> None:
    """What he was asked or told is not known any more: who waited goes on waiting, everybody else begins anew."""
    if live.away:
        turned_away.go_on(house, live)
        return
    if live.record.queue is not None:
        hold_keys.back_to_line(house, live)
        return
    live.state = CallState.ARRIVED
    begin(house, live, at)


def go_on(house: House, live: LiveCall, action: Action, at: float) -> None:
    """Do what the menu wants after something that was no question of its own."""
    _apply(house, live, action, at)


def release(house: House, live: LiveCall, prompts: tuple[str, ...]) -> None:
    """The last that he hears."""
    _apply(house, live, Release(prompts), house.now)


def _apply(house: House, live: LiveCall, action: Action, at: float) -> None:
    """Do what the menu wants done next."""
    if live.position is not None:
        live.record = replace(live.record, language=live.position.language, menu_path=live.position.path)
    match action:
        case Question(max_digits=max_digits, private=private):
            if house.move(live, CallInput.ASK):
                step = house.next_step(live)
                prompts, wait_s = spoken.worded(house, live, action, step)
                live.notice_playing = has_notice(house, prompts)
                live.notice_from, live.notice_until = _notice_within(house, prompts)
                live.asked_at = None
                record = live.record
                if private:
                    pauses.private_question(house, live, step)
                house.emit(
                    Ask(
                        live.call,
                        live.channel,
                        step,
                        prompts,
                        max_digits,
                        wait_s,
                        record.language,
                        live.mark(),
                    )
                )
        case Message(prompts):
            play(house, live, prompts)
        case Query(tries, private):
            ticket_query.begin(house, live, tries, private)
        case Release(prompts):
            live.releasing = True
            play(house, live, prompts)
        case Enqueue(queue, priority) if live.notice_owed and house.plan.recording.record:
            live.after_notice, live.priority = queue, priority
            play(house, live, (_name(live.record.language, house.plan.notice),))
        case Enqueue(queue, priority):
            offers.queue_up(house, live, queue, priority, at)


def play(house: House, live: LiveCall, prompts: tuple[str, ...]) -> None:
    """Tell him something; `prompt_played` goes on."""
    if house.move(live, CallInput.PLAY):
        live.notice_playing = has_notice(house, prompts)
        step = house.next_step(live)
        house.emit(Play(live.call, live.channel, step, prompts, live.record.language, live.mark()))


def _notice_within(house: House, prompts: tuple[str, ...]) -> tuple[float, float]:
    """From and until which second of `prompts` the recording notice is played; no end where a length is unknown."""
    before = list(itertools.takewhile(lambda prompt: not has_notice(house, (prompt,)), prompts))
    lengths = [house.plan.lengths.get(prompt) for prompt in prompts[: len(before) + 1]]
    known = [length for length in lengths if length is not None]
    begun = sum(house.plan.lengths.get(prompt, 0.0) for prompt in before)
    return begun, sum(known) if len(known) == len(lengths) else math.inf


def has_notice(house: House, prompts: tuple[str, ...]) -> bool:
    """Whether the recording notice is among `prompts`."""
    return any(prompt.rsplit("/", 1)[-1] == house.plan.notice for prompt in prompts)


def _name(language: str, prompt: str) -> str:
    return prompt_name("en" if language == "en" else "zh", prompt)
