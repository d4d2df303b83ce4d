"""Pauses of a recording: when people want it, and by itself while private keys are asked for. Pure.

A pause ends with what it was for (`recordings.policy.pause_over`): that is asked after every step, so that no way out
of a question or a talk can forget it. While it lasts the caller's channel carries a note of it: silence that nobody
ends is a lost recording: a restarted controller reads the note and goes on from there, and a caller whom the safety net
takes meanwhile is recorded again by the dialplan alone.
"""

from __future__ import annotations

from dataclasses import replace

from agents.rights import Action, refusal
from controller import supervise_words as words
from controller.house import House, LiveCall
from pbx.call import CallState, Consent, RecordingPause
from pbx.commands import PauseRecording, Reply, Wake
from pbx.events import LiveChannel, TimeIsUp, TimerKind
from pbx.ids import AgentId, QueueId
from pbx.supervision import Audit, AuditEntry, RecordingPauseAsked
from recordings.policy import Milestone, PauseCause, PauseEnd, Standing, may_pause, pause_over

_CONTEXT_OF_QUESTIONS = "p-ask"
_SAME_S = 0.01
"""A channel's note has milliseconds."""


def told(house: House, live: LiveCall, milestone: Milestone, at: float) -> None:
    """The caller was given the recording notice: what he was told stands in his record, the first time only."""
    if live.record.consent is None:
        language = "en" if live.record.language == "en" else "zh"
        how = "heard" if milestone is Milestone.CONSENT_HEARD else "cut"
        house.note(live, consent=Consent(house.plan.notice, language, how, at))


# ---------------------------------------------------------------- private questions


def private_question(house: House, live: LiveCall, step: int) -> None:
    """The command `step`, which is about to be given, asks for private keys: call it before."""
    live.private_step = step
    if live.pause is None and may_pause(house.plan.pauses, PauseCause.KEYS):
        _pause(house, live, RecordingPause(PauseCause.KEYS.value, house.now))


def recording_began(house: House, live: LiveCall) -> None:
    """A recording that begins amid a private question begins paused."""
    if _standing(live).private_question:
        private_question(house, live, live.private_step)


# ---------------------------------------------------------------- people


def asked(house: House, event: RecordingPauseAsked, now: float) -> None:
    """暂停录音, 恢复录音. Asking twice does nothing the second time, and is answered alike."""
    live = house.calls.get(event.call)
    code = _refusal(house, event, live)
    changes = not code and live is not None and (live.pause is None) is event.on
    if changes and live is not None and event.on:
        cause = PauseCause.AGENT if event.agent is not None else PauseCause.SUPERVISOR
        agent = event.agent or live.record.agent or ""
        _pause(house, live, RecordingPause(cause.value, now, event.by, agent))
    elif changes and live is not None:
        _go_on(house, live, PauseEnd.ASKED, now)
    house.emit(Reply(event.request, not code, code, () if code else (("recording", "paused" if event.on else "on"),)))
    if code or changes:
        _write_down(house, event, live, code)


def _refusal(house: House, event: RecordingPauseAsked, live: LiveCall | None) -> str:
    """Why it may not be; empty when it may. The right is asked before whether there is such a call."""
    if event.agent is None:
        queues: list[QueueId] | None = None
        if live is not None:
            queues = [live.record.queue] if live.record.queue is not None else []
        code = refusal(house.plan.actor(event.by), _action(event), queues)
    else:
        mine = live is not None and event.agent in _talkers(live)
        code = "" if mine and (may_pause(house.plan.pauses, PauseCause.AGENT) or not event.on) else "not_allowed"
    if code:
        return code
    if live is None:
        return "unknown_call"
    if not house.connected:
        return "exchange_unavailable"
    if event.on and live.recording is None:
        return "not_recorded"
    return "" if not event.on or _talkers(live) else "not_talking"


def _action(event: RecordingPauseAsked) -> Action:
    return Action.PAUSE_RECORDING if event.on else Action.RESUME_RECORDING


def _write_down(house: House, event: RecordingPauseAsked, live: LiveCall | None, code: str) -> None:
    action = _action(event)
    said = words.sentence(action, call=event.call)
    agent = event.agent or (live.record.agent if live is not None else None) or ""
    queue = str(live.record.queue or "") if live is not None else ""
    actor = house.plan.actor(event.by)
    role = "agent" if event.agent is not None else actor.role if actor is not None else "unknown"
    id = f"{house.now:.6f}/{event.request}"
    entry = AuditEntry(id, house.now, event.by, role, action.value, agent, event.call, queue, *said, code or "ok")
    house.emit(Audit(entry))


# ---------------------------------------------------------------- how a pause ends


def settle(house: House, now: float) -> None:
    """After a step: pauses whose time is over, or that have lost what they were for, end."""
    if not house.connected:
        return  # nothing can be ordered; at the next login the exchange says what is paused
    for call in list(house.paused):
        live = house.calls.get(call)
        if live is None or live.pause is None:
            house.paused.pop(call, None)
            continue
        pause = live.pause
        cause = PauseCause(pause.cause)
        over = pause_over(house.plan.pauses, cause, pause.agent, pause.began_at, _standing(live), now)
        if over is not None:
            _go_on(house, live, over, now)


def time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    """A recording is paused for as long as may be: `settle` ends the pause."""


def found(house: House, live: LiveCall, row: LiveChannel, at: float) -> None:
    """What the caller's channel says of a pause, after a login; `settle` decides whether it goes on."""
    noted = RecordingPause.decode(row.paused)
    if noted is not None and noted.cause not in set(PauseCause):
        noted = replace(noted, cause=PauseCause.SUPERVISOR.value)  # of another program: it ends with the agent's talk
    if noted is not None and live.pause is None:
        pauses = live.record.pauses
        if pauses and abs(pauses[-1].began_at - noted.began_at) < _SAME_S:
            noted = replace(noted, began_at=pauses[-1].began_at)
            pauses = pauses[:-1]
        live.pause = noted
        house.paused[live.call] = None
        if row.context == _CONTEXT_OF_QUESTIONS:
            live.private_step = row.step
        house.note(live, pauses=(*_closed(pauses, at, PauseEnd.UNSEEN), noted))
        _watch(house, live, noted)
    elif noted is None and live.pause is not None:
        house.emit(PauseRecording(live.call, live.channel, True, live.pause.encode()))  # the order was lost
    elif noted is None and any(one.ended_at is None for one in live.record.pauses):
        house.note(live, pauses=_closed(live.record.pauses, at, PauseEnd.UNSEEN))


def _pause(house: House, live: LiveCall, pause: RecordingPause) -> None:
    if live.recording is None:
        return
    live.pause = pause
    house.paused[live.call] = None
    house.emit(PauseRecording(live.call, live.channel, True, pause.encode()))
    house.note(live, pauses=(*live.record.pauses, pause))
    _watch(house, live, pause)


def _watch(house: House, live: LiveCall, pause: RecordingPause) -> None:
    house.emit(Wake(TimerKind.RECORDING_PAUSE, live.call, 0, pause.began_at + house.plan.pauses.longest_s))


def _go_on(house: House, live: LiveCall, why: PauseEnd, at: float) -> None:
    live.pause = None
    house.paused.pop(live.call, None)
    house.emit(PauseRecording(live.call, live.channel, False))
    house.note(live, pauses=_closed(live.record.pauses, at, why))


def _closed(pauses: tuple[RecordingPause, ...], at: float, why: PauseEnd) -> tuple[RecordingPause, ...]:
    return tuple(
        one if one.ended_at is not None else replace(one, ended_at=max(at, one.began_at), ended_by=why.value)
        for one in pauses
    )


def ended(pauses: tuple[RecordingPause, ...], at: float) -> tuple[RecordingPause, ...]:
    """The pauses of a call that ended at `at`."""
    return _closed(pauses, at, PauseEnd.CALL_ENDED)


# ---------------------------------------------------------------- where a call stands


def _standing(live: LiveCall) -> Standing:
    asked_now = live.state is CallState.ASKING and live.private_step == live.step and live.step > 0
    return Standing(asked_now, frozenset(map(str, _talkers(live))))


def _talkers(live: LiveCall) -> set[AgentId]:
    """The agents who have this call, talking or with the caller on hold."""
    if live.state not in (CallState.TALKING, CallState.HELD):
        return set()
    mine = {agent for agent in live.legs.values() if agent is not None}
    if live.holding is not None:
        mine.add(live.holding.agent)
    return mine
