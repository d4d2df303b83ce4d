"""Call-backs: the place is kept, one call at a time for a request, never more calls than free agents, nothing lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd import callback as moves
from acd.callback import CallbackRules, WrongMove
from agents.moves import AgentState
from controller.plan import CallbackPlan
from ivr.hours import parse_hours
from pbx import events as event
from pbx.call import CallState, Outcome
from pbx.callback import CallbackKind, CallbackRequest, CallbackState
from pbx.commands import Ask, Command, HangUp, Hold, Offer, PlaceCall, Play, Reply, SaveCallback
from pbx.events import TimerKind
from pbx.ids import AgentId, CallId, ChannelName, RequestId, SkillId
from pbx.supervision import QueueChanged
from tests.builders import A1, A2, A3, ENGLISH, GENERAL, ONE, TWO, Hall, caller_channel, none, only, row, wakes

pytestmark = pytest.mark.core

NUMBER = "13800001111"
PLAN = CallbackPlan(dial="PJSIP/{number}@trunk", rules=CallbackRules(3, 600.0), allow=("1[3-9][0-9]{9}",))


def desk(**changes: Any) -> Hall:
    """A hall that calls back, with the key 1 for it."""
    queues = dict(Hall().plan.queues)
    queues[GENERAL] = replace(
        queues[GENERAL], return_within_s=0.0, keys={"1": "callback", "9": "menu", "2": "queue:english"}
    )
    return Hall(queues=queues, callback=replace(PLAN, **changes))


def key(hall: Hall, digit: str, call: CallId = ONE, *, step: int | None = None) -> list[Command]:
    at = hall.call(call).step if step is None else step
    return hall.step(event.HoldKeyPressed(call, at, digit, hall.now))


def commit(hall: Hall, commands: list[Command]) -> list[Command]:
    """The store has committed what was to be saved."""
    more: list[Command] = []
    for one in commands:
        if isinstance(one, SaveCallback):
            kept = one.callback
            more += hall.step(event.CallbackStored(kept.id, len(kept.attempts), kept.state.value, hall.now))
    return more


def registered(hall: Hall, call: CallId = ONE) -> tuple[CallbackRequest, list[Command]]:
    """The caller has asked for a call-back in the line and is gone."""
    key(hall, "1", call)
    commands = commit(hall, hall.press("1", call))
    hall.played(call)
    hall.hung_up(call)
    return next(iter(hall.house.callbacks.values())), commands


def waiting_request(hall: Hall) -> CallbackRequest:
    hall.queued(ONE)
    hall.later(30)
    return registered(hall)[0]


def answers(hall: Hall, call: CallId) -> list[Command]:
    return hall.step(event.OutboundAnswered(call, caller_channel(call), hall.now, "12345", NUMBER))


def fails(hall: Hall, call: CallId, reason: str = "no_answer") -> list[Command]:
    return commit(hall, hall.step(event.OutboundFailed(call, reason, hall.now)))


def dialled(hall: Hall, agent: AgentId = A1) -> PlaceCall:
    """An agent comes; the request is stored, and its number is called."""
    return only(commit(hall, hall.ready(agent)), PlaceCall)


# ---------------------------------------------------------------- asking for it


def test_a_key_in_the_line_asks_whether_the_number_is_right() -> None:
    hall = desk()
    hall.queued()
    asked = only(key(hall, "1"), Ask)
    names = [prompt.rsplit("/", 1)[1] for prompt in asked.prompts]
    assert names[0] == "callback-number-is"
    assert names[-1] == "callback-confirm"
    assert "".join(name[6] for name in names if name.startswith("digit-")) == NUMBER
    assert asked.max_digits == 1
    assert (hall.state(), ONE in hall.house.line) == (CallState.ASKING, False)


def test_he_is_told_that_it_is_registered_only_when_the_store_has_it() -> None:
    hall = desk()
    hall.queued()
    key(hall, "1")
    commands = hall.press("1")
    assert none(commands, Play, HangUp)
    told = only(commit(hall, commands), Play)
    assert [prompt.rsplit("/", 1)[1] for prompt in told.prompts][:2] == ["callback-keep-place", "callback-accepted"]
    only(hall.played(), HangUp)
    hall.hung_up()
    assert hall.saved().outcome is Outcome.CALLBACK


def test_the_request_has_his_place_in_the_line() -> None:
    hall = desk()
    hall.queued(ONE)
    queued_at = hall.call().record.queued_at
    hall.later(30)
    hall.queued(TWO)
    hall.later(30)
    request, _ = registered(hall)
    assert (request.place_at, request.kind, request.of_call) == (queued_at, CallbackKind.ASKED, ONE)
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [request.id, TWO]
    assert hall.house.line.ahead_of(TWO) == 1


def test_star_and_silence_lead_back_to_the_same_place() -> None:
    for keys in ("*", ""):
        hall = desk()
        hall.queued(ONE)
        hall.later(1)
        hall.queued(TWO)
        key(hall, "1")
        only(hall.press(keys), Hold)
        assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [ONE, TWO]
        assert hall.house.callbacks == {}


@pytest.mark.parametrize("digit", ["1", "9"])
def test_who_cannot_be_asked_goes_on_waiting_at_his_place(digit: str) -> None:
    """The question is lost again and again; he hears music still, so the safety net would never take him."""
    hall = desk()
    hall.queued(ONE)
    queued_at = hall.call().record.queued_at
    hall.later(1)
    hall.queued(TWO)
    hall.started(ONE)
    key(hall, digit)
    for _ in range(4):
        hall.later(1.5)
        hall.step_lost()
    assert hall.state() is CallState.WAITING
    assert (hall.call().record.queue, hall.call().record.queued_at) == (GENERAL, queued_at)
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [ONE, TWO]
    assert only(key(hall, "1"), Ask).call == ONE, "and may press a key again"


@pytest.mark.parametrize("micros", [0.0, 2.3e-7, 4.9e-7, 7.5e-7])
def test_a_request_stands_in_the_line_as_soon_as_it_is_stored_whatever_the_clock_says(micros: float) -> None:
    """The calendar that knows the opening hours has whole microseconds, the engine's clock has parts of them."""
    hall = desk()
    hall.now += micros
    hall.queued(ONE)
    hall.ready()
    request, _ = registered(hall)
    assert request.id in hall.house.line


def test_another_number_may_be_given_if_it_is_allowed() -> None:
    hall = desk()
    hall.queued()
    key(hall, "1")
    assert only(hall.press("2"), Ask).max_digits == 20
    refused = only(hall.press("95588"), Ask)
    assert refused.prompts[0].endswith("callback-not-allowed")
    confirm = only(hall.press("13912345678"), Ask)
    assert confirm.prompts[0].endswith("callback-number-is")
    commit(hall, hall.press("1"))
    assert [one.number for one in hall.house.callbacks.values()] == ["13912345678"]


def test_after_too_many_wrong_numbers_he_goes_on_waiting() -> None:
    hall = desk()
    hall.queued()
    key(hall, "1")
    hall.press("2")
    for _ in range(2):
        only(hall.press("110"), Ask)
    only(hall.press("95588"), Hold)
    assert ONE in hall.house.line


def test_the_emergency_numbers_are_never_called_whoever_seems_to_have_called() -> None:
    hall = desk(allow=(".*",))
    hall.step(event.CallArrived(ONE, caller_channel(ONE), "12345", "110", hall.now))
    hall.press("0")
    hall.played()
    asked = only(key(hall, "1"), Ask)
    assert asked.prompts[-1].endswith("callback-enter-number"), "he is asked for a number"
    assert only(hall.press("119"), Ask).prompts[0].endswith("callback-not-allowed")


def test_keys_that_mean_nothing_and_late_ones_change_nothing() -> None:
    hall = desk()
    hall.queued()
    for _ in range(50):
        assert key(hall, "7") == []
    assert key(hall, "1", step=0) == []
    assert ONE in hall.house.line
    hall.ready(A1)  # he is in Dial now
    assert key(hall, "1") == []
    without = Hall(queues=hall.plan.queues)
    without.queued()
    assert key(without, "1") == [], "nobody can be called: no dial in the configuration"


def test_a_key_leads_into_another_queue_and_into_the_menu() -> None:
    hall = desk()
    hall.queued()
    begun = hall.call().record.queued_at
    hall.later(5)
    key(hall, "2")
    assert (hall.call().record.queue, hall.call().record.queued_at) == (ENGLISH, begun)
    assert hall.house.line.waiting(ENGLISH) == 1
    hall = desk()
    hall.queued()
    only(key(hall, "9"), Ask)
    assert (hall.state(), hall.call().record.queue, len(hall.house.line)) == (CallState.ASKING, None, 0)
    hall.press("0")
    hall.played()
    assert ONE in hall.house.line


def test_who_asks_twice_has_one_request() -> None:
    hall = desk()
    first = waiting_request(hall)
    hall.queued(TWO)
    key(hall, "1", TWO)
    told = commit(hall, hall.press("1", TWO))
    assert only(told, Play).prompts[1].endswith("callback-accepted")
    assert list(hall.house.callbacks) == [first.id]
    assert len(hall.house.line) == 1


# ---------------------------------------------------------------- calling


def test_an_agent_is_kept_and_only_then_and_only_once_the_number_is_called() -> None:
    hall = desk()
    request = waiting_request(hall)
    commands = hall.ready(A1)
    assert none(commands, PlaceCall), "first it is stored"
    assert (hall.where(), hall.agent().call) == (AgentState.RESERVED, f"{request.id}-1")
    call = only(commit(hall, commands), PlaceCall)
    assert (call.call, call.number, call.dial) == (f"{request.id}-1", NUMBER, f"PJSIP/{NUMBER}@trunk")
    assert call.purpose == "callback"
    assert commit(hall, commands) == [], "a doubled word of the store calls nobody again"
    assert none(commit(hall, hall.ready(A2)), PlaceCall), "one call at a time"


def test_when_he_answers_he_hears_who_calls_and_then_his_agent_rings() -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    greeting = only(answers(hall, call), Play)
    assert [prompt.rsplit("/", 1)[1] for prompt in greeting.prompts] == ["callback-greeting", "recording-notice"]
    hall.started(call)
    offer = only(hall.played(call), Offer)
    assert (offer.agent, offer.call) == (A1, call)
    assert hall.saved(call).offers[0].reason == f"call-back {request.id}: kept for him"
    hall.started(call)
    hall.leg_started(A1, call)
    hall.joined(A1, call)
    done = [one.callback for one in hall.joined(None, call) if isinstance(one, SaveCallback)]
    assert [(one.state, one.attempts[0].outcome) for one in done] == [(CallbackState.DONE, "answered")]
    assert hall.house.callbacks == {}
    record = hall.saved(call)
    assert (record.callback, record.caller, record.place_at) == (request.id, NUMBER, request.place_at)
    assert hall.where() is AgentState.TALKING


def test_when_the_kept_agent_does_not_answer_he_stands_first_in_the_line() -> None:
    hall = desk()
    waiting_request(hall)
    hall.later(10)
    hall.queued(TWO)
    call = dialled(hall).call
    answers(hall, call)
    hall.started(call)
    hall.played(call)
    hall.started(call)
    hall.leg_started(A1, call)
    hall.offer_failed(A1, call)
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [call]
    assert hall.state(TWO) is CallState.OFFERED, "his agent has not answered, and is rung for the next"
    assert only(hall.ready(A2), Offer).call == call


def test_no_answer_is_tried_again_after_the_pause_and_given_up_in_the_end() -> None:
    hall = desk()
    request = waiting_request(hall)
    hall.ready(A1)
    for attempt in (1, 2, 3):
        live = hall.house.callbacks[request.id]
        assert live.state is CallbackState.DIALLING or attempt > 1
        if attempt > 1:
            wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
            assert wake.at == pytest.approx(hall.now + 600)
            commit(hall, hall.time_is_up(wake))
        else:
            commit(hall, [one for one in hall.said if isinstance(one, SaveCallback)][-1:])
        call = CallId(f"{request.id}-{attempt}")
        assert hall.agent().call == call
        fails(hall, call)
        assert hall.where() is AgentState.READY, "the agent is free again, and has missed nothing"
    assert hall.agent().misses == 0
    assert hall.house.callbacks == {}
    last = [one.callback for one in hall.said if isinstance(one, SaveCallback)][-1]
    assert (last.state, [one.outcome for one in last.attempts]) == (CallbackState.GIVEN_UP, ["no_answer"] * 3)
    assert sum(isinstance(one, PlaceCall) for one in hall.said) == 3


def test_who_answers_and_hangs_up_before_the_agent_is_tried_again() -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    answers(hall, call)
    commit(hall, hall.hung_up(call))
    kept = hall.house.callbacks[request.id]
    assert (kept.state, kept.attempts[0].outcome) == (CallbackState.WAITING, "hung_up")
    assert hall.where() is AgentState.READY


def test_nobody_is_called_outside_the_hours() -> None:
    hall = desk(hours=parse_hours({"mon-sun": ["08:00-08:01"]}, "test"))
    request = waiting_request(hall)
    assert none(commit(hall, hall.ready(A1)), PlaceCall)
    assert request.id not in hall.house.line
    wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
    assert hall.now < wake.at <= hall.now + 86_400
    assert only(commit(hall, hall.time_is_up(wake)), PlaceCall).number == NUMBER


def test_a_request_that_is_too_old_is_given_up() -> None:
    hall = desk(rules=CallbackRules(3, 600.0, keep_s=3600.0))
    request = waiting_request(hall)
    wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
    hall.time_is_up(wake)
    while request.id in hall.house.callbacks:
        wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
        hall.time_is_up(wake)
    assert 3600 <= hall.now - request.asked_at < 7300
    assert request.id not in hall.house.line


def test_a_call_of_which_nothing_is_heard_is_hung_up_and_counts() -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
    assert wake.at == hall.now + 45
    commands = hall.time_is_up(wake)
    assert only(commands, HangUp).channel == call
    assert hall.house.callbacks[request.id].attempts[0].outcome == "failed"
    assert hall.where() is AgentState.READY


def test_while_the_store_is_away_nobody_is_called_and_no_agent_is_kept_for_long() -> None:
    hall = desk()
    request = waiting_request(hall)
    hall.ready(A1)  # what is to be saved is never committed
    wake = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.key == request.id][-1]
    assert wake.at == hall.now + 5
    hall.time_is_up(wake)
    assert hall.where() is AgentState.READY
    assert hall.house.callbacks[request.id].attempts == ()
    assert none(hall.said, PlaceCall)


def test_who_calls_again_and_is_served_need_not_be_called() -> None:
    hall = desk()
    request = waiting_request(hall)
    hall.queued(TWO)
    hall.house.line.remove(CallId(request.id))  # the request is in its pause
    hall.ready(A1)
    hall.started(TWO)
    hall.leg_started(A1, TWO)
    hall.joined(A1, TWO)
    hall.joined(None, TWO)
    hall.later(60)
    hall.hung_up(TWO)
    last = [one.callback for one in hall.said if isinstance(one, SaveCallback)][-1]
    assert (last.id, last.state) == (request.id, CallbackState.CANCELLED)
    assert hall.house.callbacks == {}


# ---------------------------------------------------------------- people


def test_a_queue_that_a_supervisor_changes_is_changed_for_its_call_backs_too() -> None:
    hall = desk()
    request = waiting_request(hall)
    assert hall.replied(QueueChanged, GENERAL, ((SkillId("english"), 3),), 4, None) == ""
    (entry,) = hall.house.line.ordered(hall.now)
    assert (entry.call, entry.priority, entry.requirement.needs) == (request.id, 4, ((SkillId("english"), 3),))
    hall.ready(A3)
    assert hall.where(A3) is AgentState.READY, "he speaks no English"
    hall.ready(A1)
    assert hall.where(A1) is AgentState.RESERVED


def test_a_missed_caller_is_called_for_somebody_of_the_hotline() -> None:
    hall = desk()
    hall.queued(ONE)
    begun = hall.call().record.queued_at
    assert begun is not None
    hall.later(5)
    hall.hung_up(ONE)
    wish = event.CallbackAsked(NUMBER, GENERAL, ONE, begun, "en", "web", RequestId("r"), hall.now)
    commands = hall.step(wish)
    assert only(commands, Reply).ok
    commit(hall, commands)
    (request,) = hall.house.callbacks.values()
    assert (request.kind, request.by, request.place_at, request.language) == (CallbackKind.MISSED, "web", begun, "en")
    for code, changes in (
        ("unknown_queue", {"queue": "nowhere"}),
        ("forbidden_number", {"number": "110"}),
        ("forbidden_number", {"number": "95588", "of_call": None}),
    ):
        assert only(hall.step(replace(wish, **changes)), Reply).code == code  # type: ignore[arg-type]
    gone = event.CallbackCancelled(request.id, "web", RequestId("r"), hall.now)
    assert only(hall.step(gone), Reply).ok
    assert hall.house.callbacks == {}
    assert request.id not in hall.house.line
    assert only(hall.step(gone), Reply).code == "unknown_callback"


def test_a_request_that_is_being_dialled_is_not_cancelled() -> None:
    hall = desk()
    request = waiting_request(hall)
    dialled(hall)
    reply = only(hall.step(event.CallbackCancelled(request.id, "web", RequestId("r"), hall.now)), Reply)
    assert reply.code == "callback_dialling"


# ---------------------------------------------------------------- restart


def after_crash(before: Hall, request: CallbackRequest, *rows: event.LiveChannel, **more: Any) -> Hall:
    hall = desk()
    hall.board.__init__(hall.plan)  # type: ignore[misc]
    hall.house = hall.board.house
    hall.now = before.now + 3
    hall.said.clear()
    hall.step(event.CallbacksRestored((request,), hall.now))
    hall.step(event.CallsRestored((), hall.now))
    hall.connected(*rows, **more)
    return hall


def test_a_request_survives_with_its_place() -> None:
    before = desk()
    request = waiting_request(before)
    hall = after_crash(before, request)
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [request.id]
    assert hall.house.line.get(CallId(request.id)).queued_at == request.place_at  # type: ignore[union-attr]
    assert only(commit(hall, hall.ready(A1)), PlaceCall).call == f"{request.id}-1"


def test_an_attempt_in_doubt_counts_and_is_not_made_again_at_once() -> None:
    before = desk()
    waiting_request(before)
    dialled(before)
    (request,) = before.house.callbacks.values()
    hall = after_crash(before, request)
    kept = hall.house.callbacks[request.id]
    assert (kept.state, kept.attempts[0].outcome) == (CallbackState.WAITING, "in_doubt")
    assert none(commit(hall, hall.ready(A1)), PlaceCall)


def test_a_call_that_still_rings_is_found_by_its_id_and_its_agent_is_kept_again() -> None:
    before = desk()
    waiting_request(before)
    call = dialled(before).call
    (request,) = before.house.callbacks.values()
    ringing = event.LiveChannel(
        ChannelName("PJSIP/trunk-1"), call, event.Role.CALLER, None, "p-callback", 0, False, "", ""
    )
    hall = after_crash(before, request, ringing)
    assert hall.house.callbacks[request.id].state is CallbackState.DIALLING
    assert none(hall.said, PlaceCall)
    greeting = only(answers(hall, call), Play)
    assert greeting.prompts[0].endswith("callback-greeting")


def test_a_connection_lost_while_the_number_is_called_changes_nothing() -> None:
    hall = desk()
    request = waiting_request(hall)
    call = dialled(hall).call
    hall.lost_exchange()
    ringing = event.LiveChannel(ChannelName("PJSIP/trunk-1"), call, event.Role.CALLER, None, "", 0, False, "", "")
    hall.connected(ringing)
    assert hall.where() is AgentState.RESERVED
    assert hall.agent().call == call
    answers(hall, call)
    hall.started(call)
    assert only(hall.played(call), Offer).agent == A1
    assert request.id in hall.house.callbacks


def test_who_had_answered_is_found_standing_and_goes_on() -> None:
    before = desk()
    waiting_request(before)
    call = dialled(before).call
    (request,) = before.house.callbacks.values()
    hall = after_crash(before, request, row(call, "p-idle", step=0, mark=f"12345|zh|{before.now}|||0|0"))
    greeting = [one for one in hall.said if isinstance(one, Play)]
    assert [one.call for one in greeting] == [call]
    hall.started(call)
    hall.played(call)
    assert call in hall.house.line
    assert only(hall.ready(A2), Offer).call == call


# ---------------------------------------------------------------- always


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=70))
def test_never_more_calls_than_kept_agents_and_one_for_a_request(deeds: list[tuple[int, int]]) -> None:
    """Whatever people, phones and the store do, in whatever order."""
    hall = desk(rules=CallbackRules(2, 30.0))
    number = 0
    unsaved: list[Command] = []
    up: set[CallId] = set()
    placed: list[CallId] = []
    for deed, which in deeds:
        commands: list[Command] = []
        hall.later(1)
        ringing = [one.call for one in hall.house.callbacks.values() if one.call in placed and one.call not in up]
        if deed == 0:
            number += 1
            call = CallId(f"in-{number}.1")
            hall.arrive(call)
            hall.press("0", call)
            hall.played(call)
            hall.house.calls[call].record = replace(hall.house.calls[call].record, caller=f"1380000{which:04}")
            if hall.house.calls[call].state is CallState.WAITING:
                key(hall, "1", call)
                commands = hall.press("1", call)
        elif deed == 1:
            commands = hall.ready((A1, A2, A3)[which % 3])
        elif deed == 2:
            commands = hall.sign_out((A1, A2, A3)[which % 3])
        elif deed == 3:
            hall.later(31)
            due = [one for one in wakes(hall.said, TimerKind.CALLBACK) if one.at <= hall.now]
            for wake in due[-6:]:
                commands += hall.time_is_up(wake)
        elif deed == 4 and ringing:
            commands = hall.step(event.OutboundFailed(ringing[which % len(ringing)], "busy", hall.now))
        elif deed == 5 and ringing:
            call = ringing[which % len(ringing)]
            up.add(call)
            commands = answers(hall, call)
            hall.started(call)
            commands += hall.played(call)
        elif deed == 6 and up:
            call = sorted(up)[which % len(up)]
            if call in hall.house.calls:
                commands = hall.hung_up(call)
        elif deed == 7:
            rest = [one for one in hall.house.calls.values() if one.state is CallState.OFFERED and one.offer]
            if rest:
                live = rest[which % len(rest)]
                assert live.offer is not None
                hall.started(live.call)
                hall.leg_started(live.offer.agent, live.call)
                commands = hall.offer_failed(live.offer.agent if live.offer else A1, live.call)
        else:
            commands, unsaved = commit(hall, unsaved), []
        unsaved += [one for one in commands if isinstance(one, SaveCallback)]
        placed += [one.call for one in commands if isinstance(one, PlaceCall)]
        dialling = [one for one in hall.house.callbacks.values() if one.state is CallbackState.DIALLING]
        unanswered = [one for one in dialling if one.call not in hall.house.calls]
        kept = [one for one in hall.house.roster.agents() if one.state is AgentState.RESERVED]
        assert {one.attempts[-1].agent for one in unanswered} <= {one.id for one in kept}
        assert len({one.attempts[-1].agent for one in unanswered}) == len(unanswered)
        assert len({(one.number, one.queue) for one in hall.house.callbacks.values()}) == len(hall.house.callbacks)
        for one in dialling:
            assert CallId(one.id) not in hall.house.line
    every = [one.call for one in hall.said if isinstance(one, PlaceCall)]
    assert len(every) == len(set(every)), "no call was placed twice"


# ---------------------------------------------------------------- the moves of a request


REQUEST = CallbackRequest("cb1", NUMBER, GENERAL, 100.0, 200.0)


def test_a_request_moves_by_its_rules_alone() -> None:
    rules = CallbackRules(2, 60.0)
    first = moves.dial(REQUEST, A1, 210.0)
    assert (first.call, first.state) == ("cb1-1", CallbackState.DIALLING)
    again = moves.failed(first, "busy", 220.0, rules)
    assert (again.state, again.next_at, again.call) == (CallbackState.WAITING, 280.0, None)
    second = moves.dial(again, None, 290.0)
    assert second.call == "cb1-2"
    assert moves.failed(second, "busy", 300.0, rules).state is CallbackState.GIVEN_UP
    done = moves.served(second, 300.0)
    assert (done.state, done.attempts[1].outcome, done.ended_at) == (CallbackState.DONE, "answered", 300.0)
    assert moves.not_placed(second, 300.0, 5.0).attempts == again.attempts
    for wrong in (
        lambda: moves.dial(first, A1, 0.0),
        lambda: moves.failed(REQUEST, "busy", 0.0, rules),
        lambda: moves.served(REQUEST, 0.0),
        lambda: moves.cancelled(first, 0.0),
        lambda: moves.given_up(done, 0.0),
        lambda: moves.not_placed(REQUEST, 0.0, 0.0),
    ):
        with pytest.raises(WrongMove):
            wrong()


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"pause_s": -1.0}, {"keep_s": 0.0}])
def test_rules_by_which_nobody_would_be_called_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        CallbackRules(**wrong)


@pytest.mark.parametrize("context", ["p-ask", "p-idle", "p-play"])
def test_who_had_registered_as_the_controller_died_is_told_so_and_stands_in_no_line_twice(context: str) -> None:
    """The store has his request; it had not been said to him, or its record was behind."""
    before = desk()
    before.queued(ONE)
    queued_at = before.call().record.queued_at
    key(before, "1")
    before.press("1")
    (request,) = before.house.callbacks.values()
    hall = after_crash(before, request, row(ONE, context, step=4, mark=before.call().mark()))
    told = only(hall.said, Play)
    assert [prompt.rsplit("/", 1)[1] for prompt in told.prompts][:2] == ["callback-keep-place", "callback-accepted"]
    assert [entry.call for entry in hall.house.line.ordered(hall.now)] == [request.id]
    assert request.place_at == queued_at
    only(hall.played(), HangUp)
    hall.hung_up()
    assert hall.saved().outcome is Outcome.CALLBACK


def test_who_has_heard_that_he_will_be_called_is_let_go_after_a_restart() -> None:
    before = desk()
    request = waiting_request(before)
    record = replace(before.saved(), ended_at=None)
    hall = desk()
    hall.board.__init__(hall.plan)  # type: ignore[misc]
    hall.house, hall.now = hall.board.house, before.now + 3
    hall.said.clear()
    hall.step(event.CallbacksRestored((request,), hall.now))
    hall.step(event.CallsRestored((record,), hall.now))
    hall.connected(row(ONE, "p-idle", step=5, mark=f"12345|zh|{hall.now}||general|0|{hall.now}"))
    only(hall.said, HangUp)
    assert ONE not in hall.house.line
