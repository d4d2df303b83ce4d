"""Who cannot be served now: closed hours and full queues, with message, call-back and voice message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.plan import CALL_BACK, MESSAGE, VOICE_MESSAGE, WAIT, CallbackPlan, Full
from metrics.kpi import compute
from metrics.missed import missed
from metrics.servicelevel import abandoned, decided, offered
from pbx import events as event
from pbx.call import CallMark, CallState, Outcome
from pbx.commands import Ask, FinishRecording, HangUp, Hold, Play, Record, SaveCall, SaveCallback, StartRecording
from pbx.events import CallsRestored, MessageEnd
from pbx.ids import CallId
from tests.builders import A1, DIRECT, GENERAL, MENU, OFFICE, ONE, TWO, Hall, none, only, plan, row
from tests.fakes.verified import verified
from tests.virtual_time import START

pytestmark = pytest.mark.core

NIGHT = 12 * 3600.0  #: after `START`, the office is closed


def names(command: Ask | Play) -> list[str]:
    return [prompt.rsplit("/", 1)[-1] for prompt in command.prompts]


def hall(when_full: str = MESSAGE, when_closed: str = MESSAGE, full: Full | None = None, **changes: Any) -> Hall:
    """Queue general is full with one caller in it, unless `full` says otherwise; people can be called back."""
    given = plan(callback=CallbackPlan(dial="PJSIP/{number}@trunk"), **changes)
    general = replace(given.queues[GENERAL], full=full or Full(waiting=1), when_full=when_full)
    numbers = {one: replace(number, when_closed=when_closed) for one, number in given.numbers.items()}
    return Hall(callback=given.callback, queues={**given.queues, GENERAL: general}, numbers=numbers, **changes)


def direct(hall: Hall, call: CallId, caller: str = "13800001111") -> list[Any]:
    """A caller of the direct number has heard the notice."""
    hall.arrive(call, DIRECT, caller)
    return hall.played(call)


def refused(when_full: str, **changes: Any) -> tuple[Hall, list[Any]]:
    """One waits, and the next finds the queue full: the hall and what was ordered for him."""
    found = hall(when_full, **changes)
    direct(found, ONE)
    assert found.state(ONE) is CallState.WAITING
    return found, direct(found, TWO, "13900002222")


# ---------------------------------------------------------------- full


def test_a_full_queue_says_so_and_lets_go() -> None:
    found, said = refused(MESSAGE)
    assert names(only(said, Play)) == ["queue-full"]
    assert only(found.played(TWO), HangUp).call == TWO
    found.hung_up(TWO)
    record = found.saved(TWO)
    assert (record.outcome, record.queue, record.queued_at is not None) == (Outcome.OVERFLOWED, GENERAL, True)
    assert found.state(ONE) is CallState.WAITING, "who waits goes on waiting"


def test_a_refused_call_is_in_the_denominator_and_no_abandon() -> None:
    found, _ = refused(MESSAGE)
    found.hung_up(TWO)
    record = found.saved(TWO)
    assert (offered(record), decided(record), abandoned(record)) == (True, True, False)
    figures = compute([record])
    assert (figures.offered, figures.answered, figures.abandoned, figures.overflowed) == (1, 0, 0, 1)
    assert [one.number for one in missed([record])] == ["13900002222"]


def test_who_comes_again_has_no_place_because_he_was_refused() -> None:
    found, _ = refused(MESSAGE)
    found.hung_up(TWO)
    again = CallId("call-9.1")
    assert names(only(direct(found, again, "13900002222"), Play)) == ["queue-full"]


def test_one_with_a_favour_is_never_refused() -> None:
    found = hall(MESSAGE)
    direct(found, ONE)
    direct(found, CallId("call-8.1"), "13700003333")
    found.hung_up(ONE)
    assert found.saved(ONE).outcome is Outcome.ABANDONED
    direct(found, TWO, "13500005555")
    direct(found, CallId("call-9.1"))  # the first one again, within his five minutes
    assert found.state(CallId("call-9.1")) is CallState.WAITING


@pytest.mark.parametrize("way", [WAIT, MESSAGE])
def test_below_the_limit_or_with_wait_he_joins(way: str) -> None:
    found = hall(way, full=Full(waiting=2 if way == MESSAGE else 1))
    direct(found, ONE)
    assert only(direct(found, TWO), Hold).call == TWO


def test_the_expected_wait_is_a_limit_too() -> None:
    found = hall(MESSAGE, full=Full(wait_s=60.0))
    found.ready(A1)
    direct(found, ONE)
    assert found.state(ONE) is CallState.OFFERED, "an agent is free: nobody waits long"
    for number in range(2, 9):
        direct(found, CallId(f"call-{number}.1"), f"1390000000{number}")
    outcomes = [found.call(CallId(f"call-{number}.1")).record.outcome for number in range(2, 9)]
    assert outcomes[-1] is Outcome.OVERFLOWED
    assert hall(MESSAGE, full=Full(wait_s=60.0)).arrive(ONE, DIRECT), "with no agent at all nobody can say"


def test_a_caller_who_was_refused_and_taken_by_the_net_waits() -> None:
    found, _ = refused(MESSAGE)
    found.fell_back(TWO)
    assert (found.state(TWO), found.saved(TWO).outcome) == (CallState.WAITING, None)
    found.hung_up(TWO)
    assert found.saved(TWO).outcome is Outcome.ABANDONED


# ---------------------------------------------------------------- call-back


def test_a_full_queue_offers_a_call_back() -> None:
    found, said = refused(CALL_BACK)
    assert names(only(said, Ask)) == ["queue-full", "callback-offer"]
    request = only(found.press("1", TWO), SaveCallback).callback
    assert (request.number, request.queue) == ("13900002222", GENERAL)
    said = found.step(event.CallbackStored(request.id, 0, "waiting", found.now))
    assert "callback-accepted" in names(only(said, Play))
    only(found.played(TWO), HangUp)
    found.hung_up(TWO)
    assert found.saved(TWO).outcome is Outcome.CALLBACK
    assert CallId(request.id) in found.house.line


@pytest.mark.parametrize("keys", ["", "5", "*"])
def test_who_wants_no_call_back_is_let_go(keys: str) -> None:
    found, _ = refused(CALL_BACK)
    assert names(only(found.press(keys, TWO), Play)) == ["goodbye"]
    only(found.played(TWO), HangUp)
    found.hung_up(TWO)
    assert found.saved(TWO).outcome is Outcome.OVERFLOWED
    assert not found.house.callbacks


def test_a_withheld_number_is_asked_for_and_star_ends_it() -> None:
    found = hall(CALL_BACK)
    direct(found, ONE)
    direct(found, TWO, "anonymous")
    assert names(only(found.press("1", TWO), Ask)) == ["callback-enter-number"]
    assert names(only(found.press("*", TWO), Play)) == ["goodbye"]


def test_call_backs_in_the_line_do_not_fill_it() -> None:
    found, _ = refused(CALL_BACK)
    request = only(found.press("1", TWO), SaveCallback).callback
    found.step(event.CallbackStored(request.id, 0, "waiting", found.now))
    found.hung_up(ONE)
    assert found.house.line.waiting(GENERAL) == 1
    third = CallId("call-3.1")
    direct(found, third, "13700003333")
    assert found.state(third) is CallState.WAITING


# ---------------------------------------------------------------- voice message


def speaking(found: Hall, call: CallId = TWO) -> list[Any]:
    """He has heard what to do."""
    return found.played(call)


def test_a_voice_message_is_asked_for_recorded_and_kept() -> None:
    found, said = refused(VOICE_MESSAGE)
    assert names(only(said, Play)) == ["queue-full", "voicemail-ask"], "he has heard the notice before"
    said = speaking(found)
    record = only(said, Record)
    assert (record.longest_s, record.silence_s, found.state(TWO)) == (120, 8, CallState.MESSAGE)
    began = found.now
    found.later(20)
    found.step(event.Recorded(TWO, record.step, began + 0.5, MessageEnd.KEY, found.now))
    found.later(3)
    found.recording_stopped(TWO)
    done = only(found.hung_up(TWO), FinishRecording)
    kept = found.saved(TWO)
    assert kept.message is not None
    assert (kept.message.ended_by, kept.outcome) == ("key", Outcome.OVERFLOWED)
    assert done.talks == ((began + 0.5, began + 20),), "what he said is written down, and nothing else"
    assert missed([kept]) == []


@pytest.mark.parametrize("record", [True, False])
def test_at_night_the_notice_comes_first_and_the_recording_begins_with_the_message(record: bool) -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.house.plan = replace(found.house.plan, recording=replace(found.house.plan.recording, record=record))
    found.later(NIGHT)
    said = found.arrive(ONE, OFFICE)
    assert names(only(said, Play)) == ["closed", "recording-notice", "voicemail-ask"]
    assert none(said, StartRecording)
    said = speaking(found, ONE)
    kinds = [type(one) for one in said if isinstance(one, StartRecording | Record)]
    assert kinds == [StartRecording, Record]


def test_hanging_up_keeps_what_was_said() -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.later(NIGHT)
    found.arrive(ONE, OFFICE)
    speaking(found, ONE)
    found.later(7)
    found.recording_stopped(ONE)
    only(found.hung_up(ONE), FinishRecording)
    message = found.saved(ONE).message
    assert message is not None
    assert message.ended_at is not None
    assert (message.ended_by, message.ended_at - message.began_at) == ("hung_up", 7.0)
    assert (found.saved(ONE).outcome, offered(found.saved(ONE))) == (Outcome.CLOSED, False)


def test_a_lost_command_is_given_again() -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.later(NIGHT)
    found.arrive(ONE, OFFICE)
    first = only(speaking(found, ONE), Record)
    said = found.step_lost(ONE)
    assert only(said, Record).step == first.step + 1
    assert none(said, StartRecording), "one recording is enough"


def test_at_night_a_call_back_can_be_asked_for() -> None:
    found = hall(when_closed=CALL_BACK)
    found.later(NIGHT)
    assert names(only(found.arrive(ONE, OFFICE), Ask)) == ["closed", "callback-offer"]
    request = only(found.press("1", ONE), SaveCallback).callback
    assert request.number == "13800001111"
    found.step(event.CallbackStored(request.id, 0, "waiting", found.now))
    found.hung_up(ONE)
    assert (found.saved(ONE).outcome, offered(found.saved(ONE))) == (Outcome.CALLBACK, False)


# ---------------------------------------------------------------- restart


def again(found: Hall, context: str, call: CallId = ONE, dialled: str = OFFICE, **more: Any) -> tuple[Hall, list[Any]]:
    """A new controller finds the caller in `context`."""
    record = found.saved(call)
    new = Hall(connected=False, callback=found.plan.callback, queues=found.plan.queues, numbers=found.plan.numbers)
    new.now = found.now + 5
    new.step(CallsRestored((record,), new.now))
    mark = CallMark(dialled, "zh", START, "", record.queue or "", 0, record.queued_at or 0.0).encode()
    return new, new.connected(row(call, context, step=7, mark=mark, **more))


def test_after_a_restart_who_speaks_goes_on_speaking() -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.later(NIGHT)
    found.arrive(ONE, OFFICE)
    speaking(found, ONE)
    new, said = again(found, "p-record")
    assert new.state() is CallState.MESSAGE
    assert none(said, Record, Play, Ask, HangUp)
    new.step(event.Recorded(ONE, 7, new.now - 4, MessageEnd.SILENCE, new.now))
    message = new.saved().message
    assert message is not None
    assert (message.ended_by, message.began_at) == ("silence", new.now - 4)


@pytest.mark.parametrize("context", ["p-idle", "p-play"])
def test_after_a_restart_who_was_about_to_speak_speaks(context: str) -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.later(NIGHT)
    found.arrive(ONE, OFFICE)
    new, said = again(found, context)
    if context == "p-idle":
        assert "voicemail-ask" in names(only(said, Play))
    only(new.played(), Record)


@pytest.mark.parametrize("way", [MESSAGE, CALL_BACK, VOICE_MESSAGE])
def test_after_a_restart_a_refused_caller_stays_refused(way: str) -> None:
    found, _ = refused(way)
    new, said = again(found, "p-idle", TWO, DIRECT)
    assert TWO not in new.house.line
    assert none(said, Hold)
    told = next(one for one in said if isinstance(one, Play | Ask))
    assert names(told)[0] == "queue-full"
    if way == CALL_BACK:
        assert only(new.press("1", TWO), SaveCallback).callback.queue == GENERAL


def test_a_message_that_ended_unseen_has_its_end() -> None:
    found = hall(when_closed=VOICE_MESSAGE)
    found.later(NIGHT)
    found.arrive(ONE, OFFICE)
    speaking(found, ONE)
    record = found.saved()
    new = Hall(connected=False)
    new.now = found.now + 60
    new.step(CallsRestored((record,), new.now))
    gone = event.CallGone(ONE, record.channel, CallMark(OFFICE, "zh", START).encode(), "138", found.now + 9)
    said = new.step(event.ExchangeConnected((), (), (), new.now, (gone,)))
    kept = next(one.record for one in said if isinstance(one, SaveCall) and one.record.call == ONE)
    assert kept.message is not None
    assert kept.message.ended_at == found.now + 9
    assert kept.outcome is Outcome.CLOSED


def test_through_the_menu_as_well() -> None:
    found = hall(VOICE_MESSAGE)
    direct(found, ONE)
    said = found.queued(TWO, caller="13900002222")
    assert found.call(TWO).record.dialled == MENU
    assert "voicemail-ask" in names(only(said, Play))
    only(found.played(TWO), Record)


@pytest.mark.parametrize("way", [MESSAGE, CALL_BACK, VOICE_MESSAGE])
def test_the_checker_finds_nothing_wrong(way: str) -> None:
    found, _ = refused(way)
    found.played(TWO) if way != CALL_BACK else found.press("", TWO)
    found.later(5)
    found.hung_up(TWO)
    found.hung_up(ONE)
    report = verified(found.plan, found.steps)
    assert report.calls == 2
    assert report.findings == []
