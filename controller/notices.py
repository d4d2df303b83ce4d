"""Incident notices: said at once to all who wait and to whoever begins to; who presses 1 is told when it is over.

Pure rules over the house. A caller is told one thing at a time and the next when the exchange reports the end of it
(`Announced`), so that nothing overwrites what has not been said yet (the channel has room for one, `asterisk.md` 4.4);
what he was being told when his agent's phone rang is said again when he waits again. What he has heard is forgotten by
a restart: he may hear a notice twice, never not at all.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from agents.rights import SYSTEM, Action, refusal
from controller import callbacks, supervise
from controller import supervise_words as words
from controller.areas import elsewhere
from controller.house import House, LiveCall
from controller.waiting_words import PLACE, SAID_WITHIN_S, spoken
from ivr.prompts import Language, prompt_name, say_time
from pbx.call import CallState
from pbx.commands import Announce, Wake
from pbx.events import Announced, TimeIsUp, TimerKind
from pbx.ids import ActorId, QueueId
from pbx.notice import (
    Incident,
    IncidentOver,
    NoticeEnded,
    NoticeGiven,
    NoticeRegistered,
    NoticesRestored,
    Registration,
    SaveNotice,
    SaveRegistration,
)

KEY = "1"
"""The key of `notice-press`; a queue that has another use for it keeps that, and the offer is not said there."""

WORDS = frozenset({"attention", "area", "until", "press", "registered", "over"})
"""Prompts ``notice-…`` that are no kind of incident."""

PLAYED = "own"
"""Asterisk's folder of the hotline's own words (`controller/own_sounds.py`)."""

PROMISE = "promise"  #: he is being told that his number is noted
_ONE_DAY_S = 86_400.0
"""An end that is further away is not told: a time without its day would be taken for the next one."""


# ---------------------------------------------------------------- what is said


def prompts(house: House, incident: Incident, language: Language, *, press: bool) -> tuple[str, ...]:
    """The notice in words of one language: the hotline's own where it has given some, else prompts."""
    own = dict(incident.sounds).get(language)
    if own is not None:
        return (f"{PLAYED}/{language}/{own}", *((prompt_name(language, "notice-press"),) if press else ()))
    pieces = ["notice-attention", f"notice-{incident.kind}"]
    if incident.area:
        pieces += ["notice-area", f"area-{incident.area}"]
    if incident.until is not None and incident.until - house.now < _ONE_DAY_S:
        local = datetime.fromtimestamp(incident.until, ZoneInfo(house.plan.timezone))
        pieces += ["notice-until", *say_time(local.hour, local.minute, language)]
    if press:
        pieces.append("notice-press")
    return tuple(prompt_name(language, piece) for piece in pieces)


def concerns(house: House, incident: Incident, live: LiveCall) -> bool:
    """Whether the notice is for this caller; one who is known to call from another area hears nothing of it."""
    record = live.record
    if incident.queue not in (None, record.queue) or incident.number not in (None, record.dialled):
        return False
    return not incident.area or not elsewhere(house.plan, incident.area, record)


def may_press(house: House, incident: Incident, live: LiveCall) -> bool:
    """Whether he can ask to be told of its end: the key is free where he waits, and his number is one to be called."""
    number = live.record.caller
    free = KEY not in house.queue(live.record.queue or QueueId("")).keys
    return incident.press and free and callbacks.allowed(house, number, number)


def held(house: House, live: LiveCall) -> None:
    """He begins to wait (again): what he was being told then is not counted as heard."""
    live.saying = None
    tell(house, live)


def tell(house: House, live: LiveCall) -> None:
    """Have the exchange say what he should hear next, unless it is saying something."""
    now = house.now
    if live.state is not CallState.WAITING or (live.saying is not None and now - live.saying_since < SAID_WITHIN_S):
        return
    language = spoken(live)
    pieces: tuple[str, ...]
    if live.promised:
        said, pieces = PROMISE, (prompt_name(language, "notice-registered"),)
    else:
        news = (one for one in reversed(house.incidents.values()) if one.id not in live.told)
        found = next((one for one in news if concerns(house, one, live)), None)
        if found is None:
            return
        said, pieces = found.id, prompts(house, found, language, press=may_press(house, found, live))
    live.saying, live.saying_since = said, now
    house.emit(Announce(live.call, live.channel, pieces))


def announced(house: House, event: Announced, now: float) -> None:
    """What was being said has been said, or was cut by a key: the next."""
    live = house.calls.get(event.call)
    if live is None:
        return
    if live.saying == PROMISE:
        live.promised = False
    elif live.saying not in (None, PLACE):
        live.told = (*live.told, str(live.saying))
    live.saying = None
    tell(house, live)


def resync(house: House) -> None:
    """The exchange has said who waits: they may not have heard every notice."""
    for live in house.calls.values():
        held(house, live)


# ---------------------------------------------------------------- giving and ending


def given(house: House, event: NoticeGiven, now: float) -> None:
    """突发事件通知: at once to all whom it concerns."""
    code = _refusal(house, event, now)
    noticed = f"n{int(now * 1000)}"
    while noticed in house.incidents:
        noticed = f"n{int(noticed[1:]) + 1}"
    detail: tuple[tuple[str, str], ...] = ()
    if not code:
        incident = Incident(
            noticed, event.kind, event.area, event.queue, event.number, event.until, event.press, event.by, now,
            sounds=event.sounds, of=event.of,
        )  # fmt: skip
        house.incidents[noticed] = incident
        house.emit(SaveNotice(incident))
        _end_later(house, incident)
        for live in house.waiting():
            tell(house, live)
        detail = (("id", noticed), *_area_chooses(house, incident), *_without_key(house, incident))
    elif code in ("unknown_incident", "unknown_area"):
        there = house.plan.notice_kinds if code == "unknown_incident" else house.plan.areas
        detail = (("allowed", ",".join(sorted(there))),) if there else ()
    what = event.kind + (f" ({event.area})" if event.area else "")
    said = words.sentence(
        Action.GIVE_NOTICE,
        scope=words.notice_scope(event.queue, event.number),
        notice=noticed if not code else "-",
        what=what,
        until=words.until(event.until, ZoneInfo(house.plan.timezone)),
    )
    supervise.answer(house, event, Action.GIVE_NOTICE, code, said, queue=event.queue or "", detail=detail)


def _refusal(house: House, event: NoticeGiven, now: float) -> str:
    code = refusal(house.plan.actor(event.by), Action.GIVE_NOTICE)
    if code:
        return code
    if event.queue is not None and event.queue not in house.plan.queues:
        return "unknown_queue"
    if code := refusal(house.plan.actor(event.by), Action.GIVE_NOTICE, _queues(event.queue)):
        return code
    if event.number is not None and event.number not in house.plan.numbers:
        return "unknown_dialled"
    if event.kind not in house.plan.notice_kinds:
        return "unknown_incident"
    if event.area and event.area not in house.plan.areas:
        return "unknown_area"
    if event.until is not None and event.until <= now:
        return "until_past"
    same = (event.kind, event.area, event.queue, event.number, event.sounds)
    if any(same == (one.kind, one.area, one.queue, one.number, one.sounds) for one in house.incidents.values()):
        return "noticed_already"
    return ""


def _queues(queue: QueueId | None) -> list[QueueId]:
    """The scope of the right; a notice for every queue needs the right for every one of them."""
    return [queue] if queue is not None else []


def _without_key(house: House, incident: Incident) -> tuple[tuple[str, str], ...]:
    """The queues in which the key means something else, so that its callers are not offered it."""
    if not incident.press:
        return ()
    queues = [house.queue(incident.queue)] if incident.queue is not None else [*map(house.queue, house.plan.queues)]
    taken = ",".join(queue.id for queue in queues if KEY in queue.keys)
    return (("key_taken", taken),) if taken else ()


def _area_chooses(house: House, incident: Incident) -> tuple[tuple[str, str], ...]:
    """Whether the configuration knows callers of the area, or the area is only said."""
    if not incident.area:
        return ()
    return (("area", "chooses" if incident.area in house.plan.area_callers else "said"),)


def ended(house: House, event: NoticeEnded, now: float) -> None:
    """The incident is over: whoever wanted to be told is told."""
    incident = house.incidents.get(event.id)
    code = refusal(house.plan.actor(event.by), Action.END_NOTICE)
    if not code and incident is None:
        code = "unknown_notice"
    if not code and incident is not None:
        code = refusal(house.plan.actor(event.by), Action.END_NOTICE, _queues(incident.queue))
    detail: tuple[tuple[str, str], ...] = ()
    said = words.sentence(Action.END_NOTICE, notice=event.id, told=("", ""))
    if not code and incident is not None:
        count = _over(house, incident, event.by, now)
        said = words.sentence(
            Action.END_NOTICE, notice=event.id, told=words.notice_told(count, callbacks.possible(house))
        )
        detail = (("registered", str(count)),)
    queue = incident.queue if incident is not None else None
    supervise.answer(house, event, Action.END_NOTICE, code, said, queue=queue or "", detail=detail)


def _over(house: House, incident: Incident, by: ActorId, now: float) -> int:
    """End it; how many wanted to be told. They are called where the hotline can call; the store lists them."""
    del house.incidents[incident.id]
    wanted = house.registered.pop(incident.id, {})
    house.emit(SaveNotice(replace(incident, ended_at=now, ended_by=by)))
    if callbacks.possible(house):
        for one in wanted.values():
            callbacks.tell_over(house, one, now)
    return len(wanted)


def _end_later(house: House, incident: Incident) -> None:
    if incident.until is not None:
        house.emit(Wake(TimerKind.NOTICE, incident.id, 0, incident.until))


def time_is_up(house: House, event: TimeIsUp, now: float) -> None:
    """Its time is past: nobody is told of it any more, and whoever registered is told that it is over."""
    incident = house.incidents.get(event.key)
    if incident is None or incident.until is None:
        return
    if incident.until > now:
        _end_later(house, incident)
        return
    _ends(house, incident, now)


def _ends(house: House, incident: Incident, now: float) -> None:
    """It ends of itself, and the audit trail says so."""
    count = _over(house, incident, SYSTEM, now)
    told = words.notice_told(count, callbacks.possible(house))
    said = words.sentence(Action.END_NOTICE, notice=incident.id, told=told)
    supervise.record(house, SYSTEM, Action.END_NOTICE, "", said, key=incident.id, queue=incident.queue or "")


def incident_over(house: House, event: IncidentOver, now: float) -> None:
    """The tickets' incident is closed: so is what is said of it."""
    for incident in [one for one in house.incidents.values() if event.of and one.of == event.of]:
        _ends(house, incident, now)


def restored(house: House, event: NoticesRestored, now: float) -> None:
    """What held when an earlier controller ended holds still; what is past since then ends now."""
    for incident in event.notices:
        house.incidents.setdefault(incident.id, incident)
        _end_later(house, incident)
    for one in event.registered:
        if one.notice in house.incidents:
            house.registered.setdefault(one.notice, {})[one.number] = one


# ---------------------------------------------------------------- the key


def pressed(house: House, live: LiveCall, now: float) -> bool:
    """He pressed the key: the newest notice that he has heard and not registered for. False when it means nothing."""
    found = next(
        (
            incident
            for heard in reversed(live.told)
            if (incident := house.incidents.get(heard)) is not None
            and heard not in live.registered
            and concerns(house, incident, live)
            and may_press(house, incident, live)
        ),
        None,
    )
    if found is None:
        return False
    live.registered |= {found.id}
    record = live.record
    registration = Registration(
        found.id, record.caller, record.language, house.queue(record.queue or QueueId("")).id, live.call, now
    )
    house.registered.setdefault(found.id, {})[record.caller] = registration
    house.emit(SaveRegistration(registration))
    return True


def registered(house: House, event: NoticeRegistered, now: float) -> None:
    """The store has it: he is told so, and may hang up."""
    live = house.calls.get(event.call)
    if live is not None:
        live.promised = True
        tell(house, live)
